"""The command line: ``python -m scanrnn.verify check | grade | explain``.

The exit code is 0 only if everything is right, 1 if something is wrong, and 2 if the
call itself cannot be understood.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..cells.gru import gru
from ..cells.lstm import lstm
from ..cells.rnn import rnn
from .audit.check import check
from .grading.explain import explain
from .grading.grade import LIKES, grade
from .report import Verdict

CELLS: dict[str, Callable[[], Any]] = {
    "rnn": lambda: rnn(5),
    "rnn-relu": lambda: rnn(5, activation="relu"),
    "gru": lambda: gru(5),
    "gru-reset-before": lambda: gru(5, reset_after=False),
    "lstm": lambda: lstm(5),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        verdicts = options.run(options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.plot:
        verdicts[0].plot(options.plot)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scanrnn.verify", description=__doc__
    )
    commands = parser.add_subparsers(required=True, metavar="check | grade | explain")
    one = commands.add_parser("check", help="audit the cells of the library")
    one.add_argument("cells", nargs="*", help=f"of {', '.join(CELLS)}; all if none")
    one.add_argument(
        "--quick", action="store_true", help="what sees most, in seconds a cell"
    )
    one.set_defaults(run=_check)
    two = commands.add_parser("grade", help="judge a function in a file")
    two.add_argument("target", metavar="FILE.py:FUNCTION")
    two.add_argument("--like", default="rnn_backward", choices=LIKES, metavar="NAME")
    two.add_argument("--forward", help="the forward function in the same file")
    two.add_argument(
        "--convention", default="course", choices=("course", "ntd", "torch")
    )
    two.add_argument("--seconds", type=float, default=5.0, help="limit of one call")
    two.set_defaults(run=_grade)
    three = commands.add_parser("explain", help="name the mistake from posted numbers")
    three.add_argument(
        "numbers",
        nargs="+",
        help="'dx[1][2] = [0.1, 0.2]' and so on, or a file that holds such lines",
    )
    three.add_argument("--like", default="rnn_backward", metavar="NAME")
    three.set_defaults(run=_explain)
    for command in (one, two, three):
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument("--plot", help="draw the errors into this file")
    return parser


def _check(options: argparse.Namespace) -> list[Verdict]:
    names = options.cells or list(CELLS)
    unknown = sorted(set(names) - set(CELLS))
    if unknown:
        raise ValueError(f"expected cells of {', '.join(CELLS)}, got {unknown}")
    verdicts = []
    for name in names:
        verdict = check(CELLS[name](), quick=options.quick)._replace(subject=name)
        print(verdict.to_json() if options.json else _line(verdict), flush=True)
        verdicts.append(verdict)
    return verdicts


def _line(verdict: Verdict) -> str:
    """One line for a cell that is right, the whole report for one that is not."""
    if not verdict.passed:
        return str(verdict)
    near = max(row.error / row.allowed for row in verdict.rows if row.allowed)
    oracles = len({row.oracle for row in verdict.rows})
    line = (
        f"{verdict.subject:18}right  {len(verdict.rows)} comparisons with {oracles} "
        f"oracles; largest error {near:.0%} of what is allowed"
    )
    return "\n    note: ".join((line, *verdict.notes))


def _grade(options: argparse.Namespace) -> list[Verdict]:
    path, separator, name = options.target.rpartition(":")
    if not separator:
        raise ValueError(f"expected FILE.py:FUNCTION, got {options.target}")
    module = _load(path)
    verdict = grade(
        _find(module, name, path),
        options.like,
        forward=options.forward and _find(module, options.forward, path),
        convention=options.convention,
        seconds=options.seconds,
    )
    return [_printed(verdict, options)]


def _load(path: str) -> Any:
    if not Path(path).is_file():
        raise ValueError(f"expected a file, got {path}")
    spec = importlib.util.spec_from_file_location("graded", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"expected a Python file, got {path}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} raised {type(error).__name__}: {error}") from error
    return module


def _find(module: Any, name: str, path: str) -> Any:
    if not callable(getattr(module, name, None)) and not hasattr(module, name):
        known = sorted(n for n, v in vars(module).items() if callable(v))
        raise ValueError(f"expected {path} to define {name}; it defines {known}")
    return getattr(module, name)


def _explain(options: argparse.Namespace) -> list[Verdict]:
    texts = [
        Path(text).read_text() if Path(text).is_file() else text
        for text in options.numbers
    ]
    return [_printed(explain("\n".join(texts), options.like), options)]


def _printed(verdict: Verdict, options: argparse.Namespace) -> Verdict:
    print(verdict.to_json() if options.json else verdict)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
