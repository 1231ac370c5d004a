"""A gradient that is divided, clipped, rounded or cut off."""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function
from .edit import Change
from .nodes import (
    called,
    factors,
    is_number,
    is_turned,
    is_value,
    item,
    name,
    number,
    over,
    parse,
    terms,
    text,
    times,
    total,
)

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


def in_terms(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """One term alone is divided: what comes from outside and not what is carried."""
    if not known.name.endswith("backward") or not isinstance(node, ast.BinOp):
        return
    parts = terms(node)
    if not isinstance(node.op, ast.Add) or any(is_number(p, 1) for _, p in parts):
        return
    if len(parts) != 2 or isinstance(line, ast.AugAssign):
        return
    for i, (added, part) in enumerate(parts):
        for words, what in list(_sizes(known))[:3]:
            divided = (added, over(part, parse(words)))
            new = total([*parts[:i], divided, *parts[i + 1 :]])
            says = f"the term {text(part)} is divided by {what}"
            yield Change(new, "normalised", says, 1.3, f"term {i} /{what}")


def of_examples(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A factor's mean over the examples, or that of one example, serves all."""
    if not known.name.endswith("backward") or not isinstance(line, ast.Assign):
        return
    parts = factors(node)
    axis = 0 if known.program.convention == "rows" else 1
    if len(parts) < 2:
        return
    for i, part in enumerate(parts):
        if not _is_slope(part):
            continue
        mean = _mean(part, axis)
        key = "mean of a slope"
        what = f"the mean of {text(part)} over the examples"
        new = times(*parts[:i], mean, *parts[i + 1 :])
        yield Change(new, "averaged", what, 1.6, key)
        cut = "x[:1]" if axis == 0 else "x[:, :1]"
        first = item(part, parse(cut).slice)  # type: ignore[attr-defined]
        what = f"{text(part)} of the first example for all of them"
        new = times(*parts[:i], first, *parts[i + 1 :])
        yield Change(new, "averaged", what, 1.7, "slope of the first")


def outside(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The slope stands outside of a sum over the examples, as its mean."""
    summed = called(node)
    if summed not in ("np.dot", "np.sum") or known.program.convention == "rows":
        return
    defined = known.values.get(text(node.args[0]))
    over_examples = summed == "np.sum" or is_turned(node.args[-1])
    if defined is None or not over_examples or not isinstance(line, ast.Assign):
        return
    parts = factors(defined)
    for i, part in enumerate(parts):
        if len(parts) > 1 and _is_slope(part):
            rest = times(*parts[:i], *parts[i + 1 :])
            made = ast.Call(node.func, [rest, *node.args[1:]], node.keywords)
            what = f"{text(part)} stands outside of the sum, as its mean"
            new = times(made, _mean(part, 1))
            yield Change(new, "averaged", what, 1.5, "slope outside")


def _is_slope(part: ast.expr) -> bool:
    return isinstance(part, ast.BinOp) and is_number(terms(part)[0][1], 1)


def _mean(x: ast.expr, axis: int) -> ast.expr:
    options = [ast.keyword("axis", number(axis)), ast.keyword("keepdims", number(True))]
    return ast.Call(parse("np.mean"), [x], options)


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
        for kept in (1, 2, 3):
            steps = "T_x" if "T_x" in names else "T"
            late = times(node, parse(f"(t >= {steps} - {kept})"))
            what = f"cut off before the last {kept} steps"
            yield Change(late, "cut", what, 1.9, what)
        for size, words in ((3, "third"), (4, "fourth")):
            cut = times(node, parse(f"(t % {size} != 0)"))
            what = f"cut off at every {words} step"
            yield Change(cut, "cut", what, 1.8, f"cut {size}")
        odd = times(node, parse("(t % 2 == 1)"))
        yield Change(odd, "cut", "cut off at every other step", 1.8, "cut 1")


def handed_out(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What is returned is clipped, or made shorter, as a whole: the sums over time."""
    if not isinstance(line, ast.Return) or not known.name.endswith("backward"):
        return
    if not is_value(node, line) or not isinstance(node, ast.Dict | ast.Tuple):
        return
    values = node.values if isinstance(node, ast.Dict) else node.elts
    keys = node.keys if isinstance(node, ast.Dict) else node.elts
    names = [str(getattr(key, "value", "")) or text(key) for key in keys if key]
    weights = [n[:2] in ("dW", "db") for n in names]
    sets = [("the weights' gradients are", weights), ("all is", [True] * len(names))]
    if not all(n[:2] == "dW" for n, w in zip(names, weights, strict=True) if w):
        sets.append(("the products are", [n[:2] == "dW" for n in names]))
    forms = [(f"np.clip({{x}}, -{x}, {x})", f"clipped to [-{x}, {x}]") for x in LIMITS]
    forms += [
        (f"({{x}}) * min(1, {x} / np.linalg.norm({{x}}))", f"cut to the length {x}")
        for x in ("1", "5")
    ]
    for form, what in forms:
        for which, chosen in sets:
            made = [
                parse(form.format(x=text(v))) if c else v
                for v, c in zip(values, chosen, strict=True)
            ]
            new: ast.expr = ast.Tuple(made, ast.Load())
            if isinstance(node, ast.Dict):
                new = ast.Dict(node.keys, made)
            says = f"{which} {what} at the end"
            yield Change(new, "clipped", says, 1.3)


RULES = (handed_out, normalised, clipped, averaged, in_terms, of_examples, outside)
