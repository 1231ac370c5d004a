"""The memory forward, its states read from the slots of the step before."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .course_lstm import lstm_cell_forward


def lstm_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; slot t - 1 holds the state before, but for the first."""
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))
    c0 = np.zeros((n_a, m))
    for t in range(T_x):
        xt = x[:, :, t].copy()
        a_prev = (a[:, :, t - 1] if t > 0 else a0).copy()
        c_prev = (c[:, :, t - 1] if t > 0 else c0).copy()
        a_next, c_next, yt, cache = lstm_cell_forward(xt, a_prev, c_prev, parameters)
        a[:, :, t] = a_next
        c[:, :, t] = c_next
        y[:, :, t] = yt
        caches.append(cache)
    return a, y, c, (caches, x)
