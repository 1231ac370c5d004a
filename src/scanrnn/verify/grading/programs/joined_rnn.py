"""One step back of the simple recurrent network, its two weights side by side."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np


def rnn_cell_backward(da_next: Any, cache: Any) -> Any:
    """One step back; W is [Waa, Wax], and what belongs to it is cut apart."""
    (a_next, a_prev, xt, parameters) = cache
    n_a, m = a_next.shape
    W = np.concatenate((parameters["Waa"], parameters["Wax"]), axis=1)
    concat = np.concatenate((a_prev, xt), axis=0)
    dz = da_next * (1 - a_next**2)
    dW = np.dot(dz, concat.T)
    dconcat = np.dot(W.T, dz)
    da_prev = dconcat[:n_a, :]
    dxt = dconcat[n_a:, :]
    dWaa = dW[:, :n_a]
    dWax = dW[:, n_a:]
    dba = np.sum(dz, axis=1, keepdims=True)
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
