"""How well are mistakes named that nobody listed? The public set of strangers' code.

    python experiments/verification/strangers.py [--held-out] [--show] [--only TEXT]
    python experiments/verification/strangers.py --set FOLDER [--show]
    python experiments/verification/strangers.py --posts [--set FOLDER] [--show]

Every function of `tests/strangers/` is graded as a learner would have it graded, and
the right ones too. By default both halves of the set are measured and only sums are
printed. Rules may be mended by what ``--show`` tells of the open half; of the half that
is held out (by a hash of the name) no single case is ever told.

A mistake counts as

* detected: if the verdict is WRONG; in float32: if a float32 case alone says so;
* leaves: if the leaves called wrong on any case in float64 are exactly those that
  `jax.grad` finds wrong (`tests/strangers/leaves.toml`);
* steps: if on the first case the step is right for every leaf whose first wrong step is
  known from the code;
* named: if a suspect gives the function's own numbers on three random cases that the
  grading never saw (other sizes, another seed), in every leaf. What a suspect is called
  does not matter. A suspect that is a change of the function's own lines counts if the
  function, with that change in it, is right on these three cases in every leaf.
  Where the cause is not one of numbers (a shape, a dtype, an argument
  changed), the words of the report must say it: every word list of the case is met.
  Where a suspect can be run on the fresh cases and gives other numbers, words do not
  help;
* by lines: if a change of the function's own lines is told that makes it right on these
  three cases, beside a suspect that is known by name or as a suspect.

With ``--posts`` every wrong function of the exercise's convention is run on the public
test, and `explain` is given what the notebook prints there, and no code. The suspect
must give the function's numbers in the leaves that are printed. Those that print the
right numbers are left out, and those whose shapes or numbers of steps are not the
test's.
"""

import argparse
import dataclasses
import functools
import importlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from scanrnn.verify import Suspicion, Verdict, explain, grade
from scanrnn.verify.grading import candidates, conventions
from scanrnn.verify.grading.cases import DRAWS, Case, Sizes, generic, official
from scanrnn.verify.grading.repair import search, told
from scanrnn.verify.grading.repair.bench import bench
from scanrnn.verify.grading.replay import replay, try_replay
from scanrnn.verify.grading.search import rough

THE_SET = importlib.import_module("strangers.made")  # this script has its name as well
Stranger = Any

FRESH = (Sizes(4, 6, 3, 3, 5), Sizes(3, 4, 5, 2, 4), Sizes(2, 3, 2, 5, 2))
SEED = 20261122
CLOSE = 1e-6  # of the leaf's largest entry

COLUMNS = (
    *("all", "detected", "float32", "leaves", "steps", "first", "in three"),
    "by lines",
)


def graded(case: Stranger) -> Verdict:
    """As its owner would call `grade`."""
    return grade(
        case.function, case.like, forward=case.forward, convention=case.convention
    )


def how(case: Stranger) -> conventions.Convention:
    """How the function is called on a case."""
    if case.convention == "ntd":
        return conventions.ntd(case.forward, case.function, case.like)
    return conventions.course(case.function, case.like, case.forward)


def remembered(case: Case, first: Any, *others: Any) -> Suspicion:
    """As `candidates._suspicion`, and how to run the suspect is kept."""
    made = DESCRIBED(case, first, *others)
    if hasattr(first, "slip"):
        RUNS[made] = first.slip.run
    else:
        RUNS[made] = functools.partial(try_replay, mistakes=first.mistakes)
    return made


def kept(repair: search.Repair) -> Suspicion:
    """As `told.suspicion`, and the repair is kept."""
    made = SUSPECTED(repair)
    REPAIRS[made] = repair
    return made


def kept_beside(repair: search.Repair) -> str:
    """As `told.mend`, and the repair is kept."""
    made = MENDED(repair)
    REPAIRS[made] = repair
    return made


