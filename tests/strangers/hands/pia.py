"""Pia hurries; most of her attempts have two things wrong."""

import numpy as np

from strangers.made import wrong


def softmax(x, axis=0):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@wrong(
    "rnn_cell_backward",
    "dxt and da_prev lack the slope: both products are made with da_next",
    "one variable used under its old name, from memory",
)
def old_name(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = da_next * (1 - a_next**2)
    return {
        "dxt": p["Wax"].T @ da_next,
        "da_prev": p["Waa"].T @ da_next,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": dz.sum(axis=1)[:, np.newaxis],
    }


@wrong(
    "rnn_cell_backward",
    "the slope is 1 - a (no square), and dWaa is made with a_next",
    "two slips in one evening, from memory",
    tags="double",
)
def no_square_and_next(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = da_next * (1 - a_next)
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_next.T,
        "dba": dz.sum(axis=1)[:, np.newaxis],
    }


@wrong(
    "rnn_cell_forward",
    "ba is added after the tanh, and by is forgotten",
    "two slips in one evening, from memory",
    tags="double",
)
def biases_misplaced(xt, a_prev, parameters):
    p = parameters
    a_next = np.tanh(p["Wax"] @ xt + p["Waa"] @ a_prev) + p["ba"]
    return a_next, softmax(p["Wya"] @ a_next), (a_next, a_prev, xt, parameters)


@wrong(
    "rnn_cell_forward",
    "the outer activation is sigmoid, as in an older course",
    "another activation, from memory",
)
def sigmoid_state(xt, a_prev, parameters):
    p = parameters
    a_next = 1 / (1 + np.exp(-(p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"])))
    y = softmax(p["Wya"] @ a_next + p["by"])
    return a_next, y, (a_next, a_prev, xt, parameters)


@wrong(
    "lstm_cell_forward",
    "the candidate is not gated (c = f c_prev + cct), and softmax is over the examples",
    "two slips in one evening, from memory",
    tags="double axis",
)
def ungated(xt, a_prev, c_prev, parameters):
    p = parameters
    v = np.concatenate((a_prev, xt))
    f, i, o = (1 / (1 + np.exp(-(p["W" + k] @ v + p["b" + k]))) for k in "fio")
    cct = np.tanh(p["Wc"] @ v + p["bc"])
    c = f * c_prev + cct
    a = o * np.tanh(c)
    y = softmax(p["Wy"] @ a + p["by"], axis=1)
    return a, c, y, (a, c, a_prev, c_prev, f, i, cct, o, xt, p)


@wrong(
    "rnn_backward",
    "the derivative is written for a state kept in da's place: da is replaced in place "
    "by dz, and da0 is left out of the last product",
    "a buffer reused, from memory",
    words=r"in place|changes this argument|copy&da0",
    tags="view double",
    step={"da0": 0},
)
def buffer_reused(da, caches):
    steps, x = caches
    p = steps[0][3]
    T = da.shape[2]
    for t in range(T - 1, -1, -1):
        da[:, :, t] *= 1 - steps[t][0] ** 2
        if t > 0:
            da[:, :, t - 1] += p["Waa"].T @ da[:, :, t]
    prev = np.stack([s[1] for s in steps[:T]], axis=2)
    return {
        "dx": np.einsum("ax,amt->xmt", p["Wax"], da),
        "da0": da[:, :, 0],
        "dWax": np.einsum("amt,xmt->ax", da, x[:, :, :T]),
        "dWaa": np.einsum("amt,bmt->ab", da, prev),
        "dba": da.sum(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "the labels of step 0 are used at all steps, and the sum is divided by T alone",
    "two slips in one evening, from memory",
    tags="double scale",
)
def fancy_index(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = y_pred.copy()
    for t in range(T):
        dz[:, :, t] -= np.eye(n_y)[:, labels[:, 0]]
    dz /= T
    return {
        "da": np.einsum("ya,ymt->amt", parameters["Wya"], dz),
        "dWya": np.einsum("ymt,amt->ya", dz, a),
        "dby": dz.sum(axis=(1, 2))[:, None],
    }
