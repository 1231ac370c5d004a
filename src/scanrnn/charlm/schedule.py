"""How far a run is, what is due when, and how many steps one call may make."""

import time
from typing import NamedTuple

import numpy as np

from .config import Config
from .processes import agreed

MOST_STEPS = 16  # of a call: beyond it nothing was gained
CALL_WORK = 1e9  # FLOP of a call: some 10 ms of a CPU, a hundred dispatches


class Clock(NamedTuple):
    """How much of a run is done, by steps or by time."""

    steps: int
    minutes: float | None
    began: float  # time.monotonic()

    def seconds(self) -> float:
        """Since training began, breaks left out."""
        return time.monotonic() - self.began

    def progress(self, step: float) -> float:
        """The share that is done, in [0, 1]; processes go by the clock of the first."""
        if self.minutes is None:
            return min(1.0, step / self.steps)
        return min(1.0, agreed(self.seconds() / (60 * self.minutes)))

    def ahead(self, step: int, progress: float, count: int) -> np.ndarray:
        """The progress amid each of the next ``count`` steps, float32.

        By the clock it is what it was when the call began: how long its steps will
        take, nobody knows.
        """
        if self.minutes is not None:
            return np.full(count, progress, np.float32)
        middles = [self.progress(step + k + 0.5) for k in range(count)]
        return np.asarray(middles, np.float32)


class Due(NamedTuple):
    """What follows a step."""

    evaluation: bool
    sample: bool
    checkpoint: bool


def due(config: Config, before: float, now: float) -> Due:
    """What is due once the progress has grown from ``before`` to ``now``.

    >>> due(Config(evaluations=2, samples=0, checkpoints=4), 0.2, 0.25)
    Due(evaluation=False, sample=False, checkpoint=True)
    """

    def passed(parts: int) -> bool:
        return now == 1 or int(before * parts) < int(now * parts)

    return Due(
        passed(config.evaluations),
        config.samples > 0 and passed(config.samples),
        passed(config.checkpoints),
    )


def call_length(config: Config, clock: Clock, step: int, most: int) -> int:
    """How many steps the next call makes, at most ``most``.

    It ends where something is due. By the clock that is not known beforehand: there
    a call is of full length, and what came due within it follows its last step.

    >>> config = Config(steps=100, evaluations=10, samples=0, checkpoints=0)
    >>> clock = Clock(config.steps, None, 0.0)
    >>> call_length(config, clock, 0, 64), call_length(config, clock, 7, 64)
    (10, 3)
    """
    if clock.minutes is not None:
        return most
    for end in range(step + 1, step + most):
        if any(due(config, clock.progress(end - 1), clock.progress(end))):
            return end - step
    return most


def steps_per_call(config: Config, parameters: int) -> int:
    """What ``config`` says; by itself, so many that a call is short for an eye.

    A step makes 6 FLOP per character and parameter. Small models take many steps a
    call, and are not bound by dispatch; of large ones each step is a call.

    >>> steps_per_call(Config(batch=8, window=16), 20_000)
    16
    >>> steps_per_call(Config(batch=32, window=64), 800_000)
    1
    """
    if config.steps_per_call is not None:
        return config.steps_per_call
    work = 6 * config.batch * config.window * parameters
    return max(1, min(MOST_STEPS, int(CALL_WORK / work)))
