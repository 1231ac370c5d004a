"""What left the loop: no weight gradient in it, no more products than a step needs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from programs import COLLECTIVE, count, loop_bodies, loops
from steps import B, H, T, X, drawn, recurrences

import scanrnn as sr
from scanrnn.derive.cell import shaped_step

ALL = recurrences()
# Products in the loop of a step there; as many again, one for each, on the way back.
PRODUCTS = {
    "lstm": 1,
    "gru of separate gates": 1,  # six in the step as it is written
    "gru of joined inputs": 2,  # three
    "one by one": 1,
    "attention": 4,
    "spiking": 0,
    "layer norm": 1,
    "convolution": 1,
}
# Arrays that the tape holds of a step; by hand it is six and five.
TAPES = {"lstm": 6, "gru of separate gates": 5}
NAMES = {"dot_general", "conv_general_dilated"}


def gradient(name, way=sr.Stored()):
    case = ALL[name]
    cell = sr.derive(case.step)

    def loss(params, xs):
        return jnp.sum(sr.unroll(cell, params, xs, case.start, backward=way).outputs)

    return jax.grad(loss, (0, 1))


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_in_the_loops(name):
    case = ALL[name]
    traced = jax.make_jaxpr(gradient(name))(case.params, case.xs)
    there, back = (count(body, NAMES) for _, body in loops(traced.jaxpr))
    assert (there, back) == (PRODUCTS[name], PRODUCTS[name])
    shapes = {leaf.shape for leaf in jax.tree.leaves(case.params) if leaf.ndim > 1}
    for _, body in loops(traced.jaxpr):
        made = [e.outvars[0].aval.shape for e in body.eqns if e.primitive.name in NAMES]
        assert not shapes & set(made), "a weight gradient is made in the loop"


@pytest.mark.parametrize("name", TAPES)
def test_the_tapes_are_those_that_were_found_by_hand(name):
    case = ALL[name]
    of = shaped_step(case.step, case.params, case.start, case.xs[0])
    assert len(of.program.tape_structs) == TAPES[name]
    assert {s.shape for s in of.program.tape_structs} == {(B, H)}


@pytest.mark.parametrize("name", ["gru of separate gates", "attention"])
def test_a_sharded_batch_has_no_collective_in_a_loop(name):
    case = ALL[name]
    mesh = jax.make_mesh((2,), ("b",), (jax.sharding.AxisType.Auto,))
    start, xs = drawn()(4, H), drawn()(T, 4, X)
    if name == "attention":
        start = {"h": start, "seen": start**2}
    cell = sr.derive(case.step)

    def loss(params, start, xs):
        return jnp.sum(jnp.sin(sr.unroll(cell, params, xs, start).outputs))

    grad = jax.jit(jax.grad(loss))
    want = grad(case.params, start, xs)
    placed = (
        jax.device_put(case.params, NamedSharding(mesh, PartitionSpec())),
        jax.device_put(start, NamedSharding(mesh, PartitionSpec("b"))),
        jax.device_put(xs, NamedSharding(mesh, PartitionSpec(None, "b"))),
    )
    compiled = grad.lower(*placed).compile()
    lines = [line for body in loop_bodies(compiled.as_text()) for line in body]
    assert not [line for line in lines if COLLECTIVE.search(line)]
    for got, right in zip(
        *map(jax.tree.leaves, (compiled(*placed), want)), strict=True
    ):
        np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-14)


def test_a_step_is_traced_once_for_its_shapes():
    traced = []
    case = ALL["lstm"]

    def step(params, state, x):
        traced.append(x.shape)
        return case.step(params, state, x)

    run = functools.partial(sr.unroll, sr.derive(step))
    for _ in range(2):
        run(case.params, case.xs, case.start)
    assert len(traced) == 1
    run(case.params, case.xs[:, :2], jax.tree.map(lambda leaf: leaf[:2], case.start))
    assert len(traced) == 2


def test_the_leaner_ways_keep_less():
    case = ALL["lstm"]
    xs, start = (
        drawn()(64, 8, X),
        jax.tree.map(lambda x: x[:1].repeat(8, 0), case.start),
    )
    cell = sr.derive(case.step)

    def held(way):
        def loss(params, xs):
            return jnp.sum(sr.unroll(cell, params, xs, start, backward=way).outputs)

        lowered = jax.jit(jax.grad(loss, (0, 1))).lower(case.params, xs)
        return lowered.compile().memory_analysis().temp_size_in_bytes

    stored, recomputed, checkpointed = map(
        held, (sr.Stored(), sr.Recomputed(8), sr.Checkpointed(8))
    )
    assert stored > 1.5 * recomputed > 1.5 * checkpointed


def test_what_moved_is_told():
    told = sr.placement(sr.derive(ALL["ode"].step), *ALL["ode"][1::2], ALL["ode"].start)
    assert told.left == ("['scale']",) and set(told.stays) == {"['w']", "['v']"}
    assert "gradient of ['w'] stays in the loop: it is read by scan" in str(told)
    case = ALL["gru of joined inputs"]
    told = sr.placement(sr.derive(case.step), case.params, case.xs, case.start)
    assert told.over_time == ("(5, 3) · (3, 12)",) and not told.stays
    assert told.in_loop == ("(5, 4) · (4, 8)", "(5, 4) · (4, 4)")
    with pytest.raises(ValueError, match="a cell that sr"):
        sr.placement(sr.gru(4), case.params, case.xs)
