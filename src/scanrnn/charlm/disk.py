"""What is said when a disk refuses what a run wants to write."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from .directory import CheckpointError, RunDirectory

CODE = re.compile(r"\[os_error_code='(\d+)'\]")  # how TensorStore tells an OSError
FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
BLOCK = 2**20  # bytes written at once, where room cannot be asked for


@contextlib.contextmanager
def refusal_is_told(run: RunDirectory) -> Iterator[None]:
    """Turns an `OSError` into one sentence; all that is written is the run's."""
    try:
        yield
    except OSError as error:
        failure = refused(run, error, run.path)
        if failure is None:
            raise
        raise failure from error


def refused(run: RunDirectory, error: Exception, path: Path) -> CheckpointError | None:
    """What to say of an error, if it is the disk's.

    Args:
        run: what was to be written.
        error: what was raised.
        path: named if the error names no file.
    """
    told = CODE.search(str(error))
    code = int(told[1]) if told else getattr(error, "errno", None)
    if code is None:
        return None
    where = getattr(error, "filename", None) or path
    return CheckpointError(
        f"cannot write {where}: {os.strerror(code)}; {_advice(code)}{_left(run)}"
    )


def ask_for_room(path: Path, size: int) -> None:
    """An error unless ``size`` more bytes can be written in a directory.

    orbax tells of a full disk from many threads, each by a traceback of its own. So
    the room is taken, and given back, before it begins.

    Raises:
        OSError: what the disk says.
    """
    scratch = path / "room.tmp"
    try:
        with scratch.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:  # macOS, Windows
                for _ in range(0, size, BLOCK):
                    file.write(bytes(BLOCK))
    finally:
        scratch.unlink(missing_ok=True)


def _advice(code: int) -> str:
    if code in FULL:
        return "make room, then "
    return "allow writing there, then " if code in FORBIDDEN else ""


def _left(run: RunDirectory) -> str:
    steps = run.steps()
    if steps:
        return f"--resume goes on from step {steps[-1]}"
    if run.settings.exists():
        return "--resume starts the run over: it has no checkpoint yet"
    return "start the run again"
