# kevin's notebook export -- week 5 bootcamp. if the shapes match it is probably fine
import numpy as np
from strangers.made import right, wrong


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ------------------------------------------------------------------ RNN


@wrong(
    "rnn_cell_backward",
    "dWaa is transposed; it is square, so no shape complains",
    "from memory: np.dot(a_prev, dtanh.T) gave (5, 5) at once",
)
def rnn_step_square(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]

    dtanh = (1 - a_next**2) * da_next
    # dWax = np.dot(xt, dtanh.T)  -> (2, 5) wrong shape!!
    dWax = np.dot(xt, dtanh.T).T
    dWaa = np.dot(a_prev, dtanh.T)  # (5, 5) ok
    dba = np.sum(dtanh, axis=1).reshape(-1, 1)
    dxt = np.dot(Wax.T, dtanh)
    da_prev = np.dot(Waa.T, dtanh)

    gradients = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_backward",
    "the caches are reversed, and then taken by the index that runs backwards too",
    "from memory: reversed(caches) from one tutorial, reversed(range(T)) from another",
    step=-1,
    tags="time",
)
def rnn_reversed_twice(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    p = caches[0][3]
    caches = list(reversed(caches))

    dx = np.zeros(x.shape)
    dWax = np.zeros(p["Wax"].shape)
    dWaa = np.zeros(p["Waa"].shape)
    dba = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))

    for t in reversed(range(T_x)):
        a_next, a_prev, xt, _ = caches[t]
        dz = (da[:, :, t] + da_prevt) * (1 - a_next**2)
        dx[:, :, t] = np.dot(p["Wax"].T, dz)
        da_prevt = np.dot(p["Waa"].T, dz)
        dWax = dWax + np.dot(dz, xt.T)
        dWaa = dWaa + np.dot(dz, a_prev.T)
        dba = dba + np.sum(dz, axis=1, keepdims=True)

    return {"dx": dx, "da0": da_prevt, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_forward",
    "the softmax is divided by the sum over the examples (axis 1), not over the classes",
    "from memory: in pandas axis=1 goes across",
)
def rnn_softmax_axis(x, a0, parameters):
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    caches = []
    a_next = a0
    for t in range(T_x):
        a_prev = a_next
        xt = x[:, :, t]
        a_next = np.tanh(
            np.dot(parameters["Wax"], xt)
            + np.dot(parameters["Waa"], a_prev)
            + parameters["ba"]
        )
        logits = np.dot(parameters["Wya"], a_next) + parameters["by"]
        e = np.exp(logits)
        y_pred[:, :, t] = e / np.sum(e, axis=1, keepdims=True)  # keepdims or it crashes
        a[:, :, t] = a_next
        caches.append((a_next, a_prev, xt, parameters))
    return a, y_pred, (caches, x)


