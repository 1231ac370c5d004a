# jorge: I come from Fortran and Julia. E is einsum, loops where I want to see the index.
import numpy as np
from strangers.made import right, wrong

E = np.einsum


def s(z):
    return 1 / (1 + np.exp(-z))


# ---- RNN ---------------------------------------------------------------


@wrong(
    "rnn_cell_backward",
    "da_prev contracts the second index of Waa, no transpose",
    "from memory",
)
def contract_second(d, C):
    a, b, x, P = C
    z = d * (1 - a * a)
    return {
        "dxt": E("ik,im->km", P["Wax"], z),
        "da_prev": E("ij,jm->im", P["Waa"], z),
        "dWax": E("im,km->ik", z, x),
        "dWaa": E("im,jm->ij", z, b),
        "dba": E("im->i", z)[:, None],
    }


@right("rnn_cell_backward", "scalar loops over all indices")
def rnn_scalar(d, C):
    a, b, x, P = C
    n, m = a.shape
    k = x.shape[0]
    W, U = P["Waa"], P["Wax"]
    p, q, r, u, v = (
        np.zeros((k, m)),
        np.zeros((n, m)),
        np.zeros((n, k)),
        np.zeros((n, n)),
        np.zeros((n, 1)),
    )
    for j in range(m):
        for i in range(n):
            z = d[i, j] * (1 - a[i, j] ** 2)
            v[i, 0] += z
            for l in range(k):
                p[l, j] += U[i, l] * z
                r[i, l] += z * x[l, j]
            for l in range(n):
                q[l, j] += W[i, l] * z
                u[i, l] += z * b[l, j]
    return {"dxt": p, "da_prev": q, "dWax": r, "dWaa": u, "dba": v}


@wrong(
    "rnn_backward",
    "dba is assigned in the loop over examples, the last example is left",
    "from memory",
)
def bias_last_column(d, K):
    C, x = K
    n, m, T = d.shape
    W, U = C[0][3]["Waa"], C[0][3]["Wax"]
    q = np.zeros((n, m))
    X = np.zeros(x.shape)
    A = np.zeros((n, n))
    B = np.zeros((n, x.shape[0]))
    v = np.zeros((n, 1))
    z = np.zeros((n, m))
    w = np.zeros(n)
    for t in range(T - 1, -1, -1):
        a, b, y, _ = C[t]
        for j in range(m):
            for i in range(n):
                z[i, j] = (d[i, j, t] + q[i, j]) * (1 - a[i, j] ** 2)
                w[i] = z[i, j]
        v[:, 0] += w
        A += E("ij,lj->il", z, b)
        B += E("ij,lj->il", z, y)
        X[:, :, t] = E("il,ij->lj", U, z)
        q = E("il,ij->lj", W, z)
    return {"dx": X, "da0": q, "dWax": B, "dWaa": A, "dba": v}


@wrong(
    "rnn_backward",
    "the carry is summed up with += and set to zero once, before the loop over time",
    "from memory",
    tags="time",
)
def carry_not_zeroed(d, K):
    C, x = K
    n, m, T = d.shape
    k = x.shape[0]
    P = C[0][-1]
    U, W = P["Wax"], P["Waa"]
    X, q = np.zeros((k, m, T)), np.zeros((n, m))
    B, A, v = np.zeros((n, k)), np.zeros((n, n)), np.zeros((n, 1))
    for t in range(T)[::-1]:
        a, b, y, _ = C[t]
        z = (d[:, :, t] + q) * (1 - a**2)
        # z -> carry, do j = 1, m; do l = 1, n; do i = 1, n
        for j in range(m):
            for l in range(n):
                for i in range(n):
                    q[l, j] += W[i, l] * z[i, j]
            for l in range(k):
                for i in range(n):
                    X[l, j, t] += U[i, l] * z[i, j]
        B += E("ij,lj->il", z, y)
        A += E("ij,lj->il", z, b)
        v[:, 0] += E("ij->i", z)
    return {"dx": X, "da0": q, "dWax": B, "dWaa": A, "dba": v}


def rnn_f(x, p, U, W, b):
    N, T, D = x.shape
    h = np.empty((N, T, len(W)))
    q = p
    for t in range(T):
        q = np.tanh(E("nd,dh->nh", x[:, t], U) + E("ni,ih->nh", q, W) + b)
        h[:, t] = q
    return h, (x, p, h.copy(), U, W)


