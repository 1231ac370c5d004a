"""Products are split and joined before the cut, so that less of them is in the loop.

A product of a concatenated [x, h] is the sum of two, one of which can leave the loop;
several products of the same left operand, h with the weights of each gate, are one.
Slices of one array that have no element in common become one split of it: the transpose
of that is a concatenation, where those of slices are sums of arrays of zeros.
"""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .flat import Env, Flat, bind, is_literal, read, run
from .parts import INPUTS, PARAMS, STATE, Parts, partition


def rearranged(flat: Flat) -> Flat:
    """The same step with its products split, then joined, and its slices as splits."""
    return _sliced(_joined(_split(flat)))


def _again(flat: Flat, evaluate: Any) -> Flat:
    """Traces a way of evaluating a flat step as a flat step."""

    def function(*leaves: Any) -> list[Any]:
        variables = (*flat.params, *flat.carry, *flat.x)
        env: Env = dict(zip(flat.jaxpr.constvars, flat.consts, strict=True))
        env.update(zip(variables, leaves, strict=True))
        evaluate(env)
        return [read(env, v) for v in flat.jaxpr.outvars]

    shapes = [struct(v.aval) for v in (*flat.params, *flat.carry, *flat.x)]
    closed = jax.make_jaxpr(function)(*shapes)
    variables = iter(closed.jaxpr.invars)
    kinds = [
        tuple(next(variables) for _ in kind)
        for kind in (flat.params, flat.carry, flat.x)
    ]
    return Flat(closed.jaxpr, tuple(closed.consts), *kinds)


def struct(aval: Any) -> jax.ShapeDtypeStruct:
    """Shape, dtype and place of a value, to trace with."""
    sharding = getattr(aval, "sharding", None)
    varying = getattr(aval, "manual_axis_type", None)  # within a shard_map
    is_told = sharding is not None and (
        sharding.mesh.explicit_axes or sharding.mesh.manual_axes
    )
    return jax.ShapeDtypeStruct(
        aval.shape,
        aval.dtype,
        sharding=sharding if is_told else None,
        weak_type=getattr(aval, "weak_type", False),
        manual_axis_type=varying if is_told else None,
    )


def _split(flat: Flat) -> Flat:
    parts = partition(flat)
    made_by = {v: e for e in flat.jaxpr.eqns for v in e.outvars}

    def evaluate(env: Env) -> None:
        for equation in flat.jaxpr.eqns:
            joined = _concatenated(equation, made_by, parts)
            if joined is None:
                run([equation], env)
                continue
            side, pieces = joined
            env[equation.outvars[0]] = _sum_of_products(equation, side, pieces, env)

    return _again(flat, evaluate)


def _concatenated(
    equation: Any, made_by: dict[Any, Any], parts: Parts
) -> tuple[int, list[Any]] | None:
    """The side of a product that is a concatenation along the contracted axis of what
    is known at different times, and its pieces.
    """
    if equation.primitive.name != "dot_general":
        return None
    contracting, batch = equation.params["dimension_numbers"]
    for side in (0, 1):
        other = equation.invars[1 - side]
        source = made_by.get(equation.invars[side]) if _is_var(equation, side) else None
        if source is None or source.primitive.name != "concatenate" or batch[0]:
            continue
        is_along = contracting[side] == (source.params["dimension"],)
        kinds = {parts.kind(v) & STATE for v in source.invars}
        if is_along and len(kinds) == 2 and parts.kind(other) == PARAMS:
            return side, list(source.invars)
    return None


def _is_var(equation: Any, side: int) -> bool:
    return not is_literal(equation.invars[side])


def _sum_of_products(equation: Any, side: int, pieces: list[Any], env: Env) -> Any:
    contracting, _ = equation.params["dimension_numbers"]
    (axis,), (weight_axis,) = contracting[side], contracting[1 - side]
    weight, at, total = read(env, equation.invars[1 - side]), 0, None
    for piece in pieces:
        value = read(env, piece)
        rows = lax.slice_in_dim(weight, at, at + value.shape[axis], axis=weight_axis)
        at += value.shape[axis]
        (product,) = bind(equation, (value, rows) if side == 0 else (rows, value))
        total = product if total is None else total + product
    return total


