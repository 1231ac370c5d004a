"""Two slips at once: looked for among those of which one alone explains a part.

Every half changes only what is wrong, both together change all of it, and what one
half gives right as it stands the other leaves alone. So most pairs are never run.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any, TypeGuard

import numpy as np

from .shipped import Table
from .slips import Edited, Listed, Several, Slip, fit

MOST = 0.9  # of what is wrong, that both together change: some change is too small
FIRST = 60  # halves that explain something which are tried, the best of them
CHEAP = 1.25  # slips that are likely enough to be tried where nothing explains a part


def likely(
    known: Table, agree: Any, changed: Any, wrong: Any, usable: Any, seconds: float
) -> Iterator[Slip]:
    """Pairs in the order in which they are worth running, until the time is over.

    Args:
        known: the classes.
        agree: (n, parts) whether a class gives a part of what was found.
        changed: (n, parts) whether it changes this part at all.
        wrong: (parts,) whether it is wrong.
        usable: (n,) which classes may take part.
        seconds: how long to go on.
    """
    for pair in in_order(known, agree, changed, wrong, usable, seconds):
        slip = joined(known, pair)
        if slip is not None:
            yield slip


def in_order(
    known: Table, agree: Any, changed: Any, wrong: Any, usable: Any, seconds: float
) -> Iterator[tuple[int, int]]:
    """As `likely`, the numbers of their classes."""
    until = time.process_time() + seconds
    harmless = ~(changed & ~wrong).any(1) & usable
    explained = agree & changed & wrong
    for pair in _order(harmless, explained, changed, wrong, known.cost):
        if time.process_time() > until:
            return
        yield pair


def _order(
    harmless: Any, explained: Any, changed: Any, wrong: Any, cost: Any
) -> Iterator[tuple[int, int]]:
    count = np.where(harmless, explained.sum(1), 0)
    firsts = [int(i) for i in np.lexsort((cost, -count)) if count[i]]
    found = []
    total = wrong.sum()
    for i in _various(firsts, explained):
        rest = wrong & ~explained[i]
        moved = ((changed | changed[i]) & wrong).sum(1)
        beside = harmless & (moved >= MOST * total)
        beside[i] = False
        # One that alone would spoil what is explained may do nothing beside the other.
        spoiled = (changed & explained[i]).any(1)
        # what the other explains of the rest, as it stands, is worth several slips
        own = (explained & rest).sum(1) / max(1, rest.sum())
        worth = cost[i] + cost + spoiled - 2 * own - 2 * count[i] / total
        others = np.flatnonzero(beside)
        found.append((worth[others], np.full(others.size, i), others))
    if found:
        worth, one, two = (np.concatenate(part) for part in zip(*found, strict=True))
        for k in np.lexsort((two, one, worth)):
            yield int(one[k]), int(two[k])
    if not firsts:
        cheap = np.flatnonzero(harmless & (cost <= CHEAP))
        order = cheap[np.argsort(cost[cheap], kind="stable")]
        for a, i in enumerate(order):
            yield from ((int(i), int(j)) for j in order[:a])


def _various(firsts: list[int], explained: Any) -> list[int]:
    """Of those that explain the same parts the plainest few, of each kind some."""
    seen: dict[bytes, int] = {}
    chosen = []
    for i in firsts:
        kind = explained[i].tobytes()
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= FIRST // 4:
            chosen.append(i)
        if len(chosen) == FIRST:
            break
    return chosen


def joined(known: Table, classes: Sequence[int]) -> Slip | None:
    """Slips of several classes at once, in one program if there is one."""
    if len(classes) == 1:
        return known.slips(classes[0])[0]
    slips = [known.slips(i) for i in classes]
    edited = [
        [(place, slip.edits[0]) for place, slip in enumerate(some) if _is_edit(slip)]
        for some in slips
    ]
    beside = [
        (len({edit.form for _, edit in some}), sum(k for k, _ in some), some)
        for some in product(*edited)
        if all(fit(one, two) for (_, one), (_, two) in combinations(some, 2))
    ]
    if beside:
        *_, best = min(beside, key=lambda found: found[:2])
        words = tuple(some[0] for some in slips)
        return Several(Edited(tuple(edit for _, edit in best)), words)
    by_hand = [next((s for s in some if isinstance(s, Listed)), None) for some in slips]
    if len(by_hand) != 2 or by_hand[0] is None or by_hand[1] is None:
        return None
    return by_hand[0].beside(by_hand[1])


def _is_edit(slip: Slip) -> TypeGuard[Edited]:
    return isinstance(slip, Edited)
