"""What does it cost on this machine to walk a diagonal recurrence in parallel?

    pip install "scanrnn[bench]"
    python experiments/diagonal.py [--cases min_gru:1000x16x64x64,lru:100000x1x32x64]
                                   [--seconds 3]

`sr.Parallel` in both forms against `sr.Stored()`, `sr.Recomputed()` and `sr.Autodiff()`
at value and gradient by params and inputs, in time and temporary bytes. Contestants
take turns in one process, and are clocked twice: by the wall, and by the CPU time of
the process, which a machine with other work disturbs less. All numbers are compared
before they are timed.

On a device where a step of a loop costs more than what it computes, this is the script
that says from which T on the parallel form is the faster one: `--cases` with T of 1,000
to 100,000, and what must come out stands in docs/diagonal.md.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import typer
from bench.contestants import Ready, compile_of, temporary
from bench.steps import drawn
from bench.timing import take_turns
from rich.table import Table
from shared.study import console

import scanrnn as sr

CELLS: dict[str, Any] = {
    "ind_rnn": sr.ind_rnn,
    "min_gru": sr.min_gru,
    "min_lstm": sr.min_lstm,
    "lru": sr.lru,
}
WAYS: dict[str, Any] = {
    "Stored": sr.Stored(),
    "Recomputed": sr.Recomputed(),
    "Autodiff": sr.Autodiff(),
    "associative": sr.Parallel(),
    "chunks": sr.Parallel("chunks"),
}
CASES = ",".join(
    f"{cell}:{size}"
    for cell in ("ind_rnn", "min_gru", "lru")
    for size in ("1000x16x64x64", "10000x1x32x64", "100000x1x32x64")
)


class Clocked(NamedTuple):
    """Of one way: by the wall, by the CPU, and what a call holds meanwhile."""

    wall_ms: float
    cpu_ms: float
    megabytes: float
    compile_s: float


def gradient_of(cell: Any, way: Any) -> Callable[..., Any]:
    """Value and gradient of a loss of all outputs, real or complex."""

    def loss(params: Any, xs: Any, weights: Any) -> Any:
        outputs = sr.unroll(cell, params, xs, backward=way).outputs
        return jnp.vdot(weights, outputs.real) + jnp.vdot(weights, outputs.imag)

    return jax.value_and_grad(loss, (0, 1))


def measured(case: str, seconds: float) -> dict[str, Clocked]:
    """Every way compiled, compared, and timed."""
    name, _, size = case.partition(":")
    steps, batch, inputs, hidden = map(int, size.split("x"))
    cell = CELLS[name](hidden)
    params, xs = cell.init(jax.random.key(0), inputs), drawn(steps, batch, inputs)
    arguments = params, xs, drawn(steps, batch, hidden, seed=1)
    ready, cpu, answers = {}, {}, {}
    for way, value in WAYS.items():
        function = jax.jit(gradient_of(cell, value))
        compiled, compile_s = compile_of(function, *arguments)
        times: list[float] = []

        def call(compiled: Any = compiled, times: list[float] = times) -> Any:
            began = time.process_time()
            made = jax.block_until_ready(compiled(*arguments))
            times.append(time.process_time() - began)
            return made

        answers[way] = call()
        ready[way] = Ready(call, call, compile_s, temporary(compiled))
        cpu[way] = times
    for way, answer in answers.items():
        if (worst := _error(answer, answers["Autodiff"])) > 1e-3:
            raise ValueError(f"expected of {way} what Autodiff gives: {worst}")
    spreads = take_turns(ready, seconds=seconds, rounds=5)
    return {
        way: Clocked(
            *(spreads[way].ms, 1e3 * sorted(cpu[way])[len(cpu[way]) // 2]),
            *(one.megabytes or 0.0, one.compile_s or 0.0),
        )
        for way, one in ready.items()
    }


def _error(got: Any, want: Any) -> float:
    """The worst of all leaves, relative to the largest entry of each."""
    worst = jax.tree.map(
        lambda a, b: float(jnp.max(jnp.abs(a - b)) / (jnp.max(jnp.abs(b)) + 1e-12)),
        got,
        want,
    )
    return max(jax.tree.leaves(worst))


def table_of(found: dict[str, dict[str, Clocked]]) -> Table:
    """A row for each case: the times over that of `Stored`, by the wall and the CPU."""
    table = Table(title="of Stored: time by the wall (by CPU time), bytes")
    columns = "case, T x B x X x H", "Stored, ms, MB", *list(WAYS)[1:], "s to compile"
    for column in columns:
        table.add_column(column, justify="right")
    for case, ways in found.items():
        first = ways["Stored"]
        cells = [case.replace(":", " "), f"{first.wall_ms:.1f}, {first.megabytes:.1f}"]
        for way in list(WAYS)[1:]:
            one = ways[way]
            wall, cpu = one.wall_ms / first.wall_ms, one.cpu_ms / first.cpu_ms
            size = one.megabytes / max(first.megabytes, 1e-9)
            cells.append(f"{wall:.2f} ({cpu:.2f}), {size:.2f}")
        cells.append(", ".join(f"{one.compile_s:.1f}" for one in ways.values()))
        table.add_row(*cells)
    return table


def main(
    cases: Annotated[str, typer.Option(help="CELL:TxBxXxH, separated by commas.")] = (
        CASES
    ),
    seconds: Annotated[float, typer.Option(help="Of timing, per case.")] = 3.0,
) -> None:
    """Measures and prints the table."""
    console.print(table_of({c: measured(c, seconds) for c in cases.split(",")}))


if __name__ == "__main__":
    typer.run(main)
