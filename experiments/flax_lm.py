"""The character model with Flax's LSTM and JAX's derivative: the same run, beside ours.

    python experiments/flax_lm.py --text FILE --minutes 3 --devices 2

All options are those of `char_lm.py`, and so is all else: params and what is drawn,
readout, loss, optimiser, schedule, windows. The recurrence is linen's
`OptimizedLSTMCell` in its `RNN`, which reads a character as a one-hot row, and JAX
differentiates everything. Needs Flax: pip install "scanrnn[train,bench]".
"""

import functools
import sys
from typing import Any

import flax.linen as nn
import jax
from bench.cases import Case
from bench.flax import flax_params
from char_lm import app
from jax import Array

import scanrnn as sr
from scanrnn.charlm.config import CELLS

NAME = "flax-lstm"


@functools.cache
def flax_lstm(hidden: int) -> sr.Layer:
    """Linen's layer on our params."""
    cell = sr.lstm(hidden)
    whole = nn.RNN(nn.OptimizedLSTMCell(hidden), time_major=True, return_carry=True)

    def run(
        params: Any,
        xs: Any,
        start: Any = None,
        *,
        key: Array | None = None,
        **options: Any,  # the way back among them: there is one
    ) -> sr.Unrolled:
        if options.get("resets") is not None:
            raise ValueError(f"expected a text for {NAME}, got names, which reset it")
        size = params.w_x.shape[0]
        theirs = flax_params(
            Case("lstm", xs.shape[0], xs.shape[1], size, hidden), params
        )
        start = cell.start(xs.shape[1], params.w_x.dtype) if start is None else start
        (c, h), outputs = whole.apply(
            {"params": {"cell": theirs}},
            jax.nn.one_hot(xs, size, dtype=params.w_x.dtype),
            initial_carry=(start.c, start.h),
        )
        return sr.Unrolled(outputs, type(start)(h=h, c=c))

    return sr.Layer(cell.init, cell.start, run, hidden)


if __name__ == "__main__":
    CELLS[NAME] = flax_lstm  # type: ignore[assignment]
    given = sys.argv[1:]
    training = ["train", "--cell", NAME, "--backward", "autodiff"]
    app(given if given[:1] == ["sample"] else [*training, *given])
