"""How the cells whose units do not meet begin, and what is made of complex outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import H, X, assert_close, problem

import scanrnn as sr

KEY = jax.random.key(0)


def test_weights_of_their_own_begin_below_the_bound():
    u = np.asarray(sr.ind_rnn(1000, bound=1.25).init(KEY, X).u)
    assert 0 <= u.min() < 0.05 and 1.2 < u.max() < 1.25
    # The mean of 1000 uniform numbers, and six times its error.
    assert abs(u.mean() - 0.625) < 6 * 1.25 / np.sqrt(12 * 1000)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_eigenvalues_begin_on_the_ring(dtype):
    cell = sr.lru(1000, r_min=0.4, r_max=0.9, max_phase=0.5)
    nu, theta, gamma, w_x, _ = (
        None if leaf is None else np.asarray(leaf, np.float64)
        for leaf in cell.init(KEY, 8, dtype)
    )
    size, angle = np.exp(-np.exp(nu)), np.exp(theta)
    near = 4 * float(jnp.finfo(dtype).eps)
    assert 0.4 - near < size.min() < 0.45 and 0.89 < size.max() < 0.9 + near
    assert angle.min() < 0.01 and 0.49 < angle.max() < 0.5 + 4 * near
    # Uniform on the area: |λ|² is uniform between the squares of the radii.
    low, high = 0.4**2, 0.9**2
    assert abs((size**2).mean() - (low + high) / 2) < 6 * (high - low) / np.sqrt(12e3)
    np.testing.assert_allclose(np.exp(2 * gamma), 1 - size**2, rtol=8 * near)
    # In either part the variance is 1 / 2X; 16,000 squares of normal numbers.
    assert abs(16 * (w_x**2).mean() - 1) < 6 * np.sqrt(2 / 16_000)


def test_gates_that_are_both_shut_are_still_shared():
    """f / (f + i) of two gates that float32 has no numbers for."""
    cell = sr.min_lstm(1)
    params = cell.init(KEY, 1, jnp.float32)
    for forget, to, share in ((-200.0, -200.0, 0.5), (-200.0, -300.0, 1.0)):
        b = jnp.asarray([forget, to, 0], jnp.float32)
        shut = params._replace(w_x=0 * params.w_x, b=b)
        start = sr.MinLSTMState(jnp.full((1, 1), 4, jnp.float32))
        run = sr.unroll(cell, shut, jnp.ones((1, 1, 1), jnp.float32), start)
        assert run.final.h[0, 0] == 4 * share


def test_the_layer_of_the_paper():
    """y = Re(C h) + D x, of parts side by side, a product, and a product beside it."""
    case = problem("lru")
    rng = np.random.default_rng(0)
    c, d = rng.normal(size=(2, H, 3)), rng.normal(size=(X, 3))
    net = sr.stack(case.cell, sr.parts, sr.linear(3, bias=False))
    assert net.output_size == 3
    assert jax.eval_shape(lambda: net.init(KEY, X))[2].w.shape == (2 * H, 3)
    params = case.params, (), sr.DenseParams(jnp.concatenate((c[0], -c[1])), None)
    start = case.start, (), ()

    @by_numpy
    def layer(params, xs):
        skip = sr.dense(sr.DenseParams(jnp.asarray(d), None), xs)
        return net.run(params, xs, start).outputs + skip

    h = np.asarray(case.start.h)
    nu, theta, gamma, w_x, b = map(np.asarray, case.params)
    lam = np.exp(-np.exp(nu) + 1j * np.exp(theta))
    w, b = w_x[:, :H] + 1j * w_x[:, H:], b[:H] + 1j * b[H:]
    want = []
    for x in np.asarray(case.xs):
        h = lam * h + np.exp(gamma) * (x @ w) + b
        want.append((h @ (c[0] + 1j * c[1])).real + x @ d)
    assert_close(layer(params, case.xs), np.stack(want))


def test_bad_input():
    for wrong in (0, -1.0, "one", np.inf, True):
        with pytest.raises(ValueError, match="bound, a number above 0"):
            sr.ind_rnn(3, bound=wrong)
    with pytest.raises(ValueError, match=r"r_min < r_max <= 1, got 0.5 and 0.5"):
        sr.lru(3, r_min=0.5, r_max=0.5)
    with pytest.raises(ValueError, match="r_min < r_max <= 1"):
        sr.lru(3, r_max=1.5)
    with pytest.raises(ValueError, match="max_phase, a number above 0"):
        sr.lru(3, max_phase=0)
    for make in (sr.min_gru, sr.min_lstm):
        with pytest.raises(ValueError, match='activation "identity" or "positive"'):
            make(3, activation="tanh")
        assert make(3) is make(3)
    assert sr.lru(3).init(KEY, X).b is None
    assert sr.min_gru(3, bias=False).init(KEY, X).b is None
