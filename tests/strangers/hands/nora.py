"""Nora writes what the exercise leaves out: from the loss into a."""

import numpy as np

from strangers.made import right, wrong


@right("readout_backward", "labels chosen by index arrays")
def by_index(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = y_pred.copy()
    i, t = np.meshgrid(np.arange(m), np.arange(T), indexing="ij")
    dz[labels, i, t] -= 1
    dz = dz / (m * T)
    W = parameters["Wya"]
    return {
        "da": np.einsum("ya,ymt->amt", W, dz),
        "dWya": np.einsum("ymt,amt->ya", dz, a),
        "dby": dz.sum(axis=(1, 2)).reshape(n_y, 1),
    }


@right("readout_backward", "one-hot labels and a loop over time")
def by_loop(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    one_hot = np.eye(n_y)[labels].transpose(2, 0, 1)
    da, dW, db = np.zeros(a.shape), 0, 0
    for t in range(T):
        e = (y_pred[:, :, t] - one_hot[:, :, t]) / m / T
        da[:, :, t] = parameters["Wya"].T.dot(e)
        dW = dW + e.dot(a[:, :, t].T)
        db = db + e.sum(1, keepdims=True)
    return {"da": da, "dWya": dW, "dby": db}


def hot(labels, n_y):
    return np.moveaxis(np.eye(n_y)[labels], -1, 0)


def back(dz, a, parameters):
    return {
        "da": np.tensordot(parameters["Wya"].T, dz, 1),
        "dWya": np.tensordot(dz, a, ((1, 2), (1, 2))),
        "dby": dz.sum((1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "divided by m alone: the steps are summed",
    "not by the batch",
    tags="scale",
)
def over_m(y_pred, labels, a, parameters):
    dz = (y_pred - hot(labels, len(y_pred))) / y_pred.shape[1]
    return back(dz, a, parameters)


@wrong(
    "readout_backward",
    "divided by T alone: the examples are summed",
    "not by the batch",
    tags="scale",
)
def over_T(y_pred, labels, a, parameters):
    dz = (y_pred - hot(labels, len(y_pred))) / y_pred.shape[2]
    return back(dz, a, parameters)


@wrong(
    "readout_backward",
    "not divided at all: the loss is taken for a sum",
    "from memory",
    tags="scale",
)
def a_sum(y_pred, labels, a, parameters):
    return back(y_pred - hot(labels, len(y_pred)), a, parameters)


@wrong(
    "readout_backward",
    "divided by m once more in the bias and the weights",
    "divided again",
    tags="scale",
)
def divided_twice(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    g = back((y_pred - hot(labels, n_y)) / (m * T), a, parameters)
    return g | {"dWya": g["dWya"] / m, "dby": g["dby"] / m}


@wrong(
    "readout_backward",
    "a factor of two, as of a squared error",
    "factor of two",
    tags="scale",
)
def of_a_square(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    return back(2 * (y_pred - hot(labels, n_y)) / (m * T), a, parameters)


@wrong("readout_backward", "the sign is turned: one_hot - y_pred", "from memory")
def sign_turned(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    return back((hot(labels, n_y) - y_pred) / (m * T), a, parameters)


@wrong(
    "readout_backward",
    "-one_hot / y_pred, the gradient of the log alone: softmax is not passed",
    "factor of two",
)
def before_softmax(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    return back(-hot(labels, n_y) / y_pred / (m * T), a, parameters)


@wrong(
    "readout_backward",
    "the difference is multiplied by y (1 - y), a slope too many",
    "p - 1 everywhere",
)
def slope_too_many(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = (y_pred - hot(labels, n_y)) * y_pred * (1 - y_pred)
    return back(dz / (m * T), a, parameters)


@wrong(
    "readout_backward",
    "one is taken from every class, not from the label's",
    "p - 1 everywhere",
)
def minus_one_everywhere(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    return back((y_pred - 1) / (m * T), a, parameters)


@wrong(
    "readout_backward",
    "dby of the first class is given to all classes",
    "sum of all",
)
def one_bias(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = (y_pred - hot(labels, n_y)) / (m * T)
    g = back(dz, a, parameters)
    g["dby"] = np.full((n_y, 1), dz[0].sum())
    return g


@wrong(
    "readout_backward",
    "the labels of the next step are used (t + 1), the last repeated",
    "off by one",
    tags="time",
)
def next_labels(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    later = np.concatenate([labels[:, 1:], labels[:, -1:]], axis=1)
    return back((y_pred - hot(later, n_y)) / (m * T), a, parameters)


@wrong(
    "readout_backward",
    "dWya pairs the error with the state of the step before; zeros at step 0",
    "off by one",
    tags="time",
)
def state_of_before(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = (y_pred - hot(labels, n_y)) / (m * T)
    g = back(dz, a, parameters)
    before = np.zeros_like(a)
    before[:, :, 1:] = a[:, :, :-1]
    g["dWya"] = np.einsum("ymt,amt->ya", dz, before)
    return g


@wrong(
    "readout_backward",
    "only the last step's error is kept: the rest is overwritten",
    "overwritten",
    tags="time",
)
def last_step_only(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = (y_pred - hot(labels, n_y)) / (m * T)
    da = np.zeros_like(a)
    for t in range(T):
        da[:, :, t] = parameters["Wya"].T @ dz[:, :, t]
        dW = dz[:, :, t] @ a[:, :, t].T
        db = dz[:, :, t].sum(1, keepdims=True)
    return {"da": da, "dWya": dW, "dby": db}


@wrong("readout_backward", "da has the slope 1 - a**2 in it already", "from memory")
def slope_in_da(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    g = back((y_pred - hot(labels, n_y)) / (m * T), a, parameters)
    return g | {"da": g["da"] * (1 - a**2)}


@wrong(
    "readout_backward",
    "the sign is turned, and divided by m alone",
    "two slips in one evening, from memory",
    tags="double scale",
)
def sign_and_m(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    return back((hot(labels, n_y) - y_pred) / m, a, parameters)


@wrong(
    "readout_backward",
    "y_pred is changed in place by the subtraction of one",
    "in place",
    words=r"in place|changes this argument|copy",
    tags="view",
)
def in_place(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = y_pred
    dz -= hot(labels, n_y)
    return back(dz / (m * T), a, parameters)


@wrong(
    "readout_backward",
    "dz is rounded to three decimals for printing and then used",
    "from memory",
    words=r"round|precision|digits|dtype",
    tags="dtype",
)
def rounded(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    dz = np.round((y_pred - hot(labels, n_y)) / (m * T), 3)
    return back(dz, a, parameters)
