"""A step on all cores is the step: its numbers, its placement, its errors."""

import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import WAYS, T, assert_close
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from pairs import pairs
from programs import loop_depths

import scanrnn as sr
from scanrnn.shelf import mgu

B, X, H = 8, 3, 5
CELL = sr.lstm(H)


def problem():
    params = CELL.init(jax.random.key(0), X)
    rng = np.random.default_rng(0)
    xs = rng.normal(size=(T, B, X))
    batch = {"labels": rng.normal(size=(T, B, H)), "lengths": np.arange(B) % T + 1}
    return params, jax.tree.map(jnp.zeros_like, params), xs, batch


def train_step(params, momentum, xs, batch):
    def loss(params):
        run = sr.unroll(CELL, params, xs, lengths=batch["lengths"])
        return jnp.mean((run.outputs - batch["labels"]) ** 2)

    value, d_params = jax.value_and_grad(loss)(params)
    momentum = jax.tree.map(lambda m, d: 0.9 * m + d, momentum, d_params)
    return jax.tree.map(lambda p, m: p - 0.1 * m, params, momentum), momentum, value


AXES = (None, None, 1, {"labels": 1, "lengths": 0})


def steps(step, count=3):
    params, momentum, xs, batch = problem()
    for _ in range(count):
        params, momentum, value = step(params, momentum, xs, batch)
    return params, value


def compiled(step, axes, devices, *arguments):
    """What `sr.on_all_cores` runs."""
    placed = sr.on_all_cores(lambda *given: given, axes, devices=devices)(*arguments)
    return jax.jit(step).lower(*placed).compile()


def test_the_numbers_are_those_of_one_device():
    on_cores = sr.on_all_cores(train_step, AXES, devices=4, donate_argnums=(0, 1))
    assert_close(steps(on_cores), steps(jax.jit(train_step)), steps=9 * T)
    assert on_cores.__name__ == "train_step"


class Leaky(NamedTuple):
    w: jax.Array


def leaky(params, h, x):
    h = 0.9 * h + jnp.tanh(x @ params.w)
    return h, h


def leaky_init(key, input_size, dtype=None):
    return Leaky(jax.random.normal(key, (input_size, H), dtype))


BY_HAND = sr.lstm(H), sr.gru(H)
DERIVED = sr.derive(leaky, init=leaky_init), mgu(H)


@pytest.mark.parametrize(("cell", "way"), pairs([*BY_HAND, *DERIVED], WAYS))
def test_gradients_of_blocks_are_joined_behind_the_last(cell, way):
    """But for a cell that was derived: its program has the size of the batch in it."""
    _, _, xs, batch = problem()
    params = cell.init(jax.random.key(0), X)

    def gradient(backward):
        def loss(params, xs, lengths):
            start = jnp.zeros((B, H)) if cell.enter else cell.start(B)
            run = sr.unroll(cell, params, xs, start, lengths=lengths, backward=backward)
            return jnp.mean(run.outputs**2)

        return jax.grad(loss, (0, 1))

    step = gradient(WAYS[way](sr))
    axes, arguments = (None, 1, 0), (params, xs, batch["lengths"])
    found = sr.on_all_cores(step, axes, devices=4)(*arguments)
    assert_close(found, jax.jit(gradient(sr.Autodiff()))(*arguments))
    hlo = compiled(step, axes, 4, *arguments).as_text()
    assert max(loop_depths(hlo)) == (cell in DERIVED and way != "stored")


@pytest.mark.parametrize("cell", [sr.gru(H), mgu(H)])
def test_a_cell_around_another_is_of_its_kind(cell):
    """A mask is drawn for all, and a cell around one that was derived is derived."""
    _, _, xs, _ = problem()
    net = sr.recurrent_dropout(cell, 0.3)
    params, xs = net.init(jax.random.key(0), X), jnp.asarray(xs)

    def gradient(backward):
        def loss(params, xs):
            key = jax.random.key(1)
            return jnp.mean(
                net.run(params, xs, key=key, backward=backward).outputs ** 2
            )

        return jax.grad(loss, (0, 1))

    step, want = gradient(sr.Recomputed(4)), gradient(sr.Autodiff())(params, xs)
    assert_close(sr.on_all_cores(step, (None, 1), devices=4)(params, xs), want)
    if cell in DERIVED:
        return
    mesh = jax.make_mesh((4,), ("i",), axis_types=(AxisType.Explicit,))
    cut = jax.device_put(xs, NamedSharding(mesh, P(None, "i")))
    whole = jax.device_put(params, NamedSharding(mesh, P()))
    assert_close(jax.device_get(jax.jit(step)(whole, cut)), want)


