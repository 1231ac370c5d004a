"""The public entry: check what came, turn lengths into skips, pick the way back."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from .cell import Cell, Params, State
from .engine.arrays import Layout, as_array, as_arrays, layout_of
from .engine.backward import states_of
from .engine.checks import (
    check_cell,
    check_dtype,
    check_flags,
    check_inputs,
    check_lengths,
    check_state,
)
from .engine.fastest import Fastest
from .engine.memory import Chosen, way_for
from .engine.mesh import mesh_of, vary_along, varying_axes
from .engine.scan import Course, Sequence, Task, laid_out
from .engine.trees import choose
from .engine.values import flag, one_of, whole_number
from .engine.ways import Backward

Outputs: TypeAlias = Literal["h", "states"]
Masked: TypeAlias = Literal["zero", "hold"]


class Unrolled(NamedTuple):
    """What `unroll` returns."""

    outputs: Any  # (T, B, H); zero where a step is masked, if nothing else is asked for
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
    reset_to: State | None = None,
    reverse: bool = False,
    batch_first: bool = False,
    outputs: Outputs = "h",
    masked: Masked = "zero",
    unroll: int = 1,
    backward: Backward | Chosen = Fastest(),
) -> Unrolled:
    """Runs a cell over time, with a backward pass of your choice.

    Stands for::

        state = start
        for t in range(T):                          # from T - 1 down, if reverse
            state = where(resets[t], reset_to, state)
            state = where(mask[t], cell(params, state, xs[t]), state)
            outputs[t] = where(mask[t], state.h, 0)
        final = state

    and its derivative with respect to params, xs (floats), start and reset_to, given
    cotangents of the outputs and of the final state.

    Args:
        cell: `sr.rnn(H)`, `sr.gru(H)`, `sr.lstm(H)`, ..., or a `Cell` of your own.
        params: as `cell.init(key, X)` makes them, all of one floating dtype.
        xs: floats (T, B, X) in the dtype of params, or integer tokens (T, B) in
            [0, X), which stand for one-hot inputs and are looked up; −1 stands for no
            input, a row of zeros. Time comes first. A token out of range raises where
            its value is known; under jit it gives NaN. Without a batch, (T, X) or
            (T,), every other array goes without its batch axis as well.
        start: the state before the first step; `cell.start(B)` if not given.
        lengths: (B,) integers in [0, T]: short for a mask of the first steps. 0 is
            legal.
        mask: (T, B) bool. A step that is False is passed over: the state stays, the
            output is zero, nothing it holds (NaN included) reaches a gradient.
        resets: (T, B) bool. True restarts before step t, and cuts the gradient there;
            what is cut off goes to ``reset_to``.
        reset_to: the state that a reset restores, (B, ·) or one for all, (1, ·);
            `cell.start(B)` if not given.
        reverse: go from the last step to the first. Outputs keep their places; with
            lengths, every sequence is read from its own end.
        batch_first: whether xs, mask and resets are (B, T, ...), and the outputs.
        outputs: "h", or "states" for the whole state after every step, (T, B, ·) in
            every field: the memory c of an LSTM as well.
        masked: what stands where a step is masked: "zero", or "hold" for what stood
            there before, which is the start state's before the first step.
        unroll: steps per iteration of the loop, as in `jax.lax.scan`; `Parallel()` of
            an affine cell has no loop.
        backward: the way back: `Stored()`, `Recomputed(block)`,
            `Checkpointed(every)` or `Autodiff()`. They agree to rounding and differ
            in time and memory. `Fastest()`, if nothing is said, takes `Stored()` or
            `Recomputed()` as told from shapes, `Budget(bytes)` the fastest that fits;
            `Linearized(of)` is one of the first three with forward mode;
            `Parallel(form)` is for cells whose units do not meet in the recurrence,
            on a device on which a loop waits more than it computes.

    Returns:
        `Unrolled`: outputs (T, B, H) and the final state. With T = 0 the outputs are
        empty and the final state is the start.

        Forward mode (`jax.jvp`, `jax.jacfwd`, `jax.linearize`) is what `Linearized(of)`
        and `Autodiff()` have: of the others JAX says so when it is asked for.

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
    course = Course(
        flag("reverse", reverse),
        whole_number("unroll", unroll),
        one_of("outputs", outputs, ("h", "states")) == "states",
    )
    hold = one_of("masked", masked, ("zero", "hold")) == "hold"
    given = Given(start, lengths, mask, resets, reset_to)
    with mesh_of((params, xs)):
        asked = task_of(cell, params, xs, given, batch_first)
        way = way_for(backward, asked.cell, asked.task)
        handed_out, final = states_of(asked.cell, asked.task, course, way)
        return unrolled(asked, handed_out, final, hold)


class Given(NamedTuple):
    """What else may be said of a sequence, as the caller gives it."""

    start: State | None
    lengths: ArrayLike | None
    mask: ArrayLike | None
    resets: ArrayLike | None
    reset_to: State | None


class Asked(NamedTuple):
    """What the engine walks, and how its results become those of the caller."""

    cell: Cell
    task: Task
    layout: Layout
    leave: Callable[[State], Any]  # the caller's form of a state


