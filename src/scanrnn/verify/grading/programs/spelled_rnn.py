"""One step of the simple network forward, every value under a name of its own."""

from typing import Any

import numpy as np


def rnn_cell_forward(xt: Any, a_prev: Any, parameters: Any) -> Any:
    """One step forward; the softmax is written out."""
    Wya = parameters["Wya"]
    by = parameters["by"]
    W = np.concatenate((parameters["Waa"], parameters["Wax"]), axis=1)
    concat = np.concatenate((a_prev, xt), axis=0)
    z = np.dot(W, concat) + parameters["ba"]
    a_next = np.tanh(z)
    zy = np.dot(Wya, a_next) + by
    top = np.max(zy, axis=0, keepdims=True)
    yt_pred = np.exp(zy - top) / np.sum(np.exp(zy - top), axis=0, keepdims=True)
    cache = (a_next, a_prev, xt, parameters)
    return a_next, yt_pred, cache
