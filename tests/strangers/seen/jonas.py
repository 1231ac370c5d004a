"""Jonas: second year, the night before the deadline. Half of it pasted from older cells."""

import numpy as np
from strangers.made import right, wrong


def softmax(x):
    e_x = np.exp(x - np.max(x, axis=0))
    return e_x / e_x.sum(axis=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ============ week 1: rnn ============


def cell_back(da_next, cache):
    """works (checked!)"""
    (a_next, a_prev, xt, parameters) = cache
    dtanh = (1 - a_next**2) * da_next
    gradients = {
        "dxt": np.dot(parameters["Wax"].T, dtanh),
        "dWax": np.dot(dtanh, xt.T),
        "da_prev": np.dot(parameters["Waa"].T, dtanh),
        "dWaa": np.dot(dtanh, a_prev.T),
        "dba": np.sum(dtanh, axis=1, keepdims=True),
    }
    return gradients


@wrong(
    "rnn_backward",
    "zip of reversed steps with caches that are not reversed: da[t] meets the cache of T-1-t",
    "from memory",
    tags="time",
)
def zipped(da, caches):
    (caches, x) = caches
    n_x, m, T_x = x.shape
    dx = np.zeros((n_x, m, T_x))
    dWax, dWaa, dba = 0, 0, 0
    da_prevt = 0
    for t, cache in zip(reversed(range(T_x)), caches):
        gradients = cell_back(da[:, :, t] + da_prevt, cache)
        dx[:, :, t] = gradients["dxt"]
        da_prevt = gradients["da_prev"]
        dWax += gradients["dWax"]
        dWaa += gradients["dWaa"]
        dba += gradients["dba"]
    return {"dx": dx, "da0": da_prevt, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_cell_backward",
    "the cache is unpacked as a_prev, a_next: the two are exchanged",
    "from memory",
)
def unpacked_in_the_order_of_time(da_next, cache):
    (a_prev, a_next, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    dtanh = da_next * (1 - a_next * a_next)
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)
    da_prev = np.dot(Waa.T, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)
    dba = np.sum(dtanh, axis=1, keepdims=True)
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_forward",
    "the prediction is made from the a before the step",
    "from memory, the cell pasted into the loop",
)
def predicts_before_the_step(x, a0, parameters):
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    ba, by = parameters["ba"], parameters["by"]
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = Wya.shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    a_prev = a0
    for t in range(T_x):
        xt = x[:, :, t]
        a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
        yt_pred = softmax(np.dot(Wya, a_prev) + by)
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt_pred
        caches.append((a_next, a_prev, xt, parameters))
        a_prev = a_next
    return a, y_pred, (caches, x)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, b, next_h)


@wrong(
    "rnn_cell_backward",
    "(1 - next_h) ** 2 for 1 - next_h ** 2, and dprev_h with Wh where Wh.T belongs",
    "from memory",
    convention="ntd",
    forward=rnn_step_forward,
    tags="double",
)
def step_of_the_other_course(dnext_h, cache):
    x, prev_h, Wx, Wh, b, next_h = cache
    dz = dnext_h * (1 - next_h) ** 2
    dx = dz @ Wx.T
    dprev_h = dz @ Wh
    dWx = x.T @ dz
    dWh = prev_h.T @ dz
    db = dz.sum(0)
    return dx, dprev_h, dWx, dWh, db


# ============ week 1: lstm ============


def lstm_cell_back(da_next, dc_next, cache):
    """works too, from last week"""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0)
    gradients = {"dc_prev": dc * ft}
    dconcat = 0
    for k, d in (("f", dft), ("i", dit), ("c", dcct), ("o", dot)):
        gradients["dW" + k] = np.dot(d, concat.T)
        gradients["db" + k] = np.sum(d, axis=1, keepdims=True)
        dconcat = dconcat + np.dot(parameters["W" + k].T, d)
    gradients["da_prev"] = dconcat[:n_a, :]
    gradients["dxt"] = dconcat[n_a:, :]
    return gradients


