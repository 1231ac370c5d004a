"""Both reading directions side by side, and the last output of any layer."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from ..cell import Params, State
from ..engine.values import one_of, shown
from ..made import Call
from ..unroll import Unrolled
from .layer import Layer, check_outputs_option, per_part, size_after
from .stack import Part, as_layer

Merge: TypeAlias = Literal["concat", "sum", "mean", "mul"]


class Concatenated(NamedTuple):
    """The states of both directions; the outputs stand side by side."""

    forward: State
    backward: State

    @staticmethod
    def merge(forward: Array, backward: Array) -> Array:
        return jnp.concatenate((forward, backward), axis=-1)


class Summed(NamedTuple):
    """The states of both directions; the outputs are added."""

    forward: State
    backward: State

    @staticmethod
    def merge(forward: Array, backward: Array) -> Array:
        return forward + backward


class Averaged(NamedTuple):
    """The states of both directions; the outputs are averaged."""

    forward: State
    backward: State

    @staticmethod
    def merge(forward: Array, backward: Array) -> Array:
        return (forward + backward) / 2


class Multiplied(NamedTuple):
    """The states of both directions; the outputs are multiplied."""

    forward: State
    backward: State

    @staticmethod
    def merge(forward: Array, backward: Array) -> Array:
        return forward * backward


Both: TypeAlias = Concatenated | Summed | Averaged | Multiplied
MERGES: dict[str, Any] = {
    "concat": Concatenated,
    "sum": Summed,
    "mean": Averaged,
    "mul": Multiplied,
}


def bidirectional(forward: Part, backward: Part, *, merge: Merge = "concat") -> Layer:
    """One layer read forwards and one read backwards, side by side.

    With lengths, the second reads every sequence from its own end.

    Args:
        forward: the layer that reads from the first step on; a cell stands for its
            layer.
        backward: the layer that reads from the last step down.
        merge: how the outputs of both are joined: "concat" along their last axis, the
            forward ones first; or "sum", "mean" or "mul", of equal sizes.

    Returns:
        A `Layer` whose params are a pair, and whose state is a pair (forward,
        backward) that knows the merge. Its `run` has no ``reverse``, and it has no
        `step`: it has to see the end first.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> both = sr.bidirectional(sr.gru(4), sr.gru(5))
    >>> params = both.init(jax.random.key(0), 3)
    >>> both.run(params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 9)
    """
    one_of("merge", merge, MERGES)
    parts = (as_layer(forward), as_layer(backward))
    sizes = [part.output_size for part in parts]
    known = all(isinstance(size, int) for size in sizes)
    if merge != "concat" and known and sizes[0] != sizes[1]:
        raise ValueError(
            f'expected outputs of equal sizes for merge="{merge}", got {sizes[0]} and '
            f"{sizes[1]}"
        )
    return _bidirectional(parts, (forward, backward), merge)


@functools.cache
def _bidirectional(
    parts: tuple[Layer, Layer], given: tuple[Part, Part], merge: str
) -> Layer:
    kind: Callable[..., Both] = MERGES[merge]

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> tuple[Params, Params]:
        key_forward, key_backward = jax.random.split(key)
        return (
            parts[0].init(key_forward, input_size, dtype),
            parts[1].init(key_backward, input_size, dtype),
        )

    def start(batch_size: int, dtype: DTypeLike | None = None) -> Both:
        return kind(*(part.start(batch_size, dtype) for part in parts))

    def run(
        params: tuple[Params, Params],
        xs: ArrayLike,
        start: tuple[State, State] | None = None,
        *,
        key: Array | None = None,
        reset_to: tuple[State, State] | None = None,
        **options: Any,
    ) -> Unrolled:
        if "reverse" in options:
            raise ValueError(
                "a bidirectional layer reads both ways: expected no reverse; "
                "swap its two layers instead"
            )
        check_outputs_option(options)
        none = (None, None)
        starts = per_part("start", none if start is None else start, 2)
        to = per_part("reset_to", none if reset_to is None else reset_to, 2)
        there, back = per_part("params", params, 2)
        keys = none if key is None else jax.random.split(key)
        forwards = parts[0].run(
            there, xs, starts[0], key=keys[0], reset_to=to[0], **options
        )
        backwards = parts[1].run(
            back, xs, starts[1], key=keys[1], reset_to=to[1], reverse=True, **options
        )
        final = kind(forwards.final, backwards.final)
        return Unrolled(final.merge(forwards.outputs, backwards.outputs), final)

    def size(input_size: int) -> int:
        sizes = [size_after(part, input_size) for part in parts]
        return sum(sizes) if merge == "concat" else sizes[0]

    known = all(isinstance(part.output_size, int) for part in parts)
    call = Call.of(bidirectional, *given, merge=merge)
    return Layer(init, start, run, size(0) if known else size, None, call)


def last(run: Unrolled) -> Array:
    """The last output of every sequence, (B, H): what stands at its last step.

    Of what reads backwards that is the output at its first step; both directions are
    merged as the outputs are. Masked steps do not count, and of a sequence of length 0
    it is the output of the start state.

    Args:
        run: what `unroll` or a layer's `run` returned.

    Raises:
        ValueError: if the layer ends in a part without a state (a function, a dense
            layer, dropout): take the last output below it, and apply it to that.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> both = sr.bidirectional(sr.gru(4), sr.gru(5))
    >>> params = both.init(jax.random.key(0), 3)
    >>> run = both.run(params, jnp.ones((7, 2, 3)), lengths=jnp.array([7, 3]))
    >>> sr.last(run).shape
    (2, 9)
    """
    if not isinstance(run, Unrolled):
        raise ValueError(
            f"expected run: what unroll or a layer's run returned, got {shown(run)}"
        )
    return _last(run.final)


def _last(final: Any) -> Array:
    if isinstance(final, Both):
        return final.merge(_last(final.forward), _last(final.backward))
    if hasattr(final, "h"):
        h: Array = final.h
        return h
    if isinstance(final, tuple) and final:
        return _last(final[-1])
    raise ValueError(
        "expected the run of a layer that ends in a recurrent one: a part without a "
        "state does not keep its last output; take sr.last below it, and apply it then"
    )
