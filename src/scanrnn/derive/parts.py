"""Where every equation of a step belongs: once, over all of time, or in the loop.

An equation belongs where the latest of what it reads is known. What reads params alone
is computed once; what reads params and inputs, for all of time at once; what reads the
state, in the loop. An equation of the loop that reads a value of params is a
*frontier*: the cotangent of its result leaves the loop, and the gradient of the params
is made of it outside, for all of time at once.
"""

import math
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
    equations = needed_for(flat.jaxpr.eqns, flat.jaxpr.outvars)
    for equation in equations:
        # What has an effect has it in every step.
        kind = STATE if equation.effects else CONSTANT
        for variable in equation.invars:
            kind |= CONSTANT if is_literal(variable) else kinds[variable]
        kinds.update(dict.fromkeys(equation.outvars, kind))
    _sink(equations, kinds, flat.jaxpr.outvars)
    once: list[Any] = []
    drive: list[Any] = []
    loop: list[Any] = []
    for equation in equations:
        kind = kinds[equation.outvars[0]] if equation.outvars else STATE
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


def _sink(equations: list[Any], kinds: dict[Any, int], outs: list[Any]) -> None:
    """Into the loop, of what could be done over all of time, what is not worth it.

    An array that only grows (a mask of the batch, as wide as the state) is read faster
    as it was. Not where a frontier reads it: its gradient would ask for it again.
    """
    readers: dict[Any, list[Any]] = {}
    for equation in equations:
        for variable in equation.invars:
            if not is_literal(variable):
                readers.setdefault(variable, []).append(equation)
    handed_out = {v for v in outs if not is_literal(v)}

    def in_loop(equation: Any) -> bool:
        read = [kinds[v] for v in equation.invars if not is_literal(v)]
        made = [kinds[v] for v in equation.outvars]
        return PARAMS not in read and any(kind & STATE for kind in made)

    for equation in reversed(equations):
        of_inputs = [kinds[v] & (INPUTS | STATE) == INPUTS for v in equation.outvars]
        if not of_inputs or not all(of_inputs) or not _only_grows(equation):
            continue
        read_by = [e for v in equation.outvars for e in readers.get(v, ())]
        if not handed_out & set(equation.outvars) and all(map(in_loop, read_by)):
            for variable in equation.outvars:
                kinds[variable] |= STATE


def _only_grows(equation: Any) -> bool:
    if equation.primitive.name != "broadcast_in_dim":
        return False
    before, after = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    return math.prod(after) > math.prod(before)


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
        elif weights and equation.outvars:
            frontiers.append(equation)
    return tuple(frontiers), tuple(staying)


def _ordered(variables: Iterable[Any], equations: list[Any]) -> list[Any]:
    return [*variables, *(v for e in equations for v in e.outvars)]


def _read(equations: list[Any]) -> set[Any]:
    return {v for e in equations for v in e.invars if not is_literal(v)}
