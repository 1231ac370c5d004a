"""The exercise's simple recurrent network, on `sr.rnn`."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..cells.rnn import RNNParams, RNNState, rnn
from ..readout import DenseParams, plain_dense
from .border import (
    Cache,
    Caches,
    Floats,
    Gradients,
    Parameters,
    check_steps,
    check_way_back,
    column,
    columns,
    flat,
    in_float64,
    open_cache,
    read,
    rows,
    step_back,
    sum_steps,
)


@in_float64
def rnn_cell_forward(
    xt: ArrayLike, a_prev: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Cache]:
    """One step: a_next = tanh(Wax xt + Waa a_prev + ba), yt = softmax(Wya a_next + by).

    Args:
        xt: (n_x, m).
        a_prev: (n_a, m).
        parameters: Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a), ba (n_a, 1),
            by (n_y, 1).

    Returns:
        a_next (n_a, m), yt_pred (n_y, m) and the cache
        ``(a_next, a_prev, xt, parameters)``.

    >>> import numpy as np
    >>> parameters = dict(Wax=np.ones((1, 2)), Waa=np.eye(1), Wya=np.ones((3, 1)),
    ...                   ba=np.zeros((1, 1)), by=np.zeros((3, 1)))
    >>> a_next, yt_pred, cache = rnn_cell_forward(
    ...     np.ones((2, 4)), np.zeros((1, 4)), parameters)
    >>> a_next.round(4)  # tanh(2)
    array([[0.964, 0.964, 0.964, 0.964]])
    """
    names = ("Wax", "Waa", "ba", "Wya", "by")
    values = read(parameters, names, xt=xt, a_prev=a_prev)
    params = RNNParams(rows(values["Wax"]), rows(values["Waa"]), flat(values["ba"]))
    readout = DenseParams(rows(values["Wya"]), flat(values["by"]))
    a, y = _step(params, readout, rows(values["xt"]), rows(values["a_prev"]))
    a_next = columns(a)
    return a_next, columns(y), (a_next, values["a_prev"], values["xt"], parameters)


@jax.jit
def _step(
    params: RNNParams, readout: DenseParams, xs: Array, a_prev: Array
) -> tuple[Array, Array]:
    cell = rnn(a_prev.shape[1])
    state, _ = cell.step(params, RNNState(a_prev), cell.project(params, xs))
    return state.h, jax.nn.softmax(plain_dense(readout, state.h))


@in_float64
def rnn_forward(
    x: ArrayLike, a0: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Caches]:
    """`rnn_cell_forward` over all steps, from a0.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m).
        parameters: as for `rnn_cell_forward`.

    Returns:
        a (n_a, m, T_x), y_pred (n_y, m, T_x), and the caches: the list of the cache of
        every step, and x.
    """
    x, a_next = check_steps("x", x=x, a0=a0).values()
    every_a, every_y, caches = [], [], []
    for t in range(x.shape[2]):
        a_next, y, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        every_a.append(a_next)
        every_y.append(y)
        caches.append(cache)
    return np.stack(every_a, axis=2), np.stack(every_y, axis=2), (caches, x)


@in_float64
def rnn_cell_backward(da_next: ArrayLike, cache: Cache) -> Gradients:
    """The way back through one step.

    Args:
        da_next: (n_a, m), the cotangent of a_next, from its output and from time.
        cache: ``(a_next, a_prev, xt, parameters)``; tanh' = 1 − a_next².

    Returns:
        dxt (n_x, m), da_prev (n_a, m), dWax, dWaa, and dba (n_a, 1).
    """
    held, parameters = open_cache(cache, ("a_next", "a_prev", "xt"))
    values = read(parameters, ("Wax", "Waa"), **held, da_next=da_next)
    w_x, w_h, a_next = (rows(values[name]) for name in ("Wax", "Waa", "a_next"))
    d_prev, d_params, d_xs = step_back(
        rnn(w_h.shape[0]),
        RNNParams(w_x, w_h, jnp.zeros_like(w_h[0])),  # no derivative needs b
        rows(values["xt"]),
        RNNState(rows(values["a_prev"])),
        RNNState(a_next),
        RNNState(rows(values["da_next"])),
    )
    return {
        "dxt": columns(d_xs),
        "da_prev": columns(d_prev.h),
        "dWax": columns(d_params.w_x),
        "dWaa": columns(d_params.w_h),
        "dba": column(d_params.b),
    }


@in_float64
def rnn_backward(da: ArrayLike, caches: Caches) -> Gradients:
    """The way back through all steps: a⟨t⟩ gets da⟨t⟩ and what step t + 1 hands back.

    Args:
        da: (n_a, m, T_da), what reaches every a⟨t⟩ from its own output. T_da may be
            less than the steps of the caches; the first T_da of them count.
        caches: as `rnn_forward` returns them.

    Returns:
        dx (n_x, m, T_da), da0 (n_a, m), dWax, dWaa, and dba (n_a, 1).
    """
    d_a, steps = check_way_back(da, caches)
    latest_first = []
    d_prev = np.zeros_like(d_a[:, :, 0])
    for t in reversed(range(d_a.shape[2])):
        step = rnn_cell_backward(d_a[:, :, t] + d_prev, steps[t])
        d_prev = step["da_prev"]
        latest_first.append(step)
    return sum_steps(latest_first)
