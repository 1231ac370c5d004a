"""Homework: the PyTorch cells again, but without autograd. Everything NumPy now."""

import numpy as np
from strangers.made import right, wrong

GATES = ("f", "i", "c", "o")


def cat(tensors, dim=0):
    return np.concatenate(tensors, axis=dim)


def chunk(t, n, dim=-1):
    return np.split(t, n, axis=dim)


def unbind(t, dim):
    return list(np.moveaxis(t, dim, 0))


def sig(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, dim):
    e = np.exp(z - z.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


# as in derivatives.yaml: both take the *output* of the activation
def sigmoid_backward(grad, out):
    return grad * out * (1 - out)


def tanh_backward(grad, out):
    return grad * (1 - out**2)


# ---------------------------------------------------------------- batch first


def rnn_step(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, next_h, Wx, Wh)


def rnn_layer(x, h0, Wx, Wh, b):
    h, outs = h0, []
    for x_t in unbind(x, 1):
        h, _ = rnn_step(x_t, h, Wx, Wh, b)
        outs.append(h)
    out = np.stack(outs, axis=1)
    return out, (x, h0, out, Wx, Wh)


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    gates = x @ Wx + prev_h @ Wh + b
    H = prev_h.shape[1]
    gates[:, : 3 * H] = sig(gates[:, : 3 * H])
    gates[:, 3 * H :] = np.tanh(gates[:, 3 * H :])
    i, f, o, g = chunk(gates, 4)
    next_c = f * prev_c + i * g
    tc = np.tanh(next_c)
    return o * tc, next_c, (x, prev_h, prev_c, tc, gates, Wx, Wh)


def lstm_layer(x, h0, Wx, Wh, b):
    h, c = h0, np.zeros_like(h0)
    outs, saved = [], []
    for x_t in unbind(x, 1):
        h, c, ctx = lstm_step(x_t, h, c, Wx, Wh, b)
        outs.append(h)
        saved.append(ctx)
    return np.stack(outs, axis=1), saved


def gru_step(x, prev_h, Wx, Wh, b):
    xr, xz, xn = chunk(x @ Wx + b, 3)
    Ur, Uz, Un = chunk(Wh, 3)
    r = sig(xr + prev_h @ Ur)
    z = sig(xz + prev_h @ Uz)
    n = np.tanh(xn + (r * prev_h) @ Un)
    return (1 - z) * n + z * prev_h, (x, prev_h, r, z, n, Wx, Wh)


def gru_layer(x, h0, Wx, Wh, b):
    h, outs, saved = h0, [], []
    for x_t in unbind(x, 1):
        h, ctx = gru_step(x_t, h, Wx, Wh, b)
        outs.append(h)
        saved.append(ctx)
    return np.stack(outs, axis=1), saved


def gru_step_backward(dnext_h, ctx):
    """dgates, and the gradient for the hidden state: all that depends on time."""
    x, prev_h, r, z, n, Wx, Wh = ctx
    Ur, Uz, Un = chunk(Wh, 3)
    dn = tanh_backward(dnext_h * (1 - z), n)
    dz = sigmoid_backward(dnext_h * (prev_h - n), z)
    drh = dn @ Un.T
    dr = sigmoid_backward(drh * prev_h, r)
    dprev_h = dnext_h * z + drh * r + dr @ Ur.T + dz @ Uz.T
    return (dr, dz, dn), dprev_h


# ---------------------------------------------------------------- right ones


@right("lstm_backward", "zip over reversed time, lists stacked at the end, einsum")
def lstm_bw_stacked(da, caches):
    steps, x = caches
    p = steps[0][-1]
    dh = dc = np.zeros_like(da[..., 0])
    d = {k: [] for k in GATES}
    hxs, dhxs = [], []
    for grad, step in zip(unbind(da, 2)[::-1], steps[::-1]):
        h, c, h_prev, c_prev, f, i, g, o, x_t, _ = step
        tc = np.tanh(c)
        dh = dh + grad
        dc = dc + tanh_backward(dh * o, tc)
        now = (
            sigmoid_backward(dc * c_prev, f),
            sigmoid_backward(dc * g, i),
            tanh_backward(dc * i, g),
            sigmoid_backward(dh * tc, o),
        )
        for k, dgate in zip(GATES, now):
            d[k].append(dgate)
        hxs.append(cat((h_prev, x_t)))
        dhxs.append(sum(p[f"W{k}"].T @ dgate for k, dgate in zip(GATES, now)))
        dh = dhxs[-1][: len(h)]
        dc = dc * f
    hxs = np.stack(hxs)
    d = {k: np.stack(v) for k, v in d.items()}
    out = {"dx": np.stack(dhxs[::-1], axis=-1)[len(dh) :], "da0": dh}
    out |= {f"dW{k}": np.einsum("tam,tbm->ab", d[k], hxs) for k in GATES}
    out |= {f"db{k}": d[k].sum(axis=(0, 2))[:, None] for k in GATES}
    return out


@right(
    "gru_backward",
    "a helper for a step, dgates stacked, weights from flattened matrices",
    convention="ntd",
    forward=gru_layer,
)
def gru_bw_flat(dh, saved):
    Wx, Wh = saved[0][-2:]
    dprev, dgates = 0, []
    for grad, ctx in zip(reversed(unbind(dh, 1)), reversed(saved)):
        d, dprev = gru_step_backward(grad + dprev, ctx)
        dgates.insert(0, cat(d, dim=1))
    dgates = np.stack(dgates, axis=1)
    x, prev, r = (np.stack([ctx[k] for ctx in saved], axis=1) for k in range(3))
    H = prev.shape[-1]
    flat = dgates.reshape(-1, 3 * H)
    dWx = x.reshape(-1, x.shape[-1]).T @ flat
    dWh_rz = prev.reshape(-1, H).T @ flat[:, : 2 * H]
    dWh_n = (r * prev).reshape(-1, H).T @ flat[:, 2 * H :]
    return dgates @ Wx.T, dprev, dWx, cat((dWh_rz, dWh_n), dim=1), flat.sum(axis=0)


@right(
    "rnn_backward",
    "stack of dz, previous states by concatenation, matmul over the batch of steps",
    convention="ntd",
    forward=rnn_layer,
)
def rnn_bw_cat(dh, ctx):
    x, h0, out, Wx, Wh = ctx
    dz, carry = [], np.zeros_like(h0)
    for grad, h in zip(unbind(dh, 1)[::-1], unbind(out, 1)[::-1]):
        dz.append(tanh_backward(grad + carry, h))
        carry = dz[-1] @ Wh.T
    dz = np.stack(dz[::-1], axis=1)
    prev = cat((h0[:, None], out[:, :-1]), dim=1)
    dWx = (x.transpose(0, 2, 1) @ dz).sum(axis=0)
    dWh = (prev.transpose(0, 2, 1) @ dz).sum(axis=0)
    return dz @ Wx.T, carry, dWx, dWh, dz.sum(axis=(0, 1))


# ---------------------------------------------------------------- lstm


@wrong(
    "lstm_cell_backward",
    "the gradient of [a; x] is split as if it were [x; a]",
    "from memory",
)
def split_x_first(da_next, dc_next, cache):
    h, c, h_prev, c_prev, f, i, g, o, x_t, p = cache
    tc = np.tanh(c)
    dc = dc_next + tanh_backward(da_next * o, tc)
    d = {
        "f": sigmoid_backward(dc * c_prev, f),
        "i": sigmoid_backward(dc * g, i),
        "c": tanh_backward(dc * i, g),
        "o": sigmoid_backward(da_next * tc, o),
    }
    hx = cat((h_prev, x_t))
    dhx = sum(p[f"W{k}"].T @ d[k] for k in d)
    dxt, da_prev = np.split(dhx, [x_t.shape[0]])
    return {
        "dxt": dxt,
        "da_prev": da_prev,
        "dc_prev": dc * f,
        **{f"dW{k}": d[k] @ hx.T for k in d},
        **{f"db{k}": d[k].sum(axis=1, keepdims=True) for k in d},
    }


@wrong(
    "lstm_backward",
    "the list of dxt is filled from the end and stacked without turning it round",
    "from memory",
)
def never_flipped(da, caches):
    steps, x = caches
    n_a = da.shape[0]
    p = steps[0][-1]
    W = cat([p[f"W{k}"] for k in GATES])
    dW, db = np.zeros_like(W), np.zeros((4 * n_a, 1))
    dh, dc = np.zeros_like(da[..., 0]), np.zeros_like(da[..., 0])
    dxs = []
    for t in range(len(steps) - 1, -1, -1):
        h, c, h_prev, c_prev, f, i, g, o, x_t, _ = steps[t]
        dh = dh + da[..., t]
        tc = np.tanh(c)
        dc = dc + dh * o * (1 - tc**2)
        dgates = cat(
            (
                sigmoid_backward(dc * c_prev, f),
                sigmoid_backward(dc * g, i),
                tanh_backward(dc * i, g),
                sigmoid_backward(dh * tc, o),
            )
        )
        dW += dgates @ cat((h_prev, x_t)).T
        db += dgates.sum(axis=1, keepdims=True)
        dh, dx_t = np.split(W.T @ dgates, [n_a])
        dc = dc * f
        dxs.append(dx_t)
    grads = {"dx": np.stack(dxs, axis=-1), "da0": dh}
    grads |= {f"dW{k}": w for k, w in zip(GATES, chunk(dW, 4, dim=0))}
    grads |= {f"db{k}": v for k, v in zip(GATES, chunk(db, 4, dim=0))}
    return grads


@wrong(
    "lstm_backward",
    "tanh_backward wants tanh(c), it gets c",
    "from memory",
)
def c_as_output(da, caches):
    steps, x = caches
    p = steps[0][-1]
    n_a = len(da)
    grads = {f"d{k}": np.zeros_like(p[k]) for g in GATES for k in (f"W{g}", f"b{g}")}
    dx = np.zeros_like(x)
    dh = np.zeros(da.shape[:2])
    dc = np.zeros(da.shape[:2])
    for t, step in reversed(list(enumerate(steps))):
        _, c, h_prev, c_prev, f, i, g, o, x_t, _ = step
        dh = dh + da[:, :, t]
        do = sigmoid_backward(dh * np.tanh(c), o)
        dc = dc + tanh_backward(dh * o, c)
        df = sigmoid_backward(dc * c_prev, f)
        di = sigmoid_backward(dc * g, i)
        dg = tanh_backward(dc * i, g)
        dhx = 0
        for k, d in zip(GATES, (df, di, dg, do)):
            grads[f"dW{k}"] += d @ cat((h_prev, x_t)).T
            grads[f"db{k}"] += d.sum(axis=1, keepdims=True)
            dhx = dhx + p[f"W{k}"].T @ d
        dh, dx[:, :, t] = dhx[:n_a], dhx[n_a:]
        dc = dc * f
    return {"dx": dx, "da0": dh, **grads}


@wrong(
    "lstm_cell_backward",
    "biases are summed without keepdims: (n_a,) and not (n_a, 1)",
    "from memory",
    words="shape",
)
def flat_bias(da_next, dc_next, cache):
    h, c, h_prev, c_prev, *gates, x_t, p = cache
    f, i, g, o = gates
    n_a = h.shape[0]
    tc = np.tanh(c)
    dc = dc_next + da_next * o * (1 - tc * tc)
    incoming = (dc * c_prev, dc * g, dc * i, da_next * tc)
    slopes = (f * (1 - f), i * (1 - i), 1 - g * g, o * (1 - o))
    d = {k: up * s for k, up, s in zip(GATES, incoming, slopes)}
    dhx = sum(p["W" + k].T @ d[k] for k in GATES)
    return (
        {"dxt": dhx[n_a:], "da_prev": dhx[:n_a], "dc_prev": dc * f}
        | {"dW" + k: d[k] @ cat((h_prev, x_t)).T for k in GATES}
        | {"db" + k: d[k].sum(1) for k in GATES}
    )


@wrong(
    "lstm_backward",
    "the gates' gradients are put together in torch's order i, f, g, o",
    "from memory",
    convention="ntd",
    forward=lstm_layer,
)
def torch_order(dh, saved):
    Wx, Wh = saved[0][-2:]
    dprev_h = dprev_c = np.zeros_like(dh[:, 0])
    dgates = []
    for grad, ctx in zip(unbind(dh, 1)[::-1], saved[::-1]):
        x_t, h_prev, c_prev, tc, gates, _, _ = ctx
        i, f, o, g = chunk(gates, 4)
        dnext = grad + dprev_h
        dc = dprev_c + dnext * o * (1 - tc**2)
        di = sigmoid_backward(dc * g, i)
        df = sigmoid_backward(dc * c_prev, f)
        dg = tanh_backward(dc * i, g)
        do = sigmoid_backward(dnext * tc, o)
        dgates.append(cat((di, df, dg, do), dim=1))
        dprev_h = dgates[-1] @ Wh.T
        dprev_c = dc * f
    dgates = np.stack(dgates[::-1], axis=1)
    x, prev = (np.stack([ctx[k] for ctx in saved], axis=1) for k in (0, 1))
    dWx = np.einsum("ntd,ntg->dg", x, dgates)
    dWh = np.einsum("nth,ntg->hg", prev, dgates)
    return dgates @ Wx.T, dprev_h, dWx, dWh, dgates.sum(axis=(0, 1))


@wrong(
    "lstm_cell_backward",
    "the gates are views and become their slopes in place, and are used again after",
    "from memory",
    tags="view",
    convention="ntd",
    forward=lstm_step,
)
def slopes_in_place(dnext_h, dnext_c, ctx):
    x, prev_h, prev_c, tc, gates, Wx, Wh = ctx
    i, f, o, g = chunk(gates, 4)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    di, df, do = dc * g, dc * prev_c, dnext_h * tc
    for d, gate in zip((di, df, do), (i, f, o)):
        gate *= 1 - gate
        d *= gate
    dg = dc * i * (1 - g**2)
    dgates = cat((di, df, do, dg), dim=1)
    dprev_c = dc * f
    return (
        dgates @ Wx.T,
        dgates @ Wh.T,
        dprev_c,
        x.T @ dgates,
        prev_h.T @ dgates,
        dgates.sum(axis=0),
    )


@wrong(
    "lstm_forward",
    "the memory begins with a0 and not with zeros: hx = (a0, a0)",
    "from memory",
)
def hx_twice(x, a0, parameters):
    p = parameters
    W = cat([p[f"W{k}"] for k in GATES])
    b = cat([p[f"b{k}"] for k in GATES])
    hx = (a0, a0)
    hs, cs, ys, caches = [], [], [], []
    for x_t in unbind(x, 2):
        h_prev, c_prev = hx
        f, i, g, o = chunk(W @ cat((h_prev, x_t)) + b, 4, dim=0)
        f, i, o, g = sig(f), sig(i), sig(o), np.tanh(g)
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        hx = (h, c)
        hs.append(h)
        cs.append(c)
        ys.append(softmax(p["Wy"] @ h + p["by"], dim=0))
        caches.append((h, c, h_prev, c_prev, f, i, g, o, x_t, p))
    h, y, c = (np.stack(v, axis=-1) for v in (hs, ys, cs))
    return h, y, c, (caches, x)


@wrong(
    "lstm_backward",
    "the output gate gets c and not tanh(c); weights with a of the same step",
    "from memory",
    tags="double",
)
def same_step_and_raw_c(da, caches):
    steps, x = caches
    p = steps[0][-1]
    n_a, m, T = da.shape
    names = ("h", "c", "h_prev", "c_prev", "f", "i", "g", "o", "x")
    s = {k: np.stack(v) for k, v in zip(names, zip(*(step[:-1] for step in steps)))}
    tc = np.tanh(s["c"])
    dgates = {k: np.zeros((T, n_a, m)) for k in GATES}
    dhx = np.zeros((T, n_a + len(x), m))
    dh, dc = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in reversed(range(T)):
        dh = dh + da[:, :, t]
        dc = dc + tanh_backward(dh * s["o"][t], tc[t])
        dgates["f"][t] = sigmoid_backward(dc * s["c_prev"][t], s["f"][t])
        dgates["i"][t] = sigmoid_backward(dc * s["g"][t], s["i"][t])
        dgates["c"][t] = tanh_backward(dc * s["i"][t], s["g"][t])
        dgates["o"][t] = sigmoid_backward(dh * s["c"][t], s["o"][t])
        dhx[t] = sum(p[f"W{k}"].T @ dgates[k][t] for k in GATES)
        dh, dc = dhx[t, :n_a], dc * s["f"][t]
    hx = cat((s["h"], s["x"]), dim=1)
    return {
        "dx": dhx[:, n_a:].transpose(1, 2, 0),
        "da0": dh,
        **{f"dW{k}": np.einsum("tam,tbm->ab", dgates[k], hx) for k in GATES},
        **{f"db{k}": dgates[k].sum(axis=(0, 2)).reshape(-1, 1) for k in GATES},
    }


# ---------------------------------------------------------------- rnn


@wrong("rnn_backward", "dba is the mean over the batch, not the sum", "from memory")
def mean_reduction(da, caches):
    steps, x = caches
    p = steps[0][-1]
    carry = np.zeros_like(da[..., 0])
    dzs = []
    for grad, (h, h_prev, x_t, _) in zip(unbind(da, 2)[::-1], steps[::-1]):
        dz = tanh_backward(grad + carry, h)
        carry = p["Waa"].T @ dz
        dzs.append(dz)
    dzs = dzs[::-1]
    return {
        "dx": np.stack([p["Wax"].T @ dz for dz in dzs], axis=-1),
        "da0": carry,
        "dWax": sum(dz @ s[2].T for dz, s in zip(dzs, steps)),
        "dWaa": sum(dz @ s[1].T for dz, s in zip(dzs, steps)),
        "dba": sum(dz.mean(axis=1, keepdims=True) for dz in dzs),
    }


@wrong(
    "rnn_backward",
    "the gradient goes back one step only, as after a detach",
    "from memory",
    tags="time",
    convention="ntd",
    forward=rnn_layer,
)
def one_step_back(dh, ctx):
    x, h0, out, Wx, Wh = ctx
    from_next = np.zeros_like(dh)
    from_next[:, :-1] = tanh_backward(dh, out)[:, 1:] @ Wh.T
    dz = tanh_backward(dh + from_next, out)
    prev = cat((h0[:, None], out[:, :-1]), dim=1)
    N, T, H = dz.shape
    flat = dz.reshape(N * T, H)
    return (
        dz @ Wx.T,
        dz[:, 0] @ Wh.T,
        x.reshape(N * T, -1).T @ flat,
        prev.reshape(N * T, H).T @ flat,
        flat.sum(axis=0),
    )


@wrong(
    "rnn_backward",
    "np.roll for the previous states: before the first step stands the last state",
    "from memory",
    tags="time",
)
def rolled(da, caches):
    steps, x = caches
    p = steps[0][-1]
    a = np.stack([step[0] for step in steps], axis=-1)
    a_prev = np.roll(a, 1, axis=-1)
    dz = np.zeros_like(da)
    carry = np.zeros_like(da[..., 0])
    for t in reversed(range(da.shape[-1])):
        dz[..., t] = tanh_backward(da[..., t] + carry, a[..., t])
        carry = p["Waa"].T @ dz[..., t]
    return {
        "dx": np.einsum("ax,amt->xmt", p["Wax"], dz),
        "da0": carry,
        "dWax": np.einsum("amt,xmt->ax", dz, x),
        "dWaa": np.einsum("amt,bmt->ab", dz, a_prev),
        "dba": np.einsum("amt->a", dz)[:, None],
    }


@wrong(
    "rnn_forward",
    "tanh writes into the same buffer at every step, and all caches hold that buffer",
    "from memory",
    tags="view",
)
def one_buffer(x, a0, parameters):
    p = parameters
    h = a0.copy()
    outs, ys, caches = [], [], []
    for x_t in unbind(x, 2):
        h_prev = h
        np.tanh(p["Wax"] @ x_t + p["Waa"] @ h + p["ba"], out=h)
        outs.append(h.copy())
        ys.append(softmax(p["Wya"] @ h + p["by"], dim=0))
        caches.append((h, h_prev, x_t, p))
    return np.stack(outs, axis=-1), np.stack(ys, axis=-1), (caches, x)


@wrong(
    "rnn_cell_backward",
    "dprev_h is made of dnext_h, not of what has passed tanh",
    "from memory",
    convention="ntd",
    forward=rnn_step,
)
def prev_before_tanh(dnext_h, ctx):
    x, prev_h, next_h, Wx, Wh = ctx
    dz = tanh_backward(dnext_h, next_h)
    dx, dprev_h = (d @ w.T for d, w in zip((dz, dnext_h), (Wx, Wh)))
    dWx, dWh = (inp.T @ dz for inp in (x, prev_h))
    return dx, dprev_h, dWx, dWh, dz.sum(axis=0)


@wrong(
    "rnn_backward",
    "x is brought to (T, n_x, m) by reshape and not by transpose",
    "from memory",
)
def view_for_permute(da, caches):
    steps, x = caches
    n_x, m, T = x.shape
    p = steps[0][-1]
    xs = x.reshape(T, n_x, m)
    grads = {k: np.zeros_like(p[k[1:]]) for k in ("dWax", "dWaa", "dba")}
    dxs, carry = [None] * T, 0
    for t in range(T)[::-1]:
        h, h_prev, _, _ = steps[t]
        dz = tanh_backward(da[..., t] + carry, h)
        carry = p["Waa"].T @ dz
        dxs[t] = p["Wax"].T @ dz
        step = (dz @ xs[t].T, dz @ h_prev.T, dz.sum(axis=1, keepdims=True))
        for k, d in zip(grads, step):
            grads[k] += d
    return {"dx": np.stack(dxs, axis=-1), "da0": carry, **grads}


# ---------------------------------------------------------------- gru


@wrong(
    "gru_backward",
    "the derivative of torch's GRU, where r is multiplied with h @ Un",
    "from memory",
    convention="ntd",
    forward=gru_layer,
)
def like_nn_gru(dh, saved):
    Wx, Wh = saved[0][-2:]
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), 0
    dprev, dxs = np.zeros_like(dh[:, 0]), []
    for grad, ctx in zip(reversed(unbind(dh, 1)), reversed(saved)):
        x_t, h_prev, r, z, n, _, _ = ctx
        dnext = grad + dprev
        hn = h_prev @ chunk(Wh, 3)[2]
        dn = tanh_backward(dnext * (1 - z), n)
        dr = sigmoid_backward(dn * hn, r)
        dz = sigmoid_backward(dnext * (h_prev - n), z)
        d_ih = cat((dr, dz, dn), dim=1)
        d_hh = cat((dr, dz, dn * r), dim=1)
        dprev = dnext * z + d_hh @ Wh.T
        dxs.append(d_ih @ Wx.T)
        dWx += x_t.T @ d_ih
        dWh += h_prev.T @ d_hh
        db = db + d_ih.sum(axis=0)
    return np.stack(dxs[::-1], axis=1), dprev, dWx, dWh, db


