"""What the rules know of a function: which variables have which shape, and when."""

import ast
import functools
from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from ..cases import generic
from ..programs import Program, compiled, program
from ..programs.run import functions, inputs_of
from ..programs.tree import Path, substitute, walk

# Names of one kind stand for each other most easily.
FAMILIES = (
    {"a_next", "a_prev", "a0", "a", "a_before", "before", "stored", "a_stored"},
    {"c_next", "c_prev", "c0", "c", "tanh_c", "c_stored"},
    {"ft", "it", "ot", "cct", "f", "i", "o", "g"},
    {"rt", "zt", "nt", "r", "z", "n"},
    {"dft", "dit", "dot", "dcct", "df", "di", "do", "dcc", "dai", "daf", "dao", "dag"},
    {"dg", "df", "di", "do"},
    {"drt", "dzt", "dnt", "dk", "dar", "daz", "dan", "dr", "dn", "dz"},
    {"da_next", "dc_next", "da_prev", "dc_prev", "da_prevt", "dc_prevt", "dc"},
    {"dnext_h", "dnext_c", "dprev_h", "dprev_c", "dc"},
    {"dtanh", "da_next", "dz", "dnext_h"},
    {"next_h", "prev_h", "h0"},
    {"next_c", "prev_c", "tanh_c"},
)


class Function(NamedTuple):
    """A function of a program, with what is known of it before any edit."""

    program: Program
    name: str
    tree: ast.FunctionDef
    shapes: dict[str, tuple[int, ...]]  # of its arrays
    values: dict[str, ast.expr]  # the expression that a variable is set to

    def like(self, variable: str) -> list[str]:
        """Other variables of the same shape, in the order of the program."""
        shape = self.shapes.get(variable)
        if shape is None:
            return []
        return [n for n, s in self.shapes.items() if s == shape and n != variable]

    def same_shape(self, shape: tuple[int, ...] | None) -> list[str]:
        """All variables of a shape."""
        return [n for n, s in self.shapes.items() if s == shape and shape]

    @property
    def variables(self) -> frozenset[str]:
        """All names that it uses."""
        return _variables(self.program.cell, self.program.name, self.name)

    def strings(self, base: str) -> list[str]:
        """The keys that stand in brackets after a variable."""
        return [
            node.slice.value
            for _, node in walk(self.tree)
            if isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == base
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ]


@functools.cache
def _variables(cell: str, form: str, name: str) -> frozenset[str]:
    tree = program(cell, form).trees[name]
    return frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name))


def near(one: str, two: str) -> float:
    """How easily one name is written for another: 1, or more."""
    if any(one in family and two in family for family in FAMILIES):
        return 1.0
    if one[:2] == two[:2] or one[1:] == two[1:] or one[-3:] == two[-3:]:
        return 1.3
    return 1.6 if one[0] == two[0] else 2.0


@functools.cache
def _known(cell: str, name: str, function: str) -> Function:
    return _look(program(cell, name), function)


def function(form: Program, name: str) -> Function:
    """What is known of a function."""
    return _known(form.cell, form.name, name)


def _look(form: Program, name: str) -> Function:
    tree = form.trees[name]
    end = (("body", len(tree.body) - 1), ("value", None))
    told = substitute(tree, end, ast.parse("locals()", mode="eval").body)
    space = functions(form, {})
    run = FunctionType(compiled(told), space)
    case = generic(name.replace("forward", "backward"))
    found = run(*inputs_of(form, name, case))
    shapes = {
        k: np.shape(v)
        for k, v in found.items()
        if isinstance(v, np.ndarray | float) and np.ndim(v)
    }
    return Function(form, name, tree, shapes, dict(_values(tree)))


def _values(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for _, node in walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def places(known: Function) -> Iterator[tuple[Path, Path, Any]]:
    """Every node of the body: the path of its statement, its own, and the node."""
    for number, line in enumerate(known.tree.body):
        yield from _inside(line, (("body", number),), ())


def _inside(node: Any, path: Path, line: Path) -> Iterator[tuple[Path, Path, Any]]:
    line = path if isinstance(node, ast.stmt) else line
    yield line, path, node
    for field, value in ast.iter_fields(node):
        items = enumerate(value) if isinstance(value, list) else [(None, value)]
        for place, item in items:
            if isinstance(item, ast.expr | ast.stmt):
                yield from _inside(item, (*path, (field, place)), line)
