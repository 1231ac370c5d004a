"""Step functions to derive: as people write them, and the cells of other libraries.

Each is a step as `jax.lax.scan` takes it once its params are bound, with params, the
state before it and one input of the size that is asked for, all float32.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

import scanrnn as sr

Tree: TypeAlias = Any


class Size(NamedTuple):
    """Steps, sequences, inputs and units."""

    T: int
    B: int
    X: int
    H: int


class Recurrence(NamedTuple):
    """``step(params, state, x) -> (state, output)``, and what it starts from."""

    step: Callable[[Tree, Tree, Array], tuple[Tree, Array]]
    params: Tree
    start: Tree
    by_hand: sr.Cell | None = None  # with the same params and outputs


def rnn(size: Size) -> Recurrence:
    """tanh(x W_x + h W_h + b)."""

    def step(p: Tree, h: Array, x: Array) -> Any:
        h = jnp.tanh(x @ p.w_x + h @ p.w_h + p.b)
        return h, h

    return _of_hand(step, sr.rnn(size.H), size)


def lstm(size: Size) -> Recurrence:
    """All gates in one product."""

    def step(p: Tree, state: Tree, x: Array) -> Any:
        h, c = state
        i, f, g, o = jnp.split(x @ p.w_x + h @ p.w_h + p.b, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return _of_hand(step, sr.lstm(size.H), size)


def gru(size: Size) -> Recurrence:
    """Reset after the product, as cuDNN has it."""

    def step(p: Tree, h: Array, x: Array) -> Any:
        ar, az, an = jnp.split(x @ p.w_x + p.b, 3, -1)
        ur, uz, un = jnp.split(h @ p.w_h, 3, -1)
        r, z = jax.nn.sigmoid(ar + ur), jax.nn.sigmoid(az + uz)
        n = jnp.tanh(an + r * (un + p.b_hn))
        h = (1 - z) * n + z * h
        return h, h

    return _of_hand(step, sr.gru(size.H), size)


def _of_hand(step: Any, cell: sr.Cell, size: Size) -> Recurrence:
    start = cell.start(size.B, jnp.float32)
    state = tuple(start) if len(start) > 1 else start.h
    return Recurrence(step, cell.init(_key(), size.X), state, cell)


def of_linen(make: Callable[[int], Any]) -> Callable[[Size], Recurrence]:
    """A cell of flax.linen."""

    def build(size: Size) -> Recurrence:
        cell, x = make(size.H), jnp.zeros((size.B, size.X))
        start = cell.initialize_carry(_key(), x.shape)
        return Recurrence(cell.apply, cell.init(_key(), start, x), start)

    return build


def of_nnx(kind: Any) -> Callable[[Size], Recurrence]:
    """A cell of flax.nnx."""

    def build(size: Size) -> Recurrence:
        cell = kind(size.X, size.H, rngs=nnx.Rngs(0))
        graph, params, rest = nnx.split(cell, nnx.Param, ...)

        def step(params: Tree, state: Tree, x: Array) -> Any:
            return nnx.merge(graph, params, rest)(state, x)

        start = cell.initialize_carry((size.B, size.X), nnx.Rngs(0))
        return Recurrence(step, params, start)

    return build


def of_haiku(make: Callable[[int], Any]) -> Callable[[Size], Recurrence]:
    """A core of Haiku."""

    def build(size: Size) -> Recurrence:
        whole = hk.without_apply_rng(hk.transform(lambda x, s: make(size.H)(x, s)))
        first = hk.transform(lambda: make(size.H).initial_state(size.B))
        start, x = first.apply({}, None), jnp.zeros((size.B, size.X))

        def step(params: Tree, state: Tree, x: Array) -> Any:
            output, state = whole.apply(params, x, state)
            return state, output

        return Recurrence(step, whole.init(_key(), x, start), start)

    return build


def of_equinox(kind: Any) -> Callable[[Size], Recurrence]:
    """A cell of Equinox, for one sequence, under `jax.vmap`."""

    def build(size: Size) -> Recurrence:
        cell = kind(size.X, size.H, key=_key())
        params, rest = eqx.partition(cell, eqx.is_array)
        zeros = jnp.zeros((size.B, size.H))
        is_pair = kind is eqx.nn.LSTMCell

        def step(params: Tree, state: Tree, x: Array) -> Any:
            state = jax.vmap(eqx.combine(params, rest))(x, state)
            return state, state[0] if is_pair else state

        return Recurrence(step, params, (zeros, zeros) if is_pair else zeros)

    return build


def drawn(*shape: int, seed: int = 0) -> Array:
    """Normal numbers, float32."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def _key() -> Array:
    return jax.random.key(0)


STEPS: dict[str, Callable[[Size], Recurrence]] = {
    "rnn": rnn,
    "gru": gru,
    "lstm": lstm,
    "linen SimpleCell": of_linen(nn.SimpleCell),
    "linen GRUCell": of_linen(nn.GRUCell),
    "linen MGUCell": of_linen(nn.MGUCell),
    "linen LSTMCell": of_linen(nn.LSTMCell),
    "linen OptimizedLSTMCell": of_linen(nn.OptimizedLSTMCell),
    "nnx SimpleCell": of_nnx(nnx.SimpleCell),
    "nnx GRUCell": of_nnx(nnx.GRUCell),
    "nnx LSTMCell": of_nnx(nnx.LSTMCell),
    "nnx OptimizedLSTMCell": of_nnx(nnx.OptimizedLSTMCell),
    "haiku VanillaRNN": of_haiku(hk.VanillaRNN),
    "haiku GRU": of_haiku(hk.GRU),
    "haiku LSTM": of_haiku(hk.LSTM),
    "equinox GRUCell": of_equinox(eqx.nn.GRUCell),
    "equinox LSTMCell": of_equinox(eqx.nn.LSTMCell),
}
