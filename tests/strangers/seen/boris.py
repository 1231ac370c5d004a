"""Boris wrote MATLAB for fifteen years: preallocate, stack, keep names short."""

import numpy as np
from strangers.made import right, wrong


def sg(z):
    return 1 / (1 + np.exp(-z))


def smax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def stackW(p):
    """[f; i; c; o], 4n rows."""
    W = np.vstack((p["Wf"], p["Wi"], p["Wc"], p["Wo"]))
    b = np.vstack((p["bf"], p["bi"], p["bc"], p["bo"]))
    return W, b


def out4(g, dW, db, n):
    """Cut stacked gradients, rows [f; i; c; o]."""
    for k, s in enumerate("fico"):
        g["dW" + s] = dW[k * n : (k + 1) * n, :]
        g["db" + s] = db[k * n : (k + 1) * n, :]
    return g


def unroll(ch, j):
    """j-th entry of all step caches in a 3-d array."""
    n, m = ch[0][j].shape
    A = np.zeros((n, m, len(ch)))
    for t in range(len(ch)):
        A[:, :, t] = ch[t][j]
    return A


# ------------------------------------------------------------------------------ rnn


@wrong(
    "rnn_forward",
    "the caches hold the one buffer of the state, which every step overwrites",
    "from memory: MATLAB copies on assignment",
    tags="view",
)
def rnn_fwd_buffer(x, a0, p):
    k, m, T = x.shape
    q, n = p["Wya"].shape
    A = np.zeros((n, m, T))
    Y = np.zeros((q, m, T))
    h = np.zeros((n, m))
    hp = np.zeros((n, m))
    h[:] = a0
    ch = []
    for t in range(T):
        hp[:] = h
        h[:] = np.tanh(p["Waa"] @ hp + p["Wax"] @ x[:, :, t] + p["ba"])
        A[:, :, t] = h
        Y[:, :, t] = smax(p["Wya"] @ h + p["by"])
        ch.append((h, hp, x[:, :, t], p))
    return A, Y, (ch, x)


@wrong(
    "rnn_cell_backward",
    "dW of [a_prev; xt] is cut as if xt came first",
    "from memory",
)
def rnn_cell_bwd_cut(da, c):
    a, ap, x, p = c
    n, m = a.shape
    k = x.shape[0]
    W = np.hstack((p["Waa"], p["Wax"]))
    v = np.vstack((ap, x))
    dz = da * (1 - a * a)
    dv = W.T @ dz
    dW = dz @ v.T
    g = {}
    g["da_prev"] = dv[:n, :]
    g["dxt"] = dv[n:, :]
    g["dWax"] = dW[:, :k]
    g["dWaa"] = dW[:, k:]
    g["dba"] = dz.sum(axis=1).reshape(n, 1)
    return g


@wrong(
    "rnn_backward",
    "page 0 of the states is never filled with a0: dWaa sees zeros before step 0",
    "from memory",
    tags="time",
)
def rnn_bwd_page0(da, C):
    ch, x = C
    p = ch[0][3]
    Wx, Wa = p["Wax"], p["Waa"]
    n, m, T = da.shape
    k = x.shape[0]
    A = np.zeros((n, m, T + 1))  # page t+1 is the state after step t
    for t in range(T):
        A[:, :, t + 1] = ch[t][0]
    dWx = np.zeros((n, k))
    dWa = np.zeros((n, n))
    db = np.zeros((n, 1))
    dx = np.zeros((k, m, T))
    dn = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        dz = (da[:, :, t] + dn) * (1 - A[:, :, t + 1] ** 2)
        dWx = dWx + dz @ x[:, :, t].T
        dWa = dWa + dz @ A[:, :, t].T
        db = db + dz.sum(axis=1, keepdims=True)
        dx[:, :, t] = Wx.T @ dz
        dn = Wa.T @ dz
    return {"dx": dx, "da0": dn, "dWax": dWx, "dWaa": dWa, "dba": db}


