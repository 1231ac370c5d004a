"""Encoder and decoder: the data, the gradients, and running freely after training."""

import datetime
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.pairs
import translate
from cases import errors, tolerance

import scanrnn as sr

WORDS = [("ab", "ba"), ("abcde", "edcba"), ("cbd", "dbc")]
LETTERS = "abcde"
MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def day_by_hand(text):
    """Reads a date written in any of the ways, by rules of its own."""
    parts = text.replace(",", " ").replace(".", " ").replace("/", " ").split()
    parts = [part for part in parts if part != "of"]
    if parts[0] in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"):
        parts = parts[1:]
    names = [part for part in parts if part[:3].isalpha()]
    numbers = [part.rstrip("stndrh") for part in parts if part not in names]
    if names and len(numbers[0]) == 4:
        numbers = numbers[::-1]
    month = MONTHS.index(names[0][:3]) // 3 + 1 if names else int(numbers.pop(1))
    day, year = map(int, numbers)
    year += 0 if year > 99 else 1900 if year >= 50 else 2000
    return datetime.date(year, month, day)


def test_dates_are_rewritten_and_no_day_of_the_test_was_in_training():
    split = shared.pairs.dates(np.random.default_rng(0), 3000, 30)
    assert len(split.train) == 3000
    assert list(split.test)[:4] == [
        "3 March 1997", "March 3, 1997", "3 Mar 97", "Mar 3, 97",
    ]  # fmt: skip
    asked = [text for group in split.test.values() for text in group]
    assert len(asked) == 30 * len(shared.pairs.WAYS)
    for source, target in split.train + asked:
        assert target == day_by_hand(source).isoformat()
    assert not {t for _, t in split.train} & {t for _, t in asked}
    assert len({t for _, t in asked}) == len(asked)


def test_words_are_reversed_and_no_word_of_the_test_was_in_training():
    split = shared.pairs.reversals(np.random.default_rng(0), 30_000, 50)
    known = {source for source, _ in split.train}
    assert {len(word) for word in known} == set(range(3, 11))
    for name, texts in split.test.items():
        assert len(texts) == 50
        assert {len(source) for source, _ in texts} == {int(name.split(",")[0])}
        assert not {source for source, _ in texts} & known
        assert all(target == "".join(reversed(s)) for s, target in texts)
    assert [int(name.split(",")[0]) for name in sorted(split.beyond)] == [11, 12, 13]


def test_texts_come_back_from_their_tokens():
    pairs = shared.pairs.encode(WORDS, LETTERS)
    assert pairs.source_lengths.tolist() == [2, 5, 3]
    assert pairs.target_lengths.tolist() == [3, 6, 4]
    assert pairs.sources.shape == (5, 3) and pairs.targets.shape == (6, 3)
    columns = np.asarray(pairs.targets).T
    assert [shared.pairs.decode(c, LETTERS) for c in columns] == [t for _, t in WORDS]
    assert (columns == shared.pairs.END).sum(1).tolist() == [4, 1, 3]


def test_gradients_are_those_of_jax_grad():
    with jax.enable_x64(True):
        params = translate.init(
            jax.random.key(0), 3, len(LETTERS) + shared.pairs.RESERVED
        )
        pairs = shared.pairs.encode(WORDS, LETTERS)
        assert params.readout.w.dtype == jnp.float64
        by_hand, by_jax = (
            jax.jit(jax.grad(lambda p, way=way: translate.loss(p, pairs, way)))(params)
            for way in (sr.Stored(), sr.Autodiff())
        )
        assert all(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(by_jax))
        assert max(errors(by_hand, by_jax).values()) < tolerance(jnp.float64, 11)


def test_padding_changes_neither_the_loss_nor_what_is_written():
    params = translate.init(jax.random.key(0), 3, len(LETTERS) + shared.pairs.RESERVED)
    pairs = shared.pairs.encode(WORDS, LETTERS)
    padded = pairs._replace(
        sources=_spoil(pairs.sources, pairs.source_lengths),
        targets=_spoil(pairs.targets, pairs.target_lengths),
    )
    loss = jax.jit(translate.loss)
    assert loss(params, pairs) == loss(params, padded)
    written = translate.write(params, pairs)
    assert jnp.array_equal(written, translate.write(params, padded))


def _spoil(tokens, lengths):
    return jnp.where(jnp.arange(len(tokens))[:, None] < lengths, tokens, 4)


def test_greedy_writing_is_teacher_forcing_on_what_was_written():
    """The likeliest character after every prefix that the decoder itself wrote."""
    params = translate.init(jax.random.key(1), 3, len(LETTERS) + shared.pairs.RESERVED)
    pairs = shared.pairs.encode(WORDS, LETTERS)
    written = translate.write(params, pairs)
    first = jnp.full_like(written[:1], shared.pairs.BEGIN)
    run = sr.unroll(
        sr.gru(6),
        params.decoder,
        jnp.concatenate((first, written[:-1])),
        translate.read(params, pairs),
    )
    logits = sr.dense(params.readout, run.outputs)
    assert jnp.array_equal(written, logits.argmax(-1))


def test_a_match_is_exact_up_to_the_end_and_asks_nothing_behind_it():
    pairs = shared.pairs.encode(WORDS, LETTERS)
    assert translate.matches(pairs.targets, pairs).all()
    behind = pairs.targets.at[3, 0].set(5)
    assert translate.matches(behind, pairs).all()
    no_end = pairs.targets.at[2, 0].set(5)
    wrong = no_end.at[0, 1].set(5)
    assert translate.matches(wrong, pairs).tolist() == [False, False, True]


def test_a_small_model_reverses_words_it_never_saw():
    words = ["".join(w) for n in (2, 3) for w in itertools.product("abcdef", repeat=n)]
    words = np.random.default_rng(0).permutation(words).tolist()
    texts = [(word, word[::-1]) for word in words]
    split = shared.pairs.Split(texts[40:], {"asked": texts[:40]}, frozenset())
    run = translate.train(split, 0, hidden=24, steps=400, label="test")
    assert run.losses.shape == (400,)
    assert run.losses[-20:].mean() < 0.1 * run.losses[0]
    assert run.overall == run.exact["asked"] >= 0.9
    assert len(run.mistakes) == round(40 * (1 - run.overall))


@pytest.mark.parametrize("task, told", [("dates", "3.3.1997"), ("reverse", "13, un")])
def test_the_script_tells_and_draws(tmp_path, capsys, monkeypatch, task, told):
    monkeypatch.setattr(translate, "ASKED", 3)
    monkeypatch.setattr(translate, "KNOWN", {"dates": 50, "reverse": 50})
    picture = tmp_path / "translate.png"
    translate.main(translate.Task(task), 1, 2, 2, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert told in shown and "as in training" in shown and "mistakes" in shown
