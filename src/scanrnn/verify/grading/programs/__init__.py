"""The passes of the exercise as small programs, written as people write them.

Each file holds functions in plain NumPy. A program is a choice of them: the exercise's
own lines, the same by the chain rule line after line, with values computed again, with
arrays that are written again and again or take turns, with states read from the slots
before, with the gates in one array, with functions written out, with products over all
of time at once, with gradients kept step by step, with an example a row. They are read
as syntax trees, and a mistake is an edit of one (`edits`). What a right program does is
what the tests compare with `mistakes.passes`.
"""

import ast
import functools
import warnings
from pathlib import Path as File
from types import CodeType
from typing import Any, NamedTuple

FOLDER = File(__file__).parent


class Program(NamedTuple):
    """Functions that together give a pass forward and back."""

    name: str
    cell: str
    convention: str  # "course", or "rows": (N, D), (N, T, D) and fused weights
    trees: dict[str, ast.FunctionDef]
    codes: dict[str, CodeType]
    own: frozenset[str]  # the functions that are edited; others come from elsewhere

    def reached(self, like: str) -> tuple[str, ...]:
        """The functions that ``like`` runs, its forward pass included."""
        if like == "readout_backward":
            return (like,)
        forward = [like.replace("backward", "forward")]
        calls = [like] if like in forward else [like, *forward]
        if "cell" not in like:
            calls += [name.replace("_", "_cell_", 1) for name in calls]
        return tuple(name for name in calls if name in self.trees)


# program: the files its functions come from, the later ones over the earlier, and of
# which files, or which functions, the lines are edited
STEP = ("cell_forward", "forward", "cell_backward", "backward")
CHOICES: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "rnn": {
        "course": (("course_rnn",), STEP),
        "joined": (("course_rnn", "joined_rnn"), ("cell_backward",)),
        "flat": (("course_rnn", "flat_rnn"), ("backward",)),
        "buffers": (("course_rnn", "buffers_rnn"), ("forward",)),
        "again": (
            ("course_rnn", "again_rnn"),
            ("cell_backward", "cell_forward", "forward"),
        ),
        "again, buffers": (("course_rnn", "buffers_rnn", "again_rnn"), ("forward",)),
        "slots": (("course_rnn", "slots_rnn"), ("forward",)),
        "pages": (("course_rnn", "pages_rnn"), ("forward",)),
        "turns": (("course_rnn", "turns_rnn"), ("forward",)),
        "spelled": (("course_rnn", "spelled_rnn"), ("cell_forward",)),
        "whole": (("course_rnn", "whole_rnn"), ("backward",)),
        "kept": (("course_rnn", "kept_rnn"), ("backward",)),
        "adjoint": (("course_rnn", "adjoint_rnn"), ("backward",)),
        "rows": (("rows_rnn",), STEP),
        "rows, flat": (("rows_rnn", "flat_rows_rnn"), ("backward",)),
    },
    "lstm": {
        "course": (("course_lstm",), STEP),
        "factored": (("course_lstm", "factored_lstm"), ("cell_backward",)),
        "flat": (("course_lstm", "flat_lstm"), ("backward",)),
        "buffers": (("course_lstm", "buffers_lstm"), ("forward",)),
        "again": (("course_lstm", "again_lstm"), ("cell_backward", "cell_forward")),
        "again, buffers": (
            ("course_lstm", "buffers_lstm", "again_lstm"),
            ("forward",),
        ),
        "slots": (("course_lstm", "slots_lstm"), ("forward",)),
        "pages": (("course_lstm", "pages_lstm"), ("forward",)),
        "turns": (("course_lstm", "turns_lstm"), ("forward",)),
        "spelled": (("course_lstm", "spelled_lstm"), ("cell_forward",)),
        "gates": (("course_lstm", "gates_lstm"), ("cell_forward",)),
        "stacked": (("course_lstm", "stacked_lstm"), ("backward",)),
        "whole": (("course_lstm", "whole_lstm"), ("backward",)),
        "kept": (("course_lstm", "kept_lstm"), ("backward",)),
        "rows": (("rows_lstm",), STEP),
        "rows, parts": (("rows_lstm", "parts_lstm"), ("cell_backward",)),
        "rows, flat": (("rows_lstm", "flat_rows_lstm"), ("backward",)),
    },
    "gru": {
        "course": (("course_gru",), STEP),
        "flat": (("course_gru", "flat_gru"), ("backward",)),
        "rows": (("rows_gru",), STEP),
        "rows, parts": (("rows_gru", "parts_gru"), ("cell_backward",)),
        "rows, flat": (("rows_gru", "flat_rows_gru"), ("backward",)),
        "rows, kept": (("rows_gru", "kept_gru"), ("backward",)),
    },
    "readout": {
        "course": (("readout",), ("backward",)),
        "whole": (("readout", "whole_readout"), ("backward",)),
        "jacobian": (("readout", "jacobian_readout"), ("backward",)),
    },
}


@functools.cache
def programs(cell: str) -> tuple[Program, ...]:
    """All programs of a cell, the exercise's own first.

    >>> [program.name for program in programs("gru")]
    ['course', 'flat', 'rows', 'rows, parts', 'rows, flat', 'rows, kept']
    """
    return tuple(_program(cell, name) for name in CHOICES[cell])


def program(cell: str, name: str) -> Program:
    """One of them."""
    return next(each for each in programs(cell) if each.name == name)


def _program(cell: str, name: str) -> Program:
    files, edited = CHOICES[cell][name]
    trees = {k: tree for file in files for k, tree in _functions(file).items()}
    codes = {k: compiled(tree) for k, tree in trees.items()}
    own = frozenset(f"{cell}_{part}" for part in edited)
    convention = "rows" if name.startswith("rows") else "course"
    return Program(name, cell, convention, trees, codes, own)


@functools.cache
def _functions(file: str) -> dict[str, ast.FunctionDef]:
    """The functions of a file, without their docstrings and annotations."""
    module = ast.parse((FOLDER / f"{file}.py").read_text())
    found = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            node.body = node.body[1:]
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
            found[node.name] = node
    return found


def compiled(tree: Any) -> CodeType:
    """The code of a function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # edits may call a number
        module = compile(ast.Module([tree], []), "<pass>", "exec")
    return next(x for x in module.co_consts if isinstance(x, CodeType))
