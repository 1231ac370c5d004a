"""What every primitive of a jaxpr means modulo a prime.

Values are of two kinds. Floats, and what a comparison of floats gives, are `Field`;
integers, and masks that come from integers, are what they are and are computed by JAX.
A primitive that is not listed here is refused.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax.extend import core

from . import modular
from .modular import Field, Numbers, Refusal, Unknowns
from .moves import MOVES, clamped, gather, scatter_add, whole_numbers

Value: TypeAlias = Field | Numbers


def evaluate(
    closed: Any, arguments: Sequence[Value], unknowns: Unknowns
) -> list[Value]:
    """The results of a closed jaxpr.

    Args:
        closed: as `jax.make_jaxpr` makes it.
        arguments: one value for every input: a `Field`, or an array of integers or
            bools.
        unknowns: draws the values of unknown functions.

    Raises:
        Refusal: at a primitive that is not known, or has no meaning in a field.
    """
    jaxpr = getattr(closed, "jaxpr", closed)
    consts = map(_lift, getattr(closed, "consts", ()))
    known: dict[Any, Value] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Value:
        return _lift(atom.val) if isinstance(atom, core.Literal) else known[atom]

    for equation in jaxpr.eqns:
        results = _apply(equation, [read(atom) for atom in equation.invars], unknowns)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(equation: Any, values: list[Value], unknowns: Unknowns) -> Sequence[Value]:
    name, parameters = equation.primitive.name, equation.params
    if name in CONTROL:
        return CONTROL[name](parameters, values, unknowns, equation)
    if name in MOVES:
        return _rearrange(MOVES[name], parameters, values)
    if not any(isinstance(value, Field) for value in values):
        return _compute(equation, values)
    if name not in ARITHMETIC:
        raise Refusal(f"the primitive {name!r} is not known")
    made = ARITHMETIC[name](parameters, values, unknowns, equation)
    dtype = equation.outvars[0].aval.dtype
    if isinstance(made, Field) and jnp.issubdtype(dtype, jnp.integer):
        raise Refusal("an integer that depends on the value of a float")
    return [made]


def _compute(equation: Any, values: list[Value]) -> list[Value]:
    """Integers and bools: JAX's own result."""
    made = equation.primitive.bind(*map(jnp.asarray, values), **equation.params)
    return [_lift(one) for one in (made if isinstance(made, list | tuple) else [made])]


def _lift(value: Any) -> Value:
    """A constant: floats as a field, others as they are."""
    array = np.asarray(value)
    floating = jnp.issubdtype(array.dtype, jnp.floating)
    return modular.constant(array) if floating else array


def as_field(value: Value) -> Field:
    """A value as a field: integers and bools are constants."""
    return value if isinstance(value, Field) else modular.constant(value)


# Primitives that hold a program.


