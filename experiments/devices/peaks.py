"""What a device can do, measured on it; and the least time that a case can take.

Three bounds: the products at the rate of a large one; the bytes that must move between
memory and chip at the rate of a large copy; and, for a loop that the host or the device
launches step by step, its emptiest step.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from bench.cases import GATES, Case
from bench.timing import clocked, product_rate
from jax import lax

STEPS = 4096  # of the empty loop


class Peaks(NamedTuple):
    """Measured on the device itself."""

    flop: dict[str, float]  # a second, of a large product, by dtype
    bytes: float  # a second, read and written by a large copy
    step_s: float  # seconds of a step of a loop that does next to nothing

    def best(self, other: "Peaks") -> "Peaks":
        """Of two measurements the better of everything."""
        both = self.flop.keys() | other.flop.keys()
        flop = {d: max(self.flop.get(d, 0.0), other.flop.get(d, 0.0)) for d in both}
        most, least = max(self.bytes, other.bytes), min(self.step_s, other.step_s)
        return Peaks(flop, most, least)


def measure(dtypes: Iterable[str], *, calls: int = 5) -> Peaks:
    """The peaks of this device; small arrays on a CPU, which is no target here."""
    on_cpu = jax.default_backend() == "cpu"
    side = 256 if on_cpu else None
    rates = {dtype: product_rate(calls, dtype, side) for dtype in dtypes}
    floats = jnp.ones(2**20 if on_cpu else 2**28, jnp.float32)
    copied = _best(lambda x: -x, floats, calls)
    small = jnp.ones((8, 128), jnp.float32)
    looped = _best(_empty_loop, small, calls)
    return Peaks(rates, 2 * floats.nbytes / copied, looped / STEPS)


def _empty_loop(x: Any) -> Any:
    """A number of steps, each of which waits for the one before."""
    return lax.scan(lambda x, _: (jnp.sin(x), None), x, length=STEPS)[0]


def _best(function: Any, x: Any, calls: int) -> float:
    compiled = jax.jit(function).lower(x).compile()
    jax.block_until_ready(compiled(x))
    return min(
        clocked(lambda: jax.block_until_ready(compiled(x))) for _ in range(calls)
    )


def least_bytes(case: Case) -> float:
    """What any way must move, the weights and the state staying on the chip.

    There: the inputs are read, the outputs written. Back: both are read again, the
    gradient by the outputs too, and that by the inputs is written. Params are read in
    both directions and their gradients written.
    """
    per_step = case.B * (3 * case.X + 3 * case.H)
    params = GATES[case.cell] * case.H * (case.X + case.H + 1)
    return float(jnp.dtype(case.dtype).itemsize * (case.T * per_step + 3 * params))


def bound_ms(case: Case, peaks: Peaks) -> float:
    """The least time of value and gradient, by products and by bytes."""
    products = case.flop / peaks.flop[case.dtype]
    return 1e3 * max(products, least_bytes(case) / peaks.bytes)


def launches_ms(case: Case, peaks: Peaks) -> float:
    """What the loops there and back take with next to nothing in them."""
    return 1e3 * 2 * case.T * peaks.step_s
