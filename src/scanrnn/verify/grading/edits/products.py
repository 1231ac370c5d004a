"""Products of matrices: a transpose, the order, an operand, an einsum letter."""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function
from .edit import Change
from .nodes import (
    called,
    factors,
    is_turned,
    item,
    name,
    number,
    parse,
    text,
    times,
    turned,
)


def transposes(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A transpose is missing, or one too many; the operands are exchanged."""
    if called(node) != "np.dot" or len(node.args) != 2:
        return
    one, two = node.args
    for first, second, what, cost in (
        (turned(one), two, _turn(one), 1.0),
        (one, turned(two), _turn(two), 1.0),
        (turned(one), turned(two), f"{_turn(one)}, and {_turn(two)}", 1.4),
        (turned(two), turned(one), "the product is transposed", 1.1),
        (two, one, "the operands of the product are exchanged", 1.2),
    ):
        key = _kind(what, one, two)
        yield Change(_dot(first, second), "transpose", what, cost, key)
    if is_turned(one) != is_turned(two) and known.name.endswith("backward"):
        scrambled = parse(f"({text(node)}).T.reshape(({text(node)}).shape)")
        what = "the transposed product is reshaped, and not transposed again"
        yield Change(scrambled, "reshape", what, 1.5, what)
    for kept, lost in ((one, two), (two, one)):
        what = f"{text(lost)} is left out of the product"
        yield Change(kept, "dropped", what, 1.3, f"no {_kind(what, one, two)}")
    what = "* in place of the matrix product"
    yield Change(times(one, two), "product", what, 1.2, what)
    what = f"* in place of the matrix product, without {text(two)} transposed"
    if is_turned(one) or is_turned(two):
        plain = times(*(turned(x) if is_turned(x) else x for x in (one, two)))
        yield Change(plain, "product", what, 1.5, "elementwise, plain")
    for twin, mine in (
        (_dot(one, turned(one)), "first"),
        (_dot(two, turned(two)), "s"),
    ):
        what = "the product of an operand with itself"
        yield Change(twin, "operand", what, 1.9, f"itself {mine}")


def _turn(x: ast.expr) -> str:
    if is_turned(x):
        return f"{text(turned(x))} is not transposed"
    return f"{text(x)} is transposed"


def _kind(what: str, one: ast.expr, two: ast.expr) -> str:
    """The same for every gate."""
    return (
        what.replace(text(one), "first")
        .replace(text(two), "second")
        .replace(text(turned(one)), "first")
        .replace(text(turned(two)), "second")
    )


def _dot(one: ast.expr, two: ast.expr) -> ast.expr:
    function = ast.Attribute(name("np"), "dot", ast.Load())
    return ast.Call(function, [one, two], [])


def examples(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A loop over the examples, or over units, that leaves out one at an end."""
    if called(node) != "np.dot" or len(node.args) != 2:
        return
    one, two = node.args
    if is_turned(one) == is_turned(two) or not known.name.endswith("backward"):
        return
    columns = is_turned(two)  # the sum is over the columns of both, or over the rows
    word = "unit" if columns == (known.program.convention == "rows") else "example"
    for cut, place in (("1:", "first"), (":-1", "last")):
        some = parse(f"x[:, {cut}]" if columns else f"x[{cut}]")
        assert isinstance(some, ast.Subscript)
        left, right = (
            turned(item(turned(x), some.slice)) if is_turned(x) else item(x, some.slice)
            for x in (one, two)
        )
        what = f"the {place} {word} is left out"
        yield Change(_dot(left, right), "axis", what, 1.4, what)


def order(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The derivative is applied after the product: (W.T d) * s for W.T (d * s)."""
    if called(node) != "np.dot" or len(node.args) != 2:
        return
    for place, operand in enumerate(node.args):
        defined = known.values.get(text(operand), operand)
        parts = factors(defined)
        if len(parts) < 2:
            continue
        for i, part in enumerate(parts):
            rest = times(*parts[:i], *parts[i + 1 :])
            arguments = list(node.args)
            arguments[place] = rest
            what = f"the product is made without {text(part)}"
            yield Change(_dot(*arguments), "order", what, 1.2, what)
            after = times(_dot(*arguments), part)
            what = f"{text(part)} comes after the product and not before it"
            yield Change(after, "order", what, 1.2, what)
            other = node.args[1 - place]
            if is_turned(other) and text(other)[:1] in "Wp":  # J = diag(slope) W
                pair = [rest, turned(other)] if place == 0 else [turned(other), rest]
                after = times(_dot(*pair), part)
                what = f"the Jacobian is not transposed: {text(after)}"
                yield Change(after, "order", what, 1.4, "Jacobian")
            arguments[place] = part
            what = f"the product is made with {text(part)} alone"
            yield Change(_dot(*arguments), "order", what, 1.7, what)


def letters(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Another letter, or another order of letters, in an einsum."""
    if called(node) != "np.einsum":
        return
    spec = node.args[0].value
    inputs, _, output = spec.partition("->")
    found: dict[str, str] = {}
    for i, letter in enumerate(inputs):
        for other in sorted(set(inputs) - {",", letter}):
            if letter != ",":
                found[f"{inputs[:i]}{other}{inputs[i + 1 :]}->{output}"] = ""
    for i in range(len(output)):
        for other in sorted(set(inputs) - {",", output[i]}):
            changed = f"{output[:i]}{other}{output[i + 1 :]}"
            if len(set(changed)) == len(changed):
                found[f"{inputs}->{changed}"] = ""
    if len(output) == 2:
        found[f"{inputs}->{output[::-1]}"] = ""
    for new in found:
        arguments = [number(new), *node.args[1:]]
        what = f"the letters are {new} and not {spec}"
        yield Change(ast.Call(node.func, arguments, []), "letters", what, 1.4)


RULES = (transposes, examples, order, letters)
