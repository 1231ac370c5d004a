"""What the tests of memory share: the contestants, their training, what is told."""

import functools
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import typer
from jax import Array
from rich.table import Table

import scanrnn as sr

from .beginnings import as_drawn, chrono_gru, chrono_lstm, identity
from .page import End, spread
from .study import fit

CHUNK = 50  # updates that a point of a curve is the mean of


class Net(NamedTuple):
    """The params of a cell and of the dense layer that reads it."""

    cell: Any
    readout: sr.DenseParams


class Contestant(NamedTuple):
    """A cell, and how its weights begin.

    ``begin`` takes the params of `cell.init`, a key, and the number of steps to
    remember over. A cell without gates gets twice the units, and so about as many
    weights as an LSTM.
    """

    label: str
    colour: str
    style: str  # of a line
    cell: Callable[[int], sr.Cell]
    begin: Callable[[Any, Array, int], Any]
    widening: int


class Task(NamedTuple):
    """What is to be learned, how, and how it is tested."""

    name: str
    loss: Callable[[sr.Cell, Net, Array], Array]  # draws its batch from the key
    score: Callable[[sr.Cell, Net], Any]  # on sequences that no training sees
    inputs: int  # X
    outputs: int  # V
    longest: int  # steps to remember over
    rates: dict[str, float]  # learning rate of each contestant
    level: float = 0.0  # of the loss, at which training ends


class Trained(NamedTuple):
    """One run: the params, the loss before every update, and what a test says."""

    net: Net
    losses: np.ndarray  # (updates,)
    score: Any


Runs = dict[str, list[Trained]]  # of each contestant, one a seed


def relu(hidden_size: int) -> sr.Cell:
    """The simple recurrent network with ReLU."""
    return sr.rnn(hidden_size, activation="relu")


CONTESTANTS = {
    "rnn": Contestant("tanh RNN, orthogonal", "C3", "-.", sr.rnn, as_drawn, 2),
    "irnn": Contestant("ReLU RNN, identity", "C1", ":", relu, identity, 2),
    "gru": Contestant("GRU", "C0", "-", sr.gru, chrono_gru, 1),
    "lstm": Contestant("LSTM", "C2", "--", sr.lstm, chrono_lstm, 1),
}


EVERYBODY = ",".join(CONTESTANTS)
Cells = Annotated[
    str, typer.Option(help=f"Of {', '.join(CONTESTANTS)}; commas between.")
]
Hidden = Annotated[
    int, typer.Option(min=1, help="H of the gated cells; the others have twice.")
]


def chosen(cells: str) -> list[str]:
    """Names of contestants from a list with commas.

    Raises:
        typer.BadParameter: if one is unknown or there is none.
    """
    names = [name.strip() for name in cells.split(",") if name.strip()]
    unknown = [name for name in names if name not in CONTESTANTS]
    if unknown or not names:
        raise typer.BadParameter(
            f"expected cells among {', '.join(CONTESTANTS)}, with commas between, "
            f"got {cells!r}"
        )
    return list(dict.fromkeys(names))


def cell_of(name: str, hidden: int) -> tuple[sr.Cell, int]:
    """A contestant's cell, and how many units it has."""
    units = CONTESTANTS[name].widening * hidden
    return CONTESTANTS[name].cell(units), units


def draw(
    name: str, key: Array, *, inputs: int, outputs: int, hidden: int, longest: int
) -> tuple[sr.Cell, Net]:
    """A contestant's cell, and its params for X inputs and V outputs."""
    cell, units = cell_of(name, hidden)
    key_cell, key_begin, key_readout = jax.random.split(key, 3)
    params = cell.init(key_cell, inputs)
    params = CONTESTANTS[name].begin(params, key_begin, longest)
    return cell, Net(params, sr.init_dense(key_readout, units, outputs))


def train(names: list[str], task: Task, *, seeds: int, hidden: int, steps: int) -> Runs:
    """Every contestant from every seed, one after the other.

    Runs side by side under `jax.vmap` are no faster on a CPU, and would all have to
    wait for the last one to reach the level.
    """
    return {name: _train_one(name, task, seeds, hidden, steps) for name in names}


def _train_one(
    name: str, task: Task, seeds: int, hidden: int, steps: int
) -> list[Trained]:
    sizes = {"inputs": task.inputs, "outputs": task.outputs, "longest": task.longest}
    options = {"rate": task.rates[name], "level": task.level}
    cell, _ = cell_of(name, hidden)
    loss = functools.partial(task.loss, cell)
    score = jax.jit(functools.partial(task.score, cell))

    def run(seed: int) -> Trained:
        key_net, key_data = jax.random.split(jax.random.key(seed))
        _, net = draw(name, key_net, hidden=hidden, **sizes)
        label = f"{task.name}: {CONTESTANTS[name].label}, seed {seed}"
        net, losses = fit(
            loss, net, key_data, steps=steps, chunk=CHUNK, label=label, **options
        )
        return Trained(net, losses, jax.tree.map(np.asarray, score(net)))

    return [run(seed) for seed in range(seeds)]


def weights(net: Net) -> int:
    """How many numbers are trained."""
    return sum(leaf.size for leaf in jax.tree.leaves(net))


def updates(trained: list[Trained]) -> str:
    """How many there were until the level or the end was reached."""
    return spread((len(run.losses) for run in trained), "d")


Columns = dict[str, Callable[[list[Trained]], str]]  # what each says of some runs


def table(
    title: str, runs: Runs, columns: Columns, published: tuple[str, dict[str, str]]
) -> Table:
    """A row a contestant: its size, its updates, and what was measured.

    Args:
        columns: what was measured, by header.
        published: a header, and what others measured of some of them.
    """
    drawn = Table("cell", title=title)
    for header in ("weights", "updates", *columns, published[0]):
        drawn.add_column(header, justify="right")
    for name, trained in runs.items():
        size = f"{weights(trained[0].net):,}"
        said = [column(trained) for column in columns.values()]
        known = published[1].get(name, "")
        drawn.add_row(CONTESTANTS[name].label, size, updates(trained), *said, known)
    return drawn


def curve(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Updates, and the mean loss of each chunk that ends there; the rest is left."""
    size = min(CHUNK, len(losses))
    means = losses[: len(losses) // size * size].reshape(-1, size).mean(1)
    return size * (1 + np.arange(len(means))), means


def draw_curves(axes: Any, runs: Runs) -> list[End]:
    """One line a run, a style a contestant; their names, at the longest run's end."""
    ends = []
    for name, trained in runs.items():
        one = CONTESTANTS[name]
        for run in trained:
            axes.plot(*curve(run.losses), one.style, color=one.colour, lw=1.1)
        at, losses = curve(max((run.losses for run in trained), key=len))
        ends.append(End(one.label, at[-1], losses[-1], one.colour))
    axes.set(xlabel="updates", xscale="log")
    return ends
