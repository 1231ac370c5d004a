"""Greta took CS231n first: everything is (N, D) or (N, T, D), gates come out of np.split."""

import numpy as np
from strangers.made import right, wrong


# ---------------------------------------------------------------- helpers


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def to_ntd(z):
    """(D, N, T) of the course -> (N, T, D) as it should be."""
    return z.transpose(1, 2, 0)


def from_ntd(z):
    """(N, T, D) -> (D, N, T)"""
    return z.transpose(2, 0, 1)


def stack_weights(p):
    """Course weights -> Wx (D, 4H), Wh (H, 4H), b (4H,), gates i, f, o, g."""
    H = p["bi"].shape[0]
    W = np.concatenate([p["Wi"], p["Wf"], p["Wo"], p["Wc"]], axis=0).T
    b = np.concatenate([p["bi"], p["bf"], p["bo"], p["bc"]]).ravel()
    return W[H:], W[:H], b


def unstack_grads(dWx, dWh, db):
    """dWx (D, 4H), dWh (H, 4H), db (4H,) -> names of the course."""
    dW = np.vstack([dWh, dWx])
    dWi, dWf, dWo, dWg = np.split(dW, 4, axis=1)
    dbi, dbf, dbo, dbg = np.split(db.reshape(-1, 1), 4, axis=0)
    return {
        "dWf": dWf.T,
        "dbf": dbf,
        "dWi": dWi.T,
        "dbi": dbi,
        "dWc": dWg.T,
        "dbc": dbg,
        "dWo": dWo.T,
        "dbo": dbo,
    }


# ---------------------------------------------------------------- my layers


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    cache = (x, prev_h, next_h, Wx, Wh)
    return next_h, cache


def rnn_layer_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev_h = h0
    for t in range(T):
        prev_h, _ = rnn_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
    return h, (x, h0, h, Wx, Wh)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    ai, af, ao, ag = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, i, f, o, g, next_c, Wx, Wh)
    return next_h, next_c, cache


def lstm_layer_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    prev_h, prev_c = h0, np.zeros_like(h0)
    h, cache = [], []
    for t in range(T):
        prev_h, prev_c, step = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h.append(prev_h)
        cache.append(step)
    return np.stack(h, axis=1), cache


