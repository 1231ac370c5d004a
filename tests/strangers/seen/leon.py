# my rnn project
# I learnt this from videos, I write every step on its own line so I can follow it
import numpy as np
from strangers.made import right, wrong


def my_sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def my_softmax(z):
    exps = np.exp(z - np.max(z, axis=0, keepdims=True))
    total = np.sum(exps, axis=0, keepdims=True)
    return np.divide(exps, total)


# ------------------------------------------------------------
# forward functions for the (N, T, D) videos
# ------------------------------------------------------------


def forward_rnn_one_step(x, prev_h, Wx, Wh, b):
    part1 = np.dot(x, Wx)
    part2 = np.dot(prev_h, Wh)
    z = part1 + part2 + b
    next_h = np.tanh(z)
    cache = {"x": x, "prev_h": prev_h, "next_h": next_h, "Wx": Wx, "Wh": Wh}
    return next_h, cache


def forward_rnn_all_steps(x, h0, Wx, Wh, b):
    N = x.shape[0]
    T = x.shape[1]
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    all_caches = []
    prev_h = h0
    for t in range(T):
        next_h, cache = forward_rnn_one_step(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = next_h
        all_caches.append(cache)
        prev_h = next_h
    return h, all_caches


def forward_lstm_one_step(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    z = np.dot(x, Wx) + np.dot(prev_h, Wh) + b
    i = my_sigmoid(z[:, 0:H])
    f = my_sigmoid(z[:, H : 2 * H])
    o = my_sigmoid(z[:, 2 * H : 3 * H])
    g = np.tanh(z[:, 3 * H : 4 * H])
    next_c = np.multiply(f, prev_c) + np.multiply(i, g)
    c_out = np.tanh(next_c)
    next_h = np.multiply(o, c_out)
    cache = (x, prev_h, prev_c, i, f, o, g, c_out, Wx, Wh)
    return next_h, next_c, cache


def forward_lstm_all_steps(x, h0, Wx, Wh, b):
    N = x.shape[0]
    T = x.shape[1]
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    c = np.zeros((N, T, H))
    i = np.zeros((N, T, H))
    f = np.zeros((N, T, H))
    o = np.zeros((N, T, H))
    g = np.zeros((N, T, H))
    prev_h = h0
    prev_c = np.zeros((N, H))
    for t in range(T):
        prev_h, prev_c, cache = forward_lstm_one_step(
            x[:, t, :], prev_h, prev_c, Wx, Wh, b
        )
        h[:, t, :] = prev_h
        c[:, t, :] = prev_c
        i[:, t, :] = cache[3]
        f[:, t, :] = cache[4]
        o[:, t, :] = cache[5]
        g[:, t, :] = cache[6]
    return h, (x, h0, h, c, i, f, o, g, Wx, Wh)


def forward_gru_one_step(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    zr = np.dot(x, Wx[:, 0:H]) + np.dot(prev_h, Wh[:, 0:H]) + b[0:H]
    r = my_sigmoid(zr)
    zz = np.dot(x, Wx[:, H : 2 * H]) + np.dot(prev_h, Wh[:, H : 2 * H]) + b[H : 2 * H]
    z = my_sigmoid(zz)
    rh = np.multiply(r, prev_h)
    zn = np.dot(x, Wx[:, 2 * H :]) + np.dot(rh, Wh[:, 2 * H :]) + b[2 * H :]
    n = np.tanh(zn)
    next_h = np.multiply(1 - z, n) + np.multiply(z, prev_h)
    cache = (x, prev_h, r, z, n, rh, Wx, Wh)
    return next_h, cache


def forward_gru_all_steps(x, h0, Wx, Wh, b):
    T = x.shape[1]
    h = np.zeros((x.shape[0], T, h0.shape[1]))
    caches = []
    prev_h = h0
    for t in range(T):
        next_h, cache = forward_gru_one_step(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = next_h
        caches.append(cache)
        prev_h = next_h
    return h, caches


# ------------------------------------------------------------
# these work :)
# ------------------------------------------------------------


@right("lstm_cell_backward", "gate by gate with np.dot and np.multiply, slices of W")
def lstm_cell_back_works(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    Wf = parameters["Wf"]
    Wi = parameters["Wi"]
    Wc = parameters["Wc"]
    Wo = parameters["Wo"]
    n_a = a_next.shape[0]

    tanh_c = np.tanh(c_next)
    # how much the cell state matters: the old way and the way through a_next
    through_a = np.multiply(np.multiply(da_next, ot), 1 - np.multiply(tanh_c, tanh_c))
    total_dc = dc_next + through_a

    # forget gate
    df = np.multiply(total_dc, c_prev)
    df = np.multiply(df, np.multiply(ft, 1 - ft))
    # input gate
    di = np.multiply(total_dc, cct)
    di = np.multiply(di, np.multiply(it, 1 - it))
    # candidate
    dcct = np.multiply(total_dc, it)
    dcct = np.multiply(dcct, 1 - np.multiply(cct, cct))
    # output gate
    do = np.multiply(da_next, tanh_c)
    do = np.multiply(do, np.multiply(ot, 1 - ot))

    concat = np.concatenate((a_prev, xt), axis=0)
    gradients = {}
    gradients["dWf"] = np.dot(df, concat.T)
    gradients["dWi"] = np.dot(di, concat.T)
    gradients["dWc"] = np.dot(dcct, concat.T)
    gradients["dWo"] = np.dot(do, concat.T)
    gradients["dbf"] = np.sum(df, axis=1, keepdims=True)
    gradients["dbi"] = np.sum(di, axis=1, keepdims=True)
    gradients["dbc"] = np.sum(dcct, axis=1, keepdims=True)
    gradients["dbo"] = np.sum(do, axis=1, keepdims=True)

    da_prev = np.dot(Wf[:, :n_a].T, df)
    da_prev = da_prev + np.dot(Wi[:, :n_a].T, di)
    da_prev = da_prev + np.dot(Wc[:, :n_a].T, dcct)
    da_prev = da_prev + np.dot(Wo[:, :n_a].T, do)
    dxt = np.dot(Wf[:, n_a:].T, df)
    dxt = dxt + np.dot(Wi[:, n_a:].T, di)
    dxt = dxt + np.dot(Wc[:, n_a:].T, dcct)
    dxt = dxt + np.dot(Wo[:, n_a:].T, do)
    gradients["da_prev"] = da_prev
    gradients["dxt"] = dxt
    gradients["dc_prev"] = np.multiply(total_dc, ft)
    return gradients


@right(
    "rnn_backward",
    "a while loop over t, dicts as caches, matrices of zeros and np.dot",
    convention="ntd",
    forward=forward_rnn_all_steps,
)
def rnn_back_works(dh, all_caches):
    N = dh.shape[0]
    T = dh.shape[1]
    H = dh.shape[2]
    Wx = all_caches[0]["Wx"]
    Wh = all_caches[0]["Wh"]
    D = Wx.shape[0]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, H))
    dWh = np.zeros((H, H))
    db = np.zeros(H)
    dprev_h = np.zeros((N, H))
    t = T - 1
    while t >= 0:
        c = all_caches[t]
        dht = np.add(dh[:, t, :], dprev_h)
        dz = np.multiply(dht, 1 - np.square(c["next_h"]))
        dx[:, t, :] = np.dot(dz, Wx.T)
        dprev_h = np.dot(dz, Wh.T)
        dWx = dWx + np.dot(c["x"].T, dz)
        dWh = dWh + np.dot(c["prev_h"].T, dz)
        db = db + np.sum(dz, axis=0)
        t = t - 1
    return dx, dprev_h, dWx, dWh, db


@right("readout_backward", "a loop over the steps and one over the examples")
def readout_back_works(y_pred, labels, a, parameters):
    n_y = y_pred.shape[0]
    m = y_pred.shape[1]
    T = y_pred.shape[2]
    Wya = parameters["Wya"]
    da = np.zeros(a.shape)
    dWya = np.zeros(Wya.shape)
    dby = np.zeros((n_y, 1))
    for t in range(T):
        dz = np.zeros((n_y, m))
        for j in range(m):
            for k in range(n_y):
                if k == labels[j, t]:
                    dz[k, j] = y_pred[k, j, t] - 1
                else:
                    dz[k, j] = y_pred[k, j, t]
        dz = np.divide(dz, m * T)
        da[:, :, t] = np.dot(Wya.T, dz)
        dWya = dWya + np.dot(dz, a[:, :, t].T)
        dby = dby + np.sum(dz, axis=1, keepdims=True)
    return {"da": da, "dWya": dWya, "dby": dby}


# ------------------------------------------------------------
# rnn, these do not match the expected output
# ------------------------------------------------------------


@wrong(
    "rnn_cell_backward",
    "tanh is applied to a_next, which is tanh already",
    "from memory",
)
def rnn_cell_back_1(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    # derivative of tanh is 1 - tanh^2
    tanh_derivative = 1 - np.multiply(np.tanh(a_next), np.tanh(a_next))
    dz = np.multiply(da_next, tanh_derivative)
    dxt = np.dot(Wax.T, dz)
    dWax = np.dot(dz, xt.T)
    da_prev = np.dot(Waa.T, dz)
    dWaa = np.dot(dz, a_prev.T)
    dba = np.sum(dz, axis=1, keepdims=True)
    gradients = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong("rnn_backward", "da0 gets the gradient of the first step on top", "from memory")
def rnn_back_2(da, caches):
    (list_of_caches, x) = caches
    n_a = da.shape[0]
    m = da.shape[1]
    T = da.shape[2]
    n_x = x.shape[0]
    dx = np.zeros((n_x, m, T))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        (a_next, a_prev, xt, parameters) = list_of_caches[t]
        da_total = np.add(da[:, :, t], da_prevt)
        dz = np.multiply(da_total, 1 - np.multiply(a_next, a_next))
        dx[:, :, t] = np.dot(parameters["Wax"].T, dz)
        da_prevt = np.dot(parameters["Waa"].T, dz)
        dWax = dWax + np.dot(dz, xt.T)
        dWaa = dWaa + np.dot(dz, a_prev.T)
        dba = dba + np.sum(dz, axis=1, keepdims=True)
    # a0 gets what is left over plus its own
    da0 = np.add(da_prevt, da[:, :, 0])
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "np.sum without an axis: every entry of dba gets the sum of all of dz",
    "from memory",
)
def rnn_back_3(da, caches):
    list_of_caches = caches[0]
    x = caches[1]
    parameters = list_of_caches[0][3]
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    ba = parameters["ba"]
    T = x.shape[2]
    gradients = {}
    gradients["dx"] = np.zeros(x.shape)
    gradients["dWax"] = np.zeros(Wax.shape)
    gradients["dWaa"] = np.zeros(Waa.shape)
    gradients["dba"] = np.zeros(ba.shape)
    da_from_future = np.zeros((Waa.shape[0], x.shape[1]))
    t = T
    while t > 0:
        t = t - 1
        a_next = list_of_caches[t][0]
        a_prev = list_of_caches[t][1]
        xt = list_of_caches[t][2]
        dz = np.multiply(da[:, :, t] + da_from_future, 1 - a_next**2)
        gradients["dx"][:, :, t] = np.dot(Wax.T, dz)
        gradients["dWax"] += np.dot(dz, xt.T)
        gradients["dWaa"] += np.dot(dz, a_prev.T)
        gradients["dba"] += np.sum(dz)
        da_from_future = np.dot(Waa.T, dz)
    gradients["da0"] = da_from_future
    return gradients


@wrong("rnn_forward", "every step starts from a0", "from memory", tags="time")
def rnn_for_4(x, a0, parameters):
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    Wya = parameters["Wya"]
    ba = parameters["ba"]
    by = parameters["by"]
    n_a = a0.shape[0]
    n_y = Wya.shape[0]
    m = x.shape[1]
    T = x.shape[2]
    a = np.zeros((n_a, m, T))
    y_pred = np.zeros((n_y, m, T))
    caches = []
    for t in range(T):
        xt = x[:, :, t]
        a_prev = a0
        a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
        yt = my_softmax(np.dot(Wya, a_next) + by)
        a[:, :, t] = a_next
        y_pred[:, :, t] = yt
        cache = (a_next, a_prev, xt, parameters)
        caches.append(cache)
        a_prev = a_next
    return a, y_pred, (caches, x)


@wrong(
    "rnn_backward",
    "dht is a view of dh, and += changes the argument in place",
    "from memory",
    tags="view",
    words="place|chang|modif|overw",
    convention="ntd",
    forward=forward_rnn_all_steps,
)
def rnn_back_5(dh, all_caches):
    N = dh.shape[0]
    T = dh.shape[1]
    H = dh.shape[2]
    D = all_caches[0]["Wx"].shape[0]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, H))
    dWh = np.zeros((H, H))
    db = np.zeros((H,))
    dprev_h = np.zeros((N, H))
    for step in range(T):
        t = T - 1 - step
        x = all_caches[t]["x"]
        prev_h = all_caches[t]["prev_h"]
        next_h = all_caches[t]["next_h"]
        Wx = all_caches[t]["Wx"]
        Wh = all_caches[t]["Wh"]
        dht = dh[:, t, :]
        dht += dprev_h
        dz = np.multiply(dht, 1 - np.multiply(next_h, next_h))
        dx[:, t, :] = np.dot(dz, Wx.T)
        dprev_h = np.dot(dz, Wh.T)
        dWx += np.dot(x.T, dz)
        dWh += np.dot(prev_h.T, dz)
        db += np.sum(dz, axis=0)
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db


@wrong(
    "rnn_cell_backward",
    "dWh is the transpose of what it should be",
    "from memory",
    convention="ntd",
    forward=forward_rnn_one_step,
)
def rnn_cell_back_6(dnext_h, cache):
    x = cache["x"]
    prev_h = cache["prev_h"]
    next_h = cache["next_h"]
    Wx = cache["Wx"]
    Wh = cache["Wh"]
    one = np.ones(next_h.shape)
    dtanh = np.subtract(one, np.square(next_h))
    dz = np.multiply(dnext_h, dtanh)
    dx = np.dot(dz, Wx.T)
    dprev_h = np.dot(dz, Wh.T)
    dWx = np.dot(x.T, dz)
    # in the other course it is dz times a_prev.T
    dWh = np.dot(dz.T, prev_h)
    db = np.sum(dz, axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "rnn_backward",
    "dx is stored a step too early (and the first at the end); Waa without its transpose",
    "from memory",
    tags="double time",
)
def rnn_back_7(da, caches):
    (list_of_caches, x) = caches
    parameters = list_of_caches[0][3]
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    n_a, m, T = da.shape
    dx = np.zeros(x.shape)
    dWax = np.zeros(Wax.shape)
    dWaa = np.zeros(Waa.shape)
    dba = np.zeros((n_a, 1))
    da_next = np.zeros((n_a, m))
    # count 1, 2, 3, ... from the end
    for k in range(1, T + 1):
        a_next = list_of_caches[-k][0]
        a_prev = list_of_caches[-k][1]
        xt = list_of_caches[-k][2]
        da_here = da[:, :, -k] + da_next
        dz = np.multiply(1 - np.power(a_next, 2), da_here)
        dx[:, :, T - k - 1] = np.dot(Wax.T, dz)
        da_next = np.dot(Waa, dz)
        dWax = dWax + np.dot(dz, xt.T)
        dWaa = dWaa + np.dot(dz, a_prev.T)
        dba = dba + np.sum(dz, axis=1).reshape(n_a, 1)
    return {"dx": dx, "da0": da_next, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong("rnn_cell_forward", "ba is added after tanh", "from memory")
def rnn_cell_for_8(xt, a_prev, parameters):
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    Wya = parameters["Wya"]
    ba = parameters["ba"]
    by = parameters["by"]
    first = np.dot(Wax, xt)
    second = np.dot(Waa, a_prev)
    a_next = np.tanh(first + second) + ba
    z = np.dot(Wya, a_next) + by
    yt_pred = my_softmax(z)
    cache = (a_next, a_prev, xt, parameters)
    return a_next, yt_pred, cache


# ------------------------------------------------------------
# lstm
# ------------------------------------------------------------


@wrong(
    "lstm_cell_backward",
    "the input gate's line is the forget gate's, copied: c_prev where cct belongs",
    "from memory",
)
def lstm_cell_back_1(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a, m = a_next.shape

    # step 1: dot
    dot = np.multiply(da_next, np.tanh(c_next))
    dot = np.multiply(dot, ot)
    dot = np.multiply(dot, 1 - ot)

    # step 2: the cell
    dc = np.multiply(da_next, ot)
    dc = np.multiply(dc, 1 - np.square(np.tanh(c_next)))
    dc = np.add(dc, dc_next)

    # step 3: the other three gates
    dcct = np.multiply(dc, it)
    dcct = np.multiply(dcct, 1 - np.square(cct))
    dft = np.multiply(dc, c_prev)
    dft = np.multiply(dft, ft)
    dft = np.multiply(dft, 1 - ft)
    dit = np.multiply(dc, c_prev)
    dit = np.multiply(dit, it)
    dit = np.multiply(dit, 1 - it)

    # step 4: weights
    concat = np.vstack((a_prev, xt))
    dWf = np.dot(dft, concat.T)
    dWi = np.dot(dit, concat.T)
    dWc = np.dot(dcct, concat.T)
    dWo = np.dot(dot, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)

    # step 5: what goes further back
    dconcat = (
        np.dot(parameters["Wf"].T, dft)
        + np.dot(parameters["Wi"].T, dit)
        + np.dot(parameters["Wc"].T, dcct)
        + np.dot(parameters["Wo"].T, dot)
    )
    da_prev = dconcat[0:n_a, :]
    dxt = dconcat[n_a : n_a + n_x, :]
    dc_prev = np.multiply(dc, ft)

    gradients = {
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
    return gradients


@wrong(
    "lstm_backward",
    "dWo is set and not added up, so that only the first step is left",
    "from memory",
)
def lstm_back_2(da, caches):
    (list_of_caches, x) = caches
    n_a = da.shape[0]
    m = da.shape[1]
    T = da.shape[2]
    n_x = x.shape[0]
    dx = np.zeros((n_x, m, T))
    dWf = np.zeros((n_a, n_a + n_x))
    dWi = np.zeros((n_a, n_a + n_x))
    dWc = np.zeros((n_a, n_a + n_x))
    dWo = np.zeros((n_a, n_a + n_x))
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros((n_a, 1))
    dbc = np.zeros((n_a, 1))
    dbo = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T)):
        # my function for one cell that works
        g = lstm_cell_back_works(da[:, :, t] + da_prevt, dc_prevt, list_of_caches[t])
        da_prevt = g["da_prev"]
        dc_prevt = g["dc_prev"]
        dx[:, :, t] = g["dxt"]
        dWf = dWf + g["dWf"]
        dWi = dWi + g["dWi"]
        dWc = dWc + g["dWc"]
        dWo = g["dWo"]
        dbf = dbf + g["dbf"]
        dbi = dbi + g["dbi"]
        dbc = dbc + g["dbc"]
        dbo = dbo + g["dbo"]
    da0 = da_prevt
    gradients = {"dx": dx, "da0": da0}
    gradients["dWf"] = dWf
    gradients["dbf"] = dbf
    gradients["dWi"] = dWi
    gradients["dbi"] = dbi
    gradients["dWc"] = dWc
    gradients["dbc"] = dbc
    gradients["dWo"] = dWo
    gradients["dbo"] = dbo
    return gradients


@wrong(
    "lstm_cell_forward", "a_next is made of the memory before the step", "from memory"
)
def lstm_cell_for_3(xt, a_prev, c_prev, parameters):
    Wf = parameters["Wf"]
    bf = parameters["bf"]
    Wi = parameters["Wi"]
    bi = parameters["bi"]
    Wc = parameters["Wc"]
    bc = parameters["bc"]
    Wo = parameters["Wo"]
    bo = parameters["bo"]
    Wy = parameters["Wy"]
    by = parameters["by"]
    n_x = xt.shape[0]
    n_a = a_prev.shape[0]
    m = xt.shape[1]
    concat = np.zeros((n_a + n_x, m))
    concat[:n_a, :] = a_prev
    concat[n_a:, :] = xt
    ft = my_sigmoid(np.dot(Wf, concat) + bf)
    it = my_sigmoid(np.dot(Wi, concat) + bi)
    cct = np.tanh(np.dot(Wc, concat) + bc)
    ot = my_sigmoid(np.dot(Wo, concat) + bo)
    c_next = np.multiply(ft, c_prev) + np.multiply(it, cct)
    a_next = np.multiply(ot, np.tanh(c_prev))
    yt_pred = my_softmax(np.dot(Wy, a_next) + by)
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


@wrong(
    "lstm_backward",
    "the slope of a sigmoid for g, too; c[:, t - 1] at t = 0 is the last memory",
    "from memory",
    tags="double time",
    convention="ntd",
    forward=forward_lstm_all_steps,
)
def lstm_back_4(dh, cache):
    (x, h0, h, c, i, f, o, g, Wx, Wh) = cache
    N, T, H = dh.shape
    D = x.shape[2]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, 4 * H))
    dWh = np.zeros((H, 4 * H))
    db = np.zeros(4 * H)
    dprev_h = np.zeros((N, H))
    dprev_c = np.zeros((N, H))
    for t in reversed(range(T)):
        if t == 0:
            prev_h = h0
        else:
            prev_h = h[:, t - 1, :]
        prev_c = c[:, t - 1, :]
        it = i[:, t, :]
        ft = f[:, t, :]
        ot = o[:, t, :]
        gt = g[:, t, :]
        tanh_c = np.tanh(c[:, t, :])

        dnext_h = dh[:, t, :] + dprev_h
        dnext_c = dprev_c + np.multiply(np.multiply(dnext_h, ot), 1 - tanh_c**2)

        di = np.multiply(dnext_c, gt)
        df = np.multiply(dnext_c, prev_c)
        do = np.multiply(dnext_h, tanh_c)
        dg = np.multiply(dnext_c, it)

        # derivative of sigmoid is s * (1 - s)
        dz = np.zeros((N, 4 * H))
        dz[:, 0:H] = np.multiply(di, np.multiply(it, 1 - it))
        dz[:, H : 2 * H] = np.multiply(df, np.multiply(ft, 1 - ft))
        dz[:, 2 * H : 3 * H] = np.multiply(do, np.multiply(ot, 1 - ot))
        dz[:, 3 * H : 4 * H] = np.multiply(dg, np.multiply(gt, 1 - gt))

        dx[:, t, :] = np.dot(dz, Wx.T)
        dprev_h = np.dot(dz, Wh.T)
        dprev_c = np.multiply(dnext_c, ft)
        dWx = dWx + np.dot(x[:, t, :].T, dz)
        dWh = dWh + np.dot(prev_h.T, dz)
        db = db + np.sum(dz, axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "lstm_cell_backward",
    "the cache holds tanh(c), and tanh is taken of it again for the slope",
    "from memory",
    convention="ntd",
    forward=forward_lstm_one_step,
)
def lstm_cell_back_5(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, i, f, o, g, c_out, Wx, Wh = cache
    do = np.multiply(dnext_h, c_out)
    dc_out = np.multiply(dnext_h, o)
    dc_total = np.add(dnext_c, np.multiply(dc_out, 1 - np.square(np.tanh(c_out))))
    df = np.multiply(dc_total, prev_c)
    di = np.multiply(dc_total, g)
    dg = np.multiply(dc_total, i)
    dprev_c = np.multiply(dc_total, f)
    dzi = np.multiply(np.multiply(di, i), 1 - i)
    dzf = np.multiply(np.multiply(df, f), 1 - f)
    dzo = np.multiply(np.multiply(do, o), 1 - o)
    dzg = np.multiply(dg, 1 - np.square(g))
    dz = np.hstack((dzi, dzf, dzo, dzg))
    dx = np.dot(dz, Wx.T)
    dprev_h = np.dot(dz, Wh.T)
    dWx = np.dot(x.T, dz)
    dWh = np.dot(prev_h.T, dz)
    db = np.sum(dz, axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


@wrong(
    "lstm_backward",
    "two names, dc_prev and dc_prevt: what is given to each step stays zero",
    "from memory",
    tags="time",
)
def lstm_back_6(da, caches):
    (list_of_caches, x) = caches
    (a1, c1, a0, c0, f1, i1, cc1, o1, x1, parameters) = list_of_caches[0]
    n_a, m, T = da.shape
    n_x = x.shape[0]
    Wf = parameters["Wf"]
    Wi = parameters["Wi"]
    Wc = parameters["Wc"]
    Wo = parameters["Wo"]
    dx = np.zeros((n_x, m, T))
    dWf = np.zeros(Wf.shape)
    dWi = np.zeros(Wi.shape)
    dWc = np.zeros(Wc.shape)
    dWo = np.zeros(Wo.shape)
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros((n_a, 1))
    dbc = np.zeros((n_a, 1))
    dbo = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p) = list_of_caches[t]
        da_next = da[:, :, t] + da_prevt
        dc_next = dc_prevt
        tanh_c = np.tanh(c_next)
        dc = dc_next + np.multiply(np.multiply(da_next, ot), 1 - np.square(tanh_c))
        do = np.multiply(np.multiply(da_next, tanh_c), np.multiply(ot, 1 - ot))
        df = np.multiply(np.multiply(dc, c_prev), np.multiply(ft, 1 - ft))
        di = np.multiply(np.multiply(dc, cct), np.multiply(it, 1 - it))
        dcc = np.multiply(np.multiply(dc, it), 1 - np.square(cct))
        concat = np.concatenate((a_prev, xt))
        dWf += np.dot(df, concat.T)
        dWi += np.dot(di, concat.T)
        dWc += np.dot(dcc, concat.T)
        dWo += np.dot(do, concat.T)
        dbf += np.sum(df, axis=1, keepdims=True)
        dbi += np.sum(di, axis=1, keepdims=True)
        dbc += np.sum(dcc, axis=1, keepdims=True)
        dbo += np.sum(do, axis=1, keepdims=True)
        dconcat = np.dot(Wf.T, df) + np.dot(Wi.T, di)
        dconcat = dconcat + np.dot(Wc.T, dcc) + np.dot(Wo.T, do)
        da_prevt = dconcat[:n_a, :]
        dc_prev = np.multiply(dc, ft)
        dx[:, :, t] = dconcat[n_a:, :]
    return {
        "dx": dx,
        "da0": da_prevt,
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
    "dc_prev of dc_next alone; the output gate is missing in da_prev",
    "from memory",
    tags="double",
)
def lstm_cell_back_7(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a = a_next.shape[0]
    # split the matrices in the part for a and the part for x
    Wfa = parameters["Wf"][:, :n_a]
    Wia = parameters["Wi"][:, :n_a]
    Wca = parameters["Wc"][:, :n_a]
    Wfx = parameters["Wf"][:, n_a:]
    Wix = parameters["Wi"][:, n_a:]
    Wcx = parameters["Wc"][:, n_a:]
    Wox = parameters["Wo"][:, n_a:]

    sigmoid_slope_f = np.multiply(ft, 1 - ft)
    sigmoid_slope_i = np.multiply(it, 1 - it)
    sigmoid_slope_o = np.multiply(ot, 1 - ot)
    tanh_slope_cc = 1 - np.multiply(cct, cct)
    tanh_slope_c = 1 - np.multiply(np.tanh(c_next), np.tanh(c_next))

    d_inside = np.multiply(np.multiply(ot, tanh_slope_c), da_next)
    d_cell = dc_next + d_inside
    d_o = np.multiply(np.multiply(da_next, np.tanh(c_next)), sigmoid_slope_o)
    d_f = np.multiply(np.multiply(d_cell, c_prev), sigmoid_slope_f)
    d_i = np.multiply(np.multiply(d_cell, cct), sigmoid_slope_i)
    d_cc = np.multiply(np.multiply(d_cell, it), tanh_slope_cc)

    dc_prev = np.multiply(dc_next, ft)
    da_prev = np.dot(Wfa.T, d_f) + np.dot(Wia.T, d_i) + np.dot(Wca.T, d_cc)
    dxt = np.dot(Wfx.T, d_f) + np.dot(Wix.T, d_i)
    dxt = dxt + np.dot(Wcx.T, d_cc) + np.dot(Wox.T, d_o)

    concat_T = np.hstack((a_prev.T, xt.T))
    gradients = {}
    gradients["dxt"] = dxt
    gradients["da_prev"] = da_prev
    gradients["dc_prev"] = dc_prev
    gradients["dWf"] = np.dot(d_f, concat_T)
    gradients["dbf"] = np.sum(d_f, axis=1, keepdims=True)
    gradients["dWi"] = np.dot(d_i, concat_T)
    gradients["dbi"] = np.sum(d_i, axis=1, keepdims=True)
    gradients["dWc"] = np.dot(d_cc, concat_T)
    gradients["dbc"] = np.sum(d_cc, axis=1, keepdims=True)
    gradients["dWo"] = np.dot(d_o, concat_T)
    gradients["dbo"] = np.sum(d_o, axis=1, keepdims=True)
    return gradients


# ------------------------------------------------------------
# gru
# ------------------------------------------------------------


@wrong(
    "gru_cell_backward",
    "the update gate the other way round, as in the video: z * n + (1 - z) * h",
    "from memory",
    convention="ntd",
    forward=forward_gru_one_step,
)
def gru_cell_back_1(dnext_h, cache):
    (x, prev_h, r, z, n, rh, Wx, Wh) = cache
    H = prev_h.shape[1]
    Wxr = Wx[:, 0:H]
    Wxz = Wx[:, H : 2 * H]
    Wxn = Wx[:, 2 * H : 3 * H]
    Whr = Wh[:, 0:H]
    Whz = Wh[:, H : 2 * H]
    Whn = Wh[:, 2 * H : 3 * H]
    # h = z * n + (1 - z) * prev_h
    dn = np.multiply(dnext_h, z)
    dz = np.multiply(dnext_h, n - prev_h)
    dprev_h = np.multiply(dnext_h, 1 - z)
    # candidate
    dn = np.multiply(dn, 1 - np.multiply(n, n))
    drh = np.dot(dn, Whn.T)
    dr = np.multiply(drh, prev_h)
    dprev_h = dprev_h + np.multiply(drh, r)
    # gates
    dz = np.multiply(dz, np.multiply(z, 1 - z))
    dr = np.multiply(dr, np.multiply(r, 1 - r))
    dprev_h = dprev_h + np.dot(dz, Whz.T)
    dprev_h = dprev_h + np.dot(dr, Whr.T)
    dx = np.dot(dr, Wxr.T) + np.dot(dz, Wxz.T) + np.dot(dn, Wxn.T)
    dWx = np.hstack((np.dot(x.T, dr), np.dot(x.T, dz), np.dot(x.T, dn)))
    dWh = np.hstack((np.dot(prev_h.T, dr), np.dot(prev_h.T, dz), np.dot(rh.T, dn)))
    db = np.hstack((np.sum(dr, axis=0), np.sum(dz, axis=0), np.sum(dn, axis=0)))
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_backward",
    "the reset gate has the update gate's slope, from copying the line",
    "from memory",
    convention="ntd",
    forward=forward_gru_all_steps,
)
def gru_back_2(dh, caches):
    N, T, H = dh.shape
    Wx = caches[0][6]
    Wh = caches[0][7]
    D = Wx.shape[0]
    dx = np.zeros((N, T, D))
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(3 * H)
    dprev_h = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        (x, prev_h, r, z, n, rh, Wx, Wh) = caches[t]
        dnext_h = np.add(dh[:, t, :], dprev_h)

        # candidate
        dn = np.multiply(dnext_h, 1 - z)
        dzn = np.multiply(dn, 1 - np.square(n))
        # update gate
        dz = np.multiply(dnext_h, prev_h) - np.multiply(dnext_h, n)
        dzz = np.multiply(dz, np.multiply(z, 1 - z))
        # reset gate
        drh = np.dot(dzn, Wh[:, 2 * H :].T)
        dr = np.multiply(drh, prev_h)
        dzr = np.multiply(dr, np.multiply(z, 1 - z))

        dprev_h = np.multiply(dnext_h, z)
        dprev_h = dprev_h + np.multiply(drh, r)
        dprev_h = dprev_h + np.dot(dzr, Wh[:, 0:H].T)
        dprev_h = dprev_h + np.dot(dzz, Wh[:, H : 2 * H].T)

        dx[:, t, :] = np.dot(dzr, Wx[:, 0:H].T)
        dx[:, t, :] += np.dot(dzz, Wx[:, H : 2 * H].T)
        dx[:, t, :] += np.dot(dzn, Wx[:, 2 * H :].T)

        dWx[:, 0:H] += np.dot(x.T, dzr)
        dWx[:, H : 2 * H] += np.dot(x.T, dzz)
        dWx[:, 2 * H :] += np.dot(x.T, dzn)
        dWh[:, 0:H] += np.dot(prev_h.T, dzr)
        dWh[:, H : 2 * H] += np.dot(prev_h.T, dzz)
        dWh[:, 2 * H :] += np.dot(rh.T, dzn)
        db[0:H] += np.sum(dzr, axis=0)
        db[H : 2 * H] += np.sum(dzz, axis=0)
        db[2 * H :] += np.sum(dzn, axis=0)
    return dx, dprev_h, dWx, dWh, db


# ------------------------------------------------------------
# the last layer
# ------------------------------------------------------------


@wrong(
    "readout_backward",
    "divided by the number of examples only, not by m * T",
    "from memory",
)
def readout_back_1(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    Wya = parameters["Wya"]
    # make the one hot matrix
    one_hot = np.zeros((n_y, m, T))
    for j in range(m):
        for t in range(T):
            one_hot[labels[j, t], j, t] = 1
    dz = np.divide(np.subtract(y_pred, one_hot), m)
    da = np.zeros(a.shape)
    dWya = np.zeros(Wya.shape)
    dby = np.zeros((n_y, 1))
    for t in range(T):
        da[:, :, t] = np.dot(Wya.T, dz[:, :, t])
        dWya += np.dot(dz[:, :, t], a[:, :, t].T)
        dby += np.sum(dz[:, :, t], axis=1, keepdims=True)
    return {"da": da, "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "p - y is multiplied with the slope p * (1 - p) of the softmax once more",
    "from memory",
)
def readout_back_2(y_pred, labels, a, parameters):
    n_y = y_pred.shape[0]
    m = y_pred.shape[1]
    T = y_pred.shape[2]
    Wya = parameters["Wya"]
    dWya = np.zeros((n_y, a.shape[0]))
    dby = np.zeros((n_y, 1))
    da = np.zeros((a.shape[0], m, T))
    for t in range(T):
        p = y_pred[:, :, t]
        y = np.zeros((n_y, m))
        for j in range(m):
            y[labels[j, t], j] = 1
        error = np.subtract(p, y)
        softmax_derivative = np.multiply(p, 1 - p)
        dz = np.multiply(error, softmax_derivative)
        dz = np.divide(dz, m * T)
        dWya = np.add(dWya, np.dot(dz, a[:, :, t].T))
        dby = np.add(dby, np.sum(dz, axis=1, keepdims=True))
        da[:, :, t] = np.dot(Wya.T, dz)
    return {"da": da, "dWya": dWya, "dby": dby}
