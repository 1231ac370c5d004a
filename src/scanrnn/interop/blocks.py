"""An array of another library, told as blocks of ours.

The tables in `maps.py` are written in this notation; a block is a gate of one of our
leaves w_x (X, G·H), w_h (H, G·H), b (G·H,) and b_hn (H,)::

    w_x[z r n]           the gates z, r, n of w_x side by side
    w_x[r z n]ᵀ          side by side, and then transposed
    b[r z] b_hn          two gates of b, then b_hn
    -w_x[z] w_x[r n]     the gate z with its sign changed
    b[i g] b[f]-1 b[o]   the gate f less 1
    w_x[i f] / w_h[i f]  one row of blocks above another
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[Any]
Place: TypeAlias = tuple[str, str]  # a leaf of ours and a gate; "" if it has one block
Sizes: TypeAlias = Mapping[str, int]  # X and H

TERM = re.compile(r"(-?)(w_x|w_h|b_hn|b)(?:\[([a-z ]+)\])?([+-]\d)? ?")


class Block(NamedTuple):
    """theirs = sign · ours + shift."""

    place: Place
    sign: int
    shift: int

    def theirs(self, ours: Floats, *, linear: bool = False) -> Floats:
        """What stands in their array; without the shift if ``linear``."""
        signed = -ours if self.sign < 0 else ours
        return signed if linear or not self.shift else signed + self.shift

    def ours(self, theirs: Floats) -> Floats:
        """What stands in our leaf."""
        moved = theirs - self.shift if self.shift else theirs
        return -moved if self.sign < 0 else moved


class Grid(NamedTuple):
    """Rows of blocks, each block H wide."""

    rows: tuple[tuple[Block, ...], ...]
    transposed: bool

    @property
    def leaves(self) -> set[str]:
        """Which of our leaves stand in it."""
        return {block.place[0] for row in self.rows for block in row}

    @property
    def places(self) -> list[Place]:
        """In the order in which they stand."""
        return [block.place for row in self.rows for block in row]


@functools.cache
def parse(text: str) -> Grid:
    """The grid that a line of a table tells.

    >>> grid = parse("-w_x[z] w_x[r n]")
    >>> [(block.place, block.sign) for block in grid.rows[0]]
    [(('w_x', 'z'), -1), (('w_x', 'r'), 1), (('w_x', 'n'), 1)]
    """
    rows = text.removesuffix("ᵀ").split(" / ")
    return Grid(tuple(tuple(_blocks(row)) for row in rows), text.endswith("ᵀ"))


def _blocks(row: str) -> Iterator[Block]:
    assert not TERM.sub("", row), row  # a table of ours, so it is told right
    for minus, leaf, gates, shift in TERM.findall(row):
        for gate in gates.split() or [""]:
            yield Block((leaf, gate), -1 if minus else 1, int(shift or 0))


def axes(grid: Grid) -> tuple[dict[str, int], ...]:
    """Every axis as how many X, H and 1 it is long.

    >>> axes(parse("w_x[i f] / w_h[i f]"))
    ({'X': 1, 'H': 1}, {'H': 2})
    """
    heights = [_height(row[0]) for row in grid.rows]
    down = {letter: heights.count(letter) for letter in dict.fromkeys(heights)}
    across = {"H": len(grid.rows[0])}
    if down == {"1": 1}:
        return (across,)
    return (across, down) if grid.transposed else (down, across)


def _height(block: Block) -> str:
    return {"w_x": "X", "w_h": "H"}.get(block.place[0], "1")


def shape(grid: Grid, sizes: Sizes) -> tuple[int, ...]:
    """The shape of their array."""
    known = {**sizes, "1": 1}
    return tuple(sum(n * known[k] for k, n in axis.items()) for axis in axes(grid))


def letters(grid: Grid) -> str:
    """The shape of their array in letters.

    >>> letters(parse("w_x[r z n]ᵀ")), letters(parse("b[i f] / b[i f]"))
    ('(3H, X)', '(2, 2H)')
    """

    def told(axis: dict[str, int]) -> str:
        return " + ".join(
            str(n) if k == "1" else f"{n if n > 1 else ''}{k}" for k, n in axis.items()
        )

    lengths = [told(axis) for axis in axes(grid)]
    return f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"


def measure(grid: Grid, found: tuple[int, ...]) -> dict[str, int] | None:
    """X and H from the shape of an array with w_x in it; None if it has none."""
    if len(found) != 2:
        return None
    down, across = reversed(found) if grid.transposed else found
    h, rest = divmod(across, len(grid.rows[0]))
    x = down - h * (len(grid.rows) - 1)
    return None if rest or min(h, x) < 1 else {"X": x, "H": h}


def split(grid: Grid, array: Floats, sizes: Sizes) -> Iterator[tuple[Block, Floats]]:
    """The blocks of their array, in our sign and without their shift."""
    array = array.T if grid.transposed else array
    heights = [{**sizes, "1": 1}[_height(row[0])] for row in grid.rows]
    bands = np.split(array, np.cumsum(heights)[:-1]) if len(heights) > 1 else [array]
    for row, band in zip(grid.rows, bands, strict=True):
        if _height(row[0]) == "1":
            band = band.reshape(-1)
        for block, part in zip(row, np.split(band, len(row), axis=-1), strict=True):
            yield block, block.ours(part)


def join(grid: Grid, blocks: list[Floats]) -> Floats:
    """Their array, a new one, from its blocks in the order of `Grid.places`."""
    width = len(grid.rows[0])
    rows = [blocks[k : k + width] for k in range(0, len(blocks), width)]
    array = np.block(rows) if len(rows) > 1 else np.concatenate(rows[0], axis=-1)
    return np.array(array.T if grid.transposed else array, order="C")
