"""Farid: a mathematician. Adjoints by recursion, differentials, sums with an index under the sigma."""

from functools import reduce

import numpy as np
from strangers.made import right, wrong

σ = lambda u: 1 / (1 + np.exp(-u))
dσ = lambda s: s * (1 - s)
dtanh = lambda s: 1 - s**2


def Σ(terms):
    return reduce(lambda u, v: u + v, terms)


# --- Elman's network:  z = W a + U x + b,  a' = tanh z


@wrong(
    "rnn_cell_backward",
    "vec stacks columns, but reshape fills rows: dWax comes out scrambled",
    "from memory: vec(dz x') = x ⊗ dz",
)
def kronecker(da_next, cache):
    α, a, x, θ = cache
    n, m = α.shape
    # d a' = diag(1 - a'^2) dz,   vec(A B') = sum of b_k (x) a_k
    ζ = dtanh(α) * da_next
    vecU = Σ(np.kron(x[:, k], ζ[:, k]) for k in range(m))
    vecW = Σ(np.kron(a[:, k], ζ[:, k]) for k in range(m))
    return {
        "dxt": θ["Wax"].T @ ζ,
        "da_prev": θ["Waa"].T @ ζ,
        "dWax": vecU.reshape(n, x.shape[0]),
        "dWaa": vecW.reshape(n, n, order="F"),
        "dba": Σ(ζ[:, k] for k in range(m)).reshape(n, 1),
    }


@wrong(
    "rnn_backward",
    "in the adjoint recursion tanh' is that of step t and not that of t + 1",
    "from memory: λ(t) = g(t) + W' D(t+1) λ(t+1)",
    step={"dx": -2, "dWax": -2, "dWaa": -2, "dba": -2},
    tags="time",
)
def adjoint_index(da, caches):
    C, X = caches
    T = len(C)
    W, U = C[0][3]["Waa"], C[0][3]["Wax"]

    def D(t):
        return dtanh(C[t][0])

    def λ(t):
        if t == T - 1:
            return da[:, :, t]
        return da[:, :, t] + W.T @ (D(t) * λ(t + 1))

    ζ = [D(t) * λ(t) for t in range(T)]
    return {
        "dx": np.stack([U.T @ z for z in ζ], axis=-1),
        "da0": W.T @ ζ[0],
        "dWax": Σ(ζ[t] @ C[t][2].T for t in range(T)),
        "dWaa": Σ(ζ[t] @ C[t][1].T for t in range(T)),
        "dba": Σ(z.sum(1, keepdims=True) for z in ζ),
    }


def elman(x, h0, Wx, Wh, b):
    def h(t):
        return (
            [h0]
            if t == 0
            else (lambda H: [*H, np.tanh(x[:, t - 1] @ Wx + H[-1] @ Wh + b)])(h(t - 1))
        )

    H = h(x.shape[1])
    return np.stack(H[1:], axis=1), {"x": x, "H": H, "Wx": Wx, "Wh": Wh}


@wrong(
    "rnn_backward",
    "the sum over the steps for dWh begins with the second; "
    "and dh0 is the adjoint of h1, without the way back through the first step",
    "from memory: sums from t = 1 in the notes, arrays from 0",
    convention="ntd",
    forward=elman,
    tags="double time",
)
def sums_from_one(dh, cache):
    x, H, Wx, Wh = cache["x"], cache["H"], cache["Wx"], cache["Wh"]
    T = x.shape[1]

    def λ(t):
        later = 0 if t == T - 1 else ζ(t + 1) @ Wh.T
        return dh[:, t] + later

    def ζ(t):
        return λ(t) * dtanh(H[t + 1])

    dx = np.stack([ζ(t) @ Wx.T for t in range(T)], axis=1)
    dWx = Σ(x[:, t].T @ ζ(t) for t in range(0, T))
    dWh = Σ(H[t].T @ ζ(t) for t in range(1, T))
    db = Σ(ζ(t).sum(axis=0) for t in range(0, T))
    return dx, λ(0), dWx, dWh, db


def elman_step(x, prev_h, Wx, Wh, b):
    h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return h, (x, prev_h, Wx, Wh, h)


