"""What a cell is tried on: sizes, random values, and the ways time can be walked."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...cell import Cell
from ...engine.checks import input_sizes
from ...engine.ways import (
    Autodiff,
    Backward,
    Checkpointed,
    Parallel,
    Recomputed,
    Stored,
)
from ...unroll import Unrolled, unroll
from .noise import QUICK
from .reals import joined, paired

STEPS, BATCH, INPUTS = 7, 5, 3  # primes, all distinct, so that a transpose shows

WAYS: dict[str, Backward] = {
    "Stored": Stored(),
    "Recomputed": Recomputed(3),
    "Checkpointed": Checkpointed(2),
}


def ways_of(cell: Cell) -> dict[str, Backward]:
    """The ways back that a cell has: in parallel, if it is marked so."""
    if cell.recurrence == "dense":
        return WAYS
    return WAYS | {"Parallel": Parallel(), "in chunks": Parallel("chunks", 3)}


class Setting(NamedTuple):
    """How a sequence is walked."""

    name: str
    options: dict[str, Any]


def settings(seed: int) -> list[Setting]:
    """Plain; gaps and resets; in reverse with lengths, one of them 0, and resets.

    The last ones restore the start state, so that its gradient is a sum of both uses.
    """
    rng = np.random.default_rng(seed)
    lengths = np.array([STEPS, 4, 0, 1, STEPS - 1])
    mask = rng.random((STEPS, BATCH)) < 0.7
    resets = rng.random((STEPS, BATCH)) < 0.3
    return [
        Setting("plain", {}),
        Setting("mask and resets", {"mask": mask, "resets": resets}),
        Setting(
            "reverse, lengths and resets",
            {"lengths": lengths, "resets": resets, "reverse": True},
        ),
    ]


def quick_settings(seed: int) -> list[Setting]:
    """All of the above in one batch: nothing, gaps, resets, both, and all is skipped.

    In reverse, where whoever shifts the states by himself shifts them the wrong way.
    """
    rng = np.random.default_rng(seed)

    def two_steps() -> Any:
        return rng.permutation(STEPS) < 2

    mask = np.ones((STEPS, BATCH), bool)
    resets = ~mask
    for sequence in (1, 3):
        mask[:, sequence] = ~two_steps()
    for sequence in (2, 3):
        resets[:, sequence] = two_steps()
    mask[:, 4] = False
    options = {"mask": mask, "resets": resets, "reverse": True}
    return [Setting("reverse, mask and resets", options)]


class Point(NamedTuple):
    """Where the derivative is taken; complex states as pairs (`reals.py`)."""

    params: Any
    xs: Any
    start: Any


class Cotangents(NamedTuple):
    """Random weights of every output and of the final state."""

    outputs: Any
    final: Any


def point_of(cell: Cell, params: Any | None, seed: int) -> tuple[Point, Cotangents]:
    """Random values in float64; params near those that the cell draws, or as given."""
    key = jax.random.key(seed)
    if params is None:
        params = _drawn(cell, key)
        params = _shaken(params, 0.1, seed)
    params = jax.tree.map(lambda p: jnp.asarray(p, jnp.float64), params)
    fitting = input_sizes(cell, params)
    size = fitting[0] if len(fitting) == 1 else INPUTS
    xs = _shaken(jnp.zeros((STEPS, BATCH, size), jnp.float64), 1.0, seed + 1)
    start = _shaken(paired(cell.start(BATCH, jnp.float64)), 0.5, seed + 2)
    plain = run(cell, Setting("plain", {}), Autodiff())
    shapes = jax.eval_shape(plain, Point(params, xs, start))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    return Point(params, xs, start), Cotangents(*_shaken(zeros, 1.0, seed + 3))


def _drawn(cell: Cell, key: Any) -> Any:
    """`init` as one program: else each of its operations would be compiled alone."""

    @functools.partial(jax.jit, compiler_options=QUICK)
    def init(key: Any) -> Any:
        return cell.init(key, INPUTS, jnp.float64)

    return init(key)


def _shaken(tree: Any, by: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: x + by * rng.standard_normal(x.shape), tree)


def run(cell: Cell, setting: Setting, way: Backward) -> Callable[..., Unrolled]:
    """``point -> outputs and final state`` with the setting's options."""

    def unrolled(point: Point) -> Unrolled:
        options, start = dict(setting.options), joined(cell, point.start)
        if options.get("reverse"):
            options["reset_to"] = start
        made = unroll(cell, point.params, point.xs, start, backward=way, **options)
        return Unrolled(paired(made.outputs), paired(made.final))

    return unrolled


def gradient(cell: Cell, setting: Setting, way: Backward) -> Callable[..., Point]:
    """``point, cotangents -> d_point``."""

    def back(point: Point, cotangents: Cotangents) -> Point:
        _, pulled = jax.vjp(run(cell, setting, way), point)
        (d_point,) = pulled(Unrolled(*cotangents))
        return Point(*d_point)

    return back


def plain_gradient(cell: Cell, setting: Setting) -> Callable[..., Point]:
    """The same by JAX's own differentiation of the plain scan."""
    return gradient(cell, setting, Autodiff())


def leaf_names(point: Point) -> list[str]:
    """params.w_x, xs, start.h: leaf by leaf."""
    paths, _ = jax.tree_util.tree_flatten_with_path(point)
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in paths]
