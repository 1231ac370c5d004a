"""From what was found in a post to entries of leaves, and to the edition that fits."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..cases import DRAWS, Case, split
from ..posted import Posted, Reading, Shape
from ..replay import Leaves, replay
from .clean import plain_lines
from .editions import TOLD_WRONG, Edition, editions, is_wrong_table
from .entries import Found, Scan, scan
from .groups import Group
from .leaves import Target, target
from .tokens import HEADS, tokens

MOST_LINES = 6  # that a note shows of what was not understood
NOTHING = "expected entries such as dx[1][2] = [0.1, 0.2] or dba[4] = 0.3, found none"


class Read(NamedTuple):
    """Everything that one case makes of a post."""

    posted: list[Posted]
    expected: list[Posted]  # what somebody was told to expect
    inputs: list[Posted]  # entries of the inputs, which only tell the edition
    shapes: list[Shape]
    unread: dict[int, str]  # by line: why not
    broken: set[str]  # entries that stand there and cannot be read


def of_text(text: str, like: str, case: Case | None) -> Reading:
    """See `understand`."""
    tried = _tried(like, case)
    lines = plain_lines(text)
    found = scan(tokens(lines))
    reads = [_of_case(found, edition.case, lines) for edition in tried]
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


def _of_case(found: Scan, case: Case, lines: Sequence[str]) -> Read:
    right = replay(case)
    read = Read([], [], [], [], {left.line: left.why for left in found.left}, set())
    for one in found.found:
        aim, why = _aim(one, right, case)
        if aim is None:
            read.unread[one.line] = why
        elif one.head["shape"] or _is_shape(one, aim, right):
            _take_shape(read, one, aim)
        else:
            _take(read, one, aim, {**case.inputs, **right}, lines[one.line])
    if not read.posted and not read.shapes and not read.unread:
        read.posted.extend(read.expected)  # somebody asks of the table itself
        read.expected.clear()
    _settle(read, right)
    return read


def _aim(one: Found, right: Leaves, case: Case) -> tuple[Target | None, str]:
    name = one.head["key"] or one.head["bare"]
    aim = target(name, one.head["index"], right, case)
    if aim is None:
        known = [leaf for leaf in right if not leaf.startswith("cache")]
        return None, f"{case.like} has no {name}, it has {', '.join(known)}"
    return aim, ""


def _is_shape(one: Found, aim: Target, right: Leaves) -> bool:
    """``dba: shape (5,)``, in which the word stands apart."""
    return (
        False
        if aim.place or aim.of_input
        else _sizes(one.group) is not None
        and (
            right[aim.leaf].size != len(one.group.texts)
            and "shape" in one.head.string[one.head.end() :].lower().split("(")[0]
        )
    )


def _sizes(group: Group) -> tuple[int, ...] | None:
    """A shape, if that is what the numbers are."""
    if group.broken or not group.boxed or group.cut is not None:
        return None
    texts = [part for text in group.texts for part in text.split(",")]
    if not all(text.isdigit() for text in texts) or len(group.shape or ()) > 1:
        return None
    return tuple(map(int, texts))


def _take_shape(read: Read, one: Found, aim: Target) -> None:
    sizes = _sizes(one.group)
    if sizes is None or aim.place or aim.of_input:
        if not (sizes and aim.of_input):
            read.unread[one.line] = "no shape such as (5, 1)"
    elif not one.expected:
        read.shapes.append(Shape(aim.leaf, sizes, one.head.string.strip()))


def _take(
    read: Read, one: Found, aim: Target, arrays: Mapping[str, Any], line: str
) -> None:
    """Adds an entry, or says why it cannot be read."""
    some, why = _which(one.group, aim, arrays)
    if some is None:
        if one.group.broken or not _other_shape(read, one, aim, arrays):
            read.unread[one.line] = why
            read.broken.add(aim.name)
        return
    shown = one.group.shown()
    entry = Posted(
        aim.name,
        aim.leaf,
        aim.place,
        np.array(one.group.values()),
        max(shown),
        tuple(shown) if len(set(shown)) > 1 else (),
        some,
        line.strip(),
    )
    where = (
        read.inputs if aim.of_input else read.expected if one.expected else read.posted
    )
    where.append(entry)


def _which(
    group: Group, aim: Target, arrays: Mapping[str, Any]
) -> tuple[tuple[int, ...] | None, str]:
    """Which numbers of the entry were printed: () is all, None is unclear."""
    if group.broken:
        return None, group.broken
    try:
        whole = np.asarray(arrays[aim.leaf])[aim.place]
    except IndexError:
        return None, f"{aim.leaf} {np.shape(arrays[aim.leaf])} has no such entry"
    count, n = len(group.texts), whole.size
    if group.cut is not None and n > 1:
        flat = group.shape in ((), (count,))
        if not 0 < count < n or not flat or whole.ndim > 1:
            return (
                None,
                f"{aim.name} is cut so that it is unclear which numbers are left",
            )
        last = count - group.cut
        return (*range(group.cut), *range(n - last, n)), ""
    if count != n or not n:
        return None, f"{aim.name} is {n} numbers, not {count}"
    nested = group.shape
    if nested is None:
        return None, f"{aim.name} is printed with uneven rows"
    if nested and _squeezed(nested) != _squeezed(whole.shape) and len(nested) > 1:
        return None, f"{aim.name} has shape {whole.shape}, not {nested}"
    if len(nested) == 1 and len(_squeezed(whole.shape)) > 1:
        return None, f"{aim.name} has shape {whole.shape}, not {nested}"
    return (), ""


def _squeezed(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _other_shape(
    read: Read, one: Found, aim: Target, arrays: Mapping[str, Any]
) -> bool:
    """A whole leaf that was printed in another shape: the shape is what is known."""
    shape = one.group.shape
    if (
        aim.place
        or one.expected
        or aim.of_input
        or not shape
        or one.group.cut is not None
    ):
        return False
    if not one.group.boxed or len(one.group.texts) < 2:
        return False
    if int(np.prod(shape)) != np.size(arrays[aim.leaf]):
        return False
    read.shapes.append(Shape(aim.leaf, shape, one.head.string.strip()))
    return True


def _settle(read: Read, right: Leaves) -> None:
    """Of an entry that stands several times, one is taken.

    Where one of two is right and the other is not, the right one was the expected one.
    """
    by_name: dict[str, list[Posted]] = {}
    for entry in read.posted:
        by_name.setdefault(entry.name, []).append(entry)
    kept = []
    for name, entries in by_name.items():
        if name in read.broken:  # the one that can be read may be the expected one
            read.unread[-1] = f"{name} stands there again and cannot be read"
            continue
        wrong = [entry for entry in entries if not all(entry.matches(right))]
        different = [x for x in wrong[1:] if not _agree(x, wrong[0])]
        if different:
            read.unread[-1] = f"{name} stands there with different numbers"
            continue
        kept.append((wrong or entries)[0])
        fine = [x for x in entries if all(x.matches(right))]
        read.expected.extend(fine if wrong else [])
    read.posted[:] = kept


def _agree(one: Posted, two: Posted) -> bool:
    if one.some != two.some or one.values.size != two.values.size:
        return False
    return bool(np.all((one.low <= two.high) & (two.low <= one.high)))


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
        reads = [_of_case(found, edition.case, lines) for edition in editions(like)]
        entries = max(len(read.posted) + len(read.shapes) for read in reads)
        fit = max(
            _fit(read, edition)
            for read, edition in zip(reads, editions(like), strict=True)
        )
        named = split(like)[0] + ("_cell" if split(like)[1] else "")
        ranked.append((entries, fit, f"{named}_" in text, like))
    ranked = [row for row in ranked if row[0]]
    return [like for *_, like in sorted(ranked, key=lambda row: row[:3], reverse=True)]
