"""Bram. One LSTM cell, written again and again; the formulas of the sheet, @ and short lines."""

import numpy as np
from strangers.made import right, wrong


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def bsum(d):
    return d.sum(axis=1, keepdims=True)


# ------------------------------------------------------------------ forward


@wrong(
    "lstm_cell_forward",
    "the input is stacked as [xt; a_prev], the weights are for [a_prev; xt]",
    "from memory",
)
def x_on_top(xt, a_prev, c_prev, parameters):
    P = parameters
    z = np.concatenate((xt, a_prev), axis=0)
    ft = sigmoid(P["Wf"] @ z + P["bf"])
    it = sigmoid(P["Wi"] @ z + P["bi"])
    cct = np.tanh(P["Wc"] @ z + P["bc"])
    c_next = ft * c_prev + it * cct
    ot = sigmoid(P["Wo"] @ z + P["bo"])
    a_next = ot * np.tanh(c_next)
    yt = softmax(P["Wy"] @ a_next + P["by"])
    return (
        a_next,
        c_next,
        yt,
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters),
    )


@wrong(
    "lstm_cell_forward", "no tanh on the way out: a_next = ot * c_next", "from memory"
)
def plain_cell_out(xt, a_prev, c_prev, parameters):
    P = parameters
    z = np.concatenate((a_prev, xt), axis=0)
    ft = sigmoid(P["Wf"] @ z + P["bf"])
    it = sigmoid(P["Wi"] @ z + P["bi"])
    cct = np.tanh(P["Wc"] @ z + P["bc"])
    c_next = ft * c_prev + it * cct
    ot = sigmoid(P["Wo"] @ z + P["bo"])
    a_next = ot * c_next
    yt = softmax(P["Wy"] @ a_next + P["by"])
    return (
        a_next,
        c_next,
        yt,
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters),
    )


@wrong(
    "lstm_cell_forward",
    "the candidate goes through sigmoid like the gates above it",
    "from memory",
)
def candidate_copied(xt, a_prev, c_prev, parameters):
    P = parameters
    z = np.concatenate((a_prev, xt), axis=0)
    ft = sigmoid(P["Wf"] @ z + P["bf"])
    it = sigmoid(P["Wi"] @ z + P["bi"])
    cct = sigmoid(P["Wc"] @ z + P["bc"])
    c_next = ft * c_prev + it * cct
    ot = sigmoid(P["Wo"] @ z + P["bo"])
    a_next = ot * np.tanh(c_next)
    yt = softmax(P["Wy"] @ a_next + P["by"])
    return (
        a_next,
        c_next,
        yt,
        (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters),
    )


# ------------------------------------------------------------------ backward


@right("lstm_cell_backward", "the formulas of the sheet, each written out")
def sheet(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next) * (
        1 - cct**2
    )
    dit = (
        (dc_next * cct + ot * (1 - np.tanh(c_next) ** 2) * cct * da_next)
        * it
        * (1 - it)
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * ft * da_next
    return g


@right("lstm_cell_backward", "dc summed up first, sigmoid by its own values")
def dc_first(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)
    tc = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - tc * tc)

    dot = da_next * tc * (ot - ot**2)
    dcct = dc * it * (1 - cct * cct)
    dit = dc * cct * (it - it**2)
    dft = dc * c_prev * (ft - ft**2)

    g = {"dc_prev": dc * ft}
    dz = 0
    for name, d in zip("fico", (dft, dit, dcct, dot)):
        g["dW" + name] = d @ z.T
        g["db" + name] = bsum(d)
        dz = dz + P["W" + name].T @ d
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    return g


