"""The ways back, as values: what each keeps of the way there, and restores of it.

`Stored` reads the tapes that it kept, `Recomputed` rebuilds those of a whole block by
one batched product from the states, `Checkpointed` runs a block again from the state
before it. `Autodiff` is no rule at all, and the oracle of the others. What they have
in common, the rule itself, is `backward.py`.

A way back by hand is a frozen dataclass with four methods: ``block_size``, the steps
of a block; ``stack``, what is kept of a step; ``save``, what of it is needed on the way
back; ``restore``, the states before the steps of a block, their tapes, and where among
the tapes that of its first step stands.
"""

import dataclasses
from typing import Any, NamedTuple, TypeAlias

import jax
from jax import Array

from ..cell import Cell, State, Tape
from .blocks import Index, view
from .mesh import Parts, is_spread
from .scan import Course, Task, run, states_before
from .sizes import block_floats, default_block, floats_of_drive, is_number, root_of
from .told import asks_for_before, filled
from .trees import narrow, widen
from .values import one_of, shown, whole_number


class Kept(NamedTuple):
    """What the forward pass keeps of every step, (T, B, ·); None where nothing."""

    h: Array | None  # the outputs
    others: State  # the states with None for h: it stands above
    tapes: Tape  # with marks for what the states tell: `told.py`

    def outputs(self) -> Array:
        assert self.h is not None  # every way keeps them on the way there
        return self.h

    def states(self) -> State:
        return self.others._replace(h=self.h)

    def all_tapes(self, states_prev: State | None) -> Tape:
        """The tapes of the steps whose states these are; given those before them."""
        return filled(self.tapes, states_prev, self.states())


class Part(NamedTuple):
    """One block on the way back."""

    at: Index  # its first step
    size: int
    task: Task  # its stretch of the sequence
    entry: State  # (B, ·), the state before its first step
    kept: Kept  # of all steps

    def states_before(self, states: State, course: Course) -> State:
        """The state before every step of the block, given those after (size, B, ·)."""
        return states_before(self.task, self.entry, states, course.reverse)


@dataclasses.dataclass(frozen=True)
class Stored:
    """Keeps the tape of every step: fastest as a rule, and largest.

    For forward mode (`jax.jvp`, `jax.jacfwd`, `jax.linearize`) there is
    `Linearized(Stored())`.

    Bytes kept: the outputs and the tapes, T·B·(H + tape), where the tape of `rnn` is
    the output itself, of `gru` 5H (reset before: 6H), of `lstm` 6H.

    Where ``jit`` spreads arrays over devices and how the batch is cut is not known
    (`parts.py`: it is under `on_all_cores`, and where axes are explicit), the deltas of
    all steps are collected at once, so that no collective stands in a loop; and so they
    are where `jax.export` has a symbol for T or B.
    """

    def block_size(self, cell: Cell, task: Task, parts: Parts | None) -> int:
        length, floats = task.length, floats_of_drive(cell, task)
        # Two blocks would save little memory, and cost a loop around the loops.
        few = 2 * block_floats(task, parts)
        is_short = not is_number(floats) or length * floats <= few
        is_joined = parts is None and is_spread(task)  # in every block, by a collective
        return length if is_short or is_joined else default_block(cell, task, parts)

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, state._replace(h=None), tape)

    def save(self, kept: Kept) -> Kept:
        return kept

    def restore(
        self, cell: Cell, part: Part, course: Course
    ) -> tuple[State, Tape, Index]:
        states_prev = part.states_before(
            view(part.kept.states(), part.at, part.size), course
        )
        if asks_for_before(part.kept.tapes):  # and so of this block alone
            kept = view(part.kept, part.at, part.size)
            return states_prev, kept.all_tapes(states_prev), 0
        return states_prev, part.kept.all_tapes(None), part.at


