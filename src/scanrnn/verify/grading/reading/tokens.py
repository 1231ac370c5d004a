"""Splits plain lines into names of entries, numbers, brackets and words.

A number is one only as a whole: what touches a letter, another point, a percent sign or
a second sign is `BAD`, and an entry with something bad in it is not read at all.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .leaves import NAMES, SUFFIX

NUMBER, BAD, HEAD, WORD, OPEN, CLOSE, CALL, ELLIPSIS, CELL, END, SIGN, OTHER = range(12)

INDEX = r"-?[0-9]+|-?[0-9]*\s*:\s*-?[0-9]*|\.\.\."
HEADS = re.compile(
    rf"""(?:(?P<box>[A-Za-z_]\w*)\s*(?:\[\s*|\.get\(\s*)
            (?P<quote>["'])(?P<key>[A-Za-z_]\w*)(?P=quote)\s*[\])]
          | (?P<bare>[A-Za-z_]\w*))
        (?P<index>(?:\s?\[\s*(?:{INDEX})(?:\s*,\s*(?:{INDEX}))*\s*,?\s*\])*)
        (?P<shape>\s*\.\s*shape\b(?!\s*\[))?""",
    re.VERBOSE,
)
LENGTH = re.compile(r"len\(\s*\w+\s*\)")
BOXES = ("array", "asarray", "Array", "DeviceArray", "tensor", "Tensor", "matrix")
SCALARS = ("float16", "float32", "float64", "float", "double", "longdouble")
CALLS = re.compile(
    rf"(?:(?:np|numpy|jnp|jax|torch)\.)?(?P<name>{'|'.join((*BOXES, *SCALARS))})\s*\("
)
SPECIAL = re.compile(
    r"[-+]?(?:(?:np|numpy|jnp|math|torch)\.)?(?P<name>nan|inf|infinity)\b",
    re.IGNORECASE,
)
BLOB = re.compile(r"[-+]?\.?[0-9](?:[A-Za-z0-9_.,]|[-+](?=[0-9.]))*")
EXACT = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
)
# A decimal comma; 1,234 may be a thousand and more, so it is none.
COMMA = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*(?!,[0-9]{3}(?![0-9]))),[0-9]+(?:[eE][-+]?[0-9]{1,3})?"
)
SPOILS = set("%^/×·°$€£¥±—―−–‐‑‒\\@&")  # beside a number, and it is no plain number
EAST_ASIAN = 0x2E80  # from here on letters stand beside numbers without a blank


class Token(NamedTuple):
    """A piece of a line."""

    kind: int
    text: str
    line: int
    cell: int  # of a table: how many bars stand before it
    head: re.Match[str] | None = None
    glued: bool = False  # nothing but a comma between it and the number before


def tokens(lines: Sequence[str]) -> list[Token]:
    """All pieces of all lines, an `END` after each line."""
    found: list[Token] = []
    for number, line in enumerate(lines):
        found += _of_line(line, number)
        found.append(Token(END, "", number, 0))
    return found


def _of_line(line: str, number: int) -> Iterator[Token]:
    at = cell = 0
    last = END  # what stands before
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        parts = line[at - 1 : at] == "," and last in (NUMBER, CLOSE)
        for kind, text, head in _pieces(line, at):
            glued = kind == NUMBER and text.startswith(",")
            if kind == NUMBER and line[max(at - 1, 0) : at] == "," and not parts:
                kind = BAD  # as in -,5 which may be -0,5
            yield Token(kind, text[glued:], number, cell, head, glued)
            at += len(text)
            last = kind if text != "," else last
        cell += line[at - 1] == "|"


Piece = tuple[int, str, re.Match[str] | None]


def _pieces(line: str, at: int) -> list[Piece]:
    """What stands at a place of a line: one piece, or several numbers with commas."""
    if line.startswith("...", at):
        return [(ELLIPSIS, "...", None)]
    for kind, pattern in ((CALL, CALLS), (HEAD, LENGTH)):
        if match := pattern.match(line, at):
            return [(kind, match[0], match)]
    if special := SPECIAL.match(line, at):
        beside = _is_spoilt(line, at, special.end())
        return [(BAD if beside else NUMBER, special[0], None)]
    if blob := BLOB.match(line, at):
        return _numbers(blob[0], line, at)
    if head := HEADS.match(line, at):
        return [_name(head, line)]
    sign = SIGN if line[at] in "-+" else OTHER
    return [(SIGNS.get(line[at], sign), line[at], None)]


SIGNS = {"[": OPEN, "(": OPEN, "]": CLOSE, ")": CLOSE, "|": CELL}


def _name(head: re.Match[str], line: str) -> Piece:
    """An entry or a leaf; a name alone is a leaf only if something is said of it."""
    said = re.match(r"[\"']?\s*(?:[=:]|$)", line[head.end() :])
    if head["bare"] and head["index"][:1].isspace() and not said:
        return WORD, head["bare"], None  # a row after a name, no index
    named = said and SUFFIX.sub("", head["bare"] or "") in NAMES
    if head["key"] or head["index"] or head["shape"] or named:
        return HEAD, head[0], head
    return WORD, head[0], None


def _numbers(blob: str, line: str, at: int) -> list[Piece]:
    """One number, or several with nothing but commas between them."""
    body = blob.rstrip(".,") if not EXACT.fullmatch(blob) else blob
    end = at + len(body)
    if _spoils(line[max(at - 1, 0) : at], ".-+_") or _spoils(
        line[end : end + 1], "-+_"
    ):
        return [(BAD, body, None)]
    if EXACT.fullmatch(body) or COMMA.fullmatch(body):
        return [(NUMBER if _fits(body.replace(",", ".")) else BAD, body, None)]
    pieces = body.split(",")
    if not all(EXACT.fullmatch(piece) and _fits(piece) for piece in pieces):
        return [(BAD, body, None)]
    whole = [piece.lstrip("+-").isdigit() for piece in pieces]
    if any(whole) and not all(whole):
        return [(BAD, body, None)]  # 1,234.5 or -0,592 among -0.408
    texts = [pieces[0], *(f",{piece}" for piece in pieces[1:])]
    return [(NUMBER, text, None) for text in texts]


def _is_spoilt(line: str, start: int, end: int) -> bool:
    """Whether what stands beside a number makes something else of it."""
    before, after = line[max(start - 1, 0) : start], line[end : end + 1]
    return _spoils(before, ".-+_") or _spoils(after, "-+_")


def _spoils(beside: str, more: str) -> bool:
    if not beside:
        return False
    letter = beside.isalnum() and ord(beside) < EAST_ASIAN
    return letter or beside.isnumeric() or beside in SPOILS or beside in more


def _fits(text: str) -> bool:
    """Whether a float can be that large, or that small."""
    value = float(text)
    digits = text.lower().partition("e")[0]
    return math.isfinite(value) and (value != 0 or not digits.strip("+-0."))
