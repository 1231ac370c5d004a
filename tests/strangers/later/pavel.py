"""Pavel writes from memory, with plain loops, after min-char-rnn."""

import numpy as np
from strangers.made import right, wrong


def zeros_rnn(p):
    return (np.zeros_like(p["Wax"]), np.zeros_like(p["Waa"]), np.zeros_like(p["ba"]))


def col(v):
    return v.reshape(-1, 1)


@right("rnn_backward", "min-char-rnn")
def rnn_plain(da, caches):
    steps, x = caches
    p = steps[0][3]
    T = da.shape[2]
    dWax, dWaa, dba = zeros_rnn(p)
    dx = np.zeros(x.shape[:2] + (T,))
    dhnext = np.zeros(da.shape[:2])
    for t in reversed(range(T)):
        h, hprev, xt, _ = steps[t]
        dh = da[:, :, t] + dhnext
        dhraw = (1 - h * h) * dh
        dba += dhraw.sum(axis=1, keepdims=True)
        dWax += np.dot(dhraw, xt.T)
        dWaa += np.dot(dhraw, hprev.T)
        dx[:, :, t] = np.dot(p["Wax"].T, dhraw)
        dhnext = np.dot(p["Waa"].T, dhraw)
    return {"dx": dx, "da0": dhnext, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "the loop ends before step 0: range(T - 1, 0, -1)",
    "from memory",
    step=0,
)
def rnn_stops_early(da, caches):
    steps, x = caches
    p = steps[0][3]
    T = da.shape[2]
    dWax, dWaa, dba = zeros_rnn(p)
    dx = np.zeros(x.shape[:2] + (T,))
    dhnext = np.zeros(da.shape[:2])
    for t in range(T - 1, 0, -1):
        h, hprev, xt, _ = steps[t]
        dhraw = (1 - h * h) * (da[:, :, t] + dhnext)
        dba += dhraw.sum(axis=1, keepdims=True)
        dWax += np.dot(dhraw, xt.T)
        dWaa += np.dot(dhraw, hprev.T)
        dx[:, :, t] = np.dot(p["Wax"].T, dhraw)
        dhnext = np.dot(p["Waa"].T, dhraw)
    return {"dx": dx, "da0": dhnext, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "the carry is already multiplied by tanh' of the step before, which does so again",
    "from memory",
    step={"da0": None, "*": -2},
)
def rnn_slope_twice(da, caches):
    steps, x = caches
    p = steps[0][3]
    T = da.shape[2]
    dWax, dWaa, dba = zeros_rnn(p)
    dx = np.zeros(x.shape[:2] + (T,))
    dhnext = np.zeros(da.shape[:2])
    for t in reversed(range(T)):
        h, hprev, xt, _ = steps[t]
        dh = da[:, :, t] + dhnext
        dhraw = (1 - h * h) * dh
        dba += dhraw.sum(axis=1, keepdims=True)
        dWax += np.dot(dhraw, xt.T)
        dWaa += np.dot(dhraw, hprev.T)
        dx[:, :, t] = np.dot(p["Wax"].T, dhraw)
        dhnext = np.dot(p["Waa"].T, dhraw) * (1 - hprev * hprev)
    return {"dx": dx, "da0": dhnext, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "a loop over the examples; the carry is not set back to zero between them",
    "from memory",
    step={"da0": None, "*": -1},
)
def rnn_examples_leak(da, caches):
    steps, x = caches
    p = steps[0][3]
    n_a, m, T = da.shape
    dWax, dWaa, dba = zeros_rnn(p)
    dx = np.zeros((x.shape[0], m, T))
    da0 = np.zeros((n_a, m))
    dhnext = np.zeros((n_a, 1))
    for j in range(m):
        for t in reversed(range(T)):
            h, hprev, xt = (col(v[:, j]) for v in steps[t][:3])
            dhraw = (1 - h * h) * (col(da[:, j, t]) + dhnext)
            dba += dhraw
            dWax += np.dot(dhraw, xt.T)
            dWaa += np.dot(dhraw, hprev.T)
            dx[:, j, t] = np.dot(p["Wax"].T, dhraw)[:, 0]
            dhnext = np.dot(p["Waa"].T, dhraw)
        da0[:, j] = dhnext[:, 0]
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "the carry is clipped to [-5, 5] at each step, within the loop",
    "from memory",
)
def rnn_clips_the_carry(da, caches):
    steps, x = caches
    p = steps[0][3]
    T = da.shape[2]
    dWax, dWaa, dba = zeros_rnn(p)
    dx = np.zeros(x.shape[:2] + (T,))
    dhnext = np.zeros(da.shape[:2])
    for t in reversed(range(T)):
        h, hprev, xt, _ = steps[t]
        dhraw = (1 - h * h) * (da[:, :, t] + dhnext)
        dba += dhraw.sum(axis=1, keepdims=True)
        dWax += np.dot(dhraw, xt.T)
        dWaa += np.dot(dhraw, hprev.T)
        dx[:, :, t] = np.dot(p["Wax"].T, dhraw)
        dhnext = np.clip(np.dot(p["Waa"].T, dhraw), -5, 5)
    return {"dx": dx, "da0": dhnext, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "enumerate(reversed(caches)): t counts up while the caches go down, in da and dx",
    "from memory",
    step={"da0": None, "*": -1},
)
def rnn_enumerates_reversed(da, caches):
    steps, x = caches
    p = steps[0][3]
    T = da.shape[2]
    dWax, dWaa, dba = zeros_rnn(p)
    dx = np.zeros(x.shape[:2] + (T,))
    dhnext = np.zeros(da.shape[:2])
    for t, (h, hprev, xt, _) in enumerate(reversed(steps[:T])):
        dhraw = (1 - h * h) * (da[:, :, t] + dhnext)
        dba += dhraw.sum(axis=1, keepdims=True)
        dWax += np.dot(dhraw, xt.T)
        dWaa += np.dot(dhraw, hprev.T)
        dx[:, :, t] = np.dot(p["Wax"].T, dhraw)
        dhnext = np.dot(p["Waa"].T, dhraw)
    return {"dx": dx, "da0": dhnext, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_cell_backward",
    "recomputes tanh on the way back and leaves out ba",
    "from memory",
)
def rnn_cell_without_ba(da_next, cache):
    _, hprev, xt, p = cache
    z = np.dot(p["Wax"], xt) + np.dot(p["Waa"], hprev)
    dhraw = da_next * (1 - np.tanh(z) ** 2)
    return {
        "dxt": np.dot(p["Wax"].T, dhraw),
        "da_prev": np.dot(p["Waa"].T, dhraw),
        "dWax": np.dot(dhraw, xt.T),
        "dWaa": np.dot(dhraw, hprev.T),
        "dba": dhraw.sum(axis=1, keepdims=True),
    }


