"""A symmetric linear map of the tangents of params, as a value that is called."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from ..engine.arrays import as_array, as_arrays
from ..engine.products import wide
from ..engine.values import shown

Tree = TypeVar("Tree")


class Domain(NamedTuple):
    """What a tangent must look like."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], Any], ...]  # shape and dtype of each

    @property
    def size(self) -> int:
        return sum(math.prod(shape) for shape, _ in self.leaves)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The widest of the leaves."""
        return max((np.dtype(d) for _, d in self.leaves), key=lambda d: d.itemsize)

    def zeros(self) -> Any:
        return self.structure.unflatten([jnp.zeros(*leaf) for leaf in self.leaves])

    def check(self, v: Any) -> Any:
        """The leaves of v as arrays; an error if it is not like params."""
        structure = jax.tree.structure(v)
        if structure != self.structure:
            raise ValueError(
                f"expected v like params, {self.structure}, got {structure}"
            )
        v = as_arrays("v", v)
        leaves = zip(jax.tree.leaves_with_path(v), self.leaves, strict=True)
        for (path, leaf), (shape, dtype) in leaves:
            if (leaf.shape, leaf.dtype) != (shape, dtype):
                raise ValueError(
                    f"expected v{jax.tree_util.keystr(path)} like params, {dtype} "
                    f"{shape}, got {shown(leaf)}"
                )
        return v


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Curvature:
    """A symmetric linear map of the tangents of params, A + damping · 1.

    What `gauss_newton` and `hvp` return. Called with a tree like params it returns one
    like params. It is a pytree that holds the linearisation: it may be made within one
    jitted function and used in another, `jax.vmap` goes over it, and what the same
    compiled function makes is called without being compiled again.

    To other libraries it is a square matrix of ``shape`` (n, n) and ``dtype``, n the
    number of params, whose ``matvec`` takes and returns flat vectors in the order of
    `jax.flatten_util.ravel_pytree`: `scipy.sparse.linalg.eigsh(operator)` runs, and
    `jax.vmap(operator.matvec)(jnp.eye(n))` is the matrix, where there is room for it.

    Fields:
        linear: v -> A v, without the damping.
        damping: a number.
        domain: the structure, shapes and dtypes of a tangent.
    """

    linear: Callable[[Any], Any]
    damping: Array
    domain: Domain = dataclasses.field(metadata={"static": True})

    def __call__(self, v: Tree) -> Tree:
        """A v + damping · v; compiled.

        Raises:
            ValueError: if v is not like params: another tree, shape or dtype.
        """
        return _product(self, self.domain.check(v))

    def __add__(self, damping: ArrayLike) -> "Curvature":
        """The same with more damping: A + (damping before + damping) · 1.

        Raises:
            ValueError: if it is not one real number.
        """
        more = as_array("damping", damping)
        if more.shape or more.dtype == bool or jnp.iscomplexobj(more):
            raise ValueError(f"expected damping, one real number, got {shown(damping)}")
        total = self.damping + more.astype(self.damping.dtype)
        return dataclasses.replace(self, damping=total)

    __radd__ = __add__

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n), n the number of params."""
        return self.domain.size, self.domain.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the flat vectors: the widest of the params'."""
        return self.domain.dtype

    def matvec(self, v: ArrayLike) -> Array:
        """A v + damping · v of flat vectors, (n,) to (n,); compiled.

        Raises:
            ValueError: if v is not n real numbers.
        """
        flat, n = as_array("v", v), self.domain.size
        if flat.shape not in ((n,), (n, 1)) or jnp.iscomplexobj(flat):
            raise ValueError(f"expected v: {n} real numbers, got {shown(v)}")
        return _flat_product(self, flat.reshape(n).astype(self.dtype))


def undamped(linear: Callable[[Any], Any], params: Any) -> Curvature:
    """The operator of a linear function, a pytree, of what is like params."""
    leaves, structure = jax.tree.flatten(params)
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    domain = Domain(structure, shapes)
    return Curvature(linear, jnp.zeros((), wide(domain.dtype)), domain)


@jax.jit
def _product(operator: Curvature, v: Any) -> Any:
    damping = operator.damping

    def damped(made: Array, leaf: Array) -> Array:
        more = damping * leaf.astype(damping.dtype)
        return (made.astype(damping.dtype) + more).astype(leaf.dtype)

    return jax.tree.map(damped, operator.linear(v), v)


@jax.jit
def _flat_product(operator: Curvature, flat: Array) -> Array:
    _, unravel = ravel_pytree(operator.domain.zeros())
    return ravel_pytree(_product(operator, unravel(flat)))[0]
