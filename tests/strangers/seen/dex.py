# my rnn stuff, following the blog post, part 1 to 4
# (part 4 is GRU, did it myself from the formulas)
import numpy as np
from strangers.made import right, wrong


def sigm(q):
    return 1.0 / (1.0 + np.exp(-q))


def smax(q):
    ee = np.exp(q - np.max(q))
    return ee / ee.sum(axis=0)


# ---------- PART 1: rnn ----------


@wrong(
    "rnn_forward",
    "the state before is read as a[:, :, t - 1], which is zeros for t = 0: a0 is never used",
    "from memory",
)
def rnn_go(x, a0, parameters):
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T))
    yy = np.zeros((n_y, m, T))
    saved = []
    # print("shapes", x.shape, a.shape)
    for t in range(T):
        xt = x[:, :, t]
        hid = a[:, :, t - 1].copy()
        newhid = np.tanh(
            np.dot(parameters["Wax"], xt)
            + np.dot(parameters["Waa"], hid)
            + parameters["ba"]
        )
        a[:, :, t] = newhid
        yy[:, :, t] = smax(np.dot(parameters["Wya"], newhid) + parameters["by"])
        # print(t, newhid[0])
        saved.append((newhid, hid, xt, parameters))
    return a, yy, (saved, x)


def rnn_go_ntd(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    hs = {}
    hs[-1] = h0
    for t in range(T):
        hs[t] = np.tanh(x[:, t].dot(Wx) + hs[t - 1].dot(Wh) + b)
    h = np.zeros((N, T, h0.shape[1]))
    for t in range(T):
        h[:, t] = hs[t]
    return h, (x, hs, Wx, Wh)


@wrong(
    "rnn_backward",
    "the weights' gradients are clipped to -5 .. 5, as in the character model of the blog post",
    "the clipping of the well-known hundred-line character model, left in",
    convention="ntd",
    forward=rnn_go_ntd,
)
def rnn_back_ntd(dh, cache):
    x, hs, Wx, Wh = cache
    N, T, D = x.shape
    dx = np.zeros_like(x)
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    db = np.zeros(Wh.shape[0])
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(T)):
        dhh = dh[:, t] + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dhh  # backprop through tanh
        db += dhraw.sum(0)
        dWx += np.dot(x[:, t].T, dhraw)
        dWh += np.dot(hs[t - 1].T, dhraw)
        dx[:, t] = np.dot(dhraw, Wx.T)
        dhnext = np.dot(dhraw, Wh.T)
        # print(t, np.abs(dhnext).max())
    for dparam in [dWx, dWh, db]:
        np.clip(dparam, -5, 5, out=dparam)  # exploding gradients!!
    return dx, dhnext, dWx, dWh, db


@wrong(
    "rnn_backward",
    "back from every step at most two steps more (bptt_truncate), not to the start",
    "the truncated bptt of a blog post, with its bptt_truncate left in",
)
def bptt(da, caches):
    saved, x = caches
    n_x, m, T = x.shape
    pp = saved[0][3]
    bptt_truncate = 2
    dLdU = np.zeros(pp["Wax"].shape)
    dLdW = np.zeros(pp["Waa"].shape)
    dLdb = np.zeros(pp["ba"].shape)
    dx = np.zeros(x.shape)
    da0 = np.zeros(saved[0][1].shape)
    for t in np.arange(T)[::-1]:
        delta = da[:, :, t] * (1 - saved[t][0] ** 2)
        for step in np.arange(max(0, t - bptt_truncate), t + 1)[::-1]:
            # print("Backprop step t=%d bptt step=%d" % (t, step))
            dLdW += np.dot(delta, saved[step][1].T)
            dLdU += np.dot(delta, saved[step][2].T)
            dLdb += np.sum(delta, axis=1, keepdims=True)
            dx[:, :, step] += np.dot(pp["Wax"].T, delta)
            if step == 0:
                da0 += np.dot(pp["Waa"].T, delta)
            else:
                delta = np.dot(pp["Waa"].T, delta) * (1 - saved[step - 1][0] ** 2)
    return {"dx": dx, "da0": da0, "dWax": dLdU, "dWaa": dLdW, "dba": dLdb}


