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


def test_a_tape_is_written_and_read_once_a_step():
    traced = jax.make_jaxpr(floor.kept, static_argnums=1)(jnp.ones((2, 20)), 5).jaxpr
    assert [length for length, _ in loops(traced)] == [5, 5]
    assert float(floor.kept(jnp.ones((1, 1)), 3)[0, 0]) == 1 + 1 + 0.5 + 0.25
    of_rnn = floor.parts_of(CASE._replace(cell="rnn"))
    assert not {*floor.TAPES} & {*of_rnn}  # whose tape is its output


def test_what_is_told_is_the_sum_of_the_parts_and_the_ratios():
    parts = dict(zip(floor.PARTS, (1.0, 2.0, 1.0), strict=True))
    of = floor.Floor(CASE, parts, ours=6.0, theirs=12.0, tapes=1.0)
    assert of.least == 4
    assert list(floor.ratios_of(of).values()) == [1.5, 3, 2, *(None,) * 3]
    peaks = Peaks({"float32": 1e9}, bytes=1e9, step_s=1e-6)
    table = floor.told([of, of._replace(torch=3.0)], peaks)
    rows = [list(column.cells) for column in table.columns[-6:]]
    assert [row[0] for row in rows] == ["1.50", "3.00", "2.00", *("",) * 3]
    assert [row[-1] for row in rows] == ["1.50", "3.00", "2.00", "0.75", "0.60", "0.50"]


def test_of_several_devices_each_makes_its_share_and_waits_for_none():
    case = CASE._replace(B=4)
    for name, part in floor.parts_of(case, floor.Layout(2)).items():
        made = jax.tree.leaves(part.answer())
        assert {len(leaf.sharding.device_set) for leaf in made} == {2}, name


@pytest.mark.exhaustive
def test_a_case_from_end_to_end(monkeypatch):
    monkeypatch.setattr(floor, "cases_of", lambda *args, **kwargs: [CASE])
    monkeypatch.setattr(floor.peers, "find", lambda case: ([], {}))
    monkeypatch.setattr(floor.by_torch, "contestants", lambda case: [])
    done = CliRunner().invoke(floor.app, ["--cells", "lstm", "--seconds", "0"])
    assert done.exit_code == 0, done.output
    assert "lstm" in done.output and "geometric" in done.output
