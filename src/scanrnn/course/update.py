"""One update of the exercise's character model, on `sr.unroll` and its way back.

The model says of every character of a name what comes next, and of the last one that
the name ends::

    X = [None, c₁, …, cₙ],  Y = [c₁, …, cₙ, newline],  loss = Σₜ −log ŷ⟨t⟩[Y⟨t⟩]

None stands for the zero vector: nothing has been read yet. The update is plain gradient
descent, every gradient clipped element by element.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..cells.rnn import RNNParams, RNNState, rnn
from ..readout import DenseParams, dense, softmax_cross_entropy
from ..unroll import unroll
from .border import Floats, Gradients, column, columns, flat, floats, in_float64, rows
from .characters import NAMES, read_indices, read_model, read_number

LIMIT = 5.0  # of a gradient, element by element


class Network(NamedTuple):
    """The parameters in the library's shapes."""

    cell: RNNParams
    readout: DenseParams


class Example(NamedTuple):
    """Names padded to the same number of steps."""

    xs: Array  # (..., T) tokens, NOTHING for None
    ys: Array  # (..., T) tokens
    length: Array  # (...), the steps that count


def clip(gradients: Mapping[str, ArrayLike], maxValue: float) -> Gradients:
    """Every element brought into [−maxValue, maxValue]; what came stays as it is.

    Args:
        gradients: by name, of any shapes.
        maxValue: at least 0.

    Returns:
        A new dictionary of new arrays, of the same names and shapes. A NaN stays one.

    Raises:
        ValueError: if gradients is no dictionary of numbers, or maxValue is negative.

    >>> import numpy as np
    >>> clip({"db": np.array([[-7.0], [3.0]])}, 5)["db"].ravel()
    array([-5.,  3.])

    Source: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent
    neural networks" (there by the norm), arXiv 1211.5063.
    """
    if not isinstance(gradients, Mapping):
        raise ValueError(
            "expected gradients, a dictionary of arrays such as dWax, dWaa, dWya, db, "
            f"dby, got a {type(gradients).__name__}"
        )
    limit = read_number("maxValue", maxValue)
    if not limit >= 0:
        raise ValueError(
            f"expected maxValue of at least 0, got {maxValue}; "
            "it is the largest magnitude that is let through"
        )
    arrays = floats(gradients)
    return {name: np.clip(array, -limit, limit) for name, array in arrays.items()}


@in_float64
def optimize(
    X: Sequence[int | None],
    Y: Sequence[int],
    a_prev: ArrayLike,
    parameters: MutableMapping[str, Any],
    learning_rate: float = 0.01,
) -> tuple[float, Gradients, Floats]:
    """One name: forward, back, clip at 5, and a step of gradient descent.

    The gradient is that of `sr.unroll`, by hand. It does not reach beyond a_prev, which
    in the exercise is the last state of the name before.

    Args:
        X: T indices in [0, n_x), or None for the zero vector.
        Y: T indices in [0, n_y), what is to follow each of X.
        a_prev: (n_a, 1), the state before the first step.
        parameters: Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a), b (n_a, 1),
            by (n_y, 1). As in the exercise the dictionary is updated in place: its
            five entries become new arrays.
        learning_rate: what a gradient is multiplied by.

    Returns:
        The loss before the update, summed over the steps, in nats; the clipped
        gradients dWax, dWaa, dWya, db, dby; and the last state (n_a, 1).

    Raises:
        ValueError: if a key is missing, a shape does not fit or an index is out of
            range.

    >>> import numpy as np
    >>> parameters = dict(Wax=np.zeros((2, 3)), Waa=np.zeros((2, 2)),
    ...                   Wya=np.zeros((3, 2)), b=np.zeros((2, 1)), by=np.zeros((3, 1)))
    >>> loss, gradients, a_last = optimize(
    ...     [None, 1], [1, 0], np.zeros((2, 1)), parameters)
    >>> round(loss, 4)  # 2 log 3
    2.1972
    >>> parameters["by"].ravel().round(4)  # the two that came are likelier now
    array([ 0.0033,  0.0033, -0.0067])
    """
    if not isinstance(parameters, MutableMapping):
        raise ValueError(
            "expected parameters, a dictionary that can be updated in place, "
            f"got a {type(parameters).__name__}"
        )
    values = read_model(parameters, a_prev=a_prev)
    n_y, n_x = len(values["by"]), values["Wax"].shape[1]
    if values["a_prev"].shape[1] != 1:
        raise ValueError(
            f"expected a_prev of shape (n_a, 1), got {values['a_prev'].shape}; "
            "one name is learnt at a time"
        )
    xs, ys = read_indices("X", X, n_x, or_none=True), read_indices("Y", Y, n_y)
    if len(xs) != len(ys):
        raise ValueError(
            f"expected X and Y of the same length, got {len(xs)} and {len(ys)}; "
            "Y[t] is what follows X[t]"
        )
    rate = np.asarray(read_number("learning_rate", learning_rate), values["by"].dtype)
    # Names of many lengths share a program for each power of two.
    example = pad([xs], [ys], max(16, 1 << (len(xs) - 1).bit_length()))
    loss, gradients, network, a_last = _optimize(
        network_of(values),
        jax.tree.map(lambda x: x[0], example),
        values["a_prev"].T,
        rate,
    )
    parameters.update(parameters_of(network))
    found = {f"d{name}": value for name, value in parameters_of(gradients).items()}
    return float(loss), found, columns(a_last)


