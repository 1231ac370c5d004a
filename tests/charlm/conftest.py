"""A corpus and a finished run that several files share; trained once a worker."""

import shutil

import jax
import pytest
from charlm_runs import tiny, train, write_text

from scanrnn.charlm import RunDirectory, read_about
from scanrnn.charlm.checkpoint import read_state
from scanrnn.charlm.loop import prepare
from scanrnn.charlm.train import init_state


@pytest.fixture(autouse=True)
def standard_promotion():
    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
        yield


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def finished(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "finished"
    with jax.numpy_dtype_promotion("standard"):
        train(path, tiny(text))
    return RunDirectory(path)


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "copy")
    return RunDirectory(tmp_path / "copy")


@pytest.fixture
def state_of():
    """The arrays of a run's last checkpoint."""

    def read(run):
        about = read_about(run)
        setup = prepare(about.config)
        like = init_state(setup.task, about.config.batch, about.config.seed)
        return read_state(run, about.step, like)

    return read
