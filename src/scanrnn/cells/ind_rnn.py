"""The independently recurrent network (Li et al. 2018): h = φ(x W_x + u ∘ h_prev + b).

Every unit remembers itself alone, by a weight of its own: the matrix of the simple
recurrent network is diagonal. With φ = relu or tanh::

    forward                                  backward, from dhₜ (outputs and time)

    (1) aₜ = xₜ W_x           project        (4) δₜ     = dhₜ ∘ φ'(zₜ)       pull
    (2) zₜ = aₜ + u ∘ hₜ₋₁ + b  step         (5) dhₜ₋₁  = δₜ ∘ u             pull
    (3) hₜ = φ(zₜ)            step           (6) du     = Σₜ hₜ₋₁ ∘ δₜ       collect
                                             (7) dW_x   = Σₜ xₜᵀ δₜ          collect
                                                 db     = Σₜ δₜ
                                                 dxₜ    = δₜ W_xᵀ

φ' is read off the output, as in `rnn.py`, and the tape is the state after the step. The
recurrence is diagonal, not affine: the way back alone can be parallel in time.

Over T steps a gradient meets u to the power of T, at most. So what bounds u bounds the
gradient, and that is all there is to be done about vanishing and exploding.

Source: Li, Li, Cook, Zhu and Gao 2018, "Independently Recurrent Neural Network
(IndRNN): Building A Longer and Deeper RNN", arXiv 1803.04831.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import (
    affine_vjp,
    beside,
    floating,
    plus,
    sum_leading,
    times,
    wide,
)
from ..engine.values import flag, one_of, positive, whole_number
from ..made import Call
from .gates import draw_input_weights
from .rnn import ACTIVATIONS


class IndRNNParams(NamedTuple):
    """The letters of the equations."""

    w_x: Array  # (X, H)
    u: Array  # (H,)
    b: Array | None  # (H,); None without a bias


class IndRNNState(NamedTuple):
    """All that the next step needs is the output."""

    h: Array  # (B, H)


def ind_rnn(
    hidden_size: int,
    *,
    activation: str = "relu",
    bias: bool = True,
    bound: float = 1.0,
) -> Cell:
    """The independently recurrent network h = φ(x W_x + u ∘ h_prev + b).

    Args:
        hidden_size: H, the number of units.
        activation: "relu" or "tanh".
        bias: whether there is a b; without one it is None in the params.
        bound: `init` draws u uniformly from [0, bound). The paper takes γ^(1/T) for
            sequences of T steps and relu, with γ = 2: over all of time a state then
            grows by γ at most. It keeps u there by clipping after every update, which
            is the optimiser's business and not the cell's.

    Returns:
        A `Cell` with params `IndRNNParams` (w_x, u, b) and state `IndRNNState` (h); its
        recurrence is diagonal. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.ind_rnn(5, bound=2 ** (1 / 7))
    >>> params = cell.init(jax.random.key(0), 3)
    >>> sr.unroll(cell, params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 5)
    """
    return _ind_rnn(
        whole_number("hidden_size", hidden_size),
        one_of("activation", activation, ACTIVATIONS),
        flag("bias", bias),
        positive("bound", bound),
    )


@functools.cache
def _ind_rnn(hidden_size: int, activation: str, bias: bool, bound: float) -> Cell:
    phi, phi_prime_of_output = ACTIVATIONS[activation]

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> IndRNNParams:
        key_x, key_u = jax.random.split(key)
        w_x = draw_input_weights(key_x, input_size, hidden_size, 1, dtype)
        dtype = floating(dtype)
        u = bound * jax.random.uniform(key_u, (hidden_size,), wide(dtype))
        b = jnp.zeros(hidden_size, dtype) if bias else None
        return IndRNNParams(w_x, u.astype(dtype), b)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> IndRNNState:
        return IndRNNState(jnp.zeros((batch_size, hidden_size), dtype))

    def project(params: IndRNNParams, xs: Array) -> Array:
        return times(xs, params.w_x)  # (1)

    def step(
        params: IndRNNParams, state: IndRNNState, drive: Array
    ) -> tuple[IndRNNState, IndRNNState]:
        z = plus(drive + _by_unit(params.u, state.h), params.b)  # (2)
        state = IndRNNState(phi(z))  # (3)
        return state, state

    def pull(
        params: IndRNNParams, tape: IndRNNState, d_state: IndRNNState
    ) -> tuple[IndRNNState, Array]:
        delta = d_state.h * phi_prime_of_output(tape.h)  # (4)
        return IndRNNState(_by_unit(params.u, delta)), delta  # (5)

    def collect(
        params: IndRNNParams, xs: Array, states_prev: IndRNNState, deltas: Array
    ) -> tuple[IndRNNParams, Array | None]:
        h_prev = states_prev.h.astype(wide(deltas.dtype))
        d_u = sum_leading(h_prev * deltas.astype(h_prev.dtype))  # (6)
        d_xs, d_w_x, d_b = affine_vjp(xs, params.w_x, params.b, deltas)  # (7)
        return IndRNNParams(d_w_x, d_u, d_b), d_xs

    options = {"activation": activation, "bias": bias, "bound": bound}
    made_by = Call.of(ind_rnn, hidden_size, **options)
    return Cell(
        init, start, project, step, pull, collect, made_by, recurrence="diagonal"
    )


def _by_unit(u: Array, x: Array) -> Array:
    """u ∘ x, u (H,) in the dtype of x (..., H)."""
    return beside(u.astype(x.dtype), x) * x
