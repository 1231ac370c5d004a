"""A batch that is cut over four devices, in the three ways that JAX has for it."""

import jax
import jax.numpy as jnp
import numpy as np
from cases import CELLS, H, T, X
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import scanrnn

DEVICES, B, V = 4, 8, 5


def inputs(cell, tokens, sr=scanrnn):
    """A cell, weights of it and of a dense layer, and the data of a loss."""
    rng = np.random.default_rng(0)
    made = CELLS[cell](sr)
    params = made.init(jax.random.key(0), X)
    dense = sr.init_dense(jax.random.key(1), H, V)
    xs = jnp.asarray(rng.normal(size=(T, B, X)))
    if tokens:
        xs = jnp.asarray(rng.integers(X, size=(T, B)))
    mask = jnp.asarray(rng.random((T, B)) < 0.8)
    labels = jnp.asarray(rng.integers(V, size=(T, B)))
    return made, (params, dense), (xs, mask, labels)


def loss_of(cell, backward, sr=scanrnn):
    """The loss of all outputs and of the final state, masked and with resets."""

    def loss(weights, xs, mask, labels):
        params, dense = weights
        run = sr.unroll(cell, params, xs, mask=mask, resets=~mask, backward=backward)
        by_output = sr.softmax_cross_entropy(sr.dense(dense, run.outputs), labels)
        return by_output + sum(jnp.mean(leaf**2) for leaf in run.final)

    return loss


def on_mesh(kind, cell, backward, weights, data, sr=scanrnn):
    """The jitted value-and-gradient with the batch sharded, and its arguments."""
    axis_type = AxisType.Explicit if kind == "explicit" else AxisType.Auto
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(axis_type,))
    everywhere, by_batch = (
        NamedSharding(mesh, P()),
        NamedSharding(mesh, P(None, "batch")),
    )
    loss = loss_of(cell, backward, sr)
    step = jax.value_and_grad(loss)
    if kind == "shard_map":

        def mean_loss(weights, *data):
            return jax.lax.pmean(loss(weights, *data), "batch")

        step = jax.shard_map(
            jax.value_and_grad(mean_loss),
            mesh=mesh,
            in_specs=(P(), *(P(None, "batch"),) * 3),
            out_specs=P(),
        )
    arguments = jax.device_put(weights, everywhere), *jax.device_put(data, by_batch)
    return mesh, jax.jit(step), arguments
