"""Ines: PhD student in statistical physics. Thinks in indices, writes einsum.

Index letters: a, b hidden; x input; y output; m sample of the ensemble; t time; g gate;
k runs over the stacked (a, x). In the other layout: n sample, t time, d input, h, k hidden.
"""

import numpy as np
from strangers.made import right, wrong

ein = np.einsum


def fermi(E):
    """Fermi function, here with the sign of the machine-learning people."""
    return 1.0 / (1.0 + np.exp(-E))


def collect(caches, slot):
    """X_{.mt} from the list of caches."""
    return np.stack([c[slot] for c in caches], axis=-1)


# --------------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_backward",
    "sech^2 is taken of a_next, which is tanh of the argument already",
    "from memory, with the derivative as it stands in the table of integrals",
)
def sech_of_the_activation(da_next, cache):
    a, a_prev, x, par = cache
    sech2 = 1.0 / np.cosh(a) ** 2
    dz = ein("am,am->am", da_next, sech2)
    return dict(
        dxt=ein("ax,am->xm", par["Wax"], dz),
        da_prev=ein("ab,am->bm", par["Waa"], dz),
        dWax=ein("am,xm->ax", dz, x),
        dWaa=ein("am,bm->ab", dz, a_prev),
        dba=ein("am->a", dz)[:, None],
    )


@wrong(
    "rnn_backward",
    "a_prev by np.roll over time without a0: step 0 sees the last a (periodic boundary)",
    "from memory, lattice habits",
    step=0,
)
def periodic_boundary(da, caches):
    steps, x = caches
    W, U = steps[0][3]["Waa"], steps[0][3]["Wax"]
    a = collect(steps, 0)
    n_a, m, T = a.shape
    dz = np.zeros_like(a)
    lam = np.zeros((n_a, m))
    for t in range(T)[::-1]:
        dz[..., t] = (da[..., t] + lam) * (1 - a[..., t] ** 2)
        lam = ein("ab,am->bm", W, dz[..., t])
    a_prev = np.roll(a, 1, axis=2)
    return dict(
        dx=ein("ax,amt->xmt", U, dz),
        da0=lam,
        dWax=ein("amt,xmt->ax", dz, x),
        dWaa=ein("amt,bmt->ab", dz, a_prev),
        dba=ein("amt->a", dz)[:, None],
    )


@wrong(
    "rnn_backward",
    "the adjoint recursion carries lambda_{t+1} through 1 - a_t^2 and not 1 - a_{t+1}^2",
    "from memory: wrote the recursion on paper, then the index t under the Jacobian",
)
def jacobian_one_site_early(da, caches):
    steps, x = caches
    W, U = steps[0][3]["Waa"], steps[0][3]["Wax"]
    a, a_prev = collect(steps, 0), collect(steps, 1)
    D = 1 - a**2
    T = a.shape[2]
    # lambda_t = da_t + W^T D lambda_{t+1}
    lam = np.empty_like(a)
    lam[..., T - 1] = da[..., T - 1]
    for t in range(T - 2, -1, -1):
        lam[..., t] = da[..., t] + ein("ab,am,am->bm", W, D[..., t], lam[..., t + 1])
    dz = D * lam
    return dict(
        dx=ein("ax,amt->xmt", U, dz),
        da0=ein("ab,am->bm", W, dz[..., 0]),
        dWax=ein("amt,xmt->ax", dz, x),
        dWaa=ein("amt,bmt->ab", dz, a_prev),
        dba=ein("amt->a", dz)[:, None],
    )


@wrong(
    "rnn_forward",
    "the partition function sums over classes and samples: one Z for each step",
    "from memory",
)
def one_partition_function(x, a0, parameters):
    W, U, V = (parameters[k] for k in ("Waa", "Wax", "Wya"))
    field = ein("ax,xmt->amt", U, x) + parameters["ba"][:, :, None]
    a = [a0]
    for t in range(x.shape[2]):
        a.append(np.tanh(ein("ab,bm->am", W, a[-1]) + field[..., t]))
    hidden = np.stack(a[1:], axis=-1)
    weight = np.exp(ein("ya,amt->ymt", V, hidden) + parameters["by"][:, :, None])
    Z = ein("ymt->t", weight)
    y = weight / Z
    steps = [(a[t + 1], a[t], x[..., t], parameters) for t in range(x.shape[2])]
    return hidden, y, (steps, x)


