"""The settings of a run: one frozen value, written into every checkpoint."""

import dataclasses
from collections.abc import Callable
from typing import Any

import scanrnn as sr

CELLS: dict[str, Callable[[int], sr.Cell]] = {
    "rnn": lambda hidden: sr.rnn(hidden),
    "relu-rnn": lambda hidden: sr.rnn(hidden, activation="relu"),
    "gru": lambda hidden: sr.gru(hidden),
    "gru-reset-before": lambda hidden: sr.gru(hidden, reset_after=False),
    "lstm": lambda hidden: sr.lstm(hidden),
}
WAYS: dict[str, Callable[..., sr.Backward | sr.Fastest]] = {
    "fastest": sr.Fastest,
    "stored": sr.Stored,
    "recomputed": sr.Recomputed,
    "checkpointed": sr.Checkpointed,
    "autodiff": sr.Autodiff,
}
OPTIMISERS = ("muon", "adamw")
# What runs were made with that do not say it: they are older than the setting.
UNSAID = {"optimiser": "adamw"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides the numbers of a run, apart from the corpus itself.

    A run is as long as ``steps`` says, or, if ``minutes`` is given, as the clock says.
    The first gives the same numbers every time on one machine; the second makes the
    most of a time, and the learning rate follows the clock.

    Raises:
        ValueError: if a value is out of its range.

    >>> Config(hidden=64, steps=100).cell
    'lstm'
    """

    text: str | None = None
    names: str | None = None
    cell: str = "lstm"
    hidden: int = 384
    layers: int = 1
    batch: int = 16
    window: int = 128
    steps: int = 1300
    minutes: float | None = None
    optimiser: str = "muon"
    learning_rate: float = 1e-2
    clip: float = 1.0
    weight_decay: float = 0.1
    dropout: float = 0.4
    seed: int = 0
    backward: str = "fastest"
    devices: int = 1
    steps_per_call: int | None = None  # None: by the size of the model
    evaluations: int = 10
    samples: int = 5
    checkpoints: int = 10

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ValueError(f"expected a cell of {_list(CELLS)}, got {self.cell!r}")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(
                f"expected an optimiser of {_list(OPTIMISERS)}, got {self.optimiser!r}"
            )
        way_back(self.backward)
        for name in ("hidden", "layers", "batch", "window", "steps", "devices"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("evaluations", "samples", "checkpoints"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("learning_rate", "clip"):
            self._require(name, 0 < getattr(self, name) < float("inf"), "positive")
        self._require(
            "weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0"
        )
        self._require("dropout", 0 <= self.dropout < 1, "in [0, 1)")
        self._require("seed", 0 <= self.seed < 2**32, "in [0, 2^32)")
        positive = self.minutes is None or 0 < self.minutes < float("inf")
        self._require("minutes", positive, "positive")
        counts = self.steps_per_call is None or self.steps_per_call >= 1
        self._require("steps_per_call", counts, "at least 1")
        if self.batch % self.devices:
            raise ValueError(
                f"expected batch to be a multiple of devices, got {self.batch} streams "
                f"for {self.devices} devices"
            )

    def _require(self, name: str, holds: bool, range_: str) -> None:
        if not holds:
            raise ValueError(f"expected {name} {range_}, got {getattr(self, name)}")

    def as_dict(self) -> dict[str, Any]:
        """What `json` can write, and ``Config(**...)`` reads back."""
        return dataclasses.asdict(self)


def way_back(name: str) -> sr.Backward | sr.Fastest:
    """``fastest``, ``stored``, ``recomputed:16``, ``checkpointed:50``, ``autodiff``.

    >>> way_back("recomputed:16")
    Recomputed(block=16)
    """
    kind, _, steps = name.partition(":")
    takes_steps = kind in ("recomputed", "checkpointed")
    if kind not in WAYS or (steps and not (takes_steps and steps.isdecimal())):
        raise ValueError(
            "expected a way back: fastest, stored, recomputed, recomputed:16, "
            f"checkpointed, checkpointed:50 or autodiff, got {name!r}"
        )
    return WAYS[kind](int(steps)) if steps else WAYS[kind]()


def _list(names: Any) -> str:
    return ", ".join(names)
