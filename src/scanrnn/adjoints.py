"""The two streams of gradient that meet at every step, for every field of the state.

With Lₜ the state after step t, (hₜ) or (hₜ, cₜ), the derivative of the loss by Lₜ is
the sum of what Lₜ does now and what it does later::

    from_outputₜ  = (dhₜ, 0)                 through the output of step t: the dense
                                             layer and the softmax; on h alone
    through_timeₜ = (∂Lₜ₊₁ / ∂Lₜ)ᵀ totalₜ₊₁   through step t + 1; behind the last step
                                             the cotangent of the final state
    totalₜ        = from_outputₜ + through_timeₜ

The backward pass computes all three and keeps none. Here they are kept.

Source: Werbos 1990, "Backpropagation Through Time: What It Does and How to Do It",
the ordered derivative.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from .cell import Cell, Params, State
from .engine.arrays import as_array, as_arrays
from .engine.backward import join_streams, pull_back
from .engine.checks import check_alike, check_outputs, check_state
from .engine.mesh import vary_along, varying_axes
from .engine.scan import Course, prepared, run, states_before
from .engine.trees import cast_like, choose, widen
from .engine.values import flag
from .engine.ways import Stored
from .unroll import Asked, Given, task_of


class Adjoints(NamedTuple):
    """The cotangent of the state after every step, by the way on which it arrives."""

    from_output: State  # (T, B, ·); zero in every field but h
    through_time: State  # (T, B, ·)
    total: State  # (T, B, ·); the sum


def adjoints(
    cell: Cell,
    params: Params,
    xs: ArrayLike,
    d_outputs: ArrayLike,
    start: State | None = None,
    *,
    d_final: State | None = None,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    resets: ArrayLike | None = None,
    reset_to: State | None = None,
    reverse: bool = False,
    batch_first: bool = False,
) -> Adjoints:
    """The cotangent of every state: from its output, through time, and their sum.

    Which gradient is which, in the names of the well-known course exercise:
    ``da[:, :, t]`` is ``from_output.h[t]``, ``da_prevt`` is ``through_time.h[t]``
    (``dc_prevt`` is ``through_time.c[t]``), and ``rnn_cell_backward`` takes their sum,
    ``total.h[t]``. They are added because hₜ is used twice, by the output of step t and
    by step t + 1, and the derivative of a value used twice is the sum over its uses.
    Without the first, the losses of all steps but the last are forgotten; without
    the second, no step learns what it did for a later one.

    The fields of a state are independent variables here: ``total.c`` of an LSTM is the
    derivative by cₜ with hₜ held still. The path from cₜ to the output, through
    hₜ = o ∘ tanh(cₜ), lies inside the step, and `cell.pull` adds it.

    A step that is masked leaves the state alone and has no output: from_output is
    zero there, whatever d_outputs hold, and through_time passes on unchanged, so that
    behind the end of a sequence stands the cotangent of its final state. Before a
    reset at step t, through_time[t − 1] is zero: the state is thrown away, and what
    step t sends back belongs to ``reset_to``. With ``reverse``, the step after t is
    t − 1.

    Everything further follows from the total by one `cell.pull` per step, which gives
    the deltas, and one `cell.collect`, which gives the gradients of params and xs.

    Args:
        cell: as for `sr.unroll`, and so are params, xs, start and the options.
        d_outputs: (T, B, H), the derivative of the loss by the outputs of `sr.unroll`;
            `jax.grad` of whatever follows makes it. In a stack, that of a lower
            layer's outputs is the d_xs of the layer above.
        d_final: the derivative by the final state, if the loss uses it; else zero.

    Returns:
        `Adjoints`: from_output, through_time and total, each a state (T, B, ·). They
        are the numbers that the backward pass of `sr.unroll` works with. The tapes of
        all steps are held meanwhile, as by `sr.Stored()`.

    Raises:
        ValueError: as `sr.unroll`; or if d_outputs or d_final do not fit.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.lstm(4)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> xs = jnp.ones((7, 2, 3))
    >>> outputs = sr.unroll(cell, params, xs).outputs
    >>> d_outputs = jax.grad(lambda outputs: jnp.sum(outputs**2))(outputs)
    >>> d_states = sr.adjoints(cell, params, xs, d_outputs)
    >>> d_states.total.c.shape
    (7, 2, 4)
    >>> float(abs(d_states.through_time.h[-1]).max())  # nothing comes after the last
    0.0
    """
    given = Given(start, lengths, mask, resets, reset_to)
    asked = task_of(cell, params, xs, given, batch_first)
    d_hs, d_final = _cotangents(cell, asked, d_outputs, d_final)
    cell, task, layout, leave = asked
    axes = varying_axes((task, d_hs, d_final))
    task, d_hs, d_final = vary_along((task, d_hs, d_final), axes)
    task = prepared(cell, task)
    course = Course(flag("reverse", reverse))
    _, kept = run(cell, task, task.start, course, Stored().stack)
    states_prev = states_before(task, task.start, kept.states(), course.reverse)
    tapes = kept.all_tapes(states_prev)
    _, _, through_time = pull_back(
        cell, task, course, tapes, d_hs, widen(d_final), None,
        keep=lambda through_time, delta: through_time,
    )  # fmt: skip
    total = join_streams(through_time, d_hs)
    from_output = jax.tree.map(jnp.zeros_like, through_time)._replace(h=d_hs)
    streams = (from_output, through_time, total)
    return Adjoints(*(leave(layout.leave(cast_like(s, task.start))) for s in streams))


def _cotangents(
    cell: Cell, asked: Asked, d_outputs: ArrayLike, d_final: State | None
) -> tuple[Array, State]:
    """Checked; zero where a step is masked, and where d_final is not given."""
    _, task, layout, leave = asked
    xs, dtype = task.sequence.xs, task.start.h.dtype
    d_hs = layout.enter(as_array("d_outputs", d_outputs))
    check_outputs("d_outputs", d_hs, xs, task.start)
    if d_final is None:
        d_final = jax.tree.map(jnp.zeros_like, task.start)
    else:
        d_final = layout.enter_state(as_arrays("d_final", d_final))
        if cell.enter is None:
            check_state(cell, d_final, xs, dtype, "d_final")
        else:  # of the form that its states have
            check_alike("d_final", d_final, leave(task.start))
            d_final = cell.enter(task.params, xs, d_final)[1]
    return choose(task.sequence.skips, jnp.zeros_like(d_hs), d_hs), d_final
