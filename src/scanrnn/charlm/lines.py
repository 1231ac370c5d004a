"""`metrics.jsonl`: one JSON object a line, each with a step.

A process that is killed may leave half a line at the end: that is no damage. Whatever
else is no such line was not written by a run, and is told by its number.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

SHOWN = 40  # characters of a line that cannot be read
NUMBERS = ("loss", "held_out")


class LineError(ValueError):
    """A line that no run wrote; the message says which, and what stands there."""


class Lines(NamedTuple):
    """What a file holds."""

    values: list[dict[str, Any]]
    cut: int | None = None  # the number of the last line, if it was cut short


def read_lines(path: Path) -> Lines:
    """All whole lines of a file, and whether the last one was cut short.

    Blank lines count for nothing. A file that is not there has no lines.

    Raises:
        LineError: if another line than the last is not an object with a step.
        OSError: if the file cannot be read.
    """
    if not path.exists():
        return Lines([])
    *whole, rest = path.read_bytes().split(b"\n")
    values = [parse(line, n) for n, line in enumerate(whole, 1) if line.strip()]
    if not rest.strip():
        return Lines(values)
    try:  # whole, but for its newline?
        return Lines([*values, parse(rest, len(whole) + 1)])
    except LineError:
        return Lines(values, len(whole) + 1)


def parse(line: bytes, number: int) -> dict[str, Any]:
    """One line.

    Raises:
        LineError: if it is no object with a step and with losses that are numbers.

    >>> parse(b'{"step": 3, "loss": 1.5}', 3)
    {'step': 3, 'loss': 1.5}
    """
    try:
        value = json.loads(line)
    except ValueError:  # not JSON, or not even UTF-8
        value = None
    if isinstance(value, dict) and type(value.get("step")) is int:
        numbers = [value[name] for name in NUMBERS if name in value]
        if all(type(number) in (int, float) for number in numbers):
            return value
    raise LineError(
        f'line {number}: expected a JSON object such as {{"step": 1, "loss": 3.2}}, '
        f"found {shown(line)}"
    )


def shown(line: bytes) -> str:
    """The beginning of a line, for people."""
    text = line.decode("utf-8", "replace").strip()
    return repr(text[:SHOWN]) + (" ..." if len(text) > SHOWN else "")
