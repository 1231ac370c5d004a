"""Henrike, physicist. Greek letters for what goes into a gate, deltas for derivatives, a factor for every leg of the diagram."""

import numpy as np
from strangers.made import right, wrong

T_ = np.transpose


def theta(u):
    return 1.0 / (1.0 + np.exp(-u))


def dtheta(s):
    """derivative of the logistic function, given its value"""
    return s * (1 - s)


def dtanh(s):
    return 1 - s**2


# --- a_i^t = tanh(Wax_ik x_k^t + Waa_ij a_j^{t-1} + ba_i)


@wrong(
    "rnn_backward",
    "the state a^{t-1} enters the slope: the index of the tanh is one too low",
    "from memory",
    step=-1,
)
def slope_index_low(da, caches):
    chain, x = caches
    _, _, _, p = chain[0]
    Waa, Wax = p["Waa"], p["Wax"]
    lam = np.zeros(da.shape[:2])  # the costate
    out = {"dx": np.zeros_like(x), "dWax": 0 * Wax, "dWaa": 0 * Waa, "dba": 0 * p["ba"]}
    for t in range(da.shape[2])[::-1]:
        _, a_tm1, x_t, _ = chain[t]
        delta = (da[:, :, t] + lam) * dtanh(a_tm1)
        out["dx"][:, :, t] = Wax.T @ delta
        out["dWax"] += delta @ x_t.T
        out["dWaa"] += delta @ a_tm1.T
        out["dba"] += delta.sum(1)[:, None]
        lam = Waa.T @ delta
    out["da0"] = lam
    return out


@wrong(
    "rnn_backward",
    "truncated without being meant: what comes back through Waa is the delta of the local source only, not the whole one",
    "from memory",
    step=-3,
)
def chain_of_one_link(da, caches):
    chain, x = caches
    p = chain[0][3]
    Waa, Wax = p["Waa"], p["Wax"]
    T = da.shape[2]
    # delta^t = (source^t + Waa^T source'^{t+1}) (1 - a_t^2)
    source = np.stack([da[:, :, t] * dtanh(chain[t][0]) for t in range(T)], axis=2)
    out = {"dx": np.zeros_like(x), "dWax": 0 * Wax, "dWaa": 0 * Waa, "dba": 0 * p["ba"]}
    for t in range(T):
        a_t, a_tm1, x_t, _ = chain[t]
        delta = source[:, :, t].copy()
        if t + 1 < T:
            delta += (Waa.T @ source[:, :, t + 1]) * dtanh(a_t)
        out["dx"][:, :, t] = Wax.T @ delta
        out["dWax"] += delta @ x_t.T
        out["dWaa"] += delta @ a_tm1.T
        out["dba"] += delta.sum(1)[:, None]
        if t == 0:
            out["da0"] = Waa.T @ delta
    return out


@wrong(
    "rnn_cell_backward",
    "dxt: Wax is contracted with da_next, the tanh's leg is missing there",
    "from memory",
)
def input_leg_bare(da_next, cache):
    a, a_m, x, p = cache
    delta = da_next * dtanh(a)
    return {
        "dxt": p["Wax"].T @ da_next,
        "da_prev": p["Waa"].T @ delta,
        "dWax": delta @ x.T,
        "dWaa": delta @ a_m.T,
        "dba": delta.sum(1, keepdims=True),
    }


# --- LSTM: c^t = f c^{t-1} + i g,  a^t = o tanh c^t


def assemble(phi, iota, gamma, omega, a_m, x):
    v = np.vstack([a_m, x])
    res = {}
    for key, delta in zip("fico", (phi, iota, gamma, omega)):
        res["dW" + key] = delta @ v.T
        res["db" + key] = delta.sum(1, keepdims=True)
    return res


def pull(p, phi, iota, gamma, omega):
    return p["Wf"].T @ phi + p["Wi"].T @ iota + p["Wc"].T @ gamma + p["Wo"].T @ omega


@wrong(
    "lstm_cell_backward",
    "the slope of the cell's tanh is taken at the value, not at its tanh: 1 - c^2",
    "from memory",
)
def slope_at_c(da_next, dc_next, cache):
    a, c, a_m, c_m, f, i, g, o, x, p = cache
    n = a.shape[0]
    mu = dc_next + da_next * o * dtanh(c)
    phi, iota, gamma = mu * c_m * dtheta(f), mu * g * dtheta(i), mu * i * dtanh(g)
    omega = da_next * np.tanh(c) * dtheta(o)
    back = pull(p, phi, iota, gamma, omega)
    return {
        "dxt": back[n:],
        "da_prev": back[:n],
        "dc_prev": mu * f,
        **assemble(phi, iota, gamma, omega, a_m, x),
    }


