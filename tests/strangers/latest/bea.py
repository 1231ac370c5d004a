"""Bea, first course on the subject. Every intermediate has a name, every line a comment, shapes are noted down."""

import numpy as np
from strangers.made import right, wrong


def softmax(logits):
    shifted = logits - np.max(logits, axis=0, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / np.sum(exponentials, axis=0, keepdims=True)


def sigmoid(number):
    return 1.0 / (1.0 + np.exp(-number))


# ============ RNN ============


@wrong(
    "rnn_cell_backward",
    "the derivative of tanh takes tanh of a_next, which is a tanh already",
    "from memory",
)
def tanh_of_a_tanh(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    # derivative of tanh, shape (n_a, m)
    tanh_value = np.tanh(a_next)
    tanh_derivative = 1 - tanh_value * tanh_value
    dz = tanh_derivative * da_next
    # the rest is the linear part
    gradients = {}
    gradients["dxt"] = np.dot(Wax.T, dz)
    gradients["dWax"] = np.dot(dz, xt.T)
    gradients["da_prev"] = np.dot(Waa.T, dz)
    gradients["dWaa"] = np.dot(dz, a_prev.T)
    gradients["dba"] = np.sum(dz, axis=1, keepdims=True)
    return gradients


@wrong("rnn_cell_forward", "the prediction is made from a_prev", "from memory")
def prediction_from_before(xt, a_prev, parameters):
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    Wya = parameters["Wya"]
    ba = parameters["ba"]
    by = parameters["by"]
    # hidden state
    from_input = np.dot(Wax, xt)
    from_hidden = np.dot(Waa, a_prev)
    a_next = np.tanh(from_input + from_hidden + ba)
    # prediction
    from_state = np.dot(Wya, a_prev)
    yt_pred = softmax(from_state + by)
    cache = (a_next, a_prev, xt, parameters)
    return a_next, yt_pred, cache


def rnn_cell_gradients(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    dz = (1 - a_next**2) * da_next
    return {
        "dxt": np.dot(parameters["Wax"].T, dz),
        "da_prev": np.dot(parameters["Waa"].T, dz),
        "dWax": np.dot(dz, xt.T),
        "dWaa": np.dot(dz, a_prev.T),
        "dba": np.sum(dz, axis=1, keepdims=True),
    }


@wrong(
    "rnn_backward",
    "da is used at the last step only, as if the loss saw the last state alone",
    "from memory",
    step=-2,
)
def only_the_last_da(da, caches):
    (list_of_caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    dx = np.zeros((n_x, m, T_x))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    # gradient which comes into the last step
    da_next = da[:, :, T_x - 1]
    for t in reversed(range(T_x)):
        step_gradients = rnn_cell_gradients(da_next, list_of_caches[t])
        dx[:, :, t] = step_gradients["dxt"]
        dWax += step_gradients["dWax"]
        dWaa += step_gradients["dWaa"]
        dba += step_gradients["dba"]
        # gradient which comes into the step before
        da_next = step_gradients["da_prev"]
    da0 = da_next
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong("rnn_backward", "da0 is summed over the steps like the weights", "from memory")
def da0_is_summed_too(da, caches):
    (list_of_caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
    dx = np.zeros((n_x, m, T_x))
    da0 = np.zeros((n_a, m))
    da_prevt = np.zeros((n_a, m))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    for t in reversed(range(T_x)):
        step_gradients = rnn_cell_gradients(da[:, :, t] + da_prevt, list_of_caches[t])
        da_prevt = step_gradients["da_prev"]
        dx[:, :, t] = step_gradients["dxt"]
        da0 += step_gradients["da_prev"]
        dWax += step_gradients["dWax"]
        dWaa += step_gradients["dWaa"]
        dba += step_gradients["dba"]
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@right("rnn_forward", "every intermediate by name")
def rnn_forward_named(x, a0, parameters):
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wya"].shape
    a = np.zeros((n_a, m, T_x))
    y_pred = np.zeros((n_y, m, T_x))
    list_of_caches = []
    a_prev = a0
    for t in range(T_x):
        xt = x[:, :, t]
        from_input = np.dot(parameters["Wax"], xt)
        from_hidden = np.dot(parameters["Waa"], a_prev)
        a_next = np.tanh(from_input + from_hidden + parameters["ba"])
        yt_pred = softmax(np.dot(parameters["Wya"], a_next) + parameters["by"])
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt_pred
        list_of_caches.append((a_next, a_prev, xt, parameters))
        a_prev = a_next
    return a, y_pred, (list_of_caches, x)


# ============ LSTM ============


@wrong(
    "lstm_cell_forward",
    "the input is put on top of the hidden state: concat is [xt; a_prev]",
    "from memory",
)
def input_on_top(xt, a_prev, c_prev, parameters):
    concat = np.concatenate((xt, a_prev), axis=0)
    # gates
    ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
    it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
    ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
    # candidate
    cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
    # states
    kept = ft * c_prev
    added = it * cct
    c_next = kept + added
    a_next = ot * np.tanh(c_next)
    # prediction
    yt_pred = softmax(np.dot(parameters["Wy"], a_next) + parameters["by"])
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


@wrong(
    "lstm_cell_backward",
    "da_prev is the sum over three gates: the output gate's part is left out",
    "from memory",
)
def three_gates_of_four(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    tanh_c = np.tanh(c_next)
    # output gate
    d_ot = da_next * tanh_c
    d_ot_linear = d_ot * ot * (1 - ot)
    # cell state
    dc_from_a = da_next * ot * (1 - tanh_c**2)
    dc_total = dc_next + dc_from_a
    # candidate, input gate, forget gate
    d_cct = dc_total * it
    d_cct_linear = d_cct * (1 - cct**2)
    d_it = dc_total * cct
    d_it_linear = d_it * it * (1 - it)
    d_ft = dc_total * c_prev
    d_ft_linear = d_ft * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0)
    Wf, Wi, Wc, Wo = (
        parameters["Wf"],
        parameters["Wi"],
        parameters["Wc"],
        parameters["Wo"],
    )
    # previous hidden state
    da_prev_f = np.dot(Wf[:, :n_a].T, d_ft_linear)
    da_prev_i = np.dot(Wi[:, :n_a].T, d_it_linear)
    da_prev_c = np.dot(Wc[:, :n_a].T, d_cct_linear)
    da_prev = da_prev_f + da_prev_i + da_prev_c
    # input
    dxt_f = np.dot(Wf[:, n_a:].T, d_ft_linear)
    dxt_i = np.dot(Wi[:, n_a:].T, d_it_linear)
    dxt_c = np.dot(Wc[:, n_a:].T, d_cct_linear)
    dxt_o = np.dot(Wo[:, n_a:].T, d_ot_linear)
    dxt = dxt_f + dxt_i + dxt_c + dxt_o
    gradients = {"dxt": dxt, "da_prev": da_prev, "dc_prev": dc_total * ft}
    for letter, d_linear in (
        ("f", d_ft_linear),
        ("i", d_it_linear),
        ("c", d_cct_linear),
        ("o", d_ot_linear),
    ):
        gradients["dW" + letter] = np.dot(d_linear, concat.T)
        gradients["db" + letter] = np.sum(d_linear, axis=1, keepdims=True)
    return gradients


def finish(cache, d_ft_linear, d_it_linear, d_cct_linear, d_ot_linear, dc_prev):
    """From the four linear parts to all the gradients."""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = a_prev.shape[0]
    concat = np.concatenate((a_prev, xt), axis=0)
    d_concat = np.zeros(concat.shape)
    gradients = {}
    for letter, d_linear in (
        ("f", d_ft_linear),
        ("i", d_it_linear),
        ("c", d_cct_linear),
        ("o", d_ot_linear),
    ):
        d_concat = d_concat + np.dot(parameters["W" + letter].T, d_linear)
        gradients["dW" + letter] = np.dot(d_linear, concat.T)
        gradients["db" + letter] = np.sum(d_linear, axis=1, keepdims=True)
    gradients["da_prev"] = d_concat[:n_a, :]
    gradients["dxt"] = d_concat[n_a:, :]
    gradients["dc_prev"] = dc_prev
    return gradients


@wrong(
    "lstm_cell_backward",
    "the slope of tanh(c_next) is written with a_next: 1 - a_next^2, as in the RNN",
    "from memory",
)
def slope_of_a_next(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    tanh_derivative = 1 - a_next**2
    dc_total = dc_next + da_next * ot * tanh_derivative
    d_ot_linear = da_next * np.tanh(c_next) * ot * (1 - ot)
    d_cct_linear = dc_total * it * (1 - cct**2)
    d_it_linear = dc_total * cct * it * (1 - it)
    d_ft_linear = dc_total * c_prev * ft * (1 - ft)
    dc_prev = dc_total * ft
    return finish(cache, d_ft_linear, d_it_linear, d_cct_linear, d_ot_linear, dc_prev)


@wrong(
    "lstm_cell_backward",
    "two: the forget gate is multiplied with c_next, and dc_prev goes through the input gate",
    "from memory",
)
def c_next_and_input_gate(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    tanh_c = np.tanh(c_next)
    tanh_derivative = 1 - tanh_c**2
    dc_total = dc_next + da_next * ot * tanh_derivative
    d_ot_linear = da_next * tanh_c * ot * (1 - ot)
    d_cct_linear = dc_total * it * (1 - cct**2)
    d_it_linear = dc_total * cct * it * (1 - it)
    d_ft_linear = dc_total * c_next * ft * (1 - ft)
    dc_prev = dc_total * it
    return finish(cache, d_ft_linear, d_it_linear, d_cct_linear, d_ot_linear, dc_prev)


def lstm_cell_gradients(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    tanh_c = np.tanh(c_next)
    dc_total = dc_next + da_next * ot * (1 - tanh_c**2)
    d_ot_linear = da_next * tanh_c * ot * (1 - ot)
    d_cct_linear = dc_total * it * (1 - cct**2)
    d_it_linear = dc_total * cct * it * (1 - it)
    d_ft_linear = dc_total * c_prev * ft * (1 - ft)
    return finish(
        cache, d_ft_linear, d_it_linear, d_cct_linear, d_ot_linear, dc_total * ft
    )


@right("lstm_cell_backward", "every intermediate by name")
def lstm_cell_named(da_next, dc_next, cache):
    return lstm_cell_gradients(da_next, dc_next, cache)


@wrong(
    "lstm_backward",
    "the cell is called with its first two arguments the wrong way round: dc as da and da as dc",
    "from memory",
    step=-1,
)
def arguments_swapped(da, caches):
    (list_of_caches, x) = caches
    n_a, m, T_x = da.shape
    dx = np.zeros(x.shape)
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    totals = {}
    for t in reversed(range(T_x)):
        da_next = da[:, :, t] + da_prevt
        step_gradients = lstm_cell_gradients(dc_prevt, da_next, list_of_caches[t])
        da_prevt = step_gradients["da_prev"]
        dc_prevt = step_gradients["dc_prev"]
        dx[:, :, t] = step_gradients["dxt"]
        for letter in "fico":
            for kind in ("dW", "db"):
                name = kind + letter
                totals[name] = totals.get(name, 0) + step_gradients[name]
    totals["dx"] = dx
    totals["da0"] = da_prevt
    return totals


@wrong(
    "lstm_backward",
    "two: dbf is set and not added up, and da0 is what comes into step 0 and not what leaves it",
    "from memory",
)
def dbf_and_da0(da, caches):
    (list_of_caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]
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
        da_next = da[:, :, t] + da_prevt
        step_gradients = lstm_cell_gradients(da_next, dc_prevt, list_of_caches[t])
        da_prevt = step_gradients["da_prev"]
        dc_prevt = step_gradients["dc_prev"]
        dx[:, :, t] = step_gradients["dxt"]
        dWf += step_gradients["dWf"]
        dWi += step_gradients["dWi"]
        dWc += step_gradients["dWc"]
        dWo += step_gradients["dWo"]
        dbf = step_gradients["dbf"]
        dbi += step_gradients["dbi"]
        dbc += step_gradients["dbc"]
        dbo += step_gradients["dbo"]
    da0 = da_next
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


# ============ GRU (from the other notebook, rows are examples) ============


def gru_cell_forward(x, prev_h, Wx, Wh, b):
    n_h = prev_h.shape[1]
    Wx_r, Wx_z, Wx_n = Wx[:, 0:n_h], Wx[:, n_h : 2 * n_h], Wx[:, 2 * n_h : 3 * n_h]
    Wh_r, Wh_z, Wh_n = Wh[:, 0:n_h], Wh[:, n_h : 2 * n_h], Wh[:, 2 * n_h : 3 * n_h]
    b_r, b_z, b_n = b[0:n_h], b[n_h : 2 * n_h], b[2 * n_h : 3 * n_h]
    reset = sigmoid(np.dot(x, Wx_r) + np.dot(prev_h, Wh_r) + b_r)
    update = sigmoid(np.dot(x, Wx_z) + np.dot(prev_h, Wh_z) + b_z)
    reset_h = reset * prev_h
    candidate = np.tanh(np.dot(x, Wx_n) + np.dot(reset_h, Wh_n) + b_n)
    next_h = (1 - update) * candidate + update * prev_h
    cache = {
        "x": x,
        "prev_h": prev_h,
        "reset": reset,
        "update": update,
        "reset_h": reset_h,
        "candidate": candidate,
    }
    cache.update(Wx_r=Wx_r, Wx_z=Wx_z, Wx_n=Wx_n, Wh_r=Wh_r, Wh_z=Wh_z, Wh_n=Wh_n)
    return next_h, cache


@wrong(
    "gru_cell_backward",
    "two: the update gate's sigmoid is not differentiated, and the reset gate's slope is that of the update gate",
    "from memory",
    convention="ntd",
    forward=gru_cell_forward,
)
def gru_both_slopes(dnext_h, cache):
    x = cache["x"]
    prev_h = cache["prev_h"]
    reset = cache["reset"]
    update = cache["update"]
    candidate = cache["candidate"]
    # candidate
    d_candidate = dnext_h * (1 - update)
    d_candidate_linear = d_candidate * (1 - candidate**2)
    # update gate
    d_update = dnext_h * (prev_h - candidate)
    d_update_linear = d_update
    # reset gate
    d_reset_h = np.dot(d_candidate_linear, cache["Wh_n"].T)
    d_reset = d_reset_h * prev_h
    d_reset_linear = d_reset * update * (1 - update)
    # previous state: four ways
    dprev_h = dnext_h * update
    dprev_h = dprev_h + d_reset_h * reset
    dprev_h = dprev_h + np.dot(d_reset_linear, cache["Wh_r"].T)
    dprev_h = dprev_h + np.dot(d_update_linear, cache["Wh_z"].T)
    # input
    dx = (
        np.dot(d_reset_linear, cache["Wx_r"].T)
        + np.dot(d_update_linear, cache["Wx_z"].T)
        + np.dot(d_candidate_linear, cache["Wx_n"].T)
    )
    # weights
    dWx = np.concatenate(
        (
            np.dot(x.T, d_reset_linear),
            np.dot(x.T, d_update_linear),
            np.dot(x.T, d_candidate_linear),
        ),
        axis=1,
    )
    dWh_n = np.dot(cache["reset_h"].T, d_candidate_linear)
    dWh = np.concatenate(
        (np.dot(prev_h.T, d_reset_linear), np.dot(prev_h.T, d_update_linear), dWh_n),
        axis=1,
    )
    db = np.concatenate(
        (
            np.sum(d_reset_linear, axis=0),
            np.sum(d_update_linear, axis=0),
            np.sum(d_candidate_linear, axis=0),
        )
    )
    return dx, dprev_h, dWx, dWh, db


# ============ output ============


@wrong(
    "readout_backward",
    "dby is a mean of gradients which are divided by m T already",
    "from memory",
)
def dby_averaged_again(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    Wya = parameters["Wya"]
    one_hot = np.zeros((n_y, m, T))
    for example in range(m):
        for t in range(T):
            one_hot[labels[example, t], example, t] = 1
    # gradient of the logits, shape (n_y, m, T)
    d_logits = (y_pred - one_hot) / (m * T)
    da = np.zeros(a.shape)
    dWya = np.zeros(Wya.shape)
    for t in range(T):
        da[:, :, t] = np.dot(Wya.T, d_logits[:, :, t])
        dWya += np.dot(d_logits[:, :, t], a[:, :, t].T)
    dby = np.mean(d_logits, axis=(1, 2)).reshape(n_y, 1)
    return {"da": da, "dWya": dWya, "dby": dby}
