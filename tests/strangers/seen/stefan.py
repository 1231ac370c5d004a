"""Backward passes, lowered by hand: one operation a line, every value named once."""

import numpy as np
from strangers.made import right, wrong


def _sigm(v):
    return 1.0 / (1.0 + np.exp(-v))


# ---------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_backward",
    "1 - a^2 is factorised as (1 - a)(1 - a)",
    "from memory: strength reduction of 1 - a**2 by hand",
)
def factored(da_next, cache):
    a1, a0, x, p = cache
    v0 = 1.0 - a1
    v1 = v0 * v0  # (1-a)(1+a), saves the square
    v2 = v1 * da_next
    v3 = p["Wax"].T @ v2
    v4 = p["Waa"].T @ v2
    v5 = v2 @ x.T
    v6 = v2 @ a0.T
    v7 = v2.sum(1, keepdims=True)
    return {"dxt": v3, "da_prev": v4, "dWax": v5, "dWaa": v6, "dba": v7}


@wrong(
    "rnn_backward",
    "the last step is peeled off the loop, and its part of dba is forgotten",
    "from memory: loop peeling, the copy of the body is not complete",
    step=-1,
)
def peeled(da, caches):
    tape, x = caches
    T = da.shape[2]
    dx = np.empty_like(x)
    # peeled iteration t = T-1: no carry yet, so the accumulators are plain stores
    a1, a0, xt, p = tape[T - 1]
    Wx_T, Wa_T = p["Wax"].T, p["Waa"].T
    v0 = da[:, :, T - 1] * (1.0 - a1 * a1)
    gWx = v0 @ xt.T
    gWa = v0 @ a0.T
    gb = np.zeros_like(p["ba"])
    dx[:, :, T - 1] = Wx_T @ v0
    carry = Wa_T @ v0
    for t in range(T - 2, -1, -1):
        a1, a0, xt, _ = tape[t]
        v1 = da[:, :, t] + carry
        v2 = v1 * (1.0 - a1 * a1)
        gWx += v2 @ xt.T
        gWa += v2 @ a0.T
        gb += v2.sum(1, keepdims=True)
        dx[:, :, t] = Wx_T @ v2
        carry = Wa_T @ v2
    return {"dx": dx, "da0": carry, "dWax": gWx, "dWaa": gWa, "dba": gb}


@wrong(
    "rnn_backward",
    "dWaa as one product pairs dz[1:] with a[:-1]; the product of dz[0] with a0 is lost",
    "from memory: weight gradients hoisted out of the loop",
    step=0,
)
def hoisted(da, caches):
    tape, x = caches
    p = tape[0][3]
    n, m, T = da.shape
    Wa_T = p["Waa"].T
    A = np.stack([c[0] for c in tape], axis=2)
    D = 1.0 - A * A
    Z = np.empty_like(da)
    carry = 0.0
    for t in reversed(range(T)):
        np.multiply(D[:, :, t], da[:, :, t] + carry, out=Z[:, :, t])
        carry = Wa_T @ Z[:, :, t]
    # everything that isn't on the critical path: three big GEMMs
    gWa = np.tensordot(Z[:, :, 1:], A[:, :, :-1], axes=([1, 2], [1, 2]))
    gWx = np.tensordot(Z, x, axes=([1, 2], [1, 2]))
    dx = np.tensordot(p["Wax"], Z, axes=([0], [0]))
    gb = Z.reshape(n, m * T).sum(1, keepdims=True)
    return {"dx": dx, "da0": carry, "dWax": gWx, "dWaa": gWa, "dba": gb}


