"""The way that is taken as the fastest is told from shapes, and changes no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import assert_close
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from meshes import made_for

import scanrnn as sr
from scanrnn.engine.fastest import CHEAP, CHEAP_CUT, FEW_FLOATS, LONG_TAPE


def chosen(cell, batch, length=100, inputs=8):
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs))
    xs = jax.ShapeDtypeStruct((length, batch, inputs), jnp.float64)
    return sr.Fastest().choose(cell, params, xs)


def test_small_steps_with_a_tape_are_made_again():
    cell = sr.gru(20)  # drives of 60 floats
    assert chosen(cell, FEW_FLOATS // 60) == sr.Recomputed()
    assert chosen(cell, FEW_FLOATS // 60 + 1) == sr.Stored()
    assert chosen(cell, 1, length=1) == chosen(cell, 1, length=10**6)
    assert chosen(sr.rnn(20), 1) == sr.Stored()  # its tape is its state


def test_long_tapes_are_made_again():
    cell, batch = sr.gru(20), 10
    steps = LONG_TAPE // (batch * 5 * 20 * 8)  # a tape of 5H, in float64
    assert chosen(cell, batch, length=steps + 1) == sr.Recomputed()
    assert chosen(cell, batch, length=steps - 1) == sr.Stored()
    assert chosen(sr.rnn(20), batch, length=10**7) == sr.Stored()


def test_a_dear_product_is_not_made_again():
    cell = sr.gru(20)  # drives of 3H are sums over X + H, a tape is of 5H
    rows = CHEAP * 5 // 3 - 20
    for size in ({"batch": 1}, {"batch": 10, "length": 10**6}):
        assert chosen(cell, **size, inputs=rows) == sr.Recomputed()
        assert chosen(cell, **size, inputs=rows + 1) == sr.Stored()


def test_the_columns_of_tokens_are_no_product():
    cell, tokens = sr.gru(20), jax.ShapeDtypeStruct((100, 1), jnp.int32)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 10**4))
    assert sr.Fastest().choose(cell, params, tokens) == sr.Recomputed()


@pytest.mark.parametrize(
    ("steps", "inputs", "processes", "ways"),
    [  # tapes of 5H floats: 30,000 steps of 4 sequences are 46 MiB
        (100, 8, 1, (sr.Recomputed(), sr.Stored())),
        (30_000, 8, 1, (sr.Recomputed(), sr.Recomputed())),
        (10_000, 8, 1, (sr.Recomputed(), sr.Stored())),
        (30_000, 8, 2, (sr.Recomputed(), sr.Stored())),
        (30_000, CHEAP_CUT * 5 // 3 - 20, 1, (sr.Stored(), sr.Recomputed())),
        (30_000, CHEAP_CUT * 5 // 3 - 19, 1, (sr.Stored(), sr.Stored())),
    ],
)
def test_where_jit_spreads_the_batch_long_tapes_are_made_again(
    steps, inputs, processes, ways, monkeypatch
):
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    cell, taken = sr.gru(20), []
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs, jnp.float32))

    def run(params, xs):
        taken.append(sr.Fastest().choose(cell, params, xs))

    for devices in (1, 2):
        mesh = jax.make_mesh((devices,), ("i",), axis_types=(AxisType.Auto,))
        spread = NamedSharding(mesh, P(None, "i"))
        xs = jax.ShapeDtypeStruct((steps, 4, inputs), jnp.float32, sharding=spread)
        jax.jit(run).lower(params, xs)
    assert tuple(taken) == ways


@pytest.mark.parametrize(
    ("axis", "kind"), [("cores", AxisType.Auto), ("i", AxisType.Explicit)]
)
@pytest.mark.parametrize(
    ("steps", "batch", "units", "way"),
    [
        (100, FEW_FLOATS // 60, 20, sr.Recomputed()),  # drives of 60 floats
        (100, FEW_FLOATS // 60 + 1, 20, sr.Stored()),
        (LONG_TAPE // 3200, 8, 20, sr.Stored()),  # tapes of 100 floats
        (LONG_TAPE // 3200 + 1, 8, 20, sr.Recomputed()),
        (LONG_TAPE // 3200 + 1, 8, CHEAP * 2, sr.Stored()),  # dear to make again
    ],
)
def test_where_the_cut_is_known_a_part_is_what_a_batch_is_on_one_device(
    axis, kind, steps, batch, units, way
):
    cell, taken = sr.gru(units), []
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 8, jnp.float32))

    def run(params, xs):
        taken.append(sr.Fastest().choose(cell, params, xs))

    for devices in (1, 2):
        mesh = jax.make_mesh((devices,), (axis,), axis_types=(kind,))
        cut = NamedSharding(mesh, P(None, axis))
        shape = steps, batch * devices, 8
        xs = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=cut)
        jax.jit(run).lower(params, xs)
    assert taken == [way, way]


def test_a_step_that_cannot_be_batched_is_kept():
    """A callback says itself what many steps at once would be to it."""

    @jax.custom_vjp
    def wave(z):
        like = jax.ShapeDtypeStruct(z.shape, z.dtype)
        return jax.pure_callback(np.sin, like, z, vmap_method=None)

    wave.defvjp(lambda z: (wave(z), z), lambda z, d: (d * jnp.cos(z),))

    def final(z):
        def step(h, x):
            h = wave(h + x)
            return h, None

        return sr.scan(step, z, jnp.ones((3, 1, 2)))[0].sum()

    z = jnp.ones((1, 2))
    sines = [1 + z]
    for _ in range(2):
        sines.append(jnp.sin(sines[-1]) + 1)
    want = jnp.prod(jnp.stack([jnp.cos(s) for s in sines]), axis=0)
    assert_close(jax.grad(final)(z), want)
    with made_for("gpu"):  # there too, where the rest is made again
        jax.make_jaxpr(jax.grad(final))(z)


def test_on_a_gpu_whatever_has_a_tape_is_made_again_and_on_a_tpu_nothing():
    with made_for("gpu"):
        assert chosen(sr.gru(20), 1000) == sr.Recomputed()
        assert chosen(sr.rnn(20), 1000) == sr.Stored()
    with made_for("tpu"):
        assert chosen(sr.gru(20), 1000) == sr.Stored()


def test_a_budget_takes_the_fastest_first():
    cell = sr.gru(20)
    params, xs = cell.init(jax.random.key(0), 8), jnp.ones((100, 1, 8))
    assert sr.Budget(10**9).choose(cell, params, xs) == sr.Recomputed()


@pytest.mark.parametrize("batch", [1, 30])
def test_the_program_is_that_of_the_way_it_takes(batch):
    cell = sr.gru(5)
    params, xs = cell.init(jax.random.key(0), 3), jnp.ones((7, batch, 3))

    def loss(backward):
        return lambda p: sr.unroll(cell, p, xs, backward=backward).outputs.sum()

    taken = sr.Fastest().choose(cell, params, xs)
    programs = [
        str(jax.make_jaxpr(jax.grad(loss(way)))(params))
        for way in (sr.Fastest(), taken)
    ]
    assert programs[0] == programs[1]


@pytest.mark.parametrize("way", [sr.Fastest(), sr.Budget(10**6)])
def test_a_scan_takes_a_way_that_is_chosen(way):
    def loss(backward):
        def run(w):
            def step(h, x):
                h = jnp.tanh(x + h @ w) * jnp.cos(h)
                return h, h

            xs = jnp.linspace(0, 1, 30).reshape(5, 2, 3)
            return sr.scan(step, jnp.ones((2, 3)), xs, backward=backward)[1].sum()

        return run

    w = jnp.arange(9.0).reshape(3, 3) / 9
    got, want = (by_numpy(jax.grad(loss(of)))(w) for of in (way, sr.Autodiff()))
    assert_close(got, want)


def test_the_class_in_the_place_of_the_value_is_told():
    cell = sr.rnn(2)
    with pytest.raises(ValueError, match="add the parentheses"):
        sr.unroll(
            cell,
            cell.init(jax.random.key(0), 3),
            jnp.ones((1, 1, 3)),
            backward=sr.Fastest,
        )
