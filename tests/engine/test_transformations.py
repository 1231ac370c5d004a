"""The rule works under every JAX transformation, and gives the same numbers there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import WAYS, H, T, assert_close, problem
from pairs import pairs

import scanrnn as sr

CELLS = ["rnn", "gru", "gru-reset-before", "lstm"]


def scalar(case, backward):
    """A loss that is not linear in the outputs, so that it has second derivatives."""

    def loss(params, xs, start):
        run = sr.unroll(case.cell, params, xs, start, backward=backward, **case.options)
        terms = jax.tree.map(
            lambda x, w: jnp.sum(w * jnp.sin(x)), tuple(run), case.d_run
        )
        return sum(jax.tree.leaves(terms))

    return loss


def both(case, way, transform):
    """The transformed loss with the rule, and with JAX's own differentiation."""
    args = case.params, case.xs, case.start
    return tuple(
        by_numpy(transform(scalar(case, backward)))(*args)
        for backward in (WAYS[way](sr), sr.Autodiff())
    )


def of_gradient_and_of_its_square(f):
    """A gradient under `jax.checkpoint` and `jax.vmap`, and one of a gradient."""

    def squared(params, xs, start):
        d_params = jax.grad(jax.checkpoint(f))(params, xs, start)
        return sum(jnp.sum(g**2) for g in jax.tree.leaves(d_params))

    both_times = jax.value_and_grad(squared, 1)
    return jax.vmap(both_times, (None, 0, None))


@pytest.mark.parametrize(
    ("cell", "way"),
    pairs(CELLS, WAYS, needed=[("rnn", "recomputed")]),
)
def test_compiled_the_numbers_are_the_same(cell, way):
    """What is compiled of them at once; below, NumPy runs each of them alone."""
    case = problem(cell, "all")
    case = case._replace(xs=jnp.stack([case.xs, -case.xs]))
    transformed = of_gradient_and_of_its_square(scalar(case, WAYS[way](sr)))
    args = case.params, case.xs, case.start
    assert_close(jax.jit(transformed)(*args), by_numpy(transformed)(*args), steps=T * T)


@pytest.mark.parametrize(
    ("cell", "way"), pairs(["rnn"], WAYS, needed=[("rnn", "recomputed")])
)
def test_without_jit(cell, way):
    case = problem(cell, "all")
    args = case.params, case.xs, case.start
    grad = jax.grad(scalar(case, WAYS[way](sr)), (0, 1, 2))
    assert_close(grad(*args), by_numpy(grad)(*args))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cell", CELLS)
def test_under_checkpoint(cell, way):
    case = problem(cell, "all")
    assert_close(*both(case, way, lambda f: jax.grad(jax.checkpoint(f))))


@pytest.mark.parametrize("cell", CELLS)
def test_grad_of_grad(cell):
    def squared_norm_of_gradient(f):
        def norm(*args):
            return sum(jnp.sum(g**2) for g in jax.tree.leaves(jax.grad(f)(*args)))

        return jax.grad(norm, (0, 1, 2))

    case = problem(cell, "all")
    assert_close(*both(case, "stored", squared_norm_of_gradient), steps=T * T)


@pytest.mark.parametrize("way", ["recomputed", "checkpointed"])
def test_grad_of_grad_of_the_other_ways(way):
    def hessian_of_the_bias(f):
        return lambda p, xs, start: jax.hessian(
            lambda b: f(p._replace(b=b), xs, start)
        )(p.b)

    def by_reverse(f):
        return lambda p, xs, start: jax.jacrev(
            jax.grad(lambda b: f(p._replace(b=b), xs, start))
        )(p.b)

    case = problem("rnn", "all")
    args = case.params, case.xs, case.start
    got = by_numpy(by_reverse(scalar(case, WAYS[way](sr))))(*args)
    want = by_numpy(hessian_of_the_bias(scalar(case, sr.Autodiff())))(*args)
    assert_close(got, want, steps=T * T)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cell", CELLS)
def test_forward_over_reverse(cell, way):
    """A Hessian-vector product: jax.jvp of jax.grad, through the rule."""

    def hessian_times_ones(f):
        def product(*args):
            v = jax.tree.map(jnp.ones_like, args)
            return jax.jvp(jax.grad(f, (0, 1, 2)), args, v)[1]

        return product

    assert_close(*both(problem(cell, "all"), way, hessian_times_ones), steps=T * T)