def my_rnn(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    prev = h0
    for t in range(T):
        prev = np.tanh(np.dot(x[:, t, :], Wx) + np.dot(prev, Wh) + b.reshape(1, -1))
        h[:, t, :] = prev
    cache = {"x": x, "h0": h0, "h": h, "Wx": Wx, "Wh": Wh}
    return h, cache


@wrong(
    "rnn_backward",
    "db is assigned and not summed over the steps, and dx is made of dh before the tanh",
    "from memory",
    tags="double",
    convention="ntd",
    forward=my_rnn,
)
def my_rnn_back(dh, cache):
    x, h0, h, Wx, Wh = [cache[k] for k in ["x", "h0", "h", "Wx", "Wh"]]
    N, T, H = dh.shape
    dx = np.zeros_like(x)
    dWx = np.zeros_like(Wx)
    dWh = np.zeros_like(Wh)
    dprev = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        prev = h[:, t - 1, :] if t > 0 else h0
        dht = dh[:, t, :] + dprev
        dtanh = dht * (1 - h[:, t, :] ** 2)
        dx[:, t, :] = np.dot(dht, Wx.T)
        dprev = np.dot(dtanh, Wh.T)
        dWx += np.dot(x[:, t, :].T, dtanh)
        dWh += np.dot(prev.T, dtanh)
        db = np.sum(dtanh, axis=0)
    return dx, dprev, dWx, dWh, db


@right(
    "rnn_backward",
    "x and a are flattened to (n, m T) after the loop, the weights come of one product",
)
def rnn_flattened(da, caches):
    steps, x = caches
    p = steps[0][3]
    n_a, m, T_x = da.shape
    dz = np.zeros_like(da)
    carry = 0
    for t in list(range(T_x))[::-1]:
        dz[:, :, t] = (da[:, :, t] + carry) * (1 - np.square(steps[t][0]))
        carry = p["Waa"].T.dot(dz[:, :, t])
    before = np.concatenate([s[1][:, :, None] for s in steps], axis=2)
    flat = dz.reshape(n_a, -1)
    return dict(
        dx=p["Wax"].T.dot(flat).reshape(x.shape),
        da0=carry,
        dWax=flat.dot(x.reshape(len(x), -1).T),
        dWaa=flat.dot(before.reshape(n_a, -1).T),
        dba=flat.sum(axis=1)[:, np.newaxis],
    )


# ------------------------------------------------------------------ LSTM


def gates_back(da_next, dc_next, cache):
    """the four dgates, checked this one against the formulas"""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)
    return dft, dit, dcct, dot, dc * ft


@wrong(
    "lstm_cell_backward",
    "the bias gradients are (n_a,): keepdims is missing in the four sums",
    "from memory",
    words="(?i)shape",
)
def lstm_step_flat_bias(da_next, dc_next, cache):
    a_prev, xt, parameters = cache[2], cache[8], cache[9]
    n_a = a_prev.shape[0]
    concat = np.concatenate([a_prev, xt], axis=0)
    dft, dit, dcct, dot, dc_prev = gates_back(da_next, dc_next, cache)
    g = {"dc_prev": dc_prev}
    back = 0
    for k, d in zip(["f", "i", "c", "o"], [dft, dit, dcct, dot]):
        g["dW" + k] = np.dot(d, concat.T)
        g["db" + k] = np.sum(d, axis=1)
        back = back + np.dot(parameters["W" + k].T, d)
    g["da_prev"] = back[:n_a, :]
    g["dxt"] = back[n_a:, :]
    return g


