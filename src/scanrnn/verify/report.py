"""What an audit found: rows of a table, suspects, and the verdict that holds them."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

PASSED, WRONG, UNJUDGED = "right", "WRONG", "NOT JUDGED"


class Row(NamedTuple):
    """One leaf compared with one oracle on one case."""

    leaf: str  # the name of the gradient, cache entry or output
    oracle: str  # what it was compared with
    error: float  # the worst error, relative to the largest entry of the leaf
    allowed: float  # what rounding explains at that entry, in the same unit
    where: str  # the index of the worst entry
    step: int | None  # t of the first wrong step met: from the end, on a way back
    passed: bool
    case: str = ""  # on what it was tried
    note: str = ""  # in words, where numbers do not say it


class Suspicion(NamedTuple):
    """A mistake that would give these numbers."""

    names: tuple[str, ...]  # one mistake of the catalogue, or two at once
    says: str  # what is wrong, in a sentence
    instead: str  # what to write instead
    score: float  # the share of the telling numbers that it reproduces; 1 is all
    evidence: str = ""  # which numbers
    alike: tuple[str, ...] = ()  # mistakes that give the same numbers here
    apart: str = ""  # the case that would tell them apart
    mend: str = ""  # the lines of the judged function's own source that set it right


class Streams(NamedTuple):
    """The size (2-norm) of the gradient at every step, by where it comes from."""

    outputs: tuple[float, ...]  # from the loss at this step
    time: tuple[float, ...]  # handed back by the step after it
    total: tuple[float, ...]  # of their sum


class Verdict(NamedTuple):
    """The outcome of an audit. Prints as a table; `passed` only if every row is right.

    >>> from scanrnn.verify import Row, Verdict
    >>> row = Row("dWaa", "reference", 0.52, 1e-15, "[1, 2]", 0, False)
    >>> print(Verdict("rnn_backward", (row,)))
    rnn_backward: WRONG
    leaf  oracle     error    allowed  where   step  verdict
    dWaa  reference  5.2e-01  1.0e-15  [1, 2]  0     WRONG
    """

    subject: str
    rows: tuple[Row, ...]
    suspicions: tuple[Suspicion, ...] = ()
    notes: tuple[str, ...] = ()
    errors: Mapping[str, tuple[float, ...]] = {}  # by leaf: relative error at each step
    streams: Streams | None = None
    unjudged: str = ""  # why there is nothing to compare, or not enough to say right

    @property
    def passed(self) -> bool:
        """Whether something was compared, all of it is right, and nothing is left."""
        judged = bool(self.rows) and not self.unjudged
        return judged and all(row.passed for row in self.rows)

    @property
    def word(self) -> str:
        """``right``, ``WRONG`` or ``NOT JUDGED``."""
        return UNJUDGED if self.unjudged else _word(self.passed)

    def to_json(self) -> str:
        """The verdict as JSON; not-a-number and infinities become null."""
        content = {
            "subject": self.subject,
            "passed": self.passed,
            "verdict": self.word,
            "unjudged": self.unjudged,
            "rows": [row._asdict() for row in self.rows],
            "suspicions": [suspicion._asdict() for suspicion in self.suspicions],
            "notes": list(self.notes),
            "errors": {leaf: list(errors) for leaf, errors in self.errors.items()},
            "streams": self.streams and self.streams._asdict(),
        }
        return json.dumps(_finite(content), indent=2)

    def plot(self, path: str) -> None:
        """Draws error by leaf and step beside the streams of gradient (matplotlib).

        Raises:
            ValueError: if the audit was not of a sequence, so that there is no step.
        """
        from .plot import draw

        streams = self.streams and self.streams._asdict()
        draw(path, f"{self.subject}: {self.word}", self.errors, streams)

    def __str__(self) -> str:
        if self.unjudged:
            notes = [f"note: {note}" for note in self.notes]
            return "\n".join((f"{self.subject}: {self.word}, {self.unjudged}", *notes))
        lines = [f"{self.subject}: {self.word}", *_table(_worst(self.rows))]
        for rank, suspicion in enumerate(self.suspicions[:SHOWN], start=1):
            lines += ["", *_describe(rank, suspicion)]
        return "\n".join(lines + [f"note: {note}" for note in self.notes])


SHOWN = 3  # suspects that are printed; all of them are in `suspicions`


def _word(passed: bool) -> str:
    return PASSED if passed else WRONG


def _worst(rows: tuple[Row, ...]) -> list[Row]:
    """For every leaf and oracle the first wrong row, or the right one nearest to it."""
    chosen: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row.leaf, row.oracle)
        if key not in chosen or _badness(row) > _badness(chosen[key]):
            chosen[key] = row
    return list(chosen.values())


def _badness(row: Row) -> float:
    if not row.passed:
        return math.inf
    return row.error / row.allowed if row.allowed else row.error


def _table(rows: list[Row]) -> list[str]:
    head = ("leaf", "oracle", "error", "allowed", "where", "step", "verdict")
    lines = [head, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _cells(row: Row) -> tuple[str, ...]:
    step = "-" if row.step is None else str(row.step)
    verdict = _word(row.passed) + (f" ({row.case})" if row.case else "")
    numbers = (f"{row.error:.1e}", f"{row.allowed:.1e}")
    if math.isnan(row.error):
        numbers = ("-", "-")
    note = f"; {row.note}" if row.note else ""
    return (row.leaf, row.oracle, *numbers, row.where or "-", step, verdict + note)


def _describe(rank: int, suspicion: Suspicion) -> list[str]:
    name = " and ".join(suspicion.names)
    lines = [
        f"suspect {rank}: {name} ({suspicion.score:.0%} of what was compared)",
        f"    what is wrong: {suspicion.says}",
        f"    write instead: {suspicion.instead}",
    ]
    if suspicion.mend:
        lines.append(f"    in your own lines: {suspicion.mend}")
    if suspicion.evidence:
        lines.append(f"    evidence: {suspicion.evidence}")
    if suspicion.alike:
        lines.append(f"    the same numbers here: {', '.join(suspicion.alike)}")
    if suspicion.apart:
        lines.append(f"    to tell them apart: {suspicion.apart}")
    return lines


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
