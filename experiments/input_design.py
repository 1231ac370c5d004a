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
100 trajectories of an RNN, 100 of a GRU and 44 of an LSTM, search none; and 72 words,
search 37 by changes to the best so far and 7 by fresh draws. The model, writing on its
own, continues all 72 prompts with the word. Asked for dx alone, no way back computes a
product of a weight's shape, the block-wise ways and `Autodiff` included, and the FLOP
of the gradient fall by 26 to 33%. The gradient's rate, temperature and noise were tuned
on these targets, the searches not at all: read the gap so. The default run takes 160 s
of CPU time.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array, lax
from rich.table import Table
from shared.reader import Hidden, Reader, Run, load_reader, train_reader
from shared.study import (
    CELLS,
    COLOURS,
    Picture,
    Seed,
    Steps,
    console,
    figure,
    fit,
    save,
)

import scanrnn as sr
from scanrnn.charlm import Sampler

STORED = sr.Stored()
COST = 3  # forward passes that an update is counted as
GOAL = 1e-3  # mean squared error of a trajectory that is reached
LENGTH, INPUTS, UNITS, OUTPUTS = 50, 3, 32, 2  # of the trajectories
SWING = 0.3  # standard deviation of a target
PROMPT, WORD = 16, 5  # characters
NOISE = 0.3  # of the Gumbel noise; at 1 and at 500 updates fewer words were found
LINES = {"gradient": "-", "local search": "--", "fresh draws": ":"}


class Task(NamedTuple):
    """What is designed, how it is read, and when it is good."""

    variables: Any  # what the optimiser moves; the last axes as in the inputs
    relax: Callable[[Any, Array], Array]  # variables, key -> inputs for the gradient
    judge: Callable[[Array], tuple[Array, Array]]  # inputs -> errors, reached: (B,)
    note: Callable[[Array], Any]  # inputs -> what to remember of them
    draw: Callable[[Array], Array]  # key -> fresh inputs
    vary: Callable[[Array, Array], Array]  # key, inputs -> others nearby
    rate: float


class Designed(NamedTuple):
    """What a method reached."""

    reached: np.ndarray  # (evaluations, B): whether at any time so far
    first: np.ndarray  # (B,): the update that reached it, or the last
    notes: Any  # (updates, ·)


def by_gradient(task: Task, updates: int, key: Array, label: str) -> Designed:
    """Adam on the inputs; every target is its own problem, as nothing couples them."""

    def loss(variables: Any, key: Array) -> tuple[Array, Any]:
        xs = task.relax(variables, key)
        errors, reached = task.judge(xs)
        return errors.sum(), (reached, task.note(xs))

    _, (reached, notes) = fit(
        loss,
        task.variables,
        key,
        steps=updates,
        rate=task.rate,
        clip=np.inf,  # a norm over all targets would couple them
        label=label,
        has_aux=True,
    )
    first = np.where(reached.any(0), reached.argmax(0), updates - 1)
    so_far = np.maximum.accumulate(reached, 0)
    # An update is told when it has been paid for.
    delayed = np.concatenate([np.zeros_like(so_far[:1]), so_far])
    paid = np.arange(1, COST * updates + 1) // COST
    return Designed(delayed[paid], first, notes)


def by_search(task: Task, evaluations: int, key: Array, *, local: bool) -> Designed:
    """The best of random inputs: of changes to the best so far, or of fresh ones."""

    def propose(best: tuple[Array, Array], key: Array) -> Any:
        xs, lowest = best
        tried = task.vary(key, xs) if local else task.draw(key)
        errors, reached = task.judge(tried)
        better = errors < lowest
        chosen = jnp.where(better[:, None], tried, xs)
        return (chosen, jnp.where(better, errors, lowest)), reached

    def search(key: Array) -> Array:
        key_first, *keys = jax.random.split(key, evaluations)
        xs = task.draw(key_first)
        errors, reached = task.judge(xs)
        _, later = lax.scan(propose, (xs, errors), jnp.stack(keys))
        return jnp.concatenate([reached[None], later])

    reached = np.asarray(jax.jit(search)(key))
    first = np.where(reached.any(0), reached.argmax(0), evaluations - 1)
    return Designed(np.maximum.accumulate(reached, 0), first, None)