@wrong(
    "rnn_backward",
    "previous states by np.roll: the first step gets the last state and not h0",
    "from memory",
    convention="ntd",
    forward=rnn_f,
    tags="time",
)
def circshift(d, C):
    x, p, h, U, W = C
    N, T, H = d.shape
    Z = np.zeros((N, T, H))
    q = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        Z[:, t] = (d[:, t] + q) * (1 - h[:, t] ** 2)
        q = E("nj,ij->ni", Z[:, t], W)
    g = np.roll(h, 1, axis=1)  # circshift
    return (
        E("ntj,dj->ntd", Z, U),
        q,
        E("ntd,ntj->dj", x, Z),
        E("nti,ntj->ij", g, Z),
        E("ntj->j", Z),
    )


def rnn_g(x, p, U, W, b):
    z = E("nd,dh->nh", x, U) + E("ni,ih->nh", p, W) + b
    return np.tanh(z), (x, p, z, U, W)


@wrong(
    "rnn_cell_backward",
    "the cache holds z, and the slope is 1 - z^2 as if it were tanh(z)",
    "from memory",
    convention="ntd",
    forward=rnn_g,
)
def slope_of_z(d, C):
    x, p, h, U, W = C
    N, H = d.shape
    e = np.empty_like(d)
    for n in range(N):
        for i in range(H):
            e[n, i] = d[n, i] * (1 - h[n, i] * h[n, i])
    return (
        E("ni,di->nd", e, U),
        E("ni,ji->nj", e, W),
        E("nd,ni->di", x, e),
        E("nj,ni->ji", p, e),
        E("ni->i", e),
    )


@wrong(
    "rnn_cell_forward",
    "softmax is divided by the sum over the whole matrix",
    "from memory",
)
def softmax_whole(x, a, P):
    z = E("ij,jm->im", P["Waa"], a) + E("ik,km->im", P["Wax"], x) + P["ba"]
    h = np.tanh(z)
    y = np.exp(E("ij,jm->im", P["Wya"], h) + P["by"])
    y = y / sum(y.ravel())
    return h, y, (h, a, x, P)


@wrong(
    "rnn_forward",
    "a[:, :, t - 1] at t = 0 is the last slice, still zeros: a0 is not used",
    "from memory",
    tags="time",
)
def minus_one_wraps(x, h, P):
    k, m, T = x.shape
    n = h.shape[0]
    a = np.zeros((n, m, T))
    y = np.zeros((P["Wya"].shape[0], m, T))
    C = []
    for t in range(T):
        p = a[:, :, t - 1].copy()
        q = x[:, :, t]
        a[:, :, t] = np.tanh(
            E("ij,jm->im", P["Waa"], p) + E("ij,jm->im", P["Wax"], q) + P["ba"]
        )
        for j in range(m):
            e = np.exp(P["Wya"] @ a[:, j, t] + P["by"][:, 0])
            y[:, j, t] = e / e.sum()
        C.append((a[:, :, t].copy(), p, q, P))
    return a, y, (C, x)


# ---- LSTM --------------------------------------------------------------


@wrong(
    "lstm_cell_backward",
    "weights are stacked f, i, c, o, the gradients of the gates f, i, o, c",
    "from memory",
)
def stacked_gates(u, v, C):
    h, c, a, b, f, i, g, o, x, P = C
    n = a.shape[0]
    r = np.concatenate([a, x])
    q = np.tanh(c)
    e = v + u * o * (1 - q * q)
    W = np.stack([P["Wf"], P["Wi"], P["Wc"], P["Wo"]])
    d = np.stack(
        [
            e * b * f * (1 - f),
            e * g * i * (1 - i),
            u * q * o * (1 - o),
            e * i * (1 - g * g),
        ]
    )
    D = E("gim,jm->gij", d, r)
    B = E("gim->gi", d)[:, :, None]
    S = E("gij,gim->jm", W, d)
    R = {"dxt": S[n:], "da_prev": S[:n], "dc_prev": e * f}
    for k, w in enumerate("fioc"):
        R["dW" + w] = D[k]
        R["db" + w] = B[k]
    return R


