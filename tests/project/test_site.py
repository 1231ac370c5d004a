"""What the site is made by: every public name is told, links lead where they say."""

import datetime
import importlib
import inspect
import os
import pathlib
import shutil
import subprocess
from types import SimpleNamespace

import figures
import pages
import pytest
from public_names import ROOMS, ROOT, linked, public_names

import scanrnn as sr

REFERENCE = ROOT / "docs" / "reference"


def exported(module):
    names = vars(module).items()
    return {n for n, v in names if not n.startswith("_") and not inspect.ismodule(v)}


def test_every_public_name_stands_on_one_reference_page():
    names = {f"sr.{name}" for name in exported(sr)}
    for room in ROOMS:
        module = importlib.import_module(f"scanrnn.{room}")
        said = "sr.shelf" if room == "shelf" else module.__name__
        names |= {f"{said}.{name}" for name in exported(module)}
    told = [
        name
        for page in sorted(REFERENCE.glob("*.md"))
        for name in pages.REFERENCE.findall(page.read_text())
    ]
    assert sorted(told) == sorted(names)


def test_a_public_name_is_where_it_is_said_to_be_defined():
    for said, path in public_names().items():
        module, _, name = path.rpartition(".")
        value = getattr(importlib.import_module(module), name)
        room, _, name = said.replace("sr.", "scanrnn.", 1).rpartition(".")
        assert getattr(importlib.import_module(room), name) is value, said


@pytest.mark.parametrize(
    "uri, document, page",
    [
        ("cells.md", "[a](diagonal.md)", "[a](diagonal.md)"),
        ("cells.md", "[a](../src/scanrnn/cells)", "a"),
        (
            "cells.md",
            "[`a`](../src/scanrnn/cell.py)",
            "[`a`](source/src/scanrnn/cell.md)",
        ),
        ("start/index.md", "[a](../../CHANGELOG.md)", "[a](../changelog.md)"),
        ("start/index.md", "![a](../names.png)", "![a](../names.png)"),
        ("cite.md", "[a](../experiments/README.md#b)", "[a](experiments.md#b)"),
        ("experiments.md", "[a](../docs/names.png)", "[a](names.png)"),
        ("experiments.md", "[a](names.py)", "[a](source/experiments/names.md)"),
        ("cells.md", "[a](https://b.c/d.md)", "[a](https://b.c/d.md)"),
        ("cells.md", "```\n[a](../README.md)\n```", "```\n[a](../README.md)\n```"),
        ("cells.md", "`sr.hvp(f)`", "[`sr.hvp(f)`][scanrnn.curvature.of_loss.hvp]"),
        ("cells.md", "# `sr.hvp`", "# `sr.hvp`"),
        ("cells.md", "`sr.nothing`", "`sr.nothing`"),
    ],
)
def test_a_document_as_a_page(uri, document, page):
    there = SimpleNamespace(file=SimpleNamespace(src_uri=uri))
    assert pages.on_page_markdown(document, there) == page


def test_what_is_a_link_already_is_none_twice():
    link = "[the `sr.lstm` cell](cells.md)"
    assert linked(link) == link


TEXT = """
`python experiments/measure.py`, 2 March 2026, and `python experiments/undated.py`

## A block

```sh
python experiments/measure.py --all
```

Measured on 4 March 2026.
"""


def test_each_day_has_its_command():
    found = [
        (figure.command, figure.day and figure.day.day, figure.place)
        for figure in figures.figures("a.md", TEXT)
    ]
    assert found == [
        ("python experiments/measure.py", 2, "a.md:2"),
        ("python experiments/measure.py --all", 4, "a.md:7"),
        ("python experiments/undated.py", None, "a.md:2"),
    ]


def test_what_a_script_measures():
    names = {
        str(p.relative_to(ROOT)) for p in figures.measured("experiments/saliency.py")
    }
    assert {"experiments/attribution/methods.py", "src/scanrnn/cells/lstm.py"} <= names
    assert "src/scanrnn/engine/backward.py" in names
    assert not [name for name in names if "course" in name or "interop" in name]


@pytest.mark.skipif(shutil.which("git") is None, reason="reads the history by git")
def test_a_figure_is_older_than_what_was_committed_after_its_day(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    figures._imported.cache_clear()
    commit(tmp_path, "2026-03-01", {"measure.py": "import helper", "helper.py": ""})
    commit(tmp_path, "2026-03-03", {"helper.py": "x = 1"})
    commit(tmp_path, "2026-03-05", {"other.py": ""})
    files = figures.measured("experiments/measure.py")
    assert {path.name for path in files} == {"measure.py", "helper.py"}
    counts = [
        len(figures.commits_since(datetime.date(2026, 3, day), files))
        for day in (1, 2, 3, 4)
    ]
    assert counts == [1, 1, 0, 0]
    figures._imported.cache_clear()


def commit(root: pathlib.Path, day: str, files: dict[str, str]):
    (root / "experiments").mkdir(exist_ok=True)
    for name, text in files.items():
        (root / "experiments" / name).write_text(text)
    when = f"{day}T12:00:00"
    who = {
        f"GIT_{role}_{x}": "a"
        for role in ("AUTHOR", "COMMITTER")
        for x in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", day]):
        subprocess.run(
            ["git", *arguments], cwd=root, check=True, env=os.environ | who | dates
        )
