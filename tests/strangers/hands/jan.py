"""Jan is at the forward passes of the LSTM."""

import numpy as np

from strangers.made import right, wrong


def sigma(z):
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z, axis=0):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@right("lstm_cell_forward", "a gate a line, concat made by hand")
def cell(xt, a_prev, c_prev, p):
    n_a, m = a_prev.shape
    concat = np.zeros((n_a + xt.shape[0], m))
    concat[:n_a, :], concat[n_a:, :] = a_prev, xt
    ft = sigma(np.matmul(p["Wf"], concat) + p["bf"])
    it = sigma(np.matmul(p["Wi"], concat) + p["bi"])
    cct = np.tanh(np.matmul(p["Wc"], concat) + p["bc"])
    c_next = np.multiply(ft, c_prev) + np.multiply(it, cct)
    ot = sigma(np.matmul(p["Wo"], concat) + p["bo"])
    a_next = ot * np.tanh(c_next)
    y = softmax(np.matmul(p["Wy"], a_next) + p["by"])
    return (
        a_next,
        c_next,
        y,
        (
            a_next,
            c_next,
            a_prev,
            c_prev,
            ft,
            it,
            cct,
            ot,
            xt,
            p,
        ),
    )


@right("lstm_forward", "the notebook's loop")
def whole(x, a0, p):
    T = x.shape[2]
    n_a, m = a0.shape
    a, c = np.zeros((n_a, m, T)), np.zeros((n_a, m, T))
    y, caches = np.zeros((len(p["by"]), m, T)), []
    at, ct = a0, np.zeros(a0.shape)
    for t in range(T):
        at, ct, yt, cache = cell(x[:, :, t], at, ct, p)
        a[:, :, t], c[:, :, t], y[:, :, t] = at, ct, yt
        caches.append(cache)
    return a, y, c, (caches, x)


def built(gates=None, memory=None, state=None, out=None, cached=None):
    """A cell of hers with one line written another way."""

    def lstm_cell_forward(xt, a_prev, c_prev, p):
        v = np.concatenate([a_prev, xt])
        f, i, g, o = (gates or usual)(v, p)
        c = memory(f, i, g, c_prev) if memory else f * c_prev + i * g
        a = state(o, c) if state else o * np.tanh(c)
        y = out(p, a) if out else softmax(p["Wy"] @ a + p["by"])
        cache = (a, c, a_prev, c_prev, f, i, g, o, xt, p)
        return a, c, y, cached(cache) if cached else cache

    return lstm_cell_forward


def usual(v, p):
    f, i, g, o = (p["W" + k] @ v + p["b" + k] for k in "fico")
    return sigma(f), sigma(i), np.tanh(g), sigma(o)


def one_bias(v, p):
    f, i, g, o = (
        p["W" + k] @ v + p["b" + b] for k, b in zip("fico", "ooco", strict=True)
    )
    return sigma(f), sigma(i), np.tanh(g), sigma(o)


bo_in_three_gates = wrong(
    "lstm_cell_forward",
    "the bias of o is added in f and i as well",
    "bo everywhere",
)(built(gates=one_bias))


def no_candidate_tanh(v, p):
    f, i, g, o = (p["W" + k] @ v + p["b" + k] for k in "fico")
    return sigma(f), sigma(i), sigma(g), sigma(o)


sigmoid_candidate = wrong(
    "lstm_cell_forward",
    "the candidate goes through sigmoid instead of tanh",
    "a line copied from its neighbour, from memory",
)(built(gates=no_candidate_tanh))


def hard(v, p):
    f, i, g, o = (p["W" + k] @ v + p["b" + k] for k in "fico")
    return sigma(f), 1 - sigma(f), np.tanh(g), sigma(o)


coupled = wrong(
    "lstm_cell_forward",
    "the input gate is 1 - f, as in a coupled LSTM",
    "another variant of the unit, from memory",
)(built(gates=hard))

