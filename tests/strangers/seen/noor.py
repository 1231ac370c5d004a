"""Noor: twenty years of optimal control. Costates lam (of the state) and mu (of the memory), one stacked weight."""

import numpy as np
from strangers.made import right, wrong


def sig(s):
    return 1.0 / (1.0 + np.exp(-s))


def softmax(s):
    e = np.exp(s - s.max(axis=0))
    return e / e.sum(axis=0)


def stacked(p):
    """[Wf; Wi; Wc; Wo], acting on the augmented vector [a_prev; xt]."""
    return np.vstack([p["Wf"], p["Wi"], p["Wc"], p["Wo"]])


def plant(p):
    """State and input matrix side by side: a+ = tanh(M [a; u] + ba)."""
    return np.hstack([p["Waa"], p["Wax"]])


# ---------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_backward",
    "tanh is linearised about the previous state: 1 - a_prev**2",
    "from memory: in a linearisation A = df/dx at x_k, so x_k = a_prev went in",
)
def rnn_jacobian_point(lam, cache):
    a_plus, a, u, p = cache
    n = a.shape[0]
    sigma = lam * (1.0 - np.square(a))
    down = plant(p).T @ sigma
    G = sigma @ np.vstack([a, u]).T
    return {
        "dxt": down[n:],
        "da_prev": down[:n],
        "dWax": G[:, n:],
        "dWaa": G[:, :n],
        "dba": sigma.sum(axis=1, keepdims=True),
    }


@wrong(
    "rnn_backward",
    "dWaa takes the costate before it has passed the tanh",
    "from memory: the sensitivity of a linear system is lam a', and it was left so for Waa",
    step=-1,
)
def rnn_linear_sensitivity(da, caches):
    memo, x = caches
    p = memo[0][3]
    A, B = p["Waa"], p["Wax"]
    dA, dB, db = np.zeros_like(A), np.zeros_like(B), np.zeros_like(p["ba"])
    dx = np.empty(x.shape)
    lam = np.zeros(da.shape[:2])
    for k in range(len(memo) - 1, -1, -1):
        a_plus, a, u, _ = memo[k]
        lam = lam + da[..., k]
        sigma = (1 - a_plus**2) * lam
        dA += lam @ a.T
        dB += sigma @ u.T
        db += sigma.sum(1, keepdims=True)
        dx[..., k] = B.T @ sigma
        lam = A.T @ sigma
    return {"dx": dx, "da0": lam, "dWax": dB, "dWaa": dA, "dba": db}


@wrong(
    "rnn_cell_forward",
    "the output equation reads the state before tanh",
    "from memory: y = C s + d was written under the line of s",
)
def rnn_output_of_s(xt, a_prev, parameters):
    s = plant(parameters) @ np.vstack([a_prev, xt]) + parameters["ba"]
    y = softmax(parameters["Wya"] @ s + parameters["by"])
    a_plus = np.tanh(s)
    return a_plus, y, (a_plus, a_prev, xt, parameters)


@wrong(
    "rnn_backward",
    "da of the last step is counted twice (terminal condition and running cost), and dba is a mean over the batch",
    "from memory: lam(T) = dphi/dx is the terminal condition, and the loop then adds the running cost of T again",
    tags="double",
)
def rnn_terminal_cost(da, caches):
    memo, x = caches
    N = x.shape[2]
    p = memo[0][3]
    n = p["Waa"].shape[0]
    M = plant(p)
    dM = np.zeros_like(M)
    dba = np.zeros((n, 1))
    dx = np.zeros_like(x)
    lam = da[:, :, N - 1].copy()
    for k in reversed(range(N)):
        a_plus, a, u, _ = memo[k]
        sigma = (da[:, :, k] + lam) * (1 - a_plus * a_plus)
        dM += sigma @ np.vstack((a, u)).T
        dba += sigma.mean(axis=1, keepdims=True)
        back = M.T @ sigma
        lam, dx[:, :, k] = back[:n], back[n:]
    return {"dx": dx, "da0": lam, "dWax": dM[:, n:], "dWaa": dM[:, :n], "dba": dba}


