"""The statements of a source that a function needs, and no others.

A notebook runs tests, prints, and cells in any order; a file may ask for input or never
end. What a function needs of it are the definitions, the imports and the assignments
that its names lead to. Lines keep their numbers, so that an error tells the right one.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .sources import Source


class Statement(NamedTuple):
    """A statement at the top of a unit."""

    unit: int
    first: int  # lines, from 1
    last: int
    binds: frozenset[str]  # names that it gives a value
    changes: frozenset[str]  # names whose value it changes in place
    uses: frozenset[str]
    star: bool  # whether it imports whatever there is


def needed(source: Source, names: Iterable[str]) -> list[tuple[str, str]]:
    """The pieces of source that some functions need, each with its unit's name."""
    statements = list(_statements(source))
    chosen: set[int] = {i for i, s in enumerate(statements) if s.star}
    wanted, met = list(names), set()
    for i in chosen:
        wanted += statements[i].uses
    while wanted:
        name = wanted.pop()
        if name in met:
            continue
        met.add(name)
        makes = [i for i, s in enumerate(statements) if name in s.binds][-1:]
        since = makes[0] if makes else 0
        makes += [
            i for i, s in enumerate(statements) if name in s.changes and i > since
        ]
        for i in makes:
            if i not in chosen:
                chosen.add(i)
                wanted += statements[i].uses
    return [
        (unit.name, text)
        for number, unit in enumerate(source.units)
        if (text := _kept(unit.text, number, [statements[i] for i in chosen])).strip()
    ]


def _kept(text: str, unit: int, statements: Iterable[Statement]) -> str:
    """A unit with every line empty that belongs to none of the statements."""
    lines = text.split("\n")
    keep = {
        line
        for statement in statements
        if statement.unit == unit
        for line in range(statement.first, statement.last + 1)
    }
    return "\n".join(x if n in keep else "" for n, x in enumerate(lines, start=1))


def _statements(source: Source) -> Iterator[Statement]:
    for number, unit in enumerate(source.units):
        try:
            body = ast.parse(unit.text).body
        except (SyntaxError, ValueError):
            continue
        for node in body:
            if isinstance(node, ast.Expr):  # a call, a print, a docstring
                continue
            yield _statement(node, number)


def _statement(node: ast.stmt, unit: int) -> Statement:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    binds, changes = _bound(node)
    star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    return Statement(
        unit,
        first,
        node.end_lineno or node.lineno,
        frozenset(binds),
        frozenset(changes),
        frozenset(_used(node)),
        star,
    )


def _used(node: ast.AST) -> set[str]:
    """Names that a statement reads; what a function binds inside is its own."""
    parts = list(ast.walk(node))
    names = [part for part in parts if isinstance(part, ast.Name)]
    read = {part.id for part in names if isinstance(part.ctx, ast.Load)}
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return read
    shared = {n for part in parts if isinstance(part, ast.Global) for n in part.names}
    own = {part.id for part in names if isinstance(part.ctx, ast.Store)} - shared
    return read - own - {part.arg for part in parts if isinstance(part, ast.arg)}


def _bound(node: ast.AST) -> tuple[set[str], set[str]]:
    """Names that a statement binds, and those that it changes in place."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {node.name}, set()
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(a.asname or a.name).split(".")[0] for a in node.names}, set()
    binds: set[str] = set()
    changes: set[str] = set()
    if isinstance(node, ast.AugAssign):
        changes |= _roots(node.target)
    for target in getattr(node, "targets", [getattr(node, "target", None)]):
        for part in ast.walk(target) if target is not None else ():
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                binds.add(part.id)
            elif isinstance(part, ast.Subscript | ast.Attribute):
                changes |= _roots(part)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.withitem):
            inner = _bound(child)
            binds, changes = binds | inner[0], changes | inner[1]
    return binds, changes - binds


def _roots(target: ast.AST) -> set[str]:
    """The name that a subscript or an attribute belongs to."""
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return {target.id} if isinstance(target, ast.Name) else set()
