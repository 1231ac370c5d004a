"""Walter, forty years of Fortran: loops by hand, work arrays, in place wherever it goes."""

import math

import numpy as np
from strangers.made import right, wrong

# ---------------------------------------------------------------- RNN


@wrong(
    "rnn_cell_backward",
    "dWaa is written with its two indices exchanged",
    "from memory: columns come first in Fortran",
)
def index_swap(da_next, cache):
    a_next, a_prev, xt, par = cache
    na, mm = a_next.shape
    nx = xt.shape[0]
    wax = par["Wax"]
    waa = par["Waa"]
    dz = np.empty((na, mm))
    for i in range(na):
        for k in range(mm):
            dz[i, k] = da_next[i, k] * (1.0 - a_next[i, k] ** 2)
    dwax = np.zeros((na, nx))
    dwaa = np.zeros((na, na))
    dba = np.zeros((na, 1))
    dxt = np.zeros((nx, mm))
    dap = np.zeros((na, mm))
    for k in range(mm):
        for i in range(na):
            dba[i, 0] += dz[i, k]
            for j in range(nx):
                dwax[i, j] += dz[i, k] * xt[j, k]
                dxt[j, k] += wax[i, j] * dz[i, k]
            for j in range(na):
                dwaa[j, i] += dz[i, k] * a_prev[j, k]
                dap[j, k] += waa[i, j] * dz[i, k]
    return {"dxt": dxt, "da_prev": dap, "dWax": dwax, "dWaa": dwaa, "dba": dba}


@wrong(
    "rnn_backward",
    "the carry is added into the argument da itself",
    "from memory: arguments are passed by reference and nobody minds",
    words="da&(in place|chang|overwr|modif|mutat)",
    tags="view",
)
def into_argument(da, caches):
    lst, x = caches
    nx, mm, nt = x.shape
    par = lst[0][3]
    wax, waa = par["Wax"], par["Waa"]
    dwax = np.zeros(wax.shape)
    dwaa = np.zeros(waa.shape)
    dba = np.zeros(par["ba"].shape)
    dx = np.zeros((nx, mm, nt))
    dz = np.zeros(da.shape[:2])
    for t in range(nt - 1, -1, -1):
        a_next, a_prev, xt, _ = lst[t]
        np.multiply(a_next, a_next, out=dz)
        np.subtract(1.0, dz, out=dz)
        dz *= da[:, :, t]
        dx[:, :, t] = np.dot(wax.T, dz)
        dwax += np.dot(dz, xt.T)
        dwaa += np.dot(dz, a_prev.T)
        dba[:, 0] += np.sum(dz, axis=1)
        if t > 0:
            da[:, :, t - 1] += np.dot(waa.T, dz)
    da0 = np.dot(waa.T, dz)
    return {"dx": dx, "da0": da0, "dWax": dwax, "dWaa": dwaa, "dba": dba}


@wrong(
    "rnn_backward",
    "the work array of da_prev isn't cleared between the steps, so old carries stay in it",
    "from memory",
    step={"dx": -3, "dWax": -3, "dWaa": -3, "dba": -3},
    tags="time",
)
def not_cleared(da, caches):
    lst, x = caches
    nx, mm, nt = x.shape
    na = da.shape[0]
    par = lst[0][3]
    dx = np.zeros((nx, mm, nt))
    dwax = np.zeros((na, nx))
    dwaa = np.zeros((na, na))
    dba = np.zeros((na, 1))
    wk = np.zeros((na, mm))
    dz = np.zeros((na, mm))
    t = nt - 1
    while t >= 0:
        an, ap, xt, _ = lst[t]
        for k in range(mm):
            for i in range(na):
                dz[i, k] = (da[i, k, t] + wk[i, k]) * (1.0 - an[i, k] * an[i, k])
        for k in range(mm):
            for i in range(na):
                s = dz[i, k]
                dba[i, 0] += s
                for j in range(nx):
                    dx[j, k, t] += par["Wax"][i, j] * s
                    dwax[i, j] += s * xt[j, k]
                for j in range(na):
                    wk[j, k] += par["Waa"][i, j] * s
                    dwaa[i, j] += s * ap[j, k]
        t -= 1
    return {"dx": dx, "da0": wk, "dWax": dwax, "dWaa": dwaa, "dba": dba}


