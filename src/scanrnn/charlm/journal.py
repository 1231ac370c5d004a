"""What a run leaves on disk while it goes on, and the watch over its numbers."""

import json
import math
import time
from typing import Any, NamedTuple, TextIO

from .checkpoint import About, Keeper
from .config import Config
from .events import Evaluated, Saved, Stepped, Wrote
from .text import Vocabulary
from .train import Metrics, TrainState, is_finite


class Diverged(RuntimeError):
    """The loss or its gradient is not finite; the message names the step."""


class Clock(NamedTuple):
    """How much of a run is done, by steps or by time."""

    steps: int
    minutes: float | None
    began: float  # time.monotonic()

    def seconds(self) -> float:
        """Since training began, breaks left out."""
        return time.monotonic() - self.began

    def progress(self, step: float) -> float:
        """The share that is done, in [0, 1]."""
        if self.minutes is None:
            return min(1.0, step / self.steps)
        return min(1.0, self.seconds() / (60 * self.minutes))


class Journal(NamedTuple):
    """What a run leaves on disk."""

    keeper: Keeper
    metrics: TextIO
    config: Config
    vocabulary: Vocabulary
    corpus: str  # its digest
    clock: Clock

    def write(self, **line: Any) -> None:
        """One line, on its way to the disk before anything follows from it."""
        self.metrics.write(json.dumps(line) + "\n")
        self.metrics.flush()

    def save(self, state: TrainState) -> Saved:
        """Writes a checkpoint, if the state is finite."""
        step = int(state.step)
        if not is_finite(state):
            raise self.diverged(step, "a parameter or a moment is not finite")
        seconds = self.clock.seconds()
        about = About(self.config, self.vocabulary, self.corpus, step, seconds)
        self.keeper.save(state, about)
        return Saved(step, self.keeper.run.checkpoint(step))

    def stepped(self, step: int, progress: float, metrics: Metrics) -> Stepped:
        """Notes an update; waits for it, if it is under way."""
        loss, norm = float(metrics.loss), float(metrics.gradient_norm)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self.diverged(step, f"the loss is {loss}, its gradient's norm {norm}")
        seconds = round(self.clock.seconds(), 3)
        self.write(step=step, loss=loss, gradient_norm=norm, seconds=seconds)
        return Stepped(step, loss, progress, seconds)

    def evaluated(self, step: int, loss: float) -> Evaluated:
        """Notes a held-out loss."""
        if not math.isfinite(loss):
            raise self.diverged(step, f"the held-out loss is {loss}")
        seconds = round(self.clock.seconds(), 3)
        bits = loss / math.log(2)
        self.write(step=step, held_out=loss, held_out_bits=bits, seconds=seconds)
        return Evaluated(step, loss, seconds)

    def wrote(self, step: int, text: str) -> Wrote:
        """Notes a sample."""
        self.write(step=step, sample=text)
        return Wrote(step, text)

    def diverged(self, step: int, why: str) -> Diverged:
        """The error that names the step and the last good checkpoint."""
        run = self.keeper.run
        good = run.checkpoint(run.newest())
        return Diverged(
            f"stopped at step {step}: {why}. The last good checkpoint is {good}. "
            "A lower --learning-rate or --clip may help"
        )
