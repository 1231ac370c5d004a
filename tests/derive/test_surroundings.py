"""Where `sr.scan` may stand, and what a step may hold: as with `lax.scan`."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from jax import lax
from jax.experimental import io_callback
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from steps import H, T, X, drawn

import scanrnn as sr

D = drawn()
B = 4  # two devices share it
PARAMS = D(X, H), D(H, H), D(H)
START, XS = D(B, H), D(T, B, X)
P = PartitionSpec


def loss(scan, params, start, xs):
    w, u, b = params

    def f(h, x):
        h = jnp.tanh(x @ w + h @ u + b)
        return h, h

    h, hs = scan(f, start, xs)
    return jnp.sum(hs**2) + jnp.sum(h)


def gradients(scan):
    return jax.grad(lambda *args: loss(scan, *args), (0, 1, 2))


def expected():
    return by_numpy(gradients(lax.scan))(PARAMS, START, XS)


def assert_all_close(found, wanted):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12),
        found,
        wanted,
    )


@pytest.mark.parametrize(
    ("way", "is_set"), [(sr.Stored(), True), (sr.Recomputed(2), False)]
)
def test_explicit_axes(way, is_set):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh) if is_set else contextlib.nullcontext():
        place = {"": P(), "b": P("data"), "tb": P(None, "data")}
        placed = [
            jax.device_put(leaf, NamedSharding(mesh, place[axes]))
            for leaf, axes in ((PARAMS, ""), (START, "b"), (XS, "tb"))
        ]
        scan = lambda *args: sr.scan(*args, backward=way)  # noqa: E731
        assert_all_close(jax.jit(gradients(scan))(*placed), expected())


@pytest.mark.parametrize("way", [sr.Stored(), sr.Checkpointed(2)])
def test_within_shard_map_the_weights_are_summed_once(way):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))

    def local(*args):
        scan = lambda *args: sr.scan(*args, backward=way)  # noqa: E731
        return lax.psum(loss(scan, *args), "data")

    specs = P(), P("data"), P(None, "data")
    whole = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=P())
    found = jax.jit(jax.grad(whole, (0, 1, 2)))(PARAMS, START, XS)
    assert_all_close(found, expected())


def keys_carried(scan, u):
    def f(carry, x):
        key, h = carry
        key, drawn = jax.random.split(key)
        h = jnp.tanh(h @ u) * jax.random.uniform(drawn, h.shape) + x
        return (key, h), (h, drawn)

    (key, _), (hs, drawn) = scan(f, (jax.random.key(0), START), jnp.ones(T))
    return jnp.sum(hs), jax.random.key_data(key), jax.random.key_data(drawn)


def keys_fed(scan, u):
    def f(h, key):
        h = jnp.tanh(h @ u + jax.random.normal(key, h.shape))
        return h, h

    return (jnp.sum(scan(f, START, jax.random.split(jax.random.key(1), T))[1]),)


def keys_closed_over(scan, u):
    key = jax.random.key(2)

    def f(h, t):
        h = jnp.tanh(h @ u + jax.random.normal(jax.random.fold_in(key, t), h.shape))
        return h, h

    return (jnp.sum(scan(f, START, jnp.arange(T))[1]),)


@pytest.mark.parametrize("of", [keys_carried, keys_fed, keys_closed_over])
def test_typed_keys(of):
    def both(scan):
        def total(u):
            value, *others = of(scan, u)
            return value, others

        return jax.jit(jax.value_and_grad(total, has_aux=True))(PARAMS[1])

    assert_all_close(both(sr.scan), both(lax.scan))


def effects_of(scan, effect):
    def f(h, x):
        effect(h)
        h = jnp.tanh(h + x)
        return h, h

    return lambda xs: jnp.sum(scan(f, jnp.zeros(B), xs)[1])


def test_what_prints_does_so_in_every_step_and_has_a_gradient():
    seen = []
    total = effects_of(
        sr.scan, lambda h: jax.debug.callback(lambda _: seen.append(1), h.sum())
    )
    jax.grad(total)(D(T, B))
    jax.effects_barrier()
    assert len(seen) == T


def test_other_effects_are_those_of_lax_scan():
    seen = []
    total = effects_of(
        sr.scan,
        lambda h: io_callback(lambda _: seen.append(1), None, h[0], ordered=True),
    )
    total(D(T, B))
    jax.effects_barrier()
    assert len(seen) == T
    with pytest.raises(ValueError, match="do not support JVP"):
        jax.grad(total)(D(T, B))


def test_a_step_without_a_way_back_runs_forwards():
    def halve(h, x):
        h = lax.while_loop(lambda h: jnp.sum(h) > 1, lambda h: h / 2, h + x)
        return h, h

    args = jnp.ones(B), jnp.ones((T, B))
    assert_all_close(sr.scan(halve, *args), lax.scan(halve, *args))
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        jax.grad(lambda h: sr.scan(halve, h, args[1])[1].sum())(args[0])
    cell = sr.derive(lambda params, h, x: halve(h * params, x))
    with pytest.raises(ValueError, match="can be differentiated in reverse mode"):
        sr.unroll(cell, jnp.ones(()), jnp.ones((T, B, H)), jnp.ones((B, H)))


def test_a_derived_step_may_not_close_over_what_is_traced():
    def total(u):
        cell = sr.derive(lambda w, h, x: (jnp.tanh(x @ w + h @ u),) * 2)
        return jnp.sum(sr.unroll(cell, PARAMS[0], XS, START).outputs)

    with pytest.raises(ValueError, match=r"float64 \(4, 4\); put them into params"):
        jax.grad(total)(PARAMS[1])
