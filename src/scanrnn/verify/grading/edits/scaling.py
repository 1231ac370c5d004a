"""A gradient that is divided, clipped, rounded or cut off."""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function
from .edit import Change
from .nodes import called, is_value, name, over, parse, text, times

LIMITS = ("1", "5", "10", "0.5", "0.1")


def normalised(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Divided by the examples or the steps; only of what is a gradient."""
    if not is_value(node, line) or not _is_gradient(line):
        return
    for words, what in _sizes(known):
        size = parse(words)
        divided = over(node, size)
        yield Change(divided, "normalised", f"divided by {what}", 1.2, f"/{what}")
        multiplied = times(size, node)
        cost = 2.0
        yield Change(multiplied, "normalised", f"times {what}", cost, f"*{what}")


def _is_gradient(line: Any) -> bool:
    if isinstance(line, ast.AugAssign):
        return True
    if not isinstance(line, ast.Assign) or isinstance(line.value, ast.Tuple | ast.Dict):
        return False
    target = text(line.targets[0])
    return target[0] == "d" and called(line.value) != "np.zeros"


def _sizes(known: Function) -> Iterator[tuple[str, str]]:
    names = known.variables
    if "xt" in names:
        yield "xt.shape[1]", "the examples"
    elif known.name.count("_") == 2 and "x" in names:
        yield "x.shape[0]", "the examples"
    elif "N" in names:
        yield "N", "the examples"
    elif "m" in names:
        yield "m", "the examples"
    for steps in ("T_x", "T"):
        if steps in names:
            yield steps, "the steps"
            examples = "m" if "m" in names else "N"
            yield f"({examples} * {steps})", "examples and steps"
    for units in ("n_a", "H"):
        if units in names:
            yield units, "the units"


def clipped(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Clipped to a range, or rounded to single precision."""
    if not is_value(node, line) or not _is_gradient(line):
        return
    for limit in LIMITS:
        function = ast.Attribute(name("np"), "clip", ast.Load())
        new = ast.Call(function, [node, parse(f"-{limit}"), parse(limit)], [])
        what = f"clipped to [-{limit}, {limit}]"
        yield Change(new, "clipped", what, 1.4, what)
    positive = ast.Call(parse("np.maximum"), [node, parse("0")], [])
    yield Change(positive, "clipped", "negative values are cut off", 2.0, "positive")
    size = ast.Call(parse("np.abs"), [node], [])
    yield Change(size, "clipped", "the absolute value is taken", 2.0, "absolute")


def averaged(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What is handed on is the mean over the examples."""
    if not is_value(node, line) or not isinstance(line, ast.Assign):
        return
    target = text(line.targets[0])
    if target not in ("da_prevt", "da_prev", "dprev_h", "dc_prevt", "dc_prev"):
        return
    if called(node) == "np.zeros" or isinstance(node, ast.Tuple):
        return
    axis = "0" if target.startswith("dprev") else "1"
    mean = ast.Call(
        parse("np.mean"),
        [node],
        [ast.keyword("axis", parse(axis)), ast.keyword("keepdims", parse("True"))],
    )
    new = ast.BinOp(mean, ast.Add(), times(parse("0"), node))
    what = "the mean over the examples"
    yield Change(new, "averaged", what, 1.6, what)
    cut = times(node, parse("(t % 2 == 0)"))
    names = known.variables
    if "t" in names:
        yield Change(cut, "cut", "cut off at every second step", 1.8, "cut 2")
        odd = times(node, parse("(t % 2 == 1)"))
        yield Change(odd, "cut", "cut off at every other step", 1.8, "cut 1")


RULES = (normalised, clipped, averaged)
