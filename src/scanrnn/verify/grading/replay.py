"""Runs a pass again, right or with mistakes of the catalogue in it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..rounding import Expected, Floats, Rough, expected_from
from .cases import Case, map_floats, remembered, split
from .mistakes import Mistake, apply
from .mistakes.losses import READOUT, readout_backward
from .mistakes.passes import (
    KINDS,
    LOOP,
    Kind,
    Step,
    step_backward,
    step_forward,
    unroll_backward,
    unroll_forward,
)

Leaves = dict[str, Floats]
Wrap = Callable[[Floats], Floats]


def replay(
    case: Case, mistakes: Sequence[Mistake] = (), wrap: Wrap | None = None
) -> Leaves:
    """All that the function under audit returns on a case, by name.

    A forward function's caches come out as leaves too: "cache a_prev" of one step, and
    of a sequence the same with time last. Every input passes through ``wrap``.

    >>> from .cases import official
    >>> leaves = replay(official("rnn_backward"))
    >>> sorted(leaves)
    ['dWaa', 'dWax', 'da0', 'dba', 'dx']
    """
    inputs = map_floats(wrap, case.inputs) if wrap else case.inputs
    if case.like == "readout_backward":
        lines: Any = {}
        for mistake in mistakes:
            lines = _apply_readout(lines, mistake)
        return readout_backward(lines, inputs)
    cell, one_step, backward = split(case.like)
    kind = KINDS[cell]
    lines = {}
    for mistake in mistakes:
        lines = apply(lines, kind, mistake)
    if not backward:
        return _forward(kind, one_step, lines, inputs, mistakes)
    caches = _stored(_again(kind, inputs["caches"]), mistakes)
    if one_step:
        dc = inputs.get("dc_next")
        back = step_backward(kind, lines, caches[0], inputs["da_next"], dc)
        names = ["dxt", "da_prev", *(["dc_prev"] if kind.memory else [])]
        names += [f"d{name}" for name in kind.weights]
        finish = lines.get("finish", LOOP["finish"])
        return dict(finish({name: getattr(back, name) for name in names}, None))
    return unroll_backward(kind, lines, caches, inputs["da"])


def _again(kind: Kind, caches: list[Step]) -> list[Step]:
    """In a disturbed run every step's forward pass is disturbed too.

    A right way back may compute z again from the cache, and then has its rounding.
    """
    if not isinstance(caches[0]["xt"], Rough):
        return caches
    names = ("xt", "a_prev", "c_prev", "parameters")
    given = [{n: cache[n] for n in names if n in cache} for cache in caches]
    return [step_forward(kind, {}, inputs) for inputs in given]


def _apply_readout(lines: Any, mistake: Mistake) -> Any:
    empty = Kind({}, READOUT, (), (), False)
    return apply(lines, empty, mistake)


def _stored(caches: list[Step], mistakes: Sequence[Mistake]) -> list[Step]:
    for mistake in mistakes:
        if mistake.store is not None:
            caches = mistake.store(caches)
    return caches


def _forward(
    kind: Kind, one_step: bool, lines: Any, inputs: Any, mistakes: Sequence[Mistake]
) -> Leaves:
    if one_step:
        step = step_forward(kind, lines, inputs)
        stored = _stored([step], mistakes)[0]
        outputs = ["a_next", *(["c_next"] if kind.memory else []), "yt_pred"]
        leaves = {name: step[name] for name in outputs if name in step}
        return leaves | {f"cache {name}": x for name, x in flat_cache(kind, stored)}
    return _forward_steps(kind, lines, inputs, mistakes)


def _forward_steps(
    kind: Kind, lines: Any, inputs: Any, mistakes: Sequence[Mistake]
) -> Leaves:
    steps = unroll_forward(kind, lines, inputs["x"], inputs["a0"], inputs["parameters"])
    stored_steps = _stored(steps, mistakes)
    leaves = {"a": _stack(steps, "a_next")}
    if "yt_pred" in kind.forward:
        leaves["y_pred" if not kind.memory else "y"] = _stack(steps, "yt_pred")
    if kind.memory:
        leaves["c"] = _stack(steps, "c_next")
    flat = [dict(flat_cache(kind, step)) for step in stored_steps]
    return leaves | {f"cache {name}": _stack(flat, name) for name in flat[0]}


def flat_cache(kind: Kind, step: Step) -> list[tuple[str, Floats]]:
    """The entries of a cache, and the weights among its parameters."""
    entries = [(name, step[name]) for name in kind.cache if name != "parameters"]
    return entries + [(name, step["parameters"][name]) for name in kind.weights]


def _stack(steps: list[Step], name: str) -> Floats:
    return np.stack([step[name] for step in steps], axis=-1)


def try_replay(case: Case, mistakes: Sequence[Mistake]) -> Leaves | None:
    """`replay`, or None where the mistake does not run on the case's shapes."""
    try:
        with np.errstate(all="ignore"):
            return replay(case, mistakes)
    except (ValueError, IndexError, TypeError):
        return None


@remembered
def expect(case: Case, dtype: DTypeLike) -> dict[str, Expected]:
    """What a right function returns on a case, and what each entry may be off by."""
    with np.errstate(all="ignore"):
        return expected_from(lambda wrap: replay(case, (), wrap), dtype)
