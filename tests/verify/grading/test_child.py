"""A stranger's program runs in a child: whatever it does, there is a verdict."""

import textwrap
import threading
import time

import numpy as np
import pytest

from scanrnn.verify import grade
from scanrnn.verify.grading.child import Child, Gone, Limits
from scanrnn.verify.grading.child.worker import Kept, decode, encode
from scanrnn.verify.grading.files import Options, grade_file
from scanrnn.verify.grading.sandbox import Unjudged, call

RIGHT = """
import numpy as np

def rnn_backward(da, caches):
    steps, x = caches
    dx, da_prev, total = np.zeros((len(x), *da.shape[1:])), 0, {}
    for t in reversed(range(da.shape[2])):
        a_next, a_prev, xt, p = steps[t]
        dz = (1 - a_next**2) * (da[:, :, t] + da_prev)
        dx[:, :, t], da_prev = p["Wax"].T @ dz, p["Waa"].T @ dz
        new = {"dWax": dz @ xt.T, "dWaa": dz @ a_prev.T, "dba": dz.sum(1)[:, None]}
        total = {name: total.get(name, 0) + value for name, value in new.items()}
    return {"dx": dx, "da0": da_prev} | total
"""
QUICK = Limits(seconds=0.3, loading=1.0, idle=0.6, memory=1 << 29)


def run(tmp_path, text, **options):
    path = tmp_path / "mine.py"
    path.write_text(text)
    (result,) = grade_file(str(path), "rnn_backward", Options(seconds=0.5, **options))
    return result.verdict


def edited(old, new):
    assert old in RIGHT
    return RIGHT.replace(old, new)


