"""The simple recurrent network back: the products are made once, over all of time."""

from typing import Any

import numpy as np


def rnn_backward(da: Any, caches: Any) -> Any:
    """All steps back; the loop has what waits for the step after, and no more."""
    (caches, x) = caches
    parameters = caches[0][3]
    n_a, m, T_x = da.shape
    x = x[:, :, :T_x]
    a = np.stack([cache[0] for cache in caches[:T_x]], axis=2)
    a_before = np.stack([cache[1] for cache in caches[:T_x]], axis=2)
    dz = np.zeros((n_a, m, T_x))
    da_prev = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        da_next = da[:, :, t] + da_prev
        dz[:, :, t] = da_next * (1 - a[:, :, t] ** 2)
        da_prev = np.dot(parameters["Waa"].T, dz[:, :, t])
    dx = np.einsum("ax,amt->xmt", parameters["Wax"], dz)
    dWax = np.einsum("amt,xmt->ax", dz, x)
    dWaa = np.einsum("amt,bmt->ab", dz, a_before)
    dba = np.sum(dz, axis=(1, 2)).reshape(n_a, 1)
    return {"dx": dx, "da0": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