@wrong(
    "gru_cell_backward",
    "dgates @ Wh.T for all three gates: the candidate's part lacks r",
    "from memory",
    convention="ntd",
    forward=gru_step,
)
def one_matmul(dnext_h, ctx):
    x, prev_h, r, z, n, Wx, Wh = ctx
    Un = chunk(Wh, 3)[-1]
    dn = tanh_backward(dnext_h * (1 - z), n)
    dz = sigmoid_backward(dnext_h * (prev_h - n), z)
    dr = sigmoid_backward((dn @ Un.T) * prev_h, r)
    dgates = cat((dr, dz, dn), dim=1)
    dprev_h = dnext_h * z + dgates @ Wh.T
    inputs = (prev_h, prev_h, r * prev_h)
    dWh = cat([inp.T @ d for inp, d in zip(inputs, (dr, dz, dn))], dim=1)
    return dgates @ Wx.T, dprev_h, x.T @ dgates, dWh, dgates.sum(axis=0)


@wrong(
    "gru_backward",
    "dWh of the candidate with h and not r * h; dz with the state after the step",
    "from memory",
    tags="double",
    convention="ntd",
    forward=gru_layer,
)
def two_states_off(dh, saved):
    N, T, H = dh.shape
    x, prev, r, z, n = (np.stack([ctx[k] for ctx in saved], axis=1) for k in range(5))
    Wx, Wh = saved[0][-2:]
    Ur, Uz, Un = chunk(Wh, 3)
    hs = cat((prev, ((1 - z) * n + z * prev)[:, -1:]), dim=1)
    dgates = np.zeros((N, T, 3 * H))
    dr, dz, dn = chunk(dgates, 3)
    carry = np.zeros((N, H))
    for t in reversed(range(T)):
        grad = dh[:, t] + carry
        dn[:, t] = tanh_backward(grad * (1 - z[:, t]), n[:, t])
        dz[:, t] = sigmoid_backward(grad * (hs[:, t + 1] - n[:, t]), z[:, t])
        drh = dn[:, t] @ Un.T
        dr[:, t] = sigmoid_backward(drh * hs[:, t], r[:, t])
        carry = grad * z[:, t] + drh * r[:, t] + dr[:, t] @ Ur.T + dz[:, t] @ Uz.T
    dWx = np.tensordot(x, dgates, axes=((0, 1), (0, 1)))
    dWh = np.tensordot(prev, dgates, axes=((0, 1), (0, 1)))
    return dgates @ Wx.T, carry, dWx, dWh, dgates.sum(axis=(0, 1))


