"""How gradients become updates: AdamW, and Muon for the matrices of a recurrence.

A matrix that reads hidden states, with its momentum M, is moved along the polar factor
of M per gate: all singular values of the update are about 1, and no direction has to
wait because another has the larger gradient::

    (1) M ← μ M + (1 − μ) dW          (3) O = X₀, Xₖ₊₁ = aX + (bXXᵀ + c(XXᵀ)²) X
    (2) X₀ = N / |N|,                 (4) W ← W − η ρ √H O
        N = μ M + (1 − μ) dW

With ρ = 0.2 an entry of (4) moves as far as AdamW moves it, and both take one learning
rate. What a token or a label picks its rows or columns from (the first layer's W_x, the
readout) and the biases are AdamW's: their gradients are sparse, and of no such shape.

Sources: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks",
kellerjordan.github.io/posts/muon; of ρ, Liu et al. 2025, arXiv 2502.16982; of AdamW,
Loshchilov and Hutter 2019, arXiv 1711.05101.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from .model import CharParams

BETAS = (0.9, 0.99)  # 0.99: runs are short, the second moment must settle early
MOMENTUM = 0.95  # μ
# a, b, c of (3): three rounds bring singular values of 0.02 to 1 into 0.68 to 1.21.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 3  # Jordan takes five, in bfloat16; smaller ones then rise, too
RMS = 0.2  # ρ

# A function of gates (G, H, H), and those -> what it makes of them, by several devices.
Spread = Callable[[Callable[[Array], Array], Array], Array]


class MuonState(NamedTuple):
    """M of every matrix."""

    momentum: Any


@functools.cache
def optimiser(
    name: str, clip: float, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
    """Clipping by the global norm, then ``muon`` or ``adamw``; matrices alone decay.

    Its learning rate is 1: the step scales the updates by `learning_rate`, which
    follows the progress of the run and not a count of updates. Its ``update`` takes
    ``spread=``, by which several devices share the gates of a matrix.
    """
    adamw = optax.adamw(1.0, *BETAS, weight_decay=weight_decay, mask=_matrices)
    if name == "adamw":
        moved = adamw
    else:
        decay = optax.add_decayed_weights(weight_decay)
        muon = optax.chain(scale_by_muon(), decay, optax.scale(-1.0))
        moved = optax.partition({"adamw": adamw, "muon": muon}, _kinds)
    return optax.chain(
        optax.clip_by_global_norm(clip), optax.with_extra_args_support(moved)
    )


def scale_by_muon() -> optax.GradientTransformationExtraArgs:
    """(1) to (4) without the learning rate, for matrices (H, G·H)."""

    def init(params: Any) -> MuonState:
        return MuonState(jax.tree.map(jnp.zeros_like, params))

    def average(old: Array, new: Array) -> Array:
        return MOMENTUM * old + (1 - MOMENTUM) * new

    def update(
        d_params: Any, state: MuonState, params: Any = None, **extra: Any
    ) -> tuple[Any, MuonState]:
        momentum = jax.tree.map(average, state.momentum, d_params)  # (1)
        ahead = jax.tree.map(average, momentum, d_params)
        by_gate = functools.partial(_by_gate, spread=extra.get("spread"))
        return jax.tree.map(by_gate, ahead), MuonState(momentum)

    return optax.GradientTransformationExtraArgs(init, update)


def orthogonalised(x: Array) -> Array:
    """About the polar factor U Vᵀ of U S Vᵀ, of matrices (..., H, H): (2) and (3).

    Zero stays zero.

    >>> x = jnp.array([[3.0, 0.0], [0.0, 0.5]])
    >>> bool((jnp.abs(jnp.linalg.svd(orthogonalised(x)).S - 0.95) < 0.3).all())
    True
    """
    a, b, c = COEFFICIENTS
    length = jnp.linalg.norm(x, axis=(-2, -1), keepdims=True)
    x = x / jnp.where(length == 0, 1, length)  # (2)
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x  # (3)
    return x


def _by_gate(matrix: Array, spread: Spread | None) -> Array:
    size = matrix.shape[0]
    gates = matrix.reshape(size, -1, size).swapaxes(0, 1)  # (G, H, H)
    factor = spread(orthogonalised, gates) if spread else orthogonalised(gates)
    moved = RMS * size**0.5 * factor  # (4)
    return moved.swapaxes(0, 1).reshape(matrix.shape)


def _kinds(params: CharParams) -> Any:
    """``muon`` for what a layer multiplies hidden states of H units with."""

    def kind(path: Any, leaf: Array) -> str:
        name = jax.tree_util.keystr(path)
        hidden = name.startswith(".layers") and name != ".layers[0].w_x"
        return "muon" if hidden and leaf.ndim == 2 else "adamw"

    return jax.tree_util.tree_map_with_path(kind, params)


def _matrices(params: CharParams) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