@wrong(
    "lstm_cell_backward",
    "dot is taken with c_next in place of tanh(c_next)",
    "from memory",
)
def o_without_tanh(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * c_next * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next) * (
        1 - cct**2
    )
    dit = (
        (dc_next * cct + ot * (1 - np.tanh(c_next) ** 2) * cct * da_next)
        * it
        * (1 - it)
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * ft * da_next
    return g


@wrong(
    "lstm_cell_backward",
    "dcct: no bracket around the sum, 1 - cct**2 acts on its second part alone",
    "from memory",
)
def candidate_bracket(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next * (1 - cct**2)
    dit = (
        (dc_next * cct + ot * (1 - np.tanh(c_next) ** 2) * cct * da_next)
        * it
        * (1 - it)
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * ft * da_next
    return g


@wrong(
    "lstm_cell_backward",
    "dit is copied from dft: c_prev stands where cct belongs",
    "from memory",
)
def i_copied_from_f(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next) * (
        1 - cct**2
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )
    dit = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * it
        * (1 - it)
    )

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * ft * da_next
    return g


@wrong("lstm_cell_backward", "dft is taken with c_next, not c_prev", "from memory")
def f_with_new_cell(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)
    tc = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - tc * tc)

    dot = da_next * tc * (ot - ot**2)
    dcct = dc * it * (1 - cct * cct)
    dit = dc * cct * (it - it**2)
    dft = dc * c_next * (ft - ft**2)

    g = {"dc_prev": dc * ft}
    dz = 0
    for name, d in zip("fico", (dft, dit, dcct, dot)):
        g["dW" + name] = d @ z.T
        g["db" + name] = bsum(d)
        dz = dz + P["W" + name].T @ d
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    return g


@wrong(
    "lstm_cell_backward",
    "dc_prev is dc_next * ft alone, the part through a_next is forgotten",
    "from memory",
)
def c_prev_short(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next) * (
        1 - cct**2
    )
    dit = (
        (dc_next * cct + ot * (1 - np.tanh(c_next) ** 2) * cct * da_next)
        * it
        * (1 - it)
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc_next * ft
    return g


@wrong(
    "lstm_cell_backward",
    "tanh' is written 1 - c_next**2, c_next is not yet tanh(c_next)",
    "from memory",
)
def cell_taken_for_tanh(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)
    dc = dc_next + da_next * ot * (1 - c_next**2)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    g = {"dc_prev": dc * ft}
    dz = 0
    for name, d in zip("fico", (dft, dit, dcct, dot)):
        g["dW" + name] = d @ z.T
        g["db" + name] = bsum(d)
        dz = dz + P["W" + name].T @ d
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    return g


@wrong(
    "lstm_cell_backward", "dWi is made of dft (the line above, copied)", "from memory"
)
def wi_copied(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    g = {}
    g["dWf"] = dft @ z.T
    g["dWi"] = dft @ z.T
    g["dWc"] = dcct @ z.T
    g["dWo"] = dot @ z.T
    g["dbf"] = bsum(dft)
    g["dbi"] = bsum(dit)
    g["dbc"] = bsum(dcct)
    g["dbo"] = bsum(dot)
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc * ft
    return g


@wrong(
    "lstm_cell_backward",
    "da_prev lacks the way through the output gate (dxt has it)",
    "from memory",
)
def a_prev_three_gates(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    Wf, Wi, Wc, Wo = P["Wf"], P["Wi"], P["Wc"], P["Wo"]
    g["da_prev"] = Wf[:, :n_a].T @ dft + Wi[:, :n_a].T @ dit + Wc[:, :n_a].T @ dcct
    g["dxt"] = (
        Wf[:, n_a:].T @ dft
        + Wi[:, n_a:].T @ dit
        + Wc[:, n_a:].T @ dcct
        + Wo[:, n_a:].T @ dot
    )
    g["dc_prev"] = dc * ft
    return g


@wrong(
    "lstm_cell_backward",
    "dxt is taken with the first n_x columns of the weights, not with the last",
    "from memory",
)
def first_columns(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a, n_x = a_next.shape[0], xt.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    Wf, Wi, Wc, Wo = P["Wf"], P["Wi"], P["Wc"], P["Wo"]
    g["da_prev"] = (
        Wf[:, :n_a].T @ dft
        + Wi[:, :n_a].T @ dit
        + Wc[:, :n_a].T @ dcct
        + Wo[:, :n_a].T @ dot
    )
    g["dxt"] = (
        Wf[:, :n_x].T @ dft
        + Wi[:, :n_x].T @ dit
        + Wc[:, :n_x].T @ dcct
        + Wo[:, :n_x].T @ dot
    )
    g["dc_prev"] = dc * ft
    return g


@wrong(
    "lstm_cell_backward",
    "dot is not taken through sigmoid: ot * (1 - ot) is missing",
    "from memory",
)
def o_before_sigmoid(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc * ft
    return g


@wrong(
    "lstm_cell_backward",
    "two: ft goes through tanh', 1 - ft**2, and dc_prev has only the part through a_next, no dc_next",
    "from memory",
)
def f_like_tanh(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)
    tc = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - tc**2)

    dot = da_next * tc * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * (1 - ft**2)

    g = {"dc_prev": da_next * ot * (1 - tc**2) * ft}
    dz = 0
    for name, d in zip("fico", (dft, dit, dcct, dot)):
        g["dW" + name] = d @ z.T
        g["db" + name] = bsum(d)
        dz = dz + P["W" + name].T @ d
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    return g


@wrong(
    "lstm_cell_backward",
    "two: the candidate's tanh is taken twice (1 - tanh(cct)**2), and dc_prev's second part has it for ft",
    "from memory",
)
def twice_and_wrong_gate(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next) * (
        1 - np.tanh(cct) ** 2
    )
    dit = (
        (dc_next * cct + ot * (1 - np.tanh(c_next) ** 2) * cct * da_next)
        * it
        * (1 - it)
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * it * da_next
    return g


@wrong(
    "lstm_cell_backward",
    "in dit alone the square slips out of the bracket: (1 - tanh(c_next))**2",
    "from memory",
)
def square_slips_in_i(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_prev, xt), axis=0)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.tanh(c_next) ** 2) * it * da_next) * (
        1 - cct**2
    )
    dit = (
        (dc_next * cct + ot * (1 - np.tanh(c_next)) ** 2 * cct * da_next)
        * it
        * (1 - it)
    )
    dft = (
        (dc_next * c_prev + ot * (1 - np.tanh(c_next) ** 2) * c_prev * da_next)
        * ft
        * (1 - ft)
    )

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * ft * da_next
    return g


@wrong(
    "lstm_cell_backward",
    "the weights' gradients are taken with [a_next; xt]",
    "from memory",
)
def stacked_with_a_next(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P) = cache
    n_a = a_next.shape[0]
    z = np.concatenate((a_next, xt), axis=0)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    g = {"dWf": dft @ z.T, "dWi": dit @ z.T, "dWc": dcct @ z.T, "dWo": dot @ z.T}
    g.update(dbf=bsum(dft), dbi=bsum(dit), dbc=bsum(dcct), dbo=bsum(dot))
    dz = P["Wf"].T @ dft + P["Wi"].T @ dit + P["Wc"].T @ dcct + P["Wo"].T @ dot
    g["da_prev"], g["dxt"] = dz[:n_a], dz[n_a:]
    g["dc_prev"] = dc * ft
    return g
