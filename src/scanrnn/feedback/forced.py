"""The inputs of a feedback cell: what is given, when, and what comes along."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from ..engine.arrays import as_array


def forced(
    inputs: ArrayLike,
    gate: ArrayLike,
    *,
    noise: ArrayLike | None = None,
    further: ArrayLike | None = None,
) -> Array:
    """The xs of a `feedback` cell: what is given, what is not, and what comes along.

    Args:
        inputs: (T, B, Y) floats; tokens as one-hot. Read where the gate is True.
        gate: bool, (T, B) or what broadcasts to it, such as (T, 1): whether the input
            of a step is given. All True is teacher forcing, ``bernoulli(key, p, (T,
            B))`` is scheduled sampling.
        noise: (T, B, Y), added to a prediction before it is fed back; none if not
            given. With Gumbel noise `StraightThrough` feeds back a sample from
            softmax(y), and with τ times that noise one from softmax(y / τ).
        further: (T, B, E), inputs that are given at every step.

    Returns:
        (T, B, Y + E + 1): inputs where given, else noise; further; the gate.

    Raises:
        ValueError: if a shape or a dtype does not fit.

    >>> import jax.numpy as jnp, scanrnn as sr
    >>> sr.forced(jnp.ones((7, 5, 2)), True, further=jnp.ones((7, 5, 3))).shape
    (7, 5, 6)
    """
    inputs, gate = as_array("inputs", inputs), as_array("gate", gate)
    if inputs.ndim != 3 or not jnp.issubdtype(inputs.dtype, jnp.floating):
        raise ValueError(
            f"expected inputs: floats (T, B, Y), got {inputs.dtype} {inputs.shape}; "
            "tokens become one-hot by jax.nn.one_hot(tokens, V)"
        )
    steps = inputs.shape[:2]
    if gate.dtype != bool or not _broadcasts(gate.shape, steps):
        raise ValueError(
            f"expected gate: bool, {steps} or what broadcasts to it, got "
            f"{gate.dtype} {gate.shape}"
        )
    instead = jnp.zeros_like(inputs) if noise is None else as_array("noise", noise)
    if instead.shape != inputs.shape or jnp.iscomplexobj(instead):
        raise ValueError(
            f"expected noise: reals of the shape of inputs, {inputs.shape}, got "
            f"{instead.dtype} {instead.shape}"
        )
    more = inputs[..., :0] if further is None else as_array("further", further)
    if more.ndim != 3 or more.shape[:2] != steps or jnp.iscomplexobj(more):
        raise ValueError(
            f"expected further: reals {steps} and E, got {more.dtype} {more.shape}"
        )
    gates = jnp.broadcast_to(gate, steps)[..., None]
    parts = (
        jnp.where(gates, inputs, instead.astype(inputs.dtype)),
        more.astype(inputs.dtype),
        gates.astype(inputs.dtype),
    )
    return jnp.concatenate(parts, axis=-1)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return jnp.broadcast_shapes(shape, to) == to
    except ValueError:
        return False
