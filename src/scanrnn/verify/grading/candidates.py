"""Candidates: mistakes that give some of the wrong numbers, grouped and described."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from ..report import Suspicion
from .cases import GENERIC, Case, generic
from .mistakes import Mistake
from .replay import Leaves, try_replay

MOST = 10  # suspicions that are described


class Candidate(NamedTuple):
    """A mistake, or two at once, that gives some of what was found."""

    mistakes: tuple[Mistake, ...]
    leaves: tuple[Leaves, ...]  # what they give, case by case
    score: float  # share of all that was compared
    hits: int  # how much of what is wrong they give
    evidence: str  # the same in words


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


def _groups(
    ranked: Sequence[Candidate], same: Callable[[Candidate, Candidate], bool]
) -> Iterator[list[Candidate]]:
    taken: set[tuple[str, ...]] = set()
    for first in ranked:
        if names(first.mistakes) in taken:
            continue
        alike = [
            other
            for other in ranked
            if other is not first and other.score == first.score and same(first, other)
        ]
        taken.update(names(other.mistakes) for other in alike)
        yield [first, *alike]


def names(mistakes: Sequence[Mistake]) -> tuple[str, ...]:
    """How a report calls one mistake, or two at once."""
    return tuple(mistake.name for mistake in mistakes)


def _suspicion(case: Case, first: Candidate, alike: list[Candidate]) -> Suspicion:
    mistakes = first.mistakes
    instead = "; ".join(m.instead for m in mistakes if not m.harmless)
    return Suspicion(
        names(mistakes),
        " ".join(mistake.says for mistake in mistakes),
        instead or mistakes[0].instead,
        first.score,
        first.evidence,
        tuple(" and ".join(names(other.mistakes)) for other in alike),
        tell_apart(case, mistakes, alike[0].mistakes) if alike else "",
    )


def tell_apart(case: Case, one: Sequence[Mistake], two: Sequence[Mistake]) -> str:
    """A number in which two mistakes differ: on this case, or else on another."""
    others = (generic(case.like, sizes) for sizes in GENERIC)
    for other in chain([case], others):
        first, second = try_replay(other, one), try_replay(other, two)
        if first is None or second is None:
            continue
        for leaf in first:
            a, b = np.asarray(first[leaf]), np.asarray(second[leaf])
            if a.shape != b.shape or np.allclose(a, b, rtol=1e-6, equal_nan=True):
                continue
            index = np.unravel_index(np.argmax(np.abs(a - b)), a.shape)
            entry = f"{leaf}{''.join(f'[{i}]' for i in index)}"
            values = f"{a[index]:.6g} for the first, {b[index]:.6g} for the other"
            return f"look at {entry} of the {other.name}: {values}"
    return "no case that was tried tells them apart"
