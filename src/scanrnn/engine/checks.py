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
from .values import PARTS, shown

ANY = 1_000_003  # fits as well if nothing in the params depends on X


def check_cell(cell: Any) -> None:
    """cell: a `Cell`, and not what makes one or is made of one."""
    if isinstance(cell, Cell):
        return
    hint = ""
    if hasattr(cell, "run"):
        hint = "; a layer runs itself: layer.run(params, xs)"
    elif callable(cell):
        name = getattr(cell, "__name__", "it")
        hint = f"; {name} makes one: write {name}(hidden_size)"
    raise ValueError(
        f"expected cell: a Cell, such as sr.gru(8), got {shown(cell)}{hint}"
    )


def check_inputs(cell: Cell, params: Params, xs: Array, skips: Array | None) -> None:
    """xs (T, B, X) floats or (T, B) tokens, and params as `cell.init` makes them.

    Tokens of skipped steps may be anything.
    """
    dtype = check_dtype(params)
    if is_tokens(xs):
        if xs.ndim != 2:
            raise ValueError(
                f"expected integer xs to be tokens of shape (T, B), got {_show(xs)}; "
                "integer features must be cast to the dtype of params"
            )
        sizes = input_sizes(cell, params)
        if not sizes:
            raise _of_another_cell(cell, params, 1)
        _check_tokens(xs, skips, sizes)
    else:
        _check_floats(cell, params, xs, dtype)


def check_dtype(params: Params) -> Any:
    """The one floating dtype of all params."""
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(params)}
    if len(dtypes) != 1 or not jnp.issubdtype(min(dtypes), jnp.floating):
        names = ", ".join(sorted(map(str, dtypes))) or "no arrays"
        raise ValueError(f"expected params of one floating dtype, got {names}")
    return dtypes.pop()


def check_state(
    cell: Cell, state: State, xs: Array, dtype: Any, name: str = "start"
) -> None:
    """A state: what `cell.start(B)` makes, in the dtype of params."""
    expected = jax.eval_shape(lambda: cell.start(xs.shape[1], dtype))
    if not _same_shapes(state, expected):
        raise ValueError(
            f"expected {name} as cell.start({xs.shape[1]}) makes it, "
            f"{_describe(expected)}, got {_describe(state)}"
            + _batch_first_hint(xs, jax.tree.leaves(state))
        )
    for leaf, like in zip(
        jax.tree.leaves(state), jax.tree.leaves(expected), strict=True
    ):
        if leaf.dtype != (wanted := _dtype_of_state(like, dtype)):
            raise ValueError(
                f"expected {name} in the dtype of params, {wanted}, got {leaf.dtype}; "
                f"make it with cell.start({xs.shape[1]}, {str(dtype)!r}) or cast it"
            )


def _dtype_of_state(expected: Any, dtype: Any) -> Any:
    """That of params, or the complex one of its width, where the state is complex."""
    is_complex = jnp.issubdtype(expected.dtype, jnp.complexfloating)
    return expected.dtype if is_complex else dtype


def check_alike(name: str, state: Any, expected: Any) -> None:
    """A state of the form, the shapes and the dtypes of another one."""
    structure: Any = jax.tree.structure(state)
    is_alike = structure == jax.tree.structure(expected) and all(
        (one.shape, one.dtype) == (other.shape, other.dtype)
        for one, other in zip(
            jax.tree.leaves(state), jax.tree.leaves(expected), strict=True
        )
    )
    if not is_alike:
        raise ValueError(
            f"expected {name} as the state before the first step is, "
            f"{shown(expected)}, got {shown(state)}"
        )


def check_outputs(name: str, hs: Array, xs: Array, start: State) -> None:
    """Something of the shape and dtype of the outputs, (T, B, H)."""
    shape = (*xs.shape[:2], *start.h.shape[1:])
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


def input_sizes(cell: Cell, params: Params) -> tuple[int, ...]:
    """The sizes X for which `cell.init` makes params of these shapes.

    Several where nothing in the params depends on X; none where they are those of
    another cell. X is sought among the axes of the params, where it must stand if they
    depend on it (or X less one, where the cell keeps an input to itself, as that of
    `sr.feedback` keeps its gate); no name of a field is needed.
    """
    leaves, structure = jax.tree.flatten(params)
    return _sizes_that_fit(cell, structure, tuple(leaf.shape for leaf in leaves))


def within(values: Array, low: int, high: int, counted: Array | None = None) -> bool:
    """Whether all values lie in [low, high]; True where they cannot be looked at.

    ``counted``: only the values where this is not 0 are looked at.
    """
    for array in (values,) if counted is None else (values, counted):
        is_known = isinstance(array, Array) and not isinstance(array, jax.core.Tracer)
        if not is_known or not array.is_fully_addressable:
            return True
    known = np.asarray(values)  # by NumPy: inside jit, jnp would trace a constant too
    if counted is not None:
        known = known[np.asarray(counted) != 0]
    return known.size == 0 or bool(low <= known.min() and known.max() <= high)


