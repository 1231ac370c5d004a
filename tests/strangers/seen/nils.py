"""nils: no loops, no state. folds, scans, recursion, small lambdas."""

from functools import partial, reduce
from itertools import accumulate, starmap
from operator import add

import numpy as np
from strangers.made import right, wrong

# --- small words ---------------------------------------------------------------

sigmoid = lambda z: 1 / (1 + np.exp(-z))
dsigmoid = lambda s: s * (1 - s)
dtanh = lambda s: 1 - s**2
bias = lambda d: d.sum(1, keepdims=True)
total = partial(reduce, add)
frames = lambda x: [x[:, :, t] for t in range(x.shape[2])]
movie = lambda xs: np.stack(list(xs), axis=2)
pick = lambda key: lambda d: d[key]


def softmax(z):
    return (lambda e: e / e.sum(0, keepdims=True))(np.exp(z - z.max(0, keepdims=True)))


def totals(dicts, keys):
    return {key: total(map(pick(key), dicts)) for key in keys}


RNN = ("dWax", "dWaa", "dba")
LSTM = tuple(f"d{k}{g}" for g in "fico" for k in "Wb")


def rnn_pull(d, cache):
    """d at a_next -> everything below, as a dict"""
    a_next, a_prev, xt, p = cache
    dz = d * dtanh(a_next)
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": bias(dz),
    }


def lstm_pull(d, dc, cache):
    _, c_next, a_prev, c_prev, f, i, g, o, xt, p = cache
    tc = np.tanh(c_next)
    dc = dc + d * o * dtanh(tc)
    deltas = {
        "f": dc * c_prev * dsigmoid(f),
        "i": dc * g * dsigmoid(i),
        "c": dc * i * dtanh(g),
        "o": d * tc * dsigmoid(o),
    }
    below = total(p[f"W{k}"].T @ v for k, v in deltas.items())
    n_a = len(a_prev)
    left = np.concatenate([a_prev, xt]).T
    return {
        "da_prev": below[:n_a],
        "dxt": below[n_a:],
        "dc_prev": dc * f,
        **{f"dW{k}": v @ left for k, v in deltas.items()},
        **{f"db{k}": bias(v) for k, v in deltas.items()},
    }


# --- (N, T, D) -----------------------------------------------------------------


def rnn_step(x, h, Wx, Wh, b):
    return (lambda nxt: (nxt, (x, h, nxt, Wx, Wh)))(np.tanh(x @ Wx + h @ Wh + b))


def rnn_scan(x, h0, Wx, Wh, b):
    hs = list(
        accumulate(
            x.swapaxes(0, 1),
            lambda h, xt: np.tanh(xt @ Wx + h @ Wh + b),
            initial=h0,
        )
    )
    return np.stack(hs[1:], 1), (x, hs, Wx, Wh)


