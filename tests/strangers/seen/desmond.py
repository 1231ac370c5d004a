"""
desmond's notebook, exported. RNN / LSTM / GRU by hand, after min-char-rnn.
hs, xs = dicts by time.  dhraw = gradient before the tanh.  dhnext = comes from step t+1.
"""

import numpy as np
from strangers.made import right, wrong


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z):
    e = np.exp(z - np.max(z, axis=0))
    return e / np.sum(e, axis=0)


def unroll(steps):
    # caches of the exercise -> dicts by time, hs[-1] is the start
    xs, hs = {}, {}
    hs[-1] = steps[0][1]
    for t in range(len(steps)):
        hs[t] = steps[t][0]
        xs[t] = steps[t][2]
    return xs, hs, steps[0][3]


# ---------------------------------------------------------------- vanilla RNN


@wrong(
    "rnn_backward",
    "dhnext is set to zero inside the loop, so nothing is carried",
    "from memory",
)
def dhnext_in_the_loop(da, caches):
    steps, x = caches
    xs, hs, P = unroll(steps)
    Wxh, Whh = P["Wax"], P["Waa"]
    dWxh, dWhh, dbh = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(P["ba"])
    dx = np.zeros_like(x)
    for t in reversed(range(len(steps))):
        dhnext = np.zeros_like(hs[0])
        dh = da[:, :, t] + dhnext  # backprop into h
        dhraw = (1 - hs[t] * hs[t]) * dh  # backprop through tanh nonlinearity
        dbh += np.sum(dhraw, axis=1, keepdims=True)
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dx[:, :, t] = np.dot(Wxh.T, dhraw)
        dhnext = np.dot(Whh.T, dhraw)
    return {"dx": dx, "da0": dhnext, "dWax": dWxh, "dWaa": dWhh, "dba": dbh}


@wrong(
    "rnn_backward",
    "the clipping to [-5, 5] of the training script was left in",
    "from memory",
)
def clip_left_in(da, caches):
    steps, x = caches
    xs, hs, P = unroll(steps)
    Wxh, Whh, bh = P["Wax"], P["Waa"], P["ba"]
    dWxh, dWhh, dbh = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(bh)
    dhnext = np.zeros_like(hs[0])
    dx = np.zeros_like(x)
    for t in reversed(range(x.shape[2])):
        dh = da[:, :, t] + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw.sum(1).reshape(-1, 1)
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dx[:, :, t] = np.dot(Wxh.T, dhraw)
        dhnext = np.dot(Whh.T, dhraw)
    for dparam in [dWxh, dWhh, dbh]:
        np.clip(dparam, -5, 5, out=dparam)  # clip to mitigate exploding gradients
    return {"dx": dx, "da0": dhnext, "dWax": dWxh, "dWaa": dWhh, "dba": dbh}


@wrong(
    "rnn_backward", "dhnext is np.dot(Whh, dhraw), without the transpose", "from memory"
)
def whh_not_transposed(da, caches):
    (steps, x) = caches
    T = len(steps)
    Wxh = steps[0][3]["Wax"]
    Whh = steps[0][3]["Waa"]
    gradients = {
        "dx": np.zeros(x.shape),
        "dWax": np.zeros(Wxh.shape),
        "dWaa": np.zeros(Whh.shape),
        "dba": np.zeros((Whh.shape[0], 1)),
    }
    dhnext = np.zeros(steps[0][1].shape)
    t = T - 1
    while t >= 0:
        h, hprev, xt, _ = steps[t]
        dh = da[:, :, t] + dhnext
        dhraw = dh - dh * h * h
        gradients["dx"][:, :, t] = np.dot(Wxh.T, dhraw)
        gradients["dWax"] += np.dot(dhraw, xt.T)
        gradients["dWaa"] += np.dot(dhraw, hprev.T)
        gradients["dba"] += np.sum(dhraw, axis=1, keepdims=True)
        dhnext = np.dot(Whh, dhraw)
        t -= 1
    gradients["da0"] = dhnext
    return gradients


