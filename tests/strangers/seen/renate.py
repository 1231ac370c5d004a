"""Renate, numerical analyst: states u, adjoints lam, sensitivity matrices S, sample by sample."""

import numpy as np
from strangers.made import right, wrong


def diag_sech2(u):
    """Jacobian of tanh at its value u."""
    return np.diag(1.0 - u**2)


def logistic(v):
    return 1.0 / (1.0 + np.exp(-v))


# ---------------------------------------------------------------- plain recurrence


@wrong(
    "rnn_cell_backward",
    "the sensitivity matrix of the state is applied to the adjoint without its transpose",
    "from memory: the Jacobian pushed forward instead of pulled back, square so it fits",
)
def sensitivity_pushed_forward(da_next, cache):
    u1, u0, xt, par = cache
    m = u1.shape[1]
    dxt, da_prev = np.zeros_like(xt), np.zeros_like(u0)
    dWax, dWaa = np.zeros_like(par["Wax"]), np.zeros_like(par["Waa"])
    dba = np.zeros_like(par["ba"])
    for s in range(m):
        D = diag_sech2(u1[:, s])
        S_u = D @ par["Waa"]
        S_x = D @ par["Wax"]
        lam = da_next[:, s]
        da_prev[:, s] = S_u @ lam
        dxt[:, s] = S_x.T @ lam
        eta = D @ lam
        dWax += np.outer(eta, xt[:, s])
        dWaa += np.outer(eta, u0[:, s])
        dba[:, 0] += eta
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_cell_backward",
    "tanh is taken of a_next once more in the derivative; dba has the last sample alone",
    "from memory: the function value mistaken for the argument, and a line left outside the loop",
    tags="double",
)
def tanh_of_tanh_and_last_bias(da_next, cache):
    u1, u0, xt, par = cache
    res = {
        "dxt": np.empty_like(xt),
        "da_prev": np.empty_like(u0),
        "dWax": np.zeros_like(par["Wax"]),
        "dWaa": np.zeros_like(par["Waa"]),
        "dba": np.zeros_like(par["ba"]),
    }
    for s in range(u1.shape[1]):
        eta = (1.0 - np.tanh(u1[:, s]) ** 2) * da_next[:, s]
        res["dxt"][:, s] = par["Wax"].T @ eta
        res["da_prev"][:, s] = par["Waa"].T @ eta
        res["dWax"] += np.outer(eta, xt[:, s])
        res["dWaa"] += np.outer(eta, u0[:, s])
    res["dba"] += eta[:, None]
    return res


@wrong(
    "rnn_backward",
    "the adjoint recursion takes the Jacobian of its own step, not of the one that follows",
    "from memory: lam_t = g_t + J_t' lam_{t+1}, index of J one too small",
    step={"dx": -2, "dWax": -2, "dWaa": -2, "dba": -2},
)
def linearised_at_own_step(da, caches):
    traj, x = caches
    par = traj[0][3]
    n, m, T = da.shape
    dx, da0 = np.zeros(x.shape), np.zeros((n, m))
    dWax, dWaa, dba = (np.zeros_like(par[k]) for k in ("Wax", "Waa", "ba"))
    for s in range(m):
        D = [diag_sech2(traj[t][0][:, s]) for t in range(T)]
        J = [D[t] @ par["Waa"] for t in range(T)]
        lam = np.zeros((T, n))
        lam[T - 1] = da[:, s, T - 1]
        for t in range(T - 2, -1, -1):
            lam[t] = da[:, s, t] + J[t].T @ lam[t + 1]
        da0[:, s] = J[0].T @ lam[0]
        for t in range(T):
            eta = D[t] @ lam[t]
            dx[:, s, t] = par["Wax"].T @ eta
            dWax += np.outer(eta, x[:, s, t])
            dWaa += np.outer(eta, traj[t][1][:, s])
            dba[:, 0] += eta
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


