"""`pull` is linear in the cotangent of the state; the engine rests on it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import CELLS, B, T, assert_close, problem


def taped(case):
    """Tapes of T steps that all begin at the start state."""
    drives = case.cell.project(case.params, case.xs)
    step = jax.vmap(case.cell.step, in_axes=(None, None, 0))
    return step(case.params, case.start, drives)[1]


def draw(like, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=(T, *x.shape))), like)


def back(case, d_states):
    """All that a step hands back: d_state_prev, and what collect makes of delta."""
    return by_numpy(functools.partial(_back, case))(d_states)


def _back(case, d_states):
    pull = jax.vmap(case.cell.pull, in_axes=(None, 0, 0))
    d_prevs, deltas = pull(case.params, taped(case), d_states)
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (T, *x.shape)), case.start)
    return d_prevs, case.cell.collect(case.params, case.xs, states, deltas)


@pytest.mark.parametrize("cell", CELLS)
def test_pull_is_additive_and_homogeneous(cell):
    case = problem(cell)
    u, v = draw(case.start, 1), draw(case.start, 2)
    combined = jax.tree.map(lambda x, y: 3 * x - y / 7, u, v)
    want = jax.tree.map(lambda x, y: 3 * x - y / 7, back(case, u), back(case, v))
    assert_close(back(case, combined), want)


@pytest.mark.parametrize("cell", CELLS)
def test_no_cotangent_in_no_gradient_out(cell):
    case = problem(cell)
    nothing = jax.tree.map(jnp.zeros_like, draw(case.start, 1))
    for leaf in jax.tree.leaves(back(case, nothing)):
        np.testing.assert_array_equal(leaf, 0)


@pytest.mark.parametrize("cell", CELLS)
def test_pull_never_mixes_sequences(cell):
    """The cotangent of one sequence of the batch reaches only that sequence."""
    case = problem(cell)
    d_states = draw(case.start, 1)
    only = jax.tree.map(
        lambda x: jnp.where((jnp.arange(B) == 2)[:, None], x, 0), d_states
    )
    d_prevs, (_, d_xs) = back(case, only)
    for leaf in (*jax.tree.leaves(d_prevs), d_xs):
        others = np.delete(np.asarray(leaf), 2, axis=1)
        np.testing.assert_array_equal(others, 0)
        assert np.any(np.asarray(leaf)[:, 2] != 0)
