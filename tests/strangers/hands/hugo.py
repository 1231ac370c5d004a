"""Hugo stacks the four gates into one matrix, in the order f, i, c, o."""

import numpy as np

from strangers.made import right, wrong

GATES = "fico"


def stack(p, what="W"):
    return np.vstack([p[what + g] for g in GATES])


def split(G, n_a, name):
    return {f"d{name}{g}": G[k * n_a : (k + 1) * n_a] for k, g in enumerate(GATES)}


def delta(da, dc, cache):
    """(4 n_a, m), and the gradient of c."""
    _, c, _, c_prev, f, i, g, o, _, _ = cache
    th = np.tanh(c)
    dc = dc + da * o * (1 - th * th)
    d = [dc * c_prev * f * (1 - f), dc * g * i * (1 - i), dc * i * (1 - g * g)]
    return np.vstack([*d, da * th * o * (1 - o)]), dc


@right("lstm_cell_backward", "four gates in one matrix")
def cell(da_next, dc_next, cache):
    _, _, a_prev, _, f, _, _, _, xt, p = cache
    n_a = len(a_prev)
    D, dc = delta(da_next, dc_next, cache)
    dv = stack(p).T @ D
    dW = D @ np.vstack((a_prev, xt)).T
    out = {"da_prev": dv[:n_a], "dxt": dv[n_a:], "dc_prev": dc * f}
    return out | split(dW, n_a, "W") | split(D.sum(1, keepdims=True), n_a, "b")


@right("lstm_backward", "four gates in one matrix, one product over all of time")
def whole(da, caches):
    steps, x = caches
    n_a, _, T = da.shape
    W = stack(steps[0][-1])
    D, V = [], []
    ca = cc = np.zeros_like(da[..., 0])
    dx = np.zeros_like(x[..., :T])
    for t in range(T - 1, -1, -1):
        d, dc = delta(da[..., t] + ca, cc, steps[t])
        dv = W.T @ d
        ca, dx[..., t], cc = dv[:n_a], dv[n_a:], dc * steps[t][4]
        D.append(d)
        V.append(np.vstack((steps[t][2], steps[t][8])))
    dW = np.tensordot(np.stack(D), np.stack(V), ((0, 2), (0, 2)))
    db = np.sum(D, axis=(0, 2))[:, None]
    return {"dx": dx, "da0": ca} | split(dW, n_a, "W") | split(db, n_a, "b")


def loop(da, caches, one):
    """A loop around a step ``one(da, dc, cache) -> D, dv, dc_prev, left``."""
    steps, x = caches
    n_a, m, T = da.shape
    ca = cc = np.zeros((n_a, m))
    dx = np.zeros((len(x), m, T))
    dW, db = 0, 0
    for t in range(T)[::-1]:
        D, dv, cc, left = one(da[:, :, t] + ca, cc, steps[t])
        ca, dx[:, :, t] = dv[:n_a], dv[n_a:]
        dW, db = dW + D @ left.T, db + D.sum(1, keepdims=True)
    return {"dx": dx, "da0": ca} | split(dW, n_a, "W") | split(db, n_a, "b")


@wrong(
    "lstm_backward",
    "gradients are split in the order f, i, o, c but stacked as f, i, c, o",
    "wrong gate order, from memory",
    step=-1,
)
def split_in_another_order(da, caches):
    g = dict(whole(da, caches))
    for kind in ("dW", "db"):
        g[kind + "c"], g[kind + "o"] = g[kind + "o"], g[kind + "c"]
    return g


