"""Dropout of the state that a step reads, one draw for a whole sequence.

With m the mask of a sequence, (B, H), drawn once and carried in the state::

    forward                             backward

    (1) h̃ₜ₋₁ = m ∘ hₜ₋₁                 (3) dh̃ₜ₋₁, δₜ = the cell's pull
    (2) stateₜ = the cell's step,       (4) dhₜ₋₁ = m ∘ dh̃ₜ₋₁
        from h̃ₜ₋₁                       (5) the cell's collect, from h̃ₜ₋₁

m itself has no gradient.

Source: Gal and Ghahramani 2016, arXiv 1512.05287.
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from ..cell import Cell, Delta, Drive, Params, State, Tape, flat_size
from ..engine.arrays import as_array, as_arrays, layout_of
from ..engine.checks import check_cell, check_dtype
from ..engine.values import flag, fraction
from ..made import Call
from ..unroll import Unrolled, unroll
from .layer import Layer
from .layer import layer as layer_of
from .pointwise import kept_share


class DropoutState(NamedTuple):
    """The cell's state, h apart, and the mask of the sequence."""

    h: Array  # (B, H)
    others: State  # the cell's, with None for h
    mask: Array  # (B, H); ones where nothing is dropped

    def seen(self) -> State:
        """What the cell sees: (1)."""
        h = self.h * lax.stop_gradient(self.mask)
        return self.others._replace(h=h.astype(self.h.dtype))


class DropoutTape(NamedTuple):
    """The cell's own, and the mask."""

    cell: Tape
    mask: Array  # (B, H)


def recurrent_dropout(cell: Cell, rate: float) -> Layer:
    """A cell of whose state h a share is dropped before every step.

    The draw is made once for a sequence: `run(..., key=)` draws it, and carries it in
    the state, so that a run which goes on from a final state goes on with its mask.
    Without a key the mask of the start state is kept; that of `layer.start` drops
    nothing. A reset restores the state and not the mask.

    h is masked wherever the step reads it: in a GRU also where it is handed on by the
    gate z.

    Args:
        cell: the cell within.
        rate: the share, in [0, 1).

    Returns:
        A `Layer` with the params of the cell.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> net = sr.recurrent_dropout(sr.lstm(4), 0.3)
    >>> params = net.init(jax.random.key(0), 3)
    >>> run = net.run(params, jnp.ones((7, 2, 3)), key=jax.random.key(1))
    >>> run.final.mask.shape
    (2, 4)
    """
    check_cell(cell)
    flat_size(cell)
    return _recurrent_dropout(cell, fraction("rate", rate))


@functools.cache
def _recurrent_dropout(cell: Cell, rate: float) -> Layer:
    masked = masked_cell(cell)

    def run(
        params: Params,
        xs: ArrayLike,
        start: DropoutState | None = None,
        *,
        key: Array | None = None,
        reset_to: DropoutState | None = None,
        **options: Any,
    ) -> Unrolled:
        params, given = as_arrays("params", params), as_array("xs", xs)
        batch_first = flag("batch_first", options.get("batch_first", False))
        layout = layout_of(given, batch_first)
        begins = masked.start(layout.enter(given).shape[1], check_dtype(params))
        begins = layout.leave_state(begins)
        start = begins if start is None else start
        if key is not None:
            mask = kept_share(key, rate, begins.h.shape, begins.h.dtype)
            start = start._replace(mask=mask)
        if options.get("resets") is not None:
            reset_to = begins if reset_to is None else reset_to
            reset_to = reset_to._replace(mask=start.mask)
        return unroll(masked, params, given, start, reset_to=reset_to, **options)

    call = Call.of(recurrent_dropout, cell, rate)
    return layer_of(masked)._replace(run=run, made_by=call)


@functools.cache
def masked_cell(cell: Cell) -> Cell:
    """The cell that carries a mask of its state h."""

    def start(batch_size: int, dtype: DTypeLike | None = None) -> DropoutState:
        state = cell.start(batch_size, dtype)
        return _with_mask(state, jnp.ones_like(state.h))

    def step(
        params: Params, state: DropoutState, drive: Drive
    ) -> tuple[DropoutState, DropoutTape]:
        after, tape = cell.step(params, state.seen(), drive)  # (2)
        return _with_mask(after, state.mask), DropoutTape(tape, state.mask)

    def pull(
        params: Params, tape: DropoutTape, d_state: DropoutState
    ) -> tuple[DropoutState, Delta]:
        d_after = d_state.others._replace(h=d_state.h)
        d_prev, delta = cell.pull(params, tape.cell, d_after)  # (3)
        d_seen = _with_mask(d_prev, d_state.mask)
        return d_seen._replace(h=d_seen.h * tape.mask), delta  # (4)

    def collect(
        params: Params, xs: Array, states_prev: DropoutState, deltas: Delta
    ) -> tuple[Params, Array | None]:
        return cell.collect(params, xs, states_prev.seen(), deltas)  # (5)

    return Cell(
        cell.init,
        start,
        cell.project,
        step,
        pull,
        collect,
        Call.of(masked_cell, cell),
    )


def _with_mask(state: State, mask: Array) -> DropoutState:
    return DropoutState(state.h, state._replace(h=None), mask)
