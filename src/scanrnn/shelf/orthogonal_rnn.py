"""The RNN with an orthogonal recurrent matrix, whatever is learned::

    A   = the skew-symmetric matrix (A = −Aᵀ) with a above its diagonal
    W_h = (I + A)⁻¹ (I − A) D            Cayley; D = diag(−1, ..., −1, 1, ..., 1)
    zₜ  = xₜ W_x + hₜ₋₁ W_h
    hₜ  = sign(zₜ) ∘ relu(|zₜ| + b)      modReLU

W_h keeps the length of what it multiplies, there and back, so that gradients neither
fade nor grow by it. Without D no W_h has the eigenvalue −1. W_h depends on the params
alone: the solve is made once, outside of the loop, and differentiated once.

Sources: Helfrich, Willmott and Ye 2018, "Orthogonal Recurrent Neural Networks with
Scaled Cayley Transform", arXiv 1707.09520; modReLU: Arjovsky, Shah and Bengio 2016,
arXiv 1511.06464.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.rnn import RNNState
from ..engine.products import beside, floating, times, wide
from ..engine.values import shown, whole_number
from ..made import Call
from .shelved import shelved


class OrthogonalRNNParams(NamedTuple):
    """The letters of the equations."""

    w_x: Array  # (X, H)
    a: Array  # (H (H − 1) / 2,), row by row above the diagonal of A
    b: Array  # (H,)


def orthogonal_rnn(hidden_size: int, *, reflections: int = 0) -> Cell:
    """The RNN with an orthogonal recurrent matrix (scoRNN).

    Args:
        hidden_size: H, the number of units, at least 2.
        reflections: how many of the diagonal of D are −1, the first ones.

    Returns:
        A `Cell` with params `OrthogonalRNNParams` (w_x, a, b) and state (h,), (B, H).
        W_x is Glorot uniform; A begins with blocks of rotations by angles uniform in
        [0, π / 2], as in the source; b is uniform in ±0.01. The same arguments give
        the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.orthogonal_rnn(5)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape
    (7, 2, 5)
    """
    size = whole_number("hidden_size", hidden_size, 2)
    count = whole_number("reflections", reflections, 0)
    if count > size:
        raise ValueError(
            f"expected reflections of at most hidden_size {size}, got {shown(count)}"
        )
    return _orthogonal_rnn(size, count)


@functools.cache
def _orthogonal_rnn(hidden_size: int, reflections: int) -> Cell:
    above = np.triu_indices(hidden_size, 1)

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> OrthogonalRNNParams:
        dtype, size = floating(dtype), whole_number("input_size", input_size)
        key_x, key_a, key_b = jax.random.split(key, 3)
        draw_x = jax.nn.initializers.glorot_uniform(dtype=wide(dtype))
        angles = jax.random.uniform(
            key_a, (hidden_size // 2,), wide(dtype), 0, math.pi / 2
        )
        # The Cayley transform of [[0, s], [−s, 0]] turns by 2 atan(s).
        first = np.arange(0, hidden_size - 1, 2)
        skew = jnp.zeros((hidden_size, hidden_size), wide(dtype))
        skew = skew.at[first, first + 1].set(jnp.tan(angles / 2))
        b = jax.random.uniform(key_b, (hidden_size,), wide(dtype), -0.01, 0.01)
        made = draw_x(key_x, (size, hidden_size)), skew[above], b
        return OrthogonalRNNParams(*(leaf.astype(dtype) for leaf in made))

    def start(batch_size: int, dtype: DTypeLike | None = None) -> RNNState:
        return RNNState(jnp.zeros((batch_size, hidden_size), dtype))

    def step(params: OrthogonalRNNParams, state: RNNState, x: Array) -> RNNState:
        w_h = orthogonal(params.a, hidden_size, reflections)
        z = times(x, params.w_x) + times(state.h, w_h.astype(params.a.dtype))
        b = beside(params.b.astype(z.dtype), z)
        return RNNState(jnp.sign(z) * jax.nn.relu(jnp.abs(z) + b))

    made_by = Call.of(orthogonal_rnn, hidden_size, reflections=reflections)
    return shelved(step, init, start, made_by)


def orthogonal(a: Array, size: int, reflections: int = 0) -> Array:
    """W_h = (I + A)⁻¹ (I − A) D of an `orthogonal_rnn`.

    Args:
        a: (H (H − 1) / 2,), what stands above the diagonal of A, row by row.
        size: H.
        reflections: how many of the diagonal of D are −1.

    Returns:
        (H, H), orthogonal; in float32 for 16-bit floats: a solve has no 16-bit form.
    """
    dtype = wide(a.dtype)
    above = (
        jnp.zeros((size, size), dtype).at[np.triu_indices(size, 1)].set(a.astype(dtype))
    )
    skew, one = above - above.T, jnp.eye(size, dtype=dtype)
    signs = jnp.where(np.arange(size) < reflections, -1, 1).astype(dtype)
    return jnp.linalg.solve(one + skew, one - skew) * signs[None]
