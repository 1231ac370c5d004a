"""What a run found: as values, as JSON that later runs add to, and as tables."""

import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich import box
from rich.table import Table

from .cases import Case

PACKAGES = ("scanrnn", "jax", "jaxlib", "flax", "dm-haiku", "equinox", "keras", "torch")


class Measured(NamedTuple):
    """One contestant on one case; times in ms, memory in MB (10^6 bytes)."""

    group: str  # "ours", "scan", "peer" or "torch"
    devices: int
    ms: float
    low: float  # quartiles
    high: float
    calls: int
    error: float | None  # against float64, relative; the worst leaf
    compile_s: float | None
    megabytes: float | None
    differs: str = ""
    mapped: bool = False
    as_it_comes: bool = False  # with nothing set, on one device; of ours, by jit too


class Row(NamedTuple):
    """All contestants on one case."""

    case: Case
    rate: float  # FLOP/s of a large product, measured beside them
    results: dict[str, Measured]
    failed: dict[str, str]

    def among(
        self, *groups: str, devices: int | None = None, as_they_come: bool = False
    ) -> dict[str, Measured]:
        """The ones of some groups that have our equations, on so many devices."""
        return {
            name: m
            for name, m in self.results.items()
            if m.group in groups
            and not m.differs
            and devices in (None, m.devices)
            and (not as_they_come or (m.as_it_comes and m.devices == 1))
        }

    def on_all_cores(self) -> dict[str, Measured]:
        """What `sr.on_all_cores` makes of ours, nothing else being set."""
        return {
            name: m
            for name, m in self.among("ours").items()
            if m.devices > 1 and not m.mapped and m.as_it_comes
        }


class Point(NamedTuple):
    """One way back at one length: the curve over T."""

    name: str
    T: int
    ms: float | None  # None where only the program was compiled
    megabytes: float
    compile_s: float


class Report(NamedTuple):
    """Everything that was measured."""

    about: dict[str, Any]
    skipped: dict[str, str]
    rows: tuple[Row, ...] = ()
    training: tuple[Row, ...] = ()
    scaling: tuple[Point, ...] = ()
    compiling: tuple[Point, ...] = ()
    final: tuple[Point, ...] = ()  # where the loss reads the final state alone


def about(command: str) -> dict[str, Any]:
    """The machine, the versions and the command."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    device = jax.devices()[0]
    return {
        "command": command,
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "device": f"{len(jax.devices())} x {device.device_kind}",
        "versions": versions,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write(path: Path, report: Report) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(report), indent=1) + "\n")


def read(path: Path) -> Report:
    """The inverse of `write`."""
    found = json.loads(path.read_text())
    return Report(
        found["about"],
        found["skipped"],
        rows_of(found["rows"]),
        rows_of(found["training"]),
        *(_points(found.get(name, ())) for name in ("scaling", "compiling", "final")),
    )


def merge(old: Report, new: Report) -> Report:
    """What is new in its place, and what it did not measure from the old one."""
    return Report(
        new.about,
        old.skipped | new.skipped,
        _by_key(old.rows, new.rows),
        _by_key(old.training, new.training),
        new.scaling or old.scaling,
        new.compiling or old.compiling,
        new.final or old.final,
    )


def _by_key(old: tuple[Row, ...], new: tuple[Row, ...]) -> tuple[Row, ...]:
    rows = {row.case.key: row for row in old} | {row.case.key: row for row in new}
    return tuple(rows.values())


def plain(value: Any) -> Any:
    """Named tuples as objects, all the way down."""
    if hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, tuple) else value


def _points(found: Iterable[Any]) -> tuple[Point, ...]:
    return tuple(Point(**point) for point in found)


def rows_of(found: Iterable[Any]) -> tuple[Row, ...]:
    """Rows again, of what `plain` made of them."""
    return tuple(
        Row(
            Case(**row["case"]),
            row["rate"],
            {name: Measured(**m) for name, m in row["results"].items()},
            row["failed"],
        )
        for row in found
    )


def fastest(found: dict[str, Measured]) -> tuple[str, Measured] | None:
    """The one with the least median; None if there is none."""
    return min(found.items(), key=lambda item: item[1].ms) if found else None


def row_table(row: Row) -> Table:
    """Every contestant on one case, the fastest first."""
    table = Table(title=row.case.key, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("contestant")
    for name in ("ms", "quartiles", "error", "temp MB", "compile s", "of the rate"):
        table.add_column(name, justify="right")
    for name, m in sorted(row.results.items(), key=lambda item: item[1].ms):
        share = row.case.flop / (row.rate * m.ms / 1e3) if row.case.flop else 0.0
        table.add_row(
            f"{name} ({m.differs})" if m.differs else name,
            f"{m.ms:.3g}",
            f"{m.low:.3g} to {m.high:.3g}",
            "" if m.error is None else f"{m.error:.0e}",
            "" if m.megabytes is None else f"{m.megabytes:.3g}",
            "" if m.compile_s is None else f"{m.compile_s:.2f}",
            f"{share:.2f}",
            style="bold" if m.group == "ours" else None,
        )
    return table


COLUMNS = (
    "nothing set: ours, ms", "JAX, ms", "torch, ms", "JAX/ours", "torch/ours",
    "best on one device: ours, ms", "JAX, ms", "JAX/ours",
    "on_all_cores, ms", "torch/it",
    "best of all: ours, ms", "JAX, ms", "JAX/ours", "torch/ours", "of the rate",
)  # fmt: skip


def summary_table(rows: Iterable[Row]) -> Table:
    """One line a case, in Markdown: what one gets, and the best of each side.

    First what everybody gives who sets nothing, on one device; then the best on one
    device, ours by `sr.on_all_cores`, and the best on any number of devices. "of the
    rate" is the share of the rate of a large product.
    """
    table = Table(box=box.MARKDOWN)
    table.add_column("T x B x X x H", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.case.key, *_summary(row))
    return table


def _summary(row: Row) -> list[str]:
    kinds: tuple[dict[str, Any], ...] = ({"as_they_come": True}, {"devices": 1}, {})
    (ours, jax_ours, torch), (one, jax_one, _), (best, jax_best, torch_best) = (
        [
            fastest(row.among(*groups, **kind))
            for groups in (("ours",), ("scan", "peer"), ("torch",))
        ]
        for kind in kinds
    )
    cores = fastest(row.on_all_cores())
    share = 0.0 if best is None else row.case.flop / row.rate / best[1].ms * 1e3
    return [
        *map(_named, (ours, jax_ours, torch)),
        *(_ratio(jax_ours, ours), _ratio(torch, ours)),
        *(_named(one), _named(jax_one), _ratio(jax_one, one)),
        *(_named(cores), _ratio(torch, cores)),
        *(_named(best), _named(jax_best), _ratio(jax_best, best)),
        *(_ratio(torch_best, best), "" if best is None else f"{share:.2f}"),
    ]


def _named(found: tuple[str, Measured] | None) -> str:
    return "" if found is None else f"{found[1].ms:.3g} ({found[0]})"


def _ratio(
    theirs: tuple[str, Measured] | None, ours: tuple[str, Measured] | None
) -> str:
    return "" if theirs is None or ours is None else f"{theirs[1].ms / ours[1].ms:.2f}"
