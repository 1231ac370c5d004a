"""Layers: a stack is what its parts are, one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import B, T, X, assert_close

import scanrnn as sr

XS = jnp.asarray(np.random.default_rng(0).normal(size=(T, B, X)))
LENGTHS = jnp.asarray([0, 1, T, 4, T - 1])


def test_a_stack_is_one_layer_after_the_other():
    lower, upper = sr.gru(4), sr.lstm(6)
    deep = sr.stack(lower, upper)
    params = deep.init(jax.random.key(0), X)
    assert deep.output_size == 6
    got = deep.run(params, XS, lengths=LENGTHS)
    first = sr.unroll(lower, params[0], XS, lengths=LENGTHS)
    second = sr.unroll(upper, params[1], first.outputs, lengths=LENGTHS)
    assert_close(got, sr.Unrolled(second.outputs, (first.final, second.final)))


def test_stacks_of_stacks_nest():
    nested = sr.stack(sr.stack(sr.gru(4)), sr.bidirectional(sr.rnn(3), sr.rnn(2)))
    params = nested.init(jax.random.key(0), X)
    run = nested.run(params, XS)
    assert run.outputs.shape == (T, B, 5) == (T, B, nested.output_size)
    starts = nested.start(B)
    assert jax.tree.structure(starts) == jax.tree.structure(run.final)
    assert_close(nested.run(params, XS, starts), run)


def test_a_bidirectional_layer_reads_both_ways():
    there, back = sr.lstm(4), sr.gru(5)
    both = sr.bidirectional(there, back)
    params = both.init(jax.random.key(0), X)
    run = both.run(params, XS, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS.tolist()):
        xs = XS[:length, b : b + 1]
        with jax.disable_jit(length > 0):  # no program for every length
            forwards = sr.unroll(there, params[0], xs)
            backwards = sr.unroll(back, params[1], xs[::-1])
        want = jnp.concatenate((forwards.outputs, backwards.outputs[::-1]), axis=-1)
        assert_close(run.outputs[:length, b : b + 1], want)


@pytest.mark.parametrize(
    "backward",
    [sr.Recomputed(3), pytest.param(sr.Checkpointed(), marks=pytest.mark.exhaustive)],
)
def test_gradients_through_a_stack_equal_autodiff(backward):
    deep = sr.stack(sr.gru(4), sr.bidirectional(sr.lstm(3), sr.rnn(2)), sr.gru(5))
    params = deep.init(jax.random.key(0), X)

    def grads(way):
        def loss(params, start):
            run = deep.run(params, XS, start, lengths=LENGTHS, backward=way)
            leaves = jax.tree.leaves(run.final)
            return jnp.sum(jnp.sin(run.outputs)) + sum(jnp.sum(h**2) for h in leaves)

        return jax.jit(jax.grad(loss, (0, 1)))(params, deep.start(B))

    assert_close(grads(backward), grads(sr.Autodiff()), steps=4 * T)


def test_errors_of_layers():
    with pytest.raises(ValueError, match="at least one layer"):
        sr.stack()
    deep = sr.stack(sr.gru(4), sr.gru(4))
    params = deep.init(jax.random.key(0), X)
    with pytest.raises(ValueError, match="expected params: a tuple of 2"):
        deep.run(params[:1], XS)
    with pytest.raises(ValueError, match="expected start: a tuple of 2"):
        deep.run(params, XS, sr.gru(4).start(B))
    both = sr.bidirectional(sr.gru(4), sr.gru(4))
    with pytest.raises(ValueError, match="expected no reverse"):
        both.run(params, XS, reverse=True)
