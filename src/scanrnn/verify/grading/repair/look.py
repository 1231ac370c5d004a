"""What stands in a program and what its values were: the places that can be changed."""

import ast
import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..child.variants import SEE
from .own import Definition, Own

Kind = list[Any]  # as `variants` tells it: ["array", 5, 4], ["number"], ...
Statements = list[ast.stmt]


class Site(NamedTuple):
    """An expression in its place."""

    definition: Definition
    node: ast.expr
    parent: ast.AST
    around: tuple[ast.stmt, ...]  # statements that it stands in, the innermost last
    anchor: ast.expr | None  # the value, or the entry of one, that it is a part of
    scope: str  # the functions that it stands in, from outside
    kind: Kind  # what its value was; empty if it has none, or several

    @property
    def statement(self) -> ast.stmt:
        """The innermost statement."""
        return self.around[-1]

    @property
    def stored(self) -> bool:
        """Whether it is the target of an assignment."""
        return isinstance(getattr(self.node, "ctx", None), ast.Store)

    @property
    def text(self) -> str:
        """The expression, as Python writes it."""
        return ast.unparse(self.node)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of an array; () of a number."""
        return shape_of(self.kind)


class Line(NamedTuple):
    """A statement in its place."""

    definition: Definition
    node: ast.stmt
    body: Statements  # that it is one of
    at: int  # its place in there
    around: tuple[ast.stmt, ...]  # loops, branches and functions, from outside
    scope: str


@dataclasses.dataclass(frozen=True)
class Look:
    """All places of a program, and the values of its names."""

    sites: list[Site]  # that may be changed
    lines: list[Line]
    every: list[Site]
    atoms: Mapping[str, dict[str, Kind]]  # by scope: names and entries with their kinds
    bound: Mapping[str, dict[str, int]]  # by scope: the line where a name has a value
    _there: dict[tuple[str, int], dict[str, Kind]] = dataclasses.field(
        default_factory=dict
    )

    def there(self, site: Site) -> dict[str, Kind]:
        """The names and entries that have a value where an expression stands."""
        place = (site.scope, site.statement.lineno)
        if place not in self._there:
            bound = self.bound.get(site.scope, {})
            self._there[place] = {
                text: kind
                for text, kind in self.atoms[site.scope].items()
                if bound.get(HEAD.split(text, 1)[0], 0) < place[1]
            }
        return self._there[place]

    def of_shape(self, site: Site) -> list[str]:
        """Those that have the shape of an expression."""
        if site.shape is None:
            return []
        there = self.there(site).items()
        return [name for name, kind in there if shape_of(kind) == site.shape]

    def numbers(self, site: Site) -> list[str]:
        """Those that are numbers."""
        return [name for name, kind in self.there(site).items() if kind == ["number"]]


HEAD = re.compile(r"\W")


def shape_of(kind: Kind) -> tuple[int, ...] | None:
    """The shape of an array; () of a number, None of anything else."""
    if not kind or kind[0] not in ("array", "number"):
        return None
    return tuple(int(n) for n in kind[1:])


def watched(own: Own) -> list[str]:
    """The program, written so that it tells the kinds of its values."""
    sources = []
    for definition in own.definitions.values():
        number(definition)
        tree = _Watch(definition.name).visit(copy.deepcopy(definition.node))
        nodes = tree if isinstance(tree, list) else [tree]
        module = ast.Module(nodes, [])
        sources.append(ast.unparse(ast.fix_missing_locations(module)))
    return sources


def number(definition: Definition) -> None:
    """Every node gets a key of its own."""
    for i, node in enumerate(ast.walk(definition.node)):
        node.mark = f"{definition.name}:{i}"  # type: ignore[attr-defined]


def look(own: Own, seen: Mapping[str, list[Kind]]) -> Look:
    """The places of a program, with what was seen of their values."""
    sites: list[Site] = []
    lines: list[Line] = []
    for definition in own.definitions.values():
        for found in _walk(definition, definition.node, (), None, "", seen):
            if isinstance(found, Site):
                sites.append(found)
            else:
                lines.append(found)
    scopes = {site.scope for site in sites} | {line.scope for line in lines}
    atoms = {scope: _atoms(scope, sites, seen) for scope in scopes}
    return Look(sites, lines, sites, atoms, _bound(sites, lines))


def _bound(sites: list[Site], lines: list[Line]) -> dict[str, dict[str, int]]:
    """By scope: the first line that gives a name a value; 0 for arguments."""
    found: dict[str, dict[str, int]] = {}
    for site in sites:
        node = site.node
        if isinstance(node, ast.Name) and site.stored:
            names = found.setdefault(site.scope, {})
            names[node.id] = min(node.lineno, names.get(node.id, node.lineno))
    for line in lines:
        function = line.around[-1] if line.around else None
        if isinstance(function, ast.FunctionDef):
            for argument in function.args.args:
                found.setdefault(line.scope, {})[argument.arg] = 0
    return found


def _atoms(
    scope: str, sites: list[Site], seen: Mapping[str, list[Kind]]
) -> dict[str, Kind]:
    """Names, entries and slices that can stand anywhere in a function."""
    found: dict[str, Kind] = {}
    for key, kinds in seen.items():
        outer, _, name = key.rpartition(".")
        if outer and (scope == outer or scope.startswith(outer + ".")):
            _take(found, name, kinds)
    for site in sites:
        if site.scope == scope and is_atom(site.node) and site.kind:
            _take(found, site.text, [site.kind])
    return found


def _take(found: dict[str, Kind], text: str, kinds: list[Kind]) -> None:
    if len(kinds) != 1:
        return
    (kind,) = kinds
    found[text] = kind
    if kind[0] == "entries":
        for name, inner in kind[1].items():
            found[f"{text}[{name!r}]"] = inner


def is_atom(node: ast.expr) -> bool:
    """A name, an attribute of one, or an entry or a slice of these."""
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.Attribute | ast.Subscript):
        return is_atom(node.value) and getattr(node, "attr", "") not in ("T", "shape")
    return False


def _walk(
    definition: Definition,
    node: ast.AST,
    around: tuple[ast.stmt, ...],
    anchor: ast.expr | None,
    scope: str,
    seen: Mapping[str, list[Kind]],
) -> Iterator[Site | Line]:
    name = getattr(node, "name", "")
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{name}" if scope else name
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        scope = scope or definition.name
    inside = (*around, node) if isinstance(node, ast.stmt) else around
    for field in ("body", "orelse", "finalbody"):
        body = getattr(node, field, None)
        if isinstance(body, list):
            for i, statement in enumerate(body):
                yield Line(definition, statement, body, i, inside, scope)
    left_out = getattr(node, "decorator_list", [])
    for child in ast.iter_child_nodes(node):
        if child in left_out or isinstance(child, ast.arguments | ast.JoinedStr):
            continue
        its = _anchor(node, child, anchor)
        if isinstance(child, ast.expr):
            kinds = seen.get(getattr(child, "mark", ""), [])
            kind = kinds[0] if len(kinds) == 1 else []
            if inside:
                yield Site(definition, child, node, inside, its, scope, kind)
        yield from _walk(definition, child, inside, its, scope, seen)


def _anchor(node: ast.AST, child: ast.AST, anchor: ast.expr | None) -> ast.expr | None:
    """The part of a statement's value that a child of a node belongs to."""
    if isinstance(node, ast.stmt):
        is_value = child is getattr(node, "value", None)
        return child if is_value and isinstance(child, ast.expr) else None
    if isinstance(node, ast.Lambda):
        return node.body
    whole = anchor is node or isinstance(node, ast.keyword)
    entries = isinstance(node, ast.Dict | ast.Tuple | ast.List | ast.Call | ast.keyword)
    if whole and entries and anchor is not None:
        is_argument = child is not getattr(node, "func", None)
        if isinstance(child, ast.expr) and is_argument:
            return child
        return child if isinstance(child, ast.keyword) else None  # type: ignore
    return anchor


