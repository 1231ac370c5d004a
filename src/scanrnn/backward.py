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

from .cell import Cell, Delta, Params, State, Tape
from .mesh import vary_along, varying_axes
from .products import wide
from .scan import (
    Blocks,
    Course,
    Sequence,
    cast_like,
    choose,
    cut,
    join,
    narrow,
    pair,
    run,
    states_before,
    unpair,
    walk,
    widen,
)


class Kept(NamedTuple):
    """What the forward pass stacks of every step; None where it keeps nothing."""

    h: Array | None  # (T, B, H), the outputs
    others: State  # (T, B, ·), the states with None for h: it stands above
    tapes: Tape  # (T, B, ·)

    def states(self) -> State:
        return self.others._replace(h=self.h)


class Residual(NamedTuple):
    """What one block hands to the way back."""

    entry: State  # (B, ·), the state before its first step
    kept: Kept


class Task(NamedTuple):
    """The arrays of one unroll; the arguments that the rule differentiates."""

    params: Params
    start: State
    sequence: Sequence


@dataclasses.dataclass(frozen=True)
class Stored:
    """Keeps the tape of every step: the fastest way back, and the largest.

    Bytes kept: the states and the tapes, T·B·(H + tape), where the tape of `rnn` is H
    wide, of `gru` 5H (reset before: 6H), of `lstm` 6H (and c adds H to its state).
    """

    def block_size(self, length: int) -> int:
        return length

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, state._replace(h=None), tape)

    def save(self, kept: Kept) -> Kept:
        return kept

    def restore(
        self, cell: Cell, task: Task, residual: Residual, course: Course
    ) -> tuple[State, Tape]:
        states = _states_before(task, residual, residual.kept.states(), course)
        return states, residual.kept.tapes


@dataclasses.dataclass(frozen=True)
class Recomputed:
    """Keeps the states alone; rebuilds the tapes of a block of steps at a time.

    All states are known when the way back begins, so the tapes of a whole block come
    from one batched product. Bytes kept: the states, T·B·H (`lstm`: twice that), of
    which h is the output anyway; and one block of tapes while the way back runs.

    Args:
        block: steps per block; 16 if not given.
    """

    block: int | None = None

    def __post_init__(self) -> None:
        _check_steps("Recomputed(block)", self.block)

    def block_size(self, length: int) -> int:
        return self.block or DEFAULT_BLOCK

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, state._replace(h=None), None)

    def save(self, kept: Kept) -> Kept:
        return kept

    def restore(
        self, cell: Cell, task: Task, residual: Residual, course: Course
    ) -> tuple[State, Tape]:
        states = _states_before(task, residual, residual.kept.states(), course)
        drives = cell.project(task.params, task.sequence.xs)
        step = jax.vmap(cell.step, in_axes=(None, 0, 0))
        _, tapes = step(task.params, widen(states), drives)
        return states, narrow(tapes, task.start)


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

    def block_size(self, length: int) -> int:
        return self.every or math.ceil(math.sqrt(length))

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, None, None)

    def save(self, kept: Kept) -> Kept:
        return NOTHING

    def restore(
        self, cell: Cell, task: Task, residual: Residual, course: Course
    ) -> tuple[State, Tape]:
        keep = Stored().stack
        _, kept = run(cell, *task, residual.entry, course, keep)
        return _states_before(task, residual, kept.states(), course), kept.tapes


@dataclasses.dataclass(frozen=True)
class Autodiff:
    """No rule of our own: JAX differentiates the plain scan.

    The oracle of the other ways, and the way to forward mode (`jax.jvp`,
    `jax.jacfwd`), which a `jax.custom_vjp` does not have.
    """


ByHand: TypeAlias = Stored | Recomputed | Checkpointed
Backward: TypeAlias = ByHand | Autodiff

NOTHING = Kept(None, None, None)

# Blocks of 16 and of 32 steps took the same time within noise; 16 holds less.
DEFAULT_BLOCK = 16


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
    if isinstance(backward, Autodiff):
        final, hs = run(
            cell, *task, task.start, course, keep=lambda state, tape: state.h
        )
        return hs, final
    return _by_hand(cell, backward, course, task)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _by_hand(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Array, State]:
    # Nothing is differentiated here, so no more is kept than the outputs.
    hs, final, _ = _forward(cell, Checkpointed(_size(way, task)), course, task)
    return hs, final


