"""Slips that lie in different layers of a pass, found one after the other.

On one step of one example only a slip inside of the step shows; on one step of several
examples one of the sums over examples does as well; on several steps all of them do. So
what gives the first is looked for first, and what the next still lacks among those
slips that do not show before. That finds two slips which together spoil everything, as
they do in a loop over time, and of which none alone gives a single leaf.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from .pairs import in_order, joined
from .shipped import Table
from .slips import Slip

KEPT = 8  # that give all of a layer are followed into the next, the plainest first
BEGUN = 40  # of the first layer, where many slips look alike
EXPLAINED = 3.0  # what it is worth, in cost, to give all that is wrong
LOST = 5.0  # what it costs, if a part is given by no one
Classes = tuple[int, ...]


class Layer(NamedTuple):
    """A case, and what every class of slips does there."""

    agree: Any  # (n, marks) gives what was found
    changed: Any  # (n, marks) differs from what is right
    wrong: Any  # (marks,) what was found is not right
    gives: Callable[[Slip], bool]  # runs a slip: does it give all that was found?


def layered(
    known: Table, layers: Sequence[Layer], usable: Any, seconds: float
) -> Iterator[Slip]:
    """Slips, most often two, that give all layers; the plainest first.

    Args:
        known: the classes.
        layers: the one that shows least comes first.
        usable: (n,) which classes may take part.
        seconds: how long to look.
    """
    until = time.process_time() + seconds
    found: list[Classes] = [()]
    quiet = usable
    for layer in layers:
        found = list(_through(known, layer, found, quiet, until))
        quiet = quiet & ~layer.changed.any(1)
        if not found:
            return
    for classes in found if found != [()] else ():
        slip = joined(known, classes)
        if slip is not None:
            yield slip


def _through(
    known: Table, layer: Layer, found: list[Classes], quiet: Any, until: float
) -> Iterator[Classes]:
    """What was found and gives this layer too, or does so with one more slip."""
    if found == [()]:
        yield from islice(_begun(known, layer, quiet, until), BEGUN)
        return
    enough = [classes for classes in found if _gives(known, layer, classes)]
    more = _continued(known, layer, found, quiet, until)
    yield from enough or islice(more, KEPT)


def _begun(known: Table, layer: Layer, quiet: Any, until: float) -> Iterator[Classes]:
    """The first layer that shows anything: a slip that gives all of it, or two."""
    if not layer.wrong.any():
        yield ()
        return
    shows = quiet & layer.changed.any(1)
    alone = [
        classes
        for classes in _in_order(known, layer, [()], shows & layer.agree.all(1))
        if time.process_time() < until and _gives(known, layer, classes)
    ]
    yield from alone
    if not alone:
        seconds = (until - time.process_time()) / 2
        parts = (layer.agree, layer.changed, layer.wrong, shows)
        for pair in in_order(known, *parts, seconds):
            if _gives(known, layer, pair):
                yield pair


def _continued(
    known: Table, layer: Layer, found: list[Classes], quiet: Any, until: float
) -> Iterator[Classes]:
    """One slip more, that did not show before and spoils nothing that is right."""
    harmless = ~(layer.changed & ~layer.wrong).any(1)
    usable = quiet & harmless & layer.changed.any(1)
    for classes in _in_order(known, layer, found, usable):
        if time.process_time() > until:
            return
        if _gives(known, layer, classes):
            yield classes


def _in_order(
    known: Table, layer: Layer, found: list[Classes], which: Any
) -> list[Classes]:
    """The likeliest first: slips of little cost, that explain some part as it is.

    Before all come those of which each part that is found is given by one, or touched
    by the other: two slips in one place are rarer.
    """
    explained = (layer.agree & layer.changed & layer.wrong).sum(1)
    worth = known.cost - EXPLAINED * explained / max(1, layer.wrong.sum())
    more = np.flatnonzero(which)
    every: list[tuple[float, Classes]] = []
    for classes in found:
        lost = np.zeros(len(more))
        if classes:
            given = layer.agree[list(classes)].any(0)
            lost = (~(given | layer.changed[more])).any(1) * LOST
        total = worth[more] + lost + sum(worth[i] for i in classes)
        every += [
            (float(w), (*classes, int(i))) for w, i in zip(total, more, strict=True)
        ]
    return [classes for _, classes in sorted(every)]


def _gives(known: Table, layer: Layer, classes: Classes) -> bool:
    slip = joined(known, classes)
    return slip is not None and layer.gives(slip)
