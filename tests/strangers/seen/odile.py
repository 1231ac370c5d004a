"""Odile: everything is a fold. Nothing is assigned twice if it can be helped."""

from functools import reduce
from itertools import accumulate

import numpy as np
from strangers.made import right, wrong

sigmoid = lambda z: 1 / (1 + np.exp(-z))
d_sigmoid = lambda s: s * (1 - s)
d_tanh = lambda t: 1 - t * t
over_batch = lambda d: d.sum(axis=1, keepdims=True)
plus = lambda us, vs: tuple(u + v for u, v in zip(us, vs))
total = lambda tuples: reduce(plus, tuples)


# ------------------------------------------------------------------ plain rnn


@wrong(
    "rnn_cell_forward",
    "the softmax takes the maximum off in the numerator, not in the sum below",
    "from memory",
)
def cell(xt, a_prev, parameters):
    affine = lambda *terms: reduce(np.add, terms)
    softmax = lambda z: np.exp(z - z.max(axis=0)) / np.exp(z).sum(axis=0)
    a_next = np.tanh(
        affine(parameters["Wax"] @ xt, parameters["Waa"] @ a_prev, parameters["ba"])
    )
    return (
        a_next,
        softmax(affine(parameters["Wya"] @ a_next, parameters["by"])),
        (a_next, a_prev, xt, parameters),
    )


@wrong(
    "rnn_backward",
    "the dx of the steps are stacked as the recursion made them, last step first",
    "from memory",
)
def recursive(da, caches):
    steps, _ = caches

    def go(t, carry, found):
        if t < 0:
            return carry, found
        a_next, a_prev, xt, p = steps[t]
        dz = d_tanh(a_next) * (da[:, :, t] + carry)
        here = (p["Wax"].T @ dz, dz @ xt.T, dz @ a_prev.T, over_batch(dz))
        return go(t - 1, p["Waa"].T @ dz, found + (here,))

    da0, found = go(len(steps) - 1, np.zeros_like(da[:, :, 0]), ())
    dxs, *weights = zip(*found)
    dWax, dWaa, dba = map(sum, weights)
    return {
        "dx": np.stack(dxs, axis=2),
        "da0": da0,
        "dWax": dWax,
        "dWaa": dWaa,
        "dba": dba,
    }


def scan(x, h0, Wx, Wh, b):
    step = lambda h, xt: np.tanh(xt @ Wx + h @ Wh + b)
    hs = tuple(accumulate(np.moveaxis(x, 1, 0), step, initial=h0))
    return np.stack(hs[1:], axis=1), (x, hs, Wx, Wh)


@wrong(
    "rnn_backward",
    "the fold starts with dh of the last step, which the last step then adds again",
    "from memory",
    convention="ntd",
    forward=scan,
    step={"dx": -1, "dWx": -1, "dWh": -1, "db": -1},
)
def folded(dh, cache):
    x, hs, Wx, Wh = cache

    def back(state, t):
        carry, dxs, weights = state
        dz = d_tanh(hs[t + 1]) * (dh[:, t] + carry)
        here = (x[:, t].T @ dz, hs[t].T @ dz, dz.sum(axis=0))
        return dz @ Wh.T, (dz @ Wx.T, *dxs), (*weights, here)

    steps = reversed(range(x.shape[1]))
    dh0, dxs, weights = reduce(back, steps, (dh[:, -1], (), ()))
    return np.stack(dxs, axis=1), dh0, *total(weights)


@wrong(
    "rnn_cell_backward",
    "dWaa is the transposed product; and dba is the mean over the batch",
    "from memory; the mean from an exercise about logistic regression",
    tags="double",
)
def pulled(da_next, cache):
    a_next, a_prev, xt, p = cache
    outer = lambda u, v: u @ v.T
    dz = d_tanh(a_next) * da_next
    return dict(
        dxt=p["Wax"].T @ dz,
        da_prev=p["Waa"].T @ dz,
        dWax=outer(dz, xt),
        dWaa=outer(a_prev, dz),
        dba=dz.mean(axis=1, keepdims=True),
    )


