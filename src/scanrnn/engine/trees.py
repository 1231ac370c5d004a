"""What is done alike to every leaf of a state, a tape or a delta."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
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
    """Floats in the dtype of the state: what is computed wide is stored narrow."""
    return _map_floats(lambda leaf: leaf.astype(state.h.dtype), tree)


def _map_floats(function: Callable[[Array], Array], tree: Tree) -> Tree:
    def on_floats(leaf: Array) -> Array:
        is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
        return function(leaf) if is_float else leaf

    return jax.tree.map(on_floats, tree)
