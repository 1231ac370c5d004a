"""The script that people run: by its own process, on its own words."""

import random
import signal
import time

import jax
import pytest
from charlm_runs import SCRIPT, start, without_time, write_text

from scanrnn.charlm import RunDirectory, read_about
from scanrnn.charlm.directory import SUMS

SMALL = [
    *("--hidden", "7", "--batch", "3", "--window", "11", "--steps", "60"),
    *("--learning-rate", "0.02", "--dropout", "0.1"),  # the program of `tiny`
    *("--evaluations", "2", "--samples", "1", "--checkpoints", "20"),
]


PAIR = ["--num-processes", "2", "--coordinator", "localhost:1"]


def call(*words, cwd):
    process = start(*words, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("place")
    write_text(path)
    return path


@pytest.fixture(scope="module")
def finished(place):
    """A run from its first step to its last; what it printed, and where it is."""
    code, out, err = call("--text", "corpus.txt", *SMALL, cwd=place)
    assert code == 0, err
    [path] = (place / "runs").iterdir()
    return out, RunDirectory(path)


def test_a_run_shows_what_it_does(finished):
    out, run = finished
    for expected in (
        "corpus.txt",
        "1 x lstm(7)",
        "hand-derived gradient against jax.grad",
        ".layers[0].w_h",
        "chars/s",
        "held out",
        "bits per character",
        "sample --run",
    ):
        assert expected in out
    assert "\x1b" not in out  # no terminal, no colours
    assert run.curve.read_bytes().startswith(b"\x89PNG")
    lines = run.read_metrics()
    assert [line["step"] for line in lines if "loss" in line] == [*range(1, 61)]
    assert [line["step"] for line in lines if "held_out" in line] == [30, 60]
    assert run.steps() == [57, 60]


def test_the_command_that_a_run_names_lets_it_write(
    finished, place, capsys, monkeypatch
):
    out, _ = finished
    words = out.strip().splitlines()[-1].split()
    assert words[0] == "python"
    extra = ["--prompt", "a", "--count", "2", "--length", "30", "--top-k", "5"]
    capsys.readouterr()
    code = in_process([*words[2:], *extra], place, monkeypatch)
    written, err = capsys.readouterr()
    assert code == 0, err
    assert written.count("---") == 4
    assert len(written) >= 2 * 31


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prompt", "Ж"], "got 'Ж'"),
        (["--temperature", "0"], "temperature positive"),
        (["--run", "nowhere"], "nowhere holds no checkpoint"),
    ],
)
def test_sample_says_what_is_wrong(
    finished, place, words, message, capsys, monkeypatch
):
    code = in_process(["sample", *words], place, monkeypatch)
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert message in captured.err


def wait_for(path, process):
    while not path.exists() and process.poll() is None:
        time.sleep(0.005)


def test_a_killed_run_resumes_to_the_same_numbers(finished, place, capsys, monkeypatch):
    _, whole = finished
    run = RunDirectory(place / "killed")
    new = ("--text", "corpus.txt", *SMALL, "--out", run.path)
    on = ("--resume", "--out", run.path)
    process = start(*new, cwd=place)
    wait_for(run.settings, process)
    process.send_signal(signal.SIGKILL)  # before its first checkpoint
    process.communicate()
    unsaved = not run.steps()

    moment = random.SystemRandom().uniform(0, 1)
    process = start(*on, cwd=place)
    wait_for(run.checkpoint(0) / SUMS, process)
    process.send_signal(signal.SIGSTOP)  # as long as it is there, it holds the run
    for words in (new, on):
        assert in_process(list(map(str, words)), place, monkeypatch) == 1
        assert f"in use: process {process.pid} on " in capsys.readouterr().err
    process.send_signal(signal.SIGCONT)
    lines = int(60 * moment)
    while len(run.read_metrics()) < lines and process.poll() is None:
        time.sleep(0.002)
    time.sleep(0.05 * moment)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    assert "starts over from step 0" in out or not unsaved
    killed_at = run.newest()
    code = in_process(list(map(str, on)), place, monkeypatch)
    assert code == 0, (moment, killed_at, capsys.readouterr().err)
    where = f"killed after {lines} lines, resumed from {killed_at}"
    assert without_time(run) == without_time(whole), where
    assert read_about(run)[:4] == read_about(whole)[:4], where
    assert arrays(run) == arrays(whole), where
    leftovers = [p.name for p in run.checkpoints.iterdir() if not p.name.isdecimal()]
    assert leftovers == [], where


def arrays(run):
    from scanrnn.charlm.checkpoint import read_state
    from scanrnn.charlm.train import init_state, task_of

    about = read_about(run)
    config = about.config
    like = init_state(task_of(config, about.vocabulary), config.batch, config.seed)
    state = read_state(run, about.step, like)
    state = state._replace(key=jax.random.key_data(state.key))
    return [leaf.tobytes() for leaf in jax.device_get(jax.tree.leaves(state))]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cell", "transformer"], "expected a cell of rnn, relu-rnn"),
        (["--backward", "stored:3"], "expected a way back"),
        (["--hidden", "0"], "hidden at least 1, got 0"),
        (["--learning-rate", "nan"], "learning_rate positive, got nan"),
        (["--steps-per-call", "0"], "steps_per_call at least 1, got 0"),
        (["--dropout", "1"], r"dropout in [0, 1), got 1"),
        (["--steps", "5", "--minutes", "1"], "--steps or --minutes, got both"),
        (["--num-processes", "2"], "expected a coordinator for 2 processes, got none"),
        (["--coordinator", "localhost:1"], "several processes at localhost:1, got 1"),
        (["--num-processes", "0"], "expected at least 1 process, got 0"),
        ([*PAIR, "--process-id", "2"], "a process id from 0 to 1, got 2"),
        ([*PAIR, "--coordinator", "host"], "a coordinator host:port, got 'host'"),
        ([*PAIR], "give all of them the same --out"),
        (["--devices", "3", "--batch", "4"], "a multiple of devices, got 4 streams"),
        (["--resume", "--hidden", "9"], "keeps its settings: drop --hidden"),
        (["--resume", "--out", "nowhere"], "nowhere holds no checkpoint"),
        (["--text", "nowhere"], "cannot read nowhere"),
        (["--text", "corpus.txt", "--batch", "500"], "take a smaller batch or window"),
        (["--text", "corpus.txt", "--names", "x"], "got both"),
        (["--text", "corpus.txt", "--out", "corpus.txt"], "choose another --out"),
    ],
)
def test_train_says_what_is_wrong(place, words, message, capsys, monkeypatch):
    code = in_process(words, place, monkeypatch)
    captured = capsys.readouterr()
    assert code == 1
    assert message in captured.err
    assert captured.out == ""
    assert not (place / "runs" / "x").exists()


def in_process(words, place, monkeypatch):
    """The exit code of the script's app, called in this process as in its own."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.chdir(place)
    import char_lm

    with jax.enable_x64(False), pytest.raises(SystemExit) as ended:
        char_lm.app(words)
    return ended.value.code
