"""Where a run lives on disk, and how one tells that a checkpoint is whole.

::

    runs/2026-01-31-120000/
      config.json          the settings; written first
      checkpoints/300/     orbax: `state`, and `about` in JSON; then, written last,
                           sums.json: what every file must hash to
      metrics.jsonl        one JSON object a line
      train.lock           held by the process that trains here
      curve.png            drawn when the run ends

A checkpoint counts once its sums are there. One whose files are not those that were
written is refused, and left as it is.
"""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from .lines import LineError, Lines, read_lines

SUMS = "sums.json"


class CheckpointError(ValueError):
    """A run that cannot be begun, resumed, read or written; the message says why."""


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
    def settings(self) -> Path:
        """What `Config` says, in JSON."""
        return self.path / "config.json"

    @property
    def lock(self) -> Path:
        """Locked while a process trains here."""
        return self.path / "train.lock"

    @property
    def curve(self) -> Path:
        """The losses over the steps, as a picture."""
        return self.path / "curve.png"

    def checkpoint(self, step: int) -> Path:
        """The directory of one checkpoint."""
        return self.checkpoints / str(step)

    def steps(self) -> list[int]:
        """The steps of all whole checkpoints, ascending."""
        return [int(e.name) for e in self._entries() if (e / SUMS).exists()]

    def newest(self) -> int:
        """The step of the last checkpoint.

        Raises:
            CheckpointError: if there is none.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(f"{self.path} holds no checkpoint of a run")
        return steps[-1]

    def is_begun(self) -> bool:
        """Whether there is a run, however far it came."""
        return self.settings.exists() or bool(self.steps())

    def check_free(self) -> None:
        """An error unless a run can begin here: in a new or an empty directory.

        Raises:
            CheckpointError: if it holds something already.
        """
        if self.steps():
            raise CheckpointError(
                f"{self.path} already holds a run; go on with it by --resume, "
                "or choose another --out"
            )
        if self.settings.exists():
            raise CheckpointError(
                f"{self.path} holds a run that has no checkpoint yet; start it over by "
                "--resume, or choose another --out"
            )
        if self.path.exists() and not (self.path.is_dir() and self._is_empty()):
            raise CheckpointError(
                f"{self.path} exists and holds no run; choose another --out"
            )

    def drop_unfinished(self) -> None:
        """Removes checkpoints that a killed run was still writing."""
        for entry in self._entries():
            if not (entry / SUMS).exists():
                shutil.rmtree(entry)

    def seal(self, step: int) -> None:
        """Writes the sums of a checkpoint; from now on it counts."""
        path = self.checkpoint(step)
        write_whole(path / SUMS, json.dumps(_sums(path), indent=1))

    def verify(self, step: int) -> None:
        """Looks at every file of a checkpoint.

        Raises:
            CheckpointError: if one is not as it was written; it is named.
        """
        path = self.checkpoint(step)
        try:
            expected = json.loads((path / SUMS).read_text(encoding="utf-8"))
            differing = sorted(expected.items() ^ _sums(path).items())
        except (OSError, ValueError, AttributeError) as error:
            raise self.damaged(step, f"{SUMS} cannot be read: {error}") from error
        if differing:
            raise self.damaged(step, f"{differing[0][0]} is not as it was written")

    def damaged(self, step: int, why: str) -> CheckpointError:
        """The error that names a checkpoint, and the one before it."""
        earlier = [other for other in self.steps() if other < step]
        advice = f"; move it away to go on from step {earlier[-1]}" if earlier else ""
        return CheckpointError(f"cannot use {self.checkpoint(step)}: {why}{advice}")

    def read_lines(self) -> Lines:
        """The metrics, and whether their last line was cut short.

        Raises:
            CheckpointError: if another line is none of a run; it is named.
        """
        try:
            return read_lines(self.metrics)
        except OSError as error:
            why = error.strerror or str(error)
            raise CheckpointError(f"cannot read {self.metrics}: {why}") from error
        except LineError as error:
            raise CheckpointError(
                f"cannot use {self.metrics}: {error}; put that line right, or remove it"
            ) from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """All whole lines; the last one may have been cut short.

        Raises:
            CheckpointError: if another line is none of a run; it is named.
        """
        return self.read_lines().values

    def cut_metrics(self, step: int) -> None:
        """Drops what was written after a step: it will be written again."""
        lines = [line for line in self.read_metrics() if line["step"] <= step]
        write_whole(self.metrics, "".join(json.dumps(line) + "\n" for line in lines))

    def _entries(self) -> list[Path]:
        if not self.checkpoints.is_dir():
            return []
        entries = (e for e in self.checkpoints.iterdir() if e.name.isdecimal())
        return sorted(entries, key=lambda entry: int(entry.name))

    def _is_empty(self) -> bool:
        """Of all but what a process leaves that was killed as it began."""
        left = {self.lock.name, f"{self.settings.name}.tmp"}
        return {entry.name for entry in self.path.iterdir()} <= left


def newest_run(root: Path, unsaved: bool = False) -> RunDirectory:
    """The run under ``root`` whose last checkpoint is the youngest.

    Args:
        root: a directory of runs.
        unsaved: count runs without a checkpoint, too, by when they began.

    Raises:
        CheckpointError: if there is none.
    """
    entries = root.iterdir() if root.is_dir() else ()
    signs = {run: _last_sign(run, unsaved) for run in map(RunDirectory, entries)}
    ages = {run: sign.stat().st_mtime for run, sign in signs.items() if sign.exists()}
    if not ages:
        raise CheckpointError(f"found no run under {root}; name one, or train one")
    return max(ages, key=lambda run: ages[run])


def _last_sign(run: RunDirectory, unsaved: bool) -> Path:
    """The file that was written last for a run to go on from; it may not be there."""
    steps = run.steps()
    if steps or not unsaved:
        return run.checkpoint(steps[-1] if steps else 0) / SUMS
    return run.settings


def write_whole(path: Path, text: str) -> None:
    """Under another name first: whoever finds the file, finds all of it."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def _sums(path: Path) -> dict[str, str]:
    """The SHA-256 of every file under a checkpoint, by its relative path."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.name not in (SUMS, f"{SUMS}.tmp")
    }
