"""Viktor: firmware for motor controllers by day. Every array is a buffer that stands before the loop."""

import numpy as np
from strangers.made import right, wrong

# gate slots of the exercise, as in the enum of the C port
F, I, G, O = range(4)
KEYS = "fico"


# --------------------------------------------------------------- rnn, course


@wrong(
    "rnn_backward",
    "two slots for the carry, but the flag flips after the write: it is read two steps later",
    "from memory: a ping-pong buffer as for DMA",
    step={"dx": -2, "dWax": -2, "dWaa": -2, "dba": -2},
)
def bptt_two_slots(da, caches):
    steps, x = caches
    NX, M, T = x.shape
    NA = da.shape[0]
    p = steps[0][3]
    carry = np.zeros((2, NA, M))
    dz = np.empty((NA, M))
    tmp = np.empty((NA, M))
    dx = np.empty((NX, M, T))
    dWax = np.zeros((NA, NX))
    dWaa = np.zeros((NA, NA))
    dba = np.zeros((NA, 1))
    slot = 0
    for t in range(T - 1, -1, -1):
        a_next, a_prev, xt, _ = steps[t]
        np.add(da[:, :, t], carry[slot], out=dz)
        np.multiply(a_next, a_next, out=tmp)
        np.subtract(1.0, tmp, out=tmp)
        dz *= tmp
        dx[:, :, t] = p["Wax"].T @ dz
        np.matmul(p["Waa"].T, dz, out=carry[slot])
        slot ^= 1
        dWax += dz @ xt.T
        dWaa += dz @ a_prev.T
        dba += dz.sum(axis=1, keepdims=True)
    return {"dx": dx, "da0": carry[slot ^ 1], "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_forward",
    "one state buffer: every cache points to it, so all hold the last state",
    "from memory: no allocation inside the loop",
    tags="view",
)
def forward_static_state(x, a0, parameters):
    p = parameters
    NX, M, T = x.shape
    NY, NA = p["Wya"].shape
    a = np.empty((NA, M, T))
    y = np.empty((NY, M, T))
    state = np.empty((NA, M))
    pre = np.empty((NA, M))
    logits = np.empty((NY, M))
    state[...] = a0
    caches = []
    for t in range(T):
        xt = x[:, :, t]
        prev = state
        np.matmul(p["Waa"], prev, out=pre)
        pre += p["Wax"] @ xt
        pre += p["ba"]
        np.tanh(pre, out=state)
        np.matmul(p["Wya"], state, out=logits)
        logits += p["by"]
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=0)
        a[:, :, t] = state
        y[:, :, t] = logits
        caches.append((state, prev, xt, p))
    return a, y, (caches, x)


@wrong(
    "rnn_backward",
    "dx is a float32 buffer",
    "from memory: float is four bytes, and the buffer was declared like in the firmware",
    words="float32",
)
def bptt_float_buffer(da, caches):
    steps, x = caches
    T = x.shape[2]
    p = steps[0][3]
    NA, NX = p["Wax"].shape
    M = x.shape[1]
    dx = np.zeros((NX, M, T), dtype=np.float32)
    acc = np.zeros((NA, NA + NX + 1))  # one arena, three views
    dWaa, dWax, dba = acc[:, :NA], acc[:, NA : NA + NX], acc[:, NA + NX :]
    carry = np.zeros((NA, M))
    t = T
    while t:
        t -= 1
        a_next, a_prev, xt, _ = steps[t]
        dz = (carry + da[:, :, t]) * (1 - a_next * a_next)
        dWaa += dz @ a_prev.T
        dWax += dz @ xt.T
        dba += dz.sum(1, keepdims=True)
        np.matmul(p["Wax"].T, dz, out=dx[:, :, t], casting="same_kind")
        np.matmul(p["Waa"].T, dz, out=carry)
    return {"dx": dx, "da0": carry, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_cell_backward",
    "dxt is taken of da_next (the pointer was not moved on to dz), and dba is a mean over the batch",
    "from memory",
    tags="double",
)
def cell_stale_pointer(da_next, cache):
    a_next, a_prev, xt, p = cache
    src = da_next
    dz = np.empty_like(src)
    np.multiply(a_next, a_next, out=dz)
    np.subtract(1.0, dz, out=dz)
    np.multiply(dz, src, out=dz)
    out = {}
    out["dxt"] = p["Wax"].T @ src
    src = dz
    out["da_prev"] = p["Waa"].T @ src
    out["dWax"] = src @ xt.T
    out["dWaa"] = src @ a_prev.T
    out["dba"] = src.mean(axis=1, keepdims=True)
    return out


