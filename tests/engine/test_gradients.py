"""The hand-derived backward pass is the derivative: four independent oracles.

Its numbers are computed by NumPy, in every combination; those of compiled programs are
compared with them in a few (all of them are exhaustive).
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import CELLS, OPTIONS, WAYS, B, H, T, X, assert_close, problem, tolerance
from pairs import each, pairs

import scanrnn as sr


@functools.cache
def oracle(cell, option):
    return there_and_back(problem(cell, option), backward=sr.Autodiff())


@dataclasses.dataclass(frozen=True)
class InBlocks(sr.Stored):
    """`Stored` as it walks long sequences: in blocks, and 4 does not divide T."""

    def block_size(self, cell, task, parts):
        return 4


FOUR = WAYS | {"stored in blocks": lambda sr: InBlocks()}


@pytest.mark.parametrize(("cell", "option", "way"), pairs(CELLS, OPTIONS, FOUR))
def test_equals_jax_grad_of_the_plain_scan(cell, option, way):
    got = there_and_back(problem(cell, option), backward=FOUR[way](sr))
    assert_close(got, oracle(cell, option))


@pytest.mark.parametrize(("cell", "option", "way"), each(CELLS, OPTIONS, FOUR))
def test_equals_it_when_compiled(cell, option, way):
    got = problem(cell, option).run(backward=FOUR[way](sr))
    assert_close(got, oracle(cell, option))


def dot(a, b):
    products = jax.tree.map(lambda x, y: (x * y).sum(), a, b)
    return sum(jax.tree.leaves(products))


def scale(a, b):
    products = jax.tree.map(lambda x, y: np.abs(x * y).sum(), a, b)
    return sum(jax.tree.leaves(products))


def directions(case, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape), (case.params, case.xs, case.start)
    )


@pytest.mark.parametrize(("cell", "option"), each(CELLS, ["all", "plain"]))
def test_dot_product_with_forward_mode(cell, option):
    """<u, J v> = <Jᵀ u, v>, J v by forward mode through the plain scan."""
    case = problem(cell, option)
    primals = case.params, case.xs, case.start
    d_run = jax.device_get(case.d_run)
    back = there_and_back(case)[1][:3]
    forward = by_numpy(
        lambda v: jax.jvp(case.unroll(backward=sr.Autodiff()), primals, v)
    )
    for seed in range(3):
        v = directions(case, seed)
        _, pushed = forward(v)
        terms = scale(d_run, pushed) + scale(back, v)
        assert abs(dot(d_run, pushed) - dot(back, v)) <= terms * tolerance(
            jnp.float64, T
        )


def value(case):
    return by_numpy(
        lambda primals: dot(case.d_run, case.unroll(backward=sr.Autodiff())(*primals))
    )


@pytest.mark.parametrize("cell", CELLS)
def test_central_differences_in_every_leaf(cell):
    case = problem(cell, "all")
    primals = jax.device_get((case.params, case.xs, case.start))
    back = there_and_back(case)[1][:3]
    f = value(case)
    leaves, structure = jax.tree.flatten(primals)
    v = jax.tree.leaves(directions(case, 1))
    step = float(jnp.finfo(jnp.float64).eps) ** (1 / 3)
    for k, d_leaf in enumerate(jax.tree.leaves(back)):

        def moved(sign, k=k):
            at = [x + sign * step * v[k] if i == k else x for i, x in enumerate(leaves)]
            return f(jax.tree.unflatten(structure, at))

        slope = (moved(1) - moved(-1)) / (2 * step)
        # Truncation and cancellation are both of the order step² at this step.
        assert abs(slope - np.sum(d_leaf * v[k])) <= 1e3 * step**2 * scale(d_leaf, v[k])


@pytest.mark.parametrize("cell", ["rnn", "gru", "gru-reset-before", "lstm"])
def test_taylor_remainder_is_of_second_order(cell):
    """|f(x + h v) - f(x) - h <f'(x), v>| shrinks by 4 when h is halved."""
    case = problem(cell, "all")
    primals = jax.device_get((case.params, case.xs, case.start))
    back, v, f = there_and_back(case)[1][:3], directions(case, 2), value(case)

    def remainder(h):
        moved = jax.tree.map(lambda x, d: x + h * d, primals, v)
        return abs(f(moved) - f(primals) - h * dot(back, v))

    remainders = [float(remainder(2.0**-k)) for k in range(13, 17)]
    orders = np.log2(np.asarray(remainders[:-1]) / np.asarray(remainders[1:]))
    np.testing.assert_allclose(orders, 2, atol=0.05)


