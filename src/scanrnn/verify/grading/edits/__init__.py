"""Mistakes as edits of a program: rules make them, and say in words what they did.

`edits_of` lists every single edit of the functions that a pass runs. Where the same
slip can be made at several places, an edit of all of them at once follows: in one line,
and in the whole function.
"""

import ast
import contextlib
import functools
import gc
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from ..programs import Program, program, programs
from ..programs.tree import Path, at, meet, walk
from . import (
    axes,
    couplings,
    derivatives,
    ends,
    factors,
    flow,
    operands,
    parentheses,
    places,
    products,
    scaling,
    visits,
)
from .context import Function, function
from .context import places as spots
from .edit import Change as Change
from .edit import Edit as Edit
from .edit import written
from .nodes import called, text

Rule = Callable[[Function, Any, Any], Iterator[Change]]
RULES: tuple[Rule, ...] = (
    *derivatives.RULES,
    *operands.RULES,
    *factors.RULES,
    *parentheses.RULES,
    *products.RULES,
    *places.RULES,
    *flow.RULES,
    *scaling.RULES,
    *couplings.RULES,
    *ends.RULES,
    *visits.RULES,
    *axes.RULES,
)
CARRIES = ("da_prevt", "dc_prevt", "dprev_h", "dprev_c")
LIKELY = 1.2  # what is looked for at all gates but one costs less
GATE = re.compile(r"d[aWb]?(f|i|o|g|cc|r|z|n)t?|d[Wb](c)")  # of dft, dai, dWf, dcct
# Keys of one slip that is written differently for a tanh and a sigmoid, for what is
# joined and what is cut.
ALIKE = {
    "no slope": ("sigmoid 1", "tanh 1"),
    "functions again": (
        "sigmoid sigmoid(y) * (1 - sigmoid(y))",
        "tanh 1 - np.tanh(y) ** 2",
    ),
    "scores": ("sigmoid of z z * (1 - z)", "tanh of z 1 - z**2"),
    "no square": ("memory 1 - y", "tanh 1 - y"),
    "y for its slope": ("sigmoid y", "tanh y"),
    "1 - y for its slope": ("sigmoid 1 - y", "tanh 1 - y"),
    "tanh everywhere": ("memory 1 - np.tanh(y) ** 2", "tanh 1 - np.tanh(y) ** 2"),
    "no slope of tanh": ("memory 1", "tanh 1"),
    "no slope anywhere": ("memory 1", "sigmoid 1", "tanh 1"),
    "plus": ("sigmoid y * (1 + y)", "tanh 1 + y ** 2"),
    "all plus": ("sigmoid y * (1 + y)", "tanh 1 + y ** 2", "memory 1 + y ** 2"),
    "squares plus": ("tanh 1 + y ** 2", "memory 1 + y ** 2"),
    "the other slope": ("sigmoid 1 - y ** 2", "tanh y * (1 - y)"),
    "functions for slopes": ("sigmoid sigmoid(y)", "tanh np.tanh(y)"),
    "x on top": ("concatenation 1, 0", "block of the other order"),
}
OTHER_WORDS = {
    "no slope": "the slopes are missing",
    "functions again": "the slopes are taken of the outputs as if before the function",
    "scores": "the slopes are taken of what stands before the functions",
    "no square": "the squares are missing in the slopes of tanh",
    "y for its slope": "the outputs stand for their slopes",
    "1 - y for its slope": "one less the outputs stands for their slopes",
    "tanh everywhere": "tanh is applied again in the slopes of tanh",
    "no slope of tanh": "the slopes of tanh are missing",
    "no slope anywhere": "all slopes are missing",
    "plus": "the slopes have a plus",
    "all plus": "all slopes have a plus",
    "squares plus": "the slopes of tanh have a plus",
    "the other slope": "tanh and the sigmoid have each other's slope",
    "functions for slopes": "the functions stand for their slopes",
    "x on top": "[x; a] for [a; x], in what is joined and in what is cut",
}
STARTS = ("da_prevt", "da_prev", "dprev_h")
RARE = 1.5  # slips that cost more are not looked for but for the start
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
    with _no_rubbish():
        singles = list(_singles(known.program, known))
        alone = [edit for edit, _ in singles]
        together = _together(known.program, name, singles)
        turned = _turned(known.program, known.tree, name)
        inside = _but_the_start(known.program, known.tree, name, alone)
        crossed = _crossed(known.tree, alone)
        return (*alone, *together, *crossed, *turned, *inside)


