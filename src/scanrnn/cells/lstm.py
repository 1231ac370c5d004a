"""The long short-term memory (Hochreiter and Schmidhuber 1997, with a forget gate).

Gates stand in the order i, f, g, o (torch, cuDNN) in the columns of W_x, W_h, b::

    forward                                   backward, from dhₜ and dcₜ

    (1) aₜ = xₜ W_x               project     (6) dcₜ  += dhₜ ∘ o ∘ (1 − s²)     pull
    (2) zₜ = aₜ + hₜ₋₁ W_h + b    step        (7) δ_i   = dcₜ ∘ g ∘ i(1 − i)     pull
    (3) i, f, o = σ(z), g = tanh(z)               δ_f   = dcₜ ∘ cₜ₋₁ ∘ f(1 − f)
    (4) cₜ = f ∘ cₜ₋₁ + i ∘ g                     δ_g   = dcₜ ∘ i ∘ (1 − g²)
    (5) s  = tanh(cₜ)                             δ_o   = dhₜ ∘ s ∘ o(1 − o)
        hₜ = o ∘ s                            (8) dcₜ₋₁ = dcₜ ∘ f                pull
                                              (9) dhₜ₋₁ = δₜ W_hᵀ                pull
                                             (10) dW_h  = Σₜ hₜ₋₁ᵀ δₜ            collect
                                             (11) dW_x  = Σₜ xₜᵀ δₜ              collect
                                                  db    = Σₜ δₜ
                                                  dxₜ   = δₜ W_xᵀ

The tape holds the factors on the right of (6) to (8) and not the gates: they are
known when the step ends, and the way back is left with six products element by
element and no transcendental function.

The bias is added in the step, where it costs nothing: the sum of the three terms is
one pass over memory that has to be made anyway.

One function, tanh, serves all four gates, since σ(z) = (1 + tanh(z / 2)) / 2.

Sources: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; Gers,
Schmidhuber and Cummins 2000, "Learning to Forget".
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import affine_vjp, plus, sum_of_outer, times, times_transposed
from ..engine.values import flag, shown, whole_number
from ..made import Call
from .gates import draw_weights, squash


class LSTMParams(NamedTuple):
    """The letters of the equations; columns in the gate order i, f, g, o."""

    w_x: Array  # (X, 4H)
    w_h: Array  # (H, 4H)
    b: Array | None  # (4H,); None without a bias


class LSTMState(NamedTuple):
    """The output and the memory."""

    h: Array  # (B, H)
    c: Array  # (B, H)


class LSTMTape(NamedTuple):
    """The derivative factors of one step, (B, H) each."""

    dc_by_dh: Array  # o (1 − s²)
    by_i: Array  # δ_i by dc
    by_f: Array  # δ_f by dc
    by_g: Array  # δ_g by dc
    by_o: Array  # δ_o by dh
    f: Array  # dc_prev by dc


def lstm(
    hidden_size: int, *, forget_bias: float | None = None, bias: bool = True
) -> Cell:
    """The long short-term memory, gates in the order i, f, g, o.

    Args:
        hidden_size: H, the number of units.
        forget_bias: the initial bias of the forget gate; 1 if not given, where it
            starts near σ(1) = 0.73 and gradients reach back through the memory from
            the first step of training on (Jozefowicz, Zaremba and Sutskever 2015,
            proceedings.mlr.press/v37/jozefowicz15).
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `LSTMParams` (w_x, w_h, b) and state `LSTMState` (h, c).
        The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.lstm(5)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> sr.unroll(cell, params, jnp.ones((7, 2, 3))).final.c.shape
    (2, 5)
    """
    hidden_size = whole_number("hidden_size", hidden_size)
    if not flag("bias", bias):
        if forget_bias is not None:
            raise ValueError(
                f"expected no forget_bias with bias=False, got {shown(forget_bias)}"
            )
        return _lstm(hidden_size, None)
    return _lstm(hidden_size, _number("forget_bias", forget_bias, 1.0))


def _number(name: str, value: Any, otherwise: float) -> float:
    try:
        return otherwise if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected {name}, a number, got {shown(value)}") from error


@functools.cache
def _lstm(hidden_size: int, forget_bias: float | None) -> Cell:
    scale = np.repeat((0.5, 0.5, 1.0, 0.5), hidden_size)  # of i, f, g, o: see squash

    def init(key: Array, input_size: int, dtype: DTypeLike | None = None) -> LSTMParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 4, dtype)
        if forget_bias is None:
            return LSTMParams(w_x, w_h, None)
        b = jnp.zeros((4, hidden_size), dtype).at[1].set(forget_bias)
        return LSTMParams(w_x, w_h, b.reshape(-1))

    def start(batch_size: int, dtype: DTypeLike | None = None) -> LSTMState:
        return LSTMState(*(jnp.zeros((batch_size, hidden_size), dtype),) * 2)

    def project(params: LSTMParams, xs: Array) -> Array:
        return times(xs, params.w_x)  # (1)

    def step(
        params: LSTMParams, state: LSTMState, drive: Array
    ) -> tuple[LSTMState, LSTMTape]:
        z = plus(drive + times(state.h, params.w_h), params.b)  # (2)
        i, f, g, o = jnp.split(squash(z, scale), 4, axis=-1)  # (3)
        c = f * state.c + i * g  # (4)
        s = jnp.tanh(c)  # (5)
        tape = LSTMTape(
            dc_by_dh=o * (1 - s * s),
            by_i=g * i * (1 - i),
            by_f=state.c * f * (1 - f),
            by_g=i * (1 - g * g),
            by_o=s * o * (1 - o),
            f=f,
        )
        return LSTMState(o * s, c), tape

    def pull(
        params: LSTMParams, tape: LSTMTape, d_state: LSTMState
    ) -> tuple[LSTMState, Array]:
        d_h, d_c = d_state
        d_c = d_c + d_h * tape.dc_by_dh  # (6)
        gates = d_c * tape.by_i, d_c * tape.by_f, d_c * tape.by_g, d_h * tape.by_o
        delta = jnp.concatenate(gates, axis=-1)  # (7)
        d_c_prev = d_c * tape.f  # (8)
        return LSTMState(
            times_transposed(delta, params.w_h, d_h), d_c_prev
        ), delta  # (9)

    def collect(
        params: LSTMParams, xs: Array, states_prev: LSTMState, deltas: Array
    ) -> tuple[LSTMParams, Array | None]:
        d_w_h = sum_of_outer(states_prev.h, deltas, params.w_h)  # (10)
        d_xs, d_w_x, d_b = affine_vjp(xs, params.w_x, params.b, deltas)  # (11)
        return LSTMParams(d_w_x, d_w_h, d_b), d_xs

    made_by = Call.of(
        lstm,
        hidden_size,
        forget_bias=None if forget_bias == 1 else forget_bias,  # 1 is meant anyway
        bias=forget_bias is not None,
    )
    return Cell(init, start, project, step, pull, collect, made_by)
