"""Where a run lives on disk, and how it is saved and read back.

::

    runs/2026-01-31-120000/
      checkpoints/300/     orbax: `state`, and `about` in JSON; written under another
                           name and renamed, so what bears this name is whole
      metrics.jsonl        one JSON object a line
      curve.png            drawn when the run ends

A checkpoint holds a fingerprint of its arrays. One that was damaged, or that belongs
to something else, is refused and left as it is.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from .config import Config
from .text import Vocabulary
from .train import TrainState

FORMAT = "scanrnn.charlm 1"
KEPT = 2  # checkpoints; the one before the last, in case a disk damages the last


class CheckpointError(ValueError):
    """A run that cannot be begun, resumed or read; the message says why."""


class About(NamedTuple):
    """What is known of a checkpoint besides its arrays."""

    config: Config
    vocabulary: Vocabulary
    corpus: str  # the fingerprint of what it was trained on
    step: int
    seconds: float  # trained so far


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """A directory with one run in it, or with none yet.

    >>> RunDirectory(Path("runs/first")).metrics.name
    'metrics.jsonl'
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """One directory per checkpoint, named by its step."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def curve(self) -> Path:
        """The losses over the steps, as a picture."""
        return self.path / "curve.png"

    def steps(self) -> list[int]:
        """The steps of all whole checkpoints, ascending."""
        if not self.checkpoints.is_dir():
            return []
        names = (entry.name for entry in self.checkpoints.iterdir())
        return sorted(int(name) for name in names if name.isdecimal())

    def begin(self) -> None:
        """Makes the directory.

        Raises:
            CheckpointError: if it holds something already.
        """
        if self.steps():
            raise CheckpointError(
                f"{self.path} already holds a run; go on with it by --resume, "
                "or choose another --out"
            )
        if self.path.is_dir() and _foreign(self.path):
            raise CheckpointError(
                f"{self.path} holds files that are not of a run, such as "
                f"{_foreign(self.path)[0]}; choose another --out"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"cannot make {self.path}: {error.strerror}"
            ) from error
        self.metrics.unlink(missing_ok=True)

    def newest(self) -> int:
        """The step of the last checkpoint.

        Raises:
            CheckpointError: if there is none.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(f"{self.path} holds no checkpoint of a run")
        return steps[-1]

    def about(self) -> About:
        """The JSON of the last checkpoint."""
        return read_about(self, self.newest())

    def cut_metrics(self, step: int) -> None:
        """Drops what was written after a step: it will be written again."""
        lines = [line for line in self.read_metrics() if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        scratch = self.metrics.with_suffix(".tmp")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(self.metrics)

    def read_metrics(self) -> list[dict[str, Any]]:
        """All whole lines; the last one may have been cut short."""
        if not self.metrics.is_file():
            return []
        lines = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return lines


def newest_run(root: Path) -> RunDirectory:
    """The run under ``root`` whose last checkpoint is the youngest.

    Raises:
        CheckpointError: if there is none.
    """
    entries = root.iterdir() if root.is_dir() else ()
    runs = [run for run in map(RunDirectory, entries) if run.steps()]
    if not runs:
        raise CheckpointError(
            f"found no run under {root}; name one, or train one first"
        )

    def age(run: RunDirectory) -> float:
        return (run.checkpoints / str(run.newest())).stat().st_mtime

    return max(runs, key=age)


class Keeper(NamedTuple):
    """Saves the checkpoints of one run."""

    manager: ocp.CheckpointManager
    run: RunDirectory

    def save(self, state: TrainState, about: About) -> Path:
        """Writes one checkpoint; when this returns, it is on disk and whole.

        Raises:
            CheckpointError: if the state holds a number that is not finite.
        """
        if not _is_finite(state):
            raise CheckpointError(
                "expected a finite state to save, got nan or infinity"
            )
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            about=ocp.args.JsonSave(_to_json(about, _fingerprint(state))),
        )
        self.manager.save(about.step, args=items, force=True)
        return self.run.checkpoints / str(about.step)


@contextlib.contextmanager
def keeper(run: RunDirectory) -> Iterator[Keeper]:
    """A `Keeper` for as long as a run goes on."""
    options = ocp.CheckpointManagerOptions(
        max_to_keep=KEPT, enable_async_checkpointing=False
    )
    with (
        _quiet(),
        ocp.CheckpointManager(run.checkpoints.absolute(), options=options) as m,
    ):
        yield Keeper(m, run)


def read_about(run: RunDirectory, step: int) -> About:
    """The JSON of a checkpoint.

    Raises:
        CheckpointError: if it is damaged or was written by something else.
    """
    return _from_json(_read_json(run, step), run, step)


def read_state(run: RunDirectory, step: int, like: TrainState) -> TrainState:
    """The arrays of a checkpoint.

    Args:
        run: where it is.
        step: which one.
        like: a state of the same shapes, lying where the result shall lie.

    Raises:
        CheckpointError: if it is damaged or was written by something else.
    """
    target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    path = _item(run, step, "state")
    try:
        with _quiet(), ocp.StandardCheckpointer() as checkpointer:
            state: TrainState = checkpointer.restore(path, target)
    except Exception as error:  # orbax and tensorstore raise many kinds
        raise _damaged(run, step, _first_line(error)) from error
    if _fingerprint(state) != _read_json(run, step).get("fingerprint"):
        raise _damaged(run, step, "its arrays are not those that were saved")
    return state


def _read_json(run: RunDirectory, step: int) -> dict[str, Any]:
    path = _item(run, step, "about") / "metadata"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(run, step, _first_line(error)) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _damaged(run, step, f"it is not of the format {FORMAT!r}")
    return content


def _item(run: RunDirectory, step: int, name: str) -> Path:
    return (run.checkpoints / str(step) / name).absolute()


def _to_json(about: About, fingerprint: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "config": about.config.as_dict(),
        "vocabulary": about.vocabulary.characters,
        "corpus": about.corpus,
        "step": about.step,
        "seconds": about.seconds,
        "fingerprint": fingerprint,
    }


def _from_json(content: dict[str, Any], run: RunDirectory, step: int) -> About:
    try:
        return About(
            Config(**content["config"]),
            Vocabulary(content["vocabulary"]),
            content["corpus"],
            content["step"],
            content["seconds"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(run, step, _first_line(error)) from error


def _damaged(run: RunDirectory, step: int, why: str) -> CheckpointError:
    earlier = [other for other in run.steps() if other < step]
    advice = f"; move it away to go on from step {earlier[-1]}" if earlier else ""
    return CheckpointError(
        f"cannot use the checkpoint {run.checkpoints / str(step)}: {why}{advice}"
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def _fingerprint(state: TrainState) -> str:
    digest = hashlib.sha256()
    for leaf in map(_on_host, jax.tree.leaves(state)):
        digest.update(f"{leaf.dtype}{leaf.shape}".encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def _is_finite(state: TrainState) -> bool:
    leaves = map(_on_host, jax.tree.leaves(state))
    return all(bool(np.isfinite(leaf).all()) for leaf in leaves)


def _on_host(leaf: jax.Array) -> np.ndarray:
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def _foreign(path: Path) -> list[str]:
    ours = ("checkpoints", "metrics.jsonl", "metrics.tmp", "curve.png")
    return sorted(entry.name for entry in path.iterdir() if entry.name not in ours)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Orbax logs what it could not do before it raises; the error is enough."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
