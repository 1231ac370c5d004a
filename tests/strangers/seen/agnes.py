"""Agnes takes the sequence models course, and the CS231n assignments in the evenings."""

import numpy as np
from strangers.made import right, wrong


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e_x = np.exp(x - np.max(x, axis=0, keepdims=True))
    return e_x / e_x.sum(axis=0, keepdims=True)


# ------------------------------------------------------------------ the notebook's cells


def rnn_cell_backward(da_next, cache):
    """The one that passed the test cell."""
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    dtanh = (1 - a_next**2) * da_next
    gradients = {
        "dxt": np.dot(Wax.T, dtanh),
        "dWax": np.dot(dtanh, xt.T),
        "da_prev": np.dot(Waa.T, dtanh),
        "dWaa": np.dot(dtanh, a_prev.T),
        "dba": np.sum(dtanh, axis=1, keepdims=True),
    }
    return gradients


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    concat = np.concatenate((a_prev, xt), axis=0)
    ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
    it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
    cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
    c_next = ft * c_prev + it * cct
    ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


def lstm_cell_backward(da_next, dc_next, cache):
    """My lstm cell, checked numerically."""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dct = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dcct = dct * it * (1 - cct**2)
    dit = dct * cct * it * (1 - it)
    dft = dct * c_prev * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0)
    gradients = {}
    dconcat = np.zeros_like(concat)
    for gate, dgate in [("f", dft), ("i", dit), ("c", dcct), ("o", dot)]:
        gradients["dW" + gate] = np.dot(dgate, concat.T)
        gradients["db" + gate] = np.sum(dgate, axis=1, keepdims=True)
        dconcat = dconcat + np.dot(parameters["W" + gate].T, dgate)
    gradients["da_prev"] = dconcat[:n_a, :]
    gradients["dxt"] = dconcat[n_a:, :]
    gradients["dc_prev"] = dct * ft
    return gradients


# ---------------------------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_forward",
    "yt_pred is made from a_prev, the state before the step",
    "from memory",
)
def rnn_cell_forward_prediction(xt, a_prev, parameters):
    # Retrieve parameters from "parameters"
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    Wya = parameters["Wya"]
    ba = parameters["ba"]
    by = parameters["by"]

    # compute next activation state using the formula given above
    a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
    # compute output of the current cell using the formula given above
    yt_pred = softmax(np.dot(Wya, a_prev) + by)

    # store values you need for backward propagation in cache
    cache = (a_next, a_prev, xt, parameters)
    return a_next, yt_pred, cache


