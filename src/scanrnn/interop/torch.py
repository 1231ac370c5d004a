"""torch.nn.RNN, GRU and LSTM with all their layers and directions, and their cells."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..cell import Params, hidden_size
from ..engine.values import flag, shown
from .blocks import Floats
from .convert import cell_and_params, row_for, write
from .kinds import kind_of, option
from .maps import maps_of
from .nets import Level, Net, fold, unfold
from .recognise import Arrays, floats, recognise, text

KEY = re.compile(r"((?:weight|bias)_(?:ih|hh|hr))(?:_l(\d+)(_reverse)?)?")


def from_torch(
    state_dict: Mapping[str, Any], *, prefix: str = "", activation: str | None = None
) -> tuple[Net, Params]:
    """The net and the params that a state dict of torch holds.

    The kind of the cell, the layers and the directions are recognised by names and
    shapes. The two biases of torch are summed, but for that of the GRU's n, which is
    b_hn. Dropout between the layers and ``batch_first`` are no weights: give them to
    `sr.stack` and ``run``.

    Args:
        state_dict: of torch.nn.RNN, GRU, LSTM, RNNCell, GRUCell or LSTMCell; values
            that numpy.asarray takes.
        prefix: what the names begin with, such as "encoder.", where the state dict is
            that of a whole model; names that begin otherwise are passed over.
        activation: of an RNN, "tanh" (if not given) or "relu", as its
            ``nonlinearity``; that is no weight either.

    Returns:
        The cell, where there is one layer that reads one way; else a layer: a
        `sr.bidirectional`, or a `sr.stack` of what stands for each. And its params, in
        the dtype that came (float64 with x64 on).

    Raises:
        ValueError: if names or shapes are none of these, or there is a projection.

    >>> import jax, numpy as np, scanrnn as sr
    >>> from scanrnn import interop
    >>> rng = np.random.default_rng(0)
    >>> shapes = dict(weight_ih_l0=(20, 3), weight_hh_l0=(20, 5),
    ...               bias_ih_l0=(20,), bias_hh_l0=(20,))
    >>> state_dict = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    >>> cell, params = interop.from_torch(state_dict)
    >>> cell, params.w_x.shape
    (sr.lstm(5), (3, 20))
    """
    groups = _groups(_under(prefix, state_dict))
    rows, levels = maps_of("torch"), []
    for k, level in groups.items():
        readers = []
        for side, arrays in level.items():
            row = recognise(rows, arrays, f" in layer {k}{side}")
            readers.append(cell_and_params(row, arrays, activation))
        levels.append(readers)
    check_levels(levels)
    return fold(levels)


def to_torch(
    net: Net,
    params: Params,
    *,
    prefix: str = "",
    as_cell: bool = False,
    gradients: bool = False,
) -> Arrays:
    """A state dict of torch, as NumPy arrays.

    ``module.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})``
    takes it. A bias is written into ``bias_ih``, with 0 in ``bias_hh``, but for the
    GRU's b_hn.

    Args:
        net: a cell, or a stack of equal cells or of bidirectional pairs of them.
        params: of the net; or its gradients.
        prefix: what the names are to begin with.
        as_cell: whether the names are those of RNNCell, GRUCell or LSTMCell, without
            ``_l0``.
        gradients: whether these are gradients by our params and those by torch's
            weights are wanted: both biases have the same then.

    Raises:
        ValueError: if torch has no such net.

    >>> import numpy as np, scanrnn as sr
    >>> from scanrnn import interop
    >>> one = sr.GRUParams(np.ones((3, 15)), np.ones((5, 15)), np.ones(15), np.ones(5))
    >>> net = sr.bidirectional(sr.gru(5), sr.gru(5))
    >>> state_dict = interop.to_torch(net, (one, one))
    >>> [name for name in state_dict if "weight" in name]
    ['weight_ih_l0', 'weight_hh_l0', 'weight_ih_l0_reverse', 'weight_hh_l0_reverse']
    >>> interop.from_torch(state_dict)[0]
    sr.bidirectional(sr.gru(5), sr.gru(5))
    """
    levels = unfold(net, params, ("concat",))
    check_levels(levels)
    if flag("as_cell", as_cell) and (len(levels) > 1 or len(levels[0]) > 1):
        raise ValueError(f"expected one cell with as_cell=True, got {shown(net)}")
    text("prefix", prefix)
    state_dict: Arrays = {}
    for k, level in enumerate(levels):
        for side, (cell, p) in zip(("", "_reverse"), level, strict=False):
            row = row_for(cell, maps_of("torch"))
            arrays = write(row, cell, p, gradients=flag("gradients", gradients))
            suffix = "" if as_cell else f"_l{k}{side}"
            state_dict |= {f"{prefix}{n}{suffix}": a for n, a in arrays.items()}
    return state_dict


def _under(prefix: str, state_dict: Mapping[str, Any]) -> Arrays:
    """The arrays whose names begin so, by the rest of their names."""
    if not isinstance(state_dict, Mapping) or not isinstance(prefix, str):
        raise ValueError(
            "expected state_dict, a dictionary, and prefix, a text, got "
            f"{shown(state_dict)} and {shown(prefix)}; a module has .state_dict()"
        )
    named = {str(name): value for name, value in state_dict.items()}
    found = {
        name.removeprefix(prefix): value
        for name, value in named.items()
        if name.startswith(prefix)
    }
    if found and all(KEY.fullmatch(name) for name in found):
        return floats(found)
    layers = {name[: m.start()] for name in named if (m := KEY.search(name))}
    hint = ", ".join(repr(name) for name in sorted(layers)) or "nowhere"
    raise ValueError(
        f"expected names such as {prefix}weight_ih_l0 and no others that begin with "
        f"prefix={prefix!r}, got {shown(list(named))}; recurrent weights begin "
        f"with prefix={hint}"
    )


def _groups(arrays: Arrays) -> dict[int, dict[str, dict[str, Floats]]]:
    """By layer, then by direction ("" or "_reverse"), in their order."""
    groups: dict[int, dict[str, dict[str, Floats]]] = {}
    for key in sorted(arrays):
        match = KEY.fullmatch(key)
        assert match  # see _under
        name, layer, side = match.groups(default="")
        level = groups.setdefault(int(layer or 0), {})
        level.setdefault(side, {})[name] = arrays[key]
    sides = {tuple(sorted(level)) for level in groups.values()}
    count = sum(len(names) for level in groups.values() for names in level.values())
    is_whole = sorted(groups) == list(range(len(groups))) and count == len(arrays)
    if not is_whole or sides not in ({("",)}, {("", "_reverse")}):
        raise ValueError(
            "expected the layers 0, 1, ... with the same directions in each, got "
            f"{', '.join(sorted(arrays))}"
        )
    return {k: dict(sorted(groups[k].items())) for k in sorted(groups)}


def check_levels(levels: Sequence[Level]) -> None:
    """torch repeats one cell, and every layer reads all directions of the one below."""
    cells = [cell for level in levels for cell, _ in level]
    alike = {
        (kind_of(c), hidden_size(c), option(c, "activation", ""), option(c, "bias", ""))
        for c in cells
    }
    if len(alike) > 1 or len({len(level) for level in levels}) > 1:
        raise ValueError(
            "expected the same cell in all layers and directions, as torch has it, got "
            f"{', '.join(map(repr, cells))}"
        )
    outputs = len(levels[0]) * hidden_size(cells[0])
    for k, level in enumerate(levels[1:], 1):
        for _, params in level:
            if hasattr(params, "w_x") and params.w_x.shape[0] != outputs:
                raise ValueError(
                    f"expected inputs of size {outputs} in layer {k}, what the layer "
                    f"below puts out, got weights for {params.w_x.shape[0]}"
                )
