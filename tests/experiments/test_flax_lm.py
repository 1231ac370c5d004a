"""Flax's layer in the character model: the same numbers."""

import jax
import jax.numpy as jnp
import pytest

import scanrnn as sr

pytest.importorskip("flax", reason="the extra bench is not installed")


def test_linens_lstm_on_our_params_gives_what_ours_gives():
    from flax_lm import flax_lstm

    theirs, ours = flax_lstm(8), sr.layer(sr.lstm(8))
    params = ours.init(jax.random.key(0), 5, jnp.float32)
    tokens = jax.random.randint(jax.random.key(1), (6, 3), 0, 5)
    start = jax.tree.map(lambda x: x + 0.3, ours.start(3, jnp.float32))

    def loss(layer, params):
        run = layer.run(params, tokens, start, backward=sr.Autodiff())
        return jnp.sum(run.outputs**2) + jnp.sum(run.final.c), run

    one, two = (
        jax.value_and_grad(lambda p, layer=layer: loss(layer, p), has_aux=True)(params)
        for layer in (theirs, ours)
    )
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        assert jnp.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_names_are_refused():
    from flax_lm import flax_lstm

    layer = flax_lstm(8)
    params = layer.init(jax.random.key(0), 5, jnp.float32)
    tokens = jnp.zeros((6, 3), int)
    with pytest.raises(ValueError, match="expected a text"):
        layer.run(params, tokens, resets=tokens == 1)