@wrong(
    "lstm_cell_backward",
    "the total derivative of c^t counts dc_next twice: once in mu and once more at dc_prev",
    "from memory",
)
def flow_counted_twice(da_next, dc_next, cache):
    a, c, a_m, c_m, f, i, g, o, x, p = cache
    n = a.shape[0]
    mu = dc_next + da_next * o * dtanh(np.tanh(c))
    phi, iota, gamma = mu * c_m * dtheta(f), mu * g * dtheta(i), mu * i * dtanh(g)
    omega = da_next * np.tanh(c) * dtheta(o)
    back = pull(p, phi, iota, gamma, omega)
    return {
        "dxt": back[n:],
        "da_prev": back[:n],
        "dc_prev": f * (dc_next + mu),
        **assemble(phi, iota, gamma, omega, a_m, x),
    }


@wrong(
    "lstm_cell_backward",
    "dtheta is given theta(f): the logistic function is applied to the gate once more",
    "from memory",
)
def theta_of_theta(da_next, dc_next, cache):
    a, c, a_m, c_m, f, i, g, o, x, p = cache
    n = a.shape[0]
    mu = dc_next + da_next * o * dtanh(np.tanh(c))
    phi, iota = mu * c_m * dtheta(theta(f)), mu * g * dtheta(theta(i))
    gamma, omega = mu * i * dtanh(g), da_next * np.tanh(c) * dtheta(theta(o))
    back = pull(p, phi, iota, gamma, omega)
    return {
        "dxt": back[n:],
        "da_prev": back[:n],
        "dc_prev": mu * f,
        **assemble(phi, iota, gamma, omega, a_m, x),
    }


@wrong(
    "lstm_backward",
    "two: the cell's costate loses what the step itself adds through o tanh c, and da0 is left as that of the last step",
    "from memory",
)
def costate_and_boundary(da, caches):
    chain, x = caches
    p = chain[0][-1]
    n, m, T = da.shape
    lam, mu = np.zeros((n, m)), np.zeros((n, m))
    out = {"dx": np.zeros_like(x)}
    for t in range(T - 1, -1, -1):
        a, c, a_m, c_m, f, i, g, o, x_t, _ = chain[t]
        lam = lam + da[:, :, t]
        here = mu + lam * o * dtanh(np.tanh(c))
        phi, iota, gamma = (
            here * c_m * dtheta(f),
            here * g * dtheta(i),
            here * i * dtanh(g),
        )
        omega = lam * np.tanh(c) * dtheta(o)
        back = pull(p, phi, iota, gamma, omega)
        out["dx"][:, :, t] = back[n:]
        lam = back[:n]
        mu = mu * f
        out.setdefault("da0", lam)
        for k, v in assemble(phi, iota, gamma, omega, a_m, x_t).items():
            out[k] = out.get(k, 0) + v
    return out


@wrong(
    "lstm_backward",
    "the boundary condition is put at t = 1: the last pass of the loop, at t = 0, is left out of the weights",
    "from memory",
    step={"*": 0},
)
def weights_without_step_zero(da, caches):
    chain, x = caches
    p = chain[0][-1]
    n, m, T = da.shape
    lam, mu = np.zeros((n, m)), np.zeros((n, m))
    out = {"dx": np.zeros_like(x)}
    for k in "fico":
        out["dW" + k], out["db" + k] = (
            np.zeros_like(p["W" + k]),
            np.zeros_like(p["b" + k]),
        )
    t = T
    while t > 0:
        t -= 1
        a, c, a_m, c_m, f, i, g, o, x_t, _ = chain[t]
        lam = lam + da[:, :, t]
        mu = mu + lam * o * dtanh(np.tanh(c))
        phi, iota, gamma = mu * c_m * dtheta(f), mu * g * dtheta(i), mu * i * dtanh(g)
        omega = lam * np.tanh(c) * dtheta(o)
        back = pull(p, phi, iota, gamma, omega)
        out["dx"][:, :, t] = back[n:]
        lam, mu = back[:n], mu * f
        if t > 0:
            for k, v in assemble(phi, iota, gamma, omega, a_m, x_t).items():
                out[k] += v
    out["da0"] = lam
    return out


# --- GRU, rows are examples: h^t = (1 - z) n + z h^{t-1}