@wrong(
    "lstm_backward",
    "W is stacked as i, f, c, o while the deltas are f, i, c, o",
    "wrong gate order, from memory",
    step={"*": -2, "dx": -1, "da0": -1},
)
def stacked_i_first(da, caches):
    def one(d_a, d_c, cache):
        D, dc = delta(d_a, d_c, cache)
        p = cache[-1]
        W = np.vstack([p["Wi"], p["Wf"], p["Wc"], p["Wo"]])
        return D, W.T @ D, dc * cache[4], np.vstack((cache[2], cache[8]))

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "[x; a] is stacked for the weight gradients, but W acts on [a; x]",
    "a concatenation in the other order, from memory",
    step=-1,
)
def x_on_top(da, caches):
    def one(d_a, d_c, cache):
        D, dc = delta(d_a, d_c, cache)
        left = np.vstack((cache[8], cache[2]))
        return D, stack(cache[-1]).T @ D, dc * cache[4], left

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "[a_next; x] is stacked instead of [a_prev; x]",
    "off by one",
    step=-1,
)
def a_next_on_top(da, caches):
    def one(d_a, d_c, cache):
        D, dc = delta(d_a, d_c, cache)
        left = np.vstack((cache[0], cache[8]))
        return D, stack(cache[-1]).T @ D, dc * cache[4], left

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "dc of the step before is handed on without the factor f",
    "a factor forgotten, from memory",
    step={"*": -2, "dWo": -3, "dbo": -3},
)
def memory_never_forgets(da, caches):
    def one(d_a, d_c, cache):
        D, dc = delta(d_a, d_c, cache)
        return D, stack(cache[-1]).T @ D, dc, np.vstack((cache[2], cache[8]))

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "dc is handed on times f of the step that gets it (t - 1) instead of its own",
    "off by one",
    step={"*": -2, "dWo": -3, "dbo": -3},
    tags="time",
)
def f_of_the_step_before(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    W = stack(steps[0][-1])
    ca = cc = np.zeros((n_a, m))
    dx, dW, db = np.zeros((len(x), m, T)), 0, 0
    for t in range(T)[::-1]:
        D, dc = delta(da[:, :, t] + ca, cc, steps[t])
        dv = W.T @ D
        ca, dx[:, :, t] = dv[:n_a], dv[n_a:]
        cc = dc * steps[max(t - 1, 0)][4]
        dW = dW + D @ np.vstack((steps[t][2], steps[t][8])).T
        db = db + D.sum(1, keepdims=True)
    return {"dx": dx, "da0": ca} | split(dW, n_a, "W") | split(db, n_a, "b")


@wrong(
    "lstm_backward",
    "the output gate's block is scaled by tanh's slope as the candidate's is",
    "a block treated like its neighbour, from memory",
    step={"*": -2, "dWo": -1, "dbo": -1, "dx": -1, "da0": -1},
)
def o_like_the_candidate(da, caches):
    def one(d_a, d_c, cache):
        D, dc = delta(d_a, d_c, cache)
        n_a, o = len(d_a), cache[7]
        D[3 * n_a :] = d_a * np.tanh(cache[1]) * (1 - o * o)
        left = np.vstack((cache[2], cache[8]))
        return D, stack(cache[-1]).T @ D, dc * cache[4], left

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "the slopes are made for the first two blocks by a slice: o's block gets none",
    "a slice one block short, from memory",
    step={"*": -2, "dWo": -1, "dbo": -1, "dx": -1, "da0": -1},
)
def slice_too_short(da, caches):
    def one(d_a, d_c, cache):
        _, c, a_prev, c_prev, f, i, g, o, xt, p = cache
        n_a, th = len(d_a), np.tanh(c)
        dc = d_c + d_a * o * (1 - th**2)
        gates = np.vstack((f, i, g, o))
        D = np.vstack((dc * c_prev, dc * g, dc * i, d_a * th))
        D[: 2 * n_a] *= gates[: 2 * n_a] * (1 - gates[: 2 * n_a])
        D[2 * n_a : 3 * n_a] *= 1 - g**2
        return D, stack(p).T @ D, dc * f, np.vstack((a_prev, xt))

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "all four blocks get the sigmoid's slope, the candidate too",
    "a block treated like its neighbours, from memory",
    step={"*": -2, "dWc": -1, "dbc": -1, "dx": -1, "da0": -1},
)
def sigmoid_for_all(da, caches):
    def one(d_a, d_c, cache):
        _, c, a_prev, c_prev, f, i, g, o, xt, p = cache
        th = np.tanh(c)
        dc = d_c + d_a * o * (1 - th**2)
        gates = np.vstack((f, i, g, o))
        D = np.vstack((dc * c_prev, dc * g, dc * i, d_a * th)) * gates * (1 - gates)
        return D, stack(p).T @ D, dc * f, np.vstack((a_prev, xt))

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "delta is divided by m before the products with the inputs, not before W.T",
    "not by the batch",
    step=-1,
    tags="scale",
)
def weights_over_m(da, caches):
    m = da.shape[1]
    g = whole(da, caches)
    return {k: v / m if k[1] in "Wb" else v for k, v in g.items()}


