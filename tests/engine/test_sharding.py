"""A sharded batch: no collective in a loop over steps, at most one in a block."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CELLS, WAYS, H, T, X, assert_close
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from pairs import pairs
from programs import loop_depths

import scanrnn as sr

DEVICES, B, V = 4, 8, 5


def inputs(cell, tokens):
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


def loss_of(cell, backward):
    def loss(weights, xs, mask, labels):
        params, dense = weights
        run = sr.unroll(cell, params, xs, mask=mask, resets=~mask, backward=backward)
        by_output = sr.softmax_cross_entropy(sr.dense(dense, run.outputs), labels)
        return by_output + sum(jnp.mean(leaf**2) for leaf in run.final)

    return loss


def on_mesh(kind, cell, backward, weights, data):
    """The jitted value-and-gradient with the batch sharded, and its arguments."""
    axis_type = AxisType.Explicit if kind == "explicit" else AxisType.Auto
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(axis_type,))
    everywhere, by_batch = (
        NamedSharding(mesh, P()),
        NamedSharding(mesh, P(None, "batch")),
    )
    loss = loss_of(cell, backward)
    step = jax.value_and_grad(loss)
    if kind == "shard_map":

        def mean_loss(weights, *data):
            return jax.lax.pmean(loss(weights, *data), "batch")

        step = jax.shard_map(
            jax.value_and_grad(mean_loss),
            mesh=mesh,
            in_specs=(P(), *(P(None, "batch"),) * 3),
            out_specs=P(),
        )
    arguments = jax.device_put(weights, everywhere), *jax.device_put(data, by_batch)
    return mesh, jax.jit(step), arguments


@functools.cache
def oracle(cell, tokens):
    made, weights, data = inputs(cell, tokens)
    loss = loss_of(made, sr.Autodiff())
    return jax.device_get(jax.jit(jax.value_and_grad(loss))(weights, *data))


# Whether the inputs are tokens goes with the cell: so both lie on every mesh.
INPUTS = {"gru": False, "gru-reset-before": True, "lstm": True, "rnn": False}


@pytest.mark.parametrize(
    ("kind", "cell", "way"), pairs(["auto", "explicit", "shard_map"], INPUTS, WAYS)
)
def test_gradients_and_collectives(kind, cell, way):
    tokens = INPUTS[cell]
    made, weights, data = inputs(cell, tokens)
    mesh, step, arguments = on_mesh(kind, made, WAYS[way](sr), weights, data)
    with jax.set_mesh(mesh):
        compiled = step.lower(*arguments).compile()
        got = jax.device_get(compiled(*arguments))
    assert_close(got, oracle(cell, tokens))
    depths = loop_depths(compiled.as_text())
    assert depths, "a gradient over a sharded batch needs a collective"
    # A block of steps is one loop deep, a step of a block two deep.
    allowed = 0 if way == "stored" or kind == "shard_map" else 1
    assert max(depths) <= allowed
    assert sum(depth == 1 for depth in depths) <= 1


@pytest.mark.parametrize("kind", ["auto", "explicit"])
def test_the_count_sees_the_collectives_of_autodiff(kind):
    made, weights, data = inputs("lstm", False)
    mesh, step, arguments = on_mesh(kind, made, sr.Autodiff(), weights, data)
    with jax.set_mesh(mesh):
        hlo = step.lower(*arguments).compile().as_text()
    assert max(loop_depths(hlo)) == 1


def test_a_start_state_of_ones_own_is_sharded_too():
    made, (params, _), (xs, *_) = inputs("gru", False)
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        xs = jax.device_put(xs, NamedSharding(mesh, P(None, "batch")))
        params = jax.device_put(params, NamedSharding(mesh, P()))
        start = jax.device_put(made.start(B), NamedSharding(mesh, P("batch")))
        run = jax.jit(lambda p, xs, s: sr.unroll(made, p, xs, s))(params, xs, start)
    assert run.outputs.sharding.spec == P(None, "batch", None)
    assert run.final.h.sharding.spec == P("batch", None)
