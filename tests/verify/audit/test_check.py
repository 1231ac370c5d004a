"""A cell's every way back, the library's or one's own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest

import scanrnn as sr
from scanrnn.verify import check
from scanrnn.verify.__main__ import main
from scanrnn.verify.audit.check import pull_rows
from scanrnn.verify.audit.settings import point_of

RNN = sr.rnn(3)


@pytest.fixture(scope="module")
def right():
    before = jax.config.jax_enable_x64
    verdict = check(sr.rnn(2, activation="relu"))
    assert jax.config.jax_enable_x64 == before  # as the caller had it
    return verdict


def test_a_right_cell_passes_every_oracle(right):
    assert right.passed, str(right)
    assert {row.oracle for row in right.rows} >= {
        *("autodiff", "forward mode", "complex step", "Taylor order", "RTRL"),
        *("linearity", "vjp of step"),
    }
    cases = " ".join(row.case for row in right.rows)
    for word in (
        *("Stored", "Recomputed", "Checkpointed", "float32", "float64"),
        *("lengths", "mask", "resets", "reverse"),
    ):
        assert word in cases


def transposed(*args):
    d_params, d_xs = RNN.collect(*args)
    return d_params._replace(w_h=d_params.w_h.T), d_xs


def halved(*args):
    d_state, delta = RNN.pull(*args)
    return d_state._replace(h=d_state.h / 2), delta


def crooked(params, tape, d_state):
    d_prev, delta = RNN.pull(params, tape, d_state)
    return d_prev._replace(h=jnp.clip(d_prev.h, -1, 1)), delta


def failing(*args):
    raise TypeError("not today")


def test_a_wrong_collect_is_told_by_leaf_and_pattern():
    verdict = check(RNN._replace(collect=transposed), dtypes=["float64"])
    wrong = {row.leaf for row in verdict.rows if not row.passed}
    assert wrong == {"params.w_h", "all leaves"}
    assert verdict.suspicions[0].names == ("params.w_h is transposed",)


def test_a_wrong_pull_is_told_at_one_step():
    verdict = check(RNN._replace(pull=halved), dtypes=["float64"])
    first = next(row for row in verdict.rows if not row.passed)
    assert (first.leaf, first.oracle) == ("pull d_h_prev", "vjp of step")
    steps = {r.step for r in verdict.rows if r.leaf == "xs" and "plain" in r.case}
    assert 5 in steps  # the last step gets nothing from time


def test_a_pull_that_is_not_linear_is_told():
    with jax.enable_x64(True):
        point, _ = point_of(RNN, None, 0)
        rows = list(pull_rows(RNN._replace(pull=crooked), point))
    assert not all(row.passed for row in rows if row.oracle == "linearity")


def test_a_cell_that_raises_is_a_verdict():
    verdict = check(RNN._replace(collect=failing), dtypes=["float64"])
    assert not verdict.passed
    assert "raised TypeError: not today" in str(verdict)


class Leak(NamedTuple):
    w: jax.Array


class LeakState(NamedTuple):
    h: jax.Array


def test_a_cell_of_one_s_own_with_other_params_is_checked():
    leak = sr.Cell(
        init=lambda key, size, dtype=None: Leak(jnp.asarray(0.5, dtype)),
        start=lambda batch, dtype=None: LeakState(jnp.zeros((batch, 3), dtype)),
        project=lambda params, xs: xs,
        step=lambda params, state, drive: (
            LeakState(drive + params.w * state.h),
            None,
        ),
        pull=lambda params, tape, d: (LeakState(params.w * d.h), d.h),
        collect=lambda params, xs, states_prev, deltas: (
            Leak(jnp.sum(states_prev.h * deltas)),
            deltas,
        ),
    )
    verdict = check(leak, dtypes=["float64"])
    assert verdict.passed, str(verdict)


def test_unknown_dtypes_are_refused():
    with pytest.raises(ValueError, match="expected dtypes"):
        check(RNN, dtypes=["float8"])


GOOD = """
from scanrnn.verify.grading.mutants import mutant
good = mutant("rnn_backward")
def bad(da, caches):
    return {}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


def test_the_exit_code_is_0_only_on_a_pass(file, capsys):
    assert main(["grade", f"{file}:good"]) == 0
    assert main(["grade", f"{file}:bad"]) == 1
    assert main(["grade", f"{file}:ugly"]) == 2
    assert main(["grade", "nowhere.py:good"]) == 2
    assert main(["explain", "dba[4] = -0.74747722"]) == 0
    assert main(["explain", "dba[4] = -0.7"]) == 0  # right in the digit posted
    assert main(["explain", "dba[4] = -1.40083774"]) == 1
    assert main(["explain", "what is this"]) == 2
    assert main(["check", "lsmt"]) == 2
    capsys.readouterr()


def test_json_and_files_are_read_and_written(file, tmp_path, capsys):
    posted = tmp_path / "posted.txt"
    posted.write_text('gradients["dba"][4] = [-1.40083774]')
    assert main(["explain", str(posted), "--json"]) == 1
    assert '"passed": false' in capsys.readouterr().out
    picture = tmp_path / "errors.png"
    assert main(["grade", f"{file}:good", "--plot", str(picture)]) == 0
    assert picture.exists()


def test_a_checked_cell_can_be_drawn_with_its_two_streams(right, tmp_path):
    streams = right.streams
    steps = len(right.errors["xs"])
    assert len(streams.outputs) == len(streams.time) == len(streams.total) == steps
    for out, time, total in zip(*streams, strict=True):
        assert abs(out - time) <= total <= out + time  # the triangle of the two
    path = tmp_path / "streams.png"
    right.plot(str(path))
    assert path.read_bytes()[:4] == b"\x89PNG"
