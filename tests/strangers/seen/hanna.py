"""Hanna: audio DSP by day. A network is a filter with a nonlinearity and a unit delay in its loop.

Time index k, feedback register fb, lines (buffers over time) of everything, sums over lines by einsum at the end.
"""

import numpy as np
from strangers.made import right, wrong


def squash(v):
    return 1.0 / (1.0 + np.exp(-v))


def line(taps, slot):
    """A buffer over time of one entry of the caches."""
    return np.stack([tap[slot] for tap in taps], axis=-1)


def normalise(v):
    v = np.exp(v - v.max(axis=0))
    return v / v.sum(axis=0)


# ---------------------------------------------------------------- rnn, (n, m, T)


@right(
    "rnn_backward",
    "the adjoint filter as one banded system in all time steps, solved for each channel of the batch",
)
def all_at_once(da, caches):
    taps, x = caches
    p = taps[0][3]
    y, y_z1 = line(taps, 0), line(taps, 1)
    n, m, K = y.shape
    slope = 1 - y**2
    e = np.empty((n, m, K))
    for ch in range(m):
        # lam[k] - Waa' diag(slope[k+1]) lam[k+1] = da[k]
        A = np.eye(n * K)
        for k in range(K - 1):
            A[k * n : (k + 1) * n, (k + 1) * n : (k + 2) * n] = (
                -p["Waa"].T * slope[:, ch, k + 1]
            )
        lam = np.linalg.solve(A, da[:, ch, :].T.ravel()).reshape(K, n).T
        e[:, ch, :] = slope[:, ch, :] * lam
    return {
        "dx": np.tensordot(p["Wax"], e, axes=(0, 0)),
        "da0": p["Waa"].T @ e[:, :, 0],
        "dWax": np.tensordot(e, x[:, :, :K], axes=([1, 2], [1, 2])),
        "dWaa": np.tensordot(e, y_z1, axes=([1, 2], [1, 2])),
        "dba": e.sum(axis=(1, 2)).reshape(-1, 1),
    }


@wrong(
    "rnn_backward",
    "the line of delayed states is rolled round, so its first tap is the last state and not a0",
    "from memory: np.roll as z^-1 is circular",
    step={"dWaa": 0},
)
def circular_delay(da, caches):
    taps, x = caches
    p = taps[0][3]
    K = da.shape[2]
    y = line(taps, 0)
    y_z1 = np.roll(y, 1, axis=2)  # z^-1
    e = np.zeros_like(y)
    fb = np.zeros(y.shape[:2])
    for k in range(K - 1, -1, -1):
        e[:, :, k] = (1 - y[:, :, k] ** 2) * (da[:, :, k] + fb)
        fb = p["Waa"].T @ e[:, :, k]
    return {
        "dx": np.einsum("ax,amk->xmk", p["Wax"], e),
        "da0": fb,
        "dWax": np.einsum("amk,xmk->ax", e, x),
        "dWaa": np.einsum("amk,bmk->ab", e, y_z1),
        "dba": np.einsum("amk->a", e)[:, None],
    }


@wrong(
    "rnn_backward",
    "the feedback passes two registers and comes back a step late; and dWax correlates with the input of the step before",
    "from memory: a pipeline register too many, and an input line that is one sample late",
    tags="double time",
)
def pipelined(da, caches):
    taps, x = caches
    p = taps[0][3]
    K = da.shape[2]
    n = p["Waa"].shape[0]
    y, y_z1 = line(taps, 0), line(taps, 1)
    e = np.zeros_like(y)
    reg_in = reg_out = np.zeros(y.shape[:2])
    for k in reversed(range(K)):
        bus = da[:, :, k] + reg_out
        e[:, :, k] = bus * (1 - y[:, :, k] ** 2)
        reg_out, reg_in = reg_in, p["Waa"].T @ e[:, :, k]
    dWax = np.zeros((n, x.shape[0]))
    dWaa = np.zeros((n, n))
    for k in range(K):
        dWax += e[:, :, k] @ x[:, :, k - 1].T
        dWaa += e[:, :, k] @ y_z1[:, :, k].T
    dx = np.einsum("ax,amk->xmk", p["Wax"], e)
    return {
        "dx": dx,
        "da0": reg_in,
        "dWax": dWax,
        "dWaa": dWaa,
        "dba": e.sum(axis=2).sum(axis=1)[:, None],
    }


