"""The simple recurrent network forward, with arrays that are written again and again.

Where a copy is left out, the caches hold views, and change after they were stored.
"""

from typing import Any

import numpy as np

from .words import softmax


def rnn_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; the state lives in the last slot before it has its own."""
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    a[:, :, -1] = a0
    xt = np.zeros((n_x, m))
    a_next = np.zeros((n_a, m))
    a_prev = np.zeros((n_a, m))
    before = a0
    for t in range(T_x):
        xt[:] = x[:, :, t]
        a_prev[:] = before
        z = np.dot(parameters["Waa"], a_prev) + np.dot(parameters["Wax"], xt)
        a_next[:] = np.tanh(z + parameters["ba"])
        stored = a[:, :, t - 1].copy()
        caches.append((a_next.copy(), stored, xt.copy(), parameters))
        a[:, :, t] = a_next
        y_pred[:, :, t] = softmax(np.dot(parameters["Wya"], a_next) + parameters["by"])
        before = a_next.copy()
    return a, y_pred, (caches, x)
