"""Feedback: a cell whose next input is its own last prediction.

`feedback` takes a cell and a dense readout and makes a cell of them. Let g be the
gate of a step (1: the input is given, 0: the prediction is fed back), v what is
given, e further inputs from outside, and E what is fed back of a prediction::

    forward, all in `step`                   backward, from d_stateₜ

    (1) n  = v where g = 0, else 0           (6) d_stateₜ₋₁, δₜ = the cell's pull
    (2) y  = hₜ₋₁ W + b + n                  (7) dx = the cell's d_xs, of one step
    (3) p  = E(y)                            (8) dp = dx where g = 0, else 0
    (4) x  = [v where g = 1, else p; e]      (9) dy = E'(y)ᵀ dp
    (5) stateₜ = the cell's step, from x    (10) dhₜ₋₁ += dy Wᵀ

    after the loop, in `collect`            (11) d_cell, dxₜ = the cell's collect
                                            (12) dW = Σₜ hₜ₋₁ᵀ dyₜ,  db = Σₜ dyₜ
                                            (13) dv = dx where g = 1, else dy
                                                 de = dx,  dg = 0

(7) is what an input's cotangent is for where no input is ever updated: it is the way
by which the loss of a step reaches the prediction of the step before.

An unroll without feedback has one product in its loop. Here the readout (2) and the
input product in (5) wait for hₜ₋₁ as the recurrent product does, so a step has two
more, forward and backward. No weight gradient is made in the loop.

The state is the state of the cell, so its output is still h. The predictions are one
large product away: ``sr.dense(params.readout, run.outputs)``.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell, Delta, Params, State, Tape, flat_size
from ..engine.products import (
    affine,
    is_tokens,
    sum_leading,
    sum_of_outer,
    times_transposed,
)
from ..engine.values import whole_number
from ..made import Call
from ..readout import DenseParams, init_dense
from .feeds import Feed, Prediction


class FeedbackParams(NamedTuple):
    """Those of the cell, and the letters of the readout."""

    cell: Params  # for inputs of size Y + E
    readout: DenseParams  # W (H, Y) and b (Y,)


class FeedbackTape(NamedTuple):
    """What the two parts need of one step.

    Where the cell's d_xs asks for neither x nor the state before, which holds for the
    cells of the library, they are dead code, and the compiler drops them.
    """

    cell: Tape
    feed: Any  # of E; (B, Y) or None
    free: Array  # (B, 1) bool: the prediction was fed back
    x: Array  # (B, Y + E)
    state: State  # the cell's, before the step


class FeedbackDelta(NamedTuple):
    """The cell's own, and the cotangent of the prediction that was fed back."""

    cell: Delta
    y: Array  # (B, Y)


def feedback(cell: Cell, output_size: int, feed: Feed = Prediction()) -> Cell:
    """A cell that reads its own last prediction: x = E(h_prev W + b).

    Step by step a gate says whether the prediction is fed back or an input that is
    given: all given is teacher forcing, none is a free run, a random choice is
    scheduled sampling (Bengio et al. 2015, arXiv 1506.03099). The result is a `Cell`:
    every way back, lengths, masks, resets and `scanrnn.verify` apply to it.

    Args:
        cell: the cell within. It is given inputs of size Y + E: first what was given
            or fed back, then the further inputs.
        output_size: Y, the size of a prediction.
        feed: what is fed back of a prediction y: `Prediction()`, y itself;
            `Probabilities(temperature)`, softmax(y / τ); or
            `StraightThrough(temperature)`, the likeliest as one-hot, with the
            gradient of the softmax (biased).

    Returns:
        A `Cell`. Its xs are floats (T, B, Y + E + 1) as `forced` makes them: given,
        further, gate; a step is free where its gate is not positive. The gate has no
        gradient. Its params are `FeedbackParams` (cell, readout), its state is that
        of ``cell``, and so its output is h; the predictions are
        ``sr.dense(params.readout, run.outputs)``. The first input of a free run is
        predicted from the start state. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    Example: three steps are given, four are free.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.feedback(sr.gru(8), output_size=2)
    >>> xs = sr.forced(jnp.ones((7, 5, 2)), jnp.arange(7)[:, None] < 3)
    >>> params = cell.init(jax.random.key(0), xs.shape[2])
    >>> run = sr.unroll(cell, params, xs)
    >>> sr.dense(params.readout, run.outputs).shape
    (7, 5, 2)
    """
    if not isinstance(cell, Cell):
        raise ValueError(f"expected a Cell, such as sr.gru(8), got {cell!r}")
    if not isinstance(feed, Feed):
        raise ValueError(
            "expected feed=Prediction(), Probabilities(temperature) or "
            f"StraightThrough(temperature), got {feed!r}"
        )
    if cell.enter is None and jnp.iscomplexobj(jax.eval_shape(lambda: cell.start(1)).h):
        raise ValueError(
            f"expected a cell of real outputs, to predict from, got {cell!r}"
        )
    return _feedback(cell, whole_number("output_size", output_size), feed)