def rnn_ntd(x, h0, Wx, Wh, b):
    drive = ein("ntd,dh->nth", x, Wx) + b
    h = np.empty_like(drive)
    prev = h0
    for t in range(x.shape[1]):
        prev = h[:, t] = np.tanh(drive[:, t] + ein("nk,kh->nh", prev, Wh))
    return h, {"x": x, "h": h, "h0": h0, "Wx": Wx, "Wh": Wh}


@wrong(
    "rnn_backward",
    "the weights' gradients are averages over the ensemble, and dh0 is the adjoint of "
    "the first h, not carried through Wh",
    "from memory",
    convention="ntd",
    forward=rnn_ntd,
    tags="double",
)
def ensemble_average(dh, cache):
    x, h, Wh = cache["x"], cache["h"], cache["Wh"]
    h_prev = np.concatenate([cache["h0"][:, None], h[:, :-1]], axis=1)
    N, T, _ = h.shape
    dz = np.empty_like(h)
    kick = 0.0
    for t in reversed(range(T)):
        lam = dh[:, t] + kick
        dz[:, t] = lam * (1 - h[:, t] ** 2)
        kick = ein("nh,kh->nk", dz[:, t], Wh)
    dWx = ein("ntd,nth->dh", x, dz) / N
    dWh = ein("ntk,nth->kh", h_prev, dz) / N
    db = ein("nth->h", dz) / N
    return ein("nth,dh->ntd", dz, cache["Wx"]), lam, dWx, dWh, db


