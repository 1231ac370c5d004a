"""The gated recurrent unit with an example a row, the gates side by side."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .words import sigmoid


def gru_cell_forward(x: Any, prev_h: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    """One step forward; the columns hold r, z and n."""
    H = prev_h.shape[1]
    a = np.dot(x, Wx) + b
    r = sigmoid(a[:, :H] + np.dot(prev_h, Wh[:, :H]))
    z = sigmoid(a[:, H : 2 * H] + np.dot(prev_h, Wh[:, H : 2 * H]))
    n = np.tanh(a[:, 2 * H :] + np.dot(r * prev_h, Wh[:, 2 * H :]))
    next_h = (1 - z) * n + z * prev_h
    cache = (x, prev_h, r, z, n, Wx, Wh)
    return next_h, cache


def gru_forward(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    """All steps forward."""
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    prev_h = h0
    cache = []
    for t in range(T):
        prev_h, step = gru_cell_forward(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = prev_h
        cache.append(step)
    return h, cache


def gru_cell_backward(dnext_h: Any, cache: Any) -> Any:
    """One step back."""
    (x, prev_h, r, z, n, Wx, Wh) = cache
    H = prev_h.shape[1]
    dz = dnext_h * (prev_h - n)
    dn = dnext_h * (1 - z)
    daz = dz * z * (1 - z)
    dan = dn * (1 - n**2)
    dk = np.dot(dan, Wh[:, 2 * H :].T)
    dr = dk * prev_h
    dar = dr * r * (1 - r)
    da = np.concatenate((dar, daz, dan), axis=1)
    dx = np.dot(da, Wx.T)
    dprev_h = dnext_h * z + dk * r + np.dot(da[:, : 2 * H], Wh[:, : 2 * H].T)
    dWx = np.dot(x.T, da)
    dWhrz = np.dot(prev_h.T, da[:, : 2 * H])
    dWhn = np.dot((r * prev_h).T, dan)
    dWh = np.concatenate((dWhrz, dWhn), axis=1)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dWx, dWh, db


def gru_backward(dh: Any, cache: Any) -> Any:
    """All steps back."""
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, 3 * H))
    dWh = np.zeros((H, 3 * H))
    db = np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        dnext_h = dh[:, t, :] + dprev_h
        dx[:, t, :], dprev_h, dWxt, dWht, dbt = gru_cell_backward(dnext_h, cache[t])
        dWx += dWxt
        dWh += dWht
        db += dbt
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db
