"""Mistakes written here anew, not taken from the catalogue, are detected and named."""

import numpy as np
import pytest

from scanrnn.verify import grade

SLOPES = {
    "the derivative is taken at a_prev": lambda a_next, a_prev: 1 - a_prev**2,
    "the derivative is missing": lambda a_next, a_prev: np.ones_like(a_next),
    "the square is missing": lambda a_next, a_prev: 1 - a_next,
    "the derivative has the wrong sign inside": lambda a_next, a_prev: 1 + a_next**2,
    "the derivative is squared": lambda a_next, a_prev: (1 - a_next**2) ** 2,
}
CELLS = {
    "Waa is not transposed": lambda s, out: out | {"da_prev": s.Waa @ s.dz},
    "dba is a mean": lambda s, out: out | {"dba": s.dz.mean(1, keepdims=True)},
    "dba of the first example": lambda s, out: out | {"dba": s.dz[:, :1]},
    "dxt without the derivative": lambda s, out: out | {"dxt": s.Wax.T @ s.d},
    "da_prev without the derivative": lambda s, out: out | {"da_prev": s.Waa.T @ s.d},
    "dWaa with a_next": lambda s, out: out | {"dWaa": s.dz @ s.a_next.T},
}
SUMS = {
    "the carry is dropped": lambda da, t, carry: da[:, :, t],
    "the carry is added twice": lambda da, t, carry: da[:, :, t] + 2 * carry,
    "the carry is subtracted": lambda da, t, carry: da[:, :, t] - carry,
    "da of the last step everywhere": lambda da, t, carry: da[:, :, -1] + carry,
}
ORDERS = {
    "time runs forwards": lambda steps: range(steps),
    "step 0 is skipped": lambda steps: reversed(range(1, steps)),
    "the last step is skipped": lambda steps: reversed(range(steps - 1)),
}
STARTS = {
    "da0 is da of step 0": lambda da, carry: da[:, :, 0],
    "da0 contains da of step 0 again": lambda da, carry: carry + da[:, :, 0],
}


class Step:
    """What one step of a learner's backward pass has at hand."""

    def __init__(self, d, cache, slope):
        a_next, a_prev, self.xt, parameters = cache
        self.a_next, self.a_prev, self.d = a_next, a_prev, d
        self.Wax, self.Waa = parameters["Wax"], parameters["Waa"]
        self.dz = slope(a_next, a_prev) * d

    def gradients(self):
        return {
            "dxt": self.Wax.T @ self.dz,
            "da_prev": self.Waa.T @ self.dz,
            "dWax": self.dz @ self.xt.T,
            "dWaa": self.dz @ self.a_prev.T,
            "dba": self.dz.sum(1, keepdims=True),
        }


def learner(slip=None):
    """A backward pass in the exercise's convention, with one slip or none."""
    slope = SLOPES.get(slip, lambda a_next, a_prev: 1 - a_next**2)
    cell = CELLS.get(slip, lambda step, out: out)
    add = SUMS.get(slip, lambda da, t, carry: da[:, :, t] + carry)
    order = ORDERS.get(slip, lambda steps: reversed(range(steps)))
    start = STARTS.get(slip, lambda da, carry: carry)

    def rnn_backward(da, caches):
        steps, x = caches
        dx = np.zeros((x.shape[0], *da.shape[1:]))
        sums, carry = {"dWax": 0.0, "dWaa": 0.0, "dba": 0.0}, np.zeros_like(da[:, :, 0])
        for t in order(da.shape[2]):
            step = Step(add(da, t, carry), steps[t], slope)
            out = cell(step, step.gradients())
            carry, dx[:, :, t] = out["da_prev"], out["dxt"]
            sums = {name: total + out[name] for name, total in sums.items()}
        return {"dx": dx, "da0": start(da, carry)} | sums

    return rnn_backward


def test_without_a_slip_it_is_right():
    verdict = grade(learner())
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("slip", [*SLOPES, *CELLS, *SUMS, *ORDERS, *STARTS])
def test_a_learners_slip_is_named_first(slip):
    verdict = grade(learner(slip))
    assert not verdict.passed
    assert verdict.suspicions[0].names == (slip,), str(verdict)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gru_forward(x, h0, Wx, Wh, b):
    n, prev, hs, steps = h0.shape[1], h0, [], []
    for t in range(x.shape[1]):
        a = x[:, t] @ Wx + b
        rz = sigmoid(a[:, : 2 * n] + prev @ Wh[:, : 2 * n])
        r, z = rz[:, :n], rz[:, n:]
        k = r * prev
        c = np.tanh(a[:, 2 * n :] + k @ Wh[:, 2 * n :])
        steps.append((x[:, t], prev, r, z, k, c))
        prev = (1 - z) * c + z * prev
        hs.append(prev)
    return np.stack(hs, 1), (steps, Wx, Wh)


def gru_backward(dh, cache, slip):
    steps, Wx, Wh = cache
    n = dh.shape[2]
    dx, dWx, dWh, db = np.zeros((*dh.shape[:2], len(Wx)), dh.dtype), 0, 0 * Wh, 0
    carry = np.zeros_like(dh[:, 0])
    for t in reversed(range(dh.shape[1])):
        x, prev, r, z, k, c = steps[t]
        d = dh[:, t] + carry
        dn, dz = d * (1 - z) * (1 - c * c), d * (prev - c) * z * (1 - z)
        dk = dn @ Wh[:, 2 * n :].T
        drz = np.concatenate([dk * prev * r * (1 - r), dz], 1)
        direct = 0 if slip == "the direct path is missing" else d * z
        kept = 1 if slip == "dk reaches a_prev without the reset" else r
        carry = direct + dk * kept + drz @ Wh[:, : 2 * n].T
        da = np.concatenate([drz, dn], 1)
        dx[:, t], dWx, db = da @ Wx.T, dWx + x.T @ da, db + da.sum(0)
        left = prev if slip == "dWn with a_prev" else k
        dWh = dWh + np.concatenate([prev.T @ drz, left.T @ dn], 1)
    return dx, carry, dWx, dWh, db


@pytest.mark.parametrize(
    "slip",
    [
        None,
        "the direct path is missing",
        "dk reaches a_prev without the reset",
        "dWn with a_prev",
    ],
)
def test_a_gru_of_somebody_elses_is_judged_and_named(slip):
    verdict = grade(
        lambda dh, cache: gru_backward(dh, cache, slip),
        like="gru_backward",
        forward=gru_forward,
        convention="ntd",
    )
    assert verdict.passed == (slip is None), str(verdict)
    if slip is not None:
        assert verdict.suspicions[0].names == (slip,)
