"""Naming: the slips whose wrong numbers equal those that a function gave.

What was found is looked up among the fingerprints of all slips; those that agree are
run again on every case, and only what they then give counts.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ..report import Suspicion
from .candidates import Candidate, after, describe
from .cases import Case, split
from .conventions import back
from .replay import Leaves, replay
from .search.combined import combined, probed
from .search.fitted import fitted
from .search.layers import Layer, layered
from .search.marks import marks, of_leaves, same
from .search.pattern import implied_by_leaves
from .search.plain import everything, remarks
from .search.shipped import Table, fixed, known_as, table, two_steps
from .search.slips import Edited, Slip, fit

CLOSE = 1e-6  # of the leaf's largest entry: a re-enactment agrees to rounding
UNEXPLAINED = (
    "no single slip that is known, and no two of them, give all that was found"
)
TRIED = 40  # classes that are run again
PATIENCE = 5.0  # seconds that each search for pairs may take
PLAINER = 1.0  # seconds, where formulas give all: known slips would be plainer words


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

    @functools.cached_property
    def in_course(self) -> Leaves:
        """What was found, in the exercise's names and layout."""
        return back(self.rename)(self.found, self.case)


Probe = Callable[[Case], Exhibit | None]


@np.errstate(all="ignore")
def suspects(
    exhibits: Sequence[Exhibit], given: bool, probe: Probe
) -> tuple[list[Suspicion], list[Slip]]:
    """Ranks slips by the share of leaves they reproduce.

    Pairs are tried where no single slip gives all leaves of all cases. Where right
    caches were given, a slip of the forward pass is named only if no other will do: the
    function may take its cache apart in the wrong order.

    Args:
        exhibits: what the function gave.
        given: whether right caches were given.
        probe: runs the function on one case more.

    Returns:
        The suspicions; and the slips that give all of it, the likeliest first.
    """
    if not any(exhibit.wrong for exhibit in exhibits):
        return [], []  # only a shape, a changed argument or a last digit is wrong
    given = given and back(exhibits[0].rename) is back(None)
    known = table(exhibits[0].case.like)
    found = [
        c for i in _fitting(known, exhibits, given) for c in _of(known, i, exhibits)
    ]
    if not any(candidate.score == 1 for candidate in found):
        found += _by_formulas(known, exhibits, probe)
    whole = [candidate.slip for candidate in found if candidate.score == 1]
    if not any(map(_is_one, whole)):
        seconds = min(PATIENCE, PLAINER) if whole else PATIENCE
        found += _several(known, exhibits, given, probe, seconds)
    found.sort(key=lambda c: (-c.score, given and c.slip.forward, c.slip.cost))
    every = [s for c in found if c.score == 1 for s in (c.slip, *c.alike)]
    plain, found = after(everything(exhibits[0].found), found)
    return [*plain, *describe(exhibits[0].case, found, _same)], every


@np.errstate(all="ignore")
def implied(exhibits: Sequence[Exhibit], found: Sequence[Suspicion]) -> Iterator[str]:
    """What is plain to see; and what follows from it, where no slip gives all of it."""
    wrong = [exhibit for exhibit in exhibits if exhibit.wrong]
    if not wrong:
        return
    telling = next((e for e in wrong if known_as(e.case) == "usual"), wrong[0])
    right = replay(telling.case)
    in_course = telling.in_course
    yield from remarks(in_course, right)
    if not any(suspicion.score == 1 for suspicion in found):
        yield UNEXPLAINED
        if split(telling.case.like)[2]:
            yield from implied_by_leaves(telling.case, in_course)


def _fitting(known: Table, exhibits: Sequence[Exhibit], given: bool) -> list[int]:
    """The classes whose marks agree with some wrong leaf, the best first."""
    share = np.zeros(known.size)
    hits = np.zeros(known.size, bool)
    names = {known_as(exhibit.case) for exhibit in exhibits}
    for exhibit in exhibits:
        name = known_as(exhibit.case)
        if name in known.stored:
            agree, wrong, _ = _marked(known, exhibit, name)
            leaves = of_leaves(known.right(name))
            agree, wrong = agree[:, leaves], wrong[leaves]
        elif name == "public" and "usual" not in names:
            agree, wrong = _by_entries(known, exhibit)
        else:
            continue
        share += agree.mean(1)
        hits |= (agree & wrong).any(1)
    order = np.lexsort((known.cost, known.forward & given, -np.round(share, 6)))
    chosen = [int(i) for i in order if hits[i]]
    full = [i for i in chosen if share[i] > share[chosen[0]] - 1e-6]
    return chosen[: max(TRIED, min(len(full), 3 * TRIED))]


