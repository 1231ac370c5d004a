"""The cells by hand that other libraries have as well."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import made
from ..cell import Cell, Params, hidden_size
from ..cells.gru import GRUParams, gru
from ..cells.gru_reset_before import GRUResetBeforeParams
from ..cells.lstm import LSTMParams, lstm
from ..cells.rnn import RNNParams, rnn
from ..engine.values import shown


class Kind(NamedTuple):
    """A factory with its options, its params and the order of its gates."""

    factory: Callable[..., Cell]
    options: Mapping[str, Any]
    params: Any  # the type of its params
    gates: tuple[str, ...]  # in the order of our columns; one of "" if it has none

    def gates_of(self, leaf: str) -> tuple[str, ...]:
        return ("",) if leaf == "b_hn" else self.gates

    def told(self) -> str:
        """The call, such as sr.gru(H, reset_after=False)."""
        options = [f"{name}={value!r}" for name, value in self.options.items()]
        return f"sr.{self.factory.__name__}({', '.join(['H', *options])})"


KINDS = {
    "rnn": Kind(rnn, {}, RNNParams, ("",)),
    "gru": Kind(gru, {}, GRUParams, ("r", "z", "n")),
    "gru_before": Kind(
        gru, {"reset_after": False}, GRUResetBeforeParams, ("r", "z", "n")
    ),
    "lstm": Kind(lstm, {}, LSTMParams, ("i", "f", "g", "o")),
}


def kind_of(cell: Cell) -> str:
    """Which of them a cell is.

    Raises:
        ValueError: if it is none: a cell of one's own, or one with a wrapper.
    """
    if isinstance(cell, Cell) and made.is_as_made(cell):
        call = cell.made_by
        assert call is not None
        is_before = not dict(call.options).get("reset_after", True)
        for name, kind in KINDS.items():
            if call.factory is kind.factory and bool(kind.options) == is_before:
                return name
    raise ValueError(
        "expected a cell that other libraries have: sr.rnn, sr.gru or sr.lstm, got "
        f"{shown(cell)}; convert what it is made of by itself"
    )


def option(cell: Cell, name: str, otherwise: Any) -> Any:
    """An option that the cell was made with."""
    return dict(cell.made_by.options if cell.made_by else ()).get(name, otherwise)


def check_params(cell: Cell, params: Params) -> None:
    """The params are those of the cell.

    Raises:
        ValueError: if they are not.
    """
    kind, size = KINDS[kind_of(cell)], hidden_size(cell)
    if not isinstance(params, kind.params):
        raise ValueError(
            f"expected params of {cell!r}: {kind.params.__name__}, got {shown(params)}"
        )
    inputs, width = np.shape(params.w_x)[:1], size * len(kind.gates)
    shapes = {"w_x": (*inputs, width), "w_h": (size, width)}
    biases = {"b": (width,), "b_hn": (size,)} if option(cell, "bias", True) else {}
    for leaf, array in params._asdict().items():
        wanted = (shapes | biases).get(leaf)  # None without a bias
        got = None if array is None else np.shape(array)
        if got != wanted:
            raise ValueError(f"expected params of {cell!r}: {leaf} {wanted}, got {got}")
