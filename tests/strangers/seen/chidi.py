"""Chidi. Stacks the four gates into one matrix (f, i, c, o) and keeps the book-keeping in a small class."""

import numpy as np
from strangers.made import right, wrong

GATES = ("f", "i", "c", "o")


def dtanh(y):
    return 1.0 - y * y


def dsigm(y):
    return y * (1.0 - y)


class Stack:
    """The weights of all gates as one (4 n_a, n_a + n_x) matrix, and one gradient like it."""

    def __init__(self, parameters):
        self.W = np.vstack([parameters["W" + k] for k in GATES])
        self.n_a = parameters["Wf"].shape[0]
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros((self.W.shape[0], 1))

    def add(self, pre, inp):
        self.dW += pre @ inp.T
        self.db += pre.sum(axis=1, keepdims=True)
        below = self.W.T @ pre
        return below[: self.n_a], below[self.n_a :]

    def named(self):
        out = {}
        for k, w, b in zip(GATES, np.vsplit(self.dW, 4), np.vsplit(self.db, 4)):
            out["dW" + k], out["db" + k] = w, b
        return out


def as_input(entry):
    return np.vstack((entry[2], entry[8]))


# ---------------------------------------------------------------- cell


@right("lstm_cell_backward", "gates stacked, a class for the weights")
def stacked_cell(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    s = Stack(prm)
    th = np.tanh(c1)
    dc = dc_next + da_next * o * dtanh(th)
    pre = np.vstack(
        [
            dc * c0 * dsigm(f),
            dc * g * dsigm(i),
            dc * i * dtanh(g),
            da_next * th * dsigm(o),
        ]
    )
    da_prev, dxt = s.add(pre, as_input(cache))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * f, **s.named()}


@wrong(
    "lstm_cell_backward",
    "the rows are stacked by the alphabet, c, f, i, o; the weights' rows are f, i, c, o",
    "from memory",
)
def rows_by_alphabet(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    s = Stack(prm)
    th = np.tanh(c1)
    dc = dc_next + da_next * o * dtanh(th)
    pre = np.vstack(
        [
            dc * i * dtanh(g),
            dc * c0 * dsigm(f),
            dc * g * dsigm(i),
            da_next * th * dsigm(o),
        ]
    )
    da_prev, dxt = s.add(pre, as_input(cache))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * f, **s.named()}


