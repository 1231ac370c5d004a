"""The gated recurrent unit back, its step written out inside the loop."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np


def gru_backward(da: Any, caches: Any) -> Any:
    """All steps back; what the visit before computed is still at hand."""
    (caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    dx = np.zeros((n_x, m, T_x))
    dWr = np.zeros((n_a, n_a + n_x))
    dWz = np.zeros((n_a, n_a + n_x))
    dWn = np.zeros((n_a, n_a + n_x))
    dbr = np.zeros((n_a, 1))
    dbz = np.zeros((n_a, 1))
    dbn = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        (a_next, a_prev, rt, zt, nt, xt, parameters) = caches[t]
        da_next = da[:, :, t] + da_prevt
        dn = da_next * (1 - zt)
        dz = da_next * (a_prev - nt)
        dnt = dn * (1 - nt**2)
        dzt = dz * zt * (1 - zt)
        dk = np.dot(parameters["Wn"][:, :n_a].T, dnt)
        dr = dk * a_prev
        drt = dr * rt * (1 - rt)
        concat = np.concatenate((a_prev, xt), axis=0)
        dWr += np.dot(drt, concat.T)
        dWz += np.dot(dzt, concat.T)
        dWn += np.dot(dnt, np.concatenate((rt * a_prev, xt), axis=0).T)
        dbr += np.sum(drt, axis=1, keepdims=True)
        dbz += np.sum(dzt, axis=1, keepdims=True)
        dbn += np.sum(dnt, axis=1, keepdims=True)
        dconcat = np.dot(parameters["Wr"].T, drt) + np.dot(parameters["Wz"].T, dzt)
        da_prevt = da_next * zt + dk * rt + dconcat[:n_a, :]
        dx[:, :, t] = np.dot(parameters["Wn"][:, n_a:].T, dnt) + dconcat[n_a:, :]
    da0 = da_prevt
    return {
        "dx": dx,
        "da0": da0,
        "dWr": dWr,
        "dbr": dbr,
        "dWz": dWz,
        "dbz": dbz,
        "dWn": dWn,
        "dbn": dbn,
    }
