"""One to many: can one vector unroll into a sequence that obeys what it stands for?

Four labels stand for four small grammars of syllables: one to three stems, then an
ending. A GRU learns 500 names of each. All that it is told of a label is its start
state, a learnt seed vector. It is trained with every letter given (teacher forcing),
and then makes names alone: `sr.feedback` feeds its own choices back, sampled by Gumbel
noise. The share of names that obey the grammar of their label is counted exactly.

Answer (3 seeds, 1000 updates): yes. At temperature 0.6, 99.6 % of 6000 names obey the
grammar of their label; 99.2 % for the worst of the 12 pairs of label and seed, where
95 % was asked for. 42 % obey it and stand in no list that was learnt. None obeys the
grammar of another label. At temperature 1, 93.2 % obey; a single unlikely letter
spoils a name.

    python experiments/names.py
"""

import functools
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array
from rich.table import Table
from shared.grammars import (
    GRAMMARS,
    LETTERS,
    LONGEST,
    Data,
    decode,
    draw_names,
    encode,
    judge,
)
from shared.page import End, caption, name_ends, page
from shared.study import Picture, Seed, Seeds, Steps, console, fit, save

import scanrnn as sr

BATCH, UNITS = 128, 96
SHOWN, STATED = 0.6, 0.95  # the temperature of the samples shown; the share asked of it
TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)


class Params(NamedTuple):
    """A seed vector for every label, and the parameters of the feedback cell."""

    seeds: Array  # (labels, UNITS)
    model: sr.FeedbackParams


INNER = sr.gru(UNITS)
CELL = sr.feedback(INNER, len(LETTERS), sr.StraightThrough())


def init(key: Array) -> Params:
    """Random parameters; the seed vectors are drawn as hidden states look."""
    of_seeds, of_model = jax.random.split(key)
    seeds = 0.5 * jax.random.normal(of_seeds, (len(GRAMMARS), UNITS))
    return Params(seeds, CELL.init(of_model, len(LETTERS) + 1))


def loss_of(data: Data, params: Params, key: Array) -> Array:
    """Cross-entropy in nats per letter, with the letters before it given.

    All are given, so there is nothing to feed back: the cell within runs on tokens,
    with one product in its loop.
    """
    at = jax.random.randint(key, (BATCH,), 0, len(data.labels))
    tokens, start = data.tokens[at].T, params.seeds[data.labels[at]]
    state = INNER.start(BATCH)._replace(h=start)
    run = sr.unroll(INNER, params.model.cell, tokens[:-1], state)
    logits = sr.dense(params.model.readout, run.outputs)
    inside = (tokens[:-1] != 0).at[0].set(True)  # up to the dot that ends the name
    return sr.softmax_cross_entropy(logits, tokens[1:], inside)


def train(data: Data, key: Array, seeds: int, steps: int) -> tuple[Any, np.ndarray]:
    """Networks from seeds of their own, side by side as one program; mean losses."""
    of_init, of_fit = jax.random.split(key)

    def loss(params: Any, key: Array) -> Array:
        keys = jax.random.split(key, seeds)
        return jnp.sum(jax.vmap(functools.partial(loss_of, data))(params, keys))

    params = jax.vmap(init)(jax.random.split(of_init, seeds))
    params, losses = fit(loss, params, of_fit, steps=steps, rate=3e-3, clip=seeds**0.5)
    return params, losses / seeds


@functools.partial(jax.jit, static_argnums=2)
def generate(
    params: Params, key: Array, count: int, temperature: float | Array
) -> Array:
    """(labels, count, LONGEST) tokens: a free run from the seed of every label.

    The dot is given first; after it, Gumbel noise makes every choice a sample from
    softmax(logits / temperature).
    """
    labels = jnp.repeat(jnp.arange(len(GRAMMARS)), count)
    steps, size = LONGEST + 1, (len(labels), len(LETTERS))
    noise = temperature * jax.random.gumbel(key, (steps, *size))
    dot = jnp.zeros((steps, *size)).at[..., 0].set(1)
    xs = sr.forced(dot, jnp.arange(steps)[:, None] < 1, noise=noise)
    start = CELL.start(len(labels))._replace(h=params.seeds[labels])
    run = sr.unroll(CELL, params.model, xs, start)
    logits = sr.dense(params.model.readout, run.outputs[:-1])
    tokens = jnp.argmax(logits + noise[1:], axis=-1)
    return tokens.T.reshape(len(GRAMMARS), count, LONGEST)


