"""From the numbers behind a name to an entry of a leaf, if they fit it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np

from ..cases import Case
from ..posted import Posted, Shape
from ..replay import Leaves, replay
from .entries import Found, Scan, says_got
from .groups import Group
from .leaves import Target, target

MISSPELT = 0.76
# What the notebook prints of each leaf.
PRINTED = {
    **{leaf: f"{leaf}[1][2]" for leaf in ("dx", "dxt", "dWaa", "dWi", "dWo")},
    **{leaf: f"{leaf}[2][3]" for leaf in ("da0", "da_prev", "dc_prev")},
    **{leaf: f"{leaf}[3][1]" for leaf in ("dWax", "dWf", "dWc")},
    **{leaf: f"{leaf}[4]" for leaf in ("dba", "dbf", "dbi", "dbc", "dbo")},
}


class Read(NamedTuple):
    """Everything that one case makes of a post."""

    posted: list[Posted]
    expected: list[Posted]  # what somebody was told to expect
    inputs: list[Posted]  # entries of the inputs, which only tell the edition
    shapes: list[Shape]
    unread: dict[int, str]  # by line: why not
    broken: set[str]  # entries that stand there and cannot be read


def of_case(found: Scan, case: Case, lines: Sequence[str]) -> Read:
    """All that was found, as entries of what a function gives on a case."""
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
    nothing = not read.posted and not read.shapes and not read.unread
    if nothing and not any(map(says_got, lines)):
        read.posted.extend(read.expected)  # somebody asks of the table itself
        read.expected.clear()
    _settle(read, right)
    _leave_unclear(read, lines, right)
    return read


def _leave_unclear(read: Read, lines: Sequence[str], right: Leaves) -> None:
    """Entries whose name may be another's are not taken.

    A line that was not understood and looks like the same entry may be the other of two
    numbers, one of which was expected. And where all entries but one are those that the
    notebook prints, and this one is a letter away from one that it prints as well, the
    letter may be wrong.
    """
    unread = [lines[i] for i in read.unread if 0 <= i < len(lines)]
    strange = [
        _letters(re.split(r"[=:|]", line.strip("| "))[0])
        for line in unread
        if "shape" not in line
    ]
    others = {entry.name for entry in (*read.posted, *read.expected)}
    odd = [entry for entry in read.posted if entry.name not in PRINTED.values()]
    kept = []
    for entry in read.posted:
        name, printed = _letters(entry.name), PRINTED.get(entry.leaf, "")
        if any(
            word == name or (_resembles(word, name) and not _begins(word, entry, right))
            for word in strange
        ):
            _leave_out(read, f"{entry.name} may stand there again, misspelt")
        elif (
            len(odd) == 1
            and entry is odd[0]
            and entry.place
            and printed not in others
            and others & set(PRINTED.values())
            and _one_letter(entry.name, printed)
        ):
            _leave_out(
                read, f"{entry.name} may be {printed}, which the notebook prints"
            )
        else:
            kept.append(entry)
    read.posted[:] = kept


def _leave_out(read: Read, why: str) -> None:
    """Told after all lines: it is of no line alone."""
    read.unread[-1 - len(read.unread)] = why


def _letters(name: str) -> str:
    name = re.sub(r"\.shape.*|[^A-Za-z0-9]", "", name)
    return re.sub("^(?:gradients?|grads?)", "", name)


def _resembles(word: str, name: str) -> bool:
    """Whether one may be the other with something lost or more in front."""
    tail = word[-len(name) - 1 :]
    return SequenceMatcher(None, tail, name).ratio() > MISSPELT


def _begins(word: str, entry: Posted, right: Leaves) -> bool:
    """Whether a word begins as another leaf does."""
    others = (leaf for leaf in right if not entry.leaf.startswith(leaf))
    return any(word.startswith(leaf) for leaf in others)


def _one_letter(name: str, printed: str) -> bool:
    """Whether they differ by one letter that is wrong, too much or missing."""
    blocks = SequenceMatcher(None, name, printed, False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return max(len(name), len(printed)) - same == 1


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
            _leave_out(read, f"{name} stands there again and cannot be read")
            continue
        wrong = [entry for entry in entries if not all(entry.matches(right))]
        different = [x for x in wrong[1:] if not _agree(x, wrong[0])]
        if different:
            _leave_out(read, f"{name} stands there with different numbers")
            continue
        kept.append((wrong or entries)[0])
        fine = [x for x in entries if all(x.matches(right))]
        read.expected.extend(fine if wrong else [])
    read.posted[:] = kept


def _agree(one: Posted, two: Posted) -> bool:
    if one.some != two.some or one.values.size != two.values.size:
        return False
    return bool(np.all((one.low <= two.high) & (two.low <= one.high)))
