"""Joon unpacks the caches into whole arrays and keeps the loop as short as he can."""

import numpy as np
from strangers.made import right, wrong

GATES = ("f", "i", "c", "o")


def softmax(z):
    e = np.exp(z - z.max(0, keepdims=True))
    return e / e.sum(0, keepdims=True)


def whole(caches, k):
    return np.stack([c[k] for c in caches], axis=2)


def weights_from(dz, prev, x):
    return {
        "dWax": np.einsum("imt,jmt->ij", dz, x),
        "dWaa": np.einsum("imt,jmt->ij", dz, prev),
        "dba": dz.sum(axis=(1, 2))[:, None],
    }


@right("rnn_backward", "whole arrays, weights by einsum")
def rnn_whole(da, caches):
    steps, x = caches
    T = da.shape[2]
    a, prev, p = whole(steps, 0), whole(steps, 1), steps[0][3]
    dz, carry = np.zeros_like(da), np.zeros_like(da[:, :, 0])
    for t in range(T)[::-1]:
        dz[..., t] = (da[..., t] + carry) * (1 - a[..., t] ** 2)
        carry = p["Waa"].T @ dz[..., t]
    dx = np.einsum("ij,imt->jmt", p["Wax"], dz)
    return {"dx": dx, "da0": carry, **weights_from(dz, prev, x[..., :T])}


@wrong(
    "rnn_backward",
    "what comes from the step after does not pass through tanh",
    "from memory",
    step={"da0": None, "*": -2},
)
def rnn_carry_past_tanh(da, caches):
    steps, x = caches
    T = da.shape[2]
    a, prev, p = whole(steps, 0), whole(steps, 1), steps[0][3]
    dz, carry = np.zeros_like(da), np.zeros_like(da[:, :, 0])
    for t in range(T)[::-1]:
        dz[..., t] = da[..., t] * (1 - a[..., t] ** 2) + carry
        carry = p["Waa"].T @ dz[..., t]
    dx = np.einsum("ij,imt->jmt", p["Wax"], dz)
    return {"dx": dx, "da0": carry, **weights_from(dz, prev, x[..., :T])}


@wrong(
    "rnn_backward",
    "a_prev by np.roll: at step 0 it is the last a instead of a0",
    "from memory",
    step=0,
)
def rnn_rolled(da, caches):
    steps, x = caches
    T = da.shape[2]
    a, p = whole(steps[:T], 0), steps[0][3]
    prev = np.roll(a, 1, axis=2)
    dz, carry = np.zeros_like(da), np.zeros_like(da[:, :, 0])
    for t in range(T)[::-1]:
        dz[..., t] = (da[..., t] + carry) * (1 - a[..., t] ** 2)
        carry = p["Waa"].T @ dz[..., t]
    dx = np.einsum("ij,imt->jmt", p["Wax"], dz)
    return {"dx": dx, "da0": carry, **weights_from(dz, prev, x[..., :T])}


@wrong(
    "rnn_backward",
    "dx is collected from the last step on and never turned round",
    "from memory",
    step=-1,
)
def rnn_dx_backwards(da, caches):
    steps, x = caches
    T = da.shape[2]
    p = steps[0][3]
    carry = np.zeros_like(da[:, :, 0])
    dxs, dWax, dWaa, dba = [], 0, 0, 0
    for t in range(T)[::-1]:
        a, prev, xt, _ = steps[t]
        dz = (da[..., t] + carry) * (1 - a * a)
        dxs.append(p["Wax"].T @ dz)
        dWax = dWax + dz @ xt.T
        dWaa = dWaa + dz @ prev.T
        dba = dba + dz.sum(1, keepdims=True)
        carry = p["Waa"].T @ dz
    return {
        "dx": np.stack(dxs, axis=2),
        "da0": carry,
        "dWax": dWax,
        "dWaa": dWaa,
        "dba": dba,
    }


