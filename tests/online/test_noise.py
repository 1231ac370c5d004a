"""UORO: the mean over its noise is the gradient, to rounding and as a statistic."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from cases import X, assert_close

import scanrnn as sr
from scanrnn.online import RTRL, UORO, online, rank_one

CELL = sr.rnn(2)
STEPS = 2
PARAMS = jax.tree.map(
    lambda leaf: leaf + 0.3, CELL.init(jax.random.key(0), X, jnp.float64)
)
XS = jnp.asarray(np.random.default_rng(0).normal(size=(STEPS, 2, X)))
START = CELL.start(2, jnp.float64)._replace(h=jnp.asarray([[0.3, -0.5], [0.7, 0.2]]))


def gradients(method, key=None, batch=2):
    """Of the last step, by params and start."""
    learner = online(CELL, method, start=True)
    start = jax.tree.map(lambda leaf: leaf[:batch], START)
    memory = learner.init(PARAMS, start, key=key)
    for x in XS[:, :batch]:
        memory, h = learner.step(PARAMS, memory, x)
    d_h = jnp.cos(h)
    return learner.gradient(memory, d_h), learner.gradient_of_start(memory, d_h)


def test_the_mean_over_all_signs_there_are_is_the_gradient(monkeypatch):
    """2 signs at the start and at every step: 2^6 ways, all of them."""
    ways = jnp.asarray([*itertools.product((-1.0, 1.0), repeat=2 * (1 + STEPS))])

    def along(way):
        given = iter(jnp.split(way, 1 + STEPS))
        monkeypatch.setattr(rank_one, "signs", lambda key, like: [next(given)])
        return gradients(UORO(), jax.random.key(0), batch=1)

    each = jax.jit(jax.vmap(along))(ways)
    mean = jax.tree.map(lambda leaf: leaf.mean(0), each)
    assert_close(mean, jax.jit(lambda: gradients(RTRL(), batch=1))(), steps=64)
    assert all(np.std(leaf, 0).max() > 0.01 for leaf in jax.tree.leaves(each))


def test_the_mean_over_draws_is_within_its_error_of_the_gradient():
    """2000 draws: the differences, in units of their error, have a mean square of 1."""
    keys = jax.random.split(jax.random.key(7), 2000)
    each = jax.jit(jax.vmap(lambda key: gradients(UORO(), key)))(keys)
    want = jax.jit(lambda: gradients(RTRL()))()
    z = [
        ((leaf.mean(0) - right) / (leaf.std(0) / len(keys) ** 0.5)).ravel()
        for leaf, right in zip(*map(jax.tree.leaves, (each, want)), strict=True)
    ]
    assert np.sqrt(np.mean(np.concatenate(z) ** 2)) < 2