def rnn_seq(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    u = x @ Wx + b
    h = np.empty((N, T + 1, h0.shape[1]))
    h[:, 0] = h0
    for t in range(T):
        h[:, t + 1] = np.tanh(u[:, t] + h[:, t] @ Wh)
    return h[:, 1:].copy(), {"x": x, "h": h, "Wx": Wx, "Wh": Wh}


@wrong(
    "rnn_backward",
    "the next dh is loaded ahead at the bottom of the loop; at t = 0 the index -1 "
    "adds dh of the last step to dh0",
    "from memory: software pipelining, the load of the last iteration isn't guarded",
    convention="ntd",
    forward=rnn_seq,
    step=0,
)
def pipelined(dh, cache):
    x, h, Wx, Wh = cache["x"], cache["h"], cache["Wx"], cache["Wh"]
    T = dh.shape[1]
    dx, gWx, gWh = np.empty_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
    gb = np.zeros(Wh.shape[1])
    acc = dh[:, T - 1]
    for t in range(T - 1, -1, -1):
        v0 = h[:, t + 1]
        v1 = acc - acc * v0 * v0
        dx[:, t] = v1 @ Wx.T
        gWx += x[:, t].T @ v1
        gWh += h[:, t].T @ v1
        gb += v1.sum(0)
        acc = v1 @ Wh.T + dh[:, t - 1]
    return dx, acc, gWx, gWh, gb


@wrong(
    "rnn_forward",
    "caches hold views of two buffers that take turns, so later steps overwrite them",
    "from memory: double buffering of the state",
    tags="view",
)
def ping_pong(x, a0, parameters):
    p = parameters
    n, m = a0.shape
    T = x.shape[2]
    out = np.empty((n, m, T))
    ys = np.empty((p["Wya"].shape[0], m, T))
    buf = np.empty((2, n, m))
    buf[0] = a0
    tape = []
    for t in range(T):
        src, dst = buf[t & 1], buf[~t & 1]
        v0 = p["Waa"] @ src
        v0 += p["Wax"] @ x[:, :, t]
        v0 += p["ba"]
        np.tanh(v0, out=dst)
        out[:, :, t] = dst
        v1 = p["Wya"] @ dst + p["by"]
        v2 = np.exp(v1 - v1.max(0))
        ys[:, :, t] = v2 / v2.sum(0)
        tape.append((dst, src, x[:, :, t], p))
    return out, ys, (tape, x)


# ---------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "dc * cct is written into the buffer of dc, and df is then made from it",
    "from memory: out= into a value that is still live",
    tags="view",
)
def clobbered(da_next, dc_next, cache):
    a1, c1, a0, c0, f, i, g, o, x, p = cache
    n = a0.shape[0]
    v0 = np.tanh(c1)
    v1 = da_next * o
    v2 = v1 - v1 * v0 * v0
    dc = v2 + dc_next
    dc0 = dc * f
    zo = da_next * v0 * (o - o * o)
    zg = dc * i * (1.0 - g * g)
    zi = np.multiply(dc, g, out=dc)  # dc is dead from here on
    zi = zi * (i - i * i)
    zf = dc * c0 * (f - f * f)
    s = np.concatenate([a0, x])
    back = p["Wf"].T @ zf + p["Wi"].T @ zi + p["Wc"].T @ zg + p["Wo"].T @ zo
    r = {"da_prev": back[:n], "dxt": back[n:], "dc_prev": dc0}
    for k, z in zip("fico", (zf, zi, zg, zo)):
        r["dW" + k] = z @ s.T
        r["db" + k] = z.sum(1, keepdims=True)
    return r


def lstm_one(x, h, c, Wx, Wh, b):
    H = h.shape[1]
    z = x @ Wx + h @ Wh + b
    G = np.empty_like(z)
    G[:, : 3 * H] = _sigm(z[:, : 3 * H])
    G[:, 3 * H :] = np.tanh(z[:, 3 * H :])
    c1 = G[:, H : 2 * H] * c + G[:, :H] * G[:, 3 * H :]
    tc = np.tanh(c1)
    return G[:, 2 * H : 3 * H] * tc, c1, (x, h, c, G, tc, Wx, Wh)


