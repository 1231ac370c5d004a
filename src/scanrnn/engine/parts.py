"""`collect` where a batch is cut over devices: each sums what its own part makes.

A gradient of the weights is a sum over the batch, and so over devices. Made whole for
every block of steps it needs a collective in every block. Made for each part alone,
with P parts of the batch, one a device::

    d_params[p] = Σ over blocks   collect(params, xs[p], states_prev[p], deltas[p])
    d_params    = Σ over p        d_params[p]

it needs one, behind the last block. For that the cut has to be known: explicit axes
tell it by the types of arrays, and of automatic ones that of `sr.on_all_cores`, which
cuts every batch, by its name. And `collect` has to be a sum over the batch of what it
makes of each sequence, as `Cell` asks of those that are written by hand; those that are
derived have the size of the batch in their programs.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import NamedSharding, PartitionSpec

from ..cell import Cell, Delta, Params, State
from .blocks import pick
from .mesh import CORES, Parts
from .scan import Task
from .sizes import batch_of, is_number, one_step


def parts_of(cell: Cell, task: Task) -> Parts | None:
    """The parts of the batch, where the cut is known and `collect` can be made so."""
    leaves = jax.tree.leaves(task.sequence.xs)
    have_batch = [isinstance(leaf, Array) and leaf.ndim > 1 for leaf in leaves]
    if not leaves or not all(have_batch):  # of `sr.scan`, or shapes alone
        return None
    mesh = jax.typeof(leaves[0]).sharding.mesh
    axes: tuple[str, ...] = ()
    if mesh.are_all_axes_explicit:
        axes = _axes_that_cut(task)
    elif mesh.are_all_axes_auto and mesh.axis_names == (CORES,):
        axes = (CORES,)
    found = Parts(mesh, axes)
    batch = batch_of(task)
    is_even = is_number(batch) and batch % found.count == 0
    is_known = found.count > 1 and is_even
    return found if is_known and _has_plain_deltas(cell, task) else None


def _has_plain_deltas(cell: Cell, task: Task) -> bool:
    """Whether a delta is arrays in tuples; one that was derived brings its program."""

    def one(params: Params, state: State, xs: Any) -> Any:
        after, tape = cell.step(params, state, pick(cell.project(params, xs), 0))
        return cell.pull(params, tape, after)[1]

    delta = jax.eval_shape(one, task.params, task.start, one_step(task))
    return _is_plain(jax.tree.structure(delta))


def _is_plain(structure: Any) -> bool:
    node = structure.node_data()
    is_known = node is None or issubclass(node[0], tuple | list | dict | type(None))
    return is_known and all(map(_is_plain, structure.children()))


def _axes_that_cut(task: Task) -> tuple[str, ...]:
    """The explicit axes along which all inputs are cut, and no weight is."""

    def entries(leaf: Array) -> tuple[Any, ...]:
        return tuple(jax.typeof(leaf).sharding.spec)

    found = {entries(leaf)[1] for leaf in jax.tree.leaves(task.sequence.xs)}
    axes = _names(found.pop())
    of_params = {
        name
        for leaf in jax.tree.leaves(task.params)
        for entry in entries(leaf)
        for name in _names(entry)
    }
    return () if found or of_params & set(axes) else axes


def _names(entry: Any) -> tuple[str, ...]:
    """The mesh axes in an entry of a `PartitionSpec`."""
    if entry is None:
        return ()
    return entry if isinstance(entry, tuple) else (entry,)


def collect(
    cell: Cell,
    parts: Parts | None,
    params: Params,
    xs: Any,
    states_prev: State,
    deltas: Delta,
) -> tuple[Params, Any]:
    """The cell's, d_params (P, ·) if there are parts."""
    if parts is None:
        return cell.collect(params, xs, states_prev, deltas)
    cut = (_cut(tree, parts) for tree in (xs, states_prev, deltas))
    of_each = jax.vmap(cell.collect, in_axes=(None, 1, 1, 1), out_axes=(0, 1))
    d_params, d_xs = of_each(params, *cut)
    return d_params, _whole(d_xs, parts)


def zeros_of_each(zeros: Params, parts: Parts | None) -> Params:
    """Where d_params are summed: (P, ·) if there are parts, each device with its own.

    Args:
        zeros: (·), lying as params do.
    """
    if parts is None:
        return zeros

    def of_each(leaf: Array) -> Array:
        made = jnp.zeros((parts.count, *leaf.shape), leaf.dtype)
        return _lying(made, parts, parts.axes, *jax.typeof(leaf).sharding.spec)

    return jax.tree.map(of_each, zeros)


def joined(d_params: Params, parts: Parts | None) -> Params:
    """d_params (·): over the parts."""
    return d_params if parts is None else jax.tree.map(lambda d: d.sum(0), d_params)


def _cut(tree: Any, parts: Parts) -> Any:
    """Arrays (K, B, ...) as (K, P, B / P, ...)."""

    def cut(leaf: Array) -> Array:
        first, size, *rest = leaf.shape
        shape = first, parts.count, size // parts.count, *rest
        before, _, *behind = jax.typeof(leaf).sharding.spec
        # A mask that was drawn for all may be whole on every device.
        leaf = _lying(leaf, parts, before, parts.axes, *behind)
        return _reshaped(leaf, shape, parts, before, parts.axes, None, *behind)

    return jax.tree.map(cut, tree)


def _whole(tree: Any, parts: Parts) -> Any:
    """The inverse of `_cut`."""

    def whole(leaf: Array) -> Array:
        first, count, size, *rest = leaf.shape
        before, _, _, *behind = jax.typeof(leaf).sharding.spec
        shape = first, count * size, *rest
        return _reshaped(leaf, shape, parts, before, parts.axes, *behind)

    return jax.tree.map(whole, tree)


def _reshaped(leaf: Array, shape: tuple[int, ...], parts: Parts, *spec: Any) -> Array:
    if not parts.mesh.explicit_axes:
        return _lying(leaf.reshape(shape), parts, *spec)
    sharding = NamedSharding(parts.mesh, PartitionSpec(*spec))
    return leaf.reshape(shape, out_sharding=sharding)


def _lying(leaf: Array, parts: Parts, *spec: Any) -> Array:
    """The array so cut; along automatic axes the compiler is told so."""
    sharding = NamedSharding(parts.mesh, PartitionSpec(*spec))
    if not parts.mesh.explicit_axes:
        return lax.with_sharding_constraint(leaf, sharding)
    is_there = jax.typeof(leaf).sharding == sharding
    return leaf if is_there else jax.sharding.reshard(leaf, sharding)
