"""The combinations that the suite tries hold every pair, and the rest is kept."""

import itertools

import pytest
from cases import CELLS, OPTIONS, WAYS
from pairs import chosen, pairs

AXES = (list(CELLS), list(OPTIONS), list(WAYS), ["float32", "bfloat16"])


def all_pairs(combinations):
    return {
        ((i, combination[i]), (j, combination[j]))
        for combination in combinations
        for i, j in itertools.combinations(range(len(combination)), 2)
    }


def sensible(*values):
    """A cell that exists for tokens alone, say."""
    return values[0] != "relu" or values[1].startswith("tokens")


@pytest.mark.parametrize("axes", [AXES, AXES[:3], AXES[:2]])
@pytest.mark.parametrize("where", [lambda *values: True, sensible])
def test_every_pair_that_makes_sense_occurs(axes, where):
    full = [values for values in itertools.product(*axes) if where(*values)]
    few = chosen(*axes, where=where)
    assert set(few) <= set(full)
    assert all_pairs(few) == all_pairs(full)
    assert len(axes) == 2 or len(few) < len(full) / 2


def test_what_no_pair_needs_is_exhaustive():
    params = pairs(*AXES)
    assert len(params) == len(list(itertools.product(*AXES)))
    default = [param.values for param in params if not param.marks]
    assert all_pairs(default) == all_pairs(itertools.product(*AXES))
    assert {mark.name for param in params for mark in param.marks} == {"exhaustive"}
