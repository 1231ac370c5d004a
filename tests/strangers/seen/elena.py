"""Elena. Econometrics by training: a sample is a row, a gradient is a row vector.

lam is the costate (shadow price) of the hidden state, mu that of the memory cell,
iota a vector of ones, D the diagonal of a Jacobian. Everything of the exercise is
transposed on the way in and once more on the way out.
"""

import numpy as np
from strangers.made import right, wrong


def logit_cdf(u):
    return 1.0 / (1.0 + np.exp(-u))


def iota(n):
    return np.ones((n, 1))


def rows(*matrices):
    """Samples in rows."""
    return tuple(M.T for M in matrices)


def multinomial_logit(U):
    """Choice probabilities, an alternative per column."""
    E = np.exp(U - U.max(axis=1, keepdims=True))
    return E / (E @ np.ones((E.shape[1], 1)))


# ---------------------------------------------------------------- rnn, exercise


@wrong(
    "rnn_cell_backward",
    "the index under the tanh is computed again for its slope, and the intercept ba is left out",
    "from memory",
)
def slope_without_intercept(da_next, cache):
    _, a_prev, xt, p = cache
    lam, A, X = rows(da_next, a_prev, xt)
    index = A @ p["Waa"].T + X @ p["Wax"].T
    D = 1.0 / np.cosh(index) ** 2
    lamD = lam * D
    return {
        "dxt": (lamD @ p["Wax"]).T,
        "da_prev": (lamD @ p["Waa"]).T,
        "dWax": lamD.T @ X,
        "dWaa": lamD.T @ A,
        "dba": lamD.T @ iota(len(X)),
    }


@wrong(
    "rnn_cell_backward",
    "two: da_prev goes through Waa' where rows want Waa itself, and dWax is built from da_next before the slope of the tanh",
    "from memory",
    tags="double",
)
def numerator_layout(da_next, cache):
    a_next, a_prev, xt, p = cache
    lam, A1, A0, X = rows(da_next, a_next, a_prev, xt)
    u = lam * (1 - A1 * A1)
    dX = u @ p["Wax"]
    dA0 = u @ p["Waa"].T
    dWax = lam.T @ X
    dWaa = u.T @ A0
    dba = u.T @ iota(u.shape[0])
    return dict(dxt=dX.T, da_prev=dA0.T, dWax=dWax, dWaa=dWaa, dba=dba)


@wrong(
    "rnn_backward",
    "dWaa sums from the second date on, as if the given initial state brought no regressor",
    "lags cost one observation: habit of the autoregression",
    step={"dWaa": 0},
)
def lose_first_observation(da, caches):
    steps, x = caches
    n_x, m, T = x.shape
    Waa, Wax = steps[0][3]["Waa"], steps[0][3]["Wax"]
    n_a = Waa.shape[0]
    U = np.zeros((T, m, n_a))  # costates after the slope
    lam = np.zeros((m, n_a))
    for t in range(T - 1, -1, -1):
        A1 = steps[t][0].T
        U[t] = (lam + da[:, :, t].T) * (1 - A1**2)
        lam = U[t] @ Waa
    lagged = [s[1].T for s in steps]
    dWaa = sum(U[t].T @ lagged[t] for t in range(1, T))
    dWax = sum(U[t].T @ x[:, :, t].T for t in range(T))
    return {
        "dx": np.stack([(u @ Wax).T for u in U], axis=2),
        "da0": lam.T,
        "dWax": dWax,
        "dWaa": dWaa,
        "dba": sum(u.T @ iota(m) for u in U),
    }


@wrong(
    "rnn_cell_forward",
    "the prediction of t is made with the predetermined state a_prev instead of a_next",
    "timing convention of state space models: the state at hand is last period's",
)
def predetermined_state(xt, a_prev, parameters):
    p = parameters
    X, A = rows(xt, a_prev)
    A_new = np.tanh(X @ p["Wax"].T + A @ p["Waa"].T + p["ba"].T)
    P = multinomial_logit(A @ p["Wya"].T + p["by"].T)
    return A_new.T, P.T, (A_new.T, a_prev, xt, parameters)