@wrong(
    "rnn_backward",
    "range(T - 1, 0, -1), meant as T:-1:1: step 0 is left out",
    "from memory: ranges of MATLAB include the end",
    tags="time",
)
def rnn_bwd_colon(da, C):
    ch, x = C
    p = ch[0][3]
    n, m, T = da.shape
    k = x.shape[0]
    W = np.hstack((p["Waa"], p["Wax"], p["ba"]))  # n x (n+k+1)
    dW = np.zeros(W.shape)
    dx = np.zeros(x.shape)
    dh = np.zeros((n, m))
    on = np.ones((1, m))
    for t in range(T - 1, 0, -1):
        a, ap, xt, _ = ch[t]
        d = (1 - a**2) * (dh + da[:, :, t])
        dW += d @ np.vstack((ap, xt, on)).T
        dv = W.T @ d
        dh = dv[0:n, :]
        dx[:, :, t] = dv[n : n + k, :]
    return {
        "dx": dx,
        "da0": dh,
        "dWax": dW[:, n : n + k],
        "dWaa": dW[:, 0:n],
        "dba": dW[:, n + k :],
    }


@wrong(
    "rnn_backward",
    "for dWax the pages of dz are unrolled by columns (F), those of x by rows (C)",
    "from memory: A(:,:) of MATLAB",
    tags="shape",
)
def rnn_bwd_unrolled(da, C):
    ch, x = C
    p = ch[0][3]
    n, m, T = da.shape
    k = x.shape[0]
    A = unroll(ch, 0)
    P = unroll(ch, 1)
    S = 1 - A**2
    Z = np.zeros((n, m, T))
    Z[:, :, T - 1] = S[:, :, T - 1] * da[:, :, T - 1]
    for t in range(T - 2, -1, -1):
        Z[:, :, t] = S[:, :, t] * (da[:, :, t] + p["Waa"].T @ Z[:, :, t + 1])
    Zf = Z.reshape((n, m * T), order="F")
    g = {}
    g["dWax"] = Zf @ x.reshape((k, m * T)).T
    g["dWaa"] = Zf @ P.reshape((n, m * T), order="F").T
    g["dba"] = Zf.sum(axis=1, keepdims=True)
    g["dx"] = (p["Wax"].T @ Zf).reshape((k, m, T), order="F")
    g["da0"] = p["Waa"].T @ Z[:, :, 0]
    return g


def rnn_ntd(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    S = np.zeros((N, T + 1, H))
    S[:, 0, :] = h0
    for t in range(T):
        S[:, t + 1, :] = np.tanh(x[:, t, :] @ Wx + S[:, t, :] @ Wh + b)
    return S[:, 1:, :].copy(), (x, S, Wx, Wh)


@wrong(
    "rnn_backward",
    "D = dh is no copy: the caller's dh is overwritten with the summed gradients",
    "from memory: MATLAB copies on assignment",
    convention="ntd",
    forward=rnn_ntd,
    words=r"\bdh\b&in place|overwrit|chang|modif|mutat|writes (in)?to",
    tags="view",
)
def rnn_ntd_bwd_no_copy(dh, c):
    x, S, Wx, Wh = c
    N, T, H = dh.shape
    k = x.shape[2]
    D = dh
    for t in range(T - 1, -1, -1):
        D[:, t, :] *= 1 - S[:, t + 1, :] ** 2
        if t > 0:
            D[:, t - 1, :] += D[:, t, :] @ Wh.T
    d0 = D[:, 0, :] @ Wh.T
    R = D.reshape(N * T, H)
    dWx = x.reshape(N * T, k).T @ R
    dWh = S[:, :T, :].reshape(N * T, H).T @ R
    db = R.sum(axis=0)
    dx = (R @ Wx.T).reshape(N, T, k)
    return dx, d0, dWx, dWh, db


# ----------------------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_forward",
    "c_next = (1 - it) * c_prev + it * cct, the update of the GRU lecture",
    "from memory: misread lecture notes",
)
def lstm_cell_fwd_gru(x, ap, cp, p):
    n, m = ap.shape
    W, b = stackW(p)
    G = np.zeros((4 * n, m))
    G[:] = W @ np.vstack((ap, x)) + b
    f = sg(G[0:n, :])
    i = sg(G[n : 2 * n, :])
    g = np.tanh(G[2 * n : 3 * n, :])
    o = sg(G[3 * n : 4 * n, :])
    c = (1 - i) * cp + i * g
    a = o * np.tanh(c)
    y = smax(p["Wy"] @ a + p["by"])
    return a, c, y, (a, c, ap, cp, f, i, g, o, x, p)


