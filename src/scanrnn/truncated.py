"""Truncated backpropagation through time: the values of `unroll`, a shorter memory.

Time falls into groups of k₁ steps. The outputs of the group that ends before step e
send their gradient back through the k₂ steps before e, their window, and no further.
A window needs no forward pass of its own: the tapes are those of the one run. So the
way back walks all windows side by side, and what remains is due to one law, that
`pull` is linear in the cotangent of the state::

    (1) d_stateᵍₜ            of every window g, by the steps (1) to (3) of `backward.py`
    (2) d_stateₜ = Σ_g d_stateᵍₜ                       over the windows that hold t
    (3) δₜ = pull(tapeₜ, d_stateₜ)                     once, for all of them
    (4) d_params, d_xs = collect(xs, states_prev, δ)   once, over all steps

The loop of (1) is k₂ steps long and T / k₁ windows wide.

Source: Williams and Peng 1990, "An Efficient Gradient-Based Algorithm for On-Line
Training of Recurrent Network Trajectories", BPTT(h; h′): there h is k₂ and h′ is k₁.
"""

import functools
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from .cell import Cell, Params, State, Tape
from .engine.backward import Kept, Stored, pull_back, states_of
from .engine.checks import check_unroll
from .engine.scan import (
    Course,
    Sequence,
    Task,
    cast_like,
    choose,
    narrow,
    run,
    states_before,
    widen,
)
from .unroll import Unrolled, task_of
from .unroll import unroll as full

Tree = TypeVar("Tree")


class Windows(NamedTuple):
    """How time is cut on the way back."""

    every: int  # k₁, the steps of a group
    back: int  # k₂, the steps of a window
    unroll: int  # of lax.scan


class Walk(NamedTuple):
    """All windows on their way back, each in the place of the group it passes."""

    d_state: State  # (n, B, ·), what each window hands to the group before
    d_cut: State | None  # (n, B, ·), what resets cut off; None without resets
    d_start: State  # (B, ·), of the windows that have arrived at the start
    d_hs: (
        Array  # (k₁, n, B, H), the stream from the outputs; zero after the first sweep
    )
    d_states: State  # (k₁, n, B, ·), the sum over windows


