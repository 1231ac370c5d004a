"""The two pictures: ratios per case, and time and memory over T."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.study import CELLS, figure, save

from .report import Point, Report, Row
from .verdict import times_of

SERIES = (  # label, groups, what counts of them, marker, colour
    ("JAX, nothing set", ("scan", "peer"), {"as_they_come": True}, "o", "C0"),
    ("JAX, best of both, one device", ("scan", "peer"), {"devices": 1}, "x", "C0"),
    ("torch, nothing set", ("torch",), {"as_they_come": True}, "s", "C1"),
)
WAYS = {"Autodiff": "C7", "Stored": "C0", "Recomputed": "C2", "Checkpointed": "C3"}


def pictures(report: Report, folder: Path) -> list[Path]:
    """Draws what there is to draw; returns where it went."""
    paths = []
    if report.rows:
        machine = str(report.about.get("machine", ""))
        paths.append(draw_ratios(report.rows, machine, folder / "benchmark.png"))
    if report.scaling:
        paths.append(draw_scaling(report.scaling, folder / "scaling.png"))
    return paths


def draw_ratios(rows: Iterable[Row], machine: str, path: Path) -> Path:
    """How many times faster ours is, case by case, small networks first."""
    rows = [row for row in rows if row.case.dtype == "float32"]
    rows.sort(key=lambda row: (row.case.tokens, row.case.flop / row.case.T))
    drawing, panels = figure(1, 3, width=13, height=5)
    for panel, cell in zip(panels, CELLS, strict=True):
        chosen = [row for row in rows if row.case.cell == cell]
        _ratios(panel, chosen)
        panel.set_title(cell.upper())
    panels[0].set_ylabel("time of the other / time of ours")
    low = min(panel.get_ylim()[0] for panel in panels)
    high = max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(low, high)
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3)
    drawing.suptitle(
        "How many times as fast as the others? Above 1 scanrnn is faster\n"
        f"Value and gradient, float32, one device; {machine}"
    )
    return save(drawing, path, "benchmark")


def _ratios(panel: Any, rows: list[Row]) -> None:
    for name, groups, kind, marker, colour in SERIES:
        found = [
            times_of(row.among(*groups, **kind), row.among("ours", **kind))
            for row in rows
        ]
        at = [k for k, ratio in enumerate(found) if ratio is not None]
        ratios = [ratio for ratio in found if ratio is not None]
        panel.plot(at, ratios, marker, color=colour, label=name)
    for level in (1.0, 1.5):
        panel.axhline(level, color="0.4", linewidth=0.8, linestyle="--")
    panel.set_yscale("log")
    ticks = (0.5, 1, 1.5, 2, 3, 5, 10)
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    labels = [row.case.size for row in rows]
    panel.set_xticks(range(len(rows)), labels, rotation=60, ha="right", fontsize=8)
    panel.set_xlabel("T x B x X x H, by work per step; V: tokens")
    panel.grid(axis="y", alpha=0.3)


def draw_scaling(points: Iterable[Point], path: Path) -> Path:
    """Time and temporary memory of every way back over T."""
    points = list(points)
    drawing, (left, right) = figure(1, 2, width=11, height=4.5)
    for name, colour in WAYS.items():
        of_way = [p for p in points if p.name == name and p.ms is not None]
        lengths = [p.T for p in of_way]
        left.plot(lengths, [p.ms for p in of_way], "o-", color=colour, label=name)
        right.plot(lengths, [p.megabytes for p in of_way], "o-", color=colour)
    for panel in (left, right):
        panel.set(xscale="log", yscale="log", xlabel="steps T")
        panel.grid(alpha=0.3)
    left.set(ylabel="ms a call, median", title="Time")
    right.set(ylabel="temporary memory, MB", title="Memory")
    left.legend()
    drawing.suptitle(
        "LSTM, B = 8, X = 64, H = 128, one device: value and gradient over T"
    )
    return save(drawing, path, "scaling")
