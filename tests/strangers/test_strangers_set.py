"""The public test set of the grading: every case is what its metadata says."""

import copy
import re

import numpy as np
import pytest

from scanrnn.verify.grading.cases import official
from scanrnn.verify.grading.conventions import arguments
from strangers import call
from strangers.made import cases, mistakes, posted
from strangers.stories import STORIES

CASES = cases()
HANDS = sorted({case.hand for case in CASES})


def of(hand):
    return [case for case in CASES if case.hand == hand]


@pytest.mark.parametrize("hand", HANDS)
def test_exactly_these_leaves_are_wrong_and_none_of_a_right_variant(hand):
    check_leaves([case for case in of(hand) if "compiled" not in case.tags])


@pytest.mark.exhaustive
def test_exactly_these_leaves_are_wrong_of_what_jax_compiles():
    check_leaves([case for case in CASES if "compiled" in case.tags])


def check_leaves(some):
    told = {case.name: list(case.leaves) for case in some}
    assert {c.name: call.wrong_leaves(*call.on_the_usual(c)) for c in some} == told


TIMED = ("dx", "a", "c", "y", "y_pred")


@pytest.mark.parametrize("hand", HANDS)
def test_what_has_an_axis_of_time_goes_wrong_first_where_it_is_said(hand):
    for case in of(hand):
        for leaf in case.leaves if case.step is not None else ():
            if leaf in TIMED or leaf.startswith("cache "):
                check_step(case, leaf)


def check_step(case, leaf):
    found, right = (leaves[leaf] for leaves in call.on_the_usual(case))
    if np.shape(found) != right.shape:
        return
    axis = 1 if case.convention == "ntd" else 2
    pairs = zip(*(np.moveaxis(x, axis, 0) for x in (found, right)), strict=True)
    wrong = [t for t, (one, two) in enumerate(pairs) if not call.close(one, two)]
    first = wrong[-1] if case.like.endswith("backward") else wrong[0]
    assert first in case.steps(leaf, right.shape[axis]), (case.name, leaf, wrong)


def test_the_metadata_are_complete():
    for case in CASES:
        assert case.cause, case.name
        assert case.story == "right" or case.story in STORIES or "memory" in case.story
        assert bool(case.leaves) == (case.story != "right"), case.name
        wanted = isinstance(case.step, dict)
        assert not wanted or set(case.step) - {"*"} <= set(case.leaves), case.name
    told = {case.story for case in CASES}
    assert set(STORIES) <= told, set(STORIES) - told


def test_the_set_is_as_large_as_it_says():
    def count(**wanted):
        return sum(
            all(value in getattr(case, key) for key, value in wanted.items())
            for case in mistakes()
        )

    assert count(like="lstm") >= 60
    assert count(like="rnn") >= 45
    assert count(like="gru") >= 30
    assert count(like="readout") >= 15
    assert count(tags="view") >= 10
    assert count(tags="double") >= 0.08 * len(mistakes())
    assert 0.4 < np.mean([case.held_out for case in mistakes()]) < 0.6


def test_no_two_cases_of_one_convention_give_the_same_numbers():
    """Another story of the same numbers would count one cause twice."""
    seen = {}
    for case in mistakes():
        found, _ = call.on_the_usual(case)
        numbers = [np.asarray(found[leaf], float).round(9) for leaf in sorted(found)]
        key = (case.like, case.convention, *(x.tobytes() for x in numbers))
        assert key not in seen, (case.name, seen[key])
        seen[key] = case.name


PRINTED = re.compile(r"(\w+)[\"”]?\]?\[(\d)\]\[(\d)\] = (-?\d+\.\d{3,})")


def test_posted_numbers_are_those_of_the_case_they_name():
    known = {case.name: case for case in CASES}
    texts = posted()
    assert len(texts) >= 25
    checked = 0
    for text in (text for text in texts if text["of"]):
        case = known[text["of"]]
        assert case.like == text["like"]
        mine = text["text"].split("Expected output")[0]
        if case.like.endswith("forward"):
            continue
        given = copy.deepcopy(arguments(official(case.like)))
        found = case(*given.values())
        for leaf, i, j, number in PRINTED.findall(mine):
            value = found[leaf][int(i), int(j)]
            # Of all digits the last are those of somebody's order of summation.
            rounding = 32 * np.finfo(float).eps * np.abs(found[leaf]).max()
            digits = 6 * 10.0 ** -len(number.split(".")[1])
            assert abs(value - float(number)) < digits + rounding
            checked += 1
    assert checked > 60
