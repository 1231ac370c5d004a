"""What is fed back of a prediction y, and how its cotangent goes back: E and E'ᵀ.

`feed` gives E(y) and what `pull` needs of it; `pull` takes the cotangent of E(y) to
that of y. `pull` is linear in it.
"""

import dataclasses
import math
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Feeds back the prediction as it is: E(y) = y, for regression."""

    def feed(self, y: Array) -> tuple[Array, None]:
        return y, None

    def pull(self, tape: None, d_p: Array) -> Array:
        return d_p


@dataclasses.dataclass(frozen=True)
class Probabilities:
    """Feeds back E(y) = softmax(y / temperature); its gradient is exact.

    Args:
        temperature: τ above 0. Near 0 the probabilities are nearly a choice, and
            their gradients nearly zero or large.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)

    def feed(self, y: Array) -> tuple[Array, Array]:
        p = jax.nn.softmax(y / self.temperature)
        return p, p

    def pull(self, tape: Array, d_p: Array) -> Array:
        mean = jnp.sum(tape * d_p, axis=-1, keepdims=True)
        return tape * (d_p - mean) / self.temperature


@dataclasses.dataclass(frozen=True)
class StraightThrough:
    """Feeds back a choice, one_hot(argmax y); goes back as `Probabilities` does.

    The derivative of a choice is zero almost everywhere. In its place stands that of
    softmax(y / temperature), so the gradient is biased: it is not the derivative of
    the loss that was computed, and no check against differences can pass. It equals
    what JAX makes of ``choice + p - stop_gradient(p)``. With Gumbel noise (see
    `forced`) it is the straight-through Gumbel-softmax estimator.

    Args:
        temperature: τ above 0, of the softmax on the way back.

    Sources: Bengio, Léonard and Courville 2013, arXiv 1308.3432; Jang, Gu and Poole
    2017, arXiv 1611.01144.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)

    def feed(self, y: Array) -> tuple[Array, Array]:
        p = jax.nn.softmax(y / self.temperature)
        chosen = jnp.argmax(y, axis=-1, keepdims=True)
        choice = (chosen == jnp.arange(y.shape[-1])).astype(y.dtype)
        return choice + (p - lax.stop_gradient(p)), p

    def pull(self, tape: Array, d_p: Array) -> Array:
        return Probabilities(self.temperature).pull(tape, d_p)


Feed: TypeAlias = Prediction | Probabilities | StraightThrough


def _check_temperature(temperature: float) -> None:
    if not (isinstance(temperature, int | float) and 0 < temperature < math.inf):
        raise ValueError(f"expected a temperature above 0, got {temperature!r}")