def gru_step_forward(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    xr, xz, xn = np.split(x @ Wx + b, 3, axis=1)
    r = sigmoid(xr + prev_h @ Whr)
    z = sigmoid(xz + prev_h @ Whz)
    n = np.tanh(xn + (r * prev_h) @ Whn)
    next_h = (1 - z) * n + z * prev_h
    assert next_h.shape[1] == H
    return next_h, (x, prev_h, r, z, n, Wx, Wh)


def gru_layer_forward(x, h0, Wx, Wh, b):
    h, cache, prev_h = [], [], h0
    for t in range(x.shape[1]):
        prev_h, step = gru_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h.append(prev_h)
        cache.append(step)
    return np.stack(h, axis=1), cache


# ---------------------------------------------------------------- right


@right("lstm_backward", "the step of CS231n inside, transposes at both ends")
def lstm_course_as_ntd(da, caches):
    caches, x = caches
    dh = to_ntd(da)
    N, T, H = dh.shape
    Wx, Wh, b = stack_weights(caches[0][-1])
    dx = np.zeros(to_ntd(x).shape)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        next_h, next_c, prev_h, prev_c, f, i, g, o, xt = (z.T for z in caches[t][:-1])
        dnext_h = dh[:, t] + dprev_h
        tc = np.tanh(next_c)
        dc = dprev_c + dnext_h * o * (1 - tc**2)
        dgates = np.concatenate([dc * g, dc * prev_c, dnext_h * tc, dc * i], axis=1)
        s = np.concatenate([i, f, o], axis=1)
        dgates[:, : 3 * H] *= s * (1 - s)
        dgates[:, 3 * H :] *= 1 - g**2
        dx[:, t] = dgates @ Wx.T
        dprev_h = dgates @ Wh.T
        dprev_c = dc * f
        dWx += xt.T @ dgates
        dWh += prev_h.T @ dgates
        db += dgates.sum(axis=0)
    return {"dx": from_ntd(dx), "da0": dprev_h.T, **unstack_grads(dWx, dWh, db)}


@right(
    "gru_backward",
    "splits of the weights, one hstack of the gates",
    convention="ntd",
    forward=gru_layer_forward,
)
def gru_layer_backward(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][-2:]
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        x, prev_h, r, z, n, _, _ = cache[t]
        dnext_h = dh[:, t] + dprev_h
        dan = dnext_h * (1 - z) * (1 - n**2)
        daz = dnext_h * (prev_h - n) * z * (1 - z)
        drh = dan @ Whn.T
        dar = drh * prev_h * r * (1 - r)
        dA = np.hstack([dar, daz, dan])
        dprev_h = dnext_h * z + drh * r + dar @ Whr.T + daz @ Whz.T
        dx[:, t] = dA @ Wx.T
        dWx += x.T @ dA
        dWh += np.hstack([prev_h.T @ dar, prev_h.T @ daz, (r * prev_h).T @ dan])
        db += dA.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


@right("rnn_cell_backward", "transposed on the way in, and again on the way out")
def rnn_step_in_course_clothes(da_next, cache):
    next_h, prev_h, x = (z.T for z in cache[:3])
    Wx, Wh = cache[3]["Wax"].T, cache[3]["Waa"].T
    dact = da_next.T * (1 - next_h * next_h)
    dx, dprev_h = dact @ Wx.T, dact @ Wh.T
    dWx, dWh, db = x.T @ dact, prev_h.T @ dact, dact.sum(axis=0)
    return {
        "dxt": dx.T,
        "da_prev": dprev_h.T,
        "dWax": dWx.T,
        "dWaa": dWh.T,
        "dba": db[:, None],
    }


# ---------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "stacked in the order i, f, o, g, but the split is unpacked in the course's order f, i, c, o",
    "from memory",
)
def split_in_the_other_order(da_next, dc_next, cache):
    next_h, next_c, prev_h, prev_c, f, i, g, o, x = (z.T for z in cache[:-1])
    Wx, Wh, _ = stack_weights(cache[-1])
    tc = np.tanh(next_c)
    dh = da_next.T
    dc = dc_next.T + dh * o * (1 - tc**2)
    dai = dc * g * i * (1 - i)
    daf = dc * prev_c * f * (1 - f)
    dao = dh * tc * o * (1 - o)
    dag = dc * i * (1 - g**2)
    dA = np.hstack((dai, daf, dao, dag))
    dW = np.hstack((prev_h, x)).T @ dA
    dWf, dWi, dWc, dWo = np.split(dW, 4, axis=1)
    dbf, dbi, dbc, dbo = np.split(dA.sum(axis=0)[:, None], 4)
    return {
        "dxt": (dA @ Wx.T).T,
        "da_prev": (dA @ Wh.T).T,
        "dc_prev": (dc * f).T,
        "dWf": dWf.T,
        "dbf": dbf,
        "dWi": dWi.T,
        "dbi": dbi,
        "dWc": dWc.T,
        "dbc": dbc,
        "dWo": dWo.T,
        "dbo": dbo,
    }


