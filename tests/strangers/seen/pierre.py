# Building your RNN step by step -- my answers (and cs231n afterwards, in the same form)
import numpy as np
from strangers.made import right, wrong


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e_x = np.exp(x - np.max(x))
    return e_x / e_x.sum(axis=0)


# ------------------------------------------------------------------ 1 - basic RNN


@wrong(
    "rnn_cell_forward",
    "the bracket of softmax closes too early, by is added to the probabilities",
    "from memory",
)
def by_outside_softmax(xt, a_prev, parameters):
    # Retrieve parameters from "parameters"
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    Wya = parameters["Wya"]
    ba = parameters["ba"]
    by = parameters["by"]

    ### START CODE HERE ### (≈2 lines)
    # compute next activation state using the formula given above
    a_next = np.tanh(np.dot(Waa, a_prev) + np.dot(Wax, xt) + ba)
    # compute output of the current cell using the formula given above
    yt_pred = softmax(np.dot(Wya, a_next)) + by
    ### END CODE HERE ###

    # store values you need for backward propagation in cache
    cache = (a_next, a_prev, xt, parameters)
    return a_next, yt_pred, cache


@right("rnn_cell_backward", "as in the notebook, a line for each comment")
def notebook_rnn_cell(da_next, cache):
    # Retrieve values from cache
    (a_next, a_prev, xt, parameters) = cache

    # Retrieve values from parameters
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]

    ### START CODE HERE ###
    # compute the gradient of tanh with respect to a_next (≈1 line)
    dtanh = (1 - np.square(a_next)) * da_next

    # compute the gradient of the loss with respect to Wax (≈2 lines)
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)

    # compute the gradient with respect to Waa (≈2 lines)
    da_prev = np.dot(Waa.T, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)

    # compute the gradient with respect to b (≈1 line)
    dba = np.sum(dtanh, axis=1, keepdims=True)
    ### END CODE HERE ###

    # Store the gradients in a python dictionary
    gradients = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_cell_backward",
    "tanh is taken of a_next again, which is a tanh already",
    "from memory",
)
def tanh_once_more(da_next, cache):
    # Retrieve values from cache
    (a_next, a_prev, xt, parameters) = cache

    # Retrieve values from parameters
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]

    ### START CODE HERE ###
    # the derivative of tanh(u) is (1 - tanh(u)**2) du
    dtanh = (1 - np.tanh(a_next) ** 2) * da_next

    # compute the gradient of the loss with respect to Wax (≈2 lines)
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)

    # compute the gradient with respect to Waa (≈2 lines)
    da_prev = np.dot(Waa.T, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)

    # compute the gradient with respect to b (≈1 line)
    dba = np.sum(dtanh, axis=1, keepdims=True)
    ### END CODE HERE ###

    gradients = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_cell_backward",
    "Waa is not transposed in da_prev; it is square, so nothing complains",
    "from memory",
)
def square_so_it_fits(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]

    ### START CODE HERE ###
    # gradient of tanh (≈1 line)
    dtanh = da_next - da_next * a_next * a_next

    # gradient with respect to Wax (≈2 lines)
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)

    # gradient with respect to Waa (≈2 lines)
    da_prev = np.dot(Waa, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)

    # gradient with respect to b (≈1 line)
    dba = np.sum(dtanh, axis=1, keepdims=True)
    ### END CODE HERE ###

    gradients = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_cell_backward",
    "keepdims is forgotten, dba has shape (n_a,)",
    "from memory",
    words="shape",
)
def flat_bias(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]

    ### START CODE HERE ###
    # compute the gradient of tanh with respect to a_next (≈1 line)
    dtanh = np.multiply(da_next, 1 - a_next**2)

    # compute the gradient of the loss with respect to Wax (≈2 lines)
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)

    # compute the gradient with respect to Waa (≈2 lines)
    da_prev = np.dot(Waa.T, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)

    # compute the gradient with respect to b (≈1 line)
    dba = np.sum(dtanh, axis=1)
    ### END CODE HERE ###

    gradients = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_backward",
    "da_prevt is summed over the steps like a weight, instead of replaced",
    "from memory",
)
def state_summed_like_a_weight(da, caches):
    # Retrieve values from the first cache (t=1) of caches (≈2 lines)
    (caches, x) = caches
    (a1, a0, x1, parameters) = caches[0]

    # Retrieve dimensions from da's and x1's shapes (≈2 lines)
    n_a, m, T_x = da.shape
    n_x, m = x1.shape

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈6 lines)
    dx = np.zeros((n_x, m, T_x))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))

    # Loop through all the time steps
    for t in reversed(range(T_x)):
        # Compute gradients at time step t (≈1 line)
        gradients = notebook_rnn_cell(da[:, :, t] + da_prevt, caches[t])
        # Increment the derivatives by adding their derivative at time-step t (≈5 lines)
        dx[:, :, t] = gradients["dxt"]
        da_prevt += gradients["da_prev"]
        dWax += gradients["dWax"]
        dWaa += gradients["dWaa"]
        dba += gradients["dba"]

    # Set da0 to the gradient of a which has been backpropagated through all time-steps
    da0 = da_prevt
    ### END CODE HERE ###

    gradients = {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_backward",
    "range(T_x - 1, 0, -1) ends before step 0",
    "from memory",
    tags="time",
)
def stops_at_one(da, caches):
    (caches, x) = caches
    (a1, a0, x1, parameters) = caches[0]
    n_a, m, T_x = da.shape
    n_x, m = x1.shape

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈6 lines)
    dx = np.zeros(x.shape)
    dWax = np.zeros(parameters["Wax"].shape)
    dWaa = np.zeros(parameters["Waa"].shape)
    dba = np.zeros(parameters["ba"].shape)
    da_prevt = np.zeros(a0.shape)

    # Loop through all the time steps, from the last to the first
    for t in range(T_x - 1, 0, -1):
        # da of this step and what comes from the next one
        gradients = notebook_rnn_cell(da[:, :, t] + da_prevt, caches[t])
        # Retrieve derivatives from gradients (≈1 line)
        dxt, da_prevt, dWaxt, dWaat, dbat = (
            gradients["dxt"],
            gradients["da_prev"],
            gradients["dWax"],
            gradients["dWaa"],
            gradients["dba"],
        )
        # Increment global derivatives (≈4 lines)
        dx[:, :, t] = dxt
        dWax += dWaxt
        dWaa += dWaat
        dba += dbat

    # Set da0
    da0 = da_prevt
    ### END CODE HERE ###

    gradients = {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


@wrong(
    "rnn_backward",
    "da0 gets da of the first step on top; dba is assigned, not added up",
    "from memory",
    tags="double",
)
def one_da_too_many(da, caches):
    (caches, x) = caches
    (a1, a0, x1, parameters) = caches[0]
    n_a, m, T_x = da.shape
    n_x, m = x1.shape

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈6 lines)
    dx = np.zeros((n_x, m, T_x))
    dWax = np.zeros((n_a, n_x))
    dWaa = np.zeros((n_a, n_a))
    dba = np.zeros((n_a, 1))
    da0 = np.zeros((n_a, m))
    da_prevt = np.zeros((n_a, m))

    # Loop through all the time steps
    for t in reversed(range(T_x)):
        # total gradient that arrives in a of this step
        da_next = da[:, :, t] + da_prevt
        gradients = notebook_rnn_cell(da_next, caches[t])
        # to the step before
        da_prevt = gradients["da_prev"]
        # this step
        dx[:, :, t] = gradients["dxt"]
        # all the steps
        dWax = dWax + gradients["dWax"]
        dWaa = dWaa + gradients["dWaa"]
        dba = gradients["dba"]

    # da0: upstream gradient + gradient from the next step
    da0 = da[:, :, 0] + da_prevt
    ### END CODE HERE ###

    gradients = {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}
    return gradients


