"""Gita fills in the LSTM cell of the notebook, with the gate slopes inside."""

import numpy as np

from strangers.made import right, wrong


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def open_up(cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    W = [parameters[k] for k in ("Wf", "Wi", "Wc", "Wo")]
    return a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W


def finish(dft, dit, dcct, dot, W, a_prev, xt, dc_prev):
    """From the four gate derivatives to everything that is returned."""
    Wf, Wi, Wc, Wo = W
    n_a = a_prev.shape[0]
    concat = np.concatenate((a_prev, xt), axis=0)
    out = {"dc_prev": dc_prev}
    for name, d in (("f", dft), ("i", dit), ("c", dcct), ("o", dot)):
        out["dW" + name] = np.dot(d, concat.T)
        out["db" + name] = np.sum(d, axis=1, keepdims=True)
    out["da_prev"] = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wc[:, :n_a].T, dcct)
        + np.dot(Wo[:, :n_a].T, dot)
    )
    out["dxt"] = (
        np.dot(Wf[:, n_a:].T, dft)
        + np.dot(Wi[:, n_a:].T, dit)
        + np.dot(Wc[:, n_a:].T, dcct)
        + np.dot(Wo[:, n_a:].T, dot)
    )
    return out


@right("lstm_cell_backward", "the notebook's formulas, with gate slopes inside")
def lstm_cell_backward(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@right("lstm_backward", "the notebook's loop over her cell")
def lstm_backward(da, caches):
    (caches, x) = caches
    n_a, m, T_x = da.shape
    dx = np.zeros((x.shape[0], m, T_x))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    sums = {}
    for t in reversed(range(T_x)):
        g = lstm_cell_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt, dc_prevt = g.pop("da_prev"), g.pop("dc_prev")
        dx[:, :, t] = g.pop("dxt")
        for name in g:
            sums[name] = sums.get(name, 0) + g[name]
    return {"dx": dx, "da0": da_prevt, **sums}


@wrong(
    "lstm_cell_backward",
    "parentheses missing: dc_next * cct + (the rest with it (1 - it)); so for f and c",
    "cell off",
)
def parentheses_missing(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    s = 1 - np.square(np.tanh(c_next))
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc_next * it + ot * s * it * da_next * (1 - np.square(cct))
    dit = dc_next * cct + ot * s * cct * da_next * it * (1 - it)
    dft = dc_next * c_prev + ot * s * c_prev * da_next * ft * (1 - ft)
    dc_prev = dc_next * ft + ot * s * ft * da_next
    return finish(dft, dit, dcct, dot, W, a_prev, xt, dc_prev)


@wrong(
    "lstm_cell_backward",
    "dcct has the slope 1 - tanh(cct)**2: tanh once more of the candidate",
    "wrong formula",
)
def tanh_of_the_candidate(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - tc**2) * da_next
    dcct = total * it * (1 - np.tanh(cct) ** 2)
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "the slope of the memory is 1 - c_next**2, without tanh",
    "wrong formula",
)
def no_tanh_in_slope(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(c_next)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dot uses c_next where tanh(c_next) belongs",
    "no tanh",
)
def dot_without_tanh(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * c_next * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dc_next is forgotten: the memory gets gradient from the output alone",
    "= for +=",
)
def memory_from_output_alone(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dc_prev is dc_next * ft: what comes from the output is left out of it",
    "c at the end",
)
def dc_prev_without_output(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, dc_next * ft)


@wrong(
    "lstm_cell_backward",
    "dft uses c_next instead of c_prev",
    "off by one",
)
def dft_with_c_next(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_next * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dit and dcct take each other's factor: it with it, cct with cct",
    "two letters exchanged, from memory",
)
def factors_exchanged(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * cct * (1 - np.square(cct))
    dit = total * it * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "the slope of the forget gate is left out",
    "a slope forgotten in one of four lines, from memory",
)
def no_slope_of_f(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "sigmoid(ft) instead of its slope ft (1 - ft)",
    "sigmoid again",
)
def sigmoid_for_slope(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = sigmoid(ft) * total * c_prev
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "gate slopes are taken of sigmoid(gate): the activation is applied again",
    "tanh for o",
)
def slopes_of_sigmoid_again(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)

    def slope(g):
        return sigmoid(g) * (1 - sigmoid(g))

    tc = np.tanh(c_next)
    dot = da_next * tc * slope(ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * slope(it)
    dft = total * c_prev * slope(ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dot has da_next * tanh(c) * (1 - ot): a factor ot is missing",
    "a factor forgotten, from memory",
)
def one_factor_of_o(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "the gradient that reaches c lacks the factor ot",
    "a factor forgotten, from memory",
)
def memory_without_o(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dcct has i's slope and dit has tanh's: the slopes are exchanged",
    "two slopes exchanged, from memory",
)
def slopes_exchanged(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * it * (1 - it)
    dit = total * cct * (1 - np.square(cct))
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dit is made with dc_next alone, the others with the whole",
    "other delta",
)
def one_gate_without_output(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = dc_next * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "dc_prev is multiplied by it instead of ft",
    "two gates mixed up, from memory",
)
def kept_by_i(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * it)


@wrong(
    "lstm_cell_backward",
    "the cache is taken apart with it before ft",
    "the order of a tuple, from memory",
    tags="caches",
)
def unpacked_i_first(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, it, ft, cct, ot, xt, parameters) = cache
    W = [parameters[k] for k in ("Wf", "Wi", "Wc", "Wo")]
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "the weights are read in the order f, i, o, c but used as f, i, c, o",
    "wrong gate order, from memory",
)
def weights_in_another_order(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    p = cache[-1]
    W = [p["Wf"], p["Wi"], p["Wo"], p["Wc"]]
    tc = np.tanh(c_next)
    dot = da_next * tc * ot * (1 - ot)
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)


@wrong(
    "lstm_cell_backward",
    "parentheses missing in dft alone, and dbo a mean",
    "two slips in one evening, from memory",
    tags="double scale",
)
def dft_and_dbo(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    s = 1 - np.square(np.tanh(c_next))
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    total = dc_next + ot * s * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = dc_next * c_prev + ot * s * da_next * c_prev * ft * (1 - ft)
    out = finish(dft, dit, dcct, dot, W, a_prev, xt, total * ft)
    out["dbo"] = np.mean(dot, axis=1, keepdims=True)
    return out


@wrong(
    "lstm_cell_backward",
    "no slope at the output gate, and dc_prev without what comes from the output",
    "two slips in one evening, from memory",
    tags="double",
)
def dot_and_dc_prev(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, W = open_up(cache)
    tc = np.tanh(c_next)
    dot = da_next * tc
    total = dc_next + ot * (1 - np.square(tc)) * da_next
    dcct = total * it * (1 - np.square(cct))
    dit = total * cct * it * (1 - it)
    dft = total * c_prev * ft * (1 - ft)
    return finish(dft, dit, dcct, dot, W, a_prev, xt, dc_next * ft)
