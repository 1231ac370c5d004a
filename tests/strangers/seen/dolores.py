"""Dolores. The other course: (N, T, D), caches are tuples, names as on its slides."""

import numpy as np
from strangers.made import right, wrong


def sig(x):
    return 1 / (1 + np.exp(-x))


# ------------------------------------------------------------------- plain RNN


def rnn_step(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_run(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    cache = []
    prev = h0
    for t in range(T):
        prev, c = rnn_step(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        cache.append(c)
    return h, cache


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h**2)
    return dz.dot(Wx.T), dz.dot(Wh.T), x.T.dot(dz), prev_h.T.dot(dz), dz.sum(axis=0)


def rnn_step_score(x, prev_h, Wx, Wh, b):
    z = x.dot(Wx) + prev_h.dot(Wh) + b
    return np.tanh(z), (x, prev_h, Wx, Wh, z)


@wrong(
    "rnn_cell_backward",
    "the cache holds the score z, and tanh' is written 1 - z**2 with it",
    "from memory",
    convention="ntd",
    forward=rnn_step_score,
)
def slope_of_score(dnext_h, cache):
    x, prev_h, Wx, Wh, z = cache
    dz = dnext_h * (1 - z**2)
    dx = dz.dot(Wx.T)
    dWx = x.T.dot(dz)
    dprev_h = dz.dot(Wh.T)
    dWh = prev_h.T.dot(dz)
    db = np.sum(dz, axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_cell_backward",
    "two: Wh is not transposed on the way to prev_h, and db is a mean over the batch",
    "from memory",
    convention="ntd",
    forward=rnn_step,
)
def upright_and_mean(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h**2)
    dx = dz.dot(Wx.T)
    dWx = x.T.dot(dz)
    dprev_h = dz.dot(Wh)
    dWh = prev_h.T.dot(dz)
    db = np.mean(dz, axis=0)
    return dx, dprev_h, dWx, dWh, db


@right(
    "rnn_backward",
    "a list of caches, loop from the end",
    convention="ntd",
    forward=rnn_run,
)
def rnn_all(dh, cache):
    N, T, H = dh.shape
    x0, _, Wx, Wh, _ = cache[0]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev, dwx, dwh, db_t = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx += dwx
        dWh += dwh
        db += db_t
    return dx, dprev, dWx, dWh, db


@wrong(
    "rnn_backward",
    "db is overwritten at each step by the name in the tuple",
    "from memory",
    convention="ntd",
    forward=rnn_run,
)
def db_overwritten(dh, cache):
    N, T, H = dh.shape
    x0, _, Wx, Wh, _ = cache[0]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev, dwx, dwh, db = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx += dwx
        dWh += dwh
        db += db
    return dx, dprev, dWx, dWh, db


@wrong(
    "rnn_backward",
    "the gates' gradients are a list over T, reshaped to (T * N, H); x is reshaped from (N, T, D): the rows do not match",
    "from memory",
    convention="ntd",
    forward=rnn_run,
)
def rows_mixed(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][2:4]
    x = np.stack([c[0] for c in cache], axis=1)
    prev_h = np.stack([c[1] for c in cache], axis=0)
    dz = np.zeros((T, N, H))
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dz[t] = (dh[:, t] + dprev) * (1 - cache[t][4] ** 2)
        dprev = dz[t].dot(Wh.T)
    flat = dz.reshape(-1, H)
    dWx = x.reshape(N * T, -1).T.dot(flat)
    dWh = prev_h.reshape(N * T, -1).T.dot(flat)
    dx = dz.dot(Wx.T).transpose(1, 0, 2)
    return dx, dprev, dWx, dWh, flat.sum(axis=0)


def rnn_run_buffer(x, h0, Wx, Wh, b):
    # one array for the state, written over at each step: saves memory
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    state = h0.copy()
    cache = []
    for t in range(T):
        prev_h = state.copy()
        state[:] = np.tanh(x[:, t].dot(Wx) + prev_h.dot(Wh) + b)
        h[:, t] = state
        cache.append((x[:, t], prev_h, Wx, Wh, state))
    return h, cache


@wrong(
    "rnn_backward",
    "every cache holds the same array `state`: at all steps next_h is the last state",
    "from memory",
    convention="ntd",
    forward=rnn_run_buffer,
)
def one_buffer_in_all_caches(dh, cache):
    N, T, H = dh.shape
    x0, _, Wx, Wh, _ = cache[0]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev, dwx, dwh, db_t = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx += dwx
        dWh += dwh
        db += db_t
    return dx, dprev, dWx, dWh, db


@wrong(
    "rnn_backward",
    "the carry begins as dh of the last step, which the loop adds once more",
    "from memory",
    convention="ntd",
    forward=rnn_run,
)
def last_dh_twice(dh, cache):
    N, T, H = dh.shape
    x0, _, Wx, Wh, _ = cache[0]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dprev = dh[:, -1]
    for t in reversed(range(T)):
        dx[:, t], dprev, dwx, dwh, db_t = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx += dwx
        dWh += dwh
        db += db_t
    return dx, dprev, dWx, dWh, db


# ------------------------------------------------------------------- LSTM


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f, o = sig(a[:, :H]), sig(a[:, H : 2 * H]), sig(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_run(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    cache = []
    prev_h, prev_c = h0, np.zeros_like(h0)
    for t in range(T):
        prev_h, prev_c, c = lstm_step(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h[:, t] = prev_h
        cache.append(c)
    return h, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tc = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    da = np.hstack(
        [
            dc * g * i * (1 - i),
            dc * prev_c * f * (1 - f),
            dnext_h * tc * o * (1 - o),
            dc * i * (1 - g**2),
        ]
    )
    return (
        da.dot(Wx.T),
        da.dot(Wh.T),
        dc * f,
        x.T.dot(da),
        prev_h.T.dot(da),
        da.sum(axis=0),
    )


@wrong(
    "lstm_cell_backward",
    "the gates' gradients are stacked i, f, g, o, the columns are i, f, o, g",
    "from memory",
    convention="ntd",
    forward=lstm_step,
)
def columns_ifgo(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tc = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    do = dnext_h * tc
    df = dc * prev_c
    di = dc * g
    dg = dc * i
    da = np.hstack(
        [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)]
    )
    return (
        da.dot(Wx.T),
        da.dot(Wh.T),
        dc * f,
        x.T.dot(da),
        prev_h.T.dot(da),
        da.sum(axis=0),
    )


@wrong(
    "lstm_cell_backward",
    "the way from next_h into next_c is left out for dprev_c, df and the rest: dc is dnext_c",
    "from memory",
    convention="ntd",
    forward=lstm_step,
)
def dc_is_dnext_c(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    do = dnext_h * np.tanh(next_c)
    dprev_c = dnext_c * f
    df = dnext_c * prev_c
    di = dnext_c * g
    dg = dnext_c * i
    da = np.hstack(
        [di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)]
    )
    return (
        da.dot(Wx.T),
        da.dot(Wh.T),
        dprev_c,
        x.T.dot(da),
        prev_h.T.dot(da),
        da.sum(axis=0),
    )


def lstm_step_keeps_scores(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    ai, af, ao, ag = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
    i, f, o, g = sig(ai), sig(af), sig(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, ai, af, ao, ag, next_c)


@wrong(
    "lstm_cell_backward",
    "the cache keeps the scores; sigmoid' is written ai * (1 - ai) with them, not with sigmoid(ai)",
    "from memory",
    convention="ntd",
    forward=lstm_step_keeps_scores,
)
def slopes_of_scores(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, ai, af, ao, ag, next_c = cache
    i, f, o, g = sig(ai), sig(af), sig(ao), np.tanh(ag)
    tc = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    dai = dc * g * ai * (1 - ai)
    daf = dc * prev_c * af * (1 - af)
    dao = dnext_h * tc * ao * (1 - ao)
    dag = dc * i * (1 - g**2)
    da = np.hstack([dai, daf, dao, dag])
    return (
        da.dot(Wx.T),
        da.dot(Wh.T),
        dc * f,
        x.T.dot(da),
        prev_h.T.dot(da),
        da.sum(axis=0),
    )


@right(
    "lstm_backward",
    "a list of caches, the step's backward called in a loop",
    convention="ntd",
    forward=lstm_run,
)
def lstm_all(dh, cache):
    N, T, H = dh.shape
    x0, Wx, Wh = cache[0][0], cache[0][3], cache[0][4]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dprev_c, dwx, dwh, db_t = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, cache[t]
        )
        dWx += dwx
        dWh += dwh
        db += db_t
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "lstm_backward",
    "dprev_c is added up over the steps: the gradient of c is carried and the old one is kept on top",
    "from memory",
    convention="ntd",
    forward=lstm_run,
)
def dc_kept_on_top(dh, cache):
    N, T, H = dh.shape
    x0, Wx, Wh = cache[0][0], cache[0][3], cache[0][4]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dc, dwx, dwh, db_t = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, cache[t]
        )
        dprev_c += dc
        dWx += dwx
        dWh += dwh
        db += db_t
    return dx, dprev_h, dWx, dWh, db


def lstm_run_new_c(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    cache = []
    prev_h, c = h0, np.zeros_like(h0)
    for t in range(T):
        a = x[:, t].dot(Wx) + prev_h.dot(Wh) + b
        i, f, o, g = (
            sig(a[:, :H]),
            sig(a[:, H : 2 * H]),
            sig(a[:, 2 * H : 3 * H]),
            np.tanh(a[:, 3 * H :]),
        )
        c = f * c + i * g
        cache.append((x[:, t], prev_h, c, Wx, Wh, i, f, o, g, c))
        h[:, t] = prev_h = o * np.tanh(c)
    return h, cache


@wrong(
    "lstm_backward",
    "the cache is filled after c was written over: what it keeps as the old c is the new one",
    "from memory",
    convention="ntd",
    forward=lstm_run_new_c,
)
def cache_too_late(dh, cache):
    N, T, H = dh.shape
    x0, Wx, Wh = cache[0][0], cache[0][3], cache[0][4]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dprev_c, dwx, dwh, db_t = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, cache[t]
        )
        dWx += dwx
        dWh += dwh
        db += db_t
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "lstm_backward",
    "two: do is taken with tanh(prev_c), and c's gradient goes on without f",
    "from memory",
    convention="ntd",
    forward=lstm_run,
)
def o_with_old_cell(dh, cache):
    N, T, H = dh.shape
    x0, Wx, Wh = cache[0][0], cache[0][3], cache[0][4]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dnext_h, dnext_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, prev_c, _, _, i, f, o, g, next_c = cache[t]
        dht = dh[:, t] + dnext_h
        dct = dnext_c + dht * o * (1 - np.tanh(next_c) ** 2)
        do = dht * np.tanh(prev_c)
        da = np.hstack(
            [
                dct * g * i * (1 - i),
                dct * prev_c * f * (1 - f),
                do * o * (1 - o),
                dct * i * (1 - g**2),
            ]
        )
        dx[:, t] = da.dot(Wx.T)
        dnext_h = da.dot(Wh.T)
        dnext_c = dct
        dWx += x.T.dot(da)
        dWh += prev_h.T.dot(da)
        db += da.sum(axis=0)
    return dx, dnext_h, dWx, dWh, db


@wrong(
    "lstm_backward",
    "dh is turned round in time, and the loop counts down all the same",
    "from memory",
    convention="ntd",
    forward=lstm_run,
)
def turned_round_twice(dh, cache):
    N, T, H = dh.shape
    x0, Wx, Wh = cache[0][0], cache[0][3], cache[0][4]
    dh = dh[:, ::-1]
    dx = np.zeros((N, T, x0.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        dx[:, t], dprev_h, dprev_c, dwx, dwh, db_t = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, cache[t]
        )
        dWx += dwx
        dWh += dwh
        db += db_t
    return dx, dprev_h, dWx, dWh, db
