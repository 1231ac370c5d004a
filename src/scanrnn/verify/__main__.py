"""The command line: ``python -m scanrnn.verify check | grade | explain``.

The exit code is 0 only if everything is right, 1 if something is wrong, and 2 if
something could not be judged, or the call itself not be understood.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..cells.gru import gru
from ..cells.ind_rnn import ind_rnn
from ..cells.lru import lru
from ..cells.lstm import lstm
from ..cells.min_gru import min_gru
from ..cells.min_lstm import min_lstm
from ..cells.rnn import rnn
from .audit.check import check
from .grading.cases import DRAWS
from .grading.explain import explain
from .grading.files import Options, any_text, grade_file, read_source, table
from .grading.grade import LIKES
from .grading.reading import functions
from .report import Verdict

CELLS: dict[str, Callable[[], Any]] = {
    "rnn": lambda: rnn(5),
    "rnn-relu": lambda: rnn(5, activation="relu"),
    "gru": lambda: gru(5),
    "gru-reset-before": lambda: gru(5, reset_after=False),
    "lstm": lambda: lstm(5),
    "ind-rnn": lambda: ind_rnn(5, activation="tanh"),
    "min-gru": lambda: min_gru(5),
    "min-lstm": lambda: min_lstm(5),
    "lru": lambda: lru(5),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        verdicts = options.run(options)
        if options.plot:
            told = [verdict for verdict in verdicts if verdict.errors]
            (told or verdicts)[0].plot(options.plot)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if any(not verdict.passed and not verdict.unjudged for verdict in verdicts):
        return 1
    return 0 if all(verdict.passed for verdict in verdicts) else 2


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
    two = commands.add_parser(
        "grade", help="judge the functions in a file or a notebook, in a child process"
    )
    two.add_argument(
        "target",
        metavar="FILE[:FUNCTION]",
        help="a Python file or a notebook; all functions of the exercise if none named",
    )
    two.add_argument("--like", metavar="NAME", help="recognised if not given")
    two.add_argument("--forward", help="the forward function in the same file")
    two.add_argument(
        "--convention", default="course", choices=("course", "ntd", "torch")
    )
    two.add_argument(
        "--seconds", type=float, default=5.0, help="limit of one call, of CPU time"
    )
    two.set_defaults(run=_grade)
    three = commands.add_parser("explain", help="name the mistake from posted numbers")
    three.add_argument(
        "numbers",
        nargs="*",
        help="what was posted: text, or a file that holds it; standard input if none",
    )
    three.add_argument(
        "--like", metavar="NAME", help="told by the entries if not given"
    )
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
    path, function = _target(options.target)
    _known(options.like, LIKES)
    if options.like and function is None:
        raise ValueError(f"expected FILE:FUNCTION beside --like, got {options.target}")
    chosen = (options.like, options.forward, options.convention, options.seconds)
    results = grade_file(path, function, Options(*chosen))
    verdicts = [result.verdict for result in results]
    if options.json:
        print("\n".join(verdict.to_json() for verdict in verdicts))
        return verdicts
    if function is None:
        print(table(path, results))
    for result in results:
        if function is not None or not result.verdict.passed:
            print(f"{'' if function else chr(10)}{result.verdict}")
        if result.printed is not None:
            print(f"\n{result.printed}")
    return verdicts


def _target(target: str) -> tuple[str, str | None]:
    """The file and the function in it; a drive's letter is no file."""
    path, separator, name = target.rpartition(":")
    if separator and name.isidentifier() and len(path) > 1:
        return path, name
    return target, None


def _known(like: str | None, likes: Iterable[str]) -> None:
    if like is not None and like not in likes:
        near = difflib.get_close_matches(like, likes, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"expected --like, one of {', '.join(likes)}, got {like}{hint}"
        )


def _explain(options: argparse.Namespace) -> list[Verdict]:
    _known(options.like, DRAWS)
    text = "\n".join(map(_text, options.numbers or ["-"]))
    like = options.like or next(iter(functions(text)), "rnn_backward")
    return [_printed(explain(text, like), options)]


def _text(given: str) -> str:
    """The text itself, a file's, what a notebook printed, or standard input."""
    if given == "-":
        return sys.stdin.read()
    if "\n" in given or len(given) > 1000 or not Path(given).is_file():
        return given
    if given.endswith(".ipynb"):
        return "\n".join(unit.output for unit in read_source(given).units)
    return any_text(Path(given))


def _printed(verdict: Verdict, options: argparse.Namespace) -> Verdict:
    print(verdict.to_json() if options.json else verdict)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
