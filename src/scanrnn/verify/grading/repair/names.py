"""Names in the place of others: a neighbour, the same of another gate."""

import ast
import itertools
import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from .change import Change, exchanged, instead
from .look import Kind, Look, Site, is_atom, shape_of

GATES = "ficogrzn"
NAME = re.compile(r"(?<![\w.'\"])\w+(?![\w'\"])")


def names(look: Look) -> Iterator[Change]:
    """All that is tried with names."""
    for site in look.sites:
        if not site.stored:
            yield from _other_name(look, site)
            if isinstance(site.parent, ast.stmt):
                yield from _renamed(look, site)
                yield from _for_another_gate(look, site)


def near(one: str, two: str) -> bool:
    """Whether two names are taken for each other."""
    return SequenceMatcher(None, one, two).ratio() > 0.6


def is_value(node: ast.AST) -> bool:
    """Whether it is a name or an entry whose value is used."""
    return (
        isinstance(node, ast.expr)
        and is_atom(node)
        and not isinstance(getattr(node, "ctx", None), ast.Store)
    )


def _alike(look: Look, site: Site) -> list[str]:
    """What could stand in an atom's place."""
    if site.shape is not None:
        return look.of_shape(site)
    atoms: dict[str, Kind] = look.there(site)
    if not site.kind or site.kind[0] == "other":
        return []
    return [name for name, kind in atoms.items() if kind[0] == site.kind[0]]


def _other_name(look: Look, site: Site) -> Iterator[Change]:
    if not is_atom(site.node):
        return
    if isinstance(site.parent, ast.Attribute | ast.Call) and site.kind[:1] == ["other"]:
        return
    text = site.text
    for other in _alike(look, site):
        if other != text:
            yield instead(site, other, 1 if near(text, other) else 1.5)
    if site.shape:
        yield instead(site, f"np.zeros_like({text})", 2)


def _renamed(look: Look, site: Site) -> Iterator[Change]:
    """A name that stands several times in a line, everywhere another."""
    inside = [n for n in ast.walk(site.node) if isinstance(n, ast.expr)]
    atoms = [n for n in inside if is_value(n)]
    texts = [ast.unparse(n) for n in atoms]
    for name in dict.fromkeys(texts):
        nodes = [n for n, t in zip(atoms, texts, strict=True) if t == name]
        kind = look.there(site).get(name, [])
        if len(nodes) < 2 or shape_of(kind) is None:
            continue
        for other, its in look.there(site).items():
            if shape_of(its) == shape_of(kind) and other != name:
                spans = tuple(site.definition.span(n, other) for n in nodes)
                line = nodes[0].lineno
                yield Change(site.definition, spans, 1.5, line, site.anchor)
    bare = [n for n in atoms if isinstance(n, ast.Name)]
    for one, two in itertools.combinations(bare, 2):
        if one.id != two.id:
            yield exchanged(site, one, two, 1.5)


def _for_another_gate(look: Look, site: Site) -> Iterator[Change]:
    """A line that was copied from another gate's."""
    for new in other_gates(site.text, look.there(site)):
        yield instead(site, new, 1)


def other_gates(text: str, kinds: dict[str, Kind]) -> Iterator[str]:
    """A text with the names of one gate in the place of another's."""
    inside = dict.fromkeys(found[0] for found in NAME.finditer(text))
    for old, new in itertools.permutations(GATES, 2):
        swap = {}
        for name in inside:
            for at in [i for i, c in enumerate(name) if c == old]:
                other = name[:at] + new + name[at + 1 :]
                if other in kinds:
                    swap[name] = other
        if swap:
            yield swapped(text, swap)


def swapped(text: str, swap: dict[str, str]) -> str:
    """A text with other names in it."""
    return NAME.sub(lambda found: swap.get(found[0], found[0]), text)
