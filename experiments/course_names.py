"""The course exercise's character model: do its published digits come out, and why so?

A tanh RNN of 50 units reads a file of names, one at a time, learns from each by one
step of gradient descent, and makes up names of its own. `course.model` is that exercise
on the library's backward pass by hand, with the exercise's seeds. NAMES is any text
with a name on each line; the exercise's own file has 1,536 of dinosaurs.

Answer (that file, 5 seconds): yes. At the iterations 0, 2000, ..., 8000 the smoothed
loss is 23.087336, 27.884160, 25.901815, 24.608779 and 24.070350, as published, and the
names are the published ones too: Nkzxwtdmfqoeyhsqwasjkjvu before it has learnt,
Onxusichepriuon, Kilabersaurus, Lutrodon at 8000. Rounding grows as it goes: at 14000
published runs differ in the last digit (23.382338, 23.382339), and from 16000 on two
plain NumPy loops that sum in another order go ways of their own. So does this one: a
test of what is published at 22000 is a test of who summed how.

Why does the loss begin by rising, though the names improve? Because it is no average of
losses yet. It starts at what a name of 7 symbols costs who knows nothing, 7 log 27 =
23.07, and moves a thousandth of the way at every name. A name of the file has 13
symbols, its newline counted, and costs who knows nothing 42.7: up is where the curve
has to go. What is learnt shows in nats per symbol, from log 27 = 3.30 to 1.86.

    python experiments/course_names.py --names dinos.txt
    python experiments/course_names.py --names dinos.txt --iterations 35000

Source of the digits: "Character level language model", in Ng, Katanforoosh and Bensouda
Mourri, "Sequence Models", week 1 (deeplearning.ai).
"""

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape
from rich.progress import Progress
from shared.page import caption, page
from shared.study import Picture, console, save

from scanrnn import course

SHOWN, TOLD = 2000, 250  # iterations between lines of the table, and moves of the bar
COUNT, LENGTH = 7, 7  # names in a line; symbols of the name that the loss starts from
PUBLISHED = (23.087336, 27.884160, 25.901815, 24.608779, 24.070350)
OF_FILE = (1536, 19910)  # names of the exercise's own file, and their symbols


def read_names(path: Path | None) -> list[str]:
    """The lines of a file in lower case, without blank ones.

    Raises:
        typer.BadParameter: if there is no such file, no text or no name in it.
    """
    if path is None or not path.is_file():
        raise typer.BadParameter(
            f"expected --names FILE, a text with a name on each line, got {path}; any "
            "will do: towns, birds, first names, or the dinos.txt of the exercise, "
            "which its many solutions on GitHub bring along"
        )
    try:
        text = path.read_text(encoding="utf-8").lower()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"expected {path} in UTF-8: {error}") from error
    names = [line.strip() for line in text.split("\n") if line.strip()]
    if not names:
        raise typer.BadParameter(f"expected {path} with a name on each line, got none")
    return names


def symbols_of(names: list[str]) -> list[str]:
    """The newline that ends a name, and every character, in order."""
    return sorted({"\n", *"".join(names)})


def train(names: list[str], iterations: int, units: int) -> list[course.Report]:
    """Learns behind a progress bar; a line of the table as soon as it is known."""
    symbols = symbols_of(names)
    char_to_ix = {symbol: index for index, symbol in enumerate(symbols)}
    reports: list[course.Report] = []
    console.print(f"{'iteration':>9}  {'smoothed loss':>13}  names")
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("learning", total=iterations)

        def show(report: course.Report) -> None:
            reports.append(report)
            latest = f"{report.loss:.3f}  {escape(report.names[-1])}"
            bar.update(task, completed=report.iteration + 1, description=latest)
            if report.iteration % SHOWN == 0:
                line = f"{report.iteration:>9}  {report.loss:>13.6f}  "
                bar.console.print(line + ", ".join(report.names), markup=False)

        course.model(
            names,
            dict(enumerate(symbols)),
            char_to_ix,
            iterations,
            units,
            COUNT,
            report=show,
            every=TOLD,
        )
    return reports


def verdict(names: list[str], reports: list[course.Report], units: int) -> str:
    """Whether the digits are the published ones; empty where none were published."""
    size = (len(names), sum(len(name) + 1 for name in names))
    if size != OF_FILE or units != 50:
        return ""
    found = [report.loss for report in reports[:: SHOWN // TOLD]]
    pairs = list(zip(found, PUBLISHED, strict=False))
    same = sum(f"{ours:.6f}" == f"{theirs:.6f}" for ours, theirs in pairs)
    return f"published digits: {same} of {len(pairs)} come out"


def draw(names: list[str], reports: list[course.Report]) -> Any:
    """The smoothed loss, and the two levels that explain its rise."""
    drawing, axes = page(height=3.9)
    mean, uniform = mean_symbols(names), float(np.log(len(symbols_of(names))))
    at = [report.iteration for report in reports]
    axes.plot(at, [report.loss for report in reports], color="C0")
    top = max(report.loss for report in reports)
    for report in reports[:: SHOWN // TOLD]:
        name = report.names[0].replace("$", r"\$")
        axes.plot(report.iteration, report.loss, ".", color="C0")
        axes.text(report.iteration, top + 0.5, f"{name:.16}", rotation=30)
    for symbols, words in (
        (mean, "what a name of the file costs who knows nothing"),
        (LENGTH, "where the smoothed loss is made to start"),
    ):
        level = symbols * uniform
        axes.axhline(level, color="0.5", lw=0.8)
        said = f"{level:.1f}: {words} ({symbols:.3g} symbols)"
        axes.text(0.99, level - 0.5, said, ha="right", va="top", **_across(axes))
    axes.text(at[-1], reports[-1].loss, "  smoothed loss", color="C0", va="bottom")
    axes.set(
        xlabel="names learnt",
        ylabel="nats a name (lower: better)",
        ylim=(0, 1.06 * max(top, mean * uniform)),
        xlim=(None, 1.15 * max(at[-1], 1)),
    )
    drawing.suptitle(
        "The smoothed loss starts at what a name of "
        f"{LENGTH} symbols costs who knows nothing;\na name of the file has "
        f"{mean:.0f}" + (", so it rises at first" if mean > LENGTH else "")
    )
    caption(drawing, "Above the curve: the first name that the model makes up there")
    return drawing


def _across(axes: Any) -> dict[str, Any]:
    """x from 0 to 1 over the panel, y in data."""
    return {"transform": axes.get_yaxis_transform()}


def mean_symbols(names: list[str]) -> float:
    """Of a name, its newline counted."""
    return float(np.mean([len(name) + 1 for name in names]))


def main(
    names: Annotated[
        Path | None, typer.Option(help="A text with a name on each line.")
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Names to learn.")] = 8001,
    units: Annotated[int, typer.Option(min=1, help="Hidden units.")] = 50,
    picture: Picture = None,
) -> None:
    """Learns the names of a file as the exercise does, and makes up others."""
    learnt = read_names(names)
    began = time.perf_counter()
    reports = train(learnt, iterations, units)
    seconds = time.perf_counter() - began
    per_symbol = reports[-1].loss / mean_symbols(learnt)
    console.print(
        f"{len(learnt)} names, {iterations} iterations in {seconds:.1f} s; "
        f"{per_symbol:.2f} nats per symbol at iteration {reports[-1].iteration}, "
        f"{np.log(len(symbols_of(learnt))):.2f} for who knows nothing"
    )
    if told := verdict(learnt, reports, units):
        console.print(told)
    save(draw(learnt, reports), picture, "course_names")


if __name__ == "__main__":
    typer.run(main)
