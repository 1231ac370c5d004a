"""Several processes that train one model together, on one machine or on many.

Each runs the same program on the same corpus with the same settings, and places its
own part of every array; the first one alone writes and shows. They meet in the
collectives of JAX. If one is lost, the others cannot go on: they say so and end, and
the run is resumed from its last checkpoint. A killed process is noticed at once, by its
closed connection; a frozen one after JAX's 100 seconds without a heartbeat.
"""

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

PATIENCE = 120  # seconds to wait for the others to begin
STATUS = re.compile(r"[A-Z_]+: ")  # how XLA's runtime begins its messages
WATCH = "import sys; sys.stdin.read() or print(sys.argv[1], file=sys.stderr)"


class Lost(RuntimeError):
    """Another process is gone."""


@dataclasses.dataclass(frozen=True)
class Processes:
    """Who trains together.

    >>> Processes("localhost:1234", 2, 1).name
    'process 1 of 2'
    """

    coordinator: str | None = None  # host:port of the first process
    count: int = 1
    index: int = 0

    def check(self) -> None:
        """An error where no such group can be.

        Raises:
            ValueError: which number is out of its range, or what is missing.
        """
        if self.count < 1:
            raise ValueError(f"expected at least 1 process, got {self.count}")
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"expected a process id from 0 to {self.count - 1}, got {self.index}; "
                f"there are {self.count} processes"
            )
        if self.count > 1 and self.coordinator is None:
            raise ValueError(
                f"expected a coordinator for {self.count} processes, got none; "
                "name host:port of process 0, and give all of them the same"
            )
        if self.count == 1 and self.coordinator is not None:
            raise ValueError(
                f"expected several processes at {self.coordinator}, got 1; "
                "say how many there are"
            )
        if self.coordinator and not re.fullmatch(r".+:\d+", self.coordinator):
            raise ValueError(
                f"expected a coordinator host:port, got {self.coordinator!r}"
            )

    @property
    def name(self) -> str:
        """Which one this is, for people."""
        return f"process {self.index} of {self.count}"

    @contextlib.contextmanager
    def joined(self, last_words: str) -> Iterator[None]:
        """Meets the others; leaves with them at the end.

        Must come before JAX looks for devices.

        Args:
            last_words: told on stderr if this process ends in any other way: JAX
                aborts a process at once when its coordinator is gone.

        Raises:
            ValueError: if there can be no such group.
        """
        self.check()
        if self.count == 1:
            yield
            return
        with _watched(last_words):
            jax.config.update("jax_cpu_collectives_implementation", "gloo")
            jax.distributed.initialize(
                self.coordinator,
                self.count,
                self.index,
                initialization_timeout=PATIENCE,
            )
            yield
            jax.distributed.shutdown()


@contextlib.contextmanager
def _watched(last_words: str) -> Iterator[None]:
    """A child that speaks when this process is gone without having said goodbye.

    To one who is left alone nobody listens any more: the last words are due then, too.
    """
    watch = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", WATCH, last_words],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not for it
    )
    lost = False
    try:
        yield
    except Lost:
        lost = True
        raise
    finally:
        if not lost:
            watch.communicate(b"goodbye")


def leave(status: int) -> None:
    """Ends one of several processes at once: an ordinary end waits for the others."""
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@contextlib.contextmanager
def loss_is_told() -> Iterator[None]:
    """Turns what a collective says of a dead peer into `Lost`."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        count = jax.process_count()
        if count == 1 or not STATUS.match(str(error)):
            raise
        which = f"process {1 - jax.process_index()}" if count == 2 else "a process"
        reason = str(error).splitlines()[0]
        raise Lost(f"{which} of {count} was lost ({reason})") from error


def is_first() -> bool:
    """Whether this process writes and shows."""
    return jax.process_index() == 0


def agreed(value: float) -> float:
    """The value of the first process; all must ask together."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def local(tree: Any) -> Any:
    """What lies whole on every device, on the first one of this process."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
