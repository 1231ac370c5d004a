"""Oskar took the other course: rows are examples, (N, T, D), stacked weights, caches are tuples, `prev_h`, `next_h`."""

import numpy as np
from strangers.made import right, wrong


def sigmoid(x):
    pos = x >= 0
    z = np.exp(-np.abs(x))
    return np.where(pos, 1.0, z) / (1.0 + z)


# RNN =================================================================


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    cache = []
    prev_h = h0
    for t in range(T):
        prev_h, cache_t = rnn_step_forward(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = prev_h
        cache.append(cache_t)
    return h, cache


def rnn_forward_small_cache(x, h0, Wx, Wh, b):
    h, _ = rnn_forward(x, h0, Wx, Wh, b)
    return h, (x, h0, Wx, Wh, h)


def _step_back(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dscore = dnext_h * (1 - next_h**2)
    return (
        dscore @ Wx.T,
        dscore @ Wh.T,
        x.T @ dscore,
        prev_h.T @ dscore,
        dscore.sum(axis=0),
    )


@wrong(
    "rnn_cell_backward",
    "dWh is taken with dnext_h, the gradient before the tanh",
    "from memory",
    convention="ntd",
    forward=rnn_step_forward,
)
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dtanh = (1 - next_h**2) * dnext_h
    dx = dtanh.dot(Wx.T)
    dprev_h = dtanh.dot(Wh.T)
    dWx = x.T.dot(dtanh)
    dWh = prev_h.T.dot(dnext_h)
    db = dtanh.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "the carried gradient begins as dh of the last step, which then counts twice",
    "from memory",
    step=-1,
    convention="ntd",
    forward=rnn_forward,
)
def rnn_backward_last_twice(dh, cache):
    N, T, H = dh.shape
    x, _, Wx, Wh, _ = cache[0]
    D = x.shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dprev_h = dh[:, -1, :]
    for t in reversed(range(T)):
        dnext = dprev_h + dh[:, t, :]
        dx[:, t, :], dprev_h, dWx_t, dWh_t, db_t = _step_back(dnext, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "the state before step 0 is h[:, t-1] = h[:, -1], not h0",
    "from memory",
    step={"dWh": 0},
    convention="ntd",
    forward=rnn_forward_small_cache,
)
def rnn_backward_wraps_around(dh, cache):
    x, h0, Wx, Wh, h = cache
    N, T, H = dh.shape
    dx = np.zeros_like(x)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dprev_h = np.zeros_like(h0)
    for t in range(T - 1, -1, -1):
        step = (x[:, t], h[:, t - 1], Wx, Wh, h[:, t])
        dx[:, t], dprev_h, a, b, c = _step_back(dh[:, t] + dprev_h, step)
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "two: db is overwritten at each step, and dx is filled from the front while time runs from the back",
    "from memory",
    convention="ntd",
    forward=rnn_forward,
)
def rnn_backward_db_and_dx(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][2], cache[0][3]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh = np.zeros(Wx.shape), np.zeros(Wh.shape)
    dprev_h = np.zeros((N, H))
    for t in range(T):
        step = cache[T - 1 - t]
        dx[:, t], dprev_h, dWx_t, dWh_t, db = _step_back(
            dh[:, T - 1 - t] + dprev_h, step
        )
        dWx += dWx_t
        dWh += dWh_t
    return dx, dprev_h, dWx, dWh, db


# LSTM =================================================================


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    ai, af, ao, ag = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    tc = np.tanh(next_c)
    return o * tc, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc)


def lstm_forward(x, h0, Wx, Wh, b):
    h, c = h0, np.zeros_like(h0)
    hs, cache = [], []
    for t in range(x.shape[1]):
        h, c, k = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        hs.append(h)
        cache.append(k)
    return np.stack(hs, axis=1), cache