@wrong(
    "lstm_backward",
    "da_prevt starts with the last da, which the loop adds again",
    "from memory",
    step=-1,
)
def last_one_counted_twice(da, caches):
    (caches, x) = caches
    n_x, m, T_x = x.shape
    dx = np.zeros(x.shape)
    da_prevt = da[:, :, T_x - 1]
    dc_prevt = np.zeros_like(da_prevt)
    out = {}
    for t in reversed(range(T_x)):
        gradients = lstm_cell_back(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["dc_prev"]
        dx[:, :, t] = gradients["dxt"]
        for k in ("dWf", "dWi", "dWc", "dWo", "dbf", "dbi", "dbc", "dbo"):
            out[k] = out.get(k, 0) + gradients[k]
    out["dx"] = dx
    out["da0"] = da_prevt
    return out


@wrong(
    "lstm_cell_backward",
    "the line of dft pasted for dit, changed but for the last factor: it * (1 - ft)",
    "from memory",
)
def pasted_gate_line(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = a_next.shape[0]
    Wf, Wi, Wc, Wo = (parameters[k] for k in ["Wf", "Wi", "Wc", "Wo"])
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    dcct = (dc_next + ot * (1 - tc**2) * da_next) * it * (1 - cct**2)
    dft = (dc_next + ot * (1 - tc**2) * da_next) * c_prev * ft * (1 - ft)
    dit = (dc_next + ot * (1 - tc**2) * da_next) * cct * it * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0).T
    dWf = np.dot(dft, concat)
    dWi = np.dot(dit, concat)
    dWc = np.dot(dcct, concat)
    dWo = np.dot(dot, concat)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)
    d = np.dot(Wf.T, dft) + np.dot(Wi.T, dit) + np.dot(Wc.T, dcct) + np.dot(Wo.T, dot)
    dc_prev = (dc_next + ot * (1 - tc**2) * da_next) * ft
    return {
        "dxt": d[n_a:],
        "da_prev": d[:n_a],
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


@wrong(
    "lstm_cell_backward",
    "da_prev sends dot through Wc (Wo in dxt alone), and dot has c_next without its tanh",
    "from memory",
    tags="double",
)
def two_in_the_long_one(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = a_next.shape[0]
    Wf, Wi, Wc, Wo = (parameters[k] for k in ["Wf", "Wi", "Wc", "Wo"])
    dc = dc_next + ot * (1 - np.square(np.tanh(c_next))) * da_next
    dot = da_next * c_next * ot * (1 - ot)
    dcct = dc * it * (1 - np.square(cct))
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)
    da_prev = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wc[:, :n_a].T, dcct)
        + np.dot(Wc[:, :n_a].T, dot)
    )
    dxt = (
        np.dot(Wf[:, n_a:].T, dft)
        + np.dot(Wi[:, n_a:].T, dit)
        + np.dot(Wc[:, n_a:].T, dcct)
        + np.dot(Wo[:, n_a:].T, dot)
    )
    gradients = {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * ft}
    concat = np.vstack((a_prev, xt))
    gradients["dWf"] = dft.dot(concat.T)
    gradients["dWi"] = dit.dot(concat.T)
    gradients["dWc"] = dcct.dot(concat.T)
    gradients["dWo"] = dot.dot(concat.T)
    gradients["dbf"] = dft.sum(axis=1, keepdims=True)
    gradients["dbi"] = dit.sum(axis=1, keepdims=True)
    gradients["dbc"] = dcct.sum(axis=1, keepdims=True)
    gradients["dbo"] = dot.sum(axis=1, keepdims=True)
    return gradients