def march(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    U = np.zeros((N, T + 1, h0.shape[1]))
    U[:, 0] = h0
    for t in range(T):
        U[:, t + 1] = np.tanh(x[:, t] @ Wx + U[:, t] @ Wh + b)
    return U[:, 1:], (U, x, Wx, Wh)


@wrong(
    "rnn_backward",
    "the transition matrix is multiplied from the wrong side when it grows by a step",
    "from memory: Phi J instead of J Phi, the matrices do not commute",
    convention="ntd",
    forward=march,
    step={"dx": -3, "dWx": -3, "dWh": -3, "db": -3},
)
def transition_grown_on_the_right(dh, cache):
    U, x, Wx, Wh = cache
    N, T, n = dh.shape
    dx, dh0 = np.zeros(x.shape), np.zeros((N, n))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(n)
    for s in range(N):
        J = [diag_sech2(U[s, t + 1]) @ Wh.T for t in range(T)]
        for t in range(T):
            Phi, lam = np.eye(n), dh[s, t].copy()
            for k in range(t + 1, T):
                Phi = Phi @ J[k]
                lam += Phi.T @ dh[s, k]
            if t == 0:
                dh0[s] = J[0].T @ lam
            eta = diag_sech2(U[s, t + 1]) @ lam
            dx[s, t] = Wx @ eta
            dWx += np.outer(x[s, t], eta)
            dWh += np.outer(U[s, t], eta)
            db += eta
    return dx, dh0, dWx, dWh, db


@wrong(
    "rnn_cell_forward",
    "the softmax is shifted by the maximum over samples, another for each class",
    "from memory: axis of the maximum in the stable softmax",
)
def shifted_along_samples(xt, a_prev, parameters):
    par = parameters
    u = np.tanh(par["Waa"].dot(a_prev) + par["Wax"].dot(xt) + par["ba"])
    v = par["Wya"].dot(u) + par["by"]
    E = np.exp(v - v.max(axis=1, keepdims=True))
    return u, E / E.sum(axis=0, keepdims=True), (u, a_prev, xt, parameters)


@right(
    "rnn_backward",
    "the adjoint of all steps at once: a block bidiagonal system, assembled and solved",
)
def one_linear_system(da, caches):
    traj, x = caches
    par = traj[0][3]
    n, m, T = da.shape
    eta = np.zeros((n, m, T))
    da0 = np.zeros((n, m))
    for s in range(m):
        A = np.eye(n * T)
        for t in range(T - 1):
            J = diag_sech2(traj[t + 1][0][:, s]) @ par["Waa"]
            A[n * t : n * (t + 1), n * (t + 1) : n * (t + 2)] = -J.T
        lam = np.linalg.solve(A, da[:, s, :].T.ravel()).reshape(T, n)
        for t in range(T):
            eta[:, s, t] = diag_sech2(traj[t][0][:, s]) @ lam[t]
        da0[:, s] = par["Waa"].T @ eta[:, s, 0]
    U0 = np.stack([c[1] for c in traj], axis=-1)
    return {
        "dx": np.einsum("kj,kst->jst", par["Wax"], eta),
        "da0": da0,
        "dWax": np.einsum("kst,jst->kj", eta, x),
        "dWaa": np.einsum("kst,jst->kj", eta, U0),
        "dba": eta.sum(axis=(1, 2))[:, None],
    }


# ---------------------------------------------------------------- LSTM


def S_gate(g):
    """Sensitivity of a gate to its pre-activation."""
    return np.diag(g) - np.outer(g, g)


@wrong(
    "lstm_cell_backward",
    "the Jacobian of the gates is that of softmax, diag(g) - g g', not diag(g (1 - g))",
    "from memory: the two formulas look alike, sigmoid taken for softmax",
)
def softmax_jacobian_for_gates(da_next, dc_next, cache):
    a1, c1, a0, c0, F, I, G, O, X, par = cache
    n, m = a1.shape
    g = {"dxt": np.zeros_like(X), "da_prev": np.zeros_like(a0)}
    g["dc_prev"] = np.zeros_like(c0)
    for k in "fico":
        g["dW" + k] = np.zeros_like(par["W" + k])
        g["db" + k] = np.zeros_like(par["b" + k])
    for s in range(m):
        th = np.tanh(c1[:, s])
        mu = dc_next[:, s] + np.diag(O[:, s] * (1 - th**2)) @ da_next[:, s]
        eta = {
            "f": S_gate(F[:, s]).T @ (c0[:, s] * mu),
            "i": S_gate(I[:, s]).T @ (G[:, s] * mu),
            "c": diag_sech2(G[:, s]).T @ (I[:, s] * mu),
            "o": S_gate(O[:, s]).T @ (th * da_next[:, s]),
        }
        w = np.r_[a0[:, s], X[:, s]]
        for k in "fico":
            g["dW" + k] += np.outer(eta[k], w)
            g["db" + k][:, 0] += eta[k]
            back = par["W" + k].T @ eta[k]
            g["da_prev"][:, s] += back[:n]
            g["dxt"][:, s] += back[n:]
        g["dc_prev"][:, s] = F[:, s] * mu
    return g


@wrong(
    "lstm_cell_backward",
    "the derivative of tanh(c_next) is written 1 - a_next^2, as in the plain cell",
    "from memory: the formula of the plain recurrence carried over",
)
def sech2_from_a(da_next, dc_next, cache):
    a1, c1, a0, c0, F, I, G, O, X, par = cache
    n = a1.shape[0]
    S_ca = O * (1.0 - a1**2)
    mu = dc_next + S_ca * da_next
    E_f = mu * c0 * F * (1 - F)
    E_i = mu * G * I * (1 - I)
    E_g = mu * I * (1 - G**2)
    E_o = da_next * np.tanh(c1) * O * (1 - O)
    back = par["Wf"].T @ E_f + par["Wi"].T @ E_i + par["Wc"].T @ E_g + par["Wo"].T @ E_o
    w = np.vstack([a0, X])
    return {
        "dxt": back[n:],
        "da_prev": back[:n],
        "dc_prev": F * mu,
        "dWf": E_f @ w.T,
        "dbf": E_f.sum(1, keepdims=True),
        "dWi": E_i @ w.T,
        "dbi": E_i.sum(1, keepdims=True),
        "dWc": E_g @ w.T,
        "dbc": E_g.sum(1, keepdims=True),
        "dWo": E_o @ w.T,
        "dbo": E_o.sum(1, keepdims=True),
    }


@wrong(
    "lstm_backward",
    "the product of forget gates between two steps runs over f_t .. f_{k-1}, not f_{t+1} .. f_k",
    "from memory: a slice one too early in the closed form of the memory's adjoint",
    step={"dx": -2},
)
def forget_product_too_early(da, caches):
    traj, x = caches
    par = traj[0][9]
    n, m, T = da.shape
    F = np.array([c[4] for c in traj])
    out = {"dx": np.zeros(x.shape), "da0": np.zeros((n, m))}
    for k in "fico":
        out["dW" + k], out["db" + k] = (
            np.zeros_like(par["W" + k]),
            np.zeros_like(par["b" + k]),
        )
    source = np.zeros((T, n, m))
    lam_in = np.zeros((n, m))
    for t in reversed(range(T)):
        a1, c1, a0, c0, f, i, g, o, xt, _ = traj[t]
        lam = da[:, :, t] + lam_in
        source[t] = lam * o * (1 - np.tanh(c1) ** 2)
        mu = np.zeros((n, m))
        for k in range(t, T):
            mu += np.prod(F[t:k], axis=0) * source[k]
        eta = {
            "f": mu * c0 * f * (1 - f),
            "i": mu * g * i * (1 - i),
            "c": mu * i * (1 - g * g),
            "o": lam * np.tanh(c1) * o * (1 - o),
        }
        w = np.vstack((a0, xt))
        back = np.zeros_like(w)
        for k in eta:
            out["dW" + k] += np.einsum("is,js->ij", eta[k], w)
            out["db" + k] += np.einsum("is->i", eta[k])[:, None]
            back += par["W" + k].T @ eta[k]
        lam_in = back[:n]
        out["dx"][:, :, t] = back[n:]
    out["da0"] = lam_in
    return out


@wrong(
    "lstm_backward",
    "the terminal condition da_T is put in before the loop and added again in it; "
    "the output gate's adjoint takes c_next without its tanh",
    "from memory: adjoint equations with a terminal cost, and a tanh forgotten",
    tags="double time",
    step={"dx": -1},
)
def terminal_twice_and_raw_memory(da, caches):
    traj, x = caches
    par = traj[-1][-1]
    n, m, T = da.shape
    dx = np.zeros_like(x)
    W = np.vstack([par["Wf"], par["Wi"], par["Wc"], par["Wo"]])
    dW, db = np.zeros_like(W), np.zeros((4 * n, 1))
    lam = da[:, :, T - 1].copy()
    mu = np.zeros((n, m))
    for t in range(T - 1, -1, -1):
        _, c1, a0, c0, f, i, g, o, xt, _ = traj[t]
        lam = lam + da[:, :, t]
        mu = mu + lam * o * (1 - np.tanh(c1) ** 2)
        eta = np.vstack(
            [
                mu * c0 * f * (1 - f),
                mu * g * i * (1 - i),
                mu * i * (1 - g**2),
                lam * c1 * o * (1 - o),
            ]
        )
        dW += eta @ np.vstack([a0, xt]).T
        db += eta.sum(axis=1)[:, None]
        back = W.T @ eta
        lam, dx[:, :, t] = back[:n], back[n:]
        mu = mu * f
    res = {"dx": dx, "da0": lam}
    for j, k in enumerate("fico"):
        res["dW" + k] = dW[j * n : (j + 1) * n]
        res["db" + k] = db[j * n : (j + 1) * n]
    return res


def march_lstm(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    n = h0.shape[1]
    U, C = np.zeros((N, T + 1, n)), np.zeros((N, T + 1, n))
    G = np.zeros((4, N, T, n))
    U[:, 0] = h0
    for t in range(T):
        v = x[:, t] @ Wx + U[:, t] @ Wh + b
        for j in range(4):
            vj = v[:, j * n : (j + 1) * n]
            G[j, :, t] = np.tanh(vj) if j == 3 else logistic(vj)
        C[:, t + 1] = G[1, :, t] * C[:, t] + G[0, :, t] * G[3, :, t]
        U[:, t + 1] = G[2, :, t] * np.tanh(C[:, t + 1])
    return U[:, 1:], (U, C, G, x, Wx, Wh)


@wrong(
    "lstm_backward",
    "the forget gate's adjoint reads the memory after the step, the stored path is shifted by one",
    "from memory: index of a path of T + 1 points",
    convention="ntd",
    forward=march_lstm,
    tags="time",
)
def memory_path_shifted(dh, cache):
    U, C, G, x, Wx, Wh = cache
    N, T, n = dh.shape
    dx, dWx, dWh, db = np.zeros_like(x), 0.0 * Wx, 0.0 * Wh, np.zeros(4 * n)
    lam, mu = np.zeros((N, n)), np.zeros((N, n))
    for t in np.arange(T)[::-1]:
        i, f, o, g = G[:, :, t]
        th = np.tanh(C[:, t + 1])
        lam = lam + dh[:, t]
        mu = mu + lam * o * (1 - th**2)
        eta = np.empty((N, 4 * n))
        eta[:, :n] = mu * g * i * (1 - i)
        eta[:, n : 2 * n] = mu * C[:, t + 1] * f * (1 - f)
        eta[:, 2 * n : 3 * n] = lam * th * o * (1 - o)
        eta[:, 3 * n :] = mu * i * (1 - g**2)
        dx[:, t] = np.einsum("sk,dk->sd", eta, Wx)
        dWx += np.einsum("sd,sk->dk", x[:, t], eta)
        dWh += np.einsum("sh,sk->hk", U[:, t], eta)
        db += np.einsum("sk->k", eta)
        lam = np.einsum("sk,hk->sh", eta, Wh)
        mu = mu * f
    return dx, lam, dWx, dWh, db


@wrong(
    "lstm_forward",
    "the memory is updated in its own buffer, so every cache holds the last memory",
    "from memory: an update in place to save an allocation",
    tags="view",
)
def memory_in_one_buffer(x, a0, parameters):
    par = parameters
    n, m = a0.shape
    T = x.shape[2]
    A, C = np.zeros((n, m, T)), np.zeros((n, m, T))
    Y = np.zeros((par["Wy"].shape[0], m, T))
    a, c, caches = a0, np.zeros((n, m)), []
    for t in range(T):
        c_old, xt = c, x[:, :, t]
        w = np.vstack([a, xt])
        f, i, o = (logistic(par["W" + k] @ w + par["b" + k]) for k in "fio")
        g = np.tanh(par["Wc"] @ w + par["bc"])
        c *= f
        c += i * g
        a_new = o * np.tanh(c)
        v = par["Wy"] @ a_new + par["by"]
        e = np.exp(v - v.max(axis=0))
        A[:, :, t], C[:, :, t], Y[:, :, t] = a_new, c, e / e.sum(axis=0)
        caches.append((a_new, c, a, c_old, f, i, g, o, xt, par))
        a = a_new
    return A, Y, C, (caches, x)


@right(
    "lstm_cell_backward",
    "the dense Jacobian of (a, c) by the four pre-activations, weights by a Kronecker product",
)
def dense_block_jacobian(da_next, dc_next, cache):
    a1, c1, a0, c0, F, I, G, O, X, par = cache
    n, m = a1.shape
    W = np.concatenate([par["W" + k] for k in "fico"])
    vec_dW, db = np.zeros(W.size), np.zeros(4 * n)
    dw, dc_prev = np.zeros((W.shape[1], m)), np.zeros((n, m))
    for s in range(m):
        f, i, g, o = F[:, s], I[:, s], G[:, s], O[:, s]
        th = np.tanh(c1[:, s])
        S_c = np.hstack(
            [
                np.diag(c0[:, s] * f * (1 - f)),
                np.diag(g * i * (1 - i)),
                np.diag(i * (1 - g**2)),
                np.zeros((n, n)),
            ]
        )
        S_ac = np.diag(o * (1 - th**2))
        S_a = S_ac @ S_c
        S_a[:, 3 * n :] += np.diag(th * o * (1 - o))
        S = np.vstack([S_a, S_c])
        lam = np.concatenate([da_next[:, s], dc_next[:, s]])
        w = np.concatenate([a0[:, s], X[:, s]])
        vec_dW += np.kron(w[None, :], S).T @ lam
        db += S.T @ lam
        dw[:, s] = (S @ W).T @ lam
        dc_prev[:, s] = np.vstack([S_ac @ np.diag(f), np.diag(f)]).T @ lam
    dW = vec_dW.reshape(W.shape, order="F")
    res = {"dxt": dw[n:], "da_prev": dw[:n], "dc_prev": dc_prev}
    for j, k in enumerate("fico"):
        res["dW" + k] = dW[j * n : (j + 1) * n]
        res["db" + k] = db[j * n : (j + 1) * n, None]
    return res


# ---------------------------------------------------------------- GRU


def gru_map(x, prev_h, Wx, Wh, b):
    n = prev_h.shape[1]
    v = x @ Wx + b
    r, z = (
        logistic(v[:, j * n : (j + 1) * n] + prev_h @ Wh[:, j * n : (j + 1) * n])
        for j in (0, 1)
    )
    q = np.tanh(v[:, 2 * n :] + (r * prev_h) @ Wh[:, 2 * n :])
    return (1 - z) * q + z * prev_h, (x, prev_h, r, z, q, Wx, Wh)


def gru_march(x, h0, Wx, Wh, b):
    h, path, points = h0, [], []
    for t in range(x.shape[1]):
        h, point = gru_map(x[:, t], h, Wx, Wh, b)
        path.append(h)
        points.append(point)
    return np.stack(path, axis=1), points


@wrong(
    "gru_cell_backward",
    "the sensitivity to the update gate has the wrong sign, n - h as in the other convention",
    "from memory: h' = (1 - z) h + z n in most papers",
    convention="ntd",
    forward=gru_map,
)
def update_gate_sign(dnext_h, cache):
    x, h, r, z, q, Wx, Wh = cache
    N, n = h.shape
    dx, dprev = np.zeros_like(x), np.zeros_like(h)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * n)
    Wr, Wz, Wq = Wh[:, :n], Wh[:, n : 2 * n], Wh[:, 2 * n :]
    for s in range(N):
        lam = dnext_h[s]
        e_q = (1 - q[s] ** 2) * (1 - z[s]) * lam
        e_z = z[s] * (1 - z[s]) * (q[s] - h[s]) * lam
        d_rh = Wq @ e_q
        e_r = r[s] * (1 - r[s]) * h[s] * d_rh
        eta = np.r_[e_r, e_z, e_q]
        dx[s] = Wx @ eta
        dprev[s] = z[s] * lam + r[s] * d_rh + Wr @ e_r + Wz @ e_z
        dWx += np.outer(x[s], eta)
        dWh += np.hstack(
            [np.outer(h[s], e_r), np.outer(h[s], e_z), np.outer(r[s] * h[s], e_q)]
        )
        db += eta
    return dx, dprev, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "the reset gate's derivative is r (1 - z); the direct path to prev_h has 1 - z, not z",
    "from memory: a line copied and half changed, and the two weights of the mean mixed up",
    convention="ntd",
    forward=gru_map,
    tags="double",
)
def half_copied_and_mixed(dnext_h, cache):
    x, h, r, z, q, Wx, Wh = cache
    n = h.shape[1]
    lam = dnext_h
    e_z = lam * (h - q) * z * (1 - z)
    e_q = lam * (1 - z) * (1 - q**2)
    d_rh = np.einsum("sk,hk->sh", e_q, Wh[:, 2 * n :])
    e_r = d_rh * h * r * (1 - z)
    e_rz = np.concatenate([e_r, e_z], axis=1)
    eta = np.concatenate([e_rz, e_q], axis=1)
    dprev = (1 - z) * lam + r * d_rh + np.einsum("sk,hk->sh", e_rz, Wh[:, : 2 * n])
    dWh = np.concatenate(
        [
            np.einsum("sh,sk->hk", h, e_rz),
            np.einsum("sh,sk->hk", r * h, e_q),
        ],
        axis=1,
    )
    return eta @ Wx.T, dprev, np.einsum("sd,sk->dk", x, eta), dWh, eta.sum(axis=0)