class Shares(NamedTuple):
    """Of generated names, by temperature and seed; of all labels, but for the worst."""

    own: np.ndarray  # they obey the grammar of their label
    worst: np.ndarray  # the same, of the label where it is least
    other: np.ndarray  # they obey the grammar of another label
    new: np.ndarray  # they obey, and stand in no list that was learnt


def shares_of(
    params: Any, known: list[list[str]], key: Array, seeds: int, count: int
) -> Shares:
    """Every network at every temperature, ``count`` names of every label."""
    found = [
        [
            judge(decode(np.asarray(generate(one(params, i), key, count, t))), known)
            for i in range(seeds)
        ]
        for t in TEMPERATURES
    ]
    return Shares(*np.moveaxis(np.array(found), -1, 0))


def one(params: Any, i: int) -> Any:
    """The i-th of networks that lie side by side."""
    return jax.tree.map(lambda leaf: leaf[i], params)


def table_of(shares: Shares) -> Table:
    """Means over seeds, and the least of all labels and seeds."""
    table = Table(title="generated names, % (mean over labels and seeds)")
    table.add_column("temperature")
    columns = ("their label's grammar", "the worst", "another label's", "and new")
    for name in columns:
        table.add_column(name, justify="right")
    for i, temperature in enumerate(TEMPERATURES):
        own, _, other, new = (100 * share[i].mean() for share in shares)
        numbers = (own, 100 * shares.worst[i].min(), other, new)
        table.add_row(f"{temperature:.1f}", *(f"{number:.1f}" for number in numbers))
    return table


def draw(losses: np.ndarray, shares: Shares) -> Any:
    """The loss while it trains; what its free runs obey, by temperature."""
    drawing, (left, right) = page(1, 2, height=3.8)
    reached = shares.worst[TEMPERATURES.index(SHOWN)].min()
    drawing.suptitle(
        "One vector unrolls into a name: at temperature "
        f"{SHOWN} at least {reached:.1%} of the names\nobey the grammar of their "
        "label, for every label and seed"
    )
    left.plot(losses, color="C0")
    left.set(
        title="Training: the letters before are given",
        xlabel="update",
        ylabel="cross-entropy, nats a letter (lower: better)",
        ylim=(0, None),
    )
    ends = []
    for share, colour, style, label in (
        (shares.own, "C2", "-", "obey their\nlabel's grammar"),
        (shares.new, "C0", "--", "obey it and\nare new"),
        (shares.other, "C3", ":", "obey another\nlabel's grammar"),
    ):
        mean = 100 * share.mean(1)
        right.plot(TEMPERATURES, 100 * share, ".", color=colour, alpha=0.5)
        right.plot(TEMPERATURES, mean, style, color=colour)
        ends.append(End(label, TEMPERATURES[-1], float(mean[-1]), colour))
    right.axhline(100 * STATED, color="0.5", lw=0.7)
    right.text(TEMPERATURES[0], 100 * STATED - 1.5, "level asked for", va="top")
    right.set(
        title="Free run: the letters before are its own",
        xlabel="temperature of the choice (lower: the likeliest letters)",
        ylabel="generated names, %",
        ylim=(-3, 103),
    )
    name_ends(right, ends, height=1.3)
    caption(drawing, "New: not among the names that it learned from. Dots: seeds")
    return drawing


def main(
    seed: Seed = 0,
    seeds: Seeds = 3,
    steps: Steps = 1000,
    names: Annotated[int, typer.Option(min=1, max=2000, help="Of a label, learnt.")] = (
        500
    ),
    count: Annotated[int, typer.Option(min=1, help="Of a label, generated.")] = 500,
    picture: Picture = None,
) -> None:
    """Learns the names of four labels, then makes names of its own."""
    rng = np.random.default_rng(seed)
    known = [draw_names(grammar, names, rng) for grammar in GRAMMARS.values()]
    of_training, of_names = jax.random.split(jax.random.key(seed))
    params, losses = train(encode(known), of_training, seeds, steps)
    console.print(
        f"cross-entropy after {steps} updates: {losses[-1]:.2f} nats a letter"
    )
    shares = shares_of(params, known, of_names, seeds, count)
    console.print(table_of(shares))
    samples = decode(np.asarray(generate(one(params, 0), of_names, 6, SHOWN)))
    for label, row in zip(GRAMMARS, samples, strict=True):
        console.print(f"{label:<9} {'  '.join(row)}")
    worst = shares.worst[TEMPERATURES.index(SHOWN)].min()
    verdict = "reached" if worst >= STATED else "NOT reached"
    console.print(f"{STATED:.0%} at temperature {SHOWN}: {verdict} ({worst:.1%})")
    save(draw(losses, shares), picture, "names")


if __name__ == "__main__":
    typer.run(main)
