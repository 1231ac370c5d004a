"""What belongs together and is taken apart: gates, activations, slopes, blocks."""

import ast
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

from .context import Function
from .derivatives import sigmoid_argument, tanh_argument
from .edit import Change
from .nodes import (
    call,
    called,
    factors,
    is_value,
    item,
    minus,
    name,
    number,
    parse,
    text,
    times,
)

ACTIVATIONS = ("np.tanh", "sigmoid")
GATES = (
    {"ft", "it", "ot"},
    {"f", "i", "o"},
    {"rt", "zt"},
    {"r", "z"},
)


def gates(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """One less a gate, in place of it or of another: i = 1 - f."""
    forward = known.name.endswith("forward")
    if forward and is_value(node, line) and isinstance(line, ast.Assign):
        target = text(line.targets[0])
        family = next((g for g in GATES if target in g), set())
        if called(node) == "sigmoid":
            order = list(known.shapes)
            for other in sorted(family - {target}):
                if other in order and order.index(other) < order.index(target):
                    new = minus(number(1), name(other))
                    what = f"1 - {other}: the gates are coupled"
                    yield Change(new, "operand", what, 1.3, "coupled")
            new = minus(number(1), node)
            yield Change(new, "operand", "one less the gate", 1.7, "complement")
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    if isinstance(line, ast.Assign) and isinstance(line.value, ast.Tuple | ast.Dict):
        return
    family = next((g for g in GATES if node.id in g), set())
    for other in sorted(family & set(known.shapes)):
        what = f"1 - {other} in place of {node.id}"
        cost = 1.3 if other == node.id else 1.7
        yield Change(minus(number(1), name(other)), "operand", what, cost, what)


def around(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A function of a product: tanh(o * c) for o * tanh(c), or of the other factor."""
    parts = factors(node)
    if not 2 <= len(parts) <= 3 or not known.name.endswith("forward"):
        return
    for i, part in enumerate(parts):
        if called(part) not in ACTIVATIONS:
            continue
        inner = part.args[0]  # type: ignore[attr-defined]
        rest = [*parts[:i], *parts[i + 1 :]]
        function = called(part)
        new = call(function, times(*rest, inner))
        what = f"{function.removeprefix('np.')} is taken of the product: {text(new)}"
        yield Change(new, "function", what, 1.2, "of the product")
        if len(rest) == 1:
            new = times(call(function, rest[0]), inner)
            what = f"{function.removeprefix('np.')} of the other factor: {text(new)}"
            yield Change(new, "function", what, 1.4, "of the other factor")


def before_activation(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What stands in the function in place of its value: z on the tape."""
    if not known.name.endswith("forward") or not isinstance(node, ast.Tuple):
        return
    if not isinstance(line, ast.Assign) or text(line.targets[0]) != "cache":
        return
    for i, part in enumerate(node.elts):
        value = known.values.get(text(part))
        forms: list[tuple[ast.expr, str, float]] = []
        if value is not None and called(value) in ACTIVATIONS:
            inner = value.args[0]  # type: ignore[attr-defined]
            forms.append((inner, f"{text(part)} before its function", 1.1))
        if text(part) in known.shapes and isinstance(part, ast.Name):
            for function in ACTIVATIONS:
                what = f"{function.removeprefix('np.')}({part.id})"
                forms.append((call(function, part), f"{what} and not {part.id}", 1.4))
        for new, what, cost in forms:
            what = f"the cache holds {what}"
            parts = (((("elts", i),), new),)
            yield Change(node, "operand", what, cost, parts=parts)
    every = [known.values.get(text(part)) for part in node.elts]
    inside = tuple(
        ((("elts", i),), value.args[0])  # type: ignore[attr-defined]
        for i, value in enumerate(every)
        if value is not None and called(value) in ACTIVATIONS
    )
    if len(inside) > 1:
        what = "the cache holds all gates before their functions"
        yield Change(node, "operand", what, 1.3, parts=inside)


def before_slope(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A gradient without its slope, alone or beside others, in one product or sum."""
    if called(node) not in ("np.sum", "np.dot"):
        return
    for place, side in enumerate(node.args[:2]):
        inner = side.value if isinstance(side, ast.Attribute) else side
        value = known.values.get(text(inner))
        if value is None:
            continue
        for new, what, cost in _without(known, inner, value):
            made = ast.Attribute(new, "T", ast.Load()) if inner is not side else new
            arguments = [*node.args[:place], made, *node.args[place + 1 :]]
            whole = ast.Call(node.func, arguments, node.keywords)
            yield Change(whole, "operand", what, cost, "before its slope")


def blocks_in_turn(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Blocks side by side in another order, where they are used as a whole."""
    if called(node) not in ("np.sum", "np.dot"):
        return
    for place, side in enumerate(node.args[:2]):
        inner = side.value if isinstance(side, ast.Attribute) else side
        value: Any = known.values.get(text(inner))
        if value is None or called(value) != "np.concatenate":
            continue
        parts = value.args[0].elts if isinstance(value.args[0], ast.Tuple) else []
        if len(parts) < 3:
            continue
        for i, j in combinations(range(len(parts)), 2):
            turned = list(parts)
            turned[i], turned[j] = parts[j], parts[i]
            joined = ast.Tuple(turned, ast.Load())
            new: ast.expr = ast.Call(value.func, [joined], value.keywords)
            if inner is not side:
                new = ast.Attribute(new, "T", ast.Load())
            arguments = [*node.args[:place], new, *node.args[place + 1 :]]
            whole = ast.Call(node.func, arguments, node.keywords)
            what = f"{text(parts[i])} and {text(parts[j])} are exchanged there"
            yield Change(whole, "order", what, 1.4, what)


def reordered(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The gates' blocks of a whole array in another order, from there on."""
    if known.program.name != "stacked" or not is_value(node, line):
        return
    target = line.targets[0] if isinstance(line, ast.Assign) else None
    if not isinstance(target, ast.Name) or target.id not in ("dz", "W", "gates"):
        return
    for turn in permutations(range(4)):
        words = ", ".join("fico"[i] for i in turn)
        moved = sum(i != k for k, i in enumerate(turn))
        if moved and called(node) != "np.concatenate":
            blocks = parse(f"x[{list(turn)}]").slice  # type: ignore[attr-defined]
            split = call("np.array", call("np.split", node, number(4)))
            flat = call("np.concatenate", item(split, blocks))
            what = f"the blocks of {target.id} are {words} and not f, i, c, o"
            yield Change(flat, "order", what, 1.0 if moved == 2 else 1.4, words)


def _without(
    known: Function, inner: Any, value: ast.expr
) -> Iterator[tuple[ast.expr, str, float]]:
    parts = factors(value)
    found = sigmoid_argument(parts)
    rest = [p for k, p in enumerate(parts) if k not in found[:2]] if found else parts
    rest = [p for p in rest if found or tanh_argument(p) is None]
    if 0 < len(rest) < len(parts):
        yield times(*rest), f"{text(inner)} without its slope", 1.2
    if called(value) != "np.concatenate" or not isinstance(value.args[0], ast.Tuple):  # type: ignore[attr-defined]
        return
    elements = value.args[0].elts  # type: ignore[attr-defined]
    for i, element in enumerate(elements):
        of = known.values.get(text(element))
        if of is None or len(factors(of)) < 2:
            continue
        first = factors(of)[0]
        if isinstance(first, ast.Name) and first.id[0] == "d":
            changed = ast.Tuple([*elements[:i], first, *elements[i + 1 :]], ast.Load())
            new = ast.Call(value.func, [changed], value.keywords)  # type: ignore[attr-defined]
            yield new, f"{first.id} in place of {text(element)} in {text(inner)}", 1.3


RULES = (
    gates,
    around,
    before_activation,
    before_slope,
    blocks_in_turn,
    reordered,
)