@wrong(
    "gru_backward",
    "in the Jacobian of a step diag(r) stands left of the matrix of the candidate, not right of it",
    "from memory: diagonal matrices moved past a full one",
    convention="ntd",
    forward=gru_march,
    step={"dx": -2, "dWx": -2, "dWh": -2, "db": -2},
)
def diagonal_does_not_commute(dh, cache):
    N, T, n = dh.shape
    Wx, Wh = cache[0][5:]
    Wr, Wz, Wq = (Wh[:, j * n : (j + 1) * n].T for j in range(3))
    dx = np.zeros((N, T, Wx.shape[0]))
    dh0 = np.zeros((N, n))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * n)
    for s in range(N):
        lam = np.zeros(n)
        for t in range(T - 1, -1, -1):
            x, h, r, z, q = (v[s] for v in cache[t][:5])
            lam = lam + dh[s, t]
            Dr, Dz = np.diag(r * (1 - r)), np.diag(z * (1 - z))
            Dq = np.diag((1 - z) * (1 - q**2))
            J = (
                np.diag(z)
                + np.diag(h - q) @ Dz @ Wz
                + Dq @ (np.diag(r) @ Wq + Wq @ np.diag(h) @ Dr @ Wr)
            )
            e_q = Dq @ lam
            e_z = Dz @ np.diag(h - q) @ lam
            e_r = Dr @ np.diag(h) @ Wq.T @ e_q
            eta = np.concatenate([e_r, e_z, e_q])
            dx[s, t] = Wx @ eta
            dWx += np.outer(x, eta)
            dWh[:, : 2 * n] += np.outer(h, eta[: 2 * n])
            dWh[:, 2 * n :] += np.outer(r * h, e_q)
            db += eta
            lam = J.T @ lam
        dh0[s] = lam
    return dx, dh0, dWx, dWh, db


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "p - e is already the gradient of the scores, and the softmax Jacobian is applied to it again",
    "from memory: loss and softmax taken together and then softmax once more",
)
def softmax_jacobian_again(y_pred, labels, a, parameters):
    W = parameters["Wya"]
    n_y, m, T = y_pred.shape
    da, dW, db = np.zeros_like(a), np.zeros_like(W), np.zeros_like(parameters["by"])
    for s in range(m):
        for t in range(T):
            p = y_pred[:, s, t]
            g = p - np.eye(n_y)[labels[s, t]]
            S = np.diag(p) - np.outer(p, p)
            eta = S.T @ g / (m * T)
            da[:, s, t] = W.T @ eta
            dW += np.outer(eta, a[:, s, t])
            db[:, 0] += eta
    return {"da": da, "dWya": dW, "dby": db}