def truncated(
    cell: Cell,
    params: Params,
    xs: ArrayLike,
    start: State | None = None,
    *,
    every: int,
    back: int,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    resets: ArrayLike | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> Unrolled:
    """`sr.unroll` with the gradient of truncated backpropagation through time.

    Outputs and final state are those of `sr.unroll`. Their gradient stops early::

        for each group of `every` steps, from first to e - 1:
            state = stop_gradient(the state before step e - back)
            run on from there to e - 1; keep the outputs from first to e - 1

    A window that would begin before step 0 begins at ``start``, with its gradient.

    ``every=k, back=k`` is the usual cut into chunks of k steps with the state handed
    on. ``every=1, back=k`` lets each output reach back over exactly k steps, its own
    included. Between them, an output reaches over ``back`` steps if it is the last of
    its group, and over ``back - every + 1`` if it is the first.

    Groups are counted from the first step that the cell walks, the last with
    ``reverse``, and by position: a masked step counts. A last group that is too short
    ends where it would have ended. So how far an output reaches depends on its step
    alone: not on T, and not on padding. The final state reaches as far as the output
    of its last step that is not masked. With ``back >= T`` nothing is cut.

    Args:
        cell: as for `sr.unroll`, and so are params, xs, start and the options.
        every: k₁, steps per group.
        back: k₂ ≥ k₁, steps per window.

    Returns:
        `Unrolled`, as `sr.unroll`. The tapes of all steps are kept, as by
        `sr.Stored()`; the way back also holds the states' cotangents, T·B·H. It takes
        about T · back / every pulls, in a loop of ``back`` steps, and one `collect`.

    Raises:
        ValueError: as `sr.unroll`; or if not 1 <= every <= back.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.rnn(4)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> def last(xs):
    ...     return sr.truncated(cell, params, xs, every=1, back=2).outputs[-1].sum()
    >>> d_xs = jax.grad(last)(jnp.ones((7, 2, 3)))
    >>> (d_xs != 0).any((1, 2)).astype(int).tolist()
    [0, 0, 0, 0, 0, 1, 1]
    """
    check_unroll(unroll)
    _check_windows(every, back)
    task = task_of(cell, params, xs, start, lengths, mask, resets)
    if back >= task.sequence.xs.shape[0]:
        return full(
            cell, params, xs, start, lengths=lengths, mask=mask, resets=resets,
            reverse=reverse, unroll=unroll,
        )  # fmt: skip
    # One direction is enough for the rule: the other is the same, turned round.
    task = task._replace(sequence=_turn(task.sequence, reverse))
    hs, final = _truncated(cell, Windows(every, back, unroll), task)
    hs = choose(task.sequence.skips, jnp.zeros_like(hs), hs)
    return Unrolled(_turn(hs, reverse), final)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _truncated(cell: Cell, windows: Windows, task: Task) -> tuple[Array, State]:
    return states_of(cell, task, Course(unroll=windows.unroll), Stored())


def _forward(
    cell: Cell, windows: Windows, task: Task
) -> tuple[tuple[Array, State], tuple[Task, Kept]]:
    course = Course(unroll=windows.unroll)
    final, kept = run(cell, task, task.start, course, Stored().stack)
    return (kept.outputs(), final), (task, kept)


def _backward(
    cell: Cell,
    windows: Windows,
    saved: tuple[Task, Kept],
    cotangents: tuple[Array, State],
) -> tuple[Task]:
    task, kept = saved
    skips, resets = task.sequence.skips, task.sequence.resets
    d_states, d_start = _walk_back(cell, windows, task, kept.all_tapes(), *cotangents)
    d_states = choose(skips, jax.tree.map(jnp.zeros_like, d_states), d_states)
    _, deltas = _over_leading(cell).pull(
        task.params, widen(kept.all_tapes()), d_states
    )  # (3)
    deltas = narrow(deltas, task.start)
    states = states_before(task.start, task.start, kept.states(), resets, False)
    d_params, d_xs = cell.collect(task.params, task.sequence.xs, states, deltas)  # (4)
    return (
        Task(
            cast_like(d_params, task.params),
            cast_like(d_start, task.start),
            Sequence(cast_like(d_xs, task.sequence.xs)),
        ),
    )


_truncated.defvjp(_forward, _backward)


def _walk_back(
    cell: Cell, windows: Windows, task: Task, tapes: Tape, d_hs: Array, d_final: State
) -> tuple[State, State]:
    """(1) and (2): the sum over windows, (T, B, ·), and the cotangent of the start.

    The steps of a group lie along the first axis, the groups along the second, so
    that one step back is taken in all windows at once.
    """
    length, every = task.sequence.xs.shape[0], windows.every
    part = task._replace(sequence=_grouped_flags(task.sequence, every))
    tapes, d_hs = _by_group((tapes, d_hs), every)
    walk = _begin(task, every, d_hs, widen(d_final))

    def sweep(walk: Walk, first: int = 0) -> Walk:
        sequence, kept, d_hs = jax.tree.map(
            lambda leaf: leaf[first:], (part.sequence, tapes, walk.d_hs)
        )
        d_state, d_cut, d_states = pull_back(
            _over_leading(cell), part._replace(sequence=sequence),
            Course(unroll=windows.unroll), kept, d_hs, walk.d_state, walk.d_cut,
            keep=lambda through_time, delta: through_time,
        )  # fmt: skip
        d_states = d_states._replace(h=d_states.h + widen(d_hs))
        d_states = jax.tree.map(
            lambda all, more: jnp.concatenate((all[:first], all[first:] + more)),
            walk.d_states, d_states,
        )  # fmt: skip
        return walk._replace(d_state=d_state, d_cut=d_cut, d_states=d_states)

    whole, rest = divmod(windows.back, every)
    walk, _ = lax.scan(
        lambda walk, _: (_move_on(sweep(walk)), None), walk, length=whole
    )
    if rest:
        walk = sweep(walk, every - rest)
    d_start = walk.d_start
    if walk.d_cut is not None:
        d_start = jax.tree.map(lambda x, cut: x + cut.sum(0), d_start, walk.d_cut)
    return _in_a_row(walk.d_states, length), d_start


def _begin(task: Task, every: int, d_hs: Array, d_final: State) -> Walk:
    """Every window before its own group.

    d_final waits behind the group of the last step at which something happened: it
    belongs to the state after that step.
    """
    length, (_, n, *_) = task.sequence.xs.shape[0], d_hs.shape
    group = _last_step(task.sequence, length) // every  # -1 if there is none
    here = jnp.arange(n)[:, None] == group
    zeros = jax.tree.map(jnp.zeros_like, d_final)
    wide_zeros = _repeat(zeros, n)
    return Walk(
        d_state=choose(here, d_final, wide_zeros),
        d_cut=None if task.sequence.resets is None else wide_zeros,
        d_start=choose(group < 0, d_final, zeros),
        d_hs=d_hs,
        d_states=_repeat(wide_zeros, every),
    )


def _move_on(walk: Walk) -> Walk:
    """Each window to the group before; the first has arrived at the start."""

    def shift(leaf: Array) -> Array:
        return jnp.concatenate((leaf[1:], jnp.zeros_like(leaf[:1])))

    return walk._replace(
        d_state=jax.tree.map(shift, walk.d_state),
        d_start=jax.tree.map(lambda x, more: x + more[0], walk.d_start, walk.d_state),
        d_hs=jnp.zeros_like(walk.d_hs),
    )


def _last_step(sequence: Sequence, length: int) -> Array:
    """The last step that is not masked, or a reset if that is later; -1 if none."""
    if sequence.skips is None:
        return jnp.asarray(length - 1)
    happens = ~sequence.skips
    if sequence.resets is not None:
        happens = happens | sequence.resets
    return jnp.max(jnp.where(happens, jnp.arange(length)[:, None], -1), axis=0)


def _grouped_flags(sequence: Sequence, every: int) -> Sequence:
    """skips and resets by group; the steps that the last group lacks are skipped."""
    length, skips = sequence.xs.shape[0], sequence.skips
    if skips is None and length % every:
        skips = jnp.zeros(sequence.xs.shape[:2], bool)
    if skips is not None:
        skips = ~_by_group(~skips, every)
    return sequence._replace(skips=skips, resets=_by_group(sequence.resets, every))


def _by_group(tree: Tree, every: int) -> Tree:
    """(T, B, ·) as (k₁, n, B, ·); zero or False where the last group lacks a step."""

    def cut(leaf: Array) -> Array:
        short = -leaf.shape[0] % every
        leaf = jnp.pad(leaf, ((0, short), *((0, 0),) * (leaf.ndim - 1)))
        groups = leaf.reshape(leaf.shape[0] // every, every, *leaf.shape[1:])
        return groups.swapaxes(0, 1)

    return jax.tree.map(cut, tree)


def _in_a_row(tree: Tree, length: int) -> Tree:
    """The inverse of `_by_group`."""

    def join(leaf: Array) -> Array:
        leaf = leaf.swapaxes(0, 1)
        return leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])[:length]

    return jax.tree.map(join, tree)


def _over_leading(cell: Cell) -> Cell:
    """The same cell, with a `pull` of one more axis before the batch."""
    return cell._replace(pull=jax.vmap(cell.pull, in_axes=(None, 0, 0)))


def _repeat(tree: Tree, times: int) -> Tree:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (times, *leaf.shape)), tree)


def _turn(tree: Tree, reverse: bool) -> Tree:
    return jax.tree.map(lambda leaf: leaf[::-1], tree) if reverse else tree


def _check_windows(every: int, back: int) -> None:
    for name, steps in (("every", every), ("back", back)):
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise ValueError(f"expected {name}, a number of steps, got {steps!r}")
    if back < every:
        raise ValueError(
            f"expected back >= every, got back={back} and every={every}: the first "
            "steps of a group would send no gradient at all"
        )
