"""How far an audit has come: told to a function, or in a line that rewrites itself."""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

Report = Callable[[int, int, str], None]  # how many parts are done, of how many, what
Tell = Callable[[str], None]  # what begins now

ERASE = "\r\x1b[K"


@contextlib.contextmanager
def telling(report: Report | None, parts: int) -> Iterator[Tell]:
    """What follows a ``tell(doing)`` inside the with block is one part.

    At the end the report is told that all parts are done, also of an audit that was
    broken off: there is nothing more to wait for.

    Args:
        report: None for a line on stderr, if that is a terminal.
        parts: how many there are.

    >>> with telling(lambda *at: print(*at), 2) as tell:
    ...     tell("pull"), tell("collect")
    0 2 pull
    1 2 collect
    (None, None)
    2 2 done
    """
    report = report or _line(sys.stderr)
    done = 0

    def tell(doing: str) -> None:
        nonlocal done
        report(done, parts, doing)
        done += 1

    try:
        yield tell
    finally:
        report(parts, parts, "done")


def _line(stream: TextIO) -> Report:
    """A line that rewrites itself and is gone in the end."""
    if not stream.isatty():
        return lambda done, parts, doing: None
    began = time.monotonic()

    def write(done: int, parts: int, doing: str) -> None:
        seconds = time.monotonic() - began
        line = f"{done} of {parts}, {seconds:.0f} s: {doing}" if done < parts else ""
        width = shutil.get_terminal_size().columns - 1  # a second line would stay
        stream.write(ERASE + line[:width])
        stream.flush()

    return write
