"""A repair in words: which lines of the program, and what to write there."""

import ast
import difflib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...report import Suspicion
from ..conventions import Convention
from .own import Definition
from .search import QUICK, THOROUGH, Repair, repairs

MOST_LETTERS, AROUND = 120, 40
THEN = "then it is right, on every case that was tried"


class Told(NamedTuple):
    """A changed place."""

    place: str  # "line 12"
    was: str
    now: str


def with_repairs(
    found: Sequence[Suspicion], convention: Convention, like: str
) -> list[Suspicion]:
    """Suspects, and the lines of the function's own source that are to be changed.

    Where a known slip gives all that was found it is said by its name, and the line is
    told beside it; where none does, the lines are the suspects.
    """
    known = bool(found) and found[0].score == 1
    mended = repairs(convention, like, QUICK if known else THOROUGH)
    if not mended:
        return list(found)
    if known:
        return [found[0]._replace(mend=mend(mended[0])), *found[1:]]
    return [*map(suspicion, mended), *found]


def suspicion(repair: Repair) -> Suspicion:
    """What a repair says, as a suspect that explains everything."""
    told = tuple(places(repair))
    return Suspicion(
        tuple(dict.fromkeys(one.place for one in told)),
        "; ".join(one.was for one in told),
        "; ".join(one.now.removeprefix("write ") for one in told) + f"; {THEN}",
        1.0,
        "found by changing your own lines until all is right",
    )


def mend(repair: Repair) -> str:
    """The same in one line, for a suspect that is known by name."""
    return "; ".join(f"{one.was}: {one.now}" for one in places(repair))


def places(repair: Repair) -> Iterator[Told]:
    """The lines that a repair changes, adds, moves or leaves out."""
    for name, text in repair.after.items():
        before = repair.before[name]
        if text != before.text:
            yield from _differences(before, tidied(text, before.text))


def _differences(before: Definition, text: str) -> Iterator[Told]:
    old, new = before.text.splitlines(), text.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    added = {_bare(r): (i, a) for _, i, _, a, b in codes for r in new[a:b]}
    gone = {_bare(row) for _, a, b, _, _ in codes for row in old[a:b]}
    of = "" if not before.place.startswith("cell") else f" of {before.place}"
    for kind, i, j, a, b in codes:
        if kind == "replace" and j - i != b - a:  # a statement of several lines
            place = f"lines {before.first + i} to {before.first + j - 1}{of}"
            place = place if j - i > 1 else f"line {before.first + i}{of}"
            was, now = _pair(*(" ".join(map(_bare, x)) for x in (old[i:j], new[a:b])))
            yield Told(place, f"{place} reads {was}", f"write {now}")
            continue
        for k in range(max(j - i, b - a)):
            row = old[i + k] if i + k < j else None
            other = new[a + k] if a + k < b else None
            place = f"line {before.first + min(i + k, max(j - 1, i))}{of}"
            reads = f"{place} reads {_code(row or '')}"
            if row is not None and other is not None:
                was, now = _pair(row, other)
                yield Told(place, f"{place} reads {was}", f"write {now}")
            elif other is not None and _bare(other) not in gone:
                behind = f"line {before.first + i - 1}{of}"
                missing = f"a line is missing behind {behind}"
                yield Told(behind, missing, f"add {_code(other)}")
            elif row is not None and _bare(row) not in added:
                yield Told(place, reads, "leave it out")
            elif row is not None:
                at, to = added[_bare(row)]
                yield Told(place, reads, _moved(before.first + at - 1, row, new[to]))


def _moved(line: int, was: str, now: str) -> str:
    depth = _depth(now) - _depth(was)
    how = "" if not depth else ", indented" if depth > 0 else ", less indented"
    return f"let it stand behind line {line}{how}"


def _bare(row: str) -> str:
    return row.strip()


def _depth(row: str) -> int:
    return len(row) - len(row.lstrip())


def _pair(was: str, now: str) -> tuple[str, str]:
    """Two lines as code; of long ones what differs, and some letters around it."""
    was, now = _bare(was), _bare(now)
    if max(len(was), len(now)) <= MOST_LETTERS:
        return _code(was), _code(now)
    same = _shared(was, now)
    rest = _shared(was[same:][::-1], now[same:][::-1])
    start, end = max(0, same - AROUND), max(0, rest - AROUND)
    cut = [text[start : len(text) - end] for text in (was, now)]
    dots = "..." * (start > 0), "..." * (end > 0)
    first, second = (f"`{dots[0]}{text}{dots[1]}`" for text in cut)
    return first, second


def _shared(one: str, two: str) -> int:
    """How many letters two texts begin with together."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(two)))


def _code(row: str) -> str:
    text = row.partition("  #")[0].strip()
    return f"`{text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS] + '...'}`"


def tidied(text: str, before: str) -> str:
    """A text without the brackets that came with a change and mean nothing."""
    rows = set(before.splitlines())
    tree = _tree(text)
    start = 0
    for row in text.splitlines(keepends=True):
        end = start + len(row)
        if row.rstrip("\n") not in rows:
            shorter, row = text, _without_brackets(text, start, end, tree)
            text = shorter[:start] + row + shorter[end:]
        start += len(row)
    return text


def _without_brackets(text: str, start: int, end: int, tree: str) -> str:
    row, at = text[start:end], 0
    while (at := row.find("(", at)) >= 0:
        close = _closing(row, at)
        if close > 0:
            shorter = row[:at] + row[at + 1 : close] + row[close + 1 :]
            if _tree(text[:start] + shorter + text[end:]) == tree:
                row = shorter
                continue
        at += 1
    return row


def _closing(row: str, at: int) -> int:
    depth = 0
    for i in range(at, len(row)):
        depth += (row[i] == "(") - (row[i] == ")")
        if depth == 0:
            return i
    return -1


def _tree(text: str) -> str:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return ""