def _call(parameters: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Any:
    inner = [parameters[name] for name in INNER if name in parameters]
    if not inner:
        raise Refusal(f"a call without a program that is known: {sorted(parameters)}")
    return evaluate(inner[0], values, unknowns)


INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def _scan(parameters: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Any:
    consts, carries = _scan_counts(parameters)
    fixed, carry, xs = (
        values[:consts],
        values[consts : consts + carries],
        values[consts + carries :],
    )
    length, body = parameters["length"], parameters["jaxpr"]
    kept: list[Any] = [None] * length
    for t in reversed(range(length)) if parameters["reverse"] else range(length):
        made = evaluate(body, [*fixed, *carry, *(_at(x, t) for x in xs)], unknowns)
        carry, kept[t] = made[:carries], made[carries:]
    if not length:
        avals = [atom.aval for atom in body.jaxpr.outvars[carries:]]
        return [*carry, *(_lift(np.zeros((0, *a.shape), a.dtype)) for a in avals)]
    return [*carry, *(_stack(steps) for steps in zip(*kept, strict=True))]


def _scan_counts(parameters: Any) -> tuple[int, int]:
    if "num_carry" in parameters:
        return parameters["num_consts"], parameters["num_carry"]
    if "ft_in" in parameters:  # JAX from 0.12 on
        consts, carry, _ = parameters["ft_in"].unpack()
        return len(consts), len(carry)
    raise Refusal(f"a scan whose carry cannot be told: {sorted(parameters)}")


def _at(value: Value, t: int) -> Value:
    if isinstance(value, Field):
        return Field(np.asarray(value.data[t], object), value.degree)
    return np.asarray(value[t])


def _stack(steps: Sequence[Value]) -> Value:
    return _rearrange(lambda _, *arrays: np.stack(arrays), None, steps)[0]


def _while(parameters: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Any:
    tests, consts = parameters["cond_nconsts"], parameters["body_nconsts"]
    of_test, fixed = values[:tests], values[tests : tests + consts]
    carry = values[tests + consts :]
    while True:
        (go,) = evaluate(parameters["cond_jaxpr"], [*of_test, *carry], unknowns)
        if isinstance(go, Field):
            raise Refusal("a loop whose end depends on the value of a float")
        if not go:
            return carry
        carry = evaluate(parameters["body_jaxpr"], [*fixed, *carry], unknowns)


def _cond(parameters: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Any:
    which, *operands = values
    if isinstance(which, Field):
        raise Refusal("a branch that depends on the value of a float")
    branches = parameters["branches"]
    index = int(np.clip(int(which), 0, len(branches) - 1))
    return evaluate(branches[index], operands, unknowns)


CONTROL: dict[str, Callable[..., Sequence[Value]]] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "core_call", "remat2"), _call),
    **dict.fromkeys(("checkpoint", "custom_jvp_call", "custom_vjp_call"), _call),
    "custom_vjp_call_jaxpr": _call,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
}


# Primitives that move entries and change none.


def _rearrange(
    move: Callable[..., Any], parameters: Any, values: Sequence[Value]
) -> list[Value]:
    degree = None
    if any(isinstance(value, Field) for value in values):
        fields = [as_field(value) for value in values]
        degree = fields[0].degree
        for other in fields[1:]:
            degree = degree.or_else(other.degree)
        values = [field.data for field in fields]
    made = move(parameters, *values)
    arrays = made if isinstance(made, list) else [made]
    if degree is None:
        return arrays
    return [Field(np.asarray(array, object), degree) for array in arrays]


# Primitives that compute.


def _two(function: Callable[[Field, Field], Field]) -> Callable[..., Value]:
    return lambda p, values, *_: function(*map(as_field, values))


def _unknown(name: str) -> Callable[..., Value]:
    return lambda p, values, unknowns, _: unknowns.apply(name, as_field(values[0]))


def _above(x: Value, y: Value, unknowns: Unknowns) -> Field:
    return unknowns.positive(modular.subtract(as_field(x), as_field(y)))


def _not(x: Value) -> Field:
    return modular.subtract(modular.constant(1), as_field(x))


def _compared(way: str) -> Callable[..., Value]:
    def rule(p: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Field:
        x, y = values if way in ("gt", "le") else reversed(values)
        above = _above(x, y, unknowns)
        return above if way in ("gt", "lt") else _not(above)

    return rule


def _larger(p: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Field:
    x, y = map(as_field, values)
    return unknowns.larger(x, y)


def _smaller(p: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Field:
    x, y = (modular.negative(as_field(value)) for value in values)
    return modular.negative(unknowns.larger(x, y))


def _either(x: Field, y: Field) -> Field:
    return modular.subtract(modular.add(x, y), modular.multiply(x, y))


def _select(p: Any, values: list[Value], unknowns: Unknowns, _: Any) -> Value:
    which, *cases = values
    if isinstance(which, Field):
        if len(cases) != 2:
            raise Refusal("a choice among more than two by the value of a float")
        return unknowns.choose(which, *map(as_field, cases))
    fields = [as_field(case) for case in cases]
    degree = fields[0].degree
    for other in fields[1:]:
        degree = degree.or_else(other.degree)
    index = which.astype(int)
    data = np.choose(np.broadcast_to(index, fields[0].shape), [f.data for f in fields])
    return Field(np.asarray(data, object), degree)


def _convert(p: Any, values: list[Value], unknowns: Unknowns, equation: Any) -> Value:
    new, old = np.dtype(p["new_dtype"]), equation.invars[0].aval.dtype
    if jnp.issubdtype(new, jnp.floating) or new == old:
        return values[0]
    raise Refusal(f"a conversion of a float's value from {old} to {new}")


def _contract(p: Any, values: list[Value], *_: Any) -> Field:
    x, y = map(as_field, values)
    return modular.contract(x, y, *p["dimension_numbers"])


def _same(p: Any, values: list[Value], unknowns: Unknowns, equation: Any) -> Value:
    """The test for NaN, x == x; any other equality of floats has no meaning here."""
    x, y = map(as_field, values)
    if unknowns.equal(x, y):
        return np.full(x.shape, equation.primitive.name == "eq")
    raise Refusal("a test for equality of floats")


def _gather(p: Any, values: list[Value], *_: Any) -> Value:
    x, starts = as_field(values[0]), whole_numbers(values[1])
    return Field(gather(p, x.data, starts), x.degree)


def _scatter_add(p: Any, values: list[Value], *_: Any) -> Field:
    x, starts, updates = values
    x, updates = as_field(x), as_field(updates)
    data, most = scatter_add(p, x.data, whole_numbers(starts), updates.data)
    degree = x.degree.plus(updates.degree.summed(most))
    return modular.reduced(data, degree)


def _take_slice(p: Any, values: list[Value], *_: Any) -> Field:
    x, starts = as_field(values[0]), values[1:]
    at = clamped(x.shape, p["slice_sizes"], [whole_numbers(s) for s in starts])
    return Field(x.data[at], x.degree)


def _put_slice(p: Any, values: list[Value], *_: Any) -> Field:
    x, part, *starts = values
    x, part = as_field(x), as_field(part)
    data = x.data.copy()
    data[clamped(x.shape, part.shape, [whole_numbers(s) for s in starts])] = part.data
    return Field(data, x.degree.or_else(part.degree))


def _cumulative(p: Any, values: list[Value], *_: Any) -> Field:
    x, axis = as_field(values[0]), p["axis"]
    data = np.flip(x.data, axis) if p["reverse"] else x.data
    data = np.cumsum(data, axis)
    data = np.flip(data, axis) if p["reverse"] else data
    return modular.reduced(data, x.degree.summed(x.shape[axis]))


def _one_minus_square(p: Any, values: list[Value], *_: Any) -> Field:
    return modular.subtract(
        modular.constant(1.0), modular.power(as_field(values[0]), 2)
    )


# The derivative of each is arithmetic on these; that of any other may not be.
UNKNOWN = ("tanh", "logistic", "exp", "log", "log1p", "sin", "cos", "sqrt")

ARITHMETIC: dict[str, Callable[..., Value]] = {
    **{name: _unknown(name) for name in UNKNOWN},
    **{way: _compared(way) for way in ("gt", "ge", "lt", "le")},
    **dict.fromkeys(("add", "add_any"), _two(modular.add)),
    **dict.fromkeys(("eq", "ne"), _same),
    "and": _two(modular.multiply),
    "convert_element_type": _convert,
    "cumsum": _cumulative,
    "div": _two(modular.divide),
    "dot_general": _contract,
    "dynamic_slice": _take_slice,
    "dynamic_update_slice": _put_slice,
    "gather": _gather,
    "integer_pow": lambda p, values, *_: modular.power(as_field(values[0]), p["y"]),
    "max": _larger,
    "min": _smaller,
    "mul": _two(modular.multiply),
    "neg": lambda p, values, *_: modular.negative(as_field(values[0])),
    "not": lambda p, values, *_: _not(values[0]),
    "one_minus_square": _one_minus_square,
    "or": lambda p, values, *_: _either(*map(as_field, values)),
    "reduce_sum": lambda p, values, *_: modular.sum_over(
        as_field(values[0]), p["axes"]
    ),
    "scatter-add": _scatter_add,
    "select_n": _select,
    "square": lambda p, values, *_: modular.power(as_field(values[0]), 2),
    "sub": _two(modular.subtract),
}
