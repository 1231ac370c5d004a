"""One step back of the memory with an example a row, gate by gate, joined at last."""

from typing import Any

import numpy as np


def lstm_cell_backward(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    """One step back; every gate has a product of its own."""
    (i, f, o, g, next_c, prev_c, prev_h, x, Wx, Wh) = cache
    H = prev_h.shape[1]
    dc = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
    dai = dc * g * i * (1 - i)
    daf = dc * prev_c * f * (1 - f)
    dao = dnext_h * np.tanh(next_c) * o * (1 - o)
    dag = dc * i * (1 - g**2)
    dx = (
        np.dot(dai, Wx[:, :H].T)
        + np.dot(daf, Wx[:, H : 2 * H].T)
        + np.dot(dao, Wx[:, 2 * H : 3 * H].T)
        + np.dot(dag, Wx[:, 3 * H :].T)
    )
    dprev_h = (
        np.dot(dai, Wh[:, :H].T)
        + np.dot(daf, Wh[:, H : 2 * H].T)
        + np.dot(dao, Wh[:, 2 * H : 3 * H].T)
        + np.dot(dag, Wh[:, 3 * H :].T)
    )
    dprev_c = dc * f
    da = np.concatenate((dai, daf, dao, dag), axis=1)
    dWx = np.dot(x.T, da)
    dWh = np.dot(prev_h.T, da)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db
