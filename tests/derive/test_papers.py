"""Recurrences of papers: exact as written down, no weight's product in a loop."""

import pytest
from derive.judged import assert_exact
from papers import papers

PAPERS = papers()
# Products in the loop there, and back; more back where two factors are of the state.
PRODUCTS = {
    "echo state": (2, 2),
    "gru-d": (4, 4),
    "mogrifier": (5, 5),
    "delta rule": (4, 7),
    "legendre": (4, 4),
    "highway": (3, 3),
    "antisymmetric": (1, 1),
    "receptance": (4, 4),
    "selective": (1, 2),
}


@pytest.mark.parametrize("name", PAPERS)
def test_a_recurrence_of_a_paper_is_derived_as_it_stands(name):
    assert assert_exact(PAPERS[name]) == PRODUCTS[name]
