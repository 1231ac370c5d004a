"""Docstrings as Markdown: examples in blocks, fields told by their comments, links."""

import re
from typing import Any

import griffe

# Beside this file: the hook of MkDocs, which runs first, has imported it.
from public_names import linked, public_names

EXAMPLE = re.compile(r"^>>> .*?(?=\n\s*\n|\Z)", re.M | re.S)


class Docstrings(griffe.Extension):
    """Runs on every object once all are loaded, before a docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
        if obj.is_class and any("NamedTuple" in str(base) for base in obj.bases):
            for field in obj.members.values():
                comment = field.is_attribute and told(field)
                if comment and not field.docstring:
                    field.docstring = griffe.Docstring(comment, parent=field)


def as_markdown(text: str) -> str:
    """Its examples fenced, and a way to the reference from each public name."""
    classes = {
        name.removeprefix("sr."): path
        for name, path in public_names().items()
        if re.fullmatch(r"sr\.[A-Z]\w*", name)
    }
    pieces, end = [], 0
    for example in EXAMPLE.finditer(text):
        block = f"```pycon\n{example[0]}\n```\n"
        pieces += [linked(text[end : example.start()], classes), block]
        end = example.end()
    return "".join([*pieces, linked(text[end:], classes)])


def told(field: griffe.Object) -> str | None:
    """The comment beside a field: (X, H)."""
    _, mark, comment = field.source.partition("  # ")
    return comment.strip() if mark else None
