"""Typed PRNG keys, which know no arithmetic, as the integers that they hold."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def raw(leaves: Sequence[Any]) -> list[Any]:
    """The leaves, keys as their data."""
    return [jax.random.key_data(x) if _is_key(x) else x for x in leaves]


def typed(leaves: Sequence[Array], kinds: Sequence[Any]) -> list[Array]:
    """The inverse of `raw`."""
    return [
        x if kind is None else jax.random.wrap_key_data(x, impl=kind)
        for x, kind in zip(leaves, kinds, strict=True)
    ]


def kinds_of(leaves: Sequence[Any]) -> list[Any]:
    """Of every key how it draws; None of every other leaf."""
    return [jax.random.key_impl(x) if _is_key(x) else None for x in leaves]


def raw_types(types: Sequence[Any]) -> list[Any]:
    """`raw` of shapes and dtypes."""
    return [jax.eval_shape(jax.random.key_data, x) if _is_key(x) else x for x in types]


def kinds_of_types(types: Sequence[Any]) -> list[Any]:
    """`kinds_of` of shapes and dtypes."""
    found: list[Any] = []
    jax.eval_shape(lambda *keys: found.extend(kinds_of(keys)), *filter(_is_key, types))
    kinds = iter(found)
    return [next(kinds) if _is_key(x) else None for x in types]


def _is_key(leaf: Any) -> bool:
    is_key: bool = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return is_key
