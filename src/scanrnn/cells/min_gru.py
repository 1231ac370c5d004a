"""The minimal gated unit that is affine in its state (minGRU, Feng et al. 2024).

Gate and candidate are read off the input alone, so that nothing of a step but one
product and one sum waits for the step before. They stand in the order z, c in the
columns of W_x and b; g is the identity, or `positive`::

    forward                             backward, from dhₜ

    (1) xₜ W_x              project     (5) δ_z   = dhₜ ∘ (c − hₜ₋₁) ∘ z(1 − z)  pull
    (2) aₜ = xₜ W_x + b     step            δ_c   = dhₜ ∘ z ∘ g'(a_c)
    (3) z  = σ(a_z)         step        (6) dhₜ₋₁ = dhₜ ∘ (1 − z)                pull
        c  = g(a_c)                     (7) dW_x  = Σₜ xₜᵀ [δ_z, δ_c]            collect
    (4) hₜ = (1 − z) ∘ hₜ₋₁ step            db    = Σₜ [δ_z, δ_c]
             + z ∘ c                        dxₜ   = [δ_z, δ_c] W_xᵀ

The recurrence is affine: a = 1 − z and b = z ∘ c. As 0 < a < 1 a state is a mean of
candidates, and neither it nor a gradient grows.

Source: Feng, Tung, Ahmed, Bengio and Hajimirsadegh 2024, "Were RNNs All We Needed?",
arXiv 2410.01201, section 3.1; `positive`: its appendix B.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import affine_vjp, plus, times
from ..engine.values import flag, one_of, whole_number
from ..made import Call
from .gates import draw_input_weights, sigmoid

Pointwise: TypeAlias = Callable[[Array], Array]


class MinGRUParams(NamedTuple):
    """The letters of the equations; columns in the order z, c."""

    w_x: Array  # (X, 2H)
    b: Array | None  # (2H,); None without a bias


class MinGRUState(NamedTuple):
    """All that the next step needs is the output."""

    h: Array  # (B, H)


class MinGRUTape(NamedTuple):
    """The derivative factors of one step by dh, (B, H) each."""

    by_z: Array  # δ_z
    by_c: Array  # δ_c
    a: Array  # 1 − z, the direct path to h_prev


def positive(x: Array) -> Array:
    """x + ½ where x ≥ 0, else σ(x): positive, and so are all states from then on."""
    return jnp.where(x >= 0, jax.nn.relu(x) + 0.5, sigmoid(x))


def _positive_prime(x: Array) -> Array:
    s = sigmoid(x)
    return jnp.where(x >= 0, jnp.ones_like(x), s * (1 - s))


# g, and g'.
CANDIDATES: dict[str, tuple[Pointwise, Pointwise]] = {
    "identity": (lambda x: x, jnp.ones_like),
    "positive": (positive, _positive_prime),
}


def min_gru(
    hidden_size: int, *, activation: str = "identity", bias: bool = True
) -> Cell:
    """The minimal gated unit h = (1 − z) ∘ h_prev + z ∘ c, with z and c of the input.

    Args:
        hidden_size: H, the number of units.
        activation: of the candidate, "identity" or "positive" (x + ½ or σ(x)).
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `MinGRUParams` (w_x, b) and state `MinGRUState` (h); its
        recurrence is affine. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.min_gru(5)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> sr.unroll(cell, params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 5)
    """
    return _min_gru(
        whole_number("hidden_size", hidden_size),
        one_of("activation", activation, CANDIDATES),
        flag("bias", bias),
    )


@functools.cache
def _min_gru(hidden_size: int, activation: str, bias: bool) -> Cell:
    g, g_prime = CANDIDATES[activation]

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> MinGRUParams:
        w_x = draw_input_weights(key, input_size, hidden_size, 2, dtype)
        return MinGRUParams(w_x, jnp.zeros(2 * hidden_size, dtype) if bias else None)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> MinGRUState:
        return MinGRUState(jnp.zeros((batch_size, hidden_size), dtype))

    def project(params: MinGRUParams, xs: Array) -> Array:
        return times(xs, params.w_x)  # (1)

    def step(
        params: MinGRUParams, state: MinGRUState, drive: Array
    ) -> tuple[MinGRUState, MinGRUTape]:
        a_z, a_c = jnp.split(plus(drive, params.b), 2, axis=-1)  # (2)
        z, c = sigmoid(a_z), g(a_c)  # (3)
        h = (1 - z) * state.h + z * c  # (4)
        tape = MinGRUTape(
            by_z=(c - state.h) * z * (1 - z), by_c=z * g_prime(a_c), a=1 - z
        )
        return MinGRUState(h), tape

    def pull(
        params: MinGRUParams, tape: MinGRUTape, d_state: MinGRUState
    ) -> tuple[MinGRUState, Array]:
        d_h = d_state.h
        delta = jnp.concatenate((d_h * tape.by_z, d_h * tape.by_c), axis=-1)  # (5)
        return MinGRUState(d_h * tape.a), delta  # (6)

    def collect(
        params: MinGRUParams, xs: Array, states_prev: MinGRUState, deltas: Array
    ) -> tuple[MinGRUParams, Array | None]:
        d_xs, d_w_x, d_b = affine_vjp(xs, params.w_x, params.b, deltas)  # (7)
        return MinGRUParams(d_w_x, d_b), d_xs

    made_by = Call.of(min_gru, hidden_size, activation=activation, bias=bias)
    return Cell(init, start, project, step, pull, collect, made_by, recurrence="affine")
