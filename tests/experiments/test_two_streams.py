"""The study of the two streams: its numbers add up, and its main runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import two_streams
from shared.char import draw, init, text

import scanrnn as sr

CELL = sr.lstm(5)


@pytest.fixture(scope="module")
def model():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        key = jax.random.key(0)
        return init(CELL, key), *draw(text().tokens, key, 9, 3)


def test_labels_are_the_next_characters():
    xs, labels = draw(text().tokens, jax.random.key(3), 9, 4)
    assert jnp.array_equal(xs[1:], labels[:-1])


def test_norms_and_angle_obey_the_law_of_cosines(model):
    one = two_streams.streams_of(CELL, *model)
    product = 2 * one.output * one.time * np.cos(np.radians(one.angle))
    product[-1] = 0  # nothing arrives through time at the last step
    assert one.time[-1] == 0
    np.testing.assert_allclose(
        one.total**2, one.output**2 + one.time**2 + product, rtol=1e-4
    )


def test_dropping_time_is_truncation_to_one_step(model):
    params, xs, labels = model
    weights = jnp.ones(len(xs))
    forgetful = two_streams.deaf(CELL, "h", "c")
    got = two_streams.gradient(forgetful, params, xs, labels, weights)

    def loss(cell_params):
        run = sr.truncated(CELL, cell_params, xs, every=1, back=1)
        return two_streams.loss_of_outputs(params.dense, run.outputs, labels)

    for a, b in zip(got, jax.grad(loss)(params.cell), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_something_is_lost_with_every_stream(model):
    for name, lost in two_streams.losses_of(CELL, *model).items():
        assert -1 <= lost.cosine["w_h"] < 0.999, name


def test_main_draws_a_picture(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.png"
    monkeypatch.setattr(two_streams, "CELLS", {"lstm": sr.lstm})
    two_streams.main(units=4, length=8, batch=2, steps=2, picture=path)
    assert path.stat().st_size > 10_000
    assert "da_prev" in capsys.readouterr().out