@wrong(
    "rnn_backward",
    "the weights' gradients are divided by the number of examples",
    "from memory",
    step=-1,
)
def rnn_over_m(da, caches):
    steps, x = caches
    _, m, T = da.shape
    a, prev, p = whole(steps, 0), whole(steps, 1), steps[0][3]
    dz, carry = np.zeros_like(da), np.zeros_like(da[:, :, 0])
    for t in range(T)[::-1]:
        dz[..., t] = (da[..., t] + carry) * (1 - a[..., t] ** 2)
        carry = p["Waa"].T @ dz[..., t]
    dx = np.einsum("ij,imt->jmt", p["Wax"], dz)
    grads = {k: v / m for k, v in weights_from(dz, prev, x[..., :T]).items()}
    return {"dx": dx, "da0": carry, **grads}


@wrong(
    "rnn_cell_backward",
    "two: Waa is not transposed; dba is the mean over the examples",
    "from memory",
    tags="double",
)
def rnn_cell_two(da_next, cache):
    a, prev, xt, p = cache
    dz = (1 - a * a) * da_next
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"] @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ prev.T,
        "dba": dz.mean(axis=1, keepdims=True),
    }


@wrong("rnn_forward", "y is predicted from a of the step before", "from memory", step=0)
def rnn_forward_late_y(x, a0, parameters):
    Wax, Waa, Wya = (parameters[k] for k in ("Wax", "Waa", "Wya"))
    ba, by = parameters["ba"], parameters["by"]
    T = x.shape[2]
    drive = np.einsum("ij,jmt->imt", Wax, x) + ba[:, :, None]
    a, h, caches = np.zeros_like(drive), a0, []
    y = np.zeros((by.shape[0], x.shape[1], T))
    for t in range(T):
        y[..., t] = softmax(Wya @ h + by)
        prev, h = h, np.tanh(drive[..., t] + Waa @ h)
        a[..., t] = h
        caches.append((h, prev, x[..., t], parameters))
    return a, y, (caches, x)


def finish(dz, prev, x, p, carry):
    """dz by gate, each (n_a, m, T)."""
    n_a, T = prev.shape[0], dz["f"].shape[2]
    both = np.concatenate([prev[..., :T], x[..., :T]], axis=0)
    out = {"dx": 0, "da0": carry}
    for g in GATES:
        out["dx"] = out["dx"] + np.einsum("ij,imt->jmt", p["W" + g][:, n_a:], dz[g])
        out["dW" + g] = np.einsum("imt,jmt->ij", dz[g], both)
        out["db" + g] = dz[g].sum(axis=(1, 2))[:, None]
    return out


def back(p, dz, t, n_a):
    return sum(p["W" + g][:, :n_a].T @ dz[g][..., t] for g in GATES)