def _by_hand_forward(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[tuple[Array, State], tuple[Task, Blocks]]:
    hs, final, residuals = _forward(cell, way, course, task)
    return (hs, final), (task, residuals)


def _forward(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Array, State, Blocks]:
    def body(state: State, sequence: Sequence) -> tuple[State, tuple[Array, Residual]]:
        part = task._replace(sequence=sequence)
        after, kept = run(cell, *part, state, course, way.stack)
        return after, (kept.h, Residual(state, way.save(kept)))

    blocks = cut(task.sequence, _length(task), _size(way, task))
    final, kept = walk(body, task.start, blocks, course.reverse)
    hs, residuals = unpair(kept)
    return join(hs), final, residuals


def _by_hand_backward(
    cell: Cell,
    way: ByHand,
    course: Course,
    saved: tuple[Task, Blocks],
    cotangents: tuple[Array, State],
) -> tuple[Task]:
    task, residuals = saved
    d_hs, d_final = cotangents

    def body(carry: tuple[State, State, Params], block: Any) -> Any:
        (sequence, d_hs), residual = block
        d_state, d_start, d_params = carry
        part = task._replace(sequence=sequence)
        states_prev, tapes = way.restore(cell, part, residual, course)
        d_state, d_start, deltas = pull_back(
            cell, part, course, tapes, d_hs, d_state, d_start
        )
        more, d_xs = cell.collect(task.params, sequence.xs, states_prev, deltas)  # (4)
        d_params = jax.tree.map(lax.add, d_params, cast_like(more, d_params))
        return (d_state, d_start, d_params), d_xs

    inputs = cut((task.sequence, d_hs), _length(task), _size(way, task))
    blocks = pair(inputs, residuals)
    d_state = widen(d_final)
    d_start, d_params = _zeros(d_state, task)
    carry, d_xs = walk(body, (d_state, d_start, d_params), blocks, not course.reverse)
    d_state, d_start, d_params = carry
    if d_start is not None:
        d_state = jax.tree.map(jnp.add, d_state, d_start)
    return (
        Task(
            cast_like(d_params, task.params),
            cast_like(d_state, task.start),
            Sequence(cast_like(join(d_xs), task.sequence.xs)),
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
) -> tuple[State, State | None, Any]:
    """(1) to (3) over the steps of a block, the latest first.

    Args:
        d_state: what arrives through time at the latest step.
        d_start: where the cotangents that resets cut off are summed, or None.
        keep: what to stack of each step, from the cotangent that arrives through
            time and the delta; the delta if not given.

    Returns:
        What is left of d_state before the earliest step, d_start, and what `keep` kept.
    """
    zeros = jax.tree.map(jnp.zeros_like, d_state)

    def body(carry: tuple[State, State | None], at: Any) -> Any:
        through_time, d_start = carry
        tape, d_h, skip, reset = at
        d_state = through_time._replace(h=through_time.h + widen(d_h))  # (1)
        d_prev, delta = cell.pull(
            task.params, widen(tape), choose(skip, zeros, d_state)
        )  # (2)
        d_prev = choose(skip, d_state, d_prev)
        if d_start is not None:
            d_start = jax.tree.map(jnp.add, d_start, choose(reset, d_prev, zeros))
        d_prev = choose(reset, zeros, d_prev)  # (3)
        return (d_prev, d_start), keep(through_time, narrow(delta, task.start))

    steps = (tapes, d_hs, task.sequence.skips, task.sequence.resets)
    (d_state, d_start), kept = lax.scan(
        body,
        (d_state, d_start),
        steps,
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


def _states_before(
    task: Task, residual: Residual, states: State, course: Course
) -> State:
    resets = task.sequence.resets
    return states_before(task.start, residual.entry, states, resets, course.reverse)


def _length(task: Task) -> int:
    return task.sequence.xs.shape[0]


def _size(way: ByHand, task: Task) -> int:
    length = _length(task)
    return max(1, min(way.block_size(length), length))


def _check_steps(name: str, steps: int | None) -> None:
    if steps is not None and (not isinstance(steps, int) or steps < 1):
        raise ValueError(f"expected {name} of at least 1 step or None, got {steps!r}")
