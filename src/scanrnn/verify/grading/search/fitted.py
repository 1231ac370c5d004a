"""Formulas read off a function: what each gate's gradient is multiplied by.

On one step of one example the gradient of a bias is that of the gate itself, so it can
be read, entry by entry, and divided by what comes in. What is left is a product of
quantities that the cache knows. It is found as it is: factors of the right formula are
dropped and others put there, or two such products are added. So two slips in one line,
or in the lines of several gates, are found one by one. What is there while nothing
comes in is a term that lost its parentheses, and is found as a product as well.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...rounding import Floats
from ..cases import Case, Sizes, generic, split, step_of
from ..edits import Edit
from ..edits.edit import written
from ..edits.nodes import parse, text
from ..programs import program
from ..programs.tree import at, walk
from ..replay import Leaves, replay
from .formula import CLOSE, UNITS, of_words, product_of, times
from .slips import Edited

COST = 1.4  # of a line that was found by its numbers
READ = Callable[[Case], Leaves | None]  # runs the function, in the exercise's names


class Line(NamedTuple):
    """A line whose right side is looked for."""

    gate: str  # whose bias shows it
    target: str  # what the line computes
    comes: str  # the gradient that comes in, in the words of the program
    factors: tuple[str, ...]  # the right formula
    of_state: tuple[str, ...] = ()  # right factors that `comes` holds already


class Form(NamedTuple):
    """The lines of one program, and its words for what the cache holds."""

    name: str
    lines: tuple[Line, ...]
    words: Mapping[str, str]  # by the exercise's name, that of the program


def _lstm(
    a: str, c: str, gates: Sequence[str], deltas: Sequence[str]
) -> tuple[Line, ...]:
    """The lines of a memory's step; dc holds ``ot * (1 - tanh_c**2)`` already."""
    f, i, g, o = gates
    slope = (o, f"1 - np.tanh({c}) ** 2")
    return (
        Line("f", deltas[0], "dc", ("prev", f, f"1 - {f}"), slope),
        Line("i", deltas[1], "dc", (g, i, f"1 - {i}"), slope),
        Line("c", deltas[2], "dc", (i, f"1 - {g} ** 2"), slope),
        Line("o", deltas[3], a, (f"np.tanh({c})", o, f"1 - {o}")),
    )


def _with(lines: Sequence[Line], prev: str) -> tuple[Line, ...]:
    return tuple(
        line._replace(factors=tuple(prev if f == "prev" else f for f in line.factors))
        for line in lines
    )


FORMS = {
    ("rnn", "course"): Form(
        "course",
        (Line("a", "dtanh", "da_next", ("1 - a_next ** 2",)),),
        {"a_next": "a_next", "a_prev": "a_prev"},
    ),
    ("rnn", "rows"): Form(
        "rows",
        (Line("a", "dz", "dnext_h", ("1 - next_h ** 2",)),),
        {"a_next": "next_h", "a_prev": "prev_h"},
    ),
    ("lstm", "course"): Form(
        "factored",
        _with(
            _lstm(
                "da_next",
                "c_next",
                ("ft", "it", "cct", "ot"),
                ("dft", "dit", "dcct", "dot"),
            ),
            "c_prev",
        ),
        {
            n: n
            for n in ("a_next", "a_prev", "c_next", "c_prev", "ft", "it", "cct", "ot")
        },
    ),
    ("lstm", "rows"): Form(
        "rows, parts",
        _with(
            _lstm(
                "dnext_h", "next_c", ("f", "i", "g", "o"), ("daf", "dai", "dag", "dao")
            ),
            "prev_c",
        ),
        {
            **{"a_prev": "prev_h", "c_next": "next_c", "c_prev": "prev_c"},
            **{"ft": "f", "it": "i", "cct": "g", "ot": "o"},
        },
    ),
    ("gru", "rows"): Form(
        "rows",
        (
            Line("z", "daz", "dnext_h", ("prev_h - n", "z", "1 - z")),
            Line("n", "dan", "dnext_h", ("1 - z", "1 - n ** 2")),
            Line("r", "dar", "dk", ("prev_h", "r", "1 - r")),
        ),
        {"a_prev": "prev_h", "rt": "r", "zt": "z", "nt": "n"},
    ),
}


