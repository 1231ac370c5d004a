"""How a run begins and goes on: from nothing, from edited files, from damaged ones."""

import itertools
import json
import re
import shutil

import chex
import pytest
from charlm_runs import tiny, train, without_time

from scanrnn.charlm import CheckpointError, RunDirectory, fit, newest_run, settings_of
from scanrnn.charlm.config import UNSAID
from scanrnn.charlm.events import Began, Noted
from scanrnn.charlm.lines import LineError, parse, read_lines


def notes(events):
    return [event.text for event in events if isinstance(event, Noted)]


def content(run):
    """Every file of a run, and what is in it."""
    files = (path for path in run.path.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if path != run.lock}


def refused(run, *words):
    """Going on is refused in these words, and nothing is written."""
    before = content(run)
    with pytest.raises(CheckpointError) as error:
        train(run.path, None, resume=True)
    assert content(run) == before
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


@pytest.fixture
def unsaved(text, tmp_path):
    """A run that broke off before its first checkpoint."""
    run = RunDirectory(tmp_path / "runs" / "unsaved")
    partly = fit(run, tiny(text))
    assert isinstance(next(partly), Began)
    partly.close()
    assert run.steps() == []
    return run


def test_without_a_checkpoint_a_run_starts_over(unsaved, finished, state_of):
    events = train(unsaved.path, None, resume=True)
    assert events[0].step == 0
    [note] = notes(events)
    assert "starts over from step 0" in note
    chex.assert_trees_all_equal(state_of(unsaved), state_of(finished))
    assert without_time(unsaved) == without_time(finished)


def test_nor_is_it_begun_a_second_time(unsaved, text):
    before = content(unsaved)
    with pytest.raises(
        CheckpointError, match=r"no checkpoint yet; start it over by --"
    ):
        train(unsaved.path, tiny(text, hidden=8))
    assert content(unsaved) == before


def test_it_is_the_newest_run_to_go_on_with_and_none_to_read(unsaved, finished):
    runs = unsaved.path.parent
    assert newest_run(runs, unsaved=True) == unsaved
    with pytest.raises(CheckpointError, match="found no run"):
        newest_run(runs)
    shutil.copytree(finished.path, runs / "older")  # with its times
    assert newest_run(runs, unsaved=True) == unsaved
    assert newest_run(runs).path.name == "older"


def test_what_is_left_before_the_settings_is_no_run(text, tmp_path):
    """A process killed as it began; and one that was killed as it wrote them."""
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.lock.write_text("process 1 on nowhere")
    run.path.joinpath("config.json.tmp").write_text('{"text":')
    refused(run, "holds no checkpoint", "begin one without --resume")
    next(fit(run, tiny(text)))
    assert run.is_begun()


def test_a_bad_start_leaves_no_directory(tmp_path, text):
    with pytest.raises(ValueError, match="smaller batch or window"):
        train(tmp_path / "run", tiny(text, batch=5000))
    assert not (tmp_path / "run").exists()


def test_a_run_whose_checkpoints_were_taken_away_is_not_started_over(copy):
    shutil.rmtree(copy.checkpoints)
    refused(copy, "no checkpoint, but metrics.jsonl tells of steps: put the")


EDITS = [
    ({"hidden": 9}, "expected hidden 7, as in the checkpoints, found 9"),
    ({"steps": 50}, "expected steps 40, as in the checkpoints, found 50"),
    ({"hidden": -1}, "expected hidden at least 1, got -1"),
    ({"hidden": "9"}, 'expected hidden to be a whole number, found "9"'),
    ({"hidden": 7.0}, "expected hidden to be a whole number, found 7.0"),
    ({"hidden": True}, "expected hidden to be a whole number, found true"),
    ({"minutes": []}, "expected minutes to be a number or null, found []"),
    ({"cell": None}, "expected cell to be a string, found null"),
    ({"wings": 2}, "found 'wings'"),
]


@pytest.mark.parametrize(("change", "message"), EDITS)
def test_an_edited_setting_is_named(copy, change, message):
    edited = json.loads(copy.settings.read_text()) | change
    copy.settings.write_text(json.dumps(edited))
    refused(copy, str(copy.settings), message)


def test_a_setting_that_is_gone_is_named(copy):
    settings = json.loads(copy.settings.read_text())
    for name in settings.keys() - UNSAID:
        left = {other: settings[other] for other in settings if other != name}
        copy.settings.write_text(json.dumps(left))
        with pytest.raises(CheckpointError, match=f"setting {name}, found none"):
            settings_of(copy)


def test_a_run_older_than_a_setting_goes_on_as_it_began(text, tmp_path, state_of):
    config = tiny(text, **UNSAID)
    train(tmp_path / "whole", config)
    run = RunDirectory(tmp_path / "older")
    partly = fit(run, config)
    list(itertools.islice(partly, 25))
    partly.close()
    step = run.newest()
    assert 0 < step < 40
    about = run.checkpoint(step) / "about" / "metadata"
    said, settings = (json.loads(p.read_text()) for p in (about, run.settings))
    for name in UNSAID:
        del said["config"][name], settings[name]
    about.write_text(json.dumps(said))
    run.seal(step)
    run.settings.write_text(json.dumps(settings))
    train(run.path, None, resume=True)
    chex.assert_trees_all_equal(*map(state_of, (run, RunDirectory(tmp_path / "whole"))))


