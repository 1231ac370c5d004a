"""Rasmus. Ships engines: objects, closures, scratch buffers, no allocation in the loop."""

import numpy as np
from strangers.made import right, wrong


def sigm_(v):
    """In place."""
    np.negative(v, out=v)
    np.exp(v, out=v)
    v += 1.0
    np.reciprocal(v, out=v)
    return v


def softmax_(v, axis=0):
    """In place."""
    v -= v.max(axis=axis, keepdims=True)
    np.exp(v, out=v)
    v /= v.sum(axis=axis, keepdims=True)
    return v


# ---------------------------------------------------------------- rnn, exercise


@wrong(
    "rnn_cell_backward",
    "1 - a^2 is saved a multiplication: 1 - a, squared in place",
    "micro-optimisation in a scratch buffer",
)
def one_temp_less(da_next, cache):
    a_next, a_prev, xt, P = cache
    dz = np.empty_like(a_next)
    np.subtract(1.0, a_next, out=dz)
    dz *= dz
    dz *= da_next

    def outer(v):
        return np.dot(dz, v.T)

    def back(W):
        return np.dot(W.T, dz)

    return {
        "dxt": back(P["Wax"]),
        "da_prev": back(P["Waa"]),
        "dWax": outer(xt),
        "dWaa": outer(a_prev),
        "dba": np.add.reduce(dz, axis=1, keepdims=True),
    }


class RnnTape:
    __slots__ = ("Waa", "Wax", "carry", "dWaa", "dWax", "dba", "dx", "scratch")

    def __init__(self, params, x):
        self.Wax, self.Waa = params["Wax"], params["Waa"]
        n_a, (_, m, _) = len(self.Waa), x.shape
        self.dWax = np.zeros_like(self.Wax)
        self.dWaa = np.zeros_like(self.Waa)
        self.dba = np.zeros((n_a, 1))
        self.dx = np.empty(x.shape)
        self.carry = np.zeros((n_a, m))
        self.scratch = np.empty((n_a, m))

    def grads(self):
        return {
            "dx": self.dx,
            "da0": self.carry,
            "dWax": self.dWax,
            "dWaa": self.dWaa,
            "dba": self.dba,
        }


@wrong(
    "rnn_backward",
    "the carry is added into the caller's da through a view, so that da comes back changed",
    "saves one temporary a frame",
    words=r"(?i)in place|in-place|chang|modif|mutat|overwr",
    tags="view",
)
def accumulate_into_da(da, caches):
    tape, x = caches
    k = RnnTape(tape[0][3], x)
    for t in range(len(tape) - 1, -1, -1):
        a_next, a_prev, xt, _ = tape[t]
        g = da[:, :, t]
        g += k.carry
        np.multiply(a_next, a_next, out=k.scratch)
        np.subtract(1.0, k.scratch, out=k.scratch)
        np.multiply(k.scratch, g, out=k.scratch)
        k.dx[:, :, t] = k.Wax.T @ k.scratch
        k.dWax += k.scratch @ xt.T
        k.dWaa += k.scratch @ a_prev.T
        k.dba += k.scratch.sum(axis=1, keepdims=True)
        np.matmul(k.Waa.T, k.scratch, out=k.carry)
    return k.grads()


@right(
    "rnn_backward",
    "only the recurrence in the loop, one big product for all weights after it",
)
def one_gemm(da, caches):
    tape, x = caches
    n_x, m, T = x.shape
    P = tape[0][3]
    Waa_T = np.ascontiguousarray(P["Waa"].T)
    n_a = len(Waa_T)
    dz = np.empty((T, n_a, m))
    lhs = np.empty((T, n_x + n_a + 1, m))
    lhs[:, -1] = 1.0
    carry = np.zeros((n_a, m))
    t = T
    while t:
        t -= 1
        a_next, a_prev, xt, _ = tape[t]
        lhs[t, :n_x], lhs[t, n_x:-1] = xt, a_prev
        out = dz[t]
        np.add(da[:, :, t], carry, out=out)
        out -= out * a_next * a_next
        np.matmul(Waa_T, out, out=carry)
    slab = np.tensordot(dz, lhs, axes=([0, 2], [0, 2]))
    return {
        "dx": np.tensordot(P["Wax"], dz, axes=(0, 1)).transpose(0, 2, 1),
        "da0": carry,
        "dWax": slab[:, :n_x],
        "dWaa": slab[:, n_x:-1],
        "dba": slab[:, -1:],
    }


@wrong(
    "rnn_forward",
    "two: all caches hold the one state buffer, which the loop overwrites, and the softmax runs along the examples",
    "object pool of one state",
    tags="double view",
)
def pooled_state(x, a0, parameters):
    P = parameters
    n_x, m, T = x.shape
    n_y, n_a = P["Wya"].shape
    state = a0.copy()
    z = np.empty((n_a, m))
    a, y = np.empty((n_a, m, T)), np.empty((n_y, m, T))
    caches = []
    for t in range(T):
        prev = state
        np.matmul(P["Waa"], prev, out=z)
        z += P["Wax"] @ x[:, :, t]
        z += P["ba"]
        np.tanh(z, out=state)
        a[:, :, t] = state
        y[:, :, t] = softmax_(P["Wya"] @ state + P["by"], axis=1)
        caches.append((state, prev, x[:, :, t], P))
    return a, y, (caches, x)


# --------------------------------------------------------------- rnn, (N, T, D)


class RnnFrames:
    """All frames of a run, state 0 first."""

    def __init__(self, x, h0, Wx, Wh):
        self.x, self.Wx, self.Wh = x, Wx, Wh
        self.h = np.empty((x.shape[1] + 1, *h0.shape))
        self.h[0] = h0


def rnn_run(x, h0, Wx, Wh, b):
    F = RnnFrames(x, h0, Wx, Wh)
    for t in range(x.shape[1]):
        z = F.h[t + 1]
        np.matmul(F.h[t], Wh, out=z)
        z += x[:, t] @ Wx
        z += b
        np.tanh(z, out=z)
    return F.h[1:].transpose(1, 0, 2).copy(), F


@wrong(
    "rnn_backward",
    "of the two flipping buffers for the carry the one just to be written is read: the carry is two frames old",
    "double buffering, parity wrong",
    step={"dx": -2, "*": None},
    convention="ntd",
    forward=rnn_run,
)
def ping_pong(dh, cache):
    F = cache
    N, T, H = dh.shape
    carry = np.zeros((2, N, H))
    dx = np.empty(F.x.shape)
    dWx, dWh, db = np.zeros(F.Wx.shape), np.zeros(F.Wh.shape), np.zeros(H)
    dz = np.empty((N, H))
    for t in range(T - 1, -1, -1):
        h = F.h[t + 1]
        np.multiply(h, h, out=dz)
        np.subtract(1.0, dz, out=dz)
        dz *= dh[:, t] + carry[t & 1]
        dx[:, t] = dz @ F.Wx.T
        dWx += F.x[:, t].T @ dz
        dWh += F.h[t].T @ dz
        db += dz.sum(0)
        np.matmul(dz, F.Wh.T, out=carry[t & 1])
    return dx, carry[0], dWx, dWh, db


# --------------------------------------------------------------- lstm, exercise


def fuse(P, order):
    return np.vstack([P["W" + k] for k in order]), np.vstack(
        [P["b" + k] for k in order]
    )


@wrong(
    "lstm_forward",
    "the fused slab is f, i, c, o, but the sigmoid goes over its first three blocks and the tanh over the last",
    "from memory",
)
def slab_activations(x, a0, parameters):
    P = parameters
    W, b = fuse(P, "fico")
    n_x, m, T = x.shape
    n = len(a0)
    n_y = len(P["by"])
    a_t, c_t = a0, np.zeros((n, m))
    a, c, y = np.empty((n, m, T)), np.empty((n, m, T)), np.empty((n_y, m, T))
    caches = []
    for t in range(T):
        xt = x[:, :, t]
        slab = W[:, :n] @ a_t
        slab += W[:, n:] @ xt
        slab += b
        sigm_(slab[: 3 * n])
        np.tanh(slab[3 * n :], out=slab[3 * n :])
        f, i, g, o = slab.reshape(4, n, m)
        c_new = f * c_t
        c_new += i * g
        a_new = np.tanh(c_new)
        a_new *= o
        caches.append((a_new, c_new, a_t, c_t, f, i, g, o, xt, P))
        a_t, c_t = a_new, c_new
        a[:, :, t], c[:, :, t] = a_t, c_t
        y[:, :, t] = softmax_(P["Wy"] @ a_t + P["by"])
    return a, y, c, (caches, x)


@wrong(
    "lstm_cell_backward",
    "dc_prev is the same buffer as dc: multiplied by f in place before the gates read it",
    "reuses the buffer of dc",
    tags="view",
)
def reused_dc(da_next, dc_next, cache):
    _, c_next, a_prev, c_prev, f, i, g, o, xt, P = cache
    n = len(a_prev)
    tc = np.tanh(c_next)
    dc = np.square(tc)
    np.subtract(1.0, dc, out=dc)
    dc *= o
    dc *= da_next
    dc += dc_next
    dc_prev = dc
    dc_prev *= f
    gate = {
        "f": dc * c_prev * f * (1 - f),
        "i": dc * g * i * (1 - i),
        "c": dc * i * (1 - g * g),
        "o": da_next * tc * o * (1 - o),
    }
    concat = np.concatenate((a_prev, xt))
    back = np.zeros_like(concat)
    out = {}
    for k, d in gate.items():
        back += P["W" + k].T @ d
        out["dW" + k] = d @ concat.T
        out["db" + k] = d.sum(1, keepdims=True)
    return {"dxt": back[n:], "da_prev": back[:n], "dc_prev": dc_prev, **out}


class LstmKernel:
    """Fused backward of a step; gates f, i, c, o in a slab (4, n, m)."""

    def __init__(self, P, n):
        self.W, _ = fuse(P, "fico")
        self.n = n

    def gates(self, da, dc, entry, out):
        _, c_next, _, c_prev, f, i, g, o, _, _ = entry
        tc = np.tanh(c_next)
        dc = dc + da * o * (1 - tc * tc)
        np.multiply(dc, c_prev, out=out[0])
        out[0] *= f - f * f
        np.multiply(dc, g, out=out[1])
        out[1] *= i - i * i
        np.multiply(dc, i, out=out[2])
        out[2] *= 1 - g * g
        np.multiply(da, tc, out=out[3])
        out[3] *= o - o * o
        return dc * f

    def pull(self, slab):
        v = self.W.T @ slab.reshape(4 * self.n, -1)
        return v[: self.n], v[self.n :]

    @staticmethod
    def unpack(dW, db):
        out = {}
        for k, w, v in zip("fico", np.split(dW, 4), np.split(db, 4), strict=True):
            out["dW" + k], out["db" + k] = w, v
        return out


@wrong(
    "lstm_backward",
    "the loop counts the reversed tape from its front, and dx is written with that count: dx is mirrored in time",
    "from memory",
)
def mirrored_dx(da, caches):
    tape, x = caches
    n, m, T = da.shape
    K = LstmKernel(tape[0][-1], n)
    dW, db = np.zeros(K.W.shape), np.zeros((4 * n, 1))
    dx = np.empty(x.shape)
    slab = np.empty((4, n, m))
    ca, cc = np.zeros((n, m)), np.zeros((n, m))
    for k, entry in enumerate(reversed(tape)):
        cc = K.gates(da[:, :, ~k] + ca, cc, entry, slab)
        flat = slab.reshape(4 * n, m)
        dW += flat @ np.concatenate((entry[2], entry[8])).T
        db += flat.sum(1, keepdims=True)
        ca, dx[:, :, k] = K.pull(slab)
    return {"dx": dx, "da0": ca, **K.unpack(dW, db)}


