"""Layers on top of each other, and around each other."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from ..cell import Cell, Params, State
from ..engine.arrays import as_array, layout_of
from ..engine.trees import choose
from ..engine.values import flag, fraction, shown
from ..made import Call
from ..unroll import Unrolled, valid_steps
from .layer import Layer, Size, check_outputs_option, layer, per_part, size_after
from .pointwise import dropout as dropped
from .pointwise import of_function, parts

Part: TypeAlias = Layer | Cell | Callable[[Array], Array]


def stack(*layers: Part, dropout: float = 0.0, variational: bool = False) -> Layer:
    """Layers on top of each other: the outputs of one are the inputs of the next.

    Args:
        layers: at least one, the lowest first. A cell stands for its layer, and a
            function of the last axis, such as jnp.tanh, for what it makes of the
            outputs below; it has no params and no state, ().
        dropout: the share of features that is set to zero between each layer and the
            next; drawn by ``run(..., key=)``, nothing is dropped without a key.
        variational: whether one draw holds for a whole sequence, see `sr.dropout`.

    Returns:
        A `Layer` whose params and states are tuples, one entry per layer.

    Raises:
        ValueError: if there is no layer, or an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> deep = sr.stack(sr.gru(4), sr.gru(5), dropout=0.2)
    >>> params = deep.init(jax.random.key(0), 3)
    >>> deep.run(params, jnp.ones((7, 2, 3)), key=jax.random.key(1)).outputs.shape
    (7, 2, 5)
    """
    if not layers:
        raise ValueError("expected at least one layer to stack, got none")
    parts = tuple(map(as_layer, layers))
    return _stack(
        parts, layers, fraction("dropout", dropout), flag("variational", variational)
    )


@functools.cache
def _stack(
    parts: tuple[Layer, ...], layers: tuple[Part, ...], rate: float, variational: bool
) -> Layer:
    count = len(parts)
    drop = dropped(rate, variational=variational)

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> tuple[Params, ...]:
        params = []
        for part, k in zip(parts, jax.random.split(key, count), strict=True):
            params.append(part.init(k, input_size, dtype))
            input_size = size_after(part, input_size)
        return tuple(params)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> tuple[State, ...]:
        return tuple(part.start(batch_size, dtype) for part in parts)

    def run(
        params: tuple[Params, ...],
        xs: ArrayLike,
        start: tuple[State, ...] | None = None,
        *,
        key: Array | None = None,
        reset_to: tuple[State, ...] | None = None,
        **options: Any,
    ) -> Unrolled:
        check_outputs_option(options)
        none = (None,) * count
        given = zip(
            per_part("params", params, count),
            per_part("start", none if start is None else start, count),
            per_part("reset_to", none if reset_to is None else reset_to, count),
            none if key is None else jax.random.split(key, count),
            strict=True,
        )
        hs, finals = as_array("xs", xs), []
        for k, (p, s, to, of_part) in enumerate(given):
            if k and rate and of_part is not None:
                between, of_part = jax.random.split(of_part)
                hs = drop.run((), hs, key=between, **_layout(options)).outputs
            hs, final = parts[k].run(p, hs, s, key=of_part, reset_to=to, **options)
            finals.append(final)
        return Unrolled(hs, tuple(finals))

    def step(
        params: tuple[Params, ...], states: tuple[State, ...], x: Array
    ) -> tuple[Array, tuple[State, ...]]:
        params = per_part("params", params, count)
        after = []
        for part, p, s in zip(
            parts, params, per_part("state", states, count), strict=True
        ):
            x, state = _step_of(part)(p, s, x)
            after.append(state)
        return x, tuple(after)

    is_stepwise = all(part.step for part in parts)
    made_by = Call.of(stack, *layers, dropout=rate, variational=variational)
    size = _size_of(parts)
    return Layer(init, start, run, size, step if is_stepwise else None, made_by)


def residual(part: Part) -> Layer:
    """A skip connection: the outputs of a layer plus its inputs.

    Args:
        part: a layer whose outputs have the size of its inputs, or what stands for one
            in `sr.stack`.

    Returns:
        A `Layer` with the params and the state of the part. Where a step is masked the
        output is zero; its `run` has no ``masked="hold"``.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> deep = sr.stack(sr.gru(4), sr.residual(sr.gru(4)))
    >>> params = deep.init(jax.random.key(0), 3)
    >>> deep.run(params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 4)
    """
    return _residual(as_layer(part), part)


@functools.cache
def _residual(inner: Layer, part: Part) -> Layer:
    def run(
        params: Params,
        xs: ArrayLike,
        start: Any | None = None,
        *,
        key: Array | None = None,
        **options: Any,
    ) -> Unrolled:
        check_outputs_option(options)
        if options.get("masked", "zero") != "zero":
            raise ValueError(
                'expected masked="zero" of a residual layer, got '
                f"{options['masked']!r}: the inputs that are added are not held"
            )
        given = as_array("xs", xs)
        batch_first = flag("batch_first", options.get("batch_first", False))
        layout = layout_of(given, batch_first)
        outputs, final = inner.run(params, given, start, key=key, **options)
        added = layout.enter(given)
        valid = valid_steps(added, options.get("lengths"), options.get("mask"), layout)
        if valid is not None:
            added = choose(valid, added, jnp.zeros_like(added))
        return Unrolled(_sum(outputs, layout.leave(added)), final)

    def step(params: Params, state: Any, x: Array) -> tuple[Array, Any]:
        output, state = _step_of(inner)(params, state, x)
        return _sum(output, x), state

    return Layer(
        inner.init,
        inner.start,
        run,
        inner.output_size,
        step if inner.step else None,
        Call.of(residual, part),
    )


def as_layer(part: Part) -> Layer:
    """A cell or a function as the layer that it stands for.

    Raises:
        ValueError: if it is neither, or a factory that was not called.
    """
    if isinstance(part, Layer):
        return part
    if isinstance(part, Cell):
        return layer(part)
    name = getattr(part, "__name__", "")
    if not callable(part) or isinstance(part, type) or _is_factory(part):
        hint = f"; {name} makes one: write {name}(size)" if _is_factory(part) else ""
        raise ValueError(
            f"expected layers, cells or functions of the last axis, got "
            f"{shown(part)}{hint}"
        )
    try:
        hash(part)
    except TypeError as error:
        raise ValueError(
            f"expected a hashable function in a stack, got {shown(part)}"
        ) from error
    return of_function(part)


def _is_factory(part: Any) -> bool:
    return part is not parts and str(getattr(part, "__module__", "")).startswith(
        __name__.split(".")[0] + "."
    )


def _step_of(part: Layer) -> Callable[..., tuple[Array, Any]]:
    assert part.step is not None  # a stack with such a part has no step
    return part.step


def _layout(options: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k == "batch_first"}


def _size_of(parts: tuple[Layer, ...]) -> Size:
    sized = [k for k, part in enumerate(parts) if isinstance(part.output_size, int)]
    above = parts[sized[-1] :] if sized else parts

    def size(input_size: int) -> int:
        for part in above:
            input_size = size_after(part, input_size)
        return input_size

    return size(0) if sized else size  # its first part has a size of its own


def _sum(outputs: Array, inputs: Array) -> Array:
    if outputs.shape != inputs.shape:
        raise ValueError(
            "expected a residual layer whose outputs have the size of its inputs, got "
            f"outputs {outputs.shape} of inputs {inputs.shape}"
        )
    return outputs + inputs
