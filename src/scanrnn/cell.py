"""What a cell is: six pure functions, and the glossary that every file keeps to.

A recurrent cell is described by six pure functions, two forward, two backward and
two that make its values::

                 over all of time (large products)     one step (inside lax.scan)
    forward      project: params, xs -> drives         step: params, state, drive
                                                             -> state, tape
    backward     collect: params, xs, states_prev,     pull: params, tape, d_state
                          deltas -> d_params, d_xs           -> d_state_prev, delta
    values       init: key, input_size -> params       start: batch_size -> state

The engine (`engine/scan.py`, `engine/backward.py`) does everything else: time, masks,
resets, memory. A cell never sees them, and gets them all.

Glossary
--------
``T, B, X, H, V``   steps, batch, inputs, hidden units, vocabulary
``xs``              inputs: floats (T, B, X), or integer tokens (T, B); time first
``drive``           the projected input of one step, (B, ·); ``drives`` is (T, B, ·)
``state``           what the next step needs; a NamedTuple with the output as ``h``
``tape``            what `pull` needs of one step; what goes on it is the cell's choice.
                    A step that returns its new state as its tape has it kept once
``delta``           cotangent of the pre-activations of one step, with any extra left
                    operand that `collect` needs
``h_prev, h``       the hidden state before and after a step
``d_v``             the cotangent of ``v``: the derivative of the loss by ``v``
``start, final``    the state before the first step and after the last one
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import jax
from jax import Array
from jax.typing import DTypeLike

from . import made
from .made import Call

Params: TypeAlias = Any  # a NamedTuple of arrays: the letters of the equations
State: TypeAlias = Any  # a NamedTuple of arrays (B, ·) with a field h
Drive: TypeAlias = Any  # a pytree of arrays (B, ·)
Tape: TypeAlias = Any  # a pytree of arrays (B, ·)
Delta: TypeAlias = Any  # a pytree of arrays (B, ·)

# How the units of a state meet from step to step; see `Cell`.
Recurrence: TypeAlias = Literal["dense", "diagonal", "affine"]


class Init(Protocol):
    """Draws parameters for inputs of size X (for tokens: a vocabulary of size X)."""

    def __call__(
        self, key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> Params: ...


class Start(Protocol):
    """The state before the first step, (B, ·) in every field; zeros as a rule."""

    def __call__(self, batch_size: int, dtype: DTypeLike | None = None) -> State: ...


class Cell(NamedTuple):
    """A recurrence as six pure functions; the module's docstring draws the table.

    What the engine relies on:

    - `pull` is linear in ``d_state`` and reads the step from ``tape`` alone. Masks,
      resets, recomputation and checkpointing follow from that without the cell.
    - ``delta`` is zero where ``d_state`` is zero (extra operands apart), and `collect`
      is linear in it. `collect` sums over time and batch by contracting over both
      axes; it never merges them, or a sharded batch would be gathered. Of a part of the
      batch it makes that part's share: where devices have a part each it is called for
      each, by `jax.vmap`.
    - `collect` returns None for ``d_xs`` where ``xs`` are integer tokens.
    - ``state.h`` is the output of the step.
    - ``recurrence`` is kept to. "dense", and nothing is asked. "diagonal": an entry of
      the state after a step depends on the same entry of the state before, and on no
      other, so that with ones for a cotangent `pull` reads all derivatives at once::

          pull(tape, d ∘ v) = pull(tape, d) ∘ v

      "affine": moreover stateₜ = aₜ ∘ stateₜ₋₁ + bₜ, where aₜ and bₜ depend on params
      and input alone. `Parallel` rests on the two laws, and `verify.check` tries them.

    The fields of a state may be complex, of params that are real (`sr.lru`). Cotangents
    are as JAX has them: `pull` transposes, and does not conjugate.

    A cell hashes by its functions: build it in a cached factory, as those of the
    library are, and it can be a static argument of ``jax.jit``. Told by which call it
    was made (`scanrnn.made.Call`), it is pickled as that call, and printed as it.

    Example: the linear recurrence h = a + w h, with a scalar w, from scratch.

    >>> from typing import NamedTuple
    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> class Leak(NamedTuple):
    ...     w: jax.Array  # ()
    >>> class LeakState(NamedTuple):
    ...     h: jax.Array  # (B, X)
    >>> leak = sr.Cell(
    ...     init=lambda key, size, dtype=None: Leak(jnp.asarray(0.5, dtype)),
    ...     start=lambda batch, dtype=None: LeakState(jnp.zeros((batch, 2), dtype)),
    ...     project=lambda params, xs: xs,
    ...     step=lambda params, state, drive: (
    ...         LeakState(drive + params.w * state.h), None),
    ...     pull=lambda params, tape, d_state: (
    ...         LeakState(params.w * d_state.h), d_state.h),
    ...     collect=lambda params, xs, states_prev, deltas: (
    ...         Leak(jnp.sum(states_prev.h * deltas)), deltas),
    ... )
    >>> xs = jnp.ones((3, 1, 2))
    >>> loss = lambda params: sr.unroll(leak, params, xs).final.h.sum()
    >>> float(jax.grad(loss)(leak.init(jax.random.key(0), 2)).w)  # 2 (1 + 2 w)
    4.0
    """

    init: Init
    start: Start
    project: Callable[[Params, Array], Drive]
    step: Callable[[Params, State, Drive], tuple[State, Tape]]
    pull: Callable[[Params, Tape, State], tuple[State, Delta]]
    collect: Callable[[Params, Array, State, Delta], tuple[Params, Array | None]]
    made_by: Call | None = None
    # Of a cell that was derived from a step, which has no shapes of its own: the cell
    # at the shapes of params, xs and a start state (or None), that state as the engine
    # carries it, and how it is given back.
    enter: Callable[[Params, Any, Any], tuple["Cell", State, Any]] | None = None
    # Zeros of what `pull` returns beside each delta, to be summed over the steps.
    sums: Callable[[Params], Any] | None = None
    # What the steps read of params and is the same in all of them, made once of params
    # and xs. The engine gives it to the functions above in the place of the params,
    # and differentiates by it.
    once: Callable[[Params, Any], Any] | None = None
    recurrence: Recurrence = "dense"

    def __reduce__(self) -> tuple[Any, ...]:
        return made.reduced(self)

    def __repr__(self) -> str:
        return made.shown_as_call(self)

    def __str__(self) -> str:
        return made.sentence(self)


def no_init(key: Array, input_size: int, dtype: DTypeLike | None = None) -> Params:
    """In the place of `init` where params are given by hand."""
    raise ValueError(
        "expected a cell that draws its params, got one that was derived without "
        "init=; pass params by hand"
    )


def no_start(batch_size: int, dtype: DTypeLike | None = None) -> State:
    """In the place of `start` where the start state is given by hand."""
    raise ValueError(
        "expected a start state, got none: the cell was derived without start="
    )


def hidden_size(cell: Cell) -> int:
    """H, read from the shape of the start state; nothing is computed."""
    return jax.eval_shape(lambda: cell.start(1)).h.shape[-1]


def flat_size(cell: Cell) -> int:
    """H, of a cell whose output is (B, H); an error for one over places."""
    shape = jax.eval_shape(lambda: cell.start(1)).h.shape
    if len(shape) != 2:
        raise ValueError(f"expected a cell whose output is (B, H), got {cell!r}")
    return hidden_size(cell)