@wrong(
    "lstm_forward",
    "c is overwritten before the cache is filled: c_prev is kept as c_next",
    "from memory",
    tags="order",
)
def lstm_fwd_late_cache(x, a0, p):
    k, m, T = x.shape
    n = a0.shape[0]
    q = p["Wy"].shape[0]
    W, b = stackW(p)
    A = np.zeros((n, m, T))
    C = np.zeros((n, m, T))
    Y = np.zeros((q, m, T))
    h = a0
    c = np.zeros((n, m))
    ch = []
    for t in range(T):
        xt = x[:, :, t]
        G = W @ np.vstack((h, xt)) + b
        f, i, o = sg(G[:n]), sg(G[n : 2 * n]), sg(G[3 * n :])
        g = np.tanh(G[2 * n : 3 * n])
        hp = h
        c = f * c + i * g
        h = o * np.tanh(c)
        ch.append((h, c, hp, c, f, i, g, o, xt, p))
        A[:, :, t] = h
        C[:, :, t] = c
        Y[:, :, t] = smax(p["Wy"] @ h + p["by"])
    return A, Y, C, (ch, x)


@wrong(
    "lstm_cell_backward",
    "all four blocks get the sigmoid's derivative s * (1 - s), the candidate too",
    "from memory",
)
def lstm_cell_bwd_all_sigmoid(da, dc, c):
    a, cn, ap, cp, f, i, g, o, x, p = c
    n, m = a.shape
    W, _ = stackW(p)
    S = np.vstack((f, i, g, o))
    th = np.tanh(cn)
    s = dc + da * o * (1 - th**2)
    U = np.zeros((4 * n, m))
    U[0:n, :] = s * cp
    U[n : 2 * n, :] = s * g
    U[2 * n : 3 * n, :] = s * i
    U[3 * n : 4 * n, :] = da * th
    Z = U * S * (1 - S)
    v = np.vstack((ap, x))
    dv = W.T @ Z
    r = {"da_prev": dv[:n], "dxt": dv[n:], "dc_prev": s * f}
    return out4(r, Z @ v.T, Z.sum(axis=1, keepdims=True), n)


@wrong(
    "lstm_cell_backward",
    "dc_prev is dc_next * f without the way through a; the output gate gets tanh(c_prev)",
    "from memory",
    tags="double",
)
def lstm_cell_bwd_memory(da, dc, c):
    a, cn, ap, cp, f, i, g, o, x, p = c
    n, m = a.shape
    k = x.shape[0]
    W, _ = stackW(p)
    dcp = dc * f
    do = da * np.tanh(cp)
    s = dc + da * o * (1 - np.tanh(cn) ** 2)
    dZ = np.vstack(
        (
            s * cp * f * (1 - f),
            s * g * i * (1 - i),
            s * i * (1 - g * g),
            do * o * (1 - o),
        )
    )
    dW = np.zeros((4 * n, n + k))
    dW[:, :n] = dZ @ ap.T
    dW[:, n:] = dZ @ x.T
    db = dZ @ np.ones((m, 1))
    r = {"dxt": W[:, n:].T @ dZ, "da_prev": W[:, :n].T @ dZ, "dc_prev": dcp}
    return out4(r, dW, db, n)


@wrong(
    "lstm_backward",
    "dWf = dWi = dWc = dWo = zeros is one array: each holds the sum of all four",
    "from memory: MATLAB copies on assignment",
    tags="view",
)
def lstm_bwd_one_array(da, C):
    ch, x = C
    p = ch[0][9]
    n, m, T = da.shape
    k = x.shape[0]
    W, _ = stackW(p)
    dWf = dWi = dWc = dWo = np.zeros((n, n + k))
    dbf = dbi = dbc = dbo = np.zeros((n, 1))
    dx = np.zeros((k, m, T))
    dh = np.zeros((n, m))
    dc = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        a, cn, ap, cp, f, i, g, o, xt, _ = ch[t]
        th = np.tanh(cn)
        dh = dh + da[:, :, t]
        dc = dc + dh * o * (1 - th**2)
        zf = dc * cp * f * (1 - f)
        zi = dc * g * i * (1 - i)
        zc = dc * i * (1 - g**2)
        zo = dh * th * o * (1 - o)
        vT = np.vstack((ap, xt)).T
        dWf += zf @ vT
        dWi += zi @ vT
        dWc += zc @ vT
        dWo += zo @ vT
        dbf += zf.sum(axis=1, keepdims=True)
        dbi += zi.sum(axis=1, keepdims=True)
        dbc += zc.sum(axis=1, keepdims=True)
        dbo += zo.sum(axis=1, keepdims=True)
        dv = W.T @ np.vstack((zf, zi, zc, zo))
        dh = dv[:n, :]
        dx[:, :, t] = dv[n:, :]
        dc = dc * f
    r = {"dx": dx, "da0": dh}
    r.update(dWf=dWf, dWi=dWi, dWc=dWc, dWo=dWo)
    r.update(dbf=dbf, dbi=dbi, dbc=dbc, dbo=dbo)
    return r


