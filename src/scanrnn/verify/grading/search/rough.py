"""Numbers in two bytes, to three digits: enough to find what to run again."""

from typing import Any

import numpy as np

ROUGH = 2.5e-3  # the largest relative error
SHIFT = 2.0**8  # so that small numbers keep their digits


def short(table: Any) -> Any:
    """Half precision with the last two bits cleared.

    >>> float(long(short(np.array([0.123])), (1,))[0])
    0.123046875
    """
    half = np.clip(table * SHIFT, -6e4, 6e4).astype(np.float16)
    bits = half.view(np.uint16)
    finite = np.isfinite(half)
    rounded = np.where(finite, (bits + 2) & 0xFFFC, bits)
    return np.ascontiguousarray(rounded.astype(np.uint16))


def long(bits: Any, shape: tuple[int, ...]) -> Any:
    """Back to numbers, rows of a leaf's entries."""
    return bits.view(np.float16).astype(np.float32).reshape(shape) / np.float32(SHIFT)
