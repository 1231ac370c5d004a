"""What was designed, what was reached at which price, and what was not computed."""

import textwrap
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from matplotlib.figure import Figure
from shared.page import End, listed, name_ends, page, spread
from shared.study import COLOURS

from .methods import COST, Designed
from .programs import Program
from .trajectories import GOAL, OUTPUTS
from .words import PROMPT, WORD

LINES = {"gradient": "-", "local search": "--", "fresh draws": ":"}


def draw(
    found: dict[str, dict[str, Designed]],
    by_words: dict[str, Designed],
    compared: dict[str, tuple[Program, Program]],
    wanted: Array,
    emitted: Array,
) -> Figure:
    """One trajectory; what was reached of both tasks; what the programs compute."""
    drawing, axes = page(2, 2, height=6.0)
    drawing.suptitle(headline(by_words, found["gru"]))
    draw_example(axes[0, 0], wanted, emitted)
    curves = {
        f"{name}, {method}": (one, LINES[method], COLOURS[name])
        for name, methods in found.items()
        for method, one in methods.items()
    }
    draw_reached(axes[0, 1], curves)
    axes[0, 1].set_title(f"Trajectories reached:\nmean squared error below {GOAL:g}")
    curves = {m: (one, LINES[m], COLOURS["gru"]) for m, one in by_words.items()}
    draw_reached(axes[1, 0], curves)
    axes[1, 0].set_title(
        f"Words of {WORD} letters reached: a trained GRU\nwrites the word after "
        f"{PROMPT} designed characters"
    )
    draw_programs(axes[1, 1], compared)
    return drawing


def draw_example(axes: Any, wanted: Array, emitted: Array) -> None:
    """One target and what the network emits for the designed input."""
    axes.plot(wanted, color="0.75", linewidth=5)
    for k in range(OUTPUTS):
        axes.plot(emitted[:, k], color="black", lw=1.2, ls=("-", "--")[k % 2])
    error = float(jnp.mean((emitted - wanted) ** 2))
    axes.set(
        title="Both outputs of a GRU, wanted (grey)\nand emitted (black): "
        f"error {error:.0e}",
        xlabel="step",
        ylabel="output",
    )


def draw_reached(axes: Any, curves: dict[str, tuple[Designed, str, str]]) -> None:
    """The share of targets reached against the evaluations paid.

    Curves that never leave 0 lie on one another: they are one grey line.
    """
    never = [name for name, (one, _, _) in curves.items() if not one.reached.any()]
    axes.set(
        xlabel=f"forward passes per target (an update counts as {COST})",
        ylabel="targets reached, % (more: better)",
        xscale="log",
        ylim=(-3, 103),
    )
    ends = []
    for name, (one, style, colour) in curves.items():
        share = 100 * one.reached.mean(1)
        steps = np.arange(1, len(share) + 1)
        if name not in never:
            axes.plot(steps, share, style, color=colour)
            ends.append(End(f"{name}: {share[-1]:.0f}", steps[-1], share[-1], colour))
    if never:
        axes.plot((1, len(share)), (0, 0), color="0.5", ls="--")
        said = textwrap.fill("none by " + listed(grouped(never)), width=18)
        axes.text(1.2, 3, said, color="0.35", va="bottom")
    name_ends(axes, ends, height=2.0)


def grouped(names: list[str]) -> list[str]:
    """Cells that share a method: from a, x and b, x to x (a and b)."""
    cells: dict[str, list[str]] = {}
    for name in names:
        cell, _, method = name.rpartition(", ")
        cells.setdefault(method, []).append(cell)
    return [f"{method} ({listed(of)})" for method, of in cells.items()]


def headline(by_words: dict[str, Designed], by_gru: dict[str, Designed]) -> str:
    """What was found, in the measured numbers."""
    counts = [
        [int(found[name].reached[-1].sum()) for name in ("gradient", "local search")]
        for found in (by_gru, by_words)
    ]
    return (
        f"Of {by_words['gradient'].reached.shape[1]} targets each, the gradient by the "
        f"inputs reaches {counts[0][0]} trajectories (GRU) and {counts[1][0]} words,\n"
        f"local search with as many forward passes {counts[0][1]} and {counts[1][1]}; "
        "no weight is changed"
    )


def draw_programs(axes: Any, compared: dict[str, tuple[Program, Program]]) -> None:
    """FLOP of the gradient by xs alone beside that by both."""
    places = np.arange(len(compared))
    alone, both = zip(*compared.values(), strict=True)
    saved = [100 * (1 - a.flops / b.flops) for a, b in compared.values()]
    looks = {"edgecolor": "black", "height": 0.38}
    grey = axes.barh(places - 0.2, [p.flops / 1e3 for p in both], color="0.8", **looks)
    blue = axes.barh(places + 0.2, [p.flops / 1e3 for p in alone], color="C0", **looks)
    nothing = [""] * (len(compared) - 1)
    axes.bar_label(grey, ["by weights and inputs", *nothing], padding=3)
    axes.bar_label(blue, ["by inputs alone", *nothing], padding=3)
    axes.set_yticks(places, list(compared))
    axes.invert_yaxis()
    computed = sum(p.of_weights for p in alone)
    axes.set(
        title=f"The gradient by the inputs alone takes {spread(saved, '.0f')}% fewer\n"
        f"operations: {computed or 'no'} products for a weight's gradient",
        xlabel="1000 operations (FLOP) of a small GRU's gradient",
    )