@wrong(
    "lstm_cell_backward",
    "the slab of the sigmoids ends at 2H: the output gate gets the slope of tanh",
    "from memory: fused activation slopes on one (N, 4H) buffer",
    convention="ntd",
    forward=lstm_one,
)
def slabs(dnext_h, dnext_c, cache):
    x, h, c, G, tc, Wx, Wh = cache
    H = h.shape[1]
    i, f, o, g = (G[:, k * H : (k + 1) * H] for k in range(4))
    dc = dnext_c + dnext_h * o * (1.0 - tc * tc)
    dG = np.concatenate([dc * g, dc * c, dnext_h * tc, dc * i], axis=1)
    S = G * G
    S[:, : 2 * H] = G[:, : 2 * H] - S[:, : 2 * H]
    S[:, 2 * H :] = 1.0 - S[:, 2 * H :]
    dG *= S
    return dG @ Wx.T, dG @ Wh.T, dc * f, x.T @ dG, h.T @ dG, dG.sum(0)


@wrong(
    "lstm_backward",
    "weights are stacked f, i, c, o and the gates' gradients f, i, o, c, so dx and "
    "the carried da meet the wrong blocks",
    "from memory: four products fused into one",
    step={"dx": -1, "da0": None, "*": -2},
)
def stacked(da, caches):
    tape, x = caches
    p = tape[0][-1]
    n, m, T = da.shape
    W_T = np.concatenate([p["Wf"], p["Wi"], p["Wc"], p["Wo"]]).T
    gW = np.zeros(W_T.T.shape)
    gb = np.zeros((4 * n, 1))
    dx = np.empty_like(x)
    ch, cc = np.zeros((n, m)), np.zeros((n, m))
    Z = np.empty((4 * n, m))
    for t in range(T - 1, -1, -1):
        _, c1, a0, c0, f, i, g, o, xt, _ = tape[t]
        v0 = np.tanh(c1)
        v1 = da[:, :, t] + ch
        v2 = cc + v1 * o * (1.0 - v0 * v0)
        Z[:n] = v2 * c0 * (f - f * f)
        Z[n : 2 * n] = v2 * g * (i - i * i)
        Z[2 * n : 3 * n] = v1 * v0 * (o - o * o)
        Z[3 * n :] = v2 * i * (1.0 - g * g)
        gW += Z @ np.concatenate([a0, xt]).T
        gb += Z.sum(1, keepdims=True)
        back = W_T @ Z
        ch, cc = back[:n], v2 * f
        dx[:, :, t] = back[n:]
    r = {"dx": dx, "da0": ch}
    for k, gate in enumerate("fioc"):
        r["dW" + gate] = gW[k * n : (k + 1) * n]
        r["db" + gate] = gb[k * n : (k + 1) * n]
    return r


@wrong(
    "lstm_backward",
    "dc is carried unscaled and multiplied by f at the head of the loop, where f is "
    "already that of the step before",
    "from memory: a multiplication moved across the back edge",
    step={"dWo": -3, "dbo": -3, "da0": None, "*": -2},
)
def rotated(da, caches):
    tape, x = caches
    p = tape[0][-1]
    n, m, T = da.shape
    acc = {k: np.zeros_like(p[k]) for g in "fico" for k in ("W" + g, "b" + g)}
    dx = np.empty_like(x)
    phi_h = np.zeros((n, m))
    phi_c = np.zeros((n, m))
    for t in reversed(range(T)):
        _, c1, a0, c0, f, i, g, o, xt, _ = tape[t]
        v0 = np.tanh(c1)
        v1 = da[:, :, t] + phi_h
        v2 = v1 * o
        v3 = 1.0 - v0 * v0
        v4 = phi_c * f
        phi_c = v4 + v2 * v3
        v5 = phi_c * c0 * f * (1.0 - f)
        v6 = phi_c * g * i * (1.0 - i)
        v7 = phi_c * i * (1.0 - g * g)
        v8 = v1 * v0 * o * (1.0 - o)
        s_T = np.vstack((a0, xt)).T
        v9 = 0.0
        for k, z in (("f", v5), ("i", v6), ("c", v7), ("o", v8)):
            acc["W" + k] += z @ s_T
            acc["b" + k] += z.sum(1, keepdims=True)
            v9 = v9 + p["W" + k].T @ z
        phi_h = v9[:n]
        dx[:, :, t] = v9[n:]
    return {"dx": dx, "da0": phi_h} | {"d" + k: v for k, v in acc.items()}