@wrong(
    "rnn_cell_backward",
    "the slope of tanh is taken for sech(z), without the square",
    "from memory: the small-signal gain of tanh looked up by heart",
)
def small_signal_gain(da_next, cache):
    _, a_z1, u, p = cache
    drive = p["Wax"] @ u + p["Waa"] @ a_z1 + p["ba"]
    gain = 1.0 / np.cosh(drive)
    e = gain * da_next
    return {
        "dxt": p["Wax"].T @ e,
        "da_prev": p["Waa"].T @ e,
        "dWax": e @ u.T,
        "dWaa": e @ a_z1.T,
        "dba": e.sum(axis=1, keepdims=True),
    }


@wrong(
    "rnn_forward",
    "the read-out taps the register before it is clocked: y_pred of step k comes from the state before",
    "from memory: a sample of latency at the output",
    step={"y_pred": 0},
)
def latency_at_output(x, a0, parameters):
    p = parameters
    K = x.shape[2]
    n, m = a0.shape
    a = np.zeros((n, m, K))
    y = np.zeros((p["Wya"].shape[0], m, K))
    taps = []
    reg = a0
    for k in range(K):
        y[:, :, k] = normalise(p["Wya"] @ reg + p["by"])
        clocked = np.tanh(p["Wax"] @ x[:, :, k] + p["Waa"] @ reg + p["ba"])
        taps.append((clocked, reg, x[:, :, k], p))
        a[:, :, k] = reg = clocked
    return a, y, (taps, x)


# ---------------------------------------------------------------- rnn, (N, T, D)


def tanh_filter(x, h0, Wx, Wh, b):
    N, K, _ = x.shape
    lines = {
        "in": x,
        "z1": np.zeros((N, K, len(b))),
        "out": np.zeros((N, K, len(b))),
        "taps": (Wx, Wh),
    }
    reg = h0
    for k in range(K):
        lines["z1"][:, k] = reg
        reg = np.tanh(x[:, k] @ Wx + reg @ Wh + b)
        lines["out"][:, k] = reg
    return lines["out"].copy(), lines


@wrong(
    "rnn_backward",
    "everything runs on flipped lines, and dx is not flipped back",
    "from memory: filtfilt habits, the second flip forgotten",
    convention="ntd",
    forward=tanh_filter,
    tags="time",
)
def flipped_once(dh, lines):
    Wx, Wh = lines["taps"]
    rev = slice(None, None, -1)
    g, u, out, z1 = (
        dh[:, rev],
        lines["in"][:, rev],
        lines["out"][:, rev],
        lines["z1"][:, rev],
    )
    e = np.zeros(out.shape)
    fb = 0.0
    for k in range(g.shape[1]):
        e[:, k] = (g[:, k] + fb) * (1 - out[:, k] * out[:, k])
        fb = e[:, k] @ Wh.T
    dx = e @ Wx.T
    return (
        dx,
        fb,
        np.einsum("nkd,nkh->dh", u, e),
        np.einsum("nkg,nkh->gh", z1, e),
        e.sum(axis=(0, 1)),
    )


# ---------------------------------------------------------------- lstm, (n, m, T)