@contextlib.contextmanager
def _no_rubbish() -> Iterator[None]:
    """Nothing is collected meanwhile: all of what is made here is kept."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _singles(program: Program, known: Function) -> Iterator[tuple[Edit, Path]]:
    """Each with the path of its line."""
    for line_path, path, node in spots(known):
        line = at(known.tree, line_path)
        for rule in RULES:
            for change in rule(known, node, line):
                where = line_path if change.whole else path
                parts = tuple(((*where, *p), new) for p, new in change.parts)
                edit = Edit(
                    program.cell,
                    program.name,
                    known.name,
                    parts or ((where, change.new),),
                    change.rule,
                    change.what,
                    change.cost,
                    change.key,
                )
                yield edit, line_path


def _together(
    program: Program, name: str, singles: list[tuple[Edit, Path]]
) -> Iterator[Edit]:
    """Edits of one key at once: in one line, and throughout the function."""
    tree = program.trees[name]
    targets = {line: written(at(tree, line)) for line in {line for _, line in singles}}
    groups: dict[tuple[Any, ...], list[tuple[Edit, Path]]] = {}
    for edit, line in singles:
        if edit.key:
            for key in _groups_of(program, edit, line, targets[line]):
                groups.setdefault(key, []).append((edit, line))
    seen: set[tuple[Any, ...]] = set()
    for key, group in groups.items():
        if len(group) < 2:
            continue
        apart, lines = _apart(group)
        mark = (key[0], tuple(edit.swaps[0][0] for edit in apart))
        if len(apart) < 2 or mark in seen:
            continue
        if key[0] in ALIKE and len({edit.key for edit in apart}) < len(ALIKE[key[0]]):
            continue
        seen.add(mark)
        first = apart[0]
        where = "everywhere" if len(lines) > 1 else "in the whole line"
        if len(key) == 2 and isinstance(key[1], str):
            where = "in both carries" if key[1] == "carry" else f"in every d{key[1]}"
            where = key[1] if key[1].startswith("everywhere") else where
        yield first._replace(
            swaps=tuple(swap for edit in apart for swap in edit.swaps),
            what=f"{OTHER_WORDS.get(key[0], first.what)}, {where}",
            cost=first.cost + TOGETHER,
            key="",
        )


def _groups_of(
    program: Program, edit: Edit, line: Path, target: str
) -> Iterator[tuple[Any, ...]]:
    """What an edit is made together with: by line, by kind of line, by gate."""
    yield edit.key, line
    yield (edit.key,)
    for words, keys in ALIKE.items():
        if edit.key in keys:
            yield (words,)
    kind = _kind(target)
    if kind:
        yield edit.key, kind
        if kind != "carry":
            yield edit.key, "W and db"
    if edit.cost < LIKELY:
        for but in _but(program, target):
            yield edit.key, but


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


def _but_the_start(
    program: Program, tree: Any, name: str, singles: list[Edit]
) -> Iterator[Edit]:
    """What is carried from step to step is wrong, and the start's gradient right."""
    loops = [i for i, line in enumerate(tree.body) if isinstance(line, ast.For)]
    if not name.endswith("backward") or "_cell_" in name or not loops:
        return
    carried: dict[Path, tuple[Path, ast.expr]] = {}  # where it goes out, and its value
    for k, line in enumerate(tree.body[loops[0]].body):
        if not isinstance(line, ast.Assign) or written(line) not in STARTS:
            continue
        for i, after in enumerate(tree.body[loops[0] + 1 :], loops[0] + 1):
            for path, node in walk(after, (("body", i),)):
                if isinstance(node, ast.Name) and node.id == written(line):
                    carried[(("body", loops[0]), ("body", k))] = path, line.value
    for edit in singles:
        found = carried.get(edit.statement)
        if found and edit.cost < RARE and len(edit.swaps) == 1:
            yield edit._replace(
                swaps=(*edit.swaps, found),
                what=f"{edit.what}, but not at the start",
                cost=edit.cost + TOGETHER,
                key="",
            )


def _turned(program: Program, tree: Any, name: str) -> Iterator[Edit]:
    """Two gates that are computed under each other's name."""
    gates = [
        ((("body", i), ("targets", 0)), line.targets[0])
        for i, line in enumerate(tree.body)
        if isinstance(line, ast.Assign) and called(line.value) == "sigmoid"
    ]
    for (place, one), (other, two) in itertools.combinations(gates, 2):
        what = f"{text(one)} and {text(two)} are computed under each other's name"
        swaps = ((place, two), (other, one))
        yield Edit(program.cell, program.name, name, swaps, "order", what, 1.2)


def _kind(target: str) -> str:
    if target in CARRIES:
        return "carry"
    return target[1] if target[:2] in ("dW", "db") else ""


def _but(program: Program, target: str) -> Iterator[str]:
    """The groups of lines without those of one gate, of which this line is one."""
    found = GATE.fullmatch(target)
    gates = {"lstm": "ocfi", "gru": "nrz"}.get(program.cell, "")
    if found is None or not gates:
        return
    mine = (found[1] or found[2]).replace("cc", "c").replace("g", "c")
    yield "everywhere in the lines of gates"
    for last in gates:
        if last != mine:
            yield f"everywhere but for gate {last}"


def _apart(group: list[tuple[Edit, Path]]) -> tuple[list[Edit], set[Path]]:
    """Those that do not clash with one before, and their lines."""
    kept: list[Edit] = []
    lines: set[Path] = set()
    for edit, line in group:
        paths = [path for path, _ in edit.swaps]
        taken = (path for other in kept for path, _ in other.swaps)
        if not any(meet(path, other) for other in taken for path in paths):
            kept.append(edit)
            lines.add(line)
    return kept, lines
