"""A third derivation: the way back that a machine finds in the cell's own step.

By hand, by machine and by JAX: a cell brings `pull` and `collect`, `sr.derive` makes
its own out of `project` and `step`, and `jax.grad` differentiates the plain scan. The
machine knows nothing of the first and, of the third, only the rules of one step: the
sums over time and the factors of the tape are its own.
"""

import functools
from typing import Any

import jax
import numpy as np

from ...cell import Cell, Params, State
from ...derive import derive
from ...engine.ways import Stored
from ..rounding import Floats
from .noise import QUICK
from .settings import Cotangents, Point, Setting, gradient


@functools.lru_cache(maxsize=16)
def derived(cell: Cell) -> Cell | None:
    """The cell that `sr.derive` makes of another's step; None of one made so itself."""
    if cell.enter is not None:
        return None

    def step(params: Params, state: State, x: Any) -> tuple[State, Any]:
        drives = cell.project(params, x[None])
        drive = jax.tree.map(lambda leaf: leaf[0], drives)
        after, _ = cell.step(params, state, drive)
        return after, after.h

    return derive(step, start=cell.start)


def by_machine(
    cell: Cell, setting: Setting, point: Point, cotangents: Cotangents
) -> list[Floats]:
    """The leaves of the gradient in float64; none of a cell that was derived itself."""
    machine = derived(cell)
    if machine is None:
        return []
    back = jax.jit(gradient(machine, setting, Stored()), compiler_options=QUICK)
    return list(map(np.asarray, jax.tree.leaves(back(point, cotangents))))
