"""How fast and how lean is the backward pass by hand, against jax.grad of a scan?

Value and gradient with respect to parameters and inputs, in float32. All contestants
do the same arithmetic, take turns in one process, and are measured by the median.
Two plain scans compete: one that projects its input in the loop, and one that does it
before the loop (`sr.Autodiff()`). Only the ratios of one run mean anything.

    python experiments/benchmark.py                  # one device
    python experiments/benchmark.py --devices 2      # the batch sharded over two
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import typer
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from rich.console import Console
from rich.progress import track
from rich.table import Table

import scanrnn as sr


class Size(NamedTuple):
    """What is unrolled: a cell over T steps of a batch of B, X inputs, H units."""

    cell: str
    T: int
    B: int
    X: int
    H: int


SIZES = [
    Size("rnn", 100, 1, 32, 64),
    Size("rnn", 1000, 16, 64, 64),
    Size("rnn", 100, 32, 64, 128),
    Size("gru", 1000, 16, 64, 64),
    Size("gru", 100, 32, 64, 128),
    Size("lstm", 1000, 16, 64, 64),
    Size("lstm", 100, 32, 64, 128),
    Size("lstm", 100, 64, 128, 512),
]
CELLS: dict[str, Callable[[int], sr.Cell]] = {
    "rnn": sr.rnn,
    "gru": sr.gru,
    "lstm": sr.lstm,
}
NAIVE = "scan, x W in the loop"
WAYS: dict[str, sr.Backward] = {
    "scan, x W hoisted": sr.Autodiff(),
    "Stored": sr.Stored(),
    "Recomputed": sr.Recomputed(),
    "Checkpointed": sr.Checkpointed(),
}


class Measured(NamedTuple):
    """Median milliseconds per call, temporary megabytes, seconds to compile."""

    ms: float
    megabytes: float
    compile_s: float


def naive_outputs(cell: sr.Cell, params: Any, xs: jax.Array) -> jax.Array:
    """The scan as most people write it: one step, all of it, in the loop."""

    def body(state: Any, x: jax.Array) -> tuple[Any, jax.Array]:
        state, _ = cell.step(params, state, cell.project(params, x))
        return state, state.h

    return lax.scan(body, cell.start(xs.shape[1], xs.dtype), xs)[1]


def contestants(size: Size) -> dict[str, Callable[..., jax.Array]]:
    """Losses of the same value, by name."""
    cell = CELLS[size.cell](size.H)

    def unrolled(way: sr.Backward) -> Callable[..., jax.Array]:
        def loss(params: Any, xs: jax.Array, weights: jax.Array) -> jax.Array:
            return jnp.sum(sr.unroll(cell, params, xs, backward=way).outputs * weights)

        return loss

    def naive(params: Any, xs: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.sum(naive_outputs(cell, params, xs) * weights)

    return {NAIVE: naive} | {name: unrolled(way) for name, way in WAYS.items()}


def inputs(size: Size, devices: int) -> tuple[Any, ...]:
    """Params, xs and output weights; the batch sharded over the devices."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = CELLS[size.cell](size.H).init(keys[0], size.X)
    xs = jax.random.normal(keys[1], (size.T, size.B, size.X))
    weights = jax.random.normal(keys[2], (size.T, size.B, size.H))
    mesh = jax.make_mesh(
        (devices,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,)
    )
    by_batch = NamedSharding(mesh, P(None, "batch"))
    params = jax.device_put(params, NamedSharding(mesh, P()))
    return params, *jax.device_put((xs, weights), by_batch)


def measure(size: Size, devices: int, seconds: float) -> dict[str, Measured]:
    """All contestants in turn, again and again, until the time is spent."""
    arguments = inputs(size, devices)
    compiled, compile_s = {}, {}
    for name, loss in contestants(size).items():
        began = time.perf_counter()
        gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))
        compiled[name] = gradient.lower(*arguments).compile()
        compile_s[name] = time.perf_counter() - began
        jax.block_until_ready(compiled[name](*arguments))
    times: dict[str, list[float]] = {name: [] for name in compiled}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times[NAIVE]) < 5:
        for name, function in compiled.items():
            began = time.perf_counter()
            jax.block_until_ready(function(*arguments))
            times[name].append(1e3 * (time.perf_counter() - began))
    return {
        name: Measured(
            statistics.median(times[name]), temporary(function), compile_s[name]
        )
        for name, function in compiled.items()
    }


def temporary(function: Any) -> float:
    """Megabytes that a compiled function needs besides its inputs and outputs."""
    return float(function.memory_analysis().temp_size_in_bytes / 1e6)


def table_of(results: dict[Size, dict[str, Measured]]) -> Table:
    """Milliseconds and megabytes of every contestant, and the ratio that counts."""
    table = Table(title="value and gradient: median ms (temporary MB)")
    table.add_column("cell T, B, X, H")
    for name in (NAIVE, *WAYS):
        table.add_column(name, justify="right")
    table.add_column("best scan / best of ours", justify="right")
    for size, row in results.items():
        scans = min(row[NAIVE].ms, row["scan, x W hoisted"].ms)
        ours = min(row[name].ms for name in ("Stored", "Recomputed", "Checkpointed"))
        cells = [f"{m.ms:.2f} ({m.megabytes:.1f})" for m in row.values()]
        label = f"{size.cell} {size.T}, {size.B}, {size.X}, {size.H}"
        table.add_row(label, *cells, f"{scans / ours:.2f}")
    return table


def main(
    devices: Annotated[int, typer.Option(min=1, help="CPU devices.")] = 1,
    seconds: Annotated[float, typer.Option(help="Time per size.")] = 8.0,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Measures every size and prints the table."""
    jax.config.update("jax_num_cpu_devices", devices)
    sizes = [size for size in SIZES if size.B % devices == 0]
    results = {size: measure(size, devices, seconds) for size in track(sizes)}
    console = Console(width=150)
    console.print(f"jax {jax.__version__}, {devices} device(s), {jax.devices()[0]}")
    console.print(table_of(results))
    if out is not None:
        rows = [
            {**size._asdict(), "results": {k: m._asdict() for k, m in row.items()}}
            for size, row in results.items()
        ]
        out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
