"""Nils dislikes loops: everything that does not need the recursion is done for all times at once."""

import numpy as np
from strangers.made import right, wrong


def expit(v):
    return 1 / (1 + np.exp(-v))


def over_time(caches, k):
    return np.stack([c[k] for c in caches], axis=2)


def dot_t(u, v):
    """sum over examples and times of u v^T"""
    return np.tensordot(u, v, axes=([1, 2], [1, 2]))


def apply(W, u):
    return np.tensordot(W, u, axes=(1, 0))


# --- RNN


@right("rnn_backward", "recursion for dZ alone, the rest for all times at once")
def rnn_at_once(da, caches):
    steps, x = caches
    a, before = over_time(steps, 0), over_time(steps, 1)
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    slope = 1 - a * a
    dZ = da * slope
    for t in range(da.shape[2] - 2, -1, -1):
        dZ[:, :, t] += slope[:, :, t] * (Waa.T @ dZ[:, :, t + 1])
    return {
        "dx": apply(Wax.T, dZ),
        "da0": Waa.T @ dZ[:, :, 0],
        "dWax": dot_t(dZ, x),
        "dWaa": dot_t(dZ, before),
        "dba": dZ.sum((1, 2))[:, None],
    }


@wrong(
    "rnn_backward",
    "the states are shifted by one with zeros put in front, as if a0 were zero",
    "from memory",
    step={"dWaa": 0},
)
def zeros_put_in_front(da, caches):
    steps, x = caches
    a = over_time(steps, 0)
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    n, m, T = a.shape
    before = np.zeros((n, m, T))
    before[:, :, 1:] = a[:, :, :-1]
    slope = 1 - a * a
    dZ = da * slope
    for t in range(T - 2, -1, -1):
        dZ[:, :, t] += slope[:, :, t] * (Waa.T @ dZ[:, :, t + 1])
    return {
        "dx": apply(Wax.T, dZ),
        "da0": Waa.T @ dZ[:, :, 0],
        "dWax": dot_t(dZ, x),
        "dWaa": dot_t(dZ, before),
        "dba": dZ.sum((1, 2))[:, None],
    }


@wrong(
    "rnn_backward",
    "the recursion goes through Waa only, the slopes are multiplied on afterwards, once",
    "from memory",
    step=-2,
)
def slopes_after_the_recursion(da, caches):
    steps, x = caches
    a, before = over_time(steps, 0), over_time(steps, 1)
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    dA = da.copy()
    for t in range(da.shape[2] - 1, 0, -1):
        dA[:, :, t - 1] += Waa.T @ dA[:, :, t]
    dZ = dA * (1 - a * a)
    return {
        "dx": apply(Wax.T, dZ),
        "da0": Waa.T @ dZ[:, :, 0],
        "dWax": dot_t(dZ, x),
        "dWaa": dot_t(dZ, before),
        "dba": dZ.sum((1, 2))[:, None],
    }


@wrong(
    "rnn_backward",
    "dZ has its slope from the recursion and gets it once more before the sums over time",
    "from memory",
)
def slope_once_more(da, caches):
    steps, x = caches
    a, before = over_time(steps, 0), over_time(steps, 1)
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    slope = 1 - a * a
    dZ = np.empty(da.shape)
    back = 0
    for t in range(da.shape[2] - 1, -1, -1):
        dZ[:, :, t] = (da[:, :, t] + back) * slope[:, :, t]
        back = Waa.T @ dZ[:, :, t]
    dZ = dZ * slope
    return {
        "dx": apply(Wax.T, dZ),
        "da0": back,
        "dWax": dot_t(dZ, x),
        "dWaa": dot_t(dZ, before),
        "dba": dZ.sum((1, 2))[:, None],
    }


@wrong(
    "rnn_backward",
    "the states are shifted the wrong way: dZ_t meets a_(t+1), and a0 stands at the end",
    "from memory",
    step={"dWaa": -1},
)
def shifted_the_wrong_way(da, caches):
    steps, x = caches
    a, a0 = over_time(steps, 0), steps[0][1]
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    other = np.concatenate([a[:, :, 1:], a0[:, :, None]], axis=2)
    slope = 1 - a * a
    dZ = da * slope
    for t in range(da.shape[2] - 2, -1, -1):
        dZ[:, :, t] += slope[:, :, t] * (Waa.T @ dZ[:, :, t + 1])
    return {
        "dx": apply(Wax.T, dZ),
        "da0": Waa.T @ dZ[:, :, 0],
        "dWax": dot_t(dZ, x),
        "dWaa": dot_t(dZ, other),
        "dba": dZ.sum((1, 2))[:, None],
    }


