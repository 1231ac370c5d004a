"""What is seen of a training run: a progress bar or plain lines, and its curve."""

import math
from types import TracebackType
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from scanrnn.charlm import RunDirectory
from scanrnn.charlm.events import (
    Began,
    Compared,
    Evaluated,
    Event,
    Saved,
    Stepped,
    Wrote,
)

BITS = 1 / math.log(2)  # per nat
PLAIN_LINES = 20  # of progress in a run, where there is no terminal


class Screen:
    """Shows the events of a run as they come."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.console = Console(soft_wrap=True, highlight=False)
        columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
        self.bar = Progress(
            *columns, console=self.console, disable=not self.console.is_terminal
        )
        self.task = self.bar.add_task("compiling", total=1.0)
        self.speed = Speed()
        self.loss: float | None = None
        self.shown = 0.0

    def __enter__(self) -> "Screen":
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def show(self, event: Event) -> None:
        """One event."""
        match event:
            case Began():
                self._began(event)
            case Compared():
                self.console.print(gradient_table(event))
            case Stepped():
                self._stepped(event)
            case Evaluated(step, loss, seconds):
                self.console.print(
                    f"step {step:>6}  held out {loss:.4f} nats = {loss * BITS:.4f} "
                    f"bits per character  after {clock(seconds)}"
                )
            case Wrote(_, text):
                self.console.print(Text(text.strip("\n"), style="dim"), "")
            case Saved():
                pass  # the last one is named where it is needed

    def _began(self, event: Began) -> None:
        config, corpus = event.config, event.corpus
        self.speed = Speed(config.batch * config.window)
        self.console.print(
            f"run      {self.run.path}\n"
            f"corpus   {config.text or config.names or 'pydoc_data.topics'}: "
            f"{len(corpus.train):,} characters to learn, {len(corpus.held_out):,} held "
            f"out, {corpus.vocabulary.size} different\n"
            f"model    {config.layers} x {config.cell}({config.hidden}), "
            f"{event.parameters:,} parameters, backward {config.backward}"
        )
        if event.step:
            self.console.print(f"resumed  from step {event.step}")

    def _stepped(self, event: Stepped) -> None:
        old = event.loss if self.loss is None else self.loss
        self.loss = 0.95 * old + 0.05 * event.loss
        self.speed.add(event)
        line = (
            f"loss {self.loss:.3f}  {self.loss * BITS:.3f} bits/char  "
            f"{self.speed.rate():,.0f} chars/s  {clock(self.speed.left())} left"
        )
        self.bar.update(self.task, completed=event.progress, description=line)
        if self.bar.disable and event.progress - self.shown >= 1 / PLAIN_LINES:
            self.shown = event.progress
            self.console.print(f"step {event.step:>6}  {line}")


class Speed:
    """What the last steps say of the next ones, by exponential means."""

    def __init__(self, characters: int = 0) -> None:
        self.characters = characters
        self.last: Stepped | None = None
        self.seconds = 0.0  # per step
        self.progress = 0.0  # per step

    def add(self, event: Stepped) -> None:
        """Counts a step; the first one only starts the clock."""
        if self.last is not None:
            seconds = event.seconds - self.last.seconds
            progress = event.progress - self.last.progress
            share = 0.02 if self.seconds else 1.0
            self.seconds += share * (seconds - self.seconds)
            self.progress += share * (progress - self.progress)
        self.last = event

    def rate(self) -> float:
        """Characters per second."""
        return self.characters / self.seconds if self.seconds else 0.0

    def left(self) -> float:
        """Seconds to the end."""
        if self.last is None or self.progress <= 0:
            return 0.0
        return (1 - self.last.progress) / self.progress * self.seconds


def gradient_table(event: Compared) -> Table:
    """The hand-derived gradient beside jax.grad's, one row per leaf."""
    table = Table(title="hand-derived gradient against jax.grad, first batch")
    for name in ("leaf", "shape", "largest entry", "worst relative error"):
        table.add_column(name, justify="left" if name == "leaf" else "right")
    for row in event.rows:
        shape = " x ".join(map(str, row.shape))
        table.add_row(row.name, shape, f"{row.largest:.2e}", f"{row.relative:.1e}")
    return table


def clock(seconds: float) -> str:
    """m:ss"""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def draw_curve(run: RunDirectory) -> None:
    """The losses of a run over its steps, into ``curve.png``."""
    lines = run.read_metrics()
    train = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    held_out = [
        (line["step"], line["held_out"]) for line in lines if "held_out" in line
    ]
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps, losses = zip(*train, strict=True)
    axes.plot(
        steps,
        losses,
        color="0.8",
        linewidth=0.8,
        label="training (with dropout), one window",
    )
    axes.plot(
        steps, smooth(losses), color="C0", label="training (with dropout), smoothed"
    )
    axes.plot(
        *zip(*held_out, strict=True),
        "o-",
        color="C3",
        label="held out (without dropout)",
    )
    _describe(axes, held_out[-1][1], run)
    figure.savefig(run.curve, dpi=120)


def _describe(axes: Any, final: float, run: RunDirectory) -> None:
    axes.set(xlabel="updates", ylabel="loss, nats per character")
    axes.set_title(
        f"{run.path.name}: {final:.3f} nats = {final * BITS:.3f} bits per character, "
        "held out"
    )
    axes.axhline(final, color="C3", linewidth=0.6, linestyle=":")
    axes.grid(alpha=0.3)
    axes.legend()


def smooth(values: tuple[float, ...]) -> list[float]:
    """An exponential mean over about a fiftieth of the run."""
    share = min(1.0, 50 / len(values))
    means = [values[0]]
    for value in values[1:]:
        means.append(means[-1] + share * (value - means[-1]))
    return means
