"""`sr.scan` is `lax.scan`: any pytrees, any closure, under every transformation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import WAYS, assert_close
from jax import lax
from pairs import each
from steps import B, H, T, X, drawn

import scanrnn as sr

D = drawn()


def with_closure(scan, w, u, h, xs):
    def f(h, x):
        h = jnp.tanh(w @ h + u @ x)
        return h, h.sum()

    return scan(f, h, xs)


def without_inputs(scan, w, h):
    return scan(lambda h, _: (jnp.sin(h @ w), None), h, None, length=6)


def of_trees(scan, p, carry, xs):
    """Integers in the carry and the inputs; outputs that are weights and inputs."""

    def f(c, x):
        a = jnp.tanh(c["a"] @ p["w"] + x[0])
        c = {"a": a, "n": c["n"] + x[1], "b": c["b"] * p["d"]}
        return c, (a * c["n"].astype(a.dtype), x[1] + 1, p["d"], x[0])

    return scan(f, carry, xs)


def in_reverse(scan, w, h, xs):
    def f(h, x):
        h = jnp.tanh(h @ w + x)
        return h, (h, 2 * h)

    return scan(f, h, xs, reverse=True, unroll=2)


def with_cond(scan, w, h, xs):
    def f(h, x):
        h = lax.cond(x.sum() > 0, lambda: jnp.tanh(h @ w + x), lambda: h * w[0])
        return h, h

    return scan(f, h, xs)


def nested(scan, w, h, xs):
    def f(h, x):
        inner = lambda g, _: (jnp.tanh(g @ w + x), None)  # noqa: E731
        h, _ = scan(inner, h, None, length=3)
        return h, h

    return scan(f, h, xs)


def of_scalars(scan, a, h, xs):
    return scan(lambda h, x: (a * h + x, h), h, xs)


def with_tokens(scan, e, h, xs):
    """A row is looked up by a token of the input, another by one of the state."""

    def f(h, x):
        h = jnp.tanh(h + e[jnp.argmax(h, -1)] + e[x])
        return h, jnp.argmax(h, -1)

    return scan(f, h, xs)


def under_vmap(scan, w, h, xs):
    def one(w, h, xs):
        def f(h, x):
            h = jnp.tanh(h @ w + x)
            return h, h

        return scan(f, h, xs)

    return jax.vmap(one, in_axes=(0, None, 1))(w, h, xs)


def under_checkpoint(scan, w, h, xs):
    return jax.checkpoint(lambda w: in_reverse(scan, w, h, xs))(w)


def of_python_numbers(scan, w, xs):
    return scan(lambda h, x: (h * w + x, h), 0.0, xs)


def with_a_rule(scan, w, h, xs):
    """A custom rule that reads the weight: its gradient stays in the loop."""

    @jax.custom_vjp
    def product(h, w):
        return h @ w

    product.defvjp(lambda h, w: (h @ w, (h, w)), lambda s, d: (d @ s[1].T, s[0].T @ d))

    def f(h, x):
        h = jnp.tanh(product(h, w) + x)
        return h, h

    return scan(f, h, xs)


CASES = {
    with_closure: (D(H, H), D(H, X), D(H), D(T, X)),
    without_inputs: (D(H, H), D(B, H)),
    of_trees: (
        {"w": D(H, H), "d": D(H)},
        {"a": D(B, H), "n": jnp.asarray(2), "b": D(H)},
        (D(T, B, H), jnp.arange(T)),
    ),
    in_reverse: (D(H, H), D(B, H), D(T, B, H)),
    with_cond: (D(H, H), D(B, H), D(T, B, H)),
    nested: (D(H, H), D(B, H), D(T, B, H)),
    of_scalars: (D(1)[0], D(1)[0], D(T)),
    with_tokens: (
        D(H, H), D(B, H), jnp.asarray(np.random.default_rng(0).integers(H, size=(T, B)))
    ),
    under_vmap: (D(2, H, H), D(B, H), D(T, 2, B, H)),
    under_checkpoint: (D(H, H), D(B, H), D(T, B, H)),
    of_python_numbers: (D(1)[0], D(T)),
    with_a_rule: (D(H, H), D(B, H), D(T, B, H)),
}  # fmt: skip


def there_and_back(case, scan, *arguments):
    return by_numpy(functools.partial(_there_and_back, case, scan))(*arguments)


def _there_and_back(case, scan, *arguments):
    made, pull = jax.vjp(functools.partial(case, scan), *arguments)
    rng = np.random.default_rng(3)

    def draw(leaf):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return np.zeros(leaf.shape, jax.dtypes.float0)
        return jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype)

    back = [d for d in jax.tree.leaves(pull(jax.tree.map(draw, made)))]
    return made, [d for d in back if d.dtype != jax.dtypes.float0]


@functools.cache
def by_way(way):
    return functools.partial(sr.scan, backward=WAYS[way](sr))


@pytest.mark.parametrize(("case", "way"), each(CASES, WAYS))
def test_values_forms_and_gradients_are_those_of_lax_scan(case, way):
    made, back = there_and_back(case, by_way(way), *CASES[case])
    want, d_want = there_and_back(case, lax.scan, *CASES[case])
    assert jax.tree.structure(made) == jax.tree.structure(want)
    for got, plain in zip(jax.tree.leaves(made), jax.tree.leaves(want), strict=True):
        assert (got.dtype, got.shape) == (plain.dtype, plain.shape)
    assert_close(made, want, steps=T)
    assert_close(back, d_want, steps=4 * T)


def test_grad_of_grad():
    w, h, xs = CASES[in_reverse]

    def slope(scan):
        def loss(w):
            return jnp.sum(jnp.sin(in_reverse(scan, w, h, xs)[1][0]))

        return lambda w: jnp.sum(jax.grad(loss)(w) ** 2)

    got, want = (jax.jit(jax.grad(slope(scan)))(w) for scan in (sr.scan, lax.scan))
    assert_close(got, want, steps=4 * T)


def test_without_jit_and_of_no_steps():
    w, h, xs = CASES[in_reverse]
    assert_close(in_reverse(sr.scan, w, h, xs), in_reverse(lax.scan, w, h, xs))
    got, want = (in_reverse(scan, w, h, xs[:0]) for scan in (sr.scan, lax.scan))
    assert_close(got, want)


F = lambda h, x: (h, h)  # noqa: E731
ZERO = jnp.zeros(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sr.scan(None, ZERO, ZERO), "expected f, a function"),
        (lambda: sr.scan(F, ZERO), "lead with one number of steps"),
        (lambda: sr.scan(F, ZERO, (ZERO, jnp.zeros(4))), r"\['3', '4'\]"),
        (lambda: sr.scan(F, ZERO, ZERO, length=2), r"\['2', '3'\]"),
        (lambda: sr.scan(F, ZERO, ZERO, reverse="no"), "reverse=True or False"),
        (lambda: sr.scan(F, ZERO, ZERO, unroll=0), "unroll, a positive integer"),
        (lambda: sr.scan(F, ZERO, ZERO, backward="stored"), r"backward=Stored\(\)"),
        (lambda: sr.scan(lambda h, x: h, ZERO, ZERO), r"return \(state, output\)"),
        (lambda: sr.scan(lambda h, x: (h[:2], x), ZERO, ZERO), r"\(3,\), got .*\(2,\)"),
        (lambda: sr.scan(lambda h, x: ((h, h), x), ZERO, ZERO), "state of the form"),
    ],
)
def test_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
