"""carla: recurrent nets as nonlinear autoregressions. Arrays over einsum, steps as closures."""

from functools import partial, reduce
from types import SimpleNamespace

import numpy as np
from strangers.made import right, wrong

MEM = "from memory"

# --- small things used everywhere -------------------------------------------------------


def sigma(u):
    return 1 / (1 + np.exp(-u))


def dsigma(s):
    """derivative of the logistic, in terms of its value"""
    return s * (1 - s)


def dtanh(h):
    """derivative of tanh, in terms of its value"""
    return 1 - h**2


def softmax(z, axis=0):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


pull = partial(np.einsum, "ij,im->jm")  # W' delta
cross = partial(np.einsum, "im,jm->ij")  # delta v'


def rowsum(delta):
    return np.einsum("im->i", delta)[:, None]


def series(steps, k):
    """the k-th thing of every cache, time first: (T, n, m)"""
    return np.stack([s[k] for s in steps])


# --- plain RNN, course layout -----------------------------------------------------------


@wrong("rnn_backward", "the lagged states begin with zeros instead of a0 in dWaa", MEM)
def lag_padded_with_zeros(da, caches):
    steps, x = caches
    p = steps[0][3]
    A = series(steps, 0)
    lagged = np.concatenate([np.zeros_like(A[:1]), A[:-1]])
    D, carry = np.empty_like(A), 0.0
    for t in range(len(A))[::-1]:
        D[t] = (da[..., t] + carry) * dtanh(A[t])
        carry = pull(p["Waa"], D[t])
    return dict(
        dx=np.einsum("hi,thm->imt", p["Wax"], D),
        da0=carry,
        dWax=np.einsum("thm,imt->hi", D, x),
        dWaa=np.einsum("thm,tkm->hk", D, lagged),
        dba=np.einsum("thm->h", D)[:, None],
    )


@wrong(
    "rnn_backward",
    "the closures of the tape bind late: every step has tanh' of the last a",
    MEM,
)
def tape_of_closures(da, caches):
    steps, x = caches
    tape = []
    for a_next, a_prev, xt, p in steps:

        def adjoint(da_next):
            delta = da_next * dtanh(a_next)
            return delta, pull(p["Waa"], delta)

        tape.append(adjoint)

    carry, deltas = np.zeros_like(a_prev), []
    for t, adjoint in reversed(list(enumerate(tape))):
        delta, carry = adjoint(da[..., t] + carry)
        deltas.insert(0, delta)
    D = np.stack(deltas, axis=-1)
    lagged = np.stack([s[1] for s in steps], axis=-1)
    return {
        "dx": np.einsum("hi,hmt->imt", p["Wax"], D),
        "da0": carry,
        "dWax": np.einsum("hmt,imt->hi", D, x),
        "dWaa": np.einsum("hmt,kmt->hk", D, lagged),
        "dba": D.sum(axis=(1, 2))[:, None],
    }


@wrong("rnn_backward", "the deltas are stacked in backward order, never flipped", MEM)
def deltas_backwards(da, caches):
    steps, x = caches
    p = steps[-1][3]

    def walk():
        carry = np.zeros_like(steps[0][1])
        for (a_next, *_), d in zip(reversed(steps), np.moveaxis(da, -1, 0)[::-1]):
            delta = dtanh(a_next) * (d + carry)
            carry = pull(p["Waa"], delta)
            yield delta, carry

    deltas, carries = zip(*walk())
    D = np.stack(deltas, axis=2)
    lagged = np.stack([s[1] for s in steps], axis=2)
    out = {"dx": np.einsum("hi,hmt->imt", p["Wax"], D), "da0": carries[-1]}
    out["dWax"] = np.einsum("hmt,imt->hi", D, x)
    out["dWaa"] = np.einsum("hmt,kmt->hk", D, lagged)
    out["dba"] = np.einsum("hmt->h", D).reshape(-1, 1)
    return out


