"""Layer normalization: what the two cells that are named after it share.

Source: Ba, Kiros and Hinton 2016, "Layer Normalization", arXiv 1607.06450, equation 3.
"""

import jax.numpy as jnp
from jax import Array, lax

from ..engine.products import beside, plus


def normal(
    z: Array, scale: Array, shift: Array | None = None, *, epsilon: float
) -> Array:
    """scale ∘ (z − μ) / √(σ² + ε) + shift, with μ and σ² those of the last axis.

    Args:
        z: (B, N).
        scale, shift: (N,); a shift may be None.
        epsilon: what keeps a row of equal numbers from 0 / 0.
    """
    z = z - jnp.mean(z, axis=-1, keepdims=True)
    variance = jnp.mean(z * z, axis=-1, keepdims=True)
    z = z * lax.rsqrt(variance + epsilon)
    return plus(z * beside(scale.astype(z.dtype), z), shift)