# -------------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "the weights are stacked f, i, o, c and the pre-activations' gradients f, i, c, o",
    "from memory",
)
def gates_contracted_crosswise(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, x, par = cache
    n_a = len(a)
    th = np.tanh(c)
    dc = dc_next + da_next * o * (1 - th**2)
    dz = np.stack(
        [
            dc * c_prev * f * (1 - f),
            dc * g * i * (1 - i),
            dc * i * (1 - g**2),
            da_next * th * o * (1 - o),
        ]
    )
    W = np.stack([par[w] for w in ("Wf", "Wi", "Wo", "Wc")])
    s = np.concatenate([a_prev, x])
    ds = ein("gak,gam->km", W, dz)
    dW = ein("gam,km->gak", dz, s)
    db = ein("gam->ga", dz)[..., None]
    out = {"dxt": ds[n_a:], "da_prev": ds[:n_a], "dc_prev": f * dc}
    for n, name in enumerate("fico"):
        out["dW" + name], out["db" + name] = dW[n], db[n]
    return out


@wrong(
    "lstm_cell_backward",
    "o (1 - tanh^2 c) written with a = o tanh c as o - a^2, which wants a^2 / o",
    "from memory: saved the tanh by using a_next",
)
def simplified_too_far(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, x, par = cache
    n_a = len(a)
    s = np.concatenate([a_prev, x])
    dc = dc_next + da_next * (o - a**2)
    dz = {
        "f": dc * c_prev * f * (1 - f),
        "i": dc * g * i * (1 - i),
        "c": dc * i * (1 - g**2),
        "o": da_next * a * (1 - o),  # a = o tanh c
    }
    ds = sum(ein("ak,am->km", par["W" + n], z) for n, z in dz.items())
    out = {"dxt": ds[n_a:], "da_prev": ds[:n_a], "dc_prev": dc * f}
    out |= {"dW" + n: ein("am,km->ak", z, s) for n, z in dz.items()}
    out |= {"db" + n: ein("am->a", z)[:, None] for n, z in dz.items()}
    return out


@wrong(
    "lstm_backward",
    "dc goes back through the forget gate of the step before, f[t-1], not f[t]",
    "from memory: arrays over time and an index more than needed",
)
def propagator_of_the_wrong_link(da, caches):
    steps, x = caches
    par = steps[0][-1]
    a, c, a_prev, c_prev, f, i, g, o = (collect(steps, n) for n in range(8))
    n_a, m, T = a.shape
    W = np.stack([par["W" + n] for n in "fico"])
    S = np.concatenate([a_prev, x])
    th = np.tanh(c)
    dz = np.zeros((4, n_a, m, T))
    ds = np.zeros_like(S)
    lam = np.zeros((n_a, m))
    mu = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        lam = lam + da[..., t]
        mu = mu + lam * o[..., t] * (1 - th[..., t] ** 2)
        dz[0, ..., t] = mu * c_prev[..., t] * f[..., t] * (1 - f[..., t])
        dz[1, ..., t] = mu * g[..., t] * i[..., t] * (1 - i[..., t])
        dz[2, ..., t] = mu * i[..., t] * (1 - g[..., t] ** 2)
        dz[3, ..., t] = lam * th[..., t] * o[..., t] * (1 - o[..., t])
        ds[..., t] = ein("gak,gam->km", W, dz[..., t])
        lam = ds[:n_a, :, t]
        mu = mu * f[..., t - 1]
    out = {"dx": ds[n_a:], "da0": lam}
    dW, db = ein("gamt,kmt->gak", dz, S), ein("gamt->ga", dz)[..., None]
    for n, name in enumerate("fico"):
        out["dW" + name], out["db" + name] = dW[n], db[n]
    return out


@wrong(
    "lstm_cell_forward",
    "the Boltzmann weight exp(-E) where the softmax wants exp(+E)",
    "from memory",
)
def boltzmann_weight(xt, a_prev, c_prev, parameters):
    s = np.concatenate([a_prev, xt])
    f, i, g, o = (
        act(ein("ak,km->am", parameters["W" + n], s) + parameters["b" + n])
        for n, act in zip("fico", (fermi, fermi, np.tanh, fermi), strict=True)
    )
    c = f * c_prev + i * g
    a = o * np.tanh(c)
    E = ein("ya,am->ym", parameters["Wy"], a) + parameters["by"]
    w = np.exp(-(E - E.min(axis=0)))
    y = w / ein("ym->m", w)
    return a, c, y, (a, c, a_prev, c_prev, f, i, g, o, xt, parameters)


def lstm_ntd(x, h0, Wx, Wh, b):
    h, c = h0, np.zeros_like(h0)
    record = []
    for t in range(x.shape[1]):
        z = ein("nd,dk->nk", x[:, t], Wx) + ein("nh,hk->nk", h, Wh) + b
        zi, zf, zo, zg = np.split(z, 4, axis=1)
        i, f, o, g = fermi(zi), fermi(zf), fermi(zo), np.tanh(zg)
        old = h, c
        c = f * c + i * g
        h = o * np.tanh(c)
        record.append((*old, h, c, i, f, o, g))
    H = np.stack([r[2] for r in record], axis=1)
    return H, (record, x, Wx, Wh)


@wrong(
    "lstm_backward",
    "the list of dz runs from the last step to the first and is stacked without turning",
    "from memory",
    convention="ntd",
    forward=lstm_ntd,
    tags="time",
)
def arrow_of_time(dh, cache):
    record, x, Wx, Wh = cache
    dz = []
    lam = mu = 0.0
    for t, (hp, cp, _h, c, i, f, o, g) in reversed(list(enumerate(record))):
        lam = lam + dh[:, t]
        th = np.tanh(c)
        mu = mu + lam * o * (1 - th**2)
        dz.append(
            np.concatenate(
                [
                    mu * g * i * (1 - i),
                    mu * cp * f * (1 - f),
                    lam * th * o * (1 - o),
                    mu * i * (1 - g**2),
                ],
                axis=1,
            )
        )
        lam = ein("nk,hk->nh", dz[-1], Wh)
        mu = mu * f
    dz = np.stack(dz, axis=1)
    h_prev = np.stack([r[0] for r in record], axis=1)
    return (
        ein("ntk,dk->ntd", dz, Wx),
        lam,
        ein("ntd,ntk->dk", x, dz),
        ein("nth,ntk->hk", h_prev, dz),
        ein("ntk->k", dz),
    )


@wrong(
    "lstm_cell_backward",
    "the candidate gets the gates' derivative g (1 - g), and dc_prev is f dc_next alone",
    "from memory",
    tags="double",
)
def all_gates_are_fermions(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, x, par = cache
    s = np.concatenate([a_prev, x])
    th = np.tanh(c)
    dc = ein("am,am,am->am", da_next, o, 1 - th**2) + dc_next
    G = np.stack([f, i, g, o])
    dG = np.stack([dc * c_prev, dc * g, dc * i, da_next * th])
    dz = dG * G * (1 - G)
    W = np.stack([par["W" + n] for n in "fico"])
    ds = ein("gak,gam->km", W, dz)
    out = {
        "dxt": ds[len(a) :],
        "da_prev": ds[: len(a)],
        "dc_prev": ein("am,am->am", f, dc_next),
    }
    for n, z in zip("fico", dz, strict=True):
        out["dW" + n] = ein("am,km->ak", z, s)
        out["db" + n] = ein("am->a", z)[:, None]
    return out


# --------------------------------------------------------------------- gru


def gru_step(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    u = ein("nd,dk->nk", x, Wx) + b
    rz = fermi(u[:, : 2 * H] + ein("nh,hk->nk", prev_h, Wh[:, : 2 * H]))
    r, z = rz[:, :H], rz[:, H:]
    n = np.tanh(u[:, 2 * H :] + ein("nh,hk->nk", r * prev_h, Wh[:, 2 * H :]))
    h = (1 - z) * n + z * prev_h
    return h, (x, prev_h, r, z, n, Wx, Wh)


def gru_path(x, h0, Wx, Wh, b):
    path, caches = [h0], []
    for t in range(x.shape[1]):
        h, cache = gru_step(x[:, t], path[-1], Wx, Wh, b)
        path.append(h)
        caches.append(cache)
    return np.stack(path[1:], axis=1), caches


@wrong(
    "gru_cell_backward",
    "the way back through r * prev_h comes to prev_h without its factor r",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def product_rule_half(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    H = h.shape[1]
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    en = dnext_h * (1 - z) * (1 - n**2)
    ez = dnext_h * (h - n) * z * (1 - z)
    drh = ein("nk,hk->nh", en, Wn)
    er = drh * h * r * (1 - r)
    e = np.concatenate([er, ez, en], axis=1)
    dprev = dnext_h * z + drh + ein("nk,hk->nh", er, Wr) + ein("nk,hk->nh", ez, Wz)
    dWh = np.empty((H, 3 * H))
    dWh[:, : 2 * H] = ein("nh,nk->hk", h, e[:, : 2 * H])
    dWh[:, 2 * H :] = ein("nh,nk->hk", r * h, en)
    dWx = ein("nd,nk->dk", x, e)
    return ein("nk,dk->nd", e, Wx), dprev, dWx, dWh, ein("nk->k", e)


@wrong(
    "gru_backward",
    "sign: d h / d z is n - h_prev instead of h_prev - n",
    "from memory",
    convention="ntd",
    forward=gru_path,
    step=-1,
)
def sign_of_the_mixing(dh, caches):
    Wx, Wh = caches[0][-2:]
    H = Wh.shape[0]
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3 * H)
    dx, lam = [], 0.0
    for t in range(len(caches) - 1, -1, -1):
        x, h, r, z, n, _, _ = caches[t]
        lam = lam + dh[:, t]
        dz = lam * (n - h)
        dn = lam * (1 - z)
        en = dn * (1 - n**2)
        drh = ein("nk,hk->nh", en, Wh[:, 2 * H :])
        erz = np.concatenate([drh * h * r * (1 - r), dz * z * (1 - z)], axis=1)
        e = np.concatenate([erz, en], axis=1)
        dWx += ein("nd,nk->dk", x, e)
        dWh[:, : 2 * H] += ein("nh,nk->hk", h, erz)
        dWh[:, 2 * H :] += ein("nh,nk->hk", r * h, en)
        db += ein("nk->k", e)
        dx.insert(0, ein("nk,dk->nd", e, Wx))
        lam = lam * z + drh * r + ein("nk,hk->nh", erz, Wh[:, : 2 * H])
    return np.stack(dx, axis=1), lam, dWx, dWh, db


@wrong(
    "gru_backward",
    "dz misses the sigmoid's z (1 - z), and dWh of n is made with h_prev, not r h_prev",
    "from memory",
    convention="ntd",
    forward=gru_path,
    tags="double",
)
def outer_product_for_all(dh, caches):
    Wx, Wh = caches[0][-2:]
    Wr, Wz, Wn = np.split(Wh, 3, axis=1)
    lam = np.zeros_like(caches[0][1])
    es = []
    for t, (_x, h, r, z, n, _, _) in reversed(list(enumerate(caches))):
        lam = lam + dh[:, t]
        en = lam * (1 - z) * (1 - n**2)
        ez = lam * (h - n)
        drh = ein("nk,hk->nh", en, Wn)
        er = drh * h * r * (1 - r)
        es.append(np.concatenate([er, ez, en], axis=1))
        lam = lam * z + r * drh + ein("nk,hk->nh", er, Wr) + ein("nk,hk->nh", ez, Wz)
    e = np.stack(es[::-1], axis=1)
    X = np.stack([c[0] for c in caches], axis=1)
    Hp = np.stack([c[1] for c in caches], axis=1)
    dWx, dWh = (ein("nti,ntk->ik", left, e) for left in (X, Hp))
    return ein("ntk,dk->ntd", e, Wx), lam, dWx, dWh, ein("ntk->k", e)


# ----------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "the softmax's Jacobian p_i (delta_ij - p_j): the second term sums g_j without p_j",
    "from memory: chain rule in two steps, as in the lecture on free energies",
)
def projector_without_weight(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    delta = ein("mty->ymt", np.eye(n_y)[labels])
    g = -delta / y_pred / (m * T)
    dE = y_pred * g - ein("ymt,jmt->ymt", y_pred, g)
    return dict(
        da=ein("ya,ymt->amt", parameters["Wya"], dE),
        dWya=ein("ymt,amt->ya", dE, a),
        dby=ein("ymt->y", dE)[:, None],
    )


# ------------------------------------------------------------- right ones


@right(
    "lstm_cell_backward", "tanh c as a / o, all gates in one tensor, no concatenation"
)
def everything_from_a_over_o(da_next, dc_next, cache):
    a, _c, a_prev, c_prev, f, i, g, o, x, par = cache
    n_a = a.shape[0]
    dc = dc_next + da_next * (o - a**2 / o)
    slope = {
        "f": dc * c_prev * (f - f**2),
        "i": dc * g * (i - i**2),
        "c": dc * i * (1 + g) * (1 - g),
        "o": da_next * a * (1 - o),
    }
    out = {"dc_prev": ein("am,am->am", f, dc), "dxt": 0, "da_prev": 0}
    for n, z in slope.items():
        out["da_prev"] = out["da_prev"] + ein("ab,am->bm", par["W" + n][:, :n_a], z)
        out["dxt"] = out["dxt"] + ein("ax,am->xm", par["W" + n][:, n_a:], z)
        out["dW" + n] = np.concatenate(
            [ein("am,bm->ab", z, a_prev), ein("am,xm->ax", z, x)], axis=1
        )
        out["db" + n] = ein("am->a", z)[:, None]
    return out


@right(
    "rnn_backward",
    "all adjoints of a sample at once, by a linear solve over space-time",
)
def greens_function(da, caches):
    steps, x = caches
    W, U = steps[0][3]["Waa"], steps[0][3]["Wax"]
    a, a_prev = collect(steps, 0), collect(steps, 1)
    n_a, m, T = a.shape
    D = 1 - a**2
    # (1 - K) lambda = da,  K_{t b, t+1 a} = W_ab D_a(t+1)
    hop = np.eye(T, k=1)
    K = ein("ts,ab,ams->mtbsa", hop, W, D).reshape(m, T * n_a, T * n_a)
    source = ein("amt->mta", da).reshape(m, T * n_a, 1)
    lam = np.linalg.solve(np.eye(T * n_a) - K, source).reshape(m, T, n_a)
    dz = ein("mta,amt->amt", lam, D)
    return dict(
        dx=ein("ax,amt->xmt", U, dz),
        da0=ein("ab,am->bm", W, dz[:, :, 0]),
        dWax=ein("amt,xmt->ax", dz, x),
        dWaa=ein("amt,bmt->ab", dz, a_prev),
        dba=dz.sum(axis=(1, 2))[:, None],
    )
