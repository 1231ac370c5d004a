"""What do the two streams of gradient that meet at every step carry?

About as much each, and in unrelated directions: far from the ends the stream through
time is 1.38 (rnn), 0.96 (gru) and 0.82 (lstm) times as long as that from the output,
and the angle between them is 90 degrees throughout, so their squares add. With either
dropped the gradient points elsewhere. Without time, dW_h keeps a cosine with the true
one of 0.56, 0.74 and 0.87, at 0.37, 0.52 and 0.26 of its norm; without the outputs of
all steps but the last, 0.76, -0.33 and 0.33, at 0.05 of the norm or less. An LSTM that
forgets da_prev alone still gets 0.86, and 0.95 without dc_prev: near enough to learn
something, which is why such mistakes stay unseen. (Seed 0, 300 updates, 256 sequences.)

    python experiments/two_streams.py [--units 64] [--steps 300]   # 30 s

At every step the gradient of the state is a sum: what arrives from the output of that
step, through the dense layer and the softmax (``da[:, :, t]`` in the well-known course
exercise), and what arrives through time, from the step after (``da_prevt``). Models
that read characters are trained; then `sr.adjoints` tells both streams, and the
gradients of the weights are computed with one of them dropped:

- outputs but the last: the loss of the last step alone goes back;
- time: each step hears only its own output; the same as truncation to one step;
- da_prev: for the LSTM, time is kept in c and dropped in h; and dc_prev, the opposite.
"""

import functools
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array
from matplotlib.figure import Figure
from rich.table import Table
from shared.char import Batch, Params, Units, loss_of_outputs, progress, train_cells
from shared.page import blank, spread
from shared.study import Picture, Seed, Steps, console, save

import scanrnn as sr

LEAVES = ("w_h", "w_x")
WORDS = {  # in which the picture says what was dropped
    "outputs but the last": "the last step's output alone",
    "time": "without the stream through time",
    "time in h (da_prev)": "without its part in h (da_prev)",
    "time in c (dc_prev)": "without its part in c (dc_prev)",
}
MEASURED = 8  # batches of the training that are measured at once: less noise


class Streams(NamedTuple):
    """Per step, over the batch; of h, where the output stream lands."""

    output: np.ndarray  # (T,), norms
    time: np.ndarray
    total: np.ndarray
    angle: np.ndarray  # (T,), degrees; NaN where a stream is zero


class Lost(NamedTuple):
    """A gradient without one stream, against the true one, by leaf."""

    cosine: dict[str, float]
    ratio: dict[str, float]  # of the norms


def streams_of(cell: sr.Cell, params: Params, xs: Array, labels: Array) -> Streams:
    """Both streams and their sum, on one batch."""
    return Streams(*map(np.asarray, _streams_of(cell, params, xs, labels)))


@functools.partial(jax.jit, static_argnums=0)
def _streams_of(
    cell: sr.Cell, params: Params, xs: Array, labels: Array
) -> tuple[Array, Array, Array, Array]:
    outputs = sr.unroll(cell, params.cell, xs).outputs
    d_outputs = jax.grad(lambda hs: loss_of_outputs(params.dense, hs, labels))(outputs)
    streams = sr.adjoints(cell, params.cell, xs, d_outputs)
    output, time, total = (stream.h for stream in streams)

    def norm(stream: Array) -> Array:
        return jnp.sqrt(jnp.sum(stream**2, (1, 2)))

    cosine = jnp.sum(output * time, (1, 2)) / (norm(output) * norm(time))
    angle = jnp.degrees(jnp.arccos(jnp.clip(cosine, -1, 1)))
    return norm(output), norm(time), norm(total), angle


@functools.cache
def deaf(cell: sr.Cell, *fields: str) -> sr.Cell:
    """The cell with a way back that forgets what time brings to these fields."""

    def pull(params: Any, tape: Any, d_state: Any) -> Any:
        d_prev, delta = cell.pull(params, tape, d_state)
        zeros = {name: jnp.zeros_like(getattr(d_prev, name)) for name in fields}
        return d_prev._replace(**zeros), delta

    return cell._replace(pull=pull)


def gradient(
    cell: sr.Cell, params: Params, xs: Array, labels: Array, weights: Array
) -> Any:
    """The derivative of the loss, weighted by step (T,), by the cell's parameters.

    Every step keeps the share 1 / (T B) that it has in the mean.
    """

    def loss(cell_params: Any) -> Array:
        outputs = sr.unroll(cell, cell_params, xs).outputs
        each = jnp.broadcast_to(weights[:, None], labels.shape)
        kept = jnp.mean(weights)
        return kept * loss_of_outputs(params.dense, outputs, labels, each)

    return jax.grad(loss)(params.cell)


def losses_of(
    cell: sr.Cell, params: Params, xs: Array, labels: Array
) -> dict[str, Lost]:
    """Every way to drop a stream."""
    compute = jax.jit(gradient, static_argnums=0)
    every = jnp.ones(len(xs))
    fields = cell.start(1)._fields
    dropped = {
        "outputs but the last": (cell, every.at[:-1].set(0.0)),
        "time": (deaf(cell, *fields), every),
    }
    if len(fields) > 1:
        dropped["time in h (da_prev)"] = (deaf(cell, "h"), every)
        dropped["time in c (dc_prev)"] = (deaf(cell, "c"), every)
    full = compute(cell, params, xs, labels, every)
    return {
        name: compare(full, compute(one, params, xs, labels, weights))
        for name, (one, weights) in dropped.items()
    }


