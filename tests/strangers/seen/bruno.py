"""Bruno is a biologist who came from R: vectors, one sample at a time, sum() and lists."""

import numpy as np
from strangers.made import right, wrong


def logistic(v):
    return 1 / (1 + np.exp(-v))


def cbind(columns):
    return np.array(list(columns)).T


def cols(matrix):
    return [matrix[:, k] for k in range(matrix.shape[1])]


# ----------------------------------------------------------------- RNN


@wrong(
    "rnn_forward",
    "every time step starts from a0: the state is not handed on",
    "from memory: lapply over time",
    tags="time",
    step={"cache a_prev": 2, "*": 1},
)
def forward_lapply(x, a0, parameters):
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    ba, by = parameters["ba"].ravel(), parameters["by"].ravel()
    times = range(x.shape[2])

    def one_time(xt):
        return cbind(
            np.tanh(Wax @ xs + Waa @ as_ + ba)
            for xs, as_ in zip(cols(xt), cols(a0), strict=True)
        )

    def softmax(v):
        e = np.exp(v - max(v))
        return e / sum(e)

    states = [one_time(x[:, :, t]) for t in times]
    y = [cbind(softmax(Wya @ s + by) for s in cols(state)) for state in states]
    previous = [a0, *states[:-1]]
    caches = [(states[t], previous[t], x[:, :, t], parameters) for t in times]
    return np.stack(states, axis=2), np.stack(y, axis=2), (caches, x)


@wrong(
    "rnn_cell_backward",
    "the sums over the samples begin at sample 1: the first one is left out",
    "from memory: range(1, m) as 1:m in R",
)
def cell_counts_from_one(da_next, cache):
    a_next, a_prev, xt, par = cache
    m = xt.shape[1]
    dz = [da_next[:, k] * (1 - a_next[:, k] ** 2) for k in range(m)]
    return {
        "dxt": cbind(d @ par["Wax"] for d in dz),
        "da_prev": cbind(d @ par["Waa"] for d in dz),
        "dWax": sum([np.outer(dz[k], xt[:, k]) for k in range(1, m)]),
        "dWaa": sum([np.outer(dz[k], a_prev[:, k]) for k in range(1, m)]),
        "dba": sum(dz).reshape(-1, 1),
    }


@wrong(
    "rnn_cell_backward",
    "(1 - a)**2 where 1 - a**2 is meant",
    "from memory",
    step=-1,
)
def cell_bracket(da_next, cache):
    a_next, a_prev, xt, par = cache
    slope = np.array([[(1 - a) ** 2 for a in unit] for unit in a_next])
    dz = slope * da_next
    units = range(dz.shape[0])
    return {
        "dxt": sum(np.outer(par["Wax"][i], dz[i]) for i in units),
        "da_prev": sum(np.outer(par["Waa"][i], dz[i]) for i in units),
        "dWax": np.array([xt @ dz[i] for i in units]),
        "dWaa": np.array([a_prev @ dz[i] for i in units]),
        "dba": np.array([[sum(dz[i])] for i in units]),
    }


@wrong(
    "rnn_backward",
    "dx is collected from the last step to the first, and never turned round",
    "from memory: append in a loop that runs backwards",
    tags="time",
    step=-1,
)
def passes_append(da, caches):
    per_time, x = caches
    par = per_time[0][3]
    dx, carry = [], 0 * da[:, :, 0]
    dWax, dWaa, dba = 0, 0, 0
    for t in reversed(range(x.shape[2])):
        a_next, a_prev, xt, _ = per_time[t]
        dz = (da[:, :, t] + carry) * (1 - a_next**2)
        dx.append(par["Wax"].T @ dz)
        carry = par["Waa"].T @ dz
        dWax = dWax + dz @ xt.T
        dWaa = dWaa + dz @ a_prev.T
        dba = dba + np.array([[sum(unit)] for unit in dz])
    return {
        "dx": np.stack(dx, axis=2),
        "da0": carry,
        "dWax": dWax,
        "dWaa": dWaa,
        "dba": dba,
    }


