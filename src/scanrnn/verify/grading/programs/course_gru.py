"""The gated recurrent unit in the letters of the exercise, which leaves it out."""

# ruff: noqa: RUF059 names and lines as in a notebook
from typing import Any

import numpy as np

from .words import sigmoid


def gru_cell_forward(xt: Any, a_prev: Any, parameters: Any) -> Any:
    """One step forward; the reset comes before the product."""
    concat = np.concatenate((a_prev, xt), axis=0)
    rt = sigmoid(np.dot(parameters["Wr"], concat) + parameters["br"])
    zt = sigmoid(np.dot(parameters["Wz"], concat) + parameters["bz"])
    both = np.concatenate((rt * a_prev, xt), axis=0)
    nt = np.tanh(np.dot(parameters["Wn"], both) + parameters["bn"])
    a_next = (1 - zt) * nt + zt * a_prev
    cache = (a_next, a_prev, rt, zt, nt, xt, parameters)
    return a_next, cache


def gru_forward(x: Any, a0: Any, parameters: Any) -> Any:
    """All steps forward."""
    caches = []
    n_x, m, T_x = x.shape
    n_a, m = a0.shape
    a = np.zeros((n_a, m, T_x))
    a_next = a0
    for t in range(T_x):
        a_next, cache = gru_cell_forward(x[:, :, t], a_next, parameters)
        a[:, :, t] = a_next
        caches.append(cache)
    return a, (caches, x)


def gru_cell_backward(da_next: Any, cache: Any) -> Any:
    """One step back."""
    (a_next, a_prev, rt, zt, nt, xt, parameters) = cache
    n_a, m = a_next.shape
    Wr = parameters["Wr"]
    Wz = parameters["Wz"]
    Wn = parameters["Wn"]
    concat = np.concatenate((a_prev, xt), axis=0)
    both = np.concatenate((rt * a_prev, xt), axis=0)
    dnt = da_next * (1 - zt) * (1 - nt**2)
    dzt = da_next * (a_prev - nt) * zt * (1 - zt)
    dk = np.dot(Wn[:, :n_a].T, dnt)
    drt = dk * a_prev * rt * (1 - rt)
    dWr = np.dot(drt, concat.T)
    dWz = np.dot(dzt, concat.T)
    dWn = np.dot(dnt, both.T)
    dbr = np.sum(drt, axis=1, keepdims=True)
    dbz = np.sum(dzt, axis=1, keepdims=True)
    dbn = np.sum(dnt, axis=1, keepdims=True)
    by_gates = np.dot(Wr[:, :n_a].T, drt) + np.dot(Wz[:, :n_a].T, dzt)
    da_prev = da_next * zt + dk * rt + by_gates
    dxt = (
        np.dot(Wr[:, n_a:].T, drt)
        + np.dot(Wz[:, n_a:].T, dzt)
        + np.dot(Wn[:, n_a:].T, dnt)
    )
    return {
        "dxt": dxt,
        "da_prev": da_prev,
        "dWr": dWr,
        "dbr": dbr,
        "dWz": dWz,
        "dbz": dbz,
        "dWn": dWn,
        "dbn": dbn,
    }


def gru_backward(da: Any, caches: Any) -> Any:
    """All steps back."""
    (caches, x) = caches
    (a1, a0, r1, z1, n1, x1, parameters) = caches[0]
    n_a, m, T_x = da.shape
    n_x, m = x1.shape
    dx = np.zeros((n_x, m, T_x))
    da_prevt = np.zeros((n_a, m))
    dWr = np.zeros((n_a, n_a + n_x))
    dWz = np.zeros((n_a, n_a + n_x))
    dWn = np.zeros((n_a, n_a + n_x))
    dbr = np.zeros((n_a, 1))
    dbz = np.zeros((n_a, 1))
    dbn = np.zeros((n_a, 1))
    for t in reversed(range(T_x)):
        gradients = gru_cell_backward(da[:, :, t] + da_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dx[:, :, t] = gradients["dxt"]
        dWr += gradients["dWr"]
        dWz += gradients["dWz"]
        dWn += gradients["dWn"]
        dbr += gradients["dbr"]
        dbz += gradients["dbz"]
        dbn += gradients["dbn"]
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