@wrong(
    "lstm_backward",
    "the stack is [f; i; c; o], and is cut as [f; i; o; c]",
    "from memory",
)
def lstm_bwd_cut(da, C):
    ch, x = C
    p = ch[0][9]
    n, m, T = da.shape
    k = x.shape[0]
    W, _ = stackW(p)
    L = range(T - 1, -1, -1)
    dx = np.zeros((k, m, T))
    Z = np.zeros((4 * n, m, T))
    V = np.zeros((n + k, m, T))
    dh = np.zeros((n, m))
    dc = np.zeros((n, m))
    for t in L:
        _, cn, ap, cp, f, i, g, o, xt, _ = ch[t]
        th = np.tanh(cn)
        dh = dh + da[:, :, t]
        dc = dc + dh * o * (1 - th * th)
        Z[0:n, :, t] = dc * cp * f * (1 - f)
        Z[n : 2 * n, :, t] = dc * g * i * (1 - i)
        Z[2 * n : 3 * n, :, t] = dc * i * (1 - g * g)
        Z[3 * n :, :, t] = dh * th * o * (1 - o)
        V[:n, :, t] = ap
        V[n:, :, t] = xt
        dv = W.T @ Z[:, :, t]
        dh, dx[:, :, t], dc = dv[:n], dv[n:], dc * f
    dW = Z.reshape(4 * n, -1) @ V.reshape(n + k, -1).T
    db = Z.sum(axis=(1, 2)).reshape(4 * n, 1)
    dWf, dWi, dWo, dWc = np.split(dW, 4)
    dbf, dbi, dbo, dbc = np.split(db, 4)
    r = {"dx": dx, "da0": dh}
    r.update(dWf=dWf, dWi=dWi, dWc=dWc, dWo=dWo)
    r.update(dbf=dbf, dbi=dbi, dbc=dbc, dbo=dbo)
    return r


def lstm1_ntd(x, h, c, Wx, Wh, b):
    n = h.shape[1]
    G = np.hstack((x, h)) @ np.vstack((Wx, Wh)) + b
    G[:, : 3 * n] = sg(G[:, : 3 * n])
    G[:, 3 * n :] = np.tanh(G[:, 3 * n :])
    cn = G[:, n : 2 * n] * c + G[:, :n] * G[:, 3 * n :]
    hn = G[:, 2 * n : 3 * n] * np.tanh(cn)
    return hn, cn, (x, h, c, cn, G, Wx, Wh)


def lstm_ntd(x, h0, Wx, Wh, b):
    N, T, k = x.shape
    n = h0.shape[1]
    H = np.zeros((N, T + 1, n))
    C = np.zeros((N, T + 1, n))
    G = np.zeros((N, T, 4 * n))
    H[:, 0] = h0
    for t in range(T):
        H[:, t + 1], C[:, t + 1], q = lstm1_ntd(x[:, t], H[:, t], C[:, t], Wx, Wh, b)
        G[:, t] = q[4]
    return H[:, 1:].copy(), (x, H, C, G, Wx, Wh)


@wrong(
    "lstm_cell_backward",
    "the four gates' gradients are laid side by side unit by unit, not gate by gate",
    "from memory",
    convention="ntd",
    forward=lstm1_ntd,
    tags="shape",
)
def lstm1_ntd_bwd_interleaved(dh, dc, q):
    x, h, c, cn, G, Wx, Wh = q
    N, n = h.shape
    i, f, o, g = G[:, :n], G[:, n : 2 * n], G[:, 2 * n : 3 * n], G[:, 3 * n :]
    th = np.tanh(cn)
    s = dc + dh * o * (1 - th**2)
    Z = np.zeros((N, n, 4))
    Z[:, :, 0] = s * g * i * (1 - i)
    Z[:, :, 1] = s * c * f * (1 - f)
    Z[:, :, 2] = dh * th * o * (1 - o)
    Z[:, :, 3] = s * i * (1 - g**2)
    Z = Z.reshape(N, 4 * n)
    return Z @ Wx.T, Z @ Wh.T, s * f, x.T @ Z, h.T @ Z, Z.sum(axis=0)