def rnn_run(x, h0, wx, wh, b):
    n, nt, d = x.shape
    nh = h0.shape[1]
    hs = np.empty((n, nt + 1, nh))
    hs[:, 0, :] = h0
    for t in range(nt):
        hs[:, t + 1, :] = np.tanh(np.dot(x[:, t, :], wx) + np.dot(hs[:, t, :], wh) + b)
    return hs[:, 1:, :], (x, hs, wx, wh)


@wrong(
    "rnn_backward",
    "tanh' is written (1 - h)(1 - h), and the bias' loop over samples begins with the second",
    "from memory: do i = 1, n",
    convention="ntd",
    forward=rnn_run,
    tags="double",
)
def factored(dh, cache):
    x, hs, wx, wh = cache
    n, nt, d = x.shape
    nh = hs.shape[2]
    dx = np.zeros((n, nt, d))
    dwx = np.zeros((d, nh))
    dwh = np.zeros((nh, nh))
    db = np.zeros(nh)
    carry = np.zeros((n, nh))
    dz = np.zeros((n, nh))
    for t in range(nt - 1, -1, -1):
        h = hs[:, t + 1, :]
        dz[:, :] = dh[:, t, :] + carry
        dz *= (1.0 - h) * (1.0 - h)
        dx[:, t, :] = np.dot(dz, wx.T)
        carry[:, :] = np.dot(dz, wh.T)
        dwx += np.dot(x[:, t, :].T, dz)
        dwh += np.dot(hs[:, t, :].T, dz)
        for i in range(1, n):
            for j in range(nh):
                db[j] += dz[i, j]
    return dx, carry, dwx, dwh, db


# ---------------------------------------------------------------- LSTM


@wrong(
    "lstm_cell_backward",
    "the work array with tanh(c) already holds 1 - tanh(c)^2 when the output gate needs it",
    "from memory",
    tags="view",
)
def work_reused(da_next, dc_next, cache):
    an, cn, ap, cp, ft, it, cct, ot, xt, par = cache
    na, mm = an.shape
    wk = np.tanh(cn)
    np.multiply(wk, wk, out=wk)
    np.subtract(1.0, wk, out=wk)
    dc = da_next * ot
    dc *= wk
    dc += dc_next
    go = da_next * wk
    go *= ot
    go *= 1.0 - ot
    gf = dc * cp * ft * (1.0 - ft)
    gi = dc * cct * it * (1.0 - it)
    gc = dc * it * (1.0 - cct * cct)
    res = {}
    dz = np.zeros((na + xt.shape[0], mm))
    zz = np.concatenate((ap, xt), axis=0)
    for name, g in (("f", gf), ("i", gi), ("c", gc), ("o", go)):
        res["dW" + name] = np.dot(g, zz.T)
        res["db" + name] = np.sum(g, axis=1).reshape(na, 1)
        dz += np.dot(par["W" + name].T, g)
    dc *= ft
    res["dc_prev"] = dc
    res["da_prev"] = dz[0:na, :]
    res["dxt"] = dz[na:, :]
    return res


