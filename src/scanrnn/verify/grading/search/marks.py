"""Marks: a few numbers that tell leaves from each other, instead of all entries."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...rounding import Floats
from ..replay import Leaves

CLOSE = 3e-6  # of the leaf's size: marks are kept in single precision
TIMED = ("dx", "a", "c", "y", "y_pred")


def titles(right: Leaves) -> list[tuple[str, int | None]]:
    """What is marked: every leaf, and of a leaf over time every step."""
    found: list[tuple[str, int | None]] = []
    for leaf, value in right.items():
        found.append((leaf, None))
        if leaf in TIMED and value.ndim == 3:
            found += [(leaf, t) for t in range(value.shape[2])]
    return found


def marks(leaves: Mapping[str, Any] | None, right: Leaves) -> Floats:
    """One number for each title, relative to the right leaf; nan where none is."""
    return np.array([_mark(leaves, leaf, t, right) for leaf, t in titles(right)])


def _mark(
    leaves: Mapping[str, Any] | None, leaf: str, t: int | None, right: Leaves
) -> float:
    value = None if leaves is None else leaves.get(leaf)
    if value is None or np.shape(value) != right[leaf].shape:
        return np.nan
    scale = np.abs(right[leaf]).max(initial=0) or 1.0
    x = np.asarray(value if t is None else value[..., t], np.float64).ravel()
    return float(x @ _weights(x.size)) / float(scale)


@functools.cache
def _weights(size: int) -> Floats:
    """Between a half and one, irrational: nothing is lost, nothing cancels."""
    return 0.5 + 0.5 * np.modf(np.arange(1, size + 1) * 0.6180339887498949)[0]


def same(table: Floats, found: Floats) -> Any:
    """(n, marks) which marks of n rows agree with those found."""
    found = found.astype(np.float64)
    allowed = CLOSE * np.maximum(1.0, np.abs(found))
    with np.errstate(invalid="ignore"):
        return np.abs(table - found) <= allowed


def of_leaves(right: Leaves) -> Sequence[int]:
    """Which of the marks are those of whole leaves."""
    return [i for i, (_, t) in enumerate(titles(right)) if t is None]