@dataclasses.dataclass(frozen=True)
class Recomputed:
    """Keeps the states alone; rebuilds the tapes of a block of steps at a time.

    For forward mode (`jax.jvp`, `jax.jacfwd`, `jax.linearize`) there is
    `Linearized(Recomputed(block))`.

    All states are known when the way back begins, so the tapes of a whole block come
    from one batched product. Bytes kept: the states, T·B·H (`lstm`: twice that), of
    which h is the output anyway; and one block of tapes while the way back runs.

    Args:
        block: steps per block; if not given, as many as fill the cache. Where
            `jax.export` has a symbol for B, about √T; for T, all steps are one block,
            also where it is given.
    """

    block: int | None = None

    def __post_init__(self) -> None:
        _steps(self, "block")

    def block_size(self, cell: Cell, task: Task, parts: Parts | None) -> int:
        # A block holds its tapes as well: half of what `Stored` takes.
        return self.block or default_block(cell, task, parts, share=2)

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, state._replace(h=None), None)

    def save(self, kept: Kept) -> Kept:
        return kept

    def restore(
        self, cell: Cell, part: Part, course: Course
    ) -> tuple[State, Tape, Index]:
        states = view(part.kept.states(), part.at, part.size)
        states = part.states_before(states, course)
        drives = cell.project(part.task.params, part.task.sequence.xs)
        step = jax.vmap(cell.step, in_axes=(None, 0, 0))
        _, tapes = step(part.task.params, widen(states), drives)
        return states, narrow(tapes, part.task.start), 0


@dataclasses.dataclass(frozen=True)
class Checkpointed:
    """Keeps every k-th state; runs each segment again, with its tapes.

    For forward mode (`jax.jvp`, `jax.jacfwd`, `jax.linearize`) there is
    `Linearized(Checkpointed(every))`.

    Bytes kept: T/k states; and k steps of states and tapes while the way back runs.
    Costs one more forward pass.

    Args:
        every: k, steps per segment; √T if not given, so that both grow alike with T.
            Where `jax.export` has a symbol for T, all steps are one segment, also
            where it is given.
    """

    every: int | None = None

    def __post_init__(self) -> None:
        _steps(self, "every")

    def block_size(self, cell: Cell, task: Task, parts: Parts | None) -> int:
        return self.every or root_of(task.length)

    def stack(self, state: State, tape: Tape) -> Kept:
        return Kept(state.h, None, None)

    def save(self, kept: Kept) -> Kept:
        return NOTHING

    def restore(
        self, cell: Cell, part: Part, course: Course
    ) -> tuple[State, Tape, Index]:
        keep = Stored().stack
        _, kept = run(cell, part.task, part.entry, course, keep)
        states_prev = part.states_before(kept.states(), course)
        return states_prev, kept.all_tapes(states_prev), 0


@dataclasses.dataclass(frozen=True)
class Autodiff:
    """No rule of our own: JAX differentiates the plain scan.

    The oracle of the other ways, in both directions.
    """


ByHand: TypeAlias = Stored | Recomputed | Checkpointed


@dataclasses.dataclass(frozen=True)
class Linearized:
    """Both directions: the rule of another way as a linear map, for forward mode.

    What `Stored`, `Recomputed` and `Checkpointed` are by a `jax.custom_vjp`, this is by
    a `jax.custom_jvp`: the same numbers, the same loops, and no gradient of a weight in
    any of them. It has `jax.jvp`, `jax.jacfwd`, `jax.linearize` and `jax.hessian` as
    well, and any order of derivatives. The equations: `engine/linearized.py`.

    Args:
        of: the way on which it stands: what it keeps, and how that comes back.

    Raises:
        ValueError: if ``of`` is no such way.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.gru(4)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> def outputs(xs):
    ...     return sr.unroll(cell, params, xs, backward=sr.Linearized()).outputs
    >>> xs = jnp.ones((7, 2, 3))
    >>> outputs, d_outputs = jax.jvp(outputs, (xs,), (xs,))
    >>> d_outputs.shape
    (7, 2, 4)
    """

    of: ByHand = Stored()

    def __post_init__(self) -> None:
        if not isinstance(self.of, ByHand):
            raise ValueError(
                "expected Linearized(of=Stored(), Recomputed(block) or "
                f"Checkpointed(every)), got of={self.of!r}{_hint(self.of)}"
            )