@wrong(
    "rnn_cell_backward",
    "the state is computed again for tanh' without the bias ba",
    "from memory",
)
def rnn_cell_backward_recomputed(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]

    # derivative of tanh(u) is (1 - tanh(u)^2) du
    u = np.dot(Wax, xt) + np.dot(Waa, a_prev)
    dtanh = da_next * (1 - np.tanh(u) ** 2)

    # gradient of the loss with respect to Wax
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)

    # gradient with respect to Waa
    da_prev = np.dot(Waa.T, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)

    # gradient with respect to b
    dba = np.sum(dtanh, 1, keepdims=True)

    gradients = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_cell_backward",
    "1/m in front of dWax, dWaa and dba, as in the course on deep networks",
    "from memory: habit of the first course",
)
def rnn_cell_backward_one_over_m(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    m = xt.shape[1]
    dtanh = np.multiply(da_next, 1 - np.power(a_next, 2))
    gradients = {}
    gradients["dWax"] = 1 / m * np.dot(dtanh, xt.T)
    gradients["dWaa"] = 1 / m * np.dot(dtanh, a_prev.T)
    gradients["dba"] = 1 / m * np.sum(dtanh, axis=1, keepdims=True)
    gradients["dxt"] = np.dot(parameters["Wax"].T, dtanh)
    gradients["da_prev"] = np.dot(parameters["Waa"].T, dtanh)
    return gradients


@wrong(
    "rnn_backward",
    "the clipping of the next exercise (between -5 and 5) is left in the time loop's end",
    "from memory: the dinosaur notebook clips in place",
)
def rnn_backward_clipped(da, caches):
    (caches, x) = caches
    (a1, a0, x1, parameters) = caches[0]
    n_a, m, T_x = da.shape
    n_x, m = x1.shape

    dx = np.zeros((n_x, m, T_x))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))

    for t in reversed(range(T_x)):
        gradients = rnn_cell_backward(da[:, :, t] + da_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dx[:, :, t] = gradients["dxt"]
        dWax += gradients["dWax"]
        dWaa += gradients["dWaa"]
        dba += gradients["dba"]

    # clip to mitigate exploding gradients
    maxValue = 5
    for gradient in [dWax, dWaa, dba]:
        np.clip(gradient, -maxValue, maxValue, out=gradient)

    return {"dx": dx, "da0": da_prevt, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "da0 is taken before the cell at t = 0 has been gone through",
    "from memory",
)
def rnn_backward_da0_early(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    dx = np.zeros(x.shape)
    da_prevt = np.zeros((n_a, m))
    parameters = caches[0][3]
    dWax = np.zeros(parameters["Wax"].shape)
    dWaa = np.zeros(parameters["Waa"].shape)
    dba = np.zeros(parameters["ba"].shape)

    for t in range(T_x - 1, -1, -1):
        if t == 0:
            # Set da0 to the gradient of a which has been backpropagated through all steps
            da0 = da_prevt
        gradients = rnn_cell_backward(da[:, :, t] + da_prevt, caches[t])
        dxt, da_prevt = gradients["dxt"], gradients["da_prev"]
        dWaxt, dWaat, dbat = gradients["dWax"], gradients["dWaa"], gradients["dba"]
        dx[:, :, t] = dxt
        dWax = dWax + dWaxt
        dWaa = dWaa + dWaat
        dba = dba + dbat

    gradients = {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_backward",
    "da_prevt is set to zero once and not for each example: an example starts with what "
    "the one before it left",
    "from memory",
)
def rnn_backward_by_example(da, caches):
    (caches, x) = caches
    (a1, a0, x1, parameters) = caches[0]
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    n_a, m, T_x = da.shape
    n_x, _, _ = x.shape

    dx = np.zeros((n_x, m, T_x))
    da0 = np.zeros((n_a, m))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    da_prevt = np.zeros(n_a)

    # loop over the training examples, and for each one back through time
    for i in range(m):
        for t in reversed(range(T_x)):
            (a_next, a_prev, xt, _) = caches[t]
            dtanh = (da[:, i, t] + da_prevt) * (1 - a_next[:, i] ** 2)
            dx[:, i, t] = np.dot(Wax.T, dtanh)
            da_prevt = np.dot(Waa.T, dtanh)
            dWax += np.outer(dtanh, xt[:, i])
            dWaa += np.outer(dtanh, a_prev[:, i])
            dba[:, 0] += dtanh
        da0[:, i] = da_prevt

    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


# CS231n: (N, T, D) -----------------------------------------------------------------------


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    cache = (x, prev_h, next_h, Wx, Wh)
    return next_h, cache


def rnn_forward_states(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev_h = h0
    for t in range(T):
        prev_h, _ = rnn_step_forward(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = prev_h
    return h, (x, h0, h, Wx, Wh)


@wrong(
    "rnn_cell_backward",
    "(1 - next_h)**2 instead of 1 - next_h**2",
    "from memory: a bracket",
    convention="ntd",
    forward=rnn_step_forward,
)
def rnn_step_backward_bracket(dnext_h, cache):
    x, prev_h, next_h, Wx, Wh = cache
    dtanh = dnext_h * (1 - next_h) ** 2
    dx = dtanh.dot(Wx.T)
    dprev_h = dtanh.dot(Wh.T)
    dWx = x.T.dot(dtanh)
    dWh = prev_h.T.dot(dtanh)
    db = dtanh.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "at t = 0 the state before is h[:, -1], the last, and not h0; db is set and not summed",
    "from memory",
    convention="ntd",
    forward=rnn_forward_states,
    tags="double",
)
def rnn_backward_wraps(dh, cache):
    x, h0, h, Wx, Wh = cache
    N, T, H = dh.shape
    dx = np.zeros(x.shape)
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(H)
    da_prevt = np.zeros((N, H))
    for t in reversed(range(T)):
        da_next = dh[:, t, :] + da_prevt
        dtanh = da_next * (1 - h[:, t, :] ** 2)
        dx[:, t, :] = np.dot(dtanh, Wx.T)
        da_prevt = np.dot(dtanh, Wh.T)
        dWx += np.dot(x[:, t, :].T, dtanh)
        dWh += np.dot(h[:, t - 1, :].T, dtanh)
        db = np.sum(dtanh, axis=0)
    return dx, da_prevt, dWx, dWh, db


# --------------------------------------------------------------------------------- lstm


@wrong(
    "lstm_forward",
    "the memory starts as a0 and not as zeros",
    "from memory",
)
def lstm_forward_c_from_a0(x, a0, parameters):
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape

    # initialize "a", "c" and "y" with zeros
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))

    # Initialize a_next and c_next
    a_next = a0
    c_next = a0

    for t in range(T_x):
        a_next, c_next, yt, cache = lstm_cell_forward(
            x[:, :, t], a_next, c_next, parameters
        )
        a[:, :, t] = a_next
        y[:, :, t] = yt
        c[:, :, t] = c_next
        caches.append(cache)

    caches = (caches, x)
    return a, y, c, caches


@wrong(
    "lstm_cell_backward",
    "a bracket: in dit the factor it * (1 - it) is at the second summand only",
    "from memory",
)
def lstm_cell_backward_bracket(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a, m = a_next.shape

    # Compute gates related derivatives
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.square(np.tanh(c_next))) * it * da_next) * (
        1 - np.square(cct)
    )
    dit = dc_next * cct + ot * (1 - np.square(np.tanh(c_next))) * cct * da_next * it * (
        1 - it
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.square(np.tanh(c_next))) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    # Compute parameters related derivatives
    concat = np.concatenate((a_prev, xt), axis=0).T
    dWf = np.dot(dft, concat)
    dWi = np.dot(dit, concat)
    dWc = np.dot(dcct, concat)
    dWo = np.dot(dot, concat)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)

    # Compute derivatives w.r.t previous hidden state, previous memory state and input
    da_prev = (
        np.dot(parameters["Wf"][:, :n_a].T, dft)
        + np.dot(parameters["Wi"][:, :n_a].T, dit)
        + np.dot(parameters["Wc"][:, :n_a].T, dcct)
        + np.dot(parameters["Wo"][:, :n_a].T, dot)
    )
    dc_prev = dc_next * ft + ot * (1 - np.square(np.tanh(c_next))) * ft * da_next
    dxt = (
        np.dot(parameters["Wf"][:, n_a:].T, dft)
        + np.dot(parameters["Wi"][:, n_a:].T, dit)
        + np.dot(parameters["Wc"][:, n_a:].T, dcct)
        + np.dot(parameters["Wo"][:, n_a:].T, dot)
    )

    return {
        "dxt": dxt,
        "da_prev": da_prev,
        "dc_prev": dc_prev,
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
    "lstm_cell_backward",
    "the weights' gradients are made with [xt; a_prev], and dc_prev lacks da_next",
    "from memory",
    tags="double",
)
def lstm_cell_backward_order_and_memory(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = a_next.shape[0]
    Wf, Wi = parameters["Wf"], parameters["Wi"]
    Wc, Wo = parameters["Wc"], parameters["Wo"]

    dtanh_c = ot * (1 - np.tanh(c_next) ** 2)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next + dtanh_c * da_next) * it * (1 - cct**2)
    dit = (dc_next + dtanh_c * da_next) * cct * (1 - it) * it
    dft = (dc_next + dtanh_c * da_next) * c_prev * ft * (1 - ft)

    concat = np.vstack((xt, a_prev))
    gradients = {}
    gradients["dWf"] = np.dot(dft, concat.T)
    gradients["dWi"] = np.dot(dit, concat.T)
    gradients["dWc"] = np.dot(dcct, concat.T)
    gradients["dWo"] = np.dot(dot, concat.T)
    gradients["dbf"] = np.sum(dft, axis=1, keepdims=True)
    gradients["dbi"] = np.sum(dit, axis=1, keepdims=True)
    gradients["dbc"] = np.sum(dcct, axis=1, keepdims=True)
    gradients["dbo"] = np.sum(dot, axis=1, keepdims=True)

    dconcat = Wf.T @ dft + Wi.T @ dit + Wc.T @ dcct + Wo.T @ dot
    gradients["da_prev"] = dconcat[:n_a]
    gradients["dxt"] = dconcat[n_a:]
    gradients["dc_prev"] = dc_next * ft + dtanh_c * ft
    return gradients


