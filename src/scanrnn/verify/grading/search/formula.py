"""A product of known quantities that gives the numbers found, or two such products.

The logarithm of a product is a sum, so one number for each factor tells which of them
add up to what was found: a look-up where every product would have to be multiplied out.
"""

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...rounding import Floats
from ..edits.nodes import parse
from ..programs.words import WORDS

UNITS = 29  # of a probe: as many numbers must agree
CLOSE = 1e-8  # of a formula that was found


def product_of(
    found: Floats, usual: Sequence[str], words: Mapping[str, Floats]
) -> list[str] | None:
    """Factors of a product that equals what was found, or two terms of a sum."""
    if not found.any():
        return ["0"]
    atoms = _atoms(words)
    due = [of_words(factor, words) for factor in usual]
    names = list(atoms)
    table = np.array([atoms[name] for name in names])
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(UNITS)
    weights -= weights.mean()  # constants do not count
    with np.errstate(all="ignore"):
        logs = np.log(np.abs(table)) @ weights
        own = np.array([np.log(np.abs(x)) @ weights for x in due])
        target = np.log(np.abs(found)) @ weights
    if not np.isfinite(target):
        return None
    fine = np.isfinite(logs)
    names = [name for name, good in zip(names, fine, strict=True) if good]
    logs = logs[fine]
    two = logs[:, None] + logs[None, :]
    best: tuple[float, list[str]] | None = None
    for kept in _subsets(len(usual)):
        rest = target - own[list(kept)].sum()
        if not np.isfinite(rest):
            continue
        size = 1e-7 * (1 + abs(target))
        adds: list[tuple[str, ...]] = [()] if abs(rest) < size else []
        adds += [(names[i],) for i in np.flatnonzero(np.abs(logs - rest) < size)]
        adds += [
            (names[i], names[j])
            for i, j in zip(*np.nonzero(np.abs(two - rest) < size), strict=True)
            if i <= j
        ]
        for more in adds:
            factors = [*(usual[k] for k in kept), *more]
            scale = _scale(found, factors, words)
            cost = len(usual) - len(kept) + 1.1 * len(more) + (scale != "")
            cost += 0.1 * sum(map(len, more)) / 10
            if scale is not None and (best is None or cost < best[0]):
                best = (cost, [*([scale] if scale else []), *factors])
    if best is not None:
        return best[1] or ["1"]
    return _sum(found, usual, words)


def _sum(
    found: Floats, usual: Sequence[str], words: Mapping[str, Floats]
) -> list[str] | None:
    """Two products, each the right one with a factor changed, added or subtracted."""
    products: dict[str, Floats] = {}
    atoms = _atoms(words)
    for kept in _subsets(len(usual)):
        first = [usual[k] for k in kept]
        value = np.ones(UNITS)
        for factor in first:
            value = value * of_words(factor, words)
        products.setdefault(times(first), value)
        for name, atom in atoms.items():
            products.setdefault(times([*first, name]), value * atom)
    names = list(products)
    table = np.array([products[name] for name in names])
    good = np.isfinite(table).all(1)
    names = [name for name, fine in zip(names, good, strict=True) if fine]
    weights = np.random.default_rng(1).standard_normal(UNITS)
    sums, target = table[good] @ weights, float(found @ weights)
    order = np.argsort(sums, kind="stable")
    for sign in (1, -1):
        wanted = sign * (target - sums)
        size = 1e-9 * (1 + abs(target))
        low = np.searchsorted(sums[order], wanted - size)
        high = np.searchsorted(sums[order], wanted + size)
        for i in np.argsort([len(name) for name in names], kind="stable"):
            for k in order[low[i] : high[i]]:
                both = products[names[i]] + sign * products[names[k]]
                if np.allclose(both, found, CLOSE, CLOSE * np.abs(found).max()):
                    sign_ = "+" if sign > 0 else "-"
                    return [f"{names[i]} {sign_} {names[k]}"]
    return None


def _subsets(size: int) -> Iterator[tuple[int, ...]]:
    for count in range(size, -1, -1):
        yield from itertools.combinations(range(size), count)


def _atoms(words: Mapping[str, Floats]) -> dict[str, Floats]:
    """What may stand as a factor, by its words."""
    found: dict[str, Floats] = {}
    for word in words:
        for form in (
            *("{x}", "1 - {x}", "1 - {x} ** 2", "1 + {x}", "1 + {x} ** 2"),
            *("np.tanh({x})", "1 - np.tanh({x}) ** 2", "1 - np.tanh({x})"),
            *("sigmoid({x})", "1 - sigmoid({x})", "1 / {x}"),
        ):
            name = form.format(x=word)
            found[name] = of_words(name, words)
    return found


def of_words(words: str, known: Mapping[str, Floats]) -> Floats:
    """What an expression is, of quantities that are known."""
    with np.errstate(all="ignore"):
        return np.asarray(eval(words, {**WORDS, **known}) + np.zeros(UNITS))


def _scale(
    found: Floats, factors: list[str], words: Mapping[str, Floats]
) -> str | None:
    """The constant in front: "" if it is 1, None if it is no plain one."""
    value = np.ones(UNITS)
    for factor in factors:
        value = value * of_words(factor, words)
    with np.errstate(all="ignore"):
        ratio = found / value
    if not np.isfinite(ratio).all() or np.ptp(ratio) > CLOSE * np.abs(ratio).max():
        return None
    plain = {1.0: "", -1.0: "-1", 2.0: "2", 0.5: "0.5", -2.0: "-2", -0.5: "-0.5"}
    near = min(plain, key=lambda x: abs(x - ratio[0]))
    return plain[near] if abs(near - ratio[0]) < CLOSE else None


def times(factors: Sequence[str]) -> str:
    """A product in words, with parentheses where they are needed."""
    minus = "-" * (sum(factor == "-1" for factor in factors) % 2)
    made = []
    for factor in (x for x in factors if x != "-1"):
        node = parse(factor)
        inner = isinstance(node, ast.BinOp) and not isinstance(
            node.op, ast.Mult | ast.Pow
        )
        made.append(f"({factor})" if inner else factor)
    return minus + (" * ".join(made) or "1")
