"""The minimal gated unit: one gate (Zhou, Wu, Zhang and Zhou 2016).

With columns f, n. The reset after the product is the form of Flax, which takes f for
the share that is kept; the reset before it is the paper's, where f is the share that is
written::

    after                                    before

    f  = σ(xₜ W_xf + hₜ₋₁ W_hf + b_f)        f  = σ(xₜ W_xf + hₜ₋₁ W_hf + b_f)
    n  = tanh(xₜ W_xn + b_n                  n  = tanh(xₜ W_xn + b_n
              + f ∘ (hₜ₋₁ W_hn + b_hn))                + (f ∘ hₜ₋₁) W_hn)
    hₜ = (1 − f) ∘ n + f ∘ hₜ₋₁              hₜ = f ∘ n + (1 − f) ∘ hₜ₋₁

Sources: Zhou et al. 2016, "Minimal Gated Unit for Recurrent Neural Networks",
arXiv 1603.09420; flax.linen.MGUCell.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import draw_weights, sigmoid
from ..cells.gru import GRUState
from ..engine.products import plus, times
from ..engine.values import flag, whole_number
from ..made import Call
from .shelved import biases, forget_bias_of, shelved


class MGUParams(NamedTuple):
    """The letters of the equations; columns f, n."""

    w_x: Array  # (X, 2H)
    w_h: Array  # (H, 2H)
    b: Array | None  # (2H,); None without a bias
    b_hn: Array | None  # (H,); None also where the reset comes before


def mgu(
    hidden_size: int,
    *,
    reset_after: bool = True,
    forget_bias: float | None = None,
    bias: bool = True,
) -> Cell:
    """The minimal gated unit: a GRU whose two gates are one.

    Args:
        hidden_size: H, the number of units.
        reset_after: whether f multiplies h_prev W_hn (True: Flax, one product a step)
            or h_prev itself (False: the paper, two products a step).
        forget_bias: the initial bias of f; if not given 1 as in Flax, where f is the
            share that is kept, and 0 in the paper's form.
        bias: whether there are b and b_hn; without them they are None in the params.

    Returns:
        A `Cell` with params `MGUParams` (w_x, w_h, b, b_hn), drawn as those of
        `sr.gru`, and state (h,), (B, H). The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.mgu(5)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape
    (7, 2, 5)
    """
    size = whole_number("hidden_size", hidden_size)
    after = flag("reset_after", reset_after)
    return _mgu(size, after, forget_bias_of(bias, forget_bias, _usual(after)))


def _usual(reset_after: bool) -> float:
    return 1.0 if reset_after else 0.0


@functools.cache
def _mgu(hidden_size: int, reset_after: bool, forget_bias: float | None) -> Cell:
    def init(key: Array, input_size: int, dtype: DTypeLike | None = None) -> MGUParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 2, dtype)
        b = biases(2, hidden_size, 0, forget_bias, dtype)
        has_own = b is not None and reset_after
        b_hn = jnp.zeros(hidden_size, dtype) if has_own else None
        return MGUParams(w_x, w_h, b, b_hn)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> GRUState:
        return GRUState(jnp.zeros((batch_size, hidden_size), dtype))

    def after(params: MGUParams, state: GRUState, x: Array) -> GRUState:
        x_f, x_n = jnp.split(plus(times(x, params.w_x), params.b), 2, axis=-1)
        h_f, h_n = jnp.split(times(state.h, params.w_h), 2, axis=-1)
        f = sigmoid(x_f + h_f)
        n = jnp.tanh(x_n + f * plus(h_n, params.b_hn))
        return GRUState((1 - f) * n + f * state.h)

    def before(params: MGUParams, state: GRUState, x: Array) -> GRUState:
        (x_f, x_n), (w_f, w_n) = (
            jnp.split(part, 2, axis=-1)
            for part in (plus(times(x, params.w_x), params.b), params.w_h)
        )
        f = sigmoid(x_f + times(state.h, w_f))
        n = jnp.tanh(x_n + times(f * state.h, w_n))
        return GRUState(f * n + (1 - f) * state.h)

    is_usual = forget_bias == _usual(reset_after)
    made_by = Call.of(
        mgu,
        hidden_size,
        reset_after=reset_after,
        forget_bias=None if is_usual else forget_bias,
        bias=forget_bias is not None,
    )
    return shelved(after if reset_after else before, init, start, made_by)
