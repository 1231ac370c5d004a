"""The options of `benchmark.py`: lists with commas, and what may stand in them."""

import typer

from .cases import GRID, Case

QUICK_SIZES = ("100x1x32x64", "100x32x64x128")


def split(text: str) -> list[str]:
    """The entries of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def names_of(text: str, known: tuple[str, ...], what: str) -> list[str]:
    """The entries of a list, all of them known."""
    names = split(text)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise typer.BadParameter(
            f"expected --{what} of {', '.join(known)}, got {text!r}"
        )
    return names


def size_of(text: str) -> tuple[int, int, int, int]:
    """T, B, X and H of a text such as 100x32x64x128."""
    parts = text.split("x")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"expected sizes such as 100x32x64x128, got {text!r}")
    T, B, X, H = map(int, parts)
    return T, B, X, H


def factors_of(text: str) -> tuple[int, ...]:
    """The unroll factors of a list, the smallest first."""
    names = split(text)
    if not names or not all(name.isdecimal() and int(name) for name in names):
        raise typer.BadParameter(
            f"expected --unrolls such as 1,2,4,8: positive integers, got {text!r}"
        )
    return tuple(sorted({int(name) for name in names}))


def cases_of(cells: list[str], sizes: str, quick: bool) -> list[Case]:
    """The cases of the grid that were asked for."""
    wanted = split(sizes) or (list(QUICK_SIZES) if quick else [])
    known = sorted({case.size for case in GRID})
    if unknown := [size for size in wanted if size not in known]:
        raise typer.BadParameter(
            f"expected --sizes of {', '.join(known)}, got {', '.join(unknown)}"
        )
    return [
        case
        for case in GRID
        if case.cell in cells and (not wanted or case.size in wanted)
    ]
