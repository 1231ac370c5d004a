"""The passes as programs, and the edits that rules make of them."""

import ast
import functools

import numpy as np
import pytest

from scanrnn.verify.grading.cases import generic
from scanrnn.verify.grading.edits import edits, groups
from scanrnn.verify.grading.mistakes import passes
from scanrnn.verify.grading.programs import programs
from scanrnn.verify.grading.programs.run import try_run
from scanrnn.verify.grading.programs.tree import at, located, substitute, walk
from scanrnn.verify.grading.replay import replay
from scanrnn.verify.grading.search import shipped
from scanrnn.verify.grading.search.slips import Edited, fit

LIKES = [
    *(f"{cell}_{part}backward" for cell in passes.KINDS for part in ("cell_", "")),
    *(f"{cell}_{part}forward" for cell in ("rnn", "lstm") for part in ("cell_", "")),
    "readout_backward",
]


@pytest.mark.parametrize("like", LIKES)
def test_every_program_gives_what_the_right_pass_gives(like):
    case = generic(like)
    right = replay(case)
    for program in programs(like.split("_")[0]):
        if program.convention == "rows" and like.endswith("forward"):
            continue
        own = {name: program.codes[name] for name in program.reached(like)}
        for codes in ({}, own):  # on the right caches, and on those it makes
            leaves = try_run(program, case, codes)
            assert leaves is not None, program.name
            assert set(leaves) - {"h"} == set(right)
            for leaf, value in right.items():
                np.testing.assert_allclose(leaves[leaf], value, 1e-11, 1e-12)


RNN = [e for group in groups("rnn_backward") for e in edits("rnn", *group)]
LSTM = [
    e
    for form in ("course", "factored")
    for e in edits("lstm", form, "lstm_cell_backward")
]

# What people get wrong, line for line; none of these lines stands in a rule.
LINES = {
    "a factor dropped": "dtanh = da_next",
    "a factor doubled": "dit = di * it * it * (1 - it)",
    "an operand from its neighbours": "dWaa = np.dot(dtanh, a_next.T)",
    "another gate": "dft = df * it * (1 - ft)",
    "c_next for c_prev": "df = dc * c_next",
    "the last step's": "gradients = rnn_cell_backward(da[:, :, t - 1] + da_prevt, "
    "caches[t])",
    "the stream from the output": "da_prev = np.dot(Waa.T, da_next)",
    "a derivative of the activation again": "dtanh = (1 - np.tanh(a_next) ** 2) * "
    "da_next",
    "the other derivative": "dcct = dcc * (cct * (1 - cct))",
    "parentheses": "dtanh = 1 - a_next ** 2 * da_next",
    "product and derivative": "da_prev = np.dot(Waa.T, da_next) * (1 - a_next ** 2)",
    "a transpose": "da_prev = np.dot(Waa, dtanh)",
    "an einsum letter": "dWaa = np.einsum('amt,bmt->ba', dz, a_before)",
    "a block": "da_prev = dconcat[n_a:, :]",
    "a concatenation": "concat = np.concatenate((xt, a_prev), axis=0)",
    "an axis": "dba = np.sum(dtanh, axis=0, keepdims=True).T",
    "no keepdims": "dba = np.sum(dtanh, axis=1)",
    "= for +=": "dWaa = gradients['dWaa']",
    "+= for =": "da_prevt += gradients['da_prev']",
    "one array": "dWi = dWf",
    "the wrong leaf": "dWaa += gradients['dWax']",
    "a loop bound": "for t in range(T_x - 1, 0, -1):",
    "the direction": "for t in range(T_x):",
    "an initial value": "da_prevt = da[:, :, -1].copy()",
    "a view": "stored = a[:, :, t - 1]",
    "by m": "dba += gradients['dba'] / m",
    "by T": "dWax += gradients['dWax'] / T_x",
    "clipped": "da_prevt = np.clip(gradients['da_prev'], -1, 1)",
    "one term divided": "da_next = da[:, :, t] / T_x + da_prevt",
    "the start of time": "dWaa += np.dot(dz, (a_next if t == 0 else a_prev).T)",
    "a line that a step skips": "if t > 0: da_prevt = gradients['da_prev']",
    "the sum of the weights": "dba = np.sum(dWaa, axis=1, keepdims=True)",
    "the mean slope": "dWax = np.dot(da_next, xt.T) * np.mean(1 - a_next ** 2, axis=1, "
    "keepdims=True)",
    "cut in the other order": "dxt = dconcat[:xt.shape[0], :]",
    "before its slope": "dbi = np.sum(di, axis=1, keepdims=True)",
    "the function for its slope": "dit = di * sigmoid(it)",
    "a coupled gate": "dcc = dc * (1 - ft)",
    "on the tape before its function": "cache = (np.dot(Waa, a_prev) + np.dot(Wax, xt) "
    "+ ba, a_prev, xt, parameters)",
    "a softmax over the examples": "yt_pred = softmax((np.dot(Wya, a_next) + by).T).T",
    "a dtype": "dx = np.zeros((n_x, m, T_x), int)",
    "a slope without parentheses": "dot = do * ot - ot ** 2",
    "the slope in the value's array": "do = da_next * (1 - tanh_c ** 2)",
    "states after for states before": "before = np.concatenate((h[:, 1:], "
    "cache[0][1][:, None]), axis=1)",
    "reshaped back": "return {'dx': np.moveaxis(dx, 0, 2).reshape(dx.shape), "
    "'da0': da0, 'dWax': dWax, 'dWaa': dWaa, 'dba': dba}",
}


