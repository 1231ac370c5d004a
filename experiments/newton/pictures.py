"""Losses by work, and a spectrum as it changes through training."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from shared.memory import curve
from shared.study import figure

from .contest import ADAM_BATCH, Run
from .problems import Problem
from .spectrum import Spectrum

COLOURS = {"Adam": "C0", "Hessian-free": "C3"}
FLOOR = 1e-7  # of the magnitudes that are drawn


def picture_of(
    found: list[tuple[Problem, dict[str, Run]]], spectra: list[Spectrum], of: str
) -> Figure:
    """A panel for each problem, and one for the spectra of the problem named."""
    drawing, panels = figure(2, 2, width=11, height=8)
    panels = panels.ravel()
    for axes, (problem, runs) in zip(panels, found, strict=False):
        draw_losses(axes, problem, runs)
    for axes in panels[len(found) : -1]:
        axes.set_axis_off()
    draw_spectra(panels[-1], spectra, of)
    drawing.suptitle(
        "A tanh RNN by Adam and by Hessian-free updates, from the same weights, with "
        "the same work"
    )
    return drawing


def draw_losses(axes: Any, problem: Problem, runs: dict[str, Run]) -> None:
    """Loss against work, both on a log scale; the title tells who remembers."""
    said = ", ".join(f"{name} {run.right:.0%}" for name, run in runs.items())
    axes.set_title(f"{problem.label}. Right in the end:\n{said}", fontsize=10)
    label = f"no memory: {problem.baseline:.3f}"
    axes.axhline(problem.baseline, color="black", ls="--", lw=0.8, label=label)
    for name, run in runs.items():
        work, losses = run.work, run.losses
        if name == "Adam":
            updates, losses = curve(losses)
            work = ADAM_BATCH * updates
        axes.plot(work, losses, color=COLOURS[name], lw=1.2, label=name)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="work, in gradients of one sequence",
        ylabel="loss on the batch",
    )
    axes.legend(fontsize=8, loc="lower left")


def draw_spectra(axes: Any, spectra: list[Spectrum], of: str) -> None:
    """Magnitudes of extreme eigenvalues at points of training."""
    lowest = min(float(one.hessian.min()) for one in spectra)
    axes.set_title(
        f"Ends of the Hessian's spectrum, {of}:\nat worst {lowest:.2g}; of "
        "Gauss-Newton none is negative",
        fontsize=10,
    )
    for at, one in enumerate(spectra):
        up, down = one.hessian[one.hessian > 0], -one.hessian[one.hessian < 0]
        for shift, values, style in (
            (-0.2, up, "C3_"),
            (0.0, down, "C0_"),
            (0.2, one.gauss_newton, "k_"),
        ):
            values = np.maximum(values, FLOOR)
            axes.plot(at + shift + 0 * values, values, style, ms=14)
        axes.plot(at, one.gradient, "C2o", ms=5)
    for style, label in (
        ("C3_", "Hessian, above 0"),
        ("C0_", "Hessian, below 0 (magnitude)"),
        ("k_", "Gauss-Newton, largest"),
        ("C2o", "norm of the gradient"),
    ):
        axes.plot([], [], style, label=label)
    axes.set_xticks(range(len(spectra)), [one.label for one in spectra], fontsize=8)
    axes.set(yscale="log", ylabel="magnitude", xlim=(-0.5, len(spectra) - 0.3))
    axes.legend(fontsize=7, loc="best")
