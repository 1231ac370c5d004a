"""What does a product with curvature cost?

    pip install "scanrnn[bench]"
    python experiments/curvature.py [--cells gru,lstm] [--sizes 100x32x64x128]
                                    [--seconds 3]

`sr.gauss_newton` and `sr.hvp` against the gradient by the params that the default way
back gives, in one run: with `sr.Linearized()`, and with `sr.Autodiff()`, JAX's own
derivative of the plain scan. A Gauss-Newton product is counted three ways:

- held: the operator was made before, and one program makes one product with it;
- in a loop: a program makes the operator and ten products, each of the last (a tenth);
- single: a program makes the operator and one product.

The answer stands in docs/curvature.md. Contestants take turns in one process; clocks
and their reason are those of forward_mode.py. All numbers are compared first.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import typer
from bench.contestants import Ready
from bench.steps import drawn
from bench.timing import take_turns
from forward_mode import CELLS, Clocked
from rich.table import Table
from shared.study import console

import scanrnn as sr

WAYS = {"Linearized": sr.Linearized(), "Autodiff": sr.Autodiff()}
SIZES = "100x32x64x128,1000x16x64x64"
GRADIENT, REPEATED = "gradient", 10
KINDS = ("held", "in a loop", "single", "hvp")

Calls = dict[str, Callable[[], Any]]


def calls_of(cell: sr.Cell, steps: int, batch: int, inputs: int) -> Calls:
    """Everything compiled, and called once."""
    params, v = (cell.init(jax.random.key(seed), inputs) for seed in range(2))
    xs = drawn(steps, batch, inputs)
    targets = drawn(steps, batch, cell.start(1).h.shape[1], seed=1)

    def loss(outputs: Any) -> Any:
        return 0.5 * jnp.mean((outputs - targets) ** 2)

    def outputs(params: Any, way: Any) -> Any:
        return sr.unroll(cell, params, xs, backward=way).outputs

    gradient = jax.jit(jax.value_and_grad(lambda p: loss(outputs(p, sr.Stored()))))
    calls: Calls = {GRADIENT: lambda: gradient(params)}
    for name, way in WAYS.items():
        for kind, call in _products(outputs, loss, way, params, v).items():
            calls[f"{kind}, {name}"] = call
    return calls


def _products(outputs: Any, loss: Any, way: Any, params: Any, v: Any) -> Calls:
    @jax.jit
    def made(params: Any) -> sr.Curvature:
        return sr.gauss_newton(lambda p: outputs(p, way), loss, params)

    @jax.jit
    def repeated(params: Any, v: Any) -> Any:
        operator = made(params)
        return jax.lax.fori_loop(0, REPEATED, lambda _, v: operator(v), v)

    held = made(params)
    single = jax.jit(lambda params, v: made(params)(v))
    second = jax.jit(
        lambda params, v: sr.hvp(lambda p: loss(outputs(p, way)), params)(v)
    )
    return {
        "held": lambda: held(v),
        "in a loop": lambda: repeated(params, v),
        "single": lambda: single(params, v),
        "hvp": lambda: second(params, v),
    }


def measured(calls: Calls, seconds: float) -> dict[str, Clocked]:
    """All compared, then timed in turns."""
    ready, cpu = {}, {}
    answers = {name: jax.block_until_ready(call()) for name, call in calls.items()}
    for kind in KINDS:
        ours, plain = (answers[f"{kind}, {name}"] for name in WAYS)
        if (worst := _error(ours, plain)) > 1e-3:
            raise ValueError(f"expected of {kind} what Autodiff gives: {worst}")
    for name, call in calls.items():
        times: list[float] = []

        def clocked(call: Any = call, times: list[float] = times) -> Any:
            began = time.process_time()
            answer = jax.block_until_ready(call())
            times.append(time.process_time() - began)
            return answer

        ready[name], cpu[name] = Ready(clocked, clocked, None, None), times
    spreads = take_turns(ready, seconds=seconds, rounds=5)
    medians = {name: sorted(times)[len(times) // 2] for name, times in cpu.items()}
    return {name: Clocked(spreads[name].ms, 1e3 * medians[name], 0.0) for name in calls}


def _error(got: Any, want: Any) -> float:
    """Of the whole, relative to its norm: entries of a power fade."""
    got, want = (jax.flatten_util.ravel_pytree(tree)[0] for tree in (got, want))
    return float(jnp.linalg.norm(got - want) / jnp.linalg.norm(want))


def table_of(found: dict[str, dict[str, Clocked]]) -> Table:
    """A row for each case; in gradients, by the wall and by the CPU."""
    table = Table(title="in gradients of the default way, by the wall (by CPU time)")
    for column in ("case, T x B x X x H", "gradient ms", "way", *KINDS):
        table.add_column(column, justify="right")
    for case, one in found.items():
        base = one[GRADIENT]
        for name in WAYS:
            row = []
            for kind in KINDS:
                took = one[f"{kind}, {name}"]
                times = REPEATED if kind == "in a loop" else 1
                wall, cpu = took.wall_ms / base.wall_ms, took.cpu_ms / base.cpu_ms
                row.append(f"{wall / times:.2f} ({cpu / times:.2f})")
            table.add_row(case, f"{base.wall_ms:.1f}", name, *row)
    return table


def main(
    cells: Annotated[str, typer.Option(help=", ".join(CELLS))] = "rnn,gru,lstm",
    sizes: Annotated[str, typer.Option(help="TxBxXxH, separated by commas.")] = SIZES,
    seconds: Annotated[float, typer.Option(help="Of timing, per row.")] = 5.0,
) -> None:
    """Measures and prints the table."""
    found = {}
    for size in sizes.split(","):
        steps, batch, inputs, hidden = map(int, size.split("x"))
        for name in cells.split(","):
            calls = calls_of(CELLS[name](hidden), steps, batch, inputs)
            found[f"{name} {size}"] = measured(calls, seconds)
    console.print(table_of(found))


if __name__ == "__main__":
    typer.run(main)