# cs231n, same exercise with (N, T, D)
def cs_rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    N, H = h0.shape
    h = np.zeros((N, T, H))
    caches = []
    prev_h = h0
    # Loop through all the time steps
    for t in range(T):
        next_h = np.tanh(np.dot(x[:, t, :], Wx) + np.dot(prev_h, Wh) + b)
        h[:, t, :] = next_h
        caches.append((next_h, prev_h, x[:, t, :], Wx, Wh))
        prev_h = next_h
    return h, caches


@wrong(
    "rnn_backward",
    "dnext_h is a view of dh, += writes into the argument",
    "from memory",
    convention="ntd",
    forward=cs_rnn_forward,
    words="in place|overwrit|chang|modif|mutat",
    tags="view",
)
def plus_equals_on_a_slice(dh, cache):
    N, T, H = dh.shape
    (next_h, prev_h, xt, Wx, Wh) = cache[0]

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈5 lines)
    dx = np.zeros((N, T, xt.shape[1]))
    dprev_h = np.zeros((N, H))
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(H)

    # Loop through all the time steps
    for t in reversed(range(T)):
        (next_h, prev_h, xt, Wx, Wh) = cache[t]
        # gradient of the state of this step (≈2 lines)
        dnext_h = dh[:, t, :]
        dnext_h += dprev_h
        # gradient of tanh (≈1 line)
        dtanh = (1 - next_h**2) * dnext_h
        # gradients of this step (≈5 lines)
        dx[:, t, :] = np.dot(dtanh, Wx.T)
        dprev_h = np.dot(dtanh, Wh.T)
        dWx += np.dot(xt.T, dtanh)
        dWh += np.dot(prev_h.T, dtanh)
        db += np.sum(dtanh, axis=0)
    ### END CODE HERE ###

    return dx, dprev_h, dWx, dWh, db


