"""From hidden states to a loss; each function with its own hand-derived derivative.

With l the logits, y the labels and w the weights of all positions::

    forward                         backward, from dL

    (1) l = h W + b                  (4) dlₙ = dL wₙ / Σw ∘ (pₙ − one_hot(yₙ)),
    (2) ℓₙ = log Σᵥ exp(lₙᵥ)             pₙ = softmax(lₙ)
             − lₙ[yₙ]                    dwₙ = dL (ℓₙ − L) / Σw
    (3) L = Σₙ wₙ ℓₙ / Σₙ wₙ         (5) dh = dl Wᵀ, dW = Σ hᵀ dl, db = Σ dl

`plain_dense` and `plain_softmax_cross_entropy` are the same numbers left to JAX's
own differentiation: the oracles.

Source of (4): Bishop 2006, "Pattern Recognition and Machine Learning", eq. (4.109).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from .engine.checks import within
from .engine.mesh import vary_along, varying_axes
from .engine.products import affine, affine_vjp, is_tokens, or_default, wide


class DenseParams(NamedTuple):
    """The letters of the equations."""

    w: Array  # (H, V)
    b: Array  # (V,)


def init_dense(
    key: Array, input_size: int, output_size: int, dtype: DTypeLike | None = None
) -> DenseParams:
    """LeCun-normal weights (variance 1 / H keeps the scale of h) and zero bias.

    Source: LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp".
    """
    dtype = or_default(dtype)
    draw = jax.nn.initializers.lecun_normal(dtype=wide(dtype))
    w = draw(key, (input_size, output_size)).astype(dtype)
    return DenseParams(w, jnp.zeros(output_size, dtype))


def dense(params: DenseParams, hs: ArrayLike) -> Array:
    """Logits h W + b, with the hand-derived derivative (5).

    Args:
        params: w (H, V) and b (V,).
        hs: (..., H) floats.

    Returns:
        (..., V), in float32 for 16-bit params.

    Raises:
        ValueError: if hs do not end in H.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> params = sr.init_dense(jax.random.key(0), 4, 3)
    >>> sr.dense(params, jnp.ones((7, 2, 4))).shape
    (7, 2, 3)
    """
    params, hs = _check_dense(params, hs)
    return _dense(*vary_along((params, hs), varying_axes((params, hs))))


def plain_dense(params: DenseParams, hs: ArrayLike) -> Array:
    """`dense` without a rule of our own: its oracle."""
    params, hs = _check_dense(params, hs)
    return affine(hs, *params)


def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None
) -> Array:
    """The mean of −log softmax(logits)[label], in nats, with derivative (4).

    Stable for large logits. A position of weight 0 contributes exactly nothing to the
    loss or to a gradient, whatever its logits and label hold. Inside ``shard_map``
    the mean is that of a device's own positions.

    Args:
        logits: (..., V) floats.
        labels: (...) integers in [0, V). One out of range raises where its value is
            known; under jit it gives NaN, unless its weight is 0.
        weights: (...) floats or bool, for example a mask; equal if not given.

    Returns:
        A scalar, Σ w ℓ / Σ w; 0 where all weights are 0. float32 for 16-bit logits.

    Raises:
        ValueError: if shapes do not fit, or labels are not integers or out of range.

    >>> import jax.numpy as jnp, scanrnn as sr
    >>> round(float(sr.softmax_cross_entropy(jnp.zeros((7, 2, 3)),
    ...                                      jnp.ones((7, 2), int))), 4)  # log 3
    1.0986
    """
    arrays = _check_loss(logits, labels, weights)
    return _cross_entropy(*vary_along(arrays, varying_axes(arrays)))


def plain_softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None
) -> Array:
    """`softmax_cross_entropy` without a rule of our own: its oracle."""
    return _forward(*_check_loss(logits, labels, weights))[0]


@jax.custom_vjp
def _dense(params: DenseParams, hs: Array) -> Array:
    return affine(hs, *params)  # (1)


def _dense_forward(params: DenseParams, hs: Array) -> tuple[Array, Any]:
    return affine(hs, *params), (params, hs)


def _dense_backward(saved: Any, d_logits: Array) -> tuple[DenseParams, Array]:
    params, hs = saved
    d_hs, d_w, d_b = affine_vjp(hs, params.w, params.b, d_logits)  # (5)
    assert d_hs is not None  # only tokens have none, and dense takes floats
    d_params = DenseParams(d_w.astype(params.w.dtype), d_b.astype(params.b.dtype))
    return d_params, d_hs.astype(hs.dtype)


_dense.defvjp(_dense_forward, _dense_backward)


@jax.custom_vjp
def _cross_entropy(logits: Array, labels: Array, weights: Array) -> Array:
    return _forward(logits, labels, weights)[0]


def _cross_entropy_forward(
    logits: Array, labels: Array, weights: Array
) -> tuple[Array, Any]:
    loss, losses, log_sum = _forward(logits, labels, weights)
    return loss, (logits, labels, weights, loss, losses, log_sum)


def _cross_entropy_backward(saved: Any, d_loss: Array) -> tuple[Array, None, Array]:
    logits, labels, weights, loss, losses, log_sum = saved
    total = _total(weights)
    softmax = jnp.exp(logits.astype(log_sum.dtype) - log_sum[..., None])
    difference = jnp.where(_one_hot(logits, labels), softmax - 1, softmax)
    shares = (d_loss / total * weights)[..., None]
    d_logits = jnp.where(shares == 0, 0, shares * difference)  # (4)
    d_weights = d_loss / total * (losses - loss)
    return d_logits.astype(logits.dtype), None, d_weights.astype(weights.dtype)


_cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)


def _forward(
    logits: Array, labels: Array, weights: Array
) -> tuple[Array, Array, Array]:
    """The loss, the loss of every position, and log Σ exp of its logits."""
    logits = logits.astype(wide(logits.dtype))
    log_sum = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.where(_one_hot(logits, labels), logits, 0).sum(-1)
    known = (labels >= 0) & (labels < logits.shape[-1])
    losses = jnp.where(known, log_sum - chosen, jnp.nan)  # (2)
    losses = jnp.where((weights == 0) & ~jnp.isfinite(losses), 0, losses)
    return (weights * losses).sum() / _total(weights), losses, log_sum  # (3)


def _one_hot(logits: Array, labels: Array) -> Array:
    # A comparison, not a gather: it stays on the devices where the logits lie.
    vocabulary = jnp.arange(logits.shape[-1], dtype=labels.dtype)
    return labels[..., None] == vocabulary


def _total(weights: Array) -> Array:
    total = weights.sum()
    return jnp.where(total == 0, 1, total)


def _check_dense(params: DenseParams, hs: ArrayLike) -> tuple[DenseParams, Array]:
    params, given = jax.tree.map(jnp.asarray, params), jnp.asarray(hs)
    if given.ndim < 1 or given.shape[-1] != params.w.shape[0] or is_tokens(given):
        raise ValueError(
            f"expected hs: floats (..., {params.w.shape[0]}) to match params.w "
            f"{params.w.shape}, got {given.dtype} {given.shape}"
        )
    return params, given


def _check_loss(
    logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Array, Array, Array]:
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if logits.ndim < 1 or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(
            f"expected logits: floats (..., V), got {logits.dtype} {logits.shape}"
        )
    if labels.shape != logits.shape[:-1] or not is_tokens(labels):
        raise ValueError(
            f"expected labels: integers {logits.shape[:-1]} to match logits "
            f"{logits.shape}, got {labels.dtype} {labels.shape}; "
            "one-hot labels become integers by argmax(-1)"
        )
    if weights is None:
        weights = jnp.ones_like(labels, dtype=wide(logits.dtype))
    weights = jnp.asarray(weights).astype(wide(logits.dtype))
    if weights.shape != labels.shape:
        raise ValueError(
            f"expected weights of the shape of labels, {labels.shape}, "
            f"got {weights.shape}"
        )
    if not within(labels, 0, logits.shape[-1] - 1, counted=weights):
        raise ValueError(
            f"expected labels in [0, {logits.shape[-1]}), got values from "
            f"{labels.min()} to {labels.max()}; give padding the weight 0"
        )
    return logits, labels, weights
