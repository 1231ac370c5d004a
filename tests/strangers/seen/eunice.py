"""Adjoints of recurrent maps.  lam = adjoint of a, mu = adjoint of c, bars on everything else."""

import numpy as np
from strangers.made import right, wrong

es = np.einsum


def sig(u):
    return 1.0 / (1.0 + np.exp(-u))


def traj(caches, k):
    """Component k of every cache, time last."""
    return np.stack([c[k] for c in caches], axis=-1)


# ---------------------------------------------------------------- RNN


@wrong("rnn_cell_backward", "pulls da_prev back with J where it is J^T", "from memory")
def tangent_not_cotangent(da_next, cache):
    a, a_, x, p = cache
    phi = 1 - a * a
    J = es("im,ij->ijm", phi, p["Waa"])  # da_i / da_j, one matrix per sample
    K = es("im,ij->ijm", phi, p["Wax"])
    zbar = phi * da_next
    return {
        "dxt": es("ijm,im->jm", K, da_next),
        "da_prev": es("ijm,jm->im", J, da_next),
        "dWax": es("im,jm->ij", zbar, x),
        "dWaa": es("im,jm->ij", zbar, a_),
        "dba": es("im->i", zbar)[:, None],
    }


@wrong(
    "rnn_backward",
    "Jacobians of the propagator multiplied from the wrong side",
    "from memory",
)
def propagator_time_ordering(da, caches):
    steps, x = caches
    p = steps[0][3]
    A, A_ = traj(steps, 0), traj(steps, 1)
    n, m, T = da.shape
    phi = 1 - A**2
    J = es("imt,ij->tmij", phi, p["Waa"])
    lam = np.zeros_like(da)
    for t in range(T):
        # lam_t = sum_{s>=t} U(s,t)^T da_s  with  U(s,t) = J_s ... J_{t+1}
        U = np.broadcast_to(np.eye(n), (m, n, n))
        for s in range(t, T):
            if s > t:
                U = U @ J[s]
            lam[:, :, t] += es("mij,im->jm", U, da[:, :, s])
    Z = phi * lam
    return {
        "dx": es("ij,imt->jmt", p["Wax"], Z),
        "da0": p["Waa"].T @ Z[:, :, 0],
        "dWax": es("imt,jmt->ij", Z, x),
        "dWaa": es("imt,jmt->ij", Z, A_),
        "dba": Z.sum((1, 2))[:, None],
    }