@wrong(
    "lstm_backward",
    "gates' gradients are appended from the last step to the first and never turned round before dW",
    "from memory",
)
def list_not_turned_round(da, caches):
    caches, x = caches
    dh, xs = to_ntd(da), to_ntd(x)
    N, T, H = dh.shape
    Wx, Wh, _ = stack_weights(caches[0][-1])
    dx = np.empty_like(xs)
    hs = np.stack([c[2].T for c in caches], axis=1)
    dnext_h = np.zeros((N, H))
    dnext_c = np.zeros((N, H))
    dA_all = []
    for t in reversed(range(T)):
        _, next_c, _, prev_c, f, i, g, o, _ = (z.T for z in caches[t][:-1])
        dnext_h = dnext_h + dh[:, t]
        tc = np.tanh(next_c)
        dnext_c = dnext_c + dnext_h * o * (1 - tc**2)
        dA = np.hstack(
            [
                dnext_c * g * i * (1 - i),
                dnext_c * prev_c * f * (1 - f),
                dnext_h * tc * o * (1 - o),
                dnext_c * i * (1 - g**2),
            ]
        )
        dA_all.append(dA)
        dx[:, t] = dA @ Wx.T
        dnext_h = dA @ Wh.T
        dnext_c = dnext_c * f
    # one big matmul outside of the loop is faster
    dA_all = np.stack(dA_all, axis=1)
    dWx = xs.reshape(N * T, -1).T @ dA_all.reshape(N * T, -1)
    dWh = hs.reshape(N * T, -1).T @ dA_all.reshape(N * T, -1)
    db = dA_all.sum(axis=(0, 1))
    return {"dx": from_ntd(dx), "da0": dnext_h.T, **unstack_grads(dWx, dWh, db)}


@wrong(
    "lstm_cell_backward",
    "the slice of the sigmoid gates ends a gate too early, o gets the derivative of tanh",
    "from memory",
    convention="ntd",
    forward=lstm_step_forward,
)
def o_in_the_tanh_slice(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, i, f, o, g, next_c, Wx, Wh = cache
    H = prev_h.shape[1]
    tc = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    gates = np.hstack([i, f, o, g])
    da = np.hstack([dc * g, dc * prev_c, dnext_h * tc, dc * i])
    da[:, : 2 * H] *= gates[:, : 2 * H] * (1 - gates[:, : 2 * H])
    da[:, 2 * H :] *= 1 - gates[:, 2 * H :] ** 2
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dprev_c = dc * f
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


@wrong(
    "lstm_cell_backward",
    "the gradient of the concatenation is split as [x, h], it is [h, x] in the course",
    "from memory",
)
def x_comes_first(da_next, dc_next, cache):
    next_h, next_c, prev_h, prev_c, f, i, g, o, x = (z.T for z in cache[:-1])
    p = cache[-1]
    D = x.shape[1]
    tc = np.tanh(next_c)
    do = da_next.T * tc
    dc = dc_next.T + da_next.T * o * (1 - tc**2)
    di, df, dg = dc * g, dc * prev_c, dc * i
    dai, daf, dao = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)
    dag = dg * (1 - g**2)
    dconcat = dai @ p["Wi"] + daf @ p["Wf"] + dao @ p["Wo"] + dag @ p["Wc"]
    dx, dprev_h = np.split(dconcat, [D], axis=1)
    concat = np.hstack([prev_h, x])
    grads = {"dxt": dx.T, "da_prev": dprev_h.T, "dc_prev": (dc * f).T}
    for name, d in zip("fico", (daf, dai, dag, dao)):
        grads["dW" + name] = d.T @ concat
        grads["db" + name] = d.sum(axis=0)[:, None]
    return grads


@wrong(
    "lstm_backward",
    "dc of the step behind is multiplied with f of this step, not of that one",
    "from memory",
)
def f_of_this_step(da, caches):
    caches, x = caches
    dh = to_ntd(da)
    N, T, H = dh.shape
    C, Cp, F, I, G, O = (
        np.stack([c[k].T for c in caches], axis=1) for k in (1, 3, 4, 5, 6, 7)
    )
    X, Hp = to_ntd(x), np.stack([c[2].T for c in caches], axis=1)
    Wx, Wh, b = stack_weights(caches[0][-1])
    dA = np.zeros((N, T, 4 * H))
    back_h = np.zeros((N, H))
    dc = np.zeros((N, H))
    for t in range(T)[::-1]:
        dh_t = dh[:, t] + back_h
        tc = np.tanh(C[:, t])
        # dc_t = f * dc_{t+1} + dh_t * o_t * (1 - tanh(c_t)^2)
        dc = F[:, t] * dc + dh_t * O[:, t] * (1 - tc**2)
        dA[:, t] = np.hstack(
            [
                dc * G[:, t] * I[:, t] * (1 - I[:, t]),
                dc * Cp[:, t] * F[:, t] * (1 - F[:, t]),
                dh_t * tc * O[:, t] * (1 - O[:, t]),
                dc * I[:, t] * (1 - G[:, t] ** 2),
            ]
        )
        back_h = dA[:, t] @ Wh.T
    dWx = np.einsum("ntd,ntk->dk", X, dA)
    dWh = np.einsum("nth,ntk->hk", Hp, dA)
    grads = unstack_grads(dWx, dWh, dA.sum(axis=(0, 1)))
    grads["dx"] = from_ntd(dA @ Wx.T)
    grads["da0"] = back_h.T
    return grads


