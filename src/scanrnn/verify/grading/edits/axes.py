"""Arrays whose axes are mixed up: reshaped where axes should be moved, or joined."""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function
from .edit import Change
from .nodes import parse, text


def reshaped(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """An array is reshaped where its axes should be moved, so its rows do not match."""
    if not over_time(known, node, line):
        return
    x = node.id
    rows, examples, steps = (f"{x}.shape[{axis}]" for axis in range(3))
    for words, what, cost in (
        (f"np.swapaxes({x}, 1, 2).reshape({x}.shape)", "examples and steps", 1.3),
        (
            f"np.swapaxes({x}.reshape({rows}, {steps}, {examples}), 1, 2)",
            "steps and examples",
            1.3,
        ),
        (f"np.moveaxis({x}, 0, 2).reshape({x}.shape)", "the first axis", 1.4),
        (f"np.moveaxis({x}, 2, 0).reshape({x}.shape)", "the last axis", 1.4),
        (
            f"np.moveaxis({x}.reshape({steps}, {rows}, {examples}), 0, 2)",
            "the steps to the front",
            1.4,
        ),
    ):
        says = f"{x} is reshaped where {what} should be moved"
        yield Change(parse(words), "reshape", says, cost, f"reshape {what}")


def over_time(known: Function, node: Any, line: Any) -> bool:
    """Whether an array over all of time is read, outside of the loop of a way back.

    What is returned is such an array if it is the gradient of the inputs.
    """
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return False
    if len(known.shapes.get(node.id, ())) != 3 or known.name.endswith("forward"):
        return False
    if isinstance(line, ast.Return):
        return node.id == "dx"
    if not isinstance(line, ast.Assign) or isinstance(line.value, ast.Dict | ast.Tuple):
        return False
    loops = (loop for loop in known.tree.body if isinstance(loop, ast.For))
    return not any(line in loop.body for loop in loops)


def by_columns(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The examples of a step, read as columns where the last axis varies first."""
    if _is_input(known, node, line):
        node = parse("x[:, :, t]")
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    index = text(node.slice).strip("()")
    x = text(node.value)
    if index == ":, :, t":
        words = f"{x}.reshape(len({x}), -1)[:, t * {x}.shape[1]:(t + 1) * {x}.shape[1]]"
    elif index == ":, t, :":
        words = f"{x}.reshape(-1, {x}.shape[2])[t * len({x}):(t + 1) * len({x})]"
    else:
        return
    what = f"{text(node)} is cut out of {x} with its last two axes in one"
    if index == ":, t, :":
        what = f"{text(node)} is cut out of {x} with its first two axes in one"
    yield Change(parse(words), "reshape", what, 1.4, "columns")


def _is_input(known: Function, node: Any, line: Any) -> bool:
    """Whether it is the input of a step, in the loop that takes it from all steps."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return False
    within = {"x", "t"} <= known.variables and isinstance(line, ast.Assign)
    return node.id == "xt" and within and text(line.value) != "xt"


def gates_mixed(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The gates' axis lies elsewhere when it is joined with the rows' or the units'."""
    if known.program.convention != "rows" or not isinstance(line, ast.Return):
        return
    if not isinstance(node, ast.Name) or node.id not in ("dWx", "dWh", "db"):
        return
    count = {"lstm": 4, "gru": 3}.get(known.program.cell)
    if count is None or not known.name.endswith("backward"):
        return
    x = node.id
    blocks = f"np.split({x}, {count}, axis=-1)"
    forms = [(f"np.stack({blocks}, axis=-1).reshape({x}.shape)", "last", 1.4)]
    if x != "db":
        forms += [(f"np.stack({blocks}).reshape({x}.shape)", "first", 1.3)]
    for words, where, cost in forms:
        what = f"{x}: the axis of the gates is {where} when it is joined with another"
        yield Change(parse(words), "reshape", what, cost, f"gates {where}")


RULES = (reshaped, by_columns, gates_mixed)
