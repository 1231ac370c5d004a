"""The search: pairs, chance, what is plain to see, what a pattern implies, steps."""

import importlib

import numpy as np
import pytest

from scanrnn.verify import explain, grade
from scanrnn.verify.grading import suspects
from scanrnn.verify.grading.cases import official
from scanrnn.verify.grading.edits import edits
from scanrnn.verify.grading.mistakes import of
from scanrnn.verify.grading.mutants import mutant
from scanrnn.verify.grading.replay import replay
from scanrnn.verify.grading.search.marks import marks, same
from scanrnn.verify.grading.search.pairs import joined
from scanrnn.verify.grading.search.plain import everything
from scanrnn.verify.grading.search.shipped import table
from scanrnn.verify.grading.search.slips import Edited, fit

RIGHT = mutant("rnn_backward")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Where no pair will be found, none is looked for long."""
    monkeypatch.setattr(suspects, "PATIENCE", 0.3)
    monkeypatch.setattr(importlib.import_module(explain.__module__), "PATIENCE", 0.5)


def rnn_edit(form, function, line):
    """The edit that writes a line."""
    every = edits("rnn", form, function)
    return next(e for e in every if e.lines()[0] == line)


def posted(leaves, digits=8):
    """The entries that the exercise prints."""
    places = {"dx": (1, 2), "da0": (2, 3), "dWax": (3, 1), "dWaa": (1, 2), "dba": (4,)}
    return {
        f"{leaf}{''.join(f'[{i}]' for i in at)}": np.round(leaves[leaf][at], digits)
        for leaf, at in places.items()
    }


def test_two_edits_of_different_lines_are_found_from_printed_entries():
    one = rnn_edit("course", "rnn_cell_backward", "dWaa = np.dot(dtanh, a_next.T)")
    two = rnn_edit("course", "rnn_backward", "dx[:, :, t - 1] = gradients['dxt']")
    leaves = Edited((one, two)).run(official("rnn_backward"))
    first = explain(posted(leaves)).suspicions[0]
    assert first.score == 1
    assert len(first.names) == 2
    assert "a_next" in str(first) and "t - 1" in str(first)


def test_an_edit_and_a_clobbered_array_are_found_from_printed_entries():
    one = rnn_edit("course", "rnn_cell_backward", "da_prev = np.dot(Waa, dtanh)")
    two = rnn_edit("buffers", "rnn_forward", "stored = a[:, :, t - 1]")
    leaves = Edited((one, two)).run(official("rnn_backward"))
    first = explain(posted(leaves)).suspicions[0]
    assert first.score == 1
    assert set(first.names) == {
        "Waa is not transposed",
        "caches: a_prev of step 0 is the last state",
    }


def test_edits_of_one_place_do_not_combine():
    one = rnn_edit("course", "rnn_cell_backward", "dWaa = np.dot(dtanh, a_next.T)")
    whole = rnn_edit("course", "rnn_cell_backward", "dWaa = dtanh")
    other = rnn_edit("course", "rnn_cell_backward", "dWax = np.dot(da_next, xt.T)")
    assert not fit(one, whole)  # one replaces what the other edits
    assert fit(one, other)


def test_two_edits_are_made_in_one_program_where_there_is_one():
    known = table("rnn_backward")
    every = [list(edits_in(known, i)) for i in range(0, known.size, 3)]
    # The first of each would not do: they stand in programs of other conventions.
    one, two = next(
        (3 * i, 3 * j)
        for i, a in enumerate(every)
        for j, b in enumerate(every)
        if a and b and a[0].form != "rows" and b[0].form == "rows"
        if any(fit(x, y) for x in a for y in b)
    )
    edits = joined(known, (one, two)).together.edits
    assert len({edit.program.convention for edit in edits}) == 1


def edits_in(known, i):
    return (s.edits[0] for s in known.slips(i) if isinstance(s, Edited))


def test_few_digits_are_never_called_certain():
    verdict = explain({"dba[4]": -1.4})
    assert not verdict.passed
    assert all(suspicion.score < 1 for suspicion in verdict.suspicions)


def test_one_edit_that_is_nearly_right_comes_before_two_by_chance():
    leaves = replay(official("rnn_backward"), (of("rnn_backward")[0],))
    numbers = posted(leaves)
    numbers["dba[4]"] = 0.123  # a number from elsewhere
    first = explain(numbers).suspicions[0]
    assert first.names == ("the carry is dropped",)
    assert first.score < 1


@pytest.mark.parametrize("value, word", [(0.0, "zero"), (np.nan, "not-a-number")])
def test_everything_zero_or_nan_is_said_first(value, word):
    def gone(da, caches):
        return {k: np.full_like(v, value) for k, v in RIGHT(da, caches).items()}

    assert grade(gone).suspicions[0].names[0] == f"everything is {word}"
    assert not everything({"dx": np.zeros(3), "dba": np.ones(2)})


def test_a_missing_step_is_told():
    def without(da, caches):
        gradients = RIGHT(da, caches)
        gradients["dx"][:, :, 1] = 0
        return gradients

    assert "dx is zero at step 1 alone" in "".join(grade(without).notes)


def test_where_nothing_fits_the_lines_to_look_at_are_told():
    def odd(da, caches):
        gradients = RIGHT(da, caches)
        return gradients | {"dWaa": gradients["dWaa"] ** 3}

    notes = "\n".join(grade(odd).notes)
    *_, there = notes.splitlines()
    assert "so look there: " in there
    assert "`dWaa = np.dot(dtanh, a_prev.T)`" in there
    assert "dWax" not in there
    assert "some of this is right" in notes


def test_a_ratio_that_is_a_known_quantity_is_told():
    def odd(da_next, dc_next, cache):
        gradients = mutant("lstm_cell_backward")(da_next, dc_next, cache)
        return gradients | {"dc_prev": gradients["dc_prev"] / (1 - cache[4] ** 2)}

    notes = "\n".join(grade(odd, "lstm_cell_backward").notes)
    assert "dc_prev is what is right times 1 / (1 - ft**2)" in notes


def test_marks_tell_leaves_apart_and_survive_rounding():
    right = replay(official("rnn_backward"))
    other = {name: leaf.copy() for name, leaf in right.items()}
    other["dWaa"][1, 2] *= 1 + 1e-3
    found = marks(right, right)
    assert same(found, found.astype(np.float32)).all()
    assert not same(found, marks(other, right)).all()


def learner(change):
    """A backward pass with a line more, at the end of each step."""

    def rnn_backward(da, caches):
        steps, x = caches
        T = da.shape[2]
        dx = np.zeros((x.shape[0], *da.shape[1:]))
        s = {"carry": np.zeros_like(da[:, :, 0]), "dWax": 0, "dWaa": 0, "dba": 0}
        for t in reversed(range(T)):
            a_next, a_prev, xt, p = steps[t]
            dz = (1 - a_next**2) * (da[:, :, t] + s["carry"])
            now = {
                "carry": p["Waa"].T @ dz,
                "dxt": p["Wax"].T @ dz,
                "dWax": dz @ xt.T,
                "dWaa": dz @ a_prev.T,
                "dba": dz.sum(1, keepdims=True),
            }
            now["total"] = da[:, :, t] + s["carry"]
            change(t, T, now, steps, x)
            now.pop("total", None)
            dx[:, :, t] = now.pop("dxt")
            carry = now.pop("carry")
            s = {name: s[name] + value for name, value in now.items()}
            s["carry"] = carry
        carry = s.pop("carry")
        return {"dx": dx, "da0": carry} | s

    return rnn_backward


def no_square_no_carry(da, caches):
    """One slip shows on a single step, the other in the loop alone."""
    steps, _ = caches
    p, total = steps[0][3], {}
    dx = np.zeros((p["Wax"].shape[1], *da.shape[1:]))
    for t in reversed(range(da.shape[2])):
        a_next, a_prev, xt, _ = steps[t]
        dz = (1 - a_next) * da[:, :, t]
        dx[:, :, t] = p["Wax"].T @ dz
        step = (dz @ xt.T, dz @ a_prev.T, dz.sum(1, keepdims=True))
        for name, value in zip(("dWax", "dWaa", "dba"), step, strict=True):
            total[name] = total.get(name, 0) + value
    return {"dx": dx, "da0": p["Waa"].T @ dz} | total


def test_two_slips_that_together_spoil_every_leaf_are_found_one_after_the_other():
    first = grade(no_square_no_carry, "rnn_backward").suspicions[0]
    assert first.score == 1
    assert first.names == ("the square is missing", "the carry is dropped")


def test_what_shows_where_it_is_loud_alone_is_found_beside_another_slip():
    def clipped(t, T, now, steps, x):
        now.pop("total")
        now["dba"] = now["dba"] * 2
        now["carry"] = np.clip(now["carry"], -5, 5)

    first = grade(learner(clipped)).suspicions[0]
    assert first.score == 1 and len(first.names) == 2, str(first)
    assert any("clipped" in name for name in first.names)


def doubled_start(t, T, now, steps, x):
    """The states before begin with the first state, and not with a0."""
    a_next = steps[t][0]
    if t == 0:
        dz = (1 - a_next**2) * now["total"]
        now["dWaa"] = dz @ a_next.T


def at_zero(t, T, now, steps, x):
    if t == 0:
        now["dWaa"] = now["dWaa"] * 1.5


def wraps(t, T, now, steps, x):
    """A_prev through a view: at t = 0 it is the last state."""
    if t == 0:
        now["dWaa"] = now["dWaa"] @ np.diag(np.arange(1.0, 1 + len(now["dba"])))
        now["carry"] = 2 * now["carry"]


def from_the_middle(t, T, now, steps, x):
    if t <= 1:
        now["dba"] = now["dba"] * 2


def carry_cut(t, T, now, steps, x):
    if t == 2:
        now["carry"] = 0 * now["carry"]


@pytest.mark.parametrize(
    "change, steps",
    [
        (at_zero, {"dWaa": 0}),
        (doubled_start, {"dWaa": 0}),
        (wraps, {"dWaa": 0, "da0": 0}),
        (from_the_middle, {"dba": 1}),
        (carry_cut, {"dx": 1, "dWax": 1, "dWaa": 1, "dba": 1}),
    ],
)
def test_the_first_wrong_step_is_told_where_it_depends_on_t(change, steps):
    rows = [r for r in grade(learner(change)).rows if r.case == "public test"]
    found = {r.leaf: r.step for r in rows if not r.passed}
    # What reaches the start hides whether a step or what it was handed is wrong.
    assert {leaf: found[leaf] for leaf in steps} == steps
    assert found.keys() <= {*steps, "da0"}


def rows_forward(x, h0, Wx, Wh, b):
    h, tape = [], []
    for t in range(x.shape[1]):
        before = h[-1] if h else h0
        h.append(np.tanh(x[:, t] @ Wx + before @ Wh + b))
        tape.append((x[:, t], before, h[-1], Wx, Wh))
    return np.stack(h, 1), tape


def rows_backward(dh, tape):
    """Each step first, then the one after it: time runs forwards."""
    carry, dx, sums = 0.0, [], (0, 0, 0)
    for t in range(dh.shape[1]):
        x, before, h, Wx, Wh = tape[t]
        dz = (dh[:, t] + carry) * (1 - h * h)
        carry = dz @ Wh.T
        dx.append(dz @ Wx.T)
        step = (x.T @ dz, before.T @ dz, dz.sum(0))
        sums = tuple(a + b for a, b in zip(sums, step, strict=True))
    return np.stack(dx, 1), carry, *sums


def test_a_step_that_earlier_ones_spoil_is_told_where_each_end_alone_is_right():
    verdict = grade(rows_backward, forward=rows_forward, convention="ntd")
    steps = {
        r.leaf: r.step for r in verdict.rows if not r.passed and r.step is not None
    }
    assert set(steps) == {"dx", "dh0", "dWx", "dWh", "db"}
    assert len(set(steps.values())) == 1
