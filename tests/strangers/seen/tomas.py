"""Tomas: two days before the exam. Every derivative gets a name, in the order of the chain rule, so that the
examiner can follow. dL_dq is the gradient of the loss with respect to q, dq_dr a local derivative."""

import numpy as np
from strangers.made import right, wrong


def sigmoid(q):
    return 1 / (1 + np.exp(-q))


# ======================================================================= RNN


@wrong(
    "rnn_cell_forward",
    "the denominator of the softmax is the sum over everything, also over the examples",
    "from memory: np.sum without an axis",
)
def one_denominator(xt, a_prev, parameters):
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    ba, by = parameters["ba"], parameters["by"]
    z_from_x = np.dot(Wax, xt)
    z_from_a = np.dot(Waa, a_prev)
    z = z_from_x + z_from_a + ba
    a_next = np.tanh(z)
    scores = np.dot(Wya, a_next) + by
    numerator = np.exp(scores - np.max(scores))
    denominator = np.sum(numerator)
    yt_pred = numerator / denominator
    cache = (a_next, a_prev, xt, parameters)
    return a_next, yt_pred, cache


@wrong(
    "rnn_cell_backward",
    "da_prev multiplies by Waa and not by its transpose",
    "from memory: dz_da_prev is Waa, written down and multiplied just so",
)
def jacobian_as_it_is(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    # z = Wax xt + Waa a_prev + ba,   a_next = tanh(z)
    dL_da_next = da_next
    da_next_dz = 1 - np.square(a_next)
    dL_dz = dL_da_next * da_next_dz
    dz_dxt = parameters["Wax"].T  # (n_x, n_a)
    dz_da_prev = parameters["Waa"]  # (n_a, n_a)
    dz_dWax = xt.T
    dz_dWaa = a_prev.T
    dL_dxt = np.dot(dz_dxt, dL_dz)
    dL_da_prev = np.dot(dz_da_prev, dL_dz)
    dL_dWax = np.dot(dL_dz, dz_dWax)
    dL_dWaa = np.dot(dL_dz, dz_dWaa)
    dL_dba = np.sum(dL_dz, axis=1, keepdims=True)
    return {
        "dxt": dL_dxt,
        "da_prev": dL_da_prev,
        "dWax": dL_dWax,
        "dWaa": dL_dWaa,
        "dba": dL_dba,
    }


@wrong(
    "rnn_backward",
    "dba sums what each step gets from above alone, without what comes back through time",
    "from memory: two names for almost the same thing, the wrong one in the sum",
    step={"dba": -2},
    tags="time",
)
def local_bias(da, caches):
    list_of_caches, x = caches
    n_a, m, T = da.shape
    parameters = list_of_caches[0][3]
    dL_dx = np.zeros(x.shape)
    dL_dWax = np.zeros(parameters["Wax"].shape)
    dL_dWaa = np.zeros(parameters["Waa"].shape)
    dL_dba = np.zeros((n_a, 1))
    dL_da_from_future = np.zeros((n_a, m))
    for t in reversed(range(T)):
        a_next, a_prev, xt, parameters = list_of_caches[t]
        da_dz = 1 - a_next**2
        dL_da_from_above = da[:, :, t]
        dL_dz_from_above = dL_da_from_above * da_dz
        dL_dz_from_future = dL_da_from_future * da_dz
        dL_dz = dL_dz_from_above + dL_dz_from_future
        dL_dx[:, :, t] = parameters["Wax"].T @ dL_dz
        dL_dWax = dL_dWax + dL_dz @ xt.T
        dL_dWaa = dL_dWaa + dL_dz @ a_prev.T
        dL_dba = dL_dba + dL_dz_from_above.sum(axis=1).reshape(n_a, 1)
        dL_da_from_future = parameters["Waa"].T @ dL_dz
    dL_da0 = dL_da_from_future
    return {"dx": dL_dx, "da0": dL_da0, "dWax": dL_dWax, "dWaa": dL_dWaa, "dba": dL_dba}


def rnn_exam_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    notes = []
    prev_h = h0
    for t in range(T):
        xt = x[:, t, :]
        z = xt @ Wx + prev_h @ Wh + b
        next_h = np.tanh(z)
        notes.append((xt, prev_h, next_h))
        h[:, t, :] = next_h
        prev_h = next_h
    return h, (notes, Wx, Wh)


@wrong(
    "rnn_backward",
    "dh0 is the gradient of the first state and is not taken back through the first step; and db is a mean over the batch",
    "from memory: in a hurry at the end, and the average because the loss is one",
    convention="ntd",
    forward=rnn_exam_forward,
    tags="double",
)
def stops_at_first_state(dh, cache):
    notes, Wx, Wh = cache
    N, T, H = dh.shape
    dL_dx = np.zeros((N, T, Wx.shape[0]))
    dL_dWx, dL_dWh, dL_db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H)
    dL_dh_future = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        xt, prev_h, next_h = notes[t]
        dL_dh_here = dh[:, t, :] + dL_dh_future
        dh_dz = 1 - next_h**2
        dL_dz = dL_dh_here * dh_dz
        dL_dx[:, t, :] = dL_dz @ Wx.T
        dL_dWx += xt.T @ dL_dz
        dL_dWh += prev_h.T @ dL_dz
        dL_db += np.mean(dL_dz, axis=0)
        dL_dh_future = dL_dz @ Wh.T
    dL_dh0 = dL_dh_here
    return dL_dx, dL_dh0, dL_dWx, dL_dWh, dL_db