SUSPECTED, MENDED = told.suspicion, told.mend
REPAIRS: dict[Suspicion | str, search.Repair] = {}
told.suspicion, told.mend = kept, kept_beside
DESCRIBED = candidates._suspicion
RUNS: dict[Suspicion, Callable[[Case], Any]] = {}
candidates._suspicion = remembered  # type: ignore[assignment]


def reproduces(
    case: Stranger, suspicion: Suspicion, leaves: Collection[str] = ()
) -> bool | None:
    """Whether a suspect gives the function's numbers on fresh cases; None: unknown.

    Of these leaves alone, if any are given: nobody can know more of a post.
    """
    if suspicion in REPAIRS:
        return mends(case, REPAIRS[suspicion])
    suspicion = suspicion._replace(mend="")
    compared = 0
    for sizes in FRESH:
        fresh = generic(case.like, sizes, SEED)
        convention = how(case)
        found = convention.run(fresh, 10.0)
        given = RUNS[suspicion](fresh) if suspicion in RUNS else None
        if found.failure or given is None:
            continue
        try:
            expected = convention.rename(given, fresh)
        except (ValueError, IndexError, KeyError):
            continue
        if leaves:
            expected = {k: v for k, v in expected.items() if k in leaves}
        compared += bool(expected)
        if not all(close(found.leaves.get(k), v) for k, v in expected.items()):
            return False
    return True if compared else None


def mends(case: Stranger, repair: search.Repair) -> bool:
    """Whether a function is right on fresh cases once its lines are changed."""
    convention = how(case)
    program = search.own_of(convention)
    assert program is not None
    sources = ["\n".join(repair.after.values())]
    for sizes in FRESH:
        tried = bench(convention, generic(case.like, sizes, SEED))
        (answer,) = program.answers(sources, tried.call, 10.0)["answers"]
        if tried.of(answer) != tried.every:
            return False
    return True


def by_lines(case: Stranger, verdict: Verdict) -> bool:
    """Whether the change that is told first makes it right."""
    for suspicion in verdict.suspicions[:1]:
        repair = REPAIRS.get(suspicion) or REPAIRS.get(suspicion.mend)
        return repair is not None and mends(case, repair)
    return False


def close(one: Any, two: Any) -> bool:
    """Equal to rounding, shapes and what is not a number included."""
    try:
        one, two = np.asarray(one, np.float64), np.asarray(two, np.float64)
    except (TypeError, ValueError):
        return False
    if one.shape != two.shape:
        return False
    scale = np.abs(two[np.isfinite(two)]).max(initial=0)
    return bool(np.allclose(one, two, 0, CLOSE * scale, equal_nan=True))


def said(case: Stranger, texts: Iterable[str]) -> bool:
    """Whether every word list of the case is met."""
    text = " ".join(texts).lower()
    return bool(case.words) and all(re.search(words, text) for words in case.words)


def place(case: Stranger, verdict: Verdict, leaves: Collection[str] = ()) -> int | None:
    """Where the cause is named among the suspects, from 1; None if it is not."""
    for rank, suspicion in enumerate(verdict.suspicions[:3], start=1):
        same = reproduces(case, suspicion, leaves)
        texts = (*suspicion.names, suspicion.says, suspicion.instead)
        if same or (same is None and said(case, texts)):
            return rank
    told = [row.note for row in verdict.rows if not row.passed] + list(verdict.notes)
    return 1 if not verdict.suspicions and said(case, told) else None


def wrong_leaves(verdict: Verdict) -> set[str]:
    """What float64 rows call wrong."""
    rows = [row for row in verdict.rows if "float32" not in row.case]
    return {row.leaf for row in rows if not row.passed}


def steps_right(case: Stranger, verdict: Verdict) -> bool | None:
    """Whether the first wrong steps told are right; None where none is known."""
    if case.step is None:
        return None
    told: dict[str, int | None] = {}
    for row in verdict.rows:
        if row.leaf in case.leaves and not row.passed and row.leaf not in told:
            told[row.leaf] = row.step
    return all(told.get(leaf) in case.steps(leaf, total(case)) for leaf in told)


