"""Bytes are told before the program is compiled, and a budget is kept."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest
from by_numpy import by_numpy
from cases import assert_close
from pairs import pairs

import scanrnn as sr

WAYS = (sr.Stored(), sr.Recomputed(), sr.Checkpointed())
SHAPES = [(1000, 16, 64, 64), (4096, 8, 64, 128), (600, 4, 16, 32)]


def shapes(cell, sizes, dtype="float32"):
    T, B, X, H = sizes
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), X, jnp.dtype(dtype)))
    xs, weights = (jax.ShapeDtypeStruct((T, B, size), dtype) for size in (X, H))
    return params, xs, weights


def lowered(cell, sizes, backward, dtype="float32"):
    def loss(params, xs, weights):
        run = sr.unroll(cell, params, xs, backward=backward)
        return jnp.sum(run.outputs * weights)

    gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))
    return gradient.lower(*shapes(cell, sizes, dtype))


@functools.cache
def measured(cell, sizes, backward, dtype="float32"):
    compiled = lowered(cell, sizes, backward, dtype).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(
    ("sizes", "kind", "way"), pairs(SHAPES, ["rnn", "gru", "lstm"], WAYS)
)
def test_bytes_are_predicted_within_a_tenth(sizes, kind, way):
    cell = getattr(sr, kind)(sizes[-1])
    params, xs, _ = shapes(cell, sizes)
    told = sr.temporary_bytes(cell, params, xs, backward=way)
    assert told == pytest.approx(measured(cell, sizes, way), rel=0.1)


def test_bytes_of_cells_without_a_matrix():
    """Real ones within a fifth; of complex states a lower bound, not half as low."""
    sizes = SHAPES[-1]
    for cell, low, high in ((sr.min_gru(32), 0.8, 1.2), (sr.lru(32), 0.5, 1)):
        params, xs, weights = shapes(cell, sizes)

        def loss(params, xs, weights, cell=cell):
            run = sr.unroll(cell, params, xs, backward=sr.Stored())
            return jnp.sum(run.outputs * weights).real

        gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))
        outputs = jnp.result_type(cell.start(1, jnp.float32).h)
        like = jax.ShapeDtypeStruct(weights.shape, outputs)
        compiled = gradient.lower(params, xs, like).compile()
        measured = compiled.memory_analysis().temp_size_in_bytes
        told = sr.temporary_bytes(cell, params, xs, backward=sr.Stored())
        assert low < told / measured < high


def test_doubles_take_twice_the_bytes():
    cell, sizes = sr.lstm(32), (2000, 8, 16, 32)
    told = [
        sr.temporary_bytes(cell, *shapes(cell, sizes, dtype)[:2], backward=sr.Stored())
        for dtype in ("float32", "float64")
    ]
    assert told[1] == 2 * told[0]
    assert told[1] == pytest.approx(
        measured(cell, sizes, sr.Stored(), "float64"), rel=0.1
    )


def test_a_budget_takes_the_fastest_way_that_fits():
    cell, sizes = sr.lstm(64), (400, 16, 64, 64)
    params, xs, _ = shapes(cell, sizes)
    assert sr.temporary_bytes(cell, params, xs) == sr.temporary_bytes(
        cell, params, xs, backward=sr.Fastest().choose(cell, params, xs)
    )
    needs = [sr.temporary_bytes(cell, params, xs, backward=way) for way in WAYS]
    assert needs == sorted(needs, reverse=True)
    for way, need in zip(WAYS, needs, strict=True):
        assert sr.Budget(need).choose(cell, params, xs) == way
        chosen = lowered(cell, sizes, sr.Budget(need)).as_text()
        assert chosen == lowered(cell, sizes, way).as_text()
    with pytest.raises(
        ValueError,
        match=rf"at least {needs[-1]:,} bytes .*got {needs[-1] - 1:,}.*smaller batch",
    ):
        sr.Budget(needs[-1] - 1).choose(cell, params, xs)


def test_autodiff_needs_five_times_what_recomputed_does():
    """The memory targets, LSTM at T = 1000, against the leaner plain scan."""
    cell, sizes = sr.lstm(64), SHAPES[0]
    stored, recomputed, checkpointed = (measured(cell, sizes, way) for way in WAYS)
    autodiff = measured(cell, sizes, sr.Autodiff())
    assert stored <= 1.25 * autodiff
    assert 5 * recomputed <= autodiff
    assert 15 * checkpointed <= autodiff


def test_a_budget_changes_no_number():
    cell = sr.gru(5)
    params, xs = cell.init(jax.random.key(0), 3), jnp.ones((12, 2, 3))

    def gradient(backward):
        def loss(params):
            run = sr.unroll(cell, params, xs, backward=backward)
            return jnp.sum(run.outputs**2)

        return by_numpy(jax.grad(loss))(params)

    assert_close(gradient(sr.Budget(10**6)), gradient(sr.Autodiff()))


def test_tokens_take_no_more_than_a_float_each():
    cell = sr.gru(64)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 65, "float32"))
    tokens = jax.ShapeDtypeStruct((1000, 16), "int32")
    floats = jax.ShapeDtypeStruct((1000, 16, 65), "float32")
    assert sr.temporary_bytes(cell, params, tokens) < sr.temporary_bytes(
        cell, params, floats
    )


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "1GB"])
def test_a_budget_is_a_positive_number_of_bytes(wrong):
    with pytest.raises(
        ValueError, match=f"positive integer, got {re.escape(repr(wrong))}"
    ):
        sr.Budget(wrong)


def test_nothing_is_predicted_of_autodiff():
    cell = sr.rnn(4)
    params, xs, _ = shapes(cell, (5, 2, 3, 4))
    with pytest.raises(ValueError, match=r"expected Stored.*got Autodiff"):
        sr.temporary_bytes(cell, params, xs, backward=sr.Autodiff())
