"""What an entry of the catalogue is, and how one is applied or two are combined."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .passes import KINDS, LOOP, Kind, Line, Lines, Step


class After(NamedTuple):
    """Not a line in place of another, but something done to its result.

    The change is called as ``change(result, *args)`` with the line's own arguments.
    """

    change: Callable[..., Any]


class Mistake(NamedTuple):
    """One thing that goes wrong in a pass written by hand."""

    name: str  # short and unique
    says: str  # what is wrong, for a learner
    instead: str  # what to write instead
    lines: Mapping[str, Line | After]  # the lines of the pass that it replaces
    store: Callable[[list[Step]], list[Step]] | None = (
        None  # what it does to the caches
    )
    sequence: bool = False  # needs more than one step to be wrong
    harmless: bool = False  # another right form: wrong only beside a mistake


def apply(lines: Lines, kind: Kind, mistake: Mistake) -> dict[str, Line]:
    """The lines with those of the mistake in place."""
    right = {**LOOP, **kind.forward, **kind.backward}
    changed = dict(lines)
    for name, line in mistake.lines.items():
        before = changed.get(name, right.get(name))
        changed[name] = _after(before, line) if isinstance(line, After) else line
    return changed


def _after(before: Any, after: After) -> Line:
    return lambda *args: after.change(before(*args), *args)


def fits(mistake: Mistake, kind: Kind) -> bool:
    """Whether the pass of this kind has all the lines that the mistake replaces."""
    lines = {**LOOP, **kind.forward, **kind.backward}
    if not kind.memory:
        lines.pop("carry_c"), lines.pop("join_c")
    return set(mistake.lines) <= set(lines)


def may_combine(first: Mistake, second: Mistake) -> bool:
    """Whether two at once are not simply one of them."""
    shared = set(first.lines) & set(second.lines)
    return not any(not isinstance(second.lines[name], After) for name in shared)


def kind_of(name: str) -> Kind:
    """The kind called rnn, lstm or gru."""
    return KINDS[name]
