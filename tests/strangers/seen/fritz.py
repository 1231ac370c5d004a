"""My RNN / LSTM / GRU backward passes, refactored into small functions."""

from collections import namedtuple

import numpy as np
from strangers.made import right, wrong

GATES = ("f", "i", "c", "o")

RnnCache = namedtuple("RnnCache", "a_next a_prev xt parameters")
LstmCache = namedtuple(
    "LstmCache", "a_next c_next a_prev c_prev ft it cct ot xt parameters"
)
RnnStep = namedtuple("RnnStep", "x prev_h next_h Wx Wh")
LstmStep = namedtuple("LstmStep", "x prev_h prev_c next_c gates Wx Wh")
GruStep = namedtuple("GruStep", "x prev_h r z n Wx Wh")


# --- helpers ---------------------------------------------------------------


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def d_sigmoid(y):
    """Derivative of the sigmoid, given its output."""
    return y * (1 - y)


def d_tanh(y):
    """Derivative of tanh, given its output."""
    return 1 - y**2


def softmax(v, axis=0):
    e = np.exp(v - v.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def row_sum(d):
    return np.sum(d, axis=1, keepdims=True)


def stacked(a, x):
    return np.concatenate((a, x), axis=0)


def gate_outputs(k):
    return {"f": k.ft, "i": k.it, "c": k.cct, "o": k.ot}


def cell_state_grad(da, dc, k):
    return dc + da * k.ot * d_tanh(np.tanh(k.c_next))


def gate_grads(da, dc, k):
    """Gradients of the gates' outputs; dc is already complete."""
    return {
        "f": dc * k.c_prev,
        "i": dc * k.cct,
        "c": dc * k.it,
        "o": da * np.tanh(k.c_next),
    }


def activation_grads(da, dc, k):
    out, grad = gate_outputs(k), gate_grads(da, dc, k)
    slope = {g: (d_tanh if g == "c" else d_sigmoid) for g in GATES}
    return {g: grad[g] * slope[g](out[g]) for g in GATES}


def param_grads(dz, concat):
    grads = {}
    for g in GATES:
        grads["dW" + g] = dz[g] @ concat.T
        grads["db" + g] = row_sum(dz[g])
    return grads


def columns(matrix, names):
    return dict(zip(names, np.split(matrix, len(names), axis=1)))


# --- LSTM ------------------------------------------------------------------


def is_sigmoid_gate(gate):
    return gate in "fico"


@wrong(
    "lstm_cell_backward",
    "the candidate is treated as a sigmoid gate as well",
    "from memory",
)
def every_gate_a_sigmoid(da_next, dc_next, cache):
    k = LstmCache(*cache)
    n_a = k.a_prev.shape[0]
    dc = cell_state_grad(da_next, dc_next, k)
    out, grad = gate_outputs(k), gate_grads(da_next, dc, k)
    dz = {}
    for gate in GATES:
        if is_sigmoid_gate(gate):
            dz[gate] = grad[gate] * d_sigmoid(out[gate])
        else:
            dz[gate] = grad[gate] * d_tanh(out[gate])
    d_concat = sum(k.parameters["W" + gate].T @ dz[gate] for gate in GATES)
    result = {"dxt": d_concat[n_a:], "da_prev": d_concat[:n_a], "dc_prev": dc * k.ft}
    result.update(param_grads(dz, stacked(k.a_prev, k.xt)))
    return result


SplitWeights = namedtuple("SplitWeights", "for_x for_a")


def split_weights(W, n_x):
    return SplitWeights(W[:, :n_x], W[:, n_x:])


@wrong(
    "lstm_cell_backward",
    "weights are split as if they acted on [xt; a_prev]",
    "from memory",
)
def split_the_other_way(da_next, dc_next, cache):
    k = LstmCache(*cache)
    n_x = len(k.xt)
    dc = cell_state_grad(da_next, dc_next, k)
    dz = activation_grads(da_next, dc, k)
    grads = {
        "dxt": np.zeros(k.xt.shape),
        "da_prev": np.zeros(k.a_prev.shape),
        "dc_prev": np.multiply(dc, k.ft),
    }
    for g in GATES:
        w = split_weights(k.parameters["W" + g], n_x)
        grads["dxt"] += np.dot(w.for_x.T, dz[g])
        grads["da_prev"] += np.dot(w.for_a.T, dz[g])
    return {**grads, **param_grads(dz, stacked(k.a_prev, k.xt))}


def lstm_step_back(da, dc, k):
    """One (right) step: input gradients and dz of every gate."""
    dc = cell_state_grad(da, dc, k)
    dz = activation_grads(da, dc, k)
    d_concat = 0
    for g in GATES:
        d_concat = d_concat + k.parameters["W" + g].T @ dz[g]
    n_a = len(k.a_prev)
    return d_concat[n_a:], d_concat[:n_a], dc * k.ft, dz


@wrong(
    "lstm_backward",
    "dict.fromkeys: the four bias sums are the same array",
    "from memory",
    tags="view",
)
def fromkeys_shares_one_array(da, caches):
    cells, x = caches
    n_a, m, T = da.shape
    dx = np.zeros_like(x)
    dW = {g: np.zeros((n_a, n_a + len(x))) for g in GATES}
    db = dict.fromkeys(GATES, np.zeros((n_a, 1)))
    da_prev, dc_prev = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in reversed(range(T)):
        k = LstmCache(*cells[t])
        dx[:, :, t], da_prev, dc_prev, dz = lstm_step_back(
            da[:, :, t] + da_prev, dc_prev, k
        )
        for g in GATES:
            dW[g] += dz[g] @ stacked(k.a_prev, k.xt).T
            db[g] += row_sum(dz[g])
    result = {"dx": dx, "da0": da_prev}
    for g in GATES:
        result["dW" + g] = dW[g]
        result["db" + g] = db[g]
    return result


class GradientSums:
    """Running sums of the weights' gradients."""

    def __init__(self):
        self.sums = {}

    def add(self, name, value):
        self.sums[name] = self.sums.get(name, 0) + value


@wrong(
    "lstm_backward",
    "the gradient to a_prev is overwritten gate by gate: the last one stays",
    "from memory",
)
def last_gate_wins(da, caches):
    cells, x = caches
    n_a, m, T = da.shape
    total = GradientSums()
    dx = np.zeros(x.shape)
    da_next, dc_next = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        k = LstmCache(*cells[t])
        da_t = da[:, :, t] + da_next
        dc_t = cell_state_grad(da_t, dc_next, k)
        dz = activation_grads(da_t, dc_t, k)
        for g in GATES:
            W = k.parameters["W" + g]
            da_next = W[:, :n_a].T @ dz[g]
            dx[:, :, t] += W[:, n_a:].T @ dz[g]
            total.add("dW" + g, dz[g] @ stacked(k.a_prev, k.xt).T)
            total.add("db" + g, row_sum(dz[g]))
        dc_next = dc_t * k.ft
    return {"dx": dx, "da0": da_next, **total.sums}


@wrong(
    "lstm_backward",
    "caches run backwards while t of da and dx runs forwards",
    "from memory",
    tags="time",
)
def enumerate_of_reversed(da, caches):
    cells, x = caches
    n_a, m, _ = da.shape
    total = GradientSums()
    dx = np.empty(x.shape)
    carry_a = carry_c = np.zeros((n_a, m))
    for t, cell in enumerate(reversed(cells)):
        k = LstmCache(*cell)
        dx[:, :, t], carry_a, carry_c, dz = lstm_step_back(
            carry_a + da[:, :, t], carry_c, k
        )
        for name, value in param_grads(dz, stacked(k.a_prev, k.xt)).items():
            total.add(name, value)
    return dict(total.sums, dx=dx, da0=carry_a)


def lstm_step_ntd(x, prev_h, prev_c, Wx, Wh, b):
    z = columns(x @ Wx + prev_h @ Wh + b, "ifog")
    gates = {name: (np.tanh if name == "g" else sigmoid)(v) for name, v in z.items()}
    next_c = gates["f"] * prev_c + gates["i"] * gates["g"]
    next_h = gates["o"] * np.tanh(next_c)
    return next_h, next_c, LstmStep(x, prev_h, prev_c, next_c, gates, Wx, Wh)


def lstm_all_ntd(x, h0, Wx, Wh, b):
    h, c, hs, tape = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        h, c, step = lstm_step_ntd(x[:, t], h, c, Wx, Wh, b)
        hs.append(h)
        tape.append(step)
    return np.stack(hs, axis=1), tape


@wrong(
    "lstm_backward",
    "the gates' columns are joined in alphabetical order f g i o, not i f o g",
    "from memory",
    convention="ntd",
    forward=lstm_all_ntd,
)
def sorted_gate_names(dh, tape):
    N, T, H = dh.shape
    D = tape[0].x.shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        s = tape[t]
        q, tc = s.gates, np.tanh(s.next_c)
        dnext = dh[:, t] + dprev_h
        dc = dprev_c + dnext * q["o"] * d_tanh(tc)
        dz = {
            "i": dc * q["g"] * d_sigmoid(q["i"]),
            "f": dc * s.prev_c * d_sigmoid(q["f"]),
            "o": dnext * tc * d_sigmoid(q["o"]),
            "g": dc * q["i"] * d_tanh(q["g"]),
        }
        joined = np.hstack([dz[name] for name in sorted(dz)])
        dx[:, t] = joined @ s.Wx.T
        dprev_h, dprev_c = joined @ s.Wh.T, dc * q["f"]
        dWx += s.x.T @ joined
        dWh += s.prev_h.T @ joined
        db += joined.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


class State:
    """Hidden and cell state, updated as we go."""

    def __init__(self, a0):
        self.a = np.array(a0)
        self.c = np.zeros(a0.shape)

    def update(self, a, c):
        self.a[...] = a
        self.c[...] = c


def gate_forward(name, concat, parameters):
    act = np.tanh if name == "c" else sigmoid
    return act(parameters["W" + name] @ concat + parameters["b" + name])


@wrong(
    "lstm_forward",
    "every cache refers to the one state that is updated in place",
    "from memory",
    tags="view",
)
def state_object_in_cache(x, a0, parameters):
    state, caches, a, y, c = State(a0), [], [], [], []
    for t in range(x.shape[2]):
        xt = x[:, :, t]
        g = {
            name: gate_forward(name, stacked(state.a, xt), parameters) for name in GATES
        }
        c_next = g["f"] * state.c + g["i"] * g["c"]
        a_next = g["o"] * np.tanh(c_next)
        caches.append(
            LstmCache(
                a_next,
                c_next,
                state.a,
                state.c,
                g["f"],
                g["i"],
                g["c"],
                g["o"],
                xt,
                parameters,
            )
        )
        state.update(a_next, c_next)
        a.append(a_next)
        c.append(c_next)
        y.append(softmax(parameters["Wy"] @ a_next + parameters["by"]))
    a, y, c = (np.stack(values, axis=2) for values in (a, y, c))
    return a, y, c, (caches, x)


def batch_mean(d):
    return d.mean(axis=0)


@wrong(
    "lstm_cell_backward",
    "dprev_c goes without the forget gate, and db is a mean over the batch",
    "from memory",
    convention="ntd",
    forward=lstm_step_ntd,
    tags="double",
)
def no_forget_and_mean(dnext_h, dnext_c, step):
    gates = step.gates
    tc = np.tanh(step.next_c)
    dc = dnext_c + dnext_h * gates["o"] * d_tanh(tc)
    upstream = {
        "i": dc * gates["g"],
        "f": dc * step.prev_c,
        "o": dnext_h * tc,
        "g": dc * gates["i"],
    }
    parts = []
    for name in "ifog":
        slope = d_tanh if name == "g" else d_sigmoid
        parts.append(upstream[name] * slope(gates[name]))
    dz = np.concatenate(parts, axis=1)
    return (
        dz @ step.Wx.T,
        dz @ step.Wh.T,
        dc,
        step.x.T @ dz,
        step.prev_h.T @ dz,
        batch_mean(dz),
    )


# --- RNN -------------------------------------------------------------------


@wrong(
    "rnn_cell_backward",
    "the bias' sum over the batch loses its axis",
    "from memory",
    words="shape",
)
def flat_bias(da_next, cache):
    k = RnnCache(*cache)
    dz = d_tanh(k.a_next) * da_next
    grads = {"dba": np.sum(dz, axis=1)}
    for weight, source, name in (("Wax", k.xt, "dxt"), ("Waa", k.a_prev, "da_prev")):
        grads[name] = np.dot(k.parameters[weight].T, dz)
        grads["d" + weight] = np.dot(dz, source.T)
    return grads


def rnn_cell(xt, a_prev, p):
    return np.tanh(p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"])


@wrong(
    "rnn_forward",
    "a_prev is read at t-1, which at t=0 is the empty last slot and not a0",
    "from memory",
    tags="time",
)
def previous_slot(x, a0, parameters):
    T = x.shape[2]
    a = np.zeros(a0.shape + (T,))
    y = np.zeros((parameters["by"].shape[0], a0.shape[1], T))
    caches = []
    for t in range(T):
        a_prev = a[:, :, t - 1].copy()
        a_next = rnn_cell(x[:, :, t], a_prev, parameters)
        a[:, :, t] = a_next
        y[:, :, t] = softmax(parameters["Wya"] @ a_next + parameters["by"])
        caches.append(RnnCache(a_next, a_prev, x[:, :, t], parameters))
    return a, y, (caches, x)


def rnn_cell_grads(da_next, k):
    dz = da_next * d_tanh(k.a_next)
    return {
        "dxt": k.parameters["Wax"].T @ dz,
        "da_prev": k.parameters["Waa"].T @ dz,
        "dWax": dz @ k.xt.T,
        "dWaa": dz @ k.a_prev.T,
        "dba": row_sum(dz),
    }


@wrong(
    "rnn_backward",
    "+= on a slice of da writes into the caller's array",
    "from memory",
    tags="view",
    words="(?i)in place|in-place|chang|modif|overwrit|written",
)
def adds_into_da(da, caches):
    cells, x = caches
    sums = {"dWax": 0, "dWaa": 0, "dba": 0}
    dx = np.zeros(x.shape)
    da_prev = np.zeros(da.shape[:2])
    for t in reversed(range(len(cells))):
        da_t = da[:, :, t]
        da_t += da_prev
        step = rnn_cell_grads(da_t, RnnCache(*cells[t]))
        dx[:, :, t], da_prev = step["dxt"], step["da_prev"]
        for name in sums:
            sums[name] = sums[name] + step[name]
    return {"dx": dx, "da0": da_prev, **sums}


def rnn_all_ntd(x, h0, Wx, Wh, b):
    tape, h = [], h0
    for t in range(x.shape[1]):
        next_h = np.tanh(x[:, t, :].dot(Wx) + h.dot(Wh) + b)
        tape.append(RnnStep(x[:, t, :], h, next_h, Wx, Wh))
        h = next_h
    return np.stack([s.next_h for s in tape], axis=1), tape


def rnn_step_back_ntd(dnext_h, s):
    dz = dnext_h * d_tanh(s.next_h)
    return (
        dz.dot(s.Wx.T),
        dz.dot(s.Wh.T),
        s.x.T.dot(dz),
        s.prev_h.T.dot(dz),
        dz.sum(axis=0),
    )


@wrong(
    "rnn_backward",
    "dx is collected from the last step to the first and never turned round",
    "from memory",
    convention="ntd",
    forward=rnn_all_ntd,
    tags="time",
)
def list_left_reversed(dh, tape):
    dxs, weights = [], []
    dprev = np.zeros_like(dh[:, 0])
    for t, step in reversed(list(enumerate(tape))):
        dxt, dprev, *rest = rnn_step_back_ntd(dh[:, t] + dprev, step)
        dxs.append(dxt)
        weights.append(rest)
    dWx, dWh, db = (sum(parts) for parts in zip(*weights))
    return np.stack(dxs, axis=1), dprev, dWx, dWh, db


@wrong(
    "rnn_cell_forward",
    "softmax runs over the batch instead of the classes",
    "from memory",
)
def softmax_over_batch(xt, a_prev, parameters):
    a_next = rnn_cell(xt, a_prev, parameters)
    logits = parameters["Wya"] @ a_next + parameters["by"]
    return a_next, softmax(logits, axis=-1), RnnCache(a_next, a_prev, xt, parameters)


@wrong(
    "rnn_backward",
    "the loop down ends before step 0",
    "from memory",
    convention="ntd",
    forward=rnn_all_ntd,
    tags="time",
)
def stops_at_one(dh, tape):
    N, T, H = dh.shape
    first = tape[0]
    dx = np.zeros((N, T, first.x.shape[1]))
    sums = [np.zeros_like(first.Wx), np.zeros_like(first.Wh), np.zeros(H)]
    dh_prev = np.zeros((N, H))
    for t in range(T - 1, 0, -1):
        dx[:, t], dh_prev, *grads = rnn_step_back_ntd(dh[:, t] + dh_prev, tape[t])
        for total, grad in zip(sums, grads):
            total += grad
    return (dx, dh_prev, *sums)


# --- GRU -------------------------------------------------------------------


def gru_step(x, prev_h, Wx, Wh, b):
    wx, wh = columns(Wx, "rzn"), columns(Wh, "rzn")
    bias = dict(zip("rzn", np.split(b, 3)))
    r, z = (sigmoid(x @ wx[g] + prev_h @ wh[g] + bias[g]) for g in "rz")
    n = np.tanh(x @ wx["n"] + (r * prev_h) @ wh["n"] + bias["n"])
    return (1 - z) * n + z * prev_h, GruStep(x, prev_h, r, z, n, Wx, Wh)


def gru_all(x, h0, Wx, Wh, b):
    h, hs, tape = h0, [], []
    for t in range(x.shape[1]):
        h, step = gru_step(x[:, t], h, Wx, Wh, b)
        hs.append(h)
        tape.append(step)
    return np.stack(hs, axis=1), tape


def join(parts):
    return np.concatenate([parts[g] for g in "rzn"], axis=-1)


@wrong(
    "gru_cell_backward",
    "dr as in the variant r * (h Wn), which the forward pass is not",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def reset_gate_after_matmul(dnext_h, s):
    wh = columns(s.Wh, "rzn")
    d = {}
    d["n"] = dnext_h * (1 - s.z) * d_tanh(s.n)
    d["z"] = dnext_h * (s.prev_h - s.n) * d_sigmoid(s.z)
    d["r"] = d["n"] * (s.prev_h @ wh["n"]) * d_sigmoid(s.r)
    dprev_h = dnext_h * s.z + (d["n"] @ wh["n"].T) * s.r
    for g in "rz":
        dprev_h = dprev_h + d[g] @ wh[g].T
    seen = {"r": s.prev_h, "z": s.prev_h, "n": s.r * s.prev_h}
    dWh = join({g: seen[g].T @ d[g] for g in "rzn"})
    dz = join(d)
    return dz @ s.Wx.T, dprev_h, s.x.T @ dz, dWh, dz.sum(axis=0)


def gru_gate_grads(dnext_h, s):
    dn = dnext_h * (1 - s.z) * d_tanh(s.n)
    d_reset_h = dn @ columns(s.Wh, "rzn")["n"].T
    grads = {
        "r": d_reset_h * s.prev_h * d_sigmoid(s.r),
        "z": dnext_h * (s.prev_h - s.n) * d_sigmoid(s.z),
        "n": dn,
    }
    return grads, d_reset_h


def gru_prev_grad(dnext_h, grads, d_reset_h, s):
    wh = columns(s.Wh, "rzn")
    return (
        dnext_h * s.z
        + d_reset_h * s.r
        + grads["r"] @ wh["r"].T
        + grads["z"] @ wh["z"].T
    )


@wrong(
    "gru_backward",
    "all of dWh is taken with h_prev, the candidate's block too",
    "from memory",
    convention="ntd",
    forward=gru_all,
)
def one_product_for_three_blocks(dh, tape):
    T = len(tape)
    dx = [None] * T
    sums = {"Wx": 0, "Wh": 0, "b": 0}
    dprev = 0
    for t in range(T - 1, -1, -1):
        s, dnext = tape[t], dh[:, t] + dprev
        grads, d_reset_h = gru_gate_grads(dnext, s)
        dprev = gru_prev_grad(dnext, grads, d_reset_h, s)
        dz = join(grads)
        dx[t] = dz @ s.Wx.T
        for name, value in (
            ("Wx", s.x.T @ dz),
            ("Wh", s.prev_h.T @ dz),
            ("b", dz.sum(axis=0)),
        ):
            sums[name] = sums[name] + value
    return np.stack(dx, axis=1), dprev, sums["Wx"], sums["Wh"], sums["b"]


@wrong(
    "gru_backward",
    "the sign of dz is turned (n - h_prev), and dWx is set and not summed",
    "from memory",
    convention="ntd",
    forward=gru_all,
    tags="double",
)
def sign_and_assignment(dh, tape):
    N, T, H = dh.shape
    D = tape[0].x.shape[1]
    dx, dWx, dWh, db = (
        np.zeros((N, T, D)),
        np.zeros((D, 3 * H)),
        np.zeros((H, 3 * H)),
        np.zeros(3 * H),
    )
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        x, h, r, z, n, Wx, Wh = tape[t]
        w = columns(Wh, "rzn")
        d = dh[:, t] + dprev
        da_n = d * (1 - z) * d_tanh(n)
        da_z = d * (n - h) * d_sigmoid(z)
        d_rh = da_n @ w["n"].T
        da_r = d_rh * h * d_sigmoid(r)
        dprev = d * z + d_rh * r + da_z @ w["z"].T + da_r @ w["r"].T
        both = np.hstack((da_r, da_z, da_n))
        dx[:, t] = both @ Wx.T
        dWx = x.T @ both
        dWh += np.hstack((h.T @ da_r, h.T @ da_z, (r * h).T @ da_n))
        db += both.sum(axis=0)
    return dx, dprev, dWx, dWh, db


# --- readout ---------------------------------------------------------------


def one_hot(labels, n_y):
    return np.stack([labels == k for k in range(n_y)]).astype(float)


def flat(v):
    return v.reshape(v.shape[0], -1)


def readout_grads(dlogits, a, parameters):
    return {
        "da": (parameters["Wya"].T @ flat(dlogits)).reshape(a.shape),
        "dWya": flat(dlogits) @ flat(a).T,
        "dby": row_sum(flat(dlogits)),
    }


@wrong(
    "readout_backward",
    "the mean divides by the number of logits, n_y m T",
    "from memory",
)
def mean_over_all_entries(y_pred, labels, a, parameters):
    dlogits = y_pred - one_hot(labels, y_pred.shape[0])
    return readout_grads(dlogits / dlogits.size, a, parameters)


@wrong("readout_backward", "y - t is multiplied by y(1 - y) once more", "from memory")
def slope_after_cross_entropy(y_pred, labels, a, parameters):
    m, T = labels.shape
    dloss = y_pred - one_hot(labels, len(y_pred))
    dlogits = dloss * d_sigmoid(y_pred) / (m * T)
    grads = {"da": np.zeros(a.shape), "dWya": 0, "dby": 0}
    for t in range(T):
        d_t = dlogits[:, :, t]
        grads["da"][:, :, t] = np.dot(parameters["Wya"].T, d_t)
        grads["dWya"] = grads["dWya"] + np.dot(d_t, a[:, :, t].T)
        grads["dby"] = grads["dby"] + row_sum(d_t)
    return grads


# --- these ones pass the gradient check ------------------------------------


@right("lstm_backward", "namedtuples, small helpers and a class of sums")
def lstm_with_helpers(da, caches):
    cells, x = caches
    total, dxs = GradientSums(), []
    da_prev = dc_prev = np.zeros(da.shape[:2])
    for t in reversed(range(len(cells))):
        k = LstmCache(*cells[t])
        dxt, da_prev, dc_prev, dz = lstm_step_back(da[:, :, t] + da_prev, dc_prev, k)
        dxs.insert(0, dxt)
        for name, value in param_grads(dz, stacked(k.a_prev, k.xt)).items():
            total.add(name, value)
    return {"dx": np.stack(dxs, axis=2), "da0": da_prev, **total.sums}


@right("gru_backward", "recursion over the tape", convention="ntd", forward=gru_all)
def gru_recursive(dh, tape):
    if not tape:
        return np.zeros((dh.shape[0], 0, 0)), 0, 0, 0, 0

    def back(t, dnext):
        s = tape[t]
        dnext = dnext + dh[:, t]
        grads, d_reset_h = gru_gate_grads(dnext, s)
        seen = {"r": s.prev_h, "z": s.prev_h, "n": s.r * s.prev_h}
        dz = join(grads)
        own = (
            s.x.T @ dz,
            join({g: seen[g].T @ grads[g] for g in "rzn"}),
            dz.sum(axis=0),
        )
        dprev = gru_prev_grad(dnext, grads, d_reset_h, s)
        if t == 0:
            return [dz @ s.Wx.T], dprev, own
        dxs, dh0, others = back(t - 1, dprev)
        return dxs + [dz @ s.Wx.T], dh0, tuple(p + q for p, q in zip(own, others))

    dxs, dh0, weights = back(len(tape) - 1, 0)
    return (np.stack(dxs, axis=1), dh0, *weights)


@right("readout_backward", "minus one at the labels, in a copy")
def readout_by_labels(y_pred, labels, a, parameters):
    dlogits = y_pred.copy()
    for j, t in np.ndindex(labels.shape):
        dlogits[labels[j, t], j, t] -= 1
    return readout_grads(dlogits / labels.size, a, parameters)