@wrong("rnn_forward", "softmax along the first axis, which is time here", MEM)
def distribution_over_time(x, a0, parameters):
    Wax, Waa, Wya, ba, by = (parameters[k] for k in ("Wax", "Waa", "Wya", "ba", "by"))
    drive = np.einsum("hi,imt->thm", Wax, x) + ba
    path = [a0]
    for u in drive:
        path.append(np.tanh(u + Waa @ path[-1]))
    scores = np.einsum("yh,thm->tym", Wya, np.stack(path[1:])) + by
    y = softmax(scores).transpose(1, 2, 0)
    steps = [
        (new, old, x[..., t], parameters)
        for t, (old, new) in enumerate(zip(path, path[1:]))
    ]
    return np.stack(path[1:], axis=-1), y, (steps, x)


@right("rnn_backward", "the adjoint recursion solved as one block triangular system")
def adjoint_as_linear_system(da, caches):
    steps, x = caches
    p = steps[0][3]
    n, m, T = da.shape
    slope = dtanh(series(steps, 0))  # (T, n, m)
    total = np.empty((T, n, m))
    for k in range(m):
        # s_t - Waa' diag(slope_{t+1}) s_{t+1} = da_t
        system = np.eye(T * n).reshape(T, n, T, n)
        for t in range(T - 1):
            system[t, :, t + 1] -= p["Waa"].T * slope[t + 1, :, k]
        rhs = da[:, k].T.reshape(-1)
        total[..., k] = np.linalg.solve(system.reshape(T * n, T * n), rhs).reshape(T, n)
    D = total * slope
    return dict(
        dx=np.einsum("hi,thm->imt", p["Wax"], D),
        da0=pull(p["Waa"], D[0]),
        dWax=np.einsum("thm,imt->hi", D, x),
        dWaa=np.einsum("thm,tkm->hk", D, series(steps, 1)),
        dba=np.einsum("thm->h", D)[:, None],
    )


# --- plain RNN, (N, T, D) ---------------------------------------------------------------


def rnn_once(x, prev_h, Wx, Wh, b):
    h = np.tanh(np.einsum("nd,dh->nh", x, Wx) + np.einsum("nk,kh->nh", prev_h, Wh) + b)
    return h, SimpleNamespace(x=x, lag=prev_h, h=h, Wx=Wx, Wh=Wh)


def rnn_path(x, h0, Wx, Wh, b):
    drive = np.einsum("ntd,dh->tnh", x, Wx) + b
    path = [h0]
    for u in drive:
        path.append(np.tanh(u + path[-1] @ Wh))
    path = np.stack(path, axis=1)  # (N, T + 1, H)
    return path[:, 1:], SimpleNamespace(x=x, path=path, Wx=Wx, Wh=Wh)


@wrong(
    "rnn_cell_backward",
    "db is the mean over the batch, not the sum",
    MEM,
    convention="ntd",
    forward=rnn_once,
)
def intercept_averaged(dnext_h, c):
    delta = dnext_h * dtanh(c.h)
    score = partial(np.einsum, "ni,nh->ih")
    return (
        np.einsum("nh,dh->nd", delta, c.Wx),
        np.einsum("nh,kh->nk", delta, c.Wh),
        score(c.x, delta),
        score(c.lag, delta),
        delta.mean(axis=0),
    )


@wrong(
    "rnn_backward",
    "dWh is transposed: the einsum puts the delta's index first",
    MEM,
    convention="ntd",
    forward=rnn_path,
)
def einsum_letters_swapped(dh, c):
    now, lag = c.path[:, 1:], c.path[:, :-1]
    D = np.zeros_like(now)
    carry = np.zeros_like(c.path[:, 0])
    for t in reversed(range(D.shape[1])):
        D[:, t] = dtanh(now[:, t]) * (dh[:, t] + carry)
        carry = np.einsum("nh,kh->nk", D[:, t], c.Wh)
    dx = np.einsum("nth,dh->ntd", D, c.Wx)
    dWx = np.einsum("ntd,nth->dh", c.x, D)
    dWh = np.einsum("nth,ntk->hk", D, lag)
    return dx, carry, dWx, dWh, D.sum((0, 1))


