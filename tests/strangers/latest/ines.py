"""Ines, signal-processing engineer. Everything is an einsum; indices: i, j units, k inputs, m examples, t time, g gates, c classes."""

import numpy as np
from strangers.made import right, wrong

es = np.einsum


def sig(u):
    return 1 / (1 + np.exp(-u))


def tapes(caches, *slots):
    """Puts the caches side by side, time last."""
    return [np.stack([c[s] for c in caches], axis=-1) for s in slots]


# ---------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_backward",
    "dWaa's einsum writes the output indices the wrong way round: transposed",
    "from memory",
)
def waa_output_ji(da_next, cache):
    a, h, x, p = cache
    dz = es("im,im->im", da_next, 1 - a * a)
    return {
        "dxt": es("ik,im->km", p["Wax"], dz),
        "da_prev": es("ij,im->jm", p["Waa"], dz),
        "dWax": es("im,km->ik", dz, x),
        "dWaa": es("im,jm->ji", dz, h),
        "dba": es("im->i", dz)[:, None],
    }


@wrong(
    "rnn_backward",
    "dWaa pairs dz_t with a_t itself, the output of the same step, after stacking the wrong slot",
    "from memory",
)
def waa_meets_its_own_output(da, caches):
    cs, x = caches
    p = cs[0][3]
    (a,) = tapes(cs, 0)
    n, m, T = da.shape
    dz = np.empty((n, m, T))
    back = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        dz[..., t] = (da[..., t] + back) * (1 - a[..., t] ** 2)
        back = es("ij,im->jm", p["Waa"], dz[..., t])
    return {
        "dx": es("ik,imt->kmt", p["Wax"], dz),
        "da0": back,
        "dWax": es("imt,kmt->ik", dz, x),
        "dWaa": es("imt,jmt->ij", dz, a),
        "dba": es("imt->i", dz)[:, None],
    }


@wrong("rnn_cell_forward", "Waa is contracted over its first index", "from memory")
def waa_contracts_rows(xt, a_prev, parameters):
    p = parameters
    z = es("ik,km->im", p["Wax"], xt) + es("ij,im->jm", p["Waa"], a_prev) + p["ba"]
    a = np.tanh(z)
    s = es("ci,im->cm", p["Wya"], a) + p["by"]
    e = np.exp(s - s.max(axis=0))
    return a, e / es("cm->m", e), (a, a_prev, xt, p)


# ---------------------------------------------------------------- lstm


def split(p, n):
    """Recurrent and input weights with the gate as the first index, order f i c o."""
    W = np.stack([p["Wf"], p["Wi"], p["Wc"], p["Wo"]])
    return W[:, :, :n], W[:, :, n:]


def named(dU, dV, db):
    out = {}
    for g, k in enumerate("fico"):
        out["dW" + k] = np.concatenate([dU[g], dV[g]], axis=1)
        out["db" + k] = db[g][:, None]
    return out


@wrong(
    "lstm_cell_backward",
    "the einsum that takes da_prev through the gates contracts the recurrent weights over their column index",
    "from memory",
)
def recurrent_side_not_transposed(da_next, dc_next, cache):
    a, c, h, b, f, i, g, o, x, p = cache
    U, V = split(p, a.shape[0])
    th = np.tanh(c)
    dc = dc_next + da_next * o * (1 - th**2)
    dG = np.stack(
        [
            dc * b * f * (1 - f),
            dc * g * i * (1 - i),
            dc * i * (1 - g**2),
            da_next * th * o * (1 - o),
        ]
    )
    return {
        "dxt": es("gik,gim->km", V, dG),
        "da_prev": es("gij,gjm->im", U, dG),
        "dc_prev": dc * f,
        **named(es("gim,jm->gij", dG, h), es("gim,km->gik", dG, x), es("gim->gi", dG)),
    }


