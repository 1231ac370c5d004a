"""SnAp: what is kept, what it costs, and from which n on nothing is left out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import B, X, assert_close, errors, problem
from jax import lax
from jax.flatten_util import ravel_pytree
from online_runs import every_equation

import scanrnn as sr
from scanrnn.online import RTRL, SnAp, online
from scanrnn.online.own import Own
from scanrnn.online.whole import Whole

STEPS = 4


def form_of(learner, case):
    init = jax.eval_shape(lambda: learner.init(case.params, case.start, x=case.xs[0]))
    return init.influence.kept.form


def last_gradient(learner, case):
    """Of the loss of the last step."""

    def run(params, start, xs):
        def body(memory, x):
            return learner.step(params, memory, x)

        memory, hs = lax.scan(body, learner.init(params, start, x=xs[0]), xs)
        return learner.gradient(memory, jnp.cos(hs[-1]))

    return by_numpy(run)(case.params, case.start, case.xs[:STEPS])


def by_definition(case):
    """∂s / ∂params in full, and zeroed each time where I has no entry."""
    one = case.params, jax.tree.map(lambda leaf: leaf[0], case.start)
    to_params, to_state = (ravel_pytree(tree)[1] for tree in one)

    def advance(state, params, x):
        before = jax.tree.map(lambda leaf: leaf[None], to_state(state))
        _, after = sr.step(case.cell, to_params(params), before, x[None])
        return ravel_pytree(after)[0]

    def of_one(params, start, xs):
        def body(carry, x):
            state, influence = carry
            j, i = jax.jacfwd(advance, (0, 1))(state, params, x)
            after = advance(state, params, x)
            return (after, jnp.where(i != 0, j @ influence + i, 0)), None

        state = ravel_pytree(start)[0]
        influence = jnp.zeros((state.size, params.size))
        (state, influence), _ = lax.scan(body, (state, influence), xs)
        after = to_state(state)
        d_state = jax.tree.map(jnp.zeros_like, after)._replace(h=jnp.cos(after.h))
        return ravel_pytree(d_state)[0] @ influence

    def run(params, start, xs):
        each = jax.vmap(of_one, (None, 0, 1))(params, start, xs)
        return to_params(each.sum(0))

    flat = ravel_pytree(case.params)[0]
    return by_numpy(run)(flat, case.start, case.xs[:STEPS])


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        pytest.param("gru", Own, marks=pytest.mark.exhaustive),
        ("lstm", Own),
        ("gru-reset-before", Whole),
    ],
)
def test_one_step_keeps_what_a_weight_moves_at_once(cell, kept):
    case = problem(cell)
    learner = online(case.cell, SnAp(1))
    assert type(form_of(learner, case)) is kept
    assert_close(last_gradient(learner, case), by_definition(case))
    two = form_of(online(case.cell, SnAp(2)), case)
    assert type(two) is Whole and two.pattern is None  # all is reached: RTRL


def ring(params, h, x):
    """A unit reads itself and the one before it."""
    h = jnp.tanh(x @ params["w"] + params["a"] * h + params["b"] * jnp.roll(h, 1, -1))
    return h, h


def test_on_a_ring_of_units_n_steps_reach_so_many_and_then_all():
    rng = np.random.default_rng(0)
    shapes = {"w": (X, 4), "a": (4,), "b": (4,)}
    params = {name: jnp.asarray(rng.normal(size=s)) for name, s in shapes.items()}
    case = problem("rnn")._replace(
        cell=sr.derive(ring), params=params, start=jnp.asarray(rng.normal(size=(B, 4)))
    )
    exact = last_gradient(online(case.cell, RTRL()), case)
    worst = []
    for n in (1, 2, 3, 4):
        learner = online(case.cell, SnAp(n))
        if n in (2, 3):
            (pattern,) = form_of(learner, case).pattern
            assert [int(keep.sum(0).max()) for keep in pattern] == [n] * 3
        worst.append(max(errors(last_gradient(learner, case), exact).values()))
    assert worst[0] > worst[1] > worst[2] > 1e-3
    assert worst[3] < 1e-14


def test_what_a_step_holds_is_of_the_size_of_the_params():
    """Of `Own`, and of the whole it is S times as much."""
    case = problem("gru")
    largest = max(leaf.size for leaf in jax.tree.leaves(case.params))
    found = {}
    for method in (SnAp(1), RTRL()):
        learner = online(case.cell, method)
        memory = learner.init(case.params, case.start)
        step = functools.partial(learner.step, case.params)
        program = jax.make_jaxpr(step)(memory, case.xs[0])
        sizes = [v.aval.size for e in every_equation(program.jaxpr) for v in e.outvars]
        found[method] = max(sizes)
    units = case.start.h.shape[1]
    assert found[SnAp(1)] == B * largest
    assert found[RTRL()] == B * units * largest
