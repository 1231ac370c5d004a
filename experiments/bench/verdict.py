"""The targets, and whether what was measured meets them. Plain arithmetic."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.table import Table

from .cases import Case
from .report import Measured, Point, Report, Row, fastest


class Verdict(NamedTuple):
    """A target, what was measured, and whether it is met; None if nothing was."""

    target: str
    measured: str
    met: bool | None


Found = list[tuple[str, float]]  # a label and a ratio, one for each case


def verdicts(report: Report) -> list[Verdict]:
    """Every target in turn."""
    rows = [row for row in report.rows if row.case.dtype == "float32"]
    return [
        *with_nothing_set(rows),
        *against_jax(rows, devices=1),
        *against_jax(rows, devices=None),
        *against_torch(rows),
        on_all_cores(rows),
        share_of_rate(rows),
        *memory(rows),
        *memory_of_final(report.final),
        *sharded_alike(rows),
        *compiling(report.compiling),
        *training(report.training),
    ]


def with_nothing_set(rows: Iterable[Row]) -> list[Verdict]:
    """0. What one gets who sets nothing, on one device, against the best there."""
    peers: Found = []
    lstm: Found = []
    for row in rows:
        ours, torch = row.among("ours", as_they_come=True), row.among("torch")
        if ratio := times_of(row.among("scan", "peer", devices=1), ours):
            peers.append((row.case.key, ratio))
        if row.case.cell == "lstm" and (ratio := times_of(torch, ours)):
            lstm.append((row.case.key, ratio))
    return [
        _mean("0 nothing set, JAX peers: geometric mean >= 1.5", peers, 1.5),
        least("0 nothing set, JAX peers: every case >= 1.0", peers, 1.0),
        _mean("0 nothing set, torch LSTM: geometric mean >= 1.0", lstm, 1.0),
        least("0 nothing set, torch LSTM: every case >= 0.9", lstm, 0.9),
    ]


def on_all_cores(rows: Iterable[Row]) -> Verdict:
    """2. Ours by `sr.on_all_cores`, nothing else being set, against torch's LSTM."""
    found = [
        (row.case.key, ratio)
        for row in rows
        if row.case.cell == "lstm"
        and (ratio := times_of(row.among("torch"), row.on_all_cores()))
    ]
    return least("2 torch: LSTM by on_all_cores >= 1.1", found, 1.1)


def against_jax(rows: Iterable[Row], devices: int | None) -> list[Verdict]:
    """1. The best of ours against the best of the scans and the JAX peers."""
    ratios = {
        row.case: ratio
        for row in rows
        if (ratio := ratio_of(row, ("scan", "peer"), ("ours",), devices)) is not None
    }
    where = "all devices" if devices is None else "one device"
    every = _label(ratios)
    small = _label({c: r for c, r in ratios.items() if c.cell == "rnn" and c.B <= 16})
    return [
        _mean(f"1 JAX peers, {where}: geometric mean >= 1.5", every, 1.5),
        least(f"1 JAX peers, {where}: every case >= 1.0", every, 1.0),
        least(f"1 JAX peers, {where}: RNN, B <= 16 >= 2", small, 2.0),
    ]


def against_torch(rows: Iterable[Row]) -> list[Verdict]:
    """2. The best of ours against torch, each on all cores."""
    ratios = {
        row.case: ratio
        for row in rows
        if (ratio := ratio_of(row, ("torch",), ("ours",), None)) is not None
    }
    light = _label({c: r for c, r in ratios.items() if c.cell != "lstm"})
    lstm = _label({c: r for c, r in ratios.items() if c.cell == "lstm"})
    return [
        least("2 torch: RNN and GRU >= 1.5", light, 1.5),
        least("2 torch: LSTM >= 1.0", lstm, 1.0),
    ]


def share_of_rate(rows: Iterable[Row]) -> Verdict:
    """3. How much of the rate of a large product is reached at H >= 512."""
    shares: Found = []
    for row in rows:
        best = fastest(row.among("ours"))
        if row.case.H >= 512 and best is not None:
            share = row.case.flop / (row.rate * best[1].ms / 1e3)
            shares.append((row.case.key, share))
    return least("3 share of the product rate, H >= 512: >= 0.6", shares, 0.6)


def memory(rows: Iterable[Row]) -> list[Verdict]:
    """4. Bytes and time of the ways back of an LSTM over long sequences.

    Autodiff is the leanest of the plain scans, as they were timed on one device.
    """
    long = [row for row in rows if row.case.cell == "lstm" and row.case.T >= 1000]
    lean, time = _bytes_to_autodiff, _time_to_stored
    return [
        most(
            "4 Recomputed <= 1/5 of autodiff's bytes", lean(long, "Recomputed"), 1 / 5
        ),
        most("4 Recomputed <= 1.15 of Stored's time", time(long, "Recomputed"), 1.15),
        most(
            "4 Checkpointed <= 1/15 of autodiff's bytes",
            lean(long, "Checkpointed"),
            1 / 15,
        ),
        most("4 Checkpointed <= 1.5 of Stored's time", time(long, "Checkpointed"), 1.5),
        most("4 Stored <= 1.25 of autodiff's bytes", lean(long, "Stored"), 1.25),
    ]


def memory_of_final(points: Iterable[Point]) -> list[Verdict]:
    """4. The same bytes where the loss reads the final state alone."""
    megabytes = {(point.name, point.T): point.megabytes for point in points}
    leanest = {
        T: min(value for (n, t), value in megabytes.items() if "scan" in n and t == T)
        for _, T in megabytes
    }

    def shares(name: str) -> Found:
        return [
            (f"T={T}", megabytes[name, T] / least)
            for T, least in leanest.items()
            if (name, T) in megabytes
        ]

    target = "4 loss of the final state: {} <= 1/{} of autodiff's bytes"
    return [
        most(target.format(name, part), shares(name), 1 / part)
        for name, part in (("Recomputed", 5), ("Checkpointed", 15))
    ]


