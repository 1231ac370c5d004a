"""The primitives that move the entries of arrays, in NumPy; entries may be anything."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

from .modular import Field, Numbers, Refusal

Index = tuple[int, ...]


def _broadcast(parameters: Any, x: Numbers, *_: Any) -> Numbers:
    shape, axes = parameters["shape"], parameters["broadcast_dimensions"]
    inner = [1] * len(shape)
    for size, axis in zip(x.shape, axes, strict=True):
        inner[int(axis)] = size
    return np.broadcast_to(x.reshape(inner), shape)


def _slice(parameters: Any, x: Numbers) -> Numbers:
    strides = parameters["strides"] or [1] * x.ndim
    bounds = zip(
        parameters["start_indices"], parameters["limit_indices"], strides, strict=True
    )
    return x[tuple(slice(*(int(b) for b in axis)) for axis in bounds)]


def _split(parameters: Any, x: Numbers) -> list[Numbers]:
    ends = np.cumsum([int(size) for size in parameters["sizes"]])
    return np.split(x, ends[:-1], axis=parameters["axis"])


def _pad(parameters: Any, x: Numbers, padding: Numbers) -> Numbers:
    for axis, (low, high, inner) in enumerate(parameters["padding_config"]):
        low, high, inner = int(low), int(high), int(inner)
        size = x.shape[axis]
        spread = size + max(size - 1, 0) * inner
        shape = list(x.shape)
        shape[axis] = max(low, 0) + spread + max(high, 0)
        made = np.full(shape, padding[()], x.dtype)
        at = [slice(None)] * x.ndim
        at[axis] = slice(max(low, 0), max(low, 0) + spread, inner + 1)
        made[tuple(at)] = x
        at[axis] = slice(max(-low, 0), shape[axis] - max(-high, 0))
        x = made[tuple(at)]
    return x


MOVES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda p, *xs: np.concatenate(xs, axis=p["dimension"]),
    "copy": lambda p, x: x,
    "copy_p": lambda p, x: x,
    "expand_dims": lambda p, x: np.expand_dims(x, tuple(p["dimensions"])),
    "optimization_barrier": lambda p, *xs: list(xs),
    "pad": _pad,
    "pvary": lambda p, *xs: list(xs),
    "reshape": lambda p, x: x.reshape([int(size) for size in p["new_sizes"]]),
    "rev": lambda p, x: np.flip(x, tuple(p["dimensions"])),
    "slice": _slice,
    "split": _split,
    "squeeze": lambda p, x: np.squeeze(x, tuple(p["dimensions"])),
    "transpose": lambda p, x: np.transpose(x, p["permutation"]),
}


# Indexed by integers, which are known.


def whole_numbers(index: Any) -> Numbers:
    """An index, refused if it comes from floats."""
    if isinstance(index, Field):
        raise Refusal("an index that depends on the value of a float")
    return np.asarray(index)


def clamped(
    shape: Sequence[int], sizes: Sequence[int], starts: Sequence[Numbers]
) -> tuple[slice, ...]:
    """The slices of `jax.lax.dynamic_slice`, moved inside the array."""
    axes = zip(shape, sizes, starts, strict=True)
    first = [(int(np.clip(at, 0, whole - size)), size) for whole, size, at in axes]
    return tuple(slice(at, at + size) for at, size in first)


def gather(p: Any, x: Numbers, starts: Numbers) -> Numbers:
    """The entries that `jax.lax.gather` takes."""
    d = p["dimension_numbers"]
    batch = [size for size in starts.shape[:-1]]
    kept = _kept(x.ndim, d.collapsed_slice_dims, d.operand_batching_dims)
    window = [int(p["slice_sizes"][axis]) for axis in kept]
    made = np.empty(_interleave(batch, window, d.offset_dims), object)
    for at, target in _targets(
        made.shape,
        d.offset_dims,
        kept,
        d.start_index_map,
        (d.operand_batching_dims, d.start_indices_batching_dims),
        starts,
        x.shape,
        p["slice_sizes"],
        p["mode"],
    ):
        if target is None:
            raise Refusal("an index out of range")
        made[at] = x[target]
    return made


def scatter_add(
    p: Any, x: Numbers, starts: Numbers, updates: Numbers
) -> tuple[Numbers, int]:
    """The result of `jax.lax.scatter_add`; and the most terms that an entry got."""
    d = p["dimension_numbers"]
    kept = _kept(x.ndim, d.inserted_window_dims, d.operand_batching_dims)
    sizes = [1] * x.ndim
    for axis, dim in zip(kept, d.update_window_dims, strict=True):
        sizes[axis] = updates.shape[dim]
    made, terms = x.copy(), np.zeros(x.shape, int)
    for at, target in _targets(
        updates.shape,
        d.update_window_dims,
        kept,
        d.scatter_dims_to_operand_dims,
        (d.operand_batching_dims, d.scatter_indices_batching_dims),
        starts,
        x.shape,
        sizes,
        p["mode"],
    ):
        if target is not None:
            made[target] += updates[at]
            terms[target] += 1
    return made, int(terms.max(initial=0))


def _kept(ndim: int, dropped: Sequence[int], batching: Sequence[int]) -> list[int]:
    return [axis for axis in range(ndim) if axis not in (*dropped, *batching)]


def _interleave(batch: list[int], window: list[int], dims: Sequence[int]) -> Index:
    sizes, rest = dict(zip(dims, window, strict=True)), iter(batch)
    return tuple(
        sizes[axis] if axis in sizes else next(rest)
        for axis in range(len(batch) + len(window))
    )


def _targets(
    shape: Sequence[int],
    window_dims: Sequence[int],
    kept: Sequence[int],
    start_map: Sequence[int],
    batching: tuple[Sequence[int], Sequence[int]],
    starts: Numbers,
    whole: Sequence[int],
    sizes: Sequence[int],
    mode: Any,
) -> Iterator[tuple[Index, Index | None]]:
    """Every index of a window's array, with the index that it means in the operand.

    A window that does not fit is moved inside (clip), or its indices are None.
    """
    limit = np.array(whole) - np.array(sizes)
    clip = GatherScatterMode.from_any(mode) == GatherScatterMode.CLIP
    for at in np.ndindex(*shape):
        batch = tuple(i for axis, i in enumerate(at) if axis not in window_dims)
        first = np.zeros(len(whole), int)
        first[list(start_map)] = starts[batch]
        for axis, dim in zip(*batching, strict=True):
            first[axis] = batch[dim]
        fits = bool(np.all((first >= 0) & (first <= limit)))
        if clip:
            first = np.clip(first, 0, limit)
        for axis, dim in zip(kept, window_dims, strict=True):
            first[axis] += at[dim]
        yield at, tuple(map(int, first)) if clip or fits else None
