"""RTRL: at every step the gradient that backpropagation through time would give."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import CELLS, B, T, X, assert_close, problem
from cases import H as UNITS
from online_runs import by_going_back, every_step

import scanrnn as sr
from scanrnn.online import RTRL, SnAp, follow, online
from scanrnn.online.own import Own

OPTIONS = {
    "rnn": "lengths",
    "relu": "plain",
    "gru": "tokens-all",
    "gru-reset-before": "resets",
    "lstm": "resets",
}


@pytest.mark.parametrize("cell", CELLS)
def test_every_step_has_the_gradient_of_going_back(cell):
    """By params and by start; with tokens, lengths, gaps and resets."""
    case = problem(cell, OPTIONS[cell])
    got = every_step(online(case.cell, RTRL(), start=True), case)
    assert_close(got, by_going_back(case), steps=T)


def lag(params, state, x):
    """Its output is no part of its state, which counts its steps as well."""
    h, steps = state
    h = jnp.tanh(x @ params["w"] + h @ params["u"] * params["g"])
    return (h, steps + 1), jnp.sin(h) * params["o"]


def drawn(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def test_a_derived_cell_from_a_state_of_its_own_form():
    params = {"w": drawn(X, 4), "u": drawn(4, 4), "g": drawn(4), "o": drawn(4)}
    start, xs = (drawn(B, 4), jnp.arange(B)), drawn(5, B, X)
    learner = online(sr.derive(lag), RTRL(), start=True)

    def run(params, h):
        memory = learner.init(params, (h, start[1]), x=xs[0])
        total = jnp.zeros_like(h)
        for x in xs:
            memory, output = learner.step(params, memory, x)
            total = total + learner.gradient_of_start(memory, jnp.cos(output))[0]
        return learner.gradient(memory, jnp.cos(output)), total

    def plain(params, h):
        step = functools.partial(lag, params)
        return jax.lax.scan(step, (h, start[1]), xs)[1]

    def want(params, h):
        last = jax.grad(lambda params: jnp.sum(jnp.sin(plain(params, h)[-1])))
        return last(params), jax.grad(lambda h: jnp.sum(jnp.sin(plain(params, h))))(h)

    assert_close(by_numpy(run)(params, start[0]), by_numpy(want)(params, start[0]))


def test_a_stack_learns_online_as_one_cell():
    net = sr.stack(sr.rnn(3), sr.residual(sr.rnn(3)))
    params, xs = net.init(jax.random.key(0), X), drawn(3, 2, X)
    learner = online(net, RTRL())
    assert learner == online(sr.stack(sr.rnn(3), sr.residual(sr.rnn(3))), RTRL())

    def run(params):
        memory = learner.init(params, net.start(2), x=xs[0])
        return follow(learner, params, memory, xs, lambda _, h, t: jnp.sum(jnp.sin(h)))

    def loss(params):
        return jnp.sum(jnp.sin(net.run(params, xs).outputs))

    assert_close(by_numpy(run)(params).d_params, by_numpy(jax.grad(loss))(params))


class Marked(sr.Cell):
    """A cell that says of itself that its units do not meet."""

    recurrence = "diagonal"


def leak(params, h, x):
    h = jax.nn.sigmoid(params["f"]) * h + jnp.tanh(x @ params["w"])
    return h, h


@pytest.mark.parametrize("method", [RTRL(), SnAp(1)])
def test_of_units_that_do_not_meet_each_keeps_its_own_and_that_is_exact(method):
    params, start, xs = {"f": drawn(4), "w": drawn(X, 4)}, drawn(B, 4), drawn(5, B, X)
    cell = Marked(*sr.derive(leak))
    learner = online(cell, method, start=method == RTRL())

    def run(params, start):
        memory = learner.init(params, start, x=xs[0])
        assert isinstance(memory.influence.kept.form, Own)
        for x in xs:
            memory, h = learner.step(params, memory, x)
        d_params = learner.gradient(memory, jnp.cos(h))
        if not learner.start:
            return (d_params,)
        return d_params, learner.gradient_of_start(memory, jnp.cos(h))

    def loss(params, start):
        step = functools.partial(leak, params)
        return jnp.sum(jnp.sin(jax.lax.scan(step, start, xs)[0]))

    got = by_numpy(run)(params, start)
    assert_close(got, by_numpy(jax.grad(loss, (0, 1)))(params, start)[: len(got)])


def test_a_loss_of_the_whole_state_reaches_the_memory_of_an_lstm():
    case = problem("lstm")
    learner = online(case.cell, RTRL())
    d_state = case.d_run[1]

    def run(params):
        memory = learner.init(params, case.start)
        for x in case.xs[:3]:
            memory, _ = learner.step(params, memory, x)
        return learner.gradient(memory, d_state)

    def loss(params):
        final = sr.unroll(case.cell, params, case.xs[:3], case.start).final
        return sum(map(jnp.vdot, jax.tree.leaves(final), jax.tree.leaves(d_state)))

    assert d_state.c.shape == (B, UNITS)
    assert_close(by_numpy(run)(case.params), by_numpy(jax.grad(loss))(case.params))