def by_all(task: Task, updates: int, seed: int, label: str) -> dict[str, Designed]:
    """The gradient and both searches, with the same number of evaluations."""
    keys = jax.random.split(jax.random.key(seed), 3)
    return {
        "gradient": by_gradient(task, updates, keys[0], label),
        "local search": by_search(task, COST * updates, keys[1], local=True),
        "fresh draws": by_search(task, COST * updates, keys[2], local=False),
    }


def emit(
    cell: sr.Cell, params: Any, xs: Array, way: sr.Backward = STORED, unroll: int = 1
) -> Array:
    """Inputs (T, B, X) -> outputs (T, B, Y); params are those of the cell and dense."""
    outputs = sr.unroll(cell, params[0], xs, unroll=unroll, backward=way).outputs
    return sr.dense(params[1], outputs)


def random_network(cell: sr.Cell, seed: int) -> Any:
    """Weights as they are drawn; nothing trains them."""
    key_cell, key_readout = jax.random.split(jax.random.key(seed))
    readout = sr.init_dense(key_readout, UNITS, OUTPUTS)
    return cell.init(key_cell, INPUTS), readout


def trajectories(count: int, seed: int) -> Array:
    """Sums of three sinusoids with one to four periods, (T, B, Y)."""
    draw = np.random.default_rng(seed)
    shape = (3, 1, count, OUTPUTS)
    times = np.arange(LENGTH)[:, None, None] / LENGTH
    periods, phases = draw.uniform(1, 4, shape), draw.uniform(0, 1, shape)
    waves = np.sin(2 * np.pi * (periods * times + phases)).sum(0)
    return jnp.asarray(SWING * waves / np.sqrt(1.5), jnp.float32)


def trajectory_task(cell: sr.Cell, params: Any, wanted: Array) -> Task:
    """Inputs are floats: nothing to relax; the search adds noise of any scale."""
    shape = (LENGTH, wanted.shape[1], INPUTS)

    def judge(xs: Array) -> tuple[Array, Array]:
        emitted = emit(cell, params, xs)
        errors = jnp.mean((emitted - wanted) ** 2, (0, 2))
        return errors, errors < GOAL

    def vary(key: Array, xs: Array) -> Array:
        key_noise, key_scale = jax.random.split(key)
        powers = jax.random.uniform(key_scale, (shape[1], 1), minval=-3, maxval=0)
        return xs + 10**powers * jax.random.normal(key_noise, shape)

    return Task(
        variables=jnp.zeros(shape),
        relax=lambda xs, key: xs,
        judge=judge,
        note=lambda xs: xs,
        draw=lambda key: jax.random.normal(key, shape),
        vary=vary,
        rate=0.2,
    )


def words(reader: Reader, count: int, seed: int) -> list[str]:
    """Words of the text that was held out, drawn without repeats."""
    pattern = rf"(?<!\w)[a-z]{{{WORD}}}(?!\w)"
    every = sorted(set(re.findall(pattern, reader.corpus.held_out)))
    if len(every) < count:
        raise typer.BadParameter(
            f"expected at most {len(every)} targets, as many as the held-out text has "
            f"words of {WORD} letters, got {count}"
        )
    return [
        str(word) for word in np.random.default_rng(seed).permutation(every)[:count]
    ]


