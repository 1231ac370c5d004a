"""Computes the fingerprints that are shipped.

    python -m scanrnn.verify.grading.search.build [rnn_backward ...]

Every edit is run on the cases that `grade` and `explain` use. Edits of equal numbers
are one class, with the plainest of them in front.
"""

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..cases import DRAWS, step_of
from ..edits import groups
from ..replay import Leaves, replay
from .marks import marks, same
from .rough import printed, short, shortest
from .shipped import FILE, MEMBERS, Number, fixed, numbered, right_on, table, two_steps
from .slips import Edited, Slip, listed

# A cell's pass before that of the sequence.
LIKES = (
    *sorted(DRAWS, key=lambda like: "cell" not in like),
    "gru_cell_backward",
    "gru_backward",
    "readout_backward",
)
LISTED = 0.5  # what a mistake of the list by hand costs, alone


class Row(NamedTuple):
    """One slip, and what it gives."""

    number: Number
    cost: float
    forward: bool
    marks: dict[str, Any]  # case by case; of those that equal others, none
    values: Leaves | None  # on the public test


def classes(like: str) -> list[list[Row]]:
    """Slips of equal numbers together, the plainest first.

    On most of them one case, of sizes that are all distinct, decides; the others are
    computed for the first of each class alone.
    """
    found: dict[Any, list[Row]] = {}
    right = right_on(like, "usual")
    still = marks(right, right)
    for number, slip in _slips(like):
        usual = slip.run(fixed(like)["usual"])
        mark = marks(usual, right)
        # What is right there may be wrong elsewhere: a clip shows where it is loud.
        whole = np.isfinite(mark).all() and not same(mark, still).all()
        whole = whole and like != "readout_backward"  # of few classes labels look alike
        key = (slip.forward, str(np.round(mark, 8) + 0.0), _on_even(like, slip))
        if whole and key in found:
            found[key].append(Row(number, slip.cost, slip.forward, {}, None))
            continue
        row = _row(like, number, slip, usual)
        if row is None:
            continue
        if not whole:
            every = np.concatenate(list(row.marks.values()))
            key = (slip.forward, str(np.round(every, 8) + 0.0), "")
        found.setdefault(key, []).append(row)
    return [_plainest_first(group) for group in found.values()]


def _on_even(like: str, slip: Slip) -> str:
    """What a slip gives where the number of steps is even: it is odd in most cases."""
    if "_cell_" in like or not like.endswith("backward") or "readout" in like:
        return ""
    case = two_steps(like)
    return str(np.round(marks(slip.run(case), replay(case)), 8) + 0.0)


def _row(like: str, number: Number, slip: Slip, usual: Leaves | None) -> Row | None:
    """What a slip gives on all cases; None if it changes nothing or runs nowhere."""
    cases = fixed(like)
    leaves = {name: slip.run(case) for name, case in cases.items() if name != "usual"}
    leaves["usual"] = usual
    rights = {name: right_on(like, name) for name in cases}
    marked = {name: marks(leaves[name], rights[name]) for name in cases}
    if not any(np.isfinite(mark).any() for mark in marked.values()):
        return None
    if all(
        np.allclose(mark, marks(rights[name], rights[name]), 1e-9, 1e-11)
        for name, mark in marked.items()
    ):
        return None
    return Row(number, slip.cost, slip.forward, marked, leaves.get("public"))


def _plainest_first(group: list[Row]) -> list[Row]:
    """The plainest of each program before others; what one gives is that of all.

    So there is most often one in the program in which a second slip is made. Before
    them come all that the list by hand has, without another form of a line beside it.
    """
    rows = sorted(group, key=lambda row: row.cost)
    plainest = {row.number[0]: row for row in reversed(rows)}

    def later(row: Row) -> bool:
        by_hand = row.number[0] == -1 and row.cost <= LISTED
        return not by_hand and plainest[row.number[0]] is not row

    rows.sort(key=later)
    first = rows[0]._replace(marks=group[0].marks, values=group[0].values)
    return [first, *rows[1:]]


def _slips(like: str) -> Iterator[tuple[Number, Slip]]:
    for i, known in enumerate(listed(like)):
        yield (-1, i), known
    for g, group in enumerate(groups(like)):
        every = numbered(*group)
        once = group[1].endswith("cell_backward")
        for i in _telling(like, group) if once else range(len(every)):
            yield (g, i), Edited((every[i],))


