"""Lena does the GRU: arrays (N, T, D), gates r, z, n in the columns."""

import numpy as np

from strangers.made import right, wrong


def s(z):
    return 1 / (1 + np.exp(-z))


def step_forward(x, h, Wx, Wh, b):
    H = h.shape[1]
    ax = x @ Wx + b
    r = s(ax[:, :H] + h @ Wh[:, :H])
    z = s(ax[:, H : 2 * H] + h @ Wh[:, H : 2 * H])
    n = np.tanh(ax[:, 2 * H :] + (r * h) @ Wh[:, 2 * H :])
    return (1 - z) * n + z * h, (x, h, r, z, n, Wx, Wh)


def step_backward(dout, cache):
    x, h, r, z, n, Wx, Wh = cache
    H = h.shape[1]
    Ur, Uz, Un = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    dn = dout * (1 - z) * (1 - n**2)
    dz = dout * (h - n) * z * (1 - z)
    drh = dn @ Un.T
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ Ur.T + dz @ Uz.T
    d = np.concatenate((dr, dz, dn), axis=1)
    dWh = np.concatenate((h.T @ dr, h.T @ dz, (r * h).T @ dn), axis=1)
    return d @ Wx.T, dh, x.T @ d, dWh, d.sum(axis=0)


def forward(x, h0, Wx, Wh, b):
    h, out, caches = h0, [], []
    for t in range(x.shape[1]):
        h, cache = step_forward(x[:, t], h, Wx, Wh, b)
        out.append(h)
        caches.append(cache)
    return np.stack(out, axis=1), caches


def run(dh, caches, step=step_backward):
    N, T, H = dh.shape
    first = caches[0]
    dx = np.zeros((N, T, first[0].shape[1]))
    dWx, dWh = np.zeros_like(first[5]), np.zeros_like(first[6])
    db, carry = np.zeros(3 * H), np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        dx[:, t], carry, a, b, c = step(dh[:, t] + carry, caches[t])
        dWx += a
        dWh += b
        db += c
    return dx, carry, dWx, dWh, db


right_step = right(
    "gru_cell_backward", "(N, D), gates r, z, n", convention="ntd", forward=step_forward
)(step_backward)
right_sequence = right(
    "gru_backward", "(N, T, D), gates r, z, n", convention="ntd", forward=forward
)(lambda dh, caches: run(dh, caches))


def cell(cause, story, **more):
    more = {"convention": "ntd", "forward": step_forward} | more
    return wrong("gru_cell_backward", cause, story, **more)


def sequence(cause, story, **more):
    more = {"convention": "ntd", "forward": forward, "step": -1} | more
    return wrong("gru_backward", cause, story, **more)


def parts(dout, cache):
    """What most of her attempts have in common, by name."""
    x, h, r, z, n, Wx, Wh = cache
    H = h.shape[1]
    U = {"r": Wh[:, :H], "z": Wh[:, H : 2 * H], "n": Wh[:, 2 * H :]}
    dn = dout * (1 - z) * (1 - n**2)
    dz = dout * (h - n) * z * (1 - z)
    drh = dn @ U["n"].T
    return x, h, r, z, n, Wx, U, dn, dz, drh


def put_together(dr, dz, dn, dh, x, h, r, Wx):
    d = np.concatenate((dr, dz, dn), axis=1)
    dWh = np.concatenate((h.T @ dr, h.T @ dz, (r * h).T @ dn), axis=1)
    return d @ Wx.T, dh, x.T @ d, dWh, d.sum(axis=0)


