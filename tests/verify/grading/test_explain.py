"""From posted numbers alone to the mistake."""

import numpy as np
import pytest

from scanrnn.verify import explain
from scanrnn.verify.grading.candidates import tell_apart
from scanrnn.verify.grading.cases import official
from scanrnn.verify.grading.mistakes import of
from scanrnn.verify.grading.replay import replay, try_replay
from scanrnn.verify.grading.search.rough import ROUGH
from scanrnn.verify.grading.search.shipped import table
from scanrnn.verify.grading.search.slips import Listed

POSTED = {
    "dx[1][2]": [-0.4086444, -0.59255627, 0.02466855, 0.01483317],
    "da0[2][3]": 0.35797354781107577,
    "dWax[3][1]": 9.080048935561893,
    "dWaa[1][2]": -1.1937344787376247,
    "dba[4]": -1.40083774,
}
CLOBBERED = "caches: a_prev of step 0 is the last state"
RECOMPUTED = "the derivative is recomputed from z"

# The public test's expected entries, as printed.
PUBLISHED = {
    "dx[1][2]": [-2.07101689, -0.59255627, 0.02466855, 0.01483317],
    "da0[2][3]": -0.314942375127,
    "dWax[3][1]": 11.2641044965,
    "dWaa[1][2]": 2.30333312658,
    "dba[4]": -0.74747722,
}


def test_the_published_numbers_are_right():
    assert explain(PUBLISHED).passed


def test_the_learner_s_numbers_come_from_the_clobbered_start_state():
    first, *_ = explain(POSTED).suspicions
    assert first.names == (CLOBBERED, RECOMPUTED)
    assert first.score == 1
    assert all("view" in name for name in first.alike)
    assert "a[:, :, t - 1]" in first.says


@pytest.mark.parametrize("left_out", POSTED)
def test_any_four_of_the_five_entries_are_enough(left_out):
    some = {entry: value for entry, value in POSTED.items() if entry != left_out}
    assert explain(some).suspicions[0].names == (CLOBBERED, RECOMPUTED)


def test_with_the_derivative_of_a_only_dwaa_shows_the_clobbered_cache():
    numbers = PUBLISHED | {"dWaa[1][2]": 2.286595}
    first, *_ = explain(numbers).suspicions
    assert first.names == (CLOBBERED,)


def test_text_as_it_is_printed_is_read():
    text = """
    gradients["dx"][1][2] = [-0.4086444  -0.59255627  0.02466855  0.01483317]
    gradients["dx"].shape = (3, 10, 4)
    gradients["da0"][2][3] = 0.35797354781107577
    gradients["dba"][4] = [-1.40083774]
    """
    verdict = explain(text)
    assert [row.leaf for row in verdict.rows] == ["dx[1][2]", "da0[2][3]", "dba[4]"]
    assert verdict.suspicions[0].names == (CLOBBERED, RECOMPUTED)


def test_an_old_published_table_of_lstm_backward_lacks_both_carries():
    # Printed by an early edition of the exercise as the expected output.
    numbers = {
        "dx[1][2]": [-0.00173313, 0.08287442, -0.30545663, -0.43281115],
        "da0[2][3]": -0.095911501954,
        "dWf[3][1]": -0.0698198561274,
        "dWi[1][2]": 0.102371820249,
        "dbo[4]": -0.29798344,
    }
    first, *_ = explain(numbers, like="lstm_backward").suspicions
    assert first.names == ("gradients: zeros in place of da_prevt and dc_prevt",)
    assert first.score == 1


@pytest.mark.parametrize("like", ["rnn_backward", "lstm_cell_backward"])
def test_every_seventh_mistake_is_found_from_printed_entries(like):
    case = official(like)
    right = replay(case)
    for mistake in of(like)[::7]:
        leaves = try_replay(case, (mistake,))
        if leaves is None or mistake.harmless:
            continue
        numbers = {
            f"{leaf}[1]": np.round(np.ravel(leaves[leaf][1]), 8)
            for leaf in right
            if leaves[leaf].shape == right[leaf].shape
        }
        verdict = explain(numbers, like=like)
        if verdict.passed:  # no slip that the public test can show
            continue
        first = verdict.suspicions[0]
        assert mistake.name in (*first.names, *first.alike)


