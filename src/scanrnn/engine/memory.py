"""How many bytes a way back needs, told from shapes; and the way that fits a budget.

What stands in memory at once, in floats, with K the steps of a block, n = ⌈T/K⌉::

    kept        T B (what the way keeps of a step)            the whole time
    entries     n B (the state)                               the whole time
    turned      the weights once more, transposed             the whole time
    there       K B (drives + x + 2 h)                        one block on the way there
    back        K B (deltas + states before + h + x           one block on the way back
                     + what the way restores)

The outputs h are counted among what is kept; what `Checkpointed` keeps of them is
free again on the way back. Where one block holds all steps, the drives keep their room
on the way back, and h and x share it.
"""

import dataclasses
import math
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..cell import Cell, Params
from .asked import task_of_shapes
from .blocks import pick
from .fastest import Fastest, fastest_first
from .mesh import count_of
from .parts import parts_of
from .scan import Task
from .sizes import batch_of, is_number, one_step
from .told import marked
from .values import whole_number
from .ways import (
    Backward,
    ByHand,
    Checkpointed,
    Recomputed,
    Stored,
    check_way,
    steps_in_block,
)


@dataclasses.dataclass(frozen=True)
class Budget:
    """The fastest way back that needs no more than so many temporary bytes.

    `Stored`, `Recomputed` and `Checkpointed` are tried, the fastest first as `Fastest`
    has it; what each needs is told by `temporary_bytes` when the program is traced,
    from shapes alone. Where arrays are spread over devices by ``jit``, the bytes are
    those of all devices.

    Args:
        bytes: the budget.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.lstm(64)
    >>> params = cell.init(jax.random.key(0), 8)
    >>> xs = jnp.ones((1000, 16, 8))
    >>> run = sr.unroll(cell, params, xs, backward=sr.Budget(20_000_000))
    """

    bytes: int

    def __post_init__(self) -> None:
        number = whole_number("Budget(bytes)", self.bytes)
        object.__setattr__(self, "bytes", number)

    def choose(self, cell: Cell, params: Params, xs: ArrayLike) -> ByHand:
        """The way back for inputs of this shape.

        Raises:
            ValueError: if not even the leanest way fits.
        """
        return self.choose_for(*task_of_shapes(cell, params, xs))

    def choose_for(self, cell: Cell, task: Task) -> ByHand:
        """The same, of a task of arrays or of shapes."""
        ways = fastest_first(cell, task)
        needs = [_bytes(cell, task, way) for way in ways]
        for way, need in zip(ways, needs, strict=True):
            if need <= self.bytes:
                return way
        told = ", ".join(
            f"{type(way).__name__} {need:,}"
            for way, need in zip(ways, needs, strict=True)
        )
        raise ValueError(
            f"expected a budget of at least {min(needs):,} bytes for inputs "
            f"{task.sequence.xs.shape}, got {self.bytes:,} (needed: {told}); "
            "take a smaller batch or a shorter sequence"
        )


Chosen: TypeAlias = Budget | Fastest  # ways that are chosen for shapes


