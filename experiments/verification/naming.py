"""How well mistakes are detected, located and named: every mistake, and pairs.

    python experiments/verification/naming.py [--pairs 200]

Every mistake of the catalogue becomes a function in the exercise's signature and is
graded without knowing which it is. Counted: wrong in float64, wrong in float32 alone,
the mistake first, among the first three. Where two mistakes give the same numbers on
all cases, the one in the list of those alike counts too.
"""

import argparse
import time
from collections import Counter

import numpy as np

from scanrnn.verify import Verdict, grade
from scanrnn.verify.grading.cases import split
from scanrnn.verify.grading.mistakes import Mistake, may_combine, of
from scanrnn.verify.grading.mutants import mutant

LIKES = (
    "rnn_backward",
    "lstm_backward",
    "rnn_cell_backward",
    "lstm_cell_backward",
    "rnn_forward",
    "lstm_forward",
    "readout_backward",
)


def rank(verdict: Verdict, names: set[str]) -> int | None:
    """The place of the mistake among the suspects, from 1; None if it is missing."""
    for place, suspicion in enumerate(verdict.suspicions, start=1):
        # What is plain to see, all zero, is said before the name.
        told = [n for n in suspicion.names if not n.startswith("everything is")]
        same = {frozenset(told)}
        same |= {frozenset(a.split(" and ")) for a in suspicion.alike}
        if frozenset(names) in same:
            return place
    return None


def judge(like: str, *mistakes: Mistake) -> Verdict:
    """Grades a mutant; cache mistakes of a way back come through its forward pass."""
    stores = [m for m in mistakes if m.store is not None]
    if stores and split(like)[2]:
        forward = mutant(like.replace("backward", "forward"), *stores)
        rest = [m for m in mistakes if m.store is None]
        return grade(mutant(like, *rest), like, forward=forward)
    return grade(mutant(like, *mistakes), like)


def runs(verdict: Verdict) -> bool:
    """Whether the mistakes run at all, and do not just raise."""
    return not all(row.leaf == "call" for row in verdict.rows if not row.passed)


def singles() -> None:
    """The table of single mistakes."""
    print("function             mistakes  detected  float32  first  in three  seconds")
    for like in LIKES:
        count: Counter[str] = Counter()
        begin = time.perf_counter()
        for mistake in of(like):
            if mistake.harmless:
                continue
            verdict = judge(like, mistake)
            place = rank(verdict, {mistake.name})
            count["all"] += 1
            count["detected"] += not verdict.passed
            in_single = [r for r in verdict.rows if "float32" in r.case]
            count["float32"] += not all(r.passed for r in in_single)
            count["first"] += place == 1
            count["three"] += place is not None and place <= 3
            if place != 1 or verdict.passed:
                print(f"    {like}: {mistake.name}: place {place}")
        took = time.perf_counter() - begin
        print(
            f"{like:22}{count['all']:7}{count['detected']:10}{count['float32']:9}"
            f"{count['first']:7}{count['three']:10}{took:9.1f}"
        )


def pairs(number: int) -> None:
    """Two mistakes at once, drawn at random."""
    rng = np.random.default_rng(0)
    count: Counter[str] = Counter()
    for like in ("rnn_backward", "lstm_backward"):
        known = [m for m in of(like) if not m.harmless and m.store is None]
        while count[like] < number:
            one, two = (known[i] for i in rng.choice(len(known), 2, replace=False))
            if not (may_combine(one, two) and may_combine(two, one)):
                continue
            verdict = judge(like, one, two)
            if not runs(verdict):
                continue
            place = rank(verdict, {one.name, two.name})
            count[like] += 1
            count[f"{like} first"] += place == 1
            count[f"{like} three"] += place is not None and place <= 3
        print(
            f"{number} pairs in {like}: first {count[f'{like} first']}, "
            f"among three {count[f'{like} three']}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=0)
    options = parser.parse_args()
    singles()
    pairs(options.pairs)
