"""One step is what unroll does at one step, for cells and layers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CELLS, B, T, X, assert_close, problem
from programs import count

import scanrnn as sr


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("tokens", [False, True])
def test_steps_one_by_one_are_the_unroll(cell, tokens):
    case = problem(cell, "tokens" if tokens else "plain")
    step = jax.jit(functools.partial(sr.step, case.cell))
    state = case.start
    want = sr.unroll(case.cell, case.params, case.xs, case.start)
    for t in range(T):
        output, state = step(case.params, state, case.xs[t])
        assert_close(output, want.outputs[t])
    assert_close(state, want.final)


def deep():
    return sr.stack(
        sr.recurrent_dropout(sr.gru(4), 0.3),
        jnp.tanh,
        sr.residual(sr.lstm(4)),
        sr.linear(2),
        dropout=0.5,
    )


def test_steps_of_a_stack_are_its_run():
    net = deep()
    params = net.init(jax.random.key(0), X)
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(T, B, X)))
    want = jax.jit(net.run)(params, xs)
    state = net.start(B)
    step = jax.jit(functools.partial(sr.step, net))
    for t in range(T):
        output, state = step(params, state, xs[t])
        assert_close(output, want.outputs[t])
    assert_close(state, want.final)


def test_a_step_without_a_batch():
    case = problem("lstm")
    alone = jax.tree.map(lambda leaf: leaf[2], case.start)
    output, state = sr.step(case.cell, case.params, alone, case.xs[0, 2])
    want, after = sr.step(case.cell, case.params, case.start, case.xs[0])
    assert_close((output, state), jax.tree.map(lambda leaf: leaf[2], (want, after)))


def test_there_is_no_loop_and_no_tape_in_a_step():
    case = problem("lstm")
    traced = jax.make_jaxpr(functools.partial(sr.step, case.cell))(
        case.params, case.start, case.xs[0]
    )
    assert not count(traced.jaxpr, {"scan", "while"})
    assert count(traced.jaxpr, {"dot_general"}) == 2
    assert len(traced.out_avals) == 3  # the output, h and c


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: sr.step(sr.lstm, c.params, c.start, c.xs[0]), "cell or a layer"),
        (lambda c: sr.step(c.cell, c.params, c.start, c.xs), "time axis of 1"),
        (lambda c: sr.step(c.cell, c.params, c.start, c.xs[0, :, :2]), r"\(1, 5, 2\)"),
        (lambda c: sr.step(c.cell, c.params, c.params, c.xs[0]), "expected state as"),
        (
            lambda c: sr.step(
                sr.stack(sr.bidirectional(c.cell, c.cell)), c.params, c.start, c.xs[0]
            ),
            "reads forwards",
        ),
    ],
)
def test_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(problem("lstm"))
