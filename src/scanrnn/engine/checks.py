"""One clear error at the public border: what was expected, what came, what to do.

Everything here reads shapes and dtypes, which are known before anything is traced.
Values (lengths, tokens) are looked at where they are concrete; under jit there is
nothing to look at, and they pass.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..cell import Cell, Params, State
from .products import is_tokens


def check_inputs(cell: Cell, params: Params, xs: Array) -> None:
    """xs (T, B, X) floats or (T, B) tokens, and params as `cell.init` makes them."""
    dtype = check_dtype(params)
    w_x = getattr(params, "w_x", None)
    if is_tokens(xs):
        _check_tokens(xs, w_x)
        size = None if w_x is None else w_x.shape[0]
    else:
        _check_floats(xs, w_x, dtype)
        size = xs.shape[2]
    if size is not None:
        expected = _shapes_of_params(cell, size)
        if not _same_shapes(params, expected):
            raise ValueError(
                f"expected params as cell.init(key, {size}) makes them, "
                f"{_describe(expected)}, got {_describe(params)}"
            )


def check_dtype(params: Params) -> Any:
    """The one floating dtype of all params."""
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(params)}
    if len(dtypes) != 1 or not jnp.issubdtype(min(dtypes), jnp.floating):
        names = ", ".join(sorted(map(str, dtypes))) or "no arrays"
        raise ValueError(f"expected params of one floating dtype, got {names}")
    return dtypes.pop()


def check_start(
    cell: Cell, start: State, xs: Array, dtype: Any, name: str = "start"
) -> None:
    """start, or another state: what `cell.start(B)` makes, in the dtype of params."""
    expected = jax.eval_shape(lambda: cell.start(xs.shape[1], dtype))
    if not _same_shapes(start, expected):
        raise ValueError(
            f"expected {name} as cell.start({xs.shape[1]}) makes it, "
            f"{_describe(expected)}, got {_describe(start)}"
            + _batch_first_hint(xs, jax.tree.leaves(start))
        )
    for leaf in jax.tree.leaves(start):
        if leaf.dtype != dtype:
            raise ValueError(
                f"expected {name} in the dtype of params, {dtype}, got {leaf.dtype}; "
                f"make it with cell.start({xs.shape[1]}, {str(dtype)!r}) or cast it"
            )


def check_outputs(name: str, hs: Array, xs: Array, start: State) -> None:
    """Something of the shape and dtype of the outputs, (T, B, H)."""
    shape = (*xs.shape[:2], start.h.shape[-1])
    if hs.shape != shape or hs.dtype != start.h.dtype:
        raise ValueError(
            f"expected {name}: {start.h.dtype} (T, B, H) = {shape}, as the outputs of "
            f"unroll, got {_show(hs)}; jax.grad by the outputs makes it"
        )


def check_lengths(lengths: Array, xs: Array) -> None:
    """lengths: (B,) integers in [0, T]."""
    steps, batch = xs.shape[:2]
    if lengths.shape != (batch,) or not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise ValueError(
            f"expected lengths: integers of shape ({batch},), one per sequence, "
            f"got {_show(lengths)}" + _batch_first_hint(xs, [lengths])
        )
    if not within(lengths, 0, steps):
        raise ValueError(
            f"expected lengths in [0, {steps}], the steps of xs, got values from "
            f"{lengths.min()} to {lengths.max()}" + _batch_first_hint(xs, [])
        )


def check_flags(name: str, flags: Array, xs: Array) -> None:
    """mask or resets: (T, B) bool."""
    if flags.shape != xs.shape[:2]:
        transposed = flags.shape == xs.shape[1::-1]
        raise ValueError(
            f"expected {name} of shape (T, B) = {xs.shape[:2]}, got {flags.shape}"
            + (f"; did you mean {name}.T? Time comes first" if transposed else "")
        )
    if flags.dtype != bool:
        raise ValueError(
            f"expected {name} of dtype bool, got {flags.dtype}; "
            f"write {name} != 0 or {name}.astype(bool)"
        )


def check_unroll(unroll: int) -> None:
    """unroll: a positive integer."""
    if not isinstance(unroll, int) or unroll < 1:
        raise ValueError(f"expected unroll, a positive integer, got {unroll!r}")


def _check_tokens(xs: Array, w_x: Array | None) -> None:
    if xs.ndim != 2:
        raise ValueError(
            f"expected integer xs to be tokens of shape (T, B), got {_show(xs)}; "
            "integer features must be cast to the dtype of params"
        )
    if w_x is not None and not within(xs, 0, w_x.shape[0] - 1):
        raise ValueError(
            f"expected tokens in [0, {w_x.shape[0]}), the rows of params.w_x, got "
            f"values from {xs.min()} to {xs.max()}; mask padding by lengths or mask"
        )


def _check_floats(xs: Array, w_x: Array | None, dtype: Any) -> None:
    if not jnp.issubdtype(xs.dtype, jnp.floating):
        raise ValueError(
            "expected xs: floats (T, B, X) or integer tokens (T, B), "
            f"got {_show(xs)}; cast it to {dtype}"
        )
    if xs.ndim != 3:
        raise ValueError(
            f"expected xs of shape (T, B, X), got {_show(xs)}; "
            "a single sequence (T, X) takes a batch axis: xs[:, None]"
        )
    if w_x is not None and xs.shape[2] != w_x.shape[0]:
        raise ValueError(
            f"expected xs of shape (T, B, {w_x.shape[0]}) to match params.w_x "
            f"{w_x.shape}, got {xs.shape}; time comes first, features come last"
        )
    if xs.dtype != dtype:
        raise ValueError(
            f"expected xs in the dtype of params, {dtype}, got {xs.dtype}; "
            f"cast one of them, for example xs.astype({str(dtype)!r})"
        )


@functools.lru_cache(maxsize=256)
def _shapes_of_params(cell: Cell, size: int) -> Params:
    return jax.eval_shape(lambda: cell.init(jax.random.key(0), size))


def _same_shapes(tree: Any, expected: Any) -> bool:
    structure: Any = jax.tree.structure(tree)
    if structure != jax.tree.structure(expected):
        return False
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True)
    return all(leaf.shape == other.shape for leaf, other in pairs)


def within(values: Array, low: int, high: int, counted: Array | None = None) -> bool:
    """Whether all values lie in [low, high]; True where they cannot be looked at.

    ``counted``: only the values where this is not 0 are looked at.
    """
    for array in (values,) if counted is None else (values, counted):
        if isinstance(array, jax.core.Tracer) or not array.is_fully_addressable:
            return True
    known = np.asarray(values)  # by NumPy: inside jit, jnp would trace a constant too
    if counted is not None:
        known = known[np.asarray(counted) != 0]
    return known.size == 0 or bool(low <= known.min() and known.max() <= high)


def _batch_first_hint(xs: Array, others: list[Array]) -> str:
    swapped = xs.shape[0] != xs.shape[1] and all(
        leaf.ndim and leaf.shape[0] == xs.shape[0] for leaf in others
    )
    return f"; did you pass xs {xs.shape} batch first? Time comes first" * swapped


def _describe(tree: Any) -> str:
    """RNNState(h (5, 8)): the name and shapes of a NamedTuple, or of any pytree."""
    if not hasattr(tree, "_asdict"):
        return str(jax.tree.map(lambda leaf: leaf.shape, tree))
    fields = (f"{name} {_describe(leaf)}" for name, leaf in tree._asdict().items())
    return f"{type(tree).__name__}({', '.join(fields)})"


def _show(x: Array) -> str:
    return f"{x.dtype} {x.shape}"
