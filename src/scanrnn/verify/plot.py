"""The picture of a verdict: error by leaf and step, beside the streams of gradient."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Series = Mapping[str, Sequence[float]]  # by name, one number a step

SMALLEST = 1e-18  # errors below are drawn as this: no error at all


def draw(path: str, title: str, errors: Series, streams: Series | None) -> None:
    """Saves the picture; the format follows from the ending of the path.

    Args:
        title: of the whole picture.
        errors: by leaf, the relative error at each step.
        streams: the size of the gradient at each step, by where it comes from.

    Raises:
        ValueError: if there are no errors by step.
    """
    if not errors:
        raise ValueError(
            "expected the verdict of a sequence, got one without errors by step; "
            "grade a sequence's backward function, or name the leaves with time"
        )
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.8 + 0.35 * max(len(errors), 6)))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _heat(figure, left, errors)
    _streams(right, streams)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _heat(figure: Any, axes: Any, errors: Series) -> None:
    steps = max(map(len, errors.values()))
    grid = np.full((len(errors), steps), np.nan)
    for row, values in zip(grid, errors.values(), strict=True):
        row[steps - len(values) :] = np.log10(np.maximum(values, SMALLEST))
    image = axes.imshow(grid, aspect="auto", cmap="inferno", vmin=-18, vmax=0)
    axes.set_yticks(range(len(errors)), list(errors))
    axes.set_xticks(range(steps))
    axes.set_xlabel("step t (the way back runs from right to left)")
    axes.set_title("what each step adds to the error", fontsize=10)
    figure.colorbar(image, ax=axes, label="log10 of the relative error")


def _streams(axes: Any, streams: Series | None) -> None:
    if streams is None:
        axes.axis("off")
        return
    marks = {"outputs": "o--", "time": "s--", "total": "k-"}
    for name, values in streams.items():
        axes.plot(range(len(values)), values, marks[name], label=name)
    axes.set_xticks(range(len(streams["total"])))
    axes.set_xlabel("step t")
    axes.set_title("the right gradient of the state, by source (2-norm)", fontsize=10)
    axes.legend()
