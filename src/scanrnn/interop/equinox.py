"""The cells of Equinox: arrays by attribute."""

from collections.abc import Mapping
from typing import Any

from ..cell import Cell, Params
from ..engine.values import flag
from .convert import cell_and_params, row_for, write
from .maps import maps_of
from .nets import Net, single
from .recognise import Arrays, floats, mapping, recognise


def from_equinox(arrays: Mapping[str, Any]) -> tuple[Cell, Params]:
    """The cell and the params that a GRUCell or LSTMCell of Equinox holds.

    Args:
        arrays: by the names of its attributes: ``vars(cell)``. What is None is not
            there.

    Returns:
        A cell and its params, in the dtype that came (float64 with x64 on).

    Raises:
        ValueError: if names or shapes are none of these.

    >>> import numpy as np
    >>> from scanrnn import interop
    >>> arrays = dict(weight_ih=np.ones((15, 3)), weight_hh=np.ones((15, 5)),
    ...               bias=np.ones(15), bias_n=np.ones(5))
    >>> interop.from_equinox(arrays)[0]
    sr.gru(5)
    """
    settings = {"input_size", "hidden_size", "use_bias"}
    given = {
        name: value
        for name, value in mapping(arrays, "such as vars(cell)").items()
        if name not in settings and value is not None
    }
    row = recognise(maps_of("equinox"), floats(given))
    return cell_and_params(row, floats(given))


def to_equinox(cell: Net, params: Params, *, gradients: bool = False) -> Arrays:
    """The arrays of a GRUCell or LSTMCell of Equinox by attribute, as NumPy arrays.

    ``eqx.tree_at(lambda cell: [getattr(cell, k) for k in arrays], cell,
    list(arrays.values()))`` takes them.

    Args:
        cell: ours: an LSTM, or a GRU with the reset after.
        params: of the cell; or its gradients.
        gradients: whether these are gradients by our params and those by Equinox's
            arrays are wanted.

    Raises:
        ValueError: if Equinox has no such cell.

    >>> import numpy as np, scanrnn as sr
    >>> from scanrnn import interop
    >>> cell = sr.lstm(5)
    >>> params = sr.LSTMParams(np.ones((3, 20)), np.ones((5, 20)), np.ones(20))
    >>> arrays = interop.to_equinox(cell, params)
    >>> arrays["weight_ih"].shape
    (20, 3)
    """
    ours, params = single(cell, params, "Equinox")
    row = row_for(ours, maps_of("equinox"))
    return write(row, ours, params, gradients=flag("gradients", gradients))
