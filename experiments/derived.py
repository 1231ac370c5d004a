"""What is gained by deriving the way back of a step, and what does it cost?

    pip install "scanrnn[bench]"
    python experiments/derived.py [--sizes 1000x16x64x64,100x32x64x128] [--devices 1,2]
                                  [--steps lstm,"linen GRUCell"] [--seconds 3]

The cells of Flax, Haiku and Equinox, and three that have a cell by hand, as step
functions. Contestants take turns in one process at value and gradient by params and
inputs: autodiff of the step in `lax.scan`, the same step in `sr.scan` by two ways back,
and the cell by hand where there is one. Every gradient is compared before it is timed.
All of it takes about twelve minutes on two cores.
"""

import math
import statistics
import time
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import typer
from bench.contestants import Layout, Ready, compile_of, place, temporary
from bench.options import names_of, size_of, split
from bench.steps import STEPS, Recurrence, Size, drawn
from bench.timing import take_turns
from jax import Array, lax
from rich.table import Table
from shared.study import console

import scanrnn as sr

AUTODIFF, DEFAULT, LEAN, HAND = "lax.scan", "sr.scan", "Recomputed", "by hand"


class Measured(NamedTuple):
    """One step at one size."""

    ms: dict[str, float]  # medians of the contestants
    megabytes: dict[str, float]
    compile_s: dict[str, float]
    derive_s: float

    def gain(self, name: str) -> float:
        """How many times as fast as autodiff."""
        return self.ms[AUTODIFF] / self.ms[name]


def contestants(of: Recurrence, size: Size, devices: int) -> dict[str, Ready]:
    """All of them, compiled, with equal gradients."""
    xs, weights = drawn(size.T, size.B, size.X), drawn(size.T, size.B, size.H, seed=1)
    arguments = place(of.params, [xs, weights], Layout(devices), 1)

    def by_scan(scan: Any) -> Any:
        def loss(params: Any, xs: Array, weights: Array) -> Array:
            def step(state: Any, x: Array) -> Any:
                return of.step(params, state, x)

            return jnp.vdot(weights, scan(step, of.start, xs)[1])

        return loss

    def lean(*args: Any) -> Any:
        return sr.scan(*args, backward=sr.Recomputed())

    losses = {
        AUTODIFF: by_scan(lax.scan),
        DEFAULT: by_scan(sr.scan),
        LEAN: by_scan(lean),
    }
    cell = of.by_hand
    if cell is not None:
        losses[HAND] = lambda params, xs, weights: jnp.vdot(
            weights, sr.unroll(cell, params, xs).outputs
        )
    made = {name: _ready(loss, arguments) for name, loss in losses.items()}
    right = made[AUTODIFF].answer()
    for name, one in made.items():
        if (worst := _error(one.answer(), right)) > 1e-3:
            raise ValueError(f"expected the gradients of lax.scan of {name}: {worst}")
    return made


def _ready(loss: Any, arguments: Any) -> Ready:
    gradient = jax.jit(jax.value_and_grad(loss, (0, 1), allow_int=True))
    compiled, seconds = compile_of(gradient, *arguments)

    def call() -> Any:
        return jax.block_until_ready(compiled(*arguments))

    return Ready(call, call, seconds, temporary(compiled))


def _error(got: Any, want: Any) -> float:
    """The worst of all leaves, relative to the largest entry of each."""

    def of_leaf(a: Array, b: Array) -> float:
        if not jnp.issubdtype(b.dtype, jnp.floating):
            return 0.0
        return float(jnp.max(jnp.abs(a - b)) / (jnp.max(jnp.abs(b)) + 1e-12))

    return max(jax.tree.leaves(jax.tree.map(of_leaf, got, want)))


def seconds_to_derive(of: Recurrence, size: Size) -> float:
    """Of the tracing and cutting, without compiling; the median of three."""

    def scanned(scan: Any) -> float:
        def run(params: Any, xs: Array) -> Any:
            return scan(lambda state, x: of.step(params, state, x), of.start, xs)[1]

        began = time.perf_counter()
        jax.make_jaxpr(run)(of.params, drawn(size.T, size.B, size.X))
        return time.perf_counter() - began

    return statistics.median(scanned(sr.scan) - scanned(lax.scan) for _ in range(3))


def measured(of: Recurrence, size: Size, devices: int, seconds: float) -> Measured:
    """Times one step."""
    ready = contestants(of, size, devices)
    spreads = take_turns(ready, seconds=seconds, rounds=5)
    return Measured(
        {name: spread.ms for name, spread in spreads.items()},
        {name: one.megabytes or 0.0 for name, one in ready.items()},
        {name: one.compile_s or 0.0 for name, one in ready.items()},
        seconds_to_derive(of, size),
    )


def table_of(title: str, found: dict[str, Measured]) -> Table:
    """A row for each step, and the geometric means."""
    table = Table(title=title)
    columns = (
        *("step", "lax.scan, ms", "sr.scan", "Recomputed", "of by hand"),
        *("MB: lax.scan", "sr.scan", "Recomputed", "to derive, s", "to compile"),
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "step" else "right")
    for name, one in found.items():
        by_hand = one.ms[HAND] / one.ms[DEFAULT] if HAND in one.ms else None
        compile_ratio = one.compile_s[DEFAULT] / one.compile_s[AUTODIFF]
        table.add_row(
            name,
            f"{one.ms[AUTODIFF]:.1f}",
            *(f"{one.gain(way):.2f}" for way in (DEFAULT, LEAN)),
            "" if by_hand is None else f"{by_hand:.2f}",
            *(f"{one.megabytes[way]:.1f}" for way in (AUTODIFF, DEFAULT, LEAN)),
            f"{one.derive_s:.2f}",
            f"{compile_ratio:.2f}",
        )
    means = (
        _mean([one.gain(way) for one in found.values()]) for way in (DEFAULT, LEAN)
    )
    table.add_row("geometric mean", "", *(f"{mean:.2f}" for mean in means))
    return table


def _mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def main(
    sizes: Annotated[str, typer.Option(help="TxBxXxH, several with commas.")] = (
        "1000x16x64x64,100x32x64x128"
    ),
    devices: Annotated[str, typer.Option(help="1, 2 or both.")] = "1,2",
    steps: Annotated[str, typer.Option(help="Names with commas.")] = ",".join(STEPS),
    seconds: Annotated[float, typer.Option(min=0, help="For each step.")] = 3.0,
) -> None:
    """Prints a table for each size and number of devices."""
    names = names_of(steps, tuple(STEPS), "steps")
    counts = [int(n) for n in names_of(devices, ("1", "2"), "devices")]
    for size in (Size(*size_of(text)) for text in split(sizes)):
        for count in counts:
            found = {
                name: measured(STEPS[name](size), size, count, seconds)
                for name in names
            }
            title = f"times as fast as lax.scan; {size}, {count} device" + "s" * (
                count > 1
            )
            console.print(table_of(title, found))


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 2)
    typer.run(main)
