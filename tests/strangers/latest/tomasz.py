"""Tomasz translates from his MATLAB files. Comments keep the old lines; arrays first, loops after, one statement a line."""

import numpy as np
from numpy import exp, sum, tanh, zeros
from strangers.made import right, wrong


def logsig(n):
    return 1 / (1 + exp(-n))


def softmax(n):
    e = exp(n - np.max(n, axis=0))
    return e / sum(e, axis=0)


# ---------------- recurrent layer


@wrong(
    "rnn_cell_backward",
    "dZ = dA .* (1-A).^2: the bracket closes before the power is meant",
    "from memory",
)
def tansig_bracket(da_next, cache):
    (A, Ap, X, P) = cache
    # dZ = dA .* (1-A.^2)
    dZ = da_next * (1 - A) ** 2
    g = {}
    g["dxt"] = P["Wax"].T @ dZ
    g["da_prev"] = P["Waa"].T @ dZ
    g["dWax"] = dZ @ X.T
    g["dWaa"] = dZ @ Ap.T
    g["dba"] = sum(dZ, axis=1, keepdims=True)
    return g


@wrong(
    "rnn_backward",
    "for t = T:-1:1 became range(T-1, 0, -1): step 0 is never visited",
    "from memory",
    step=0,
)
def colon_to_range(da, caches):
    (C, x) = caches
    (n, m, T) = da.shape
    P = C[0][3]
    dx = zeros(x.shape)
    dWax = zeros(P["Wax"].shape)
    dWaa = zeros((n, n))
    dba = zeros((n, 1))
    dA = zeros((n, m))
    # for t = T:-1:1
    for t in range(T - 1, 0, -1):
        (A, Ap, X, P) = C[t]
        dZ = (da[:, :, t] + dA) * (1 - A**2)
        dx[:, :, t] = P["Wax"].T @ dZ
        dWax = dWax + dZ @ X.T
        dWaa = dWaa + dZ @ Ap.T
        dba = dba + sum(dZ, axis=1, keepdims=True)
        dA = P["Waa"].T @ dZ
    return {"dx": dx, "da0": dA, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_backward",
    "da is still read at t-1 after the loop's index was moved to begin at 0",
    "from memory",
    step=-1,
)
def da_keeps_minus_one(da, caches):
    (C, x) = caches
    (n, m, T) = da.shape
    P = C[0][3]
    dx = zeros(x.shape)
    dWax = zeros(P["Wax"].shape)
    dWaa = zeros((n, n))
    dba = zeros((n, 1))
    dA = zeros((n, m))
    for t in range(T - 1, -1, -1):
        (A, Ap, X, P) = C[t]
        dZ = (da[:, :, t - 1] + dA) * (1 - A**2)
        dx[:, :, t] = P["Wax"].T @ dZ
        dWax = dWax + dZ @ X.T
        dWaa = dWaa + dZ @ Ap.T
        dba = dba + sum(dZ, axis=1, keepdims=True)
        dA = P["Waa"].T @ dZ
    return {"dx": dx, "da0": dA, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong(
    "rnn_forward",
    "columns of step t are taken as t*m:(t+1)*m, which holds for MATLAB's order of memory and not for this one",
    "from memory",
)
def columns_of_the_other_order(x, a0, parameters):
    P = parameters
    (nx, m, T) = x.shape
    n = a0.shape[0]
    a = zeros((n, m, T))
    y = zeros((P["Wya"].shape[0], m, T))
    # WX = Wax * reshape(x, nx, m*T);   all the products with x at once
    WX = P["Wax"] @ x.reshape(nx, m * T)
    A = a0
    C = []
    for t in range(T):
        Ap = A
        A = tanh(WX[:, t * m : (t + 1) * m] + P["Waa"] @ Ap + P["ba"])
        a[:, :, t] = A
        y[:, :, t] = softmax(P["Wya"] @ A + P["by"])
        C.append((A, Ap, x[:, :, t], P))
    return a, y, (C, x)


@wrong(
    "rnn_forward",
    "the state before comes from a(:,:,t-1), which at t = 0 is the last page and still zeros: a0 is never used",
    "from memory",
    step=0,
)
def page_minus_one(x, a0, parameters):
    P = parameters
    (nx, m, T) = x.shape
    a = zeros((a0.shape[0], m, T))
    y = zeros((P["Wya"].shape[0], m, T))
    C = []
    for t in range(T):
        Ap = a[:, :, t - 1].copy()
        a[:, :, t] = tanh(P["Wax"] @ x[:, :, t] + P["Waa"] @ Ap + P["ba"])
        y[:, :, t] = softmax(P["Wya"] @ a[:, :, t] + P["by"])
        C.append((a[:, :, t].copy(), Ap, x[:, :, t], P))
    return a, y, (C, x)


# ---------------- LSTM layer


@wrong(
    "lstm_cell_backward",
    "W(:,1:n) became W[:, 1:n+1]: the recurrent columns are one too far to the right",
    "from memory",
)
def columns_one_to_n(da_next, dc_next, cache):
    (A, Cn, Ap, Cp, F, I, G, O, X, P) = cache
    n = A.shape[0]
    tC = tanh(Cn)
    dO = da_next * tC * O * (1 - O)
    dC = dc_next + da_next * O * (1 - tC**2)
    dF = dC * Cp * F * (1 - F)
    dI = dC * G * I * (1 - I)
    dG = dC * I * (1 - G**2)
    r = slice(1, n + 1)
    S = np.vstack([Ap, X])
    g = {}
    g["da_prev"] = (
        P["Wf"][:, r].T @ dF
        + P["Wi"][:, r].T @ dI
        + P["Wc"][:, r].T @ dG
        + P["Wo"][:, r].T @ dO
    )
    g["dxt"] = (
        P["Wf"][:, n:].T @ dF
        + P["Wi"][:, n:].T @ dI
        + P["Wc"][:, n:].T @ dG
        + P["Wo"][:, n:].T @ dO
    )
    g["dc_prev"] = dC * F
    for k, d in zip("fico", (dF, dI, dG, dO)):
        g["dW" + k] = d @ S.T
        g["db" + k] = sum(d, axis=1, keepdims=True)
    return g


@wrong(
    "lstm_cell_backward",
    "the output gate's line ends with O - O^2 and no bracket around it",
    "from memory",
)
def minus_without_bracket(da_next, dc_next, cache):
    (A, Cn, Ap, Cp, F, I, G, O, X, P) = cache
    n = A.shape[0]
    tC = tanh(Cn)
    # dO = dA.*tC.*(O-O.^2)
    dO = da_next * tC * O - O**2
    dC = dc_next + da_next * O * (1 - tC**2)
    dF = dC * Cp * (F - F**2)
    dI = dC * G * (I - I**2)
    dG = dC * I * (1 - G**2)
    S = np.vstack([Ap, X])
    dS = P["Wf"].T @ dF + P["Wi"].T @ dI + P["Wc"].T @ dG + P["Wo"].T @ dO
    g = {"da_prev": dS[:n], "dxt": dS[n:], "dc_prev": dC * F}
    for k, d in zip("fico", (dF, dI, dG, dO)):
        g["dW" + k] = d @ S.T
        g["db" + k] = sum(d, axis=1, keepdims=True)
    return g


@wrong(
    "lstm_backward",
    "dWf = dWi = dWc = dWo = zeros is one array under four names; in MATLAB it was four",
    "from memory",
)
def four_names_one_array(da, caches):
    (C, x) = caches
    (n, m, T) = da.shape
    P = C[0][9]
    dx = zeros(x.shape)
    dWf = dWi = dWc = dWo = zeros(P["Wf"].shape)
    dbf, dbi, dbc, dbo = zeros((n, 1)), zeros((n, 1)), zeros((n, 1)), zeros((n, 1))
    dA = zeros((n, m))
    dC = zeros((n, m))
    for t in range(T - 1, -1, -1):
        (A, Cn, Ap, Cp, F, I, G, O, X, P) = C[t]
        tC = tanh(Cn)
        dA = dA + da[:, :, t]
        dC = dC + dA * O * (1 - tC**2)
        dF = dC * Cp * F * (1 - F)
        dI = dC * G * I * (1 - I)
        dG = dC * I * (1 - G**2)
        dO = dA * tC * O * (1 - O)
        S = np.vstack([Ap, X])
        dWf += dF @ S.T
        dWi += dI @ S.T
        dWc += dG @ S.T
        dWo += dO @ S.T
        dbf += sum(dF, axis=1, keepdims=True)
        dbi += sum(dI, axis=1, keepdims=True)
        dbc += sum(dG, axis=1, keepdims=True)
        dbo += sum(dO, axis=1, keepdims=True)
        dS = P["Wf"].T @ dF + P["Wi"].T @ dI + P["Wc"].T @ dG + P["Wo"].T @ dO
        dx[:, :, t] = dS[n:]
        dA = dS[:n]
        dC = dC * F
    return {
        "dx": dx,
        "da0": dA,
        "dWf": dWf,
        "dbf": dbf,
        "dWi": dWi,
        "dbi": dbi,
        "dWc": dWc,
        "dbc": dbc,
        "dWo": dWo,
        "dbo": dbo,
    }


def cell_layer(X, Ap, Cp, P):
    S = np.vstack([Ap, X])
    F, I, O = (
        logsig(P["Wf"] @ S + P["bf"]),
        logsig(P["Wi"] @ S + P["bi"]),
        logsig(P["Wo"] @ S + P["bo"]),
    )
    G = tanh(P["Wc"] @ S + P["bc"])
    return F, I, G, O


@wrong(
    "lstm_forward",
    "the state's buffer is written in place and appended: every page of a and c is the last one",
    "from memory",
)
def one_buffer_for_all_pages(x, a0, parameters):
    P = parameters
    T = x.shape[2]
    A = a0.copy()
    Cn = zeros(a0.shape)
    pagesA, pagesC, C = [], [], []
    for t in range(T):
        Ap, Cp = A.copy(), Cn.copy()
        F, I, G, O = cell_layer(x[:, :, t], Ap, Cp, P)
        Cn[:] = F * Cp + I * G
        A[:] = O * tanh(Cn)
        pagesA.append(A)
        pagesC.append(Cn)
        C.append((A, Cn, Ap, Cp, F, I, G, O, x[:, :, t], P))
    a = np.stack(pagesA, axis=2)
    c = np.stack(pagesC, axis=2)
    y = np.stack([softmax(P["Wy"] @ a[:, :, t] + P["by"]) for t in range(T)], axis=2)
    return a, y, c, (C, x)


@wrong("lstm_forward", "the cell begins as a0 too", "from memory", step=0)
def cell_starts_as_a0(x, a0, parameters):
    P = parameters
    (nx, m, T) = x.shape
    n = a0.shape[0]
    a, c, y = zeros((n, m, T)), zeros((n, m, T)), zeros((P["Wy"].shape[0], m, T))
    A = a0
    Cn = a0
    C = []
    for t in range(T):
        Ap, Cp = A, Cn
        F, I, G, O = cell_layer(x[:, :, t], Ap, Cp, P)
        Cn = F * Cp + I * G
        A = O * tanh(Cn)
        a[:, :, t] = A
        c[:, :, t] = Cn
        y[:, :, t] = softmax(P["Wy"] @ A + P["by"])
        C.append((A, Cn, Ap, Cp, F, I, G, O, x[:, :, t], P))
    return a, y, c, (C, x)


@wrong(
    "lstm_backward",
    "two: dx is written to page t-1, and the cell's gradient goes back without the forget gate",
    "from memory",
)
def page_and_forget(da, caches):
    (C, x) = caches
    (n, m, T) = da.shape
    P = C[0][9]
    g = {"dx": zeros(x.shape)}
    for k in "fico":
        g["dW" + k] = zeros(P["W" + k].shape)
        g["db" + k] = zeros((n, 1))
    dA = zeros((n, m))
    dC = zeros((n, m))
    for t in range(T - 1, -1, -1):
        (A, Cn, Ap, Cp, F, I, G, O, X, P) = C[t]
        tC = tanh(Cn)
        dA = dA + da[:, :, t]
        dC = dC + dA * O * (1 - tC**2)
        D = (
            dC * Cp * F * (1 - F),
            dC * G * I * (1 - I),
            dC * I * (1 - G**2),
            dA * tC * O * (1 - O),
        )
        S = np.vstack([Ap, X])
        dS = zeros(S.shape)
        for k, d in zip("fico", D):
            g["dW" + k] += d @ S.T
            g["db" + k] += sum(d, axis=1, keepdims=True)
            dS = dS + P["W" + k].T @ d
        g["dx"][:, :, t - 1] = dS[n:]
        dA = dS[:n]
    g["da0"] = dA
    return g


# ---------------- output layer


@wrong(
    "readout_backward",
    "y_pred is unrolled in MATLAB's order, the labels in NumPy's",
    "from memory",
)
def two_orders_of_unrolling(y_pred, labels, a, parameters):
    P = parameters
    (ny, m, T) = y_pred.shape
    n = a.shape[0]
    # Y = reshape(y, ny, m*T);  L = labels(:);
    Y = y_pred.reshape(ny, m * T, order="F")
    L = labels.ravel()
    A = a.reshape(n, m * T, order="F")
    dZ = Y.copy()
    dZ[L, np.arange(m * T)] -= 1
    dZ = dZ / (m * T)
    dA = P["Wya"].T @ dZ
    return {
        "da": dA.reshape(n, m, T, order="F"),
        "dWya": dZ @ A.T,
        "dby": sum(dZ, axis=1, keepdims=True),
    }


@wrong("readout_backward", "labels are taken to count from 1", "from memory")
def labels_from_one(y_pred, labels, a, parameters):
    P = parameters
    (ny, m, T) = y_pred.shape
    n = a.shape[0]
    # I = eye(ny);  dZ = Y - I(:,L);
    I = np.eye(ny)
    L = labels.reshape(m * T)
    dZ = (y_pred.reshape(ny, m * T) - I[:, L - 1]) / (m * T)
    A = a.reshape(n, m * T)
    return {
        "da": (P["Wya"].T @ dZ).reshape(n, m, T),
        "dWya": dZ @ A.T,
        "dby": sum(dZ, axis=1, keepdims=True),
    }


@right("lstm_backward", "old index from T to 1, with t-1 everywhere")
def counted_from_one(da, caches):
    (C, x) = caches
    (n, m, T) = da.shape
    P = C[0][9]
    g = {"dx": zeros(x.shape)}
    for k in "fico":
        g["dW" + k] = zeros(P["W" + k].shape)
        g["db" + k] = zeros((n, 1))
    dA = zeros((n, m))
    dC = zeros((n, m))
    for t in range(T, 0, -1):
        (A, Cn, Ap, Cp, F, I, G, O, X, P) = C[t - 1]
        tC = tanh(Cn)
        dA = dA + da[:, :, t - 1]
        dC = dC + dA * O * (1 - tC**2)
        D = (
            dC * Cp * F * (1 - F),
            dC * G * I * (1 - I),
            dC * I * (1 - G**2),
            dA * tC * O * (1 - O),
        )
        S = np.vstack([Ap, X])
        dS = zeros(S.shape)
        for k, d in zip("fico", D):
            g["dW" + k] += d @ S.T
            g["db" + k] += sum(d, axis=1, keepdims=True)
            dS = dS + P["W" + k].T @ d
        g["dx"][:, :, t - 1] = dS[n:]
        dA = dS[:n]
        dC = dC * F
    g["da0"] = dA
    return g
