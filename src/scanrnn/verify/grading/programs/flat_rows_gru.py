"""The gated unit back with an example a row, its step written out in the loop."""

from typing import Any

import numpy as np


def gru_backward(dh: Any, cache: Any) -> Any:
    """All steps back; what the visit before computed is still at hand."""
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, 3 * H))
    dWh = np.zeros((H, 3 * H))
    db = np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        (x, prev_h, r, z, n, Wx, Wh) = cache[t]
        dnext_h = dh[:, t, :] + dprev_h
        dan = dnext_h * (1 - z) * (1 - n**2)
        daz = dnext_h * (prev_h - n) * z * (1 - z)
        dk = np.dot(dan, Wh[:, 2 * H :].T)
        dar = dk * prev_h * r * (1 - r)
        drz = np.concatenate((dar, daz), axis=1)
        da = np.concatenate((drz, dan), axis=1)
        dx[:, t, :] = np.dot(da, Wx.T)
        dWx += np.dot(x.T, da)
        dWh[:, : 2 * H] += np.dot(prev_h.T, drz)
        dWh[:, 2 * H :] += np.dot((r * prev_h).T, dan)
        db += np.sum(da, axis=0)
        dprev_h = dnext_h * z + dk * r + np.dot(drz, Wh[:, : 2 * H].T)
    return dx, dprev_h, dWx, dWh, db
