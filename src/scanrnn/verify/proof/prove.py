"""The exact rung: are our gradient and that of `jax.grad` the same polynomials?

`prove` traces both programs, ours and JAX's own derivative of the plain scan, and
evaluates their jaxprs modulo a prime at a random point (`modular.py`, `interpret.py`).
No rounding, hence no tolerance: the results are equal or the programs are different.

What it shows, per configuration, is that the two programs are the same function of
params, start, inputs and cotangents, for the masks and tokens drawn, whatever tanh may
be. That the derivative of tanh
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

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from ...cell import Cell
from ...engine.ways import (
    Autodiff,
    Backward,
    Checkpointed,
    Recomputed,
    Stored,
    check_way,
)
from ..double import double
from .interpret import Value, as_field, evaluate
from .modular import Field, Refusal, Unknowns
from .programs import Task, Traced, configurations, draw_task, kinds_of_inputs, trace
from .report import Configuration, Proof, Row

WAYS = (Stored(), Recomputed(2), Checkpointed(2))
PATTERNS = 16  # of signs, tried where programs are not the same for all
UNDECIDED = (
    f"undecided: equal for {PATTERNS} random patterns of signs, but not as polynomials "
    "in them; the formulas may rest on [x > 0]² = [x > 0]"
)


def prove(
    cell: Cell,
    *,
    ways: Sequence[Backward] = WAYS,
    steps: Sequence[int] = (1, 2, 3, 4),
    batch_size: int = 2,
    input_size: int = 3,
    inputs: Sequence[str] | None = None,
    draws: int = 3,
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
        draws: how many masks, resets and tokens are drawn for every program.
        seed: of the random point, the masks and the tokens.

    Returns:
        A `Proof`: ``passed``, ``bound`` (a bound on the probability that a wrong
        program passes), and ``rows``. A program that holds a primitive without a
        known meaning is refused: its rows are not equal, and say why.

    Raises:
        ValueError: if an argument is not as described.

    >>> import scanrnn as sr
    >>> from scanrnn.verify.proof.prove import prove
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
    _check(cell, ways, steps, (batch_size, input_size, draws), inputs)
    rows: list[Row] = []
    bound = 0.0
    with double():
        sizes = (batch_size, input_size)
        for at in configurations(inputs or kinds_of_inputs(cell, *sizes), steps):
            drawn = draws if at.masks or at.inputs == "tokens" else 1
            tasks = [draw_task(cell, at, *sizes, seed + i) for i in range(drawn)]
            found, chance = _compare(cell, at, ways, tasks, seed)
            rows += found
            bound = max(bound, chance)
    return Proof(tuple(rows), bound)


def _check(
    cell: Cell,
    ways: Sequence[Backward],
    steps: Sequence[int],
    sizes: tuple[int, ...],
    inputs: Sequence[str] | None,
) -> None:
    if not isinstance(cell, Cell):
        raise ValueError(f"expected a Cell, such as sr.lstm(2), got {cell!r}")
    if cell.enter is None and any(map(_is_complex, _start(cell))):
        raise ValueError(
            f"expected a cell of real states, got {cell!r}: a prime has no complex "
            "numbers here; verify.check audits such cells"
        )
    for way in ways:
        check_way(way)
        if isinstance(way, Autodiff):
            raise ValueError(
                "expected ways back by hand, such as Stored(), got Autodiff(), which "
                "they are compared with"
            )
    if not all(isinstance(size, int) and size >= 1 for size in (*steps, *sizes)):
        raise ValueError(
            "expected steps, batch_size, input_size and draws of at least 1, got "
            f"{tuple(steps)} and {sizes}"
        )
    if not steps or not ways or inputs == []:
        raise ValueError("expected at least one of ways, steps and inputs, got none")
    if inputs is not None and not set(inputs) <= {"floats", "tokens"}:
        raise ValueError(f'expected inputs of "floats" and "tokens", got {inputs!r}')


def _start(cell: Cell) -> list[jax.ShapeDtypeStruct]:
    leaves: list[jax.ShapeDtypeStruct] = jax.tree.leaves(
        jax.eval_shape(lambda: cell.start(1))
    )
    return leaves


def _is_complex(leaf: jax.ShapeDtypeStruct) -> bool:
    return bool(np.issubdtype(leaf.dtype, np.complexfloating))


class Point(NamedTuple):
    """Where two programs are compared, and the oracle's results there."""

    unknowns: Unknowns
    arguments: list[Value]
    results: list[Field]