@wrong(
    "lstm_cell_backward",
    "dc_prev sends back dc_next alone through the forget gate, not what comes into the memory from a_next",
    "from memory: the loop gain f applied to what came in at the loop only",
)
def loop_only(da_next, dc_next, cache):
    a_next, c_next, a_z1, c_z1, f, i, g, o, u, p = cache
    n = a_next.shape[0]
    s = np.tanh(c_next)
    node = dc_next + da_next * o * (1 - s**2)
    e = {
        "f": node * c_z1 * f * (1 - f),
        "i": node * g * i * (1 - i),
        "c": node * i * (1 - g**2),
        "o": da_next * s * o * (1 - o),
    }
    back = sum(p["W" + q].T @ e[q] for q in "fico")
    v = np.concatenate((a_z1, u))
    out = {"dxt": back[n:], "da_prev": back[:n], "dc_prev": dc_next * f}
    for q in "fico":
        out["dW" + q] = e[q] @ v.T
        out["db" + q] = e[q].sum(axis=1, keepdims=True)
    return out


@wrong(
    "lstm_backward",
    "the recursion of the memory takes the forget gate of its own step and not of the step after",
    "from memory: written as a one-pole filter run backwards, s[k] = b[k] + f[k] s[k+1]",
    step={
        "dWf": -2,
        "dbf": -2,
        "dWi": -2,
        "dbi": -2,
        "dWc": -2,
        "dbc": -2,
        "dWo": -3,
        "dbo": -3,
        "dx": -2,
    },
    tags="time",
)
def one_pole(da, caches):
    taps, x = caches
    p = taps[0][9]
    c, a_z1, c_z1, f, i, g, o = (line(taps, slot) for slot in range(1, 8))
    n, m, K = c.shape
    s = np.tanh(c)
    e = {q: np.zeros((n, m, K)) for q in "fico"}
    dx = np.zeros((x.shape[0], m, K))
    pole = np.zeros((n, m))
    fb = np.zeros((n, m))
    for k in range(K - 1, -1, -1):
        bus = da[:, :, k] + fb
        pole = bus * o[..., k] * (1 - s[..., k] ** 2) + f[..., k] * pole
        e["f"][..., k] = pole * c_z1[..., k] * f[..., k] * (1 - f[..., k])
        e["i"][..., k] = pole * g[..., k] * i[..., k] * (1 - i[..., k])
        e["c"][..., k] = pole * i[..., k] * (1 - g[..., k] ** 2)
        e["o"][..., k] = bus * s[..., k] * o[..., k] * (1 - o[..., k])
        both = sum(p["W" + q].T @ e[q][..., k] for q in "fico")
        fb, dx[..., k] = both[:n], both[n:]
    v = np.concatenate([a_z1, x], axis=0)
    out = {"dx": dx, "da0": fb}
    for q in "fico":
        out["dW" + q] = np.einsum("amk,vmk->av", e[q], v)
        out["db" + q] = e[q].sum(axis=(1, 2))[:, None]
    return out


@wrong(
    "lstm_forward",
    "the memory register is updated in place, and all caches hold the same array: c_prev and c_next are those of the end",
    "from memory: an accumulator with *= and +=, and old = reg is no copy",
    tags="view",
)
def accumulator_in_place(x, a0, parameters):
    p = parameters
    K = x.shape[2]
    n, m = a0.shape
    a, c, y = (
        np.zeros((n, m, K)),
        np.zeros((n, m, K)),
        np.zeros((p["Wy"].shape[0], m, K)),
    )
    reg_a = a0
    reg_c = np.zeros((n, m))
    taps = []
    for k in range(K):
        v = np.vstack((reg_a, x[:, :, k]))
        f, i, o = (squash(p["W" + q] @ v + p["b" + q]) for q in "fio")
        g = np.tanh(p["Wc"] @ v + p["bc"])
        c_z1 = reg_c
        reg_c *= f
        reg_c += i * g
        out = o * np.tanh(reg_c)
        taps.append((out, reg_c, reg_a, c_z1, f, i, g, o, x[:, :, k], p))
        a[:, :, k], c[:, :, k] = out, reg_c
        y[:, :, k] = normalise(p["Wy"] @ out + p["by"])
        reg_a = out
    return a, y, c, (taps, x)


