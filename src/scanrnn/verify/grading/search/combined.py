"""Products read off a function: which gate goes through which weights, into which leaf.

Once it is known what each gate gets, all that a step returns is a sum of products: of a
gate's gradient and a block of weights, or of it and what the weights saw. Every such
product that could stand there is a column of a linear system, and what was found is its
right side; with more numbers than columns, the few that are there have plain weights.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ...rounding import Floats
from ..cases import Case, Sizes, generic, split, step_of
from ..edits import Edit
from ..edits.edit import written
from ..edits.nodes import parse, text
from ..programs import compiled, program
from ..programs.run import functions, inputs_of
from ..programs.tree import located, substitute
from ..replay import Leaves
from .fitted import COST, FORMS
from .slips import Edited, tree_of

SIZES = Sizes(41, 43, 2, 1, 1)
PROBES = 5  # so that there are more numbers than columns
ROWS = 400  # numbers that are looked at first
PLAIN = (1.0, -1.0, 2.0, 0.5, -2.0)
CLOSE = 1e-8
MOST = 6  # products of a sum, beyond which it is none that anybody wrote
# Leaf: the line that computes it in the step, as the exercise has it and by rows.
LEAVES = {
    "course": {"dx": "dxt", "dxt": "dxt", "da0": "da_prev", "da_prev": "da_prev"},
    "rows": {"dx": "dx", "dxt": "dx", "da0": "dprev_h", "da_prev": "dprev_h"},
}
BLOCKS = ("[:, :n_a].T", "[:, n_a:].T", "[:, :xt.shape[0]].T", "[:, xt.shape[0]:].T")


def combined(
    like: str,
    by_rows: bool,
    edits: Sequence[Edit],
    found: Sequence[Leaves],
) -> Edited | None:
    """The formulas that were found, and the sums of products that go with them.

    Args:
        like: what the function stands for, a way back.
        by_rows: whether it takes an example a row.
        edits: of the lines of gates, as they were found.
        found: what the function gave, see `probed`.
    """
    cell, convention = split(like)[0], "rows" if by_rows else "course"
    form = FORMS.get((cell, convention))
    if form is None or not found:
        return None
    known = [_variables(like, form.name, edits, seed) for seed in range(PROBES)]
    made = list(edits)
    for leaf, target in _lines(cell, convention, found[0]):
        mine = [np.ravel(leaves.get(leaf, np.nan)) for leaves in found]
        due = [np.ravel(variables.get(target, np.nan)) for variables in known]
        if any(a.size != b.size for a, b in zip(mine, due, strict=True)):
            return None
        if np.allclose(np.concatenate(mine), np.concatenate(due), 1e-9, 1e-10):
            continue
        words = _sum(target, cell, convention, known, np.concatenate(mine))
        edit = words and _edit(cell, form.name, like, target, words)
        if not edit:
            return None
        made.append(edit)
    return Edited(tuple(made)) if len(made) > len(edits) else None


def probed(like: str, read: Callable[[Case], Leaves | None]) -> list[Leaves]:
    """What a function gives on the cases that are asked about; nothing if it fails."""
    found = [read(_case(like, seed)) for seed in range(PROBES)]
    return [leaves for leaves in found if leaves] if all(found) else []


def _lines(cell: str, convention: str, leaves: Leaves) -> Iterator[tuple[str, str]]:
    for leaf in leaves:
        if leaf in LEAVES[convention]:
            yield leaf, LEAVES[convention][leaf]
        elif convention == "course" and leaf[:2] in ("dW", "db"):
            yield leaf, leaf


def _case(like: str, seed: int) -> Case:
    return generic(like, SIZES, 20 + seed)


def _variables(
    like: str, form: str, edits: Sequence[Edit], seed: int
) -> Mapping[str, Any]:
    """All that the step computes on a case, with the edits made."""
    cell = split(like)[0]
    name = step_of(like)
    case = _case(like, seed)
    if name != like:  # one step of a sequence
        step = dict(case.inputs["caches"][0])
        inputs = {**step, "da_next": case.inputs["da"][:, :, 0]}
        inputs |= {"dc_next": 0 * inputs["da_next"]} if cell == "lstm" else {}
        inputs["parameters"] = case.inputs["parameters"]
        kept = ("xt", "a_prev", "c_prev", "parameters", "da_next", "dc_next")
        inputs = {k: inputs[k] for k in kept if k in inputs}
        case = Case(case.name, name, inputs | {"caches": case.inputs["caches"]})
    tree = tree_of(name, edits) or program(cell, form).trees[name]
    end = (("body", len(tree.body) - 1), ("value", None))
    told = substitute(tree, end, located(parse("locals()")))
    space = functions(program(cell, form), {})
    return dict(
        FunctionType(compiled(told), space)(*inputs_of(program(cell, form), name, case))
    )


def _sum(
    target: str,
    cell: str,
    convention: str,
    known: Sequence[Mapping[str, Any]],
    found: Floats,
) -> str:
    """The few products that add up to what was found, in words; empty if none do."""
    names, columns = [], []
    for words in _products(target, cell, convention):
        try:
            code = compile(words, "<product>", "eval")
            parts = [np.ravel(eval(code, {"np": np}, dict(v))) for v in known]
        except (NameError, ValueError, KeyError, IndexError):
            continue
        column = np.concatenate(parts)
        if column.size == found.size and np.isfinite(column).all() and column.any():
            names.append(words)
            columns.append(column)
    if not names or len(names) >= found.size:
        return ""
    some = np.random.default_rng(0).permutation(found.size)[:ROWS]
    table = np.array([column[some] for column in columns]).T
    weights, *_ = np.linalg.lstsq(table, found[some], rcond=1e-11)
    chosen = np.flatnonzero(np.abs(weights) > 1e-6)
    if not 0 < len(chosen) <= MOST:
        return "" if found.any() else f"0 * {target}"
    terms = []
    for i in chosen:
        plain = min(PLAIN, key=lambda x: abs(x - weights[i]))
        terms.append((plain, names[i]))
    value = sum(w * columns[names.index(n)] for w, n in terms)
    if not np.allclose(value, found, CLOSE, CLOSE * np.abs(found).max()):
        return ""
    return " + ".join(n if w == 1 else f"{w:g} * {n}" for w, n in terms)


def _products(target: str, cell: str, convention: str) -> Iterator[str]:
    """Everything that might be a term of a leaf."""
    gates = {
        ("rnn", "course"): ("dtanh", "da_next"),
        ("rnn", "rows"): ("dz", "dnext_h"),
        ("lstm", "course"): ("dft", "dit", "dcct", "dot", "df", "di", "dcc", "do"),
        ("lstm", "rows"): ("dai", "daf", "dao", "dag"),
        ("gru", "rows"): ("dar", "daz", "dan"),
    }[cell, convention]
    if target[:2] == "db":
        yield from (f"np.sum({gate}, axis=1, keepdims=True)" for gate in gates)
        return
    if target[:2] == "dW":
        yield from _outer(target, cell, gates)
        return
    for gate in gates:
        for weights in _weights(cell, convention):
            if convention == "rows":
                yield f"np.dot({gate}, {weights}.T)"
                yield f"np.dot({gate}, {weights})"
            elif cell == "rnn":
                yield f"np.dot({weights}.T, {gate})"
                yield f"np.dot({weights}, {gate})"
            else:
                yield from (f"np.dot({weights}{block}, {gate})" for block in BLOCKS)
                yield f"np.dot({weights}[:, :n_a], {gate})"
    yield "dnext_h" if convention == "rows" else "da_next"
    if cell == "gru":
        for gate in "zrn":  # none of them may follow from others
            yield f"dnext_h * {gate}"
            yield f"dk * {gate}"


def _weights(cell: str, convention: str) -> Iterator[str]:
    if cell == "rnn":
        yield from ("Wx", "Wh") if convention == "rows" else ("Wax", "Waa")
    elif convention == "course":
        yield from ("Wf", "Wi", "Wc", "Wo")
    else:
        for name in ("Wx", "Wh"):
            count = 3 if cell == "gru" else 4
            yield from (f"{name}[:, {k} * H:{k} * H + H]" for k in range(count))


def _outer(target: str, cell: str, gates: Sequence[str]) -> Iterator[str]:
    if cell == "rnn":
        seen = ["xt"] if target == "dWax" else ["a_prev", "a_next"]
    else:
        states = ("a_prev", "a_next", "c_prev", "c_next", "0 * a_prev")
        seen = [f"np.concatenate(({state}, xt), axis=0)" for state in states[:4]]
        seen += ["np.concatenate((xt, a_prev), axis=0)"]
        seen += ["np.concatenate((0 * a_prev, xt), axis=0)"]
    for gate in gates:
        for operand in seen:
            yield f"np.dot({gate}, {operand}.T)"
            if cell == "rnn" and operand != "xt":
                yield f"np.dot({operand}, {gate}.T)"


def _edit(cell: str, form: str, like: str, target: str, words: str) -> Edit | None:
    tree = program(cell, form).trees[step_of(like)]
    lines = [i for i, x in enumerate(tree.body) if _writes(x, target)]
    if not lines:
        return None
    path = (("body", lines[-1]), ("value", None))
    new = parse(words)
    what = f"{text(new)} in place of what is right"
    return Edit(cell, form, step_of(like), ((path, new),), "products", what, COST)


def _writes(line: ast.stmt, target: str) -> bool:
    return isinstance(line, ast.Assign) and written(line) == target
