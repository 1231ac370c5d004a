"""What stands in a jaxpr, and in the text of a compiled program (HLO)."""

import re

import jax

COLLECTIVE = re.compile(
    r" (all-reduce|all-gather|reduce-scatter|collective-permute|all-to-all)"
    r"(-start)?\("
)


def inner(eqn):
    """The jaxprs that an equation holds."""
    for value in jax.tree.leaves(
        list(eqn.params.values()), is_leaf=lambda v: hasattr(v, "eqns")
    ):
        if hasattr(value, "jaxpr"):
            yield value.jaxpr
        elif hasattr(value, "eqns"):
            yield value


def loops(jaxpr):
    """All scans below, each with its length and its body."""
    for eqn in jaxpr.eqns:
        for body in inner(eqn):
            if eqn.primitive.name in ("scan", "while"):
                yield eqn.params.get("length"), body
            yield from loops(body)


def count(jaxpr, names):
    found = sum(eqn.primitive.name in names for eqn in jaxpr.eqns)
    return found + sum(count(body, names) for eqn in jaxpr.eqns for body in inner(eqn))


def computations(hlo):
    """Name to lines, for every computation of an HLO module's text."""
    found, lines = {}, None
    for line in hlo.splitlines():
        head = re.match(r"(?:ENTRY )?%?([\w.\-]+) .*\{$", line)
        if head:
            lines = found.setdefault(head.group(1), [])
        elif lines is not None:
            lines.append(line)
    return found


def loop_depths(hlo):
    """The number of while loops around every collective of the module."""
    found = computations(hlo)
    depths = []

    def visit(name, depth):
        for line in found.get(name, ()):
            if COLLECTIVE.search(line):
                depths.append(depth)
            for kind, callee in re.findall(
                r"(body|condition|to_apply|calls)=\{?%?([\w.\-]+)", line
            ):
                visit(callee, depth + (kind == "body"))

    entry = re.search(r"^ENTRY %?([\w.\-]+)", hlo, re.M).group(1)
    visit(entry, 0)
    return depths


def loop_bodies(hlo):
    """The lines of every body of a while loop, and of all that they call."""
    found = computations(hlo)

    def lines(name):
        for line in found.get(name, ()):
            yield line
            for callee in re.findall(r"(?:to_apply|calls)=\{?%?([\w.\-]+)", line):
                yield from lines(callee)

    return [list(lines(body)) for body in re.findall(r"body=%?([\w.\-]+)", hlo)]