def word_task(reader: Reader, wanted: list[str]) -> Task:
    """Inputs are characters, one-hot (P, B, V); the search changes one or more."""
    letters = np.stack([reader.vocabulary.encode(word) for word in wanted], 1)
    size, shape = reader.vocabulary.size, (PROMPT, len(wanted))
    continued, chances = jax.nn.one_hot(letters[:-1], size), reader.frequencies()

    def relax(logits: Array, key: Array) -> Array:
        noisy = logits + NOISE * jax.random.gumbel(key, logits.shape)
        soft = jax.nn.softmax(noisy)
        hard = jax.nn.one_hot(noisy.argmax(-1), size)
        return hard + soft - lax.stop_gradient(soft)

    def judge(xs: Array) -> tuple[Array, Array]:
        read = jnp.concatenate([xs, continued])
        after = reader.log_probabilities(read)[PROMPT - 1 :]
        chosen = jnp.take_along_axis(after, letters[..., None], -1)[..., 0]
        return -chosen.sum(0), (after.argmax(-1) == letters).all(0)

    def draw(key: Array) -> Array:
        return jax.nn.one_hot(jax.random.choice(key, size, shape, p=chances), size)

    def vary(key: Array, xs: Array) -> Array:
        keys = jax.random.split(key, 4)
        share = PROMPT ** jax.random.uniform(keys[0], shape[1:], minval=-1, maxval=0)
        surely = jax.random.randint(keys[1], shape[1:], 0, PROMPT)
        change = jax.random.uniform(keys[2], shape) < share
        change |= jnp.arange(PROMPT)[:, None] == surely
        return jnp.where(change[..., None], draw(keys[3]), xs)

    return Task(
        variables=jnp.zeros((*shape, size)),
        relax=relax,
        judge=judge,
        note=lambda xs: xs.argmax(-1),
        draw=draw,
        vary=vary,
        rate=0.1,
    )


def prompts(reader: Reader, found: Designed) -> list[str]:
    """The characters that reached each word, or the last ones tried."""
    rows = found.notes[found.first, :, np.arange(len(found.first))]
    return [reader.vocabulary.decode(row) for row in rows]


def writes(reader: Reader, prompt: str) -> str:
    """What the model writes after a prompt, the likeliest character at every step."""
    return reader.writer.write(
        prompt,
        jax.random.key(0),
        length=WORD,
        count=1,
        sampler=Sampler(greedy=True),
    )[0]


class Program(NamedTuple):
    """What a compiled gradient computes."""

    products: int  # matrix products in the text of the program
    of_weights: int  # of them those whose result has the shape of a weight
    flops: float  # all of it, with every loop unrolled


WAYS: dict[str, Callable[[int], sr.Backward]] = {
    "Stored()": lambda block: sr.Stored(),
    "Recomputed(4)": sr.Recomputed,
    "Checkpointed(4)": sr.Checkpointed,
    "Autodiff()": lambda block: sr.Autodiff(),
}


def program(cell: sr.Cell, way: str, by: int | tuple[int, int]) -> Program:
    """The optimised program of a gradient: ``by`` is 0 for params, 1 for xs.

    Products are counted with loops over blocks of four steps. XLA counts the FLOP of
    a loop's body once, so for them every loop is unrolled, the sequence being one block
    (whose second run in `Checkpointed` XLA then merges with the first). T, B, X, H and
    Y are 13, 3, 5, 7 and 2: no other product has the shape of a weight.
    """
    length, batch, size, hidden, outputs = 13, 3, 5, 7, 2
    key = jax.random.key(0)
    params = cell.init(key, size), sr.init_dense(key, hidden, outputs)
    xs = jnp.ones((length, batch, size))

    def compiled(block: int, unroll: int) -> Any:
        def loss(params: Any, xs: Array) -> Array:
            emitted = emit(cell, params, xs, WAYS[way](block), unroll)
            return jnp.sum(emitted**2)

        return jax.jit(jax.grad(loss, by)).lower(params, xs).compile()

    text = compiled(block=4, unroll=1).as_text()
    shapes = re.findall(r"= \w+\[([\d,]*)\]\S* dot\(", text)
    of_weights = {"{},{}".format(*leaf.shape) for leaf in matrices(params)}
    flops = compiled(block=length, unroll=length).cost_analysis()["flops"]
    return Program(len(shapes), sum(s in of_weights for s in shapes), float(flops))


