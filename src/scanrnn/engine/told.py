"""What of a tape the states tell: it is kept once, as the state.

A step may put on its tape leaves of the state that it was given, or of the state that
it returns: the very arrays, not equal ones. Where tapes are kept, the states are kept
as well, so a mark takes the place of such a leaf, and the leaf is put back on the way
back. The tape of `rnn` is its new state, and costs nothing.
"""

import dataclasses
from typing import Any

import jax

from ..cell import State, Tape


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Told:
    """In the place of a leaf that stands in a state."""

    after: bool  # of the state after the step, not of the one before it
    leaf: int


def marked(tape: Tape, before: State, after: State) -> Tape:
    """A tape with marks for the leaves that are those of a state."""
    told = {
        id(leaf): Told(is_after, i)
        for is_after, state in ((False, before), (True, after))
        for i, leaf in enumerate(jax.tree.leaves(state))
    }
    return jax.tree.map(lambda leaf: told.get(id(leaf), leaf), tape)


def filled(tapes: Tape, before: State | None, after: State) -> Tape:
    """Tapes with leaves of the states, (T, B, ·) as they, in the place of marks."""

    def of_states(leaf: Any) -> Any:
        if not isinstance(leaf, Told):
            return leaf
        return jax.tree.leaves(after if leaf.after else before)[leaf.leaf]

    return jax.tree.map(of_states, tapes, is_leaf=_is_told)


def asks_for_before(tapes: Tape) -> bool:
    """Whether marks stand for leaves of states before their steps."""
    leaves = jax.tree.leaves(tapes, is_leaf=_is_told)
    return any(_is_told(leaf) and not leaf.after for leaf in leaves)


def has_marks(tapes: Tape) -> bool:
    """Whether marks stand for leaves of any states."""
    return any(map(_is_told, jax.tree.leaves(tapes, is_leaf=_is_told)))


def _is_told(leaf: Any) -> bool:
    return isinstance(leaf, Told)
