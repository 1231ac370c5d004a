"""A program of JAX, run by NumPy: nothing is compiled.

A program in the tests runs once, on arrays of a few numbers, and compiling it takes a
hundred times as long as tracing it. So where a claim is one of numbers, and not of what
a compiler makes of a program, the jaxpr is evaluated step by step. Loops are Python's.
What NumPy has no word for is left to JAX, operation by operation.

That a compiled program gives the same numbers is claimed for every cell and every way
in `engine/test_gradients.py`.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import cases
import jax
import numpy as np
from jax.extend import core

from scanrnn.verify.proof.moves import MOVES

Values = Sequence[Any]


def by_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """``jax.jit(function)``, but for the jit."""

    traced: dict[Any, Any] = {}

    def run(*args: Any) -> Any:
        kind = jax.tree.structure(args), str(jax.tree.map(jax.typeof, args))
        if kind not in traced:
            traced[kind] = jax.make_jaxpr(function, return_shape=True)(*args)
        program, shape = traced[kind]
        with np.errstate(all="ignore"):
            made = evaluate(program, list(map(np.asarray, jax.tree.leaves(args))))
        return jax.tree.unflatten(jax.tree.structure(shape), made)

    return run


def there_and_back(case: Any, sr: Any = cases.scanrnn, **more: Any) -> Any:
    """`cases.Problem.run`, by NumPy."""
    arrays = {k: v for k, v in case.options.items() if not isinstance(v, bool)}
    others = {k: v for k, v in case.options.items() if k not in arrays} | more
    run = functools.partial(
        cases._there_and_back.__wrapped__,
        sr.unroll,
        tuple(sorted(others.items())),
        case.cell,
    )
    return by_numpy(run)(case.params, case.xs, case.start, arrays, case.d_run)


def evaluate(closed: Any, arguments: Values) -> list[Any]:
    """The results of a closed jaxpr."""
    jaxpr = getattr(closed, "jaxpr", closed)
    consts = getattr(closed, "consts", ())
    known = dict(zip(jaxpr.constvars, map(np.asarray, consts), strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Any:
        return np.asarray(atom.val) if isinstance(atom, core.Literal) else known[atom]

    for equation in jaxpr.eqns:
        made = apply(equation, [read(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def apply(equation: Any, values: Values) -> Values:
    name, p = equation.primitive.name, equation.params
    if name in CONTROL:
        return CONTROL[name](p, values)
    inner = next((p[key] for key in INNER if key in p), None)
    if inner is not None:
        return evaluate(inner, values)
    if name in MOVES:
        made = MOVES[name](p, *values)
        return made if isinstance(made, list) else [made]
    if name in ARITHMETIC:
        return [
            np.asarray(ARITHMETIC[name](p, *values), equation.outvars[0].aval.dtype)
        ]
    made = equation.primitive.bind(*map(jax.numpy.asarray, values), **p)
    many = equation.primitive.multiple_results
    return list(map(np.asarray, made if many else [made]))


INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def scan(p: Any, values: Values) -> Values:
    consts, carries = scan_counts(p)
    fixed, carry = values[:consts], values[consts : consts + carries]
    xs, length = values[consts + carries :], p["length"]
    kept: list[Any] = [None] * length
    for t in reversed(range(length)) if p["reverse"] else range(length):
        made = evaluate(p["jaxpr"], [*fixed, *carry, *(x[t] for x in xs)])
        carry, kept[t] = made[:carries], made[carries:]
    if not length:
        avals = [atom.aval for atom in p["jaxpr"].jaxpr.outvars[carries:]]
        return [*carry, *(np.zeros((0, *a.shape), a.dtype) for a in avals)]
    return [*carry, *map(np.stack, zip(*kept, strict=True))]


def scan_counts(p: Any) -> tuple[int, int]:
    if "num_carry" in p:
        return p["num_consts"], p["num_carry"]
    consts, carry, _ = p["ft_in"].unpack()  # jax 0.12
    return len(consts), len(carry)


def loop(p: Any, values: Values) -> Values:
    tests, consts = p["cond_nconsts"], p["body_nconsts"]
    of_test, fixed = values[:tests], values[tests : tests + consts]
    carry = values[tests + consts :]
    while evaluate(p["cond_jaxpr"], [*of_test, *carry])[0]:
        carry = evaluate(p["body_jaxpr"], [*fixed, *carry])
    return carry


def branch(p: Any, values: Values) -> Values:
    which, *operands = values
    last = len(p["branches"]) - 1
    return evaluate(p["branches"][int(np.clip(int(which), 0, last))], operands)


CONTROL = {"scan": scan, "while": loop, "cond": branch}


def product(p: Any, x: Any, y: Any) -> Any:
    contracted, (of_x, of_y) = p["dimension_numbers"]
    if not of_x:
        return np.tensordot(x, y, contracted)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    names_x, names_y = ({}, {})
    for i, j in (*zip(of_x, of_y, strict=True), *zip(*contracted, strict=True)):
        names_x[i] = names_y[j] = next(letters)
    free_x, free_y = (
        {i: next(letters) for i in range(array.ndim) if i not in names}
        for array, names in ((x, names_x), (y, names_y))
    )
    in_x, in_y = (
        "".join(names[i] for i in range(len(names)))
        for names in (names_x | free_x, names_y | free_y)
    )
    out = [*(names_x[i] for i in of_x), *free_x.values(), *free_y.values()]
    return np.einsum(f"{in_x},{in_y}->{''.join(out)}", x, y)


def starts(shape: Values, sizes: Values, at: Values) -> tuple[slice, ...]:
    """A window, moved inside the array."""
    axes = zip(shape, sizes, at, strict=True)
    first = [(int(np.clip(int(i), 0, n - size)), size) for n, size, i in axes]
    return tuple(slice(i, i + size) for i, size in first)


def put_slice(p: Any, x: Any, part: Any, *at: Any) -> Any:
    made = x.copy()
    made[starts(x.shape, part.shape, at)] = part
    return made


def take_slice(p: Any, x: Any, *at: Any) -> Any:
    return x[starts(x.shape, p["slice_sizes"], at)]


def iota(p: Any) -> Any:
    shape, axis = p["shape"], p["dimension"]
    along = np.arange(shape[axis]).reshape([-1] + [1] * (len(shape) - axis - 1))
    return np.broadcast_to(along, shape)


def cumulative(p: Any, x: Any) -> Any:
    flip = functools.partial(np.flip, axis=p["axis"])
    return (
        flip(np.cumsum(flip(x), p["axis"])) if p["reverse"] else np.cumsum(x, p["axis"])
    )


def choice(p: Any, which: Any, *cases: Any) -> Any:
    if len(cases) == 2:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda p, *values: function(*values)


def over_axes(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda p, x: function(x, axis=tuple(p["axes"]))


PLAIN = {
    **dict.fromkeys(("add", "add_any"), operator.add),
    **{name: getattr(operator, name) for name in ("sub", "mul", "neg", "abs")},
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{name: getattr(np, name) for name in ("tanh", "exp", "log", "log1p", "sqrt")},
    **{name: getattr(np, name) for name in ("sin", "cos", "sign", "square")},
    **{"max": np.maximum, "min": np.minimum, "not": np.invert},
    **{"and": np.bitwise_and, "or": np.bitwise_or},
    "one_minus_square": lambda x: 1 - x * x,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
}
ARITHMETIC = {
    **{name: plainly(function) for name, function in PLAIN.items()},
    "convert_element_type": lambda p, x: x.astype(p["new_dtype"]),
    "cumsum": cumulative,
    "dot_general": product,
    "dynamic_slice": take_slice,
    "dynamic_update_slice": put_slice,
    "integer_pow": lambda p, x: x ** float(p["y"]) if p["y"] < 0 else x ** p["y"],
    "iota": iota,
    "reduce_max": over_axes(np.max),
    "reduce_sum": over_axes(np.sum),
    "select_n": choice,
}
