"""One step back of the gated unit with an example a row, gate by gate."""

# ruff: noqa: F841 a name that is at hand may be taken for another
from typing import Any

import numpy as np


def gru_cell_backward(dnext_h: Any, cache: Any) -> Any:
    """One step back; the state gets its gradient from every gate in turn."""
    (x, prev_h, r, z, n, Wx, Wh) = cache
    H = prev_h.shape[1]
    next_h = (1 - z) * n + z * prev_h
    Ur = Wh[:, :H]
    Uz = Wh[:, H : 2 * H]
    Un = Wh[:, 2 * H :]
    dan = dnext_h * (1 - z) * (1 - n**2)
    daz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = np.dot(dan, Un.T)
    dar = drh * prev_h * r * (1 - r)
    dprev_h = dnext_h * z + drh * r + np.dot(dar, Ur.T) + np.dot(daz, Uz.T)
    da = np.concatenate((dar, daz, dan), axis=1)
    dx = np.dot(da, Wx.T)
    dWx = np.dot(x.T, da)
    dUr = np.dot(prev_h.T, dar)
    dUz = np.dot(prev_h.T, daz)
    dUn = np.dot((r * prev_h).T, dan)
    dWh = np.concatenate((dUr, dUz, dUn), axis=1)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dWx, dWh, db
