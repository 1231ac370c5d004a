"""Naming: the mistakes of the catalogue whose wrong numbers equal those found."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from ..report import Suspicion
from .candidates import Candidate, describe
from .cases import Case, remembered
from .mistakes import Mistake, may_combine, of
from .replay import Leaves, try_replay

CLOSE = 1e-6  # of the leaf's largest entry: a re-enactment agrees to rounding
PATIENCE = 6.0  # seconds that the search for pairs may take


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """A case, what was found on it and what would have been right."""

    case: Case
    found: Leaves
    right: Leaves
    rename: Callable[[Leaves, Case], Leaves]

    @functools.cached_property
    def wrong(self) -> frozenset[str]:
        """The leaves that are missing or not right."""
        leaves = self.right.items()
        return frozenset(n for n, x in leaves if not _close(self.found.get(n), x))


@np.errstate(all="ignore")
def suspects(exhibits: Sequence[Exhibit], given: bool) -> list[Suspicion]:
    """Ranks the catalogue's mistakes by the share of leaves they reproduce.

    Pairs are tried where no single mistake gives all leaves of all cases. Where right
    caches were given, a mistake of the caches is named only if no other will do: the
    function may take its cache apart in the wrong order.
    """
    if not any(exhibit.wrong for exhibit in exhibits):
        return []  # only a shape, a changed argument or a last digit is wrong
    mistakes = of(exhibits[0].case.like)
    found = [c for m in mistakes if (c := _candidate(exhibits, (m,))) is not None]
    if not any(candidate.score == 1 for candidate in found):
        found = found + list(_pairs(exhibits, mistakes))
    found.sort(key=lambda c: (-c.score, len(c.mistakes)))
    if given and any(c.score == 1 and not _of_caches(c) for c in found):
        found = [candidate for candidate in found if not _of_caches(candidate)]
    return describe(exhibits[0].case, found, _same)


def _candidate(
    exhibits: Sequence[Exhibit], mistakes: tuple[Mistake, ...]
) -> Candidate | None:
    """The mistakes, if they give at least one of the wrong leaves."""
    matches, hits, given = [], [], []
    for exhibit in exhibits:
        leaves = _leaves(exhibit, mistakes)
        if leaves is None:
            return None
        given.append(leaves)
        for name in exhibit.right:
            matches.append(_close(exhibit.found.get(name), leaves.get(name)))
            if matches[-1] and name in exhibit.wrong:
                hits.append(name)
    if not hits:
        return None
    evidence = f"gives your {', '.join(dict.fromkeys(hits))}"
    score = sum(matches) / len(matches)
    return Candidate(mistakes, tuple(given), score, len(hits), evidence)


def _leaves(exhibit: Exhibit, mistakes: Sequence[Mistake]) -> Leaves | None:
    if len(mistakes) == 1:
        leaves = _catalogue(exhibit.case)[mistakes[0].name]
    else:
        leaves = try_replay(exhibit.case, mistakes)
    try:
        return None if leaves is None else exhibit.rename(leaves, exhibit.case)
    except (ValueError, IndexError):
        return None


@remembered
def _catalogue(case: Case) -> dict[str, Leaves | None]:
    """What each mistake of the catalogue gives on a case, by the mistake's name."""
    return {mistake.name: try_replay(case, (mistake,)) for mistake in of(case.like)}


def _close(one: Any, two: Any) -> bool:
    if one is None or two is None or np.shape(one) != np.shape(two):
        return False
    one, two = np.asarray(one, np.float64), np.asarray(two, np.float64)
    scale = np.abs(two).max(initial=0)
    return bool((np.abs(one - two) <= CLOSE * scale).all())


def _same(one: Candidate, two: Candidate) -> bool:
    if one.score == 1:
        return True  # both equal what was found
    return all(
        _close(a[name], b[name])
        for a, b in zip(one.leaves, two.leaves, strict=True)
        for name in a
    )


def _of_caches(candidate: Candidate) -> bool:
    return any(mistake.store is not None for mistake in candidate.mistakes)


def _pairs(
    exhibits: Sequence[Exhibit], mistakes: Sequence[Mistake]
) -> Iterator[Candidate]:
    """Pairs that give all leaves of all cases.

    The shortest case comes first: on one step the mistakes of the loop over time do
    nothing, so it shows the mistakes of the step alone.
    """
    if not all(_can_be_given(exhibit) for exhibit in exhibits):
        return
    ordered = sorted(exhibits, key=lambda exhibit: _steps(exhibit.case))
    until = time.monotonic() + PATIENCE
    for pair in _likely_pairs(ordered[0], mistakes):
        if time.monotonic() > until:
            return
        if all(_gives(exhibit, pair) for exhibit in ordered):
            candidate = _candidate(exhibits, pair)
            if candidate is not None:
                yield candidate


def _can_be_given(exhibit: Exhibit) -> bool:
    """Whether all leaves are there and finite; if not, no re-enactment equals them."""
    found = [exhibit.found.get(name) for name in exhibit.right]
    return all(leaf is not None and np.isfinite(leaf).all() for leaf in found)


def _likely_pairs(
    shortest: Exhibit, mistakes: Sequence[Mistake]
) -> Iterator[tuple[Mistake, ...]]:
    """Those that the shortest case leaves possible."""
    unharmed = dataclasses.replace(shortest, found=shortest.right)
    silent = [mistake for mistake in mistakes if _gives(unharmed, (mistake,))]
    alone = [m for m in mistakes if m not in silent and _gives(shortest, (m,))]
    if _gives(shortest, ()):
        pairs = combinations(silent, 2)
    elif alone:
        pairs = product(alone, silent)  # type: ignore[assignment]
    else:
        pairs = combinations(mistakes, 2)
    for one, two in pairs:
        if may_combine(one, two) and not (one.harmless and two.harmless):
            yield one, two
        elif may_combine(two, one):
            yield two, one


def _steps(case: Case) -> int:
    return int(case.inputs["da"].shape[2]) if "da" in case.inputs else 1


def _gives(exhibit: Exhibit, mistakes: Sequence[Mistake]) -> bool:
    """Whether the mistakes give all that was found on a case."""
    leaves = _leaves(exhibit, mistakes)
    if leaves is None:
        return False
    return all(
        _close(exhibit.found.get(name), leaves.get(name)) for name in exhibit.right
    )
