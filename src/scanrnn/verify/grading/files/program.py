"""Judges the functions of a file in a child process, one after another."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...report import Verdict
from ..child import Child, Limits
from ..explain import explain
from ..grade import LIKES, grade
from ..judge import SECONDS
from ..sandbox import Remote
from .needed import needed
from .recognise import (
    Definition,
    by_arguments,
    by_name,
    calls,
    definitions,
    empty_line,
    exercise,
    recognise,
)
from .sources import Source, printed, read_source

MOST_LINES, MOST_LETTERS = 5, 160  # of the program's own output that are shown
# The helpers that lie beside the exercise's notebook, where they do not lie there.
STAND_INS = {
    "rnn_utils": (
        "import numpy as np\n"
        "def sigmoid(z):\n"
        "    return 1 / (1 + np.exp(-z))\n"
        "def softmax(z):\n"
        "    e = np.exp(z - np.max(z, axis=0, keepdims=True))\n"
        "    return e / e.sum(axis=0, keepdims=True)\n"
    ),
    "public_tests": "",
}


class Options(NamedTuple):
    """How functions are judged; see `grade`."""

    like: str | None = None  # recognised if not given
    forward: str | None = None
    convention: str = "course"
    seconds: float = SECONDS


class Result(NamedTuple):
    """A function of a file, and what is to be said of it."""

    name: str
    like: str
    verdict: Verdict
    printed: Verdict | None = None  # of the numbers stored beside it, if it cannot run


def grade_file(
    path: str, function: str | None = None, options: Options = Options()
) -> list[Result]:
    """Judges one function of a Python file or a notebook, or all of the exercise's.

    The file is a stranger's: it runs in a child process with limits, and what is right
    is computed here. A notebook's cells, and a file that does not run to its end, are
    run as far as the functions need them.

    Raises:
        ValueError: if there is no such file or function, or it is not recognised.
    """
    source = read_source(path)
    if function is None:
        found = exercise(source)
        if not found:
            names = (
                ", ".join(node.name for node in definitions(source)) or "no function"
            )
            raise ValueError(
                f"expected a function of the exercise in {path}, which defines "
                f"{names}; name it: {path}:NAME --like LIKE"
            )
    else:
        found = [_named(source, function, options)]
    return list(_results(source, found, options))


def _named(source: Source, name: str, options: Options) -> Definition:
    """The function of that name; one that is no plain definition is known when run."""
    nodes = {node.name: node for node in definitions(source)}
    node = nodes.get(name)
    like = options.like or (recognise(node) if node else by_name(name))
    if node and not like:
        raise ValueError(unrecognised(name))
    return Definition(name, like, node)


def unrecognised(name: str) -> str:
    """What to say of a function that might be anything."""
    return (
        f"expected {name} to be recognised by its name or its arguments; say which "
        f"function it is with --like, one of {', '.join(LIKES)}"
    )


def _results(
    source: Source, found: list[Definition], options: Options
) -> Iterator[Result]:
    wrong: set[str] = set()
    with Programs(source, [one.name for one in found], options) as programs:
        for one in found:
            verdict = _told(one, programs.judge(one, options), wrong)
            if not verdict.passed:
                wrong.add(one.name)
            yield Result(one.name, one.like, verdict, _printed(source, one, verdict))


def _told(one: Definition, verdict: Verdict, wrong: set[str]) -> Verdict:
    """What the source itself says of a verdict."""
    if one.node is None or verdict.passed:
        return verdict
    line = empty_line(one.node)
    ran = any(row.leaf != "call" for row in verdict.rows)
    if line is not None and not ran:
        why = f"is not filled in yet (line {line} is None)"
        return verdict._replace(rows=(), suspicions=(), unjudged=why)
    parts = sorted(calls(one.node) & wrong)
    if not parts:
        return verdict
    note = f"it calls {' and '.join(parts)}, which is not right: mend that first"
    return verdict._replace(notes=(*verdict.notes, note))


def _printed(source: Source, one: Definition, verdict: Verdict) -> Verdict | None:
    """The verdict on the numbers that a notebook stores, where its code cannot run."""
    if not (source.notebook and verdict.unjudged):
        return None
    try:
        return explain(printed(source, one.name), like=one.like)
    except ValueError:
        return None


class Programs:
    """The child that holds the program; another one, if it is lost."""

    def __init__(self, source: Source, names: list[str], options: Options) -> None:
        self.source = source
        self.names = [*names, *([options.forward] if options.forward else [])]
        self.limits = Limits(seconds=options.seconds)
        self.child: Child | None = None
        self.callable: Mapping[str, tuple[str, ...]] = {}
        self.parts: tuple[tuple[str, str], ...] = ()
        self.note = ""

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_: object) -> None:
        if self.child is not None:
            self.child.close()

    def judge(self, one: Definition, options: Options) -> Verdict:
        """Calls a function of the program as `grade` wants it."""
        if one.broken:
            return Verdict(one.name, (), unjudged=one.broken)
        wanted = [one.name, *([options.forward] if options.forward else [])]
        why = self._open(wanted)
        if why:
            return Verdict(one.name, (), unjudged=why)
        like = one.like or by_arguments(self.callable[one.name])
        if not like:
            raise ValueError(unrecognised(one.name))
        assert self.child is not None
        how = "torch" if options.convention == "torch" else ""
        forward: Any = options.forward and Remote(
            self.child, options.forward, parts=self.parts
        )
        verdict = grade(
            Remote(self.child, one.name, how, self.parts),
            like,
            forward=forward,
            convention=options.convention,
            seconds=options.seconds,
        )
        return self._with_notes(verdict)

    def _open(self, wanted: list[str]) -> str:
        """Has the program run as far as it must; says why it cannot."""
        if self._holds(wanted):
            return ""
        whole = [(unit.name, unit.text) for unit in self.source.units]
        tries = [] if self.source.notebook else [("", whole)]
        parts = [needed(self.source, self.names), needed(self.source, wanted)]
        tries += [("only what the functions need of it was run", p) for p in parts]
        first = ""
        for remark, units in tries:
            failure = self._load(units, wanted)
            if self._holds(wanted):
                said = first or failure
                rest = remark if first else "what stands above was run"
                self.note = f"{self.source.path.name} {said}; {rest}" if said else ""
                return ""
            first = first or failure
        missing = [name for name in wanted if name not in self.callable]
        return first or f"does not define {', '.join(missing)}"

    def _holds(self, wanted: list[str]) -> bool:
        """Whether there is a child that has all of them."""
        alive = self.child is not None and not self.child.gone
        return alive and set(wanted) <= set(self.callable)

    def _load(self, units: list[tuple[str, str]], wanted: list[str]) -> str:
        """A fresh child runs sources; says where it stopped, if it did."""
        if self.child is not None:
            self.child.close()
        self.child = Child(self.limits)
        loaded = self.child.load(units, self.source.folder, STAND_INS)
        self.callable, self.parts = loaded.names, tuple(units)
        return loaded.failure or loaded.ended

    def _with_notes(self, verdict: Verdict) -> Verdict:
        notes = [self.note] if self.note else []
        output = self.child.output().strip() if self.child else ""
        if output and not verdict.passed:
            lines = [
                line[:MOST_LETTERS] for line in output.splitlines() if line.strip()
            ]
            shown = "".join(f"\n    {line}" for line in lines[-MOST_LINES:])
            notes.append(f"the last that it printed:{shown}")
        return verdict._replace(notes=(*verdict.notes, *notes))