# ------------------------------------------------------------------ 2 - LSTM


@right("lstm_cell_forward", "as in the notebook, concat filled in two lines")
def notebook_lstm_cell_forward(xt, a_prev, c_prev, parameters):
    # Retrieve parameters from "parameters"
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

    # Retrieve dimensions from shapes of xt and Wy
    n_x, m = xt.shape
    n_y, n_a = Wy.shape

    ### START CODE HERE ###
    # Concatenate a_prev and xt (≈3 lines)
    concat = np.zeros((n_a + n_x, m))
    concat[:n_a, :] = a_prev
    concat[n_a:, :] = xt

    # Compute values for ft, it, cct, c_next, ot, a_next (≈6 lines)
    ft = sigmoid(np.dot(Wf, concat) + bf)
    it = sigmoid(np.dot(Wi, concat) + bi)
    cct = np.tanh(np.dot(Wc, concat) + bc)
    c_next = ft * c_prev + it * cct
    ot = sigmoid(np.dot(Wo, concat) + bo)
    a_next = ot * np.tanh(c_next)

    # Compute prediction of the LSTM cell (≈1 line)
    yt_pred = softmax(np.dot(Wy, a_next) + by)
    ### END CODE HERE ###

    # store values needed for backward propagation in cache
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


@wrong(
    "lstm_cell_forward",
    "the update gate is 1 - ft, as in the GRU of the lecture before",
    "from memory",
)
def memory_as_in_the_gru_lecture(xt, a_prev, c_prev, parameters):
    # Retrieve parameters from "parameters"
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

    ### START CODE HERE ###
    # Concatenate a_prev and xt (≈1 line)
    concat = np.concatenate((a_prev, xt), axis=0)

    # Compute values for ft, it, cct, c_next, ot, a_next (≈6 lines)
    ft = sigmoid(np.dot(Wf, concat) + bf)
    it = sigmoid(np.dot(Wi, concat) + bi)
    cct = np.tanh(np.dot(Wc, concat) + bc)
    # keep a part of the memory, fill the rest with the candidate
    c_next = ft * c_prev + (1 - ft) * cct
    ot = sigmoid(np.dot(Wo, concat) + bo)
    a_next = ot * np.tanh(c_next)

    # Compute prediction of the LSTM cell (≈1 line)
    yt_pred = softmax(np.dot(Wy, a_next) + by)
    ### END CODE HERE ###

    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


