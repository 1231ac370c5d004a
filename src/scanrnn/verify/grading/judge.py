"""One call of a function, judged leaf by leaf against what is right."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..report import Row
from ..rounding import Expected, Floats, compare, first_from_the_end
from .cases import Case, evened, split
from .conventions import Convention, Found, course
from .replay import expect
from .sandbox import Unjudged

SECONDS = 5.0  # the time limit of a call
REAL = "fiubV"  # kinds of dtype; bfloat16 is V to NumPy
TIMED = ("dx", "da", "a", "c", "y", "y_pred", "h")  # leaves with an axis of time


class Trial(NamedTuple):
    """A case, how the function is called on it, and what the case is made of."""

    case: Case
    convention: Convention
    dtype: Any
    remark: str = ""  # follows the name of the case

    @property
    def title(self) -> str:
        """What the rows of this trial say of it."""
        return self.case.name + self.remark


class Run(NamedTuple):
    """A trial, what the function returned on it, and how that was judged."""

    trial: Trial
    found: Found
    rows: tuple[Row, ...]
    note: str = ""  # what else is to be told of it


def judge(function: Callable[..., Any], case: Case, dtype: Any) -> tuple[Row, ...]:
    """The rows of one call of a function of the exercise on one case of your own.

    >>> from scanrnn.verify.grading.cases import Sizes, generic
    >>> from scanrnn.verify.grading.mutants import mutant
    >>> case = generic("rnn_backward", Sizes(steps=30), dtype="float32")
    >>> all(row.passed for row in judge(mutant("rnn_backward"), case, "float32"))
    True
    """
    trial = Trial(case, course(function, case.like), np.dtype(dtype).type)
    return attempt(trial, SECONDS).rows


def attempt(trial: Trial, seconds: float) -> Run:
    """Calls the function and judges what it returns.

    Where da ends before x, as in the public test of lstm_backward, a function that
    takes T from x, or pairs the last cache with the last step of da, is judged on as
    many steps of x as da has, and told so: its gradients may be right.
    """
    run = _called(trial, seconds)
    even = evened(trial.case)
    if even is None:
        return run
    x, da = (trial.case.inputs[name].shape[-1] for name in ("x", "da"))
    why = run.found.failure
    if not why and _steps_of(run.found.leaves.get("dx")) == x:
        why = f"returns dx with {x} steps"
    if all(row.passed for row in run.rows):
        return run
    try:
        again = _called(trial._replace(case=even), seconds)
    except Unjudged:
        return run
    if again.found.failure or not (why or all(row.passed for row in again.rows)):
        return run
    why = why or "gives other gradients, and with as many the right ones"
    return again._replace(
        note=f"in the {trial.case.name} da has {da} steps and x {x}, and with all of x "
        f"it {why}: judged with {da} of them. To pass that test take T from da"
    )


def _steps_of(dx: Any) -> int:
    """How many steps dx has; 0 where it is no array of three axes."""
    shape: tuple[int, ...] = getattr(dx, "shape", ())
    return int(shape[-1]) if len(shape) == 3 else 0


def _called(trial: Trial, seconds: float) -> Run:
    expect(trial.case, trial.dtype)  # before the function can touch NumPy
    found = trial.convention.run(trial.case, seconds)
    return Run(trial, found, tuple(_rows(trial, found)))


def _rows(trial: Trial, found: Found) -> Iterator[Row]:
    """A row for every leaf, and for every argument that was changed."""
    if found.failure:
        yield _remark("call", found.failure, trial)
        return
    for name in found.changed:
        note = f"the function changes the argument {name} in place; work on a copy"
        yield _remark(name, note, trial)._replace(oracle="unchanged")
    double = precision(trial, found) == np.float64
    for leaf, expected in expected_leaves(trial, found).items():
        if leaf not in found.leaves:
            yield _remark(leaf, "missing from what is returned", trial)
            continue
        value = found.leaves[leaf]
        single = None
        if double and getattr(value, "dtype", None) == np.float32:
            single = _expected(trial, np.float32)[leaf]
        yield _row(leaf, value, expected, trial, single)


def expected_leaves(trial: Trial, found: Found) -> dict[str, Expected]:
    """Right leaves and allowances, in the names of the convention."""
    return _expected(trial, precision(trial, found))


def _expected(trial: Trial, dtype: Any) -> dict[str, Expected]:
    right = expect(trial.case, dtype)
    rename = trial.convention.rename
    values = rename({leaf: e.value for leaf, e in right.items()}, trial.case)
    allowed = rename({leaf: e.allowed for leaf, e in right.items()}, trial.case)
    if "h" in values:  # the states stand in the case, so no disturbance moves them
        some = 4096 * np.finfo(trial.dtype).eps
        allowed = allowed | {"h": np.full_like(values["h"], some)}
    return {leaf: Expected(value, allowed[leaf]) for leaf, value in values.items()}


def precision(trial: Trial, found: Found) -> Any:
    """float32 if the function computed in it, although it was given float64.

    Not so on a way back where all that comes in float64 is right to its last digits:
    then a leaf in float32 was rounded, and is held to what the others are.
    """
    kinds = {leaf: getattr(x, "dtype", None) for leaf, x in found.leaves.items()}
    if np.float32 not in kinds.values():
        return trial.dtype
    double = [leaf for leaf, kind in kinds.items() if kind == np.float64]
    if not double or not split(trial.case.like)[2]:
        return np.float32
    right = _expected(trial, trial.dtype)
    for leaf in (leaf for leaf in double if leaf in right):
        array, _ = shaped(found.leaves[leaf], right[leaf].value.shape)
        if array is None or compare(array, right[leaf]).wrong.any():
            return np.float32
    return trial.dtype


def _remark(leaf: str, note: str, trial: Trial) -> Row:
    """Wrong for a reason in words, without numbers."""
    return Row(leaf, "right pass", np.nan, 0.0, "", None, False, trial.title, note)


def _row(
    leaf: str, value: Any, expected: Expected, trial: Trial, single: Expected | None
) -> Row:
    """The row of a leaf; ``single``: what a leaf rounded to float32 may be."""
    array, note = shaped(value, expected.value.shape)
    if array is None:
        return _remark(leaf, note, trial)
    difference = compare(array, expected)
    passed = not difference.wrong.any() and not note
    if np.isnan(array).any():
        note = "holds not-a-number"
    elif not note and not passed and single is not None:
        rounded = not compare(array, single).wrong.any()
        note = "rounded to float32, and what is float64 is right" if rounded else ""
    return Row(
        leaf,
        "right pass",
        difference.error,
        difference.allowed,
        str(list(difference.where)) if difference.where else "",
        _step(leaf, difference.wrong, trial),
        passed,
        trial.title,
        note,
    )


def shaped(value: Any, shape: tuple[int, ...]) -> tuple[Floats | None, str]:
    """The value as an array of the right shape, and what is wrong with its shape."""
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.asarray(None)
    if given.dtype.kind not in REAL:
        got = getattr(value, "name", type(value).__name__)
        got = f"{given.dtype} numbers" if given.dtype.kind == "c" else got
        return None, f"expected an array {shape} of real numbers, got {got}"
    array = given.astype(np.float64)
    if array.shape == shape:
        return array, ""
    note = f"expected shape {shape}, got {array.shape}"
    if array.size == int(np.prod(shape)) and array.squeeze().ndim <= 1:
        hint = "; keepdims=True keeps the column" if shape[-1:] == (1,) else ""
        return array.reshape(shape), note + hint
    hint = "; it is transposed" if array.T.shape == shape else ""
    return None, note + hint


def _step(leaf: str, wrong: NDArray[np.bool_], trial: Trial) -> int | None:
    """The first wrong step: from the end on a way back, from the start forward."""
    _, one_step, backward = split(trial.case.like)
    in_time = leaf in TIMED or leaf.startswith("cache ")
    if one_step or not in_time or not wrong.any():
        return None
    by_step = np.moveaxis(wrong, trial.convention.time_axis, 0)
    steps = [bool(at.any()) for at in by_step]
    return first_from_the_end(steps) if backward else steps.index(True)