def matrices(params: Any) -> list[Array]:
    """The weights without the biases."""
    return [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2]


def programs(cell: sr.Cell) -> dict[str, tuple[Program, Program]]:
    """By way back: the gradient by xs alone, and by params and xs."""
    cpu = jax.local_devices(backend="cpu")[0]  # elsewhere products have other names
    with jax.default_device(cpu):
        return {w: (program(cell, w, 1), program(cell, w, (0, 1))) for w in WAYS}


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
    """How many targets each method reached, with half and with all evaluations."""
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


def draw_example(axes: Any, wanted: Array, emitted: Array) -> None:
    """One target and what the network emits for the designed input."""
    for k in range(OUTPUTS):
        label = ("wanted", "emitted") if k == 0 else (None, None)
        axes.plot(wanted[:, k], color="0.7", linewidth=4, label=label[0])
        axes.plot(emitted[:, k], color=f"C{k}", label=label[1])
    error = float(jnp.mean((emitted - wanted) ** 2))
    axes.set(
        title=f"A GRU emits the first target (error {error:.0e})",
        xlabel="step",
        ylabel=f"the {OUTPUTS} outputs of the network",
    )
    axes.legend(fontsize=8)


def draw_reached(
    axes: Any, methods: dict[str, Designed], name: str, colour: Any
) -> None:
    """The share of targets reached against the evaluations paid."""
    for method, found in methods.items():
        share = 100 * found.reached.mean(1)
        steps = np.arange(1, len(share) + 1)
        label = f"{name}, {method}"
        axes.plot(steps, share, LINES[method], color=colour, label=label)
    axes.set(
        xlabel=f"forward passes per target (an update counts as {COST})",
        ylabel="targets reached, %",
        xscale="log",
        ylim=(-3, 103),
    )
    axes.legend(fontsize=7, loc="upper left")


def headline(by_words: dict[str, Designed], by_gru: dict[str, Designed]) -> str:
    """What was found, in the measured numbers."""
    counts = [
        [int(found[name].reached[-1].sum()) for name in ("gradient", "local search")]
        for found in (by_gru, by_words)
    ]
    return (
        f"Of {by_words['gradient'].reached.shape[1]} targets each, the gradient of the "
        f"inputs reaches {counts[0][0]} trajectories (GRU) and {counts[1][0]} words;\n"
        f"local search with as many evaluations {counts[0][1]} and {counts[1][1]}"
    )


def draw_programs(axes: Any, compared: dict[str, tuple[Program, Program]]) -> None:
    """FLOP of the gradient by xs alone beside that by both."""
    places = np.arange(len(compared))
    for shift, index, label in ((-0.2, 1, "by params and xs"), (0.2, 0, "by xs alone")):
        found = [pair[index] for pair in compared.values()]
        bars = axes.bar(
            places + shift, [p.flops / 1e3 for p in found], 0.4, label=label
        )
        axes.bar_label(bars, [f"{p.of_weights}" for p in found], fontsize=9)
    axes.set_xticks(places, list(compared), fontsize=8)
    axes.set(
        title="On each bar: products of the shape of a weight",
        ylabel="1000 FLOP of a small GRU's gradient",
    )
    axes.margins(y=0.35)
    axes.legend(fontsize=8)


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

    drawing, axes = figure(2, 2, width=12, height=8)
    drawing.suptitle(headline(by_words, found["gru"]))
    draw_example(axes[0, 0], wanted, emitted)
    for name, methods in found.items():
        draw_reached(axes[0, 1], methods, name, COLOURS[name])
    axes[0, 1].set_title(f"Trajectories: mean squared error below {GOAL:g}")
    draw_reached(axes[1, 0], by_words, "words", "C0")
    axes[1, 0].set_title(f"Words of {WORD} letters after {PROMPT} designed characters")
    draw_programs(axes[1, 1], compared)
    save(drawing, picture, "input_design")


if __name__ == "__main__":
    typer.run(main)
