"""The suite's own test: a planted mistake is seen by the property that guards it.

The judges of numbers run the programs by NumPy, as the tests of those properties do.
"""

import functools
import importlib
import itertools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import PARALLEL, WAYS, B, T, errors, problem, tolerance
from charlm_runs import tiny, train, without_time, write_text
from meshes import inputs, loss_of, made_for, on_mesh
from mutants import MUTANTS, plant
from online_runs import by_going_back, every_step
from programs import loop_depths
from steps import recurrences

import scanrnn
from scanrnn.charlm import RunDirectory, fit


def equal(got, want):
    return max(errors(got, want).values()) <= tolerance(jnp.float64, T)


def padded(case):
    """The same problem with not-a-number in what is masked."""
    valid = case.options.get("mask")
    if "lengths" in case.options:
        valid = jnp.arange(T)[:, None] < case.options["lengths"]
    if valid is None or not jnp.issubdtype(case.xs.dtype, jnp.floating):
        return case
    return case._replace(xs=jnp.where(valid[..., None], case.xs, jnp.nan))


def gradient(mutant, sr, place):
    """Against the true library's oracle."""
    case = padded(problem(mutant.cell, mutant.option, sr))
    way = (WAYS | PARALLEL)[mutant.way](sr)
    _, got = there_and_back(case, sr, backward=way)
    return equal(got, oracle(mutant.cell, mutant.option))


def tangents(mutant, sr, place):
    """The gradient by `Linearized`, which is the transpose of its tangents."""
    case = padded(problem(mutant.cell, mutant.option, sr))
    way = sr.Linearized(WAYS[mutant.way](sr))
    _, got = there_and_back(case, sr, backward=way)
    return equal(got, oracle(mutant.cell, mutant.option))


def accelerated(mutant, sr, place):
    """The gradient as it is traced for an accelerator."""
    with made_for("gpu"):
        return gradient(mutant, sr, place)


@functools.cache
def oracle(cell, option):
    return there_and_back(problem(cell, option), backward=scanrnn.Autodiff())[1]


def readout(mutant, sr, place):
    """The readout by hand against its oracle in the true library."""
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(T, 4)))
    labels = jnp.asarray(rng.integers(4, size=T))
    weights = jnp.asarray(rng.random(T))

    def grad(loss):
        return by_numpy(jax.grad(lambda x: 1.7 * loss(x, labels, weights)))(logits)

    want = grad(scanrnn.plain_softmax_cross_entropy)
    return equal(grad(sr.softmax_cross_entropy), want)


@functools.cache
def fed_back(sr, way):
    """The gradient of a run that is partly free, by params and by what is given."""
    rng = np.random.default_rng(0)
    given = jnp.asarray(rng.normal(size=(T, B, 3)))
    gate = jnp.asarray(rng.random((T, B)) < 0.4)
    cell = sr.feedback(sr.gru(4), 3, sr.Probabilities(0.7))
    params = jax.tree.map(
        lambda leaf: leaf + 0.2 * rng.normal(size=leaf.shape),
        cell.init(jax.random.key(0), 4),
    )

    def loss(params, given):
        run = sr.unroll(cell, params, sr.forced(given, gate), backward=way)
        return jnp.sum(jnp.sin(run.outputs))

    return by_numpy(jax.grad(loss, (0, 1)))(params, given)


def feedback(mutant, sr, place):
    return equal(fed_back(sr, sr.Stored()), fed_back(scanrnn, scanrnn.Autodiff()))


def windows(mutant, sr, place):
    """Against the true library, whose windows are tested against a plain loop."""

    def truncated(sr):
        case = problem(mutant.cell, mutant.option, sr)
        args = case.params, case.xs, case.start
        options = {"every": 3, "back": 7, **case.options}

        def back(*args):
            def run(*args):
                return tuple(sr.truncated(case.cell, *args, **options))

            return jax.vjp(run, *args)[1](case.d_run)

        return by_numpy(back)(*args)

    return equal(truncated(sr), truncated(scanrnn))


def adjoints(mutant, sr, place):
    """Against the true library, whose adjoints are tested against probes."""

    def streams(sr):
        case = problem(mutant.cell, mutant.option, sr)
        d_outputs, d_final = case.d_run
        options = {"d_final": d_final, **case.options}
        args = case.params, case.xs, d_outputs, case.start
        return by_numpy(lambda *args: sr.adjoints(case.cell, *args, **options))(*args)

    return equal(streams(sr), streams(scanrnn))


def told_bytes(mutant, sr, place):
    """Against the compiler's own count, within a tenth."""
    made, way = sr.lstm(64), type(WAYS[mutant.way](sr))()
    params = jax.eval_shape(lambda: made.init(jax.random.key(0), 64, jnp.float32))
    xs = jax.ShapeDtypeStruct((1000, 16, 64), "float32")

    def loss(params, xs):
        return jnp.sum(sr.unroll(made, params, xs, backward=way).outputs)

    compiled = jax.jit(jax.value_and_grad(loss, (0, 1))).lower(params, xs).compile()
    measured = compiled.memory_analysis().temp_size_in_bytes
    told = sr.temporary_bytes(made, params, xs, backward=way)
    return abs(told - measured) <= 0.1 * measured