@pytest.mark.parametrize(
    ("two", "left"),
    [  # of the first, two numbers lie nearer the right ones than what is shipped
        (("do with c_next", "dbi is a copy of dbf"), []),
        (("do with c_next", "da_prev without the forget gate"), ["dxt", "dWo"]),
    ],
)
def test_two_mistakes_are_found_where_one_hardly_changes_a_number(two, left):
    like = "lstm_cell_backward"
    by_name = {mistake.name: mistake for mistake in of(like)}
    case = official(like)
    leaves = replay(case, [by_name[name] for name in two])
    right = replay(case)
    numbers = {
        name: leaves[name.split("[")[0]][place]
        for name, place in (
            *(("dxt[1][2]", (1, 2)), ("da_prev[2][3]", (2, 3))),
            *(("dWf[3][1]", (3, 1)), ("dWo[1][2]", (1, 2)), ("dbo[4]", (4, 0))),
            *(("dbi[4]", (4, 0)), ("dbf[4]", (4, 0)), ("dc_prev[2][3]", (2, 3))),
        )
        if name.split("[")[0] not in left
    }
    if not left:
        off = abs(leaves["dxt"][1, 2] / right["dxt"][1, 2] - 1)
        assert 1e-6 < off < 2 * ROUGH
    first, *_ = explain(numbers, like).suspicions
    assert set(first.names) == set(two)
    assert first.score == 1


def test_a_pair_may_have_a_slip_whose_plainest_form_is_of_another_layout():
    like = "lstm_cell_backward"
    known = table(like)
    slip = "da_prev: Wc in place of Wo"
    classes = {i for i in range(known.size) if slip in names(known.slips(i))}
    assert any(known.first(i).edits[0].form.startswith("rows") for i in classes)
    assert not known.by_rows[list(classes)].any()


def names(slips):
    return {name for slip in slips for name in slip.names}


def test_numbers_of_examples_that_leak_into_each_other_are_explained():
    case = official("rnn_backward")
    weights, da = case.inputs["parameters"], case.inputs["da"]
    found = {name: 0.0 for name in ("dWax", "dWaa", "dba")}
    dx, carry = np.zeros((3, 10, 4)), 0.0
    da0 = np.zeros((5, 10))
    for i in range(10):
        for t in reversed(range(4)):
            a_next, a_prev, xt = (
                case.inputs["caches"][t][name][:, i]
                for name in ("a_next", "a_prev", "xt")
            )
            dz = (da[:, i, t] + carry) * (1 - a_next**2)
            dx[:, i, t], carry = weights["Wax"].T @ dz, weights["Waa"].T @ dz
            found["dWax"] += np.outer(dz, xt)
            found["dWaa"] += np.outer(dz, a_prev)
            found["dba"] += dz[:, None]
        da0[:, i] = carry
    numbers = {
        "dx[1][2]": dx[1, 2],
        "da0[2][3]": da0[2, 3],
        "dWax[3][1]": found["dWax"][3, 1],
        "dWaa[1][2]": found["dWaa"][1, 2],
        "dba[4]": found["dba"][4],
    }
    first, *_ = explain(numbers).suspicions
    assert first.names == ("an example starts with the carry of the one before",)
    assert first.score == 1


@pytest.mark.parametrize(
    "other",
    [PUBLISHED["dba[4]"], pytest.param(98.7654321, marks=pytest.mark.exhaustive)],
)
def test_numbers_from_nowhere_are_not_explained(other):
    verdict = explain({"da0[2][3]": 123.456789, "dba[4]": other})
    assert not verdict.passed
    assert not verdict.suspicions or verdict.suspicions[0].score < 1
    assert "no mistake of the catalogue" in verdict.notes[0]


def test_two_mistakes_that_agree_here_are_told_apart_by_another_number():
    by_name = {mistake.name: mistake for mistake in of("rnn_backward")}
    one, two = by_name["the carry is dropped"], by_name["the carry stays zero"]
    verdict = explain({"dba[4]": float(replay_entry(one))})
    first = verdict.suspicions[0]
    assert {one.name, two.name} <= {*first.names, *first.alike}
    assert "for the first" in first.apart
    slips = Listed((one,)), Listed((two,))
    assert "da0" in tell_apart(official("rnn_backward"), *slips)


def replay_entry(mistake):
    leaves = replay(official("rnn_backward"), (mistake,))
    return leaves["dba"][4, 0]


@pytest.mark.parametrize(
    "numbers, message",
    [
        ("nothing to see", "found none"),
        ({"dW[1][2]": 1.0}, "got 'dW'"),
        ({"dx[1][2]": [1.0, 2.0]}, "to be 4 numbers, got 2"),
        ({"dx[7][2]": [1.0]}, "to be 0 numbers"),
    ],
)
def test_what_cannot_be_read_is_said(numbers, message):
    with pytest.raises(ValueError, match=message):
        explain(numbers)
