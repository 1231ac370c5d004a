"""The public entry: check what came, turn lengths into skips, pick the way back."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from .cell import Cell, Params, State
from .engine.backward import states_of
from .engine.checks import (
    check_dtype,
    check_flags,
    check_inputs,
    check_lengths,
    check_start,
    check_unroll,
)
from .engine.memory import Budget, way_for
from .engine.mesh import shard_batch_like, vary_along, varying_axes
from .engine.scan import Course, Sequence, Task
from .engine.trees import choose
from .engine.ways import Backward, Stored


class Unrolled(NamedTuple):
    """What `unroll` returns."""

    outputs: Array  # (T, B, H); zero where a step is masked
    final: State  # (B, ·); the state after the last step that is not masked


def unroll(
    cell: Cell,
    params: Params,
    xs: ArrayLike,
    start: State | None = None,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    resets: ArrayLike | None = None,
    reverse: bool = False,
    unroll: int = 1,
    backward: Backward | Budget = Stored(),
) -> Unrolled:
    """Runs a cell over time, with a backward pass of your choice.

    Stands for::

        state = start
        for t in range(T):                          # from T - 1 down, if reverse
            state = where(resets[t], start, state)
            state = where(mask[t], cell(params, state, xs[t]), state)
            outputs[t] = where(mask[t], state.h, 0)
        final = state

    and its derivative with respect to params, xs (floats) and start, given cotangents
    of the outputs and of the final state.

    Args:
        cell: `sr.rnn(H)`, `sr.gru(H)`, `sr.lstm(H)`, or a `Cell` of your own.
        params: as `cell.init(key, X)` makes them, all of one floating dtype.
        xs: floats (T, B, X) in the dtype of params, or integer tokens (T, B) in
            [0, X), which stand for one-hot inputs and are looked up. Time comes first.
            A token out of range raises where its value is known; under jit it
            gives NaN.
        start: the state before the first step; `cell.start(B)` if not given.
        lengths: (B,) integers in [0, T]: short for a mask of the first steps. 0 is
            legal.
        mask: (T, B) bool. A step that is False is passed over: the state stays, the
            output is zero, nothing it holds (NaN included) reaches a gradient.
        resets: (T, B) bool. True restarts from ``start`` before step t, and cuts the
            gradient there; what is cut off goes to ``start``.
        reverse: go from the last step to the first. Outputs keep their places; with
            lengths, every sequence is read from its own end.
        unroll: steps per iteration of the loop, as in `jax.lax.scan`.
        backward: the way back: `Stored()`, `Recomputed(block)`,
            `Checkpointed(every)` or `Autodiff()`. They agree to rounding and differ
            in time and memory. `Budget(bytes)` takes the fastest that fits.

    Returns:
        `Unrolled`: outputs (T, B, H) and the final state. With T = 0 the outputs are
        empty and the final state is the start.

    Raises:
        ValueError: if a shape, a dtype or a value does not fit; it says what was
            expected, what came, and what to do.

    Example: many to one, sequences of unequal length.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.gru(8)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> xs = jnp.ones((5, 2, 3))
    >>> loss = lambda params: sr.unroll(
    ...     cell, params, xs, lengths=jnp.array([5, 2])).final.h.sum()
    >>> jax.grad(loss)(params).w_h.shape
    (8, 24)
    """
    check_unroll(unroll)
    task = task_of(cell, params, xs, start, lengths, mask, resets)
    way = way_for(backward, cell, task.params, task.sequence.xs)
    hs, final = states_of(cell, task, Course(reverse, unroll), way)
    return Unrolled(choose(task.sequence.skips, jnp.zeros_like(hs), hs), final)


def task_of(
    cell: Cell,
    params: Params,
    xs: ArrayLike,
    start: State | None,
    lengths: ArrayLike | None,
    mask: ArrayLike | None,
    resets: ArrayLike | None,
) -> Task:
    """Checks the arguments of `unroll`, and makes them what the engine walks."""
    params, inputs = jax.tree.map(jnp.asarray, params), jnp.asarray(xs)
    check_inputs(cell, params, inputs)
    dtype = check_dtype(params)
    if start is None:
        start = shard_batch_like(cell.start(inputs.shape[1], dtype), inputs)
    else:
        start = jax.tree.map(jnp.asarray, start)
        check_start(cell, start, inputs, dtype)
    if resets is not None:
        resets = jnp.asarray(resets)
        check_flags("resets", resets, inputs)
    skips = _skips(inputs, lengths, mask)

    # What a skipped step holds is no input: not a NaN, not a token out of range.
    inputs = choose(skips, jnp.zeros_like(inputs), inputs)
    task = Task(params, start, Sequence(inputs, skips, resets))
    return vary_along(task, varying_axes(task))


def _skips(
    xs: Array, lengths: ArrayLike | None, mask: ArrayLike | None
) -> Array | None:
    if lengths is not None and mask is not None:
        raise ValueError(
            "expected lengths or mask, got both; join them: "
            "mask & (jnp.arange(T)[:, None] < lengths)"
        )
    if lengths is not None:
        lengths = jnp.asarray(lengths)
        check_lengths(lengths, xs)
        return jnp.arange(xs.shape[0])[:, None] >= lengths
    if mask is not None:
        mask = jnp.asarray(mask)
        check_flags("mask", mask, xs)
        return ~mask
    return None
