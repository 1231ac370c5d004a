"""The forward pass of the hand-derived rules: what a way keeps, written as it is made.

The same for both forms of the rule, `backward.py` and `linearized.py`.
"""

from typing import Any

import jax
from jax import Array

from ..cell import Cell, State, Tape
from .blocks import Blocks, Index, join, view, walk
from .columns import side_by_side
from .mesh import is_spread
from .platform import launches
from .scan import Course, Rooms, Task, rooms_for, run
from .told import has_marks
from .ways import ByHand, Checkpointed, Kept, steps_in_block


def values(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Array | State, State]:
    """What is handed out, and the final state, where nothing is differentiated."""
    # So no more is kept than is handed out.
    lean = Checkpointed(steps_in_block(cell, way, task, course.parts))
    kept, _, final = forward(cell, lean, course, task)
    return handed_out(kept, course), final


def handed_out(kept: Kept, course: Course) -> Array | State:
    """All outputs, or the whole states."""
    return kept.states() if course.states else kept.outputs()


def forward(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Kept, Blocks, State]:
    """What is kept of every step, the states before every block, the final state."""
    length, size = task.length, steps_in_block(cell, way, task, course.parts)
    # One launch in the place of many; a TPU's compiler makes a chain of it. Where a
    # hidden axis may be cut, columns would be gathered to stand side by side.
    in_columns = launches(task) and not is_spread(task)

    def keep(state: State, tape: Tape) -> Kept:
        kept = way.stack(state, tape)
        if in_columns and not has_marks(kept.tapes):
            kept = kept._replace(tapes=side_by_side(kept.tapes))
        return kept._replace(others=state._replace(h=None)) if course.states else kept

    if size == length:
        final, kept = run(cell, task, task.start, course, keep)
        return kept, Blocks(jax.tree.map(lambda leaf: leaf[None], task.start)), final

    def part(at: Index, size: int) -> Task:
        return task._replace(sequence=view(task.sequence, at, size))

    def stacked(state: State, at: Index, size: int, _: None) -> Any:
        after, kept = run(cell, part(at, size), state, course, keep)
        return after, (state, kept)

    def written(carry: tuple[State, Kept], at: Index, size: int, _: None) -> Any:
        state, kept = carry
        args = cell, part(at, size), state, course, keep
        return run(*args, into=Rooms(kept, at)), state

    if isinstance(way, Checkpointed):
        # Outputs that nobody asks for are then left out by the compiler.
        final, blocks = walk(stacked, task.start, length, size, course.reverse)
        entries, kept = blocks.unpair()
        return join(kept), entries, final
    carry = task.start, rooms_for(cell, task, keep)
    (final, kept), entries = walk(written, carry, length, size, course.reverse)
    return kept, entries, final