@right(
    "rnn_cell_backward", "vec and Kronecker: an explicit Jacobian for each observation"
)
def by_kronecker(da_next, cache):
    a_next, a_prev, xt, p = cache
    n_a, m = a_next.shape
    n_x = xt.shape[0]
    out_x, out_a = np.zeros((m, n_x)), np.zeros((m, n_a))
    vWx, vWa = np.zeros((1, n_a * n_x)), np.zeros((1, n_a * n_a))
    vb = np.zeros((1, n_a))
    for i in range(m):
        lam = da_next[:, [i]].T
        D = np.diag(1 - a_next[:, i] ** 2)
        out_x[i] = (lam @ D @ p["Wax"])[0]
        out_a[i] = (lam @ D @ p["Waa"])[0]
        # vec(W x) = (x' kron I) vec W, columns stacked
        vWx += lam @ D @ np.kron(xt[:, [i]].T, np.eye(n_a))
        vWa += lam @ D @ np.kron(a_prev[:, [i]].T, np.eye(n_a))
        vb += lam @ D
    return {
        "dxt": out_x.T,
        "da_prev": out_a.T,
        "dWax": vWx.reshape((n_a, n_x), order="F"),
        "dWaa": vWa.reshape((n_a, n_a), order="F"),
        "dba": vb.T,
    }


# --------------------------------------------------------------- rnn, (N, T, D)