a_without_tanh = wrong(
    "lstm_cell_forward",
    "a_next = o * c_next, without tanh",
    "no tanh",
)(built(state=lambda o, c: o * c))

tanh_outside = wrong(
    "lstm_cell_forward",
    "a_next = tanh(o * c_next): the tanh is around the product",
    "a parenthesis in the wrong place, from memory",
)(built(state=lambda o, c: np.tanh(o * c)))

sum_for_product = wrong(
    "lstm_cell_forward",
    "c_next = f * c_prev + (i + cct): a sum where the product belongs",
    "+ for *",
)(built(memory=lambda f, i, g, c: f * c + (i + g)))

gates_exchanged = wrong(
    "lstm_cell_forward",
    "c_next = i * c_prev + f * cct: the two gates are exchanged",
    "two gates mixed up, from memory",
)(built(memory=lambda f, i, g, c: i * c + f * g))

memory_not_kept = wrong(
    "lstm_cell_forward",
    "c_next = i * cct: the old memory is forgotten",
    "a term forgotten, from memory",
)(built(memory=lambda f, i, g, c: i * g))

prediction_of_c = wrong(
    "lstm_cell_forward",
    "softmax over the examples",
    "the axis of softmax, from memory",
    tags="axis",
)(built(out=lambda p, a: softmax(p["Wy"] @ a + p["by"], axis=1)))

no_by = wrong(
    "lstm_cell_forward",
    "by is not added",
    "a term forgotten, from memory",
)(built(out=lambda p, a: softmax(p["Wy"] @ a)))


def swapped(cache):
    a, c, a_prev, c_prev, f, i, g, o, xt, p = cache
    return (a, c, a_prev, c_prev, f, i, o, g, xt, p)


cache_o_before_g = wrong(
    "lstm_cell_forward",
    "the cache holds o before the candidate",
    "the order of a tuple, from memory",
    tags="caches",
)(built(cached=swapped))

tanh_in_cache = wrong(
    "lstm_cell_forward",
    "the cache holds tanh(c_next) in the place of c_next",
    "a value kept for later in the wrong slot, from memory",
    tags="caches",
)(built(cached=lambda s: (s[0], np.tanh(s[1]), *s[2:])))


@wrong(
    "lstm_cell_forward",
    "c_prev is updated in place: the cache's c_prev is the new memory",
    "c = a",
    tags="view",
)
def memory_in_place(xt, a_prev, c_prev, p):
    f, i, g, o = usual(np.vstack([a_prev, xt]), p)
    c = c_prev = c_prev.copy()
    c *= f
    c += i * g
    a = o * np.tanh(c)
    y = softmax(p["Wy"] @ a + p["by"])
    return a, c, y, (a, c, a_prev, c_prev, f, i, g, o, xt, p)


@wrong(
    "lstm_cell_forward",
    "[x; a] is fed to weights that act on [a; x]",
    "a concatenation in the other order, from memory",
)
def x_first(xt, a_prev, c_prev, p):
    f, i, g, o = usual(np.concatenate((xt, a_prev), axis=0), p)
    c = f * c_prev + i * g
    a = o * np.tanh(c)
    y = softmax(p["Wy"] @ a + p["by"])
    return a, c, y, (a, c, a_prev, c_prev, f, i, g, o, xt, p)


@wrong(
    "lstm_cell_forward",
    "by is not added, and the input gate has the forget gate's bias",
    "two slips in one evening, from memory",
    tags="double",
)
def by_and_bi(xt, a_prev, c_prev, p):
    v = np.vstack([a_prev, xt])
    f, _, g, o = usual(v, p)
    i = sigma(p["Wi"] @ v + p["bf"])
    c = f * c_prev + i * g
    a = o * np.tanh(c)
    return a, c, softmax(p["Wy"] @ a), (a, c, a_prev, c_prev, f, i, g, o, xt, p)


