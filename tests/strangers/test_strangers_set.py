"""The public test set of the grading: every case is what its metadata says."""

import numpy as np
import pytest
from strangers import call, oracle
from strangers.made import cases, mistakes, right_ones
from strangers.stories import STORIES

CASES = {case.name: case for case in cases()}


@pytest.mark.parametrize("name", [case.name for case in mistakes()])
def test_exactly_these_leaves_are_wrong(name):
    case = CASES[name]
    given = oracle.draw(case.like)
    assert call.wrong_leaves(case, given) == list(case.leaves)


@pytest.mark.parametrize("name", [case.name for case in right_ones()])
def test_a_right_variant_is_right(name):
    case = CASES[name]
    assert call.wrong_leaves(case, oracle.draw(case.like)) == []


def test_the_metadata_are_complete():
    for case in CASES.values():
        assert case.cause, case.name
        assert case.story == "right" or case.story in STORIES or "memory" in case.story
        assert bool(case.leaves) == (case.story != "right"), case.name
        wanted = isinstance(case.step, dict)
        assert not wanted or set(case.step) - {"*"} <= set(case.leaves), case.name
    told = {case.story for case in CASES.values()}
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
        given = oracle.draw(case.like)
        found, _ = call.compared(case, given)
        numbers = [np.asarray(found[leaf], float).round(9) for leaf in sorted(found)]
        key = (case.like, case.convention, *(x.tobytes() for x in numbers))
        assert key not in seen, (case.name, seen[key])
        seen[key] = case.name
