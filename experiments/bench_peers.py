"""The JAX libraries, each used as its documentation recommends.

Every function returns the networks that a library has for a case; it imports the
library, so a missing one raises ImportError and is skipped by name. Each network
brings a translation of our params into its own: affine, so that its transpose brings
the gradients back. Tokens are fed as one-hot vectors, which is the same product.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from _study import CELLS
from bench_cases import Case
from bench_contestants import Contestant, by_jax
from jax import Array, lax

import scanrnn as sr


class Net(NamedTuple):
    """A recurrent network of another library.

    Attributes:
        name: as the tables print it.
        translate: our params -> theirs, affine.
        outputs: their params, xs -> (T, B, H); (B, T, H) if batch_major.
        batch_major: whether it wants (B, T, ...).
        lacks: our params that it does not have.
        differs: what is not the same, if anything.
        cell: the cell of ours with its equations, where that is another one.
    """

    name: str
    translate: Callable[[Any], Any]
    outputs: Callable[[Any, Array], Array]
    batch_major: bool = False
    lacks: tuple[str, ...] = ()
    differs: str = ""
    cell: sr.Cell | None = None


def contestant(case: Case, net: Net) -> Contestant:
    """A network with the loss of a case."""

    def loss(theirs: Any, xs: Array, weights: Array) -> Array:
        return jnp.sum(net.outputs(theirs, xs) * weights)

    return Contestant(
        name=net.name,
        group="peer",
        build=by_jax(loss, net.translate, batch_major=net.batch_major),
        cell=net.cell or CELLS[case.cell](case.H),
        differs=net.differs,
        lacks=net.lacks,
    )


# The gates in the order of our columns.
LETTERS = {"rnn": "", "gru": "rzn", "lstm": "ifgo"}


def inputs_of(case: Case, xs: Array) -> Array:
    """Floats as they are; tokens as one-hot vectors."""
    return jax.nn.one_hot(xs, case.X, dtype=case.dtype) if case.tokens else xs


def by_gate(case: Case, array: Array) -> list[Array]:
    """The columns of a weight or a bias, gate by gate."""
    return jnp.split(array, len(LETTERS[case.cell]) or 1, -1)


def flax_params(case: Case, params: Any, suffix: str = "") -> dict[str, Any]:
    """The names that a cell of linen has, and of nnx but for the if_ of its LSTM."""
    w_x, w_h, b = (by_gate(case, leaf) for leaf in params[:3])
    if case.cell == "rnn":
        return {"i": {"kernel": w_x[0], "bias": b[0]}, "h": {"kernel": w_h[0]}}
    theirs: dict[str, Any] = {}
    for k, gate in enumerate(LETTERS[case.cell]):
        theirs[f"i{gate}"] = {"kernel": w_x[k]}
        theirs[f"h{gate}"] = {"kernel": w_h[k]}
        theirs[f"{'h' if case.cell == 'lstm' else 'i'}{gate}"]["bias"] = b[k]
    if case.cell == "gru":
        theirs["hn"]["bias"] = params.b_hn
    return theirs


def flax_linen(case: Case) -> list[Net]:
    """flax.linen.RNN over its cells."""
    import flax.linen as nn

    cells = {
        "rnn": (nn.SimpleCell,),
        "gru": (nn.GRUCell,),
        "lstm": (nn.LSTMCell, nn.OptimizedLSTMCell),
    }[case.cell]

    def net_of(kind: Any) -> Net:
        dtype = jnp.dtype(case.dtype)
        cell = kind(case.H, dtype=dtype, param_dtype=dtype)
        whole = nn.RNN(cell, time_major=True)

        def translate(params: Any) -> Any:
            return {"params": {"cell": flax_params(case, params)}}

        def outputs(theirs: Any, xs: Array) -> Any:
            return whole.apply(theirs, inputs_of(case, xs))

        return Net(f"linen {kind.__name__}", translate, outputs)

    return [net_of(kind) for kind in cells]


def flax_nnx(case: Case) -> list[Net]:
    """flax.nnx.RNN over its cells, by the functional API: split, then jax.jit."""
    from flax import nnx

    cells = {
        "rnn": (nnx.SimpleCell,),
        "gru": (nnx.GRUCell,),
        "lstm": (nnx.LSTMCell, nnx.OptimizedLSTMCell),
    }[case.cell]

    def net_of(kind: Any) -> Net:
        dtype = jnp.dtype(case.dtype)
        cell = kind(case.X, case.H, dtype=dtype, param_dtype=dtype, rngs=nnx.Rngs(0))
        graph, state, rest = nnx.split(nnx.RNN(cell, time_major=True), nnx.Param, ...)

        def translate(params: Any) -> Any:
            return nnx_params(case, kind.__name__, params)

        def outputs(theirs: Any, xs: Array) -> Any:
            filled = jax.tree.map(lambda leaf: leaf, state)  # a copy
            nnx.replace_by_pure_dict(filled, {"cell": theirs})
            whole = nnx.merge(graph, filled, rest)
            return whole(inputs_of(case, xs), rngs=nnx.Rngs(0))

        lacks = ("b_hn",) if case.cell == "gru" else ()
        return Net(f"nnx {kind.__name__}", translate, outputs, lacks=lacks)

    return [net_of(kind) for kind in cells]


def nnx_params(case: Case, kind: str, params: Any) -> dict[str, Any]:
    """The names that a cell of nnx has; its fused ones hold all gates in a matrix."""
    if kind == "LSTMCell":
        theirs = flax_params(case, params)
        return {"if_" if name == "if" else name: leaf for name, leaf in theirs.items()}
    x, h = {"kernel": params.w_x}, {"kernel": params.w_h}
    (h if case.cell == "lstm" else x)["bias"] = params.b
    return {"dense_i": x, "dense_h": h}


def haiku(case: Case) -> list[Net]:
    """haiku.dynamic_unroll over its cores."""
    import haiku as hk

    core = {"rnn": hk.VanillaRNN, "gru": hk.GRU, "lstm": hk.LSTM}[case.cell]
    options = {"double_bias": False} if case.cell == "rnn" else {}

    def forward(xs: Array) -> Any:
        cell = core(case.H, name="core", **options)
        start = jax.tree.map(
            lambda leaf: leaf.astype(case.dtype), cell.initial_state(case.B)
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
    layer = kind[case.cell](case.H, return_sequences=True, dtype=case.dtype)
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
            bidirectional=False, precision=lax.Precision.HIGHEST,
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
