"""Numbers that someone posted: read from text, and compared in the digits shown."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from ..report import Row
from ..rounding import Floats, first_from_the_end
from .replay import Leaves

ENTRY = re.compile(
    r"""(?:\w+\[)?["']?(?P<leaf>[A-Za-z]\w*)["']?\]?      # gradients["dx"] or dx
        (?P<index>(?:\s*\[\s*\d[\d,\s]*\])+)               # [1][2] or [1, 2]
        \s*[=:]\s*
        (?P<value>\[[^\]]*\]|[-+]?[\d.]+(?:[eE][-+]?\d+)?) # one number or a row""",
    re.VERBOSE,
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Posted(NamedTuple):
    """One printed entry: a number, or a row of numbers, with the digits shown."""

    name: str
    leaf: str
    place: tuple[int, ...]
    values: Floats  # (n,)
    decimals: int

    def of(self, leaves: Leaves) -> Floats:
        """The numbers of a pass at the same place."""
        return np.ravel(np.asarray(leaves[self.leaf])[self.place])

    def matches(self, leaves: Leaves) -> list[bool]:
        """Number by number: equal to the digits shown."""
        value = self.of(leaves)
        if value.shape != self.values.shape:
            return [False] * self.values.size
        slack = 0.505 * 10.0**-self.decimals + 1e-9 * np.abs(self.values)
        return list(np.abs(value - self.values) <= slack)


def read(numbers: str | Mapping[str, Any], right: Leaves) -> list[Posted]:
    """The entries in a text or a mapping; they must be entries of the right leaves.

    >>> entry, = read("dba[4] = -0.747", {"dba": np.zeros((5, 1))})
    >>> entry.leaf, entry.place, entry.decimals
    ('dba', (4,), 3)
    """
    if isinstance(numbers, str):
        pairs = [
            (match["leaf"] + match["index"], match["value"])
            for match in ENTRY.finditer(numbers)
        ]
    else:
        pairs = [(key, value) for key, value in numbers.items()]
    if not pairs:
        raise ValueError(
            "expected entries such as dx[1][2] = [0.1, 0.2] or dba[4] = 0.3, found none"
        )
    return [_posted(key, value, right) for key, value in pairs]


def _posted(key: str, value: Any, right: Leaves) -> Posted:
    name = re.sub(r"\s+", "", key)
    leaf = re.split(r"\[", name)[0]
    index = tuple(int(i) for i in re.findall(r"\d+", name[len(leaf) :]))
    if leaf not in right:
        raise ValueError(f"expected one of {sorted(right)}, got {leaf!r}")
    texts = NUMBER.findall(value) if isinstance(value, str) else _texts(value)
    try:
        size = right[leaf][index].size
    except IndexError:
        size = -1
    if size != len(texts):
        raise ValueError(
            f"expected {name} of {leaf} {right[leaf].shape} to be "
            f"{max(size, 0)} numbers, got {len(texts)}"
        )
    values = np.array([float(text) for text in texts])
    return Posted(name, leaf, index, values, max(map(_decimals, texts)))


def _texts(value: Any) -> list[str]:
    return [repr(float(number)) for number in np.ravel(value)]


def _decimals(text: str) -> int:
    exponent = Decimal(text).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def row(entry: Posted, right: Leaves) -> Row:
    """The entry beside what the public test, or the case given, should print."""
    value = entry.of(right)
    scale = float(np.max(np.abs(right[entry.leaf]))) or 1.0
    error = np.abs(value - entry.values)
    worst = int(np.argmax(error))
    matches = entry.matches(right)
    passed = all(matches)
    return Row(
        entry.name,
        "public test",
        float(error[worst]) / scale,
        0.5 * 10.0**-entry.decimals / scale,
        f"[{worst}]" if len(value) > 1 else "",
        _step(entry, matches),
        passed,
        note="" if passed else f"expected {value[worst]:.8g}",
    )


def _step(entry: Posted, matches: list[bool]) -> int | None:
    """The last wrong step, where the entry is a row over time."""
    if entry.leaf != "dx" or len(entry.place) != 2:
        return None
    return first_from_the_end([not match for match in matches])