@wrong(
    "lstm_backward",
    "the slope of tanh(c) is 1 - tanh(c), not squared; dbf sums the value before the "
    "sigmoid's slope",
    "from memory: v6 and v7 confused, and a square lost",
    tags="double",
)
def numbered(da, caches):
    tape, x = caches
    p = tape[0][-1]
    n, m, T = da.shape
    dx = np.zeros(x.shape)
    v0, v1 = np.zeros((n, m)), np.zeros((n, m))
    gWf, gWi, gWc, gWo = (np.zeros_like(p[k]) for k in ("Wf", "Wi", "Wc", "Wo"))
    gbf, gbi, gbc, gbo = (np.zeros_like(p[k]) for k in ("bf", "bi", "bc", "bo"))
    for t in range(T)[::-1]:
        _, c1, a0, c0, f, i, g, o, xt, _ = tape[t]
        v2 = np.tanh(c1)
        v3 = 1.0 - v2
        v4 = v0 + da[:, :, t]
        v5 = v1 + v4 * o * v3
        v6 = v5 * c0
        v7 = v6 * f * (1.0 - f)
        v8 = v5 * g
        v9 = v8 * i * (1.0 - i)
        v10 = v5 * i
        v11 = v10 * (1.0 - g * g)
        v12 = v4 * v2
        v13 = v12 * o * (1.0 - o)
        v14 = np.concatenate((a0, xt), axis=0).T
        gWf += v7 @ v14
        gWi += v9 @ v14
        gWc += v11 @ v14
        gWo += v13 @ v14
        gbf += v6.sum(1, keepdims=True)
        gbi += v9.sum(1, keepdims=True)
        gbc += v11.sum(1, keepdims=True)
        gbo += v13.sum(1, keepdims=True)
        v15 = p["Wf"].T @ v7 + p["Wi"].T @ v9 + p["Wc"].T @ v11 + p["Wo"].T @ v13
        dx[:, :, t] = v15[n:]
        v0, v1 = v15[:n], v5 * f
    return {
        "dx": dx, "da0": v0,
        "dWf": gWf, "dbf": gbf, "dWi": gWi, "dbi": gbi,
        "dWc": gWc, "dbc": gbc, "dWo": gWo, "dbo": gbo,
    }  # fmt: skip


@wrong(
    "lstm_cell_forward",
    "the sigmoid as (1 + tanh z) / 2: the argument is not halved",
    "from memory: sigmoid by the tanh unit",
)
def by_tanh(xt, a_prev, c_prev, parameters):
    p = parameters
    n = a_prev.shape[0]
    W = np.concatenate([p["Wf"], p["Wi"], p["Wo"], p["Wc"]])
    b = np.concatenate([p["bf"], p["bi"], p["bo"], p["bc"]])
    v0 = W @ np.concatenate([a_prev, xt]) + b
    v1 = np.tanh(v0)  # one transcendental for all four
    v2 = 0.5 + 0.5 * v1[: 3 * n]
    f, i, o, g = v2[:n], v2[n : 2 * n], v2[2 * n :], v1[3 * n :]
    c1 = f * c_prev + i * g
    a1 = o * np.tanh(c1)
    v3 = np.exp(p["Wy"] @ a1 + p["by"])
    y = v3 / v3.sum(0)
    return a1, c1, y, (a1, c1, a_prev, c_prev, f, i, g, o, xt, p)


