"""Eero. GRU by hand, a step and a loop; tuples, np.split and np.concatenate along the columns r, z, n."""

import numpy as np
from strangers.made import right, wrong


def logistic(u):
    return 1.0 / (1.0 + np.exp(-u))


def gru_step(x, prev_h, Wx, Wh, b):
    Wxr, Wxz, Wxn = np.split(Wx, 3, axis=1)
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    br, bz, bn = np.split(b, 3)
    r = logistic(x @ Wxr + prev_h @ Whr + br)
    z = logistic(x @ Wxz + prev_h @ Whz + bz)
    rh = r * prev_h
    n = np.tanh(x @ Wxn + rh @ Whn + bn)
    next_h = (1 - z) * n + z * prev_h
    return next_h, (x, prev_h, Wx, Wh, r, z, n)


def gru_run(x, h0, Wx, Wh, b):
    h = np.zeros((x.shape[0], x.shape[1], h0.shape[1]))
    caches = []
    state = h0
    for t in range(x.shape[1]):
        state, kept = gru_step(x[:, t, :], state, Wx, Wh, b)
        h[:, t, :] = state
        caches.append(kept)
    return h, caches


def step_back(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


# ------------------------------------------------------------ one step


@right(
    "gru_cell_backward",
    "np.split, each gate by name",
    convention="ntd",
    forward=gru_step,
)
def gru_step_right(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Wxr, Wxz, Wxn = np.split(Wx, 3, axis=1)
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dz = dnext_h * prev_h - dnext_h * n
    dn = dnext_h * (1 - z)
    dpn = dn * (1 - n * n)
    drh = dpn @ Whn.T
    dpr = drh * prev_h * r * (1 - r)
    dpz = dz * z * (1 - z)
    dprev_h = z * dnext_h + r * drh + dpr @ Whr.T + dpz @ Whz.T
    dx = dpr @ Wxr.T + dpz @ Wxz.T + dpn @ Wxn.T
    dWx = np.concatenate([x.T @ dpr, x.T @ dpz, x.T @ dpn], axis=1)
    dWh = np.concatenate([prev_h.T @ dpr, prev_h.T @ dpz, (r * prev_h).T @ dpn], axis=1)
    db = np.concatenate([dpr.sum(0), dpz.sum(0), dpn.sum(0)])
    return dx, dprev_h, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "dz has the wrong sign: n - prev_h",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def sign_of_dz(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (n - prev_h) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "the direct way z * prev_h is not in dprev_h",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def no_direct_way(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dn @ Whn.T goes to prev_h as it is, without the factor r",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def not_reset(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dr = (dn @ Whn.T) * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + d3 @ Wh.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dWh is prev_h.T @ all three: n's block forgets that r * prev_h went in",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def dwh_in_one_go(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    return d3 @ Wx.T, dprev_h, x.T @ d3, prev_h.T @ d3, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dr uses rh = r * prev_h and then r * (1 - r) as well: one r too many",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def one_r_too_many(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    rh = r * prev_h
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * rh * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, rh.T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "dn is weighted by z, not by 1 - z",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def n_gets_z(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * z * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "backward of the other GRU, where r acts after the product: n = tanh(x Wxn + r * (h Whn))",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def reset_after(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dr = dn * (prev_h @ Whn) * r * (1 - r)
    dhn = dn * r
    dprev_h = dnext_h * z + dr @ Whr.T + dz @ Whz.T + dhn @ Whn.T
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dWh = prev_h.T @ np.concatenate([dr, dz, dhn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "the blocks are put together z, r, n; the columns are r, z, n",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def blocks_z_r_n(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dn = dnext_h * (1 - z) * (1 - n**2)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dz, dr, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dz, prev_h.T @ dr, (r * prev_h).T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


@wrong(
    "gru_cell_backward",
    "two: dz lacks the factor 1 - z of sigmoid', and db is a mean over the batch",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def half_a_sigmoid(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z) * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.mean(axis=0)


@wrong(
    "gru_cell_backward",
    "drh is taken from dn before tanh', the rest from dn after it",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def reset_before_tanh(dnext_h, cache):
    x, prev_h, Wx, Wh, r, z, n = cache
    Whr, Whz, Whn = np.split(Wh, 3, axis=1)
    dn = dnext_h * (1 - z)
    dpn = dn * (1 - n**2)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    drh = dn @ Whn.T
    dr = drh * prev_h * r * (1 - r)
    d3 = np.concatenate([dr, dz, dpn], axis=1)
    dprev_h = dnext_h * z + drh * r + dr @ Whr.T + dz @ Whz.T
    dWh = np.concatenate([prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dpn], axis=1)
    return d3 @ Wx.T, dprev_h, x.T @ d3, dWh, d3.sum(axis=0)


# ------------------------------------------------------------ all steps


@right(
    "gru_backward", "a loop over the step's backward", convention="ntd", forward=gru_run
)
def gru_all_right(dh, cache):
    x, _, Wx, Wh = cache[0][:4]
    N, T, H = dh.shape
    dx, dWx, dWh, db = (
        np.zeros((N, T, x.shape[1])),
        np.zeros(Wx.shape),
        np.zeros(Wh.shape),
        np.zeros(3 * H),
    )
    carry = np.zeros((N, H))
    for t in range(T)[::-1]:
        dx[:, t], carry, dwx, dwh, d_b = step_back(dh[:, t] + carry, cache[t])
        dWx, dWh, db = dWx + dwx, dWh + dwh, db + d_b
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_backward",
    "dh of the last step alone goes in; in the loop the carry replaces dh[:, t], it is not added",
    "from memory",
    convention="ntd",
    forward=gru_run,
)
def last_output_only(dh, cache):
    x, _, Wx, Wh = cache[0][:4]
    N, T, H = dh.shape
    dx, dWx, dWh, db = (
        np.zeros((N, T, x.shape[1])),
        np.zeros(Wx.shape),
        np.zeros(Wh.shape),
        np.zeros(3 * H),
    )
    carry = dh[:, T - 1]
    for t in range(T)[::-1]:
        dx[:, t], carry, dwx, dwh, d_b = step_back(carry, cache[t])
        dWx, dWh, db = dWx + dwx, dWh + dwh, db + d_b
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_backward",
    "dh0 is the gradient that went into step 0, not the one that came out",
    "from memory",
    convention="ntd",
    forward=gru_run,
    step={"dh0": 0},
)
def dh0_one_too_early(dh, cache):
    x, _, Wx, Wh = cache[0][:4]
    N, T, H = dh.shape
    dx, dWx, dWh, db = (
        np.zeros((N, T, x.shape[1])),
        np.zeros(Wx.shape),
        np.zeros(Wh.shape),
        np.zeros(3 * H),
    )
    carry = np.zeros((N, H))
    for t in range(T)[::-1]:
        total = dh[:, t] + carry
        dx[:, t], carry, dwx, dwh, d_b = step_back(total, cache[t])
        dWx, dWh, db = dWx + dwx, dWh + dwh, db + d_b
    return dx, total, dWx, dWh, db


@wrong(
    "gru_backward",
    "two: dWh keeps step 0 alone, and db is divided by T",
    "from memory",
    convention="ntd",
    forward=gru_run,
)
def dwh_set_db_mean(dh, cache):
    x, _, Wx, Wh = cache[0][:4]
    N, T, H = dh.shape
    dx, dWx, db = np.zeros((N, T, x.shape[1])), np.zeros(Wx.shape), np.zeros(3 * H)
    carry = np.zeros((N, H))
    for t in range(T)[::-1]:
        dx[:, t], carry, dwx, dWh, d_b = step_back(dh[:, t] + carry, cache[t])
        dWx += dwx
        db += d_b
    return dx, carry, dWx, dWh, db / T


def gru_run_states(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h, gates = np.zeros((N, T, H)), []
    state = h0
    for t in range(T):
        state, kept = gru_step(x[:, t], state, Wx, Wh, b)
        h[:, t] = state
        gates.append(kept[4:])
    return h, (x, h0, h, Wx, Wh, gates)


@wrong(
    "gru_backward",
    "the state before step t is read as h[:, t]: that is the state after it",
    "from memory",
    convention="ntd",
    forward=gru_run_states,
)
def state_after_the_step(dh, cache):
    x, h0, h, Wx, Wh, gates = cache
    N, T, H = dh.shape
    dx, dWx, dWh, db = (
        np.zeros(x.shape),
        np.zeros(Wx.shape),
        np.zeros(Wh.shape),
        np.zeros(3 * H),
    )
    carry = np.zeros((N, H))
    for t in range(T)[::-1]:
        r, z, n = gates[t]
        one = (x[:, t], h[:, t], Wx, Wh, r, z, n)
        dx[:, t], carry, dwx, dwh, d_b = step_back(dh[:, t] + carry, one)
        dWx, dWh, db = dWx + dwx, dWh + dwh, db + d_b
    return dx, carry, dWx, dWh, db


@wrong(
    "gru_backward",
    "before step 0 the state is taken as zeros, though there is an h0",
    "from memory",
    convention="ntd",
    forward=gru_run_states,
    step=0,
)
def no_h0(dh, cache):
    x, h0, h, Wx, Wh, gates = cache
    N, T, H = dh.shape
    dx, dWx, dWh, db = (
        np.zeros(x.shape),
        np.zeros(Wx.shape),
        np.zeros(Wh.shape),
        np.zeros(3 * H),
    )
    carry = np.zeros((N, H))
    for t in range(T)[::-1]:
        prev_h = h[:, t - 1] if t > 0 else np.zeros((N, H))
        one = (x[:, t], prev_h, Wx, Wh, *gates[t])
        dx[:, t], carry, dwx, dwh, d_b = step_back(dh[:, t] + carry, one)
        dWx, dWh, db = dWx + dwx, dWh + dwh, db + d_b
    return dx, carry, dWx, dWh, db
