"""Two vectors whose outer product has the influence as its mean: O(params) for any J.

With ν a random sign for every entry of the state, P ≈ u θᵀ moves on by::

    u' = ρ₀ J u + ρ₁ ν             ρ₀ = √(|θ| / (|J u| + ε)) + ε
    θ' = θ / ρ₀ + νᵀ I / ρ₁        ρ₁ = √(|νᵀ I| / (|ν| + ε)) + ε

The mean of ν is zero and that of ν νᵀ the identity, so the mean of u' θ'ᵀ is J (u θᵀ) +
I: nothing is left out, and all is noisy. Any ρ that ν and −ν share would do; these make
the noise least.

Source: Tallec and Ollivier 2017, "Unbiased Online Recurrent Optimization", arXiv
1702.05043, algorithm 1.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..engine.products import wide
from .moment import Moment
from .whole import Blocks, Form, plus, there, total

EPSILON = 1e-7  # of the paper: nothing is divided by zero


class Pair(NamedTuple):
    """u and θ, leaf by leaf."""

    u: list[Array]  # (B, S_leaf) for every leaf of the state
    theta: list[Array]  # (B, *learned) for every leaf of what is learned


@dataclasses.dataclass(frozen=True)
class RankOne(Form):
    """The two vectors of every example."""

    def first(
        self, params: Sequence[Array], sizes: Sequence[int], entry: Blocks, key: Array
    ) -> Pair:
        """Zeros; where the start is learned, signs and what they make of its entry."""
        zeros = [jnp.zeros(p.shape, wide(p.dtype)) for p in params]
        u = [jnp.zeros(size, zeros[0].dtype) for size in sizes]
        if not entry[0]:
            return Pair(u, zeros)
        u = signs(key, u)
        columns = zip(*entry, strict=True)
        return Pair(
            u, zeros + [total(map(jnp.matmul, u, blocks)) for blocks in columns]
        )

    def move(self, m: Moment, before: Pair, key: Array) -> Pair:
        """One step, by the pull of ν and the transpose of `pull` at u."""
        u, theta = before
        nu = signs(key, u)
        # `pull` is linear: its transpose takes J forwards.
        _, forwards = jax.vjp(lambda d_leaves: m.pull(d_leaves)[0], nu)
        (moved,) = forwards(u)
        direct = m.collect(m.pull(nu)[1])
        rho_0 = jnp.sqrt(norm(theta) / (norm(moved) + EPSILON)) + EPSILON
        rho_1 = jnp.sqrt(norm(direct) / (norm(nu) + EPSILON)) + EPSILON
        return Pair(
            [rho_0 * j + rho_1 * n for j, n in zip(moved, nu, strict=True)],
            plus([t / rho_0 for t in theta], [d / rho_1 for d in direct]),
        )

    def read(self, influence: Pair, d_leaves: Sequence[Array | None]) -> list[Array]:
        """(dᵀ u) θ, summed over the examples for the params."""
        u, theta = influence
        share = total(jnp.einsum("bi,bi->b", d, of) for d, of in there(d_leaves, u))
        to = ["..."] * self.params + ["b..."] * (len(theta) - self.params)
        return [
            jnp.einsum(f"b,b...->{axes}", share, t)
            for t, axes in zip(theta, to, strict=True)
        ]


def signs(key: Array, like: Sequence[Array]) -> list[Array]:
    """±1 for every entry, each with probability one half."""
    keys = jax.random.split(key, len(like))
    return [
        jax.random.rademacher(k, leaf.shape, leaf.dtype)
        for k, leaf in zip(keys, like, strict=True)
    ]


def norm(leaves: Sequence[Array]) -> Array:
    """Of all of them as one vector."""
    return jnp.sqrt(total(jnp.sum(leaf * leaf) for leaf in leaves))
