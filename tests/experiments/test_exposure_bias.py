"""Training on one's own predictions: what is cut, what goes through, what it does."""

import exposure_bias
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exposure_bias import GIVEN, TESTED, WAYS

STEPS = 7


def test_waves_are_a_sum_of_two_sines():
    series = exposure_bias.waves(jax.random.key(0), 300, 3)
    assert series.shape == (300, 3, 1)
    # A sine obeys x[t+1] + x[t-1] = 2 cos(2 pi / period) x[t]; the two filters in turn
    # leave nothing.
    rest = np.asarray(series[..., 0], np.float64)
    for period in exposure_bias.PERIODS:
        rest = rest[2:] + rest[:-2] - 2 * np.cos(2 * np.pi / period) * rest[1:-1]
    # 167 radians in float32 are known to 1e-5; the filters add sixteen such terms.
    assert np.max(np.abs(rest)) < 2e-4


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_cutting_the_gradient_changes_no_prediction(rate):
    params = exposure_bias.CELL.init(jax.random.key(0), 2)
    series = exposure_bias.waves(jax.random.key(1), STEPS, 4)
    gate = jax.random.bernoulli(jax.random.key(2), rate, (STEPS, 4)).at[0].set(True)

    def loss(through):
        return lambda params: jnp.mean(
            exposure_bias.predict(params, series, gate, through) ** 2
        )

    (cut, d_cut), (through, d_through) = (
        jax.jit(jax.value_and_grad(loss(way)))(params) for way in (False, True)
    )
    assert np.allclose(cut, through, rtol=1e-5)
    same = np.allclose(d_cut.cell.w_h, d_through.cell.w_h, rtol=1e-4, atol=1e-7)
    assert same == (rate == 1.0)  # all given: there is nothing to cut


def test_the_error_is_none_where_all_is_right():
    series = exposure_bias.waves(jax.random.key(0), GIVEN + TESTED + 1, 3)
    said = jnp.stack([series[GIVEN:, :, 0], series[GIVEN:, :, 0] + 2])
    error = exposure_bias.errors(said, series)
    assert error.shape == (2, TESTED + 1)
    assert np.all(error[0] == 0)
    assert np.allclose(error[1], 2)


def test_every_way_is_trained_and_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = {name: way for name, way in WAYS.items() if "scheduled" not in name}
    monkeypatch.setattr(exposure_bias, "WAYS", few)
    exposure_bias.main(seeds=2, steps=6)
    assert (tmp_path / "exposure_bias.png").read_bytes().startswith(b"\x89PNG")
    told = capsys.readouterr().out
    assert len(few) == 3
    assert all(name in told for name in few)


def test_stages_share_the_updates(monkeypatch):
    asked = []

    def fit(loss, params, key, *, steps, **options):
        asked.append((loss.args, steps))
        return params, np.zeros(steps)

    monkeypatch.setattr(exposure_bias, "fit", fit)
    exposure_bias.train("scheduled sampling, through", jax.random.key(0), 2, 10)
    assert [steps for _, steps in asked] == [4, 3, 3]
    assert [args for args, _ in asked] == [(r, True) for r in exposure_bias.RATES]
