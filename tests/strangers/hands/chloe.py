"""Chloe writes tanh(W [a; x] + b): one matrix for both, sliced at the end.

She also makes her own derivatives from the pre-activation, which she computes again.
"""

import numpy as np

from strangers.made import right, wrong


def both(p):
    return np.hstack((p["Waa"], p["Wax"]))


def pre(step):
    """z of a step, from what stands in its cache."""
    _, a_prev, xt, p = step
    return both(p) @ np.vstack((a_prev, xt)) + p["ba"]


def sech2(z):
    return 1 / np.cosh(z) ** 2


def back(da, caches, slope=lambda step: 1 - step[0] ** 2, left=None, cut=None):
    """W's gradient, d of [a; x] at every step, and the bias' gradient."""
    steps, x = caches
    n_a, m, T = da.shape
    W = both(steps[0][3])
    dW, db = np.zeros_like(W), np.zeros((n_a, 1))
    carry, dx = np.zeros((n_a, m)), np.zeros((len(x), m, T))
    for t in range(T - 1, -1, -1):
        dz = (da[:, :, t] + carry) * slope(steps[t])
        v = np.vstack(steps[t][1:3]) if left is None else left(steps[t])
        dW += dz @ v.T
        db += dz.sum(axis=1).reshape(n_a, 1)
        dv = W.T @ dz
        carry = dv[:n_a]
        dx[:, :, t] = dv[n_a:] if cut is None else dv[cut(n_a, len(x))]
    return dW, db, carry, dx


@right("rnn_backward", "one matrix for [a; x], sliced at the end")
def rnn_backward(da, caches):
    n_a = len(da)
    dW, db, da0, dx = back(da, caches)
    return {"dx": dx, "da0": da0, "dWax": dW[:, n_a:], "dWaa": dW[:, :n_a], "dba": db}


@right("rnn_backward", "the slope as 1 / cosh(z)**2 of a recomputed z")
def rnn_backward_cosh(da, caches):
    n_a = len(da)
    dW, db, da0, dx = back(da, caches, lambda step: sech2(pre(step)))
    return {"dx": dx, "da0": da0, "dWax": dW[:, n_a:], "dWaa": dW[:, :n_a], "dba": db}


@right("rnn_cell_forward", "one product with [a; x], and a softmax by logs")
def rnn_cell_forward(xt, a_prev, parameters):
    a_next = np.tanh(both(parameters) @ np.vstack([a_prev, xt]) + parameters["ba"])
    z = parameters["Wya"] @ a_next + parameters["by"]
    y = np.exp(z - np.log(np.exp(z).sum(axis=0)))
    return a_next, y, (a_next, a_prev, xt, parameters)


@wrong(
    "rnn_backward",
    "the gradient of [Waa, Wax] is cut as if it were [Wax, Waa]",
    "a concatenation in the other order, from memory",
    step=-1,
)
def cut_in_the_other_order(da, caches):
    n_x = len(caches[1])
    dW, db, da0, dx = back(da, caches)
    return {"dx": dx, "da0": da0, "dWax": dW[:, :n_x], "dWaa": dW[:, n_x:], "dba": db}


@wrong(
    "rnn_backward",
    "the input of the step is stacked as [x; a] while the matrix is [Waa, Wax]",
    "a concatenation in the other order, from memory",
    step=-1,
)
def stacked_in_the_other_order(da, caches):
    n_a = len(da)
    dW, db, da0, dx = back(da, caches, left=lambda s: np.vstack((s[2], s[1])))
    return {"dx": dx, "da0": da0, "dWax": dW[:, n_a:], "dWaa": dW[:, :n_a], "dba": db}


@wrong(
    "rnn_backward",
    "dx is the first rows of d[a; x] instead of the last",
    "a slice from the wrong end, from memory",
    step=-1,
)
def dx_from_the_first_rows(da, caches):
    n_a = len(da)
    steps, x = caches
    n_x = len(x)
    if n_x > n_a:  # would not even fit
        raise ValueError("more inputs than units")
    dW, db, da0, dx = back(da, caches, cut=lambda n_a, n_x: slice(0, n_x))
    return {"dx": dx, "da0": da0, "dWax": dW[:, n_a:], "dWaa": dW[:, :n_a], "dba": db}


def with_slope(slope):
    def rnn_backward(da, caches):
        n_a = len(da)
        dW, db, da0, dx = back(da, caches, slope)
        g = {"dx": dx, "da0": da0, "dWax": dW[:, n_a:], "dWaa": dW[:, :n_a]}
        return g | {"dba": db}

    return rnn_backward


