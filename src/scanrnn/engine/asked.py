"""What would be walked for given shapes, before there are any arrays."""

from typing import Any

import jax

from ..cell import Cell, Params
from .arrays import shaped
from .checks import check_cell, check_dtype, check_inputs
from .scan import Sequence, Task


def task_of_shapes(cell: Cell, params: Params, xs: Any) -> tuple[Cell, Task]:
    """The cell that the engine walks, and its task, as shapes."""
    check_cell(cell)
    params = jax.tree.map(lambda leaf: shaped("params", leaf), params)
    xs = shaped("xs", xs)
    enter = cell.enter
    if enter is not None:
        walked: list[Cell] = []

        def start(params: Params, xs: Any) -> Any:
            engine, state, _ = enter(params, xs, None)
            walked.append(engine)
            return state

        state = jax.eval_shape(start, params, xs)
        return walked[0], Task(params, state, Sequence(xs))
    shape: Any = jax.ShapeDtypeStruct(xs.shape, xs.dtype)
    check_inputs(cell, params, shape, None)  # values are not looked at
    dtype = check_dtype(params)
    state = jax.eval_shape(lambda: cell.start(xs.shape[1], dtype))
    return cell, Task(params, state, Sequence(xs))
