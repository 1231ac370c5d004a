"""Syntax trees that are never changed: a part is replaced along its path, by copies."""

import ast
import copy
import functools
from collections.abc import Iterator, Sequence
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


def only(node: ast.AST, part: ast.AST) -> Path | None:
    """Where a part stands in a node, if it is there once, compared by its text."""
    found = _by_text(node, type(part).__name__).get(ast.dump(part), [])
    return found[0] if len(found) == 1 else None


@functools.lru_cache(30_000)
def _by_text(node: ast.AST, kind: str) -> dict[str, list[Path]]:
    """Where nodes of a kind stand, by their text."""
    found: dict[str, list[Path]] = {}
    for path, part in walk(node):
        if type(part).__name__ == kind:
            found.setdefault(ast.dump(part), []).append(path)
    return found


def replaced(tree: Any, swaps: Sequence[tuple[Path, ast.AST]]) -> Any:
    """The tree with all swaps made; None if they cannot be made at once.

    What lies inside of another's place is made in what stands there then: a factor is
    left out of a product that is also divided. So the inner must still be there, once.
    """
    pending = sorted(swaps, key=lambda swap: len(swap[0]))
    while pending:
        path, new = pending.pop()
        outer = next((i for i, (p, _) in enumerate(pending) if meet(p, path)), None)
        if outer is None:
            tree = substitute(tree, path, located(new))
            continue
        around, other = pending[outer]
        places = [(around, other, path, new)]
        places += [(path, new, around, other)] if len(around) == len(path) else []
        for place, whole, inner, part in places:
            where = only(whole, at(tree, inner))
            if where is not None:
                pending[outer] = place, substitute(whole, where, located(part))
                break
        else:
            return None
    return tree


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