@wrong(
    "rnn_backward",
    "two: da0 is dZ at step 0, without Waa, and dba is a mean over time",
    "from memory",
)
def da0_and_mean_over_time(da, caches):
    steps, x = caches
    a, before = over_time(steps, 0), over_time(steps, 1)
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    slope = 1 - a * a
    dZ = da * slope
    for t in range(da.shape[2] - 2, -1, -1):
        dZ[:, :, t] += slope[:, :, t] * (Waa.T @ dZ[:, :, t + 1])
    return {
        "dx": apply(Wax.T, dZ),
        "da0": dZ[:, :, 0],
        "dWax": dot_t(dZ, x),
        "dWaa": dot_t(dZ, before),
        "dba": dZ.sum(1).mean(1)[:, None],
    }


@wrong(
    "rnn_backward",
    "step 0 adds its gradient to page t-1 = -1, so da0 comes out with the last step's total underneath",
    "from memory",
    step={"da0": 0},
)
def da0_on_the_last_page(da, caches):
    steps, x = caches
    a, before = over_time(steps, 0), over_time(steps, 1)
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    dA = np.array(da)
    dZ = np.zeros(da.shape)
    for t in range(da.shape[2])[::-1]:
        dZ[:, :, t] = dA[:, :, t] * (1 - a[:, :, t] ** 2)
        dA[:, :, t - 1] += Waa.T @ dZ[:, :, t]
    return {
        "dx": apply(Wax.T, dZ),
        "da0": dA[:, :, -1],
        "dWax": dot_t(dZ, x),
        "dWaa": dot_t(dZ, before),
        "dba": dZ.sum((1, 2))[:, None],
    }


# --- LSTM


def lstm_sums(dF, dI, dG, dO, A_before, x, p):
    n = A_before.shape[0]
    S = np.concatenate([A_before, x], axis=0)
    out = {"dx": 0}
    for k, d in zip("fico", (dF, dI, dG, dO)):
        out["dW" + k] = dot_t(d, S)
        out["db" + k] = d.sum((1, 2))[:, None]
        out["dx"] = out["dx"] + apply(p["W" + k][:, n:].T, d)
    return out


@wrong(
    "lstm_backward",
    "the cell states are shifted with a0 in front, where zeros belong",
    "from memory",
    step={"dx": 0, "da0": 0, "dWf": 0, "dbf": 0},
)
def a0_before_the_cells(da, caches):
    steps, x = caches
    C, A_before, F, I, G, O = (over_time(steps, k) for k in (1, 2, 4, 5, 6, 7))
    p = steps[0][-1]
    n, m, T = da.shape
    a0 = steps[0][2]
    C_before = np.concatenate([a0[:, :, None], C[:, :, :-1]], axis=2)
    tC = np.tanh(C)
    sF, sI, sG, sO = (
        C_before * F * (1 - F),
        G * I * (1 - I),
        I * (1 - G**2),
        tC * O * (1 - O),
    )
    sC = O * (1 - tC**2)
    U = np.hstack([p["W" + k][:, :n].T for k in "fico"])
    dF, dI, dG, dO = np.zeros((4, n, m, T))
    dh = dc = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        dh = dh + da[:, :, t]
        dc = dc + dh * sC[:, :, t]
        dF[:, :, t], dI[:, :, t], dG[:, :, t], dO[:, :, t] = (
            dc * sF[:, :, t],
            dc * sI[:, :, t],
            dc * sG[:, :, t],
            dh * sO[:, :, t],
        )
        dh = U @ np.vstack([dF[:, :, t], dI[:, :, t], dG[:, :, t], dO[:, :, t]])
        dc = dc * F[:, :, t]
    return {"da0": dh, **lstm_sums(dF, dI, dG, dO, A_before, x, p)}


@wrong(
    "lstm_backward",
    "what the outputs give to the cell is computed beforehand from da alone, without what comes back from the later steps",
    "from memory",
)
def cell_sees_da_only(da, caches):
    steps, x = caches
    C, A_before, C_before, F, I, G, O = (over_time(steps, k) for k in range(1, 8))
    p = steps[0][-1]
    n, m, T = da.shape
    tC = np.tanh(C)
    sF, sI, sG, sO = (
        C_before * F * (1 - F),
        G * I * (1 - I),
        I * (1 - G**2),
        tC * O * (1 - O),
    )
    into_c = da * O * (1 - tC**2)
    U = np.hstack([p["W" + k][:, :n].T for k in "fico"])
    dF, dI, dG, dO = np.zeros((4, n, m, T))
    dh = dc = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        dh = dh + da[:, :, t]
        dc = dc + into_c[:, :, t]
        dF[:, :, t], dI[:, :, t], dG[:, :, t], dO[:, :, t] = (
            dc * sF[:, :, t],
            dc * sI[:, :, t],
            dc * sG[:, :, t],
            dh * sO[:, :, t],
        )
        dh = U @ np.vstack([dF[:, :, t], dI[:, :, t], dG[:, :, t], dO[:, :, t]])
        dc = dc * F[:, :, t]
    return {"da0": dh, **lstm_sums(dF, dI, dG, dO, A_before, x, p)}


