"""What does a rule with both directions cost?

    pip install "scanrnn[bench]"
    python experiments/forward_mode.py [--cases gru:256x32x128x256,lstm:100x32x64x128]
                                       [--ways stored,recomputed] [--seconds 3]

`sr.Linearized(of)` against the way that it stands on, at value and gradient by params
and inputs, in time and temporary bytes; and its `jax.jvp`, in all params and inputs,
against the value alone and against `sr.Autodiff()`'s. Contestants take turns in one
process, and are clocked twice: by the wall, and by the CPU time of the process, which a
machine with other work disturbs less. All numbers are compared before they are timed.
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

CELLS: dict[str, Any] = {"rnn": sr.rnn, "gru": sr.gru, "lstm": sr.lstm}
WAYS = {
    "stored": sr.Stored(),
    "recomputed": sr.Recomputed(),
    "checkpointed": sr.Checkpointed(),
}
VALUE, OWN, BOTH = "value", "gradient of the way", "gradient of Linearized"
PUSHED, PLAIN = "jvp of Linearized", "jvp of Autodiff"
CASES = "rnn:1000x16x64x64,lstm:100x32x64x128,gru:256x32x128x256"


class Clocked(NamedTuple):
    """Of one contestant: by the wall, by the CPU, and what a call holds meanwhile."""

    wall_ms: float
    cpu_ms: float
    megabytes: float


def losses(case: str, way: Any) -> tuple[dict[str, Callable[..., Any]], Any]:
    """What is timed, as functions of params, inputs and their tangents; and those."""
    name, _, size = case.partition(":")
    steps, batch, inputs, hidden = map(int, size.split("x"))
    cell = CELLS[name](hidden)
    # Tangents of their own: with those of others the compiler finds products twice.
    arguments = (
        *(cell.init(jax.random.key(0), inputs), drawn(steps, batch, inputs)),
        *(cell.init(jax.random.key(1), inputs), drawn(steps, batch, inputs, seed=2)),
    )
    weights = drawn(steps, batch, hidden, seed=1)

    def loss(backward: Any) -> Callable[..., Any]:
        def of(params: Any, xs: Any, *tangents: Any) -> Any:
            return jnp.vdot(
                weights, sr.unroll(cell, params, xs, backward=backward).outputs
            )

        return of

    def pushed(backward: Any) -> Callable[..., Any]:
        return lambda *args: jax.jvp(loss(backward), args[:2], args[2:])

    def gradient(backward: Any) -> Callable[..., Any]:
        return jax.value_and_grad(loss(backward), (0, 1))

    both = sr.Linearized(way)
    made = {
        VALUE: loss(way),
        OWN: gradient(way),
        BOTH: gradient(both),
        PUSHED: pushed(both),
        PLAIN: pushed(sr.Autodiff()),
    }
    return made, arguments


def measured(case: str, way: Any, seconds: float) -> dict[str, Clocked]:
    """Everything compiled, compared, and timed."""
    functions, arguments = losses(case, way)
    ready, cpu, answers = {}, {}, {}
    for name, function in functions.items():
        compiled, compile_s = compile_of(jax.jit(function), *arguments)
        times: list[float] = []

        def call(compiled: Any = compiled, times: list[float] = times) -> Any:
            began = time.process_time()
            made = jax.block_until_ready(compiled(*arguments))
            times.append(time.process_time() - began)
            return made

        answers[name] = call()
        ready[name] = Ready(call, call, compile_s, temporary(compiled))
        cpu[name] = times
    for one, other in ((OWN, BOTH), (PLAIN, PUSHED)):
        if (worst := _error(answers[other], answers[one])) > 1e-3:
            raise ValueError(f"expected of {other} what {one} gives: {worst}")
    spreads = take_turns(ready, seconds=seconds, rounds=5)
    return {
        name: Clocked(spreads[name].ms, 1e3 * _median(cpu[name]), one.megabytes or 0.0)
        for name, one in ready.items()
    }


def _median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]


def _error(got: Any, want: Any) -> float:
    """The worst of all leaves, relative to the largest entry of each."""
    worst = jax.tree.map(
        lambda a, b: float(jnp.max(jnp.abs(a - b)) / (jnp.max(jnp.abs(b)) + 1e-12)),
        got,
        want,
    )
    return max(jax.tree.leaves(worst))


def table_of(found: dict[tuple[str, str], dict[str, Clocked]]) -> Table:
    """A row for each case and way; ratios by the wall, and by the CPU."""
    table = Table(title="sr.Linearized, ratios by the wall (by CPU time)")
    columns = (
        *("case, T x B x X x H", "of", "gradient / the way's", "bytes / the way's"),
        *("jvp / value", "jvp / Autodiff's", "bytes / Autodiff's"),
    )
    for column in columns:
        table.add_column(column, justify="right")
    for (case, way), one in found.items():

        def ratio(a: str, b: str, one: dict[str, Clocked] = one) -> str:
            wall, cpu = one[a].wall_ms / one[b].wall_ms, one[a].cpu_ms / one[b].cpu_ms
            return f"{wall:.2f} ({cpu:.2f})"

        table.add_row(
            case.replace(":", " "),
            way,
            ratio(BOTH, OWN),
            f"{one[BOTH].megabytes / one[OWN].megabytes:.2f}",
            ratio(PUSHED, VALUE),
            ratio(PUSHED, PLAIN),
            f"{one[PUSHED].megabytes / one[PLAIN].megabytes:.2f}",
        )
    return table


def main(
    cases: Annotated[str, typer.Option(help="CELL:TxBxXxH, separated by commas.")] = (
        CASES
    ),
    ways: Annotated[str, typer.Option(help=", ".join(WAYS))] = "stored",
    seconds: Annotated[float, typer.Option(help="Of timing, per row.")] = 3.0,
) -> None:
    """Measures and prints the table."""
    found = {
        (case, way): measured(case, WAYS[way], seconds)
        for case in cases.split(",")
        for way in ways.split(",")
    }
    console.print(table_of(found))


if __name__ == "__main__":
    typer.run(main)
