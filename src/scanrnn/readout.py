"""From hidden states to a loss; each function with its own hand-derived derivative.

With l the logits, y the labels, w the weights of all positions, ε the smoothing and V
the number of classes::

    forward                                 backward, from dL

    (1) l = h W + b                         (4) dlₙ = sₙ (pₙ − qₙ),  pₙ = softmax(lₙ)
    (2) ℓₙ = −Σᵥ qₙᵥ log pₙᵥ                    sₙ  = dL wₙ / Σw,  dL wₙ,  dLₙ wₙ
        qₙ = (1 − ε) one_hot(yₙ) + ε / V        dwₙ = dL (ℓₙ − L) / Σw,  dL ℓₙ,  dLₙ ℓₙ
    (3) L = Σₙ wₙ ℓₙ / Σₙ wₙ  (mean)        (5) dh = dl Wᵀ, dW = Σ hᵀ dl, db = Σ dl
        L = Σₙ wₙ ℓₙ          (sum)
        Lₙ = wₙ ℓₙ            (none)

(4) has a value for each of the three lines of (3). Each is linear in dL or dl, and is
written once, as the way back; forward mode is its transpose, of which JAX makes the way
back again.

`plain_dense` and `plain_softmax_cross_entropy` are the same numbers, written another
way and left to JAX's own differentiation: the oracles.

Sources: of (4), Bishop 2006, "Pattern Recognition and Machine Learning", eq. (4.109);
of q, Szegedy et al. 2016, arXiv 1512.00567, section 7.
"""

import functools
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from .engine.arrays import as_array, as_arrays
from .engine.checks import within
from .engine.mesh import vary_along, varying_axes
from .engine.operands import pushed
from .engine.products import affine, affine_vjp, floating, is_tokens, plus, wide
from .engine.trees import cast_like
from .engine.values import PARTS, flag, fraction, one_of, shown, whole_number

Reduction: TypeAlias = Literal["mean", "sum", "none"]
REDUCTIONS = ("mean", "sum", "none")


class DenseParams(NamedTuple):
    """The letters of the equations."""

    w: Array  # (H, V)
    b: Array | None  # (V,); None without a bias


def init_dense(
    key: Array,
    input_size: int,
    output_size: int,
    dtype: DTypeLike | None = None,
    *,
    bias: bool = True,
) -> DenseParams:
    """LeCun-normal weights (variance 1 / H keeps the scale of h) and zero bias.

    Args:
        input_size: H.
        output_size: V.
        dtype: a floating one; JAX's default if not given.
        bias: whether there is a b; without one it is None in the params.

    Source: LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp".
    """
    sizes = (
        whole_number("input_size", input_size),
        whole_number("output_size", output_size),
    )
    dtype = floating(dtype)
    draw = jax.nn.initializers.lecun_normal(dtype=wide(dtype))
    b = jnp.zeros(sizes[1], dtype) if flag("bias", bias) else None
    return DenseParams(draw(key, sizes).astype(dtype), b)


