"""Paul writes one block, copies it and edits the copies. Four gates, four blocks."""

import numpy as np
from strangers.made import right, wrong


def softmax(x):
    e_x = np.exp(x - np.max(x))
    return e_x / e_x.sum(axis=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# rnn ---------------------------------------------------------------


@wrong(
    "rnn_cell_backward",
    "the slope line is copied from a sigmoid layer: a (1 - a)",
    "from memory",
)
def rnn_cell_slope_from_sigmoid_layer(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    dz = da_next * a_next * (1 - a_next)
    dxt = np.dot(parameters["Wax"].T, dz)
    dWax = np.dot(dz, xt.T)
    da_prev = np.dot(parameters["Waa"].T, dz)
    dWaa = np.dot(dz, a_prev.T)
    dba = np.sum(dz, 1, keepdims=True)
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "two: the line of dWaa stands twice in the loop, and dba is a mean over the examples",
    "from memory",
    step={"dWaa": -1, "dba": -1},
)
def rnn_line_twice_and_mean(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    Wax = caches[0][3]["Wax"]
    Waa = caches[0][3]["Waa"]
    dx = np.zeros(x.shape)
    dWax = np.zeros(Wax.shape)
    dWaa = np.zeros(Waa.shape)
    dba = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        (a_next, a_prev, xt, parameters) = caches[t]
        dz = (1 - a_next**2) * (da[:, :, t] + da_prevt)
        dx[:, :, t] = np.dot(Wax.T, dz)
        dWaa += np.dot(dz, a_prev.T)
        dWax += np.dot(dz, xt.T)
        dWaa += np.dot(dz, a_prev.T)
        dba += np.mean(dz, axis=1, keepdims=True)
        da_prevt = np.dot(Waa.T, dz)
    return {"dx": dx, "da0": da_prevt, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_forward",
    "the cell is called with a0 at each step: a_next is never handed on",
    "from memory",
    step=1,
)
def rnn_every_step_from_a0(x, a0, parameters):
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    for t in range(T_x):
        xt = x[:, :, t]
        a_next = np.tanh(
            np.dot(parameters["Waa"], a0)
            + np.dot(parameters["Wax"], xt)
            + parameters["ba"]
        )
        yt_pred = softmax(np.dot(parameters["Wya"], a_next) + parameters["by"])
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt_pred
        caches.append((a_next, a0, xt, parameters))
    return a, y_pred, (caches, x)


# lstm ---------------------------------------------------------------


@wrong(
    "lstm_cell_forward",
    "the block of the input gate is a copy of the forget gate's and keeps bf",
    "from memory",
)
def lstm_input_gate_keeps_bf(xt, a_prev, c_prev, parameters):
    n_a = a_prev.shape[0]
    concat = np.zeros((n_a + xt.shape[0], xt.shape[1]))
    concat[:n_a, :] = a_prev
    concat[n_a:, :] = xt
    # forget gate
    zf = np.dot(parameters["Wf"], concat) + parameters["bf"]
    ft = sigmoid(zf)
    # input gate
    zi = np.dot(parameters["Wi"], concat) + parameters["bf"]
    it = sigmoid(zi)
    # candidate
    zc = np.dot(parameters["Wc"], concat) + parameters["bc"]
    cct = np.tanh(zc)
    # output gate
    zo = np.dot(parameters["Wo"], concat) + parameters["bo"]
    ot = sigmoid(zo)
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
    return (
        a_next,
        c_next,
        yt_pred,
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters),
    )


@right("lstm_cell_forward", "four blocks, four times edited")
def lstm_cell_four_blocks(xt, a_prev, c_prev, parameters):
    n_a = a_prev.shape[0]
    concat = np.zeros((n_a + xt.shape[0], xt.shape[1]))
    concat[:n_a, :] = a_prev
    concat[n_a:, :] = xt
    # forget gate
    zf = np.dot(parameters["Wf"], concat) + parameters["bf"]
    ft = sigmoid(zf)
    # input gate
    zi = np.dot(parameters["Wi"], concat) + parameters["bi"]
    it = sigmoid(zi)
    # candidate
    zc = np.dot(parameters["Wc"], concat) + parameters["bc"]
    cct = np.tanh(zc)
    # output gate
    zo = np.dot(parameters["Wo"], concat) + parameters["bo"]
    ot = sigmoid(zo)
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
    return (
        a_next,
        c_next,
        yt_pred,
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters),
    )


