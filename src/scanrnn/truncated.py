"""Truncated backpropagation through time: the values of `unroll`, a shorter memory.

The rule stands in `engine/windows.py`.
"""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from .cell import Cell, Params, State
from .engine.checks import check_unroll
from .engine.trees import choose
from .engine.windows import Windows, states_of_windows
from .unroll import Unrolled, task_of
from .unroll import unroll as full

Tree = TypeVar("Tree")


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
    if back >= task.length:
        return full(
            cell, params, xs, start, lengths=lengths, mask=mask, resets=resets,
            reverse=reverse, unroll=unroll,
        )  # fmt: skip
    # One direction is enough for the rule: the other is the same, turned round.
    task = task._replace(sequence=_turn(task.sequence, reverse))
    hs, final = states_of_windows(cell, Windows(every, back, unroll), task)
    hs = choose(task.sequence.skips, jnp.zeros_like(hs), hs)
    return Unrolled(_turn(hs, reverse), final)


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