def fitted(like: str, by_rows: bool, read: READ) -> Iterator[Edited]:
    """Slips of lines whose formulas were read off the function, the likeliest first.

    Args:
        like: what the function stands for, a way back.
        by_rows: whether it takes an example a row.
        read: runs the function on a case.
    """
    form = FORMS.get((split(like)[0], "rows" if by_rows else "course"))
    if form is None:
        return
    for source in ("db", "dW"):
        found = _lines(like, form, source, read)
        if not found:
            continue
        options = [list(_written(line, parts)) for line, parts in found]
        if not all(options):
            continue
        ways = {way for each in options for way, _ in each}
        for way in sorted(ways):
            chosen = [dict(each).get(way, each[0][1]) for each in options]
            lines = [line for line, _ in found]
            edits = [
                _edit(like, form, x, new) for x, new in zip(lines, chosen, strict=True)
            ]
            if all(edits):
                whole = Edited(tuple(edit for edit in edits if edit))
                yield whole
                yield from _in_some_lines(whole)
        yield from _one_stream(like, form, found)


def _in_some_lines(whole: Edited) -> Iterator[Edited]:
    """The formulas in the weights' gradients alone, and not in what goes further."""
    for prefixes in (
        ("dW", "db", "da"),
        ("dW", "db", "dx"),
        ("db",),
        ("dW",),
        ("dx",),
    ):
        made = []
        for edit in whole.edits:
            tree = edit.program.trees[edit.function]
            new: Any = edit.swaps[0][1]
            swaps = tuple(
                (path, new)
                for path, node in walk(tree)
                if isinstance(node, ast.Name)
                and node.id == edit.target
                and isinstance(node.ctx, ast.Load)
                and _of_weights(at(tree, path[:1]), prefixes)
            )
            if swaps:
                what = f"{text(new)} in place of {edit.target}"
                made.append(edit._replace(swaps=swaps, what=what))
        if len(made) == len(whole.edits):
            yield Edited(tuple(made))


def _of_weights(line: Any, prefixes: tuple[str, ...]) -> bool:
    """Whether a line sums up what belongs to the weights."""
    target = written(line)
    return target[:2] in prefixes and (target[:2] != "da" or target == "da")


Parts = dict[str, list[str]]  # by what comes in, the formula's factors, or its terms
ALWAYS = "always"  # in place of what comes in: the term that is there without any


def _lines(like: str, form: Form, source: str, read: READ) -> list[tuple[Line, Parts]]:
    """The lines that are not as they should be, and what they seem to be."""
    wrong: list[tuple[Line, Parts]] = []
    for line in form.lines:
        parts: Parts = {}
        rest = np.zeros(UNITS)
        for comes, case, step in _probes(like, line):
            leaves, right = read(case), replay(case)
            if leaves is None:
                return []
            mine, due = (_delta(x, line, source, case, step) for x in (leaves, right))
            if mine is None or due is None or not np.isfinite(mine).all():
                return []
            if len(case.inputs["caches"]) > 1 and set(parts) - {ALWAYS}:
                break  # the memory before it does not come in, as one step has shown
            if comes != "dc_next" and (len(case.inputs["caches"]) == 1 or parts):
                always = _always(form, line, source, read, case, step)
                if always is None:
                    return []
                rest, term = always
                if not parts and rest.any():  # the first of the cases, of one step
                    if term is None:
                        return []
                    parts[ALWAYS] = term
            mine = mine - rest
            if line.comes != "dk" and _alike(mine, due):
                continue
            coming = case.inputs[comes]
            coming = coming[:, 0, -1] if coming.ndim == 3 else coming[:, 0]
            ways = {line.comes: coming}
            if line.comes == "dk":  # through the weights, from the candidate
                dan = np.ravel(leaves.get("dbn", np.nan))
                ways = dict(_through_weights(case, step, dan, coming))
            known = form.words
            words = {w: case.inputs["caches"][step][n][:, 0] for n, w in known.items()}
            usual = line.factors
            if comes != "dc_next":
                usual = (*line.of_state, *usual)
            if line.comes == "dk":
                factors = (of_words(factor, words) for factor in usual)
                if _alike(mine, ways["dk"] * np.prod(list(factors), axis=0)):
                    continue
            for way, given in ways.items():
                formula = product_of(mine / given, usual, words)
                if formula is not None:
                    parts[comes] = formula
                    line = line._replace(comes=way)
                    break
            else:
                return []
        if parts:
            wrong.append((line, parts))
    return wrong