def _point(oracle: Traced, task: Task, unknowns: Unknowns) -> Point:
    arguments: list[Value] = [
        unknowns.draw(leaf.shape) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf
        for leaf in jax.tree.leaves(task)
    ]
    return Point(unknowns, arguments, _results(oracle, arguments, unknowns))


def _results(
    program: Traced, arguments: list[Value], unknowns: Unknowns
) -> list[Field]:
    return [as_field(v) for v in evaluate(program.jaxpr, arguments, unknowns)]


def _compare(
    cell: Cell,
    at: Configuration,
    ways: Sequence[Backward],
    tasks: Sequence[Task],
    seed: int,
) -> tuple[list[Row], float]:
    """The rows of one configuration, and a bound on the chance that one is wrong."""
    oracle = trace(cell, Autodiff(), at, tasks[0])
    try:
        points = [_point(oracle, task, Unknowns(seed)) for task in tasks]
    except Refusal as refusal:
        return _rows(ways, at, oracle, [_reason(refusal)] * len(oracle.leaves)), 1.0
    rows: list[Row] = []
    bound = 0.0
    for way in ways:
        try:
            ours = trace(cell, way, at, tasks[0])
            reasons, chance = _differences(ours, points)
            if any(reasons) and any(point.unknowns.has_signs for point in points):
                reasons = _by_bits(ours, oracle, tasks, seed, reasons)
            bound = max(bound, chance)
        except Exception as error:
            # A cell may be wrong in any way at all; none of them is a pass.
            reasons = [_reason(error)] * len(oracle.leaves)
        rows += _rows([way], at, oracle, reasons)
    return rows, bound


def _differences(ours: Traced, points: Sequence[Point]) -> tuple[list[str], float]:
    """Where each leaf differs, if anywhere, and a bound on the chance of a miss."""
    reasons = [""] * len(ours.leaves)
    bound = 0.0
    for unknowns, arguments, theirs in points:
        pairs = list(zip(_results(ours, arguments, unknowns), theirs, strict=True))
        found = [_difference(*pair) for pair in pairs]
        reasons = [old or new for old, new in zip(reasons, found, strict=True)]
        degree = max(x.degree.of_difference(y.degree) for x, y in pairs)
        bound = max(bound, unknowns.false_pass(degree))
    return reasons, bound


def _by_bits(
    ours: Traced,
    oracle: Traced,
    tasks: Sequence[Task],
    seed: int,
    reasons: Sequence[str],
) -> list[str]:
    """The reasons, but "undecided" where results agree for signs in {0, 1}."""
    points = [
        _point(oracle, task, Unknowns(seed + 1 + pattern, bits=True))
        for task in tasks
        for pattern in range(PATTERNS)
    ]
    differ, _ = _differences(ours, points)
    undecided = [UNDECIDED if reason else "" for reason in reasons]
    return [a or b for a, b in zip(differ, undecided, strict=True)]


def _rows(
    ways: Sequence[Backward], at: Configuration, oracle: Traced, reasons: Sequence[str]
) -> list[Row]:
    return [
        Row(way, at, leaf, not reason, reason)
        for way in ways
        for leaf, reason in zip(oracle.leaves, reasons, strict=True)
    ]


def _difference(x: Field, y: Field) -> str:
    """Where two results differ; empty where they do not."""
    if x.shape != y.shape:
        return f"expected shape {y.shape}, got {x.shape}"
    wrong = np.argwhere(x.data != y.data)
    if not len(wrong):
        return ""
    at = ", ".join(map(str, wrong[0]))
    return f"{len(wrong)} of {x.data.size} entries differ, the first at [{at}]"


def _reason(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0]
    kind = "refused" if isinstance(error, Refusal) else type(error).__name__
    return f"{kind}: {text}"