@right(
    "rnn_backward",
    "two loops: for every step all the way back to the start, summed one by one",
)
def bptt_full(da, caches):
    saved, x = caches
    T = len(saved)
    pp = saved[0][3]
    out = {
        "dx": np.zeros(x.shape),
        "da0": np.zeros(da.shape[:2]),
        "dWax": np.zeros(pp["Wax"].shape),
        "dWaa": np.zeros(pp["Waa"].shape),
        "dba": np.zeros(pp["ba"].shape),
    }
    for t in range(T):
        wob = da[:, :, t]
        k = t
        while k >= 0:
            newhid, hid, xt, _ = saved[k]
            delta = wob * (1 - newhid**2)
            # print(t, k, delta.sum())
            out["dWaa"] += delta @ hid.T
            out["dWax"] += delta @ xt.T
            out["dba"] += delta.sum(1).reshape(-1, 1)
            out["dx"][:, :, k] += pp["Wax"].T @ delta
            wob = pp["Waa"].T @ delta
            k -= 1
        out["da0"] += wob
    return out


@wrong(
    "rnn_cell_backward",
    "dba comes without keepdims: (n_a,) for (n_a, 1)",
    "from memory",
    words="dba&shape",
)
def rnn_1step(da_next, cache):
    newhid, hid, xt, pp = cache
    dtan = (1 - newhid * newhid) * da_next
    dxt = np.dot(pp["Wax"].T, dtan)
    dWax = np.dot(dtan, xt.T)
    da_prev = np.dot(pp["Waa"].T, dtan)
    dWaa = np.dot(dtan, hid.T)
    dba = np.sum(dtan, axis=1)
    # print("dba", dba.shape)
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "the tanh's derivative takes the tanh of what is one already; and dWaa of the first "
    "step has zeros for a0",
    "from memory",
    tags="double",
)
def rnn_back_lists(da, caches):
    saved, x = caches
    T = x.shape[2]
    pp = saved[0][3]
    outs = [c[0] for c in saved]
    dx = np.zeros_like(x)
    dWax = 0
    dWaa = 0
    dba = 0
    carry = np.zeros_like(outs[0])
    for t in range(T - 1, -1, -1):
        wob = carry + da[:, :, t]
        dzz = wob * (1 - np.tanh(outs[t]) ** 2)
        if t > 0:
            before = outs[t - 1]
        else:
            before = np.zeros_like(outs[0])
        dWax = dWax + np.dot(dzz, x[:, :, t].T)
        dWaa = dWaa + np.dot(dzz, before.T)
        dba = dba + np.sum(dzz, axis=1, keepdims=True)
        dx[:, :, t] = np.dot(pp["Wax"].T, dzz)
        carry = np.dot(pp["Waa"].T, dzz)
        # print(t, carry[0, 0])
    return {"dx": dx, "da0": carry, "dWax": dWax, "dWaa": dWaa, "dba": dba}


# ---------- PART 2: lstm ----------


@wrong(
    "lstm_forward",
    "a copied line: the update gate is made with the forget gate's bias",
    "from memory",
)
def lstm_go(x, a0, parameters):
    Wf, bf = parameters["Wf"], parameters["bf"]
    Wi, bi = parameters["Wi"], parameters["bi"]
    Wc, bc = parameters["Wc"], parameters["bc"]
    Wo, bo = parameters["Wo"], parameters["bo"]
    Wy, by = parameters["Wy"], parameters["by"]
    n_x, m, T = x.shape
    n_y, n_a = Wy.shape
    a = np.zeros((n_a, m, T))
    c = np.zeros((n_a, m, T))
    y = np.zeros((n_y, m, T))
    saved = []
    hid = a0
    mem = np.zeros(a0.shape)
    for t in range(T):
        xt = x[:, :, t]
        conc = np.zeros((n_a + n_x, m))
        conc[:n_a, :] = hid
        conc[n_a:, :] = xt
        ft = sigm(np.dot(Wf, conc) + bf)
        it = sigm(np.dot(Wi, conc) + bf)
        cct = np.tanh(np.dot(Wc, conc) + bc)
        ot = sigm(np.dot(Wo, conc) + bo)
        newmem = ft * mem + it * cct
        newhid = ot * np.tanh(newmem)
        a[:, :, t] = newhid
        c[:, :, t] = newmem
        y[:, :, t] = smax(np.dot(Wy, newhid) + by)
        saved.append((newhid, newmem, hid, mem, ft, it, cct, ot, xt, parameters))
        # print("step", t, "ft", ft.mean(), "it", it.mean())
        hid = newhid
        mem = newmem
    return a, y, c, (saved, x)


