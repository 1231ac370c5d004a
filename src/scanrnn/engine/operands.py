"""A linear program whose products have the known operand first.

JAX transposes ``y = W x``, linear in W, as ``dW = (dyᵀ x)ᵀ``, with the cotangent first.
XLA then turns whole sequences to suit the product, where it could turn the small
result. Written as ``x · turn(turn(W))``, with a barrier between the two turns, the
program says the same and its transpose ends in a product as it stands in `collect`,
and a turn of the weight alone. (The loss on a CPU was a tenth of a gradient.)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
from jax import Array, lax
from jax.extend import core


def known_first(function: Callable[..., Any], *linear: Any) -> Any:
    """What the function, linear in all its arguments, makes of them."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*linear)
    jaxpr = closed.jaxpr
    moving = set(jaxpr.invars)
    known = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    known.update(zip(jaxpr.invars, jax.tree.leaves(linear), strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else known[atom]

    for equation in jaxpr.eqns:
        moves = [v in moving for v in equation.invars if not _is_literal(v)]
        values = map(read, equation.invars)
        if _has_linear_first(equation, moving):
            made: Sequence[Any] = [_swapped(equation.params, *values)]
        else:
            made = _bound(equation, values)
        known.update(zip(equation.outvars, made, strict=True))
        if any(moves):
            moving.update(equation.outvars)
    return jax.tree.unflatten(jax.tree.structure(shape), map(read, jaxpr.outvars))


def _bound(equation: Any, values: Iterable[Any]) -> Sequence[Any]:
    """What an equation makes of these values."""
    params = equation.primitive.get_bind_params(equation.params)
    functions, params = params if isinstance(params, tuple) else ((), params)  # 0.12
    with equation.ctx.manager:
        made = equation.primitive.bind(*functions, *values, **params)
    return made if equation.primitive.multiple_results else [made]


def _is_literal(atom: Any) -> bool:
    return isinstance(atom, core.Literal)


def _has_linear_first(equation: Any, moving: set[Any]) -> bool:
    """Whether it is a product of a linear matrix with what is known, unspread."""
    if equation.primitive.name != "dot_general" or equation.params["out_sharding"]:
        return False
    matrix, other = equation.invars
    is_matrix = matrix in moving and matrix.aval.ndim == 2
    return is_matrix and other.aval.ndim > 2


def _swapped(params: Any, matrix: Array, other: Array) -> Array:
    (of_matrix, of_other), (batched, _) = params["dimension_numbers"]
    assert not batched
    turned = lax.optimization_barrier(matrix.T).T
    made = lax.dot_general(
        other,
        turned,
        ((of_other, of_matrix), ((), ())),
        precision=params["precision"],
        preferred_element_type=params["preferred_element_type"],
    )
    last = made.ndim - 1
    return lax.transpose(made, (last, *range(last)))
