"""Outputs and gradients that other people's code computed (golden/make.py)."""

import jax
import pytest
from by_numpy import by_numpy
from cases import WAYS, assert_close
from pairs import each
from shelf.told import BY_HAIKU, CELLS, given, golden

import scanrnn as sr

ALL = CELLS | BY_HAIKU


@pytest.mark.parametrize(("name", "way"), each(ALL, [*WAYS, "autodiff"]))
def test_values_and_gradients(name, way):
    backward = {**WAYS, "autodiff": lambda sr: sr.Autodiff()}[way](sr)
    cell = ALL[name]()
    params, xs, start, d_run = given(name, cell)

    @by_numpy
    def there_and_back(params, xs, start):
        def run(params, xs, start):
            return tuple(sr.unroll(cell, params, xs, start, backward=backward))

        made, pull = jax.vjp(run, params, xs, start)
        return made, pull(d_run)

    (outputs, final), (d_params, d_xs, d_start) = there_and_back(params, xs, start)
    got = {"outputs": outputs, "d_xs": d_xs}
    got |= {f"final_{k}": leaf for k, leaf in final._asdict().items()}
    for tree in (d_params, d_start):
        found = tree._asdict().items()
        got |= {f"d_{k}": leaf for k, leaf in found if leaf is not None}
    want = golden()[name]["want"]
    assert set(got) == set(want)
    assert_close(got, want)


def test_the_file_holds_every_cell():
    assert set(golden()) == set(ALL)
