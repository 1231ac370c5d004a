"""What is done alike to every leaf of a state, a tape or a delta."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..cell import State
from .products import wide

Tree = TypeVar("Tree")


def choose(condition: Array | None, yes: Tree, no: Tree) -> Tree:
    """``yes`` where the condition (..., B) holds, else ``no``; None never holds."""
    if condition is None:
        return no

    def either(yes: Array, no: Array) -> Array:
        inner = range(condition.ndim, max(yes.ndim, no.ndim))
        return jnp.where(jnp.expand_dims(condition, tuple(inner)), yes, no)

    return jax.tree.map(either, yes, no)


def cast_like(tree: Any, like: Any) -> Any:
    """Every leaf in the dtype of its counterpart; None stays None."""
    if tree is None:
        return None
    return jax.tree.map(lambda leaf, other: leaf.astype(other.dtype), tree, like)


def widen(tree: Tree) -> Tree:
    """16-bit floats as float32: what is stored narrow is computed wide."""
    return _map_floats(lambda leaf: leaf.astype(wide(leaf.dtype)), tree)


def narrow(tree: Tree, state: State) -> Tree:
    """Floats of a 16-bit state in its dtype: what is computed wide is stored narrow."""
    dtype = getattr(state.h, "dtype", None)
    if dtype is None or wide(dtype) == dtype:
        return tree
    return _map_floats(lambda leaf: leaf.astype(dtype), tree)


def numbers(tree: Any, like: Any) -> Any:
    """Cotangents with zeros of its dtype in the place of those that an integer has."""

    def number(d_leaf: Any, leaf: Any) -> Array:
        has_none = d_leaf.dtype == jax.dtypes.float0
        return jnp.zeros(d_leaf.shape, leaf.dtype) if has_none else d_leaf

    return jax.tree.map(number, tree, like)


def as_cotangent(tree: Any, like: Any) -> Any:
    """Cotangents in the dtype of what they belong to; of integers, float0."""
    if tree is None:
        return None

    def cotangent(d_leaf: Array, leaf: Array) -> Any:
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return d_leaf.astype(leaf.dtype)
        return np.zeros(leaf.shape, jax.dtypes.float0)

    return jax.tree.map(cotangent, tree, like)


def _map_floats(function: Callable[[Array], Array], tree: Tree) -> Tree:
    def on_floats(leaf: Array) -> Array:
        is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
        return function(leaf) if is_float else leaf

    return jax.tree.map(on_floats, tree)
