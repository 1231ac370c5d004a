"""Sums are taken apart before the cut, so that more of them leaves the loop.

What is known outside the loop is added there, first. A split of a sum is the sum of
splits, so that the part of the inputs is split outside: XLA's loops over a piece of
what they cut out of an array over time take twice as long. Biases that are added to the
pieces of a product of the inputs are added to the product.
"""

import collections
import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .flat import Env, Flat, bind, is_literal, read, run
from .parts import PARAMS, STATE, partition
from .products import retraced

ADDS = {"add", "add_any"}
SUMS = {*ADDS, "sub"}


def sorted_out(flat: Flat) -> Flat:
    """The same step, its sums in another order, to rounding."""
    return _distributed(_lifted(_regrouped(flat)))


class Sums:
    """The sums of a flat step of which some part is known outside the loop."""

    def __init__(self, flat: Flat):
        self.parts = partition(flat)
        self.made_by = {v: e for e in flat.jaxpr.eqns for v in e.outvars}
        self.uses = collections.Counter(
            v for e in flat.jaxpr.eqns for v in _variables(e)
        )
        self.uses.update(v for v in flat.jaxpr.outvars if not is_literal(v))

    def is_mixed(self, variable: Any, names: set[str]) -> bool:
        """Whether it is one, made by equations of these names, and read once."""
        equation = None if is_literal(variable) else self.made_by.get(variable)
        if equation is None or equation.primitive.name not in names:
            return False
        kinds = [self.parts.kind(v) & STATE for v in equation.invars]
        is_mixed = 0 in kinds or any(self.is_mixed(v, names) for v in equation.invars)
        return self.uses[variable] == 1 and STATE in kinds and is_mixed

    def addends(self, equation: Any) -> list[Any]:
        """Of a sum of sums."""
        found: list[Any] = []
        for variable in equation.invars:
            inner = self.is_mixed(variable, ADDS)
            found += self.addends(self.made_by[variable]) if inner else [variable]
        return found


def _regrouped(flat: Flat) -> Flat:
    """Sums whose parts that are known outside the loop are added there."""
    sums = Sums(flat)

    def evaluate(env: Env) -> None:
        for equation in flat.jaxpr.eqns:
            if equation.primitive.name not in ADDS:
                run([equation], env)
                continue
            # Those before the loop first; in each group as they stood.
            addends = sums.addends(equation)
            addends.sort(key=lambda v: sums.parts.kind(v) & STATE)
            values = [read(env, v) for v in addends]
            total = functools.partial(_added, equation)
            env[equation.outvars[0]] = functools.reduce(total, values)

    return retraced(flat, evaluate)


def _added(equation: Any, one: Any, other: Any) -> Any:
    return bind(equation, [one, other])[0]


def _lifted(flat: Flat) -> Flat:
    """Biases of all pieces of an array of inputs, added to the array."""
    sums = Sums(flat)
    parts = sums.parts
    readers: dict[Any, list[Any]] = {}
    for equation in flat.jaxpr.eqns:
        for variable in _variables(equation):
            readers.setdefault(variable, []).append(equation)

    def bias_of(piece: Any, axis: int) -> tuple[Any, Any] | None:
        """The sum that alone reads a piece, and what is added to it there."""
        (reader, *others) = readers.get(piece, [None])
        if reader is None or others or reader.primitive.name not in ADDS:
            return None
        if sums.uses[piece] != 1:
            return None
        one, other = reader.invars
        bias = other if one is piece else one
        is_wide = bias.aval.ndim == piece.aval.ndim and (
            bias.aval.shape[axis] == piece.aval.shape[axis]
        )
        return (reader, bias) if is_wide and parts.kind(bias) == PARAMS else None

    lifts: dict[int, list[tuple[Any, Any]]] = {}
    for equation in parts.drive:
        if equation.primitive.name == "split":
            axis = equation.params["axis"]
            found = [bias_of(v, axis) for v in equation.outvars]
            biases = [pair for pair in found if pair is not None]
            if len(biases) == len(found):
                lifts[id(equation)] = biases
    gone = {id(add) for biases in lifts.values() for add, _ in biases}

    def evaluate(env: Env) -> None:
        run(parts.once, env)
        for equation in (*parts.drive, *parts.loop):
            if id(equation) in lifts:
                _run_lifted(equation, lifts[id(equation)], env)
            elif id(equation) not in gone:
                run([equation], env)

    return retraced(flat, evaluate) if lifts else flat


def _run_lifted(equation: Any, biases: Sequence[tuple[Any, Any]], env: Env) -> None:
    axis, (add, _) = equation.params["axis"], biases[0]
    bias = _side_by_side([read(env, b) for _, b in biases], axis)
    (whole,) = bind(add, [read(env, equation.invars[0]), bias])
    for (add, _), piece in zip(biases, bind(equation, [whole]), strict=True):
        env[add.outvars[0]] = piece


def _side_by_side(biases: Sequence[Array], axis: int) -> Array:
    """One array of them; each may be one row for all, or a row for each."""
    others = [shape[:axis] + shape[axis + 1 :] for shape in (b.shape for b in biases)]
    rows = [max(sizes) for sizes in zip(*others, strict=True)]
    return lax.concatenate(
        [
            jnp.broadcast_to(b, (*rows[:axis], b.shape[axis], *rows[axis:]))
            for b in biases
        ],
        axis,
    )


def _distributed(flat: Flat) -> Flat:
    sums = Sums(flat)

    splits = {
        id(e)
        for e in flat.jaxpr.eqns
        if e.primitive.name == "split" and sums.is_mixed(e.invars[0], SUMS)
    }

    def pieces(variable: Any, sizes: Any, axis: int, env: Env) -> list[Any]:
        if not sums.is_mixed(variable, SUMS):
            value = jnp.asarray(read(env, variable))
            whole = value.ndim > axis and value.shape[axis] == sum(sizes)
            return [*lax.split(value, sizes, axis)] if whole else [value] * len(sizes)
        equation = sums.made_by[variable]
        one, other = (pieces(v, sizes, axis, env) for v in equation.invars)
        return [bind(equation, pair)[0] for pair in zip(one, other, strict=True)]

    def evaluate(env: Env) -> None:
        for equation in flat.jaxpr.eqns:
            if id(equation) in splits:
                params = equation.params
                made = pieces(equation.invars[0], params["sizes"], params["axis"], env)
                env.update(zip(equation.outvars, made, strict=True))
            else:
                run([equation], env)

    return retraced(flat, evaluate) if splits else flat


def _variables(equation: Any) -> list[Any]:
    return [v for v in equation.invars if not is_literal(v)]