@wrong(
    "lstm_cell_backward",
    "in dc_prev a parenthesis is missing: only dc_next is multiplied by the forget gate",
    "from memory",
)
def parenthesis(da_next, dc_next, cache):
    an, cn, ap, cp, ft, it, cct, ot, xt, par = cache
    na, mm = an.shape
    nx = xt.shape[0]
    gf = np.zeros((na, mm))
    gi = np.zeros((na, mm))
    gc = np.zeros((na, mm))
    go = np.zeros((na, mm))
    dcp = np.zeros((na, mm))
    for i in range(na):
        for k in range(mm):
            th = math.tanh(cn[i, k])
            u = da_next[i, k] * ot[i, k] * (1.0 - th * th)
            v = dc_next[i, k] + u
            gf[i, k] = v * cp[i, k] * ft[i, k] * (1.0 - ft[i, k])
            gi[i, k] = v * cct[i, k] * it[i, k] * (1.0 - it[i, k])
            gc[i, k] = v * it[i, k] * (1.0 - cct[i, k] ** 2)
            go[i, k] = da_next[i, k] * th * ot[i, k] * (1.0 - ot[i, k])
            dcp[i, k] = ft[i, k] * dc_next[i, k] + u
    wf, wi, wc, wo = par["Wf"], par["Wi"], par["Wc"], par["Wo"]
    dap = np.zeros((na, mm))
    dxt = np.zeros((nx, mm))
    for k in range(mm):
        for i in range(na):
            for j in range(na):
                dap[j, k] += wf[i, j] * gf[i, k] + wi[i, j] * gi[i, k]
                dap[j, k] += wc[i, j] * gc[i, k] + wo[i, j] * go[i, k]
            for j in range(nx):
                l = na + j
                dxt[j, k] += wf[i, l] * gf[i, k] + wi[i, l] * gi[i, k]
                dxt[j, k] += wc[i, l] * gc[i, k] + wo[i, l] * go[i, k]
    z = np.concatenate((ap, xt), axis=0).T
    return {
        "dxt": dxt,
        "da_prev": dap,
        "dc_prev": dcp,
        "dWf": np.dot(gf, z),
        "dbf": np.sum(gf, 1, keepdims=True),
        "dWi": np.dot(gi, z),
        "dbi": np.sum(gi, 1, keepdims=True),
        "dWc": np.dot(gc, z),
        "dbc": np.sum(gc, 1, keepdims=True),
        "dWo": np.dot(go, z),
        "dbo": np.sum(go, 1, keepdims=True),
    }


@wrong(
    "lstm_cell_backward",
    "the output gate's gradient takes tanh(c_prev), and dbf sums the input gate's gradient",
    "from memory",
    tags="double",
)
def two_letters(da_next, dc_next, cache):
    (an, cn, ap, cp, ft, it, cct, ot, xt, par) = cache
    na = an.shape[0]
    tc = np.tanh(cn)
    dc = dc_next + da_next * ot * (1.0 - tc**2)
    go = da_next * np.tanh(cp) * ot * (1.0 - ot)
    gf = dc * cp * ft * (1.0 - ft)
    gi = dc * cct * it * (1.0 - it)
    gc = dc * it * (1.0 - cct**2)
    z = np.zeros((na + xt.shape[0], xt.shape[1]))
    z[:na, :] = ap
    z[na:, :] = xt
    dz = np.dot(par["Wf"].T, gf)
    dz += np.dot(par["Wi"].T, gi)
    dz += np.dot(par["Wc"].T, gc)
    dz += np.dot(par["Wo"].T, go)
    out = {}
    out["dxt"] = dz[na:, :]
    out["da_prev"] = dz[:na, :]
    out["dc_prev"] = dc * ft
    out["dWf"] = np.dot(gf, z.T)
    out["dWi"] = np.dot(gi, z.T)
    out["dWc"] = np.dot(gc, z.T)
    out["dWo"] = np.dot(go, z.T)
    out["dbf"] = np.sum(gi, axis=1, keepdims=True)
    out["dbi"] = np.sum(gi, axis=1, keepdims=True)
    out["dbc"] = np.sum(gc, axis=1, keepdims=True)
    out["dbo"] = np.sum(go, axis=1, keepdims=True)
    return out


def sgm(v):
    return 1.0 / (1.0 + np.exp(-v))


@wrong(
    "lstm_forward",
    "the memory is updated in place, and all caches hold that one array as c_prev",
    "from memory",
    tags="view",
)
def memory_in_place(x, a0, parameters):
    par = parameters
    nx, mm, nt = x.shape
    na = a0.shape[0]
    ny = par["Wy"].shape[0]
    a = np.zeros((na, mm, nt))
    c = np.zeros((na, mm, nt))
    y = np.zeros((ny, mm, nt))
    z = np.zeros((na + nx, mm))
    cw = np.zeros((na, mm))
    ap = a0
    lst = []
    for t in range(nt):
        xt = x[:, :, t]
        z[:na, :] = ap
        z[na:, :] = xt
        ft = sgm(np.dot(par["Wf"], z) + par["bf"])
        it = sgm(np.dot(par["Wi"], z) + par["bi"])
        cct = np.tanh(np.dot(par["Wc"], z) + par["bc"])
        ot = sgm(np.dot(par["Wo"], z) + par["bo"])
        cp = cw
        cw *= ft
        cw += it * cct
        c[:, :, t] = cw
        a[:, :, t] = ot * np.tanh(cw)
        s = np.exp(np.dot(par["Wy"], a[:, :, t]) + par["by"])
        y[:, :, t] = s / np.sum(s, axis=0)
        lst.append((a[:, :, t], c[:, :, t], ap, cp, ft, it, cct, ot, xt, par))
        ap = a[:, :, t]
    return a, y, c, (lst, x)


