"""A notebook as a learner leaves it: run as far as needed, judged in one table."""

import json

import pytest
from pasted import NOTEBOOK

from scanrnn.verify.__main__ import main
from scanrnn.verify.grading.files import grade_file, table

IMPORTS = """%matplotlib inline
import numpy as np
from rnn_utils import *
from public_tests import *
!ls"""
CELL = """
# GRADED FUNCTION: rnn_cell_forward
def rnn_cell_forward(xt, a_prev, parameters):
    p = parameters
    a_next = np.tanh(p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"])
    yt_pred = softmax(p["Wya"] @ a_next + p["by"])
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)
"""
FORWARD = """
def rnn_forward(x, a0, parameters):
    a, y_pred, caches, a_next = [], [], [], a0
    for t in range(x.shape[2]):
        a_next, yt, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        a.append(a_next), y_pred.append(yt), caches.append(cache)
    return np.stack(a, 2), np.stack(y_pred, 2), (caches, x)
"""
BACKWARD = """
def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = SLOPE
    return {
        "dxt": p["Wax"].T @ dz, "da_prev": p["Waa"].T @ dz, "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T, "dba": dz.sum(1, keepdims=True),
    }
"""
UNFILLED = """
def rnn_backward(da, caches):
    (caches, x) = caches
    dx = None
    for t in reversed(range(None)):
        gradients = None
    return {"dx": dx}
"""
TESTS = """np.random.seed(1)
while True:
    rnn_cell_forward_tests(rnn_cell_forward)"""


def notebook(path, *cells, old=False):
    code = [
        {
            "cell_type": "code",
            ("input" if old else "source"): text.splitlines(keepends=True),
            "outputs": [{"output_type": "stream", "text": shown.splitlines(True)}],
        }
        for text, shown in cells
    ]
    cells = [{"cell_type": "markdown", "source": "# Exercise"}, *code]
    content = {"worksheets": [{"cells": cells}]} if old else {"cells": cells}
    path.write_text(json.dumps(content))
    return str(path)


@pytest.fixture
def learner(tmp_path):
    """Right, with one step's way back wrong and the last function not filled in."""
    right = BACKWARD.replace("SLOPE", "(1 - a_next**2) * da_next")
    wrong = BACKWARD.replace("SLOPE", "(1 - a_next) * da_next")
    return notebook(
        tmp_path / "exercise.ipynb",
        (IMPORTS, ""),
        (CELL, ""),
        (TESTS, ""),
        (right, ""),
        (FORWARD, ""),
        ("%%bash\nrm -rf no", ""),
        (wrong, ""),  # the last definition counts
        (UNFILLED, ""),
        ("gradients = rnn_backward(1, 2)\nprint(gradients)", NOTEBOOK),
    )


def test_all_functions_are_judged_forward_to_backward_in_one_table(learner, capsys):
    assert main(["grade", learner]) == 1
    shown = capsys.readouterr().out
    head = shown.split("\n\n")[0].splitlines()
    assert head[0].endswith("exercise.ipynb: 4 functions of the exercise")
    assert [line.split("  ")[0].strip() for line in head[2:]] == [
        "rnn_cell_forward",
        "rnn_forward",
        "rnn_cell_backward",
        "rnn_backward",
    ]
    assert [" right" in line for line in head[2:]] == [True, True, False, False]
    assert "dxt, da_prev, dWax, dWaa, dba" in head[4]
    assert "is not filled in yet (line 4 is None)" in head[5]
    assert "its printed numbers are WRONG" in head[5]
    assert "posted numbers of rnn_backward: WRONG" in shown


def test_what_a_function_calls_is_to_be_mended_first(tmp_path):
    calls = """
def rnn_backward(da, caches):
    return rnn_cell_backward(da[:, :, 0], caches[0][0])
"""
    wrong = BACKWARD.replace("SLOPE", "da_next[:-1]")
    path = notebook(tmp_path / "a.ipynb", (IMPORTS, ""), (wrong + calls, ""), old=True)
    step, whole = grade_file(path)
    assert step.verdict.word == whole.verdict.word == "WRONG"
    assert "it calls rnn_cell_backward, which is not right" in whole.verdict.notes[-1]
    assert "(cell 3, line 6: " in str(step.verdict)
    assert "raised ValueError" in table("a.ipynb", [step])


def test_a_cell_that_is_no_python_is_told(tmp_path):
    path = notebook(
        tmp_path / "a.ipynb",
        (IMPORTS, ""),
        (CELL + '\ntext = """\n% x\n"""', ""),
        ("def rnn_backward(da, caches)\n    return {}", ""),
    )
    step, whole = grade_file(path)
    assert step.verdict.passed
    assert whole.verdict.unjudged.startswith(
        "is no Python: expected ':' (cell 4, line 1"
    )


def test_helpers_beside_the_notebook_are_used(tmp_path):
    (tmp_path / "rnn_utils.py").write_text("def softmax(z): return z")
    (tmp_path / "public_tests.py").write_text("")
    path = notebook(tmp_path / "a.ipynb", (IMPORTS + CELL, ""))
    (result,) = grade_file(path)
    wrong = {row.leaf for row in result.verdict.rows if not row.passed}
    assert wrong == {"yt_pred"}


def test_what_a_notebook_printed_can_be_explained(learner, capsys):
    assert main(["explain", learner]) == 1
    assert "posted numbers of rnn_backward" in capsys.readouterr().out


def test_where_nothing_has_steps_nothing_is_drawn(learner, tmp_path, capsys):
    picture = tmp_path / "errors.png"
    assert main(["grade", learner, "--plot", str(picture)]) == 2
    assert "without errors by step" in capsys.readouterr().err


def test_what_is_no_notebook_is_refused(tmp_path):
    for number, text in enumerate(("no json", "[]", '{"cells": 3}', '{"cells": [{}]}')):
        path = tmp_path / f"{number}.ipynb"
        path.write_text(text)
        with pytest.raises(ValueError, match="expected a Jupyter notebook"):
            grade_file(str(path))
