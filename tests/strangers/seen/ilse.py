"""My notebook of derivations (Ilse).

Everything is derived on paper first, for ONE example and ONE time step, and then
put into loops.  Notation: dL_dq is the derivative of the loss to q, dz_g is the
derivative of the loss to the pre-activation of gate g.
"""

import numpy as np
from strangers.made import right, wrong


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax_of_vector(z):
    shifted = np.exp(z - np.max(z))
    return shifted / np.sum(shifted)


# ---------------------------------------------------------------------------
# Chapter 1: the simple recurrent cell
# ---------------------------------------------------------------------------


@wrong(
    "rnn_cell_backward",
    "outer product of dWaa is written the other way round",
    "from memory",
)
def rnn_cell_outer_products(da_next, cache):
    """
    a_next = tanh(z),  z = Waa a_prev + Wax xt + ba

    On paper, for one example k:
        dL_dz_i      = dL_da_i (1 - a_i^2)
        dL_dWaa_ij   = dL_dz_i a_prev_j
        dL_dWax_ij   = dL_dz_i x_j
        dL_da_prev_j = sum_i Waa_ij dL_dz_i
    The weights are shared by the examples, hence a sum over k.
    """
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    n_x, m = xt.shape
    n_a = a_next.shape[0]

    dL_dxt = np.zeros((n_x, m))
    dL_da_prev = np.zeros((n_a, m))
    dL_dWax = np.zeros((n_a, n_x))
    dL_dWaa = np.zeros((n_a, n_a))
    dL_dba = np.zeros((n_a, 1))

    for k in range(m):
        dL_dz = da_next[:, k] * (1 - a_next[:, k] ** 2)
        dL_dWaa += np.outer(a_prev[:, k], dL_dz)
        dL_dWax += np.outer(dL_dz, xt[:, k])
        dL_dba[:, 0] += dL_dz
        dL_da_prev[:, k] = np.dot(Waa.T, dL_dz)
        dL_dxt[:, k] = np.dot(Wax.T, dL_dz)

    return {
        "dxt": dL_dxt,
        "da_prev": dL_da_prev,
        "dWax": dL_dWax,
        "dWaa": dL_dWaa,
        "dba": dL_dba,
    }


@wrong(
    "rnn_cell_backward",
    "dba is a vector (n_a,) and not a column (n_a, 1)",
    "from memory",
    words="dba&shape",
)
def rnn_cell_example_by_example(da_next, cache):
    """
    Same as before, collected in lists: one entry for every example, put together
    at the end.  (Columns for what belongs to an example, a sum for what is shared.)
    """
    a_next, a_prev, xt, parameters = cache
    columns_dx = []
    columns_da_prev = []
    sum_dWax = 0.0
    sum_dWaa = 0.0
    sum_dba = 0.0
    for k in range(xt.shape[1]):
        slope = 1.0 - np.square(a_next[:, k])
        dL_dz = slope * da_next[:, k]
        columns_dx.append(parameters["Wax"].T @ dL_dz)
        columns_da_prev.append(parameters["Waa"].T @ dL_dz)
        sum_dWax = sum_dWax + np.outer(dL_dz, xt[:, k])
        sum_dWaa = sum_dWaa + np.outer(dL_dz, a_prev[:, k])
        sum_dba = sum_dba + dL_dz
    gradients = {}
    gradients["dxt"] = np.stack(columns_dx, axis=1)
    gradients["da_prev"] = np.stack(columns_da_prev, axis=1)
    gradients["dWax"] = sum_dWax
    gradients["dWaa"] = sum_dWaa
    gradients["dba"] = sum_dba
    return gradients


@wrong(
    "rnn_backward",
    "the inner sum of BPTT stops at tau = 1, index 0 is left out",
    "from memory",
)
def rnn_double_sum(da, caches):
    """
    The formula of the lecture, literally:

        dL/dW = sum_t  sum_{tau = 1..t}  dL_t/da_t  (da_t/da_tau)  (d+ a_tau/dW)

    For every loss L_t we walk back from tau = t to tau = 1 and carry
    delta = dL_t / da_tau.  What is left of delta at the end belongs to a0.
    """
    (cells, x) = caches
    parameters = cells[0][3]
    Wax, Waa = parameters["Wax"], parameters["Waa"]
    n_a, m, T_x = da.shape

    dL_dx = np.zeros(x.shape)
    dL_da0 = np.zeros((n_a, m))
    dL_dWax = np.zeros(Wax.shape)
    dL_dWaa = np.zeros(Waa.shape)
    dL_dba = np.zeros((n_a, 1))

    for k in range(m):
        for t in range(T_x):
            delta = da[:, k, t]
            for tau in range(t, 0, -1):
                a_tau, a_before, x_tau, _ = cells[tau]
                dz = delta * (1 - a_tau[:, k] ** 2)
                dL_dWax += np.outer(dz, x_tau[:, k])
                dL_dWaa += np.outer(dz, a_before[:, k])
                dL_dba[:, 0] += dz
                dL_dx[:, k, tau] += Wax.T @ dz
                delta = Waa.T @ dz
            dL_da0[:, k] += delta

    return {"dx": dL_dx, "da0": dL_da0, "dWax": dL_dWax, "dWaa": dL_dWaa, "dba": dL_dba}


