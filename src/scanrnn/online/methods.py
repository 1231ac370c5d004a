"""The ways to learn while the sequence runs: values that say how P is kept."""

import dataclasses
import functools
from typing import Any, TypeAlias

import jax
from jax import Array

from ..cell import Cell, Params
from ..engine.values import whole_number
from .own import Own
from .rank_one import RankOne
from .structure import (
    Probe,
    Structure,
    is_told_by_ones,
    probe_of,
    structure_of,
    units_of,
)
from .whole import Form, Of, Whole


@dataclasses.dataclass(frozen=True)
class RTRL:
    """Real-time recurrent learning: the whole influence, exact.

    Per step and example S pulls, S collects and a product (S, S) by (S, params), for S
    entries of the state; S · params numbers are carried. Of a cell that is marked as
    diagonal, one pull and one collect for each leaf of the state, and params numbers.

    Source: Williams and Zipser 1989, "A Learning Algorithm for Continually Running
    Fully Recurrent Neural Networks".
    """

    def form(
        self, of: Of, cell: Cell, params: Params, state: Any, x: Array | None
    ) -> Form:
        """How the influence is kept at these shapes."""
        if is_diagonal(cell):  # nothing ever leaves its unit
            return _sparse(of, None, cell, params, state, x)
        return Whole(of, len(jax.tree.leaves(params)))


@dataclasses.dataclass(frozen=True)
class SnAp:
    """The sparse n-step approximation: what differs from zero after n steps is kept.

    ``SnAp(1)`` keeps of a weight what it does to the entries of the state that it
    moves at once. Where that is a single unit, as in `sr.rnn`, `sr.gru` and `sr.lstm`,
    it costs one pull and one collect for each leaf of the state, and params numbers
    are carried: about what backpropagation costs. Otherwise, and for larger n, entries
    are zeroed in what `RTRL` carries, which saves nothing; a dense recurrence reaches
    all of its state in two steps, so that ``SnAp(2)`` is `RTRL`. The gradient is
    biased, unless units do not meet in the recurrence: then it is exact for every n.

    Args:
        n: how many steps; at least 1.

    Source: Menick, Elsen, Evci, Osindero, Simonyan and Graves 2020, "A Practical
    Sparse Approximation for Real Time Recurrent Learning", arXiv 2006.07232.
    """

    n: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", whole_number("n", self.n))

    def form(
        self, of: Of, cell: Cell, params: Params, state: Any, x: Array | None
    ) -> Form:
        """How the influence is kept at these shapes."""
        return _sparse(of, self.n, cell, params, state, x)


@dataclasses.dataclass(frozen=True)
class UORO:
    """Unbiased online recurrent optimisation: a random vector pair of that mean.

    Per step and example two pulls, one of them transposed, and one collect; S + params
    numbers are carried. Nothing is left out, so the mean of the gradient over the noise
    is the true one; the noise is large, and grows with S. `Learner.init` needs a key.

    Source: Tallec and Ollivier 2017, "Unbiased Online Recurrent Optimization", arXiv
    1702.05043.
    """

    def form(
        self, of: Of, cell: Cell, params: Params, state: Any, x: Array | None
    ) -> Form:
        """How the influence is kept at these shapes."""
        return RankOne(of, len(jax.tree.leaves(params)))


Method: TypeAlias = RTRL | SnAp | UORO


def is_diagonal(cell: Cell) -> bool:
    """Whether it says of itself that its units do not meet in the recurrence."""
    return getattr(cell, "recurrence", "dense") in ("diagonal", "affine")


def _sparse(of: Of, n: int | None, cell: Cell, *trees: Any) -> Form:
    leaves, tree = jax.tree.flatten(trees)
    described = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    units, kept = _found(cell, n, tree, described)
    count = len(jax.tree.leaves(trees[0]))
    if units is not None:
        return Own(of, count, *units)
    is_all = all(flags.all() for row in kept for flags in row)
    return Whole(of, count, None if is_all else kept)


@functools.lru_cache(maxsize=64)
def _found(cell: Cell, n: int | None, tree: Any, described: Any) -> Any:
    """The units, if what is kept of a weight is its own; and what is kept, by leaf."""
    structure = _structure(cell, tree, described)
    kept = structure.within(n or sum(structure.sizes))
    units = units_of(structure, kept)
    if units is not None and not is_told_by_ones(_probe(cell, tree, described), units):
        units = None
    by_leaf = zip(*map(structure.by_leaf, kept), strict=True)
    return units, [list(row) for row in by_leaf]


@functools.lru_cache(maxsize=64)
def _structure(cell: Cell, tree: Any, described: Any) -> Structure:
    return structure_of(_probe(cell, tree, described))


def _probe(cell: Cell, tree: Any, described: Any) -> Probe:
    structs = [jax.ShapeDtypeStruct(*leaf) for leaf in described]
    return probe_of(cell, *jax.tree.unflatten(tree, structs))
