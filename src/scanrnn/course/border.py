"""Where the exercise's arrays become the library's, and back; and its errors."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from ..cell import Cell, Params, State, Tape

Floats: TypeAlias = NDArray[Any]
Parameters: TypeAlias = Mapping[str, ArrayLike]
Cache: TypeAlias = tuple[Any, ...]
Caches: TypeAlias = tuple[list[Cache], Floats]
Gradients: TypeAlias = dict[str, Floats]

P = ParamSpec("P")
R = TypeVar("R")

GATES = "ifco"  # the library's order i, f, g, o, in the exercise's letters

STATE = ("n_a", "m")  # the axes of whatever is not listed here
AXES = {
    "x": ("n_x", "m", "T_x"),
    "da": ("n_a", "m", "T_x"),
    "xt": ("n_x", "m"),
    "Wax": ("n_a", "n_x"),
    "Waa": ("n_a", "n_a"),
    **dict.fromkeys(["ba", "b"], ("n_a", "1")),
    **dict.fromkeys([f"W{gate}" for gate in GATES], ("n_a", "n_a + n_x")),
    **dict.fromkeys([f"b{gate}" for gate in GATES], ("n_a", "1")),
    "Wya": ("n_y", "n_a"),
    "Wy": ("n_y", "n_a"),
    "by": ("n_y", "1"),
}


def in_float64(function: Callable[P, R]) -> Callable[P, R]:
    """Runs with x64 on, so that what comes in float64 stays float64."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped


def columns(rows: Array) -> Floats:
    """The library's (B, n) as a new (n, m)."""
    return np.array(np.asarray(rows).T, order="C")


def rows(columns: Floats) -> Array:
    """The exercise's (n, m) as (B, n)."""
    return jnp.asarray(columns.T)


def flat(column: Floats) -> Array:
    """A bias (n, 1) as (n,)."""
    return jnp.asarray(column[:, 0])


def column(bias: Array | None) -> Floats:
    """A bias (n,) as a new (n, 1)."""
    assert bias is not None  # the exercise has one everywhere
    return columns(bias[None])


@functools.partial(jax.jit, static_argnums=0)
def step_back(
    cell: Cell, params: Params, xs: Array, prev: State, tape: Tape, d_state: State
) -> tuple[State, Params, Array | None]:
    """One step of the cell back: d_state_prev, d_params, d_xs."""
    d_prev, delta = cell.pull(params, tape, d_state)
    return d_prev, *cell.collect(params, xs, prev, delta)


def sum_steps(latest_first: Sequence[Gradients]) -> Gradients:
    """The gradients of all steps as those of the sequence."""
    dx = np.stack([step["dxt"] for step in reversed(latest_first)], axis=2)
    gradients = {"dx": dx, "da0": latest_first[-1]["da_prev"]}
    for name in latest_first[0]:
        if name[:2] in ("dW", "db"):
            gradients[name] = np.sum([step[name] for step in latest_first], axis=0)
    return gradients


def floats(values: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """New arrays of one dtype, float32 or float64."""
    arrays = {name: np.asarray(value) for name, value in values.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(f"expected {name}, an array of numbers, got {array.dtype}")
    dtype = np.result_type(np.float32, *arrays.values())
    return {name: array.astype(dtype) for name, array in arrays.items()}


def read(
    parameters: Parameters, names: Sequence[str], /, **values: ArrayLike
) -> dict[str, Floats]:
    """``values``, then what ``names`` of the parameters hold; shapes checked."""
    if not isinstance(parameters, Mapping):
        raise ValueError(
            f"expected parameters, a dictionary with {', '.join(names)}, "
            f"got a {type(parameters).__name__}"
        )
    missing = [name for name in names if name not in parameters]
    if missing:
        raise ValueError(
            f"expected parameters with {', '.join(names)}, got "
            f"{', '.join(sorted(parameters)) or 'none'}; add {', '.join(missing)}"
        )
    arrays = floats(values | {name: parameters[name] for name in names})
    check_shapes(arrays)
    return arrays


def check_shapes(arrays: Mapping[str, Floats]) -> None:
    """Every array has its axes; the first to name a size settles it."""
    sizes = {"1": 1}
    for name, array in arrays.items():
        axes = AXES.get(name, STATE)
        if array.ndim == len(axes):
            for axis, size in zip(axes, array.shape, strict=True):
                if "+" not in axis:
                    sizes.setdefault(axis, size)
        known = [_size(axis, sizes) for axis in axes]
        if array.shape != tuple(known):
            numbers = "" if None in known else f" = ({', '.join(map(str, known))})"
            raise ValueError(
                f"expected {name} of shape ({', '.join(axes)}){numbers}, "
                f"got {array.shape}"
            )


def _size(axis: str, sizes: Mapping[str, int]) -> int | None:
    parts = [sizes.get(part) for part in axis.split(" + ")]
    return None if None in parts else sum(part for part in parts if part)


def open_cache(cache: Cache, names: Sequence[str]) -> tuple[dict[str, Any], Parameters]:
    """The arrays of a cache by name, xt and a_prev first; and the parameters."""
    check_tuple("cache", cache, (*names, "parameters"))
    held = dict(zip(names, cache[:-1], strict=True))
    return {"xt": held["xt"], "a_prev": held["a_prev"]} | held, cache[-1]


def check_tuple(what: str, value: Any, names: Sequence[str]) -> None:
    """A tuple (or list) of as many items as there are names."""
    if not isinstance(value, tuple | list) or len(value) != len(names):
        count = f" of {len(value)}" if isinstance(value, tuple | list) else ""
        raise ValueError(
            f"expected {what} = ({', '.join(names)}), got a "
            f"{type(value).__name__}{count}"
        )


def check_steps(name: str, **values: ArrayLike) -> dict[str, Floats]:
    """The arrays that come for a whole sequence; ``name`` has at least one step."""
    arrays = floats(values)
    check_shapes(arrays)
    if arrays[name].shape[2] == 0:
        raise ValueError(
            f"expected {name} of at least one step, got {arrays[name].shape}"
        )
    return arrays


def check_way_back(da: ArrayLike, caches: Caches) -> tuple[Floats, Sequence[Cache]]:
    """The arguments of a sequence backward: da, and the caches of the steps."""
    d_a = check_steps("da", da=da)["da"]
    check_tuple("caches", caches, ("list", "x"))
    if d_a.shape[2] > len(caches[0]):
        raise ValueError(
            f"expected da of at most {len(caches[0])} steps, as many as the caches "
            f"hold, got {d_a.shape}"
        )
    return d_a, caches[0]