@wrong(
    "lstm_backward",
    "dc is carried on through the input gate, and dWi is made of the candidate's gradient",
    "from memory",
    tags="double",
)
def wrong_letters(da, caches):
    lst, x = caches
    nx, mm, nt = x.shape
    na = da.shape[0]
    par = lst[0][9]
    g = {}
    for q in ("f", "i", "c", "o"):
        g["dW" + q] = np.zeros((na, na + nx))
        g["db" + q] = np.zeros((na, 1))
    dx = np.zeros((nx, mm, nt))
    dap = np.zeros((na, mm))
    dcw = np.zeros((na, mm))
    dz = np.zeros((na + nx, mm))
    for t in range(nt - 1, -1, -1):
        an, cn, ap, cp, ft, it, cct, ot, xt, _ = lst[t]
        dap += da[:, :, t]
        tc = np.tanh(cn)
        dcw += dap * ot * (1.0 - tc * tc)
        go = dap * tc * ot * (1.0 - ot)
        gf = dcw * cp * ft * (1.0 - ft)
        gi = dcw * cct * it * (1.0 - it)
        gc = dcw * it * (1.0 - cct * cct)
        zt = np.concatenate((ap, xt), axis=0).T
        g["dWf"] += np.dot(gf, zt)
        g["dWi"] += np.dot(gc, zt)
        g["dWc"] += np.dot(gc, zt)
        g["dWo"] += np.dot(go, zt)
        g["dbf"][:, 0] += np.sum(gf, axis=1)
        g["dbi"][:, 0] += np.sum(gi, axis=1)
        g["dbc"][:, 0] += np.sum(gc, axis=1)
        g["dbo"][:, 0] += np.sum(go, axis=1)
        dz[:, :] = np.dot(par["Wf"].T, gf)
        dz += np.dot(par["Wi"].T, gi)
        dz += np.dot(par["Wc"].T, gc)
        dz += np.dot(par["Wo"].T, go)
        dap[:, :] = dz[:na, :]
        dx[:, :, t] = dz[na:, :]
        dcw *= it
    g["dx"] = dx
    g["da0"] = dap
    return g


def lstm_run(x, h0, wx, wh, b):
    n, nt, d = x.shape
    nh = h0.shape[1]
    h = np.zeros((n, nt, nh))
    c = np.zeros((n, nt + 1, nh))
    gates = np.zeros((n, nt, 4 * nh))
    hp = h0
    for t in range(nt):
        s = np.dot(x[:, t, :], wx)
        s += np.dot(hp, wh)
        s += b
        gates[:, t, : 3 * nh] = sgm(s[:, : 3 * nh])
        gates[:, t, 3 * nh :] = np.tanh(s[:, 3 * nh :])
        i = gates[:, t, 0:nh]
        f = gates[:, t, nh : 2 * nh]
        o = gates[:, t, 2 * nh : 3 * nh]
        g = gates[:, t, 3 * nh :]
        c[:, t + 1, :] = f * c[:, t, :] + i * g
        h[:, t, :] = o * np.tanh(c[:, t + 1, :])
        hp = h[:, t, :]
    return h, (x, h0, h, c, gates, wx, wh)


