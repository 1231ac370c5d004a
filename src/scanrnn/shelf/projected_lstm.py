"""The LSTM with a projection of its output (Sak, Senior and Beaufays 2014)::

    zₜ = xₜ W_x + hₜ₋₁ W_h + b           columns i, f, g, o
    i, f, o = σ(z), g = tanh(z)
    cₜ = f ∘ cₜ₋₁ + i ∘ g                (B, H)
    hₜ = (o ∘ tanh(cₜ)) W_p              (B, P)

With P smaller than H the recurrent product is smaller too: H memories, P of output.

Sources: Sak, Senior and Beaufays 2014, arXiv 1402.1128, without its peepholes and its
second, non-recurrent projection; torch.nn.LSTM(proj_size=), which has W_p as
weight_hr.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import sigmoid
from ..cells.lstm import LSTMState
from ..engine.products import floating, times, wide
from ..engine.values import whole_number
from ..made import Call
from .shelved import biases, forget_bias_of, recurrent, shelved


class ProjectedLSTMParams(NamedTuple):
    """The letters of the equations; columns in the gate order i, f, g, o."""

    w_x: Array  # (X, 4H)
    w_h: Array  # (P, 4H)
    w_p: Array  # (H, P)
    b: Array | None  # (4H,); None without a bias


def projected_lstm(
    hidden_size: int,
    proj_size: int,
    *,
    forget_bias: float | None = None,
    bias: bool = True,
) -> Cell:
    """The long short-term memory with a projection of its output.

    Args:
        hidden_size: H, the number of memories.
        proj_size: P, the size of the output, less than H.
        forget_bias: the initial bias of the forget gate; 1 if not given.
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `ProjectedLSTMParams` (w_x, w_h, w_p, b) and state
        h (B, P), c (B, H). All weights are drawn uniform in ±1/√H, as in torch; b is
        zero but for the forget gate. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.projected_lstm(5, 2)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 4, 3)))
    >>> run.outputs.shape, run.final.c.shape
    ((7, 4, 2), (4, 5))
    """
    size = whole_number("hidden_size", hidden_size)
    proj = whole_number("proj_size", proj_size)
    if proj >= size:
        raise ValueError(
            f"expected proj_size less than hidden_size {size}, got {proj}; without a "
            "projection it is sr.lstm"
        )
    return _projected_lstm(size, proj, forget_bias_of(bias, forget_bias))


@functools.cache
def _projected_lstm(
    hidden_size: int, proj_size: int, forget_bias: float | None
) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> ProjectedLSTMParams:
        rows = whole_number("input_size", input_size), proj_size
        dtype, bound = floating(dtype), hidden_size**-0.5
        shapes = [(n, 4 * hidden_size) for n in rows] + [(hidden_size, proj_size)]
        w_x, w_h, w_p = (
            jax.random.uniform(k, shape, wide(dtype), -bound, bound).astype(dtype)
            for k, shape in zip(jax.random.split(key, 3), shapes, strict=True)
        )
        b = biases(4, hidden_size, 1, forget_bias, dtype)
        return ProjectedLSTMParams(w_x, w_h, w_p, b)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> LSTMState:
        sizes = proj_size, hidden_size
        return LSTMState(*(jnp.zeros((batch_size, size), dtype) for size in sizes))

    def step(params: ProjectedLSTMParams, state: LSTMState, x: Array) -> LSTMState:
        z = recurrent(x, state.h, params.w_x, params.w_h, params.b)
        i, f, g, o = jnp.split(z, 4, axis=-1)
        c = sigmoid(f) * state.c + sigmoid(i) * jnp.tanh(g)
        return LSTMState(times(sigmoid(o) * jnp.tanh(c), params.w_p), c)

    made_by = Call.of(
        projected_lstm,
        hidden_size,
        proj_size,
        forget_bias=None if forget_bias == 1 else forget_bias,
        bias=forget_bias is not None,
    )
    return shelved(step, init, start, made_by)
