"""Mirek, who wrote Julia for years: greek letters, 1-based loops, vcat, whole-array algebra after the loop."""

import numpy as np
from strangers.made import right, wrong


def σ(z):
    return 1 / (1 + np.exp(-z))


def vcat(*xs):
    return np.concatenate(xs, axis=0)


def hcat(*xs):
    return np.concatenate(xs, axis=1)


def size(A, d):
    return A.shape[d - 1]


def colsum(A):
    return A.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- rnn


@wrong(
    "rnn_cell_backward",
    "the pre-activation is recomputed for sech^2, and the bias is left out of it",
    "from memory: in Julia he keeps z in the cache, here he had to make it again",
)
def sech_without_bias(da_next, cache):
    _, a_prev, xt, θ = cache
    Wax, Waa = θ["Wax"], θ["Waa"]
    z = Waa @ a_prev + Wax @ xt
    δ = da_next / np.cosh(z) ** 2
    return dict(
        dxt=Wax.T @ δ,
        da_prev=Waa.T @ δ,
        dWax=δ @ xt.T,
        dWaa=δ @ a_prev.T,
        dba=colsum(δ),
    )


@wrong(
    "rnn_backward",
    "range(T - 1, 0, -1) is read as T-1:-1:0, so the first step is never visited",
    "Julia's ranges include their end",
    step=0,
)
def inclusive_range(da, caches):
    cs, x = caches
    θ = cs[0][3]
    n_x, m, T = x.shape
    n_a = size(da, 1)
    dx = np.zeros((n_x, m, T))
    dWax, dWaa, dba = np.zeros((n_a, n_x)), np.zeros((n_a, n_a)), np.zeros((n_a, 1))
    ā = np.zeros((n_a, m))
    for t in range(T - 1, 0, -1):
        a, a_prev, xt, _ = cs[t]
        δ = (1 - a**2) * (da[:, :, t] + ā)
        dx[:, :, t] = θ["Wax"].T @ δ
        ā = θ["Waa"].T @ δ
        dWax += δ @ xt.T
        dWaa += δ @ a_prev.T
        dba += colsum(δ)
    return dict(dx=dx, da0=ā, dWax=dWax, dWaa=dWaa, dba=dba)


def rnn_ntd(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, size(Wh, 1)))
    hprev = np.zeros_like(h)
    s = h0
    for k in range(1, T + 1):
        hprev[:, k - 1] = s
        s = np.tanh(x[:, k - 1] @ Wx + s @ Wh + b)
        h[:, k - 1] = s
    return h, (x, h, hprev, Wx, Wh)


@wrong(
    "rnn_backward",
    "the previous states are flattened row by row, the deltas column by column",
    "reshape in Julia is column-major; order='F' was put in two places of three",
    convention="ntd",
    forward=rnn_ntd,
)
def forgot_one_fortran(dh, cache):
    x, h, hprev, Wx, Wh = cache
    N, T, H = h.shape
    Δ = np.zeros((N, T, H))
    s̄ = np.zeros((N, H))
    for k in range(T, 0, -1):
        Δ[:, k - 1] = (dh[:, k - 1] + s̄) * (1 - h[:, k - 1] ** 2)
        s̄ = Δ[:, k - 1] @ Wh.T
    X = np.reshape(x, (N * T, -1), order="F")
    S = np.reshape(hprev, (N * T, H))
    δ = np.reshape(Δ, (N * T, H), order="F")
    return Δ @ Wx.T, s̄, X.T @ δ, S.T @ δ, δ.sum(axis=0)


@wrong(
    "rnn_forward",
    "the state is one buffer written in place, and every cache holds that buffer",
    "h .= tanh.(...) carried over as h[...] = np.tanh(...)",
    tags="view",
)
def state_in_one_buffer(x, a0, parameters):
    θ = parameters
    T = size(x, 3)
    h = a0.copy()
    as_, ys, caches = [], [], []
    for k in range(1, T + 1):
        xt = x[:, :, k - 1]
        prev = h.copy()
        h[...] = np.tanh(θ["Waa"] @ prev + θ["Wax"] @ xt + θ["ba"])
        z = θ["Wya"] @ h + θ["by"]
        e = np.exp(z - z.max(axis=0))
        as_.append(h.copy())
        ys.append(e / e.sum(axis=0))
        caches.append((h, prev, xt, θ))
    return np.stack(as_, axis=-1), np.stack(ys, axis=-1), (caches, x)


