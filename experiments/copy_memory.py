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
0.173 nats with every seed (0.151 to 0.158, 26 to 27% of the symbols, chance is 12%),
about where the LSTM stands after as many updates (0.142 to 0.170, 19 to 30%). The
orthogonal tanh RNN, with as many weights, hardly leaves the baseline (0.167 to 0.174,
12 to 19%). The GRU is far ahead (0.045 to 0.051, 75 to 78%); none has solved the task.
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
from shared.page import spread
from shared.study import Picture, Seeds, Steps, console, figure, save

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
    """Cross entropy by updates, and recall by place, one line a seed."""
    drawing, (left, right) = figure(1, 2, width=11)
    best = {n: np.mean([r.score.shares.mean() for r in t]) for n, t in runs.items()}
    said = ", ".join(
        f"{memory.CONTESTANTS[n].label} {share:.0%}" for n, share in best.items()
    )
    drawing.suptitle(
        f"Recall of {SYMBOLS} symbols after {blanks} blanks (chance 12%):\n{said}",
        fontsize=11,
    )
    label = f"no memory: {baseline(blanks):.3f}"
    left.axhline(baseline(blanks), color="black", ls="--", lw=0.8, label=label)
    memory.draw_curves(left, runs)
    left.set(ylabel="cross entropy, nats a step", ylim=(0, 2.2 * baseline(blanks)))
    left.legend(fontsize=8, loc="lower left")
    places = 1 + np.arange(SYMBOLS)
    right.axhline(1 / KINDS, color="black", ls="--", lw=0.8, label="chance: 1/8")
    for name, trained in runs.items():
        colour = memory.CONTESTANTS[name].colour
        for run in trained:
            right.plot(places, run.score.shares, "o-", color=colour, ms=3, lw=1)
    right.set(xlabel="place of the symbol", ylabel="share recalled", ylim=(0, 1.03))
    right.set_xticks(places)
    right.legend(fontsize=8, loc="center right", bbox_to_anchor=(1, 0.47))
    return drawing


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