def rnn_rollout(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    traj = [h0]
    for k in range(T):
        traj.append(np.tanh(traj[-1] @ Wh + x[:, k] @ Wx + b))
    H = np.stack(traj, axis=1)  # k = 0 .. T
    return H[:, 1:], {"H": H, "u": x, "A": Wh, "B": Wx}


@wrong(
    "rnn_backward",
    "the costate goes back through Wh and not through its transpose",
    "from memory: here the rows are the states, so the transpose of the column notation was taken once more",
    convention="ntd",
    forward=rnn_rollout,
)
def rnn_row_costate(dh, cache):
    H, u, A, B = cache["H"], cache["u"], cache["A"], cache["B"]
    T = u.shape[1]
    S = np.zeros_like(dh)
    lam = np.zeros_like(H[:, 0])
    for k in range(T)[::-1]:
        S[:, k] = (lam + dh[:, k]) * (1 - H[:, k + 1] ** 2)
        lam = S[:, k] @ A
    dWx = np.einsum("nki,nkj->ij", u, S)
    dWh = np.einsum("nki,nkj->ij", H[:, :-1], S)
    return S @ B.T, lam, dWx, dWh, S.sum(axis=(0, 1))


# ---------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "the stacked gradient is f, i, c, o, and is split as f, i, o, c: dWo, dbo and dWc, dbc change places",
    "from memory: the lecture lists the gates as f, i, o and then the candidate",
)
def lstm_split_order(lam, mu, cache):
    a_next, c_next, a_prev, c_prev, f, i, g, o, u, p = cache
    n = a_prev.shape[0]
    w = np.tanh(c_next)
    mu = mu + lam * o * (1 - w * w)
    D = np.vstack(
        [
            mu * c_prev * f * (1 - f),
            mu * g * i * (1 - i),
            mu * i * (1 - g * g),
            lam * w * o * (1 - o),
        ]
    )
    back = stacked(p).T @ D
    dWf, dWi, dWo, dWc = np.vsplit(D @ np.vstack([a_prev, u]).T, 4)
    dbf, dbi, dbo, dbc = np.vsplit(D.sum(axis=1, keepdims=True), 4)
    return {
        "dxt": back[n:],
        "da_prev": back[:n],
        "dc_prev": mu * f,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


@wrong(
    "lstm_backward",
    "the costate of the memory is carried by the forget gate of its own step and not of the step after",
    "from memory: mu_k = f_{k+1} mu_{k+1} + ..., and the loop has only f_k at hand",
)
def lstm_forget_index(da, caches):
    memo, x = caches
    p = memo[0][-1]
    n, m, T = da.shape
    W = stacked(p)
    dW, db = np.zeros_like(W), np.zeros((4 * n, 1))
    dx = np.zeros_like(x)
    lam, mu = np.zeros((n, m)), np.zeros((n, m))
    for k in reversed(range(T)):
        _, c_next, a_prev, c_prev, f, i, g, o, u, _ = memo[k]
        w = np.tanh(c_next)
        lam = lam + da[:, :, k]
        mu = f * mu + lam * o * (1 - w**2)
        D = np.vstack(
            [
                mu * c_prev * f * (1 - f),
                mu * g * i * (1 - i),
                mu * i * (1 - g**2),
                lam * w * o * (1 - o),
            ]
        )
        dW += D @ np.vstack([a_prev, u]).T
        db += D.sum(1, keepdims=True)
        back = W.T @ D
        lam = back[:n]
        dx[:, :, k] = back[n:]
    out = {"dx": dx, "da0": lam}
    for q, name in enumerate("fico"):
        out["dW" + name] = dW[q * n : (q + 1) * n]
        out["db" + name] = db[q * n : (q + 1) * n]
    return out


def lstm_plant(u, h, c, Wx, Wh, b):
    n = h.shape[1]
    S = np.hstack([h, u]) @ np.vstack([Wh, Wx]) + b
    G = np.hstack([sig(S[:, : 3 * n]), np.tanh(S[:, 3 * n :])])
    i, f, o, g = np.hsplit(G, 4)
    c_plus = f * c + i * g
    return o * np.tanh(c_plus), c_plus, (u, h, c, c_plus, G, np.vstack([Wh, Wx]))


def lstm_rollout(x, h0, Wx, Wh, b):
    h, c = h0, np.zeros_like(h0)
    hs, memo = [], []
    for k in range(x.shape[1]):
        h, c, mem = lstm_plant(x[:, k], h, c, Wx, Wh, b)
        hs.append(h)
        memo.append(mem)
    return np.stack(hs, axis=1), memo


@wrong(
    "lstm_cell_backward",
    "do is measured on c and not on tanh(c), and dprev_c carries dnext_c alone, without the path through h",
    "from memory: the memory's equation was taken for a subsystem of its own",
    tags="double",
    convention="ntd",
    forward=lstm_plant,
)
def lstm_decoupled(lam, mu, cache):
    u, h, c, c_plus, G, W = cache
    n = h.shape[1]
    i, f, o, g = np.hsplit(G, 4)
    total = mu + lam * o / np.cosh(c_plus) ** 2
    D = np.hstack(
        [
            total * g * i * (1 - i),
            total * c * f * (1 - f),
            lam * c_plus * o * (1 - o),
            total * i * (1 - g**2),
        ]
    )
    back = D @ W.T
    dW = np.hstack([h, u]).T @ D
    return back[:, n:], back[:, :n], mu * f, dW[n:], dW[:n], D.sum(0)


@wrong(
    "lstm_backward",
    "the derivative of the sigmoid is taken of all four blocks, of the candidate's tanh too",
    "from memory: one stacked vector, one line for the nonlinearity",
    convention="ntd",
    forward=lstm_rollout,
    step=-1,
)
def lstm_one_nonlinearity(dh, memo):
    N, T, n = dh.shape
    W = memo[0][-1]
    dW, db = np.zeros(W.shape), np.zeros(W.shape[1])
    lam = np.zeros((N, n))
    mu = np.zeros((N, n))
    dx = []
    for k in range(T - 1, -1, -1):
        u, h, c, c_plus, G, _ = memo[k]
        i, f, o, g = np.hsplit(G, 4)
        w = np.tanh(c_plus)
        lam = lam + dh[:, k]
        mu = mu + lam * o * (1 - w**2)
        D = np.hstack([mu * g, mu * c, lam * w, mu * i]) * G * (1 - G)
        dW += np.hstack([h, u]).T @ D
        db += D.sum(axis=0)
        back = D @ W.T
        lam, mu = back[:, :n], mu * f
        dx.insert(0, back[:, n:])
    return np.stack(dx, axis=1), lam, dW[n:], dW[:n], db


@wrong(
    "lstm_forward",
    "c is logged before the update: c[:, :, t] is the memory that goes into step t",
    "from memory: in a simulation the log line stands at the head of the loop",
)
def lstm_logs_before(x, a0, parameters):
    p = parameters
    n, m = a0.shape
    T = x.shape[2]
    W = stacked(p)
    bias = np.vstack([p["bf"], p["bi"], p["bc"], p["bo"]])
    a_log, c_log = np.zeros((n, m, T)), np.zeros((n, m, T))
    y_log = np.zeros((p["Wy"].shape[0], m, T))
    memo = []
    a, c = a0, np.zeros((n, m))
    for k in range(T):
        c_log[:, :, k] = c
        s = np.vsplit(W @ np.vstack([a, x[:, :, k]]) + bias, 4)
        f, i, g, o = sig(s[0]), sig(s[1]), np.tanh(s[2]), sig(s[3])
        c_plus = f * c + i * g
        a_plus = o * np.tanh(c_plus)
        memo.append((a_plus, c_plus, a, c, f, i, g, o, x[:, :, k], p))
        a, c = a_plus, c_plus
        a_log[:, :, k] = a
        y_log[:, :, k] = softmax(p["Wy"] @ a + p["by"])
    return a_log, y_log, c_log, (memo, x)


@wrong(
    "lstm_cell_forward",
    "the memory is a low-pass: c_next = ft c_prev + (1 - ft) cct, the input gate does not come in",
    "from memory: a first-order filter with a variable time constant",
)
def lstm_low_pass(xt, a_prev, c_prev, parameters):
    p = parameters
    z = np.vstack([a_prev, xt])
    bias = np.vstack([p["bf"], p["bi"], p["bc"], p["bo"]])
    s_f, s_i, s_g, s_o = np.vsplit(stacked(p) @ z + bias, 4)
    f, i, o = map(sig, (s_f, s_i, s_o))
    g = np.tanh(s_g)
    c_next = f * c_prev + (1 - f) * g
    a_next = o * np.tanh(c_next)
    y = softmax(p["Wy"] @ a_next + p["by"])
    return a_next, c_next, y, (a_next, c_next, a_prev, c_prev, f, i, g, o, xt, p)


@right(
    "lstm_backward",
    "costates of all steps are kept first, then one product over the stacked trajectory gives all weights",
)
def lstm_two_sweeps(da, caches):
    memo, x = caches
    p = memo[-1][-1]
    n, m, T = da.shape
    W = stacked(p)
    D = np.zeros((T, 4 * n, m))
    lam = mu = np.zeros((n, m))
    for k in range(T - 1, -1, -1):
        a_next, c_next, _, c_prev, f, i, g, o, _, _ = memo[k]
        lam = lam + da[:, :, k]
        w = np.tanh(c_next)
        mu = mu + lam * (o - a_next * w)
        D[k] = np.vstack(
            [
                mu * c_prev * (f - f * f),
                mu * g * (i - i * i),
                mu * i * (1 - g * g),
                lam * a_next * (1 - o),
            ]
        )
        lam, mu = W[:, :n].T @ D[k], f * mu
    Z = np.stack([np.vstack([mem[2], mem[8]]) for mem in memo])
    dW = np.tensordot(D, Z, axes=([0, 2], [0, 2]))
    db = D.sum(axis=(0, 2))[:, None]
    found = {"dx": np.moveaxis(W[:, n:].T @ D, 0, -1), "da0": lam}
    for name, w_block, b_block in zip("fico", np.vsplit(dW, 4), np.vsplit(db, 4)):
        found |= {f"dW{name}": w_block, f"db{name}": b_block}
    return found


# ---------------------------------------------------------------- gru


def gru_plant(u, h, Wx, Wh, b):
    n = h.shape[1]
    rz = sig(u @ Wx[:, : 2 * n] + h @ Wh[:, : 2 * n] + b[: 2 * n])
    r, z = np.hsplit(rz, 2)
    nu = np.tanh(u @ Wx[:, 2 * n :] + (r * h) @ Wh[:, 2 * n :] + b[2 * n :])
    return nu + z * (h - nu), (u, h, r, z, nu, Wx, Wh)


def gru_rollout(x, h0, Wx, Wh, b):
    h, hs, memo = h0, [], []
    for k in range(x.shape[1]):
        h, mem = gru_plant(x[:, k], h, Wx, Wh, b)
        hs.append(h)
        memo.append(mem)
    return np.stack(hs, 1), memo


@wrong(
    "gru_cell_backward",
    "the sign of the update gate's gradient: n - h_prev for h_prev - n",
    "from memory: target minus actual value, as in every controller",
    convention="ntd",
    forward=gru_plant,
)
def gru_control_error(lam, cache):
    u, h, r, z, nu, Wx, Wh = cache
    n = h.shape[1]
    s_n = lam * (1 - z) * (1 - nu**2)
    s_z = lam * (nu - h) * z * (1 - z)
    rho = s_n @ Wh[:, 2 * n :].T
    s_r = rho * h * r * (1 - r)
    S = np.hstack([s_r, s_z, s_n])
    dh = lam * z + rho * r + S[:, : 2 * n] @ Wh[:, : 2 * n].T
    dWh = np.hstack([h.T @ S[:, : 2 * n], (r * h).T @ s_n])
    return S @ Wx.T, dh, u.T @ S, dWh, S.sum(axis=0)


@wrong(
    "gru_backward",
    "the candidate's columns of dWh are made with h_prev and not with r * h_prev",
    "from memory: one product for the three stacked gates",
    convention="ntd",
    forward=gru_rollout,
    step=-1,
)
def gru_stacked_product(dh, memo):
    N, T, n = dh.shape
    Wx, Wh = memo[0][-2:]
    dM = np.zeros((Wh.shape[0] + Wx.shape[0], 3 * n))
    db = np.zeros(3 * n)
    dx = np.zeros((N, T, Wx.shape[0]))
    lam = np.zeros((N, n))
    for k in reversed(range(T)):
        u, h, r, z, nu, _, _ = memo[k]
        lam = lam + dh[:, k]
        s_n = lam * (1 - z) * (1 - nu**2)
        s_z = lam * (h - nu) * z * (1 - z)
        rho = s_n @ Wh[:, 2 * n :].T
        S = np.hstack([rho * h * r * (1 - r), s_z, s_n])
        dM += np.hstack([h, u]).T @ S
        db += S.sum(0)
        dx[:, k] = S @ Wx.T
        lam = z * lam + r * rho + S[:, : 2 * n] @ Wh[:, : 2 * n].T
    return dx, lam, dM[n:], dM[:n], db


@wrong(
    "gru_backward",
    "the direct way to h_prev is weighted with 1 - z, and dWx is made with the input of the step before",
    "from memory: x_k = f(x_{k-1}, u_{k-1}), and the filter as (1 - alpha) old + alpha new",
    tags="double time",
    convention="ntd",
    forward=gru_rollout,
)
def gru_delayed_input(dh, memo):
    N, T, n = dh.shape
    Wx, Wh = memo[0][-2:]
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * n)
    dx = np.zeros((N, T, len(Wx)))
    lam = np.zeros((N, n))
    for k in range(T - 1, -1, -1):
        u_before = memo[k - 1][0]
        _, h, r, z, nu, _, _ = memo[k]
        lam = lam + dh[:, k]
        s_n = lam * (1 - z) * (1 - nu**2)
        rho = s_n @ Wh[:, 2 * n :].T
        s_r = rho * h * r * (1 - r)
        s_z = lam * (h - nu) * z * (1 - z)
        S = np.hstack([s_r, s_z, s_n])
        dWx += u_before.T @ S
        dWh += np.hstack([h.T @ s_r, h.T @ s_z, (r * h).T @ s_n])
        db += S.sum(axis=0)
        dx[:, k] = S @ Wx.T
        lam = (1 - z) * lam + r * rho + np.hstack([s_r, s_z]) @ Wh[:, : 2 * n].T
    return dx, lam, dWx, dWh, db