def _marked(known: Table, exhibit: Exhibit, name: str) -> tuple[Any, Any, Any]:
    """(n, marks) which agree; (marks,) which are wrong; (marks,) those found."""
    right = known.right(name)
    found = marks(exhibit.in_course, right)
    given = known.marks(name)
    agree = same(given, found) | (np.isnan(given) & np.isnan(found))  # no such leaf
    return agree, ~same(marks(right, right), found), found


def _by_entries(known: Table, exhibit: Exhibit) -> tuple[Any, Any]:
    """(n, leaves) which leaves agree on the public test, roughly; which are wrong.

    For a function that runs there alone: where caches are longer than da, say.
    """
    leaves = [leaf for leaf in exhibit.right if f"entries/{leaf}" in known.stored]
    agree = np.zeros((known.size, len(leaves)), bool)
    for k, leaf in enumerate(leaves):
        found = exhibit.found.get(leaf)
        if found is not None:
            entries, rough = known.entries(leaf)
            near = 2 * rough * np.abs(found).ravel() + 1e-4
            agree[:, k] = (np.abs(entries - found.ravel()) <= near).all(1)
    return agree, np.array([leaf in exhibit.wrong for leaf in leaves], bool)


def _of(known: Table, i: int, exhibits: Sequence[Exhibit]) -> list[Candidate]:
    first, *others = known.slips(i)
    candidate = _candidate(exhibits, first)
    return [] if candidate is None else [candidate._replace(alike=tuple(others))]


def _candidate(exhibits: Sequence[Exhibit], slip: Slip) -> Candidate | None:
    """The slip, if it gives at least one of the wrong leaves."""
    matches, hits, given = [], [], []
    for exhibit in exhibits:
        leaves = _leaves(exhibit, slip)
        given.append(leaves or {})
        for name in exhibit.right:
            found = exhibit.found.get(name)
            if found is None and leaves is not None:  # a wrong shape, as is the slip's
                shape = np.shape(leaves.get(name, 0))
                matches.append(shape != exhibit.right[name].shape)
                continue
            matches.append(leaves is not None and _close(found, leaves.get(name)))
            if matches[-1] and name in exhibit.wrong:
                hits.append(name)
    if not hits:
        return None
    evidence = f"gives your {', '.join(dict.fromkeys(hits))}"
    score = sum(matches) / len(matches)
    return Candidate(slip, tuple(given), score, len(hits), evidence)


def _leaves(exhibit: Exhibit, slip: Slip) -> Leaves | None:
    """What the slip gives, in the convention of the exhibit."""
    leaves = slip.run(exhibit.case)
    if leaves is None:
        return None
    right = replay(exhibit.case)
    if all(np.shape(leaves.get(n, 0)) == np.shape(x) for n, x in right.items()):
        try:
            return exhibit.rename(leaves, exhibit.case)
        except (ValueError, IndexError, KeyError):
            return None
    return leaves if back(exhibit.rename) is back(None) else None


def _close(one: Any, two: Any) -> bool:
    if one is None or two is None or np.shape(one) != np.shape(two):
        return False
    one, two = np.asarray(one, np.float64), np.asarray(two, np.float64)
    scale = np.nanmax(np.abs(two), initial=0)
    alike = (np.abs(one - two) <= CLOSE * scale) | (np.isnan(one) & np.isnan(two))
    return bool(alike.all())


def _same(one: Candidate, two: Candidate) -> bool:
    if one.score == 1:
        return True  # both equal what was found
    return all(
        _close(a.get(name), b.get(name))
        for a, b in zip(one.leaves, two.leaves, strict=True)
        for name in a
    )


def _is_one(slip: Slip) -> bool:
    """Whether it is a single slip: if it is not, two known ones may be plainer."""
    return len(slip.names) == 1 or not isinstance(slip, Edited)


