"""Which figures of the documents are older than the code that they measure?

A figure stands beside its command and the day it was measured, such as
"`python experiments/derived.py --seconds 1.5`, 22 November 2026". The code that a
command measures is its script and all that this imports, of the experiments and of the
library: of ``sr.NAME`` what NAME is made of. Older is a figure where git has commits to
that code after its day::

    python docs/site/figures.py            # the table; exits with 1 if one is older
    python docs/site/figures.py --commits  # and the commits
"""

import ast
import datetime
import functools
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from public_names import ROOT, public_names

COMMAND = re.compile(r"python (experiments/[\w/]+\.py)[^`\n&]*")
DATE = re.compile(
    r"\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October"
    r"|November|December) \d{4}\b"
)
Modules = frozenset[str]


class Figure(NamedTuple):
    """A command in a document, and the day of what stands beside it."""

    place: str  # docs/performance.md:204
    command: str
    script: str
    day: datetime.date | None


def figures(document: str, text: str) -> Iterator[Figure]:
    """Of each day its command: in its paragraph, or else the last one before it.

    Then the commands within a sentence that no day belongs to.
    """
    dated = set()
    for section in re.finditer(r"(?:^#|\A).*?(?=^#|\Z)", text, re.M | re.S):
        commands = list(COMMAND.finditer(text, *section.span()))
        for day in DATE.finditer(text, *section.span()):
            begin = text.rfind("\n\n", 0, day.start())
            paragraph = text[begin + 2 :].split("\n\n")[0]
            end = begin + 2 + len(paragraph)
            within = [c for c in commands if begin < c.start() < end]
            before = [c for c in commands if c.start() < day.start()]
            if found := (within[:1] or before[-1:]):
                dated.add(found[0].start())
                when = datetime.datetime.strptime(day[0], "%d %B %Y").date()
                yield _figure(document, text, found[0], when)
    for command in COMMAND.finditer(text):
        is_said = text[command.start() - 1] == "`"
        if is_said and command.start() not in dated:
            yield _figure(document, text, command, None)


def measured(script: str) -> set[pathlib.Path]:
    """The files that a script consists of, and those of the library under it."""
    todo, done = {script.removesuffix(".py").replace("/", ".")}, set()
    while todo:
        done.add(module := todo.pop())
        todo |= _imported(module) - done
    return {path for module in done if (path := _file(module))}


def commits_since(day: datetime.date, paths: set[pathlib.Path]) -> list[str]:
    """Those after the end of a day, the newest first: hash, day and subject."""
    names = sorted(str(path.relative_to(ROOT)) for path in paths)
    since = f"--since={day} 23:59:59"
    command = ["git", "log", "--no-merges", since, "--format=%h %cs %s", "--"]
    told = subprocess.run(
        [*command, *names], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return told.stdout.splitlines()


def main(arguments: list[str]) -> int:
    """Prints the table; 1 if a figure is older than its code."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    older = 0
    for path in documents:
        for figure in figures(str(path.relative_to(ROOT)), path.read_text()):
            day, told, since = figure.day, "no day", list[str]()
            if day:
                since = commits_since(day, measured(figure.script))
                told = f"older: {len(since)} commits" if since else "up to date"
            older += bool(since)
            print(f"{day or '-'!s:10}  {told:20}  {figure.place}  {figure.command}")
            for commit in since if "--commits" in arguments else []:
                print(f"{'':12}{commit}")
    return 1 if older else 0


def _figure(
    document: str, text: str, found: re.Match[str], day: datetime.date | None
) -> Figure:
    line = text.count("\n", 0, found.start()) + 1
    return Figure(f"{document}:{line}", found[0].strip(), found[1], day)


def _file(module: str) -> pathlib.Path | None:
    base = ROOT / ("src" if module.startswith("scanrnn") else "")
    path = base / module.replace(".", "/")
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@functools.cache
def _imported(module: str) -> Modules:
    """The modules of the project that one imports; of sr.NAME, where NAME is."""
    path = _file(module)
    if path is None or module == "scanrnn":
        return frozenset()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= _beside(package, *(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names = {base, *(f"{base}.{alias.name}" for alias in node.names)}
            found |= names if node.level else _beside(package, *names)
        elif isinstance(node, ast.Attribute):
            name = public_names().get(ast.unparse(node), "")
            found |= {name.rpartition(".")[0]} - {""}
    return frozenset(name for name in found if _file(name))


def _beside(package: str, *names: str) -> set[str]:
    """Absolute names, and as a script finds what lies beside it or in experiments."""
    folders = ("", f"{package}.", "experiments.")
    return {f"{folder}{name}" for folder in folders for name in names}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
