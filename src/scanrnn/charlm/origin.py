"""Where a run begins, and from where it goes on."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from .checkpoint import About, read_about
from .config import Config
from .directory import CheckpointError, RunDirectory
from .lock import check_idle, locked
from .processes import is_first
from .settings import check_kept, read_settings, settings_of, write_settings


class Origin(NamedTuple):
    """Settings, and the checkpoint to go on from."""

    config: Config
    about: About | None = None  # None: from the first step on
    notes: tuple[str, ...] = ()  # what is to be told before it goes on

    @property
    def step(self) -> int:
        """The updates made so far."""
        return 0 if self.about is None else self.about.step


def check_free(run: RunDirectory) -> None:
    """An error unless a run can begin in a directory.

    Raises:
        CheckpointError: if a process trains there, or it holds something already.
    """
    if is_first():
        check_idle(run)
        run.check_free()


@contextlib.contextmanager
def begun(run: RunDirectory, config: Config) -> Iterator[tuple[str, ...]]:
    """A new run, locked as long as it goes on: from now on it can be resumed.

    Yields:
        What `locked` says.

    Raises:
        CheckpointError: if another process was quicker.
    """
    if is_first():
        run.path.mkdir(parents=True, exist_ok=True)
    with locked(run) as notes:
        if is_first():
            run.check_free()
            write_settings(run, config)
        yield notes


def origin_of(run: RunDirectory) -> Origin:
    """From where a run that broke off goes on.

    Raises:
        CheckpointError: if there is none, or what is there cannot be used.
    """
    if not run.is_begun():
        raise CheckpointError(
            f"{run.path} holds no checkpoint of a run, nor its settings; begin one "
            "without --resume"
        )
    if not run.steps():
        return _started_over(run)
    about = read_about(run)
    config = settings_of(run)
    if run.settings.exists():
        check_kept(run, config, about.config)
    return Origin(config, about, _notes(run, about.step))


def check_corpus(run: RunDirectory, origin: Origin, digest: str) -> None:
    """An error if a run goes on with another corpus than it began with.

    Raises:
        CheckpointError: where the corpus lies.
    """
    if origin.about is not None and origin.about.corpus != digest:
        source = origin.config.text or origin.config.names or "the default corpus"
        raise CheckpointError(
            f"{run.path} was trained on another corpus: {source} has changed since. "
            "Restore it, or begin anew with another --out"
        )


def _started_over(run: RunDirectory) -> Origin:
    config = read_settings(run)
    if run.read_metrics():  # not without a checkpoint: somebody took it away
        raise CheckpointError(
            f"{run.path} holds no checkpoint, but {run.metrics.name} tells of steps: "
            "put the checkpoints back, or begin anew with another --out"
        )
    return Origin(config, None, ("no checkpoint yet: the run starts over from step 0",))


def _notes(run: RunDirectory, step: int) -> tuple[str, ...]:
    """What is amiss with the metrics of a run that goes on from a step."""
    values, cut = run.read_lines()
    name, notes = run.metrics.name, []
    told = {line["step"] for line in values if "loss" in line}
    missing = sorted(set(range(1, step + 1)) - told)
    if missing:
        there = "lacks" if run.metrics.exists() else "is missing, and with it"
        notes.append(
            f"{name} {there} the losses of {len(missing)} of the steps 1 to {step}, "
            f"from step {missing[0]} on; the run goes on without them"
        )
    if cut is not None:
        notes.append(f"{name}: line {cut} was cut short; it is dropped")
    beyond = {line["step"] for line in values if line["step"] > step}
    if beyond:
        notes.append(
            f"{name}: steps {min(beyond)} to {max(beyond)} come after the checkpoint "
            f"of step {step}; their lines are dropped, and written again"
        )
    return tuple(notes)
