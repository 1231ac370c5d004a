"""What is plain to see, and is said before any name: all zero, all not-a-number."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...report import Suspicion


def everything(found: Mapping[str, Any]) -> Suspicion | None:
    """All leaves zero, or all of them not a number.

    >>> everything({"dx": np.zeros(3), "dba": np.zeros(2)}).names
    ('everything is zero',)
    """
    leaves = [np.asarray(leaf, np.float64) for leaf in found.values() if np.size(leaf)]
    if not leaves:
        return None
    if all((leaf == 0).all() for leaf in leaves):
        return Suspicion(
            ("everything is zero",),
            "Every entry of every leaf is exactly 0: nothing was put into what "
            "is returned. The loop is never entered, or its results never stored, "
            "or the gradient that it starts from is zero.",
            "check that the loop runs, and that each leaf is assigned in it",
            1.0,
            "all leaves are 0",
        )
    if all(np.isnan(leaf).any() for leaf in leaves):
        return Suspicion(
            ("everything is not-a-number",),
            "Every leaf holds not-a-number: 0 / 0, the logarithm of a negative "
            "number or an overflow came in before the first product, or an array "
            "from np.empty was read.",
            "print np.isnan(...).any() after each line of the last step",
            1.0,
            "all leaves hold nan",
        )
    return None


def remarks(found: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[str]:
    """Leaves that are zero, steps that are missing, one step that is wrong."""
    for name, value in right.items():
        leaf = found.get(name)
        if leaf is None or np.shape(leaf) != np.shape(value):
            continue
        leaf = np.asarray(leaf, np.float64)
        if (leaf == 0).all() and (np.asarray(value) != 0).any():
            yield f"{name} is exactly zero: it is never written, or never added up"
        elif np.isnan(leaf).all():
            yield f"{name} is not-a-number as a whole"
        elif name == "dx" and leaf.ndim == 3:
            yield from _steps(name, leaf, np.asarray(value))


def _steps(name: str, leaf: Any, value: Any) -> Iterator[str]:
    scale = np.abs(value).max(initial=0)
    wrong = (np.abs(leaf - value) > 1e-6 * scale).any((0, 1))
    empty = (leaf == 0).all((0, 1))
    steps = leaf.shape[2]
    if empty.sum() == 1 and wrong[empty].all() and steps > 1:
        t = int(np.argmax(empty))
        yield f"{name} is zero at step {t} alone: it is not visited, or not stored"
    elif wrong.sum() == 1 and steps > 2:
        yield f"{name} is wrong at step {int(np.argmax(wrong))} alone"
