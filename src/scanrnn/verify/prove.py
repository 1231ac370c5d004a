"""The exact rung: are our gradient and that of `jax.grad` the same polynomials?

`prove` traces both programs, ours and JAX's own derivative of the plain scan, and
evaluates their jaxprs modulo a prime at a random point (`modular.py`, `interpret.py`).
No rounding, hence no tolerance: the results are equal or the programs are different.

What it shows, per configuration, is that the two programs are the same function of
params, start, inputs and cotangents, whatever tanh may be. That the derivative of tanh
is 1 - tanh² is JAX's part. A wrong program passes only by an accident of the random
point, the probability of which is bounded in the result. The prime is fixed: two
programs whose constants differ by a multiple of it are not told apart.

A right program may be refused, or found different, where its equality rests on more
than arithmetic: exp(a + b) = exp(a) exp(b), say, or [x > 0]² = [x > 0] (which is told
apart, as undecided). A custom rule inside a cell's own functions is taken as it stands,
in both programs. Every conversion from one floating dtype to another counts as exact.

Sources: Schwartz 1980, "Fast probabilistic algorithms for verification of polynomial
identities"; Zippel 1979, "Probabilistic algorithms for sparse polynomials".
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..backward import (
    Autodiff,
    Backward,
    Checkpointed,
    Recomputed,
    Stored,
    check_way,
)
from ..cell import Cell
from ..unroll import Unrolled, unroll
from .interpret import Value, as_field, evaluate
from .modular import Field, Refusal, Unknowns

WAYS = (Stored(), Recomputed(2), Checkpointed(2))
PATTERNS = 16  # of signs, tried where programs are not the same for all
UNDECIDED = (
    f"undecided: equal for {PATTERNS} random patterns of signs, but not as polynomials "
    "in them; the formulas may rest on [x > 0]² = [x > 0]"
)
MASKS = ((), ("lengths",), ("resets",), ("mask", "resets"))


class Configuration(NamedTuple):
    """One program: what is fed to `unroll`, apart from the way back."""

    inputs: str  # "floats" or "tokens"
    steps: int
    masks: tuple[str, ...]  # of lengths, mask, resets
    reverse: bool

    def __str__(self) -> str:
        words = (self.inputs, f"T={self.steps}", *self.masks)
        return " ".join((*words, "reverse") if self.reverse else words)


class Row(NamedTuple):
    """One leaf of one configuration, one way back."""

    way: Backward
    configuration: Configuration
    leaf: str  # "outputs", "final.h", "d_params.w_h", "d_xs", ...
    equal: bool
    reason: str  # where it differs, or why it was refused; empty if equal


class Proof(NamedTuple):
    """What `prove` found; prints as a table."""

    rows: tuple[Row, ...]
    bound: float  # on the probability that a wrong program passes

    @property
    def passed(self) -> bool:
        """Whether every leaf of every configuration is exactly equal."""
        return bool(self.rows) and all(row.equal for row in self.rows)

    def __str__(self) -> str:
        ways = list(dict.fromkeys(row.way for row in self.rows))
        lines = [("equal to jax.grad", *map(str, ways))]
        for leaf in dict.fromkeys(row.leaf for row in self.rows):
            counts = (_count(self.rows, leaf, way) for way in ways)
            lines.append((leaf, *counts))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join((*table, *self._findings()))

    def __repr__(self) -> str:
        return str(self)

    def _findings(self) -> list[str]:
        wrong = {row.way: row for row in reversed(self.rows) if not row.equal}
        if wrong:
            firsts = (
                f"{row.way}, {row.configuration}: {row.leaf}: {row.reason}"
                for row in reversed(wrong.values())
            )
            return ["not proved; the first that is not equal, by way back:", *firsts]
        count = len({(row.way, row.configuration) for row in self.rows})
        return [
            f"proved: {count} programs, equal modulo 2^61 - 1;",
            f"a wrong one passes with a probability below {self.bound:.0e}",
        ]


def _count(rows: Sequence[Row], leaf: str, way: Backward) -> str:
    equal = [row.equal for row in rows if (row.leaf, row.way) == (leaf, way)]
    return f"{sum(equal)}/{len(equal)}"


def prove(
    cell: Cell,
    *,
    ways: Sequence[Backward] = WAYS,
    steps: Sequence[int] = (1, 2, 3, 4),
    batch_size: int = 2,
    input_size: int = 3,
    inputs: Sequence[str] | None = None,
    seed: int = 0,
) -> Proof:
    """Compares a cell's hand-derived gradient with `jax.grad`, in exact arithmetic.

    Every way back, T in ``steps``, plain, with lengths, with resets, with a mask and
    resets (drawn at random), forward and in reverse (tokens: plain and forward, masked
    and in reverse); cotangents on the outputs and on the final state; the outputs, and
    the gradients by params, start and inputs, leaf by leaf.

    Args:
        cell: of the library or your own; of a small hidden size (2 or 3), for the
            arithmetic is in Python.
        ways: the ways back to compare with `Autodiff()`.
        steps: the numbers of steps T.
        batch_size: B.
        input_size: X.
        inputs: "floats", "tokens" or both; if not given, both where the cell takes
            both.
        seed: of the random point, the masks and the tokens.

    Returns:
        A `Proof`: ``passed``, ``bound`` (a bound on the probability that a wrong
        program passes), and ``rows``. A program that holds a primitive without a
        known meaning is refused: its rows are not equal, and say why.

    Raises:
        ValueError: if an argument is not as described.

    >>> import scanrnn as sr
    >>> from scanrnn.verify.prove import prove
    >>> prove(sr.rnn(2), steps=[1, 3], inputs=["floats"])
    equal to jax.grad  Stored()  Recomputed(block=2)  Checkpointed(every=2)
    d_params.w_x       16/16     16/16                16/16
    d_params.w_h       16/16     16/16                16/16
    d_params.b         16/16     16/16                16/16
    d_start.h          16/16     16/16                16/16
    d_xs               16/16     16/16                16/16
    final.h            16/16     16/16                16/16
    outputs            16/16     16/16                16/16
    proved: 48 programs, equal modulo 2^61 - 1;
    a wrong one passes with a probability below 6e-17
    """
    _check(cell, ways, steps, batch_size, input_size, inputs)
    rows: list[Row] = []
    bound = 0.0
    with jax.enable_x64(True):
        sizes = (batch_size, input_size)
        kinds = inputs or _kinds(cell, *sizes)
        for configuration in _configurations(kinds, steps):
            task = _draw(cell, configuration, *sizes, seed)
            found, chance = _compare(cell, configuration, ways, task, seed)
            rows += found
            bound = max(bound, chance)
    return Proof(tuple(rows), bound)


def _check(
    cell: Cell,
    ways: Sequence[Backward],
    steps: Sequence[int],
    batch_size: int,
    input_size: int,
    inputs: Sequence[str] | None,
) -> None:
    if not isinstance(cell, Cell):
        raise ValueError(f"expected a Cell, such as sr.lstm(2), got {cell!r}")
    for way in ways:
        check_way(way)
        if isinstance(way, Autodiff):
            raise ValueError(
                "expected ways back by hand, such as Stored(), got Autodiff(), which "
                "they are compared with"
            )
    counts = (*steps, batch_size, input_size)
    if not all(isinstance(count, int) and count >= 1 for count in counts):
        raise ValueError(
            "expected steps, batch_size and input_size of at least 1, got "
            f"{tuple(steps)}, {batch_size!r} and {input_size!r}"
        )
    if not steps or not ways or inputs == []:
        raise ValueError("expected at least one of ways, steps and inputs, got none")
    if inputs is not None and not set(inputs) <= {"floats", "tokens"}:
        raise ValueError(f'expected inputs of "floats" and "tokens", got {inputs!r}')


def _kinds(cell: Cell, batch_size: int, input_size: int) -> tuple[str, ...]:
    at = Configuration("tokens", 1, (), False)
    try:
        task = _draw(cell, at, batch_size, input_size, seed=0)
        jax.eval_shape(_program(cell, Autodiff(), at), task)
    except Exception:  # a cell of floats alone; which error it is depends on the cell
        return ("floats",)
    return ("floats", "tokens") if hasattr(task.params, "w_x") else ("floats",)


def _configurations(
    kinds: Sequence[str], steps: Sequence[int]
) -> Iterator[Configuration]:
    """All options for floats; for tokens, which differ in one product, two of them."""
    of_kind = {
        "floats": tuple(itertools.product(MASKS, (False, True))),
        "tokens": ((MASKS[0], False), (MASKS[-1], True)),
    }
    for kind, length in itertools.product(kinds, steps):
        for masks, reverse in of_kind[kind]:
            yield Configuration(kind, length, masks, reverse)


def _shapes(cell: Cell, batch_size: int, input_size: int) -> tuple[Any, Any]:
    """Shapes of params and start, in float64."""
    key = jax.random.key(0)
    return (
        jax.eval_shape(lambda: cell.init(key, input_size, jnp.float64)),
        jax.eval_shape(lambda: cell.start(batch_size, jnp.float64)),
    )


class Task(NamedTuple):
    """The arguments of a gradient program: shapes of floats, values of integers."""

    params: Any
    start: Any
    xs: Any
    masks: dict[str, Any]
    d_run: Unrolled


def _draw(
    cell: Cell, at: Configuration, batch_size: int, input_size: int, seed: int
) -> Task:
    random = np.random.default_rng(seed)
    params, start = _shapes(cell, batch_size, input_size)
    size = (at.steps, batch_size)
    drawn = {
        "lengths": random.integers(0, at.steps + 1, batch_size),
        "mask": random.random(size) < 0.6,
        "resets": random.random(size) < 0.4,
    }
    tokens = random.integers(0, input_size, size)
    floats = jax.eval_shape(lambda: jnp.zeros((*size, input_size)))
    d_hs = jax.eval_shape(lambda: jnp.zeros((*size, start.h.shape[1])))
    return Task(
        params,
        start,
        tokens if at.inputs == "tokens" else floats,
        {name: drawn[name] for name in at.masks},
        Unrolled(d_hs, start),
    )


def _program(cell: Cell, way: Backward, at: Configuration) -> Callable[..., Any]:
    """The outputs and the gradients, as a function of a task."""

    def program(task: Task) -> dict[str, Any]:
        def run(params: Any, start: Any, xs: Any) -> Unrolled:
            return unroll(
                cell,
                params,
                xs,
                start,
                reverse=at.reverse,
                backward=way,
                **task.masks,
            )

        floats = (task.params, task.start)
        if at.inputs == "tokens":
            made, pull = jax.vjp(lambda p, s: run(p, s, task.xs), *floats)
        else:
            made, pull = jax.vjp(run, *floats, task.xs)
        names = ("d_params", "d_start", "d_xs")
        return made._asdict() | dict(zip(names, pull(task.d_run), strict=False))

    return program


class Traced(NamedTuple):
    """The jaxpr of a program, and the names of its results."""

    jaxpr: Any
    leaves: tuple[str, ...]


def _trace(cell: Cell, way: Backward, at: Configuration, task: Task) -> Traced:
    program = jax.make_jaxpr(_program(cell, way, at), return_shape=True)
    jaxpr, made = program(task)
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(made)]
    names = (f"{path[0].key}{jax.tree_util.keystr(path[1:])}" for path in paths)
    return Traced(jaxpr, tuple(names))


def _compare(
    cell: Cell, at: Configuration, ways: Sequence[Backward], task: Task, seed: int
) -> tuple[list[Row], float]:
    """The rows of one configuration, and a bound on the chance that one is wrong."""
    unknowns = Unknowns(seed)
    arguments = _arguments(task, unknowns)
    oracle = _trace(cell, Autodiff(), at, task)
    rows: list[Row] = []
    degree = 0
    try:
        theirs = _results(oracle, arguments, unknowns)
    except Refusal as refusal:
        return _refuse(ways, at, oracle.leaves, refusal), 1.0
    for way in ways:
        try:
            program = _trace(cell, way, at, task)
            ours = _results(program, arguments, unknowns)
            reasons = [_difference(*pair) for pair in zip(ours, theirs, strict=True)]
            if any(reasons) and unknowns.has_signs:
                reasons = _by_bits(program, oracle, task, seed, reasons)
        except Exception as error:
            # A cell may be wrong in any way at all; none of them is a pass.
            rows += _refuse([way], at, oracle.leaves, error)
            continue
        for leaf, reason, x, y in zip(
            oracle.leaves, reasons, ours, theirs, strict=True
        ):
            rows.append(Row(way, at, leaf, not reason, reason))
            degree = max(degree, x.degree.of_difference(y.degree))
    return rows, unknowns.false_pass(degree)


def _arguments(task: Task, unknowns: Unknowns) -> list[Value]:
    return [
        unknowns.draw(leaf.shape) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf
        for leaf in jax.tree.leaves(task)
    ]


def _results(
    program: Traced, arguments: Sequence[Value], unknowns: Unknowns
) -> list[Field]:
    return [as_field(v) for v in evaluate(program.jaxpr, arguments, unknowns)]


def _by_bits(
    ours: Traced, theirs: Traced, task: Task, seed: int, reasons: list[str]
) -> list[str]:
    """The reasons, but "undecided" where results agree for signs in {0, 1}."""
    found = [UNDECIDED if reason else "" for reason in reasons]
    for pattern in range(PATTERNS):
        unknowns = Unknowns(seed + 1 + pattern, bits=True)
        arguments = _arguments(task, unknowns)
        results = (_results(program, arguments, unknowns) for program in (ours, theirs))
        for i, pair in enumerate(zip(*results, strict=True)):
            if found[i] == UNDECIDED and _difference(*pair):
                found[i] = reasons[i]
    return found


def _difference(x: Field, y: Field) -> str:
    """Where two results differ; empty where they do not."""
    if x.shape != y.shape:
        return f"expected shape {y.shape}, got {x.shape}"
    wrong = np.argwhere(x.data != y.data)
    if not len(wrong):
        return ""
    at = ", ".join(map(str, wrong[0]))
    return f"{len(wrong)} of {x.data.size} entries differ, the first at [{at}]"


def _refuse(
    ways: Sequence[Backward],
    at: Configuration,
    leaves: Sequence[str],
    error: Exception,
) -> list[Row]:
    text = (str(error).splitlines() or [""])[0]
    kind = "refused" if isinstance(error, Refusal) else type(error).__name__
    reason = f"{kind}: {text}"
    return [Row(way, at, leaf, False, reason) for way in ways for leaf in leaves]
