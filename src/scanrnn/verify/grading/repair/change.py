"""A change of somebody's program: a piece of text that takes the place of another."""

import ast
import re
from typing import NamedTuple

from .look import Site
from .own import Definition, Span

PLAIN = re.compile(r"[\w.]+|\(.*\)\.T")


class Change(NamedTuple):
    """One change of one definition."""

    definition: Definition
    spans: tuple[Span, ...]
    cost: float  # how likely: a usual slip costs 1
    line: int  # of the definition, where it is
    anchor: ast.expr | None = None  # whose value it changes, if it is only that

    @property
    def source(self) -> str:
        """The definition with the change in it."""
        return self.definition.written(self.spans)


def instead(site: Site, text: str, cost: float) -> Change:
    """Another expression in a place."""
    text = text if PLAIN.fullmatch(text) else f"({text})"
    span = site.definition.span(site.node, text)
    return Change(site.definition, (span,), cost, site.node.lineno, site.anchor)


def exchanged(site: Site, one: ast.expr, two: ast.expr, cost: float) -> Change:
    """Two parts of an expression change places."""
    first, second = ast.unparse(one), ast.unparse(two)
    spans = (site.definition.span(one, second), site.definition.span(two, first))
    return Change(site.definition, spans, cost, one.lineno, site.anchor)
