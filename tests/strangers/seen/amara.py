"""My own derivations, for the club on Thursdays. Time runs t = 1, ..., T as in the papers."""

import numpy as np
from strangers.made import right, wrong


def sigma(z):
    return 1 / (1 + np.exp(-z))


def sigma_prime(z):
    """sigma'(z) = sigma(z) (1 - sigma(z))"""
    return sigma(z) * (1 - sigma(z))


# ================================================================= RNN


@wrong(
    "rnn_backward",
    "in the double sum over t and k, going from k to k - 1 takes tanh' at a_k instead "
    "of a_(k-1)",
    "from memory: the sum over all paths, written out",
    step={"da0": None, "*": -2},
)
def double_sum(da, caches):
    (steps, x) = caches
    T = x.shape[2]
    W = steps[0][3]["Waa"]
    U = steps[0][3]["Wax"]
    dx = np.zeros(x.shape)
    da0 = np.zeros(steps[0][1].shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros((W.shape[0], 1))
    # dE/dW = sum_t sum_{k<=t} dE_t/dz_k a_{k-1}^T
    for t in range(1, T + 1):
        a_t = steps[t - 1][0]
        delta = da[:, :, t - 1] * (1 - a_t**2)
        for k in range(t, 0, -1):
            a_k, a_before, x_k, _ = steps[k - 1]
            dU += np.dot(delta, x_k.T)
            dW += np.dot(delta, a_before.T)
            db += delta.sum(axis=1, keepdims=True)
            dx[:, :, k - 1] += np.dot(U.T, delta)
            if k == 1:
                da0 += np.dot(W.T, delta)
            else:
                delta = np.dot(W.T, delta) * (1 - a_k**2)
    return {"dx": dx, "da0": da0, "dWax": dU, "dWaa": dW, "dba": db}


@wrong(
    "rnn_cell_backward",
    "the diagonal matrix of tanh' stands on the wrong side of Waa^T in da_prev",
    "from memory: (D W)^T written as D W^T",
)
def diagonal(da_next, cache):
    a, a_prev, x, par = cache
    W, U = par["Waa"], par["Wax"]
    D = 1 - a**2  # the diagonal of D, one column for each example
    # a = tanh(W a_prev + U x + b),  da/da_prev = D W
    grads = {}
    grads["da_prev"] = D * np.dot(W.T, da_next)
    delta = D * da_next
    grads["dxt"] = np.dot(U.T, delta)
    grads["dWaa"] = np.dot(delta, a_prev.T)
    grads["dWax"] = np.dot(delta, x.T)
    grads["dba"] = np.sum(delta, axis=1, keepdims=True)
    return grads


@wrong(
    "rnn_cell_forward",
    "softmax takes the maximum off in the numerator but not in the denominator",
    "from memory: a stable softmax made of an unstable one",
)
def half_stable(xt, a_prev, parameters):
    W, U, V = parameters["Waa"], parameters["Wax"], parameters["Wya"]
    a = np.tanh(np.dot(W, a_prev) + np.dot(U, xt) + parameters["ba"])
    o = np.dot(V, a) + parameters["by"]
    numerator = np.exp(o - np.max(o, axis=0, keepdims=True))
    denominator = np.sum(np.exp(o), axis=0, keepdims=True)
    y = numerator / denominator
    return a, y, (a, a_prev, xt, parameters)


def elman(x, h0, Wx, Wh, b):
    h = [h0]
    for t in range(1, x.shape[1] + 1):
        h.append(np.tanh(x[:, t - 1] @ Wx + h[t - 1] @ Wh + b))
    return np.stack(h[1:], axis=1), (x, h, Wx, Wh)


@wrong(
    "rnn_backward",
    "the carried gradient starts as dh of the last step, which the loop adds again; "
    "db is averaged over the batch",
    "from memory: two habits from another derivation",
    convention="ntd",
    forward=elman,
    tags="double",
)
def last_twice(dh, cache):
    x, h, Wx, Wh = cache
    N, T = x.shape[0], x.shape[1]
    dx, dWx, dWh, db = 0 * x, 0 * Wx, 0 * Wh, np.zeros(Wh.shape[1])
    # boundary condition at t = T
    epsilon = dh[:, T - 1]
    for t in range(T, 0, -1):
        epsilon = dh[:, t - 1] + epsilon
        delta = epsilon * (1 - h[t] ** 2)
        dx[:, t - 1] = delta @ Wx.T
        dWx += x[:, t - 1].T @ delta
        dWh += h[t - 1].T @ delta
        db += delta.sum(axis=0) / N
        epsilon = delta @ Wh.T
    return dx, epsilon, dWx, dWh, db


@right(
    "rnn_backward",
    "explicit products of Jacobians for each example, dE/da_k = sum_t P(t, k)^T da_t",
)
def jacobians(da, caches):
    steps, x = caches
    T = x.shape[2]
    par = steps[0][3]
    W, U = par["Waa"], par["Wax"]
    n, m = steps[0][1].shape
    a = [steps[0][1]] + [s[0] for s in steps]  # a[0], ..., a[T]
    # J_j = diag(1 - a_j^2) W, one matrix for each example
    J = [None] + [np.einsum("im,ij->mij", 1 - a[j] ** 2, W) for j in range(1, T + 1)]
    total = [np.zeros((n, m)) for _ in range(T + 1)]
    for t in range(1, T + 1):
        P = np.tile(np.eye(n), (m, 1, 1))
        for k in range(t, -1, -1):
            total[k] += np.einsum("mij,im->jm", P, da[:, :, t - 1])
            if k > 0:
                P = P @ J[k]
    delta = np.stack([total[t] * (1 - a[t] ** 2) for t in range(1, T + 1)], axis=2)
    before = np.stack(a[:T], axis=2)
    return {
        "dx": np.einsum("ij,imt->jmt", U, delta),
        "da0": total[0],
        "dWax": np.einsum("imt,jmt->ij", delta, x),
        "dWaa": np.einsum("imt,jmt->ij", delta, before),
        "dba": np.einsum("imt->i", delta).reshape(-1, 1),
    }


# ================================================================= LSTM


@wrong(
    "lstm_cell_backward",
    "sigma' expects the pre-activation and is given the gate itself, so the sigmoid "
    "is taken twice",
    "from memory: a paper's sigma'(z) with the cached gate in z's place",
)
def sigma_of_sigma(da_next, dc_next, cache):
    (a, c, a_prev, c_prev, f, i, g, o, x, par) = cache
    n = a.shape[0]
    # a = o tanh(c),  c = f c_prev + i g
    dc = dc_next + da_next * o * (1 - np.tanh(c) ** 2)
    delta_f = dc * c_prev * sigma_prime(f)
    delta_i = dc * g * sigma_prime(i)
    delta_g = dc * i * (1 - g**2)
    delta_o = da_next * np.tanh(c) * sigma_prime(o)
    v = np.vstack([a_prev, x])
    dv = (
        np.dot(par["Wf"].T, delta_f)
        + np.dot(par["Wi"].T, delta_i)
        + np.dot(par["Wc"].T, delta_g)
        + np.dot(par["Wo"].T, delta_o)
    )
    return {
        "dxt": dv[n:, :],
        "da_prev": dv[:n, :],
        "dc_prev": dc * f,
        "dWf": np.dot(delta_f, v.T),
        "dbf": np.sum(delta_f, axis=1, keepdims=True),
        "dWi": np.dot(delta_i, v.T),
        "dbi": np.sum(delta_i, axis=1, keepdims=True),
        "dWc": np.dot(delta_g, v.T),
        "dbc": np.sum(delta_g, axis=1, keepdims=True),
        "dWo": np.dot(delta_o, v.T),
        "dbo": np.sum(delta_o, axis=1, keepdims=True),
    }


def hochreiter(x, prev_h, prev_c, Wx, Wh, b):
    z_i, z_f, z_o, z_g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigma(z_i), sigma(z_f), sigma(z_o), np.tanh(z_g)
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    memory = dict(x=x, h=prev_h, c=prev_c, i=i, f=f, o=o, g=g, new_c=c, Wx=Wx, Wh=Wh)
    return h, c, memory


@wrong(
    "lstm_cell_backward",
    "dnext_c stands inside the bracket that is multiplied by 1 - tanh(c)^2",
    "from memory: a bracket closed too late",
    convention="ntd",
    forward=hochreiter,
)
def bracket(dnext_h, dnext_c, cache):
    i, f, o, g = cache["i"], cache["f"], cache["o"], cache["g"]
    tanh_c = np.tanh(cache["new_c"])
    dc = (dnext_h * o + dnext_c) * (1 - tanh_c**2)
    delta_i = dc * g * i * (1 - i)
    delta_f = dc * cache["c"] * f * (1 - f)
    delta_o = dnext_h * tanh_c * o * (1 - o)
    delta_g = dc * i * (1 - g**2)
    delta = np.hstack([delta_i, delta_f, delta_o, delta_g])
    dx = delta @ cache["Wx"].T
    dprev_h = delta @ cache["Wh"].T
    return dx, dprev_h, dc * f, cache["x"].T @ delta, cache["h"].T @ delta, delta.sum(0)


@wrong(
    "lstm_backward",
    "dx sums three gates and leaves the candidate out; dWc is made with c_prev in the "
    "place of a_prev",
    "from memory: the candidate treated as if it were fed by the cell",
    tags="double",
)
def three_gates(da, caches):
    steps, x = caches
    T = x.shape[2]
    n, m = steps[0][2].shape
    par = steps[0][9]
    dx = np.zeros(x.shape)
    dWf, dWi, dWc, dWo = [np.zeros(par[w].shape) for w in ("Wf", "Wi", "Wc", "Wo")]
    dbf, dbi, dbc, dbo = [np.zeros((n, 1)) for _ in range(4)]
    eps_a = np.zeros((n, m))
    eps_c = np.zeros((n, m))
    for t in range(T, 0, -1):
        a, c, a_prev, c_prev, f, i, g, o, x_t, _ = steps[t - 1]
        eps_a = eps_a + da[:, :, t - 1]
        eps_c = eps_c + eps_a * o * (1 - np.tanh(c) ** 2)
        delta_o = eps_a * np.tanh(c) * o * (1 - o)
        delta_f = eps_c * c_prev * f * (1 - f)
        delta_i = eps_c * g * i * (1 - i)
        delta_c = eps_c * i * (1 - g**2)
        v = np.vstack([a_prev, x_t])
        dWf += np.dot(delta_f, v.T)
        dWi += np.dot(delta_i, v.T)
        dWc += np.dot(delta_c, np.vstack([c_prev, x_t]).T)
        dWo += np.dot(delta_o, v.T)
        dbf += delta_f.sum(axis=1, keepdims=True)
        dbi += delta_i.sum(axis=1, keepdims=True)
        dbc += delta_c.sum(axis=1, keepdims=True)
        dbo += delta_o.sum(axis=1, keepdims=True)
        dx[:, :, t - 1] = (
            np.dot(par["Wf"][:, n:].T, delta_f)
            + np.dot(par["Wi"][:, n:].T, delta_i)
            + np.dot(par["Wo"][:, n:].T, delta_o)
        )
        eps_a = (
            np.dot(par["Wf"][:, :n].T, delta_f)
            + np.dot(par["Wi"][:, :n].T, delta_i)
            + np.dot(par["Wc"][:, :n].T, delta_c)
            + np.dot(par["Wo"][:, :n].T, delta_o)
        )
        eps_c = f * eps_c
    grads = {"dx": dx, "da0": eps_a}
    grads.update(dWf=dWf, dbf=dbf, dWi=dWi, dbi=dbi, dWc=dWc, dbc=dbc, dWo=dWo, dbo=dbo)
    return grads


@wrong(
    "lstm_cell_forward",
    "a = tanh(o c) instead of o tanh(c)",
    "from memory: the gate drawn into the tanh",
)
def gate_inside(xt, a_prev, c_prev, parameters):
    par = parameters
    v = np.vstack([a_prev, xt])
    f = sigma(np.dot(par["Wf"], v) + par["bf"])
    i = sigma(np.dot(par["Wi"], v) + par["bi"])
    g = np.tanh(np.dot(par["Wc"], v) + par["bc"])
    o = sigma(np.dot(par["Wo"], v) + par["bo"])
    c = f * c_prev + i * g
    a = np.tanh(o * c)
    e = np.exp(np.dot(par["Wy"], a) + par["by"])
    y = e / np.sum(e, axis=0, keepdims=True)
    return a, c, y, (a, c, a_prev, c_prev, f, i, g, o, xt, par)


@wrong(
    "lstm_forward",
    "the joined vector for the next step is made at the end of the loop with x_t, "
    "so that from the second step on x is one behind",
    "from memory: [a; x] prepared ahead",
    tags="time",
    step={"cache a_prev": 2, "cache c_prev": 2, "*": 1},
)
def one_behind(x, a0, parameters):
    par = parameters
    n, m = a0.shape
    T = x.shape[2]
    a, c = a0, np.zeros((n, m))
    all_a, all_c, all_y, steps = [], [], [], []
    v = np.vstack([a0, x[:, :, 0]])
    for t in range(1, T + 1):
        a_prev, c_prev = a, c
        f = sigma(np.dot(par["Wf"], v) + par["bf"])
        i = sigma(np.dot(par["Wi"], v) + par["bi"])
        g = np.tanh(np.dot(par["Wc"], v) + par["bc"])
        o = sigma(np.dot(par["Wo"], v) + par["bo"])
        c = f * c_prev + i * g
        a = o * np.tanh(c)
        e = np.exp(np.dot(par["Wy"], a) + par["by"])
        all_a.append(a)
        all_c.append(c)
        all_y.append(e / e.sum(axis=0))
        steps.append((a, c, a_prev, c_prev, f, i, g, o, x[:, :, t - 1], par))
        v = np.vstack([a, x[:, :, t - 1]])
    return np.dstack(all_a), np.dstack(all_y), np.dstack(all_c), (steps, x)


@wrong(
    "lstm_cell_backward",
    "i g is replaced by c - f c_prev, and the factor i is written once more",
    "from memory: own derivation with i g = c - f c_prev",
)
def i_squared(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, x, par = cache
    n = len(a)
    dc = dc_next + da_next * o / np.cosh(c) ** 2
    # o tanh(c) = a,  f c_prev = c - i g,  i g = c - f c_prev
    delta = {
        "o": da_next * a * (1 - o),
        "f": dc * (c - i * g) * (1 - f),
        "i": dc * (c - f * c_prev) * i * (1 - i),
        "c": dc * i * (1 - g**2),
    }
    v = np.vstack([a_prev, x])
    grads = {"dc_prev": f * dc}
    grads["da_prev"] = sum(np.dot(par["W" + k][:, :n].T, delta[k]) for k in delta)
    grads["dxt"] = sum(np.dot(par["W" + k][:, n:].T, delta[k]) for k in delta)
    for k in delta:
        grads["dW" + k] = np.dot(delta[k], v.T)
        grads["db" + k] = np.sum(delta[k], axis=1, keepdims=True)
    return grads


@right(
    "lstm_cell_backward",
    "f c_prev = c - i g and o tanh(c) = a put in, sech^2 at the recovered "
    "pre-activation, an explicit sum over the examples",
)
def identities(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, x, par = cache
    n, m = a.shape
    dc = dc_next + da_next * o / np.cosh(c) ** 2
    z_g = np.arctanh(g)
    delta = {
        "f": dc * (c - i * g) * (1 - f),
        "i": dc * (c - f * c_prev) * (1 - i),
        "c": dc * i / np.cosh(z_g) ** 2,
        "o": da_next * a * (1 - o),
    }
    grads = {"dc_prev": dc * f}
    da_prev, dxt = np.zeros(a.shape), np.zeros(x.shape)
    for k, d in delta.items():
        grads["dW" + k], grads["db" + k] = (
            np.zeros(par["W" + k].shape),
            np.zeros((n, 1)),
        )
        for s in range(m):
            v = np.append(a_prev[:, s], x[:, s])
            grads["dW" + k] += np.outer(d[:, s], v)
            grads["db" + k][:, 0] += d[:, s]
            dv = d[:, s] @ par["W" + k]
            da_prev[:, s] += dv[:n]
            dxt[:, s] += dv[n:]
    return {"dxt": dxt, "da_prev": da_prev, **grads}


# ================================================================= GRU


def cho(x, prev_h, Wx, Wh, b):
    x_r, x_z, x_n = np.split(x @ Wx + b, 3, axis=1)
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    r = sigma(x_r + prev_h @ Wr)
    z = sigma(x_z + prev_h @ Wz)
    n = np.tanh(x_n + (r * prev_h) @ Wn)
    return (1 - z) * n + z * prev_h, (x, prev_h, r, z, n, Wx, Wh)


def cho_sequence(x, h0, Wx, Wh, b):
    h, hs, steps = h0, [], []
    for t in range(1, x.shape[1] + 1):
        h, step = cho(x[:, t - 1], h, Wx, Wh, b)
        hs.append(h)
        steps.append(step)
    return np.stack(hs, axis=1), steps


@wrong(
    "gru_cell_backward",
    "derived for h' = z n + (1 - z) h, the other paper's update gate, while the "
    "forward pass has (1 - z) n + z h",
    "from memory: two papers mixed",
    convention="ntd",
    forward=cho,
)
def other_paper(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    dn = dnext_h * z
    dz = dnext_h * (n - h)
    delta_n = dn * (1 - n**2)
    delta_z = dz * z * (1 - z)
    drh = delta_n @ Wn.T
    delta_r = drh * h * r * (1 - r)
    dprev_h = dnext_h * (1 - z) + drh * r + delta_r @ Wr.T + delta_z @ Wz.T
    delta = np.hstack([delta_r, delta_z, delta_n])
    dWh = np.hstack([h.T @ delta_r, h.T @ delta_z, (r * h).T @ delta_n])
    return delta @ Wx.T, dprev_h, x.T @ delta, dWh, delta.sum(axis=0)


@wrong(
    "gru_backward",
    "derived for n = tanh(x W + r (h W)), the reset behind the product, while the "
    "forward pass has (r h) W",
    "from memory: the formulas of the library's documentation for another forward pass",
    convention="ntd",
    forward=cho_sequence,
)
def reset_behind(dh, cache):
    T = len(cache)
    Wx, Wh = cache[0][5], cache[0][6]
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    epsilon = np.zeros_like(dh[:, 0])
    dx = [None] * (T + 1)
    dWx, dWh, db = 0, 0, 0
    for t in range(T, 0, -1):
        x, h, r, z, n, _, _ = cache[t - 1]
        epsilon = epsilon + dh[:, t - 1]
        delta_z = epsilon * (h - n) * z * (1 - z)
        delta_n = epsilon * (1 - z) * (1 - n**2)
        delta_r = delta_n * (h @ Wn) * r * (1 - r)
        delta = np.hstack([delta_r, delta_z, delta_n])
        dx[t] = delta @ Wx.T
        dWx = dWx + x.T @ delta
        dWh = dWh + h.T @ np.hstack([delta_r, delta_z, r * delta_n])
        db = db + delta.sum(axis=0)
        epsilon = epsilon * z + (r * delta_n) @ Wn.T + delta_r @ Wr.T + delta_z @ Wz.T
    return np.stack(dx[1:], axis=1), epsilon, dWx, dWh, db


@wrong(
    "gru_backward",
    "the carried gradient lacks the way through the update gate's weights; db of z is "
    "a copy of that of r",
    "from memory: a term forgotten and a line copied",
    convention="ntd",
    forward=cho_sequence,
    tags="double",
)
def term_and_copy(dh, cache):
    T, H = len(cache), dh.shape[2]
    Wx, Wh = cache[0][5], cache[0][6]
    Ur, Uz, Un = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    Vr, Vz, Vn = Wx[:, :H], Wx[:, H : 2 * H], Wx[:, 2 * H :]
    dx = np.zeros((len(dh), T, len(Wx)))
    dVr, dVz, dVn = 0 * Vr, 0 * Vz, 0 * Vn
    dUr, dUz, dUn = 0 * Ur, 0 * Uz, 0 * Un
    dbr, dbz, dbn = np.zeros(H), np.zeros(H), np.zeros(H)
    future = 0
    for t in range(T, 0, -1):
        x, h, r, z, n, _, _ = cache[t - 1]
        total = dh[:, t - 1] + future
        delta_n = total * (1 - z) * (1 - n**2)
        delta_z = total * (h - n) * z * (1 - z)
        gated = delta_n @ Un.T  # dE/d(r h)
        delta_r = gated * h * r * (1 - r)
        dVr, dVz, dVn = dVr + x.T @ delta_r, dVz + x.T @ delta_z, dVn + x.T @ delta_n
        dUr += h.T @ delta_r
        dUz += h.T @ delta_z
        dUn += (r * h).T @ delta_n
        dbr += delta_r.sum(axis=0)
        dbz += delta_r.sum(axis=0)
        dbn += delta_n.sum(axis=0)
        dx[:, t - 1] = delta_r @ Vr.T + delta_z @ Vz.T + delta_n @ Vn.T
        # h reaches h' directly, through r h, and through the gates
        future = total * z + gated * r + delta_r @ Ur.T
    dWx = np.hstack([dVr, dVz, dVn])
    dWh = np.hstack([dUr, dUz, dUn])
    return dx, future, dWx, dWh, np.concatenate([dbr, dbz, dbn])


# ================================================================= readout


@wrong(
    "readout_backward",
    "softmax is differentiated like a sigmoid, dy_k/dz_k = y_k (1 - y_k); the terms "
    "off the diagonal are missing",
    "from memory: only the diagonal of the softmax Jacobian",
)
def diagonal_softmax(y_pred, labels, a, parameters):
    V = parameters["Wya"]
    n_y, m, T = y_pred.shape
    target = np.zeros(y_pred.shape)
    for j in range(m):
        for t in range(T):
            target[labels[j, t], j, t] = 1
    # E = -1/(mT) sum target log y
    dE_dy = -target / y_pred / (m * T)
    dy_dz = y_pred * (1 - y_pred)
    delta = dE_dy * dy_dz
    return {
        "da": np.einsum("yn,ymt->nmt", V, delta),
        "dWya": np.einsum("ymt,nmt->yn", delta, a),
        "dby": delta.sum(axis=(1, 2)).reshape(n_y, 1),
    }


@wrong(
    "readout_backward",
    "the mean is taken over T only, not over the examples; da is multiplied by "
    "1 - a^2, which belongs to the cell",
    "from memory: one step too far down the chain rule, and the mean by time",
    tags="double",
)
def too_far(y_pred, labels, a, parameters):
    V = parameters["Wya"]
    n_y, m, T = y_pred.shape
    target = (np.arange(n_y)[:, None, None] == labels).astype(float)
    delta = (y_pred - target) / T
    da, dV, db = np.zeros(a.shape), np.zeros(V.shape), np.zeros((n_y, 1))
    for t in range(1, T + 1):
        d_t, a_t = delta[:, :, t - 1], a[:, :, t - 1]
        da[:, :, t - 1] = np.dot(V.T, d_t) * (1 - a_t**2)
        dV += np.dot(d_t, a_t.T)
        db += np.sum(d_t, axis=1, keepdims=True)
    return {"da": da, "dWya": dV, "dby": db}
