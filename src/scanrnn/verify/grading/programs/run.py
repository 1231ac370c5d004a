"""Runs a program, right or edited; leaves come out in the exercise's names."""

import warnings
from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ..cases import Case, remembered, split
from ..conventions import arguments, forward_of, from_rows, named, rows_arguments
from ..replay import Leaves
from . import Program, program
from .words import WORDS

Codes = Mapping[str, CodeType]


def try_run(
    form: Program,
    case: Case,
    codes: Codes | None = None,
    words: Mapping[str, Any] | None = None,
) -> Leaves | None:
    """What the pass called ``case.like`` returns, or None where it raises.

    Args:
        form: the right functions.
        case: arguments are copied, so that a pass may write to them.
        codes: functions in place of the program's own. If one of them goes forward,
            the caches are made by them; if none does, they are the right ones.
        words: what they may call beside `WORDS`.
    """
    codes = codes or {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return _run(form, case, codes, words or {})
        except Exception:
            return None


def _run(form: Program, case: Case, codes: Codes, words: Mapping[str, Any]) -> Leaves:
    calls = functions(form, codes, words)
    by_rows = form.convention == "rows"
    if not split(case.like)[2]:
        value = calls[case.like](*fresh(list(_arguments(case, by_rows).values())))
        return _arrays(named(value, case))
    *cotangents, made = _backward_arguments(form, calls, case, codes)
    value = calls[case.like](*cotangents, made[-1])
    leaves = _arrays(from_rows(value, case) if by_rows else dict(value))
    return leaves | _states(made, by_rows)


def _states(made: Any, by_rows: bool) -> Leaves:
    """The states of a forward pass that ran, in the exercise's layout, as leaf h."""
    if len(made) == 1:
        return {}
    h = np.asarray(made[0], np.float64)
    if by_rows:  # (N, T, H) or (N, H)
        h = np.moveaxis(h, -1, 0)
    return {"h": h}


def _arrays(leaves: Mapping[str, Any]) -> Leaves:
    return {name: np.asarray(leaf, np.float64) for name, leaf in leaves.items()}


def functions(
    form: Program, codes: Codes, words: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A program's functions, which call each other."""
    space: dict[str, Any] = {**WORDS, **(words or {})}
    for name, code in (form.codes | dict(codes)).items():
        space[name] = FunctionType(code, space)
    return space


def inputs_of(form: Program, name: str, case: Case) -> list[Any]:
    """The arguments of a function of the program on a backward case, to write to."""
    if name.endswith("backward"):
        *given, (cache,) = _backward_arguments(form, functions(form, {}), case, {})
        return [*given, cache]
    if form.convention == "rows":
        return fresh(list(rows_arguments(case)[0].values()))
    return fresh(list(arguments(forward_of(case)).values()))


def _arguments(case: Case, by_rows: bool) -> dict[str, Any]:
    return rows_arguments(case)[0] if by_rows else arguments(case)


def _backward_arguments(
    form: Program, calls: dict[str, Any], case: Case, codes: Codes
) -> list[Any]:
    """Cotangents, and what the forward pass returned: of a right one, the cache."""
    own = any(name.endswith("forward") for name in codes)
    if form.convention == "rows":
        _, cotangents = rows_arguments(case)
        given = fresh(list(cotangents.values()))
        if own:
            return [*given, _rows_made(calls, case)]
        return [*given, (fresh(_right_cache(case, form.name)),)]
    *given, cache = arguments(case).values()
    if not own:
        *given, cache = fresh([*given, cache])
        return [*given, (cache,)]
    forward = forward_of(case)
    made = calls[forward.like](*fresh(list(arguments(forward).values())))
    return [*fresh(given), made]


def _rows_made(calls: dict[str, Any], case: Case) -> Any:
    inputs, _ = rows_arguments(case)
    forward = case.like.replace("backward", "forward")
    return calls[forward](*fresh(list(inputs.values())))


@remembered
def _right_cache(case: Case, name: str) -> Any:
    return _rows_made(functions(program(split(case.like)[0], name), {}), case)[-1]


def fresh(tree: Any, known: dict[int, Any] | None = None) -> Any:
    """The same tree with copied arrays; what was one array stays one."""
    known = {} if known is None else known
    if id(tree) in known:
        return known[id(tree)]
    new = tree
    if isinstance(tree, np.ndarray):
        new = tree.copy()
    elif isinstance(tree, dict):
        new = {name: fresh(value, known) for name, value in tree.items()}
    elif isinstance(tree, list | tuple):
        new = type(tree)([fresh(value, known) for value in tree])
    known[id(tree)] = new
    return new
