"""Runs on disk: resumed runs equal uninterrupted ones; damage is refused."""

import itertools
import json

import chex
import pytest
from charlm_runs import tiny, train, without_time, write_text

from scanrnn.charlm import CheckpointError, RunDirectory, fit, load_writer, newest_run
from scanrnn.charlm.checkpoint import read_about
from scanrnn.charlm.events import Evaluated, Saved
from scanrnn.charlm.loop import prepare


@pytest.mark.parametrize("events", [4, 17, 38])
def test_a_run_broken_off_and_resumed_is_the_same_run(
    finished, text, tmp_path, events, state_of
):
    run = RunDirectory(tmp_path / "run")
    partly = fit(run, tiny(text))
    list(itertools.islice(partly, events))
    partly.close()
    assert run.newest() < 40
    train(run.path, None, resume=True)
    chex.assert_trees_all_equal(state_of(run), state_of(finished))
    assert without_time(run) == without_time(finished)


def test_a_finished_run_has_nothing_left_to_do(copy):
    before = without_time(copy)
    events = train(copy.path, None, resume=True)
    assert not [event for event in events if isinstance(event, Evaluated | Saved)]
    assert without_time(copy) == before


def test_what_a_checkpoint_says_of_itself(finished, text):
    about = read_about(finished)
    assert about.config == tiny(text)
    assert about.step == 40
    assert about.vocabulary == prepare(about.config).vocabulary
    assert finished.steps() == [30, 40]


def test_a_run_is_not_begun_where_one_is(copy, text):
    before = copy.metrics.read_bytes()
    with pytest.raises(CheckpointError, match=r"already holds a run.*--resume"):
        train(copy.path, tiny(text))
    assert copy.metrics.read_bytes() == before


def test_a_run_is_not_begun_among_other_files(tmp_path, text):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(CheckpointError, match="holds no run; choose another"):
        train(tmp_path, tiny(text))
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_nothing_to_resume(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        train(tmp_path / "none", None, resume=True)
    with pytest.raises(CheckpointError, match="found no run under"):
        newest_run(tmp_path / "none")


def files_of(run):
    root = run.checkpoint(run.newest())
    return sorted(path for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_named_and_nothing_is_written(copy, damage):
    for path in files_of(copy):
        content = path.read_bytes()
        if damage == "gone":
            if path.name == "sums.json":
                continue  # then it was never finished: see below
            path.unlink()
        elif content:
            middle = len(content) // 2
            flipped = bytes([content[middle] ^ 0x10])
            rest = content[middle + 1 :] if damage == "flip" else b""
            path.write_bytes(content[:middle] + flipped * bool(rest) + rest)
        else:
            continue
        metrics = copy.metrics.read_bytes()
        with pytest.raises(CheckpointError, match=r"cannot use .*go on from step 30"):
            train(copy.path, None, resume=True)
        with pytest.raises(CheckpointError, match="cannot use"):
            load_writer(copy)
        assert copy.metrics.read_bytes() == metrics
        path.write_bytes(content)


def test_a_checkpoint_without_sums_was_never_finished(copy, finished, state_of):
    (copy.checkpoint(40) / "sums.json").unlink()
    assert copy.newest() == 30
    train(copy.path, None, resume=True)
    assert copy.newest() == 40
    chex.assert_trees_all_equal(state_of(copy), state_of(finished))
    assert without_time(copy) == without_time(finished)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another program"},
        {"config": {"wings": 2}},
        {"config": {"hidden": -1}},
        {"config": None},
    ],
)
def test_the_checkpoint_of_another_program_is_refused(copy, change):
    path = copy.checkpoint(40) / "about" / "metadata"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    copy.seal(40)
    with pytest.raises(CheckpointError, match="not of this program"):
        train(copy.path, None, resume=True)


def test_another_corpus_is_refused(tmp_path):
    text = write_text(tmp_path)
    run = RunDirectory(tmp_path / "run")
    partly = fit(run, tiny(text))
    list(itertools.islice(partly, 2))
    partly.close()
    with open(text, "a", encoding="utf-8") as file:
        file.write("More. ")
    with pytest.raises(CheckpointError, match=r"corpus\.txt has changed since"):
        train(run.path, None, resume=True)
