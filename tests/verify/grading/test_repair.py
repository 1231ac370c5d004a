"""The change of somebody's own lines that makes their function right."""

import importlib.util
import textwrap
from pathlib import Path

import numpy as np
import pytest

from scanrnn.verify import grade
from scanrnn.verify.grading.cases import generic
from scanrnn.verify.grading.child import Child
from scanrnn.verify.grading.conventions import course, ntd
from scanrnn.verify.grading.files.program import grade_file
from scanrnn.verify.grading.repair.search import THOROUGH, repairs
from scanrnn.verify.grading.repair.told import places, tidied

CELL = """
import numpy as np

SCALE = 1.0


def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = (1 - a_next**2) * da_next
    dba = np.sum(dz, axis=1, keepdims=True)
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": np.dot(p["Waa"].T, dz),
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": dba,
    }


def rnn_backward(da, caches):
    caches, x = caches
    n_a, m, T = da.shape
    dx = np.zeros((x.shape[0], m, T))
    total = None
    carry = np.zeros((n_a, m))
    for t in reversed(range(T)):
        step = rnn_cell_backward(da[:, :, t] + carry, caches[t])
        carry = step["da_prev"]
        dx[:, :, t] = step["dxt"]
        rest = {k: v for k, v in step.items() if k[1] not in "xa"}
        if total is None:
            total = rest
        else:
            total = {k: total[k] + rest[k] for k in rest}
    return {"dx": dx, "da0": carry, **total}
"""

ROWS = """
import numpy as np


def step(x, prev_h, Wx, Wh, b):
    h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return h, (x, prev_h, h, Wx, Wh)


def back(dnext_h, cache):
    x, prev_h, h, Wx, Wh = cache
    d = dnext_h * (1 - h * h)
    return d @ Wx.T, d @ Wh.T, x.T @ d, prev_h.T @ d, d.sum(axis=0)
"""


@pytest.fixture
def written(tmp_path):
    """A module of a source in which one text is put in the place of another."""

    def make(source, *changes):
        for right, wrong in changes:
            assert source.count(right) == 1
            source = source.replace(right, wrong)
        path = tmp_path / "mine.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("mine", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return make


def line_of(text):
    return 1 + CELL[: CELL.index(text)].count("\n")


