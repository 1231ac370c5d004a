"""The long short-term memory back, its four gates in one array, inside the loop."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np


def lstm_backward(da: Any, caches: Any) -> Any:
    """All steps back; W, its gradient and the slopes hold f, i, c and o in turn."""
    (caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    p = caches[0][9]
    W = np.concatenate((p["Wf"], p["Wi"], p["Wc"], p["Wo"]), axis=0)
    dx = np.zeros((n_x, m, T_x))
    dW = np.zeros((4 * n_a, n_a + n_x))
    db = np.zeros((4 * n_a, 1))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = caches[t]
        da_next = da[:, :, t] + da_prevt
        tanh_c = np.tanh(c_next)
        dc = dc_prevt + da_next * ot * (1 - tanh_c**2)
        dgates = np.concatenate(
            (dc * c_prev, dc * cct, dc * it, da_next * tanh_c), axis=0
        )
        gates = np.concatenate((ft, it, cct, ot), axis=0)
        slope = gates * (1 - gates)
        slope[2 * n_a : 3 * n_a] = 1 - cct**2
        dz = dgates * slope
        concat = np.concatenate((a_prev, xt), axis=0)
        dW += np.dot(dz, concat.T)
        db += np.sum(dz, axis=1, keepdims=True)
        dconcat = np.dot(W.T, dz)
        da_prevt = dconcat[:n_a, :]
        dx[:, :, t] = dconcat[n_a:, :]
        dc_prevt = dc * ft
    dWf, dWi, dWc, dWo = np.split(dW, 4)
    dbf, dbi, dbc, dbo = np.split(db, 4)
    return {
        "dx": dx,
        "da0": da_prevt,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }
