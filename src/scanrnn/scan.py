"""The forward pass: project all inputs at once, then lax.scan the step over time.

Time is walked in blocks. Within a block the inputs are projected by one product and
`step` is scanned; from block to block only the state is handed on. One block of all T
steps is the plain scan.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from .cell import Cell, Params, State, Tape
from .products import wide

Carry = TypeVar("Carry")
Tree = TypeVar("Tree")


class Sequence(NamedTuple):
    """What is fed step by step; time leads in every field."""

    xs: Array  # (T, B, X) floats or (T, B) tokens
    skips: Array | None = None  # (T, B) bool: True passes the state through
    resets: Array | None = None  # (T, B) bool: True restarts from `start` before t


class Course(NamedTuple):
    """How time is walked: latest step first if reverse; lax.scan's unroll factor."""

    reverse: bool = False
    unroll: int = 1

    def backwards(self) -> "Course":
        return self._replace(reverse=not self.reverse)


def run(
    cell: Cell,
    params: Params,
    start: State,
    sequence: Sequence,
    state: State,
    course: Course,
    keep: Callable[[State, Tape], Any],
) -> tuple[State, Any]:
    """Scans `step` over a sequence, from ``state``.

    Args:
        start: the state that a reset restores.
        state: the state before the first step.
        keep: what to stack of each step, from the state after it and its tape.

    Returns:
        The state after the last step, and what `keep` kept, time first.
    """
    drives = cell.project(params, sequence.xs)

    def body(state: State, at: tuple[Any, Array | None, Array | None]) -> Any:
        drive, skip, reset = at
        state = choose(reset, start, state)
        after, tape = cell.step(params, widen(state), drive)
        after = choose(skip, state, cast_like(after, state))
        return after, keep(after, narrow(tape, state))

    steps = (drives, sequence.skips, sequence.resets)
    return lax.scan(body, state, steps, reverse=course.reverse, unroll=course.unroll)


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
        return jnp.concatenate(parts)

    return choose(resets, start, jax.tree.map(shift, entry, states))


class Blocks(NamedTuple):
    """A sequence cut into blocks of equal length, and the shorter rest at its end."""

    whole: Any  # (n, size, ...)
    rest: Any | None  # (T mod size, ...), None if size divides T


def cut(tree: Any, length: int, size: int) -> Blocks:
    """Cuts the leading axis, of the given length, into blocks; B stays as it lies."""
    n, rest = divmod(length, size)

    def whole(leaf: Array) -> Array:
        return leaf[: n * size].reshape(n, size, *leaf.shape[1:])

    tail = jax.tree.map(lambda leaf: leaf[n * size :], tree) if rest else None
    return Blocks(jax.tree.map(whole, tree), tail)


def pair(left: Blocks, right: Blocks) -> Blocks:
    """Two sequences cut alike as one sequence of pairs."""
    rest = None if left.rest is None else (left.rest, right.rest)
    return Blocks((left.whole, right.whole), rest)


def unpair(blocks: Blocks) -> tuple[Blocks, Blocks]:
    """The inverse of `pair`."""
    left, right = (None, None) if blocks.rest is None else blocks.rest
    return Blocks(blocks.whole[0], left), Blocks(blocks.whole[1], right)


def join(blocks: Blocks) -> Any:
    """The inverse of `cut`."""

    def whole_of(leaf: Array) -> Array:
        return leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])

    whole = jax.tree.map(whole_of, blocks.whole)
    if blocks.rest is None:
        return whole
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), whole, blocks.rest)


def walk(
    body: Callable[[Carry, Any], tuple[Carry, Any]],
    carry: Carry,
    blocks: Blocks,
    reverse: bool,
) -> tuple[Carry, Blocks]:
    """lax.scan over blocks: ``carry, block -> carry, kept``, latest first if reverse.

    A single block is not wrapped in a loop of its own.
    """

    def over_whole(carry: Carry) -> tuple[Carry, Any]:
        if jax.tree.leaves(blocks.whole)[0].shape[0] == 1:
            carry, kept = body(carry, jax.tree.map(lambda leaf: leaf[0], blocks.whole))
            return carry, jax.tree.map(lambda leaf: leaf[None], kept)
        return lax.scan(body, carry, blocks.whole, reverse=reverse)

    rest = None
    if blocks.rest is None:
        carry, whole = over_whole(carry)
    elif reverse:
        carry, rest = body(carry, blocks.rest)
        carry, whole = over_whole(carry)
    else:
        carry, whole = over_whole(carry)
        carry, rest = body(carry, blocks.rest)
    return carry, Blocks(whole, rest)


def choose(condition: Array | None, yes: Tree, no: Tree) -> Tree:
    """``yes`` where the condition (..., B) holds, else ``no``; None never holds."""
    if condition is None:
        return no

    def pick(yes: Array, no: Array) -> Array:
        inner = range(condition.ndim, max(yes.ndim, no.ndim))
        return jnp.where(jnp.expand_dims(condition, tuple(inner)), yes, no)

    return jax.tree.map(pick, yes, no)


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