def test_every_device_has_its_part_and_no_loop_waits_for_another():
    taken = []

    def step(params, xs):
        def loss(params):
            return jnp.mean(sr.unroll(CELL, params, xs).outputs ** 2)

        taken.append(jax.typeof(xs).sharding.mesh.size)
        return jax.grad(loss)(params), xs

    params, _, xs, _ = problem()
    d_params, cut = sr.on_all_cores(step, (None, 1), devices=2)(params, xs)
    assert taken == [2] and len(cut.addressable_shards) == 2
    assert {shard.data.shape for shard in cut.addressable_shards} == {(T, B // 2, X)}
    depths = loop_depths(jax.jit(step).lower(params, cut).compile().as_text())
    assert depths and max(depths) == 0
    assert jax.tree.structure(d_params) == jax.tree.structure(params)


def test_stored_collects_in_blocks_as_on_one_device():
    """So it keeps no delta of every step, which would be half as much memory again."""
    cell, told = sr.lstm(64), []
    params, xs = cell.init(jax.random.key(0), 8), jnp.ones((512, 32, 8))

    def outputs(params, xs):
        told.append(sr.temporary_bytes(cell, params, xs, backward=sr.Stored()))
        return jnp.sum(sr.unroll(cell, params, xs, backward=sr.Stored()).outputs)

    step = jax.grad(outputs)
    of_each = compiled(step, (None, 1), 2, params, xs).memory_analysis()
    of_one = jax.jit(step).lower(params, xs[:, :16]).compile().memory_analysis()
    assert of_each.temp_size_in_bytes < 1.1 * of_one.temp_size_in_bytes
    assert told[0] == pytest.approx(2 * of_each.temp_size_in_bytes, rel=0.1)


def test_an_argument_that_lies_there_is_not_moved():
    step = sr.on_all_cores(lambda params, xs: (params, xs), (None, 1), devices=2)
    params, _, xs, _ = problem()
    params, xs = step(params, xs)
    with jax.transfer_guard("disallow"):
        seen = step(params, xs)
    assert_close(seen[1], xs)


def test_one_axis_serves_all_arguments():
    double = sr.on_all_cores(lambda x, y: x + y, 0, devices=4)
    assert_close(double(np.arange(8.0), np.arange(8.0)), 2 * np.arange(8.0))


@pytest.mark.parametrize(
    ("axes", "size", "told"),
    [
        ((None,), B, "2 entries"),
        ((None, 3), B, "an axis 3"),
        ((None, 1), 7, "4 devices divide, got 7 along axis 1"),
        ((None, "batch"), B, "ints and None"),
    ],
)
def test_bad_axes(axes, size, told):
    params, *_ = problem()
    with pytest.raises(ValueError, match=told):
        sr.on_all_cores(lambda p, x: x, axes, devices=4)(params, np.ones((T, size, X)))


def test_bad_arguments():
    with pytest.raises(ValueError, match="step, a function"):
        sr.on_all_cores(3, 0)
    with pytest.raises(ValueError, match="devices"):
        sr.on_all_cores(lambda x: x, 0, devices=0)
    with pytest.raises(ValueError, match="expected 99 devices, got 4: JAX has started"):
        sr.on_all_cores(lambda x: x, 0, devices=99)


def test_a_process_gets_a_device_for_every_core():
    """And pages are kept there, before anything else is allocated."""
    program = """
import os, jax, jax.numpy as jnp, scanrnn as sr
print(sr.keep_pages())
step = sr.on_all_cores(lambda x: x + 1, 0)
print(len(jax.devices()) == len(os.sched_getaffinity(0)))
print(float(step(jnp.ones(len(jax.devices()))).sum()) == 2 * len(jax.devices()))
"""
    clean = {"PATH": "", "JAX_PLATFORMS": "cpu"}
    run = [sys.executable, "-c", program]
    told = subprocess.run(run, env=clean, capture_output=True, text=True, check=True)
    assert told.stdout.split()[1:] == ["True", "True"]