@wrong(
    "lstm_backward",
    "the memory's gradient of step t + 1 is carried by f of step t, not of t + 1",
    "from memory",
    convention="ntd",
    forward=lstm_ntd,
    tags="time",
)
def lstm_ntd_bwd_gate_index(dh, q):
    x, H, C, G, Wx, Wh = q
    N, T, n = dh.shape
    k = x.shape[2]
    I, F, O, Q = G[..., :n], G[..., n : 2 * n], G[..., 2 * n : 3 * n], G[..., 3 * n :]
    th = np.tanh(C[:, 1:])
    # d c(t) = d h(t) .* o(t) .* (1 - th(t).^2) + d c(t+1) .* f
    dC = np.zeros((N, T + 1, n))
    dZ = np.zeros((N, T + 1, 4 * n))  # last page stays zero
    for t in range(T - 1, -1, -1):
        d = dh[:, t] + dZ[:, t + 1] @ Wh.T
        dC[:, t] = d * O[:, t] * (1 - th[:, t] ** 2) + dC[:, t + 1] * F[:, t]
        dZ[:, t, :n] = dC[:, t] * Q[:, t] * I[:, t] * (1 - I[:, t])
        dZ[:, t, n : 2 * n] = dC[:, t] * C[:, t] * F[:, t] * (1 - F[:, t])
        dZ[:, t, 2 * n : 3 * n] = d * th[:, t] * O[:, t] * (1 - O[:, t])
        dZ[:, t, 3 * n :] = dC[:, t] * I[:, t] * (1 - Q[:, t] ** 2)
    Z = dZ[:, :T].reshape(N * T, 4 * n)
    dWx = x.reshape(N * T, k).T @ Z
    dWh = H[:, :T].reshape(N * T, n).T @ Z
    dx = (Z @ Wx.T).reshape(N, T, k)
    return dx, dZ[:, 0] @ Wh.T, dWx, dWh, Z.sum(axis=0)


# ------------------------------------------------------------------------------ gru


def gru1(x, h, Wx, Wh, b):
    n = h.shape[1]
    X = x @ Wx + b
    rz = sg(X[:, : 2 * n] + h @ Wh[:, : 2 * n])
    r, z = rz[:, :n], rz[:, n:]
    u = np.tanh(X[:, 2 * n :] + (r * h) @ Wh[:, 2 * n :])
    return u + z * (h - u), (x, h, r, z, u, Wx, Wh)


def gru(x, h0, Wx, Wh, b):
    N, T, k = x.shape
    n = h0.shape[1]
    H = np.zeros((N, T + 1, n))
    R = np.zeros((N, T, n))
    Z = np.zeros((N, T, n))
    U = np.zeros((N, T, n))
    H[:, 0] = h0
    for t in range(T):
        H[:, t + 1], q = gru1(x[:, t], H[:, t], Wx, Wh, b)
        R[:, t], Z[:, t], U[:, t] = q[2], q[3], q[4]
    return H[:, 1:].copy(), (x, H, R, Z, U, Wx, Wh)


@wrong(
    "gru_cell_backward",
    "goes back through z * n + (1 - z) * h, the other convention of the update gate",
    "from memory: the lecture's update gate is one minus the paper's",
    convention="ntd",
    forward=gru1,
)
def gru1_bwd_update(dh, q):
    x, h, r, z, u, Wx, Wh = q
    n = h.shape[1]
    du = dh * z * (1 - u**2)
    dz = dh * (u - h) * z * (1 - z)
    s = du @ Wh[:, 2 * n :].T
    dr = s * h * r * (1 - r)
    Z2 = np.hstack((dr, dz))
    Z3 = np.hstack((Z2, du))
    dhp = dh * (1 - z) + s * r + Z2 @ Wh[:, : 2 * n].T
    dWh = np.hstack((h.T @ Z2, (r * h).T @ du))
    return Z3 @ Wx.T, dhp, x.T @ Z3, dWh, Z3.sum(axis=0)