@wrong(
    "rnn_cell_backward",
    "dba lacks keepdims: its shape is (n_a,)",
    "from memory",
    words="dba&shape",
)
def flat_bias(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    dtanh = (1 - a_next * a_next) * da_next
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)
    da_prev = np.dot(Waa.T, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)
    dba = np.sum(dtanh, axis=1)
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "two: da0 is dh of step 0, not dhnext after it; dba sums dh and not dhraw",
    "from memory",
    tags="double",
)
def stops_at_dh(da, caches):
    steps, x = caches
    xs, hs, P = unroll(steps)
    Wxh, Whh = P["Wax"], P["Waa"]
    dWxh, dWhh = np.zeros_like(Wxh), np.zeros_like(Whh)
    dbh = np.zeros_like(P["ba"])
    dxs = []
    dhnext = 0
    for t in range(len(steps))[::-1]:
        dh = da[:, :, t] + dhnext
        dhraw = (1 - hs[t] ** 2) * dh
        dWxh = dWxh + np.dot(dhraw, xs[t].T)
        dWhh = dWhh + np.dot(dhraw, hs[t - 1].T)
        dbh = dbh + np.sum(dh, axis=1, keepdims=True)
        dxs.append(np.dot(Wxh.T, dhraw))
        dhnext = np.dot(Whh.T, dhraw)
    dxs.reverse()
    dx = np.zeros_like(x)
    for t, dxt in enumerate(dxs):
        dx[:, :, t] = dxt
    return {"dx": dx, "da0": dh, "dWax": dWxh, "dWaa": dWhh, "dba": dbh}


def my_rnn_cell(xt, a_prev, parameters):
    h = np.tanh(
        np.dot(parameters["Wax"], xt)
        + np.dot(parameters["Waa"], a_prev)
        + parameters["ba"]
    )
    p = softmax(np.dot(parameters["Wya"], h) + parameters["by"])
    return h, p, (h, a_prev, xt, parameters)


@wrong(
    "rnn_forward", "every step starts from a0: a_next is never fed back", "from memory"
)
def always_from_a0(x, a0, parameters):
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    a_next = a0
    for t in range(T_x):
        a_next, yt_pred, cache = my_rnn_cell(x[:, :, t], a0, parameters)
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt_pred
        caches.append(cache)
    return a, y_pred, (caches, x)


# the same with batch first (N, T, D)


def rnn_fwd_list(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    xs, hs = [], []
    hprev = h0
    for t in range(T):
        xt = x[:, t, :]
        hprev = np.tanh(np.dot(xt, Wx) + np.dot(hprev, Wh) + b)
        xs.append(xt)
        hs.append(hprev)
    h = np.zeros((N, T, h0.shape[1]))
    for t in range(T):
        h[:, t, :] = hs[t]
    return h, (xs, hs, h0, Wx, Wh)


def rnn_fwd_dict(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, Wh.shape[0]))
    xs, hs = {}, {-1: np.copy(h0)}
    for t in range(T):
        xs[t] = x[:, t]
        hs[t] = np.tanh(np.dot(xs[t], Wx) + np.dot(hs[t - 1], Wh) + b)
        h[:, t] = hs[t]
    return h, {"xs": xs, "hs": hs, "Wx": Wx, "Wh": Wh}


@wrong(
    "rnn_backward",
    "hs is a list: hs[t-1] at t = 0 is the last state and not h0",
    "from memory",
    convention="ntd",
    forward=rnn_fwd_list,
)
def minus_one_of_a_list(dh, cache):
    xs, hs, h0, Wx, Wh = cache
    N, T, H = dh.shape
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dhnext = np.zeros_like(h0)
    for t in reversed(range(T)):
        dht = dh[:, t, :] + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dht
        db += np.sum(dhraw, axis=0)
        dWx += np.dot(xs[t].T, dhraw)
        dWh += np.dot(hs[t - 1].T, dhraw)
        dx[:, t, :] = np.dot(dhraw, Wx.T)
        dhnext = np.dot(dhraw, Wh.T)
    return dx, dhnext, dWx, dWh, db


@wrong(
    "rnn_backward",
    "range(T-1, 0, -1) never reaches step 0",
    "from memory",
    convention="ntd",
    forward=rnn_fwd_dict,
)
def range_stops_early(dh, cache):
    xs, hs = cache["xs"], cache["hs"]
    Wx, Wh = cache["Wx"], cache["Wh"]
    N, T, H = dh.shape
    D = Wx.shape[0]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, H))
    dWh = np.zeros((H, H))
    db = np.zeros((H,))
    dhnext = np.zeros((N, H))
    for t in range(T - 1, 0, -1):
        dhraw = (dh[:, t] + dhnext) * (1 - hs[t] ** 2)
        dx[:, t] = dhraw.dot(Wx.T)
        dhnext = dhraw.dot(Wh.T)
        dWx += xs[t].T.dot(dhraw)
        dWh += hs[t - 1].T.dot(dhraw)
        for n in range(N):
            db += dhraw[n]
    dh0 = dhnext
    return dx, dh0, dWx, dWh, db