@wrong(
    "rnn_cell_backward",
    "tanh is applied to the cached state, which is a tanh already",
    "from memory: tanh' = 1 - tanh^2",
    convention="ntd",
    forward=elman_step,
)
def tanh_of_tanh(dnext_h, cache):
    x, h, Wx, Wh, h1 = cache
    D = 1 - np.tanh(h1) ** 2
    ζ = D * dnext_h
    e = np.ones(len(ζ))
    return ζ @ Wx.T, ζ @ Wh.T, x.T @ ζ, h.T @ ζ, e @ ζ


@wrong("rnn_cell_forward", "the bias is added outside of tanh", "from memory")
def affine_outside(xt, a_prev, parameters):
    W, U, b = (parameters[k] for k in ("Waa", "Wax", "ba"))
    V, c = parameters["Wya"], parameters["by"]
    a = np.tanh(W @ a_prev + U @ xt) + b
    E = np.exp(V @ a + c)
    y = E / (np.ones((1, len(E))) @ E)
    return a, y, (a, a_prev, xt, parameters)


@right(
    "rnn_backward",
    "all adjoints at once: a block bidiagonal system is solved for every example",
)
def block_system(da, caches):
    C, X = caches
    n, m, T = da.shape
    W, U = C[0][3]["Waa"], C[0][3]["Wax"]
    A = np.stack([c[0] for c in C], axis=-1)
    P = np.stack([c[1] for c in C], axis=-1)
    Λ = np.empty((T, n, m))
    for k in range(m):
        M = np.eye(n * T)  # λ(t) - W' D(t+1) λ(t+1) = g(t)
        for t in range(T - 1):
            M[t * n : (t + 1) * n, (t + 1) * n : (t + 2) * n] = -W.T * dtanh(
                A[:, k, t + 1]
            )
        Λ[:, :, k] = np.linalg.solve(M, da[:, k, :].T.ravel()).reshape(T, n)
    Z = Λ.transpose(1, 2, 0) * dtanh(A)
    return {
        "dx": np.tensordot(U, Z, axes=(0, 0)),
        "da0": W.T @ Z[:, :, 0],
        "dWax": np.tensordot(Z, X, axes=((1, 2), (1, 2))),
        "dWaa": np.tensordot(Z, P, axes=((1, 2), (1, 2))),
        "dba": Z.sum(axis=(1, 2))[:, None],
    }


# --- LSTM:  c' = f c + i g,  a' = o tanh c'


def outer(ζ, a, x):
    """<ζ, dW [a; x]> = <ζ [a; x]', dW>"""
    return ζ @ np.vstack([a, x]).T


@wrong(
    "lstm_cell_backward",
    "the adjoint of c' through a' lacks the factor o",
    "from memory: d(o tanh c) = tanh c do + o (1 - tanh^2 c) dc",
)
def leibniz(da_next, dc_next, cache):
    a1, c1, a, c, f, i, g, o, x, θ = cache
    τ = np.tanh(c1)
    γ = dc_next + da_next * dtanh(τ)
    ζ = {
        "f": γ * c * dσ(f),
        "i": γ * g * dσ(i),
        "c": γ * i * dtanh(g),
        "o": da_next * τ * dσ(o),
    }
    u = Σ(θ["W" + k].T @ ζ[k] for k in "fico")
    return (
        {"dxt": u[len(a) :], "da_prev": u[: len(a)], "dc_prev": γ * f}
        | {"dW" + k: outer(ζ[k], a, x) for k in ζ}
        | {"db" + k: ζ[k].sum(axis=1, keepdims=True) for k in ζ}
    )


