"""What was designed, what was reached at which price, and what was not computed."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from matplotlib.figure import Figure
from shared.study import COLOURS, figure

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
    drawing, axes = figure(2, 2, width=12, height=8)
    drawing.suptitle(headline(by_words, found["gru"]))
    draw_example(axes[0, 0], wanted, emitted)
    for name, methods in found.items():
        draw_reached(axes[0, 1], methods, name, COLOURS[name])
    axes[0, 1].set_title(f"Trajectories: mean squared error below {GOAL:g}")
    draw_reached(axes[1, 0], by_words, "words", "C0")
    axes[1, 0].set_title(f"Words of {WORD} letters after {PROMPT} designed characters")
    draw_programs(axes[1, 1], compared)
    return drawing


def draw_example(axes: Any, wanted: Array, emitted: Array) -> None:
    """One target and what the network emits for the designed input."""
    for k in range(OUTPUTS):
        label = ("wanted", "emitted") if k == 0 else (None, None)
        axes.plot(wanted[:, k], color="0.7", linewidth=4, label=label[0])
        axes.plot(emitted[:, k], color=f"C{k}", label=label[1])
    error = float(jnp.mean((emitted - wanted) ** 2))
    axes.set(
        title=f"A GRU emits the first target (error {error:.0e})",
        xlabel="step",
        ylabel=f"the {OUTPUTS} outputs of the network",
    )
    axes.legend(fontsize=8)


def draw_reached(
    axes: Any, methods: dict[str, Designed], name: str, colour: Any
) -> None:
    """The share of targets reached against the evaluations paid."""
    for method, found in methods.items():
        share = 100 * found.reached.mean(1)
        steps = np.arange(1, len(share) + 1)
        label = f"{name}, {method}"
        axes.plot(steps, share, LINES[method], color=colour, label=label)
    axes.set(
        xlabel=f"forward passes per target (an update counts as {COST})",
        ylabel="targets reached, %",
        xscale="log",
        ylim=(-3, 103),
    )
    axes.legend(fontsize=7, loc="upper left")


def headline(by_words: dict[str, Designed], by_gru: dict[str, Designed]) -> str:
    """What was found, in the measured numbers."""
    counts = [
        [int(found[name].reached[-1].sum()) for name in ("gradient", "local search")]
        for found in (by_gru, by_words)
    ]
    return (
        f"Of {by_words['gradient'].reached.shape[1]} targets each, the gradient of the "
        f"inputs reaches {counts[0][0]} trajectories (GRU) and {counts[1][0]} words;\n"
        f"local search with as many evaluations {counts[0][1]} and {counts[1][1]}"
    )


def draw_programs(axes: Any, compared: dict[str, tuple[Program, Program]]) -> None:
    """FLOP of the gradient by xs alone beside that by both."""
    places = np.arange(len(compared))
    for shift, index, label in ((-0.2, 1, "by params and xs"), (0.2, 0, "by xs alone")):
        found = [pair[index] for pair in compared.values()]
        bars = axes.bar(
            places + shift, [p.flops / 1e3 for p in found], 0.4, label=label
        )
        axes.bar_label(bars, [f"{p.of_weights}" for p in found], fontsize=9)
    axes.set_xticks(places, list(compared), fontsize=8)
    axes.set(
        title="On each bar: products of the shape of a weight",
        ylabel="1000 FLOP of a small GRU's gradient",
    )
    axes.margins(y=0.35)
    axes.legend(fontsize=8)