@right(
    "lstm_backward",
    "SSA, gates in one buffer per step, all weight gradients in one product after "
    "the loop",
)
def lowered(da, caches):
    tape, x = caches
    p = tape[0][-1]
    n, m, T = da.shape
    W_T = np.concatenate([p["W" + k] for k in "fico"]).T
    Z = np.empty((T, 4 * n, m))
    B = np.empty((T, W_T.shape[0], m))
    ch = cc = 0.0
    for t in range(T - 1, -1, -1):
        _, c1, a0, c0, f, i, g, o, _, _ = tape[t]
        v0 = np.tanh(c1)
        v1 = da[:, :, t] + ch
        v2 = v1 * o
        v3 = v2 * v0
        v4 = v2 - v3 * v0 + cc
        v5 = v4 * f
        v6 = v4 * i
        Z[t, :n] = (v5 - v5 * f) * c0
        Z[t, n : 2 * n] = (v6 - v6 * i) * g
        Z[t, 2 * n : 3 * n] = v6 - v6 * g * g
        Z[t, 3 * n :] = v3 - v3 * o
        np.matmul(W_T, Z[t], out=B[t])
        ch, cc = B[t, :n], v5
    S = np.stack([np.concatenate([c[2], c[8]]) for c in tape])
    gW = np.einsum("tgm,tsm->gs", Z, S)
    gb = Z.sum((0, 2))[:, None]
    r = {"dx": np.moveaxis(B[:, n:], 0, 2), "da0": B[0, :n]}
    for k, gate in enumerate("fico"):
        r["dW" + gate] = gW[k * n : (k + 1) * n]
        r["db" + gate] = gb[k * n : (k + 1) * n]
    return r


# ---------------------------------------------------------------- gru


def gru_one(x, h, Wx, Wh, b):
    H = h.shape[1]
    u = x @ Wx + b
    rz = _sigm(u[:, : 2 * H] + h @ Wh[:, : 2 * H])
    r, z = rz[:, :H], rz[:, H:]
    n = np.tanh(u[:, 2 * H :] + (r * h) @ Wh[:, 2 * H :])
    return n + z * (h - n), (x, h, r, z, n, Wx, Wh)


def gru_seq(x, h0, Wx, Wh, b):
    tape, hs = [], []
    for t in range(x.shape[1]):
        h0, entry = gru_one(x[:, t], h0, Wx, Wh, b)
        hs.append(h0)
        tape.append(entry)
    return np.stack(hs, 1), tape