@wrong(
    "rnn_backward",
    "the Jacobian of a step has diag and Waa in the wrong order",
    "from memory",
)
def rnn_jacobian_swapped(da, caches):
    """
    With the Jacobian of one step,  J_t = d a_t / d a_{t-1}, we have

        dL/da_{t-1} = dL_{t-1}/da_{t-1} + J_t^T dL/da_t,      J_t = Waa diag(1 - a_t^2)

    First pass: all dL/da_t.  Second pass: everything else from dL/da_t.
    """
    cells, x = caches
    n_a, m, T_x = da.shape
    parameters = cells[0][-1]
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]

    # first pass, dL_da[:, k, t + 1] belongs to a_t, dL_da[:, k, 0] to a0
    dL_da = np.zeros((n_a, m, T_x + 1))
    dL_da[:, :, 1:] = da
    for t in range(T_x - 1, -1, -1):
        a_t = cells[t][0]
        for k in range(m):
            J_t = Waa @ np.diag(1 - a_t[:, k] ** 2)
            dL_da[:, k, t] += J_t.T @ dL_da[:, k, t + 1]

    # second pass
    gradients = {
        "dx": np.zeros_like(x),
        "da0": dL_da[:, :, 0],
        "dWax": np.zeros_like(Wax),
        "dWaa": np.zeros_like(Waa),
        "dba": np.zeros((n_a, 1)),
    }
    for t in range(T_x):
        a_t, a_prev, x_t, _ = cells[t]
        for k in range(m):
            dz = (1 - a_t[:, k] ** 2) * dL_da[:, k, t + 1]
            gradients["dx"][:, k, t] = Wax.T @ dz
            gradients["dWax"] += np.outer(dz, x_t[:, k])
            gradients["dWaa"] += np.outer(dz, a_prev[:, k])
            gradients["dba"] += dz[:, None]
    return gradients


@right("rnn_backward", "Jacobian matrices for every step and example, two passes")
def rnn_with_jacobians(da, caches):
    """
    J_t = d a_t / d a_{t-1} = diag(1 - a_t^2) Waa   and   K_t = d a_t / d x_t = diag(1 - a_t^2) Wax.
    Row vectors on the left:  dL/da_{t-1} = dL/da_t J_t.
    """
    cells, x = caches
    n_x, m, T_x = x.shape
    Wax, Waa = cells[0][-1]["Wax"], cells[0][-1]["Waa"]
    n_a = Waa.shape[0]
    dL_dx = np.empty((n_x, m, T_x))
    dL_da0 = np.empty((n_a, m))
    dL_dWax, dL_dWaa, dL_dba = 0 * Wax, 0 * Waa, np.zeros((n_a, 1))
    for k in range(m):
        row = np.zeros((1, n_a))
        for t in range(T_x - 1, -1, -1):
            row = row + da[:, k, t].reshape(1, n_a)
            a_t, a_prev, x_t, _ = cells[t]
            D_t = np.diag(1 - a_t[:, k] ** 2)
            dz = (row @ D_t).T
            dL_dWax += dz @ x_t[:, k].reshape(1, n_x)
            dL_dWaa += dz @ a_prev[:, k].reshape(1, n_a)
            dL_dba += dz
            dL_dx[:, k, t] = (row @ (D_t @ Wax)).ravel()
            row = row @ (D_t @ Waa)
        dL_da0[:, k] = row.ravel()
    return {"dx": dL_dx, "da0": dL_da0, "dWax": dL_dWax, "dWaa": dL_dWaa, "dba": dL_dba}


@wrong(
    "rnn_backward",
    "slope is (1 - a)^2, and dx is written down in the order of the way back",
    "from memory",
    tags="double time",
)
def rnn_step_counter(da, caches):
    """
    I count the steps of the way back with s = 0, 1, ..., T_x - 1; s = 0 is the last
    step of the sequence.  tanh'(z) = (1 - a)^2 from the table of derivatives.
    """
    cells, x = caches
    n_x, m, T_x = x.shape
    n_a = da.shape[0]
    W = cells[0][3]

    dL_dx = np.zeros((n_x, m, T_x))
    dL_dWax = np.zeros((n_a, n_x))
    dL_dWaa = np.zeros((n_a, n_a))
    dL_dba = np.zeros((n_a, 1))
    dL_da_from_later = np.zeros((n_a, m))

    for s in range(T_x):
        t = T_x - 1 - s
        (a_t, a_before, x_t, _) = cells[t]
        for k in range(m):
            dL_da = da[:, k, t] + dL_da_from_later[:, k]
            dL_dz = dL_da * (1 - a_t[:, k]) ** 2
            dL_dx[:, k, s] = W["Wax"].T.dot(dL_dz)
            dL_dWax += np.outer(dL_dz, x_t[:, k])
            dL_dWaa += np.outer(dL_dz, a_before[:, k])
            dL_dba[:, 0] += dL_dz
            dL_da_from_later[:, k] = W["Waa"].T.dot(dL_dz)

    return {
        "dx": dL_dx,
        "da0": dL_da_from_later,
        "dWax": dL_dWax,
        "dWaa": dL_dWaa,
        "dba": dL_dba,
    }


@wrong(
    "rnn_forward",
    "one buffer a_next for all steps stands in every cache",
    "from memory",
    tags="view",
)
def rnn_forward_one_buffer(x, a0, parameters):
    """
    a_t = tanh(Waa a_{t-1} + Wax x_t + ba),  y_t = softmax(Wya a_t + by),
    example by example.  The column of an example is read before it is written, so one
    array for the hidden state is enough.
    """
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    caches = []

    a_prev = a0
    a_next = np.zeros((n_a, m))
    for t in range(T_x):
        xt = x[:, :, t]
        for k in range(m):
            z = parameters["Waa"] @ a_prev[:, k] + parameters["Wax"] @ xt[:, k]
            a_next[:, k] = np.tanh(z + parameters["ba"][:, 0])
            z_y = parameters["Wya"] @ a_next[:, k] + parameters["by"][:, 0]
            y_pred[:, k, t] = softmax_of_vector(z_y)
        a[:, :, t] = a_next
        caches.append((a_next, a_prev, xt, parameters))
        a_prev = a_next
    return a, y_pred, (caches, x)


