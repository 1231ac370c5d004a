"""One step of the long short-term memory forward, its functions written out."""

from typing import Any

import numpy as np


def lstm_cell_forward(xt: Any, a_prev: Any, c_prev: Any, parameters: Any) -> Any:
    """One step forward; every value has a name of its own."""
    Wy = parameters["Wy"]
    by = parameters["by"]
    concat = np.concatenate((a_prev, xt), axis=0)
    zf = np.dot(parameters["Wf"], concat) + parameters["bf"]
    zi = np.dot(parameters["Wi"], concat) + parameters["bi"]
    zc = np.dot(parameters["Wc"], concat) + parameters["bc"]
    zo = np.dot(parameters["Wo"], concat) + parameters["bo"]
    ft = 1 / (1 + np.exp(-zf))
    it = 1 / (1 + np.exp(-zi))
    cct = np.tanh(zc)
    ot = 1 / (1 + np.exp(-zo))
    c_next = ft * c_prev + it * cct
    tanh_c = np.tanh(c_next)
    a_next = ot * tanh_c
    zy = np.dot(Wy, a_next) + by
    top = np.max(zy, axis=0, keepdims=True)
    yt_pred = np.exp(zy - top) / np.sum(np.exp(zy - top), axis=0, keepdims=True)
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache
