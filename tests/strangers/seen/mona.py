"""Mona: everything is an object; caches become dataclasses, a cell is a class."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from strangers.made import right, wrong

# ---------------------------------------------------------------- activations


class Sigmoid:
    @staticmethod
    def value(z):
        return 1.0 / (1.0 + np.exp(-z))

    @staticmethod
    def slope(s):
        return s * (1.0 - s)


class Tanh:
    @staticmethod
    def value(z):
        return np.tanh(z)

    @staticmethod
    def slope(s):
        return 1.0 - s * s


class Softmax:
    @staticmethod
    def value(z):
        e = np.exp(z - z.max(axis=0, keepdims=True))
        return e / e.sum(axis=0, keepdims=True)


# --------------------------------------------------------------------- caches


@dataclass
class RnnCache:
    a_next: Any
    a_prev: Any
    xt: Any
    parameters: dict


@dataclass
class LstmCache:
    a_next: Any
    c_next: Any
    a_prev: Any
    c_prev: Any
    ft: Any
    it: Any
    cct: Any
    ot: Any
    xt: Any
    parameters: dict

    @property
    def n_a(self):
        return self.a_next.shape[0]

    @property
    def concat(self):
        return np.concatenate((self.a_prev, self.xt), axis=0)

    @property
    def squashed(self):
        return np.tanh(self.c_next)


@dataclass
class RnnGradients:
    dWax: Any
    dWaa: Any
    dba: Any

    @classmethod
    def zeros(cls, p):
        return cls(*(np.zeros_like(p[k]) for k in ("Wax", "Waa", "ba")))

    def add(self, dz, xt, a_prev):
        self.dWax += np.dot(dz, xt.T)
        self.dWaa += np.dot(dz, a_prev.T)
        self.dba += np.sum(dz, axis=1, keepdims=True)

    def as_dict(self):
        return {f.name: getattr(self, f.name) for f in fields(self)}


class LstmGradients:
    GATES = ("f", "i", "c", "o")

    def __init__(self, p):
        self.store = {}
        for g in self.GATES:
            self.store["dW" + g] = np.zeros_like(p["W" + g])
            self.store["db" + g] = np.zeros_like(p["b" + g])

    def add(self, deltas, concat):
        for g in self.GATES:
            self.store["dW" + g] += np.dot(deltas[g], concat.T)
            self.store["db" + g] += np.sum(deltas[g], axis=1, keepdims=True)


class LstmStep:
    """One step of the way back. Ask for memory(), then deltas(), then inputs()."""

    def __init__(self, cache):
        self.k = LstmCache(*cache)
        self.p = self.k.parameters

    def memory(self, da, dc):
        return dc + da * self.k.ot * Tanh.slope(self.k.squashed)

    def deltas(self, da, dc_total):
        k = self.k
        return {
            "f": dc_total * k.c_prev * Sigmoid.slope(k.ft),
            "i": dc_total * k.cct * Sigmoid.slope(k.it),
            "c": dc_total * k.it * Tanh.slope(k.cct),
            "o": da * k.squashed * Sigmoid.slope(k.ot),
        }

    def inputs(self, deltas):
        d = sum(np.dot(self.p["W" + g].T, deltas[g]) for g in "fico")
        return d[: self.k.n_a], d[self.k.n_a :]


# ------------------------------------------------ the other layout, (N, T, D)


@dataclass
class RnnSequenceCache:
    x: Any
    h0: Any
    h: Any
    Wx: Any
    Wh: Any


@dataclass
class RnnCellCache:
    x: Any
    prev_h: Any
    next_h: Any
    Wx: Any
    Wh: Any


class VanillaCell:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h):
        return Tanh.value(x @ self.Wx + h @ self.Wh + self.b)


def vanilla_step(x, prev_h, Wx, Wh, b):
    next_h = VanillaCell(Wx, Wh, b).forward(x, prev_h)
    return next_h, RnnCellCache(x, prev_h, next_h, Wx, Wh)


def vanilla_run(x, h0, Wx, Wh, b):
    cell = VanillaCell(Wx, Wh, b)
    N, T, _ = x.shape
    h = np.empty((N, T, h0.shape[1]))
    state = h0
    for t in range(T):
        state = cell.forward(x[:, t], state)
        h[:, t] = state
    return h, RnnSequenceCache(x, h0, h, Wx, Wh)


@dataclass
class LstmCellCache:
    x: Any
    prev_h: Any
    prev_c: Any
    next_c: Any
    i: Any
    f: Any
    o: Any
    g: Any
    Wx: Any
    Wh: Any


class MemoryCell:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h, c):
        H = h.shape[1]
        act = x @ self.Wx + h @ self.Wh + self.b
        i = Sigmoid.value(act[:, :H])
        f = Sigmoid.value(act[:, H : 2 * H])
        o = Sigmoid.value(act[:, 2 * H : 3 * H])
        g = Tanh.value(act[:, 3 * H :])
        next_c = f * c + i * g
        next_h = o * np.tanh(next_c)
        cache = LstmCellCache(x, h, c, next_c, i, f, o, g, self.Wx, self.Wh)
        return next_h, next_c, cache


def memory_step(x, prev_h, prev_c, Wx, Wh, b):
    return MemoryCell(Wx, Wh, b).forward(x, prev_h, prev_c)


def memory_run(x, h0, Wx, Wh, b):
    cell = MemoryCell(Wx, Wh, b)
    h, c = h0, np.zeros_like(h0)
    hs, caches = [], []
    for t in range(x.shape[1]):
        h, c, cache = cell.forward(x[:, t], h, c)
        hs.append(h)
        caches.append(cache)
    return np.stack(hs, axis=1), caches


@dataclass
class GruCache:
    x: Any
    prev_h: Any
    r: Any
    z: Any
    n: Any
    Wx: Any
    Wh: Any

    @property
    def H(self):
        return self.prev_h.shape[1]

    def block(self, W, name):
        k = "rzn".index(name)
        return W[:, k * self.H : (k + 1) * self.H]


class GatedCell:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h):
        H = h.shape[1]
        xs = x @ self.Wx + self.b
        rz = Sigmoid.value(xs[:, : 2 * H] + h @ self.Wh[:, : 2 * H])
        r, z = rz[:, :H], rz[:, H:]
        n = Tanh.value(xs[:, 2 * H :] + (r * h) @ self.Wh[:, 2 * H :])
        return (1 - z) * n + z * h, GruCache(x, h, r, z, n, self.Wx, self.Wh)


def gated_step(x, prev_h, Wx, Wh, b):
    return GatedCell(Wx, Wh, b).forward(x, prev_h)


def gated_run(x, h0, Wx, Wh, b):
    cell, h, hs, caches = GatedCell(Wx, Wh, b), h0, [], []
    for t in range(x.shape[1]):
        h, cache = cell.forward(x[:, t], h)
        hs.append(h)
        caches.append(cache)
    return np.stack(hs, axis=1), caches


# ------------------------------------------------------------------------ rnn


@wrong(
    "rnn_backward",
    "what comes from the step after is added behind the slope of tanh",
    "from memory",
)
def carry_joins_late(da, caches):
    class Unroller:
        def __init__(self, steps):
            self.steps = [RnnCache(*s) for s in steps]
            self.p = self.steps[0].parameters
            self.grads = RnnGradients.zeros(self.p)
            self.carry = np.zeros_like(self.steps[0].a_prev)

        def back(self, t, da_t):
            s = self.steps[t]
            dz = da_t * Tanh.slope(s.a_next) + self.carry
            self.grads.add(dz, s.xt, s.a_prev)
            self.carry = np.dot(self.p["Waa"].T, dz)
            return np.dot(self.p["Wax"].T, dz)

    steps, x = caches
    unroller = Unroller(steps)
    dx = np.zeros_like(x)
    for t in reversed(range(x.shape[2])):
        dx[:, :, t] = unroller.back(t, da[:, :, t])
    return {"dx": dx, "da0": unroller.carry, **unroller.grads.as_dict()}


@wrong(
    "rnn_backward",
    "da0 is what arrives at the first step, not yet taken through the cell",
    "from memory",
)
def stops_at_the_door(da, caches):
    class State:
        def __init__(self, shape):
            self.incoming = np.zeros(shape)
            self.outgoing = np.zeros(shape)

        def receive(self, da_t):
            self.incoming = self.outgoing + da_t

        def send(self, d):
            self.outgoing = d

    (steps, x) = caches
    n_x, m, T = x.shape
    first = RnnCache(*steps[0])
    p = first.parameters
    state = State(first.a_prev.shape)
    grads = RnnGradients.zeros(p)
    dx = np.zeros((n_x, m, T))
    for t in range(T - 1, -1, -1):
        k = RnnCache(*steps[t])
        state.receive(da[:, :, t])
        dz = state.incoming * (1 - k.a_next**2)
        dx[:, :, t] = p["Wax"].T @ dz
        grads.add(dz, k.xt, k.a_prev)
        state.send(p["Waa"].T @ dz)
    return {"dx": dx, "da0": state.incoming, **grads.as_dict()}


@wrong(
    "rnn_cell_forward",
    "the prediction is read from z, before the tanh",
    "from memory",
)
def reads_before_tanh(xt, a_prev, parameters):
    class Cell:
        def __init__(self, p):
            self.__dict__.update(p)

        def hidden(self):
            self.z = self.Wax @ xt + self.Waa @ a_prev + self.ba
            self.a = np.tanh(self.z)
            return self.a

        def output(self):
            return Softmax.value(self.Wya @ self.z + self.by)

    cell = Cell(parameters)
    a_next = cell.hidden()
    yt_pred = cell.output()
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


@wrong(
    "rnn_forward",
    "the softmax is normalised over the whole batch: sum without an axis",
    "from memory",
)
def one_softmax_for_all(x, a0, parameters):
    class Network:
        def __init__(self, p, a0):
            self.p, self.a, self.caches = p, a0, []

        def softmax(self, z):
            e_z = np.exp(z - np.max(z))
            return e_z / e_z.sum()

        def step(self, xt):
            p, a_prev = self.p, self.a
            self.a = np.tanh(np.dot(p["Wax"], xt) + np.dot(p["Waa"], a_prev) + p["ba"])
            self.caches.append((self.a, a_prev, xt, p))
            return self.a, self.softmax(np.dot(p["Wya"], self.a) + p["by"])

    net = Network(parameters, a0)
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wya"].shape
    a, y_pred = np.zeros((n_a, m, T)), np.zeros((n_y, m, T))
    for t in range(T):
        a[:, :, t], y_pred[:, :, t] = net.step(x[:, :, t])
    return a, y_pred, (net.caches, x)


@wrong(
    "rnn_backward",
    "dx of every step is one and the same buffer, which holds step 0 in the end",
    "from memory",
    tags="view",
)
def one_buffer(da, caches):
    class Workspace:
        """Memory that is allocated once."""

        def __init__(self, n_x, n_a, m):
            self.dxt = np.empty((n_x, m))
            self.da_prev = np.zeros((n_a, m))
            self.history = []

        def run(self, p, dz):
            np.matmul(p["Wax"].T, dz, out=self.dxt)
            np.matmul(p["Waa"].T, dz, out=self.da_prev)
            self.history.insert(0, self.dxt)

    steps, x = caches
    p = steps[0][3]
    space = Workspace(x.shape[0], da.shape[0], x.shape[1])
    grads = RnnGradients.zeros(p)
    for t in range(len(steps))[::-1]:
        k = RnnCache(*steps[t])
        dz = (da[:, :, t] + space.da_prev) * Tanh.slope(k.a_next)
        space.run(p, dz)
        grads.add(dz, k.xt, k.a_prev)
    return {
        "dx": np.stack(space.history, axis=2),
        "da0": space.da_prev,
        **grads.as_dict(),
    }


@wrong(
    "rnn_backward",
    "before step 0 stands h[:, -1], the last state, where h0 belongs",
    "from memory",
    convention="ntd",
    forward=vanilla_run,
    tags="time",
)
def wraps_around(dh, cache):
    class Reader:
        def __init__(self, c):
            self.c = c

        def now(self, t):
            return self.c.h[:, t]

        def before(self, t):
            return self.c.h[:, t - 1]

    read = Reader(cache)
    dx = np.zeros_like(cache.x)
    dWx, dWh = np.zeros_like(cache.Wx), np.zeros_like(cache.Wh)
    db = np.zeros(cache.Wh.shape[0])
    carry = np.zeros_like(cache.h0)
    for t in reversed(range(dh.shape[1])):
        dz = (dh[:, t] + carry) * Tanh.slope(read.now(t))
        dx[:, t] = dz @ cache.Wx.T
        dWx += cache.x[:, t].T @ dz
        dWh += read.before(t).T @ dz
        db += dz.sum(axis=0)
        carry = dz @ cache.Wh.T
    return dx, carry, dWx, dWh, db


@wrong(
    "rnn_cell_backward",
    "the slope is 1 - h without the square; db is the mean over the batch",
    "from memory",
    convention="ntd",
    forward=vanilla_step,
    tags="double",
)
def no_square_and_a_mean(dnext_h, cache):
    class Back:
        def __init__(self, cache, d):
            self.cache = cache
            self.dz = d * (1 - cache.next_h)

        def weights(self):
            return self.cache.x.T @ self.dz, self.cache.prev_h.T @ self.dz

        def bias(self):
            return np.mean(self.dz, axis=0)

        def inputs(self):
            return self.dz @ self.cache.Wx.T, self.dz @ self.cache.Wh.T

    back = Back(cache, dnext_h)
    return (*back.inputs(), *back.weights(), back.bias())


# ----------------------------------------------------------------------- lstm


@wrong(
    "lstm_backward",
    "the memory's gradient goes to the step before without the forget gate",
    "from memory",
)
def never_forgets(da, caches):
    @dataclass
    class Carry:
        a: Any
        c: Any

    steps, x = caches
    carry = Carry(np.zeros(da.shape[:2]), np.zeros(da.shape[:2]))
    grads = LstmGradients(steps[0][-1])
    dx = np.zeros(x.shape)
    for t in reversed(range(x.shape[2])):
        step = LstmStep(steps[t])
        da_t = da[:, :, t] + carry.a
        dc_t = step.memory(da_t, carry.c)
        deltas = step.deltas(da_t, dc_t)
        grads.add(deltas, step.k.concat)
        carry.a, dx[:, :, t] = step.inputs(deltas)
        carry.c = dc_t
    return {"dx": dx, "da0": carry.a, **grads.store}


@wrong(
    "lstm_cell_backward",
    "the weights' gradients are laid out as [xt; a_prev]",
    "from memory",
)
def stack_upside_down(da_next, dc_next, cache):
    class Back(LstmStep):
        @property
        def stacked(self):
            return np.vstack([self.k.xt, self.k.a_prev])

        def gradients(self, deltas):
            out = {}
            for gate, delta in deltas.items():
                out["dW" + gate] = delta @ self.stacked.T
                out["db" + gate] = delta.sum(axis=1, keepdims=True)
            return out

    step = Back(cache)
    dc = step.memory(da_next, dc_next)
    deltas = step.deltas(da_next, dc)
    da_prev, dxt = step.inputs(deltas)
    dc_prev = dc * step.k.ft
    return {
        "dxt": dxt,
        "da_prev": da_prev,
        "dc_prev": dc_prev,
        **step.gradients(deltas),
    }


@wrong(
    "lstm_cell_backward",
    "the input gate gets tanh(cct), though cct is the candidate already; "
    "the output gate gets c_next without its tanh",
    "from memory",
    tags="double",
)
def squashed_too_often_and_not_at_all(da_next, dc_next, cache):
    class Gate:
        def __init__(self, name, value, p):
            self.name, self.value = name, value
            self.W = p["W" + name]

        def receive(self, d):
            kind = Tanh if self.name == "c" else Sigmoid
            self.delta = d * kind.slope(self.value)
            return self

        def report(self, concat):
            return {
                "dW" + self.name: np.dot(self.delta, concat.T),
                "db" + self.name: np.sum(self.delta, axis=1, keepdims=True),
            }

    k = LstmCache(*cache)
    p = k.parameters
    dc = dc_next + k.ot * Tanh.slope(np.tanh(k.c_next)) * da_next
    gates = [
        Gate("f", k.ft, p).receive(dc * k.c_prev),
        Gate("i", k.it, p).receive(dc * np.tanh(k.cct)),
        Gate("c", k.cct, p).receive(dc * k.it),
        Gate("o", k.ot, p).receive(da_next * k.c_next),
    ]
    d = sum(gate.W.T @ gate.delta for gate in gates)
    result = {"dxt": d[k.n_a :], "da_prev": d[: k.n_a], "dc_prev": dc * k.ft}
    for gate in gates:
        result.update(gate.report(k.concat))
    return result


@wrong(
    "lstm_backward",
    "on the way to a_prev and xt, Wc meets the delta of o and Wo that of c",
    "from memory",
)
def gates_zipped_crosswise(da, caches):
    class Layer:
        def __init__(self, p):
            self.weights = [p["Wf"], p["Wi"], p["Wc"], p["Wo"]]
            self.grads = LstmGradients(p)

        def pull(self, deltas):
            order = [deltas["f"], deltas["i"], deltas["o"], deltas["c"]]
            total = 0
            for W, delta in zip(self.weights, order):
                total = total + W.T @ delta
            return total

    steps, x = caches
    n_a, m, T = da.shape
    layer = Layer(steps[-1][-1])
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    dx = np.zeros_like(x)
    for t in range(T - 1, -1, -1):
        step = LstmStep(steps[t])
        da_t = da_prevt + da[:, :, t]
        dc_t = step.memory(da_t, dc_prevt)
        deltas = step.deltas(da_t, dc_t)
        layer.grads.add(deltas, step.k.concat)
        pulled = layer.pull(deltas)
        da_prevt, dx[:, :, t] = pulled[:n_a], pulled[n_a:]
        dc_prevt = dc_t * step.k.ft
    return {"dx": dx, "da0": da_prevt, **layer.grads.store}


@wrong(
    "lstm_forward",
    "the memory is changed in place, so that all caches hold the last c",
    "from memory",
    tags="view",
)
def one_memory_for_all(x, a0, parameters):
    class Lstm:
        def __init__(self, p, a0):
            self.p = p
            self.a = a0
            self.c = np.zeros(a0.shape)
            self.caches = []

        def gate(self, name, concat, f):
            return f(self.p["W" + name] @ concat + self.p["b" + name])

        def step(self, xt):
            a_prev, c_prev = self.a, self.c
            concat = np.concatenate([a_prev, xt])
            ft = self.gate("f", concat, Sigmoid.value)
            it = self.gate("i", concat, Sigmoid.value)
            cct = self.gate("c", concat, Tanh.value)
            ot = self.gate("o", concat, Sigmoid.value)
            self.c *= ft
            self.c += it * cct
            self.a = ot * np.tanh(self.c)
            self.caches.append(
                (self.a, self.c, a_prev, c_prev, ft, it, cct, ot, xt, self.p)
            )
            return Softmax.value(self.p["Wy"] @ self.a + self.p["by"])

    lstm = Lstm(parameters, a0)
    n_x, m, T = x.shape
    n_y, n_a = parameters["Wy"].shape
    a, c = np.zeros((n_a, m, T)), np.zeros((n_a, m, T))
    y = np.zeros((n_y, m, T))
    for t in range(T):
        y[:, :, t] = lstm.step(x[:, :, t])
        a[:, :, t] = lstm.a
        c[:, :, t] = lstm.c
    return a, y, c, (lstm.caches, x)


@wrong(
    "lstm_backward",
    "the deltas are put together as i, f, g, o; the columns are i, f, o, g",
    "from memory",
    convention="ntd",
    forward=memory_run,
)
def i_f_g_o(dh, cache):
    class Tape:
        def __init__(self, caches):
            self.caches = caches
            k = caches[0]
            self.dWx = np.zeros(k.Wx.shape)
            self.dWh = np.zeros(k.Wh.shape)
            self.db = np.zeros(k.Wx.shape[1])
            self.dh = np.zeros(k.prev_h.shape)
            self.dc = np.zeros(k.prev_h.shape)

        def pop(self, dh_t):
            k = self.caches.pop()
            dh_t = dh_t + self.dh
            tc = np.tanh(k.next_c)
            dc = self.dc + dh_t * k.o * (1 - tc**2)
            di = dc * k.g * Sigmoid.slope(k.i)
            df = dc * k.prev_c * Sigmoid.slope(k.f)
            do = dh_t * tc * Sigmoid.slope(k.o)
            dg = dc * k.i * Tanh.slope(k.g)
            dact = np.hstack([di, df, dg, do])
            self.dWx += k.x.T @ dact
            self.dWh += k.prev_h.T @ dact
            self.db += dact.sum(axis=0)
            self.dh = dact @ k.Wh.T
            self.dc = dc * k.f
            return dact @ k.Wx.T

    tape = Tape(list(cache))
    T = dh.shape[1]
    dx = np.stack([tape.pop(dh[:, t]) for t in range(T - 1, -1, -1)][::-1], axis=1)
    return dx, tape.dh, tape.dWx, tape.dWh, tape.db


@wrong(
    "lstm_cell_backward",
    "dprev_c takes dnext_c alone, without what came through tanh(next_c)",
    "from memory",
    convention="ntd",
    forward=memory_step,
)
def memory_hears_no_h(dnext_h, dnext_c, cache):
    class Back:
        def __init__(self, k):
            self.k = k
            self.H = k.prev_h.shape[1]
            self.dact = np.zeros((k.x.shape[0], 4 * self.H))

        def put(self, slot, value):
            self.dact[:, slot * self.H : (slot + 1) * self.H] = value

        def run(self):
            k = self.k
            tc = np.tanh(k.next_c)
            dc = dnext_c + dnext_h * k.o * Tanh.slope(tc)
            self.put(0, dc * k.g * Sigmoid.slope(k.i))
            self.put(1, dc * k.prev_c * Sigmoid.slope(k.f))
            self.put(2, dnext_h * tc * Sigmoid.slope(k.o))
            self.put(3, dc * k.i * Tanh.slope(k.g))
            self.dprev_c = dnext_c * k.f
            return self

    back = Back(cache).run()
    return (
        back.dact @ cache.Wx.T,
        back.dact @ cache.Wh.T,
        back.dprev_c,
        cache.x.T @ back.dact,
        cache.prev_h.T @ back.dact,
        back.dact.sum(axis=0),
    )


@wrong(
    "lstm_backward",
    "dict.fromkeys gives all four gates the same array to add to",
    "from memory",
    tags="view",
)
def shared_accumulator(da, caches):
    class Totals:
        def __init__(self, W, b):
            self.W = dict.fromkeys(["dWf", "dWi", "dWc", "dWo"], np.zeros(W.shape))
            self.b = dict.fromkeys(["dbf", "dbi", "dbc", "dbo"], np.zeros(b.shape))

        def add(self, gate, delta, concat):
            self.W["dW" + gate] += delta @ concat.T
            self.b["db" + gate] += delta.sum(axis=1, keepdims=True)

    steps, x = caches
    p = steps[0][-1]
    totals = Totals(p["Wf"], p["bf"])
    n_a, m, T = da.shape
    da_next, dc_next = np.zeros((n_a, m)), np.zeros((n_a, m))
    dx = np.zeros(x.shape)
    for t in reversed(range(T)):
        step = LstmStep(steps[t])
        da_next = da_next + da[:, :, t]
        dc_next = step.memory(da_next, dc_next)
        deltas = step.deltas(da_next, dc_next)
        for gate in deltas:
            totals.add(gate, deltas[gate], step.k.concat)
        da_next, dx[:, :, t] = step.inputs(deltas)
        dc_next = dc_next * step.k.ft
    return {"dx": dx, "da0": da_next, **totals.W, **totals.b}


# ------------------------------------------------------------------------ gru


@wrong(
    "gru_cell_backward",
    "the direct way of prev_h through z is forgotten",
    "from memory",
    convention="ntd",
    forward=gated_step,
)
def no_shortcut(dnext_h, cache):
    class Back:
        def __init__(self, k, d):
            self.k = k
            self.dn = d * (1 - k.z) * Tanh.slope(k.n)
            self.dz = d * (k.prev_h - k.n) * Sigmoid.slope(k.z)
            self.drh = self.dn @ k.block(k.Wh, "n").T
            self.dr = self.drh * k.prev_h * Sigmoid.slope(k.r)

        def all(self):
            return np.concatenate([self.dr, self.dz, self.dn], axis=1)

        def dprev_h(self):
            k = self.k
            d = self.drh * k.r
            d = d + self.dr @ k.block(k.Wh, "r").T
            d = d + self.dz @ k.block(k.Wh, "z").T
            return d

        def dWh(self):
            k = self.k
            return np.concatenate(
                [
                    k.prev_h.T @ self.dr,
                    k.prev_h.T @ self.dz,
                    (k.r * k.prev_h).T @ self.dn,
                ],
                axis=1,
            )

    b = Back(cache, dnext_h)
    return (
        b.all() @ cache.Wx.T,
        b.dprev_h(),
        cache.x.T @ b.all(),
        b.dWh(),
        b.all().sum(axis=0),
    )


@wrong(
    "gru_backward",
    "what comes back to r * prev_h is added to dprev_h without the r",
    "from memory",
    convention="ntd",
    forward=gated_run,
)
def product_left_whole(dh, cache):
    class Gru:
        def __init__(self, k):
            self.H = k.H
            self.Wx, self.Wh = k.Wx, k.Wh
            self.dWx, self.dWh = np.zeros_like(k.Wx), np.zeros_like(k.Wh)
            self.db = np.zeros(3 * k.H)

        def cols(self, k):
            return slice(k * self.H, (k + 1) * self.H)

        def accumulate(self, gate, delta, x, left):
            at = self.cols(gate)
            self.dWx[:, at] += x.T @ delta
            self.dWh[:, at] += left.T @ delta
            self.db[at] += delta.sum(axis=0)
            return delta @ self.Wx[:, at].T, delta @ self.Wh[:, at].T

        def step(self, d, k):
            dn = d * (1 - k.z) * (1 - k.n**2)
            dz = d * (k.prev_h - k.n) * k.z * (1 - k.z)
            x_n, rh_n = self.accumulate(2, dn, k.x, k.r * k.prev_h)
            dr = rh_n * k.prev_h * k.r * (1 - k.r)
            x_z, h_z = self.accumulate(1, dz, k.x, k.prev_h)
            x_r, h_r = self.accumulate(0, dr, k.x, k.prev_h)
            return x_n + x_z + x_r, d * k.z + rh_n + h_z + h_r

    gru = Gru(cache[0])
    carry = np.zeros_like(cache[0].prev_h)
    dx = [None] * len(cache)
    for t in range(len(cache) - 1, -1, -1):
        dx[t], carry = gru.step(dh[:, t] + carry, cache[t])
    return np.stack(dx, axis=1), carry, gru.dWx, gru.dWh, gru.db


@wrong(
    "gru_cell_backward",
    "dWh of the candidate is taken with prev_h, not with r * prev_h",
    "from memory",
    convention="ntd",
    forward=gated_step,
)
def same_left_side_for_all(dnext_h, cache):
    @dataclass
    class Deltas:
        r: Any
        z: Any
        n: Any

        def wide(self):
            return np.hstack((self.r, self.z, self.n))

    class Back:
        def __init__(self, k):
            self.k = k

        def candidate(self, d):
            return d * (1 - self.k.z) * Tanh.slope(self.k.n)

        def run(self, d):
            k = self.k
            dn = self.candidate(d)
            d_reset = dn @ k.block(k.Wh, "n").T
            deltas = Deltas(
                d_reset * k.prev_h * Sigmoid.slope(k.r),
                d * (k.prev_h - k.n) * Sigmoid.slope(k.z),
                dn,
            )
            dprev = d * k.z + d_reset * k.r
            dprev += deltas.r @ k.block(k.Wh, "r").T
            dprev += deltas.z @ k.block(k.Wh, "z").T
            return deltas.wide(), dprev

    wide, dprev_h = Back(cache).run(dnext_h)
    dx = wide @ cache.Wx.T
    return dx, dprev_h, cache.x.T @ wide, cache.prev_h.T @ wide, wide.sum(axis=0)


# -------------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "the ones are taken off y_pred itself, which the caller still has",
    "from memory",
    tags="view",
    words="y_pred&place|chang|overwr|modif|mutat",
)
def eats_the_predictions(y_pred, labels, a, parameters):
    class CrossEntropy:
        def __init__(self, probabilities, labels):
            self.p = probabilities
            self.labels = labels

        def backward(self):
            m, T = self.labels.shape
            rows, cols = np.indices((m, T))
            d = self.p
            d[self.labels, rows, cols] -= 1
            return d / (m * T)

    class Dense:
        def __init__(self, W):
            self.W = W

        def backward(self, d):
            self.dW = np.tensordot(d, a, axes=([1, 2], [1, 2]))
            self.db = d.sum(axis=(1, 2)).reshape(-1, 1)
            return np.tensordot(self.W.T, d, axes=1)

    dense = Dense(parameters["Wya"])
    da = dense.backward(CrossEntropy(y_pred, labels).backward())
    return {"da": da, "dWya": dense.dW, "dby": dense.db}


# --------------------------------------------------------------- right ones


@right("rnn_backward", "a chain of objects, each of which calls the one before")
def linked_steps(da, caches):
    class Node:
        def __init__(self, t, cache, before):
            self.t, self.k, self.before = t, RnnCache(*cache), before

        def back(self, carry, grads, dx):
            dz = (carry + da[:, :, self.t]) * Tanh.slope(self.k.a_next)
            grads.add(dz, self.k.xt, self.k.a_prev)
            dx[:, :, self.t] = self.k.parameters["Wax"].T @ dz
            carry = self.k.parameters["Waa"].T @ dz
            return self.before.back(carry, grads, dx) if self.before else carry

    steps, x = caches
    node = None
    for t, cache in enumerate(steps):
        node = Node(t, cache, node)
    grads, dx = RnnGradients.zeros(steps[0][3]), np.zeros_like(x)
    da0 = node.back(np.zeros(da.shape[:2]), grads, dx)
    return {"dx": dx, "da0": da0, **grads.as_dict()}


@right("lstm_backward", "step objects, a carry and an object that sums")
def by_step_objects(da, caches):
    steps, x = caches
    grads = LstmGradients(steps[0][-1])
    carry_a, carry_c = np.zeros(da.shape[:2]), np.zeros(da.shape[:2])
    dx = np.zeros_like(x)
    for t in reversed(range(len(steps))):
        step = LstmStep(steps[t])
        d = carry_a + da[:, :, t]
        memory = step.memory(d, carry_c)
        deltas = step.deltas(d, memory)
        grads.add(deltas, step.k.concat)
        carry_a, dx[:, :, t] = step.inputs(deltas)
        carry_c = memory * step.k.ft
    return {"dx": dx, "da0": carry_a, **grads.store}


@right(
    "gru_cell_backward",
    "a class with a property for each delta",
    convention="ntd",
    forward=gated_step,
)
def lazy_deltas(dnext_h, cache):
    class Back:
        @property
        def n(self):
            return dnext_h * (1 - cache.z) * Tanh.slope(cache.n)

        @property
        def z(self):
            return dnext_h * (cache.prev_h - cache.n) * Sigmoid.slope(cache.z)

        @property
        def reset_product(self):
            return self.n @ cache.block(cache.Wh, "n").T

        @property
        def r(self):
            return self.reset_product * cache.prev_h * Sigmoid.slope(cache.r)

        def left(self, name):
            return cache.r * cache.prev_h if name == "n" else cache.prev_h

    back = Back()
    wide = np.hstack([getattr(back, k) for k in "rzn"])
    dprev_h = dnext_h * cache.z + back.reset_product * cache.r
    for k in "rz":
        dprev_h = dprev_h + getattr(back, k) @ cache.block(cache.Wh, k).T
    dWh = np.hstack([back.left(k).T @ getattr(back, k) for k in "rzn"])
    return wide @ cache.Wx.T, dprev_h, cache.x.T @ wide, dWh, wide.sum(axis=0)
