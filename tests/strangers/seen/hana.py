"""Hana. LSTM over time; collects each step's gradients in a list, then stacks and adds. Also two readouts."""

import numpy as np
from strangers.made import right, wrong

WEIGHTS = ["dWf", "dbf", "dWi", "dbi", "dWc", "dbc", "dWo", "dbo"]


def lstm_one(da_next, dc_next, cache):
    """one step, checked against the sheet"""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = len(a_next)
    inp_T = np.concatenate([a_prev, xt]).T
    tanh_c = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - tanh_c**2)
    pre = {
        "f": dc * c_prev * ft * (1 - ft),
        "i": dc * cct * it * (1 - it),
        "c": dc * it * (1 - cct**2),
        "o": da_next * tanh_c * ot * (1 - ot),
    }
    out = {"dc_prev": dc * ft}
    dinp = sum(parameters["W" + k].T @ d for k, d in pre.items())
    out["da_prev"], out["dxt"] = dinp[:n_a], dinp[n_a:]
    for k, d in pre.items():
        out["dW" + k] = d @ inp_T
        out["db" + k] = d.sum(axis=1, keepdims=True)
    return out


def walk(da, caches):
    """steps from the last to the first"""
    steps = []
    da_later = dc_later = np.zeros(da.shape[:2])
    for t in reversed(range(da.shape[2])):
        g = lstm_one(da[:, :, t] + da_later, dc_later, caches[t])
        da_later, dc_later = g["da_prev"], g["dc_prev"]
        steps.append(g)
    return steps


# ---------------------------------------------------------------- LSTM


@right("lstm_backward", "a list of dictionaries, one for a step")
def lists(da, caches):
    caches, x = caches
    steps = walk(da, caches)
    grads = {k: sum(g[k] for g in steps) for k in WEIGHTS}
    grads["dx"] = np.stack([g["dxt"] for g in steps[::-1]], axis=2)
    grads["da0"] = steps[-1]["da_prev"]
    return grads


@wrong(
    "lstm_backward",
    "dx is stacked as the steps were collected, last step first",
    "from memory",
)
def dx_back_to_front(da, caches):
    caches, x = caches
    steps = walk(da, caches)
    grads = {k: sum(g[k] for g in steps) for k in WEIGHTS}
    grads["dx"] = np.stack([g["dxt"] for g in steps], axis=2)
    grads["da0"] = steps[-1]["da_prev"]
    return grads


@wrong(
    "lstm_backward",
    "the sums run over steps[:-1]: step 0 is not in the weights' gradients",
    "from memory",
)
def one_step_short(da, caches):
    caches, x = caches
    steps = walk(da, caches)
    grads = {k: sum((g[k] for g in steps[1:-1]), steps[0][k]) for k in WEIGHTS}
    grads["dx"] = np.stack([g["dxt"] for g in steps[::-1]], axis=2)
    grads["da0"] = steps[-1]["da_prev"]
    return grads


@wrong(
    "lstm_backward",
    "dbf adds up the dbi of the steps (a line copied)",
    "from memory",
    step={"dbf": -1},
)
def dbf_from_dbi(da, caches):
    caches, x = caches
    steps = walk(da, caches)
    return {
        "dx": np.stack([g["dxt"] for g in reversed(steps)], axis=2),
        "da0": steps[-1]["da_prev"],
        "dWf": sum(g["dWf"] for g in steps),
        "dWi": sum(g["dWi"] for g in steps),
        "dWc": sum(g["dWc"] for g in steps),
        "dWo": sum(g["dWo"] for g in steps),
        "dbf": sum(g["dbi"] for g in steps),
        "dbi": sum(g["dbi"] for g in steps),
        "dbc": sum(g["dbc"] for g in steps),
        "dbo": sum(g["dbo"] for g in steps),
    }


@wrong(
    "lstm_backward",
    "c's gradient is carried, a's is not: only da[:, :, t] goes into each step",
    "from memory",
)
def a_not_carried(da, caches):
    caches, x = caches
    steps = []
    dc_later = np.zeros(da.shape[:2])
    for t in reversed(range(da.shape[2])):
        g = lstm_one(da[:, :, t], dc_later, caches[t])
        dc_later = g["dc_prev"]
        steps.append(g)
    grads = {k: sum(g[k] for g in steps) for k in WEIGHTS}
    grads["dx"] = np.stack([g["dxt"] for g in steps[::-1]], axis=2)
    grads["da0"] = steps[-1]["da_prev"]
    return grads


