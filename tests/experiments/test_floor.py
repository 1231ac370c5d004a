"""The least time of a case is that of its parts, each what a step cannot do without."""

import floor
import jax
import jax.numpy as jnp
import pytest
from bench.cases import Case
from devices.peaks import Peaks
from programs import count, loops
from typer.testing import CliRunner

CASE = Case("lstm", 5, 2, 3, 4)


def test_a_loop_there_and_one_back_with_a_product_each_and_none_outside():
    h, w_h, delta = jnp.ones((2, 4)), jnp.ones((4, 16)), jnp.ones((2, 16))
    traced = jax.make_jaxpr(floor.in_loops, static_argnums=3)(h, w_h, delta, 5).jaxpr
    bodies = [(length, count(body, {"dot_general"})) for length, body in loops(traced)]
    assert bodies == [(5, 1), (5, 1)]
    assert count(traced, {"dot_general"}) == 2


@pytest.mark.parametrize(("tokens", "products"), [(False, 4), (True, 1)])
def test_all_products_of_all_steps_but_none_for_a_token(tokens, products):
    xs = jnp.ones(10, int) if tokens else jnp.ones((10, 3))
    args = xs, jnp.ones((3, 16)), jnp.ones((10, 4)), jnp.ones((10, 16))
    traced = jax.make_jaxpr(floor.large)(*args).jaxpr
    assert count(traced, {"dot_general"}) == products


def test_what_is_told_is_the_sum_of_the_parts_and_the_ratios():
    parts = dict(zip(floor.PARTS, (1.0, 2.0, 1.0), strict=True))
    of = floor.Floor(CASE, parts, ours=6.0, theirs=12.0)
    assert of.least == 4
    assert floor.ratios(of) == (1.5, 3, 2)
    table = floor.told([of], Peaks({"float32": 1e9}, bytes=1e9, step_s=1e-6))
    assert [list(column.cells)[-1] for column in table.columns][-3:] == [
        *("1.50", "3.00", "2.00")
    ]


@pytest.mark.exhaustive
def test_a_case_from_end_to_end(monkeypatch):
    monkeypatch.setattr(floor, "cases_of", lambda *args, **kwargs: [CASE])
    monkeypatch.setattr(floor.peers, "find", lambda case: ([], {}))
    done = CliRunner().invoke(floor.app, ["--cells", "lstm", "--seconds", "0"])
    assert done.exit_code == 0, done.output
    assert "lstm" in done.output and "geometric" in done.output
