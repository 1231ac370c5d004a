"""What happens at one end of time, in a part of a block, over the wrong axis."""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function, near
from .edit import Change
from .nodes import (
    call,
    called,
    is_value,
    item,
    minus,
    name,
    number,
    parse,
    text,
    times,
)


def at_an_end(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Another operand at one end of time alone: a<0> for a0."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    if "t" not in known.variables or "_cell_" in known.name:
        return
    if not isinstance(line, ast.Assign | ast.AugAssign) or not _in_loop(known, line):
        return
    target = line.target if isinstance(line, ast.AugAssign) else line.targets[0]
    if any(node is part for part in ast.walk(target)):
        return
    length = "T_x" if "T_x" in known.variables else "T"
    for words, when in (("t == 0", "step 0"), (f"t == {length} - 1", "the last step")):
        for other in known.like(node.id):
            state = node.id[0] != "d" and other[0] != "d"
            states = {node.id, other} in ({"a_prev", "c_prev"}, {"prev_h", "prev_c"})
            if (near(node.id, other) > 1 and not states) or not state:
                continue
            either = ast.IfExp(parse(words), name(other), node)
            what = f"{other} in place of {node.id} at {when}"
            yield Change(either, "step", what, 1.6, what)
        if known.shapes.get(node.id) and node.id[0] in "acdhp":
            new = times(node, parse(words.replace("==", "!=")))
            what = f"zeros in place of {node.id} at {when}"
            yield Change(new, "step", what, 1.6, what)


def guarded(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A line that one step skips, or that writes a step further where there is one."""
    if node is not line or not isinstance(line, ast.Assign):
        return
    if not _in_loop(known, line) or isinstance(line.targets[0], ast.Tuple):
        return
    length = "T_x" if "T_x" in known.variables else "T"
    for words, when in (("t > 0", "step 0"), (f"t < {length} - 1", "the last step")):
        new = ast.If(parse(words), [line], [])
        what = f"it is not done at {when}"
        yield Change(new, "step", what, 1.3, f"not at {when}", True)
    target = line.targets[0]
    if not isinstance(target, ast.Subscript):
        return
    for shift, words, what in (
        ("t + 1", f"t < {length} - 1", "it is stored a step late"),
        ("t - 1", "t > 0", "it is stored a step early"),
    ):
        parts = (
            list(target.slice.elts)
            if isinstance(target.slice, ast.Tuple)
            else [target.slice]
        )
        moved = [parse(shift) if text(part) == "t" else part for part in parts]
        index = moved[0] if len(moved) == 1 else ast.Tuple(moved, ast.Load())
        stored = ast.Subscript(target.value, index, ast.Store())
        inner = ast.Assign([stored], line.value)
        new = ast.If(parse(words), [inner], [])
        yield Change(new, "step", what, 1.2, what, True)


def normalised_over(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A softmax over the examples, or over everything."""
    if called(node) != "softmax":
        return
    turned = ast.Attribute(node.args[0], "T", ast.Load())
    new = ast.Attribute(call("softmax", turned), "T", ast.Load())
    yield Change(new, "axis", "softmax over the examples", 1.2, "softmax axis")
    raised = call("np.exp", node.args[0])
    whole = ast.BinOp(raised, ast.Div(), call("np.sum", raised))
    yield Change(whole, "axis", "softmax over everything", 1.3, "softmax of all")
    yield Change(raised, "function", "softmax is not divided by its sum", 1.4)
    centred = minus(
        node.args[0],
        ast.Call(parse("np.max"), [node.args[0]], [ast.keyword("axis", number(0))]),
    )
    raised = call("np.exp", centred)
    whole = ast.BinOp(raised, ast.Div(), call("np.sum", raised))
    yield Change(whole, "axis", "softmax with the sum over everything", 1.3)
    logs = call("np.log", node)
    yield Change(logs, "function", "the logarithm of the softmax", 1.4)


def part_of_block(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Of arrays side by side, one block is written over or left at zero."""
    if not is_value(node, line) or not isinstance(line, ast.AugAssign):
        return
    if known.program.convention != "rows" or known.program.cell == "rnn":
        return
    if text(line.target) not in ("dWx", "dWh", "db"):
        return
    count = 4 if known.program.cell == "lstm" else 3
    for low, high in ((0, count - 1), (0, 1), (count - 1, count), (1, count), (0, 2)):
        cut = f"x[..., {low} * H:{high} * H]"
        index = parse(cut).slice  # type: ignore[attr-defined]
        total = name(text(line.target))
        block = ast.Subscript(total, index, ast.Store())
        part = item(node, index)
        rest = ast.AugAssign(block, line.op, part)
        what = f"columns {low} * H to {high} * H"
        keep = ast.Assign([block], part)
        others: list[ast.stmt] = []
        for words in (f":{low} * H", f"{high} * H:"):
            beside = parse(f"x[..., {words}]").slice  # type: ignore[attr-defined]
            place = ast.Subscript(total, beside, ast.Store())
            others.append(ast.AugAssign(place, line.op, item(node, beside)))
        new = ast.If(number(True), [keep, *others], [])
        yield Change(new, "accumulate", f"{what} are overwritten", 1.4, what, True)
        yield Change(rest, "block", f"only {what} are added", 1.5, f"only {what}", True)


def other_input(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The input of another step, where xt is used or stored in a loop."""
    if not isinstance(node, ast.Name) or node.id != "xt" or not _in_loop(known, line):
        return
    if not isinstance(node.ctx, ast.Load) or not {"x", "t"} <= known.variables:
        return
    for step, cost in (
        ("max(t - 1, 0)", 1.4),
        ("t - 1", 1.4),
        ("min(t + 1, T_x - 1)", 1.5),
        ("0", 1.6),
        ("-1", 1.5),
    ):
        words = f"x[:, :, {step}]"
        what = f"{words} in place of xt"
        yield Change(parse(words), "step", what, cost, what)


def _in_loop(known: Function, line: Any) -> bool:
    loops = [n for n in known.tree.body if isinstance(n, ast.For)]
    return any(line in loop.body for loop in loops)


RULES = (at_an_end, guarded, normalised_over, part_of_block, other_input)
