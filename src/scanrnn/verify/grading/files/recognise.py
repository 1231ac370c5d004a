"""Which functions of the exercise a source defines, told by name and by arguments."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..cases import DRAWS
from .sources import Source

# Forward to backward: a way back is looked at when what it goes back through is known.
ORDER = (
    *(f"{cell}_{part}forward" for cell in ("rnn", "lstm") for part in ("cell_", "")),
    *(f"{cell}_{part}backward" for cell in ("rnn", "lstm") for part in ("cell_", "")),
    "readout_backward",
)
NAMED = (*ORDER, "gru_backward", "gru_cell_backward")
ARGUMENTS = {
    ("xt", "a_prev", "parameters"): ("rnn_cell_forward",),
    ("xt", "a_prev", "c_prev", "parameters"): ("lstm_cell_forward",),
    ("x", "a0", "parameters"): ("rnn_forward", "lstm_forward"),
    ("da_next", "cache"): ("rnn_cell_backward",),
    ("da_next", "dc_next", "cache"): ("lstm_cell_backward",),
    ("da", "caches"): ("rnn_backward", "lstm_backward"),
    ("y_pred", "labels", "a", "parameters"): ("readout_backward",),
}
OF_LSTM = {"Wf", "dWf", "bf", "dbf", "c_prev", "c_next", "dc_prev", "dc_prevt", "ft"}
assert set(DRAWS) < set(ORDER)


class Definition(NamedTuple):
    """A function that a source defines, and which of the exercise's it is."""

    name: str
    like: str
    node: ast.FunctionDef | None = None  # where it is a plain definition
    broken: str = ""  # why the piece of source that it stands in is no Python


def definitions(source: Source) -> list[ast.FunctionDef]:
    """All functions at the top of a source; of one name the last."""
    found: dict[str, ast.FunctionDef] = {}
    for unit in source.units:
        try:
            body = ast.parse(unit.text).body
        except (SyntaxError, ValueError):
            continue
        for node in body:
            if isinstance(node, ast.FunctionDef):
                found.pop(node.name, None)
                found[node.name] = node
    return list(found.values())


def exercise(source: Source) -> list[Definition]:
    """The exercise's functions in a source, forward to backward, one for each."""
    found = {one.like: one for one in _broken(source)}
    for node in definitions(source):
        like = recognise(node)
        if like and (
            like not in found or found[like].name != like or node.name == like
        ):
            found[like] = Definition(node.name, like, node)
    return [found[like] for like in ORDER if like in found]


def _broken(source: Source) -> Iterator[Definition]:
    """Functions in pieces that cannot be parsed."""
    for unit in source.units:
        try:
            ast.parse(unit.text)
        except (SyntaxError, ValueError) as error:
            line = (getattr(error, "text", None) or "").strip()
            where = f"{unit.name}, line {getattr(error, 'lineno', None)}: {line}"
            why = f"is no Python: {getattr(error, 'msg', error)} ({where})"
            for name in re.findall(r"^def\s+(\w+)", unit.text, re.MULTILINE):
                if by_name(name):
                    yield Definition(name, by_name(name), broken=why)


def recognise(node: ast.FunctionDef) -> str:
    """The function of the exercise that a definition is; empty if none.

    >>> source = "def my_pass(da, caches): return {'dWf': 0}"
    >>> recognise(ast.parse(source).body[0])
    'lstm_backward'
    """
    like = by_name(node.name)
    if like:
        return like
    known = ARGUMENTS.get(tuple(argument.arg for argument in node.args.args), ())
    return _of_two(known, node) if len(known) == 2 else "".join(known)


def by_arguments(arguments: tuple[str, ...]) -> str:
    """By the arguments alone; what an RNN and an LSTM share is taken for an RNN's."""
    return next(iter(ARGUMENTS.get(arguments, ("",))))


def by_name(name: str) -> str:
    """``my_rnn_backward_2`` is an rnn_backward, ``rnn_step_backward`` one of a cell."""
    plain = name.lower().replace("_step_", "_cell_")
    return next((like for like in sorted(NAMED, key=len) if like in plain), "")


def _of_two(known: Sequence[str], node: ast.FunctionDef) -> str:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    texts = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    called = " ".join(names).lower()
    is_lstm = bool((names | texts) & OF_LSTM) or "lstm" in called
    return known[1] if is_lstm else known[0]


def empty_line(node: ast.FunctionDef) -> int | None:
    """The first line that is still ``None`` where something is to be filled in."""
    for part in ast.walk(node):
        if isinstance(part, ast.Assign | ast.AugAssign):
            value = part.value
            if isinstance(value, ast.Constant) and value.value is None:
                return part.lineno
    return None


def calls(node: ast.FunctionDef) -> set[str]:
    """The names that a function calls."""
    return {
        part.func.id
        for part in ast.walk(node)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)
    }
