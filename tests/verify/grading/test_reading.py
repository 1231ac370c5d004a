"""What people paste is read, and nothing is read as what it is not."""

import io
import re

import numpy as np
import pytest
from pasted import FIVE, FORMS, NOTEBOOK

from scanrnn.verify import explain
from scanrnn.verify.__main__ import main
from scanrnn.verify.grading.cases import official
from scanrnn.verify.grading.reading import functions, understand
from scanrnn.verify.grading.reading.editions import WRONG_TABLE, editions
from scanrnn.verify.grading.replay import replay


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_read_as_it_stands(name):
    form = FORMS[name]
    reading = understand(form.text, form.like)
    found = {entry.name: entry.values for entry in reading.posted}
    assert set(found) == set(form.entries)
    for entry, values in form.entries.items():
        np.testing.assert_array_equal(found[entry], values)
    assert {shape.leaf: shape.shape for shape in reading.shapes} == form.shapes
    assert len(reading.unread) == form.unread, reading.unread


LETTERS = "0123456789.,-+eE []()=:|\"'ax\n*_\\−–…%/^"


def corrupted(rng, text):
    """One to three things that happen to a text on its way."""
    for _ in range(rng.integers(1, 4)):
        i, n = rng.integers(len(text) + 1), rng.integers(1, 12)
        letter = LETTERS[rng.integers(len(LETTERS))]
        lines = text.split("\n")
        k = rng.integers(len(lines))
        text = [
            text[:i] + text[i + 1 :],
            text[:i] + letter + text[i:],
            text[:i] + letter + text[i + 1 :],
            text[:i] + text[i + 1 : i + 2] + text[i : i + 1] + text[i + 2 :],
            text[:i] + text[i + n :],
            text[: i + n] + text[i:],
            "\n".join([*lines[:k], *lines[k + 1 :]]),
            "\n".join([*lines[:k], "".join(lines[k : k + 2]), *lines[k + 2 :]]),
        ][rng.integers(8)]
    return text


def standing(text):
    """The numbers that stand in a text as wholes, by a plain look at it."""
    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
    text = re.sub(r"(?:−|–|&minus;)(?=[\d.])", "-", text.replace("&nbsp", " "))
    text = re.sub(r"…|(?<=\d)\.\.\.", " ", text.replace("\\n", "\n"))
    found = set()
    for blob in re.findall(r"[A-Za-z0-9_.,+-]+", text):
        whole = blob if re.fullmatch(number, blob) else blob.strip(",").rstrip(".,")
        if re.fullmatch(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?", whole):
            whole = whole.replace(",", ".")
        special = re.fullmatch(r"([-+]?)(?:\w+\.)?(nan|inf)", whole, re.IGNORECASE)
        parts = whole.split(",")
        if special:
            found.add(str(float(special[1] + special[2])))
        elif all(re.fullmatch(number, part) for part in parts):
            found |= {str(float(part)) for part in parts}
    return found


@pytest.mark.parametrize(
    "seed, count", [(0, 250), pytest.param(1, 5000, marks=pytest.mark.exhaustive)]
)
def test_in_a_corrupted_text_a_number_is_one_that_stands_there(seed, count):
    rng = np.random.default_rng(seed)
    forms = list(FORMS.values())
    read = 0
    for _ in range(count):
        form = forms[rng.integers(len(forms))]
        text = corrupted(rng, form.text)
        try:
            posted = understand(text, form.like).posted
        except ValueError:
            continue
        for value in (str(float(v)) for entry in posted for v in entry.values):
            read += 1
            assert value in standing(text), (value, text)
    assert read > count


@pytest.mark.parametrize(
    "seed, count, most",
    [(0, 500, 1), pytest.param(1, 5000, 8, marks=pytest.mark.exhaustive)],
)
def test_in_a_corrupted_text_hardly_a_number_is_taken_for_another(seed, count, most):
    # Where a heading and one of two lines are lost, or a digit of an index is another
    # one and nothing else stands there, the text itself says so: no reader can tell.
    rng = np.random.default_rng(seed)
    forms = list(FORMS.values())
    taken = 0
    for _ in range(count):
        form = forms[rng.integers(len(forms))]
        try:
            posted = understand(corrupted(rng, form.text), form.like).posted
        except ValueError:
            continue
        there = {float(v) for values in form.entries.values() for v in values}
        there |= {float(v) for v in standing(form.text)}
        taken += any(
            value in there and value not in form.entries.get(entry.name, ())
            for entry in posted
            for value in entry.values
            if len(str(value)) > 5  # a short one may come about by chance
        )
    assert taken <= most


@pytest.mark.parametrize(
    "text",
    [
        "Ex:ected output\ndba[4] = -0.74747722\nI get\ndb][4] = -1.40083774",
        "dba[4] = -0.74747722\nI getdba[4] = -1.40083774",
        "| entry | expected | got |\n|:--|--:|--:|\n| dba[4] | -0.74747722 |\n",
        "Expected:\ndba[4] = -0.74747722\nI get\n",
        "da0[2][3] = 0.35797355\ndba[3] = -1.40083774",
        "dba = [[0.1], , [0.2], [0.3], [0.4], [-1.4]]",
    ],
)
def test_an_entry_that_may_be_another_is_left_out_and_listed(text):
    try:
        reading = understand(text, "rnn_backward")
    except ValueError as error:
        assert "not understood" in str(error) or "Expected" in text
        return
    assert [entry.name for entry in reading.posted] in ([], ["da0[2][3]"])
    assert reading.unread


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1,234.5",
            "1,234",
            "0.35.7",
            "3/4",
            "10^-3",
            "5%",
            "1e999",
            "- 0.5",
            "--0.5",
        ),
        *("0.5±0.1", "007", "0.5x", "½0.5", "1_000", "0x10", "1.5e", "12:30", "None"),
    ],
)
def test_what_is_no_plain_number_is_not_read(text):
    reading = understand(f"da0[2][3] = {text}\ndba[4] = 0.5", "rnn_backward")
    assert [entry.name for entry in reading.posted] == ["dba[4]"]
    assert len(reading.unread) == 1


