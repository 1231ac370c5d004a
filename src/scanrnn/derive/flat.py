"""A step function as a flat jaxpr, and the reading and running of its equations."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from ..engine.mesh import vary_along

# Calls that only group equations: what they hold is read as if it stood outside.
GROUPS = {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "remat2"}

# A loop within a step is written out up to so many equations in all.
WRITTEN_OUT = 256

Env = dict[Any, Any]


class Flat(NamedTuple):
    """The equations of a function of leaves: params, carry, x -> carry, outputs."""

    jaxpr: Any  # without calls
    consts: tuple[Any, ...]
    params: tuple[Any, ...]  # the variables of each kind
    carry: tuple[Any, ...]
    x: tuple[Any, ...]

    @property
    def after(self) -> tuple[Any, ...]:
        """The variables of the carry after the step."""
        return tuple(self.jaxpr.outvars[: len(self.carry)])

    @property
    def outputs(self) -> tuple[Any, ...]:
        return tuple(self.jaxpr.outvars[len(self.carry) :])


class Body(NamedTuple):
    """The equations of a jaxpr, and what is asked of them."""

    constvars: Any
    invars: Any
    eqns: Any
    outvars: Any


def flatten(
    function: Callable[..., Sequence[Any]], params: Any, carry: Any, x: Any
) -> Flat:
    """Traces ``function(params, carry, x) -> leaves``, each a list of leaves."""
    flat = flat_of(function, params, carry, x)
    _check_closed(flat.consts)
    variables = iter(flat.jaxpr.invars)
    kinds = [tuple(next(variables) for _ in kind) for kind in (params, carry, x)]
    return Flat(flat.jaxpr, tuple(flat.consts), *kinds)


def flat_of(function: Callable[..., Any], *structs: Any) -> Any:
    """A closed jaxpr of leaves, calls inlined."""
    closed = jax.make_jaxpr(function)(*structs)

    def inlined(*leaves: Any) -> list[Any]:
        return inlined_of(closed.jaxpr, closed.consts, leaves)

    return jax.make_jaxpr(inlined)(*jax.tree.leaves(structs))


def _check_closed(consts: Sequence[Any]) -> None:
    """A program that outlives the trace it was made in may hold nothing of it."""
    traced = [c for c in consts if isinstance(c, jax.core.Tracer)]
    if traced:
        shapes = ", ".join(f"{c.dtype} {c.shape}" for c in traced)
        raise ValueError(
            "expected a step that reads what is learned or traced from its params, got "
            f"one that closes over traced arrays, {shapes}; put them into params, or "
            "use sr.scan, which may close over them"
        )


def is_literal(variable: Any) -> bool:
    """Whether it is a number that is written into the equation."""
    return isinstance(variable, core.Literal)


def read(env: Env, variable: Any) -> Any:
    """Its value."""
    return variable.val if is_literal(variable) else env[variable]


def bind(equation: Any, values: Sequence[Any]) -> list[Any]:
    """What an equation computes of these values."""
    if equation.primitive.name == "pvary":  # they may vary already
        return [vary_along(v, frozenset(equation.params["axes"])) for v in values]
    params = equation.primitive.get_bind_params(equation.params)
    functions, params = params if isinstance(params, tuple) else ((), params)
    with equation.ctx.manager:
        made = equation.primitive.bind(*functions, *values, **params)
    return list(made) if equation.primitive.multiple_results else [made]


def run(equations: Iterable[Any], env: Env) -> Env:
    """Computes the equations in their order, into the environment."""
    for equation in equations:
        values = bind(equation, [read(env, v) for v in equation.invars])
        env.update(zip(equation.outvars, values, strict=True))
    return env


def needed_for(equations: Sequence[Any], wanted: Iterable[Any]) -> list[Any]:
    """Those equations on which the wanted variables depend."""
    alive = {v for v in wanted if not is_literal(v)}
    kept = []
    for equation in reversed(equations):
        if equation.effects or any(v in alive for v in equation.outvars):
            kept.append(equation)
            alive.update(v for v in equation.invars if not is_literal(v))
    return kept[::-1]


def used(jaxpr: Any) -> set[Any]:
    """The variables that the results of a jaxpr depend on."""
    kept = needed_for(jaxpr.eqns, jaxpr.outvars)
    read_ones = {v for e in kept for v in e.invars if not is_literal(v)}
    return read_ones | {v for v in jaxpr.outvars if not is_literal(v)}


def inlined_of(jaxpr: Any, consts: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
    """The results of a jaxpr, the calls in it read as if they stood outside."""
    env: Env = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, leaves, strict=True))
    for equation in needed_for(jaxpr.eqns, jaxpr.outvars):
        values = [read(env, v) for v in equation.invars]
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        if equation.primitive.name in GROUPS and inner is not None:
            consts = getattr(inner, "consts", ())
            made = inlined_of(getattr(inner, "jaxpr", inner), consts, values)
        elif equation.primitive.name == "scan" and _is_short(equation):
            made = _unrolled(equation, values)
        else:
            made = bind(equation, values)
        env.update(zip(equation.outvars, made, strict=True))
    return [read(env, v) for v in jaxpr.outvars]


def _is_short(equation: Any) -> bool:
    """A loop within a step that may as well be written out: its weights are read by
    equations then, and their gradients leave the loop over time.
    """
    length, body = equation.params["length"], equation.params["jaxpr"].jaxpr
    return length * len(body.eqns) <= WRITTEN_OUT and not body.effects


def _unrolled(equation: Any, values: Sequence[Any]) -> list[Any]:
    params, closed = equation.params, equation.params["jaxpr"]
    consts, carries = _counts(params)
    fixed, carry = values[:consts], list(values[consts : consts + carries])
    xs, length = values[consts + carries :], params["length"]
    kept: list[Any] = [None] * length
    for t in reversed(range(length)) if params["reverse"] else range(length):
        x = [lax.index_in_dim(leaf, t, keepdims=False) for leaf in xs]
        made = inlined_of(closed.jaxpr, closed.consts, [*fixed, *carry, *x])
        carry, kept[t] = made[:carries], made[carries:]
    if not length:
        outs = [v.aval for v in closed.jaxpr.outvars[carries:]]
        return [*carry, *(jnp.zeros((0, *a.shape), a.dtype) for a in outs)]
    return [*carry, *(jnp.stack(column) for column in zip(*kept, strict=True))]


def _counts(params: Any) -> tuple[int, int]:
    if "num_carry" in params:
        return params["num_consts"], params["num_carry"]
    consts, carry, _ = params["ft_in"].unpack()  # jax 0.12
    return len(consts), len(carry)