def gru_point(x, h, Wx, Wh, b):
    H = h.shape[1]
    R, Z, Nn = slice(0, H), slice(H, 2 * H), slice(2 * H, None)
    r = theta(x @ Wx[:, R] + h @ Wh[:, R] + b[R])
    z = theta(x @ Wx[:, Z] + h @ Wh[:, Z] + b[Z])
    n = np.tanh(x @ Wx[:, Nn] + (r * h) @ Wh[:, Nn] + b[Nn])
    return (1 - z) * n + z * h, dict(x=x, h=h, r=r, z=z, n=n, Wx=Wx, Wh=Wh)


@wrong(
    "gru_cell_backward",
    "the reset gate's delta is built from dn before the tanh's slope",
    "from memory",
    convention="ntd",
    forward=gru_point,
)
def reset_before_the_slope(dnext, q):
    x, h, r, z, n, Wx, Wh = (q[k] for k in ("x", "h", "r", "z", "n", "Wx", "Wh"))
    H = h.shape[1]
    Wr, Wz, Wn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    d_n = dnext * (1 - z)
    nu = d_n * dtanh(n)
    zeta = dnext * (h - n) * dtheta(z)
    rho = (d_n @ Wn.T) * h * dtheta(r)
    delta = np.concatenate([rho, zeta, nu], axis=1)
    dh = z * dnext + rho @ Wr.T + zeta @ Wz.T + r * (nu @ Wn.T)
    dWh = np.concatenate([h.T @ rho, h.T @ zeta, (r * h).T @ nu], axis=1)
    return delta @ Wx.T, dh, x.T @ delta, dWh, delta.sum(0)


@wrong(
    "gru_cell_backward",
    "the candidate's delta lacks the factor 1 - z",
    "from memory",
    convention="ntd",
    forward=gru_point,
)
def candidate_unweighted(dnext, q):
    x, h, r, z, n, Wx, Wh = (q[k] for k in ("x", "h", "r", "z", "n", "Wx", "Wh"))
    H = h.shape[1]
    Wr, Wz, Wn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    nu = dnext * dtanh(n)
    zeta = dnext * (h - n) * dtheta(z)
    rho = (nu @ Wn.T) * h * dtheta(r)
    delta = np.concatenate([rho, zeta, nu], axis=1)
    dh = z * dnext + rho @ Wr.T + zeta @ Wz.T + r * (nu @ Wn.T)
    dWh = np.concatenate([h.T @ rho, h.T @ zeta, (r * h).T @ nu], axis=1)
    return delta @ Wx.T, dh, x.T @ delta, dWh, delta.sum(0)


# --- readout: free energy is the mean of -log p


@wrong(
    "readout_backward",
    "two: the sign is hot - p, and the mean is taken over the examples but not over time",
    "from memory",
)
def sign_and_time(y_pred, labels, a, parameters):
    q = parameters
    K, m, T = y_pred.shape
    kron = (np.arange(K)[:, None, None] == labels[None]).astype(float)
    eps = (kron - y_pred) / m
    dWya = sum(eps[:, :, t] @ a[:, :, t].T for t in range(T))
    return {
        "da": np.tensordot(q["Wya"].T, eps, 1),
        "dWya": dWya,
        "dby": eps.sum(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "the Kronecker delta takes the label of the step before, and the last one at step 0",
    "from memory",
)
def kronecker_shifted(y_pred, labels, a, parameters):
    q = parameters
    K, m, T = y_pred.shape
    eps = y_pred / (m * T)
    for j in range(m):
        for t in range(T):
            eps[labels[j, t - 1], j, t] -= 1 / (m * T)
    dWya = sum(eps[:, :, t] @ a[:, :, t].T for t in range(T))
    return {
        "da": np.tensordot(q["Wya"].T, eps, 1),
        "dWya": dWya,
        "dby": eps.sum(axis=(1, 2))[:, None],
    }


@right("rnn_backward", "as a costate, with the slopes beforehand")
def costate(da, caches):
    chain, x = caches
    p = chain[0][3]
    T = da.shape[2]
    lam = np.zeros(da.shape[:2])
    deltas = [None] * T
    for t in reversed(range(T)):
        deltas[t] = dtanh(chain[t][0]) * (da[:, :, t] + lam)
        lam = T_(p["Waa"]) @ deltas[t]
    return {
        "dx": np.stack([T_(p["Wax"]) @ d for d in deltas], axis=2),
        "da0": lam,
        "dWax": sum(d @ T_(c[2]) for d, c in zip(deltas, chain)),
        "dWaa": sum(d @ T_(c[1]) for d, c in zip(deltas, chain)),
        "dba": sum(d.sum(1, keepdims=True) for d in deltas),
    }
