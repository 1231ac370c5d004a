"""The long short-term memory forward, with arrays that are written again and again.

Where a copy is left out, the caches hold views, and change after they were stored.
"""

from typing import Any

import numpy as np

from .words import sigmoid, softmax


def lstm_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; states live in the last slot before they have their own."""
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))
    a[:, :, -1] = a0
    xt = np.zeros((n_x, m))
    a_next = np.zeros((n_a, m))
    c_next = np.zeros((n_a, m))
    gates = np.zeros((4, n_a, m))
    a_prev = a0
    c_prev = np.zeros((n_a, m))
    for t in range(T_x):
        xt[:] = x[:, :, t]
        concat = np.concatenate((a_prev, xt), axis=0)
        gates[0] = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
        gates[1] = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
        gates[2] = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
        gates[3] = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
        c_next[:] = gates[0] * c_prev + gates[1] * gates[2]
        a_next[:] = gates[3] * np.tanh(c_next)
        a_stored = a[:, :, t - 1].copy()
        c_stored = c[:, :, t - 1].copy()
        ft, it, cct, ot = gates.copy()
        cache = (a_next.copy(), c_next.copy(), a_stored, c_stored, ft, it, cct, ot)
        caches.append((*cache, xt.copy(), parameters))
        a[:, :, t] = a_next
        c[:, :, t] = c_next
        y[:, :, t] = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
        a_prev = a_next.copy()
        c_prev = c_next.copy()
    return a, y, c, (caches, x)
