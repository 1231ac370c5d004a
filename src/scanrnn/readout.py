"""From hidden states to a loss; each function with its own hand-derived derivative.

With l the logits, y the labels and w the weights of all positions::

    forward                                    backward, from dL

    (1) l = h W + b                            (4) dlₙ = dL wₙ / Σw ∘ (pₙ − one_hot(yₙ)),
    (2) ℓₙ = log Σᵥ exp(lₙᵥ) − lₙ[yₙ]                     pₙ = softmax(lₙ)
    (3) L = Σₙ wₙ ℓₙ / Σₙ wₙ                       dwₙ = dL (ℓₙ − L) / Σw
                                               (5) dh = dl Wᵀ,  dW = Σ hᵀ dl,  db = Σ dl

`plain_dense` and `plain_softmax_cross_entropy` are the same numbers left to JAX's
own differentiation: the oracles.

Source of (4): Bishop 2006, "Pattern Recognition and Machine Learning", eq. (4.109).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from .mesh import vary_along, varying_axes
from .products import affine, affine_vjp, is_tokens, times, wide


class DenseParams(NamedTuple):
    """The letters of the equations."""

    w: Array  # (H, V)
    b: Array  # (V,)


def init_dense(
    key: Array, input_size: int, output_size: int, dtype: DTypeLike = float
) -> DenseParams:
    """LeCun-normal weights (variance 1 / H keeps the scale of h) and zero bias.

    Source: LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp".
    """
    draw = jax.nn.initializers.lecun_normal(dtype=wide(dtype))
    w = draw(key, (input_size, output_size)).astype(dtype)
    return DenseParams(w, jnp.zeros(output_size, dtype))