def total(case: Stranger) -> int:
    """The steps of the first case that `grade` tries."""
    if case.convention == "ntd" or case.like in ("lstm_forward", "readout_backward"):
        return 7
    return 4


def judged(case: Stranger) -> dict[str, Any]:
    """One line of the measurement."""
    verdict = graded(case)
    single = [row for row in verdict.rows if "float32" in row.case]
    rank = place(case, verdict)
    return {
        "all": True,
        "detected": not verdict.passed,
        "float32": not all(row.passed for row in single),
        "leaves": wrong_leaves(verdict) == set(case.leaves),
        "steps": steps_right(case, verdict),
        "first": rank == 1,
        "in three": rank is not None,
        "by lines": by_lines(case, verdict),
        "suspects": [" and ".join(s.names) for s in verdict.suspicions[:3]],
        "called wrong": wrong_leaves(verdict),
        "told": {r.leaf: r.step for r in verdict.rows[::-1] if not r.passed},
    }


def report(cases: Iterable[Stranger], show: bool) -> None:
    """The table, by function of the exercise; ``show`` also tells every miss."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        line = judged(case)
        for column in COLUMNS:
            right = line[column]
            counts[case.like][column] += right is not False
            counts["all of them"][column] += right is not False
        missed = [c for c in COLUMNS if line[c] is False and c != "by lines"]
        if show and missed:
            print(f"{case.name} ({case.like}): not {', '.join(missed)}")
            print(f"    cause: {case.cause}")
            print(f"    suspects: {line['suspects']}")
            if "leaves" in missed:
                both = sorted(line["called wrong"]), sorted(case.leaves)
                print(f"    called wrong {both[0]}, are wrong {both[1]}")
            if "steps" in missed:
                print(
                    f"    steps told {line['told']}, are {case.step} of {total(case)}"
                )
    print(f"{'function':22}" + "".join(f"{column:>10}" for column in COLUMNS))
    for like in sorted(counts, key=lambda like: (like == "all of them", like)):
        cells = "".join(f"{counts[like][column]:10}" for column in COLUMNS)
        print(f"{like:22}{cells}")


def false_alarms(folder: Path | None = None) -> None:
    """The right variants."""
    right = THE_SET.right_ones(folder)
    alarms = [case.name for case in right if not graded(case).passed]
    print(f"{len(right)} right variants: {len(alarms)} called wrong", *alarms)


def posted(show: bool) -> None:
    """Numbers alone, as text: is the cause first, and is nothing made up?"""
    known = {case.name: case for case in THE_SET.cases()}
    count: Counter[str] = Counter()
    for text in THE_SET.posted():
        case = known.get(text["of"])
        try:
            verdict = explain(text["text"], text["like"])
        except ValueError as error:
            count["not read"] += 1
            print(f"    not read ({text['of']}, {text['style']}): {error}")
            continue
        if case is None:
            count["noise"] += 1
            count["explained noise"] += any(s.score == 1 for s in verdict.suspicions)
        elif not case.leaves:
            count["right"] += 1
            count["right, told so"] += verdict.passed
        else:
            leaves = {row.leaf.split("[")[0] for row in verdict.rows}
            rank = place(case, verdict, leaves)
            count["wrong"] += 1
            count["wrong, told so"] += not verdict.passed
            count["cause first"] += rank == 1
            count["cause in three"] += rank is not None
            if show and rank != 1 and not case.held_out:
                names = [" and ".join(s.names) for s in verdict.suspicions[:3]]
                print(f"    {case.name}: {names}; is: {case.cause}")
    print("posted numbers:", ", ".join(f"{k} {n}" for k, n in count.items()))


def printed(case: Stranger) -> str:
    """What the notebook prints of a function on the public test, if it ends there."""
    test = official(case.like)
    leaves, right = how(case).run(test, 10.0).leaves, replay(test)
    lines = []
    for leaf, place in PRINTED.get(case.like, PRINTED_BACK).items():
        if leaf in right:
            found: Any = leaves.get(leaf)
            if np.shape(found) != right[leaf].shape:
                return ""
            lines.append(f"{leaf}{''.join(f'[{i}]' for i in place)} = {found[place]}")
    return "\n".join(lines)


Places = dict[str, tuple[int, ...]]
PRINTED_BACK: Places = rough.PRINTED | {f"db{gate}": (4,) for gate in "afico"}
PRINTED: dict[str, Places] = {
    "rnn_cell_forward": {"a_next": (4,), "yt_pred": (1,)},
    "rnn_forward": {"a": (4, 1), "y_pred": (1, 3)},
    "lstm_cell_forward": {"a_next": (4,), "c_next": (2,), "yt_pred": (1,)},
    "lstm_forward": {"a": (4, 3, 6), "c": (1, 2, 1), "y": (1, 4, 3)},
}


def numbers_alone(cases: Iterable[Stranger], show: bool) -> None:
    """How many are named first by what they print on the public test."""
    count: Counter[str] = Counter()
    for case in cases:
        if case.convention != "course" or case.like not in DRAWS:
            continue
        text = printed(case)
        verdict = explain(text, case.like) if text else None
        if verdict is None or verdict.passed:
            continue
        leaves = {row.leaf.split("[")[0] for row in verdict.rows}
        rank = place(case, verdict, leaves)
        for name in (case.like, "all of them"):
            count[name] += 1
            count[f"{name}, cause first"] += rank == 1
        if show and rank != 1:
            names = [" and ".join(s.names) for s in verdict.suspicions[:3]]
            print(f"    {case.name}: {names}; is: {case.cause}")
    for name in sorted(name for name in count if "," not in name):
        print(f"{name:22}{count[name]:10}{count[f'{name}, cause first']:10}")


def elsewhere(folder: Path) -> list[Stranger]:
    """The mistakes of another folder; the oracle says which leaves are wrong."""
    call = importlib.import_module("strangers.call")
    found = []
    for case in THE_SET.mistakes(folder):
        with jax.enable_x64(True):
            wrong = tuple(call.wrong_leaves(*call.on_the_usual(case)))
        if not wrong:
            print(f"{case.name}: the oracle finds nothing wrong; left out")
        elif case.leaves and set(case.leaves) != set(wrong):
            print(f"{case.name}: wrong are {', '.join(wrong)}")
        if wrong:
            found.append(dataclasses.replace(case, leaves=wrong))
    return found


def main(options: argparse.Namespace, choose: Callable[[Stranger], bool]) -> None:
    """Prints a table for each half, or one for a set from elsewhere."""
    if options.posts:
        cases = [case for case in THE_SET.mistakes(options.set) if choose(case)]
        single = options.show and options.set is not None  # half of ours is held out
        numbers_alone(cases, single)
        return
    if options.set:
        cases = [case for case in elsewhere(options.set) if choose(case)]
        report(cases, options.show)
        false_alarms(options.set)
        return
    cases = [case for case in THE_SET.mistakes() if choose(case)]
    if not options.held_out:
        print("the open half")
        report([case for case in cases if not case.held_out], options.show)
    if not options.open:
        print("the half held out")
        report([case for case in cases if case.held_out], False)  # sums alone
    if not options.only:
        false_alarms()
        posted(options.show)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--held-out", action="store_true", help="that half alone")
    parser.add_argument("--open", action="store_true", help="the other half alone")
    parser.add_argument("--show", action="store_true", help="every miss, open half")
    parser.add_argument("--set", type=Path, help="another folder of hands, instead")
    parser.add_argument(
        "--posts", action="store_true", help="what they print alone, without code"
    )
    parser.add_argument(
        "--only", default="", help="cases with this in their names or functions"
    )
    chosen = parser.parse_args()
    main(chosen, lambda case: chosen.only in f"{case.name} {case.like}")
