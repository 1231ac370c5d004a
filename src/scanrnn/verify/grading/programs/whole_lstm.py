"""The long short-term memory back: the products are made once, over all of time."""

# ruff: noqa: F841 names and lines as in a notebook
from typing import Any

import numpy as np


def lstm_backward(da: Any, caches: Any) -> Any:
    """All steps back; the loop has what waits for the step after, and no more."""
    (caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    x = x[:, :, :T_x]
    p = caches[0][9]
    a = np.stack([cache[0] for cache in caches[:T_x]], axis=2)
    c = np.stack([cache[1] for cache in caches[:T_x]], axis=2)
    f, i, g, o = (np.stack([s[k] for s in caches[:T_x]], axis=2) for k in (4, 5, 6, 7))
    a_before = np.concatenate((caches[0][2][:, :, None], a[:, :, :-1]), axis=2)
    c_before = np.concatenate((caches[0][3][:, :, None], c[:, :, :-1]), axis=2)
    dft = np.zeros((n_a, m, T_x))
    dit = np.zeros((n_a, m, T_x))
    dcct = np.zeros((n_a, m, T_x))
    dot = np.zeros((n_a, m, T_x))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        da_next = da[:, :, t] + da_prevt
        tanh_c = np.tanh(c[:, :, t])
        dc = dc_prevt + da_next * o[:, :, t] * (1 - tanh_c**2)
        dft[:, :, t] = dc * c_before[:, :, t] * f[:, :, t] * (1 - f[:, :, t])
        dit[:, :, t] = dc * g[:, :, t] * i[:, :, t] * (1 - i[:, :, t])
        dcct[:, :, t] = dc * i[:, :, t] * (1 - g[:, :, t] ** 2)
        dot[:, :, t] = da_next * tanh_c * o[:, :, t] * (1 - o[:, :, t])
        da_prevt = (
            np.dot(p["Wf"][:, :n_a].T, dft[:, :, t])
            + np.dot(p["Wi"][:, :n_a].T, dit[:, :, t])
            + np.dot(p["Wc"][:, :n_a].T, dcct[:, :, t])
            + np.dot(p["Wo"][:, :n_a].T, dot[:, :, t])
        )
        dc_prevt = dc * f[:, :, t]
    z = np.concatenate((a_before, x), axis=0)
    dx = (
        np.einsum("ax,amt->xmt", p["Wf"][:, n_a:], dft)
        + np.einsum("ax,amt->xmt", p["Wi"][:, n_a:], dit)
        + np.einsum("ax,amt->xmt", p["Wc"][:, n_a:], dcct)
        + np.einsum("ax,amt->xmt", p["Wo"][:, n_a:], dot)
    )
    return {
        "dx": dx,
        "da0": da_prevt,
        "dWf": np.einsum("amt,zmt->az", dft, z),
        "dbf": np.sum(dft, axis=(1, 2)).reshape(n_a, 1),
        "dWi": np.einsum("amt,zmt->az", dit, z),
        "dbi": np.sum(dit, axis=(1, 2)).reshape(n_a, 1),
        "dWc": np.einsum("amt,zmt->az", dcct, z),
        "dbc": np.sum(dcct, axis=(1, 2)).reshape(n_a, 1),
        "dWo": np.einsum("amt,zmt->az", dot, z),
        "dbo": np.sum(dot, axis=(1, 2)).reshape(n_a, 1),
    }
