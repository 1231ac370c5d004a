"""The long short-term memory forward, each step's page put on a list."""

from typing import Any

import numpy as np

from .words import sigmoid, softmax


def lstm_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward; states are written in place, and their pages are copies."""
    caches = []
    pages_a = []
    pages_c = []
    T_x = x.shape[2]
    a_next = a0.copy()
    c_next = np.zeros(a0.shape)
    for t in range(T_x):
        xt = x[:, :, t]
        a_prev = 1 * a_next
        c_prev = 1 * c_next
        concat = np.concatenate((a_prev, xt), axis=0)
        ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
        it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
        cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
        ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
        c_next[:] = ft * c_prev + it * cct
        a_next[:] = ot * np.tanh(c_next)
        pages_a.append(a_next.copy())
        pages_c.append(c_next.copy())
        cache = (a_next.copy(), c_next.copy(), a_prev, c_prev, ft, it, cct, ot)
        caches.append((*cache, xt, parameters))
    a = np.stack(pages_a, axis=2)
    c = np.stack(pages_c, axis=2)
    scores = np.einsum("ya,amt->ymt", parameters["Wy"], a)
    y = softmax(scores + parameters["by"][:, :, None])
    return a, y, c, (caches, x)
