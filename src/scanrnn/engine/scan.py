"""The forward pass: project the inputs, then lax.scan the step over time.

Time is walked in blocks. Within a block the inputs are projected by one product and
`step` is scanned; from block to block only the state is handed on. One block of all T
steps is the plain scan.

Why blocks: a drive is G times as wide as a state, and memory that a program touches
for the first time is slow (the operating system maps it page by page). The drives of
one block are used while they are in the cache, and their room is used again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..cell import Cell, Params, State, Tape
from .mesh import zeros_over
from .products import wide

Index: TypeAlias = int | Array
Carry = TypeVar("Carry")
Tree = TypeVar("Tree")


class Sequence(NamedTuple):
    """What is fed step by step; time leads in every field."""

    xs: Array  # (T, B, X) floats or (T, B) tokens
    skips: Array | None = None  # (T, B) bool: True passes the state through
    resets: Array | None = None  # (T, B) bool: True restarts from `start` before t


class Task(NamedTuple):
    """The arrays of one unroll: what the rule of a way back differentiates by."""

    params: Params
    start: State  # also what a reset restores
    sequence: Sequence


class Course(NamedTuple):
    """How time is walked: latest step first if reverse; lax.scan's unroll factor."""

    reverse: bool = False
    unroll: int = 1

    def backwards(self) -> "Course":
        return self._replace(reverse=not self.reverse)


Keep: TypeAlias = Callable[[State, Tape], Any]


def run(
    cell: Cell, task: Task, state: State, course: Course, keep: Keep
) -> tuple[State, Any]:
    """Scans `step` over a sequence, from ``state``.

    Args:
        state: the state before the first step.
        keep: what to stack of each step, from the state after it and its tape (None
            where the tape is that state).

    Returns:
        The state after the last step, and what `keep` kept, time first.
    """
    step, steps = _stepper(cell, task, keep), _steps(cell, task)
    return lax.scan(step, state, steps, reverse=course.reverse, unroll=course.unroll)


def run_into(
    rooms: Any,
    at: Index,
    cell: Cell,
    task: Task,
    state: State,
    course: Course,
    keep: Keep,
) -> tuple[State, Any]:
    """As `run`, for a part of a longer sequence: writes what is kept into its place.

    Args:
        rooms: arrays for all steps of the longer sequence, as `rooms_for` makes them.
        at: the step of the longer sequence with which the part begins.

    Returns:
        The state after the last step, and ``rooms`` with the part written.
    """
    step = _stepper(cell, task, keep)

    def body(carry: tuple[State, Any], this: Any) -> Any:
        (state, rooms), (t, at_t) = carry, this
        state, kept = step(state, at_t)
        return (state, write(rooms, kept, t)), None

    times = at + jnp.arange(task.sequence.xs.shape[0])
    (state, rooms), _ = lax.scan(
        body,
        (state, rooms),
        (times, _steps(cell, task)),
        reverse=course.reverse,
        unroll=course.unroll,
    )
    return state, rooms


def rooms_for(cell: Cell, task: Task, keep: Keep) -> Any:
    """Zeros (T, B, ·) for what `keep` keeps of every step; nothing is computed."""

    def first(task: Task) -> Any:
        task = task._replace(sequence=view(task.sequence, 0, 1))
        steps = jax.tree.map(lambda leaf: leaf[0], _steps(cell, task))
        return _stepper(cell, task, keep)(task.start, steps)[1]

    traced = jax.make_jaxpr(first, return_shape=True)(task)
    length, structure = task.sequence.xs.shape[0], jax.tree.structure(traced[1])
    rooms = [zeros_over(length, aval) for aval in traced[0].out_avals]
    return jax.tree.unflatten(structure, rooms)


def _stepper(
    cell: Cell, task: Task, keep: Keep
) -> Callable[[State, Any], tuple[State, Any]]:
    def step(state: State, at: tuple[Any, Array | None, Array | None]) -> Any:
        drive, skip, reset = at
        state = choose(reset, task.start, state)
        after, tape = cell.step(task.params, widen(state), drive)
        tape = None if tape is after else narrow(tape, state)
        after = choose(skip, state, cast_like(after, state))
        return after, keep(after, tape)

    return step


def _steps(cell: Cell, task: Task) -> Any:
    xs, skips, resets = task.sequence
    return cell.project(task.params, xs), skips, resets


def states_before(
    start: State, entry: State, states: State, resets: Array | None, reverse: bool
) -> State:
    """The state each step began from, given the states after the steps.

    Args:
        start: the state that a reset restores.
        entry: the state before the first step.
        states: the states after every step, (T, B, ·).
    """

    def shift(entry: Array, states: Array) -> Array:
        parts = (states[1:], entry[None]) if reverse else (entry[None], states[:-1])
        # Behind a barrier: fused with a product's transpose it takes thrice as long.
        return lax.optimization_barrier(jnp.concatenate(parts))

    return choose(resets, start, jax.tree.map(shift, entry, states))


