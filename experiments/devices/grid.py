"""What is measured on an accelerator, and in which order.

288 cases are hours: so the most telling ones come first, and what an early stop leaves
is spread over the sizes. In every list of choices the first one is the most telling;
cases come by the sum of their places in the lists, weighed. Every case has 64 inputs.
"""

import itertools
from typing import NamedTuple

from bench.cases import Case

INPUTS = 64
WEIGHTS = (3.0, 0.7, 1.0, 1.5, 1.2)  # of the lists: all sizes are soon seen of an LSTM


class Grid(NamedTuple):
    """Choices, the most telling first."""

    cells: tuple[str, ...] = ("lstm", "gru", "rnn")
    hidden: tuple[int, ...] = (128, 512, 1024, 32, 256, 64)
    batches: tuple[int, ...] = (32, 1, 256, 8)
    lengths: tuple[int, ...] = (128, 1024)
    dtypes: tuple[str, ...] = ("float32", "bfloat16")

    def cases(self) -> list[Case]:
        """All of them, the most telling first."""
        places = itertools.product(*(range(len(choices)) for choices in self))

        def weight(at: tuple[int, ...]) -> float:
            return sum(w * place for w, place in zip(WEIGHTS, at, strict=True))

        return [
            self._case(*at) for at in sorted(places, key=lambda at: (weight(at), at))
        ]

    def _case(self, cell: int, hidden: int, batch: int, length: int, d: int) -> Case:
        return Case(
            self.cells[cell],
            T=self.lengths[length],
            B=self.batches[batch],
            X=INPUTS,
            H=self.hidden[hidden],
            dtype=self.dtypes[d],
        )
