"""All functions of a file in one table."""

from collections.abc import Sequence

from .program import Result

HEAD = ("function", "verdict", "wrong leaves", "first suspect, or why not")


def table(name: str, results: Sequence[Result]) -> str:
    """One line for each function, forward to backward."""
    lines = [HEAD, *map(_line, results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    count = f"{len(results)} function{'s' * (len(results) != 1)} of the exercise"
    return "\n".join((f"{name}: {count}", *rows))


def _line(result: Result) -> tuple[str, str, str, str]:
    verdict = result.verdict
    wrong = dict.fromkeys(row.leaf for row in verdict.rows if not row.passed)
    leaves = ", ".join(wrong)
    name = result.name
    if result.name != result.like:
        name += f" ({result.like})"
    if verdict.unjudged:
        told = result.printed
        printed = f"; its printed numbers are {told.word}" if told else ""
        return name, verdict.word, "", verdict.unjudged + printed
    first = verdict.suspicions[0] if verdict.suspicions else None
    why = " and ".join(first.names) if first and first.score == 1 else ""
    notes = [row.note for row in verdict.rows if not row.passed and row.note]
    return name, verdict.word, leaves, why or "".join(notes[:1])
