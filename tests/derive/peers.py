"""The cells of other libraries as step functions, on their own trees of params."""

import functools
from typing import Any

import equinox
import flax.linen as linen
import haiku
import jax
import jax.numpy as jnp
from flax import nnx
from steps import Recurrence, drawn

T, B, X, H = 4, 2, 3, 5
F64 = {"dtype": jnp.float64, "param_dtype": jnp.float64}
KEY = jax.random.key(0)


def random_like(tree: Any, seed: int = 1) -> Any:
    """Params and states that are nowhere zero, nor symmetric."""
    draw = drawn(seed)
    return jax.tree.map(lambda leaf: draw(*leaf.shape), tree)


def of_linen(cell: Any, *places: int) -> Recurrence:
    xs = drawn()(T, B, *places, X)
    carry = cell.initialize_carry(KEY, xs.shape[1:])
    params = jax.eval_shape(cell.init, KEY, carry, xs[0])

    def step(params, carry, x):
        return cell.apply(params, carry, x)

    return Recurrence(step, random_like(params), random_like(carry, 2), xs)


def of_nnx(kind: Any) -> Recurrence:
    cell = kind(X, H, rngs=nnx.Rngs(0), **F64)
    graph, params, rest = nnx.split(cell, nnx.Param, ...)
    xs = drawn()(T, B, X)

    def step(params, carry, x):
        return nnx.merge(graph, params, rest)(carry, x)

    carry = cell.initialize_carry(xs.shape[1:], nnx.Rngs(0))
    return Recurrence(step, random_like(params), random_like(carry, 2), xs)


def of_haiku(make: Any, *places: int, resets: bool = False) -> Recurrence:
    def forward(x, state):
        return make()(x, state)

    whole = haiku.without_apply_rng(haiku.transform(forward))
    start = haiku.transform(lambda: make().initial_state(B)).apply({}, None)
    start = random_like(start, 2)
    xs: Any = drawn()(T, B, *places, X)
    if resets:
        xs = xs, jnp.arange(T * B).reshape(T, B) % 3 == 1
    params = jax.eval_shape(whole.init, KEY, jax.tree.map(lambda x: x[0], xs), start)

    def step(params, state, x):
        output, state = whole.apply(params, x, state)
        return state, output

    return Recurrence(step, random_like(params), start, xs)


def of_equinox(kind: Any) -> Recurrence:
    cell = kind(X, H, dtype=jnp.float64, key=KEY)
    params, rest = equinox.partition(cell, equinox.is_array)
    is_lstm = kind is equinox.nn.LSTMCell

    def step(params, state, x):
        state = jax.vmap(equinox.combine(params, rest))(x, state)
        return state, state[0] if is_lstm else state

    h, c = drawn(2)(B, H), drawn(3)(B, H)
    return Recurrence(
        step, random_like(params), (h, c) if is_lstm else h, drawn()(T, B, X)
    )


def resetting(make: Any) -> Any:
    return lambda: haiku.ResetCore(make())


def deep() -> Any:
    return haiku.DeepRNN(
        [haiku.GRU(4), jax.nn.relu, haiku.IdentityCore(), haiku.LSTM(H)]
    )


HAIKU = {
    "VanillaRNN": (lambda: haiku.VanillaRNN(H), ()),
    "GRU": (lambda: haiku.GRU(H), ()),
    "LSTM": (lambda: haiku.LSTM(H), ()),
    "Conv2DLSTM": (lambda: haiku.Conv2DLSTM((3, 2), 2, (3, 3)), (3, 2)),
}
PEERS = {
    "linen SimpleCell": lambda: of_linen(linen.SimpleCell(H, **F64)),
    "linen GRUCell": lambda: of_linen(linen.GRUCell(H, **F64)),
    "linen MGUCell": lambda: of_linen(linen.MGUCell(H, **F64)),
    "linen LSTMCell": lambda: of_linen(linen.LSTMCell(H, **F64)),
    "linen OptimizedLSTMCell": lambda: of_linen(linen.OptimizedLSTMCell(H, **F64)),
    "linen ConvLSTMCell": lambda: of_linen(linen.ConvLSTMCell(2, (3, 3), **F64), 3, 2),
    "nnx SimpleCell": lambda: of_nnx(nnx.SimpleCell),
    "nnx GRUCell": lambda: of_nnx(nnx.GRUCell),
    "nnx LSTMCell": lambda: of_nnx(nnx.LSTMCell),
    "nnx OptimizedLSTMCell": lambda: of_nnx(nnx.OptimizedLSTMCell),
    "equinox GRUCell": lambda: of_equinox(equinox.nn.GRUCell),
    "equinox LSTMCell": lambda: of_equinox(equinox.nn.LSTMCell),
    "haiku DeepRNN": lambda: of_haiku(deep),
}
for _name, (_make, _places) in HAIKU.items():
    PEERS[f"haiku {_name}"] = functools.partial(of_haiku, _make, *_places)
    PEERS[f"haiku ResetCore of {_name}"] = functools.partial(
        of_haiku, resetting(_make), *_places, resets=True
    )
