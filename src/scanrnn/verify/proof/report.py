"""What `prove` returns: one row for every leaf of every program, and a table."""

from collections.abc import Sequence
from typing import NamedTuple

from ...engine.ways import Backward


class Configuration(NamedTuple):
    """One program: what is fed to `unroll`, apart from the way back."""

    inputs: str  # "floats" or "tokens"
    steps: int
    masks: tuple[str, ...]  # of lengths, mask, resets
    reverse: bool

    def __str__(self) -> str:
        words = (self.inputs, f"T={self.steps}", *self.masks)
        return " ".join((*words, "reverse") if self.reverse else words)


class Row(NamedTuple):
    """One leaf of one configuration, one way back."""

    way: Backward
    configuration: Configuration
    leaf: str  # "outputs", "final.h", "d_params.w_h", "d_xs", ...
    equal: bool
    reason: str  # where it differs, or why it was refused; empty if equal


class Proof(NamedTuple):
    """What `prove` found; prints as a table."""

    rows: tuple[Row, ...]
    bound: float  # on the probability that a wrong program passes

    @property
    def passed(self) -> bool:
        """Whether every leaf of every configuration is exactly equal."""
        return bool(self.rows) and all(row.equal for row in self.rows)

    def __str__(self) -> str:
        ways = list(dict.fromkeys(row.way for row in self.rows))
        lines = [("equal to jax.grad", *map(str, ways))]
        for leaf in dict.fromkeys(row.leaf for row in self.rows):
            counts = (_count(self.rows, leaf, way) for way in ways)
            lines.append((leaf, *counts))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join((*table, *self._findings()))

    def __repr__(self) -> str:
        return str(self)

    def _findings(self) -> list[str]:
        wrong = {row.way: row for row in reversed(self.rows) if not row.equal}
        if wrong:
            firsts = (
                f"{row.way}, {row.configuration}: {row.leaf}: {row.reason}"
                for row in reversed(wrong.values())
            )
            return ["not proved; the first that is not equal, by way back:", *firsts]
        count = len({(row.way, row.configuration) for row in self.rows})
        return [
            f"proved: {count} programs, equal modulo 2^61 - 1;",
            f"a wrong one passes with a probability below {self.bound:.0e}",
        ]


def _count(rows: Sequence[Row], leaf: str, way: Backward) -> str:
    equal = [row.equal for row in rows if (row.leaf, row.way) == (leaf, way)]
    return f"{sum(equal)}/{len(equal)}"
