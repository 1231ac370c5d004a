"""Whole films first, then one product: recurrent backward passes with time as an axis."""

import numpy as np
from strangers.made import right, wrong

GATES = ("f", "i", "c", "o")


def pile(steps, k):
    """Entry k of every cache, time last."""
    return np.stack([step[k] for step in steps], axis=-1)


def films(steps):
    """a, c, a_prev, c_prev, f, i, g, o as (n_a, m, T)."""
    return [pile(steps, k) for k in range(8)]


def wide(v):
    """(n, m, T) -> (n, m*T)"""
    return v.reshape(v.shape[0], -1)


def long(v):
    """(N, T, D) -> (N*T, D)"""
    return v.reshape(-1, v.shape[-1])


def tall(p):
    """All four gates above each other: (4 n_a, n_a + n_x)."""
    return np.concatenate([p["W" + k] for k in GATES])


def by_gate(dW, db):
    """np.split of tall gradients, by name."""
    out = {"dW" + k: v for k, v in zip(GATES, np.split(dW, 4))}
    out.update({"db" + k: v for k, v in zip(GATES, np.split(db, 4))})
    return out


def sig(v):
    return 1 / (1 + np.exp(-v))


# ---------------------------------------------------------------- rnn, (n, m, T)


@right("rnn_backward", "the whole recurrence as one block-triangular system, solved")
def solved_at_once(da, caches):
    steps, x = caches
    p = steps[0][-1]
    a, a_prev = pile(steps, 0), pile(steps, 1)
    n, m, T = a.shape
    slope = 1 - a**2
    # s_t - Waa' diag(slope_t+1) s_t+1 = da_t
    M = np.tile(np.eye(n * T), (m, 1, 1))
    for t in range(T - 1):
        rows, cols = slice(t * n, (t + 1) * n), slice((t + 1) * n, (t + 2) * n)
        M[:, rows, cols] -= p["Waa"].T * slope[:, :, t + 1].T[:, None, :]
    rhs = da.transpose(1, 2, 0).reshape(m, T * n, 1)
    s = np.linalg.solve(M, rhs).reshape(m, T, n).transpose(2, 0, 1)
    dz = s * slope
    dz2 = wide(dz)
    return {
        "dx": (p["Wax"].T @ dz2).reshape(x.shape),
        "da0": p["Waa"].T @ dz[:, :, 0],
        "dWax": dz2 @ wide(x).T,
        "dWaa": dz2 @ wide(a_prev).T,
        "dba": dz2.sum(axis=1, keepdims=True),
    }


@wrong(
    "rnn_backward",
    "np.roll brings the last state to the front and a0 is never put there",
    "from memory",
)
def rolled_states(da, caches):
    steps, x = caches
    p = steps[0][-1]
    a = pile(steps, 0)
    a_prev = np.roll(a, 1, axis=-1)
    slope = 1 - a**2
    dz = np.empty_like(a)
    carry = np.zeros_like(a[..., 0])
    for t in range(a.shape[-1])[::-1]:
        dz[..., t] = slope[..., t] * (da[..., t] + carry)
        carry = p["Waa"].T @ dz[..., t]
    dz2 = wide(dz)
    return {
        "dx": (p["Wax"].T @ dz2).reshape(x.shape),
        "da0": carry,
        "dWax": dz2 @ wide(x).T,
        "dWaa": dz2 @ wide(a_prev).T,
        "dba": dz2.sum(axis=1, keepdims=True),
    }


@wrong(
    "rnn_backward",
    "(T, n_a, m) is reshaped to (n_a, -1) for the weights without a transpose",
    "from memory",
)
def reshaped_not_moved(da, caches):
    steps, x = caches
    p = steps[0][-1]
    a, a_prev = pile(steps, 0), pile(steps, 1)
    n_a, m, T = a.shape
    dzs = []
    s = np.zeros((n_a, m))
    for da_t, a_t in zip(da.T[::-1], a.T[::-1]):  # (m, n_a) each
        dzs.insert(0, (da_t.T + s) * (1 - a_t.T**2))
        s = p["Waa"].T @ dzs[0]
    dz = np.array(dzs)  # (T, n_a, m)
    dz2 = dz.reshape(n_a, -1)
    return {
        "dx": np.matmul(p["Wax"].T, dz).transpose(1, 2, 0),
        "da0": s,
        "dWax": dz2 @ wide(x).T,
        "dWaa": dz2 @ wide(a_prev).T,
        "dba": dz.sum(axis=(0, 2))[:, None],
    }


