"""The cells of Flax, linen and nnx: nested dictionaries, an array or more a gate."""

from collections.abc import Mapping
from typing import Any

from ..cell import Cell, Params
from ..engine.values import flag, one_of
from .convert import cell_and_params, row_for, write
from .maps import maps_of
from .nets import Net, single
from .recognise import flat, floats, mapping, recognise


def from_flax(
    params: Mapping[str, Any], *, activation: str | None = None
) -> tuple[Cell, Params]:
    """The cell and the params that a cell of Flax holds.

    Args:
        params: of the cell itself. Of linen ``variables["params"]``, of a cell in an
            RNN ``variables["params"]["cell"]``. Of nnx
            ``nnx.to_pure_dict(nnx.state(cell, nnx.Param))``.
        activation: of a SimpleCell, "tanh" (if not given) or "relu"; its residual form
            is none of ours. No other cell may have another ``gate_fn`` or
            ``activation_fn`` than it has if nothing is said; nothing of this stands in
            the params.

    Returns:
        A cell and its params, in the dtype that came (float64 with x64 on). The carry
        of Flax's LSTM is (c, h), of ours (h, c).

    Raises:
        ValueError: if names or shapes are none of these.

    >>> import numpy as np
    >>> from scanrnn import interop
    >>> params = {"i": {"kernel": np.ones((3, 5)), "bias": np.ones(5)},
    ...           "h": {"kernel": np.ones((5, 5))}}
    >>> interop.from_flax(params)[0]
    sr.rnn(5)
    """
    arrays = floats(dict(flat(mapping(params, "such as variables['params']"))))
    row = recognise(maps_of("flax"), arrays)
    return cell_and_params(row, arrays, activation)


def to_flax(
    cell: Net, params: Params, layer: str, *, gradients: bool = False
) -> dict[str, Any]:
    """The params of a cell of Flax, as NumPy arrays.

    linen takes them as ``variables["params"]`` or a part of it, nnx by
    ``nnx.replace_by_pure_dict(state, params)``. A cell of ours without a bias is
    written with zeros, since these have one.

    Args:
        cell: ours.
        params: of the cell; or its gradients.
        layer: "linen.SimpleCell", "linen.GRUCell", "linen.LSTMCell",
            "linen.OptimizedLSTMCell"; or "nnx." and one of these.
        gradients: whether these are gradients by our params and those by Flax's params
            are wanted.

    Raises:
        ValueError: if the layer does not compute what the cell does, or has no place
            for one of its params: nnx.GRUCell has none for b_hn.

    >>> import numpy as np, scanrnn as sr
    >>> from scanrnn import interop
    >>> cell = sr.lstm(5)
    >>> params = sr.LSTMParams(np.ones((3, 20)), np.ones((5, 20)), np.ones(20))
    >>> theirs = interop.to_flax(cell, params, "nnx.OptimizedLSTMCell")
    >>> theirs["dense_h"]["kernel"].shape
    (5, 20)
    """
    rows = {row.name.removeprefix("flax."): row for row in maps_of("flax")}
    ours, params = single(cell, params, "Flax")
    row = row_for(ours, [rows[one_of("layer", layer, rows)]])
    arrays = write(row, ours, params, gradients=flag("gradients", gradients))
    nested: dict[str, Any] = {}
    for name, array in arrays.items():
        outer, inner = name.split("/")
        nested.setdefault(outer, {})[inner] = array
    return nested
