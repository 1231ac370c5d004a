"""What a run leaves on disk while it goes on, and the watch over its numbers."""

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

import jax

from .checkpoint import About, Keeper
from .config import Config
from .events import Evaluated, Saved, Stepped, Wrote
from .schedule import Clock
from .text import Vocabulary
from .train import Metrics, TrainState, is_finite


class Diverged(RuntimeError):
    """The loss or its gradient is not finite; the message names the step."""


class Call(NamedTuple):
    """Steps that were sent to the device together."""

    first: int  # how many steps were made before
    length: int  # steps
    before: float  # the progress
    after: float
    metrics: Metrics  # of which the first ``length`` count


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

    def called(self, call: Call, told: float) -> Iterator[Stepped]:
        """Notes the updates of a call; waits for it, if it is under way.

        Its progress and the seconds since ``told`` are spread evenly over its steps.
        """
        losses, norms = jax.device_get(call.metrics)
        now = self.clock.seconds()
        for k in range(call.length):
            share = (k + 1) / call.length
            yield self._stepped(
                call.first + k + 1,
                (1 - share) * call.before + share * call.after,
                float(losses[k]),
                float(norms[k]),
                round(told + share * (now - told), 3),
            )

    def _stepped(
        self, step: int, progress: float, loss: float, norm: float, seconds: float
    ) -> Stepped:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self.diverged(step, f"the loss is {loss}, its gradient's norm {norm}")
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
