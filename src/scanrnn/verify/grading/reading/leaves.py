"""Which entry of which leaf a printed name means, function by function."""

import re
from typing import NamedTuple

import numpy as np

from ..cases import Case, split
from ..mistakes.passes import KINDS
from ..posted import Place
from ..replay import Leaves

# What else a leaf is called, where the function has no leaf of that name itself.
OTHERWISE = {
    **{"y": "y_pred", "y_pred": "y", "yt": "yt_pred", "yhat": "y_pred"},
    **{"c": "c_next", "a": "a_next", "c_next": "c", "a_next": "a"},
    **{"dWu": "dWi", "dbu": "dbi", "da_prevt": "da_prev", "dc_prevt": "dc_prev"},
    **{"db_a": "dba", "dW_aa": "dWaa", "dW_ax": "dWax", "da_0": "da0"},
}
OUTPUTS = ["a", "y", "c", "a_next", "c_next", "yt_pred", "y_pred", "cache", "caches"]
STATES = ["dx", "dxt", "da0", "da_prev", "dc_prev"]
WEIGHTS = [f"d{name}" for kind in KINDS.values() for name in kind.weights]
NAMES = {*OUTPUTS, *STATES, *WEIGHTS, *OTHERWISE}
SUFFIX = re.compile(r"_(?:tmp|test|out|result)$")


class Target(NamedTuple):
    """An entry of a leaf, or of an input that a cache hands through."""

    name: str  # as a report calls it
    leaf: str
    place: Place
    of_input: bool = False


def target(name: str, index: str, right: Leaves, case: Case) -> Target | None:
    """The entry, if the function has such a leaf; None if not.

    >>> from scanrnn.verify.grading.cases import official
    >>> from scanrnn.verify.grading.replay import replay
    >>> case = official("rnn_backward")
    >>> target("dx", "[1, 2][-1]", replay(case), case)[:3]
    ('dx[1][2][-1]', 'dx', (1, 2, -1))
    """
    place = tuple(map(_index, re.findall(r"[^\[\],\s][^\[\],]*", index)))
    name = SUFFIX.sub("", name)
    if name in ("cache", "caches"):
        return _cached(place, right, case)
    leaf = name if name in right else OTHERWISE.get(name, "")
    if leaf not in right:
        return None
    return Target(leaf + "".join(map(_show, place)), leaf, place)


def _index(text: str) -> int | slice:
    text = text.strip()
    if ":" not in text:
        return int(text) if text != "..." else slice(None)
    start, stop = (int(part) if part.strip() else None for part in text.split(":"))
    return slice(start, stop)


def _show(index: int | slice) -> str:
    if isinstance(index, int):
        return f"[{index}]"
    start, stop = ("" if end is None else end for end in (index.start, index.stop))
    return f"[{start}:{stop}]"


def _cached(place: Place, right: Leaves, case: Case) -> Target | None:
    """An entry of what a forward function stores: cache[k] or caches[0][t][k]."""
    cell, one_step, backward = split(case.like)
    at = [i for i in place if isinstance(i, int)]
    if backward or len(at) < len(place):
        return None
    name = ("cache" if one_step else "caches") + "".join(map(_show, at))
    if not one_step:
        if at[:1] == [1]:
            return Target("x" + "".join(map(_show, at[1:])), "x", place[1:], True)
        if len(at) < 3 or at[0] != 0:
            return None
    step, (which, *inside) = ([], at or [-1]) if one_step else ([at[1]], at[2:])
    stored = KINDS[cell].cache
    leaf = f"cache {stored[which]}" if 0 <= which < len(stored) else ""
    if leaf not in right:
        return None
    free = [slice(None)] * (np.ndim(right[leaf]) - len(step) - len(inside))
    return Target(name, leaf, (*inside, *(free if step else ()), *step))
