"""Small syntax trees: how the rules read a line, and how they write another."""

import ast
import functools
from collections.abc import Sequence

Term = tuple[bool, ast.expr]  # whether it is added, and what


def name(text: str) -> ast.expr:
    """A variable."""
    return ast.Name(text, ast.Load())


def number(value: object) -> ast.expr:
    """A constant."""
    return ast.Constant(value)  # type: ignore[arg-type]


@functools.cache
def parse(text: str) -> ast.expr:
    """An expression from its text; trees are never changed, so one serves all."""
    return ast.parse(text, mode="eval").body


def times(*factors: ast.expr) -> ast.expr:
    """A product, from the left to the right; of nothing it is 1.

    >>> ast.unparse(times(name("a"), plus(name("b"), name("c"))))
    'a * (b + c)'
    """
    if not factors:
        return number(1)
    made = factors[0]
    for factor in factors[1:]:
        made = ast.BinOp(made, ast.Mult(), factor)
    return made


def over(x: ast.expr, y: ast.expr) -> ast.expr:
    """A quotient."""
    return ast.BinOp(x, ast.Div(), y)


def plus(x: ast.expr, y: ast.expr) -> ast.expr:
    """A sum of two."""
    return ast.BinOp(x, ast.Add(), y)


def minus(x: ast.expr, y: ast.expr) -> ast.expr:
    """A difference."""
    return ast.BinOp(x, ast.Sub(), y)


def negative(x: ast.expr) -> ast.expr:
    """The other sign."""
    if isinstance(x, ast.UnaryOp) and isinstance(x.op, ast.USub):
        return x.operand
    return ast.UnaryOp(ast.USub(), x)


def power(x: ast.expr, exponent: float = 2) -> ast.expr:
    """X to a number."""
    return ast.BinOp(x, ast.Pow(), number(exponent))


def call(function: str, *arguments: ast.expr) -> ast.expr:
    """A call of ``np.tanh`` and the like."""
    made = name(function.split(".")[0])
    for attribute in function.split(".")[1:]:
        made = ast.Attribute(made, attribute, ast.Load())
    return ast.Call(made, list(arguments), [])


def turned(x: ast.expr) -> ast.expr:
    """The transpose; of a transpose the array itself."""
    return x.value if is_turned(x) else ast.Attribute(x, "T", ast.Load())  # type: ignore[attr-defined]


def is_turned(x: ast.AST) -> bool:
    """Whether it ends in .T."""
    return isinstance(x, ast.Attribute) and x.attr == "T"


def item(x: ast.expr, index: ast.expr) -> ast.expr:
    """x[index]."""
    return ast.Subscript(x, index, ast.Load())


def factors(node: ast.AST) -> list[ast.expr]:
    """The factors of a product; of anything else the thing itself.

    >>> [ast.unparse(x) for x in factors(parse("a * (b + c) * d"))]
    ['a', 'b + c', 'd']
    """
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return factors(node.left) + factors(node.right)
    return [node]  # type: ignore[list-item]


def terms(node: ast.AST, added: bool = True) -> list[Term]:
    """The terms of a sum or difference."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        right = added if isinstance(node.op, ast.Add) else not added
        return terms(node.left, added) + terms(node.right, right)
    return [(added, node)]  # type: ignore[list-item]


def total(parts: Sequence[Term]) -> ast.expr:
    """A sum from its terms."""
    (added, made), *rest = parts
    made = made if added else negative(made)
    for added, term in rest:
        made = plus(made, term) if added else minus(made, term)
    return made


def called(node: ast.AST) -> str:
    """The name of the function that is called here; empty if none is."""
    if not isinstance(node, ast.Call):
        return ""
    function, parts = node.func, []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        return parts[0] if parts else ""
    return ".".join([function.id, *parts[::-1]])


def equal(one: ast.AST, two: ast.AST) -> bool:
    """Whether two trees say the same."""
    return ast.dump(one) == ast.dump(two)


def text(node: ast.AST) -> str:
    """As a person would write it, without outer blanks; kept, as trees are."""
    if not hasattr(node, "as_text"):
        node.as_text = ast.unparse(node).strip()  # type: ignore[attr-defined]
    return str(node.as_text)  # type: ignore[attr-defined]


def is_value(node: ast.AST, line: ast.AST) -> bool:
    """Whether it is the whole right side of a statement."""
    return node is getattr(line, "value", None)


def is_number(node: ast.AST, value: float) -> bool:
    """Whether it is this constant."""
    return isinstance(node, ast.Constant) and node.value == value
