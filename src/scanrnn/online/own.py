"""The influence of every weight on its own unit, and on no other: O(params).

A unit is an index that all leaves of the state share: h[j] and c[j] of an LSTM. Of P
only ∂(unit j) / ∂(a weight that moves unit j) is kept, and it moves on by::

    P' = diag(J) P + I

One cotangent of ones reads both. Its delta gives by `collect` the sum over all units
of I, and a weight has no other than its own. And the cotangent before it is the
diagonal of J, once the weights between units are left out of `pull`.

Exact where units do not meet in the recurrence, as J is diagonal then; of any other
recurrence it is SnAp-1 (Menick et al. 2020, arXiv 2006.07232).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..engine.products import wide
from .moment import Moment
from .whole import Blocks, Form, only, plus, there, total, within


@dataclasses.dataclass(frozen=True)
class Own(Form):
    """diag(P), as it were: a block is (B, *learned)."""

    units: int = 0  # H
    # Of every leaf of the params, as arrays that broadcast to it: the unit that an
    # entry moves, and whether it stays in `pull`, for it leads between no two units.
    unit_of: Any = dataclasses.field(default=None, compare=False)
    inside: Any = dataclasses.field(default=None, compare=False)
    # And for every leaf of the state: whether the entry is kept of its influence there.
    pattern: Any = dataclasses.field(default=None, compare=False)

    def first(
        self, params: Sequence[Array], sizes: Sequence[int], entry: Blocks, key: Any
    ) -> Blocks:
        """No influence of the params; of the start, as it enters."""
        return [
            [
                *(jnp.zeros(p.shape, wide(p.dtype)) for p in params),
                *map(jnp.diagonal, row),
            ]
            for row in entry
        ]

    def move(self, m: Moment, before: Blocks, key: Any) -> Blocks:
        """P' = diag(J) P + I, a leaf of the state at a time."""
        leaves, tree = jax.tree.flatten(m.params)
        own = [jnp.where(k, p, 0) for p, k in zip(leaves, self.inside, strict=True)]

        def moved(i: int) -> list[Array]:
            ones = jnp.ones(self.units, before[i][0].dtype)
            d_leaves = only(i, ones, len(before))
            diagonals, delta = m.pull(d_leaves, jax.tree.unflatten(tree, own))
            carried = [
                total(self._at(k, j) * p for j, p in zip(diagonals, ps, strict=True))
                for k, ps in enumerate(zip(*before, strict=True))
            ]
            return within(self.pattern[i], plus(carried, m.collect(delta)))

        return [moved(i) for i in range(len(before))]

    def read(self, influence: Blocks, d_leaves: Sequence[Array | None]) -> list[Array]:
        """dᵀ P: every weight meets the cotangent of its unit."""

        def by(k: int) -> Array:
            met = there(d_leaves, influence)
            made = total(self._at(k, d) * row[k] for d, row in met)
            return made.sum(0) if k < self.params else made

        return [by(k) for k in range(len(influence[0]))]

    def _at(self, k: int, of_units: Array) -> Array:
        """A value of each unit, (..., H), for every entry of what is learned."""
        return of_units[..., self.unit_of[k]] if k < self.params else of_units
