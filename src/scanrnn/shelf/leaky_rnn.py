"""The leaky, or continuous-time, RNN with a time constant of every unit.

The equation τ dh/dt = −h + φ(x W_x + h W_h + b), over one step of length Δ::

    aₜ = φ(xₜ W_x + hₜ₋₁ W_h + b)
    hₜ = hₜ₋₁ + α ∘ (aₜ − hₜ₋₁)

    α  = 1 − exp(−Δ / τ)     "exponential": exact while aₜ is held over the step
    α  = Δ / τ               "euler"; stable where τ > Δ / 2

τ = exp(log τ) is positive whatever is learned. α depends on the params alone: it is
made once, outside of the loop.

Sources: Funahashi and Nakamura 1993, "Approximation of Dynamical Systems by Continuous
Time Recurrent Neural Networks"; with leaky units per unit, Jaeger, Lukoševičius,
Popovici and Siewert 2007, "Optimization and Applications of Echo State Networks with
Leaky-Integrator Neurons".
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell
from ..cells.gates import draw_weights
from ..cells.rnn import ACTIVATIONS, RNNState
from ..engine.products import beside, floating, wide
from ..engine.values import flag, one_of, shown, whole_number
from ..made import Call
from .shelved import positive, recurrent, shelved


class LeakyRNNParams(NamedTuple):
    """The letters of the equations."""

    w_x: Array  # (X, H)
    w_h: Array  # (H, H)
    log_tau: Array  # (H,)
    b: Array | None  # (H,); None without a bias


def leaky_rnn(
    hidden_size: int,
    *,
    dt: float = 1.0,
    tau: tuple[float, float] = (1.0, 10.0),
    method: str = "exponential",
    activation: str = "tanh",
    bias: bool = True,
) -> Cell:
    """The continuous-time RNN with a learned time constant of every unit.

    Args:
        hidden_size: H, the number of units.
        dt: Δ, the length of a step, in the units of tau.
        tau: the least and the greatest time constant that is drawn; log τ is drawn
            uniform between their logarithms, so that every scale of time has units.
        method: "exponential" or "euler".
        activation: φ, "tanh" or "relu".
        bias: whether there is a b; without one it is None in the params.

    Returns:
        A `Cell` with params `LeakyRNNParams` (w_x, w_h, log_tau, b), the weights drawn
        as those of `sr.rnn`, and state (h,), (B, H). The same arguments give the same
        cell.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.shelf.leaky_rnn(5, dt=0.1)
    >>> @jax.eval_shape  # the shapes alone
    ... def run():
    ...     params = cell.init(jax.random.key(0), 3)
    ...     return sr.unroll(cell, params, jnp.ones((7, 2, 3)))
    >>> run.outputs.shape
    (7, 2, 5)
    """
    return _leaky_rnn(
        whole_number("hidden_size", hidden_size),
        positive("dt", dt),
        _range(tau),
        one_of("method", method, ("exponential", "euler")),
        one_of("activation", activation, ACTIVATIONS),
        flag("bias", bias),
    )


def _range(tau: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(tau, tuple | list) or len(tau) != 2:
        raise ValueError(f"expected tau, a pair (least, greatest), got {shown(tau)}")
    least, greatest = (positive("tau", value) for value in tau)
    if least > greatest:
        raise ValueError(f"expected tau, a pair (least, greatest), got {shown(tau)}")
    return least, greatest


@functools.cache
def _leaky_rnn(
    hidden_size: int,
    dt: float,
    tau: tuple[float, float],
    method: str,
    activation: str,
    bias: bool,
) -> Cell:
    phi, _ = ACTIVATIONS[activation]

    def init(
        key: Array, input_size: int, dtype: DTypeLike | None = None
    ) -> LeakyRNNParams:
        key_w, key_tau = jax.random.split(key)
        w_x, w_h = draw_weights(key_w, input_size, hidden_size, 1, dtype)
        dtype, (least, greatest) = floating(dtype), map(math.log, tau)
        log_tau = least + (greatest - least) * jax.random.uniform(
            key_tau, (hidden_size,), wide(dtype)
        )
        b = jnp.zeros(hidden_size, dtype) if bias else None
        return LeakyRNNParams(w_x, w_h, log_tau.astype(dtype), b)

    def start(batch_size: int, dtype: DTypeLike | None = None) -> RNNState:
        return RNNState(jnp.zeros((batch_size, hidden_size), dtype))

    def step(params: LeakyRNNParams, state: RNNState, x: Array) -> RNNState:
        a = phi(recurrent(x, state.h, params.w_x, params.w_h, params.b))
        rate = dt * jnp.exp(-params.log_tau.astype(a.dtype))
        alpha = -jnp.expm1(-rate) if method == "exponential" else rate
        return RNNState(state.h + beside(alpha, a) * (a - state.h))

    made_by = Call.of(
        leaky_rnn,
        hidden_size,
        dt=dt,
        tau=tau,
        method=method,
        activation=activation,
        bias=bias,
    )
    return shelved(step, init, start, made_by)
