"""How much each character of a prompt moves a prediction, by several methods."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from shared.reader import Reader

POINTS = 64  # of the integral; 32 leave a gap of 0.03 nats in the worst of 200 prompts


class Question(NamedTuple):
    """Prompts, and the prediction that is asked about."""

    tokens: Array  # (T, B)
    targets: Array  # (B,), the likeliest next characters
    before: Array  # (B,), their log-probabilities


def question(reader: Reader, tokens: Array) -> Question:
    """Which next character is likeliest, and how likely."""
    last = reader.log_probabilities(tokens)[-1]
    return Question(tokens, last.argmax(-1), last.max(-1))


def predict(reader: Reader, xs: Array, targets: Array) -> Array:
    """f: inputs (T, B, V) or (T, B), targets (B,) -> log-probabilities (B,)."""
    last = reader.log_probabilities(xs)[-1]
    return jnp.take_along_axis(last, targets[:, None], -1)[:, 0]


def d_inputs(reader: Reader, xs: Array, targets: Array) -> Array:
    """dx, (T, B, V): the derivative of every f by its own inputs."""
    return jax.grad(lambda xs: predict(reader, xs, targets).sum())(xs)


def integrated_gradients(
    reader: Reader, xs: Array, baseline: Array, targets: Array, points: int = POINTS
) -> Array:
    """⟨the mean of dx on the way from the baseline, xs − baseline⟩, (T, B).

    The integral is a Gauss-Legendre sum, which converges faster than any power of
    the number of points where f is smooth.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)

    def add(total: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        at, weight = node
        between = baseline + at * (xs - baseline)
        return total + weight * d_inputs(reader, between, targets), None

    on_unit = (jnp.float32((nodes + 1) / 2), jnp.float32(weights / 2))
    mean, _ = lax.scan(add, jnp.zeros_like(xs), on_unit)
    return jnp.sum(mean * (xs - baseline), -1)


def occlusion(reader: Reader, xs: Array, baseline: Array, targets: Array) -> Array:
    """What f loses where one character becomes the average: T forward passes.

    Source: Zeiler and Fergus 2014, arXiv 1311.2901.
    """
    before = predict(reader, xs, targets)

    def without(step: Array) -> Array:
        return before - predict(reader, xs.at[step].set(baseline[step]), targets)

    return lax.map(without, jnp.arange(len(xs)))


def attributions(reader: Reader, asked: Question) -> dict[str, np.ndarray]:
    """One number per character, (T, B), by each method; the largest matter most."""

    @jax.jit
    def compute(tokens: Array, targets: Array) -> dict[str, Array]:
        xs = jax.nn.one_hot(tokens, reader.vocabulary.size)
        baseline = jnp.broadcast_to(reader.frequencies(), xs.shape)
        d_xs = d_inputs(reader, xs, targets)
        return {
            "gradient": jnp.linalg.norm(d_xs, axis=-1),
            "gradient x input": jnp.sum(d_xs * (xs - baseline), -1),
            "integrated gradients": integrated_gradients(reader, xs, baseline, targets),
            "occlusion": occlusion(reader, xs, baseline, targets),
        }

    return jax.tree.map(np.asarray, compute(asked.tokens, asked.targets))


def completeness(
    reader: Reader, asked: Question, attributed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the attributions, and f(x) − f(baseline): both (B,)."""
    shape = (*asked.tokens.shape, reader.vocabulary.size)
    baseline = jnp.broadcast_to(reader.frequencies(), shape)
    change = asked.before - predict(reader, baseline, asked.targets)
    return attributed.sum(0), np.asarray(change)


def controls(shape: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    """What needs no gradient: the characters read last, and any."""
    length, count = shape
    places = np.broadcast_to(np.arange(length)[:, None], (length, count))
    return {
        "the last ones": places.astype(np.float32),
        "random": np.random.default_rng(seed).random(shape, np.float32),
    }
