"""One step of a cell: no time axis, no tape, no loop. For serving and environments."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.typing import ArrayLike

from .cell import Cell, Params, State
from .engine.arrays import Layout, as_array, as_arrays
from .engine.checks import check_cell, check_dtype, check_inputs, check_state
from .engine.products import is_tokens
from .engine.trees import cast_like, widen


def step_of_cell(
    cell: Cell, params: Params, state: State, x: ArrayLike
) -> tuple[Array, State]:
    """The output of one step, and the state after it; see `sr.step`."""
    check_cell(cell)
    if cell.enter is not None:
        return _step_of_derived(cell.enter, params, state, as_array("x", x))
    params, given = as_arrays("params", params), as_array("x", x)
    state = as_arrays("state", state)
    batched = given.ndim > (0 if is_tokens(given) else 1)
    layout = Layout(batched=batched)
    before = layout.enter_state(state) if _has_axes(state) else state
    xs = given[None] if batched else given[None, None]  # (T, B, ·) with T = 1
    try:
        check_inputs(cell, params, xs, None)
        check_state(cell, before, xs, check_dtype(params), "state")
    except ValueError as error:
        told = "; x is told with a time axis of 1" + layout.told()
        raise ValueError(f"{error}{told}") from error
    drives = cell.project(params, xs)
    drive = jax.tree.map(lambda leaf: leaf[0], drives)
    after = cast_like(cell.step(params, widen(before), drive)[0], before)
    return layout.leave_state((after.h, after))


def _step_of_derived(
    enter: Callable[..., Any], params: Params, state: State, x: Array
) -> tuple[Array, State]:
    xs = x[None]
    engine, before, leave = enter(params, xs, as_arrays("state", state))
    drives = engine.project(params, xs)
    drive = jax.tree.map(lambda leaf: leaf[0], drives)
    after = cast_like(engine.step(params, before, drive)[0], before)
    return after.h, leave(after)


def _has_axes(tree: Any) -> bool:
    return all(leaf.ndim for leaf in jax.tree.leaves(tree))
