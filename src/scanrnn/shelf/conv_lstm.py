"""The convolutional LSTM, in one dimension, two or more (Shi et al. 2015)::

    zₜ = xₜ * K_x + hₜ₋₁ * K_h + b       channels i, f, g, o
    i, f, o = σ(z), g = tanh(z)
    cₜ = f ∘ cₜ₋₁ + i ∘ g
    hₜ = o ∘ tanh(cₜ)

An LSTM whose products are convolutions over places (zeros beyond the border): an input
xₜ is (B, places, C), a state (B, places, channels).

Sources: Shi et al. 2015, arXiv 1506.04214, without its peepholes, as in
flax.linen.ConvLSTMCell and haiku.Conv2DLSTM.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from ..cell import Cell, State
from ..cells.gates import sigmoid
from ..cells.lstm import LSTMState
from ..engine.checks import check_dtype, check_state
from ..engine.products import floating, plus, wide
from ..engine.values import shown, whole_number
from ..made import Call
from .shelved import biases, forget_bias_of, shelved


class ConvLSTMParams(NamedTuple):
    """The letters of the equations; channels in the gate order i, f, g, o."""

    k_x: Array  # (kernel, C, 4 channels)
    k_h: Array  # (kernel, channels, 4 channels)
    b: Array | None  # (4 channels,); None without a bias


def conv_lstm(
    channels: int,
    shape: int | tuple[int, ...],
    *,
    kernel: int | tuple[int, ...] = 3,
    forget_bias: float | None = None,
    bias: bool = True,
) -> Cell:
    """The convolutional LSTM over places on a line, in a plane or in space.

    Args:
        channels: of the output, and of the memory.
        shape: the places: 20, (20,), (8, 8), ...
        kernel: how many places a kernel spans, along each of them.
        forget_bias: the initial bias of the forget gate; 1 if not given.
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `ConvLSTMParams` (k_x, k_h, b) and state (h, c), (B,
        places, channels) each; its inputs are (T, B, places, C), floats with a batch.
        Kernels are LeCun normal, as in Flax and Haiku, b is zero but for the forget
        gate. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described. When the cell is used: if
            inputs, params or a state have other shapes.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.conv_lstm(5, (8, 6))
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 8, 6, 3)))
    >>> run.outputs.shape
    (7, 2, 8, 6, 5)
    """
    places = _sizes("shape", shape)
    spans = _sizes("kernel", kernel)
    spans = spans * len(places) if isinstance(kernel, int) else spans
    if len(spans) != len(places):
        raise ValueError(
            f"expected kernel: a number, or one for each axis of shape {places}, got "
            f"{shown(kernel)}"
        )
    told = forget_bias_of(bias, forget_bias)
    return _conv_lstm(whole_number("channels", channels), places, spans, told)


def _sizes(name: str, value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, tuple | list) else (value,)
    if not values:
        raise ValueError(f"expected {name} of at least one axis, got {shown(value)}")
    return tuple(whole_number(name, number) for number in values)


@functools.cache
def _conv_lstm(
    channels: int,
    places: tuple[int, ...],
    kernel: tuple[int, ...],
    forget_bias: float | None,
) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> ConvLSTMParams:
        dtype = floating(dtype)
        draw = jax.nn.initializers.lecun_normal(dtype=wide(dtype))
        k_x, k_h = (
            draw(k, (*kernel, size, 4 * channels)).astype(dtype)
            for k, size in zip(
                jax.random.split(key),
                (whole_number("input_size", input_size), channels),
                strict=True,
            )
        )
        return ConvLSTMParams(k_x, k_h, biases(4, channels, 1, forget_bias, dtype))

    def start(batch_size: int, dtype: DTypeLike | None = None) -> LSTMState:
        shape = (batch_size, *places, channels)
        return LSTMState(*(jnp.zeros(shape, dtype),) * 2)

    def step(params: ConvLSTMParams, state: LSTMState, x: Array) -> LSTMState:
        z = convolved(x, params.k_x) + convolved(state.h, params.k_h)
        i, f, g, o = jnp.split(plus(z, params.b), 4, axis=-1)
        c = sigmoid(f) * state.c + sigmoid(i) * jnp.tanh(g)
        return LSTMState(sigmoid(o) * jnp.tanh(c), c)

    made_by = Call.of(
        conv_lstm,
        channels,
        places,
        kernel=kernel if len(set(kernel)) > 1 else kernel[0],
        forget_bias=None if forget_bias == 1 else forget_bias,
        bias=forget_bias is not None,
    )
    walked = shelved(step, init, start, made_by)

    def enter(
        params: ConvLSTMParams, xs: Array, state: State | None
    ) -> tuple[Cell, State, Any]:
        _check(walked, params, xs, places)
        if state is None:
            state = start(xs.shape[1], xs.dtype)
        check_state(walked, state, xs, xs.dtype)
        return walked, state, lambda state: state

    return walked._replace(enter=enter)


def convolved(x: Array, k: Array) -> Array:
    """x (B, places, C) * k (kernel, C, O): (B, places, O), zeros beyond the border.

    In float32 for 16-bit floats.
    """
    axes = tuple(range(1, x.ndim - 1))
    of_x = 0, x.ndim - 1, *axes
    of_k = x.ndim - 1, x.ndim - 2, *(i - 1 for i in axes)
    dtype = wide(k.dtype)
    return lax.conv_general_dilated(
        x.astype(dtype),
        k.astype(dtype),
        (1,) * len(axes),
        "SAME",
        dimension_numbers=lax.ConvDimensionNumbers(of_x, of_k, of_x),
    )


def _check(cell: Cell, params: Any, xs: Array, places: tuple[int, ...]) -> None:
    is_ours = isinstance(params, ConvLSTMParams) and params.k_x.ndim > 1
    size = params.k_x.shape[-2] if is_ours else 1
    shapes: Any = jax.eval_shape(lambda: cell.init(jax.random.key(0), size))
    expected, got = (jax.tree.map(jnp.shape, tree) for tree in (shapes, params))
    if got != expected:
        raise ValueError(
            f"expected params as cell.init(key, {size}) makes them, {expected}, got "
            f"{got}"
        )
    dtype = check_dtype(params)
    if xs.shape[2:] != (*places, size) or xs.dtype != dtype:
        wanted = ", ".join(map(str, (*places, size)))
        raise ValueError(
            f"expected xs: {dtype} (T, B, {wanted}) to match params, got {xs.dtype} "
            f"{xs.shape}; time comes first, then a batch, channels last"
        )
