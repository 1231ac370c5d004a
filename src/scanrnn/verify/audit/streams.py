"""The two streams that meet at every step: from its output, and from the step after."""

from typing import Any

import jax
import numpy as np

from ...cell import Cell
from ..report import Streams
from .settings import Cotangents, Point


def streams_of(cell: Cell, point: Point, cotangents: Cotangents) -> Streams:
    """The right gradient of the state by source, JAX's own rule step by step.

    What arrives at the last step through time is the cotangent of the final state.
    """
    drives = cell.project(point.params, point.xs)
    state, pulls = point.start, []
    for t in range(point.xs.shape[0]):
        drive = jax.tree.map(lambda leaf, t=t: leaf[t], drives)
        state, pull = jax.vjp(
            lambda s, drive=drive: cell.step(point.params, s, drive)[0], state
        )
        pulls.append(pull)
    d_state, latest_first = cotangents.final, []
    for d_h, pull in zip(reversed(cotangents.outputs), reversed(pulls), strict=True):
        total = d_state._replace(h=d_state.h + d_h)
        latest_first.append((_norm(d_h), _norm(d_state), _norm(total)))
        (d_state,) = pull(total)
    return Streams(*zip(*reversed(latest_first), strict=True))


def _norm(tree: Any) -> float:
    squares = (np.sum(np.square(leaf)) for leaf in jax.tree.leaves(tree))
    return float(np.sqrt(sum(squares)))
