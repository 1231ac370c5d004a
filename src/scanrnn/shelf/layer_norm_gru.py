"""The gated recurrent unit with layer normalization (Ba, Kiros and Hinton 2016)::

    [r, z] = σ(N(xₜ W_x; s_x) + N(hₜ₋₁ W_h; s_h) + b)        the columns r, z, at once
    n  = tanh(N(xₜ W_x; s_x) + b + r ∘ (N(hₜ₋₁ W_h; s_h) + b_hn))    the columns n
    hₜ = (1 − z) ∘ n + z ∘ hₜ₋₁

with N(z; s) = s ∘ (z − μ) / √(σ² + ε), μ and σ² once over r and z and once over n. The
paper's z is 1 − z here, as in `sr.gru`, and its two shifts beside r and z are one b.

Source: arXiv 1607.06450, equations 23 to 25 of the supplementary material.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import draw_weights, sigmoid
from ..cells.gru import GRUState
from ..engine.products import floating, plus, times
from ..engine.values import flag, whole_number
from ..made import Call
from .normal import normal
from .shelved import positive, shelved


class LayerNormGRUParams(NamedTuple):
    """The letters of the equations; columns in the gate order r, z, n."""

    w_x: Array  # (X, 3H)
    w_h: Array  # (H, 3H)
    s_x: Array  # (3H,)
    s_h: Array  # (3H,)
    b: Array | None  # (3H,); None without a bias
    b_hn: Array | None  # (H,); likewise


def layer_norm_gru(
    hidden_size: int, *, bias: bool = True, epsilon: float = 1e-5
) -> Cell:
    """The gated recurrent unit with layer normalization, reset after the product.

    Args:
        hidden_size: H, the number of units.
        bias: whether there are b and b_hn; without them they are None in the params.
        epsilon: ε, added to each variance.

    Returns:
        A `Cell` with params `LayerNormGRUParams` (w_x, w_h, s_x, s_h, b, b_hn) and
        state (h,), (B, H). Weights are drawn as those of `sr.gru`, every s is 1. The
        same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.layer_norm_gru(5)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape
    (7, 2, 5)
    """
    size = whole_number("hidden_size", hidden_size)
    return _layer_norm_gru(size, flag("bias", bias), positive("epsilon", epsilon))


@functools.cache
def _layer_norm_gru(hidden_size: int, bias: bool, epsilon: float) -> Cell:
    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> LayerNormGRUParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 3, dtype)
        dtype = floating(dtype)
        one = jnp.ones(3 * hidden_size, dtype)
        b, b_hn = (jnp.zeros(n * hidden_size, dtype) if bias else None for n in (3, 1))
        return LayerNormGRUParams(w_x, w_h, one, one, b, b_hn)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> GRUState:
        return GRUState(jnp.zeros((batch_size, hidden_size), dtype))

    def parts(v: Array, scale: Array) -> tuple[Array, Array]:
        """N of the columns r and z, and N of the columns n."""
        at = [2 * hidden_size]
        pairs = zip(*(jnp.split(part, at, axis=-1) for part in (v, scale)), strict=True)
        gates, n = (normal(part, s, epsilon=epsilon) for part, s in pairs)
        return gates, n

    def step(params: LayerNormGRUParams, state: GRUState, x: Array) -> GRUState:
        x_rz, x_n = parts(times(x, params.w_x), params.s_x)
        h_rz, h_n = parts(times(state.h, params.w_h), params.s_h)
        b_rz, b_n = (
            (None, None)
            if params.b is None
            else jnp.split(params.b, [2 * hidden_size], axis=-1)
        )
        r, z = jnp.split(sigmoid(plus(x_rz + h_rz, b_rz)), 2, axis=-1)
        n = jnp.tanh(plus(x_n, b_n) + r * plus(h_n, params.b_hn))
        return GRUState((1 - z) * n + z * state.h)

    made_by = Call.of(layer_norm_gru, hidden_size, bias=bias, epsilon=epsilon)
    return shelved(step, init, start, made_by)
