"""The hand-derived rule, installed with `jax.custom_vjp`, for every cell and way back.

With Lₜ the state after step t, the state before it is Lₜ₋₁, or what a reset restores
where t is reset. Going back over the steps, each way does the same four things::

    (1) d_stateₜ += dhₜ             the stream from the output joins the one from time
    (2) d_stateₜ₋₁, δₜ = pull(tapeₜ, d_stateₜ)      a skipped step hands d_stateₜ on
    (3) d_reset_to += d_stateₜ₋₁, d_stateₜ₋₁ = 0    where t is reset
    (4) d_params, d_xs = collect(xs, states_prev, δ)     once per block, over all steps

The ways differ in what they keep of the forward pass, and so in how the tapes and the
states come back: `ways.py`. The same rule with a forward mode is `linearized.py`; in
parallel over time, where the cell allows it, `parallel.py`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..cell import Cell, Delta, Params, State, Tape
from .blocks import Blocks, Index, join, pick, view, walk
from .columns import apart
from .forward import forward, handed_out, values
from .linearized import by_tangents
from .mesh import lie_like, vary_along, varying_axes
from .parallel import in_parallel
from .parts import collect, joined, parts_of, zeros_of_each
from .platform import is_accelerated
from .products import wide
from .scan import Course, Sequence, Task, prepared, run
from .trees import as_cotangent, cast_like, choose, narrow, numbers, widen
from .ways import (
    Autodiff,
    Backward,
    ByHand,
    Kept,
    Linearized,
    Parallel,
    Part,
    check_parallel,
    steps_in_block,
)


def states_of(
    cell: Cell, task: Task, course: Course, backward: Backward
) -> tuple[Array, State]:
    """All outputs (T, B, H) and the final state; differentiable by ``backward``.

    With ``course.states`` the whole states (T, B, ·) stand in the place of the outputs.
    """
    if isinstance(backward, Parallel):
        check_parallel(cell, task)
    task = prepared(cell, task)
    if isinstance(backward, Autodiff) or task.length == 0:  # no steps: no way back

        def keep(state: State, tape: Tape) -> Any:
            return state if course.states else state.h

        final, kept = run(cell, task, task.start, course, keep)
        return kept, final
    if isinstance(backward, Linearized):
        return by_tangents(cell, backward.of, course, task)
    if isinstance(backward, Parallel):
        return in_parallel(cell, backward, course, task)
    return _by_hand(cell, backward, course._replace(parts=parts_of(cell, task)), task)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _by_hand(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Array | State, State]:
    return values(cell, way, course, task)


def _by_hand_forward(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[tuple[Array | State, State], tuple[Task, Kept, Blocks]]:
    kept, entries, final = forward(cell, way, course, task)
    return (handed_out(kept, course), final), (task, way.save(kept), entries)


def _by_hand_backward(
    cell: Cell,
    way: ByHand,
    course: Course,
    saved: tuple[Task, Kept, Blocks],
    cotangents: tuple[Array | State, State],
) -> tuple[Task]:
    task, kept, entries = saved
    d_outputs, d_final = cotangents
    d_outputs = numbers(d_outputs, task.start if course.states else task.start.h)
    d_final = numbers(d_final, task.start)

    def body(
        carry: tuple[State, State, Params], at: Index, size: int, entry: State
    ) -> Any:
        d_state, d_reset_to, d_params = carry
        sequence = view(task.sequence, at, size)
        part = Part(at, size, task._replace(sequence=sequence), entry, kept)
        states_prev, tapes, first = way.restore(cell, part, course)
        d_state, d_reset_to, deltas = pull_back(
            cell,
            part.task,
            course,
            tapes,
            view(d_outputs, at, size),
            d_state,
            d_reset_to,
            first=first,
        )
        more, d_xs = collect(
            cell, parts, task.params, sequence.xs, states_prev, deltas
        )  # (4)
        more = lie_like(cast_like(more, d_params), d_params)
        d_params = jax.tree.map(lax.add, d_params, more)
        d_xs = lie_like(cast_like(d_xs, sequence.xs), sequence.xs)
        return (d_state, d_reset_to, d_params), d_xs

    size = steps_in_block(cell, way, task, course.parts)
    parts = course.parts if size < task.length else None  # one block is joined once
    d_state = widen(d_final)
    d_reset_to, d_params = _zeros(d_state, task)
    carry, d_xs = walk(
        body,
        (d_state, d_reset_to, zeros_of_each(d_params, parts)),
        task.length,
        size,
        not course.reverse,
        entries,
    )
    d_state, d_reset_to, d_params = carry
    d_params = lie_like(joined(d_params, parts), task.params)
    return (
        Task(
            as_cotangent(d_params, task.params),
            as_cotangent(d_state, task.start),
            Sequence(as_cotangent(join(d_xs), task.sequence.xs)),
            as_cotangent(d_reset_to, task.reset_to),
        ),
    )


_by_hand.defvjp(_by_hand_forward, _by_hand_backward)


def pull_back(
    cell: Cell,
    task: Task,
    course: Course,
    tapes: Tape,
    d_outputs: Array | State,
    d_state: State,
    d_reset_to: State | None,
    keep: Callable[[State, Delta], Any] | None = None,
    first: Index = 0,
) -> tuple[State, State | None, Any]:
    """(1) to (3) over the steps of a block, the latest first.

    Args:
        d_outputs: the stream from what was handed out: (size, B, H), or whole states.
        d_state: what arrives through time at the latest step.
        d_reset_to: where the cotangents that resets cut off are summed, or None.
        keep: what to stack of each step, from the cotangent that arrives through
            time and the delta; the delta if not given, and beside all of them what
            the cell sums over the steps.
        first: where among the tapes that of the first step stands.

    Returns:
        What is left of d_state before the earliest step, d_reset_to, and what `keep`
        kept.
    """
    if _shapes(d_state.h) == _shapes(task.start.h):  # and not of several windows
        d_state = lie_like(d_state, task.start)  # zeros may have been made whole
    zeros = jax.tree.map(jnp.zeros_like, d_state)
    # A GPU's compiler would make a delta anew where it is written for `collect`, in a
    # kernel of its own; behind a barrier it is copied (experiments/accelerators.py).
    copies_deltas = is_accelerated(task)
    length = next((d.shape[0] for d in jax.tree.leaves(d_outputs)), task.length)
    # A loop knows its step; a number of one's own is read out of an array of numbers.
    lengths = {leaf.shape[0] for leaf in jax.tree.leaves(tapes)}
    is_whole = isinstance(first, int) and first == 0 and lengths == {length}

    def body(carry: tuple[State, State | None, Any], at: Any) -> Any:
        through_time, d_reset_to, summed = carry
        this, d_output, skip, reset = at
        tape = this if is_whole else pick(tapes, first + this)
        tape = widen(apart(tape))
        d_state = join_streams(through_time, d_output)  # (1)
        d_prev, delta = cell.pull(
            task.params, tape, choose(skip, zeros, d_state)
        )  # (2)
        d_prev = choose(skip, d_state, d_prev)
        if d_reset_to is not None:
            cut = choose(reset, d_prev, zeros)
            d_reset_to = jax.tree.map(jnp.add, d_reset_to, cut)
        d_prev = choose(reset, zeros, d_prev)  # (3)
        if summed is not None:
            delta, more = delta
            summed = jax.tree.map(jnp.add, summed, more)
        delta = narrow(delta, task.start)
        if copies_deltas:
            delta = lax.optimization_barrier(delta)
        kept = keep(through_time, delta) if keep else delta
        return (d_prev, d_reset_to, summed), kept

    summed = cell.sums(task.params) if cell.sums else None
    (d_state, d_reset_to, summed), kept = lax.scan(
        body,
        (d_state, d_reset_to, vary_along(summed, varying_axes(d_state))),
        (
            tapes if is_whole else jnp.arange(length),
            d_outputs,
            task.sequence.skips,
            task.sequence.resets,
        ),
        reverse=not course.reverse,
        unroll=course.unroll,
    )
    if summed is not None and keep is None:
        kept = kept, summed
    return d_state, d_reset_to, kept


def _shapes(tree: Any) -> Any:
    return jax.tree.map(jnp.shape, tree)


def join_streams(through_time: State, d_outputs: Array | State) -> State:
    """(1): what arrives from what was handed out, h or the whole state, is added."""
    if isinstance(d_outputs, type(through_time)):
        return jax.tree.map(jnp.add, through_time, widen(d_outputs))
    h = jax.tree.map(jnp.add, through_time.h, widen(d_outputs))
    return through_time._replace(h=h)


def _zeros(d_state: State, task: Task) -> tuple[State | None, Params]:
    """Where d_reset_to and d_params are summed; wide, on the devices of d_state."""
    summed = task.reset_to, task.params
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros_like(leaf, dtype=wide(leaf.dtype)), summed
    )
    zeros = lie_like(zeros, summed)  # jax 0.12 has them whole where no mesh is set
    return vary_along(zeros, varying_axes(d_state))
