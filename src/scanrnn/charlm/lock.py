"""One process at a time trains in a directory.

The lock is the operating system's and goes with the process that holds it, however it
ends: a file left behind locks nothing. What stands in the file is for people.
"""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator

from .directory import CheckpointError, RunDirectory
from .processes import is_first

# What a file system says that has no locks, such as some of those of clusters.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
UNLOCKED = (
    "the file system of {} has no locks: see to it yourself that no other process "
    "trains there"
)

if sys.platform == "win32":
    import msvcrt

    BEYOND = 2**30  # Windows forbids to read what is locked: a byte beyond the text

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, BEYOND, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def locked(run: RunDirectory) -> Iterator[tuple[str, ...]]:
    """Keeps others from training in a directory that is there.

    Of several processes that train together the first one locks, for all of them.

    Yields:
        What is to be told: nothing, or that this file system has no locks.

    Raises:
        CheckpointError: if another process trains there; it is named.
    """
    if not is_first():
        yield ()
        return
    descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(descriptor, run):
            yield (UNLOCKED.format(run.path),)
            return
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        told = f"process {os.getpid()} on {socket.gethostname()}"
        os.write(descriptor, told.encode())
        yield ()
    finally:
        os.close(descriptor)  # and so unlocked


def check_idle(run: RunDirectory) -> None:
    """An error if another process trains in a directory; writes nothing.

    Raises:
        CheckpointError: if one does; it is named.
    """
    if not run.lock.is_file():
        return
    descriptor = os.open(run.lock, os.O_RDWR)
    try:
        _take(descriptor, run)
    finally:
        os.close(descriptor)


def _take(descriptor: int, run: RunDirectory) -> bool:
    """Whether the lock was taken: False where there are none."""
    try:
        _lock(descriptor)
    except (BlockingIOError, PermissionError) as error:
        raise CheckpointError(
            f"{run.path} is in use: {_holder(descriptor)} trains there; wait until it "
            "ends, or stop it and go on by --resume"
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def _holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    told = os.read(descriptor, 200).decode("utf-8", "replace")
    return told or "another process"
