"""dx of a prompt: what the attributions are, and what they are worth."""

import dataclasses

import attribution.methods
import attribution.pictures
import attribution.trials
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import saliency
import shared.reader
import typer
from charlm_runs import tiny, train, write_text
from shared.reader import Reader

import scanrnn as sr
from scanrnn.charlm import Corpus, RunDirectory, Writer, char_model

# Quotations, so far from one another that a prompt holds one opening mark at most.
TEXT = ("bb ab qu ab " * 4 + '"abab" ' + "qu bb ab qu " * 5 + '"aaaaaa" ') * 30
T, WEIGHT = 12, 0.5  # characters of a prompt; what a mark adds to a logit


@pytest.fixture(scope="module", autouse=True)
def alone():
    """What the fixtures of the module compute is float32, too."""
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def counts():
    """A reader by hand: its one unit counts marks, and the logit of a mark is n / 2.

    The logits of all others are 0. The unit counts the steps too, which keeps it where
    relu has a slope; the bias of the logit takes them off again.
    """
    vocabulary = Corpus(TEXT, TEXT).vocabulary
    at = vocabulary.encode('"')[0]
    model = char_model(sr.stack(sr.rnn(1, activation="relu")), vocabulary.size)
    params = model.init(jax.random.key(0))
    layer, one = params.layers[0], jnp.ones((1, 1))
    layer = layer._replace(
        w_x=jnp.zeros_like(layer.w_x).at[at].set(1), w_h=one, b=one[0]
    )
    readout = jax.tree.map(jnp.zeros_like, params.readout)
    readout = sr.DenseParams(
        readout.w.at[0, at].set(WEIGHT), readout.b.at[at].set(-WEIGHT * T)
    )
    params = params._replace(layers=(layer,), readout=readout)
    return Reader(Writer(model, params, vocabulary, None), Corpus(TEXT, TEXT))


def mark(reader):
    return int(reader.vocabulary.encode('"')[0])


@pytest.fixture(scope="module")
def asked(counts):
    """Before a closing mark; what is asked is that mark."""
    tokens, openings = attribution.trials.quotations(counts, T)
    return attribution.methods.question(counts, tokens), openings


@pytest.fixture(scope="module")
def every(counts, asked):
    return attribution.methods.attributions(counts, asked[0])


def test_openings_of_quotations_are_where_they_are_said_to_be(counts, asked):
    question, openings = asked
    assert question.tokens.shape == (T, len(openings))
    assert len(openings) > 20
    for row, opening in zip(np.asarray(question.tokens).T, openings, strict=True):
        prompt = counts.vocabulary.decode(row)
        assert prompt[opening] == '"'
        assert prompt[opening + 1 :] in ("aaaaaa", "abab")


def test_one_hot_inputs_are_the_tokens(counts, asked):
    question, _ = asked
    xs = jax.nn.one_hot(question.tokens, counts.vocabulary.size)
    by_xs = attribution.methods.predict(counts, xs, question.targets)
    assert jnp.allclose(by_xs, question.before, atol=1e-6)


def test_attributions_are_those_of_the_formula(counts, asked, every):
    """f is a function of the number of marks, n: 1, and 12 shares in the baseline."""
    size, share = counts.vocabulary.size, float(counts.frequencies()[mark(counts)])

    def f(n):
        return WEIGHT * n - np.log(np.exp(WEIGHT * n) + size - 1)

    slope = WEIGHT * (1 - np.exp(f(1.0)))
    mean_slope = (f(1.0) - f(T * share)) / (1 - T * share)
    marks = np.arange(T)[:, None] == asked[1]
    wanted = {
        "gradient": np.full(marks.shape, slope),
        "gradient x input": slope * (marks - share),
        "integrated gradients": mean_slope * (marks - share),
        "occlusion": f(1.0) - f(1.0 - (marks - share)),
    }
    assert wanted.keys() == every.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(every[name], values, atol=2e-6, err_msg=name)


def test_only_integrated_gradients_are_complete(counts, asked, every):
    gaps = {}
    for name in ("integrated gradients", "gradient x input"):
        total, change = attribution.methods.completeness(counts, asked[0], every[name])
        gaps[name] = np.abs(total - change).max()
    assert gaps["integrated gradients"] < 1e-5
    assert gaps["gradient x input"] > 1e-3  # so the check above can fail


