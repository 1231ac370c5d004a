"""Calls and constants written otherwise: arguments, axes, shapes, letters, branches."""

import ast
import itertools
from collections.abc import Iterator

from .change import Change, exchanged, instead
from .look import Look, Site, shape_of
from .names import GATES

CALLED_ALIKE = (
    ("sum", "mean", "cumsum"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like", "empty_like", "copy"),
    ("concatenate", "vstack", "hstack", "stack"),
    ("tanh", "exp", "cosh", "sinh"),
    ("dot", "multiply", "outer", "matmul"),
    ("add", "subtract", "multiply"),
    ("max", "min", "maximum", "minimum"),
)


def calls(look: Look) -> Iterator[Change]:
    """All that is tried on calls, their arguments, and constants."""
    families = (
        _constant,
        _gates,
        _letters,
        _called,
        _reshaped,
        _flat,
        _entries,
        _arguments,
        _branch,
    )
    for site in look.sites:
        for family in families:
            yield from family(look, site)


def _constant(look: Look, site: Site) -> Iterator[Change]:
    if not isinstance(site.node, ast.Constant):
        return
    value = site.node.value
    if isinstance(value, bool):
        yield instead(site, str(not value), 1)
    elif isinstance(value, int):
        for other in dict.fromkeys((value - 1, value + 1, -value, 0, 1, 2, -1)):
            if other != value:
                yield instead(site, str(other), 1)
        if isinstance(site.parent, ast.keyword) and site.parent.arg == "axis":
            yield instead(site, "None", 1)
            yield instead(site, "(0, 2)", 2)
            yield instead(site, "(0, 1)", 2)
    elif isinstance(value, float):
        for scaled in (value * 2, value / 2, 1 - value, -value, 0.0, 1.0, 0.5, 2.0):
            yield instead(site, str(scaled), 1)


def _gates(look: Look, site: Site) -> Iterator[Change]:
    """The letters of the gates in another order, one more or one fewer."""
    value = getattr(site.node, "value", None)
    if not isinstance(value, str) or not 1 < len(value) < 6 or set(value) - set(GATES):
        return
    for i, j in itertools.combinations(range(len(value)), 2):
        letters = list(value)
        letters[i], letters[j] = letters[j], letters[i]
        yield instead(site, repr("".join(letters)), 1.5)
    for i in range(len(value) + 1):
        yield instead(site, repr(value[:i] + value[i + 1 :]), 2)
        for letter in GATES:
            if letter not in value:
                yield instead(site, repr(value[:i] + letter + value[i:]), 2)
                yield instead(site, repr(value[:i] + letter + value[i + 1 :]), 2)


def _letters(look: Look, site: Site) -> Iterator[Change]:
    """The letters of an einsum."""
    value = getattr(site.node, "value", None)
    if not isinstance(value, str) or not isinstance(site.parent, ast.Call):
        return
    if "->" not in value and "," not in value:
        return
    letters = sorted({c for c in value if c.isalpha()})
    for i, old in enumerate(value):
        if old.isalpha():
            for new in letters:
                if new != old:
                    text = value[:i] + new + value[i + 1 :]
                    yield instead(site, repr(text), 1)
            yield instead(site, repr(value[:i] + value[i + 1 :]), 2)
            for j in range(i + 1, len(value)):
                if value[j].isalpha() and value[j] != old:
                    swapped = list(value)
                    swapped[i], swapped[j] = swapped[j], swapped[i]
                    yield instead(site, repr("".join(swapped)), 1)
    for new in letters:
        yield instead(site, repr(value + new), 2)


def _called(look: Look, site: Site) -> Iterator[Change]:
    """Another function of the same kind; an argument more or fewer."""
    node = site.node
    if not isinstance(node, ast.Call):
        return
    given = ast.unparse(node)[len(ast.unparse(node.func)) :]
    if isinstance(node.func, ast.Attribute):
        owner, name = ast.unparse(node.func.value), node.func.attr
        for family in CALLED_ALIKE:
            for other in family if name in family else ():
                if other != name:
                    yield instead(site, f"{owner}.{other}{given}", 2)
        if name in ("sum", "mean", "max"):
            bare = f"{owner}.{name}"
            first = [ast.unparse(part) for part in node.args[:1]]
            for axis in ("axis=0", "axis=1", "axis=-1", "axis=(0, 1)", "axis=(0, 2)"):
                for kept in ("", ", keepdims=True"):
                    inner = ", ".join([*first, axis]) + kept
                    yield instead(site, f"{bare}({inner})", 1)
            yield instead(site, f"{bare}({', '.join(first)})", 1)
    elif isinstance(node.func, ast.Name):
        for other in _functions(look):
            if other != node.func.id:
                yield instead(site, f"{other}{given}", 2)
    for keyword in node.keywords:
        rest = [k for k in node.keywords if k is not keyword]
        less = ast.Call(node.func, node.args, rest)
        yield instead(site, ast.unparse(less), 1)
        if keyword.arg == "dtype" or "float32" in ast.unparse(keyword.value):
            yield instead(site, ast.unparse(node).replace("float32", "float64"), 1)


def _functions(look: Look) -> list[str]:
    names = (line.definition.name for line in look.lines)
    return [*list(dict.fromkeys(names))[:8], "np.tanh", "np.exp"]


def _reshaped(look: Look, site: Site) -> Iterator[Change]:
    """Axes that are turned before or in place of a reshape, or turned otherwise."""
    node = site.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    name, owner, args = node.func.attr, node.func.value, list(node.args)
    if ast.unparse(owner) in ("np", "jnp", "numpy") and args:
        owner, args = args[0], args[1:]
    if name not in ("reshape", "ravel", "flatten", "transpose"):
        return
    inner = next((s for s in look.every if s.node is owner), None)
    if inner is None:
        return
    text, count = f"({inner.text})", len(inner.shape or ())
    if not 2 <= count <= 4:
        return
    rest = ", ".join(map(ast.unparse, args))
    for axes in itertools.permutations(range(count)):
        turned = f"{text}.transpose{axes}"
        yield instead(site, turned, 1.5)
        if name != "transpose":
            yield instead(site, f"{turned}.{name}({rest})", 2)
    if name != "transpose":
        after = ", ".join(part for part in (rest, "order='F'") if part)
        yield instead(site, f"{text}.{name}({after})", 2)
        for axes in itertools.permutations(range(len(site.shape or ()))):
            if len(axes) in (2, 3):
                yield instead(site, f"({site.text}).transpose{axes}", 2)
    if len(args) in (2, 3):
        for other in itertools.permutations(map(ast.unparse, args)):
            parts = ", ".join(other)
            yield instead(site, f"{text}.{name}({parts})", 2)
    elif len(args) == 1 and isinstance(args[0], ast.Tuple):
        for other in itertools.permutations(map(ast.unparse, args[0].elts)):
            yield instead(site, f"{text}.{name}(({', '.join(other)}))", 2)


def _flat(look: Look, site: Site) -> Iterator[Change]:
    """A column for a vector, and the other way."""
    if not site.shape or site.stored:
        return
    if len(site.shape) == 1:
        yield instead(site, f"({site.text})[:, None]", 1.5)
    elif len(site.shape) == 2 and 1 in site.shape:
        yield instead(site, f"({site.text}).ravel()", 2)


def _entries(look: Look, site: Site) -> Iterator[Change]:
    """One entry of what is returned, turned or scaled."""
    if not isinstance(site.parent, ast.Return) or site.kind[:1] != ["entries"]:
        return
    numbers = look.numbers(site)
    for name, kind in site.kind[1].items():
        shape = shape_of(kind) or ()
        entry = f"({site.text})[{name!r}]"
        others = [f"{entry}[:, None]"] if len(shape) == 1 else []
        others += [f"{entry}.T"] if len(shape) == 2 else []
        others += [f"{entry} {sign} {n}" for n in numbers for sign in "*/"]
        for other in [*others, f"-{entry}"]:
            yield instead(site, f"{{**({site.text}), {name!r}: {other}}}", 3)


def _arguments(look: Look, site: Site) -> Iterator[Change]:
    """Two arguments, entries or values that change places."""
    node = site.node
    parts: list[ast.expr] = []
    if isinstance(node, ast.Call):
        parts = list(node.args)
    elif isinstance(node, ast.Tuple | ast.List):
        parts = list(node.elts)
    elif isinstance(node, ast.Dict):
        parts = list(node.values)
    for one, two in itertools.combinations(parts, 2):
        if ast.unparse(one) != ast.unparse(two):
            yield exchanged(site, one, two, 2)


def _branch(look: Look, site: Site) -> Iterator[Change]:
    node = site.node
    if isinstance(node, ast.IfExp):
        yield instead(site, ast.unparse(node.body), 1)
        yield instead(site, ast.unparse(node.orelse), 1)
    decides = isinstance(site.parent, ast.If | ast.IfExp) and site.parent.test is node
    if decides or isinstance(node, ast.Compare):
        yield instead(site, f"not ({site.text})", 1)
        yield instead(site, "True", 2)
        yield instead(site, "False", 2)
