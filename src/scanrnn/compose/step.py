"""One step of a cell or a layer, for serving and environments."""

from typing import Any

from jax import Array
from jax.typing import ArrayLike

from ..cell import Cell, Params
from ..engine.arrays import as_array
from ..engine.values import shown
from ..step import step_of_cell
from .layer import Layer


def step(
    of: Cell | Layer, params: Params, state: Any, x: ArrayLike
) -> tuple[Array, Any]:
    """One step: no time axis, no tape, no loop.

    What `unroll` does at one step, bit for bit where the compiler lets it. Nothing is
    dropped by dropout, but for a mask that the state carries.

    Args:
        of: a cell or a layer.
        params: as its `init` makes them.
        state: the state before the step, as its `start` makes it.
        x: floats (B, X) or tokens (B,); without a batch (X,) or (), and the state
            without a batch axis then.

    Returns:
        The output (B, H), and the state after the step.

    Raises:
        ValueError: as `unroll`; or if the layer reads in both directions, so that it
            has no step.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> deep = sr.stack(sr.gru(4), sr.lstm(5))
    >>> params = deep.init(jax.random.key(0), 3)
    >>> output, state = sr.step(deep, params, deep.start(2), jnp.ones((2, 3)))
    >>> output.shape
    (2, 5)
    """
    if isinstance(of, Cell):
        return step_of_cell(of, params, state, x)
    if not isinstance(of, Layer):
        raise ValueError(
            f"expected a cell or a layer, such as sr.gru(8), got {shown(of)}; a "
            "factory is to be called"
        )
    if of.step is None:
        raise ValueError(
            "expected a layer that reads forwards, got one with a bidirectional part: "
            "it has to see the end of the sequence first"
        )
    return of.step(params, state, as_array("x", x))
