"""Which way back is fastest, told from shapes alone: how far from the truth is it?

    pip install "scanrnn[bench]"
    python experiments/fastest.py measure --seed 0 --count 60     # to fit the rule
    python experiments/fastest.py measure --seed 1 --count 30     # to judge it
    python experiments/fastest.py judge fastest-1.json

Draws shapes at random (cells, sizes, tokens, lengths, one device or two), times every
way back by hand in turns, and writes medians into a JSON file as they come. The regret
of a choice is how much longer it takes than the best of the three.
"""

import json
import statistics
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from bench.cases import Case, Problem, draw
from bench.contestants import Layout, Ready, by_jax
from bench.ours import WAYS, taken_for
from bench.shapes import Shape, shapes
from bench.timing import product_rate, take_turns
from jax import Array
from rich.progress import track
from rich.table import Table
from shared.study import CELLS, console

import scanrnn as sr

BY_HAND = ("Stored", "Recomputed", "Checkpointed")

app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)


def built(shape: Shape, way: sr.Backward, problem: Problem) -> Ready:
    """Value and gradient by params and inputs, compiled."""
    cell = CELLS[shape.case.cell](shape.case.H)
    steps = np.random.default_rng(0).integers(1, shape.case.T + 1, shape.case.B)
    lengths = jnp.asarray(np.maximum(steps, shape.case.T // 2))

    def loss(params: Any, xs: Array, weights: Array) -> Array:
        ends = lengths[: xs.shape[1]] if shape.masked else None
        run = sr.unroll(cell, params, xs, lengths=ends, backward=way)
        return jnp.sum(run.outputs * weights)

    layout = Layout(shape.devices, mapped=shape.devices > 1)
    return by_jax(loss, layout=layout)(problem)


@app.command()
def measure(
    seed: Annotated[int, typer.Option(min=0, help="Of the shapes.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Shapes.")] = 60,
    seconds: Annotated[float, typer.Option(min=0, help="For each.")] = 2.0,
    out: Annotated[Path | None, typer.Option(help="JSON; fastest-SEED.json.")] = None,
) -> None:
    """Times the three ways back by hand; goes on where an earlier run stopped."""
    jax.config.update("jax_num_cpu_devices", 2)
    out = out or Path(f"fastest-{seed}.json")
    found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    for shape in track(shapes(count, seed), "shapes", console=console, transient=True):
        if shape.key in found:
            continue
        problem = draw(shape.case)
        ready = {name: built(shape, WAYS[name], problem) for name in BY_HAND}
        spreads = take_turns(ready, seconds=seconds, rounds=5)
        found[shape.key] = {
            "shape": [*shape.case, shape.masked, shape.devices],
            "ms": {name: spread.ms for name, spread in spreads.items()},
            "rate": product_rate(2),
        }
        out.write_text(json.dumps(found, indent=1))
        jax.clear_caches()


@app.command()
def judge(
    files: Annotated[list[Path], typer.Argument(help="JSON of measured shapes.")],
) -> None:
    """Prints the regret of every choice, and where that of `Fastest()` is largest."""
    found = [one for file in files for one in json.loads(file.read_text()).values()]
    choices = {f"always {name}": [name] * len(found) for name in BY_HAND}
    choices["Fastest()"] = [chosen(of(one["shape"])) for one in found]
    table = Table(title=f"regret over {len(found)} shapes")
    for column in ("choice", "mean", "worst", "shapes over 15%"):
        table.add_column(column, justify="left" if column == "choice" else "right")
    for name, names in choices.items():
        regrets = [
            regret(one["ms"], taken) for one, taken in zip(found, names, strict=True)
        ]
        mean, over = statistics.fmean(regrets), sum(r > 0.15 for r in regrets)
        table.add_row(name, f"{mean:.1%}", f"{max(regrets):.1%}", str(over))
    console.print(table)
    rate = statistics.median(one["rate"] for one in found) / 1e9
    console.print(f"a large product: {rate:.0f} GFLOP/s in the median")
    worst = sorted(found, key=lambda one: -regret(one["ms"], chosen(of(one["shape"]))))
    for one in worst[:5]:
        shape = of(one["shape"])
        told = ", ".join(f"{name} {ms:.2f}" for name, ms in one["ms"].items())
        console.print(
            f"{regret(one['ms'], chosen(shape)):6.1%}  {shape.key}: took "
            f"{chosen(shape)}; ms: {told}"
        )


def of(fields: list[Any]) -> Shape:
    """A shape as it was written down."""
    *case, masked, devices = fields
    return Shape(Case(*case), masked, devices)


def chosen(shape: Shape) -> str:
    """The way that `Fastest()` takes, on each device for its part of the batch."""
    case = shape.case
    return taken_for(case._replace(B=case.B // shape.devices))


def regret(ms: dict[str, float], name: str) -> float:
    """How much longer it takes than the best, as a part of the best."""
    return ms[name] / min(ms.values()) - 1


if __name__ == "__main__":
    app()