@wrong(
    "lstm_cell_backward",
    "all four slopes in one line, and that line is the tanh's: 1 - s^2 for the sigmoids too",
    "from memory",
)
def one_slope_for_four(da_next, dc_next, cache):
    a, c, h, b, f, i, g, o, xt, p = cache
    n = a.shape[0]
    tc = np.tanh(c)
    dc = dc_next + da_next * o * (1 - tc**2)
    S = np.stack([f, i, g, o])
    D = np.stack([dc * b, dc * g, dc * i, da_next * tc]) * (1 - S**2)
    W = np.stack([p["W" + k] for k in "fico"])
    dS = (W.transpose(0, 2, 1) @ D).sum(0)
    dW = D @ np.vstack([h, xt]).T
    db = D.sum(2, keepdims=True)
    out = {"da_prev": dS[:n], "dxt": dS[n:], "dc_prev": dc * f}
    for j, k in enumerate("fico"):
        out["dW" + k], out["db" + k] = dW[j], db[j]
    return out


# --- GRU, rows are examples


def gru_all_times(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    X = x @ Wx + b
    h = np.empty((N, T + 1, H))
    h[:, 0] = h0
    R, Z, C = (np.empty((N, T, H)) for _ in range(3))
    for t in range(T):
        rz = expit(X[:, t, : 2 * H] + h[:, t] @ Wh[:, : 2 * H])
        R[:, t], Z[:, t] = rz[:, :H], rz[:, H:]
        C[:, t] = np.tanh(X[:, t, 2 * H :] + (R[:, t] * h[:, t]) @ Wh[:, 2 * H :])
        h[:, t + 1] = (1 - Z[:, t]) * C[:, t] + Z[:, t] * h[:, t]
    return h[:, 1:].copy(), (x, h[:, :-1].copy(), R, Z, C, Wx, Wh)


@wrong(
    "gru_backward",
    "two: the direct way takes z of the step before (the last one's at step 0), and dWh is one product with the states for all three gates",
    "from memory",
    convention="ntd",
    forward=gru_all_times,
)
def gru_z_shifted_and_one_product(dh, cache):
    x, before, R, Z, C, Wx, Wh = cache
    N, T, H = dh.shape
    sN, sZ, sR = (1 - Z) * (1 - C**2), (before - C) * Z * (1 - Z), before * R * (1 - R)
    G = np.empty((N, T, 3 * H))
    back = np.zeros((N, H))
    for t in range(T)[::-1]:
        d = dh[:, t] + back
        dn = d * sN[:, t]
        drh = dn @ Wh[:, 2 * H :].T
        G[:, t] = np.hstack([drh * sR[:, t], d * sZ[:, t], dn])
        back = d * Z[:, t - 1] + drh * R[:, t] + G[:, t, : 2 * H] @ Wh[:, : 2 * H].T
    flat = G.reshape(N * T, 3 * H)
    return (
        G @ Wx.T,
        back,
        x.reshape(N * T, -1).T @ flat,
        before.reshape(N * T, H).T @ flat,
        flat.sum(0),
    )


# --- readout


@wrong(
    "readout_backward", "dby takes the gradient of the last step only", "from memory"
)
def dby_of_the_last_step(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dS = y_pred.copy()
    j, t = np.indices((m, T))
    dS[labels, j, t] -= 1
    dS /= m * T
    return {
        "da": apply(parameters["Wya"].T, dS),
        "dWya": dot_t(dS, a),
        "dby": dS[:, :, -1].sum(1, keepdims=True),
    }


@wrong(
    "readout_backward",
    "the labels are subtracted as numbers, without one-hot",
    "from memory",
)
def labels_as_numbers(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dS = (y_pred - labels) / (m * T)
    return {
        "da": apply(parameters["Wya"].T, dS),
        "dWya": dot_t(dS, a),
        "dby": dS.sum(axis=(1, 2))[:, None],
    }


@right("readout_backward", "all times at once, with indices")
def readout_at_once(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dS = y_pred.copy()
    j, t = np.indices((m, T))
    dS[labels, j, t] -= 1
    dS /= m * T
    return {
        "da": apply(parameters["Wya"].T, dS),
        "dWya": dot_t(dS, a),
        "dby": dS.sum(axis=(1, 2))[:, None],
    }
