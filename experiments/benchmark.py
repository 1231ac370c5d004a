"""How fast and how lean is the backward pass by hand? Against everybody.

Value and gradient with respect to parameters and inputs, and the whole training step of
a character model. Contestants: every way back of scanrnn and `jax.grad` of plain scans,
a scan with its best unroll factor; Flax (linen and nnx), Haiku, Equinox and Keras;
torch. All of JAX runs on one device and with the batch spread over two by
`jax.shard_map`; ours and the scans, over long sequences, also by `jax.jit`. All start
from the same numbers, take turns in one process, and are measured by the median; their
errors against float64 stand beside their times. Only the ratios of one run mean
anything.

    pip install "scanrnn[bench]"                    # the peers
    python experiments/benchmark.py                 # 35 minutes on two cores
    python experiments/benchmark.py --quick         # 2 minutes
    python experiments/benchmark.py --cells lstm --sizes 100x32x64x128 --parts grid
    python experiments/benchmark.py --show          # what the last runs found

Results go into a JSON file as they come; a later run replaces a case that it measures
again, as a whole, and keeps the rest. What is missing is skipped by name. On a GPU the
same script compares with cuDNN too, and in bfloat16.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import bench.grid
import bench.scaling
import bench.training
import jax
import typer
from bench.cases import Case
from bench.grid import Plan
from bench.options import cases_of, factors_of, names_of, split
from bench.ours import WAYS
from bench.plots import pictures
from bench.report import (
    Report,
    Row,
    about,
    merge,
    read,
    row_table,
    summary_table,
    write,
)
from bench.verdict import verdict_table, verdicts
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from shared.study import CELLS

import scanrnn as sr

PARTS = ("grid", "training", "scaling", "compiling", "final")
QUICK_ONLY = (*WAYS, "scan", "linen", "torch")
SMALL_WHILE = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold="

console = Console(width=240, highlight=False, soft_wrap=True)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="2 minutes.")] = False,
    parts: Annotated[str, typer.Option(help="Of " + ", ".join(PARTS) + ".")] = ",".join(
        PARTS
    ),
    cells: Annotated[str, typer.Option(help="Of rnn, gru, lstm.")] = "rnn,gru,lstm",
    sizes: Annotated[
        str, typer.Option(help="Such as 100x32x64x128,100x32xV65x128; all if empty.")
    ] = "",
    only: Annotated[
        str, typer.Option(help="Parts of names of contestants; all if empty.")
    ] = "",
    seconds: Annotated[float, typer.Option(min=0.0, help="For each case.")] = 8.0,
    rounds: Annotated[int, typer.Option(min=1, help="At least, for each case.")] = 4,
    unrolls: Annotated[str, typer.Option(help="Factors for plain scans.")] = "1,2,4,8",
    devices: Annotated[int, typer.Option(min=1, help="CPU devices.")] = 2,
    small_while: Annotated[
        int | None,
        typer.Option(help="XLA folds loops of so many bytes into one kernel, for all."),
    ] = None,
    pages: Annotated[
        bool, typer.Option("--pages", help="Freed memory is kept, for all of them.")
    ] = False,
    out: Annotated[Path, typer.Option(help="JSON that runs add to.")] = Path(
        "benchmark.json"
    ),
    folder: Annotated[Path, typer.Option(help="Where pictures go.")] = Path("."),
    show: Annotated[bool, typer.Option("--show", help="Measure nothing.")] = False,
) -> None:
    """Measures, prints tables and verdicts, writes JSON and pictures."""
    if show:
        if not out.exists():
            raise typer.BadParameter(f"expected results of an earlier run in {out}")
        finish(read(out), folder)
        return
    set_up(devices, small_while, pages)
    wanted = names_of(parts, PARTS, "parts")
    cases = cases_of(names_of(cells, tuple(CELLS), "cells"), sizes, quick)
    plan = Plan(
        seconds=1.0 if quick else seconds,
        rounds=2 if quick else rounds,
        unrolls=(1, 4) if quick else factors_of(unrolls),
        devices=min(devices, len(jax.devices())),
        only=tuple(split(only)) or (QUICK_ONLY if quick else ()),
    )
    before = read(out) if out.exists() else None

    def keep(found: Report) -> Report:
        report = found if before is None else merge(before, found)
        write(out, report)
        return report

    report = keep(run(cases, plan, wanted, quick, keep))
    console.print(f"results  {out}")
    finish(report, folder)


def set_up(devices: int, small_while: int | None, pages: bool) -> None:
    """Before JAX starts its backend, and anything large is allocated."""
    if pages and not sr.keep_pages():
        raise typer.BadParameter("expected glibc with --pages, got another C library")
    if small_while is not None:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} {SMALL_WHILE}{small_while}"
    jax.config.update("jax_num_cpu_devices", devices)


def run(
    cases: list[Case],
    plan: Plan,
    parts: list[str],
    quick: bool,
    keep: Callable[[Report], object],
) -> Report:
    """Measures all that was asked for; keeps what it has after every case."""
    report = Report(about(shlex.join(["python", *sys.argv])), skipped={})
    console.print(f"{report.about['machine']}; {report.about['device']}")
    console.print(", ".join(f"{k} {v}" for k, v in report.about["versions"].items()))
    if jax.default_backend() != "gpu":
        cases = [case for case in cases if case.dtype == "float32"]
        report.skipped["bfloat16"] = "measured on a GPU only"
    if "grid" in parts:
        for row in over(cases, plan, bench.grid.run_case, report.skipped):
            report = report._replace(rows=(*report.rows, row))
            keep(report)
    if "training" in parts:
        case = bench.training.CASE
        for row in over([case], plan, bench.training.run_training, report.skipped):
            report = report._replace(training=(row,))
            keep(report)
    if "scaling" in parts:
        report = report._replace(scaling=scaling(plan, quick))
    if "compiling" in parts:
        report = report._replace(compiling=compiling(quick))
    if "final" in parts:
        report = report._replace(final=final())
    for name, reason in report.skipped.items():
        console.print(f"skipped  {name}: {reason}")
    if report == Report(report.about, report.skipped):
        raise typer.BadParameter(
            f"nobody has any of --only {', '.join(plan.only)} in the name"
        )
    return report


def over(
    cases: Iterable[Case],
    plan: Plan,
    measure: Callable[[Case, Plan], tuple[Row, dict[str, str]]],
    skipped: dict[str, str],
) -> Iterator[Row]:
    """One case after the other, each table as soon as it is there."""
    cases = list(cases)
    with progress() as bar:
        task = bar.add_task("", total=len(cases))
        for case in cases:

            def tell(text: str, case: Case = case) -> None:
                bar.update(task, description=f"{case.key}: {text}")

            row, missing = measure(case, plan._replace(report=tell))
            skipped.update(missing)
            bar.advance(task)
            if not row.results and not row.failed:
                continue  # nobody here has any of --only in the name
            bar.console.print(row_table(row))
            for name, reason in row.failed.items():
                bar.console.print(f"failed   {name}: {reason}")
            yield row


def scaling(plan: Plan, quick: bool) -> Any:
    """The curve over T."""
    lengths = bench.scaling.LENGTHS[: 3 if quick else None]
    with progress() as bar:
        task = bar.add_task("", total=None)
        return bench.scaling.over_length(
            lengths,
            seconds=plan.seconds / 2,
            rounds=2,
            report=lambda text: bar.update(task, description=f"over T: {text}"),
        )


def compiling(quick: bool) -> Any:
    """The compile times over T."""
    ends = bench.scaling.COMPILED_LENGTHS
    with progress() as bar:
        task = bar.add_task("", total=None)
        return bench.scaling.compile_times(
            (ends[0], ends[-1]) if quick else ends,
            repeats=1 if quick else 5,
            report=lambda text: bar.update(task, description=f"compiles {text}"),
        )


def final() -> Any:
    """The bytes where the loss reads the final state alone."""
    with progress() as bar:
        task = bar.add_task("", total=None)
        return bench.scaling.bytes_of_final(
            bench.scaling.FINAL_LENGTHS,
            report=lambda text: bar.update(task, description=f"compiles {text}"),
        )


def progress() -> Progress:
    """A bar, what is being done, and for how long."""
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True)


def finish(report: Report, folder: Path) -> None:
    """The tables and the pictures of all that is known."""
    console.print("value and gradient, median ms of the best of each side")
    console.print(summary_table(report.rows))
    console.print("the training step of the character model")
    console.print(summary_table(report.training))
    console.print(verdict_table(verdicts(report)))
    pictures(report, folder)


if __name__ == "__main__":
    typer.run(main)