@wrong(
    "gru_backward",
    "the saved steps are reversed in the zip, the gradients dh are not",
    "from memory",
    tags="time",
    convention="ntd",
    forward=gru_layer,
)
def half_reversed(dh, saved):
    dprev = np.zeros_like(dh[:, 0])
    per_step = []
    for grad, ctx in zip(unbind(dh, 1), reversed(saved)):
        x_t, h_prev, r, _, _, Wx, Wh = ctx
        (dr, dz, dn), dprev = gru_step_backward(grad + dprev, ctx)
        dgates = cat((dr, dz, dn), dim=1)
        dWh = cat((h_prev.T @ dr, h_prev.T @ dz, (r * h_prev).T @ dn), dim=1)
        per_step.append((dgates @ Wx.T, x_t.T @ dgates, dWh, dgates.sum(axis=0)))
    dx, dWx, dWh, db = zip(*per_step)
    return np.stack(dx[::-1], axis=1), dprev, sum(dWx), sum(dWh), sum(db)


# ---------------------------------------------------------------- readout


@wrong(
    "readout_backward",
    "dz[labels] -= 1 takes one from whole classes, for every example and step",
    "from memory",
)
def scatter_by_class(y_pred, labels, a, parameters):
    dlogits = y_pred.copy()
    dlogits[labels] -= 1
    dlogits /= labels.size
    return {
        "da": np.einsum("ya,ymt->amt", parameters["Wya"], dlogits),
        "dWya": np.einsum("ymt,amt->ya", dlogits, a),
        "dby": dlogits.sum(axis=(1, 2))[:, None],
    }