@right(
    "gru_backward",
    "the full Jacobian of each step is built for each sample, and the costate is multiplied by it",
    convention="ntd",
    forward=gru_rollout,
)
def gru_jacobians(dh, memo):
    N, T, n = dh.shape
    Wx, Wh = memo[0][-2:]
    Ar, Az, An = np.hsplit(Wh, 3)
    Br, Bz, Bn = np.hsplit(Wx, 3)
    dx = np.zeros((N, T, len(Wx)))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * n)
    dh0 = np.zeros((N, n))
    for s in range(N):
        lam = np.zeros(n)
        for k in range(T)[::-1]:
            u, h, r, z, nu = (q[s] for q in memo[k][:5])
            kr, kz, kn = r * (1 - r), z * (1 - z), 1 - nu * nu
            Jr, Jz = Ar * kr, Az * kz  # d r_j / d h_i
            Jn = (r[:, None] * An + (Jr * h) @ An) * kn
            J = Jn * (1 - z) + Jz * (h - nu) + np.diag(z)
            lam = lam + dh[s, k]
            pn = lam * (1 - z) * kn
            pr = (An @ pn) * h * kr
            pz = lam * (h - nu) * kz
            P = np.concatenate([pr, pz, pn])
            dWx += np.outer(u, P)
            dWh += np.hstack([np.outer(h, pr), np.outer(h, pz), np.outer(r * h, pn)])
            db += P
            dx[s, k] = Br @ pr + Bz @ pz + Bn @ pn
            lam = J @ lam
        dh0[s] = lam
    return dx, dh0, dWx, dWh, db


# ---------------------------------------------------------------- output equation


@wrong(
    "readout_backward",
    "the numbers are right, but y_pred is changed in place: the innovation is the same array",
    "from memory",
    words="y_pred&(?i)place|chang|modif|overw|written",
    tags="view",
)
def readout_innovation(y_pred, labels, a, parameters):
    m, T = labels.shape
    e = y_pred
    rows, cols = np.indices((m, T))
    e[labels, rows, cols] -= 1.0
    e /= m * T
    return {
        "da": np.tensordot(parameters["Wya"].T, e, axes=1),
        "dWya": np.tensordot(e, a, axes=([1, 2], [1, 2])),
        "dby": e.sum(axis=(1, 2))[:, None],
    }
