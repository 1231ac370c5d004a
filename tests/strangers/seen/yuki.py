"""Yuki maintains kernels of a framework: everything fused, big buffers, out= everywhere."""

import numpy as np
from strangers.made import right, wrong


def _sigm_(buf):
    """In place."""
    np.negative(buf, out=buf)
    np.exp(buf, out=buf)
    buf += 1.0
    np.reciprocal(buf, out=buf)
    return buf


def _flat(t):
    return t.reshape(-1, t.shape[-1])


# ---------------------------------------------------------------- vanilla rnn


def rnn_fwd(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    hs = np.empty((T + 1, N, H), dtype=x.dtype)  # hs[t] is the state before step t
    hs[0] = h0
    proj = np.matmul(x.transpose(1, 0, 2), Wx)
    proj += b
    for t in range(T):
        np.matmul(hs[t], Wh, out=hs[t + 1])
        hs[t + 1] += proj[t]
        np.tanh(hs[t + 1], out=hs[t + 1])
    return hs[1:].transpose(1, 0, 2), (x, hs, Wx, Wh)


@wrong(
    "rnn_backward",
    "dWx multiplies a batch-major x with a time-major workspace, flattened as they are",
    "from memory: a kernel moved to a time-major workspace",
    convention="ntd",
    forward=rnn_fwd,
)
def rnn_bwd_time_major(dh, cache):
    x, hs, Wx, Wh = cache
    N, T, D = x.shape
    H = Wh.shape[0]
    dz = np.empty((T, N, H), dtype=dh.dtype)
    carry = np.zeros((N, H), dtype=dh.dtype)
    for t in reversed(range(T)):
        np.multiply(hs[t + 1], hs[t + 1], out=dz[t])
        np.subtract(1.0, dz[t], out=dz[t])
        carry += dh[:, t]
        dz[t] *= carry
        np.matmul(dz[t], Wh.T, out=carry)
    dx = np.matmul(dz, Wx.T).transpose(1, 0, 2)
    dz2 = dz.reshape(T * N, H)
    dWx = x.reshape(N * T, D).T @ dz2
    dWh = hs[:-1].reshape(T * N, H).T @ dz2
    return dx, carry, dWx, dWh, dz2.sum(axis=0)


def rnn_step(x, prev_h, Wx, Wh, b):
    cat = np.concatenate((prev_h, x), axis=1)
    W = np.concatenate((Wh, Wx), axis=0)
    next_h = np.tanh(cat @ W + b)
    return next_h, {"cat": cat, "Wx": Wx, "Wh": Wh, "h": next_h}


@wrong(
    "rnn_cell_backward",
    "the weights are stacked [Wx; Wh], the gradient of the input is cut as [h, x]",
    "from memory",
    convention="ntd",
    forward=rnn_step,
)
def rnn_step_bwd_stacked(dnext_h, cache):
    cat, h = cache["cat"], cache["h"]
    H = h.shape[1]
    dz = dnext_h * (1.0 - h * h)
    W = np.concatenate((cache["Wx"], cache["Wh"]), axis=0)
    dcat = dz @ W.T
    dW = cat.T @ dz
    return dcat[:, H:], dcat[:, :H], dW[H:], dW[:H], dz.sum(0)


@wrong(
    "rnn_backward",
    "tanh's derivative at the state before the step, and the loop stops before step 0",
    "from memory: the indices of a buffer with one state more",
    tags="double time",
    step={"dx": -1, "dWax": -1, "dWaa": -1, "dba": -1},
)
def rnn_bwd_shifted_buffer(da, caches):
    steps, x = caches
    p = steps[0][3]
    n_x, m, T = x.shape
    n_a = da.shape[0]
    hs = np.empty((T + 1, n_a, m))
    hs[0] = steps[0][1]
    for t in range(T):
        hs[t + 1] = steps[t][0]
    dz = np.zeros((T, n_a, m))
    carry = np.zeros((n_a, m))
    WaaT = np.ascontiguousarray(p["Waa"].T)
    for t in range(T - 1, 0, -1):
        np.add(da[:, :, t], carry, out=dz[t])
        dz[t] *= 1.0 - np.square(hs[t])
        np.matmul(WaaT, dz[t], out=carry)
    return {
        "dx": np.einsum("ax,tam->xmt", p["Wax"], dz),
        "da0": carry,
        "dWax": np.einsum("tam,xmt->ax", dz, x),
        "dWaa": np.einsum("tam,tbm->ab", dz, hs[:-1]),
        "dba": dz.sum(axis=(0, 2))[:, None],
    }


@wrong(
    "rnn_forward",
    "the caches hold one and the same buffer as a_prev, overwritten at every step",
    "from memory: a preallocated state that is cached without a copy",
    tags="view",
    step={"cache a_prev": 0},
)
def rnn_fwd_one_buffer(x, a0, parameters):
    Wax, Waa, ba = parameters["Wax"], parameters["Waa"], parameters["ba"]
    n_x, m, T = x.shape
    n_a = a0.shape[0]
    proj = np.einsum("ax,xmt->tam", Wax, x) + ba
    a = np.empty((n_a, m, T))
    state = np.empty((n_a, m))
    np.copyto(state, a0)
    caches = []
    for t in range(T):
        pre = Waa @ state
        pre += proj[t]
        a[:, :, t] = np.tanh(pre)
        caches.append((a[:, :, t], state, x[:, :, t], parameters))
        if t + 1 < T:
            np.copyto(state, a[:, :, t])
    logits = (
        np.einsum("ya,amt->ymt", parameters["Wya"], a) + parameters["by"][:, :, None]
    )
    logits -= logits.max(axis=0, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0, keepdims=True)
    return a, logits, (caches, x)


# ----------------------------------------------------------------------- lstm


@wrong(
    "lstm_forward",
    "the softmax is normalised over the last axis, which is time in this layout",
    "from memory: axis=-1 as with classes last",
    step={"y": 0},
)
def lstm_fwd_softmax_last(x, a0, parameters):
    p = parameters
    n_x, m, T = x.shape
    n = a0.shape[0]
    W = np.concatenate([p["Wf"], p["Wi"], p["Wo"], p["Wc"]])
    b = np.concatenate([p["bf"], p["bi"], p["bo"], p["bc"]])
    a, c = np.empty((n, m, T)), np.empty((n, m, T))
    G = np.empty((T, 4 * n, m))
    xs = np.einsum("gx,xmt->tgm", W[:, n:], x) + b
    Wh = np.ascontiguousarray(W[:, :n])
    at, ct = a0, np.zeros_like(a0)
    caches = []
    for t in range(T):
        g = G[t]
        np.matmul(Wh, at, out=g)
        g += xs[t]
        _sigm_(g[: 3 * n])
        np.tanh(g[3 * n :], out=g[3 * n :])
        f, i, o, u = g.reshape(4, n, m)
        c[:, :, t] = f * ct + i * u
        a[:, :, t] = o * np.tanh(c[:, :, t])
        caches.append((a[:, :, t], c[:, :, t], at, ct, f, i, u, o, x[:, :, t], p))
        at, ct = a[:, :, t], c[:, :, t]
    y = np.tensordot(p["Wy"], a, axes=1) + p["by"][..., None]
    y = np.exp(y - y.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return a, y, c, (caches, x)


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    act = x @ Wx + prev_h @ Wh + b
    _sigm_(act[:, : 3 * H])
    np.tanh(act[:, 3 * H :], out=act[:, 3 * H :])
    i, f, o, g = np.split(act, 4, axis=1)
    next_c = f * prev_c + i * g
    tc = np.tanh(next_c)
    return o * tc, next_c, (x, prev_h, prev_c, Wx, Wh, act, tc)


@wrong(
    "lstm_cell_backward",
    "the gates' gradients are written in the order i, f, g, o, the weights have i, f, o, g",
    "from memory: the other framework's order of the gates",
    convention="ntd",
    forward=lstm_step,
)
def lstm_step_bwd_ifgo(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, act, tc = cache
    N, H = tc.shape
    i, f, o, g = np.split(act, 4, axis=1)
    dc = dnext_c + dnext_h * o * (1.0 - tc * tc)
    dact = np.empty((N, 4, H))
    dact[:, 0] = dc * g * i * (1.0 - i)
    dact[:, 1] = dc * prev_c * f * (1.0 - f)
    dact[:, 2] = dc * i * (1.0 - g * g)
    dact[:, 3] = dnext_h * tc * o * (1.0 - o)
    dact = dact.reshape(N, 4 * H)
    return dact @ Wx.T, dact @ Wh.T, dc * f, x.T @ dact, prev_h.T @ dact, dact.sum(0)


class _Tape:
    __slots__ = ("Wh", "Wx", "act", "c", "h", "h0", "tc", "x")


def lstm_fwd(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    tape = _Tape()
    tape.x, tape.h0, tape.Wx, tape.Wh = x, h0, Wx, Wh
    act = (_flat(x) @ Wx + b).reshape(N, T, 4 * H)
    h, c, tc = np.empty((N, T, H)), np.zeros((N, T + 1, H)), np.empty((N, T, H))
    prev = h0
    for t in range(T):
        act[:, t] += prev @ Wh
        _sigm_(act[:, t, : 3 * H])
        act[:, t, 3 * H :] = np.tanh(act[:, t, 3 * H :])
        i, f, o, g = (act[:, t, k * H : (k + 1) * H] for k in range(4))
        c[:, t + 1] = f * c[:, t] + i * g
        tc[:, t] = np.tanh(c[:, t + 1])
        h[:, t] = prev = o * tc[:, t]
    tape.h, tape.c, tape.tc, tape.act = h, c, tc, act
    return h, tape


@wrong(
    "lstm_backward",
    "the memory's gradient of step t + 1 comes through the forget gate of step t",
    "from memory: the recurrence written as a pull from t + 1",
    convention="ntd",
    forward=lstm_fwd,
    tags="time",
    step={"dx": -2, "dWx": -2, "dWh": -2, "db": -2},
)
def lstm_bwd_pull(dh, tape):
    N, T, H = dh.shape
    i, f, o, g = (tape.act[:, :, k * H : (k + 1) * H] for k in range(4))
    # everything that does not depend on the recurrence, in one sweep
    h_to_c = o * (1.0 - tape.tc**2)
    c_to_act = np.concatenate(
        [
            g * i * (1 - i),
            tape.c[:, :-1] * f * (1 - f),
            np.zeros_like(o),
            i * (1 - g * g),
        ],
        axis=2,
    )
    h_to_o = tape.tc * o * (1 - o)
    dact = np.empty((N, T, 4 * H))
    dc = np.zeros((N, T + 1, H))
    back = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        d = dh[:, t] + back
        dc[:, t] = d * h_to_c[:, t] + dc[:, t + 1] * f[:, t]
        dact[:, t] = np.tile(dc[:, t], 4) * c_to_act[:, t]
        dact[:, t, 2 * H : 3 * H] = d * h_to_o[:, t]
        back = dact[:, t] @ tape.Wh.T
    hprev = np.concatenate([tape.h0[:, None], tape.h[:, :-1]], axis=1)
    return (
        dact @ tape.Wx.T,
        back,
        _flat(tape.x).T @ _flat(dact),
        _flat(hprev).T @ _flat(dact),
        dact.sum((0, 1)),
    )


@wrong(
    "lstm_backward",
    "1 - c**2 where tanh(c)**2 was meant, and h0's step is missing in dWh",
    "from memory",
    convention="ntd",
    forward=lstm_fwd,
    tags="double",
)
def lstm_bwd_two(dh, tape):
    N, T, H = dh.shape
    dact = np.empty((N, T, 4, H))
    act = tape.act.reshape(N, T, 4, H)
    dnext, dc = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        i, f, o, g = act[:, t].swapaxes(0, 1)
        c_prev, c = tape.c[:, t], tape.c[:, t + 1]
        dnext += dh[:, t]
        dc += dnext * o * (1.0 - c * c)
        out = dact[:, t]
        np.multiply(dc, g, out=out[:, 0])
        np.multiply(dc, c_prev, out=out[:, 1])
        np.multiply(dnext, tape.tc[:, t], out=out[:, 2])
        np.multiply(dc, i, out=out[:, 3])
        out[:, :3] *= act[:, t, :3] * (1.0 - act[:, t, :3])
        out[:, 3] *= 1.0 - g**2
        dc *= f
        np.matmul(out.reshape(N, 4 * H), tape.Wh.T, out=dnext)
    dact = dact.reshape(N, T, 4 * H)
    dx = (_flat(dact) @ tape.Wx.T).reshape(tape.x.shape)
    dWx = np.einsum("ntd,ntg->dg", tape.x, dact)
    dWh = np.einsum("nth,ntg->hg", tape.h[:, :-1], dact[:, 1:])
    return dx, dnext, dWx, dWh, _flat(dact).sum(0)


@wrong(
    "lstm_cell_backward",
    "dc_next is accumulated into in place: the caller's array changes",
    "from memory: dc = dc_next, then dc +=",
    words="dc_next&place|chang|modif|overw|alter|mutat",
    tags="view",
)
def lstm_cell_bwd_accumulates(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, f, i, g, o, xt, p = cache
    n, m = a_next.shape
    tc = np.tanh(c_next)
    dc = dc_next
    dc += da_next * o * (1.0 - tc * tc)
    dG = np.empty((4, n, m))
    dG[0] = dc * c_prev * f * (1.0 - f)
    dG[1] = dc * g * i * (1.0 - i)
    dG[2] = dc * i * (1.0 - g * g)
    dG[3] = da_next * tc * o * (1.0 - o)
    W = np.stack([p["Wf"], p["Wi"], p["Wc"], p["Wo"]])
    dcat = np.einsum("gnk,gnm->km", W, dG)
    dW = np.einsum("gnm,km->gnk", dG, np.concatenate((a_prev, xt)))
    db = dG.sum(axis=2, keepdims=True)
    grads = {"dxt": dcat[n:], "da_prev": dcat[:n], "dc_prev": dc * f}
    for k, name in enumerate("fico"):
        grads["dW" + name], grads["db" + name] = dW[k], db[k]
    return grads


@wrong(
    "lstm_backward",
    "dx is allocated as float32",
    "from memory: the workspace's default dtype",
    words="float32|dtype|single",
)
def lstm_bwd_half_the_bits(da, caches):
    steps, x = caches
    p = steps[0][-1]
    n, m, T = da.shape
    W = np.concatenate([p["Wf"], p["Wi"], p["Wc"], p["Wo"]])
    dx = np.empty(x.shape, dtype=np.float32)
    dG = np.empty((4 * n, m))
    dW, db = np.zeros_like(W), np.zeros((4 * n, 1))
    da_c, dc = np.zeros((n, m)), np.zeros((n, m))
    for t in reversed(range(T)):
        _, c_next, a_prev, c_prev, f, i, g, o, xt, _ = steps[t]
        da_t = da[:, :, t] + da_c
        tc = np.tanh(c_next)
        dc = dc + da_t * o * (1 - tc**2)
        dG[:n] = dc * c_prev * f * (1 - f)
        dG[n : 2 * n] = dc * g * i * (1 - i)
        dG[2 * n : 3 * n] = dc * i * (1 - g**2)
        dG[3 * n :] = da_t * tc * o * (1 - o)
        dcat = W.T @ dG
        da_c, dx[:, :, t] = dcat[:n], dcat[n:]
        dW += dG @ np.concatenate([a_prev, xt]).T
        db += dG.sum(1, keepdims=True)
        dc = dc * f
    out = {"dx": dx, "da0": da_c}
    for k, name in enumerate("fico"):
        out[f"dW{name}"], out[f"db{name}"] = (
            dW[k * n : (k + 1) * n],
            db[k * n : (k + 1) * n],
        )
    return out


@right(
    "lstm_backward",
    "time-major buffers of all gates, weights' gradients by one product",
)
def lstm_bwd_fused(da, caches):
    steps, x = caches
    p = steps[0][-1]
    n, m, T = da.shape
    A, F, I, G, O, CP, TC = np.empty((7, T, n, m))
    for t, s in enumerate(steps):
        A[t], F[t], I[t], G[t], O[t], CP[t] = s[2], s[4], s[5], s[6], s[7], s[3]
        np.tanh(s[1], out=TC[t])
    local = np.stack([G * I * (1 - I), CP * F * (1 - F), I * (1 - G) * (1 + G)], axis=1)
    local_o = TC * O * (1 - O)
    through = O - O * TC * TC
    W = np.stack([p["Wi"], p["Wf"], p["Wc"], p["Wo"]])
    WhT = np.ascontiguousarray(W[:, :, :n].reshape(4 * n, n).T)
    D = np.empty((T, 4, n, m))
    back, mem = np.zeros((n, m)), np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        back += da[:, :, t]
        mem += back * through[t]
        np.multiply(local[t], mem, out=D[t, :3])
        np.multiply(local_o[t], back, out=D[t, 3])
        mem *= F[t]
        np.matmul(WhT, D[t].reshape(4 * n, m), out=back)
    cat = np.concatenate([A, x.transpose(2, 0, 1)], axis=1)
    dW = np.einsum("tgam,tkm->gak", D, cat)
    db = D.sum(axis=(0, 3))[..., None]
    grads = {"dx": np.einsum("gax,tgam->xmt", W[:, :, n:], D), "da0": back}
    for k, name in enumerate("ifco"):
        grads["dW" + name] = dW[k]
        grads["db" + name] = db[k]
    return grads


# ------------------------------------------------------------------------ gru


def gru_step(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    act = x @ Wx
    act += b
    act[:, : 2 * H] += prev_h @ Wh[:, : 2 * H]
    _sigm_(act[:, : 2 * H])
    rh = act[:, :H] * prev_h
    act[:, 2 * H :] += rh @ Wh[:, 2 * H :]
    np.tanh(act[:, 2 * H :], out=act[:, 2 * H :])
    z, n = act[:, H : 2 * H], act[:, 2 * H :]
    return n + z * (prev_h - n), (x, prev_h, rh, Wx, Wh, act)


def gru_fwd(x, h0, Wx, Wh, b):
    h, caches = h0, []
    hs = np.empty((x.shape[0], x.shape[1], h0.shape[1]))
    for t in range(x.shape[1]):
        h, cache = gru_step(x[:, t], h, Wx, Wh, b)
        hs[:, t] = h
        caches.append(cache)
    return hs, caches


@wrong(
    "gru_cell_backward",
    "one product prev_h.T @ dact for all of dWh: the candidate's columns need r * prev_h",
    "from memory: fused the three products into one",
    convention="ntd",
    forward=gru_step,
)
def gru_step_bwd_one_product(dnext_h, cache):
    x, prev_h, rh, Wx, Wh, act = cache
    N, H = prev_h.shape
    r, z, n = np.split(act, 3, axis=1)
    dact = np.empty((N, 3 * H))
    dact[:, 2 * H :] = dnext_h * (1.0 - z) * (1.0 - n * n)
    dact[:, H : 2 * H] = dnext_h * (prev_h - n) * z * (1.0 - z)
    drh = dact[:, 2 * H :] @ Wh[:, 2 * H :].T
    dact[:, :H] = drh * prev_h * r * (1.0 - r)
    dprev = dnext_h * z + drh * r + dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    return dact @ Wx.T, dprev, x.T @ dact, prev_h.T @ dact, dact.sum(axis=0)


@wrong(
    "gru_backward",
    "dr as in the variant that resets after the product: dn * (h @ Whn)",
    "from memory: the formula of the library's fused kernel",
    convention="ntd",
    forward=gru_fwd,
)
def gru_bwd_reset_after(dh, caches):
    N, T, H = dh.shape
    _, _, _, Wx, Wh, _ = caches[0]
    x = np.stack([c[0] for c in caches], axis=1)
    hp = np.stack([c[1] for c in caches], axis=1)
    rhs = np.stack([c[2] for c in caches], axis=1)
    r, z, n = np.split(np.stack([c[5] for c in caches], axis=1), 3, axis=2)
    dact = np.empty((N, T, 3 * H))
    carry = np.zeros((N, H))
    hWn = hp @ Wh[:, 2 * H :]
    for t in reversed(range(T)):
        d = carry + dh[:, t]
        dn = d * (1 - z[:, t]) * (1 - n[:, t] ** 2)
        drh = dn @ Wh[:, 2 * H :].T
        dact[:, t, 2 * H :] = dn
        dact[:, t, H : 2 * H] = d * (hp[:, t] - n[:, t]) * z[:, t] * (1 - z[:, t])
        dact[:, t, :H] = dn * hWn[:, t] * r[:, t] * (1 - r[:, t])
        carry = d * z[:, t] + drh * r[:, t]
        carry += dact[:, t, : 2 * H] @ Wh[:, : 2 * H].T
    dWh = np.empty_like(Wh)
    dWh[:, : 2 * H] = np.einsum("nth,ntg->hg", hp, dact[:, :, : 2 * H])
    dWh[:, 2 * H :] = np.einsum("nth,ntg->hg", rhs, dact[:, :, 2 * H :])
    return dact @ Wx.T, carry, _flat(x).T @ _flat(dact), dWh, dact.sum(axis=(0, 1))


@wrong(
    "gru_backward",
    "dz has the wrong sign (n - h), and the sigmoid's derivative stands on all three blocks",
    "from memory",
    convention="ntd",
    forward=gru_fwd,
    tags="double",
)
def gru_bwd_two(dh, caches):
    N, T, H = dh.shape
    Wx, Wh = caches[0][3:5]
    dx = np.empty((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    ws = np.empty((N, 3 * H))
    carry = np.zeros((N, H))
    for t in reversed(range(T)):
        xt, hp, rh, _, _, act = caches[t]
        r, z, n = act[:, :H], act[:, H : 2 * H], act[:, 2 * H :]
        slope = act * (1.0 - act)
        d = dh[:, t] + carry
        ws[:, 2 * H :] = d * (1.0 - z) * slope[:, 2 * H :]
        ws[:, H : 2 * H] = d * (n - hp) * slope[:, H : 2 * H]
        drh = ws[:, 2 * H :] @ Wh[:, 2 * H :].T
        ws[:, :H] = drh * hp * slope[:, :H]
        carry = d * z + drh * r + ws[:, : 2 * H] @ Wh[:, : 2 * H].T
        np.matmul(ws, Wx.T, out=dx[:, t])
        dWx += xt.T @ ws
        dWh[:, : 2 * H] += hp.T @ ws[:, : 2 * H]
        dWh[:, 2 * H :] += rh.T @ ws[:, 2 * H :]
        db += ws.sum(0)
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "the buffer of d(r * h) is multiplied by prev_h in place before dprev_h needs it",
    "from memory: saved one temporary too many",
    convention="ntd",
    forward=gru_step,
    tags="view",
)
def gru_step_bwd_reused_buffer(dnext_h, cache):
    x, prev_h, rh, Wx, Wh, act = cache
    N, H = prev_h.shape
    r, z, n = act.reshape(N, 3, H).transpose(1, 0, 2)
    dact, tmp = np.empty((N, 3 * H)), np.empty((N, H))
    dr, dz, dn = dact[:, :H], dact[:, H : 2 * H], dact[:, 2 * H :]
    np.multiply(dnext_h, 1.0 - z, out=dn)
    dn *= 1.0 - n * n
    np.multiply(dnext_h, prev_h - n, out=dz)
    dz *= z * (1.0 - z)
    np.matmul(dn, Wh[:, 2 * H :].T, out=tmp)
    tmp *= prev_h
    np.multiply(tmp, r * (1.0 - r), out=dr)
    tmp *= r
    tmp += dnext_h * z
    tmp += dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWh = np.concatenate([prev_h.T @ dact[:, : 2 * H], rh.T @ dn], axis=1)
    return dact @ Wx.T, tmp, x.T @ dact, dWh, dact.sum(axis=0)


@right(
    "gru_backward",
    "h' = n + z (h - n), one (T, N, 3H) workspace, dWh in one product with a mask of r",
    convention="ntd",
    forward=gru_fwd,
)
def gru_bwd_fused(dh, caches):
    N, T, H = dh.shape
    Wx, Wh = caches[0][3], caches[0][4]
    x, hp, rhs, act = (np.stack([c[k] for c in caches]) for k in (0, 1, 2, 5))
    r, z, n = act[..., :H], act[..., H : 2 * H], act[..., 2 * H :]
    to_n = (1 - z) * (1 - n) * (1 + n)
    to_z = (hp - n) * (z - z * z)
    to_r = hp * (r - r * r)
    ws = np.empty((T, N, 3 * H))
    g = np.zeros((N, H))
    Wrz, Wn = Wh[:, : 2 * H].T.copy(), Wh[:, 2 * H :].T.copy()
    for t in range(T)[::-1]:
        g += dh[:, t]
        np.multiply(g, to_n[t], out=ws[t, :, 2 * H :])
        np.multiply(g, to_z[t], out=ws[t, :, H : 2 * H])
        drh = ws[t, :, 2 * H :] @ Wn
        np.multiply(drh, to_r[t], out=ws[t, :, :H])
        g *= z[t]
        drh *= r[t]
        g += drh
        g += ws[t, :, : 2 * H] @ Wrz
    left = np.concatenate([_flat(hp), _flat(rhs)], axis=1).T @ _flat(ws)
    dWh = np.where(np.arange(3 * H) < 2 * H, left[:H], left[H:])
    dx = np.matmul(ws, Wx.T).swapaxes(0, 1)
    return dx, g, _flat(x).T @ _flat(ws), dWh, np.ones(T * N) @ _flat(ws)


# -------------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "labels are flattened column by column, the probabilities row by row",
    "from memory: order='F' against a C-ordered reshape",
)
def readout_bwd_scatter(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    rows = m * T
    dlogits = y_pred.reshape(n_y, rows).copy()
    dlogits[labels.ravel(order="F"), np.arange(rows)] -= 1.0
    dlogits *= 1.0 / rows
    flat_a = a.reshape(-1, rows)
    return {
        "da": (parameters["Wya"].T @ dlogits).reshape(a.shape),
        "dWya": dlogits @ flat_a.T,
        "dby": dlogits.sum(axis=1, keepdims=True),
    }
