"""What was found on one kind of device: as JSON that grows, and as tables."""

import functools
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bench.report import Measured, Row, fastest, plain, rows_of
from bench.verdict import geometric_mean
from rich import box
from rich.table import Table

from .contest import DEFAULT
from .peaks import Peaks, bound_ms, launches_ms


class Found(NamedTuple):
    """Everything of one kind of device; by setting, what depends on one."""

    about: dict[str, Any]
    peaks: dict[str, Peaks]
    rows: dict[str, tuple[Row, ...]]
    skipped: dict[str, str]  # settings that could not be measured, with the reason


EMPTY = Found({}, {}, {}, {})
# The sides of the tables, and how the names of their contestants begin.
SIDES = {"scan": "scan", "linen": "linen", "cuDNN": "cuDNN", "torch": "torch"}


def file_of(folder: Path, kind: str) -> Path:
    """Where a kind of device has its results."""
    name = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")
    return folder / f"accelerators-{name}.json"


def write(path: Path, found: Found) -> None:
    """As a whole: a run that is stopped while it writes leaves the file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(plain(found), indent=1) + "\n")
    os.replace(beside, path)


def read(path: Path) -> Found:
    """The inverse of `write`; nothing where there is no file."""
    if not path.exists():
        return EMPTY
    found = json.loads(path.read_text())
    return Found(
        found["about"],
        {name: Peaks(**peaks) for name, peaks in found["peaks"].items()},
        {name: rows_of(rows) for name, rows in found["rows"].items()},
        found["skipped"],
    )


def with_row(found: Found, setting: str, row: Row) -> Found:
    """One more row, in the place of an older one of its case."""
    kept = [old for old in found.rows.get(setting, ()) if old.case.key != row.case.key]
    return found._replace(rows=found.rows | {setting: (*kept, row)})


def peaks_of(found: Found, setting: str) -> Peaks:
    """Rates do not depend on the setting: the best of all. The empty step does."""
    best = functools.reduce(Peaks.best, found.peaks.values())
    return best._replace(step_s=found.peaks[setting].step_s)


def side_of(row: Row, name: str) -> tuple[str, Measured] | None:
    """The fastest of a side on a case: default, ours, or one of `SIDES`."""
    ours = row.among("ours")
    if name == "ours":
        return fastest(ours)
    begins = SIDES.get(name, DEFAULT)
    among = ours if name == DEFAULT else row.among("scan", "peer", "torch")
    return fastest({n: m for n, m in among.items() if n.startswith(begins)})


def times_table(rows: Iterable[Row], peaks: Peaks) -> Table:
    """A row for each case: the fastest of every side, in ms, and what bounds them.

    "others/default" takes the fastest of the others.
    """
    table = Table(box=box.MARKDOWN)
    table.add_column("cell, T x B x X x H", no_wrap=True)
    columns = (DEFAULT, "ours", *SIDES, "others/default", "bound", "launches")
    for name in (*columns, "error of default, of scan"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: row.case):
        ratio = _ratio(row)
        table.add_row(
            row.case.key,
            *(_told(side_of(row, name)) for name in (DEFAULT, "ours", *SIDES)),
            "" if ratio is None else f"{ratio:.2f}",
            f"{bound_ms(row.case, peaks):.3g}",
            f"{launches_ms(row.case, peaks):.3g}",
            ", ".join(_error(side_of(row, name)) for name in (DEFAULT, "scan")),
        )
    return table


def _ratio(row: Row) -> float | None:
    default = side_of(row, DEFAULT)
    others = [side[1].ms for name in SIDES if (side := side_of(row, name))]
    return min(others) / default[1].ms if default and others else None


def _told(side: tuple[str, Measured] | None) -> str:
    if side is None:
        return ""
    name = side[0].removeprefix(DEFAULT + ", ").removeprefix("scan, hoisted, ")
    return f"{side[1].ms:.3g} ({name})"


def _error(side: tuple[str, Measured] | None) -> str:
    return "-" if side is None or side[1].error is None else f"{side[1].error:.0e}"


def means(found: Found) -> list[str]:
    """Geometric means over cases: others to the default, and plain to graphs."""
    lines = []
    for setting, rows in found.rows.items():
        for name in SIDES:
            pairs = [(side_of(row, name), side_of(row, DEFAULT)) for row in rows]
            ratios = [they[1].ms / we[1].ms for they, we in pairs if they and we]
            if ratios:
                lines.append(f"{setting}: {name}/default {_mean(ratios)}")
    if {"plain", "graphs"} <= found.rows.keys():
        as_graph = {row.case.key: row for row in found.rows["graphs"]}
        for name in (DEFAULT, "ours", *SIDES):
            pairs = [
                (side_of(row, name), side_of(as_graph[row.case.key], name))
                for row in found.rows["plain"]
                if row.case.key in as_graph
            ]
            ratios = [one[1].ms / two[1].ms for one, two in pairs if one and two]
            if ratios:
                lines.append(f"plain/graphs: {name} {_mean(ratios)}")
    return lines


def _mean(ratios: list[float]) -> str:
    least, mean, most = min(ratios), geometric_mean(ratios), max(ratios)
    return f"{mean:.2f} ({least:.2f} to {most:.2f} in {len(ratios)} cases)"


def absent(found: Found) -> list[str]:
    """Who could not run or was wrong, why, and in how many cases."""
    lines = [f"{name}: {reason}" for name, reason in found.skipped.items()]
    for setting, rows in found.rows.items():
        counted: dict[str, int] = {}
        for row in rows:
            marked = {n: m.differs for n, m in row.results.items() if m.differs}
            for name, reason in (row.failed | marked).items():
                text = f"{setting}: {name}: {reason.splitlines()[0][:160]}"
                counted[text] = counted.get(text, 0) + 1
        lines += [f"{text} ({n} of {len(rows)} cases)" for text, n in counted.items()]
    return lines
