"""Measures for some minutes, and goes on where an earlier call stopped.

One process after the other, for every setting of XLA's flags one: half of the time each.
Both take the cases in the same order, so that the cases both have done are many.
"""

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
    limit_s: float = 60.0  # for a whole case, or for the worker to begin


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
        self.errors = tempfile.TemporaryFile("w+")
        self.limit_s = options.limit_s
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
        """The row of a case."""
        assert self.process.stdin is not None
        try:
            print(json.dumps(plain(case)), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # `hear` tells why
        (row,) = rows_of([self.hear()["row"]])
        return row


def measure(
    cases: list[Case],
    settings: tuple[str, ...] | None,
    options: Options,
    *,
    folder: Path,
    minutes: float,
    report: Callable[[str, Row], None],
) -> Path:
    """Until the time is over or all is done; a case that has begun ends.

    Args:
        cases: what to measure, the most telling first.
        settings: of XLA's flags; None for those of the platform.
        options: how.
        folder: where the JSON of a kind of device lies.
        minutes: in which no case begins any more.
        report: is told every row, and its setting.

    Returns:
        The file.
    """
    until, path = time.monotonic() + 60 * minutes, None
    wanted = tuple(SETTINGS) if settings is None else settings
    for k, setting in enumerate(wanted):
        now = time.monotonic()
        share = now + (until - now) / (len(wanted) - k)
        if path is not None and settings is None and not _has_graphs(path):
            _skip(path, setting, "needs a GPU")
            continue
        path = _one_setting(cases, setting, options, folder, share, path, report)
    if path is None:
        raise ValueError("expected at least one setting")
    return path


def _one_setting(
    cases: list[Case],
    setting: str,
    options: Options,
    folder: Path,
    until: float,
    path: Path | None,
    report: Callable[[str, Row], None],
) -> Path:
    while True:
        with Worker(setting, options) as worker:
            try:
                path = _begun(worker.hear(), setting, folder)
            except Ended as ended:
                if path is None:
                    raise ValueError(f"{setting}: cannot begin: {ended}") from ended
                _skip(path, setting, str(ended))
                return path
            done = {row.case.key for row in results.read(path).rows.get(setting, ())}
            left = [case for case in cases if case.key not in done]
            for case in left:
                if time.monotonic() >= until:
                    return path
                try:
                    row, ended = worker.measured(case), False
                except Ended as reason:
                    row, ended = Row(case, 0.0, {}, {"everybody": str(reason)}), True
                results.write(path, results.with_row(results.read(path), setting, row))
                report(setting, row)
                if ended:
                    break
            else:
                return path


def _begun(told: Any, setting: str, folder: Path) -> Path:
    """The file of this kind of device, with what a worker tells of itself."""
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
    return path


def _has_graphs(path: Path) -> bool:
    return results.read(path).about["platform"] == "gpu"


def _skip(path: Path, setting: str, reason: str) -> None:
    found = results.read(path)
    skipped: dict[str, str] = found.skipped | {setting: reason}
    results.write(path, found._replace(skipped=skipped))