def _always(
    form: Form, line: Line, source: str, read: READ, case: Case, step: int
) -> tuple[Floats, list[str] | None] | None:
    """What a gate gets while nothing comes in: zeros, but where parentheses are lost.

    And the formula of it, if it has one. None where nothing can be read.
    """
    names = [n for n in ("da", "da_next", "dc_next") if n in case.inputs]
    silent = {n: 0 * case.inputs[n] for n in names}
    leaves = read(Case(case.name, case.like, case.inputs | silent))
    found = None if leaves is None else _delta(leaves, line, source, case, step)
    if found is None or not np.isfinite(found).all():
        return None
    words = {w: case.inputs["caches"][step][n][:, 0] for n, w in form.words.items()}
    return found, product_of(found, line.factors, words) if found.any() else None


def _through_weights(
    case: Case, step: int, dan: Floats, coming: Floats
) -> Iterator[tuple[str, Floats]]:
    """What may come in at the reset gate: the candidate's gradient, or one before."""
    p = case.inputs["parameters"]
    n = p["Wn"][:, :UNITS]
    dn = coming * (1 - case.inputs["caches"][step]["zt"][:, 0])
    block = "Wh[:, 2 * H:]"
    yield "dk", n.T @ dan
    yield f"np.dot(dn, {block}.T)", n.T @ dn
    yield f"np.dot(dnext_h, {block}.T)", n.T @ coming
    yield f"np.dot(dan, {block})", n @ dan
    yield "np.dot(dan, Wh[:, :H].T)", p["Wr"][:, :UNITS].T @ dan
    yield "np.dot(dan, Wh[:, H:2 * H].T)", p["Wz"][:, :UNITS].T @ dan
    yield "dan", dan
    yield "dnext_h", coming


def _alike(one: Floats, two: Floats) -> bool:
    return bool(np.allclose(one, two, CLOSE, CLOSE * np.abs(two).max()))


def _probes(like: str, line: Line) -> Iterator[tuple[str, Case, int]]:
    """Cases of one example in which a single gradient comes in; and at which step."""
    for steps in (1, 2) if "cell" not in like and line.gate == "f" else (1,):
        # of two steps, as the memory before must not be 0
        yield from _alone(generic(like, Sizes(3, UNITS, 2, 1, steps), 7), line)


def _alone(case: Case, line: Line) -> Iterator[tuple[str, Case, int]]:
    names = [n for n in ("da", "da_next", "dc_next") if n in case.inputs]
    for name in names:
        if name == "dc_next" and line.comes != "dc":
            continue
        silent = {n: 0 * case.inputs[n] for n in names if n != name}
        given = case.inputs[name].copy()
        if name == "da":
            given[:, :, :-1] = 0
        inputs = case.inputs | silent | {name: given}
        yield name, Case(case.name, case.like, inputs), len(case.inputs["caches"]) - 1


