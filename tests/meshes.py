"""Arrays cut over four devices: what is cut, and the four ways to tell JAX so."""

import contextlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from cases import T
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import scanrnn

# Sizes that the devices divide.
DEVICES, B, X, H, V = 4, 8, 4, 8, 5

CELLS = {
    "rnn": lambda sr: sr.rnn(H),
    "gru": lambda sr: sr.gru(H),
    "gru-reset-before": lambda sr: sr.gru(H, reset_after=False),
    "lstm": lambda sr: sr.lstm(H),
}


class Form(NamedTuple):
    """Which axis of the mesh cuts what; None is whole on every device."""

    mesh: dict[str, int]
    batch: str | None = None
    hidden: str | None = None  # the state, and the columns of the weights
    rows: str | None = None  # of the weights


FORMS = {
    "nothing": Form({"i": 4}),
    "batch": Form({"i": 4}, batch="i"),
    "hidden": Form({"i": 4}, hidden="i"),
    "batch and hidden": Form({"i": 2, "j": 2}, batch="i", hidden="j"),
    "rows": Form({"i": 4}, rows="i"),
    "batch and rows": Form({"i": 4}, batch="i", rows="i"),
    "rows and columns": Form({"i": 2, "j": 2}, rows="i", hidden="j"),
}

# "explicit": the types of the arrays tell, under `jax.set_mesh`; "placed": they tell
# it alone; "auto": the compiler decides; "shard_map": every device works on its own.
KINDS = ("explicit", "placed", "auto", "shard_map")


@contextlib.contextmanager
def made_for(platform: str) -> Any:
    """Within it, programs are traced for one device of the platform, there or not."""
    device = jax.sharding.AbstractDevice(
        device_kind="some", num_cores=1, platform=platform
    )
    mesh = jax.sharding.AbstractMesh(
        (1,), ("all",), (AxisType.Auto,), abstract_device=device
    )
    with jax.sharding.use_abstract_mesh(mesh):
        yield


def inputs(cell: str, tokens: bool, sr: Any = scanrnn) -> Any:
    """A cell, weights of it and of a dense layer, and the data of a loss."""
    rng = np.random.default_rng(0)
    made = CELLS[cell](sr)
    params = made.init(jax.random.key(0), X)
    dense = sr.init_dense(jax.random.key(1), H, V)
    xs = jnp.asarray(rng.normal(size=(T, B, X)))
    if tokens:
        xs = jnp.asarray(rng.integers(X, size=(T, B)))
    mask = jnp.asarray(rng.random((T, B)) < 0.8)
    labels = jnp.asarray(rng.integers(V, size=(T, B)))
    return made, (params, dense), (xs, mask, labels)


def loss_of(cell: Any, backward: Any, sr: Any = scanrnn) -> Any:
    """The loss of all outputs and of the final state, masked and with resets."""

    def loss(weights: Any, xs: Any, mask: Any, labels: Any) -> Any:
        params, dense = weights
        run = sr.unroll(cell, params, xs, mask=mask, resets=~mask, backward=backward)
        by_output = sr.softmax_cross_entropy(sr.dense(dense, run.outputs), labels)
        return by_output + sum(jnp.mean(leaf**2) for leaf in run.final)

    return loss


def on_mesh(
    kind: str,
    cell: Any,
    backward: Any,
    weights: Any,
    data: Any,
    sr: Any = scanrnn,
    form: str = "batch",
) -> Any:
    """The jitted value-and-gradient with arrays cut, and its arguments."""
    return cut(kind, FORMS[form], loss_of(cell, backward, sr), weights, data)


