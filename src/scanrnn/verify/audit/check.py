"""The audit of a cell: every way back, every setting, float64 and float32.

Nearly all of its time goes into compiling, so the quick audit is one of few programs:
one setting that holds all the others, one sequence each, and one oracle.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from ...cell import Cell
from ..double import double
from ..report import Row, Streams, Suspicion, Verdict
from ..rounding import Expected, Floats, compare, first_from_the_end, unit_roundoff
from .derived import by_machine
from .noise import QUICK, expectation
from .oracles import all_rows
from .progress import Report, Tell, telling
from .reals import of_reals
from .recurrence import recurrence_rows
from .relations import relate
from .settings import (
    Cotangents,
    Point,
    Setting,
    gradient,
    leaf_names,
    plain_gradient,
    point_of,
    quick_settings,
    settings,
    ways_of,
)
from .streams import streams_of

DTYPES = ("float64", "float32")
LEFT_OUT = (
    "quick: against autodiff, the derived step and the rule of one step alone; left "
    "out: {}walking forwards, forward mode, the complex step, the Taylor remainder, "
    "RTRL, online"
)


def check(
    cell: Cell,
    params: Any | None = None,
    *,
    quick: bool = False,
    progress: Report | None = None,
    dtypes: Sequence[str] | None = None,
    seed: int = 0,
) -> Verdict:
    """Audits a cell, the library's or your own.

    The gradient with respect to every leaf of params, the inputs and the start state,
    with random cotangents of all outputs and of the final state, is compared with
    JAX's differentiation of the plain scan, and with the way back that `sr.derive`
    finds in the cell's own step: with `Stored`, `Recomputed` and `Checkpointed`, for
    plain sequences, lengths (0 among them), gaps, resets and
    reverse, in float64 and float32 (gaps: float64 alone). In float64 also with forward
    mode, the complex step or differences, the order of the Taylor remainder, and
    real-time recurrent learning; and with `scanrnn.online`, which carries the gradient
    forwards by the cell's own `pull` and `collect`.

    Args:
        cell: a `Cell`.
        params: where to look, as `cell.init` makes them; drawn if not given.
        quick: only what sees most, in a third of the time or less: one batch, walked in
            reverse, of a plain sequence, one with gaps, one with resets, one with both
            and one of length 0, by every way back, against both in float64; and
            `pull` alone at one step. A note of the verdict says what was left out.
        progress: called as ``progress(done, parts, doing)`` when a part of the audit
            begins, and when all are done. If it is None, a line on stderr tells it,
            where that is a terminal.
        dtypes: which to audit, float64 and float32 if not given (quick: float64); the
            oracles always run in float64.
        seed: of the random values.

    A cell that is marked as diagonal or affine (`Cell.recurrence`) is held to that law,
    and audited with `Parallel` as well. A complex state is audited as pairs of real
    numbers: leaves have a last axis of two.

    A cell that `sr.derive` made is not compared with another derivation of its step.

    Returns:
        A `Verdict`; leaves are called ``params.w_h``, ``xs``, ``start.h``.

    Raises:
        ValueError: if a dtype is not float64 or float32.

    >>> import scanrnn as sr
    >>> verdict = check(sr.rnn(2), quick=True)
    >>> verdict.passed, verdict.notes[0][:24]
    (True, 'quick: against autodiff,')
    """
    if dtypes is None:
        dtypes = DTYPES[:1] if quick else DTYPES
    unknown = sorted(set(dtypes) - set(DTYPES))
    if unknown or not dtypes:
        raise ValueError(f"expected dtypes among {DTYPES}, got {unknown or 'none'}")
    rows: list[Row] = []
    suspicions: dict[tuple[str, ...], Suspicion] = {}
    errors: dict[str, tuple[float, ...]] = {}
    streams: Streams | None = None
    tried = quick_settings(seed) if quick else settings(seed)
    parts = 1 + 3 * len(tried) + (0 if quick else 2 * len(tried) + 4)
    with double(), telling(progress, parts) as tell:
        tell("one step alone")
        point, cotangents = point_of(cell, params, seed)
        real = of_reals(cell)
        try:
            rows += pull_rows(real, point)
            rows += recurrence_rows(cell, point)
            for setting in tried:
                found, right = _audit(
                    cell, setting, point, cotangents, dtypes, rows, tell, quick
                )
                if not quick:
                    rows += all_rows(
                        real, setting, point, cotangents, found, right, tell
                    )
                for suspicion in _related(point, found, right):
                    suspicions.setdefault(suspicion.names, suspicion)
                if quick or not setting.options:
                    errors = _by_step(point, found, right)
                if not setting.options:
                    tell("the two streams")
                    streams = streams_of(real, point, cotangents)
        except Exception as error:
            note = f"raised {type(error).__name__}: {error}".splitlines()[0]
            rows.append(Row("cell", "call", np.nan, 0.0, "", None, False, "", note))
    if all(row.passed for row in rows):
        suspicions = {}
    suspects = tuple(suspicions.values())
    without = "" if "float32" in dtypes else "float32, "
    notes = (LEFT_OUT.format(without),) if quick else ()
    return Verdict(_title(cell), tuple(rows), suspects, notes, errors, streams)


def _title(cell: Cell) -> str:
    return str(getattr(cell.step, "__qualname__", "cell")).split(".")[0].lstrip("_")


def _audit(
    cell: Cell,
    setting: Setting,
    point: Point,
    cotangents: Cotangents,
    dtypes: Sequence[str],
    rows: list[Row],
    tell: Tell,
    quick: bool,
) -> tuple[list[Floats], list[Expected]]:
    """All ways in all dtypes against autodiff; the float64 leaves of `Stored`."""
    expect = expectation(plain_gradient(cell, setting))
    names = leaf_names(point)
    ways = {name: gradient(cell, setting, way) for name, way in ways_of(cell).items()}

    # As users compile, unless it must be quick.
    @functools.partial(jax.jit, compiler_options=QUICK if quick else None)
    def all_ways(point: Point, cotangents: Cotangents) -> Any:
        return {
            name: jax.tree.leaves(way(point, cotangents)) for name, way in ways.items()
        }

    kept: Any = None
    tell(f"{setting.name}: what rounding allows")
    expect((point, cotangents), "float64")
    tell(f"{setting.name}: derived from the step")
    derived = by_machine(of_reals(cell), setting, point, cotangents)
    tell(f"{setting.name}: the ways back")
    # float32 can differ from float64 by rounding alone: gaps are audited in float64.
    single = [d for d in dtypes if d != "float64" and "mask" not in setting.options]
    for dtype in ("float64", *single):
        args = jax.tree.map(lambda x, d=dtype: x.astype(d), (point, cotangents))
        right = expect(args, dtype)
        for way, leaves in all_ways(*args).items():
            found = [np.asarray(leaf, np.float64) for leaf in leaves]
            kept = kept or (found, right)
            if dtype in dtypes:
                case = f"{way}, {setting.name}, {dtype}"
                rows += _compared(names, found, right, setting, case)
                if derived and dtype == "float64":  # as near as to autodiff
                    pairs = zip(derived, right, strict=True)
                    other = [Expected(value, r.allowed) for value, r in pairs]
                    rows += _compared(names, found, other, setting, case, "derived")
    return kept


def _compared(
    names: list[str],
    found: list[Floats],
    right: list[Expected],
    setting: Setting,
    case: str,
    oracle: str = "autodiff",
) -> Iterator[Row]:
    for name, leaf, expected in zip(names, found, right, strict=True):
        difference = compare(leaf, expected)
        step = None
        if name == "xs":
            wrong = _any_by_step(difference.wrong)
            step = first_from_the_end(wrong)
            if setting.options.get("reverse"):  # the way back runs forwards
                step = wrong.index(True) if any(wrong) else None
        where = str(list(difference.where))
        passed = not difference.wrong.any()
        error, allowed = difference.error, difference.allowed
        yield Row(name, oracle, error, allowed, where, step, passed, case)


def _any_by_step(wrong: NDArray[np.bool_]) -> list[bool]:
    return [bool(step.any()) for step in wrong]


def _related(
    point: Point, found: list[Floats], right: list[Expected]
) -> Iterator[Suspicion]:
    for name, leaf, expected in zip(leaf_names(point), found, right, strict=True):
        if compare(leaf, expected).wrong.any():
            yield from relate(name, leaf, expected.value, 0 if name == "xs" else None)


def _by_step(
    point: Point, found: list[Floats], right: list[Expected]
) -> dict[str, tuple[float, ...]]:
    i = leaf_names(point).index("xs")
    gap = np.abs(found[i] - right[i].value) / (np.max(np.abs(right[i].value)) or 1.0)
    return {"xs": tuple(float(x) for x in gap.max(axis=(1, 2)))}


def pull_rows(cell: Cell, point: Point) -> Iterator[Row]:
    """`pull` alone: it is linear, and hands back what JAX's own rule of a step does."""
    rng = np.random.default_rng(0)

    def draw() -> Any:
        return jax.tree.map(lambda x: rng.standard_normal(x.shape), point.start)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def pulled(point: Point, one: Any, *others: Any) -> Any:
        drive = jax.tree.map(lambda leaf: leaf[0], cell.project(point.params, point.xs))
        _, tape = cell.step(point.params, point.start, drive)
        found = [cell.pull(point.params, tape, d)[0] for d in (one, *others)]
        _, back = jax.vjp(
            lambda state: cell.step(point.params, state, drive)[0], point.start
        )
        return *found, *back(one)

    one, two = draw(), draw()
    both = jax.tree.map(lambda a, b: a - 2 * b, one, two)
    of_one, of_two, of_both, right = jax.device_get(pulled(point, one, two, both))
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(point.start)]
    leaves = map(jax.tree.leaves, (of_one, of_two, of_both, right))
    for path, a, b, c, r in zip(paths, *leaves, strict=True):
        name = f"pull d_{jax.tree_util.keystr(path, simple=True, separator='.')}_prev"
        yield _pull_row(name, "linearity", c, a - 2 * b, one, two)
        yield _pull_row(name, "vjp of step", a, r, one, two)


def _pull_row(leaf: str, oracle: str, found: Any, right: Any, *sizes: Any) -> Row:
    # One step is a handful of products: 2^10 roundings of its largest entry bound it.
    scale = max(float(np.max(np.abs(x))) for x in jax.tree.leaves((right, *sizes)))
    allowed = np.full(right.shape, 1024 * unit_roundoff("float64") * scale)
    difference = compare(np.asarray(found), Expected(np.asarray(right), allowed))
    return Row(
        leaf,
        oracle,
        difference.error,
        difference.allowed,
        str(list(difference.where)),
        None,
        not difference.wrong.any(),
        "one step",
    )
