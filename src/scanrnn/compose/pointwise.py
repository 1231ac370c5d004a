"""Parts without a state: what is done alike at every step, on the last axis."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from ..cell import Init, Params
from ..engine.arrays import as_array, layout_of
from ..engine.trees import choose
from ..engine.values import flag, fraction, one_of, whole_number
from ..made import Call
from ..readout import DenseParams, dense, init_dense
from ..unroll import Unrolled, valid_steps
from .layer import Layer, Size

# Options of `unroll` that mean nothing to what is done alike at every step.
WITHOUT_MEANING = {
    *("resets", "reset_to", "reverse", "outputs", "unroll", "backward"),
}


def linear(output_size: int, *, bias: bool = True) -> Layer:
    """A dense layer as a part of a stack: y = x W + b at every step.

    Args:
        output_size: the size of y.
        bias: whether there is a b.

    Returns:
        A `Layer` with params `DenseParams` and the empty state (). Unlike `sr.dense` it
        returns 16-bit floats for 16-bit params.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> net = sr.stack(sr.gru(4), jnp.tanh, sr.linear(2))
    >>> params = net.init(jax.random.key(0), 3)
    >>> net.run(params, jnp.ones((7, 5, 3))).outputs.shape
    (7, 5, 2)
    """
    return _linear(whole_number("output_size", output_size), flag("bias", bias))


@functools.cache
def _linear(output_size: int, bias: bool) -> Layer:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> DenseParams:
        return init_dense(key, input_size, output_size, dtype, bias=bias)

    def function(params: DenseParams, x: Array) -> Array:
        return dense(params, x).astype(params.w.dtype)

    return pointwise(
        init, function, output_size, Call.of(linear, output_size, bias=bias)
    )


def dropout(rate: float, *, variational: bool = False) -> Layer:
    """Sets a share of the features to zero and scales the others by 1 / (1 − rate).

    Args:
        rate: the share, in [0, 1).
        variational: whether one draw holds for all steps of a sequence (Gal and
            Ghahramani 2016, arXiv 1512.05287); else every step has its own (Srivastava
            et al. 2014, "Dropout").

    Returns:
        A `Layer` without params. Its `run` draws if it is given a ``key``, and returns
        its inputs if not; its `step` returns its input.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> drop = sr.dropout(0.5, variational=True)
    >>> ys = drop.run((), jnp.ones((7, 2, 3)), key=jax.random.key(0)).outputs
    >>> bool((ys == ys[0]).all())
    True
    """
    return _dropout(fraction("rate", rate), flag("variational", variational))


@functools.cache
def _dropout(rate: float, variational: bool) -> Layer:
    call = Call.of(dropout, rate, variational=variational)
    identity = pointwise(_no_params, lambda params, x: x, lambda size: size, call)

    def run(
        params: Params,
        xs: ArrayLike,
        start: tuple[()] | None = None,
        *,
        key: Array | None = None,
        **options: Any,
    ) -> Unrolled:
        hs = identity.run(params, xs, start, **options).outputs
        if key is None or not rate:
            return Unrolled(hs, ())
        shape = list(hs.shape)
        if variational:
            shape[1 if options.get("batch_first") and hs.ndim > 2 else 0] = 1
        return Unrolled(hs * kept_share(key, rate, tuple(shape), hs.dtype), ())

    return identity._replace(run=run)


def kept_share(key: Array, rate: float, shape: tuple[int, ...], dtype: Any) -> Array:
    """1 / (1 − rate) with the probability 1 − rate, else 0."""
    kept = jax.random.bernoulli(key, 1 - rate, shape)
    return jnp.where(kept, jnp.asarray(1 / (1 - rate), dtype), jnp.zeros((), dtype))


def parts(h: Array) -> Array:
    """Real and imaginary parts side by side, (..., N) complex to (..., 2N) real.

    A function for `sr.stack`: what is linear in these is what Re(C h) is for a complex
    C, with rows Re C and −Im C.

    >>> import jax.numpy as jnp, scanrnn as sr
    >>> sr.parts(jnp.array([[1 + 2j, 3 + 4j]])).tolist()
    [[1.0, 3.0, 2.0, 4.0]]
    """
    return jnp.concatenate((h.real, h.imag), axis=-1)


def of_function(function: Callable[[Array], Array]) -> Layer:
    """A function of the last axis as a layer, such as jnp.tanh."""
    return _of_function(function)


@functools.cache
def _of_function(function: Callable[[Array], Array]) -> Layer:
    def output_size(input_size: int) -> int:
        x = jax.ShapeDtypeStruct((1, 1, input_size), jnp.result_type(float))
        y = jax.eval_shape(function, x)
        if getattr(y, "shape", ())[:2] != (1, 1) or len(y.shape) != 3:
            raise ValueError(
                "expected a function in a stack to keep all axes but the last: "
                f"{x.shape} became {getattr(y, 'shape', y)}"
            )
        return int(y.shape[2])

    call = Call.of(of_function, function)
    return pointwise(_no_params, lambda params, x: function(x), output_size, call)


def pointwise(
    init: Init,
    function: Callable[[Params, Array], Array],
    output_size: Size,
    made_by: Call,
) -> Layer:
    """A layer whose steps know nothing of each other; its state is ()."""

    def run(
        params: Params,
        xs: ArrayLike,
        start: tuple[()] | None = None,
        *,
        key: Array | None = None,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        masked: str = "zero",
        batch_first: bool = False,
        **options: Any,
    ) -> Unrolled:
        unknown = sorted(options.keys() - WITHOUT_MEANING)
        if unknown:
            raise TypeError(f"expected the options of unroll, got {', '.join(unknown)}")
        hs = as_array("xs", xs)
        layout = layout_of(hs, flag("batch_first", batch_first))
        valid = valid_steps(layout.enter(hs), lengths, mask, layout)
        ys = layout.enter(function(params, hs))
        if valid is not None and one_of("masked", masked, ("zero", "hold")) == "zero":
            ys = choose(valid, ys, jnp.zeros_like(ys))
        return Unrolled(layout.leave(ys), ())

    def step(params: Params, state: Any, x: Array) -> tuple[Array, Any]:
        return function(params, x), state

    return Layer(init, _no_state, run, output_size, step, made_by)


def _no_params(
    key: Array, input_size: int, dtype: DTypeLike | None = None
) -> tuple[()]:
    return ()


def _no_state(batch_size: int, dtype: DTypeLike | None = None) -> tuple[()]:
    return ()
