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
from typing import Any, NamedTuple

import jax
from jax.typing import ArrayLike

from ..cell import Cell, Params
from .arrays import shaped
from .blocks import pick
from .checks import check_cell, check_inputs
from .scan import Sequence, Task
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

    `Stored`, `Recomputed` and `Checkpointed` are tried in this order; what each needs
    is told by `temporary_bytes` when the program is traced, from shapes alone. Where
    arrays are spread over devices by ``jit``, the bytes are those of all devices.

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
        ways: tuple[ByHand, ...] = (Stored(), Recomputed(), Checkpointed())
        needs = [temporary_bytes(cell, params, xs, backward=way) for way in ways]
        for way, need in zip(ways, needs, strict=True):
            if need <= self.bytes:
                return way
        told = ", ".join(
            f"{type(way).__name__} {need:,}"
            for way, need in zip(ways, needs, strict=True)
        )
        raise ValueError(
            f"expected a budget of at least {min(needs):,} bytes for inputs "
            f"{jax.numpy.shape(xs)}, got {self.bytes:,} (needed: {told}); "
            "take a smaller batch or a shorter sequence"
        )


def temporary_bytes(
    cell: Cell, params: Params, xs: Any, *, backward: Backward = Stored()
) -> int:
    """The temporary bytes of the value and gradient of an unrolled cell, predicted.

    Of a loss of all outputs, by params and inputs, without masks; what the loss
    itself needs comes on top. For floats of 32 and 64 bits on a CPU the prediction is
    within a tenth of what the compiler says (``compiled.memory_analysis()``) as soon
    as there are several blocks; other compilers share room in other ways.

    Args:
        cell, params, xs: as for `unroll`; only shapes and dtypes are read, so
            ``jax.ShapeDtypeStruct`` serves as well.
        backward: `Stored()`, `Recomputed(block)` or `Checkpointed(every)`.

    Raises:
        ValueError: if shapes or dtypes do not fit, or ``backward`` is `Autodiff`, of
            which nothing is predicted.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.lstm(64)
    >>> params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 8))
    >>> xs = jax.ShapeDtypeStruct((1000, 16, 8), "float32")
    >>> needs = [sr.temporary_bytes(cell, params, xs, backward=way)
    ...          for way in (sr.Stored(), sr.Recomputed(), sr.Checkpointed())]
    >>> needs == sorted(needs, reverse=True)
    True
    """
    if not isinstance(backward, ByHand):
        raise ValueError(
            "expected Stored(), Recomputed(block) or Checkpointed(every), got "
            f"{backward!r}: nothing is predicted of what JAX keeps"
        )
    check_cell(cell)
    params = jax.tree.map(lambda leaf: shaped("params", leaf), params)
    xs = shaped("xs", xs)
    shape: Any = jax.ShapeDtypeStruct(xs.shape, xs.dtype)
    check_inputs(cell, params, shape, None)  # values are not looked at
    length, batch = xs.shape[:2]
    size = steps_in_block(cell, backward, _task(cell, params, xs))
    widths = _widths(cell, params, xs)
    entries = -(-length // max(1, size)) * widths.state
    turned = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    there, back = _phases(backward, widths, length, size)
    floats = batch * (entries + max(there, back)) + turned
    itemsize: int = jax.tree.leaves(params)[0].dtype.itemsize
    return floats * itemsize


def way_for(
    backward: Backward | Budget, cell: Cell, params: Params, xs: ArrayLike
) -> Backward:
    """The way back that is meant; an error if it is none."""
    if isinstance(backward, Budget):
        return backward.choose(cell, params, xs)
    check_way(backward)
    return backward


class _Widths(NamedTuple):
    """Floats of one sequence at one step."""

    x: int
    drive: int
    state: int
    h: int
    tape: int  # 0 where it is the state
    delta: int


def _widths(cell: Cell, params: Params, xs: Any) -> _Widths:
    batch = xs.shape[1]

    def one(params: Params, xs: Any) -> Any:
        state = cell.start(batch, jax.tree.leaves(params)[0].dtype)
        drives = cell.project(params, xs)
        after, tape = cell.step(params, state, pick(drives, 0))
        _, delta = cell.pull(params, tape, after)
        tape = () if tape is after else tape
        return pick(xs, 0), pick(drives, 0), after, after.h, tape, delta

    step = jax.ShapeDtypeStruct((1, *xs.shape[1:]), xs.dtype)
    parts = jax.eval_shape(one, params, step)
    return _Widths(*(_floats(part) // max(1, batch) for part in parts))


def _phases(way: ByHand, of: _Widths, length: int, size: int) -> tuple[int, int]:
    """Floats per sequence at the fullest moment on the way there, and back."""
    kept = {
        Stored: length * (of.h + of.tape),
        Recomputed: length * of.state,
        Checkpointed: length * of.h,
    }[type(way)]
    tapes = 0 if isinstance(way, Stored) else of.tape or of.state
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
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _task(cell: Cell, params: Params, xs: Any) -> Task:
    start = jax.eval_shape(lambda: cell.start(xs.shape[1]))
    return Task(params, start, Sequence(xs))