def update(
    network: Network, example: Example, a_prev: Array, rate: Array
) -> tuple[Array, Network, Network, Array]:
    """The loss, the clipped gradients, the network after them, and the last state."""
    back = jax.value_and_grad(_loss, has_aux=True)
    (loss, a_last), gradients = back(network, example, a_prev)
    gradients = jax.tree.map(lambda d: jnp.clip(d, -LIMIT, LIMIT), gradients)
    network = jax.tree.map(lambda w, d: w - rate * d, network, gradients)
    return loss, gradients, network, a_last


_optimize = jax.jit(update)


def _loss(network: Network, example: Example, a_prev: Array) -> tuple[Array, Array]:
    """Summed over the steps of one name; and the last state (1, n_a)."""
    n_x, n_a = network.cell.w_x.shape
    # One-hot vectors, not tokens: for None there is no row of Wax, but a zero vector.
    xs = jax.nn.one_hot(example.xs[:, None], n_x, dtype=a_prev.dtype)
    start, lengths = RNNState(a_prev), example.length[None]
    run = unroll(rnn(n_a), network.cell, xs, start, lengths=lengths)
    logits = dense(network.readout, run.outputs)
    inside = jnp.arange(len(xs))[:, None] < lengths
    mean = softmax_cross_entropy(logits, example.ys[:, None], inside)
    return mean * example.length.astype(mean.dtype), run.final.h


def pad(
    xs: Sequence[Sequence[int]], ys: Sequence[Sequence[int]], steps: int
) -> Example:
    """Lists of unequal length as arrays (names, steps); the padding is never read."""

    def filled(lists: Sequence[Sequence[int]]) -> Array:
        full = [[*tokens, *[0] * (steps - len(tokens))] for tokens in lists]
        return jnp.asarray(np.array(full))

    length = jnp.asarray([len(tokens) for tokens in xs])
    return Example(filled(xs), filled(ys), length)


def network_of(values: Mapping[str, Floats]) -> Network:
    """The exercise's arrays in the library's shapes."""
    cell = RNNParams(rows(values["Wax"]), rows(values["Waa"]), flat(values["b"]))
    return Network(cell, DenseParams(rows(values["Wya"]), flat(values["by"])))


def parameters_of(network: Network) -> dict[str, Floats]:
    """A network, or its gradients, in the exercise's shapes."""
    cell, readout = network
    weights = map(columns, (cell.w_x, cell.w_h, readout.w))
    biases = column(cell.b), column(readout.b)
    return dict(zip(NAMES, (*weights, *biases), strict=True))
