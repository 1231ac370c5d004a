"""Susan, a teaching assistant: she takes what students hand in and makes tidy helpers of it."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from strangers.made import right, wrong

# --------------------------------------------------------------------------
# helpers shared by all the rewritten solutions
# --------------------------------------------------------------------------


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=0, keepdims=True))
    return shifted / shifted.sum(axis=0, keepdims=True)


def sigmoid_slope(activated):
    """Slope of the logistic function, from its value."""
    return activated * (1.0 - activated)


def tanh_slope(activated):
    """Slope of tanh, from its value."""
    return 1.0 - activated**2


def bias_gradient(delta):
    return np.sum(delta, axis=1, keepdims=True)


def add_into(totals, step_gradients):
    for name, gradient in step_gradients.items():
        totals[name] = totals[name] + gradient


# --------------------------------------------------------------------------
# plain RNN
# --------------------------------------------------------------------------


def new_state(xt, state, p):
    return np.tanh(p["Wax"] @ xt + p["Waa"] @ state + p["ba"])


def predict(state, weights, bias):
    return softmax(weights @ state + bias)


@wrong(
    "rnn_cell_forward",
    "the prediction is made of the previous state",
    "a helper for the prediction was pulled out, and called with the name that was at hand",
)
def predicts_from_previous(xt, a_prev, parameters):
    a_next = new_state(xt, a_prev, parameters)
    yt_pred = predict(a_prev, parameters["Wya"], parameters["by"])
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


def rnn_step_ntd(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, SimpleNamespace(x=x, before=prev_h, after=next_h, Wx=Wx, Wh=Wh)


def linear_gradients(delta, inputs, weights):
    """Of inputs @ weights: for the inputs, for the weights."""
    return delta @ weights.T, inputs.T @ delta


@wrong(
    "rnn_cell_backward",
    "the recurrent weights' gradient is taken with the new state",
    "from memory: before and after were mixed up in a call",
    convention="ntd",
    forward=rnn_step_ntd,
)
def after_for_before(dnext_h, cache):
    delta = dnext_h * tanh_slope(cache.after)
    dx, dWx = linear_gradients(delta, inputs=cache.x, weights=cache.Wx)
    dprev_h, dWh = linear_gradients(delta, inputs=cache.after, weights=cache.Wh)
    return dx, dprev_h, dWx, dWh, delta.sum(axis=0)


def rnn_step_back(da_next, cache):
    a_next, a_prev, xt, p = cache
    delta = da_next * tanh_slope(a_next)
    to_input, to_state = p["Wax"].T @ delta, p["Waa"].T @ delta
    weights = {
        "dWax": delta @ xt.T,
        "dWaa": delta @ a_prev.T,
        "dba": bias_gradient(delta),
    }
    return to_input, to_state, weights


def no_gradients(p, names):
    return {"d" + name: np.zeros_like(p[name]) for name in names}


@wrong(
    "rnn_backward",
    "dx is appended from the last step on, and stacked without turning it round",
    "a student's preallocated array was replaced by a list",
)
def list_not_reversed(da, caches):
    steps, x = caches
    totals = no_gradients(steps[0][3], ("Wax", "Waa", "ba"))
    dx, carried = [], np.zeros_like(da[:, :, 0])
    for t in reversed(range(len(steps))):
        dxt, carried, weights = rnn_step_back(da[:, :, t] + carried, steps[t])
        dx.append(dxt)
        add_into(totals, weights)
    return {"dx": np.stack(dx, axis=2), "da0": carried, **totals}


@wrong(
    "rnn_backward",
    "the carried gradient begins with da of the last step, which is added once more; and dba is divided by T",
    "a student's file as it was handed in: the start looked sensible, the mean came from the loss",
    tags="double",
)
def starts_with_last(da, caches):
    steps, x = caches
    T = len(steps)
    totals = no_gradients(steps[0][3], ("Wax", "Waa", "ba"))
    dx = np.zeros_like(x)
    carried = da[:, :, -1]
    for t in reversed(range(T)):
        dx[:, :, t], carried, weights = rnn_step_back(da[:, :, t] + carried, steps[t])
        add_into(totals, weights)
    totals["dba"] = totals["dba"] / T
    return {"dx": dx, "da0": carried, **totals}


def clipped(gradients, limit=5.0):
    return {name: np.clip(value, -limit, limit) for name, value in gradients.items()}


@wrong(
    "rnn_backward",
    "the weights' gradients are clipped to [-5, 5] before they are returned",
    "the clipping of the character model's training loop was moved into the backward pass",
)
def clips_on_return(da, caches):
    steps, x = caches
    totals = no_gradients(steps[0][3], ("Wax", "Waa", "ba"))
    dx = np.zeros_like(x)
    carried = np.zeros_like(steps[0][0])
    for t, cache in reversed(list(enumerate(steps))):
        dx[:, :, t], carried, weights = rnn_step_back(carried + da[:, :, t], cache)
        add_into(totals, weights)
    return {"dx": dx, "da0": carried, **clipped(totals)}


# --------------------------------------------------------------------------
# LSTM
# --------------------------------------------------------------------------


def named_cache(cache):
    names = ["a_next", "c_next", "a_prev", "c_prev", "ft", "it", "cct", "ot", "xt", "p"]
    return SimpleNamespace(**dict(zip(names, cache)))


def stack_inputs(a_prev, xt):
    return np.concatenate((a_prev, xt), axis=0)


def through_sigmoid(upstream, z):
    """Chain rule through the logistic function at z."""
    s = sigmoid(z)
    return upstream * s * (1.0 - s)


def gate_weights(deltas, inputs):
    gradients = {}
    for gate, delta in deltas.items():
        gradients["dW" + gate] = delta @ inputs.T
        gradients["db" + gate] = bias_gradient(delta)
    return gradients


def to_inputs(deltas, p, n_a):
    total = sum(p["W" + gate].T @ delta for gate, delta in deltas.items())
    return total[:n_a], total[n_a:]


@wrong(
    "lstm_cell_backward",
    "the logistic function is applied again to gates that went through it already",
    "the helper takes what stands before the gate, the cache has what stands behind it",
)
def sigmoid_twice(da_next, dc_next, cache):
    k = named_cache(cache)
    squashed = np.tanh(k.c_next)
    dc = dc_next + da_next * k.ot * tanh_slope(squashed)
    deltas = {
        "f": through_sigmoid(dc * k.c_prev, k.ft),
        "i": through_sigmoid(dc * k.cct, k.it),
        "c": dc * k.it * tanh_slope(k.cct),
        "o": through_sigmoid(da_next * squashed, k.ot),
    }
    da_prev, dxt = to_inputs(deltas, k.p, len(k.a_prev))
    weights = gate_weights(deltas, stack_inputs(k.a_prev, k.xt))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * k.ft, **weights}


@wrong(
    "lstm_cell_backward",
    "the output gate's share is missing in dxt and da_prev",
    "zip stops at the shorter one: three names, four deltas",
)
def zip_stops_early(da_next, dc_next, cache):
    k = named_cache(cache)
    n_a = k.a_prev.shape[0]
    squashed = np.tanh(k.c_next)
    dc = dc_next + da_next * k.ot * tanh_slope(squashed)
    through_memory = ("f", "i", "c")
    gates = through_memory + ("o",)
    deltas = (
        dc * k.c_prev * sigmoid_slope(k.ft),
        dc * k.cct * sigmoid_slope(k.it),
        dc * k.it * tanh_slope(k.cct),
        da_next * squashed * sigmoid_slope(k.ot),
    )
    back = np.zeros((n_a + len(k.xt), k.xt.shape[1]))
    for gate, delta in zip(through_memory, deltas):
        back += k.p["W" + gate].T @ delta
    weights = gate_weights(dict(zip(gates, deltas)), stack_inputs(k.a_prev, k.xt))
    return {"dxt": back[n_a:], "da_prev": back[:n_a], "dc_prev": dc * k.ft} | weights


def accumulators(names, shape):
    return dict.fromkeys(names, np.zeros(shape))


@wrong(
    "lstm_backward",
    "all four gates add into one and the same array",
    "dict.fromkeys made four lines of zeros one line",
    tags="view",
)
def fromkeys_shares(da, caches):
    steps, x = caches
    n_x, m, T = x.shape
    n_a = da.shape[0]
    dW = accumulators("fico", (n_a, n_a + n_x))
    db = accumulators("fico", (n_a, 1))
    dx = np.zeros((n_x, m, T))
    da_carried, dc_carried = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in reversed(range(T)):
        k = named_cache(steps[t])
        da_t = da[:, :, t] + da_carried
        squashed = np.tanh(k.c_next)
        dc = dc_carried + da_t * k.ot * tanh_slope(squashed)
        deltas = {
            "f": dc * k.c_prev * sigmoid_slope(k.ft),
            "i": dc * k.cct * sigmoid_slope(k.it),
            "c": dc * k.it * tanh_slope(k.cct),
            "o": da_t * squashed * sigmoid_slope(k.ot),
        }
        inputs = stack_inputs(k.a_prev, k.xt)
        for gate, delta in deltas.items():
            dW[gate] += delta @ inputs.T
            db[gate] += bias_gradient(delta)
        da_carried, dx[:, :, t] = to_inputs(deltas, k.p, n_a)
        dc_carried = dc * k.ft
    gradients = {"dx": dx, "da0": da_carried}
    for gate in "fico":
        gradients |= {"dW" + gate: dW[gate], "db" + gate: db[gate]}
    return gradients


@wrong(
    "lstm_cell_backward",
    "the output gate takes c_next without its tanh; and the inputs are stacked with xt on top",
    "a student's file as it was handed in",
    tags="double",
)
def two_in_one_file(da_next, dc_next, cache):
    k = named_cache(cache)
    slope = tanh_slope(np.tanh(k.c_next))
    dc = dc_next + da_next * k.ot * slope
    deltas = {
        "f": dc * k.c_prev * sigmoid_slope(k.ft),
        "i": dc * k.cct * sigmoid_slope(k.it),
        "c": dc * k.it * tanh_slope(k.cct),
        "o": da_next * k.c_next * sigmoid_slope(k.ot),
    }
    da_prev, dxt = to_inputs(deltas, k.p, len(k.a_prev))
    weights = gate_weights(deltas, stack_inputs(k.xt, k.a_prev))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * k.ft, **weights}


@dataclass
class Moment:
    """What one step leaves behind."""

    x: np.ndarray
    h: np.ndarray
    c: np.ndarray
    gates: dict
    c_new: np.ndarray


def lstm_moments(x, h0, Wx, Wh, b):
    hidden, moments = [], []
    h, c = h0, np.zeros_like(h0)
    for t in range(x.shape[1]):
        parts = np.split(x[:, t] @ Wx + h @ Wh + b, 4, axis=1)
        gates = dict(zip("ifo", map(sigmoid, parts))) | {"g": np.tanh(parts[3])}
        c_new = gates["f"] * c + gates["i"] * gates["g"]
        moments.append(Moment(x[:, t], h, c, gates, c_new))
        h, c = gates["o"] * np.tanh(c_new), c_new
        hidden.append(h)
    return np.stack(hidden, axis=1), {"moments": moments, "Wx": Wx, "Wh": Wh}


def lstm_moment_deltas(dh, dc_carried, moment):
    """Of the pre-activations i|f|o|g, and of the memory."""
    i, f, o, g = (moment.gates[name] for name in "ifog")
    squashed = np.tanh(moment.c_new)
    dc = dc_carried + dh * o * tanh_slope(squashed)
    deltas = (
        dc * g * sigmoid_slope(i),
        dc * moment.c * sigmoid_slope(f),
        dh * squashed * sigmoid_slope(o),
        dc * i * tanh_slope(g),
    )
    return np.hstack(deltas), dc


@wrong(
    "lstm_backward",
    "the memory's gradient goes to the step before without the forget gate",
    "the helper returns dc of this step, the caller takes it for dc of the one before",
    convention="ntd",
    forward=lstm_moments,
)
def whose_dc(dh, cache):
    moments, Wx, Wh = cache["moments"], cache["Wx"], cache["Wh"]
    N, T, H = dh.shape
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dh_carried, dc_carried = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        delta, dc_carried = lstm_moment_deltas(
            dh[:, t] + dh_carried, dc_carried, moments[t]
        )
        dx[:, t], step_dWx = linear_gradients(delta, moments[t].x, Wx)
        dh_carried, step_dWh = linear_gradients(delta, moments[t].h, Wh)
        dWx += step_dWx
        dWh += step_dWh
        db += delta.sum(axis=0)
    return dx, dh_carried, dWx, dWh, db


def lstm_step(xt, a_prev, c_prev, p):
    inputs = stack_inputs(a_prev, xt)

    def gate(name, activation):
        return activation(p["W" + name] @ inputs + p["b" + name])

    ft, it, ot = (gate(name, sigmoid) for name in "fio")
    cct = gate("c", np.tanh)
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    return a_next, c_next, (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p)


@wrong(
    "lstm_forward",
    "the memory begins with a0, where it should begin with zeros",
    "one line for both states, tidied: a_next = c_next = a0",
)
def one_line_for_both(x, a0, parameters):
    a_next = c_next = a0
    a, y, c, caches = [], [], [], []
    for t in range(x.shape[2]):
        a_next, c_next, cache = lstm_step(x[:, :, t], a_next, c_next, parameters)
        a.append(a_next)
        c.append(c_next)
        y.append(predict(a_next, parameters["Wy"], parameters["by"]))
        caches.append(cache)
    a, y, c = (np.stack(every, axis=2) for every in (a, y, c))
    return a, y, c, (caches, x)


@right(
    "lstm_cell_backward",
    "tanh of the memory is a_next / ot; gates in a table of (upstream, slope)",
)
def table_of_gates(da_next, dc_next, cache):
    k = named_cache(cache)
    squashed = k.a_next / k.ot
    dc = dc_next + da_next * (k.ot - k.a_next * squashed)
    table = {
        "o": (da_next * squashed, sigmoid_slope(k.ot)),
        "c": (dc * k.it, tanh_slope(k.cct)),
        "i": (dc * k.cct, sigmoid_slope(k.it)),
        "f": (dc * k.c_prev, sigmoid_slope(k.ft)),
    }
    deltas = {gate: upstream * slope for gate, (upstream, slope) in table.items()}
    da_prev, dxt = to_inputs(deltas, k.p, len(k.a_prev))
    weights = gate_weights(deltas, stack_inputs(k.a_prev, k.xt))
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc * k.ft, **weights}


# --------------------------------------------------------------------------
# GRU
# --------------------------------------------------------------------------


@dataclass
class GruMoment:
    x: np.ndarray
    h: np.ndarray
    r: np.ndarray
    z: np.ndarray
    n: np.ndarray
    h_new: np.ndarray
    Wx: np.ndarray
    Wh: np.ndarray


def blocks(matrix):
    """The columns of r, z and n."""
    return np.split(matrix, 3, axis=-1)


def gru_moment(x, prev_h, Wx, Wh, b):
    xr, xz, xn = blocks(x @ Wx + b)
    Whr, Whz, Whn = blocks(Wh)
    r = sigmoid(xr + prev_h @ Whr)
    z = sigmoid(xz + prev_h @ Whz)
    n = np.tanh(xn + (r * prev_h) @ Whn)
    next_h = n + z * (prev_h - n)
    return next_h, GruMoment(x, prev_h, r, z, n, next_h, Wx, Wh)


def gru_moments(x, h0, Wx, Wh, b):
    hidden, moments, h = [], [], h0
    for t in range(x.shape[1]):
        h, moment = gru_moment(x[:, t], h, Wx, Wh, b)
        hidden.append(h)
        moments.append(moment)
    return np.stack(hidden, axis=1), moments


def gru_weights(k, dr, dz, dn):
    """dWx, dWh, db of one step."""
    deltas = np.hstack((dr, dz, dn))
    dWh = np.hstack((k.h.T @ dr, k.h.T @ dz, (k.r * k.h).T @ dn))
    return k.x.T @ deltas, dWh, deltas.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "the way back through n reaches the previous state without the reset gate",
    "from memory: one product with the whole of Wh looked tidier",
    convention="ntd",
    forward=gru_moment,
)
def one_product_for_all(dnext_h, cache):
    k = cache
    dn = dnext_h * (1 - k.z) * tanh_slope(k.n)
    dz = dnext_h * (k.h - k.n) * sigmoid_slope(k.z)
    reset_h = dn @ blocks(k.Wh)[2].T
    dr = reset_h * k.h * sigmoid_slope(k.r)
    deltas = np.hstack((dr, dz, dn))
    dprev_h = dnext_h * k.z + deltas @ k.Wh.T
    return deltas @ k.Wx.T, dprev_h, *gru_weights(k, dr, dz, dn)


@wrong(
    "gru_backward",
    "the direct way through z takes dh of this step alone, without what comes from later",
    "two names for nearly the same thing, dh_t and total",
    convention="ntd",
    forward=gru_moments,
)
def direct_way_of_one_step(dh, cache):
    Wx, Wh = cache[0].Wx, cache[0].Wh
    Whr, Whz, Whn = blocks(Wh)
    dx = np.zeros(dh.shape[:2] + (len(Wx),))
    sums = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wx.shape[1])]
    carried = np.zeros_like(cache[0].h)
    for t in reversed(range(len(cache))):
        k, dh_t = cache[t], dh[:, t]
        total = dh_t + carried
        dn = total * (1 - k.z) * tanh_slope(k.n)
        dz = total * (k.h - k.n) * sigmoid_slope(k.z)
        reset_h = dn @ Whn.T
        dr = reset_h * k.h * sigmoid_slope(k.r)
        dx[:, t] = np.hstack((dr, dz, dn)) @ Wx.T
        carried = dh_t * k.z + reset_h * k.r + dr @ Whr.T + dz @ Whz.T
        sums = [old + new for old, new in zip(sums, gru_weights(k, dr, dz, dn))]
    return dx, carried, *sums


@wrong(
    "gru_backward",
    "the candidate has the slope of a sigmoid; and the reset gate is taken with the new state",
    "a student's file as it was handed in, helpers put in place by search and replace",
    convention="ntd",
    forward=gru_moments,
    tags="double",
)
def searched_and_replaced(dh, cache):
    Wx, Wh = cache[0].Wx, cache[0].Wh
    Whr, Whz, Whn = blocks(Wh)
    dx, totals = [], None
    carried = np.zeros_like(cache[0].h)
    for t in range(len(cache) - 1, -1, -1):
        k = cache[t]
        total = dh[:, t] + carried
        dn = total * (1 - k.z) * sigmoid_slope(k.n)
        dz = total * (k.h - k.n) * sigmoid_slope(k.z)
        reset_h = dn @ Whn.T
        dr = reset_h * k.h_new * sigmoid_slope(k.r)
        dx.insert(0, np.hstack((dr, dz, dn)) @ Wx.T)
        carried = total * k.z + reset_h * k.r + dr @ Whr.T + dz @ Whz.T
        step = gru_weights(k, dr, dz, dn)
        totals = step if totals is None else [a + b for a, b in zip(totals, step)]
    return np.stack(dx, axis=1), carried, *totals


@right(
    "gru_backward",
    "recursive over the steps, the update gate written as an interpolation",
    convention="ntd",
    forward=gru_moments,
)
def recursive_gru(dh, cache):
    def back(t):
        """What reaches the state before step t, dx of the steps from t on, the weights."""
        if t == len(cache):
            return 0.0, [], (0.0, 0.0, 0.0)
        later, dx, sums = back(t + 1)
        k = cache[t]
        total = dh[:, t] + later
        direct = total * k.z
        dn = (total - direct) * (1 + k.n) * (1 - k.n)
        dz = direct * (1 - k.z) * (k.h - k.n)
        Whr, Whz, Whn = blocks(k.Wh)
        gated = dn @ Whn.T * k.r
        dr = gated * k.h * (1 - k.r)
        before = direct + gated + np.hstack((dr, dz)) @ np.hstack((Whr, Whz)).T
        own = gru_weights(k, dr, dz, dn)
        here = [np.hstack((dr, dz, dn)) @ k.Wx.T]
        return before, here + dx, tuple(a + b for a, b in zip(sums, own))

    dh0, dx, (dWx, dWh, db) = back(0)
    return np.stack(dx, axis=1), dh0, dWx, dWh, db


# --------------------------------------------------------------------------
# readout
# --------------------------------------------------------------------------


def flat(array):
    return array.reshape(array.shape[0], -1)


@wrong(
    "readout_backward",
    "one is taken from whole rows of the classes that occur, not from each label's own place",
    "scores[labels] -= 1 has no error and the right shape",
)
def rows_of_labels(y_pred, labels, a, parameters):
    delta = y_pred.copy()
    delta[labels] -= 1
    delta /= labels.size
    return {
        "da": np.tensordot(parameters["Wya"], delta, axes=(0, 0)),
        "dWya": flat(delta) @ flat(a).T,
        "dby": bias_gradient(flat(delta)),
    }
