"""Attributions to look at: prompts in colours, and what the trials found."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from rich.text import Text
from shared.page import SMALL, caption, page

from .trials import NEAR

SHADE = 0.4  # of 0.5: black stays legible on the darkest
CONTROLS = ("the last ones", "random")


def colours(values: np.ndarray) -> list[str]:
    """Red where a character makes the prediction likelier, blue where less likely."""
    largest = np.abs(values).max() or 1.0
    shades = colormaps["coolwarm"](0.5 + SHADE * values / largest)
    return [to_hex(shade) for shade in shades]


def visible(character: str) -> str:
    """A newline is seen as an arrow."""
    return character.replace("\n", "↵")


def strip(prompt: str, values: np.ndarray) -> Text:
    """A prompt for the terminal, every character on its colour."""
    text = Text()
    for character, colour in zip(prompt, colours(values), strict=True):
        text.append(visible(character), style=f"black on {colour}")
    return text


def draw(
    prompt: str,
    rows: dict[str, np.ndarray],
    losses: dict[str, list[float]],
    found: dict[str, float],
) -> Figure:
    """The prompt in colours; below it what two tests say of every method."""
    drawing, axes = page(2, 2, height=5.4)
    grid = axes[0, 0].get_gridspec()
    grid.set_height_ratios((5, 4))
    for unused in axes[0]:
        unused.remove()
    draw_strips(drawing.add_subplot(grid[0, :]), prompt, rows)
    drawing.suptitle(headline(losses, found))
    caption(
        drawing,
        "gradient: the norm of dx, which has no sign. gradient x input: dx times what "
        "the character differs by from the\naverage one. integrated gradients: the "
        "same, with dx averaged on the way from average characters to these.\n"
        "occlusion: what is lost where the character becomes the average one. Grey: "
        "no gradient; the last ones read, any.",
    )
    left, right = axes[1]
    draw_bars(left, {name: values[0] for name, values in losses.items()}, "%.1f")
    left.set(
        title="What is lost where the character\nranked first is replaced?",
        xlabel="log-probability lost, nats (more: a better ranking)",
    )
    draw_bars(right, {n: 100 * found[n] for n in losses if n in found}, "%.0f %%")
    right.set(
        title=f"Is the opening quotation mark\nranked first before the last {NEAR}?",
        xlabel="% of quotations (more: a better ranking)",
        yticklabels=[],
    )
    return drawing


def headline(losses: dict[str, list[float]], found: dict[str, float]) -> str:
    """What was found, in the measured numbers."""
    name = "integrated gradients"
    first = (
        f"Replacing the character that {name} rank first costs {losses[name][0]:.1f} "
        f"nats, a random one {losses['random'][0]:.1f}"
    )
    if name not in found:
        return first
    return (
        f"{first};\nof the characters before the last {NEAR} they rank the opening "
        f"quotation mark first in {found[name]:.0%} of cases"
    )


def draw_strips(axes: Any, prompt: str, rows: dict[str, np.ndarray]) -> None:
    """A row for each method; a frame around the largest before the last few."""
    size = min(SMALL, 350 / len(prompt))
    early = max(1, len(prompt) - NEAR)
    for row, values in enumerate(rows.values()):
        for step, colour in enumerate(colours(values)):
            axes.add_patch(Rectangle((step, -row - 0.9), 1, 0.8, color=colour, lw=0))
            axes.text(
                step + 0.5,
                -row - 0.52,
                visible(prompt[step]),
                family="monospace",
                size=size,
                ha="center",
                va="center",
            )
        largest = int(values[:early].argmax())
        frame = Rectangle((largest, -row - 0.9), 1, 0.8, fill=False, lw=1.6, zorder=3)
        axes.add_patch(frame)
    axes.axvline(early, color="black", lw=0.8, ls="--")
    axes.text(early - 0.3, -len(rows), f"the last {NEAR} \u2192", ha="right", va="top")
    axes.set(xlim=(0, len(prompt)), ylim=(-len(rows), 0))
    axes.set_title(
        "Which characters move the prediction of the next one? Red: they make it\n"
        f"likelier, blue: less likely. Framed: the largest before the last {NEAR}"
    )
    axes.set_xlabel("characters that were read, the latest at the right")
    axes.set_xticks([])
    axes.set_yticks([-0.5 - row for row in range(len(rows))], list(rows))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_bars(axes: Any, values: dict[str, float], form: str) -> None:
    """A bar a method; the two controls, which need no gradient, in grey."""
    shades = ["0.7" if name in CONTROLS else "C0" for name in values]
    bars = axes.barh(list(values), list(values.values()), color=shades)
    axes.bar_label(bars, fmt=form, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.2)
