"""An operand taken from its neighbours: a_next for a_prev, ft for it, dWi for dWf."""

import ast
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from ..programs.tree import located, substitute, walk
from .context import Function, near
from .edit import Change
from .nodes import (
    called,
    factors,
    is_value,
    item,
    minus,
    name,
    negative,
    number,
    parse,
    plus,
    terms,
    text,
    times,
    total,
)

HANDED_ON = (
    *("da_prevt", "dc_prevt", "a_next", "c_next", "prev_h", "prev_c"),
    *("dprev_h", "dprev_c"),
)
SLOPED = ("np.tanh", "sigmoid")


def neighbour(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """One variable for another of its shape."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    for other in known.like(node.id):
        what = f"{other} in place of {node.id}"
        yield Change(name(other), "operand", what, near(node.id, other), what)


def key(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The entry of a dictionary under another key: gradients["dWi"] for ["dWf"]."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        return
    if not isinstance(node.slice, ast.Constant) or not isinstance(
        node.slice.value, str
    ):
        return
    mine = node.slice.value
    for other in dict.fromkeys(known.strings(node.value.id)):
        if other == mine or (other[:2] == "db") != (mine[:2] == "db"):
            continue
        what = f"{other} in place of {mine}"
        new = item(node.value, number(other))
        yield Change(new, "operand", what, near(mine, other), what)


def unpacked(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Two names exchanged where a tuple is made or taken apart."""
    if not isinstance(node, ast.Tuple) or len(node.elts) < 3:
        return
    if isinstance(line, ast.For) or not all(map(_plain, node.elts)):
        return
    for i, j in combinations(range(len(node.elts)), 2):
        one, two = node.elts[i], node.elts[j]
        shapes = [known.shapes.get(text(x).removesuffix(".copy()")) for x in (one, two)]
        if shapes[0] != shapes[1] or shapes[0] is None:
            continue
        what = f"{text(one)} and {text(two)} are exchanged"
        parts = (((("elts", i),), two), ((("elts", j),), one))
        split = (
            isinstance(line, ast.Assign) and called(line.value) == "np.split"
        )  # of W and b alike
        key = f"split {i} {j}" if split else ""
        cost = 1.1 if j == i + 1 else 1.3
        yield Change(node, "order", what, cost, key, parts=parts)


def _plain(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) or called(node).endswith("copy")


def returned(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Two entries of the returned dictionary under each other's name."""
    if not isinstance(node, ast.Dict):
        return
    shape = {i: known.shapes.get(text(v)) for i, v in enumerate(node.values)}
    for i, j in combinations(range(len(node.keys)), 2):
        if shape[i] != shape[j] or shape[i] is None:
            continue
        values = list(node.values)
        values[i], values[j] = values[j], values[i]
        what = f"{text(node.values[i])} and {text(node.values[j])} are exchanged"
        yield Change(ast.Dict(node.keys, values), "order", what, 1.1)


def exchanged(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Two variables of one line change places."""
    if node is not line or not isinstance(line, ast.Assign | ast.AugAssign):
        return
    found: dict[str, list[Any]] = {}
    for path, part in walk(line.value):
        if isinstance(part, ast.Name) and part.id in known.shapes:
            found.setdefault(part.id, []).append((("value", None), *path))
    for one, two in combinations(found, 2):
        if known.shapes[one] != known.shapes[two]:
            continue
        new = line
        for mine, other in ((one, two), (two, one)):
            for path in found[mine]:
                new = substitute(new, path, located(name(other)))
        what = f"{one} and {two} are exchanged"
        yield Change(new, "order", what, 1.1 * near(one, two), what, True)


def stands_for(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A variable where a function of another belongs: c_next for np.tanh(c_next)."""
    if called(node) not in SLOPED or not node.args:
        return
    inner = node.args[0]
    if not isinstance(inner, ast.Name):
        return
    for other in known.like(inner.id):
        what = f"{other} in place of {text(node)}"
        yield Change(name(other), "operand", what, 0.4 + near(inner.id, other), what)


def renamed(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A line's result is stored under another variable's name as well, or instead."""
    if node is not line or not isinstance(line, ast.Assign | ast.AugAssign):
        return
    target = line.targets[0] if isinstance(line, ast.Assign) else line.target
    if not isinstance(target, ast.Name) or target.id not in known.shapes:
        return
    for other in known.like(target.id):
        new_target = ast.Name(other, ast.Store())
        new: ast.stmt = ast.Assign([new_target], line.value)
        if isinstance(line, ast.AugAssign):
            new = ast.AugAssign(new_target, line.op, line.value)
        what = f"the line for {target.id} writes {other}"
        yield Change(new, "target", what, 0.3 + near(target.id, other), "", True)
    if called(line.value) != "np.zeros":
        return
    for other in known.like(target.id):
        if not _before(known, other, target.id):
            continue
        what = f"{target.id} and {other} are one array"
        new = ast.Assign(line.targets, name(other))  # type: ignore[union-attr]
        yield Change(new, "shared", what, near(target.id, other), "shared array", True)


def defined(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Only a part of a variable that is a sum or a product: da[:, :, t] for da_next."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    value = known.values.get(node.id)
    if value is None or is_value(value, line):
        return
    parts = terms(value)
    if len(parts) > 1:
        for added, part in parts:
            new = part if added else negative(part)
            what = f"{text(part)} alone in place of {node.id}"
            yield Change(new, "operand", what, 1.1, what)
        yield from _narrower(known, node, parts)
        if any(isinstance(p, ast.Name) and p.id in HANDED_ON for _, p in parts):
            what = f"{node.id} is summed up again, of what is handed on by then"
            yield Change(value, "operand", what, 1.4, what)
        return
    pieces = factors(value)
    for i, piece in enumerate(pieces if len(pieces) > 1 else ()):
        new = times(*pieces[:i], *pieces[i + 1 :])
        what = f"{node.id} without the factor {text(piece)}"
        yield Change(new, "operand", what, 1.2, what)
        inner = terms(known.values.get(text(piece), piece))
        told = len(inner) > 1 and text(piece) in known.values
        for added, part in inner if told else ():
            one = part if added else negative(part)
            of_part = times(*pieces[:i], one, *pieces[i + 1 :])
            what = f"{node.id} of {text(part)} alone"
            yield Change(of_part, "operand", what, 1.2, what)


def _narrower(known: Function, node: Any, parts: Any) -> Iterator[Change]:
    """A sum in which a factor of a term is only a part of what it should be."""
    for i, (added, part) in enumerate(parts):
        pieces = factors(part)
        for k, piece in enumerate(pieces if len(pieces) > 1 else ()):
            value = known.values.get(text(piece))
            inner = terms(value) if isinstance(piece, ast.Name) and value else []
            for j, (sign_, one) in enumerate(inner if len(inner) > 1 else ()):
                alone: ast.expr = one
                if text(one) in HANDED_ON and len(inner) == 2:  # it may be set by then
                    alone = minus(piece, inner[1 - j][1])
                of_part = times(*pieces[:k], alone, *pieces[k + 1 :])
                whole = [*parts[:i], (added == sign_, of_part), *parts[i + 1 :]]
                what = f"{node.id} with {text(one)} alone in place of {text(piece)}"
                yield Change(total(whole), "operand", what, 1.2, what)


def of_the_loss(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The readout: other labels or predictions, and slopes of the states."""
    if known.program.cell != "readout" or not isinstance(
        line, ast.Assign | ast.AugAssign
    ):
        return
    target = text(line.targets[0] if isinstance(line, ast.Assign) else line.target)
    words = text(node)
    if target == "dl":
        step = "[:, :, t]" if "t" in known.variables else ""
        for old, new, what, cost in OF_THE_LOSS:
            if words == old + step:
                yield Change(parse(new.format(step=step)), "operand", what, cost)
        if is_value(node, line):
            for factor, what in (
                ("1 / np.log(2)", "the loss has the logarithm to base 2"),
                (f"y_pred{step} * (1 - y_pred{step})", "times a sigmoid's slope"),
                (f"y_pred{step}", "times the probabilities"),
                (f"y{step}", "at the labels alone"),
                (f"(1 - y{step})", "but at the labels"),
                ("T_x / (T_x - 1)", "divided by T - 1 and not by T"),
                ("m / (m - 1)", "divided by m - 1 and not by m"),
            ):
                yield Change(times(node, parse(factor)), "scaled", what, 1.5)
    if target == "dWya" and words in ("a", "a[:, :, t]"):
        what = "the slope of the states, and not the states"
        yield Change(parse(f"1 - {words} ** 2"), "operand", what, 1.4)
    if target.split("[")[0] == "da" and is_value(node, line):
        states = target.replace("da", "a", 1)
        if called(node) in ("np.dot", "np.einsum"):
            slope = parse(f"1 - {states} ** 2")
            what = f"one factor too many, 1 - {states} ** 2"
            yield Change(times(node, slope), "added", what, 1.3)


OF_THE_LOSS = (
    ("y", "(labels + 0 * y){step}", "the labels as numbers, not as one-hot", 1.2),
    ("y", "(y == 0){step}", "one where the label is not", 1.4),
    ("y", "(labels > 0){step}", "whether there is a label, not which", 1.5),
    ("y", "1", "1 in place of the labels", 1.3),
    ("y", "np.roll(y, 1, axis=0){step}", "the labels count from 1", 1.3),
    ("y", "np.roll(y, -1, axis=0){step}", "the labels are one too small", 1.4),
    (
        "y",
        "np.eye(n_y)[np.argmax(y_pred, axis=0)].transpose(2, 0, 1){step}",
        "the likeliest class and not the label",
        1.4,
    ),
    (
        "y",
        "(0 * y + (np.sum(y, axis=1, keepdims=True) > 0)){step}",
        "the labels of all examples in every one of them",
        1.5,
    ),
    (
        "y",
        "np.moveaxis(y, 0, 2).reshape(y.shape){step}",
        "the labels, reshaped where their axes should be moved",
        1.4,
    ),
    ("y", "np.roll(y, 1, axis=1){step}", "the labels of the example before", 1.6),
    ("y", "np.roll(y, -1, axis=1){step}", "the labels of the next example", 1.6),
    ("y", "y[:, :, ::-1]{step}", "the labels in the other order of time", 1.3),
    ("y_pred", "softmax(y_pred{step})", "the softmax is taken again", 1.2),
    ("y_pred", "np.log(y_pred{step})", "the logarithm of the prediction", 1.3),
    (
        "y_pred",
        "1.0 * (y_pred{step} == np.max(y_pred{step}, axis=0))",
        "the likeliest class and not the probabilities",
        1.4,
    ),
)


def _before(known: Function, one: str, two: str) -> bool:
    """Whether a variable is set before another."""
    order = list(known.shapes)
    return order.index(one) < order.index(two)


def nothing(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Zeros are handed to the step in place of a state or a gradient."""
    if "_cell_" not in called(node):
        return
    for i, argument in enumerate(node.args):
        if text(argument) in ("dc_prevt", "dprev_c", "da_prevt + da[:, :, t]"):
            given = parse("dh[:, t, :]" if "dh" in known.variables else "da[:, :, t]")
            arguments = [*node.args[:i], plus(argument, given), *node.args[i + 1 :]]
            what = f"{text(given)} is added to {text(argument)}"
            yield Change(ast.Call(node.func, arguments, []), "added", what, 1.3)
        for path, part in walk(argument):
            if isinstance(part, ast.Name) and part.id in known.shapes:
                new = substitute(argument, path, located(times(number(0.0), part)))
                arguments = [*node.args[:i], new, *node.args[i + 1 :]]
                what = f"zeros in place of {part.id}"
                made = ast.Call(node.func, arguments, [])
                yield Change(made, "operand", what, 1.2)
    yield from _nothing_at_all(node)


def _nothing_at_all(node: Any) -> Iterator[Change]:
    """Neither the state nor the memory is handed on."""
    new, lost = node, []
    for path, part in walk(node):
        if isinstance(part, ast.Name) and part.id in HANDED_ON:
            new = substitute(new, path, located(times(number(0.0), part)))
            lost.append(part.id)
    if len(lost) > 1:
        what = f"zeros in place of {' and '.join(lost)}"
        yield Change(new, "operand", what, 1.2)


RULES = (
    nothing,
    defined,
    neighbour,
    key,
    unpacked,
    returned,
    exchanged,
    stands_for,
    renamed,
    of_the_loss,
)