@wrong(
    "rnn_backward",
    "dWaa with the state after the step, and dba is a mean over the samples",
    "from memory",
    tags="double",
    step=-1,
)
def passes_mean(da, caches):
    per_time, x = caches
    par = per_time[0][3]
    times = range(len(per_time))
    a_next = [entry[0] for entry in per_time]
    dz = [None for t in times]
    from_right = 0
    for t in times[::-1]:
        dz[t] = (da[:, :, t] + from_right) * (1 - a_next[t] ** 2)
        from_right = np.array([sum((w * dz[t].T).T) for w in par["Waa"].T])
    return {
        "dx": np.stack([par["Wax"].T @ d for d in dz], axis=2),
        "da0": from_right,
        "dWax": sum(dz[t] @ x[:, :, t].T for t in times),
        "dWaa": sum(d @ a.T for d, a in zip(dz, a_next, strict=True)),
        "dba": np.array([[np.mean(unit)] for unit in sum(dz)]),
    }


@right("rnn_cell_backward", "every number by its own sum over units or samples")
def cell_by_numbers(da_next, cache):
    a_next, a_prev, xt, par = cache
    n_a, m = a_next.shape
    n_x = len(xt)
    dz = [
        [da_next[i, k] * (1 - a_next[i, k] ** 2) for k in range(m)] for i in range(n_a)
    ]

    def back(W, j, k):
        return sum(W[i, j] * dz[i][k] for i in range(n_a))

    def inner(i, row):
        return sum(d * v for d, v in zip(dz[i], row, strict=True))

    return {
        "dxt": np.array(
            [[back(par["Wax"], j, k) for k in range(m)] for j in range(n_x)]
        ),
        "da_prev": np.array(
            [[back(par["Waa"], j, k) for k in range(m)] for j in range(n_a)]
        ),
        "dWax": np.array([[inner(i, row) for row in xt] for i in range(n_a)]),
        "dWaa": np.array([[inner(i, row) for row in a_prev] for i in range(n_a)]),
        "dba": np.array([[sum(row)] for row in dz]),
    }


# ----------------------------------------------------------------- LSTM


@wrong(
    "lstm_cell_forward",
    "the candidate goes through the logistic function like the three gates",
    "from memory: sapply over the four",
    step=0,
)
def lstm_sapply(xt, a_prev, c_prev, parameters):
    stacked = np.vstack([a_prev, xt])
    ft, it, cct, ot = [
        logistic(parameters["W" + k] @ stacked + parameters["b" + k]) for k in "fico"
    ]
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    scores = parameters["Wy"] @ a_next + parameters["by"]
    yt = cbind(np.exp(s) / sum(np.exp(s)) for s in cols(scores))
    return (
        a_next,
        c_next,
        yt,
        (
            a_next,
            c_next,
            a_prev,
            c_prev,
            ft,
            it,
            cct,
            ot,
            xt,
            parameters,
        ),
    )