def _delta(
    leaves: Leaves, line: Line, source: str, case: Case, step: int
) -> Floats | None:
    """The gradient of a gate before its function, from its bias or its weights."""
    bias = leaves.get(f"db{line.gate}")
    if source == "db":
        return None if bias is None or bias.size != UNITS else np.ravel(bias)
    name = "dWaa" if line.gate == "a" else f"dW{line.gate}"
    product = leaves.get(name)
    before = case.inputs["caches"][step]["a_prev"][:, 0]
    if product is None or product.ndim != 2 or len(product) != UNITS:
        return None
    if name == "dWn":  # it meets the state after the reset
        before = before * case.inputs["caches"][step]["rt"][:, 0]
    block = product[:, :UNITS]
    delta = block @ before / (before @ before)
    if not np.allclose(np.outer(delta, before), block, 1e-7, 1e-9):
        return None
    return np.asarray(delta)


def _written(line: Line, parts: Parts) -> Iterator[tuple[int, str]]:
    """How the line may be written: with what comes in whole, or each by itself."""
    if ALWAYS in parts:
        others = {name: part for name, part in parts.items() if name != ALWAYS}
        more = times(parts[ALWAYS])
        for way, words in _written(line, others):
            yield way, f"{words} + {more}".replace(" + -", " - ")
        return
    given = next((name for name in parts if name != "dc_next"), "")
    outside = parts.get(given)
    memory = parts.get("dc_next")
    if line.comes != "dc":
        yield 0, times([line.comes, *(outside or line.factors)])
        return
    if not parts:
        yield 0, times([line.comes, *line.factors])
    if outside is not None:
        rest = list(outside)
        for factor in line.of_state:
            if factor in rest:
                rest.remove(factor)
        if len(outside) - len(rest) == len(line.of_state) and memory in (None, rest):
            yield 0, times(["dc", *rest])
    streams = ("dnext_c", "dnext_h") if "prev_c" in line.factors or _rows(line) else ()
    dc, da = streams or ("dc_next", "da_next")
    one = memory if memory is not None else list(line.factors)
    two = outside if outside is not None else [*line.of_state, *line.factors]
    yield 1, f"{times([dc, *one])} + {times([da, *two])}"


def _rows(line: Line) -> bool:
    return line.target.startswith("da")


def _one_stream(
    like: str, form: Form, found: Sequence[tuple[Line, Parts]]
) -> Iterator[Edited]:
    """What all three gates of the memory have in common is the line of dc."""
    gates = [(line, parts) for line, parts in found if line.comes == "dc"]
    if len(gates) != 3 or any({"dc_next", ALWAYS} & parts.keys() for _, parts in gates):
        return
    shared = []
    for line, parts in gates:
        (formula,) = parts.values()
        rest = list(formula)
        if not all(factor in rest for factor in line.factors):
            return
        for factor in line.factors:
            rest.remove(factor)
        shared.append(sorted(rest))
    if shared[0] != shared[1] or shared[1] != shared[2]:
        return
    rows = _rows(gates[0][0])
    dc, da = ("dnext_c", "dnext_h") if rows else ("dc_next", "da_next")
    line = Line("", "dc", "", ())
    others = [
        (each, new[0][1])
        for each, parts in found
        if each.comes != "dc" and (new := list(_written(each, parts)))
    ]
    edits = [_edit(like, form, line, f"{dc} + {times([da, *shared[0]])}")]
    edits += [_edit(like, form, each, new) for each, new in others]
    if all(edits):
        yield Edited(tuple(edit for edit in edits if edit))


def _edit(like: str, form: Form, line: Line, new: str) -> Edit | None:
    """The line with another right side."""
    cell = split(like)[0]
    function = step_of(like)
    tree = program(cell, form.name).trees[function]
    for i, node in enumerate(tree.body):
        if isinstance(node, ast.Assign) and written(node) == line.target:
            path = (("body", i), ("value", None))
            whole = parse(new)
            right = text(node.value)
            what = f"{text(whole)} in place of {right}"
            if line.comes.isidentifier():
                right = times([line.comes, *line.factors])
                what = f"{text(whole)} in place of {right}"
            return Edit(
                cell, form.name, function, ((path, whole),), "formula", what, COST
            )
    return None
