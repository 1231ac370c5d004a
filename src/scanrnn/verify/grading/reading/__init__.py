"""Reads what people paste: text of any kind in, a `Reading` out."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from ..cases import Case, official
from ..posted import Posted, Reading
from ..replay import Leaves, replay

ENTRY = re.compile(
    r"""(?:\w+\[)?["']?(?P<leaf>[A-Za-z]\w*)["']?\]?      # gradients["dx"] or dx
        (?P<index>(?:\s*\[\s*\d[\d,\s]*\])+)               # [1][2] or [1, 2]
        \s*[=:]\s*
        (?P<value>\[[^\]]*\]|[-+]?[\d.]+(?:[eE][-+]?\d+)?) # one number or a row""",
    re.VERBOSE,
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def understand(
    numbers: str | Mapping[str, Any], like: str, case: Case | None = None
) -> Reading:
    """What a post says, beside the case that it comes from.

    Args:
        numbers: the printed entries as text, or a mapping such as
            ``{"dx[1][2]": [...], "dba[4]": -1.40083774}``; any subset.
        like: the function that gave them.
        case: the case that they come from; if not given, the edition of the exercise's
            public test that fits best.

    Raises:
        ValueError: if nothing can be read.

    >>> entry, = understand("dba[4] = -0.747", "rnn_backward").posted
    >>> entry.leaf, entry.place, entry.decimals
    ('dba', (4,), 3)
    """
    case = official(like) if case is None else case
    right = replay(case)
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
    entries = tuple(_posted(key, value, right) for key, value in pairs)
    return Reading(like, case, right, entries)


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
