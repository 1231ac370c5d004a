"""Copy memory: what does ReLU with identity recurrence change?

Ten symbols of eight are shown, then T - 1 blanks and a marker, and the ten symbols
are to be told in order. All else is to be answered by a blank. Who remembers nothing
guesses the ten, with a mean cross entropy of 10 log 8 / (T + 20).

The recipe, tokens in and tokens out:

    run = sr.unroll(cell, net.cell, tokens)             # (T + 20, B) integers
    logits = sr.dense(net.readout, run.outputs)         # (T + 20, B, 9)
    loss = sr.softmax_cross_entropy(logits, targets)

The IRNN is a cell of the library with other weights:

    cell = sr.rnn(H, activation="relu")
    params = cell.init(key, X)
    params = params._replace(w_h=jnp.eye(H))            # b is 0 already

Answer, of the default run (T = 100, three seeds, 2000 updates of 32 sequences): it
lets the network begin to remember, and no more. The IRNN comes below the baseline of
0.173 nats with every seed (0.154 to 0.165, 26 to 30% of the symbols, chance is 12%),
about where the LSTM stands after as many updates (0.141 to 0.169, 19 to 30%). The
orthogonal tanh RNN, with as many weights, stays at the baseline (0.174, 12%; on another
machine 0.167 to 0.174, 12 to 19%). The GRU is far ahead (0.041 to 0.048, 77 to 80%);
none has solved the task.
At T = 1000, Bai et al. found none of the three much better than their baseline.
What the IRNN does on the adding problem stands in many_to_one.py.

    python experiments/copy_memory.py
    python experiments/copy_memory.py --cells gru --steps 10000 --seeds 1

Sources: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory" (the task), in the
form of Arjovsky, Shah and Bengio 2016, arXiv 1511.06464; Le, Jaitly and Hinton 2015,
arXiv 1504.00941 (the IRNN). Beside ours stand the figures of Bai, Kolter and Koltun
2018, arXiv 1803.01271, table 1: T = 1000, 16,000 weights; the baseline is 0.0204 there.
"""

import math
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array
from rich.table import Table
from shared import memory
from shared.memory import Cells, Hidden, Net, Runs, Task, Trained
from shared.page import End, caption, name_ends, page, spread
from shared.study import Picture, Seeds, Steps, console, save

import scanrnn as sr

SYMBOLS = 10  # to be remembered
KINDS = 8  # of symbols: tokens 1 to 8; 0 is a blank, 9 the marker
MARKER = KINDS + 1
BATCH = 32
HELD_OUT = 500  # sequences in the test
FRESH = 10**9  # seed of the test, far from those of training
PUBLISHED = {"rnn": "0.0202", "gru": "0.0197", "lstm": "0.0204"}


class Batch(NamedTuple):
    """Tokens, and the token to answer at each step; both (T + 20, B)."""

    xs: Array
    targets: Array


class Recall(NamedTuple):
    """What the test says."""

    entropy: Any  # nats, the mean over all steps
    shares: Any  # (10,), right answers at each of the symbols' places


def copying(key: Array, blanks: int, batch: int) -> Batch:
    """Symbols, blanks with the marker for the last of them, blanks to answer in."""
    symbols = jax.random.randint(key, (SYMBOLS, batch), 1, KINDS + 1)
    nothing = jnp.zeros((blanks + SYMBOLS, batch), symbols.dtype)
    xs = jnp.concatenate((symbols, nothing)).at[SYMBOLS + blanks - 1].set(MARKER)
    return Batch(xs, jnp.concatenate((nothing, symbols)))


def baseline(blanks: int) -> float:
    """The mean cross entropy of guessing the symbols and knowing the blanks."""
    return SYMBOLS * math.log(KINDS) / (blanks + 2 * SYMBOLS)


def answers(cell: sr.Cell, net: Net, xs: Array, **options: Any) -> Array:
    """(T + 20, B, 9): logits of the token to answer, at every step."""
    return sr.dense(net.readout, sr.unroll(cell, net.cell, xs, **options).outputs)


def copy_task(blanks: int) -> Task:
    """Learning rates are the best of those tried, each within the default steps."""

    def loss(cell: sr.Cell, net: Net, key: Array) -> Array:
        batch = copying(key, blanks, BATCH)
        return sr.softmax_cross_entropy(answers(cell, net, batch.xs), batch.targets)

    def recall(cell: sr.Cell, net: Net) -> Recall:
        batch = copying(jax.random.key(FRESH), blanks, HELD_OUT)
        logits = answers(cell, net, batch.xs)
        right = (logits.argmax(-1) == batch.targets)[-SYMBOLS:]
        entropy = sr.softmax_cross_entropy(logits, batch.targets)
        return Recall(entropy, right.mean(axis=1))

    rates = {"rnn": 1e-3, "irnn": 3e-4, "gru": 2e-2, "lstm": 1e-2}
    longest = blanks + 2 * SYMBOLS
    return Task("copy", loss, recall, MARKER + 1, KINDS + 1, longest, rates, level=1e-3)


