"""Lengths, masks and resets mean what they say, forward and backward, exactly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import CELLS, WAYS, B, H, Problem, T, X, assert_close, problem
from pairs import each, pairs

import scanrnn as sr

LENGTHS = jnp.asarray([0, 1, T, 4, T - 1])
SHORT = {"rnn": CELLS["rnn"], "lstm": CELLS["lstm"]}


@pytest.mark.parametrize(
    ("cell", "reverse"),
    pairs(CELLS, [False, True], needed=[("rnn", False), ("lstm", True)]),
)
def test_a_padded_sequence_is_the_short_one(cell, reverse):
    case = problem(cell)
    options = {"lengths": LENGTHS, "reverse": reverse}
    unroll = functools.partial(sr.unroll, case.cell, case.params)
    padded = by_numpy(functools.partial(unroll, **options))(case.xs, case.start)
    for b, length in enumerate(LENGTHS.tolist()):
        start = jax.tree.map(lambda x, b=b: x[b : b + 1], case.start)
        xs = case.xs[:length, b : b + 1]
        alone = by_numpy(functools.partial(unroll, reverse=reverse))(xs, start)
        got = jax.tree.map(lambda x, b=b: x[b : b + 1], padded.final)
        assert_close(got, alone.final)
        assert_close(padded.outputs[:length, b : b + 1], alone.outputs)
        np.testing.assert_array_equal(padded.outputs[length:, b], 0)


def test_length_zero_returns_the_start():
    case = problem("lstm")
    run = sr.unroll(
        case.cell, case.params, case.xs, case.start, lengths=jnp.zeros(B, int)
    )
    np.testing.assert_array_equal(run.outputs, 0)
    for got, want in zip(run.final, case.start, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("tokens", "way"), each([False, True], [*WAYS, "autodiff"]))
def test_padding_holds_anything_and_changes_nothing(tokens, way):
    """NaN in floats, -1 and 10**6 in tokens: bit for bit the same; one is compiled."""
    backward = {**WAYS, "autodiff": lambda sr: sr.Autodiff()}[way](sr)
    case = problem("gru", "tokens" if tokens else "plain")
    valid = jnp.arange(T)[:, None] < LENGTHS
    case = case._replace(options={"lengths": LENGTHS})
    if tokens:
        junk = jnp.where(jnp.arange(B) % 2, -1, 10**6)
        filled = jnp.where(valid, case.xs, junk)
    else:
        filled = jnp.where(valid[..., None], case.xs, jnp.nan)
    run = Problem.run if way == "recomputed" else there_and_back
    want = run(case, backward=backward)
    got = run(case._replace(xs=filled), backward=backward)
    jax.tree.map(np.testing.assert_array_equal, got, want)
    if not tokens:
        np.testing.assert_array_equal(got[1][1][~np.asarray(valid)], 0)


def test_a_mask_with_gaps_skips_the_gaps():
    case = problem("gru")
    mask = np.random.default_rng(1).random((T, B)) < 0.6
    unroll = functools.partial(sr.unroll, case.cell, case.params)
    run = by_numpy(functools.partial(unroll, mask=mask))(case.xs, case.start)
    for b in range(B):
        start = jax.tree.map(lambda x, b=b: x[b : b + 1], case.start)
        xs = case.xs[mask[:, b], b : b + 1]
        alone = by_numpy(unroll)(xs, start)
        assert_close(run.outputs[mask[:, b], b : b + 1], alone.outputs)
        assert_close(run.final.h[b : b + 1], alone.final.h)


def test_a_reset_restarts_from_what_it_is_told():
    case = problem("lstm")
    resets = jnp.zeros((T, B), bool).at[5].set(True)
    unroll = functools.partial(sr.unroll, case.cell, case.params)
    for to in (None, case.start, jax.tree.map(lambda leaf: leaf[2:3], case.start)):
        reset = functools.partial(unroll, resets=resets, reset_to=to)
        run = by_numpy(reset)(case.xs, case.start)
        if to is not None:  # one for all
            to = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (B, H)), to)
        again = by_numpy(unroll)(case.xs[5:], to)
        assert_close(run.outputs[5:], again.outputs)
        assert_close(run.final, again.final)


@pytest.mark.parametrize(("cell", "way"), each(SHORT, WAYS))
def test_a_reset_cuts_the_gradient_exactly(cell, way):
    case = problem(cell)
    resets = jnp.zeros((T, B), bool).at[5].set(True)

    def late_loss(xs, start, one):
        options = {"resets": resets, "reset_to": one, "backward": WAYS[way](sr)}
        run = sr.unroll(case.cell, case.params, xs, start, **options)
        return jnp.sum(run.outputs[5:] * case.d_run[0][5:])

    one = jax.tree.map(lambda leaf: leaf[2:3], case.start)
    grad = by_numpy(jax.grad(late_loss, (0, 1, 2)))
    d_xs, d_start, d_one = grad(case.xs, case.start, one)
    np.testing.assert_array_equal(d_xs[:5], 0)
    np.testing.assert_array_equal(jax.tree.leaves(d_start)[0], 0)
    assert np.all(np.any(np.asarray(d_xs[5:]) != 0, axis=-1))

    def from_there(one):
        start = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (B, H)), one)
        run = sr.unroll(case.cell, case.params, case.xs[5:], start)
        return jnp.sum(run.outputs * case.d_run[0][5:])

    assert_close(d_one, by_numpy(jax.grad(from_there))(one))


def test_reverse_is_the_flipped_sequence():
    case = problem("lstm")
    unroll = functools.partial(sr.unroll, case.cell, case.params)
    got = by_numpy(functools.partial(unroll, reverse=True))(case.xs, case.start)
    want = by_numpy(unroll)(case.xs[::-1], case.start)
    assert_close(got, want._replace(outputs=want.outputs[::-1]))


@pytest.mark.parametrize(
    ("shape", "way"), pairs([(0, B, X), (T, 0, X), (0, 0, X)], [*WAYS, "autodiff"])
)
def test_empty_time_and_empty_batch_are_legal(shape, way):
    backward = {**WAYS, "autodiff": lambda sr: sr.Autodiff()}[way](sr)
    case = problem("lstm")
    xs = jnp.ones(shape)
    start = case.cell.start(shape[1])

    def loss(params, xs, start):
        run = sr.unroll(case.cell, params, xs, start, backward=backward)
        return jnp.sum(run.outputs) + jnp.sum(run.final.c), run

    grad = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))
    (d_params, d_xs, d_start), run = grad(case.params, xs, start)
    assert run.outputs.shape == (*shape[:2], run.final.h.shape[-1])
    assert d_xs.shape == shape
    for leaf in jax.tree.leaves(d_params):
        np.testing.assert_array_equal(leaf, 0)
    np.testing.assert_array_equal(d_start.c, 1)
