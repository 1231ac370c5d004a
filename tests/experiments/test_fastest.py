"""Shapes are measured, written down as they come, and judged."""

import json

import fastest
import pytest
from bench.cases import Case
from bench.shapes import Shape, shapes
from typer.testing import CliRunner


def test_shapes_are_those_of_their_seed_and_of_every_kind():
    drawn = shapes(60, seed=0)
    assert drawn[:10] == shapes(10, seed=0) != shapes(10, seed=1)
    assert {shape.case.cell for shape in drawn} == {"rnn", "gru", "lstm"}
    assert {s.masked for s in drawn} == {s.case.tokens for s in drawn} == {True, False}
    assert {shape.devices for shape in drawn} == {1, 2}


def test_the_regret_of_a_choice_is_told(tmp_path):
    ms = {"Stored": 3.0, "Recomputed": 2.0, "Checkpointed": 4.0}
    found = {}
    for case in (Case("lstm", 9, 2, 3, 8), Case("lstm", 9, 64, 3, 64)):
        shape = Shape(case)
        found[shape.key] = {"shape": [*case, False, 1], "ms": ms, "rate": 1e9}
    file = tmp_path / "found.json"
    file.write_text(json.dumps(found))
    told = CliRunner().invoke(fastest.app, ["judge", str(file)]).output
    # The small one is made again, which is best; the large one is stored, 50% over.
    row = next(line for line in told.splitlines() if "Fastest()" in line)
    assert [x.strip() for x in row.split("│")[2:5]] == ["25.0%", "50.0%", "1"]
    assert fastest.regret(ms, "Checkpointed") == 1


@pytest.mark.exhaustive
def test_a_shape_is_measured_from_end_to_end(tmp_path, monkeypatch):
    case = Case("gru", 7, 2, 3, 8)
    monkeypatch.setattr(fastest, "shapes", lambda count, seed: [Shape(case, True)])
    monkeypatch.setattr(fastest.jax.config, "update", lambda *args: None)
    file = tmp_path / "found.json"
    done = CliRunner().invoke(
        fastest.app, ["measure", "--seconds", "0", "--out", str(file)]
    )
    assert done.exit_code == 0, done.output
    (one,) = json.loads(file.read_text()).values()
    assert set(one["ms"]) == set(fastest.BY_HAND)
