"""The simple network back: a scratch array, kept of every step, last step first."""

from typing import Any

import numpy as np


def rnn_backward(da: Any, caches: Any) -> Any:
    """All steps back; the products are made of what was kept, and kept apart for dx."""
    (caches, x) = caches
    parameters = caches[0][3]
    n_a, m, T_x = da.shape
    kept = []
    kept_x = []
    dz = np.zeros((n_a, m))
    da_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        dz[:] = (1 - caches[t][0] ** 2) * (da[:, :, t] + da_prevt)
        da_prevt = np.dot(parameters["Waa"].T, dz)
        kept.append(dz.copy())
        kept_x.append(dz.copy())
    dz = np.stack(kept[::-1], axis=2)
    dz_x = np.stack(kept_x[::-1], axis=2)
    x = np.stack([cache[2] for cache in caches[:T_x]], axis=2)
    a_before = np.stack([cache[1] for cache in caches[:T_x]], axis=2)
    return {
        "dx": np.einsum("ax,amt->xmt", parameters["Wax"], dz_x),
        "da0": da_prevt,
        "dWax": np.einsum("amt,xmt->ax", dz, x),
        "dWaa": np.einsum("amt,bmt->ab", dz, a_before),
        "dba": np.sum(dz, axis=(1, 2)).reshape(n_a, 1),
    }
