"""Patterns: how a wrong leaf is related to the right one, when no code is known.

Where the function is one of the exercise's, `mistakes` names what was done by doing it
again. For any other function the numbers alone can still say much: a leaf that is minus
the right one, half of it, its transpose, or right but for one block of columns.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from ..report import Suspicion
from ..rounding import Floats

CLOSE = 1e-3  # a pattern is a hint and no proof: three digits make it
FEW = 3  # entries of which a ratio in common may be chance, unless it is a plain one
PLAIN = 12  # the largest number in a plain ratio
# How the slope of a function is written wrongly, with y what the function gives.
Slope = Callable[[Floats], Floats]
SLOPES: dict[str, tuple[Slope, dict[str, Slope]]] = {
    "1 - y**2": (
        lambda y: 1 - y**2,
        {
            "1 - y": lambda y: 1 - y,
            "(1 - y)**2": lambda y: (1 - y) ** 2,
            "1 - tanh(y)**2": lambda y: 1 - np.tanh(y) ** 2,
            "y * (1 - y)": lambda y: y * (1 - y),
            "1 + y**2": lambda y: 1 + y**2,
            "y**2": lambda y: y**2,
            "y": lambda y: y,
            "1": np.ones_like,
        },
    ),
    "y * (1 - y)": (
        lambda y: y * (1 - y),
        {
            "y": lambda y: y,
            "1 - y": lambda y: 1 - y,
            "1 - y**2": lambda y: 1 - y**2,
            "sigmoid(y) * (1 - sigmoid(y))": lambda y: 0.25 / np.cosh(y / 2) ** 2,
            "y * (1 + y)": lambda y: y * (1 + y),
            "1": np.ones_like,
        },
    ),
}


def relate(
    leaf: str,
    found: Floats,
    right: Floats,
    time_axis: int | None = None,
    outputs: Sequence[Floats] = (),
) -> list[Suspicion]:
    """What the wrong values of a leaf look like, the plainest first.

    Args:
        leaf: its name.
        found: its values.
        right: what they should be.
        time_axis: which of its axes is time, if one is.
        outputs: what the function gives; of those that have the leaf's shape, slopes
            are looked for in the ratio of what was found to what is right.

    >>> import numpy as np
    >>> relate("w", -np.arange(1., 4.), np.arange(1., 4.))[0].names
    ('w has the wrong sign',)
    """
    found, right = np.asarray(found, np.float64), np.asarray(right, np.float64)
    if found.shape != right.shape or not np.isfinite(found).all():
        return []
    patterns = [
        *_scales(leaf, found, right),
        *_slopes(leaf, found, right, outputs),
        *_axes(leaf, found, right),
    ]
    patterns += _times(leaf, found, right, time_axis)
    return patterns or list(_blocks(leaf, found, right))


def _suspect(name: str, says: str, instead: str) -> Suspicion:
    return Suspicion((name,), says, instead, 1.0)


def _close(found: Floats, right: Floats) -> bool:
    scale = np.max(np.abs(right), initial=0)
    return bool(np.max(np.abs(found - right), initial=0) <= CLOSE * scale)


def _scales(leaf: str, found: Floats, right: Floats) -> Iterator[Suspicion]:
    if not found.any():
        yield _suspect(
            f"{leaf} is zero",
            f"Nothing reaches {leaf}: its path is missing or was cut.",
            f"Find where {leaf} enters the forward pass and send the gradient there.",
        )
        return
    factor = float(np.vdot(right, found) / max(float(np.vdot(right, right)), 1e-300))
    if abs(factor) < CLOSE or not _close(found, factor * right):
        return
    plain = Fraction(factor).limit_denominator(PLAIN)
    if found.size < FEW and abs(plain - factor) > CLOSE**2 * abs(factor):
        return  # of one entry everything is a multiple
    if abs(factor + 1) < CLOSE:
        yield _suspect(
            f"{leaf} has the wrong sign",
            f"{leaf} is right up to its sign.",
            "Look for a difference taken the wrong way round.",
        )
    else:
        yield _suspect(
            f"{leaf} is scaled",
            f"{leaf} is {factor:.6g} times what it should be.",
            "Look for a sum that became a mean, a term that was added twice, or a "
            "factor of a derivative that was left out.",
        )


def _slopes(
    leaf: str, found: Floats, right: Floats, outputs: Sequence[Floats]
) -> Iterator[Suspicion]:
    """The slope of a function is another one, entry by entry."""
    small = CLOSE * np.max(np.abs(right), initial=0)
    telling = np.abs(right) > small
    for given in outputs:
        y = np.asarray(given, np.float64)
        if y.shape != right.shape or not telling.any():
            continue
        for slope, (value, others) in SLOPES.items():
            for other, wrong in others.items():
                with np.errstate(all="ignore"):
                    expected = right * wrong(y) / value(y)
                gap = np.abs(expected - found)[telling]
                if (gap <= CLOSE**2 * 10 * np.abs(found)[telling]).all():
                    yield _suspect(
                        f"{leaf}: the slope is {other} and not {slope}",
                        f"{leaf} is what is right times ({other}) / ({slope}) in "
                        "every entry, where y is the output.",
                        f"Write {slope} for the slope.",
                    )
                    return


def _axes(leaf: str, found: Floats, right: Floats) -> Iterator[Suspicion]:
    square = found.ndim == 2 and found.shape[0] == found.shape[1]
    if square and _close(found, right.T):
        yield _suspect(
            f"{leaf} is transposed",
            f"{leaf} is the transpose of what it should be.",
            "Swap the two operands of the outer product.",
        )


def _times(
    leaf: str, found: Floats, right: Floats, axis: int | None
) -> Iterator[Suspicion]:
    if axis is None or right.shape[axis] < 2:
        return
    found, right = np.moveaxis(found, axis, 0), np.moveaxis(right, axis, 0)
    if _close(found, right[::-1]):
        yield _suspect(
            f"{leaf} runs backwards in time",
            f"Step t of {leaf} holds what belongs to step T - 1 - t.",
            "Store each step's result under the t it was computed for.",
        )
    for shift, word in ((1, "late"), (-1, "early")):
        if _close(np.roll(found, -shift, 0), right):
            yield _suspect(
                f"{leaf} is one step {word}",
                f"Every step of {leaf} stands one step too {word}.",
                "Check the index t of what is read and of what is stored.",
            )


def _blocks(leaf: str, found: Floats, right: Floats) -> Iterator[Suspicion]:
    """Right in some equal blocks of the last axis: gates, as a rule."""
    for count in (4, 3, 2):
        if right.ndim == 0 or right.shape[-1] % count or right.shape[-1] < 2 * count:
            continue
        pairs = list(
            zip(np.split(found, count, -1), np.split(right, count, -1), strict=True)
        )
        wrong = [i for i, (f, r) in enumerate(pairs) if not _close(f, r)]
        if 0 < len(wrong) < count:
            listed = ", ".join(str(i + 1) for i in wrong)
            yield _suspect(
                f"{leaf} is wrong in block {listed} of {count}",
                f"Of {count} equal blocks of columns of {leaf}, only block {listed} is "
                "wrong.",
                "If the blocks are gates, check the derivative of that gate.",
            )
            return
