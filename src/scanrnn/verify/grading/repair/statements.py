"""Statements written otherwise: another sign, target, place, one more, one fewer."""

import ast
import itertools
from collections.abc import Iterator

from .change import Change
from .look import Line, Look, shape_of
from .names import near
from .own import Span

SIGNS = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/=", ast.MatMult: "@="}


def statements(look: Look) -> Iterator[Change]:
    """All that is tried on whole statements."""
    for line in look.lines:
        yield from _assigned(line)
        yield from _targets(look, line)
        if _stands_alone(line):
            yield from _moved(line)
            yield from _left_out(line)
    for loop in [one for one in look.lines if isinstance(one.node, ast.For)]:
        yield from _carried(look, loop)
        yield from _begun(look, loop)
    for line in look.lines:
        if line.at == 0:
            yield from _copied_first(look, line)


def endless(change: Change) -> bool:
    """Whether a loop may never end for it: what a ``while`` depends on stays."""
    for loop in change.definition.whiles:
        if not loop.lineno <= change.line <= (loop.end_lineno or 0):
            continue
        names = {n.id for n in ast.walk(loop.test) if isinstance(n, ast.Name)}
        touched = [
            s for s in loop.body if s.lineno <= change.line <= (s.end_lineno or 0)
        ]
        inside = {n.id for s in touched for n in ast.walk(s) if isinstance(n, ast.Name)}
        if change.anchor is None or not touched or names & inside:
            return True
    return False


def _assigned(line: Line) -> Iterator[Change]:
    """``=`` for ``+=``, and the other way."""
    node = line.node
    if isinstance(node, ast.AugAssign):
        for sign in ("=", "+=", "-="):
            if SIGNS.get(type(node.op)) != sign:
                yield _signed(line, node.target, node.value, sign)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Name | ast.Subscript):
            for sign in ("+=", "-="):
                yield _signed(line, target, node.value, sign)


def _signed(line: Line, target: ast.expr, value: ast.expr, sign: str) -> Change:
    d = line.definition
    start, end = d.span(target, "").end, d.span(value, "").start
    while d.text[end - 1 : end] == "(":  # brackets around the value are its own
        end -= 1
    span = Span(start, end, f" {sign} ")
    return Change(d, (span,), 1, line.node.lineno, None)


def _targets(look: Look, line: Line) -> Iterator[Change]:
    """Another name that gets the value; names of a tuple that change places."""
    node = line.node
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.For):
        return
    d = line.definition
    for target in targets:
        if isinstance(target, ast.Tuple | ast.List):
            for one, two in itertools.combinations(target.elts, 2):
                a, b = ast.unparse(one), ast.unparse(two)
                spans = (d.span(one, b), d.span(two, a))
                yield Change(d, spans, 2, target.lineno, None)
        elif isinstance(target, ast.Name):
            kinds = look.atoms[line.scope]
            mine = kinds.get(target.id, [])
            for other, kind in kinds.items():
                if (
                    other != target.id
                    and shape_of(kind)
                    and shape_of(kind) == shape_of(mine)
                ):
                    cost = 1.5 if near(target.id, other) else 2.5
                    span = d.span(target, other)
                    yield Change(d, (span,), cost, target.lineno, None)


def _stands_alone(line: Line) -> bool:
    """Whether a statement has its lines for itself, and is no definition."""
    node, d = line.node, line.definition
    if isinstance(node, ast.FunctionDef | ast.Return | ast.ClassDef):
        return False
    if not line.around:
        return False
    before = d.line(node.lineno).encode()[: node.col_offset].strip()
    after = d.line(node.end_lineno or 0).encode()[node.end_col_offset :].strip()
    return not before and (not after or after.startswith(b"#"))


def _rows(line: Line, node: ast.stmt) -> tuple[int, int]:
    """Where the lines of a statement begin and end."""
    d = line.definition
    return d.line_start(node.lineno), d.line_start((node.end_lineno or 0) + 1)


def _text(line: Line, indent: int) -> str:
    """The lines of a statement, moved to an indentation."""
    d, node = line.definition, line.node
    start, end = _rows(line, node)
    rows = d.text[start:end].splitlines()
    by = indent - node.col_offset
    moved = [" " * by + row if by > 0 else row[-by:] for row in rows]
    return "\n".join(moved) + "\n"


def _gone(line: Line) -> Span:
    start, end = _rows(line, line.node)
    rest = "" if len(line.body) > 1 else " " * line.node.col_offset + "pass\n"
    return Span(start, end, rest)


def _left_out(line: Line) -> Iterator[Change]:
    yield Change(line.definition, (_gone(line),), 2, line.node.lineno, None)


