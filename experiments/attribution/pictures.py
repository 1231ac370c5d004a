"""Attributions to look at: prompts in colours, and what the trials found."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from rich.text import Text
from shared.study import figure

from .trials import NEAR

SHADE = 0.4  # of 0.5: black stays legible on the darkest
STYLES = {
    "gradient": "C1",
    "gradient x input": "C0",
    "integrated gradients": "C3",
    "occlusion": "C2",
    "the last ones": "0.45",
    "random": "0.75",
}


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


def draw_strips(axes: Any, prompt: str, rows: dict[str, np.ndarray]) -> None:
    """The same for the picture: one row per method."""
    size = min(11.0, 620 / len(prompt))
    for row, values in enumerate(rows.values()):
        for step, colour in enumerate(colours(values)):
            axes.add_patch(Rectangle((step, -row - 0.9), 1, 0.8, color=colour))
            axes.text(
                step + 0.5,
                -row - 0.52,
                visible(prompt[step]),
                family="monospace",
                size=size,
                ha="center",
                va="center",
            )
    axes.set(xlim=(0, len(prompt)), ylim=(-len(rows), 0))
    axes.set_title(
        "red: makes the prediction likelier, blue: less likely; "
        "the gradient is a magnitude",
        fontsize=10,
    )
    axes.set_xlabel("characters of the prompt, one step of time each")
    axes.set_xticks([])
    axes.set_yticks([-0.5 - row for row in range(len(rows))], list(rows))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw(
    prompt: str,
    rows: dict[str, np.ndarray],
    counts: list[int],
    losses: dict[str, list[float]],
    far: dict[str, np.ndarray],
    found: dict[str, float],
) -> Figure:
    """The prompt in colours; below it what is lost, reached and found."""
    drawing, axes = figure(2, 3, width=13, height=7.2)
    for unused in axes[0]:
        unused.remove()
    draw_strips(drawing.add_subplot(axes[0, 0].get_gridspec()[0, :]), prompt, rows)
    drawing.suptitle(headline(losses, found))
    draw_losses(axes[1, 0], counts, losses)
    draw_reach(axes[1, 1], far)
    draw_found(axes[1, 2], found)
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
        f"{first};\nbefore a closing quotation mark they point at the opening one in "
        f"{found[name]:.0%} of cases"
    )


def draw_losses(axes: Any, counts: list[int], losses: dict[str, list[float]]) -> None:
    """What the prediction loses, against how many characters were replaced."""
    for name, values in losses.items():
        axes.plot(counts, values, "o-", color=STYLES[name], label=name, markersize=4)
    axes.set(
        title="The largest are replaced first",
        xlabel="characters replaced",
        ylabel="lost log-probability, nats",
        xscale="log",
        xticks=counts,
        xticklabels=counts,
    )
    axes.minorticks_off()
    axes.set_ylim(top=1.6 * axes.get_ylim()[1])
    axes.legend(fontsize=7, ncols=2, loc="upper left", columnspacing=1)


def draw_reach(axes: Any, far: dict[str, np.ndarray]) -> None:
    """How much of all attribution lies how far back."""
    for name, values in far.items():
        share = np.abs(values).mean(1)[::-1] / np.abs(values).mean(1).sum()
        steps = np.arange(1, len(share) + 1)
        axes.plot(steps, share, color=STYLES[name], label=name)
    axes.set(
        title="How far back it reaches",
        xlabel="characters before the prediction",
        ylabel="share of all attribution (magnitudes)",
        xscale="log",
        yscale="log",
    )
    axes.legend(fontsize=8)


def draw_found(axes: Any, found: dict[str, float]) -> None:
    """How often the mark that opened the quotation stands out."""
    names = list(found)[::-1]
    values = [100 * found[name] for name in names]
    bars = axes.barh(names, values, color=[STYLES[name] for name in names])
    axes.bar_label(bars, fmt="%.0f %%", padding=3)
    axes.set(
        title=f"The opening mark is the largest\nof all but the last {NEAR}",
        xlabel="share of quotations, %",
        xlim=(0, 125),
    )
