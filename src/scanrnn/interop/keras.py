"""keras.layers.SimpleRNN, GRU, LSTM, and Bidirectional around them."""

from collections.abc import Sequence
from typing import Any

from ..cell import Params
from ..engine.values import flag, one_of, shown
from .blocks import Floats
from .convert import cell_and_params, row_for, write
from .maps import maps_of
from .nets import Net, fold, unfold
from .recognise import floats, recognise

NAMES = ("kernel", "recurrent_kernel", "bias")
MERGES = {"concat": "concat", "sum": "sum", "ave": "mean", "mul": "mul"}


def from_keras(
    weights: Sequence[Any],
    *,
    reset_after: bool | None = None,
    activation: str | None = None,
    merge_mode: str | None = None,
) -> tuple[Net, Params]:
    """The cell and the params that ``layer.get_weights()`` of Keras holds.

    Args:
        weights: kernel, recurrent_kernel and, if there is one, bias; of a Bidirectional
            those of the forward layer, then those of the backward one.
        reset_after: of a GRU; told by the shape of its bias. Without a bias True if
            not given, as in Keras.
        activation: of a SimpleRNN, "tanh" (if not given) or "relu". No other layer may
            have another activation or recurrent activation than that it has if nothing
            is said; nothing of this stands in the weights.
        merge_mode: of a Bidirectional, "concat", "sum", "ave" or "mul"; None for a
            layer that reads one way.

    Returns:
        A cell, or a `sr.bidirectional` of two; and its params, in the dtype that came
        (float64 with x64 on).

    Raises:
        ValueError: if number or shapes are none of these.

    >>> import numpy as np
    >>> from scanrnn import interop
    >>> rng = np.random.default_rng(0)
    >>> weights = [rng.normal(size=shape) for shape in [(3, 15), (5, 15), (2, 15)]]
    >>> cell, params = interop.from_keras(weights)
    >>> cell, params.b_hn.shape
    (sr.gru(5), (5,))
    """
    merge = "concat" if merge_mode is None else one_of("merge_mode", merge_mode, MERGES)
    given = list(weights) if isinstance(weights, tuple | list) else []
    sides = 1 if merge_mode is None else 2
    count, rest = divmod(len(given), sides)
    if rest or count not in (2, 3):
        raise ValueError(
            f"expected weights: a list of {' or '.join(str(n * sides) for n in (2, 3))}"
            f" arrays with merge_mode={merge_mode!r}, {', '.join(NAMES)}"
            f"{' of each direction' if sides == 2 else ''}, got "
            f"{len(given) or shown(weights)}; a Bidirectional has a merge_mode; of "
            "several cells, convert each by itself"
        )
    rows = [row for row in maps_of("keras") if _fits(row.cell, reset_after)]
    readers = []
    for part in (given[:count], given[count:])[:sides]:
        arrays = floats(dict(zip(NAMES, part, strict=False)))
        row = recognise(rows, arrays)
        readers.append(cell_and_params(row, arrays, activation))
    return fold([readers], MERGES[merge])


def _fits(cell: str, reset_after: bool | None) -> bool:
    """Whether a row may be meant: any, if nothing is said."""
    if reset_after is None:
        return True
    return cell == ("gru" if flag("reset_after", reset_after) else "gru_before")


def to_keras(net: Net, params: Params, *, gradients: bool = False) -> list[Floats]:
    """What ``layer.set_weights`` of Keras takes, as NumPy arrays.

    Args:
        net: a cell, or a `sr.bidirectional` of two.
        params: of the net; or its gradients.
        gradients: whether these are gradients by our params and those by Keras' weights
            are wanted: both rows of a GRU's bias have that of r and z then.

    Raises:
        ValueError: if the net is another.

    >>> import numpy as np, scanrnn as sr
    >>> from scanrnn import interop
    >>> params = sr.LSTMParams(np.ones((3, 20)), np.ones((5, 20)), np.ones(20))
    >>> weights = interop.to_keras(sr.lstm(5), params)
    >>> [array.shape for array in weights]
    [(3, 20), (5, 20), (20,)]
    """
    levels = unfold(net, params, tuple(MERGES.values()))
    if len(levels) > 1:
        raise ValueError(
            "expected a cell or a bidirectional pair of cells for one layer of Keras, "
            f"got {shown(net)}; convert each of its layers by itself"
        )
    weights: list[Floats] = []
    for cell, p in levels[0]:
        row = row_for(cell, maps_of("keras"))
        weights += write(row, cell, p, gradients=flag("gradients", gradients)).values()
    return weights
