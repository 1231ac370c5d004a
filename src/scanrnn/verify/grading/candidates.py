"""Candidates: slips that give some of the wrong numbers, grouped and described."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from ..report import Suspicion
from .cases import GENERIC, Case, generic
from .replay import Leaves
from .search.slips import Slip

MOST = 10  # suspicions that are described
ALIKE = 6  # others that are told to give the same numbers


class Candidate(NamedTuple):
    """A slip that gives some of what was found, and those that equal it."""

    slip: Slip
    leaves: tuple[Leaves, ...]  # what it gives, case by case
    score: float  # share of all that was compared
    hits: int  # how much of what is wrong it gives
    evidence: str  # the same in words
    alike: tuple[Slip, ...] = ()  # known to give the same numbers
    strength: float = 0.0  # digits that it explains beyond those that chance would
    plain: Suspicion | None = None  # what is plain to see, and said before


def describe(
    case: Case,
    ranked: Sequence[Candidate],
    same: Callable[[Candidate, Candidate], bool],
) -> list[Suspicion]:
    """The first candidates as suspicions; those of equal numbers are one suspicion.

    Args:
        case: the first to look at for a number that tells equal candidates apart.
        ranked: the most likely candidate first.
        same: whether two candidates of one score give the same numbers.
    """
    groups = islice(_groups(ranked, same), MOST)
    return [_suspicion(case, first, alike) for first, *alike in groups]


def after(
    plain: Suspicion | None, ranked: Sequence[Candidate]
) -> tuple[list[Suspicion], list[Candidate]]:
    """What is plain to see: said with what explains it, or alone before all."""
    if plain is None:
        return [], list(ranked)
    if ranked and ranked[0].score == 1:
        return [], [ranked[0]._replace(plain=plain), *ranked[1:]]
    return [plain], list(ranked)


def _groups(
    ranked: Sequence[Candidate], same: Callable[[Candidate, Candidate], bool]
) -> Iterator[list[Candidate]]:
    taken: set[int] = set()
    for i, first in enumerate(ranked):
        if i in taken:
            continue
        alike = [
            j
            for j in range(i + 1, len(ranked))
            if j not in taken
            and ranked[j].score == first.score
            and same(first, ranked[j])
        ]
        taken.update(alike)
        yield [first, *(ranked[j] for j in alike)]


def _suspicion(case: Case, first: Candidate, others: list[Candidate]) -> Suspicion:
    slip = first.slip
    alike = [*(other.slip for other in others), *first.alike]  # told apart, reworded
    names = [" and ".join(o.names) for o in alike if not set(slip.names) < set(o.names)]
    mine = " and ".join(slip.names)
    plain = first.plain
    return Suspicion(
        (plain.names if plain else ()) + slip.names,
        f"{plain.says} {slip.says}" if plain else slip.says,
        slip.instead,
        first.score,
        first.evidence,
        tuple(dict.fromkeys(n for n in names if n != mine))[:ALIKE],
        tell_apart(case, slip, others[0].slip) if others else "",
    )


@np.errstate(all="ignore")
def tell_apart(case: Case, one: Slip, two: Slip) -> str:
    """A number in which two slips differ: on this case, or else on another."""
    others = (generic(case.like, sizes) for sizes in GENERIC)
    for other in chain([case], others):
        first, second = one.run(other), two.run(other)
        if first is None or second is None:
            continue
        for leaf in (name for name in first if name in second):
            a, b = np.asarray(first[leaf]), np.asarray(second[leaf])
            if a.shape != b.shape or np.allclose(a, b, rtol=1e-6, equal_nan=True):
                continue
            index = np.unravel_index(np.argmax(np.nan_to_num(abs(a - b))), a.shape)
            entry = f"{leaf}{''.join(f'[{i}]' for i in index)}"
            values = f"{a[index]:.6g} for the first, {b[index]:.6g} for the other"
            return f"look at {entry} of the {other.name}: {values}"
    return "no case that was tried tells them apart"
