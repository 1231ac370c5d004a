"""Truncated backpropagation through time, against a loop that stops the gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import CELLS, OPTIONS, B, H, T, X, assert_close, problem
from pairs import each, pairs
from programs import loops

import scanrnn as sr
from scanrnn.engine.trees import choose

SHORT = 5
WINDOWS = [(k1, k2) for k1 in (1, 2, 3) for k2 in range(k1, SHORT)]
SOME = {"rnn": (3, 7), "relu": (1, 4), "gru": (2, 5), "gru-reset-before": (4, 4)}


def flags(case):
    """mask and resets (T, B), whatever the options hold."""
    length = case.xs.shape[0]
    mask = case.options.get("mask", jnp.ones((length, B), bool))
    if "lengths" in case.options:
        mask = jnp.arange(length)[:, None] < case.options["lengths"]
    return mask, case.options.get("resets", jnp.zeros((length, B), bool))


def begins(every, back, length):
    """Where the window of every output begins; below 1, nothing is cut."""
    if back >= length:
        return jnp.zeros(length, int)
    return (jnp.arange(length) // every + 1) * every - back


def _naive(cell, reverse, params, xs, start, reset_to, mask, resets, begins, d_run):
    """For every output a loop of its own, which stops the gradient at its begin."""
    turn = slice(None, None, -1) if reverse else slice(None)
    steps = jax.tree.map(lambda leaf: leaf[turn], (xs, mask, resets))

    def windows(params, xs, start, reset_to):
        floats = steps[0] if xs is None else xs[turn]

        def alone(mine, begin):
            def step(state, at):
                t, x, valid, reset = at
                cut = (t == begin) & (t > 0)
                state = choose(cut, jax.lax.stop_gradient(state), state)
                state = choose(reset, reset_to, state)
                after, _ = cell.step(params, state, cell.project(params, x))
                state = choose(valid, after, state)
                return state, state

            _, states = jax.lax.scan(step, start, (times, floats, *steps[1:]))
            return jax.tree.map(lambda leaf: leaf[mine], states)

        times = jnp.arange(len(begins))
        states = jax.vmap(alone)(times, begins)
        happens = jnp.where(steps[1] | steps[2], times[:, None], -1)
        last = jnp.max(happens, axis=0)
        final = jax.tree.map(
            lambda leaf, start: choose(last < 0, start, leaf[last, jnp.arange(B)]),
            states, start,
        )  # fmt: skip
        outputs = choose(steps[1], states.h, jnp.zeros_like(states.h))
        return outputs[turn], final

    floats = xs if jnp.issubdtype(xs.dtype, jnp.floating) else None
    run, pull = jax.vjp(windows, params, floats, start, reset_to)
    return run, pull(d_run)


def naive(case, every, back):
    plain = functools.partial(_naive, case.cell, case.options.get("reverse", False))
    run, cotangents = by_numpy(plain)(
        case.params, case.xs, case.start, case.reset_to(), *flags(case),
        begins(every, back, len(case.xs)), case.d_run,
    )  # fmt: skip
    return run, cotangents if "reset_to" in case.options else cotangents[:3]


class Truncated:
    """The function in the place of `sr.unroll`, where a `Problem` is run."""

    unroll = staticmethod(sr.truncated)


def ours(case, every, back, **more):
    return there_and_back(case, Truncated, every=every, back=back, **more)


def compiled(case, every, back, **more):
    return case.run(Truncated, every=every, back=back, **more)


@pytest.mark.parametrize("windows", WINDOWS, ids=str)
def test_every_window_of_one_cell(windows):
    case = problem("rnn", length=SHORT)
    assert_close(ours(case, *windows), naive(case, *windows))


@pytest.mark.parametrize(("cell", "option"), each(CELLS, OPTIONS))
def test_every_cell_and_every_option(cell, option):
    case, windows = problem(cell, option), SOME.get(cell, (3, 5))
    assert_close(ours(case, *windows), naive(case, *windows))


@pytest.mark.parametrize(
    ("cell", "option"),
    pairs(
        CELLS,
        OPTIONS,
        needed=[("relu", "lengths"), ("gru", "all"), ("lstm", "tokens-all")],
    ),
)
def test_and_the_same_when_compiled(cell, option):
    case, windows = problem(cell, option), SOME.get(cell, (3, 5))
    assert_close(compiled(case, *windows), ours(case, *windows))


@pytest.mark.parametrize("option", ["plain", "all", "tokens-all"])
def test_values_are_those_of_unroll_bit_for_bit(option):
    case = problem("lstm", option)
    got, want = ours(case, 3, 5)[0], there_and_back(case)[0]
    jax.tree.map(np.testing.assert_array_equal, got, want)


@pytest.mark.parametrize(
    "option",
    [
        "all",
        *(pytest.param(o, marks=pytest.mark.exhaustive) for o in ("plain", "tokens")),
    ],
)
def test_and_bit_for_bit_when_compiled(option):
    case = problem("rnn", option)
    got, want = compiled(case, 3, 5)[0], case.run()[0]
    jax.tree.map(np.testing.assert_array_equal, got, want)

    def apart(function, **more):
        run = function(
            case.cell, case.params, case.xs, case.start, **case.options, **more
        )
        return tuple(run)

    got, want = apart(sr.truncated, every=3, back=5), apart(sr.unroll)
    jax.tree.map(np.testing.assert_array_equal, got, want)


@pytest.mark.parametrize("back", [T, T + 1])
def test_with_back_of_all_steps_the_gradient_is_the_full_one(back):
    """And with fewer it is not."""
    case = problem("lstm")
    full = there_and_back(case)[1]
    got = ours(case, 3, back)[1]
    jax.tree.map(np.testing.assert_array_equal, got, full)
    with pytest.raises(AssertionError, match="worst relative errors"):
        assert_close(ours(case, 3, T - 3)[1], full)


def test_equal_steps_are_chunks_with_the_state_handed_on():
    """every = back = k: unroll each chunk, stop the gradient between them."""
    case, k = problem("gru"), 4

    def chunks(params, xs, start):
        state, outputs = start, []
        for first in range(0, T, k):
            entry = jax.lax.stop_gradient(state) if first else start
            run = sr.unroll(case.cell, params, xs[first : first + k], entry)
            state = run.final
            outputs.append(run.outputs)
        return jnp.concatenate(outputs), state

    @by_numpy
    def gradients(args, d_run):
        return jax.vjp(chunks, *args)[1](d_run)

    want = gradients((case.params, case.xs, case.start), case.d_run)
    assert_close(ours(case, k, k)[1], want)


@pytest.mark.parametrize("every", [1, 3])
def test_an_output_reaches_back_so_far_and_no_further(every):
    case, back = problem("lstm"), 4

    @by_numpy
    def reach(xs):
        def output(xs, t):
            run = sr.truncated(case.cell, case.params, xs, every=every, back=back)
            return run.outputs[t].sum()

        return jax.vmap(jax.grad(output), (None, 0))(xs, jnp.arange(T))

    touched = np.any(np.asarray(reach(case.xs)) != 0, axis=(2, 3))
    for t in range(T):
        first = max(0, (t // every + 1) * every - back)
        np.testing.assert_array_equal(
            touched[t], [first <= i <= t for i in range(T)], err_msg=f"output {t}"
        )


@pytest.mark.parametrize(
    "cell", ["lstm", pytest.param("gru", marks=pytest.mark.exhaustive)]
)
def test_a_padded_sequence_has_the_gradient_of_the_short_one(cell):
    case, lengths = problem(cell), [10, 1, T, 7, 0]
    windows = {"every": 3, "back": 5}
    padded = case._replace(options={"lengths": jnp.asarray(lengths)})
    d_params, d_xs, d_start = ours(padded, **windows)[1]
    total = jax.tree.map(jnp.zeros_like, d_params)
    for b, length in enumerate(lengths):
        one = case._replace(
            xs=case.xs[:length, b : b + 1],
            start=jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], case.start),
            d_run=(
                case.d_run[0][:length, b : b + 1],
                jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], case.d_run[1]),
            ),
        )
        more, d_xs_b, d_start_b = ours(one, **windows)[1]
        total = jax.tree.map(jnp.add, total, more)
        assert_close(d_xs[:length, b : b + 1], d_xs_b)
        np.testing.assert_array_equal(d_xs[length:, b], 0)
        assert_close(
            jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], d_start), d_start_b
        )
    assert_close(d_params, total)


def test_padding_holds_anything():
    case = problem("gru", "lengths")
    valid = (jnp.arange(T)[:, None] < case.options["lengths"])[..., None]
    filled = case._replace(
        xs=jnp.where(valid, case.xs, jnp.nan),
    )
    jax.tree.map(np.testing.assert_array_equal, ours(filled, 2, 5), ours(case, 2, 5))


def test_the_loop_is_as_long_as_the_window_and_holds_no_weight_gradient():
    """T = 211 steps, but the way back loops over 2 sweeps of 10 and one of 5."""
    case = problem("lstm", length=211)

    def loss(params):
        run = sr.truncated(case.cell, params, case.xs, every=10, back=25)
        return jnp.sum(run.outputs**2)

    found = list(loops(jax.make_jaxpr(jax.grad(loss))(case.params).jaxpr))
    assert sorted(length for length, _ in found) == [2, 5, 10, 211]
    for _, body in found:
        for eqn in body.eqns:
            assert (H, 4 * H) not in [v.aval.shape for v in eqn.outvars]


def test_unrolled_loops_give_the_same():
    case = problem("rnn", "all")
    assert_close(compiled(case, 2, 5, unroll=3), ours(case, 2, 5))


def loss(case, every=2, back=5):
    def function(xs):
        run = sr.truncated(
            case.cell, case.params, xs, case.start, every=every, back=back,
            **case.options,
        )  # fmt: skip
        terms = jax.tree.map(
            lambda x, w: jnp.sum(w * jnp.sin(x)), tuple(run), case.d_run
        )
        return sum(jax.tree.leaves(terms))

    return function


def test_under_vmap_checkpoint_and_without_jit():
    case = problem("rnn", "all")
    grad = by_numpy(jax.grad(loss(case)))
    want = grad(case.xs)
    assert_close(jax.grad(loss(case))(case.xs), want)
    assert_close(by_numpy(jax.grad(jax.checkpoint(loss(case))))(case.xs), want)
    both = jnp.stack((case.xs, -case.xs))
    together = by_numpy(jax.vmap(jax.grad(loss(case))))(both)
    assert_close(together[0], want)
    assert_close(together[1], grad(-case.xs))


def test_the_truncated_gradient_can_itself_be_differentiated():
    """Its derivative is that of the numbers it returns: central differences."""
    case = problem("gru", "all")

    def squared(scale):
        return jnp.sum(jax.grad(loss(case))(scale * case.xs) ** 2)

    step = 1e-5
    value = by_numpy(squared)
    slope = (value(1 + step) - value(1 - step)) / (2 * step)
    np.testing.assert_allclose(by_numpy(jax.grad(squared))(1.0), slope, rtol=1e-6)


@pytest.mark.parametrize(("cell", "dtype"), [("rnn", "float32"), ("lstm", "bfloat16")])
def test_narrow_floats(cell, dtype):
    case = problem(cell, "all").astype(dtype)
    got = compiled(case, 3, 5)
    assert {leaf.dtype for leaf in jax.tree.leaves(got)} == {jnp.dtype(dtype)}
    assert_close(got, ours(problem(cell, "all"), 3, 5), dtype)


@pytest.mark.parametrize("axis_type", ["Auto", "Explicit"])
def test_a_sharded_batch_gives_the_same_without_a_collective_in_a_loop(axis_type):
    case = problem("gru")
    case = case._replace(xs=case.xs[:, :4], start=None)
    weights = case.d_run[0][:, :4]

    def back(params, xs, weights):
        def loss(params, xs):
            run = sr.truncated(case.cell, params, xs, every=2, back=5)
            return jnp.sum(run.outputs * weights)

        return jax.grad(loss, (0, 1))(params, xs)

    want = by_numpy(back)(case.params, case.xs, weights)
    kind = getattr(jax.sharding.AxisType, axis_type)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        by_batch = jax.sharding.NamedSharding(mesh, jax.P(None, "batch"))
        whole = jax.sharding.NamedSharding(mesh, jax.P())
        args = (
            jax.device_put(case.params, whole),
            *jax.device_put((case.xs, weights), by_batch),
        )
        program = jax.jit(back).lower(*args).compile()
        got = jax.device_get(program(*args))
    assert_close(got, want)
    assert "all-gather" not in program.as_text()


def test_under_shard_map():
    case = problem("lstm")
    xs, weights = case.xs[:, :4], case.d_run[0][:, :4]
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    by_batch = jax.P(None, "batch")

    def loss(params, xs, weights):
        run = sr.truncated(case.cell, params, xs, every=2, back=5)
        return jnp.sum(run.outputs * weights)

    grad = jax.grad(loss)
    split = jax.shard_map(
        grad, mesh=mesh, in_specs=(jax.P(), by_batch, by_batch), out_specs=jax.P()
    )
    want = by_numpy(grad)(case.params, xs, weights)
    assert_close(jax.jit(split)(case.params, xs, weights), want)


@pytest.mark.parametrize("shape", [(0, B, X), (T, 0, X)])
def test_empty_time_and_empty_batch_are_legal(shape):
    case = problem("lstm")

    @by_numpy
    @jax.grad
    def back(xs):
        run = sr.truncated(case.cell, case.params, xs, every=2, back=5)
        return jnp.sum(run.outputs) + jnp.sum(run.final.c)

    assert back(jnp.ones(shape)).shape == shape


BAD = {
    "no steps": (dict(every=0, back=3), "expected every, a positive integer, got 0"),
    "fraction": (dict(every=1, back=2.5), "expected back, a positive integer, got 2.5"),
    "too short": (dict(every=4, back=3), "back >= every, got back=3 and every=4"),
    "lengths": (dict(every=1, back=2, lengths=jnp.ones(2, int)), "expected lengths"),
    "unroll": (dict(every=1, back=2, unroll=0), "expected unroll"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_error(name):
    case, (options, message) = problem("rnn"), BAD[name]
    with pytest.raises(ValueError, match=message):
        sr.truncated(case.cell, case.params, case.xs, **options)
