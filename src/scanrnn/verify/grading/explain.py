"""Which mistake gives the numbers that someone posted? No code is needed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..report import Suspicion, Verdict
from .candidates import Candidate, describe
from .cases import Case
from .mistakes import Mistake, may_combine, of
from .posted import Posted
from .reading import understand
from .replay import Leaves, try_replay


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
        case: the case that they come from; if not given, the edition of the exercise's
            public test that fits best.

    Returns:
        A `Verdict` that passes if the numbers are right.

    Raises:
        ValueError: if nothing can be read, or an entry is not one of the function's.

    >>> verdict = explain({"dWaa[1][2]": 2.286595}, like="rnn_backward")
    >>> verdict.suspicions[0].names
    ('caches: a_prev of step 0 is the last state',)
    """
    reading = understand(numbers, like, case)
    rows, notes = reading.rows(), reading.notes
    subject = f"posted numbers of {reading.like}"
    if all(all(entry.matches(reading.right)) for entry in reading.posted):
        return Verdict(subject, rows, (), notes)  # right, or only a shape is wrong
    found = _suspects(Question(reading.case, reading.posted, reading.right))
    explained = bool(found) and found[0].score == 1
    notes = notes if explained else (UNEXPLAINED, *notes)
    return Verdict(subject, rows, tuple(found), notes)


UNEXPLAINED = (
    "no mistake of the catalogue, and no two of them, give all of these numbers; "
    "check that they come from the public test, or grade the function itself"
)


class Question(NamedTuple):
    """Numbers that were posted, and the case that they come from."""

    case: Case
    posted: Sequence[Posted]
    right: Leaves

    @property
    def wrong(self) -> frozenset[int]:
        """Which of the posted numbers, counted through, are not the right ones."""
        matches = [m for entry in self.posted for m in entry.matches(self.right)]
        return frozenset(i for i, match in enumerate(matches) if not match)

    def changed(self, leaves: Leaves) -> frozenset[int]:
        """Which of the numbers a wrong pass changes at all."""
        other, right = (
            np.concatenate([entry.of(each) for entry in self.posted])
            for each in (leaves, self.right)
        )
        same = np.isclose(other, right, rtol=1e-12, atol=1e-300)
        return frozenset(np.flatnonzero(~same).tolist())

    def same(self, one: Candidate, two: Candidate) -> bool:
        """Whether two give the same numbers where numbers were posted."""
        return all(
            np.allclose(
                entry.of(one.leaves[0]),
                entry.of(two.leaves[0]),
                rtol=1e-9,
                atol=10.0**-entry.decimals,
                equal_nan=True,
            )
            for entry in self.posted
        )


def _suspects(question: Question) -> list[Suspicion]:
    mistakes = of(question.case.like)
    alone = list(_candidates(question, ((mistake,) for mistake in mistakes)))
    found = [candidate for candidate in alone if candidate.hits]
    if not any(candidate.score == 1 for candidate in found):
        changed = {c.mistakes[0].name: question.changed(c.leaves[0]) for c in alone}
        likely = _likely_pairs(mistakes, changed, question.wrong)
        found += [c for c in _candidates(question, likely) if c.hits]
    found.sort(key=lambda c: (-c.score, len(c.mistakes), -c.hits))
    return describe(question.case, found, question.same)


def _candidates(
    question: Question, groups: Iterable[tuple[Mistake, ...]]
) -> Iterator[Candidate]:
    """The mistakes that run on the case, and how many of the numbers each gives."""
    wrong, right = question.wrong, question.right
    for mistakes in groups:
        leaves = try_replay(question.case, mistakes)
        if leaves is None or not _same_shapes(leaves, right):
            continue
        by_entry = [entry.matches(leaves) for entry in question.posted]
        matches = [match for entry in by_entry for match in entry]
        hits = sum(matches[i] for i in wrong)
        agree = [
            entry.name
            for entry, match in zip(question.posted, by_entry, strict=True)
            if all(match)
        ]
        evidence = f"{hits} of {len(wrong)} wrong numbers, all digits: "
        evidence += ", ".join(agree) or "no entry as a whole"
        score = sum(matches) / len(matches)
        yield Candidate(mistakes, (leaves,), score, hits, evidence)


def _same_shapes(leaves: Leaves, right: Leaves) -> bool:
    return all(np.shape(leaves[name]) == value.shape for name, value in right.items())


def _likely_pairs(
    mistakes: Sequence[Mistake],
    changed: Mapping[str, frozenset[int]],
    wrong: frozenset[int],
) -> Iterator[tuple[Mistake, ...]]:
    """A pair gives only numbers that one of the two changes; beside a form, any."""
    for pair in _pairs(mistakes):
        with_form = any(mistake.harmless for mistake in pair)
        both = [changed[mistake.name] for mistake in pair if mistake.name in changed]
        if with_form or (len(both) == 2 and both[0] | both[1] == wrong):
            yield pair


def _pairs(mistakes: Sequence[Mistake]) -> Iterator[tuple[Mistake, Mistake]]:
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