@right(
    "rnn_backward",
    "dicts by time, and a loop over the examples inside",
    convention="ntd",
    forward=rnn_fwd_dict,
)
def one_example_at_a_time(dh, cache):
    xs, hs, Wx, Wh = cache["xs"], cache["hs"], cache["Wx"], cache["Wh"]
    N, T, H = dh.shape
    dx = np.zeros((N, T, len(Wx)))
    dh0 = np.zeros((N, H))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    for n in range(N):
        dhnext = np.zeros(H)
        for t in reversed(range(T)):
            dhraw = np.zeros(H)
            for j in range(H):
                dhraw[j] = (1 - hs[t][n, j] ** 2) * (dh[n, t, j] + dhnext[j])
            db += dhraw
            dWx += np.outer(xs[t][n], dhraw)
            dWh += np.outer(hs[t - 1][n], dhraw)
            dx[n, t] = np.dot(Wx, dhraw)
            dhnext = np.dot(Wh, dhraw)
        dh0[n] = dhnext
    return dx, dh0, dWx, dWh, db


# ---------------------------------------------------------------- LSTM


def lstm_step_back(dh, dcnext, cache):
    h, c, hprev, cprev, f, i, g, o, xt, P = cache
    n_a = h.shape[0]
    tc = np.tanh(c)
    dc = dcnext + dh * o * (1 - tc * tc)
    doraw = dh * tc * o * (1 - o)
    dfraw = dc * cprev * f * (1 - f)
    diraw = dc * g * i * (1 - i)
    dgraw = dc * i * (1 - g * g)
    z = np.concatenate((hprev, xt), axis=0)
    dz = np.dot(P["Wf"].T, dfraw)
    dz += np.dot(P["Wi"].T, diraw)
    dz += np.dot(P["Wc"].T, dgraw)
    dz += np.dot(P["Wo"].T, doraw)
    grads = {"dxt": dz[n_a:, :], "da_prev": dz[:n_a, :], "dc_prev": dc * f}
    for k, draw in (("f", dfraw), ("i", diraw), ("c", dgraw), ("o", doraw)):
        grads["dW" + k] = np.dot(draw, z.T)
        grads["db" + k] = np.sum(draw, axis=1, keepdims=True)
    return grads