@wrong(
    "lstm_cell_backward",
    "the weights' gradients are made with [x; a] where it is [a; x]",
    "from memory: the paper writes W [x, h]",
)
def paper_order(da_next, dc_next, cache):
    a1, c1, a, c, f, i, g, o, x, θ = cache
    n = a.shape[0]
    v = np.r_[x, a]
    S = np.tanh(c1)
    γ = dc_next + da_next * o * (1 - S * S)
    ζf, ζi, ζc, ζo = γ * c * dσ(f), γ * g * dσ(i), γ * i * dtanh(g), da_next * S * dσ(o)
    pairs = list(zip("fico", (ζf, ζi, ζc, ζo)))
    adj = Σ(θ[f"W{k}"].T @ z for k, z in pairs)
    out = dict(dxt=adj[n:, :], da_prev=adj[:n, :], dc_prev=f * γ)
    for k, z in pairs:
        out[f"dW{k}"] = z @ v.T
        out[f"db{k}"] = z @ np.ones((z.shape[1], 1))
    return out


def pull(λ, γ, cache, seed=None):
    """(λ, γ) at the end of a step -> ζ of the gates, and γ at its start"""
    a1, c1, a, c, f, i, g, o, x, θ = cache
    τ = np.tanh(c1)
    γ = γ + λ * o * dtanh(τ)
    return {
        "f": γ * c * dσ(f),
        "i": γ * g * dσ(i),
        "c": γ * i * dtanh(g),
        "o": λ * τ * dσ(o),
    }, γ * f


@wrong(
    "lstm_backward",
    "the output gate is missing in the sum that takes the adjoint to the state before",
    "from memory",
    step={"dx": -2},
)
def three_gates(da, caches):
    C, X = caches
    θ, n = C[0][-1], da.shape[0]

    def back(t, λ, γ):
        """list of (ζ, cache), the earliest first, and the adjoint of a(-1)"""
        if t < 0:
            return [], λ
        ζ, γ = pull(da[:, :, t] + λ, γ, C[t])
        λ = Σ(θ["W" + k][:, :n].T @ ζ[k] for k in "fic")
        before, λ0 = back(t - 1, λ, γ)
        return [*before, (ζ, C[t])], λ0

    O = np.zeros(da.shape[:2])
    Z, da0 = back(len(C) - 1, O, O)
    res = {
        "dx": np.stack([Σ(θ["W" + k][:, n:].T @ ζ[k] for k in ζ) for ζ, _ in Z], -1),
        "da0": da0,
    }
    for k in "fico":
        res["dW" + k] = Σ(outer(ζ[k], c[2], c[8]) for ζ, c in Z)
        res["db" + k] = Σ(ζ[k].sum(1, keepdims=True) for ζ, _ in Z)
    return res


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    I, F, O, G = np.hsplit(x @ Wx + prev_h @ Wh + b, 4)
    i, f, o, g = σ(I), σ(F), σ(O), np.tanh(G)
    c = f * prev_c + i * g
    return (
        o * np.tanh(c),
        c,
        dict(x=x, h=prev_h, c=prev_c, Wx=Wx, Wh=Wh, i=i, f=f, o=o, g=g, c1=c),
    )


@wrong(
    "lstm_cell_backward",
    "do is multiplied by c' and not by its tanh; and dprev_c lacks the factor f",
    "from memory",
    convention="ntd",
    forward=lstm_step,
    tags="double",
)
def two_differentials(dnext_h, dnext_c, K):
    i, f, o, g = K["i"], K["f"], K["o"], K["g"]
    # dh = c do + o (1 - tanh^2 c) dc
    do = K["c1"] * dnext_h
    γ = dnext_c + o * dtanh(np.tanh(K["c1"])) * dnext_h
    df, di, dg, dc = γ * K["c"], γ * g, γ * i, γ
    ζ = np.hstack([di * dσ(i), df * dσ(f), do * dσ(o), dg * dtanh(g)])
    return ζ @ K["Wx"].T, ζ @ K["Wh"].T, dc, K["x"].T @ ζ, K["h"].T @ ζ, ζ.sum(axis=0)