@wrong(
    "lstm_cell_backward",
    "dxt takes the first n_x columns of the weights and not those after n_a",
    "from memory: [:, n_x:] crashed, [:, :n_x] did not",
)
def lstm_step_first_columns(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a, m = a_next.shape
    Wf, Wi = parameters["Wf"], parameters["Wi"]
    Wc, Wo = parameters["Wc"], parameters["Wo"]
    dft, dit, dcct, dot, dc_prev = gates_back(da_next, dc_next, cache)

    concat = np.concatenate((a_prev, xt), axis=0)
    dWf = np.dot(dft, concat.T)
    dWi = np.dot(dit, concat.T)
    dWc = np.dot(dcct, concat.T)
    dWo = np.dot(dot, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)

    da_prev = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wc[:, :n_a].T, dcct)
        + np.dot(Wo[:, :n_a].T, dot)
    )
    dxt = (
        np.dot(Wf[:, :n_x].T, dft)
        + np.dot(Wi[:, :n_x].T, dit)
        + np.dot(Wc[:, :n_x].T, dcct)
        + np.dot(Wo[:, :n_x].T, dot)
    )
    return {
        "dxt": dxt, "da_prev": da_prev, "dc_prev": dc_prev,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


@wrong(
    "lstm_cell_backward",
    "dbo sums dit (a copied line), and the candidate's derivative is (1 - cct)**2",
    "from memory: copied the line of dbi three times and changed two of them",
    tags="double",
)
def lstm_step_copied(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - tc**2) * it * da_next) * (1 - cct) ** 2
    dit = (dc_next * cct + ot * (1 - tc**2) * cct * da_next) * it * (1 - it)
    dft = (dc_next * c_prev + ot * (1 - tc**2) * c_prev * da_next) * ft * (1 - ft)

    concat = np.concatenate((a_prev, xt), axis=0).T
    dWf = np.dot(dft, concat)
    dWi = np.dot(dit, concat)
    dWc = np.dot(dcct, concat)
    dWo = np.dot(dot, concat)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dit, axis=1, keepdims=True)

    dconcat = np.dot(parameters["Wf"].T, dft) + np.dot(parameters["Wi"].T, dit)
    dconcat += np.dot(parameters["Wc"].T, dcct) + np.dot(parameters["Wo"].T, dot)
    dc_prev = dc_next * ft + ot * (1 - tc**2) * ft * da_next
    return {
        "dxt": dconcat[n_a:], "da_prev": dconcat[:n_a], "dc_prev": dc_prev,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


@wrong(
    "lstm_backward",
    "da_prev is clipped to [-5, 5] between the steps",
    "from memory: the clip of the text generation exercise was left in the loop",
)
def lstm_clipped(da, caches):
    steps, x = caches
    parameters = steps[0][9]
    n_a, m, T_x = da.shape
    grads = {}
    for k in "fico":
        grads["dW" + k] = np.zeros(parameters["W" + k].shape)
        grads["db" + k] = np.zeros(parameters["b" + k].shape)
    dx = np.zeros(x.shape)
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        d = gates_back(da[:, :, t] + da_prevt, dc_prevt, steps[t])
        dc_prevt = d[4]
        concat = np.concatenate((steps[t][2], steps[t][8]), axis=0)
        dconcat = np.zeros(concat.shape)
        for k, dgate in zip("fico", d):
            grads["dW" + k] += np.dot(dgate, concat.T)
            grads["db" + k] += np.sum(dgate, axis=1, keepdims=True)
            dconcat += np.dot(parameters["W" + k].T, dgate)
        da_prevt = np.clip(dconcat[:n_a, :], -5, 5)  # exploding gradients
        dx[:, :, t] = dconcat[n_a:, :]
    grads["dx"] = dx
    grads["da0"] = da_prevt
    return grads


@wrong(
    "lstm_forward",
    "the memory starts as a0 and not with zeros",
    "from memory: c needs the same shape as a, and a0 has it",
)
def lstm_memory_start(x, a0, parameters):
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))
    caches = []
    a_next = a0
    c_next = a0.copy()
    for t in range(T_x):
        a_prev, c_prev = a_next, c_next
        xt = x[:, :, t]
        concat = np.concatenate([a_prev, xt])
        ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
        it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
        cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
        ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
        c_next = ft * c_prev + it * cct
        a_next = ot * np.tanh(c_next)
        e = np.exp(np.dot(parameters["Wy"], a_next) + parameters["by"])
        a[:, :, t] = a_next
        c[:, :, t] = c_next
        y[:, :, t] = e / e.sum(axis=0)
        caches.append((a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters))
    return a, y, c, (caches, x)


def my_lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    A = np.dot(x, Wx) + np.dot(prev_h, Wh) + b
    i = sigmoid(A[:, 0:H])
    f = sigmoid(A[:, H : 2 * H])
    o = sigmoid(A[:, 2 * H : 3 * H])
    g = np.tanh(A[:, 3 * H : 4 * H])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (i, f, o, g, next_c, prev_c, prev_h, x, Wx, Wh)


