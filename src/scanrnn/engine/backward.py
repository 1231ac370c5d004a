"""The ways back through `scan.py`; the hand-derived rule is installed here.

With Lₜ the state after step t, the state before it is Lₜ₋₁, or the start state where
t is reset. Going back over the steps, each way does the same four things::

    (1) d_stateₜ += dhₜ             the stream from the output joins the one from time
    (2) d_stateₜ₋₁, δₜ = pull(tapeₜ, d_stateₜ)      a skipped step hands d_stateₜ on
    (3) d_start += d_stateₜ₋₁, d_stateₜ₋₁ = 0       where t is reset
    (4) d_params, d_xs = collect(xs, states_prev, δ)     once per block, over all steps

They differ in what they keep of the forward pass, and so in how the tapes and the
states come back: `Stored` reads them, `Recomputed` rebuilds the tapes of a whole block
by one batched product from the states, `Checkpointed` runs a block again from the
state before it. `Autodiff` is no rule at all, and the oracle of the others.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..cell import Cell, Delta, Params, State, Tape
from .mesh import is_spread, vary_along, varying_axes
from .products import wide
from .scan import (
    Blocks,
    Course,
    Index,
    Sequence,
    Task,
    cast_like,
    choose,
    join,
    narrow,
    pick,
    rooms_for,
    run,
    run_into,
    states_before,
    view,
    walk,
    widen,
)


class Kept(NamedTuple):
    """What the forward pass keeps of every step, (T, B, ·); None where nothing."""

    h: Array | None  # the outputs
    others: State  # the states with None for h: it stands above
    tapes: Tape  # None where a tape is the state after its step

    def outputs(self) -> Array:
        assert self.h is not None  # every way keeps them on the way there
        return self.h

    def states(self) -> State:
        return self.others._replace(h=self.h)

    def all_tapes(self) -> Tape:
        return self.states() if self.tapes is None else self.tapes


class Part(NamedTuple):
    """One block on the way back."""

    at: Index  # its first step
    size: int
    task: Task  # its stretch of the sequence
    entry: State  # (B, ·), the state before its first step
    kept: Kept  # of all steps

    def states_before(self, states: State, course: Course) -> State:
        """The state before every step of the block, given those after (size, B, ·)."""
        start, resets = self.task.start, self.task.sequence.resets
        return states_before(start, self.entry, states, resets, course.reverse)


@dataclasses.dataclass(frozen=True)
class Stored:
    """Keeps the tape of every step: fastest as a rule, and largest.

    Bytes kept: the outputs and the tapes, T·B·(H + tape), where the tape of `rnn` is
    the output itself, of `gru` 5H (reset before: 6H), of `lstm` 6H.

    Where the batch is spread over devices by ``jit``, the deltas of all steps are
    collected at once, so that no collective stands in a loop.
    """

    def block_size(self, cell: Cell, task: Task) -> int:
        length = _length(task)
        # Two blocks would save little memory, and cost a loop around the loops.
        is_short = length * _floats_of_drive(cell, task) <= 2 * BLOCK_FLOATS
        return length if is_short or is_spread(task) else _default_block(cell, task)

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, state._replace(h=None), tape)

    def save(self, kept: Kept) -> Kept:
        return kept

    def restore(
        self, cell: Cell, part: Part, course: Course
    ) -> tuple[State, Tape, Index]:
        states = view(part.kept.states(), part.at, part.size)
        return part.states_before(states, course), part.kept.all_tapes(), part.at


@dataclasses.dataclass(frozen=True)
class Recomputed:
    """Keeps the states alone; rebuilds the tapes of a block of steps at a time.

    All states are known when the way back begins, so the tapes of a whole block come
    from one batched product. Bytes kept: the states, T·B·H (`lstm`: twice that), of
    which h is the output anyway; and one block of tapes while the way back runs.

    Args:
        block: steps per block; if not given, as many as fill the cache.
    """

    block: int | None = None

    def __post_init__(self) -> None:
        _check_steps("Recomputed(block)", self.block)

    def block_size(self, cell: Cell, task: Task) -> int:
        # A block holds its tapes as well: half of what `Stored` takes.
        return self.block or _default_block(cell, task, share=2)

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, state._replace(h=None), None)

    def save(self, kept: Kept) -> Kept:
        return kept

    def restore(
        self, cell: Cell, part: Part, course: Course
    ) -> tuple[State, Tape, Index]:
        states = view(part.kept.states(), part.at, part.size)
        states = part.states_before(states, course)
        drives = cell.project(part.task.params, part.task.sequence.xs)
        step = jax.vmap(cell.step, in_axes=(None, 0, 0))
        _, tapes = step(part.task.params, widen(states), drives)
        return states, narrow(tapes, part.task.start), 0


@dataclasses.dataclass(frozen=True)
class Checkpointed:
    """Keeps every k-th state; runs each segment again, with its tapes.

    Bytes kept: T/k states; and k steps of states and tapes while the way back runs.
    Costs one more forward pass.

    Args:
        every: k, steps per segment; √T if not given, so that both grow alike with T.
    """

    every: int | None = None

    def __post_init__(self) -> None:
        _check_steps("Checkpointed(every)", self.every)

    def block_size(self, cell: Cell, task: Task) -> int:
        return self.every or _near_divisor(_length(task), math.isqrt(_length(task)))

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, None, None)

    def save(self, kept: Kept) -> Kept:
        return NOTHING

    def restore(
        self, cell: Cell, part: Part, course: Course
    ) -> tuple[State, Tape, Index]:
        keep = Stored().stack
        _, kept = run(cell, part.task, part.entry, course, keep)
        return part.states_before(kept.states(), course), kept.all_tapes(), 0


@dataclasses.dataclass(frozen=True)
class Autodiff:
    """No rule of our own: JAX differentiates the plain scan.

    The oracle of the other ways, and the way to forward mode (`jax.jvp`,
    `jax.jacfwd`), which a `jax.custom_vjp` does not have.
    """


ByHand: TypeAlias = Stored | Recomputed | Checkpointed
Backward: TypeAlias = ByHand | Autodiff

NOTHING = Kept(None, None, None)

# A block has as many steps as make its drives 2 MB, so that they stay in the cache; but
# no fewer rows (steps times batch) than a product needs to run at speed. Both measured:
# docs/performance.md.
BLOCK_FLOATS = 2**19
ROWS_AT_LEAST = 1024


def check_way(backward: object) -> None:
    """An error unless ``backward`` is one of the four ways."""
    if not isinstance(backward, Backward):
        hint = isinstance(backward, type) and issubclass(backward, Backward)
        raise ValueError(
            "expected backward=Stored(), Recomputed(block), Checkpointed(every) or "
            f"Autodiff(), got {backward!r}"
            + ("; it is a value: add the parentheses" if hint else "")
        )


def states_of(
    cell: Cell, task: Task, course: Course, backward: Backward
) -> tuple[Array, State]:
    """All outputs (T, B, H) and the final state; differentiable by ``backward``."""
    if isinstance(backward, Autodiff) or not _length(task):  # no steps: no way back
        final, hs = run(cell, task, task.start, course, lambda state, tape: state.h)
        return hs, final
    return _by_hand(cell, backward, course, task)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _by_hand(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Array, State]:
    # Nothing is differentiated here, so no more is kept than the outputs.
    kept, _, final = _forward(
        cell, Checkpointed(steps_in_block(cell, way, task)), course, task
    )
    return kept.outputs(), final


def _by_hand_forward(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[tuple[Array, State], tuple[Task, Kept, Blocks]]:
    kept, entries, final = _forward(cell, way, course, task)
    return (kept.outputs(), final), (task, way.save(kept), entries)


def _forward(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Kept, Blocks, State]:
    """What is kept of every step, the states before every block, the final state."""
    length, size = _length(task), steps_in_block(cell, way, task)
    if size == length:
        final, kept = run(cell, task, task.start, course, way.stack)
        return kept, Blocks(jax.tree.map(lambda leaf: leaf[None], task.start)), final

    def part(at: Index, size: int) -> Task:
        return task._replace(sequence=view(task.sequence, at, size))

    def stacked(state: State, at: Index, size: int, _: None) -> Any:
        after, kept = run(cell, part(at, size), state, course, way.stack)
        return after, (state, kept)

    def written(carry: tuple[State, Kept], at: Index, size: int, _: None) -> Any:
        state, kept = carry
        args = cell, part(at, size), state, course, way.stack
        return run_into(kept, at, *args), state

    if isinstance(way, Checkpointed):
        # Outputs that nobody asks for are then left out by the compiler.
        final, blocks = walk(stacked, task.start, length, size, course.reverse)
        entries, kept = blocks.unpair()
        return join(kept), entries, final
    carry = task.start, rooms_for(cell, task, way.stack)
    (final, kept), entries = walk(written, carry, length, size, course.reverse)
    return kept, entries, final


def _by_hand_backward(
    cell: Cell,
    way: ByHand,
    course: Course,
    saved: tuple[Task, Kept, Blocks],
    cotangents: tuple[Array, State],
) -> tuple[Task]:
    task, kept, entries = saved
    d_hs, d_final = cotangents

    def body(
        carry: tuple[State, State, Params], at: Index, size: int, entry: State
    ) -> Any:
        d_state, d_start, d_params = carry
        sequence = view(task.sequence, at, size)
        part = Part(at, size, task._replace(sequence=sequence), entry, kept)
        states_prev, tapes, first = way.restore(cell, part, course)
        d_state, d_start, deltas = pull_back(
            cell,
            part.task,
            course,
            tapes,
            view(d_hs, at, size),
            d_state,
            d_start,
            first=first,
        )
        more, d_xs = cell.collect(task.params, sequence.xs, states_prev, deltas)  # (4)
        d_params = jax.tree.map(lax.add, d_params, cast_like(more, d_params))
        return (d_state, d_start, d_params), cast_like(d_xs, sequence.xs)

    d_state = widen(d_final)
    carry, d_xs = walk(
        body,
        (d_state, *_zeros(d_state, task)),
        _length(task),
        steps_in_block(cell, way, task),
        not course.reverse,
        entries,
    )
    d_state, d_start, d_params = carry
    if d_start is not None:
        d_state = jax.tree.map(jnp.add, d_state, d_start)
    return (
        Task(
            cast_like(d_params, task.params),
            cast_like(d_state, task.start),
            Sequence(join(d_xs)),
        ),
    )


_by_hand.defvjp(_by_hand_forward, _by_hand_backward)


def pull_back(
    cell: Cell,
    task: Task,
    course: Course,
    tapes: Tape,
    d_hs: Array,
    d_state: State,
    d_start: State | None,
    keep: Callable[[State, Delta], Any] = lambda through_time, delta: delta,
    first: Index = 0,
) -> tuple[State, State | None, Any]:
    """(1) to (3) over the steps of a block, the latest first.

    Args:
        d_state: what arrives through time at the latest step.
        d_start: where the cotangents that resets cut off are summed, or None.
        keep: what to stack of each step, from the cotangent that arrives through
            time and the delta; the delta if not given.
        first: where among the tapes that of the first step stands.

    Returns:
        What is left of d_state before the earliest step, d_start, and what `keep` kept.
    """
    zeros = jax.tree.map(jnp.zeros_like, d_state)

    def body(carry: tuple[State, State | None], at: Any) -> Any:
        through_time, d_start = carry
        step, d_h, skip, reset = at
        tape = widen(pick(tapes, first + step))
        d_state = through_time._replace(h=through_time.h + widen(d_h))  # (1)
        d_prev, delta = cell.pull(
            task.params, tape, choose(skip, zeros, d_state)
        )  # (2)
        d_prev = choose(skip, d_state, d_prev)
        if d_start is not None:
            d_start = jax.tree.map(jnp.add, d_start, choose(reset, d_prev, zeros))
        d_prev = choose(reset, zeros, d_prev)  # (3)
        return (d_prev, d_start), keep(through_time, narrow(delta, task.start))

    steps = jnp.arange(d_hs.shape[0])
    (d_state, d_start), kept = lax.scan(
        body,
        (d_state, d_start),
        (steps, d_hs, task.sequence.skips, task.sequence.resets),
        reverse=not course.reverse,
        unroll=course.unroll,
    )
    return d_state, d_start, kept


def _zeros(d_state: State, task: Task) -> tuple[State | None, Params]:
    """Where d_start and d_params are summed; wide, and on the devices of d_state."""
    cut_off = None if task.sequence.resets is None else task.start
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros_like(leaf, dtype=wide(leaf.dtype)),
        (cut_off, task.params),
    )
    return vary_along(zeros, varying_axes(d_state))


def _length(task: Task) -> int:
    return task.sequence.xs.shape[0]


def steps_in_block(cell: Cell, way: ByHand, task: Task) -> int:
    """K, from shapes alone."""
    return min(way.block_size(cell, task), _length(task))


def _default_block(cell: Cell, task: Task, share: int = 1) -> int:
    length, batch = task.sequence.xs.shape[:2]
    least = -(-ROWS_AT_LEAST // max(1, batch))
    steps = max(least, BLOCK_FLOATS // _floats_of_drive(cell, task))
    return _near_divisor(length, -(-steps // share))


def _floats_of_drive(cell: Cell, task: Task) -> int:
    xs = task.sequence.xs
    step = jax.ShapeDtypeStruct((1, *xs.shape[1:]), xs.dtype)
    drives = jax.tree.leaves(jax.eval_shape(cell.project, task.params, step))
    return max(1, sum(drive.size for drive in drives))


def _near_divisor(length: int, size: int) -> int:
    """A block of about the size; one that divides the length, if there is one near.

    A rest needs a program of its own, and a copy of what the blocks have in common.
    """
    size = max(1, size)
    divisors = (k for k in range(min(size, length), size // 2, -1) if length % k == 0)
    return next(divisors, size)


def _check_steps(name: str, steps: int | None) -> None:
    if steps is not None and (not isinstance(steps, int) or steps < 1):
        raise ValueError(f"expected {name} of at least 1 step or None, got {steps!r}")
