"""dx of a prompt: what the attributions are, and what they are worth."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import saliency
import shared.reader
import typer
from charlm_runs import tiny, train, write_text

import scanrnn as sr
from scanrnn.charlm import Corpus, RunDirectory, Writer, char_model


@pytest.fixture(scope="module")
def reader():
    """Briefly trained: it closes what it has opened, and a q is followed by a u."""
    draw = np.random.default_rng(0)
    words = draw.choice(['"aaaaaa"', '"abab"', "qu", "bb", "ab"], 4000)
    text = " ".join(words)
    corpus = Corpus(text[:-6000], text[-6000:])
    model = char_model(sr.stack(sr.gru(24)), corpus.vocabulary.size)
    tokens = jnp.asarray(corpus.vocabulary.encode(corpus.train))

    def loss(params, key):
        places = jax.random.randint(key, (16,), 0, len(tokens) - 25)
        piece = tokens[jnp.arange(25)[:, None] + places]
        logits, _ = model.predict(params, piece[:-1], model.start(16))
        return sr.softmax_cross_entropy(logits, piece[1:])

    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        start = model.init(jax.random.key(0))
        params, _ = shared.reader.fit(
            loss, start, jax.random.key(1), steps=200, rate=1e-2
        )
    return shared.reader.Reader(Writer(model, params, corpus.vocabulary, None), corpus)


@pytest.fixture(scope="module")
def asked(reader):
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        return saliency.question(reader, reader.excerpts(12, 20, seed=1))


@pytest.fixture(scope="module")
def every(reader, asked):
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        return saliency.attributions(reader, asked)


def test_one_hot_inputs_are_the_tokens(reader, asked):
    xs = jax.nn.one_hot(asked.tokens, reader.vocabulary.size)
    by_xs = saliency.predict(reader, xs, asked.targets)
    assert jnp.allclose(by_xs, asked.before, atol=1e-5)
    assert jnp.all(asked.before > np.log(1 / reader.vocabulary.size))  # the likeliest


def test_dx_is_the_derivative(reader, asked):
    xs = jax.nn.one_hot(asked.tokens, reader.vocabulary.size)
    towards = jax.random.normal(jax.random.key(0), xs.shape)
    d_xs = saliency.d_inputs(reader, xs, asked.targets)
    after, before = (
        saliency.predict(reader, xs + side * towards, asked.targets)
        for side in (1e-3, -1e-3)
    )
    slope = (after - before) / 2e-3
    assert jnp.allclose(jnp.sum(d_xs * towards, (0, 2)), slope, atol=0.02, rtol=0.02)


def test_integrated_gradients_are_complete(reader, asked, every):
    total, change = saliency.completeness(reader, asked, every["integrated gradients"])
    assert np.abs(change).max() > 1
    assert np.abs(total - change).max() < 1e-3


def test_gradient_times_input_is_not_complete(reader, asked, every):
    """So the check above can fail."""
    total, change = saliency.completeness(reader, asked, every["gradient x input"])
    assert np.abs(total - change).max() > 0.1


def test_a_character_that_nothing_reads_gets_nothing(reader):
    """The first of two tokens in a network whose recurrence is cut."""
    layer = reader.writer.params.layers[0]
    always_new = jnp.full_like(layer.b[24:48], -1e3)
    cut = layer._replace(w_h=layer.w_h * 0, b=layer.b.at[24:48].set(always_new))
    params = reader.writer.params._replace(layers=(cut,))
    forgets = reader._replace(writer=reader.writer._replace(params=params))
    asked = saliency.question(forgets, forgets.excerpts(5, 7, seed=2))
    for values in saliency.attributions(forgets, asked).values():
        assert np.abs(values[:-1]).max() < 1e-6
        assert np.abs(values[-1]).max() > 1e-3


def test_replacing_the_largest_costs_most(reader, asked, every):
    every = every | saliency.controls(asked.tokens.shape, seed=0)
    losses = saliency.deletion(reader, asked, every, [1, 2, 12], seed=0)
    for name in ("gradient", "integrated gradients", "occlusion"):
        assert losses[name][0] > 2 * losses["random"][0], name
    everything = [values[-1] for values in losses.values()]
    assert np.allclose(everything, everything[0])  # all replaced: no order is left


def test_openings_of_quotations_are_where_they_are_said_to_be(reader):
    tokens, openings = saliency.quotations(reader, 12)
    assert tokens.shape == (12, len(openings))
    assert len(openings) > 20
    for row, opening in zip(np.asarray(tokens).T, openings, strict=True):
        prompt = reader.vocabulary.decode(row)
        assert prompt[opening] == '"'
        assert prompt[opening + 1 :] in ("aaaaaa", "abab")


def test_the_opening_mark_stands_out(reader):
    found = saliency.ask_quotations(reader, 12, seed=0)
    assert found["integrated gradients"] > 2 * found["random"]
    assert found["the last ones"] == 0


def test_without_a_quotation_nothing_is_asked(reader, capsys):
    plain = reader._replace(corpus=reader.corpus._replace(held_out="ab" * 50))
    assert saliency.ask_quotations(plain, 12, seed=0) == {}
    assert "no quotation" in capsys.readouterr().out


def test_colours_tell_the_sign():
    low, none, high = saliency.colours(np.array([-2.0, 0.0, 1.0]))
    red, blue = (slice(1, 3), slice(5, 7))
    assert int(low[blue], 16) > int(low[red], 16)
    assert int(high[red], 16) > int(high[blue], 16)
    assert abs(int(none[red], 16) - int(none[blue], 16)) < 5
    assert len(set(saliency.colours(np.zeros(3)))) == 1


def test_the_strip_is_the_prompt():
    assert saliency.strip("a\nb", np.array([0.1, -1, 1])).plain == "a↵b"


def test_main_makes_its_picture(tmp_path, capsys):
    picture = tmp_path / "saliency.png"
    saliency.main(
        prompt="ab", steps=2, hidden=5, count=3, length=9, seed=0, picture=picture
    )
    said = capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "completeness of 3 held-out prompts" in said
    assert all(name in said for name in saliency.STYLES)


@pytest.mark.parametrize("prompt", ["", "a ☃"])
def test_bad_prompts_are_named(prompt):
    with pytest.raises(typer.BadParameter, match="expected"):
        saliency.main(prompt=prompt, steps=1, hidden=3)


def test_a_run_of_the_character_model_is_read(tmp_path, monkeypatch):
    config = tiny(write_text(tmp_path), steps=1, checkpoints=1, evaluations=0)
    train(tmp_path / "run", config)
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


def test_excerpts_fit_the_text(reader):
    with pytest.raises(typer.BadParameter, match="at most"):
        reader.excerpts(10**6, 1, seed=0)
