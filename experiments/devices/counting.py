"""What a step launches, of programs for a device that is not there."""

from typing import NamedTuple

from rich.table import Table

from .launches import Loop, loops


class Counted(NamedTuple):
    """One program; the loops over time of a direction, in the order they are walked."""

    there: tuple[Loop, ...]
    back: tuple[Loop, ...]
    copies_weights: bool  # in any loop

    def launches(self, unroll: int) -> list[str]:
        """Kernels and copies of a step, there and back.

        `Checkpointed` walks there a second time on its way back: the last one counts.
        """
        return [
            f"{launched / unroll:.3g}"
            for loop in (self.there[-1], self.back[-1])
            for launched in (loop.kernels, loop.copies)
        ]

    def cycles(self, unroll: int) -> list[str]:
        """Of a step, those of slices, and how many tell them; there and back."""
        told = []
        for walked in (self.there, self.back):
            parts = sum(x.cycles > 0 for loop in walked for x in loop.launches)
            told += [
                f"{sum(loop.cycles for loop in walked) / unroll:.0f}",
                f"{sum(loop.cycles_of_slices for loop in walked) / unroll:.0f}",
                f"{parts / unroll:.3g}",
            ]
        return told


# What the table of a platform tells of a step, beside who it is.
COLUMNS = {
    "gpu": ("kernels there", "copies", "kernels back", "copies"),
    "tpu": (
        *("cycles there", "of slices", "parts"),
        *("cycles back", "of slices", "parts"),
    ),
}


def counted(hlo: str, H: int, gates: int) -> Counted:
    """The loops over time of the gradient; an error where a direction has none."""
    found = [loop for loop in loops(hlo) if loop.launches]
    there = tuple(loop for loop in found if not loop.back)
    back = tuple(loop for loop in found if loop.back)
    if not there or not back:
        raise ValueError(f"expected a loop there and one back, got {len(found)} loops")
    copies = any(loop.copied(H, gates * H) for loop in found)
    return Counted(there, back, copies)


def table_of(
    title: str, rows: dict[tuple[str, str, str], Counted], platform: str, unroll: int
) -> Table:
    """A row for each program, of one step."""
    table = Table(title=title)
    for column in ("cell", "dtype", "way"):
        table.add_column(column)
    for column in (*COLUMNS[platform], "W copied"):
        table.add_column(column, justify="right")
    for names, one in rows.items():
        told = one.launches(unroll) if platform == "gpu" else one.cycles(unroll)
        table.add_row(*names, *told, "yes" if one.copies_weights else "no")
    return table