def dense(params: DenseParams, hs: ArrayLike) -> Array:
    """Logits h W + b, with the hand-derived derivative (5).

    Args:
        params: w (H, V), and b (V,) or None; floats.
        hs: (..., H) floats.

    Returns:
        (..., V), in float32 for 16-bit params.

    Raises:
        ValueError: if hs do not end in H, or params or hs are not such floats.

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
    kind = wide(params.w.dtype)
    hs = hs.astype(params.w.dtype)
    return plus(jnp.einsum("...h,hv->...v", hs, params.w).astype(kind), params.b)


def softmax_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """The mean of −log softmax(logits)[label], in nats, with derivative (4).

    Stable for large logits. A position of weight 0 contributes exactly nothing to the
    loss or to a gradient, whatever its logits and label hold. Inside ``shard_map``
    the mean is that of a device's own positions.

    Args:
        logits: (..., V) floats.
        labels: (...) integers in [0, V), of any width. One out of range raises where
            its value is known; under jit it gives NaN, unless its weight is 0.
        weights: (...) floats or bool, for example a mask; equal if not given.
        reduction: "mean" is Σ w ℓ / Σ w, and 0 where all weights are 0; "sum" is
            Σ w ℓ; "none" is w ℓ of every position.
        label_smoothing: ε in [0, 1), the share of the target that is spread evenly
            over all classes.

    Returns:
        A scalar, or (...) for the reduction "none". float32 for 16-bit logits.

    Raises:
        ValueError: if shapes do not fit, labels are not integers or out of range, or
            an option is not as described.

    >>> import jax.numpy as jnp, scanrnn as sr
    >>> round(float(sr.softmax_cross_entropy(jnp.zeros((7, 2, 3)),
    ...                                      jnp.ones((7, 2), int))), 4)  # log 3
    1.0986
    """
    loss = _loss(reduction, label_smoothing)
    arrays = _check_loss(logits, labels, weights)
    return _cross_entropy(loss, *vary_along(arrays, varying_axes(arrays)))


def plain_softmax_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """`softmax_cross_entropy` without a rule of our own: its oracle.

    It looks labels up where the function compares them, and takes log softmax where
    the function takes the sum of exponentials.
    """
    loss = _loss(reduction, label_smoothing)
    logits, labels, weights = _check_loss(logits, labels, weights)
    classes = logits.shape[-1]
    known = (labels >= 0) & (labels <= classes - 1)
    # What a position of weight 0 holds is replaced before it is touched, if it must be.
    usable = known & jnp.isfinite(jax.nn.logsumexp(logits, axis=-1))
    left_out = (weights == 0) & ~usable
    logits = jnp.where(left_out[..., None], 0, logits.astype(weights.dtype))
    log_p = jax.nn.log_softmax(logits)
    at = jnp.where(known, labels, 0)[..., None]
    of_label = jnp.take_along_axis(log_p, at, axis=-1)[..., 0]
    losses = -(1 - loss.smoothing) * of_label
    if loss.smoothing:
        losses = losses - loss.smoothing * log_p.mean(-1)
    losses = jnp.where(left_out, 0, jnp.where(known, losses, jnp.nan))
    weighted = weights * losses
    if loss.reduction == "none":
        return weighted
    if loss.reduction == "sum":
        return weighted.sum()
    return weighted.sum() / jnp.where(jnp.all(weights == 0), 1, weights.sum())


class _Loss(NamedTuple):
    """What is static of a loss."""

    reduction: str
    smoothing: float  # ε


def _loss(reduction: Any, label_smoothing: Any) -> _Loss:
    return _Loss(
        one_of("reduction", reduction, REDUCTIONS),
        fraction("label_smoothing", label_smoothing),
    )


@jax.custom_jvp
def _dense(params: DenseParams, hs: Array) -> Array:
    return affine(hs, *params)  # (1)


@functools.partial(_dense.defjvp, symbolic_zeros=True)
def _dense_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    params, hs = primals

    def pull(d_logits: Array) -> tuple[DenseParams, Array]:
        d_hs, d_w, d_b = affine_vjp(hs, params.w, params.b, d_logits)  # (5)
        assert d_hs is not None  # only tokens have none, and dense takes floats
        d_params = cast_like(DenseParams(d_w, d_b), params)
        return d_params, d_hs.astype(hs.dtype)

    logits = affine(hs, *params)
    return logits, pushed(pull, logits, tangents)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _cross_entropy(loss: _Loss, logits: Array, labels: Array, weights: Array) -> Array:
    return _forward(loss, logits, labels, weights)[0]


@functools.partial(_cross_entropy.defjvp, symbolic_zeros=True)
def _cross_entropy_jvp(loss: _Loss, primals: Any, tangents: Any) -> tuple[Array, Array]:
    logits, labels, weights = primals
    value, losses, log_sum = _forward(loss, logits, labels, weights)

    def pull(d_value: Array) -> tuple[Array, Array]:
        softmax = jnp.exp(logits.astype(log_sum.dtype) - log_sum[..., None])
        smoothed = softmax - loss.smoothing / logits.shape[-1]
        difference = jnp.where(
            _one_hot(logits, labels), smoothed - (1 - loss.smoothing), smoothed
        )
        own = losses
        if loss.reduction == "mean":
            d_value = d_value / _total(weights)
            own = losses - value
        left_out = weights[..., None] == 0
        difference = jnp.where(left_out, 0, difference)
        shares = (d_value * weights)[..., None]
        d_logits = jnp.where(left_out, 0, shares * difference)  # (4)
        d_weights = d_value * own
        return d_logits.astype(logits.dtype), d_weights.astype(weights.dtype)

    d_logits, _, d_weights = tangents
    return value, pushed(pull, value, (d_logits, d_weights))


def _forward(
    loss: _Loss, logits: Array, labels: Array, weights: Array
) -> tuple[Array, Array, Array]:
    """The loss, the loss of every position, and log Σ exp of its logits."""
    logits = logits.astype(wide(logits.dtype))
    log_sum = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.where(_one_hot(logits, labels), logits, 0).sum(-1)
    if loss.smoothing:
        chosen = (1 - loss.smoothing) * chosen + loss.smoothing * logits.mean(-1)
    known = (labels >= 0) & (labels < logits.shape[-1])
    losses = jnp.where(known, log_sum - chosen, jnp.nan)  # (2)
    losses = jnp.where((weights == 0) & ~jnp.isfinite(losses), 0, losses)
    weighted = weights * losses  # (3)
    if loss.reduction == "none":
        return weighted, losses, log_sum
    total = 1 if loss.reduction == "sum" else _total(weights)
    return weighted.sum() / total, losses, log_sum


def _one_hot(logits: Array, labels: Array) -> Array:
    # A comparison, not a gather: it stays on the devices where the logits lie.
    vocabulary = jnp.arange(logits.shape[-1], dtype=labels.dtype)
    return labels[..., None] == vocabulary.reshape((1,) * labels.ndim + (-1,))


def _total(weights: Array) -> Array:
    total = weights.sum()
    return jnp.where(total == 0, 1, total)


def _check_dense(params: DenseParams, hs: ArrayLike) -> tuple[DenseParams, Array]:
    if not isinstance(params, DenseParams):
        raise ValueError(
            f"expected params: DenseParams(w, b), as sr.init_dense makes them, got "
            f"{shown(params)}"
        )
    params, given = as_arrays("params", params), as_array("hs", hs)
    w, b = params
    if w.ndim != 2 or not jnp.issubdtype(w.dtype, jnp.floating):
        raise ValueError(f"expected params.w: floats (H, V), got {w.dtype} {w.shape}")
    if b is not None and (b.shape != w.shape[1:] or b.dtype != w.dtype):
        raise ValueError(
            f"expected params.b: {w.dtype} {w.shape[1:]} to match params.w {w.shape}, "
            f"or None, got {b.dtype} {b.shape}"
        )
    is_float = jnp.issubdtype(given.dtype, jnp.floating)
    if given.ndim < 1 or given.shape[-1] != w.shape[0] or not is_float:
        is_complex = jnp.issubdtype(given.dtype, jnp.complexfloating)
        raise ValueError(
            f"expected hs: floats (..., {w.shape[0]}) to match params.w "
            f"{w.shape}, got {given.dtype} {given.shape}{PARTS * is_complex}"
        )
    return params, given


def _check_loss(
    logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Array, Array, Array]:
    logits, labels = as_array("logits", logits), as_array("labels", labels)
    if logits.ndim < 1 or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(
            f"expected logits: floats (..., V), got {logits.dtype} {logits.shape}"
        )
    if not logits.shape[-1]:
        raise ValueError(f"expected logits of at least one class, got {logits.shape}")
    if labels.shape != logits.shape[:-1] or not is_tokens(labels):
        raise ValueError(
            f"expected labels: integers {logits.shape[:-1]} to match logits "
            f"{logits.shape}, got {labels.dtype} {labels.shape}; "
            "one-hot labels become integers by argmax(-1)"
        )
    kind = wide(logits.dtype)
    if weights is None:
        weights = jnp.ones_like(labels, dtype=kind)
    weights = as_array("weights", weights)
    if weights.shape != labels.shape or jnp.iscomplexobj(weights):
        raise ValueError(
            f"expected weights: numbers or bool of the shape of labels, "
            f"{labels.shape}, got {weights.dtype} {weights.shape}"
        )
    if not within(labels, 0, logits.shape[-1] - 1, counted=weights):
        raise ValueError(
            f"expected labels in [0, {logits.shape[-1]}), got values from "
            f"{labels.min()} to {labels.max()}; give padding the weight 0"
        )
    if labels.dtype.itemsize < 4:  # a byte does not count to V
        labels = labels.astype(jnp.int32)
    return logits, labels, weights.astype(kind)
