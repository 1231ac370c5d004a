"""How far from the least time that a CPU needs is the way that one gets?

    pip install "scanrnn[bench]"
    python experiments/floor.py                     # 20 s a case, of 33
    python experiments/floor.py --cells lstm --sizes 100x32x64x128
    python experiments/floor.py --cells lstm --devices 2    # with sr.on_all_cores

Whatever a program is that unrolls a cell and differentiates it, it makes these parts,
and the recurrence lets the first of them not be made side by side with anything:

* in loops: the product of the state with W_h in every step, there and back, each from
  what the last one made, with one kernel between them;
* large: the products of all steps at once, by W_x there, and back by its transpose
  and into the gradients of both weights;
* slopes: the activations, once.

Each part is a program of its own without anything else, and takes turns with ours, as
it comes, and with the scans and libraries of JAX and with torch, as they come. The
floor is their sum. JAX / floor is then the most by which anybody could be faster than
the best of JAX with one device and the products of XLA, and torch / floor than torch.
Beside it, not in the sum: the bytes that must move, at the rate of a large copy; and

* tapes: what the way back has to know of every step beside the outputs, written step by
  step and read again, or made again by a large product, whichever is faster.

With several devices ours is `sr.on_all_cores`, every device makes its share of all
parts at the same time as the others, and nobody waits: sums over the batch stay apart.
The others are as they are with one.
"""

import functools
import statistics
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from bench import peers
from bench import torch as by_torch
from bench.cases import GATES, Case, draw
from bench.contestants import BATCH, Contestant, Layout, Ready, mesh_of
from bench.nets import contestant
from bench.options import cases_of, names_of
from bench.ours import ours
from bench.scans import scan
from bench.timing import take_turns
from devices.peaks import Peaks, bound_ms, measure
from jax import Array, lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from rich.console import Console
from rich.progress import track
from rich.table import Table
from shared.study import CELLS

console = Console(width=230, highlight=False, soft_wrap=True)

PARTS = ("in loops", "large", "slopes")
TAPES = ("tapes kept", "tapes made again")
NOTHING = "nothing"  # what a call takes that hardly computes: everybody's is less by it
# How often a step takes the exponential of something, of H units each.
SLOPES = {"rnn": 1, "gru": 3, "lstm": 5}
# What of H units the derivatives of a step are functions of, beside h: of a GRU r, z, n
# and what r multiplies, of an LSTM its gates and c.
TAPE = {"rnn": 0, "gru": 4, "lstm": 5}


class Floor(NamedTuple):
    """A case, and milliseconds a call, less what any call takes."""

    case: Case
    parts: dict[str, float]
    ours: float
    theirs: float  # of the fastest of JAX
    torch: float | None = None
    tapes: float = 0.0

    @property
    def least(self) -> float:
        """All parts, one after the other."""
        return sum(self.parts.values())


def in_loops(state: Array, w_h: Array, delta: Array, length: int) -> Any:
    """The products that wait for each other, there and back."""
    gates = w_h.shape[1] // w_h.shape[0]

    def there(h: Array, _: None) -> Any:
        return (h @ w_h)[:, : h.shape[1]] * 0.5, None

    def back(delta: Array, _: None) -> Any:
        return jnp.tile((delta @ w_h.T) * 0.5, gates), None

    made, _ = lax.scan(there, state, length=length)
    return made, lax.scan(back, delta, length=length)[0]


def large(xs: Array, w_x: Array, hs: Array, deltas: Array) -> Any:
    """The products of all steps at once; a token costs no product by W_x."""
    if jnp.issubdtype(xs.dtype, jnp.integer):
        return hs.T @ deltas
    return xs @ w_x, hs.T @ deltas, xs.T @ deltas, deltas @ w_x.T


def slopes(drives: Array) -> Array:
    """The activations of all steps, by one kernel."""
    return jnp.tanh(drives)


def kept(row: Array, length: int) -> Array:
    """A row (B, ·) for every step, written there and read back."""
    _, rows = lax.scan(lambda row, _: (row * 0.5, row), row, length=length)
    read = lax.scan(lambda seen, row: (seen + row, None), row, rows, reverse=True)
    return read[0]


def made_again(hs: Array, w_h: Array) -> Array:
    """The product of the states of all steps."""
    return hs @ w_h


def parts_of(case: Case, layout: Layout = Layout()) -> dict[str, Ready]:
    """Every part alone, compiled; of several devices each has its share of the rows."""
    problem, rng = draw(case), np.random.default_rng(1)
    dtype = jnp.dtype(case.dtype)
    steps, wide = case.T * case.B, GATES[case.cell] * case.H

    def drawn(*shape: int) -> Array:
        return jnp.asarray(rng.normal(size=shape), dtype)

    w_x, w_h = map(jnp.asarray, (problem.params.w_x, problem.params.w_h))
    shape = (steps,) if case.tokens else (steps, case.X)
    xs = jnp.asarray(problem.xs).reshape(shape)
    rows, whole = P(BATCH), P()
    ready = functools.partial(_ready, layout)
    loops = functools.partial(in_loops, length=case.T)
    exponents = drawn(steps * SLOPES[case.cell] * case.H)
    tapes = {
        TAPES[0]: ready(
            functools.partial(kept, length=case.T),
            (rows, drawn(case.B, TAPE[case.cell] * case.H)),
        ),
        TAPES[1]: ready(made_again, (rows, drawn(steps, case.H)), (whole, w_h)),
    }
    return (tapes if TAPE[case.cell] else {}) | {
        NOTHING: ready(lambda x: x + 1, (rows, drawn(layout.devices))),
        "in loops": ready(
            loops,
            (rows, drawn(case.B, case.H)),
            (whole, w_h),
            (rows, drawn(case.B, wide)),
        ),
        "large": ready(
            large,
            (rows, xs),
            (whole, w_x),
            (rows, drawn(steps, case.H)),
            (rows, drawn(steps, wide)),
        ),
        "slopes": ready(slopes, (rows, exponents)),
    }


