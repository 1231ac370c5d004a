"""One step back of the long short-term memory, by the chain rule: line after line."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np


def lstm_cell_backward(da_next: Any, dc_next: Any, cache: Any) -> Any:
    """One step back; the two streams into the memory meet in dc."""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    Wf = parameters["Wf"]
    Wi = parameters["Wi"]
    Wc = parameters["Wc"]
    Wo = parameters["Wo"]
    concat = np.concatenate((a_prev, xt), axis=0)
    tanh_c = np.tanh(c_next)
    do = da_next * tanh_c
    dc = dc_next + da_next * ot * (1 - tanh_c**2)
    df = dc * c_prev
    di = dc * cct
    dcc = dc * it
    dc_prev = dc * ft
    dot = do * ot * (1 - ot)
    dft = df * ft * (1 - ft)
    dit = di * it * (1 - it)
    dcct = dcc * (1 - cct**2)
    dWf = np.dot(dft, concat.T)
    dWi = np.dot(dit, concat.T)
    dWc = np.dot(dcct, concat.T)
    dWo = np.dot(dot, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)
    dconcat = np.dot(Wf.T, dft) + np.dot(Wi.T, dit) + np.dot(Wc.T, dcct)
    dconcat = dconcat + np.dot(Wo.T, dot)
    da_prev = dconcat[:n_a, :]
    dxt = dconcat[n_a:, :]
    return {
        "dxt": dxt,
        "da_prev": da_prev,
        "dc_prev": dc_prev,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }
