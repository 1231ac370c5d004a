"""How many steps a block has, where nobody says: from shapes alone.

Under `jax.export` T and B may be symbols. A T that is no number is one block: into how
many it would fall, and how long the rest would be, is not known. Without a number for B
a rule takes its place that needs none, and T alone decides.
"""

import math
from typing import Any

import jax

from ..cell import Cell
from .mesh import Parts, count_of
from .platform import is_accelerated
from .scan import Task

# A block has as many steps as make its drives 2 MB, so that they stay in the cache; but
# no fewer rows (steps times batch) than a product needs to run at speed. Both measured:
# docs/performance.md.
BLOCK_FLOATS = 2**19
ROWS_AT_LEAST = 1024

# An accelerator has no such cache, and every block costs it launches of its own. There
# a block only bounds the room of the drives: 256 MB.
ACCELERATOR_BLOCK_FLOATS = 2**26


def default_block(cell: Cell, task: Task, parts: Parts | None, share: int = 1) -> int:
    """As many steps as fill the cache, or that part of it which one of so many gets.

    About √T of them where B is a symbol.
    """
    length, batch = task.length, batch_of(task)
    if not is_number(floats_of_drive(cell, task)):
        return root_of(length)
    least = -(-ROWS_AT_LEAST * count_of(parts) // max(1, batch))
    steps = max(least, block_floats(task, parts) // floats_of_drive(cell, task))
    return near_divisor(length, -(-steps // share))


def block_floats(task: Task, parts: Parts | None) -> int:
    """How many floats the drives of a block may be; every device has its own room."""
    of_one = ACCELERATOR_BLOCK_FLOATS if is_accelerated(task) else BLOCK_FLOATS
    return of_one * count_of(parts)


def floats_of_drive(cell: Cell, task: Task) -> int:
    """The size of a drive of one step, the whole batch; nothing is computed."""
    drives = jax.eval_shape(cell.project, task.params, one_step(task))
    return max(1, sum(drive.size for drive in jax.tree.leaves(drives)))


def one_step(task: Task) -> Any:
    """The shapes of the inputs of a sequence of one step."""
    return jax.tree.map(
        lambda xs: jax.ShapeDtypeStruct((1, *xs.shape[1:]), xs.dtype), task.sequence.xs
    )


def batch_of(task: Task) -> int:
    """B; 1 where a step has no axes."""
    leaf = jax.tree.leaves(task.sequence.xs)[0]
    size: int = leaf.shape[1] if leaf.ndim > 1 else 1
    return size


def is_number(size: Any) -> bool:
    """Whether a size is known when the program is traced, and no symbol."""
    return isinstance(size, int)


def root_of(length: int) -> int:
    """About √T steps, so that blocks and what is kept between them grow alike."""
    return near_divisor(length, math.isqrt(length))


def near_divisor(length: int, size: int) -> int:
    """A block of about the size; one that divides the length, if there is one near.

    A rest needs a program of its own, and a copy of what the blocks have in common.
    """
    size = max(1, size)
    divisors = (k for k in range(min(size, length), size // 2, -1) if length % k == 0)
    return next(divisors, size)