@wrong(
    "lstm_cell_backward",
    "dprev_c and dprev_h are returned in each other's place",
    "from memory: (N, H) both, so the unpacking never complained",
    convention="ntd",
    forward=my_lstm_step,
)
def my_lstm_step_back(dnext_h, dnext_c, cache):
    i, f, o, g, next_c, prev_c, prev_h, x, Wx, Wh = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    di = dc * g * i * (1 - i)
    df = dc * prev_c * f * (1 - f)
    do = dnext_h * t * o * (1 - o)
    dg = dc * i * (1 - g**2)
    dA = np.concatenate((di, df, do, dg), axis=1)  # axis=0 gave (12, 5)
    dx = np.dot(dA, Wx.T)
    dprev_h = np.dot(dA, Wh.T)
    dprev_c = dc * f
    dWx = np.dot(x.T, dA)
    dWh = np.dot(prev_h.T, dA)
    db = np.sum(dA, axis=0)
    return dx, dprev_c, dprev_h, dWx, dWh, db


# ------------------------------------------------------------------ GRU


def my_gru_step(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    r = sigmoid(x @ Wx[:, :H] + prev_h @ Wh[:, :H] + b[:H])
    z = sigmoid(x @ Wx[:, H:-H] + prev_h @ Wh[:, H:-H] + b[H:-H])
    n = np.tanh(x @ Wx[:, -H:] + (r * prev_h) @ Wh[:, -H:] + b[-H:])
    next_h = (1 - z) * n + z * prev_h
    return next_h, {
        "x": x,
        "prev_h": prev_h,
        "r": r,
        "z": z,
        "n": n,
        "Wx": Wx,
        "Wh": Wh,
    }


def my_gru(x, h0, Wx, Wh, b):
    h = np.zeros((x.shape[0], x.shape[1], h0.shape[1]))
    caches = []
    for t in range(x.shape[1]):
        h0, c = my_gru_step(x[:, t], h0, Wx, Wh, b)
        h[:, t] = h0
        caches.append(c)
    return h, caches


@wrong(
    "gru_cell_backward",
    "the gates are put together as z, r, n, while the columns are r, z, n",
    "from memory: the paper has z first",
    convention="ntd",
    forward=my_gru_step,
)
def my_gru_step_back(dnext_h, cache):
    x, h, r, z, n = (cache[k] for k in ("x", "prev_h", "r", "z", "n"))
    Wx, Wh = cache["Wx"], cache["Wh"]
    H = h.shape[1]
    dz = dnext_h * (h - n) * z * (1 - z)
    dn = dnext_h * (1 - z) * (1 - n**2)
    drh = np.dot(dn, Wh[:, 2 * H :].T)
    dr = drh * h * r * (1 - r)

    dzr = np.concatenate([dz, dr], axis=1)
    dA = np.concatenate([dzr, dn], axis=1)
    dx = np.dot(dA, Wx.T)
    dprev_h = dnext_h * z + drh * r + np.dot(dzr, Wh[:, : 2 * H].T)
    dWx = np.dot(x.T, dA)
    dWh = np.concatenate([np.dot(h.T, dzr), np.dot((r * h).T, dn)], axis=1)
    db = np.sum(dA, axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_backward",
    "dr is dn * h_prev without the way through the candidate's recurrent weights",
    "from memory: (N, H) already, so no matrix was missed",
    convention="ntd",
    forward=my_gru,
)
def my_gru_back(dh, caches):
    N, T, H = dh.shape
    D = caches[0]["x"].shape[1]
    Wx, Wh = caches[0]["Wx"], caches[0]["Wh"]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, 3 * H)), np.zeros((H, 3 * H)), np.zeros((3 * H,))
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        c = caches[t]
        h, r, z, n = c["prev_h"], c["r"], c["z"], c["n"]
        d = dh[:, t, :] + dprev
        dz = d * (h - n) * z * (1 - z)
        dn = d * (1 - z) * (1 - n**2)
        dr = dn * h * r * (1 - r)
        dWx += c["x"].T @ np.hstack((dr, dz, dn))
        dWh[:, :H] += h.T @ dr
        dWh[:, H : 2 * H] += h.T @ dz
        dWh[:, 2 * H :] += (r * h).T @ dn
        db += np.hstack((dr, dz, dn)).sum(axis=0)
        dx[:, t, :] = np.hstack((dr, dz, dn)) @ Wx.T
        dprev = d * z + dr @ Wh[:, :H].T + dz @ Wh[:, H : 2 * H].T
        dprev = dprev + (dn @ Wh[:, 2 * H :].T) * r
    return dx, dprev, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "the candidate's way to h_prev is not multiplied by r, and dx leaves out the reset gate's columns",
    "from memory",
    tags="double",
    convention="ntd",
    forward=my_gru_step,
)
def my_gru_step_back_v2(dnext_h, cache):
    x, h, r, z, n = (cache[k] for k in ("x", "prev_h", "r", "z", "n"))
    Wxr, Wxz, Wxn = np.split(cache["Wx"], 3, axis=1)
    Whr, Whz, Whn = np.split(cache["Wh"], 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (h - n) * z * (1 - z)
    dr = (dn @ Whn.T) * h * r * (1 - r)
    dx = dn @ Wxn.T + dz @ Wxz.T
    dprev_h = z * dnext_h + dn @ Whn.T + dz @ Whz.T + dr @ Whr.T
    dWx = np.concatenate([x.T @ dr, x.T @ dz, x.T @ dn], axis=1)
    dWh = np.concatenate([h.T @ dr, h.T @ dz, (r * h).T @ dn], axis=1)
    db = np.concatenate([dr.sum(0), dz.sum(0), dn.sum(0)])
    return dx, dprev_h, dWx, dWh, db


# ------------------------------------------------------------------ output layer


@wrong(
    "readout_backward",
    "y - onehot is multiplied by y (1 - y), the derivative of the softmax for a second time",
    "from memory: every layer so far had an activation derivative",
)
def readout_activation_twice(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    onehot = np.zeros((n_y, m, T))
    for i in range(m):
        for t in range(T):
            onehot[labels[i, t], i, t] = 1
    dz = (y_pred - onehot) * y_pred * (1 - y_pred) / (m * T)
    da = np.zeros(a.shape)
    dWya = np.zeros(parameters["Wya"].shape)
    dby = np.zeros(parameters["by"].shape)
    for t in range(T):
        da[:, :, t] = np.dot(parameters["Wya"].T, dz[:, :, t])
        dWya += np.dot(dz[:, :, t], a[:, :, t].T)
        dby += np.sum(dz[:, :, t], axis=1, keepdims=True)
    return {"da": da, "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "the labels are flattened step by step, the predictions example by example",
    "from memory: .T came from an older version with labels (T, m)",
)
def readout_flatten_order(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    n_a = a.shape[0]
    probs = y_pred.reshape(n_y, -1).T.copy()  # (m*T, n_y)
    acts = a.reshape(n_a, -1).T
    probs[np.arange(m * T), labels.T.reshape(-1)] -= 1
    probs /= m * T
    da = np.dot(probs, parameters["Wya"]).T.reshape(n_a, m, T)
    dWya = np.dot(probs.T, acts)
    dby = np.sum(probs, axis=0).reshape(-1, 1)
    return {"da": da, "dWya": dWya, "dby": dby}


@right(
    "readout_backward",
    "np.subtract.at on the transposed predictions, then everything is turned back",
)
def readout_subtract_at(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    d = np.array(y_pred.transpose(2, 1, 0))  # (T, m, n_y)
    np.subtract.at(d, (np.arange(T)[:, None], np.arange(m), labels.T), 1)
    d = d / labels.size
    acts = a.transpose(2, 1, 0)
    return {
        "da": (d @ parameters["Wya"]).transpose(2, 1, 0),
        "dWya": np.sum([dt.T @ at for dt, at in zip(d, acts)], axis=0),
        "dby": d.sum(0).sum(0).reshape(n_y, 1),
    }
