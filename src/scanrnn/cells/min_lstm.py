"""The minimal LSTM that is affine in its state (minLSTM, Feng et al. 2024).

Two gates and a candidate, all of the input alone. The gates are divided by their sum,
so that the state is a mean of candidates; there is no memory beside the output. The
order of the columns of W_x and b is f, i, c; g is the identity, or `positive`::

    forward                             backward, from dhₜ

    (1) xₜ W_x              project     (5) q     = dhₜ ∘ (hₜ₋₁ − c) ∘ a(1 − a)  pull
    (2) zₜ = xₜ W_x + b     step            δ_f   = q ∘ (1 − f)
    (3) f  = σ(z_f)         step            δ_i   = −q ∘ (1 − i)
        i  = σ(z_i)                         δ_c   = dhₜ ∘ (1 − a) ∘ g'(z_c)
        a  = f / (f + i)                (6) dhₜ₋₁ = dhₜ ∘ a                      pull
        c  = g(z_c)                     (7) dW_x  = Σₜ xₜᵀ [δ_f, δ_i, δ_c]       collect
    (4) hₜ = a ∘ hₜ₋₁       step            db    = Σₜ [δ_f, δ_i, δ_c]
             + (1 − a) ∘ c                  dxₜ   = [δ_f, δ_i, δ_c] W_xᵀ

The quotient is formed as a = σ(ln f − ln i), with ln σ(z) = −ln(1 + e⁻ᶻ): where both
gates are so small that they are zero, f / (f + i) would be none. Its derivative by z_f
is a(1 − a) (1 − f), since (ln σ)' = 1 − σ; so (5).

Source: Feng, Tung, Ahmed, Bengio and Hajimirsadegh 2024, "Were RNNs All We Needed?",
arXiv 2410.01201, section 3.2; the quotient by logarithms, and `positive`: appendix B.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import affine_vjp, plus, times
from ..engine.values import flag, one_of, whole_number
from ..made import Call
from .gates import draw_input_weights, sigmoid
from .min_gru import CANDIDATES


class MinLSTMParams(NamedTuple):
    """The letters of the equations; columns in the order f, i, c."""

    w_x: Array  # (X, 3H)
    b: Array | None  # (3H,); None without a bias


class MinLSTMState(NamedTuple):
    """All that the next step needs is the output."""

    h: Array  # (B, H)


class MinLSTMTape(NamedTuple):
    """The derivative factors of one step by dh, (B, H) each."""

    by_f: Array  # δ_f
    by_i: Array  # δ_i
    by_c: Array  # δ_c
    a: Array  # the direct path to h_prev


def min_lstm(
    hidden_size: int, *, activation: str = "identity", bias: bool = True
) -> Cell:
    """The minimal LSTM h = (f ∘ h_prev + i ∘ c) / (f + i), with f, i, c of the input.

    Args:
        hidden_size: H, the number of units.
        activation: of the candidate, "identity" or "positive" (x + ½ or σ(x)).
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `MinLSTMParams` (w_x, b) and state `MinLSTMState` (h); its
        recurrence is affine. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.min_lstm(5)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> sr.unroll(cell, params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 5)
    """
    return _min_lstm(
        whole_number("hidden_size", hidden_size),
        one_of("activation", activation, CANDIDATES),
        flag("bias", bias),
    )


@functools.cache
def _min_lstm(hidden_size: int, activation: str, bias: bool) -> Cell:
    g, g_prime = CANDIDATES[activation]

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> MinLSTMParams:
        w_x = draw_input_weights(key, input_size, hidden_size, 3, dtype)
        return MinLSTMParams(w_x, jnp.zeros(3 * hidden_size, dtype) if bias else None)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> MinLSTMState:
        return MinLSTMState(jnp.zeros((batch_size, hidden_size), dtype))

    def project(params: MinLSTMParams, xs: Array) -> Array:
        return times(xs, params.w_x)  # (1)

    def step(
        params: MinLSTMParams, state: MinLSTMState, drive: Array
    ) -> tuple[MinLSTMState, MinLSTMTape]:
        z_f, z_i, z_c = jnp.split(plus(drive, params.b), 3, axis=-1)  # (2)
        a = sigmoid(jax.nn.softplus(-z_i) - jax.nn.softplus(-z_f))  # (3)
        c = g(z_c)
        h = a * state.h + (1 - a) * c  # (4)
        by_q = (state.h - c) * a * (1 - a)
        tape = MinLSTMTape(
            by_f=by_q * sigmoid(-z_f),
            by_i=-by_q * sigmoid(-z_i),
            by_c=(1 - a) * g_prime(z_c),
            a=a,
        )
        return MinLSTMState(h), tape

    def pull(
        params: MinLSTMParams, tape: MinLSTMTape, d_state: MinLSTMState
    ) -> tuple[MinLSTMState, Array]:
        d_h = d_state.h
        gates = d_h * tape.by_f, d_h * tape.by_i, d_h * tape.by_c  # (5)
        return MinLSTMState(d_h * tape.a), jnp.concatenate(gates, axis=-1)  # (6)

    def collect(
        params: MinLSTMParams, xs: Array, states_prev: MinLSTMState, deltas: Array
    ) -> tuple[MinLSTMParams, Array | None]:
        d_xs, d_w_x, d_b = affine_vjp(xs, params.w_x, params.b, deltas)  # (7)
        return MinLSTMParams(d_w_x, d_b), d_xs

    made_by = Call.of(min_lstm, hidden_size, activation=activation, bias=bias)
    return Cell(init, start, project, step, pull, collect, made_by, recurrence="affine")
