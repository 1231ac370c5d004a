"""How far from the least time that a CPU needs is the way that one gets?

    pip install "scanrnn[bench]"
    python experiments/floor.py                     # 20 s a case, of 33
    python experiments/floor.py --cells lstm --sizes 100x32x64x128

Whatever a program is that unrolls a cell and differentiates it, it makes these parts,
and the recurrence lets the first of them not be made side by side with anything:

* in loops: the product of the state with W_h in every step, there and back, each from
  what the last one made, with one kernel between them;
* large: the products of all steps at once, by W_x there, and back by its transpose
  and into the gradients of both weights;
* slopes: the activations, once.

Each part is a program of its own without anything else, and takes turns with ours, as
it comes, and with the scans and libraries of JAX, as they come. The floor is their sum.
JAX / floor is then the most by which anybody could be faster than the best of JAX with
one device and the products of XLA. Beside it, not in the sum, since they overlap with
products: the bytes that must move, at the rate of a large copy.
"""

import statistics
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from bench import peers
from bench.cases import GATES, Case, draw
from bench.contestants import Contestant, Ready
from bench.nets import contestant
from bench.options import cases_of, names_of
from bench.ours import ours
from bench.scans import scan
from bench.timing import take_turns
from devices.peaks import Peaks, bound_ms, measure
from jax import Array, lax
from rich.console import Console
from rich.progress import track
from rich.table import Table
from shared.study import CELLS

console = Console(width=150, highlight=False, soft_wrap=True)

PARTS = ("in loops", "large", "slopes")
NOTHING = "nothing"  # what a call takes that hardly computes: everybody's is less by it
# How often a step takes the exponential of something, of H units each.
SLOPES = {"rnn": 1, "gru": 3, "lstm": 5}


class Floor(NamedTuple):
    """A case, and milliseconds a call, less what any call takes."""

    case: Case
    parts: dict[str, float]
    ours: float
    theirs: float  # of the fastest of JAX

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


def parts_of(case: Case) -> dict[str, Ready]:
    """Every part alone, compiled."""
    problem, rng = draw(case), np.random.default_rng(1)
    dtype = jnp.dtype(case.dtype)
    steps, wide = case.T * case.B, GATES[case.cell] * case.H

    def drawn(*shape: int) -> Array:
        return jnp.asarray(rng.normal(size=shape), dtype)

    w_x, w_h = map(jnp.asarray, (problem.params.w_x, problem.params.w_h))
    shape = (steps,) if case.tokens else (steps, case.X)
    xs = jnp.asarray(problem.xs).reshape(shape)
    return {
        NOTHING: _ready(jax.jit(lambda x: x + 1), drawn(1)),
        "in loops": _ready(
            jax.jit(in_loops, static_argnums=3),
            *(drawn(case.B, case.H), w_h, drawn(case.B, wide), case.T),
        ),
        "large": _ready(
            jax.jit(large), xs, w_x, drawn(steps, case.H), drawn(steps, wide)
        ),
        "slopes": _ready(jax.jit(slopes), drawn(steps * SLOPES[case.cell] * case.H)),
    }


def _ready(function: Any, *args: Any) -> Ready:
    def call() -> Any:
        return jax.block_until_ready(function(*args))

    call()
    return Ready(call, call, None, None)


def as_they_come(case: Case) -> tuple[Contestant, list[Contestant]]:
    """Ours with nothing set; the scans and the libraries of JAX with nothing set."""
    (mine,) = (one for one in ours(case) if one.as_it_comes)
    nets, _ = peers.find(case)
    theirs = [scan(case, hoisted=hoisted) for hoisted in (False, True)]
    theirs += [contestant(case, net) for net in nets]
    return mine, [one for one in theirs if one.as_it_comes and not one.differs]


def measured(case: Case, seconds: float) -> Floor:
    """The parts and everybody, in turns."""
    mine, theirs = as_they_come(case)
    problem = draw(case)
    ready = parts_of(case) | {one.name: one.build(problem) for one in (mine, *theirs)}
    spreads = take_turns(ready, seconds=seconds, rounds=3)
    jax.clear_caches()
    ms = {name: spread.ms - spreads[NOTHING].ms for name, spread in spreads.items()}
    return Floor(
        case,
        {name: ms[name] for name in PARTS},
        ms[mine.name],
        min(ms[one.name] for one in theirs),
    )


def told(floors: list[Floor], peaks: Peaks) -> Table:
    """A row for each case; below it the geometric means."""
    table = Table(title="value and gradient, one device, ms")
    columns = ("case", "ours", *PARTS, "floor", "bytes")
    for column in (*columns, "ours / floor", "JAX / floor", "JAX / ours"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for of in floors:
        bytes_ms = bound_ms(of.case, peaks._replace(flop={of.case.dtype: np.inf}))
        times = (of.ours, *of.parts.values(), of.least, bytes_ms)
        table.add_row(
            of.case.key,
            *(f"{ms:.3g}" for ms in times),
            *(f"{ratio:.2f}" for ratio in ratios(of)),
        )
    means = [
        statistics.geometric_mean(column)
        for column in zip(*map(ratios, floors), strict=True)
    ]
    table.add_section()
    blank = [""] * (len(table.columns) - 1 - len(means))
    table.add_row("geometric mean", *blank, *(f"{mean:.2f}" for mean in means))
    return table


def ratios(of: Floor) -> tuple[float, float, float]:
    """Ours and the best of JAX in floors, and what ours is faster by."""
    return of.ours / of.least, of.theirs / of.least, of.theirs / of.ours


def main(
    cells: Annotated[str, typer.Option(help="Of rnn, gru, lstm.")] = "rnn,gru,lstm",
    sizes: Annotated[
        str, typer.Option(help="Such as 100x32x64x128,100x32xV65x128; all if empty.")
    ] = "",
    seconds: Annotated[float, typer.Option(min=0, help="For each case.")] = 2.0,
) -> None:
    """Prints the floor of every case and how far above it one is."""
    chosen = cases_of(names_of(cells, tuple(CELLS), "cells"), sizes, quick=False)
    cases = [case for case in chosen if case.dtype == "float32"]
    floors = [
        measured(case, seconds)
        for case in track(cases, "cases", console=console, transient=True)
    ]
    peaks = measure(sorted({case.dtype for case in cases}))
    console.print(told(floors, peaks))


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    app()