@wrong(
    "lstm_cell_backward",
    "o * 1 - tanh(c)**2: the brackets round 1 - tanh(c)**2 are missing",
    "from memory: the precedence of * and -",
    step=-1,
)
def lstm_cell_no_brackets(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, par = cache
    n_a = len(a_prev)
    dc = dc_next + da_next * ot * 1 - np.tanh(c_next) ** 2
    d = {
        "f": dc * c_prev * ft * (1 - ft),
        "i": dc * cct * it * (1 - it),
        "c": dc * it * (1 - cct**2),
        "o": da_next * np.tanh(c_next) * ot * (1 - ot),
    }
    out = {
        "dxt": sum([par["W" + k][:, n_a:].T @ d[k] for k in d]),
        "da_prev": sum([par["W" + k][:, :n_a].T @ d[k] for k in d]),
        "dc_prev": dc * ft,
    }
    for k in d:
        out["dW" + k] = d[k] @ np.vstack([a_prev, xt]).T
        out["db" + k] = np.array([[sum(row)] for row in d[k]])
    return out


@wrong(
    "lstm_cell_backward",
    "di multiplies with i and not with the candidate, and dxt forgets the output gate",
    "from memory",
    tags="double",
    step=-1,
)
def lstm_cell_sums(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, par = cache
    n_a, m = a_prev.shape
    memory = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - memory**2)
    df = dc * c_prev * ft * (1 - ft)
    di = dc * it * it * (1 - it)
    dcc = dc * it * (1 - cct**2)
    do = da_next * memory * ot * (1 - ot)
    samples = [np.concatenate([a_prev[:, k], xt[:, k]]) for k in range(m)]

    def weights(d):
        return sum([np.outer(d[:, k], samples[k]) for k in range(m)])

    def bias(d):
        return sum(cols(d)).reshape(n_a, 1)

    to_a = [(par["Wf"], df), (par["Wi"], di), (par["Wc"], dcc), (par["Wo"], do)]
    to_x = [(par["Wf"], df), (par["Wi"], di), (par["Wc"], dcc)]
    return {
        "dxt": sum(W[:, n_a:].T @ d for W, d in to_x),
        "da_prev": sum(W[:, :n_a].T @ d for W, d in to_a),
        "dc_prev": ft * dc,
        "dWf": weights(df), "dbf": bias(df),
        "dWi": weights(di), "dbi": bias(di),
        "dWc": weights(dcc), "dbc": bias(dcc),
        "dWo": weights(do), "dbo": bias(do),
    }  # fmt: skip


def four_gates(da, dc_in, entry):
    """The four vectors before the nonlinearities, and what goes on to c."""
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, par = entry
    dc = dc_in + da * ot * (1 - np.tanh(c_next) ** 2)
    return [
        dc * c_prev * ft * (1 - ft),
        dc * cct * it * (1 - it),
        dc * it * (1 - cct**2),
        da * np.tanh(c_next) * ot * (1 - ot),
    ], dc * ft


@wrong(
    "lstm_backward",
    "the gradient of c begins with zeros again at every step",
    "from memory: the zeros stand inside of the loop",
    tags="time",
    step={
        "dx": -2, "dWf": -2, "dbf": -2, "dWi": -2, "dbi": -2, "dWc": -2, "dbc": -2,
        "dWo": -3, "dbo": -3,
    },
)  # fmt: skip
def lstm_zeros_inside(da, caches):
    per_time, x = caches
    par = per_time[0][9]
    n_a, m, T = da.shape
    W = [par["W" + k] for k in "fico"]
    dW, db = [0 * w for w in W], [0 for w in W]
    dx = np.zeros(x.shape)
    da_right = np.zeros((n_a, m))
    for t in reversed(range(T)):
        dc_right = np.zeros((n_a, m))
        d, dc_right = four_gates(da[:, :, t] + da_right, dc_right, per_time[t])
        dx[:, :, t] = sum(w[:, n_a:].T @ v for w, v in zip(W, d, strict=True))
        da_right = sum(w[:, :n_a].T @ v for w, v in zip(W, d, strict=True))
        inputs = np.vstack([per_time[t][2], per_time[t][8]])
        dW = [old + v @ inputs.T for old, v in zip(dW, d, strict=True)]
        db = [old + v.sum(axis=1).reshape(-1, 1) for old, v in zip(db, d, strict=True)]
    answer = {"dx": dx, "da0": da_right}
    answer |= {"dW" + k: v for k, v in zip("fico", dW, strict=True)}
    answer |= {"db" + k: v for k, v in zip("fico", db, strict=True)}
    return answer


@wrong(
    "lstm_backward",
    "the weights' gradients stack [x; a_prev], the weights act on [a_prev; x]",
    "from memory: rbind in the wrong order",
    step=-1,
)
def lstm_rbind(da, caches):
    per_time, x = caches
    par = per_time[0][9]
    n_a, m, T = da.shape
    da_right, dc_right = 0, 0
    pre = []
    for t in range(T)[::-1]:
        d, dc_right = four_gates(da[:, :, t] + da_right, dc_right, per_time[t])
        da_right = sum(
            [par["W" + k][:, :n_a].T @ v for k, v in zip("fico", d, strict=True)]
        )
        pre.insert(0, dict(zip("fico", d, strict=True)))
    inputs = [np.vstack([entry[8], entry[2]]) for entry in per_time]
    answer = {
        "dx": np.stack(
            [sum(par["W" + k][:, n_a:].T @ d[k] for k in d) for d in pre], 2
        ),
        "da0": da_right,
    }
    for k in "fico":
        answer["dW" + k] = sum([pre[t][k] @ inputs[t].T for t in range(T)])
        answer["db" + k] = sum([pre[t][k].sum(1) for t in range(T)]).reshape(-1, 1)
    return answer


@wrong(
    "lstm_backward",
    "the forget gate's gradient with c_next, and the output gate's without tanh",
    "from memory: which c is which",
    tags="double",
    step={
        "dx": -1, "dWf": -1, "dbf": -1, "dWo": -1, "dbo": -1,
        "dWi": -2, "dbi": -2, "dWc": -2, "dbc": -2,
    },
)  # fmt: skip
def lstm_which_c(da, caches):
    per_time, x = caches
    n_a, m, T = da.shape
    total = {}
    slices = []
    back_a, back_c = np.zeros((n_a, m)), np.zeros((n_a, m))
    for entry, da_t in zip(per_time[::-1], np.moveaxis(da, 2, 0)[::-1], strict=True):
        a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, par = entry
        back_a = back_a + da_t
        back_c = back_c + back_a * ot * (1 - np.tanh(c_next) ** 2)
        d = {
            "f": back_c * c_next * ft * (1 - ft),
            "i": back_c * cct * it * (1 - it),
            "c": back_c * it * (1 - cct * cct),
            "o": back_a * c_next * ot * (1 - ot),
        }
        both = sum(par["W" + k].T @ d[k] for k in d)
        back_a, back_c = both[:n_a], back_c * ft
        slices = [both[n_a:], *slices]
        for k in d:
            total["dW" + k] = total.get("dW" + k, 0) + d[k] @ np.vstack((a_prev, xt)).T
            total["db" + k] = total.get("db" + k, 0) + d[k] @ np.ones((m, 1))
    return {"dx": np.stack(slices, axis=2), "da0": back_a, **total}


# ----------------------------------------------------------------- GRU


def gru_one(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    Wr, Wz, Wn = [Wx[:, g * H : (g + 1) * H] for g in range(3)]
    Ur, Uz, Un = [Wh[:, g * H : (g + 1) * H] for g in range(3)]
    br, bz, bn = [b[g * H : (g + 1) * H] for g in range(3)]
    r = logistic(x @ Wr + prev_h @ Ur + br)
    z = logistic(x @ Wz + prev_h @ Uz + bz)
    n = np.tanh(x @ Wn + (r * prev_h) @ Un + bn)
    return (1 - z) * n + z * prev_h, dict(
        x=x, h=prev_h, r=r, z=z, n=n, W=[Wr, Wz, Wn], U=[Ur, Uz, Un]
    )


def gru_all(x, h0, Wx, Wh, b):
    states, book = [h0], []
    for t in range(x.shape[1]):
        h, page = gru_one(x[:, t, :], states[-1], Wx, Wh, b)
        states.append(h)
        book.append(page)
    return np.stack(states[1:], axis=1), (book, states)


@wrong(
    "gru_cell_backward",
    "dprev_h lacks what comes back through the update gate",
    "from memory: counted three ways, there are four",
    convention="ntd",
    forward=gru_one,
    step={"dprev_h": -1},
)
def gru_three_ways(dnext_h, page):
    x, h, r, z, n = [page[k] for k in ("x", "h", "r", "z", "n")]
    Ur, Uz, Un = page["U"]
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (h - n) * z * (1 - z)
    dr = (dn @ Un.T) * h * r * (1 - r)
    ways = [dnext_h * z, r * (dn @ Un.T), dr @ Ur.T]
    pre = [dr, dz, dn]
    left = [h, h, r * h]
    return (
        sum([d @ w.T for d, w in zip(pre, page["W"], strict=True)]),
        sum(ways),
        np.hstack([x.T @ d for d in pre]),
        np.hstack([v.T @ d for v, d in zip(left, pre, strict=True)]),
        np.concatenate([sum(d) for d in pre]),
    )


@wrong(
    "gru_backward",
    "dz with the state after the step: h - n, where h before the step is meant",
    "from memory: one too far in the list of states",
    convention="ntd",
    forward=gru_all,
    tags="time",
    step={"dx": -1, "dWx": -1, "dWh": -1, "db": -1},
)
def gru_one_too_far(dh, notes):
    book, states = notes
    T = len(book)
    right_side = 0
    dx, dWx, dWh, db = [], 0, 0, 0
    for t in reversed(range(T)):
        page = book[t]
        x, r, z, n = page["x"], page["r"], page["z"], page["n"]
        Ur, Uz, Un = page["U"]
        before, after = states[t], states[t + 1]
        g = dh[:, t, :] + right_side
        dn = g * (1 - z) * (1 - n**2)
        dz = g * (after - n) * z * (1 - z)
        drh = dn @ Un.T
        dr = drh * before * r * (1 - r)
        right_side = sum([g * z, drh * r, dr @ Ur.T, dz @ Uz.T])
        dx = [sum(d @ w.T for d, w in zip([dr, dz, dn], page["W"], strict=True)), *dx]
        dWx = dWx + np.hstack([x.T @ dr, x.T @ dz, x.T @ dn])
        dWh = dWh + np.hstack([before.T @ dr, before.T @ dz, (r * before).T @ dn])
        db = db + np.concatenate([sum(dr), sum(dz), sum(dn)])
    return np.stack(dx, axis=1), right_side, dWx, dWh, db


# ----------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "divided by the number of all probabilities, n_y * m * T, and not by m * T",
    "from memory: mean() of the whole array as in R",
)
def readout_mean_of_all(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    truth = np.array([[[1 * (labels[k, t] == y) for t in range(T)] for k in range(m)]
                      for y in range(n_y)])  # fmt: skip
    d = (y_pred - truth) / y_pred.size
    return {
        "da": np.stack([parameters["Wya"].T @ d[:, :, t] for t in range(T)], axis=2),
        "dWya": sum([d[:, :, t] @ a[:, :, t].T for t in range(T)]),
        "dby": np.array([[np.sum(row)] for row in d]),
    }


@wrong(
    "readout_backward",
    "the labels are taken as counted from 1: the one stands at label - 1",
    "from memory: factors in R begin at 1",
)
def readout_factors(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    d = y_pred.copy()
    for k in range(m):
        for t in range(T):
            d[labels[k, t] - 1, k, t] -= 1
    d = d / (m * T)
    da = np.zeros(a.shape)
    dWya, dby = 0, 0
    for k in range(m):
        da[:, k, :] = parameters["Wya"].T @ d[:, k, :]
        dWya = dWya + d[:, k, :] @ a[:, k, :].T
        dby = dby + d[:, k, :].sum(axis=1)
    return {"da": da, "dWya": dWya, "dby": dby.reshape(n_y, 1)}


@right(
    "readout_backward", "one sample and one time after the other, with outer products"
)
def readout_one_by_one(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    W = parameters["Wya"]
    pairs = [(k, t) for k in range(m) for t in range(T)]
    errors = {
        (k, t): np.array(
            [p - (i == labels[k, t]) for i, p in enumerate(y_pred[:, k, t])]
        )
        for k, t in pairs
    }
    da = np.array([[[W[:, j] @ errors[k, t] for t in range(T)] for k in range(m)]
                   for j in range(len(a))])  # fmt: skip
    return {
        "da": da / len(pairs),
        "dWya": sum(np.outer(errors[kt], a[:, kt[0], kt[1]]) for kt in pairs)
        / len(pairs),
        "dby": (sum(errors.values()) / len(pairs)).reshape(-1, 1),
    }