def _joined(flat: Flat) -> Flat:
    parts = partition(flat)
    groups = {
        id(member): group
        for group in _groups((*parts.drive, *parts.loop), parts)
        for member in group.members
    }

    def evaluate(env: Env) -> None:
        # Params first: a product can then be made where its first member stands.
        run(parts.once, env)
        for equation in (*parts.drive, *parts.loop):
            group = groups.get(id(equation))
            if group is None:
                run([equation], env)
            elif equation is group.members[0]:  # the others are made with it
                _run_group(group, env)

    return _again(flat, evaluate)


class Group(NamedTuple):
    """Products of the same left operand with matrices of params."""

    side: int  # where the matrix stands
    members: list[Any]


def _groups(equations: Iterable[Any], parts: Parts) -> list[Group]:
    """All of two or more."""
    found: dict[Any, list[Any]] = {}
    for equation in equations:
        side = _weight_side(equation, parts)
        if side is not None:
            left, options = equation.invars[1 - side], str(equation.params)
            found.setdefault((left, side, options), []).append(equation)
    return [
        Group(side, members)
        for (_, side, _), members in found.items()
        if len(members) > 1
    ]


def _weight_side(equation: Any, parts: Parts) -> int | None:
    """Which operand of a product is a matrix of params, the other not."""
    if equation.primitive.name != "dot_general":
        return None
    contracting, batch = equation.params["dimension_numbers"]
    for side in (0, 1):
        weight, left = equation.invars[side], equation.invars[1 - side]
        is_matrix = weight.aval.ndim == 2 and len(contracting[side]) == 1
        is_left = parts.kind(left) & (INPUTS | STATE)
        if is_matrix and not batch[0] and parts.kind(weight) == PARAMS and is_left:
            return side
    return None


def _run_group(group: Group, env: Env) -> None:
    first, side = group.members[0], group.side
    contracting, _ = first.params["dimension_numbers"]
    free = 1 - contracting[side][0]
    weights = [read(env, member.invars[side]) for member in group.members]
    joined = jnp.concatenate(weights, axis=free)
    left = read(env, first.invars[1 - side])
    (product,) = bind(first, (joined, left) if side == 0 else (left, joined))
    axis = 0 if side == 0 else product.ndim - 1
    pieces = lax.split(product, [weight.shape[free] for weight in weights], axis)
    env.update((m.outvars[0], p) for m, p in zip(group.members, pieces, strict=True))


def _sliced(flat: Flat) -> Flat:
    found: dict[Any, dict[int, list[Any]]] = {}
    for equation in flat.jaxpr.eqns:
        axis = _axis_of_slice(equation)
        if axis is not None:
            by_axis = found.setdefault(equation.invars[0], {})
            by_axis.setdefault(axis, []).append(equation)
    splits = {
        id(slices[0]): (axis, slices)
        for by_axis in found.values()
        for axis, slices in by_axis.items()
        if len(slices) > 1 and _are_apart(axis, slices)
    }
    members = {id(e) for _, slices in splits.values() for e in slices}

    def evaluate(env: Env) -> None:
        for equation in flat.jaxpr.eqns:
            if id(equation) in splits:
                _run_split(*splits[id(equation)], env)
            elif id(equation) not in members:
                run([equation], env)

    return _again(flat, evaluate) if splits else flat


def _axis_of_slice(equation: Any) -> int | None:
    """The one axis that a slice without strides cuts."""
    if equation.primitive.name != "slice" or equation.params["strides"] is not None:
        return None
    if is_literal(equation.invars[0]):
        return None
    before, after = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    cut = [axis for axis, size in enumerate(before) if size != after[axis]]
    return cut[0] if len(cut) == 1 else None


def _bounds(axis: int, equation: Any) -> tuple[int, int]:
    params = equation.params
    return params["start_indices"][axis], params["limit_indices"][axis]


def _are_apart(axis: int, slices: list[Any]) -> bool:
    bounds = sorted(_bounds(axis, e) for e in slices)
    return all(one[1] <= other[0] for one, other in itertools.pairwise(bounds))


def _run_split(axis: int, slices: list[Any], env: Env) -> None:
    """Cuts where the slices begin and end; what none of them has is left unused."""
    whole = read(env, slices[0].invars[0])
    cuts = {0, whole.shape[axis], *(b for e in slices for b in _bounds(axis, e))}
    pairs = list(itertools.pairwise(sorted(cuts)))
    pieces = lax.split(whole, [stop - start for start, stop in pairs], axis)
    of_bounds = dict(zip(pairs, pieces, strict=True))
    env.update((e.outvars[0], of_bounds[_bounds(axis, e)]) for e in slices)
