"""What a layer is: a recurrence over whole sequences, as pure functions."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

from jax import Array
from jax.typing import ArrayLike

from .. import made
from ..cell import Cell, Init, Params, Start, State, hidden_size
from ..engine.checks import check_cell
from ..engine.values import shown
from ..made import Call
from ..step import step_of_cell
from ..unroll import Unrolled, unroll

# An int; of a layer that takes any size, a function of it. Typed so that who has an int
# need not ask.
Size: TypeAlias = Any


class Run(Protocol):
    """Runs a layer over a sequence; the options are those of `unroll`.

    ``key`` is for what is drawn at random (dropout); without one nothing is.
    """

    def __call__(
        self,
        params: Params,
        xs: ArrayLike,
        start: Any | None = None,
        *,
        key: Array | None = None,
        **options: Any,
    ) -> Unrolled: ...


class Layer(NamedTuple):
    """A recurrence over whole sequences, as pure functions.

    `init(key, input_size, dtype)` draws params, `start(batch_size, dtype)` makes the
    state before the first step, and `run(params, xs, start, ...)` returns the
    `Unrolled` outputs and final state, with the options of `unroll`. The state of a
    composed layer is the tuple of its parts' states.

    ``output_size`` is a number, or a function of the input size where the layer takes
    any. `step(params, state, x)` returns the output of one step and the state after it,
    for arrays without a time axis; None where a layer has to see the whole sequence.
    """

    init: Init
    start: Start
    run: Run
    output_size: Size
    step: Callable[[Params, Any, Array], tuple[Array, Any]] | None = None
    made_by: Call | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return made.reduced(self)

    def __repr__(self) -> str:
        return made.shown_as_call(self)

    def __str__(self) -> str:
        return made.sentence(self)


def layer(cell: Cell) -> Layer:
    """A cell unrolled over a sequence.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> single = sr.layer(sr.lstm(4))
    >>> params = single.init(jax.random.key(0), 3)
    >>> single.run(params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 4)
    """
    check_cell(cell)
    return _layer(cell)


@functools.cache
def _layer(cell: Cell) -> Layer:
    def run(
        params: Params,
        xs: ArrayLike,
        start: State | None = None,
        *,
        key: Array | None = None,
        **options: Any,
    ) -> Unrolled:
        return unroll(cell, params, xs, start, **options)

    def step(params: Params, state: State, x: Array) -> tuple[Array, State]:
        return step_of_cell(cell, params, state, x)

    size = hidden_size(cell)
    return Layer(cell.init, cell.start, run, size, step, Call.of(layer, cell))


def size_after(part: Layer, input_size: int) -> int:
    """The output size of a layer for inputs of this size."""
    size = part.output_size
    return int(size if isinstance(size, int) else size(input_size))


def per_part(name: str, values: Any, count: int) -> Any:
    """A tuple of so many, one of each part.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(values, tuple | list) or len(values) != count:
        got = f"{len(values)}" if isinstance(values, tuple | list) else shown(values)
        raise ValueError(
            f"expected {name}: a tuple of {count}, one per layer, got {got}"
        )
    return values


def check_outputs_option(options: dict[str, Any]) -> None:
    """A composed layer hands out its outputs: its states are of several cells."""
    if options.get("outputs", "h") != "h":
        raise ValueError(
            f'expected outputs="h" of a composed layer, got {options["outputs"]!r}; '
            "sr.unroll each cell by itself for its states"
        )
