"""What the gradient of a frontier's weights depends on; which leaves have gradients."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .flat import bind, is_literal, used
from .parts import PARAMS, Parts
from .products import struct


def needed_lefts(parts: Parts, equation: Any) -> list[bool]:
    """Which of what a frontier reads the gradient of its weights depends on."""
    weights = [v for v in equation.invars if parts.kind(v) == PARAMS]
    weights = [v for v in dict.fromkeys(weights) if is_float(v.aval)]
    lefts = list(dict.fromkeys(parts.lefts(equation)))
    outs = [v for v in equation.outvars if is_float(v.aval)]
    if not weights or not outs:
        return [False] * len(parts.lefts(equation))

    def d_weights(w: Any, values: Any, d_made: Any) -> Any:
        def made(w: Any) -> Any:
            env = dict(zip(lefts, values, strict=True))
            env.update(zip(weights, w, strict=True))
            operands = [env[v] if v in env else _any_value(v) for v in equation.invars]
            return [y for y in bind(equation, operands) if is_float(y)]

        return jax.vjp(made, w)[1](d_made)

    structs = [[struct(v.aval) for v in vs] for vs in (weights, lefts, outs)]
    closed = jax.make_jaxpr(d_weights)(*structs)
    read_ones = used(closed.jaxpr)
    values = closed.jaxpr.invars[len(weights) : len(weights) + len(lefts)]
    needed = {v: there in read_ones for v, there in zip(lefts, values, strict=True)}
    return [needed[v] for v in parts.lefts(equation)]


def _any_value(variable: Any) -> Any:
    """A literal, or zeros in the place of a constant."""
    if is_literal(variable):
        return variable.val
    return jnp.zeros(variable.aval.shape, variable.aval.dtype)


def is_float(value: Any) -> bool:
    """Whether it has a derivative."""
    return jnp.issubdtype(value.dtype, jnp.inexact)


def floats_of(leaves: Sequence[Array]) -> list[int]:
    """Where among the leaves those stand."""
    return [i for i, leaf in enumerate(leaves) if is_float(leaf)]


def exchanged(
    leaves: Sequence[Any], indices: Sequence[int], values: Sequence[Any]
) -> list[Any]:
    """The leaves, some of them exchanged."""
    found = list(leaves)
    for i, value in zip(indices, values, strict=True):
        found[i] = value
    return found
