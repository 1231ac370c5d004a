"""A stream: memory that does not grow, transformations, precision, stretches."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import B, T, X, assert_close, problem
from online_runs import every_equation

import scanrnn as sr
from scanrnn.online import RTRL, UORO, SnAp, follow, online

METHODS = [RTRL(), SnAp(1), UORO()]


def squares(others, h, target):
    return jnp.sum((h @ others - target) ** 2)


def key_for(method):
    return jax.random.key(3) if method == UORO() else None


@pytest.mark.parametrize("method", METHODS)
def test_the_memory_is_the_same_whatever_the_length(method):
    case = problem("lstm")
    learner = online(case.cell, method)
    memory = learner.init(case.params, case.start, key=key_for(method))
    w = jnp.ones((7, 2))

    def run(xs):
        return follow(
            learner, case.params, memory, xs, squares, w, jnp.zeros((len(xs), B, 2))
        )

    held = {}
    for length in (3, 17):
        xs = jnp.zeros((length, B, X))
        program = jax.make_jaxpr(run)(xs)
        after = jax.eval_shape(run, xs).memory
        assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, memory)
        (scan,) = [
            e for e in every_equation(program.jaxpr) if e.primitive.name == "scan"
        ]
        held[length] = sorted(
            v.aval.shape for v in scan.outvars if v.aval.shape != (length,)
        )
    assert held[3] == held[17]


@pytest.mark.parametrize(
    "method", [pytest.param(RTRL(), marks=pytest.mark.exhaustive), SnAp(1)]
)
def test_models_side_by_side_and_compiled_are_models_one_by_one(method):
    case = problem("gru", length=3)
    learner = online(case.cell, method)
    w = jnp.ones((7, 2))

    def run(params):
        memory = learner.init(params, case.start)
        return follow(learner, params, memory, case.xs, squares, w, jnp.ones((3, B, 2)))

    both = jax.tree.map(lambda p: jnp.stack((p, 0.9 * p)), case.params)
    got = by_numpy(lambda p: jax.vmap(run)(p).d_params)(both)
    one = by_numpy(run)
    want = [one(jax.tree.map(lambda p, i=i: p[i], both)).d_params for i in (0, 1)]
    assert_close(got, jax.tree.map(lambda *p: np.stack(p), *want))
    if method == SnAp(1):
        assert_close(jax.jit(run)(case.params).d_params, want[0])


def test_a_stretch_is_the_gradient_of_a_sequence_and_goes_on_from_the_last():
    """Also of what the loss reads besides; in two stretches as in one."""
    case = problem("lstm", "tokens-all")
    mask, resets = case.options["mask"], case.options["resets"]
    targets = jnp.asarray(np.random.default_rng(1).normal(size=(T, B, 2)))
    learner, w = online(case.cell, RTRL()), jnp.ones((7, 2))

    def online_(params, w):
        memory, total = learner.init(params, case.start), []
        for part in (slice(0, 6), slice(6, T)):
            flags = {"mask": mask[part], "resets": resets[part]}
            found = follow(
                learner,
                params,
                memory,
                case.xs[part],
                squares,
                w,
                targets[part],
                **flags,
            )
            memory = found.memory
            total.append((found.losses.sum(), (found.d_params, found.d_others)))
        return jax.tree.map(jnp.add, *total)

    def loss(params, w):
        run = sr.unroll(case.cell, params, case.xs, case.start, **case.options)
        return jnp.sum((run.outputs @ w - targets) ** 2)

    want = by_numpy(jax.value_and_grad(loss, (0, 1)))(case.params, w)
    assert_close(by_numpy(online_)(case.params, w), want)


def test_what_a_masked_step_holds_reaches_nothing():
    case = problem("gru", "lengths")
    learner = online(case.cell, SnAp(1))
    memory = learner.init(case.params, case.start)

    def run(x, d_h):
        valid = jnp.arange(B) % 2 == 0
        after, h = learner.step(case.params, memory, x, mask=valid)
        return after.state.h, h, learner.gradient(after, d_h)

    nan = jnp.where((jnp.arange(B) % 2 == 0)[:, None], 1.0, jnp.nan)
    d_h = jnp.ones((B, 7))
    run = by_numpy(run)
    state, h, found = run(case.xs[0] * nan, d_h)
    assert_close((state, h, found), run(case.xs[0], jnp.where(nan == 1, d_h, 5.0)))
    assert_close(state[1::2], case.start.h[1::2])
    assert not h[1::2].any()


def test_a_reset_forgets_whatever_was_before():
    """The memory after it is that of an example that began there."""
    case = problem("lstm")
    learner = online(case.cell, RTRL(), start=True)

    def run(xs, reset):
        memory = learner.init(case.params, case.start)
        for x, flag in zip(xs, reset, strict=True):
            memory, _ = learner.step(case.params, memory, x, reset=flag)
        return memory.influence.blocks

    every = jnp.ones((3, B), bool)
    long = by_numpy(run)(case.xs[:3], every.at[0].set(False))
    short = by_numpy(run)(case.xs[2:3], every[:1])
    assert_close(long, short)


def test_sixteen_bits_are_no_worse_than_going_back():
    case = problem("rnn", length=3)

    def grads(dtype, learner):
        params, xs, start = jax.tree.map(
            lambda x: x.astype(dtype), (case.params, case.xs, case.start)
        )

        def ours(params):
            memory = learner.init(params, start)
            assert all(p.dtype == "float32" for p in jax.tree.leaves(memory.influence))
            loss = lambda _, h, t: jnp.sum(h.astype(jnp.float32) ** 2)  # noqa: E731
            return follow(learner, params, memory, xs, loss).d_params

        def back(params):
            run = sr.unroll(case.cell, params, xs, start)
            return jnp.sum(run.outputs.astype(jnp.float64) ** 2)

        return jax.jit(ours if learner else jax.grad(back))(params)

    exact, back = grads("float64", None), grads("bfloat16", None)
    found = grads("bfloat16", online(case.cell, RTRL()))
    for got, theirs, want in zip(
        *map(jax.tree.leaves, (found, back, exact)), strict=True
    ):
        worst, others = (
            np.abs(np.asarray(g, float) - want).max() for g in (got, theirs)
        )
        room = float(jnp.finfo("bfloat16").eps) * np.abs(want).max()
        assert got.dtype == "float32" and worst <= 2 * others + room


def test_a_learner_is_a_value():
    learner = online(sr.gru(4), SnAp(2))
    assert learner == online(sr.gru(4), SnAp(np.int64(2)))
    assert pickle.loads(pickle.dumps(learner)) == learner
    assert "sr.gru(4)" in repr(learner) and "SnAp(n=2)" in repr(learner)
    assert functools.cache(lambda learner: learner)(learner) is learner
