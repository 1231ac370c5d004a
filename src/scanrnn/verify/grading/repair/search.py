"""Looks for the change of somebody's own program that makes it right.

A mistake that nobody listed, in a way to write that nobody foresaw, is still a small
distance from a right program: the learner's own. So the program is changed, one place
at a time, and run; a change after which all leaves are right, on cases that it was not
found by as well, is where the mistake is. Places that cannot have made the wrong leaves
are left out: those whose value, when it is disturbed, leaves them as they are.

Two mistakes are found one after the other, if the first change makes more of it right.
"""

import ast
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..child.variants import SHAKE
from ..conventions import Convention, Found
from ..sandbox import Unjudged
from .bench import ARGUMENTS, Bench, Right, benches
from .calls import calls
from .change import Change
from .factors import factors
from .look import Look, look, watched
from .names import names
from .operators import operators
from .own import Definition, Own, own
from .places import places
from .statements import endless, statements
from .terms import terms

FAMILIES = (operators, calls, places, names, factors, terms, statements)
BATCH = 64
ENOUGH = 3  # repairs that are told
FIRST = 3  # changes that mend a part, and are kept while a second is looked for
DISTURBS = 2.0  # what a change costs more that moves a leaf which is right


class Patience(NamedTuple):
    """Seconds of CPU time."""

    one: float  # for a change that makes all right
    two: float  # and as much again, twice, for two of them


THOROUGH, QUICK = Patience(4.0, 2.5), Patience(3.0, 0.0)


class Repair(NamedTuple):
    """Definitions written otherwise, after which a function is right."""

    before: Mapping[str, Definition]
    after: Mapping[str, str]
    cost: float


def repairs(
    convention: Convention, like: str, patience: Patience = THOROUGH
) -> list[Repair]:
    """Changes of a function's program after which it is right, the likeliest first.

    Args:
        convention: how it is called.
        like: the function of the exercise that it stands for.
        patience: how long is looked.
    """
    program = own_of(convention)
    if program is None:
        return []
    tried = benches(convention, like)
    if not _is_the_function(program, tried[0]):
        return []
    alone = _singles(program, tried, patience.one, True)
    if alone.repairs or not patience.two:
        return alone.repairs
    first = _singles(program, tried, patience.two, False)
    if first.repairs:
        return first.repairs
    until = program.clock() + patience.two
    for change in (*alone.partly, *first.partly):
        left = until - program.clock()
        if left <= 0:
            break
        mended = _with(program, change)
        again = _singles(mended, tried, left / 2, True)
        if again.repairs:
            return [
                Repair(program.definitions, {**_texts(mended), **r.after}, r.cost)
                for r in again.repairs
            ]
    return []


def own_of(convention: Convention) -> Own | None:
    """The program of the functions that a convention calls."""
    called = (convention.function, convention.before)
    return own(convention.function, [one.__name__ for one in called if one is not None])


def _is_the_function(program: Own, bench: Bench) -> bool:
    """Whether what was read is what is judged: a decorator may do something else."""
    try:
        found = bench.convention.run(bench.case, 5.0)
    except Unjudged:
        return False
    found_here = program.answers(_whole(program), bench.call, 5.0).get("answers")
    answer: Mapping[str, Any] = (found_here or [{}])[0]
    leaves = _leaves(bench, answer)
    if found.failure or "value" not in answer:
        return bool(found.failure) and "value" not in answer
    return leaves.keys() == found.leaves.keys() and all(
        _near(leaves[name], found.leaves[name]) for name in leaves
    )


def _near(one: Any, two: Any) -> bool:
    """Whether two arrays are the same to rounding; what is no array is not compared."""
    if getattr(one, "shape", None) != getattr(two, "shape", None):
        return False
    try:
        return np.allclose(one, two, 1e-5, 1e-8, equal_nan=True)
    except (TypeError, ValueError):
        return True


def _whole(program: Own) -> list[str]:
    """A source that changes nothing."""
    return ["\n".join(_texts(program).values())]


def _texts(program: Own) -> dict[str, str]:
    return {name: one.text for name, one in program.definitions.items()}


def _start(program: Own, bench: Bench) -> Right:
    """What is right of the program as it is."""
    answers = program.answers(_whole(program), bench.call, 5.0)
    found: Sequence[Any] = answers.get("answers") or [{}]
    return bench.of(found[0])


def _with(program: Own, change: Change) -> Own:
    """The program with a change in it."""
    old, text = change.definition, change.source
    tree = ast.parse(text).body[0]
    new = Definition(tree, text, old.place, old.first, old.top)
    head = text.lstrip().partition("(")[0] + "("  # def f(

    def ask(sources: Sequence[str], call: Any, seconds: float) -> Any:
        whole = [s if head in s else f"{text}\n{s}" for s in sources]
        return program.answers(whole, call, seconds)

    return Own({**program.definitions, old.name: new}, ask)


class _Found(NamedTuple):
    """What became of a search for one change."""

    repairs: list[Repair]  # all of it is right
    partly: list[Change]  # more of it is right


