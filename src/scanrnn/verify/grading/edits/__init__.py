"""Mistakes as edits of a program: rules make them, and say in words what they did.

`edits_of` lists every single edit of the functions that a pass runs. Where the same
slip can be made at several places, an edit of all of them at once follows: in one line,
and in the whole function.
"""

import ast
import functools
from collections.abc import Callable, Iterator
from typing import Any

from ..programs import Program, program, programs
from ..programs.tree import at
from . import couplings, derivatives, factors, flow, operands, places, products, scaling
from .context import Function, function
from .context import places as spots
from .edit import Change as Change
from .edit import Edit as Edit
from .edit import statement, written
from .nodes import text

Rule = Callable[[Function, Any, Any], Iterator[Change]]
RULES: tuple[Rule, ...] = (
    *derivatives.RULES,
    *operands.RULES,
    *factors.RULES,
    *products.RULES,
    *places.RULES,
    *flow.RULES,
    *scaling.RULES,
    *couplings.RULES,
)
CARRIES = ("da_prevt", "dc_prevt", "dprev_h", "dprev_c")
LIKELY = 1.2  # what is looked for at all gates but one costs less
TOGETHER = 0.3  # what an edit of several places costs more than one of them


@functools.cache
def groups(like: str) -> tuple[tuple[str, str], ...]:
    """Which functions of which programs a pass runs: (program, function).

    >>> groups("gru_cell_backward")[0]
    ('course', 'gru_cell_backward')
    """
    return tuple(
        (program.name, name)
        for program in programs(like.split("_")[0])
        for name in program.reached(like)
        if name in program.own
        if not (program.convention == "rows" and like.endswith("forward"))
    )


def edits_of(like: str) -> Iterator[Edit]:
    """Every edit of every program of the pass, its forward pass included.

    >>> edits = edits_of("rnn_cell_backward")
    >>> next(e.name for e in edits if e.what == "a_next in place of a_prev")
    'dWaa: a_next in place of a_prev'
    """
    for form, function_ in groups(like):
        yield from edits(like.split("_")[0], form, function_)


@functools.cache
def edits(cell: str, form: str, name: str) -> tuple[Edit, ...]:
    """Every edit of one function of one program, alone and at several places."""
    known = function(program(cell, form), name)
    singles = list(_singles(known.program, known))
    crossed = _crossed(known.tree, singles)
    return (*singles, *_together(known.program, name, singles), *crossed)


def _singles(program: Program, known: Function) -> Iterator[Edit]:
    for path, node in spots(known):
        line_path = statement(known.tree, path)
        line = at(known.tree, line_path)
        for rule in RULES:
            for change in rule(known, node, line):
                where = line_path if change.whole else path
                yield Edit(
                    program.cell,
                    program.name,
                    known.name,
                    ((where, change.new),),
                    change.rule,
                    change.what,
                    change.cost,
                    change.key,
                )


def _together(program: Program, name: str, singles: list[Edit]) -> Iterator[Edit]:
    """Edits of one key at once: in one line, and throughout the function."""
    tree = program.trees[name]
    groups: dict[tuple[Any, ...], list[Edit]] = {}
    for edit in singles:
        if edit.key:
            line = edit.statement
            groups.setdefault((edit.key, line), []).append(edit)
            groups.setdefault((edit.key,), []).append(edit)
            kind = _kind(written(at(tree, line)))
            if kind:
                groups.setdefault((edit.key, kind), []).append(edit)
                if kind != "carry":
                    groups.setdefault((edit.key, "W and db"), []).append(edit)
            if edit.cost < LIKELY:
                for but in _but(program, written(at(tree, line))):
                    groups.setdefault((edit.key, but), []).append(edit)
    seen: set[tuple[Any, ...]] = set()
    for key, group in groups.items():
        apart = _apart(group)
        lines = {edit.statement for edit in apart}
        mark = (key[0], tuple(edit.swaps[0][0] for edit in apart))
        if len(apart) < 2 or mark in seen:
            continue
        seen.add(mark)
        first = apart[0]
        where = "everywhere" if len(lines) > 1 else "in the whole line"
        if len(key) == 2 and isinstance(key[1], str):
            where = "in both carries" if key[1] == "carry" else f"in every d{key[1]}"
            where = key[1] if key[1].startswith("everywhere") else where
        yield first._replace(
            swaps=tuple(swap for edit in apart for swap in edit.swaps),
            what=f"{first.what}, {where}",
            cost=first.cost + TOGETHER,
            key="",
        )


def _crossed(tree: Any, singles: list[Edit]) -> Iterator[Edit]:
    """Two blocks or entries of different lines, each in the other's place."""
    turns: dict[tuple[str, str], list[Edit]] = {}
    for edit in singles:
        path, block = edit.swaps[0]
        if isinstance(block, ast.Subscript) and edit.rule in ("block", "operand"):
            turns.setdefault((text(at(tree, path)), text(block)), []).append(edit)
    for (old, new), there in turns.items():
        if old > new:
            continue
        for one in there:
            for two in turns.get((new, old), []):
                if one.statement != two.statement:
                    yield one._replace(
                        swaps=(*one.swaps, *two.swaps),
                        rule="order",
                        what=f"{old} and {new} are exchanged",
                        cost=max(one.cost, two.cost) + 0.2,
                        key="",
                    )


def _kind(target: str) -> str:
    if target in CARRIES:
        return "carry"
    return target[1] if target[:2] in ("dW", "db") else ""


def _but(program: Program, target: str) -> Iterator[str]:
    """The groups of lines without those of one gate, of which this line is one."""
    if program.cell == "lstm" and program.convention == "course":
        for last in "oc":
            if f"d{last}" not in target[:3]:
                yield f"everywhere but for gate {last}"


def _apart(group: list[Edit]) -> list[Edit]:
    kept: list[Edit] = []
    for edit in group:
        if not any(edit.clashes(other) for other in kept):
            kept.append(edit)
    return kept