def lstm_sweep(dh, x, c, gates, wx, wh):
    """All gradients before the activations, and dh0."""
    n, nt, nh = dh.shape
    ds = np.zeros((n, nt, 4 * nh))
    dhw = np.zeros((n, nh))
    dcw = np.zeros((n, nh))
    for t in range(nt - 1, -1, -1):
        i = gates[:, t, 0:nh]
        f = gates[:, t, nh : 2 * nh]
        o = gates[:, t, 2 * nh : 3 * nh]
        g = gates[:, t, 3 * nh :]
        tc = np.tanh(c[:, t + 1, :])
        dhw += dh[:, t, :]
        dcw += dhw * o * (1.0 - tc * tc)
        ds[:, t, 0:nh] = dcw * g * i * (1.0 - i)
        ds[:, t, nh : 2 * nh] = dcw * c[:, t, :] * f * (1.0 - f)
        ds[:, t, 2 * nh : 3 * nh] = dhw * tc * o * (1.0 - o)
        ds[:, t, 3 * nh :] = dcw * i * (1.0 - g * g)
        dcw *= f
        dhw[:, :] = np.dot(ds[:, t, :], wh.T)
    return ds, dhw


@wrong(
    "lstm_backward",
    "at step 0 h[:, t - 1] is the last state, where h0 should stand",
    "from memory: index 0 would have been declared h(0:nt)",
    convention="ntd",
    forward=lstm_run,
    step={"dWh": 0},
    tags="time",
)
def wraps_around(dh, cache):
    x, h0, h, c, gates, wx, wh = cache
    n, nt, d = x.shape
    ds, dh0 = lstm_sweep(dh, x, c, gates, wx, wh)
    dx = np.zeros(x.shape)
    dwx = np.zeros(wx.shape)
    dwh = np.zeros(wh.shape)
    db = np.zeros(wx.shape[1])
    for t in range(nt):
        dx[:, t, :] = np.dot(ds[:, t, :], wx.T)
        dwx += np.dot(x[:, t, :].T, ds[:, t, :])
        dwh += np.dot(h[:, t - 1, :].T, ds[:, t, :])
        db += np.sum(ds[:, t, :], axis=0)
    return dx, dh0, dwx, dwh, db


@right(
    "lstm_backward",
    "a sweep that fills one big work array, then loops over samples for the weights",
    convention="ntd",
    forward=lstm_run,
)
def big_work_array(dh, cache):
    x, h0, h, c, gates, wx, wh = cache
    n, nt, d = x.shape
    nh = h0.shape[1]
    ds, dh0 = lstm_sweep(dh, x, c, gates, wx, wh)
    hp = np.zeros((n, nt, nh))
    hp[:, 0, :] = h0
    hp[:, 1:, :] = h[:, : nt - 1, :]
    dwx = np.zeros((d, 4 * nh))
    dwh = np.zeros((nh, 4 * nh))
    db = np.zeros(4 * nh)
    dx = np.zeros((n, nt, d))
    for k in range(n):
        dwx += np.dot(x[k].T, ds[k])
        dwh += np.dot(hp[k].T, ds[k])
        for t in range(nt):
            db += ds[k, t]
        dx[k] = np.dot(ds[k], wx.T)
    return dx, dh0, dwx, dwh, db


# ---------------------------------------------------------------- GRU


def gru_one(x, prev_h, wx, wh, b):
    nh = prev_h.shape[1]
    s = np.dot(x, wx) + b
    s[:, : 2 * nh] += np.dot(prev_h, wh[:, : 2 * nh])
    s[:, : 2 * nh] = sgm(s[:, : 2 * nh])
    r = s[:, :nh]
    z = s[:, nh : 2 * nh]
    s[:, 2 * nh :] += np.dot(r * prev_h, wh[:, 2 * nh :])
    s[:, 2 * nh :] = np.tanh(s[:, 2 * nh :])
    n = s[:, 2 * nh :]
    next_h = (1.0 - z) * n + z * prev_h
    return next_h, (x, prev_h, next_h, r, z, n, wx, wh)


