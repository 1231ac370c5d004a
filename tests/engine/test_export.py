"""Nothing is bound to a platform: the gradient lowers for GPU and TPU from a CPU."""

import jax
import jax.numpy as jnp
import pytest
from cases import CELLS, WAYS
from pairs import each

import scanrnn as sr


@pytest.mark.parametrize(
    ("cell", "way", "platform", "dtype"),
    each(CELLS, WAYS, ["cuda", "tpu"], [jnp.float32, jnp.bfloat16]),
)
def test_value_and_gradient_lower(cell, way, platform, dtype):
    made = CELLS[cell](sr)
    dense = sr.init_dense(jax.random.key(1), 7, 3, dtype)
    params = made.init(jax.random.key(0), 3, dtype)
    tokens = jnp.zeros((11, 5), jnp.int32)

    def loss(params, dense, tokens, mask):
        run = sr.unroll(made, params, tokens, mask=mask, backward=WAYS[way](sr))
        logits = sr.dense(dense, run.outputs)
        return sr.softmax_cross_entropy(logits, tokens, mask.astype(jnp.float32))

    step = jax.jit(jax.value_and_grad(loss, (0, 1)))
    exported = jax.export.export(step, platforms=[platform])(
        params, dense, tokens, jnp.ones((11, 5), bool)
    )
    assert exported.platforms == (platform,)
    assert "custom_call" not in exported.mlir_module()
