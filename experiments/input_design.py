"""Can an input be designed so that a frozen network emits a wanted output?

    python experiments/input_design.py [--updates 500] [--targets 100] [--run DIR]

The weights stay as they are; optax updates the inputs by their gradient dx. Two tasks,
each with many targets side by side as one batch:

- Trajectories: the inputs are floats, the network is random, and a target is a sum of
  sinusoids. It is reached when the mean squared error is below 1e-3.
- Words: the inputs are the characters of a prompt, and a trained character model must
  continue it, greedily, with a wanted word. Characters are relaxed: the model reads
  the likeliest, the gradient goes to the softmax (straight-through: Bengio, Leonard
  and Courville 2013, arXiv 1308.3432), under Gumbel noise (Jang, Gu and Poole 2016,
  arXiv 1611.01144). So every update is judged by the real characters.

Search without a gradient gets as many evaluations of the network, an update counted as
three forward passes. (By the matrix products it is two: the gradients of the weights
are not computed, which the last table proves on the compiled programs.)

Answer, of 100 targets each after 500 updates or 1500 evaluations: the gradient reaches
100 trajectories of an RNN, 100 of a GRU and 44 of an LSTM, search none; and 74 words,
search 37 by changes to the best so far and 7 by fresh draws. The model, writing on its
own, continues all 74 prompts with the word. Asked for dx alone, no way back computes a
product of a weight's shape, the block-wise ways and `Autodiff` included, and the FLOP
of the gradient fall by 11 to 33%. The gradient's rate, temperature and noise were tuned
on these targets, the searches not at all: read the gap so. The default run takes 160 s
of CPU time.
"""

from typing import Annotated

import numpy as np
import typer
from design.methods import Designed, by_all
from design.pictures import LINES, draw
from design.programs import Program, programs
from design.trajectories import (
    UNITS,
    emit,
    random_network,
    trajectories,
    trajectory_task,
)
from design.words import prompts, word_task, words, writes
from jax import Array
from rich.table import Table
from shared.reader import Hidden, Reader, Run, load_reader, train_reader
from shared.study import CELLS, Picture, Seed, Steps, console, save

import scanrnn as sr


def design_trajectories(
    targets: int, updates: int, seed: int
) -> tuple[dict[str, dict[str, Designed]], Array, Array]:
    """Every cell and method; and the first target with what a GRU emits for it."""
    wanted, found = trajectories(targets, seed), {}
    for name, make in CELLS.items():
        cell, params = make(UNITS), random_network(make(UNITS), seed)
        task = trajectory_task(cell, params, wanted)
        found[name] = by_all(task, updates, seed, f"trajectories, {name}")
        if name == "gru":
            example = emit(cell, params, found[name]["gradient"].notes[-1])
    return found, wanted[:, 0], example[:, 0]


def show_programs(compared: dict[str, tuple[Program, Program]]) -> None:
    """The table that proves that no gradient of a weight is computed."""
    table = Table(
        title="the compiled gradient of a GRU, by xs alone / by params and xs"
    )
    for name in ("backward", "matrix products", "of a weight's shape", "FLOP"):
        table.add_column(name, justify="left" if name == "backward" else "right")
    for way, (alone, both) in compared.items():
        pairs = zip(alone, both, strict=True)
        table.add_row(way, *(f"{a:,.0f} / {b:,.0f}" for a, b in pairs))
    console.print(table)


def show_reached(every: dict[str, dict[str, Designed]]) -> None:
    """How many targets each method reached, with all evaluations."""
    evaluations, targets = next(iter(every.values()))["gradient"].reached.shape
    table = Table(title=f"of {targets} targets reached after {evaluations} evaluations")
    table.add_column("task")
    for name in LINES:
        table.add_column(name, justify="right")
    for task, methods in every.items():
        counts = [f"{methods[name].reached[-1].sum()}" for name in LINES]
        table.add_row(task, *counts)
    console.print(table)


def show_prompts(reader: Reader, wanted: list[str], found: Designed) -> int:
    """A few of the prompts on the screen; how many do make the model write the word."""
    designed, reached = prompts(reader, found), found.reached[-1]
    written = [writes(reader, prompt) for prompt in designed]
    right = [a == b for a, b in zip(written, wanted, strict=True)]
    for k in np.flatnonzero(reached)[:5]:
        console.print(f"  {designed[k]!r} is continued with {written[k]!r}")
    console.print(
        f"the model itself, writing greedily, continues {sum(right)} of the "
        f"{reached.sum()} prompts with the wanted word"
    )
    return sum(right)


def main(
    targets: Annotated[int, typer.Option(min=1, help="Of each task, B.")] = 100,
    updates: Annotated[int, typer.Option(min=1, help="Of the inputs.")] = 500,
    run: Run = None,
    steps: Steps = 1000,
    hidden: Hidden = 192,
    seed: Seed = 0,
    picture: Picture = None,
) -> None:
    """Designs inputs by dx, and by search with the same number of evaluations."""
    found, wanted, emitted = design_trajectories(targets, updates, seed)
    reader = load_reader(run) if run else train_reader(sr.gru(hidden), steps, seed)
    wanted_words = words(reader, targets, seed)
    by_words = by_all(word_task(reader, wanted_words), updates, seed, "words")
    show_prompts(reader, wanted_words, by_words["gradient"])
    show_reached(
        {f"trajectories, {n}": f for n, f in found.items()} | {"words": by_words}
    )
    compared = programs(sr.gru(7))
    show_programs(compared)
    drawing = draw(found, by_words, compared, wanted, emitted)
    save(drawing, picture, "input_design")


if __name__ == "__main__":
    typer.run(main)
