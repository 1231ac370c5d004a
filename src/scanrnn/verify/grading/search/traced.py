"""The first wrong step of every sum over time, once the slip is known.

Whoever gives all that was found can be watched: the program with the slip in it runs
with a line more in its loop, which writes down what every sum holds. What a step adds
is compared with what it should add.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..cases import Case
from ..conventions import from_rows
from ..programs import Program, compiled
from ..programs.run import try_run
from ..programs.tree import Path, at, located, substitute, walk
from ..replay import Leaves, replay
from .slips import Edited, Several, Slip, base_of, codes_of, tree_of

Rename = Callable[[Leaves, Case], Leaves]
CLOSE = 1e-7  # of the leaf's largest entry
NOTE = ast.parse("note(t, locals())").body[0]


def first_wrong_steps(
    slips: Sequence[Slip], case: Case, rename: Rename
) -> dict[str, int]:
    """Leaf by leaf, the last step that adds something wrong.

    Args:
        slips: all of them give what was found; the first that can be watched is.
        case: on which steps are told.
        rename: from the names and the layout of the exercise into those of the report.

    Returns:
        Steps by leaf; of a leaf of which no step adds anything wrong, nothing.
    """
    for slip in slips:
        edited = slip.together if isinstance(slip, Several) else slip
        if isinstance(edited, Edited):
            found = _watched(edited, case, rename)
            if found:
                return found
    return {}


def _watched(edited: Edited, case: Case, rename: Rename) -> dict[str, int]:
    form = base_of(edited.edits)
    wrong = _added(form, edited, case, rename)
    right = _added(form, None, case, rename)
    if wrong is None or right is None:
        return {}
    whole = rename(replay(case), case)
    steps = range(case.inputs["da"].shape[2])
    found: dict[str, int] = {}
    for leaf in right.get(0, {}):
        scale = np.abs(whole[leaf]).max(initial=0)
        for t in steps:
            mine, expected = (
                by_step.get(t, {}).get(leaf, 0) for by_step in (wrong, right)
            )
            if not (np.abs(mine - expected) <= CLOSE * scale).all():
                found[leaf] = t
    return found


def _added(
    form: Program, edited: Edited | None, case: Case, rename: Rename
) -> dict[int, Leaves] | None:
    """By step what it adds to every sum, in the names of the report."""
    tree = form.trees[case.like]
    codes = {}
    if edited is not None:
        codes = codes_of(edited.edits)
        tree = tree_of(case.like, edited.edits) or tree
    loop = next((p for p, node in walk(tree) if isinstance(node, ast.For)), None)
    if loop is None:
        return None
    notes: list[tuple[int, dict[str, Any]]] = []

    def note(t: int, variables: dict[str, Any]) -> None:
        sums = {k: np.array(v) for k, v in variables.items() if _is_sum(k, v)}
        notes.append((t, sums))

    codes = codes | {case.like: compiled(_with_note(tree, loop))}
    if try_run(form, case, codes, {"note": note}) is None or not notes:
        return None
    return dict(_differences(form, notes, case, rename))


def _is_sum(name: str, value: Any) -> bool:
    return name[:2] in ("dW", "db") and isinstance(value, np.ndarray)


def _with_note(tree: Any, path: Path) -> Any:
    """The loop with a line more, the last that runs in it."""
    loop: Any = at(tree, path)
    body = list(loop.body)
    ends = isinstance(body[-1], ast.Break)
    body.insert(len(body) - ends, NOTE)
    new = ast.For(loop.target, loop.iter, body, [])
    return substitute(tree, path, located(new))


def _differences(
    form: Program, notes: Sequence[tuple[int, Leaves]], case: Case, rename: Rename
) -> Iterator[tuple[int, Leaves]]:
    right = replay(case)
    before: Leaves = {}
    for t, sums in notes:
        new = {name: value - before.get(name, 0) for name, value in sums.items()}
        before = sums
        leaves = _in_course(form, new, case)
        blank = {name: np.zeros_like(value) for name, value in right.items()}
        renamed = rename(blank | leaves, case)
        told = rename({k: np.full_like(v, k in leaves) for k, v in right.items()}, case)
        yield t, {k: v for k, v in renamed.items() if told[k].all()}


def _in_course(form: Program, sums: Leaves, case: Case) -> Leaves:
    right = replay(case)
    if form.convention != "rows":
        return {
            k: v for k, v in sums.items() if k in right and right[k].shape == v.shape
        }
    if not {"dWx", "dWh", "db"} <= sums.keys():
        return {}
    dx = right["dx"].transpose(1, 2, 0)
    made = (0 * dx, 0 * right["da0"].T, *(sums[k] for k in ("dWx", "dWh", "db")))
    leaves = from_rows(made, case)
    return {k: v for k, v in leaves.items() if k not in ("dx", "da0")}
