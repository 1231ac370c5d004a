"""Ivo. Mostly forward passes; arrays set up beforehand and filled in place, `out=` where NumPy has it."""

import numpy as np
from strangers.made import right, wrong


def softmax(z):
    z = z - z.max(axis=0, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=0, keepdims=True)
    return z


def sigma(z):
    return 1 / (1 + np.exp(-z))


def cell(xt, a_prev, prm):
    s = np.dot(prm["Waa"], a_prev)
    s += np.dot(prm["Wax"], xt)
    s += prm["ba"]
    np.tanh(s, out=s)
    return s, softmax(np.dot(prm["Wya"], s) + prm["by"]), (s, a_prev, xt, prm)


def lstm_cell(xt, a_prev, c_prev, prm):
    n_a = a_prev.shape[0]
    v = np.empty((n_a + xt.shape[0], xt.shape[1]))
    v[:n_a] = a_prev
    v[n_a:] = xt
    f = sigma(prm["Wf"].dot(v) + prm["bf"])
    i = sigma(prm["Wi"].dot(v) + prm["bi"])
    k = np.tanh(prm["Wc"].dot(v) + prm["bc"])
    o = sigma(prm["Wo"].dot(v) + prm["bo"])
    c = f * c_prev + i * k
    a = o * np.tanh(c)
    return (
        a,
        c,
        softmax(prm["Wy"].dot(a) + prm["by"]),
        (a, c, a_prev, c_prev, f, i, k, o, xt, prm),
    )


# ================================================================= RNN, one cell


@wrong(
    "rnn_cell_forward",
    "softmax divides by the sum of all entries, over the batch too",
    "from memory",
)
def sum_without_axis(xt, a_prev, parameters):
    s = parameters["Waa"] @ a_prev + parameters["Wax"] @ xt + parameters["ba"]
    a_next = np.tanh(s)
    z = parameters["Wya"] @ a_next + parameters["by"]
    e = np.exp(z - np.max(z))
    yt_pred = e / np.sum(e)
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


@wrong(
    "rnn_cell_forward",
    "the output is squashed by sigmoid, not by softmax",
    "from memory",
)
def sigmoid_on_top(xt, a_prev, parameters):
    s = parameters["Waa"] @ a_prev + parameters["Wax"] @ xt + parameters["ba"]
    a_next = np.tanh(s)
    yt_pred = sigma(parameters["Wya"] @ a_next + parameters["by"])
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


# ================================================================= RNN, all steps


