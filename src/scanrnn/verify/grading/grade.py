"""Someone else's function, judged on the public test and on harder cases."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..report import Row, Streams, Suspicion, Verdict
from ..rounding import Expected, Floats, compare, first_from_the_end
from . import conventions
from .cases import DRAWS, GENERIC, Case, generic, official, split
from .conventions import Convention, Found
from .mistakes.passes import KINDS, LOOP, unroll_backward
from .replay import expect, replay
from .suspects import Exhibit, exhibit_of, suspects

LIKES = (*DRAWS, "gru_backward", "gru_cell_backward", "readout_backward")
SECONDS = 5.0
TIMED = ("dx", "a", "c", "y", "y_pred", "h")  # leaves with an axis of time


def grade(
    function: Any,
    like: str = "rnn_backward",
    *,
    forward: Callable[..., Any] | None = None,
    convention: str = "course",
    seconds: float = SECONDS,
) -> Verdict:
    """Judges a function, leaf by leaf and step by step, and names the mistake.

    It is called on the exercise's public test (convention ``course``), on random cases
    with distinct sizes, with equal sizes, and with one step and one example; in float64
    and float32. Where it is wrong, every mistake of the catalogue is run again on the
    same cases: those that give the same wrong numbers are the suspects.

    Args:
        function: NumPy or JAX; for ``torch`` a ``torch.autograd.Function``.
        like: which of the exercise's functions it stands for, for example
            ``"rnn_backward"`` or ``"lstm_cell_forward"``; ``"readout_backward"`` for
            the way from the loss into a; ``"gru_backward"`` in the other two
            conventions.
        forward: the forward function that belongs to a backward one. Its caches are
            checked first, and the backward function is tried on them too. The
            convention ``ntd`` needs it.
        convention: ``course``, ``ntd`` or ``torch``, see `conventions`.
        seconds: the time limit of a single call.

    Returns:
        A `Verdict`.

    Raises:
        ValueError: if ``like`` or ``convention`` is unknown, or forward is missing.

    >>> import numpy as np
    >>> def rnn_cell_forward(xt, a_prev, p):
    ...     a_next = np.tanh(p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"])
    ...     e = np.exp(p["Wya"] @ a_next + p["by"])
    ...     return a_next, e / e.sum(axis=0), (a_next, a_prev, xt, p)
    >>> grade(rnn_cell_forward, like="rnn_cell_forward").passed
    True
    """
    _check(like, convention, forward)
    name = getattr(function, "__name__", like)
    first = _forward_verdict(forward, like, convention, seconds)
    trials = _trials(function, like, forward, convention)
    runs = _run_all(trials, seconds)
    rows = (*first.rows, *(row for run in runs for row in run.rows))
    given = split(like)[2] and not _right_on_given(runs)
    found = first.suspicions or tuple(suspects(_exhibits(runs), given))
    verdict = Verdict(name, rows, found, (*first.notes, *_notes(runs)))
    is_sequence = like.endswith("backward") and "da" in trials[0].case.inputs
    if not is_sequence or any(run.found.timed_out for run in runs):
        return verdict
    return _with_steps(verdict, trials[0], seconds)


class _Trial(NamedTuple):
    case: Case
    convention: Convention
    dtype: Any
    title: str


class _Run(NamedTuple):
    trial: _Trial
    found: Found
    rows: tuple[Row, ...]


def _check(like: str, convention: str, forward: Any) -> None:
    if convention not in ("course", "ntd", "torch"):
        raise ValueError(
            f"expected convention 'course', 'ntd' or 'torch', got {convention!r}"
        )
    known = [x for x in LIKES if "gru" not in x]
    if convention != "course":
        known = [x for x in LIKES if "backward" in x and "readout" not in x]
    if like not in known:
        raise ValueError(f"expected like, one of {', '.join(known)}, got {like!r}")
    if convention == "ntd" and forward is None:
        raise ValueError("expected forward, whose cache the backward function reads")


def _forward_verdict(
    forward: Any, like: str, convention: str, seconds: float
) -> Verdict:
    """The forward function and its caches, which come before any backward pass."""
    if forward is None or convention != "course":
        return Verdict("", ())
    return grade(forward, like.replace("backward", "forward"), seconds=seconds)


def _trials(function: Any, like: str, forward: Any, convention: str) -> list[_Trial]:
    """The public test, harder cases, single precision; the first is told by steps."""
    if convention == "course":
        how = conventions.course(function, like)
        public = [official(like)] if like in DRAWS else []
        trials = [_Trial(case, how, np.float64, "") for case in public]
    else:
        how = (
            conventions.torch(function, like)
            if convention == "torch"
            else conventions.ntd(forward, function, like)
        )
        trials = []
    if forward is not None and convention == "course":
        own = conventions.course(function, like, forward)
        trials.append(_Trial(official(like), own, np.float64, ", own caches"))
    trials += [
        # A large cotangent shows what is clipped.
        _Trial(generic(like, sizes, 1, loud=loud), how, np.float64, "")
        for sizes, loud in zip(GENERIC, (1.0, 100.0, 1.0), strict=True)
    ]
    single = generic(like, GENERIC[0], 1, np.float32, loud=100.0)
    return [*trials, _Trial(single, how, np.float32, ", float32")]


def _run_all(trials: Sequence[_Trial], seconds: float) -> list[_Run]:
    runs: list[_Run] = []
    for trial in trials:
        found = trial.convention.run(trial.case, seconds)
        runs.append(_Run(trial, found, tuple(_rows(trial, found))))
        if found.timed_out:
            break
    return runs


def judge(function: Callable[..., Any], case: Case, dtype: Any) -> tuple[Row, ...]:
    """The rows of one call of a function of the exercise on one case of your own.

    >>> from scanrnn.verify.grading.cases import Sizes, generic
    >>> from scanrnn.verify.grading.mutants import mutant
    >>> case = generic("rnn_backward", Sizes(steps=30), dtype="float32")
    >>> all(row.passed for row in judge(mutant("rnn_backward"), case, "float32"))
    True
    """
    how = conventions.course(function, case.like)
    trial = _Trial(case, how, np.dtype(dtype).type, "")
    return tuple(_rows(trial, how.run(case, SECONDS)))


def _rows(trial: _Trial, found: Found) -> Iterator[Row]:
    title = trial.case.name + trial.title
    oracle = "right pass"
    if found.failure:
        yield Row("call", oracle, np.nan, 0.0, "", None, False, title, found.failure)
        return
    for name in found.changed:
        note = "the function changes this argument in place; work on a copy"
        yield Row(name, "unchanged", np.nan, 0.0, "", None, False, title, note)
    for leaf, expected in _expected(trial, found).items():
        if leaf not in found.leaves:
            note = "missing from what is returned"
            yield Row(leaf, oracle, np.nan, 0.0, "", None, False, title, note)
        else:
            yield _row(leaf, found.leaves[leaf], expected, trial.case, title)


def _expected(trial: _Trial, found: Found) -> dict[str, Expected]:
    """Right leaves and allowances, in the names of the convention."""
    right = expect(trial.case, _precision(trial, found))
    values = {leaf: e.value for leaf, e in right.items()}
    allowed = {leaf: e.allowed for leaf, e in right.items()}
    values = trial.convention.rename(values, trial.case)
    renamed = trial.convention.rename(allowed, trial.case)
    loose = trial.dtype == np.float32
    return {
        leaf: Expected(v, renamed[leaf] if leaf != "h" else 64 * _unit(loose) + 0 * v)
        for leaf, v in values.items()
    }


def _unit(single: bool) -> float:
    return float(np.finfo(np.float32 if single else np.float64).eps) * 64


def _precision(trial: _Trial, found: Found) -> Any:
    """float32 if the function computed in it, although it was given float64."""
    single = any(getattr(x, "dtype", None) == np.float32 for x in found.leaves.values())
    return np.float32 if single else trial.dtype


def _row(leaf: str, value: Any, expected: Expected, case: Case, title: str) -> Row:
    array, note = _array(value, expected.value.shape)
    if array is None:
        return Row(leaf, "right pass", np.nan, 0.0, "", None, False, title, note)
    difference = compare(array, expected)
    step = _step(leaf, difference.wrong, case)
    where = str(list(difference.where)) if difference.where else ""
    passed = not difference.wrong.any() and not note
    if np.isnan(array).any():
        note = "holds not-a-number"
    error, allowed = difference.error, difference.allowed
    return Row(leaf, "right pass", error, allowed, where, step, passed, title, note)


def _array(value: Any, shape: tuple[int, ...]) -> tuple[Floats | None, str]:
    """The value as an array of the right shape, and what is wrong with its shape."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None, f"expected an array {shape}, got {type(value).__name__}"
    if array.shape == shape:
        return array, ""
    note = f"expected shape {shape}, got {array.shape}"
    if array.size == int(np.prod(shape)) and array.squeeze().ndim <= 1:
        hint = "; keepdims=True keeps the column" if shape[-1:] == (1,) else ""
        return array.reshape(shape), note + hint
    hint = "; it is transposed" if array.T.shape == shape else ""
    return None, note + hint


def _step(leaf: str, wrong: Any, case: Case) -> int | None:
    """The first wrong step: from the end on a way back, from the start forward."""
    _, one_step, backward = split(case.like)
    in_time = leaf in TIMED or (leaf.startswith("cache ") and not one_step)
    if one_step or not in_time or not wrong.any():
        return None
    steps = case.inputs["da"].shape[2] if backward else case.inputs["x"].shape[2]
    axis = 2 if wrong.shape[2] == steps and wrong.shape[1] != steps else 1
    if leaf in case.inputs.get("parameters", {}) or wrong.ndim < 3:
        return None
    if wrong.shape[axis] != steps:
        axis = 2
    others = tuple(i for i in range(wrong.ndim) if i != axis)
    steps_wrong = list(wrong.any(axis=others))
    return first_from_the_end(steps_wrong) if backward else steps_wrong.index(True)


def _right_on_given(runs: Sequence[_Run]) -> bool:
    """Whether the function is right wherever it was given right caches."""
    rows = (row for run in runs if "own" not in run.trial.title for row in run.rows)
    return all(row.passed for row in rows)


def _exhibits(runs: Sequence[_Run]) -> list[Exhibit]:
    """The float64 runs that returned something, if any of them is wrong.

    A function that is right on given caches and wrong on its own is judged on its own.
    """
    usable = [
        run for run in runs if run.trial.dtype == np.float64 and not run.found.failure
    ]
    given = [run for run in usable if "own" not in run.trial.title]
    chosen = given
    if all(row.passed for run in given for row in run.rows):
        chosen = [run for run in usable if "own" in run.trial.title]
    if all(row.passed for run in chosen for row in run.rows):
        return []
    exhibits = [
        exhibit_of(run.trial.case, _clean(run), run.trial.convention.rename)
        for run in chosen
    ]
    # The square case is the last to be looked at: only there every slip can run.
    return sorted(exhibits, key=lambda e: e.case.name.startswith("random n_x=5"))


def _clean(run: _Run) -> dict[str, Floats]:
    """Leaves as arrays of the right shape, as far as that goes."""
    right = run.trial.convention.rename(replay(run.trial.case), run.trial.case)
    leaves = {}
    for leaf, value in right.items():
        array, _ = _array(run.found.leaves.get(leaf), value.shape)
        if array is not None:
            leaves[leaf] = array
    return leaves


def _notes(runs: Sequence[_Run]) -> Iterator[str]:
    for run in runs[:1]:
        if run.found.failure:
            continue
        right = set(run.trial.convention.rename(replay(run.trial.case), run.trial.case))
        extra = sorted(set(run.found.leaves) - right)
        if extra:
            yield f"{', '.join(extra)}: returned, but not asked for"
    if any(_precision(run.trial, run.found) != run.trial.dtype for run in runs):
        yield "the function computes in float32 although it is given float64"


def _with_steps(verdict: Verdict, trial: _Trial, seconds: float) -> Verdict:
    """Adds the error by leaf and step, and the streams of gradient, of the last case.

    For leaves without an axis of time the function is run on the last steps alone,
    k to T - 1, for every k: what a step adds to the error is what appears with it.
    """
    steps = trial.case.inputs["da"].shape[2]
    errors: dict[str, list[float]] = {}
    first: dict[str, int] = {}
    later: dict[str, Floats] = {}
    for k in range(steps - 1, -1, -1):
        part = _suffix(trial, k)
        if part is None:
            continue
        found = part.convention.run(part.case, seconds)
        if found.failure:
            break
        for leaf, right in _expected(part, found).items():
            array, _ = _array(found.leaves.get(leaf), right.value.shape)
            if array is None or leaf in TIMED:
                continue
            difference = compare(array, right)
            if difference.wrong.any():
                first.setdefault(leaf, k)
            gap = array - right.value
            added = gap - later.get(leaf, 0) if leaf not in ("da0", "dh0") else gap
            scale = float(np.max(np.abs(right.value))) or 1.0
            errors.setdefault(leaf, []).insert(0, float(np.max(np.abs(added))) / scale)
            later[leaf] = gap
    timed = _timed_errors(trial, seconds)
    case = trial.case.name + trial.title
    rows = tuple(
        _with_step(row, first) if row.case == case else row for row in verdict.rows
    )
    by_step = {leaf: tuple(e) for leaf, e in (timed | errors).items()}
    return verdict._replace(rows=rows, errors=by_step, streams=streams(trial.case))


def _with_step(row: Row, first: dict[str, int]) -> Row:
    if row.passed or row.step is not None or row.leaf not in first:
        return row
    return row._replace(step=first[row.leaf])


def _suffix(trial: _Trial, k: int) -> _Trial | None:
    """The same case from step k on; the state before it is the start state."""
    inputs, like = trial.case.inputs, trial.case.like
    if k and like.startswith("lstm") and trial.convention.rename is conventions._to_ntd:
        return None  # this convention has no c0
    caches = inputs["caches"][k:]
    part = inputs | {
        "x": inputs["x"][:, :, k:],
        "a0": caches[0]["a_prev"],
        "caches": caches,
        "da": inputs["da"][:, :, k:],
    }
    return trial._replace(case=trial.case._replace(inputs=part))


def _timed_errors(trial: _Trial, seconds: float) -> dict[str, list[float]]:
    found = trial.convention.run(trial.case, seconds)
    if found.failure:
        return {}
    right = _expected(trial, found).get("dx")
    array, _ = (
        _array(found.leaves.get("dx"), right.value.shape) if right else (None, "")
    )
    if right is None or array is None:
        return {}
    gap = np.abs(array - right.value) / (np.max(np.abs(right.value)) or 1.0)
    steps = trial.case.inputs["da"].shape[2]
    axis = gap.shape.index(steps)
    return {
        "dx": [float(x) for x in np.moveaxis(gap, axis, 0).reshape(steps, -1).max(1)]
    }


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


__all__ = ["Suspicion", "grade", "streams"]
