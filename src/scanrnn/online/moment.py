"""One step of one example, and the two linear maps that its cell has by hand.

With s the state and θ the params, a step s' = f(θ, s, x) has the Jacobians::

    J = ∂s' / ∂s     (S, S)      dᵀ J  by `pull`: one row of it for each cotangent d
    I = ∂s' / ∂θ     (S, θ)      dᵀ I  by `collect`, from the delta that `pull` gave

Everything here is of one example, with no batch axis but one of 1 inside: examples do
not meet in a step, so a batch of them is `jax.vmap` of this, and `collect`, which sums
over the batch, gives the gradient of every example by itself.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..cell import Cell, Delta, Params, State
from ..engine.trees import cast_like, widen


class Moment:
    """A step that was made, and how cotangents go back through it.

    States are told by their leaves that have a derivative, in the order of the tree.
    """

    def __init__(self, cell: Cell, params: Params, state: Any, x: Array) -> None:
        """state (·), x (X,) floats or () a token."""
        self.cell, self.before, leave = entered(cell, params, state, x)
        self.params, self.xs = params, x[None, None]
        drives = self.cell.project(params, self.xs)
        drive = jax.tree.map(lambda leaf: leaf[0], drives)
        after, self.tape = self.cell.step(params, widen(self.before), drive)
        after = cast_like(after, self.before)
        self.h = after.h[0]
        self.after = jax.tree.map(lambda leaf: leaf[0], leave(after))

    def pull(
        self, d_leaves: Sequence[Array | None], params: Params | None = None
    ) -> tuple[list[Array], Delta]:
        """dᵀ J, leaf by leaf and flat, and the delta; None is a cotangent of zero.

        Args:
            params: in the place of those that the step was made with.
        """
        leaves, tree = jax.tree.flatten(widen(self.before))
        made = [jnp.zeros_like(leaf) for leaf in leaves]
        for i, d_leaf in zip(floats(self.before), d_leaves, strict=True):
            if d_leaf is not None:
                made[i] = d_leaf.reshape(made[i].shape).astype(made[i].dtype)
        params = self.params if params is None else params
        d_prev, delta = self.cell.pull(
            params, self.tape, jax.tree.unflatten(tree, made)
        )
        d_prev_leaves = jax.tree.leaves(d_prev)
        return [d_prev_leaves[i].ravel() for i in floats(self.before)], delta

    def collect(self, delta: Delta, before: State | None = None) -> list[Array]:
        """dᵀ I, leaf by leaf of the params.

        Args:
            before: in the place of the state that the step was made from.
        """
        delta, *staying = delta if self.cell.sums else (delta,)

        def with_time(tree: Any) -> Any:
            return jax.tree.map(lambda leaf: leaf[None], tree)

        deltas = (with_time(delta), *staying) if staying else with_time(delta)
        states_prev = with_time(self.before if before is None else before)
        d_params, _ = self.cell.collect(self.params, self.xs, states_prev, deltas)
        return jax.tree.leaves(widen(d_params))

    def shifted(self, by: Sequence[Array]) -> State:
        """The state before the step, with something added to its leaves."""
        leaves, tree = jax.tree.flatten(self.before)
        for i, more in zip(floats(self.before), by, strict=True):
            leaves[i] = leaves[i] + more.reshape(leaves[i].shape)
        return jax.tree.unflatten(tree, leaves)


def entered(cell: Cell, params: Params, state: Any, x: Array | None) -> Any:
    """The cell at these shapes, the state as it carries it, and how it is given back.

    Of a derived cell these are three things; a cell by hand is itself, whatever x is.
    """
    alone = jax.tree.map(lambda leaf: leaf[None], state)
    if cell.enter is None:
        return cell, alone, lambda state: state
    assert x is not None
    return cell.enter(params, x[None, None], alone)


def floats(state: State) -> list[int]:
    """Which leaves of a state have a derivative: counters and keys have none."""
    leaves = enumerate(jax.tree.leaves(state))
    return [i for i, leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]


def float_leaves(state: State) -> list[Array]:
    """Those leaves."""
    leaves = jax.tree.leaves(state)
    return [leaves[i] for i in floats(state)]


def entry_jacobians(
    cell: Cell, params: Params, state: Any, x: Array | None
) -> list[list[Array]]:
    """∂(the state as the cell carries it) / ∂(the start state as it was given).

    Returns:
        A row of blocks (S_leaf, S_given) for each leaf that is carried. The identity,
        but for a derived cell whose state holds its output as well.
    """
    given, tree = jax.tree.flatten(state)
    which = floats(state)

    def carried(*moved: Array) -> list[Array]:
        leaves = list(given)
        for i, leaf in zip(which, moved, strict=True):
            leaves[i] = leaf
        _, before, _ = entered(cell, params, jax.tree.unflatten(tree, leaves), x)
        return [leaf.ravel() for leaf in float_leaves(widen(before))]

    at = [given[i] for i in which]
    rows = jax.jacfwd(carried, tuple(range(len(at))))(*at)
    return [[widen(block.reshape(block.shape[0], -1)) for block in row] for row in rows]