@wrong(
    "lstm_cell_backward",
    "the slope of tanh is taken at c_prev, not at c_next",
    "from memory",
)
def slope_at_old_c(u, v, C):
    h, c, a, b, f, i, g, o, x, P = C
    n, m = a.shape
    k = x.shape[0]
    d = np.zeros((4, n, m))  # f i c o
    p = np.zeros((n, m))
    for j in range(m):
        for l in range(n):
            q = np.tanh(c[l, j])
            e = v[l, j] + u[l, j] * o[l, j] * (1 - np.tanh(b[l, j]) ** 2)
            d[0, l, j] = e * b[l, j] * f[l, j] * (1 - f[l, j])
            d[1, l, j] = e * g[l, j] * i[l, j] * (1 - i[l, j])
            d[2, l, j] = e * i[l, j] * (1 - g[l, j] ** 2)
            d[3, l, j] = u[l, j] * q * o[l, j] * (1 - o[l, j])
            p[l, j] = e * f[l, j]
    R = {"dxt": np.zeros((k, m)), "da_prev": np.zeros((n, m)), "dc_prev": p}
    for w, z in zip("fico", d):
        W = P["W" + w]
        R["da_prev"] += E("ij,im->jm", W[:, :n], z)
        R["dxt"] += E("ij,im->jm", W[:, n:], z)
        R["dW" + w] = np.hstack([E("im,jm->ij", z, a), E("im,jm->ij", z, x)])
        R["db" + w] = E("im->i", z).reshape(n, 1)
    return R


@wrong(
    "lstm_backward",
    "e is a view of da, e += q changes da of the caller",
    "from memory",
    words="da&in place|chang|modif|overwr|mutat|alter",
    tags="view",
)
def view_of_da(d, K):
    C, x = K
    n, m, T = d.shape
    P = C[0][9]
    R = {"dx": np.zeros(x.shape)}
    for w in "fico":
        R["dW" + w], R["db" + w] = np.zeros(P["W" + w].shape), np.zeros((n, 1))
    q, r = np.zeros((n, m)), np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        h, c, a, b, f, i, g, o, y, _ = C[t]
        e = d[:, :, t]
        e += q
        u = np.tanh(c)
        r = r + e * o * (1 - u**2)
        z = {
            "f": r * b * f * (1 - f),
            "i": r * g * i * (1 - i),
            "c": r * i * (1 - g**2),
            "o": e * u * o * (1 - o),
        }
        q = np.zeros((n, m))
        for w in "fico":
            R["dW" + w][:, :n] += E("ij,kj->ik", z[w], a)
            R["dW" + w][:, n:] += E("ij,kj->ik", z[w], y)
            R["db" + w][:, 0] += E("ij->i", z[w])
            R["dx"][:, :, t] += E("ik,ij->kj", P["W" + w][:, n:], z[w])
            q += E("ik,ij->kj", P["W" + w][:, :n], z[w])
        r = r * f
    R["da0"] = q
    return R


def cell_b(u, v, C):
    h, c, a, b, f, i, g, o, x, P = C
    n = a.shape[0]
    q = np.tanh(c)
    e = v + u * o * (1 - q**2)
    z = np.stack(
        [
            e * b * f * (1 - f),
            e * g * i * (1 - i),
            e * i * (1 - g**2),
            u * q * o * (1 - o),
        ]
    )
    W = np.stack([P["W" + w] for w in "fico"])
    S = E("gij,gim->jm", W, z)
    return S[:n], e * f, S[n:], E("gim,jm->gij", z, np.vstack([a, x])), E("gim->gi", z)


@wrong(
    "lstm_backward",
    "da[:, :, -t] with t from T to 1 reads da from the front",
    "from memory",
    tags="time",
)
def one_based(d, K):
    C, x = K
    n, m, T = d.shape
    k = x.shape[0]
    X = np.zeros((k, m, T))
    p, q = np.zeros((n, m)), np.zeros((n, m))
    A, v = np.zeros((4, n, n + k)), np.zeros((4, n))
    for t in range(T, 0, -1):  # do t = T, 1, -1
        p, q, X[:, :, t - 1], B, w = cell_b(p + d[:, :, -t], q, C[t - 1])
        A += B
        v += w
    R = {"dx": X, "da0": p}
    for j, w in enumerate("fico"):
        R["dW" + w] = A[j]
        R["db" + w] = v[j][:, None]
    return R