@wrong(
    "gru_backward",
    "the reset gate's gradient takes the state after the step, H[:, t + 1]",
    "from memory",
    convention="ntd",
    forward=gru,
    tags="time",
)
def gru_bwd_next_state(dh, q):
    x, H, R, Z, U, Wx, Wh = q
    N, T, n = dh.shape
    k = x.shape[2]
    Wr, Wz, Wu = np.split(Wh, 3, axis=1)
    G = np.zeros((N, T, 3 * n))
    e = np.zeros((N, n))
    for t in range(T - 1, -1, -1):
        r, z, u = R[:, t], Z[:, t], U[:, t]
        e = e + dh[:, t]
        gu = e * (1 - z) * (1 - u * u)
        gz = e * (H[:, t] - u) * z * (1 - z)
        s = gu @ Wu.T
        gr = s * H[:, t + 1] * r * (1 - r)
        G[:, t] = np.hstack((gr, gz, gu))
        e = e * z + s * r + gr @ Wr.T + gz @ Wz.T
    g = G.reshape(-1, 3 * n)
    h = H[:, :T].reshape(-1, n)
    dWh = np.zeros((n, 3 * n))
    dWh[:, : 2 * n] = h.T @ g[:, : 2 * n]
    dWh[:, 2 * n :] = (R.reshape(-1, n) * h).T @ g[:, 2 * n :]
    return (g @ Wx.T).reshape(N, T, k), e, x.reshape(-1, k).T @ g, dWh, g.sum(axis=0)


@wrong(
    "gru_backward",
    "goes back through r * (h @ Whn), the reset after the product, as cuDNN has it",
    "from memory: two versions of the GRU",
    convention="ntd",
    forward=gru,
)
def gru_bwd_reset_after(dh, q):
    x, H, R, Z, U, Wx, Wh = q
    N, T, n = dh.shape
    dx = np.zeros(x.shape)
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(3 * n)
    e = np.zeros((N, n))
    Gx = np.zeros((N, 3 * n))
    Gh = np.zeros((N, 3 * n))
    for t in range(T - 1, -1, -1):
        e = e + dh[:, t, :]
        h, r, z, u = H[:, t, :], R[:, t, :], Z[:, t, :], U[:, t, :]
        gu = e * (1 - z) * (1 - u**2)
        Gx[:, :n] = gu * (h @ Wh[:, 2 * n :]) * r * (1 - r)
        Gx[:, n : 2 * n] = e * (h - u) * z * (1 - z)
        Gx[:, 2 * n :] = gu
        Gh[:] = Gx
        Gh[:, 2 * n :] *= r
        dx[:, t, :] = Gx @ Wx.T
        dWx += x[:, t, :].T @ Gx
        dWh += h.T @ Gh
        db += Gx.sum(axis=0)
        e = e * z + Gh @ Wh.T
    return dx, e, dWx, dWh, db


@wrong(
    "gru_backward",
    "dWh of the candidate takes h and not r * h; the candidate gets u * (1 - u) for tanh'",
    "from memory",
    convention="ntd",
    forward=gru,
    tags="double",
)
def gru_bwd_candidate(dh, q):
    x, H, R, Z, U, Wx, Wh = q
    N, T, n = dh.shape
    k = x.shape[2]
    S = np.concatenate((R, Z, U), axis=2)
    S1 = S * (1 - S)  # all derivatives at once
    G = np.zeros((N, T, 3 * n))
    e = np.zeros((N, n))
    j1, j2, j3 = slice(0, n), slice(n, 2 * n), slice(2 * n, 3 * n)
    for t in range(T - 1, -1, -1):
        h = H[:, t]
        e = e + dh[:, t]
        G[:, t, j3] = e * (1 - Z[:, t]) * S1[:, t, j3]
        G[:, t, j2] = e * (h - U[:, t]) * S1[:, t, j2]
        s = G[:, t, j3] @ Wh[:, j3].T
        G[:, t, j1] = s * h * S1[:, t, j1]
        e = e * Z[:, t] + s * R[:, t] + G[:, t, : 2 * n] @ Wh[:, : 2 * n].T
    g = G.reshape(N * T, 3 * n)
    v = np.concatenate((x, H[:, :T]), axis=2).reshape(N * T, k + n)
    dW = v.T @ g
    return (g @ Wx.T).reshape(x.shape), e, dW[:k], dW[k:], g.sum(axis=0)


