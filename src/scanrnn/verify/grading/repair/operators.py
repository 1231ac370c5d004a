"""Expressions written otherwise: operators, transposes, brackets, signs."""

import ast
import itertools
from collections.abc import Iterator

from .change import Change, instead
from .look import Look, Site

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@"}
NEIGHBOURS = {"+": "-", "-": "+", "*": "@/+", "/": "*", "@": "*"}


def operators(look: Look) -> Iterator[Change]:
    """All that is tried on what is computed."""
    families = (
        _operator,
        _product,
        _brackets,
        _transposed,
        _dropped,
        _scaled,
        _copied,
    )
    for site in look.sites:
        for family in families:
            yield from family(look, site)


def _operator(look: Look, site: Site) -> Iterator[Change]:
    node = site.node
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATORS:
        return
    one, two = _both(node)
    sign = OPERATORS[type(node.op)]
    for other in NEIGHBOURS[sign]:
        yield instead(site, f"{one} {other} {two}", 1)
    yield instead(site, one, 1)
    yield instead(site, two if sign != "-" else f"-{two}", 1)
    if sign in "-/":
        yield instead(site, f"{two} {sign} {one}", 1)
    if sign == "-":
        yield instead(site, two, 2)
    if isinstance(node.left, ast.Constant) and sign == "-" and node.left.value == 1:
        yield instead(site, f"1 - {two} ** 2", 1)
        yield instead(site, f"1 + {two}", 2)


def _both(node: ast.BinOp) -> tuple[str, str]:
    return f"({ast.unparse(node.left)})", f"({ast.unparse(node.right)})"


def operands(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """The two sides of a matrix product, however it is written."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return node.left, node.right
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    if node.func.attr not in ("dot", "matmul", "outer") or len(node.args) > 2:
        return None
    sides = [*node.args, node.func.value][::-1] if len(node.args) == 1 else node.args
    return (sides[0], sides[1]) if len(sides) == 2 else None


def _product(look: Look, site: Site) -> Iterator[Change]:
    """A matrix product with sides turned and exchanged."""
    sides = operands(site.node)
    if sides is None:
        return
    one, two = (_turned(side) for side in sides)
    for (a, b), t, u in itertools.product(
        ((one, two), (two, one)), ("", ".T"), ("", ".T")
    ):
        yield instead(site, _as_written(site.node, a + t, b + u), 1)
    yield instead(site, f"{one} * {two}", 1)
    yield instead(site, f"({one} * {two}).sum(axis=1, keepdims=True)", 4)


def _as_written(node: ast.expr, one: str, two: str) -> str:
    """A matrix product in the way in which this one is written."""
    if not isinstance(node, ast.Call):
        return f"{one} @ {two}"
    if len(node.args) == 1:
        return f"{one}.dot({two})"
    if ast.unparse(node.func).endswith("outer"):
        return f"{one} @ {two}"
    return f"{ast.unparse(node.func)}({one}, {two})"


def _turned(node: ast.expr) -> str:
    """A side of a product without a transpose."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        node = node.value
    text = ast.unparse(node)
    return text if isinstance(node, ast.Name) else f"({text})"


def _brackets(look: Look, site: Site) -> Iterator[Change]:
    """x + (y * z) and (x + y) * z, and the same of all operators."""
    node = site.node
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATORS:
        return
    outer = OPERATORS[type(node.op)]
    one, two = _both(node)
    for side, other in ((node.left, two), (node.right, one)):
        for inner in _operations(side):
            a, b = _both(inner)
            sign = OPERATORS[type(inner.op)]
            if side is node.left:  # (a sign b) outer c
                texts = [f"{a} {sign} ({b} {outer} {other})"]
                texts += [f"({a} {outer} {other}) {sign} {b}"]
            else:  # c outer (a sign b)
                texts = [f"({other} {outer} {a}) {sign} {b}"]
                texts += [f"{a} {sign} ({other} {outer} {b})"]
            for text in texts:
                yield instead(site, text, 1)
    if outer == "@" or outer == "*":
        return
    for side in (node.left, node.right):  # W.T @ d + rest, where rest belongs to d
        sides = operands(side)
        other = two if side is node.left else one
        if sides is not None:
            a, b = (f"({ast.unparse(part)})" for part in sides)
            yield instead(site, f"{a} @ ({b} {outer} {other})", 2)
            yield instead(site, f"({a} {outer} {other}) @ {b}", 2)


def _operations(node: ast.expr) -> Iterator[ast.BinOp]:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield node
    sides = operands(node)
    if sides is not None and not isinstance(node, ast.BinOp):
        yield ast.BinOp(sides[0], ast.MatMult(), sides[1])


def _transposed(look: Look, site: Site) -> Iterator[Change]:
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield instead(site, ast.unparse(node.value), 1)
    elif site.shape is not None and len(site.shape) == 2:
        yield instead(site, f"({site.text}).T", 2)
        if site.shape[0] != 1 and isinstance(site.parent, ast.stmt | ast.Dict):
            yield instead(site, f"({site.text}).sum(axis=1, keepdims=True)", 2)


def _dropped(look: Look, site: Site) -> Iterator[Change]:
    """A call, a sign or a slice that is not there."""
    node = site.node
    if isinstance(node, ast.UnaryOp):
        yield instead(site, ast.unparse(node.operand), 1)
    if isinstance(node, ast.Call):
        for part in node.args[:3]:
            yield instead(site, ast.unparse(part), 1)
        if isinstance(node.func, ast.Attribute):
            yield instead(site, ast.unparse(node.func.value), 1)
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Store):
        yield instead(site, ast.unparse(node.value), 2)


def _scaled(look: Look, site: Site) -> Iterator[Change]:
    """A number that multiplies, divides or is a sign."""
    if not site.shape or site.stored:
        return
    whole = isinstance(site.parent, ast.stmt | ast.Dict | ast.Tuple)
    text = f"({site.text})"
    yield instead(site, f"-{text}", 1 if whole else 2)
    if not whole:
        return
    lengths = [f"{n}.shape[{i}]" for n in _arrays(look, site) for i in range(3)]
    for number in dict.fromkeys([*look.numbers(site), "2", *lengths[:24]]):
        yield instead(site, f"{text} / {number}", 2)
        yield instead(site, f"{text} * {number}", 2)


def _arrays(look: Look, site: Site) -> list[str]:
    inside = {n.id for n in ast.walk(site.statement) if isinstance(n, ast.Name)}
    kinds = look.there(site)
    return [n for n in inside if kinds.get(n, [""])[0] == "array"]


def _copied(look: Look, site: Site) -> Iterator[Change]:
    node = site.node
    if not isinstance(node, ast.Name | ast.Subscript) or not site.shape:
        return
    if isinstance(node.ctx, ast.Load):
        yield instead(site, f"{site.text}.copy()", 2)
