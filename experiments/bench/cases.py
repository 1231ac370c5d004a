"""What is measured: the cases, the numbers every contestant gets, and the truth.

All contestants of a case start from the same float32 numbers, drawn with NumPy. The
truth is what `jax.grad` of the plain scan gives for them in float64.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from shared.study import CELLS

import scanrnn as sr

VOCABULARY = 65
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


class Case(NamedTuple):
    """A cell over T steps of a batch of B, X inputs (or V tokens), H units."""

    cell: str
    T: int
    B: int
    X: int
    H: int
    tokens: bool = False
    dtype: str = "float32"

    @property
    def size(self) -> str:
        """What `--sizes` takes: ``100x32x64x128``, ``100x32xV65x128`` for tokens."""
        return f"{self.T}x{self.B}x{'V' * self.tokens}{self.X}x{self.H}"

    @property
    def key(self) -> str:
        """The whole case as text."""
        dtype = "" if self.dtype == "float32" else f" {self.dtype}"
        return f"{self.cell} {self.size}{dtype}"

    @property
    def flop(self) -> float:
        """Multiplications and additions of the products, forward and backward.

        A token costs a look-up and no product.
        """
        left = self.H if self.tokens else self.X + self.H
        return 6.0 * self.B * self.T * GATES[self.cell] * self.H * left


SIZES = (
    (100, 1, 32, 64),
    (500, 4, 16, 32),
    (1000, 16, 64, 64),
    (100, 32, 64, 128),
    (256, 32, 128, 256),
    (100, 64, 128, 512),
    (64, 64, 256, 1024),
    (4096, 8, 64, 128),
)
TOKEN_SIZES = tuple((T, B, VOCABULARY, H) for T, B, _, H in SIZES[2:5])
BFLOAT16_SIZES = (SIZES[4], SIZES[6])
GRID = (
    tuple(Case(cell, *size) for cell in CELLS for size in SIZES)
    + tuple(Case(cell, *size, tokens=True) for cell in CELLS for size in TOKEN_SIZES)
    + tuple(
        Case(cell, *size, dtype="bfloat16") for cell in CELLS for size in BFLOAT16_SIZES
    )
)

# Of the training step: AdamW without decay, clipping by the global norm.
RATE, BETAS, EPSILON, CLIP = 1e-3, (0.9, 0.99), 1e-8, 1.0
FIRST = 3  # steps whose losses are compared


class Problem(NamedTuple):
    """The numbers of a case, as NumPy arrays in our layout."""

    case: Case
    params: Any  # the NamedTuple of our cell
    xs: np.ndarray  # (T, B, X) floats or (T, B) tokens
    weights: np.ndarray  # (T, B, H); the loss is their sum with the outputs


class Start(NamedTuple):
    """Where a training run starts: params in our layout, and the window it sees."""

    cell: Any  # the NamedTuple of our LSTM
    w: np.ndarray  # (H, V), of the readout
    b: np.ndarray  # (V,)
    tokens: np.ndarray  # (T, B)
    labels: np.ndarray  # (T, B)


class Answer(NamedTuple):
    """A loss and its gradients, in our layout."""

    loss: float
    d_params: Any
    d_xs: np.ndarray | None  # None for tokens
    scale: float = 1.0  # of a loss whose terms cancel: the root of their squares


def draw(case: Case, seed: int = 0) -> Problem:
    """Weights as the cell draws them, biases at random; b_hn stays zero.

    A peer without b_hn then has the same loss, and all but one of the gradients.
    """
    rng = np.random.default_rng(seed)
    dtype = jnp.dtype(case.dtype)
    cell = CELLS[case.cell](case.H)
    params = jax.tree.map(np.asarray, cell.init(jax.random.key(seed), case.X))
    bias = params.b + 0.1 * rng.normal(size=params.b.shape)
    params = params._replace(b=bias)
    params = jax.tree.map(lambda leaf: np.asarray(leaf).astype(dtype), params)
    if case.tokens:
        xs = rng.integers(0, case.X, (case.T, case.B)).astype(np.int32)
    else:
        xs = rng.normal(size=(case.T, case.B, case.X)).astype(dtype)
    weights = rng.normal(size=(case.T, case.B, case.H)).astype(dtype)
    return Problem(case, params, xs, weights)


def truth(problem: Problem, cell: sr.Cell, dtype: str = "float64") -> Answer:
    """The gradients that `jax.grad` of the plain scan has for these numbers.

    In float64; or in float32, where a device is slow at that or has none. No product is
    rounded to less.
    """

    def loss(params: Any, xs: jax.Array, weights: jax.Array) -> Any:
        run = sr.unroll(cell, params, xs, backward=sr.Autodiff())
        terms = run.outputs * weights
        return jnp.sum(terms), jnp.sqrt(jnp.sum(terms**2))

    def widened(leaf: np.ndarray) -> jax.Array:
        is_tokens = np.issubdtype(leaf.dtype, np.integer)
        return jnp.asarray(leaf if is_tokens else leaf.astype(dtype))

    wide_dtype = jax.enable_x64(dtype == "float64")
    with wide_dtype, jax.default_matmul_precision("highest"):
        params = fit_to(cell, problem.params)
        wide = jax.tree.map(widened, (params, problem.xs, problem.weights))
        argnums = (0,) if problem.case.tokens else (0, 1)
        gradient = jax.jit(jax.value_and_grad(loss, argnums, has_aux=True))
        (value, scale), d = gradient(*wide)
        d_xs = None if problem.case.tokens else np.asarray(d[1])
        d_params = jax.tree.map(np.asarray, d[0])
        return Answer(float(value), d_params, d_xs, float(scale))


def fit_to(cell: sr.Cell, params: Any) -> Any:
    """Our params as those of a cell of fewer leaves, for peers of other equations."""
    like = jax.eval_shape(lambda: cell.init(jax.random.key(0), 1))
    return type(like)(*(getattr(params, name) for name in like._fields))


def error_of(answer: Answer, truth: Answer, lacks: tuple[str, ...] = ()) -> float:
    """The worst error over the loss and all gradients, relative to each one's largest.

    Args:
        answer: what a contestant found.
        truth: the same in float64.
        lacks: params that the contestant does not have.
    """
    errors = [abs(answer.loss - truth.loss) / max(abs(truth.loss), truth.scale)]
    for name in set(truth.d_params._fields) - set(lacks):
        errors.append(
            _worst(getattr(answer.d_params, name), getattr(truth.d_params, name))
        )
    if truth.d_xs is not None:
        errors.append(_worst(answer.d_xs, truth.d_xs))
    return float(max(errors))


def _worst(found: Any, right: np.ndarray) -> float:
    difference = np.abs(np.asarray(found, np.float64) - right).max()
    return float(difference / np.abs(right).max())