@wrong(
    "lstm_backward",
    "dc_prevt is never updated: every step gets zeros for dc_next",
    "from memory",
)
def dc_stays_zero(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    dx = np.zeros(x.shape)
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    names = ["dWf", "dWi", "dWc", "dWo", "dbf", "dbi", "dbc", "dbo"]
    sums = {}
    for name in names:
        sums[name] = 0
    for t in reversed(range(T_x)):
        gradients = lstm_step_back(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dx[:, :, t] = gradients["dxt"]
        for name in names:
            sums[name] = sums[name] + gradients[name]
    sums["dx"] = dx
    sums["da0"] = da_prevt
    return sums


@wrong(
    "lstm_backward",
    "dWo is assigned and not summed: it is that of step 0",
    "from memory",
)
def one_plus_forgotten(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    P = steps[0][9]
    Wf, Wi, Wc, Wo = P["Wf"], P["Wi"], P["Wc"], P["Wo"]
    dWf, dWi, dWc, dWo = (
        np.zeros_like(Wf),
        np.zeros_like(Wi),
        np.zeros_like(Wc),
        np.zeros_like(Wo),
    )
    dbf, dbi, dbc, dbo = (
        np.zeros((n_a, 1)),
        np.zeros((n_a, 1)),
        np.zeros((n_a, 1)),
        np.zeros((n_a, 1)),
    )
    dx = np.zeros_like(x)
    dhnext, dcnext = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in reversed(range(T)):
        h, c, hprev, cprev, f, i, g, o, xt, _ = steps[t]
        z = np.vstack((hprev, xt))

        dh = da[:, :, t] + dhnext
        do = dh * np.tanh(c)
        do = o * (1 - o) * do
        dWo = np.dot(do, z.T)
        dbo += np.sum(do, axis=1, keepdims=True)

        dc = np.copy(dcnext)
        dc += dh * o * (1 - np.tanh(c) ** 2)
        dg = dc * i
        dg = (1 - g * g) * dg
        dWc += np.dot(dg, z.T)
        dbc += np.sum(dg, axis=1, keepdims=True)

        di = dc * g
        di = i * (1 - i) * di
        dWi += np.dot(di, z.T)
        dbi += np.sum(di, axis=1, keepdims=True)

        df = dc * cprev
        df = f * (1 - f) * df
        dWf += np.dot(df, z.T)
        dbf += np.sum(df, axis=1, keepdims=True)

        dz = np.dot(Wf.T, df) + np.dot(Wi.T, di) + np.dot(Wc.T, dg) + np.dot(Wo.T, do)
        dhnext = dz[:n_a, :]
        dx[:, :, t] = dz[n_a:, :]
        dcnext = f * dc
    return {
        "dx": dx,
        "da0": dhnext,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


@wrong(
    "lstm_cell_backward",
    "in the part of di that comes from da_next stands it instead of cct",
    "from memory",
)
def formula_copied_twice(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a, m = a_next.shape
    tc = np.tanh(c_next)
    # formulas (7) to (10)
    dot = da_next * tc * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.square(tc)) * it * da_next) * (
        1 - np.square(cct)
    )
    dit = (dc_next * cct + ot * (1 - np.square(tc)) * it * da_next) * it * (1 - it)
    dft = (
        (dc_next * c_prev + ot * (1 - np.square(tc)) * c_prev * da_next) * ft * (1 - ft)
    )
    concat = np.concatenate((a_prev, xt), axis=0)
    dWf = np.dot(dft, concat.T)
    dWi = np.dot(dit, concat.T)
    dWc = np.dot(dcct, concat.T)
    dWo = np.dot(dot, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)
    Wf, Wi, Wc, Wo = (
        parameters["Wf"],
        parameters["Wi"],
        parameters["Wc"],
        parameters["Wo"],
    )
    da_prev = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wc[:, :n_a].T, dcct)
        + np.dot(Wo[:, :n_a].T, dot)
    )
    dc_prev = dc_next * ft + ot * (1 - np.square(tc)) * ft * da_next
    dxt = (
        np.dot(Wf[:, n_a:].T, dft)
        + np.dot(Wi[:, n_a:].T, dit)
        + np.dot(Wc[:, n_a:].T, dcct)
        + np.dot(Wo[:, n_a:].T, dot)
    )
    return {
        "dxt": dxt,
        "da_prev": da_prev,
        "dc_prev": dc_prev,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


def lstm_fwd_loop(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    hprev, cprev = h0, np.zeros((N, H))
    memo = []
    for t in range(T):
        act = np.dot(x[:, t], Wx) + np.dot(hprev, Wh) + b
        i = sigmoid(act[:, 0:H])
        f = sigmoid(act[:, H : 2 * H])
        o = sigmoid(act[:, 2 * H : 3 * H])
        g = np.tanh(act[:, 3 * H : 4 * H])
        c = f * cprev + i * g
        hh = o * np.tanh(c)
        memo.append((x[:, t], hprev, cprev, i, f, o, g, c))
        hprev, cprev = hh, c
        h[:, t] = hh
    return h, (memo, Wx, Wh)


@wrong(
    "lstm_backward",
    "dact is put together in the order i, f, g, o; the columns are i, f, o, g",
    "from memory",
    convention="ntd",
    forward=lstm_fwd_loop,
)
def columns_of_another_post(dh, cache):
    memo, Wx, Wh = cache
    N, T, H = dh.shape
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dhnext = np.zeros((N, H))
    dcnext = np.zeros((N, H))
    for t in reversed(range(T)):
        xt, hprev, cprev, i, f, o, g, c = memo[t]
        dht = dh[:, t] + dhnext
        tc = np.tanh(c)
        dc = dcnext + dht * o * (1 - tc * tc)
        do = dht * tc
        di = dc * g
        df = dc * cprev
        dg = dc * i
        dcnext = dc * f
        dact = np.zeros((N, 4 * H))
        dact[:, 0:H] = di * i * (1 - i)
        dact[:, H : 2 * H] = df * f * (1 - f)
        dact[:, 2 * H : 3 * H] = dg * (1 - g * g)
        dact[:, 3 * H : 4 * H] = do * o * (1 - o)
        dx[:, t] = np.dot(dact, Wx.T)
        dhnext = np.dot(dact, Wh.T)
        dWx += np.dot(xt.T, dact)
        dWh += np.dot(hprev.T, dact)
        db += np.sum(dact, axis=0)
    return dx, dhnext, dWx, dWh, db


@wrong(
    "lstm_cell_backward",
    "two: do lacks the sigmoid's derivative; da_prev lacks the output gate",
    "from memory",
    tags="double",
)
def output_gate_neglected(da_next, dc_next, cache):
    h, c, hprev, cprev, f, i, g, o, xt, P = cache
    n_a = hprev.shape[0]
    tc = np.tanh(c)
    do = da_next * tc
    dc = dc_next + da_next * o * (1 - tc**2)
    df = dc * cprev * f * (1 - f)
    di = dc * g * i * (1 - i)
    dg = dc * i * (1 - g**2)
    Wfh, Wfx = P["Wf"][:, :n_a], P["Wf"][:, n_a:]
    Wih, Wix = P["Wi"][:, :n_a], P["Wi"][:, n_a:]
    Wch, Wcx = P["Wc"][:, :n_a], P["Wc"][:, n_a:]
    Wox = P["Wo"][:, n_a:]
    dhprev = np.dot(Wfh.T, df)
    dhprev += np.dot(Wih.T, di)
    dhprev += np.dot(Wch.T, dg)
    dxt = np.dot(Wfx.T, df)
    dxt += np.dot(Wix.T, di)
    dxt += np.dot(Wcx.T, dg)
    dxt += np.dot(Wox.T, do)
    grads = {"dxt": dxt, "da_prev": dhprev, "dc_prev": f * dc}
    for name, d in zip(["f", "i", "c", "o"], [df, di, dg, do]):
        grads["dW" + name] = np.hstack((np.dot(d, hprev.T), np.dot(d, xt.T)))
        grads["db" + name] = d.sum(axis=1).reshape(n_a, 1)
    return grads


@wrong(
    "lstm_cell_forward",
    "x stands above h in z, but the weights act on [a_prev; xt]",
    "from memory",
)
def x_on_top(xt, a_prev, c_prev, parameters):
    n_x, m = xt.shape
    n_y, n_a = parameters["Wy"].shape
    z = np.zeros((n_x + n_a, m))
    z[:n_x, :] = xt
    z[n_x:, :] = a_prev
    ft = sigmoid(np.dot(parameters["Wf"], z) + parameters["bf"])
    it = sigmoid(np.dot(parameters["Wi"], z) + parameters["bi"])
    cct = np.tanh(np.dot(parameters["Wc"], z) + parameters["bc"])
    c_next = ft * c_prev + it * cct
    ot = sigmoid(np.dot(parameters["Wo"], z) + parameters["bo"])
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


@wrong(
    "lstm_backward",
    "dWf = dWi = dWc = dWo = np.zeros: one array for four sums",
    "from memory",
    tags="view",
)
def four_names_one_array(da, caches):
    steps, x = caches
    n_x, m, T = x.shape
    n_a = da.shape[0]
    dWf = dWi = dWc = dWo = np.zeros((n_a, n_a + n_x))
    dbf, dbi, dbc, dbo = [np.zeros((n_a, 1)) for _ in range(4)]
    dx = np.zeros((n_x, m, T))
    dhnext = np.zeros((n_a, m))
    dcnext = np.zeros((n_a, m))
    for t in reversed(range(T)):
        g = lstm_step_back(da[:, :, t] + dhnext, dcnext, steps[t])
        dx[:, :, t] = g["dxt"]
        dhnext, dcnext = g["da_prev"], g["dc_prev"]
        dWf += g["dWf"]
        dWi += g["dWi"]
        dWc += g["dWc"]
        dWo += g["dWo"]
        dbf += g["dbf"]
        dbi += g["dbi"]
        dbc += g["dbc"]
        dbo += g["dbo"]
    return {
        "dx": dx,
        "da0": dhnext,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


@right(
    "lstm_cell_backward", "column by column: one example after the other, with np.outer"
)
def column_by_column(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P = cache
    n_a, m = a_next.shape
    grads = {
        "dxt": np.zeros_like(xt),
        "da_prev": np.zeros_like(a_prev),
        "dc_prev": np.zeros_like(c_prev),
    }
    for k in "fico":
        grads["dW" + k] = np.zeros_like(P["W" + k])
        grads["db" + k] = np.zeros_like(P["b" + k])
    for j in range(m):
        f, i, g, o = ft[:, j], it[:, j], cct[:, j], ot[:, j]
        tc = np.tanh(c_next[:, j])
        dh = da_next[:, j]
        dc = dc_next[:, j] + dh * o * (1 - tc * tc)
        draw = {}
        draw["o"] = dh * tc * o * (1 - o)
        draw["f"] = dc * c_prev[:, j] * f * (1 - f)
        draw["i"] = dc * g * i * (1 - i)
        draw["c"] = dc * i * (1 - g * g)
        z = np.append(a_prev[:, j], xt[:, j])
        dz = np.zeros(len(z))
        for k in "fico":
            grads["dW" + k] += np.outer(draw[k], z)
            grads["db" + k][:, 0] += draw[k]
            dz += np.dot(draw[k], P["W" + k])
        grads["da_prev"][:, j] = dz[:n_a]
        grads["dxt"][:, j] = dz[n_a:]
        grads["dc_prev"][:, j] = dc * f
    return grads


# ---------------------------------------------------------------- GRU


def gru_fwd_step(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    Wxr, Wxz, Wxn = Wx[:, :H], Wx[:, H : 2 * H], Wx[:, 2 * H :]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    r = sigmoid(np.dot(x, Wxr) + np.dot(prev_h, Whr) + b[:H])
    z = sigmoid(np.dot(x, Wxz) + np.dot(prev_h, Whz) + b[H : 2 * H])
    n = np.tanh(np.dot(x, Wxn) + np.dot(r * prev_h, Whn) + b[2 * H :])
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, r, z, n, Wx, Wh)


def gru_fwd(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    hs = np.zeros((N, T, h0.shape[1]))
    caches = {}
    hprev = h0
    for t in range(T):
        hprev, caches[t] = gru_fwd_step(x[:, t], hprev, Wx, Wh, b)
        hs[:, t] = hprev
    return hs, caches


@wrong(
    "gru_backward",
    "dhnext has the three gates but not the direct way z * dh",
    "from memory",
    convention="ntd",
    forward=gru_fwd,
)
def direct_way_forgotten(dh, caches):
    N, T, H = dh.shape
    Wx, Wh = caches[0][5], caches[0][6]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    dhnext = np.zeros((N, H))
    for t in reversed(range(T)):
        xt, hprev, r, z, n, _, _ = caches[t]
        dht = dh[:, t] + dhnext
        dz = dht * (hprev - n)
        dn = dht * (1 - z)
        dnraw = dn * (1 - n * n)
        drh = np.dot(dnraw, Whn.T)
        dr = drh * hprev
        drraw = dr * r * (1 - r)
        dzraw = dz * z * (1 - z)
        dhnext = drh * r
        dhnext += np.dot(drraw, Whr.T)
        dhnext += np.dot(dzraw, Whz.T)
        draw = np.hstack((drraw, dzraw, dnraw))
        dx[:, t] = np.dot(draw, Wx.T)
        dWx += np.dot(xt.T, draw)
        dWh[:, :H] += np.dot(hprev.T, drraw)
        dWh[:, H : 2 * H] += np.dot(hprev.T, dzraw)
        dWh[:, 2 * H :] += np.dot((r * hprev).T, dnraw)
        db += np.sum(draw, axis=0)
    return dx, dhnext, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "derived for h = z n + (1 - z) h_prev: z and 1 - z change places",
    "from memory",
    convention="ntd",
    forward=gru_fwd_step,
)
def update_gate_of_the_lecture(dnext_h, cache):
    x, prev_h, r, z, n, Wx, Wh = cache
    H = prev_h.shape[1]
    # h = z * n + (1 - z) * hprev
    dn = dnext_h * z
    dz = dnext_h * (n - prev_h)
    dprev_h = dnext_h * (1 - z)
    dnraw = (1 - n**2) * dn
    dzraw = z * (1 - z) * dz
    drh = np.dot(dnraw, Wh[:, 2 * H :].T)
    drraw = r * (1 - r) * drh * prev_h
    dprev_h = dprev_h + r * drh
    dprev_h = dprev_h + np.dot(dzraw, Wh[:, H : 2 * H].T)
    dprev_h = dprev_h + np.dot(drraw, Wh[:, :H].T)
    dx = (
        np.dot(drraw, Wx[:, :H].T)
        + np.dot(dzraw, Wx[:, H : 2 * H].T)
        + np.dot(dnraw, Wx[:, 2 * H :].T)
    )
    dWx = np.concatenate(
        (np.dot(x.T, drraw), np.dot(x.T, dzraw), np.dot(x.T, dnraw)), axis=1
    )
    dWh = np.concatenate(
        (
            np.dot(prev_h.T, drraw),
            np.dot(prev_h.T, dzraw),
            np.dot((r * prev_h).T, dnraw),
        ),
        axis=1,
    )
    db = np.concatenate((drraw.sum(0), dzraw.sum(0), dnraw.sum(0)))
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_backward",
    "two: dr has the new h in place of h_prev; dx lacks the update gate",
    "from memory",
    convention="ntd",
    forward=gru_fwd,
    tags="double",
)
def new_h_and_no_z_in_dx(dh, caches):
    N, T, H = dh.shape
    D = caches[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, 3 * H))
    dWh = np.zeros((H, 3 * H))
    db = np.zeros(3 * H)
    R, Z, C = slice(0, H), slice(H, 2 * H), slice(2 * H, 3 * H)
    dhnext = 0.0
    for t in range(T - 1, -1, -1):
        xt, hprev, r, z, n, Wx, Wh = caches[t]
        h = (1 - z) * n + z * hprev
        d = dh[:, t] + dhnext
        dc = d * (1 - z) * (1 - n * n)
        du = d * (hprev - n) * z * (1 - z)
        dhr = np.dot(dc, Wh[:, C].T)
        dr = dhr * h * r * (1 - r)
        dx[:, t] = np.dot(dc, Wx[:, C].T) + np.dot(dr, Wx[:, R].T)
        dhnext = d * z + dhr * r + np.dot(du, Wh[:, Z].T) + np.dot(dr, Wh[:, R].T)
        for cols, draw, left in ((R, dr, hprev), (Z, du, hprev), (C, dc, r * hprev)):
            dWx[:, cols] += np.dot(xt.T, draw)
            dWh[:, cols] += np.dot(left.T, draw)
            db[cols] += np.sum(draw, axis=0)
    return dx, dhnext, dWx, dWh, db


# ---------------------------------------------------------------- the output layer


@wrong(
    "readout_backward",
    "p - 1 is multiplied by p (1 - p) once more, as a sigmoid's derivative",
    "from memory",
)
def through_the_softmax_twice(y_pred, labels, a, parameters):
    Why = parameters["Wya"]
    n_y, m, T = y_pred.shape
    dWhy, dby = np.zeros_like(Why), np.zeros_like(parameters["by"])
    da = np.zeros_like(a)
    for t in range(T):
        ps = y_pred[:, :, t]
        dy = np.copy(ps)
        for j in range(m):
            dy[labels[j, t], j] -= 1  # backprop into y
        dy = dy * ps * (1 - ps)
        dy /= m * T
        dWhy += np.dot(dy, a[:, :, t].T)
        dby += np.sum(dy, axis=1, keepdims=True)
        da[:, :, t] = np.dot(Why.T, dy)
    return {"da": da, "dWya": dWhy, "dby": dby}


@right("readout_backward", "minus log p, column after column, the weights row by row")
def target_by_target(y_pred, labels, a, parameters):
    Why, by = parameters["Wya"], parameters["by"]
    n_y, m, T = y_pred.shape
    dWhy, dby, da = np.zeros(Why.shape), np.zeros(by.shape), np.zeros(a.shape)
    count = float(m * T)
    for t in range(T):
        for j in range(m):
            h = a[:, j, t]
            target = labels[j, t]
            for k in range(n_y):
                dyk = y_pred[k, j, t]
                if k == target:
                    dyk = dyk - 1
                dyk = dyk / count
                dWhy[k] += dyk * h
                dby[k, 0] += dyk
                da[:, j, t] += dyk * Why[k]
    return {"da": da, "dWya": dWhy, "dby": dby}