@right(
    "rnn_backward",
    "accumulate makes every dz first; the weights are one einsum over batch and time",
)
def all_at_once(da, caches):
    steps, x = caches
    p = steps[0][3]
    a = np.stack([s[0] for s in steps], axis=2)
    before = np.concatenate([steps[0][1][:, :, None], a[:, :, :-1]], axis=2)
    pull = lambda dz, t: d_tanh(a[:, :, t]) * (da[:, :, t] + p["Waa"].T @ dz)
    start = np.zeros_like(steps[0][1])
    _, *late_first = accumulate(range(x.shape[2])[::-1], pull, initial=start)
    dz = np.stack(late_first[::-1], axis=2)
    return {
        "dx": np.einsum("ax,amt->xmt", p["Wax"], dz),
        "da0": p["Waa"].T @ dz[:, :, 0],
        "dWax": np.einsum("amt,xmt->ax", dz, x),
        "dWaa": np.einsum("amt,bmt->ab", dz, before),
        "dba": dz.sum(axis=(1, 2))[:, None],
    }


# ----------------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "one lambda for all gates: the candidate gets the derivative of a sigmoid",
    "from memory",
)
def same_for_all(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    n_a = len(a_prev)
    tc = np.tanh(c_next)
    dc = dc_next + da_next * ot * d_tanh(tc)
    upstream = {"f": dc * c_prev, "i": dc * cct, "c": dc * it, "o": da_next * tc}
    values = {"f": ft, "i": it, "c": cct, "o": ot}
    dz = {k: upstream[k] * d_sigmoid(values[k]) for k in "fico"}
    back = reduce(np.add, (p[f"W{k}"].T @ dz[k] for k in "fico"))
    seen = np.vstack((a_prev, xt))
    return {
        "dxt": back[n_a:],
        "da_prev": back[:n_a],
        "dc_prev": dc * ft,
        **{f"dW{k}": dz[k] @ seen.T for k in "fico"},
        **{f"db{k}": over_batch(dz[k]) for k in "fico"},
    }


@wrong(
    "lstm_backward",
    "the state of the fold keeps dc itself: on its way to the step before, it misses ft",
    "from memory",
)
def fold_of_two(da, caches):
    steps, _ = caches
    n_a = da.shape[0]

    def back(state, t):
        da_carry, dc_carry, found = state
        _, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = steps[t]
        d, tc = da[:, :, t] + da_carry, np.tanh(c_next)
        dc = dc_carry + d * ot * d_tanh(tc)
        dzs = (
            dc * c_prev * d_sigmoid(ft),
            dc * cct * d_sigmoid(it),
            dc * it * d_tanh(cct),
            d * tc * d_sigmoid(ot),
        )
        left = sum(p["W" + k].T @ dz for k, dz in zip("fico", dzs))
        seen = np.concatenate((a_prev, xt))
        here = tuple(g for dz in dzs for g in (dz @ seen.T, over_batch(dz)))
        return left[:n_a], dc, ((left[n_a:], here), *found)

    nothing = np.zeros(da.shape[:2])
    da0, _, found = reduce(back, range(da.shape[2])[::-1], (nothing, nothing, ()))
    dxs, weights = zip(*found)
    names = ("dWf", "dbf", "dWi", "dbi", "dWc", "dbc", "dWo", "dbo")
    return dict(dx=np.stack(dxs, -1), da0=da0, **dict(zip(names, total(weights))))


@wrong(
    "lstm_cell_forward",
    "the cache has the update gate where the forget gate should stand, and the other way round",
    "from memory",
)
def lstm_step(xt, a_prev, c_prev, parameters):
    seen = np.concatenate((a_prev, xt))
    gate = lambda f, k: f(parameters["W" + k] @ seen + parameters["b" + k])
    it, ft, ot = (gate(sigmoid, k) for k in "ifo")
    cct = gate(np.tanh, "c")
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    normed = lambda e: e / e.sum(axis=0, keepdims=True)
    y = normed(np.exp(parameters["Wy"] @ a_next + parameters["by"]))
    return (
        a_next,
        c_next,
        y,
        (a_next, c_next, a_prev, c_prev, it, ft, cct, ot, xt, parameters),
    )


def lstm_gates(x, h, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + h @ Wh + b, 4, axis=1)
    return sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)