@wrong(
    "lstm_backward",
    "da0 is steps[0]: the list begins with the last step",
    "from memory",
    step={"da0": 0},
)
def da0_from_the_wrong_end(da, caches):
    caches, x = caches
    steps = walk(da, caches)
    grads = {k: np.sum([g[k] for g in steps], axis=0) for k in WEIGHTS}
    grads["dx"] = np.stack([g["dxt"] for g in steps[::-1]], axis=2)
    grads["da0"] = steps[0]["da_prev"]
    return grads


@wrong(
    "lstm_backward",
    "two: the weights' gradients are means over time, and da0 has da of step 0 added",
    "from memory",
)
def mean_over_time(da, caches):
    caches, x = caches
    steps = walk(da, caches)
    grads = {k: np.mean([g[k] for g in steps], axis=0) for k in WEIGHTS}
    grads["dx"] = np.stack([g["dxt"] for g in steps[::-1]], axis=2)
    grads["da0"] = steps[-1]["da_prev"] + da[:, :, 0]
    return grads


@wrong(
    "lstm_backward",
    "da runs from the end, the caches beside it in zip from the beginning",
    "from memory",
)
def zip_not_reversed(da, caches):
    caches, x = caches
    steps = []
    da_later = dc_later = np.zeros(da.shape[:2])
    for t, cache in zip(range(da.shape[2] - 1, -1, -1), caches):
        g = lstm_one(da[:, :, t] + da_later, dc_later, cache)
        da_later, dc_later = g["da_prev"], g["dc_prev"]
        steps.append(g)
    grads = {k: sum(g[k] for g in steps) for k in WEIGHTS}
    grads["dx"] = np.stack([g["dxt"] for g in steps[::-1]], axis=2)
    grads["da0"] = steps[-1]["da_prev"]
    return grads


