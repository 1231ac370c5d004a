"""The simple network back by its adjoint states: the gradients of a, step by step."""

from typing import Any

import numpy as np


def rnn_backward(da: Any, caches: Any) -> Any:
    """The recursion for the total gradient of a, then everything else at once."""
    (caches, x) = caches
    parameters = caches[0][3]
    n_a, m, T_x = da.shape
    x = x[:, :, :T_x]
    a = np.stack([cache[0] for cache in caches[:T_x]], axis=2)
    a_before = np.stack([cache[1] for cache in caches[:T_x]], axis=2)
    slope = 1 - a**2
    total = np.zeros((n_a, m, T_x))
    total[:, :, T_x - 1] = da[:, :, T_x - 1]
    for t in reversed(range(T_x - 1)):
        dz_next = slope[:, :, t + 1] * total[:, :, t + 1]
        total[:, :, t] = da[:, :, t] + np.dot(parameters["Waa"].T, dz_next)
    dz = slope * total
    return {
        "dx": np.einsum("ax,amt->xmt", parameters["Wax"], dz),
        "da0": np.dot(parameters["Waa"].T, dz[:, :, 0]),
        "dWax": np.einsum("amt,xmt->ax", dz, x),
        "dWaa": np.einsum("amt,bmt->ab", dz, a_before),
        "dba": np.sum(dz, axis=(1, 2)).reshape(n_a, 1),
    }
