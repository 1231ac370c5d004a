"""Products with curvature: those of the whole matrices, of the plain scan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import WAYS, B, H, assert_close, error, problem, tolerance
from jax.flatten_util import ravel_pytree
from jax.scipy.sparse.linalg import cg
from pairs import each
from programs import count, loops
from scipy.sparse.linalg import eigsh

import scanrnn as sr

PRODUCTS = {"rnn": 1, "gru-reset-before": 2, "lstm": 1}  # in a step
STEPS, LABELS = 4, jnp.arange(4 * B).reshape(4, B) % 3
READOUT = jnp.asarray(np.random.default_rng(0).normal(size=(H, 3)))


def outputs_of(case, backward):
    """Logits of every step, and the final output."""

    def outputs(params):
        run = sr.unroll(
            *(case.cell, params, case.xs, case.start),
            **(case.options | {"backward": backward}),
        )
        if isinstance(backward, sr.Autodiff):
            return run.outputs @ READOUT, run.final.h
        return sr.dense(sr.DenseParams(READOUT, None), run.outputs), run.final.h

    return outputs


def loss_of(outputs):
    """Convex in both."""
    logits, h = outputs
    return sr.softmax_cross_entropy(logits, LABELS) + jnp.sum(h**4)


def plain_loss(outputs):
    logits, h = outputs
    return sr.plain_softmax_cross_entropy(logits, LABELS) + jnp.sum(h**4)


def matrices(case):
    """G and H of the plain scan, written out, by JAX's own derivatives."""
    flat, unravel = ravel_pytree(case.params)
    outputs = outputs_of(case, sr.Autodiff())

    def made(flat):
        z, parts = ravel_pytree(outputs(unravel(flat)))
        jacobian = jax.jacfwd(lambda x: ravel_pytree(outputs(unravel(x)))[0])(flat)
        inner = jax.hessian(lambda z: plain_loss(parts(z)))(z)
        whole = jax.hessian(lambda x: plain_loss(outputs(unravel(x))))(flat)
        return jacobian.T @ inner @ jacobian, whole

    return by_numpy(made)(flat)


@pytest.mark.parametrize(("cell", "way"), each(PRODUCTS, WAYS))
def test_products_are_those_of_the_whole_matrices(cell, way):
    case = problem(cell, "all", length=STEPS)
    outputs = outputs_of(case, sr.Linearized(WAYS[way](sr)))

    def made(params):
        ours = sr.gauss_newton(outputs, loss_of, params)
        hessian = sr.hvp(lambda p: loss_of(outputs(p)), params)
        each = jnp.eye(ours.shape[0])
        return [jax.vmap(op.matvec)(each) for op in (ours, hessian, ours + 0.3 + 0.2)]

    ours, hessian, damped = by_numpy(made)(case.params)
    wanted, whole = matrices(case)
    assert_close((ours, hessian), (wanted, whole))
    assert_close(damped, wanted + 0.5 * np.eye(len(wanted)))
    rounding = tolerance(jnp.float64, STEPS)
    assert max(error(ours, ours.T), error(hessian, hessian.T)) <= rounding
    spectrum = np.linalg.eigvalsh(wanted)
    assert np.linalg.eigvalsh(ours).min() >= -rounding * spectrum.max()
    assert np.linalg.eigvalsh(whole).min() < -1e-3  # and the Hessian is not convex


@pytest.mark.parametrize(("cell", "way"), each(PRODUCTS, WAYS))
def test_a_product_goes_there_and_back_with_one_product_a_step(cell, way):
    """No tangent and no gradient of a weight in its loops, nor the network again."""
    case = problem(cell, "all")

    def outputs(backward):
        return lambda params: outputs_of(case, backward)(params)[1]

    def counts(operator):
        jaxpr = jax.make_jaxpr(operator)(case.params).jaxpr
        innermost = [body for _, body in loops(jaxpr) if not list(loops(body))]
        found = [count(body, ["dot_general"]) for body in innermost]
        return found, count(jaxpr, ["tanh", "logistic", "exp"])

    def square(h):
        return jnp.sum(h**2)

    def product(backward):
        return counts(sr.gauss_newton(outputs(backward), square, case.params))

    (ours, again), (plain, _) = map(
        product, (sr.Linearized(WAYS[way](sr)), sr.Autodiff())
    )
    assert max(ours) == PRODUCTS[cell] < max(plain)
    if way == "stored":
        assert (ours, again) == ([PRODUCTS[cell]] * 2, 0)
        made = outputs(sr.Stored())
        hessian, _ = counts(sr.hvp(lambda p: square(made(p)), case.params))
        assert hessian == [2 * PRODUCTS[cell]] * 2  # with W_h, and with its tangent


