"""Gaspard. The layer on top and the plain RNN; French names, as few loops as he can."""

import numpy as np
from strangers.made import right, wrong


def un_parmi_n(etiquettes, n_y):
    """(m, T) -> (n_y, m, T)"""
    return np.eye(n_y)[etiquettes].transpose(2, 0, 1)


# ------------------------------------------------------------------ couche de sortie


@right("readout_backward", "one-hot by np.eye, einsum")
def sortie(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = (y_pred - un_parmi_n(labels, n_y)) / (m * T)
    return {
        "da": np.einsum("ya,ymt->amt", Wya, erreur),
        "dWya": np.einsum("ymt,amt->ya", erreur, a),
        "dby": erreur.sum(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "the loss is a mean, the gradient is of the sum: no division at all",
    "from memory",
)
def somme_et_non_moyenne(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = y_pred - un_parmi_n(labels, n_y)
    return {
        "da": np.einsum("ya,ymt->amt", Wya, erreur),
        "dWya": np.einsum("ymt,amt->ya", erreur, a),
        "dby": erreur.sum(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "the mean is over the batch alone, not over the steps: / m for / (m * T)",
    "from memory",
)
def moyenne_sur_m(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = y_pred - un_parmi_n(labels, n_y)
    erreur /= m
    return {
        "da": np.tensordot(Wya.T, erreur, axes=1),
        "dWya": np.tensordot(erreur, a, axes=([1, 2], [1, 2])),
        "dby": erreur.sum(axis=(1, 2)).reshape(n_y, 1),
    }


@wrong("readout_backward", "the sign: one-hot minus prediction", "from memory")
def cible_moins_prevision(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = (un_parmi_n(labels, n_y) - y_pred) / (m * T)
    return {
        "da": np.tensordot(Wya.T, erreur, axes=1),
        "dWya": np.tensordot(erreur, a, axes=([1, 2], [1, 2])),
        "dby": erreur.sum(axis=(1, 2)).reshape(n_y, 1),
    }


@wrong(
    "readout_backward",
    "y - t is multiplied by y * (1 - y), the slope of a sigmoid, once more",
    "from memory",
)
def pente_en_trop(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = (y_pred - un_parmi_n(labels, n_y)) / (m * T)
    dz = erreur * y_pred * (1 - y_pred)
    return {
        "da": np.einsum("ya,ymt->amt", Wya, dz),
        "dWya": np.einsum("ymt,amt->ya", dz, a),
        "dby": dz.sum(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "da is taken through tanh already: times 1 - a**2",
    "from memory",
    step={"da": -1},
)
def tanh_deja_passe(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = (y_pred - un_parmi_n(labels, n_y)) / (m * T)
    return {
        "da": np.einsum("ya,ymt->amt", Wya, erreur) * (1 - a**2),
        "dWya": np.einsum("ymt,amt->ya", erreur, a),
        "dby": erreur.sum(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "the one-hot array (m, T, n_y) is reshaped to (n_y, m, T), not transposed: the ones land elsewhere",
    "from memory",
)
def reshape_pour_transpose(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    cible = np.eye(n_y)[labels].reshape(n_y, m, T)
    erreur = (y_pred - cible) / (m * T)
    return {
        "da": np.einsum("ya,ymt->amt", Wya, erreur),
        "dWya": np.einsum("ymt,amt->ya", erreur, a),
        "dby": erreur.sum(axis=(1, 2))[:, None],
    }


@wrong(
    "readout_backward",
    "dWya and dby come from the last step alone, da from all",
    "from memory",
)
def dernier_pas(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = (y_pred - un_parmi_n(labels, n_y)) / (m * T)
    da = np.zeros_like(a)
    for t in range(T):
        e = erreur[:, :, t]
        da[:, :, t] = Wya.T @ e
    dWya = e @ a[:, :, t].T
    dby = e.sum(axis=1, keepdims=True)
    return {"da": da, "dWya": dWya, "dby": dby}


@wrong(
    "readout_backward",
    "dWya and dby are divided by m * T, da is not",
    "from memory",
    step={"da": -1},
)
def da_sans_moyenne(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = y_pred - un_parmi_n(labels, n_y)
    plat, etats = erreur.reshape(n_y, -1), a.reshape(len(a), -1)
    return {
        "da": np.tensordot(Wya.T, erreur, axes=1),
        "dWya": plat @ etats.T / (m * T),
        "dby": plat.mean(axis=1, keepdims=True),
    }


@wrong(
    "readout_backward",
    "two: the mean is over T alone, and dby takes another mean, over batch and steps, where it should add",
    "from memory",
)
def moyennes_melees(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    erreur = (y_pred - un_parmi_n(labels, n_y)) / T
    return {
        "da": np.einsum("ya,ymt->amt", Wya, erreur),
        "dWya": np.einsum("ymt,amt->ya", erreur, a),
        "dby": erreur.mean(axis=(1, 2))[:, None],
    }


# ------------------------------------------------------------------ RNN


def deballer(caches):
    """lists -> a, a one step before, x, parameters"""
    liste, x = caches
    a = np.stack([c[0] for c in liste], axis=2)
    avant = np.stack([c[1] for c in liste], axis=2)
    return a, avant, x, liste[0][3]


def rassembler(dz, avant, x, p, da0):
    return {
        "dx": np.einsum("ax,amt->xmt", p["Wax"], dz),
        "da0": da0,
        "dWax": np.einsum("amt,xmt->ax", dz, x),
        "dWaa": np.einsum("amt,bmt->ab", dz, avant),
        "dba": dz.sum(axis=(1, 2))[:, None],
    }


@right("rnn_backward", "a loop for dz, the rest without")
def rnn_juste(da, caches):
    a, avant, x, p = deballer(caches)
    dz = np.zeros_like(da)
    suite = np.zeros(da.shape[:2])
    for t in range(da.shape[2] - 1, -1, -1):
        dz[:, :, t] = (da[:, :, t] + suite) * (1 - a[:, :, t] ** 2)
        suite = p["Waa"].T @ dz[:, :, t]
    return rassembler(dz, avant, x, p, suite)


@wrong(
    "rnn_backward",
    "dWaa pairs dz[t] with a[t], not with the state before",
    "from memory",
    step={"dWaa": -1},
)
def meme_instant(da, caches):
    a, avant, x, p = deballer(caches)
    dz = np.zeros_like(da)
    suite = np.zeros(da.shape[:2])
    for t in range(da.shape[2] - 1, -1, -1):
        dz[:, :, t] = (da[:, :, t] + suite) * (1 - a[:, :, t] ** 2)
        suite = p["Waa"].T @ dz[:, :, t]
    g = rassembler(dz, avant, x, p, suite)
    g["dWaa"] = np.einsum("amt,bmt->ab", dz, a)
    return g


@wrong(
    "rnn_backward",
    "np.roll for the states before: at step 0 stands the last state, not a0",
    "from memory",
    step={"dWaa": 0},
)
def roule(da, caches):
    a, _, x, p = deballer(caches)
    avant = np.roll(a, 1, axis=2)
    dz = np.zeros_like(da)
    suite = np.zeros(da.shape[:2])
    for t in range(da.shape[2] - 1, -1, -1):
        dz[:, :, t] = (da[:, :, t] + suite) * (1 - a[:, :, t] ** 2)
        suite = p["Waa"].T @ dz[:, :, t]
    return rassembler(dz, avant, x, p, suite)


@wrong(
    "rnn_backward",
    "the sum for dWaa starts at step 1, the pair dz[0], a0 is missing",
    "from memory",
    step={"dWaa": 0},
)
def sans_a0(da, caches):
    a, avant, x, p = deballer(caches)
    dz = np.zeros_like(da)
    suite = np.zeros(da.shape[:2])
    for t in range(da.shape[2] - 1, -1, -1):
        dz[:, :, t] = (da[:, :, t] + suite) * (1 - a[:, :, t] ** 2)
        suite = p["Waa"].T @ dz[:, :, t]
    g = rassembler(dz, avant, x, p, suite)
    g["dWaa"] = np.einsum("amt,bmt->ab", dz[:, :, 1:], a[:, :, :-1])
    return g


@wrong(
    "rnn_backward",
    "dx is taken from the gradient before it went through tanh'",
    "from memory",
    step={"dx": -1},
)
def dx_avant_tanh(da, caches):
    a, avant, x, p = deballer(caches)
    dz, total = np.zeros_like(da), np.zeros_like(da)
    suite = np.zeros(da.shape[:2])
    for t in range(da.shape[2] - 1, -1, -1):
        total[:, :, t] = da[:, :, t] + suite
        dz[:, :, t] = total[:, :, t] * (1 - a[:, :, t] ** 2)
        suite = p["Waa"].T @ dz[:, :, t]
    g = rassembler(dz, avant, x, p, suite)
    g["dx"] = np.einsum("ax,amt->xmt", p["Wax"], total)
    return g


@wrong(
    "rnn_backward",
    "dba is added over the batch and then a mean over the steps",
    "from memory",
)
def biais_moyen(da, caches):
    a, avant, x, p = deballer(caches)
    dz = np.zeros_like(da)
    suite = np.zeros(da.shape[:2])
    for t in range(da.shape[2] - 1, -1, -1):
        dz[:, :, t] = (da[:, :, t] + suite) * (1 - a[:, :, t] ** 2)
        suite = p["Waa"].T @ dz[:, :, t]
    g = rassembler(dz, avant, x, p, suite)
    g["dba"] = dz.sum(axis=1).mean(axis=1, keepdims=True)
    return g


@wrong(
    "rnn_backward",
    "the slope of tanh is read one step too late: 1 - a[t + 1]**2 on the carried part",
    "from memory",
)
def pente_du_suivant(da, caches):
    a, avant, x, p = deballer(caches)
    n_a, m, T = da.shape
    pente = 1 - a**2
    dz = da * pente
    for t in range(T - 2, -1, -1):
        dz[:, :, t] += (p["Waa"].T @ dz[:, :, t + 1]) * pente[:, :, t + 1]
    return rassembler(dz, avant, x, p, p["Waa"].T @ dz[:, :, 0])


@wrong(
    "rnn_backward",
    "two: Waa is not transposed in the loop, and da0 is dz of step 0 without Waa",
    "from memory",
)
def sans_transposee(da, caches):
    a, avant, x, p = deballer(caches)
    dz = np.zeros_like(da)
    suite = np.zeros(da.shape[:2])
    for t in range(da.shape[2] - 1, -1, -1):
        dz[:, :, t] = (da[:, :, t] + suite) * (1 - a[:, :, t] ** 2)
        suite = p["Waa"] @ dz[:, :, t]
    return rassembler(dz, avant, x, p, dz[:, :, 0])
