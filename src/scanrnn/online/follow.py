"""A stretch of a stream with the same params, and its gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from ..cell import Params, State
from ..engine.arrays import as_array, as_arrays
from ..engine.mesh import vary_along, varying_axes
from ..engine.products import wide
from .learner import Learner, Memory


class Followed(NamedTuple):
    """What `follow` returns."""

    memory: Memory  # after the last step
    losses: Array  # (T,), of every step
    d_params: Params  # of their sum, through all of the past
    d_others: Any


def follow(
    learner: Learner,
    params: Params,
    memory: Memory,
    xs: ArrayLike,
    loss: Callable[[Any, Array, Any], Array],
    others: Any = (),
    targets: Any = None,
    *,
    mask: ArrayLike | None = None,
    resets: ArrayLike | None = None,
    reset_to: State | None = None,
) -> Followed:
    """The steps of a stretch, and the gradient of the sum of their losses.

    Stands for::

        for t in range(T):
            memory, h = learner.step(params, memory, xs[t], mask[t], resets[t])
            losses[t] = loss(others, h, targets[t])
            d_params += learner.gradient(memory, the derivative of losses[t] by h)
            d_others += its derivative by others

    How stale the influence may get is chosen by the length of a stretch: a whole
    sequence with an update behind it is exact; one step and an update is the usual way;
    k steps and an update are in between. The memory goes on from stretch to stretch.

    Args:
        learner, params, memory: as for `Learner.step`.
        xs: floats (T, B, X) or tokens (T, B).
        loss: ``loss(others, h, target)``, a number, from the output (B, H) of a step.
        others: what the loss reads besides and is learned as well: a readout's params.
        targets: a pytree of (T, ...), of which the loss sees one step; or None.
        mask, resets: (T, B) bool, as for `sr.unroll`; reset_to as for `Learner.step`.

    Returns:
        `Followed`: memory, losses, d_params, d_others; d_params is float32 for 16-bit
        params.

    Raises:
        ValueError: as `Learner.step`; or if the lengths differ.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> from scanrnn.online import SnAp, follow, online
    >>> cell = sr.gru(4)
    >>> params, readout = cell.init(jax.random.key(0), 3), jnp.ones(4)
    >>> def loss(readout, h, target):
    ...     return jnp.mean((h @ readout - target) ** 2)
    >>> learner = online(cell, SnAp(1))
    >>> memory = learner.init(params, cell.start(2))
    >>> for xs in jnp.ones((5, 10, 2, 3)):  # an update every 10 steps
    ...     memory, losses, d_params, d_readout = follow(
    ...         learner, params, memory, xs, loss, readout, jnp.zeros((10, 2)))
    ...     params = jax.tree.map(lambda p, d: p - 0.1 * d, params, d_params)
    >>> losses.shape
    (10,)
    """
    params, steps = as_arrays("params", params), as_array("xs", xs)
    flags = {"mask": mask, "resets": resets}
    arrays = {k: as_array(k, v) for k, v in flags.items() if v is not None}
    along = (steps, as_arrays("targets", targets), arrays)
    _check_lengths(along)

    def one(carry: Any, at: Any) -> tuple[Any, Array]:
        memory, d_params, d_others = carry
        x, target, flags = at
        memory, h = learner.step(
            params, memory, x, mask=flags.get("mask"), reset=flags.get("resets"),
            reset_to=reset_to,
        )  # fmt: skip
        told, (d_more, d_h) = jax.value_and_grad(loss, (0, 1))(others, h, target)
        d_params = jax.tree.map(jnp.add, d_params, learner.gradient(memory, d_h))
        return (memory, d_params, jax.tree.map(_add, d_others, d_more)), told

    zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, wide(p.dtype)), (params, others))
    carry = (memory, *zeros)
    carry = vary_along(carry, varying_axes((memory, params, others, along)))
    (memory, d_params, d_others), losses = lax.scan(one, carry, along)
    return Followed(memory, losses, d_params, d_others)


def _add(sum_of: Array, more: Array) -> Array:
    return sum_of + more.astype(sum_of.dtype)


def _check_lengths(along: Any) -> None:
    leaves = jax.tree.leaves(along)
    if any(not leaf.ndim for leaf in leaves):
        raise ValueError("expected xs, targets, mask and resets with time first")
    lengths = [leaf.shape[0] for leaf in leaves]
    if len(set(lengths)) > 1:
        raise ValueError(
            "expected xs, targets, mask and resets of one length T, time first, got "
            f"{lengths}"
        )
