"""Which mistake gives the numbers that someone posted? No code is needed."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..report import Suspicion, Verdict
from .candidates import Candidate, after, describe
from .cases import Case
from .posted import Reading
from .reading import understand
from .search.evidence import LUCK, MANY, Numbers, given, numbers
from .search.lookup import at_places
from .search.pairs import likely
from .search.pattern import implied
from .search.plain import everything
from .search.shipped import Table, table
from .search.slips import Slip

TRIED = 60  # classes that are run again
PATIENCE = 1.6  # seconds that the search for pairs may take
TOGETHER = 2.6  # seconds that it may end after the search began, if it has had some
LEAST = 0.4  # seconds that it has in any case


def explain(
    numbers: str | Mapping[str, Any],
    like: str = "rnn_backward",
    case: Case | None = None,
) -> Verdict:
    """Ranks the slips that reproduce posted numbers, digit by digit.

    Thousands of edits of the pass have been run on the public test; those that fit are
    run again, alone and, where none alone explains all numbers, in pairs. A number is
    reproduced if it agrees in all the digits that were posted.

    Args:
        numbers: the printed entries as text, or a mapping such as
            ``{"dx[1][2]": [...], "dba[4]": -1.40083774}``; any subset.
        like: the function that gave them: ``rnn_backward``, ``lstm_cell_backward``, ...
        case: the case that they come from; if not given, the edition of the exercise's
            public test that fits best.

    Returns:
        A `Verdict` that passes if the numbers are right. The score of a suspicion is 1
        only if it gives all numbers and so many digits cannot agree by chance.

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
    with np.errstate(all="ignore"):
        question = Question(reading, _numbers(reading), table(reading.like))
        found = _suspects(question)
        explained = any(s.score > CERTAIN for s in found)
        if not explained:
            parts = question.numbers
            pattern = implied(reading.case, reading.posted, parts.wrong, parts.values)
            notes = (UNEXPLAINED, *pattern, *notes)
    return Verdict(subject, rows, tuple(found), notes)


CERTAIN = 0.985  # all numbers, if only by a few digits
UNEXPLAINED = (
    "no mistake of the catalogue, and no two of them, give all of these numbers; "
    "check that they come from the public test, or grade the function itself"
)


def _numbers(reading: Reading) -> Numbers:
    return numbers(reading.posted, reading.right)


class Question(NamedTuple):
    """Numbers that were posted, and the slips they may come from."""

    reading: Reading
    numbers: Numbers
    known: Table

    def candidate(
        self, slip: Slip, alike: tuple[Slip, ...], tried: float
    ) -> Candidate | None:
        """The slip, if it gives one of the wrong numbers."""
        leaves = slip.run(self.reading.case)
        if leaves is None:
            return None
        numbers = self.numbers
        agree = numbers.agree(given(self.reading.posted, leaves))
        hits = int((agree & numbers.wrong).sum())
        if not hits:
            return None
        score, luck = float(agree.mean()), numbers.chance(agree, tried)
        evidence = f"{hits} of {int(numbers.wrong.sum())} wrong numbers, all digits: "
        evidence += self._whole(agree)
        if score == 1 and luck > LUCK:
            score = 0.99
            evidence += "; so few digits agree with some wrong pass or other by chance"
        strength = numbers.strength(agree, tried) - 0.5 * slip.cost
        return Candidate(slip, (leaves,), score, hits, evidence, alike, strength)

    def _whole(self, agree: Any) -> str:
        names, first = [], 0
        for entry in self.reading.posted:
            last = first + entry.values.size
            if agree[first:last].all():
                names.append(entry.name)
            first = last
        return ", ".join(names) or "no entry as a whole"

    def same(self, one: Candidate, two: Candidate) -> bool:
        """Whether two give the same numbers where numbers were posted."""
        a, b = (given(self.reading.posted, c.leaves[0]) for c in (one, two))
        return bool(np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))


def _suspects(question: Question) -> list[Suspicion]:
    known, parts, reading = question.known, question.numbers, question.reading
    begun = time.process_time()
    values, rough = at_places(known, reading.case, reading.posted, reading.right)
    agree = parts.agree(values, rough)
    found = list(_alone(question, agree))
    if not any(candidate.score > CERTAIN for candidate in found):
        changed = np.abs(values - parts.right) > 2 * rough * np.abs(parts.right) + 1e-9
        changed &= ~np.isnan(values)
        telling = agree & (parts.digits >= 3)
        left = begun + TOGETHER - time.process_time()
        seconds = max(LEAST, min(PATIENCE, left))
        # Where the wrong number lies so near the right one that what is shipped does
        # not tell them apart, no half can be said to change it.
        told = ~(parts.wrong & parts.agree(parts.right, 2 * rough))
        found += _pairs(question, telling[:, told], changed[:, told], told, seconds)
    # Of what explains a part, that which chance would is left out.
    found = [c for c in found if c.strength > 0 or c.score > CERTAIN]
    found.sort(key=lambda c: (-round(c.strength, 3), c.slip.cost, -c.score))
    whole = len(parts.values) > 1
    posted = {entry.name: entry.values for entry in reading.posted}
    plain, found = after(everything(posted) if whole else None, found)
    return [*plain, *describe(reading.case, found, question.same)]


def _alone(question: Question, agree: Any) -> Iterator[Candidate]:
    """The classes that fit best, run again."""
    known, parts = question.known, question.numbers
    worth = (agree & parts.wrong) @ parts.digits - (
        ~agree & ~parts.wrong
    ) @ parts.digits
    hits = (agree & parts.wrong).any(1)
    order = np.lexsort((known.cost, -np.round(worth, 3)))
    chosen = [int(i) for i in order if hits[i]]
    for i in chosen[:TRIED]:
        candidate = question.candidate(known.first(i), (), known.size)
        if candidate is not None and (candidate.strength > 0 or candidate.score == 1):
            yield candidate._replace(alike=tuple(known.slips(i)[1:]))
        elif candidate is not None:
            yield candidate  # chance gives as much: most often it is left out


def _pairs(
    question: Question, agree: Any, changed: Any, told: Any, seconds: float
) -> Iterator[Candidate]:
    """Two at once that give all numbers; looked for by those that are ``told``."""
    known, parts = question.known, question.numbers
    usable = ~known.by_rows  # it is the exercise's own test
    count = 0
    for slip in likely(known, agree, changed, parts.wrong[told], usable, seconds):
        candidate = question.candidate(slip, (), MANY)
        if candidate is None or candidate.score <= CERTAIN:
            continue
        if candidate.strength > 0:
            yield candidate
            count += 1
        if count == 3:
            return
