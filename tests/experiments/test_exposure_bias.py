"""Training on one's own predictions: what is cut, what goes through, what it does."""

import exposure_bias
import jax
import jax.numpy as jnp
import numpy as np
import shared.study
from by_numpy import by_numpy
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


def test_cutting_the_gradient_changes_no_prediction():
    """Nor a gradient where all inputs are given: there is nothing to cut."""
    params = exposure_bias.CELL.init(jax.random.key(0), 2)
    series = exposure_bias.waves(jax.random.key(1), STEPS, 4)
    given = jnp.ones((STEPS, 4), bool)
    some = jnp.arange(STEPS)[:, None] < jnp.array([1, 3, 1, 5])

    def both(through):
        def loss(params, gate):
            said = exposure_bias.predict(params, series, gate, through)
            return jnp.mean(said**2)

        return by_numpy(jax.value_and_grad(loss))

    cut, through = both(False), both(True)
    for gate in (given, some):
        (loss, d_cut), (same, d_through) = cut(params, gate), through(params, gate)
        assert np.allclose(loss, same, rtol=1e-5)
        by_cut, by_through = d_cut.cell.w_h, d_through.cell.w_h
        off = jnp.abs(by_cut - by_through).max() / jnp.abs(by_through).max()
        assert off < 1e-4 if gate is given else off > 1e-3


def test_the_error_is_none_where_all_is_right():
    series = exposure_bias.waves(jax.random.key(0), GIVEN + TESTED + 1, 3)
    said = jnp.stack([series[GIVEN:, :, 0], series[GIVEN:, :, 0] + 2])
    error = exposure_bias.errors(said, series)
    assert error.shape == (2, TESTED + 1)
    assert np.all(error[0] == 0)
    assert np.allclose(error[1], 2)


REAL = "free run, gradient through"


def test_every_way_is_trained_by_its_stages_and_told(tmp_path, capsys, monkeypatch):
    """One of them in earnest; the losses of the others are only traced."""
    asked = {name: [] for name in WAYS}

    def fit(loss, params, key, *, steps, label, **options):
        asked[label].append((loss.args, steps))
        assert jax.eval_shape(loss, params, key).shape == ()
        if label != REAL:
            return params, np.zeros(steps)
        return shared.study.fit(loss, params, key, steps=steps, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exposure_bias, "fit", fit)
    exposure_bias.main(seeds=2, steps=10)
    assert (tmp_path / "exposure_bias.png").read_bytes().startswith(b"\x89PNG")
    told = capsys.readouterr().out
    shown = [name.removesuffix(" through") for name in WAYS]  # it may be wrapped
    assert all(name in told for name in shown)
    for name, way in WAYS.items():
        stages = [
            ((rate, way.through), steps)
            for rate, steps in zip(
                way.given, (4, 3, 3) if "scheduled" in name else (10,), strict=True
            )
        ]
        assert asked[name] == stages