@wrong(
    "lstm_cell_backward",
    "dc_prev: the bracket closes too early, f multiplies dc_next only",
    "from memory",
)
def forget_on_half(da_next, dc_next, cache):
    a, c, h, b, f, i, g, o, x, p = cache
    U, V = split(p, a.shape[0])
    th = np.tanh(c)
    via_a = es("im,im,im->im", da_next, o, 1 - th**2)
    dc = dc_next + via_a
    dG = np.stack(
        [
            dc * b * f * (1 - f),
            dc * g * i * (1 - i),
            dc * i * (1 - g**2),
            da_next * th * o * (1 - o),
        ]
    )
    return {
        "dxt": es("gik,gim->km", V, dG),
        "da_prev": es("gij,gim->jm", U, dG),
        "dc_prev": es("im,im->im", f, dc_next) + via_a,
        **named(es("gim,jm->gij", dG, h), es("gim,km->gik", dG, x), es("gim->gi", dG)),
    }


@wrong(
    "lstm_backward",
    "the cell's gradient goes back through the forget gate of the step before",
    "from memory",
)
def forget_gate_one_early(da, caches):
    cs, x = caches
    p = cs[0][-1]
    c, h, b, f, i, g, o = tapes(cs, 1, 2, 3, 4, 5, 6, 7)
    n, m, T = da.shape
    U, V = split(p, n)
    th = np.tanh(c)
    dG = np.empty((4, n, m, T))
    dh, dc = np.zeros((n, m)), np.zeros((n, m))
    for t in reversed(range(T)):
        dh = dh + da[..., t]
        dc = dc + dh * o[..., t] * (1 - th[..., t] ** 2)
        dG[0, ..., t] = dc * b[..., t] * f[..., t] * (1 - f[..., t])
        dG[1, ..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dG[2, ..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dG[3, ..., t] = dh * th[..., t] * o[..., t] * (1 - o[..., t])
        dh = es("gij,gim->jm", U, dG[..., t])
        dc = dc * f[..., t - 1]
    return {
        "dx": es("gik,gimt->kmt", V, dG),
        "da0": dh,
        **named(
            es("gimt,jmt->gij", dG, h), es("gimt,kmt->gik", dG, x), es("gimt->gi", dG)
        ),
    }


@wrong(
    "lstm_backward",
    "two: the input gate keeps only i of i(1-i), and the biases are averaged over the batch",
    "from memory",
)
def input_gate_and_mean_bias(da, caches):
    cs, x = caches
    p = cs[0][-1]
    c, h, b, f, i, g, o = tapes(cs, 1, 2, 3, 4, 5, 6, 7)
    n, m, T = da.shape
    U, V = split(p, n)
    th = np.tanh(c)
    # local slopes of all four gates, once for all times
    slope = np.stack([b * f * (1 - f), g * i, i * (1 - g**2), th * o * (1 - o)])
    dG = np.empty((4, n, m, T))
    dh, dc = np.zeros((n, m)), np.zeros((n, m))
    for t in reversed(range(T)):
        dh = dh + da[..., t]
        dc = dc + dh * o[..., t] * (1 - th[..., t] ** 2)
        dG[..., t] = np.stack([dc, dc, dc, dh]) * slope[..., t]
        dh = es("gij,gim->jm", U, dG[..., t])
        dc = dc * f[..., t]
    return {
        "dx": es("gik,gimt->kmt", V, dG),
        "da0": dh,
        **named(
            es("gimt,jmt->gij", dG, h),
            es("gimt,kmt->gik", dG, x),
            dG.mean(axis=2).sum(axis=-1),
        ),
    }


@wrong(
    "lstm_cell_forward",
    "the new cell takes 1 - f in place of the input gate, as a GRU would",
    "from memory",
)
def coupled_gates(xt, a_prev, c_prev, parameters):
    p = parameters
    n = a_prev.shape[0]
    U, V = split(p, n)
    B = np.stack([p["bf"], p["bi"], p["bc"], p["bo"]])
    G = es("gij,jm->gim", U, a_prev) + es("gik,km->gim", V, xt) + B
    f, i, g, o = sig(G[0]), sig(G[1]), np.tanh(G[2]), sig(G[3])
    c = f * c_prev + (1 - f) * g
    a = o * np.tanh(c)
    s = es("ci,im->cm", p["Wy"], a) + p["by"]
    e = np.exp(s - s.max(axis=0))
    return a, c, e / e.sum(axis=0), (a, c, a_prev, c_prev, f, i, g, o, xt, p)


@right("lstm_backward", "all slopes first, then one recursion, then einsums over time")
def lstm_one_recursion(da, caches):
    cs, x = caches
    p = cs[0][-1]
    c, h, b, f, i, g, o = tapes(cs, 1, 2, 3, 4, 5, 6, 7)
    n, m, T = da.shape
    U, V = split(p, n)
    th = np.tanh(c)
    slope = np.stack(
        [b * f * (1 - f), g * i * (1 - i), i * (1 - g**2), th * o * (1 - o)]
    )
    dG = np.empty((4, n, m, T))
    dh, dc = np.zeros((n, m)), np.zeros((n, m))
    for t in reversed(range(T)):
        dh = dh + da[..., t]
        dc = dc + dh * o[..., t] * (1 - th[..., t] ** 2)
        dG[..., t] = np.stack([dc, dc, dc, dh]) * slope[..., t]
        dh = es("gij,gim->jm", U, dG[..., t])
        dc = dc * f[..., t]
    return {
        "dx": es("gik,gimt->kmt", V, dG),
        "da0": dh,
        **named(
            es("gimt,jmt->gij", dG, h), es("gimt,kmt->gik", dG, x), es("gimt->gi", dG)
        ),
    }


# ---------------------------------------------------------------- gru, layout of the other course (b = batch, d = input, h = hidden)


def gru_cell(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    Wx3, Wh3, b3 = Wx.reshape(-1, 3, H), Wh.reshape(H, 3, H), b.reshape(3, H)
    r = sig(es("nd,dh->nh", x, Wx3[:, 0]) + es("nj,jh->nh", prev_h, Wh3[:, 0]) + b3[0])
    z = sig(es("nd,dh->nh", x, Wx3[:, 1]) + es("nj,jh->nh", prev_h, Wh3[:, 1]) + b3[1])
    n = np.tanh(
        es("nd,dh->nh", x, Wx3[:, 2]) + es("nj,jh->nh", r * prev_h, Wh3[:, 2]) + b3[2]
    )
    return (1 - z) * n + z * prev_h, (x, prev_h, Wx3, Wh3, r, z, n)


def gru_all(x, h0, Wx, Wh, b):
    h, hs, cs = h0, [], []
    for t in range(x.shape[1]):
        h, c = gru_cell(x[:, t], h, Wx, Wh, b)
        hs.append(h)
        cs.append(c)
    return np.stack(hs, axis=1), (cs, x.shape)


@wrong(
    "gru_cell_backward",
    "the reset gate's slope is contracted with Wh of the candidate over the wrong index",
    "from memory",
    convention="ntd",
    forward=gru_cell,
)
def reset_through_wh_straight(dnext_h, cache):
    x, h, Wx3, Wh3, r, z, n = cache
    N, H = h.shape
    dn = dnext_h * (1 - z) * (1 - n**2)
    drh = es("nj,jh->nh", dn, Wh3[:, 2])
    dr = drh * h * r * (1 - r)
    dz = dnext_h * (h - n) * z * (1 - z)
    G = np.stack([dr, dz, dn], axis=1)
    dx = es("ngh,dgh->nd", G, Wx3)
    dprev = dnext_h * z + drh * r + es("ngh,jgh->nj", G[:, :2], Wh3[:, :2])
    dWh = np.concatenate(
        [es("nj,ngh->jgh", h, G[:, :2]), es("nj,nh->jh", r * h, dn)[:, None]], axis=1
    )
    return (
        dx,
        dprev,
        es("nd,ngh->dgh", x, G).reshape(-1, 3 * H),
        dWh.reshape(H, 3 * H),
        G.sum(axis=0).ravel(),
    )


@wrong(
    "gru_cell_backward",
    "one einsum for dWh of all gates: the candidate's block meets prev_h without the reset gate",
    "from memory",
    convention="ntd",
    forward=gru_cell,
)
def one_einsum_for_wh(dnext_h, cache):
    x, h, Wx3, Wh3, r, z, n = cache
    N, H = h.shape
    dn = dnext_h * (1 - z) * (1 - n**2)
    drh = es("nh,jh->nj", dn, Wh3[:, 2])
    dr = drh * h * r * (1 - r)
    dz = dnext_h * (h - n) * z * (1 - z)
    G = np.stack([dr, dz, dn], axis=1)
    dprev = dnext_h * z + drh * r + es("ngh,jgh->nj", G[:, :2], Wh3[:, :2])
    return (
        es("ngh,dgh->nd", G, Wx3),
        dprev,
        es("nd,ngh->dgh", x, G).reshape(-1, 3 * H),
        es("nj,ngh->jgh", h, G).reshape(H, 3 * H),
        es("ngh->gh", G).ravel(),
    )


@wrong(
    "gru_backward",
    "the gate axis is first when the biases and dWx are flattened: the blocks are transposed against each other in dWx",
    "from memory",
    convention="ntd",
    forward=gru_all,
)
def gates_flattened_in_the_wrong_order(dh, cache):
    cs, shape = cache
    N, T, D = shape
    H = dh.shape[2]
    Wx3, Wh3 = cs[0][2], cs[0][3]
    dx = np.empty(shape)
    dWx, dWh, db = np.zeros((3, D, H)), np.zeros((H, 3, H)), np.zeros((3, H))
    back = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        x, h, _, _, r, z, n = cs[t]
        d = dh[:, t] + back
        dn = d * (1 - z) * (1 - n**2)
        drh = es("nh,jh->nj", dn, Wh3[:, 2])
        G = np.stack([drh * h * r * (1 - r), d * (h - n) * z * (1 - z), dn])
        dx[:, t] = es("gnh,dgh->nd", G, Wx3)
        back = d * z + drh * r + es("gnh,jgh->nj", G[:2], Wh3[:, :2])
        dWx += es("nd,gnh->gdh", x, G)
        dWh[:, :2] += es("nj,gnh->jgh", h, G[:2])
        dWh[:, 2] += es("nj,nh->jh", r * h, dn)
        db += es("gnh->gh", G)
    return dx, back, dWx.reshape(D, 3 * H), dWh.reshape(H, 3 * H), db.ravel()


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "the mean is taken over classes as well: divided by the size of the whole array",
    "from memory",
)
def mean_over_everything(y_pred, labels, a, parameters):
    hot = np.moveaxis(np.eye(y_pred.shape[0])[labels], -1, 0)
    ds = (y_pred - hot) / y_pred.size
    return {
        "da": es("ci,cmt->imt", parameters["Wya"], ds),
        "dWya": es("cmt,imt->ci", ds, a),
        "dby": es("cmt->c", ds)[:, None],
    }


@wrong(
    "readout_backward",
    "the softmax's Jacobian keeps its diagonal only: -(1-p) at the label, nothing elsewhere",
    "from memory",
)
def diagonal_of_the_jacobian(y_pred, labels, a, parameters):
    C, m, T = y_pred.shape
    hot = np.moveaxis(np.eye(C)[labels], -1, 0)
    dp = -hot / y_pred / (m * T)
    ds = es("cmt,cmt,cmt->cmt", dp, y_pred, 1 - y_pred)
    return {
        "da": es("ci,cmt->imt", parameters["Wya"], ds),
        "dWya": es("cmt,imt->ci", ds, a),
        "dby": es("cmt->c", ds)[:, None],
    }


@right("readout_backward", "with the full Jacobian of the softmax")
def full_jacobian(y_pred, labels, a, parameters):
    C, m, T = y_pred.shape
    hot = np.moveaxis(np.eye(C)[labels], -1, 0)
    dp = -hot / y_pred / (m * T)
    ds = y_pred * dp - y_pred * es("cmt,cmt->mt", y_pred, dp)
    return {
        "da": es("ci,cmt->imt", parameters["Wya"], ds),
        "dWya": es("cmt,imt->ci", ds, a),
        "dby": es("cmt->c", ds)[:, None],
    }
