"""A checker never cries wolf, and still sees an error of one part in a thousand."""

import functools

import numpy as np
import pytest
from right_passes import FORMS, trials

from scanrnn.verify.grading.cases import Sizes, generic
from scanrnn.verify.grading.judge import judge
from scanrnn.verify.grading.mutants import mutant


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.exhaustive) for s in (2, 3))]
)
def test_right_passes_in_other_forms_are_right(seed):
    alarms = [
        (name, case.name, row)
        for name, function, case, dtype in trials(40, 100 + seed)
        for row in judge(function, case, dtype)
        if not row.passed
    ]
    assert alarms == []


@pytest.mark.parametrize("name", list(FORMS))
@pytest.mark.parametrize("sizes", [Sizes(m=1, steps=1), Sizes(n_a=1), Sizes(n_x=1)])
def test_the_smallest_sizes_are_right(name, sizes):
    like, function = FORMS[name]
    case = generic(like, sizes, 3, np.float32)
    assert all(row.passed for row in judge(function, case, np.float32))


@functools.cache
def long(dtype):
    """One case for all leaves, so that what is right on it is computed once."""
    return generic("rnn_backward", Sizes(8, 64, 2, 25, 100), 0, dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("leaf", ["dba", "dWax", "dWaa", "da0", "dx"])
def test_a_relative_error_of_a_thousandth_is_seen_in_the_leaf_alone(leaf, dtype):
    case = long(dtype)
    right = mutant("rnn_backward")

    def wrong(da, caches):
        gradients = right(da, caches)
        factor = np.asarray(1.001, dtype)
        return gradients | {leaf: gradients[leaf] * factor}

    rows = judge(wrong, case, dtype)
    assert {row.leaf for row in rows if not row.passed} == {leaf}


@pytest.mark.parametrize("step", [0, 3, 6])
@pytest.mark.parametrize("m", [4, 7])  # 7 examples: as many as steps
def test_a_wrong_step_is_the_step_reported(step, m):
    case = generic("rnn_backward", Sizes(m=m), seed=4)
    right = mutant("rnn_backward")

    def wrong(da, caches):
        gradients = right(da, caches)
        gradients["dx"][:, :, step] *= 1.001
        return gradients

    rows = judge(wrong, case, np.float64)
    assert [(row.leaf, row.step) for row in rows if not row.passed] == [("dx", step)]


def test_the_allowance_does_not_grow_with_the_size_of_the_array():
    shares = []
    for m in (2, 200):
        case = generic("rnn_backward", Sizes(m=m), 0)
        rows = judge(mutant("rnn_backward"), case, np.float64)
        shares.append({row.leaf: row.allowed for row in rows}["dx"])
    assert shares[1] < 10 * shares[0]
