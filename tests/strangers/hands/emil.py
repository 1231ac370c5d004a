"""Emil is at the forward passes of the simple network, and at his caches."""

import numpy as np

from strangers.made import right, wrong


def soft(z, axis=0):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def pick(p):
    return p["Wax"], p["Waa"], p["Wya"], p["ba"], p["by"]


@right("rnn_cell_forward", "dot from the right, on transposed arrays")
def cell(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh((xt.T @ Wax.T + a_prev.T @ Waa.T + ba.T).T)
    return a, soft(Wya.dot(a) + by), (a, a_prev, xt, p)


@right("rnn_forward", "lists, stacked at the end")
def whole(x, a0, p):
    a, ys, states, caches = a0, [], [], []
    for xt in np.moveaxis(x, 2, 0):
        a, y, cache = cell(xt, a, p)
        states.append(a)
        ys.append(y)
        caches.append(cache)
    return np.stack(states, -1), np.stack(ys, -1), (caches, x)


@wrong(
    "rnn_cell_forward",
    "ba is not added",
    "a term forgotten, from memory",
)
def no_bias(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh(Wax @ xt + Waa @ a_prev)
    return a, soft(Wya @ a + by), (a, a_prev, xt, p)


@wrong(
    "rnn_cell_forward",
    "softmax over the examples (axis 1) instead of the classes",
    "the axis of softmax, from memory",
)
def soft_over_examples(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    return a, soft(Wya @ a + by, axis=1), (a, a_prev, xt, p)


@wrong(
    "rnn_cell_forward",
    "softmax divides by the sum of all entries, of every example",
    "sum of all",
)
def soft_over_all(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    e = np.exp(Wya @ a + by)
    return a, e / np.sum(e), (a, a_prev, xt, p)


@wrong(
    "rnn_cell_forward",
    "the prediction is made from a_prev",
    "off by one",
)
def prediction_of_before(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    return a, soft(Wya @ a_prev + by), (a, a_prev, xt, p)


@wrong(
    "rnn_cell_forward",
    "sigmoid instead of softmax",
    "two output layers of one course, from memory",
)
def sigmoid_out(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    return a, 1 / (1 + np.exp(-(Wya @ a + by))), (a, a_prev, xt, p)


@wrong(
    "rnn_cell_forward",
    "no softmax at all: the logits are returned",
    "a last line forgotten, from memory",
)
def logits_out(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    return a, Wya @ a + by, (a, a_prev, xt, p)


@wrong(
    "rnn_cell_forward",
    "the cache is (a_prev, a_next, ...): the first two in the other order",
    "the order of a tuple, from memory",
    tags="caches",
)
def cache_in_another_order(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    return a, soft(Wya @ a + by), (a_prev, a, xt, p)


@wrong(
    "rnn_cell_forward",
    "a_prev is updated in place, so the cache holds the new state twice",
    "c = a",
    tags="view",
)
def updated_in_place(xt, a_prev, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a = a_prev = a_prev.copy()
    a[:] = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    return a, soft(Wya @ a + by), (a, a_prev, xt, p)


@wrong(
    "rnn_forward",
    "every step begins at a0: a_next is never handed on",
    "h not passed",
    step=1,
)
def always_a0(x, a0, p):
    n_a, m = a0.shape
    T = x.shape[2]
    a, y, caches = np.zeros((n_a, m, T)), np.zeros((len(p["by"]), m, T)), []
    for t in range(T):
        a[:, :, t], y[:, :, t], cache = cell(x[:, :, t], a0, p)
        caches.append(cache)
    return a, y, (caches, x)


@wrong(
    "rnn_forward",
    "the state begins with zeros instead of a0",
    "zeros for a0",
    step=0,
)
def zeros_to_begin(x, a0, p):
    a = np.zeros_like(a0)
    every, ys, caches = [], [], []
    for t in range(x.shape[-1]):
        a, y, cache = cell(x[..., t], a, p)
        every.append(a)
        ys.append(y)
        caches.append(cache)
    return np.dstack(every), np.dstack(ys), (caches, x)


@wrong(
    "rnn_forward",
    "a[:, :, t - 1] of a fresh array of zeros stands for the state before step 0; the "
    "view in caches[0] later holds the last state",
    "a[t-1] at 0",
    step=0,
    tags="view time",
)
def slot_before(x, a0, p):
    n_a, m = a0.shape
    T = x.shape[2]
    a, y, caches = np.zeros((n_a, m, T)), np.zeros((len(p["by"]), m, T)), []
    for t in range(T):
        a[:, :, t], y[:, :, t], cache = cell(x[:, :, t], a[:, :, t - 1], p)
        caches.append(cache)
    return a, y, (caches, x)


@wrong(
    "rnn_forward",
    "a[:, :, -1] holds a0 to begin with; caches[0] keeps a view of that slot, and the "
    "last step fills it",
    "a start state kept in the last slot, from memory",
    step={"cache a_prev": 0},
    tags="view time",
)
def start_in_the_last_slot(x, a0, p):
    n_a, m = a0.shape
    T = x.shape[2]
    a, y, caches = np.zeros((n_a, m, T)), np.zeros((len(p["by"]), m, T)), []
    a[:, :, -1] = a0
    for t in range(T):
        prev = a[:, :, t - 1]
        new, y[:, :, t], cache = cell(x[:, :, t], prev, p)
        a[:, :, t] = new
        caches.append(cache)
    return a, y, (caches, x)


@wrong(
    "rnn_forward",
    "one buffer is written again at every step, so all caches hold the last state",
    "one array",
    step=0,
    tags="view",
)
def one_buffer(x, a0, p):
    Wax, Waa, Wya, ba, by = pick(p)
    state = np.array(a0)
    a, y, caches = [], [], []
    for t in range(x.shape[2]):
        before = state.copy()
        state[:] = np.tanh(Wax @ x[:, :, t] + Waa @ before + ba)
        a.append(state.copy())
        y.append(soft(Wya @ state + by))
        caches.append((state, before, x[:, :, t], p))
    return np.stack(a, 2), np.stack(y, 2), (caches, x)


@wrong(
    "rnn_forward",
    "the predictions are stored one step late",
    "off by one",
    step={"y_pred": 0},
    tags="time",
)
def predictions_late(x, a0, p):
    a, y, caches = whole(x, a0, p)
    late = np.zeros_like(y)
    for t in range(1, y.shape[2]):
        late[:, :, t] = y[:, :, t - 1]
    return a, late, caches


@wrong(
    "rnn_forward",
    "the input is read from its end",
    "a reversed range left over from the way back, from memory",
    step={"*": 0, "cache a_prev": 1},
    tags="time",
)
def read_from_the_end(x, a0, p):
    a, ys, states, caches = a0, [], [], []
    for t in reversed(range(x.shape[2])):
        a, y, cache = cell(x[:, :, t], a, p)
        states.append(a)
        ys.append(y)
        caches.append(cache)
    return np.stack(states, -1), np.stack(ys, -1), (caches, x)


@wrong(
    "rnn_forward",
    "the input of the step before is read: x[:, :, t - 1], the last one at t = 0",
    "off by one",
    step={"*": 0, "cache a_prev": 1},
    tags="time",
)
def input_of_before(x, a0, p):
    a, ys, states, caches = a0, [], [], []
    for t in range(x.shape[2]):
        a, y, cache = cell(x[:, :, t - 1], a, p)
        states.append(a)
        ys.append(y)
        caches.append(cache)
    return np.stack(states, -1), np.stack(ys, -1), (caches, x)


@wrong(
    "rnn_forward",
    "states are rounded to half precision when they are stored in a",
    "a small buffer, from memory",
    step={"a": 0},
    words=r"half|float16|precision|dtype|round",
    tags="dtype",
)
def half_precision(x, a0, p):
    a, y, caches = whole(x, a0, p)
    return a.astype(np.float16), y, caches


@wrong(
    "rnn_forward",
    "only the last output is right: y_pred repeats the prediction of the last step",
    "one array",
    step={"y_pred": 0},
    tags="view",
)
def last_prediction_everywhere(x, a0, p):
    a, y, caches = whole(x, a0, p)
    buffer, every = np.empty_like(y[:, :, 0]), []
    for t in range(y.shape[2]):
        buffer[...] = y[:, :, t]
        every.append(buffer)
    return a, np.stack(every, axis=2), caches


@wrong(
    "rnn_forward",
    "zeros instead of a0, and softmax over the examples",
    "two slips in one evening, from memory",
    step=0,
    tags="double",
)
def zeros_and_axis(x, a0, p):
    Wax, Waa, Wya, ba, by = pick(p)
    a, every, ys, caches = 0 * a0, [], [], []
    for t in range(x.shape[2]):
        before, a = a, np.tanh(Wax @ x[:, :, t] + Waa @ a + ba)
        every.append(a)
        ys.append(soft(Wya @ a + by, axis=1))
        caches.append((a, before, x[:, :, t], p))
    return np.stack(every, 2), np.stack(ys, 2), (caches, x)