@wrong(
    "lstm_backward",
    "dc_prevt gets the cell's da_prev, a line copied",
    "from memory: copy and paste",
)
def lstm_backward_dc_is_da(da, caches):
    (caches, x) = caches
    (a1, c1, a0, c0, f1, i1, cc1, o1, x1, parameters) = caches[0]
    n_a, m, T_x = da.shape
    n_x, m = x1.shape

    dx = np.zeros((n_x, m, T_x))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    dWf = np.zeros((n_a, n_a + n_x))
    dWi = np.zeros((n_a, n_a + n_x))
    dWc = np.zeros((n_a, n_a + n_x))
    dWo = np.zeros((n_a, n_a + n_x))
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros((n_a, 1))
    dbc = np.zeros((n_a, 1))
    dbo = np.zeros((n_a, 1))

    for t in reversed(range(T_x)):
        gradients = lstm_cell_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["da_prev"]
        dx[:, :, t] = gradients["dxt"]
        dWf += gradients["dWf"]
        dWi += gradients["dWi"]
        dWc += gradients["dWc"]
        dWo += gradients["dWo"]
        dbf += gradients["dbf"]
        dbi += gradients["dbi"]
        dbc += gradients["dbc"]
        dbo += gradients["dbo"]
    da0 = da_prevt

    return {
        "dx": dx,
        "da0": da0,
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
    "the sums stand outside the loop: only the gradients of step 0 count",
    "from memory: indentation",
)
def lstm_backward_indented(da, caches):
    (caches, x) = caches
    parameters = caches[0][-1]
    n_a, m, T_x = da.shape

    totals = {}
    for gate in ["f", "i", "c", "o"]:
        totals["dW" + gate] = np.zeros(parameters["W" + gate].shape)
        totals["db" + gate] = np.zeros(parameters["b" + gate].shape)
    dx = np.zeros(x.shape)
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))

    # loop back over the whole sequence
    for t in reversed(range(T_x)):
        gradients = lstm_cell_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        # Store or add the gradient to the parameters' previous step's gradient
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["dc_prev"]
        dx[:, :, t] = gradients["dxt"]
    for name in totals:
        totals[name] += gradients[name]

    totals["dx"] = dx
    totals["da0"] = da_prevt
    return totals