@wrong(
    "lstm_cell_backward",
    "the gradient's rows are handed out as i, f, c, o: dWf and dWi change places",
    "from memory",
)
def handed_out_i_f(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    W = np.vstack([prm["W" + k] for k in GATES])
    n_a = a1.shape[0]
    th = np.tanh(c1)
    dc = dc_next + da_next * o * dtanh(th)
    pre = np.vstack(
        [
            dc * c0 * dsigm(f),
            dc * g * dsigm(i),
            dc * i * dtanh(g),
            da_next * th * dsigm(o),
        ]
    )
    below = W.T @ pre
    dWi, dWf, dWc, dWo = np.vsplit(pre @ as_input(cache).T, 4)
    dbi, dbf, dbc, dbo = np.vsplit(pre.sum(axis=1, keepdims=True), 4)
    return {
        "dxt": below[n_a:], "da_prev": below[:n_a], "dc_prev": dc * f,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


@wrong(
    "lstm_cell_backward",
    "two: tanh' is taken at c_prev, not at c_next, and dc_prev is dc_next * f alone",
    "from memory",
)
def slope_at_old_c(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    s = Stack(prm)
    dc = dc_next + da_next * o * dtanh(np.tanh(c0))
    pre = np.vstack(
        [
            dc * c0 * dsigm(f),
            dc * g * dsigm(i),
            dc * i * dtanh(g),
            da_next * np.tanh(c1) * dsigm(o),
        ]
    )
    da_prev, dxt = s.add(pre, as_input(cache))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc_next * f, **s.named()}


@wrong(
    "lstm_cell_backward",
    "a_next is taken for tanh(c_next): 1 - a_next**2 in dc",
    "from memory",
)
def a_for_tanh_c(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    s = Stack(prm)
    dc = dc_next + da_next * o * dtanh(a1)
    pre = np.vstack(
        [
            dc * c0 * dsigm(f),
            dc * g * dsigm(i),
            dc * i * dtanh(g),
            da_next * np.tanh(c1) * dsigm(o),
        ]
    )
    da_prev, dxt = s.add(pre, as_input(cache))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * f, **s.named()}


@wrong(
    "lstm_cell_backward",
    "sigmoid' for all four blocks, the candidate as well",
    "from memory",
)
def one_slope_for_four(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    s = Stack(prm)
    th = np.tanh(c1)
    dc = dc_next + da_next * o * dtanh(th)
    acts = np.vstack([f, i, g, o])
    pre = np.vstack([dc * c0, dc * g, dc * i, da_next * th]) * dsigm(acts)
    da_prev, dxt = s.add(pre, as_input(cache))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * f, **s.named()}


@wrong(
    "lstm_cell_backward",
    "the biases are the sums of the rows of dW, not of the gates' gradients",
    "from memory",
)
def bias_from_dw(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    s = Stack(prm)
    th = np.tanh(c1)
    dc = dc_next + da_next * o * dtanh(th)
    pre = np.vstack(
        [
            dc * c0 * dsigm(f),
            dc * g * dsigm(i),
            dc * i * dtanh(g),
            da_next * th * dsigm(o),
        ]
    )
    da_prev, dxt = s.add(pre, as_input(cache))
    s.db = np.sum(s.dW, axis=1, keepdims=True)
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * f, **s.named()}


@wrong(
    "lstm_cell_backward",
    "dc already holds the part through a_next, and dc_prev adds it once more",
    "from memory",
)
def counted_twice(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, prm = cache
    s = Stack(prm)
    th = np.tanh(c1)
    dc = dc_next.copy()
    dc += da_next * o * dtanh(th)
    pre = np.vstack(
        [
            dc * c0 * dsigm(f),
            dc * g * dsigm(i),
            dc * i * dtanh(g),
            da_next * th * dsigm(o),
        ]
    )
    da_prev, dxt = s.add(pre, as_input(cache))
    dc_prev = dc * f + o * dtanh(th) * f * da_next
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc_prev, **s.named()}


# ---------------------------------------------------------------- all steps


@right("lstm_backward", "gates stacked, a class for the weights, one loop")
def stacked_all(da, caches):
    caches, x = caches
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    da_carry, dc_carry = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        da_carry, dx[:, :, t] = s.add(pre, as_input(caches[t]))
        dc_carry = dc * f
    return {"dx": dx, "da0": da_carry, **s.named()}


@wrong(
    "lstm_backward",
    "the gradient of c begins with zeros at each step: nothing flows back through c",
    "from memory",
)
def c_cut_at_each_step(da, caches):
    caches, x = caches
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    da_carry = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        dc_carry = np.zeros((n_a, m))
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        da_carry, dx[:, :, t] = s.add(pre, as_input(caches[t]))
        dc_carry = dc * f
    return {"dx": dx, "da0": da_carry, **s.named()}


@wrong(
    "lstm_backward",
    "the weights' gradients are clipped to [-0.1, 0.1] before they are handed out",
    "from memory",
)
def clipped_like_the_dinosaurs(da, caches):
    caches, x = caches
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    da_carry, dc_carry = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        da_carry, dx[:, :, t] = s.add(pre, as_input(caches[t]))
        dc_carry = dc * f
    np.clip(s.dW, -0.1, 0.1, out=s.dW)
    np.clip(s.db, -0.1, 0.1, out=s.db)
    return {"dx": dx, "da0": da_carry, **s.named()}


@wrong(
    "lstm_backward",
    "dc goes to the step before as it is, without the forget gate",
    "from memory",
)
def never_forgets(da, caches):
    caches, x = caches
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    da_carry, dc = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        da_carry, dx[:, :, t] = s.add(pre, as_input(caches[t]))
    return {"dx": dx, "da0": da_carry, **s.named()}


@wrong(
    "lstm_backward",
    "c before step t is read as c_all[t - 1]: at step 0 that is the last c, not zeros",
    "from memory",
)
def index_minus_one(da, caches):
    caches, x = caches
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    c_all = [entry[1] for entry in caches]
    da_carry, dc_carry = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        f, i, g, o = caches[t][4:8]
        th = np.tanh(c_all[t])
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c_all[t - 1] * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        da_carry, dx[:, :, t] = s.add(pre, as_input(caches[t]))
        dc_carry = dc * f
    return {"dx": dx, "da0": da_carry, **s.named()}


@wrong(
    "lstm_backward",
    "the gradient of [a; x] is cut as if x were on top: the last n_a rows go to a",
    "from memory",
)
def cut_from_the_end(da, caches):
    caches, x = caches
    W = np.vstack([caches[0][9]["W" + k] for k in GATES])
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    n_x = x.shape[0]
    dx = np.empty(x.shape)
    da_carry, dc_carry = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        s.add(pre, as_input(caches[t]))
        below = W.T @ pre
        dx[:, :, t] = below[:n_x]
        da_carry = below[-n_a:]
        dc_carry = dc * f
    return {"dx": dx, "da0": da_carry, **s.named()}


@wrong(
    "lstm_backward",
    "typed =+ for +=: the weights' gradients are those of step 0",
    "from memory",
)
def equals_plus(da, caches):
    caches, x = caches
    prm = caches[0][9]
    W = np.vstack([prm["W" + k] for k in GATES])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    dW, db = np.zeros_like(W), np.zeros((4 * n_a, 1))
    da_carry, dc_carry = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        dW =+ pre @ as_input(caches[t]).T  # fmt: skip
        db += pre.sum(axis=1, keepdims=True)
        below = W.T @ pre
        da_carry, dx[:, :, t] = below[:n_a], below[n_a:]
        dc_carry = dc * f
    out = {"dx": dx, "da0": da_carry}
    for k, w, b in zip(GATES, np.vsplit(dW, 4), np.vsplit(db, 4)):
        out["dW" + k], out["db" + k] = w, b
    return out


@wrong(
    "lstm_backward",
    "two: what goes back to c is made of the carried da alone, not of da of this step; and the biases are means over the batch",
    "from memory",
)
def carried_part_and_mean_bias(da, caches):
    caches, x = caches
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    db = np.zeros((4 * n_a, 1))
    da_carry, dc_carry = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        dc_carry = dc_carry * f + da_carry * o * dtanh(th) * f
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        da_carry, dx[:, :, t] = s.add(pre, as_input(caches[t]))
        db += pre.mean(axis=1, keepdims=True)
    s.db = db
    return {"dx": dx, "da0": da_carry, **s.named()}


@wrong(
    "lstm_backward",
    "dc goes back through the forget gate of the step before, f[t - 1], not of this step",
    "from memory",
)
def f_one_early(da, caches):
    caches, x = caches
    s = Stack(caches[0][9])
    n_a, m, T = da.shape
    dx = np.empty(x.shape)
    da_carry, dc_carry = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        _, c1, _, c0, f, i, g, o, _, _ = caches[t]
        th = np.tanh(c1)
        dh = da[:, :, t] + da_carry
        dc = dc_carry + dh * o * dtanh(th)
        pre = np.vstack(
            [
                dc * c0 * dsigm(f),
                dc * g * dsigm(i),
                dc * i * dtanh(g),
                dh * th * dsigm(o),
            ]
        )
        da_carry, dx[:, :, t] = s.add(pre, as_input(caches[t]))
        dc_carry = dc * caches[t - 1][4]
    return {"dx": dx, "da0": da_carry, **s.named()}
