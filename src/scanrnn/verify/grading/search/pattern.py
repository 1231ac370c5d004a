"""What wrong numbers imply where no slip reproduces them: which lines must be right.

A line is followed by doubling what it computes: the entries that move depend on it. If
one of them is right, so is the line. What is left are the lines that reach nothing but
wrong entries.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..cases import Case, split, step_of
from ..edits import Edit, edits
from ..edits.edit import shown
from ..posted import Posted
from ..programs import program
from ..programs.run import try_run
from ..programs.tree import at
from ..replay import Leaves, replay
from .evidence import given
from .marks import marks, same, titles
from .ratios import in_leaf, known_ratio

SHOWN = 4  # lines that are told


def implied(
    case: Case, posted: Sequence[Posted], wrong: Any, values: Any
) -> Iterator[str]:
    """In words, for numbers that were posted: the lines to look at, and the ratio."""

    def parts(leaves: Leaves) -> Any:
        return given(posted, leaves)

    yield from _lines(case, parts, wrong)
    right = replay(case)
    for first, last, entry in _spans(posted):
        if wrong[first:last].all() and last - first > 1:
            ratio = values[first:last] / parts(right)[first:last]
            if np.ptp(ratio) < 1e-6 * np.abs(ratio).max():
                yield f"{entry.name} is {ratio[0]:.6g} times what is right"
        yield from known_ratio(case, entry, right)


def implied_by_leaves(case: Case, found: Leaves) -> Iterator[str]:
    """In words, for whole leaves: the lines to look at, and ratios.

    Args:
        case: on what the leaves were found.
        found: in the exercise's names and layout; only leaves of the right shape.
    """
    right = replay(case)
    expected = marks(right, right)
    given_ = marks(found, right)
    wrong = ~same(expected, given_)
    told = np.isfinite(given_)

    def parts(leaves: Leaves) -> Any:
        return marks(leaves, right)[told]

    yield from _lines(case, parts, wrong[told])
    leaves = [
        leaf
        for i, (leaf, step) in enumerate(titles(right))
        if step is None and wrong[i] and told[i]
    ]
    for leaf in leaves:
        words = in_leaf(case, leaf, found[leaf], right[leaf])
        if words:
            yield words


def _spans(posted: Sequence[Posted]) -> Iterator[tuple[int, int, Posted]]:
    first = 0
    for entry in posted:
        yield first, first + entry.values.size, entry
        first += entry.values.size


def _lines(case: Case, parts: Any, wrong: Any) -> Iterator[str]:
    reached = list(reach(case, parts))
    if not reached or not wrong.any():
        return
    if not wrong.all():
        sound = [line for line, moved in reached if (moved & ~wrong).any()]
        yield (
            f"some of this is right, and so are the lines that reach it: {_some(sound)}"
        )
    exact = [line for line, moved in reached if (moved == wrong).all()]
    within = [
        line for line, moved in reached if moved.any() and not (moved & ~wrong).any()
    ]
    if exact:
        yield f"what is wrong is what these lines reach, so look there: {_some(exact)}"
    elif within:
        yield f"only these lines reach nothing but wrong numbers: {_some(within)}"


def reach(case: Case, parts: Any) -> Iterator[tuple[str, Any]]:
    """Every line of the backward pass, and what moves if its result is doubled."""
    right = parts(replay(case))
    for edit in _doubled(case.like):
        leaves = try_run(edit.program, case, {edit.function: edit.code})
        if leaves is not None:
            moved = np.abs(parts(leaves) - right) > 1e-9 * np.abs(right)
            tree = edit.program.trees[edit.function]
            yield shown(at(tree, edit.statement)), moved


def _doubled(like: str) -> Iterator[Edit]:
    cell, one_step, backward = split(like)
    names = [like] if one_step or not backward else [like, step_of(like)]
    forms = {"lstm_cell_backward": "factored"}
    for name in names:
        form = forms.get(name, "course")
        if name not in program(cell, form).trees:
            continue
        for edit in edits(cell, form, name):
            if edit.rule == "scaled" and edit.key == "twice":
                line = at(edit.program.trees[name], edit.statement)
                if isinstance(line, ast.Assign | ast.AugAssign):
                    yield edit


def _some(lines: Sequence[str]) -> str:
    lines = list(dict.fromkeys(lines))
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "; ".join(f"`{line}`" for line in lines[:SHOWN]) + more