@wrong(
    "lstm_backward",
    "dc_prevt += instead of =, like the lines of the weights below it",
    "from memory",
)
def plus_equals_everywhere(da, caches):
    (caches, x) = caches
    n_x, m, T_x = x.shape
    n_a = da.shape[0]
    dx = np.zeros((n_x, m, T_x))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    dWf = np.zeros((n_a, n_a + n_x))
    dWi = np.zeros((n_a, n_a + n_x))
    dWc = np.zeros((n_a, n_a + n_x))
    dWo = np.zeros((n_a, n_a + n_x))
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros((n_a, 1))
    dbc = np.zeros((n_a, 1))
    dbo = np.zeros((n_a, 1))
    for t in reversed(range(T_x)):
        gradients = lstm_cell_back(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dc_prevt += gradients["dc_prev"]
        dx[:, :, t] = gradients["dxt"]
        dWf += gradients["dWf"]
        dWi += gradients["dWi"]
        dWc += gradients["dWc"]
        dWo += gradients["dWo"]
        dbf += gradients["dbf"]
        dbi += gradients["dbi"]
        dbc += gradients["dbc"]
        dbo += gradients["dbo"]
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


@wrong(
    "lstm_forward",
    "c[:, :, t] is stored before the cell is called: one step late, zeros first",
    "from memory",
    tags="time",
)
def stores_c_first(x, a0, parameters):
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))
    a_next = a0
    c_next = np.zeros(a_next.shape)
    for t in range(T_x):
        xt = x[:, :, t]
        c[:, :, t] = c_next
        a_prev, c_prev = a_next, c_next
        concat = np.concatenate((a_prev, xt), axis=0)
        ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
        it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
        cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
        c_next = ft * c_prev + it * cct
        ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
        a_next = ot * np.tanh(c_next)
        a[:, :, t] = a_next
        y[:, :, t] = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
        caches.append((a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters))
    return a, y, c, (caches, x)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    A = x @ Wx + prev_h @ Wh + b
    i = sigmoid(A[:, :H])
    f = sigmoid(A[:, H : 2 * H])
    o = sigmoid(A[:, 2 * H : 3 * H])
    g = np.tanh(A[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


@wrong(
    "lstm_cell_backward",
    "dprev_c = dc; dprev_c *= f changes dc too, and i, f, g get it times f",
    "from memory",
    convention="ntd",
    forward=lstm_step_forward,
    tags="view",
)
def star_equals(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    dc = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
    dprev_c = dc
    dprev_c *= f
    di = dc * g * i * (1 - i)
    df = dc * prev_c * f * (1 - f)
    do = dnext_h * np.tanh(next_c) * o * (1 - o)
    dg = dc * i * (1 - g**2)
    dA = np.hstack((di, df, do, dg))
    return dA @ Wx.T, dA @ Wh.T, dprev_c, x.T @ dA, prev_h.T @ dA, dA.sum(axis=0)


# ============ gru (exercise sheet 5) ============


def gru_step_forward(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    r = sigmoid(x @ Wx[:, :H] + prev_h @ Wh[:, :H] + b[:H])
    z = sigmoid(x @ Wx[:, H : 2 * H] + prev_h @ Wh[:, H : 2 * H] + b[H : 2 * H])
    n = np.tanh(x @ Wx[:, 2 * H :] + (r * prev_h) @ Wh[:, 2 * H :] + b[2 * H :])
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, Wx, Wh, r, z, n)


def gru_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    cache = []
    prev_h = h0
    for t in range(T):
        prev_h, c = gru_step_forward(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = prev_h
        cache.append(c)
    return h, cache


@wrong(
    "gru_backward",
    "backward of the other GRU, r * (prev_h @ Whn): r stands behind the product",
    "the backward pasted from an older project that followed PyTorch's formula",
    convention="ntd",
    forward=gru_forward,
)
def pasted_from_the_torch_project(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, 3 * H))
    dWh = np.zeros((H, 3 * H))
    db = np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, Wx, Wh, r, z, n = cache[t]
        dnext_h = dh[:, t, :] + dprev_h
        dn = dnext_h * (1 - z) * (1 - n**2)
        dz = dnext_h * (prev_h - n) * z * (1 - z)
        dr = dn * (prev_h @ Wh[:, 2 * H :]) * r * (1 - r)
        dgi = np.hstack((dr, dz, dn))
        dgh = np.hstack((dr, dz, dn * r))
        dx[:, t, :] = dgi @ Wx.T
        dprev_h = dnext_h * z + dgh @ Wh.T
        dWx += x.T @ dgi
        dWh += prev_h.T @ dgh
        db += dgi.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "dn and the direct way to prev_h with z and 1 - z exchanged, as in the original paper",
    "half of it taken from a blog that has h = (1 - z) h_prev + z n",
    convention="ntd",
    forward=gru_step_forward,
    tags="double",
)
def blog_has_z_the_other_way(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = prev_h.shape[1]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    dn = dnext_h * z * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    dprev_h = dnext_h * (1 - z) + drh * r + dz @ Whz.T + dr @ Whr.T
    dA = np.hstack((dr, dz, dn))
    dWh = np.hstack((prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn))
    return dA @ Wx.T, dprev_h, x.T @ dA, dWh, dA.sum(axis=0)


@wrong(
    "gru_backward",
    "the last part of dprev_h is assigned with = and not +=: only drh * r is left",
    "from memory",
    convention="ntd",
    forward=gru_forward,
)
def one_plus_missing(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][2], cache[0][3]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        x, prev_h, _, _, r, z, n = cache[t]
        dnext_h = dh[:, t, :] + dprev_h
        dn = dnext_h * (1 - z) * (1 - n**2)
        dz = dnext_h * (prev_h - n) * z * (1 - z)
        drh = dn @ Wh[:, 2 * H :].T
        dr = drh * prev_h * r * (1 - r)
        dprev_h = dnext_h * z
        dprev_h += dz @ Wh[:, H : 2 * H].T
        dprev_h += dr @ Wh[:, :H].T
        dprev_h = drh * r
        dx[:, t, :] = np.hstack((dr, dz, dn)) @ Wx.T
        dWx += x.T @ np.hstack((dr, dz, dn))
        dWh[:, :H] += prev_h.T @ dr
        dWh[:, H : 2 * H] += prev_h.T @ dz
        dWh[:, 2 * H :] += (r * prev_h).T @ dn
        db += np.hstack((dr, dz, dn)).sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


# ============ loss ============


@wrong(
    "readout_backward",
    "one-hot labels (m, T, n_y) brought to (n_y, m, T) by reshape, which scrambles them",
    "from memory: the shape error went away with it",
)
def reshaped_until_it_fits(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    n_a = a.shape[0]
    one_hot = np.eye(n_y)[labels].reshape(n_y, m, T)
    dz = (y_pred - one_hot) / (m * T)
    da = np.zeros((n_a, m, T))
    dWya = np.zeros((n_y, n_a))
    dby = np.zeros((n_y, 1))
    for t in range(T):
        da[:, :, t] = np.dot(parameters["Wya"].T, dz[:, :, t])
        dWya += np.dot(dz[:, :, t], a[:, :, t].T)
        dby += np.sum(dz[:, :, t], axis=1, keepdims=True)
    return {"da": da, "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "dz = y_pred without a copy: the probabilities given are changed in place",
    "the old lines of the softmax loss, where nobody needed the probabilities again",
    words="y_pred&(?i)in place|in-place|chang|modif|overwr|mutat",
    tags="view",
)
def dscores_are_probs(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = y_pred
    for j in range(m):
        for t in range(T):
            dz[labels[j, t], j, t] -= 1
    dz /= m * T
    flat = dz.reshape(n_y, m * T)
    return {
        "da": np.dot(parameters["Wya"].T, flat).reshape(a.shape),
        "dWya": np.dot(flat, a.reshape(len(a), m * T).T),
        "dby": np.sum(flat, axis=1, keepdims=True),
    }


# ============ those that passed ============


@right("rnn_backward", "pops das and caches off lists, the sums in a dict by name")
def popping(da, caches):
    todo, x = list(caches[0]), caches[1]
    das = list(np.moveaxis(da, 2, 0))
    dxs = []
    total = None
    da_prevt = np.zeros(da.shape[:2])
    while todo:
        g = cell_back(das.pop() + da_prevt, todo.pop())
        da_prevt = g.pop("da_prev")
        dxs.append(g.pop("dxt"))
        total = g if total is None else {k: total[k] + g[k] for k in g}
    dxs.reverse()
    return {"dx": np.dstack(dxs), "da0": da_prevt, **total}


@right(
    "gru_backward",
    "one sample at a time, with vectors and np.outer",
    convention="ntd",
    forward=gru_forward,
)
def sample_by_sample(dh, cache):
    N, T, H = dh.shape
    _, _, Wx, Wh, _, _, _ = cache[0]
    dx, dh0 = np.zeros((N, T, len(Wx))), np.zeros((N, H))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    for j in range(N):
        d = np.zeros(H)
        for t in reversed(range(T)):
            x, hp, _, _, r, z, n = cache[t]
            x, hp, r, z, n = x[j], hp[j], r[j], z[j], n[j]
            d = d + dh[j, t]
            dn = d * (1 - z) * (1 - n**2)
            dz = -d * (n - hp) * z * (1 - z)
            drh = np.dot(Wh[:, 2 * H :], dn)
            dr = drh * hp * r * (1 - r)
            dA = np.r_[dr, dz, dn]
            dx[j, t] = np.dot(Wx, dA)
            dWx += np.outer(x, dA)
            dWh += np.hstack((np.outer(hp, dA[: 2 * H]), np.outer(r * hp, dn)))
            db += dA
            d = d * z + r * drh + np.dot(Wh[:, : 2 * H], dA[: 2 * H])
        dh0[j] = d
    return dx, dh0, dWx, dWh, db
