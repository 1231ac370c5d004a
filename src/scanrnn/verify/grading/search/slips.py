"""A slip: a mistake of the list, an edit of a program, or two at once."""

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from ..cases import Case
from ..edits import Edit
from ..edits.context import function
from ..mistakes import Mistake, may_combine, of
from ..programs import Program, compiled
from ..programs.run import try_run
from ..programs.tree import replaced
from ..replay import Leaves, try_replay

FORMS = {
    "again": "in a backward pass that computes z, or the gates, again from the cache",
    "again, buffers": (
        "in a forward pass that writes into the same arrays again, before a backward "
        "pass that computes z, or the gates, again from the cache"
    ),
    "buffers": "in a forward pass that writes into the same arrays again",
    "turns": "in a forward pass with buffers that take turns",
    "spelled": "in a pass with its functions written out",
    "gates": "in a pass with its gates in one product",
    "kept": "in a pass that keeps each step's gradient on a list",
    "rows, kept": "in a pass that keeps each step's gradient on a list",
    "adjoint": "in a pass by the total gradients of the states",
    "jacobian": "in a pass by way of the gradient of y_pred",
    "joined": "in a pass with its two weights side by side",
    "whole": "in a pass that makes its products over all of time at once",
    "pages": "in a forward pass that puts each step's states on a list",
    "rows": "in a pass with an example a row",
    "rows, flat": "in a pass with an example a row",
    "rows, parts": "in a pass with an example a row",
    "slots": "in a forward pass that reads each state from the slot of the step before",
    "stacked": "in a pass with its four gates in one array",
}


class Slip(Protocol):
    """What a suspect is made of."""

    @property
    def names(self) -> tuple[str, ...]:
        """How a report calls it: one name, or two."""

    @property
    def says(self) -> str:
        """What is wrong."""

    @property
    def instead(self) -> str:
        """What to write instead."""

    @property
    def cost(self) -> float:
        """1 for a slip that people make daily, more for strange ones and for two."""

    @property
    def forward(self) -> bool:
        """Whether it is made before the way back: in the forward pass, the caches."""

    def run(self, case: Case) -> Leaves | None:
        """What a pass with this slip gives; None if it raises."""