def cut(kind: str, form: Form, loss: Any, weights: Any, data: Any, *more: Any) -> Any:
    """The mesh, value-and-gradient of a loss, and its arguments as they lie.

    Args:
        more: further data and the spec of each.
    """
    is_explicit = kind in ("explicit", "placed")
    axis_type = AxisType.Explicit if is_explicit else AxisType.Auto
    names, sizes = tuple(form.mesh), tuple(form.mesh.values())
    mesh = jax.make_mesh(sizes, names, axis_types=(axis_type,) * len(names))
    specs = specs_of(form, weights), *(P(None, form.batch) for _ in data)
    for leaf, spec in more:
        data, specs = (*data, leaf), (*specs, spec)
    step = jax.value_and_grad(loss)
    if kind == "shard_map":

        def mean_loss(weights: Any, *data: Any) -> Any:
            own = loss(weights, *data)
            return jax.lax.pmean(own, form.batch) if form.batch else own

        step = jax.shard_map(
            jax.value_and_grad(mean_loss), mesh=mesh, in_specs=specs, out_specs=P()
        )
    shardings = jax.tree.map(
        lambda spec: NamedSharding(mesh, spec), specs, is_leaf=lambda x: type(x) is P
    )
    return mesh, jax.jit(step), jax.device_put((weights, *data), shardings)


def specs_of(form: Form, weights: Any) -> Any:
    """How the weights of the cell are cut; those of the dense layer are whole."""
    params, dense = weights
    by_axes = {1: P(form.hidden), 2: P(form.rows, form.hidden)}
    return (
        jax.tree.map(lambda leaf: by_axes[leaf.ndim], params),
        jax.tree.map(lambda leaf: P(), dense),
    )


def under(kind: str, mesh: Any) -> Any:
    """The mesh that is set, if one is."""
    return contextlib.nullcontext() if kind == "placed" else jax.set_mesh(mesh)


def plain_loss(cell: str) -> Any:
    """The same loss by a naive scan of the equations, from a start that is given."""
    step = PLAIN[cell]

    def loss(weights: Any, xs: Any, mask: Any, labels: Any, start: Any) -> Any:
        params, dense = weights
        if xs.ndim == 2:
            xs = jax.nn.one_hot(xs, X)

        def body(state: Any, at: Any) -> Any:
            x, valid = at
            valid = valid[:, None]
            state = choose(valid, state, start)
            state = choose(valid, step(params, state, x), state)
            return state, jnp.where(valid, state[0], 0)

        final, outputs = jax.lax.scan(body, start, (xs, mask))
        log_p = jax.nn.log_softmax(outputs @ dense.w + dense.b)
        chosen = jnp.where(labels[..., None] == jnp.arange(V), log_p, 0).sum(-1)
        return -chosen.mean() + sum(jnp.mean(leaf**2) for leaf in final)

    return loss


def choose(condition: Any, yes: Any, no: Any) -> Any:
    return jax.tree.map(lambda yes, no: jnp.where(condition, yes, no), yes, no)


def _rnn(params: Any, state: Any, x: Any) -> Any:
    return (jnp.tanh(x @ params.w_x + state[0] @ params.w_h + params.b),)


def _gru(params: Any, state: Any, x: Any) -> Any:
    (h,) = state
    a_r, a_z, a_n = jnp.split(x @ params.w_x + params.b, 3, axis=-1)
    u_r, u_z, u_n = jnp.split(h @ params.w_h, 3, axis=-1)
    r, z = jax.nn.sigmoid(a_r + u_r), jax.nn.sigmoid(a_z + u_z)
    n = jnp.tanh(a_n + r * (u_n + params.b_hn))
    return ((1 - z) * n + z * h,)


def _gru_reset_before(params: Any, state: Any, x: Any) -> Any:
    (h,) = state
    a_r, a_z, a_n = jnp.split(x @ params.w_x + params.b, 3, axis=-1)
    w_r, w_z, w_n = jnp.split(params.w_h, 3, axis=-1)
    r, z = jax.nn.sigmoid(a_r + h @ w_r), jax.nn.sigmoid(a_z + h @ w_z)
    n = jnp.tanh(a_n + (r * h) @ w_n)
    return ((1 - z) * n + z * h,)


def _lstm(params: Any, state: Any, x: Any) -> Any:
    h, c = state
    i, f, g, o = jnp.split(x @ params.w_x + h @ params.w_h + params.b, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


PLAIN = {"rnn": _rnn, "gru": _gru, "gru-reset-before": _gru_reset_before, "lstm": _lstm}
