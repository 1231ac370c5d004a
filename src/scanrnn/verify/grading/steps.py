"""What each step adds to the error of a backward pass, and how gradient flows."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..report import Streams, Verdict
from ..rounding import Expected, Floats, compare
from .cases import Case, remembered, split
from .conventions import Found
from .judge import TIMED, Run, Trial, expected_leaves, shaped
from .mistakes.passes import KINDS, LOOP, unroll_backward

STARTS = ("da0", "dh0")  # what reaches the start: no sum over steps


class Added(NamedTuple):
    """What one step adds to the error of a leaf."""

    step: int
    error: float  # relative to the largest entry of the leaf
    wrong: bool  # whether the leaf is wrong, this step and those after it taken alone


def with_steps(verdict: Verdict, whole: Run, seconds: float) -> Verdict:
    """Adds the error by leaf and step, and the streams of gradient, of one run.

    For leaves without an axis of time the function is run on the last steps alone,
    k to T - 1, for every k: what a step adds to the error is what appears with it.
    """
    added = _added(whole, seconds)
    first = {
        leaf: next((at.step for at in steps if at.wrong), None)
        for leaf, steps in added.items()
    }
    errors = {leaf: tuple(at.error for at in added[leaf][::-1]) for leaf in added}
    title = whole.trial.title
    rows = tuple(
        row._replace(step=first.get(row.leaf))
        if row.case == title and not row.passed and row.step is None
        else row
        for row in verdict.rows
    )
    errors = _timed_errors(whole) | errors
    return verdict._replace(rows=rows, errors=errors, streams=streams(whole.trial.case))


def _added(whole: Run, seconds: float) -> dict[str, list[Added]]:
    """Leaf by leaf, from the last step to the first."""
    added: dict[str, list[Added]] = {}
    later: dict[str, Floats] = {}
    for step, trial, found in _suffixes(whole, seconds):
        for leaf, right in expected_leaves(trial, found).items():
            array, _ = shaped(found.leaves.get(leaf), right.value.shape)
            if array is None or leaf in TIMED:
                continue
            gap = array - right.value
            new = gap if leaf in STARTS else gap - later.get(leaf, 0)
            wrong = bool(compare(array, right).wrong.any())
            added.setdefault(leaf, []).append(Added(step, _relative(new, right), wrong))
            later[leaf] = gap
    return added


def _suffixes(whole: Run, seconds: float) -> Iterator[tuple[int, Trial, Found]]:
    """Runs on the last steps alone, more and more of them, until one fails."""
    case, convention = whole.trial.case, whole.trial.convention
    # Its own forward pass has no way to take the memory before a step.
    lost = convention.own_caches and case.like.startswith("lstm")
    for step in range(_steps(case) - 1, 0, -1) if not lost else ():
        trial = whole.trial._replace(case=_suffix(case, step))
        found = convention.run(trial.case, seconds)
        if found.failure:
            return
        yield step, trial, found
    if not whole.found.failure:
        yield 0, whole.trial, whole.found


def _steps(case: Case) -> int:
    return int(case.inputs["da"].shape[2])


@remembered
def _suffix(case: Case, step: int) -> Case:
    """The same case from a step on; the state before it is the start state."""
    inputs = case.inputs
    caches = inputs["caches"][step:]
    part = {
        "x": inputs["x"][:, :, step:],
        "a0": caches[0]["a_prev"],
        "caches": caches,
        "da": inputs["da"][:, :, step:],
    }
    return Case(case.name, case.like, inputs | part)


def _relative(gap: Floats, right: Expected) -> float:
    scale = float(np.max(np.abs(right.value))) or 1.0
    return float(np.max(np.abs(gap))) / scale


def _timed_errors(whole: Run) -> dict[str, tuple[float, ...]]:
    """The error of dx, which has an axis of time, step by step."""
    right = expected_leaves(whole.trial, whole.found).get("dx")
    if right is None or "dx" not in whole.found.leaves:
        return {}
    array, _ = shaped(whole.found.leaves["dx"], right.value.shape)
    if array is None:
        return {}
    gaps = np.moveaxis(array - right.value, whole.trial.convention.time_axis, 0)
    return {"dx": tuple(_relative(gap, right) for gap in gaps)}


def streams(case: Case) -> Streams:
    """How much gradient reaches each state: from its output, from time, in all."""
    sizes: list[tuple[float, float, float]] = []

    def join(da: Floats, carry: Floats, t: int) -> Floats:
        total = LOOP["join"](da, carry, t)
        norms = (np.linalg.norm(x) for x in (da[:, :, t], carry, total))
        sizes.insert(0, tuple(map(float, norms)))  # type: ignore[arg-type]
        return np.asarray(total)

    kind = KINDS[split(case.like)[0]]
    unroll_backward(kind, {"join": join}, case.inputs["caches"], case.inputs["da"])
    return Streams(*zip(*sizes, strict=True))
