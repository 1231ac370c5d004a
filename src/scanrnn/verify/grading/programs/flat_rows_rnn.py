"""The simple network back with an example a row, its step written out in the loop."""

from typing import Any

import numpy as np


def rnn_backward(dh: Any, cache: Any) -> Any:
    """All steps back; what the visit before computed is still at hand."""
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    Wx, Wh = cache[0][2:4]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, H))
    dWh = np.zeros((H, H))
    db = np.zeros(H)
    dprev_h = np.zeros((N, H))
    h = np.stack([step[4] for step in cache], axis=1)
    xs = np.stack([step[0] for step in cache], axis=1)
    before = np.concatenate((cache[0][1][:, None], h[:, :-1]), axis=1)
    for t in reversed(range(T)):
        dnext_h = dh[:, t, :] + dprev_h
        dz = dnext_h * (1 - h[:, t, :] ** 2)
        dx[:, t, :] = np.dot(dz, Wx.T)
        dprev_h = np.dot(dz, Wh.T)
        dWx += np.dot(xs[:, t, :].T, dz)
        dWh += np.dot(before[:, t, :].T, dz)
        db += np.sum(dz, axis=0)
    return dx, dprev_h, dWx, dWh, db