FORMS = ("associative", "chunks")


@dataclasses.dataclass(frozen=True)
class Parallel:
    """In parallel over time, of cells whose units do not meet in the recurrence.

    Of an affine cell (`sr.min_gru`, `sr.min_lstm`, `sr.lru`) both directions have a
    depth that grows with log T; of a diagonal one that is not affine (`sr.ind_rnn`) the
    way back. The numbers are those of the other ways to rounding: `engine/parallel.py`
    has the equations, `engine/recurrences.py` the bound, and why nothing overflows
    where no factor is above 1. Where one is, a product of a stretch may, and give NaN.

    It joins twice as many maps as there are steps, and reads and writes each several
    times: on a CPU it is slower as a rule (docs/diagonal.md). It is for devices
    that wait for the next step of a loop longer than they compute in it. Nothing
    chooses it by itself. For forward mode there are `Linearized` and `Autodiff`.

    Bytes kept: the states, T·B·H. Tapes, drives and maps of all steps stand in memory
    at once while either direction runs.

    Args:
        form: "associative", `jax.lax.associative_scan`; or "chunks", three loops of
            about √T steps over all chunks at once, which heed ``unroll``.
        chunk: steps per chunk, of that form; about √(T/2) if not given.

    Raises:
        ValueError: if an argument is not as described, or a chunk is given to the other
            form. `sr.unroll` raises one for a cell whose recurrence is dense.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.min_gru(4)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> @jax.jit
    ... def final(params, xs):
    ...     return sr.unroll(cell, params, xs, backward=sr.Parallel()).final.h
    >>> final(params, jnp.ones((7, 2, 3))).shape
    (2, 4)
    """

    form: str = "associative"
    chunk: int | None = None

    def __post_init__(self) -> None:
        one_of("Parallel(form)", self.form, FORMS)
        _steps(self, "chunk")
        if self.chunk is not None and self.form != "chunks":
            raise ValueError(
                f'expected a chunk with form="chunks" alone, got chunk={self.chunk} '
                f'and form="{self.form}"'
            )


Backward: TypeAlias = ByHand | Autodiff | Linearized | Parallel

NOTHING = Kept(None, None, None)


def check_way(backward: object) -> None:
    """An error unless ``backward`` is one of the six ways."""
    if not isinstance(backward, Backward):
        raise ValueError(
            "expected backward=Stored(), Recomputed(block), Checkpointed(every), "
            "Parallel(form), Linearized(of), Autodiff(), Fastest() or Budget(bytes), "
            f"got {backward!r}{_hint(backward)}"
        )


def check_parallel(cell: Cell, task: Task) -> None:
    """An error unless `Parallel` knows how the cell and so many steps can be walked."""
    if cell.recurrence not in ("diagonal", "affine"):
        raise ValueError(
            "expected a cell whose recurrence is diagonal or affine with "
            "backward=Parallel(), such as sr.min_gru, got one that is "
            f"{cell.recurrence}, {shown(cell)}: its units read each other, and two "
            "steps joined would be a product of matrices; take Stored(), Recomputed() "
            "or Checkpointed()"
        )
    if not is_number(task.length):
        raise ValueError(
            f"expected a number of steps with backward=Parallel(), got {task.length}; "
            "under jax.export name another way back"
        )


def _hint(way: object) -> str:
    # Of those that are chosen for shapes as well, which are made of these.
    is_class = isinstance(way, type) and dataclasses.is_dataclass(way)
    return "; it is a value: add the parentheses" if is_class else ""


def steps_in_block(
    cell: Cell, way: ByHand, task: Task, parts: Parts | None = None
) -> int:
    """K, from shapes alone; all T of them where T is a symbol (`sizes.py`)."""
    length = task.length
    if not is_number(length):
        return length
    return min(way.block_size(cell, task, parts), length)


def _steps(way: Any, name: str) -> None:
    """Makes the named field of a frozen way a plain int, or None."""
    steps = getattr(way, name)
    if steps is not None:
        steps = whole_number(f"{type(way).__name__}({name})", steps)
        object.__setattr__(way, name, steps)
