"""How values meet a mesh: what the engine makes itself must lie where the data lie.

Under ``jit`` with automatic axes nothing here does anything; XLA decides. With
explicit axes, and inside ``jax.shard_map``, every array carries in its type how it
lies on the mesh, and a zero state made here must carry what the inputs carry.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
from jax import Array, lax
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec

Tree = TypeVar("Tree")

# An automatic axis tells nothing of what it cuts, but for that of `sr.on_all_cores`.
CORES = "cores"


@dataclasses.dataclass(frozen=True)
class Parts:
    """A batch that is cut over devices."""

    mesh: AbstractMesh
    axes: tuple[str, ...]  # of the mesh, along which it is cut

    @property
    def count(self) -> int:
        """P."""
        return math.prod(self.mesh.shape[axis] for axis in self.axes)


def count_of(parts: Parts | None) -> int:
    """P; 1 where the batch is not known to be cut."""
    return 1 if parts is None else parts.count


@contextlib.contextmanager
def mesh_of(tree: Any) -> Iterator[None]:
    """Within it, zeros that are made without jit can be cut as the arrays of the tree.

    Under jit the types of arrays tell their mesh. Outside, where explicit axes come
    with the arrays alone, a mesh has to be set; one that is set stays.
    """
    placed = (
        leaf.sharding.mesh
        for leaf in jax.tree.leaves(tree)
        if isinstance(leaf, Array)
        and not isinstance(leaf, jax.core.Tracer)
        and isinstance(leaf.sharding, NamedSharding)
        and leaf.sharding.mesh.explicit_axes
    )
    mesh: Any = next(placed, None)
    with contextlib.ExitStack() as stack:
        if mesh is not None and jax.sharding.get_abstract_mesh().empty:
            # Within a trace no mesh can be set; there the types tell it.
            with contextlib.suppress(ValueError):
                stack.enter_context(jax.set_mesh(mesh))
        yield


def varying_axes(tree: Any) -> frozenset[str]:
    """The mesh axes of a surrounding ``shard_map`` along which values differ."""
    leaves = [jax.typeof(leaf) for leaf in jax.tree.leaves(tree)]
    return frozenset().union(*(leaf.manual_axis_type.varying for leaf in leaves))


def vary_along(tree: Tree, axes: frozenset[str]) -> Tree:
    """The same values, declared to vary along ``axes`` of a ``shard_map``.

    The transpose of this declaration is the sum over devices. So weights declared
    here, outside a hand-derived rule, get the one all-reduce of their gradient from
    JAX, and the rule itself stays free of collectives.
    """

    def vary(leaf: Array) -> Array:
        missing = tuple(sorted(axes - varying_axes(leaf)))
        return lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(vary, tree)


def zeros_over(length: int, aval: Any) -> Array:
    """Zeros (length, *shape), lying on the mesh as a value of the given type does.

    Args:
        aval: as `jax.typeof` and the ``out_avals`` of a jaxpr tell it.
    """
    sharding = aval.sharding
    spec = PartitionSpec(None, *sharding.spec)
    explicit = sharding.update(spec=spec) if sharding.mesh.explicit_axes else None
    zeros = lax.full((length, *aval.shape), 0, aval.dtype, sharding=explicit)
    if explicit is not None and jax.typeof(zeros).sharding != explicit:
        zeros = jax.sharding.reshard(zeros, explicit)  # jax 0.12 where no mesh is set
    return vary_along(zeros, aval.manual_axis_type.varying)


def is_spread(tree: Any) -> bool:
    """Whether values may be cut over devices behind JAX's back, or before its eyes.

    Inside a ``shard_map`` they are not: there every device works on its own.
    """
    arrays = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, Array)]
    meshes = (jax.typeof(leaf).sharding.mesh for leaf in arrays)
    return any(mesh.size > 1 and not mesh.are_all_axes_manual for mesh in meshes)


def is_explicit(tree: Any) -> bool:
    """Whether some array tells by its type how it is cut over devices."""
    leaves = map(jax.typeof, jax.tree.leaves(tree))
    return any(leaf.sharding.mesh.explicit_axes for leaf in leaves)


def lie_like(tree: Any, like: Any) -> Any:
    """Every leaf cut over devices as its counterpart is, for explicit axes.

    Args:
        like: arrays, or what `jax.typeof` tells of them; None stays None.
    """

    def lie(leaf: Array, other: Any) -> Array:
        wanted = (jax.typeof(other) if isinstance(other, Array) else other).sharding
        if not wanted.mesh.explicit_axes or jax.typeof(leaf).sharding == wanted:
            return leaf
        return jax.sharding.reshard(leaf, wanted)

    return None if tree is None else jax.tree.map(lie, tree, like)