def test_a_character_that_nothing_reads_gets_nothing(counts):
    """All but the last in a network whose recurrence is cut."""
    params = counts.writer.params
    cut = params.layers[0]._replace(w_h=jnp.zeros((1, 1)))
    writer = counts.writer._replace(params=params._replace(layers=(cut,)))
    forgets = counts._replace(writer=writer)
    question = attribution.methods.question(forgets, forgets.excerpts(5, 7, seed=2))
    question = question._replace(targets=jnp.full(7, mark(counts)))
    for values in attribution.methods.attributions(forgets, question).values():
        assert np.all(values[:-1] == 0)
        assert np.all(values[-1] != 0)


def test_replacing_the_opening_mark_costs_most(counts, asked, every):
    """To replace another character can only bring marks, and so no loss."""
    question, _ = asked
    every = every | attribution.methods.controls(question.tokens.shape, seed=0)
    losses = attribution.trials.deletion(counts, question, every, [1, T], seed=0)
    for name in ("gradient x input", "integrated gradients", "occlusion"):
        assert losses[name][0] > max(0, losses["random"][0])
    assert losses["the last ones"][0] < 1e-6
    everything = [values[-1] for values in losses.values()]
    assert np.allclose(everything, everything[0])  # all replaced: no order is left


def test_the_opening_mark_stands_out(counts):
    found = attribution.trials.ask_quotations(counts, T, seed=0)
    assert found["integrated gradients"] == found["occlusion"] == 1
    assert found["the last ones"] == 0


def test_without_a_quotation_nothing_is_asked(counts, capsys):
    plain = counts._replace(corpus=counts.corpus._replace(held_out="ab" * 50))
    assert attribution.trials.ask_quotations(plain, T, seed=0) == {}
    assert "no quotation" in capsys.readouterr().out


def test_colours_tell_the_sign():
    colours = attribution.pictures.colours
    low, none, high = colours(np.array([-2.0, 0.0, 1.0]))
    red, blue = (slice(1, 3), slice(5, 7))
    assert int(low[blue], 16) > int(low[red], 16)
    assert int(high[red], 16) > int(high[blue], 16)
    assert abs(int(none[red], 16) - int(none[blue], 16)) < 5
    assert len(set(colours(np.zeros(3)))) == 1


def test_the_strip_is_the_prompt():
    strip = attribution.pictures.strip("a\nb", np.array([0.1, -1, 1]))
    assert strip.plain == "a↵b"


def test_main_makes_its_picture(tmp_path, capsys, monkeypatch, counts):
    monkeypatch.setattr(saliency, "train_reader", lambda cell, steps, seed: counts)
    picture = tmp_path / "saliency.png"
    saliency.main(prompt='ab "ab', count=3, length=T, seed=0, picture=picture)
    said = capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "completeness of 3 held-out prompts" in said
    methods = ("gradient", "integrated gradients", "occlusion")
    assert all(name in said for name in methods + attribution.pictures.CONTROLS)


@pytest.mark.parametrize("prompt", ["", "a ☃"])
def test_bad_prompts_are_named(prompt, monkeypatch, counts):
    monkeypatch.setattr(saliency, "train_reader", lambda cell, steps, seed: counts)
    with pytest.raises(typer.BadParameter, match="expected"):
        saliency.main(prompt=prompt)


def test_a_run_of_the_character_model_is_read(tmp_path, monkeypatch):
    few = {"steps": 1, "checkpoints": 1, "evaluations": 0}  # as in test_command.py
    train(tmp_path / "run", tiny(write_text(tmp_path), **few))
    reader = shared.reader.load_reader(tmp_path / "run")
    assert reader.log_probabilities(reader.excerpts(6, 2, 0)).shape[:2] == (6, 2)

    write_text(tmp_path, characters=2000)
    with pytest.raises(typer.BadParameter, match="no longer"):
        shared.reader.load_reader(tmp_path / "run")
    with pytest.raises(typer.BadParameter, match="no checkpoint"):
        shared.reader.load_reader(tmp_path)

    about = shared.reader.read_about(RunDirectory(tmp_path / "run"))
    named = about._replace(config=dataclasses.replace(about.config, names="names.txt"))
    monkeypatch.setattr(shared.reader, "read_about", lambda run: named)
    with pytest.raises(typer.BadParameter, match="on names"):
        shared.reader.load_reader(tmp_path / "run")


def test_excerpts_fit_the_text(counts):
    with pytest.raises(typer.BadParameter, match="at most"):
        counts.excerpts(10**6, 1, seed=0)
