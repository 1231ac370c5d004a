"""Layers: a cell unrolled over a sequence, and what is built of layers.

A combinator takes layers and returns a layer. It composes whole sequences and not
steps: a stack of cells would drag the input products of the upper cells into the
loop over time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from .cell import Cell, Init, Params, Start, State, hidden_size
from .unroll import Unrolled, unroll


class Run(Protocol):
    """Runs a layer over a sequence; the options are those of `unroll`."""

    def __call__(
        self,
        params: Params,
        xs: ArrayLike,
        start: Any | None = None,
        **options: Any,
    ) -> Unrolled: ...


class Layer(NamedTuple):
    """A recurrence over whole sequences, as three pure functions.

    `init(key, input_size, dtype)` draws params, `start(batch_size, dtype)` makes the
    state before the first step, and `run(params, xs, start, ...)` returns the
    `Unrolled` outputs and final state, with the options of `unroll`. The state of a
    composed layer is the tuple of its parts' states.
    """

    init: Init
    start: Start
    run: Run
    output_size: int


def layer(cell: Cell) -> Layer:
    """A cell unrolled over a sequence.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> single = sr.layer(sr.lstm(4))
    >>> params = single.init(jax.random.key(0), 3)
    >>> single.run(params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 4)
    """

    def run(
        params: Params, xs: ArrayLike, start: State | None = None, **options: Any
    ) -> Unrolled:
        return unroll(cell, params, xs, start, **options)

    return Layer(cell.init, cell.start, run, hidden_size(cell))


def stack(*layers: Layer | Cell) -> Layer:
    """Layers on top of each other: the outputs of one are the inputs of the next.

    Args:
        layers: at least one, the lowest first; a cell stands for its layer.

    Returns:
        A `Layer` whose params and states are tuples, one entry per layer.

    Raises:
        ValueError: if there is no layer.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> deep = sr.stack(sr.gru(4), sr.gru(5))
    >>> params = deep.init(jax.random.key(0), 3)
    >>> deep.run(params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 5)
    """
    if not layers:
        raise ValueError("expected at least one layer to stack, got none")
    parts = tuple(map(_as_layer, layers))

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> tuple[Params, ...]:
        sizes = (input_size, *(part.output_size for part in parts[:-1]))
        keys = jax.random.split(key, len(parts))
        return tuple(
            part.init(k, size, dtype)
            for part, k, size in zip(parts, keys, sizes, strict=True)
        )

    def run(
        params: tuple[Params, ...],
        xs: ArrayLike,
        start: tuple[State, ...] | None = None,
        **options: Any,
    ) -> Unrolled:
        starts = _per_part("start", (None,) * len(parts) if start is None else start)
        finals = []
        for part, p, s in zip(parts, _per_part("params", params), starts, strict=True):
            xs, final = part.run(p, xs, s, **options)
            finals.append(final)
        return Unrolled(jnp.asarray(xs), tuple(finals))

    def _per_part(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return _check_parts(name, values, len(parts))

    return Layer(init, _start_of(parts), run, parts[-1].output_size)


def bidirectional(forward: Layer | Cell, backward: Layer | Cell) -> Layer:
    """One layer read forwards and one read backwards, side by side.

    With lengths, the second reads every sequence from its own end. Outputs are
    joined along their last axis, the forward ones first.

    Args:
        forward: the layer that reads from the first step on; a cell stands for its
            layer.
        backward: the layer that reads from the last step down.

    Returns:
        A `Layer` whose params and states are pairs. Its `run` has no ``reverse``.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> both = sr.bidirectional(sr.gru(4), sr.gru(5))
    >>> params = both.init(jax.random.key(0), 3)
    >>> both.run(params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 9)
    """
    parts = (_as_layer(forward), _as_layer(backward))

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> tuple[Params, Params]:
        key_forward, key_backward = jax.random.split(key)
        return (
            parts[0].init(key_forward, input_size, dtype),
            parts[1].init(key_backward, input_size, dtype),
        )

    def run(
        params: tuple[Params, Params],
        xs: ArrayLike,
        start: tuple[State, State] | None = None,
        **options: Any,
    ) -> Unrolled:
        if "reverse" in options:
            raise ValueError(
                "a bidirectional layer reads both ways: expected no reverse; "
                "swap its two layers instead"
            )
        starts = _check_parts("start", (None, None) if start is None else start, 2)
        there, back = _check_parts("params", params, 2)
        forwards = parts[0].run(there, xs, starts[0], **options)
        backwards = parts[1].run(back, xs, starts[1], reverse=True, **options)
        outputs = jnp.concatenate((forwards.outputs, backwards.outputs), axis=-1)
        return Unrolled(outputs, (forwards.final, backwards.final))

    size = parts[0].output_size + parts[1].output_size
    return Layer(init, _start_of(parts), run, size)


def _as_layer(part: Layer | Cell) -> Layer:
    return layer(part) if isinstance(part, Cell) else part


def _start_of(parts: tuple[Layer, ...]) -> Callable[..., tuple[State, ...]]:
    def start(batch_size: int, dtype: DTypeLike | None = None) -> tuple[State, ...]:
        return tuple(part.start(batch_size, dtype) for part in parts)

    return start


def _check_parts(name: str, values: Any, count: int) -> Any:
    if not isinstance(values, tuple | list) or len(values) != count:
        got = f"{len(values)}" if isinstance(values, tuple | list) else type(values)
        raise ValueError(
            f"expected {name}: a tuple of {count}, one per layer, got {got}"
        )
    return values
