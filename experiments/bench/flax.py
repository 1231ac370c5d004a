"""Flax: linen and nnx, each cell in the library's own RNN."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .cases import Case
from .nets import Net, inputs_of

# The gates in the order of our columns.
LETTERS = {"rnn": "", "gru": "rzn", "lstm": "ifgo"}


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
        cell = kind(
            case.X, case.H, dtype=dtype, param_dtype=dtype, rngs=nnx.Rngs(0),
            recurrent_kernel_init=nnx.initializers.zeros_init(),  # ours comes instead
        )  # fmt: skip
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