def rnn_of_other_course(x, h0, Wx, Wh, b):
    """h_t = tanh(x_t Wx + h_{t-1} Wh + b), rows are examples.  all_h[:, 0] is h0."""
    N, T, D = x.shape
    all_h = np.zeros((N, T + 1, h0.shape[1]))
    all_h[:, 0] = h0
    for t in range(T):
        for n in range(N):
            all_h[n, t + 1] = np.tanh(x[n, t] @ Wx + all_h[n, t] @ Wh + b)
    return all_h[:, 1:].copy(), {"x": x, "all_h": all_h, "Wx": Wx, "Wh": Wh}


@wrong(
    "rnn_backward",
    "dh0 is dz of the first step, not sent through Wh",
    "from memory",
    convention="ntd",
    forward=rnn_of_other_course,
)
def rnn_other_course_dz_array(dh, cache):
    """
    Here I keep dL_dz for all steps.  Recursion on paper (row vectors):

        dz_t = (dh_t + dz_{t+1} Wh^T) * (1 - h_t^2),      dz_{T+1} = 0

    and everything else is a sum of products with dz_t.
    """
    x, all_h, Wx, Wh = cache["x"], cache["all_h"], cache["Wx"], cache["Wh"]
    N, T, H = dh.shape
    dz = np.zeros((N, T + 1, H))
    for n in range(N):
        for t in range(T - 1, -1, -1):
            h_t = all_h[n, t + 1]
            dz[n, t] = (dh[n, t] + dz[n, t + 1] @ Wh.T) * (1 - h_t**2)

    dL_dx = np.zeros(x.shape)
    dL_dWx = np.zeros(Wx.shape)
    dL_dWh = np.zeros(Wh.shape)
    dL_db = np.zeros(H)
    for n in range(N):
        for t in range(T):
            dL_dx[n, t] = Wx @ dz[n, t]
            dL_dWx += np.outer(x[n, t], dz[n, t])
            dL_dWh += np.outer(all_h[n, t], dz[n, t])
            dL_db += dz[n, t]
    dL_dh0 = dz[:, 0]
    return dL_dx, dL_dh0, dL_dWx, dL_dWh, dL_db


# ---------------------------------------------------------------------------
# Chapter 2: LSTM
# ---------------------------------------------------------------------------


@wrong(
    "lstm_cell_backward",
    "the gradient of [a_prev; xt] is parted after n_x rows",
    "from memory",
)
def lstm_cell_concat(da_next, dc_next, cache):
    """
    With v = [a_prev; xt] every gate is  z_g = W_g v + b_g.  Therefore

        dL_dv = W_f^T dz_f + W_i^T dz_i + W_c^T dz_c + W_o^T dz_o

    and dL_dv is cut in two again: one part for x, one part for a_prev.
    """
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a = a_next.shape[0]

    gradients = {
        "dxt": np.zeros((n_x, m)),
        "da_prev": np.zeros((n_a, m)),
        "dc_prev": np.zeros((n_a, m)),
    }
    for g in ("f", "i", "c", "o"):
        gradients["dW" + g] = np.zeros((n_a, n_a + n_x))
        gradients["db" + g] = np.zeros((n_a, 1))

    for k in range(m):
        f, i, cc, o = ft[:, k], it[:, k], cct[:, k], ot[:, k]
        tanh_c = np.tanh(c_next[:, k])
        v = np.concatenate((a_prev[:, k], xt[:, k]))

        dL_da = da_next[:, k]
        dL_dc = dc_next[:, k] + dL_da * o * (1 - tanh_c**2)

        dz = {
            "o": dL_da * tanh_c * o * (1 - o),
            "f": dL_dc * c_prev[:, k] * f * (1 - f),
            "i": dL_dc * cc * i * (1 - i),
            "c": dL_dc * i * (1 - cc**2),
        }
        dL_dv = np.zeros(n_a + n_x)
        for g in dz:
            gradients["dW" + g] += np.outer(dz[g], v)
            gradients["db" + g][:, 0] += dz[g]
            dL_dv += parameters["W" + g].T @ dz[g]

        gradients["dxt"][:, k] = dL_dv[:n_x]
        gradients["da_prev"][:, k] = dL_dv[n_x:]
        gradients["dc_prev"][:, k] = dL_dc * f
    return gradients


def d_sigmoid(s):
    """s is the VALUE of the sigmoid."""
    return s * (1 - s)


def d_tanh(z):
    """z is the argument of tanh."""
    return 1 - np.tanh(z) ** 2


