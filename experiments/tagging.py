"""Which tags need both directions, and which need two layers of them?

Every sequence holds markers, a or b by a fair coin, between blanks; its length varies,
its ends are markers. Each position between the ends gets a tag. Two tasks on the same
sequences:

- pair: the nearest marker before it and the nearest one after it: aa, ab, ba or bb;
- agree: whether these two are the same, an exclusive or of past and future.

What is out of reach can be proved, with p what is read up to t and f what comes after:

- One direction sees p alone. The next marker is a fair coin that does not depend on p,
  and with the marker before known it decides the tag. So no model that reads one way
  has more than 50% right, or a cross-entropy below log 2, in either task.
- One bidirectional layer with a linear readout scores "agree" by α(p) + β(f). Swap a
  and b in the past: p', and in the future: f'. Of α(p) + β(f) > 0, α(p') + β(f') > 0,
  α(p') + β(f) < 0, α(p) + β(f') < 0 one at least is false, as both pairs have the same
  sum, and the four are equally likely: at most 75% right. Its cross-entropy is at
  least log 2: it is convex in the scores, and the four scores, each with the sign of
  its tag, have the mean 0.

A second bidirectional layer reads outputs that hold both sides, and has no such limit.

Measured with three seeds, 250 updates each, on 2,000 sequences of up to 40 steps: one
bidirectional layer has 100.00% of the pairs right (the level to reach is 99%), and of
"agree" 48 to 51%, with its loss at log 2; two layers have 100.00% of both. Forwards
alone it is 49 to 51% everywhere, with one layer or with two; what is above 50% is
the chance of a finite test.

Many to many, of equal lengths, in three lines::

    both = sr.bidirectional(sr.gru(16), sr.gru(16))
    run = both.run(params, xs, lengths=lengths)
    loss = sr.softmax_cross_entropy(sr.dense(readout, run.outputs), tags, weights)

    python experiments/tagging.py                            # 1 minute on 2 cores
"""

import functools
import math
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import typer
from jax import Array
from rich.table import Table
from shared.page import End, caption, name_ends, page
from shared.study import Picture, Seeds, Steps, console, fit, save

import scanrnn as sr

BLANK, A, B = range(3)
TASKS = {"pair": 4, "agree": 2}  # and how many tags
TITLES = {
    "pair": "Which markers enclose a position?",
    "agree": "Are these two markers the same?",
}
WORDS = {"pair": "The markers around a position", "agree": "Whether they are the same"}
LEARNED = 0.99  # of the tags right: the level to reach
COLOURS = {
    "forward": "C3",
    "forward, two layers": "C1",
    "bidirectional": "C0",
    "bidirectional, two layers": "C2",
}
STYLES = dict(zip(COLOURS, (":", "-.", "--", "-"), strict=True))
CEILINGS = {  # accuracies that a model cannot exceed, see above
    "pair": dict(zip(COLOURS, (0.5, 0.5, 1.0, 1.0), strict=True)),
    "agree": dict(zip(COLOURS, (0.5, 0.5, 0.75, 1.0), strict=True)),
}
BATCH, MARKERS, TESTED = 64, 0.2, 2000


class Sentences(NamedTuple):
    """Sequences of unequal length and their tags."""

    xs: Array  # (T, B) tokens
    lengths: Array  # (B,) in [3, T]
    tags: Array  # (T, B) integers
    counts: Array  # (T, B) bool: whether a position has a tag


class Tagger(NamedTuple):
    """What a model learns."""

    layer: Any
    readout: sr.DenseParams


@functools.cache
def layers(hidden: int) -> dict[str, sr.Layer]:
    """The models; the outputs of a layer are as wide in all of them."""
    one_way, half = sr.gru(2 * hidden), sr.gru(hidden)
    both_ways = sr.bidirectional(half, half)
    models = (
        sr.layer(one_way),
        sr.stack(one_way, one_way),
        both_ways,
        sr.stack(both_ways, both_ways),
    )
    return dict(zip(COLOURS, models, strict=True))


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def draw(key: Array, task: str, batch: int, longest: int) -> Sentences:
    """Fresh sequences of 3 to ``longest`` steps."""
    for_lengths, for_places, for_kinds = jax.random.split(key, 3)
    lengths = jax.random.randint(for_lengths, (batch,), 3, longest + 1)
    shape, steps = (longest, batch), jnp.arange(longest)[:, None]
    ends = (steps == 0) | (steps == lengths - 1)
    marked = ends | jax.random.bernoulli(for_places, MARKERS, shape)
    kinds = jax.random.randint(for_kinds, shape, A, B + 1)
    xs = jnp.where(marked & (steps < lengths), kinds, BLANK)
    before, after = nearest(xs), nearest(xs[::-1])[::-1]
    tags = before == after if task == "agree" else 2 * (before - A) + after - A
    counts = (before != BLANK) & (after != BLANK)
    return Sentences(xs, lengths, jnp.where(counts, tags, 0).astype(int), counts)


def nearest(xs: Array) -> Array:
    """The last marker strictly before every step, BLANK where there is none."""
    steps = jnp.arange(len(xs))[:, None]
    last = jax.lax.cummax(jnp.where(xs == BLANK, -1, steps))
    last = jnp.concatenate((jnp.full_like(last[:1], -1), last[:-1]))
    return jnp.where(last < 0, BLANK, jnp.take_along_axis(xs, last, axis=0))