def sig(z):
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z):
    e = np.exp(z - np.max(z, axis=0, keepdims=True))
    return e / np.sum(e, axis=0, keepdims=True)


def lstm_step(xt, h, c, p):
    hx = np.vstack((h, xt))
    f = sig(np.dot(p["Wf"], hx) + p["bf"])
    i = sig(np.dot(p["Wi"], hx) + p["bi"])
    g = np.tanh(np.dot(p["Wc"], hx) + p["bc"])
    o = sig(np.dot(p["Wo"], hx) + p["bo"])
    c2 = f * c + i * g
    h2 = o * np.tanh(c2)
    return (
        h2,
        c2,
        softmax(np.dot(p["Wy"], h2) + p["by"]),
        (h2, c2, h, c, f, i, g, o, xt, p),
    )


def lstm_step_back(dh, dc, cache):
    h2, c2, h, c, f, i, g, o, xt, p = cache
    n = h.shape[0]
    hx = np.vstack((h, xt))
    tc = np.tanh(c2)
    dc = dc + dh * o * (1 - tc * tc)
    draw = {}
    draw["o"] = dh * tc * o * (1 - o)
    draw["f"] = dc * c * f * (1 - f)
    draw["i"] = dc * g * i * (1 - i)
    draw["c"] = dc * i * (1 - g * g)
    dhx = np.zeros_like(hx)
    grads = {}
    for k in draw:
        grads["dW" + k] = np.dot(draw[k], hx.T)
        grads["db" + k] = draw[k].sum(axis=1, keepdims=True)
        dhx += np.dot(p["W" + k].T, draw[k])
    grads["da_prev"], grads["dxt"], grads["dc_prev"] = dhx[:n], dhx[n:], dc * f
    return grads


@wrong("lstm_cell_forward", "the weights act on [xt; a_prev] here", "from memory")
def lstm_cell_forward_x_first(xt, a_prev, c_prev, parameters):
    p = parameters
    xh = np.vstack((xt, a_prev))
    f = sig(np.dot(p["Wf"], xh) + p["bf"])
    i = sig(np.dot(p["Wi"], xh) + p["bi"])
    g = np.tanh(np.dot(p["Wc"], xh) + p["bc"])
    o = sig(np.dot(p["Wo"], xh) + p["bo"])
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    y = softmax(np.dot(p["Wy"], h) + p["by"])
    return h, c, y, (h, c, a_prev, c_prev, f, i, g, o, xt, p)


