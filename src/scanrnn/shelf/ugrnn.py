"""The update-gate RNN (Collins, Sohl-Dickstein and Sussillo 2017)::

    zₜ = xₜ W_x + hₜ₋₁ W_h + b           columns g, c
    g  = σ(z_g)
    hₜ = g ∘ hₜ₋₁ + (1 − g) ∘ tanh(z_c)

A simple RNN with one gate, between what was and what is new.

Source: Collins, Sohl-Dickstein and Sussillo 2017, "Capacity and Trainability in
Recurrent Neural Networks", arXiv 1611.09913.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import draw_weights, sigmoid
from ..cells.gru import GRUState
from ..engine.values import whole_number
from ..made import Call
from .shelved import biases, forget_bias_of, recurrent, shelved


class UGRNNParams(NamedTuple):
    """The letters of the equations; columns g, c."""

    w_x: Array  # (X, 2H)
    w_h: Array  # (H, 2H)
    b: Array | None  # (2H,); None without a bias


def ugrnn(
    hidden_size: int, *, forget_bias: float | None = None, bias: bool = True
) -> Cell:
    """The update-gate RNN.

    Args:
        hidden_size: H, the number of units.
        forget_bias: the initial bias of the gate; 1 if not given, where most of the
            state is kept.
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `UGRNNParams` (w_x, w_h, b), drawn as those of `sr.gru`,
        and state (h,), (B, H). The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.ugrnn(5)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape
    (7, 2, 5)
    """
    size = whole_number("hidden_size", hidden_size)
    return _ugrnn(size, forget_bias_of(bias, forget_bias))


@functools.cache
def _ugrnn(hidden_size: int, forget_bias: float | None) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> UGRNNParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 2, dtype)
        return UGRNNParams(w_x, w_h, biases(2, hidden_size, 0, forget_bias, dtype))

    def start(batch_size: int, dtype: DTypeLike | None = None) -> GRUState:
        return GRUState(jnp.zeros((batch_size, hidden_size), dtype))

    def step(params: UGRNNParams, state: GRUState, x: Array) -> GRUState:
        z = recurrent(x, state.h, params.w_x, params.w_h, params.b)
        z_g, z_c = jnp.split(z, 2, axis=-1)
        g = sigmoid(z_g)
        return GRUState(g * state.h + (1 - g) * jnp.tanh(z_c))

    made_by = Call.of(
        ugrnn,
        hidden_size,
        forget_bias=None if forget_bias == 1 else forget_bias,
        bias=forget_bias is not None,
    )
    return shelved(step, init, start, made_by)
