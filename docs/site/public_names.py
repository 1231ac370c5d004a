"""Public names, as a reader writes them, and where each is defined."""

import ast
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
ROOMS = ("shelf", "online", "verify", "interop", "course", "charlm")

# Code that is no part of a link, on one line: `sr.unroll`, `sr.stack(a, b)`.
LINK_OR_CODE = re.compile(r"\[[^\]\n]*\](?:\(|\[)|(?<!`)`([\w.]+)(\([^`\n]*\))?`(?!`)")


@functools.cache
def public_names() -> dict[str, str]:
    """``sr.unroll`` to ``scanrnn.unroll.unroll``, of the library and its rooms."""
    names = {f"sr.{name}": path for name, path in _exported("scanrnn").items()}
    for room in ROOMS:
        said = f"sr.{room}" if room == "shelf" else f"scanrnn.{room}"
        for name, path in _exported(f"scanrnn.{room}").items():
            names[f"{said}.{name}"] = path
    return names


def linked(text: str, extra: dict[str, str] | None = None) -> str:
    """The text, its code that is a public name made a link to the reference."""
    names = public_names() | (extra or {})

    def link(found: re.Match[str]) -> str:
        path = names.get(found[1] or "")
        return f"[{found[0]}][{path}]" if path else found[0]

    return LINK_OR_CODE.sub(link, text)


def _exported(module: str) -> dict[str, str]:
    """What a package imports from its own modules, and where that is defined."""
    names = {}
    for node in ast.parse(_source(module).read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            for alias in node.names:
                names[alias.name] = _defined(f"{module}.{node.module}", alias.name)
    return names


def _defined(module: str, name: str) -> str:
    """Through packages that hand a name on."""
    if _source(module).name == "__init__.py":
        return _exported(module).get(name, f"{module}.{name}")
    return f"{module}.{name}"


def _source(module: str) -> pathlib.Path:
    path = ROOT / "src" / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