def _lstm_step_back(dnext_h, dnext_c, cache, Wx, Wh):
    """Step of assignment 3, for a cache of the course."""
    _, next_c, prev_h, prev_c, f, i, g, o, x = (z.T for z in cache[:-1])
    tc = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    dA = np.concatenate(
        (
            dc * g * i * (1 - i),
            dc * prev_c * f * (1 - f),
            dnext_h * tc * o * (1 - o),
            dc * i * (1 - g**2),
        ),
        axis=1,
    )
    return dA @ Wx.T, dA @ Wh.T, dc * f, x.T @ dA, prev_h.T @ dA, dA.sum(axis=0)


@wrong(
    "lstm_backward",
    "da0 is the gradient that goes into step 0, not what comes out of it",
    "from memory",
)
def da0_before_the_step(da, caches):
    caches, x = caches
    dh = to_ntd(da)
    N, T, H = dh.shape
    Wx, Wh, b = stack_weights(caches[0][-1])
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dh_t = dh[:, t] + dprev_h
        dx[:, t], dprev_h, dprev_c, dWx_t, dWh_t, db_t = _lstm_step_back(
            dh_t, dprev_c, caches[t], Wx, Wh
        )
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    dh0 = dh_t
    return {"dx": from_ntd(dx), "da0": dh0.T, **unstack_grads(dWx, dWh, db)}


@wrong(
    "lstm_forward",
    "softmax of the course (axis 0) on scores of shape (N, V)",
    "from memory",
)
def softmax_over_the_batch(x, a0, parameters):
    def softmax(s):
        e = np.exp(s - np.max(s))
        return e / e.sum(axis=0)

    Wx, Wh, b = stack_weights(parameters)
    X = to_ntd(x)
    h = a0.T
    c = np.zeros_like(h)
    hs, cs, ys, caches = [], [], [], []
    for t in range(X.shape[1]):
        prev_h, prev_c = h, c
        ai, af, ao, ag = np.split(X[:, t] @ Wx + prev_h @ Wh + b, 4, axis=1)
        i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
        c = f * prev_c + i * g
        h = o * np.tanh(c)
        y = softmax(h @ parameters["Wy"].T + parameters["by"].T)
        hs.append(h)
        cs.append(c)
        ys.append(y)
        step = (h, c, prev_h, prev_c, f, i, g, o, X[:, t])
        caches.append((*(z.T for z in step), parameters))
    hs, ys, cs = (from_ntd(np.stack(z, axis=1)) for z in (hs, ys, cs))
    return hs, ys, cs, (caches, x)


