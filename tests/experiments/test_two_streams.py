"""The study of the two streams: its numbers add up, and its main runs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.char
import two_streams
from by_numpy import by_numpy
from shared.char import draw, init, text

import scanrnn as sr

H, T, B = 5, 11, 3
CELL = sr.lstm(H)


@pytest.fixture(scope="module")
def model():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        key = jax.random.key(0)
        return init(CELL, key), *draw(text().tokens, key, T, B)


def test_labels_are_the_next_characters(model):
    _, xs, labels = model
    assert jnp.array_equal(xs[1:], labels[:-1])


def test_norms_and_angle_obey_the_law_of_cosines(model):
    one = two_streams.streams_of(CELL, *model)
    product = 2 * one.output * one.time * np.cos(np.radians(one.angle))
    product[-1] = 0  # nothing arrives through time at the last step
    assert one.time[-1] == 0
    off = one.total**2 - (one.output**2 + one.time**2 + product)
    assert np.all(np.abs(off) < 1e-5 * (one.output + one.time) ** 2)


def test_dropping_time_is_truncation_to_one_step(model):
    params, xs, labels = model
    weights = jnp.ones(len(xs))
    forgetful = two_streams.deaf(CELL, "h", "c")
    gradient = by_numpy(functools.partial(two_streams.gradient, forgetful))
    got = gradient(params, xs, labels, weights)

    @by_numpy
    def wanted(cell_params):
        def loss(cell_params):
            run = sr.truncated(CELL, cell_params, xs, every=1, back=1)
            return two_streams.loss_of_outputs(params.dense, run.outputs, labels)

        return jax.grad(loss)(cell_params)

    for a, b in zip(got, wanted(params.cell), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_stream_that_carries_nothing_is_no_loss(model):
    """Without W_h nothing comes back through time but in c."""
    params, xs, labels = model
    still = params.cell._replace(w_h=jnp.zeros_like(params.cell.w_h))
    lost = two_streams.losses_of(CELL, params._replace(cell=still), xs, labels)
    in_h, in_c = lost["time in h (da_prev)"], lost["time in c (dc_prev)"]
    for leaf in two_streams.LEAVES:
        assert in_h.cosine[leaf] == pytest.approx(1, abs=1e-5)
        assert in_h.ratio[leaf] == pytest.approx(1, abs=1e-5)
        assert in_c.cosine[leaf] == pytest.approx(lost["time"].cosine[leaf], abs=1e-5)
        assert in_c.ratio[leaf] == pytest.approx(lost["time"].ratio[leaf], abs=1e-5)
        assert lost["time"].cosine[leaf] < 1


def test_main_draws_a_picture(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.png"
    monkeypatch.setattr(shared.char, "CELLS", {"lstm": sr.lstm})
    monkeypatch.setattr(two_streams, "MEASURED", 1)
    two_streams.main(units=H, length=T, batch=B, steps=2, picture=path)
    assert path.stat().st_size > 10_000
    told = capsys.readouterr().out
    assert "lstm: loss" in told and "da_prev" in told
