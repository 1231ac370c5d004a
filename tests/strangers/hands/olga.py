"""Olga comes back to her notebook after a week; some cells have two slips in them."""

import numpy as np

from strangers.made import right, wrong


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_cell(da_next, dc_next, cache, formulas):
    """Her cell around four formulas, which she keeps changing."""
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p) = cache
    n_a = len(a_prev)
    d, dc_prev = formulas(da_next, dc_next, c_next, c_prev, ft, it, cct, ot)
    stacked = np.concatenate([a_prev, xt])
    g = {"dc_prev": dc_prev}
    back = sum(p["W" + k].T @ d[k] for k in "fico")
    g["da_prev"], g["dxt"] = back[:n_a], back[n_a:]
    for k in "fico":
        g["dW" + k] = d[k] @ stacked.T
        g["db" + k] = d[k].sum(axis=1, keepdims=True)
    return g


def as_it_should_be(da, dc, c_next, c_prev, f, i, cc, o):
    s = 1 - np.tanh(c_next) ** 2
    d = {
        "o": da * np.tanh(c_next) * o * (1 - o),
        "c": (dc * i + o * s * i * da) * (1 - cc**2),
        "i": (dc * cc + o * s * cc * da) * i * (1 - i),
        "f": (dc * c_prev + o * s * c_prev * da) * f * (1 - f),
    }
    return d, dc * f + o * s * f * da


def lstm_loop(da, caches, formulas, carry=lambda a, c: (a, c)):
    steps, x = caches
    n_a, m, T = da.shape
    da_prev = dc_prev = np.zeros((n_a, m))
    dx, total = np.zeros((x.shape[0], m, T)), {}
    for t in range(T - 1, -1, -1):
        g = lstm_cell(da[:, :, t] + da_prev, dc_prev, steps[t], formulas)
        da_prev, dc_prev = carry(g.pop("da_prev"), g.pop("dc_prev"))
        dx[:, :, t] = g.pop("dxt")
        total = {k: total.get(k, 0) + v for k, v in g.items()}
    return {"dx": dx, "da0": da_prev} | total


@right("lstm_backward", "both terms of every formula written out")
def lstm_backward(da, caches):
    return lstm_loop(da, caches, as_it_should_be)


@right("lstm_cell_backward", "both terms of every formula written out")
def lstm_cell_backward(da_next, dc_next, cache):
    return lstm_cell(da_next, dc_next, cache, as_it_should_be)


def loop_over(formulas, cause, story="loop right, cell wrong", **more):
    more = {"step": {"*": -2, "dx": -1, "da0": -1}} | more
    made = wrong("lstm_backward", cause, story, **more)
    return made(lambda da, caches: lstm_loop(da, caches, formulas))


def changed(**lines):
    """The formulas with some of them replaced by others, by letter; p is dc_prev."""

    def formulas(da, dc, c_next, c_prev, f, i, cc, o):
        d, dc_prev = as_it_should_be(da, dc, c_next, c_prev, f, i, cc, o)
        s, th = 1 - np.tanh(c_next) ** 2, np.tanh(c_next)
        v = {"da": da, "dc": dc, "c_next": c_next, "c_prev": c_prev, "f": f, "i": i}
        v |= {"cc": cc, "o": o, "s": s, "th": th}
        new = {k: line(v) for k, line in lines.items()}
        return d | {k: x for k, x in new.items() if k != "p"}, new.get("p", dc_prev)

    return formulas


no_parentheses = loop_over(
    changed(
        i=lambda v: (
            v["dc"] * v["cc"]
            + v["o"] * v["s"] * v["cc"] * v["da"] * v["i"] * (1 - v["i"])
        ),
    ),
    "in dit alone the parentheses are missing, in a right loop over time",
    step={"*": -3, "dWi": -2, "dbi": -2, "dx": -2, "da0": -2},
)
candidate_of_the_first_edition = loop_over(
    changed(
        c=lambda v: (
            v["dc"] * v["i"]
            + v["o"] * v["s"] * v["i"] * v["da"] * v["cc"] * (1 - np.tanh(v["cc"]) ** 2)
        ),
    ),
    "dcct as an early edition printed it: one term with cct (1 - tanh(cct)**2)",
    "wrong formula",
    step={"*": -2, "dWc": -1, "dbc": -1, "dx": -1, "da0": -1},
)
wrong_sign = loop_over(
    changed(
        f=lambda v: (
            (v["dc"] - v["o"] * v["s"] * v["da"]) * v["c_prev"] * v["f"] * (1 - v["f"])
        )
    ),
    "dft subtracts the output's part",
    "a sign, from memory",
    step={"*": -2, "dWf": -1, "dbf": -1, "dx": -1, "da0": -1},
)
o_of_c = loop_over(
    changed(
        o=lambda v: v["da"] * np.tanh(v["c_prev"]) * v["o"] * (1 - v["o"]),
        p=lambda v: v["dc"] + v["o"] * v["s"] * v["da"],
    ),
    "dot uses tanh(c_prev), and dc_prev lacks ft",
    "two slips in one evening, from memory",
    step={"*": -2, "dWo": -1, "dbo": -1, "dx": -1, "da0": -1},
    tags="double",
)
slopes_of_two = loop_over(
    changed(
        i=lambda v: (v["dc"] + v["o"] * v["s"] * v["da"]) * v["cc"],
        f=lambda v: (v["dc"] + v["o"] * v["s"] * v["da"]) * v["c_prev"],
    ),
    "the slopes of both gates i and f are left out",
    "two slips in one evening, from memory",
    step={"*": -2, "dWi": -1, "dbi": -1, "dWf": -1, "dbf": -1, "dx": -1, "da0": -1},
    tags="double",
)
candidate_and_output = loop_over(
    changed(
        c=lambda v: (v["dc"] + v["o"] * v["s"] * v["da"]) * v["i"] * (1 - v["cc"]),
        o=lambda v: v["da"] * v["th"] * v["o"] * (1 + v["o"]),
    ),
    "the square of cct is missing in its slope, and dot has 1 + ot",
    "two slips in one evening, from memory",
    step={"*": -2, "dWc": -1, "dbc": -1, "dWo": -1, "dbo": -1, "dx": -1, "da0": -1},
    tags="double",
)