VERDICTS = {
    "it ends itself": (RIGHT + "\nimport sys\nsys.exit(0)", "right", "sys.exit(0)"),
    "it asks for input": ("n = input('n? ')\n" + RIGHT, "right", "asks for input"),
    "it fails below": (RIGHT + "\nnothing", "right", ": nothing)"),
    "the function ends the program": (
        edited("    steps, x", "    import os\n    os._exit(0)\n    steps, x"),
        "NOT JUDGED",
        "ended the whole program (exit code 0)",
    ),
    "the function calls exit": (
        edited("    steps, x", "    exit()\n    steps, x"),
        "NOT JUDGED",
        "called sys.exit(None)",
    ),
    "the function asks": (
        edited("    steps, x", "    input()\n    steps, x"),
        "NOT JUDGED",
        "asks for input",
    ),
    "the function crashes": (
        edited(
            "    steps, x", "    import ctypes\n    ctypes.string_at(0)\n    steps, x"
        ),
        "NOT JUDGED",
        "crashed",
    ),
    "the function loops": (
        edited("    steps, x", "    while True: pass\n    steps, x"),
        "NOT JUDGED",
        "0.5 s of CPU time",
    ),
    "it cannot be read": ("def rnn_backward(da caches):", "NOT JUDGED", "SyntaxError"),
    "a module is missing": (
        edited("import numpy as np", "import numpy as np, no_such_module"),
        "NOT JUDGED",
        "No module named 'no_such_module'",
    ),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_whatever_a_program_does_there_is_a_verdict(name, tmp_path):
    text, word, why = VERDICTS[name]
    verdict = run(tmp_path, text)
    assert verdict.word == word, str(verdict)
    assert why in str(verdict)
    assert verdict.to_json()


WRONG = {
    "complex leaves": (
        edited('"da0": da_prev}', '"da0": da_prev + 1e-30j}'),
        "of real numbers, got complex128 numbers",
    ),
    "objects for leaves": (
        edited('"da0": da_prev}', '"da0": lambda: 1}'),
        "of real numbers, got function",
    ),
    "another tanh": (
        "import numpy\nnumpy.tanh = lambda z: numpy.nan * z\n"
        + edited("1 - a_next**2", "1 - a_next"),
        "WRONG (public test)",
    ),
    "it raises": (
        edited("dz @ a_prev.T", "dz @ a_prev"),
        "new = {",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_wrong_in_a_child_too(name, tmp_path):
    text, why = WRONG[name]
    verdict = run(tmp_path, "print('kept apart')\n" * (name == "it raises") + text)
    assert verdict.word == "WRONG"
    shown = str(verdict)
    assert why in shown
    assert ("kept apart" in shown) == (name == "it raises")


def test_limits_of_time_and_memory_hold_while_loading_and_after():
    endless = {
        "computes": ("while True: pass", "1 s of CPU time", QUICK),
        "waits": ("import time\ntime.sleep(60)", "computed nothing", QUICK),
        "grows": (
            "a = []\nwhile True: a.append(bytearray(1 << 24))",
            "memory",
            QUICK._replace(loading=10.0),  # slow memory takes time
        ),
    }
    for text, why, limits in endless.values():
        with Child(limits) as child:
            assert why in child.load([("mine.py", text)], ".").failure
            with pytest.raises(Gone, match=why):
                child.call("f", {})


def test_what_crosses_is_what_it_was_and_nothing_else_does():
    tree = {"a": (np.arange(6.0).reshape(2, 3).T, [1, None, "x"]), "b": np.float32(2)}
    with Child() as child:
        child.load([("mine.py", "f = lambda x: (x, f)\ng = lambda y: y[0]['b']")], ".")
        answer = child.call("f", {"x": tree})["value"]
        back, function = answer
        assert isinstance(function, Kept) and function.name == "function"
        np.testing.assert_array_equal(back["a"][0], tree["a"][0])
        assert back["a"][1] == [1, None, "x"] and back["b"].dtype == np.float32
        assert child.call("g", {"y": answer})["value"] == 2  # the object goes in again
    with pytest.raises(TypeError, match="expected arrays"):
        encode(threading.Lock())
    for broken in (b"", encode(1)[:-1], encode(np.ones(3)) + b"x"):
        with pytest.raises(Exception):  # noqa: B017
            decode(broken)


def test_arguments_that_were_changed_are_told():
    with Child() as child:
        text = "def f(x, y):\n    x[0] += 1\n    return y"
        child.load([("mine.py", text)], ".")
        args = {"x": [np.ones(3), 1], "y": {"a": np.ones(2)}}
        answer = child.call("f", args)
        assert answer["changed"] == ["x"]
        assert args["x"][0].sum() == 3


def test_time_is_what_a_function_computes_and_not_what_the_clock_says():
    def waits_a_little(x):
        time.sleep(0.2)  # as one does on a busy machine
        return x

    def loops(x):
        while True:
            pass

    assert call(waits_a_little, {"x": 1}, 0.05).value == 1
    with pytest.raises(Unjudged, match=r"within 0\.05 s"):
        call(loops, {"x": 1}, 0.05)


def test_a_function_that_does_not_return_is_not_judged_here_either():
    def loops(da, caches):
        while True:
            pass

    verdict = grade(loops, seconds=0.05)
    assert verdict.word == "NOT JUDGED" and not verdict.passed
    assert "within 0.05 s" in str(verdict)


def test_sources_that_must_not_be_there_are_refused(tmp_path):
    (tmp_path / "data.csv").write_text("1")
    (tmp_path / "empty.py").write_text("def other(x): return x")
    cases = {
        "nowhere.py": "expected a file",
        "data.csv": "expected a Python file or a notebook",
        "empty.py": "which defines other",
    }
    for name, message in cases.items():
        with pytest.raises(ValueError, match=message):
            grade_file(str(tmp_path / name))
    with pytest.raises(ValueError, match="expected other to be recognised"):
        grade_file(str(tmp_path / "empty.py"), "other")


def test_functions_are_recognised_by_name_and_by_arguments(tmp_path):
    text = textwrap.dedent("""
        def my_rnn_backward_2(d, c): return {}
        def lstm_step_backward(a, b, c): return {}
        def way_back(da, caches): return {"dWf": 1}
        def one_step(xt, a_prev, parameters): return 1
        def helper(x): return x
    """)
    (tmp_path / "mine.py").write_text(text)
    results = grade_file(str(tmp_path / "mine.py"))
    assert [(one.name, one.like) for one in results] == [
        ("one_step", "rnn_cell_forward"),
        ("my_rnn_backward_2", "rnn_backward"),
        ("lstm_step_backward", "lstm_cell_backward"),
        ("way_back", "lstm_backward"),
    ]
    assert {one.verdict.word for one in results} == {"WRONG"}
