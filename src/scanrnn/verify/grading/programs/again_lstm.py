"""One step back of the long short-term memory, with the gates computed again."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .words import sigmoid


def lstm_cell_backward(da_next: Any, dc_next: Any, cache: Any) -> Any:
    """One step back; of the cache only a_prev, c_prev and xt are read."""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_prev.shape
    concat = np.concatenate((a_prev, xt), axis=0)
    f = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
    i = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
    g = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
    o = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
    tanh_c = np.tanh(f * c_prev + i * g)
    dc = dc_next + da_next * o * (1 - tanh_c**2)
    dot = da_next * tanh_c * o * (1 - o)
    dft = dc * c_prev * f * (1 - f)
    dit = dc * g * i * (1 - i)
    dcct = dc * i * (1 - g**2)
    dz = np.concatenate((dft, dit, dcct, dot), axis=0)
    W = np.concatenate(
        (parameters["Wf"], parameters["Wi"], parameters["Wc"], parameters["Wo"]), axis=0
    )
    dconcat = np.dot(W.T, dz)
    dW = np.dot(dz, concat.T)
    db = np.sum(dz, axis=1, keepdims=True)
    return {
        "dxt": dconcat[n_a:],
        "da_prev": dconcat[:n_a],
        "dc_prev": dc * f,
        "dWf": dW[:n_a],
        "dbf": db[:n_a],
        "dWi": dW[n_a : 2 * n_a],
        "dbi": db[n_a : 2 * n_a],
        "dWc": dW[2 * n_a : 3 * n_a],
        "dbc": db[2 * n_a : 3 * n_a],
        "dWo": dW[3 * n_a :],
        "dbo": db[3 * n_a :],
    }