@wrong(
    "lstm_cell_backward",
    "dc_next is added to in place: the caller's array is changed",
    "from memory",
    words="dc_next&place|chang|modif|overw",
)
def lstm_1step(da_next, dc_next, cache):
    (newhid, newmem, hid, mem, ft, it, cct, ot, xt, pp) = cache
    n_a = hid.shape[0]
    dc_next += da_next * ot * (1 - np.tanh(newmem) ** 2)
    dzo = da_next * np.tanh(newmem) * ot * (1 - ot)
    dzc = dc_next * it * (1 - cct**2)
    dzi = dc_next * cct * it * (1 - it)
    dzf = dc_next * mem * ft * (1 - ft)
    conc = np.concatenate((hid, xt), axis=0)
    # print(conc.shape)
    dWf = np.dot(dzf, conc.T)
    dWi = np.dot(dzi, conc.T)
    dWc = np.dot(dzc, conc.T)
    dWo = np.dot(dzo, conc.T)
    dbf = np.sum(dzf, axis=1, keepdims=True)
    dbi = np.sum(dzi, axis=1, keepdims=True)
    dbc = np.sum(dzc, axis=1, keepdims=True)
    dbo = np.sum(dzo, axis=1, keepdims=True)
    dconc = np.dot(pp["Wf"].T, dzf)
    dconc += np.dot(pp["Wi"].T, dzi)
    dconc += np.dot(pp["Wc"].T, dzc)
    dconc += np.dot(pp["Wo"].T, dzo)
    return {
        "dxt": dconc[n_a:, :],
        "da_prev": dconc[:n_a, :],
        "dc_prev": dc_next * ft,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


def lstm_piece(da_next, dc_next, cache):
    # same as lstm_1step but leaves my arrays alone
    (newhid, newmem, hid, mem, ft, it, cct, ot, xt, pp) = cache
    n_a = hid.shape[0]
    dmem = dc_next + da_next * ot * (1 - np.tanh(newmem) ** 2)
    dzz = {}
    dzz["o"] = da_next * np.tanh(newmem) * ot * (1 - ot)
    dzz["c"] = dmem * it * (1 - cct**2)
    dzz["i"] = dmem * cct * it * (1 - it)
    dzz["f"] = dmem * mem * ft * (1 - ft)
    conc = np.concatenate((hid, xt), axis=0)
    gg = {}
    dconc = 0
    for key in dzz:
        gg["dW" + key] = np.dot(dzz[key], conc.T)
        gg["db" + key] = np.sum(dzz[key], axis=1, keepdims=True)
        dconc = dconc + np.dot(pp["W" + key].T, dzz[key])
    gg["dxt"] = dconc[n_a:]
    gg["da_prev"] = dconc[:n_a]
    gg["dc_prev"] = dmem * ft
    return gg


@wrong(
    "lstm_backward",
    "a copied line: dWi sums up the steps' dWf",
    "from memory",
    step=-1,
)
def lstm_back(da, caches):
    saved, x = caches
    n_a, m, T = da.shape
    pp = saved[0][-1]
    dx = np.zeros(x.shape)
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    dWf = np.zeros(pp["Wf"].shape)
    dWi = np.zeros(pp["Wf"].shape)
    dWc = np.zeros(pp["Wf"].shape)
    dWo = np.zeros(pp["Wf"].shape)
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros((n_a, 1))
    dbc = np.zeros((n_a, 1))
    dbo = np.zeros((n_a, 1))
    for t in reversed(range(T)):
        gg = lstm_piece(da[:, :, t] + da_prevt, dc_prevt, saved[t])
        da_prevt = gg["da_prev"]
        dc_prevt = gg["dc_prev"]
        dx[:, :, t] = gg["dxt"]
        dWf += gg["dWf"]
        dWi += gg["dWf"]
        dWc += gg["dWc"]
        dWo += gg["dWo"]
        dbf += gg["dbf"]
        dbi += gg["dbi"]
        dbc += gg["dbc"]
        dbo += gg["dbo"]
        # print(t, dWi.sum(), dWf.sum())
    return {
        "dx": dx,
        "da0": da_prevt,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


def lstm_1go_ntd(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    A = x.dot(Wx) + prev_h.dot(Wh) + b
    ai = A[:, :H]
    af = A[:, H : 2 * H]
    ao = A[:, 2 * H : 3 * H]
    ag = A[:, 3 * H :]
    i = sigm(ai)
    f = sigm(af)
    o = sigm(ao)
    g = np.tanh(ag)
    newc = f * prev_c + i * g
    newh = o * np.tanh(newc)
    bag = {}
    bag["x"], bag["h"], bag["c"], bag["newc"] = x, prev_h, prev_c, newc
    bag["i"], bag["f"], bag["o"], bag["g"], bag["ag"] = i, f, o, g, ag
    bag["Wx"], bag["Wh"] = Wx, Wh
    return newh, newc, bag


@wrong(
    "lstm_cell_backward",
    "the candidate's derivative is 1 minus the square of what went into its tanh",
    "from memory; both were in the cache",
    convention="ntd",
    forward=lstm_1go_ntd,
)
def lstm_1back_ntd(dnext_h, dnext_c, bag):
    x, h, c, newc = bag["x"], bag["h"], bag["c"], bag["newc"]
    i, f, o, g, ag = bag["i"], bag["f"], bag["o"], bag["g"], bag["ag"]
    tt = np.tanh(newc)
    do = dnext_h * tt
    dmem = dnext_c + dnext_h * o * (1 - tt * tt)
    df = dmem * c
    dprev_c = dmem * f
    di = dmem * g
    dg = dmem * i
    dai = di * i * (1 - i)
    daf = df * f * (1 - f)
    dao = do * o * (1 - o)
    dag = dg * (1 - ag * ag)
    dA = np.hstack([dai, daf, dao, dag])
    # print(dA.shape)
    dx = dA.dot(bag["Wx"].T)
    dprev_h = dA.dot(bag["Wh"].T)
    dWx = x.T.dot(dA)
    dWh = h.T.dot(dA)
    db = dA.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


@right(
    "lstm_cell_backward",
    "block by block into arrays made before, derivatives with np.cosh",
    convention="ntd",
    forward=lstm_1go_ntd,
)
def lstm_1back_cosh(dnext_h, dnext_c, bag):
    N, H = dnext_h.shape
    dmem = dnext_c + dnext_h * bag["o"] / np.cosh(bag["newc"]) ** 2
    dA = np.empty((N, 4 * H))
    dA[:, 0 * H : 1 * H] = dmem * bag["g"] * bag["i"] * (1 - bag["i"])
    dA[:, 1 * H : 2 * H] = dmem * bag["c"] * bag["f"] * (1 - bag["f"])
    dA[:, 2 * H : 3 * H] = dnext_h * np.tanh(bag["newc"]) * bag["o"] * (1 - bag["o"])
    dA[:, 3 * H : 4 * H] = dmem * bag["i"] / np.cosh(bag["ag"]) ** 2
    dWx = np.zeros(bag["Wx"].shape)
    dWh = np.zeros(bag["Wh"].shape)
    db = np.zeros(4 * H)
    for ex in range(N):  # one example after the other
        dWx += np.outer(bag["x"][ex], dA[ex])
        dWh += np.outer(bag["h"][ex], dA[ex])
        db += dA[ex]
    return dA @ bag["Wx"].T, dA @ bag["Wh"].T, dmem * bag["f"], dWx, dWh, db


@wrong(
    "lstm_backward",
    "dx takes Wi twice and Wo never; and the tanh's derivative is 1 - c_next squared",
    "from memory",
    tags="double",
)
def lstm_back_long(da, caches):
    saved, x = caches
    n_x, m, T = x.shape
    n_a = da.shape[0]
    dx = np.zeros((n_x, m, T))
    tot = {}
    dhid = np.zeros((n_a, m))
    dmem = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        (newhid, newmem, hid, mem, ft, it, cct, ot, xt, pp) = saved[t]
        Wf, Wi, Wc, Wo = pp["Wf"], pp["Wi"], pp["Wc"], pp["Wo"]
        wob = da[:, :, t] + dhid
        dmem = dmem + wob * ot * (1 - newmem**2)
        dzo = wob * np.tanh(newmem) * ot * (1 - ot)
        dzc = dmem * it * (1 - cct**2)
        dzi = dmem * cct * it * (1 - it)
        dzf = dmem * mem * ft * (1 - ft)
        conc = np.vstack((hid, xt))
        for nam, dzz in [("f", dzf), ("i", dzi), ("c", dzc), ("o", dzo)]:
            if t == T - 1:
                tot["dW" + nam] = np.zeros((n_a, n_a + n_x))
                tot["db" + nam] = np.zeros((n_a, 1))
            tot["dW" + nam] += np.dot(dzz, conc.T)
            tot["db" + nam] += np.sum(dzz, axis=1, keepdims=True)
        dhid = (
            np.dot(Wf[:, :n_a].T, dzf)
            + np.dot(Wi[:, :n_a].T, dzi)
            + np.dot(Wc[:, :n_a].T, dzc)
            + np.dot(Wo[:, :n_a].T, dzo)
        )
        dx[:, :, t] = (
            np.dot(Wf[:, n_a:].T, dzf)
            + np.dot(Wi[:, n_a:].T, dzi)
            + np.dot(Wc[:, n_a:].T, dzc)
            + np.dot(Wi[:, n_a:].T, dzo)
        )
        dmem = dmem * ft
        # print(t, dhid.shape, dx.shape)
    tot["dx"] = dx
    tot["da0"] = dhid
    return tot


# ---------- PART 3: GRU ----------


def gru_1go(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    r = sigm(x.dot(Wx[:, :H]) + prev_h.dot(Wh[:, :H]) + b[:H])
    z = sigm(x.dot(Wx[:, H : 2 * H]) + prev_h.dot(Wh[:, H : 2 * H]) + b[H : 2 * H])
    n = np.tanh(x.dot(Wx[:, 2 * H :]) + (r * prev_h).dot(Wh[:, 2 * H :]) + b[2 * H :])
    newh = (1 - z) * n + z * prev_h
    return newh, (x, prev_h, r, z, n, Wx, Wh)


def gru_go(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    saved = []
    now = h0
    for t in range(T):
        now, stuff = gru_1go(x[:, t], now, Wx, Wh, b)
        h[:, t] = now
        saved.append(stuff)
    return h, saved


@wrong(
    "gru_cell_backward",
    "dr is the candidate's gradient times h @ Whn, as if r stood after the product",
    "the formula for the reset gate is that of a library which applies r after the product",
    convention="ntd",
    forward=gru_1go,
)
def gru_1back(dnext_h, stuff):
    x, h, r, z, n, Wx, Wh = stuff
    H = h.shape[1]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    dn = dnext_h * (1 - z)
    dzn = dn * (1 - n * n)
    dz = dnext_h * (h - n)
    dzz = dz * z * (1 - z)
    dr = dzn * h.dot(Whn)
    dzr = dr * r * (1 - r)
    # print(dr.mean(), dz.mean(), dn.mean())
    dprev_h = dnext_h * z
    dprev_h = dprev_h + dzr.dot(Whr.T)
    dprev_h = dprev_h + dzz.dot(Whz.T)
    dprev_h = dprev_h + dzn.dot(Whn.T) * r
    dall = np.concatenate([dzr, dzz, dzn], axis=1)
    dx = dall.dot(Wx.T)
    dWx = x.T.dot(dall)
    dWh = np.concatenate([h.T.dot(dzr), h.T.dot(dzz), (h * r).T.dot(dzn)], axis=1)
    return dx, dprev_h, dWx, dWh, dall.sum(axis=0)


@wrong(
    "gru_backward",
    "update and reset gate change places where dWx, db and dx are made from all three",
    "from memory",
    convention="ntd",
    forward=gru_go,
)
def gru_back(dh, saved):
    N, T, H = dh.shape
    x, h, r, z, n, Wx, Wh = saved[0]
    dx = np.zeros((N, T, x.shape[1]))
    dWx = np.zeros_like(Wx)
    dWh = np.zeros_like(Wh)
    db = np.zeros(3 * H)
    carry = np.zeros((N, H))
    for t in reversed(range(T)):
        x, h, r, z, n, Wx, Wh = saved[t]
        wob = dh[:, t] + carry
        dzn = wob * (1 - z) * (1 - n**2)
        dzz = wob * (h - n) * z * (1 - z)
        drh = dzn.dot(Wh[:, 2 * H :].T)
        dzr = drh * h * r * (1 - r)
        dWh[:, :H] += h.T.dot(dzr)
        dWh[:, H : 2 * H] += h.T.dot(dzz)
        dWh[:, 2 * H :] += (r * h).T.dot(dzn)
        dall = np.hstack([dzz, dzr, dzn])
        dWx += x.T.dot(dall)
        db += dall.sum(axis=0)
        dx[:, t] = dall.dot(Wx.T)
        carry = wob * z + drh * r + dzr.dot(Wh[:, :H].T) + dzz.dot(Wh[:, H : 2 * H].T)
        # print("t", t, carry.max())
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "a copied line: the update gate gets r * (1 - r); and 1 - z for z on the straight way",
    "from memory",
    tags="double",
    convention="ntd",
    forward=gru_1go,
)
def gru_1back_old(dnext_h, stuff):
    x, h, r, z, n, Wx, Wh = stuff
    H = h.shape[1]
    dn = dnext_h * (1 - z)
    dzn = dn * (1 - n**2)
    drh = np.dot(dzn, Wh[:, 2 * H :].T)
    dr = drh * h
    dzr = dr * r * (1 - r)
    dz = dnext_h * h - dnext_h * n
    dzz = dz * r * (1 - r)
    dprev_h = (1 - z) * dnext_h
    dprev_h += drh * r
    dprev_h += np.dot(dzr, Wh[:, :H].T)
    dprev_h += np.dot(dzz, Wh[:, H : 2 * H].T)
    dWx = np.zeros(Wx.shape)
    dWx[:, :H] = np.dot(x.T, dzr)
    dWx[:, H : 2 * H] = np.dot(x.T, dzz)
    dWx[:, 2 * H :] = np.dot(x.T, dzn)
    dWh = np.zeros(Wh.shape)
    dWh[:, :H] = np.dot(h.T, dzr)
    dWh[:, H : 2 * H] = np.dot(h.T, dzz)
    dWh[:, 2 * H :] = np.dot((r * h).T, dzn)
    db = np.zeros(3 * H)
    db[:H] = np.sum(dzr, axis=0)
    db[H : 2 * H] = np.sum(dzz, axis=0)
    db[2 * H :] = np.sum(dzn, axis=0)
    dx = np.dot(dzr, Wx[:, :H].T)
    dx += np.dot(dzz, Wx[:, H : 2 * H].T)
    dx += np.dot(dzn, Wx[:, 2 * H :].T)
    # print(dx)
    return dx, dprev_h, dWx, dWh, db


# ---------- the part with the softmax ----------


@wrong(
    "readout_backward",
    "divided by the number of examples alone, not by that of the steps too",
    "from memory",
)
def out_back(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    Wya = parameters["Wya"]
    da = np.zeros(a.shape)
    dWya = np.zeros(Wya.shape)
    dby = np.zeros((n_y, 1))
    for t in range(T):
        dy = y_pred[:, :, t].copy()
        dy[labels[:, t], range(m)] -= 1
        dy /= m
        dWya += np.dot(dy, a[:, :, t].T)
        dby += dy.sum(axis=1, keepdims=True)
        da[:, :, t] = np.dot(Wya.T, dy)
        # print("loss t", t)
    return {"da": da, "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "y minus the labels is multiplied by y * (1 - y), as though the softmax were still to come",
    "from memory; two formulas of the same blog post in one line",
)
def out_back2(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    target = np.zeros((n_y, m, T))
    for ex in range(m):
        for t in range(T):
            target[labels[ex, t], ex, t] = 1
    dsm = (y_pred - target) * y_pred * (1 - y_pred) / (m * T)
    dWya = np.zeros(parameters["Wya"].shape)
    da = np.zeros(a.shape)
    for t in range(T):
        dWya += dsm[:, :, t].dot(a[:, :, t].T)
        da[:, :, t] = parameters["Wya"].T.dot(dsm[:, :, t])
    dby = dsm.sum(axis=2).sum(axis=1).reshape(n_y, 1)
    # print(da.shape)
    return {"da": da, "dWya": dWya, "dby": dby}
