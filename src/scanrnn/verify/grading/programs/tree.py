"""Syntax trees that are never changed: a part is replaced along its path, by copies."""

import ast
import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[tuple[str, int | None], ...]  # fields, and the place where one is a list


def at(node: Any, path: Path) -> Any:
    """The node that a path leads to.

    >>> at(ast.parse("a + b"), (("body", 0), ("value", None), ("left", None))).id
    'a'
    """
    for field, place in path:
        node = getattr(node, field)
        node = node if place is None else node[place]
    return node


def substitute(node: Any, path: Path, new: ast.AST) -> Any:
    """The tree with another node at the end of a path; the old one stays as it is."""
    if not path:
        return new
    (field, place), rest = path[0], path[1:]
    fresh = copy.copy(node)
    vars(fresh).pop("as_text", None)  # what the old one was called
    child = getattr(node, field)
    if place is None:
        setattr(fresh, field, substitute(child, rest, new))
    else:
        items = list(child)
        items[place] = substitute(items[place], rest, new)
        setattr(fresh, field, items)
    return fresh


def walk(node: ast.AST, path: Path = ()) -> Iterator[tuple[Path, ast.AST]]:
    """All nodes below with their paths, parents first."""
    yield path, node
    for field, value in ast.iter_fields(node):
        if isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from walk(item, (*path, (field, place)))
        elif isinstance(value, ast.AST):
            yield from walk(value, (*path, (field, None)))


def meet(one: Path, two: Path) -> bool:
    """Whether one path leads through the other's end."""
    short = min(len(one), len(two))
    return one[:short] == two[:short]


def located(node: Any) -> Any:
    """The same node with a place in the source, as compiling asks for.

    Only new nodes need it: whatever has a place already is whole below.
    """
    if not hasattr(node, "lineno"):
        for child in ast.iter_child_nodes(node):
            located(child)
        if "lineno" in node._attributes:
            node.lineno = node.end_lineno = 1
            node.col_offset = node.end_col_offset = 0
    return node
