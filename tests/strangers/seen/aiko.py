"""Aiko: corpus linguist; the course's names, and her own: kioku is the memory, mon a gate, kotoba a word, bun a sentence."""

import numpy as np
from strangers.made import right, wrong


def softmax(x):
    e_x = np.exp(x - np.max(x, axis=0))
    return e_x / e_x.sum(axis=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_backward",
    "tanh is computed anew, and the bias forgotten there",
    "from memory: she did not trust the cache",
)
def saikeisan(da_next, cache):
    (a_next, a_prev, kotoba, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    katsudo = np.tanh(np.dot(Wax, kotoba) + np.dot(Waa, a_prev))
    dtanh = (1 - katsudo**2) * da_next
    gradients = {
        "dxt": np.dot(Wax.T, dtanh),
        "dWax": np.dot(dtanh, kotoba.T),
        "da_prev": np.dot(Waa.T, dtanh),
        "dWaa": np.dot(dtanh, a_prev.T),
        "dba": np.sum(dtanh, axis=1, keepdims=True),
    }
    return gradients


@wrong(
    "rnn_backward",
    "states before each step by np.roll, and a0 not put at the beginning: the last state stands there",
    "from memory: all weights' gradients after the loop, by einsum",
    step={"dWaa": 0},
    tags="time",
)
def maki_modoshi(da, caches):
    (bun, x) = caches
    n_x, m, T_x = x.shape
    parameters = bun[0][3]
    a_all = np.stack([c[0] for c in bun], axis=2)
    a_before = np.roll(a_all, 1, axis=2)
    dtanh_all = np.zeros(a_all.shape)
    da_prevt = np.zeros(a_all.shape[:2])
    for t in reversed(range(T_x)):
        dtanh_all[:, :, t] = (1 - a_all[:, :, t] ** 2) * (da[:, :, t] + da_prevt)
        da_prevt = np.dot(parameters["Waa"].T, dtanh_all[:, :, t])
    return {
        "dx": np.einsum("ax,amt->xmt", parameters["Wax"], dtanh_all),
        "da0": da_prevt,
        "dWax": np.einsum("amt,xmt->ax", dtanh_all, x),
        "dWaa": np.einsum("amt,bmt->ab", dtanh_all, a_before),
        "dba": np.einsum("amt->a", dtanh_all)[:, None],
    }


@wrong(
    "rnn_forward",
    "the prediction is made from the state before the word",
    "from memory: a is moved on after y",
    tags="time",
)
def yosoku(x, a0, parameters):
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    ba, by = parameters["ba"], parameters["by"]
    n_x, m, T_x = x.shape
    a = np.zeros((Waa.shape[0], m, T_x))
    y_pred = np.zeros((Wya.shape[0], m, T_x))
    kioku = a0
    bun = []
    for t in range(T_x):
        kotoba = x[:, :, t]
        a_next = np.tanh(np.dot(Wax, kotoba) + np.dot(Waa, kioku) + ba)
        y_pred[:, :, t] = softmax(np.dot(Wya, kioku) + by)
        a[:, :, t] = a_next
        bun.append((a_next, kioku, kotoba, parameters))
        kioku = a_next
    return a, y_pred, (bun, x)


def rnn_ippo(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(np.dot(x, Wx) + np.dot(prev_h, Wh) + b)
    return next_h, dict(kotoba=x, mae=prev_h, ato=next_h, Wx=Wx, Wh=Wh)


@wrong(
    "rnn_cell_backward",
    "Wh is not transposed on the way back (it is square, nothing complains)",
    "from memory: rewritten with the batch in front, where W came first without .T in her notes",
    convention="ntd",
    forward=rnn_ippo,
)
def ushiro_e(dnext_h, cache):
    dtanh = dnext_h * (1 - cache["ato"] ** 2)
    dx = np.dot(dtanh, cache["Wx"].T)
    dprev_h = np.dot(dtanh, cache["Wh"])
    dWx = np.dot(cache["kotoba"].T, dtanh)
    dWh = np.dot(cache["mae"].T, dtanh)
    db = dtanh.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


# --------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "no parentheses around the sum of dcct: 1 - cct**2 is on the second term only",
    "from memory: the long formula of the course in a single line",
)
def kakko(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    dcct = dc_next * it + ot * (1 - tc**2) * it * da_next * (1 - cct**2)
    dit = (dc_next * cct + ot * (1 - tc**2) * cct * da_next) * it * (1 - it)
    dft = (dc_next * c_prev + ot * (1 - tc**2) * c_prev * da_next) * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0)
    Wf, Wi = parameters["Wf"], parameters["Wi"]
    Wc, Wo = parameters["Wc"], parameters["Wo"]
    dconcat = (
        np.dot(Wf.T, dft) + np.dot(Wi.T, dit) + np.dot(Wc.T, dcct) + np.dot(Wo.T, dot)
    )
    return {
        "dxt": dconcat[n_a:, :],
        "da_prev": dconcat[:n_a, :],
        "dc_prev": dc_next * ft + ot * (1 - tc**2) * ft * da_next,
        "dWf": np.dot(dft, concat.T),
        "dbf": np.sum(dft, axis=1, keepdims=True),
        "dWi": np.dot(dit, concat.T),
        "dbi": np.sum(dit, axis=1, keepdims=True),
        "dWc": np.dot(dcct, concat.T),
        "dbc": np.sum(dcct, axis=1, keepdims=True),
        "dWo": np.dot(dot, concat.T),
        "dbo": np.sum(dot, axis=1, keepdims=True),
    }


@wrong(
    "lstm_cell_backward",
    "the weights' gradients with the word on top of the state",
    "from memory: x comes first in her own papers",
)
def kotoba_ga_saki(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = a_prev.shape[0]
    dkioku = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    mon = {
        "f": dkioku * c_prev * ft * (1 - ft),
        "i": dkioku * cct * it * (1 - it),
        "c": dkioku * it * (1 - cct**2),
        "o": da_next * np.tanh(c_next) * ot * (1 - ot),
    }
    ireru = np.vstack([xt, a_prev])
    gradients = {"dxt": 0, "da_prev": 0, "dc_prev": dkioku * ft}
    for k, d in mon.items():
        W = parameters[f"W{k}"]
        gradients["da_prev"] = gradients["da_prev"] + W[:, :n_a].T.dot(d)
        gradients["dxt"] = gradients["dxt"] + W[:, n_a:].T.dot(d)
        gradients[f"dW{k}"] = d.dot(ireru.T)
        gradients[f"db{k}"] = d.sum(axis=1, keepdims=True)
    return gradients


@wrong(
    "lstm_cell_backward",
    "the output gate is given c_next for tanh(c_next), and da_prev takes dit through Wc",
    "from memory: a line copied from the one above",
    tags="double",
)
def utsushi(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    dc = dc_next + ot * (1 - np.square(np.tanh(c_next))) * da_next
    dot = da_next * c_next * ot * (1 - ot)
    dcct = dc * it * (1 - np.square(cct))
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt))
    gradients = {}
    gradients["dWf"] = np.dot(dft, concat.T)
    gradients["dWi"] = np.dot(dit, concat.T)
    gradients["dWc"] = np.dot(dcct, concat.T)
    gradients["dWo"] = np.dot(dot, concat.T)
    gradients["dbf"] = np.sum(dft, axis=1, keepdims=True)
    gradients["dbi"] = np.sum(dit, axis=1, keepdims=True)
    gradients["dbc"] = np.sum(dcct, axis=1, keepdims=True)
    gradients["dbo"] = np.sum(dot, axis=1, keepdims=True)
    gradients["da_prev"] = (
        np.dot(parameters["Wf"][:, :n_a].T, dft)
        + np.dot(parameters["Wi"][:, :n_a].T, dit)
        + np.dot(parameters["Wc"][:, :n_a].T, dit)
        + np.dot(parameters["Wo"][:, :n_a].T, dot)
    )
    gradients["dc_prev"] = dc * ft
    gradients["dxt"] = (
        np.dot(parameters["Wf"][:, n_a:].T, dft)
        + np.dot(parameters["Wi"][:, n_a:].T, dit)
        + np.dot(parameters["Wc"][:, n_a:].T, dcct)
        + np.dot(parameters["Wo"][:, n_a:].T, dot)
    )
    return gradients


@wrong(
    "lstm_backward",
    "the memory's carry is not multiplied by the forget gate, and dbf adds up dit",
    "from memory",
    tags="double",
)
def wasure_mono(da, caches):
    (bun, x) = caches
    n_x, m, T_x = x.shape
    n_a = da.shape[0]
    dx = np.zeros((n_x, m, T_x))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    dWf, dWi, dWc, dWo = (np.zeros((n_a, n_a + n_x)) for _ in range(4))
    dbf, dbi, dbc, dbo = (np.zeros((n_a, 1)) for _ in range(4))
    for t, cache in reversed(list(enumerate(bun))):
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
        da_next = da[:, :, t] + da_prevt
        tc = np.tanh(c_next)
        dkioku = dc_prevt + da_next * ot * (1 - tc**2)
        dft = dkioku * c_prev * ft * (1 - ft)
        dit = dkioku * cct * it * (1 - it)
        dcct = dkioku * it * (1 - cct**2)
        dot = da_next * tc * ot * (1 - ot)
        concat = np.concatenate([a_prev, xt], axis=0)
        dWf += np.dot(dft, concat.T)
        dWi += np.dot(dit, concat.T)
        dWc += np.dot(dcct, concat.T)
        dWo += np.dot(dot, concat.T)
        dbi += dit.sum(axis=1, keepdims=True)
        dbf += dit.sum(axis=1, keepdims=True)
        dbc += dcct.sum(axis=1, keepdims=True)
        dbo += dot.sum(axis=1, keepdims=True)
        dconcat = sum(
            np.dot(parameters[W].T, d)
            for W, d in (("Wf", dft), ("Wi", dit), ("Wc", dcct), ("Wo", dot))
        )
        da_prevt, dx[:, :, t] = dconcat[:n_a], dconcat[n_a:]
        dc_prevt = dkioku
    return {
        "dx": dx, "da0": da_prevt,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


@wrong(
    "lstm_forward",
    "softmax is divided by the sum over words and sentences, not by that of each sentence",
    "from memory: softmax of a vector, used for a batch",
)
def honyaku(x, a0, parameters):
    def kakuritsu(s):
        e = np.exp(s - s.max())
        return e / np.sum(e)

    n_y, n_a = parameters["Wy"].shape
    n_x, m, T_x = x.shape
    a, c, y = np.zeros((n_a, m, T_x)), np.zeros((n_a, m, T_x)), np.zeros((n_y, m, T_x))
    a_prev, kioku = a0, np.zeros((n_a, m))
    bun = []
    for t in range(T_x):
        xt = x[:, :, t]
        concat = np.concatenate((a_prev, xt), axis=0)
        ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
        it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
        cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
        ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
        c_next = ft * kioku + it * cct
        a_next = ot * np.tanh(c_next)
        a[:, :, t], c[:, :, t] = a_next, c_next
        y[:, :, t] = kakuritsu(np.dot(parameters["Wy"], a_next) + parameters["by"])
        bun.append((a_next, c_next, a_prev, kioku, ft, it, cct, ot, xt, parameters))
        a_prev, kioku = a_next, c_next
    return a, y, c, (bun, x)


def lstm_bun(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    note = {
        "x": x,
        "Wx": Wx,
        "Wh": Wh,
        "mon": [],
        "kioku": [np.zeros_like(h0)],
        "a": [h0],
    }
    for t in range(T):
        i, f, o, g = np.split(x[:, t].dot(Wx) + note["a"][-1].dot(Wh) + b, 4, axis=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        note["mon"].append((i, f, o, g))
        note["kioku"].append(f * note["kioku"][-1] + i * g)
        note["a"].append(o * np.tanh(note["kioku"][-1]))
    return np.stack(note["a"][1:], axis=1), note


@wrong(
    "lstm_backward",
    "for dWx, x is laid out by time first and the gates by sentence first",
    "from memory: flattened after the loop, one of them transposed before",
    convention="ntd",
    forward=lstm_bun,
)
def narabe_kata(dh, note):
    x, Wx, Wh = note["x"], note["Wx"], note["Wh"]
    N, T, D = x.shape
    H = dh.shape[2]
    dmon = np.zeros((N, T, 4 * H))
    da_prevt, dc_prevt = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        i, f, o, g = note["mon"][t]
        tc = np.tanh(note["kioku"][t + 1])
        da_next = dh[:, t] + da_prevt
        dc = dc_prevt + da_next * o * (1 - tc**2)
        dmon[:, t] = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * note["kioku"][t] * f * (1 - f),
                da_next * tc * o * (1 - o),
                dc * i * (1 - g**2),
            ],
            axis=1,
        )
        da_prevt = dmon[:, t].dot(Wh.T)
        dc_prevt = dc * f
    mae = np.stack(note["a"][:-1], axis=1)
    dx = dmon.dot(Wx.T)
    dWx = x.transpose(1, 0, 2).reshape(-1, D).T.dot(dmon.reshape(-1, 4 * H))
    dWh = mae.reshape(-1, H).T.dot(dmon.reshape(-1, 4 * H))
    return dx, da_prevt, dWx, dWh, dmon.sum(axis=(0, 1))


# ---------------------------------------------------------------- gru


class Techo:
    """A notebook page: what one step has to remember."""

    def __init__(self, **kaku):
        self.__dict__.update(kaku)


def gru_ippo(x, prev_h, Wx, Wh, b):
    Wxr, Wxz, Wxn = np.split(Wx, 3, axis=1)
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    br, bz, bn = np.split(b, 3)
    r = sigmoid(x @ Wxr + prev_h @ Whr + br)
    z = sigmoid(x @ Wxz + prev_h @ Whz + bz)
    n = np.tanh(x @ Wxn + (r * prev_h) @ Whn + bn)
    page = Techo(x=x, mae=prev_h, r=r, z=z, n=n, Wx=Wx, Wh=Wh)
    return (1 - z) * n + z * prev_h, page


def gru_bun(x, h0, Wx, Wh, b):
    pages, h = [], []
    for t in range(x.shape[1]):
        h0, page = gru_ippo(x[:, t], h0, Wx, Wh, b)
        h.append(h0)
        pages.append(page)
    return np.stack(h, axis=1), pages


@wrong(
    "gru_cell_backward",
    "dWh of the candidate with the state, not with r * state",
    "from memory: one product for all three gates",
    convention="ntd",
    forward=gru_ippo,
)
def mon_issho(dnext_h, page):
    Whr, Whz, Whn = np.split(page.Wh, 3, axis=1)
    r, z, n, mae = page.r, page.z, page.n, page.mae
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (mae - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * mae * r * (1 - r)
    dmon = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    return dmon @ page.Wx.T, dprev_h, page.x.T @ dmon, mae.T @ dmon, dmon.sum(0)


@wrong(
    "gru_cell_backward",
    "the candidate's way back into the state is not multiplied by r",
    "from memory",
    convention="ntd",
    forward=gru_ippo,
)
def mon_o_tooranai(dnext_h, page):
    H = page.mae.shape[1]
    x, mae, r, z, n = page.x, page.mae, page.r, page.z, page.n
    dcct = np.einsum("nh,nh,nh->nh", dnext_h, 1 - z, 1 - n**2)
    dmodoru = np.einsum("nk,hk->nh", dcct, page.Wh[:, 2 * H :])
    dGr = dmodoru * mae * r * (1 - r)
    dGu = dnext_h * (mae - n) * z * (1 - z)
    dprev_h = z * dnext_h
    dprev_h = dprev_h + dmodoru
    dprev_h = dprev_h + np.einsum("nk,hk->nh", dGr, page.Wh[:, :H])
    dprev_h = dprev_h + np.einsum("nk,hk->nh", dGu, page.Wh[:, H : 2 * H])
    dG = np.hstack([dGr, dGu, dcct])
    dWh = np.hstack([mae.T @ dGr, mae.T @ dGu, (r * mae).T @ dcct])
    return dG @ page.Wx.T, dprev_h, x.T @ dG, dWh, dG.sum(axis=0)


@wrong(
    "gru_backward",
    "tanh's derivative is (1 - n)**2, and dh * h_prev - n has lost its parentheses",
    "from memory: parentheses, twice",
    convention="ntd",
    forward=gru_bun,
    tags="double",
)
def kakko_nidome(dh, pages):
    Wx, Wh = pages[0].Wx, pages[0].Wh
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dx = np.zeros(dh.shape[:2] + (Wx.shape[0],))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(Wx.shape[1])
    dprev_h = np.zeros(dh[:, 0].shape)
    for t, page in zip(reversed(range(len(pages))), reversed(pages)):
        r, z, n, h_prev = page.r, page.z, page.n, page.mae
        dnext = dh[:, t] + dprev_h
        dn = dnext * (1 - z) * (1 - n) ** 2
        dz = (dnext * h_prev - n) * z * (1 - z)
        drh = dn @ Whn.T
        dr = drh * h_prev * r * (1 - r)
        dmon = np.concatenate([dr, dz, dn], axis=1)
        dx[:, t] = dmon @ Wx.T
        dWx += page.x.T @ dmon
        dWh += np.concatenate(
            [h_prev.T @ dr, h_prev.T @ dz, (r * h_prev).T @ dn], axis=1
        )
        db += dmon.sum(axis=0)
        dprev_h = dnext * z + drh * r + dr @ Whr.T + dz @ Whz.T
    return dx, dprev_h, dWx, dWh, db


# ------------------------------------------------------------ readout


@wrong(
    "readout_backward",
    "one-hot by np.eye(n_y)[labels].T, which is (n_y, T, m), and reshaped, not transposed, to (n_y, m, T)",
    "from memory: the shapes did not fit, so she reshaped",
)
def one_hot_reshape(y_pred, labels, a, parameters):
    n_y, m, T_x = y_pred.shape
    seikai = np.eye(n_y)[labels].T.reshape(n_y, m, T_x)
    dlogits = (y_pred - seikai) / (m * T_x)
    return {
        "da": np.tensordot(parameters["Wya"].T, dlogits, axes=1),
        "dWya": np.tensordot(dlogits, a, axes=([1, 2], [1, 2])),
        "dby": dlogits.sum(axis=(1, 2)).reshape(-1, 1),
    }


@wrong(
    "readout_backward",
    "1 is taken from the row of the word before: labels - 1",
    "from memory: her dictionary counts from 1, since 0 is the padding",
)
def jisho_wa_ichi_kara(y_pred, labels, a, parameters):
    n_y, m, T_x = y_pred.shape
    Wya = parameters["Wya"]
    da = np.zeros(a.shape)
    dWya = np.zeros(Wya.shape)
    dby = np.zeros((n_y, 1))
    for t in range(T_x):
        dz = np.copy(y_pred[:, :, t])
        for bun in range(m):
            dz[labels[bun, t] - 1, bun] -= 1
        dz = dz / (m * T_x)
        dWya += np.dot(dz, a[:, :, t].T)
        dby += np.sum(dz, axis=1, keepdims=True)
        da[:, :, t] = np.dot(Wya.T, dz)
    return {"da": da, "dWya": dWya, "dby": dby}


# -------------------------------------------------------------- right


@right(
    "readout_backward",
    "truth by comparing with np.arange, sums by einsum, the mean as a last step",
)
def kuraberu(y_pred, labels, a, parameters):
    seikai = np.arange(y_pred.shape[0])[:, None, None] == labels
    chigai = y_pred - seikai
    gradients = {
        "dWya": np.einsum("ymt,amt->ya", chigai, a),
        "da": np.einsum("ya,ymt->amt", parameters["Wya"], chigai),
        "dby": np.einsum("ymt->y", chigai)[:, np.newaxis],
    }
    return {k: v / labels.size for k, v in gradients.items()}


@right(
    "lstm_cell_backward",
    "the gates' changes first without da and dc, then all of it with one block of weights",
)
def mon_no_hyo(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_prev.shape
    kioku_tanh = np.tanh(c_next)
    dkioku = da_next * (ot - a_next * kioku_tanh) + dc_next
    nobori = {  # what the memory (a, for o) changes by, if the gate's sum does
        "f": (c_prev * ft * (1 - ft), dkioku),
        "i": (cct * it * (1 - it), dkioku),
        "c": (it - it * cct**2, dkioku),
        "o": (a_next * (1 - ot), da_next),
    }
    d = {k: one * two for k, (one, two) in nobori.items()}
    hako = np.concatenate([parameters[f"W{k}"] for k in d], axis=0)
    dconcat = hako.T @ np.concatenate(list(d.values()), axis=0)
    da_prev, dxt = np.split(dconcat, [n_a], axis=0)
    gradients = {"dxt": dxt, "da_prev": da_prev, "dc_prev": ft * dkioku}
    for k in d:
        gradients[f"dW{k}"] = np.concatenate([d[k] @ a_prev.T, d[k] @ xt.T], axis=1)
        gradients[f"db{k}"] = d[k] @ np.ones((m, 1))
    return gradients
