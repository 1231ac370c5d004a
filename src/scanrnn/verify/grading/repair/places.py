"""Another place of an array or another order of steps: indices, slices, ranges."""

import ast
import itertools
import re
from collections.abc import Iterator
from typing import Any

from .change import Change, instead
from .look import Look, Site, shape_of


def places(look: Look) -> Iterator[Change]:
    """All that is tried on indices and orders."""
    families = (
        _order,
        _first_step,
        _rolled,
        _index,
        _range,
    )
    for site in look.sites:
        for family in families:
            yield from family(look, site)


def _order(look: Look, site: Site) -> Iterator[Change]:
    """A sequence from its other end."""
    node = site.node
    text = site.text
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("reversed", "range"):
        turned = (
            ast.unparse(node.args[0])
            if text.startswith("reversed")
            else f"reversed({text})"
        )
        yield instead(site, turned, 1)
    elif isinstance(site.parent, ast.For) and node is site.parent.iter:
        yield instead(site, f"reversed(list({text}))", 1)
    if site.kind[:1] == ["several"] or (site.shape and len(site.shape) > 2):
        yield instead(site, f"({text})[::-1]", 2)
        if site.shape:
            yield instead(site, f"({text})[:, :, ::-1]", 2)
            yield instead(site, f"({text})[:, ::-1]", 2)


def _first_step(look: Look, site: Site) -> Iterator[Change]:
    """Before the first step, or behind the last, stands another value."""
    if not isinstance(site.node, ast.Subscript) or not site.shape or site.stored:
        return
    alike = look.of_shape(site)
    text = site.text
    for other in [f"np.zeros_like({text})", *(n for n in alike if n != text)]:
        for count in _counts(look, site):
            yield instead(site, f"{other} if {count} == 0 else {text}", 3)
            for before, behind in _beside(site.node, count):
                yield instead(site, f"{before} if {count} > 0 else {other}", 3.5)
                yield instead(site, f"{behind[0]} if {behind[1]} else {other}", 3.5)


def _counts(look: Look, site: Site) -> list[str]:
    """The numbers by name that an index is made of."""
    assert isinstance(site.node, ast.Subscript)
    names = [n.id for n in ast.walk(site.node.slice) if isinstance(n, ast.Name)]
    numbers = look.numbers(site)
    return [name for name in dict.fromkeys(names) if name in numbers]


def _beside(node: ast.Subscript, count: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """What is indexed at the step before; and at the one behind, if there is one."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for i, part in enumerate(parts):
        if isinstance(part, ast.Name) and part.id == count:
            inside = [ast.unparse(p) for p in parts]
            texts = []
            for other in (f"{count} - 1", f"{count} + 1"):
                new = ", ".join([*inside[:i], other, *inside[i + 1 :]])
                texts.append(f"{ast.unparse(node.value)}[{new}]")
            axis = i - len(parts) if inside[0] == "..." else i
            length = f"np.shape({ast.unparse(node.value)})[{axis}]"
            yield texts[0], (texts[1], f"{count} + 1 < {length}")


def _rolled(look: Look, site: Site) -> Iterator[Change]:
    """What `np.roll` takes from the other end is the start."""
    node = site.node
    if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("roll"):
        return
    given = {k.arg: ast.unparse(k.value) for k in node.keywords}
    given |= dict(
        zip(("a", "shift", "axis"), map(ast.unparse, node.args), strict=False)
    )
    if not site.shape or not re.fullmatch(r"-?\d", given.get("axis", "")):
        return
    axis = int(given["axis"]) % len(site.shape)
    rest = tuple(n for i, n in enumerate(site.shape) if i != axis)
    first = given.get("shift", "1") == "1"
    kept = f"np.delete({given['a']}, {-1 if first else 0}, {axis})"
    starts = [n for n, kind in look.there(site).items() if shape_of(kind) == rest]
    whole = f"np.take({given['a']}, 0, {axis})"
    for start in [*starts, f"np.zeros_like({whole})"]:
        ends = [f"np.expand_dims({start}, {axis})", kept]
        inner = ", ".join(ends if first else ends[::-1])
        yield instead(site, f"np.concatenate([{inner}], axis={axis})", 2)


def _index(look: Look, site: Site) -> Iterator[Change]:
    """Another step, row or block."""
    node, parent = site.node, site.parent
    in_index = isinstance(parent, ast.Slice) or (
        isinstance(parent, ast.Subscript) and node is parent.slice
    )
    in_index |= isinstance(parent, ast.Tuple | ast.Call) and site.kind == ["number"]
    is_number = site.kind == ["number"] or isinstance(node, ast.BinOp)
    if in_index and is_number and not isinstance(node, ast.Constant):
        for other in ("{} - 1", "{} + 1", "-1 - {}", "-{}", "2 * {}", "3 * {}"):
            yield instead(site, other.format(f"({site.text})"), 1)
        for other in ("0", "-1"):
            yield instead(site, other, 1)
    if isinstance(node, ast.Subscript):
        yield from _sliced(look, site, node)


def _sliced(look: Look, site: Site, node: ast.Subscript) -> Iterator[Change]:
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for i, part in enumerate(parts):
        if not isinstance(part, ast.Slice):
            continue
        low, high = (p and ast.unparse(p) for p in (part.lower, part.upper))
        numbers = look.numbers(site)
        bounds = list(dict.fromkeys([low, high, None, *numbers[:8]]))
        for a, b in itertools.product(bounds, bounds):
            if (a, b) != (low, high):
                new = list(parts)
                new[i] = ast.Name(f"{a or ''}:{b or ''}", ast.Load())
                yield _with_index(
                    site, node, new, 1 if {a, b} <= {low, high, None} else 3
                )
        for n in numbers if low else ():  # a block for every so-and-so-many-th row
            new = list(parts)
            text = f"{low} * {n}:({low} + 1) * {n}" if part.step else f"{low}::{n}"
            new[i] = ast.Name(text, ast.Load())
            yield _with_index(site, node, new, 2)
        if part.step is None and low is None and high is None:
            new = list(parts)
            new[i] = ast.Name("::-1", ast.Load())
            yield _with_index(site, node, new, 2)
    if len(parts) > 1:
        for i, j in itertools.combinations(range(len(parts)), 2):
            new = list(parts)
            new[i], new[j] = new[j], new[i]
            yield _with_index(site, node, new, 1)


def _with_index(site: Site, node: ast.Subscript, parts: Any, cost: float) -> Change:
    inner = ", ".join(ast.unparse(part) for part in parts)
    text = f"{ast.unparse(node.value)}[{inner}]"
    span = site.definition.span(node, text)
    return Change(site.definition, (span,), cost, node.lineno, site.anchor)


def _range(look: Look, site: Site) -> Iterator[Change]:
    node = site.node
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "range":
        return
    args = [ast.unparse(part) for part in node.args]
    for i, arg in enumerate(args):
        for other in ("{} - 1", "{} + 1"):
            new = [*args[:i], other.format(f"({arg})"), *args[i + 1 :]]
            yield instead(site, f"range({', '.join(new)})", 1)
    if len(args) == 1:
        yield instead(site, f"range(1, {args[0]})", 1)
        yield instead(site, f"range({args[0]} - 2, -1, -1)", 2)
    elif len(args) == 2:
        yield instead(site, f"range({args[1]})", 1)
    elif len(args) == 3:
        yield instead(site, f"range({args[0]} + 1)", 2)
        yield instead(site, f"range({args[0]}, -1, -1)", 1)
        yield instead(site, f"range({args[0]} - 1, -1, -1)", 1)
