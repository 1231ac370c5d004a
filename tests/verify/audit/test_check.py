"""A cell's every way back, the library's or one's own."""

import functools
import io
from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest
from cases import assert_close
from pairs import pairs

import scanrnn as sr
from scanrnn.verify import check
from scanrnn.verify.__main__ import CELLS, main
from scanrnn.verify.audit.check import pull_rows
from scanrnn.verify.audit.noise import expectation
from scanrnn.verify.audit.oracles import all_rows
from scanrnn.verify.audit.progress import ERASE, telling
from scanrnn.verify.audit.settings import (
    gradient,
    leaf_names,
    plain_gradient,
    point_of,
    settings,
)
from scanrnn.verify.double import double

RNN = sr.rnn(3)


@pytest.fixture(scope="module")
def right_and_told():
    """The verdict of a right cell, and what was told of its progress."""
    before, told = jax.config.jax_enable_x64, []
    verdict = check(sr.rnn(2, activation="relu"), progress=lambda *at: told.append(at))
    assert jax.config.jax_enable_x64 == before  # as the caller had it
    return verdict, told


@pytest.fixture(scope="module")
def right(right_and_told):
    return right_and_told[0]


def test_a_right_cell_passes_every_oracle(right):
    assert right.passed, str(right)
    assert {row.oracle for row in right.rows} >= {
        *("autodiff", "forward mode", "complex step", "Taylor order", "RTRL"),
        *("linearity", "vjp of step", "derived", "online"),
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


def shifted_by_itself(params, xs, states_prev, deltas):
    """As if the state before a step were always the one made at the step before."""
    step = jax.vmap(RNN.step, (None, 0, 0))
    made, _ = step(params, states_prev, RNN.project(params, xs))
    shifted = jnp.concatenate((states_prev.h[:1], made.h[:-1]))
    return RNN.collect(params, xs, states_prev._replace(h=shifted), deltas)


WRONG = {
    "collect": (RNN._replace(collect=transposed), {"params.w_h"}),
    "pull": (RNN._replace(pull=halved), {"pull d_h_prev", "xs", "start.h"}),
    "after a reset": (RNN._replace(collect=shifted_by_itself), {"params.w_h"}),
}


@pytest.fixture(scope="module")
def quick():
    """What the quick audit says of a wrong cell."""
    return functools.cache(lambda name: check(WRONG[name][0], quick=True))


@pytest.mark.parametrize("name", WRONG)
def test_the_quick_audit_sees_wrong_cells(name, quick):
    wrong = [row for row in quick(name).rows if not row.passed]
    assert {row.leaf for row in wrong} >= WRONG[name][1]
    assert {row.oracle for row in wrong} >= {"autodiff", "derived"}
    assert "left out: float32" in str(quick(name))


def test_a_shift_that_forgets_resets_is_right_without_them():
    """What "after a reset" is wrong about: going forwards, without options, nothing."""
    with double():
        point, cotangents = point_of(RNN, None, 0)
        plain, *_ = settings(0)
        cell = WRONG["after a reset"][0]
        got, want = (
            jax.jit(gradient(c, plain, sr.Stored()))(point, cotangents)
            for c in (cell, RNN)
        )
    assert_close(got, want)


def test_a_wrong_collect_is_told_by_leaf_and_pattern(quick):
    verdict = quick("collect")
    wrong = {row.leaf for row in verdict.rows if not row.passed}
    assert wrong == {"params.w_h"}
    assert verdict.suspicions[0].names == ("params.w_h is transposed",)


def test_a_wrong_pull_is_told_at_one_step(quick):
    verdict = quick("pull")
    first = next(row for row in verdict.rows if not row.passed)
    assert (first.leaf, first.oracle) == ("pull d_h_prev", "vjp of step")
    # Walked in reverse, the way back begins at step 0, which gets nothing from time.
    assert {row.step for row in verdict.rows if row.leaf == "xs"} == {1}


def test_every_oracle_sees_a_wrong_leaf():
    with double():
        point, cotangents = point_of(RNN, None, 0)
        plain, *_ = settings(0)
        right = expectation(plain_gradient(RNN, plain))((point, cotangents), "float64")
        found = [leaf.value for leaf in right]
        i = leaf_names(point).index("params.w_h")
        found[i] = found[i].T
        case = (RNN, plain, point, cotangents)
        rows = list(all_rows(*case, found, right, lambda doing: None))
    assert {(row.leaf, row.oracle) for row in rows if not row.passed} == {
        *(("params.w_h", name) for name in ("forward mode", "complex step", "RTRL")),
        ("params.w_h", "online"),
        ("all leaves", "Taylor order"),
    }


@pytest.mark.parametrize("name", pairs(CELLS, needed=[("lru",)]))
def test_the_quick_audit_passes_right_cells_and_says_what_it_left_out(name, capsys):
    assert main(["check", name, "--quick"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"{name} ")
    assert "left out: float32" in told.out
    assert not told.err  # no line of progress where nobody looks


def test_progress_is_told_part_by_part(right_and_told):
    _, told = right_and_told
    parts = told[-1][1]
    assert [done for done, *_ in told] == list(range(parts + 1))
    assert {total for _, total, _ in told} == {parts}
    doing = " ".join(doing for *_, doing in told)
    for word in ("one step", "plain", "resets", "reverse", "forward mode", "done"):
        assert word in doing


def test_the_line_of_progress_is_gone_in_the_end(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(KeyError), telling(None, 3) as tell:
        tell("the first part")
        assert terminal.getvalue().endswith("0 of 3, 0 s: the first part")
        raise KeyError
    assert terminal.getvalue().endswith(ERASE)


def test_a_pull_that_is_not_linear_is_told():
    with jax.enable_x64(True):
        point, _ = point_of(RNN, None, 0)
        rows = list(pull_rows(RNN._replace(pull=crooked), point))
    assert not all(row.passed for row in rows if row.oracle == "linearity")


def test_a_cell_that_raises_is_a_verdict():
    verdict = check(RNN._replace(pull=failing), quick=True)
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
    verdict = check(leak, quick=True)
    assert verdict.passed, str(verdict)


def test_unknown_dtypes_are_refused():
    with pytest.raises(ValueError, match="expected dtypes"):
        check(RNN, dtypes=["float8"])


GOOD = """
import numpy as np
def good(da, caches):
    steps, x = caches
    dx, carry, total = np.zeros((len(x), *da.shape[1:])), 0, {}
    for t in reversed(range(da.shape[2])):
        a_next, a_prev, xt, p = steps[t]
        dz = (1 - a_next**2) * (da[:, :, t] + carry)
        dx[:, :, t], carry = p["Wax"].T @ dz, p["Waa"].T @ dz
        new = {"dWax": dz @ xt.T, "dWaa": dz @ a_prev.T, "dba": dz.sum(1)[:, None]}
        total = {name: total.get(name, 0) + value for name, value in new.items()}
    return {"dx": dx, "da0": carry} | total
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
