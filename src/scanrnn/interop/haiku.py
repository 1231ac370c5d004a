"""The cores of Haiku: the name of a module, and then that of an array."""

from collections.abc import Mapping
from typing import Any

from ..cell import Cell, Params
from ..engine.values import flag
from .blocks import Floats
from .convert import cell_and_params, row_for, write
from .maps import maps_of
from .nets import Net, single
from .recognise import flat, floats, mapping, recognise, text


def from_haiku(params: Mapping[str, Any], name: str) -> tuple[Cell, Params]:
    """The cell and the params that a core of Haiku holds.

    Args:
        params: as ``init`` of a transformed function returned them; those of other
            modules are passed over.
        name: of the module, such as "lstm" or "my_net/~/lstm".

    Returns:
        A cell and its params, in the dtype that came (float64 with x64 on): of a
        VanillaRNN ``sr.rnn(H, activation="relu")``, of a GRU
        ``sr.gru(H, reset_after=False)``, of an LSTM ``sr.lstm(H)``.

    Raises:
        ValueError: if names or shapes are none of these.

    >>> import numpy as np
    >>> from scanrnn import interop
    >>> params = {"gru": {"w_i": np.ones((3, 15)), "w_h": np.ones((5, 15)),
    ...                   "b": np.ones(15)}}
    >>> interop.from_haiku(params, "gru")[0]
    sr.gru(5, reset_after=False)
    """
    mapping(params, "as init returned it")
    under = f"{text('name', name)}/"
    arrays = {
        path.removeprefix(under): leaf
        for path, leaf in flat(params)
        if path.startswith(under)
    }
    if not arrays:
        raise ValueError(
            f"expected the name of a module in params, got {name!r}; there are "
            f"{', '.join(params)}"
        )
    row = recognise(maps_of("haiku"), floats(arrays))
    return cell_and_params(row, floats(arrays))


def to_haiku(
    cell: Net,
    params: Params,
    name: str,
    *,
    double_bias: bool = True,
    gradients: bool = False,
) -> dict[str, dict[str, Floats]]:
    """The params of a core of Haiku, as NumPy arrays.

    Args:
        cell: ours: a relu RNN, a GRU with the reset before, or an LSTM. Without a bias
            it is written with zeros, since these have one.
        params: of the cell; or its gradients.
        name: of the module.
        double_bias: of a VanillaRNN, whether it has two.
        gradients: whether these are gradients by our params and those by Haiku's are
            wanted.

    Raises:
        ValueError: if Haiku has no such cell.

    >>> import numpy as np, scanrnn as sr
    >>> from scanrnn import interop
    >>> cell = sr.lstm(5)
    >>> params = sr.LSTMParams(np.ones((3, 20)), np.ones((5, 20)), np.ones(20))
    >>> theirs = interop.to_haiku(cell, params, "lstm")
    >>> theirs["lstm/linear"]["w"].shape
    (8, 20)
    """
    one_bias = "double_bias=True" if flag("double_bias", double_bias) else "=False"
    rows = [r for r in maps_of("haiku") if "(" not in r.name or one_bias in r.name]
    ours, params = single(cell, params, "Haiku")
    row = row_for(ours, rows)
    arrays = write(row, ours, params, gradients=flag("gradients", gradients))
    nested: dict[str, dict[str, Floats]] = {}
    for path, array in arrays.items():
        module, _, leaf = f"{text('name', name)}/{path}".rpartition("/")
        nested.setdefault(module, {})[leaf] = array
    return nested