def compare(full: Any, got: Any) -> Lost:
    """Cosine and ratio of norms, leaf by leaf."""
    cosine, ratio = {}, {}
    for leaf in LEAVES:
        a, b = (np.ravel(getattr(tree, leaf)) for tree in (full, got))
        norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
        cosine[leaf] = float(a @ b / (norm_a * norm_b))
        ratio[leaf] = float(norm_b / norm_a)
    return Lost(cosine, ratio)


def table_of(found: dict[str, dict[str, Lost]]) -> Table:
    """Cosine with the true gradient and ratio of norms, by cell and dropped stream."""
    table = Table(title="what is lost when a stream is dropped")
    for head in ("cell", "dropped"):
        table.add_column(head)
    for leaf in LEAVES:
        table.add_column(f"cosine d{leaf}", justify="right")
        table.add_column("norm / true norm", justify="right")
    for cell, by_name in found.items():
        for name, lost in by_name.items():
            pairs = ((lost.cosine[leaf], lost.ratio[leaf]) for leaf in LEAVES)
            shown = [f"{value:.2f}" for pair in pairs for value in pair]
            table.add_row(cell, name, *shown)
    return table


def middle(values: np.ndarray) -> float:
    """The mean over the steps that are far from both ends."""
    quarter = len(values) // 4
    return float(np.nanmean(values[quarter : len(values) - quarter]))


def draw_picture(
    streams: dict[str, Streams], found: dict[str, dict[str, Lost]]
) -> Figure:
    """Norms by step, a panel a cell; below them cosines without one of the streams."""
    drawing = blank(height=5.4)
    parts: Any = drawing.subfigures(2, 1, height_ratios=(5, 6))
    above, below = parts
    panels = np.atleast_1d(above.subplots(1, len(streams), sharey=True))
    for panel, (name, one) in zip(panels, streams.items(), strict=True):
        draw_norms(panel, one, named=panel is panels[0])
        panel.set(title=name, xlabel="step t")
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("gradient of h at step t:\nnorm over the batch")
    draw_cosines(below.subplots(), found)
    drawing.suptitle(headline(streams, found))
    return drawing


def headline(streams: dict[str, Streams], found: dict[str, dict[str, Lost]]) -> str:
    """What was found, in the measured numbers."""
    cosines = [by_name["time"].cosine["w_h"] for by_name in found.values()]
    angles = [middle(one.angle) for one in streams.values()]
    return (
        "Forget what comes back through time, and dW_h keeps a cosine of "
        f"{spread(cosines, '.2f')}\nwith the true one. The two streams meet at an "
        f"angle of {spread(angles, '.0f')} degrees, at every step"
    )


def draw_norms(axes: Any, one: Streams, *, named: bool) -> None:
    """Both streams and their sum, by step."""
    steps = np.arange(1, len(one.output) + 1)
    at = len(steps) // 2
    for values, look, name in (
        (one.total, {"color": "black", "ls": "-"}, "their sum"),
        (one.time, {"color": "C0", "ls": "--"}, "through time"),
        (one.output, {"color": "C3", "ls": ":"}, "from its output"),
    ):
        axes.plot(steps, values, lw=1.4, **look)
        if named:
            where = (steps[at], values[at - 2 : at + 3].min())
            under = {"xytext": (0, -3), "textcoords": "offset points", "va": "top"}
            axes.annotate(name, where, ha="center", color=look["color"], **under)


def draw_cosines(axes: Any, found: dict[str, dict[str, Lost]]) -> None:
    """One bar for each cell and for each stream that can be dropped."""
    labels, values, colours = [], [], []
    for cell, by_name in found.items():
        for name, lost in by_name.items():
            labels.append(f"{cell}: {WORDS[name]}")
            values.append(lost.cosine["w_h"])
            colours.append("C3" if name == "outputs but the last" else "C0")
    bars = axes.barh(labels, values, color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.invert_yaxis()
    axes.axvline(0, color="black", lw=0.8)
    axes.set_xlim(min(0.0, *values) - 0.14, 1.1)
    axes.set_xlabel(
        "cosine with the true dW_h\n"
        "(1: the same direction, 0: at right angles to it, below 0: against it)"
    )
    axes.set_title("dW_h where one stream is dropped")


def main(
    units: Units = 64,
    length: Annotated[int, typer.Option(min=8, help="T, characters in a row.")] = 64,
    batch: Batch = 32,
    steps: Steps = 300,
    seed: Seed = 0,
    picture: Picture = None,
) -> None:
    """Trains the three cells, takes their gradients apart, prints and draws."""
    piece, models = train_cells(
        seed, units, steps=steps, length=length, batch=batch, measured=MEASURED
    )
    streams, found = {}, {}
    for name, (cell, _, run) in models:
        streams[name] = one = streams_of(cell, run.params, *piece)
        found[name] = losses_of(cell, run.params, *piece)
        console.print(
            f"{name}: {progress(run)}; "
            f"through time / from output {middle(one.time / one.output):.2f}, "
            f"angle {middle(one.angle):.0f} degrees (middle half of the steps)"
        )
    console.print(table_of(found))
    save(draw_picture(streams, found), picture, "two_streams")


if __name__ == "__main__":
    typer.run(main)
