"""Priya, backend engineer: many small helpers, everything travels in dictionaries."""

from functools import reduce

import numpy as np
from strangers.made import right, wrong

CELL_FIELDS = (
    "a_next",
    "c_next",
    "a_prev",
    "c_prev",
    "f",
    "i",
    "c",
    "o",
    "xt",
    "params",
)
GATES = ("f", "i", "c", "o")


# ---- helpers -----------------------------------------------------------------


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def d_tanh(y):
    """Derivative of tanh, from its output."""
    return 1.0 - y * y


def d_sigmoid(y):
    """Derivative of the logistic function, from its output."""
    return y * (1.0 - y)


def softmax(v):
    e = np.exp(v - v.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def row_sum(v):
    return v.sum(axis=1, keepdims=True)


def unpack_rnn(cache):
    return dict(zip(("a_next", "a_prev", "xt", "params"), cache))


def unpack_lstm(cache):
    return dict(zip(CELL_FIELDS, cache))


def add_dicts(left, right_):
    return {k: left[k] + right_[k] for k in left}


def zeros_for(params, keys):
    return {"d" + k: np.zeros_like(params[k]) for k in keys}


def weight_keys():
    return ["W" + g for g in GATES] + ["b" + g for g in GATES]


def stack_input(c):
    return np.vstack((c["a_prev"], c["xt"]))


def gate_grads(c, da, dc):
    """Gradients before the activations, by gate. dc is the full one."""
    return {
        "f": dc * c["c_prev"] * d_sigmoid(c["f"]),
        "i": dc * c["c"] * d_sigmoid(c["i"]),
        "c": dc * c["i"] * d_tanh(c["c"]),
        "o": da * np.tanh(c["c_next"]) * d_sigmoid(c["o"]),
    }


def through_tanh_of_memory(c, da):
    return da * c["o"] * d_tanh(np.tanh(c["c_next"]))


def weight_grads(c, pre):
    z = stack_input(c)
    out = {"dW" + g: pre[g] @ z.T for g in GATES}
    out.update({"db" + g: row_sum(pre[g]) for g in GATES})
    return out


def input_grad(c, pre):
    return sum(c["params"]["W" + g].T @ pre[g] for g in GATES)


# ---- plain recurrent net -----------------------------------------------------


@wrong(
    "rnn_cell_backward",
    "the pre-activation is computed again for the derivative, and ba is left out of it",
    "from memory",
)
def recomputed(da_next, cache):
    c = unpack_rnn(cache)
    p = c["params"]

    def pre_activation():
        return p["Wax"] @ c["xt"] + p["Waa"] @ c["a_prev"]

    dz = da_next * d_tanh(np.tanh(pre_activation()))
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"].T @ dz,
        "dWax": dz @ c["xt"].T,
        "dWaa": dz @ c["a_prev"].T,
        "dba": row_sum(dz),
    }


@wrong(
    "rnn_cell_backward",
    "tanh' is taken at a_prev, and dba is a mean over the samples",
    "from memory",
    tags="double",
)
def previous_and_mean(da_next, cache):
    c = unpack_rnn(cache)
    p = c["params"]
    dz = da_next * d_tanh(c["a_prev"])
    grads = {"d" + k: dz @ v.T for k, v in {"Wax": c["xt"], "Waa": c["a_prev"]}.items()}
    grads["dba"] = dz.mean(axis=1, keepdims=True)
    grads["dxt"] = p["Wax"].T @ dz
    grads["da_prev"] = p["Waa"].T @ dz
    return grads


def rnn_step_back(da, c):
    p = c["params"]
    dz = da * d_tanh(c["a_next"])
    return {
        "dx": p["Wax"].T @ dz,
        "da": p["Waa"].T @ dz,
        "weights": {
            "dWax": dz @ c["xt"].T,
            "dWaa": dz @ c["a_prev"].T,
            "dba": row_sum(dz),
        },
    }


@wrong(
    "rnn_backward",
    "the way back is cut into chunks of two steps: the carry is dropped between chunks",
    "a loop for truncated backpropagation, brought along from a training script",
    tags="time",
)
def chunked(da, caches, chunk=2):
    steps, x = caches
    params = steps[0][3]
    T = da.shape[2]
    total = zeros_for(params, ("Wax", "Waa", "ba"))
    dx = np.zeros_like(x)
    carry = np.zeros(da.shape[:2])
    for t in reversed(range(T)):
        back = rnn_step_back(da[:, :, t] + carry, unpack_rnn(steps[t]))
        dx[:, :, t] = back["dx"]
        total = add_dicts(total, back["weights"])
        at_border = t % chunk == 0 and t > 0
        carry = np.zeros_like(carry) if at_border else back["da"]
    return {"dx": dx, "da0": carry, **total}


