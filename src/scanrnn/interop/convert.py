"""Arrays of theirs to params of ours and back, by a row of the table."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ..cell import Cell, Params
from ..engine.values import one_of, shown
from .blocks import Floats, Place, join, parse, split
from .kinds import check_params, kind_of, option
from .maps import Map, is_bias
from .recognise import Arrays, floats, measured


def read(row: Map, arrays: Arrays) -> Params:
    """Params of ours, from arrays that the row is recognised by.

    What stands in two places is summed; a bias that theirs lacks is 0, and None where
    theirs has no biases at all.
    """
    sizes = measured(row, arrays)
    assert sizes is not None  # recognised
    sums: dict[Place, Floats] = {}
    for name, array in arrays.items():
        for block, ours in split(parse(row.arrays[name]), array, sizes):
            old = sums.get(block.place)
            sums[block.place] = ours if old is None else old + ours
    has_biases = len(arrays) > len(row.weights)
    zeros = np.zeros(sizes["H"], next(iter(arrays.values())).dtype)

    def leaf(name: str) -> Floats | None:
        if name in ("b", "b_hn") and not has_biases:
            return None
        parts = [sums.get((name, gate), zeros) for gate in row.kind.gates_of(name)]
        return np.concatenate(parts, axis=-1)

    return row.kind.params(*map(leaf, row.kind.params._fields))


def cell_and_params(
    row: Map, arrays: Arrays, activation: str | None = None
) -> tuple[Cell, Params]:
    """The cell that the arrays are of, and its params as JAX arrays.

    Raises:
        ValueError: if an activation is given that the layer does not have.
    """
    options = dict(row.kind.options)
    if row.cell == "rnn":
        told = row.activation or "tanh" if activation is None else activation
        options["activation"] = one_of("activation", told, ("tanh", "relu"))
    elif activation is not None:
        raise ValueError(
            f"expected no activation with the arrays of {row.name}, got "
            f"{shown(activation)}: its cell has tanh and the logistic function alone"
        )
    params = read(row, arrays)
    has_biases = params.b is not None
    cell = row.kind.factory(len(params.w_h), bias=has_biases, **options)
    return cell, jax.tree.map(jnp.asarray, params)


def row_for(cell: Cell, rows: Sequence[Map]) -> Map:
    """The first of their layers that computes what the cell does.

    Raises:
        ValueError: if there is none.
    """
    kind = kind_of(cell)
    activation = option(cell, "activation", "tanh")
    for row in rows:
        if row.cell == kind and row.activation in (None, activation):
            return row
    layers = ", ".join(f"{row.name} ({row.kind.told()})" for row in rows)
    relu = "" if rows[0].activation is None else ' with activation="relu"'
    raise ValueError(f"cannot write {cell!r} as {layers}{relu}")


def write(row: Map, cell: Cell, params: Params, *, gradients: bool = False) -> Arrays:
    """New arrays of theirs from params of ours.

    Where two of theirs are summed, the first has ours and the second is 0. Of
    gradients, both have ours: what a sum passes back to its terms. They are without
    the shifts, so that this is the transpose of `read`.

    Raises:
        ValueError: if the params are not of the cell, or theirs has no place for one.
    """
    check_params(cell, params)
    ours = _blocks(row, params, gradients)
    used: set[Place] = set()
    arrays: Arrays = {}
    for name, text in row.arrays.items():
        grid, blocks = parse(text), []
        if is_bias(text) and params.b is None and row.biases == "optional":
            continue
        for block in (block for line in grid.rows for block in line):
            part = ours[block.place]
            if block.place in used and not gradients:
                part = np.zeros_like(part)
            used.add(block.place)
            blocks.append(block.theirs(part, linear=gradients))
        arrays[name] = join(grid, blocks)
    return arrays


def _blocks(row: Map, params: Params, gradients: bool) -> dict[Place, Floats]:
    """Our leaves gate by gate; a missing bias is 0."""
    places = {p for text in row.arrays.values() for p in parse(text).places}
    leaves = {k: a for k, a in params._asdict().items() if a is not None}
    blocks: dict[Place, Floats] = {}
    for leaf, array in floats(leaves).items():
        gates = row.kind.gates_of(leaf)
        parts = np.split(array, len(gates), axis=-1)
        blocks |= {(leaf, gate): p for gate, p in zip(gates, parts, strict=True)}
    lost = [leaf for leaf, gate in blocks.keys() - places if blocks[leaf, gate].any()]
    if lost and not gradients:
        raise ValueError(
            f"cannot write {', '.join(sorted(set(lost)))} as {row.name}, which has no "
            "place for it: expected zeros"
        )
    zeros = np.zeros(params.w_h.shape[0], params.w_h.dtype)
    return {place: blocks.get(place, zeros) for place in places}
