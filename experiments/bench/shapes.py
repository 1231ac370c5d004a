"""Shapes drawn at random, for what must hold of shapes that nobody chose."""

from typing import NamedTuple

import numpy as np

from .cases import VOCABULARY, Case

# What a CPU gets through in about a quarter of a second, and memory that it has.
GIGAFLOP_AT_MOST = 20.0
FLOATS_AT_MOST = 40e6  # of the tapes


class Shape(NamedTuple):
    """A case, whether its sequences differ in length, and how the batch lies."""

    case: Case
    masked: bool = False
    devices: int = 1

    @property
    def key(self) -> str:
        """The whole of it as text."""
        masked = ", lengths" if self.masked else ""
        devices = f", {self.devices} devices" if self.devices > 1 else ""
        return self.case.key + masked + devices


def shapes(count: int, seed: int, devices: int = 2) -> list[Shape]:
    """So many, each of moderate cost: sizes uniform in their logarithms."""
    rng = np.random.default_rng(seed)
    found: list[Shape] = []
    while len(found) < count:
        shape = _drawn(rng, devices)
        if _is_moderate(shape.case):
            found.append(shape)
    return found


def _drawn(rng: np.random.Generator, devices: int) -> Shape:
    tokens = bool(rng.random() < 0.25)
    spread = devices > 1 and bool(rng.random() < 0.25)
    batch = round(_between(rng, 1, 128))
    case = Case(
        cell=str(rng.choice(["rnn", "gru", "lstm", "gru", "lstm"])),
        T=round(_between(rng, 32, 4096)),
        B=max(2, batch // 2 * 2) if spread else batch,
        X=VOCABULARY if tokens else round(_between(rng, 8, 512)),
        H=8 * round(_between(rng, 2, 128)),
        tokens=tokens,
    )
    masked = bool(rng.random() < 0.25)
    return Shape(case, masked, devices if spread else 1)


def _between(rng: np.random.Generator, least: float, most: float) -> float:
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def _is_moderate(case: Case) -> bool:
    floats = 6 * case.T * case.B * case.H
    return case.flop < GIGAFLOP_AT_MOST * 1e9 and floats < FLOATS_AT_MOST