class Blocks(NamedTuple):
    """Something of every block, and of the shorter one at the end."""

    whole: Any  # (n, ...)
    rest: Any | None = None  # (...), None if the blocks divide T

    def unpair(self) -> tuple["Blocks", "Blocks"]:
        """Two of them, if what stands of every block is a pair."""
        left, right = (None, None) if self.rest is None else self.rest
        return Blocks(self.whole[0], left), Blocks(self.whole[1], right)


def view(tree: Any, at: Index, size: int) -> Any:
    """The ``size`` steps from ``at`` on of arrays (T, ...)."""

    def part(leaf: Array) -> Array:
        if leaf.shape[0] == size:
            return leaf
        return lax.dynamic_slice_in_dim(leaf, at, size)

    return jax.tree.map(part, tree)


def pick(tree: Any, t: Index) -> Any:
    """Step t of arrays (T, ...)."""

    def part(leaf: Array) -> Array:
        if not leaf.shape[0]:  # the body of a loop of no steps is traced all the same
            return jnp.zeros(leaf.shape[1:], leaf.dtype)
        return lax.dynamic_index_in_dim(leaf, t, 0, keepdims=False)

    return jax.tree.map(part, tree)


def write(rooms: Any, kept: Any, t: Index) -> Any:
    """Arrays (T, ...) with step t as given."""

    def put(room: Array, x: Array) -> Array:
        return lax.dynamic_update_index_in_dim(room, x, t, 0)

    return jax.tree.map(put, rooms, kept)


def join(blocks: Blocks) -> Any:
    """Arrays of blocks (n, size, ...), and the rest, as arrays (T, ...)."""

    def whole_of(leaf: Array) -> Array:
        return leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])

    whole = jax.tree.map(whole_of, blocks.whole)
    if blocks.rest is None:
        return whole
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), whole, blocks.rest)


def walk(
    body: Callable[[Carry, Index, int, Any], tuple[Carry, Any]],
    carry: Carry,
    length: int,
    size: int,
    reverse: bool,
    given: Blocks = Blocks(None),
) -> tuple[Carry, Blocks]:
    """lax.scan over blocks of steps, latest first if reverse.

    Args:
        body: carry, the first step of the block, its size, what is given for it ->
            carry, something of the block.
        given: something for every block.

    A single block is not wrapped in a loop of its own.
    """
    n, size_of_rest = divmod(length, size)

    def on_block(carry: Carry, block: tuple[Array, Any]) -> tuple[Carry, Any]:
        number, given = block
        return body(carry, number * size, size, given)

    def over_whole(carry: Carry) -> tuple[Carry, Any]:
        if n == 1:
            one = jax.tree.map(lambda leaf: leaf[0], given.whole)
            carry, kept = body(carry, 0, size, one)
            return carry, jax.tree.map(lambda leaf: leaf[None], kept)
        return lax.scan(on_block, carry, (jnp.arange(n), given.whole), reverse=reverse)

    def over_rest(carry: Carry) -> tuple[Carry, Any]:
        if not size_of_rest:
            return carry, None
        return body(carry, n * size, size_of_rest, given.rest)

    if reverse:
        carry, rest = over_rest(carry)
        carry, whole = over_whole(carry)
    else:
        carry, whole = over_whole(carry)
        carry, rest = over_rest(carry)
    return carry, Blocks(whole, rest)


def choose(condition: Array | None, yes: Tree, no: Tree) -> Tree:
    """``yes`` where the condition (..., B) holds, else ``no``; None never holds."""
    if condition is None:
        return no

    def either(yes: Array, no: Array) -> Array:
        inner = range(condition.ndim, max(yes.ndim, no.ndim))
        return jnp.where(jnp.expand_dims(condition, tuple(inner)), yes, no)

    return jax.tree.map(either, yes, no)


def cast_like(tree: Any, like: Any) -> Any:
    """Every leaf in the dtype of its counterpart; None stays None."""
    if tree is None:
        return None
    return jax.tree.map(lambda leaf, other: leaf.astype(other.dtype), tree, like)


def widen(tree: Tree) -> Tree:
    """16-bit floats as float32: what is stored narrow is computed wide."""
    return _map_floats(lambda leaf: leaf.astype(wide(leaf.dtype)), tree)


def narrow(tree: Tree, state: State) -> Tree:
    """Floats in the dtype of the state: what is computed wide is stored narrow."""
    return _map_floats(lambda leaf: leaf.astype(state.h.dtype), tree)


def _map_floats(function: Callable[[Array], Array], tree: Tree) -> Tree:
    def on_floats(leaf: Array) -> Array:
        is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
        return function(leaf) if is_float else leaf

    return jax.tree.map(on_floats, tree)
