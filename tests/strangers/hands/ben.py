"""Ben likes einsum, stacks all steps first, and makes one product over all of time."""

import numpy as np

from strangers.made import right, wrong


def unpack(da, caches):
    steps, x = caches
    T = da.shape[2]
    a = np.stack([s[0] for s in steps[:T]], axis=2)
    prev = np.stack([s[1] for s in steps[:T]], axis=2)
    return a, prev, x[:, :, :T], steps[0][3]


def deltas(da, a, Waa):
    """dz of every step, and what is left for the start state."""
    dz = np.empty_like(da)
    back = np.zeros_like(da[:, :, 0])
    for t in range(da.shape[2])[::-1]:
        dz[:, :, t] = (da[:, :, t] + back) * (1 - a[:, :, t] ** 2)
        back = np.einsum("ij,im->jm", Waa, dz[:, :, t])
    return dz, back


def collect(dz, back, prev, x, Wax):
    return dict(
        dx=np.einsum("ax,amt->xmt", Wax, dz),
        da0=back,
        dWax=np.einsum("amt,xmt->ax", dz, x),
        dWaa=np.einsum("amt,bmt->ab", dz, prev),
        dba=np.einsum("amt->a", dz)[:, None],
    )


@right("rnn_backward", "einsum over all of time")
def rnn_backward(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    return collect(dz, back, prev, x, p["Wax"])


@right("rnn_cell_backward", "einsum")
def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = da_next - da_next * a_next * a_next
    return {
        "dxt": np.einsum("ax,am->xm", p["Wax"], dz),
        "da_prev": np.einsum("ab,am->bm", p["Waa"], dz),
        "dWax": np.einsum("am,xm->ax", dz, xt),
        "dWaa": np.einsum("am,bm->ab", dz, a_prev),
        "dba": np.einsum("am->a", dz).reshape(-1, 1),
    }


@right("rnn_forward", "the input's product for all steps at once, by einsum")
def rnn_forward(x, a0, parameters):
    p = parameters
    drive = np.einsum("ax,xmt->amt", p["Wax"], x) + p["ba"][:, :, None]
    a = [a0]
    for t in range(x.shape[2]):
        a.append(np.tanh(drive[:, :, t] + p["Waa"] @ a[-1]))
    states = np.stack(a[1:], axis=2)
    z = np.einsum("ya,amt->ymt", p["Wya"], states) + p["by"][:, :, None]
    e = np.exp(z - z.max(0, keepdims=True))
    steps = [(a[t + 1], a[t], x[:, :, t], p) for t in range(x.shape[2])]
    return states, e / e.sum(0), (steps, x)


@wrong(
    "rnn_backward",
    "letters of the einsum for dWaa exchanged: it is transposed",
    "einsum letters, from memory",
    step={"dWaa": -1},
)
def letters_exchanged(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, prev, x, p["Wax"])
    g["dWaa"] = np.einsum("amt,bmt->ba", dz, prev)
    return g


@wrong(
    "rnn_backward",
    "Waa instead of its transpose carries the gradient back: 'ij,jm->im'",
    "einsum letters, from memory",
    step={"*": -2, "da0": -1},
)
def carried_by_Waa(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz = np.zeros_like(a)
    back = 0
    for t in reversed(range(a.shape[2])):
        dz[:, :, t] = (da[:, :, t] + back) * (1 - a[:, :, t] ** 2)
        back = np.einsum("ij,jm->im", p["Waa"], dz[:, :, t])
    return collect(dz, back, prev, x, p["Wax"])


@wrong(
    "rnn_backward",
    "the states before are a shifted by roll: a_prev of step 0 is the last state",
    "off by one",
    step={"dWaa": 0},
    tags="time",
)
def rolled(da, caches):
    a, _, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    return collect(dz, back, np.roll(a, 1, axis=2), x, p["Wax"])


@wrong(
    "rnn_backward",
    "the states before begin with a<0> instead of a0: first slot doubled",
    "a start state forgotten, from memory",
    step={"dWaa": 0},
    tags="time",
)
def first_slot_doubled(da, caches):
    a, _, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    prev = np.concatenate([a[:, :, :1], a[:, :, :-1]], axis=2)
    return collect(dz, back, prev, x, p["Wax"])


@wrong(
    "rnn_backward",
    "the states before begin with zeros instead of a0",
    "zeros for a0",
    step={"dWaa": 0},
    tags="time",
)
def zeros_before(da, caches):
    a, _, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    prev = np.zeros_like(a)
    prev[:, :, 1:] = a[:, :, :-1]
    return collect(dz, back, prev, x, p["Wax"])


@wrong(
    "rnn_backward",
    "dWaa pairs dz with the state of the same step (a_next)",
    "off by one",
    step={"dWaa": -1},
)
def same_step(da, caches):
    a, _, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, a, x, p["Wax"])
    return g


@wrong(
    "rnn_backward",
    "weight gradients are divided by the number of examples, dx and da0 are not",
    "not by the batch",
    step=-1,
    tags="scale",
)
def over_m(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, prev, x, p["Wax"])
    for name in ("dWax", "dWaa", "dba"):
        g[name] /= da.shape[1]
    return g


@wrong(
    "rnn_backward",
    "dba is a mean over examples and steps",
    "mean for sum",
    step={"dba": -1},
    tags="scale",
)
def mean_bias(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, prev, x, p["Wax"])
    g["dba"] = dz.mean(axis=(1, 2))[:, None]
    return g


@wrong(
    "rnn_backward",
    "weight gradients are divided by T",
    "a mean over time, from memory",
    step=-1,
    tags="scale",
)
def over_T(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, prev, x, p["Wax"])
    T = da.shape[2]
    return g | {k: g[k] / T for k in ("dWax", "dWaa", "dba")}


@wrong(
    "rnn_backward",
    "the list of dz was filled from the end and never turned round",
    "a list filled backwards, from memory",
    step={"*": -1},
    tags="time",
)
def never_turned_round(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = [], 0
    for t in reversed(range(da.shape[2])):
        dz.append((da[:, :, t] + back) * (1 - a[:, :, t] ** 2))
        back = p["Waa"].T @ dz[-1]
    return collect(np.stack(dz, axis=2), back, prev, x, p["Wax"])


@wrong(
    "rnn_backward",
    "only dx is stacked in the order in which the loop made it, which is backwards",
    "a list filled backwards, from memory",
    step={"dx": -1},
    tags="time",
)
def dx_backwards(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, prev, x, p["Wax"])
    g["dx"] = np.stack([p["Wax"].T @ dz[..., t] for t in range(dz.shape[2])][::-1], 2)
    return g


@wrong(
    "rnn_backward",
    "the slope is taken once for all steps at the last state",
    "first step's",
    step={"*": -2, "da0": -2},
    tags="time",
)
def slope_of_the_last(da, caches):
    a, prev, x, p = unpack(da, caches)
    slope = 1 - a[:, :, -1] ** 2
    dz, back = np.zeros_like(a), np.zeros_like(a[:, :, 0])
    for t in reversed(range(a.shape[2])):
        dz[:, :, t] = slope * (da[:, :, t] + back)
        back = p["Waa"].T @ dz[:, :, t]
    return collect(dz, back, prev, x, p["Wax"])


@wrong(
    "rnn_backward",
    "time is cut: dz of step 0 is not handed to da0, which is the carry into step 0",
    "slice of time",
    step={"da0": 0},
    tags="time",
)
def carry_into_step_0(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, prev, x, p["Wax"])
    after = dz[:, :, 1] if dz.shape[2] > 1 else 0 * dz[:, :, 0]
    g["da0"] = p["Waa"].T @ after
    return g


@wrong(
    "rnn_backward",
    "letters exchanged in dWaa, and dba a mean over the examples",
    "einsum letters and a mean for a sum, from memory",
    step=-1,
    tags="double scale",
)
def two_in_the_products(da, caches):
    a, prev, x, p = unpack(da, caches)
    dz, back = deltas(da, a, p["Waa"])
    g = collect(dz, back, prev, x, p["Wax"])
    g["dWaa"] = np.einsum("bmt,amt->ab", dz, prev)
    g["dba"] = dz.sum(2).mean(1, keepdims=True)
    return g


@wrong(
    "rnn_cell_backward",
    "an optimised path: one letter of dWax sums over examples twice",
    "einsum letters, from memory",
)
def examples_summed_apart(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = (1 - a_next**2) * da_next
    return {
        "dxt": np.einsum("ax,am->xm", p["Wax"], dz),
        "da_prev": np.einsum("ab,am->bm", p["Waa"], dz),
        "dWax": np.einsum("am,xn->ax", dz, xt),
        "dWaa": np.einsum("am,bm->ab", dz, a_prev),
        "dba": dz.sum(1)[:, None],
    }


@wrong(
    "rnn_cell_backward",
    "the slope stands outside of the sum over examples: meant per entry, used as mean",
    "a mean taken too early, from memory",
)
def slope_of_the_mean(da_next, cache):
    a_next, a_prev, xt, p = cache
    slope = (1 - a_next**2).mean(axis=1, keepdims=True)
    dz = slope * da_next
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": dz.sum(axis=1, keepdims=True),
    }