@wrong(
    "lstm_backward",
    "the carry starts with da of the last step, which the loop adds again; dbc is a copy of dbi",
    "from memory",
    tags="double time",
)
def start_with_last(d, K):
    C, x = K
    n, m, T = d.shape
    P = C[0][9]
    F, I, G, O = P["Wf"], P["Wi"], P["Wc"], P["Wo"]
    X = np.zeros(x.shape)
    Z = np.zeros((4, T, n, m))
    q = d[:, :, T - 1].copy()
    r = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        h, c, a, b, f, i, g, o, y, _ = C[t]
        u = q + d[:, :, t]
        e = r + u * o * (1 - np.tanh(c) ** 2)
        Z[0, t] = e * b * f * (1 - f)
        Z[1, t] = e * g * i * (1 - i)
        Z[2, t] = e * i * (1 - g**2)
        Z[3, t] = u * np.tanh(c) * o * (1 - o)
        S = F.T @ Z[0, t] + I.T @ Z[1, t] + G.T @ Z[2, t] + O.T @ Z[3, t]
        q, X[:, :, t] = S[:n], S[n:]
        r = e * f
    V = np.stack([np.vstack([C[t][2], C[t][8]]) for t in range(T)])
    A = E("gtim,tjm->gij", Z, V)
    v = E("gtim->gi", Z)
    return {
        "dx": X, "da0": q,
        "dWf": A[0], "dbf": v[0][:, None], "dWi": A[1], "dbi": v[1][:, None],
        "dWc": A[2], "dbc": v[1][:, None], "dWo": A[3], "dbo": v[3][:, None],
    }  # fmt: skip


@right("lstm_backward", "cell with stacked gates, einsum over gate, unit, example")
def lstm_stack(d, K):
    C, x = K
    n, m, T = d.shape
    p = q = np.zeros((n, m))
    L = []
    for t in range(T - 1, -1, -1):
        L.append(cell_b(p + d[:, :, t], q, C[t]))
        p, q = L[-1][:2]
    L.reverse()
    A, v = sum(l[3] for l in L), sum(l[4] for l in L)
    R = {"dx": np.stack([l[2] for l in L], axis=2), "da0": p}
    R |= {"dW" + w: A[j] for j, w in enumerate("fico")}
    R |= {"db" + w: v[j, :, None] for j, w in enumerate("fico")}
    return R


def lstm_w(x, p, U, W, b):
    # work array w for the gates, as in the old code
    N, T, D = x.shape
    H = p.shape[1]
    h = np.zeros((N, T, H))
    w = np.zeros((N, 4, H))
    c = np.zeros((N, H))
    C = []
    for t in range(T):
        z = (E("nd,dj->nj", x[:, t], U) + E("nk,kj->nj", p, W) + b).reshape(N, 4, H)
        w[:, :3] = s(z[:, :3])
        w[:, 3] = np.tanh(z[:, 3])
        q = c
        c = w[:, 1] * q + w[:, 0] * w[:, 3]
        C.append((p, q, c, w))
        p = w[:, 2] * np.tanh(c)
        h[:, t] = p
    return h, (x, C, U, W)


@wrong(
    "lstm_backward",
    "the work array of the gates is the same in every step's cache, it holds the last step",
    "from memory",
    convention="ntd",
    forward=lstm_w,
    tags="view time",
)
def work_array(d, K):
    x, C, U, W = K
    N, T, H = d.shape
    Z = np.zeros((N, T, 4, H))
    P = np.zeros((N, T, H))
    q, r = np.zeros((N, H)), np.zeros((N, H))
    V = W.reshape(H, 4, H)
    for t in range(T - 1, -1, -1):
        p, b, c, w = C[t]
        P[:, t] = p
        u = d[:, t] + q
        for n in range(N):
            for k in range(H):
                i, f, o, g = w[n, :, k]
                y = np.tanh(c[n, k])
                e = r[n, k] + u[n, k] * o * (1 - y * y)
                Z[n, t, 0, k] = e * g * i * (1 - i)
                Z[n, t, 1, k] = e * b[n, k] * f * (1 - f)
                Z[n, t, 2, k] = u[n, k] * y * o * (1 - o)
                Z[n, t, 3, k] = e * i * (1 - g * g)
                r[n, k] = e * f
        q = E("ngk,jgk->nj", Z[:, t], V)
    Z = Z.reshape(N, T, 4 * H)
    return (
        E("ntj,dj->ntd", Z, U),
        q,
        E("ntd,ntj->dj", x, Z),
        E("nti,ntj->ij", P, Z),
        E("ntj->j", Z),
    )


