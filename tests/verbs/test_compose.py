"""Layers: a stack is what its parts are, one after the other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import B, T, X, assert_close

import scanrnn as sr

XS = jnp.asarray(np.random.default_rng(0).normal(size=(T, B, X)))
LENGTHS = jnp.asarray([0, 1, T, 4, T - 1])


def test_a_stack_is_one_layer_after_the_other():
    lower, upper = sr.gru(4), sr.lstm(6)
    deep = sr.stack(lower, upper)
    params = deep.init(jax.random.key(0), X)
    assert deep.output_size == 6

    def one_after_the_other(params):
        first = sr.unroll(lower, params[0], XS, lengths=LENGTHS)
        second = sr.unroll(upper, params[1], first.outputs, lengths=LENGTHS)
        return sr.Unrolled(second.outputs, (first.final, second.final))

    got = by_numpy(lambda p: deep.run(p, XS, lengths=LENGTHS))(params)
    assert_close(got, by_numpy(one_after_the_other)(params))


def test_stacks_of_stacks_nest():
    nested = sr.stack(sr.stack(sr.gru(4)), sr.bidirectional(sr.rnn(3), sr.rnn(2)))
    params = nested.init(jax.random.key(0), X)
    run = by_numpy(nested.run)(params, XS)
    assert run.outputs.shape == (T, B, 5) == (T, B, nested.output_size)
    starts = nested.start(B)
    assert jax.tree.structure(starts) == jax.tree.structure(run.final)
    assert_close(by_numpy(nested.run)(params, XS, starts), run)


def test_a_bidirectional_layer_reads_both_ways():
    there, back = sr.lstm(4), sr.gru(5)
    both = sr.bidirectional(there, back)
    params = both.init(jax.random.key(0), X)
    run = by_numpy(lambda p: both.run(p, XS, lengths=LENGTHS))(params)
    for b, length in enumerate(LENGTHS.tolist()):
        xs = XS[:length, b : b + 1]
        forwards = by_numpy(lambda p, xs: sr.unroll(there, p, xs))(params[0], xs)
        backwards = by_numpy(lambda p, xs: sr.unroll(back, p, xs))(params[1], xs[::-1])
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

        return by_numpy(jax.grad(loss, (0, 1)))(params, deep.start(B))

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


def net_of_everything():
    return sr.stack(
        sr.gru(4),
        jnp.tanh,
        sr.residual(sr.lstm(4)),
        sr.linear(3),
        sr.bidirectional(sr.rnn(2), sr.rnn(2), merge="sum"),
    )


@pytest.mark.parametrize("first", [True, False], ids=["time first", "batch first"])
def test_functions_dense_layers_and_skip_connections(first):
    net = net_of_everything()
    params = net.init(jax.random.key(0), X)
    turn = (lambda x: x) if first else (lambda x: x.swapaxes(0, 1))
    run = by_numpy(lambda p, xs: net.run(p, xs, lengths=LENGTHS, batch_first=not first))
    outputs, final = run(params, turn(XS))
    valid = (jnp.arange(T)[:, None] < LENGTHS)[..., None]

    @by_numpy
    def by_hand(params):
        hs = jnp.tanh(sr.unroll(sr.gru(4), params[0], XS, lengths=LENGTHS).outputs)
        hs = hs + sr.unroll(sr.lstm(4), params[2], hs, lengths=LENGTHS).outputs
        hs = jnp.where(valid, hs @ params[3].w + params[3].b, 0)
        options = {"lengths": LENGTHS}
        there = sr.unroll(sr.rnn(2), params[4][0], hs, **options)
        back = sr.unroll(sr.rnn(2), params[4][1], hs, reverse=True, **options)
        return there.outputs + back.outputs, there.final.h + back.final.h

    want, last = by_hand(params)
    assert_close(turn(outputs), want)
    assert_close(sr.last(sr.Unrolled(outputs, final)), last)
    assert net.output_size == 2
    assert jax.tree.structure(net.start(B)) == jax.tree.structure(final)


@pytest.mark.parametrize("merge", ["concat", "sum", "mean", "mul"])
def test_both_directions_are_merged_and_so_are_their_last_outputs(merge):
    both = sr.bidirectional(sr.rnn(4), sr.rnn(4), merge=merge)
    params = both.init(jax.random.key(0), X)
    run = jax.jit(both.run)(params, XS)
    alone = functools.partial(sr.unroll, sr.rnn(4))
    there = by_numpy(alone)(params[0], XS)
    back = by_numpy(functools.partial(alone, reverse=True))(params[1], XS)
    merged = {
        "concat": lambda a, b: np.concatenate((a, b), axis=-1),
        "sum": lambda a, b: a + b,
        "mean": lambda a, b: (a + b) / 2,
        "mul": lambda a, b: a * b,
    }[merge]
    assert_close(run.outputs, merged(there.outputs, back.outputs))
    assert_close(sr.last(run), merged(there.outputs[-1], back.outputs[0]))
    assert run.outputs.shape[-1] == both.output_size


def test_the_last_output_is_that_of_the_last_step_that_counts():
    deep = sr.stack(sr.gru(4), sr.lstm(5))
    params = deep.init(jax.random.key(0), X)
    run = by_numpy(lambda params: deep.run(params, XS, lengths=LENGTHS))(params)
    want = [run.outputs[n - 1, b] if n else jnp.zeros(5) for b, n in enumerate(LENGTHS)]
    np.testing.assert_array_equal(sr.last(run), jnp.stack(want))


def test_resets_of_a_stack_restore_what_every_part_is_told():
    deep = sr.stack(sr.gru(4), sr.lstm(5))
    params = deep.init(jax.random.key(0), X)
    start = jax.tree.map(lambda leaf: leaf + 0.5, deep.start(B))
    resets = jnp.zeros((T, B), bool).at[4].set(True)
    for to in (None, start):
        reset = functools.partial(deep.run, resets=resets, reset_to=to)
        run = by_numpy(reset)(params, XS, start)
        again = by_numpy(deep.run)(params, XS[4:], to)
        assert_close(run.outputs[4:], again.outputs)
        assert_close(run.final, again.final)


def test_a_size_that_only_the_inputs_know():
    halves = sr.stack(sr.dropout(0.1), lambda x: x[..., ::2])
    assert halves.output_size(7) == 4
    net = sr.stack(halves, sr.gru(3))
    assert net.output_size == 3
    assert net.init(jax.random.key(0), 7)[1].w_x.shape == (4, 9)


BAD = {
    "a factory": (lambda: sr.stack(sr.gru), r"write gru\(size\)"),
    "a number": (lambda: sr.stack(3), "layers, cells or functions"),
    "unhashable": (lambda: sr.stack(Unhashable()), "expected a hashable function"),
    "a function that sums": (
        lambda: sr.stack(sr.gru(4), lambda x: x.sum(0)),
        "keep all axes but the last",
    ),
    "merge": (lambda: sr.bidirectional(sr.gru(4), sr.gru(4), merge="cat"), 'merge "c'),
    "unequal": (
        lambda: sr.bidirectional(sr.gru(4), sr.gru(5), merge="sum"),
        'equal sizes for merge="sum", got 4 and 5',
    ),
    "residual": (lambda: run_of(sr.residual(sr.gru(4))), "have the size of its inputs"),
    "residual held": (
        lambda: run_of(sr.residual(sr.gru(X)), masked="hold"),
        'expected masked="zero"',
    ),
    "states of a stack": (
        lambda: run_of(sr.stack(sr.gru(4)), outputs="states"),
        "unroll each",
    ),
    "last of a function": (
        lambda: sr.last(run_of(sr.stack(sr.gru(4), jnp.tanh))),
        "ends in a recurrent one",
    ),
    "last of outputs": (lambda: sr.last(XS), "expected run: what unroll"),
    "linear": (lambda: sr.linear(0), "output_size, a positive integer"),
}


class Unhashable:
    __hash__ = None

    def __call__(self, x):
        return x


def run_of(layer, **options):
    return layer.run(layer.init(jax.random.key(0), X), XS, **options)


@pytest.mark.parametrize("case", BAD)
def test_one_clear_error(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_an_option_that_nobody_has_is_refused():
    for layer in (sr.linear(2), sr.stack(sr.gru(2)), sr.dropout(0.1)):
        with pytest.raises(TypeError, match="lenghts"):
            run_of(layer, lenghts=LENGTHS)