def table_of(runs: Runs, blanks: int) -> Table:
    """Cross entropy and recall, least to largest over the seeds."""

    def nats(trained: list[Trained]) -> str:
        return spread((float(run.score.entropy) for run in trained), ".4f")

    def recalled(trained: list[Trained]) -> str:
        return spread((float(run.score.shares.mean()) for run in trained), ".0%")

    title = (
        f"copy over {blanks} blanks: without memory {baseline(blanks):.4f} nats, "
        f"and {1 / KINDS:.0%} of the symbols"
    )
    columns: memory.Columns = {"held-out nats": nats, "symbols recalled": recalled}
    return memory.table(title, runs, columns, ("Bai et al. 2018, T = 1000", PUBLISHED))


def picture_of(runs: Runs, blanks: int) -> Any:
    """Cross entropy by updates, and recall by place: mean and range of the seeds."""
    drawing, (left, right) = page(1, 2, height=4.0)
    shares = {n: np.array([r.score.shares for r in t]) for n, t in runs.items()}
    said = [
        f"{memory.CONTESTANTS[name].label} {share.mean():.0%}"
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1].mean())
    ]
    updates = max(len(run.losses) for trained in runs.values() for run in trained)
    drawing.suptitle(
        f"Of {SYMBOLS} symbols shown {blanks} steps ago is recalled after {updates:,} "
        f"updates\n(chance: {1 / KINDS:.0%}): {', '.join(said)}"
    )
    left.axhline(baseline(blanks), color="0.5", lw=0.7)
    left.set(ylim=(0, 2.2 * baseline(blanks)), title="While it learns")
    left.set_ylabel("cross entropy, nats a step (lower: better)")
    name_ends(left, draw_losses(left, runs), height=2.5)
    left.text(left.get_xlim()[0], baseline(blanks) - 0.003, " no memory", va="top")
    places = 1 + np.arange(SYMBOLS)
    right.axhline(100 / KINDS, color="0.5", lw=0.7)
    right.text(SYMBOLS, 100 / KINDS - 1, "chance", ha="right", va="top")
    ends = []
    for name, share in shares.items():
        one, mean = memory.CONTESTANTS[name], 100 * share.mean(0)
        low, high = 100 * share.min(0), 100 * share.max(0)
        right.fill_between(places, low, high, color=one.colour, alpha=0.15, lw=0)
        right.plot(places, mean, one.style, color=one.colour, marker="o", ms=3)
        ends.append(End(one.label, SYMBOLS, float(mean[-1]), one.colour))
    right.set(
        title="In the test",
        xlabel="place of the symbol, in the order shown",
        ylabel="recalled, % (more: better)",
        ylim=(0, 103),
    )
    right.set_xticks(places)
    name_ends(right, ends, height=2.5)
    seeds = len(next(iter(runs.values())))
    caption(
        drawing, f"Lines: mean of {seeds} seeds; shades: from the least to the most"
    )
    return drawing


def draw_losses(axes: Any, runs: Runs) -> list[End]:
    """The mean over the seeds, as far as all of them trained."""
    ends = []
    for name, trained in runs.items():
        one, shortest = memory.CONTESTANTS[name], min(len(r.losses) for r in trained)
        curves = [memory.curve(run.losses[:shortest]) for run in trained]
        at, losses = curves[0][0], np.array([losses for _, losses in curves])
        low, high = losses.min(0), losses.max(0)
        axes.fill_between(at, low, high, color=one.colour, alpha=0.15, lw=0)
        axes.plot(at, losses.mean(0), one.style, color=one.colour, lw=1.2)
        ends.append(End(one.label, at[-1], float(losses[:, -1].mean()), one.colour))
    axes.set(xlabel="updates", xscale="log")
    return ends


def main(
    length: Annotated[int, typer.Option(min=1, help="T, the blanks.")] = 100,
    seeds: Seeds = 3,
    steps: Steps = 2000,
    hidden: Hidden = 64,
    cells: Cells = memory.EVERYBODY,
    picture: Picture = None,
) -> None:
    """Trains every cell from several seeds."""
    sizes = {"seeds": seeds, "hidden": hidden, "steps": steps}
    runs = memory.train(memory.chosen(cells), copy_task(length), **sizes)
    console.print(table_of(runs, length))
    save(picture_of(runs, length), picture, "copy_memory")


if __name__ == "__main__":
    typer.run(main)
