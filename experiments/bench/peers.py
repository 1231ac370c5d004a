"""The JAX libraries, each used as its documentation recommends.

Every function returns the networks that a library has for a case; it imports the
library, so a missing one raises ImportError and is skipped by name. Flax has a file of
its own.
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

import scanrnn as sr

from .cases import Case
from .flax import flax_linen, flax_nnx
from .nets import Net, inputs_of


def haiku(case: Case) -> list[Net]:
    """haiku.dynamic_unroll over its cores."""
    import haiku as hk

    core = {"rnn": hk.VanillaRNN, "gru": hk.GRU, "lstm": hk.LSTM}[case.cell]
    options = {"double_bias": False} if case.cell == "rnn" else {}

    def forward(xs: Array) -> Any:
        cell = core(case.H, name="core", **options)
        start = jax.tree.map(
            lambda leaf: leaf.astype(case.dtype), cell.initial_state(xs.shape[1])
        )
        return hk.dynamic_unroll(cell, xs, start)[0]

    whole = hk.without_apply_rng(hk.transform(forward))

    def translate(params: Any) -> Any:
        return haiku_params(case, params)

    def outputs(theirs: Any, xs: Array) -> Array:
        return whole.apply(theirs, inputs_of(case, xs))

    differs, cell = {
        "rnn": ("relu, not tanh", sr.rnn(case.H, activation="relu")),
        "gru": ("reset before the product", sr.gru(case.H, reset_after=False)),
        "lstm": ("", None),
    }[case.cell]
    name = f"haiku {core.__name__}"
    return [Net(name, translate, outputs, differs=differs, cell=cell)]


def haiku_params(case: Case, params: Any) -> dict[str, Any]:
    """Haiku's orders: i, g, f, o with 1 added to f; z, r, n with z of n, not of h."""
    if case.cell == "rnn":
        return {
            "core/linear": {"w": params.w_x, "b": params.b},
            "core/linear_1": {"w": params.w_h},
        }
    if case.cell == "gru":
        w_i, w_h, b = (_haiku_gru(leaf) for leaf in params[:3])
        return {"core": {"w_i": w_i, "w_h": w_h, "b": b}}
    w = jnp.concatenate((params.w_x, params.w_h))
    w_i, w_f, w_g, w_o = jnp.split(w, 4, -1)
    b_i, b_f, b_g, b_o = jnp.split(params.b, 4, -1)
    return {
        "core/linear": {
            "w": jnp.concatenate((w_i, w_g, w_f, w_o), -1),
            "b": jnp.concatenate((b_i, b_g, b_f - 1, b_o), -1),
        }
    }


def _haiku_gru(leaf: Array) -> Array:
    r, z, n = jnp.split(leaf, 3, -1)
    return jnp.concatenate((-z, r, n), -1)


def equinox(case: Case) -> list[Net]:
    """The cells of equinox in the scan of its documentation, under vmap."""
    if case.cell == "rnn":
        return []
    import equinox as eqx

    kind = {"gru": eqx.nn.GRUCell, "lstm": eqx.nn.LSTMCell}[case.cell]
    dtype = jnp.dtype(case.dtype)
    cell = kind(case.X, case.H, dtype=dtype, key=jax.random.key(0))

    def translate(params: Any) -> Any:
        leaves = (params.w_x.T, params.w_h.T, params.b, *params[3:])
        return eqx.tree_at(jax.tree.leaves, cell, leaves)

    def one(theirs: Any, xs: Array) -> Array:
        def body(state: Any, x: Array) -> Any:
            state = theirs(x, state)
            return state, state[0] if case.cell == "lstm" else state

        zeros = jnp.zeros(case.H, dtype)
        start = (zeros, zeros) if case.cell == "lstm" else zeros
        return lax.scan(body, start, xs)[1]

    def outputs(theirs: Any, xs: Array) -> Any:
        over_batch = jax.vmap(one, in_axes=(None, 1), out_axes=1)
        return over_batch(theirs, inputs_of(case, xs))

    return [Net(f"equinox {kind.__name__}", translate, outputs)]


def keras(case: Case) -> list[Net]:
    """The layers of Keras on its JAX backend; it wants the batch first."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras as k

    if k.backend.backend() != "jax":
        raise ImportError("Keras runs on another backend")
    kind = {"rnn": k.layers.SimpleRNN, "gru": k.layers.GRU, "lstm": k.layers.LSTM}
    layer = kind[case.cell](
        case.H, return_sequences=True, dtype=case.dtype,
        recurrent_initializer="zeros",  # our weights come instead
    )  # fmt: skip
    layer.build((case.B, case.T, case.X))
    others = [variable.value for variable in layer.non_trainable_variables]

    def translate(params: Any) -> Any:
        if case.cell != "gru":
            return list(params)
        zeros = jnp.zeros_like(params.b_hn)
        b_h = jnp.concatenate((zeros, zeros, params.b_hn))
        order = [_keras_gru(leaf) for leaf in (params.w_x, params.w_h, params.b, b_h)]
        return [*order[:2], jnp.stack(order[2:])]

    def outputs(theirs: Any, xs: Array) -> Any:
        return layer.stateless_call(theirs, others, inputs_of(case, xs))[0]

    name = f"keras {kind[case.cell].__name__}"
    return [Net(name, translate, outputs, batch_major=True)]


def _keras_gru(leaf: Array) -> Array:
    r, z, n = jnp.split(leaf, 3, -1)
    return jnp.concatenate((z, r, n), -1)


def cudnn(case: Case) -> list[Net]:
    """`jax.experimental.rnn`: the LSTM of cuDNN."""
    if case.cell != "lstm" or case.dtype != "float32":
        return []
    if jax.default_backend() != "gpu":
        raise ImportError("needs a GPU")
    from jax.experimental import rnn

    def translate(params: Any) -> Any:
        leaves = (params.w_x.T, params.w_h.T, params.b, jnp.zeros_like(params.b))
        return jnp.concatenate([leaf.reshape(-1) for leaf in leaves])

    def outputs(theirs: Any, xs: Array) -> Array:
        zeros = jnp.zeros((1, case.B, case.H))
        lengths = jnp.full(case.B, case.T, jnp.int32)
        hs, _, _ = rnn.lstm(
            inputs_of(case, xs), zeros, zeros, theirs, lengths,
            input_size=case.X, hidden_size=case.H, num_layers=1, dropout=0.0,
            bidirectional=False,
        )  # fmt: skip
        return hs

    return [Net("cuDNN", translate, outputs, batch_major=True)]


PEERS: dict[str, Callable[[Case], list[Net]]] = {
    "flax linen": flax_linen,
    "flax nnx": flax_nnx,
    "haiku": haiku,
    "equinox": equinox,
    "keras": keras,
    "jax.experimental.rnn": cudnn,
}


def find(case: Case) -> tuple[list[Net], dict[str, str]]:
    """The networks of all libraries that are there, and why the others are not."""
    nets: list[Net] = []
    missing: dict[str, str] = {}
    for name, library in PEERS.items():
        try:
            nets += library(case)
        except ImportError as error:
            missing[name] = str(error)
    return nets, missing
