"""From the loss into the states by way of p: the logarithm first, then the softmax."""

from typing import Any

import numpy as np


def readout_backward(y_pred: Any, labels: Any, a: Any, parameters: Any) -> Any:
    """dl = p (dp - Σ p dp), with dp = -y / p of the mean of -log p[label]."""
    n_y, m, T_x = y_pred.shape
    Wya = parameters["Wya"]
    y = np.moveaxis(np.eye(n_y)[labels], 2, 0)
    dy_pred = -y / y_pred / (m * T_x)
    dl = y_pred * (dy_pred - np.sum(y_pred * dy_pred, axis=0, keepdims=True))
    dWya = np.einsum("ymt,amt->ya", dl, a)
    dby = np.sum(dl, axis=(1, 2)).reshape(n_y, 1)
    da = np.einsum("ya,ymt->amt", Wya, dl)
    return {"da": da, "dWya": dWya, "dby": dby}