def adjoint_section(da_next, dc_next, tap):
    """One section of the adjoint filter: what goes out at the two delays, the input and the four gates."""
    a_next, c_next, a_z1, c_z1, f, i, g, o, u, p = tap
    s = np.tanh(c_next)
    node = dc_next + da_next * o * (1 - s * s)
    e = dict(
        f=node * c_z1 * f * (1 - f),
        i=node * g * i * (1 - i),
        c=node * i * (1 - g * g),
        o=da_next * s * o * (1 - o),
    )
    both = sum(p["W" + q].T @ e[q] for q in e)
    n = len(a_next)
    return both[:n], node * f, both[n:], e, np.concatenate((a_z1, u))


@wrong(
    "lstm_backward",
    "the register of dc is an integrator: what comes back is added to what stood there instead of taking its place",
    "from memory: += at a delay element",
    tags="time",
)
def integrator_for_delay(da, caches):
    taps, x = caches
    n, m, K = da.shape
    fb_a, fb_c = np.zeros((n, m)), np.zeros((n, m))
    dx = np.zeros(x.shape)
    acc = {
        "d" + name: np.zeros_like(taps[0][9][name])
        for q in "fico"
        for name in ("W" + q, "b" + q)
    }
    for k, tap in reversed(list(enumerate(taps))):
        fb_a, back_c, dx[:, :, k], e, v = adjoint_section(da[:, :, k] + fb_a, fb_c, tap)
        fb_c += back_c
        for q in "fico":
            acc["dW" + q] += e[q] @ v.T
            acc["db" + q] += e[q].sum(axis=1, keepdims=True)
    return {"dx": dx, "da0": fb_a, **acc}


# ---------------------------------------------------------------- lstm, (N, T, D)