@wrong(
    "lstm_cell_backward",
    "do without the tanh around c; and dprev_c is dc * i instead of dc * f",
    "from memory",
    convention="ntd",
    forward=lstm_step_forward,
    tags="double",
)
def c_bare_and_i_for_f(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, i, f, o, g, next_c, Wx, Wh = cache
    # next_h = o * tanh(next_c)
    do = dnext_h * next_c
    dtanh = dnext_h * o
    dc = dnext_c + dtanh * (1 - np.tanh(next_c) ** 2)
    # next_c = f * prev_c + i * g
    df = dc * prev_c
    dprev_c = dc * i
    di = dc * g
    dg = dc * i
    # gates
    da = np.zeros((x.shape[0], Wh.shape[1]))
    dai, daf, dao, dag = np.split(da, 4, axis=1)  # views
    dai[...] = di * i * (1 - i)
    daf[...] = df * f * (1 - f)
    dao[...] = do * o * (1 - o)
    dag[...] = dg * (1 - g * g)
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = np.sum(da, axis=0)
    return da @ Wx.T, da @ Wh.T, dprev_c, dWx, dWh, db


# ---------------------------------------------------------------- gru


@wrong(
    "gru_backward",
    "dWh of n is taken with prev_h, not with r * prev_h",
    "from memory",
    convention="ntd",
    forward=gru_layer_forward,
)
def reset_left_out_of_dWh(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][-2:]
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, r, z, n, _, _ = cache[t]
        dout = dh[:, t] + dprev_h
        dn = dout * (1 - z)
        dz = dout * (prev_h - n)
        dan = dn * (1 - n**2)
        daz = dz * z * (1 - z)
        drh = dan.dot(Whn.T)
        dar = drh * prev_h * r * (1 - r)
        dA = np.concatenate([dar, daz, dan], axis=1)
        dx[:, t] = dA.dot(Wx.T)
        dWx += x.T.dot(dA)
        dWh += prev_h.T.dot(dA)
        db += dA.sum(axis=0)
        dprev_h = dout * z + drh * r + dA[:, : 2 * H].dot(Wh[:, : 2 * H].T)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "derived for next_h = z * n + (1 - z) * prev_h, as in the paper, not as in the forward pass",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def z_as_in_the_paper(dnext_h, cache):
    x, prev_h, r, z, n, Wx, Wh = cache
    Wxr, Wxz, Wxn = np.split(Wx, 3, axis=1)
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    # h = z * n + (1 - z) * h'
    dn = dnext_h * z
    dz = dnext_h * (n - prev_h)
    dprev_h = dnext_h * (1 - z)
    dn_in = dn * (1 - n**2)
    dz_in = dz * z * (1 - z)
    dgated = dn_in @ Whn.T
    dr_in = dgated * prev_h * r * (1 - r)
    dprev_h = dprev_h + dgated * r + dr_in @ Whr.T + dz_in @ Whz.T
    dx = dr_in @ Wxr.T + dz_in @ Wxz.T + dn_in @ Wxn.T
    dWx = np.hstack([x.T @ dr_in, x.T @ dz_in, x.T @ dn_in])
    dWh = np.hstack([prev_h.T @ dr_in, prev_h.T @ dz_in, (r * prev_h).T @ dn_in])
    db = np.hstack([dr_in.sum(axis=0), dz_in.sum(axis=0), dn_in.sum(axis=0)])
    return dx, dprev_h, dWx, dWh, db


def gru_remember_rh(x, h0, Wx, Wh, b):
    """Keeps r * h of every step, the backward pass wants it."""
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T + 1, H))
    h[:, 0] = h0
    R, Z, RH, Nn = (np.zeros((N, T, H)) for _ in range(4))
    xW = x @ Wx + b
    for t in range(T):
        ar, az = np.split(xW[:, t, : 2 * H] + h[:, t] @ Wh[:, : 2 * H], 2, axis=1)
        R[:, t], Z[:, t] = sigmoid(ar), sigmoid(az)
        RH[:, t] = R[:, t] * h[:, t]
        Nn[:, t] = np.tanh(xW[:, t, 2 * H :] + RH[:, t] @ Wh[:, 2 * H :])
        h[:, t + 1] = (1 - Z[:, t]) * Nn[:, t] + Z[:, t] * h[:, t]
    cache = {"x": x, "h": h, "r": R, "z": Z, "rh": RH, "n": Nn, "Wx": Wx, "Wh": Wh}
    return h[:, 1:], cache


