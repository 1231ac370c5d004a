"""The study of truncation: nothing is lost at the full length, much at one step."""

import jax
import numpy as np
import pytest
import truncation
from shared.char import draw, init, text

import scanrnn as sr


@pytest.fixture(scope="module")
def rows():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        cell, key = sr.rnn(5), jax.random.key(0)
        xs, labels = draw(text().tokens, key, 9, 3)
        return truncation.study("rnn", cell, {False: init(cell, key)}, xs, labels)


def test_windows_that_are_compared(rows):
    assert truncation.backs(9) == [1, 2, 4, 8, 9]
    assert truncation.backs(8) == [1, 2, 4, 8]
    assert {row.back for row in rows if row.every == 8} == {8, 9}


def test_with_all_steps_nothing_is_lost(rows):
    for row in rows:
        if row.back == 9:
            assert row.cosine == pytest.approx(1, abs=1e-5)
            assert row.ratio == pytest.approx(1, abs=1e-5)


def test_a_longer_window_loses_less_and_a_chunk_more_than_a_window(rows):
    def cosine(every, back):
        (found,) = (r.cosine for r in rows if (r.every, r.back) == (every, back))
        return found

    assert cosine(1, 1) < cosine(1, 4) < cosine(1, 8)
    assert cosine(1, 1) < 0.99
    assert cosine(None, 4) < cosine(1, 4)


def test_steps_needed():
    def row(back, cosine):
        return truncation.Row("rnn", True, 1, back, cosine, 1.0)

    found = [row(1, 0.5), row(2, 0.995), row(4, 0.9), row(8, 0.999), row(9, 1.0)]
    assert truncation.needed(found, "rnn", True) == 8


def test_compare():
    a, b = {"w": np.array([3.0, 0.0])}, {"w": np.array([3.0, 3.0])}
    cosine, ratio = truncation.compare(a, b)
    assert cosine == pytest.approx(2**-0.5)
    assert ratio == pytest.approx(2**0.5)


def test_main_draws_a_picture(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.png"
    monkeypatch.setattr(truncation, "CELLS", {"rnn": sr.rnn})
    monkeypatch.setattr(truncation, "EVERY", (1, None))
    truncation.main(units=3, length=9, batch=2, steps=2, picture=path)
    assert path.stat().st_size > 10_000
    assert "a cosine of 0.99 needs k2" in capsys.readouterr().out
