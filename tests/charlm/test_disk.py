"""One process at a time; and a disk that refuses what is to be written."""

import errno
import itertools
import os
import sys
from pathlib import Path

import chex
import orbax.checkpoint as ocp
import pytest
from charlm_runs import tiny, train, without_time

from scanrnn.charlm import CheckpointError, RunDirectory, checkpoint, fit, lock
from scanrnn.charlm.disk import ask_for_room
from scanrnn.charlm.events import Noted


def test_a_run_that_goes_on_is_refused_to_others(text, tmp_path):
    """The lock is of an open file, not of a process: one process is enough to see."""
    run = RunDirectory(tmp_path / "run")
    going = fit(run, tiny(text))
    for events in (1, 4):  # before its first checkpoint, and after
        list(itertools.islice(going, events))
        for config in (None, tiny(text)):
            used = rf"in use: process {os.getpid()} on .*; wait until it ends, or stop"
            with pytest.raises(CheckpointError, match=used):
                train(run.path, config, resume=config is None)
    going.close()
    train(run.path, None, resume=True)
    assert run.newest() == 40


def test_a_lock_that_is_left_behind_locks_nothing(copy):
    assert copy.lock.read_text().startswith("process ")
    train(copy.path, None, resume=True)


def test_where_there_are_no_locks_it_is_said(copy, monkeypatch):
    monkeypatch.setattr(lock, "_lock", refuse(errno.ENOLCK))
    [note] = [e.text for e in train(copy.path, None, True) if isinstance(e, Noted)]
    assert "has no locks" in note


def refuse(code, after=0):
    """A function that the disk refuses after some calls."""
    calls = itertools.count()

    def refused(*_, **__):
        if next(calls) >= after:
            raise OSError(code, os.strerror(code))

    return refused


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "make room, then"),
        (errno.EDQUOT, "make room, then"),
        (errno.EACCES, "allow writing there, then"),
        (errno.EROFS, "allow writing there, then"),
        (errno.EIO, ""),
    ],
)
def test_a_refused_checkpoint_is_one_sentence(
    text, tmp_path, finished, monkeypatch, code, advice, state_of
):
    run = RunDirectory(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "ask_for_room", refuse(code, after=3))
        with pytest.raises(CheckpointError) as error:
            train(run.path, tiny(text))
    where = run.checkpoint(30)
    told = f"cannot write {where}: {os.strerror(code)}; {advice} --resume goes on from "
    assert str(error.value) == " ".join(told.split()) + " step 20"
    assert run.steps() == [10, 20]
    if code == errno.ENOSPC:
        train(run.path, None, resume=True)
        chex.assert_trees_all_equal(state_of(run), state_of(finished))
        assert without_time(run) == without_time(finished)


def test_before_the_first_checkpoint_the_run_starts_over(text, tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "ask_for_room", refuse(errno.ENOSPC))
        with pytest.raises(
            CheckpointError, match="make room, then --resume starts the"
        ):
            train(run.path, tiny(text))
    assert next(fit(run, resume=True)).step == 0


TENSORSTORE = "RESOURCE_EXHAUSTED: Error writing \"step/0\" [os_error_code='28']"


@pytest.mark.parametrize("words", [TENSORSTORE, "shapes differ"])
def test_what_tensorstore_says_of_a_disk_is_told_as_well(
    text, tmp_path, monkeypatch, words
):
    def save(*_, **__):
        raise ValueError(words)

    monkeypatch.setattr(ocp.CheckpointManager, "save", save)
    told = os.strerror(errno.ENOSPC) if words is TENSORSTORE else "^shapes differ$"
    with pytest.raises(ValueError, match=told):
        train(tmp_path / "run", tiny(text))


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that has /dev/full")
def test_metrics_that_find_no_room_are_one_sentence(text, tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "run")
    full = property(lambda _: Path("/dev/full"))
    monkeypatch.setattr(RunDirectory, "metrics", full)
    with pytest.raises(
        CheckpointError, match=r"No space.*; make room, .* from step 0$"
    ):
        train(run.path, tiny(text))


def test_room_is_given_back(tmp_path):
    ask_for_room(tmp_path, 5000)
    with pytest.raises(OSError):
        ask_for_room(tmp_path, 2**62)
    assert list(tmp_path.iterdir()) == []
