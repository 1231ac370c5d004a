"""The rule of truncated backpropagation: all windows walked back side by side.

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

from ..cell import Cell, State, Tape
from .backward import join_streams, pull_back, states_of
from .scan import Course, Sequence, Task, run, states_before
from .sizes import is_number
from .trees import cast_like, choose, narrow, widen
from .ways import Kept, Stored

Tree = TypeVar("Tree")


class Windows(NamedTuple):
    """How time is cut on the way back."""

    every: int  # k₁, the steps of a group
    back: int  # k₂, the steps of a window
    unroll: int  # of lax.scan
    states: bool = False  # hand out the whole states, not their h alone

    def course(self) -> Course:
        return Course(unroll=self.unroll, states=self.states)


class Walk(NamedTuple):
    """All windows on their way back, each in the place of the group it passes."""

    d_state: State  # (n, B, ·), what each window hands to the group before
    d_reset_to: State | None  # (n, B, ·), what resets cut off; None without resets
    d_start: State  # (B, ·), of the windows that have arrived at the start
    d_outputs: Array | State  # (k₁, n, B, ·); zero after the first sweep
    d_states: State  # (k₁, n, B, ·), the sum over windows


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def states_of_windows(
    cell: Cell, windows: Windows, task: Task
) -> tuple[Array | State, State]:
    """All outputs (T, B, H) and the final state, as of `states_of`; forwards only."""
    return states_of(cell, task, windows.course(), Stored())


def _forward(
    cell: Cell, windows: Windows, task: Task
) -> tuple[tuple[Array | State, State], tuple[Task, Kept]]:
    final, kept = run(cell, task, task.start, windows.course(), Stored().stack)
    handed_out = kept.states() if windows.states else kept.outputs()
    return (handed_out, final), (task, kept)


def _backward(
    cell: Cell,
    windows: Windows,
    saved: tuple[Task, Kept],
    cotangents: tuple[Array | State, State],
) -> tuple[Task]:
    task, kept = saved
    states = states_before(task, task.start, kept.states(), False)
    skips, tapes = task.sequence.skips, kept.all_tapes(states)
    d_states, walk = _walk_back(cell, windows, task, tapes, *cotangents)
    d_states = choose(skips, jax.tree.map(jnp.zeros_like, d_states), d_states)
    _, deltas = _over_leading(cell).pull(task.params, widen(tapes), d_states)  # (3)
    if cell.sums:
        each, summed = deltas
        deltas = each, jax.tree.map(lambda leaf: leaf.sum(0), summed)
    deltas = narrow(deltas, task.start)
    d_params, d_xs = cell.collect(task.params, task.sequence.xs, states, deltas)  # (4)
    return (
        Task(
            cast_like(d_params, task.params),
            cast_like(walk.d_start, task.start),
            Sequence(cast_like(d_xs, task.sequence.xs)),
            jax.tree.map(
                lambda x, like: x.sum(0).astype(like.dtype),
                walk.d_reset_to,
                task.reset_to,
            ),
        ),
    )


states_of_windows.defvjp(_forward, _backward)


def _walk_back(
    cell: Cell,
    windows: Windows,
    task: Task,
    tapes: Tape,
    d_outputs: Array | State,
    d_final: State,
) -> tuple[State, Walk]:
    """(1) and (2): the sum over windows, (T, B, ·), and all windows where they end.

    The steps of a group lie along the first axis, the groups along the second, so
    that one step back is taken in all windows at once.
    """
    length, every = task.length, windows.every
    part = task._replace(sequence=_grouped_flags(task.sequence, every))
    tapes, d_outputs = _by_group((tapes, d_outputs), every)
    walk = _begin(task, every, d_outputs, widen(d_final))

    def sweep(walk: Walk, first: int = 0) -> Walk:
        sequence, kept, d_outputs = jax.tree.map(
            lambda leaf: leaf[first:], (part.sequence, tapes, walk.d_outputs)
        )
        d_state, d_reset_to, d_states = pull_back(
            _over_leading(cell), part._replace(sequence=sequence), windows.course(),
            kept, d_outputs, walk.d_state, walk.d_reset_to,
            keep=lambda through_time, delta: through_time,
        )  # fmt: skip
        d_states = join_streams(d_states, d_outputs)
        d_states = jax.tree.map(
            lambda all, more: jnp.concatenate((all[:first], all[first:] + more)),
            walk.d_states, d_states,
        )  # fmt: skip
        return walk._replace(d_state=d_state, d_reset_to=d_reset_to, d_states=d_states)

    whole, rest = divmod(windows.back, every)
    walk, _ = lax.scan(
        lambda walk, _: (_move_on(sweep(walk)), None), walk, length=whole
    )
    if rest:
        walk = sweep(walk, every - rest)
    return _in_a_row(walk.d_states, length), walk


def _begin(task: Task, every: int, d_outputs: Array | State, d_final: State) -> Walk:
    """Every window before its own group.

    d_final waits behind the group of the last step at which something happened: it
    belongs to the state after that step.
    """
    length, n = task.length, jax.tree.leaves(d_outputs)[0].shape[1]
    group = _last_step(task.sequence, length) // every  # -1 if there is none
    here = jnp.arange(n)[:, None] == group[None]
    zeros = jax.tree.map(jnp.zeros_like, d_final)
    wide_zeros = _repeat(zeros, n)
    return Walk(
        d_state=choose(here, d_final, wide_zeros),
        d_reset_to=None if task.sequence.resets is None else wide_zeros,
        d_start=choose(group < 0, d_final, zeros),
        d_outputs=d_outputs,
        d_states=_repeat(wide_zeros, every),
    )


def _move_on(walk: Walk) -> Walk:
    """Each window to the group before; the first has arrived at the start."""

    def shift(leaf: Array) -> Array:
        return jnp.concatenate((leaf[1:], jnp.zeros_like(leaf[:1])))

    return walk._replace(
        d_state=jax.tree.map(shift, walk.d_state),
        d_start=jax.tree.map(lambda x, more: x + more[0], walk.d_start, walk.d_state),
        d_outputs=jax.tree.map(jnp.zeros_like, walk.d_outputs),
    )


def _last_step(sequence: Sequence, length: int) -> Array:
    """The last step that is not masked, or a reset if that is later; -1 if none.

    (B,), or (1,) for all.
    """
    if sequence.skips is None:
        return jnp.asarray(length - 1)[None]
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
        leaf = leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])
        if is_number(length):
            return leaf[:length]
        cut = (0, length - leaf.shape[0], 0)  # of a symbol: a slice would ask its size
        return lax.pad(leaf, leaf.dtype.type(0), (cut, *((0, 0, 0),) * (leaf.ndim - 1)))

    return jax.tree.map(join, tree)


def _over_leading(cell: Cell) -> Cell:
    """The same cell, with a `pull` of one more axis before the batch."""
    pull = jax.vmap(cell.pull, in_axes=(None, 0, 0))
    return cell._replace(pull=pull, sums=None)


def _repeat(tree: Tree, times: int) -> Tree:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (times, *leaf.shape)), tree)