@right("rnn_forward", "arrays filled in place")
def rnn_filled(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wya"].shape
    a, y_pred, caches = np.empty((n_a, m, T)), np.empty((n_y, m, T)), []
    state = a0
    for t in range(T):
        state, y_pred[:, :, t], kept = cell(x[:, :, t], state, parameters)
        a[:, :, t] = state
        caches.append(kept)
    return a, y_pred, (caches, x)


@wrong(
    "rnn_forward",
    "a0 goes into every step, the new state is not handed on",
    "from memory",
)
def always_a0(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wya"].shape
    a, y_pred, caches = np.empty((n_a, m, T)), np.empty((n_y, m, T)), []
    for t in range(T):
        a_next, yt, kept = cell(x[:, :, t], a0, parameters)
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt
        caches.append(kept)
    return a, y_pred, (caches, x)


@wrong("rnn_forward", "a0 is not used, the state starts as zeros", "from memory")
def starts_from_zeros(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wya"].shape
    a, y_pred, caches = np.empty((n_a, m, T)), np.empty((n_y, m, T)), []
    a_next = np.zeros((n_a, m))
    for t in range(T):
        a_next, y_pred[:, :, t], kept = cell(x[:, :, t], a_next, parameters)
        a[:, :, t] = a_next
        caches.append(kept)
    return a, y_pred, (caches, x)


@wrong(
    "rnn_forward",
    "the loop starts at step 1; x[0] is never seen, a[0] and y[0] stay zeros",
    "from memory",
)
def starts_at_one(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wya"].shape
    a, y_pred = np.zeros((n_a, m, T)), np.zeros((n_y, m, T))
    caches = []
    a_next = a0
    for t in range(1, T):
        a_next, yt, kept = cell(x[:, :, t], a_next, parameters)
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt
        caches.append(kept)
    return a, y_pred, (caches, x)


@wrong(
    "rnn_forward",
    "one buffer for the state, its reference goes into the list: all states are the last",
    "from memory",
)
def list_of_one_buffer(x, a0, parameters):
    n_x, m, T = x.shape
    p = parameters
    buf = a0.copy()
    states, ys, caches = [], [], []
    for t in range(T):
        before = buf.copy()
        np.tanh(p["Waa"] @ before + p["Wax"] @ x[:, :, t] + p["ba"], out=buf)
        states.append(buf)
        ys.append(softmax(p["Wya"] @ buf + p["by"]))
        caches.append((buf.copy(), before, x[:, :, t], p))
    return np.stack(states, axis=2), np.stack(ys, axis=2), (caches, x)


@wrong(
    "rnn_forward",
    "two: the bias is left out before tanh, and y is read from the state before the step",
    "from memory",
)
def no_bias_old_y(x, a0, parameters):
    n_x, m, T = x.shape
    p = parameters
    n_y, n_a = p["Wya"].shape
    a, y_pred, caches = np.empty((n_a, m, T)), np.empty((n_y, m, T)), []
    state = a0
    for t in range(T):
        old = state
        y_pred[:, :, t] = softmax(np.dot(p["Wya"], state) + p["by"])
        state = np.tanh(np.dot(p["Waa"], old) + np.dot(p["Wax"], x[:, :, t]))
        a[:, :, t] = state
        caches.append((state, old, x[:, :, t], p))
    return a, y_pred, (caches, x)


# ================================================================= RNN, back


@wrong(
    "rnn_backward",
    "one buffer for dz and da_prev: dz is written over by Waa.T @ dz before the weights are done",
    "from memory",
)
def buffer_too_early(da, caches):
    caches, x = caches
    p = caches[0][3]
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    dWax, dWaa, dba = (
        np.zeros(p["Wax"].shape),
        np.zeros(p["Waa"].shape),
        np.zeros((n_a, 1)),
    )
    buf = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        a_next, a_prev, xt, _ = caches[t]
        buf += da[:, :, t]
        buf *= 1 - a_next**2
        dx[:, :, t] = p["Wax"].T @ buf
        buf[...] = p["Waa"].T @ buf
        dWax += buf @ xt.T
        dWaa += buf @ a_prev.T
        dba += buf.sum(axis=1, keepdims=True)
    return {"dx": dx, "da0": buf, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "da0 is set up as zeros and never filled",
    "from memory",
    step={"da0": 0},
)
def da0_never_filled(da, caches):
    caches, x = caches
    p = caches[0][3]
    n_a, m, T = da.shape
    dx, da0 = np.empty(x.shape), np.zeros((n_a, m))
    dWax, dWaa, dba = (
        np.zeros(p["Wax"].shape),
        np.zeros(p["Waa"].shape),
        np.zeros((n_a, 1)),
    )
    later = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        a_next, a_prev, xt, _ = caches[t]
        dz = later + da[:, :, t]
        dz *= 1 - a_next**2
        dx[:, :, t] = p["Wax"].T @ dz
        dWax += dz @ xt.T
        dWaa += dz @ a_prev.T
        dba += dz.sum(axis=1, keepdims=True)
        later = p["Waa"].T @ dz
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "two: dWax reads x one step early, x[:, :, t - 1], and dba is divided by m",
    "from memory",
)
def x_of_yesterday(da, caches):
    caches, x = caches
    p = caches[0][3]
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    dWax, dWaa, dba = (
        np.zeros(p["Wax"].shape),
        np.zeros(p["Waa"].shape),
        np.zeros((n_a, 1)),
    )
    later = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        a_next, a_prev, _, _ = caches[t]
        dz = later + da[:, :, t]
        dz *= 1 - a_next**2
        dx[:, :, t] = p["Wax"].T @ dz
        dWax += dz @ x[:, :, t - 1].T
        dWaa += dz @ a_prev.T
        dba += dz.sum(axis=1, keepdims=True)
        later = p["Waa"].T @ dz
    dba /= m
    return {"dx": dx, "da0": later, "dWax": dWax, "dWaa": dWaa, "dba": dba}


# ================================================================= LSTM


@wrong(
    "lstm_cell_forward",
    "the gates change places: c_next = it * c_prev + ft * cct",
    "from memory",
)
def keeps_by_i(xt, a_prev, c_prev, parameters):
    prm = parameters
    v = np.vstack([a_prev, xt])
    ft = sigma(prm["Wf"].dot(v) + prm["bf"])
    it = sigma(prm["Wi"].dot(v) + prm["bi"])
    cct = np.tanh(prm["Wc"].dot(v) + prm["bc"])
    ot = sigma(prm["Wo"].dot(v) + prm["bo"])
    c_next = it * c_prev
    c_next += ft * cct
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(prm["Wy"].dot(a_next) + prm["by"])
    return (
        a_next,
        c_next,
        yt_pred,
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters),
    )


@right("lstm_forward", "arrays filled in place")
def lstm_filled(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wy"].shape
    a, c, y = np.empty((n_a, m, T)), np.empty((n_a, m, T)), np.empty((n_y, m, T))
    caches = []
    at, ct = a0, np.zeros((n_a, m))
    for t in range(T):
        at, ct, y[:, :, t], kept = lstm_cell(x[:, :, t], at, ct, parameters)
        a[:, :, t], c[:, :, t] = at, ct
        caches.append(kept)
    return a, y, c, (caches, x)


@wrong(
    "lstm_forward",
    "a = c = np.zeros(...): one array with two names, a is written over by c",
    "from memory",
)
def two_names(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wy"].shape
    a = c = np.zeros((n_a, m, T))
    y = np.zeros((n_y, m, T))
    caches = []
    at, ct = a0, np.zeros((n_a, m))
    for t in range(T):
        at, ct, y[:, :, t], kept = lstm_cell(x[:, :, t], at, ct, parameters)
        a[:, :, t] = at
        c[:, :, t] = ct
        caches.append(kept)
    return a, y, c, (caches, x)


@wrong(
    "lstm_forward",
    "c is set to zeros inside the loop: no memory from step to step",
    "from memory",
)
def c_zero_in_the_loop(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wy"].shape
    a, c, y = np.empty((n_a, m, T)), np.empty((n_a, m, T)), np.empty((n_y, m, T))
    caches = []
    at = a0
    for t in range(T):
        ct = np.zeros((n_a, m))
        at, ct, y[:, :, t], kept = lstm_cell(x[:, :, t], at, ct, parameters)
        a[:, :, t], c[:, :, t] = at, ct
        caches.append(kept)
    return a, y, c, (caches, x)


@wrong("lstm_forward", "c starts as a0, not as zeros", "from memory")
def c_starts_as_a0(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wy"].shape
    a, c, y = np.empty((n_a, m, T)), np.empty((n_a, m, T)), np.empty((n_y, m, T))
    caches = []
    at = ct = a0
    for t in range(T):
        at, ct, y[:, :, t], kept = lstm_cell(x[:, :, t], at, ct, parameters)
        a[:, :, t], c[:, :, t] = at, ct
        caches.append(kept)
    return a, y, c, (caches, x)


@wrong(
    "lstm_forward",
    "two: the output gate is given bc, and y is read from c",
    "from memory",
)
def o_with_bc_y_from_c(x, a0, parameters):
    prm = parameters
    n_x, m, T = x.shape
    n_y, n_a = prm["Wy"].shape
    a, c, y = np.empty((n_a, m, T)), np.empty((n_a, m, T)), np.empty((n_y, m, T))
    caches = []
    at, ct = a0, np.zeros((n_a, m))
    for t in range(T):
        a_prev, c_prev = at, ct
        v = np.vstack([a_prev, x[:, :, t]])
        f = sigma(prm["Wf"].dot(v) + prm["bf"])
        i = sigma(prm["Wi"].dot(v) + prm["bi"])
        k = np.tanh(prm["Wc"].dot(v) + prm["bc"])
        o = sigma(prm["Wo"].dot(v) + prm["bc"])
        ct = f * c_prev + i * k
        at = o * np.tanh(ct)
        a[:, :, t], c[:, :, t] = at, ct
        y[:, :, t] = softmax(prm["Wy"].dot(ct) + prm["by"])
        caches.append((at, ct, a_prev, c_prev, f, i, k, o, x[:, :, t], prm))
    return a, y, c, (caches, x)