class Listed(NamedTuple):
    """Mistakes of the list by hand, which know how people call them."""

    mistakes: tuple[Mistake, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(mistake.name for mistake in self.mistakes)

    @property
    def says(self) -> str:
        """What is wrong."""
        return " ".join(mistake.says for mistake in self.mistakes)

    @property
    def instead(self) -> str:
        """What to write; what is right already is left out."""
        wrong = [m.instead for m in self.mistakes if not m.harmless]
        return "; ".join(wrong) or self.mistakes[0].instead

    @property
    def cost(self) -> float:
        """Well-known slips come first; a form beside one costs little."""
        forms = sum(mistake.harmless for mistake in self.mistakes)
        return 0.5 * len(self.mistakes) + (len(self.mistakes) - 1 - forms)

    @property
    def forward(self) -> bool:
        """Whether the caches are wrong."""
        return any(mistake.store is not None for mistake in self.mistakes)

    def run(self, case: Case) -> Leaves | None:
        """By replay."""
        return try_replay(case, self.mistakes)

    def beside(self, other: "Listed") -> "Listed | None":
        """Both at once, in the order in which neither hides the other."""
        if len(self.mistakes) + len(other.mistakes) != 2:
            return None
        for one, two in ((self, other), (other, self)):
            if may_combine(one.mistakes[0], two.mistakes[0]):
                return Listed((*one.mistakes, *two.mistakes))
        return None


class Edited(NamedTuple):
    """Edits of programs: one, or two at once."""

    edits: tuple[Edit, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The line's target, and what is wrong with it."""
        return tuple(edit.name for edit in self.edits)

    @property
    def says(self) -> str:
        """The line as it was written, and in which kind of pass."""
        return " ".join(map(_says, self.edits))

    @property
    def instead(self) -> str:
        """The line as it should be."""
        return "; ".join(edit.lines()[1] for edit in self.edits)

    @property
    def cost(self) -> float:
        """Edits of the exercise's own lines first."""
        form = sum(edit.form not in ("course", "factored") for edit in self.edits)
        return sum(edit.cost for edit in self.edits) + 0.05 * form

    @property
    def forward(self) -> bool:
        """Whether a function of the forward pass is edited."""
        return any(edit.function.endswith("forward") for edit in self.edits)

    def run(self, case: Case) -> Leaves | None:
        """By running the edited programs."""
        try:
            codes = codes_of(self.edits)
        except ValueError:  # every two of them fit, and not all at once
            return None
        return try_run(base_of(self.edits), case, codes)


class Several(NamedTuple):
    """Two edits at once, or three, each in its plainest words."""

    together: Edited
    words: tuple[Slip, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(name for slip in self.words for name in slip.names)

    @property
    def says(self) -> str:
        """What is wrong."""
        return " ".join(slip.says for slip in self.words)

    @property
    def instead(self) -> str:
        """What to write instead."""
        return "; ".join(slip.instead for slip in self.words)

    @property
    def cost(self) -> float:
        """Two slips are less likely than one."""
        return len(self.words) - 1.0 + sum(slip.cost for slip in self.words)

    @property
    def forward(self) -> bool:
        """Whether one of them is made in the forward pass."""
        return self.together.forward

    def run(self, case: Case) -> Leaves | None:
        """By running them at once."""
        return self.together.run(case)


def _says(edit: Edit) -> str:
    wrong, _ = edit.lines()
    where = f" {FORMS[edit.form]}" if edit.form in FORMS else ""
    what = edit.what
    names = function(edit.program, edit.function).variables | {"np"}
    if re.split(r"\W", what)[0] not in names:  # a sentence, and no name in front
        what = what[:1].upper() + what[1:]
    if wrong.startswith("("):
        return f"{what}{where}: the line is missing."
    return f"{what}{where}: `{wrong}`."


def base_of(edits: Sequence[Edit]) -> Program:
    """The program whose other functions run: that of the innermost backward edit."""

    def inner(edit: Edit) -> tuple[bool, bool]:
        return edit.function.endswith("backward"), "cell" in edit.function

    return max(edits, key=inner).program


def codes_of(edits: Sequence[Edit]) -> dict[str, Any]:
    """The functions that are edited, compiled."""
    codes = {}
    for edit in edits:
        beside = tuple(e for e in edits if e.function == edit.function)
        codes[edit.function] = _code(beside)
    return codes


@functools.lru_cache(10_000)
def _code(edits: tuple[Edit, ...]) -> Any:
    return compiled(tree_of(edits[0].function, edits))


def tree_of(function: str, edits: Sequence[Edit]) -> Any:
    """A function with all edits of it made; None if there are none."""
    mine = [edit for edit in edits if edit.function == function]
    if not mine:
        return None
    tree = mine[0].program.trees[function]
    made = replaced(tree, tuple(swap for edit in mine for swap in edit.swaps))
    if made is None:
        raise ValueError(f"expected edits that fit, got {[e.name for e in edits]}")
    return made


def fit(one: Edit, two: Edit) -> bool:
    """Whether two edits can be made at once, so that both lines run."""
    if one.program.convention != two.program.convention or one.clashes(two):
        return False
    if one.form == two.form:
        return True
    return one.function != two.function and _meet(one, two) and _meet(two, one)


def _meet(loop: Edit, step: Edit) -> bool:
    """Whether a loop over time calls the step, if that is the step that it makes."""
    whole = step.function.replace("_cell_", "_")
    if "_cell_" not in step.function or loop.function != whole:
        return True
    return step.function in loop.program.codes[loop.function].co_names


@functools.cache
def listed(like: str) -> tuple[Listed, ...]:
    """The list by hand, alone and beside another right form of a line."""
    mistakes = of(like)
    forms = [mistake for mistake in mistakes if mistake.harmless]
    alone = [Listed((mistake,)) for mistake in mistakes if not mistake.harmless]
    beside = [
        Listed((mistake, form))
        for form in forms
        for mistake in mistakes
        if not mistake.harmless and not set(mistake.lines) & set(form.lines)
    ]
    return (*alone, *beside)
