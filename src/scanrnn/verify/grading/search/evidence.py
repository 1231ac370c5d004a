"""How much a number that was posted proves: its digits, and what chance would give."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...rounding import Floats
from ..posted import Posted
from ..replay import Leaves

MANY = 2e6  # pairs that could be tried; what two slips reproduce must beat that
LUCK = 0.01  # above it, "all digits" may be chance, and is not called certain


class Numbers(NamedTuple):
    """All numbers of a post, counted through."""

    values: Floats  # (n,)
    low: Floats
    high: Floats
    right: Floats  # (n,) what they should be
    wrong: Any  # (n,) bool
    digits: Floats  # (n,) how many digits each of them proves

    def agree(self, found: Floats, about: Floats | float = 0.0) -> Any:
        """(..., n) which numbers lie where the digits shown allow."""
        slack = about * np.maximum(np.abs(self.values), np.abs(self.right))
        inside = (found >= self.low - slack) & (found <= self.high + slack)
        return inside | (np.isnan(found) & np.isnan(self.values))

    def strength(self, agree: Any, tried: float) -> float:
        """Digits that are explained, less those that so many trials give by chance."""
        lost = self.digits[~self.wrong & ~agree].sum()
        return float(self.digits[self.wrong & agree].sum() - lost - np.log10(tried))

    def chance(self, agree: Any, tried: float) -> float:
        """How many of so many wrong passes would give these digits by chance."""
        return float(tried * 10.0 ** -self.digits[self.wrong & agree].sum())


def numbers(posted: Sequence[Posted], right: Leaves) -> Numbers:
    """The numbers of a post beside the right ones."""
    values, low, high, expected = (
        np.concatenate([np.ravel(part(entry)) for entry in posted])
        for part in (
            lambda entry: entry.values,
            lambda entry: entry.low,
            lambda entry: entry.high,
            lambda entry: _of(entry, right),
        )
    )
    wrong = ~np.concatenate([np.array(entry.matches(right)) for entry in posted])
    scale = np.nan_to_num(np.abs(values), nan=1.0, posinf=1.0) + np.abs(expected)
    share = np.clip((high - low) / np.where(scale > 0, scale, 1.0), 1e-9, 1.0)
    digits = np.where(np.isfinite(values), -np.log10(share), 0.5)
    digits = np.where(values == 0, np.minimum(digits, 1.0), digits)
    return Numbers(values, low, high, expected, wrong, digits)


def _of(entry: Posted, leaves: Leaves) -> Floats:
    found = entry.of(leaves)
    if found.shape != entry.values.shape:
        return np.full(entry.values.shape, np.nan)
    return found


def given(posted: Sequence[Posted], leaves: Leaves) -> Floats:
    """(n,) what a pass gives at all places of a post; nan where it has no such leaf."""
    parts = []
    for entry in posted:
        try:
            parts.append(np.ravel(_of(entry, leaves)).astype(np.float64))
        except (KeyError, IndexError, TypeError, ValueError):
            parts.append(np.full(entry.values.size, np.nan))
    return np.concatenate(parts)
