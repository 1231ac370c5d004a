"""How large an error may be: what rounding does to this very computation.

A fixed tolerance is wrong twice: it rejects right gradients where terms cancel, and
lets wrong ones pass where they are small. So the reference is run again in float64
with every operation disturbed by as much as rounding in the audited dtype disturbs it::

    y = fl(op(x))   becomes   op(x) (1 + u e),            e in [-1, 1] at random
    a sum of terms  becomes   Σ terms + u e Σ |terms|

with u sixteen times the unit roundoff of the dtype, so that a disturbance of a float64
is more than its own last bit. How far the results move is, entry by entry, what another
right program may differ by: cancellation, saturated units, long sequences and large or
tiny scales are in it, the size of the array is not. The largest movement of `SAMPLES`
runs times `MARGIN` is allowed.

Source: Parker 1997, "Monte Carlo Arithmetic"; Vignes 2004, "Discrete Stochastic
Arithmetic for Validating Results of Numerical Software".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[Any]

# The chance that all runs move an entry by less than 1/64 of their spread σ is
# (0.0125)^6 = 4e-12 per entry; 64 = LOUDER * MARGIN also covers a right program with
# many more operations than the reference: errors of n roundings grow like √n.
SAMPLES = 6
LOUDER = 16.0
MARGIN = 4.0


def unit_roundoff(dtype: DTypeLike) -> float:
    """u: half the distance from 1 to the next number of the dtype.

    >>> unit_roundoff("float32")
    5.960464477539063e-08
    """
    return float(_limits(dtype).eps) / 2


def smallest(dtype: DTypeLike) -> float:
    """Below this, numbers of the dtype lose digits: an error of this size is none."""
    return float(_limits(dtype).tiny)


def _limits(dtype: DTypeLike) -> Any:
    return jnp.finfo(dtype)  # type: ignore[no-untyped-call]


class Rough(np.ndarray[Any, Any]):
    """An array whose every operation is disturbed; for references in NumPy.

    >>> import numpy as np
    >>> x = roughen(np.ones(3), 1e-8, np.random.default_rng(0))
    >>> bool(np.all(np.abs(np.asarray(x * x) - 1) < 1e-7))
    True
    """

    unit: float = 0.0
    rng: np.random.Generator = np.random.default_rng(0)

    def __array_finalize__(self, parent: Any) -> None:  # slices and likes of a parent
        self.unit = getattr(parent, "unit", self.unit)
        self.rng = getattr(parent, "rng", self.rng)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
    ) -> Any:
        options["out"] = (
            tuple(map(_plain, options["out"])) if "out" in options else None
        )
        if options["out"] is None:
            del options["out"]
        plain = [_plain(x) for x in inputs]
        result = getattr(ufunc, method)(*plain, **options)
        if not isinstance(result, np.ndarray | np.floating) or ufunc in EXACT:
            return result
        size = np.abs(result)
        if ufunc is np.matmul or method == "reduce":
            size = getattr(ufunc, method)(*map(np.abs, plain), **options)
        noise = self.unit * self.rng.uniform(-1, 1, np.shape(result)) * size
        return _rough(result + noise, self.unit, self.rng)


EXACT = {np.negative, np.absolute, np.greater, np.less, np.maximum, np.equal}


def roughen(x: Floats, unit: float, rng: np.random.Generator) -> Floats:
    """The values in float64, themselves off by one rounding, and rough from here on."""
    x = np.asarray(x, np.float64)
    return _rough(x * (1 + unit * rng.uniform(-1, 1, x.shape)), unit, rng)


def _rough(x: Any, unit: float, rng: np.random.Generator) -> Floats:
    result = np.asarray(x).view(Rough)
    result.unit, result.rng = unit, rng
    return result


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Rough) else x


class Expected(NamedTuple):
    """What a leaf should be, and what each entry may be off by."""

    value: Floats  # float64
    allowed: Floats  # float64, of the same shape


def expected_from(
    run: Callable[[Callable[[Floats], Floats]], Mapping[str, Floats]], dtype: DTypeLike
) -> dict[str, Expected]:
    """Runs a NumPy reference clean and disturbed.

    Args:
        run: computes the leaves by name; it passes every input through its argument.
        dtype: that of the audited program.
    """
    clean = run(lambda x: np.asarray(x, np.float64))
    unit = LOUDER * unit_roundoff(dtype)
    moved = {leaf: np.zeros(np.shape(value)) for leaf, value in clean.items()}
    for seed in range(SAMPLES):
        rng = np.random.default_rng(seed)
        rough = run(lambda x, rng=rng: roughen(x, unit, rng))  # type: ignore[misc]
        for leaf, value in rough.items():
            move = np.abs(np.asarray(_plain(value)) - clean[leaf])
            moved[leaf] = np.maximum(moved[leaf], move)
    return {
        leaf: Expected(value, allowance(value, moved[leaf], dtype))
        for leaf, value in clean.items()
    }


def allowance(value: Floats, moved: Floats, dtype: DTypeLike) -> Floats:
    """What an entry may be off by, from how far it moved under disturbance."""
    least = np.maximum(moved, LOUDER * unit_roundoff(dtype) * np.abs(value))
    return np.asarray(MARGIN * least + smallest(dtype))


class Difference(NamedTuple):
    """Where a found leaf departs most from what was expected."""

    error: float  # relative to the largest entry expected
    allowed: float  # at the worst entry, in the same unit
    where: tuple[int, ...]
    wrong: NDArray[np.bool_]  # entry by entry


def compare(found: Floats, expected: Expected) -> Difference:
    """The worst entry: the one furthest beyond what it is allowed."""
    found = np.asarray(found, np.float64)
    with np.errstate(all="ignore"):
        error = np.abs(found - expected.value)
        error = np.where(found == expected.value, 0, error)
        excess = np.where(np.isnan(error), np.inf, error / expected.allowed)
    if excess.size == 0:
        return Difference(0.0, 0.0, (), np.zeros(found.shape, bool))
    where = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
    scale = float(np.max(np.abs(expected.value))) or 1.0
    return Difference(
        float(error[where]) / scale,
        float(expected.allowed[where]) / scale,
        where,
        ~(excess <= 1),
    )


def first_from_the_end(wrong: Sequence[bool]) -> int | None:
    """The largest index that is True: the first wrong step of a way back."""
    return max((t for t, is_wrong in enumerate(wrong) if is_wrong), default=None)