@wrong(
    "lstm_forward",
    "c[:, :, t], still zero, is passed as the memory of the step before",
    "from memory",
    tags="time",
)
def memory_from_the_empty_slot(x, a0, parameters):
    # Initialize "caches", which will track the list of all the caches
    caches = []

    ### START CODE HERE ###
    # Retrieve dimensions from shapes of x and parameters['Wy'] (≈2 lines)
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape

    # initialize "a", "c" and "y" with zeros (≈3 lines)
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))

    # Initialize a_next (≈1 line)
    a_next = a0

    # loop over all time-steps
    for t in range(T_x):
        # Update next hidden state, next memory state, compute the prediction, get the cache (≈1 line)
        a_next, c_next, yt, cache = notebook_lstm_cell_forward(
            x[:, :, t], a_next, c[:, :, t].copy(), parameters
        )
        # Save the value of the new "next" hidden state in a (≈1 line)
        a[:, :, t] = a_next
        # Save the value of the prediction in y (≈1 line)
        y[:, :, t] = yt
        # Save the value of the next cell state (≈1 line)
        c[:, :, t] = c_next
        # Append the cache into caches (≈1 line)
        caches.append(cache)
    ### END CODE HERE ###

    # store values needed for backward propagation in cache
    caches = (caches, x)
    return a, y, c, caches


