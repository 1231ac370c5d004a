"""The hand-derived rule with a forward mode, installed with `jax.custom_jvp`.

Every equation of `backward.py` is linear, so it can be read the other way. Transposed,
from the first step to the last, with ȧ the tangent of a::

    (1) żₜ = collectᵀ(xs, states_prev)(params˙, ẋs)     once per block, over all steps
    (2) stateₜ₋₁˙ = reset_to˙                            where t is reset
    (3) stateₜ˙ = pullᵀ(tapeₜ)(stateₜ₋₁˙, żₜ)            a skipped step hands it on

żₜ is the tangent of the pre-activations of step t while the state before it is held
still. That is the forward mode. JAX transposes it once more for the way back, and what
it gets is the rule of `backward.py`: a loop of `pull`, and one `collect` per block. In
neither direction does a loop hold the product of a weight's own tangent or cotangent.

Both transposes of (1) keep the large operand first: `operands.py`.

What the transposed loops read is made by the way again, block by block and step by
step, under `jax.checkpoint`: else JAX would keep what it could make of it.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..cell import Cell, State
from .blocks import Blocks, Index, join, pick, view, walk
from .columns import apart
from .forward import forward, handed_out, values
from .mesh import lie_like, vary_along, varying_axes
from .operands import is_zero, known_first
from .products import wide
from .scan import Course, Task
from .trees import choose, narrow, widen
from .ways import ByHand, Kept, Part, steps_in_block

# The leaves of floats of a tree, in order: what has a tangent.
Floats: TypeAlias = list[Array]
# The same with None where the tangent is known to be zero.
Tangents: TypeAlias = list[Any]


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def by_tangents(
    cell: Cell, way: ByHand, course: Course, task: Task
) -> tuple[Array | State, State]:
    """All outputs (T, B, ·) or states, and the final state; with both directions."""
    return values(cell, way, course, task)


@functools.partial(by_tangents.defjvp, symbolic_zeros=True)
def _by_tangents_jvp(
    cell: Cell, way: ByHand, course: Course, primals: Any, tangents: Any
) -> Any:
    (task,), (d_task,) = primals, tangents
    kept, entries, final = forward(cell, way, course, task)
    out = handed_out(kept, course), final
    d_out = _pushed(cell, way, course, task, way.save(kept), entries, d_task)
    return out, _filled(d_out, out)


def _pushed(
    cell: Cell,
    way: ByHand,
    course: Course,
    task: Task,
    kept: Kept,
    entries: Blocks,
    d_task: Task,
) -> Floats:
    """The tangents of what is handed out (T, B, ·), then those of the final state."""
    length, size = task.length, steps_in_block(cell, way, task)
    axes = varying_axes(task)
    d_params = _tangents(d_task.params, task.params)
    d_xs = _tangents(d_task.sequence.xs, task.sequence.xs)
    d_params = [d if d is None else d.astype(wide(d.dtype)) for d in d_params]

    def state_of(d_state: Any, state: State) -> Floats:
        wides = widen(_floats(state))
        found = _tangents(d_state, state)
        made = [
            jnp.zeros_like(x) if d is None else d.astype(x.dtype)
            for d, x in zip(found, wides, strict=True)
        ]
        return vary_along(lie_like(made, wides), axes)

    d_state = state_of(d_task.start, task.start)
    d_reset_to = None
    if task.reset_to is not None:
        d_reset_to = state_of(d_task.reset_to, task.reset_to)

    def body(d_state: Floats, at: Index, size: int, given: Any) -> Any:
        @functools.partial(jax.checkpoint, prevent_cse=False)
        def on_block(d_state: Floats, d_xs: Tangents, entry: State) -> Any:
            sequence = view(task.sequence, at, size)
            part = Part(at, size, task._replace(sequence=sequence), entry, kept)
            states_prev, tapes, first = way.restore(cell, part, course)
            there = _Block(part.task, states_prev, tapes, first)
            pushes = there.pre_activations(cell, d_params, d_xs)
            return there.states(cell, course, d_state, d_reset_to, *pushes)

        entry, d_xs = given
        return on_block(d_state, d_xs, entry)

    cut = _in_blocks(d_xs, length, size)
    given = Blocks((entries.whole, cut.whole), (entries.rest, cut.rest))
    d_state, d_outputs = walk(body, d_state, length, size, course.reverse, given)
    return [*join(d_outputs), *d_state]


class _Block:
    """The steps of a block, with all that the two transposed functions read."""

    def __init__(self, task: Task, states_prev: State, tapes: Any, first: Index):
        self.task, self.states_prev = task, states_prev
        self.tapes, self.first = tapes, first

    def pre_activations(
        self, cell: Cell, d_params: Tangents, d_xs: Tangents
    ) -> tuple[Tangents, Tangents]:
        """(1): the tangents of what `pull` returns beside the state, (K, B, ·)."""
        task = self.task
        wanted = [d for d in (*d_params, *d_xs) if d is not None]

        def collected(deltas: Any) -> Floats:
            given = _floats((task.params, task.sequence.xs))
            made = cell.collect(task.params, task.sequence.xs, self.states_prev, deltas)
            found = zip(_floats(made), given, (*d_params, *d_xs), strict=True)
            return [
                lie_like([leaf.astype(d.dtype)], [x])[0]
                for leaf, x, d in found
                if d is not None
            ]

        deltas = self._deltas_at_zero(cell)
        leaves, rebuilt = _opened(deltas)
        if not wanted:
            return [], []
        _, transposed = jax.vjp(lambda leaves: collected(rebuilt(leaves)), leaves)
        (d_deltas,) = known_first(transposed, wanted)
        count = len(_floats(deltas[0])) if cell.sums else len(leaves)
        return d_deltas[:count], d_deltas[count:]

    def _deltas_at_zero(self, cell: Cell) -> Any:
        """Zeros, but for the operands that travel with them: `collect` is read there.

        With what the cell sums over the steps, of the same zeros.
        """
        task = self.task
        zeros = jax.tree.map(jnp.zeros_like, widen(self.states_prev))
        tapes = self._own_tapes()
        pull = jax.vmap(cell.pull, in_axes=(None, 0, 0))
        _, deltas = pull(task.params, widen(tapes), zeros)
        if not cell.sums:
            return narrow(deltas, task.start)
        summed = vary_along(cell.sums(task.params), varying_axes(zeros))
        return narrow(deltas[0], task.start), summed

    def _own_tapes(self) -> Any:
        return apart(view(self.tapes, self.first, self.task.length))

    def states(
        self,
        cell: Cell,
        course: Course,
        d_state: Floats,
        d_reset_to: Floats | None,
        d_deltas: Tangents,
        d_summed: Tangents,
    ) -> tuple[Floats, Floats]:
        """(2) and (3): the tangents of the last state, and of what is handed out."""
        task = self.task
        zeros = jax.tree.map(jnp.zeros_like, widen(task.start))
        leaves, rebuilt = _opened(zeros)

        @functools.partial(jax.checkpoint, prevent_cse=False)
        def step(d_state: Floats, d_delta: Tangents, at: Any) -> Any:
            t, skip, reset = at
            tape = widen(apart(pick(self.tapes, self.first + t)))
            beside = widen([*d_delta, *d_summed])

            def pulled(leaves: Floats) -> Any:
                d_prev, delta = cell.pull(task.params, tape, rebuilt(leaves))
                if not beside:
                    return _floats(d_prev)
                return _floats(d_prev), _floats(delta)

            if d_reset_to is not None:
                d_state = choose(reset, d_reset_to, d_state)  # (2)
            _, transposed = jax.vjp(pulled, leaves)
            (after,) = transposed((d_state, beside) if beside else d_state)  # (3)
            after = choose(skip, d_state, after)
            handed = _handed(after, task.start, course)
            return after, narrow(handed, task.start)

        def body(d_state: Floats, at: Any) -> Any:
            d_delta, *others = at
            return step(d_state, d_delta, others)

        sequence = task.sequence
        return lax.scan(
            body,
            d_state,
            (d_deltas, jnp.arange(task.length), sequence.skips, sequence.resets),
            reverse=course.reverse,
            unroll=course.unroll,
        )


def _handed(d_state: Floats, state: State, course: Course) -> Floats:
    """Of the tangents of a state those of what is handed out."""
    if course.states:
        return d_state
    leaves, structure = jax.tree.flatten(state)
    found = iter(d_state)
    marked = [next(found) if _is_float(leaf) else None for leaf in leaves]
    return jax.tree.leaves(jax.tree.unflatten(structure, marked).h)


def _in_blocks(leaves: Tangents, length: int, size: int) -> Blocks:
    """Arrays (T, ...) as blocks (n, size, ...), and the rest: what `join` joins."""
    whole = length - length % size if size != length else length

    def cut(leaf: Array) -> Array:
        n = 1 if size == length else whole // size
        return leaf[:whole].reshape(n, size, *leaf.shape[1:])

    rest = None if whole == length else jax.tree.map(lambda x: x[whole:], leaves)
    return Blocks(jax.tree.map(cut, leaves), rest)


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def _floats(tree: Any) -> Floats:
    return [leaf for leaf in jax.tree.leaves(tree) if _is_float(leaf)]


def _opened(tree: Any) -> tuple[Floats, Callable[[Floats], Any]]:
    """The leaves of floats, and the tree with others in their place."""
    leaves, structure = jax.tree.flatten(tree)

    def rebuilt(floats: Floats) -> Any:
        given = iter(floats)
        made = [next(given) if _is_float(leaf) else leaf for leaf in leaves]
        return jax.tree.unflatten(structure, made)

    return [leaf for leaf in leaves if _is_float(leaf)], rebuilt


def _tangents(d_tree: Any, tree: Any) -> Tangents:
    """The tangents of the leaves of floats; None where they are known to be zero."""
    found = jax.tree.leaves(d_tree, is_leaf=is_zero)
    return [
        None if is_zero(d) else d
        for d, leaf in zip(found, jax.tree.leaves(tree), strict=True)
        if _is_float(leaf)
    ]


def _filled(tangents: Floats, like: Any) -> Any:
    """A tree of tangents, in the dtypes of ``like``; of integers, float0."""
    leaves, structure = jax.tree.flatten(like)
    found = iter(tangents)
    made = [
        lie_like([next(found).astype(leaf.dtype)], [leaf])[0]
        if _is_float(leaf)
        else np.zeros(leaf.shape, jax.dtypes.float0)
        for leaf in leaves
    ]
    return jax.tree.unflatten(structure, made)
