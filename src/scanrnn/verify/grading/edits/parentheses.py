"""Parentheses: missing, closed too late, opened too early; what a factor reaches."""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function, near
from .edit import Change
from .factors import short
from .nodes import (
    called,
    factors,
    is_number,
    is_value,
    minus,
    name,
    parse,
    plus,
    power,
    terms,
    text,
    times,
    total,
)

GIVEN = ("da[:, :, t]", "dh[:, t, :]")
HANDED_ON = (
    *("da0", "dh0", "da_prevt", "dc_prevt", "dprev_h", "dprev_c"),
    *("da_next", "dnext_h", "dc_next", "dc"),
)


def moved(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Parentheses that are missing, or stand elsewhere."""
    if not isinstance(node, ast.BinOp):
        return
    what = "parentheses are missing: "
    if isinstance(node.op, ast.Mult):
        parts = factors(node)
        for i, part in enumerate(parts):
            inner = terms(part)
            if len(inner) < 2:
                continue
            before, after = parts[:i], parts[i + 1 :]
            flat = list(inner)
            if before:
                flat[0] = (flat[0][0], times(*before, flat[0][1]))
            if after:
                flat[-1] = (flat[-1][0], times(flat[-1][1], *after))
            new = total(flat)
            kind = "of a slope" if is_number(inner[0][1], 1) else "of a sum"
            key = f"parentheses {kind}"
            yield Change(new, "parentheses", what + short(new), 1.0, key)
            for shift in range(len(after)):  # they close later
                wide = [
                    *inner[:-1],
                    (inner[-1][0], times(inner[-1][1], *after[: shift + 1])),
                ]
                new = times(*before, total(wide), *after[shift + 1 :])
                says = f"parentheses close too late: {short(new)}"
                key = f"parentheses {kind} {shift}"
                yield Change(new, "parentheses", says, 1.2, key)
            if kind == "of a slope" and _is_square(inner[-1][1]):
                y = inner[-1][1].left  # type: ignore[attr-defined]
                whole = minus(inner[0][1], power(times(y, *before, *after)))
                says = f"the square is taken of the product: {short(whole)}"
                yield Change(whole, "parentheses", says, 1.4, "square of all")
            if len(inner) == 2 and len(parts) > 1:
                first = total(
                    [(inner[0][0], times(*before, inner[0][1], *after)), inner[1]]
                )
                says = f"the factor reaches the first term only: {short(first)}"
                yield Change(first, "parentheses", says, 1.3, "first term")
    if isinstance(node.op, ast.Add):
        yield from _opened_early(node)
    if isinstance(node.op, ast.Sub | ast.Add) and _is_square(node.right):
        square: Any = node.right
        outside = power(ast.BinOp(node.left, node.op, square.left))
        says = f"the square is taken of the difference: {short(outside)}"
        yield Change(outside, "parentheses", says, 1.0, "square outside")
    if _is_square(node) and called(node.left) in ("np.tanh", "sigmoid"):
        inside = ast.Call(node.left.func, [power(node.left.args[0])], [])  # type: ignore[attr-defined]
        says = f"the square is taken inside: {short(inside)}"
        yield Change(inside, "parentheses", says, 1.2, "square inside")


def one_term(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A factor reaches one term alone of a sum that has a name."""
    parts = factors(node)
    if len(parts) < 2 or not isinstance(node, ast.BinOp):
        return
    for i, part in enumerate(parts):
        value = known.values.get(text(part))
        inner = terms(value) if isinstance(part, ast.Name) and value else []
        if len(inner) < 2 or is_number(inner[0][1], 1):
            continue
        rest = [*parts[:i], *parts[i + 1 :]]
        for k, (added, term) in enumerate(inner):
            reached = (added, times(term, *rest))
            new = total([*inner[:k], reached, *inner[k + 1 :]])
            what = f"of {text(part)} only {short(term)} gets the other factors"
            yield Change(new, "parentheses", what, 1.2, f"one term {k}")


def another_term(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A term more in what is handed on: the gradient of the output, a state."""
    if not is_value(node, line) or not isinstance(line, ast.Assign):
        return
    target = text(line.targets[0])
    if target not in HANDED_ON or called(node) == "np.zeros":
        return
    given = [words for words in GIVEN if words.split("[")[0] in known.variables]
    given = [words for words in given if "t" in known.variables]
    for words in given if target not in ("da0", "dh0") else ():
        what = f"one term too many, {words}"
        yield Change(plus(node, parse(words)), "added", what, 1.2, what)
    if isinstance(node, ast.Name):
        for other in known.like(target):
            what = f"one term too many, {other}"
            cost = 0.6 + near(target, other)
            yield Change(plus(node, name(other)), "added", what, cost)


def _opened_early(node: Any) -> Iterator[Change]:
    """(a + b) * c for a + b * c."""
    parts = factors(node.right)
    for cut in range(1, len(parts)):
        inner = plus(node.left, times(*parts[:cut]))
        new = times(inner, *parts[cut:])
        what = f"parentheses open too early: {short(new)}"
        yield Change(new, "parentheses", what, 1.2, f"open early {cut}")
    for i, part in enumerate(parts[:-1]):  # the last is a cut of those above
        new = times(plus(node.left, times(*parts[:i], *parts[i + 1 :])), part)
        what = f"{text(part)} is a factor of the whole sum: {short(new)}"
        yield Change(new, "parentheses", what, 1.3, f"factored out {i}")


def early(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The last term of a sum inside a function ends up outside of it."""
    if called(node) not in ("np.tanh", "sigmoid", "softmax") or not node.args:
        return
    parts = terms(node.args[0])
    for cut in range(1, len(parts)):
        both = [ast.Call(node.func, [total(p)], []) for p in (parts[:cut], parts[cut:])]
        what = f"{called(node)} of each term and not of their sum: {short(plus(*both))}"
        yield Change(plus(*both), "function", what, 1.4, f"of each {cut}")
        inside = ast.Call(node.func, [total(parts[:cut])], [])
        new = total([(True, inside), *parts[cut:]])
        what = f"{called(node).removeprefix('np.')} closes too early: {short(new)}"
        yield Change(new, "parentheses", what, 1.2, "closes early")


def _is_square(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Pow)
        and is_number(node.right, 2)
    )


RULES = (moved, early, one_term, another_term)
