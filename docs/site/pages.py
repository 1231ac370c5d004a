"""The documents as they stand in the repository, made pages of a site.

A document links to files as a reader of the repository finds them. Of what lies outside
``docs/``, three documents become pages, and so does every Python file that a document
links to; what else is linked to becomes plain text. ``::: sr.NAME`` is a public name in
the reference, and code that is a public name links there.
"""

import pathlib
import posixpath
import re
from typing import Any

from public_names import ROOT, linked, public_names

PAGES = {
    "experiments/README.md": "experiments.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}
FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$", re.M | re.S)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
REFERENCE = re.compile(r"^::: ([\w.]+)$", re.M)


def on_files(files: Any, config: Any) -> Any:
    """Adds the documents outside ``docs/``, and the source that documents link to."""
    from mkdocs.structure.files import File

    for path, page in PAGES.items():
        if page != "index.md":
            source = str(ROOT / path)
            files.append(File.generated(config, page, abs_src_path=source))
    documents = [(_origin(f.src_uri), f) for f in files.documentation_pages()]
    for path in sorted({p for o, f in documents for p in _sources(o, f)}):
        page = File.generated(config, _source_page(path), content=_shown(path))
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A document as it stands, made a page."""
    uri = page.file.src_uri
    return outside_code(markdown, lambda text: _made(text, uri))


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings announce code by two colons."""
    return html.replace("::</p>", ":</p>")


def outside_code(markdown: str, change: Any) -> str:
    """The document, all but its blocks of code changed."""
    pieces, end = [], 0
    for fence in FENCED.finditer(markdown):
        pieces += [change(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, change(markdown[end:])])


def link_of(target: str, origin: str) -> str | None:
    """The page or file of the site that a link means, or None where there is none."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return _source_page(path) if _is_source(path) else None


def _made(text: str, uri: str) -> str:
    text = LINK.sub(lambda found: _moved(found, uri), text)
    lines = [
        line if line.startswith("#") else linked(line) for line in text.split("\n")
    ]
    return REFERENCE.sub(_directive, "\n".join(lines))


def _moved(found: re.Match[str], uri: str) -> str:
    image, text, target, anchor = found.groups(default="")
    if ":" in target:
        return found[0]
    there = link_of(target, _origin(uri))
    if there is None:
        return text
    relative = posixpath.relpath(there, posixpath.dirname(uri) or ".")
    return f"{image}[{text}]({relative}{anchor})"


def _directive(found: re.Match[str]) -> str:
    name = found[1]
    heading = f"    options:\n      heading: {name}\n      toc_label: {name}\n"
    return f"::: {public_names()[name]}\n{heading}"


def _origin(uri: str) -> str:
    """Where a page's document lies in the repository."""
    outside = {page: path for path, page in PAGES.items() if page != "index.md"}
    return outside.get(uri, f"docs/{uri}")


def _sources(origin: str, file: Any) -> set[str]:
    """The Python files that a document links to."""
    found = set()

    def look(text: str) -> str:
        for match in LINK.finditer(text):
            base = posixpath.dirname(origin)
            path = posixpath.normpath(posixpath.join(base, match[3]))
            found.update([path] if _is_source(path) else [])
        return text

    outside_code(file.content_string, look)
    return found


def _is_source(path: str) -> bool:
    return path.endswith(".py") and (ROOT / path).is_file()


def _source_page(path: str) -> str:
    return f"source/{path.removesuffix('.py')}.md"


def _shown(path: str) -> str:
    head = f"---\nhide: [toc]\nsearch:\n  exclude: true\n---\n# `{path}`\n\n"
    return f"{head}~~~~~~python\n{pathlib.Path(ROOT / path).read_text()}~~~~~~\n"
