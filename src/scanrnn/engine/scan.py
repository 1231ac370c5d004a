"""The forward pass: project the inputs, then lax.scan the step over time.

A long sequence is walked in blocks (`blocks.py`): within one the inputs are projected
by one product and `step` is scanned. One block of all T steps is the plain scan.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..cell import Cell, Params, State, Tape
from .blocks import Index, view, write
from .mesh import Parts, is_explicit, lie_like, zeros_over
from .told import marked
from .trees import cast_like, choose, narrow, widen


class Sequence(NamedTuple):
    """What is fed step by step; time leads in every field."""

    xs: Any  # (T, B, X) floats or (T, B) tokens; of `sr.scan` any pytree, time first
    skips: Array | None = None  # (T, B) bool: True passes the state through
    resets: Array | None = None  # (T, B) bool: True restarts from `reset_to` before t


class Task(NamedTuple):
    """The arrays of one unroll: what the rule of a way back differentiates by."""

    params: Params
    start: State  # before the first step
    sequence: Sequence
    reset_to: State | None = None  # (B, ·), what a reset restores; None without resets

    @property
    def length(self) -> int:
        """T."""
        length: int = jax.tree.leaves(self.sequence.xs)[0].shape[0]
        return length


class Course(NamedTuple):
    """How time is walked, what is handed out of it, and how the batch is cut."""

    reverse: bool = False  # latest step first
    unroll: int = 1  # of lax.scan
    states: bool = False  # hand out the whole states, not their h alone
    parts: Parts | None = None  # of the batch, if it is cut over devices: `parts.py`

    def backwards(self) -> "Course":
        return self._replace(reverse=not self.reverse)


Keep: TypeAlias = Callable[[State, Tape], Any]


class Rooms(NamedTuple):
    """Where what is kept of a part of a longer sequence is written."""

    arrays: Any  # (T, B, ·), for all steps of the longer sequence; see `rooms_for`
    at: Index  # its step with which the part begins


def run(
    cell: Cell,
    task: Task,
    state: State,
    course: Course,
    keep: Keep,
    into: Rooms | None = None,
) -> tuple[State, Any]:
    """Scans `step` over a sequence, from ``state``.

    Args:
        state: the state before the first step.
        keep: what is kept of each step, from the state after it and its tape, with
            marks for what the states tell (`told.py`).
        into: where it is written; if not given it is stacked, (T, B, ·).

    Returns:
        The state after the last step, and what was kept, time first; with ``into``,
        its arrays with the part written.
    """
    step, given = _stepper(cell, task, keep), _steps(cell, task)

    def body(carry: tuple[State, Any], this: Any) -> tuple[tuple[State, Any], Any]:
        (state, rooms), (t, at_t) = carry, this
        state, kept = step(state, at_t)
        if into is None:
            return (state, None), kept
        return (state, write(rooms, kept, t)), None

    rooms, times = None, None
    if into is not None:
        rooms, times = into.arrays, into.at + jnp.arange(task.length)
    (state, rooms), stacked = lax.scan(
        body,
        (state, rooms),
        (times, given),
        length=None if jax.tree.leaves(given) else task.length,
        reverse=course.reverse,
        unroll=course.unroll,
    )
    return state, stacked if into is None else rooms


def prepared(cell: Cell, task: Task) -> Task:
    """The task with what the cell makes once of its params in their place."""
    if cell.once is None:
        return task
    return task._replace(params=cell.once(task.params, task.sequence.xs))


def rooms_for(cell: Cell, task: Task, keep: Keep) -> Any:
    """Zeros (T, B, ·) for what `keep` keeps of every step; nothing is computed."""

    kept = _kept_of_first(cell, task, keep)
    return jax.tree.map(lambda aval: zeros_over(task.length, aval), kept)


def laid_out(cell: Cell, task: Task) -> Task:
    """The task, its start and what a reset restores cut over devices as later states.

    Where the mesh has explicit axes the type of an array tells how it lies, and the
    carry of a loop must have one type. So the states before the first step are made
    to lie as those after it, which follows from how weights and inputs lie.
    """
    if not is_explicit(task):
        return task
    for _ in range(4):  # what a step cuts spreads through the state at once, as a rule
        after = _kept_of_first(cell, _of_some_length(task), lambda state, tape: state)
        start, reset_to = lie_like(task.start, after), lie_like(task.reset_to, after)
        if jax.tree.map(jax.typeof, (start, reset_to)) == jax.tree.map(
            jax.typeof, (task.start, task.reset_to)
        ):
            return task
        task = task._replace(start=start, reset_to=reset_to)
    return task


def _of_some_length(task: Task) -> Task:
    """The same, or a step of zeros where there is none to look at."""
    if task.length:
        return task

    def one(leaf: Array) -> Array:
        return jnp.pad(leaf, ((0, 1), *((0, 0),) * (leaf.ndim - 1)))

    return task._replace(sequence=jax.tree.map(one, task.sequence))


def _kept_of_first(cell: Cell, task: Task, keep: Keep) -> Any:
    """The types of what `keep` keeps of the first step; nothing is computed."""

    def first(task: Task) -> Any:
        task = task._replace(sequence=view(task.sequence, 0, 1))
        steps = jax.tree.map(lambda leaf: leaf[0], _steps(cell, task))
        return _stepper(cell, task, keep)(task.start, steps)[1]

    traced, shapes = jax.make_jaxpr(first, return_shape=True)(task)
    return jax.tree.unflatten(jax.tree.structure(shapes), traced.out_avals)


def _stepper(
    cell: Cell, task: Task, keep: Keep
) -> Callable[[State, Any], tuple[State, Any]]:
    def step(state: State, at: tuple[Any, Array | None, Array | None]) -> Any:
        drive, skip, reset = at
        state = choose(reset, task.reset_to, state)
        before = widen(state)
        after, tape = cell.step(task.params, before, drive)
        tape = narrow(marked(tape, before, after), state)
        after = choose(skip, state, cast_like(after, state))
        return after, keep(after, tape)

    return step


def _steps(cell: Cell, task: Task) -> Any:
    xs, skips, resets = task.sequence
    return cell.project(task.params, xs), skips, resets


def states_before(task: Task, entry: State, states: State, reverse: bool) -> State:
    """The state each step began from, given the states after the steps.

    Args:
        task: the resets, and what they restore.
        entry: the state before the first step.
        states: the states after every step, (T, B, ·).
    """

    def shift(entry: Array, states: Array) -> Array:
        parts = (states[1:], entry[None]) if reverse else (entry[None], states[:-1])
        # Behind a barrier: fused with a product's transpose it takes thrice as long.
        return lax.optimization_barrier(jnp.concatenate(parts))

    shifted = jax.tree.map(shift, entry, states)
    return choose(task.sequence.resets, task.reset_to, shifted)