def _check_tokens(xs: Array, skips: Array | None, sizes: tuple[int, ...]) -> None:
    counted = None if skips is None else ~skips
    if len(sizes) == 1 and not within(xs, -1, sizes[0] - 1, counted=counted):
        raise ValueError(
            f"expected tokens in [0, {sizes[0]}), the input size of params, or -1 for "
            f"no input, got values from {xs.min()} to {xs.max()}; mask padding by "
            "lengths or mask"
        )


def _check_floats(cell: Cell, params: Params, xs: Array, dtype: Any) -> None:
    if not jnp.issubdtype(xs.dtype, jnp.floating):
        is_complex = jnp.issubdtype(xs.dtype, jnp.complexfloating)
        raise ValueError(
            "expected xs: floats (T, B, X) or integer tokens (T, B), "
            f"got {_show(xs)}{PARTS if is_complex else f'; cast it to {dtype}'}"
        )
    if xs.ndim != 3:
        raise ValueError(
            "expected xs of shape (T, B, X), or (T, X) without a batch, got "
            f"{_show(xs)}"
        )
    if not xs.shape[2]:
        raise ValueError(f"expected xs with at least one feature, got {_show(xs)}")
    _check_size(cell, params, xs)
    if xs.dtype != dtype:
        raise ValueError(
            f"expected xs in the dtype of params, {dtype}, got {xs.dtype}; "
            f"cast one of them, for example xs.astype({str(dtype)!r})"
        )


def _check_size(cell: Cell, params: Params, xs: Array) -> None:
    size = xs.shape[2]
    if _same_shapes(params, _shapes_of_params(cell, size)):
        return
    sizes = input_sizes(cell, params)
    if not sizes:
        raise _of_another_cell(cell, params, size)
    hint = "time comes first, features come last"
    if sizes == (1,) and xs.shape[1] == 1:
        hint = "one feature (T, B) takes an axis of its own: xs[..., None]"
    raise ValueError(
        f"expected xs of shape (T, B, {sizes[0]}) to match params "
        f"{_describe(params)}, got {xs.shape}; {hint}"
    )


def _of_another_cell(cell: Cell, params: Params, size: int) -> ValueError:
    shapes = _shapes_of_params(cell, size)
    got = _describe(params)
    if type(params) is type(shapes):
        arrays = (Array, jax.ShapeDtypeStruct, type(None))
        boxes = {type(leaf).__name__ for leaf in params if not isinstance(leaf, arrays)}
        if boxes:  # as frameworks hold their parameters
            got = f"its fields as {', '.join(sorted(boxes))}; take the arrays out"
    return ValueError(
        f"expected params as cell.init(key, {size}) makes them, {_describe(shapes)}, "
        f"got {got}"
    )


@functools.lru_cache(maxsize=256)
def _shapes_of_params(cell: Cell, size: int) -> Params:
    return jax.eval_shape(lambda: cell.init(jax.random.key(0), size))


@functools.lru_cache(maxsize=256)
def _sizes_that_fit(
    cell: Cell, structure: Any, shapes: tuple[tuple[int, ...], ...]
) -> tuple[int, ...]:
    given = jax.tree.unflatten(
        structure, [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    )
    fitting = []
    axes = {n for shape in shapes for n in shape if n}
    for size in sorted({1, *axes, *(n + 1 for n in axes), ANY}):
        try:
            made = _shapes_of_params(cell, size)
        except ValueError:  # not an input size for this cell
            continue
        if _same_shapes(given, made):
            fitting.append(size)
    return tuple(fitting)


def _same_shapes(tree: Any, expected: Any) -> bool:
    structure: Any = jax.tree.structure(tree)
    if structure != jax.tree.structure(expected):
        return False
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True)
    return all(leaf.shape == other.shape for leaf, other in pairs)


def _batch_first_hint(xs: Array, others: list[Array]) -> str:
    swapped = xs.shape[0] != xs.shape[1] and all(
        leaf.ndim and leaf.shape[0] == xs.shape[0] for leaf in others
    )
    hint = f"; did you pass xs {xs.shape} batch first? Time comes first, or say "
    return f"{hint}batch_first=True" * swapped


def _describe(tree: Any) -> str:
    """RNNState(h (5, 8)): the name and shapes of a NamedTuple, or of any pytree."""
    if hasattr(tree, "shape"):
        return str(tree.shape)
    if not hasattr(tree, "_asdict"):
        return str(jax.tree.map(lambda leaf: leaf.shape, tree))
    fields = (f"{name} {_describe(leaf)}" for name, leaf in tree._asdict().items())
    return f"{type(tree).__name__}({', '.join(fields)})"


def _show(x: Array) -> str:
    return f"{x.dtype} {x.shape}"