def task_of(
    cell: Cell, params: Params, xs: ArrayLike, given: Given, batch_first: bool
) -> Asked:
    """Checks the arguments of `unroll`, and makes them what the engine walks."""
    check_cell(cell)
    params, inputs = as_arrays("params", params), as_array("xs", xs)
    layout = layout_of(inputs, flag("batch_first", batch_first))
    try:
        asked = _asked(cell, params, layout.enter(inputs), given, layout)
    except ValueError as error:
        if not layout.told() or layout.told() in str(error):
            raise
        raise ValueError(f"{error}{layout.told()}") from error
    return asked._replace(task=vary_along(asked.task, varying_axes(asked.task)))


def unrolled(asked: Asked, handed_out: Any, final: State, hold: bool) -> Unrolled:
    """What the engine handed out, as `unroll` returns it."""
    if not hold:
        zeros = jax.tree.map(jnp.zeros_like, handed_out)
        handed_out = choose(asked.task.sequence.skips, zeros, handed_out)
    outputs = asked.layout.leave(handed_out)
    if isinstance(outputs, type(final)):
        outputs = asked.leave(outputs)
    return Unrolled(outputs, asked.leave(asked.layout.leave_state(final)))


def valid_steps(
    xs: Array, lengths: ArrayLike | None, mask: ArrayLike | None, layout: Layout
) -> Array | None:
    """(T, B) bool, what is not masked; None if nothing is. xs (T, B, ...)."""
    skips = _skips(xs, lengths, mask, layout)
    return None if skips is None else ~skips


def _asked(
    cell: Cell, params: Params, xs: Array, given: Given, layout: Layout
) -> Asked:
    """xs (T, B, ...), the rest as the caller gives it."""
    if xs.ndim < 2:
        raise ValueError(
            "expected xs: floats (T, B, X) or integer tokens (T, B), got "
            f"{xs.dtype} of {xs.ndim} axes"
        )
    skips = _skips(xs, given.lengths, given.mask, layout)
    if given.resets is None and given.reset_to is not None:
        raise ValueError("expected reset_to together with resets, got no resets")
    resets = None if given.resets is None else as_array("resets", given.resets)
    if resets is not None:
        resets = layout.enter(resets)
        check_flags("resets", resets, xs)
    engine, start, reset_to, leave = _states(cell, params, xs, skips, given, layout)

    # What a skipped step holds is no input: not a NaN, not a token out of range.
    xs = choose(skips, jnp.zeros_like(xs), xs)
    task = Task(
        params,
        start,
        Sequence(xs, skips, resets),
        None if resets is None else reset_to,
    )
    return Asked(engine, laid_out(engine, task), layout, leave)


def _states(
    cell: Cell,
    params: Params,
    xs: Array,
    skips: Array | None,
    given: Given,
    layout: Layout,
) -> tuple[Cell, State, State, Callable[[State], Any]]:
    """The cell that the engine walks, its states, and the caller's form of a state."""
    if cell.enter is not None:  # derived from a step: it has its own form of a state

        def entered(name: str, value: State | None) -> tuple[Cell, State, Any]:
            assert cell.enter is not None
            if value is not None:
                value = layout.enter_state(as_arrays(name, value))
            return cell.enter(params, xs, value)

        engine, start, leave = entered("start", given.start)
        if given.resets is None:
            return engine, start, None, leave
        return engine, start, entered("reset_to", given.reset_to)[1], leave
    check_inputs(cell, params, xs, skips)
    dtype = check_dtype(params)

    def state(name: str, value: State | None) -> State:
        if value is None:
            return cell.start(xs.shape[1], dtype)
        return _state(cell, name, value, xs, dtype, layout)

    start = state("start", given.start)
    return cell, start, state("reset_to", given.reset_to), lambda state: state


def _state(
    cell: Cell, name: str, value: State, xs: Array, dtype: Any, layout: Layout
) -> State:
    value = as_arrays(name, value)
    if all(leaf.ndim for leaf in jax.tree.leaves(value)):
        value = layout.enter_state(value)
    batch = xs.shape[1]
    if name == "reset_to" and _is_one_for_all(value):
        value = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape[1:])), value
        )
    check_state(cell, value, xs, dtype, name)
    return value


def _is_one_for_all(state: State) -> bool:
    return all(leaf.ndim and leaf.shape[0] == 1 for leaf in jax.tree.leaves(state))


def _skips(
    xs: Array, lengths: ArrayLike | None, mask: ArrayLike | None, layout: Layout
) -> Array | None:
    if lengths is not None and mask is not None:
        raise ValueError(
            "expected lengths or mask, got both; join them: "
            "mask & (jnp.arange(T)[:, None] < lengths)"
        )
    if lengths is not None:
        ends = as_array("lengths", lengths)
        ends = ends if layout.batched else ends[None]
        check_lengths(ends, xs)
        return jnp.arange(xs.shape[0])[:, None] >= ends[None]
    if mask is not None:
        flags = layout.enter(as_array("mask", mask))
        check_flags("mask", flags, xs)
        return ~flags
    return None
