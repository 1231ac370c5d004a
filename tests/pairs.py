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


def pairs_in(combination: Combination) -> set[Any]:
    """Every two of its values, each with its axis."""
    return set(itertools.combinations(enumerate(combination), 2))


def chosen(
    *axes: Iterable[Any], where: Callable[..., bool] = lambda *values: True
) -> list[Combination]:
    """Combinations of hashable values, one of each axis, in which every pair occurs.

    Args:
        axes: at least two.
        where: whether a combination makes sense; it is given all its values.
    """
    sensible = {
        values: pairs_in(values)
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
    *axes: Iterable[Any], where: Callable[..., bool] = lambda *values: True
) -> list[Any]:
    """All combinations, as params; those that no pair needs are exhaustive."""
    values_of = [list(axis) for axis in axes]
    needed = chosen(*values_of, where=where)
    return [
        pytest.param(*values, marks=() if values in needed else pytest.mark.exhaustive)
        for values in itertools.product(*values_of)
        if where(*values)
    ]
