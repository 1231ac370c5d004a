"""The study of truncation: what holds of every draw, and its main."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.char
import truncation
from shared.char import draw, init, text

import scanrnn as sr

H, T, B = 5, 9, 3
CELL = sr.rnn(H)


def agreeing(params, absent):
    """Params with which the gradient of every lag is positive, entry by entry.

    No weight of the cell is negative, so no state is either. Of the logits only that
    of a character that never follows reads the state: d_h is its probability.
    """
    cell = jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.15), params.cell)
    w = jnp.zeros_like(params.dense.w).at[:, absent].set(1.0)
    return params._replace(cell=cell, dense=params.dense._replace(w=w))


@pytest.fixture(scope="module")
def rows():
    """Of a model without recurrence, as the fresh one, and an `agreeing` one."""
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        key = jax.random.key(0)
        xs, labels = draw(text().tokens, key, T, B)
        params = init(CELL, key)
        still = params.cell._replace(w_h=jnp.zeros_like(params.cell.w_h))
        absent = min(set(range(text().size)) - set(labels.ravel().tolist()))
        models = {
            False: params._replace(cell=still),
            True: agreeing(params, absent),
        }
        return truncation.study("rnn", CELL, models, xs, labels)


def test_windows_that_are_compared(rows):
    assert truncation.backs(9) == [1, 2, 4, 8, 9]
    assert truncation.backs(8) == [1, 2, 4, 8]
    assert {row.back for row in rows if row.every == 8} == {8, 9}


def test_with_all_steps_nothing_is_lost(rows):
    for row in rows:
        if row.back == T:
            assert row.cosine == pytest.approx(1, abs=1e-5)
            assert row.ratio == pytest.approx(1, abs=1e-5)


def test_without_recurrence_no_window_loses_anything(rows):
    assert {row.back for row in rows if not row.trained} == {1, 2, 4, 8, 9}
    for row in rows:
        if not row.trained:
            assert row.cosine == pytest.approx(1, abs=1e-5)
            assert row.ratio == pytest.approx(1, abs=1e-5)


def test_where_all_lags_agree_a_window_keeps_more_the_longer_and_a_chunk_less(rows):
    kept = {(row.every, row.back): row.ratio for row in rows if row.trained}
    windows = [kept[1, back] for back in (1, 2, 4, 8, 9)]
    chunks = [kept[None, back] for back in (1, 2, 4, 8, 9)]
    assert windows == sorted(set(windows))
    assert chunks == sorted(set(chunks))
    for chunk, window in zip(chunks[1:-1], windows[1:-1], strict=True):
        assert chunk < window
    assert kept[None, 8] == pytest.approx(kept[8, 8])


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
    monkeypatch.setattr(shared.char, "CELLS", {"rnn": sr.rnn})
    truncation.main(units=H, length=T, batch=B, steps=2, picture=path)
    assert path.stat().st_size > 10_000
    told = capsys.readouterr().out
    assert "rnn: loss" in told
    assert "rnn: a cosine of 0.99 needs k2" in told
