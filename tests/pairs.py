"""Which combinations are tried: every pair of values of two axes at least once.

A mistake shows, as a rule, where two choices meet: a cell and a way back, an option and
a dtype. So the suite tries as many combinations as hold all such pairs, and no more;
the others are marked `exhaustive`, and ``pytest -m exhaustive`` runs them.

Source: Kuhn, Wallace and Gallo 2004, "Software Fault Interactions and Implications for
Software Testing". The choice is greedy: the combination with most new pairs comes next.
(allpairspy was tried; with a filter it leaves pairs out.)
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest

Combination = tuple[Any, ...]


def chosen(
    *axes: Iterable[Any],
    where: Callable[..., bool] = lambda *values: True,
    together: int = 2,
) -> list[Combination]:
    """Combinations of hashable values, one of each axis, in which every pair occurs.

    Args:
        axes: at least as many as ``together``.
        where: whether a combination makes sense; it is given all its values.
        together: 2 for every pair of values, 1 for every value, 3 for every triple.
    """
    sensible = {
        values: set(itertools.combinations(enumerate(values), together))
        for values in itertools.product(*axes)
        if where(*values)
    }
    missing: set[Any] = set().union(*sensible.values())
    found = []
    while missing:
        best = max(sensible, key=lambda values: len(sensible[values] & missing))
        found.append(best)
        missing -= sensible[best]
    return found


def pairs(
    *axes: Iterable[Any],
    where: Callable[..., bool] = lambda *values: True,
    together: int = 2,
    needed: list[Combination] | None = None,
) -> list[Any]:
    """All combinations, as params; those that are not needed are exhaustive.

    What is needed is what `chosen` says if it is not given.
    """
    values_of = [list(axis) for axis in axes]
    if needed is None:
        needed = chosen(*values_of, where=where, together=together)
    return [
        pytest.param(*values, marks=() if values in needed else pytest.mark.exhaustive)
        for values in itertools.product(*values_of)
        if where(*values)
    ]


def each(*axes: Iterable[Any]) -> list[Any]:
    """All combinations, as params; in those that are not exhaustive every value occurs.

    For what does not depend on how the choices meet.
    """
    return pairs(*axes, together=1)