def clip(v, limit=5.0):
    return np.clip(v, -limit, limit)


def rnn_ntd_forward(x, h0, Wx, Wh, b):
    h, log = h0, []
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        log.append({"x": x[:, t], "prev": h, "next": new})
        h = new
    hs = np.stack([entry["next"] for entry in log], axis=1)
    return hs, {"log": log, "Wx": Wx, "Wh": Wh, "b": b}


@wrong(
    "rnn_backward",
    "the gradient that goes to the step before is clipped at each step",
    "clipping moved from the training loop into the loop over time",
    convention="ntd",
    forward=rnn_ntd_forward,
)
def clipped_inside(dh, cache):
    grads = {k: np.zeros_like(cache[k]) for k in ("Wx", "Wh", "b")}
    carry = 0
    dx = []
    for t, entry in reversed(list(enumerate(cache["log"]))):
        dz = (dh[:, t] + carry) * d_tanh(entry["next"])
        dx.insert(0, dz @ cache["Wx"].T)
        grads["Wx"] += entry["x"].T @ dz
        grads["Wh"] += entry["prev"].T @ dz
        grads["b"] += dz.sum(axis=0)
        carry = clip(dz @ cache["Wh"].T)
    return np.stack(dx, axis=1), carry, grads["Wx"], grads["Wh"], grads["b"]


@wrong(
    "rnn_forward",
    "the state is bound anew before the cache is made: the cached a_prev is a_next",
    "from memory",
    tags="time",
)
def rebound_too_early(x, a0, parameters):
    p = parameters
    state = {"a": a0}
    log = {"a": [], "y": [], "caches": []}
    for t in range(x.shape[2]):
        xt = x[:, :, t]
        a_next = np.tanh(p["Wax"] @ xt + p["Waa"] @ state["a"] + p["ba"])
        state["a"] = a_next
        log["a"].append(a_next)
        log["y"].append(softmax(p["Wya"] @ a_next + p["by"]))
        log["caches"].append((a_next, state["a"], xt, p))
    return np.stack(log["a"], axis=2), np.stack(log["y"], axis=2), (log["caches"], x)


# ---- LSTM --------------------------------------------------------------------


@wrong(
    "lstm_cell_backward",
    "the sigmoid derivatives of forget and input gate are exchanged",
    "from memory",
)
def slopes_exchanged(da_next, dc_next, cache):
    c = unpack_lstm(cache)
    slope = dict(
        zip(
            ("i", "f", "c", "o"),
            (d_sigmoid(c["f"]), d_sigmoid(c["i"]), d_tanh(c["c"]), d_sigmoid(c["o"])),
        )
    )
    dc = dc_next + through_tanh_of_memory(c, da_next)
    outside = {
        "f": dc * c["c_prev"],
        "i": dc * c["c"],
        "c": dc * c["i"],
        "o": da_next * np.tanh(c["c_next"]),
    }
    pre = {g: outside[g] * slope[g] for g in GATES}
    dz = input_grad(c, pre)
    n_a = len(da_next)
    return {
        "dxt": dz[n_a:],
        "da_prev": dz[:n_a],
        "dc_prev": dc * c["f"],
        **weight_grads(c, pre),
    }


@wrong(
    "lstm_cell_backward",
    "the candidate gets a sigmoid's derivative, and dc_prev takes dc_next alone",
    "from memory",
    tags="double",
)
def all_gates_alike(da_next, dc_next, cache):
    c = unpack_lstm(cache)
    dc = dc_next + through_tanh_of_memory(c, da_next)
    outside = {
        "f": dc * c["c_prev"],
        "i": dc * c["c"],
        "c": dc * c["i"],
        "o": da_next * np.tanh(c["c_next"]),
    }
    pre = {g: v * d_sigmoid(c[g]) for g, v in outside.items()}
    dz = input_grad(c, pre)
    n_a = len(da_next)
    return {
        "dxt": dz[n_a:],
        "da_prev": dz[:n_a],
        "dc_prev": dc_next * c["f"],
        **weight_grads(c, pre),
    }


def split_columns(W, n_first):
    return {"first": W[:, :n_first], "second": W[:, n_first:]}


