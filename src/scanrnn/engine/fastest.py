"""Which way back is fastest, told from shapes; nothing is timed.

`Stored` writes the tape of every step and reads it again; `Recomputed` makes the tapes
of many steps by one product. On a CPU a tape of some numbers costs a kernel for each of
its leaves and no memory to speak of, and a product of some rows next to nothing; a
large tape is written in the same kernels, while the product grows with it. So

    Recomputed   where B drives are no more than `FEW_FLOATS`, and there is a tape
    Stored       elsewhere

On an accelerator every leaf that is written is a launch, and products are cheap:
`Recomputed`. `Checkpointed` walks there a second time: it comes last.

Measured: 60 shapes for the number, 30 others to judge it (docs/performance.md).
"""

import dataclasses
from typing import Any

import jax
from jax.typing import ArrayLike

from ..cell import Cell, Params
from .asked import task_of_shapes
from .blocks import pick
from .platform import is_accelerated
from .scan import Task
from .sizes import floats_of_drive, is_number, one_step
from .told import marked
from .ways import ByHand, Checkpointed, Recomputed, Stored

# The drives of one step, of the whole batch.
FEW_FLOATS = 400


@dataclasses.dataclass(frozen=True)
class Fastest:
    """The way back that takes least time, told from shapes, cell and platform.

    On a CPU `Recomputed` where a step is small, else `Stored`; on an accelerator
    `Recomputed`. It is chosen when a program is traced, and nothing is timed.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.gru(16)
    >>> params = cell.init(jax.random.key(0), 8)
    >>> sr.Fastest().choose(cell, params, jnp.ones((100, 1, 8)))
    Recomputed(block=None)
    >>> sr.Fastest().choose(cell, params, jnp.ones((100, 32, 8)))
    Stored()
    """

    def choose(self, cell: Cell, params: Params, xs: ArrayLike) -> ByHand:
        """The way back for inputs of this shape; see `unroll` for what may be wrong."""
        return self.choose_for(*task_of_shapes(cell, params, xs))

    def choose_for(self, cell: Cell, task: Task) -> ByHand:
        """The same, of a task of arrays or of shapes."""
        return fastest_first(cell, task)[0]


def fastest_first(cell: Cell, task: Task) -> tuple[ByHand, ...]:
    """The three ways by hand, in the order of the time that they take."""
    ways: tuple[ByHand, ...] = (Stored(), Recomputed(), Checkpointed())
    if _is_better_made_again(cell, task):
        ways = (Recomputed(), Stored(), Checkpointed())
    return ways


def _is_better_made_again(cell: Cell, task: Task) -> bool:
    if not _has_tape(cell, task):
        return False
    floats = floats_of_drive(cell, task)
    small = is_number(floats) and floats <= FEW_FLOATS
    return small or is_accelerated(task)


def _has_tape(cell: Cell, task: Task) -> bool:
    """Whether a step keeps anything that its states do not tell; nothing is computed.

    The RNN's tape is its state: there is nothing to make again.
    """

    def kept(params: Params, state: Any, xs: Any) -> Any:
        after, tape = cell.step(params, state, pick(cell.project(params, xs), 0))
        return marked(tape, state, after)

    shapes = jax.eval_shape(kept, task.params, task.start, one_step(task))
    return bool(jax.tree.leaves(shapes))
