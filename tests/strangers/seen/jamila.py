"""Jamila. Likes types and objects: dataclasses for caches, small methods, long names."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from strangers.made import right, wrong


class CourseCache(NamedTuple):
    a_next: np.ndarray
    a_prev: np.ndarray
    x_t: np.ndarray
    weights: dict


@dataclass
class RnnGradients:
    dWax: np.ndarray
    dWaa: np.ndarray
    dba: np.ndarray
    dx: list = field(default_factory=list)

    @classmethod
    def like(cls, weights):
        return cls(*(np.zeros_like(weights[name]) for name in ("Wax", "Waa", "ba")))

    def add(self, pre_activation, cache):
        self.dWax += pre_activation @ cache.x_t.T
        self.dWaa += pre_activation @ cache.a_prev.T
        self.dba += pre_activation.sum(axis=1, keepdims=True)
        self.dx.append(cache.weights["Wax"].T @ pre_activation)

    def as_dict(self, da0):
        dx = np.stack(self.dx[::-1], axis=-1)
        return {
            "dx": dx,
            "da0": da0,
            "dWax": self.dWax,
            "dWaa": self.dWaa,
            "dba": self.dba,
        }


# --------------------------------------------------------------------------- RNN, the exercise


@right("rnn_cell_backward", "[Waa, Wax] as one matrix, the gradient cut afterwards")
def one_matrix(da_next, cache):
    cache = CourseCache(*cache)
    hidden = cache.a_prev.shape[0]
    joined = np.hstack([cache.weights["Waa"], cache.weights["Wax"]])
    inputs = np.vstack([cache.a_prev, cache.x_t])
    pre_activation = (1 - cache.a_next**2) * da_next
    d_joined = pre_activation @ inputs.T
    d_inputs = joined.T @ pre_activation
    return {
        "dxt": d_inputs[hidden:],
        "da_prev": d_inputs[:hidden],
        "dWax": d_joined[:, hidden:],
        "dWaa": d_joined[:, :hidden],
        "dba": pre_activation.sum(axis=1, keepdims=True),
    }


@wrong(
    "rnn_cell_backward",
    "the inputs are joined [xt; a_prev], the gradient is cut as if they were [a_prev; xt]",
    "from memory",
)
def joined_the_other_way(da_next, cache):
    cache = CourseCache(*cache)
    hidden = cache.a_prev.shape[0]
    joined = np.hstack([cache.weights["Waa"], cache.weights["Wax"]])
    inputs = np.vstack([cache.x_t, cache.a_prev])
    pre_activation = (1 - cache.a_next**2) * da_next
    d_joined = pre_activation @ inputs.T
    d_inputs = joined.T @ pre_activation
    return {
        "dxt": d_inputs[hidden:],
        "da_prev": d_inputs[:hidden],
        "dWax": d_joined[:, hidden:],
        "dWaa": d_joined[:, :hidden],
        "dba": pre_activation.sum(axis=1, keepdims=True),
    }


@wrong(
    "rnn_cell_backward",
    "the pre-activation is computed again, without the bias ba",
    "from memory",
)
def recomputed_without_bias(da_next, cache):
    cache = CourseCache(*cache)
    Wax, Waa = cache.weights["Wax"], cache.weights["Waa"]
    score = Waa @ cache.a_prev + Wax @ cache.x_t
    pre_activation = da_next / np.cosh(score) ** 2
    return {
        "dxt": Wax.T @ pre_activation,
        "da_prev": Waa.T @ pre_activation,
        "dWax": pre_activation @ cache.x_t.T,
        "dWaa": pre_activation @ cache.a_prev.T,
        "dba": pre_activation.sum(axis=1, keepdims=True),
    }


@wrong(
    "rnn_backward",
    "two: the carry is dropped at every second step (truncated), and da0 is the mean over the batch",
    "from memory",
)
def truncated_and_mean(da, caches):
    steps = [CourseCache(*entry) for entry in caches[0]]
    gradients = RnnGradients.like(steps[0].weights)
    carry = np.zeros(da.shape[:2])
    for t in reversed(range(len(steps))):
        pre_activation = (da[:, :, t] + carry) * (1 - steps[t].a_next ** 2)
        gradients.add(pre_activation, steps[t])
        carry = steps[t].weights["Waa"].T @ pre_activation
        if t % 2 == 1:
            carry = np.zeros_like(carry)
    return gradients.as_dict(carry / da.shape[1])


@wrong(
    "rnn_backward",
    "da0 adds up the da_prev of all steps",
    "from memory",
    step={"da0": 0},
)
def da0_collects(da, caches):
    steps = [CourseCache(*entry) for entry in caches[0]]
    gradients = RnnGradients.like(steps[0].weights)
    carry = np.zeros(da.shape[:2])
    da0 = np.zeros(da.shape[:2])
    for t in reversed(range(len(steps))):
        pre_activation = (da[:, :, t] + carry) * (1 - steps[t].a_next ** 2)
        gradients.add(pre_activation, steps[t])
        carry = steps[t].weights["Waa"].T @ pre_activation
        da0 += carry
    return gradients.as_dict(da0)


# --------------------------------------------------------------------------- RNN, (N, T, D)


@dataclass
class RnnTape:
    inputs: np.ndarray
    states: list  # states[t] is the state before step t, one more at the end
    Wx: np.ndarray
    Wh: np.ndarray


def rnn_record(x, h0, Wx, Wh, b):
    states = [h0]
    for x_t in np.moveaxis(x, 1, 0):
        states.append(np.tanh(x_t @ Wx + states[-1] @ Wh + b))
    return np.stack(states[1:], axis=1), RnnTape(x, states, Wx, Wh)


@wrong(
    "rnn_backward",
    "dWx, dWh and db are divided by N, though dh holds the loss's mean already",
    "from memory",
    convention="ntd",
    forward=rnn_record,
)
def mean_once_more(dh, cache):
    tape = cache
    batch, steps, hidden = dh.shape
    dx, carry = np.zeros_like(tape.inputs), np.zeros((batch, hidden))
    dWx, dWh, db = np.zeros_like(tape.Wx), np.zeros_like(tape.Wh), np.zeros(hidden)
    for t in reversed(range(steps)):
        pre_activation = (dh[:, t] + carry) * (1 - tape.states[t + 1] ** 2)
        dx[:, t] = pre_activation @ tape.Wx.T
        carry = pre_activation @ tape.Wh.T
        dWx += tape.inputs[:, t].T @ pre_activation
        dWh += tape.states[t].T @ pre_activation
        db += pre_activation.sum(axis=0)
    return dx, carry, dWx / batch, dWh / batch, db / batch


@wrong(
    "rnn_backward",
    "two: tanh' is taken at states[t], the state before, and dWh pairs with states[t + 1]",
    "from memory",
    convention="ntd",
    forward=rnn_record,
)
def list_index_misread(dh, cache):
    tape = cache
    batch, steps, hidden = dh.shape
    dx, carry = np.zeros_like(tape.inputs), np.zeros((batch, hidden))
    dWx, dWh, db = np.zeros_like(tape.Wx), np.zeros_like(tape.Wh), np.zeros(hidden)
    for t in reversed(range(steps)):
        pre_activation = (dh[:, t] + carry) * (1 - tape.states[t] ** 2)
        dx[:, t] = pre_activation @ tape.Wx.T
        carry = pre_activation @ tape.Wh.T
        dWx += tape.inputs[:, t].T @ pre_activation
        dWh += tape.states[t + 1].T @ pre_activation
        db += pre_activation.sum(axis=0)
    return dx, carry, dWx, dWh, db


# --------------------------------------------------------------------------- LSTM, (N, T, D)


def logistic(score):
    return 0.5 * (1 + np.tanh(0.5 * score))


@dataclass
class LstmMoment:
    x: np.ndarray
    h_before: np.ndarray
    c_before: np.ndarray
    i: np.ndarray
    f: np.ndarray
    o: np.ndarray
    g: np.ndarray
    h_after: np.ndarray
    c_after: np.ndarray
    Wx: np.ndarray
    Wh: np.ndarray

    def inward(self, dh, dc):
        """gradients before the activations, and that of the cell before"""
        squashed = np.tanh(self.c_after)
        dc = dc + dh * self.o * (1 - squashed**2)
        columns = (
            dc * self.g * self.i * (1 - self.i),
            dc * self.c_before * self.f * (1 - self.f),
            dh * squashed * self.o * (1 - self.o),
            dc * self.i * (1 - self.g**2),
        )
        return np.concatenate(columns, axis=1), dc * self.f

    def outward(self, scores):
        """dx, dh_before, dWx, dWh, db"""
        return (
            scores @ self.Wx.T,
            scores @ self.Wh.T,
            self.x.T @ scores,
            self.h_before.T @ scores,
            scores.sum(axis=0),
        )


def lstm_moment(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = logistic(i), logistic(f), logistic(o), np.tanh(g)
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    return h, c, LstmMoment(x, prev_h, prev_c, i, f, o, g, h, c, Wx, Wh)


def lstm_record(x, h0, Wx, Wh, b):
    h, c, tape, outputs = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        h, c, moment = lstm_moment(x[:, t], h, c, Wx, Wh, b)
        outputs.append(h)
        tape.append(moment)
    return np.stack(outputs, axis=1), tape


@right(
    "lstm_backward",
    "objects that know their way back",
    convention="ntd",
    forward=lstm_record,
)
def lstm_by_objects(dh, cache):
    batch, steps, hidden = dh.shape
    carry_h, carry_c, dx, weights = (
        np.zeros((batch, hidden)),
        np.zeros((batch, hidden)),
        [],
        [],
    )
    for t in reversed(range(steps)):
        scores, carry_c = cache[t].inward(dh[:, t] + carry_h, carry_c)
        dx_t, carry_h, *rest = cache[t].outward(scores)
        dx.insert(0, dx_t)
        weights.append(rest)
    return np.stack(dx, axis=1), carry_h, *(sum(parts) for parts in zip(*weights))


@wrong(
    "lstm_cell_backward",
    "dc is made with next_h where the output gate belongs: dnext_h * next_h * (1 - tanh(c)**2)",
    "from memory",
    convention="ntd",
    forward=lstm_moment,
)
def h_for_o(dnext_h, dnext_c, cache):
    k = cache
    squashed = np.tanh(k.c_after)
    dc = dnext_c + dnext_h * k.h_after * (1 - squashed**2)
    scores = np.concatenate(
        [
            dc * k.g * k.i * (1 - k.i),
            dc * k.c_before * k.f * (1 - k.f),
            dnext_h * squashed * k.o * (1 - k.o),
            dc * k.i * (1 - k.g**2),
        ],
        axis=1,
    )
    dx, dprev_h, dWx, dWh, db = k.outward(scores)
    return dx, dprev_h, dc * k.f, dWx, dWh, db


@wrong(
    "lstm_cell_backward",
    "the candidate's gradient has the forget gate for the input gate: dc * f * (1 - g**2)",
    "from memory",
    convention="ntd",
    forward=lstm_moment,
)
def g_with_f(dnext_h, dnext_c, cache):
    k = cache
    squashed = np.tanh(k.c_after)
    dc = dnext_c + dnext_h * k.o * (1 - squashed**2)
    scores = np.concatenate(
        [
            dc * k.g * k.i * (1 - k.i),
            dc * k.c_before * k.f * (1 - k.f),
            dnext_h * squashed * k.o * (1 - k.o),
            dc * k.f * (1 - k.g**2),
        ],
        axis=1,
    )
    dx, dprev_h, dWx, dWh, db = k.outward(scores)
    return dx, dprev_h, dc * k.f, dWx, dWh, db


@wrong(
    "lstm_backward",
    "what is returned as dh0 is the gradient of the cell c before step 0",
    "from memory",
    convention="ntd",
    forward=lstm_record,
    step={"dh0": 0},
)
def cell_for_state(dh, cache):
    batch, steps, hidden = dh.shape
    carry_h, carry_c, dx, weights = (
        np.zeros((batch, hidden)),
        np.zeros((batch, hidden)),
        [],
        [],
    )
    for t in reversed(range(steps)):
        scores, carry_c = cache[t].inward(dh[:, t] + carry_h, carry_c)
        dx_t, carry_h, *rest = cache[t].outward(scores)
        dx.insert(0, dx_t)
        weights.append(rest)
    return np.stack(dx, axis=1), carry_c, *(sum(parts) for parts in zip(*weights))


@wrong(
    "lstm_backward",
    "the cell's gradient passes the forget gate of the step after, which was kept from the turn before",
    "from memory",
    convention="ntd",
    forward=lstm_record,
)
def stale_forget_gate(dh, cache):
    batch, steps, hidden = dh.shape
    carry_h, carry_c, f_after = (
        np.zeros((batch, hidden)),
        np.zeros((batch, hidden)),
        np.ones((batch, hidden)),
    )
    dx, weights = [], []
    for t in reversed(range(steps)):
        k = cache[t]
        total = dh[:, t] + carry_h
        scores, _ = k.inward(total, carry_c)
        dx_t, carry_h, *rest = k.outward(scores)
        dc = carry_c + total * k.o * (1 - np.tanh(k.c_after) ** 2)
        carry_c = dc * f_after
        f_after = k.f
        dx.insert(0, dx_t)
        weights.append(rest)
    return np.stack(dx, axis=1), carry_h, *(sum(parts) for parts in zip(*weights))


@wrong(
    "lstm_backward",
    "two: the columns are put together f, i, o, g, and c's gradient starts as dh of the last step",
    "from memory",
    convention="ntd",
    forward=lstm_record,
)
def columns_f_i_and_dc_start(dh, cache):
    batch, steps, hidden = dh.shape
    carry_h, carry_c, dx, weights = np.zeros((batch, hidden)), dh[:, -1], [], []
    for t in reversed(range(steps)):
        scores, carry_c = cache[t].inward(dh[:, t] + carry_h, carry_c)
        di, df, do, dg = np.split(scores, 4, axis=1)
        dx_t, carry_h, *rest = cache[t].outward(np.hstack([df, di, do, dg]))
        dx.insert(0, dx_t)
        weights.append(rest)
    return np.stack(dx, axis=1), carry_h, *(sum(parts) for parts in zip(*weights))


# --------------------------------------------------------------------------- the layer on top


class Readout:
    def __init__(self, y_pred, a, parameters):
        self.probabilities, self.states, self.Wya = y_pred, a, parameters["Wya"]
        self.classes, self.batch, self.steps = y_pred.shape

    def from_scores(self, scores):
        return {
            "da": np.einsum("ya,ymt->amt", self.Wya, scores),
            "dWya": np.einsum("ymt,amt->ya", scores, self.states),
            "dby": scores.sum(axis=(1, 2))[:, np.newaxis],
        }

    def minus_one_at(self, labels):
        scores = self.probabilities.copy()
        example, step = np.indices(labels.shape)
        scores[labels, example, step] -= 1
        return scores


@wrong(
    "readout_backward",
    "the target is the class with the greatest probability, the labels are not used",
    "from memory",
)
def believes_itself(y_pred, labels, a, parameters):
    layer = Readout(y_pred, a, parameters)
    scores = layer.minus_one_at(np.argmax(y_pred, axis=0))
    return layer.from_scores(scores / (layer.batch * layer.steps))


@wrong(
    "readout_backward",
    "scores[labels[:, t], :, t] -= 1 subtracts at every example of the batch, for each label that occurs",
    "from memory",
)
def whole_rows(y_pred, labels, a, parameters):
    layer = Readout(y_pred, a, parameters)
    scores = y_pred.copy()
    for t in range(layer.steps):
        scores[labels[:, t], :, t] -= 1
    return layer.from_scores(scores / (layer.batch * layer.steps))


@wrong(
    "readout_backward",
    "the mean divides by y_pred.size, by the classes too",
    "from memory",
)
def divided_by_size(y_pred, labels, a, parameters):
    layer = Readout(y_pred, a, parameters)
    return layer.from_scores(layer.minus_one_at(labels) / y_pred.size)


@wrong(
    "readout_backward",
    "y_pred is taken for scores: softmax is applied a second time",
    "from memory",
)
def softmax_twice(y_pred, labels, a, parameters):
    weights = np.exp(y_pred)
    layer = Readout(weights / weights.sum(axis=0, keepdims=True), a, parameters)
    return layer.from_scores(layer.minus_one_at(labels) / (layer.batch * layer.steps))
