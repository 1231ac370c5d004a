"""What the cells on the shelf share: how weights are drawn, how gates are squashed."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from ..engine.products import beside, floating, is_cut, wide
from ..engine.values import whole_number


def draw_weights(
    key: Array, input_size: int, hidden_size: int, gates: int, dtype: DTypeLike | None
) -> tuple[Array, Array]:
    """w_x (X, G·H), Glorot uniform, and w_h (H, G·H), orthogonal, each per gate.

    Glorot's bound √(6 / (X + H)) keeps the variance of a signal through the input
    product in both directions; it is drawn per gate because a fused matrix would
    pass G·H for its fan-out. An orthogonal W_h keeps the length of what it
    multiplies, forward and backward, so that gradients neither fade nor grow by it;
    a fused (H, G·H) matrix with orthogonal rows would have gates that are not.

    Sources: Glorot and Bengio 2010, proceedings.mlr.press/v9/glorot10a; Saxe,
    McClelland and Ganguli 2014, arXiv 1312.6120.
    """
    dtype = floating(dtype)
    key_x, key_h = jax.random.split(key)
    w_x = draw_input_weights(key_x, input_size, hidden_size, gates, dtype)
    # Drawn wide: an orthogonal matrix comes from a QR, which has no 16-bit form.
    draw_h = jax.nn.initializers.orthogonal(dtype=wide(dtype))
    w_h = [
        draw_h(k, (hidden_size, hidden_size)) for k in jax.random.split(key_h, gates)
    ]
    return w_x, jnp.concatenate(w_h, axis=1).astype(dtype)


def draw_input_weights(
    key: Array, input_size: int, hidden_size: int, gates: int, dtype: DTypeLike | None
) -> Array:
    """w_x (X, G·H), Glorot uniform per gate, of a recurrence without a matrix."""
    input_size, dtype = whole_number("input_size", input_size), floating(dtype)
    draw_x = jax.nn.initializers.glorot_uniform(dtype=wide(dtype))
    w_x = [draw_x(k, (input_size, hidden_size)) for k in jax.random.split(key, gates)]
    return jnp.concatenate(w_x, axis=1).astype(dtype)


def sigmoid(z: Array) -> Array:
    """σ(z) = (1 + tanh(z / 2)) / 2: one transcendental function for all gates."""
    return 0.5 + 0.5 * jnp.tanh(0.5 * z)


def squash(z: Array, scale: np.ndarray) -> Array:
    """σ(z) where the scale is 1/2, tanh(z) where it is 1: one tanh over all gates.

    With s the scale, both are s tanh(s z) + (1 − s). A gate cut out of z first and
    squashed alone takes XLA's CPU compiler two to three times as long: it then fuses
    the gates into one loop of scalar tanh.

    Args:
        z: (..., G·H), the gates side by side.
        scale: (G·H,).
    """
    s = beside(jnp.asarray(scale, z.dtype), z)
    return s * jnp.tanh(s * z) + (1 - s)


def apart(*gates: Array) -> tuple[Array, ...]:
    """The gates (..., H) as they are, but computed before they are used.

    Laid side by side and cut again, which XLA does not fuse through. Fused with the
    tanh of a candidate that they multiply, its CPU compiler makes one loop of scalar
    tanh of them, two to four times as slow.
    """
    if is_cut(gates[0], -1):  # it would take the gates from device to device
        return gates
    joined = jnp.concatenate(gates, axis=-1)
    joined = joined.reshape(*joined.shape[:-1], len(gates), gates[0].shape[-1])
    return tuple(joined[..., k, :] for k in range(len(gates)))
