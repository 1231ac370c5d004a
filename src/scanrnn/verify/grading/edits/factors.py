"""Factors and terms: dropped, doubled or added; a sign, an operation changes."""

import ast
from collections.abc import Iterator
from typing import Any

from .axes import over_time
from .context import Function, near
from .edit import Change
from .nodes import (
    Term,
    called,
    factors,
    is_number,
    is_turned,
    is_value,
    minus,
    name,
    negative,
    number,
    over,
    plus,
    power,
    terms,
    text,
    times,
    total,
    turned,
)

CLOSE = 2.3  # factors that cost more are no slip that anybody makes


def product(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A factor of a product is left out, squared, or divides."""
    parts = factors(node)
    if len(parts) < 2:
        return
    for i, part in enumerate(parts):
        rest = parts[:i] + parts[i + 1 :]
        word = text(part)
        key = f"factor {word}"
        yield Change(
            times(*rest), "dropped", f"the factor {word} is left out", 1.0, key
        )
        twice = times(*parts[: i + 1], part, *parts[i + 1 :])
        yield Change(twice, "doubled", f"the factor {word} comes twice", 1.3, f"2{key}")
        quotient = over(times(*rest), part)
        yield Change(quotient, "operation", f"{word} divides", 2.0, f"/{key}")
        if not is_number(part, 1):
            added = plus(times(*rest), part)
            what = f"{word} is added and not multiplied"
            yield Change(added, "operation", what, 1.6, f"+{key}")


def too_many(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A factor or a term more than there should be."""
    if not is_value(node, line) or not isinstance(line, ast.Assign):
        return
    target = line.targets[0]
    if not isinstance(target, ast.Name) or called(node) in ("np.zeros",):
        return
    if not isinstance(node, ast.BinOp | ast.Call):
        return
    present = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    for other in known.like(target.id):
        cost = 1.2 if other in present else 0.6 + near(target.id, other)
        what = f"one factor too many, {other}"
        yield Change(times(node, name(other)), "added", what, cost)
        what = f"one term too many, {other}"
        yield Change(plus(node, name(other)), "added", what, cost)
        for slope, word in _slopes(other) if cost < CLOSE else ():
            what = f"one factor too many, {word}"
            yield Change(times(node, slope), "added", what, cost + 0.2)


def afterwards(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A slope more in the gradient of all steps, when the loop is done."""
    if over_time(known, node, line) and node.id == "dz" and "a" in known.like("dz"):
        slope = minus(number(1), power(name("a")))
        what = f"one factor too many, {text(slope)}, when the loop is done"
        yield Change(times(node, slope), "added", what, 1.3, what)


def operand(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A factor more in one operand of a product."""
    if called(node) != "np.dot" or len(node.args) != 2:
        return
    for place, side in enumerate(node.args):
        inner = side.value if is_turned(side) else side
        if not isinstance(inner, ast.Name) or inner.id[0] != "d":
            continue
        for other in known.like(inner.id):
            cost = 0.8 + near(inner.id, other)
            if cost >= CLOSE:
                continue
            for extra, word in ((name(other), other), *_slopes(other)):
                wide = times(inner, extra)
                arguments = list(node.args)
                arguments[place] = turned(wide) if is_turned(side) else wide
                what = f"one factor too many in the product, {word}"
                yield Change(_call(node.func, arguments), "added", what, cost)


def _call(function: ast.expr, arguments: list[ast.expr]) -> ast.expr:
    return ast.Call(function, arguments, [])


def _slopes(variable: str) -> Iterator[tuple[ast.expr, str]]:
    if variable[0] == "d" and variable != "dot":
        return
    x = name(variable)
    found = [
        minus(number(1), power(x)),
        minus(number(1), power(_call_tanh(x))),
        times(x, minus(number(1), x)),
        minus(number(1), x),
        _call_tanh(x),
    ]
    for each in found:
        yield each, text(each)


def _call_tanh(x: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(name("np"), "tanh", ast.Load()), [x], [])


def addition(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A term of a sum is left out, doubled, halved, subtracted or multiplied."""
    parts = terms(node)
    if len(parts) < 2:
        return
    for i, (added, part) in enumerate(parts):
        rest = parts[:i] + parts[i + 1 :]
        word = short(part)
        key = f"term {word}"
        left = "left out" if not is_number(part, 1) else "missing"
        if rest[0][0] or len(rest) == 1:
            kept: list[Term] = [(True, rest[0][1]), *rest[1:]]
            yield Change(total(kept), "dropped", f"the term {word} is {left}", 1.0, key)
            if not rest[0][0]:
                what = f"{word} is missing, and the sign is kept"
                yield Change(total(rest), "dropped", what, 1.1, f"-{key}")
        flipped = [*parts[:i], (not added, part), *parts[i + 1 :]]
        yield Change(total(flipped), "sign", f"the sign of {word}", 1.2, f"sign {key}")
        twice = [*parts[: i + 1], (added, part), *parts[i + 1 :]]
        yield Change(total(twice), "doubled", f"{word} comes twice", 1.3, f"2{key}")
        half = [*parts[:i], (added, times(number(0.5), part)), *parts[i + 1 :]]
        yield Change(total(half), "scaled", f"{word} counts half", 1.8, f"half {key}")
    if len(parts) == 2:
        (_, one), (_, two) = parts
        what = "the terms are multiplied and not added"
        yield Change(times(one, two), "operation", what, 1.3, "multiplied")
        mean = over(node, number(2))
        what = "the mean of the terms and not their sum"
        yield Change(mean, "operation", what, 1.5, "mean of terms")


def sign(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The whole right side is negated, halved, doubled or zero."""
    if not is_value(node, line):
        return
    if not isinstance(line, ast.Assign | ast.AugAssign) or called(node) == "np.zeros":
        return
    if isinstance(node, ast.Tuple | ast.Dict | ast.Name | ast.Constant):
        return
    yield Change(negative(node), "sign", "the sign is wrong", 1.2, "negated")
    yield Change(times(number(2), node), "scaled", "twice as much", 1.5, "twice")
    yield Change(over(node, number(2)), "scaled", "half as much", 1.6, "half")
    yield Change(times(number(0), node), "scaled", "it is zero", 1.2, "zero")


def constant(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Another exponent, or another number."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        x = node.left
        if is_number(node.right, 2):
            yield Change(
                x, "power", f"the square of {text(x)} is missing", 1.0, "square"
            )
            twice = times(number(2), x)
            yield Change(twice, "power", f"2 * {text(x)} for its square", 1.4, "2x")
            yield Change(power(x, 3), "power", f"{text(x)}**3 for its square", 1.7, "3")
            for other in known.like(text(x)):
                what = f"{text(x)} * {other} for the square of {text(x)}"
                cost = 0.4 + near(text(x), other)
                yield Change(times(x, name(other)), "power", what, cost, what)
    if is_number(node, 1) and isinstance(line, ast.Assign | ast.AugAssign):
        yield Change(number(2), "number", "2 in place of 1", 2.2, "2 for 1")


def function(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A function is left out, applied twice, or another one."""
    which = called(node)
    others = {"np.tanh": "sigmoid", "sigmoid": "np.tanh", "softmax": "sigmoid"}
    if which not in others or not node.args:
        return
    inner = node.args[0]
    short_name = which.removeprefix("np.")
    what = f"{short_name} is left out"
    yield Change(inner, "function", what, 1.0, f"no {which}")
    other = ast.Call(_function(others[which]), [inner], [])
    what = f"{others[which].removeprefix('np.')} in place of {short_name}"
    yield Change(other, "function", what, 1.0, what)
    again = ast.Call(node.func, [node], [])
    yield Change(again, "function", f"{short_name} is applied twice", 1.2, f"2{which}")
    relu = ast.Call(_function("np.maximum"), [inner, number(0)], [])
    yield Change(relu, "function", f"relu in place of {short_name}", 1.5, "relu")


def one_more(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A function more around a line; a bias of 1 in a gate."""
    if not known.name.endswith("forward") or not isinstance(line, ast.Assign):
        return
    if called(node) == "sigmoid":
        wide = ast.Call(node.func, [plus(node.args[0], number(1))], [])
        yield Change(wide, "added", "1 is added in the sigmoid", 1.4, "bias of 1")
    if is_value(node, line) and isinstance(node, ast.BinOp):
        for which in ("np.tanh", "sigmoid"):
            new = ast.Call(_function(which), [node], [])
            what = f"{which.removeprefix('np.')} is taken of it"
            yield Change(new, "function", what, 1.3, what)


def _function(which: str) -> ast.expr:
    if "." not in which:
        return name(which)
    base, attribute = which.split(".")
    return ast.Attribute(name(base), attribute, ast.Load())


def short(node: ast.AST) -> str:
    """Its text, cut in the middle where it is long."""
    words = text(node)
    return words if len(words) < 60 else f"{words[:28]} ... {words[-28:]}"


RULES = (
    product,
    too_many,
    operand,
    afterwards,
    addition,
    sign,
    constant,
    function,
    one_more,
)
