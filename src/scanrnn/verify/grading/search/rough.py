"""Numbers in few bits: enough to find what to run again.

What the exercise prints, and biases, are kept to three digits in two bytes. Everything
else is kept in one: a sign, and the logarithm in quarters of an octave.
"""

from typing import Any

import numpy as np

ROUGH = 2.5e-3  # the largest relative error of two bytes
COARSE = 0.1  # that of one byte
SHIFT = 2.0**8  # so that small numbers keep their digits
STEPS = 4  # an octave
LEAST = -20  # octaves: what is smaller counts as zero
GONE = 255  # not a number; 127 and 0 are the largest and zero
# The entries that the notebook prints.
PRINTED = {
    **dict.fromkeys(("dx", "dxt", "dWaa", "dWi", "dWo"), (1, 2)),
    **dict.fromkeys(("da0", "da_prev", "dc_prev"), (2, 3)),
    **dict.fromkeys(("dWax", "dWf", "dWc"), (3, 1)),
}


def printed(leaf: str, shape: tuple[int, ...]) -> Any:
    """Which of a leaf's entries are kept in two bytes, counted through.

    >>> printed("da0", (5, 10))
    array([23])
    """
    count = np.arange(np.prod(shape)).reshape(shape)
    return np.ravel(count[PRINTED.get(leaf, ())])


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


def shortest(table: Any) -> Any:
    """One byte a number.

    >>> one = longest(shortest(np.array([0.123, -40.0, 0.0, np.nan])))
    >>> [round(float(x), 4) for x in one]
    [0.125, -38.0546, 0.0, nan]
    """
    size = np.abs(table)
    with np.errstate(all="ignore"):
        octaves = np.log2(np.where(size > 0, size, 1))
    level = np.clip(np.round(STEPS * (np.nan_to_num(octaves) - LEAST)) + 1, 0, 126)
    level = np.where(size < 2.0**LEAST, 0, level)
    code = level + np.where((table < 0) & (level > 0), 128, 0)
    return np.where(np.isnan(table), GONE, code).astype(np.uint8)


def longest(codes: Any) -> Any:
    """Back to numbers."""
    return DECODED[codes]


def _decoded() -> Any:
    level = np.arange(128)
    size = np.where(level, 2.0 ** ((level - 1) / STEPS + LEAST), 0)
    both = np.concatenate((size, -size)).astype(np.float32)
    both[GONE] = np.nan
    return both


DECODED = _decoded()