def sharded_alike(rows: Iterable[Row]) -> list[Verdict]:
    """5. The best of ours against the best of the scans, both sharded one way."""

    def ratios(mapped: bool) -> Found:
        found: Found = []
        for row in rows:
            several = {n: m for n, m in row.results.items() if m.devices > 1}
            alike = {n: m for n, m in several.items() if m.mapped == mapped}
            ratio = ratio_of(row._replace(results=alike), ("scan",), ("ours",), None)
            if row.case.T >= 1000 and ratio is not None:
                found.append((row.case.key, ratio))
        return found

    rows = list(rows)
    return [
        least(
            "5 against autodiff sharded alike, by jit, T >= 1000: >= 5",
            ratios(False),
            5,
        ),
        least(
            "5 against autodiff sharded alike, by shard_map, T >= 1000: >= 5",
            ratios(True),
            5,
        ),
    ]


def _bytes_to_autodiff(rows: Iterable[Row], name: str) -> Found:
    found: Found = []
    for row in rows:
        scans = row.among("scan", devices=1).values()
        leanest = min((m.megabytes for m in scans if m.megabytes), default=None)
        ours = row.results.get(name)
        if leanest and ours is not None and ours.megabytes is not None:
            found.append((row.case.key, ours.megabytes / leanest))
    return found


def _time_to_stored(rows: Iterable[Row], name: str) -> Found:
    return [
        (row.case.key, row.results[name].ms / row.results["Stored"].ms)
        for row in rows
        if {name, "Stored"} <= row.results.keys()
    ]


FLAT = 1.25  # what the noise of compiling may add


def compiling(points: Iterable[Point]) -> list[Verdict]:
    """6. The time to compile: against autodiff's, and over T."""
    seconds = {(point.name, point.T): point.compile_s for point in points}
    lengths = sorted({T for _, T in seconds})
    ours = sorted({name for name, _ in seconds} - {"Autodiff"})
    to_autodiff: Found = [
        (f"{name}, T={T}", seconds[name, T] / seconds["Autodiff", T])
        for name in ours
        for T in lengths
        if (name, T) in seconds and ("Autodiff", T) in seconds
    ]
    growth: Found = [
        (name, seconds[name, lengths[-1]] / seconds[name, lengths[0]])
        for name in ours
        if len(lengths) > 1
    ]
    ends = f"T={lengths[0]} to {lengths[-1]}" if lengths else "T"
    return [
        most("6 compile time <= autodiff's", to_autodiff, 1.0),
        most(f"6 compile time flat, {ends}: <= {FLAT}", growth, FLAT),
    ]


def training(rows: Iterable[Row]) -> list[Verdict]:
    """7. The whole training step of the character model."""
    rows = list(rows)

    def ratios(group: str, devices: int | None) -> Found:
        return [
            (row.case.key, ratio)
            for row in rows
            if (ratio := ratio_of(row, (group,), ("ours",), devices)) is not None
        ]

    peers = "7 training step against the JAX peers, {}: >= 1.5"
    return [
        least(peers.format("one device"), ratios("peer", 1), 1.5),
        least(peers.format("all devices"), ratios("peer", None), 1.5),
        least("7 training step against torch >= 1.0", ratios("torch", None), 1.0),
    ]


def ratio_of(
    row: Row, theirs: tuple[str, ...], ours: tuple[str, ...], devices: int | None
) -> float | None:
    """The time of their best by that of ours; None if a side is missing."""
    return times_of(
        row.among(*theirs, devices=devices), row.among(*ours, devices=devices)
    )


def times_of(theirs: dict[str, Measured], ours: dict[str, Measured]) -> float | None:
    """The time of the best of theirs by that of ours; None if a side is missing."""
    they, we = fastest(theirs), fastest(ours)
    return None if they is None or we is None else they[1].ms / we[1].ms


def geometric_mean(values: Iterable[float]) -> float:
    """exp of the mean of the logarithms.

    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    logs = [math.log(value) for value in values]
    return math.exp(math.fsum(logs) / len(logs))


def least(target: str, found: Found, bound: float) -> Verdict:
    """The smallest must reach the bound."""
    return _worst(target, found, min, lambda value: value >= bound)


def most(target: str, found: Found, bound: float) -> Verdict:
    """The largest must not pass the bound."""
    return _worst(target, found, max, lambda value: value <= bound)


def _worst(
    target: str,
    found: Found,
    choose: Callable[..., tuple[str, float]],
    holds: Callable[[float], bool],
) -> Verdict:
    if not found:
        return Verdict(target, "not measured", None)
    label, value = choose(found, key=lambda item: item[1])
    count = sum(holds(value) for _, value in found)
    text = f"{value:.3g} at {label}; holds in {count} of {len(found)}"
    return Verdict(target, text, holds(value))


def _mean(target: str, found: Found, bound: float) -> Verdict:
    if not found:
        return Verdict(target, "not measured", None)
    mean = geometric_mean(value for _, value in found)
    return Verdict(target, f"{mean:.3g}, number of cases: {len(found)}", mean >= bound)


def _label(ratios: dict[Case, float]) -> Found:
    return [(case.key, ratio) for case, ratio in ratios.items()]


def verdict_table(found: Iterable[Verdict]) -> Table:
    """Target, measured, met or not."""
    table = Table(title="targets")
    for name in ("target", "measured", "met"):
        table.add_column(name)
    for verdict in found:
        met = {True: "yes", False: "NO", None: ""}[verdict.met]
        table.add_row(verdict.target, verdict.measured, met)
    return table