@functools.partial(jax.jit, static_argnums=(1, 2))
def init(key: Array, layer: sr.Layer, task: str) -> Tagger:
    """Draws what is learned."""
    for_layer, for_readout = jax.random.split(key)
    readout = sr.init_dense(for_readout, layer.output_size, TASKS[task])
    return Tagger(layer.init(for_layer, 3), readout)


def scores(
    params: Tagger, layer: sr.Layer, data: Sentences, way: sr.Backward = sr.Stored()
) -> Array:
    """The logits of all tags, (T, B, number of tags)."""
    run = layer.run(params.layer, data.xs, lengths=data.lengths, backward=way)
    return sr.dense(params.readout, run.outputs)


def loss(
    params: Tagger, layer: sr.Layer, data: Sentences, way: sr.Backward = sr.Stored()
) -> Array:
    """The cross-entropy of a tag, in nats."""
    logits = scores(params, layer, data, way)
    return sr.softmax_cross_entropy(logits, data.tags, data.counts)


@functools.partial(jax.jit, static_argnums=1)
def accuracy(params: Tagger, layer: sr.Layer, data: Sentences) -> Array:
    """The share of right tags."""
    right = scores(params, layer, data).argmax(-1) == data.tags
    return (right & data.counts).sum() / data.counts.sum()


def train(
    task: str, name: str, seed: int, *, hidden: int, longest: int, steps: int
) -> tuple[np.ndarray, float]:
    """The loss at every update, on sequences never seen before, and the accuracy."""
    layer = layers(hidden)[name]
    for_params, for_training, for_test = jax.random.split(jax.random.key(seed), 3)
    params, losses = fit(
        lambda params, key: loss(params, layer, draw(key, task, BATCH, longest)),
        init(for_params, layer, task),
        for_training,
        steps=steps,
        rate=optax.cosine_decay_schedule(1e-2, steps),
        label=f"{task}: {name}, seed {seed}",
    )
    return losses, float(accuracy(params, layer, draw(for_test, task, TESTED, longest)))


def table(accuracies: dict[tuple[str, str], list[float]]) -> Table:
    """A row for every task and model."""
    drawn = Table("task", "model", "ceiling", "right tags on unseen sequences, by seed")
    for (task, name), values in accuracies.items():
        shown = " ".join(f"{value:7.2%}" for value in values)
        drawn.add_row(task, name, f"{CEILINGS[task][name]:.0%}", shown)
    return drawn


def draw_curves(
    curves: dict[tuple[str, str], list[np.ndarray]],
    accuracies: dict[tuple[str, str], list[float]],
    picture: Path | None,
) -> Path:
    """A panel for every task: the loss of every model and seed, by update."""
    drawing, axes = page(1, len(TASKS), height=4.0)
    for ax, task in zip(axes, TASKS, strict=True):
        ends = []
        for name, colour in COLOURS.items():
            for values in curves[task, name]:
                smooth = _smooth(values)
                ax.plot(smooth, STYLES[name], color=colour, lw=1.1)
            where = name.replace(", ", ",\n")
            text = f"{where}\n{_span(accuracies[task, name])}"
            ends.append(End(text, len(smooth) - 1, float(smooth[-1]), colour))
        ax.axhline(math.log(2), color="0.5", lw=0.7)
        ax.set(yscale="log", xlabel="updates, each on sequences never seen before")
        ax.set_title(TITLES[task])
        name_ends(ax, ends, height=0.9)
    axes[0].set_ylabel("cross-entropy of a tag, nats (lower: better)")
    drawing.suptitle(headline(accuracies))
    caption(
        drawing,
        "Beside each name: right tags at the end, over the seeds. Grey: log 2, below "
        "which no model that reads one way can come,\nnor one bidirectional layer at "
        "the right.",
    )
    return save(drawing, picture, "tagging")


def headline(accuracies: dict[tuple[str, str], list[float]]) -> str:
    """Who has learned each task with every seed."""
    said = []
    for task, words in WORDS.items():
        able = [n for n in COLOURS if min(accuracies[task, n]) >= LEARNED]
        said.append(f"{words}: {'; '.join(able) or 'nobody'}")
    return f"Who learns to tag at least {LEARNED:.0%} right?\n" + "\n".join(said)


def _span(values: list[float]) -> str:
    low, high = 100 * min(values), 100 * max(values)
    return f"{low:.1f}%" if low == high else f"{low:.1f} to {high:.1f}%"


def _smooth(values: np.ndarray, over: int = 5) -> np.ndarray:
    width = min(over, len(values))
    return np.convolve(values, np.full(width, 1 / width), mode="valid")


def main(
    seeds: Seeds = 3,
    steps: Steps = 250,
    hidden: Annotated[
        int, typer.Option(min=1, help="Units in each direction of a layer.")
    ] = 16,
    longest: Annotated[
        int, typer.Option(min=4, help="Steps of the longest sequences.")
    ] = 40,
    picture: Picture = None,
) -> None:
    """Which tags need both directions, and which need two layers of them?"""
    curves: dict[tuple[str, str], list[np.ndarray]] = {}
    accuracies: dict[tuple[str, str], list[float]] = {}
    for task in TASKS:
        for name in COLOURS:
            runs = [
                train(task, name, seed, hidden=hidden, longest=longest, steps=steps)
                for seed in range(seeds)
            ]
            curves[task, name] = [losses for losses, _ in runs]
            accuracies[task, name] = [value for _, value in runs]
    console.print(table(accuracies))
    draw_curves(curves, accuracies, picture)


if __name__ == "__main__":
    typer.run(main)
