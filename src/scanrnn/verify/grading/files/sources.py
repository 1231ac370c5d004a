"""A Python file or a Jupyter notebook as pieces of source, and what it printed."""

import ast
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

# Magics that only measure or hide what their cell does; others are another language.
MAGIC = re.compile(r"\s*(?:%{1,2}[A-Za-z]|!|\?|[\w.]+\?{1,2}\s*$)")
HARMLESS = ("%%time", "%%timeit", "%%capture", "%%prun")


class Unit(NamedTuple):
    """A file, or a cell of a notebook."""

    name: str  # as an error calls it
    text: str
    output: str = ""  # what is stored of its output


class Source(NamedTuple):
    """Somebody's program."""

    path: Path
    units: tuple[Unit, ...]
    notebook: bool

    @property
    def folder(self) -> str:
        """What it imports from."""
        return str(self.path.resolve().parent)


def read_source(path: str) -> Source:
    """Reads a file.

    Raises:
        ValueError: if it is no Python file and no notebook.
    """
    where = Path(path)
    if not where.is_file():
        raise ValueError(f"expected a file, got {path}")
    if where.suffix == ".ipynb":
        return Source(where, tuple(_cells(where)), True)
    if where.suffix not in (".py", ".pyw", ".txt", ""):
        raise ValueError(f"expected a Python file or a notebook (.ipynb), got {path}")
    return Source(where, (Unit(where.name, any_text(where)),), False)


def any_text(path: Path) -> str:
    """The text of a file in whatever encoding people save it."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _cells(path: Path) -> list[Unit]:
    """The cells of code; magics are taken out, lines stay where they are."""
    try:
        content = json.loads(any_text(path))
        cells = content["cells"] if "cells" in content else _old_cells(content)
        code = [
            (number, cell)
            for number, cell in enumerate(cells, start=1)
            if cell["cell_type"] == "code"
        ]
        return [
            Unit(f"cell {number}", _without_magics(_source(cell)), _output(cell))
            for number, cell in code
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise ValueError(f"expected a Jupyter notebook, got {path}") from None


def _old_cells(content: dict[str, Any]) -> list[Any]:
    """Notebooks before format 4 have sheets."""
    return [cell for sheet in content["worksheets"] for cell in sheet["cells"]]


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(map(str, text))


def _source(cell: dict[str, Any]) -> str:
    return _joined(cell["source"] if "source" in cell else cell["input"])


def _without_magics(text: str) -> str:
    """A cell as Python; one that is Python already stays as it is."""
    if _parses(text):
        return text
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not first.startswith(HARMLESS):
        return ""
    return "\n".join("" if MAGIC.match(line) else line for line in lines)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _output(cell: dict[str, Any]) -> str:
    """What a cell printed, and the value it shows; errors are left out."""
    parts = []
    for output in cell.get("outputs", ()):
        if output.get("output_type") == "stream":
            parts.append(_joined(output.get("text", "")))
        elif output.get("output_type") in ("execute_result", "display_data", "pyout"):
            shown = output.get("data", output)
            parts.append(_joined(shown.get("text/plain", shown.get("text", ""))))
    return "\n".join(parts)


def printed(source: Source, name: str) -> str:
    """What stands in the outputs of the cells that call a function."""
    calls = [unit for unit in source.units if f"{name}(" in unit.text]
    own = [unit for unit in calls if f"def {name}(" not in unit.text] or calls
    return "\n".join(unit.output for unit in own if unit.output)