@wrong(
    "lstm_backward",
    "on the way to the input, W is cut as if it acted on [x; a_prev]",
    "from memory: the order of the stack in another course",
    step={"dx": -1},
)
def x_comes_first(da, caches):
    steps, x = caches
    n_x, _, T = x.shape
    params = steps[0][-1]
    total = zeros_for(params, weight_keys())
    dx = np.zeros_like(x)
    carry = {"a": np.zeros(da.shape[:2]), "c": np.zeros(da.shape[:2])}
    parts = {g: split_columns(params["W" + g], n_x) for g in GATES}
    for t in range(T - 1, -1, -1):
        c = unpack_lstm(steps[t])
        da_t = da[:, :, t] + carry["a"]
        dc = carry["c"] + through_tanh_of_memory(c, da_t)
        pre = gate_grads(c, da_t, dc)
        total = add_dicts(total, weight_grads(c, pre))
        dx[:, :, t] = sum(parts[g]["first"].T @ pre[g] for g in GATES)
        carry = {
            "a": sum(parts[g]["second"].T @ pre[g] for g in GATES),
            "c": dc * c["f"],
        }
    return {"dx": dx, "da0": carry["a"], **total}


@wrong(
    "lstm_backward",
    "the memory's gradient goes back through the forget gate of the step before",
    "from memory",
    step={"dx": -2, "dWf": -2, "dWi": -2, "dWc": -2, "dbf": -2, "dbi": -2, "dbc": -2},
    tags="time",
)
def neighbours_gate(da, caches):
    steps, x = caches
    params = steps[0][-1]
    n_a = da.shape[0]
    fields = [unpack_lstm(s) for s in steps]
    total = zeros_for(params, weight_keys())
    dx = np.zeros_like(x)
    da_prev = dc_prev = np.zeros(da.shape[:2])
    for t in reversed(range(x.shape[2])):
        c, before = fields[t], fields[t - 1]
        da_t = da[:, :, t] + da_prev
        dc = dc_prev + through_tanh_of_memory(c, da_t)
        pre = gate_grads(c, da_t, dc)
        dz = input_grad(c, pre)
        da_prev, dx[:, :, t] = dz[:n_a], dz[n_a:]
        dc_prev = dc * before["f"]
        total = add_dicts(total, weight_grads(c, pre))
    return {"dx": dx, "da0": da_prev, **total}


def lstm_ntd_forward(x, h0, Wx, Wh, b):
    H = h0.shape[1]
    h, c = h0, np.zeros_like(h0)
    log = []
    for t in range(x.shape[1]):
        s = x[:, t] @ Wx + h @ Wh + b
        entry = {"x": x[:, t], "h": h, "c": c}
        for k, name in enumerate("ifo"):
            entry[name] = sigmoid(s[:, k * H : (k + 1) * H])
        entry["g"] = np.tanh(s[:, 3 * H :])
        c = entry["f"] * c + entry["i"] * entry["g"]
        entry["tanh_c"] = np.tanh(c)
        h = entry["o"] * entry["tanh_c"]
        entry["h_next"] = h
        log.append(entry)
    hs = np.stack([entry["h_next"] for entry in log], axis=1)
    return hs, {"log": log, "Wx": Wx, "Wh": Wh, "b": b}


@wrong(
    "lstm_backward",
    "the gates' gradients are put side by side as i, f, g, o; the columns are i, f, o, g",
    "from memory: the order of PyTorch",
    convention="ntd",
    forward=lstm_ntd_forward,
)
def torch_order(dh, cache):
    Wx, Wh = cache["Wx"], cache["Wh"]
    grads = {k: np.zeros_like(cache[k]) for k in ("Wx", "Wh", "b")}
    dx = np.zeros(dh.shape[:2] + (len(Wx),))
    back = {"h": 0.0, "c": 0.0}
    for t in reversed(range(dh.shape[1])):
        e = cache["log"][t]
        dh_t = dh[:, t] + back["h"]
        dc = back["c"] + dh_t * e["o"] * d_tanh(e["tanh_c"])
        pre = {
            "i": dc * e["g"] * d_sigmoid(e["i"]),
            "f": dc * e["c"] * d_sigmoid(e["f"]),
            "g": dc * e["i"] * d_tanh(e["g"]),
            "o": dh_t * e["tanh_c"] * d_sigmoid(e["o"]),
        }
        ds = np.hstack(list(pre.values()))
        dx[:, t] = ds @ Wx.T
        grads["Wx"] += e["x"].T @ ds
        grads["Wh"] += e["h"].T @ ds
        grads["b"] += ds.sum(axis=0)
        back = {"h": ds @ Wh.T, "c": dc * e["f"]}
    return dx, back["h"], grads["Wx"], grads["Wh"], grads["b"]


def stable_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    return e / e.sum(axis=0)


