"""Corpora, vocabulary, streams: what the model is fed is what was written."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from scanrnn.charlm import Corpus, TextError, Vocabulary, load_corpus
from scanrnn.charlm.streams import cut_window, held_out_windows, lay_out
from scanrnn.charlm.text import split_names, split_text

NAMES = "\n".join(f"name{k:03d}" for k in range(100))


def test_decode_inverts_encode():
    vocabulary = Vocabulary.of("zażółć gęślą jaźń\n")
    text = "łąka\nżaź"
    with pytest.raises(TextError, match="'k'"):
        vocabulary.encode(text)
    text = text.replace("k", "g")
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_every_unseen_character_is_named():
    with pytest.raises(TextError, match=r"got 'dé'.*knows 'abc'"):
        Vocabulary.of("abc").encode("abédc")


def test_the_last_tenth_of_a_text_is_held_out():
    text = "".join(chr(97 + k % 26) for k in range(1000))
    corpus = split_text(text)
    assert corpus.train + corpus.held_out == text
    assert len(corpus.held_out) == 100


def test_names_are_shuffled_by_the_seed_and_split_whole():
    corpus = split_names(NAMES, seed=3)
    train, held_out = (part.strip("\n").split("\n") for part in corpus[:2])
    assert sorted(train + held_out) == NAMES.split("\n")
    assert len(held_out) == 10
    assert split_names(NAMES, seed=3) == corpus
    assert split_names(NAMES, seed=4) != corpus
    assert corpus.train[0] == corpus.train[-1] == "\n"


def test_the_default_corpus_needs_no_file():
    corpus = load_corpus()
    assert len(corpus.train) > 300_000
    assert "Python" in corpus.held_out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"\xff\xfe" * 300, "to be UTF-8, got 0xff at byte 0; convert"),
        (b"short", "at least 200 characters.*got 5"),
        (b"", "at least 200 characters.*got 0"),
    ],
)
def test_an_unusable_file_gets_one_clear_sentence(tmp_path, content, message):
    path = tmp_path / "corpus.txt"
    if content is not None:
        path.write_bytes(content)
    for kind in ("text", "names"):
        with pytest.raises(TextError, match=message) as caught:
            load_corpus(**{kind: str(path)})
        assert "\n" not in str(caught.value)


def test_a_directory_is_no_text(tmp_path):
    with pytest.raises(TextError, match="cannot read"):
        load_corpus(text=str(tmp_path))


def test_too_few_names_are_refused():
    with pytest.raises(TextError, match=r"at least 10 names.*got 1"):
        split_names("x" * 300)


def test_text_and_names_exclude_each_other():
    with pytest.raises(TextError, match="got both"):
        load_corpus(text="a", names="b")


def test_windows_walk_the_text_in_order():
    tokens = np.arange(100, dtype=np.int32)
    streams = jnp.asarray(lay_out(tokens, batch=3, steps=4))
    assert streams.shape == (33, 3)
    first = cut_window(streams, jnp.int32(0), 4, None)
    second = cut_window(streams, jnp.int32(4), 4, None)
    np.testing.assert_array_equal(first.inputs[:, 1], [33, 34, 35, 36])
    np.testing.assert_array_equal(first.labels[:, 1], [34, 35, 36, 37])
    np.testing.assert_array_equal(second.inputs[0], first.labels[-1])


def test_a_stream_must_hold_a_window():
    assert lay_out(np.zeros(15, np.int32), 3, 4).shape == (5, 3)
    with pytest.raises(TextError, match="smaller batch or window"):
        lay_out(np.zeros(14, np.int32), 3, 4)


def test_a_name_without_its_beginning_weighs_nothing():
    tokens = jnp.array([[1, 0], [2, 3], [0, 4], [5, 0], [6, 7]])
    window = cut_window(tokens, jnp.int32(0), 4, separator=0)
    np.testing.assert_array_equal(window.resets[:, 0], [False, False, True, False])
    np.testing.assert_array_equal(window.weights[:, 0], [0, 0, 1, 1])
    np.testing.assert_array_equal(window.weights[:, 1], [1, 1, 1, 1])


def count_pairs(windows):
    """Each (input, label) that carries a weight, with how often it does."""
    at = np.asarray(windows.weights) == 1
    pairs = zip(
        np.asarray(windows.inputs)[at], np.asarray(windows.labels)[at], strict=True
    )
    return sorted((int(i), int(o)) for i, o in pairs)


@pytest.mark.parametrize("length", [2, 40, 1000, 9001])
def test_every_held_out_character_of_a_text_counts_once(length):
    text = "".join(chr(97 + k * k % 23) for k in range(length))
    corpus = Corpus(text, text)
    vocabulary = corpus.vocabulary
    tokens = vocabulary.encode(text).tolist()
    windows = held_out_windows(corpus, vocabulary)
    expected = sorted(itertools.pairwise(tokens))
    assert count_pairs(windows) == expected


def test_every_held_out_name_counts_whole():
    corpus = split_names(NAMES + "\n" + "verylongname" * 3)
    vocabulary = corpus.vocabulary
    tokens = vocabulary.encode(corpus.held_out).tolist()
    windows = held_out_windows(corpus, vocabulary)
    expected = sorted(itertools.pairwise(tokens))
    assert count_pairs(windows) == expected
    newline = vocabulary.encode("\n")[0]
    first = np.asarray(windows.inputs[:, 0])
    assert (first[np.asarray(windows.weights[:, 0]) == 1] == newline).all()
