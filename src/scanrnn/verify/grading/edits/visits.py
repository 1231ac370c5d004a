"""What one visit of a loop keeps for another.

The state that is handed out may be that of another visit than the last; a factor may be
the one that the visit before left behind; a list may hold one array many times.
"""

import ast
from collections.abc import Iterator
from typing import Any

from ..programs.tree import located, substitute, walk
from .context import Function, near
from .edit import Change
from .nodes import factors, name, parse, terms, text, times, total


def handed_out(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What goes out as the start's gradient: another visit's, or the sum of all."""
    if node is not line or not isinstance(line, ast.For) or "t" not in known.variables:
        return
    if not known.name.endswith("backward") or "_cell_" in known.name:
        return
    length = "T_x" if "T_x" in known.variables else "T"
    written = {
        text(t) for x in line.body if isinstance(x, ast.Assign) for t in _names(x)
    }
    carries = [
        carry for carry in ("da_prevt", "da_prev", "dprev_h") if carry in written
    ]
    for carry in carries[:1]:
        for when, what, cost in (
            (f"t == {length} - 1", "what the first visit handed on", 1.2),
            (f"t == min(1, {length} - 1)", "step 1's", 1.4),
            ("True", "", 1.2),
        ):
            if what:
                keep = f"if {when}: kept = {carry}.copy()"
                what = f"the start's gradient is {what}"
            else:
                keep = f"kept = kept + {carry}"
                what = "the start's gradient is the sum of what all visits handed on"
            yield _around_loop(
                line, f"kept = 0 * {carry}", keep, f"{carry} = kept", what, cost
            )
        keep = f"kept = kept + {carry} / {length}"
        what = "the start's gradient is the mean of what all visits handed on"
        yield _around_loop(
            line, f"kept = 0 * {carry}", keep, f"{carry} = kept", what, 1.7
        )


def one_buffer(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A list that holds one array as often as there are steps: all are the last."""
    if node is not line or not isinstance(line, ast.For) or "_cell_" in known.name:
        return
    for part in line.body:
        target = part.targets[0] if isinstance(part, ast.Assign) else None
        if isinstance(target, ast.Tuple):
            target = next(
                (x for x in target.elts if isinstance(x, ast.Subscript)), None
            )
        if not isinstance(target, ast.Subscript) or "t" not in text(target.slice):
            continue
        array = text(target.value)
        back = not known.name.endswith("forward")
        index = text(target.slice).strip("()")
        slot = f"{array}[{index.replace('t', '0' if back else '-1')}]"
        after = f"{array}[{index.replace('t', 's')}] = {slot}"
        length = "T_x" if "T_x" in known.variables else "T"
        loop = f"for s in range({length}): {after}"
        what = (
            f"every step of {array} is what the last visit wrote: one array in a list"
        )
        yield _around_loop(line, "pass", "pass", loop, what, 1.3)


def kept_from_before(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """In one line a factor is still that of the visit before."""
    if node is not line or not isinstance(line, ast.For) or "_cell_" in known.name:
        return
    if known.name.endswith("forward"):
        return
    set_here = {
        text(name_): i
        for i, part in enumerate(line.body)
        if isinstance(part, ast.Assign)
        for name_ in _names(part)
    }
    for i, part in enumerate(line.body):
        if not isinstance(part, ast.Assign | ast.AugAssign):
            continue
        used = [
            (path, x)
            for path, x in walk(part)
            if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Load)
        ]
        for word in dict.fromkeys(x.id for _, x in used):
            first = set_here.get(word, i + 1)
            if first >= i or len(known.shapes.get(word, ())) != 2 or word[0] == "W":
                continue
            changed: Any = part
            for path, x in used:
                if x.id == word:
                    changed = substitute(changed, path, located(name("kept")))
            body = [*line.body[:i], changed, *line.body[i + 1 :]]
            loop = ast.For(line.target, line.iter, body, [])
            sort = known.shapes[word]
            zeros = _zeros(known, word, sort)
            if not zeros:
                continue
            target = text(
                part.targets[0] if isinstance(part, ast.Assign) else part.target
            )
            for begin, how in ((f"{zeros} + 1", "ones"), (zeros, "zeros")):
                what = f"in the line of {target}, {word} is that of the visit before"
                what += f", {how} at first"
                yield _around_loop(
                    loop, f"kept = {begin}", f"kept = {word}", "pass", what, 1.5
                )


def _zeros(known: Function, word: str, shape: tuple[int, ...]) -> str:
    """Zeros of the shape of a state or a gradient."""
    for other in ("da_prevt", "da_prev", "dprev_h"):
        if known.shapes.get(other) == shape and other in known.variables:
            return f"0 * {other}"
    return ""


def _names(part: ast.Assign) -> Iterator[ast.expr]:
    for target in part.targets:
        yield from target.elts if isinstance(target, ast.Tuple) else (target,)


def _around_loop(
    line: Any, before: str, last: str, after: str, what: str, cost: float
) -> Change:
    """The loop with a line before it, one as its last, and one behind it."""
    loop = ast.For(line.target, line.iter, [*line.body, *_lines(last)], [])
    new = ast.If(ast.Constant(True), [*_lines(before), loop, *_lines(after)], [])
    return Change(new, "visit", what, cost, "", True)


def _lines(words: str) -> list[ast.stmt]:
    return [line for line in ast.parse(words).body if not isinstance(line, ast.Pass)]


def apart(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Of what is given and what is carried, one meets another step's factor."""
    parts = factors(node)
    if (
        len(parts) < 2
        or not isinstance(line, ast.Assign)
        or not isinstance(node, ast.BinOp)
    ):
        return
    for i, part in enumerate(parts):
        value = known.values.get(text(part)) if isinstance(part, ast.Name) else None
        inner = terms(value) if value is not None else []
        rest = [*parts[:i], *parts[i + 1 :]]
        words = text(times(*rest))
        if len(inner) != 2 or (", t]" not in words and ", t, :]" not in words):
            continue
        length = "T_x" if "T_x" in known.variables else "T"
        for shift, says in (
            (f"min(t + 1, {length} - 1)", "of the step after"),
            ("max(t - 1, 0)", "of the step before"),
        ):
            moved = words.replace(", t]", f", {shift}]").replace(
                ", t, :]", f", {shift}, :]"
            )
            for k, (added, term) in enumerate(inner):
                other = inner[1 - k]
                new = total(
                    [
                        (other[0], times(other[1], *rest)),
                        (added, times(term, parse(moved))),
                    ]
                )
                what = f"{text(term)} meets {words} {says}"
                yield Change(new, "step", what, 1.4, f"apart {k} {says}")


def joined_streams(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A gradient more inside of a product: (da_next + dc) * tanh_c."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    if (
        not isinstance(line, ast.Assign)
        or line.value is node
        or node.id not in GRADIENTS
    ):
        return
    if not isinstance(line.targets[0], ast.Name) or not isinstance(
        line.value, ast.BinOp
    ):
        return
    for other in known.like(node.id):
        if other in GRADIENTS and other != text(line.targets[0]):
            new = ast.BinOp(node, ast.Add(), name(other))
            what = f"{other} is added to {node.id}"
            yield Change(new, "added", what, 0.4 + near(node.id, other), what)


GRADIENTS = (
    *("da_next", "dc_next", "dnext_h", "dnext_c", "dc", "da_prevt", "dc_prevt"),
    *("dprev_h", "dprev_c"),
)


def added_again(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What is added up so far is added once more at every step: sums of sums."""
    if node is not line or not isinstance(line, ast.AugAssign):
        return
    target = text(line.target)
    if target[:2] not in ("dW", "db") or "t" not in known.variables:
        return
    length = "T_x" if "T_x" in known.variables else "T"
    for weight, order, cost in (
        ("(t + 1)", "", 1.2),
        (f"({length} - t)", ", the other way in time", 1.6),
    ):
        new = ast.AugAssign(line.target, line.op, times(parse(weight), line.value))
        what = f"what was added up so far is added again at every step{order}"
        yield Change(new, "accumulate", what, cost, f"sums of sums{order}", True)
    if isinstance(line.op, ast.Add):
        half = parse(f"({target} + {text(line.value)}) / 2")
        mean = ast.Assign([line.target], half)
        what = "the mean of what was added up so far and what comes"
        yield Change(mean, "accumulate", what, 1.5, "running mean", True)


def of_another_step(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """In one place what the cache of another step holds."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    if known.program.name not in ("flat", "rows, flat") or node.id[0] == "W":
        return
    if len(known.shapes.get(node.id, ())) != 2 or isinstance(line, ast.Return):
        return
    if known.program.name == "flat" and known.program.cell == "lstm":
        return  # where arrays hold all of time these are edits of an index
    length = "T_x" if "T_x" in known.variables else "T"
    for caches, place in _unpacked(known.tree, node.id):
        for step, words, cost in (
            ("t - 1", "the step before, of the last at step 0", 1.2),
            ("max(t - 1, 0)", "the step before, or step 0", 1.4),
            (f"min(t + 1, {length} - 1)", "the next step, or the last", 1.4),
            (f"(t + 1) % {length}", "the next step, of step 0 at the last", 1.5),
        ):
            what = f"{node.id} is that of {words}"
            key = f"{node.id} of {step}"
            yield Change(parse(f"{caches}[{step}][{place}]"), "step", what, cost, key)


def _unpacked(tree: Any, word: str) -> Iterator[tuple[str, int]]:
    """The list and the place that a variable is taken from, step by step."""
    for loop in tree.body:
        for line in loop.body if isinstance(loop, ast.For) else ():
            if isinstance(line, ast.Assign) and text(line.value).endswith("[t]"):
                names = [text(x) for x in _names(line)]
                if word in names and isinstance(line.value, ast.Subscript):
                    yield text(line.value.value), names.index(word)


RULES = (
    handed_out,
    one_buffer,
    kept_from_before,
    apart,
    joined_streams,
    added_again,
    of_another_step,
)
