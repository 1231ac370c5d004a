"""The gradient carried forwards by the cell's own `pull` and `collect`.

Real-time recurrent learning in `scanrnn.online` joins the two functions by another
algorithm than the engine: one step at a time, one example at a time, nothing kept, no
block, no sum over time inside `collect`. Where it and the engine differ, the cell is no
cell: `pull` is not linear, `collect` is no sum over steps and examples, or a step reads
what is not of its own. Where both are equally wrong, it is the derivative of one step.

Source: Williams and Zipser 1989, "A Learning Algorithm for Continually Running Fully
Recurrent Neural Networks".
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...cell import Cell
from ...engine.ways import Autodiff
from ...online import RTRL, online
from ..rounding import Floats
from .noise import QUICK
from .settings import Cotangents, Point, Setting, leaf_names
from .settings import run as unrolled


def by_going_forwards(
    cell: Cell, setting: Setting, point: Point, cotangents: Cotangents
) -> dict[str, Floats]:
    """The gradient by params and start, by the names of the leaves.

    Returns:
        Nothing where time is reversed, where a state holds integers, and where examples
        meet in a step, so that one by one they are others.
    """
    learner, options = online(cell, RTRL(), start=True), setting.options
    if options.get("reverse") or not all(map(_is_float, jax.tree.leaves(point.start))):
        return {}
    names = {"mask": "mask", "resets": "reset"}
    flags = {names[k]: jnp.asarray(value) for k, value in options.items()}

    def run(point: Point, cotangents: Cotangents) -> Any:
        def both(memory: Any, d_h: Any) -> Any:
            return learner.gradient(memory, d_h), learner.gradient_of_start(memory, d_h)

        def step(carry: Any, at: Any) -> Any:
            memory, total = carry
            x, d_h, now = at
            memory, _ = learner.step(point.params, memory, x, **now)
            return (memory, jax.tree.map(jnp.add, total, both(memory, d_h))), None

        memory = learner.init(point.params, point.start, x=point.xs[0])
        zeros = jax.tree.map(jnp.zeros_like, (point.params, point.start))
        along = point.xs, cotangents.outputs, flags
        (memory, total), _ = lax.scan(step, (memory, zeros), along)
        total = jax.tree.map(jnp.add, total, both(memory, cotangents.final))
        together = unrolled(cell, setting, Autodiff())(point).final
        return total, (memory.state, together)

    total, states = jax.jit(run, compiler_options=QUICK)(point, cotangents)
    if not all(map(np.allclose, *map(jax.tree.leaves, states))):
        return {}
    named = Point(total[0], None, total[1])
    leaves = map(np.asarray, jax.tree.leaves(named))
    return dict(zip(leaf_names(named), leaves, strict=True))


def _is_float(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))