def _ready(
    layout: Layout, function: Callable[..., Any], *given: tuple[P, Array]
) -> Ready:
    specs, args = tuple(spec for spec, _ in given), [arg for _, arg in given]
    if layout.devices > 1:
        mesh = mesh_of(layout)
        rows = P(BATCH)
        function = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=rows)
        args = jax.device_put(args, [NamedSharding(mesh, spec) for spec in specs])
    compiled = jax.jit(function)

    def call() -> Any:
        return jax.block_until_ready(compiled(*args))

    call()
    return Ready(call, call, None, None)


def as_they_come(
    case: Case, layout: Layout = Layout()
) -> tuple[Contestant, list[Contestant], list[Contestant]]:
    """Ours with nothing set; the scans and libraries of JAX; torch where it is."""
    (mine,) = (one for one in ours(case, layout) if one.as_it_comes)
    nets, _ = peers.find(case)
    theirs = [scan(case, hoisted=hoisted) for hoisted in (False, True)]
    theirs += [contestant(case, net) for net in nets]
    theirs = [one for one in theirs if one.as_it_comes and not one.differs]
    try:
        return mine, theirs, by_torch.contestants(case)
    except ImportError:
        return mine, theirs, []


def measured(case: Case, seconds: float, devices: int = 1) -> Floor:
    """The parts and everybody, in turns."""
    layout = Layout(1 if case.B % devices else devices)
    mine, theirs, torch = as_they_come(case, layout)
    problem = draw(case)
    ready = parts_of(case, layout) | {
        one.name: one.build(problem) for one in (mine, *theirs, *torch)
    }
    spreads = take_turns(ready, seconds=seconds, rounds=3)
    jax.clear_caches()
    ms = {name: spread.ms - spreads[NOTHING].ms for name, spread in spreads.items()}
    return Floor(
        case,
        {name: ms[name] for name in PARTS},
        ms[mine.name],
        min(ms[one.name] for one in theirs),
        min((ms[one.name] for one in torch), default=None),
        min((ms[name] for name in TAPES if name in ms), default=0.0),
    )


def told(floors: list[Floor], peaks: Peaks, devices: int = 1) -> Table:
    """A row for each case; below it the geometric means."""
    table = Table(title=f"value and gradient, {devices} device(s), ms")
    ratios = [ratios_of(of) for of in floors]
    columns = ("case", "ours", *PARTS, "floor", "tapes", "bytes", "JAX", "torch")
    for column in (*columns, *ratios[0]):
        table.add_column(column, justify="left" if column == "case" else "right")
    for of, found in zip(floors, ratios, strict=True):
        bytes_ms = bound_ms(of.case, peaks._replace(flop={of.case.dtype: np.inf}))
        beside = of.tapes, bytes_ms, of.theirs, of.torch
        times = (of.ours, *of.parts.values(), of.least, *beside)
        table.add_row(
            of.case.key,
            *("" if ms is None else f"{ms:.3g}" for ms in times),
            *("" if ratio is None else f"{ratio:.2f}" for ratio in found.values()),
        )
    means = [_mean([row[name] for row in ratios]) for name in ratios[0]]
    table.add_section()
    table.add_row("geometric mean", *[""] * (len(columns) - 1), *means)
    return table


def _mean(column: list[float | None]) -> str:
    known = [ratio for ratio in column if ratio is not None]
    return f"{statistics.geometric_mean(known):.2f}" if known else ""


def ratios_of(of: Floor) -> dict[str, float | None]:
    """Everybody in floors, and what ours is faster by."""
    pairs = {
        "ours / floor": (of.ours, of.least),
        "JAX / floor": (of.theirs, of.least),
        "JAX / ours": (of.theirs, of.ours),
        "torch / floor": (of.torch, of.least),
        "torch / floor + tapes": (of.torch, of.least + of.tapes),
        "torch / ours": (of.torch, of.ours),
    }
    return {
        name: None if one is None else one / by for name, (one, by) in pairs.items()
    }


def main(
    cells: Annotated[str, typer.Option(help="Of rnn, gru, lstm.")] = "rnn,gru,lstm",
    sizes: Annotated[
        str, typer.Option(help="Such as 100x32x64x128,100x32xV65x128; all if empty.")
    ] = "",
    seconds: Annotated[float, typer.Option(min=0, help="For each case.")] = 2.0,
    devices: Annotated[int, typer.Option(min=1, help="CPU devices.")] = 1,
) -> None:
    """Prints the floor of every case and how far above it one is."""
    if devices > 1:
        jax.config.update("jax_num_cpu_devices", devices)
    chosen = cases_of(names_of(cells, tuple(CELLS), "cells"), sizes, quick=False)
    cases = [case for case in chosen if case.dtype == "float32"]
    floors = [
        measured(case, seconds, devices)
        for case in track(cases, "cases", console=console, transient=True)
    ]
    peaks = measure(sorted({case.dtype for case in cases}))
    console.print(told(floors, peaks, devices))


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    app()
