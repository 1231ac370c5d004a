"""What the documents show, runs and prints what stands below it; what they name, is."""

import pathlib
import re

import jax
import pytest

from scanrnn.verify.__main__ import main

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "experiments/README.md"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
ROUNDING = re.compile(
    r"\d\.\de[+-]\d\d|\(random [^)]*\)|\(direction \d\)|\[[\d, ]+\]|  +"
)
PROGRAM = "python -m scanrnn.verify"


def blocks(document):
    """The kind and the text of every block of code, in order."""
    return BLOCK.findall((ROOT / document).read_text())


def words(text):
    """What was printed, without what rounding makes: another machine's differs."""
    return " ".join(ROUNDING.sub(" ", text).split())


def assert_shown(shown, printed):
    for part in words(shown).split(" ... "):
        assert part in words(printed)


@pytest.fixture
def as_a_reader(tmp_path, monkeypatch):
    """In an empty folder, with JAX as it comes."""
    monkeypatch.chdir(tmp_path)
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.documents
@pytest.mark.parametrize(
    "document", [name for name in DOCUMENTS if "python" in dict(blocks(name))]
)
def test_code_runs_and_prints_what_is_shown(document, as_a_reader, capsys):
    """The blocks of a document are one program; mine.py is the last of them."""
    names, printed = {}, ""
    for kind, text in blocks(document):
        if kind == "python":
            exec(compile(text, document, "exec"), names)
            printed = capsys.readouterr().out
            pathlib.Path("mine.py").write_text(text)
        elif text.startswith("$ "):
            run_session(text, capsys)
        elif kind in ("", "text") and printed:
            assert_shown(text, printed)
            printed = ""


def run_session(text, capsys):
    """Commands after $, each with what it prints; cat makes the file that it shows."""
    for session in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, shown = session.partition("\n")
        if command.startswith("cat "):
            pathlib.Path(command.removeprefix("cat ")).write_text(shown)
        else:
            assert command.startswith(PROGRAM), f"do not know how to run {command}"
            main(command.removeprefix(PROGRAM).split())
            assert_shown(shown, capsys.readouterr().out)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_named_exists(document):
    """Links to files, and paths of the project in code."""
    text = (ROOT / document).read_text()
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    folder = (ROOT / document).parent
    for link in links:
        assert (folder / link).exists(), link
    paths = re.findall(r"(?:src|tests|experiments|docs)/[\w./-]+\.(?:py|md|png)", text)
    for path in set(paths) - {"src/scanrnn/cells/NAME.py"}:
        assert any((base / path).exists() for base in (ROOT, folder)), path


def test_the_readme_has_two_commands_that_make_their_own_environment():
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"<!-- (train|test) -->\n```sh\n(.*?)\n```", text, re.S)
    assert [name for name, _ in commands] == ["train", "test"]
    for _, command in commands:
        assert command.startswith("python3 -m venv .venv")
