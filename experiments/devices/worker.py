"""A process that measures the cases it is asked for, one after the other.

XLA reads its flags once in a process, so every setting has one of its own; and where
one ends for want of memory, or hangs, it is the case that fails and not the run. It
tells and is asked in lines of JSON: what it is, then a row for every case.
"""

import json
import os
import sys
from typing import Any, TextIO

import jax
from bench.cases import Case
from bench.report import about, plain

from . import contest, peaks


def main() -> None:
    """Until nothing more is asked for. Options come as JSON: see `pieces.Options`."""
    to_parent = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed is no line of ours
    options = json.loads(sys.argv[1])
    device = jax.devices()[0]
    found = peaks.measure(options["dtypes"])
    _tell(
        to_parent,
        about=about(options["command"]),
        kind=device.device_kind,
        platform=device.platform,
        peaks=found,
    )
    for line in sys.stdin:
        case = Case(**json.loads(line))
        row = contest.measured(
            case,
            rate=found.flop[case.dtype],
            seconds=options["seconds"],
            rounds=options["rounds"],
            only=tuple(options["only"]),
        )
        _tell(to_parent, row=row)


def _tell(to_parent: TextIO, **told: Any) -> None:
    print(json.dumps(plain(told)), file=to_parent)


if __name__ == "__main__":
    main()