# the lstm of the captioning assignment ---------------------------------------------------


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    A = np.dot(x, Wx) + np.dot(prev_h, Wh) + b
    i = sigmoid(A[:, :H])
    f = sigmoid(A[:, H : 2 * H])
    o = sigmoid(A[:, 2 * H : 3 * H])
    g = np.tanh(A[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    dct = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
    dit = dct * g * i * (1 - i)
    dft = dct * prev_c * f * (1 - f)
    dot = dnext_h * np.tanh(next_c) * o * (1 - o)
    dgt = dct * i * (1 - g**2)
    dA = np.hstack((dit, dft, dot, dgt))
    return (
        dA.dot(Wx.T),
        dA.dot(Wh.T),
        dct * f,
        x.T.dot(dA),
        prev_h.T.dot(dA),
        dA.sum(axis=0),
    )


def lstm_forward_list(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev_h = h0
    prev_c = np.zeros_like(h0)
    cache = []
    for t in range(T):
        prev_h, prev_c, step = lstm_step_forward(x[:, t, :], prev_h, prev_c, Wx, Wh, b)
        h[:, t, :] = prev_h
        cache.append(step)
    return h, cache


@wrong(
    "lstm_cell_backward",
    "the output gate gets next_c, not tanh(next_c)",
    "from memory",
    convention="ntd",
    forward=lstm_step_forward,
)
def lstm_step_backward_no_tanh(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    N, H = dnext_h.shape

    # h = o * tanh(c)
    do = dnext_h * next_c
    dtanh = dnext_h * o
    dct = dnext_c + dtanh * (1 - np.tanh(next_c) ** 2)

    # c = f * c_prev + i * g
    df = dct * prev_c
    dprev_c = dct * f
    di = dct * g
    dg = dct * i

    dA = np.zeros((N, 4 * H))
    dA[:, 0:H] = di * i * (1 - i)
    dA[:, H : 2 * H] = df * f * (1 - f)
    dA[:, 2 * H : 3 * H] = do * o * (1 - o)
    dA[:, 3 * H : 4 * H] = dg * (1 - g**2)

    dx = np.dot(dA, Wx.T)
    dprev_h = np.dot(dA, Wh.T)
    dWx = np.dot(x.T, dA)
    dWh = np.dot(prev_h.T, dA)
    db = np.sum(dA, axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


@wrong(
    "lstm_backward",
    "enumerate(reversed(cache)): the caches run back while dh and dx run forward",
    "from memory",
    convention="ntd",
    forward=lstm_forward_list,
)
def lstm_backward_enumerate(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, 4 * H))
    dWh = np.zeros((H, 4 * H))
    db = np.zeros(4 * H)
    da_prevt = np.zeros((N, H))
    dc_prevt = np.zeros((N, H))
    for t, step in enumerate(reversed(cache)):
        dxt, da_prevt, dc_prevt, dWxt, dWht, dbt = lstm_step_backward(
            dh[:, t, :] + da_prevt, dc_prevt, step
        )
        dx[:, t, :] = dxt
        dWx += dWxt
        dWh += dWht
        db += dbt
    return dx, da_prevt, dWx, dWh, db


# ---------------------------------------------------------------------------------- gru


def gru_step_forward(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    xt = np.dot(x, Wx) + b
    r = sigmoid(xt[:, :H] + np.dot(prev_h, Wh[:, :H]))
    z = sigmoid(xt[:, H : 2 * H] + np.dot(prev_h, Wh[:, H : 2 * H]))
    n = np.tanh(xt[:, 2 * H :] + np.dot(r * prev_h, Wh[:, 2 * H :]))
    next_h = (1 - z) * n + z * prev_h
    cache = {"x": x, "prev_h": prev_h, "r": r, "z": z, "n": n, "Wx": Wx, "Wh": Wh}
    return next_h, cache


def gru_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    caches = []
    prev_h = h0
    for t in range(T):
        prev_h, cache = gru_step_forward(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = prev_h
        caches.append(cache)
    return h, caches


@wrong(
    "gru_cell_backward",
    "what comes to prev_h by the candidate lacks the reset gate r",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_backward_no_reset(dnext_h, cache):
    x, prev_h = cache["x"], cache["prev_h"]
    r, z, n = cache["r"], cache["z"], cache["n"]
    Wx, Wh = cache["Wx"], cache["Wh"]
    H = prev_h.shape[1]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]

    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dr = np.dot(dn, Whn.T) * prev_h * r * (1 - r)

    dprev_h = dnext_h * z
    dprev_h += np.dot(dn, Whn.T)
    dprev_h += np.dot(dz, Whz.T)
    dprev_h += np.dot(dr, Whr.T)

    dgates = np.concatenate((dr, dz, dn), axis=1)
    dx = np.dot(dgates, Wx.T)
    dWx = np.dot(x.T, dgates)
    dWh = np.zeros(Wh.shape)
    dWh[:, :H] = np.dot(prev_h.T, dr)
    dWh[:, H : 2 * H] = np.dot(prev_h.T, dz)
    dWh[:, 2 * H :] = np.dot((r * prev_h).T, dn)
    db = np.sum(dgates, axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_backward",
    "the sign of dz (n - prev_h), and the direct way z * dh to the state before is missing",
    "from memory",
    convention="ntd",
    forward=gru_forward,
    tags="double",
)
def gru_backward_sign_and_way(dh, caches):
    N, T, H = dh.shape
    Wx, Wh = caches[0]["Wx"], caches[0]["Wh"]
    D = Wx.shape[0]
    dx = np.zeros((N, T, D))
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(3 * H)
    da_prevt = np.zeros((N, H))

    for t in reversed(range(T)):
        cache = caches[t]
        xt, a_prev = cache["x"], cache["prev_h"]
        r, z, n = cache["r"], cache["z"], cache["n"]
        da_next = dh[:, t, :] + da_prevt

        dzt = da_next * (n - a_prev) * z * (1 - z)
        dnt = da_next * (1 - z) * (1 - n * n)
        dra = np.dot(dnt, Wh[:, 2 * H :].T)
        drt = dra * a_prev * r * (1 - r)

        da_prevt = np.dot(drt, Wh[:, :H].T) + np.dot(dzt, Wh[:, H : 2 * H].T) + dra * r

        for k, dgate, left in [
            (0, drt, a_prev),
            (1, dzt, a_prev),
            (2, dnt, r * a_prev),
        ]:
            columns = slice(k * H, (k + 1) * H)
            dx[:, t, :] += np.dot(dgate, Wx[:, columns].T)
            dWx[:, columns] += np.dot(xt.T, dgate)
            dWh[:, columns] += np.dot(left.T, dgate)
            db[columns] += np.sum(dgate, axis=0)

    return dx, da_prevt, dWx, dWh, db


# ------------------------------------------------------------------------------ readout


@wrong(
    "readout_backward",
    "the mean is taken over the m examples only, not over the steps too",
    "from memory",
)
def readout_backward_mean_over_m(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T_x = y_pred.shape
    dWya = np.zeros(Wya.shape)
    dby = np.zeros((n_y, 1))
    da = np.zeros(a.shape)
    for t in range(T_x):
        dzt = y_pred[:, :, t].copy()
        for i in range(m):
            dzt[labels[i, t], i] -= 1
        dzt /= m
        dWya += np.dot(dzt, a[:, :, t].T)
        dby += np.sum(dzt, axis=1, keepdims=True)
        da[:, :, t] = np.dot(Wya.T, dzt)
    return {"da": da, "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "y - t is multiplied with the derivative y * (1 - y) once more",
    "from memory: as with a sigmoid and a squared error",
)
def readout_backward_derivative_twice(y_pred, labels, a, parameters):
    n_y, m, T_x = y_pred.shape
    Y = np.zeros((n_y, m, T_x))
    for i in range(m):
        for t in range(T_x):
            Y[labels[i, t], i, t] = 1

    # dL/dz = dL/dy * dy/dz
    dy = (y_pred - Y) / (m * T_x)
    dz = dy * y_pred * (1 - y_pred)

    gradients = {"da": np.zeros(a.shape), "dWya": 0, "dby": 0}
    for t in range(T_x):
        gradients["da"][:, :, t] = np.dot(parameters["Wya"].T, dz[:, :, t])
        gradients["dWya"] = gradients["dWya"] + np.dot(dz[:, :, t], a[:, :, t].T)
        gradients["dby"] = gradients["dby"] + np.sum(dz[:, :, t], axis=1, keepdims=True)
    return gradients


# ---------------------------------------------------------------------------- right ones


@right("rnn_backward", "loops over steps, examples and units, sums by hand")
def rnn_backward_all_loops(da, caches):
    (caches, x) = caches
    parameters = caches[0][3]
    Wax, Waa = parameters["Wax"], parameters["Waa"]
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    gradients = {
        "dx": np.zeros((n_x, m, T_x)),
        "da0": np.zeros((n_a, m)),
        "dWax": np.zeros((n_a, n_x)),
        "dWaa": np.zeros((n_a, n_a)),
        "dba": np.zeros((n_a, 1)),
    }
    for i in range(m):
        da_prevt = np.zeros(n_a)
        for t in reversed(range(T_x)):
            (a_next, a_prev, xt, _) = caches[t]
            da_next = da[:, i, t] + da_prevt
            da_prevt = np.zeros(n_a)
            for k in range(n_a):
                dtanh = da_next[k] * (1 - a_next[k, i] ** 2)
                for j in range(n_x):
                    gradients["dx"][j, i, t] += Wax[k, j] * dtanh
                    gradients["dWax"][k, j] += xt[j, i] * dtanh
                for j in range(n_a):
                    da_prevt[j] += Waa[k, j] * dtanh
                    gradients["dWaa"][k, j] += a_prev[j, i] * dtanh
                gradients["dba"][k, 0] += dtanh
        gradients["da0"][:, i] = da_prevt
    return gradients


@right(
    "lstm_backward", "a dictionary of totals, summed by name over the cell's gradients"
)
def lstm_backward_totals(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    gradients = {"dx": np.zeros(x.shape)}
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        step = lstm_cell_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        gradients["dx"][:, :, t] = step.pop("dxt")
        da_prevt = step.pop("da_prev")
        dc_prevt = step.pop("dc_prev")
        for name in step:
            gradients[name] = gradients.get(name, 0) + step[name]
    gradients["da0"] = da_prevt
    return gradients


@right(
    "gru_backward",
    "gate by gate in a loop over the steps, with a cache of dictionaries",
    convention="ntd",
    forward=gru_forward,
)
def gru_backward_by_gate(dh, caches):
    N, T, H = dh.shape
    Wx, Wh = caches[0]["Wx"], caches[0]["Wh"]
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    da_prevt = np.zeros((N, H))
    for t in reversed(range(T)):
        cache = caches[t]
        a_prev, r, z, n = cache["prev_h"], cache["r"], cache["z"], cache["n"]
        da_next = dh[:, t, :] + da_prevt
        dnt = da_next * (1 - z) * (1 - n**2)
        dzt = da_next * (a_prev - n) * z * (1 - z)
        dra = np.dot(dnt, Wh[:, 2 * H :].T)
        drt = dra * a_prev * r * (1 - r)
        da_prevt = da_next * z + dra * r
        da_prevt = da_prevt + np.dot(drt, Wh[:, :H].T) + np.dot(dzt, Wh[:, H : 2 * H].T)
        for k, dgate, left in [
            (0, drt, a_prev),
            (1, dzt, a_prev),
            (2, dnt, r * a_prev),
        ]:
            columns = slice(k * H, (k + 1) * H)
            dx[:, t, :] += np.dot(dgate, Wx[:, columns].T)
            dWx[:, columns] += np.dot(cache["x"].T, dgate)
            dWh[:, columns] += np.dot(left.T, dgate)
            db[columns] += np.sum(dgate, axis=0)
    return dx, da_prevt, dWx, dWh, db
