"""Options are checked where they are given: a number, a flag, a choice."""

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

# What to do with the complex outputs of a cell where floats are expected.
PARTS = "; sr.parts lays real and imaginary parts side by side"


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """``value`` as a plain int; NumPy's integers count, True and 2.0 do not.

    Raises:
        ValueError: if it is none, or less than ``least``.
    """
    is_flag = isinstance(value, bool | np.bool_)
    try:
        number = least - 1 if is_flag else operator.index(value)
    except TypeError:  # arrays under jit say so as well: they have no value yet
        number = least - 1
    if number < least:
        kind = "a positive integer" if least == 1 else f"an integer >= {least}"
        raise ValueError(f"expected {name}, {kind}, got {shown(value)}")
    return number


def flag(name: str, value: Any) -> bool:
    """``value`` as a plain bool.

    Raises:
        ValueError: if it is not True or False; a word such as "no" would be true.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"expected {name}=True or False, got {shown(value)}")
    return bool(value)


def fraction(name: str, value: Any) -> float:
    """``value`` as a float in [0, 1).

    Raises:
        ValueError: if it is not.
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(
        value, bool
    )
    if not is_number or not 0 <= value < 1:
        raise ValueError(f"expected {name}, a number in [0, 1), got {shown(value)}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """``value`` as a float above 0.

    Raises:
        ValueError: if it is not, or not finite.
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(
        value, bool
    )
    if not is_number or not 0 < value < float("inf"):
        raise ValueError(f"expected {name}, a number above 0, got {shown(value)}")
    return float(value)


def one_of(name: str, value: Any, known: Iterable[str]) -> str:
    """``value``, one of the known words.

    Raises:
        ValueError: if it is not.
    """
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        words = " or ".join(f'"{word}"' for word in known)
        raise ValueError(f"expected {name} {words}, got {shown(value)}")
    return value


def shown(value: Any) -> str:
    """The value in a message: short, and without the contents of an array."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array {value.dtype} {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
