"""Where every equation of a step belongs: once, over all of time, or in the loop.

An equation belongs where the latest of what it reads is known. What reads params alone
is computed once; what reads params and inputs, for all of time at once; what reads the
state, in the loop. An equation of the loop that reads a value of params is a
*frontier*: the cotangent of its result leaves the loop, and the gradient of the params
is made of it outside, for all of time at once.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from .flat import Flat, is_literal, needed_for

CONSTANT, PARAMS, INPUTS, STATE = 0, 1, 2, 4

# A weight that one of these reads keeps its gradient in the loop: what they hold is a
# program of its own.
WHOLE_PROGRAMS = {
    *("cond", "while", "scan", "custom_vjp_call", "custom_vjp_call_jaxpr"),
    *("custom_jvp_call", "custom_lin", "pure_callback", "io_callback", "shard_map"),
}


class Parts(NamedTuple):
    """The equations of a step by where they belong."""

    flat: Flat
    kinds: dict[Any, int]  # what each variable depends on
    once: list[Any]
    drive: list[Any]
    loop: list[Any]
    weights: tuple[Any, ...]  # values of params that drive or loop read
    drives: tuple[Any, ...]  # values of inputs that the loop reads
    frontiers: tuple[Any, ...]  # equations of the loop
    staying: tuple[Any, ...]  # weights whose gradient stays in the loop

    def kind(self, variable: Any) -> int:
        return CONSTANT if is_literal(variable) else self.kinds[variable]

    def lefts(self, frontier: Any) -> tuple[Any, ...]:
        """What a frontier reads beside values of params."""
        return tuple(
            v for v in frontier.invars if self.kind(v) not in (PARAMS, CONSTANT)
        )


def partition(flat: Flat) -> Parts:
    """Cuts a flat step."""
    kinds: dict[Any, int] = {v: CONSTANT for v in flat.jaxpr.constvars}
    for variables, kind in (
        (flat.params, PARAMS),
        (flat.x, INPUTS),
        (flat.carry, STATE),
    ):
        kinds.update(dict.fromkeys(variables, kind))
    once: list[Any] = []
    drive: list[Any] = []
    loop: list[Any] = []
    for equation in needed_for(flat.jaxpr.eqns, flat.jaxpr.outvars):
        kind = CONSTANT
        for variable in equation.invars:
            kind |= CONSTANT if is_literal(variable) else kinds[variable]
        kinds.update(dict.fromkeys(equation.outvars, kind))
        belongs = loop if kind & STATE else drive if kind & INPUTS else once
        belongs.append(equation)
    in_loop = _read(loop) | {v for v in flat.jaxpr.outvars if not is_literal(v)}
    of_params = _ordered(flat.params, once)
    frontiers, staying = _frontiers(loop, kinds)
    return Parts(
        flat,
        kinds,
        once,
        drive,
        loop,
        tuple(v for v in of_params if v in in_loop | _read(drive)),
        tuple(v for v in _ordered(flat.x, drive) if v in in_loop),
        frontiers,
        staying,
    )


def _frontiers(
    loop: list[Any], kinds: dict[Any, int]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    frontiers: list[Any] = []
    staying: dict[Any, None] = {}
    for equation in loop:
        weights = [
            v for v in equation.invars if not is_literal(v) and kinds[v] == PARAMS
        ]
        if weights and equation.primitive.name in WHOLE_PROGRAMS:
            staying.update(dict.fromkeys(weights))
        elif weights:
            frontiers.append(equation)
    return tuple(frontiers), tuple(staying)


def _ordered(variables: Iterable[Any], equations: list[Any]) -> list[Any]:
    return [*variables, *(v for e in equations for v in e.outvars)]


def _read(equations: list[Any]) -> set[Any]:
    return {v for e in equations for v in e.invars if not is_literal(v)}
