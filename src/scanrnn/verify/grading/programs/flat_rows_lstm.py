"""The memory back with an example a row, its step written out in the loop."""

from typing import Any

import numpy as np


def lstm_backward(dh: Any, cache: Any) -> Any:
    """All steps back; what the visit before computed is still at hand."""
    N, T, H = dh.shape
    D = cache[0][7].shape[1]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, 4 * H))
    dWh = np.zeros((H, 4 * H))
    db = np.zeros(4 * H)
    dprev_h = np.zeros((N, H))
    dprev_c = np.zeros((N, H))
    for t in reversed(range(T)):
        (i, f, o, g, next_c, prev_c, prev_h, x, Wx, Wh) = cache[t]
        dnext_h = dh[:, t, :] + dprev_h
        tanh_c = np.tanh(next_c)
        dc = dprev_c + dnext_h * o * (1 - tanh_c**2)
        dai = dc * g * i * (1 - i)
        daf = dc * prev_c * f * (1 - f)
        dao = dnext_h * tanh_c * o * (1 - o)
        dag = dc * i * (1 - g**2)
        da = np.concatenate((dai, daf, dao, dag), axis=1)
        dx[:, t, :] = np.dot(da, Wx.T)
        dWx += np.dot(x.T, da)
        dWh += np.dot(prev_h.T, da)
        db += np.sum(da, axis=0)
        dprev_h = np.dot(da, Wh.T)
        dprev_c = dc * f
    return dx, dprev_h, dWx, dWh, db
