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
import typer
from jax import Array
from jax.flatten_util import ravel_pytree
from matplotlib.figure import Figure
from rich.progress import track
from rich.table import Table
from shared.char import Batch, Params, Units, loss_of_outputs, progress, train_cells
from shared.study import COLOURS, Picture, Seed, Steps, console, figure, save

import scanrnn as sr

EVERY = (1, 8, None)  # k1; None: as k2
NAMES = {1: "k1 = 1, sliding window", 8: "k1 = 8", None: "k1 = k2, chunks"}
STYLES = {1: "-", 8: "--", None: ":"}
ENOUGH = 0.99


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
    """1 - cosine against k2: a panel for the fresh models, one for the trained."""
    drawing, panels = figure(1, 2, width=10.5, height=4.6)
    names = list(dict.fromkeys(row.cell for row in rows))
    for trained, panel in enumerate(panels):
        for name in names:
            for every in EVERY:
                key = (name, bool(trained), every)
                mine = [r for r in rows if r[:3] == key and r.cosine < 1 - 1e-6]
                panel.plot(
                    [r.back for r in mine],
                    [1 - r.cosine for r in mine],
                    STYLES[every],
                    color=COLOURS[name],
                    marker="o",
                    markersize=3,
                    label=f"{name}, {NAMES[every]}" if every == 1 else None,
                )
        panel.axhline(1 - ENOUGH, color="0.7", linewidth=0.8)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_ylim(1e-5, 1.5)
        panel.set_xlabel("k2, steps that a window reaches back")
        panel.set_title("after training" if trained else "at initialisation")
    panels[0].set_ylabel("1 - cosine with the full gradient")
    for every in EVERY[1:]:
        panels[0].plot([], [], STYLES[every], color="0.4", label=NAMES[every])
    panels[0].legend(fontsize=8)
    text_of = ", ".join(f"{name} {needed(rows, name, True)}" for name in names)
    drawing.suptitle(
        f"Steps back for a cosine of {ENOUGH} once trained (sliding): {text_of}"
    )
    return drawing


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
