"""A picture that can be read on a page: its width, its sizes, names beside its curves.

A page of the documentation shows a picture 700 pixels wide. A `page` is drawn for that
width: nothing in it is below 8 points there. Names stand beside what they name, so no
reader has to match colours.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .study import sheet

WIDTH = 7.3  # inches: 700 pixels, at 96 of them per inch
SMALL = 8.0  # points, of what is not the title
DPI = 150  # sharp on screens with more pixels, too
SIZES: dict[Any, Any] = {
    "font.size": SMALL,
    "figure.titlesize": 10.5,
    "axes.titlesize": 9.0,
    "axes.labelsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
LINE = 1.25 * SMALL / 72  # inches between two names


class End(NamedTuple):
    """A name, and the point of the curve that it stands beside."""

    name: str
    x: float
    y: float
    colour: str


def page(rows: int = 1, columns: int = 1, *, height: float = 3.6) -> tuple[Figure, Any]:
    """An empty figure as wide as a page, and its axes."""
    drawing = blank(height)
    return drawing, drawing.subplots(rows, columns)


def blank(height: float) -> Figure:
    """A figure as wide as a page, without axes.

    The sizes are set for the process, so that what is drawn later has them too.
    """
    matplotlib.rcParams.update(SIZES)
    return sheet(WIDTH, height, DPI)


def caption(drawing: Figure, text: str) -> None:
    """What a reader has to know, below the axes."""
    drawing.supxlabel(text, fontsize=SMALL, color="0.25", x=0.02, ha="left")


def name_ends(axes: Any, ends: list[End], height: float) -> None:
    """Names at the right of the panel, each level with its curve or moved off others.

    Args:
        axes: limits and scales have to be set.
        ends: one for each name; a thin line leads from the point to the name.
        height: of the panel in inches, about.
    """
    gap, right = LINE / height, axes.get_xlim()[1]
    ends = [end._replace(y=np.clip(end.y, *axes.get_ylim())) for end in ends]
    at = axes.transScale + axes.transLimits
    level = {end.name: float(at.transform((right, end.y))[1]) for end in ends}
    ends = sorted(ends, key=lambda end: level[end.name])
    places = spaced([level[end.name] for end in ends], gap)
    for end, place in zip(ends, places, strict=True):
        axes.annotate(
            end.name,
            (end.x, end.y),
            xytext=(1.04, place),
            textcoords="axes fraction",
            color=end.colour,
            va="center",
            arrowprops={"arrowstyle": "-", "color": end.colour, "lw": 0.6, "alpha": 0.6}
            | {"shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)},
            annotation_clip=False,
        )


def spaced(levels: list[float], gap: float) -> list[float]:
    """Ascending numbers in [0, 1], moved until neighbours are a gap apart.

    Numbers that are too near to one another stand around their mean.
    """
    groups: list[list[float]] = []  # the levels of each
    for level in levels:
        groups.append([min(max(level, 0.0), 1.0)])
        while len(groups) > 1 and _low(groups[-1], gap) - _high(groups[-2], gap) < gap:
            last = groups.pop()
            groups[-1] += last
    return [_low(g, gap) + k * gap for g in groups for k in range(len(g))]


def _low(group: list[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _high(group: list[float], gap: float) -> float:
    return _low(group, gap) + gap * (len(group) - 1)


def listed(names: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def spread(values: Iterable[float], form: str = ".2g") -> str:
    """The least and the largest of some numbers; one number if they look the same."""
    values = list(values)
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"
