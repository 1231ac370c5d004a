"""Over T: time and memory of the ways back, and the time to compile."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
from shared.study import CELLS

from .cases import Case, draw
from .contestants import Loss, compile_of, temporary
from .ours import WAYS, ours, way_loss
from .report import Point
from .scans import scan_loss
from .timing import take_turns

LENGTHS = (64, 256, 1024, 4096, 16384)
COMPILED_LENGTHS = (100, 1000, 10_000, 100_000)
FINAL_LENGTHS = (1000, 4096)


def case_of(length: int) -> Case:
    """An LSTM over so many steps: B = 8, X = 64, H = 128."""
    return Case("lstm", length, 8, 64, 128)


def over_length(
    lengths: Iterable[int],
    *,
    seconds: float,
    rounds: int,
    report: Callable[[str], None],
) -> tuple[Point, ...]:
    """Every way back at every length, on one device."""
    points: list[Point] = []
    for length in lengths:
        report(f"T = {length}")
        problem = draw(case_of(length))
        ready = {one.name: one.build(problem) for one in ours(problem.case)}
        spreads = take_turns(ready, seconds=seconds, rounds=rounds)
        for name, spread in spreads.items():
            one = ready[name]
            assert one.megabytes is not None  # JAX tells it
            assert one.compile_s is not None
            points.append(Point(name, length, spread.ms, one.megabytes, one.compile_s))
    return tuple(points)


def compile_times(
    lengths: Iterable[int], *, repeats: int, report: Callable[[str], None]
) -> tuple[Point, ...]:
    """The median time to trace and compile every way back; nothing is run."""
    points: list[Point] = []
    for length in lengths:
        case = case_of(length)
        for name, way in WAYS.items():
            report(f"{name}, T = {length}")
            loss = way_loss(CELLS[case.cell](case.H), way)
            found = [compiled(case, loss) for _ in range(repeats)]
            seconds = statistics.median(second for second, _ in found)
            points.append(Point(name, length, None, found[0][1], seconds))
    return tuple(points)


def bytes_of_final(
    lengths: Iterable[int], *, report: Callable[[str], None]
) -> tuple[Point, ...]:
    """Temporary bytes where the loss reads the final state alone; nothing is run.

    The loss does not need the outputs; what is kept of them is the way's own cost.
    """
    points: list[Point] = []
    for length in lengths:
        case = case_of(length)
        cell = CELLS[case.cell](case.H)
        losses = {n: way_loss(cell, way, of_final=True) for n, way in WAYS.items()}
        for name, hoisted in (("scan, naive", False), ("scan, hoisted", True)):
            losses[name] = scan_loss(case, hoisted=hoisted, of_final=True)
        for name, loss in losses.items():
            report(f"{name}, T = {length}, final state")
            seconds, megabytes = compiled(case, loss)
            points.append(Point(name, length, None, megabytes, seconds))
    return tuple(points)


def compiled(case: Case, loss: Loss) -> tuple[float, float]:
    """Seconds to compile for shapes alone, and the temporary megabytes."""
    cell = CELLS[case.cell](case.H)

    def fresh(*arguments: Any) -> Any:  # a new function: no cache knows it
        return jax.value_and_grad(loss, (0, 1))(*arguments)

    jax.clear_caches()
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), case.X))
    xs = jax.ShapeDtypeStruct((case.T, case.B, case.X), jnp.float32)
    weights = jax.ShapeDtypeStruct((case.T, case.B, case.H), jnp.float32)
    program, seconds = compile_of(jax.jit(fresh), params, xs, weights)
    return seconds, temporary(program)
