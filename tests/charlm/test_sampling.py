"""Writing: what is chosen, from what, and what of it repeats."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import scanrnn as sr
from scanrnn.charlm import Sampler, TextError, Vocabulary, Writer, char_model, generate

MODEL = char_model(sr.stack(sr.lstm(7), sr.gru(5)), 11)
PROMPT = np.array([3, 1, 4, 1, 5])


@functools.cache
def params():
    """Logits far from uniform, so that restrictions bite."""
    drawn = MODEL.init(jax.random.key(5))
    return drawn._replace(readout=drawn.readout._replace(w=drawn.readout.w * 8))


def write(sampler=None, seed=0, length=20, count=3, prompt=PROMPT, separator=None):
    written = generate(
        MODEL,
        params(),
        prompt,
        jax.random.key(seed),
        length=length,
        count=count,
        sampler=sampler or Sampler(),
        separator=separator,
    )
    return np.asarray(written)


@pytest.mark.parametrize("separator", [None, 8])
def test_greedy_takes_the_argmax_of_the_whole_text_so_far(separator):
    written = write(Sampler(greedy=True), length=60, separator=separator)
    assert (written == written[0]).all()
    # One unroll over all of it: the logits at every place follow from what precedes.
    tokens = np.concatenate((PROMPT, written[0]))[:, None]
    resets = None if separator is None else jnp.asarray(tokens == separator)
    logits, _ = MODEL.predict(params(), jnp.asarray(tokens), MODEL.start(1), resets)
    likeliest = np.asarray(logits[:, 0].argmax(-1))
    np.testing.assert_array_equal(written[0], likeliest[len(PROMPT) - 1 : -1])
    if separator is not None:  # it is written, so that the state does start anew
        assert separator in written[0]


def test_what_precedes_a_separator_is_forgotten():
    greedy = Sampler(greedy=True)
    first = write(greedy, prompt=[2, 7], separator=2)
    np.testing.assert_array_equal(write(greedy, prompt=[4, 2, 7], separator=2), first)
    assert (write(greedy, prompt=[4, 2, 7]) != write(greedy, prompt=[2, 7])).any()


def test_the_seed_decides():
    np.testing.assert_array_equal(write(seed=1), write(seed=1))
    assert (write(seed=1) != write(seed=2)).any()


def test_several_samples_differ():
    rows = {tuple(row) for row in write(count=4)}
    assert len(rows) == 4


def draws(sampler, logits, count=4000):
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(lambda key: sampler.choose(key, logits[None])[0])(keys))


LOGITS = jnp.log(jnp.array([0.05, 0.4, 0.1, 0.25, 0.2]))


def test_draws_follow_the_softmax():
    shares = np.bincount(draws(Sampler(), LOGITS), minlength=5) / 4000
    np.testing.assert_allclose(shares, np.exp(LOGITS), atol=0.03)


@pytest.mark.parametrize(
    ("k", "support"), [(1, {1}), (2, {1, 3}), (99, {0, 1, 2, 3, 4})]
)
def test_top_k_draws_from_the_k_likeliest(k, support):
    assert set(draws(Sampler(top_k=k), LOGITS).tolist()) == support


@pytest.mark.parametrize(
    ("p", "support"),
    [(1e-6, {1}), (0.39, {1}), (0.5, {1, 3}), (0.8, {1, 3, 4}), (1.0, {0, 1, 2, 3, 4})],
)
def test_top_p_draws_from_the_likeliest_that_reach_p(p, support):
    assert set(draws(Sampler(top_p=p), LOGITS).tolist()) == support


def test_top_p_looks_at_what_top_k_left():
    # Of 0.4 and 0.25 alone the first has 0.62.
    assert set(draws(Sampler(top_k=2, top_p=0.6), LOGITS).tolist()) == {1}


def test_temperature_goes_from_the_likeliest_to_uniform():
    assert set(draws(Sampler(temperature=1e-3), LOGITS).tolist()) == {1}
    shares = np.bincount(draws(Sampler(temperature=1e3), LOGITS), minlength=5) / 4000
    np.testing.assert_allclose(shares, 0.2, atol=0.03)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature positive, got 0.0.*greedy"),
        ({"temperature": float("nan")}, "temperature positive"),
        ({"temperature": float("inf")}, "temperature positive"),
        ({"top_k": 0}, "top_k at least 1"),
        ({"top_p": 0.0}, r"top_p in \(0, 1\]"),
        ({"top_p": 1.5}, r"top_p in \(0, 1\]"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Sampler(**settings)


@pytest.mark.parametrize("bad", [{"length": 0}, {"count": 0}])
def test_nothing_to_write_is_refused(bad):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        write(**bad)


def test_an_empty_prompt_is_refused():
    with pytest.raises(TextError, match="at least one character"):
        generate(MODEL, params(), [], jax.random.key(0), length=1)


def test_a_writer_speaks_in_characters():
    vocabulary = Vocabulary.of("\nabcdefghij")
    writer = Writer(MODEL, params(), vocabulary, None)
    key, sampler = jax.random.key(0), Sampler()
    texts = writer.write("abc", key, length=6, count=2, sampler=sampler)
    assert [len(text) for text in texts] == [6, 6]
    assert set("".join(texts)) <= set(vocabulary.characters)
    assert writer.write("", key, length=6, count=1, sampler=sampler)
    with pytest.raises(TextError, match="'Z'"):
        writer.write("aZ", key, length=6, count=1, sampler=sampler)


def test_the_loop_is_traced_once():
    before = generate.__globals__["_generate"]._cache_size()
    write(seed=11, length=23)
    write(seed=12, length=23)
    assert generate.__globals__["_generate"]._cache_size() == before + 1
