"""Losses by work, and a spectrum as it changes through training."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from shared.memory import curve
from shared.page import End, caption, name_ends, page

from .contest import ADAM_BATCH, Run
from .problems import Problem
from .spectrum import Spectrum

COLOURS = {"Adam": "C0", "Hessian-free": "C3"}
STYLES = {"Adam": "--", "Hessian-free": "-"}
FLOOR = 1e-7  # of the magnitudes that are drawn


def picture_of(
    found: list[tuple[Problem, dict[str, Run]]], spectra: list[Spectrum], of: str
) -> Figure:
    """A panel for each problem, and one for the spectra of the problem named."""
    drawing, panels = page(2, 2, height=6.2)
    panels = panels.ravel()
    for axes, (problem, runs) in zip(panels, found, strict=False):
        draw_losses(axes, problem, runs)
    for axes in panels[len(found) : -1]:
        axes.set_axis_off()
    draw_spectra(panels[-1], spectra, of)
    drawing.suptitle(headline(found))
    caption(
        drawing,
        "A tanh RNN, from the same weights, with the same work for both. Right: "
        "answers of the test that are right after training.\n"
        "Spectrum: eigenvalues of the loss's curvature; Gauss-Newton leaves out what "
        "can be negative.",
    )
    return drawing


def headline(found: list[tuple[Problem, dict[str, Run]]]) -> str:
    """What was found, in the measured numbers."""
    said = [
        f"{problem.label}: {runs['Hessian-free'].right:.0%} ({runs['Adam'].right:.0%})"
        for problem, runs in found
    ]
    return "Right by Hessian-free updates (by Adam)\n" + "; ".join(said)


def draw_losses(axes: Any, problem: Problem, runs: dict[str, Run]) -> None:
    """Loss against work, both on a log scale; the names tell who remembers."""
    axes.set_title(problem.label)
    axes.axhline(problem.baseline, color="0.5", lw=0.7)
    ends = []
    for name, run in runs.items():
        work, losses = run.work, run.losses
        if name == "Adam":
            updates, losses = curve(losses)
            work = ADAM_BATCH * updates
        axes.plot(work, losses, STYLES[name], color=COLOURS[name], lw=1.1)
        text = f"{name}:\n{run.right:.0%} right"
        ends.append(End(text, float(work[-1]), float(losses[-1]), COLOURS[name]))
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="work, in gradients of one sequence",
        ylabel="loss on the batch (lower: better)",
    )
    axes.xaxis.set_minor_formatter("")
    edge = axes.get_xlim()[0]
    axes.text(edge, 0.95 * problem.baseline, " no memory", color="0.3", va="top")
    name_ends(axes, ends, height=1.0)


def draw_spectra(axes: Any, spectra: list[Spectrum], of: str) -> None:
    """Magnitudes of extreme eigenvalues at points of training."""
    lowest = min(float(one.hessian.min()) for one in spectra)
    axes.set_title(f"{of}: ends of the spectrum by\nHessian-free; lowest {lowest:.2g}")
    for at, one in enumerate(spectra):
        up, down = one.hessian[one.hessian > 0], -one.hessian[one.hessian < 0]
        for shift, values, style in (
            (-0.25, up, "C3_"),
            (0.0, down, "C0_"),
            (0.25, one.gauss_newton, "k_"),
        ):
            values = np.maximum(values, FLOOR)
            axes.plot(at + shift + 0 * values, values, style, ms=7)
        axes.plot(at, one.gradient, "C2o", ms=4)
    axes.set(yscale="log", ylabel="magnitude", xlim=(-0.5, len(spectra) - 0.5))
    labels = [one.label.replace("update ", "").replace("loss ", "") for one in spectra]
    axes.set_xticks(range(len(spectra)), labels)
    axes.set_xlabel("update, and the loss before it")
    last, at = spectra[-1], len(spectra) - 1
    ends = [
        End("Gauss-Newton", at + 0.25, float(last.gauss_newton.max()), "black"),
        End("Hessian, above 0", at - 0.25, float(np.median(last.hessian)), "C3"),
        End("Hessian, below 0", at, float(np.abs(last.hessian.min())), "C0"),
        End("|gradient|", at, float(last.gradient), "C2"),
    ]
    above = last.hessian[last.hessian > 0]
    if above.size:
        ends[1] = ends[1]._replace(y=float(above.min()))
    name_ends(axes, [e._replace(y=max(e.y, FLOOR)) for e in ends], height=1.7)
