"""A linear program whose products have the known operand first.

JAX transposes ``y = x W``, linear in W, as ``dW = (dyᵀ x)ᵀ``, with the cotangent first,
and writes that as ``y = (Wᵀ xᵀ)ᵀ`` where it was itself transposed. XLA then turns whole
sequences, twice, to suit the product. Written again as ``x W``, where W passes through
a barrier turned, one sequence is turned once: dy. Where W is much wider than high that
costs most, and x and dy are multiplied as rows, without a turn; which must not be where
a batch is cut over devices, since time and batch become one axis.

Measured on two cores, in CPU time of a gradient: 1.15 of the way it stands on as JAX
has it, 0.9 to 1.0 so.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.extend import core

from .mesh import is_spread

WIDE = 4  # columns for each row of a weight, above which its products are of rows


def pushed(pull: Callable[[Any], Any], out: Any, tangents: Any) -> Any:
    """The transpose of a way back, of tangents; nothing is made of what is zero.

    Args:
        pull: linear, from the cotangent of ``out`` to those of the inputs. It is run
            again where JAX transposes what is made here: no more is kept than it reads.
        out: what the inputs make, or what is like it.
        tangents: of the inputs, `SymbolicZero` where they are known to be zero.
    """
    leaves = jax.tree.leaves(tangents, is_leaf=is_zero)
    wanted = [leaf for leaf in leaves if not is_zero(leaf)]

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def push(wanted: list[Array]) -> Any:
        def chosen(d_out: Any) -> list[Array]:
            made = zip(jax.tree.leaves(pull(d_out)), leaves, strict=True)
            return [d for d, tangent in made if not is_zero(tangent)]

        (made,) = known_first(jax.linear_transpose(chosen, out), wanted)
        return made

    return push(wanted) if wanted else jax.tree.map(jnp.zeros_like, out)


def is_zero(tangent: Any) -> bool:
    """Whether a tangent is known to be zero."""
    return isinstance(tangent, SymbolicZero)


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
    if matrix not in moving or other in moving or matrix.aval.ndim != 2:
        return False
    (_, of_other), _ = equation.params["dimension_numbers"]
    return other.aval.ndim > 2 and of_other == (other.aval.ndim - 1,)


def _swapped(params: Any, matrix: Array, other: Array) -> Array:
    """The product (O, ...) of a linear (I, O), or (O, I), with what is known."""
    (of_matrix, of_other), (batched, _) = params["dimension_numbers"]
    assert not batched
    leading, size = other.shape[: of_other[0]], other.shape[of_other[0]]
    assert of_other == (len(leading),)
    if matrix.size > WIDE * size**2 and not is_spread(other):
        other = other.reshape(-1, size)
    else:
        matrix = lax.optimization_barrier(matrix.T).T
    made = lax.dot_general(
        other,
        matrix,
        (((other.ndim - 1,), of_matrix), ((), ())),
        precision=params["precision"],
        preferred_element_type=params["preferred_element_type"],
    )
    made = made.reshape(*leading, made.shape[-1])
    return lax.transpose(made, (len(leading), *range(len(leading))))
