"""Which layer arrays are of, told by their names and shapes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from ..engine.values import shown
from .blocks import Floats, letters, measure, parse, shape
from .maps import REFUSED, Map

Arrays: TypeAlias = dict[str, Floats]


def floats(given: Mapping[str, Any]) -> Arrays:
    """What numpy.asarray makes of them: floats of one dtype.

    Raises:
        ValueError: if they are not.
    """
    arrays: Arrays = {}
    for name, value in given.items():
        try:
            arrays[name] = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"expected {name}, an array that numpy.asarray takes, got "
                f"{shown(value)}: {error}; a tensor is to be on the CPU, without a "
                "gradient and not bfloat16; under jit nothing can be converted"
            ) from error
    dtypes = {array.dtype for array in arrays.values()}
    if len(dtypes) > 1 or not all(jnp.issubdtype(d, jnp.floating) for d in dtypes):
        raise ValueError(
            "expected arrays of floats of one dtype, got "
            + ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        )
    return arrays


def recognise(rows: Sequence[Map], arrays: Arrays, where: str = "") -> Map:
    """The row whose arrays have these names and shapes.

    Args:
        rows: those that come into question, of one library.
        arrays: of one layer in one direction.
        where: what to say in an error about their place, such as " in layer 1".

    Raises:
        ValueError: if there is none.
    """
    library = rows[0].name.split(".")[0]
    for (of, name), reason in REFUSED.items():
        if of == library and name in arrays:
            raise ValueError(f"cannot represent {name}{where}: it is of {reason}")
    named = [row for row in rows if set(arrays) in _sets(row)]
    for row in named:
        if _fits(row, arrays):
            return row
    if not named:
        raise _unknown_names(rows, arrays, where)
    wanted = " or ".join(_told(row, arrays) for row in named)
    got = ", ".join(f"{k} {a.shape}" for k, a in arrays.items())
    raise ValueError(f"expected {wanted}{where}; got {got}")


def _sets(row: Map) -> list[set[str]]:
    """The names that may come together."""
    bare = [set(row.weights)] if row.biases == "optional" else []
    return [set(row.arrays), *bare]


def measured(row: Map, arrays: Arrays) -> dict[str, int] | None:
    """X and H, told by the array that holds w_x; None if its shape is none of these."""
    name = next(k for k, told in row.arrays.items() if "w_x" in parse(told).leaves)
    return measure(parse(row.arrays[name]), arrays[name].shape)


def _fits(row: Map, arrays: Arrays) -> bool:
    sizes = measured(row, arrays)
    return sizes is not None and all(
        array.shape == shape(parse(row.arrays[k]), sizes) for k, array in arrays.items()
    )


def _told(row: Map, arrays: Iterable[str]) -> str:
    shapes = (f"{k} {letters(parse(row.arrays[k]))}" for k in arrays)
    return f"{row.name} ({', '.join(shapes)})"


def _unknown_names(rows: Sequence[Map], arrays: Arrays, where: str) -> ValueError:
    """Told by the row that has the most names of these."""
    closest = max(rows, key=lambda row: len(set(arrays) & set(row.arrays)))
    if not set(arrays) & set(closest.arrays):
        known = "; ".join(f"{row.name}: {', '.join(row.arrays)}" for row in rows)
        return ValueError(
            f"expected the arrays of one of {known}; got{where} "
            f"{', '.join(map(str, arrays)) or 'none'}"
        )
    missing = [k for k in closest.arrays if k not in arrays]
    unknown = [k for k in arrays if k not in closest.arrays]
    odd = [f"{', '.join(missing)} missing"] if missing else []
    odd += [f"{', '.join(unknown)} not known"] if unknown else []
    return ValueError(
        f"expected the arrays of {closest.name}: {', '.join(closest.arrays)}; got"
        f"{where} {', '.join(arrays)}: {' and '.join(odd)}"
    )


def flat(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by path: outer/inner."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{name}/")
        else:
            yield f"{path}{name}", value


def mapping(value: Any, hint: str) -> Mapping[str, Any]:
    """The value, a dictionary; the hint tells which, if it is none."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a dictionary, {hint}, got {shown(value)}")
    return value


def text(name: str, value: Any) -> str:
    """The value, a text."""
    if not isinstance(value, str):
        raise ValueError(f"expected {name}, a text, got {shown(value)}")
    return value
