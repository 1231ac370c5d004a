"""The LSTM with layer normalization (Ba, Kiros and Hinton 2016)::

    zₜ = N(xₜ W_x; s_x) + N(hₜ₋₁ W_h; s_h) + b      columns i, f, g, o
    i, f, o = σ(z), g = tanh(z)
    cₜ = f ∘ cₜ₋₁ + i ∘ g
    hₜ = o ∘ tanh(N(cₜ; s_c) + b_c)

with N(z; s) = s ∘ (z − μ) / √(σ² + ε), μ and σ² over all four gates at once. The paper
has a shift in each of the two N of the first line and none beside them: b is their sum.

Source: arXiv 1607.06450, equations 20 to 22 of the supplementary material.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import draw_weights, sigmoid
from ..cells.lstm import LSTMState
from ..engine.products import floating, plus, times
from ..engine.values import whole_number
from ..made import Call
from .normal import normal
from .shelved import biases, forget_bias_of, positive, shelved


class LayerNormLSTMParams(NamedTuple):
    """The letters of the equations; columns in the gate order i, f, g, o."""

    w_x: Array  # (X, 4H)
    w_h: Array  # (H, 4H)
    s_x: Array  # (4H,)
    s_h: Array  # (4H,)
    s_c: Array  # (H,)
    b: Array | None  # (4H,); None without a bias
    b_c: Array | None  # (H,); likewise


def layer_norm_lstm(
    hidden_size: int,
    *,
    forget_bias: float | None = None,
    bias: bool = True,
    epsilon: float = 1e-5,
) -> Cell:
    """The long short-term memory with layer normalization.

    Args:
        hidden_size: H, the number of units.
        forget_bias: the initial bias of the forget gate; 1 if not given.
        bias: whether there are b and b_c; without them they are None in the params.
        epsilon: ε, added to each variance.

    Returns:
        A `Cell` with params `LayerNormLSTMParams` (w_x, w_h, s_x, s_h, s_c, b, b_c)
        and state (h, c), (B, H) each. Weights are drawn as those of `sr.lstm`, every s
        is 1. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.layer_norm_lstm(5)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape, run.final.c.shape
    ((7, 2, 5), (2, 5))
    """
    size = whole_number("hidden_size", hidden_size)
    told = forget_bias_of(bias, forget_bias)
    return _layer_norm_lstm(size, told, positive("epsilon", epsilon))


@functools.cache
def _layer_norm_lstm(
    hidden_size: int, forget_bias: float | None, epsilon: float
) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> LayerNormLSTMParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 4, dtype)
        dtype = floating(dtype)
        wide_one, one = (jnp.ones(n * hidden_size, dtype) for n in (4, 1))
        b = biases(4, hidden_size, 1, forget_bias, dtype)
        b_c = None if b is None else jnp.zeros(hidden_size, dtype)
        return LayerNormLSTMParams(w_x, w_h, wide_one, wide_one, one, b, b_c)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> LSTMState:
        return LSTMState(*(jnp.zeros((batch_size, hidden_size), dtype),) * 2)

    def step(params: LayerNormLSTMParams, state: LSTMState, x: Array) -> LSTMState:
        z_x = normal(times(x, params.w_x), params.s_x, epsilon=epsilon)
        z_h = normal(times(state.h, params.w_h), params.s_h, epsilon=epsilon)
        i, f, g, o = jnp.split(plus(z_x + z_h, params.b), 4, axis=-1)
        c = sigmoid(f) * state.c + sigmoid(i) * jnp.tanh(g)
        s = jnp.tanh(normal(c, params.s_c, params.b_c, epsilon=epsilon))
        return LSTMState(sigmoid(o) * s, c)

    made_by = Call.of(
        layer_norm_lstm,
        hidden_size,
        forget_bias=None if forget_bias == 1 else forget_bias,
        bias=forget_bias is not None,
        epsilon=epsilon,
    )
    return shelved(step, init, start, made_by)