@wrong(
    "gru_cell_backward",
    "tanh' of the candidate is taken at next_h, as in the plain cell",
    "from memory",
    convention="ntd",
    forward=gru_one,
)
def slope_of_output(dnext_h, cache):
    x, hp, hn, r, z, n, wx, wh = cache
    nb, nh = hp.shape
    ds = np.zeros((nb, 3 * nh))
    ds[:, 2 * nh :] = dnext_h * (1.0 - z) * (1.0 - hn * hn)
    wk = np.dot(ds[:, 2 * nh :], wh[:, 2 * nh :].T)
    ds[:, nh : 2 * nh] = dnext_h * (hp - n) * z * (1.0 - z)
    ds[:, :nh] = wk * hp * r * (1.0 - r)
    dhp = dnext_h * z
    dhp += wk * r
    dhp += np.dot(ds[:, : 2 * nh], wh[:, : 2 * nh].T)
    dwh = np.zeros(wh.shape)
    dwh[:, : 2 * nh] = np.dot(hp.T, ds[:, : 2 * nh])
    dwh[:, 2 * nh :] = np.dot((r * hp).T, ds[:, 2 * nh :])
    return np.dot(ds, wx.T), dhp, np.dot(x.T, ds), dwh, np.sum(ds, axis=0)


def gru_run(x, h0, wx, wh, b):
    n, nt, d = x.shape
    nh = h0.shape[1]
    hs = np.zeros((n, nt + 1, nh))
    hs[:, 0, :] = h0
    gr = np.zeros((n, nt, nh))
    gz = np.zeros((n, nt, nh))
    gn = np.zeros((n, nt, nh))
    for t in range(nt):
        hs[:, t + 1, :], (_, _, _, gr[:, t], gz[:, t], gn[:, t], _, _) = gru_one(
            x[:, t, :], hs[:, t, :], wx, wh, b
        )
    return hs[:, 1:, :].copy(), (x, hs, gr, gz, gn, wx, wh)


@wrong(
    "gru_backward",
    "the update gate's gradient takes h(t + 1) of the array with nt + 1 states, not h(t)",
    "from memory",
    convention="ntd",
    forward=gru_run,
    step={"dx": -1, "dWx": -1, "dWh": -1, "db": -1},
    tags="time",
)
def off_by_one(dh, cache):
    x, hs, gr, gz, gn, wx, wh = cache
    nb, nt, d = x.shape
    nh = hs.shape[2]
    whr = wh[:, :nh]
    whz = wh[:, nh : 2 * nh]
    whn = wh[:, 2 * nh :]
    dx = np.zeros((nb, nt, d))
    dwx = np.zeros((d, 3 * nh))
    dwh = np.zeros((nh, 3 * nh))
    db = np.zeros(3 * nh)
    acc = np.zeros((nb, nh))
    for t in range(nt - 1, -1, -1):
        r = gr[:, t, :]
        z = gz[:, t, :]
        n = gn[:, t, :]
        h = hs[:, t, :]
        acc += dh[:, t, :]
        sn = acc * (1.0 - z) * (1.0 - n * n)
        sz = acc * (hs[:, t + 1, :] - n) * z * (1.0 - z)
        wk = np.dot(sn, whn.T)
        sr = wk * h * r * (1.0 - r)
        acc *= z
        acc += wk * r
        acc += np.dot(sr, whr.T)
        acc += np.dot(sz, whz.T)
        s = np.concatenate((sr, sz, sn), axis=1)
        dx[:, t, :] = np.dot(s, wx.T)
        dwx += np.dot(x[:, t, :].T, s)
        dwh[:, :nh] += np.dot(h.T, sr)
        dwh[:, nh : 2 * nh] += np.dot(h.T, sz)
        dwh[:, 2 * nh :] += np.dot((r * h).T, sn)
        db += np.sum(s, axis=0)
    return dx, acc, dwx, dwh, db