def test_an_unsaid_setting_is_compared_with_the_checkpoint(copy):
    settings = json.loads(copy.settings.read_text())
    del settings["optimiser"]
    copy.settings.write_text(json.dumps(settings))
    refused(copy, 'expected optimiser "muon", as in the checkpoints, found "adamw"')


@pytest.mark.parametrize(
    "broken", [b'{"text": ', b"", b"\xff\xfe\xff", b"[1, 2]", b"3"]
)
def test_settings_that_are_none_are_told(copy, unsaved, broken):
    for run, way_out in ((copy, "or remove it"), (unsaved, "begin anew")):
        run.settings.write_bytes(broken)
        refused(run, str(run.settings), "expected", "found", way_out)


def test_without_settings_the_checkpoint_knows_them(copy):
    before = copy.settings.read_text()
    copy.settings.unlink()
    train(copy.path, None, resume=True)
    assert copy.settings.read_text() == before


def test_a_corpus_may_move_as_long_as_it_says_the_same(copy, text, tmp_path):
    moved = str(shutil.copy(text, tmp_path / "moved.txt"))
    settings = json.loads(copy.settings.read_text()) | {"text": moved}
    copy.settings.write_text(json.dumps(settings))
    train(copy.path, None, resume=True)
    (tmp_path / "moved.txt").write_text("Another. " * 400)
    refused(copy, "moved.txt has changed since")


GARBAGE = [
    *(b"garbage", b'{"step": 3, "lo', b"[]", b"{}", b"\xff\xfe", b"\x00" * 9, b"3"),
    *(b'{"step": "3"}', b'{"step": true}', b'{"step": 3, "loss": "low"}', b"x" * 999),
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_line_that_no_run_wrote_is_named(copy, garbage):
    lines = copy.metrics.read_bytes().split(b"\n")
    copy.metrics.write_bytes(b"\n".join([*lines[:16], garbage, *lines[17:]]))
    message = refused(copy, "metrics.jsonl", "line 17: expected", "found", "remove it")
    assert len(message) < 400
    with pytest.raises(CheckpointError, match="line 17"):
        copy.read_metrics()


@pytest.mark.parametrize("garbage", GARBAGE)
def test_at_the_end_without_a_newline_it_was_cut_short(tmp_path, garbage):
    path = tmp_path / "lines"
    path.write_bytes(b'{"step": 1}\n\n{"step": 2}\n' + garbage)
    assert read_lines(path) == ([{"step": 1}, {"step": 2}], 4)
    with pytest.raises(LineError, match="line 4"):
        parse(garbage, 4)


def test_a_line_that_lacks_its_newline_alone_is_whole(copy, finished):
    copy.metrics.write_bytes(copy.metrics.read_bytes().rstrip(b"\n"))
    assert copy.read_metrics() == finished.read_metrics()
    assert notes(train(copy.path, None, resume=True)) == []
    assert copy.metrics.read_bytes() == finished.metrics.read_bytes()


def test_a_line_cut_short_is_dropped_and_told(copy, finished):
    with copy.metrics.open("a") as file:
        file.write('{"step": 41, "lo')
    assert copy.read_metrics() == finished.read_metrics()
    [note] = notes(train(copy.path, None, resume=True))
    assert re.search(r"line \d+ was cut short; it is dropped", note)
    assert copy.metrics.read_bytes() == finished.metrics.read_bytes()


def test_lines_after_the_checkpoint_are_told_and_written_again(copy, finished):
    shutil.rmtree(copy.checkpoint(40))
    [note] = notes(train(copy.path, None, resume=True))
    assert "steps 31 to 40 come after the checkpoint of step 30" in note
    assert without_time(copy) == without_time(finished)


@pytest.mark.parametrize("kept", [None, 0, 12])
def test_lines_that_are_gone_are_told_and_the_run_goes_on(
    copy, finished, kept, state_of
):
    shutil.rmtree(copy.checkpoint(40))
    lines = copy.metrics.read_bytes().splitlines(keepends=True)
    if kept is None:
        copy.metrics.unlink()
    else:
        copy.metrics.write_bytes(b"".join(lines[:kept]))
    [note] = notes(train(copy.path, None, resume=True))
    count = kept or 0
    there = "is missing" if kept is None else "lacks"
    assert f"metrics.jsonl {there}" in note
    assert f"of {30 - count} of the steps 1 to 30, from step {count + 1} on" in note
    told = [line["step"] for line in copy.read_metrics() if "loss" in line]
    assert told == [*range(1, count + 1), *range(31, 41)]
    chex.assert_trees_all_equal(state_of(copy), state_of(finished))