def test_forward_mode_is_autodiffs():
    case = problem("rnn")
    args = case.params, case.xs, case.start
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(scalar(case, sr.Stored()), args, args)
    _, slope = by_numpy(lambda *v: jax.jvp(scalar(case, sr.Autodiff()), args, v))(*args)
    grads = by_numpy(jax.grad(scalar(case, sr.Stored()), (0, 1, 2)))(*args)
    terms = jax.tree.map(lambda g, v: jnp.sum(g * v), grads, args)
    assert_close(slope, sum(jax.tree.leaves(terms)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cell", CELLS)
def test_vmap_over_models(cell, way):
    """Three models on the same inputs; their shared inputs get the sum."""
    cases = [problem(cell, "all", seed=s) for s in range(3)]
    case = cases[0]
    params = jax.tree.map(lambda *p: jnp.stack(p), *(c.params for c in cases))
    grad = jax.grad(scalar(case, WAYS[way](sr)), (0, 1))
    got = by_numpy(jax.vmap(grad, (0, None, None)))(params, case.xs, case.start)
    alone = by_numpy(jax.grad(scalar(case, sr.Autodiff()), (0, 1)))
    want = [alone(c.params, case.xs, case.start) for c in cases]
    assert_close(got, jax.tree.map(lambda *g: jnp.stack(g), *want))

    def summed(params, xs):
        losses = jax.vmap(scalar(case, WAYS[way](sr)), (0, None, None))
        return jnp.sum(losses(params, xs, case.start))

    d_xs = by_numpy(jax.grad(summed, 1))(params, case.xs)
    assert_close(d_xs, sum(g[1] for g in want))


@pytest.mark.parametrize("way", WAYS)
def test_vmap_over_inputs_keeps_shared_weights_apart(way):
    """Per-example gradients, and the gradient of weights shared by all examples."""
    case = problem("rnn")
    xs = jnp.stack([case.xs, 2 * case.xs, -case.xs])
    loss = scalar(case, WAYS[way](sr))
    apart = by_numpy(jax.vmap(jax.grad(loss), (None, 0, None)))(
        case.params, xs, case.start
    )
    alone = by_numpy(jax.grad(scalar(case, sr.Autodiff())))
    for k in range(3):
        want = alone(case.params, xs[k], case.start)
        assert_close(jax.tree.map(lambda g, k=k: g[k], apart), want)

    def summed(params):
        return jnp.sum(jax.vmap(loss, (None, 0, None))(params, xs, case.start))

    together = by_numpy(jax.grad(summed))(case.params)
    assert_close(together, jax.tree.map(lambda g: jnp.sum(g, 0), apart))


def test_vmap_over_lengths_and_tokens():
    cell = sr.lstm(H)
    params = cell.init(jax.random.key(0), 4)
    rng = np.random.default_rng(0)
    tokens = jnp.asarray(rng.integers(4, size=(3, T, 2)))
    lengths = jnp.asarray(rng.integers(T, size=(3, 2)))

    def loss(tokens, lengths):
        return lambda p: jnp.sum(
            sr.unroll(cell, p, tokens, lengths=lengths).outputs ** 2
        )

    got = by_numpy(jax.vmap(lambda t, n: jax.grad(loss(t, n))(params)))(tokens, lengths)
    alone = by_numpy(lambda t, n: jax.grad(loss(t, n))(params))
    for k in range(3):
        want = alone(tokens[k], lengths[k])
        assert_close(jax.tree.map(lambda g, k=k: g[k], got), want)


def test_unroll_factor_changes_nothing():
    case = problem("rnn", "all")
    assert_close(case.run(unroll=3), there_and_back(case))


def test_second_derivatives_of_the_readout():
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(4, 5)))
    labels = jnp.asarray(rng.integers(5, size=4))
    got = by_numpy(jax.jacrev(jax.grad(sr.softmax_cross_entropy)))(logits, labels)
    want = by_numpy(jax.hessian(sr.plain_softmax_cross_entropy))(logits, labels)
    assert_close(got, want)