@wrong(
    "gru_backward",
    "the cached r * h is used where h belongs: one factor r too many in dr",
    "from memory",
    convention="ntd",
    forward=gru_remember_rh,
)
def one_r_too_many(dh, cache):
    x, h, R, Z, RH, Nn, Wx, Wh = cache.values()
    N, T, H = dh.shape
    dA = np.zeros((N, T, 3 * H))
    dprev = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        r, z, n, rh = R[:, t], Z[:, t], Nn[:, t], RH[:, t]
        d = dprev + dh[:, t]
        dan = d * (1 - z) * (1 - n**2)
        daz = d * (h[:, t] - n) * z * (1 - z)
        drh = dan @ Wh[:, 2 * H :].T
        dar = drh * rh * r * (1 - r)
        dA[:, t] = np.concatenate((dar, daz, dan), axis=1)
        dprev = d * z + drh * r + dA[:, t, : 2 * H] @ Wh[:, : 2 * H].T
    dx = dA @ Wx.T
    dWx = np.tensordot(x, dA, axes=([0, 1], [0, 1]))
    dWh_rz = np.tensordot(h[:, :-1], dA[:, :, : 2 * H], axes=([0, 1], [0, 1]))
    dWh_n = np.tensordot(RH, dA[:, :, 2 * H :], axes=([0, 1], [0, 1]))
    db = dA.sum(axis=(0, 1))
    return dx, dprev, dWx, np.hstack([dWh_rz, dWh_n]), db


# ---------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_backward",
    "dba is (n,), as b in CS231n, and not (n, 1)",
    "from memory",
    words="shape",
)
def bias_is_a_vector(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    x, prev_h, next_h = xt.T, a_prev.T, a_next.T
    dact = da_next.T * (1 - next_h**2)
    return {
        "dxt": (dact @ parameters["Wax"]).T,
        "da_prev": (dact @ parameters["Waa"]).T,
        "dWax": (x.T @ dact).T,
        "dWaa": (prev_h.T @ dact).T,
        "dba": np.sum(dact, axis=0),
    }


@wrong(
    "rnn_backward",
    "dWh is summed with the states of the steps themselves, not with those before",
    "from memory",
    convention="ntd",
    forward=rnn_layer_forward,
)
def states_not_shifted(dh, cache):
    x, h0, h, Wx, Wh = cache
    N, T, H = dh.shape
    dact = np.zeros_like(dh)
    dprev_h = np.zeros_like(h0)
    for t in reversed(range(T)):
        dact[:, t] = (dh[:, t] + dprev_h) * (1 - h[:, t] ** 2)
        dprev_h = dact[:, t] @ Wh.T
    dx = np.einsum("nth,dh->ntd", dact, Wx)
    dWx = np.einsum("ntd,nth->dh", x, dact)
    dWh = np.einsum("ntk,nth->kh", h, dact)
    db = np.einsum("nth->h", dact)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "dx is brought back into the layout of the course by reshape instead of transpose",
    "from memory",
)
def reshape_is_no_transpose(da, caches):
    caches, x = caches
    dh = to_ntd(da)
    N, T, H = dh.shape
    D = x.shape[0]
    Wx, Wh = caches[0][3]["Wax"].T, caches[0][3]["Waa"].T
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        next_h, prev_h, x_t = (z.T for z in caches[t][:3])
        dact = (dh[:, t] + dprev_h) * (1 - next_h**2)
        dx[:, t] = dact.dot(Wx.T)
        dprev_h = dact.dot(Wh.T)
        dWx += x_t.T.dot(dact)
        dWh += prev_h.T.dot(dact)
        db += dact.sum(axis=0)
    return {
        "dx": dx.reshape(x.shape),
        "da0": dprev_h.T,
        "dWax": dWx.T,
        "dWaa": dWh.T,
        "dba": db.reshape(-1, 1),
    }