@pytest.mark.parametrize(
    ("cell", "way"), each(CELLS, [sr.Stored(), sr.Recomputed(), sr.Checkpointed()])
)
def test_long_sequences_do_not_lose_it(cell, way):
    case = problem(cell, "all", length=211, seed=3)
    want = case.cotangents(backward=sr.Autodiff())
    assert_close(case.cotangents(backward=way), want, steps=211)


def readout_inputs(seed=0, size=13):
    rng = np.random.default_rng(seed)
    hs = jnp.asarray(rng.normal(size=(T, B, H)))
    params = sr.DenseParams(
        jnp.asarray(rng.normal(size=(H, size))), jnp.asarray(rng.normal(size=size))
    )
    labels = jnp.asarray(rng.integers(size, size=(T, B)))
    weights = jnp.asarray(rng.random((T, B)) * (rng.random((T, B)) < 0.7))
    return params, hs, labels, weights


@pytest.mark.parametrize("weighted", [True, False])
def test_readout_by_hand_equals_its_oracle(weighted):
    params, hs, labels, weights = readout_inputs()
    weights = weights if weighted else jnp.ones_like(weights)

    def loss(dense, cross_entropy):
        def function(params, hs, weights):
            w = weights if weighted else None
            return 1.7 * cross_entropy(dense(params, hs), labels, w)

        return by_numpy(jax.value_and_grad(function, (0, 1, 2)))(params, hs, weights)

    by_hand = loss(sr.dense, sr.softmax_cross_entropy)
    plain = loss(sr.plain_dense, sr.plain_softmax_cross_entropy)
    if not weighted:  # weights do not enter, and there is nothing to divide by
        np.testing.assert_array_equal(by_hand[1][2], 0)
        by_hand, plain = jax.tree.map(lambda x: x, (by_hand, plain))
        by_hand, plain = (by_hand[0], by_hand[1][:2]), (plain[0], plain[1][:2])
    assert_close(by_hand, plain)


def test_cotangent_of_the_logits_is_softmax_minus_one_hot():
    _, _, labels, weights = readout_inputs()
    logits = jnp.asarray(np.random.default_rng(5).normal(size=(T, B, 13)))
    got = by_numpy(jax.grad(sr.softmax_cross_entropy))(logits, labels, weights)
    want = jax.nn.softmax(logits) - jax.nn.one_hot(labels, 13)
    assert_close(got, want * (weights / weights.sum())[..., None])


def test_loss_is_stable_for_large_logits():
    logits = jnp.asarray([[1e4, -1e4, 0.0], [-1e300, 1e300, 0.0]])
    labels = jnp.asarray([0, 0])
    loss, d_logits = jax.jit(jax.value_and_grad(sr.softmax_cross_entropy))(
        logits, labels
    )
    assert loss == 1e300
    np.testing.assert_array_equal(d_logits, [[0, 0, 0], [-0.5, 0.5, 0]])


@pytest.mark.parametrize("cell", CELLS)
def test_whole_chain_from_loss_to_inputs(cell):
    """Softmax, dense layer, states, gates, weights and inputs, end to end."""
    case = problem(cell, "all")
    dense_params, _, labels, weights = readout_inputs()

    def loss(backward, dense, cross_entropy):
        def function(params, dense_params, xs, start):
            run = sr.unroll(
                case.cell, params, xs, start, backward=backward, **case.options
            )
            return cross_entropy(dense(dense_params, run.outputs), labels, weights)

        arguments = (case.params, dense_params, case.xs, case.start)
        return by_numpy(jax.grad(function, (0, 1, 2, 3)))(*arguments)

    by_hand = loss(sr.Stored(), sr.dense, sr.softmax_cross_entropy)
    plain = loss(sr.Autodiff(), sr.plain_dense, sr.plain_softmax_cross_entropy)
    assert_close(by_hand, plain)


def test_tokens_are_one_hot_inputs():
    case = problem("lstm", "tokens")
    one_hot = case._replace(xs=jax.nn.one_hot(case.xs, X, dtype=jnp.float64))
    got, want = there_and_back(case)[1], there_and_back(one_hot)[1]
    assert_close((got[0], got[2]), (want[0], want[2]))