@wrong(
    "lstm_cell_backward",
    "on the way to a_prev and xt the weights of forget and input gate are swapped",
    "from memory",
)
def lstm_cell_swapped_weights(da_next, dc_next, cache):
    h2, c2, h, c, f, i, g, o, xt, p = cache
    n = h.shape[0]
    hx = np.vstack((h, xt))
    tc = np.tanh(c2)
    dc = dc_next + da_next * o * (1 - tc * tc)
    dfraw = dc * c * f * (1 - f)
    diraw = dc * g * i * (1 - i)
    dgraw = dc * i * (1 - g * g)
    doraw = da_next * tc * o * (1 - o)
    dhx = np.dot(p["Wi"].T, dfraw) + np.dot(p["Wf"].T, diraw)
    dhx += np.dot(p["Wc"].T, dgraw) + np.dot(p["Wo"].T, doraw)
    grads = {"dxt": dhx[n:], "da_prev": dhx[:n], "dc_prev": dc * f}
    for k, d in zip("fico", (dfraw, diraw, dgraw, doraw), strict=True):
        grads["dW" + k] = np.dot(d, hx.T)
        grads["db" + k] = d.sum(axis=1, keepdims=True)
    return grads


@wrong(
    "lstm_cell_backward",
    "dW and db of the three sigmoid gates have the gate's derivative twice",
    "from memory",
)
def lstm_cell_gate_slope_twice(da_next, dc_next, cache):
    h2, c2, h, c, f, i, g, o, xt, p = cache
    n = h.shape[0]
    hx = np.vstack((h, xt))
    tc = np.tanh(c2)
    dc = dc_next + da_next * o * (1 - tc * tc)
    dfraw = dc * c * f * (1 - f)
    diraw = dc * g * i * (1 - i)
    dgraw = dc * i * (1 - g * g)
    doraw = da_next * tc * o * (1 - o)
    dhx = np.dot(p["Wf"].T, dfraw) + np.dot(p["Wi"].T, diraw)
    dhx += np.dot(p["Wc"].T, dgraw) + np.dot(p["Wo"].T, doraw)

    def through(d, gate):
        d = d * gate * (1 - gate)
        return np.dot(d, hx.T), d.sum(axis=1, keepdims=True)

    dWf, dbf = through(dfraw, f)
    dWi, dbi = through(diraw, i)
    dWo, dbo = through(doraw, o)
    dWc, dbc = np.dot(dgraw, hx.T), dgraw.sum(axis=1, keepdims=True)
    return {
        "dxt": dhx[n:], "da_prev": dhx[:n], "dc_prev": dc * f,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


@wrong(
    "lstm_cell_backward",
    "two: dc_prev with the input gate; dbo before the sigmoid's derivative",
    "from memory",
    tags="double",
)
def lstm_cell_two(da_next, dc_next, cache):
    h2, c2, h, c, f, i, g, o, xt, p = cache
    n = h.shape[0]
    hx = np.vstack((h, xt))
    tc = np.tanh(c2)
    do = da_next * tc
    dc = dc_next + da_next * o * (1 - tc * tc)
    df, di, dg = dc * c, dc * g, dc * i
    dfraw, diraw, doraw = df * f * (1 - f), di * i * (1 - i), do * o * (1 - o)
    dgraw = dg * (1 - g * g)
    dhx = np.dot(p["Wf"].T, dfraw) + np.dot(p["Wi"].T, diraw)
    dhx += np.dot(p["Wc"].T, dgraw) + np.dot(p["Wo"].T, doraw)
    return {
        "dxt": dhx[n:],
        "da_prev": dhx[:n],
        "dc_prev": dc * i,
        "dWf": np.dot(dfraw, hx.T),
        "dWi": np.dot(diraw, hx.T),
        "dWc": np.dot(dgraw, hx.T),
        "dWo": np.dot(doraw, hx.T),
        "dbf": dfraw.sum(axis=1, keepdims=True),
        "dbi": diraw.sum(axis=1, keepdims=True),
        "dbc": dgraw.sum(axis=1, keepdims=True),
        "dbo": do.sum(axis=1, keepdims=True),
    }


@wrong("lstm_cell_backward", "dxt lacks the candidate's term", "from memory")
def lstm_cell_dxt_of_three(da_next, dc_next, cache):
    h2, c2, h, c, f, i, g, o, xt, p = cache
    n = h.shape[0]
    hx = np.vstack((h, xt))
    tc = np.tanh(c2)
    dc = dc_next + da_next * o * (1 - tc * tc)
    raw = {"f": dc * c * f * (1 - f), "i": dc * g * i * (1 - i)}
    raw["o"] = da_next * tc * o * (1 - o)
    dxt = np.zeros_like(xt)
    for k in raw:
        dxt += np.dot(p["W" + k][:, n:].T, raw[k])
    raw["c"] = dc * i * (1 - g * g)
    da_prev = np.zeros_like(h)
    grads = {"dc_prev": dc * f, "dxt": dxt}
    for k in raw:
        da_prev += np.dot(p["W" + k][:, :n].T, raw[k])
        grads["dW" + k] = np.dot(raw[k], hx.T)
        grads["db" + k] = raw[k].sum(axis=1, keepdims=True)
    grads["da_prev"] = da_prev
    return grads


@wrong(
    "lstm_backward",
    "the carry of the memory is added to (+=) at each step, not replaced",
    "from memory",
    step={"da0": None, "dWo": -4, "dbo": -4, "*": -3},
)
def lstm_memory_piles_up(da, caches):
    steps, x = caches
    T = da.shape[2]
    dx = np.zeros(x.shape[:2] + (T,))
    dhnext, dcnext = np.zeros(da.shape[:2]), np.zeros(da.shape[:2])
    total = {}
    for t in reversed(range(T)):
        grads = lstm_step_back(da[:, :, t] + dhnext, dcnext, steps[t])
        dhnext = grads.pop("da_prev")
        dcnext += grads.pop("dc_prev")
        dx[:, :, t] = grads.pop("dxt")
        for k in grads:
            total[k] = total.get(k, 0) + grads[k]
    return {"dx": dx, "da0": dhnext, **total}


@wrong(
    "lstm_backward",
    "the two carries are mixed up: dc is added to da, and da handed in as dc",
    "from memory",
    step={"da0": None, "*": -2},
)
def lstm_carries_mixed(da, caches):
    steps, x = caches
    T = da.shape[2]
    dx = np.zeros(x.shape[:2] + (T,))
    dhnext, dcnext = np.zeros(da.shape[:2]), np.zeros(da.shape[:2])
    total = {}
    for t in reversed(range(T)):
        grads = lstm_step_back(da[:, :, t] + dcnext, dhnext, steps[t])
        dhnext, dcnext = grads.pop("da_prev"), grads.pop("dc_prev")
        dx[:, :, t] = grads.pop("dxt")
        for k in grads:
            total[k] = total.get(k, 0) + grads[k]
    return {"dx": dx, "da0": dhnext, **total}


@wrong(
    "lstm_backward",
    "two: dWi gathers dWf (copied line); the carry of a is not added to da",
    "from memory",
    step={"da0": None, "dWi": -1, "*": -2},
    tags="double",
)
def lstm_two_in_the_loop(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    p = steps[0][-1]
    dx = np.zeros((x.shape[0], m, T))
    dWf, dWi, dWc, dWo = (np.zeros_like(p[k]) for k in ("Wf", "Wi", "Wc", "Wo"))
    dbf, dbi, dbc, dbo = (np.zeros_like(p[k]) for k in ("bf", "bi", "bc", "bo"))
    dhnext, dcnext = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in reversed(range(T)):
        dhnext = da[:, :, t]
        grads = lstm_step_back(dhnext, dcnext, steps[t])
        dhnext, dcnext = grads["da_prev"], grads["dc_prev"]
        dx[:, :, t] = grads["dxt"]
        dWf += grads["dWf"]
        dWi += grads["dWf"]
        dWc += grads["dWc"]
        dWo += grads["dWo"]
        dbf += grads["dbf"]
        dbi += grads["dbi"]
        dbc += grads["dbc"]
        dbo += grads["dbo"]
    return {
        "dx": dx, "da0": dhnext, "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


@wrong(
    "lstm_forward",
    "the memory begins as a0, not as zeros",
    "from memory",
    step={
        **dict.fromkeys([f"cache {k}" for k in ("a_prev", "ft", "it", "cct", "ot")], 1),
        "*": 0,
    },
)
def lstm_forward_c_is_a0(x, a0, parameters):
    h = c = a0
    hs, cs, ys, caches = [], [], [], []
    for t in range(x.shape[2]):
        h, c, y, cache = lstm_step(x[:, :, t], h, c, parameters)
        hs.append(h)
        cs.append(c)
        ys.append(y)
        caches.append(cache)
    hs, ys, cs = (np.stack(v, axis=-1) for v in (hs, ys, cs))
    return hs, ys, cs, (caches, x)
