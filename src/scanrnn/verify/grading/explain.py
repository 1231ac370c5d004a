"""Which mistake gives the numbers that someone posted? No code is needed."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..report import Row, Suspicion, Verdict
from ..rounding import Floats
from .cases import GENERIC, Case, generic, official
from .mistakes import Mistake, may_combine, of
from .replay import Leaves, replay, try_replay

ENTRY = re.compile(
    r"""(?:\w+\[)?["']?(?P<leaf>[A-Za-z]\w*)["']?\]?      # gradients["dx"] or dx
        (?P<index>(?:\s*\[\s*\d[\d,\s]*\])+)               # [1][2] or [1, 2]
        \s*[=:]\s*
        (?P<value>\[[^\]]*\]|[-+]?[\d.]+(?:[eE][-+]?\d+)?) # one number or a row""",
    re.VERBOSE,
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Posted(NamedTuple):
    """One printed entry: a number, or a row of numbers, with the digits shown."""

    name: str
    leaf: str
    place: tuple[int, ...]
    values: Floats  # (n,)
    decimals: int

    def matches(self, leaves: Leaves) -> list[bool]:
        """Number by number: equal to the digits shown."""
        value = np.ravel(np.asarray(leaves[self.leaf])[self.place])
        if value.shape != self.values.shape:
            return [False] * self.values.size
        slack = 0.505 * 10.0**-self.decimals + 1e-9 * np.abs(self.values)
        return list(np.abs(value - self.values) <= slack)


def explain(
    numbers: str | Mapping[str, Any],
    like: str = "rnn_backward",
    case: Case | None = None,
) -> Verdict:
    """Ranks the mistakes that reproduce posted numbers, digit by digit.

    Every mistake of the catalogue is run again on the same case, alone and, where none
    alone explains all numbers, in pairs. A number is reproduced if it agrees in all the
    digits that were posted.

    Args:
        numbers: the printed entries as text, or a mapping such as
            ``{"dx[1][2]": [...], "dba[4]": -1.40083774}``; any subset.
        like: the function that gave them: ``rnn_backward``, ``lstm_cell_backward``, ...
        case: the case that they come from; the exercise's public test if not given.

    Returns:
        A `Verdict` that passes if the numbers are right.

    Raises:
        ValueError: if nothing can be read, or an entry is not one of the function's.

    >>> verdict = explain({"dWaa[1][2]": 2.286595}, like="rnn_backward")
    >>> verdict.suspicions[0].names
    ('caches: a_prev of step 0 is the last state',)
    """
    case = official(like) if case is None else case
    right = replay(case)
    posted = _read(numbers, right)
    rows = tuple(_row(entry, right) for entry in posted)
    if all(row.passed for row in rows):
        return Verdict(f"posted numbers of {like}", rows)
    found = _suspects(case, posted, right)
    notes = () if found and found[0].score == 1 else (UNEXPLAINED,)
    return Verdict(f"posted numbers of {like}", rows, tuple(found), notes)


UNEXPLAINED = (
    "no mistake of the catalogue, and no two of them, give all of these numbers; "
    "check that they come from the public test, or grade the function itself"
)


class _Candidate(NamedTuple):
    mistakes: tuple[Mistake, ...]
    score: float  # share of all posted numbers
    hits: int  # telling numbers that are reproduced
    leaves: Leaves


def _suspects(case: Case, posted: list[Posted], right: Leaves) -> list[Suspicion]:
    telling = [not match for entry in posted for match in entry.matches(right)]
    touched: dict[tuple[str, ...], NDArray[np.bool_]] = {}

    def scored(groups: Iterable[tuple[Mistake, ...]]) -> list[_Candidate]:
        found = []
        for group in groups:
            leaves = try_replay(case, group)
            if leaves is None or not _same_shapes(leaves, right):
                continue
            match = [m for entry in posted for m in entry.matches(leaves)]
            touched[_names_of(group)] = np.array(_touched(posted, leaves, right))
            hits = sum(m for m, tells in zip(match, telling, strict=True) if tells)
            if hits:
                score = sum(match) / len(match)
                found.append(_Candidate(group, score, hits, leaves))
        return found

    mistakes = of(case.like)
    found = scored((mistake,) for mistake in mistakes)
    if not any(candidate.score == 1 for candidate in found):
        found += scored(
            pair for pair in _pairs(mistakes) if _may_explain(pair, touched, telling)
        )
    found.sort(key=lambda c: (-c.score, len(c.mistakes), -c.hits))
    return _described(case, posted, found, sum(telling))


def _touched(posted: list[Posted], leaves: Leaves, right: Leaves) -> list[bool]:
    """Number by number: whether a wrong pass changes it at all."""
    changed: list[bool] = []
    for entry in posted:
        wrong = np.ravel(np.asarray(leaves[entry.leaf])[entry.place])
        value = np.ravel(np.asarray(right[entry.leaf])[entry.place])
        changed += list(~np.isclose(wrong, value, rtol=1e-12, atol=1e-300))
    return changed


def _may_explain(
    pair: tuple[Mistake, ...],
    touched: Mapping[tuple[str, ...], NDArray[np.bool_]],
    telling: list[bool],
) -> bool:
    """A pair can give only numbers that one of the two changes; a form, anything."""
    if any(mistake.harmless for mistake in pair):
        return True
    one, two = (touched.get((mistake.name,)) for mistake in pair)
    return one is not None and two is not None and list(one | two) == telling


def _same_shapes(leaves: Leaves, right: Leaves) -> bool:
    return all(np.shape(leaves[name]) == value.shape for name, value in right.items())


def _pairs(mistakes: Sequence[Mistake]) -> Iterator[tuple[Mistake, ...]]:
    """Pairs in either order where the order counts, and forms beside a mistake."""
    for one, two in combinations(mistakes, 2):
        if one.harmless and two.harmless:
            continue
        if one.harmless:
            one, two = two, one
        if may_combine(one, two):
            yield one, two
        elif may_combine(two, one):
            yield two, one


def _described(
    case: Case, posted: list[Posted], found: list[_Candidate], telling: int
) -> list[Suspicion]:
    described: list[Suspicion] = []
    taken: set[tuple[str, ...]] = set()
    for candidate in found[: 4 * MOST]:
        names = _names(candidate)
        if names in taken or len(described) == MOST:
            continue
        alike = [c for c in found if c is not candidate and _same(posted, c, candidate)]
        taken.update(map(_names, alike))
        described.append(_suspicion(case, posted, candidate, alike, telling))
    return described


MOST = 10  # suspects that are described


def _names(candidate: _Candidate) -> tuple[str, ...]:
    return _names_of(candidate.mistakes)


def _names_of(mistakes: Sequence[Mistake]) -> tuple[str, ...]:
    return tuple(mistake.name for mistake in mistakes)


def _same(posted: list[Posted], one: _Candidate, two: _Candidate) -> bool:
    """Whether two give the same numbers where numbers were posted."""
    if one.score != two.score:
        return False
    return all(
        np.allclose(
            np.asarray(one.leaves[entry.leaf])[entry.place],
            np.asarray(two.leaves[entry.leaf])[entry.place],
            rtol=1e-9,
            atol=10.0**-entry.decimals,
            equal_nan=True,
        )
        for entry in posted
    )


def _suspicion(
    case: Case,
    posted: list[Posted],
    candidate: _Candidate,
    alike: list[_Candidate],
    telling: int,
) -> Suspicion:
    agree = [e.name for e in posted if all(e.matches(candidate.leaves))]
    evidence = f"{candidate.hits} of {telling} wrong numbers, all digits: "
    return Suspicion(
        _names(candidate),
        " ".join(mistake.says for mistake in candidate.mistakes),
        "; ".join(m.instead for m in candidate.mistakes if not m.harmless),
        candidate.score,
        evidence + (", ".join(agree) or "no entry as a whole"),
        tuple(" and ".join(_names(other)) for other in alike),
        tell_apart(case, candidate.mistakes, alike[0].mistakes) if alike else "",
    )


def tell_apart(case: Case, one: Sequence[Mistake], two: Sequence[Mistake]) -> str:
    """A number in which two mistakes differ: on this case, or else on another."""
    for other in (case, *(generic(case.like, sizes) for sizes in GENERIC)):
        first, second = try_replay(other, one), try_replay(other, two)
        if first is None or second is None:
            continue
        for leaf in first:
            a, b = np.asarray(first[leaf]), np.asarray(second[leaf])
            if a.shape != b.shape or np.allclose(a, b, rtol=1e-6, equal_nan=True):
                continue
            index = np.unravel_index(np.argmax(np.abs(a - b)), a.shape)
            entry = f"{leaf}{''.join(f'[{i}]' for i in index)}"
            values = f"{a[index]:.6g} for the first, {b[index]:.6g} for the other"
            return f"look at {entry} of the {other.name}: {values}"
    return "no case that was tried tells them apart"


def _read(numbers: str | Mapping[str, Any], right: Leaves) -> list[Posted]:
    if isinstance(numbers, str):
        pairs = [
            (match["leaf"] + match["index"], match["value"])
            for match in ENTRY.finditer(numbers)
        ]
    else:
        pairs = [(key, value) for key, value in numbers.items()]
    if not pairs:
        raise ValueError(
            "expected entries such as dx[1][2] = [0.1, 0.2] or dba[4] = 0.3, found none"
        )
    return [_posted(key, value, right) for key, value in pairs]


def _posted(key: str, value: Any, right: Leaves) -> Posted:
    name = re.sub(r"\s+", "", key)
    leaf = re.split(r"\[", name)[0]
    index = tuple(int(i) for i in re.findall(r"\d+", name[len(leaf) :]))
    if leaf not in right:
        raise ValueError(f"expected one of {sorted(right)}, got {leaf!r}")
    texts = NUMBER.findall(value) if isinstance(value, str) else _texts(value)
    try:
        shape = right[leaf][index].size
    except IndexError:
        shape = -1
    if shape != len(texts):
        raise ValueError(
            f"expected {name} of {leaf} {right[leaf].shape} to be "
            f"{max(shape, 0)} numbers, got {len(texts)}"
        )
    values = np.array([float(text) for text in texts])
    return Posted(name, leaf, index, values, max(map(_decimals, texts)))


def _texts(value: Any) -> list[str]:
    return [repr(float(number)) for number in np.ravel(value)]


def _decimals(text: str) -> int:
    exponent = Decimal(text).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _row(entry: Posted, right: Leaves) -> Row:
    value = np.ravel(np.asarray(right[entry.leaf])[entry.place])
    scale = float(np.max(np.abs(right[entry.leaf]))) or 1.0
    error = np.abs(value - entry.values)
    worst = int(np.argmax(error))
    passed = all(entry.matches(right))
    allowed = 0.5 * 10.0**-entry.decimals / scale
    steps = [not match for match in entry.matches(right)]
    in_time = entry.leaf == "dx" and len(entry.place) == 2
    step = max((t for t, wrong in enumerate(steps) if wrong), default=None)
    where = f"[{worst}]" if len(value) > 1 else ""
    return Row(
        entry.name,
        "public test",
        float(error[worst]) / scale,
        allowed,
        where,
        step if in_time else None,
        passed,
        note="" if passed else f"expected {value[worst]:.8g}",
    )