def lstm_step(x, h, c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    nc = f * c + i * g
    return o * np.tanh(nc), nc, (x, h, c, nc, (i, f, o, g), Wx, Wh)


def lstm_scan(x, h0, Wx, Wh, b):
    steps = list(
        accumulate(
            x.swapaxes(0, 1),
            lambda s, xt: lstm_step(xt, s[0], s[1], Wx, Wh, b),
            initial=(h0, 0 * h0, None),
        )
    )[1:]
    return np.stack([s[0] for s in steps], 1), tuple(s[2] for s in steps)


def gru_step(x, h, Wx, Wh, b):
    xr, xz, xn = np.split(x @ Wx + b, 3, axis=1)
    Ur, Uz, Un = np.split(Wh, 3, axis=1)
    r, z = sigmoid(xr + h @ Ur), sigmoid(xz + h @ Uz)
    n = np.tanh(xn + (r * h) @ Un)
    return (1 - z) * n + z * h, {
        "x": x,
        "h": h,
        "r": r,
        "z": z,
        "n": n,
        "Wx": Wx,
        "U": (Ur, Uz, Un),
    }


def gru_scan(x, h0, Wx, Wh, b):
    steps = list(
        accumulate(
            x.swapaxes(0, 1),
            lambda s, xt: gru_step(xt, s[0], Wx, Wh, b),
            initial=(h0, None),
        )
    )[1:]
    return np.stack([s[0] for s in steps], 1), [s[1] for s in steps]


# --- rnn -----------------------------------------------------------------------


@wrong(
    "rnn_backward",
    "the steps are a generator: after dx nothing is left of it for the weights",
    "from memory",
)
def spent_generator(da, caches):
    steps, x = caches
    p = steps[0][3]

    def unwind(d):
        for dt, cache in zip(reversed(frames(da)), reversed(steps)):
            dz = (d + dt) * dtanh(cache[0])
            d = p["Waa"].T @ dz
            yield dz, d, cache

    back = unwind(np.zeros(da.shape[:2]))
    dxs, das = zip(*((p["Wax"].T @ dz, d) for dz, d, _ in back))
    return {
        "dx": movie(dxs[::-1]),
        "da0": das[-1],
        "dWax": sum((dz @ c[2].T for dz, _, c in back), np.zeros(p["Wax"].shape)),
        "dWaa": sum((dz @ c[1].T for dz, _, c in back), np.zeros(p["Waa"].shape)),
        "dba": sum((bias(dz) for dz, _, _ in back), np.zeros(p["ba"].shape)),
    }


@wrong(
    "rnn_backward",
    "the scan runs from the end: dx is left in that order, and da0 is its first, "
    "which is the last step's",
    "from memory",
    tags="double time",
)
def list_left_backwards(da, caches):
    steps, x = caches
    pulled = list(
        accumulate(
            zip(frames(da)[::-1], steps[::-1]),
            lambda later, now: rnn_pull(now[0] + later["da_prev"], now[1]),
            initial={"da_prev": np.zeros(da.shape[:2])},
        )
    )[1:]
    return {
        "dx": movie(map(pick("dxt"), pulled)),
        "da0": pulled[0]["da_prev"],
        **totals(pulled, RNN),
    }


@wrong(
    "rnn_cell_backward",
    "the gradients of the weights are divided by the number of examples",
    "from memory",
)
def averaged(da_next, cache):
    a_next, a_prev, xt, p = cache
    m = xt.shape[1]
    dz = dtanh(a_next) * da_next
    down = lambda W: W.T @ dz
    grad = lambda left: 1 / m * dz @ left.T
    return dict(
        dxt=down(p["Wax"]),
        da_prev=down(p["Waa"]),
        dWax=grad(xt),
        dWaa=grad(a_prev),
        dba=grad(np.ones((1, m))),
    )


@wrong(
    "rnn_cell_backward",
    "dba is summed without keepdims and is (n_a,)",
    "from memory",
    words="dba&shape|keepdims",
)
def flat_bias(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = np.einsum("am,am->am", da_next, 1 - a_next * a_next)
    spec = {
        "dxt": ("ax,am->xm", p["Wax"], dz),
        "da_prev": ("ab,am->bm", p["Waa"], dz),
        "dWax": ("am,xm->ax", dz, xt),
        "dWaa": ("am,bm->ab", dz, a_prev),
        "dba": ("am->a", dz),
    }
    return {name: np.einsum(*args) for name, args in spec.items()}


@wrong(
    "rnn_forward",
    "the lambdas in the list all see the last t: every step reads the last x",
    "from memory",
    tags="time",
)
def closures_see_the_last(x, a0, parameters):
    Wax, Waa, Wya, ba, by = (parameters[k] for k in ("Wax", "Waa", "Wya", "ba", "by"))

    def cell(xt, a_prev):
        a = np.tanh(Waa @ a_prev + Wax @ xt + ba)
        return a, softmax(Wya @ a + by), (a, a_prev, xt, parameters)

    program = [lambda a: cell(x[:, :, t], a) for t in range(x.shape[2])]
    states = list(accumulate(program, lambda s, go: go(s[0]), initial=(a0,)))[1:]
    a, y, caches = zip(*states)
    return movie(a), movie(y), (list(caches), x)


@wrong(
    "rnn_backward",
    "the fold begins with dh of the last step, which is added there once more",
    "from memory",
    convention="ntd",
    forward=rnn_scan,
    tags="time",
)
def last_one_twice(dh, cache):
    x, hs, Wx, Wh = cache

    def back(acc, t):
        carry, dzs = acc
        dz = (carry + dh[:, t]) * dtanh(hs[t + 1])
        return dz @ Wh.T, [dz, *dzs]

    T = dh.shape[1]
    dh0, dzs = reduce(back, range(T - 1, -1, -1), (dh[:, T - 1], []))
    dz = np.stack(dzs, 1)
    return (
        dz @ Wx.T,
        dh0,
        np.einsum("ntd,nth->dh", x, dz),
        np.einsum("ntk,nth->kh", np.stack(hs[:-1], 1), dz),
        dz.sum((0, 1)),
    )


@wrong(
    "rnn_cell_backward",
    "dprev_h is dz @ Wh, without the transpose",
    "from memory",
    convention="ntd",
    forward=rnn_step,
)
def square_so_it_fits(dnext_h, cache):
    x, h, nxt, Wx, Wh = cache
    return (lambda dz: (dz @ Wx.T, dz @ Wh, *(v.T @ dz for v in (x, h)), dz.sum(0)))(
        dnext_h * dtanh(nxt)
    )


# --- lstm ----------------------------------------------------------------------


@wrong(
    "lstm_backward",
    "the recursion to t - 1 takes da of t along: the last counts twice, the first never",
    "from memory",
    tags="time",
)
def recursion_one_off(da, caches):
    steps, x = caches

    def back(t, d, dc):
        here = lstm_pull(d, dc, steps[t])
        if t == 0:
            return [here]
        return back(t - 1, here["da_prev"] + da[:, :, t], here["dc_prev"]) + [here]

    T = da.shape[2]
    pulled = back(T - 1, da[:, :, T - 1], np.zeros(da.shape[:2]))
    return {
        "dx": movie(map(pick("dxt"), pulled)),
        "da0": pulled[0]["da_prev"],
        **totals(pulled, LSTM),
    }


@wrong(
    "lstm_cell_backward",
    "the forget gate is given c_next; dxt takes the first n_x columns of the weights",
    "from memory",
    tags="double",
)
def after_and_in_front(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    n_a, n_x = len(a_prev), len(xt)
    through = dc_next + da_next * ot * dtanh(np.tanh(c_next))
    gates = [
        ("f", through * c_next * dsigmoid(ft)),
        ("i", through * cct * dsigmoid(it)),
        ("c", through * it * dtanh(cct)),
        ("o", da_next * np.tanh(c_next) * dsigmoid(ot)),
    ]
    to = lambda cols: reduce(lambda s, g: s + p["W" + g[0]][:, cols].T @ g[1], gates, 0)
    stacked = np.r_[a_prev, xt]
    return reduce(
        lambda out, g: {**out, "dW" + g[0]: g[1] @ stacked.T, "db" + g[0]: bias(g[1])},
        gates,
        {
            "dxt": to(slice(0, n_x)),
            "da_prev": to(slice(0, n_a)),
            "dc_prev": through * ft,
        },
    )


@wrong(
    "lstm_backward",
    "the dictionaries of the steps are merged, not added: step 0 is what remains",
    "from memory",
)
def merged_not_added(da, caches):
    steps, x = caches
    zero = np.zeros(da.shape[:2])

    def back(acc, t):
        grads, dxs = acc
        now = lstm_pull(grads["da_prev"] + da[:, :, t], grads["dc_prev"], steps[t])
        return {**grads, **now}, [now["dxt"]] + dxs

    grads, dxs = reduce(
        back, reversed(range(len(steps))), ({"da_prev": zero, "dc_prev": zero}, [])
    )
    return {
        "dx": movie(dxs),
        "da0": grads["da_prev"],
        **{key: grads[key] for key in LSTM},
    }


@wrong(
    "lstm_cell_backward",
    "of the candidate, the slope of tanh stands with the second term only",
    "from memory",
)
def bracket_missing(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p) = cache
    n_a = a_next.shape[0]
    k = ot * (1 - np.tanh(c_next) ** 2)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc_next * it + k * it * da_next * (1 - cct**2)
    dit = (dc_next * cct + k * cct * da_next) * it * (1 - it)
    dft = (dc_next * c_prev + k * c_prev * da_next) * ft * (1 - ft)

    ds = dict(f=dft, i=dit, c=dcct, o=dot)
    split = lambda v: (v[:n_a], v[n_a:])
    da_prev, dxt = split(sum(np.dot(p["W" + g].T, d) for g, d in ds.items()))
    concat = np.vstack((a_prev, xt))
    return dict(
        [
            ("dxt", dxt),
            ("da_prev", da_prev),
            ("dc_prev", dc_next * ft + k * ft * da_next),
        ]
        + [("dW" + g, np.dot(d, concat.T)) for g, d in ds.items()]
        + [("db" + g, np.sum(d, axis=1, keepdims=True)) for g, d in ds.items()]
    )


@wrong(
    "lstm_cell_forward",
    "the cache holds it before ft",
    "from memory",
)
def cache_in_another_order(xt, a_prev, c_prev, parameters):
    p = parameters
    left = np.concatenate((a_prev, xt), axis=0)
    kinds = {"i": sigmoid, "f": sigmoid, "c": np.tanh, "o": sigmoid}
    it, ft, cct, ot = (f(p[f"W{g}"] @ left + p[f"b{g}"]) for g, f in kinds.items())
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    return (
        a_next,
        c_next,
        softmax(p["Wy"] @ a_next + p["by"]),
        (a_next, c_next, a_prev, c_prev, it, ft, cct, ot, xt, p),
    )


def cell_back(dh, dc, cache):
    x, h, c, nc, (i, f, o, g), Wx, Wh = cache
    tc = np.tanh(nc)
    dc = dc + dh * o * dtanh(tc)
    dz = np.concatenate(
        [
            dc * g * dsigmoid(i),
            dc * c * dsigmoid(f),
            dh * tc * dsigmoid(o),
            dc * i * dtanh(g),
        ],
        axis=1,
    )
    return dz @ Wx.T, dz @ Wh.T, dc * f, x.T @ dz, h.T @ dz, dz.sum(0)


@wrong(
    "lstm_backward",
    "the fold hands on (dc, dh) and takes them as (dh, dc)",
    "from memory",
    convention="ntd",
    forward=lstm_scan,
)
def carries_change_places(dh, cache):
    def back(acc, now):
        (d, dc), dxs, grads = acc
        dt, step = now
        dx, dprev_h, dprev_c, *weights = cell_back(dt + d, dc, step)
        return (dprev_c, dprev_h), [dx] + dxs, list(map(add, grads, weights))

    zero = np.zeros(dh[:, 0].shape)
    carry, dxs, grads = reduce(
        back,
        zip(dh.swapaxes(0, 1)[::-1], cache[::-1]),
        ((zero, zero), [], [0, 0, 0]),
    )
    return (np.stack(dxs, 1), carry[1], *grads)


@wrong(
    "lstm_cell_backward",
    "all four columns, g too, get the slope of the sigmoid",
    "from memory",
    convention="ntd",
    forward=lstm_step,
)
def one_slope_mapped(dnext_h, dnext_c, cache):
    x, h, c, nc, gates, Wx, Wh = cache
    i, f, o, g = gates
    dc = dnext_c + dnext_h * o * (1 - np.tanh(nc) ** 2)
    outer = (dc * g, dc * c, dnext_h * np.tanh(nc), dc * i)
    dz = np.hstack(list(starmap(lambda d, s: d * s * (1 - s), zip(outer, gates))))
    return dz @ Wx.T, dz @ Wh.T, dc * f, x.T @ dz, h.T @ dz, np.sum(dz, axis=0)


# --- gru -----------------------------------------------------------------------


@wrong(
    "gru_cell_backward",
    "the reset gate takes the delta of n directly, not through its weights",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def reset_without_weights(dnext_h, cache):
    x, h, r, z, n, Wx, U = map(cache.get, ("x", "h", "r", "z", "n", "Wx", "U"))
    dn = dnext_h * (1 - z) * dtanh(n)
    dz = dnext_h * (h - n) * dsigmoid(z)
    dr = dn * h * dsigmoid(r)
    ways = [d @ u.T for d, u in zip((dr, dz, dn), U)]
    wide = np.hstack((dr, dz, dn))
    return (
        wide @ Wx.T,
        total([dnext_h * z, ways[0], ways[1], ways[2] * r]),
        x.T @ wide,
        np.hstack([l.T @ d for l, d in zip((h, h, r * h), (dr, dz, dn))]),
        wide.sum(0),
    )


@wrong(
    "gru_backward",
    "goes back through z * n + (1 - z) * h, as other notes have it",
    "from memory",
    convention="ntd",
    forward=gru_scan,
)
def the_other_z(dh, cache):
    def pull(d, k):
        h, r, z, n = k["h"], k["r"], k["z"], k["n"]
        Ur, Uz, Un = k["U"]
        dn = d * z * dtanh(n)
        dz = d * (n - h) * dsigmoid(z)
        drh = dn @ Un.T
        dr = drh * h * dsigmoid(r)
        wide = np.hstack([dr, dz, dn])
        return (
            wide @ k["Wx"].T,
            d * (1 - z) + drh * r + dr @ Ur.T + dz @ Uz.T,
            k["x"].T @ wide,
            np.hstack([h.T @ dr, h.T @ dz, (r * h).T @ dn]),
            wide.sum(0),
        )

    def back(t, carry):
        if t < 0:
            return [], carry, (0, 0, 0)
        dx, below, *grads = pull(dh[:, t] + carry, cache[t])
        dxs, dh0, rest = back(t - 1, below)
        return dxs + [dx], dh0, tuple(map(add, grads, rest))

    dxs, dh0, grads = back(len(cache) - 1, np.zeros_like(cache[0]["h"]))
    return (np.stack(dxs, 1), dh0, *grads)


@wrong(
    "gru_backward",
    "z stands before r in the columns; the slope of n is (1 - n) ** 2",
    "from memory",
    convention="ntd",
    forward=gru_scan,
    tags="double",
)
def z_first_and_square_outside(dh, cache):
    Wx, (Ur, Uz, Un) = cache[0]["Wx"], cache[0]["U"]

    def back(later, now):
        d, k = now[0] + later[0], now[1]
        dn = d * (1 - k["z"]) * (1 - k["n"]) ** 2
        dz = d * (k["h"] - k["n"]) * dsigmoid(k["z"])
        drh = dn @ Un.T
        dr = drh * k["h"] * dsigmoid(k["r"])
        carry = d * k["z"] + drh * k["r"] + dr @ Ur.T + dz @ Uz.T
        return carry, np.hstack((dz, dr, dn))

    scan = list(
        accumulate(
            zip(dh.swapaxes(0, 1)[::-1], cache[::-1]),
            back,
            initial=(np.zeros_like(dh[:, 0]), None),
        )
    )
    wide = [s[1] for s in scan[:0:-1]]
    H = dh.shape[2]
    dWh = lambda k, d: np.hstack(
        (k["h"].T @ d[:, : 2 * H], (k["r"] * k["h"]).T @ d[:, 2 * H :])
    )
    return (
        np.stack([d @ Wx.T for d in wide], 1),
        scan[-1][0],
        total(k["x"].T @ d for k, d in zip(cache, wide)),
        total(map(dWh, cache, wide)),
        total(d.sum(0) for d in wide),
    )


# --- readout -------------------------------------------------------------------


@wrong(
    "readout_backward",
    "the numbers of the classes are taken off, not their one-hot columns",
    "from memory",
)
def minus_the_number(y_pred, labels, a, parameters):
    dz = (y_pred - labels) / labels.size
    outer = lambda t: dz[:, :, t] @ a[:, :, t].T
    return {
        "da": movie(map(lambda d: parameters["Wya"].T @ d, frames(dz))),
        "dWya": total(map(outer, range(a.shape[2]))),
        "dby": total(map(bias, frames(dz))),
    }


@wrong(
    "readout_backward",
    "y - onehot is multiplied by y (1 - y) once more",
    "from memory",
)
def slope_once_too_often(y_pred, labels, a, parameters):
    onehot = np.moveaxis(np.eye(len(y_pred))[labels], 2, 0)
    dz = (y_pred - onehot) * dsigmoid(y_pred) / labels.size
    return {
        "da": np.einsum("ya,ymt->amt", parameters["Wya"], dz),
        "dWya": np.einsum("ymt,amt->ya", dz, a),
        "dby": np.einsum("ymt->y", dz)[:, None],
    }


# --- right ones ----------------------------------------------------------------


@right("rnn_backward", "a scan from the end, then sums over the list of dicts")
def by_scan(da, caches):
    steps, x = caches
    pulled = list(
        accumulate(
            zip(frames(da)[::-1], steps[::-1]),
            lambda later, now: rnn_pull(now[0] + later["da_prev"], now[1]),
            initial={"da_prev": np.zeros(da.shape[:2])},
        )
    )[:0:-1]
    return {
        "dx": movie(map(pick("dxt"), pulled)),
        "da0": pulled[0]["da_prev"],
        **totals(pulled, RNN),
    }


@right(
    "lstm_backward",
    "recursion over the tuple of caches",
    convention="ntd",
    forward=lstm_scan,
)
def by_recursion(dh, cache):
    def back(ds, steps, d, dc):
        if not steps:
            return [], d, (0, 0, 0)
        *ds, last = ds
        *steps, step = steps
        dx, dprev_h, dprev_c, *grads = cell_back(last + d, dc, step)
        dxs, dh0, rest = back(ds, steps, dprev_h, dprev_c)
        return [*dxs, dx], dh0, tuple(map(add, rest, grads))

    zero = np.zeros_like(dh[:, 0])
    dxs, dh0, grads = back(list(dh.swapaxes(0, 1)), cache, zero, zero)
    return (np.stack(dxs, 1), dh0, *grads)


@right("readout_backward", "a comprehension over the steps")
def step_by_step(y_pred, labels, a, parameters):
    eye = np.eye(y_pred.shape[0])
    dzs = [(yt - eye[:, lt]) / labels.size for yt, lt in zip(frames(y_pred), labels.T)]
    return {
        "da": movie(parameters["Wya"].T @ d for d in dzs),
        "dWya": total(d @ at.T for d, at in zip(dzs, frames(a))),
        "dby": total(map(bias, dzs)),
    }
