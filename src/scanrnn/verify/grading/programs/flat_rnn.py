"""The simple recurrent network back, its step written out inside the loop."""

from typing import Any

import numpy as np


def rnn_backward(da: Any, caches: Any) -> Any:
    """All steps back; what the visit before computed is still at hand."""
    (caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    dx = np.zeros((n_x, m, T_x))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        (a_next, a_prev, xt, parameters) = caches[t]
        da_next = da[:, :, t] + da_prevt
        dz = (1 - a_next**2) * da_next
        dx[:, :, t] = np.dot(parameters["Wax"].T, dz)
        dWax += np.dot(dz, xt.T)
        dWaa += np.dot(dz, a_prev.T)
        dba += np.sum(dz, axis=1, keepdims=True)
        da_prevt = np.dot(parameters["Waa"].T, dz)
    da0 = da_prevt
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}
