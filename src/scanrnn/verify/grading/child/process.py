"""Starts a child for a stranger's program, watches it, and asks it.

Time is CPU time: on a machine that is busy with other things a right function takes
longer by the clock and no longer by this measure. A child that computes nothing and
waits is stopped as well. On Linux the child is watched from outside, ten times a
second; elsewhere the system's own limits hold, to whole seconds, and Windows has none,
so that there only the clock is left: ten times the limit.

This keeps a mistake from doing harm, and a bored machine from hanging. It is no jail:
the program may read and write what its user may. Judge nobody's file whom you would not
run yourself.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from . import worker

MOST_OUTPUT = 1 << 16  # bytes of the program's own output that are kept
TICK = 0.05  # seconds between two looks at the child
PAGE = 4096 if not hasattr(os, "sysconf") else os.sysconf("SC_PAGE_SIZE")
SECOND = 100 if not hasattr(os, "sysconf") else os.sysconf("SC_CLK_TCK")
PASSED_ON = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"),
    *(
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "PYTHONHOME",
    ),
    *("JAX_PLATFORMS", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES", "NUMBER_OF_PROCESSORS"),
)
SET = {
    **{name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")},
    **{"MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg", "JAX_ENABLE_X64": "1"},
    **{"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8:replace"},
}


class Limits(NamedTuple):
    """What a program may use."""

    seconds: float = 5.0  # of CPU time, for a call
    loading: float = 10.0  # of CPU time, for loading the file
    idle: float = 10.0  # by the clock, without computing anything
    memory: int = 4 << 30  # bytes in use; twice as many may be asked for


class Loaded(NamedTuple):
    """What came of loading a program."""

    failure: str = ""  # in words, where it did not load to its end
    ended: str = ""  # where it ended itself
    names: Mapping[str, tuple[str, ...]] = {}  # what can be called, with its arguments


class Gone(Exception):
    """The child is no more; the message says why."""


class Child:
    """A process that holds one stranger's program. Use it in a ``with`` statement.

    >>> with Child() as child:
    ...     _ = child.load([("mine.py", "def f(x): return x + 1")], ".")
    ...     float(child.call("f", {"x": 1.5})["value"])
    2.5
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self.gone = ""  # why it is no more
        self._output = bytearray()
        self._replies: queue.Queue[bytes] = queue.Queue()
        cpu = int(40 * limits.seconds + limits.loading) + 60
        options: dict[str, Any] = (
            {"start_new_session": True} if os.name == "posix" else {}
        )
        command = [sys.executable, "-P", str(Path(worker.__file__))]
        self._process = subprocess.Popen(
            [*command, str(2 * limits.memory), str(cpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if k in PASSED_ON} | SET,
            **options,
        )
        assert self._process.stdout and self._process.stderr
        for target, stream in (
            (self._listen, self._process.stdout),
            (self._drain, self._process.stderr),
        ):
            threading.Thread(target=target, args=(stream,), daemon=True).start()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(
        self,
        units: Sequence[tuple[str, str]],
        folder: str,
        stand_ins: Mapping[str, str] = {},
    ) -> Loaded:
        """Runs sources, each under a file's name, with a folder to import from.

        Of ``stand_ins``, sources by the name of a module, those are used that cannot be
        imported.
        """
        request = {
            "do": "load",
            "units": [list(unit) for unit in units],
            "folder": folder,
            "stand_ins": dict(stand_ins),
        }
        try:
            answer = self._ask(request, self.limits.loading)
        except Gone as gone:
            return Loaded(str(gone))
        names = {str(n): tuple(a) for n, a in dict(answer.get("names") or {}).items()}
        failure, ended = (str(answer.get(key, "")) for key in ("failure", "ended"))
        return Loaded(failure, ended, names)

    def call(self, name: str, args: dict[str, Any], how: str = "") -> dict[str, Any]:
        """What the child says of a call; raises `Gone` where it says nothing."""
        request = {"do": "call", "name": name, "args": args, "how": how}
        return self._ask(request, self.limits.seconds)

    def variants(
        self, sources: Sequence[str], call: dict[str, Any], seconds: float
    ) -> dict[str, Any]:
        """What the child says of calls with parts of the program written otherwise."""
        request = {
            "do": "variants",
            "sources": list(sources),
            "call": call,
            "seconds": seconds,
        }
        return self._ask(request, seconds + self.limits.seconds)

    def output(self) -> str:
        """What the program printed, as far as it is kept."""
        return bytes(self._output).decode("utf-8", "replace")

    def close(self) -> None:
        """Ends the child and what it started."""
        self._kill()
        with contextlib.suppress(Exception):
            self._process.wait(5)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(Exception):
                stream.close()  # type: ignore[union-attr]

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self.gone:
            raise Gone(self.gone)
        watch = _Watch(self._process.pid, self.limits, seconds)
        try:
            assert self._process.stdin
            self._process.stdin.write(worker.encode(request, _number))
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        while True:
            try:
                message = self._replies.get(timeout=TICK)
            except queue.Empty:
                why = watch.over()
                if why:
                    self._stop(why)
                continue
            if not message:
                raise self._ended()
            return self._read(message)

    def _read(self, message: bytes) -> dict[str, Any]:
        try:
            answer = worker.decode(message)
        except Exception:
            answer = None
        if not isinstance(answer, dict):
            self._stop("it answered with something else than the values asked for")
        return answer

    def _stop(self, why: str) -> NoReturn:
        self._kill()
        self.gone = why
        raise Gone(why)

    def _ended(self) -> Gone:
        """Why the child ended by itself, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        self._kill()
        if code is None or code >= 0:
            self.gone = f"ended the whole program (exit code {code})"
        else:
            self.gone = _signal(-code)
        return Gone(self.gone)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def _listen(self, stream: IO[bytes]) -> None:
        try:
            while message := worker.receive(stream):  # type: ignore[arg-type]
                self._replies.put(message)
        except Exception:
            self._replies.put(b"?")
        self._replies.put(b"")

    def _drain(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(Exception):
            while part := stream.read1(1 << 14):  # type: ignore[attr-defined]
                self._output += part
                if len(self._output) > MOST_OUTPUT:  # the end of it tells most
                    del self._output[: -MOST_OUTPUT // 2]


def _number(kept: Any) -> int:
    """What stays in the child is named by its number there."""
    if not isinstance(kept, worker.Kept):
        raise TypeError(f"expected arrays and plain values, got {type(kept).__name__}")
    return kept.number


def _signal(number: int) -> str:
    known: dict[int, str] = {
        signal.SIGSEGV: "crashed (segmentation fault)",
        signal.SIGABRT: "crashed (aborted)",
        signal.SIGKILL: "was killed by the system, which may lack memory",
    }
    if hasattr(signal, "SIGXCPU"):
        known[signal.SIGXCPU] = "used up its CPU time"
    return known.get(number, f"was ended by signal {number}")


class _Watch:
    """Looks at a child from outside: how long it computes, waits, how much it holds."""

    def __init__(self, pid: int, limits: Limits, seconds: float) -> None:
        self.pid, self.limits, self.seconds = pid, limits, seconds
        self.started = self.active = time.monotonic()
        self.before = self.last = _cpu(pid)

    def over(self) -> str:
        """Why the child is to be stopped; empty if it is not."""
        now, cpu = time.monotonic(), _cpu(self.pid)
        if cpu is None or self.before is None:  # nothing is told here: the clock
            if now - self.started > 10 * self.seconds + self.limits.idle:
                return f"did not return within {self.seconds:g} s"
            return ""
        if cpu - self.before > self.seconds:
            return f"did not return within {self.seconds:g} s of CPU time"
        if cpu != self.last or _is_busy(self.pid):
            self.active, self.last = now, cpu
        if now - self.active > self.limits.idle:
            return f"waited for {self.limits.idle:g} s and computed nothing"
        if _held(self.pid) > self.limits.memory:
            return f"used more than {self.limits.memory / 2**30:g} GiB of memory"
        return ""


def _cpu(pid: int) -> float | None:
    """Seconds of CPU time of all threads of a process so far; None if not told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / SECOND


def _is_busy(pid: int) -> bool:
    """Whether a thread runs, wants to run, or waits for a disk."""
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if path.read_text().rpartition(")")[2].split()[0] in "RD":
                return True
    return False


def _held(pid: int) -> int:
    """Bytes of memory that a process holds."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0
