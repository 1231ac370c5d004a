"""One step back of the simple recurrent network, with z computed again."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np


def rnn_cell_backward(da_next: Any, cache: Any) -> Any:
    """One step back; of the cache's states only a_prev is read."""
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    ba = parameters["ba"]
    z = np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba
    dz = da_next * (1 - np.tanh(z) ** 2)
    dxt = np.dot(Wax.T, dz)
    dWax = np.dot(dz, xt.T)
    da_prev = np.dot(Waa.T, dz)
    dWaa = np.dot(dz, a_prev.T)
    dba = np.sum(dz, axis=1, keepdims=True)
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