def temporary_bytes(
    cell: Cell, params: Params, xs: Any, *, backward: Backward | Chosen = Fastest()
) -> int:
    """The temporary bytes of the value and gradient of an unrolled cell, predicted.

    Of a loss of all outputs, by params and inputs, without masks; what the loss
    itself needs comes on top. For floats of 32 and 64 bits on a CPU the prediction is
    within a tenth of what the compiler says (``compiled.memory_analysis()``) as soon
    as there are several blocks, of cells without a matrix in the recurrence within a
    fifth; other compilers share room in other ways. Of complex states it is a lower
    bound.

    Args:
        cell, params, xs: as for `unroll`; only shapes and dtypes are read, so
            ``jax.ShapeDtypeStruct`` serves as well.
        backward: `Stored()`, `Recomputed(block)` or `Checkpointed(every)`; or what
            chooses one of them, as `unroll` does with nothing said, `Fastest()`.

    Raises:
        ValueError: if shapes or dtypes do not fit, or ``backward`` is another one, such
            as `Autodiff` or `Parallel`, of which nothing is predicted.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.lstm(64)
    >>> params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 8, "float32"))
    >>> xs = jax.ShapeDtypeStruct((1000, 16, 8), "float32")
    >>> needs = [sr.temporary_bytes(cell, params, xs, backward=way)
    ...          for way in (sr.Stored(), sr.Recomputed(), sr.Checkpointed())]
    >>> needs == sorted(needs, reverse=True)
    True
    """
    cell, task = task_of_shapes(cell, params, xs)
    way = way_for(backward, cell, task)
    if not isinstance(way, ByHand):
        raise ValueError(
            "expected Stored(), Recomputed(block), Checkpointed(every), Fastest() or "
            f"Budget(bytes), got {way!r}: nothing is predicted of what JAX keeps, or "
            "joins"
        )
    return _bytes(cell, task, way)


def way_for(backward: Backward | Chosen, cell: Cell, task: Task) -> Backward:
    """The way back that is meant; an error if it is none."""
    if isinstance(backward, Chosen):
        return backward.choose_for(cell, task)
    check_way(backward)
    return backward


def _bytes(cell: Cell, task: Task, way: ByHand) -> int:
    length, batch = task.length, batch_of(task)
    if not is_number(length) or not is_number(batch):
        raise ValueError(
            f"expected numbers for T and B where bytes are told, got {length} and "
            f"{batch}; under jax.export name a way back instead"
        )
    parts = parts_of(cell, task)
    size = steps_in_block(cell, way, task, parts)
    widths = _widths(cell, task)
    entries = -(-length // max(1, size)) * widths.state
    turned = count_of(parts) * _floats(task.params)  # on every device
    there, back = _phases(way, widths, length, size)
    floats = batch * (entries + max(there, back)) + turned
    itemsize: int = jax.tree.leaves(task.params)[0].dtype.itemsize
    return floats * itemsize


class _Widths(NamedTuple):
    """Floats of one sequence at one step."""

    x: int
    drive: int
    state: int
    h: int
    kept: int  # of the tape, without what the states tell
    tape: int
    delta: int


def _widths(cell: Cell, task: Task) -> _Widths:
    def one(params: Params, state: Any, xs: Any) -> Any:
        drives = cell.project(params, xs)
        after, tape = cell.step(params, state, pick(drives, 0))
        _, delta = cell.pull(params, tape, after)
        kept = marked(tape, state, after)
        return pick(xs, 0), pick(drives, 0), after, after.h, kept, tape, delta

    parts = jax.eval_shape(one, task.params, task.start, one_step(task))
    return _Widths(*(_floats(part) // max(1, batch_of(task)) for part in parts))


def _phases(way: ByHand, of: _Widths, length: int, size: int) -> tuple[int, int]:
    """Floats per sequence at the fullest moment on the way there, and back."""
    kept = {
        Stored: length * (of.h + of.kept),
        Recomputed: length * of.state,
        Checkpointed: length * of.h,
    }[type(way)]
    tapes = 0 if isinstance(way, Stored) else of.tape
    drives = 2 * of.drive if isinstance(way, Recomputed) else of.drive
    there = kept + size * of.drive
    block = of.delta + tapes
    if size == length:
        block += drives
    elif isinstance(way, Recomputed):
        there += size * (of.x + 2 * of.h)
        block += of.state + of.h + of.x + drives
    else:
        there += size * (of.x + 2 * of.h)
        block += 2 * of.h + of.x
    back = size * block + (0 if isinstance(way, Checkpointed) else kept)
    return there, back


def _floats(tree: Any) -> int:
    """A complex number is two."""
    leaves = jax.tree.leaves(tree)
    return sum(
        math.prod(leaf.shape) * (2 if jnp.iscomplexobj(leaf) else 1) for leaf in leaves
    )
