"""Rosa is right, every time in another way: the LSTM, the GRU and the readout."""

import jax
import jax.numpy as jnp
import numpy as np

from strangers.made import right


def sig(z):
    return 1 / (1 + np.exp(-z))


def soft(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


# ---- LSTM forward


@right("lstm_cell_forward", "one product for four gates")
def four_at_once(xt, a_prev, c_prev, p):
    n_a = len(a_prev)
    W = np.vstack([p["Wf"], p["Wi"], p["Wo"], p["Wc"]])
    b = np.vstack([p["bf"], p["bi"], p["bo"], p["bc"]])
    z = W @ np.vstack([a_prev, xt]) + b
    f, i, o = (sig(z[k * n_a : (k + 1) * n_a]) for k in range(3))
    cct = np.tanh(z[3 * n_a :])
    c = f * c_prev + i * cct
    a = o * np.tanh(c)
    return (
        a,
        c,
        soft(p["Wy"] @ a + p["by"]),
        (a, c, a_prev, c_prev, f, i, cct, o, xt, p),
    )


@right("lstm_cell_forward", "weights sliced, two products a gate, sigmoid by tanh")
def sliced(xt, a_prev, c_prev, p):
    n = a_prev.shape[0]

    def pre(k):
        return p["W" + k][:, :n] @ a_prev + p["W" + k][:, n:] @ xt + p["b" + k]

    f, i, o = (0.5 + 0.5 * np.tanh(pre(k) / 2) for k in "fio")
    g = np.tanh(pre("c"))
    c = c_prev * f
    c = c + g * i
    a = np.tanh(c) * o
    return a, c, soft(p["Wy"] @ a + p["by"]), (a, c, a_prev, c_prev, f, i, g, o, xt, p)


@right("lstm_forward", "dictionaries of lists, stacked at the end")
def dict_of_lists(x, a0, p):
    kept = {"a": [], "y": [], "c": []}
    a, c, caches = a0, a0 * 0.0, []
    for t in range(x.shape[-1]):
        a, c, y, cache = four_at_once(x[:, :, t], a, c, p)
        for name, value in (("a", a), ("y", y), ("c", c)):
            kept[name].append(value)
        caches.append(cache)
    return *(np.stack(kept[k], axis=-1) for k in "ayc"), (caches, x)


@right("lstm_forward", "a generator of steps")
def generated(x, a0, p):
    def steps():
        a, c = a0, np.zeros_like(a0)
        for xt in np.rollaxis(x, 2):
            a, c, y, cache = sliced(xt, a, c, p)
            yield a, y, c, cache

    a, y, c, caches = zip(*steps(), strict=True)
    return np.dstack(a), np.dstack(y), np.dstack(c), (list(caches), x)


# ---- LSTM back


@right("lstm_cell_backward", "JAX's own vjp of the step", tags="compiled")
def lstm_by_vjp(da_next, dc_next, cache):
    _, _, a_prev, c_prev, *_, xt, p = cache
    names = [w + k for w in "Wb" for k in "fico"]

    def step(xt, a, c, w):
        v = jnp.concatenate([a, xt])
        z = {k: w["W" + k] @ v + w["b" + k] for k in "fico"}
        c = jax.nn.sigmoid(z["f"]) * c + jax.nn.sigmoid(z["i"]) * jnp.tanh(z["c"])
        return jax.nn.sigmoid(z["o"]) * jnp.tanh(c), c

    _, pull = jax.vjp(step, xt, a_prev, c_prev, {k: p[k] for k in names})
    dxt, da, dc, dw = pull((jnp.asarray(da_next), jnp.asarray(dc_next)))
    g = {"dxt": dxt, "da_prev": da, "dc_prev": dc} | {f"d{k}": dw[k] for k in names}
    return {k: np.asarray(v) for k, v in g.items()}


@right("lstm_cell_backward", "the gates made again from the inputs")
def gates_again(da_next, dc_next, cache):
    a_prev, c_prev, xt, p = cache[2], cache[3], cache[8], cache[9]
    v = np.r_[a_prev, xt]
    z = {k: p["W" + k] @ v + p["b" + k] for k in "fico"}
    f, i, o, g = sig(z["f"]), sig(z["i"]), sig(z["o"]), np.tanh(z["c"])
    th = np.tanh(f * c_prev + i * g)
    dc = dc_next + da_next * o * (1 - th**2)
    d = {"f": dc * c_prev * f * sig(-z["f"]), "i": dc * g * i * sig(-z["i"])}
    d |= {"c": dc * i / np.cosh(z["c"]) ** 2, "o": da_next * th * o * sig(-z["o"])}
    back = sum(p["W" + k].T @ d[k] for k in d)
    out = {"da_prev": back[: len(a_prev)], "dxt": back[len(a_prev) :]}
    out |= {"dc_prev": dc * f} | {"dW" + k: d[k] @ v.T for k in d}
    return out | {"db" + k: d[k].sum(axis=1, keepdims=True) for k in d}


@right("lstm_cell_backward", "einsum, and weights in one array of three axes")
def three_axes(da_next, dc_next, cache):
    a, c, a_prev, c_prev, f, i, g, o, xt, p = cache
    th = np.tanh(c)
    dc = dc_next + da_next * o - da_next * a * th
    local = np.stack([dc * c_prev, dc * g, dc * i, da_next * th])
    slope = np.stack([f - f * f, i - i * i, 1 - g * g, o - o * o])
    d = local * slope
    v = np.concatenate([a_prev, xt])
    W = np.stack([p["W" + k] for k in "fico"])
    back = np.einsum("kav,kam->vm", W, d)
    dW, db = np.einsum("kam,vm->kav", d, v), d.sum(axis=2)[..., None]
    n = len(a)
    grads = {"dxt": back[n:], "da_prev": back[:n], "dc_prev": f * dc}
    for k, name in enumerate("fico"):
        grads["dW" + name], grads["db" + name] = dW[k], db[k]
    return grads


def looped(cell):
    def lstm_backward(da, caches):
        steps, x = caches
        T, out, sums, ca, cc = da.shape[2], {}, {}, 0, 0
        for t in range(T)[::-1]:
            g = cell(da[:, :, t] + ca, cc + 0 * da[:, :, t], steps[t])
            ca, cc, out[t] = g["da_prev"], g["dc_prev"], g["dxt"]
            for name in g:
                if name[1] in "Wb":
                    sums[name] = g[name] + sums.get(name, 0)
        return {"dx": np.stack([out[t] for t in range(T)], 2), "da0": ca, **sums}

    return lstm_backward


einsum_loop = right("lstm_backward", "a loop over einsum's cell")(looped(three_axes))
again_loop = right("lstm_backward", "a loop over the gates made again")(
    looped(gates_again)
)


@right("lstm_backward", "all slopes before the loop, in arrays over time")
def slopes_first(da, caches):
    steps, x = caches
    n, m, T = da.shape
    names = ("a", "c", "prev", "c_prev", "f", "i", "g", "o", "x")
    v = {k: np.stack([s[j] for s in steps[:T]], 2) for j, k in enumerate(names)}
    th = np.tanh(v["c"])
    by_c = {
        "f": v["c_prev"] * v["f"] * (1 - v["f"]),
        "i": v["g"] * v["i"] * (1 - v["i"]),
        "c": v["i"] * (1 - v["g"] ** 2),
    }
    by_a, into = th * v["o"] * (1 - v["o"]), v["o"] * (1 - th**2)
    p = steps[0][9]
    d = {k: np.zeros((n, m, T)) for k in "fico"}
    ca, cc, dx = 0, 0, np.zeros((len(x), m, T))
    for t in range(T - 1, -1, -1):
        ga = da[:, :, t] + ca
        gc = ga * into[:, :, t] + cc
        for k in "fic":
            d[k][:, :, t] = gc * by_c[k][:, :, t]
        d["o"][:, :, t] = ga * by_a[:, :, t]
        back = sum(p["W" + k].T @ d[k][:, :, t] for k in "fico")
        ca, dx[:, :, t], cc = back[:n], back[n:], gc * v["f"][:, :, t]
    left = np.concatenate([v["prev"], v["x"]])
    g = {"dW" + k: np.tensordot(d[k], left, ((1, 2), (1, 2))) for k in d}
    return {"dx": dx, "da0": ca} | g | {"db" + k: d[k].sum((1, 2))[:, None] for k in d}


@right("lstm_backward", "JAX's own vjp of the whole", tags="compiled")
def lstm_vjp_of_the_whole(da, caches):
    steps, x = caches
    T, p = da.shape[2], steps[0][9]
    names = [w + k for w in "Wb" for k in "fico"]

    def states(x, a, w):
        c, every = 0 * a, []
        for t in range(T):
            v = jnp.concatenate([a, x[:, :, t]])
            f, i, g, o = (w["W" + k] @ v + w["b" + k] for k in "fico")
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            a = jax.nn.sigmoid(o) * jnp.tanh(c)
            every.append(a)
        return jnp.stack(every, axis=2)

    w = {k: jnp.asarray(p[k]) for k in names}
    _, pull = jax.vjp(states, jnp.asarray(x[:, :, :T]), jnp.asarray(steps[0][2]), w)
    dx, da0, dw = pull(jnp.asarray(da))
    g = {"dx": dx, "da0": da0} | {f"d{k}": dw[k] for k in names}
    return {k: np.asarray(value) for k, value in g.items()}


# ---- GRU, (N, T, D)


def gru_step(x, h, Wx, Wh, b):
    H = h.shape[1]
    rz = sig(x @ Wx[:, : 2 * H] + h @ Wh[:, : 2 * H] + b[: 2 * H])
    r, z = np.hsplit(rz, 2)
    n = np.tanh(x @ Wx[:, 2 * H :] + b[2 * H :] + (r * h) @ Wh[:, 2 * H :])
    return z * h + (1 - z) * n, {"x": x, "h": h, "rz": rz, "n": n, "Wx": Wx, "Wh": Wh}


@right("gru_cell_backward", "r and z as one block", convention="ntd", forward=gru_step)
def gru_block(g, k):
    h, n, Wx, Wh, H = k["h"], k["n"], k["Wx"], k["Wh"], k["h"].shape[1]
    r, z = np.hsplit(k["rz"], 2)
    dn = g * (1 - z) * (1 - n) * (1 + n)
    dk = np.einsum("bn,hn->bh", dn, Wh[:, 2 * H :])
    drz = np.hstack([dk * h, g * (h - n)]) * k["rz"] * (1 - k["rz"])
    d = np.hstack([drz, dn])
    dh = g * z + dk * r + drz @ Wh[:, : 2 * H].T
    dWh = np.hstack([h.T @ drz, (r * h).T @ dn])
    return d @ Wx.T, dh, k["x"].T @ d, dWh, np.ones(len(d)) @ d


@right(
    "gru_cell_backward",
    "JAX's own vjp",
    tags="compiled",
    convention="ntd",
    forward=lambda *args: (gru_step(*args)[0], args),
)
def gru_vjp(g, args):
    def step(x, h, Wx, Wh, b):
        H = h.shape[1]
        ax = x @ Wx + b
        r = jax.nn.sigmoid(ax[:, :H] + h @ Wh[:, :H])
        z = jax.nn.sigmoid(ax[:, H : 2 * H] + h @ Wh[:, H : 2 * H])
        n = jnp.tanh(ax[:, 2 * H :] + (r * h) @ Wh[:, 2 * H :])
        return (1 - z) * n + z * h

    return tuple(map(np.asarray, jax.vjp(step, *args)[1](jnp.asarray(g))))


def gru_forward(x, h0, Wx, Wh, b):
    hs, tape = [h0], []
    for xt in x.transpose(1, 0, 2):
        h, k = gru_step(xt, hs[-1], Wx, Wh, b)
        hs.append(h)
        tape.append(k)
    return np.array(hs[1:]).swapaxes(0, 1), tape


@right(
    "gru_backward",
    "a loop over the block's cell",
    convention="ntd",
    forward=gru_forward,
)
def gru_loop(dh, tape):
    g, dxs, sums = 0, [], np.zeros(3, dtype=object)
    for t in range(dh.shape[1] - 1, -1, -1):
        dx, g, *rest = gru_block(dh[:, t] + g, tape[t])
        dxs = [dx, *dxs]
        sums = [s + r for s, r in zip(sums, rest, strict=True)]
    return np.array(dxs).swapaxes(0, 1), g, *sums


@right(
    "gru_backward",
    "deltas kept, one product at the end",
    convention="ntd",
    forward=gru_forward,
)
def gru_deferred(dh, tape):
    (N, T, H), carry = dh.shape, 0
    d = np.zeros((T, N, 3 * H))
    for t in reversed(range(T)):
        k = tape[t]
        r, z = k["rz"][:, :H], k["rz"][:, H:]
        g = dh[:, t] + carry
        d[t, :, 2 * H :] = g * (1 - z) * (1 - k["n"] ** 2)
        dk = d[t, :, 2 * H :] @ k["Wh"][:, 2 * H :].T
        d[t, :, :H] = dk * k["h"] * r * (1 - r)
        d[t, :, H : 2 * H] = g * (k["h"] - k["n"]) * z * (1 - z)
        carry = g * z + dk * r + d[t, :, : 2 * H] @ k["Wh"][:, : 2 * H].T
    h, x = np.stack([k["h"] for k in tape]), np.stack([k["x"] for k in tape])
    rh = h * np.stack([k["rz"][:, :H] for k in tape])
    dWh = np.concatenate(
        [
            np.einsum("tbh,tbg->hg", h, d[:, :, : 2 * H]),
            np.einsum("tbh,tbg->hg", rh, d[:, :, 2 * H :]),
        ],
        axis=1,
    )
    dx = np.einsum("tbg,xg->btx", d, tape[0]["Wx"])
    return dx, carry, np.einsum("tbx,tbg->xg", x, d), dWh, d.sum(axis=(0, 1))


# ---- the other course's simple network and LSTM


def rnn_pair(x, h0, Wx, Wh, b):
    h, hs = h0, []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        hs.append(h)
    return np.stack(hs, 1), (x, h0, Wx, Wh, np.stack(hs, 1))


@right(
    "rnn_backward", "shifted states made at the end", convention="ntd", forward=rnn_pair
)
def rnn_shifted(dh, cache):
    x, h0, Wx, Wh, h = cache
    d, carry = np.zeros_like(dh), np.zeros_like(h0)
    for t in range(dh.shape[1])[::-1]:
        d[:, t] = (dh[:, t] + carry) * (1 - h[:, t] ** 2)
        carry = d[:, t] @ Wh.T
    prev = np.concatenate([h0[:, None], h[:, :-1]], axis=1)
    dWx, dWh = np.tensordot(x, d, ((0, 1), (0, 1))), np.einsum("bth,btg->hg", prev, d)
    return d @ Wx.T, carry, dWx, dWh, d.sum((0, 1))


def rnn_inputs(x, h, Wx, Wh, b):
    return np.tanh(x @ Wx + h @ Wh + b), (x, h, Wx, Wh, b)


@right("rnn_cell_backward", "a flat tuple", convention="ntd", forward=rnn_inputs)
def rnn_flat(g, cache):
    x, h, Wx, Wh, b = cache
    d = g / np.cosh(x @ Wx + h @ Wh + b) ** 2
    return d @ Wx.T, d @ Wh.T, x.T @ d, h.T @ d, d.sum(0)


# ---- readout


@right("readout_backward", "position by position")
def position_by_position(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    W = parameters["Wya"]
    da, dW, db = np.zeros(a.shape), np.zeros(W.shape), np.zeros((n_y, 1))
    for i in range(m):
        for t in range(T):
            d = np.array(y_pred[:, i, t])
            d[labels[i, t]] -= 1.0
            d /= m * T
            da[:, i, t] = d @ W
            dW += np.outer(d, a[:, i, t])
            db[:, 0] += d
    return {"da": da, "dWya": dW, "dby": db}


@right("readout_backward", "JAX's own gradient of the loss", tags="compiled")
def by_grad(y_pred, labels, a, parameters):
    log_y = jnp.log(jnp.asarray(y_pred))
    hot = jax.nn.one_hot(labels, len(y_pred), axis=0, dtype=log_y.dtype)

    def loss(shift):
        z = log_y + shift
        return -jnp.mean(jnp.sum(hot * (z - jax.nn.logsumexp(z, axis=0)), axis=0))

    dz = np.asarray(jax.grad(loss)(jnp.zeros_like(log_y)))
    W = parameters["Wya"]
    dW = np.einsum("ymt,amt->ya", dz, a)
    return {
        "da": np.einsum("ya,ymt->amt", W, dz),
        "dWya": dW,
        "dby": dz.sum((1, 2), keepdims=True)[:, 0],
    }


@right("readout_backward", "flattened positions, one matrix product each")
def flattened(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    d = y_pred.reshape(n_y, m * T).copy()
    d[labels.reshape(-1), np.arange(m * T)] -= 1
    d *= 1 / (m * T)
    return {
        "da": (parameters["Wya"].T @ d).reshape(a.shape),
        "dWya": d @ a.reshape(len(a), -1).T,
        "dby": d @ np.ones((m * T, 1)),
    }
