"""What each step adds to the error of a backward pass, and how gradient flows.

A leaf without an axis of time is the sum over all steps. Which step spoils it first,
going back from the end, is found by running the function on less and less of a
sequence, in two ways:

- the whole length, with the steps before k silenced: no gradient from their outputs,
  and inputs so large that every unit is saturated and hands nothing on. So t = 0 stays
  where it is, and a mistake that sits there shows there;
- the last steps alone, k to T - 1, where silence is no use: for the gradient of the
  start state, and where every step overwrites the one before.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..report import Streams, Verdict
from ..rounding import Floats
from .cases import Case, remembered, split, with_caches
from .conventions import Found
from .judge import TIMED, Run, Trial, precision, shaped
from .mistakes.passes import KINDS, LOOP, unroll_backward
from .replay import Leaves, replay
from .search.slips import Slip
from .search.traced import first_wrong_steps

STARTS = ("da0", "dh0")  # what reaches the start: no sum over steps
LOUD = 1e4  # inputs of a silenced step


class Added(NamedTuple):
    """What one step adds to the error of a leaf."""

    step: int
    error: float  # relative to the largest entry of the leaf
    wrong: bool  # whether the leaf is wrong, this step and those after it taken alone


def with_steps(
    verdict: Verdict, whole: Run, seconds: float, slips: Sequence[Slip] = ()
) -> Verdict:
    """Adds the error by leaf and step, and the streams of gradient, of one run.

    Args:
        verdict: the steps of its rows are not known yet.
        whole: the run of which they are told.
        seconds: the limit of CPU time of a call.
        slips: what gives all that the function gave; where one can be watched, it
            tells the steps.
    """
    if whole.found.failure:
        return verdict
    alone, in_suffix = _added(whole, _suffixes(whole, seconds))
    first = {leaf: _first(steps) for leaf, steps in alone.items()}
    if any(step is not None for step in first.values()):
        rename = whole.trial.convention.rename
        watched = first_wrong_steps(slips, whole.trial.case, rename)
        first = _decided(first, in_suffix, whole, seconds, watched)
    errors = {leaf: tuple(at.error for at in alone[leaf][::-1]) for leaf in alone}
    title = whole.trial.title
    rows = tuple(
        row._replace(step=first.get(row.leaf))
        if row.case == title and not row.passed and row.step is None
        else row
        for row in verdict.rows
    )
    errors = _timed_errors(whole) | errors
    return verdict._replace(rows=rows, errors=errors, streams=streams(whole.trial.case))


def _first(steps: list[Added]) -> int | None:
    return next((at.step for at in steps if at.wrong), None)


def _decided(
    alone: dict[str, int | None],
    in_suffix: dict[int, int | None],
    whole: Run,
    seconds: float,
    watched: dict[str, int],
) -> dict[str, int | None]:
    """The first wrong step of every leaf, from both ways and from dx.

    Args:
        alone: what the runs on the last steps alone tell.
        in_suffix: where dx is wrong in each of them.
        watched: what is known by watching the slip, which comes before all.
    """
    silent, in_time = _added(whole, _silenced(whole, seconds))
    overwritten = _overwritten(whole)
    convention = whole.trial.convention
    # Where no suffix could be run, silence is all that tells.
    sure = not convention.own_caches or convention.time_axis == 2 or _is_lost(whole)
    of_dx = _wrong_in_time(whole.trial, whole.found, _right(whole.trial))
    found: dict[str, int | None] = {}
    for leaf, step in alone.items():
        if leaf in STARTS or step is None:
            continue
        other = _first(silent.get(leaf, []))
        if other is None or leaf in overwritten:
            found[leaf] = step
            continue
        # Where dx tells that the error came from an earlier step than k, it did.
        at = in_time.get(other)
        other = at if at is not None and at < other else other
        # Where both halves are a stranger's, a wrong one may be awake in silence.
        found[leaf] = other if sure else min(step, other)
    if of_dx is not None and in_suffix.get(of_dx, of_dx) is None and _all(alone):
        # Right as long as no step before it runs: so it is the steps before, or their
        # caches, that spoil the gradient there, and all that is made of it.
        found = {k: s if s is None else max(s, of_dx) for k, s in found.items()}
    if _is_lost(whole) and _all(alone):
        # A silent step may leave no state behind, and then hides a wrong gate after it
        # from the weights of the state alone.
        latest = max((s for s in found.values() if s is not None), default=None)
        found = dict.fromkeys(found, latest)
    found |= {
        leaf: step for leaf, step in watched.items() if found.get(leaf) is not None
    }
    for leaf in set(alone) & set(STARTS):
        found[leaf] = _of_the_start(alone[leaf], {**found, "dx": of_dx}, alone)
    return found


def _all(alone: dict[str, int | None]) -> bool:
    """Whether every sum over steps is wrong."""
    return all(s is not None for leaf, s in alone.items() if leaf not in STARTS)


def _of_the_start(
    step: int | None, sums: dict[str, int | None], alone: dict[str, int | None]
) -> int | None:
    """A carry that goes wrong at a step spoils every leaf from the step before on.

    So where some leaf is right there, the carry goes wrong later: at step 0 alone, or
    where all of them do.
    """
    if step is None:
        return None
    wrong = [s for s in sums.values() if s is not None]
    others = set(alone) - set(STARTS) | {"dx"}
    if len(wrong) < len(others):
        return 0
    return max(step, min(wrong)) if min(wrong) >= step - 1 else min(wrong)


def _overwritten(whole: Run) -> frozenset[str]:
    """The leaves that hold what the last visit, step 0, adds and no more."""
    case = whole.trial.case
    kind = KINDS[split(case.like)[0]]
    lines = {"gather": lambda total, new: new}
    caches, da = case.inputs["caches"], case.inputs["da"]
    last = whole.trial.convention.rename(unroll_backward(kind, lines, caches, da), case)
    return frozenset(
        leaf
        for leaf, value in whole.found.leaves.items()
        if leaf in last
        and leaf not in (*TIMED, *STARTS)
        and np.shape(value) == np.shape(last[leaf])
        and np.allclose(value, last[leaf], rtol=1e-4)
    )


def _right(trial: Trial) -> Leaves:
    """What is right, in the names of the convention."""
    return trial.convention.rename(replay(trial.case), trial.case)


def _is_wrong(gap: Floats, right: Floats, trial: Trial, found: Found) -> bool:
    """Whether an error is more than rounding: these cases are made, not judged."""
    near = 1e-7 if precision(trial, found) == np.float64 else 1e-3
    scale = np.abs(right).max(initial=0)
    return not bool((np.abs(gap) <= near * scale + 1e-12).all())


def _wrong_in_time(trial: Trial, found: Found, rights: Leaves) -> int | None:
    """The last step at which dx is wrong in a run."""
    right = rights.get("dx")
    array = None
    if right is not None:
        array, _ = shaped(found.leaves.get("dx"), right.shape)
    if array is None or right is None:
        return None
    gaps = np.moveaxis(array - right, trial.convention.time_axis, 0)
    steps = [t for t, gap in enumerate(gaps) if _is_wrong(gap, right, trial, found)]
    return max(steps, default=None)


def _added(
    whole: Run, runs: Iterator[tuple[int, Trial, Found]]
) -> tuple[dict[str, list[Added]], dict[int, int | None]]:
    """Leaf by leaf, from the last step to the first; and by run, where dx is wrong."""
    added: dict[str, list[Added]] = {}
    later: dict[str, Floats] = {}
    in_time: dict[int, int | None] = {}
    for step, trial, found in runs:
        rights = _right(trial)
        in_time[step] = _wrong_in_time(trial, found, rights)
        for leaf, right in rights.items():
            array, _ = shaped(found.leaves.get(leaf), right.shape)
            if array is None or leaf in TIMED:
                continue
            gap = array - right
            new = gap if leaf in STARTS else gap - later.get(leaf, 0)
            wrong = _is_wrong(gap, right, trial, found)
            added.setdefault(leaf, []).append(Added(step, _relative(new, right), wrong))
            later[leaf] = gap
    return added, in_time


def _suffixes(whole: Run, seconds: float) -> Iterator[tuple[int, Trial, Found]]:
    """Runs on the last steps alone, more and more of them, until one fails."""
    case, convention = whole.trial.case, whole.trial.convention
    for step in range(_steps(case) - 1, 0, -1) if not _is_lost(whole) else ():
        trial = whole.trial._replace(case=_suffix(case, step))
        found = convention.run(trial.case, seconds)
        if found.failure:
            return
        yield step, trial, found
    yield 0, whole.trial, whole.found


def _is_lost(whole: Run) -> bool:
    """Whether its own forward pass has no way to take the memory before a step."""
    case = whole.trial.case
    return whole.trial.convention.own_caches and case.like.startswith("lstm")


def _silenced(whole: Run, seconds: float) -> Iterator[tuple[int, Trial, Found]]:
    """Runs on the whole length, with fewer and fewer steps silenced."""
    case, convention = whole.trial.case, whole.trial.convention
    for step in range(_steps(case) - 1, 0, -1):
        given = not convention.own_caches
        trial = whole.trial._replace(case=_silent(case, step, given))
        found = convention.run(trial.case, seconds)
        if found.failure or _lost(found, whole.found):
            return
        yield step, trial, found
    yield 0, whole.trial, whole.found


def _lost(found: Found, whole: Found) -> bool:
    """Whether silence itself gave not-a-number."""
    return any(
        not np.isfinite(np.asarray(leaf, np.float64)).all()
        and np.isfinite(np.asarray(whole.leaves[name], np.float64)).all()
        for name, leaf in found.leaves.items()
        if name in whole.leaves and np.shape(leaf) == np.shape(whole.leaves[name])
    )


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


@remembered
def _silent(case: Case, step: int, given: bool) -> Case:
    """The same case with the steps before one saturated and without cotangents.

    A wrong pass may be awake where the right one is saturated. So where caches are
    given, what the step hands back is cut as well: its weights of the state are zero,
    and the memory before it went through no gate. The caches after it stay as they are.
    """
    names = ("x", "a0", "parameters")
    inputs: dict[str, Any] = {name: case.inputs[name] for name in names}
    x, da = case.inputs["x"].copy(), case.inputs["da"].copy()
    signs = np.resize([1.0, -0.7, 0.4], x.shape[0]) * LOUD
    x[:, :, :step] = signs[:, None, None]
    da[:, :, :step] = 0
    inputs |= {"x": x, "da": da}
    inputs = with_caches(case.like, inputs, case.inputs["da"].dtype)
    if given:
        silent, live = inputs["caches"][:step], list(case.inputs["caches"][step:])
        live[0] = live[0] | {"parameters": _cut(live[0])}
        gates = ("c_prev", "c_next", "ft", "it", "cct")
        lost = {
            name: np.zeros_like(x) for name, x in silent[-1].items() if name in gates
        }
        inputs["caches"] = [*silent[:-1], silent[-1] | lost, *live]
    return Case(case.name, case.like, inputs)


def _cut(cache: dict[str, Any]) -> dict[str, Any]:
    """The weights without what meets a_prev."""
    n_a = cache["a_prev"].shape[0]
    parameters = dict(cache["parameters"])
    for name in parameters:
        if name == "Waa":
            parameters[name] = np.zeros_like(parameters[name])
        elif name[0] == "W" and name not in ("Wax", "Wy", "Wya"):
            parameters[name] = parameters[name].copy()
            parameters[name][:, :n_a] = 0
    return parameters


def _relative(gap: Floats, right: Floats) -> float:
    scale = float(np.max(np.abs(right))) or 1.0
    return float(np.max(np.abs(gap))) / scale


def _timed_errors(whole: Run) -> dict[str, tuple[float, ...]]:
    """The error of dx, which has an axis of time, step by step."""
    right = _right(whole.trial).get("dx")
    if right is None or "dx" not in whole.found.leaves:
        return {}
    array, _ = shaped(whole.found.leaves["dx"], right.shape)
    if array is None:
        return {}
    gaps = np.moveaxis(array - right, whole.trial.convention.time_axis, 0)
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