def _lstm_step_back(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc = cache
    dc = dnext_c + dnext_h * o * (1 - tc * tc)
    da = np.hstack(
        [
            dc * g * i * (1 - i),
            dc * prev_c * f * (1 - f),
            dnext_h * tc * o * (1 - o),
            dc * i * (1 - g * g),
        ]
    )
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


@wrong(
    "lstm_cell_backward",
    "the gates' gradients are stacked in the order i, f, g, o, the weights' columns are i, f, o, g",
    "from memory",
    convention="ntd",
    forward=lstm_step_forward,
)
def lstm_step_backward_order(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc = cache
    do = dnext_h * tc
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    di, df, dg, dprev_c = dc * g, dc * prev_c, dc * i, dc * f
    da = np.hstack(
        (i * (1 - i) * di, f * (1 - f) * df, (1 - g**2) * dg, o * (1 - o) * do)
    )
    return (
        da.dot(Wx.T),
        da.dot(Wh.T),
        dprev_c,
        x.T.dot(da),
        prev_h.T.dot(da),
        da.sum(axis=0),
    )


@wrong(
    "lstm_cell_backward",
    "dnext_c is added after the gates were computed: it reaches dprev_c alone",
    "from memory",
    convention="ntd",
    forward=lstm_step_forward,
)
def lstm_step_backward_late_c(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc = cache
    do = dnext_h * tc
    dc = dnext_h * o * (1 - tc**2)
    di, df, dg = dc * g, dc * prev_c, dc * i
    da = np.hstack(
        (i * (1 - i) * di, f * (1 - f) * df, o * (1 - o) * do, (1 - g**2) * dg)
    )
    dc = dc + dnext_c
    dprev_c = dc * f
    return (
        da.dot(Wx.T),
        da.dot(Wh.T),
        dprev_c,
        x.T.dot(da),
        prev_h.T.dot(da),
        da.sum(axis=0),
    )


@wrong(
    "lstm_backward",
    "the cell's gradient is not carried from step to step: zeros go in each time",
    "from memory",
    step=-2,
    convention="ntd",
    forward=lstm_forward,
)
def lstm_backward_forgets_c(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][3], cache[0][4]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        dc = np.zeros((N, H))
        dx[:, t], dprev_h, dc, dWx_t, dWh_t, db_t = _lstm_step_back(
            dh[:, t] + dprev_h, dc, cache[t]
        )
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "lstm_backward",
    "the cell's gradient begins as dh of the last step, as the hidden one would",
    "from memory",
    convention="ntd",
    forward=lstm_forward,
)
def lstm_backward_dc_starts_with_dh(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][3], cache[0][4]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), dh[:, -1]
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dprev_c, dWx_t, dWh_t, db_t = _lstm_step_back(
            dh[:, t] + dprev_h, dprev_c, cache[t]
        )
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


# GRU =================================================================


def gru_step_forward(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx[:, : 2 * H] + prev_h @ Wh[:, : 2 * H] + b[: 2 * H]
    r, z = sigmoid(a[:, :H]), sigmoid(a[:, H:])
    n = np.tanh(x @ Wx[:, 2 * H :] + (r * prev_h) @ Wh[:, 2 * H :] + b[2 * H :])
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, Wx, Wh, r, z, n)


def gru_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h, cache, prev = np.zeros((N, T, h0.shape[1])), [], h0
    for t in range(T):
        prev, c = gru_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        cache.append(c)
    return h, cache


def _gru_step_back(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = r.shape[1]
    an = dnext_h * (1 - z) * (1 - n**2)
    drh = an @ Wh[:, 2 * H :].T
    ag = np.hstack([drh * prev_h * r * (1 - r), dnext_h * (prev_h - n) * z * (1 - z)])
    a = np.hstack([ag, an])
    dprev_h = dnext_h * z + drh * r + ag @ Wh[:, : 2 * H].T
    return (
        a @ Wx.T,
        dprev_h,
        x.T @ a,
        np.hstack([prev_h.T @ ag, (r * prev_h).T @ an]),
        a.sum(axis=0),
    )


@wrong(
    "gru_cell_backward",
    "the update gate's gradient has the sign of the other convention: n - prev_h",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_backward_sign(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = r.shape[1]
    dn = dnext_h * (1 - z)
    dz = dnext_h * (n - prev_h)
    an = dn * (1 - n**2)
    drh = an @ Wh[:, 2 * H :].T
    dr = drh * prev_h
    ar, az = dr * r * (1 - r), dz * z * (1 - z)
    a = np.hstack([ar, az, an])
    dprev_h = dnext_h * z + drh * r + ar @ Wh[:, :H].T + az @ Wh[:, H : 2 * H].T
    dWh = np.hstack([prev_h.T @ ar, prev_h.T @ az, (r * prev_h).T @ an])
    return a @ Wx.T, dprev_h, x.T @ a, dWh, a.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "what goes straight to prev_h is weighted by 1 - z",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_backward_direct(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = r.shape[1]
    an = dnext_h * (1 - z) * (1 - n**2)
    drh = an @ Wh[:, 2 * H :].T
    ar = drh * prev_h * r * (1 - r)
    az = dnext_h * (prev_h - n) * z * (1 - z)
    a = np.hstack([ar, az, an])
    dprev_h = (1 - z) * dnext_h
    dprev_h = dprev_h + r * drh
    dprev_h = dprev_h + a[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWh = np.hstack([prev_h.T @ a[:, : 2 * H], (r * prev_h).T @ an])
    return a @ Wx.T, dprev_h, x.T @ a, dWh, a.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dprev_h is one product of all gates with Wh: the candidate's part lacks the reset gate",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_backward_one_product(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = r.shape[1]
    an = dnext_h * (1 - z) * (1 - n**2)
    ar = (an @ Wh[:, 2 * H :].T) * prev_h * r * (1 - r)
    az = dnext_h * (prev_h - n) * z * (1 - z)
    a = np.hstack([ar, az, an])
    dprev_h = a @ Wh.T + dnext_h * z
    dWh = np.hstack([prev_h.T @ ar, prev_h.T @ az, (r * prev_h).T @ an])
    return a @ Wx.T, dprev_h, x.T @ a, dWh, a.sum(axis=0)


@wrong(
    "gru_backward",
    "the loop over time runs forwards",
    "from memory",
    convention="ntd",
    forward=gru_forward,
)
def gru_backward_forwards(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][2], cache[0][3]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    dh0 = np.zeros((N, H))
    for t in range(T):
        dx[:, t], dh0, dWx_t, dWh_t, db_t = _gru_step_back(dh[:, t] + dh0, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dh0, dWx, dWh, db


@wrong(
    "gru_backward",
    "two: nothing goes straight from h_t to h_(t-1) through z, and the candidate's slope is 1 - n without the square",
    "from memory",
    convention="ntd",
    forward=gru_forward,
)
def gru_backward_direct_and_slope(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][2], cache[0][3]
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, _, _, r, z, n = cache[t]
        d = dh[:, t] + dprev
        an = d * (1 - z) * (1 - n)
        az = d * (prev_h - n) * z * (1 - z)
        drh = an @ Wn.T
        ar = drh * prev_h * r * (1 - r)
        a = np.hstack([ar, az, an])
        dx[:, t] = a @ Wx.T
        dprev = drh * r + ar @ Wr.T + az @ Wz.T
        dWx += x.T @ a
        dWh += np.hstack([prev_h.T @ ar, prev_h.T @ az, (r * prev_h).T @ an])
        db += a.sum(axis=0)
    return dx, dprev, dWx, dWh, db


@right(
    "lstm_backward",
    "the step of the other course in a loop",
    convention="ntd",
    forward=lstm_forward,
)
def lstm_backward_plain(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][3], cache[0][4]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dprev_c, dWx_t, dWh_t, db_t = _lstm_step_back(
            dh[:, t] + dprev_h, dprev_c, cache[t]
        )
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db
