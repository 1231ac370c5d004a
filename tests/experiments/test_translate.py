"""Encoder and decoder: the data, the gradients, and running freely after training."""

import datetime
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.pairs
import translate
from by_numpy import by_numpy
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


@pytest.fixture(scope="module")
def params():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        size = len(LETTERS) + shared.pairs.RESERVED
        return jax.jit(translate.init, static_argnums=(1, 2))(
            jax.random.key(0), 3, size
        )


@pytest.fixture(scope="module")
def pairs():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        return shared.pairs.encode(WORDS, LETTERS)


def test_gradients_are_those_of_jax_grad_and_padding_changes_nothing(params, pairs):
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)

        def both(params, pairs, way):
            def loss(params, pairs):
                return translate.loss(params, pairs, way)

            return by_numpy(jax.value_and_grad(loss))(params, pairs)

        loss, by_hand = both(params, pairs, sr.Stored())
        _, by_jax = both(params, pairs, sr.Autodiff())
        assert loss.dtype == jnp.float64
        assert all(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(by_jax))
        assert max(errors(by_hand, by_jax).values()) < tolerance(jnp.float64, 11)
        assert both(params, spoilt(pairs), sr.Stored())[0] == loss


def spoilt(pairs):
    """The same with other characters behind the ends."""
    spoil = jax.jit(
        lambda tokens, ends: jnp.where(
            jnp.arange(len(tokens))[:, None] < ends, tokens, 4
        )
    )
    return pairs._replace(
        sources=spoil(pairs.sources, pairs.source_lengths),
        targets=spoil(pairs.targets, pairs.target_lengths),
    )


def test_greedy_writing_is_teacher_forcing_on_what_was_written(params, pairs):
    """The likeliest character after every prefix that the decoder itself wrote.

    Or as likely as rounding tells. What stands behind the ends does not matter.
    """
    written = translate.write(params, pairs)
    first = jnp.full_like(written[:1], shared.pairs.BEGIN)
    shifted = jnp.concatenate((first, written[:-1]))

    @jax.jit
    def logits_of(params):
        start = translate.read(params, pairs)
        run = sr.unroll(sr.gru(6), params.decoder, shifted, start)
        return sr.dense(params.readout, run.outputs)

    logits = np.asarray(logits_of(params))
    chosen = np.take_along_axis(logits, np.asarray(written)[..., None], -1)[..., 0]
    assert np.all(chosen > logits.max(-1) - 1e-5)
    assert jnp.array_equal(written, translate.write(params, spoilt(pairs)))


def test_a_match_is_exact_up_to_the_end_and_asks_nothing_behind_it():
    pairs = shared.pairs.encode(WORDS, LETTERS)
    assert translate.matches(pairs.targets, pairs).all()
    behind = pairs.targets.at[3, 0].set(5)
    assert translate.matches(behind, pairs).all()
    no_end = pairs.targets.at[2, 0].set(5)
    wrong = no_end.at[0, 1].set(5)
    assert translate.matches(wrong, pairs).tolist() == [False, False, True]


def small(rng, train, test):
    """Words of two and three of six letters; 40 are asked."""
    words = ["".join(w) for n in (2, 3) for w in itertools.product("abcdef", repeat=n)]
    texts = [(word, word[::-1]) for word in rng.permutation(words).tolist()]
    return shared.pairs.Split(texts[40:], {"asked": texts[:40]}, frozenset())


def test_words_it_never_saw_are_reversed_told_and_drawn(tmp_path, capsys, monkeypatch):
    """400 updates. Over ten seeds 95 to 100% are exactly right, by chance 1 to 3%.

    The loss falls to less than 0.005 of the first one.
    """
    found, tables = {}, translate.tables
    monkeypatch.setattr(translate, "TASKS", {"reverse": small})
    monkeypatch.setattr(translate, "tables", lambda o: found.update(o) or tables(o))
    picture = tmp_path / "translate.png"
    translate.main(translate.Task.reverse, 1, 400, 24, picture)
    [run] = found["reverse"]
    assert run.losses.shape == (400,)
    assert run.losses[-20:].mean() < 0.2 * run.losses[0]
    assert run.overall == run.exact["asked"] >= 0.5
    assert len(run.mistakes) == round(40 * (1 - run.overall))
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert "asked" in shown and "as in training" in shown and "mistakes" in shown


def test_the_script_asks_for_both_tasks(tmp_path, capsys, monkeypatch):
    def train(split, seed, *, hidden, steps, label):
        assert len(split.train) >= 50
        exact = {name: 0.5 for name in split.test}
        return translate.Outcome(np.ones(steps), exact, 0.25, ["ab -> ba, not ab"])

    monkeypatch.setattr(translate, "train", train)
    monkeypatch.setattr(translate, "ASKED", 3)
    monkeypatch.setattr(translate, "KNOWN", {"dates": 50, "reverse": 50})
    translate.main(translate.Task.both, 2, 2, 2, tmp_path / "translate.png")
    shown = capsys.readouterr().out
    assert "3.3.1997" in shown and "13, un" in shown
    assert shown.count("25.00%") == 4
    assert "ab -> ba, not ab" in shown
