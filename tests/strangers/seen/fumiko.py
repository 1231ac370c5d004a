"""Fumiko. GRU again: einsum, arrays with time first, everything kept in one dictionary."""

import numpy as np
from strangers.made import right, wrong


def σ(s):
    return np.exp(-np.logaddexp(0, -s))


def forward_cell(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[-1]
    px = np.einsum("nd,dk->nk", x, Wx) + b
    rz = σ(px[:, : 2 * H] + np.einsum("nh,hk->nk", prev_h, Wh[:, : 2 * H]))
    r, z = rz[:, :H], rz[:, H:]
    n = np.tanh(px[:, 2 * H :] + np.einsum("nh,hk->nk", r * prev_h, Wh[:, 2 * H :]))
    next_h = (1 - z) * n + z * prev_h
    return next_h, dict(x=x, h=prev_h, Wx=Wx, Wh=Wh, r=r, z=z, n=n)


def forward_all(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    H = h0.shape[-1]
    P = np.einsum("ntd,dk->tnk", x, Wx) + b
    S = np.zeros((T + 1, N, H))  # S[t] is the state before step t
    R, Z, C = (np.zeros((T, N, H)) for _ in range(3))
    S[0] = h0
    for t in range(T):
        rz = σ(P[t, :, : 2 * H] + S[t] @ Wh[:, : 2 * H])
        R[t], Z[t] = rz[:, :H], rz[:, H:]
        C[t] = np.tanh(P[t, :, 2 * H :] + (R[t] * S[t]) @ Wh[:, 2 * H :])
        S[t + 1] = (1 - Z[t]) * C[t] + Z[t] * S[t]
    return S[1:].swapaxes(0, 1).copy(), dict(x=x, S=S, R=R, Z=Z, C=C, Wx=Wx, Wh=Wh)


def collect(k, A):
    """From A (T, N, 3H), the gradients before r, z and n, to all that is no state."""
    H = A.shape[-1] // 3
    S, R = k["S"][:-1], k["R"]
    dWh = np.concatenate(
        [
            np.einsum("tnh,tnk->hk", S, A[..., : 2 * H]),
            np.einsum("tnh,tnk->hk", R * S, A[..., 2 * H :]),
        ],
        axis=1,
    )
    dWx = np.einsum("ntd,tnk->dk", k["x"], A)
    dx = np.einsum("tnk,dk->ntd", A, k["Wx"])
    return dx, dWx, dWh, A.sum(axis=(0, 1))


# -------------------------------------------------------------- cell


@right(
    "gru_cell_backward", "einsum, a dictionary", convention="ntd", forward=forward_cell
)
def cell_ok(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = (cache[k] for k in ("x", "h", "r", "z", "n", "Wx", "Wh"))
    H = h.shape[-1]
    A = np.empty((len(x), 3 * H))
    A[:, 2 * H :] = dnext_h * (1 - z) * (1 - n**2)
    A[:, H : 2 * H] = dnext_h * (h - n) * z * (1 - z)
    back = np.einsum("nk,hk->nh", A[:, 2 * H :], Wh[:, 2 * H :])
    A[:, :H] = back * h * r * (1 - r)
    dprev = (
        dnext_h * z + back * r + np.einsum("nk,hk->nh", A[:, : 2 * H], Wh[:, : 2 * H])
    )
    dWh = np.concatenate([h.T @ A[:, : 2 * H], (r * h).T @ A[:, 2 * H :]], axis=1)
    return A @ Wx.T, dprev, np.einsum("nd,nk->dk", x, A), dWh, np.einsum("nk->k", A)


@wrong(
    "gru_cell_backward",
    "dr is taken with n where the state h was multiplied by r",
    "from memory",
    convention="ntd",
    forward=forward_cell,
)
def dr_with_n(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = (cache[k] for k in ("x", "h", "r", "z", "n", "Wx", "Wh"))
    H = h.shape[-1]
    A = np.empty((len(x), 3 * H))
    A[:, 2 * H :] = dnext_h * (1 - z) * (1 - n**2)
    A[:, H : 2 * H] = dnext_h * (h - n) * z * (1 - z)
    back = np.einsum("nk,hk->nh", A[:, 2 * H :], Wh[:, 2 * H :])
    A[:, :H] = back * n * r * (1 - r)
    dprev = (
        dnext_h * z + back * r + np.einsum("nk,hk->nh", A[:, : 2 * H], Wh[:, : 2 * H])
    )
    dWh = np.concatenate([h.T @ A[:, : 2 * H], (r * h).T @ A[:, 2 * H :]], axis=1)
    return A @ Wx.T, dprev, np.einsum("nd,nk->dk", x, A), dWh, np.einsum("nk->k", A)


@wrong(
    "gru_cell_backward",
    "the way over the candidate (r * h into n) is missing in dprev_h",
    "from memory",
    convention="ntd",
    forward=forward_cell,
)
def no_way_over_n(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = (cache[k] for k in ("x", "h", "r", "z", "n", "Wx", "Wh"))
    H = h.shape[-1]
    A = np.empty((len(x), 3 * H))
    A[:, 2 * H :] = dnext_h * (1 - z) * (1 - n**2)
    A[:, H : 2 * H] = dnext_h * (h - n) * z * (1 - z)
    A[:, :H] = np.einsum("nk,hk->nh", A[:, 2 * H :], Wh[:, 2 * H :]) * h * r * (1 - r)
    dprev = dnext_h * z + np.einsum("nk,hk->nh", A[:, : 2 * H], Wh[:, : 2 * H])
    dWh = np.concatenate([h.T @ A[:, : 2 * H], (r * h).T @ A[:, 2 * H :]], axis=1)
    return A @ Wx.T, dprev, np.einsum("nd,nk->dk", x, A), dWh, np.einsum("nk->k", A)


# -------------------------------------------------------------- all steps


@right(
    "gru_backward",
    "states by a loop, the weights by einsum afterwards",
    convention="ntd",
    forward=forward_all,
)
def all_ok(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + G[t]
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g, dWx, dWh, db


@wrong(
    "gru_backward",
    "the direct way back is weighted by 1 - z, not by z",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def direct_by_one_minus_z(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + G[t]
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = g * (1 - z) + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g, dWx, dWh, db


@wrong(
    "gru_backward",
    "the gate r sends nothing back to the state before (ar @ Whr.T is missing)",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def r_sends_nothing(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whz, Whn = k["Wh"][:, H : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + G[t]
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = g * z + back * r + az @ Whz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g, dWx, dWh, db


@wrong(
    "gru_backward",
    "two: Whr's columns stand where Whz's belong on the way from az to the state, and dh0 has dh of step 0 once more",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def whr_twice(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whr, Whn = k["Wh"][:, :H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + G[t]
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = g * z + back * r + ar @ Whr.T + az @ Whr.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g + G[0], dWx, dWh, db


@wrong(
    "gru_backward",
    "az: the bracket of 1 - z is lost, g * (S - n) * z * 1 - z",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def lost_bracket(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + G[t]
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * 1 - z
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g, dWx, dWh, db


@wrong(
    "gru_backward",
    "tanh is applied to n once more: 1 - tanh(n)**2",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def tanh_of_n(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    slope = 1 - np.tanh(k["C"]) ** 2
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + G[t]
        an = g * (1 - z) * slope[t]
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g, dWx, dWh, db


@wrong(
    "gru_backward",
    "dWh is taken with R * S for all three blocks, also for r and z",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def reset_state_for_all(dh, cache):
    k = cache
    N, T, H = dh.shape
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + dh[:, t]
        an = g * (1 - z) * (1 - n**2)
        back = an @ Whn.T
        A[t] = np.concatenate(
            [back * S * r * (1 - r), g * (S - n) * z * (1 - z), an], axis=-1
        )
        g = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    dWh = np.einsum("tnh,tnk->hk", k["R"] * k["S"][:-1], A)
    dWx = np.einsum("ntd,tnk->dk", k["x"], A)
    dx = np.einsum("tnk,dk->ntd", A, k["Wx"])
    return dx, g, dWx, dWh, A.sum((0, 1))


@wrong(
    "gru_backward",
    "dx is made of the gates r and z alone, the candidate's part is missing",
    "from memory",
    convention="ntd",
    forward=forward_all,
    step={"dx": -1},
)
def dx_without_n(dh, cache):
    k = cache
    N, T, H = dh.shape
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Wx = k["Wx"]
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + dh[:, t]
        an = g * (1 - z) * (1 - n**2)
        back = an @ Whn.T
        A[t] = np.concatenate(
            [back * S * r * (1 - r), g * (S - n) * z * (1 - z), an], axis=-1
        )
        g = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    _, dWx, dWh, db = collect(k, A)
    dx = np.einsum("tnk,dk->ntd", A[..., : 2 * H], Wx[:, : 2 * H])
    return dx, g, dWx, dWh, db


@wrong(
    "gru_backward",
    "g is multiplied by z in place first, az and an then read the small g",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def small_g_too_soon(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g += G[t]
        direct = g
        direct *= z
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = direct + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g, dWx, dWh, db


def forward_states(x, h0, Wx, Wh, b):
    h, k = forward_all(x, h0, Wx, Wh, b)
    k["h"] = k.pop("S")[1:]  # the states after the steps are enough
    return h, k


@wrong(
    "gru_backward",
    "the states before the steps are np.roll(h, 1) in time: before step 0 stands the last state, not h0",
    "from memory",
    convention="ntd",
    forward=forward_states,
    step=0,
)
def rolled_states(dh, cache):
    k = cache
    N, T, H = dh.shape
    S = np.roll(k["h"], 1, axis=0)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        r, z, n = k["R"][t], k["Z"][t], k["C"][t]
        g = g + dh[:, t]
        an = g * (1 - z) * (1 - n**2)
        back = an @ Whn.T
        A[t] = np.concatenate(
            [back * S[t] * r * (1 - r), g * (S[t] - n) * z * (1 - z), an], axis=-1
        )
        g = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    dWh = np.concatenate(
        [
            np.einsum("tnh,tnk->hk", S, A[..., : 2 * H]),
            np.einsum("tnh,tnk->hk", k["R"] * S, A[..., 2 * H :]),
        ],
        axis=1,
    )
    return (
        np.einsum("tnk,dk->ntd", A, k["Wx"]),
        g,
        np.einsum("ntd,tnk->dk", k["x"], A),
        dWh,
        A.sum((0, 1)),
    )


@wrong(
    "gru_backward",
    "backward of the other convention, h = z * n + (1 - z) * h_prev",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def z_the_other_way(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + G[t]
        an = g * z * (1 - n**2)
        az = g * (n - S) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        g = g * (1 - z) + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, g, dWx, dWh, db


@wrong(
    "gru_backward",
    "each step writes its gradient into G[t - 1]; after step 0 that is G[-1], and dh0 is read from there, dh of the end still in it",
    "from memory",
    convention="ntd",
    forward=forward_all,
    step={"dh0": 0},
)
def g_minus_one(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1).copy()
    A = np.zeros((T, N, 3 * H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = G[t]
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * r * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        G[t - 1] += g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, G[-1], dWx, dWh, db


@wrong(
    "gru_backward",
    "two: ar has r of sigmoid' missing (1 - r alone), and dh0 is read from carry[1], one step before the end of the way",
    "from memory",
    convention="ntd",
    forward=forward_all,
)
def half_slope_early_dh0(dh, cache):
    k = cache
    N, T, H = dh.shape
    G = dh.swapaxes(0, 1)
    A = np.zeros((T, N, 3 * H))
    carry = np.zeros((T + 1, N, H))
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = carry[t + 1] + G[t]
        an = g * (1 - z) * (1 - n**2)
        az = g * (S - n) * z * (1 - z)
        back = an @ Whn.T
        ar = back * S * (1 - r)
        A[t] = np.concatenate([ar, az, an], axis=-1)
        carry[t] = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
    dx, dWx, dWh, db = collect(k, A)
    return dx, carry[1], dWx, dWh, db


@wrong(
    "gru_backward",
    "for Whn's gradient R[t] is multiplied by the state after the step",
    "from memory",
    convention="ntd",
    forward=forward_all,
    step={"dWh": -1},
)
def new_state_in_dwhn(dh, cache):
    k = cache
    N, T, H = dh.shape
    A = np.zeros((T, N, 3 * H))
    g = np.zeros((N, H))
    dWh = np.zeros_like(k["Wh"])
    Whrz, Whn = k["Wh"][:, : 2 * H], k["Wh"][:, 2 * H :]
    for t in range(T - 1, -1, -1):
        S, r, z, n = k["S"][t], k["R"][t], k["Z"][t], k["C"][t]
        g = g + dh[:, t]
        an = g * (1 - z) * (1 - n**2)
        back = an @ Whn.T
        A[t] = np.concatenate(
            [back * S * r * (1 - r), g * (S - n) * z * (1 - z), an], axis=-1
        )
        g = g * z + back * r + A[t, :, : 2 * H] @ Whrz.T
        dWh[:, : 2 * H] += S.T @ A[t, :, : 2 * H]
        dWh[:, 2 * H :] += (r * k["S"][t + 1]).T @ an
    dx, dWx, _, db = collect(k, A)
    return dx, g, dWx, dWh, db
