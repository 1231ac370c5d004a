"""`collect` of a derived cell: every weight gradient, over all of time at once.

The frontiers of all steps stand side by side as one function of the params and inputs;
its transpose, at the cotangents that left the loop, is one product for each weight.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..engine.mesh import zeros_over
from .flat import Env, bind, is_literal, read
from .frontiers import exchanged, floats_of, is_float
from .parts import PARAMS, STATE
from .program import Program


def collect(
    program: Program,
    weights: Sequence[Array],
    xs: Sequence[Array],
    lefts: Callable[[Any], Array],
    deltas: Sequence[Array],
    d_staying: Sequence[Array],
) -> tuple[list[Array], list[Array]]:
    """The gradients of weights and inputs: one product each over all of time.

    Args:
        lefts: the values (T, ...) of a variable that a frontier reads.
        deltas: as `Program.backward` gives them, (T, ...).
        d_staying: summed over the steps.
    """
    length = xs[0].shape[0]
    every = program.emitted.asked(deltas)
    n_drives, n_taps = len(program.collected), len(program.tap_structs)
    d_drives, d_taps = every[:n_drives], every[n_drives : n_drives + n_taps]
    w_floats, x_floats = floats_of(weights), floats_of(xs)
    wanted = [*program.parts.drives, *program.collected]

    def over_time(w: Sequence[Array], x: Sequence[Array]) -> Any:
        here = exchanged(weights, w_floats, w)
        env = program.of_weights(here)

        def drive(x: Sequence[Array]) -> list[Array]:
            return program.of_inputs(here, x, wanted)

        drives = jax.vmap(drive)(exchanged(xs, x_floats, x))
        of_inputs = dict(zip(wanted, drives, strict=True))
        taps = [
            _frontier(program, k, env, of_inputs, lefts, length)
            for k in range(len(program.parts.frontiers))
        ]
        taps += [
            [jnp.broadcast_to(env[v], (length, *v.aval.shape))]
            for v in program.passed_on()
        ]
        return (
            [of_inputs[v] for v in program.collected],
            [tap for group in taps for tap in group],
            [env[v] for v in program.staying],
        )

    made, pull = jax.vjp(
        over_time, [weights[i] for i in w_floats], [xs[i] for i in x_floats]
    )
    cotangents = jax.tree.map(
        lambda d, like: d.astype(like.dtype),
        (d_drives, d_taps, list(d_staying)),
        made,
    )
    d_weights, d_xs = pull(cotangents)
    return (
        exchanged([jnp.zeros_like(w) for w in weights], w_floats, d_weights),
        exchanged([jnp.zeros_like(x) for x in xs], x_floats, d_xs),
    )


def _frontier(
    program: Program,
    k: int,
    env: Env,
    of_inputs: Env,
    lefts: Callable[[Any], Array],
    length: int,
) -> list[Array]:
    """The results of a frontier over all of time, as functions of its weights."""
    equation, parts = program.parts.frontiers[k], program.parts
    variables = parts.lefts(equation)
    values = []
    for variable, needed in zip(variables, program.needed_lefts[k], strict=True):
        if not needed:  # a sum has its derivative without them
            values.append(zeros_over(length, variable.aval))
        elif not parts.kind(variable) & STATE:
            values.append(lax.stop_gradient(of_inputs[variable]))
        else:
            values.append(lefts(variable).astype(variable.aval.dtype))

    def one(values: Sequence[Array]) -> list[Array]:
        there = dict(zip(variables, values, strict=True))
        operands = [
            env[v] if parts.kind(v) == PARAMS else _constant(program, v, there)
            for v in equation.invars
        ]
        made = bind(equation, operands)
        return [y for y in made if is_float(y)]

    return jax.vmap(one, axis_size=length)(values)


def _constant(program: Program, variable: Any, env: Env) -> Any:
    if is_literal(variable) or variable in env:
        return read(env, variable)
    return program.env(())[variable]
