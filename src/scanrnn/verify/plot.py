"""The picture of a verdict: error by leaf and step, beside the streams of gradient."""

from typing import Any

import numpy as np

from .report import Verdict

SMALLEST = 1e-18  # errors below are drawn as this: no error at all


def draw(verdict: Verdict, path: str) -> None:
    """Draws `Verdict.plot`; the format follows from the ending of the path.

    Raises:
        ValueError: if the verdict holds no errors by step.
    """
    if not verdict.errors:
        raise ValueError(
            "expected the verdict of a sequence, got one without errors by step; "
            "grade a sequence's backward function, or name the leaves with time"
        )
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.8 + 0.35 * max(len(verdict.errors), 6)))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _heat(figure, left, verdict)
    _streams(right, verdict)
    figure.suptitle(f"{verdict.subject}: {'right' if verdict.passed else 'WRONG'}")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _heat(figure: Any, axes: Any, verdict: Verdict) -> None:
    leaves = list(verdict.errors)
    steps = max(len(errors) for errors in verdict.errors.values())
    grid = np.full((len(leaves), steps), np.nan)
    for i, leaf in enumerate(leaves):
        errors = np.asarray(verdict.errors[leaf])
        grid[i, steps - len(errors) :] = np.log10(np.maximum(errors, SMALLEST))
    image = axes.imshow(grid, aspect="auto", cmap="inferno", vmin=-18, vmax=0)
    axes.set_yticks(range(len(leaves)), leaves)
    axes.set_xticks(range(steps))
    axes.set_xlabel("step t (the way back runs from right to left)")
    axes.set_title("what each step adds to the error", fontsize=10)
    figure.colorbar(image, ax=axes, label="log10 of the relative error")


def _streams(axes: Any, verdict: Verdict) -> None:
    if verdict.streams is None:
        axes.axis("off")
        return
    steps = range(len(verdict.streams.total))
    marks = {"outputs": "o--", "time": "s--", "total": "k-"}
    for name, values in verdict.streams._asdict().items():
        axes.plot(steps, values, marks[name], label=name)
    axes.set_xticks(list(steps))
    axes.set_xlabel("step t")
    axes.set_title("the right gradient of the state, by source (2-norm)", fontsize=10)
    axes.legend()
