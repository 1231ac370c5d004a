"""Taking turns: all contestants in one process, again and again, in blocks.

A round gives every contestant one turn: a call that does not count (caches and threads
then are its own), and calls that do, for about a twentieth of a second: at least one,
at most 25. Every round begins with another contestant. Where a call takes longer than a
fifth of a second, what was there before it does not matter, and all calls count. After
a turn of torch the process sleeps until torch's threads do.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from .contestants import Ready

TURN_S = 0.05
TURN_CALLS = 25
LONG_S = 0.2


class Spread(NamedTuple):
    """Milliseconds a call: the median, and the quartiles."""

    ms: float
    low: float
    high: float
    calls: int


def take_turns(
    ready: dict[str, Ready],
    *,
    seconds: float,
    rounds: int,
    report: Callable[[str], None] = lambda name: None,
) -> dict[str, Spread]:
    """Times all of them until the seconds are over and the rounds are made.

    Args:
        ready: what to call, by name.
        seconds: how long to go on.
        rounds: the least number of rounds.
        report: is told whose turn it is.
    """
    times: dict[str, list[float]] = {name: [] for name in ready}
    until = time.perf_counter() + seconds
    for made, order in enumerate(_orders(list(ready))):
        if not ready or (made >= rounds and time.perf_counter() >= until):
            break
        for name in order:
            report(name)
            _turn(ready[name], times[name])
    return {name: spread_of(found) for name, found in times.items()}


def _orders(names: list[str]) -> Iterator[list[str]]:
    """Every round begins with the next one."""
    while True:
        yield names
        names = names[1:] + names[:1]


def _turn(ready: Ready, times: list[float]) -> None:
    if not times or times[-1] < LONG_S:
        ready.call()
    began, calls = time.perf_counter(), 0
    while calls == 0 or (calls < TURN_CALLS and time.perf_counter() - began < TURN_S):
        times.append(clocked(ready.call))
        calls += 1
    time.sleep(ready.quiet_s)


def clocked(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread_of(seconds: list[float]) -> Spread:
    """The median and the quartiles, in milliseconds."""
    ms = sorted(1e3 * second for second in seconds)
    low, middle, high = (
        statistics.quantiles(ms, method="inclusive") if len(ms) > 1 else ms * 3
    )
    return Spread(middle, low, high, len(ms))


def product_rate(
    calls: int = 5, dtype: str = "float32", size: int | None = None
) -> float:
    """FLOP per second of one large product: what the machine can do."""
    size = size or (2048 if jax.default_backend() == "cpu" else 8192)
    x = jnp.ones((size, size), dtype)
    product = jax.jit(jnp.matmul).lower(x, x).compile()
    jax.block_until_ready(product(x, x))
    best = min(clocked(lambda: product(x, x).block_until_ready()) for _ in range(calls))
    return 2.0 * size**3 / best
