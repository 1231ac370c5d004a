"""Train a character model with the hand-derived backward pass, and let it write.

    python experiments/char_lm.py                       # trains on CPython's own texts
    python experiments/char_lm.py --text FILE --minutes 3
    python experiments/char_lm.py --devices 2           # the batch on two cores
    python experiments/char_lm.py --resume              # goes on with the newest run
    python experiments/char_lm.py sample --prompt "The " --count 3

Needs the extra ``train``: pip install "scanrnn[train]".
"""

import collections
import shlex
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import jax
import typer
from shared.display import Screen, draw_curve
from typer.core import TyperGroup

from scanrnn.charlm import (
    Config,
    Diverged,
    Lost,
    Processes,
    RunDirectory,
    Sampler,
    fit,
    leave,
    load_writer,
    newest_run,
    settings_of,
)
from scanrnn.charlm.events import Event, Noted

RUNS = Path("runs")
DEFAULT = Config()
# What a resumed run may be given: where it lies, and on how many devices it goes on.
ON_RESUME = {
    *("out", "resume", "devices"),
    *("coordinator", "num_processes", "process_id"),
}


class TrainByDefault(TyperGroup):
    """Without the name of a command, ``train`` is meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts ``train`` before options that are not those of the program."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["train", *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


app = typer.Typer(
    cls=TrainByDefault,
    help="A character model, trained with a hand-derived backward pass.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def option(text: str, *names: str) -> Any:
    """A typer option with a help text."""
    return typer.Option(*names, help=text)


@app.command()
def train(
    ctx: typer.Context,
    text: Annotated[str | None, option("A UTF-8 text to learn.")] = None,
    names: Annotated[str | None, option("A file with one name a line.")] = None,
    cell: Annotated[
        str, option("rnn, relu-rnn, gru, gru-reset-before or lstm.")
    ] = DEFAULT.cell,
    hidden: Annotated[int, option("Units in a layer, H.")] = DEFAULT.hidden,
    layers: Annotated[int, option("Layers on top of each other.")] = DEFAULT.layers,
    batch: Annotated[int, option("Streams read in parallel, B.")] = DEFAULT.batch,
    window: Annotated[int, option("Steps of a window, T.")] = DEFAULT.window,
    steps: Annotated[int, option("Updates to make.")] = DEFAULT.steps,
    minutes: Annotated[
        float | None,
        option("Train for this long instead; the learning rate follows the clock."),
    ] = DEFAULT.minutes,
    optimiser: Annotated[
        str, option("muon (of the matrices that read hidden states) or adamw.")
    ] = DEFAULT.optimiser,
    learning_rate: Annotated[
        float, option("The highest, after the warm-up.")
    ] = DEFAULT.learning_rate,
    clip: Annotated[float, option("Largest norm of a gradient.")] = DEFAULT.clip,
    weight_decay: Annotated[
        float, option("Of matrices, decoupled.")
    ] = DEFAULT.weight_decay,
    dropout: Annotated[
        float, option("Share of the outputs that a window of training leaves out.")
    ] = DEFAULT.dropout,
    seed: Annotated[int, option("Of all that is drawn.")] = DEFAULT.seed,
    backward: Annotated[
        str, option("fastest, stored, recomputed[:16], checkpointed[:50] or autodiff.")
    ] = DEFAULT.backward,
    devices: Annotated[
        int, option("Devices, of each process, that share the batch; on a CPU, cores.")
    ] = DEFAULT.devices,
    steps_per_call: Annotated[
        int | None,
        option(
            "Updates between looks at the losses; by the model's size if not given."
        ),
    ] = DEFAULT.steps_per_call,
    evaluations: Annotated[int, option("Held-out losses a run.")] = DEFAULT.evaluations,
    samples: Annotated[int, option("Samples shown a run.")] = DEFAULT.samples,
    checkpoints: Annotated[int, option("Checkpoints a run.")] = DEFAULT.checkpoints,
    out: Annotated[
        Path | None, option("Where the run is kept; runs/<date-time> by default.")
    ] = None,
    resume: Annotated[
        bool, option("Go on with the run in --out, or with the newest.", "--resume")
    ] = False,
    coordinator: Annotated[
        str | None, option("host:port of process 0, for all processes the same.")
    ] = None,
    num_processes: Annotated[
        int, option("Processes that train together, each started by this script.")
    ] = 1,
    process_id: Annotated[int, option("Which of them this is, from 0 on.")] = 0,
) -> None:
    """Train a model (the default command)."""
    given = {
        name
        for name in ctx.params
        if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
    values = {name: ctx.params[name] for name in DEFAULT.as_dict()}
    processes = Processes(coordinator, num_processes, process_id)
    if resume and given - ON_RESUME:
        surplus = (f"--{name.replace('_', '-')}" for name in sorted(given - ON_RESUME))
        fail(f"a resumed run keeps its settings: drop {', '.join(surplus)}")
    if {"steps", "minutes"} <= given:
        fail("expected --steps or --minutes, got both")
    try:
        processes.check()
        if processes.count > 1 and out is None:
            fail("several processes share one run: give all of them the same --out")
        if resume:
            run = newest_run(RUNS, unsaved=True) if out is None else RunDirectory(out)
            config = None
        else:
            run, config = RunDirectory(out or _dated()), Config(**values)
        _train(run, config, devices if "devices" in given else None, processes)
    except (ValueError, OSError, Diverged, Lost) as error:
        fail(str(error))


def _train(
    run: RunDirectory, config: Config | None, devices: int | None, processes: Processes
) -> None:
    count = devices or (config or settings_of(run)).devices
    if count > 1:  # cores of the CPU as devices; a GPU is not affected
        jax.config.update("jax_num_cpu_devices", count)
    if processes.count > 1:
        print(f"{processes.name} joins at {processes.coordinator}", flush=True)
    try:
        with processes.joined(f"{processes.name} broke off; {go_on(run)}"):
            events = fit(run, config, config is None, devices)
            if processes.index == 0:
                _show(run, events)
            else:
                print(
                    f"{processes.name} trains; process 0 shows how it goes", flush=True
                )
                collections.deque(events, maxlen=0)
    except KeyboardInterrupt:
        begun = run.is_begun()
        print(f"\ninterrupted; {go_on(run) if begun else 'nothing was begun'}")
        end(130)


def _show(run: RunDirectory, events: Iterator[Event]) -> None:
    with Screen(run) as screen:
        for event in events:
            if isinstance(event, Noted):
                screen.console.print(f"note     {event.text}")
            screen.show(event)
    _draw(run)
    print(f"metrics  {run.metrics}")
    print(f"let it write:\n  {command('sample', '--run', run.path)}")


def _draw(run: RunDirectory) -> None:
    """The curve; the run is whole without it."""
    lines = run.read_metrics()
    if not all(any(name in line for line in lines) for name in ("loss", "held_out")):
        print(f"curve    none: {run.metrics.name} holds no losses to draw")
        return
    try:
        draw_curve(run)
    except OSError as error:
        fail(f"cannot write {run.curve}: {error.strerror}; the run itself is whole")
    print(f"curve    {run.curve}")


def go_on(run: RunDirectory) -> str:
    """How a run that broke off is resumed."""
    return f"go on with\n  {command('--resume', '--out', run.path)}"


@app.command()
def sample(
    run: Annotated[Path | None, option("A run; the newest by default.")] = None,
    prompt: Annotated[str, option("What to continue.")] = "",
    length: Annotated[int, option("Characters to write.")] = 500,
    count: Annotated[int, option("Samples to write.")] = 1,
    temperature: Annotated[float, option("Below 1 bolder, above 1 wilder.")] = 0.8,
    top_k: Annotated[int | None, option("Draw from the k likeliest.")] = None,
    top_p: Annotated[
        float | None, option("Draw from the likeliest of probability p together.")
    ] = None,
    greedy: Annotated[bool, option("Take the likeliest.", "--greedy")] = False,
    seed: Annotated[int, option("Of what is drawn.")] = 0,
) -> None:
    """Let a trained model write."""
    try:
        where = newest_run(RUNS) if run is None else RunDirectory(run)
        sampler = Sampler(temperature, top_k, top_p, greedy)
        key = jax.random.key(seed)
        writer = load_writer(where)
        texts = writer.write(prompt, key, length=length, count=count, sampler=sampler)
    except (ValueError, OSError) as error:
        fail(str(error))
    for number, text in enumerate(texts, 1):
        if count > 1:
            print(f"--- {number} ---")
        print(prompt + text)


def command(*words: object) -> str:
    """How this script is called, from where it was called."""
    return " ".join(["python", sys.argv[0], *map(_quoted, words)])


def _quoted(word: object) -> str:
    return shlex.quote(str(word))


def _dated() -> Path:
    return RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")


def fail(message: str) -> Any:
    """Says what is wrong, on one line, and ends with status 1."""
    print(f"error: {message}", file=sys.stderr)
    end(1)


def end(status: int) -> None:
    """Ends; one of several processes does not wait for the others."""
    leave(status)
    raise typer.Exit(status)


if __name__ == "__main__":
    app()