@right("lstm_cell_backward", "as in the notebook, equations (7) to (17)")
def notebook_lstm_cell(da_next, dc_next, cache):
    # Retrieve information from "cache"
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    Wf = parameters["Wf"]
    Wi = parameters["Wi"]
    Wc = parameters["Wc"]
    Wo = parameters["Wo"]

    ### START CODE HERE ###
    # Retrieve dimensions from xt's and a_next's shape (≈2 lines)
    n_x, m = xt.shape
    n_a, m = a_next.shape

    # Compute gates related derivatives, equations (7) to (10) (≈4 lines)
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.square(np.tanh(c_next))) * it * da_next) * (
        1 - np.square(cct)
    )
    dit = (
        (dc_next * cct + ot * (1 - np.square(np.tanh(c_next))) * cct * da_next)
        * it
        * (1 - it)
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.square(np.tanh(c_next))) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    # Compute parameters related derivatives, equations (11)-(14) (≈8 lines)
    dWf = np.dot(dft, np.concatenate((a_prev, xt), axis=0).T)
    dWi = np.dot(dit, np.concatenate((a_prev, xt), axis=0).T)
    dWc = np.dot(dcct, np.concatenate((a_prev, xt), axis=0).T)
    dWo = np.dot(dot, np.concatenate((a_prev, xt), axis=0).T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)

    # Derivatives w.r.t previous hidden state, previous memory state and input, (15)-(17) (≈3 lines)
    da_prev = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wc[:, :n_a].T, dcct)
        + np.dot(Wo[:, :n_a].T, dot)
    )
    dc_prev = dc_next * ft + ot * (1 - np.square(np.tanh(c_next))) * ft * da_next
    dxt = (
        np.dot(Wf[:, n_a:].T, dft)
        + np.dot(Wi[:, n_a:].T, dit)
        + np.dot(Wc[:, n_a:].T, dcct)
        + np.dot(Wo[:, n_a:].T, dot)
    )
    ### END CODE HERE ###

    # Save gradients in dictionary
    gradients = {
        "dxt": dxt, "da_prev": da_prev, "dc_prev": dc_prev,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip
    return gradients


@wrong(
    "lstm_cell_backward",
    "brackets missing in dit: only the second term is multiplied by it * (1 - it)",
    "from memory",
)
def brackets_of_equation_nine(da_next, dc_next, cache):
    # Retrieve information from "cache"
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a, m = a_next.shape

    ### START CODE HERE ###
    # equation (7)
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    # equation (8)
    dcct = (dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next) * (
        1 - cct**2
    )
    # equation (9)
    dit = dc_next * cct + ot * (1 - np.tanh(c_next) ** 2) * cct * da_next * it * (
        1 - it
    )
    # equation (10)
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    # equations (11)-(14), with the concatenated input
    concat = np.concatenate((a_prev, xt), axis=0)
    dWf = np.dot(dft, concat.T)
    dWi = np.dot(dit, concat.T)
    dWc = np.dot(dcct, concat.T)
    dWo = np.dot(dot, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)

    # gradient of concat, then cut it (≈3 lines)
    dconcat = np.dot(parameters["Wf"].T, dft) + np.dot(parameters["Wi"].T, dit)
    dconcat += np.dot(parameters["Wc"].T, dcct) + np.dot(parameters["Wo"].T, dot)
    da_prev = dconcat[:n_a, :]
    dxt = dconcat[n_a:, :]
    dc_prev = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * ft * da_next
    ### END CODE HERE ###

    gradients = {
        "dxt": dxt, "da_prev": da_prev, "dc_prev": dc_prev,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip
    return gradients


@wrong(
    "lstm_cell_backward",
    "tanh of cct in dcct; in da_prev dcct goes through Wo, a pasted line",
    "from memory",
    tags="double",
)
def pasted_line_and_tanh_of_cct(da_next, dc_next, cache):
    # Retrieve information from "cache"
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    Wf = parameters["Wf"]
    Wi = parameters["Wi"]
    Wc = parameters["Wc"]
    Wo = parameters["Wo"]
    n_x, m = xt.shape
    n_a, m = a_next.shape

    ### START CODE HERE ###
    # gradient of c_next: direct, and through a_next (≈1 line)
    dc = dc_next + da_next * ot * (1 - np.square(np.tanh(c_next)))

    # Compute gates related derivatives (≈4 lines)
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - np.square(np.tanh(cct)))
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    # Compute parameters related derivatives (≈8 lines)
    concat_T = np.concatenate((a_prev, xt)).T
    dWf, dbf = np.dot(dft, concat_T), np.sum(dft, axis=1, keepdims=True)
    dWi, dbi = np.dot(dit, concat_T), np.sum(dit, axis=1, keepdims=True)
    dWc, dbc = np.dot(dcct, concat_T), np.sum(dcct, axis=1, keepdims=True)
    dWo, dbo = np.dot(dot, concat_T), np.sum(dot, axis=1, keepdims=True)

    # previous hidden state
    da_prev = np.dot(Wf[:, :n_a].T, dft)
    da_prev += np.dot(Wi[:, :n_a].T, dit)
    da_prev += np.dot(Wo[:, :n_a].T, dcct)
    da_prev += np.dot(Wo[:, :n_a].T, dot)
    # previous memory state
    dc_prev = dc * ft
    # input
    dxt = np.dot(Wf[:, n_a:].T, dft)
    dxt += np.dot(Wi[:, n_a:].T, dit)
    dxt += np.dot(Wc[:, n_a:].T, dcct)
    dxt += np.dot(Wo[:, n_a:].T, dot)
    ### END CODE HERE ###

    gradients = {
        "dxt": dxt, "da_prev": da_prev, "dc_prev": dc_prev,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip
    return gradients


@wrong(
    "lstm_cell_backward",
    "a_next stands in the concatenated input of the weights' gradients",
    "from memory",
)
def concat_of_a_next(da_next, dc_next, cache):
    # Retrieve information from "cache"
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a, m = a_next.shape

    ### START CODE HERE ###
    # tanh of the memory is needed three times
    tanh_c = np.tanh(c_next)
    dc = dc_next + ot * (1 - tanh_c**2) * da_next

    # Compute gates related derivatives (≈4 lines)
    dgates = {
        "f": dc * c_prev * ft * (1 - ft),
        "i": dc * cct * it * (1 - it),
        "c": dc * it * (1 - cct**2),
        "o": da_next * tanh_c * ot * (1 - ot),
    }

    # Concatenate the hidden state and xt as in the forward pass (≈3 lines)
    concat = np.zeros((n_a + n_x, m))
    concat[:n_a, :] = a_next
    concat[n_a:, :] = xt

    # Save gradients in dictionary
    gradients = {
        "dxt": np.zeros((n_x, m)),
        "da_prev": np.zeros((n_a, m)),
        "dc_prev": dc * ft,
    }
    for k in ["f", "i", "c", "o"]:
        # weights and bias of this gate
        gradients["dW" + k] = np.dot(dgates[k], concat.T)
        gradients["db" + k] = np.sum(dgates[k], axis=1, keepdims=True)
        # its share of the hidden state and of the input
        gradients["da_prev"] += np.dot(parameters["W" + k][:, :n_a].T, dgates[k])
        gradients["dxt"] += np.dot(parameters["W" + k][:, n_a:].T, dgates[k])
    ### END CODE HERE ###

    return gradients


@wrong(
    "lstm_backward",
    "dc_prevt is set from gradients['da_prev'], copied from the line above",
    "from memory",
)
def memory_copied_from_the_line_above(da, caches):
    # Retrieve values from the first cache (t=1) of caches.
    (caches, x) = caches
    (a1, c1, a0, c0, f1, i1, cc1, o1, x1, parameters) = caches[0]

    ### START CODE HERE ###
    # Retrieve dimensions from da's and x1's shapes (≈2 lines)
    n_a, m, T_x = da.shape
    n_x, m = x1.shape

    # initialize the gradients with the right sizes (≈12 lines)
    dx = np.zeros((n_x, m, T_x))
    da0 = np.zeros((n_a, m))
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

    # loop back over the whole sequence
    for t in reversed(range(T_x)):
        # Compute all gradients using lstm_cell_backward
        gradients = notebook_lstm_cell(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        # Gradients for the step before
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["da_prev"]
        # Store or add the gradient to the parameters' previous step's gradient
        dx[:, :, t] = gradients["dxt"]
        dWf += gradients["dWf"]
        dWi += gradients["dWi"]
        dWc += gradients["dWc"]
        dWo += gradients["dWo"]
        dbf += gradients["dbf"]
        dbi += gradients["dbi"]
        dbc += gradients["dbc"]
        dbo += gradients["dbo"]
    # Set the first activation's gradient to the backpropagated gradient da_prev.
    da0 = da_prevt
    ### END CODE HERE ###

    gradients = {
        "dx": dx, "da0": da0,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip
    return gradients


@wrong(
    "lstm_backward",
    "t runs from the last to the first, the caches beside it from the first to the last",
    "from memory",
    tags="time",
)
def caches_not_reversed(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    n_x = x.shape[0]

    ### START CODE HERE ###
    # initialize the gradients with the right sizes
    gradients = {"dx": np.zeros((n_x, m, T_x))}
    for k in ["f", "i", "c", "o"]:
        gradients["dW" + k] = np.zeros((n_a, n_a + n_x))
        gradients["db" + k] = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))

    # loop back over the whole sequence
    for t, cache in zip(reversed(range(T_x)), caches):
        # gradients of this step
        grads_t = notebook_lstm_cell(da[:, :, t] + da_prevt, dc_prevt, cache)
        # hidden state and memory go to the step before
        da_prevt = grads_t["da_prev"]
        dc_prevt = grads_t["dc_prev"]
        # the input has its own place
        gradients["dx"][:, :, t] = grads_t["dxt"]
        # the parameters are shared, so sum
        for k in ["f", "i", "c", "o"]:
            gradients["dW" + k] += grads_t["dW" + k]
            gradients["db" + k] += grads_t["db" + k]

    # gradient of the initial state
    gradients["da0"] = da_prevt
    ### END CODE HERE ###

    return gradients


@wrong(
    "lstm_backward",
    "da0 is set in the loop before da_prevt is renewed: it is one step late",
    "from memory",
    tags="time",
)
def da0_one_step_late(da, caches):
    (caches, x) = caches
    (a1, c1, a0, c0, f1, i1, cc1, o1, x1, parameters) = caches[0]
    n_a, m, T_x = da.shape
    n_x, m = x1.shape

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈12 lines)
    dx = np.zeros((n_x, m, T_x))
    da0 = np.zeros((n_a, m))
    da_prevt = np.zeros(da0.shape)
    dc_prevt = np.zeros(da0.shape)
    dWf = np.zeros((n_a, n_a + n_x))
    dWi = np.zeros(dWf.shape)
    dWc = np.zeros(dWf.shape)
    dWo = np.zeros(dWf.shape)
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros(dbf.shape)
    dbc = np.zeros(dbf.shape)
    dbo = np.zeros(dbf.shape)

    # loop back over the whole sequence
    for t in reversed(range(T_x)):
        # Compute all gradients using lstm_cell_backward
        gradients = notebook_lstm_cell(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        # Store or add the gradient to the parameters' previous step's gradient
        dx[:, :, t] = gradients["dxt"]
        dWf, dbf = dWf + gradients["dWf"], dbf + gradients["dbf"]
        dWi, dbi = dWi + gradients["dWi"], dbi + gradients["dbi"]
        dWc, dbc = dWc + gradients["dWc"], dbc + gradients["dbc"]
        dWo, dbo = dWo + gradients["dWo"], dbo + gradients["dbo"]
        # Set the first activation's gradient to the backpropagated gradient da_prev.
        da0 = da_prevt
        # for the next turn of the loop
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["dc_prev"]
    ### END CODE HERE ###

    gradients = {
        "dx": dx, "da0": da0,
        "dWf": dWf, "dbf": dbf, "dWi": dWi, "dbi": dbi,
        "dWc": dWc, "dbc": dbc, "dWo": dWo, "dbo": dbo,
    }  # fmt: skip
    return gradients


# cs231n, LSTM
def cs_lstm_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    N, H = h0.shape
    h = np.zeros((N, T, H))
    caches = []
    prev_h = h0
    prev_c = np.zeros((N, H))
    for t in range(T):
        # activation vector, cut in four
        a = np.dot(x[:, t, :], Wx) + np.dot(prev_h, Wh) + b
        i = sigmoid(a[:, :H])
        f = sigmoid(a[:, H : 2 * H])
        o = sigmoid(a[:, 2 * H : 3 * H])
        g = np.tanh(a[:, 3 * H :])
        # memory, then state
        next_c = f * prev_c + i * g
        next_h = o * np.tanh(next_c)
        caches.append((x[:, t, :], prev_h, prev_c, i, f, o, g, next_c, Wx, Wh))
        h[:, t, :] = next_h
        prev_h, prev_c = next_h, next_c
    return h, caches


@wrong(
    "lstm_backward",
    "df is made before dnext_c gets the part through tanh",
    "from memory",
    convention="ntd",
    forward=cs_lstm_forward,
)
def df_too_early(dh, cache):
    N, T, H = dh.shape
    (xt, prev_h, prev_c, i, f, o, g, next_c, Wx, Wh) = cache[0]

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈6 lines)
    dx = np.zeros((N, T, xt.shape[1]))
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(4 * H)
    dprev_h = np.zeros((N, H))
    dprev_c = np.zeros((N, H))

    # Loop through all the time steps
    for t in reversed(range(T)):
        (xt, prev_h, prev_c, i, f, o, g, next_c, Wx, Wh) = cache[t]
        dnext_h = dh[:, t, :] + dprev_h
        dnext_c = dprev_c
        # gate f: next_c = f * prev_c + ... (≈1 line)
        df = dnext_c * prev_c
        # gate o: next_h = o * tanh(next_c) (≈2 lines)
        do = dnext_h * np.tanh(next_c)
        dnext_c = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
        # gates i and g: next_c = ... + i * g (≈2 lines)
        di = dnext_c * g
        dg = dnext_c * i
        # to the step before (≈1 line)
        dprev_c = dnext_c * f
        # through sigmoid and tanh (≈1 line)
        da = np.concatenate(
            (di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)),
            axis=1,
        )
        # linear part (≈5 lines)
        dx[:, t, :] = np.dot(da, Wx.T)
        dprev_h = np.dot(da, Wh.T)
        dWx += np.dot(xt.T, da)
        dWh += np.dot(prev_h.T, da)
        db += np.sum(da, axis=0)
    ### END CODE HERE ###

    return dx, dprev_h, dWx, dWh, db


# ------------------------------------------------------------------ 3 - GRU (not graded)


def my_gru_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    N, H = h0.shape
    h = np.zeros((N, T, H))
    caches = []
    prev_h = h0
    for t in range(T):
        ax = np.dot(x[:, t, :], Wx) + b
        # gates
        r = sigmoid(ax[:, :H] + np.dot(prev_h, Wh[:, :H]))
        z = sigmoid(ax[:, H : 2 * H] + np.dot(prev_h, Wh[:, H : 2 * H]))
        # candidate
        n = np.tanh(ax[:, 2 * H :] + np.dot(r * prev_h, Wh[:, 2 * H :]))
        next_h = (1 - z) * n + z * prev_h
        caches.append(
            {
                "xt": x[:, t, :],
                "prev_h": prev_h,
                "r": r,
                "z": z,
                "n": n,
                "Wx": Wx,
                "Wh": Wh,
            }
        )
        h[:, t, :] = next_h
        prev_h = next_h
    return h, caches


@wrong(
    "gru_backward",
    "the gate is read as in the lecture, c = u * cc + (1 - u) * c_prev",
    "from memory",
    convention="ntd",
    forward=my_gru_forward,
)
def gamma_u_of_the_lecture(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0]["Wx"], cache[0]["Wh"]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈5 lines)
    dx = np.zeros((N, T, Wx.shape[0]))
    dWx = np.zeros(Wx.shape)
    dWh = np.zeros(Wh.shape)
    db = np.zeros(3 * H)
    dprev_h = np.zeros((N, H))

    # Loop through all the time steps
    for t in reversed(range(T)):
        xt, prev_h = cache[t]["xt"], cache[t]["prev_h"]
        r, z, n = cache[t]["r"], cache[t]["z"], cache[t]["n"]
        dnext_h = dh[:, t, :] + dprev_h
        # update gate, candidate, state before (≈3 lines)
        dz = dnext_h * (n - prev_h) * z * (1 - z)
        dn = dnext_h * z * (1 - n**2)
        dprev_h = dnext_h * (1 - z)
        # relevance gate (≈2 lines)
        drh = np.dot(dn, Whn.T)
        dr = drh * prev_h * r * (1 - r)
        # the other three ways to the state before (≈1 line)
        dprev_h = dprev_h + drh * r + np.dot(dr, Whr.T) + np.dot(dz, Whz.T)
        # parameters (≈5 lines)
        da = np.concatenate((dr, dz, dn), axis=1)
        dx[:, t, :] = np.dot(da, Wx.T)
        dWx += np.dot(xt.T, da)
        dWh[:, : 2 * H] += np.dot(prev_h.T, da[:, : 2 * H])
        dWh[:, 2 * H :] += np.dot((r * prev_h).T, dn)
        db += np.sum(da, axis=0)
    ### END CODE HERE ###

    return dx, dprev_h, dWx, dWh, db


# ------------------------------------------------------------------ 4 - the loss


@wrong(
    "readout_backward",
    "divided by the number of examples alone, not by the steps",
    "from memory",
)
def only_by_m(y_pred, labels, a, parameters):
    # Retrieve dimensions
    n_y, m, T_x = y_pred.shape
    Wya = parameters["Wya"]

    ### START CODE HERE ###
    # initialize the gradients with the right sizes (≈3 lines)
    da = np.zeros(a.shape)
    dWya = np.zeros(Wya.shape)
    dby = np.zeros((n_y, 1))

    # Loop through all the time steps
    for t in range(T_x):
        # one-hot labels of this step (≈2 lines)
        yt = np.zeros((n_y, m))
        yt[labels[:, t], np.arange(m)] = 1
        # gradient of the cost with respect to the input of softmax (≈1 line)
        dzt = (1 / m) * (y_pred[:, :, t] - yt)
        # gradients of this step (≈3 lines)
        da[:, :, t] = np.dot(Wya.T, dzt)
        dWya += np.dot(dzt, a[:, :, t].T)
        dby += np.sum(dzt, axis=1, keepdims=True)
    ### END CODE HERE ###

    gradients = {"da": da, "dWya": dWya, "dby": dby}
    return gradients