def _moved(line: Line) -> Iterator[Change]:
    """To another place of its block, before or behind the loop, or into it."""
    d, node = line.definition, line.node
    places: list[tuple[int, int, float]] = []  # line, indentation, cost
    for i, other in enumerate(line.body):
        if i not in (line.at, line.at + 1) and not _is_docstring(other):
            cost = 1.5 if abs(i - line.at) < 3 else 2
            places.append((other.lineno, node.col_offset, cost))
        if isinstance(other, ast.For | ast.If) and other is not node:
            for inner in (other.body[0], other.body[-1]):
                places.append((inner.lineno, inner.col_offset, 2))
            last = other.body[-1]
            places.append(((last.end_lineno or 0) + 1, last.col_offset, 2))
    last = line.body[-1]
    if last is not node and not isinstance(last, ast.Return):
        places.append(((last.end_lineno or 0) + 1, node.col_offset, 2))
    for loop in line.around[1:]:
        if isinstance(loop, ast.For | ast.If | ast.With):
            places.append((loop.lineno, loop.col_offset, 2))
            places.append(((loop.end_lineno or 0) + 1, loop.col_offset, 1.5))
    for at, indent, cost in places:
        where = d.line_start(at)
        start, end = _rows(line, node)
        if start <= where < end:
            continue
        spans = (_gone(line), Span(where, where, _text(line, indent)))
        yield Change(d, spans, cost, node.lineno, None)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _carried(look: Look, loop: Line) -> Iterator[Change]:
    """One line more at an end of a loop's body: what is handed on, or starts again."""
    assert isinstance(loop.node, ast.For)
    d, body = loop.definition, loop.node.body
    if body[0].lineno == loop.node.lineno:
        return
    first, last = body[0].lineno, (body[-1].end_lineno or 0) + 1
    indent = " " * body[0].col_offset
    arrays = {
        name: shape
        for name, kind in look.atoms[loop.scope].items()
        if (shape := shape_of(kind))
    }
    names = [name for name in arrays if name.isidentifier()]
    for one, two in itertools.product(names, arrays):
        if one != two and arrays[one] == arrays[two]:
            for sign, cost in (("=", 2.0), ("+=", 2.5)):
                text = f"{indent}{one} {sign} {two}\n"
                where = d.line_start(last)
                yield Change(d, (Span(where, where, text),), cost, last - 1, None)
            text = f"{indent}{one} = {one} + {two}\n"
            where = d.line_start(first)
            yield Change(d, (Span(where, where, text),), 2.5, first, None)
    for one in names:  # another start: before the loop, or at each step
        where, outside = d.line_start(loop.node.lineno), " " * loop.node.col_offset
        values = [o for o in arrays if o != one and arrays[o] == arrays[one]]
        for value in (f"0 * {one}", f"{one}.copy()", *values):
            text = f"{outside}{one} = {value}\n"
            yield Change(d, (Span(where, where, text),), 2.5, first - 1, None)
        where = d.line_start(first)
        for value in (f"0 * {one}", f"{one}.copy()"):
            text = f"{indent}{one} = {value}\n"
            yield Change(d, (Span(where, where, text),), 2.5, first, None)


def _begun(look: Look, loop: Line) -> Iterator[Change]:
    """A stream through time that is missing: it begins as 0, is added, is handed on."""
    assert isinstance(loop.node, ast.For)
    d, body = loop.definition, loop.node.body
    counts = {n.id for n in ast.walk(loop.node.target) if isinstance(n, ast.Name)}
    if body[0].lineno == loop.node.lineno:
        return
    last = d.line_start((body[-1].end_lineno or 0) + 1)
    first, indent = d.line_start(loop.node.lineno), " " * loop.node.col_offset
    begin = Span(first, first, f"{indent}carry = 0\n")
    for site in look.sites:
        inside = loop.node in site.around
        if not inside or not isinstance(site.node, ast.Subscript) or not site.shape:
            continue
        if site.stored:
            continue
        if not counts & {n.id for n in ast.walk(site.node) if isinstance(n, ast.Name)}:
            continue
        added = d.span(site.node, f"({site.text} + carry)")
        for name, kind in look.atoms[loop.scope].items():
            if shape_of(kind) == site.shape and name != site.text:
                text = f"{' ' * body[0].col_offset}carry = {name}\n"
                spans = (begin, added, Span(last, last, text))
                yield Change(d, spans, 2.5, site.node.lineno, None)


def _copied_first(look: Look, line: Line) -> Iterator[Change]:
    """A copy of an argument, before anything is done to it."""
    if not line.around or not isinstance(line.around[-1], ast.FunctionDef):
        return
    function, d = line.around[-1], line.definition
    after = function.body[0]
    if _is_docstring(after) and len(function.body) > 1:
        after = function.body[1]
    if after.lineno == function.lineno:
        return
    where = d.line_start(after.lineno)
    indent = " " * after.col_offset
    for argument in function.args.args:
        kind = look.atoms[line.scope].get(argument.arg, [])
        copied = f"{argument.arg}.copy()"
        if not kind or kind[0] not in ("array", "entries"):
            continue
        text = f"{indent}{argument.arg} = {copied}\n"
        yield Change(d, (Span(where, where, text),), 1.5, after.lineno, None)