@wrong(
    "lstm_backward",
    "the adjoint of the last c is 1 instead of 0; and the biases take the mean of the examples",
    "from memory: the seed of reverse mode is one",
    tags="double",
)
def seed_of_one(da, caches):
    C, X = caches
    n, m, T = da.shape
    θ = C[0][9]
    W = np.vstack([θ["W" + k] for k in "fico"])

    def state(t):
        """(λ, γ) that arrive at the end of step t from later ones"""
        if t == T - 1:
            return np.zeros((n, m)), np.ones((n, m))
        ζ, γ = step(t + 1)
        return (W.T @ np.vstack(list(ζ.values())))[:n], γ

    def step(t):
        λ, γ = state(t)
        return pull(λ + da[:, :, t], γ, C[t])

    Z = [step(t)[0] for t in range(T)]
    full = [W.T @ np.vstack(list(ζ.values())) for ζ in Z]
    out = {"dx": np.dstack([u[n:] for u in full]), "da0": full[0][:n]}
    for k in "fico":
        out["dW" + k] = Σ(outer(Z[t][k], C[t][2], C[t][8]) for t in range(T))
        out["db" + k] = Σ(Z[t][k].mean(axis=1, keepdims=True) for t in range(T))
    return out


@right("lstm_cell_backward", "Jacobians of every example, as matrices in blocks")
def jacobians(da_next, dc_next, cache):
    a1, c1, a, c, f, i, g, o, x, θ = cache
    n, m = a.shape
    W = np.vstack([θ["W" + k] for k in "fico"])
    Z, dc = np.empty((4 * n, m)), np.empty((n, m))
    d, O = np.diag, np.zeros((n, n))
    for k in range(m):
        F, I, G, Y, c0, τ = (u[:, k] for u in (f, i, g, o, c, np.tanh(c1)))
        Jc = np.hstack([d(c0 * dσ(F)), d(G * dσ(I)), d(I * dtanh(G)), O, d(F)])
        Ja = d(Y * dtanh(τ)) @ Jc + np.hstack([O, O, O, d(τ * dσ(Y)), O])
        row = da_next[:, k] @ Ja + dc_next[:, k] @ Jc
        Z[:, k], dc[:, k] = row[: 4 * n], row[4 * n :]
    dW, db = Z @ np.r_[a, x].T, Z.sum(1, keepdims=True)
    u = W.T @ Z
    out = {"dxt": u[n:], "da_prev": u[:n], "dc_prev": dc}
    for j, k in enumerate("fico"):
        out["dW" + k], out["db" + k] = dW[j * n : (j + 1) * n], db[j * n : (j + 1) * n]
    return out


# --- GRU:  h' = (1 - z) n + z h,  n = tanh(U x + W (r h) + b)


def gru_step(x, h, Wx, Wh, b):
    (Ur, Uz, Un), (Wr, Wz, Wn), (br, bz, bn) = (
        np.hsplit(Wx, 3),
        np.hsplit(Wh, 3),
        np.split(b, 3),
    )
    r, z = σ(x @ Ur + h @ Wr + br), σ(x @ Uz + h @ Wz + bz)
    n = np.tanh(x @ Un + (r * h) @ Wn + bn)
    return n + z * (h - n), (x, h, Wx, Wh, r, z, n)


def gru(x, h0, Wx, Wh, b):
    def run(t, h):
        if t == x.shape[1]:
            return [], []
        h1, K = gru_step(x[:, t], h, Wx, Wh, b)
        H, Ks = run(t + 1, h1)
        return [h1, *H], [K, *Ks]

    H, Ks = run(0, h0)
    return np.stack(H, axis=1), Ks


@wrong(
    "gru_cell_backward",
    "the backward pass is that of h' = z n + (1 - z) h: z and 1 - z change places",
    "papers differ in what z means",
    convention="ntd",
    forward=gru_step,
)
def other_z(dnext_h, cache):
    x, h, Wx, Wh, r, z, n = cache
    Wr, Wz, Wn = np.hsplit(Wh, 3)
    # dh' = (n - h) dz + z dn + (1 - z) dh
    ζn = dnext_h * z * dtanh(n)
    ζz = dnext_h * (n - h) * dσ(z)
    ρ = ζn @ Wn.T
    ζr = ρ * h * dσ(r)
    dh = dnext_h * (1 - z) + ρ * r + ζr @ Wr.T + ζz @ Wz.T
    ζ = np.hstack([ζr, ζz, ζn])
    return (
        ζ @ Wx.T,
        dh,
        x.T @ ζ,
        np.hstack([h.T @ ζr, h.T @ ζz, (r * h).T @ ζn]),
        ζ.sum(0),
    )