@wrong(
    "lstm_backward",
    "the carry of the memory is dropped: dc is zero at every step",
    "h not passed",
    step={"*": -2, "dWo": -3, "dbo": -3},
)
def no_memory_carry(da, caches):
    def one(d_a, d_c, cache):
        D, _ = delta(d_a, 0 * d_c, cache)
        return D, stack(cache[-1]).T @ D, d_c, np.vstack((cache[2], cache[8]))

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "c_prev in the forget gate is the memory of the same step",
    "off by one",
    step={"*": -2, "dWf": -1, "dbf": -1, "dx": -1, "da0": -1},
)
def forget_with_c(da, caches):
    def one(d_a, d_c, cache):
        D, dc = delta(d_a, d_c, cache)
        n_a, f = len(d_a), cache[4]
        D[:n_a] = dc * cache[1] * f * (1 - f)
        left = np.vstack((cache[2], cache[8]))
        return D, stack(cache[-1]).T @ D, dc * f, left

    return loop(da, caches, one)


@wrong(
    "lstm_backward",
    "the bias gradients are averaged over the units: all units get the same",
    "the other axis, from memory",
    step=-1,
    tags="axis",
)
def other_axis(da, caches):
    steps, _ = caches
    n_a, m, T = da.shape
    g = dict(whole(da, caches))
    for gate in GATES:
        g["db" + gate] = np.broadcast_to(g["db" + gate].sum(), (n_a, 1)) / n_a
    return g


@wrong(
    "lstm_backward",
    "the factor i stands twice in dWc alone",
    "a factor too many, from memory",
    step={"dWc": -1},
)
def i_twice_in_dWc(da, caches):
    steps, _ = caches
    n_a, m, T = da.shape
    g = dict(whole(da, caches))
    dW, ca, cc = 0, 0, 0
    W = stack(steps[0][-1])
    for t in range(T)[::-1]:
        D, dc = delta(da[:, :, t] + ca, cc, steps[t])
        ca, cc = (W.T @ D)[:n_a], dc * steps[t][4]
        block = D[2 * n_a : 3 * n_a] * steps[t][5]
        dW = dW + block @ np.vstack((steps[t][2], steps[t][8])).T
    g["dWc"] = dW
    return g


@wrong(
    "lstm_backward",
    "f, i, o, c for the split, and the carry of the memory without f",
    "two slips in one evening, from memory",
    step={"*": -2, "dWc": -1, "dWo": -1, "dbc": -1, "dbo": -1},
    tags="double",
)
def order_and_f(da, caches):
    g = dict(memory_never_forgets(da, caches))
    for kind in ("dW", "db"):
        g[kind + "c"], g[kind + "o"] = g[kind + "o"], g[kind + "c"]
    return g


@wrong(
    "lstm_backward",
    "[x; a] for the weight gradients, and biases as means over the examples",
    "two slips in one evening, from memory",
    step=-1,
    tags="double scale",
)
def x_on_top_and_means(da, caches):
    g = dict(x_on_top(da, caches))
    m = da.shape[1]
    return {k: v / m if k.startswith("db") else v for k, v in g.items()}