# --- LSTM, course layout ----------------------------------------------------------------


@wrong(
    "lstm_cell_backward",
    "tanh' at the memory is taken from a_next, which is o tanh(c)",
    MEM,
)
def slope_from_the_output(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, f, i, g, o, xt, p = cache
    n = a_prev.shape[0]
    v = np.concatenate([a_prev, xt])
    dc = dc_next + da_next * o * dtanh(a_next)
    delta = {
        "f": dc * c_prev * dsigma(f),
        "i": dc * g * dsigma(i),
        "c": dc * i * dtanh(g),
        "o": da_next * np.tanh(c_next) * dsigma(o),
    }
    dv = sum(pull(p["W" + k], d) for k, d in delta.items())
    return (
        {"da_prev": dv[:n], "dxt": dv[n:], "dc_prev": dc * f}
        | {"dW" + k: cross(d, v) for k, d in delta.items()}
        | {"db" + k: rowsum(d) for k, d in delta.items()}
    )


@wrong(
    "lstm_backward", "the memory's gradient is handed on without the forget gate", MEM
)
def memory_never_forgets(da, caches):
    steps, x = caches
    p = steps[0][-1]
    n, m = steps[0][0].shape
    W = np.stack([p["W" + k] for k in "fico"])  # (4, n, n + n_x)

    def adjoint(carry, t):
        d_a, d_c, out = carry
        _, c, a_prev, c_prev, f, i, g, o, xt, _ = steps[t]
        th = np.tanh(c)
        d_a = d_a + da[..., t]
        d_c = d_c + d_a * o * dtanh(th)
        delta = np.stack(
            [
                d_c * c_prev * dsigma(f),
                d_c * g * dsigma(i),
                d_c * i * dtanh(g),
                d_a * th * dsigma(o),
            ]
        )
        dv = np.einsum("gij,gim->jm", W, delta)
        return dv[:n], d_c, [(delta, dv[n:]), *out]

    start = (np.zeros((n, m)), np.zeros((n, m)), [])
    da0, _, out = reduce(adjoint, range(len(steps))[::-1], start)
    D = np.stack([delta for delta, _ in out])  # (T, 4, n, m)
    V = np.concatenate([series(steps, 2), series(steps, 8)], axis=1)
    dW, db = np.einsum("tgim,tjm->gij", D, V), np.einsum("tgim->gi", D)[..., None]
    grads = {"dx": np.stack([dx for _, dx in out], axis=-1), "da0": da0}
    for k, w, b in zip("fico", dW, db):
        grads["dW" + k], grads["db" + k] = w, b
    return grads


@wrong(
    "lstm_backward",
    "weights are stacked f, i, c, o, but the deltas that they pull back f, i, o, c",
    MEM,
)
def two_orders_of_gates(da, caches):
    steps, x = caches
    p = steps[0][9]
    n = da.shape[0]
    tall = np.vstack([p["Wf"], p["Wi"], p["Wc"], p["Wo"]])  # (4n, n + n_x)
    dW, db = np.zeros_like(tall), np.zeros((4 * n, 1))
    dx = np.zeros_like(x)
    d_h, d_c = np.zeros(da.shape[:2]), np.zeros(da.shape[:2])
    for t in range(len(steps) - 1, -1, -1):
        _, c, a_prev, c_prev, f, i, g, o, xt, _ = steps[t]
        d_h = d_h + da[:, :, t]
        d_c = d_c + d_h * o * dtanh(np.tanh(c))
        tall_delta = np.vstack(
            [
                dsigma(f) * c_prev * d_c,
                dsigma(i) * g * d_c,
                dsigma(o) * np.tanh(c) * d_h,
                dtanh(g) * i * d_c,
            ]
        )
        dW += cross(tall_delta, np.vstack([a_prev, xt]))
        db += rowsum(tall_delta)
        d_h, dx[:, :, t] = np.split(pull(tall, tall_delta), [n])
        d_c = d_c * f
    grads = {"dx": dx, "da0": d_h}
    for k, w, b in zip("fioc", np.split(dW, 4), np.split(db, 4)):
        grads |= {f"dW{k}": w, f"db{k}": b}
    return grads


@wrong("lstm_forward", "c is returned one step late: it begins with c0", MEM)
def memory_lagged(x, a0, parameters):
    p, n = parameters, len(a0)
    W = np.stack([p["W" + k] for k in "fico"])
    b = np.stack([p["b" + k] for k in "fico"])
    drive = np.einsum("gij,jmt->tgim", W[:, :, n:], x) + b

    def step(u, a, c):
        f, i, g, o = u + np.einsum("gij,jm->gim", W[:, :, :n], a)
        f, i, o, g = sigma(f), sigma(i), sigma(o), np.tanh(g)
        new_c = f * c + i * g
        return o * np.tanh(new_c), new_c, (f, i, g, o)

    A, C, steps = [a0], [np.zeros_like(a0)], []
    for t, u in enumerate(drive):
        a, c, gates = step(u, A[-1], C[-1])
        steps.append((a, c, A[-1], C[-1], *gates, x[..., t], p))
        A.append(a)
        C.append(c)
    A, C = np.stack(A[1:], axis=-1), np.stack(C[:-1], axis=-1)
    y = softmax(np.einsum("yh,hmt->ymt", p["Wy"], A) + p["by"][..., None])
    return A, y, C, (steps, x)


@wrong(
    "lstm_backward",
    "two: di is made with c_prev as df is; dx takes the first n_x columns of the weights",
    MEM,
    tags="double",
)
def pasted_gate_and_columns(da, caches):
    steps, x = caches
    p = steps[0][-1]
    n, n_x = len(da), len(x)
    grads = {f"d{k}": np.zeros_like(p[k]) for k in p if k[1] in "fico" and len(k) == 2}
    grads["dx"] = np.empty_like(x)

    def cell(t, d_a, d_c):
        _, c, a_prev, c_prev, f, i, g, o, xt, _ = steps[t]
        v = np.concatenate([a_prev, xt])
        to_a = []

        def gate(k, upstream, slope):
            delta = upstream * slope
            grads["dW" + k] += cross(delta, v)
            grads["db" + k] += rowsum(delta)
            to_a.append(pull(p["W" + k][:, :n], delta))
            grads["dx"][..., t] += pull(p["W" + k][:, :n_x], delta)

        grads["dx"][..., t] = 0
        d_c = d_c + d_a * o * dtanh(np.tanh(c))
        gate("o", d_a * np.tanh(c), dsigma(o))
        gate("f", d_c * c_prev, dsigma(f))
        gate("i", d_c * c_prev, dsigma(i))
        gate("c", d_c * i, dtanh(g))
        return sum(to_a), d_c * f

    d_a, d_c = np.zeros(da.shape[:2]), np.zeros(da.shape[:2])
    for t in reversed(range(da.shape[2])):
        d_a, d_c = cell(t, d_a + da[..., t], d_c)
    return grads | {"da0": d_a}


@wrong(
    "lstm_cell_forward",
    "the prediction is made from tanh(c_next), without the gate",
    MEM,
)
def readout_before_the_gate(xt, a_prev, c_prev, parameters):
    v = np.concatenate([a_prev, xt], axis=0)

    def gate(k, squash):
        return squash(
            np.einsum("ij,jm->im", parameters["W" + k], v) + parameters["b" + k]
        )

    f, i, o = (gate(k, sigma) for k in "fio")
    g = gate("c", np.tanh)
    c_next = f * c_prev + i * g
    th = np.tanh(c_next)
    a_next = o * th
    y = softmax(np.einsum("yh,hm->ym", parameters["Wy"], th) + parameters["by"])
    return (
        a_next,
        c_next,
        y,
        (a_next, c_next, a_prev, c_prev, f, i, g, o, xt, parameters),
    )


# --- LSTM, (N, T, D); gates are an axis of their own: i, f, o, g ----------------------------


def by_gate(w):
    return w.reshape(w.shape[0], 4, -1)  # (rows, gate, H)


def lstm_once(x, prev_h, prev_c, Wx, Wh, b):
    u = np.einsum("nd,dgh->gnh", x, by_gate(Wx))
    u = u + np.einsum("nk,kgh->gnh", prev_h, by_gate(Wh)) + b.reshape(4, 1, -1)
    G = np.concatenate([sigma(u[:3]), np.tanh(u[3:])])
    c = G[1] * prev_c + G[0] * G[3]
    th = np.tanh(c)
    cache = dict(x=x, h=prev_h, c=prev_c, G=G, th=th, Wx=Wx, Wh=Wh)
    return G[2] * th, c, cache


def lstm_path(x, h0, Wx, Wh, b):
    h, c, H, tape = h0, np.zeros_like(h0), [], []
    for xt in x.transpose(1, 0, 2):
        h, c, cache = lstm_once(xt, h, c, Wx, Wh, b)
        H.append(h)
        tape.append(cache)
    return np.stack(H, axis=1), tape


@wrong(
    "lstm_backward",
    "s (1 - s) is used for all four gates, for the tanh of the candidate too",
    MEM,
    convention="ntd",
    forward=lstm_path,
)
def one_slope_for_all_gates(dh, tape):
    Wx, Wh = by_gate(tape[0]["Wx"]), by_gate(tape[0]["Wh"])
    d_h = d_c = 0.0
    D = []
    for t in range(len(tape))[::-1]:
        G, th, lag_c = (tape[t][k] for k in ("G", "th", "c"))
        i, f, o, g = G
        d_h = d_h + dh[:, t]
        d_c = d_c + d_h * o * dtanh(th)
        dG = np.stack([d_c * g, d_c * lag_c, d_h * th, d_c * i])
        delta = dG * dsigma(G)
        d_h = np.einsum("gnh,kgh->nk", delta, Wh)
        d_c = d_c * f
        D.append(delta)
    D = np.stack(D[::-1])  # (T, 4, N, H)
    X = np.stack([c["x"] for c in tape])
    L = np.stack([c["h"] for c in tape])
    dx = np.einsum("tgnh,dgh->ntd", D, Wx)
    dWx = np.einsum("tnd,tgnh->dgh", X, D).reshape(X.shape[-1], -1)
    dWh = np.einsum("tnk,tgnh->kgh", L, D).reshape(L.shape[-1], -1)
    return dx, d_h, dWx, dWh, np.einsum("tgnh->gh", D).ravel()


@wrong(
    "lstm_cell_backward",
    "dprev_c has dnext_c only, without what comes by way of h",
    MEM,
    convention="ntd",
    forward=lstm_once,
)
def memory_by_one_road(dnext_h, dnext_c, cache):
    x, lag_h, lag_c, G, th, Wx, Wh = cache.values()
    i, f, o, g = G
    through_h = dnext_h * o * dtanh(th)
    dc = dnext_c + through_h
    delta = np.concatenate(
        [
            dc * g * dsigma(i),
            dc * lag_c * dsigma(f),
            dnext_h * th * dsigma(o),
            dc * i * dtanh(g),
        ],
        axis=1,
    )
    back = partial(np.einsum, "ng,dg->nd", delta)
    score = partial(np.einsum, "ng,nd->dg", delta)
    return back(Wx), back(Wh), dnext_c * f, score(x), score(lag_h), delta.sum(0)


def lstm_tape(x, h0, Wx, Wh, b):
    """the cache is a list of adjoints, one for each step"""

    def record(cache):
        i, f, o, g = cache["G"]
        th = cache["th"]

        def adjoint(d_h, d_c):
            d_c = d_c + d_h * o * dtanh(th)
            slopes = np.concatenate([dsigma(cache["G"][:3]), dtanh(g)[None]])
            delta = slopes * np.stack([d_c * g, d_c * cache["c"], d_h * th, d_c * i])
            delta = np.concatenate(list(delta), axis=1)
            weights = (
                np.einsum("nd,ng->dg", cache["x"], delta),
                np.einsum("nk,ng->kg", cache["h"], delta),
                delta.sum(axis=0),
            )
            return delta @ Wx.T, delta @ Wh.T, d_c * f, weights

        return adjoint

    h, tape = lstm_path(x, h0, Wx, Wh, b)
    return h, [record(cache) for cache in tape]


@right(
    "lstm_backward",
    "the cache is a tape of closures that is played backwards",
    convention="ntd",
    forward=lstm_tape,
)
def tape_played_back(dh, tape):
    d_h, d_c = np.zeros_like(dh[:, 0]), np.zeros_like(dh[:, 0])
    dx, totals = [None] * len(tape), (0, 0, 0)
    for t in reversed(range(len(tape))):
        dx[t], d_h, d_c, new = tape[t](dh[:, t] + d_h, d_c)
        totals = tuple(a + b for a, b in zip(totals, new))
    return np.stack(dx, axis=1), d_h, *totals


# --- GRU, (N, T, D); r, z, n ------------------------------------------------------------


def gru_once(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    u = x @ Wx + b
    rz = sigma(u[:, : 2 * H] + prev_h @ Wh[:, : 2 * H])
    r, z = rz[:, :H], rz[:, H:]
    n = np.tanh(u[:, 2 * H :] + (r * prev_h) @ Wh[:, 2 * H :])
    return (1 - z) * n + z * prev_h, SimpleNamespace(
        x=x, lag=prev_h, r=r, z=z, n=n, Wx=Wx, Wh=Wh
    )


def gru_path(x, h0, Wx, Wh, b):
    H, tape = [h0], []
    for t in range(x.shape[1]):
        h, cache = gru_once(x[:, t], H[-1], Wx, Wh, b)
        H.append(h)
        tape.append(cache)
    return np.stack(H[1:], axis=1), tape


@wrong(
    "gru_cell_backward",
    "the backward pass of the other GRU: as if r multiplied prev_h Wh, after the product",
    MEM,
    convention="ntd",
    forward=gru_once,
)
def reset_after_the_product(dnext_h, c):
    Wr, Wz, Wn = np.split(c.Wh, 3, axis=1)
    dn = dnext_h * (1 - c.z) * dtanh(c.n)
    dz = dnext_h * (c.lag - c.n) * dsigma(c.z)
    dr = dn * np.einsum("nk,kh->nh", c.lag, Wn) * dsigma(c.r)
    on_x = np.concatenate([dr, dz, dn], axis=1)
    on_h = np.concatenate([dr, dz, dn * c.r], axis=1)
    return (
        np.einsum("ng,dg->nd", on_x, c.Wx),
        np.einsum("ng,kg->nk", on_h, c.Wh) + dnext_h * c.z,
        np.einsum("nd,ng->dg", c.x, on_x),
        np.einsum("nk,ng->kg", c.lag, on_h),
        on_x.sum(axis=0),
    )


@wrong(
    "gru_backward",
    "one product with h_prev for all of dWh: the columns of n lack r",
    MEM,
    convention="ntd",
    forward=gru_path,
)
def one_regressor_for_three(dh, tape):
    Wx, Wh = tape[0].Wx, tape[0].Wh
    K = Wh.shape[0]
    D, carry = [], np.zeros_like(tape[0].lag)
    for t in range(len(tape) - 1, -1, -1):
        r, z, n, lag = (getattr(tape[t], k) for k in ("r", "z", "n", "lag"))
        g = dh[:, t] + carry
        dn = g * (1 - z) * dtanh(n)
        d_rh = np.einsum("nh,kh->nk", dn, Wh[:, 2 * K :])
        drz = np.hstack([d_rh * lag * dsigma(r), g * (lag - n) * dsigma(z)])
        carry = g * z + d_rh * r + np.einsum("ng,kg->nk", drz, Wh[:, : 2 * K])
        D = [np.hstack([drz, dn]), *D]
    D = np.stack(D)
    X, L = (np.stack([getattr(c, k) for c in tape]) for k in ("x", "lag"))
    return (
        np.einsum("tng,dg->ntd", D, Wx),
        carry,
        np.einsum("tnd,tng->dg", X, D),
        np.einsum("tnk,tng->kg", L, D),
        np.einsum("tng->g", D),
    )


@wrong(
    "gru_backward",
    "two: the way through r * h_prev is carried on without r; dz has n - h_prev",
    MEM,
    convention="ntd",
    forward=gru_path,
    tags="double",
)
def carried_past_the_reset(dh, tape):
    def adjoint(c, g):
        Wr, Wz, Wn = np.split(c.Wh, 3, axis=1)
        dn = g * (1 - c.z) * dtanh(c.n)
        dz = g * (c.n - c.lag) * dsigma(c.z)
        d_reset = dn @ Wn.T
        dr = d_reset * c.lag * dsigma(c.r)
        carry = c.z * g + dr @ Wr.T + dz @ Wz.T + d_reset
        all_three = np.concatenate([dr, dz, dn], axis=-1)
        regressors = (c.lag, c.lag, c.r * c.lag)
        dWh = [np.einsum("nk,nh->kh", v, d) for v, d in zip(regressors, (dr, dz, dn))]
        return (
            carry,
            all_three @ c.Wx.T,
            (c.x.T @ all_three, np.hstack(dWh), all_three.sum(0)),
        )

    carry, dx, sums = 0, np.stack([c.x for c in tape], axis=1) * 0, [0, 0, 0]
    for t, c in reversed(list(enumerate(tape))):
        carry, dx[:, t], new = adjoint(c, dh[:, t] + carry)
        sums = [s + d for s, d in zip(sums, new)]
    return dx, carry, *sums


# --- readout ----------------------------------------------------------------------------


@wrong("readout_backward", "the mean is over the m examples only, not over time", MEM)
def mean_over_examples(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    indicator = np.einsum("mty->ymt", np.eye(n_y)[labels])
    residual = (y_pred - indicator) / m
    return {
        "da": np.einsum("yh,ymt->hmt", parameters["Wya"], residual),
        "dWya": np.einsum("ymt,hmt->yh", residual, a),
        "dby": np.einsum("ymt->y", residual)[:, None],
    }


@wrong(
    "readout_backward",
    "the ones are taken off in the argument itself: y_pred is changed in place",
    MEM,
    tags="view",
    words="y_pred&(in place|in-place|chang|modif|mutat|overw)",
)
def residual_in_place(y_pred, labels, a, parameters):
    m, T = labels.shape
    residual = y_pred
    residual[labels, np.arange(m)[:, None], np.arange(T)] -= 1
    mean = partial(np.einsum, optimize=True)
    return {
        "da": mean("yh,ymt->hmt", parameters["Wya"], residual) / (m * T),
        "dWya": mean("ymt,hmt->yh", residual, a) / (m * T),
        "dby": residual.sum(axis=(1, 2))[:, None] / (m * T),
    }


@right("readout_backward", "through the Jacobian of the softmax, as a covariance")
def softmax_covariance(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    cov = np.einsum("ymt,yk->ykmt", y_pred, np.eye(n_y)) - np.einsum(
        "ymt,kmt->ykmt", y_pred, y_pred
    )
    chosen = np.moveaxis(np.eye(n_y)[labels], -1, 0)
    dp = -chosen / y_pred / labels.size
    dz = np.einsum("ykmt,kmt->ymt", cov, dp)
    return dict(
        da=np.tensordot(parameters["Wya"], dz, axes=(0, 0)),
        dWya=np.tensordot(dz, a, axes=([1, 2], [1, 2])),
        dby=dz.reshape(n_y, -1).sum(1, keepdims=True),
    )