def small():
    case = problem("rnn", length=STEPS)
    outputs = outputs_of(case, sr.Linearized())
    return case.params, lambda p: sr.gauss_newton(outputs, loss_of, p)


def test_an_operator_is_a_value():
    """Made in one program, used in another, over several params; and by others."""
    params, make = small()
    traces = []

    @jax.jit
    def product(operator, v):
        traces.append(v)
        return operator(v)

    made = jax.jit(lambda p: make(p) + 0.1)
    others = jax.tree.map(lambda leaf: 0.5 * leaf, params)
    one, other = (product(made(p), params) for p in (params, others))
    assert len(traces) == 1
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, others)
    over = jax.jit(jax.vmap(lambda p: made(p)(params)))(both)
    assert_close(over, jax.tree.map(lambda *x: jnp.stack(x), one, other))
    over = jax.vmap(product, (0, None))(jax.vmap(made)(both), params)
    assert_close(over, jax.tree.map(lambda *x: jnp.stack(x), one, other))

    operator = made(params)
    n, _ = operator.shape
    matrix = jax.vmap(operator.matvec)(jnp.eye(n))
    assert matrix.dtype == operator.dtype == jnp.float64
    (largest,) = eigsh(operator, k=1, return_eigenvectors=False)
    assert_close(largest, np.linalg.eigvalsh(matrix)[-1], steps=n)
    found, _ = cg(operator, params, tol=1e-13)
    left, of = (ravel_pytree(tree)[0] for tree in (operator(found), params))
    rest = np.linalg.norm(left - of) / np.linalg.norm(of)  # what `tol` is a bound of
    assert rest <= 1e-13 + tolerance(jnp.float64, n**2)
    narrow = jax.tree.map(lambda leaf: leaf.astype("bfloat16"), params)
    cube = (sr.hvp(lambda p: jnp.sum(p.b**3), narrow) + 2)(narrow)
    assert cube.b.dtype == jnp.bfloat16
    assert_close(cube.b, 6 * params.b**2 + 2 * params.b, jnp.bfloat16)


def test_bad_input():
    params, make = small()
    operator = make(params)
    for v, message in (
        (params._asdict(), r"v like params, .*got PyTreeDef\(\{"),
        (params._replace(b=jnp.ones(3)), r"v\.b like params, float64 \(7,\)"),
        (jax.tree.map(lambda x: x.astype("float32"), params), r"v\.w_x .*got .*32"),
    ):
        with pytest.raises(ValueError, match=message):
            operator(v)
    for v in (
        jnp.ones(3),
        jnp.ones(operator.shape),
        jnp.ones(operator.shape[0], complex),
    ):
        with pytest.raises(ValueError, match=f"v: {operator.shape[0]} real numbers"):
            operator.matvec(v)
    for damping in (jnp.ones(2), 1j, True, None):
        with pytest.raises(ValueError, match="damping"):
            operator + damping
    for loss in (lambda p: p.b, lambda p: 1.0, lambda p: jnp.sum(p.b).astype(int)):
        with pytest.raises(ValueError, match="a scalar float, got"):
            sr.hvp(loss, params)
        with pytest.raises(ValueError, match="a scalar float, got"):
            sr.gauss_newton(lambda p: p, loss, params)
    for wrong in ({}, {"a": jnp.arange(3)}):
        with pytest.raises(ValueError, match=r"params: .*floats, got"):
            sr.hvp(lambda p: 0.0, wrong)
    with pytest.raises(ValueError, match="outputs of outputs_fn: floats, got"):
        sr.gauss_newton(lambda p: jnp.argmax(p.b), lambda z: 0.0, params)


@pytest.mark.parametrize("way", WAYS)
def test_outputs_without_forward_mode_are_one_clear_error(way):
    case = problem("rnn", length=STEPS)

    def make(params):
        return sr.gauss_newton(outputs_of(case, WAYS[way](sr)), loss_of, params)

    for make_it in (make, jax.jit(make)):
        with pytest.raises(ValueError, match=r"pass backward=sr\.Linearized\(\)"):
            make_it(case.params)
