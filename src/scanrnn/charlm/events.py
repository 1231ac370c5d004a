"""What a run tells while it goes on."""

from pathlib import Path
from typing import NamedTuple, TypeAlias

from .config import Config
from .gradients import LeafError
from .text import Corpus


class Began(NamedTuple):
    """What is about to be trained, and from which step on."""

    config: Config
    corpus: Corpus
    parameters: int
    step: int


class Noted(NamedTuple):
    """What a run that goes on found amiss, and what it does about it."""

    text: str


class Compared(NamedTuple):
    """The hand-derived gradient beside jax.grad's, on the first batch."""

    rows: list[LeafError]


class Stepped(NamedTuple):
    """One update."""

    step: int
    loss: float  # nats per character
    progress: float  # the share of the run that is done
    seconds: float


class Evaluated(NamedTuple):
    """The loss on all that is held out."""

    step: int
    loss: float  # nats per character
    seconds: float


class Wrote(NamedTuple):
    """A sample of what the model writes at this step."""

    step: int
    text: str


class Saved(NamedTuple):
    """A checkpoint is on disk."""

    step: int
    path: Path


Event: TypeAlias = Began | Noted | Compared | Stepped | Evaluated | Wrote | Saved
