"""The influence of all that is learned on the state, carried forwards through time.

What is learned is the params, and the start state if that was asked for. With J and I
the Jacobians of a step (`moment.py`), P = ∂s / ∂learned moves on by::

    P' = J P + I                                      (Williams and Zipser 1989)

and the gradient of a loss of this step is dᵀ P', whatever the length of the past.
There are three forms of it: all of P (`Whole`, here), of every weight its own unit
(`own.py`), and two vectors whose outer product has P as its mean (`rank_one.py`).

Blocks are a row for every leaf of the state, and in it one for each leaf of what is
learned: those of the params first, then those of the start. `first` and `move` are of
one example and run under `jax.vmap`; `read` is of all of them.
"""

import abc
import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from ..engine.products import wide
from .moment import Moment

Blocks: TypeAlias = list[list[Array]]


class Of(NamedTuple):
    """What an influence belongs to."""

    learner: Hashable
    shapes: tuple[tuple[int, ...], ...]  # of the params


@dataclasses.dataclass(frozen=True)
class Form(abc.ABC):
    """How an influence is kept; equal where the learner and the shapes are."""

    of: Of
    params: int  # how many leaves they have

    @abc.abstractmethod
    def first(
        self, params: Sequence[Array], sizes: Sequence[int], entry: Blocks, key: Any
    ) -> Any:
        """Before the first step: of the params none; of the start, as it enters.

        Args:
            sizes: of the leaves of the state.
            entry: ∂(leaf of the state) / ∂(leaf of the start), (S_leaf, S_given); empty
                rows where the start is not learned.
            key: for what is drawn.
        """

    @abc.abstractmethod
    def move(self, m: Moment, before: Any, key: Any) -> Any:
        """P' = J P + I."""

    @abc.abstractmethod
    def read(self, influence: Any, d_leaves: Sequence[Array | None]) -> list[Array]:
        """dᵀ P: summed over the examples for the params, of each for the start."""


@dataclasses.dataclass(frozen=True)
class Whole(Form):
    """P, entry by entry: a block is (B, S_leaf, *learned).

    A row of J is `pull` of a unit vector, and its delta gives the row of I. With a
    pattern only the entries of P that it holds are kept.
    """

    pattern: Any = dataclasses.field(default=None, compare=False)  # (S_leaf, *param)

    def first(
        self, params: Sequence[Array], sizes: Sequence[int], entry: Blocks, key: Any
    ) -> Blocks:
        """No influence of the params; of the start, as it enters: (S_leaf, S_given)."""
        return [
            [jnp.zeros((size, *p.shape), wide(p.dtype)) for p in params] + row
            for size, row in zip(sizes, entry, strict=True)
        ]

    def move(self, m: Moment, before: Blocks, key: Any) -> Blocks:
        """P' = J P + I, a leaf of the state at a time."""
        sizes = [row[0].shape[0] for row in before]

        def moved(i: int) -> list[Array]:
            def row(unit: Array) -> tuple[list[Array], list[Array]]:
                d_prev, delta = m.pull(only(i, unit, len(sizes)))
                return d_prev, m.collect(delta)

            units = jnp.eye(sizes[i], dtype=before[i][0].dtype)
            by_state, direct = jax.vmap(row)(units)
            carried = [
                total(jnp.tensordot(j, p, 1) for j, p in zip(by_state, ps, strict=True))
                for ps in zip(*before, strict=True)
            ]
            made = plus(carried, direct)
            return made if self.pattern is None else within(self.pattern[i], made)

        return [moved(i) for i in range(len(sizes))]

    def read(self, influence: Blocks, d_leaves: Sequence[Array | None]) -> list[Array]:
        """dᵀ P: summed over the examples for the params, of each for the start."""

        def by(k: int) -> Array:
            to = "..." if k < self.params else "b..."
            met = there(d_leaves, influence)
            return total(jnp.einsum(f"bi,bi...->{to}", d, row[k]) for d, row in met)

        return [by(k) for k in range(len(influence[0]))]


def only(i: int, d_leaf: Array, count: int) -> list[Array | None]:
    """A cotangent of one leaf of the state, and none of the others."""
    return [d_leaf if j == i else None for j in range(count)]


def there(
    d_leaves: Sequence[Array | None], rows: Sequence[Any]
) -> Iterator[tuple[Array, Any]]:
    """The cotangents that there are, (B, S_leaf), each with what stands in its row."""
    for d, row in zip(d_leaves, rows, strict=True):
        if d is not None:
            yield d.reshape(d.shape[0], -1), row


def plus(carried: list[Array], direct: list[Array]) -> list[Array]:
    """What the params do directly is added; the start does nothing any more."""
    count = len(direct)
    return [*map(jnp.add, carried[:count], direct), *carried[count:]]


def within(pattern: Sequence[Any], blocks: list[Array]) -> list[Array]:
    """Of the params the entries that a pattern holds; zero for the rest of them."""
    count = len(pattern)
    kept = zip(pattern, blocks[:count], strict=True)
    return [*(jnp.where(keep, p, 0) for keep, p in kept), *blocks[count:]]


def total(terms: Iterator[Array] | Sequence[Array]) -> Array:
    """The sum of at least one."""
    first, *others = terms
    for term in others:
        first = first + term
    return first
