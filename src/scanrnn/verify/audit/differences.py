"""Derivatives without any rule: central differences in float64, with their own error.

The five-point formula of order four,
f' = (8 (f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h, at two sizes of h; their
difference bounds what truncation does, u |f| / h what rounding does.

Source: Abramowitz and Stegun 1964, "Handbook of Mathematical Functions", 25.3.6.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..rounding import LOUDER, MARGIN, Expected, Floats, unit_roundoff

WHOLE = 256  # leaves up to this size are checked entry by entry
DIRECTIONS = 4
STEP = 2.0**-9  # near u^(1/5), where truncation and rounding of order four meet


def directional(
    loss: Callable[[Any], Any], x: Any, gradient: Floats
) -> tuple[Floats, Expected]:
    """A gradient seen along directions, and what the differences say of them.

    Returns:
        For a small leaf the gradient itself, else its products with random directions;
        and the same from differences of ``loss``, with what they may be off by.
    """
    whole = x.size <= WHOLE
    if whole:
        ways = np.eye(x.size).reshape(x.size, *x.shape)
    else:
        ways = np.random.default_rng(0).choice([-1.0, 1.0], (DIRECTIONS, *x.shape))
    scale = float(np.max(np.abs(np.asarray(x)), initial=0)) or 1.0
    seen = np.tensordot(ways, gradient, gradient.ndim)
    fine, size = _central(loss, x, ways, STEP * scale)
    coarse, _ = _central(loss, x, ways, 2 * STEP * scale)
    noise = unit_roundoff("float64") * size / (STEP * scale)
    allowed = LOUDER * MARGIN * noise + np.abs(fine - coarse)
    shape = x.shape if whole else (len(ways),)
    return seen.reshape(shape), Expected(fine.reshape(shape), allowed.reshape(shape))


def _central(
    loss: Callable[[Any], Any], x: Any, ways: Floats, h: float
) -> tuple[Floats, float]:
    values = jax.jit(jax.vmap(lambda way, k: loss(x + k * way), in_axes=(0, None)))
    at = {
        k: np.asarray(values(jnp.asarray(ways), k * h)) for k in (-2.0, -1.0, 1.0, 2.0)
    }
    slope = (8 * (at[1.0] - at[-1.0]) - (at[2.0] - at[-2.0])) / (12 * h)
    return slope, max(float(np.max(np.abs(v))) for v in at.values())
