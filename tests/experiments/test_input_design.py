"""Inputs designed by dx: judged by the network, at the price that is told."""

import input_design
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.reader
import typer
from shared.study import CELLS

import scanrnn as sr


@pytest.fixture(scope="module")
def network():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        cell = sr.gru(input_design.UNITS)
        params = input_design.random_network(cell, seed=0)
        return cell, params, input_design.trajectories(5, seed=0)


def test_the_gradient_reaches_what_search_does_not(network):
    task = input_design.trajectory_task(*network)
    found = input_design.by_all(task, 100, seed=0, label="")
    assert found["gradient"].reached[-1].sum() >= 4
    assert not found["fresh draws"].reached.any()
    assert not found["local search"].reached[-1].all()


def test_all_methods_get_as_many_evaluations(network):
    task = input_design.trajectory_task(*network)
    found = input_design.by_all(task, 4, seed=0, label="")
    assert {method.reached.shape for method in found.values()} == {(12, 5)}
    assert list(found) == list(input_design.LINES)


def test_an_update_is_told_when_it_is_paid_for(network):
    """Judged at its beginning, an update that reaches all counts three evaluations."""
    task = input_design.trajectory_task(*network)
    at_once = task._replace(judge=lambda xs: (xs.sum((0, 2)), xs[0, :, 0] == 0))
    reached = input_design.by_gradient(at_once, 2, jax.random.key(0), "").reached
    assert reached[:, 0].tolist() == [False, False, True, True, True, True]


def test_designs_are_independent(network):
    """A target alone gets the input that it gets among others."""
    cell, params, wanted = network
    key = jax.random.key(0)
    together, alone = (
        input_design.by_gradient(
            input_design.trajectory_task(cell, params, some), 5, key, ""
        ).notes
        for some in (wanted, wanted[:, 2:3])
    )
    assert jnp.allclose(together[:, :, 2:3], alone, atol=1e-4)


def test_local_search_comes_nearer(network):
    task = input_design.trajectory_task(*network)
    near = task._replace(judge=lambda xs: (task.judge(xs)[0], task.judge(xs)[0] < 0.05))
    found = input_design.by_search(near, 400, jax.random.key(0), local=True).reached
    assert found[0].sum() < found[-1].sum()
    assert not np.any(found[:-1] & ~found[1:])  # what was reached, was reached


@pytest.fixture(scope="module")
def reader():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        return shared.reader.train_reader(sr.gru(16), steps=5, seed=0)


def test_words_are_words_of_the_text(reader):
    drawn = input_design.words(reader, 9, seed=0)
    assert len(set(drawn)) == 9
    assert all(word in reader.corpus.held_out and len(word) == 5 for word in drawn)
    with pytest.raises(typer.BadParameter, match="expected at most"):
        input_design.words(reader, 10**4, seed=0)


def test_the_model_reads_characters_and_the_gradient_does_not_stop(reader):
    task = input_design.word_task(reader, ["which", "value"])
    key = jax.random.key(0)
    xs = task.relax(task.variables, key)
    assert jnp.allclose(jnp.sort(xs, -1), jnp.eye(xs.shape[-1])[-1], atol=1e-6)

    def loss(variables):
        return task.judge(task.relax(variables, key))[0].sum()

    d_variables = jax.grad(loss)(task.variables)
    assert jnp.all(jnp.abs(d_variables).sum(-1) > 0)  # every character, every prompt


def test_the_search_changes_some_characters_but_never_none(reader):
    task = input_design.word_task(reader, ["which", "value"] * 30)
    keys = jax.random.split(jax.random.key(0))
    before = task.draw(keys[0])
    after = task.vary(keys[1], before)
    assert jnp.array_equal(after.sum(-1), jnp.ones(after.shape[:-1]))
    kept = jnp.all(after == before, -1).mean()
    assert 0.1 < kept < 0.95


def test_reached_means_that_the_model_writes_the_word(reader):
    """What it writes by itself is reached; one letter else is not."""
    prompt = reader.corpus.held_out[:16]
    written = input_design.writes(reader, prompt)
    tokens = jnp.asarray(reader.vocabulary.encode(prompt))
    xs = jnp.stack([jax.nn.one_hot(tokens, reader.vocabulary.size)] * 2, 1)
    wanted = [written, written[:-1] + ("a" if written[-1] != "a" else "b")]
    errors, reached = input_design.word_task(reader, wanted).judge(xs)
    assert reached.tolist() == [True, False]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("cell", "way"),
    [("gru", way) for way in input_design.WAYS] + [("lstm", "Recomputed(4)")],
)
def test_by_xs_alone_no_gradient_of_a_weight_is_computed(cell, way):
    alone, both = (input_design.program(CELLS[cell](7), way, by) for by in (1, (0, 1)))
    blocks = 2 if "4" in way else 1  # the loop over blocks of 4, and the last step
    assert both.of_weights == 2 * blocks + 1  # w_x and w_h; and of the readout
    assert alone.of_weights == 0
    assert alone.products == both.products - both.of_weights
    of_gates = {"gru": 3, "lstm": 4}[cell] * 7 * (5 + 7)
    assert both.flops - alone.flops >= 2 * 13 * 3 * (of_gates + 7 * 2)


def test_main_makes_its_picture(tmp_path, capsys, monkeypatch):
    ways = {"Stored()": input_design.WAYS["Stored()"]}  # the others: see above
    monkeypatch.setattr(input_design, "WAYS", ways)
    picture = tmp_path / "design.png"
    input_design.main(targets=2, updates=3, steps=2, hidden=5, seed=0, picture=picture)
    said = capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "after 9 evaluations" in said
    assert all(way in said for way in input_design.WAYS)