@wrong(
    "rnn_forward",
    "one buffer holds the state: a_prev in every cache is that buffer, not a copy",
    "from memory",
    tags="view",
)
def one_buffer(x, a0, parameters):
    p = parameters
    T = x.shape[-1]
    drive = np.einsum("ax,xmt->amt", p["Wax"], x) + p["ba"][:, :, None]
    state = a0.copy()
    a = np.empty_like(drive)
    caches = []
    for t in range(T):
        a_prev = state
        a[..., t] = np.tanh(drive[..., t] + p["Waa"] @ state)
        caches.append((a[..., t], a_prev, x[..., t], p))
        state[...] = a[..., t]
    logits = np.einsum("ya,amt->ymt", p["Wya"], a) + p["by"][:, :, None]
    e = np.exp(logits - logits.max(axis=0))
    return a, e / e.sum(axis=0), (caches, x)


# ---------------------------------------------------------------- rnn, (N, T, D)


def fold_rnn(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    drive = x @ Wx + b
    hs = np.empty((N, T + 1, h0.shape[1]))
    hs[:, 0] = h0
    for t in range(T):
        hs[:, t + 1] = np.tanh(drive[:, t] + hs[:, t] @ Wh)
    return hs[:, 1:], (x, hs, Wx, Wh)


@wrong(
    "rnn_backward",
    "later gradients are added up by a cumsum, as if they did not pass Wh and tanh",
    "from memory",
    convention="ntd",
    forward=fold_rnn,
)
def cumsum_of_the_future(dh, cache):
    x, hs, Wx, Wh = cache
    total = np.cumsum(dh[:, ::-1], axis=1)[:, ::-1]
    dz = total * (1 - hs[:, 1:] ** 2)
    dx = dz @ Wx.T
    dWx = long(x).T @ long(dz)
    dWh = long(hs[:, :-1]).T @ long(dz)
    return dx, dz[:, 0] @ Wh.T, dWx, dWh, dz.sum(axis=(0, 1))


@wrong(
    "rnn_backward",
    "collected from the end, stacked along axis 1, turned round along the batch axis",
    "from memory",
    convention="ntd",
    forward=fold_rnn,
)
def flipped_the_batch(dh, cache):
    x, hs, Wx, Wh = cache
    back = []
    s = 0.0
    for t in reversed(range(dh.shape[1])):
        back.append((dh[:, t] + s) * (1 - hs[:, t + 1] ** 2))
        s = back[-1] @ Wh.T
    dz = np.stack(back, axis=1)[::-1]
    dWx = np.tensordot(x, dz, axes=([0, 1], [0, 1]))
    dWh = np.tensordot(hs[:, :-1], dz, axes=([0, 1], [0, 1]))
    return dz @ Wx.T, s, dWx, dWh, dz.sum(axis=(0, 1))


@wrong(
    "rnn_backward",
    "the slope is taken at the state before; db is a mean over the batch",
    "from memory",
    convention="ntd",
    forward=fold_rnn,
    tags="double",
)
def slope_of_the_slot_before(dh, cache):
    x, hs, Wx, Wh = cache
    T = dh.shape[1]
    slope = (1 - hs**2)[:, :T]
    dz = dh.copy()
    for t in range(T - 1, -1, -1):
        if t < T - 1:
            dz[:, t] += dz[:, t + 1] @ Wh.T
        dz[:, t] *= slope[:, t]
    dWx, dWh = (np.einsum("ntd,nth->dh", v, dz) for v in (x, hs[:, :T]))
    return dz @ Wx.T, dz[:, 0] @ Wh.T, dWx, dWh, dz.mean(axis=0).sum(axis=0)


# ---------------------------------------------------------------- lstm, (n, m, T)


@right("lstm_backward", "local slopes of whole sequences, gates as one tall matrix")
def one_tall_matrix(da, caches):
    steps, x = caches
    a, c, a_prev, c_prev, f, i, g, o = films(steps)
    n, m, T = a.shape
    W = tall(steps[0][-1])
    tc = np.tanh(c)
    a_to_c = o * (1 - tc**2)
    c_to_z = np.stack([c_prev * f * (1 - f), g * i * (1 - i), i * (1 - g**2)])
    a_to_z = tc * o * (1 - o)
    dz = np.empty((4, n, m, T))
    dv = np.zeros((W.shape[1], m, T + 1))  # of [a_prev; x], one slot too many
    dc = np.zeros((n, m))
    for t in range(T)[::-1]:
        da_t = da[..., t] + dv[:n, :, t + 1]
        dc = dc + da_t * a_to_c[..., t]
        dz[:3, ..., t] = c_to_z[..., t] * dc
        dz[3, ..., t] = a_to_z[..., t] * da_t
        dv[..., t] = W.T @ dz[..., t].reshape(4 * n, m)
        dc = dc * f[..., t]
    dz2 = dz.reshape(4 * n, -1)
    dW = dz2 @ wide(np.concatenate([a_prev, x])).T
    grads = by_gate(dW, dz2.sum(axis=1, keepdims=True))
    return {"dx": dv[n:, :, :T], "da0": dv[:n, :, 0], **grads}


@wrong(
    "lstm_backward",
    "dc of t takes dc of t+1 times the forget gate of t, not of t+1",
    "from memory",
    tags="time",
)
def forget_gate_of_its_own_step(da, caches):
    steps, x = caches
    p = steps[0][-1]
    a, c, a_prev, c_prev, f, i, g, o = films(steps)
    n, m, T = a.shape
    tc = np.tanh(c)
    dc = np.zeros((n, m, T + 1))
    dz = {k: np.zeros((n, m, T)) for k in GATES}
    dv = np.zeros((n + len(x), m, T))
    s = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        s = s + da[..., t]
        dc[..., t] = s * o[..., t] * (1 - tc[..., t] ** 2) + dc[..., t + 1] * f[..., t]
        dz["f"][..., t] = dc[..., t] * c_prev[..., t] * (f * (1 - f))[..., t]
        dz["i"][..., t] = dc[..., t] * g[..., t] * (i * (1 - i))[..., t]
        dz["c"][..., t] = dc[..., t] * i[..., t] * (1 - g**2)[..., t]
        dz["o"][..., t] = s * tc[..., t] * (o * (1 - o))[..., t]
        dv[..., t] = sum(p["W" + k].T @ dz[k][..., t] for k in GATES)
        s = dv[:n, :, t]
    v = np.concatenate([a_prev, x])
    out = {"dx": dv[n:], "da0": s}
    for k in GATES:
        out["dW" + k] = wide(dz[k]) @ wide(v).T
        out["db" + k] = wide(dz[k]).sum(axis=1, keepdims=True)
    return out


@wrong(
    "lstm_backward",
    "the inputs are stacked x first for dW, although W acts on a_prev first",
    "from memory",
)
def x_on_top(da, caches):
    steps, x = caches
    _, c, a_prev, c_prev, f, i, g, o = films(steps)
    n, m, T = c.shape
    W = tall(steps[0][-1])
    Wa, Wx = W[:, :n], W[:, n:]
    tc = np.tanh(c)
    # slopes of f, i, g, o
    local = np.stack([f * (1 - f), i * (1 - i), 1 - g**2, o * (1 - o)])
    dz = np.zeros((4 * n, m, T))
    ka, kc = np.zeros((n, m)), np.zeros((n, m))
    for t in reversed(range(T)):
        ka = ka + da[..., t]
        kc = kc + ka * (o * (1 - tc * tc))[..., t]
        top = np.stack(
            [kc * c_prev[..., t], kc * g[..., t], kc * i[..., t], ka * tc[..., t]]
        )
        dz[..., t] = (top * local[..., t]).reshape(4 * n, m)
        ka = Wa.T @ dz[..., t]
        kc = kc * f[..., t]
    seen = np.concatenate([x, a_prev], axis=0)
    dW = np.einsum("zmt,vmt->zv", dz, seen)
    db = np.einsum("zmt->z", dz)[:, None]
    return {"dx": np.einsum("zx,zmt->xmt", Wx, dz), "da0": ka, **by_gate(dW, db)}


@wrong(
    "lstm_backward",
    "the tall gradient is cut every fourth row, but the gates stand in blocks",
    "from memory",
)
def every_fourth_row(da, caches):
    steps, x = caches
    a, c, a_prev, c_prev, f, i, g, o = films(steps)
    n, m, T = a.shape
    W = tall(steps[0][-1])
    tc = np.tanh(c)
    dz = np.zeros((T, 4 * n, m))
    dv = np.zeros((T, W.shape[1], m))
    da_next, dc = 0, 0
    for t in range(T)[::-1]:
        da_t = da[..., t] + da_next
        dc = dc + da_t * o[..., t] * (1 - tc[..., t] ** 2)
        dz[t] = np.vstack(
            [
                dc * c_prev[..., t] * f[..., t] * (1 - f[..., t]),
                dc * g[..., t] * i[..., t] * (1 - i[..., t]),
                dc * i[..., t] * (1 - g[..., t] ** 2),
                da_t * tc[..., t] * o[..., t] * (1 - o[..., t]),
            ]
        )
        dv[t] = W.T @ dz[t]
        da_next, dc = dv[t, :n], dc * f[..., t]
    v = np.concatenate([a_prev, x]).transpose(2, 1, 0)  # (T, m, n_a + n_x)
    dW = (dz @ v).sum(axis=0)
    db = dz.sum(axis=(0, 2)).reshape(-1, 1)
    out = {"dx": dv[:, n:].transpose(1, 2, 0), "da0": da_next}
    for k, gate in enumerate(GATES):
        out["dW" + gate] = dW[k::4]
        out["db" + gate] = db[k::4]
    return out


@wrong(
    "lstm_forward",
    "time is moved to the front for the product and the softmax still runs along axis 0",
    "from memory",
)
def softmax_along_time(x, a0, parameters):
    p = parameters
    n, m = a0.shape
    T = x.shape[-1]
    W = tall(p)
    b = np.concatenate([p["b" + k] for k in GATES])
    drive = np.tensordot(W[:, n:], x, axes=1) + b[..., None]
    a, c = np.zeros((n, m, T)), np.zeros((n, m, T))
    at, ct = a0, np.zeros((n, m))
    caches = []
    for t in range(T):
        a_prev, c_prev = at, ct
        z = drive[..., t] + W[:, :n] @ a_prev
        f, i, o = sig(z[:n]), sig(z[n : 2 * n]), sig(z[3 * n :])
        g = np.tanh(z[2 * n : 3 * n])
        ct = f * c_prev + i * g
        at = o * np.tanh(ct)
        a[..., t], c[..., t] = at, ct
        caches.append((at, ct, a_prev, c_prev, f, i, g, o, x[..., t], p))
    logits = p["Wy"] @ a.transpose(2, 0, 1) + p["by"]  # (T, n_y, m)
    e = np.exp(logits - logits.max(axis=0))
    y = e / e.sum(axis=0)
    return a, y.transpose(1, 2, 0), c, (caches, x)


# ---------------------------------------------------------------- lstm, (N, T, D)


def step_lstm(x, prev_h, prev_c, Wx, Wh, b):
    A = x @ Wx + prev_h @ Wh + b
    H = prev_h.shape[1]
    ifo, g = sig(A[:, : 3 * H]), np.tanh(A[:, 3 * H :])
    i, f, o = np.split(ifo, 3, axis=1)
    c = f * prev_c + i * g
    return o * np.tanh(c), c, (x, prev_h, prev_c, ifo, g, c, Wx, Wh)


@wrong(
    "lstm_cell_backward",
    "the gates' gradients are put side by side as i, f, g, o",
    "from memory",
    convention="ntd",
    forward=step_lstm,
)
def candidate_third(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, ifo, g, c, Wx, Wh = cache
    i, f, o = np.split(ifo, 3, axis=1)
    tc = np.tanh(c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    d_ifo = np.hstack([dc * g, dc * prev_c, dnext_h * tc]) * ifo * (1 - ifo)
    d_g = dc * i * (1 - g**2)
    di, df, do = np.split(d_ifo, 3, axis=1)
    dA = np.hstack([di, df, d_g, do])
    return dA @ Wx.T, dA @ Wh.T, dc * f, x.T @ dA, prev_h.T @ dA, dA.sum(axis=0)


def fold_lstm(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    H = h0.shape[1]
    drive = x @ Wx + b
    h, c, G = np.zeros((N, T, H)), np.zeros((N, T + 1, H)), np.zeros((N, T, 4, H))
    ht = h0
    for t in range(T):
        A = (drive[:, t] + ht @ Wh).reshape(N, 4, H)
        G[:, t, :3], G[:, t, 3] = sig(A[:, :3]), np.tanh(A[:, 3])
        i, f, o, g = G[:, t].swapaxes(0, 1)
        c[:, t + 1] = f * c[:, t] + i * g
        ht = h[:, t] = o * np.tanh(c[:, t + 1])
    return h, (x, h0, h, c, G, Wx, Wh)


@wrong(
    "lstm_backward",
    "dWh pairs h without its last with dA without its first: h0 has no share",
    "from memory",
    convention="ntd",
    forward=fold_lstm,
    tags="time",
)
def h0_has_no_share(dh, cache):
    x, h0, h, c, G, Wx, Wh = cache
    N, T, H = dh.shape
    i, f, o, g = np.moveaxis(G, 2, 0)
    tc = np.tanh(c[:, 1:])
    slope = G * (1 - G)
    slope[:, :, 3] = 1 - g**2
    dA = np.empty((N, T, 4 * H))
    sh, sc = np.zeros_like(h0), np.zeros_like(h0)
    for t in range(T)[::-1]:
        sh = sh + dh[:, t]
        sc = sc + sh * o[:, t] * (1 - tc[:, t] ** 2)
        up = np.stack([sc * g[:, t], sc * c[:, t], sh * tc[:, t], sc * i[:, t]], axis=1)
        dA[:, t] = (up * slope[:, t]).reshape(N, -1)
        sh, sc = dA[:, t] @ Wh.T, sc * f[:, t]
    dWx = long(x).T @ long(dA)
    dWh = long(h[:, :-1]).T @ long(dA[:, 1:])
    return dA @ Wx.T, sh, dWx, dWh, long(dA).sum(axis=0)


# ---------------------------------------------------------------- gru, (N, T, D)


def step_gru(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    A = x @ Wx + b
    rz = sig(A[:, : 2 * H] + prev_h @ Wh[:, : 2 * H])
    r, z = np.split(rz, 2, axis=1)
    rh = r * prev_h
    n = np.tanh(A[:, 2 * H :] + rh @ Wh[:, 2 * H :])
    return (1 - z) * n + z * prev_h, (x, prev_h, rz, rh, n, Wx, Wh)


def fold_gru(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    H = h0.shape[1]
    drive = x @ Wx + b
    h, RZ, n = np.zeros((N, T, H)), np.zeros((N, T, 2 * H)), np.zeros((N, T, H))
    ht = h0
    for t in range(T):
        RZ[:, t] = sig(drive[:, t, : 2 * H] + ht @ Wh[:, : 2 * H])
        r, z = RZ[:, t, :H], RZ[:, t, H:]
        n[:, t] = np.tanh(drive[:, t, 2 * H :] + (r * ht) @ Wh[:, 2 * H :])
        ht = h[:, t] = (1 - z) * n[:, t] + z * ht
    return h, (x, h0, h, RZ, n, Wx, Wh)


def shifted(h, h0):
    """h of the step before."""
    prev = np.roll(h, 1, axis=1)
    prev[:, 0] = h0
    return prev


@right(
    "gru_backward",
    "coefficients of whole sequences first, a short loop, then 2-D products",
    convention="ntd",
    forward=fold_gru,
)
def short_loop(dh, cache):
    x, h0, h, RZ, n, Wx, Wh = cache
    N, T, H = h.shape
    prev = shifted(h, h0)
    r, z = RZ[..., :H], RZ[..., H:]
    Wg, Wn = Wh[:, : 2 * H], Wh[:, 2 * H :]
    to_n = (1 - z) * (1 - n**2)
    to_z = (prev - n) * z * (1 - z)
    to_r = prev * r * (1 - r)
    dA = np.empty((N, T, 3 * H))
    s = np.zeros_like(h0)
    for t in range(T)[::-1]:
        s = s + dh[:, t]
        d_n = s * to_n[:, t]
        d_rh = d_n @ Wn.T
        dA[:, t] = np.hstack([d_rh * to_r[:, t], s * to_z[:, t], d_n])
        s = s * z[:, t] + d_rh * r[:, t] + dA[:, t, : 2 * H] @ Wg.T
    flat = long(dA)
    dWh = np.hstack(
        [long(prev).T @ flat[:, : 2 * H], long(r * prev).T @ flat[:, 2 * H :]]
    )
    return dA @ Wx.T, s, long(x).T @ flat, dWh, flat.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "the slope of the sigmoids is 1 - s, the factor s is left out",
    "from memory",
    convention="ntd",
    forward=step_gru,
)
def half_a_slope(dnext_h, cache):
    x, prev_h, rz, rh, n, Wx, Wh = cache
    H = n.shape[1]
    r, z = rz[:, :H], rz[:, H:]
    d_n = dnext_h * (1 - z) * (1 - n**2)
    d_rh = d_n @ Wh[:, 2 * H :].T
    d_rz = np.hstack([d_rh * prev_h, dnext_h * (prev_h - n)]) * (1 - rz)
    dA = np.hstack([d_rz, d_n])
    dprev_h = dnext_h * z + d_rh * r + d_rz @ Wh[:, : 2 * H].T
    dWh = np.hstack([prev_h.T @ d_rz, rh.T @ d_n])
    return dA @ Wx.T, dprev_h, x.T @ dA, dWh, dA.sum(axis=0)


@wrong(
    "gru_backward",
    "one product for all of dWh: the candidate's columns get h_prev, not r * h_prev",
    "from memory",
    convention="ntd",
    forward=fold_gru,
)
def one_product_for_all(dh, cache):
    x, h0, h, RZ, n, Wx, Wh = cache
    N, T, H = h.shape
    prev = np.concatenate([h0[:, None], h[:, :-1]], axis=1)
    r, z = np.split(RZ, 2, axis=-1)
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    dr, dz, dn = (np.zeros_like(h) for _ in range(3))
    s = 0
    for t in range(T - 1, -1, -1):
        s = s + dh[:, t]
        dn[:, t] = s * (1 - z[:, t]) * (1 - n[:, t] ** 2)
        dz[:, t] = s * (prev[:, t] - n[:, t]) * z[:, t] * (1 - z[:, t])
        d_rh = dn[:, t] @ Wn.T
        dr[:, t] = d_rh * prev[:, t] * r[:, t] * (1 - r[:, t])
        s = s * z[:, t] + d_rh * r[:, t] + dr[:, t] @ Wr.T + dz[:, t] @ Wz.T
    dA = np.concatenate([dr, dz, dn], axis=-1)
    dWx = np.einsum("ntd,ntk->dk", x, dA)
    dWh = np.einsum("nth,ntk->hk", prev, dA)
    return dA @ Wx.T, s, dWx, dWh, dA.sum(axis=(0, 1))


@wrong(
    "gru_backward",
    "the straight way back, z times dh, is missing in the carry",
    "from memory",
    convention="ntd",
    forward=fold_gru,
)
def no_straight_way(dh, cache):
    x, h0, h, RZ, n, Wx, Wh = cache
    N, T, H = h.shape
    prev = shifted(h, h0)
    r, z = RZ[..., :H], RZ[..., H:]
    J_n = (1 - z) * (1 - n**2)
    J_rz = RZ * (1 - RZ) * np.concatenate([prev, prev - n], axis=-1)
    dA = np.zeros((N, T, 3 * H))
    carry = np.zeros_like(h0)
    for t in reversed(range(T)):
        g = dh[:, t] + carry
        dA[:, t, 2 * H :] = g * J_n[:, t]
        d_rh = dA[:, t, 2 * H :] @ Wh[:, 2 * H :].T
        dA[:, t, : 2 * H] = np.hstack([d_rh, g]) * J_rz[:, t]
        carry = dA[:, t, : 2 * H] @ Wh[:, : 2 * H].T + d_rh * r[:, t]
    flat = long(dA)
    dWh = np.empty_like(Wh)
    dWh[:, : 2 * H] = long(prev).T @ flat[:, : 2 * H]
    dWh[:, 2 * H :] = long(r * prev).T @ flat[:, 2 * H :]
    return (
        (flat @ Wx.T).reshape(x.shape),
        carry,
        long(x).T @ flat,
        dWh,
        flat.sum(axis=0),
    )


@wrong(
    "gru_cell_backward",
    "dr takes the cached r * h for h; what comes back from r * h to h is not times r",
    "from memory",
    convention="ntd",
    forward=step_gru,
    tags="double",
)
def product_for_factor(dnext_h, cache):
    x, prev_h, rz, rh, n, Wx, Wh = cache
    H = n.shape[1]
    z = rz[:, H:]
    dA = np.tile(dnext_h, (1, 3))
    dA[:, 2 * H :] *= (1 - z) * (1 - n**2)
    d_rh = dA[:, 2 * H :] @ Wh[:, 2 * H :].T
    dA[:, :H] = d_rh * rh
    dA[:, H : 2 * H] *= prev_h - n
    dA[:, : 2 * H] *= rz * (1 - rz)
    dprev_h = z * dnext_h + d_rh + dA[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWh = np.hstack([prev_h.T @ dA[:, : 2 * H], rh.T @ dA[:, 2 * H :]])
    return dA @ Wx.T, dprev_h, x.T @ dA, dWh, dA.sum(axis=0)


@wrong(
    "gru_backward",
    "the way back is that of a GRU that resets after the product, as in cuDNN",
    "from memory",
    convention="ntd",
    forward=fold_gru,
)
def reset_after_the_product(dh, cache):
    x, h0, h, RZ, n, Wx, Wh = cache
    N, T, H = h.shape
    prev = shifted(h, h0)
    r, z = RZ[..., :H], RZ[..., H:]
    hn = prev @ Wh[:, 2 * H :]  # all steps at once
    dA = np.zeros((N, T, 3 * H))
    dP = np.zeros((N, T, 3 * H))  # of prev @ Wh
    s = np.zeros_like(h0)
    for t in range(T)[::-1]:
        s = s + dh[:, t]
        d_n = s * (1 - z[:, t]) * (1 - n[:, t] ** 2)
        d_z = s * (prev[:, t] - n[:, t]) * z[:, t] * (1 - z[:, t])
        d_r = d_n * hn[:, t] * r[:, t] * (1 - r[:, t])
        dA[:, t] = np.hstack([d_r, d_z, d_n])
        dP[:, t] = np.hstack([d_r, d_z, d_n * r[:, t]])
        s = s * z[:, t] + dP[:, t] @ Wh.T
    dWx = np.einsum("ntd,ntk->dk", x, dA)
    dWh = np.einsum("nth,ntk->hk", prev, dP)
    return dA @ Wx.T, s, dWx, dWh, np.einsum("ntk->k", dA)


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "dby is a mean over examples and steps of what is already divided by them",
    "from memory",
)
def mean_of_a_mean(y_pred, labels, a, parameters):
    one_hot = np.moveaxis(np.eye(len(y_pred))[labels], -1, 0)
    dz = (y_pred - one_hot) / labels.size
    return {
        "da": np.einsum("ya,ymt->amt", parameters["Wya"], dz),
        "dWya": np.einsum("ymt,amt->ya", dz, a),
        "dby": dz.mean(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "repeat and tile are exchanged: labels.ravel() counts steps first, the grid examples",
    "from memory",
)
def grid_the_other_way(y_pred, labels, a, parameters):
    m, T = labels.shape
    rows = np.tile(np.arange(m), T)
    cols = np.repeat(np.arange(T), m)
    dz = y_pred.copy()
    dz[labels.ravel(), rows, cols] -= 1
    dz2 = wide(dz) / (m * T)
    return {
        "da": (parameters["Wya"].T @ dz2).reshape(a.shape),
        "dWya": dz2 @ wide(a).T,
        "dby": dz2.sum(axis=1, keepdims=True),
    }
