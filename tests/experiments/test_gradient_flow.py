"""The study of gradients by lag: known recurrences give known numbers."""

import functools

import gradient_flow
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from shared.char import draw, loss_of_outputs, text

import scanrnn as sr

H, T, B = 3, 13, 2  # also those of `main` below: what is compiled serves again
KEY = jax.random.key(0)


def fresh(name):
    return gradient_flow.begin(gradient_flow.KINDS[name], H, KEY)


def test_the_norm_at_a_lag_is_that_of_jax_grad():
    """With one sequence twice the median over the batch is its norm."""
    cell, params = fresh("lstm")
    one = draw(text().tokens, jax.random.key(1), T, 1)
    xs, labels = (jnp.repeat(tokens, B, 1) for tokens in one)
    lag, first = 5, T - 5

    @by_numpy
    def by_jax(params):
        state = sr.unroll(cell, params.cell, xs[:first, :1]).final

        def later_loss(state):
            run = sr.unroll(cell, params.cell, xs[first:, :1], state)
            return loss_of_outputs(params.dense, run.outputs[-1], labels[-1, :1])

        squares = jax.tree.map(
            lambda leaf: jnp.sum(leaf**2), jax.grad(later_loss)(state)
        )
        return jnp.sqrt(sum(jax.tree.leaves(squares)))

    norms = by_numpy(functools.partial(gradient_flow.norms_by_lag, cell))
    found = norms(params, xs, labels)[lag]
    np.testing.assert_allclose(found, by_jax(params), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "scale"), [("rnn 0.5 x that", 0.5), ("irnn identity", 1.0)]
)
def test_a_scaled_orthogonal_recurrence_stretches_by_no_more_than_its_scale(
    name, scale
):
    """No activation stretches either, so the bounds hold in every step."""
    cell, params = fresh(name)
    flow = gradient_flow.measure(cell, params, jax.random.key(2), T, B)
    np.testing.assert_allclose([flow.singular, flow.radius], scale, rtol=1e-4)
    bound = np.log(scale) + 1e-3
    for rate in (flow.lyapunov, flow.slope):
        assert not rate > bound  # NaN where relu is shut too soon to tell one
    assert np.all(flow.norms[1:] <= 1.0001 * scale * flow.norms[:-1])
    assert scale == 1 or flow.horizon <= 7  # 0.5^7 = 0.008


def test_of_a_linear_map_all_rates_are_the_same():
    """relu with large biases is linear: the rate is the scale of W_h."""
    cell, params = fresh("irnn identity")
    linear = params.cell._replace(w_h=0.7 * jnp.eye(H), b=jnp.full(H, 9.0))
    params = params._replace(cell=linear)
    flow = gradient_flow.measure(cell, params, jax.random.key(2), T, B)
    np.testing.assert_allclose(flow.norms / flow.norms[0], 0.7 ** np.arange(T), 1e-4)
    rates = (flow.slope, flow.lyapunov, flow.mean_jacobian)
    np.testing.assert_allclose(rates, np.log(0.7), rtol=1e-4)
    np.testing.assert_allclose([flow.singular, flow.radius], 0.7, rtol=1e-5)


def test_through_relu_that_is_shut_nothing_comes_back():
    cell, params = fresh("irnn identity")
    shut = params.cell._replace(b=jnp.full(H, -9.0))
    params = params._replace(cell=shut)
    flow = gradient_flow.measure(cell, params, jax.random.key(2), T, B)
    assert np.all(flow.norms[1:] == 0)
    assert flow.mean_jacobian == -np.inf
    assert np.isnan(flow.slope)


def test_slope_and_horizon_of_a_pure_exponential():
    norms = 0.8 ** np.arange(40)
    assert gradient_flow.slope_of(norms) == pytest.approx(np.log(0.8))
    flow = gradient_flow.Flow(norms, 0, 0, 0, None, None)
    assert flow.horizon == 21  # 0.8^21 = 0.0092
    assert flow._replace(norms=np.ones(9)).horizon is None


def test_main_draws_a_picture(tmp_path, capsys, monkeypatch):
    path, kinds = tmp_path / "a.png", gradient_flow.KINDS
    two = {name: kinds[name] for name in ("rnn 0.5 x that", "lstm")}
    monkeypatch.setattr(gradient_flow, "KINDS", two)
    monkeypatch.setattr(gradient_flow, "TRAINED", 5)
    gradient_flow.main(units=H, length=T, batch=B, steps=2, picture=path)
    assert path.stat().st_size > 10_000
    told = capsys.readouterr().out
    assert all(f"{name} │   fresh" in told for name in two)
    assert "clipped" in told
