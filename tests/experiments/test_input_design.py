"""Inputs designed by dx: judged by the network, at the price that is told."""

import functools

import design.programs
import design.words
import input_design
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.reader
import typer
from by_numpy import by_numpy
from design.methods import COST, Task, by_all, by_gradient, by_search
from design.trajectories import GOAL, random_network, trajectories, trajectory_task
from shared.study import CELLS

import scanrnn as sr

KEY = jax.random.key(0)
WANTED = np.float32([0, 2, 5])  # one number a target


def counting():
    """Inputs (1, B, 1) that a search raises by one from 0; reached where as wanted."""

    def judge(xs):
        errors = (xs[0, :, 0] - WANTED) ** 2
        return errors, errors == 0

    return Task(
        variables=jnp.zeros((1, 3, 1)),
        relax=lambda xs, key: xs,
        judge=judge,
        note=lambda xs: xs,
        draw=lambda key: jnp.zeros((1, 3, 1)),
        vary=lambda key, xs: xs + 1,
        rate=0.2,
    )


def test_local_search_goes_on_from_the_best_and_fresh_draws_do_not():
    local, fresh = (by_search(counting(), 8, KEY, local=way) for way in (True, False))
    # After k changes the input is k, until the next change would be for the worse.
    assert local.first.tolist() == [0, 2, 5]
    assert np.array_equal(local.reached, np.arange(8)[:, None] >= WANTED)
    assert fresh.reached.tolist() == [[True, False, False]] * 8


def test_the_gradient_reaches_what_is_wanted_and_no_target_minds_the_others():
    """The targets ask for steps of very different length; none is clipped."""
    scales = jnp.array([1.0, 1e3, 1e-3])

    def judge(wanted, scales, xs):
        off = xs[0, :, 0] - wanted
        return scales * off**2, jnp.abs(off) < 0.05

    def design(some):
        task = counting()._replace(
            variables=jnp.zeros((1, len(some), 1)),
            judge=functools.partial(judge, WANTED[some], scales[some]),
        )
        return by_gradient(task, 100, KEY, "")

    together, alone = design(jnp.arange(3)), design(jnp.array([2]))
    assert together.reached[-1].tolist() == [True] * 3
    assert together.reached[:, 0].argmax() == COST - 1  # it starts there
    np.testing.assert_allclose(together.notes[:, :, 2:], alone.notes, atol=1e-4)


def test_all_methods_get_as_many_evaluations():
    found = by_all(counting(), 4, seed=0, label="")
    assert {method.reached.shape for method in found.values()} == {(12, 3)}
    assert list(found) == list(input_design.LINES)


def test_an_update_is_told_when_it_is_paid_for():
    """Judged at its beginning, an update that reaches all counts three evaluations."""
    at_once = counting()._replace(judge=lambda xs: (xs.sum((0, 2)), xs[0, :, 0] == 0))
    reached = by_gradient(at_once, 2, KEY, "").reached
    assert reached[:, 0].tolist() == [False, False, True, True, True, True]


def test_a_trajectory_is_judged_by_what_the_network_emits():
    cell, wanted = sr.gru(32), trajectories(2, seed=0)
    params = random_network(cell, seed=0)
    xs = np.random.default_rng(0).normal(size=(50, 2, 3)).astype(np.float32)

    def emit(params, xs):
        return sr.dense(params[1], sr.unroll(cell, params[0], xs).outputs)

    emitted = by_numpy(emit)(params, xs)
    near = emitted + np.float32([0, 2 * GOAL**0.5])[:, None]
    errors, reached = trajectory_task(cell, params, near).judge(xs)
    assert reached.tolist() == [True, False]
    np.testing.assert_allclose(errors, [0, 4 * GOAL], rtol=1e-3, atol=1e-9)
    assert wanted.shape == emitted.shape


@pytest.fixture(scope="module")
def reader():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        return shared.reader.train_reader(sr.gru(5), steps=2, seed=0)


def test_words_are_words_of_the_text(reader):
    drawn = design.words.words(reader, 9, seed=0)
    assert len(set(drawn)) == 9
    assert all(word in reader.corpus.held_out and len(word) == 5 for word in drawn)
    with pytest.raises(typer.BadParameter, match="expected at most"):
        design.words.words(reader, 10**4, seed=0)


