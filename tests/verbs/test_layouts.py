"""How sequences lie and what is handed out: other places for the same numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import CELLS, WAYS, B, T, X, assert_close, problem
from pairs import each

import scanrnn as sr


def turned(tree):
    return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), tree)


def batch_first(case, verb, **more):
    """The case with batch-first sequences, there and back, and turned round again."""
    sequences = {k: v for k, v in case.options.items() if k in ("mask", "resets")}
    options = case.options | turned(sequences) | more

    @by_numpy
    def run(params, xs, d_run):
        def function(params, xs):
            return tuple(verb(case.cell, params, xs, case.start, **options))

        made, pull = jax.vjp(function, params, xs)
        d_params, d_xs = pull(d_run)
        return (turned(made[0]), made[1]), (d_params, turned(d_xs))

    d_run = turned(case.d_run[0]), case.d_run[1]
    return run(case.params, turned(case.xs), d_run)


@pytest.mark.parametrize(
    ("option", "verb", "more"),
    [
        ("all", sr.unroll, {}),
        ("lengths", functools.partial(sr.truncated, every=3, back=5), {}),
    ],
)
def test_batch_first_is_time_first_turned(option, verb, more):
    case = problem("gru", option)
    run, cotangents = batch_first(case, verb, batch_first=True, **more)
    if verb is sr.unroll:
        want, d_want = there_and_back(case)
    else:
        want, d_want = there_and_back(case, _Truncated, every=3, back=5)
    assert_close(run, want)
    assert_close(cotangents, d_want[:2])


class _Truncated:
    unroll = staticmethod(sr.truncated)


def test_batch_first_adjoints_are_the_others_turned():
    case = problem("lstm", "all")
    flags = {k: turned(case.options[k]) for k in ("mask", "resets")}
    others = {k: v for k, v in case.options.items() if k not in flags}
    arguments = case.cell, case.params
    want = jax.jit(lambda: sr.adjoints(
        *arguments, case.xs, case.d_run[0], case.start, **case.options
    ))()  # fmt: skip
    got = jax.jit(lambda: sr.adjoints(
        *arguments, turned(case.xs), turned(case.d_run[0]), case.start,
        batch_first=True, **flags, **others,
    ))()  # fmt: skip
    assert_close(turned(got), want)


@pytest.mark.parametrize(("cell", "option"), each(CELLS, ["all", "tokens", "lengths"]))
def test_a_sequence_without_a_batch_is_a_batch_of_one(cell, option):
    case = problem(cell, option)

    def alone(tree, axis):
        return jax.tree.map(lambda leaf: jnp.take(leaf, 3, axis), tree)

    def one(tree, axis):
        return jax.tree.map(lambda leaf: jnp.expand_dims(leaf, axis), alone(tree, axis))

    def options(pick):
        axes = {"mask": 1, "resets": 1, "lengths": 0, "reset_to": 0}
        return {
            k: pick(v, axes[k]) if k in axes else v for k, v in case.options.items()
        }

    def value_and_grad(pick, params, start):
        return by_numpy(functools.partial(_value_and_grad, pick))(params, start)

    def _value_and_grad(pick, params, start):
        def loss(params, start):
            run = sr.unroll(case.cell, params, pick(case.xs, 1), start, **options(pick))
            return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(run)), run

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(params, start)

    (value, run), (d_params, d_start) = value_and_grad(
        alone, case.params, alone(case.start, 0)
    )
    (want, run_of_one), (d_want, d_start_of_one) = value_and_grad(
        one, case.params, one(case.start, 0)
    )
    assert_close((value, d_params), (want, d_want))
    assert_close(d_start, jax.tree.map(lambda leaf: leaf[0], d_start_of_one))
    assert run.outputs.shape == (T, *run_of_one.outputs.shape[2:])
    assert_close(run.outputs, run_of_one.outputs[:, 0])


@pytest.mark.parametrize(
    ("cell", "option", "way"),
    each(
        ["lstm", "gru"],
        ["resets", "all", "tokens-all"],
        [*WAYS, "truncated"],
    ),
)
def test_whole_states_and_their_gradients(cell, option, way):
    """outputs="states" against the oracle, with cotangents of every field."""
    case = problem(cell, option)
    rng = np.random.default_rng(5)
    d_states = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=(T, *leaf.shape))), case.start
    )
    case = case._replace(d_run=(d_states, case.d_run[1]))
    want = there_and_back(case, backward=sr.Autodiff(), outputs="states", masked="hold")
    if way == "truncated":  # nothing is cut off; still its own rule
        windows = {"every": 3, "back": T - 1, "outputs": "states", "masked": "hold"}
        got = there_and_back(case, _Truncated, **windows)
        assert_close(got[0], want[0])
        return
    got = there_and_back(case, backward=WAYS[way](sr), outputs="states", masked="hold")
    assert_close(got, want)


def test_truncated_whole_states_have_the_gradient_of_their_window():
    """Every state by itself: what reaches the inputs is what its window holds."""
    case = problem("lstm", length=5)

    def d_xs(back, xs):
        @by_numpy
        @jax.grad
        def memory(xs):
            run = sr.truncated(
                case.cell, case.params, xs, case.start, every=1, back=back,
                outputs="states",
            )  # fmt: skip
            return jnp.sum(run.outputs.c[4])

        return memory(xs)

    for back in (2, 3):
        got = np.asarray(d_xs(back, case.xs))
        assert not np.any(got[: 5 - back]) and np.all(got[5 - back :] != 0)
        before = sr.unroll(case.cell, case.params, case.xs[: 5 - back], case.start)

        @by_numpy
        @jax.grad
        def window(xs, start=before.final):
            return jnp.sum(sr.unroll(case.cell, case.params, xs, start).final.c)

        assert_close(got[5 - back :], window(case.xs[5 - back :]))


@pytest.mark.parametrize("way", WAYS)
def test_the_memory_of_every_step_is_that_of_a_shorter_run(way):
    case = problem("lstm")
    run = jax.jit(
        lambda xs: sr.unroll(
            case.cell, case.params, xs, case.start, outputs="states",
            backward=WAYS[way](sr),
        )
    )  # fmt: skip
    states = run(case.xs).outputs
    shorter = sr.unroll(case.cell, case.params, case.xs[:4], case.start).final
    assert_close(jax.tree.map(lambda leaf: leaf[3], states), shorter)


def test_a_held_output_is_the_last_one():
    case = problem("lstm", "all")
    mask = np.asarray(case.options["mask"])
    options = case.options | {"reverse": False}
    arguments = case.cell, case.params, case.xs, case.start
    held = np.asarray(sr.unroll(*arguments, masked="hold", **options).outputs)
    zero = np.asarray(sr.unroll(*arguments, **options).outputs)
    np.testing.assert_array_equal(held[mask], zero[mask])
    np.testing.assert_array_equal(zero[~mask], 0)
    before = np.concatenate((case.start.h[None], held[:-1]))
    resets = np.asarray(options["resets"])
    passed = ~mask & ~resets  # a reset moves the state, masked or not
    np.testing.assert_array_equal(held[passed], before[passed])
    restored = np.broadcast_to(options["reset_to"].h, held.shape)
    np.testing.assert_array_equal(held[~mask & resets], restored[~mask & resets])


def test_no_input_is_a_row_of_zeros():
    """Tokens of -1: of the loss, the params and in reverse."""
    case = problem("gru", "tokens")
    tokens = case.xs.at[0].set(-1).at[4, 2:].set(-1)
    rows = jax.nn.one_hot(tokens, X, dtype=jnp.float64)  # zero for -1

    @by_numpy
    def value_and_grad(params, xs):
        def loss(params):
            run = sr.unroll(case.cell, params, xs, case.start, reverse=True)
            return jnp.sum(run.outputs * case.d_run[0])

        return jax.value_and_grad(loss)(params)

    want = value_and_grad(case.params, rows)
    assert_close(value_and_grad(case.params, tokens), want)
    assert_close(value_and_grad(case.params, tokens.astype(jnp.int8)), want)


@pytest.mark.parametrize("tokens", [False, True])
def test_without_a_bias_is_with_a_bias_of_zero(tokens):
    kinds = {
        "rnn": lambda **o: sr.rnn(4, **o),
        "gru": lambda **o: sr.gru(4, **o),
        "gru-reset-before": lambda **o: sr.gru(4, reset_after=False, **o),
        "lstm": lambda **o: sr.lstm(4, **o),
    }
    rng = np.random.default_rng(0)
    xs = jnp.asarray(
        rng.integers(X, size=(T, B)) if tokens else rng.normal(size=(T, B, X))
    )
    for make in kinds.values():
        cell, without = make(), make(bias=False)
        params = without.init(jax.random.key(0), X)
        zero = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), X))
        zero = zero._replace(w_x=params.w_x, w_h=params.w_h)

        def loss(params, cell):
            return jnp.sum(jnp.sin(sr.unroll(cell, params, xs).outputs))

        def grad(params, cell):
            return by_numpy(jax.value_and_grad(lambda p: loss(p, cell)))(params)

        value, d_params = grad(params, without)
        want, d_zero = grad(zero, cell)
        assert d_params.b is None and set(params._fields) == set(zero._fields)
        assert_close(
            (value, d_params.w_x, d_params.w_h), (want, d_zero.w_x, d_zero.w_h)
        )