def gated_section(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    A = x @ Wx + prev_h @ Wh + b
    A[:, : 3 * H] = squash(A[:, : 3 * H])
    A[:, 3 * H :] = np.tanh(A[:, 3 * H :])
    i, f, o, g = np.split(A, 4, axis=1)
    c = f * prev_c + i * g
    s = np.tanh(c)
    return o * s, c, dict(u=x, hz=prev_h, cz=prev_c, A=A, s=s, Wx=Wx, Wh=Wh)


def gated_filter(x, h0, Wx, Wh, b):
    h, c, lines, out = h0, np.zeros_like(h0), [], []
    for k in range(x.shape[1]):
        h, c, frame = gated_section(x[:, k], h, c, Wx, Wh, b)
        lines.append(frame)
        out.append(h)
    return np.stack(out, axis=1), lines


@wrong(
    "lstm_cell_backward",
    "the gates' gradients are packed in the order i, f, g, o, while the columns are i, f, o, g",
    "from memory: channel order of another framework",
    convention="ntd",
    forward=gated_section,
)
def channel_order(dnext_h, dnext_c, frame):
    i, f, o, g = np.split(frame["A"], 4, axis=1)
    s = frame["s"]
    node = dnext_c + dnext_h * o * (1 - s**2)
    ei = node * g * i * (1 - i)
    ef = node * frame["cz"] * f * (1 - f)
    eo = dnext_h * s * o * (1 - o)
    eg = node * i * (1 - g**2)
    e = np.hstack((ei, ef, eg, eo))
    return (
        e @ frame["Wx"].T,
        e @ frame["Wh"].T,
        node * f,
        frame["u"].T @ e,
        frame["hz"].T @ e,
        e.sum(axis=0),
    )


@wrong(
    "lstm_backward",
    "the slope A (1 - A) of the sigmoid for all four columns, also for g, which is a tanh; and db is that of the last pass alone",
    "from memory: the four channels treated as one block, and an = for a +=",
    convention="ntd",
    forward=gated_filter,
    tags="double",
)
def block_slope(dh, lines):
    N, K, H = dh.shape
    Wx, Wh = lines[0]["Wx"], lines[0]["Wh"]
    dx = np.zeros((N, K, len(Wx)))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    fb_h, fb_c = np.zeros((N, H)), np.zeros((N, H))
    for k in range(K - 1, -1, -1):
        fr = lines[k]
        A = fr["A"]
        i, f, o, g = A[:, :H], A[:, H : 2 * H], A[:, 2 * H : 3 * H], A[:, 3 * H :]
        bus = dh[:, k] + fb_h
        node = fb_c + bus * o * (1 - fr["s"] ** 2)
        e = np.concatenate((node * g, node * fr["cz"], bus * fr["s"], node * i), axis=1)
        e = e * A * (1 - A)
        dx[:, k] = e @ Wx.T
        fb_h, fb_c = e @ Wh.T, node * f
        dWx += fr["u"].T @ e
        dWh += fr["hz"].T @ e
        db = e.sum(axis=0)
    return dx, fb_h, dWx, dWh, db


# ---------------------------------------------------------------- gru, (N, T, D)


def crossfade_section(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    rz = squash(x @ Wx[:, : 2 * H] + prev_h @ Wh[:, : 2 * H] + b[: 2 * H])
    r, z = rz[:, :H], rz[:, H:]
    n = np.tanh(x @ Wx[:, 2 * H :] + (r * prev_h) @ Wh[:, 2 * H :] + b[2 * H :])
    return n + z * (prev_h - n), {
        "u": x,
        "hz": prev_h,
        "r": r,
        "z": z,
        "n": n,
        "Wx": Wx,
        "Wh": Wh,
    }


def crossfade_filter(x, h0, Wx, Wh, b):
    out, frames, reg = np.zeros((x.shape[0], x.shape[1], h0.shape[1])), [], h0
    for k in range(x.shape[1]):
        reg, frame = crossfade_section(x[:, k], reg, Wx, Wh, b)
        out[:, k] = reg
        frames.append(frame)
    return out, frames


@right(
    "gru_backward",
    "a crossfade n + z (h - n), error lines for the three channels, correlations after the loop",
    convention="ntd",
    forward=crossfade_filter,
)
def error_lines(dh, frames):
    N, K, H = dh.shape
    Wx, Wh = frames[0]["Wx"], frames[0]["Wh"]
    E = np.empty((K, N, 3 * H))
    wet = np.empty((K, N, H))
    fb = np.zeros((N, H))
    for k in range(K)[::-1]:
        r, z, n, hz = (frames[k][q] for q in ("r", "z", "n", "hz"))
        fb = fb + dh[:, k]
        E[k, :, 2 * H :] = (fb - fb * z) * (1 - n) * (1 + n)
        side = np.inner(E[k, :, 2 * H :], Wh[:, 2 * H :])
        E[k, :, :H] = side * hz * (r - r**2)
        E[k, :, H : 2 * H] = fb * (hz - n) * (z - z**2)
        fb = fb * z + side * r + np.inner(E[k, :, : 2 * H], Wh[:, : 2 * H])
        wet[k] = r * hz
    U = np.stack([frame["u"] for frame in frames])
    Z1 = np.stack([frame["hz"] for frame in frames])
    dWh = np.concatenate(
        (
            np.einsum("kng,knh->gh", Z1, E[:, :, : 2 * H]),
            np.einsum("kng,knh->gh", wet, E[:, :, 2 * H :]),
        ),
        axis=1,
    )
    return (
        (E @ Wx.T).swapaxes(0, 1),
        fb,
        np.einsum("knd,knh->dh", U, E),
        dWh,
        E.sum(axis=(0, 1)),
    )


@wrong(
    "gru_backward",
    "the direct path back to the state before is weighted by 1 - z and not by z",
    "from memory: the crossfade's dry and wet sides mixed up at the direct path",
    convention="ntd",
    forward=crossfade_filter,
)
def wet_for_dry(dh, frames):
    N, K, H = dh.shape
    Wx, Wh = frames[0]["Wx"], frames[0]["Wh"]
    dx, dWx, dWh, db = np.zeros((N, K, len(Wx))), 0 * Wx, 0 * Wh, np.zeros(3 * H)
    fb = np.zeros((N, H))
    for k in range(K - 1, -1, -1):
        r, z, n, hz, u = (frames[k][q] for q in ("r", "z", "n", "hz", "u"))
        bus = dh[:, k] + fb
        en = bus * (1 - z) * (1 - n**2)
        side = en @ Wh[:, 2 * H :].T
        er = side * hz * r * (1 - r)
        ez = bus * (hz - n) * z * (1 - z)
        e = np.hstack((er, ez, en))
        dx[:, k] = e @ Wx.T
        fb = bus * (1 - z) + side * r + e[:, : 2 * H] @ Wh[:, : 2 * H].T
        dWx += u.T @ e
        dWh[:, : 2 * H] += hz.T @ e[:, : 2 * H]
        dWh[:, 2 * H :] += (r * hz).T @ en
        db += e.sum(axis=0)
    return dx, fb, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "what comes back through the candidate reaches prev_h without the reset gate",
    "from memory: the attenuator r forgotten on the way back",
    convention="ntd",
    forward=crossfade_section,
)
def attenuator_bypassed(dnext_h, frame):
    r, z, n, hz, u, Wx, Wh = (frame[q] for q in ("r", "z", "n", "hz", "u", "Wx", "Wh"))
    H = r.shape[1]
    en = dnext_h * (1 - z) * (1 - n**2)
    side = en @ Wh[:, 2 * H :].T
    e = np.hstack((side * hz * r * (1 - r), dnext_h * (hz - n) * z * (1 - z), en))
    dprev = dnext_h * z + side + e[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWh = np.hstack((hz.T @ e[:, : 2 * H], (r * hz).T @ en))
    return e @ Wx.T, dprev, u.T @ e, dWh, e.sum(axis=0)


@wrong(
    "gru_backward",
    "dWh of the candidate correlates with the plain state and not with r * state; and the slope of z has the sign of n - h",
    "from memory: one line of delayed states for all three channels, and the crossfade written the other way round",
    convention="ntd",
    forward=crossfade_filter,
    tags="double",
)
def one_state_line(dh, frames):
    N, K, H = dh.shape
    Wx, Wh = frames[0]["Wx"], frames[0]["Wh"]
    Un = Wh[:, 2 * H :]
    e = np.zeros((N, K, 3 * H))
    z1 = np.stack([frame["hz"] for frame in frames], axis=1)
    u = np.stack([frame["u"] for frame in frames], axis=1)
    fb = np.zeros((N, H))
    for k in reversed(range(K)):
        r, z, n = frames[k]["r"], frames[k]["z"], frames[k]["n"]
        bus = dh[:, k] + fb
        e[:, k, 2 * H :] = bus * (1 - z) * (1 - n**2)
        side = e[:, k, 2 * H :] @ Un.T
        e[:, k, :H] = side * z1[:, k] * r * (1 - r)
        e[:, k, H : 2 * H] = bus * (n - z1[:, k]) * z * (1 - z)
        fb = bus * z + side * r + e[:, k, : 2 * H] @ Wh[:, : 2 * H].T
    return (
        e @ Wx.T,
        fb,
        np.einsum("nkd,nkh->dh", u, e),
        np.einsum("nkg,nkh->gh", z1, e),
        e.sum(axis=(0, 1)),
    )


# ---------------------------------------------------------------- read-out


@wrong(
    "readout_backward",
    "the mean is taken over the whole buffer of probabilities: divided by n_y m T and not by m T",
    "from memory: e / e.size",
)
def mean_of_buffer(y_pred, labels, a, parameters):
    target = np.moveaxis(np.eye(y_pred.shape[0])[labels], -1, 0)
    e = y_pred - target
    e = e / e.size
    return {
        "da": np.einsum("ya,ymk->amk", parameters["Wya"], e),
        "dWya": np.einsum("ymk,amk->ya", e, a),
        "dby": np.einsum("ymk->y", e)[:, None],
    }
