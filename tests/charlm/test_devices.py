"""Several devices share the batch: gradients meet once, and the numbers are one's."""

import dataclasses
import itertools
import re
import signal
import socket
import time

import jax
import numpy as np
import pytest
from charlm_runs import TINY, start, tiny, train, write_names, write_text
from programs import loop_depths

from scanrnn.charlm import Config, RunDirectory, fit
from scanrnn.charlm.loop import prepare
from scanrnn.charlm.placement import STREAMS, Placement
from scanrnn.charlm.train import init_state, place_state, updater

# A short and a long run of one program. At a high rate, what rounding makes would grow
# in the long one; with many steps a call it would be over before it is broken off.
ONE_PROGRAM = {"batch": 4, "learning_rate": 0.005, "steps_per_call": 2}
FOUR = {**ONE_PROGRAM, "steps": 24, "checkpoints": 2}


@pytest.fixture(autouse=True)
def standard_promotion():
    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus")
    write_text(path)
    write_names(path)
    return path


@pytest.fixture(scope="module")
def one(place):
    """The losses on one device."""
    with jax.numpy_dtype_promotion("standard"):
        train(place / "one", tiny(str(place / "corpus.txt"), **FOUR))
    return losses(RunDirectory(place / "one"))


def losses(run):
    """Of every step and of all evaluations, by step."""
    lines = [line for line in run.read_metrics() if line.keys() & {"loss", "held_out"}]
    return [(n["step"], n.get("loss", n.get("held_out"))) for n in lines]


def assert_same_curve(found, expected):
    assert [step for step, _ in found] == [step for step, _ in expected]
    np.testing.assert_allclose(
        [loss for _, loss in found], [loss for _, loss in expected], rtol=2e-4
    )


@pytest.mark.parametrize(
    "options",
    [
        {"text": "corpus.txt"},
        {
            **{"text": "corpus.txt", "layers": 2, "dropout": 0.0},
            **{"backward": "recomputed:4", "window": 12},  # three blocks
        },
        {"names": "names.txt"},
        {"text": "corpus.txt", "optimiser": "adamw"},
    ],
)
def test_gradients_meet_once_a_step_and_nothing_in_a_loop_over_time(place, options):
    files = {"text", "names"} & options.keys()
    paths = {name: str(place / options[name]) for name in files}
    config = dataclasses.replace(TINY, devices=2, **ONE_PROGRAM | options | paths)
    setup, placement = prepare(config), Placement.over(2, 4)
    state = place_state(init_state(setup.task, 4, 0), placement)
    tokens = placement.place(setup.tokens, STREAMS)
    update = updater(setup.task, placement)
    rates = np.zeros(config.steps_per_call, np.float32)
    hlo = update.lower(state, tokens, rates, np.int32(2)).compile().as_text()
    # In the loop over steps of training, no deeper: the gradients meet, and the gates
    # of the matrices that Muon moves.
    gathered = 2 * config.layers - 1 if config.optimiser == "muon" else 0
    assert loop_depths(hlo) == [1] * (1 + gathered)
    assert len(re.findall(r" all-reduce(?:-start)?\(", hlo)) == 1


def test_two_devices_train_as_one(place, one):
    config = tiny(str(place / "corpus.txt"), devices=2, **FOUR)
    train(place / "two", config)
    assert_same_curve(losses(RunDirectory(place / "two")), one)


@pytest.mark.exhaustive  # as above, by the other kind of corpus
def test_two_devices_learn_names_as_one(place):
    """Here streams differ in weight: a mean of means would be another loss."""
    curves = []
    for devices in (1, 2):
        run = RunDirectory(place / f"names{devices}")
        config = Config(
            names=str(place / "names.txt"), hidden=7, batch=2, window=11, steps=8,
            devices=devices, evaluations=1, samples=0, checkpoints=1,
        )  # fmt: skip
        train(run.path, config)
        curves.append(losses(run))
    assert_same_curve(*curves)


@pytest.mark.parametrize(
    ("before", "after"), [(2, 1), pytest.param(1, 2, marks=pytest.mark.exhaustive)]
)
def test_a_run_goes_on_with_another_number_of_devices(place, one, before, after):
    run = RunDirectory(place / f"{before}to{after}")
    partly = fit(run, tiny(str(place / "corpus.txt"), devices=before, **FOUR))
    list(itertools.islice(partly, 20))  # beyond the checkpoint in the middle
    partly.close()
    assert run.newest() == 12
    list(fit(run, resume=True, devices=after))
    assert_same_curve(losses(run), one)


def test_a_batch_that_devices_cannot_share_is_named():
    with pytest.raises(ValueError, match=r"got 4 streams for 1 processes x 3 devices"):
        Placement.over(3, 4)


WORDS = [
    *("--text", "corpus.txt", "--hidden", "7", "--batch", "4", "--window", "11"),
    *("--steps", "24", "--learning-rate", "0.005", "--dropout", "0.1"),
    *("--evaluations", "2", "--samples", "1", "--checkpoints", "2"),
    *("--steps-per-call", "2"),
]


def start_two(*words, cwd):
    """Both processes of a run, meeting on a port that was free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    group = ("--coordinator", f"127.0.0.1:{port}", "--num-processes", 2)
    return [start(*words, *group, "--process-id", k, cwd=cwd) for k in (0, 1)]


def test_two_processes_train_as_one_device(place, one):
    both = start_two(*WORDS, "--out", "both", cwd=place)
    (out, _), (silent, _) = ends = [p.communicate(timeout=300) for p in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert_same_curve(losses(RunDirectory(place / "both")), one)
    assert "held out" in out
    assert "held out" not in silent


LONG = {**ONE_PROGRAM, "steps": 400, "checkpoints": 4}


@pytest.fixture(scope="module")
def long(place):
    """The losses of a run long enough to be broken off in its middle."""
    with jax.numpy_dtype_promotion("standard"):
        train(place / "long", tiny(str(place / "corpus.txt"), **LONG))
    return losses(RunDirectory(place / "long"))


@pytest.mark.parametrize("killed", [pytest.param(0, marks=pytest.mark.exhaustive), 1])
def test_a_killed_process_ends_the_other_and_the_run_resumes(
    place, long, killed, monkeypatch
):
    run = RunDirectory(place / f"killed{killed}")
    words = [*WORDS, "--steps", 400, "--samples", 0, "--checkpoints", 4]
    both = start_two(*words, "--out", run.path, cwd=place)
    while len(run.read_metrics()) < 120 and both[0].poll() is both[1].poll() is None:
        time.sleep(0.002)
    both[killed].send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    _, told = both[1 - killed].communicate(timeout=120)
    both[killed].communicate()
    assert both[1 - killed].returncode not in (0, None), told
    assert time.monotonic() - killed_at < 60
    assert f"process {1 - killed} of 2 broke off; go on with" in told
    assert f"--resume --out {run.path}" in told
    assert 0 < run.newest() < 400
    monkeypatch.chdir(place)  # the corpus was named from here
    list(fit(run, resume=True, devices=1 + killed))
    assert_same_curve(losses(run), long)
