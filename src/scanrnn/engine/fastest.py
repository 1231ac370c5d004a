"""Which way back is fastest, told from shapes; nothing is timed.

`Stored` writes the tape of every step and reads it again; `Recomputed` makes the tapes
of many steps by one product. On a CPU each has its price where the other has none:

- a tape costs a kernel for each of its leaves, of which a small step notices, and a
  product of so few rows is next to nothing;
- a long tape leaves the caches, and its pages are mapped anew in every call.

In both the product must be cheap beside the tape that it saves. So

    Recomputed   where there is a tape, its product takes `CHEAP` multiplications for
                 each float of the tape at most, and a step has drives of `FEW_FLOATS`
                 at most, of the whole batch, or all steps tapes of `LONG_TAPE` bytes
    Stored       elsewhere

Where it is known how the batch is cut over devices (`parts.py`), each does with its own
part what one device does with a batch. Where the compiler alone knows it, a block of
`Recomputed` has a collective of its own, and `Stored` has none in a loop but keeps what
all steps add until the end. On the cores of one process that memory costs more than the
collectives: `Recomputed` where the tapes have `LONG_TAPE_CUT` bytes and the product
takes `CHEAP_CUT`, else `Stored`; among several processes always `Stored`.

On a GPU every leaf that is written is a launch, and products are cheap: `Recomputed`.
A TPU's compiler lays out what is made of many steps at once with the batch outermost,
and gathers each step from there: `Stored`. `Checkpointed` walks a second time on all of
them: it comes last.

Measured on two machines, on shapes drawn at random: docs/performance.md.
"""

import dataclasses
import math
from typing import Any

import jax
from jax.extend import core
from jax.typing import ArrayLike

from ..cell import Cell, Params
from .asked import task_of_shapes
from .blocks import pick
from .mesh import count_of, is_spread
from .parts import parts_of
from .platform import is_accelerated, launches
from .scan import Task
from .sizes import floats_of_drive, is_number, one_step
from .told import marked
from .ways import ByHand, Checkpointed, Recomputed, Stored

FEW_FLOATS = 400
LONG_TAPE = 12 * 2**20
CHEAP = 100
LONG_TAPE_CUT = 24 * 2**20
CHEAP_CUT = 300


@dataclasses.dataclass(frozen=True)
class Fastest:
    """The way back that takes least time, told from shapes, cell and platform.

    On a CPU `Recomputed` where a step is small or the tapes are large, and a product
    cheap, else `Stored`; on a GPU `Recomputed`, on a TPU `Stored`. It is chosen when a
    program is traced, and nothing is timed. What it takes is told by ``choose``.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.gru(16)
    >>> params = cell.init(jax.random.key(0), 8)
    >>> sr.Fastest().choose(cell, params, jnp.ones((100, 1, 8)))
    Recomputed(block=None)
    >>> sr.Fastest().choose(cell, params, jnp.ones((100, 32, 8)))
    Stored()
    """

    def choose(self, cell: Cell, params: Params, xs: ArrayLike) -> ByHand:
        """The way back for inputs of this shape; see `unroll` for what may be wrong."""
        return self.choose_for(*task_of_shapes(cell, params, xs))

    def choose_for(self, cell: Cell, task: Task) -> ByHand:
        """The same, of a task of arrays or of shapes."""
        return fastest_first(cell, task)[0]


def fastest_first(cell: Cell, task: Task) -> tuple[ByHand, ...]:
    """The three ways by hand, in the order of the time that they take."""
    ways: tuple[ByHand, ...] = (Stored(), Recomputed(), Checkpointed())
    if _is_better_made_again(cell, task):
        ways = (Recomputed(), Stored(), Checkpointed())
    return ways


def _is_better_made_again(cell: Cell, task: Task) -> bool:
    """Nothing is computed: of all there is, the shapes are looked at."""

    def one(params: Params, state: Any, xs: Any) -> Any:
        after, tape = cell.step(params, state, pick(cell.project(params, xs), 0))
        return marked(tape, state, after)

    made = jax.make_jaxpr(one, return_shape=True)
    program, tape = made(task.params, task.start, one_step(task))
    leaves = jax.tree.leaves(tape)
    if not leaves:  # as of the RNN, whose tape is its state
        return False
    if is_accelerated(task):
        return launches(task) and _can_be_batched(cell, task)
    drives, parts = floats_of_drive(cell, task), parts_of(cell, task)
    is_cut = parts is None and is_spread(task)
    if not is_number(drives) or (is_cut and jax.process_count() > 1):
        return False
    cheap, long = (CHEAP_CUT, LONG_TAPE_CUT) if is_cut else (CHEAP, LONG_TAPE)
    floats_of_step = sum(leaf.size for leaf in leaves)
    if _multiplications(program.jaxpr) > cheap * floats_of_step:
        return False
    bytes_of_step = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    bytes_of_step //= count_of(parts)
    is_long = is_number(task.length) and task.length * bytes_of_step >= long
    is_small = drives // count_of(parts) <= FEW_FLOATS and not is_cut
    return (is_small or is_long) and _can_be_batched(cell, task)


def _can_be_batched(cell: Cell, task: Task) -> bool:
    """Whether many steps can be made at once; a callback within a step may refuse."""
    step = jax.vmap(cell.step, in_axes=(None, 0, 0))
    drives = jax.eval_shape(cell.project, task.params, one_step(task))
    states = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct((1, *s.shape), s.dtype), task.start
    )
    try:
        jax.eval_shape(step, task.params, states, drives)
    except Exception:  # of any kind: a primitive without a rule raises what it likes
        return False
    return True


def _multiplications(jaxpr: Any) -> int:
    """Of the matrix products; what a loop within a step repeats counts once."""
    found = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            rows = equation.invars[0].aval.shape
            found += equation.outvars[0].aval.size * math.prod(rows[i] for i in summed)
        found += sum(map(_multiplications, core.jaxprs_in_params(equation.params)))
    return found