@cell("dz has n - h: the sign of z's influence is turned", "z and 1 - z")
def sign_of_dz(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dz = dout * (n - h) * z * (1 - z)
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("z and 1 - z are exchanged: dn gets z, dh gets 1 - z", "z and 1 - z")
def z_for_1_minus_z(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dn = dout * z * (1 - n**2)
    drh = dn @ U["n"].T
    dr = drh * h * r * (1 - r)
    dh = dout * (1 - z) + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("dn lacks 1 - z", "a factor forgotten, from memory")
def dn_without_z(dout, cache):
    x, h, r, z, n, Wx, U, _, dz, _ = parts(dout, cache)
    dn = dout * (1 - n**2)
    drh = dn @ U["n"].T
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("dn lacks the slope of tanh", "a slope forgotten, from memory")
def dn_without_slope(dout, cache):
    x, h, r, z, n, Wx, U, _, dz, _ = parts(dout, cache)
    dn = dout * (1 - z)
    drh = dn @ U["n"].T
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("dr uses n instead of h", "a letter mixed up, from memory")
def dr_with_n(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = drh * n * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("dr is made with dn itself: the product with Un is missing", "r indexed wrongly")
def dr_without_product(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = dn * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell(
    "the reset is applied after the product: dh gets (dn * r) @ Un.T",
    "r indexed wrongly",
)
def reset_after(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = drh * h * r * (1 - r)
    dh = dout * z + (dn * r) @ U["n"].T + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("dh lacks the gradient that comes through r", "three terms of four, from memory")
def dh_without_r(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("dh lacks the gradient that comes through z", "three terms of four, from memory")
def dh_without_z(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("Uz and Ur are exchanged in dh", "two letters exchanged, from memory")
def U_exchanged(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["z"].T + dz @ U["r"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("Un is not transposed", "a transpose forgotten, from memory")
def Un_plain(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, _ = parts(dout, cache)
    drh = dn @ U["n"]
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell("all of dWh is made with h, the candidate's too", "no reset")
def dWh_with_h(dout, cache):
    dx, dh, dWx, _, db = step_backward(dout, cache)
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    d = np.concatenate((drh * h * r * (1 - r), dz, dn), axis=1)
    return dx, dh, dWx, h.T @ d, db


@cell("all of dWh is made with r * h", "r indexed wrongly")
def dWh_with_rh(dout, cache):
    dx, dh, dWx, _, db = step_backward(dout, cache)
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    d = np.concatenate((drh * h * r * (1 - r), dz, dn), axis=1)
    return dx, dh, dWx, (r * h).T @ d, db


@cell(
    "deltas are stacked z, r, n while the columns are r, z, n",
    "wrong order, from memory",
)
def stacked_zrn(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dz, dr, dn, dh, x, h, r, Wx)


@cell("the slope of z is 1 - z**2, that of tanh", "another activation, from memory")
def tanh_slope_of_z(dout, cache):
    x, h, r, z, n, Wx, U, dn, _, drh = parts(dout, cache)
    dz = dout * (h - n) * (1 - z**2)
    dr = drh * h * r * (1 - r)
    dh = dout * z + drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell(
    "dr lacks the slope, and dh the direct path",
    "two slips in one evening, from memory",
    tags="double",
)
def slope_and_path(dout, cache):
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    dr = drh * h
    dh = drh * r + dr @ U["r"].T + dz @ U["z"].T
    return put_together(dr, dz, dn, dh, x, h, r, Wx)


@cell(
    "dr without the slope is summed for db, with it for the weights",
    "one name for two things, from memory",
)
def db_before_slope(dout, cache):
    dx, dh, dWx, dWh, db = step_backward(dout, cache)
    H = dout.shape[1]
    x, h, r, z, n, Wx, U, dn, dz, drh = parts(dout, cache)
    db = db.copy()
    db[:H] = (drh * h).sum(0)
    return dx, dh, dWx, dWh, db


@sequence("the carry is left out", "no carry", step={"*": -2, "dh0": -2})
def no_carry(dh, caches):
    N, T, _ = dh.shape
    dx, sums = [None] * T, (0, 0, 0)
    for t in range(T - 1, -1, -1):
        dx[t], dh0, *g = step_backward(dh[:, t], caches[t])
        sums = tuple(a + b for a, b in zip(sums, g, strict=True))
    return (np.stack(dx, 1), dh0, *sums)


@sequence(
    "the carry is set to the direct path dh * z alone",
    "h not passed",
    step={"*": -2, "dh0": -1},
)
def direct_path_alone(dh, caches):
    def step(d, cache):
        dx, _, *g = step_backward(d, cache)
        return dx, d * cache[3], *g

    return run(dh, caches, step)


@sequence(
    "the direct path dh * z is overwritten: dh_prev = instead of +=",
    "overwritten",
    step={"*": -2, "dh0": -1},
)
def direct_path_overwritten(dh, caches):
    def step(d, cache):
        dx, dprev, *g = step_backward(d, cache)
        return dx, dprev - d * cache[3], *g

    return run(dh, caches, step)


@sequence(
    "the gates of the last step serve all steps",
    "first step's",
    step={"*": -2},
    tags="time",
)
def gates_of_the_last(dh, caches):
    _, _, r, z, n, _, _ = caches[-1]
    return run(dh, [(x, h, r, z, n, Wx, Wh) for x, h, *_, Wx, Wh in caches])


@sequence(
    "the state before is rolled: h of step 0 is the last state",
    "off by one",
    step={"*": 0},
    tags="time",
)
def rolled_states(dh, caches):
    last = caches[-1]
    out = (1 - last[3]) * last[4] + last[3] * last[1]
    return run(dh, [(caches[0][0], out, *caches[0][2:]), *caches[1:]])


@sequence("db is a mean over the batch", "mean for sum", step={"db": -1}, tags="scale")
def db_mean(dh, caches):
    *g, db = run(dh, caches)
    return *g, db / len(dh)


@sequence(
    "dWx adds only the steps after the first",
    "slice of time",
    step={"dWx": 0},
    tags="time",
)
def dWx_without_step_0(dh, caches):
    dx, dh0, dWx, dWh, db = run(dh, caches)
    N, T, H = dh.shape
    carry = np.zeros((N, H))
    for t in range(T - 1, 0, -1):
        _, carry, *_ = step_backward(dh[:, t] + carry, caches[t])
    return dx, dh0, dWx - step_backward(dh[:, 0] + carry, caches[0])[2], dWh, db


@sequence(
    "dWh is set in every step, not added to",
    "a plus sign forgotten, from memory",
    step={"dWh": (-1, -2)},
)
def dWh_is_set(dh, caches):
    N, T, H = dh.shape
    dx, carry, dWx, dWh, db = np.zeros((N, T, len(caches[0][5]))), 0, 0, 0, 0
    for t in range(T - 1, -1, -1):
        dx[:, t], carry, a, dWh, c = step_backward(dh[:, t] + carry, caches[t])
        dWx, db = dWx + a, db + c
    return dx, carry, dWx, dWh, db


@sequence(
    "dh of the step after, and db a mean",
    "two slips in one evening, from memory",
    tags="double time",
)
def after_and_mean(dh, caches):
    late = np.concatenate((dh[:, 1:], 0 * dh[:, :1]), axis=1)
    *g, db = run(late, caches)
    return *g, db / len(dh)
