"""Plain scans, as they are written without any library, differentiated by JAX."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from shared.study import CELLS

from .cases import Case
from .contestants import Contestant, Layout, Loss, by_jax


def plain_step(kind: str, params: Any, state: Any, drive: Array) -> Any:
    """A step as it is written without this library; state is (h,) or (h, c)."""
    h = state[0]
    recurrent = h @ params.w_h
    if kind == "rnn":
        return (jnp.tanh(drive + recurrent),)
    if kind == "gru":
        a_r, a_z, a_n = jnp.split(drive, 3, -1)
        u_r, u_z, u_n = jnp.split(recurrent, 3, -1)
        r, z = jax.nn.sigmoid(a_r + u_r), jax.nn.sigmoid(a_z + u_z)
        n = jnp.tanh(a_n + r * (u_n + params.b_hn))
        return ((1 - z) * n + z * h,)
    i, f, g, o = jnp.split(drive + recurrent, 4, -1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def scan_loss(
    case: Case, *, hoisted: bool, unroll: int = 1, of_final: bool = False
) -> Loss:
    """`lax.scan` and nothing else; the input product before the loop if hoisted.

    The loss reads all outputs, or the final state alone.
    """

    def project(params: Any, xs: Array) -> Array:
        product = params.w_x[xs] if case.tokens else xs @ params.w_x
        return product + params.b

    def loss(params: Any, xs: Array, weights: Array) -> Array:
        def body(state: Any, x: Array) -> Any:
            drive = x if hoisted else project(params, x)
            state = plain_step(case.cell, params, state, drive)
            return state, None if of_final else state[0]

        zeros = jnp.zeros_like(weights[0])
        start = (zeros,) * (2 if case.cell == "lstm" else 1)
        inputs = project(params, xs) if hoisted else xs
        final, outputs = lax.scan(body, start, inputs, unroll=unroll)
        if of_final:
            return jnp.sum(final[0] * weights[-1])
        return jnp.sum(outputs * weights)

    return loss


def scan(
    case: Case,
    *,
    hoisted: bool,
    unroll: int = 1,
    layout: Layout = Layout(),
) -> Contestant:
    """`jax.grad` of a plain scan."""
    name = "scan, hoisted" if hoisted else "scan, naive"
    loss = scan_loss(case, hoisted=hoisted, unroll=unroll)
    return Contestant(
        name=layout.named(f"{name}, unroll {unroll}"),
        group="scan",
        build=by_jax(loss, layout=layout),
        cell=CELLS[case.cell](case.H),
        layout=layout,
        as_it_comes=unroll == 1 and layout.devices == 1,
    )
