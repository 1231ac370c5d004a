"""The simple network forward, its state read from the slot of the step before."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .course_rnn import rnn_cell_forward


def rnn_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; slot t - 1 holds the state before, but for the first."""
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    for t in range(T_x):
        xt = x[:, :, t].copy()
        a_prev = (a[:, :, t - 1] if t > 0 else a0).copy()
        a_next, yt, cache = rnn_cell_forward(xt, a_prev, parameters)
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt
        caches.append(cache)
    return a, y_pred, (caches, x)