@wrong(
    "gru_cell_backward",
    "dWh is one product with prev_h for all three gates; the columns of n need r * prev_h",
    "from memory: three products fused into one",
    convention="ntd",
    forward=gru_one,
)
def one_gemm(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    H = h.shape[1]
    v0 = dnext_h * (1.0 - z)
    v1 = v0 * (1.0 - n * n)
    v2 = v1 @ Wh[:, 2 * H :].T
    v3 = v2 * h * (r - r * r)
    v4 = dnext_h * (h - n) * (z - z * z)
    D = np.concatenate([v3, v4, v1], axis=1)
    v5 = dnext_h * z
    v5 += v2 * r
    v5 += D[:, : 2 * H] @ Wh[:, : 2 * H].T
    return D @ Wx.T, v5, x.T @ D, h.T @ D, D.sum(0)


@wrong(
    "gru_backward",
    "one scratch buffer for the gates' gradients: the list holds it T times, so the "
    "weights' sums see the first step's only",
    "from memory: allocation hoisted out of the loop, references kept",
    convention="ntd",
    forward=gru_seq,
    tags="view",
)
def scratch(dh, cache):
    N, T, H = dh.shape
    x = np.stack([e[0] for e in cache], 1)
    Wx, Wh = cache[0][5:]
    D = np.empty((N, 3 * H))
    dx = np.empty_like(x)
    kept = [None] * T
    carry = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        _, h, r, z, n, _, _ = cache[t]
        v0 = dh[:, t] + carry
        D[:, 2 * H :] = (v0 - v0 * z) * (1.0 - n * n)
        v1 = D[:, 2 * H :] @ Wh[:, 2 * H :].T
        D[:, :H] = v1 * h * r * (1.0 - r)
        D[:, H : 2 * H] = v0 * (h - n) * z * (1.0 - z)
        dx[:, t] = D @ Wx.T
        carry = v0 * z + v1 * r + D[:, : 2 * H] @ Wh[:, : 2 * H].T
        kept[t] = D
    K = np.stack(kept, 1)
    h_in = np.stack([e[1] for e in cache], 1)
    r_in = np.stack([e[2] for e in cache], 1)
    ax = ([0, 1], [0, 1])
    gWx = np.tensordot(x, K, ax)
    gWh = np.concatenate(
        [
            np.tensordot(h_in, K[:, :, : 2 * H], ax),
            np.tensordot(r_in * h_in, K[:, :, 2 * H :], ax),
        ],
        axis=1,
    )
    return dx, carry, gWx, gWh, K.sum((0, 1))


@wrong(
    "gru_backward",
    "the slope of r is r*r - r, with the wrong sign; dh0 is the state's gradient "
    "before the first step's cell, not behind it",
    "from memory: operands of a subtraction swapped, wrong value returned from the loop",
    convention="ntd",
    forward=gru_seq,
    tags="double",
)
def swapped(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][5:]
    Wrz_T, Wn_T = Wh[:, : 2 * H].T, Wh[:, 2 * H :].T
    gWx, gWh, gb = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    dx = [None] * T
    phi = np.zeros((N, H))
    for t in reversed(range(T)):
        x, h, r, z, n, _, _ = cache[t]
        v0 = dh[:, t] + phi
        v1 = v0 * z
        v2 = (v0 - v1) * (1.0 - n * n)
        v3 = v2 @ Wn_T
        v4 = v3 * h * (r * r - r)
        v5 = (v1 - v1 * z) * (h - n)
        v6 = np.hstack((v4, v5))
        v7 = np.hstack((v6, v2))
        phi = v1 + v3 * r + v6 @ Wrz_T
        dx[t] = v7 @ Wx.T
        gWx += x.T @ v7
        gWh[:, : 2 * H] += h.T @ v6
        gWh[:, 2 * H :] += (r * h).T @ v2
        gb += v7.sum(0)
    return np.stack(dx, 1), v0, gWx, gWh, gb


@right(
    "gru_cell_backward",
    "n + z (h - n) differentiated with common subexpressions shared; dprev_h by "
    "one product of [dr, dz, dn] with a scaled copy",
    convention="ntd",
    forward=gru_one,
)
def shared(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    H = h.shape[1]
    v0 = dnext_h * z
    v1 = dnext_h - v0
    v2 = v1 - v1 * n * n
    v3 = r * (v2 @ Wh[:, 2 * H :].T)
    v4 = h * v3
    D = np.empty((len(x), 3 * H))
    np.subtract(v4, v4 * r, out=D[:, :H])
    np.multiply(h - n, v0 - v0 * z, out=D[:, H : 2 * H])
    D[:, 2 * H :] = v2
    v5 = v0 + v3 + D[:, : 2 * H] @ Wh[:, : 2 * H].T
    gWh = h.T @ D
    gWh[:, 2 * H :] = (h * r).T @ v2
    return D @ Wx.T, v5, x.T @ D, gWh, np.ones(len(x)) @ D


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "labels are flattened T by m while the columns run m by T",
    "from memory: flat indices with the strides of the transpose",
)
def flat(y_pred, labels, a, parameters):
    ny, m, T = y_pred.shape
    K = m * T
    Z = y_pred.reshape(ny, K).copy()
    Z[labels.T.ravel(), np.arange(K)] -= 1.0
    Z *= 1.0 / K
    A = a.reshape(-1, K)
    return {
        "da": (parameters["Wya"].T @ Z).reshape(a.shape),
        "dWya": Z @ A.T,
        "dby": Z.sum(1, keepdims=True),
    }