@functools.cache
def _feedback(cell: Cell, size: int, feed: Feed) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> FeedbackParams:
        if input_size < size + 1:
            raise ValueError(
                f"expected an input size of at least {size + 1}: {size} given, further "
                f"ones, and the gate, got {input_size}; make xs with sr.forced"
            )
        of_cell, of_readout = jax.random.split(key)
        return FeedbackParams(
            cell.init(of_cell, input_size - 1, dtype),
            init_dense(of_readout, flat_size(cell), size, dtype),
        )

    def project(params: FeedbackParams, xs: Array) -> Array:
        if is_tokens(xs):
            raise ValueError(
                "expected xs of a feedback cell: floats as sr.forced makes them, got "
                f"{xs.dtype} {xs.shape}; tokens become one-hot by jax.nn.one_hot"
            )
        return xs

    def inputs_of(
        params: FeedbackParams, state: State, drive: Array
    ) -> tuple[Array, Array, Any]:
        """(1) to (4), of a step or of many: x, where it is free, and the tape of E."""
        w, b = params.readout
        y = affine(state.h, w, b)
        given = drive[..., :size].astype(y.dtype)
        further = drive[..., size:-1].astype(y.dtype)
        free = ~(drive[..., -1:] > 0)
        y = y + jnp.where(free, given, 0)  # (1) and (2)
        p, tape = feed.feed(y)  # (3)
        x = jnp.concatenate((jnp.where(free, p, given), further), axis=-1)  # (4)
        return x, free, tape

    def step(
        params: FeedbackParams, state: State, drive: Array
    ) -> tuple[State, FeedbackTape]:
        x, free, of_feed = inputs_of(params, state, drive)
        after, of_cell = cell.step(
            params.cell, state, _first(cell.project(params.cell, x[None]))
        )  # (5)
        return after, FeedbackTape(of_cell, of_feed, free, x, state)

    def pull(
        params: FeedbackParams, tape: FeedbackTape, d_state: State
    ) -> tuple[State, FeedbackDelta]:
        d_prev, delta = cell.pull(params.cell, tape.cell, d_state)  # (6)
        # The gradients of the weights that come with d_xs are dead code here.
        one = jax.tree.map(lambda leaf: leaf[None], (tape.x, tape.state, delta))
        _, d_x = cell.collect(params.cell, *one)  # (7)
        d_p = jnp.where(tape.free, _first(d_x)[..., :size], 0)  # (8)
        d_y = feed.pull(tape.feed, d_p)  # (9)
        d_h = d_prev.h + times_transposed(d_y, params.readout.w)  # (10)
        return d_prev._replace(h=d_h), FeedbackDelta(delta, d_y)

    def collect(
        params: FeedbackParams, xs: Array, states_prev: State, deltas: FeedbackDelta
    ) -> tuple[FeedbackParams, Array]:
        x, free, _ = inputs_of(params, states_prev, xs)
        d_cell, d_x = cell.collect(params.cell, x, states_prev, deltas.cell)  # (11)
        d_w = sum_of_outer(states_prev.h, deltas.y, params.readout.w)  # (12)
        d_readout = DenseParams(d_w, sum_leading(deltas.y))
        d_x, d_y = jnp.asarray(d_x), deltas.y.astype(d_x.dtype)
        d_given = jnp.where(free, d_y, d_x[..., :size])  # (13)
        d_gate = jnp.zeros_like(d_x[..., :1])
        d_xs = jnp.concatenate((d_given, d_x[..., size:], d_gate), axis=-1)
        return FeedbackParams(d_cell, d_readout), d_xs

    made_by = Call.of(feedback, cell, size, feed=feed)
    return Cell(init, cell.start, project, step, pull, collect, made_by)


def _first(tree: Any) -> Any:
    """The one step of a sequence of one."""
    return jax.tree.map(lambda leaf: leaf[0], tree)