@pytest.mark.parametrize(
    "shown, inside, outside",
    [
        ("-0.747", [-0.7474, -0.7466, -0.7479], [-0.7464, -0.7481, 0.747]),
        ("0.0", [0.0], [0.01, -0.01]),  # a zero that Python prints is one
        ("2.", [2.0], [2.01, 1.99]),
        ("1.2e-03", [0.00124, 0.00116, 0.00129], [0.0014, 0.0011]),
        ("-0.74747722", [-0.747477224], [-0.747477229, -0.747477214]),
        ("nan", [np.nan], [0.0, np.inf]),
        ("-inf", [-np.inf], [np.inf, np.nan, -1e300]),
    ],
)
def test_a_number_is_known_to_the_digits_shown_rounded_or_cut(shown, inside, outside):
    (entry,) = understand(f"dba[4] = {shown}", "rnn_backward").posted
    for value in inside:
        assert entry.matches({"dba": np.full((5, 1), value)}) == [True], value
    for value in outside:
        assert entry.matches({"dba": np.full((5, 1), value)}) == [False], value


def test_in_a_row_of_numpy_s_zeros_at_the_end_are_digits():
    text = "dx[1][2] = [0.1 0.59255627 0.02466855 0.01483317]"
    (entry,) = understand(text, "rnn_backward").posted
    assert set(entry.shown or (entry.decimals,)) == {8}
    (entry,) = understand(text.replace(" 0", ", 0"), "rnn_backward").posted
    assert entry.shown == (1, 8, 8, 8)  # typed by somebody, who may have rounded


def test_the_edition_is_found_out_by_the_numbers():
    later, first = editions("rnn_cell_backward")
    for edition in (later, first):
        right = replay(edition.case)
        text = "\n".join(
            f'gradients["{leaf}"][1] = {np.ravel(right[leaf][1])}' for leaf in right
        )
        reading = understand(text, "rnn_cell_backward")
        assert reading.case is edition.case and not reading.others
        assert edition.year in reading.notes[0]
        assert explain(text, "rnn_cell_backward").passed
    # Two numbers that the notebook of 2018 printed as expected.
    printed = "dxt[1][2] = -0.460564103059\ndba[4] = [ 0.80517166]"
    assert understand(printed, "rnn_cell_backward").case is first.case
    nothing = understand("dba[4] = 123.456", "rnn_cell_backward")
    assert nothing.case is later.case and nothing.others == (first.case,)


def test_a_table_that_was_printed_wrong_is_told():
    got = "dbf[4] = -0.15745657"
    told = "\n".join(f"{k} = {' '.join(map(str, v))}" for k, v in WRONG_TABLE.items())
    reading = understand(f"{got}\nExpected output:\n{told}", "lstm_backward")
    assert [entry.name for entry in reading.posted] == ["dbf[4]"]
    assert "2018 is itself wrong" in reading.notes[0]


@pytest.mark.parametrize("like", ["rnn_backward", "lstm_cell_forward", "lstm_forward"])
def test_the_function_is_told_by_its_entries(like):
    right = replay(official(like))
    name, *_ = [leaf for leaf in right if not leaf.startswith("cache")][::-1]
    at = (0,) * (right[name].ndim - 1)
    text = f"{name}{list(at)} = {right[name][at]}".replace("\n", " ")
    assert functions(text)[0] == like


def test_wrong_shapes_are_evidence():
    verdict = explain("dba[4] = -0.74747722\ndba.shape = (5,)\ndx.shape = (3, 10, 4)")
    assert [row.leaf for row in verdict.rows] == ["dba[4]", "dba.shape"]
    assert not verdict.passed
    assert "expected shape (5, 1), got (5,); keepdims" in verdict.rows[1].note
    whole = "dWax = " + str(np.arange(15.0).reshape(3, 5))
    (shape,) = understand(whole, "rnn_backward").shapes
    assert shape.shape == (3, 5)
    assert "transposed" in str(explain(whole))


def test_entries_that_stand_twice():
    right, wrong = "dba[4] = -0.74747722", "dba[4] = -1.40083774"
    for text in (f"{right}\n{wrong}", f"{wrong}\n{right}", f"{wrong}\n{wrong}"):
        (entry,) = understand(text, "rnn_backward").posted
        assert entry.values == -1.40083774
    text = f"{wrong}\ndba[4] = 3.5\nda0[2][3] = 1.5"
    reading = understand(text, "rnn_backward")
    assert [entry.name for entry in reading.posted] == ["da0[2][3]"]
    assert "different numbers" in reading.unread[0]


def test_text_comes_from_arguments_files_and_standard_input(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "posted.txt"
    right = f"dba[4] = {FIVE['dba[4]'][0]}".replace("-1.40083774", "-0.74747722")
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        path.write_text(right, encoding=encoding)
        assert main(["explain", str(path)]) == 0
    assert main(["explain", right, "da0[2][3] = -0.314942375127"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(right))
    assert main(["explain"]) == 0
    assert main(["explain", "x" * 5000]) == 2
    capsys.readouterr()


def test_an_unknown_function_is_one_sentence(capsys):
    assert main(["explain", NOTEBOOK, "--like", "rnn_backwards"]) == 2
    assert main(["grade", "mine.py:f", "--like", "rnn_backwards"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all(line.endswith("did you mean rnn_backward?") for line in lines)
