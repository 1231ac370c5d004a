"""Lin writes a GRU in the other course's layout, (N, T, D), with rows for examples."""

import numpy as np
from strangers.made import right, wrong


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gru_step_forward(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    ax = x @ Wx + b
    ah = prev_h @ Wh[:, : 2 * H]
    r = sigmoid(ax[:, :H] + ah[:, :H])
    z = sigmoid(ax[:, H : 2 * H] + ah[:, H:])
    rh = r * prev_h
    n = np.tanh(ax[:, 2 * H :] + rh @ Wh[:, 2 * H :])
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, Wx, Wh, r, z, n)


def gru_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev, caches = h0, []
    for t in range(T):
        prev, cache = gru_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        caches.append(cache)
    return h, caches


@right("gru_cell_backward", "rows", convention="ntd", forward=gru_step_forward)
def gru_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = prev_h.shape[1]
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Wh[:, 2 * H :].T
    dr = drh * prev_h * r * (1 - r)
    dact = np.hstack([dr, dz, dn])
    dx = dact @ Wx.T
    dprev_h = dnext_h * z + drh * r + dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWx = x.T @ dact
    dWh = np.hstack([prev_h.T @ dact[:, : 2 * H], (r * prev_h).T @ dn])
    return dx, dprev_h, dWx, dWh, dact.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dprev_h lacks the direct way, z * dnext_h",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_no_direct_way(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = prev_h.shape[1]
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Wh[:, 2 * H :].T
    dr = drh * prev_h * r * (1 - r)
    dact = np.hstack([dr, dz, dn])
    dx = dact @ Wx.T
    dprev_h = drh * r + dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWx = x.T @ dact
    dWh = np.hstack([prev_h.T @ dact[:, : 2 * H], (r * prev_h).T @ dn])
    return dx, dprev_h, dWx, dWh, dact.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dz with the sign turned: n - prev_h",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_sign(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = prev_h.shape[1]
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (n - prev_h) * z * (1 - z)
    drh = dn @ Wh[:, 2 * H :].T
    dr = drh * prev_h * r * (1 - r)
    dact = np.hstack([dr, dz, dn])
    dx = dact @ Wx.T
    dprev_h = dnext_h * z + drh * r + dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWx = x.T @ dact
    dWh = np.hstack([prev_h.T @ dact[:, : 2 * H], (r * prev_h).T @ dn])
    return dx, dprev_h, dWx, dWh, dact.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "the reset gate gets drh * r instead of drh * prev_h",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_reset_operand(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = prev_h.shape[1]
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Wh[:, 2 * H :].T
    dr = drh * r * r * (1 - r)
    dact = np.hstack([dr, dz, dn])
    dx = dact @ Wx.T
    dprev_h = dnext_h * z + drh * r + dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    dWx = x.T @ dact
    dWh = np.hstack([prev_h.T @ dact[:, : 2 * H], (r * prev_h).T @ dn])
    return dx, dprev_h, dWx, dWh, dact.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dWh of the candidate from prev_h, not r * prev_h",
    "from memory",
    convention="ntd",
    forward=gru_step_forward,
)
def gru_step_candidate_input(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    H = prev_h.shape[1]
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Wh[:, 2 * H :].T
    dr = drh * prev_h * r * (1 - r)
    dact = np.hstack([dr, dz, dn])
    dx = dact @ Wx.T
    dprev_h = dnext_h * z + drh * r + dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    return dx, dprev_h, x.T @ dact, prev_h.T @ dact, dact.sum(axis=0)


@wrong(
    "gru_backward",
    "the way back through r * prev_h to prev_h is not multiplied by r",
    "from memory",
    convention="ntd",
    forward=gru_forward,
    step={"dh0": None, "*": -2},
)
def gru_carry_without_r(dh, cache):
    N, T, H = dh.shape
    x, _, Wx, Wh, *_ = cache[0]
    dx = np.zeros((N, T, x.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    carry = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        x, prev_h, _, _, r, z, n = cache[t]
        d = dh[:, t] + carry
        dn = d * (1 - z) * (1 - n**2)
        dz = d * (prev_h - n) * z * (1 - z)
        drh = dn @ Wh[:, 2 * H :].T
        dr = drh * prev_h * r * (1 - r)
        dact = np.hstack([dr, dz, dn])
        dx[:, t] = dact @ Wx.T
        dWx += x.T @ dact
        dWh[:, : 2 * H] += prev_h.T @ dact[:, : 2 * H]
        dWh[:, 2 * H :] += (r * prev_h).T @ dn
        db += dact.sum(axis=0)
        carry = d * z + dact @ Wh.T
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_backward",
    "two: the update gate gets dh without the carry; db is the mean over the examples",
    "from memory",
    convention="ntd",
    forward=gru_forward,
    step={"dh0": None, "db": -1, "*": -2},
    tags="double",
)
def gru_two(dh, cache):
    N, T, H = dh.shape
    x, _, Wx, Wh, *_ = cache[0]
    dx = np.zeros((N, T, x.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    carry = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        x, prev_h, _, _, r, z, n = cache[t]
        d = dh[:, t] + carry
        dn = d * (1 - z) * (1 - n**2)
        dz = dh[:, t] * (prev_h - n) * z * (1 - z)
        drh = dn @ Wh[:, 2 * H :].T
        dr = drh * prev_h * r * (1 - r)
        dact = np.hstack([dr, dz, dn])
        dx[:, t] = dact @ Wx.T
        dWx += x.T @ dact
        dWh[:, : 2 * H] += prev_h.T @ dact[:, : 2 * H]
        dWh[:, 2 * H :] += (r * prev_h).T @ dn
        db += dact.mean(axis=0)
        carry = d * z + drh * r + dact[:, : 2 * H] @ Wh[:, : 2 * H].T
    return dx, carry, dWx, dWh, db