@right(
    "rnn_backward",
    "deltas first, then one product over all steps and examples, column-major throughout",
)
def one_big_product(da, caches):
    cs, x = caches
    θ = cs[0][3]
    n_a, m, T = da.shape
    A = np.stack([a0 for _, a0, _, _ in cs], axis=2)
    B = np.stack([a1 for a1, _, _, _ in cs], axis=2)
    Δ = np.empty_like(da)
    ā = 0 * da[:, :, 0]
    for k in range(1, T + 1):
        Δ[:, :, -k] = (1 - B[:, :, -k]) * (1 + B[:, :, -k]) * (da[:, :, -k] + ā)
        ā = (Δ[:, :, -k].T @ θ["Waa"]).T
    δ = Δ.reshape((n_a, m * T), order="F")
    dWaa = δ @ A.reshape((n_a, m * T), order="F").T
    dWax = δ @ x.reshape((-1, m * T), order="F").T
    dx = (θ["Wax"].T @ δ).reshape(x.shape, order="F")
    return dict(dx=dx, da0=ā, dWax=dWax, dWaa=dWaa, dba=δ @ np.ones((m * T, 1)))


# ---------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "da_prev takes the last n_a columns of the weights; and dc_prev takes dc_next alone",
    "Julia: W[:, end-n_a+1:end], as in his own code where x stands on top",
    tags="double",
)
def end_minus_n(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, xt, θ = cache
    n_a = size(a, 1)
    tc = np.tanh(c)
    dc = dc_next + da_next * o * (1 - tc**2)
    δf = dc * c_prev * f * (1 - f)
    δi = dc * g * i * (1 - i)
    δg = dc * i * (1 - g**2)
    δo = da_next * tc * o * (1 - o)
    W = vcat(θ["Wf"], θ["Wi"], θ["Wc"], θ["Wo"])
    δ = vcat(δf, δi, δg, δo)
    dW = δ @ vcat(a_prev, xt).T
    db = colsum(δ)
    dWf, dWi, dWc, dWo = np.split(dW, 4)
    dbf, dbi, dbc, dbo = np.split(db, 4)
    return dict(
        dxt=W[:, n_a:].T @ δ,
        da_prev=W[:, -n_a:].T @ δ,
        dc_prev=f * dc_next,
        dWf=dWf,
        dbf=dbf,
        dWi=dWi,
        dbi=dbi,
        dWc=dWc,
        dbc=dbc,
        dWo=dWo,
        dbo=dbo,
    )


@wrong(
    "lstm_cell_backward",
    "the candidate's slope is (1 - g)^2; and biases are means over the batch",
    "from memory: the square slipped behind the parenthesis, and mean(δ, dims=2) came from his loss",
    tags="double",
)
def square_outside(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, xt, θ = cache
    n_a = size(a, 1)
    tc = np.tanh(c)
    s̄ = dc_next + o * (1 - tc**2) * da_next
    δ = {
        "f": s̄ * c_prev * f * (1 - f),
        "i": s̄ * g * i * (1 - i),
        "c": s̄ * i * (1 - g) ** 2,
        "o": da_next * tc * o * (1 - o),
    }
    u = vcat(a_prev, xt)
    ū = sum(θ["W" + k].T @ δ[k] for k in δ)
    out = dict(dxt=ū[n_a:], da_prev=ū[:n_a], dc_prev=s̄ * f)
    for k in δ:
        out["dW" + k] = δ[k] @ u.T
        out["db" + k] = δ[k].mean(axis=1, keepdims=True)
    return out


@wrong(
    "lstm_backward",
    "dx is collected in an array of float32",
    "zeros(Float32, ...) is a reflex from Flux",
    words="float32|dtype|single precision",
)
def flux_float32(da, caches):
    cs, x = caches
    n_a, m, T = da.shape
    θ = cs[0][9]
    dx = np.zeros(x.shape, dtype=np.float32)
    grads = {}
    for k in "fico":
        grads["dW" + k] = np.zeros(θ["W" + k].shape)
        grads["db" + k] = np.zeros(θ["b" + k].shape)
    ā = np.zeros((n_a, m))
    c̄ = np.zeros((n_a, m))
    for k in range(T, 0, -1):
        _, c, a_prev, c_prev, f, i, g, o, xt, _ = cs[k - 1]
        ā = ā + da[:, :, k - 1]
        tc = np.tanh(c)
        c̄ = c̄ + ā * o * (1 - tc**2)
        δ = dict(
            f=c̄ * c_prev * f * (1 - f),
            i=c̄ * g * i * (1 - i),
            c=c̄ * i * (1 - g**2),
            o=ā * tc * o * (1 - o),
        )
        u, ū = vcat(a_prev, xt), 0
        for s in δ:
            grads["dW" + s] += δ[s] @ u.T
            grads["db" + s] += colsum(δ[s])
            ū = ū + θ["W" + s].T @ δ[s]
        dx[:, :, k - 1] = ū[n_a:]
        ā, c̄ = ū[:n_a], c̄ * f
    return dict(dx=dx, da0=ā, **grads)


@wrong(
    "lstm_backward",
    "C[:, :, t - 1] is the last memory at t = 0, where it should be zeros",
    "in Julia this is a BoundsError; NumPy counts from the end and says nothing",
    step=0,
)
def wraps_around(da, caches):
    cs, x = caches
    n_a, m, T = da.shape
    θ = cs[0][-1]
    A_, C = (np.stack([c[j] for c in cs], axis=2) for j in (2, 1))
    F, I, G, O = (np.stack([c[j] for c in cs], axis=2) for j in (4, 5, 6, 7))
    tC = np.tanh(C)
    W = vcat(θ["Wf"], θ["Wi"], θ["Wc"], θ["Wo"])
    dW, db = np.zeros(W.shape), np.zeros((4 * n_a, 1))
    dx = np.zeros(x.shape)
    ā, c̄ = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        f, i, g, o, tc = F[:, :, t], I[:, :, t], G[:, :, t], O[:, :, t], tC[:, :, t]
        ā = ā + da[:, :, t]
        c̄ = c̄ + ā * o * (1 - tc**2)
        δ = vcat(
            c̄ * C[:, :, t - 1] * f * (1 - f),
            c̄ * g * i * (1 - i),
            c̄ * i * (1 - g**2),
            ā * tc * o * (1 - o),
        )
        dW += δ @ vcat(A_[:, :, t], x[:, :, t]).T
        db += colsum(δ)
        ū = W.T @ δ
        ā, dx[:, :, t] = ū[:n_a], ū[n_a:]
        c̄ = c̄ * f
    out = dict(dx=dx, da0=ā)
    for j, k in enumerate("fico"):
        out["dW" + k] = dW[j * n_a : (j + 1) * n_a]
        out["db" + k] = db[j * n_a : (j + 1) * n_a]
    return out


def lstm_ntd(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    H = size(Wh, 1)
    h, tape = np.zeros((N, T, H)), []
    s, c = h0, np.zeros((N, H))
    for t in range(T):
        z = x[:, t] @ Wx + s @ Wh + b
        i, f, o = (σ(z[:, j * H : (j + 1) * H]) for j in range(3))
        g = np.tanh(z[:, 3 * H :])
        c_new = f * c + i * g
        s_new = o * np.tanh(c_new)
        tape.append((s, c, i, f, o, g, c_new))
        s, c = s_new, c_new
        h[:, t] = s
    return h, (tape, x, Wx, Wh)


@wrong(
    "lstm_backward",
    "the deltas are put together as i, f, g, o where the columns are i, f, o, g",
    "Flux and PyTorch have the candidate third",
    convention="ntd",
    forward=lstm_ntd,
)
def candidate_third(dh, cache):
    tape, x, Wx, Wh = cache
    N, T, H = dh.shape
    dx, dWx, dWh, db = 0 * x, 0 * Wx, 0 * Wh, np.zeros(4 * H)
    s̄, c̄ = np.zeros((N, H)), np.zeros((N, H))
    for k in range(T, 0, -1):
        s, c, i, f, o, g, cn = tape[k - 1]
        s̄ = s̄ + dh[:, k - 1]
        tc = np.tanh(cn)
        c̄ = c̄ + s̄ * o * (1 - tc**2)
        δ = hcat(
            c̄ * g * i * (1 - i),
            c̄ * c * f * (1 - f),
            c̄ * i * (1 - g**2),
            s̄ * tc * o * (1 - o),
        )
        dx[:, k - 1] = δ @ Wx.T
        dWx += x[:, k - 1].T @ δ
        dWh += s.T @ δ
        db += δ.sum(axis=0)
        s̄, c̄ = δ @ Wh.T, c̄ * f
    return dx, s̄, dWx, dWh, db


@wrong(
    "lstm_cell_forward",
    "the softmax divides by the sum of the whole matrix",
    "e ./ sum(e) is for one column; the dims were forgotten",
)
def sum_of_everything(xt, a_prev, c_prev, parameters):
    θ = parameters
    u = vcat(a_prev, xt)
    f = σ(θ["Wf"] @ u + θ["bf"])
    i = σ(θ["Wi"] @ u + θ["bi"])
    g = np.tanh(θ["Wc"] @ u + θ["bc"])
    o = σ(θ["Wo"] @ u + θ["bo"])
    c = f * c_prev + i * g
    a = o * np.tanh(c)
    z = θ["Wy"] @ a + θ["by"]
    e = np.exp(z - np.max(z))
    return a, c, e / np.sum(e), (a, c, a_prev, c_prev, f, i, g, o, xt, θ)


@right(
    "lstm_backward",
    "deltas of all steps in a (N, T, 4, H) array, contracted by einsum after the loop",
    convention="ntd",
    forward=lstm_ntd,
)
def deltas_then_einsum(dh, cache):
    tape, x, Wx, Wh = cache
    N, T, H = dh.shape
    Δ = np.empty((N, T, 4, H))
    S = np.stack([s for s, *_ in tape], axis=1)
    Vx, Vh = Wx.reshape(-1, 4, H), Wh.reshape(H, 4, H)
    s̄ = c̄ = np.zeros((N, H))
    for k in range(1, T + 1):
        _, c, i, f, o, g, cn = tape[-k]
        tc = np.tanh(cn)
        s̄ = s̄ + dh[:, -k]
        c̄ = c̄ + s̄ * (o - o * tc * tc)
        Δ[:, -k, 0] = c̄ * g * (i - i * i)
        Δ[:, -k, 1] = c̄ * c * (f - f * f)
        Δ[:, -k, 2] = s̄ * tc * (o - o * o)
        Δ[:, -k, 3] = c̄ * (i - i * g * g)
        s̄ = np.einsum("nkh,jkh->nj", Δ[:, -k], Vh)
        c̄ = f * c̄
    return (
        np.einsum("ntkh,dkh->ntd", Δ, Vx),
        s̄,
        np.einsum("ntd,ntkh->dkh", x, Δ).reshape(Wx.shape),
        np.einsum("ntj,ntkh->jkh", S, Δ).reshape(Wh.shape),
        Δ.sum(axis=(0, 1)).reshape(4 * H),
    )


# ---------------------------------------------------------------- gru


def gru_step(x, h, Wx, Wh, b):
    H = size(h, 2)
    R, Z, N = slice(0, H), slice(H, 2 * H), slice(2 * H, 3 * H)
    r = σ(x @ Wx[:, R] + h @ Wh[:, R] + b[R])
    z = σ(x @ Wx[:, Z] + h @ Wh[:, Z] + b[Z])
    n = np.tanh(x @ Wx[:, N] + (r * h) @ Wh[:, N] + b[N])
    return (1 - z) * n + z * h, (x, h, r, z, n, Wx, Wh)


def gru_ntd(x, h0, Wx, Wh, b):
    h, hs, tape = h0, [], []
    for t in range(size(x, 2)):
        h, c = gru_step(x[:, t], h, Wx, Wh, b)
        hs.append(h)
        tape.append(c)
    return np.stack(hs, axis=1), tape


@wrong(
    "gru_cell_backward",
    "the reset gate's gradient is that of r * (h Whn), as if reset came after the product",
    "Flux has both, GRU and GRUv3; he looked at the other one",
    convention="ntd",
    forward=gru_step,
)
def reset_as_in_v3(dnext_h, cache):
    x, h, r, z, n, Wx, Wh = cache
    H = size(h, 2)
    Whn = Wh[:, 2 * H :]
    δn = dnext_h * (1 - z) * (1 - n**2)
    δz = dnext_h * (h - n) * z * (1 - z)
    δr = δn * (h @ Whn) * r * (1 - r)
    δ = hcat(δr, δz, δn)
    dWh = hcat(h.T @ δr, h.T @ δz, (r * h).T @ δn)
    dh = z * dnext_h + r * (δn @ Whn.T) + δr @ Wh[:, :H].T + δz @ Wh[:, H : 2 * H].T
    return δ @ Wx.T, dh, x.T @ δ, dWh, δ.sum(axis=0)


@wrong(
    "gru_backward",
    "the loop counts k = 1..T from the end, but reads dh from the front",
    "1-based: dh[:, k] became dh[:, k - 1] when he ported, where the others became -k",
    convention="ntd",
    forward=gru_ntd,
)
def half_ported_index(dh, cache):
    N, T, H = dh.shape
    Wx, Wh = cache[0][5:]
    Whr, Whz, Whn = Wh[:, :H], Wh[:, H : 2 * H], Wh[:, 2 * H :]
    dx = np.zeros((N, T, size(Wx, 1)))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    s̄ = np.zeros((N, H))
    for k in range(1, T + 1):
        x, h, r, z, n, _, _ = cache[-k]
        s̄ = s̄ + dh[:, k - 1]
        δn = s̄ * (1 - z) * (1 - n**2)
        δz = s̄ * (h - n) * z * (1 - z)
        v = δn @ Whn.T
        δr = v * h * r * (1 - r)
        δ = hcat(δr, δz, δn)
        dx[:, -k] = δ @ Wx.T
        dWx += x.T @ δ
        dWh += hcat(h.T @ δr, h.T @ δz, (r * h).T @ δn)
        db += δ.sum(axis=0)
        s̄ = s̄ * z + v * r + δr @ Whr.T + δz @ Whz.T
    return dx, s̄, dWx, dWh, db


@wrong(
    "gru_backward",
    "the update gate's sign is that of z n + (1 - z) h; and dWh of n takes h without r",
    "from memory: two papers, two GRUs; and one product h' * Δ for all three blocks",
    convention="ntd",
    forward=gru_ntd,
    tags="double",
)
def other_papers_z(dh, cache):
    N, T, H = dh.shape
    *_, Wx, Wh = cache[0]
    dx = np.zeros((N, T, size(Wx, 1)))
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(3 * H)
    s̄ = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        x, h, r, z, n, *_ = cache[t]
        s̄ = s̄ + dh[:, t]
        δz = s̄ * (n - h) * z * (1 - z)
        δn = s̄ * (1 - z) * (1 - n**2)
        v = δn @ Wh[:, 2 * H :].T
        δr = v * h * r * (1 - r)
        δ = hcat(δr, δz, δn)
        dWx += x.T @ δ
        dWh += h.T @ δ
        db += δ.sum(axis=0)
        dx[:, t] = δ @ Wx.T
        s̄ = z * s̄ + r * v + hcat(δr, δz) @ Wh[:, : 2 * H].T
    return dx, s̄, dWx, dWh, db


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "labels are flattened column by column, scores row by row",
    "vec(labels) became ravel('F'), reshape stayed as it was",
)
def vec_of_labels(y_pred, labels, a, parameters):
    Wya = parameters["Wya"]
    n_y, m, T = y_pred.shape
    Y = np.reshape(y_pred, (n_y, m * T))
    A = np.reshape(a, (-1, m * T))
    E = np.eye(n_y)[:, labels.ravel("F")]
    δ = (Y - E) / (m * T)
    return dict(da=np.reshape(Wya.T @ δ, a.shape), dWya=δ @ A.T, dby=colsum(δ))


@wrong(
    "readout_backward",
    "the one hot is subtracted from y_pred itself, which the caller still has",
    "δ = y_pred is no copy, neither there nor here",
    tags="view",
    words="y_pred&in place|in-place|chang|overwr|modif|mutat",
)
def delta_is_y(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    δ = y_pred
    for j in range(1, m + 1):
        for t in range(1, T + 1):
            δ[labels[j - 1, t - 1], j - 1, t - 1] -= 1
    δ /= m * T
    return dict(
        da=np.einsum("ya,ymt->amt", parameters["Wya"], δ),
        dWya=np.einsum("ymt,amt->ya", δ, a),
        dby=δ.sum(axis=(1, 2)).reshape(n_y, 1),
    )
