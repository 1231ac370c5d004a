"""Terms that are missing: like one that is there, from elsewhere, or a new product."""

import ast
import itertools
from collections.abc import Iterator

from .change import Change, instead
from .look import Look, Site, is_atom, shape_of
from .names import other_gates, swapped

MOST_DONORS, MOST_NODES = 60, 24
MOST_CLONES = 400


def terms(look: Look) -> Iterator[Change]:
    """All that is tried with terms."""
    donors = {scope: _donors(look, scope) for scope in look.atoms}
    for site in look.sites:
        if site.stored:
            continue
        yield from _grafted(site, donors[site.scope])
        if isinstance(site.parent, ast.stmt):
            yield from _another_term(look, site)
            yield from _cloned(look, site)


def _donors(look: Look, scope: str) -> list[tuple[str, tuple[int, ...]]]:
    """Expressions of a function that may be what is missing elsewhere."""
    found: dict[str, tuple[int, ...]] = {}
    for site in look.every:
        if site.scope != scope or not site.shape or is_atom(site.node):
            continue
        if sum(1 for _ in ast.walk(site.node)) <= MOST_NODES:
            found.setdefault(site.text, site.shape)
    return list(found.items())[:MOST_DONORS]


def _grafted(site: Site, donors: list[tuple[str, tuple[int, ...]]]) -> Iterator[Change]:
    """An expression of another place in this one, or added to it."""
    text = site.text
    if not site.shape or isinstance(site.parent, ast.Subscript | ast.Slice):
        return
    for other, shape in donors:
        if shape == site.shape and other != text:
            yield instead(site, other, 3)
            if isinstance(site.parent, ast.stmt | ast.Dict | ast.Tuple):
                yield instead(site, f"({text}) + ({other})", 3)
                yield instead(site, f"({text}) - ({other})", 3)
            if isinstance(site.parent, ast.stmt):
                yield instead(site, f"({text}) * ({other})", 3.5)


def _terms(node: ast.expr) -> list[ast.expr]:
    """The terms of a sum, the last first."""
    terms = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        terms.append(node.right)
        node = node.left
    return [*terms, node]


def _cloned(look: Look, site: Site) -> Iterator[Change]:
    """One term more that is like one of a sum, for another gate, say."""
    kinds = look.there(site)
    for term in _terms(site.node)[:3]:
        text = ast.unparse(term)
        for new in other_gates(text, kinds):
            yield instead(site, f"{site.text} + {new}", 1.5)
        names = dict.fromkeys(n.id for n in ast.walk(term) if isinstance(n, ast.Name))
        arrays = [n for n in names if shape_of(kinds.get(n, []))]
        if not 1 <= len(arrays) <= 3:
            continue
        choices = [
            [o for o in kinds if o.isidentifier() and kinds[o] == kinds[n]]
            for n in arrays
        ]
        for others in itertools.islice(itertools.product(*choices), MOST_CLONES):
            swap = dict(zip(arrays, others, strict=True))
            yield instead(site, f"{site.text} + {swapped(text, swap)}", 3.5)


def _another_term(look: Look, site: Site) -> Iterator[Change]:
    """A product of two more, added to a line: a path of the gradient that lacks."""
    if not site.shape or isinstance(site.node, ast.Dict | ast.Tuple):
        return
    kinds = look.there(site)
    arrays = [(n, s) for n, k in kinds.items() if (s := shape_of(k))]
    text = f"({site.text})"
    same = [n for n, s in arrays if s == site.shape]
    for one, two in itertools.combinations(same, 2):
        yield instead(site, f"{text} + {one} * {two}", 4)
    for y, g in itertools.permutations(same, 2):  # the way back through a softmax
        inner = f"({g} * {y}).sum(axis=0, keepdims=True)"
        yield instead(site, f"{y} * ({g} - {inner})", 4)
    flat = [(n, s) for n, s in arrays if len(s) == 2]
    for (one, a), (two, b) in itertools.product(flat, flat):
        for t, u in itertools.product((False, True), (False, True)):
            left, right = a[::-1] if t else a, b[::-1] if u else b
            if left[1] == right[0] and (left[0], right[1]) == site.shape:
                product = f"{one}{'.T' * t} @ {two}{'.T' * u}"
                yield instead(site, f"{text} + {product}", 4)
                yield instead(site, product, 4)