def sharded(mutant, sr, place):
    """The numbers of one device, with no collective in a loop."""
    made, weights, data = inputs(mutant.cell, False, sr)
    kind, way = mutant.option, WAYS[mutant.way](sr)
    mesh, step, arguments = on_mesh(kind, made, way, weights, data, sr)
    with jax.set_mesh(mesh):
        compiled = step.lower(*arguments).compile()
        got = jax.device_get(compiled(*arguments))
    lean = mutant.way != "stored" or max(loop_depths(compiled.as_text())) == 0
    return lean and equal(got, of_one_device(mutant.cell))


@functools.cache
def of_one_device(cell):
    made, weights, data = inputs(cell, False)
    loss = loss_of(made, scanrnn.Autodiff())
    return jax.device_get(jax.jit(jax.value_and_grad(loss))(weights, *data))


@functools.cache
def whole_and_broken_off(folder):
    """What a whole run of the true library told, and a run that was broken off."""
    text = write_text(folder)
    config = tiny(text, steps=12, evaluations=1, checkpoints=3)
    train(folder / "whole", config)
    run = RunDirectory(folder / "broken off")
    partly = fit(run, config)
    list(itertools.islice(partly, 9))
    partly.close()
    return without_time(RunDirectory(folder / "whole")), run.path


def resumed(mutant, sr, place):
    """A run broken off and resumed tells what one run tells."""
    with jax.numpy_dtype_promotion("standard"):
        told, broken_off = whole_and_broken_off(place.parent)
        charlm = importlib.import_module(f"{sr.__name__}.charlm")
        run = charlm.RunDirectory(shutil.copytree(broken_off, place / "broken off"))
        list(charlm.fit(run, None, True))
    return without_time(run) == told


def derived(mutant, sr, place):
    """The gradient of a step function against JAX's own."""
    case = recurrences()[mutant.cell]

    def of(scan):
        def loss(params, start, xs):
            step = functools.partial(case.step, params)
            leaves = jax.tree.leaves(scan(step, start, xs))
            return sum(jnp.sum(jnp.sin(leaf) * (1 + leaf)) for leaf in leaves)

        return by_numpy(jax.grad(loss, (0, 1, 2)))(*case[1:])

    return equal(of(sr.scan), of(jax.lax.scan))


def online(mutant, sr, place):
    """Every step by RTRL against going back; the others against the true library."""

    def led(sr):
        case = problem(mutant.cell, mutant.option, sr)
        ways = sr.online
        learner = ways.online(case.cell, getattr(ways, mutant.way)())
        case = case._replace(xs=case.xs[:4], d_run=(case.d_run[0][:4], None))
        if mutant.way == "UORO":  # keys are no numbers for NumPy
            return jax.jit(lambda key: every_step(learner, case, key, plainly))(KEY)
        return every_step(learner, case)

    if mutant.way != "RTRL":
        return equal(led(sr), led(scanrnn))
    case = problem(mutant.cell, mutant.option, sr)
    learner = sr.online.online(case.cell, sr.online.RTRL(), start=True)
    want = going_back(mutant.cell, mutant.option)
    return equal(every_step(learner, case), want)


KEY = jax.random.key(0)


def plainly(function):
    return function


@functools.cache
def going_back(cell, option):
    return by_going_back(problem(cell, option))


def curvature(mutant, sr, place):
    """A damped Gauss-Newton product, against one written out of JAX's own."""
    case = problem(mutant.cell, mutant.option, sr)

    def outputs(params, way):
        return case.unroll(sr, backward=way)(params, case.xs, case.start)[0]

    def loss(outputs):
        return jnp.sum(outputs**4)

    def ours(params):
        made = sr.gauss_newton(lambda p: outputs(p, sr.Linearized()), loss, params)
        return (made + 0.3)(params)

    def plain(params):
        def along(p):
            return outputs(p, sr.Autodiff())

        made, pull = jax.vjp(along, params)
        _, d_made = jax.jvp(along, (params,), (params,))
        (product,) = pull(12 * made**2 * d_made)
        return jax.tree.map(lambda a, b: a + 0.3 * b, product, params)

    return equal(*(by_numpy(product)(case.params) for product in (ours, plain)))


JUDGES = {
    "gradient": gradient,
    "tangents": tangents,
    "accelerated": accelerated,
    "readout": readout,
    "feedback": feedback,
    "windows": windows,
    "adjoints": adjoints,
    "bytes": told_bytes,
    "sharded": sharded,
    "resumed": resumed,
    "derived": derived,
    "online": online,
    "curvature": curvature,
}


def passes(mutant, sr, place):
    try:
        return JUDGES[mutant.judge](mutant, sr, place)
    except Exception:  # of any kind: a program that cannot be made is not right
        return False


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_caught(name, tmp_path):
    assert not passes(MUTANTS[name], plant(MUTANTS[name], tmp_path), tmp_path)


NOTHING = {
    mutant.judge: mutant._replace(
        file="cell.py", right="class Cell(", wrong="class Cell("
    )
    for mutant in MUTANTS.values()
}


@pytest.mark.parametrize("judge", JUDGES)
def test_a_copy_without_a_mistake_passes(judge, tmp_path):
    nothing = NOTHING[judge]
    assert JUDGES[judge](nothing, plant(nothing, tmp_path), tmp_path)