@wrong(
    "lstm_cell_forward",
    "the softmax is steadied by the maximum over samples, not over classes",
    "from memory: a helper written for (m, n_y), half turned round",
)
def steadied_along_samples(xt, a_prev, c_prev, parameters):
    p = parameters
    z = np.vstack((a_prev, xt))
    act = {"f": sigmoid, "i": sigmoid, "c": np.tanh, "o": sigmoid}
    g = {k: fn(p["W" + k] @ z + p["b" + k]) for k, fn in act.items()}
    c_next = g["f"] * c_prev + g["i"] * g["c"]
    a_next = g["o"] * np.tanh(c_next)
    yt_pred = stable_softmax(p["Wy"] @ a_next + p["by"])
    cache = (a_next, c_next, a_prev, c_prev, g["f"], g["i"], g["c"], g["o"], xt, p)
    return a_next, c_next, yt_pred, cache


@right("lstm_backward", "a fold over reversed caches; the state is one dictionary")
def folded(da, caches):
    steps, x = caches
    params = steps[0][-1]
    n_a, m, T = da.shape

    def one(state, t):
        c = unpack_lstm(steps[t])
        da_t = state["da"] + da[:, :, t]
        dc = state["dc"] + through_tanh_of_memory(c, da_t)
        pre = gate_grads(c, da_t, dc)
        dz = input_grad(c, pre)
        return {
            "da": dz[:n_a],
            "dc": dc * c["f"],
            "dx": [dz[n_a:], *state["dx"]],
            "w": add_dicts(state["w"], weight_grads(c, pre)),
        }

    start = {
        "da": np.zeros((n_a, m)),
        "dc": np.zeros((n_a, m)),
        "dx": [],
        "w": zeros_for(params, weight_keys()),
    }
    end = reduce(one, range(T - 1, -1, -1), start)
    return {"dx": np.stack(end["dx"], axis=2), "da0": end["da"], **end["w"]}


# ---- GRU ---------------------------------------------------------------------


def blocks(W):
    return dict(zip("rzn", np.split(W, 3, axis=-1)))


def gru_cell(x, prev_h, Wx, Wh, b):
    wx, wh, bb = blocks(Wx), blocks(Wh), blocks(b)
    r = sigmoid(x @ wx["r"] + prev_h @ wh["r"] + bb["r"])
    z = sigmoid(x @ wx["z"] + prev_h @ wh["z"] + bb["z"])
    n = np.tanh(x @ wx["n"] + (r * prev_h) @ wh["n"] + bb["n"])
    next_h = (1 - z) * n + z * prev_h
    return next_h, {"x": x, "h": prev_h, "r": r, "z": z, "n": n, "wx": wx, "wh": wh}


def gru_forward(x, h0, Wx, Wh, b):
    h, hs, log = h0, [], []
    for t in range(x.shape[1]):
        h, c = gru_cell(x[:, t], h, Wx, Wh, b)
        hs.append(h)
        log.append(c)
    return np.stack(hs, axis=1), log


def join(d):
    return np.concatenate([d[k] for k in "rzn"], axis=-1)


@wrong(
    "gru_cell_backward",
    "written for the form with the reset gate after the product, r * (h Whn)",
    "from memory: the formulas of PyTorch's manual",
    convention="ntd",
    forward=gru_cell,
)
def reset_after(dnext_h, cache):
    c, wx, wh = cache, cache["wx"], cache["wh"]
    pre = {"n": dnext_h * (1 - c["z"]) * d_tanh(c["n"])}
    pre["z"] = dnext_h * (c["h"] - c["n"]) * d_sigmoid(c["z"])
    pre["r"] = pre["n"] * (c["h"] @ wh["n"]) * d_sigmoid(c["r"])
    hidden = {**pre, "n": pre["n"] * c["r"]}
    dx = sum(pre[k] @ wx[k].T for k in "rzn")
    dprev = dnext_h * c["z"] + sum(hidden[k] @ wh[k].T for k in "rzn")
    dWx = join({k: c["x"].T @ pre[k] for k in "rzn"})
    dWh = join({k: c["h"].T @ hidden[k] for k in "rzn"})
    return dx, dprev, dWx, dWh, join(pre).sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dz has the wrong sign, and dx lacks the reset gate's share",
    "from memory",
    convention="ntd",
    forward=gru_cell,
    tags="double",
)
def sign_and_share(dnext_h, cache):
    c, wx, wh = cache, cache["wx"], cache["wh"]
    dn = dnext_h * (1 - c["z"]) * d_tanh(c["n"])
    dz = dnext_h * (c["n"] - c["h"]) * d_sigmoid(c["z"])
    d_gated = dn @ wh["n"].T
    dr = d_gated * c["h"] * d_sigmoid(c["r"])
    pre = {"r": dr, "z": dz, "n": dn}
    seen = {"r": c["h"], "z": c["h"], "n": c["r"] * c["h"]}
    dx = dz @ wx["z"].T + dn @ wx["n"].T
    dprev = dnext_h * c["z"] + d_gated * c["r"] + dr @ wh["r"].T + dz @ wh["z"].T
    dWx = join({k: c["x"].T @ pre[k] for k in pre})
    dWh = join({k: seen[k].T @ pre[k] for k in pre})
    return dx, dprev, dWx, dWh, join(pre).sum(axis=0)