def lstm_g(x, p, q, U, W, b):
    z = E("nd,dj->nj", x, U) + E("nk,kj->nj", p, W) + b
    i, f, o, g = np.split(z, 4, axis=1)
    i, f, o, g = s(i), s(f), s(o), np.tanh(g)
    c = f * q + i * g
    t = np.tanh(c)
    return o * t, c, (x, p, q, i, f, o, g, t, U, W)


@wrong(
    "lstm_cell_backward",
    "columns are written i, f, g, o, and db is the mean of the examples",
    "from memory",
    convention="ntd",
    forward=lstm_g,
    tags="double",
)
def columns_ifgo(u, v, C):
    x, p, q, i, f, o, g, t, U, W = C
    N, H = p.shape
    z = np.zeros((N, 4 * H))
    r = np.zeros((N, H))
    for n in range(N):
        for k in range(H):
            e = v[n, k] + u[n, k] * o[n, k] * (1 - t[n, k] ** 2)
            z[n, k] = e * g[n, k] * i[n, k] * (1 - i[n, k])
            z[n, k + H] = e * q[n, k] * f[n, k] * (1 - f[n, k])
            z[n, k + 2 * H] = e * i[n, k] * (1 - g[n, k] ** 2)
            z[n, k + 3 * H] = u[n, k] * t[n, k] * o[n, k] * (1 - o[n, k])
            r[n, k] = e * f[n, k]
    return (
        E("nj,dj->nd", z, U),
        E("nj,kj->nk", z, W),
        r,
        E("nd,nj->dj", x, z),
        E("nk,nj->kj", p, z),
        z.mean(0),
    )


@wrong("lstm_forward", "x is put above a, the weights act on [a; x]", "from memory")
def vcat_x_first(x, h, P):
    k, m, T = x.shape
    n = h.shape[0]
    l = P["Wy"].shape[0]
    A, Y, M = np.zeros((n, m, T)), np.zeros((l, m, T)), np.zeros((n, m, T))
    c = np.zeros((n, m))
    C = []
    for t in range(T):
        v = np.concatenate((x[:, :, t], h), axis=0)
        f, i, o = (s(E("ij,jm->im", P["W" + w], v) + P["b" + w]) for w in "fio")
        g = np.tanh(E("ij,jm->im", P["Wc"], v) + P["bc"])
        p, q = h, c
        c = f * q + i * g
        h = o * np.tanh(c)
        y = np.exp(E("ij,jm->im", P["Wy"], h) + P["by"])
        A[:, :, t], M[:, :, t], Y[:, :, t] = h, c, y / E("im->m", y)
        C.append((h, c, p, q, f, i, g, o, x[:, :, t], P))
    return A, Y, M, (C, x)


# ---- GRU ---------------------------------------------------------------


def gru_g(x, p, U, W, b):
    H = p.shape[1]
    u = E("nd,dj->nj", x, U) + b
    v = E("nk,kj->nj", p, W[:, : 2 * H])
    r = s(u[:, :H] + v[:, :H])
    z = s(u[:, H : 2 * H] + v[:, H:])
    g = np.tanh(u[:, 2 * H :] + E("nk,kj->nj", r * p, W[:, 2 * H :]))
    return g + z * (p - g), (x, p, r, z, g, U, W)


def gru_f(x, p, U, W, b):
    L = []
    h = np.zeros(x.shape[:2] + p.shape[1:])
    for t in range(x.shape[1]):
        p, c = gru_g(x[:, t], p, U, W, b)
        h[:, t] = p
        L.append(c)
    return h, L


@wrong(
    "gru_cell_backward",
    "dWh of n is made with prev_h and not with r * prev_h",
    "from memory",
    convention="ntd",
    forward=gru_g,
)
def one_outer_for_all(d, C):
    x, p, r, z, g, U, W = C
    N, H = p.shape
    A, B, G = W[:, :H], W[:, H : 2 * H], W[:, 2 * H :]
    c = d * (1 - z) * (1 - g**2)
    b = d * (p - g) * z * (1 - z)
    q = E("nj,kj->nk", c, G)
    a = q * p * r * (1 - r)
    e = np.concatenate([a, b, c], axis=1)
    y = d * z + q * r + E("nj,kj->nk", a, A) + E("nj,kj->nk", b, B)
    V = np.zeros(W.shape)
    for n in range(N):
        for k in range(H):
            for j in range(3 * H):
                V[k, j] += p[n, k] * e[n, j]
    return E("nj,dj->nd", e, U), y, E("nd,nj->dj", x, e), V, E("nj->j", e)


