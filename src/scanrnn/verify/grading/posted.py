"""What somebody posted, once it is read: numbers with the digits shown, and shapes.

A `Reading` is all that the search for a mistake needs to know of a post; the text
itself is read in `reading`. Of a number only the digits are known, so it stands for the
interval from `Posted.low` to `Posted.high`, and a pass agrees with it if its own number
lies inside. A shape is evidence as well: a leaf that was printed as (5,) and should be
(5, 1) is wrong although each of its numbers may be right.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..report import Row
from ..rounding import Floats, first_from_the_end
from .cases import Case
from .replay import Leaves

CLOSE = 1e-9  # relative: two programs of one formula, printed in all their digits
PRINTED = 8  # decimals that NumPy rounds to; with fewer, somebody may also have cut

Place = tuple[int | slice, ...]


class Posted(NamedTuple):
    """One printed entry: a number, or some numbers of one leaf, with the digits shown.

    >>> entry = Posted("dba[4]", "dba", (4,), np.array([-0.747]), 3)
    >>> entry.matches({"dba": np.full((5, 1), -0.7474772)})  # rounded
    [True]
    >>> entry.matches({"dba": np.full((5, 1), -0.7479)})  # cut
    [True]
    >>> entry.matches({"dba": np.full((5, 1), -0.7461)})
    [False]
    """

    name: str  # as a report calls it: dx[1][2]
    leaf: str
    place: Place  # what is taken of the leaf; () is all of it
    values: Floats  # (n,), row by row; nan and inf are values as any other
    decimals: int  # the most that any of the numbers shows
    shown: tuple[int, ...] = ()  # (n,) decimals of each; () if all show `decimals`
    some: tuple[int, ...] = ()  # (n,) which of the numbers at the place; () is all
    line: str = ""  # the text that it was read from

    @property
    def low(self) -> Floats:
        """(n,) the least number that may be printed like this."""
        return self._bounds()[0]

    @property
    def high(self) -> Floats:
        """(n,) the largest number that may be printed like this."""
        return self._bounds()[1]

    def _bounds(self) -> tuple[Floats, Floats]:
        """Rounded to the digits shown, or cut off after them: then it was larger."""
        shown = np.array(self.shown or [self.decimals] * self.values.size, np.float64)
        unit = 10.0 ** -np.clip(shown, -300, 300)
        some = np.where(np.isfinite(self.values), CLOSE * np.abs(self.values), 0)
        inward = 0.505 * unit + some
        outward = np.where(shown < PRINTED, 1.0 * unit, 0.505 * unit) + some
        falls = np.signbit(self.values)
        below = np.where(falls, outward, inward)
        above = np.where(falls, inward, outward)
        finite = np.isfinite(self.values)
        return (
            np.where(finite, self.values - np.where(finite, below, 0), self.values),
            np.where(finite, self.values + np.where(finite, above, 0), self.values),
        )

    def of(self, leaves: Leaves) -> Floats:
        """(n,) the numbers of a pass at the same place."""
        found = np.ravel(np.asarray(leaves[self.leaf])[self.place])
        return found[list(self.some)] if self.some else found

    def matches(self, leaves: Leaves) -> list[bool]:
        """Number by number: equal to the digits shown; nan is equal to nan."""
        value = self.of(leaves)
        if value.shape != self.values.shape:
            return [False] * self.values.size
        inside = (self.low <= value) & (value <= self.high)
        agree = inside | (np.isnan(value) & np.isnan(self.values))
        return [bool(at) for at in agree]


class Shape(NamedTuple):
    """The shape of a leaf, as somebody's program printed it."""

    leaf: str
    shape: tuple[int, ...]
    line: str = ""  # the text that it was read from

    def matches(self, leaves: Leaves) -> bool:
        """Whether the leaf of a pass has this shape."""
        return np.shape(leaves[self.leaf]) == self.shape


class Reading(NamedTuple):
    """All that was understood of a post: what the search for the mistake starts from.

    The public test has several editions, with other draws; `case` is the one whose
    right numbers fit best, and `others` are those that fit as well as it does. All of
    `posted` and `shapes` are entries of leaves of `right`.
    """

    like: str  # the function that gave the numbers
    case: Case  # what it was called on
    right: Leaves  # what a right pass gives there
    posted: tuple[Posted, ...]
    shapes: tuple[Shape, ...] = ()
    others: tuple[Case, ...] = ()
    unread: tuple[str, ...] = ()  # lines that were not understood, and why
    notes: tuple[str, ...] = ()  # the edition and the lines left unread, in words

    def rows(self) -> tuple[Row, ...]:
        """Every entry beside what it should be; of the shapes those that are wrong."""
        numbers = (row(entry, self.right) for entry in self.posted)
        wrong = [shape for shape in self.shapes if not shape.matches(self.right)]
        told = wrong if self.posted else self.shapes
        return (*numbers, *(shape_row(shape, self.right) for shape in told))


@np.errstate(all="ignore")
def row(entry: Posted, right: Leaves) -> Row:
    """The entry beside what the public test, or the case given, should print."""
    value = entry.of(right)
    scale = float(np.max(np.abs(right[entry.leaf]))) or 1.0
    matches = entry.matches(right)
    beyond = np.maximum(value - entry.high, entry.low - value)
    beyond = np.where(matches, -np.inf, np.where(np.isnan(beyond), np.inf, beyond))
    error = np.abs(value - entry.values)
    worst = int(np.argmax(error if all(matches) else beyond))
    shown = entry.shown[worst] if entry.shown else entry.decimals
    return Row(
        entry.name,
        "public test",
        float(error[worst]) / scale,
        0.5 * 10.0**-shown / scale,
        f"[{entry.some[worst] if entry.some else worst}]" if len(value) > 1 else "",
        _step(entry, matches),
        all(matches),
        note="" if all(matches) else f"expected {value[worst]:.8g}",
    )


def shape_row(posted: Shape, right: Leaves) -> Row:
    """A printed shape beside the right one."""
    expected = np.shape(right[posted.leaf])
    passed = posted.shape == expected
    note = f"got {posted.shape}"
    if not passed:
        note = f"expected shape {expected}, got {posted.shape}"
        if expected == (*posted.shape, 1):
            note += "; keepdims=True keeps the column"
        elif expected == posted.shape[::-1]:
            note += "; it is transposed"
    name = f"{posted.leaf}.shape"
    return Row(name, "public test", np.nan, 0.0, "", None, passed, "", note)


def _step(entry: Posted, matches: list[bool]) -> int | None:
    """The last wrong step, where the entry is a row over time."""
    if entry.leaf != "dx" or len(entry.place) != 2:
        return None
    if not all(isinstance(i, int) for i in entry.place):
        return None
    steps: NDArray[np.intp] | range = range(len(matches))
    wrong = dict(zip(entry.some or steps, matches, strict=True))
    last = max(wrong, default=-1) + 1
    return first_from_the_end([not wrong.get(t, True) for t in range(last)])
