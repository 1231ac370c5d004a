"""Kojo, web developer: ported from his JavaScript, objects and callbacks and spreads."""

import functools

import numpy as np
from strangers.made import right, wrong


def forEach(items, callback):
    for index, item in enumerate(list(items)):
        callback(item, index)


def mapValues(obj, fn):
    return {key: fn(value, key) for key, value in obj.items()}


def pick(obj, *keys):
    return {key: obj[key] for key in keys}


def countDown(length):
    return list(range(length))[::-1]


sigmoid = lambda v: 1 / (1 + np.exp(-v))
sumCols = lambda v: v.sum(axis=1, keepdims=True)


def softmax(v):
    e = np.exp(v - np.max(v, axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


# ======== SimpleRNN ========


def rnnCellBack(daNext, cache):
    aNext, aPrev, xt, params = cache
    dz = daNext * (1 - aNext * aNext)
    return {
        "dxt": params["Wax"].T @ dz,
        "da_prev": params["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ aPrev.T,
        "dba": sumCols(dz),
    }


@wrong(
    "rnn_backward",
    "the gradients of the steps are spread over each other and not summed: step 0 is left",
    "from memory: Object.assign / spread used to collect gradients",
)
def spread_overwrites(da, caches):
    steps, x = caches
    state = {"carry": np.zeros_like(da[:, :, 0]), "grads": {}}
    dx = np.zeros_like(x)

    def onStep(t, _):
        step = rnnCellBack(da[:, :, t] + state["carry"], steps[t])
        dx[:, :, t] = step["dxt"]
        state["carry"] = step["da_prev"]
        state["grads"] = {**state["grads"], **pick(step, "dWax", "dWaa", "dba")}

    forEach(countDown(len(steps)), onStep)
    return {"dx": dx, "da0": state["carry"], **state["grads"]}


def rnnForward(x, h0, Wx, Wh, b):
    def reducer(acc, xt):
        h = np.tanh(xt @ Wx + acc["h"] @ Wh + b)
        step = {"x": xt, "prev": acc["h"], "h": h}
        return {"h": h, "steps": [*acc["steps"], step]}

    acc = functools.reduce(reducer, np.swapaxes(x, 0, 1), {"h": h0, "steps": []})
    hs = np.stack([step["h"] for step in acc["steps"]], axis=1)
    return hs, {"steps": acc["steps"], "Wx": Wx, "Wh": Wh}


@wrong(
    "rnn_backward",
    "dx is pushed from the end and never turned round",
    "from memory: push where unshift was meant",
    convention="ntd",
    forward=rnnForward,
    tags="time",
    step={"dx": -1},
)
def push_not_unshift(dh, cache):
    Wx, Wh = cache["Wx"], cache["Wh"]
    carry = np.zeros_like(dh[:, 0])
    grads = {"Wx": np.zeros_like(Wx), "Wh": np.zeros_like(Wh), "b": 0}
    dxs = []
    for t, step in reversed(list(enumerate(cache["steps"]))):
        dz = (dh[:, t] + carry) * (1 - step["h"] ** 2)
        dxs.append(dz @ Wx.T)
        carry = dz @ Wh.T
        grads = {
            "Wx": grads["Wx"] + step["x"].T @ dz,
            "Wh": grads["Wh"] + step["prev"].T @ dz,
            "b": grads["b"] + dz.sum(axis=0),
        }
    return np.stack(dxs, axis=1), carry, *grads.values()


@wrong(
    "rnn_cell_backward",
    "a_next and a_prev change places when the cache is taken apart",
    "from memory: array destructuring in the wrong order",
)
def destructured_in_the_wrong_order(da_next, cache):
    keys = ("aPrev", "aNext", "xt", "params")
    c = dict(zip(keys, cache, strict=True))
    p = c["params"]
    dz = da_next * (1 - c["aNext"] ** 2)
    inputs = {"dWax": c["xt"], "dWaa": c["aPrev"]}
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"].T @ dz,
        **mapValues(inputs, lambda v, _: dz @ v.T),
        "dba": sumCols(dz),
    }


@wrong(
    "rnn_forward",
    "the prediction is made of the state before the update, one step late",
    "from memory: a stale value in the callback",
    tags="time",
)
def predicts_from_stale_state(x, a0, parameters):
    p = parameters
    store = {"a": a0, "history": [], "outputs": [], "caches": []}

    def tick(t, _):
        xt, prev = x[:, :, t], store["a"]
        store["outputs"].append(softmax(p["Wya"] @ store["a"] + p["by"]))
        store["a"] = np.tanh(p["Wax"] @ xt + p["Waa"] @ prev + p["ba"])
        store["history"].append(store["a"])
        store["caches"].append((store["a"], prev, xt, p))

    forEach(range(x.shape[2]), tick)
    return (
        np.stack(store["history"], axis=2),
        np.stack(store["outputs"], axis=2),
        (store["caches"], x),
    )


# ======== LSTM ========

CACHE_KEYS = ("a", "c", "aPrev", "cPrev", "f", "i", "g", "o", "x", "params")
toObject = lambda cache: dict(zip(CACHE_KEYS, cache, strict=True))


def gateErrors(s, da, dc):
    """{f, i, c, o} in front of the activations, and dc of the step."""
    tanhC = np.tanh(s["c"])
    dcTotal = dc + da * s["o"] * (1 - tanhC**2)
    errors = {
        "f": dcTotal * s["cPrev"] * s["f"] * (1 - s["f"]),
        "i": dcTotal * s["g"] * s["i"] * (1 - s["i"]),
        "c": dcTotal * s["i"] * (1 - s["g"] ** 2),
        "o": da * tanhC * s["o"] * (1 - s["o"]),
    }
    return errors, dcTotal


def weightGrads(s, errors):
    concat = np.concatenate((s["aPrev"], s["x"]), axis=0)
    return {
        **{f"dW{k}": e @ concat.T for k, e in errors.items()},
        **{f"db{k}": sumCols(e) for k, e in errors.items()},
    }


@wrong(
    "lstm_cell_forward",
    "one is added to the forget gate's scores, as TensorFlow's cells do by forget_bias",
    "from memory: basicLSTMCell of TensorFlow.js takes a forgetBias",
)
def forget_bias_of_tensorflow(xt, a_prev, c_prev, parameters):
    p = parameters
    concat = np.concatenate([a_prev, xt])
    config = {"activation": np.tanh, "recurrentActivation": sigmoid, "forgetBias": 1.0}
    scores = {k: p[f"W{k}"] @ concat + p[f"b{k}"] for k in "fico"}
    ft = config["recurrentActivation"](scores["f"] + config["forgetBias"])
    it = config["recurrentActivation"](scores["i"])
    ot = config["recurrentActivation"](scores["o"])
    cct = config["activation"](scores["c"])
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(p["Wy"] @ a_next + p["by"])
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


@wrong(
    "lstm_cell_backward",
    "the sum over the gates starts with the forget gate and then adds it again",
    "from memory: reduce with a first value, over the whole array all the same",
)
def reduce_counts_the_first_twice(da_next, dc_next, cache):
    s = toObject(cache)
    p, n_a = s["params"], s["a"].shape[0]
    errors, dc = gateErrors(s, da_next, dc_next)
    terms = [p[f"W{k}"].T @ e for k, e in errors.items()]
    dConcat = functools.reduce(lambda acc, term: acc + term, terms, terms[0])
    return {
        "dxt": dConcat[n_a:],
        "da_prev": dConcat[:n_a],
        "dc_prev": dc * s["f"],
        **weightGrads(s, errors),
    }


@wrong(
    "lstm_cell_backward",
    "the gradient of [a_prev; xt] is cut as if xt came first",
    "from memory: splice(0, n_x) on an array that begins with the state",
)
def cut_with_x_first(da_next, dc_next, cache):
    s = toObject(cache)
    p, n_x = s["params"], s["x"].shape[0]
    errors, dc = gateErrors(s, da_next, dc_next)
    dConcat = sum(p[f"W{k}"].T @ e for k, e in errors.items())
    head, tail = dConcat[:n_x], dConcat[n_x:]
    return {
        **{"dxt": head, "da_prev": tail, "dc_prev": s["f"] * dc},
        **weightGrads(s, errors),
    }


@wrong(
    "lstm_backward",
    "dc is never put into the state that goes from step to step; "
    "the candidate's derivative is (1 - g)^2",
    "from memory: a key forgotten in setState, and brackets in the wrong place",
    tags="double",
)
def memory_never_set_and_brackets(da, caches):
    steps, x = caches
    zeros = np.zeros_like(da[:, :, 0])
    state = {"da": zeros, "dc": zeros}
    total, dxs = {}, {}
    for t in countDown(len(steps)):
        s = toObject(steps[t])
        n_a, p = s["a"].shape[0], s["params"]
        daT = da[:, :, t] + state["da"]
        dc = state["dc"] + daT * s["o"] * (1 - np.tanh(s["c"]) ** 2)
        errors = {
            "f": dc * s["cPrev"] * s["f"] * (1 - s["f"]),
            "i": dc * s["g"] * s["i"] * (1 - s["i"]),
            "c": dc * s["i"] * (1 - s["g"]) ** 2,
            "o": daT * np.tanh(s["c"]) * s["o"] * (1 - s["o"]),
        }
        dConcat = sum(p[f"W{k}"].T @ e for k, e in errors.items())
        dxs[t] = dConcat[n_a:]
        state = {**state, "da": dConcat[:n_a]}
        grads = weightGrads(s, errors)
        total = mapValues(grads, lambda g, k, before=total: before.get(k, 0) + g)
    dx = np.stack([dxs[t] for t in range(len(steps))], axis=2)
    return {"dx": dx, "da0": state["da"], **total}


class LstmStep:
    def __init__(self, x, h, c, Wx, Wh, b):
        self.x, self.prevH, self.prevC, self.Wx, self.Wh = x, h, c, Wx, Wh
        i, f, o, g = np.split(x @ Wx + h @ Wh + b, 4, axis=1)
        self.i, self.f, self.o = map(sigmoid, (i, f, o))
        self.g = np.tanh(g)
        self.c = self.f * c + self.i * self.g
        self.h = self.o * np.tanh(self.c)


def lstmCell(x, prev_h, prev_c, Wx, Wh, b):
    step = LstmStep(x, prev_h, prev_c, Wx, Wh, b)
    return step.h, step.c, step


def lstmForward(x, h0, Wx, Wh, b):
    steps, h, c = [], h0, np.zeros_like(h0)
    for t in range(x.shape[1]):
        steps.append(LstmStep(x[:, t], h, c, Wx, Wh, b))
        h, c = steps[-1].h, steps[-1].c
    return np.stack([step.h for step in steps], axis=1), steps


@wrong(
    "lstm_backward",
    "the rows of dx are one array T times over, so the last written fills them all",
    "from memory: new Array(T).fill(zeros) in JavaScript",
    convention="ntd",
    forward=lstmForward,
    tags="view",
    step={"dx": -1},
)
def array_fill(dh, cache):
    steps, T = cache, len(cache)
    rows = [np.zeros_like(steps[0].x)] * T
    grads = {"dWx": 0, "dWh": 0, "db": 0}
    dhCarry, dcCarry = np.zeros_like(dh[:, 0]), np.zeros_like(dh[:, 0])
    for t in countDown(T):
        s = steps[t]
        dht = dh[:, t] + dhCarry
        tanhC = np.tanh(s.c)
        dc = dcCarry + dht * s.o * (1 - tanhC**2)
        di, df, do, dg = dc * s.g, dc * s.prevC, dht * tanhC, dc * s.i
        dz = np.concatenate(
            [
                di * s.i * (1 - s.i),
                df * s.f * (1 - s.f),
                do * s.o * (1 - s.o),
                dg * (1 - s.g**2),
            ],
            axis=1,
        )
        rows[t][:] = dz @ s.Wx.T
        dhCarry, dcCarry = dz @ s.Wh.T, dc * s.f
        new = {"dWx": s.x.T @ dz, "dWh": s.prevH.T @ dz, "db": dz.sum(axis=0)}
        grads = {k: grads[k] + new[k] for k in grads}
    return np.stack(rows, axis=1), dhCarry, *grads.values()


@wrong(
    "lstm_cell_backward",
    "the gates' gradients are joined in the order i, f, g, o of Keras; "
    "dprev_c has dnext_c alone and not what comes by next_h",
    "from memory: Keras' layout of the kernel, and the wrong variable",
    convention="ntd",
    forward=lstmCell,
    tags="double",
)
def order_of_keras_and_dnext_c(dnext_h, dnext_c, cache):
    s = cache
    tanhC = np.tanh(s.c)
    dc = dnext_c + dnext_h * s.o * (1 - tanhC * tanhC)
    d = {
        "i": dc * s.g * s.i * (1 - s.i),
        "f": dc * s.prevC * s.f * (1 - s.f),
        "g": dc * s.i * (1 - s.g * s.g),
        "o": dnext_h * tanhC * s.o * (1 - s.o),
    }
    dz = np.concatenate([*d.values()], axis=1)
    return (
        dz @ s.Wx.T,
        dz @ s.Wh.T,
        dnext_c * s.f,
        s.x.T @ dz,
        s.prevH.T @ dz,
        dz.sum(axis=0),
    )


@right(
    "lstm_forward",
    "one matrix for all gates, sigmoid by tanh of half, all predictions at the end",
)
def stacked_gates_and_late_softmax(x, a0, parameters):
    p = parameters
    order = ("Wo", "Wc", "Wi", "Wf")
    W = np.concatenate([p[k] for k in order])
    b = np.concatenate([p[k.replace("W", "b")] for k in order])
    half = lambda v: 0.5 * np.tanh(0.5 * v) + 0.5

    def reducer(acc, t):
        xt = x[:, :, t]
        o, g, i, f = np.split(W @ np.concatenate([acc["a"], xt]) + b, 4)
        gates = {"f": half(f), "i": half(i), "g": np.tanh(g), "o": half(o)}
        c = gates["f"] * acc["c"] + gates["i"] * gates["g"]
        a = gates["o"] * np.tanh(c)
        cache = (a, c, acc["a"], acc["c"], *gates.values(), xt, p)
        return {"a": a, "c": c, "caches": [*acc["caches"], cache]}

    start = {"a": a0, "c": np.zeros_like(a0), "caches": []}
    caches = functools.reduce(reducer, range(x.shape[2]), start)["caches"]
    a, c = (np.stack([cache[k] for cache in caches], axis=-1) for k in (0, 1))
    y = softmax(np.tensordot(p["Wy"], a, axes=1) + p["by"][:, :, None])
    return a, y, c, (caches, x)


# ======== GRU ========


def gruCell(x, prev_h, Wx, Wh, b):
    xr, xz, xn = np.split(x @ Wx + b, 3, axis=1)
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    r, z = sigmoid(xr + prev_h @ Whr), sigmoid(xz + prev_h @ Whz)
    n = np.tanh(xn + (r * prev_h) @ Whn)
    h = (1 - z) * n + z * prev_h
    return h, {"x": x, "h": prev_h, "r": r, "z": z, "n": n, "Wx": Wx, "Wh": Wh}


def gruForward(x, h0, Wx, Wh, b):
    hs, steps = [h0], []
    for xt in np.swapaxes(x, 0, 1):
        h, step = gruCell(xt, hs[-1], Wx, Wh, b)
        hs.append(h)
        steps.append(step)
    return np.stack(hs[1:], axis=1), steps


@wrong(
    "gru_cell_backward",
    "the way back is that of the cell which resets after the product, r * (h Wh)",
    "from memory: resetAfter of Keras and PyTorch, while the forward pass resets before",
    convention="ntd",
    forward=gruCell,
)
def resets_after_the_product(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache.values()
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n * n)
    dz = dnext_h * (h - n) * z * (1 - z)
    dr = dn * (h @ Whn) * r * (1 - r)
    dx = np.concatenate([dr, dz, dn], axis=1)
    dHidden = np.concatenate([dr, dz, dn * r], axis=1)
    return (
        dx @ Wx.T,
        dHidden @ Wh.T + dnext_h * z,
        x.T @ dx,
        h.T @ dHidden,
        dx.sum(axis=0),
    )


@wrong(
    "gru_backward",
    "the loop stops before step 0; the candidate's gradient has z, not 1 - z",
    "from memory: for (let t = T - 1; t > 0; t--), and the weights of the mean mixed up",
    convention="ntd",
    forward=gruForward,
    tags="double time",
)
def stops_before_zero_and_z(dh, cache):
    T, H = len(cache), dh.shape[2]
    Wx, Wh = cache[0]["Wx"], cache[0]["Wh"]
    dx = np.zeros((dh.shape[0], T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    carry = np.zeros_like(dh[:, 0])
    t = T - 1
    while t > 0:
        x, h, r, z, n, *_ = cache[t].values()
        dht = dh[:, t] + carry
        dn = dht * z * (1 - n**2)
        dz = dht * (h - n) * z * (1 - z)
        drh = dn @ Wh[:, 2 * H :].T
        dr = drh * h * r * (1 - r)
        d = np.hstack([dr, dz, dn])
        dx[:, t] = d @ Wx.T
        dWx += x.T @ d
        dWh += np.hstack([h.T @ dr, h.T @ dz, (r * h).T @ dn])
        db += d.sum(0)
        carry = dht * z + drh * r + dr @ Wh[:, :H].T + dz @ Wh[:, H : 2 * H].T
        t -= 1
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_backward",
    "what comes from later steps is added into dh itself, which is the caller's array",
    "from memory: a reference is taken for a copy",
    convention="ntd",
    forward=gruForward,
    tags="view",
    words="dh&place|chang|modif|argument",
)
def writes_into_the_callers_dh(dh, cache):
    Wx, Wh = cache[-1]["Wx"], cache[-1]["Wh"]
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    state = {"carry": np.zeros_like(dh[:, 0]), "dx": []}
    sums = {"Wx": [], "Wh": [], "b": []}

    def onStep(t, _):
        x, h, r, z, n, *_ = cache[t].values()
        dht = dh[:, t]
        dht += state["carry"]
        dn = dht * (1 - z) * (1 - n**2)
        dz = dht * (h - n) * z * (1 - z)
        drh = dn @ Whn.T
        dr = drh * h * r * (1 - r)
        d = np.concatenate([dr, dz, dn], axis=1)
        state["dx"] = [d @ Wx.T, *state["dx"]]
        sums["Wx"].append(x.T @ d)
        sums["Wh"].append(np.concatenate([h.T @ dr, h.T @ dz, (r * h).T @ dn], axis=1))
        sums["b"].append(d.sum(axis=0))
        state["carry"] = dht * z + drh * r + dr @ Whr.T + dz @ Whz.T

    forEach(countDown(len(cache)), onStep)
    return np.stack(state["dx"], axis=1), state["carry"], *map(sum, sums.values())


@right(
    "gru_backward",
    "the errors are collected as objects first, all weights are made of them at the end",
    convention="ntd",
    forward=gruForward,
)
def collects_then_reduces(dh, cache):
    Wx, Wh = cache[0]["Wx"], cache[0]["Wh"]
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)

    def reducer(acc, pair):
        s, dht = pair
        up = dht + acc["down"]
        keep = up * s["z"]
        dn = (up - keep) * (1 - s["n"] ** 2)
        dz = keep * (1 - s["z"]) * (s["h"] - s["n"])
        gated = (dn @ Whn.T) * s["r"]
        dr = gated * s["h"] * (1 - s["r"])
        down = keep + gated + dr @ Whr.T + dz @ Whz.T
        return {"down": down, "errors": [{"r": dr, "z": dz, "n": dn}, *acc["errors"]]}

    pairs = list(zip(cache, np.swapaxes(dh, 0, 1), strict=True))[::-1]
    start = {"down": np.zeros_like(dh[:, 0]), "errors": []}
    done = functools.reduce(reducer, pairs, start)
    E = {k: np.stack([e[k] for e in done["errors"]], axis=1) for k in "rzn"}
    S = {k: np.stack([s[k] for s in cache], axis=1) for k in ("x", "h", "r")}
    all3 = np.concatenate([*E.values()], axis=2)
    left = {"r": S["h"], "z": S["h"], "n": S["r"] * S["h"]}
    dWh = [np.tensordot(left[k], E[k], axes=([0, 1], [0, 1])) for k in "rzn"]
    return (
        all3 @ Wx.T,
        done["down"],
        np.tensordot(S["x"], all3, axes=([0, 1], [0, 1])),
        np.concatenate(dWh, axis=1),
        all3.sum(axis=(0, 1)),
    )


# ======== Softmax layer ========


@wrong(
    "readout_backward",
    "the one-hot labels are reshaped to (n_y, m, T) where their axes had to be moved",
    "from memory: flat() and reshape, as with a typed array",
)
def one_hot_reshaped(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    oneHot = np.eye(n_y)[labels.ravel()].reshape(n_y, m, T)
    dz = (y_pred - oneHot) / (m * T)
    return {
        "da": np.tensordot(parameters["Wya"].T, dz, axes=1),
        "dWya": np.tensordot(dz, a, axes=([1, 2], [1, 2])),
        "dby": dz.sum(axis=(1, 2)).reshape(-1, 1),
    }


@wrong(
    "readout_backward",
    "the mean is taken over all probabilities, the classes counted too",
    "from memory: .size of the wrong tensor",
)
def divided_by_size_of_predictions(y_pred, labels, a, parameters):
    classes = np.arange(y_pred.shape[0])[:, None, None]
    dz = (y_pred - (labels == classes)) / y_pred.size
    contract = lambda spec, *args: np.einsum(spec, *args)
    return {
        "da": contract("ya,ymt->amt", parameters["Wya"], dz),
        "dWya": contract("ymt,amt->ya", dz, a),
        "dby": contract("ymt->y", dz)[:, None],
    }