@wrong(
    "lstm_backward",
    "one product for all weights at the end, but the gates lie flat as (m, T) and the inputs as (T, m)",
    "batched the product outside of the loop",
)
def flattened_apart(da, caches):
    tape, x = caches
    n, m, T = da.shape
    K = LstmKernel(tape[0][-1], n)
    slabs = np.empty((4, n, m, T))
    slab = np.empty((4, n, m))
    dx = np.empty(x.shape)
    ca, cc = np.zeros((n, m)), np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        cc = K.gates(da[:, :, t] + ca, cc, tape[t], slab)
        ca, dx[:, :, t] = K.pull(slab)
        slabs[..., t] = slab
    inputs = np.stack([np.concatenate((e[2], e[8])) for e in tape], axis=1)
    flat = slabs.reshape(4 * n, m * T)
    dW = flat @ inputs.reshape(-1, m * T).T
    db = flat.sum(axis=1, keepdims=True)
    return {"dx": dx, "da0": ca, **K.unpack(dW, db)}


# -------------------------------------------------------------- lstm, (N, T, D)


class Frame:
    __slots__ = ("Wh", "Wx", "c0", "c1", "f", "g", "h0", "i", "o", "tc", "x")

    def __init__(self, **kw):
        for k, v in kw.items():
            setattr(self, k, v)