@wrong(
    "gru_backward",
    "the loop for the candidate's share stores into the carry instead of adding: z dh is lost",
    "from memory",
    convention="ntd",
    forward=gru_run,
    step={"dx": -2, "dWx": -2, "dWh": -2, "db": -2},
)
def stored_over(dh, cache):
    x, hs, gr, gz, gn, wx, wh = cache
    nb, nt, d = x.shape
    nh = hs.shape[2]
    dx = np.zeros((nb, nt, d))
    dwx = np.zeros((d, 3 * nh))
    dwh = np.zeros((nh, 3 * nh))
    db = np.zeros(3 * nh)
    tot = np.zeros((nb, nh))
    carry = np.zeros((nb, nh))
    s = np.zeros((nb, 3 * nh))
    for t in range(nt - 1, -1, -1):
        h = hs[:, t, :]
        for k in range(nb):
            for j in range(nh):
                z, n = gz[k, t, j], gn[k, t, j]
                tot[k, j] = dh[k, t, j] + carry[k, j]
                s[k, nh + j] = tot[k, j] * (h[k, j] - n) * z * (1.0 - z)
                s[k, 2 * nh + j] = tot[k, j] * (1.0 - z) * (1.0 - n * n)
                carry[k, j] = tot[k, j] * z
        wk = np.dot(s[:, 2 * nh :], wh[:, 2 * nh :].T)
        for k in range(nb):
            for j in range(nh):
                r = gr[k, t, j]
                s[k, j] = wk[k, j] * h[k, j] * r * (1.0 - r)
                carry[k, j] = wk[k, j] * r
        carry += np.dot(s[:, : 2 * nh], wh[:, : 2 * nh].T)
        dx[:, t, :] = np.dot(s, wx.T)
        dwx += np.dot(x[:, t, :].T, s)
        dwh[:, : 2 * nh] += np.dot(h.T, s[:, : 2 * nh])
        dwh[:, 2 * nh :] += np.dot((gr[:, t, :] * h).T, s[:, 2 * nh :])
        db += np.sum(s, axis=0)
    return dx, carry, dwx, dwh, db


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "labels are counted from one: the class before the right one gets the -1",
    "from memory",
)
def labels_from_one(y_pred, labels, a, parameters):
    ny, mm, nt = y_pred.shape
    dz = y_pred.copy()
    for k in range(mm):
        for t in range(nt):
            dz[labels[k, t] - 1, k, t] -= 1.0
    dz /= float(mm * nt)
    wya = parameters["Wya"]
    da = np.zeros(a.shape)
    dw = np.zeros(wya.shape)
    db = np.zeros((ny, 1))
    for t in range(nt):
        da[:, :, t] = np.dot(wya.T, dz[:, :, t])
        dw += np.dot(dz[:, :, t], a[:, :, t].T)
        db[:, 0] += np.sum(dz[:, :, t], axis=1)
    return {"da": da, "dWya": dw, "dby": db}


@wrong(
    "readout_backward",
    "only the row of the right class gets p - 1, the other rows stay zero",
    "from memory",
)
def other_rows_zero(y_pred, labels, a, parameters):
    ny, mm, nt = y_pred.shape
    na = a.shape[0]
    wya = parameters["Wya"]
    da = np.zeros((na, mm, nt))
    dw = np.zeros((ny, na))
    db = np.zeros((ny, 1))
    sc = 1.0 / (mm * nt)
    wk = np.zeros(ny)
    for t in range(nt):
        for k in range(mm):
            wk[:] = 0.0
            l = labels[k, t]
            wk[l] = (y_pred[l, k, t] - 1.0) * sc
            for i in range(ny):
                db[i, 0] += wk[i]
                for j in range(na):
                    da[j, k, t] += wya[i, j] * wk[i]
                    dw[i, j] += wk[i] * a[j, k, t]
    return {"da": da, "dWya": dw, "dby": db}


@right(
    "readout_backward",
    "from -1/p through the whole Jacobian of the softmax, sample by sample",
)
def whole_jacobian(y_pred, labels, a, parameters):
    ny, mm, nt = y_pred.shape
    wya = parameters["Wya"]
    da = np.zeros(a.shape)
    dw = np.zeros(wya.shape)
    db = np.zeros((ny, 1))
    jac = np.zeros((ny, ny))
    for k in range(mm):
        for t in range(nt):
            p = y_pred[:, k, t]
            for i in range(ny):
                for j in range(ny):
                    jac[i, j] = -p[i] * p[j]
                jac[i, i] += p[i]
            g = jac[labels[k, t], :] * (-1.0 / p[labels[k, t]]) / (mm * nt)
            da[:, k, t] = np.dot(g, wya)
            dw += np.outer(g, a[:, k, t])
            db[:, 0] += g
    return {"da": da, "dWya": dw, "dby": db}
