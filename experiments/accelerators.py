"""How fast is a recurrent network on a GPU or TPU? Measured, and counted without one.

    pip install "scanrnn[train]" "jax[cuda12]"
    python experiments/accelerators.py count                 # on any machine
    python experiments/accelerators.py count --unroll 8 --show
    pip install "scanrnn[train]" libtpu
    python experiments/accelerators.py count --platform tpu  # on any machine
    pip install "scanrnn[bench]" "jax[cuda12]"
    python experiments/accelerators.py measure               # where a GPU or TPU is
    python experiments/accelerators.py show                  # what was measured

count: a small network on a GPU waits for launches, 2 to 3 µs each, not for products.
XLA compiles for an H100 on any machine, and the loop over time of the program that it
makes tells what every step launches: kernels, and copies of memory that need none. For
a TPU v5e its compiler also tells the cycles that it expects. Two to four minutes on two
cores.

measure: value and gradient by params and inputs of every way back against autodiff of a
scan, Flax, cuDNN's LSTM through JAX, and torch with cuDNN; checked first, then timed in
turns, each with XLA's flags as they are and with a loop as one CUDA graph. It ends
after --minutes, with the most telling cases done, and goes on in the next call. It runs
on a CPU too, which tells nothing of an accelerator but that the script works.
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from bench.cases import GATES
from bench.options import names_of, size_of, split
from bench.report import Row, row_table
from devices import found as results
from devices import pieces, roofline, target
from devices.counting import Counted, counted, table_of
from devices.grid import Grid
from rich.console import Console
from shared.study import CELLS

import scanrnn as sr

WAYS: dict[str, sr.Backward] = {
    "Autodiff": sr.Autodiff(),
    "Stored": sr.Stored(),
    "Recomputed": sr.Recomputed(),
    "Checkpointed": sr.Checkpointed(),
}
DTYPES = ("float32", "bfloat16")
GRID = Grid()

Dtypes = Annotated[str, typer.Option(help="Of " + ", ".join(DTYPES) + ".")]
Folder = Annotated[Path, typer.Option(help="Of accelerators-KIND.json, and pictures.")]

# The commands keep their lines: \b says so to click.
HELP = (__doc__ or "").replace("    pip install", "\b\n    pip install", 1)
app = typer.Typer(add_completion=False, help=HELP, rich_markup_mode=None)
console = Console(width=240, highlight=False, soft_wrap=True)


@app.command()
def count(
    platform: Annotated[str, typer.Option(help="gpu (H100) or tpu (v5e).")] = "gpu",
    cells: Annotated[str, typer.Option(help="Of rnn, gru, lstm.")] = "rnn,gru,lstm",
    size: Annotated[str, typer.Option(help="TxBxXxH.")] = "512x32x64x128",
    dtypes: Dtypes = ",".join(DTYPES),
    ways: Annotated[str, typer.Option(help="Of " + ", ".join(WAYS) + ".")] = (
        ",".join(WAYS)
    ),
    unroll: Annotated[int, typer.Option(min=1, help="Steps a turn of the loop.")] = 1,
    show: Annotated[bool, typer.Option("--show", help="Name every launch.")] = False,
) -> None:
    """Prints what every step launches on a device that is not there."""
    T, B, X, H = size_of(size)
    (platform,) = names_of(platform, tuple(target.PLUGINS), "platform")
    if not target.is_installed(platform):
        raise typer.BadParameter(
            f"expected the compiler for a {platform}, which needs no device: "
            f"{target.INSTALLS[platform]}"
        )
    device, rows = target.described(platform), {}
    for name in names_of(cells, tuple(CELLS), "cells"):
        for dtype in names_of(dtypes, DTYPES, "dtypes"):
            for way in names_of(ways, tuple(WAYS), "ways"):
                cell = CELLS[name](H)
                hlo = target.compiled(
                    device, cell, (T, B, X, H), dtype, WAYS[way], unroll
                )
                one = rows[name, dtype, way] = counted(hlo, H, GATES[name])
                if show:
                    told(f"{name}, {dtype}, {way}", one)
    title = f"a step on {device.device_kind}, {size}, unroll={unroll}"
    console.print(table_of(title, rows, platform, unroll))


def told(title: str, one: Counted) -> None:
    """Every launch by its name and what it writes."""
    for direction, walked in (("there", one.there), ("back", one.back)):
        for loop in walked:
            console.print(f"{title}, {direction}")
            for launch in loop.launches:
                cycles = f"{launch.cycles:6} " if launch.cycles else ""
                what = f"{launch.kind:10} {launch.shape:28}"
                console.print(f"    {cycles}{what} {launch.name}")


@app.command()
def measure(
    minutes: Annotated[
        float, typer.Option(min=0, help="No case begins later; the last one ends.")
    ] = 7.0,
    cells: Annotated[str, typer.Option(help="Most telling first.")] = (
        ",".join(GRID.cells)
    ),
    hidden: Annotated[str, typer.Option(help="H, likewise.")] = (
        ",".join(map(str, GRID.hidden))
    ),
    batches: Annotated[str, typer.Option(help="B, likewise.")] = (
        ",".join(map(str, GRID.batches))
    ),
    lengths: Annotated[str, typer.Option(help="T, likewise.")] = (
        ",".join(map(str, GRID.lengths))
    ),
    dtypes: Dtypes = ",".join(GRID.dtypes),
    settings: Annotated[
        str,
        typer.Option(help="plain, graphs; both on a GPU, else plain, if empty."),
    ] = "",
    seconds: Annotated[float, typer.Option(min=0, help="Of turns, a case.")] = 1.5,
    rounds: Annotated[int, typer.Option(min=1, help="At least, a case.")] = 3,
    only: Annotated[
        str, typer.Option(help="Parts of names of contestants; all if empty.")
    ] = "",
    folder: Folder = Path("."),
) -> None:
    """Measures on the device that is there; goes on where an earlier call stopped.

    What is in the JSON file of this kind of device is not measured again: move the file
    away to begin anew.
    """
    grid = Grid(
        tuple(names_of(cells, tuple(CELLS), "cells")),
        numbers_of(hidden, "hidden"),
        numbers_of(batches, "batches"),
        numbers_of(lengths, "lengths"),
        tuple(names_of(dtypes, DTYPES, "dtypes")),
    )
    wanted = None
    if settings:
        wanted = tuple(names_of(settings, tuple(pieces.SETTINGS), "settings"))
    command = shlex.join(["python", *sys.argv])
    options = pieces.Options(seconds, rounds, grid.dtypes, command, tuple(split(only)))
    cases = grid.cases()

    def report(setting: str, row: Row) -> None:
        console.print(setting, row_table(row))
        for name, reason in row.failed.items():
            console.print(f"cannot   {name}: {reason}")

    try:
        asked = pieces.Asked(cases, wanted, folder, report)
        path = pieces.measure(asked, options, minutes)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    for setting, rows in results.read(path).rows.items():
        console.print(f"{setting}: {len(rows)} cases measured, asked for {len(cases)}")
    finish(path)


def numbers_of(text: str, what: str) -> tuple[int, ...]:
    """Positive numbers with commas, in the order they were given."""
    parts = split(text)
    if not parts or not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(
            f"expected --{what} such as 32,1: positive integers, got {text!r}"
        )
    return tuple(dict.fromkeys(map(int, parts)))


@app.command()
def show(folder: Folder = Path(".")) -> None:
    """Prints the tables and draws the pictures of what was measured."""
    paths = sorted(folder.glob("accelerators-*.json"))
    if not paths:
        raise typer.BadParameter(f"expected results of an earlier measure in {folder}")
    for path in paths:
        finish(path)


def finish(path: Path) -> None:
    """The tables and the picture of a kind of device."""
    found = results.read(path)
    console.print(f"results  {path}: {found.about['device']}")
    for setting in found.peaks:
        peaks = results.peaks_of(found, setting)
        rates = ", ".join(f"{d} {rate / 1e12:.3g}" for d, rate in peaks.flop.items())
        console.print(
            f"{setting}: TFLOP/s of a large product {rates}; GB/s of a large copy "
            f"{peaks.bytes / 1e9:.3g}; an empty step {1e6 * peaks.step_s:.3g} µs"
        )
        console.print(results.times_table(found.rows.get(setting, ()), peaks))
    for line in (*results.means(found), *results.absent(found)):
        console.print(line)
    roofline.draw(found, path.with_suffix(".png"))


if __name__ == "__main__":
    app()
