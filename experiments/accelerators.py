"""How many kernels does a step launch on a GPU? Counted without one.

    pip install "scanrnn[train]" "jax[cuda12]"
    python experiments/accelerators.py [--cells rnn,gru,lstm] [--size 512x32x64x128]
                                       [--dtypes float32,bfloat16] [--unroll 8] [--show]

A small network on a GPU waits for launches, 2 to 3 µs each, and not for products. XLA
compiles for an H100 on any machine, and the loop over time of the program that it makes
tells what every step launches: kernels, and copies of memory that need none. Two to
three minutes on two cores.
"""

import importlib.util
from typing import Annotated, NamedTuple

import typer
from bench.cases import GATES
from bench.options import names_of, size_of
from devices import target
from devices.launches import Loop, loops
from rich.table import Table
from shared.study import CELLS, console

import scanrnn as sr

WAYS: dict[str, sr.Backward] = {
    "Autodiff": sr.Autodiff(),
    "Stored": sr.Stored(),
    "Recomputed": sr.Recomputed(),
    "Checkpointed": sr.Checkpointed(),
}
DTYPES = ("float32", "bfloat16")


class Counted(NamedTuple):
    """One program."""

    there: Loop
    back: Loop
    copies_weights: bool  # in either loop


def counted(hlo: str, H: int, gates: int) -> Counted:
    """The two loops over time of the gradient; an error if there are others.

    `Checkpointed` walks there a second time on its way back: the last one counts.
    """
    found = [loop for loop in loops(hlo) if loop.launches]
    there = [loop for loop in found if not loop.back]
    back = [loop for loop in found if loop.back]
    if not there or not back:
        raise ValueError(f"expected a loop there and one back, got {len(found)} loops")
    copies = any(loop.copied(H, gates * H) for loop in found)
    return Counted(there[-1], back[-1], copies)


def table_of(
    title: str, rows: dict[tuple[str, str, str], Counted], unroll: int
) -> Table:
    """A row for each program, launches of one step."""
    table = Table(title=title)
    for column in ("cell", "dtype", "way"):
        table.add_column(column)
    for column in ("kernels there", "copies", "kernels back", "copies", "W copied"):
        table.add_column(column, justify="right")
    for names, one in rows.items():
        table.add_row(
            *names,
            *(
                f"{launched / unroll:.3g}"
                for loop in (one.there, one.back)
                for launched in (loop.kernels, loop.copies)
            ),
            "yes" if one.copies_weights else "no",
        )
    return table


def main(
    cells: Annotated[str, typer.Option(help="Of rnn, gru, lstm.")] = "rnn,gru,lstm",
    size: Annotated[str, typer.Option(help="TxBxXxH.")] = "512x32x64x128",
    dtypes: Annotated[str, typer.Option(help="Of " + ", ".join(DTYPES) + ".")] = (
        ",".join(DTYPES)
    ),
    ways: Annotated[str, typer.Option(help="Of " + ", ".join(WAYS) + ".")] = (
        ",".join(WAYS)
    ),
    unroll: Annotated[int, typer.Option(min=1, help="Steps a turn of the loop.")] = 1,
    show: Annotated[bool, typer.Option("--show", help="Name every launch.")] = False,
) -> None:
    """Prints what every step launches."""
    T, B, X, H = size_of(size)
    if not any(map(importlib.util.find_spec, target.PLUGINS)):
        raise typer.BadParameter(
            "expected JAX's plugin for CUDA, and no GPU: pip install 'jax[cuda12]'"
        )
    device, rows = target.h100(), {}
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
    title = f"launches of a step on {device.device_kind}, {size}, unroll={unroll}"
    console.print(table_of(title, rows, unroll))


def told(title: str, one: Counted) -> None:
    """Every launch by its name and what it writes."""
    for direction, loop in (("there", one.there), ("back", one.back)):
        console.print(f"{title}, {direction}")
        for launch in loop.launches:
            console.print(f"    {launch.kind:10} {launch.shape:28} {launch.name}")


if __name__ == "__main__":
    typer.run(main)
