"""What the libraries computed, and how each of their layers is read and written."""

import ast
import functools
import pathlib
from typing import Any, NamedTuple

import numpy as np

from scanrnn import interop
from scanrnn.interop import maps


class Case(NamedTuple):
    """One layer of a library: values and gradients, by the library itself."""

    weights: dict[str, np.ndarray]  # by the library's names, nested ones with /
    gradients: dict[str, np.ndarray]  # by each of them
    outputs: np.ndarray  # (T, B, H), or 2H of both directions
    final: np.ndarray  # (fields, readers, B, H)
    d_xs: np.ndarray
    d_start: np.ndarray  # as final


@functools.cache
def golden() -> tuple[dict[str, np.ndarray], dict[str, Case]]:
    """What all cases share (xs, start, d_outputs, d_final), and the cases by name."""
    path = pathlib.Path(__file__).parent / "golden/golden.npz"
    with np.load(path) as file:
        shapes = [ast.literal_eval(shape) for shape in file["shapes"]]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        parts = np.split(file["values"], ends[:-1])
        arrays = {
            str(name): part.reshape(shape)
            for name, part, shape in zip(file["names"], parts, shapes, strict=True)
        }
    shared = {k: v for k, v in arrays.items() if ":" not in k}
    names = {key.partition(":")[0] for key in arrays} - set(shared)
    found: dict[str, dict[str, Any]] = {name: {} for name in sorted(names)}
    for key, array in arrays.items():
        name, _, field = key.partition(":")
        field, _, weight = field.partition(":")
        if weight:
            found[name].setdefault(field, {})[weight] = array
        elif field:
            found[name][field] = array
    return shared, {name: Case(**fields) for name, fields in found.items()}


def nested(arrays):
    """The two levels of Flax and of Haiku, where modules have / in their names."""
    tree = {}
    for path, array in arrays.items():
        module, _, leaf = path.rpartition("/")
        tree.setdefault(module, {})[leaf] = array
    return tree


def flat(tree):
    return {
        f"{m}/{leaf}": a for m, leaves in tree.items() for leaf, a in leaves.items()
    }


def read(name, weights):
    """The net and the params that the library's weights are."""
    library, _, *words = name.split()
    relu = {"activation": "relu"} if "relu" in words else {}
    if library == "torch":
        return interop.from_torch(weights, **relu)
    if library == "keras":
        before = {"reset_after": False} if "before" in words else {}
        both = {"merge_mode": "concat"} if "both" in words else {}
        in_order = [weights[k] for k in sorted(weights)]
        return interop.from_keras(in_order, **relu, **before, **both)
    if library == "flax":
        return interop.from_flax(nested(weights), **relu)
    if library == "haiku":
        return interop.from_haiku(nested(weights), "core")
    return interop.from_equinox(weights)


def write(name, net, params, **options):
    """The library's weights, by the names that they have in a `Case`."""
    library, layer, *words = name.split()
    if library == "torch":
        return interop.to_torch(net, params, as_cell="cell" in words, **options)
    if library == "keras":
        weights = interop.to_keras(net, params, **options)
        return {str(k): array for k, array in enumerate(weights)}
    if library == "flax":
        return flat(interop.to_flax(net, params, layer, **options))
    if library == "haiku":
        double = {"double_bias": "double" in words}
        return flat(interop.to_haiku(net, params, "core", **double, **options))
    return interop.to_equinox(net, params, **options)


def row_of(name):
    """The row of the table that a case is of."""
    library, layer, *words = name.split()
    layer = layer.removesuffix("Cell") if library == "torch" else layer
    rows = [row for row in maps.maps_of(library) if f".{layer}" in row.name]
    options = {
        "GRU": f"reset_after={'before' not in words}",
        "VanillaRNN": f"double_bias={'double' in words}",
    }
    if len(rows) > 1:  # told apart by an option in brackets
        rows = [row for row in rows if options[layer] in row.name]
    (row,) = rows
    return row


def by_row(name, weights):
    """The weights of a case of one reader, by the names in its row."""
    if name.startswith("keras"):
        return dict(zip(row_of(name).arrays, weights.values(), strict=False))
    return {
        k.removeprefix("core/").removesuffix("_l0"): array
        for k, array in weights.items()
    }