@wrong(
    "lstm_backward",
    "[zeros] * 4 for the biases: one array four times, each holds the sum of all",
    "from memory",
)
def four_times_the_same_array(da, caches):
    caches, x = caches
    n_a = da.shape[0]
    width = n_a + x.shape[0]
    dWf, dWi, dWc, dWo = np.zeros((4, n_a, width))
    dbf, dbi, dbc, dbo = [np.zeros((n_a, 1))] * 4
    steps = walk(da, caches)
    for g in steps:
        dWf += g["dWf"]
        dWi += g["dWi"]
        dWc += g["dWc"]
        dWo += g["dWo"]
        dbf += g["dbf"]
        dbi += g["dbi"]
        dbc += g["dbc"]
        dbo += g["dbo"]
    dx = np.stack([g["dxt"] for g in steps[::-1]], axis=2)
    return {
        "dx": dx, "da0": steps[-1]["da_prev"], "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


@wrong(
    "lstm_backward",
    "the output gate gets da + dc times tanh(c), c's gradient does not pass it",
    "from memory",
)
def o_gets_dc_too(da, caches):
    caches, x = caches
    p = caches[0][9]
    n_a, m, T = da.shape
    dxs, sums = [], {k: 0 for k in WEIGHTS}
    da_later = dc_later = np.zeros((n_a, m))
    for t in reversed(range(T)):
        a_next, c_next, a_prev, c_prev, f, i, cc, o, xt, _ = caches[t]
        inp = np.concatenate([a_prev, xt])
        d_a = da[:, :, t] + da_later
        d_c = dc_later + d_a * o * (1 - np.tanh(c_next) ** 2)
        pre = {
            "f": d_c * c_prev * f * (1 - f),
            "i": d_c * cc * i * (1 - i),
            "c": d_c * i * (1 - cc**2),
            "o": (d_a + d_c) * np.tanh(c_next) * o * (1 - o),
        }
        dinp = 0
        for k, d in pre.items():
            sums["dW" + k] = sums["dW" + k] + d @ inp.T
            sums["db" + k] = sums["db" + k] + d.sum(axis=1, keepdims=True)
            dinp = dinp + p["W" + k].T @ d
        da_later, dc_later = dinp[:n_a], d_c * f
        dxs.insert(0, dinp[n_a:])
    return {"dx": np.stack(dxs, axis=2), "da0": da_later, **sums}


@wrong(
    "lstm_backward",
    "c's gradient goes back through the input gate: dc * it for dc * ft",
    "from memory",
)
def back_through_i(da, caches):
    caches, x = caches
    p = caches[0][9]
    n_a, m, T = da.shape
    dxs, sums = [], {k: 0 for k in WEIGHTS}
    da_later = dc_later = np.zeros((n_a, m))
    for t in reversed(range(T)):
        a_next, c_next, a_prev, c_prev, f, i, cc, o, xt, _ = caches[t]
        inp = np.concatenate([a_prev, xt])
        d_a = da[:, :, t] + da_later
        d_c = dc_later + d_a * o * (1 - np.tanh(c_next) ** 2)
        pre = {
            "f": d_c * c_prev * f * (1 - f),
            "i": d_c * cc * i * (1 - i),
            "c": d_c * i * (1 - cc**2),
            "o": d_a * np.tanh(c_next) * o * (1 - o),
        }
        dinp = 0
        for k, d in pre.items():
            sums["dW" + k] = sums["dW" + k] + d @ inp.T
            sums["db" + k] = sums["db" + k] + d.sum(axis=1, keepdims=True)
            dinp = dinp + p["W" + k].T @ d
        da_later, dc_later = dinp[:n_a], d_c * i
        dxs.insert(0, dinp[n_a:])
    return {"dx": np.stack(dxs, axis=2), "da0": da_later, **sums}


@wrong(
    "lstm_backward",
    "two: dx lacks the candidate's way (Wc), and da0 is divided by m",
    "from memory",
)
def dx_three_gates_da0_mean(da, caches):
    caches, x = caches
    p = caches[0][9]
    n_a, m, T = da.shape
    dxs, sums = [], {k: 0 for k in WEIGHTS}
    da_later = dc_later = np.zeros((n_a, m))
    for t in reversed(range(T)):
        a_next, c_next, a_prev, c_prev, f, i, cc, o, xt, _ = caches[t]
        inp = np.concatenate([a_prev, xt])
        d_a = da[:, :, t] + da_later
        d_c = dc_later + d_a * o * (1 - np.tanh(c_next) ** 2)
        pre = {
            "f": d_c * c_prev * f * (1 - f),
            "i": d_c * cc * i * (1 - i),
            "c": d_c * i * (1 - cc**2),
            "o": d_a * np.tanh(c_next) * o * (1 - o),
        }
        for k, d in pre.items():
            sums["dW" + k] = sums["dW" + k] + d @ inp.T
            sums["db" + k] = sums["db" + k] + d.sum(axis=1, keepdims=True)
        da_later = sum(p["W" + k][:, :n_a].T @ pre[k] for k in "fico")
        dxs.insert(0, sum(p["W" + k][:, n_a:].T @ pre[k] for k in "fio"))
        dc_later = d_c * f
    return {"dx": np.stack(dxs, axis=2), "da0": da_later / m, **sums}


# ---------------------------------------------------------------- readout


@right("readout_backward", "step by step, lists")
def readout_lists(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    das, dWya, dby = [], 0, 0
    for t in range(T):
        dz = y_pred[:, :, t].copy()
        dz[labels[:, t], np.arange(m)] -= 1
        dz /= m * T
        das.append(parameters["Wya"].T @ dz)
        dWya = dWya + dz @ a[:, :, t].T
        dby = dby + dz.sum(axis=1, keepdims=True)
    return {"da": np.stack(das, axis=2), "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "the labels are taken to count from 1: the 1 is subtracted at label - 1",
    "from memory",
)
def labels_from_one(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    das, dWya, dby = [], 0, 0
    for t in range(T):
        dz = y_pred[:, :, t].copy()
        dz[labels[:, t] - 1, np.arange(m)] -= 1
        dz /= m * T
        das.append(parameters["Wya"].T @ dz)
        dWya = dWya + dz @ a[:, :, t].T
        dby = dby + dz.sum(axis=1, keepdims=True)
    return {"da": np.stack(das, axis=2), "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "-1/p at the label is taken for dz, the softmax is not differentiated",
    "from memory",
)
def log_only(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    das, dWya, dby = [], 0, 0
    for t in range(T):
        dz = np.zeros((n_y, m))
        rows, cols = labels[:, t], np.arange(m)
        dz[rows, cols] = -1 / y_pred[rows, cols, t]
        dz /= m * T
        das.append(parameters["Wya"].T @ dz)
        dWya = dWya + dz @ a[:, :, t].T
        dby = dby + dz.sum(axis=1, keepdims=True)
    return {"da": np.stack(das, axis=2), "dWya": dWya, "dby": dby}