cosh_not_squared = wrong(
    "rnn_backward",
    "the slope is 1 / cosh(z), without the square",
    "a formula half remembered, from memory",
    step=-1,
)(with_slope(lambda step: 1 / np.cosh(pre(step))))

z_without_bias = wrong(
    "rnn_backward",
    "z is computed again for the slope, without the bias",
    "a recomputation that forgot the bias, from memory",
    step=-1,
)(with_slope(lambda step: sech2(pre(step) - step[3]["ba"])))

slope_of_a = wrong(
    "rnn_backward",
    "the slope is sech(a)**2: of the activation instead of the pre-activation",
    "tanh for o",
    step=-1,
)(with_slope(lambda step: sech2(step[0])))

slope_of_tan = wrong(
    "rnn_backward",
    "the slope is 1 + a**2, that of tan",
    "1 + tanh**2",
    step=-1,
)(with_slope(lambda step: 1 + step[0] ** 2))

slope_of_artanh = wrong(
    "rnn_backward",
    "the slope is 1 / (1 - a**2), that of artanh",
    "1 / (1 - h**2)",
    step=-1,
)(with_slope(lambda step: 1 / (1 - step[0] ** 2)))

slope_of_sigmoid = wrong(
    "rnn_backward",
    "the slope is a (1 - a), that of the sigmoid",
    "the derivative of another activation, from memory",
    step=-1,
)(with_slope(lambda step: step[0] * (1 - step[0])))

slope_of_relu = wrong(
    "rnn_backward",
    "the slope is 1 where a > 0, that of relu",
    "the derivative of another activation, from memory",
    step=-1,
)(with_slope(lambda step: (step[0] > 0).astype(step[0].dtype)))

slope_before = wrong(
    "rnn_backward",
    "the slope is taken at a_prev",
    "off by one",
    step=-1,
)(with_slope(lambda step: 1 - step[1] ** 2))

half_slope = wrong(
    "rnn_backward",
    "the slope is 1 - 2 a: the square was differentiated once more",
    "a derivative of the derivative, from memory",
    step=-1,
)(with_slope(lambda step: 1 - 2 * step[0]))


@wrong(
    "rnn_backward",
    "the carry is added after the slope: it does not pass through tanh",
    "parentheses that close too early, from memory",
    step={"*": -2, "da0": -2},
)
def carry_beside_the_slope(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    p = steps[0][3]
    g = {k: np.zeros_like(p[k[1:]]) for k in ("dWax", "dWaa", "dba")}
    dx, carry = np.zeros((len(x), m, T)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        a, prev, xt, p = steps[t]
        dz = da[:, :, t] * (1 - a**2) + carry
        carry, dx[:, :, t] = p["Waa"].T @ dz, p["Wax"].T @ dz
        g["dWax"] += dz @ xt.T
        g["dWaa"] += dz @ prev.T
        g["dba"] += dz.sum(1, keepdims=True)
    return {"dx": dx, "da0": carry, **g}


@wrong(
    "rnn_backward",
    "da_prev is the slope times Waa.T da: the product before the slope",
    "order of the chain rule, from memory",
    step={"*": -2, "da0": -1},
)
def product_before_slope(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    p = steps[0][3]
    g = {k: np.zeros_like(p[k[1:]]) for k in ("dWax", "dWaa", "dba")}
    dx, carry = np.zeros((len(x), m, T)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        a, prev, xt, p = steps[t]
        d = da[:, :, t] + carry
        dz = d * (1 - a**2)
        carry, dx[:, :, t] = (1 - a**2) * (p["Waa"].T @ d), p["Wax"].T @ dz
        g["dWax"] += dz @ xt.T
        g["dWaa"] += dz @ prev.T
        g["dba"] += dz.sum(1, keepdims=True)
    return {"dx": dx, "da0": carry, **g}


@wrong(
    "rnn_backward",
    "the slope is 1 + a**2, and the carry is used without Waa",
    "two slips in one evening, from memory",
    step={"*": -1},
    tags="double",
)
def slope_and_carry(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    p = steps[0][3]
    g = {k: np.zeros_like(p[k[1:]]) for k in ("dWax", "dWaa", "dba")}
    dx, carry = np.zeros((len(x), m, T)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        a, prev, xt, p = steps[t]
        dz = (da[:, :, t] + carry) * (1 + a**2)
        carry, dx[:, :, t] = dz, p["Wax"].T @ dz
        g["dWax"] += dz @ xt.T
        g["dWaa"] += dz @ prev.T
        g["dba"] += dz.sum(1, keepdims=True)
    return {"dx": dx, "da0": carry, **g}
