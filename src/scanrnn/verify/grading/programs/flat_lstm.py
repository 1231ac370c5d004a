"""The long short-term memory back, its step written out inside the loop."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np


def lstm_backward(da: Any, caches: Any) -> Any:
    """All steps back; what the visit before computed is still at hand."""
    (caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    dx = np.zeros((n_x, m, T_x))
    dWf = np.zeros((n_a, n_a + n_x))
    dWi = np.zeros((n_a, n_a + n_x))
    dWc = np.zeros((n_a, n_a + n_x))
    dWo = np.zeros((n_a, n_a + n_x))
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros((n_a, 1))
    dbc = np.zeros((n_a, 1))
    dbo = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = caches[t]
        da_next = da[:, :, t] + da_prevt
        dc_next = dc_prevt + da_next * ot * (1 - np.tanh(c_next) ** 2)
        dot = da_next * np.tanh(c_next) * ot * (1 - ot)
        dft = dc_next * c_prev * ft * (1 - ft)
        dit = dc_next * cct * it * (1 - it)
        dcct = dc_next * it * (1 - cct**2)
        concat = np.concatenate((a_prev, xt), axis=0)
        dWf += np.dot(dft, concat.T)
        dWi += np.dot(dit, concat.T)
        dWc += np.dot(dcct, concat.T)
        dWo += np.dot(dot, concat.T)
        dbf += np.sum(dft, axis=1, keepdims=True)
        dbi += np.sum(dit, axis=1, keepdims=True)
        dbc += np.sum(dcct, axis=1, keepdims=True)
        dbo += np.sum(dot, axis=1, keepdims=True)
        dconcat = (
            np.dot(parameters["Wf"].T, dft)
            + np.dot(parameters["Wi"].T, dit)
            + np.dot(parameters["Wc"].T, dcct)
            + np.dot(parameters["Wo"].T, dot)
        )
        da_prevt = dconcat[:n_a, :]
        dx[:, :, t] = dconcat[n_a:, :]
        dc_prevt = dc_next * ft
    da0 = da_prevt
    return {
        "dx": dx,
        "da0": da0,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }
