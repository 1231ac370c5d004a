"""Truncated backpropagation through time: the values of `unroll`, a shorter memory.

The rule stands in `engine/windows.py`.
"""

from typing import TypeVar

import jax
from jax.typing import ArrayLike

from .cell import Cell, Params, State
from .engine.scan import prepared
from .engine.values import flag, one_of, whole_number
from .engine.windows import Windows, states_of_windows
from .unroll import Given, Masked, Outputs, Unrolled, task_of, unrolled
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
    reset_to: State | None = None,
    reverse: bool = False,
    batch_first: bool = False,
    outputs: Outputs = "h",
    masked: Masked = "zero",
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
    reverse = flag("reverse", reverse)
    whole = one_of("outputs", outputs, ("h", "states")) == "states"
    hold = one_of("masked", masked, ("zero", "hold")) == "hold"
    windows = Windows(*_windows(every, back), whole_number("unroll", unroll), whole)
    given = Given(start, lengths, mask, resets, reset_to)
    asked = task_of(cell, params, xs, given, batch_first)
    task = asked.task
    if back >= task.length:
        return full(
            cell, params, xs, start, lengths=lengths, mask=mask, resets=resets,
            reset_to=reset_to, reverse=reverse, batch_first=batch_first,
            outputs=outputs, masked=masked, unroll=unroll,
        )  # fmt: skip
    # One direction is enough for the rule: the other is the same, turned round.
    turned = task._replace(sequence=_turn(task.sequence, reverse))
    turned = prepared(asked.cell, turned)
    handed_out, final = states_of_windows(asked.cell, windows, turned)
    return unrolled(asked, _turn(handed_out, reverse), final, hold)


def _turn(tree: Tree, reverse: bool) -> Tree:
    return jax.tree.map(lambda leaf: leaf[::-1], tree) if reverse else tree


def _windows(every: int, back: int) -> tuple[int, int]:
    every, back = whole_number("every", every), whole_number("back", back)
    if back < every:
        raise ValueError(
            f"expected back >= every, got back={back} and every={every}: the first "
            "steps of a group would send no gradient at all"
        )
    return every, back
