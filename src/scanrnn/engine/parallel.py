"""The rule in parallel over time, of cells whose units do not meet in the recurrence.

A cell says so of itself (`Cell.recurrence`), and then its six functions hold all that
is needed, for `pull` reads the derivative of every unit off ones::

    diagonal   pull(tapeₜ, d) = gₜ ∘ d, with gₜ = pull(tapeₜ, 1)
    affine     stateₜ = aₜ ∘ stateₜ₋₁ + bₜ, with bₜ = step(0) and aₜ = pull(its tape, 1)

There, of an affine cell (of a diagonal one: the loop of `scan.py`)::

    (1) bₜ, aₜ                     one `step` and one `pull` of all steps, from zeros
    (2) (a, b) = (1, 0)            where t is skipped
    (3) b = a ∘ reset_to + b       and cut, where t is reset
    (4) stateₜ                     the maps joined: `recurrences.py`

and back, with Lₜ the state after step t; the tapes are made again of the states::

    (5) tapesₜ, gₜ                 one `step` and one `pull` of all steps
    (6) gₜ = 1                     where t is skipped
    (7) d_Lₜ = dhₜ + gₜ₊₁ ∘ d_Lₜ₊₁   the maps joined, latest first; cut where t + 1 is
                                   reset
    (8) d_reset_to = Σ gₜ ∘ d_Lₜ   over the steps that are reset
    (9) δₜ = pull(tapeₜ, d_Lₜ)     all steps at once, of zeros where t is skipped
    (10) d_params, d_xs = collect  once

They are the equations of `backward.py`, and the same real numbers. With 16-bit floats
maps and joined maps are float32, and states are narrowed when all are known.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..cell import Cell, Params, State, Tape
from .mesh import lie_like
from .recurrences import Maps, by_chunks, by_pairs
from .scan import Course, Sequence, Task, run, states_before
from .trees import as_cotangent, cast_like, choose, narrow, widen
from .ways import Parallel


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def in_parallel(
    cell: Cell, way: Parallel, course: Course, task: Task
) -> tuple[Array | State, State]:
    """All outputs (T, B, ·) or states, and the final state; T >= 1."""
    return _forward(cell, way, course, task)[0]


def _forward(
    cell: Cell, way: Parallel, course: Course, task: Task
) -> tuple[tuple[Array | State, State], tuple[Task, State]]:
    if cell.recurrence == "affine":
        maps, entry = _steps(cell, task), widen(task.start)
        states = _joined(way, course, maps, entry)  # (4)
        states = lie_like(cast_like(states, task.start), maps.added)
        final = jax.tree.map(lambda leaf: leaf[_last(course)], states)
    else:
        final, states = run(cell, task, task.start, course, lambda state, tape: state)
    return (states if course.states else states.h, final), (task, states)


def _backward(
    cell: Cell,
    way: Parallel,
    course: Course,
    saved: tuple[Task, State],
    cotangents: tuple[Array | State, State],
) -> tuple[Task]:
    task, states = saved
    params, (xs, skips, resets) = task.params, task.sequence
    states_prev = states_before(task, task.start, states, course.reverse)
    step = jax.vmap(cell.step, in_axes=(None, 0, 0))
    _, tapes = step(params, widen(states_prev), cell.project(params, xs))
    like = widen(states)
    zeros = jax.tree.map(jnp.zeros_like, like)
    factor = _factor(cell, params, tapes, like)  # (5)
    factor = choose(skips, jax.tree.map(jnp.ones_like, factor), factor)  # (6)

    d_outputs, d_final = widen(cotangents)
    d_outputs = d_outputs if course.states else zeros._replace(h=d_outputs)
    of_next = Maps(
        _from_next(factor, 1, course), d_outputs, _from_next(resets, False, course)
    )
    d_states = _joined(way, course.backwards(), of_next, d_final)  # (7)

    through_time = jax.tree.map(jnp.multiply, factor, d_states)
    d_start, d_reset_to = _ends(through_time, resets, course)  # (8)
    _, deltas = _over_time(cell)(params, tapes, choose(skips, zeros, d_states))  # (9)
    if cell.sums is not None:
        each, summed = deltas
        deltas = each, jax.tree.map(lambda leaf: leaf.sum(0), summed)
    deltas = narrow(deltas, task.start)
    d_params, d_xs = cell.collect(params, xs, states_prev, deltas)  # (10)
    made = Task(d_params, d_start, Sequence(d_xs), d_reset_to)
    return (_as_cotangents(made, task),)


in_parallel.defvjp(_forward, _backward)


def _steps(cell: Cell, task: Task) -> Maps:
    """(1) to (3): the map of every step, forwards."""
    params, (xs, skips, resets) = task.params, task.sequence
    zeros = jax.tree.map(jnp.zeros_like, widen(task.start))
    step = jax.vmap(cell.step, in_axes=(None, None, 0))
    added, tapes = step(params, zeros, cell.project(params, xs))
    factor = _factor(cell, params, tapes, added)  # (1)
    nothing = Maps(
        jax.tree.map(jnp.ones_like, factor), jax.tree.map(jnp.zeros_like, added)
    )
    maps = choose(skips, nothing, Maps(factor, added))  # (2)
    if resets is None:
        return maps
    restarted = choose(resets, maps.of(widen(task.reset_to)), maps.added)  # (3)
    return Maps(maps.factor, restarted, resets)


def _joined(way: Parallel, course: Course, maps: Maps, entry: State) -> State:
    if way.form == "associative":
        return by_pairs(maps, entry, course.reverse)
    return by_chunks(maps, entry, course.reverse, way.chunk, course.unroll)


def _over_time(cell: Cell) -> Any:
    return jax.vmap(cell.pull, in_axes=(None, 0, 0))


def _factor(cell: Cell, params: Params, tapes: Tape, like: State) -> State:
    """What multiplies the cotangent in every step, (T, B, ·)."""
    ones = jax.tree.map(jnp.ones_like, like)
    factor, _ = _over_time(cell)(params, tapes, ones)
    return cast_like(factor, like)


def _last(course: Course) -> int:
    return 0 if course.reverse else -1


def _from_next(tree: Any, end: Any, course: Course) -> Any:
    """At t what stands at the step that comes after t; behind the last step `end`."""

    def shift(leaf: Array) -> Array:
        ends = jnp.full_like(leaf[:1], end)
        parts = (ends, leaf[:-1]) if course.reverse else (leaf[1:], ends)
        return jnp.concatenate(parts)

    return jax.tree.map(shift, tree)


def _ends(
    through_time: State, resets: Array | None, course: Course
) -> tuple[State, State | None]:
    """(8): d_start, and d_reset_to if there are resets."""
    first = -1 - _last(course)
    d_reset_to = None
    if resets is not None:
        zeros = jax.tree.map(jnp.zeros_like, through_time)
        cut = choose(resets, through_time, zeros)
        d_reset_to = jax.tree.map(lambda leaf: leaf.sum(0), cut)
        through_time = choose(resets, zeros, through_time)
    return jax.tree.map(lambda leaf: leaf[first], through_time), d_reset_to


def _as_cotangents(made: Task, task: Task) -> Task:
    """In the dtypes of what they belong to, and lying on the devices as it does."""

    def of(tree: Any, like: Any) -> Any:
        return as_cotangent(lie_like(tree, like), like)

    return Task(
        of(made.params, task.params),
        of(made.start, task.start),
        Sequence(of(made.sequence.xs, task.sequence.xs)),
        of(made.reset_to, task.reset_to),
    )
