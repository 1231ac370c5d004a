"""The gated recurrent unit as in the paper of 2014: reset before the product.

Gates stand in the order r, z, n in the columns of W_x, W_h, b; W_h is [W_rz, W_n].
The reset multiplies the state itself, so a step has two products, one after the
other::

    forward                                 backward, from dhₜ

    (1) xₜ W_x                    project   (6) δ_n  = dhₜ ∘ (1 − z) ∘ (1 − n²)  pull
    (2) aₜ = xₜ W_x + b           step          δ_z  = dhₜ ∘ (hₜ₋₁ − n) ∘ z(1 − z)
        r  = σ(a_r + hₜ₋₁ W_r)
        z  = σ(a_z + hₜ₋₁ W_z)              (7) dk   = δ_n W_nᵀ                  pull
    (3) k  = r ∘ hₜ₋₁                       (8) δ_r  = dk ∘ hₜ₋₁ ∘ r(1 − r)      pull
    (4) n  = tanh(a_n + k W_n)              (9) dhₜ₋₁ = dhₜ ∘ z + dk ∘ r         pull
    (5) hₜ = (1 − z) ∘ n + z ∘ hₜ₋₁                  + [δ_r, δ_z] W_rzᵀ
                                           (10) dW_rz = Σₜ hₜ₋₁ᵀ [δ_r, δ_z]      collect
                                                dW_n  = Σₜ kₜᵀ δ_n
                                           (11) dW_x = Σₜ xₜᵀ δ,  db = Σₜ δ      collect
                                                dxₜ  = δ W_xᵀ

`collect` needs k as a left operand; it travels with the delta.

Source: Cho et al. 2014, arXiv 1406.1078, equations (5) to (8).
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import affine_vjp, plus, sum_of_outer, times, times_transposed
from ..made import Call
from .gates import draw_weights, sigmoid


class GRUResetBeforeParams(NamedTuple):
    """The letters of the equations; columns in the gate order r, z, n."""

    w_x: Array  # (X, 3H)
    w_h: Array  # (H, 3H)
    b: Array | None  # (3H,); None without a bias


class GRUResetBeforeState(NamedTuple):
    """All that the next step needs is the output."""

    h: Array  # (B, H)


class GRUResetBeforeTape(NamedTuple):
    """The derivative factors of one step, and the left operand k."""

    by_z: Array  # (B, H)  δ_z by dh
    by_n: Array  # (B, H)  δ_n by dh
    by_r: Array  # (B, H)  δ_r by dk
    r: Array  # (B, H)     dh_prev by dk
    z: Array  # (B, H)     dh_prev by dh
    k: Array  # (B, H)


class GRUResetBeforeDelta(NamedTuple):
    """The cotangents of all pre-activations, and what W_n was multiplied by."""

    gates: Array  # (B, 3H)  δ_r, δ_z, δ_n
    k: Array  # (B, H)


@functools.cache
def gru_reset_before(hidden_size: int, bias: bool, made_by: Call) -> Cell:
    """The cell behind `sr.gru(hidden_size, reset_after=False)`."""
    split = 2 * hidden_size  # the columns of W_rz

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> GRUResetBeforeParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 3, dtype)
        b = jnp.zeros(3 * hidden_size, dtype) if bias else None
        return GRUResetBeforeParams(w_x, w_h, b)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> GRUResetBeforeState:
        return GRUResetBeforeState(jnp.zeros((batch_size, hidden_size), dtype))

    def project(params: GRUResetBeforeParams, xs: Array) -> Array:
        return times(xs, params.w_x)  # (1)

    def step(
        params: GRUResetBeforeParams, state: GRUResetBeforeState, drive: Array
    ) -> tuple[GRUResetBeforeState, GRUResetBeforeTape]:
        h_prev = state.h
        a = plus(drive, params.b)  # (2)
        rz = sigmoid(a[..., :split] + times(h_prev, params.w_h[:, :split]))
        r, z = jnp.split(rz, 2, axis=-1)
        k = r * h_prev  # (3)
        n = jnp.tanh(a[..., split:] + times(k, params.w_h[:, split:]))  # (4)
        h = (1 - z) * n + z * h_prev  # (5)
        tape = GRUResetBeforeTape(
            by_z=(h_prev - n) * z * (1 - z),
            by_n=(1 - z) * (1 - n * n),
            by_r=h_prev * r * (1 - r),
            r=r,
            z=z,
            k=k,
        )
        return GRUResetBeforeState(h), tape

    def pull(
        params: GRUResetBeforeParams,
        tape: GRUResetBeforeTape,
        d_state: GRUResetBeforeState,
    ) -> tuple[GRUResetBeforeState, GRUResetBeforeDelta]:
        d_h = d_state.h
        delta_n, delta_z = d_h * tape.by_n, d_h * tape.by_z  # (6)
        d_k = times_transposed(delta_n, params.w_h[:, split:], d_h)  # (7)
        delta_rz = jnp.concatenate((d_k * tape.by_r, delta_z), axis=-1)  # (8)
        d_h_prev = d_h * tape.z + d_k * tape.r  # (9)
        d_h_prev = d_h_prev + times_transposed(delta_rz, params.w_h[:, :split], d_h)
        gates = jnp.concatenate((delta_rz, delta_n), axis=-1)
        return GRUResetBeforeState(d_h_prev), GRUResetBeforeDelta(gates, tape.k)

    def collect(
        params: GRUResetBeforeParams,
        xs: Array,
        states_prev: GRUResetBeforeState,
        deltas: GRUResetBeforeDelta,
    ) -> tuple[GRUResetBeforeParams, Array | None]:
        delta_rz, delta_n = deltas.gates[..., :split], deltas.gates[..., split:]
        w_rz, w_n = params.w_h[:, :split], params.w_h[:, split:]
        d_w_rz = sum_of_outer(states_prev.h, delta_rz, w_rz)  # (10)
        d_w_n = sum_of_outer(deltas.k, delta_n, w_n)
        d_w_h = jnp.concatenate((d_w_rz, d_w_n), axis=-1)
        d_xs, d_w_x, d_b = affine_vjp(xs, params.w_x, params.b, deltas.gates)  # (11)
        return GRUResetBeforeParams(d_w_x, d_w_h, d_b), d_xs

    return Cell(init, start, project, step, pull, collect, made_by)
