"""Products are split and joined before the cut, so that less of them is in the loop.

A product of a concatenated [x, h] is the sum of two, one of which can leave the loop;
several products of the same left operand, h with the weights of each gate, are one.
Slices of one array that have no element in common become one split of it: the
transpose of that is a concatenation, where those of slices are sums of arrays of zeros.
"""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .flat import Env, Flat, bind, is_literal, needed_for, read, run
from .parts import INPUTS, PARAMS, STATE, Parts, partition


def rearranged(flat: Flat) -> Flat:
    """The same step with its products split, then joined, and its slices as splits."""
    return _sliced(_joined(_split(flat)))


def retraced(flat: Flat, evaluate: Any) -> Flat:
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
    needed = needed_for(closed.jaxpr.eqns, closed.jaxpr.outvars)
    return Flat(closed.jaxpr.replace(eqns=needed), tuple(closed.consts), *kinds)


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
            env[equation.outvars[0]] = _sum_of_products(
                equation, side, pieces, env, parts
            )

    return retraced(flat, evaluate)


def _concatenated(
    equation: Any, made_by: dict[Any, Any], parts: Parts
) -> tuple[int, list[Any]] | None:
    """The side of a product that is a concatenation along the contracted axis of what
    is known at different times, and its pieces.
    """
    for side, axis, _ in _contracted(equation):
        other = equation.invars[1 - side]
        source = made_by.get(equation.invars[side]) if _is_var(equation, side) else None
        if source is None or source.primitive.name != "concatenate":
            continue
        kinds = {parts.kind(v) & STATE for v in source.invars}
        is_along = source.params["dimension"] == axis
        if is_along and len(kinds) == 2 and parts.kind(other) == PARAMS:
            return side, list(source.invars)
    return None


def _contracted(equation: Any) -> list[tuple[int, int, int]]:
    """Sides of a product: the axis that is summed over, and the other operand's."""
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (one, other), batch = params["dimension_numbers"]
        is_plain = not batch[0] and len(one) == 1
        return [(0, one[0], other[0]), (1, other[0], one[0])] if is_plain else []
    if _is_convolution(equation):
        numbers = params["dimension_numbers"]
        return [(0, numbers.lhs_spec[1], numbers.rhs_spec[1])]
    return []


def _is_convolution(equation: Any) -> bool:
    """Whether it is one in which every channel reads all others."""
    groups = ("feature_group_count", "batch_group_count")
    is_one = equation.primitive.name == "conv_general_dilated"
    return is_one and all(equation.params[name] == 1 for name in groups)


def _is_var(equation: Any, side: int) -> bool:
    return not is_literal(equation.invars[side])


def _sum_of_products(
    equation: Any, side: int, pieces: list[Any], env: Env, parts: Parts
) -> Any:
    """One product of each run of pieces that are known at the same time."""
    (axis, weight_axis) = next(at for s, *at in _contracted(equation) if s == side)
    weight, at, total = read(env, equation.invars[1 - side]), 0, None
    for _, run_of in itertools.groupby(pieces, lambda v: parts.kind(v) & STATE):
        values = [read(env, piece) for piece in run_of]
        value = values[0] if len(values) == 1 else lax.concatenate(values, axis)
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

    return retraced(flat, evaluate)


class Group(NamedTuple):
    """Products of the same left operand with weights of params."""

    side: int  # where the weight stands
    members: list[Any]


def _groups(equations: Iterable[Any], parts: Parts) -> list[Group]:
    """All of two or more."""
    found: dict[Any, list[Any]] = {}
    for equation in equations:
        side = _weight_side(equation, parts)
        if side is not None:
            left, options = equation.invars[1 - side], str(equation.params)
            kernel = _kernel(equation)
            found.setdefault((left, side, options, kernel), []).append(equation)
    return [
        Group(side, members)
        for (_, side, *_), members in found.items()
        if len(members) > 1
    ]


def _weight_side(equation: Any, parts: Parts) -> int | None:
    """Which operand of a product is a weight of params, the other not."""
    for side, _, axis in _contracted(equation):
        weight, left = equation.invars[1 - side], equation.invars[side]
        can_join = _is_convolution(equation) or weight.aval.ndim == 2
        # A vector, or what has more axes, is a matrix where it stands on the right.
        can_join |= side == 0 and axis == 0 and struct(weight.aval).sharding is None
        is_left = parts.kind(left) & (INPUTS | STATE)
        if can_join and parts.kind(weight) == PARAMS and is_left:
            return 1 - side
    return None


def _kernel(equation: Any) -> Any:
    """What the kernels of convolutions have in common that are made as one."""
    if equation.primitive.name != "conv_general_dilated":
        return None
    _, _, *places = equation.params["dimension_numbers"].rhs_spec
    return tuple(equation.invars[1].aval.shape[axis] for axis in places)


def _run_group(group: Group, env: Env) -> None:
    first, side = group.members[0], group.side
    weights = [read(env, member.invars[side]) for member in group.members]
    if _is_convolution(first):
        numbers = first.params["dimension_numbers"]
        free, axis = numbers.rhs_spec[0], numbers.out_spec[1]
    else:
        contracting, _ = first.params["dimension_numbers"]
        weights = [w if w.ndim == 2 else w.reshape(w.shape[0], -1) for w in weights]
        free = 1 - contracting[side][0]
        axis = 0 if side == 0 else first.invars[0].aval.ndim - 1
    joined = jnp.concatenate(weights, axis=free)
    left = read(env, first.invars[1 - side])
    (product,) = bind(first, (joined, left) if side == 0 else (left, joined))
    pieces = lax.split(product, [weight.shape[free] for weight in weights], axis)
    for member, piece in zip(group.members, pieces, strict=True):
        (made,) = member.outvars
        is_same = piece.shape == made.aval.shape
        env[made] = piece if is_same else piece.reshape(made.aval.shape)


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

    return retraced(flat, evaluate) if splits else flat


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
