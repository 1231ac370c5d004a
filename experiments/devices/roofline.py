"""The picture: the time of a step against its operations and its bytes."""

from pathlib import Path
from typing import Any

from shared.study import figure, save

from .contest import DEFAULT
from .found import SIDES, Found, peaks_of, side_of
from .peaks import least_bytes

MARKS = {
    DEFAULT: ("o", "C0"),
    "scan": ("s", "C7"),
    "linen": ("^", "C1"),
    "cuDNN": ("D", "C2"),
    "torch": ("v", "C3"),
}
LINES = {"plain": "-", "graphs": "--"}


def draw(found: Found, path: Path) -> Path:
    """A row of panels for each dtype: operations left, bytes right.

    No point lies below the line of its panel: products at the rate of a large one,
    bytes at that of a large copy. The level line is the emptiest step of a loop, there
    and back; only what launches no step by itself, as cuDNN may, gets below it.
    """
    dtypes = sorted({d for peaks in found.peaks.values() for d in peaks.flop})[::-1]
    drawing, axes = figure(len(dtypes), 2, width=11, height=4.2 * len(dtypes))
    panels = axes.reshape(len(dtypes), 2)
    for dtype, (left, right) in zip(dtypes, panels, strict=True):
        for setting in found.peaks:
            _points(left, right, found, setting, dtype)
        _lines(left, right, found, dtype)
        left.set(xlabel="FLOP of a step", title=f"{dtype}: products")
        right.set(xlabel="least bytes of a step", title=f"{dtype}: memory")
        left.set_ylabel("time of a step, there and back, µs")
    entries: dict[str, Any] = {}
    for panel in panels.flat:
        panel.set(xscale="log", yscale="log")
        panel.grid(alpha=0.3)
        entries |= {t: h for h, t in zip(*panel.get_legend_handles_labels())}  # noqa: B905
    drawing.legend(
        entries.values(), entries.keys(), loc="outside lower center", ncols=4
    )
    drawing.suptitle(f"Value and gradient, {found.about['device']}")
    return save(drawing, path, "accelerators")


def _points(left: Any, right: Any, found: Found, setting: str, dtype: str) -> None:
    rows = [r for r in found.rows.get(setting, ()) if r.case.dtype == dtype]
    for name in (DEFAULT, *SIDES):
        marker, colour = MARKS[name]
        sides = [(row.case, side) for row in rows if (side := side_of(row, name))]
        us = [1e3 * side[1].ms / case.T for case, side in sides]
        style = {
            "color": colour,
            "markersize": 5,
            "markerfacecolor": colour if setting == "plain" else "none",
            "label": name if setting == "plain" else f"{name}, {setting}",
        }
        if us:
            left.plot([c.flop / c.T for c, _ in sides], us, marker, **style)
            right.plot([least_bytes(c) / c.T for c, _ in sides], us, marker, **style)


def _lines(left: Any, right: Any, found: Found, dtype: str) -> None:
    for setting in found.peaks:
        peaks = peaks_of(found, setting)
        for panel, rate in ((left, peaks.flop.get(dtype)), (right, peaks.bytes)):
            if rate is None:
                continue
            panel.set(xscale="log", yscale="log")
            ends = panel.get_xlim()
            style = {"color": "0.3", "linewidth": 1, "linestyle": LINES[setting]}
            if setting == next(iter(found.peaks)):
                us = [1e6 * end / rate for end in ends]
                panel.plot(
                    ends,
                    us,
                    color="0.6",
                    linewidth=2,
                    label="a large product, a large copy",
                )
            level = 2e6 * peaks.step_s
            panel.plot(ends, (level, level), label=f"empty step, {setting}", **style)
            panel.set_xlim(ends)
