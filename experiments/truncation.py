"""How much of the gradient is lost when backpropagation through time is cut short?

Much below 8 steps, little beyond, and chunks pay more than windows. Trained on text
for 300 updates, all three cells have a cosine above 0.99 with the full gradient from
k2 = 8 on with a sliding window (k1 = 1), but only from k2 = 16 on with chunks
(k1 = k2): their error falls as a power of k2, that of a window exponentially. One step
alone leaves 0.62 (rnn), 0.74 (gru) and 0.70 (lstm). Before training the reach
is that of the initialisation: 0.99 needs 32 steps for the rnn, 8 for the gru, 64 for
the lstm with its forget bias of 1. A short window also shrinks the gradient: to 0.13
of its norm for the fresh lstm at one step. What a task needs is another matter: a
window sees no dependency longer than itself, whatever its cosine. (Seed 0.)

    python experiments/truncation.py [--units 64] [--steps 300]    # 90 s

Each model reads characters. Its full gradient by the parameters of the cell is
compared with that of `sr.truncated(every=k1, back=k2)` on the same batch, before and
after training: by the cosine of the angle between them, and by the ratio of their
norms. k2 is how far back the window of a group reaches, k1 how many steps a group has;
k1 = k2 is the usual cut into chunks. Source of the scheme: Williams and Peng 1990.
"""

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array
from jax.flatten_util import ravel_pytree
from matplotlib.figure import Figure
from rich.progress import track
from rich.table import Table
from shared.char import Batch, Params, Units, loss_of_outputs, progress, train_cells
from shared.page import caption, page, spread
from shared.study import Picture, Seed, Steps, console, save

import scanrnn as sr

EVERY = (1, 8, None)  # k1; None: as k2
ENOUGH = 0.99
SHOWN: dict[int | None, dict[str, str]] = {  # of them in the picture
    None: {"color": "C3", "ls": ":"},
    1: {"color": "C0", "ls": "-"},
}
FLOOR = 1e-5  # of 1 - cosine, below which float32 tells little


class Row(NamedTuple):
    """One truncated gradient against the full one."""

    cell: str
    trained: bool
    every: int | None
    back: int
    cosine: float
    ratio: float  # of the norms


def backs(length: int) -> list[int]:
    """k2: the powers of two below the length, and the length, where nothing is cut."""
    return [2**k for k in range(length.bit_length()) if 2**k < length] + [length]


def compare(full: Any, cut: Any) -> tuple[float, float]:
    """The cosine between two gradients, all leaves as one vector; ratio of norms."""
    a, b = (ravel_pytree(tree)[0] for tree in (full, cut))
    norms = jnp.linalg.norm(a), jnp.linalg.norm(b)
    return float(a @ b / (norms[0] * norms[1])), float(norms[1] / norms[0])


def gradient(
    cell: sr.Cell, params: Params, xs: Array, labels: Array, every: int, back: int
) -> Any:
    """The derivative of the loss by the parameters of the cell, TBPTT(every, back)."""

    def loss(cell_params: Any) -> Array:
        run = sr.truncated(cell, cell_params, xs, every=every, back=back)
        return loss_of_outputs(params.dense, run.outputs, labels)

    return jax.grad(loss)(params.cell)


def study(
    name: str, cell: sr.Cell, models: dict[bool, Params], xs: Array, labels: Array
) -> list[Row]:
    """Every window, for the fresh model (False) and the trained one (True)."""
    length = xs.shape[0]
    compute = jax.jit(gradient, static_argnums=(0, 4, 5))
    full = {k: compute(cell, p, xs, labels, 1, length) for k, p in models.items()}
    cases = [(k1, k2) for k1 in EVERY for k2 in backs(length) if (k1 or k2) <= k2]
    rows = []
    for k1, k2 in track(cases, f"{name}: windows", console=console, transient=True):
        for trained, params in models.items():
            cut = compute(cell, params, xs, labels, k1 or k2, k2)
            rows.append(Row(name, trained, k1, k2, *compare(full[trained], cut)))
    return rows


def table_of(rows: list[Row]) -> Table:
    """Cosine and ratio of norms, one line per model and k1, one column per k2."""
    columns = sorted({row.back for row in rows})
    table = Table(title="cosine with the full gradient, ratio of norms; by k2")
    for head in ("cell", "", "k1", *map(str, columns)):
        table.add_column(head, justify="right")
    found = {(r.cell, r.trained, r.every, r.back): r for r in rows}
    for name, trained, every in dict.fromkeys(key[:3] for key in found):
        cells = [found.get((name, trained, every, back)) for back in columns]
        shown = [f"{r.cosine:.3f}\n{r.ratio:.2f}" if r else "" for r in cells]
        state = "trained" if trained else "fresh"
        table.add_row(name, state, str(every or "k2"), *shown)
    return table