@wrong(
    "rnn_cell_backward",
    "dWh is transposed, it is square so nothing complains",
    "from memory",
    convention="ntd",
    forward=rnn_step_forward,
)
def dWh_lies_down(dnext_h, cache):
    x, prev_h, next_h, Wx, Wh = cache
    dact = dnext_h * (1 - next_h**2)
    dx = np.dot(dact, Wx.T)
    dprev_h = np.dot(dact, Wh.T)
    dWx = np.dot(x.T, dact)
    dWh = np.dot(dact.T, prev_h)
    db = np.sum(dact, axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "t counts up while the caches come from the end: da and dx are met in the wrong order",
    "from memory",
)
def enumerate_of_reversed(da, caches):
    caches, x = caches
    dh = to_ntd(da)
    N, T, H = dh.shape
    dx = np.zeros((N, T, x.shape[0]))
    dprev_h = np.zeros((N, H))
    dWx = dWh = db = 0
    for t, (next_h, prev_h, x_t, p) in enumerate(reversed(caches)):
        dact = (dh[:, t, :] + dprev_h) * (1 - next_h.T**2)
        dx[:, t, :] = dact @ p["Wax"]
        dprev_h = dact @ p["Waa"]
        dWx = dWx + x_t @ dact
        dWh = dWh + prev_h @ dact
        db = db + dact.sum(axis=0)
    return {
        "dx": from_ntd(dx),
        "da0": dprev_h.T,
        "dWax": dWx.T,
        "dWaa": dWh.T,
        "dba": db[:, None],
    }


@wrong(
    "rnn_cell_forward",
    "Waa is not transposed for (N, H) @ (H, H), Wax is",
    "from memory",
)
def one_transpose_forgotten(xt, a_prev, parameters):
    x, prev_h = xt.T, a_prev.T
    b, by = parameters["ba"].ravel(), parameters["by"].ravel()
    next_h = np.tanh(x @ parameters["Wax"].T + prev_h @ parameters["Waa"] + b)
    scores = next_h @ parameters["Wya"].T + by
    probs = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    a_next, yt_pred = next_h.T, probs.T
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


@wrong(
    "rnn_backward",
    "tanh once more of what is tanh already in the derivative; and db is a mean over the batch",
    "from memory",
    tags="double",
)
def tanh_of_tanh(da, caches):
    caches, x = caches
    dh, xs = to_ntd(da), to_ntd(x)
    N, T, H = dh.shape
    Wx, Wh = caches[0][3]["Wax"].T, caches[0][3]["Waa"].T
    h = np.stack([c[0].T for c in caches], axis=1)
    h_before = np.stack([c[1].T for c in caches], axis=1)
    dtanh = 1 - np.tanh(h) ** 2
    dact = np.zeros((N, T, H))
    running = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        dact[:, t] = (dh[:, t] + running) * dtanh[:, t]
        running = dact[:, t] @ Wh.T
    flat = dact.reshape(N * T, H)
    return {
        "dx": from_ntd(dact @ Wx.T),
        "da0": running.T,
        "dWax": (xs.reshape(N * T, -1).T @ flat).T,
        "dWaa": (h_before.reshape(N * T, H).T @ flat).T,
        "dba": dact.mean(axis=0).sum(axis=0)[:, None],
    }


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "temporal_softmax_loss of CS231n: divided by N, not by N * T",
    "from memory",
)
def divided_by_N(y_pred, labels, a, parameters):
    N, T = labels.shape
    V = y_pred.shape[0]
    probs = to_ntd(y_pred).reshape(N * T, V)
    h_flat = to_ntd(a).reshape(N * T, -1)
    y_flat = labels.reshape(N * T)
    dx_flat = probs.copy()
    dx_flat[np.arange(N * T), y_flat] -= 1
    dx_flat /= N
    dW = h_flat.T @ dx_flat
    db = dx_flat.sum(axis=0)
    dh = (dx_flat @ parameters["Wya"]).reshape(N, T, -1)
    return {"da": from_ntd(dh), "dWya": dW.T, "dby": db[:, None]}
