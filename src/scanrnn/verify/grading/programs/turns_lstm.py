"""The long short-term memory forward with buffers that take turns."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .words import sigmoid, softmax


def lstm_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; what is kept of the buffers is a copy."""
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))
    states = np.zeros((2, n_a, m))
    memories = np.zeros((2, n_a, m))
    states[0] = a0
    for t in range(T_x):
        a_prev = states[t % 2]
        c_prev = memories[t % 2]
        a_next = states[(t + 1) % 2]
        c_next = memories[(t + 1) % 2]
        concat = np.concatenate((a_prev, x[:, :, t]), axis=0)
        ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
        it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
        cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
        ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
        c_next[:] = ft * c_prev + it * cct
        a_next[:] = ot * np.tanh(c_next)
        a[:, :, t] = a_next
        c[:, :, t] = c_next
        y[:, :, t] = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
        states_kept = (a_next.copy(), c_next.copy(), a_prev.copy(), c_prev.copy())
        caches.append((*states_kept, ft, it, cct, ot, x[:, :, t], parameters))
    return a, y, c, (caches, x)
