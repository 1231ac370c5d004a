"""From the loss into the states: the part that the exercise leaves out."""

from typing import Any

import numpy as np


def readout_backward(y_pred: Any, labels: Any, a: Any, parameters: Any) -> Any:
    """The gradients of the mean of -log p[label]."""
    n_y, m, T_x = y_pred.shape
    n_a = a.shape[0]
    Wya = parameters["Wya"]
    y = np.moveaxis(np.eye(n_y)[labels], 2, 0)
    da = np.zeros((n_a, m, T_x))
    dWya = np.zeros((n_y, n_a))
    dby = np.zeros((n_y, 1))
    for t in range(T_x):
        dl = (y_pred[:, :, t] - y[:, :, t]) / (m * T_x)
        dWya += np.dot(dl, a[:, :, t].T)
        dby += np.sum(dl, axis=1, keepdims=True)
        da[:, :, t] = np.dot(Wya.T, dl)
    return {"da": da, "dWya": dWya, "dby": dby}