@wrong(
    "lstm_backward",
    "the carry of the state is halved by an average, and that of the memory dropped",
    "two slips in one evening, from memory",
    step={"*": -2, "da0": -1},
    tags="double",
)
def averaged_carry(da, caches):
    return lstm_loop(da, caches, as_it_should_be, lambda a, c: (a / 2, 0 * c))


def rnn_step(da_next, cache):
    a, a_prev, xt, p = cache
    dz = (1 - a * a) * da_next
    return dz, p["Wax"].T @ dz, p["Waa"].T @ dz


def rnn_loop(da, caches, each):
    """Her loop; ``each(g, dz, cache, t)`` adds to the sums in g."""
    steps, x = caches
    n_a, m, T = da.shape
    g = {"dWax": np.zeros((n_a, len(x))), "dWaa": np.zeros((n_a, n_a))}
    g["dba"] = np.zeros((n_a, 1))
    dx, back = np.zeros((len(x), m, T)), np.zeros((n_a, m))
    for t in reversed(range(T)):
        dz, dx[:, :, t], back = rnn_step(da[:, :, t] + back, steps[t])
        each(g, dz, steps[t], t)
    return {"dx": dx, "da0": back} | g


@wrong(
    "rnn_backward",
    "dWaa is set instead of added to, and made with a_next",
    "two slips in one evening, from memory",
    step=-1,
    tags="double",
)
def set_and_next(da, caches):
    def each(g, dz, cache, t):
        g["dWax"] += dz @ cache[2].T
        g["dWaa"] = dz @ cache[0].T
        g["dba"] += dz.sum(1, keepdims=True)

    return rnn_loop(da, caches, each)


@wrong(
    "rnn_backward",
    "dba is a mean over the examples, and dWax divided by T",
    "two slips in one evening, from memory",
    step=-1,
    tags="double scale",
)
def mean_and_T(da, caches):
    def each(g, dz, cache, t):
        g["dWax"] += dz @ cache[2].T / da.shape[2]
        g["dWaa"] += dz @ cache[1].T
        g["dba"] += dz.mean(1, keepdims=True)

    return rnn_loop(da, caches, each)


@wrong(
    "rnn_backward",
    "the input of the step before stands in dWax, wrapped around, and dba counts twice",
    "two slips in one evening, from memory",
    step=-1,
    tags="double time",
)
def input_before_and_twice(da, caches):
    def each(g, dz, cache, t):
        g["dWax"] += dz @ caches[1][:, :, t - 1].T
        g["dWaa"] += dz @ cache[1].T
        g["dba"] += 2 * dz.sum(1, keepdims=True)

    return rnn_loop(da, caches, each)


@wrong(
    "rnn_backward",
    "dba adds only where t > 0",
    "an if that was meant for a0, from memory",
    step={"dba": 0},
    tags="time",
)
def dba_without_step_0(da, caches):
    def each(g, dz, cache, t):
        g["dWax"] += dz @ cache[2].T
        g["dWaa"] += dz @ cache[1].T
        if t > 0:
            g["dba"] += dz.sum(1, keepdims=True)

    return rnn_loop(da, caches, each)


@right("rnn_backward", "sums handed to a function that adds to them")
def rnn_backward(da, caches):
    def each(g, dz, cache, t):
        g["dWax"] += dz @ cache[2].T
        g["dWaa"] += dz @ cache[1].T
        g["dba"] += dz.sum(1, keepdims=True)

    return rnn_loop(da, caches, each)