class _Watch(ast.NodeTransformer):
    """Wraps what has a value, and tells of every name that gets one."""

    def __init__(self, scope: str) -> None:
        self.scopes: list[str] = []
        self.top = scope

    @property
    def scope(self) -> str:
        return ".".join(self.scopes) or self.top

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return self._function(node)
        new = self._inside(node)
        if isinstance(new, ast.stmt):
            return self._told(new)
        loaded = isinstance(getattr(new, "ctx", ast.Load()), ast.Load)
        if not isinstance(new, ast.expr) or not loaded or isinstance(new, UNSEEN):
            return new
        return _see(getattr(new, "mark", ""), new)

    def _inside(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.JoinedStr | ast.Constant):
            return node
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            node.value = self.visit(node.value)
            node.slice.elts = [self.visit(part) for part in node.slice.elts]
            return node
        return self.generic_visit(node)

    def _function(self, node: Any) -> ast.AST:
        self.scopes.append(node.name)
        body: Statements = []
        for statement in node.body:
            new = self.visit(statement)
            body += new if isinstance(new, list) else [new]
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            node.body = [*(self._name(a.arg) for a in arguments), *body]
        else:
            node.body = body
        self.scopes.pop()
        return node

    def _name(self, name: str) -> ast.stmt:
        return ast.Expr(_see(f"{self.scope}.{name}", ast.Name(name, ast.Load())))

    def _told(self, node: ast.stmt) -> Any:
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        stored = [n for t in targets if t for n in ast.walk(t)]
        names = [
            n.id
            for n in stored
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        told = [self._name(name) for name in names]
        if isinstance(node, ast.For):
            node.body = [*told, *node.body]
            return node
        return [node, *told] if isinstance(node, ast.Assign | ast.AugAssign) else node


UNSEEN = (ast.Starred, ast.Slice, ast.Constant, ast.Lambda, ast.Yield, ast.JoinedStr)


def _see(key: str, node: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(SEE, ast.Load()), [ast.Constant(key), node], [])
