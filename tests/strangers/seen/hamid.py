# rnn stuff, week 1. quick and dirty, clean up later
import numpy as np
from strangers.made import right, wrong


def sig(v):
    return 1 / (1 + np.exp(-v))


def softmax(v):
    e = np.exp(v - v.max(axis=0))
    e /= e.sum(axis=0)
    return e


# my own layout (N,T,D) versions, forward


def rnn_fwd1(x, prev_h, Wx, Wh, b):
    h = x.dot(Wx)
    h += prev_h.dot(Wh)
    h += b
    np.tanh(h, out=h)
    return h, [x, prev_h, h, Wx, Wh]


def rnn_fwd(x, h0, Wx, Wh, b):
    h = x.dot(Wx)
    h += b
    p = h0
    for t in range(x.shape[1]):
        h[:, t] += p.dot(Wh)
        np.tanh(h[:, t], out=h[:, t])
        p = h[:, t]
    return h, [x, h0, h, Wx, Wh]


def lstm_fwd1(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    s = x.dot(Wx)
    s += prev_h.dot(Wh)
    s += b
    i = sig(s[:, :H])
    f = sig(s[:, H : 2 * H])
    o = sig(s[:, 2 * H : 3 * H])
    g = np.tanh(s[:, 3 * H :])
    c = f * prev_c
    c += i * g
    return o * np.tanh(c), c, [x, prev_h, prev_c, i, f, o, g, c, Wx, Wh]


def lstm_fwd(x, h0, Wx, Wh, b):
    h, c, out, L = h0, np.zeros(h0.shape), [], []
    for t in range(x.shape[1]):
        h, c, k = lstm_fwd1(x[:, t], h, c, Wx, Wh, b)
        out += [h]
        L += [k]
    return np.array(out).swapaxes(0, 1), L


def gru_fwd1(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    r = sig(x.dot(Wx[:, :H]) + prev_h.dot(Wh[:, :H]) + b[:H])
    z = sig(x.dot(Wx[:, H : 2 * H]) + prev_h.dot(Wh[:, H : 2 * H]) + b[H : 2 * H])
    n = np.tanh(x.dot(Wx[:, 2 * H :]) + (r * prev_h).dot(Wh[:, 2 * H :]) + b[2 * H :])
    h = n - z * n
    h += z * prev_h
    return h, [x, prev_h, r, z, n, Wx, Wh]


def gru_fwd(x, h0, Wx, Wh, b):
    h, out, L = h0, [], []
    for t in range(x.shape[1]):
        h, k = gru_fwd1(x[:, t], h, Wx, Wh, b)
        out += [h]
        L += [k]
    return np.array(out).swapaxes(0, 1), L


# ---- these work


@right("rnn_backward", "all in place, buffers with out=")
def rnn_out_everywhere(da, caches):
    L, x = caches
    n, m, T = da.shape
    p = L[0][3]
    g = {"dx": np.zeros(x.shape), "da0": np.zeros((n, m))}
    g["dWax"] = np.zeros(p["Wax"].shape)
    g["dWaa"] = np.zeros(p["Waa"].shape)
    g["dba"] = np.zeros(p["ba"].shape)
    d = g["da0"]
    buf = np.empty((n, m))
    for t in range(T - 1, -1, -1):
        a1, a0, xt, p = L[t]
        d += da[:, :, t]
        np.multiply(a1, a1, out=buf)
        np.subtract(1, buf, out=buf)
        buf *= d
        g["dWax"] += buf.dot(xt.T)
        g["dWaa"] += buf.dot(a0.T)
        g["dba"] += buf.sum(axis=1, keepdims=True)
        g["dx"][:, :, t] = p["Wax"].T.dot(buf)
        np.dot(p["Waa"].T, buf, out=d)
    return g


@right("lstm_cell_backward", "a line for each gate, copied four times")
def lstm_four_times(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, xt, p = cache
    n = a0.shape[0]
    con = np.vstack((a0, xt))
    tmp = np.tanh(c1)
    do = da_next * tmp
    do *= o
    do *= 1 - o
    tmp *= tmp
    dc = da_next * o
    dc *= 1 - tmp
    dc += dc_next
    df = dc * c0
    df *= f
    df *= 1 - f
    di = dc * g
    di *= i
    di *= 1 - i
    dg = dc * i
    dg *= 1 - g * g
    dc *= f
    dcon = p["Wf"].T.dot(df)
    dcon += p["Wi"].T.dot(di)
    dcon += p["Wc"].T.dot(dg)
    dcon += p["Wo"].T.dot(do)
    r = {"dxt": dcon[n:], "da_prev": dcon[:n], "dc_prev": dc}
    r["dWf"] = df.dot(con.T)
    r["dbf"] = df.sum(axis=1, keepdims=True)
    r["dWi"] = di.dot(con.T)
    r["dbi"] = di.sum(axis=1, keepdims=True)
    r["dWc"] = dg.dot(con.T)
    r["dbc"] = dg.sum(axis=1, keepdims=True)
    r["dWo"] = do.dot(con.T)
    r["dbo"] = do.sum(axis=1, keepdims=True)
    return r


@right("readout_backward", "step by step, -= 1 at the labels of a copy")
def readout_steps(y_pred, labels, a, parameters):
    m, T = labels.shape
    da = np.zeros(a.shape)
    dW = np.zeros(parameters["Wya"].shape)
    db = np.zeros(parameters["by"].shape)
    for t in range(T):
        d = y_pred[:, :, t].copy()
        d[labels[:, t], range(m)] -= 1
        d /= m * T
        da[:, :, t] += parameters["Wya"].T.dot(d)
        dW += d.dot(a[:, :, t].T)
        db += d.sum(axis=1, keepdims=True)
    return {"da": da, "dWya": dW, "dby": db}


# ---- lstm


@wrong(
    "lstm_cell_forward",
    "line of f copied for i, the bias is still bf",
    "from memory",
)
def bf_twice(xt, a_prev, c_prev, parameters):
    p = parameters
    con = np.vstack((a_prev, xt))
    f = p["Wf"].dot(con)
    f += p["bf"]
    f = sig(f)
    i = p["Wi"].dot(con)
    i += p["bf"]
    i = sig(i)
    g = p["Wc"].dot(con)
    g += p["bc"]
    np.tanh(g, out=g)
    o = p["Wo"].dot(con)
    o += p["bo"]
    o = sig(o)
    c = f * c_prev
    c += i * g
    a = np.tanh(c)
    a *= o
    y = softmax(p["Wy"].dot(a) + p["by"])
    return a, c, y, (a, c, a_prev, c_prev, f, i, g, o, xt, p)


@wrong(
    "lstm_cell_backward",
    "dc_next += adds into the caller's array, the numbers returned are right",
    "from memory",
    words="in place|chang|overwr|modif",
    tags="view",
)
def adds_into_dc_next(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, xt, p = cache
    n = a0.shape[0]
    tc = np.tanh(c1)
    dc_next += da_next * o * (1 - tc * tc)
    df = dc_next * c0 * f * (1 - f)
    di = dc_next * g * i * (1 - i)
    dg = dc_next * i * (1 - g * g)
    do = da_next * tc * o * (1 - o)
    con = np.vstack((a0, xt))
    r = {}
    r["dWf"], r["dbf"] = df.dot(con.T), df.sum(axis=1, keepdims=True)
    r["dWi"], r["dbi"] = di.dot(con.T), di.sum(axis=1, keepdims=True)
    r["dWc"], r["dbc"] = dg.dot(con.T), dg.sum(axis=1, keepdims=True)
    r["dWo"], r["dbo"] = do.dot(con.T), do.sum(axis=1, keepdims=True)
    d = p["Wf"].T.dot(df)
    d += p["Wi"].T.dot(di)
    d += p["Wc"].T.dot(dg)
    d += p["Wo"].T.dot(do)
    r["da_prev"], r["dxt"] = d[:n], d[n:]
    r["dc_prev"] = dc_next * f
    return r


@wrong(
    "lstm_backward",
    "tmp holds 1 - tanh(c)^2 already when do needs tanh(c); and dbi is the line of dbf, copied",
    "from memory",
    tags="double view",
)
def tmp_used_up(da, caches):
    L, x = caches
    n, m, T = da.shape
    p = L[0][-1]
    G = {"d" + k: np.zeros(p[k].shape) for k in "Wf bf Wi bi Wc bc Wo bo".split()}
    G["dx"] = np.zeros(x.shape)
    dh = np.zeros((n, m))
    dc = np.zeros((n, m))
    for t in range(T)[::-1]:
        a1, c1, a0, c0, f, i, g, o, xt, p = L[t]
        dh += da[:, :, t]
        tmp = np.tanh(c1)
        np.multiply(tmp, tmp, out=tmp)
        np.subtract(1, tmp, out=tmp)
        dc += dh * o * tmp
        df = dc * c0 * f * (1 - f)
        di = dc * g * i * (1 - i)
        dg = dc * i * (1 - g**2)
        do = dh * tmp * o * (1 - o)
        con = np.vstack((a0, xt))
        G["dWf"] += df.dot(con.T)
        G["dbf"] += df.sum(axis=1, keepdims=True)
        G["dWi"] += di.dot(con.T)
        G["dbi"] += df.sum(axis=1, keepdims=True)
        G["dWc"] += dg.dot(con.T)
        G["dbc"] += dg.sum(axis=1, keepdims=True)
        G["dWo"] += do.dot(con.T)
        G["dbo"] += do.sum(axis=1, keepdims=True)
        d = p["Wf"].T.dot(df)
        d += p["Wi"].T.dot(di)
        d += p["Wc"].T.dot(dg)
        d += p["Wo"].T.dot(do)
        G["dx"][:, :, t] = d[n:]
        dh[:] = d[:n]
        dc *= f
    G["da0"] = dh
    return G


@wrong(
    "lstm_backward",
    "the buffer of da_prev is never emptied, what came in stays in what goes on",
    "from memory",
    tags="view",
)
def buffer_not_emptied(da, caches):
    L, x = caches
    n, m, T = da.shape
    p = L[0][-1]
    dW = {k: np.zeros(p["W" + k].shape) for k in "fico"}
    db = {k: np.zeros(p["b" + k].shape) for k in "fico"}
    dx = np.zeros(x.shape)
    dap = np.zeros((n, m))
    dcp = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        a1, c1, a0, c0, f, i, g, o, xt, _ = L[t]
        dap += da[:, :, t]
        tc = np.tanh(c1)
        dcp += dap * o * (1 - tc**2)
        d = {"f": dcp * c0 * f * (1 - f)}
        d["i"] = dcp * g * i * (1 - i)
        d["c"] = dcp * i * (1 - g**2)
        d["o"] = dap * tc * o * (1 - o)
        dcp *= f
        for k in "fico":
            dW[k][:, :n] += d[k].dot(a0.T)
            dW[k][:, n:] += d[k].dot(xt.T)
            db[k] += d[k].sum(axis=1, keepdims=True)
            dx[:, :, t] += p["W" + k][:, n:].T.dot(d[k])
            dap += p["W" + k][:, :n].T.dot(d[k])
    r = {"dx": dx, "da0": dap}
    for k in "fico":
        r["dW" + k] = dW[k]
        r["db" + k] = db[k]
    return r


@wrong(
    "lstm_forward",
    "c lives in one array that is updated in place, so all caches hold the last c",
    "from memory",
    tags="view",
)
def one_c_for_all(x, a0, parameters):
    p = parameters
    n, m = a0.shape
    T = x.shape[2]
    a = np.zeros((n, m, T))
    c = np.zeros((n, m, T))
    y = np.zeros((p["by"].shape[0], m, T))
    L = []
    a1 = a0
    c1 = np.zeros((n, m))
    for t in range(T):
        ap, cp, xt = a1, c1, x[:, :, t]
        con = np.vstack((ap, xt))
        f = sig(p["Wf"].dot(con) + p["bf"])
        i = sig(p["Wi"].dot(con) + p["bi"])
        g = np.tanh(p["Wc"].dot(con) + p["bc"])
        o = sig(p["Wo"].dot(con) + p["bo"])
        c1 *= f
        c1 += i * g
        a1 = o * np.tanh(c1)
        a[:, :, t] = a1
        c[:, :, t] = c1
        y[:, :, t] = softmax(p["Wy"].dot(a1) + p["by"])
        L += [(a1, c1, ap, cp, f, i, g, o, xt, p)]
    return a, y, c, (L, x)


@wrong(
    "lstm_cell_backward",
    "f * (1 - f) copied for o, only the first f renamed",
    "from memory",
    convention="ntd",
    forward=lstm_fwd1,
)
def half_renamed(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, i, f, o, g, c, Wx, Wh = cache
    N, H = prev_h.shape
    tc = np.tanh(c)
    dc = dnext_h * o
    dc *= 1 - tc**2
    dc += dnext_c
    d = np.empty((N, 4 * H))
    d[:, :H] = dc * g
    d[:, :H] *= i * (1 - i)
    d[:, H : 2 * H] = dc * prev_c
    d[:, H : 2 * H] *= f * (1 - f)
    d[:, 2 * H : 3 * H] = dnext_h * tc
    d[:, 2 * H : 3 * H] *= o * (1 - f)
    d[:, 3 * H :] = dc * i
    d[:, 3 * H :] *= 1 - g**2
    dc *= f
    return d.dot(Wx.T), d.dot(Wh.T), dc, x.T.dot(d), prev_h.T.dot(d), d.sum(axis=0)


@wrong(
    "lstm_backward",
    "dc *= f for the step before comes before the gates have read dc",
    "from memory",
    convention="ntd",
    forward=lstm_fwd,
)
def dc_times_f_too_soon(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][-2], cache[0][-1]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(4 * H)
    d = np.zeros((N, 4 * H))
    dhn, dc = np.zeros((N, H)), np.zeros((N, H))
    for t in range(T)[::-1]:
        x, prev_h, prev_c, i, f, o, g, c, _, _ = cache[t]
        dhn += dh[:, t]
        tc = np.tanh(c)
        dc += dhn * o * (1 - tc**2)
        dc *= f
        np.multiply(dc, g * i * (1 - i), out=d[:, :H])
        np.multiply(dc, prev_c * f * (1 - f), out=d[:, H : 2 * H])
        np.multiply(dhn, tc * o * (1 - o), out=d[:, 2 * H : 3 * H])
        np.multiply(dc, i * (1 - g**2), out=d[:, 3 * H :])
        dx[:, t] = d.dot(Wx.T)
        np.dot(d, Wh.T, out=dhn)
        dWx += x.T.dot(d)
        dWh += prev_h.T.dot(d)
        db += d.sum(axis=0)
    return dx, dhn, dWx, dWh, db


# ---- rnn


@wrong(
    "rnn_cell_backward",
    "a * a, then -= 1: the derivative of tanh has the wrong sign",
    "from memory",
)
def minus_one_the_wrong_way(da_next, cache):
    a1, a0, xt, p = cache
    d = a1 * a1
    d -= 1
    d *= da_next
    r = {}
    r["dxt"] = p["Wax"].T.dot(d)
    r["dWax"] = d.dot(xt.T)
    r["da_prev"] = p["Waa"].T.dot(d)
    r["dWaa"] = d.dot(a0.T)
    r["dba"] = d.sum(axis=1, keepdims=True)
    return r


@wrong(
    "rnn_backward",
    "da of the step before is added at the end of the loop, at t = 0 that is da of the last step",
    "from memory",
)
def wraps_round_to_the_end(da, caches):
    L, x = caches
    n, m, T = da.shape
    p = L[0][3]
    dx = np.zeros(x.shape)
    dWax = np.zeros(p["Wax"].shape)
    dWaa = np.zeros(p["Waa"].shape)
    dba = np.zeros((n, 1))
    d = da[:, :, T - 1].copy()
    for t in range(T - 1, -1, -1):
        a1, a0, xt, p = L[t]
        d *= 1 - a1**2
        dx[:, :, t] = p["Wax"].T.dot(d)
        dWax += d.dot(xt.T)
        dWaa += d.dot(a0.T)
        dba += d.sum(axis=1, keepdims=True)
        d = p["Waa"].T.dot(d)
        d += da[:, :, t - 1]  # ready for the next one
    return {"dx": dx, "da0": d, "dWax": dWax, "dWaa": dWaa, "dba": dba}


def _add_step(d, cache, g):
    a1, a0, xt, p = cache
    d = d * (1 - a1**2)
    g["dWax"] += d.dot(xt.T)
    g["dWaa"] += d.dot(a0.T)
    g["dba"] += d.sum(axis=1, keepdims=True)
    return p["Wax"].T.dot(d), p["Waa"].T.dot(d), g


@wrong(
    "rnn_backward",
    "the step adds into g by itself, and the loop adds g once more: sums of sums",
    "from memory",
)
def sums_of_sums(da, caches):
    L, x = caches
    p = L[0][3]
    dx = np.zeros(x.shape)
    dap = np.zeros(da.shape[:2])
    dWax, dWaa, dba = (
        np.zeros(p["Wax"].shape),
        np.zeros(p["Waa"].shape),
        np.zeros(p["ba"].shape),
    )
    g = {
        "dWax": np.zeros(dWax.shape),
        "dWaa": np.zeros(dWaa.shape),
        "dba": np.zeros(dba.shape),
    }
    for t in reversed(range(len(L))):
        dap += da[:, :, t]
        dx[:, :, t], dap, g = _add_step(dap, L[t], g)
        dWax += g["dWax"]
        dWaa += g["dWaa"]
        dba += g["dba"]
    return {"dx": dx, "da0": dap, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "clip of min-char-rnn left at the end",
    "from memory",
)
def clip_left_in(da, caches):
    L, x = caches
    p = L[0][3]
    dx = np.zeros(x.shape)
    dWxh = np.zeros(p["Wax"].shape)
    dWhh = np.zeros(p["Waa"].shape)
    dbh = np.zeros(p["ba"].shape)
    dhnext = np.zeros(da[:, :, 0].shape)
    for t in reversed(range(da.shape[2])):
        hs, hprev, xs, p = L[t]
        dh = da[:, :, t] + dhnext
        dhraw = (1 - hs * hs) * dh
        dbh += dhraw.sum(axis=1, keepdims=True)
        dWxh += np.dot(dhraw, xs.T)
        dWhh += np.dot(dhraw, hprev.T)
        dhnext = np.dot(p["Waa"].T, dhraw)
        dx[:, :, t] = np.dot(p["Wax"].T, dhraw)
    for dparam in [dWxh, dWhh, dbh]:
        np.clip(dparam, -5, 5, out=dparam)
    return {"dx": dx, "da0": dhnext, "dWax": dWxh, "dWaa": dWhh, "dba": dbh}


@wrong(
    "rnn_forward",
    "a_prev = a_next stands before the append, so a_prev in the cache is a_next",
    "from memory",
)
def moved_on_before_append(x, a0, parameters):
    p = parameters
    n, m = a0.shape
    T = x.shape[2]
    a = np.zeros((n, m, T))
    y = np.zeros((p["by"].shape[0], m, T))
    L = []
    ap = a0
    for t in range(T):
        s = p["Wax"].dot(x[:, :, t])
        s += p["Waa"].dot(ap)
        s += p["ba"]
        a1 = np.tanh(s)
        a[:, :, t] = a1
        y[:, :, t] = softmax(p["Wya"].dot(a1) + p["by"])
        ap = a1
        L += [(a1, ap, x[:, :, t], p)]
    return a, y, (L, x)


@wrong(
    "rnn_cell_backward",
    "db keeps the last example only, = for +=; and dprev_h is taken before the tanh",
    "from memory",
    convention="ntd",
    forward=rnn_fwd1,
    tags="double",
)
def last_example_only(dnext_h, cache):
    x, prev_h, h, Wx, Wh = cache
    dx, dprev_h = np.zeros(x.shape), np.zeros(prev_h.shape)
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(Wh.shape[0])
    for k in range(len(x)):
        d = dnext_h[k] * (1 - h[k] ** 2)
        dx[k] += Wx.dot(d)
        dprev_h[k] += Wh.dot(dnext_h[k])
        dWx += np.outer(x[k], d)
        dWh += np.outer(prev_h[k], d)
        db = d
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "h[:, t - 1] at t = 0 is the last state, not h0",
    "from memory",
    convention="ntd",
    forward=rnn_fwd,
)
def h0_never_used(dh, cache):
    x, h0, h, Wx, Wh = cache
    dx = np.zeros(x.shape)
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(Wh.shape[0])
    d = np.zeros(h0.shape)
    for t in range(x.shape[1] - 1, -1, -1):
        d += dh[:, t]
        d *= 1 - h[:, t] ** 2
        dWx += x[:, t].T.dot(d)
        dWh += h[:, t - 1].T.dot(d)
        db += d.sum(axis=0)
        dx[:, t] += d.dot(Wx.T)
        d = d.dot(Wh.T)
    return dx, d, dWx, dWh, db


# ---- gru


@wrong(
    "gru_cell_backward",
    "line of r copied for z, with the columns of r in Wh",
    "from memory",
    convention="ntd",
    forward=gru_fwd1,
)
def columns_of_r_for_z(dnext_h, cache):
    x, prev_h, r, z, n, Wx, Wh = cache
    H = prev_h.shape[1]
    dn = dnext_h * (1 - z) * (1 - n * n)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    t = dn.dot(Wh[:, 2 * H :].T)
    dr = t * prev_h * r * (1 - r)
    dx = dr.dot(Wx[:, :H].T)
    dx += dz.dot(Wx[:, H : 2 * H].T)
    dx += dn.dot(Wx[:, 2 * H :].T)
    dprev_h = dnext_h * z
    dprev_h += t * r
    dprev_h += dr.dot(Wh[:, :H].T)
    dprev_h += dz.dot(Wh[:, :H].T)
    dWx = np.zeros(Wx.shape)
    dWx[:, :H] = x.T.dot(dr)
    dWx[:, H : 2 * H] = x.T.dot(dz)
    dWx[:, 2 * H :] = x.T.dot(dn)
    dWh = np.zeros(Wh.shape)
    dWh[:, :H] = prev_h.T.dot(dr)
    dWh[:, H : 2 * H] = prev_h.T.dot(dz)
    dWh[:, 2 * H :] = (r * prev_h).T.dot(dn)
    db = np.zeros(3 * H)
    db[:H] = dr.sum(axis=0)
    db[H : 2 * H] = dz.sum(axis=0)
    db[2 * H :] = dn.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_backward",
    "= instead of += after d * z: the direct way to prev_h is lost",
    "from memory",
    convention="ntd",
    forward=gru_fwd,
)
def direct_way_overwritten(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][5], cache[0][6]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    dp = np.zeros((N, H))
    g = np.zeros((N, 3 * H))
    for t in range(T - 1, -1, -1):
        x, prev_h, r, z, n, _, _ = cache[t]
        d = dh[:, t] + dp
        g[:, 2 * H :] = d * (1 - z)
        g[:, 2 * H :] *= 1 - n**2
        g[:, H : 2 * H] = d * (prev_h - n)
        g[:, H : 2 * H] *= z * (1 - z)
        dp = d * z
        rh = g[:, 2 * H :].dot(Wh[:, 2 * H :].T)
        g[:, :H] = rh * prev_h
        g[:, :H] *= r * (1 - r)
        dp = rh * r
        dp += g[:, : 2 * H].dot(Wh[:, : 2 * H].T)
        dx[:, t] = g.dot(Wx.T)
        dWx += x.T.dot(g)
        dWh[:, : 2 * H] += prev_h.T.dot(g[:, : 2 * H])
        dWh[:, 2 * H :] += (r * prev_h).T.dot(g[:, 2 * H :])
        db += g.sum(axis=0)
    return dx, dp, dWx, dWh, db


@wrong(
    "gru_backward",
    "n * (1 - n) copied from the sigmoid gates; and db of z adds dr, copied",
    "from memory",
    convention="ntd",
    forward=gru_fwd,
    tags="double",
)
def pasted_three_times(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][5:]
    R, Z, M = slice(0, H), slice(H, 2 * H), slice(2 * H, 3 * H)
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    d = np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, r, z, n, _, _ = cache[t]
        d += dh[:, t]
        dz = d * (prev_h - n)
        dz *= z * (1 - z)
        dn = d * (1 - z)
        dn *= n * (1 - n)
        q = dn.dot(Wh[:, M].T)
        dr = q * prev_h
        dr *= r * (1 - r)
        d *= z
        d += q * r
        d += dr.dot(Wh[:, R].T)
        d += dz.dot(Wh[:, Z].T)
        dx[:, t] += dr.dot(Wx[:, R].T)
        dx[:, t] += dz.dot(Wx[:, Z].T)
        dx[:, t] += dn.dot(Wx[:, M].T)
        dWx[:, R] += x.T.dot(dr)
        dWx[:, Z] += x.T.dot(dz)
        dWx[:, M] += x.T.dot(dn)
        dWh[:, R] += prev_h.T.dot(dr)
        dWh[:, Z] += prev_h.T.dot(dz)
        dWh[:, M] += (r * prev_h).T.dot(dn)
        db[R] += dr.sum(axis=0)
        db[Z] += dr.sum(axis=0)
        db[M] += dn.sum(axis=0)
    return dx, d, dWx, dWh, db


# ---- readout


@wrong(
    "readout_backward",
    "d[labels] -= 1 takes 1 off the whole row of a word, for all examples",
    "from memory",
)
def whole_row_minus_one(y_pred, labels, a, parameters):
    m, T = labels.shape
    W = parameters["Wya"]
    dW, db = np.zeros(W.shape), np.zeros(parameters["by"].shape)
    da = np.zeros(a.shape)
    for t in range(T):
        d = y_pred[:, :, t].copy()
        d[labels[:, t]] -= 1
        d /= m * T
        dW += d.dot(a[:, :, t].T)
        db += d.sum(axis=1, keepdims=True)
        da[:, :, t] = W.T.dot(d)
    return {"da": da, "dWya": dW, "dby": db}


@wrong(
    "readout_backward",
    "divided by m * T only after dWya and dby have been added up",
    "from memory",
)
def divided_too_late(y_pred, labels, a, parameters):
    m, T = labels.shape
    W = parameters["Wya"]
    r = {
        "da": np.zeros(a.shape),
        "dWya": np.zeros(W.shape),
        "dby": np.zeros((len(W), 1)),
    }
    d = y_pred.copy()
    for t in range(T):
        for k in range(m):
            d[labels[k, t], k, t] -= 1
    for t in range(T):
        r["dWya"] += d[:, :, t].dot(a[:, :, t].T)
        r["dby"] += d[:, :, t].sum(axis=1, keepdims=True)
    d /= m * T
    for t in range(T):
        r["da"][:, :, t] += W.T.dot(d[:, :, t])
    return r
