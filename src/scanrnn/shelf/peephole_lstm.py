"""The LSTM whose gates see the memory (Gers and Schmidhuber 2000)::

    zₜ = xₜ W_x + hₜ₋₁ W_h + b           columns i, f, g, o
    i  = σ(z_i + p_i ∘ cₜ₋₁)
    f  = σ(z_f + p_f ∘ cₜ₋₁)
    cₜ = f ∘ cₜ₋₁ + i ∘ tanh(z_g)
    o  = σ(z_o + p_o ∘ cₜ)
    hₜ = o ∘ tanh(cₜ)

Sources: Gers and Schmidhuber 2000, "Recurrent Nets that Time and Count"; Gers,
Schraudolph and Schmidhuber 2002, jmlr.org/papers/v3/gers02a.html. The form with tanh
of the memory is that of Graves 2013, arXiv 1308.0850, equations 7 to 11.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import draw_weights, sigmoid
from ..cells.lstm import LSTMState
from ..engine.products import beside, floating, wide
from ..engine.values import whole_number
from ..made import Call
from .shelved import biases, forget_bias_of, recurrent, shelved


class PeepholeLSTMParams(NamedTuple):
    """The letters of the equations; columns in the gate order i, f, g, o."""

    w_x: Array  # (X, 4H)
    w_h: Array  # (H, 4H)
    p: Array  # (3, H)  p_i, p_f, p_o
    b: Array | None  # (4H,); None without a bias


def peephole_lstm(
    hidden_size: int, *, forget_bias: float | None = None, bias: bool = True
) -> Cell:
    """The long short-term memory with peepholes, from the memory to its gates.

    Args:
        hidden_size: H, the number of units.
        forget_bias: the initial bias of the forget gate; 1 if not given.
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `PeepholeLSTMParams` (w_x, w_h, p, b) and state (h, c),
        (B, H) each. W_x and W_h are drawn as those of `sr.lstm`, p is Glorot uniform
        in ±√(3 / H), as a peephole of TensorFlow Addons. The same arguments give the
        same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.peephole_lstm(5)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape, run.final.c.shape
    ((7, 2, 5), (2, 5))
    """
    size = whole_number("hidden_size", hidden_size)
    return _peephole_lstm(size, forget_bias_of(bias, forget_bias))


@functools.cache
def _peephole_lstm(hidden_size: int, forget_bias: float | None) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> PeepholeLSTMParams:
        key_w, key_p = jax.random.split(key)
        w_x, w_h = draw_weights(key_w, input_size, hidden_size, 4, dtype)
        dtype = floating(dtype)
        bound = (3 / hidden_size) ** 0.5
        p = jax.random.uniform(key_p, (3, hidden_size), wide(dtype), -bound, bound)
        b = biases(4, hidden_size, 1, forget_bias, dtype)
        return PeepholeLSTMParams(w_x, w_h, p.astype(dtype), b)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> LSTMState:
        return LSTMState(*(jnp.zeros((batch_size, hidden_size), dtype),) * 2)

    def step(params: PeepholeLSTMParams, state: LSTMState, x: Array) -> LSTMState:
        z = recurrent(x, state.h, params.w_x, params.w_h, params.b)
        z_i, z_f, z_g, z_o = jnp.split(z, 4, axis=-1)
        p_i, p_f, p_o = (beside(p, z) for p in params.p.astype(z.dtype))
        i = sigmoid(z_i + p_i * state.c)
        f = sigmoid(z_f + p_f * state.c)
        c = f * state.c + i * jnp.tanh(z_g)
        o = sigmoid(z_o + p_o * c)
        return LSTMState(o * jnp.tanh(c), c)

    made_by = Call.of(
        peephole_lstm,
        hidden_size,
        forget_bias=None if forget_bias == 1 else forget_bias,
        bias=forget_bias is not None,
    )
    return shelved(step, init, start, made_by)
