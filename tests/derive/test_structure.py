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
    def branching(p, h, x):
        w = p["w"]
        h = jax.lax.cond(h[0, 0] > 0, lambda: jnp.tanh(h @ w), lambda: h) + x @ p["v"]
        return h, h

    params = {"w": jnp.ones((H, H)), "v": jnp.ones((X, H))}
    told = sr.placement(
        sr.derive(branching), params, jnp.ones((T, B, X)), jnp.ones((B, H))
    )
    assert told.left == ("['v']",) and set(told.stays) == {"['w']"}
    assert "gradient of ['w'] stays in the loop: it is read by cond" in str(told)
    case = ALL["gru of joined inputs"]
    told = sr.placement(sr.derive(case.step), case.params, case.xs, case.start)
    assert told.over_time == ("(5, 3) · (3, 12)",) and not told.stays
    assert told.in_loop == ("(5, 4) · (4, 8)", "(5, 4) · (4, 4)")
    with pytest.raises(ValueError, match="a cell that sr"):
        sr.placement(sr.gru(4), case.params, case.xs)


def in_parts(params, state, x):
    """An LSTM whose gates are products, or slices, of their own."""
    h, c = state
    gates = x @ params["wx"] + h @ params["wh"]
    i, f, g = (gates[:, k * H : (k + 1) * H] for k in range(3))
    o = x @ params["vx"] + h @ params["vh"]
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def of_joined(params, h, x):
    """A GRU, reset after its product: as wide a delta as by hand, 4H."""
    ar, az, an = jnp.split(x @ params["wx"], 3, axis=-1)
    ur, uz, un = jnp.split(h @ params["wh"], 3, axis=-1)
    r, z = jax.nn.sigmoid(ar + ur), jax.nn.sigmoid(az + uz)
    h = (1 - z) * jnp.tanh(an + r * un) + z * h
    return h, h


def fast_weights(params, m, x):
    k, v = x @ params["wx"], x @ params["vx"]
    m = m + jnp.einsum("bi,bj->bij", v - jnp.einsum("bij,bj->bi", m, k), k)
    return m, jnp.einsum("bij,bj->bi", m, k)


def tanh_rnn(params, h, x):
    h = jnp.tanh(x @ params["wx"] + h @ params["wh"])
    return h, h


@pytest.mark.parametrize(
    ("step", "widths", "state", "deltas", "tape"),
    [
        (in_parts, (3 * H, H), [(B, H)] * 2, [(B, 4 * H)], 6),
        (of_joined, (3 * H, H), [(B, H)], [(B, 3 * H), (B, H)], 5),
        (tanh_rnn, (H, H), [(B, H)], [(B, H)], 0),  # 1 − h² of the state
        (fast_weights, (H, H), [(B, H, H)], None, 2),  # no matrix: it is the state
    ],
)
def test_nothing_is_kept_that_stands_elsewhere(step, widths, state, deltas, tape):
    shapes = {"w": widths[0], "v": widths[1]}
    params = {
        name + of: jax.ShapeDtypeStruct((rows, width), "float64")
        for name, width in shapes.items()
        for of, rows in (("x", X), ("h", H))
    }
    state = tuple(jax.ShapeDtypeStruct(shape, "float64") for shape in state)
    state = state if len(state) > 1 else state[0]
    x = jax.ShapeDtypeStruct((B, X), "float64")
    program = shaped_step(step, params, state, x).program
    emitted = [v.aval.shape for v in program.emitted.variables]
    assert deltas is None or emitted == deltas
    kept = [s.shape for s in (*program.tape_structs, *map(_of, program.stored_lefts()))]
    assert len(kept) == tape and (B, H, H) not in kept


def _of(variable):
    return variable.aval


def test_what_params_alone_make_is_made_once():
    def low_rank(p, h, x):
        h = jnp.tanh(x @ p["v"] + h @ (p["a"] @ p["b"]))
        return h, h

    params = {"a": jnp.ones((H, 2)), "b": jnp.ones((2, H)), "v": jnp.ones((X, H))}
    cell = sr.derive(low_rank)
    for way in (sr.Stored(), sr.Recomputed(2), sr.Checkpointed(2)):

        def loss(params, way=way):
            run = sr.unroll(
                cell, params, jnp.ones((T, B, X)), jnp.ones((B, H)), backward=way
            )
            return jnp.sum(run.outputs)

        traced = jax.make_jaxpr(jax.grad(loss))(params)
        for _, body in loops(traced.jaxpr):
            for equation in body.eqns:
                shapes = [v.aval.shape for v in equation.invars]
                assert equation.primitive.name not in NAMES or (H, 2) not in shapes