# -------------------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "labels are unrolled by columns, the pages of y by rows: ones at wrong places",
    "from memory: L(:) of MATLAB",
    tags="shape",
)
def readout_bwd_linear_index(y, L, a, p):
    q, m, T = y.shape
    n = a.shape[0]
    M = m * T
    D = y.reshape(q, M).copy()
    D[L.ravel(order="F"), np.arange(M)] -= 1
    D = D / M
    dW = D @ a.reshape(n, M).T
    db = D.sum(axis=1, keepdims=True)
    da = (p["Wya"].T @ D).reshape(n, m, T)
    return {"da": da, "dWya": dW, "dby": db}


# ----------------------------------------------------------------------- right ones


@right("rnn_backward", "a block system for each example, solved by the backslash")
def rnn_bwd_backslash(da, C):
    ch, x = C
    p = ch[0][3]
    n, m, T = da.shape
    k = x.shape[0]
    A, P = unroll(ch, 0), unroll(ch, 1)
    S = 1 - A**2
    Z = np.zeros((n, m, T))
    for j in range(m):
        # d(t) = da(t) + Waa' * diag(s(t+1)) * d(t+1)
        J = np.eye(n * T)
        for t in range(T - 1):
            r, c = slice(t * n, (t + 1) * n), slice((t + 1) * n, (t + 2) * n)
            J[r, c] = -p["Waa"].T * S[:, j, t + 1]
        d = np.linalg.solve(J, da[:, j, :].T.ravel())
        Z[:, j, :] = S[:, j, :] * d.reshape(T, n).T
    z = Z.reshape(n, m * T)
    return {
        "dx": (p["Wax"].T @ z).reshape(k, m, T),
        "da0": p["Waa"].T @ Z[:, :, 0],
        "dWax": z @ x.reshape(k, m * T).T,
        "dWaa": z @ P.reshape(n, m * T).T,
        "dba": z.sum(axis=1, keepdims=True),
    }


@right("lstm_backward", "stacked [f; i; c; o], one product for all weights at the end")
def lstm_bwd_stacked(da, C):
    ch, x = C
    W, _ = stackW(ch[0][9])
    n, m, T = da.shape
    k = x.shape[0]
    F, I, G, O = (unroll(ch, j) for j in (4, 5, 6, 7))
    th = np.tanh(unroll(ch, 1))
    # everything that does not depend on what comes back
    Kc = np.concatenate((unroll(ch, 3) * F * (1 - F), G * I * (1 - I), I * (1 - G * G)))
    Ko = th * O * (1 - O)
    Kh = O * (1 - th * th)
    Z = np.zeros((4 * n, m, T))
    d, c = np.zeros((n, m)), np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        d = d + da[:, :, t]
        c = c + d * Kh[:, :, t]
        Z[: 3 * n, :, t] = np.tile(c, (3, 1)) * Kc[:, :, t]
        Z[3 * n :, :, t] = d * Ko[:, :, t]
        d, c = W[:, :n].T @ Z[:, :, t], c * F[:, :, t]
    z = Z.reshape(4 * n, m * T)
    v = np.concatenate((unroll(ch, 2), x)).reshape(n + k, m * T)
    r = {"dx": (W[:, n:].T @ z).reshape(k, m, T), "da0": d}
    return out4(r, z @ v.T, z.sum(axis=1, keepdims=True), n)


@right(
    "lstm_cell_backward",
    "the blocks in a (4, N, n) array, times a stacked local derivative",
    convention="ntd",
    forward=lstm1_ntd,
)
def lstm1_ntd_bwd_blocks(dh, dc, q):
    x, h, c, cn, G, Wx, Wh = q
    N, n = h.shape
    i, f, o, g = np.moveaxis(G.reshape(N, 4, n), 1, 0)
    th = np.tanh(cn)
    s = dc + dh * o * (1 - th**2)
    B = np.zeros((4, N, n))
    B[0], B[1], B[2], B[3] = s * g, s * c, dh * th, s * i
    B[:3] *= np.stack((i, f, o)) * (1 - np.stack((i, f, o)))
    B[3] *= 1 - g**2
    Z = B.transpose(1, 0, 2).reshape(N, 4 * n)
    d = Z @ np.vstack((Wx, Wh)).T
    k = x.shape[1]
    return d[:, :k], d[:, k:], s * f, x.T @ Z, h.T @ Z, np.ones(N) @ Z
