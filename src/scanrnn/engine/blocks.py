"""Time in blocks: a loop over stretches of steps, and reading and writing them.

Within a block a large product serves all steps; from block to block only a carry is
handed on. One block of all T steps is no loop at all.

Why blocks: a drive is G times as wide as a state, and memory that a program touches
for the first time is slow (the operating system maps it page by page). The drives of
one block are used while they are in the cache, and their room is used again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

Index: TypeAlias = int | Array
Carry = TypeVar("Carry")


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
    n, size_of_rest = (1, 0) if size == length else divmod(length, size)

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