SLIPS = {
    "operand": ('"dWaa": dz @ a_prev.T', '"dWaa": dz @ a_next.T'),
    "form": ("(1 - a_next**2)", "(1 - a_next)"),
    "factor": ("(1 - a_next**2) * da_next", "da_next"),
    "transpose": ('np.dot(p["Waa"].T, dz)', 'np.dot(p["Waa"], dz)'),
    "axis": ("axis=1, keepdims=True", "axis=1"),
    "index": ('dx[:, :, t] = step["dxt"]', 'dx[:, :, t - 1] = step["dxt"]'),
    "order": ("reversed(range(T))", "range(T)"),
    "term": ("da[:, :, t] + carry", "da[:, :, t]"),
    "placed": ('        carry = step["da_prev"]', '    carry = step["da_prev"]'),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_the_line_of_a_slip_is_told(written, slip):
    right, wrong = SLIPS[slip]
    if slip == "placed":  # behind the loop
        loop = CELL[CELL.index("        carry = step") : CELL.index('    return {"dx"')]
        right = loop
        wrong = loop.replace('        carry = step["da_prev"]\n', "")
        wrong += '    carry = step["da_prev"]\n'
    module = written(CELL, (right, wrong))
    like = "rnn_backward" if CELL.index(right) > CELL.index("def rnn_b") else ""
    like = like or "rnn_cell_backward"
    (first, *_) = repairs(course(getattr(module, like), like), like)
    line = line_of(right.strip())
    if slip == "placed":
        source = Path(module.__file__).read_text()
        line = 1 + source[: source.index("    carry = step")].count("\n")
    told = {one.place for one in places(first)}
    assert told & {
        f"line {line}",
        f"line {line - 1}",
    }  # there, or behind the one before


def test_what_is_told_makes_it_right(written):
    module = written(CELL, SLIPS["transpose"])
    verdict = grade(module.rnn_cell_backward, "rnn_cell_backward")
    (first, *_) = verdict.suspicions
    line = line_of('np.dot(p["Waa"].T, dz)')
    assert first.mend == (
        f'line {line} reads `"da_prev": np.dot(p["Waa"], dz),`: '
        "write `\"da_prev\": np.dot(p['Waa'].T, dz),`"
    )
    assert f"in your own lines: line {line}" in str(verdict)


def test_two_slips_in_two_functions_are_found_one_after_the_other(written):
    module = written(CELL, SLIPS["operand"], SLIPS["term"])
    convention = course(module.rnn_backward, "rnn_backward")
    (first, *_) = repairs(convention, "rnn_backward", THOROUGH)
    assert (
        len({name for name, d in first.before.items() if first.after[name] != d.text})
        == 2
    )


def test_a_mistake_of_no_list_is_told_by_its_line(written):
    odd = (
        "dba = np.sum(dz, axis=1, keepdims=True)",
        "dba = np.sum(dz * SCALE**2 - 0.25 * xt[0], axis=1, keepdims=True)",
    )
    module = written(CELL, odd)
    verdict = grade(module.rnn_cell_backward, "rnn_cell_backward")
    (first, *_) = verdict.suspicions
    assert first.names == (f"line {line_of('dba = np.sum')}",)
    assert "then it is right, on every case that was tried" in first.instead


def test_the_forward_function_is_changed_too(written):
    module = written(ROWS, ("x @ Wx + prev_h @ Wh + b", "x @ Wx + prev_h @ Wh"))
    convention = ntd(module.step, module.back, "rnn_cell_backward")
    (first, *_) = repairs(convention, "rnn_cell_backward")
    assert [one.place for one in places(first)] == ["line 6"]


def test_a_right_function_and_one_without_a_source_are_left_alone(written):
    module = written(CELL)
    like = "rnn_cell_backward"
    assert repairs(course(module.rnn_cell_backward, like), like) == []
    space = {}
    exec(CELL.replace("dz @ a_prev.T", "dz @ a_next.T"), space)
    assert repairs(course(space[like], like), like) == []


def test_a_function_that_a_decorator_changes_is_left_alone(written):
    decorated = """
def doubled(f):
    return lambda *args: {name: 2 * leaf for name, leaf in f(*args).items()}


@doubled
def rnn_cell_backward("""
    plain = "\ndef rnn_cell_backward("
    module = written(CELL, (plain, decorated), SLIPS["operand"])
    (result,) = grade_file(module.__file__, "rnn_cell_backward")
    assert not result.verdict.passed
    for suspicion in result.verdict.suspicions:
        assert not suspicion.mend and "line" not in " ".join(suspicion.names)


def test_their_module_stays_as_it_is(written):
    module = written(CELL, SLIPS["operand"])
    before = dict(vars(module))
    repairs(course(module.rnn_backward, "rnn_backward"), "rnn_backward")
    assert vars(module) == before


def test_a_file_is_changed_in_the_child_and_its_prints_do_not_show(written, capfd):
    module = written(
        CELL, SLIPS["operand"], ("    dz = (1", '    print("here")\n    dz = (1')
    )
    results = grade_file(module.__file__)
    lines = [result.verdict.suspicions[0].mend for result in results]
    place = line_of('"dWaa": dz') + 1
    assert all(f"line {place} reads" in mend for mend in lines)
    assert "here" not in capfd.readouterr().out


def test_no_change_makes_a_loop_endless(written):
    counted = textwrap.dedent("""
        import numpy as np


        def rnn_cell_backward(da_next, cache):
            a_next, a_prev, xt, p = cache
            dz = np.zeros_like(da_next)
            i = 0
            while i < da_next.shape[1]:
                dz[:, i] = (1 - a_next[:, i]) * da_next[:, i]
                i += 1
            return {
                "dxt": p["Wax"].T @ dz,
                "da_prev": p["Waa"].T @ dz,
                "dWax": dz @ xt.T,
                "dWaa": dz @ a_prev.T,
                "dba": dz.sum(axis=1, keepdims=True),
            }
    """)
    module = written(counted)
    like = "rnn_cell_backward"
    assert isinstance(repairs(course(module.rnn_cell_backward, like), like), list)


def test_variants_leave_the_childs_program_as_it_was():
    source = "def f(x):\n    return 2 * x\n\n\ndef g(x):\n    return f(x)\n"
    call = {"name": "g", "args": {"x": np.arange(3.0)}}
    with Child() as child:
        child.load([("mine.py", source)], ".")
        answers = child.variants(
            ["def f(x):\n    return 5 * x", "def f(x):\n    return y", "f = ("],
            call,
            5.0,
        )["answers"]
        assert answers[0]["value"][1] == 5
        assert [one["failure"] for one in answers[1:]] == ["NameError", "SyntaxError"]
        assert child.call("g", {"x": 1.0})["value"] == 2


def test_arguments_that_change_count_as_wrong(written):
    module = written(
        CELL,
        ("dz = (1 - a_next**2) * da_next", "dz = da_next\n    dz *= 1 - a_next**2"),
    )
    like = "rnn_cell_backward"
    case = generic(like)
    given = case.inputs["da_next"].copy()
    (first, *_) = repairs(course(module.rnn_cell_backward, like), like)
    assert any("copy" in one.now or "dz * " in one.now for one in places(first))
    assert (case.inputs["da_next"] == given).all()


def test_brackets_that_mean_nothing_are_taken_off():
    before = "def f(a, b):\n    return (a + b) * a\n"
    after = "def f(a, b):\n    return ((a + (b)) * (a.T))\n"
    assert tidied(after, before) == "def f(a, b):\n    return (a + b) * a.T\n"


def test_of_a_long_line_that_part_is_shown_that_changes(written):
    long = '        "dxt": p["Wax"].T @ dz + 0 * (' + " + ".join(["xt"] * 40) + "),\n"
    slip = '        "dxt": p["Wax"] @ dz + 0 * (' + " + ".join(["xt"] * 40) + "),\n"
    short = '        "dxt": p["Wax"].T @ dz,\n'
    module = written(CELL.replace(short, long), (long, slip))
    like = "rnn_cell_backward"
    (first, *_) = repairs(course(module.rnn_cell_backward, like), like)
    (one,) = places(first)
    assert one.now.startswith("write `") and ".T @ dz" in one.now
    assert len(one.now) < 140 and one.now.endswith("...`")