def simulate_rnn(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    path = np.zeros((N, T + 1, h0.shape[1]))
    path[:, 0] = h0
    for t in range(1, T + 1):
        path[:, t] = np.tanh(x[:, t - 1] @ Wx + path[:, t - 1] @ Wh + b)
    return path[:, 1:], (x, path, Wx, Wh)


@wrong(
    "rnn_backward",
    "the Euler equation of the costate takes the slope of the tanh at t instead of t + 1",
    "from memory",
    convention="ntd",
    forward=simulate_rnn,
)
def euler_equation_dated_wrong(dh, cache):
    x, path, Wx, Wh = cache
    N, T, H = dh.shape
    h = path[:, 1:]
    D = 1 - h**2
    # lam_t = dh_t + lam_{t+1} D Wh'
    lam = np.zeros((N, T, H))
    lam[:, T - 1] = dh[:, T - 1]
    for t in reversed(range(T - 1)):
        lam[:, t] = dh[:, t] + (lam[:, t + 1] * D[:, t]) @ Wh.T
    u = lam * D
    dx = u @ Wx.T
    dh0 = u[:, 0] @ Wh.T
    dWx = np.einsum("ntk,nth->kh", x, u)
    dWh = np.einsum("ntk,nth->kh", path[:, :-1], u)
    return dx, dh0, dWx, dWh, u.sum(axis=(0, 1))


# --------------------------------------------------------------- lstm, exercise


@wrong(
    "lstm_cell_forward",
    "the memory is exponentially smoothed, f c + (1 - f) g, and the input gate does not enter",
    "adaptive expectations have one weight and its complement",
)
def exponential_smoothing(xt, a_prev, c_prev, parameters):
    p = parameters
    Z = np.hstack([a_prev.T, xt.T])
    F, I, O = (logit_cdf(Z @ p["W" + k].T + p["b" + k].T) for k in "fio")
    G = np.tanh(Z @ p["Wc"].T + p["bc"].T)
    C = F * c_prev.T + (1 - F) * G
    A = O * np.tanh(C)
    P = multinomial_logit(A @ p["Wy"].T + p["by"].T)
    cache = (A.T, C.T, a_prev, c_prev, F.T, I.T, G.T, O.T, xt, parameters)
    return A.T, C.T, P.T, cache


@wrong(
    "lstm_cell_backward",
    "in the long formula of the input gate the bracket is missing: i (1 - i) multiplies the second term only",
    "from memory",
)
def bracket_of_the_input_gate(da_next, dc_next, cache):
    (_, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p) = cache
    lam, mu, C1, A0, C0, F, I, G, O, X = rows(
        da_next, dc_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt
    )
    th = np.tanh(C1)
    pass_through = lam * O * (1 - th**2)
    u = {
        "o": lam * th * O * (1 - O),
        "c": (mu * I + pass_through * I) * (1 - G**2),
        "i": mu * G + pass_through * G * I * (1 - I),
        "f": (mu * C0 + pass_through * C0) * F * (1 - F),
    }
    Z = np.hstack([A0, X])
    dZ = sum(u[k] @ p["W" + k] for k in "fico")
    n_a = A0.shape[1]
    out = {"dxt": dZ[:, n_a:].T, "da_prev": dZ[:, :n_a].T}
    out["dc_prev"] = ((mu + pass_through) * F).T
    for k in "fico":
        out["dW" + k] = u[k].T @ Z
        out["db" + k] = u[k].T @ iota(len(X))
    return out


@wrong(
    "lstm_cell_backward",
    "the regressors of the weight gradients are stacked as [x, a] and not as [a, x]",
    "exogenous variables come first in every regression table",
)
def exogenous_first(da_next, dc_next, cache):
    (_, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p) = cache
    n_a, m = a_prev.shape
    th = np.tanh(c_next)
    mu = dc_next + da_next * ot * (1 - th**2)
    scores = [
        ("f", mu * c_prev * ft * (1 - ft)),
        ("i", mu * cct * it * (1 - it)),
        ("c", mu * it * (1 - cct**2)),
        ("o", da_next * th * ot * (1 - ot)),
    ]
    Z = np.c_[xt.T, a_prev.T]
    grads = {
        "dxt": sum(p[f"W{k}"][:, n_a:].T @ s for k, s in scores),
        "da_prev": sum(p[f"W{k}"][:, :n_a].T @ s for k, s in scores),
        "dc_prev": mu * ft,
    }
    for k, s in scores:
        grads[f"dW{k}"] = s @ Z
        grads[f"db{k}"] = s @ iota(m)
    return grads


def lstm_scores(lam, mu, C1, C0, F, I, G, O):
    """Scores of the gates in rows, and the price of the memory one date earlier."""
    th = np.tanh(C1)
    mu = mu + lam * O * (1 - th * th)
    u = {
        "f": mu * C0 * F * (1 - F),
        "i": mu * G * I * (1 - I),
        "c": mu * I * (1 - G * G),
        "o": lam * th * O * (1 - O),
    }
    return u, mu * F


@wrong(
    "lstm_backward",
    "the intercepts get the sample mean of their scores and not the sum",
    "moment conditions are means",
)
def intercepts_by_moments(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    p = steps[0][-1]
    lam, mu = np.zeros((m, n_a)), np.zeros((m, n_a))
    dx = np.zeros(x.shape)
    dW = {k: 0.0 for k in "fico"}
    db = {k: 0.0 for k in "fico"}
    for t in range(T)[::-1]:
        _, c1, a0, c0, f, i, g, o, xt, _ = steps[t]
        lam = lam + da[:, :, t].T
        u, mu = lstm_scores(lam, mu, *rows(c1, c0, f, i, g, o))
        Z = np.hstack(rows(a0, xt))
        dZ = np.zeros(Z.shape)
        for k in u:
            dZ += u[k] @ p["W" + k]
            dW[k] = dW[k] + u[k].T @ Z
            db[k] = db[k] + u[k].mean(axis=0, keepdims=True).T
        lam, dx[:, :, t] = dZ[:, :n_a], dZ[:, n_a:].T
    out = {"dx": dx, "da0": lam.T}
    out |= {"dW" + k: v for k, v in dW.items()} | {"db" + k: v for k, v in db.items()}
    return out


@right(
    "lstm_backward",
    "costates in rows, one stacked system matrix, the constant as a regressor",
)
def stacked_system(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    p = steps[0][-1]
    B = np.vstack([np.c_[p["W" + k], p["b" + k]] for k in "fico"])
    S = np.zeros(B.shape)
    lam = mu = np.zeros((m, n_a))
    dx = []
    for t, (_, c1, a0, c0, f, i, g, o, xt, _) in reversed(list(enumerate(steps))):
        u, mu = lstm_scores(lam + da[..., t].T, mu, *rows(c1, c0, f, i, g, o))
        u = np.hstack([u[k] for k in "fico"])
        S = S + u.T @ np.hstack([a0.T, xt.T, iota(m)])
        lam, d, _ = np.split(u @ B, [n_a, B.shape[1] - 1], axis=1)
        dx.insert(0, d.T)
    out = {"dx": np.dstack(dx), "da0": lam.T}
    for k, block in zip("fico", np.split(S, 4), strict=True):
        out["dW" + k], out["db" + k] = block[:, :-1], block[:, -1:]
    return out


# -------------------------------------------------------------- lstm, (N, T, D)


def lstm_transition(x, prev_h, prev_c, Wx, Wh, b):
    U = x @ Wx + prev_h @ Wh + b
    Ui, Uf, Uo, Ug = np.hsplit(U, 4)
    i, f, o, g = logit_cdf(Ui), logit_cdf(Uf), logit_cdf(Uo), np.tanh(Ug)
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    return (
        h,
        c,
        {
            "x": x,
            "h0": prev_h,
            "c0": prev_c,
            "c1": c,
            "i": i,
            "f": f,
            "o": o,
            "g": g,
            "Wx": Wx,
            "Wh": Wh,
        },
    )


def simulate_lstm(x, h0, Wx, Wh, b):
    h, c = h0, np.zeros_like(h0)
    path, history = [], []
    for t in range(x.shape[1]):
        h, c, date = lstm_transition(x[:, t], h, c, Wx, Wh, b)
        path.append(h)
        history.append(date)
    return np.stack(path, axis=1), history


@wrong(
    "lstm_cell_backward",
    "two: the scores are put side by side as i, f, g, o, and the slope of the outer tanh is 1 - c^2",
    "from memory",
    tags="double",
    convention="ntd",
    forward=lstm_transition,
)
def columns_out_of_order(dnext_h, dnext_c, cache):
    k = cache
    i, f, o, g = k["i"], k["f"], k["o"], k["g"]
    mu = dnext_c + dnext_h * o * (1 - k["c1"] ** 2)
    u = np.hstack(
        [
            mu * g * i * (1 - i),
            mu * k["c0"] * f * (1 - f),
            mu * i * (1 - g**2),
            dnext_h * np.tanh(k["c1"]) * o * (1 - o),
        ]
    )
    dx, dh = u @ k["Wx"].T, u @ k["Wh"].T
    return dx, dh, mu * f, k["x"].T @ u, k["h0"].T @ u, iota(len(u))[:, 0] @ u


@wrong(
    "lstm_backward",
    "the price of the memory is carried back without its discount factor, the forget gate",
    "from memory",
    convention="ntd",
    forward=simulate_lstm,
)
def undiscounted(dh, cache):
    N, T, H = dh.shape
    lam, mu = np.zeros((N, H)), np.zeros((N, H))
    dx, dWx, dWh, db = [], 0, 0, 0
    for t in range(T - 1, -1, -1):
        k = cache[t]
        i, f, o, g = (k[q] for q in "ifog")
        lam = lam + dh[:, t]
        th = np.tanh(k["c1"])
        mu = mu + lam * o * (1 - th**2)
        u = np.hstack([mu * g, mu * k["c0"], lam * th, mu * i])
        u *= np.hstack([i * (1 - i), f * (1 - f), o * (1 - o), 1 - g**2])
        dx.append(u @ k["Wx"].T)
        lam = u @ k["Wh"].T
        dWx = dWx + k["x"].T @ u
        dWh = dWh + k["h0"].T @ u
        db = db + u.T @ np.ones(N)
    return np.stack(dx[::-1], axis=1), lam, dWx, dWh, db


# ------------------------------------------------------------------------- gru


def gru_transition(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    V = x @ Wx + b
    rz = logit_cdf(V[:, : 2 * H] + prev_h @ Wh[:, : 2 * H])
    r, z = np.hsplit(rz, 2)
    n = np.tanh(V[:, 2 * H :] + (r * prev_h) @ Wh[:, 2 * H :])
    return (1 - z) * n + z * prev_h, (x, prev_h, r, z, n, Wx, Wh)


def simulate_gru(x, h0, Wx, Wh, b):
    h, history, path = h0, [], []
    for t in range(x.shape[1]):
        h, date = gru_transition(x[:, t], h, Wx, Wh, b)
        history.append(date)
        path.append(h)
    return np.stack(path, axis=1), history


@wrong(
    "gru_cell_backward",
    "the update gate is priced by n - h and not by h - n: the sign of its score",
    "from memory",
    convention="ntd",
    forward=gru_transition,
)
def sign_of_the_update(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    Wr, Wz, Wn = np.hsplit(Wh, 3)
    u_n = dnext_h * (1 - z) * (1 - n**2)
    u_z = dnext_h * (n - h) * z * (1 - z)
    rho = u_n @ Wn.T  # price of r * h
    u_r = rho * h * r * (1 - r)
    dh = dnext_h * z + rho * r + u_r @ Wr.T + u_z @ Wz.T
    u = np.hstack([u_r, u_z, u_n])
    dWh = np.hstack([h.T @ u_r, h.T @ u_z, (r * h).T @ u_n])
    return u @ Wx.T, dh, x.T @ u, dWh, u.sum(axis=0)


@wrong(
    "gru_backward",
    "the price of r * h goes to the state without the factor r",
    "from memory",
    convention="ntd",
    forward=simulate_gru,
)
def price_of_the_product(dh, cache):
    N, T, H = dh.shape
    lam = np.zeros((N, H))
    dx, dWx, dWh, db = [None] * T, 0.0, 0.0, 0.0
    for t in range(T - 1, -1, -1):
        x, h, r, z, n, Wx, Wh = cache[t]
        lam = lam + dh[:, t]
        u_n = lam * (1 - z) * (1 - n**2)
        u_z = lam * (h - n) * z * (1 - z)
        rho = u_n @ Wh[:, 2 * H :].T
        u_r = rho * h * r * (1 - r)
        u = np.hstack([u_r, u_z, u_n])
        lam = lam * z + u[:, : 2 * H] @ Wh[:, : 2 * H].T + rho
        dx[t] = u @ Wx.T
        dWx = dWx + x.T @ u
        dWh = dWh + np.hstack([h.T @ u_r, h.T @ u_z, (h * r).T @ u_n])
        db = db + u.sum(0)
    return np.stack(dx, axis=1), lam, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "two: dWh of the candidate takes h as its regressor and not r * h, and the score of r lacks the density r (1 - r)",
    "from memory",
    tags="double",
    convention="ntd",
    forward=gru_transition,
)
def omitted_density(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    H = h.shape[1]
    Phi = {"r": Wh[:, :H], "z": Wh[:, H : 2 * H], "n": Wh[:, 2 * H :]}
    u = {}
    u["n"] = (dnext_h - dnext_h * z) * (1 - n * n)
    u["z"] = (dnext_h * h - dnext_h * n) * (z - z * z)
    rho = u["n"] @ Phi["n"].T
    u["r"] = rho * h
    dh = dnext_h * z + rho * r + u["r"] @ Phi["r"].T + u["z"] @ Phi["z"].T
    scores = np.hstack([u["r"], u["z"], u["n"]])
    return scores @ Wx.T, dh, x.T @ scores, h.T @ scores, (iota(len(x)).T @ scores)[0]


# --------------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "the mean is taken over all cells of the table, alternatives too: divided by n_y m T",
    "from memory",
)
def mean_over_alternatives(y_pred, labels, a, parameters):
    J, m, T = y_pred.shape
    P = y_pred.transpose(1, 2, 0).reshape(-1, J)
    A = a.transpose(1, 2, 0).reshape(m * T, -1)
    Y = np.eye(J)[labels.reshape(-1)]
    U = (P - Y) / P.size
    dA = U @ parameters["Wya"]
    return {
        "da": dA.reshape(m, T, -1).transpose(2, 0, 1),
        "dWya": U.T @ A,
        "dby": U.T @ iota(m * T),
    }
