"""The simple network forward with two buffers that take turns."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .words import softmax


def rnn_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; what is kept of the buffers is a copy."""
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    buffers = np.zeros((2, n_a, m))
    buffers[0] = a0
    for t in range(T_x):
        a_prev = buffers[t % 2]
        a_next = buffers[(t + 1) % 2]
        z = np.dot(parameters["Waa"], a_prev) + np.dot(parameters["Wax"], x[:, :, t])
        a_next[:] = np.tanh(z + parameters["ba"])
        a[:, :, t] = a_next
        y_pred[:, :, t] = softmax(np.dot(parameters["Wya"], a_next) + parameters["by"])
        caches.append((a_next.copy(), a_prev.copy(), x[:, :, t], parameters))
    return a, y_pred, (caches, x)
