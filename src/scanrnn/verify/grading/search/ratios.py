"""A ratio per element that equals a known quantity, such as 1 / (1 - ft)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..cases import Case
from ..posted import Posted
from ..replay import Leaves

ENOUGH = 2  # numbers that must agree before a ratio is told


def known_ratio(case: Case, entry: Posted, right: Leaves) -> Iterator[str]:
    """What the ratio of posted to right numbers of one example's row is, if known."""
    if "caches" not in case.inputs or len(case.inputs["caches"]) != 1:
        return
    expected = entry.of(right)
    ratio = entry.values / expected
    if entry.values.size < ENOUGH or np.allclose(ratio, ratio[0], rtol=1e-6):
        return
    allowed = (entry.high - entry.low) / np.abs(expected) + 1e-7 * np.abs(ratio)
    shape = right[entry.leaf].shape
    for words, quantity in quantities(case.inputs["caches"][0], shape):
        here = entry.of({entry.leaf: quantity})
        if here.shape == ratio.shape and (np.abs(here - ratio) <= allowed).all():
            yield f"{entry.name} is what is right times {words}, element by element"
            return


def in_leaf(case: Case, leaf: str, found: Any, right: Any) -> str:
    """What the ratio of a whole leaf is, number or quantity; empty if it is none."""
    with np.errstate(all="ignore"):
        ratio = np.asarray(found) / np.asarray(right)
    if not np.isfinite(ratio).all() or ratio.size < ENOUGH:
        return ""
    if np.ptp(ratio) < 1e-6 * np.abs(ratio).max():
        return f"{leaf} is {ratio.flat[0]:.6g} times what is right, everywhere"
    if "caches" not in case.inputs or len(case.inputs["caches"]) != 1:
        return ""
    for words, quantity in quantities(case.inputs["caches"][0], ratio.shape):
        if np.allclose(ratio, quantity, rtol=1e-6):
            return f"{leaf} is what is right times {words}, element by element"
    return ""


def quantities(cache: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """What the cache holds and what follows from it, and one over all of these."""
    for name, x in cache.items():
        if not isinstance(x, np.ndarray) or x.shape != shape or name[0] == "z":
            continue
        tanh = np.tanh(x)
        forms = {
            name: x,
            f"(1 - {name})": 1 - x,
            f"{name}**2": x**2,
            f"(1 - {name}**2)": 1 - x**2,
            f"{name} * (1 - {name})": x * (1 - x),
            f"tanh({name})": tanh,
            f"(1 - tanh({name})**2)": 1 - tanh**2,
        }
        for words, value in forms.items():
            yield words, value
            with np.errstate(all="ignore"):
                yield f"1 / ({words.strip('()')})", 1 / value
