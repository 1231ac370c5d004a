"""float32 is as good as jax.grad's; bfloat16 stays bfloat16 and sums in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import there_and_back
from cases import CELLS, WAYS, T, assert_close, error, problem, tolerance
from pairs import each

import scanrnn as sr

LENGTH = 101


def leaf_errors(case, exact, backward):
    got = case.cotangents(backward=backward)
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(exact), strict=True)
    return np.asarray([error(a, b) for a, b in pairs])


@pytest.mark.parametrize(("cell", "way"), each(CELLS, WAYS))
def test_float32_is_no_worse_than_jax_grad(cell, way):
    """Per leaf, over several draws: our worst error against float64, and its own."""
    ours, theirs = [], []
    for seed in range(4):
        case = problem(cell, "resets", length=LENGTH, seed=seed)
        narrow = case.astype(jnp.float32)
        exact = narrow.astype(jnp.float64).cotangents(backward=sr.Autodiff())
        ours.append(leaf_errors(narrow, exact, WAYS[way](sr)))
        theirs.append(leaf_errors(narrow, exact, sr.Autodiff()))
    # Two roundings of the same sum differ; one unit per step is what sums may differ.
    slack = float(jnp.finfo(jnp.float32).eps) * np.sqrt(LENGTH)
    assert np.all(np.max(ours, axis=0) <= np.max(theirs, axis=0) + slack)


@pytest.mark.parametrize("cell", CELLS)
def test_float32_comes_back_as_float32(cell):
    case = problem(cell, "all").astype(jnp.float32)
    for leaf in jax.tree.leaves(jax.eval_shape(case.run)):
        assert leaf.dtype == jnp.float32


@pytest.mark.parametrize(("cell", "way"), each(CELLS, [*WAYS, "autodiff"]))
def test_bfloat16_in_bfloat16_out(cell, way):
    backward = {**WAYS, "autodiff": lambda sr: sr.Autodiff()}[way](sr)
    case = problem(cell, "all").astype(jnp.bfloat16)
    run, back = case.run(backward=backward)
    for leaf in jax.tree.leaves((run, back)):
        assert leaf.dtype == jnp.bfloat16
    exact = case.astype(jnp.float64)
    want_run, want_back = there_and_back(exact, backward=sr.Autodiff())
    assert_close(run, want_run, jnp.bfloat16, T)
    assert_close(back, want_back, jnp.bfloat16, T)


def test_bfloat16_products_accumulate_in_float32():
    """A sum that bfloat16 cannot hold: 1 + 512 eighths, lost one by one at 32."""
    x = jnp.full((513, 1, 1), 0.125, jnp.bfloat16).at[0].set(1)
    ones = jnp.ones((513, 1, 1), jnp.bfloat16)
    dense = sr.DenseParams(jnp.zeros((1, 1), jnp.bfloat16), jnp.zeros(1, jnp.bfloat16))
    _, pull = jax.vjp(lambda p: sr.dense(p, x), dense)
    (d_dense,) = pull(ones.astype(jnp.float32))
    assert float(d_dense.w[0, 0]) == 65.0
    assert float(d_dense.b[0]) == 512.0  # 513 in bfloat16


def test_bfloat16_weights_train_a_readout():
    params = sr.init_dense(jax.random.key(0), 8, 5, jnp.bfloat16)
    hs = jax.random.normal(jax.random.key(1), (T, 3, 8), jnp.bfloat16)
    labels = jnp.zeros((T, 3), int)

    def loss(dense, cross_entropy):
        return lambda params, hs: cross_entropy(dense(params, hs), labels)

    grad = jax.grad(loss(sr.dense, sr.softmax_cross_entropy), (0, 1))
    plain = jax.grad(loss(sr.plain_dense, sr.plain_softmax_cross_entropy), (0, 1))
    by_hand, want = jax.jit(lambda *args: (grad(*args), plain(*args)))(params, hs)
    assert all(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(by_hand))
    assert_close(by_hand, want, jnp.bfloat16, 1)
    assert tolerance(jnp.bfloat16, 1) < 0.2
