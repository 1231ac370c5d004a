"""What the exercise leaves out: from the loss through softmax and dense into a."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..engine.products import affine_vjp
from .border import (
    Floats,
    Gradients,
    Parameters,
    column,
    columns,
    floats,
    in_float64,
    read,
)


def cross_entropy(y_pred: ArrayLike, labels: ArrayLike) -> float:
    """The mean of −log ŷ[label] over examples and steps, in nats.

    Args:
        y_pred: (n_y, m, T_x), as `rnn_forward` and `lstm_forward` return it; or
            (n_y, m), of one step.
        labels: (m, T_x), or (m,): integers in [0, n_y).

    Returns:
        The loss; infinite where the probability of a label is 0.

    Raises:
        ValueError: if shapes do not fit, or labels are not integers or out of range.

    >>> import numpy as np
    >>> round(cross_entropy(np.full((2, 1, 3), 0.5), np.zeros((1, 3), int)), 4)  # log 2
    0.6931
    """
    y, chosen = _choose(y_pred, labels)
    with np.errstate(divide="ignore"):
        return float(-np.log(y[chosen]).mean())


@in_float64
def readout_backward(
    y_pred: ArrayLike, labels: ArrayLike, a: ArrayLike, parameters: Parameters
) -> Gradients:
    """The way back from `cross_entropy` through softmax and dense layer into a.

    With N = m T_x positions, and sums over all of them::

        dz = (ŷ − one_hot(label)) / N,  da = Wyaᵀ dz,  dWya = Σ dz aᵀ,  dby = Σ dz

    Args:
        y_pred: (n_y, m, T_x), as the forward pass returns it; or (n_y, m).
        labels: (m, T_x), or (m,): integers in [0, n_y).
        a: (n_a, m, T_x), or (n_a, m).
        parameters: with Wya (of the RNN) or Wy (of the LSTM), (n_y, n_a).

    Returns:
        da as a, ready for `rnn_backward` or `lstm_backward`; dWya or dWy; dby (n_y, 1).

    Raises:
        ValueError: as `cross_entropy`; or if a or parameters do not fit y_pred.

    Source: Bishop 2006, "Pattern Recognition and Machine Learning", eq. (4.109).

    >>> import numpy as np
    >>> y_pred, a = np.full((2, 1, 3), 0.5), np.ones((1, 1, 3))
    >>> labels, Wya = np.zeros((1, 3), int), np.array([[1.0], [3.0]])
    >>> round(float(readout_backward(y_pred, labels, a, {"Wya": Wya})["da"].sum()), 4)
    1.0
    """
    y, chosen = _choose(y_pred, labels)
    name = _weight_of(parameters)
    w = read(parameters, [name])[name]
    values = floats({"y_pred": y, "a": a, name: w})
    _check_sizes(values["y_pred"], values["a"], name, w)
    d_z = values["y_pred"]
    d_z[chosen] -= 1
    d_z /= chosen[0].size
    w_out = jnp.asarray(values[name].T)
    d_a, d_w, d_b = affine_vjp(_last(values["a"]), w_out, w_out[0], _last(d_z))
    da = np.array(np.moveaxis(np.asarray(d_a), -1, 0), order="C")
    return {"da": da, f"d{name}": columns(d_w), "dby": column(d_b)}


def _last(columns: Floats) -> Array:
    """(n, ...) as (..., n)."""
    return jnp.asarray(np.moveaxis(columns, 0, -1))


def _choose(y_pred: ArrayLike, labels: ArrayLike) -> tuple[Floats, Any]:
    """A new y_pred, and the index of what the labels choose of it."""
    y, chosen = floats({"y_pred": y_pred})["y_pred"], np.asarray(labels)
    if y.ndim < 2 or chosen.shape != y.shape[1:] or chosen.dtype.kind not in "iu":
        raise ValueError(
            f"expected labels: integers {y.shape[1:]} to match y_pred {y.shape}, got "
            f"{chosen.dtype} {chosen.shape}; one-hot labels become integers by "
            "argmax(axis=0)"
        )
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= len(y):
        found = f"{chosen.min()} to {chosen.max()}" if chosen.size else "none"
        raise ValueError(f"expected labels in [0, {len(y)}), got {found}")
    return y, (chosen, *np.indices(chosen.shape))


def _weight_of(parameters: Parameters) -> str:
    names = [name for name in ("Wya", "Wy") if name in parameters]
    if len(names) != 1:
        raise ValueError(
            "expected parameters with Wya (of the RNN) or Wy (of the LSTM), got "
            f"{', '.join(sorted(parameters)) or 'none'}"
        )
    return names[0]


def _check_sizes(y: Floats, a: Floats, name: str, w: Floats) -> None:
    if a.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"expected a of shape (n_a, {', '.join(map(str, y.shape[1:]))}) to match "
            f"y_pred {y.shape}, got {a.shape}"
        )
    if w.shape != (len(y), len(a)):
        raise ValueError(
            f"expected {name} of shape (n_y, n_a) = ({len(y)}, {len(a)}) to match "
            f"y_pred {y.shape} and a {a.shape}, got {w.shape}"
        )