@wrong(
    "gru_backward",
    "way back of the variant with r after the product, n = tanh(x U + r * (h W)), for a forward pass with r before",
    "from memory",
    convention="ntd",
    forward=gru_f,
)
def reset_after(d, L):
    N, T, H = d.shape
    U, W = L[0][5:]
    A, B, G = (W[:, k * H : (k + 1) * H] for k in range(3))
    X = np.zeros((N, T, len(U)))
    q = np.zeros((N, H))
    R, V, w = np.zeros(U.shape), np.zeros(W.shape), np.zeros(3 * H)
    for t in range(T - 1, -1, -1):
        x, p, r, z, g, _, _ = L[t]
        e = d[:, t] + q
        c = e * (1 - z) * (1 - g * g)
        b = e * (p - g) * z * (1 - z)
        a = c * E("nk,kj->nj", p, G) * r * (1 - r)
        y = np.hstack([a, b, c])
        X[:, t] = E("nj,dj->nd", y, U)
        R += E("nd,nj->dj", x, y)
        w += E("nj->j", y)
        V += E("nk,nj->kj", p, np.hstack([a, b, r * c]))
        q = (
            e * z
            + E("nj,kj->nk", a, A)
            + E("nj,kj->nk", b, B)
            + E("nj,kj->nk", r * c, G)
        )
    return X, q, R, V, w


@wrong(
    "gru_backward",
    "n gets dh without the factor 1 - z, and dWx is of the last visited step alone",
    "from memory",
    convention="ntd",
    forward=gru_f,
    tags="double time",
)
def no_one_minus_z(d, L):
    N, T, H = d.shape
    U, W = L[-1][5], L[-1][6]
    D = U.shape[0]
    X, q = np.zeros((N, T, D)), np.zeros((N, H))
    V, w = np.zeros((H, 3, H)), np.zeros((3, H))
    M, K = U.reshape(D, 3, H), W.reshape(H, 3, H)
    for t in reversed(range(T)):
        x, p, r, z, g = L[t][:5]
        e = d[:, t] + q
        y = np.zeros((N, 3, H))
        y[:, 2] = e * (1 - g**2)
        y[:, 1] = e * (p - g) * z * (1 - z)
        o = E("nj,kj->nk", y[:, 2], K[:, 2])
        y[:, 0] = o * p * r * (1 - r)
        X[:, t] = E("ngj,dgj->nd", y, M)
        R = E("nd,ngj->dgj", x, y)
        V[:, :2] += E("nk,ngj->kgj", p, y[:, :2])
        V[:, 2] += E("nk,nj->kj", r * p, y[:, 2])
        w += E("ngj->gj", y)
        q = e * z + o * r + E("ngj,kgj->nk", y[:, :2], K[:, :2])
    return X, q, R.reshape(D, 3 * H), V.reshape(H, 3 * H), w.ravel()


# ---- readout -----------------------------------------------------------


@wrong("readout_backward", "dWya and dby are divided by m T, da is not", "from memory")
def da_not_divided(y, l, a, P):
    n, m, T = y.shape
    W = P["Wya"]
    z = y.copy()
    for t in range(T):
        for j in range(m):
            z[l[j, t], j, t] -= 1
    k = m * T
    return {
        "da": E("yi,ymt->imt", W, z),
        "dWya": E("ymt,imt->yi", z, a) / k,
        "dby": E("ymt->y", z)[:, None] / k,
    }


@right("readout_backward", "one-hot by comparison, einsum with three indices")
def readout_e(y, l, a, P):
    n, m, T = y.shape
    z = (y - (np.arange(n)[:, None, None] == l[None])) / (m * T)
    return {
        "da": E("yi,ymt->imt", P["Wya"], z),
        "dWya": E("ymt,imt->yi", z, a),
        "dby": E("ymt->y", z).reshape(-1, 1),
    }