# -------------------------------------------------------------- lstm, course


@wrong(
    "lstm_cell_backward",
    "the gates stand f, i, c, o in the buffer, the weights are stacked f, i, o, c",
    "from memory: two tables that have to be kept in the same order",
)
def cell_two_tables(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    NA, M = a_next.shape
    NX = xt.shape[0]
    th = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - th * th)
    dz = np.empty((4, NA, M))
    dz[F] = dc * c_prev * ft * (1 - ft)
    dz[I] = dc * cct * it * (1 - it)
    dz[G] = dc * it * (1 - cct * cct)
    dz[O] = da_next * th * ot * (1 - ot)
    z = np.empty((NA + NX, M))
    z[:NA] = a_prev
    z[NA:] = xt
    W = np.concatenate((p["Wf"], p["Wi"], p["Wo"], p["Wc"]))
    dzin = W.T @ dz.reshape(4 * NA, M)
    out = {"dxt": dzin[NA:], "da_prev": dzin[:NA], "dc_prev": dc * ft}
    for k, name in enumerate(KEYS):
        out["dW" + name] = dz[k] @ z.T
        out["db" + name] = dz[k].sum(axis=1, keepdims=True)
    return out


@wrong(
    "lstm_cell_backward",
    "df and di share one scratch buffer: df is overwritten before it is used",
    "from memory: out=tmp hands back tmp itself",
    tags="view",
)
def cell_shared_scratch(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    NA = a_next.shape[0]
    tmp = np.empty_like(a_next)
    th = np.tanh(c_next)
    dc = th * th
    np.subtract(1.0, dc, out=dc)
    dc *= ot
    dc *= da_next
    dc += dc_next
    df = np.multiply(dc, c_prev, out=tmp)
    di = np.multiply(dc, cct, out=tmp)
    dg = dc * it
    do = da_next * th
    dzf = df * ft * (1 - ft)
    dzi = di * it * (1 - it)
    dzg = dg * (1 - cct * cct)
    dzo = do * ot * (1 - ot)
    zT = np.vstack((a_prev, xt)).T
    dzin = p["Wf"].T @ dzf
    dzin += p["Wi"].T @ dzi
    dzin += p["Wc"].T @ dzg
    dzin += p["Wo"].T @ dzo
    return {
        "dxt": dzin[NA:],
        "da_prev": dzin[:NA],
        "dc_prev": dc * ft,
        "dWf": dzf @ zT,
        "dbf": dzf.sum(1, keepdims=True),
        "dWi": dzi @ zT,
        "dbi": dzi.sum(1, keepdims=True),
        "dWc": dzg @ zT,
        "dbc": dzg.sum(1, keepdims=True),
        "dWo": dzo @ zT,
        "dbo": dzo.sum(1, keepdims=True),
    }


def _sig_by_tanh(v):
    return 0.5 * (1.0 + np.tanh(v))


@wrong(
    "lstm_cell_forward",
    "sigmoid by the table of tanh, without halving the argument",
    "from memory: one table for both functions saves flash",
)
def step_tanh_table(xt, a_prev, c_prev, parameters):
    p = parameters
    NA, M = a_prev.shape
    z = np.empty((NA + xt.shape[0], M))
    z[:NA], z[NA:] = a_prev, xt
    gate = np.empty((4, NA, M))
    for k, name in enumerate(KEYS):
        np.matmul(p["W" + name], z, out=gate[k])
        gate[k] += p["b" + name]
        gate[k] = np.tanh(gate[k]) if k == G else _sig_by_tanh(gate[k])
    c_next = gate[F] * c_prev
    c_next += gate[I] * gate[G]
    a_next = gate[O] * np.tanh(c_next)
    y = p["Wy"] @ a_next + p["by"]
    y -= y.max(axis=0)
    np.exp(y, out=y)
    y /= y.sum(axis=0)
    cache = (a_next, c_next, a_prev, c_prev, gate[F], gate[I], gate[G], gate[O], xt, p)
    return a_next, c_next, y, cache


@wrong(
    "lstm_backward",
    "`while t` ends before step 0 is done, and dbo is stored, not added to",
    "from memory: a countdown that tests before it works",
    tags="double time",
)
def bptt_countdown(da, caches):
    steps, x = caches
    NX, M, T = x.shape
    NA = da.shape[0]
    p = steps[0][-1]
    grad = {"dx": np.zeros((NX, M, T)), "da0": np.zeros((NA, M))}
    for k in KEYS:
        grad["dW" + k] = np.zeros((NA, NA + NX))
        grad["db" + k] = np.zeros((NA, 1))
    dh = grad["da0"]
    dc = np.zeros((NA, M))
    dz = np.empty((4, NA, M))
    z = np.empty((NA + NX, M))
    t = T - 1
    while t:
        _, c_next, a_prev, c_prev, f, i, g, o, xt, _ = steps[t]
        dh += da[:, :, t]
        th = np.tanh(c_next)
        dc += dh * o * (1 - th * th)
        dz[F] = dc * c_prev * f * (1 - f)
        dz[I] = dc * g * i * (1 - i)
        dz[G] = dc * i * (1 - g * g)
        dz[O] = dh * th * o * (1 - o)
        z[:NA], z[NA:] = a_prev, xt
        grad["dWf"] += dz[F] @ z.T
        grad["dWi"] += dz[I] @ z.T
        grad["dWc"] += dz[G] @ z.T
        grad["dWo"] += dz[O] @ z.T
        grad["dbf"] += dz[F].sum(1, keepdims=True)
        grad["dbi"] += dz[I].sum(1, keepdims=True)
        grad["dbc"] += dz[G].sum(1, keepdims=True)
        grad["dbo"][:] = dz[O].sum(1, keepdims=True)
        back = sum(p["W" + k].T @ dz[n] for n, k in enumerate(KEYS))
        dh[:] = back[:NA]
        grad["dx"][:, :, t] = back[NA:]
        dc *= f
        t -= 1
    return grad


# ------------------------------------------------------------------ readout


@wrong(
    "readout_backward",
    "the weights' sums are divided by T after the loop, da is not",
    "from memory",
)
def readout_scaled_late(y_pred, labels, a, parameters):
    NY, M, T = y_pred.shape
    lane = np.arange(M)
    Wya = parameters["Wya"]
    da = np.empty_like(a)
    dWya = np.zeros_like(Wya)
    dby = np.zeros((NY, 1))
    d = np.empty((NY, M))
    for t in range(T):
        np.copyto(d, y_pred[:, :, t])
        d[labels[:, t], lane] -= 1.0
        d /= M
        da[:, :, t] = Wya.T @ d
        dWya += d @ a[:, :, t].T
        dby += d.sum(axis=1, keepdims=True)
    dWya /= T
    dby /= T
    return {"da": da, "dWya": dWya, "dby": dby}


# ---------------------------------------------- the other course: (N, T, D)


def rnn_run(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    mem = np.empty((N, T + 1, H))
    mem[:, 0] = h0
    for t in range(T):
        mem[:, t + 1] = np.tanh(x[:, t] @ Wx + mem[:, t] @ Wh + b)
    return mem[:, 1:].copy(), (x, mem, Wx, Wh)


@wrong(
    "rnn_backward",
    "d is a view of dh, and the carry is added into it: the argument is changed",
    "from memory: a pointer into the caller's memory",
    convention="ntd",
    forward=rnn_run,
    tags="view",
    words="dh&in place|chang|modif|overw|mutat",
)
def rnn_writes_into_caller(dh, cache):
    x, mem, Wx, Wh = cache
    N, T, D = x.shape
    dx = np.empty_like(x)
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    db = np.zeros(Wh.shape[0])
    carry = np.zeros((N, Wh.shape[0]))
    for t in range(T - 1, -1, -1):
        d = dh[:, t]
        d += carry
        hn = mem[:, t + 1]
        dz = d * (1 - hn * hn)
        dx[:, t] = dz @ Wx.T
        dWx += x[:, t].T @ dz
        dWh += mem[:, t].T @ dz
        db += dz.sum(axis=0)
        np.matmul(dz, Wh.T, out=carry)
    return dx, carry, dWx, dWh, db


def _sig(v):
    return 1.0 / (1.0 + np.exp(-v))


def lstm_one(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    g = x @ Wx + prev_h @ Wh + b
    g[:, : 3 * H] = _sig(g[:, : 3 * H])
    g[:, 3 * H :] = np.tanh(g[:, 3 * H :])
    next_c = g[:, H : 2 * H] * prev_c + g[:, :H] * g[:, 3 * H :]
    th = np.tanh(next_c)
    return g[:, 2 * H : 3 * H] * th, next_c, (x, prev_h, prev_c, Wx, Wh, g, th)


def lstm_run(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    hs, cs = np.empty((N, T, H)), np.empty((N, T, H))
    gates = np.empty((N, T, 4 * H))
    h, c = h0, np.zeros((N, H))
    for t in range(T):
        h, c, one = lstm_one(x[:, t], h, c, Wx, Wh, b)
        hs[:, t], cs[:, t], gates[:, t] = h, c, one[5]
    return hs, (x, h0, hs.copy(), cs, gates, Wx, Wh)


@wrong(
    "lstm_backward",
    "the index of the memory before is clamped to 0: step 0 gets c of step 0 for the zeros before it",
    "from memory: max(t - 1, 0), so that no pointer runs out of the buffer",
    convention="ntd",
    forward=lstm_run,
    step=0,
    tags="time",
)
def lstm_clamped_index(dh, cache):
    x, h0, hs, cs, gates, Wx, Wh = cache
    N, T, D = x.shape
    H = h0.shape[1]
    dx = np.empty((N, T, D))
    dWx, dWh, db = np.zeros((D, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)
    ch, cc = np.zeros((N, H)), np.zeros((N, H))
    dg = np.empty((N, 4 * H))
    for t in range(T - 1, -1, -1):
        i, f, o, g = (gates[:, t, k * H : (k + 1) * H] for k in range(4))
        hp = hs[:, t - 1] if t else h0
        cp = cs[:, max(t - 1, 0)]
        th = np.tanh(cs[:, t])
        ch += dh[:, t]
        cc += ch * o * (1 - th * th)
        dg[:, :H] = cc * g * i * (1 - i)
        dg[:, H : 2 * H] = cc * cp * f * (1 - f)
        dg[:, 2 * H : 3 * H] = ch * th * o * (1 - o)
        dg[:, 3 * H :] = cc * i * (1 - g * g)
        cc *= f
        dWx += x[:, t].T @ dg
        dWh += hp.T @ dg
        db += dg.sum(axis=0)
        dx[:, t] = dg @ Wx.T
        np.matmul(dg, Wh.T, out=ch)
    return dx, ch, dWx, dWh, db


@wrong(
    "lstm_cell_backward",
    "db keeps the axis of the batch: (1, 4H), not (4H,)",
    "from memory: keepdims out of habit from the other course",
    convention="ntd",
    forward=lstm_one,
    words="db&shape",
)
def lstm_bias_row(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, g, th = cache
    H = prev_h.shape[1]
    pi, pf, po, pg = g[:, :H], g[:, H : 2 * H], g[:, 2 * H : 3 * H], g[:, 3 * H :]
    dg = np.empty_like(g)
    dc = dnext_h * po
    dc *= 1 - th * th
    dc += dnext_c
    np.multiply(dc, pg, out=dg[:, :H])
    np.multiply(dc, prev_c, out=dg[:, H : 2 * H])
    np.multiply(dnext_h, th, out=dg[:, 2 * H : 3 * H])
    np.multiply(dc, pi, out=dg[:, 3 * H :])
    s = g[:, : 3 * H]
    dg[:, : 3 * H] *= s * (1 - s)
    dg[:, 3 * H :] *= 1 - pg * pg
    return (
        dg @ Wx.T,
        dg @ Wh.T,
        dc * pf,
        x.T @ dg,
        prev_h.T @ dg,
        dg.sum(axis=0, keepdims=True),
    )


def gru_one(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    rz = _sig(x @ Wx[:, : 2 * H] + prev_h @ Wh[:, : 2 * H] + b[: 2 * H])
    r, z = rz[:, :H], rz[:, H:]
    rh = r * prev_h
    n = np.tanh(x @ Wx[:, 2 * H :] + rh @ Wh[:, 2 * H :] + b[2 * H :])
    return (1 - z) * n + z * prev_h, (x, prev_h, Wx, Wh, r, z, n, rh)


def gru_run(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.empty((N, T, h0.shape[1]))
    ring = [None] * T
    last = h0
    for t in range(T):
        last, ring[t] = gru_one(x[:, t], last, Wx, Wh, b)
        h[:, t] = last
    return h, ring


@wrong(
    "gru_cell_backward",
    "the sign of the update gate: n - h where h - n belongs",
    "from memory",
    convention="ntd",
    forward=gru_one,
)
def gru_gate_polarity(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n, rh = cache
    H = prev_h.shape[1]
    dg = np.empty((x.shape[0], 3 * H))
    dr, dz, dn = dg[:, :H], dg[:, H : 2 * H], dg[:, 2 * H :]
    dn[:] = dnext_h * (1 - z) * (1 - n * n)
    drh = dn @ Wh[:, 2 * H :].T
    dr[:] = drh * prev_h * r * (1 - r)
    dz[:] = dnext_h * (n - prev_h) * z * (1 - z)
    dprev = dnext_h * z + drh * r
    dprev += dg[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWh = np.empty_like(Wh)
    dWh[:, : 2 * H] = prev_h.T @ dg[:, : 2 * H]
    dWh[:, 2 * H :] = rh.T @ dn
    return dg @ Wx.T, dprev, x.T @ dg, dWh, dg.sum(axis=0)


@wrong(
    "gru_backward",
    "the direct way past the cell takes dh of the step alone, without the carry",
    "from memory: the sum stands in its own buffer, and the raw one was read",
    convention="ntd",
    forward=gru_run,
    step={"dx": -3, "dWx": -3, "dWh": -3, "db": -3},
)
def gru_bypass_raw(dh, ring):
    N, T, H = dh.shape
    x, _, Wx, Wh, *_ = ring[0]
    dx = np.empty((N, T, x.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    carry = np.zeros((N, H))
    total = np.empty((N, H))
    dg = np.empty((N, 3 * H))
    RZ, NN = slice(0, 2 * H), slice(2 * H, 3 * H)
    for t in range(T - 1, -1, -1):
        x, hp, _, _, r, z, n, rh = ring[t]
        raw = dh[:, t]
        np.add(raw, carry, out=total)
        dg[:, NN] = total * (1 - z) * (1 - n * n)
        drh = dg[:, NN] @ Wh[:, NN].T
        dg[:, :H] = drh * hp * r * (1 - r)
        dg[:, H : 2 * H] = total * (hp - n) * z * (1 - z)
        carry[:] = raw * z
        carry += drh * r
        carry += dg[:, RZ] @ Wh[:, RZ].T
        dx[:, t] = dg @ Wx.T
        dWx += x.T @ dg
        dWh[:, RZ] += hp.T @ dg[:, RZ]
        dWh[:, NN] += rh.T @ dg[:, NN]
        db += dg.sum(axis=0)
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_backward",
    "r's derivative is r alone, and dWh of r and z is taken with the state after the step",
    "from memory",
    convention="ntd",
    forward=gru_run,
    tags="double time",
)
def gru_state_after(dh, ring):
    N, T, H = dh.shape
    x, _, Wx, Wh, *_ = ring[0]
    dx = np.empty((N, T, x.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    d = np.zeros((N, H))
    for t in reversed(range(T)):
        x, hp, _, _, r, z, n, rh = ring[t]
        hn = n + z * (hp - n)
        d += dh[:, t]
        gn = d * (1 - z) * (1 - n * n)
        gz = d * (hp - n) * z * (1 - z)
        drh = gn @ Wh[:, 2 * H :].T
        gr = drh * hp * r
        d = d * z + drh * r + gr @ Wh[:, :H].T + gz @ Wh[:, H : 2 * H].T
        for k, g in enumerate((gr, gz, gn)):
            col = slice(k * H, (k + 1) * H)
            left = rh if k == 2 else hn
            dWx[:, col] += x.T @ g
            dWh[:, col] += left.T @ g
            db[col] += g.sum(axis=0)
        dx[:, t] = np.hstack((gr, gz, gn)) @ Wx.T
    return dx, d, dWx, dWh, db


# -------------------------------------------------------------------- right


@right(
    "lstm_backward",
    "two slots for each carry, one arena for all weights' sums, flags for the ends",
)
def bptt_arena(da, caches):
    steps, x = caches
    NX, M, T = x.shape
    NA = da.shape[0]
    p = steps[0][-1]
    W = np.vstack([p["W" + k] for k in KEYS])
    arena = np.zeros((4 * NA, NA + NX + 1))  # the last column is the bias
    z1 = np.ones((NA + NX + 1, M))
    dz = np.empty((4, NA, M))
    flat = dz.reshape(4 * NA, M)
    back = np.zeros((2, NA + NX, M))
    memo = np.zeros((2, NA, M))
    dx = np.empty((NX, M, T))
    rd, wr = 0, 1
    for t in range(T - 1, -1, -1):
        _, c_next, z1[:NA], c_prev, f, i, g, o, z1[NA:-1], _ = steps[t]
        dh = da[:, :, t] + back[rd, :NA]
        th = np.tanh(c_next)
        dc = memo[rd] + dh * o * (1 - th) * (1 + th)
        dz[O] = dh * th * (o - o * o)
        dz[F] = dc * c_prev * (f - f * f)
        dz[I] = dc * g * (i - i * i)
        dz[G] = dc * i * (1 - g) * (1 + g)
        arena += flat @ z1.T
        np.matmul(W.T, flat, out=back[wr])
        np.multiply(dc, f, out=memo[wr])
        dx[:, :, t] = back[wr, NA:]
        rd, wr = wr, rd
    out = {"dx": dx, "da0": back[rd, :NA].copy()}
    for k, name in enumerate(KEYS):
        rows = arena[k * NA : (k + 1) * NA]
        out["dW" + name], out["db" + name] = rows[:, :-1].copy(), rows[:, -1:].copy()
    return out


@right(
    "gru_cell_backward",
    "gates' gradients are written through views of one buffer, each factor by out=",
    convention="ntd",
    forward=gru_one,
)
def gru_in_buffers(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n, rh = cache
    N, H = prev_h.shape
    buf = np.empty((N, 3 * H))
    r_, z_, n_ = buf[:, :H], buf[:, H : 2 * H], buf[:, 2 * H :]
    np.multiply(n, -n, out=n_)
    n_ += 1
    n_ *= dnext_h
    np.multiply(n_, z, out=z_)  # z_ is scratch until its turn
    n_ -= z_
    w = n_ @ Wh[:, 2 * H :].T
    np.multiply(w, rh, out=r_)
    r_ -= r_ * r
    np.subtract(prev_h, n, out=z_)
    z_ *= dnext_h
    z_ *= z
    z_ -= z_ * z
    w *= r
    w += dnext_h * z
    w += buf[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWh = prev_h.T @ buf
    dWh[:, 2 * H :] = rh.T @ n_
    return buf @ Wx.T, w, x.T @ buf, dWh, np.ones(N) @ buf
