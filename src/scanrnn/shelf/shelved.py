"""What stands on the shelf: a cell from a step of a few lines, with states of its own.

`sr.derive` finds the six functions in the step. Here they are given the form of the
cells by hand: the shapes follow from the params, and a state is the NamedTuple of the
step, before it, after it and in every cotangent. So every verb takes such a cell as it
takes those by hand.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell, Delta, Drive, Init, Params, Start, State, Tape
from ..derive.cell import DerivedState, derive
from ..engine.products import plus, times, wide
from ..engine.values import flag, shown
from ..made import Call

# step(params, state, x) -> state: one step of a recurrence, floats (B, X) or tokens
# (B,). Its state is a NamedTuple with the output as its first field, h.
Step: TypeAlias = Callable[[Params, Any, Array], Any]


def shelved(step: Step, init: Init, start: Start, made_by: Call) -> Cell:
    """The cell of a step, its way back found by machine.

    Args:
        step: ``step(params, state, x) -> state``. The state comes wide, float32 of
            16-bit floats, and is to stay so; `times` and `plus` see to it.
        init: draws the params.
        start: makes a state of the step's own form.
        made_by: the call by which the cell is pickled and printed.
    """

    def with_output(params: Params, state: State, x: Array) -> tuple[State, Array]:
        after = step(params, state, x)
        return after, after.h

    def wide_start(batch_size: int, dtype: DTypeLike | None = None) -> State:
        return start(batch_size, None if dtype is None else wide(dtype))

    of = derive(with_output, init=init, start=wide_start)
    kind: Any = type(jax.eval_shape(lambda: start(1)))

    def step_of(params: Params, state: State, drive: Drive) -> tuple[State, Tape]:
        after, tape = of.step(params, _derived(state), drive)
        return kind(after.h, *after.others), tape

    def pull(params: Params, tape: Tape, d_state: State) -> tuple[State, Delta]:
        d_prev, delta = of.pull(params, tape, _derived(d_state))
        return kind(d_prev.h, *d_prev.others), delta

    def collect(
        params: Params, xs: Array, states_prev: State, deltas: Delta
    ) -> tuple[Params, Array | None]:
        return of.collect(params, xs, _derived(states_prev), deltas)

    step_of.__qualname__ = step.__qualname__  # by which an audit calls it
    return Cell(init, start, of.project, step_of, pull, collect, made_by, once=of.once)


def _derived(state: State) -> DerivedState:
    """The output is the first leaf of the state, and kept once."""
    return DerivedState(state[0], tuple(state[1:]))


def recurrent(
    x: Array, h_prev: Array, w_x: Array, w_h: Array, b: Array | None
) -> Array:
    """x W_x + h_prev W_h + b; b may be None."""
    return plus(times(x, w_x) + times(h_prev, w_h), b)


def forget_bias_of(bias: bool, forget_bias: Any, otherwise: float = 1.0) -> Any:
    """The initial bias of the forget gate; None of a cell without biases.

    Raises:
        ValueError: if it is no number, or is given together with bias=False.
    """
    if flag("bias", bias):
        return number("forget_bias", otherwise if forget_bias is None else forget_bias)
    if forget_bias is not None:
        raise ValueError(
            f"expected no forget_bias with bias=False, got {shown(forget_bias)}"
        )
    return None


def number(name: str, value: Any) -> float:
    """A finite number.

    Raises:
        ValueError: if it is none.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"expected {name}, a number, got {shown(value)}")
    return found


def positive(name: str, value: Any) -> float:
    """A finite number above zero.

    Raises:
        ValueError: if it is none.
    """
    found = number(name, value)
    if found <= 0:
        raise ValueError(f"expected {name}, a number above 0, got {shown(value)}")
    return found


def biases(
    gates: int, hidden_size: int, at: int, value: float | None, dtype: Any
) -> Array | None:
    """(G·H,): zeros, and a value in the gate ``at``; None where the value is None."""
    if value is None:
        return None
    b = jnp.zeros((gates, hidden_size), dtype).at[at].set(value)
    return b.reshape(-1)
