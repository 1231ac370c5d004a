"""The derivative of an activation: another form of it, or of another argument.

Where a line has 1 - y**2 or y * (1 - y), with y the output of a tanh or a sigmoid, the
whole derivative is replaced at once.
"""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function, near
from .edit import Change
from .nodes import (
    called,
    equal,
    factors,
    is_number,
    minus,
    name,
    number,
    over,
    parse,
    plus,
    power,
    text,
    times,
)

ONE = number(1)


def of_tanh(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """1 - y**2 written in another way."""
    y = tanh_argument(node)
    if y is None:
        return
    kind = "memory" if called(y) == "np.tanh" or text(y) == "tanh_c" else "tanh"
    for new, what, cost in _tanh_forms(y):
        words = f"the derivative of tanh is written {what or text(new)}"
        yield Change(new, "derivative", words, cost, f"{kind} {_form(new, y)}")
    yield from _elsewhere(known, node, y, "tanh")


def of_sigmoid(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """y * (1 - y) written in another way; the factors stand anywhere in a product."""
    parts = factors(node)
    found = sigmoid_argument(parts)
    if found is None:
        return
    i, j, y = found
    rest = [part for k, part in enumerate(parts) if k not in (i, j)]
    place = min(i, j)
    for slope, what, cost in _sigmoid_forms(y):
        new = times(*rest[:place], slope, *rest[place:])
        words = f"the derivative of the sigmoid is written {what or text(slope)}"
        yield Change(new, "derivative", words, cost, f"sigmoid {_form(slope, y)}")
    if rest:
        new = minus(times(*rest[:place], y), times(power(y), *rest[place:]))
        words = f"the derivative is written {text(y)} - {text(power(y))}, "
        words += "and its parentheses are missing"
        yield Change(new, "derivative", words, 1.2, "sigmoid without parentheses")
    if not isinstance(y, ast.Name):
        return
    for other in known.like(y.id):
        z = name(other)
        new = times(*rest[:place], z, minus(ONE, z), *rest[place:])
        what = f"the derivative is taken of {other} and not of {y.id}"
        yield Change(new, "derivative", what, near(y.id, other), f"sigmoid at {what}")
    for words in PRE_ACTIVATIONS.get(y.id, ()):
        z = parse(words)
        forms = (
            (times(z, minus(ONE, z)), "z * (1 - z)", 1.2),
            (minus(ONE, power(z)), "1 - z**2", 1.6),
            (z, "z", 1.8),
            (minus(ONE, z), "1 - z", 1.8),
        )
        for form, what, cost in forms:
            new = times(*rest[:place], form, *rest[place:])
            words_ = f"the derivative is written {what}, with z before the activation"
            yield Change(new, "derivative", words_, cost, f"sigmoid of z {what}")


def of_value(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The slope where the value should stand: in an array that holds it by then."""
    parts = factors(node)
    for i, y in enumerate(parts if len(parts) > 1 else ()):
        if called(y) == "np.tanh" or text(y) == "tanh_c":
            slope = minus(ONE, power(y))
            new = times(*parts[:i], slope, *parts[i + 1 :])
            what = f"{text(slope)} in place of {text(y)}"
            yield Change(new, "derivative", what, 1.3, "slope for value")


def tanh_argument(node: ast.AST) -> ast.expr | None:
    """y of 1 - y**2."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
        return None
    square = node.right
    if not is_number(node.left, 1) or not isinstance(square, ast.BinOp):
        return None
    is_square = isinstance(square.op, ast.Pow) and is_number(square.right, 2)
    return square.left if is_square else None


def sigmoid_argument(parts: list[ast.expr]) -> tuple[int, int, ast.expr] | None:
    """Where y and 1 - y stand among the factors, and y."""
    for j, part in enumerate(parts):
        if not isinstance(part, ast.BinOp) or not isinstance(part.op, ast.Sub):
            continue
        for i, y in enumerate(parts):
            if i != j and is_number(part.left, 1) and equal(part.right, y):
                return i, j, y
    return None


def _tanh_forms(y: ast.expr) -> Iterator[tuple[ast.expr, str, float]]:
    square, tanh = power(y), _call("np.tanh", y)
    yield ONE, "1: it is missing", 1.0
    yield minus(ONE, y), "", 1.0
    yield power(minus(ONE, y)), "", 1.0
    yield minus(ONE, power(tanh)), "", 1.0
    yield times(y, minus(ONE, y)), "as that of the sigmoid", 1.0
    yield plus(ONE, square), "", 1.2
    yield minus(square, ONE), "", 1.2
    yield square, "", 1.2
    yield y, "", 1.2
    yield power(minus(ONE, square)), "twice", 1.4
    yield times(minus(ONE, y), plus(ONE, square)), "", 2.0
    yield plus(ONE, y), "", 1.6
    yield minus(ONE, times(number(2), y)), "", 1.8
    yield minus(ONE, power(y, 3)), "", 1.8
    yield minus(ONE, _call("np.abs", y)), "", 1.8
    yield _call("np.sqrt", minus(ONE, square)), "", 1.8
    yield over(ONE, minus(ONE, square)), "", 1.6
    yield over(ONE, plus(ONE, square)), "as that of the arctangent", 1.7
    yield times(number(1.0), ast.Compare(y, [ast.Gt()], [number(0)])), "as of relu", 1.3
    yield minus(ONE, tanh), "", 1.5
    yield tanh, "", 1.6
    yield power(minus(ONE, tanh)), "", 1.7
    sig = _call("sigmoid", y)
    yield times(sig, minus(ONE, sig)), "as that of the sigmoid, applied again", 1.4
    yield sig, "", 1.6
    yield times(number(2), y, minus(ONE, square)), "", 2.0
    yield over(ONE, power(_call("np.cosh", y))), "", 1.5
    yield times(minus(number(0), number(2)), y), "", 1.9
    yield minus(number(2), square), "", 2.2


def _sigmoid_forms(y: ast.expr) -> Iterator[tuple[ast.expr, str, float]]:
    one_less, square = minus(ONE, y), power(y)
    yield ONE, "1: it is missing", 1.0
    yield y, "", 1.0
    yield one_less, "", 1.0
    yield minus(ONE, square), "as that of tanh", 1.0
    sig = _call("sigmoid", y)
    yield times(sig, minus(ONE, sig)), "of the sigmoid again", 1.0
    yield sig, "", 1.2
    yield minus(ONE, sig), "", 1.4
    yield times(sig, one_less), "", 1.4
    yield times(y, minus(ONE, sig)), "", 1.4
    yield _call("np.tanh", y), "", 1.6
    yield minus(ONE, power(_call("np.tanh", y))), "as that of tanh, applied again", 1.2
    yield times(y, plus(ONE, y)), "", 1.2
    yield times(y, minus(y, ONE)), "", 1.2
    yield times(square, one_less), "", 1.4
    yield times(y, power(one_less)), "", 1.4
    yield power(times(y, one_less)), "twice", 1.3
    yield times(y, minus(ONE, square)), "", 1.4
    yield minus(y, ONE), "", 1.6
    yield square, "", 1.4
    yield power(one_less), "", 1.4
    yield minus(times(y, y), ONE), "", 1.8
    yield minus(y, times(number(2), square)), "", 2.0
    yield plus(y, one_less), "", 1.8
    yield plus(y, minus(ONE, y)), "", 1.8
    yield minus(square, y), "", 1.5
    yield over(y, one_less), "", 1.8
    yield minus(ONE, times(number(2), y)), "as the derivative of the derivative", 1.8


def _elsewhere(known: Function, node: Any, y: ast.expr, kind: str) -> Iterator[Change]:
    """The derivative at another argument: of the pre-activation, of a gradient."""
    applied = called(y) == "np.tanh"
    inner = y.args[0] if applied else y  # type: ignore[attr-defined]
    if not isinstance(inner, ast.Name):
        return
    for other in known.like(inner.id):
        cost = near(inner.id, other)
        tanh = minus(ONE, power(_call("np.tanh", name(other))))
        plain = minus(ONE, power(name(other)))
        new, twin = (tanh, plain) if applied else (plain, tanh)
        what = f"the derivative is taken at {other} and not at {inner.id}"
        yield Change(new, "derivative", what, cost, f"{kind} at {what}")
        what = f"the derivative is written {text(twin)}"
        yield Change(twin, "derivative", what, cost + 0.3, f"{kind} at {what}")
    for words in PRE_ACTIVATIONS.get(inner.id, ()):
        z = parse(words)
        sig = _call("sigmoid", z)
        forms = (
            (minus(ONE, power(z)), "1 - z**2", 1.0),
            (times(sig, minus(ONE, sig)), "that of the sigmoid of z", 1.2),
            (minus(ONE, z), "1 - z", 1.6),
            (times(z, minus(ONE, z)), "z * (1 - z)", 1.5),
        )
        for form, what, cost in forms:
            words_ = f"the derivative is written {what}, with z before the activation"
            yield Change(form, "derivative", words_, cost, f"{kind} of z {what}")


# What stands before the activation, in the variables of the backward pass.
_Z = "np.dot({p}['W{g}'], np.concatenate((a_prev, xt), axis=0)) + {p}['b{g}']"
_RNN = "np.dot({p}['Waa'], a_prev) + np.dot({p}['Wax'], xt)"
PRE_ACTIVATIONS = {
    "a_next": (
        _RNN.format(p="parameters") + " + parameters['ba']",
        _RNN.format(p="parameters"),
    ),
    "next_h": ("np.dot(x, Wx) + np.dot(prev_h, Wh)",),
    **{
        name_: (_Z.format(p="parameters", g=gate),)
        for name_, gate in {
            **{"ft": "f", "it": "i", "ot": "o", "cct": "c"},
            **{"rt": "r", "zt": "z"},
        }.items()
    },
    "nt": (_Z.format(p="parameters", g="n").replace("(a_prev,", "(rt * a_prev,"),),
}


def _call(function: str, x: ast.expr) -> ast.expr:
    if "." not in function:
        return ast.Call(name(function), [x], [])
    base, attribute = function.split(".")
    return ast.Call(ast.Attribute(name(base), attribute, ast.Load()), [x], [])


def _form(new: ast.AST, y: ast.AST) -> str:
    """The same for every gate: y stands for the output."""
    return text(new).replace(text(y), "y")


RULES = (of_tanh, of_sigmoid, of_value)
