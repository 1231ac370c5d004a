"""Quinn is right, every time in another way: the simple network."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from strangers.made import right

# ---- forward


@right("rnn_cell_forward", "einsum, and softmax from a maximum taken per column")
def einsum_cell(xt, a_prev, p):
    z = np.einsum("ax,xm->am", p["Wax"], xt) + np.einsum("ab,bm->am", p["Waa"], a_prev)
    a = np.tanh(z + p["ba"])
    logits = np.einsum("ya,am->ym", p["Wya"], a) + p["by"]
    e = np.exp(logits - np.max(logits, axis=0))
    return a, e / np.sum(e, axis=0), (a, a_prev, xt, p)


@right("rnn_cell_forward", "tanh as 2 sigmoid(2 z) - 1; a softmax without a maximum")
def tanh_by_sigmoid(xt, a_prev, p):
    z = p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"]
    a = 2 / (1 + np.exp(-2 * z)) - 1
    e = np.exp(p["Wya"] @ a + p["by"])
    return a, e * (1 / e.sum(axis=0, keepdims=True)), (a, a_prev, xt, p)


@right("rnn_cell_forward", "example by example, in a Python loop")
def example_by_example(xt, a_prev, p):
    a = np.empty_like(a_prev)
    y = np.empty((len(p["by"]), a.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        a[:, k] = np.tanh(p["Wax"] @ xt[:, k] + p["Waa"] @ a_prev[:, k] + p["ba"][:, 0])
        z = p["Wya"] @ a[:, k] + p["by"].ravel()
        y[:, k] = np.exp(z) / np.exp(z).sum()
    return a, y, (a, a_prev, xt, p)


@right("rnn_forward", "the bias as a column of ones in the input")
def ones_in_the_input(x, a0, p):
    _, m, T = x.shape
    W = np.concatenate([p["Waa"], p["Wax"], p["ba"]], axis=1)
    a, states, ys, caches = a0, [], [], []
    for t in range(T):
        before = a
        a = np.tanh(W @ np.concatenate([a, x[:, :, t], np.ones((1, m))]))
        z = p["Wya"] @ a + p["by"]
        ys.append(np.exp(z) / np.exp(z).sum(0))
        states.append(a)
        caches.append((a, before, x[:, :, t], p))
    return np.stack(states, axis=2), np.stack(ys, axis=2), (caches, x)


@right("rnn_forward", "functools.reduce over the steps")
def reduced(x, a0, p):
    def step(done, t):
        before = done[-1] if done else a0
        return [*done, np.tanh(p["Waa"] @ before + p["Wax"] @ x[:, :, t] + p["ba"])]

    states = functools.reduce(step, range(x.shape[2]), [])
    a = np.stack(states, 2)
    z = np.tensordot(p["Wya"], a, 1) + p["by"][:, :, None]
    y = np.exp(z - z.max()) / np.exp(z - z.max()).sum(0, keepdims=True)
    pairs = zip(states, [a0, *states], np.moveaxis(x, 2, 0), strict=False)
    return a, y, ([(*s, p) for s in pairs], x)


@right("rnn_forward", "slots of one array with room for the start state")
def room_for_the_start(x, a0, p):
    T = x.shape[2]
    a = np.empty((*a0.shape, T + 1), a0.dtype)
    a[:, :, 0] = a0
    y, caches = [], []
    for t in range(T):
        a[..., t + 1] = np.tanh(p["Wax"] @ x[..., t] + p["Waa"] @ a[..., t] + p["ba"])
        z = np.exp(p["Wya"] @ a[..., t + 1] + p["by"])
        y.append(z / z.sum(axis=0))
        caches.append((a[..., t + 1], a[..., t], x[..., t], p))
    return a[..., 1:], np.stack(y, -1), (caches, x)


# ---- back through one step


@right("rnn_cell_backward", "JAX's own vjp of the step", tags="compiled")
def by_vjp(da_next, cache):
    _, a_prev, xt, p = cache
    names = ("Wax", "Waa", "ba")

    def step(xt, a, *w):
        return jnp.tanh(w[0] @ xt + w[1] @ a + w[2])

    _, pull = jax.vjp(step, xt, a_prev, *(p[k] for k in names))
    dxt, da_prev, *dw = map(np.asarray, pull(jnp.asarray(da_next)))
    grads = zip((f"d{k}" for k in names), dw, strict=True)
    return {"dxt": dxt, "da_prev": da_prev, **dict(grads)}


@right("rnn_cell_backward", "the slope as (1 - a)(1 + a); transposes outside")
def product_of_sums(da_next, cache):
    a, a_prev, xt, p = cache
    dz = da_next * (1 - a) * (1 + a)
    return {
        "dxt": (dz.T @ p["Wax"]).T,
        "da_prev": (dz.T @ p["Waa"]).T,
        "dWax": (xt @ dz.T).T,
        "dWaa": (a_prev @ dz.T).T,
        "dba": (np.ones((1, dz.shape[1])) @ dz.T).T,
    }


@right("rnn_cell_backward", "example by example, with outer products")
def outer_products(da_next, cache):
    a, a_prev, xt, p = cache
    dx, dprev, dWax, dWaa, dba = [], [], 0, 0, 0
    for k in range(a.shape[1]):
        dz = da_next[:, k] * (1 - a[:, k] ** 2)
        dx.append(p["Wax"].T @ dz)
        dprev.append(p["Waa"].T @ dz)
        dWax = dWax + np.outer(dz, xt[:, k])
        dWaa = dWaa + np.outer(dz, a_prev[:, k])
        dba = dba + dz
    dxt, da_prev = np.column_stack(dx), np.column_stack(dprev)
    g = {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa}
    return {**g, "dba": dba[:, None]}


@right("rnn_cell_backward", "the slope of exponentials: 4 / (e**z + e**-z)**2")
def of_exponentials(da_next, cache):
    _, a_prev, xt, p = cache
    z = p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"]
    dz = da_next * 4 / (np.exp(z) + np.exp(-z)) ** 2
    both = np.hstack([p["Waa"], p["Wax"]])
    n_a = len(z)
    back = both.T @ dz
    dW = dz @ np.vstack([a_prev, xt]).T
    g = {"da_prev": back[:n_a], "dxt": back[n_a:], "dWaa": dW[:, :n_a]}
    return {**g, "dWax": dW[:, n_a:], "dba": dz.sum(-1, keepdims=True)}


# ---- back through time


@right("rnn_backward", "recursion instead of a loop")
def recursive(da, caches):
    steps, _ = caches
    T = da.shape[2]

    def from_step(t):
        """Sums from step t on, and what step t hands back."""
        if t == T:
            return {"dWax": 0, "dWaa": 0, "dba": 0}, 0, []
        sums, carry, dxs = from_step(t + 1)
        a, prev, xt, p = steps[t]
        dz = (da[:, :, t] + carry) * (1 - a**2)
        here = {"dWax": dz @ xt.T, "dWaa": dz @ prev.T, "dba": dz.sum(1)[:, None]}
        sums = {k: sums[k] + here[k] for k in here}
        return sums, p["Waa"].T @ dz, [p["Wax"].T @ dz, *dxs]

    sums, da0, dxs = from_step(0)
    return {"dx": np.dstack(dxs), "da0": da0, **sums}


@right("rnn_backward", "every pair (t, s) of an output and a step, without a carry")
def every_pair(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    dz = np.zeros((n_a, m, T))
    da0 = np.zeros((n_a, m))
    for t in range(T):
        d = da[:, :, t]
        for s in range(t, -1, -1):
            d = d * (1 - steps[s][0] ** 2)
            dz[:, :, s] += d
            d = steps[s][3]["Waa"].T @ d
        da0 += d
    prev = np.stack([step[1] for step in steps[:T]], 2)
    p = steps[0][3]
    return {
        "dx": np.einsum("ax,amt->xmt", p["Wax"], dz),
        "da0": da0,
        "dWax": np.einsum("amt,xmt->ax", dz, x[:, :, :T]),
        "dWaa": np.einsum("amt,bmt->ab", dz, prev),
        "dba": dz.sum((1, 2))[:, None],
    }


@right(
    "rnn_backward",
    "JAX's own vjp of the whole, from the caches' inputs",
    tags="compiled",
)
def vjp_of_the_whole(da, caches):
    steps, x = caches
    p, T = steps[0][3], da.shape[2]

    def states(x, a, Wax, Waa, ba):
        every = []
        for t in range(T):
            a = jnp.tanh(Wax @ x[:, :, t] + Waa @ a + ba)
            every.append(a)
        return jnp.stack(every, 2)

    arrays = (x[:, :, :T], steps[0][1], p["Wax"], p["Waa"], p["ba"])
    _, pull = jax.vjp(states, *map(jnp.asarray, arrays))
    names = ("dx", "da0", "dWax", "dWaa", "dba")
    found = map(np.asarray, pull(jnp.asarray(da)))
    return dict(zip(names, found, strict=True))


@right("rnn_backward", "lists of deltas, products by np.block after the loop")
def flat_products(da, caches):
    steps, x = caches
    T, carry, dz = da.shape[2], 0, {}
    for t in range(T - 1, -1, -1):
        dz[t] = (da[:, :, t] + carry) * (1 - steps[t][0] ** 2)
        carry = steps[t][3]["Waa"].T @ dz[t]
    wide = np.block([dz[t] for t in range(T)])
    left = np.block([[steps[t][1] for t in range(T)], [steps[t][2] for t in range(T)]])
    p, n_a = steps[0][3], len(da)
    dW = wide @ left.T
    dx = (p["Wax"].T @ wide).reshape(len(x), T, -1).swapaxes(1, 2)
    g = {"dx": dx, "da0": carry, "dWaa": dW[:, :n_a], "dWax": dW[:, n_a:]}
    return {**g, "dba": wide.sum(axis=1, keepdims=True)}


@right("rnn_backward", "Fortran order and float64 buffers whatever comes in")
def fortran(da, caches):
    steps, x = caches
    n_a, m, T = da.shape
    p = steps[0][3]
    g = {k: np.zeros(np.shape(p[k[1:]]), order="F") for k in ("dWax", "dWaa", "dba")}
    g["dx"] = np.zeros((len(x), m, T), order="F")
    g["da0"] = np.zeros((n_a, m), order="F")
    for t in reversed(range(T)):
        a, prev, xt, _ = steps[t]
        dz = np.asfortranarray((da[:, :, t] + g["da0"]) * (1 - a * a))
        g["dx"][:, :, t] = p["Wax"].T @ dz
        g["da0"] = p["Waa"].T @ dz
        g["dWax"] += dz @ xt.T
        g["dWaa"] += dz @ prev.T
        g["dba"] += dz.sum(1, keepdims=True)
    return g


@right("rnn_backward", "da copied and then added to in place")
def copied_and_added_to(da, caches):
    steps, x = caches
    d, p, T = da.copy(), caches[0][0][3], da.shape[2]
    dz = np.zeros_like(d)
    for t in range(T - 1, 0, -1):
        dz[..., t] = d[..., t] * (1 - steps[t][0] ** 2)
        d[..., t - 1] += p["Waa"].T @ dz[..., t]
    dz[..., 0] = d[..., 0] * (1 - steps[0][0] ** 2)
    prev = np.stack([s[1] for s in steps[:T]], axis=-1)
    return {
        "dx": np.tensordot(p["Wax"], dz, ((0,), (0,))),
        "da0": p["Waa"].T @ dz[..., 0],
        "dWax": np.tensordot(dz, x[..., :T], ((1, 2), (1, 2))),
        "dWaa": np.tensordot(dz, prev, ((1, 2), (1, 2))),
        "dba": dz.sum(axis=(1, 2)).reshape(-1, 1),
    }