def needed(rows: list[Row], name: str, trained: bool, every: int | None = 1) -> int:
    """The smallest k2 from which on the cosine is at least 0.99."""
    mine = [r for r in rows if (r.cell, r.trained, r.every) == (name, trained, every)]
    short = max((row.back for row in mine if row.cosine < ENOUGH), default=0)
    return min(row.back for row in mine if row.back > short)


def draw_picture(rows: list[Row]) -> Figure:
    """1 - cosine against k2: a column a cell, fresh models above the trained ones."""
    names = list(dict.fromkeys(row.cell for row in rows))
    drawing, panels = page(2, len(names), height=4.8)
    panels = np.reshape(panels, (2, -1))
    for trained in (False, True):
        for name, panel in zip(names, panels[int(trained)], strict=True):
            draw_model(panel, rows, name, trained)
            panel.sharey(panels[0, 0])
            panel.set_title(f"{name}, {'trained' if trained else 'at initialisation'}")
        panels[int(trained), 0].set_ylabel(
            "1 - cosine with the full gradient\n(lower: less is lost)"
        )
    for panel in panels[1]:
        panel.set_xlabel("k2, steps back")
    for every, name in ((None, "chunks (k1 = k2)"), (1, "sliding window (k1 = 1)")):
        at = (0.04, 0.16 if every is None else 0.04)
        look = {"color": SHOWN[every]["color"], "xycoords": "axes fraction"}
        panels[0, 0].annotate(name, at, **look)
    drawing.suptitle(headline(rows, names))
    caption(
        drawing,
        f"Circled: from this k2 on the cosine is at least {ENOUGH}, below the grey "
        "line. The gradient of a step's loss goes back k2 steps.\n"
        "Sliding window (k1 = 1): it does so from every step. Chunks (k1 = k2): the "
        "sequence is cut into pieces of k2 steps,\nand from the first steps of a "
        f"piece it goes back less. Nothing is drawn below {FLOOR:g}.",
    )
    return drawing


def headline(rows: list[Row], names: list[str]) -> str:
    """What was found, in the measured numbers."""

    def reach(trained: bool, every: int | None) -> str:
        return spread((needed(rows, name, trained, every) for name in names), "d")

    return (
        f"Once trained, a sliding window of {reach(True, 1)} steps has a cosine of "
        f"{ENOUGH} with the full gradient,\nchunks need {reach(True, None)}; "
        f"before training a window needs {reach(False, 1)}"
    )


def draw_model(axes: Any, rows: list[Row], name: str, trained: bool) -> None:
    """A window and chunks, and where either is near enough."""
    for every, look in SHOWN.items():
        mine = [
            r for r in rows if (r.cell, r.trained, r.every) == (name, trained, every)
        ]
        lost = {r.back: max(1 - r.cosine, FLOOR) for r in mine}
        lost = {back: value for back, value in lost.items() if value > FLOOR}
        axes.plot(list(lost), list(lost.values()), lw=1.4, ms=3, marker="o", **look)
        enough = needed(rows, name, trained, every)
        if enough in lost:
            ring = {"ms": 9, "mfc": "none", "color": look["color"]}
            axes.plot(enough, lost[enough], "o", **ring)
            axes.annotate(
                f"{enough}",
                (enough, lost[enough]),
                xytext=(7, 3) if every is None else (-7, -3),
                textcoords="offset points",
                ha="left" if every is None else "right",
                va="bottom" if every is None else "top",
                color=look["color"],
            )
    axes.axhline(1 - ENOUGH, color="0.6", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.set(yscale="log", ylim=(FLOOR, 1.5))
    ticks = sorted({row.back for row in rows if row.back & (row.back - 1) == 0})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])


def main(
    units: Units = 64,
    length: Annotated[int, typer.Option(min=9, help="T, characters in a row.")] = 96,
    batch: Batch = 32,
    steps: Steps = 300,
    seed: Seed = 0,
    picture: Picture = None,
) -> None:
    """Trains the three cells, compares the gradients, prints and draws."""
    sizes = {"steps": steps, "length": length, "batch": batch}
    piece, models = train_cells(seed, units, **sizes)
    rows = []
    for name, (cell, fresh, run) in models:
        console.print(f"{name}: {progress(run)}")
        rows += study(name, cell, {False: fresh, True: run.params}, *piece)
    console.print(table_of(rows))
    for name in dict.fromkeys(row.cell for row in rows):
        fresh_k, trained_k = needed(rows, name, False), needed(rows, name, True)
        console.print(
            f"{name}: a cosine of {ENOUGH} needs k2 = {fresh_k} when fresh, "
            f"{trained_k} when trained (k1 = 1)"
        )
    save(draw_picture(rows), picture, "truncation")


if __name__ == "__main__":
    typer.run(main)
