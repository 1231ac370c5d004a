"""What is kept of a step, side by side in one array: one write in the place of many.

On a GPU every array that a loop over time writes is a launch of its own, and the tape
of an LSTM is six of them. There the leaves of a tape are the columns of one array, cut
apart again by whoever reads a step. On a CPU that is a loss: a write there is a loop
that the compiler fuses with what it writes (docs/performance.md); on a TPU as well,
where setting them side by side is a chain of copies (docs/accelerators.md).
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Columns:
    """The leaves of a tree (..., B, ·) as one array (..., B, W)."""

    array: Array
    shapes: tuple[tuple[int, ...], ...] = dataclasses.field(metadata={"static": True})
    structure: Any = dataclasses.field(metadata={"static": True})

    def leaves(self) -> Any:
        """The tree."""
        widths = [math.prod(shape) for shape in self.shapes]
        ends = [sum(widths[: i + 1]) for i in range(len(widths) - 1)]
        parts = jnp.split(self.array, ends, axis=-1)
        lead = self.array.shape[:-1]
        cut = [
            part.reshape(*lead, *shape)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]
        return jax.tree.unflatten(self.structure, cut)


def side_by_side(tree: Any) -> Any:
    """A tree of arrays (B, ·) of one dtype as `Columns`; any other as it is."""
    leaves, structure = jax.tree.flatten(tree)
    alike = len({(leaf.dtype, leaf.shape[:1]) for leaf in leaves}) == 1
    if len(leaves) < 2 or not alike or not leaves[0].ndim:
        return tree
    flat = [leaf.reshape(leaf.shape[0], -1) for leaf in leaves]
    shapes = tuple(leaf.shape[1:] for leaf in leaves)
    return Columns(jnp.concatenate(flat, axis=-1), shapes, structure)


def apart(tree: Any) -> Any:
    """The tree, with what stands side by side in it cut apart."""
    return jax.tree.map(
        lambda leaf: leaf.leaves() if isinstance(leaf, Columns) else leaf,
        tree,
        is_leaf=lambda leaf: isinstance(leaf, Columns),
    )
