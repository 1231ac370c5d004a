"""A sharded batch: no collective in a loop over steps, at most one in a block."""

import functools

import jax
import pytest
from cases import WAYS, assert_close
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from meshes import DEVICES, B, inputs, loss_of, on_mesh
from pairs import pairs
from programs import loop_depths

import scanrnn as sr


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
