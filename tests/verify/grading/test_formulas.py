"""Slips in several lines of a step are read off the function, gate by gate."""

import numpy as np
import pytest
from pairs import each

from scanrnn.verify import grade
from scanrnn.verify.grading import candidates, suspects
from scanrnn.verify.grading.cases import Sizes, generic
from scanrnn.verify.grading.conventions import arguments


def step_back(da_next, dc_next, cache, gates):
    """One step of the memory with the gates' lines of a learner."""
    (_, c_next, a_prev, _, ft, _, _, ot, xt, p) = cache
    n_a = len(a_prev)
    tanh_c = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - tanh_c**2)
    inputs = np.concatenate([a_prev, xt])
    found = {"dc_prev": dc * ft}
    back = 0
    for gate, delta in zip("ofic", gates(da_next, dc, dc_next, cache), strict=True):
        found["dW" + gate] = delta @ inputs.T
        found["db" + gate] = delta.sum(1, keepdims=True)
        back = back + p["W" + gate].T @ delta
    return found | {"da_prev": back[:n_a], "dxt": back[n_a:]}


def sequence(gates, keep=False):
    """The loop around it; ``keep``: biases are overwritten."""

    def lstm_backward(da, caches):
        caches, x = caches
        total, dx = {}, np.zeros((len(x), *da.shape[1:]))
        carry = memory = np.zeros(da.shape[:2])
        for t in reversed(range(da.shape[2])):
            step = step_back(da[:, :, t] + carry, memory, caches[t], gates)
            carry, memory = step["da_prev"], step["dc_prev"]
            dx[:, :, t] = step["dxt"]
            for name in step:
                before = 0 if keep and name[:2] == "db" else total.get(name, 0)
                total[name] = before + step[name]
        weights = {k: v for k, v in total.items() if k[:2] in ("dW", "db")}
        return {"dx": dx, "da0": carry} | weights

    return lstm_backward


def four_slips(da, dc, dc_next, cache):
    (_, c1, a0, _, f, i, g, o, _, _) = cache
    return (
        da * np.tanh(c1) * o,
        dc * c1 * f * (1 - f**2),
        dc * g * (1 - g),
        dc * i * (1 - i) * a0,
    )


def streams_apart(da, dc, dc_next, cache):
    (_, c1, _, c0, f, i, g, o, _, _) = cache
    tanh_c = np.tanh(c1)
    return (
        da * tanh_c * o * o,
        dc * c0 * f * (1 - f),
        dc_next * i * (1 - i) * g + da * tanh_c * g,
        dc * i * (1 - g**2),
    )


def sums(da, dc, dc_next, cache):
    (_, c1, _, c0, f, i, g, o, _, _) = cache
    return (
        da * (o - np.tanh(c1) ** 2),
        dc * c0 * f * (1 - f),
        -2 * dc * f * i * (1 - i**2),
        dc * i * (1 - g**2),
    )


def lost_parentheses(da, dc, dc_next, cache):
    (_, c1, _, c0, f, i, g, o, _, _) = cache
    return (
        da * np.tanh(c1) * o - o**2,
        dc * c0 * f - f**2,
        dc * g * i * (1 - i),
        dc * i * (1 - g),
    )


@pytest.mark.parametrize(
    ("gates", "one_step"),
    each([four_slips, streams_apart, sums, lost_parentheses], [True, False]),
)
def test_several_slips_in_the_gates_are_named(gates, one_step, monkeypatch):
    runs = []
    described = candidates._suspicion

    def remember(case, first, *others):
        runs.append(first.slip.run)
        return described(case, first, *others)

    monkeypatch.setattr(candidates, "_suspicion", remember)

    def lstm_cell_backward(da_next, dc_next, cache):
        return step_back(da_next, dc_next, cache, gates)

    like = "lstm_cell_backward" if one_step else "lstm_backward"
    function = lstm_cell_backward if one_step else sequence(gates)
    first = grade(function, like).suspicions[0]
    assert first.score == 1
    assert all(" in place of " in name for name in first.names)
    fresh = generic(like, Sizes(4, 6, 3, 3, 5), 11)  # nobody has seen it
    found, given = function(*arguments(fresh).values()), runs[0](fresh)
    for leaf, value in found.items():
        np.testing.assert_allclose(given[leaf], value, 1e-9, 1e-9)


