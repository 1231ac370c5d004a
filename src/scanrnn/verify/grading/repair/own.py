"""Somebody's own program: the definitions that a function reaches, as text and tree."""

import ast
import inspect
import time
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from ..child import Gone
from ..child.variants import variants
from ..sandbox import Remote

MOST = 600  # lines that are looked at


class Span(NamedTuple):
    """A piece of a definition's text, and what takes its place."""

    start: int
    end: int
    text: str


class Definition:
    """A function, a class or a short assignment at the top of a file."""

    def __init__(
        self, node: ast.stmt, text: str, place: str, first: int, top: int
    ) -> None:
        self.node, self.text = node, text
        self.top = top  # as `first`, and its decorators counted in
        self.place = place  # the file's or cell's name, as the reader knows it
        self.first = first  # the number of its first line there
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._lines = text.splitlines()
        self.whiles = [n for n in ast.walk(node) if isinstance(n, ast.While)]

    @property
    def name(self) -> str:
        """What it defines."""
        if isinstance(self.node, ast.Assign):
            return ast.unparse(self.node.targets[0])
        return str(getattr(self.node, "name", ""))

    def span(self, node: Any, text: str) -> Span:
        """The place of a node of the tree, to be filled with a text."""
        return Span(
            self.at(node.lineno, node.col_offset),
            self.at(node.end_lineno, node.end_col_offset),
            text,
        )

    def at(self, line: int, column: int) -> int:
        """The letter at a place of the tree, whose columns are bytes."""
        before = self._lines[line - 1].encode()[:column].decode(errors="replace")
        return self._starts[line - 1] + len(before)

    def line_start(self, line: int) -> int:
        """The first letter of a line."""
        return self._starts[line - 1]

    def line(self, line: int) -> str:
        """A line of it, counted from 1."""
        return self._lines[line - 1]

    def written(self, spans: Iterable[Span]) -> str:
        """The text with other pieces in it."""
        text = self.text
        for start, end, new in sorted(spans, reverse=True):
            text = text[:start] + new + text[end:]
        return text


class Own:
    """A function in its program: what of it can be written otherwise, and run.

    Args:
        definitions: those that the function reaches.
        ask: what sources, a call and seconds are handed to, as to `variants`.
    """

    def __init__(self, definitions: Mapping[str, Definition], ask: Any) -> None:
        self.definitions, self.ask = definitions, ask
        self._elsewhere = 0.0  # seconds of CPU time in a child

    def clock(self) -> float:
        """Seconds of CPU time, here and in the child."""
        return time.process_time() + self._elsewhere

    def answers(
        self, sources: Sequence[str], call: dict[str, Any], seconds: float
    ) -> dict[str, Any]:
        """What the function returns for every source; empty where nobody answers."""
        try:
            found: dict[str, Any] = self.ask(sources, call, seconds)
        except Gone:
            return {}
        self._elsewhere += float(found.get("cpu", 0.0))
        return found


def own(function: Any, names: Sequence[str]) -> Own | None:
    """The program of a function that is at hand or in a child; None without a source.

    Args:
        function: that one.
        names: of the functions that are called.
    """
    if isinstance(function, Remote):
        found = _reached(function.parts, names)
        return Own(found, function.child.variants) if found else None
    if not isinstance(function, types.FunctionType) or function.__closure__:
        return None
    try:
        path = inspect.getsourcefile(function) or ""
        lines, _ = inspect.findsource(function)
    except (OSError, TypeError):
        return None
    found = _reached([(path.rpartition("/")[2], "".join(lines))], names)
    if not found or found[function.__name__].top != function.__code__.co_firstlineno:
        return None
    space = dict(function.__globals__)  # theirs stays as it is
    for definition in found.values():
        exec(compile(definition.text, path, "exec"), space)

    def ask(
        sources: Sequence[str], call: dict[str, Any], seconds: float
    ) -> dict[str, Any]:
        with jax.enable_x64(True):
            return variants(space, sources, call, seconds)

    return Own(found, ask)


def _reached(
    parts: Sequence[tuple[str, str]], names: Sequence[str]
) -> dict[str, Definition]:
    """The definitions that some functions reach by name; empty if one is not there."""
    known: dict[str, Definition] = {}
    for place, text in parts:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            return {}
        for node in tree.body:
            for definition in _defined(node, text, place, names):
                known[definition.name] = definition
    found, wanted = dict[str, Definition](), list(names)
    while wanted:
        name = wanted.pop(0)
        if name in known and name not in found:
            found[name] = known[name]
            inside = ast.walk(known[name].node)
            wanted += [n.id for n in inside if isinstance(n, ast.Name)]
    lines = sum(len(one.text.splitlines()) for one in found.values())
    return found if set(names) <= set(found) and lines <= MOST else {}


def _defined(
    node: ast.stmt, text: str, place: str, names: Sequence[str]
) -> list[Definition]:
    """The definition of a statement, by itself, with a tree that counts from its top.

    Of the functions that are called decorators are left out: whether the rest gives the
    same numbers is seen before anything is built on it.
    """
    is_lambda = isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)
    if not is_lambda and not isinstance(node, ast.FunctionDef | ast.ClassDef):
        return []
    decorators = getattr(node, "decorator_list", [])
    top = min([node.lineno, *(one.lineno for one in decorators)])
    first = node.lineno if getattr(node, "name", "") in names else top
    lines = text.splitlines(keepends=True)[first - 1 : node.end_lineno]
    piece = "".join(lines)
    try:
        tree = ast.parse(piece).body
    except SyntaxError:
        return []
    return [Definition(tree[0], piece, place, first, top)] if len(tree) == 1 else []