def lstm_tick(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    s = x @ Wx
    s += prev_h @ Wh
    s += b
    sigm_(s[:, : 3 * H])
    np.tanh(s[:, 3 * H :], out=s[:, 3 * H :])
    i, f, o, g = (s[:, k * H : (k + 1) * H] for k in range(4))
    c = f * prev_c + i * g
    tc = np.tanh(c)
    fr = Frame(x=x, h0=prev_h, c0=prev_c, i=i, f=f, o=o, g=g, c1=c, tc=tc, Wx=Wx, Wh=Wh)
    return o * tc, c, fr


def lstm_run(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    out = np.empty((N, T, h0.shape[1]))
    h, c, frames = h0, np.zeros(h0.shape), []
    for t in range(T):
        h, c, fr = lstm_tick(x[:, t], h, c, Wx, Wh, b)
        out[:, t] = h
        frames.append(fr)
    return out, frames


@wrong(
    "lstm_cell_backward",
    "two: o is factored out of dc with dnext_c inside, and the forget gate reads the new memory and not the old one",
    "from memory",
    tags="double",
    convention="ntd",
    forward=lstm_tick,
)
def factored_out(dnext_h, dnext_c, cache):
    k = cache
    N, H = dnext_h.shape
    dc = 1.0 - k.tc * k.tc
    dc *= dnext_h
    dc += dnext_c
    dc *= k.o
    d = np.empty((N, 4, H))
    d[:, 0] = dc * k.g * k.i * (1 - k.i)
    d[:, 1] = dc * k.c1 * k.f * (1 - k.f)
    d[:, 2] = dnext_h * k.tc * k.o * (1 - k.o)
    d[:, 3] = dc * k.i * (1 - k.g * k.g)
    d = d.reshape(N, 4 * H)
    dc *= k.f
    return d @ k.Wx.T, d @ k.Wh.T, dc, k.x.T @ d, k.h0.T @ d, d.sum(axis=0)


@wrong(
    "lstm_backward",
    "the loop runs down to 1 and never does frame 0",
    "from memory",
    step=0,
    tags="time",
    convention="ntd",
    forward=lstm_run,
)
def frame_zero_skipped(dh, cache):
    frames = cache
    N, T, H = dh.shape
    Wx, Wh = frames[0].Wx, frames[0].Wh
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(4 * H)
    ch, cc = np.zeros((N, H)), np.zeros((N, H))
    d = np.empty((N, 4 * H))
    di, df, do, dg = (d[:, j * H : (j + 1) * H] for j in range(4))
    for t in range(T - 1, 0, -1):
        k = frames[t]
        ch = ch + dh[:, t]
        cc += ch * k.o * (1 - k.tc**2)
        di[...] = cc * k.g * k.i * (1 - k.i)
        df[...] = cc * k.c0 * k.f * (1 - k.f)
        do[...] = ch * k.tc * k.o * (1 - k.o)
        dg[...] = cc * k.i * (1 - k.g**2)
        cc *= k.f
        ch = d @ Wh.T
        dx[:, t] = d @ Wx.T
        dWx += k.x.T @ d
        dWh += k.h0.T @ d
        db += d.sum(0)
    return dx, ch, dWx, dWh, db


# ------------------------------------------------------------------------- gru


def gru_tick(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    s = x @ Wx + b
    rz = s[:, : 2 * H]
    rz += prev_h @ Wh[:, : 2 * H]
    sigm_(rz)
    r, z, n = s[:, :H], s[:, H : 2 * H], s[:, 2 * H :]
    n += (r * prev_h) @ Wh[:, 2 * H :]
    np.tanh(n, out=n)
    h = prev_h - n
    h *= z
    h += n
    return h, (x, prev_h, s, Wx, Wh)


def gru_run(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    hs = np.empty((T + 1, *h0.shape))
    gates = np.empty((T, N, len(b)))
    hs[0] = h0
    for t in range(T):
        hs[t + 1], step = gru_tick(x[:, t], hs[t], Wx, Wh, b)
        gates[t] = step[2]
    return hs[1:].transpose(1, 0, 2).copy(), (x, hs, gates, Wx, Wh)


@wrong(
    "gru_cell_backward",
    "the way back of the other GRU, where r stands outside of the product h Wh: dWh, dr and dprev_h of that one",
    "remembered from the fused kernels",
    convention="ntd",
    forward=gru_tick,
)
def reset_after(dnext_h, cache):
    x, h, s, Wx, Wh = cache
    H = h.shape[1]
    r, z, n = np.split(s, 3, axis=1)
    dn = dnext_h * (1 - z)
    dn *= 1 - n * n
    dz = dnext_h * (h - n)
    dz *= z - z * z
    dr = dn * (h @ Wh[:, 2 * H :])
    dr *= r - r * r
    d_in = np.concatenate((dr, dz, dn), axis=1)
    d_hid = np.concatenate((dr, dz, dn * r), axis=1)
    dh = d_hid @ Wh.T
    dh += dnext_h * z
    return d_in @ Wx.T, dh, x.T @ d_in, h.T @ d_hid, d_in.sum(0)


def gru_kernel(Wx, Wh):
    """A closure over the weights: gradients of a step into d, returns the way to h."""
    H = len(Wh)
    Wrz_T, Wn_T = Wh[:, : 2 * H].T.copy(), Wh[:, 2 * H :].T.copy()

    def step(g, h, s, d, keep):
        r, z, n = s[:, :H], s[:, H : 2 * H], s[:, 2 * H :]
        d[:, 2 * H :] = g * (1 - z) * (1 - n * n)
        d[:, H : 2 * H] = g * (h - n) * z * (1 - z)
        q = d[:, 2 * H :] @ Wn_T
        d[:, :H] = q * h * r * (1 - r)
        q *= r
        q += d[:, : 2 * H] @ Wrz_T
        q += g * keep(z)
        return q

    return step


@wrong(
    "gru_backward",
    "the straight way to the earlier state is weighted with 1 - z and not with z",
    "the other convention of z",
    convention="ntd",
    forward=gru_run,
)
def kept_share(dh, cache):
    x, hs, gates, Wx, Wh = cache
    N, T, H = dh.shape
    step = gru_kernel(Wx, Wh)
    d = np.empty((T, N, 3 * H))
    g = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        g = step(g + dh[:, t], hs[t], gates[t], d[t], lambda z: 1.0 - z)
    dWh = np.zeros(Wh.shape)
    for t in range(T):
        dWh[:, : 2 * H] += hs[t].T @ d[t, :, : 2 * H]
        dWh[:, 2 * H :] += (hs[t] * gates[t, :, :H]).T @ d[t, :, 2 * H :]
    dWx = np.einsum("ntk,tnh->kh", x, d)
    return (d @ Wx.T).swapaxes(0, 1), g, dWx, dWh, d.sum(axis=(0, 1))


@wrong(
    "gru_backward",
    "two: dWh of r and z reads the new state of the frame and not the earlier one, and db is assigned and not added up",
    "from memory",
    tags="double time",
    convention="ntd",
    forward=gru_run,
)
def off_by_a_frame(dh, cache):
    x, hs, gates, Wx, Wh = cache
    N, T, H = dh.shape
    step = gru_kernel(Wx, Wh)
    dx, dWx, dWh, db = (
        np.empty(x.shape),
        np.zeros(Wx.shape),
        np.zeros(Wh.shape),
        np.zeros(3 * H),
    )
    d = np.empty((N, 3 * H))
    g = np.zeros((N, H))
    for t in reversed(range(T)):
        g = step(g + dh[:, t], hs[t], gates[t], d, lambda z: z)
        np.matmul(d, Wx.T, out=dx[:, t])
        dWx += x[:, t].T @ d
        dWh[:, : 2 * H] += hs[t + 1].T @ d[:, : 2 * H]
        dWh[:, 2 * H :] += (hs[t] * gates[t, :, :H]).T @ d[:, 2 * H :]
        np.sum(d, axis=0, out=db)
    return dx, g, dWx, dWh, db


@right(
    "gru_backward",
    "a closure for the step, the r * h product once for all frames, tensordot for the weights",
    convention="ntd",
    forward=gru_run,
)
def closure_and_slabs(dh, cache):
    x, hs, gates, Wx, Wh = cache
    N, T, H = dh.shape
    step = gru_kernel(Wx, Wh)
    d = np.empty((T, N, 3 * H))
    g = np.zeros((N, H))
    for t in range(T)[::-1]:
        g += dh[:, t]
        g = step(g, hs[t], gates[t], d[t], lambda z: z)
    seen = np.repeat(hs[:-1, :, None], 2, axis=2)
    seen[:, :, 1] *= gates[..., :H]
    both = ([0, 1], [0, 1])
    dWh = np.empty(Wh.shape)
    dWh[:, : 2 * H] = np.tensordot(seen[:, :, 0], d[..., : 2 * H], both)
    dWh[:, 2 * H :] = np.tensordot(seen[:, :, 1], d[..., 2 * H :], both)
    dWx = np.tensordot(x.swapaxes(0, 1), d, both)
    return np.matmul(d, Wx.T).swapaxes(0, 1), g, dWx, dWh, d.reshape(-1, 3 * H).sum(0)


# --------------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "p - onehot is multiplied with p (1 - p) once more, as if the slope of the softmax were not in it",
    "from memory",
)
def slope_twice(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    d = y_pred.copy()
    mm, tt = np.ogrid[:m, :T]
    d[labels, mm, tt] -= 1.0
    d *= y_pred
    d *= 1.0 - y_pred
    d *= 1.0 / (m * T)
    da = np.tensordot(parameters["Wya"], d, axes=(0, 0))
    dW = d.reshape(n_y, -1) @ a.reshape(len(a), -1).T
    return {"da": da, "dWya": dW, "dby": d.sum(axis=(1, 2))[:, None]}


class Head:
    def __init__(self, P, a):
        self.W, self.a = P["Wya"], a

    def backward(self, d, scale):
        flat = d.reshape(len(d), -1)
        da = (self.W.T @ flat).reshape(self.a.shape)
        flat *= scale
        dW = flat @ self.a.reshape(len(self.a), -1).T
        return {"da": da, "dWya": dW, "dby": flat.sum(axis=1, keepdims=True)}


@wrong(
    "readout_backward",
    "the buffer is scaled by 1 / (m T) only after da was made of it",
    "order of lines",
)
def scaled_too_late(y_pred, labels, a, parameters):
    d = np.ascontiguousarray(y_pred.copy())
    for lane in range(d.shape[1]):
        for t in range(d.shape[2]):
            d[labels[lane, t], lane, t] -= 1.0
    return Head(parameters, a).backward(d, 1.0 / labels.size)
