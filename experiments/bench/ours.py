"""The ways back of scanrnn, as contestants."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding
from shared.study import CELLS

import scanrnn as sr

from .cases import Case
from .contestants import Contestant, Layout, Loss, batch_at, by_jax, mesh_of

WAYS: dict[str, sr.Backward] = {
    "Stored": sr.Stored(),
    "Recomputed": sr.Recomputed(),
    "Checkpointed": sr.Checkpointed(),
    "Autodiff": sr.Autodiff(),
}


def way_loss(
    cell: sr.Cell, way: sr.Backward, *, of_final: bool = False, unroll: int = 1
) -> Loss:
    """The loss of a case, with a way back of scanrnn.

    It reads all outputs, or the final state alone.
    """

    def loss(params: Any, xs: Array, weights: Array) -> Array:
        run = sr.unroll(cell, params, xs, backward=way, unroll=unroll)
        if of_final:
            return jnp.sum(run.final.h * weights[-1])
        return jnp.sum(run.outputs * weights)

    return loss


def taken_for(case: Case, layout: Layout = Layout()) -> str:
    """The way that is taken where nothing is said."""
    cell = CELLS[case.cell](case.H)
    dtype = jnp.dtype(case.dtype)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), case.X, dtype))
    size = (case.T, case.B)
    floats = jax.ShapeDtypeStruct((*size, case.X), dtype)
    xs: Any = jax.ShapeDtypeStruct(size, "int32") if case.tokens else floats
    found = []

    def choose(params: Any, xs: Any) -> None:
        found.append(type(sr.Fastest().choose(cell, params, xs)).__name__)

    if layout.devices > 1 and not layout.mapped:
        cut = NamedSharding(mesh_of(layout), batch_at(1))
        xs = jax.ShapeDtypeStruct(xs.shape, xs.dtype, sharding=cut)
    jax.jit(choose).lower(params, xs)
    return found[0]


def ours(case: Case, layout: Layout = Layout()) -> list[Contestant]:
    """Every way back of scanrnn."""
    cell = CELLS[case.cell](case.H)
    taken = "" if layout.mapped else taken_for(case, layout)
    return [
        Contestant(
            name=layout.named(name),
            group="scan" if name == "Autodiff" else "ours",
            build=by_jax(way_loss(cell, way), layout=layout),
            cell=cell,
            layout=layout,
            as_it_comes=name == taken,
        )
        for name, way in WAYS.items()
        if layout.devices == 1 or name != "Autodiff"  # sharded, it is the hoisted scan
    ]