def lstm_one(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = gates = lstm_gates(x, prev_h, Wx, Wh, b)
    c = f * prev_c + i * g
    return o * np.tanh(c), c, (x, prev_h, prev_c, c, gates, Wx, Wh)


def lstm_scan(x, h0, Wx, Wh, b):
    def ahead(state, xt):
        h, c, caches = state
        h, c, cache = lstm_one(xt, h, c, Wx, Wh, b)
        return h, c, (*caches, cache)

    every = tuple(
        accumulate(x.transpose(1, 0, 2), ahead, initial=(h0, np.zeros_like(h0), ()))
    )
    return np.stack([h for h, _, _ in every[1:]], axis=1), every[-1][2]


@wrong(
    "lstm_backward",
    "the gates' gradients are put side by side as i, f, g, o, the columns are i, f, o, g",
    "the order of another framework, where the forward pass came from a third one",
    convention="ntd",
    forward=lstm_scan,
)
def side_by_side(dh, caches):
    def back(state, pair):
        (dh_carry, dc_carry, dxs, weights), (d, cache) = state, pair
        x, prev_h, prev_c, c, (i, f, o, g), Wx, Wh = cache
        d = d + dh_carry
        dc = dc_carry + d * o * d_tanh(np.tanh(c))
        dz = np.hstack(
            (
                dc * g * d_sigmoid(i),
                dc * prev_c * d_sigmoid(f),
                dc * i * d_tanh(g),
                d * np.tanh(c) * d_sigmoid(o),
            )
        )
        here = (x.T @ dz, prev_h.T @ dz, dz.sum(axis=0))
        return dz @ Wh.T, dc * f, (dz @ Wx.T, *dxs), (*weights, here)

    pairs = zip(np.moveaxis(dh, 1, 0)[::-1], caches[::-1])
    dh0, _, dxs, weights = reduce(back, pairs, (0, 0, (), ()))
    return np.stack(dxs, axis=1), dh0, *total(weights)


@wrong(
    "lstm_cell_backward",
    "dprev_c takes dnext_c as it came in, without what flows back from the output",
    "from memory",
    convention="ntd",
    forward=lstm_one,
)
def two_in_five_out(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, c, (i, f, o, g), Wx, Wh = cache
    through = lambda tc: dnext_h * o * (1 - tc**2) + dnext_c
    dc = through(np.tanh(c))
    pieces = zip(
        (dc * g, dc * prev_c, dnext_h * np.tanh(c), dc * i),
        (d_sigmoid(i), d_sigmoid(f), d_sigmoid(o), d_tanh(g)),
    )
    dz = np.concatenate([u * v for u, v in pieces], axis=1)
    return (
        dz @ Wx.T,
        dz @ Wh.T,
        dnext_c * f,
        x.T @ dz,
        prev_h.T @ dz,
        np.add.reduce(dz, axis=0),
    )


@wrong(
    "lstm_cell_backward",
    "what flows back to [a_prev; xt] is split as if xt stood on top",
    "from memory",
)
def split_at_n_x(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    tc = np.tanh(c_next)
    dc = dc_next + da_next * ot * d_tanh(tc)
    dz = dict(
        f=dc * c_prev * d_sigmoid(ft),
        i=dc * cct * d_sigmoid(it),
        c=dc * it * d_tanh(cct),
        o=da_next * tc * d_sigmoid(ot),
    )
    back = sum(map(lambda k: p["W" + k].T @ dz[k], dz))
    dxt, da_prev = np.split(back, [len(xt)])
    seen = np.vstack([a_prev, xt])
    weights = {"dW" + k: d @ seen.T for k, d in dz.items()}
    biases = {"db" + k: over_batch(d) for k, d in dz.items()}
    return {"dxt": dxt, "da_prev": da_prev, "dc_prev": ft * dc} | weights | biases


@wrong(
    "lstm_backward",
    "the forget gate's gradient has c_next for c_prev; and the sum over the steps starts "
    "with the last step's weights and adds them once more",
    "from memory",
    tags="double",
    step={"dx": -1, "dWf": -1, "dWi": -1, "dWc": -1, "dWo": -1},
)
def seeded(da, caches):
    steps, x = caches
    n_a = len(da)

    def pull(d, dc_next, cache):
        _, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
        tc = np.tanh(c_next)
        dc = dc_next + d * ot * d_tanh(tc)
        dzf = dc * c_next * d_sigmoid(ft)
        dzi = dc * cct * d_sigmoid(it)
        dzc = dc * it * d_tanh(cct)
        dzo = d * tc * d_sigmoid(ot)
        W = np.vstack([p["Wf"], p["Wi"], p["Wc"], p["Wo"]])
        dz = np.vstack([dzf, dzi, dzc, dzo])
        return W.T @ dz, dc * ft, (dz @ np.vstack([a_prev, xt]).T, over_batch(dz))

    def back(trail, t):
        left, dc, _ = trail[-1]
        return (*trail, pull(da[:, :, t] + left[:n_a], dc, steps[t]))

    nothing = (np.zeros((n_a + len(x), da.shape[1])), 0 * da[:, :, 0], None)
    _, *trail = reduce(back, reversed(range(len(steps))), (nothing,))
    lefts, _, weights = zip(*trail)
    dW, db = reduce(plus, weights, weights[0])
    named = zip("fico", np.split(dW, 4), np.split(db, 4))
    return {
        "dx": np.stack([left[n_a:] for left in lefts[::-1]], axis=2),
        "da0": lefts[-1][:n_a],
        **{n + k: v for k, w, b in named for n, v in (("dW", w), ("db", b))},
    }


# ------------------------------------------------------------------------ gru


def gru_one(x, h, Wx, Wh, b):
    (xr, xz, xn), (Wr, Wz, Wn) = np.split(x @ Wx + b, 3, 1), np.split(Wh, 3, 1)
    r, z = sigmoid(xr + h @ Wr), sigmoid(xz + h @ Wz)
    n = np.tanh(xn + (r * h) @ Wn)
    return (1 - z) * n + z * h, (x, h, r, z, n, Wx, Wh)


def gru_scan(x, h0, Wx, Wh, b):
    step = lambda pair, xt: gru_one(xt, pair[0], Wx, Wh, b)
    _, *pairs = accumulate(np.moveaxis(x, 1, 0), step, initial=(h0, None))
    hs, caches = zip(*pairs)
    return np.stack(hs, axis=1), caches


@wrong(
    "gru_cell_backward",
    "the candidate's part of dWh is made with h, where the forward pass has r * h",
    "from memory",
    convention="ntd",
    forward=gru_one,
)
def one_product(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * d_tanh(n)
    drh = dn @ Wn.T
    dr = drh * h * d_sigmoid(r)
    dz = dnext_h * (h - n) * d_sigmoid(z)
    three = np.hstack((dr, dz, dn))
    dh = reduce(np.add, (dnext_h * z, drh * r, dr @ Wr.T, dz @ Wz.T))
    return three @ Wx.T, dh, x.T @ three, h.T @ three, three.sum(0)


@wrong(
    "gru_backward",
    "the way straight through z to the state before is forgotten in what is carried",
    "from memory",
    convention="ntd",
    forward=gru_scan,
)
def tail_call(dh, caches):
    def go(t, carry, dxs, dWx, dWh, db):
        if t == -1:
            return np.stack(dxs, axis=1), carry, dWx, dWh, db
        x, h, r, z, n, Wx, Wh = caches[t]
        Wr, Wz, Wn = np.split(Wh, 3, axis=1)
        d = dh[:, t] + carry
        dn = d * (1 - z) * d_tanh(n)
        dr = (dn @ Wn.T) * h * d_sigmoid(r)
        dz = d * (h - n) * d_sigmoid(z)
        dg = np.hstack((dr, dz, dn))
        return go(
            t - 1,
            (dn @ Wn.T) * r + dr @ Wr.T + dz @ Wz.T,
            (dg @ Wx.T,) + dxs,
            dWx + x.T @ dg,
            dWh + np.hstack((h.T @ dr, h.T @ dz, (r * h).T @ dn)),
            db + dg.sum(axis=0),
        )

    return go(len(caches) - 1, 0.0, (), 0.0, 0.0, 0.0)


@wrong(
    "gru_backward",
    "dz has the sign of n - h; and what the candidate gives back to h misses r",
    "from memory; the sign is that of the papers with z and 1 - z the other way round",
    tags="double",
    convention="ntd",
    forward=gru_scan,
)
def reduced(dh, caches):
    def back(state, pair):
        carry, found = state
        d, (x, h, r, z, n, Wx, Wh) = pair[0] + carry, pair[1]
        Wr, Wz, Wn = np.split(Wh, 3, axis=1)
        dn = d * (1 - z) * d_tanh(n)
        dz = d * (n - h) * d_sigmoid(z)
        dr = (dn @ Wn.T) * h * d_sigmoid(r)
        dg = np.concatenate((dr, dz, dn), axis=1)
        dWh = np.concatenate((h.T @ dr, h.T @ dz, (r * h).T @ dn), axis=1)
        dh_prev = z * d + sum(u @ W.T for u, W in ((dr, Wr), (dz, Wz), (dn, Wn)))
        return dh_prev, ((dg @ Wx.T, (x.T @ dg, dWh, dg.sum(axis=0))),) + found

    pairs = tuple(zip(dh.transpose(1, 0, 2), caches))[::-1]
    dh0, found = reduce(back, pairs, (np.zeros_like(dh[:, 0]), ()))
    dxs, weights = zip(*found)
    return np.stack(dxs, axis=1), dh0, *total(weights)


@right(
    "gru_backward",
    "recursion from the front: every step asks the later ones for its own dh first",
    convention="ntd",
    forward=gru_scan,
)
def asks_the_rest(dh, caches):
    def pull(t):
        if t == len(caches):
            return 0 * dh[:, 0], (), (0, 0, 0, 0, 0)
        later, dxs, sums = pull(t + 1)
        x, h, r, z, n, Wx, Wh = caches[t]
        Whr, Whz, Whn = np.split(Wh, 3, axis=1)
        d = dh[:, t] + later
        dn = (d - d * z) * (1 + n) * (1 - n)
        d_rh = np.inner(dn, Whn)
        dr, dz = d_rh * h * r * (1 - r), d * (h - n) * z * (1 - z)
        both = np.hstack((dr, dz))
        dg = np.hstack((both, dn))
        here = (x.T @ dg, h.T @ both, (r * h).T @ dn, dg.sum(axis=0), 0)
        left = z * d + r * d_rh + np.inner(both, np.hstack((Whr, Whz)))
        return left, (np.inner(dg, Wx), *dxs), plus(here, sums)

    dh0, dxs, (dWx, dWh_rz, dWh_n, db, _) = pull(0)
    return np.stack(dxs, axis=1), dh0, dWx, np.hstack((dWh_rz, dWh_n)), db


# -------------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "the one-hot labels (m, T, n_y) are reshaped to (n_y, m, T) and not transposed",
    "from memory",
)
def hot(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    one_hot = np.eye(n_y)[labels].reshape(n_y, m, T)
    dz = (y_pred - one_hot) / (m * T)
    flat = lambda u: u.reshape(len(u), -1)
    return {
        "da": np.tensordot(parameters["Wya"].T, dz, axes=1),
        "dWya": flat(dz) @ flat(a).T,
        "dby": flat(dz).sum(axis=1, keepdims=True),
    }