@wrong(
    "lstm_cell_backward",
    "the input gate's line is the forget gate's with it for ft: c_prev stayed where cct belongs",
    "from memory",
)
def lstm_input_gate_keeps_c_prev(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    dtanh = 1 - np.tanh(c_next) ** 2
    dft = (dc_next + ot * dtanh * da_next) * c_prev * ft * (1 - ft)
    dit = (dc_next + ot * dtanh * da_next) * c_prev * it * (1 - it)
    dcct = (dc_next + ot * dtanh * da_next) * it * (1 - cct**2)
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    concat = np.concatenate((a_prev, xt), axis=0)
    dWf = np.dot(dft, concat.T)
    dWi = np.dot(dit, concat.T)
    dWc = np.dot(dcct, concat.T)
    dWo = np.dot(dot, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)
    da_prev = np.dot(parameters["Wf"][:, :n_a].T, dft) + np.dot(
        parameters["Wi"][:, :n_a].T, dit
    )
    da_prev += np.dot(parameters["Wc"][:, :n_a].T, dcct) + np.dot(
        parameters["Wo"][:, :n_a].T, dot
    )
    dxt = np.dot(parameters["Wf"][:, n_a:].T, dft) + np.dot(
        parameters["Wi"][:, n_a:].T, dit
    )
    dxt += np.dot(parameters["Wc"][:, n_a:].T, dcct) + np.dot(
        parameters["Wo"][:, n_a:].T, dot
    )
    dc_prev = (dc_next + ot * dtanh * da_next) * ft
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


@wrong(
    "lstm_cell_backward",
    "the candidate's block is copied from the gates and ends with cct (1 - cct)",
    "from memory",
)
def lstm_candidate_as_a_gate(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    concat = np.concatenate((a_prev, xt), axis=0)
    dc = dc_next + ot * (1 - np.tanh(c_next) ** 2) * da_next
    d_concat = 0
    # f
    dft = dc * c_prev * ft * (1 - ft)
    dWf = np.dot(dft, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wf"].T, dft)
    # i
    dit = dc * cct * it * (1 - it)
    dWi = np.dot(dit, concat.T)
    dbi = np.sum(dit, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wi"].T, dit)
    # c
    dcct = dc * it * cct * (1 - cct)
    dWc = np.dot(dcct, concat.T)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wc"].T, dcct)
    # o
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dWo = np.dot(dot, concat.T)
    dbo = np.sum(dot, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wo"].T, dot)
    return {
        "dxt": d_concat[n_a:],
        "da_prev": d_concat[:n_a],
        "dc_prev": dc * ft,
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
    "the output gate's slope is a copy half edited: ot (1 - it)",
    "from memory",
)
def lstm_output_gate_half_edited(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    concat = np.concatenate((a_prev, xt), axis=0)
    dc = dc_next + ot * (1 - np.tanh(c_next) ** 2) * da_next
    d_concat = 0
    # f
    dft = dc * c_prev * ft * (1 - ft)
    dWf = np.dot(dft, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wf"].T, dft)
    # i
    dit = dc * cct * it * (1 - it)
    dWi = np.dot(dit, concat.T)
    dbi = np.sum(dit, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wi"].T, dit)
    # o
    dot = da_next * np.tanh(c_next) * ot * (1 - it)
    dWo = np.dot(dot, concat.T)
    dbo = np.sum(dot, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wo"].T, dot)
    # c
    dcct = dc * it * (1 - cct**2)
    dWc = np.dot(dcct, concat.T)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    d_concat += np.dot(parameters["Wc"].T, dcct)
    return {
        "dxt": d_concat[n_a:],
        "da_prev": d_concat[:n_a],
        "dc_prev": dc * ft,
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
    "two: da_prev has the input gate's term twice and none of the candidate, and dbo sums the forget gate",
    "from memory",
)
def lstm_term_twice_and_dbo(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    Wf, Wi, Wc, Wo = (
        parameters["Wf"],
        parameters["Wi"],
        parameters["Wc"],
        parameters["Wo"],
    )
    dtanh = 1 - np.tanh(c_next) ** 2
    dc = dc_next + ot * dtanh * da_next
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)
    concat_T = np.concatenate((a_prev, xt), axis=0).T
    dWf = np.dot(dft, concat_T)
    dWi = np.dot(dit, concat_T)
    dWc = np.dot(dcct, concat_T)
    dWo = np.dot(dot, concat_T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dft, axis=1, keepdims=True)
    da_prev = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wo[:, :n_a].T, dot)
    )
    dxt = (
        np.dot(Wf[:, n_a:].T, dft)
        + np.dot(Wi[:, n_a:].T, dit)
        + np.dot(Wc[:, n_a:].T, dcct)
        + np.dot(Wo[:, n_a:].T, dot)
    )
    return {
        "dxt": dxt,
        "da_prev": da_prev,
        "dc_prev": dc * ft,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


def lstm_cell_grads(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = a_next.shape[0]
    concat = np.concatenate((a_prev, xt), axis=0)
    dc = dc_next + ot * (1 - np.tanh(c_next) ** 2) * da_next
    dft = dc * c_prev * ft * (1 - ft)
    dit = dc * cct * it * (1 - it)
    dcct = dc * it * (1 - cct**2)
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    d_concat = np.dot(parameters["Wf"].T, dft) + np.dot(parameters["Wi"].T, dit)
    d_concat += np.dot(parameters["Wc"].T, dcct) + np.dot(parameters["Wo"].T, dot)
    g = {"dxt": d_concat[n_a:], "da_prev": d_concat[:n_a], "dc_prev": dc * ft}
    g["dWf"], g["dbf"] = np.dot(dft, concat.T), np.sum(dft, axis=1, keepdims=True)
    g["dWi"], g["dbi"] = np.dot(dit, concat.T), np.sum(dit, axis=1, keepdims=True)
    g["dWc"], g["dbc"] = np.dot(dcct, concat.T), np.sum(dcct, axis=1, keepdims=True)
    g["dWo"], g["dbo"] = np.dot(dot, concat.T), np.sum(dot, axis=1, keepdims=True)
    return g


@wrong(
    "lstm_backward",
    "dWc adds up gradients['dWi']: the line above was copied and its right side left",
    "from memory",
    step={"dWc": -1},
)
def lstm_dwc_takes_dwi(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    p = caches[0][9]
    dx = np.zeros(x.shape)
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    dWf = np.zeros(p["Wf"].shape)
    dWi = np.zeros(p["Wi"].shape)
    dWc = np.zeros(p["Wc"].shape)
    dWo = np.zeros(p["Wo"].shape)
    dbf = np.zeros(p["bf"].shape)
    dbi = np.zeros(p["bi"].shape)
    dbc = np.zeros(p["bc"].shape)
    dbo = np.zeros(p["bo"].shape)
    for t in reversed(range(T_x)):
        gradients = lstm_cell_grads(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["dc_prev"]
        dx[:, :, t] = gradients["dxt"]
        dWf += gradients["dWf"]
        dWi += gradients["dWi"]
        dWc += gradients["dWi"]
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


# gru (other course: rows are examples) --------------------------------


def gru_step(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    r = sigmoid(x.dot(Wx[:, :H]) + prev_h.dot(Wh[:, :H]) + b[:H])
    z = sigmoid(x.dot(Wx[:, H : 2 * H]) + prev_h.dot(Wh[:, H : 2 * H]) + b[H : 2 * H])
    n = np.tanh(x.dot(Wx[:, 2 * H :]) + (r * prev_h).dot(Wh[:, 2 * H :]) + b[2 * H :])
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, r, z, n, Wx, Wh)


def gru_steps(x, h0, Wx, Wh, b):
    h = np.zeros((x.shape[0], x.shape[1], h0.shape[1]))
    caches = []
    prev_h = h0
    for t in range(x.shape[1]):
        prev_h, cache = gru_step(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, caches


@wrong(
    "gru_cell_backward",
    "the reset gate's block is copied from the update gate's and keeps z (1 - z)",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def gru_reset_keeps_z(dnext_h, cache):
    x, prev_h, r, z, n, Wx, Wh = cache
    H = prev_h.shape[1]
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(3 * H)
    # n
    dn = dnext_h * (1 - z) * (1 - n**2)
    dWx[:, 2 * H :] = x.T.dot(dn)
    dWh[:, 2 * H :] = (r * prev_h).T.dot(dn)
    db[2 * H :] = dn.sum(axis=0)
    dx = dn.dot(Wx[:, 2 * H :].T)
    drh = dn.dot(Wh[:, 2 * H :].T)
    dprev_h = dnext_h * z + drh * r
    # z
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dWx[:, H : 2 * H] = x.T.dot(dz)
    dWh[:, H : 2 * H] = prev_h.T.dot(dz)
    db[H : 2 * H] = dz.sum(axis=0)
    dx += dz.dot(Wx[:, H : 2 * H].T)
    dprev_h += dz.dot(Wh[:, H : 2 * H].T)
    # r
    dr = drh * prev_h * z * (1 - z)
    dWx[:, :H] = x.T.dot(dr)
    dWh[:, :H] = prev_h.T.dot(dr)
    db[:H] = dr.sum(axis=0)
    dx += dr.dot(Wx[:, :H].T)
    dprev_h += dr.dot(Wh[:, :H].T)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_backward",
    "two: the update gate's block keeps r * prev_h in dWh and 2H: for its columns in the way back to prev_h",
    "from memory",
    convention="ntd",
    forward=gru_steps,
)
def gru_update_block_not_edited(dh, caches):
    N, T, H = dh.shape
    _, _, _, _, _, Wx, Wh = caches[0]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, r, z, n, _, _ = caches[t]
        dnext_h = dh[:, t] + dprev_h
        # n
        dn = dnext_h * (1 - z) * (1 - n**2)
        dWx[:, 2 * H :] += x.T.dot(dn)
        dWh[:, 2 * H :] += (r * prev_h).T.dot(dn)
        db[2 * H :] += dn.sum(axis=0)
        dx[:, t] += dn.dot(Wx[:, 2 * H :].T)
        drh = dn.dot(Wh[:, 2 * H :].T)
        dprev_h = dnext_h * z + drh * r
        # z
        dz = dnext_h * (prev_h - n) * z * (1 - z)
        dWx[:, H : 2 * H] += x.T.dot(dz)
        dWh[:, H : 2 * H] += (r * prev_h).T.dot(dz)
        db[H : 2 * H] += dz.sum(axis=0)
        dx[:, t] += dz.dot(Wx[:, H : 2 * H].T)
        dprev_h = dprev_h + dz.dot(Wh[:, 2 * H :].T)
        # r
        dr = drh * prev_h * r * (1 - r)
        dWx[:, :H] += x.T.dot(dr)
        dWh[:, :H] += prev_h.T.dot(dr)
        db[:H] += dr.sum(axis=0)
        dx[:, t] += dr.dot(Wx[:, :H].T)
        dprev_h = dprev_h + dr.dot(Wh[:, :H].T)
    return dx, dprev_h, dWx, dWh, db


# output ---------------------------------------------------------------


@wrong("readout_backward", "the gradient is divided by T and not by m T", "from memory")
def readout_over_time_only(y_pred, labels, a, parameters):
    n_y, m, T_x = y_pred.shape
    Wya = parameters["Wya"]
    dWya = np.zeros(Wya.shape)
    dby = np.zeros((n_y, 1))
    da = np.zeros(a.shape)
    for t in range(T_x):
        dy = np.copy(y_pred[:, :, t])
        dy[labels[:, t], np.arange(m)] -= 1
        dy = dy / T_x
        dWya += np.dot(dy, a[:, :, t].T)
        dby += np.sum(dy, axis=1, keepdims=True)
        da[:, :, t] = np.dot(Wya.T, dy)
    return {"da": da, "dWya": dWya, "dby": dby}