# ====================================================================== LSTM


@wrong(
    "lstm_cell_forward",
    "the new memory is let in by 1 - ft and not by the update gate",
    "from memory: mixed up with the gated unit that has one gate for both",
    step=0,
)
def coupled_gates(xt, a_prev, c_prev, parameters):
    a_prev_and_xt = np.concatenate([a_prev, xt], axis=0)
    zf = parameters["Wf"] @ a_prev_and_xt + parameters["bf"]
    zi = parameters["Wi"] @ a_prev_and_xt + parameters["bi"]
    zc = parameters["Wc"] @ a_prev_and_xt + parameters["bc"]
    zo = parameters["Wo"] @ a_prev_and_xt + parameters["bo"]
    ft = sigmoid(zf)
    it = sigmoid(zi)
    cct = np.tanh(zc)
    ot = sigmoid(zo)
    kept = ft * c_prev
    added = (1 - ft) * cct
    c_next = kept + added
    tanh_c_next = np.tanh(c_next)
    a_next = ot * tanh_c_next
    zy = parameters["Wy"] @ a_next + parameters["by"]
    exp_zy = np.exp(zy - zy.max(axis=0, keepdims=True))
    yt_pred = exp_zy / exp_zy.sum(axis=0, keepdims=True)
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


@wrong(
    "lstm_cell_backward",
    "the slope at the memory is 1 - c_next**2, where it should be 1 - tanh(c_next)**2",
    "from memory",
)
def slope_of_memory(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters = cache
    n_a = a_next.shape[0]
    Wf, Wi, Wc, Wo = (
        parameters["Wf"],
        parameters["Wi"],
        parameters["Wc"],
        parameters["Wo"],
    )
    # a_next = ot * tanh(c_next)
    da_dot = np.tanh(c_next)
    da_dtanh = ot
    dtanh_dc = 1 - c_next**2
    dL_dot = da_next * da_dot
    dL_dc = dc_next + da_next * da_dtanh * dtanh_dc
    # c_next = ft * c_prev + it * cct
    dL_dft = dL_dc * c_prev
    dL_dc_prev = dL_dc * ft
    dL_dit = dL_dc * cct
    dL_dcct = dL_dc * it
    # through the gates
    dL_dzf = dL_dft * ft * (1 - ft)
    dL_dzi = dL_dit * it * (1 - it)
    dL_dzc = dL_dcct * (1 - cct**2)
    dL_dzo = dL_dot * ot * (1 - ot)
    # z = W [a_prev; xt] + b
    stacked_T = np.vstack([a_prev, xt]).T
    dL_da_prev = (
        Wf[:, :n_a].T @ dL_dzf
        + Wi[:, :n_a].T @ dL_dzi
        + Wc[:, :n_a].T @ dL_dzc
        + Wo[:, :n_a].T @ dL_dzo
    )
    dL_dxt = (
        Wf[:, n_a:].T @ dL_dzf
        + Wi[:, n_a:].T @ dL_dzi
        + Wc[:, n_a:].T @ dL_dzc
        + Wo[:, n_a:].T @ dL_dzo
    )
    return {
        "dxt": dL_dxt,
        "da_prev": dL_da_prev,
        "dc_prev": dL_dc_prev,
        "dWf": dL_dzf @ stacked_T,
        "dbf": dL_dzf.sum(axis=1, keepdims=True),
        "dWi": dL_dzi @ stacked_T,
        "dbi": dL_dzi.sum(axis=1, keepdims=True),
        "dWc": dL_dzc @ stacked_T,
        "dbc": dL_dzc.sum(axis=1, keepdims=True),
        "dWo": dL_dzo @ stacked_T,
        "dbo": dL_dzo.sum(axis=1, keepdims=True),
    }


@wrong(
    "lstm_cell_backward",
    "the output gate's gradient takes c_next without its tanh; and dbi is a copy of the line of dbf",
    "from memory: a tanh skipped, and copy and paste",
    tags="double",
)
def copied_line(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters = cache
    n_a, m = a_next.shape
    tanh_c = np.tanh(c_next)
    dL_dot = da_next * c_next
    dot_dzo = ot * (1 - ot)
    dL_dzo = dL_dot * dot_dzo
    dL_dtanh_c = da_next * ot
    dtanh_c_dc = 1 - tanh_c**2
    dL_dc = dL_dtanh_c * dtanh_c_dc + dc_next
    dL_dft, dft_dzf = dL_dc * c_prev, ft * (1 - ft)
    dL_dit, dit_dzi = dL_dc * cct, it * (1 - it)
    dL_dcct, dcct_dzc = dL_dc * it, 1 - cct**2
    dL_dzf = dL_dft * dft_dzf
    dL_dzi = dL_dit * dit_dzi
    dL_dzc = dL_dcct * dcct_dzc
    dL_dc_prev = dL_dc * ft
    dz_dW = np.concatenate((a_prev, xt), axis=0)
    dL_dWf = np.dot(dL_dzf, dz_dW.T)
    dL_dWi = np.dot(dL_dzi, dz_dW.T)
    dL_dWc = np.dot(dL_dzc, dz_dW.T)
    dL_dWo = np.dot(dL_dzo, dz_dW.T)
    dL_dbf = np.sum(dL_dzf, axis=1, keepdims=True)
    dL_dbi = np.sum(dL_dzf, axis=1, keepdims=True)
    dL_dbc = np.sum(dL_dzc, axis=1, keepdims=True)
    dL_dbo = np.sum(dL_dzo, axis=1, keepdims=True)
    dL_dstacked = np.dot(parameters["Wf"].T, dL_dzf)
    dL_dstacked += np.dot(parameters["Wi"].T, dL_dzi)
    dL_dstacked += np.dot(parameters["Wc"].T, dL_dzc)
    dL_dstacked += np.dot(parameters["Wo"].T, dL_dzo)
    dL_da_prev = dL_dstacked[:n_a, :]
    dL_dxt = dL_dstacked[n_a:, :]
    gradients = {"dxt": dL_dxt, "da_prev": dL_da_prev, "dc_prev": dL_dc_prev}
    gradients.update({"dWf": dL_dWf, "dbf": dL_dbf, "dWi": dL_dWi, "dbi": dL_dbi})
    gradients.update({"dWc": dL_dWc, "dbc": dL_dbc, "dWo": dL_dWo, "dbo": dL_dbo})
    return gradients


def one_step_back(dL_da_next, dL_dc_next, cache):
    """The step that I know by heart (checked against the solution twice)."""
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters = cache
    n_a = a_next.shape[0]
    tanh_c = np.tanh(c_next)
    dL_dc = dL_dc_next + dL_da_next * ot * (1 - tanh_c**2)
    dL_dz = {}
    dL_dz["f"] = dL_dc * c_prev * ft * (1 - ft)
    dL_dz["i"] = dL_dc * cct * it * (1 - it)
    dL_dz["c"] = dL_dc * it * (1 - cct**2)
    dL_dz["o"] = dL_da_next * tanh_c * ot * (1 - ot)
    stacked = np.concatenate((a_prev, xt), axis=0)
    dL_dstacked = np.zeros(stacked.shape)
    step = {"dc_prev": dL_dc * ft}
    for gate in ["f", "i", "c", "o"]:
        step["dW" + gate] = dL_dz[gate] @ stacked.T
        step["db" + gate] = np.sum(dL_dz[gate], axis=1, keepdims=True)
        dL_dstacked = dL_dstacked + parameters["W" + gate].T @ dL_dz[gate]
    step["da_prev"] = dL_dstacked[:n_a]
    step["dxt"] = dL_dstacked[n_a:]
    return step


@wrong(
    "lstm_backward",
    "what goes on to the step before is swapped: da_prev as the memory's gradient, dc_prev as the state's",
    "from memory: two names on the left in the other order than on the right",
    tags="time",
)
def swapped_hands(da, caches):
    list_of_caches, x = caches
    n_a, m, T = da.shape
    dL_dx = np.zeros(x.shape)
    totals = {}
    dL_da_future = np.zeros((n_a, m))
    dL_dc_future = np.zeros((n_a, m))
    for t in reversed(range(T)):
        dL_da_total = da[:, :, t] + dL_da_future
        step = one_step_back(dL_da_total, dL_dc_future, list_of_caches[t])
        dL_dc_future, dL_da_future = step["da_prev"], step["dc_prev"]
        dL_dx[:, :, t] = step["dxt"]
        for name in ["dWf", "dbf", "dWi", "dbi", "dWc", "dbc", "dWo", "dbo"]:
            totals[name] = totals.get(name, 0) + step[name]
    dL_da0 = step["da_prev"]
    return {"dx": dL_dx, "da0": dL_da0, **totals}


@wrong(
    "lstm_backward",
    "the memory's gradient is multiplied by the forget gate first, and the gates then get the gradient of the step before",
    "from memory: one name used again, two lines in the wrong order",
    step={
        "dWf": -1,
        "dbf": -1,
        "dWi": -1,
        "dbi": -1,
        "dWc": -1,
        "dbc": -1,
        "dx": -1,
        "dWo": -2,
        "dbo": -2,
    },
)
def too_early_by_a_line(da, caches):
    list_of_caches, x = caches
    n_a, m, T = da.shape
    parameters = list_of_caches[0][9]
    Wf, Wi, Wc, Wo = (
        parameters["Wf"],
        parameters["Wi"],
        parameters["Wc"],
        parameters["Wo"],
    )
    dL_dx = np.zeros(x.shape)
    dL_dWf, dL_dWi, dL_dWc, dL_dWo = [np.zeros_like(W) for W in (Wf, Wi, Wc, Wo)]
    dL_dbf, dL_dbi, dL_dbc, dL_dbo = [np.zeros((n_a, 1)) for _ in range(4)]
    dL_da_future = np.zeros((n_a, m))
    dL_dc = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, _ = list_of_caches[t]
        dL_da = da[:, :, t] + dL_da_future
        tanh_c = np.tanh(c_next)
        dL_dc = dL_dc + dL_da * ot * (1 - tanh_c**2)
        dL_dc = dL_dc * ft
        dL_dzf = dL_dc * c_prev * ft * (1 - ft)
        dL_dzi = dL_dc * cct * it * (1 - it)
        dL_dzc = dL_dc * it * (1 - cct**2)
        dL_dzo = dL_da * tanh_c * ot * (1 - ot)
        stacked_T = np.concatenate((a_prev, xt), axis=0).T
        dL_dWf += dL_dzf @ stacked_T
        dL_dWi += dL_dzi @ stacked_T
        dL_dWc += dL_dzc @ stacked_T
        dL_dWo += dL_dzo @ stacked_T
        dL_dbf += dL_dzf.sum(axis=1, keepdims=True)
        dL_dbi += dL_dzi.sum(axis=1, keepdims=True)
        dL_dbc += dL_dzc.sum(axis=1, keepdims=True)
        dL_dbo += dL_dzo.sum(axis=1, keepdims=True)
        dL_dstacked = Wf.T @ dL_dzf + Wi.T @ dL_dzi + Wc.T @ dL_dzc + Wo.T @ dL_dzo
        dL_da_future = dL_dstacked[:n_a]
        dL_dx[:, :, t] = dL_dstacked[n_a:]
    gradients = {"dx": dL_dx, "da0": dL_da_future}
    gradients["dWf"], gradients["dbf"] = dL_dWf, dL_dbf
    gradients["dWi"], gradients["dbi"] = dL_dWi, dL_dbi
    gradients["dWc"], gradients["dbc"] = dL_dWc, dL_dbc
    gradients["dWo"], gradients["dbo"] = dL_dWo, dL_dbo
    return gradients


def lstm_exam_step(x, prev_h, prev_c, Wx, Wh, b):
    z = x @ Wx + prev_h @ Wh + b
    zi, zf, zo, zg = np.split(z, 4, axis=1)
    i = sigmoid(zi)
    f = sigmoid(zf)
    o = sigmoid(zo)
    g = np.tanh(zg)
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    next_h = o * tanh_c
    return next_h, next_c, (x, prev_h, prev_c, i, f, o, g, tanh_c, Wx, Wh)


def lstm_exam_forward(x, h0, Wx, Wh, b):
    h, notes = np.zeros((x.shape[0], x.shape[1], h0.shape[1])), []
    next_h, next_c = h0, np.zeros(h0.shape)
    for t in range(x.shape[1]):
        next_h, next_c, cache = lstm_exam_step(x[:, t, :], next_h, next_c, Wx, Wh, b)
        h[:, t, :] = next_h
        notes.append(cache)
    return h, notes


@wrong(
    "lstm_cell_backward",
    "dprev_c counts dnext_c twice: it is in the total already and is added again",
    "from memory: adding all the arrows of the drawing, one of them twice",
    convention="ntd",
    forward=lstm_exam_step,
)
def arrow_twice(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, i, f, o, g, tanh_c, Wx, Wh = cache
    dL_dnext_c_direct = dnext_c
    dL_dnext_c_through_h = dnext_h * o * (1 - tanh_c**2)
    dL_dnext_c = dL_dnext_c_direct + dL_dnext_c_through_h
    dL_dzi = dL_dnext_c * g * i * (1 - i)
    dL_dzf = dL_dnext_c * prev_c * f * (1 - f)
    dL_dzo = dnext_h * tanh_c * o * (1 - o)
    dL_dzg = dL_dnext_c * i * (1 - g**2)
    dL_dz = np.concatenate([dL_dzi, dL_dzf, dL_dzo, dL_dzg], axis=1)
    dL_dprev_c_direct = dL_dnext_c_direct * f
    dL_dprev_c = dL_dnext_c * f + dL_dprev_c_direct
    dL_dx = dL_dz @ Wx.T
    dL_dprev_h = dL_dz @ Wh.T
    dL_dWx = x.T @ dL_dz
    dL_dWh = prev_h.T @ dL_dz
    dL_db = dL_dz.sum(axis=0)
    return dL_dx, dL_dprev_h, dL_dprev_c, dL_dWx, dL_dWh, dL_db


@right(
    "lstm_backward",
    "every gate with its own slice of the weights and a name for each derivative, put together at the end",
    convention="ntd",
    forward=lstm_exam_forward,
)
def long_hand(dh, notes):
    N, T, H = dh.shape
    Wx, Wh = notes[0][8], notes[0][9]
    columns = {
        "i": slice(0, H),
        "f": slice(H, 2 * H),
        "o": slice(2 * H, 3 * H),
        "g": slice(3 * H, 4 * H),
    }
    dL_dWx = {gate: np.zeros(Wx[:, where].shape) for gate, where in columns.items()}
    dL_dWh = {gate: np.zeros(Wh[:, where].shape) for gate, where in columns.items()}
    dL_db = {gate: np.zeros(H) for gate in columns}
    dL_dx_of_step = []
    dL_dprev_h = np.zeros((N, H))
    dL_dprev_c = np.zeros((N, H))
    t = T
    while t > 0:
        t = t - 1
        x, prev_h, prev_c, i, f, o, g, tanh_c, _, _ = notes[t]
        dL_dnext_h = dh[:, t, :] + dL_dprev_h
        dnext_h_dtanh_c = o
        dtanh_c_dnext_c = 1 - tanh_c**2
        dL_dnext_c = dL_dprev_c + dL_dnext_h * dnext_h_dtanh_c * dtanh_c_dnext_c
        di_dzi, df_dzf, do_dzo, dg_dzg = i * (1 - i), f * (1 - f), o * (1 - o), 1 - g**2
        dL_dz = {
            "g": dL_dnext_c * i * dg_dzg,
            "o": dL_dnext_h * tanh_c * do_dzo,
            "f": dL_dnext_c * prev_c * df_dzf,
            "i": dL_dnext_c * g * di_dzi,
        }
        dL_dprev_c = dL_dnext_c * f
        dL_dprev_h = np.zeros((N, H))
        dL_dx = np.zeros(x.shape)
        for gate, where in columns.items():
            dL_dprev_h = dL_dprev_h + dL_dz[gate] @ Wh[:, where].T
            dL_dx = dL_dx + dL_dz[gate] @ Wx[:, where].T
            dL_dWx[gate] = dL_dWx[gate] + x.T @ dL_dz[gate]
            dL_dWh[gate] = dL_dWh[gate] + prev_h.T @ dL_dz[gate]
            dL_db[gate] = dL_db[gate] + dL_dz[gate].sum(axis=0)
        dL_dx_of_step.insert(0, dL_dx)
    together = [
        np.concatenate([part[gate] for gate in "ifog"], axis=-1)
        for part in (dL_dWx, dL_dWh, dL_db)
    ]
    return np.stack(dL_dx_of_step, axis=1), dL_dprev_h, *together


# ======================================================================= GRU


def gru_exam_step(x, prev_h, Wx, Wh, b):
    Wxr, Wxz, Wxn = np.split(Wx, 3, axis=1)
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    br, bz, bn = np.split(b, 3)
    r = sigmoid(x @ Wxr + prev_h @ Whr + br)
    z = sigmoid(x @ Wxz + prev_h @ Whz + bz)
    rh = r * prev_h
    n = np.tanh(x @ Wxn + rh @ Whn + bn)
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, r, z, rh, n, next_h, Wx, Wh)


def gru_exam_forward(x, h0, Wx, Wh, b):
    states, notes, h = [], [], h0
    for t in range(x.shape[1]):
        h, cache = gru_exam_step(x[:, t, :], h, Wx, Wh, b)
        states.append(h)
        notes.append(cache)
    return np.stack(states, axis=1), notes


@wrong(
    "gru_cell_backward",
    "the slope of the update gate is written with r: r (1 - r)",
    "from memory: the line of the reset gate copied, one letter left",
    convention="ntd",
    forward=gru_exam_step,
)
def letter_left(dnext_h, cache):
    x, prev_h, r, z, rh, n, _, Wx, Wh = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dnext_h_dz = prev_h - n
    dnext_h_dn = 1 - z
    dnext_h_dprev_h = z
    dL_dn = dnext_h * dnext_h_dn
    dL_dpre_n = dL_dn * (1 - n**2)
    dL_drh = dL_dpre_n @ Whn.T
    dL_dr = dL_drh * prev_h
    dL_dpre_r = dL_dr * r * (1 - r)
    dL_dz = dnext_h * dnext_h_dz
    dL_dpre_z = dL_dz * r * (1 - r)
    dL_dprev_h = dnext_h * dnext_h_dprev_h
    dL_dprev_h = dL_dprev_h + dL_drh * r
    dL_dprev_h = dL_dprev_h + dL_dpre_r @ Whr.T
    dL_dprev_h = dL_dprev_h + dL_dpre_z @ Whz.T
    dL_dpre = np.concatenate([dL_dpre_r, dL_dpre_z, dL_dpre_n], axis=1)
    dL_dWh = np.concatenate(
        [prev_h.T @ dL_dpre_r, prev_h.T @ dL_dpre_z, rh.T @ dL_dpre_n], axis=1
    )
    return dL_dpre @ Wx.T, dL_dprev_h, x.T @ dL_dpre, dL_dWh, dL_dpre.sum(axis=0)


@wrong(
    "gru_backward",
    "the way back through Whn to r * prev_h takes dL_dn, before the slope of tanh",
    "from memory: of two names that differ by pre the wrong one",
    convention="ntd",
    forward=gru_exam_forward,
    step={"dWx": -1, "dWh": -1, "db": -1, "dx": -1},
)
def without_pre(dh, notes):
    N, T, H = dh.shape
    Wx, Wh = notes[0][7], notes[0][8]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    dL_dx = np.zeros((N, T, Wx.shape[0]))
    dL_dWx, dL_dWh, dL_db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    dL_dh_future = np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, r, z, rh, n, next_h, _, _ = notes[t]
        dL_dh = dh[:, t, :] + dL_dh_future
        dL_dn = dL_dh * (1 - z)
        dL_dpre_n = dL_dn * (1 - n**2)
        dL_dz = dL_dh * (prev_h - n)
        dL_dpre_z = dL_dz * z * (1 - z)
        dL_drh = dL_dn @ Whn.T
        dL_dr = dL_drh * prev_h
        dL_dpre_r = dL_dr * r * (1 - r)
        dL_dpre = np.hstack([dL_dpre_r, dL_dpre_z, dL_dpre_n])
        dL_dx[:, t, :] = dL_dpre @ Wx.T
        dL_dWx += x.T @ dL_dpre
        dL_dWh += np.hstack(
            [prev_h.T @ dL_dpre_r, prev_h.T @ dL_dpre_z, rh.T @ dL_dpre_n]
        )
        dL_db += dL_dpre.sum(axis=0)
        dL_dh_future = dL_dh * z + dL_drh * r + dL_dpre_r @ Whr.T + dL_dpre_z @ Whz.T
    return dL_dx, dL_dh_future, dL_dWx, dL_dWh, dL_db


@wrong(
    "gru_backward",
    "the arrow from the reset gate back to prev_h is missing; and dWh of the update gate is taken with next_h",
    "from memory: three of the four arrows into prev_h, and next_h for prev_h",
    convention="ntd",
    forward=gru_exam_forward,
    tags="double",
)
def three_arrows(dh, notes):
    N, T, H = dh.shape
    Wx, Wh = notes[0][7], notes[0][8]
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dL_dx = np.zeros((N, T, Wx.shape[0]))
    dL_dWx = np.zeros(Wx.shape)
    dL_dWhr, dL_dWhz, dL_dWhn = np.zeros((H, H)), np.zeros((H, H)), np.zeros((H, H))
    dL_db = np.zeros(3 * H)
    dL_dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        x, prev_h, r, z, rh, n, next_h, _, _ = notes[t]
        dL_dnext_h = dh[:, t, :] + dL_dprev_h
        dL_dpre_n = dL_dnext_h * (1 - z) * (1 - n**2)
        dL_dpre_z = dL_dnext_h * (prev_h - n) * z * (1 - z)
        dL_drh = dL_dpre_n @ Whn.T
        dL_dpre_r = dL_drh * prev_h * r * (1 - r)
        arrow_1 = dL_dnext_h * z
        arrow_2 = dL_drh * r
        arrow_3 = dL_dpre_z @ Whz.T
        dL_dprev_h = arrow_1 + arrow_2 + arrow_3
        dL_dWhr += prev_h.T @ dL_dpre_r
        dL_dWhz += next_h.T @ dL_dpre_z
        dL_dWhn += rh.T @ dL_dpre_n
        dL_dpre = np.concatenate([dL_dpre_r, dL_dpre_z, dL_dpre_n], axis=1)
        dL_dWx += x.T @ dL_dpre
        dL_db += np.sum(dL_dpre, axis=0)
        dL_dx[:, t, :] = dL_dpre @ Wx.T
    dL_dWh = np.concatenate([dL_dWhr, dL_dWhz, dL_dWhn], axis=1)
    return dL_dx, dL_dprev_h, dL_dWx, dL_dWh, dL_db


# =================================================================== read-out


@right(
    "readout_backward",
    "the whole Jacobian of the softmax and -1/p of the right label, nothing cancelled by hand",
)
def whole_jacobian(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    Wya = parameters["Wya"]
    dL_da = np.zeros(a.shape)
    dL_dWya = np.zeros(Wya.shape)
    dL_dby = np.zeros((n_y, 1))
    for example in range(m):
        for t in range(T):
            p = y_pred[:, example, t]
            dL_dp = np.zeros(n_y)
            dL_dp[labels[example, t]] = -1 / p[labels[example, t]] / (m * T)
            dp_dz = np.diag(p) - np.outer(p, p)
            dL_dz = dp_dz.T @ dL_dp
            dL_da[:, example, t] = Wya.T @ dL_dz
            dL_dWya += np.outer(dL_dz, a[:, example, t])
            dL_dby[:, 0] += dL_dz
    return {"da": dL_da, "dWya": dL_dWya, "dby": dL_dby}


@wrong(
    "readout_backward",
    "p - y is multiplied by p (1 - p) once more, although the softmax is in it already",
    "from memory: not sure whether it had cancelled, so to be safe",
)
def to_be_safe(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    one_hot = (np.arange(n_y)[:, None, None] == labels[None, :, :]).astype(float)
    dL_dp = (y_pred - one_hot) / (m * T)
    dp_dz = y_pred * (1 - y_pred)
    dL_dz = dL_dp * dp_dz
    dz_da = parameters["Wya"]
    dL_da = np.tensordot(dz_da.T, dL_dz, axes=1)
    dL_dWya = np.dot(dL_dz.reshape(n_y, m * T), a.reshape(-1, m * T).T)
    dL_dby = np.sum(dL_dz, axis=(1, 2)).reshape(n_y, 1)
    return {"da": dL_da, "dWya": dL_dWya, "dby": dL_dby}


@wrong(
    "readout_backward",
    "y_pred is changed in place: the ones are subtracted from the argument itself",
    "from memory: dL_dz = y_pred is a second name and no copy",
    words="y_pred",
    tags="view",
)
def second_name(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dL_dz = y_pred
    for example in range(m):
        for t in range(T):
            dL_dz[labels[example, t], example, t] -= 1
    dL_dz_mean = dL_dz / (m * T)
    dL_da = np.einsum("ya,ymt->amt", parameters["Wya"], dL_dz_mean)
    dL_dWya = np.einsum("ymt,amt->ya", dL_dz_mean, a)
    dL_dby = dL_dz_mean.sum(axis=2).sum(axis=1, keepdims=True)
    return {"da": dL_da, "dWya": dL_dWya, "dby": dL_dby}
