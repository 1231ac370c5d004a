"""The study of gradients by lag: known recurrences give known numbers."""

import gradient_flow
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shared.char import draw, text

UNITS = 6


def fresh(name, seed=0):
    return gradient_flow.begin(gradient_flow.KINDS[name], UNITS, jax.random.key(seed))


def test_the_norm_at_a_lag_is_that_of_jax_grad():
    cell, params = fresh("lstm")
    xs, labels = draw(text().tokens, jax.random.key(1), 12, 1)
    norms = gradient_flow.norms_by_lag(cell, params, xs, labels)

    def later_loss(state, first):
        outputs = gradient_flow.sr.unroll(cell, params.cell, xs[first:], state).outputs
        return gradient_flow.loss_of_outputs(params.dense, outputs[-1], labels[-1])

    for lag in (1, 5):
        first = 12 - lag
        state = gradient_flow.sr.unroll(cell, params.cell, xs[:first]).final
        d_state = jax.grad(later_loss)(state, first)
        want = np.linalg.norm(np.concatenate([np.ravel(leaf) for leaf in d_state]))
        np.testing.assert_allclose(norms[lag], want, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "scale"), [("rnn 0.5 x that", 0.5), ("irnn identity", 1.0)]
)
def test_spectral_quantities_of_scaled_orthogonal_recurrences(name, scale):
    cell, params = fresh(name)
    flow = gradient_flow.measure(cell, params, jax.random.key(2), 24, 4)
    np.testing.assert_allclose([flow.singular, flow.radius], scale, rtol=1e-4)
    assert flow.lyapunov <= np.log(scale) + 1e-3  # no step stretches by more


def test_a_small_recurrence_vanishes_as_fast_as_predicted():
    cell, params = fresh("rnn 0.5 x that")
    flow = gradient_flow.measure(cell, params, jax.random.key(2), 30, 8)
    assert flow.slope < np.log(0.55)
    assert flow.slope == pytest.approx(flow.lyapunov, abs=0.05)
    assert 4 <= flow.horizon <= 12


def test_the_lyapunov_exponent_of_a_linear_map():
    """relu with large biases is linear: the exponent is log of the radius of W_h."""
    cell, params = fresh("irnn identity")
    w_h = 0.7 * jnp.eye(UNITS)
    cell_params = params.cell._replace(w_h=w_h, b=jnp.full(UNITS, 9.0))
    xs, _ = draw(text().tokens, jax.random.key(1), 12, 3)
    lyapunov, jacobian = gradient_flow.along(cell, cell_params, xs)
    np.testing.assert_allclose(lyapunov, np.log(0.7), rtol=1e-5)
    np.testing.assert_allclose(jacobian, w_h, atol=1e-6)


def test_slope_and_horizon_of_a_pure_exponential():
    norms = 0.8 ** np.arange(40)
    assert gradient_flow.slope_of(norms) == pytest.approx(np.log(0.8))
    flow = gradient_flow.Flow(norms, 0, 0, 0, None, None)
    assert flow.horizon == 21  # 0.8^21 = 0.0092
    assert flow._replace(norms=np.ones(9)).horizon is None


def test_main_draws_a_picture(tmp_path, capsys, monkeypatch):
    path, kinds = tmp_path / "a.png", gradient_flow.KINDS
    two = {name: kinds[name] for name in ("irnn identity", "lstm")}
    monkeypatch.setattr(gradient_flow, "KINDS", two)
    gradient_flow.main(units=3, length=12, batch=2, steps=2, picture=path)
    assert path.stat().st_size > 10_000
    assert "clipped" in capsys.readouterr().out
