"""Where an array is read or written: slices, axes, orders, steps of time."""

import ast
from collections.abc import Iterator
from itertools import permutations
from typing import Any

from .context import Function
from .edit import Change
from .nodes import called, item, name, negative, number, parse, power, text


def slices(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A block of rows or columns: shifted, swapped, of the wrong axis."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    index = node.slice
    parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
    for i, part in enumerate(parts):
        if not isinstance(part, ast.Slice) or not (part.lower or part.upper):
            continue
        for other, word in _other_slices(known, part):
            changed = [*parts[:i], other, *parts[i + 1 :]]
            yield _sliced(node, changed, "block", word, 1.0)
        if len(parts) == 2:
            yield _sliced(node, parts[::-1], "block", "the other axis is cut", 1.3)
    if any(isinstance(p, ast.Slice) and (p.lower or p.upper) for p in parts):
        yield Change(
            node.value, "block", "the whole and not a block of it", 1.5, "whole"
        )


def _sliced(node: Any, parts: Any, rule: str, word: str, cost: float) -> Change:
    index = parts[0] if len(parts) == 1 else ast.Tuple(list(parts), ast.Load())
    new = item(node.value, index)
    what = f"{text(new)} in place of {text(node)}"
    return Change(new, rule, what, cost, f"block {word}")


def _other_slices(known: Function, part: Any) -> Iterator[tuple[ast.expr, str]]:
    low, high = part.lower, part.upper
    if low is None or high is None:  # [:n] and [n:]
        edge = low or high
        other = ast.Slice(edge, None) if low is None else ast.Slice(None, edge)
        yield other, "the other block"
        end = (
            ast.Slice(negative(edge), None)
            if low is None
            else ast.Slice(None, negative(edge))
        )
        yield end, "counted from the end"
        if low is None:
            beyond = ast.BinOp(edge, ast.Add(), number(1))
            yield ast.Slice(number(1), beyond), "one too far"
        else:
            before = ast.BinOp(edge, ast.Sub(), number(1))
            yield ast.Slice(before, number(-1)), "one too early"
        width = _width(known)
        if width:  # as if what was joined began with the inputs
            n = parse(width)
            other = ast.Slice(n, None) if low is None else ast.Slice(None, n)
            yield other, "of the other order"
        for size in ("n_x", "D", "m"):
            if size in known.variables:
                n = name(size)
                yield ast.Slice(n, None) if high is None else ast.Slice(None, n), size
    blocks = [parse(f"x[{cut}]").slice for cut in _blocks(known)]  # type: ignore[attr-defined]
    for block in blocks:
        if text(block) != text(part):
            yield block, f"block {text(block)}"


def _width(known: Function) -> str:
    """How many inputs there are, where states and inputs are joined."""
    if "concat" not in known.variables:
        return ""
    names = {"n_x": "n_x", "xt": "xt.shape[0]"}
    return next((words for n, words in names.items() if n in known.variables), "")


def _blocks(known: Function) -> tuple[str, ...]:
    """The gates' columns where they lie side by side."""
    n = "H" if "H" in known.variables else "n_a"
    of_rows = ("rows", "rows, parts", "rows, flat", "rows, kept")
    joint = (*of_rows, "again", "stacked", "kept", "gates")
    if known.program.name not in joint or known.program.cell == "rnn":
        return ()
    count = 4 if known.program.cell == "lstm" else 3
    inner = [f"{k} * {n}:{k + 1} * {n}" for k in range(1, count - 1)]
    return (f":{n}", *inner, f"{count - 1} * {n}:")


def joined(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What is concatenated comes in another order, or along the other axis."""
    if called(node) not in ("np.concatenate", "np.stack"):
        return
    parts = node.args[0]
    if not isinstance(parts, ast.Tuple):
        return
    usual = [text(part) for part in parts.elts]
    for turn in permutations(range(len(usual))):
        words = [usual[i] for i in turn]
        if words != usual:
            other: list[ast.expr] = [parts.elts[i] for i in turn]
            new = ast.Call(node.func, [ast.Tuple(other, ast.Load())], node.keywords)
            what = f"({', '.join(words)}) in place of ({', '.join(usual)})"
            moved = sum(a != b for a, b in zip(words, usual, strict=True))
            cost = 1.0 if moved == 2 else 1.5
            key = f"concatenation {', '.join(map(str, turn))}"
            yield Change(new, "concatenation", what, cost, key)


def shifted(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The states before: rolled, not shifted, or with another one in front."""
    if called(node) != "np.concatenate" or len(node.args[0].elts) != 2:
        return
    first, rest = node.args[0].elts
    if not isinstance(rest, ast.Subscript) or not text(rest).endswith(":-1]"):
        return
    states, axis = text(rest.value), text(node.keywords[0].value)
    cut = ":, " * int(axis)
    forms = (
        (states, "the states of the same steps", 1.0),
        (f"np.roll({states}, 1, {axis})", "rolled: the last state comes first", 1.0),
        (f"np.roll({states}, -1, {axis})", "rolled the other way", 1.3),
        (_glued(f"{states}[{cut}:1]", text(rest), axis), "the first state twice", 1.1),
        (_glued(f"0 * {text(first)}", text(rest), axis), "zeros in front", 1.0),
        (
            _glued(text(first), f"{states}[{cut}1:]", axis),
            "the first of the states is cut and not the last",
            1.2,
        ),
        (
            _glued(f"{states}[{cut}1:]", f"{states}[{cut}-1:]", axis),
            "the states after, the last one twice",
            1.3,
        ),
        (
            _glued(f"{states}[{cut}1:]", text(first), axis),
            "the states after, the start at the end",
            1.3,
        ),
    )
    for number_, (words, what, cost) in enumerate(forms):
        what = f"{text(node)} is {what}"
        yield Change(parse(words), "step", what, cost, f"shift {number_}")


def _glued(one: str, two: str, axis: str) -> str:
    return f"np.concatenate(({one}, {two}), axis={axis})"


def axes(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A sum over another axis, a mean, one example alone, no keepdims."""
    if called(node) != "np.sum":
        return
    inner = node.args[0]
    options = {k.arg: k.value for k in node.keywords}
    yield Change(_reduce(node, "np.mean"), "sum", "a mean and not a sum", 1.0, "mean")
    yield Change(
        _reduce(node, "np.max"), "sum", "the maximum and not a sum", 2.0, "max"
    )
    axis = options.get("axis")
    if isinstance(axis, ast.Constant) and axis.value in (0, 1):
        other = 1 - axis.value
        rows = axis.value == 0
        of = "example" if rows == (known.program.convention == "rows") else "class"
        turned = _keywords(node, axis=number(other), keepdims=number(True))
        yield Change(_fit(turned, rows), "axis", f"axis={other}", 1.1, "other axis")
        whole = ast.Call(node.func, [inner], [])
        what = "no axis: the sum over everything"
        yield Change(_spread(node, whole), "axis", what, 1.2, "no axis")
        mean = ast.Call(_attribute("mean"), [inner], [])
        what = "no axis: the mean over everything"
        yield Change(_spread(node, mean), "axis", what, 1.5, "mean of all")
        for place, word in ((0, "first"), (-1, "last")):
            columns = ":1" if place == 0 else "-1:"
            cut = f"x[{place}]" if rows else f"x[:, {columns}]"
            new = item(inner, parse(cut).slice)  # type: ignore[attr-defined]
            what = f"the {word} {of} alone"
            yield Change(new, "axis", what, 1.4, what)
        for columns, word in (("1:", "first"), (":-1", "last")):
            cut = f"x[{columns}]" if rows else f"x[:, {columns}]"
            some = item(inner, parse(cut).slice)  # type: ignore[attr-defined]
            new = ast.Call(node.func, [some, *node.args[1:]], node.keywords)
            what = f"the {word} {of} is left out"
            yield Change(new, "axis", what, 1.4, what)
        for place, word in ((0, "first"), (-1, "last")):
            zero = ast.BinOp(number(0), ast.Mult(), node)
            cut = f"x[{place}]" if rows else f"x[[{place}]]"
            one = item(node, parse(cut).slice)  # type: ignore[attr-defined]
            what = f"the {word} entry of the sum in all places"
            yield Change(ast.BinOp(one, ast.Add(), zero), "axis", what, 1.4, what)
        yield from _other_sums(known, node, axis.value)
    if "keepdims" in options:
        flat = ast.Call(
            node.func, [inner], [k for k in node.keywords if k.arg == "axis"]
        )
        yield Change(flat, "axis", "keepdims=True is missing", 1.0, "no keepdims")
    squared = ast.Call(node.func, [power(inner)], node.keywords)
    yield Change(squared, "sum", "a sum of squares", 2.0, "squares")


def tops(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The largest of the examples and not of the classes."""
    if called(node) != "np.max":
        return
    turned = _keywords(node, axis=number(1), keepdims=number(True))
    yield Change(turned, "axis", "axis=1", 1.1, "other axis")


def _other_sums(known: Function, node: Any, axis: Any) -> Iterator[Change]:
    """The sum of another array that has as many rows: of dW for that of dz."""
    inner = node.args[0]
    mine = known.shapes.get(text(inner), ())
    if len(mine) != 2:
        return
    for other, shape in known.shapes.items():
        fits = len(shape) == 2 and shape[1 - axis] == mine[1 - axis]
        if fits and shape != mine and not other[0].isupper():
            new = ast.Call(node.func, [name(other), *node.args[1:]], node.keywords)
            what = f"the sum of {other} and not of {text(inner)}"
            cost = 1.3 if other[-1] == text(inner)[-1] or "W" in other else 1.8
            yield Change(new, "operand", what, cost, f"sum of {other[:2]}")


def _attribute(function: str) -> ast.expr:
    return ast.Attribute(name("np"), function, ast.Load())


def _reduce(node: Any, function: str) -> ast.expr:
    return ast.Call(_attribute(function[3:]), node.args, node.keywords)


def _keywords(node: Any, **options: ast.expr) -> ast.expr:
    mine = {k.arg: k.value for k in node.keywords}
    kept = {k: v for k, v in options.items() if k in mine}
    return ast.Call(node.func, node.args, [ast.keyword(k, v) for k, v in kept.items()])


def _fit(new: ast.expr, rows: bool) -> ast.expr:
    """(1, m) into (n, 1) fits only where the sizes do."""
    return new if rows else ast.Attribute(new, "T", ast.Load())


def _spread(node: Any, value: ast.expr) -> ast.expr:
    """One number in all places of the sum."""
    zero = ast.BinOp(number(0), ast.Mult(), node)
    return ast.BinOp(value, ast.Add(), zero)


def steps(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Another step of time: t - 1, which wraps around at 0, t + 1, the last, 0."""
    if not isinstance(node, ast.Subscript):
        return
    index = node.slice
    parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
    length = "T_x" if "T_x" in known.variables else "T"
    for i, part in enumerate(parts):
        if text(part) not in ("t", "t - 1", "t + 1"):
            continue
        for words, cost in (
            ("t", 1.0),
            ("t - 1", 1.0),
            ("t + 1", 1.2),
            ("t - 2", 1.6),
            (f"min(t + 1, {length} - 1)", 1.1),
            (f"(t + 1) % {length}", 1.3),
            (f"{length} - 1 - t", 1.1),
            ("-1", 1.1),
            ("0", 1.1),
            ("max(t - 1, 0)", 1.2),
            (f"{length} - 1", 1.4),
            ("-t", 1.5),
        ):
            if words == text(part):
                continue
            changed = [*parts[:i], parse(words), *parts[i + 1 :]]
            wide = changed[0] if len(parts) == 1 else ast.Tuple(changed, ast.Load())
            new = ast.Subscript(node.value, wide, node.ctx)
            what = f"{text(new)} in place of {text(node)}"
            yield Change(new, "step", what, cost, f"step {words}")
        if isinstance(node.ctx, ast.Load) and text(part) == "t" and len(parts) > 1:
            yield from _beyond(node, parts, i, length)


def _beyond(node: Any, parts: Any, i: int, length: str) -> Iterator[Change]:
    """T + 1 with nothing beyond the end, and the sum over all steps."""
    changed = [*parts[:i], parse(f"min(t + 1, {length} - 1)"), *parts[i + 1 :]]
    shifted = item(node.value, ast.Tuple(changed, ast.Load()))
    inside = ast.BinOp(shifted, ast.Mult(), parse(f"(t + 1 < {length})"))
    what = f"the next step in {text(node)}, and nothing at the last"
    yield Change(inside, "step", what, 1.2, "next or none")
    changed = [*parts[:i], parse("max(t - 1, 0)"), *parts[i + 1 :]]
    shifted = item(node.value, ast.Tuple(changed, ast.Load()))
    inside = ast.BinOp(shifted, ast.Mult(), parse("(t > 0)"))
    what = f"the step before in {text(node)}, and nothing at step 0"
    yield Change(inside, "step", what, 1.3, "before or none")
    total = ast.Call(_attribute("sum"), [node.value], [ast.keyword("axis", number(i))])
    what = f"the sum over all steps in place of {text(node)}"
    yield Change(total, "step", what, 1.4, "sum over steps")
    mean = ast.Call(_attribute("mean"), [node.value], [ast.keyword("axis", number(i))])
    what = f"the mean over all steps in place of {text(node)}"
    yield Change(mean, "step", what, 1.7, "mean over steps")
    only = ast.BinOp(node, ast.Mult(), parse(f"(t == {length} - 1)"))
    what = f"{text(node)} at the last step alone"
    yield Change(only, "step", what, 1.2, "last alone")
    only = ast.BinOp(node, ast.Mult(), parse("(t == 0)"))
    what = f"{text(node)} at step 0 alone"
    yield Change(only, "step", what, 1.5, "first alone")
    only = ast.BinOp(node, ast.Mult(), parse("(t > 0)"))
    what = f"{text(node)} at all steps but step 0"
    yield Change(only, "step", what, 1.4, "all but the first")


RULES = (slices, joined, shifted, axes, tops, steps)
