"""The LSTM whose input and forget gates are one: CIFG (Greff et al. 2017)::

    zₜ = xₜ W_x + hₜ₋₁ W_h + b           columns f, g, o
    f, o = σ(z), g = tanh(z)
    cₜ = f ∘ cₜ₋₁ + (1 − f) ∘ g
    hₜ = o ∘ tanh(cₜ)

What is forgotten is written anew, so the memory stays in (−1, 1).

Source: Greff, Srivastava, Koutník, Steunebrink and Schmidhuber 2017, "LSTM: A Search
Space Odyssey", arXiv 1503.04069, which keeps i and has f = 1 − i; with f kept, the
forget bias means what it means elsewhere.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import draw_weights, sigmoid
from ..cells.lstm import LSTMState
from ..engine.values import whole_number
from ..made import Call
from .shelved import biases, forget_bias_of, recurrent, shelved


class CoupledLSTMParams(NamedTuple):
    """The letters of the equations; columns in the gate order f, g, o."""

    w_x: Array  # (X, 3H)
    w_h: Array  # (H, 3H)
    b: Array | None  # (3H,); None without a bias


def coupled_lstm(
    hidden_size: int, *, forget_bias: float | None = None, bias: bool = True
) -> Cell:
    """The long short-term memory with coupled input and forget gates (CIFG).

    Args:
        hidden_size: H, the number of units.
        forget_bias: the initial bias of the forget gate; 1 if not given.
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `CoupledLSTMParams` (w_x, w_h, b), drawn as those of
        `sr.lstm`, and state (h, c), (B, H) each. The same arguments give the same
        cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.coupled_lstm(5)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape, run.final.c.shape
    ((7, 2, 5), (2, 5))
    """
    size = whole_number("hidden_size", hidden_size)
    return _coupled_lstm(size, forget_bias_of(bias, forget_bias))


@functools.cache
def _coupled_lstm(hidden_size: int, forget_bias: float | None) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> CoupledLSTMParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 3, dtype)
        b = biases(3, hidden_size, 0, forget_bias, dtype)
        return CoupledLSTMParams(w_x, w_h, b)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> LSTMState:
        return LSTMState(*(jnp.zeros((batch_size, hidden_size), dtype),) * 2)

    def step(params: CoupledLSTMParams, state: LSTMState, x: Array) -> LSTMState:
        z = recurrent(x, state.h, params.w_x, params.w_h, params.b)
        z_f, z_g, z_o = jnp.split(z, 3, axis=-1)
        f = sigmoid(z_f)
        c = f * state.c + (1 - f) * jnp.tanh(z_g)
        return LSTMState(sigmoid(z_o) * jnp.tanh(c), c)

    made_by = Call.of(
        coupled_lstm,
        hidden_size,
        forget_bias=None if forget_bias == 1 else forget_bias,
        bias=forget_bias is not None,
    )
    return shelved(step, init, start, made_by)
