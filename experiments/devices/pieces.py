"""Measures for some minutes, and goes on where an earlier call stopped.

One process after the other, for every setting of XLA's flags one, half of the time
each. Both take the cases in the same order, so that both have done most of them.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.cases import Case
from bench.report import Row, plain, rows_of

from . import found as results
from .found import Found
from .peaks import Peaks

# XLA's flags by setting; "graphs" makes a CUDA graph of a whole loop.
SETTINGS = {"plain": "", "graphs": "--xla_gpu_enable_command_buffer=+WHILE"}
EXPERIMENTS = Path(__file__).parents[1]


class Options(NamedTuple):
    """How to measure; the worker gets them as JSON."""

    seconds: float  # for the turns of a case
    rounds: int
    dtypes: tuple[str, ...]
    command: str
    only: tuple[str, ...] = ()  # parts of names of contestants; empty for all
    limit_s: float = 90.0  # for a whole case, or for the worker to begin


class Ended(Exception):
    """A worker that is no longer there; why."""


class Worker:
    """A process with flags of its own; see `worker`."""

    def __init__(self, setting: str, options: Options):
        flags = f"{os.environ.get('XLA_FLAGS', '')} {SETTINGS[setting]}".strip()
        path = os.pathsep.join(
            filter(None, (str(EXPERIMENTS), os.environ.get("PYTHONPATH")))
        )
        memory = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # torch needs some, too
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.limit_s = options.limit_s
        self.is_there = True
        self.process = subprocess.Popen(
            [sys.executable, "-m", "devices.worker", json.dumps(options._asdict())],
            env={**memory, **os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *args: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            assert stream is not None
            stream.close()

    def hear(self) -> Any:
        """What it tells next; `Ended` if it tells nothing more, or not in time."""
        assert self.process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(self.limit_s, stop)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if line:
            return json.loads(line)
        if late.is_set():
            raise Ended(f"not done in {self.limit_s:.0f} s")
        code = self.process.wait()
        self.errors.seek(0)
        told = [line for line in self.errors.read().splitlines() if line.strip()]
        raise Ended(f"the process ended with {code}: {told[-1] if told else ''}")

    def measured(self, case: Case) -> Row:
        """The row of a case; why there is nobody in it if the process ends."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `hear` tells why
            print(json.dumps(plain(case)), file=self.process.stdin, flush=True)
        try:
            (row,) = rows_of([self.hear()["row"]])
        except Ended as ended:
            self.is_there = False
            return Row(case, 0.0, {}, {"everybody": str(ended)})
        return row


class Asked(NamedTuple):
    """What to measure, and where it goes."""

    cases: list[Case]  # the most telling first
    settings: tuple[str, ...] | None  # None for those of the platform
    folder: Path
    report: Callable[[str, Row], None]  # is told every row, and its setting


def measure(asked: Asked, options: Options, minutes: float) -> Path:
    """Until the time is over or all is done; a case that has begun ends.

    Returns:
        The file of this kind of device.
    """
    until = time.monotonic() + 60 * minutes
    first, *others = asked.settings or SETTINGS
    path = _one_setting(asked, options, first, until, others)
    for setting in list(others):
        others.remove(setting)
        if asked.settings is None and results.read(path).about["platform"] != "gpu":
            _skip(path, setting, "only on a GPU")
        else:
            _one_setting(asked, options, setting, until, others, path)
    return path


def _one_setting(
    asked: Asked,
    options: Options,
    setting: str,
    until: float,
    others: list[str],
    path: Path | None = None,
) -> Path:
    """Its share of the time that is left for it and the others."""
    ends = None
    while path is None or ends is None or time.monotonic() < ends:
        with Worker(setting, options) as worker:
            try:
                path, platform = _begun(worker.hear(), setting, asked.folder)
            except Ended as ended:
                if path is None:
                    raise ValueError(f"{setting}: cannot begin: {ended}") from ended
                _skip(path, setting, str(ended))
                return path
            if ends is None:
                alone = asked.settings is None and platform != "gpu"
                now = time.monotonic()
                ends = now + (until - now) / (1 if alone else 1 + len(others))
            done = {row.case.key for row in results.read(path).rows.get(setting, ())}
            left = iter([case for case in asked.cases if case.key not in done])
            while worker.is_there and time.monotonic() < ends:
                case = next(left, None)
                if case is None:
                    return path
                row = worker.measured(case)
                results.write(path, results.with_row(results.read(path), setting, row))
                asked.report(setting, row)
    return path


def _begun(told: Any, setting: str, folder: Path) -> tuple[Path, str]:
    """The file, with what a worker tells of itself; and the platform."""
    path = results.file_of(folder, told["kind"])
    found, peaks = results.read(path), Peaks(**told["peaks"])
    versions = found.about.get("versions", told["about"]["versions"])
    if versions != told["about"]["versions"]:
        raise ValueError(
            f"expected results of {told['about']['versions']} in {path}, got those of "
            f"{versions}: move the file away, or install what it was measured with"
        )
    if setting in found.peaks:
        peaks = peaks.best(found.peaks[setting])
    skipped = {n: why for n, why in found.skipped.items() if n != setting}
    about = {**told["about"], "platform": told["platform"]}
    found = Found(about, found.peaks | {setting: peaks}, found.rows, skipped)
    results.write(path, found)
    return path, told["platform"]


def _skip(path: Path, setting: str, reason: str) -> None:
    found = results.read(path)
    skipped: dict[str, str] = found.skipped | {setting: reason}
    results.write(path, found._replace(skipped=skipped))