def rnn_orbit(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    S = np.empty((N, T + 1, h0.shape[1]))
    S[:, 0] = h0
    for t in range(T):
        S[:, t + 1] = np.tanh(x[:, t] @ Wx + S[:, t] @ Wh + b)
    return S[:, 1:].copy(), (x, S, Wx, Wh)


@wrong(
    "rnn_backward",
    "the sub-diagonal block takes phi' of the earlier state",
    "from memory",
    convention="ntd",
    forward=rnn_orbit,
)
def block_bidiagonal_shifted(dh, cache):
    x, S, Wx, Wh = cache
    N, T, H = dh.shape
    D = 1 - S[:, 1:] ** 2
    L = np.zeros((N, T, H, T, H))
    for s in range(1, T):
        L[:, s, :, s - 1, :] = es("nh,kh->nhk", D[:, s - 1], Wh)
    M = np.eye(T * H) - L.reshape(N, T * H, T * H)
    lam = np.linalg.solve(M.transpose(0, 2, 1), dh.reshape(N, T * H, 1)).reshape(
        N, T, H
    )
    Z = D * lam
    return (
        Z @ Wx.T,
        Z[:, 0] @ Wh.T,
        es("ntd,nth->dh", x, Z),
        es("ntk,nth->kh", S[:, :-1], Z),
        Z.sum((0, 1)),
    )


@wrong(
    "rnn_backward",
    "da0 is the adjoint of the first state, not pulled through step 0",
    "from memory",
)
def initial_adjoint(da, caches):
    steps, x = caches
    Wax, Waa = steps[0][3]["Wax"], steps[0][3]["Waa"]
    phi, A_ = 1 - traj(steps, 0) ** 2, traj(steps, 1)
    lam = da.copy()
    for t in range(da.shape[2] - 2, -1, -1):
        lam[..., t] += Waa.T @ (phi[..., t + 1] * lam[..., t + 1])
    zb = phi * lam
    return dict(
        dx=np.tensordot(Wax, zb, (0, 0)),
        da0=lam[..., 0],
        dWax=np.tensordot(zb, x, ((1, 2), (1, 2))),
        dWaa=np.tensordot(zb, A_, ((1, 2), (1, 2))),
        dba=zb.sum((1, 2))[:, None],
    )


@wrong(
    "rnn_forward", "the observable is read off the state before the step", "from memory"
)
def observe_before_step(x, a0, parameters):
    Wax, Waa, Wya, ba, by = (parameters[k] for k in ("Wax", "Waa", "Wya", "ba", "by"))
    T = x.shape[2]
    S = np.zeros((*a0.shape, T + 1))
    S[..., 0] = a0
    drive = es("ij,jmt->imt", Wax, x) + ba[..., None]
    for t in range(T):
        S[..., t + 1] = np.tanh(drive[..., t] + Waa @ S[..., t])
    E = np.exp(es("ij,jmt->imt", Wya, S[..., :-1]) + by[..., None])
    steps = [(S[..., t + 1], S[..., t], x[..., t], parameters) for t in range(T)]
    return S[..., 1:], E / E.sum(0), (steps, x)


@wrong(
    "rnn_cell_backward",
    "sech^2 taken of a_next instead of the pre-activation",
    "from memory",
)
def sech_of_the_output(da_next, cache):
    a, a_, x, p = cache
    zbar = da_next / np.cosh(a) ** 2  # tanh' = sech^2
    W = np.hstack([p["Wax"], p["Waa"]])
    ubar = W.T @ zbar
    G = zbar @ np.vstack([x, a_]).T
    d = len(x)
    return {
        "dxt": ubar[:d],
        "da_prev": ubar[d:],
        "dWax": G[:, :d],
        "dWaa": G[:, d:],
        "dba": zbar @ np.ones((zbar.shape[1], 1)),
    }


@wrong(
    "rnn_backward",
    "a_prev by np.roll: the first step gets the last state and not a0",
    "from memory",
)
def periodic_boundary(da, caches):
    steps, x = caches
    A, p = traj(steps, 0), steps[0][-1]
    phi = 1 - A**2
    Z, carry = np.empty_like(da), 0.0
    for t in reversed(range(A.shape[-1])):
        Z[..., t] = phi[..., t] * (da[..., t] + carry)
        carry = p["Waa"].T @ Z[..., t]
    return {
        "dx": es("ij,imt->jmt", p["Wax"], Z),
        "da0": carry,
        "dWax": es("imt,jmt->ij", Z, x),
        "dWaa": es("imt,jmt->ij", Z, np.roll(A, 1, axis=-1)),
        "dba": es("imt->i", Z).reshape(-1, 1),
    }


@wrong(
    "rnn_backward",
    "dWh comes out transposed, and dh0 is pulled with Wh instead of its transpose",
    "from memory",
    convention="ntd",
    forward=rnn_orbit,
    tags="double",
)
def two_transposes(dh, cache):
    x, S, Wx, Wh = cache
    T = x.shape[1]
    Z = (1 - S[:, 1:] ** 2) * dh
    for t in range(T - 1, 0, -1):
        Z[:, t - 1] += (1 - S[:, t] ** 2) * (Z[:, t] @ Wh.T)
    return (
        es("nth,dh->ntd", Z, Wx),
        es("nh,hk->nk", Z[:, 0], Wh),
        es("ntd,nth->dh", x, Z),
        es("nth,ntk->hk", Z, S[:, :-1]),
        es("nth->h", Z),
    )


# ---------------------------------------------------------------- LSTM


@wrong(
    "lstm_cell_backward",
    "weights stacked f i o c against adjoints stacked f i c o",
    "from memory",
)
def stacking_mismatch(da_next, dc_next, cache):
    a, c, a_, c_, f, i, g, o, x, p = cache
    n, th = len(a), np.tanh(c)
    mu = dc_next + da_next * o * (1 - th**2)
    zbar = np.concatenate(
        [
            mu * c_ * f * (1 - f),
            mu * g * i * (1 - i),
            mu * i * (1 - g**2),
            da_next * th * o * (1 - o),
        ]
    )
    ubar = np.concatenate([p["W" + k] for k in "fioc"]).T @ zbar
    G, B = zbar @ np.concatenate([a_, x]).T, zbar.sum(1, keepdims=True)
    out = {"dxt": ubar[n:], "da_prev": ubar[:n], "dc_prev": f * mu}
    for k, rows in zip("fico", range(0, 4 * n, n)):
        out["dW" + k], out["db" + k] = G[rows : rows + n], B[rows : rows + n]
    return out


@wrong(
    "lstm_backward",
    "the adjoint of c_t decays by f_t instead of f_(t+1)",
    "from memory",
)
def forget_gate_of_the_same_time(da, caches):
    steps, x = caches
    p = steps[0][-1]
    A, C, A_, C_, F, I, G, O = (traj(steps, k) for k in range(8))
    n, m, T = da.shape
    U = np.concatenate([A_, x])
    W = np.concatenate([p["W" + k] for k in "fico"])
    th = np.tanh(C)
    # local derivatives: d c / d z_{f,i,c} and d a / d z_o
    Dc = np.concatenate([C_ * F * (1 - F), G * I * (1 - I), I * (1 - G**2)])
    Do = th * O * (1 - O)
    lam, mu = np.zeros((n, m, T + 1)), np.zeros((n, m, T + 1))
    Z, X = np.zeros((4 * n, m, T)), np.zeros_like(x)
    for t in range(T)[::-1]:
        ell = da[..., t] + lam[..., t + 1]
        mu[..., t] = (
            O[..., t] * (1 - th[..., t] ** 2) * ell + F[..., t] * mu[..., t + 1]
        )
        Z[..., t] = np.concatenate(
            [Dc[..., t] * np.tile(mu[..., t], (3, 1)), Do[..., t] * ell]
        )
        back = W.T @ Z[..., t]
        lam[..., t], X[..., t] = back[:n], back[n:]
    dW, db = es("imt,jmt->ij", Z, U), Z.sum((1, 2))[:, None]
    grads = {"dx": X, "da0": lam[..., 0]}
    for j, k in enumerate("fico"):
        grads |= {f"dW{k}": dW[j * n : j * n + n], f"db{k}": db[j * n : j * n + n]}
    return grads


@wrong(
    "lstm_backward",
    "the block da_next/dc_prev of the phase-space Jacobian is left zero",
    "from memory",
)
def missing_off_diagonal_block(da, caches):
    steps, x = caches
    n, m, T = da.shape
    s_bar = np.zeros((2 * n, m))
    dx = np.zeros_like(x)
    dW = {k: np.zeros_like(steps[0][-1]["W" + k]) for k in "fico"}
    db = {k: np.zeros((n, 1)) for k in "fico"}
    for t in range(T - 1, -1, -1):
        a, c, a_, c_, f, i, g, o, xt, p = steps[t]
        th = np.tanh(c)
        k_ = o * (1 - th**2)  # da/dc at the same instant
        dz = {"f": c_ * f * (1 - f), "i": g * i * (1 - i), "c": i * (1 - g * g)}
        Jca = sum(es("im,ij->ijm", dz[k], p["W" + k]) for k in "fic")
        Jca, Jcx = Jca[:, :n], Jca[:, n:]
        Jo = es("im,ij->ijm", th * o * (1 - o), p["Wo"])
        J = np.zeros((2 * n, 2 * n, m))
        J[:n, :n] = Jo[:, :n] + k_[:, None] * Jca
        J[n:, :n] = Jca
        J[n:, n:] = es("im,ij->ijm", f, np.eye(n))
        s_bar[:n] += da[:, :, t]
        lam, mu = s_bar[:n], s_bar[n:] + k_ * s_bar[:n]
        u = np.r_[a_, xt]
        for k in "fico":
            zb = lam * th * o * (1 - o) if k == "o" else mu * dz[k]
            dW[k] += zb @ u.T
            db[k] += zb.sum(1, keepdims=True)
        dx[:, :, t] = es("ijm,im->jm", Jo[:, n:], lam) + es("ijm,im->jm", Jcx, mu)
        s_bar = es("ijm,im->jm", J, s_bar)
    return {
        "dx": dx,
        "da0": s_bar[:n],
        **{"dW" + k: v for k, v in dW.items()},
        **{"db" + k: v for k, v in db.items()},
    }


def lstm_orbit(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    H = h0.shape[1]
    h, c = h0, np.zeros_like(h0)
    Hs, Cs, Gs = [h], [c], []
    for t in range(T):
        z = x[:, t] @ Wx + h @ Wh + b
        q = np.concatenate([sig(z[:, : 3 * H]), np.tanh(z[:, 3 * H :])], 1)
        i, f, o, g = np.split(q, 4, axis=1)
        c = f * c + i * g
        h = o * np.tanh(c)
        Hs, Cs, Gs = Hs + [h], Cs + [c], Gs + [q]
    Hs, Cs, Gs = (np.stack(v, 1) for v in (Hs, Cs, Gs))
    return Hs[:, 1:], {"x": x, "H": Hs, "C": Cs, "Q": Gs, "Wx": Wx, "Wh": Wh}


@wrong(
    "lstm_backward",
    "mu starts at zero again in every step: no adjoint of c flows through time",
    "from memory",
    convention="ntd",
    forward=lstm_orbit,
)
def mu_is_reset(dh, cache):
    x, Hs, Cs, Q, Wx, Wh = (cache[k] for k in ("x", "H", "C", "Q", "Wx", "Wh"))
    N, T, H = dh.shape
    lam, Zb = np.zeros((N, H)), np.empty((N, T, 4 * H))
    for t in range(T)[::-1]:
        mu = np.zeros((N, H))
        i, f, o, g = Q[:, t].reshape(N, 4, H).swapaxes(0, 1)
        th = np.tanh(Cs[:, t + 1])
        lam = lam + dh[:, t]
        mu = mu + lam * o * (1 - th**2)
        Zb[:, t] = np.concatenate(
            [
                mu * g * (i - i**2),
                mu * Cs[:, t] * (f - f**2),
                lam * th * (o - o**2),
                mu * i * (1 - g**2),
            ],
            1,
        )
        lam, mu = Zb[:, t] @ Wh.T, mu * f
    return (
        Zb @ Wx.T,
        lam,
        es("ntd,ntk->dk", x, Zb),
        es("nth,ntk->hk", Hs[:, :-1], Zb),
        es("ntk->k", Zb),
    )


@wrong("lstm_cell_forward", "rows stacked f i c o are read as f i o c", "from memory")
def wrong_row_order(xt, a_prev, c_prev, parameters):
    n = len(a_prev)
    W = np.concatenate([parameters["W" + k] for k in "fico"])
    b = np.concatenate([parameters["b" + k] for k in "fico"])
    z = W @ np.concatenate([a_prev, xt]) + b
    f, i, o = sig(z[: 3 * n]).reshape(3, n, -1)
    g = np.tanh(z[3 * n :])
    c = f * c_prev + i * g
    a = o * np.tanh(c)
    e = np.exp(parameters["Wy"] @ a + parameters["by"])
    return a, c, e / e.sum(0), (a, c, a_prev, c_prev, f, i, g, o, xt, parameters)


def lstm_map(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    z = x @ Wx + prev_h @ Wh + b
    i, f, o = sig(z[:, :H]), sig(z[:, H : 2 * H]), sig(z[:, 2 * H : 3 * H])
    g = np.tanh(z[:, 3 * H :])
    c = f * prev_c + i * g
    return o * np.tanh(c), c, (x, prev_h, prev_c, Wx, Wh, z, (i, f, o, g), c)


@wrong(
    "lstm_cell_backward",
    "logistic derivative written s(1-s) with the pre-activation for s",
    "from memory",
    convention="ntd",
    forward=lstm_map,
)
def logistic_of_z(dnext_h, dnext_c, cache):
    x, h_, c_, Wx, Wh, z, (i, f, o, g), c = cache
    H = h_.shape[1]
    th = np.tanh(c)
    mu = dnext_c + o * (1 - th**2) * dnext_h
    ybar = np.concatenate(
        [mu * g, mu * c_, dnext_h * th, mu * i], 1
    )  # adjoint of (i, f, o, g)
    s = z[:, : 3 * H]
    Dz = np.concatenate([s * (1 - s), 1 - g**2], 1)
    zbar = Dz * ybar
    return zbar @ Wx.T, zbar @ Wh.T, f * mu, x.T @ zbar, h_.T @ zbar, zbar.sum(0)


@wrong(
    "lstm_backward",
    "adjoint of o multiplied by c and not tanh c; mu handed on through i instead of f",
    "from memory",
    tags="double",
)
def output_gate_and_carry(da, caches):
    steps, x = caches
    p, (n, m, T) = steps[0][-1], da.shape
    Wa = np.stack([p["W" + k][:, :n] for k in "fico"])
    Wu = np.stack([p["W" + k][:, n:] for k in "fico"])
    lam = mu = np.zeros((n, m))
    Zb = np.empty((4, n, m, T))
    for t, (_, c, _, c_, f, i, g, o, *_) in reversed(list(enumerate(steps))):
        lam = lam + da[:, :, t]
        mu = mu + lam * o / np.cosh(c) ** 2
        Zb[..., t] = (
            mu * c_ * f * (1 - f),
            mu * g * i * (1 - i),
            mu * i * (1 - g**2),
            lam * c * o * (1 - o),
        )
        lam, mu = es("kij,kim->jm", Wa, Zb[..., t]), i * mu
    A_ = traj(steps, 2)
    dW = np.concatenate([es("kimt,jmt->kij", Zb, A_), es("kimt,jmt->kij", Zb, x)], 2)
    db = es("kimt->ki", Zb)[..., None]
    return {
        "dx": es("kij,kimt->jmt", Wu, Zb),
        "da0": lam,
        **{"dW" + k: dW[j] for j, k in enumerate("fico")},
        **{"db" + k: db[j] for j, k in enumerate("fico")},
    }


# ---------------------------------------------------------------- GRU


def gru_map(x, h, Wx, Wh, b):
    n = h.shape[1]
    q = sig(x @ Wx[:, : 2 * n] + h @ Wh[:, : 2 * n] + b[: 2 * n])
    r, z = q[:, :n], q[:, n:]
    y = np.tanh(x @ Wx[:, 2 * n :] + (r * h) @ Wh[:, 2 * n :] + b[2 * n :])
    return y + z * (h - y), (x, h, Wx, Wh, r, z, y)


@wrong(
    "gru_cell_backward",
    "the candidate's path to h_prev lacks the factor r",
    "from memory",
    convention="ntd",
    forward=gru_map,
)
def reset_factor_dropped(dnext_h, cache):
    x, h, Wx, Wh, r, z, y = cache
    Ur, Uz, Uy = np.split(Wh, 3, axis=1)
    lam = dnext_h
    yb = lam * (1 - z) * (1 - y**2)
    q = yb @ Uy.T  # adjoint of r*h
    rb = q * h * r * (1 - r)
    zb = lam * (h - y) * z * (1 - z)
    lam_ = z * lam + rb @ Ur.T + zb @ Uz.T + q
    K = np.hstack([rb, zb, yb])
    return (
        K @ Wx.T,
        lam_,
        x.T @ K,
        np.hstack([h.T @ rb, h.T @ zb, (r * h).T @ yb]),
        K.sum(0),
    )


def gru_orbit(x, h0, Wx, Wh, b):
    T = x.shape[1]
    S, R, Z, Y = [h0], [], [], []
    for t in range(T):
        h, (*_, r, z, y) = gru_map(x[:, t], S[-1], Wx, Wh, b)
        S.append(h)
        R.append(r)
        Z.append(z)
        Y.append(y)
    S, R, Z, Y = (np.stack(v, axis=1) for v in (S, R, Z, Y))
    return S[:, 1:], (x, S, R, Z, Y, Wx, Wh)


@wrong(
    "gru_backward",
    "the direct path hands on (1-z) lam where h' = (1-z) y + z h",
    "from memory",
    convention="ntd",
    forward=gru_orbit,
)
def other_convex_combination(dh, cache):
    x, S, R, Z, Y, Wx, Wh = cache
    H_, n = S[:, :-1], dh.shape[2]
    Cz, Cy, Cr = (H_ - Y) * Z * (1 - Z), (1 - Z) * (1 - Y**2), H_ * R * (1 - R)
    K, lam = np.empty((*dh.shape[:2], 3 * n)), np.zeros_like(dh[:, 0])
    for t in reversed(range(dh.shape[1])):
        lam = lam + dh[:, t]
        zb, yb = Cz[:, t] * lam, Cy[:, t] * lam
        q = yb @ Wh[:, 2 * n :].T
        rb = Cr[:, t] * q
        K[:, t] = np.hstack([rb, zb, yb])
        lam = (1 - Z[:, t]) * lam + R[:, t] * q + K[:, t, : 2 * n] @ Wh[:, : 2 * n].T
    dWh = np.hstack(
        [
            es("nti,ntk->ik", H_, K[..., : 2 * n]),
            es("nti,ntk->ik", R * H_, K[..., 2 * n :]),
        ]
    )
    return K @ Wx.T, lam, es("nti,ntk->ik", x, K), dWh, K.sum((0, 1))


@wrong(
    "gru_backward",
    "the update gate's adjoint uses h_t - y_t instead of h_(t-1) - y_t",
    "from memory",
    convention="ntd",
    forward=gru_orbit,
)
def update_gate_one_late(dh, cache):
    x, S, R, Z, Y, Wx, Wh = cache
    N, T, n = dh.shape
    U = Wh.reshape(n, 3, n)
    lam = np.zeros((T + 1, N, n))
    dx, dWx, dU, db = (
        np.empty_like(x),
        np.zeros_like(Wx),
        np.zeros_like(U),
        np.zeros(3 * n),
    )
    for t in range(T, 0, -1):
        h, h_, r, z, y = S[:, t], S[:, t - 1], R[:, t - 1], Z[:, t - 1], Y[:, t - 1]
        lam[t] += dh[:, t - 1]
        yb = (1 - z) * lam[t] * (1 - y * y)
        zb = (h - y) * lam[t] * z * (1 - z)
        q = es("nk,ik->ni", yb, U[:, 2])
        rb = q * h_ * r * (1 - r)
        lam[t - 1] = (
            lam[t] * z
            + q * r
            + es("nk,ik->ni", rb, U[:, 0])
            + es("nk,ik->ni", zb, U[:, 1])
        )
        k = np.concatenate([rb, zb, yb], axis=1)
        dx[:, t - 1] = k @ Wx.T
        dWx += x[:, t - 1].T @ k
        dU += np.stack([h_.T @ rb, h_.T @ zb, (r * h_).T @ yb], axis=1)
        db += k.sum(0)
    return dx, lam[0], dWx, dU.reshape(n, 3 * n), db


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "one-hot reshaped into (y, m, T) where its axes should be moved",
    "from memory",
)
def reshaped_delta(y_pred, labels, a, parameters):
    ny, m, T = y_pred.shape
    delta = np.eye(ny)[labels].reshape(ny, m, T)  # Kronecker delta
    pbar = -delta / y_pred / (m * T)
    J = es("imt,ij->ijmt", y_pred, np.eye(ny)) - es("imt,jmt->ijmt", y_pred, y_pred)
    zbar = es("ijmt,imt->jmt", J, pbar)
    return {
        "da": es("ya,ymt->amt", parameters["Wya"], zbar),
        "dWya": es("ymt,amt->ya", zbar, a),
        "dby": es("ymt->y", zbar)[:, None],
    }


# ---------------------------------------------------------------- right


@right("lstm_backward", "Jacobians of the cell by complex step, then adjoint recursion")
def complex_step_adjoint(da, caches):
    steps, x = caches
    n, m, T = da.shape
    p = steps[0][-1]
    W = np.concatenate([p["W" + k] for k in "fico"])
    b = np.concatenate([p["b" + k] for k in "fico"])
    eps = 1e-30

    def Phi(z, c):  # (4n, m), (n, m) -> (2n, m)
        f, i, o = sig(z[:n]), sig(z[n : 2 * n]), sig(z[3 * n :])
        c = f * c + i * np.tanh(z[2 * n : 3 * n])
        return np.concatenate([o * np.tanh(c), c])

    s = np.zeros((2 * n, m))
    Z, dx = np.empty((4 * n, m, T)), np.empty_like(x)
    for t in range(T - 1, -1, -1):
        a_, c_ = steps[t][2], steps[t][3]
        v = np.concatenate([W @ np.concatenate([a_, x[..., t]]) + b, c_]).astype(
            complex
        )
        s[:n] += da[..., t]
        vbar = np.empty((5 * n, m))
        for j in range(5 * n):
            w = v.copy()
            w[j] += 1j * eps
            vbar[j] = (Phi(w[: 4 * n], w[4 * n :]).imag / eps * s).sum(0)
        Z[..., t] = vbar[: 4 * n]
        ubar = W.T @ Z[..., t]
        dx[..., t] = ubar[n:]
        s = np.concatenate([ubar[:n], vbar[4 * n :]])
    dW = es("imt,jmt->ij", Z, np.concatenate([traj(steps, 2), x]))
    db = Z.sum((1, 2))[:, None]
    cut = {k: slice(j * n, j * n + n) for j, k in enumerate("fico")}
    return {
        "dx": dx,
        "da0": s[:n],
        **{"dW" + k: dW[r] for k, r in cut.items()},
        **{"db" + k: db[r] for k, r in cut.items()},
    }


@right("rnn_backward", "one linear solve with the transposed block-bidiagonal matrix")
def global_adjoint_solve(da, caches):
    steps, x = caches
    p, (n, m, T) = steps[0][-1], da.shape
    phi = 1 - traj(steps, 0) ** 2
    J = es("imt,ij->mtij", phi, p["Waa"])
    M = np.tile(np.eye(T * n), (m, 1, 1)).reshape(m, T, n, T, n)
    for t in range(1, T):
        M[:, t, :, t - 1] -= J[:, t]
    rhs = da.transpose(1, 2, 0).reshape(m, T * n, 1)
    lam = np.linalg.solve(M.reshape(m, T * n, T * n).swapaxes(1, 2), rhs)
    Z = phi * lam.reshape(m, T, n).transpose(2, 0, 1)
    return {
        "dx": es("ij,imt->jmt", p["Wax"], Z),
        "da0": p["Waa"].T @ Z[..., 0],
        "dWax": es("imt,jmt->ij", Z, x),
        "dWaa": es("imt,jmt->ij", Z, traj(steps, 1)),
        "dba": es("imt->i", Z)[:, None],
    }


@right(
    "gru_cell_backward",
    "the three adjoints as one tensor, contracted with einsum",
    convention="ntd",
    forward=gru_map,
)
def gru_in_one_tensor(dnext_h, cache):
    x, h, Wx, Wh, r, z, y = cache
    N, n = h.shape
    U = Wh.reshape(n, 3, n)
    K = np.empty((N, 3, n))
    K[:, 2] = dnext_h * (1 - z) * (1 - y**2)
    K[:, 1] = dnext_h * (h - y) * z * (1 - z)
    K[:, 0] = es("nk,ik->ni", K[:, 2], U[:, 2]) * h * r * (1 - r)
    B = np.stack([h, h, r * h], 1)  # what each block of Wh acts on
    scale = np.stack([np.ones_like(r), np.ones_like(r), r], 1)
    lam_ = dnext_h * z + es("ngk,igk,ngi->ni", K, U, scale)
    flat = K.reshape(N, 3 * n)
    return (
        flat @ Wx.T,
        lam_,
        x.T @ flat,
        es("ngi,ngk->igk", B, K).reshape(n, 3 * n),
        flat.sum(0),
    )