@pytest.mark.parametrize("family", LINES)
def test_the_rules_make_the_lines_that_people_write(family):
    lines = every_line()
    assert LINES[family] in lines


LATER = {
    "sums of sums": ("rnn", "course", "dWax += (t + 1) * gradients['dWax']"),
    "examples as columns": (
        "rnn",
        "flat",
        "da_next = da.reshape(len(da), -1)[:, t * da.shape[1]:(t + 1) * da.shape[1]]"
        " + da_prevt",
    ),
    "another step's cache": (
        "gru",
        "rows, flat",
        "dan = dnext_h * (1 - cache[t - 1][3]) * (1 - n ** 2)",
    ),
    "a mean so far": ("rnn", "course", "dba = (dba + gradients['dba']) / 2"),
    "a slope more when the loop is done": (
        "rnn",
        "whole",
        "dx = np.einsum('ax,amt->xmt', parameters['Wax'], dz * (1 - a ** 2))",
    ),
}


@pytest.mark.parametrize("family", LATER)
def test_the_rules_make_lines_of_the_loop_that_people_write(family):
    cell, form, line = LATER[family]
    assert line in {e.lines()[0] for e in edits(cell, form, f"{cell}_backward")}


def test_a_carry_may_be_wrong_and_the_start_right():
    name = "da_prevt, da0: da_next in place of dz, but not at the start"
    made = next(e for e in edits("rnn", "flat", "rnn_backward") if e.name == name)
    case = generic("rnn_backward")
    given = Edited((made,)).run(case)
    waa, carry, dba = case.inputs["parameters"]["Waa"], 0, 0
    for t in reversed(range(case.inputs["da"].shape[2])):
        da_next = case.inputs["da"][:, :, t] + carry
        dz = da_next * (1 - case.inputs["caches"][t]["a_next"] ** 2)
        dba = dba + dz.sum(1, keepdims=True)
        carry = waa.T @ da_next
    np.testing.assert_allclose(given["dba"], dba, 1e-11)
    np.testing.assert_allclose(given["da0"], waa.T @ dz, 1e-11)


def test_two_edits_in_one_line_are_made_at_once():
    known = edits("readout", "course", "readout_backward")
    sign = next(e for e in known if e.name == "dl: the sign is wrong")
    mean = next(e for e in known if e.name == "dl: the factor T_x is left out")
    case = generic("readout_backward")
    right = replay(case)
    steps = case.inputs["a"].shape[2]
    for both in ((sign, mean), (mean, sign)):
        assert fit(*both)
        given = Edited(both).run(case)
        for leaf, value in right.items():
            np.testing.assert_allclose(given[leaf], -steps * value, 1e-11, 1e-12)


def test_edits_of_which_one_leaves_nothing_of_the_other_do_not_fit():
    known = edits("readout", "course", "readout_backward")
    zero = next(e for e in known if e.name == "dl: T_x divides")
    swaps = [e for e in known if e.clashes(zero) and e is not zero]
    assert swaps
    assert all(not fit(zero, e) for e in swaps)


@functools.cache
def every_line():
    told = {e.rule for e in (*RNN, *LSTM)} - {"scaled", "added", "missing"}
    loops = edits("lstm", "course", "lstm_backward")
    return {e.lines()[0] for e in (*RNN, *LSTM, *loops) if e.rule in told}


def test_thousands_of_single_edits_each_told_in_words():
    assert len(RNN) > 3000
    assert len(LSTM) > 5000
    for edit in (*RNN, *LSTM):
        assert edit.what and edit.cost >= 1, edit
    some = RNN[::50]
    for edit in some:
        wrong, right = edit.lines()
        assert edit.name and right and wrong != right


def test_an_edit_leaves_the_program_as_it_was():
    program = programs("rnn")[0]
    tree = program.trees["rnn_backward"]
    before = ast.dump(tree)
    for path, node in walk(tree):
        if isinstance(node, ast.Name):
            changed = substitute(tree, path, located(ast.Name("other", node.ctx)))
            assert at(changed, path).id == "other"
    assert ast.dump(tree) == before


@pytest.mark.parametrize("like", ["rnn_backward", "lstm_backward", "readout_backward"])
def test_what_is_shipped_was_made_by_these_rules(like):
    # python -m scanrnn.verify.grading.search.build makes it anew
    assert shipped.table(like).up_to_date()


def test_what_is_shipped_is_small():
    assert shipped.FILE.stat().st_size < 5e6


@pytest.mark.parametrize("like", ["rnn_backward", "lstm_cell_backward", "gru_backward"])
def test_what_is_shipped_is_what_the_slips_give(like):
    known = shipped.table(like)
    case = shipped.fixed(like)["usual"]
    right = known.right("usual")
    marks = known.marks("usual")
    for i in range(0, known.size, 97):
        found = shipped.marks(known.slips(i)[0].run(case), right)
        np.testing.assert_allclose(found, marks[i], 1e-5, 1e-6)