def _singles(
    program: Own, tried: Sequence[Bench], seconds: float, whole: bool
) -> _Found:
    """Changes that make all of it right; or else those that make more of it right.

    They are looked for on the first case on which the program is wrong. A change of a
    value that moves a leaf which is right would make that wrong, as a rule, so such
    places come late.
    """
    until = program.clock() + seconds
    starts = ((b, _start(program, b)) for b in tried)
    wrong, start = next((one for one in starts if one[1] != one[0].every), (None, None))
    if wrong is None or start is None:
        return _Found([], [])
    rest = [b for b in tried if b is not wrong]
    looked = _looked(program, wrong)
    moved = _moved(program, looked, wrong)
    missing = wrong.every - start
    lost = {leaf for leaf, _ in missing}
    kept = frozenset(one for one in start if one[0] not in lost)

    def may(anchor: ast.expr | None) -> bool:
        moves = moved.get(id(anchor), missing) | {ARGUMENTS}
        return moves >= missing if whole else bool(moves & missing)

    def cost(change: Change) -> float:
        moves = moved.get(id(change.anchor), missing)
        return change.cost + DISTURBS * bool(moves & kept)

    chosen = [site for site in looked.sites if may(site.anchor)]
    looked = dataclasses.replace(looked, sites=chosen)

    repairs, partly = list[Repair](), list[tuple[int, float, Change, Right]]()
    changes = _ordered(looked, cost)
    while batch := list(itertools.islice(changes, BATCH)):
        sources = [change.source for _, change in batch]
        answers = program.answers(sources, wrong.call, seconds)
        for (its, change), answer in zip(
            batch, answers.get("answers") or (), strict=False
        ):
            right = wrong.of(answer)
            if right == wrong.every and _holds(program, change, rest):
                after = {change.definition.name: change.source}
                repairs.append(Repair(program.definitions, after, its))
            elif right > start:
                partly.append((-len(right), its, change, right))
        enough = len(repairs) >= ENOUGH or (repairs and batch[-1][0] > repairs[0].cost)
        if enough or program.clock() > until:
            break
    partly.sort(key=lambda one: one[:2])
    kinds: dict[Right, Change] = {}
    for _, _, change, right in partly:
        kinds.setdefault(right, change)
    return _Found(repairs, list(kinds.values())[:FIRST])


def _holds(program: Own, change: Change, rest: Iterable[Bench]) -> bool:
    """Whether all is right on the other cases too."""
    for each in rest:
        answers = program.answers([change.source], each.call, 5.0).get("answers")
        if not answers or each.of(answers[0]) != each.every:
            return False
    return True


def _looked(program: Own, bench: Bench) -> Look:
    answers = program.answers(["\n".join(watched(program))], bench.call, 5.0)
    return look(program, answers.get("seen") or {})


def _ordered(
    looked: Look, cost: Callable[[Change], float]
) -> Iterator[tuple[float, Change]]:
    """The likeliest changes first; none twice."""
    known = set()
    every = [change for family in FAMILIES for change in family(looked)]
    every = [change for change in every if not endless(change)]
    for its, change in sorted(((cost(c), c) for c in every), key=lambda one: one[0]):
        key = (change.definition.name, change.spans)
        if key not in known:
            known.add(key)
            yield its, change


def _moved(program: Own, looked: Look, bench: Bench) -> dict[int, Right]:
    """What of the leaves moves when a value is disturbed, by the value's place.

    A place that is not among them may move all.
    """
    anchors: dict[int, tuple[Definition, ast.expr]] = {}
    for site in looked.sites:
        if site.anchor is not None:
            anchors[id(site.anchor)] = (site.definition, site.anchor)
    sources = [
        one.written([one.span(node, f"{SHAKE}({ast.unparse(node)})")])
        for one, node in anchors.values()
    ]
    sources = _whole(program) + sources
    found = program.answers(sources, bench.call, 5.0).get("answers") or []
    if not found or "value" not in found[0]:
        return {}
    first, *others = [_leaves(bench, answer) for answer in found]
    return {
        key: frozenset(
            (leaf, t)
            for leaf, t in bench.every
            if leaf in bench.right
            and not _alike(bench, first.get(leaf), leaves.get(leaf), leaf, t)
        )
        for key, leaves in zip(anchors, others, strict=False)
        if leaves
    }


def _leaves(bench: Bench, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if "value" not in answer:
        return {}
    convention = bench.convention
    return convention.told(
        Found({}), answer["value"], answer["made"], bench.case
    ).leaves


def _alike(bench: Bench, one: Any, two: Any, leaf: str, part: int) -> bool:
    """Whether a leaf, or a part of it, is what it was."""
    shape = bench.right[leaf].value.shape
    if np.shape(one) != shape or np.shape(two) != shape:
        return False
    one, two = (bench.parts(np.asarray(x))[part] for x in (one, two))
    return one.dtype == two.dtype == np.float64 and bool(
        np.array_equal(one, two, equal_nan=True)
    )
