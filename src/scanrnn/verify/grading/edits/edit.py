"""One edit of a program: what it changes, in words, and how likely a slip it is."""

import ast
from types import CodeType
from typing import Any, NamedTuple

from ..programs import Program, compiled, program
from ..programs.tree import Path, at, located, meet, replaced, substitute
from .nodes import text

Swap = tuple[Path, ast.AST]


class Change(NamedTuple):
    """What a rule says of one node: another in its place."""

    new: ast.AST
    rule: str  # the family
    what: str  # in words, after "dWaa: "
    cost: float  # 1 for a slip that people make daily; more for strange ones
    key: str = ""  # of changes that are one slip where they happen together
    whole: bool = False  # whether `new` stands for the whole statement
    parts: tuple[Swap, ...] = ()  # of the node, that are replaced in place of all of it


class Edit(NamedTuple):
    """A slip in one function of a program."""

    cell: str
    form: str  # the program's name
    function: str
    swaps: tuple[Swap, ...]
    rule: str
    what: str
    cost: float
    key: str = ""

    @property
    def program(self) -> Program:
        """The program that it is made in."""
        return program(self.cell, self.form)

    @property
    def code(self) -> CodeType:
        """The function with the slip in it."""
        return compiled(self.tree)

    @property
    def tree(self) -> ast.FunctionDef:
        """Its syntax tree."""
        tree = self.program.trees[self.function]
        for path, new in self.swaps:
            tree = substitute(tree, path, located(new))
        return tree

    def clashes(self, other: "Edit") -> bool:
        """Whether the two cannot be made at once."""
        if self.function != other.function:
            return False
        if not any(meet(p, q) for p, _ in self.swaps for q, _ in other.swaps):
            return False
        if self.form != other.form:
            return True
        tree = self.program.trees[self.function]
        return replaced(tree, (*self.swaps, *other.swaps)) is None

    @property
    def statement(self) -> Path:
        """Where the line stands that is edited first."""
        return statement(self.program.trees[self.function], self.swaps[0][0])

    @property
    def name(self) -> str:
        """Short: the variable that is computed wrongly, and what is wrong."""
        target = self.target
        return f"{target}: {self.what}" if target else self.what

    @property
    def target(self) -> str:
        """What the line computes."""
        tree = self.program.trees[self.function]
        lines = {statement(tree, path) for path, _ in self.swaps}
        targets = list(dict.fromkeys(written(at(tree, line)) for line in sorted(lines)))
        if len(targets) > 4:
            return ""
        return ", ".join(target for target in targets if target)

    def lines(self) -> tuple[str, str]:
        """The line as it is written wrongly, and as it should be."""
        tree, wrong = self.program.trees[self.function], self.tree
        one, two = at(wrong, self.statement), at(tree, self.statement)
        if shown(one) == shown(two):
            return _in_full(one), _in_full(two)
        return shown(one), shown(two)


def statement(tree: ast.AST, path: Path) -> Path:
    """The innermost statement that a path leads through."""
    node: Any = tree
    found: Path = ()
    for depth, (field, place) in enumerate(path, start=1):
        node = getattr(node, field)
        node = node if place is None else node[place]
        if isinstance(node, ast.stmt):
            found = path[:depth]
    return found


def written(line: ast.AST) -> str:
    """The variable that a statement writes."""
    if isinstance(line, ast.Assign):
        return text(line.targets[0]).strip("()").replace("[:]", "")
    if isinstance(line, ast.AugAssign):
        return text(line.target)
    if isinstance(line, ast.Expr):
        return "the caches"
    if isinstance(line, ast.Return):
        return "what is returned"
    return ""


def _in_full(line: ast.AST) -> str:
    """A loop in one line, with its body."""
    return "; ".join(part.strip() for part in text(line).splitlines())


def shown(line: ast.AST) -> str:
    """The statement's text; of a loop its first line."""
    if isinstance(line, ast.For):
        return f"for {text(line.target)} in {text(line.iter)}:"
    if isinstance(line, ast.If):
        always = isinstance(line.test, ast.Constant)
        test = "" if always else f"if {text(line.test)}: "
        return test + "; ".join(map(text, line.body))
    if isinstance(line, ast.Pass):
        return "(the line is missing)"
    return text(line)