@wrong(
    "lstm_forward",
    "c is a second name of a: c = a",
    "c = a",
    step=0,
    tags="view",
)
def c_is_a(x, a0, p):
    T = x.shape[2]
    a = np.zeros((*a0.shape, T))
    c = a
    y, caches = np.zeros((len(p["by"]), a0.shape[1], T)), []
    at, ct = a0, np.zeros_like(a0)
    for t in range(T):
        at, ct, y[:, :, t], cache = cell(x[:, :, t], at, ct, p)
        a[:, :, t] = at
        c[:, :, t] = ct
        caches.append(cache)
    return a, y, c, (caches, x)


@wrong(
    "lstm_forward",
    "the memory begins with a0 instead of zeros",
    "a start state too many, from memory",
    step={
        "*": 0,
        "cache ft": 1,
        "cache it": 1,
        "cache cct": 1,
        "cache ot": 1,
        "cache a_prev": 1,
    },
)
def memory_begins_with_a0(x, a0, p):
    out = []
    at, ct = a0, a0
    for t in range(x.shape[2]):
        at, ct, yt, cache = cell(x[:, :, t], at, ct, p)
        out.append((at, yt, ct, cache))
    a, y, c, caches = zip(*out, strict=True)
    return np.dstack(a), np.dstack(y), np.dstack(c), (list(caches), x)


@wrong(
    "lstm_forward",
    "the memory is never handed on: every step begins with c = 0",
    "h not passed",
    step={
        "*": 1,
        "cache ft": 2,
        "cache it": 2,
        "cache cct": 2,
        "cache ot": 2,
        "cache a_prev": 2,
    },
)
def memory_always_zero(x, a0, p):
    out, at = [], a0
    for t in range(x.shape[2]):
        at, ct, yt, cache = cell(x[:, :, t], at, np.zeros_like(a0), p)
        out.append((at, yt, ct, cache))
    a, y, c, caches = zip(*out, strict=True)
    return np.dstack(a), np.dstack(y), np.dstack(c), (list(caches), x)


@wrong(
    "lstm_forward",
    "c is returned before y",
    "the order of a tuple, from memory",
    step={"*": None},
    words=r"order|exchang|swap|shape",
)
def c_before_y(x, a0, p):
    a, y, c, caches = whole(x, a0, p)
    return a, c, y, caches


@wrong(
    "lstm_forward",
    "the slot before is read for both states: at t = 0 it is the last one, of zeros, "
    "kept as a view",
    "a[t-1] at 0",
    step=0,
    tags="view time",
)
def slots_before(x, a0, p):
    T = x.shape[2]
    a, c = np.zeros((*a0.shape, T)), np.zeros((*a0.shape, T))
    y, caches = np.zeros((len(p["by"]), a0.shape[1], T)), []
    for t in range(T):
        a[:, :, t], c[:, :, t], y[:, :, t], cache = cell(
            x[:, :, t], a[:, :, t - 1], c[:, :, t - 1], p
        )
        caches.append(cache)
    return a, y, c, (caches, x)


@wrong(
    "lstm_forward",
    "c_next in the caches is a buffer that every step writes again",
    "one array",
    step={"cache c_next": 0},
    tags="view",
)
def memory_buffer(x, a0, p):
    a, y, c, (caches, x) = whole(x, a0, p)
    buffer, kept = np.zeros_like(a0), []
    for t, s in enumerate(caches):
        buffer[...] = c[:, :, t]
        kept.append((s[0], buffer, *s[2:]))
    return a, y, c, (kept, x)


@wrong(
    "lstm_forward",
    "the state is handed on as tanh(c) instead of a",
    "the output gate forgotten on the way to the next step, from memory",
    step={"*": 1, "cache c_prev": 2},
)
def tanh_c_handed_on(x, a0, p):
    out, at, ct = [], a0, np.zeros_like(a0)
    for t in range(x.shape[2]):
        at, ct, yt, cache = cell(x[:, :, t], at, ct, p)
        out.append((at, yt, ct, cache))
        at = np.tanh(ct)
    a, y, c, caches = zip(*out, strict=True)
    return np.dstack(a), np.dstack(y), np.dstack(c), (list(caches), x)
