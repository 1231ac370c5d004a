"""The fingerprints that come with the library, and the slips they belong to.

Computed by `build`; `explain` and `grade` look numbers up and then run the few slips
that fit, so that what is shipped decides nothing by itself.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..cases import DRAWS, GENERIC, USUAL, Case, Sizes, generic, official, shared
from ..edits import Edit, edits, groups
from ..replay import Leaves, replay
from .marks import marks, same
from .rough import COARSE, ROUGH, long, longest, printed
from .slips import Edited, Listed, Slip, listed

FILE = Path(__file__).parent / "fingerprints.npz"
ONE_STEP = USUAL._replace(steps=1)
MEMBERS = 8  # of a class that are known by number
Number = tuple[int, int]  # the group of edits, and the place in it; -1: by hand


@functools.cache
def fixed(like: str) -> dict[str, Case]:
    """The cases that fingerprints are known of.

    On the smallest, with one step and one example, only slips inside of a step show; on
    one step of several examples those of the sums over examples do as well.
    """
    usual, square, small = GENERIC
    cases = {
        "usual": shared(generic(like, usual, 1)),
        "square": shared(generic(like, square, 1, loud=100.0)),
        "small": shared(generic(like, small, 1)),
    }
    if like.endswith("backward") and "cell" not in like and like[:4] != "read":
        cases["step"] = shared(generic(like, ONE_STEP, 1))
    return ({"public": official(like)} if like in DRAWS else {}) | cases


@functools.cache
def two_steps(like: str) -> Case:
    """A case on which slips run quickly, and a loop shows; nothing of it is shipped."""
    return shared(generic(like, Sizes(2, 3, 2, 1, 2), 1))


def known_as(case: Case) -> str | None:
    """The name of a case that equals one of the fixed ones."""
    for name, other in fixed(case.like).items():
        if case is other or (case.name == other.name and _equal(case, other)):
            return name
    return None


def _equal(one: Case, two: Case) -> bool:
    leaves = ("x", "xt", "a", "da", "da_next")
    return all(
        np.array_equal(one.inputs[leaf], two.inputs[leaf])
        for leaf in leaves
        if leaf in one.inputs
    )


def numbered(form: str, function: str) -> tuple[Edit, ...]:
    """The edits of one function of one program, in their order."""
    return edits(function.split("_")[0], form, function)


class Table(NamedTuple):
    """The classes of slips of one pass."""

    like: str
    stored: dict[str, Any]

    @property
    def size(self) -> int:
        """How many classes."""
        return len(self.stored["members"])

    @property
    def forward(self) -> Any:
        """(n,) whether a class is made before the way back."""
        return self.stored["forward"]

    @property
    def cost(self) -> Any:
        """(n,) of the plainest slip."""
        return self.stored["cost"].astype(np.float64)

    @property
    def by_rows(self) -> Any:
        """(n,) whether a class is made in passes with an example a row alone."""
        rows = [str(name).startswith("rows") for name in self.stored["groups"]]
        # In the last two places: none (-2), and by hand (-1).
        return np.array([*rows, True, False])[self.stored["members"][:, :, 0]].all(1)

    def first(self, i: int) -> Slip:
        """The plainest slip of a class."""
        group, place = self.stored["members"][i][0]
        return self.slip((int(group), int(place)))

    def slips(self, i: int) -> list[Slip]:
        """The slips of a class, the plainest first."""
        found = self.stored["members"][i]
        return [self.slip((int(g), int(k))) for g, k in found if g != -2]

    def slip(self, number: Number) -> Slip:
        """One slip by its number."""
        group, place = number
        if group == -1:
            return listed(self.like)[place]
        form, _, function = str(self.stored["groups"][group]).partition(":")
        return Edited((numbered(form, function)[place],))

    def up_to_date(self) -> bool:
        """Whether the rules still make the edits that the file was made from."""
        now = [(":".join(group), len(numbered(*group))) for group in groups(self.like)]
        names, sizes = (self.stored[part].tolist() for part in ("groups", "sizes"))
        return now == list(zip(names, sizes, strict=True))

    def marks(self, name: str) -> Any:
        """(n, marks) on one of the fixed cases."""
        return self.stored[name].astype(np.float64)

    def changed(self, name: str) -> Any:
        """(n, marks) which marks differ from those of a right pass."""
        right = self.right(name)
        return ~same(self.marks(name), marks(right, right))

    def right(self, name: str) -> Leaves:
        """What a right pass gives on a fixed case."""
        return right_on(self.like, name)

    def entries(self, leaf: str) -> tuple[Any, Any]:
        """(n, entries) of a leaf on the public test; (entries,) how rough they are."""
        shape = self.right("public")[leaf].shape
        known = longest(self.stored[f"entries/{leaf}"])
        fine = printed(leaf, shape)
        halves = np.ascontiguousarray(self.stored[f"printed/{leaf}"].T)
        known[:, fine] = long(halves.view(np.uint16), (-1, fine.size))
        rough = np.full(known.shape[1], COARSE)
        rough[fine] = ROUGH
        return known[self.stored[f"which/{leaf}"]], rough


@functools.cache
def right_on(like: str, name: str) -> Leaves:
    """What a right pass gives on a fixed case."""
    return replay(fixed(like)[name])


@functools.cache
def table(like: str) -> Table:
    """The classes of a pass, from the file."""
    with np.load(FILE) as file:
        names = [n for n in file.files if n.startswith(f"{like}/")]
        return Table(like, {n.removeprefix(f"{like}/"): file[n] for n in names})


def by_hand(slips: list[Slip]) -> Iterator[Slip]:
    """Those of the list by hand."""
    return (slip for slip in slips if isinstance(slip, Listed))
