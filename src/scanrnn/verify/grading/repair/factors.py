"""Factors: in another form, left out, one more."""

import ast
import itertools
import re
from collections.abc import Iterator

from .change import Change, instead
from .look import Look, Site, is_atom, shape_of
from .names import is_value

FORMS = ("{}", "1 - {}", "1 - {} ** 2", "{} * (1 - {})")
RARE = ("{} ** 2", "1 + {}", "np.tanh({})", "1 - np.tanh({}) ** 2", "1 / {}")
SIGMOID = "(1 / (1 + np.exp(-{})))"


def factors(look: Look) -> Iterator[Change]:
    """All that is tried with factors."""
    for site in look.sites:
        if site.stored:
            continue
        yield from _other_form(look, site)
        yield from _one_gate(look, site)
        yield from _chain(look, site)
        if _is_term(site):
            yield from _one_more(look, site)


def base_of(node: ast.expr) -> str:
    """What an expression is a form of: ``f`` of ``f``, ``1 - f``, ``f * (1 - f)``."""
    text = ast.unparse(node)
    for atom in sorted(
        {ast.unparse(n) for n in ast.walk(node) if is_value(n)}, key=len
    ):
        bare = re.escape(atom)
        others = re.sub(rf"(?<![\w.]){bare}(?![\w(\[])", "", text)
        others = re.sub(r"np\.(tanh|square|exp|power|ones_like|multiply)", "", others)
        if re.fullmatch(r"[-+*/ ().,\d]*", others):
            return atom
    return ""


def forms(name: str) -> list[str]:
    """The forms that a factor can have."""
    short = [form.format(*[name] * 2) for form in FORMS]
    rare = [form.format(*[name] * 2) for form in RARE]
    s = SIGMOID.format(name)
    return [*short, *rare, s, f"{s} * (1 - {s})"]


def _other_form(look: Look, site: Site) -> Iterator[Change]:
    """The same name in another form; another name in a form."""
    if not site.shape:
        return
    base = base_of(site.node)
    if not base:
        return
    for text in forms(base):
        yield instead(site, text, 1)
    if not is_atom(site.node):
        for other in look.of_shape(site):
            if other != base:
                for form in FORMS:
                    yield instead(site, form.format(other, other), 2)


def _one_gate(look: Look, site: Site) -> Iterator[Change]:
    """In what is done for one gate after another: for one of them something else."""
    if not site.shape or not isinstance(site.node, ast.Call | ast.BinOp):
        return
    base = base_of(site.node)
    others = forms(base) if base else []
    if isinstance(site.node, ast.Call) and len(site.node.args) == 1:
        inner = ast.unparse(site.node.args[0])
        others += [f"np.tanh({inner})", SIGMOID.format(f"({inner})")]
    if not others:
        return
    for name, values in _gate_loops(site):
        for value, other in itertools.product(values, others):
            yield instead(site, f"{other} if {name} == {value!r} else {site.text}", 3)


def _gate_loops(site: Site) -> Iterator[tuple[str, list[str]]]:
    """Loops around an expression over letters or names, with their variable."""
    loops: list[tuple[ast.expr, ast.expr]] = [
        (one.target, one.iter) for one in site.around if isinstance(one, ast.For)
    ]
    loops += [
        (part.target, part.iter)
        for node in ast.walk(site.statement)
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp)
        for part in node.generators
        if site.node in ast.walk(node)
    ]
    for target, over in loops:
        try:
            values = list(ast.literal_eval(over))
        except (ValueError, TypeError):
            continue
        if isinstance(target, ast.Name) and all(isinstance(v, str) for v in values):
            yield target.id, values


def _chain_of(node: ast.expr) -> list[ast.expr]:
    """The factors of a product of entries."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_chain_of(node.left), *_chain_of(node.right)]
    return [node]


def _chain(look: Look, site: Site) -> Iterator[Change]:
    """Factors of a product left out, or put in another form, alone or two of them."""
    parent = site.parent
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult):
        return
    chain = [ast.unparse(node) for node in _chain_of(site.node)]
    if len(chain) < 2:
        return
    nodes = _chain_of(site.node)
    for size in (1, 2):
        for out in itertools.combinations(range(len(chain)), size):
            rest = [chain[i] for i in range(len(chain)) if i not in out]
            bases = {base_of(nodes[i]) for i in out} - {""}
            if rest:
                yield instead(site, _times(rest), 1 if size == 1 else 2)
            if len(bases) == 1:
                for text in forms(bases.pop()):
                    yield instead(site, _times([*rest, text]), 1.5)
            if site.shape and size == 2:
                for other in look.of_shape(site):
                    for form in FORMS[1:]:
                        new = _times([*rest, form.format(other, other)])
                        yield instead(site, new, 3)


def _times(parts: list[str]) -> str:
    return " * ".join(f"({part})" for part in parts)


def _is_term(site: Site) -> bool:
    """Whether it is a whole factor chain, and so the place for one more."""
    parent = site.parent
    if not site.shape or isinstance(site.node, ast.Tuple | ast.List | ast.Dict):
        return False
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Pow):
        return False
    if isinstance(parent, ast.Attribute) and parent.attr != "T":
        return False
    return not isinstance(parent, ast.Subscript)


def _one_more(look: Look, site: Site) -> Iterator[Change]:
    """One factor or term more."""
    text = site.text
    inside = {ast.unparse(n) for n in ast.walk(site.statement) if is_value(n)}
    for other in look.of_shape(site):
        extra = 0 if other in inside else 0.5
        for form in FORMS:
            new = form.format(other, other)
            yield instead(site, f"({text}) * ({new})", 2 + extra)
        yield instead(site, f"({text}) + {other}", 2 + extra)
        yield instead(site, f"({text}) - {other}", 2.5 + extra)
        yield instead(site, f"({text}) / ({other})", 3.5 + extra)
        for form in RARE[1:4]:
            yield instead(site, f"({text}) * ({form.format(other)})", 4 + extra)
    for other, kind in look.there(site).items():
        for turned in _broadcast(shape_of(kind), site.shape or ()):
            yield instead(site, f"({text}) + {other}{turned}", 2.5)
            yield instead(site, f"({text}) * {other}{turned}", 3)


def _broadcast(shape: tuple[int, ...] | None, to: tuple[int, ...]) -> list[str]:
    """How a column or a row is turned to be spread over an array."""
    if not shape or shape == to or max(shape) == 1 or len(shape) > len(to):
        return []
    turned = [("", shape), (".T", shape[::-1])] if len(shape) == 2 else [("", shape)]
    return [
        how
        for how, its in turned
        if all(n in (1, all_) for n, all_ in zip(its[::-1], to[::-1], strict=False))
    ]
