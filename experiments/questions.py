"""What do the answers in docs/questions look like, drawn?

Three are drawings: two graphs of a forward pass with its way back, and what a view does
to a cache. Three are computed: where ``da`` is not zero (`sr.adjoints`), how far an
output reaches (the Jacobian of `sr.truncated`), and how far two ways to write the
derivative of tanh lie from each other (NumPy, float32).

    python experiments/questions.py [--folder docs/questions]   # 10 s
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from shared.study import figure, save

import scanrnn as sr

OUTPUT, TIME, INPUT, FORWARD = "C3", "C0", "C2", "0.55"  # colours of what flows
Point = tuple[float, float]
T = 8  # steps in the picture of where a gradient arrives


def graph(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """A sheet without axes, one unit an inch."""
    drawing, axes = figure(width=width, height=height + 0.4)
    axes.set(xlim=(0, width), ylim=(0, height), title=title)
    axes.set_axis_off()
    return drawing, axes


def node(axes: Axes, at: Point, text: str, colour: str = "0.93") -> None:
    """A value, in a box."""
    box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "0.3"}
    axes.text(*at, text, ha="center", va="center", fontsize=12, bbox=box)


def arrow(
    axes: Axes, start: Point, end: Point, colour: str = FORWARD, **shape: Any
) -> None:
    """From one value to another: grey forward, in colour on the way back."""
    width = 1.2 if colour == FORWARD else 2.2
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": width, **shape}
    axes.annotate("", end, start, arrowprops={"mutation_scale": 14, **style})


def told(axes: Axes, at: Point, text: str, colour: str = "0.2", **how: Any) -> None:
    """A word beside an arrow."""
    axes.text(*at, text, color=colour, **{"fontsize": 11, "va": "center", **how})


def draw_streams() -> Figure:
    """The two gradients that meet at a⟨t⟩."""
    drawing, axes = graph(8.6, 4.4, "a⟨t⟩ is used twice, so two gradients meet at it")
    at = {"a⟨t−1⟩": 1.2, "a⟨t⟩": 4.3, "a⟨t+1⟩": 7.4}
    for (name, x), label in zip(at.items(), ("t−1", "t", "t+1"), strict=True):
        arrow(axes, (x - 0.12, 0.6), (x - 0.12, 1.75))
        arrow(axes, (x - 0.12, 2.25), (x - 0.12, 3.45))
        arrow(axes, (x + 0.12, 1.75), (x + 0.12, 0.6), INPUT)
        arrow(axes, (x + 0.12, 3.45), (x + 0.12, 2.25), OUTPUT)
        told(axes, (x + 0.25, 2.85), f"da[:, :, {label}]", OUTPUT)
        told(axes, (x + 0.25, 1.15), f"dx⟨{label}⟩", INPUT)
        node(axes, (x, 0.35), f"x⟨{label}⟩")
        node(axes, (x, 3.75), f"ŷ⟨{label}⟩, L⟨{label}⟩")
        node(axes, (x, 2.0), name, "#fff2cc" if name == "a⟨t⟩" else "0.93")
    names = ("da_prev of step t", "da_prevt: da_prev of t+1")
    for left, right, name in zip((1.2, 4.3), (4.3, 7.4), names, strict=True):
        arrow(axes, (left + 0.5, 2.12), (right - 0.5, 2.12))
        arrow(axes, (right - 0.5, 1.88), (left + 0.5, 1.88), TIME)
        told(axes, ((left + right) / 2 + 0.12, 1.62), name, TIME, ha="center")
    equation = (("da_next  =", 3.5, "0.2"), ("da[:, :, t]", 4.45, OUTPUT))
    for text, x, colour in (*equation, ("+", 5.05, "0.2"), ("da_prevt", 5.6, TIME)):
        told(axes, (x, 4.3), text, colour, ha="center", weight="bold")
    told(axes, (8.5, 0.0), "grey: forward", "0.45", fontsize=10, ha="right")
    return drawing


def draw_feedback() -> Figure:
    """The way that a prediction opens when it becomes an input."""
    title = "x⟨t⟩ = ŷ⟨t−1⟩ opens a third way back: through the input"
    drawing, axes = graph(8.6, 4.5, title)
    y, a, x, after = (1.9, 2.6), (1.9, 0.6), (4.9, 2.6), (7.6, 0.6)
    loss = (1.9, 4.15)
    for below, above in ((a, y), (y, loss)):
        arrow(axes, (1.78, below[1] + 0.25), (1.78, above[1] - 0.25))
        arrow(axes, (2.02, above[1] - 0.25), (2.02, below[1] + 0.25), OUTPUT)
    told(axes, (2.15, 3.4), "from its loss", OUTPUT)
    told(axes, (2.15, 1.6), "da[:, :, t−1], of the sum", OUTPUT)
    arrow(axes, (2.5, 2.72), (4.5, 2.72))
    arrow(axes, (4.5, 2.48), (2.5, 2.48), INPUT)
    told(axes, (3.5, 2.95), "fed back", "0.4", ha="center")
    told(axes, (0.3, 2.6), "two meet\nhere too")
    told(axes, (3.5, 2.24), "+ dx⟨t⟩", INPUT, ha="center")
    arrow(axes, (5.35, 2.55), (7.5, 0.92))
    arrow(axes, (7.1, 0.92), (5.1, 2.32), INPUT)
    told(axes, (5.95, 1.35), "dx⟨t⟩ = Waxᵀ dz", INPUT, ha="right")
    arrow(axes, (2.5, 0.72), (7.1, 0.72))
    arrow(axes, (7.1, 0.48), (2.5, 0.48), TIME)
    told(axes, (4.6, 0.22), "da_prevt = Waaᵀ dz", TIME, ha="center")
    arrow(axes, (7.6, 0.85), (7.6, 2.35))
    node(axes, (7.6, 2.6), "ŷ⟨t⟩")
    for where, name in ((a, "a⟨t−1⟩"), (x, "x⟨t⟩"), (after, "a⟨t⟩"), (loss, "L⟨t−1⟩")):
        node(axes, where, name)
    node(axes, y, "ŷ⟨t−1⟩", "#fff2cc")
    return drawing


def draw_view() -> Figure:
    """Which slot of a the cache of step 0 holds, if it holds a view."""
    title = "caches[0] holds a view of the last slot, and the loop fills that slot"
    drawing, axes = graph(8.6, 3.6, title)
    rows = (
        ("a[:, :, −1] = a0", ("", "", "", "a0")),
        ("after step 0", ("a⟨0⟩", "", "", "a0")),
        ("after step 3", ("a⟨0⟩", "a⟨1⟩", "a⟨2⟩", "a⟨3⟩")),
    )
    for number, (when, slots) in enumerate(rows):
        y = 2.55 - 0.95 * number
        told(axes, (0.05, y + 0.3), when)
        for t, held in enumerate(slots):
            wrong = number == 2 and t == 3
            colour = "#f4cccc" if wrong else "#d9ead3" if held == "a0" else "white"
            axes.add_patch(
                Rectangle((1.6 + t, y), 1, 0.6, facecolor=colour, edgecolor="0.3")
            )
            told(axes, (2.1 + t, y + 0.3), held, ha="center")
        if number:
            arrow(axes, (6.35, y + 0.3), (5.65, y + 0.3), OUTPUT if wrong else TIME)
            reads = "reads a0: right" if number == 1 else "reads a⟨3⟩: wrong"
            told(axes, (6.4, y + 0.42), "caches[0]: a_prev", fontsize=10)
            told(axes, (6.4, y + 0.17), reads, OUTPUT if wrong else TIME, fontsize=10)
    for t in range(4):
        told(axes, (2.1 + t, 3.3), f"a[:, :, {t}]", ha="center", fontsize=10)
    told(axes, (1.6, 0.3), "at t = 0, a[:, :, t − 1] is a[:, :, −1], the last slot")
    return drawing


def draw_forms() -> Figure:
    """How far two ways to write tanh' lie from each other, and from it."""
    z = np.linspace(0.01, 6, 60, dtype=np.float32)
    exact = 1 / np.cosh(z.astype(np.float64)) ** 2
    unit = np.spacing(exact.astype(np.float32))
    one, other = 1 - np.tanh(z) ** 2, 1 - np.tanh(z.copy()) ** 2
    nudged = 1 - np.tanh(np.nextafter(z, np.float32(99))) ** 2
    drawing, (values, errors) = figure(1, 2, width=7.6, height=3.3)
    values.plot(z, exact, color="0.75", linewidth=7, label="exact")
    values.plot(z, one, color=TIME, label="1 − a²")
    values.plot(z, other, ":", color=OUTPUT, linewidth=3, label="1 − tanh²(z)")
    values.set(yscale="log", ylabel="derivative of tanh at z, float32", xlabel="z")
    values.set_title("they lie on each other", fontsize=11)
    values.legend()
    for label, off, mark, colour in (
        ("both from exact", one - exact, ".", "0.6"),
        ("from each other, z one float apart", nudged - one, "x", OUTPUT),
        ("from each other, the same z", other - one, ".", TIME),
    ):
        errors.plot(z, np.abs(off) / unit, mark, color=colour, ms=5, label=label)
    errors.set_yscale("symlog", linthresh=1)
    errors.set(ylabel="units in the last place", xlabel="z", ylim=(-0.2, 1e7))
    errors.set_yticks(
        [0, 1, 10, 100, 1000, 10_000], ["0", "1", "10", "10²", "10³", "10⁴"]
    )
    errors.set_title("the same z: the same bits", fontsize=11)
    errors.legend(loc="upper left", fontsize=10)
    drawing.suptitle("Two ways to write tanh′ agree; what 1 − a² loses, both lose")
    return drawing


