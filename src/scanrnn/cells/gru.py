"""The gated recurrent unit, reset after the product (cuDNN, torch).

Gates stand in the order r, z, n in the columns of W_x, W_h, b; b_hn is the recurrent
bias of n, inside the reset::

    forward                                 backward, from dhₜ

    (1) xₜ W_x                    project   (6) δ_n  = dhₜ ∘ (1 − z) ∘ (1 − n²)  pull
    (2) aₜ = xₜ W_x + b           step          δ_z  = dhₜ ∘ (hₜ₋₁ − n) ∘ z(1 − z)
        uₜ = hₜ₋₁ W_h                           δ_r  = δ_n ∘ q ∘ r(1 − r)
        q  = u_n + b_hn                         dq   = δ_n ∘ r
    (3) r  = σ(a_r + u_r)                   (7) dhₜ₋₁ = dhₜ ∘ z
        z  = σ(a_z + u_z)                            + [δ_r, δ_z, dq] W_hᵀ       pull
    (4) n  = tanh(a_n + r ∘ q)              (8) dW_h = Σₜ hₜ₋₁ᵀ [δ_r, δ_z, dq]   collect
    (5) hₜ = (1 − z) ∘ n + z ∘ hₜ₋₁             db_hn = Σₜ dq
                                            (9) dW_x = Σₜ xₜᵀ [δ_r, δ_z, δ_n]    collect
                                                db   = Σₜ [δ_r, δ_z, δ_n]
                                                dxₜ  = [δ_r, δ_z, δ_n] W_xᵀ

Every delta is dhₜ times a factor that is known when the step ends; the tape holds
those factors.

Sources: Cho et al. 2014, arXiv 1406.1078 (the unit); the form with the reset after
the product, and b_hn: the documentation of torch.nn.GRU and of cuDNN.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import (
    affine_vjp,
    plus,
    sum_leading,
    sum_of_outer,
    times,
    times_transposed,
)
from ..engine.values import flag, whole_number
from ..made import Call
from .gates import apart, draw_weights, sigmoid
from .gru_reset_before import gru_reset_before


class GRUParams(NamedTuple):
    """The letters of the equations; columns in the gate order r, z, n."""

    w_x: Array  # (X, 3H)
    w_h: Array  # (H, 3H)
    b: Array | None  # (3H,); None without a bias
    b_hn: Array | None  # (H,); likewise


class GRUState(NamedTuple):
    """All that the next step needs is the output."""

    h: Array  # (B, H)


class GRUTape(NamedTuple):
    """The derivative factors of one step by dh, (B, H) each."""

    by_r: Array  # δ_r
    by_z: Array  # δ_z
    by_n: Array  # δ_n
    by_q: Array  # dq
    z: Array  # the direct path to h_prev


class GRUDelta(NamedTuple):
    """What reaches the recurrent product; with δ_n for dq, the input product."""

    h: Array  # (B, 3H)  δ_r, δ_z, dq
    n: Array  # (B, H)  δ_n


def gru(hidden_size: int, *, reset_after: bool = True, bias: bool = True) -> Cell:
    """The gated recurrent unit, gates in the order r, z, n.

    Args:
        hidden_size: H, the number of units.
        reset_after: whether r multiplies h_prev W_h (True: cuDNN, torch, one product
            a step) or h_prev itself (False: the paper of 2014, two products a step).
        bias: whether there are b and b_hn; without them they are None in the params.

    Returns:
        A `Cell`. Its params are `GRUParams` (w_x, w_h, b, b_hn), without b_hn where
        the reset comes before; its state is (h,). The same arguments give the same
        cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.gru(5)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> sr.unroll(cell, params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 5)
    """
    hidden_size = whole_number("hidden_size", hidden_size)
    after, bias = flag("reset_after", reset_after), flag("bias", bias)
    made_by = Call.of(gru, hidden_size, reset_after=after, bias=bias)
    return (_gru if after else gru_reset_before)(hidden_size, bias, made_by)


@functools.cache
def _gru(hidden_size: int, bias: bool, made_by: Call) -> Cell:
    def init(key: Array, input_size: int, dtype: DTypeLike | None = None) -> GRUParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 3, dtype)
        if not bias:
            return GRUParams(w_x, w_h, None, None)
        b, b_hn = jnp.zeros(3 * hidden_size, dtype), jnp.zeros(hidden_size, dtype)
        return GRUParams(w_x, w_h, b, b_hn)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> GRUState:
        return GRUState(jnp.zeros((batch_size, hidden_size), dtype))

    def project(params: GRUParams, xs: Array) -> Array:
        return times(xs, params.w_x)  # (1)

    def step(
        params: GRUParams, state: GRUState, drive: Array
    ) -> tuple[GRUState, GRUTape]:
        h_prev = state.h
        a = plus(drive, params.b)  # (2)
        a_r, a_z, a_n = jnp.split(a, 3, axis=-1)
        u_r, u_z, u_n = jnp.split(times(h_prev, params.w_h), 3, axis=-1)
        q = plus(u_n, params.b_hn)
        r, z = apart(sigmoid(a_r + u_r), sigmoid(a_z + u_z))  # (3)
        n = jnp.tanh(a_n + r * q)  # (4)
        h = (1 - z) * n + z * h_prev  # (5)
        by_n = (1 - z) * (1 - n * n)
        tape = GRUTape(
            by_r=by_n * q * r * (1 - r),
            by_z=(h_prev - n) * z * (1 - z),
            by_n=by_n,
            by_q=by_n * r,
            z=z,
        )
        return GRUState(h), tape

    def pull(
        params: GRUParams, tape: GRUTape, d_state: GRUState
    ) -> tuple[GRUState, GRUDelta]:
        d_h = d_state.h
        gates = d_h * tape.by_r, d_h * tape.by_z, d_h * tape.by_q  # (6)
        h = jnp.concatenate(gates, axis=-1)
        d_h_prev = d_h * tape.z + times_transposed(h, params.w_h, d_h)  # (7)
        return GRUState(d_h_prev), GRUDelta(h, d_h * tape.by_n)

    def collect(
        params: GRUParams, xs: Array, states_prev: GRUState, deltas: GRUDelta
    ) -> tuple[GRUParams, Array | None]:
        delta_rz, d_q = jnp.split(deltas.h, [2 * hidden_size], axis=-1)
        d_w_h = sum_of_outer(states_prev.h, deltas.h, params.w_h)  # (8)
        d_b_hn = None if params.b_hn is None else sum_leading(d_q)
        delta_x = jnp.concatenate((delta_rz, deltas.n), axis=-1)
        d_xs, d_w_x, d_b = affine_vjp(xs, params.w_x, params.b, delta_x)  # (9)
        return GRUParams(d_w_x, d_w_h, d_b, d_b_hn), d_xs

    return Cell(init, start, project, step, pull, collect, made_by)
