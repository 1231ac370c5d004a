"""Two slips at once: looked for among those of which one alone explains a part.

Every half changes only what is wrong, both together change all of it, and what one
half gives right as it stands the other leaves alone. So most pairs are never run.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from .shipped import Table
from .slips import Edited, Listed, Pair, Slip, fit

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
    until = time.process_time() + seconds
    harmless = ~(changed & ~wrong).any(1) & usable
    explained = agree & changed & wrong
    cost = known.cost
    for one, two in _order(harmless, explained, changed, wrong, cost):
        if time.process_time() > until:
            return
        pair = _pair(known, one, two)
        if pair is not None:
            yield pair


def _order(
    harmless: Any, explained: Any, changed: Any, wrong: Any, cost: Any
) -> Iterator[tuple[int, int]]:
    count = np.where(harmless, explained.sum(1), 0)
    firsts = [int(i) for i in np.lexsort((cost, -count)) if count[i]]
    found = []
    for i in _various(firsts, explained):
        rest = wrong & ~explained[i]
        beside = harmless & ((changed | changed[i]) | ~wrong).all(1)
        # One that alone would spoil what is explained may do nothing beside the other.
        spoiled = (changed & explained[i]).any(1)
        # what the other explains of the rest, as it stands, is worth several slips
        own = (explained & rest).sum(1) / max(1, rest.sum())
        for j in np.flatnonzero(beside):
            if j != i:
                worth = cost[i] + cost[j] + spoiled[j]
                worth -= 2 * own[j] + 2 * count[i] / wrong.sum()
                found.append((float(worth), i, int(j)))
    yield from ((i, j) for _, i, j in sorted(found))
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


def _pair(known: Table, i: int, j: int) -> Slip | None:
    edited = [[s for s in known.slips(k) if isinstance(s, Edited)] for k in (i, j)]
    beside = [
        (one.edits[0].form != two.edits[0].form, a + b, (*one.edits, *two.edits))
        for a, one in enumerate(edited[0])
        for b, two in enumerate(edited[1])
        if fit(one.edits[0], two.edits[0])
    ]
    if beside:  # of one program if there is one: both of its lines are run
        *_, edits = min(beside, key=lambda found: found[:2])
        return Pair(Edited(edits), _words(known, i, j))
    by_hand = [
        next((s for s in known.slips(k) if isinstance(s, Listed)), None) for k in (i, j)
    ]
    if by_hand[0] is None or by_hand[1] is None:
        return None
    return by_hand[0].beside(by_hand[1])


def _words(known: Table, i: int, j: int) -> tuple[Slip, Slip]:
    """The plainest words of either half."""
    return known.slips(i)[0], known.slips(j)[0]