def _telling(like: str, group: tuple[str, str]) -> Iterator[int]:
    """The edits of one step: those that equal others there do so in a sequence."""
    cell = step_of(like)
    if cell == like or group not in groups(cell):
        yield from range(len(numbered(*group)))
        return
    number = groups(cell).index(group)
    members = table(cell).stored["members"][:, :3].reshape(-1, 2)
    yield from sorted(int(i) for g, i in members if g == number)


def arrays(like: str) -> dict[str, Any]:
    """What is stored of one pass."""
    groups_ = classes(like)
    members = np.full((len(groups_), MEMBERS, 2), -2, np.int16)
    for i, group in enumerate(groups_):
        for j, row in enumerate(group[:MEMBERS]):
            members[i, j] = row.number
    stored = {
        f"{like}/groups": np.array([":".join(group) for group in groups(like)]),
        f"{like}/sizes": np.array([len(numbered(*group)) for group in groups(like)]),
        f"{like}/members": members,
        f"{like}/cost": np.array([g[0].cost for g in groups_], np.float16),
        f"{like}/forward": np.array([g[0].forward for g in groups_]),
    }
    for name in fixed(like):
        if name == "public":  # its entries are stored, and tell more
            continue
        every = np.array([group[0].marks[name] for group in groups_])
        if name == "square":  # where sizes that are all distinct raise, or are right
            usual = np.array([group[0].marks["usual"] for group in groups_])
            right = right_on(like, "usual")
            still = same(usual, marks(right, right)).all(1)
            every[np.isfinite(usual).all(1) & ~still] = np.nan
        if name == "step":  # of what the smallest case does not show
            small = np.array([group[0].marks["small"] for group in groups_])
            right = right_on(like, "small")
            every[~same(small, marks(right, right)).all(1)] = np.nan
        stored[f"{like}/{name}"] = every.astype(np.float32)
    if "public" in fixed(like) and like.endswith("backward"):
        stored |= _entries(like, groups_)
    return stored


def _entries(like: str, groups_: list[list[Row]]) -> dict[str, Any]:
    """The entries on the public test, leaf by leaf; equal leaves are kept once."""
    right = right_on(like, "public")
    stored: dict[str, Any] = {}
    for leaf, value in right.items():
        blank = np.full(value.size, np.nan)
        table = np.array(
            [
                blank
                if row.values is None or _shape(row.values, leaf) != value.shape
                else np.ravel(row.values[leaf])
                for row, *_ in groups_
            ]
        )
        fine = short(table[:, printed(leaf, value.shape)])
        codes = np.concatenate((fine.view(np.uint8), shortest(table)), axis=1)
        unique, which = np.unique(codes, axis=0, return_inverse=True)
        width = 2 * fine.shape[1]
        # Signs and exponents apart from the digits: they pack better.
        halves = np.ascontiguousarray(unique[:, :width]).reshape(-1, 2).T
        stored[f"{like}/printed/{leaf}"] = halves
        stored[f"{like}/entries/{leaf}"] = unique[:, width:]
        stored[f"{like}/which/{leaf}"] = which.astype(np.uint16).ravel()
    return stored


def _shape(leaves: Leaves, leaf: str) -> tuple[int, ...] | None:
    return np.shape(leaves[leaf]) if leaf in leaves else None


def save(stored: dict[str, Any]) -> None:
    """Packs all arrays into one file."""
    np.savez_compressed(FILE, **stored)


def main(likes: Sequence[str]) -> None:
    """Writes the file anew, or what it holds of some passes."""
    stored: dict[str, Any] = {}
    if set(likes) != set(LIKES):
        with np.load(FILE) as file:
            stored = {name: file[name] for name in file.files}
    for like in likes:
        begin = time.process_time()
        gc.freeze()  # the edits that are made stay
        with np.errstate(all="ignore"):
            found = arrays(like)
        kept = {n: x for n, x in stored.items() if not n.startswith(f"{like}/")}
        stored = kept | found
        save(stored)  # the passes of a sequence read the cell's
        size = sum(x.nbytes for x in found.values()) / 1e6
        took = time.process_time() - begin
        count = len(found[f"{like}/members"])
        print(f"{like}: {count} classes, {size:.2f} MB, {took:.0f} s", flush=True)
    print(f"{FILE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:] or LIKES)
