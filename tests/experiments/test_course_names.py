"""The exercise's model names what a file gives it, and tells how it went."""

import course_names
import pytest
import typer

from scanrnn import course

NAMES = ["Anna", "bob", "  Nabob", "", "ann$a"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(course_names, "SHOWN", 20)
    monkeypatch.setattr(course_names, "TOLD", 10)
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES), encoding="utf-8")
    return path


def test_names_are_learnt_and_told(file, tmp_path, capsys):
    course_names.main(names=file, iterations=45, units=4)
    told = capsys.readouterr().out
    rows = [line.split() for line in told.splitlines() if line.strip()[:1].isdigit()]
    rows = [row for row in rows if "." in row[1]]
    assert [row[0] for row in rows] == ["0", "20", "40"]

    names = course_names.read_names(file)
    assert names == ["anna", "bob", "nabob", "ann$a"]
    symbols = course_names.symbols_of(names)
    assert symbols == ["\n", "$", "a", "b", "n", "o"]
    reports = []
    indices = {symbol: index for index, symbol in enumerate(symbols)}
    course.model(
        names, dict(enumerate(symbols)), indices, 45, 4, every=20, report=reports.append
    )
    assert [row[1] for row in rows] == [f"{report.loss:.6f}" for report in reports]
    for report in reports:
        assert ", ".join(report.names) in told
    assert "4 names, 45 iterations" in told
    per_symbol = reports[-1].loss / (21 / 4)  # 17 letters, 4 newlines
    assert f"{per_symbol:.2f} nats per symbol at iteration 40, 1.79 for who" in told
    assert "published" not in told
    assert (tmp_path / "course_names.png").read_bytes().startswith(b"\x89PNG")


def test_the_verdict_is_of_the_file_and_size_that_were_published(monkeypatch):
    monkeypatch.setattr(course_names, "OF_FILE", (2, 7))
    every = course_names.TOLD
    losses = {0: 23.0873364, 2000: 27.8841601, 4000: 25.9018161}
    reports = [
        course.Report(at, losses.get(at, 1.0), ["Ann"]) for at in range(0, 4001, every)
    ]
    told = course_names.verdict(["an", "bob"], reports, 50)
    assert told == "published digits: 2 of 3 come out"
    assert course_names.verdict(["an", "bo"], reports, 50) == ""
    assert course_names.verdict(["an", "bob"], reports, 51) == ""


def test_who_gives_no_names_is_told_what_to_give(tmp_path):
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text("\n \n")
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(typer.BadParameter, match="name on each line, got None; any"):
        course_names.main()
    with pytest.raises(typer.BadParameter, match=r"got .*nowhere\.txt; any will"):
        course_names.main(names=tmp_path / "nowhere.txt")
    with pytest.raises(typer.BadParameter, match="a name on each line, got none"):
        course_names.main(names=empty)
    with pytest.raises(typer.BadParameter, match="in UTF-8"):
        course_names.main(names=binary)