def test_the_model_reads_characters_and_the_gradient_does_not_stop(reader):
    task = design.words.word_task(reader, ["which", "value"])

    def loss(variables):
        xs = task.relax(variables, KEY)
        return task.judge(xs)[0].sum(), xs

    found = jax.jit(jax.grad(loss, has_aux=True))(task.variables)
    d_variables, xs = map(np.asarray, found)
    np.testing.assert_allclose(np.sort(xs, -1)[..., -1], 1, atol=1e-6)
    np.testing.assert_allclose(np.sort(xs, -1)[..., :-1], 0, atol=1e-6)
    assert np.all(np.abs(d_variables).sum(-1) > 0)  # every character, every prompt


def test_the_search_changes_some_characters_of_a_prompt(reader):
    """A share of 16^-u of them, u uniform in [0, 1], and surely one more.

    The mean share is 15 / 16 / log 16 = 0.338. Of 1 - 0.338 / 1 - 1 / 16 and the few
    that are drawn as they were, 0.64 are kept; over prompts the standard deviation is
    at most 0.3, so that of the mean of 600 at most 0.012, and 0.06 is five of them.
    """
    task = design.words.word_task(reader, ["which"] * 600)
    keys = jax.random.split(KEY)
    before = np.asarray(jax.jit(task.draw)(keys[0]))
    after = np.asarray(jax.jit(task.vary)(keys[1], before))
    assert np.array_equal(after.sum(-1), np.ones(after.shape[:-1]))
    again = float(np.sum(np.square(reader.frequencies())))  # drawn as it was
    changed = (0.338 + (1 - 0.338) / 16) * (1 - again)
    kept = float(np.all(after == before, -1).mean())
    assert abs(kept - (1 - changed)) < 0.06


def test_reached_means_that_the_model_writes_the_word(reader):
    """What it writes by itself is reached; one letter else is not."""
    prompt = reader.corpus.held_out[:16]
    written = design.words.writes(reader, prompt)
    tokens = jnp.asarray(reader.vocabulary.encode(prompt))
    xs = jnp.stack([jax.nn.one_hot(tokens, reader.vocabulary.size)] * 2, 1)
    wanted = [written, written[:-1] + ("a" if written[-1] != "a" else "b")]
    errors, reached = design.words.word_task(reader, wanted).judge(xs)
    assert reached.tolist() == [True, False]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("name", "way", "length"),
    [
        *(("gru", "Stored()", 12), ("gru", "Checkpointed(4)", 12)),
        ("lstm", "Recomputed(4)", 13),
        *(
            pytest.param(*more, marks=pytest.mark.exhaustive)
            for more in (("gru", "Recomputed(4)", 13), ("gru", "Autodiff()", 12))
        ),
    ],
)
def test_by_xs_alone_no_gradient_of_a_weight_is_computed(
    name, way, length, monkeypatch
):
    monkeypatch.setattr(design.programs, "T", length)
    cell = CELLS[name](design.programs.H)
    alone, both = (design.programs.products(cell, way, by) for by in (1, (0, 1)))
    blocks = 2 if length == 13 else 1  # the loop over blocks of 4, and the last step
    assert both[1] == 2 * blocks + 1  # w_x and w_h; and of the readout
    assert alone[1] == 0
    assert alone[0] == both[0] - both[1]


@pytest.mark.parametrize(
    "way",
    [
        "Stored()",
        *(
            pytest.param(way, marks=pytest.mark.exhaustive)
            for way in ("Recomputed(4)", "Checkpointed(4)", "Autodiff()")
        ),
    ],
)
def test_by_xs_alone_the_products_of_the_weights_are_saved(way, monkeypatch):
    monkeypatch.setattr(design.programs, "T", 6)  # every step is compiled
    T, B, X, H, Y = (getattr(design.programs, name) for name in "TBXHY")
    alone, both = (design.programs.flops(sr.gru(H), way, by) for by in (1, (0, 1)))
    assert both - alone >= 2 * T * B * (3 * H * (X + H) + H * Y)


def test_main_makes_its_picture(tmp_path, capsys, monkeypatch, reader):
    program = design.programs.Program(3, 2, 1e3)
    compared = {way: (program, program) for way in design.programs.WAYS}
    monkeypatch.setattr(input_design, "CELLS", {"gru": sr.gru})
    monkeypatch.setattr(input_design, "programs", lambda cell: compared)  # see above
    monkeypatch.setattr(input_design, "train_reader", lambda cell, steps, seed: reader)
    picture = tmp_path / "design.png"
    input_design.main(targets=2, updates=3, seed=0, picture=picture)
    said = capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "after 9 evaluations" in said
    assert all(way in said for way in design.programs.WAYS)