def test_beside_formulas_a_slip_of_the_loop_is_found():
    first = grade(sequence(four_slips, keep=True), "lstm_backward").suspicions[0]
    assert first.score == 1
    assert len(first.names) > 4
    assert any("overwrite" in name for name in first.names)


@pytest.mark.parametrize(
    ("factor", "named"),
    [
        (lambda a: 1 - a**2, "dx, dWax, dWaa, dba: one factor too many, 1 - a ** 2"),
        (lambda a: (1 - a) ** 2, "dxt, dWax, dWaa, dba: "),  # by no edit, but a formula
    ],
)
def test_a_factor_in_all_leaves_but_the_carry_is_found(factor, named):
    def rnn_backward(da, caches):
        caches, x = caches
        carry, leaves = 0, dict.fromkeys(("dWax", "dWaa", "dba"), 0)
        dx = np.zeros((len(x), *da.shape[1:]))
        for t in reversed(range(da.shape[2])):
            a_next, a_prev, xt, p = caches[t]
            dz = (da[:, :, t] + carry) * (1 - a_next**2)
            carry = p["Waa"].T @ dz
            late = dz * factor(a_next)
            dx[:, :, t] = p["Wax"].T @ late
            leaves["dWax"] = leaves["dWax"] + late @ xt.T
            leaves["dWaa"] = leaves["dWaa"] + late @ a_prev.T
            leaves["dba"] = leaves["dba"] + late.sum(1, keepdims=True)
        return {"dx": dx, "da0": carry, **leaves}

    first = grade(rnn_backward, "rnn_backward").suspicions[0]
    assert first.score == 1
    assert first.names[0].startswith(named)


def test_what_is_no_formula_of_the_cache_is_not_made_up(monkeypatch):
    monkeypatch.setattr(suspects, "PATIENCE", 0.5)
    noise = np.random.default_rng(0).standard_normal(64)

    def strange(da, dc, dc_next, cache):
        o, f, i, g = four_slips(da, dc, dc_next, cache)
        return o, f, i, g * noise[: len(g), None]

    verdict = grade(sequence(strange), "lstm_backward")
    assert not any(suspicion.score == 1 for suspicion in verdict.suspicions)


def crossed(da_next, dc_next, cache):
    """Slips in a slope, in the products of two leaves and in one of the weights."""
    (_, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p) = cache
    n_a = len(a_prev)
    found = step_back(
        da_next,
        dc_next,
        cache,
        lambda da, dc, *_: (
            da * np.tanh(c_next) * ot * (1 - ot),
            dc * c_prev * ft * (1 - ft),
            dc * cct * it * (1 - ft),
            dc * it * (1 - cct**2),
        ),
    )
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dcct = dc * it * (1 - cct**2)
    dit = dc * cct * it * (1 - ft)
    back = np.concatenate((found["da_prev"], found["dxt"]))
    back = back + p["Wi"].T @ (dcct - dit)
    found["dWc"] = dcct @ np.concatenate((xt, a_prev)).T
    return found | {"da_prev": back[:n_a], "dxt": back[n_a:]}


def transposed(da_next, cache):
    """Three slips in one step of the simple network."""
    a_next, _, xt, p = cache
    dz = da_next * (1 - a_next)
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"] @ da_next,
        "dWax": dz @ xt.T,
        "dWaa": da_next @ a_next.T,
        "dba": dz.sum(1, keepdims=True),
    }


@pytest.mark.parametrize(
    "function, like, lines",
    [
        (crossed, "lstm_cell_backward", {"dit", "dxt", "da_prev", "dWc"}),
        (transposed, "rnn_cell_backward", {"dtanh", "da_prev", "dWaa"}),
    ],
)
def test_products_in_several_leaves_are_named_leaf_by_leaf(function, like, lines):
    first = grade(function, like).suspicions[0]
    assert first.score == 1
    assert {name.split(":")[0] for name in first.names} == lines
