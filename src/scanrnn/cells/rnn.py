"""The simple recurrent network (Elman 1990): h = φ(x W_x + h_prev W_h + b).

With φ = tanh or relu, and ∘ for the product element by element::

    forward                                  backward, from dhₜ (outputs and time)

    (1) aₜ = xₜ W_x           project        (4) δₜ     = dhₜ ∘ φ'(zₜ)       pull
    (2) zₜ = aₜ + hₜ₋₁ W_h + b  step         (5) dhₜ₋₁  = δₜ W_hᵀ            pull
    (3) hₜ = φ(zₜ)            step           (6) dW_h   = Σₜ hₜ₋₁ᵀ δₜ        collect
                                             (7) dW_x   = Σₜ xₜᵀ δₜ          collect
                                                 db     = Σₜ δₜ
                                                 dxₜ    = δₜ W_xᵀ

φ' is read off the output, so neither zₜ nor a second tanh is needed:
tanh' = 1 − h², relu' = [h > 0]; so the tape is the state after the step. The engine
adds to dhₜ₋₁ what arrives from the output at t − 1; that sum of two streams is the dhₜ
of the next step back.

Source: Elman 1990, "Finding Structure in Time"; derivation: Werbos 1990,
"Backpropagation Through Time".
"""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import affine_vjp, plus, sum_of_outer, times, times_transposed
from ..engine.values import flag, one_of, whole_number
from ..made import Call
from .gates import draw_weights


class RNNParams(NamedTuple):
    """The letters of the equations."""

    w_x: Array  # (X, H)
    w_h: Array  # (H, H)
    b: Array | None  # (H,); None without a bias


class RNNState(NamedTuple):
    """All that the next step needs is the output."""

    h: Array  # (B, H)


Pointwise: TypeAlias = Callable[[Array], Array]

# φ, and φ' as a function of the output.
ACTIVATIONS: dict[str, tuple[Pointwise, Pointwise]] = {
    "tanh": (jnp.tanh, lambda h: 1 - h * h),
    "relu": (jax.nn.relu, lambda h: (h > 0).astype(h.dtype)),
}


def rnn(hidden_size: int, *, activation: str = "tanh", bias: bool = True) -> Cell:
    """The simple recurrent network h = φ(x W_x + h_prev W_h + b).

    Args:
        hidden_size: H, the number of units.
        activation: "tanh" or "relu".
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `RNNParams` (w_x, w_h, b) and state `RNNState` (h). The
        same arguments give the same cell, so it can be a static argument of jit.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.rnn(5, activation="relu")
    >>> params = cell.init(jax.random.key(0), 3)
    >>> sr.unroll(cell, params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 5)
    """
    return _rnn(
        whole_number("hidden_size", hidden_size),
        one_of("activation", activation, ACTIVATIONS),
        flag("bias", bias),
    )


@functools.cache
def _rnn(hidden_size: int, activation: str, bias: bool) -> Cell:
    phi, phi_prime_of_output = ACTIVATIONS[activation]

    def init(key: Array, input_size: int, dtype: DTypeLike | None = None) -> RNNParams:
        w_x, w_h = draw_weights(key, input_size, hidden_size, 1, dtype)
        return RNNParams(w_x, w_h, jnp.zeros(hidden_size, dtype) if bias else None)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> RNNState:
        return RNNState(jnp.zeros((batch_size, hidden_size), dtype))

    def project(params: RNNParams, xs: Array) -> Array:
        return times(xs, params.w_x)  # (1)

    def step(
        params: RNNParams, state: RNNState, drive: Array
    ) -> tuple[RNNState, RNNState]:
        z = plus(drive + times(state.h, params.w_h), params.b)  # (2)
        state = RNNState(phi(z))  # (3)
        return state, state

    def pull(
        params: RNNParams, tape: RNNState, d_state: RNNState
    ) -> tuple[RNNState, Array]:
        delta = d_state.h * phi_prime_of_output(tape.h)  # (4)
        return RNNState(times_transposed(delta, params.w_h, d_state.h)), delta  # (5)

    def collect(
        params: RNNParams, xs: Array, states_prev: RNNState, deltas: Array
    ) -> tuple[RNNParams, Array | None]:
        d_w_h = sum_of_outer(states_prev.h, deltas, params.w_h)  # (6)
        d_xs, d_w_x, d_b = affine_vjp(xs, params.w_x, params.b, deltas)  # (7)
        return RNNParams(d_w_x, d_w_h, d_b), d_xs

    made_by = Call.of(rnn, hidden_size, activation=activation, bias=bias)
    return Cell(init, start, project, step, pull, collect, made_by)
