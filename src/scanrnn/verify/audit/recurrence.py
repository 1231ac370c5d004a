"""What a cell says of its recurrence, tried at one step: the laws of `Cell`.

diagonal   pull(tape, d ∘ v) = pull(tape, d) ∘ v
affine     step(2 s − r) = 2 step(s) − step(r), and the same tape for `pull`
"""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...cell import Cell
from ..report import Row
from ..rounding import Expected, compare, unit_roundoff
from .noise import QUICK
from .reals import joined, paired
from .settings import Point


def recurrence_rows(cell: Cell, point: Point) -> Iterator[Row]:
    """The rows of the law that the cell is marked with; none for a dense one."""
    if cell.recurrence == "dense":
        return
    rng = np.random.default_rng(1)

    def draw() -> Any:
        return jax.tree.map(lambda x: rng.standard_normal(x.shape), point.start)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def tried(point: Point, *drawn: Any) -> Any:
        params = point.params
        drive = jax.tree.map(lambda leaf: leaf[0], cell.project(params, point.xs))
        s, r, d, v = (joined(cell, one) for one in (point.start, *drawn))

        def times(a: Any, b: Any) -> Any:
            return jax.tree.map(jnp.multiply, a, b)

        def beyond(a: Any, b: Any) -> Any:
            return jax.tree.map(lambda a, b: 2 * a - b, a, b)

        def pulled(state: Any, d: Any) -> Any:
            return cell.pull(params, cell.step(params, state, drive)[1], d)[0]

        def after(state: Any) -> Any:
            return cell.step(params, state, drive)[0]

        laws = {"diagonal": (pulled(s, times(d, v)), times(pulled(s, d), v))}
        if cell.recurrence == "affine":
            laws["affine"] = after(beyond(s, r)), beyond(after(s), after(r))
            laws["same factor"] = pulled(r, d), pulled(s, d)
        return paired(laws)

    laws = jax.device_get(tried(point, draw(), draw(), draw()))
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(point.start)]
    for law, sides in laws.items():
        leaves = map(jax.tree.leaves, sides)
        for path, found, right in zip(paths, *leaves, strict=True):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            # As of one step: 2^10 roundings of its largest entry.
            scale = max(float(np.max(np.abs(right), initial=0)), 1.0)
            allowed = np.full(right.shape, 1024 * unit_roundoff("float64") * scale)
            difference = compare(found, Expected(right, allowed))
            yield Row(
                f"recurrence of {name}",
                law,
                difference.error,
                difference.allowed,
                str(list(difference.where)),
                None,
                not difference.wrong.any(),
                "one step",
            )
