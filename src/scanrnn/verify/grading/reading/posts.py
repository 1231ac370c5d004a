"""From what was found in a post to entries of leaves, and to the edition that fits."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..cases import DRAWS, Case, split
from ..posted import Posted, Reading
from ..replay import replay
from .clean import plain_lines
from .editions import TOLD_WRONG, Edition, editions, is_wrong_table
from .entries import scan
from .groups import Group
from .leaves import target
from .taken import Read, of_case
from .tokens import HEADS, tokens

MOST_LINES = 6  # that a note shows of what was not understood
NOTHING = "expected entries such as dx[1][2] = [0.1, 0.2] or dba[4] = 0.3, found none"


def of_text(text: str, like: str, case: Case | None) -> Reading:
    """See `understand`."""
    tried = _tried(like, case)
    lines = plain_lines(text)
    found = scan(tokens(lines))
    reads = [of_case(found, edition.case, lines) for edition in tried]
    best = max(range(len(tried)), key=lambda i: (_fit(reads[i], tried[i]), -i))
    read = reads[best]
    unread = tuple(
        f"{lines[i]!r}: {why}" if i >= 0 else why
        for i, why in sorted(read.unread.items())
    )
    if not (read.posted or read.shapes):
        raise ValueError("\n".join((NOTHING, *map(_indented, unread[:MOST_LINES]))))
    ties = [
        edition.case
        for i, edition in enumerate(tried)
        if i != best and _fit(reads[i], edition) == _fit(read, tried[best])
    ]
    notes = _notes(read, tried, tried[best], ties, unread)
    return Reading(
        like,
        tried[best].case,
        replay(tried[best].case),
        tuple(read.posted),
        tuple(read.shapes),
        tuple(ties),
        unread,
        tuple(notes),
    )


def _tried(like: str, case: Case | None) -> tuple[Edition, ...]:
    if case is not None:
        return (Edition("", case),)
    if like not in DRAWS:
        raise ValueError(f"expected like, one of {', '.join(DRAWS)}, got {like!r}")
    return editions(like)


def _fit(read: Read, edition: Edition) -> int:
    """How many numbers of a post are those of a right pass on an edition's test."""
    arrays = {**edition.case.inputs, **replay(edition.case)}
    numbers = [*read.posted, *read.expected, *read.inputs]
    return sum(sum(entry.matches(arrays)) for entry in numbers)


def _notes(
    read: Read,
    tried: Sequence[Edition],
    best: Edition,
    ties: Sequence[Case],
    unread: Sequence[str],
) -> list[str]:
    notes = []
    if len(tried) > 1:
        years = f"the public test of {best.year}"
        notes.append(
            f"the numbers fit every edition of the test alike; taken: {years}"
            if ties
            else f"the numbers fit {years}"
        )
    like = best.case.like
    if best.year and (
        is_wrong_table(like, read.expected) or is_wrong_table(like, read.posted)
    ):
        notes.append(TOLD_WRONG)
    if unread:
        more = (
            f"\n    and {len(unread) - MOST_LINES} more"
            if len(unread) > MOST_LINES
            else ""
        )
        shown = "".join(f"\n    {line}" for line in unread[:MOST_LINES])
        notes.append(f"not understood, and left out:{shown}{more}")
    return notes


def _indented(line: str) -> str:
    return f"    not understood: {line}"


def of_mapping(numbers: Mapping[str, Any], like: str, case: Case | None) -> Reading:
    """See `understand`; here everything must be an entry."""
    if not numbers:
        raise ValueError(NOTHING)
    tried = _tried(like, case)
    entries = [
        [_entry(key, value, edition.case) for key, value in numbers.items()]
        for edition in tried
    ]
    reads = [Read(made, [], [], [], {}, set()) for made in entries]
    best = max(range(len(tried)), key=lambda i: (_fit(reads[i], tried[i]), -i))
    ties = [
        edition.case
        for i, edition in enumerate(tried)
        if i != best and _fit(reads[i], edition) == _fit(reads[best], tried[best])
    ]
    notes = _notes(reads[best], tried, tried[best], ties, ())
    chosen = tried[best].case
    posted = tuple(entries[best])
    return Reading(
        like, chosen, replay(chosen), posted, (), tuple(ties), (), tuple(notes)
    )


def _entry(key: str, value: Any, case: Case) -> Posted:
    right = replay(case)
    head = HEADS.fullmatch(key.strip())
    name = (head["key"] or head["bare"]) if head else key
    aim = target(name, head["index"], right, case) if head else None
    if aim is None or aim.of_input:
        raise ValueError(f"expected one of {sorted(right)}, got {name!r}")
    if isinstance(value, str):
        texts = re.findall(r"[^\s,;\[\]()]+", value)
    else:
        texts = [repr(float(number)) for number in np.ravel(value)]
    try:
        size = np.asarray(right[aim.leaf])[aim.place].size
    except IndexError:
        size = -1
    if size != len(texts):
        raise ValueError(
            f"expected {aim.name} of {aim.leaf} {right[aim.leaf].shape} to be "
            f"{max(size, 0)} numbers, got {len(texts)}"
        )
    shown = Group(tuple(texts), spaced=True).shown()
    some = tuple(shown) if len(set(shown)) > 1 else ()
    values = np.array([float(text) for text in texts])
    return Posted(aim.name, aim.leaf, aim.place, values, max(shown), some, line=key)


def functions(text: str) -> list[str]:
    """The functions whose entries stand in a text, the one that explains most first."""
    lines = plain_lines(text)
    found = scan(tokens(lines))
    ranked = []
    for like in DRAWS:
        reads = [of_case(found, edition.case, lines) for edition in editions(like)]
        entries = max(len(read.posted) + len(read.shapes) for read in reads)
        fit = max(
            _fit(read, edition)
            for read, edition in zip(reads, editions(like), strict=True)
        )
        named = split(like)[0] + ("_cell" if split(like)[1] else "")
        ranked.append((entries, fit, f"{named}_" in text, like))
    ranked = [row for row in ranked if row[0]]
    return [like for *_, like in sorted(ranked, key=lambda row: row[:3], reverse=True)]