@right("lstm_backward", "whole arrays")
def lstm_whole(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps, k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    dz = {k: np.zeros_like(da) for k in GATES}
    dh = dc = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        d = da[..., t] + dh
        dc = dc + d * o[..., t] * (1 - s[..., t] ** 2)
        dz["o"][..., t] = d * s[..., t] * o[..., t] * (1 - o[..., t])
        dz["f"][..., t] = dc * cp[..., t] * f[..., t] * (1 - f[..., t])
        dz["i"][..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dz["c"][..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dc = dc * f[..., t]
        dh = back(p, dz, t, n_a)
    return finish(dz, prev, x, p, dh)


@wrong(
    "lstm_backward",
    "the memory's carry is multiplied by the forget gate of this step, not of the next",
    "from memory",
    step={"da0": None, "dWo": -3, "dbo": -3, "*": -2},
)
def lstm_forget_of_this_step(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps, k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    dz = {k: np.zeros_like(da) for k in GATES}
    dh = dc = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        d = da[..., t] + dh
        dc = dc * f[..., t] + d * o[..., t] * (1 - s[..., t] ** 2)
        dz["o"][..., t] = d * s[..., t] * o[..., t] * (1 - o[..., t])
        dz["f"][..., t] = dc * cp[..., t] * f[..., t] * (1 - f[..., t])
        dz["i"][..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dz["c"][..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dh = back(p, dz, t, n_a)
    return finish(dz, prev, x, p, dh)


@wrong(
    "lstm_backward",
    "dc_prev holds the part from this step's da alone: it reaches one step and ends",
    "from memory",
    step={"da0": None, "dWo": -4, "dbo": -4, "*": -3},
)
def lstm_memory_one_step(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps, k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    dz = {k: np.zeros_like(da) for k in GATES}
    dh = dcn = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        d = da[..., t] + dh
        own = d * o[..., t] * (1 - s[..., t] ** 2)
        dc = own + dcn
        dz["o"][..., t] = d * s[..., t] * o[..., t] * (1 - o[..., t])
        dz["f"][..., t] = dc * cp[..., t] * f[..., t] * (1 - f[..., t])
        dz["i"][..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dz["c"][..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dcn = own * f[..., t]
        dh = back(p, dz, t, n_a)
    return finish(dz, prev, x, p, dh)


@wrong(
    "lstm_backward",
    "the forget gate gets c of the step, not c_prev",
    "from memory",
    step={"da0": None, "dWi": -2, "dbi": -2, "dWc": -2, "dbc": -2,
          "dWo": -2, "dbo": -2, "*": -1},
)  # fmt: skip
def lstm_forget_sees_c(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps, k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    dz = {k: np.zeros_like(da) for k in GATES}
    dh = dc = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        d = da[..., t] + dh
        dc = dc + d * o[..., t] * (1 - s[..., t] ** 2)
        dz["o"][..., t] = d * s[..., t] * o[..., t] * (1 - o[..., t])
        dz["f"][..., t] = dc * c[..., t] * f[..., t] * (1 - f[..., t])
        dz["i"][..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dz["c"][..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dc = dc * f[..., t]
        dh = back(p, dz, t, n_a)
    return finish(dz, prev, x, p, dh)


@wrong(
    "lstm_backward",
    "the weights' gradients use a of the same step, not of the one before",
    "from memory",
    step=-1,
)
def lstm_weights_same_a(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps, k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    dz = {k: np.zeros_like(da) for k in GATES}
    dh = dc = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        d = da[..., t] + dh
        dc = dc + d * o[..., t] * (1 - s[..., t] ** 2)
        dz["o"][..., t] = d * s[..., t] * o[..., t] * (1 - o[..., t])
        dz["f"][..., t] = dc * cp[..., t] * f[..., t] * (1 - f[..., t])
        dz["i"][..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dz["c"][..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dc = dc * f[..., t]
        dh = back(p, dz, t, n_a)
    return finish(dz, a, x, p, dh)


@wrong(
    "lstm_backward",
    "the candidate has the derivative of a sigmoid, cct (1 - cct)",
    "from memory",
    step={"da0": None, "dWi": -2, "dbi": -2, "dWf": -2, "dbf": -2,
          "dWo": -2, "dbo": -2, "*": -1},
)  # fmt: skip
def lstm_candidate_as_gate(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps, k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    slope = {"f": f * (1 - f), "i": i * (1 - i), "c": g * (1 - g), "o": o * (1 - o)}
    dz = {k: np.zeros_like(da) for k in GATES}
    dh = dc = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        d = da[..., t] + dh
        dc = dc + d * o[..., t] * (1 - s[..., t] ** 2)
        into = {"o": d * s[..., t], "f": dc * cp[..., t]}
        into |= {"i": dc * g[..., t], "c": dc * i[..., t]}
        for k in GATES:
            dz[k][..., t] = into[k] * slope[k][..., t]
        dc = dc * f[..., t]
        dh = back(p, dz, t, n_a)
    return finish(dz, prev, x, p, dh)


@wrong(
    "lstm_backward",
    "the output gate gets da alone, without the carry, which the memory does get",
    "from memory",
    step={"da0": None, "dx": -2, "dWo": -2, "dbo": -2, "*": -3},
)
def lstm_output_without_carry(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps[:T], k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    dz = {k: np.zeros_like(da) for k in GATES}
    dz["o"] = da * s * o * (1 - o)
    dh = dc = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        dc = dc + (da[..., t] + dh) * o[..., t] * (1 - s[..., t] ** 2)
        dz["f"][..., t] = dc * cp[..., t] * f[..., t] * (1 - f[..., t])
        dz["i"][..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dz["c"][..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dc = dc * f[..., t]
        dh = back(p, dz, t, n_a)
    return finish(dz, prev, x, p, dh)


@wrong(
    "lstm_backward",
    "two: dbo is overwritten at each step; da0 is the carry that enters step 0",
    "from memory",
    step={"dbo": -1, "da0": 0},
    tags="double",
)
def lstm_two_at_the_end(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    a, c, prev, cp, f, i, g, o = (whole(steps, k) for k in range(8))
    p, s = steps[0][-1], np.tanh(c)
    dz = {k: np.zeros_like(da) for k in GATES}
    dh = dc = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        da0 = dh
        d = da[..., t] + dh
        dc = dc + d * o[..., t] * (1 - s[..., t] ** 2)
        dz["o"][..., t] = d * s[..., t] * o[..., t] * (1 - o[..., t])
        dz["f"][..., t] = dc * cp[..., t] * f[..., t] * (1 - f[..., t])
        dz["i"][..., t] = dc * g[..., t] * i[..., t] * (1 - i[..., t])
        dz["c"][..., t] = dc * i[..., t] * (1 - g[..., t] ** 2)
        dbo = dz["o"][..., t].sum(axis=1, keepdims=True)
        dc = dc * f[..., t]
        dh = back(p, dz, t, n_a)
    return {**finish(dz, prev, x, p, da0), "dbo": dbo}


def cell_grads(dz, prev, xt, p):
    n_a = prev.shape[0]
    both = np.vstack([prev, xt])
    out = {f"dW{k}": dz[k] @ both.T for k in GATES}
    out |= {f"db{k}": dz[k].sum(1, keepdims=True) for k in GATES}
    d_both = sum(p["W" + k].T @ dz[k] for k in GATES)
    return out | {"da_prev": d_both[:n_a], "dxt": d_both[n_a:]}


@wrong(
    "lstm_cell_backward",
    "the way into the memory has tanh of c_prev, not of c_next",
    "from memory",
)
def lstm_cell_old_tanh(da_next, dc_next, cache):
    a, c, prev, cp, f, i, g, o, xt, p = cache
    dc = dc_next + da_next * o * (1 - np.tanh(cp) ** 2)
    dz = {
        "o": da_next * np.tanh(c) * o * (1 - o),
        "f": dc * cp * f * (1 - f),
        "i": dc * g * i * (1 - i),
        "c": dc * i * (1 - g * g),
    }
    return {**cell_grads(dz, prev, xt, p), "dc_prev": dc * f}


@wrong(
    "lstm_cell_backward",
    "dc is dc_next itself, added to in place; dc_prev adds the same part once more",
    "from memory",
    tags="view",
)
def lstm_cell_in_place(da_next, dc_next, cache):
    a, c, prev, cp, f, i, g, o, xt, p = cache
    through = da_next * o * (1 - np.tanh(c) ** 2)
    dc = dc_next
    dc += through
    dz = {
        "o": da_next * np.tanh(c) * o * (1 - o),
        "f": dc * cp * f * (1 - f),
        "i": dc * g * i * (1 - i),
        "c": dc * i * (1 - g * g),
    }
    dc_prev = (dc_next + through) * f
    return {**cell_grads(dz, prev, xt, p), "dc_prev": dc_prev}