@wrong(
    "lstm_cell_backward",
    "tanh is taken once more of cct, which is a tanh already",
    "from memory",
)
def lstm_cell_d_tanh(da_next, dc_next, cache):
    """
    c = f c_prev + i cc,  a = o tanh(c).

    dL_dc = dc_next + da o tanh'(c)
    dz_f = dL_dc c_prev sigma'      dz_i = dL_dc cc sigma'
    dz_c = dL_dc i tanh'            dz_o = da tanh(c) sigma'
    """
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters = cache
    n_a, m = a_next.shape
    Wf, Wi, Wc, Wo = (parameters[name] for name in ("Wf", "Wi", "Wc", "Wo"))

    dWf, dWi, dWc, dWo = (np.zeros(Wf.shape) for _ in range(4))
    dbf, dbi, dbc, dbo = (np.zeros((n_a, 1)) for _ in range(4))
    da_prev = np.zeros((n_a, m))
    dc_prev = np.zeros((n_a, m))
    dxt = np.zeros(xt.shape)

    for k in range(m):
        dL_dc = dc_next[:, k] + da_next[:, k] * ot[:, k] * d_tanh(c_next[:, k])
        dz_f = dL_dc * c_prev[:, k] * d_sigmoid(ft[:, k])
        dz_i = dL_dc * cct[:, k] * d_sigmoid(it[:, k])
        dz_c = dL_dc * it[:, k] * d_tanh(cct[:, k])
        dz_o = da_next[:, k] * np.tanh(c_next[:, k]) * d_sigmoid(ot[:, k])

        v = np.hstack([a_prev[:, k], xt[:, k]])
        dWf += np.outer(dz_f, v)
        dWi += np.outer(dz_i, v)
        dWc += np.outer(dz_c, v)
        dWo += np.outer(dz_o, v)
        dbf[:, 0] += dz_f
        dbi[:, 0] += dz_i
        dbc[:, 0] += dz_c
        dbo[:, 0] += dz_o

        dL_dv = Wf.T @ dz_f + Wi.T @ dz_i + Wc.T @ dz_c + Wo.T @ dz_o
        da_prev[:, k] = dL_dv[:n_a]
        dxt[:, k] = dL_dv[n_a:]
        dc_prev[:, k] = ft[:, k] * dL_dc

    return {
        "dxt": dxt, "da_prev": da_prev, "dc_prev": dc_prev,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip


def lstm_cell_other_course(x, prev_h, prev_c, Wx, Wh, b):
    """Columns i, f, o, g.  Everything is remembered by name."""
    N, H = prev_h.shape
    z = x @ Wx + prev_h @ Wh + b
    i = sigmoid(z[:, 0 * H : 1 * H])
    f = sigmoid(z[:, 1 * H : 2 * H])
    o = sigmoid(z[:, 2 * H : 3 * H])
    g = np.tanh(z[:, 3 * H : 4 * H])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = dict(
        x=x,
        prev_h=prev_h,
        prev_c=prev_c,
        Wx=Wx,
        Wh=Wh,
        i=i,
        f=f,
        o=o,
        g=g,
        next_c=next_c,
    )
    return next_h, next_c, cache


@wrong(
    "lstm_cell_backward",
    "the way from h to c lacks the output gate, and dprev_c is f times dnext_c alone",
    "from memory",
    convention="ntd",
    forward=lstm_cell_other_course,
    tags="double",
)
def lstm_cell_other_course_backward(dnext_h, dnext_c, cache):
    """
    Row vectors now, one row for each example n.

        h = o tanh(c):     dL_do = dh tanh(c),   dL_dc += dh (1 - tanh(c)^2)
        c = f c' + i g:    dL_dc' = dc f,  dL_df = dL_dc c',  dL_di = dL_dc g,  dL_dg = dL_dc i
    """
    N, H = dnext_h.shape
    x, Wx, Wh = cache["x"], cache["Wx"], cache["Wh"]
    dL_dx = np.zeros(x.shape)
    dL_dprev_h = np.zeros((N, H))
    dL_dprev_c = np.zeros((N, H))
    dL_dWx = np.zeros(Wx.shape)
    dL_dWh = np.zeros(Wh.shape)
    dL_db = np.zeros(4 * H)
    for n in range(N):
        i, f, o, g = (cache[name][n] for name in "ifog")
        tanh_c = np.tanh(cache["next_c"][n])
        dL_dc = dnext_c[n] + dnext_h[n] * (1 - tanh_c**2)
        dz_i = dL_dc * g * i * (1 - i)
        dz_f = dL_dc * cache["prev_c"][n] * f * (1 - f)
        dz_o = dnext_h[n] * tanh_c * o * (1 - o)
        dz_g = dL_dc * i * (1 - g**2)
        dz = np.concatenate([dz_i, dz_f, dz_o, dz_g])
        dL_dx[n] = Wx @ dz
        dL_dprev_h[n] = Wh @ dz
        dL_dprev_c[n] = dnext_c[n] * f
        dL_dWx += np.outer(x[n], dz)
        dL_dWh += np.outer(cache["prev_h"][n], dz)
        dL_db += dz
    return dL_dx, dL_dprev_h, dL_dprev_c, dL_dWx, dL_dWh, dL_db


@wrong(
    "lstm_backward",
    "dL_dc is not set to zero again for the next example",
    "from memory",
    tags="time",
)
def lstm_examples_outside(da, caches):
    """
    The examples have nothing to do with each other, so I take one example after the
    other and go back through its whole sequence.  After the last step there is no
    later cell, so both derivatives start as zero.
    """
    cells, x = caches
    n_x, m, T_x = x.shape
    n_a = da.shape[0]
    parameters = cells[0][9]

    gradients = {"dx": np.zeros((n_x, m, T_x)), "da0": np.zeros((n_a, m))}
    for g in "fico":
        gradients[f"dW{g}"] = np.zeros((n_a, n_a + n_x))
        gradients[f"db{g}"] = np.zeros((n_a, 1))

    dL_dc = np.zeros(n_a)
    for k in range(m):
        dL_da = np.zeros(n_a)
        for t in reversed(range(T_x)):
            _, c, a_prev, c_prev, f, i, cc, o, x_t, _ = [
                q if isinstance(q, dict) else q[:, k] for q in cells[t]
            ]
            dL_da = dL_da + da[:, k, t]
            dL_dc = dL_dc + dL_da * o * (1 - np.tanh(c) ** 2)
            dz = {
                "f": dL_dc * c_prev * f * (1 - f),
                "i": dL_dc * cc * i * (1 - i),
                "c": dL_dc * i * (1 - cc**2),
                "o": dL_da * np.tanh(c) * o * (1 - o),
            }
            v = np.concatenate([a_prev, x_t])
            dL_dv = 0
            for g in "fico":
                gradients[f"dW{g}"] += np.outer(dz[g], v)
                gradients[f"db{g}"] += dz[g].reshape(n_a, 1)
                dL_dv = dL_dv + parameters[f"W{g}"].T @ dz[g]
            gradients["dx"][:, k, t] = dL_dv[n_a:]
            dL_da = dL_dv[:n_a]
            dL_dc = dL_dc * f
        gradients["da0"][:, k] = dL_da
    return gradients


@wrong(
    "lstm_backward",
    "the carried dL_dc meets a forget gate twice, f of t and f of t + 1",
    "from memory",
    tags="time",
)
def lstm_recursion_of_paper(da, caches):
    """
    Recursions on paper:

        dL_da_t = da_t + dL_da_from_later
        dL_dc_t = dL_da_t o_t (1 - tanh(c_t)^2)  +  dL_dc_{t+1} f_{t+1}
    """
    cells, x = caches
    n_x, m, T_x = x.shape
    n_a = da.shape[0]
    parameters = cells[0][9]
    Wf, Wi, Wc, Wo = (
        parameters["Wf"],
        parameters["Wi"],
        parameters["Wc"],
        parameters["Wo"],
    )

    dL_dx = np.zeros((n_x, m, T_x))
    dL_dWf, dL_dbf = np.zeros(Wf.shape), np.zeros((n_a, 1))
    dL_dWi, dL_dbi = np.zeros(Wi.shape), np.zeros((n_a, 1))
    dL_dWc, dL_dbc = np.zeros(Wc.shape), np.zeros((n_a, 1))
    dL_dWo, dL_dbo = np.zeros(Wo.shape), np.zeros((n_a, 1))

    dL_da_prev = np.zeros((n_a, m))
    dL_dc_prev = np.zeros((n_a, m))
    for t in range(T_x - 1, -1, -1):
        a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, _ = cells[t]
        if t + 1 < T_x:
            f_later = cells[t + 1][4]
        else:
            f_later = np.zeros((n_a, m))  # there is no later cell
        for k in range(m):
            dL_da = da[:, k, t] + dL_da_prev[:, k]
            tanh_c = np.tanh(c_next[:, k])
            dL_dc = (
                dL_da * ot[:, k] * (1 - tanh_c**2) + dL_dc_prev[:, k] * f_later[:, k]
            )

            dL_df = dL_dc * c_prev[:, k]
            dL_di = dL_dc * cct[:, k]
            dL_dcc = dL_dc * it[:, k]
            dL_do = dL_da * tanh_c
            dz_f = dL_df * ft[:, k] * (1 - ft[:, k])
            dz_i = dL_di * it[:, k] * (1 - it[:, k])
            dz_c = dL_dcc * (1 - cct[:, k] ** 2)
            dz_o = dL_do * ot[:, k] * (1 - ot[:, k])

            v = np.concatenate([a_prev[:, k], xt[:, k]])
            dL_dWf += np.outer(dz_f, v)
            dL_dWi += np.outer(dz_i, v)
            dL_dWc += np.outer(dz_c, v)
            dL_dWo += np.outer(dz_o, v)
            dL_dbf[:, 0] += dz_f
            dL_dbi[:, 0] += dz_i
            dL_dbc[:, 0] += dz_c
            dL_dbo[:, 0] += dz_o

            dL_dv = Wf.T @ dz_f + Wi.T @ dz_i + Wc.T @ dz_c + Wo.T @ dz_o
            dL_da_prev[:, k] = dL_dv[:n_a]
            dL_dx[:, k, t] = dL_dv[n_a:]
            dL_dc_prev[:, k] = dL_dc * ft[:, k]

    return {
        "dx": dL_dx, "da0": dL_da_prev,
        "dWf": dL_dWf, "dbf": dL_dbf, "dWi": dL_dWi, "dbi": dL_dbi,
        "dWc": dL_dWc, "dbc": dL_dbc, "dWo": dL_dWo, "dbo": dL_dbo,
    }  # fmt: skip


@right("lstm_backward", "dL_dc with f of t + 1, arrays of all dL_dc and all dz kept")
def lstm_tables_of_derivatives(da, caches):
    """
    I fill in tables over t, as on paper:  table_dc[t], table_dz[gate][t], and only then
    take the sums for the weights.
    """
    cells, x = caches
    n_x, m, T_x = x.shape
    n_a = da.shape[0]
    P = cells[0][9]
    table_dc = np.zeros((T_x + 1, m, n_a))
    table_dz = {g: np.zeros((T_x + 1, m, n_a)) for g in "fico"}
    f_table = np.stack([cell[4].T for cell in cells] + [np.zeros((m, n_a))])

    for t in range(T_x - 1, -1, -1):
        for k in range(m):
            _, c, _, c_prev, f, i, cc, o, _, _ = cells[t]
            dL_da = da[:, k, t].copy()
            for g in "fico":
                dL_da += P["W" + g][:, :n_a].T @ table_dz[g][t + 1, k]
            tanh_c = np.tanh(c[:, k])
            dL_dc = (
                dL_da * o[:, k] * (1 - tanh_c**2)
                + table_dc[t + 1, k] * f_table[t + 1, k]
            )
            table_dc[t, k] = dL_dc
            table_dz["f"][t, k] = dL_dc * c_prev[:, k] * d_sigmoid(f[:, k])
            table_dz["i"][t, k] = dL_dc * cc[:, k] * d_sigmoid(i[:, k])
            table_dz["c"][t, k] = dL_dc * i[:, k] * (1 - cc[:, k] ** 2)
            table_dz["o"][t, k] = dL_da * tanh_c * d_sigmoid(o[:, k])

    gradients = {"dx": np.zeros(x.shape), "da0": np.zeros((n_a, m))}
    for g in "fico":
        gradients["dW" + g] = np.zeros(P["W" + g].shape)
        gradients["db" + g] = np.zeros((n_a, 1))
        for k in range(m):
            gradients["da0"][:, k] += P["W" + g][:, :n_a].T @ table_dz[g][0, k]
            for t in range(T_x):
                dz = table_dz[g][t, k]
                gradients["dW" + g] += np.outer(
                    dz, np.append(cells[t][2][:, k], x[:, k, t])
                )
                gradients["db" + g][:, 0] += dz
                gradients["dx"][:, k, t] += P["W" + g][:, n_a:].T @ dz
    return gradients


def lstm_other_course(x, h0, Wx, Wh, b):
    """All steps with the cell above; the cache is the list of the cells' caches."""
    prev_h, prev_c = h0, np.zeros(h0.shape)
    all_h, memory = [], []
    for t in range(x.shape[1]):
        prev_h, prev_c, cache = lstm_cell_other_course(
            x[:, t], prev_h, prev_c, Wx, Wh, b
        )
        all_h.append(prev_h)
        memory.append(cache)
    return np.stack(all_h, axis=1), memory


@wrong(
    "lstm_backward",
    "the carried dh goes through i, f, o alone: the columns of g are cut off",
    "from memory",
    convention="ntd",
    forward=lstm_other_course,
)
def lstm_three_gates_back(dh, cache):
    """
    The three gates and the candidate, all of them see h_{t-1}:

        dL_dh_{t-1} = dh_{t-1} + dz_gates Wh^T

    dz is put together from the gates (i, f, o) and the candidate g at its end.
    """
    N, T, H = dh.shape
    Wx, Wh = cache[0]["Wx"], cache[0]["Wh"]
    D = Wx.shape[0]
    dL_dx = np.zeros((N, T, D))
    dL_dWx, dL_dWh, dL_db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(4 * H)
    dL_dh_later = np.zeros((N, H))
    dL_dc_later = np.zeros((N, H))
    for t in reversed(range(T)):
        step = cache[t]
        for n in range(N):
            i, f, o, g = step["i"][n], step["f"][n], step["o"][n], step["g"][n]
            tanh_c = np.tanh(step["next_c"][n])
            dL_dh = dh[n, t] + dL_dh_later[n]
            dL_dc = dL_dc_later[n] + dL_dh * o * (1 - tanh_c**2)
            dz_gates = np.concatenate(
                [
                    dL_dc * g * i * (1 - i),
                    dL_dc * step["prev_c"][n] * f * (1 - f),
                    dL_dh * tanh_c * o * (1 - o),
                ]
            )
            dz_candidate = dL_dc * i * (1 - g**2)
            dz = np.concatenate([dz_gates, dz_candidate])
            dL_dx[n, t] = Wx @ dz
            dL_dWx += np.outer(step["x"][n], dz)
            dL_dWh += np.outer(step["prev_h"][n], dz)
            dL_db += dz
            dL_dh_later[n] = Wh[:, : 3 * H] @ dz_gates
            dL_dc_later[n] = dL_dc * f
    return dL_dx, dL_dh_later, dL_dWx, dL_dWh, dL_db


@wrong(
    "lstm_cell_forward",
    "the forget gate is given the bias of the update gate",
    "from memory",
)
def lstm_cell_forward_by_columns(xt, a_prev, c_prev, parameters):
    """
    f  = sigma(W_f v + b_f)     i = sigma(W_i v + b_i)     o = sigma(W_o v + b_o)
    cc = tanh(W_c v + b_c)      c = f c_prev + i cc        a = o tanh(c)
    with v = [a_prev; xt], for every example k.
    """
    n_x, m = xt.shape
    n_y, n_a = parameters["Wy"].shape
    ft, it, cct, ot = (np.zeros((n_a, m)) for _ in range(4))
    c_next, a_next = np.zeros((n_a, m)), np.zeros((n_a, m))
    yt_pred = np.zeros((n_y, m))
    for k in range(m):
        v = np.concatenate((a_prev[:, k], xt[:, k]))
        z_f = parameters["Wf"] @ v + parameters["bi"][:, 0]
        z_i = parameters["Wi"] @ v + parameters["bi"][:, 0]
        z_c = parameters["Wc"] @ v + parameters["bc"][:, 0]
        z_o = parameters["Wo"] @ v + parameters["bo"][:, 0]
        ft[:, k] = sigmoid(z_f)
        it[:, k] = sigmoid(z_i)
        cct[:, k] = np.tanh(z_c)
        ot[:, k] = sigmoid(z_o)
        c_next[:, k] = ft[:, k] * c_prev[:, k] + it[:, k] * cct[:, k]
        a_next[:, k] = ot[:, k] * np.tanh(c_next[:, k])
        yt_pred[:, k] = softmax_of_vector(
            parameters["Wy"] @ a_next[:, k] + parameters["by"][:, 0]
        )
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


# ---------------------------------------------------------------------------
# Chapter 3: GRU (always in the layout of the other course, columns r, z, n)
# ---------------------------------------------------------------------------


def gru_cell_forward(x, prev_h, Wx, Wh, b):
    """r, z from h;  n from r h;  h = (1 - z) n + z h_prev."""
    N, H = prev_h.shape
    r, z, n, next_h = (np.zeros((N, H)) for _ in range(4))
    for k in range(N):
        r[k] = sigmoid(x[k] @ Wx[:, :H] + prev_h[k] @ Wh[:, :H] + b[:H])
        z[k] = sigmoid(
            x[k] @ Wx[:, H : 2 * H] + prev_h[k] @ Wh[:, H : 2 * H] + b[H : 2 * H]
        )
        n[k] = np.tanh(
            x[k] @ Wx[:, 2 * H :] + (r[k] * prev_h[k]) @ Wh[:, 2 * H :] + b[2 * H :]
        )
        next_h[k] = (1 - z[k]) * n[k] + z[k] * prev_h[k]
    return next_h, (x, prev_h, r, z, n, Wx, Wh)


def gru_forward(x, h0, Wx, Wh, b):
    """All steps."""
    h, cells, prev_h = np.zeros((x.shape[0], x.shape[1], h0.shape[1])), [], h0
    for t in range(x.shape[1]):
        prev_h, cell = gru_cell_forward(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
        cells.append(cell)
    return h, cells


@wrong(
    "gru_cell_backward",
    "the sign of the derivative to the update gate z",
    "from memory",
    convention="ntd",
    forward=gru_cell_forward,
)
def gru_cell_with_paper_h(dnext_h, cache):
    """
    h = (1 - z) n + z h'

        dL_dn  = dL_dh (1 - z)
        dL_dz  = dL_dh (n - h')
        dL_dh' = dL_dh z  + the ways through r, z and n
    """
    x, prev_h, r, z, n, Wx, Wh = cache
    N, H = prev_h.shape
    Wh_r, Wh_z, Wh_n = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    dL_dx, dL_dprev_h = np.zeros(x.shape), np.zeros((N, H))
    dL_dWx, dL_dWh, dL_db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    for k in range(N):
        dL_dh = dnext_h[k]
        dL_dn = dL_dh * (1 - z[k])
        dL_dz = dL_dh * (n[k] - prev_h[k])
        dz_n = dL_dn * (1 - n[k] ** 2)
        dz_z = dL_dz * z[k] * (1 - z[k])
        dL_drh = Wh_n @ dz_n
        dL_dr = dL_drh * prev_h[k]
        dz_r = dL_dr * r[k] * (1 - r[k])

        dz_all = np.concatenate([dz_r, dz_z, dz_n])
        dL_dx[k] = Wx @ dz_all
        dL_dprev_h[k] = dL_dh * z[k] + dL_drh * r[k] + Wh_r @ dz_r + Wh_z @ dz_z
        dL_dWx += np.outer(x[k], dz_all)
        dL_dWh[:, :H] += np.outer(prev_h[k], dz_r)
        dL_dWh[:, H : 2 * H] += np.outer(prev_h[k], dz_z)
        dL_dWh[:, 2 * H :] += np.outer(r[k] * prev_h[k], dz_n)
        dL_db += dz_all
    return dL_dx, dL_dprev_h, dL_dWx, dL_dWh, dL_db


@wrong(
    "gru_cell_backward",
    "the way through r * prev_h reaches prev_h without the factor r",
    "from memory",
    convention="ntd",
    forward=gru_cell_forward,
)
def gru_cell_list_of_ways(dnext_h, cache):
    """
    Four ways lead from prev_h to next_h; I add them one after the other:
      (1) directly, z h'      (2) through z      (3) through u = r h' in n      (4) through r
    """
    x, prev_h, r, z, n, Wx, Wh = cache
    N, H = prev_h.shape
    dL_dprev_h = np.zeros((N, H))
    dz_r, dz_z, dz_n = np.zeros((N, H)), np.zeros((N, H)), np.zeros((N, H))
    for k in range(N):
        # way 1
        dL_dprev_h[k] += dnext_h[k] * z[k]
        # way 2
        dz_z[k] = dnext_h[k] * (prev_h[k] - n[k]) * d_sigmoid(z[k])
        dL_dprev_h[k] += Wh[:, H : 2 * H].dot(dz_z[k])
        # way 3
        dz_n[k] = dnext_h[k] * (1 - z[k]) * (1 - n[k] ** 2)
        dL_du = Wh[:, 2 * H :].dot(dz_n[k])
        dL_dprev_h[k] += dL_du
        # way 4
        dz_r[k] = dL_du * prev_h[k] * d_sigmoid(r[k])
        dL_dprev_h[k] += Wh[:, :H].dot(dz_r[k])

    dL_dx = np.zeros(x.shape)
    dL_dWx = np.zeros(Wx.shape)
    dL_dWh = np.zeros(Wh.shape)
    dL_db = np.zeros(3 * H)
    for k in range(N):
        for j, (dz, left) in enumerate(
            [(dz_r[k], prev_h[k]), (dz_z[k], prev_h[k]), (dz_n[k], r[k] * prev_h[k])]
        ):
            gate = slice(j * H, (j + 1) * H)
            dL_dx[k] += Wx[:, gate].dot(dz)
            dL_dWx[:, gate] += np.outer(x[k], dz)
            dL_dWh[:, gate] += np.outer(left, dz)
            dL_db[gate] += dz
    return dL_dx, dL_dprev_h, dL_dWx, dL_dWh, dL_db


@wrong(
    "gru_backward",
    "the direct way z * h_prev carries dh of the step alone, without what came from later",
    "from memory",
    convention="ntd",
    forward=gru_forward,
    tags="time",
)
def gru_all_steps(dh, cache):
    """
    dL_dh_t = dh_t + (what comes from step t + 1).  The ways back to h_{t-1} as in the
    cell; written once more here, so that nothing hides in a function.
    """
    N, T, H = dh.shape
    Wx, Wh = cache[0][5], cache[0][6]
    Wh_r, Wh_z, Wh_n = np.split(Wh, 3, axis=1)
    dL_dx = np.zeros((N, T, Wx.shape[0]))
    dL_dWx, dL_dWh, dL_db = 0 * Wx, 0 * Wh, np.zeros(3 * H)
    dL_dh_from_later = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        x_t, prev_h, r, z, n, _, _ = cache[t]
        for k in range(N):
            dL_dh = dh[k, t] + dL_dh_from_later[k]
            dz_n = dL_dh * (1 - z[k]) * (1 - n[k] ** 2)
            dz_z = dL_dh * (prev_h[k] - n[k]) * z[k] * (1 - z[k])
            dL_drh = Wh_n @ dz_n
            dz_r = dL_drh * prev_h[k] * r[k] * (1 - r[k])

            dz_all = np.concatenate([dz_r, dz_z, dz_n])
            dL_dx[k, t] = Wx @ dz_all
            dL_dWx += np.outer(x_t[k], dz_all)
            dL_dWh += np.hstack(
                [
                    np.outer(prev_h[k], dz_r),
                    np.outer(prev_h[k], dz_z),
                    np.outer(r[k] * prev_h[k], dz_n),
                ]
            )
            dL_db += dz_all
            dL_dh_from_later[k] = (
                z[k] * dh[k, t] + r[k] * dL_drh + Wh_r @ dz_r + Wh_z @ dz_z
            )
    return dL_dx, dL_dh_from_later, dL_dWx, dL_dWh, dL_db


@right(
    "gru_cell_backward",
    "element by element, sums over indices as on paper",
    convention="ntd",
    forward=gru_cell_forward,
)
def gru_cell_by_elements(dnext_h, cache):
    """Index notation: h_j = (1 - z_j) n_j + z_j h'_j, u_i = r_i h'_i."""
    x, prev_h, r, z, n, Wx, Wh = cache
    N, H = prev_h.shape
    dz = np.zeros((N, 3 * H))
    dL_dprev_h = np.zeros((N, H))
    for k in range(N):
        for j in range(H):
            dz[k, H + j] = dnext_h[k, j] * (prev_h[k, j] - n[k, j]) * d_sigmoid(z[k, j])
            dz[k, 2 * H + j] = dnext_h[k, j] * (1 - z[k, j]) * (1 - n[k, j] ** 2)
        for i in range(H):
            dL_du_i = sum(Wh[i, 2 * H + j] * dz[k, 2 * H + j] for j in range(H))
            dz[k, i] = dL_du_i * prev_h[k, i] * d_sigmoid(r[k, i])
            dL_dprev_h[k, i] = dnext_h[k, i] * z[k, i] + dL_du_i * r[k, i]
        for i in range(H):
            dL_dprev_h[k, i] += sum(Wh[i, j] * dz[k, j] for j in range(2 * H))
    dL_dWh = np.zeros(Wh.shape)
    for k in range(N):
        dL_dWh[:, : 2 * H] += np.outer(prev_h[k], dz[k, : 2 * H])
        dL_dWh[:, 2 * H :] += np.outer(r[k] * prev_h[k], dz[k, 2 * H :])
    return dz @ Wx.T, dL_dprev_h, x.T @ dz, dL_dWh, dz.sum(axis=0)


# ---------------------------------------------------------------------------
# Chapter 4: the softmax on top
# ---------------------------------------------------------------------------


@wrong(
    "readout_backward",
    "the mean is taken over the examples alone, not over the steps",
    "from memory",
)
def readout_mean_over_examples(y_pred, labels, a, parameters):
    """
    L = -1/m sum_k log p_k[label],   dL_dz = (p - onehot) / m     (for every t)
    """
    n_y, m, T = y_pred.shape
    Wya = parameters["Wya"]
    dL_da = np.zeros(a.shape)
    dL_dWya = np.zeros(Wya.shape)
    dL_dby = np.zeros((n_y, 1))
    for t in range(T):
        for k in range(m):
            onehot = np.zeros(n_y)
            onehot[labels[k, t]] = 1
            dL_dz = (y_pred[:, k, t] - onehot) / m
            dL_dWya += np.outer(dL_dz, a[:, k, t])
            dL_dby[:, 0] += dL_dz
            dL_da[:, k, t] = Wya.T @ dL_dz
    return {"da": dL_da, "dWya": dL_dWya, "dby": dL_dby}


@wrong(
    "readout_backward",
    "only the score of the label has a derivative, the other scores have none",
    "from memory",
)
def readout_only_the_label(y_pred, labels, a, parameters):
    """
    L = -mean log p_l.   With p_l = exp(z_l) / S:

        dL/dp_l = -1 / p_l,      dp_l/dz_l = p_l (1 - p_l)

    so that dL/dz_l = -(1 - p_l) for l = label.
    """
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    count = m * T
    dL_dz = np.zeros((n_y, m, T))
    for k in range(m):
        for t in range(T):
            l = labels[k, t]
            p_l = y_pred[l, k, t]
            dL_dp = -1.0 / p_l / count
            dL_dz[l, k, t] = dL_dp * p_l * (1 - p_l)
    dL_da, dL_dWya, dL_dby = np.zeros(a.shape), np.zeros(Wya.shape), np.zeros((n_y, 1))
    for k in range(m):
        for t in range(T):
            dL_da[:, k, t] = Wya.T @ dL_dz[:, k, t]
            dL_dWya += np.outer(dL_dz[:, k, t], a[:, k, t])
            dL_dby += dL_dz[:, k, t : t + 1]
    return {"da": dL_da, "dWya": dL_dWya, "dby": dL_dby}
