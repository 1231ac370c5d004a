"""Kim has a right cell and struggles with the loop over time, and with dx."""

import numpy as np

from strangers.made import right, wrong


@right("lstm_cell_backward", "walks the graph backwards, a node a line")
def one(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    n_a = a_prev.shape[0]
    # a_next = ot * th
    th = np.tanh(c_next)
    d_ot = da_next * th
    d_th = da_next * ot
    # th = tanh(c_next), and c_next also goes to the next step
    d_c = dc_next + d_th * (1 - th * th)
    # c_next = ft * c_prev + it * cct
    grads = {"dc_prev": d_c * ft}
    d = {
        "f": d_c * c_prev * ft * (1 - ft),
        "i": d_c * cct * it * (1 - it),
        "c": d_c * it * (1 - cct * cct),
        "o": d_ot * ot * (1 - ot),
    }
    concat = np.r_[a_prev, xt]
    d_concat = 0
    for k, dk in d.items():
        grads[f"dW{k}"] = dk @ concat.T
        grads[f"db{k}"] = dk @ np.ones((dk.shape[1], 1))
        d_concat = d_concat + p[f"W{k}"].T @ dk
    grads["da_prev"], grads["dxt"] = d_concat[:n_a], d_concat[n_a:]
    return grads


NAMES = [f"d{w}{k}" for w in "Wb" for k in "fico"]


@right("lstm_backward", "a dictionary of sums")
def lstm_backward(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    total = {n: np.zeros_like(steps[0][-1][n[1:]]) for n in NAMES}
    dx = np.zeros((len(x), m, T))
    da_t, dc_t = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


def started(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    total = {n: np.zeros_like(steps[0][-1][n[1:]]) for n in NAMES}
    return steps, T, np.zeros((len(x), m, T)), np.zeros((n_a, m)), total


@wrong(
    "lstm_backward",
    "the state's carry is left out; the memory's is there",
    "no carry",
    step={"*": -2, "da0": -2},
)
def no_da_carry(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t], dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "dh_next and dc_next are never updated: both carries stay zero",
    "sigmoid again",
    step={"*": -2, "da0": -2},
)
def no_carries(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_next, dc_next = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_next, dc_next, steps[t])
        dx[:, :, t] = g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": g["da_prev"], **total}


@wrong(
    "lstm_backward",
    "the carries are exchanged: dc_prev is added to da, da_prev handed on as dc",
    "two variables exchanged, from memory",
    step={"*": -2, "da0": -1},
)
def carries_exchanged(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        dc_t, da_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "da0 is left at zeros: only a local name is updated",
    "a result that is never assigned, from memory",
    step={"da0": 0},
    words=r"da0.*(zero|never|not)|zero.*da0",
)
def da0_stays_zero(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da0, da_t, dc_t = zero.copy(), zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da0, **total}


@wrong(
    "lstm_backward",
    "da0 is the cotangent of the memory before step 0 (dc_prev)",
    "two variables exchanged, from memory",
    step={"da0": 0},
)
def da0_is_dc(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": dc_t, **total}


@wrong(
    "lstm_backward",
    "dbi and dbo add up the forget gate's gradient",
    "delta of f",
    step=-1,
)
def biases_of_f(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g["dbf"] if n in ("dbi", "dbo") else g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "dWi and dWf share one accumulator: Wf = Wi = zeros",
    "c = a",
    step=-1,
    tags="view",
)
def shared_accumulator(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    total["dWf"] = total["dWi"]
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "all bias gradients are one array: dict.fromkeys(names, zeros)",
    "one array",
    step=-1,
    tags="view",
)
def fromkeys(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    n_a = len(da)
    total |= dict.fromkeys([n for n in NAMES if n[1] == "b"], np.zeros((n_a, 1)))
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "the carry of the memory begins with da of the last step instead of zeros",
    "a start value copied from the line above, from memory",
    step={"*": -1, "dWo": -2, "dbo": -2},
)
def dc_begins_with_da(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, da[:, :, T - 1]
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "the last step is left out: range(T - 2, -1, -1)",
    "an index off by one at the end, from memory",
    step=-1,
    tags="time",
)
def without_the_last(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 2, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "the cotangent of the step after is used: da[:, :, t + 1], none at the last step",
    "off by one",
    step=-1,
    tags="time",
)
def da_of_the_step_after(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        here = da[:, :, t + 1] if t + 1 < T else zero
        g = one(here + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "da of step 0 is used at all steps",
    "first step's",
    step=-1,
    tags="time",
)
def da_of_step_0(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, 0] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "the caches are turned round once more: step t reads the cache of T - 1 - t",
    "reversed() twice, from memory",
    step=-1,
    tags="time",
)
def reversed_twice(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t, cache in zip(range(T - 1, -1, -1), steps[:T], strict=True):
        g = one(da[:, :, t] + da_t, dc_t, cache)
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "dx is written to the slot of the step before: dx[:, :, t - 1]",
    "off by one",
    step={"dx": -1},
    tags="time",
)
def dx_one_slot_early(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t - 1] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_backward",
    "the weight gradients are clipped at 1 at the end",
    "the clip of the next assignment, from memory",
    words=r"clip",
)
def clipped(da, caches):
    g = lstm_backward(da, caches)
    return {n: np.clip(v, -1, 1) if n[1] in "Wb" else v for n, v in g.items()}


@wrong(
    "lstm_backward",
    "no carry of the state, and da0 left at zeros",
    "two slips in one evening, from memory",
    step={"*": -2, "da0": None},
    tags="double",
)
def no_carry_no_da0(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    dc_t = zero
    for t in range(T - 1, -1, -1):
        g = one(da[:, :, t], dc_t, steps[t])
        dc_t, dx[:, :, t] = g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g[n]
    return {"dx": dx, "da0": zero, **total}


@wrong(
    "lstm_backward",
    "the last step is left out, and dbi, dbo add up the forget gate's",
    "two slips in one evening, from memory",
    step=-1,
    tags="double time",
)
def last_and_biases(da, caches):
    steps, T, dx, zero, total = started(da, caches)
    da_t, dc_t = zero, zero
    for t in range(T - 2, -1, -1):
        g = one(da[:, :, t] + da_t, dc_t, steps[t])
        da_t, dc_t, dx[:, :, t] = g["da_prev"], g["dc_prev"], g["dxt"]
        for n in NAMES:
            total[n] += g["dbf"] if n in ("dbi", "dbo") else g[n]
    return {"dx": dx, "da0": da_t, **total}


@wrong(
    "lstm_cell_backward",
    "dxt is made with the first columns of W, those of a_prev, cut to n_x",
    "weights not split",
)
def dxt_of_the_first_columns(da_next, dc_next, cache):
    g = one(da_next, dc_next, cache)
    xt, p = cache[8:]
    n_x, full = len(xt), 0
    for k in "fico":
        full = full + p[f"W{k}"].T @ one_gate(k, da_next, dc_next, cache)
    return g | {"dxt": full[:n_x]}


def one_gate(k, da_next, dc_next, cache):
    _, c, _, c_prev, f, i, g, o, _, _ = cache
    th = np.tanh(c)
    d_c = dc_next + da_next * o * (1 - th**2)
    return {
        "f": d_c * c_prev * f * (1 - f),
        "i": d_c * g * i * (1 - i),
        "c": d_c * i * (1 - g**2),
        "o": da_next * th * o * (1 - o),
    }[k]


@wrong(
    "lstm_cell_backward",
    "da_prev lacks the output gate's term",
    "three terms of four copied, from memory",
)
def da_prev_without_o(da_next, dc_next, cache):
    g = one(da_next, dc_next, cache)
    n_a = len(da_next)
    lost = cache[-1]["Wo"][:, :n_a].T @ one_gate("o", da_next, dc_next, cache)
    return g | {"da_prev": g["da_prev"] - lost}


@wrong(
    "lstm_cell_backward",
    "dxt uses Wf for the candidate's term",
    "a letter left from the line above, from memory",
)
def wf_twice(da_next, dc_next, cache):
    g = one(da_next, dc_next, cache)
    n_a, p = len(da_next), cache[-1]
    d = one_gate("c", da_next, dc_next, cache)
    return g | {"dxt": g["dxt"] + (p["Wf"] - p["Wc"])[:, n_a:].T @ d}


@wrong(
    "lstm_cell_backward",
    "dWo is made with [a_next; x], the others with [a_prev; x]",
    "off by one",
)
def dWo_with_a_next(da_next, dc_next, cache):
    g = one(da_next, dc_next, cache)
    left = np.r_[cache[0], cache[8]]
    return g | {"dWo": one_gate("o", da_next, dc_next, cache) @ left.T}


@wrong(
    "lstm_cell_backward",
    "da_prev lacks the output gate's term, and dWo is made with [a_next; x]",
    "two slips in one evening, from memory",
    tags="double",
)
def two_at_o(da_next, dc_next, cache):
    g = da_prev_without_o(da_next, dc_next, cache)
    return g | {"dWo": dWo_with_a_next(da_next, dc_next, cache)["dWo"]}
