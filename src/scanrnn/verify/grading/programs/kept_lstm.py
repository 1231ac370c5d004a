"""The long short-term memory back: a scratch array, kept of every step."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np


def lstm_backward(da: Any, caches: Any) -> Any:
    """All steps back; the products are made of what was kept, and kept apart for dx."""
    (caches, x) = caches
    p = caches[0][9]
    n_a, m, T_x = da.shape
    W = np.concatenate((p["Wf"], p["Wi"], p["Wc"], p["Wo"]), axis=0)
    kept = []
    kept_x = []
    dz = np.zeros((4 * n_a, m))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot) = caches[t][:8]
        da_next = da[:, :, t] + da_prevt
        tanh_c = np.tanh(c_next)
        dc = dc_prevt + da_next * ot * (1 - tanh_c**2)
        dz[:n_a] = dc * c_prev * ft * (1 - ft)
        dz[n_a : 2 * n_a] = dc * cct * it * (1 - it)
        dz[2 * n_a : 3 * n_a] = dc * it * (1 - cct**2)
        dz[3 * n_a :] = da_next * tanh_c * ot * (1 - ot)
        da_prevt = np.dot(W[:, :n_a].T, dz)
        dc_prevt = dc * ft
        kept.append(dz.copy())
        kept_x.append(dz.copy())
    dz = np.stack(kept[::-1], axis=2)
    dz_x = np.stack(kept_x[::-1], axis=2)
    x = np.stack([cache[8] for cache in caches[:T_x]], axis=2)
    a_before = np.stack([cache[2] for cache in caches[:T_x]], axis=2)
    dW = np.einsum("amt,zmt->az", dz, np.concatenate((a_before, x), axis=0))
    db = np.sum(dz, axis=(1, 2)).reshape(4 * n_a, 1)
    return {
        "dx": np.einsum("ax,amt->xmt", W[:, n_a:], dz_x),
        "da0": da_prevt,
        "dWf": dW[:n_a],
        "dbf": db[:n_a],
        "dWi": dW[n_a : 2 * n_a],
        "dbi": db[n_a : 2 * n_a],
        "dWc": dW[2 * n_a : 3 * n_a],
        "dbc": db[2 * n_a : 3 * n_a],
        "dWo": dW[3 * n_a :],
        "dbo": db[3 * n_a :],
    }
