"""What the functions of the character model check of what comes; its errors."""

import math
import operator
from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from .border import Floats, read

NAMES = ("Wax", "Waa", "Wya", "b", "by")
NOTHING = -1  # the exercise's None, among tokens


def read_model(parameters: Any, /, **values: ArrayLike) -> dict[str, Floats]:
    """`read` of the five parameters; as many inputs as outputs, the characters."""
    arrays = read(parameters, NAMES, **values)
    wax, wya = arrays["Wax"].shape, arrays["Wya"].shape
    if wax[1] != wya[0]:
        raise ValueError(
            "expected Wax (n_a, n_x) and Wya (n_y, n_a) with n_x = n_y, the number of "
            f"characters, got {wax} and {wya}"
        )
    return arrays


def read_indices(
    name: str, values: Any, size: int, *, or_none: bool = False
) -> list[int]:
    """At least one index in [0, size); NOTHING for None, where that may come."""
    try:
        given = [None if v is None else operator.index(v) for v in values]
    except TypeError:
        given = []
    fits = all(or_none if v is None else 0 <= v < size for v in given)
    if not given or not fits:
        raise ValueError(
            f"expected {name}, a list of indices in [0, {size})"
            f"{', or None for the zero vector' * or_none}, got {values!r}"
        )
    return [NOTHING if v is None else v for v in given]


def read_number(name: str, value: Any) -> float:
    """A float that is not NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"expected {name}, a number, got {value!r}")
    return number


def read_count(name: str, value: Any, least: int) -> int:
    """An integer from ``least`` on, below 2³¹."""
    try:
        count = operator.index(value)
    except TypeError:
        count = least - 1
    if not least <= count < 2**31:
        raise ValueError(f"expected {name}, an integer from {least} on, got {value!r}")
    return count


def check_characters(char_to_ix: Any, size: int | None) -> None:
    """The indices 0 to size - 1, each of one character; the newline is one of them."""
    if not isinstance(char_to_ix, Mapping) or "\n" not in char_to_ix:
        raise ValueError(
            "expected char_to_ix, a dictionary from characters to indices with '\\n', "
            f"which ends a name; got {short(char_to_ix)}"
        )
    size = len(char_to_ix) if size is None else size
    if len(char_to_ix) != size or set(char_to_ix.values()) != set(range(size)):
        raise ValueError(
            f"expected char_to_ix with the indices 0 to {size - 1}, one for each of "
            f"{size} characters (vocab_size, the rows of by), got {short(char_to_ix)}"
        )


def check_inverse(ix_to_char: Any, char_to_ix: Mapping[str, int]) -> None:
    """ix_to_char is char_to_ix the other way round."""
    inverse = {index: character for character, index in char_to_ix.items()}
    if not isinstance(ix_to_char, Mapping) or dict(ix_to_char) != inverse:
        raise ValueError(
            "expected ix_to_char = {index: character for character, index in "
            f"char_to_ix.items()}}, got {short(ix_to_char)}"
        )


def short(value: Any) -> str:
    """What came, cut to fit into a sentence."""
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:57]}..."
