"""The catalogue: wrong passes, each one small and documented.

`of(like)` lists the mistakes that a function of that name can contain. They serve
twice: `grade` and `explain` run them again to find the one that gives a user's numbers,
and the test suite uses them as mutants.
"""

from .caches import OF_GRU, OF_LSTM, OF_RNN
from .catalogue import Mistake as Mistake
from .catalogue import apply as apply
from .catalogue import fits, may_combine
from .forward import LSTM_OUTPUTS, RNN_OUTPUTS
from .gru import GRU
from .losses import LOSSES
from .lstm import LSTM
from .passes import KINDS
from .rnn import RNN
from .time import TIME

OF_CELL = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
OF_CACHES = {"rnn": OF_RNN, "lstm": OF_LSTM, "gru": OF_GRU}
OF_OUTPUTS = {"rnn": RNN_OUTPUTS, "lstm": LSTM_OUTPUTS, "gru": ()}


def of(like: str) -> tuple[Mistake, ...]:
    """The mistakes that a function called ``like`` can contain.

    >>> any(m.name == "the carry is dropped" for m in of("rnn_backward"))
    True
    """
    if like == "readout_backward":
        return LOSSES
    cell, *_, direction = like.split("_")
    if direction == "forward":
        found = OF_OUTPUTS[cell] + OF_CACHES[cell]
        return tuple(m for m in found if not (m.sequence and "cell" in like))
    if "cell" in like:
        return OF_CELL[cell]
    loop = tuple(mistake for mistake in TIME if fits(mistake, KINDS[cell]))
    return loop + OF_CELL[cell] + OF_CACHES[cell]


def everything() -> dict[str, tuple[Mistake, ...]]:
    """The whole catalogue, by the function it belongs to."""
    return {like: of(like) for like in LIKES}


LIKES = (
    *(f"{cell}_backward" for cell in KINDS),
    *(f"{cell}_cell_backward" for cell in KINDS),
    *(f"{cell}_forward" for cell in ("rnn", "lstm")),
    *(f"{cell}_cell_forward" for cell in ("rnn", "lstm")),
    "readout_backward",
)
__all__ = ["KINDS", "LIKES", "Mistake", "apply", "everything", "may_combine", "of"]
