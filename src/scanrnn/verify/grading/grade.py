"""Someone else's function, judged on the public test and on harder cases."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..report import Verdict
from ..rounding import Floats
from . import conventions
from .cases import DRAWS, GENERIC, Case, generic, official, shared, split
from .conventions import Convention
from .judge import (
    SECONDS,
    Run,
    Trial,
    attempt,
    expected_leaves,
    precision,
    shaped,
)
from .repair import with_repairs
from .sandbox import Unjudged
from .steps import with_steps
from .suspects import Exhibit, implied, suspects

LIKES = (*DRAWS, "gru_backward", "gru_cell_backward", "readout_backward")


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
    same cases: those that give the same wrong numbers are the suspects. And the
    function's own source is changed, one place at a time, until it is right.
    What the cases and the catalogue give is kept, so a second call takes less time.

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
        seconds: the limit of CPU time of a single call.

    Returns:
        A `Verdict`. Where the function does not return, or ends the program, nothing is
        compared: then `Verdict.unjudged` says why.

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
    if first.unjudged:
        return first._replace(unjudged=f"the forward function {first.unjudged}")
    runs, why = _run_all(_trials(function, like, forward, convention), seconds)
    rows = (*first.rows, *(row for run in runs for row in run.rows))
    if why and all(row.passed for row in rows):
        return Verdict(name, rows, unjudged=why)
    given = split(like)[2] and not _right_on_given(runs)
    exhibits = [] if first.suspicions else _exhibits(runs)
    probe = functools.partial(_probe, runs, seconds)
    named, slips = ([], []) if first.suspicions else suspects(exhibits, given, probe)
    verdict = Verdict(name, rows)
    is_sequence = (
        like.endswith("backward") and runs and "da" in runs[0].trial.case.inputs
    )
    if is_sequence and not why:
        with contextlib.suppress(Unjudged):
            for run in _told_by_steps(runs):
                verdict = with_steps(verdict, run, seconds, slips)
    found = first.suspicions or tuple(named)
    if exhibits and not why and convention != "torch":  # last: it may end the child
        found = tuple(with_repairs(found, runs[0].trial.convention, like))
    notes = (*first.notes, *implied(exhibits, found), *_notes(runs))
    notes = (*notes, *([f"later it {why}"] if why else []))
    return verdict._replace(suspicions=found, notes=tuple(dict.fromkeys(notes)))


def _told_by_steps(runs: Sequence[Run]) -> list[Run]:
    """The runs whose first wrong steps are looked for: the wrong ones, one at least."""
    wrong = [run for run in runs if not all(row.passed for row in run.rows)]
    told = [run for run in wrong if run.trial.case.name.startswith("public")]
    return told[::-1] or wrong[:1] or list(runs[:1])


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


def _trials(function: Any, like: str, forward: Any, convention: str) -> list[Trial]:
    """The public test, harder cases, single precision; the first is told by steps."""
    how = _convention(function, like, forward, convention)
    trials = []
    if convention == "course" and like in DRAWS:
        trials.append(Trial(official(like), how, np.float64))
        if forward is not None:
            own = conventions.course(function, like, forward)
            trials.append(Trial(official(like), own, np.float64, ", own caches"))
    *double, single = _harder(like)
    trials += [Trial(case, how, np.float64) for case in double]
    return [*trials, Trial(single, how, np.float32, ", float32")]


def _convention(function: Any, like: str, forward: Any, convention: str) -> Convention:
    if convention == "torch":
        return conventions.torch(function, like)
    if convention == "ntd":
        return conventions.ntd(forward, function, like)
    return conventions.course(function, like)


@functools.cache
def _harder(like: str) -> tuple[Case, ...]:
    """Random cases in float64, the second so loud that clipping shows; one float32."""
    distinct, square, smallest = GENERIC
    cases = (
        generic(like, distinct, 1),
        generic(like, square, 1, loud=100.0),
        generic(like, smallest, 1),
        generic(like, distinct, 1, np.float32, loud=100.0),
    )
    return tuple(map(shared, cases))


def _run_all(trials: Sequence[Trial], seconds: float) -> tuple[list[Run], str]:
    """All trials, or those before one that gave nothing to judge, and why not."""
    runs: list[Run] = []
    for trial in trials:
        try:
            runs.append(attempt(trial, seconds))
        except Unjudged as error:
            return runs, str(error)
    return runs, ""


def _right_on_given(runs: Sequence[Run]) -> bool:
    """Whether the function is right wherever it was given right caches."""
    rows = (row for run in runs if "own" not in run.trial.remark for row in run.rows)
    return all(row.passed for row in rows)


def _exhibits(runs: Sequence[Run]) -> list[Exhibit]:
    """The float64 runs that returned something, if any of them is wrong.

    A function that is right on given caches and wrong on its own is judged on its own.
    """
    usable = [
        run for run in runs if run.trial.dtype == np.float64 and not run.found.failure
    ]
    given = [run for run in usable if "own" not in run.trial.remark]
    chosen = given
    if all(row.passed for run in given for row in run.rows):
        chosen = [run for run in usable if "own" in run.trial.remark]
    if all(row.passed for run in chosen for row in run.rows):
        return []
    # The square case is the last to be looked at: only there every slip can run.
    exhibits = map(_exhibit, chosen)
    return sorted(exhibits, key=lambda e: e.case.name.startswith("random n_x=5"))


def _probe(runs: Sequence[Run], seconds: float, case: Case) -> Exhibit | None:
    """What the function gives on one more case, if it gives all that it should."""
    like_before = [run for run in runs if "own" not in run.trial.remark]
    trial = Trial(case, like_before[0].trial.convention, np.float64)
    try:
        run = attempt(trial, seconds)
    except Unjudged:
        return None
    return None if run.found.failure else _exhibit(run)


def _exhibit(run: Run) -> Exhibit:
    """What was found, as arrays of the right shape, as far as that goes."""
    found: dict[str, Floats] = {}
    right = {
        leaf: expected.value
        for leaf, expected in expected_leaves(run.trial, run.found).items()
    }
    for leaf, value in right.items():
        array, _ = shaped(run.found.leaves.get(leaf), value.shape)
        if array is not None:
            found[leaf] = array
    return Exhibit(run.trial.case, found, right, run.trial.convention.rename)


def _notes(runs: Sequence[Run]) -> Iterator[str]:
    if not runs:
        return
    trial, found = runs[0].trial, runs[0].found
    extra = sorted(map(str, set(found.leaves) - set(expected_leaves(trial, found))))
    if extra:
        yield f"{', '.join(extra)}: returned, but not asked for"
    yield from (run.note for run in runs if run.note)
    if any(precision(run.trial, run.found) != run.trial.dtype for run in runs):
        yield "the function computes in float32 although it is given float64"