def back_through(Ks, dh, step):
    """Folds a step's pullback over the caches, from the last to the first."""

    def go(t, λ):
        if t < 0:
            return (), λ, 0, 0, 0
        dx, λ, A, B, c = step(dh[:, t] + λ, Ks[t])
        dxs, λ0, A0, B0, c0 = go(t - 1, λ)
        return (*dxs, dx), λ0, A0 + A, B0 + B, c0 + c

    dxs, *rest = go(len(Ks) - 1, 0)
    return np.stack(dxs, axis=1), *rest


@wrong(
    "gru_backward",
    "the way back through r h to h lacks the factor r",
    "from memory: d(r h) = h dr + r dh",
    convention="ntd",
    forward=gru,
    step={"dx": -2},
)
def reset_once(dh, caches):
    def step(λ, K):
        x, h, Wx, Wh, r, z, n = K
        Wr, Wz, Wn = np.hsplit(Wh, 3)
        ζn = (1 - z) * λ * dtanh(n)
        ζz = (h - n) * λ * dσ(z)
        ζr = h * (ζn @ Wn.T) * dσ(r)
        ζ = np.hstack([ζr, ζz, ζn])
        before = z * λ + ζr @ Wr.T + ζz @ Wz.T + ζn @ Wn.T
        return (
            ζ @ Wx.T,
            before,
            x.T @ ζ,
            np.hstack([h.T @ ζr, h.T @ ζz, (r * h).T @ ζn]),
            ζ.sum(0),
        )

    return back_through(caches, dh, step)


@wrong(
    "gru_backward",
    "the candidate is differentiated as a sigmoid, n (1 - n)",
    "from memory",
    convention="ntd",
    forward=gru,
    step={"dx": -1},
)
def all_sigmoids(dh, caches):
    def step(λ, K):
        x, h, Wx, Wh, r, z, n = K
        Wr, Wz, Wn = np.hsplit(Wh, 3)
        ζz, ζn = (q * dσ(v) for q, v in (((h - n) * λ, z), ((1 - z) * λ, n)))
        ρ = ζn @ Wn.T
        ζr = ρ * h * dσ(r)
        ζ = np.hstack([ζr, ζz, ζn])
        dW = np.hstack([h.T @ np.hstack([ζr, ζz]), (r * h).T @ ζn])
        return (
            ζ @ Wx.T,
            z * λ + r * ρ + np.hstack([ζr, ζz]) @ np.hstack([Wr, Wz]).T,
            x.T @ ζ,
            dW,
            ζ.sum(0),
        )

    return back_through(caches, dh, step)


# --- the loss: mean of -log p


@wrong(
    "readout_backward",
    "the Jacobian of softmax is taken to be diagonal, p (1 - p)",
    "from memory: dp = (diag p - p p') ds, of which only the diagonal is left",
)
def diagonal(y_pred, labels, a, parameters):
    k, m, T = y_pred.shape
    δ = np.eye(k)[:, labels]
    dp = -(δ / y_pred) / (m * T)
    ds = y_pred * (1 - y_pred) * dp
    return {
        "da": np.tensordot(parameters["Wya"].T, ds, axes=1),
        "dWya": np.tensordot(ds, a, axes=([1, 2], [1, 2])),
        "dby": ds.sum(axis=(1, 2)).reshape(k, 1),
    }


@wrong(
    "readout_backward",
    "the mean is over the examples only, not over the steps; "
    "and dWya pairs the error of step t with a of step t - 1",
    "from memory",
    tags="double time",
)
def shifted_states(y_pred, labels, a, parameters):
    k, m, T = y_pred.shape
    V = parameters["Wya"]
    ε = lambda t: (y_pred[:, :, t] - np.eye(k)[:, labels[:, t]]) / m
    return {
        "da": np.stack([V.T @ ε(t) for t in range(T)], axis=2),
        "dWya": Σ(ε(t) @ a[:, :, t - 1].T for t in range(1, T)),
        "dby": Σ(ε(t).sum(axis=1, keepdims=True) for t in range(T)),
    }
