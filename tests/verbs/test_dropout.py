"""What is dropped, when, and that the gradient knows it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import B, T, X, assert_close

import scanrnn as sr
from scanrnn import verify
from scanrnn.compose.recurrent_dropout import masked_cell

XS = jnp.asarray(np.random.default_rng(0).normal(size=(T, B, X)))
KEY = jax.random.key(3)
RATE = 0.4


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("variational", [False, True])
def test_a_share_is_dropped_and_the_mean_is_kept(variational, batch_first):
    ones = jnp.ones((64, 31, 33))
    drop = sr.dropout(RATE, variational=variational)
    ys = drop.run((), ones, key=KEY, batch_first=batch_first).outputs
    ys = np.asarray(ys.swapaxes(0, 1) if batch_first else ys)
    values = np.unique(ys)
    np.testing.assert_allclose(values, [0, 1 / (1 - RATE)])
    draws = ys[0].size if variational else ys.size
    spread = np.sqrt(RATE / (1 - RATE) / draws)  # of the mean of so many draws
    assert abs(ys.mean() - 1) < 6 * spread
    assert np.all(ys == ys[0]) == variational
    assert not np.all(ys[:, 0] == ys[:, 1])
    np.testing.assert_array_equal(drop.run((), ones).outputs, ones)


@pytest.mark.parametrize("variational", [False, True])
def test_a_stack_drops_between_its_layers_and_nowhere_else(variational):
    lower, upper = sr.gru(4), sr.rnn(3)
    net = sr.stack(lower, upper, dropout=RATE, variational=variational)
    params = net.init(KEY, X)
    run = jax.jit(net.run)(params, XS, key=KEY)
    first = unrolled(lower, params[0], XS)
    between = jax.random.split(jax.random.split(KEY, 2)[1])[0]
    drop = sr.dropout(RATE, variational=variational)
    outputs = jnp.asarray(first.outputs)
    second = unrolled(upper, params[1], drop.run((), outputs, key=between).outputs)
    assert_close(run, sr.Unrolled(second.outputs, (first.final, second.final)))
    plain = by_numpy(net.run)(params, XS)
    assert_close(plain.outputs, unrolled(upper, params[1], first.outputs).outputs)


def unrolled(cell, params, xs):
    return by_numpy(functools.partial(sr.unroll, cell))(params, xs)


def by_hand(params, xs, start, mask, resets):
    """The plain loop, h masked where a step reads it; a reset restores zeros."""
    cell = sr.lstm(4)

    def step(state, at):
        x, reset = at
        state = jax.tree.map(lambda s: jnp.where(reset[:, None], 0, s), state)
        seen = state._replace(h=state.h * mask)
        after, _ = cell.step(params, seen, cell.project(params, x[None])[0])
        return after, after.h

    final, outputs = jax.lax.scan(step, start, (xs, resets))
    return outputs, final.h


@pytest.mark.parametrize(
    "way", [sr.Stored(), sr.Recomputed(4), sr.Checkpointed(3), sr.Autodiff()], ids=repr
)
def test_recurrent_dropout_is_the_plain_loop_with_a_mask(way):
    net = sr.recurrent_dropout(sr.lstm(4), RATE)
    params = net.init(KEY, X)
    resets = jnp.zeros((T, B), bool).at[4, 1:].set(True)

    def ours(params, xs):
        options = {"resets": resets, "backward": way}
        run = net.run(params, xs, net.start(B)._replace(mask=mask), **options)
        return (run.outputs, run.final.h), run.final.mask

    mask = net.run(params, XS[:1], key=KEY).final.mask
    assert set(np.unique(mask)) == {0, 1 / (1 - RATE)}
    start = sr.lstm(4).start(B)

    def plain(params, xs):
        return by_hand(params, xs, start, mask, resets), mask

    def there_and_back(run):
        made, pull, mask = jax.vjp(run, params, XS, has_aux=True)
        return made, pull(jax.tree.map(jnp.cos, made)), mask

    got, want = (by_numpy(lambda r=run: there_and_back(r))() for run in (ours, plain))
    assert_close(got, want)


def test_the_mask_goes_on_with_the_state_and_a_new_key_draws_anew():
    net = sr.recurrent_dropout(sr.rnn(4), RATE)
    params = net.init(KEY, X)
    run = jax.jit(net.run)
    whole = run(params, XS, key=KEY)
    first = run(params, XS[:4], key=KEY)
    second = run(params, XS[4:], first.final)
    assert_close(jnp.concatenate((first.outputs, second.outputs)), whole.outputs)
    assert_close(second.final, whole.final)
    np.testing.assert_array_equal(net.start(B).mask, 1)
    undropped = by_numpy(net.run)(params, XS)
    assert_close(undropped.outputs, unrolled(sr.rnn(4), params, XS).outputs)
    other = run(params, XS[4:], first.final, key=jax.random.key(9))
    assert np.any(other.final.mask != whole.final.mask)


@pytest.mark.exhaustive  # its gradients are compared above
def test_the_masked_cell_passes_the_audit():
    verdict = verify.check(masked_cell(sr.gru(3)), dtypes=["float64"], quick=True)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sr.dropout(1.0), r"rate, a number in \[0, 1\), got 1.0"),
        (lambda: sr.dropout("half"), "rate, a number"),
        (lambda: sr.dropout(0.1, variational=1), "variational=True or False"),
        (lambda: sr.stack(sr.gru(3), dropout=-0.1), "dropout, a number"),
        (lambda: sr.recurrent_dropout(sr.gru, 0.1), r"write gru\(hidden_size\)"),
    ],
)
def test_one_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
