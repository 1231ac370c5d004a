"""The gradient programs that `prove` compares, and what is fed to them."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...cell import Cell
from ...engine.checks import input_sizes
from ...engine.ways import Autodiff, Backward
from ...unroll import Unrolled, unroll
from .report import Configuration

MASKS = ((), ("lengths",), ("resets",), ("mask", "resets"))


def kinds_of_inputs(cell: Cell, batch_size: int, input_size: int) -> tuple[str, ...]:
    """Whether a cell takes floats alone, or tokens as well."""
    at = Configuration("tokens", 1, (), False)
    try:
        task = draw_task(cell, at, batch_size, input_size, seed=0)
        jax.eval_shape(_program(cell, Autodiff(), at), task)
    except Exception:  # a cell of floats alone; which error it is depends on the cell
        return ("floats",)
    is_sized = len(input_sizes(cell, task.params)) == 1
    return ("floats", "tokens") if is_sized else ("floats",)


def configurations(
    kinds: Sequence[str], steps: Sequence[int]
) -> Iterator[Configuration]:
    """All options for floats; for tokens, which differ in one product, two of them."""
    of_kind = {
        "floats": tuple(itertools.product(MASKS, (False, True))),
        "tokens": ((MASKS[0], False), (MASKS[-1], True)),
    }
    for kind, length in itertools.product(kinds, steps):
        for masks, reverse in of_kind[kind]:
            yield Configuration(kind, length, masks, reverse)


@functools.lru_cache(maxsize=64)
def _shapes(cell: Cell, batch_size: int, input_size: int) -> tuple[Any, Any]:
    """Shapes of params and start; called with x64 on, where float64 is one."""
    key = jax.random.key(0)
    return (
        jax.eval_shape(lambda: cell.init(key, input_size, jnp.float64)),
        jax.eval_shape(lambda: cell.start(batch_size, jnp.float64)),
    )


class Task(NamedTuple):
    """The arguments of a gradient program: shapes of floats, values of integers."""

    params: Any
    start: Any
    xs: Any
    masks: dict[str, Any]
    d_run: Unrolled


def draw_task(
    cell: Cell, at: Configuration, batch_size: int, input_size: int, seed: int
) -> Task:
    """Draws masks and tokens; other ones for other seeds, lengths and directions."""
    random = np.random.default_rng((seed, at.steps, at.reverse))
    params, start = _shapes(cell, batch_size, input_size)
    size = (at.steps, batch_size)
    drawn = {
        "lengths": random.integers(0, at.steps + 1, batch_size),
        "mask": random.random(size) < 0.6,
        "resets": random.random(size) < 0.4,
    }
    tokens = random.integers(0, input_size, size)
    floats = jax.eval_shape(lambda: jnp.zeros((*size, input_size)))
    d_hs = jax.eval_shape(lambda: jnp.zeros((*size, start.h.shape[1])))
    return Task(
        params,
        start,
        tokens if at.inputs == "tokens" else floats,
        {name: drawn[name] for name in at.masks},
        Unrolled(d_hs, start),
    )


def _program(cell: Cell, way: Backward, at: Configuration) -> Callable[..., Any]:
    """The outputs and the gradients, as a function of a task."""

    def program(task: Task) -> dict[str, Any]:
        def run(params: Any, start: Any, xs: Any) -> Unrolled:
            # In reverse a reset restores the start, whose gradient then has both uses.
            to_start = at.reverse and "resets" in task.masks
            return unroll(
                cell,
                params,
                xs,
                start,
                reset_to=start if to_start else None,
                reverse=at.reverse,
                backward=way,
                **task.masks,
            )

        floats = (task.params, task.start)
        if at.inputs == "tokens":
            made, pull = jax.vjp(lambda p, s: run(p, s, task.xs), *floats)
        else:
            made, pull = jax.vjp(run, *floats, task.xs)
        names = ("d_params", "d_start", "d_xs")
        return made._asdict() | dict(zip(names, pull(task.d_run), strict=False))

    return program


class Traced(NamedTuple):
    """The jaxpr of a program, and the names of its results."""

    jaxpr: Any
    leaves: tuple[str, ...]


def trace(cell: Cell, way: Backward, at: Configuration, task: Task) -> Traced:
    """The outputs, the final state and the gradients, as one jaxpr."""
    program = jax.make_jaxpr(_program(cell, way, at), return_shape=True)
    jaxpr, made = program(task)
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(made)]
    names = (f"{path[0].key}{jax.tree_util.keystr(path[1:])}" for path in paths)
    return Traced(jaxpr, tuple(names))
