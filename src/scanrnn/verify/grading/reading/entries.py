"""Finds which numbers belong to which printed name, and whose they are.

A name is followed by what was printed of it: on the same line, or on the next if
nothing but numbers stands there. Two numbers are told apart by words ("expected", "I
get", "instead of"), by the head of a table, or by the heading above. Where no word
tells them apart, neither is taken.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from . import tokens as t
from .groups import Group, group
from .tokens import Token

EXPECTED = re.compile(
    r"\b(?:expect\w*|should|ought|desired|target|instead of|rather than|vs|versus|"
    r"reference|correct (?:is|value|answer|one|output|result)s?|solution|"
    r"erwartet\w*|soll|esperad\w*|attendue?s?)\b|预期|期望|正确",
    re.IGNORECASE,
)
GOT = re.compile(
    r"\b(?:got|gets?|getting|mine|my|actual|obtain\w*|received?|output|results?|"
    r"returns?|prints?|printed|computed|wrong|incorrect|not (?:right|correct))\b|"
    r"得到|结果|输出",
    re.IGNORECASE,
)
WRITTEN = "expected"
ALIKE = 0.8  # a word with a letter wrong is still that word


class Found(NamedTuple):
    """A name, and the numbers that were printed of it."""

    head: re.Match[str]
    line: int
    group: Group
    expected: bool  # what should have been printed, not what was


class Left(NamedTuple):
    """A line that was not understood."""

    line: int
    why: str


class Scan(NamedTuple):
    """All that was found, in the order of the text."""

    found: list[Found]
    left: list[Left]


class Context:
    """What the lines above say: a heading, or the head of a table."""

    def __init__(self) -> None:
        self.expected = False
        self.columns: dict[int, str] = {}
        self.width = 0  # of the table, in bars

    def read(self, line: Sequence[Token]) -> None:
        """A line without names of entries: it may be a heading."""
        words = _words(line)
        numbers = any(token.kind in (t.NUMBER, t.BAD) for token in line)
        if numbers and line[-1].text != ":":
            return
        cells = {token.cell for token in line if token.kind == t.WORD}
        labels = {c: _label(_words([x for x in line if x.cell == c])) for c in cells}
        if len(cells) > 1 and any(labels.values()):
            self.columns = {cell: name for cell, name in labels.items() if name}
            self.width, self.expected = _bars(line), False
        elif _label(words):
            self.expected = _label(words) == "expected"
            self.columns = {}


def scan(found: Sequence[Token]) -> Scan:
    """The entries in a text that was split into tokens."""
    taken: set[int] = set()  # tokens that were understood
    result, context = Scan([], []), Context()
    at = start = 0
    while at < len(found):
        if found[at].kind == t.HEAD:
            if found[at].text.startswith("len("):
                at = _skip_length(found, at, taken)
                continue
            before = _words(found[start:at])
            at = _read(found, at, context, before, taken, result)
            start = at
            continue
        if found[at].kind == t.END:
            line = [x for x in found[_line_start(found, at) : at]]
            if not any(token.kind == t.HEAD for token in line):
                context.read(line)
            start = at + 1
        at += 1
    explained = {item.line for item in result.left}
    for i, token in enumerate(found):
        stray = token.kind in (t.NUMBER, t.BAD) and i not in taken
        if stray and token.line not in explained:
            result.left.append(Left(token.line, "it names no entry"))
            explained.add(token.line)
    result.left.sort(key=lambda item: item.line)
    return result


def _line_start(found: Sequence[Token], at: int) -> int:
    while at and found[at - 1].kind != t.END:
        at -= 1
    return at


def _skip_length(found: Sequence[Token], at: int, taken: set[int]) -> int:
    """``len(caches) = 2`` says nothing of the numbers."""
    for i in range(at + 1, min(at + 5, len(found))):
        if found[i].kind == t.NUMBER:
            taken.add(i)
            return i + 1
        if found[i].kind == t.HEAD:
            return i
    return at + 1


class Labelled(NamedTuple):
    """Numbers after a name, and the words before them."""

    group: Group
    words: str


def _read(
    found: Sequence[Token],
    at: int,
    context: Context,
    before: str,
    taken: set[int],
    result: Scan,
) -> int:
    """What belongs to the name at a place; returns where the next may begin."""
    head = found[at].head
    assert head is not None
    values, end = _values(found, at + 1, taken)
    mine: list[Labelled] = []
    theirs: list[Labelled] = []
    line = [x for x in found if x.line == found[at].line]
    bars = _bars(line)
    columns = context.columns if bars == context.width else {}
    if context.columns and bars and not columns:
        why = "the row has other columns than the head of its table"
        result.left.append(Left(found[at].line, why))
        return end
    for value in values:
        whose = _whose(value, columns, context.expected, before)
        (theirs if whose == "expected" else mine).append(value)
    if len(mine) > 1 or (len(theirs) > 1 and not mine):
        why = "two numbers, and no word says which is yours"
        result.left.append(Left(found[at].line, why))
        return end
    if not values:
        result.left.append(Left(found[at].line, "no number follows"))
        return end
    pairs = ((mine, False), (theirs[:1], True))
    for some, expected in pairs:
        for value in some:
            result.found.append(Found(head, found[at].line, value.group, expected))
    return end


def _values(
    found: Sequence[Token], at: int, taken: set[int]
) -> tuple[list[Labelled], int]:
    """All numbers up to the next name, or to the end of the line that has them."""
    values: list[Labelled] = []
    words: list[str] = []
    sign = False
    while at < len(found) and found[at].kind != t.HEAD:
        token = found[at]
        numbers = group(found, at)
        if numbers is not None:
            one, end = numbers
            if sign:
                one = one._replace(broken="a sign stands apart from its number")
            taken.update(range(at, end))
            values.append(Labelled(one, " ".join(words)))
            words, sign, at = [], False, end
            continue
        if token.kind == t.END and (values or not _goes_on(found, at)):
            return values, at
        sign = token.kind == t.SIGN
        if token.kind == t.WORD or (token.kind == t.OTHER and ord(token.text[0]) > 127):
            words.append(token.text)
        at += 1
    return values, at


def _goes_on(found: Sequence[Token], at: int) -> bool:
    """Whether the next line that is not empty begins with a number."""
    while at < len(found) and found[at].kind in (t.END, t.CELL):
        at += 1
    begins = (t.NUMBER, t.BAD, t.OPEN, t.CALL)
    return at < len(found) and found[at].kind in begins


def _bars(line: Sequence[Token]) -> int:
    return sum(token.kind == t.CELL for token in line)


def _whose(
    value: Labelled, columns: Mapping[int, str], expected: bool, before: str
) -> str:
    """Whether numbers are what was expected or what somebody got."""
    if value.words.strip().lower() == "not":
        return "expected"
    own = _label(value.words)
    if own:
        return own
    if value.group.cell in columns:
        return columns[value.group.cell]
    return _label(before) or ("expected" if expected else "got")


def _label(words: str) -> str:
    if EXPECTED.search(words) or _nearly_expected(words):
        return "expected"
    return "got" if GOT.search(words) else ""


def _nearly_expected(words: str) -> bool:
    """Whether "expected" stands there with a letter too many, too few or wrong."""
    letters = re.sub("[^a-z]", "", words.lower())
    if "unexpect" in letters:
        return False
    n = len(WRITTEN)
    parts = (letters[i : i + n] for i in range(max(1, len(letters) - n + 1)))
    return any(SequenceMatcher(None, WRITTEN, x).ratio() >= ALIKE for x in parts)


def says_got(line: str) -> bool:
    """Whether a line says that what follows is somebody's own."""
    return _label(line) == "got"


def _words(line: Sequence[Token]) -> str:
    told = (x.text for x in line if x.kind in (t.WORD, t.OTHER))
    return " ".join(told)