def _by_formulas(
    known: Table, exhibits: Sequence[Exhibit], probe: Probe
) -> list[Candidate]:
    """Lines whose formulas are read off the function, if they give all of it."""
    like = exhibits[0].case.like
    if not like.endswith("backward"):
        return []

    def read(case: Case) -> Leaves | None:
        exhibit = probe(case)
        return None if exhibit is None else exhibit.in_course

    by_rows = back(exhibits[0].rename) is not back(None)
    slips = [*fitted(like, by_rows, read), Edited(())]

    def completed() -> Iterator[Edited]:
        found = probed(like, read)
        for slip in slips:
            whole = combined(like, by_rows, slip.edits, found)
            if whole is not None:
                yield whole
                yield from _with_one_more(known, exhibits, whole)

    more = (_with_one_more(known, exhibits, slip) for slip in slips if slip.edits)
    for some in (slips, chain.from_iterable(more), completed()):
        until = time.process_time() + PATIENCE / 3
        for slip in some:
            if slip.edits and all(_gives(exhibit, slip) for exhibit in exhibits):
                candidate = _candidate(exhibits, slip)
                return [] if candidate is None else [candidate]
            if time.process_time() > until:
                break
    return []


def _with_one_more(
    known: Table, exhibits: Sequence[Exhibit], slip: Edited
) -> Iterator[Edited]:
    """Beside formulas one edit that touches whatever they do not give."""
    usable = np.ones(known.size, bool)
    for exhibit in exhibits:
        name = known_as(exhibit.case)
        leaves = _leaves(exhibit, slip)
        if leaves is None or name not in known.stored:
            continue
        right = known.right(name)
        given = marks(back(exhibit.rename)(leaves, exhibit.case), right)
        lacks = ~same(given[None], marks(exhibit.in_course, right))[0]
        changed = known.changed(name)
        usable &= changed[:, lacks].all(1)
        if not lacks.any():
            usable &= ~changed.any(1)
    for i in np.argsort(known.cost, kind="stable"):
        if not usable[i]:
            continue
        for other in known.slips(int(i)):
            if isinstance(other, Edited) and all(
                fit(one, other.edits[0]) for one in slip.edits
            ):
                yield Edited((*slip.edits, *other.edits))
                break


def _several(
    known: Table,
    exhibits: Sequence[Exhibit],
    given: bool,
    probe: Probe,
    seconds: float,
) -> list[Candidate]:
    """Two slips, or three, that give all leaves of all cases."""
    if not all(_can_be_given(exhibit) for exhibit in exhibits):
        return []
    named: dict[str | None, Exhibit | None]
    named = {known_as(exhibit.case): exhibit for exhibit in exhibits}
    sized = "usual" if "usual" in named else "square"  # only there every slip can run
    if sized not in named:
        return []
    first: tuple[Exhibit, ...] = ()
    if "step" in known.stored and sized == "usual":
        named["step"] = probe(fixed(known.like)["step"])
        short = probe(two_steps(known.like))
        first = () if short is None else (short,)
    shown = {name: named.get(name) for name in ("small", "step", "usual", "square")}
    names = [name for name, exhibit in shown.items() if exhibit is not None]
    layers = [
        _layer(known, exhibit, name, first if name == "usual" else ())
        for name, exhibit in shown.items()
        if exhibit is not None
    ]
    usable = ~(known.forward & given)
    found: list[Candidate] = []
    for slip in chain(
        layered(known, layers, usable, seconds),
        layered(known, layers[names.index(sized) :], usable, seconds),
    ):
        candidate = _candidate(exhibits, slip)
        if candidate is not None and candidate.score == 1:
            found.append(candidate)
        if len(found) == 3:
            break
    return found


def _layer(
    known: Table, exhibit: Exhibit, name: str, first: tuple[Exhibit, ...]
) -> Layer:
    """What is known of a case; ``first`` is a quicker one, which is tried before."""
    agree, wrong, _ = _marked(known, exhibit, name)

    def gives(slip: Slip) -> bool:
        return all(_gives(each, slip) for each in (*first, exhibit))

    return Layer(agree, known.changed(name), wrong, gives)


def _can_be_given(exhibit: Exhibit) -> bool:
    """Whether some leaves are there, and finite; if not, any slip would equal them."""
    found = [exhibit.found.get(name) for name in exhibit.right]
    there = [leaf for leaf in found if leaf is not None]
    return bool(there) and all(np.isfinite(leaf).all() for leaf in there)


def _gives(exhibit: Exhibit, slip: Slip) -> bool:
    """Whether a slip gives all that was found on a case."""
    leaves = _leaves(exhibit, slip)
    if leaves is None:
        return False
    return all(
        np.shape(leaves.get(name, 0)) != right.shape  # so is what was found
        if exhibit.found.get(name) is None
        else _close(exhibit.found.get(name), leaves.get(name))
        for name, right in exhibit.right.items()
    )