def gru_weights_zero(log):
    c = log[0]
    return {
        "x": {k: np.zeros_like(v) for k, v in c["wx"].items()},
        "h": {k: np.zeros_like(v) for k, v in c["wh"].items()},
        "b": {k: np.zeros(v.shape[1]) for k, v in c["wh"].items()},
    }


def book(acc, c, pre):
    gated = c["r"] * c["h"]
    for k in "rzn":
        acc["x"][k] += c["x"].T @ pre[k]
        acc["h"][k] += (gated if k == "n" else c["h"]).T @ pre[k]
        acc["b"][k] += pre[k].sum(axis=0)


@wrong(
    "gru_backward",
    "the update gate is read the other way round: as if h = z n + (1 - z) h_prev",
    "from memory: the letters of the paper",
    convention="ntd",
    forward=gru_forward,
)
def update_means_new(dh, cache):
    acc, dx, carry = gru_weights_zero(cache), [], 0
    for t in reversed(range(len(cache))):
        c = cache[t]
        total = dh[:, t] + carry
        new, keep = c["z"], 1 - c["z"]
        pre = {
            "n": total * new * d_tanh(c["n"]),
            "z": total * (c["n"] - c["h"]) * d_sigmoid(c["z"]),
        }
        d_gated = pre["n"] @ c["wh"]["n"].T
        pre["r"] = d_gated * c["h"] * d_sigmoid(c["r"])
        book(acc, c, pre)
        dx.append(sum(pre[k] @ c["wx"][k].T for k in "rzn"))
        carry = total * keep + d_gated * c["r"]
        carry = carry + sum(pre[k] @ c["wh"][k].T for k in "rz")
    return (np.stack(dx[::-1], axis=1), carry, *(join(acc[k]) for k in "xhb"))


@right(
    "gru_backward",
    "gradients before the activations are kept by gate, weights come from them at the end",
    convention="ntd",
    forward=gru_forward,
)
def weights_at_the_end(dh, cache):
    carry, kept = 0, {}
    for t in reversed(range(len(cache))):
        c = cache[t]
        total = dh[:, t] + carry
        dn = total * (1 - c["z"]) * d_tanh(c["n"])
        dz = -total * (c["n"] - c["h"]) * d_sigmoid(c["z"])
        d_gated = dn @ c["wh"]["n"].T
        dr = d_gated * c["h"] * d_sigmoid(c["r"])
        kept[t] = {"r": dr, "z": dz, "n": dn}
        carry = total * c["z"] + d_gated * c["r"]
        carry += dr @ c["wh"]["r"].T + dz @ c["wh"]["z"].T
    order = range(len(cache))
    flat = {k: np.concatenate([kept[t][k] for t in order]) for k in "rzn"}
    x = np.concatenate([c["x"] for c in cache])
    h = np.concatenate([c["h"] for c in cache])
    gated = np.concatenate([c["r"] * c["h"] for c in cache])
    dWx = x.T @ join(flat)
    dWh = join({"r": h.T @ flat["r"], "z": h.T @ flat["z"], "n": gated.T @ flat["n"]})
    w = cache[0]["wx"]
    dx = [sum(kept[t][k] @ w[k].T for k in "rzn") for t in order]
    return np.stack(dx, axis=1), carry, dWx, dWh, join(flat).sum(axis=0)


# ---- readout -----------------------------------------------------------------


def one_hot(labels, n):
    return np.eye(n)[labels].reshape(n, *labels.shape)


@wrong(
    "readout_backward",
    "the one-hot labels (m, T, n_y) are reshaped to (n_y, m, T), not transposed",
    "from memory",
)
def reshaped_labels(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = (y_pred - one_hot(labels, n_y)) / (m * T)
    return {
        "da": np.tensordot(parameters["Wya"].T, dz, axes=1),
        "dWya": np.einsum("ymt,amt->ya", dz, a),
        "dby": dz.sum(axis=(1, 2)).reshape(n_y, 1),
    }
