"""The simple network forward, each step's page put on a list."""

from typing import Any

import numpy as np

from .words import softmax


def rnn_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; the state is written in place, and its pages are copies."""
    caches = []
    pages = []
    T_x = x.shape[2]
    a_next = a0.copy()
    for t in range(T_x):
        xt = x[:, :, t]
        a_prev = 1 * a_next
        z = np.dot(parameters["Waa"], a_prev) + np.dot(parameters["Wax"], xt)
        a_next[:] = np.tanh(z + parameters["ba"])
        pages.append(a_next.copy())
        caches.append((a_next.copy(), a_prev, xt, parameters))
    a = np.stack(pages, axis=2)
    scores = np.einsum("ya,amt->ymt", parameters["Wya"], a)
    y_pred = softmax(scores + parameters["by"][:, :, None])
    return a, y_pred, (caches, x)
