"""One step of the long short-term memory forward, with all gates in one product."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .words import softmax


def lstm_cell_forward(xt: Any, a_prev: Any, c_prev: Any, parameters: Any) -> Any:
    """One step forward; the sigmoid is a tanh of half the argument."""
    n_a, m = a_prev.shape
    W = np.concatenate(
        (parameters["Wf"], parameters["Wi"], parameters["Wo"], parameters["Wc"]), axis=0
    )
    b = np.concatenate(
        (parameters["bf"], parameters["bi"], parameters["bo"], parameters["bc"]), axis=0
    )
    z = np.dot(W, np.concatenate((a_prev, xt), axis=0)) + b
    gates = 0.5 + 0.5 * np.tanh(0.5 * z[: 3 * n_a])
    ft = gates[:n_a]
    it = gates[n_a : 2 * n_a]
    ot = gates[2 * n_a : 3 * n_a]
    cct = np.tanh(z[3 * n_a :])
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache
