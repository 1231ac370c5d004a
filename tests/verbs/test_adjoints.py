"""The two streams of gradient, against probes: zeros added after every step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import CELLS, OPTIONS, B, H, T, assert_close, problem
from pairs import each

import scanrnn as sr
from scanrnn.engine.trees import choose


def probed(case, probes, detach=False):
    """The plain loop, with a probe added to the state after every step.

    Returns the outputs and the final state. ``detach``: no gradient leaves a step
    by its output.
    """
    options = dict(case.options)
    mask = options.get("mask", jnp.ones((T, B), bool))
    if "lengths" in options:
        mask = jnp.arange(T)[:, None] < options["lengths"]
    resets = options.get("resets", jnp.zeros((T, B), bool))

    def step(state, at):
        drive, valid, reset, probe = at
        state = choose(reset, case.reset_to(), state)
        after, _ = case.cell.step(case.params, state, drive)
        state = jax.tree.map(jnp.add, choose(valid, after, state), probe)
        h = jax.lax.stop_gradient(state.h) if detach else state.h
        return state, choose(valid, h, jnp.zeros_like(h))

    steps = (case.cell.project(case.params, case.xs), mask, resets, probes)
    reverse = options.get("reverse", False)
    final, outputs = jax.lax.scan(step, case.start, steps, reverse=reverse)
    return outputs, final


def no_probes(case):
    return jax.tree.map(lambda leaf: jnp.zeros((T, *leaf.shape)), case.start)


def by_probes(case, detach=False):
    def back(probes, d_run):
        return jax.vjp(lambda probes: probed(case, probes, detach), probes)[1](d_run)[0]

    return by_numpy(back)(no_probes(case), case.d_run)


def of(case, jit=by_numpy):
    d_outputs, d_final = case.d_run
    options = dict(case.options)
    reverse = options.pop("reverse", False)

    def function(params, xs, start, d_outputs, d_final, options):
        return sr.adjoints(
            case.cell, params, xs, d_outputs, start,
            d_final=d_final, reverse=reverse, **options,
        )  # fmt: skip

    args = case.params, case.xs, case.start, d_outputs, d_final, options
    return jit(function)(*args)


@functools.cache
def cached(cell, option):
    return of(problem(cell, option))


@pytest.mark.parametrize(("cell", "option"), each(CELLS, OPTIONS))
def test_the_total_is_the_gradient_of_a_probe(cell, option):
    """d loss / d probe at every step and in every field."""
    got = cached(cell, option)
    assert_close(got.total, by_probes(problem(cell, option)))


@pytest.mark.parametrize(("cell", "option"), each(CELLS, OPTIONS))
def test_it_is_so_when_compiled(cell, option):
    assert_close(of(problem(cell, option), jax.jit), cached(cell, option))


@pytest.mark.parametrize("option", ["all"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_streams_are_the_two_ways_a_probe_takes(cell, option):
    """What the loss at step t alone says, and what is said without any output at t."""
    case, got = problem(cell, option), cached(cell, option)
    d_outputs, _ = case.d_run
    mask = case.options.get("mask", jnp.ones((T, B), bool))
    np.testing.assert_array_equal(
        got.from_output.h, jnp.where(mask[..., None], d_outputs, 0)
    )
    for field, leaf in got.from_output._asdict().items():
        if field != "h":
            np.testing.assert_array_equal(leaf, 0)
    for t in (0, T - 1):
        silent = case._replace(d_run=(d_outputs.at[t].set(0), case.d_run[1]))
        want = by_probes(silent)
        at_t = jax.tree.map(lambda leaf, t=t: leaf[t], (got.through_time, want))
        assert_close(*at_t)


@pytest.mark.parametrize("cell", CELLS)
def test_with_every_output_detached_only_the_final_state_speaks(cell):
    case = problem(cell, "all")
    silent = case._replace(d_run=(jnp.zeros_like(case.d_run[0]), case.d_run[1]))
    assert_close(of(silent).through_time, by_probes(case, detach=True))


@pytest.mark.parametrize("cell", CELLS)
def test_the_total_is_the_sum_bit_for_bit(cell):
    got = cached(cell, "all")
    for a, b, c in zip(*map(jax.tree.leaves, got), strict=True):
        np.testing.assert_array_equal(a + b, c)


@pytest.mark.parametrize(("cell", "option"), each(CELLS, ["all", "tokens-all"]))
def test_gradients_follow_from_the_total(cell, option):
    """One pull per step makes the deltas; one collect makes d_params and d_xs."""
    case = problem(cell, option)
    total = cached(cell, option).total
    everything = jnp.ones((T, B), bool)
    mask = case.options.get("mask", everything)
    resets = case.options.get("resets", ~everything)
    drives = case.cell.project(case.params, case.xs)

    def step(state, at):
        drive, valid, reset = at
        before = choose(reset, case.reset_to(), state)
        after, _ = case.cell.step(case.params, before, drive)
        return choose(valid, after, before), before

    @by_numpy
    def gradients(params, xs, total):
        reverse = case.options.get("reverse", False)
        steps = (drives, mask, resets)
        _, states_prev = jax.lax.scan(step, case.start, steps, reverse=reverse)
        _, tapes = jax.vmap(case.cell.step, (None, 0, 0))(params, states_prev, drives)
        heard = choose(mask, total, jax.tree.map(jnp.zeros_like, total))
        _, deltas = jax.vmap(case.cell.pull, (None, 0, 0))(params, tapes, heard)
        return case.cell.collect(params, xs, states_prev, deltas)

    got = gradients(case.params, case.xs, total)
    assert_close(got, there_and_back(case, backward=sr.Autodiff())[1][:2])


def test_a_masked_step_passes_the_cotangent_on():
    case = problem("lstm", "lengths")
    got, lengths = of(case), np.asarray(case.options["lengths"])
    for b, length in enumerate(lengths):
        for field, d_final in case.d_run[1]._asdict().items():
            stream = getattr(got.through_time, field)[max(length - 1, 0) :, b]
            want = jnp.broadcast_to(d_final[b], stream.shape)
            np.testing.assert_array_equal(stream, want)
        np.testing.assert_array_equal(got.from_output.h[length:, b], 0)


def test_what_d_outputs_hold_at_a_masked_step_is_not_read():
    case = problem("gru", "lengths")
    valid = jnp.arange(T)[:, None] < case.options["lengths"]
    filled = jnp.where(valid[..., None], case.d_run[0], jnp.nan)
    got = of(case._replace(d_run=(filled, case.d_run[1])))
    jax.tree.map(np.testing.assert_array_equal, got, of(case))


@pytest.mark.parametrize("reverse", [False, True])
def test_nothing_arrives_from_a_step_that_restarted(reverse):
    case = problem("lstm")
    resets = jnp.zeros((T, B), bool).at[5, 1:].set(True)
    got = of(case._replace(options={"resets": resets, "reverse": reverse}))
    before = 6 if reverse else 4
    for leaf in got.through_time:
        np.testing.assert_array_equal(leaf[before, 1:], 0)
        assert np.all(np.asarray(leaf[before, 0]) != 0)


def test_without_d_final_nothing_comes_after_the_last_step():
    case = problem("lstm")
    function = functools.partial(sr.adjoints, case.cell)
    got = by_numpy(function)(case.params, case.xs, case.d_run[0])
    for leaf in got.through_time:
        np.testing.assert_array_equal(leaf[-1], 0)


def test_under_vmap_without_jit_and_differentiated():
    case = problem("lstm", "all")
    assert_close(of(case, jit=lambda function: function), of(case))
    scales = jnp.asarray([1.0, -0.5])

    def scaled(scale):
        return of(case._replace(xs=scale * case.xs), jit=lambda function: function)

    each = [by_numpy(scaled)(scale) for scale in scales]
    together = by_numpy(jax.vmap(scaled))(scales)
    assert_close(together, jax.tree.map(lambda *x: jnp.stack(x), *each))

    def squared(scale):
        return jnp.sum(scaled(scale).total.c ** 2)

    step, value = 1e-5, by_numpy(squared)
    slope = (value(1 + step) - value(1 - step)) / (2 * step)
    np.testing.assert_allclose(by_numpy(jax.grad(squared))(1.0), slope, rtol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes_come_back_as_they_went_in(dtype):
    case = problem("lstm", "all").astype(dtype)
    got = of(case, jax.jit)
    assert {leaf.dtype for leaf in jax.tree.leaves(got)} == {jnp.dtype(dtype)}
    assert_close(got, cached("lstm", "all"), dtype)


@pytest.mark.parametrize("shape", [(0, B), (T, 0)])
def test_empty_time_and_empty_batch_are_legal(shape):
    case = problem("lstm")
    xs, d_outputs = jnp.ones((*shape, 3)), jnp.ones((*shape, H))
    function = functools.partial(sr.adjoints, case.cell)
    got = by_numpy(function)(case.params, xs, d_outputs)
    assert got.total.c.shape == (*shape, H)


BAD = {
    "shape": (dict(d_outputs=jnp.ones((T, B, H + 1))), r"\(11, 5, 7\).*got float64"),
    "dtype": (dict(d_outputs=jnp.ones((T, B, H), jnp.float32)), "got float32"),
    "d_final": (dict(d_final=sr.gru(H).start(B)), "expected d_final as cell.start"),
    "mask": (dict(mask=jnp.ones((B, T), bool)), "did you mean mask.T"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_error(name):
    case = problem("lstm")
    changed, message = BAD[name]
    arguments = {"d_outputs": case.d_run[0]} | changed
    with pytest.raises(ValueError, match=message):
        sr.adjoints(case.cell, case.params, case.xs, **arguments)