class Ask(NamedTuple):
    """Where a network is told that it was wrong."""

    labelled: tuple[int, ...]  # the steps with a label
    length: int  # of the sequence; what follows is padding
    handed_back: bool  # whether a decoder hands back its da0


EVERY = tuple(range(T))
ASKED = {
    "many-to-many: a label at every step": Ask(EVERY, T, False),
    "many-to-one: one label, at the end": Ask((T - 1,), T, False),
    "many-to-one, a sequence of 5 steps": Ask((4,), 5, False),
    "encoder: no label, only the decoder's da0": Ask((), T, True),
}


def arrivals() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each ask the norms, by step, of what comes from the output and from time."""
    batch, size = 16, 12
    cell = sr.rnn(size)
    params = cell.init(jax.random.key(1), size)
    xs, d = (jax.random.normal(jax.random.key(k), (T, batch, size)) for k in (2, 3))

    @jax.jit
    def norms(d_outputs: Array, d_final: Array, length: int) -> tuple[Array, Array]:
        lengths, d_state = jnp.full(batch, length), sr.RNNState(d_final)
        streams = sr.adjoints(
            cell, params, xs, d_outputs, d_final=d_state, lengths=lengths
        )
        both = streams.from_output.h, streams.through_time.h
        return jax.tree.map(lambda stream: jnp.sqrt(jnp.sum(stream**2, (1, 2))), both)

    found = {}
    for name, ask in ASKED.items():
        d_outputs = jnp.where(np.isin(EVERY, ask.labelled)[:, None, None], d, 0)
        one = norms(d_outputs, d[-1] * ask.handed_back, ask.length)
        found[name] = (np.asarray(one[0]), np.asarray(one[1]))
    return found


def draw_where() -> Figure:
    """Norms of both gradients by step, for four ways to ask."""
    drawing, panels = figure(2, 2, width=8.6, height=5.2)
    for panel, (title, (output, time)) in zip(
        panels.flat, arrivals().items(), strict=True
    ):
        steps, end = np.arange(T), ASKED[title].length
        panel.bar(
            steps - 0.2, output, 0.4, color=OUTPUT, label="da[:, :, t], from the output"
        )
        panel.bar(steps + 0.2, time, 0.4, color=TIME, label="da_prevt, through time")
        panel.set_title(title, fontsize=11)
        panel.set(
            xlabel="step t", ylabel="norm of the gradient", xticks=steps, ylim=(0, 17)
        )
        if end < T:
            panel.axvspan(end - 0.5, T - 0.5, color="0.9")
            panel.text((end + T - 1) / 2, 8, "padding", ha="center", color="0.4")
    handles = panels[0, 0].get_legend_handles_labels()
    drawing.legend(*handles, loc="outside lower center", ncols=2)
    drawing.suptitle("Where a gradient arrives at a⟨t⟩, and by which way")
    return drawing


def reach(every: int, back: int, steps: int = 12) -> np.ndarray:
    """Whether the gradient of an output (row) reaches an input (column)."""
    params = sr.RNNParams(jnp.ones((1, 1)), jnp.ones((1, 1)), jnp.zeros(1))

    @jax.jit
    @jax.jacrev
    def slopes(xs: Array) -> Array:
        return sr.truncated(sr.rnn(1), params, xs, every=every, back=back).outputs

    return np.asarray(slopes(jnp.zeros((steps, 1, 1)))).reshape(steps, steps) != 0


def draw_windows() -> Figure:
    """Which outputs feel which inputs under truncation."""
    asked = {
        "not truncated": (12, 12),
        "k1 = k2 = 4: chunks": (4, 4),
        "k1 = 2, k2 = 4": (2, 4),
        "k1 = 1, k2 = 4: sliding": (1, 4),
    }
    drawing, panels = figure(1, 4, width=9, height=2.9)
    for panel, (title, window) in zip(panels, asked.items(), strict=True):
        panel.imshow(reach(*window), cmap="Blues", vmin=0, vmax=1.6)
        panel.set_title(title, fontsize=10)
        panel.set(xticks=range(0, 12, 2), yticks=range(0, 12, 2))
        panel.set_xlabel("input at step")
    panels[0].set_ylabel("output at step")
    drawing.suptitle(
        "Blue: the gradient of this output (row) reaches this input (column)"
    )
    return drawing


PICTURES: dict[str, Callable[[], Figure]] = {
    "streams": draw_streams,
    "forms": draw_forms,
    "view": draw_view,
    "where": draw_where,
    "feedback": draw_feedback,
    "windows": draw_windows,
}


def main(
    folder: Annotated[
        Path, typer.Option(help="Where the pictures go; a file that exists is kept.")
    ] = Path("questions"),
) -> None:
    """Draws every picture of docs/questions."""
    for name, draw in PICTURES.items():
        save(draw(), folder / f"{name}.png", name)


if __name__ == "__main__":
    typer.run(main)
