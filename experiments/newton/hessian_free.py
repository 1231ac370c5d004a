"""Newton's method without the matrix: conjugate gradients, damped.

At every update a fresh batch, its gradient g, and with G its Gauss-Newton matrix::

    (1) d ≈ −(G + λ 1 + λ μ S)⁻¹ g     K conjugate gradients, from 0.95 of the last d
    (2) ρ = (L(p + d) − L(p)) / (gᵀd + ½ dᵀ(G + λ μ S) d)
    (3) λ ← ⅔ λ if ρ > ¾, 3/2 λ if ρ < ¼, 4 λ if ρ < −1     (Levenberg-Marquardt)
    (4) p ← p + αd, with the first α of 1, ½, ¼, ... that lowers L, or 0

S is structural damping: the Gauss-Newton matrix of ½ |h − h⁰|², the mean over steps and
sequences, h⁰ the hidden outputs now. It holds back what would change the states, where
λ alone asks for small changes of the weights, of which the states are no fair measure.
It costs nothing: hidden outputs are outputs, and this is one more term of their loss.

Sources: Martens 2010, "Deep learning via Hessian-free optimization", of which (1) to
(4) are the outline, without its preconditioner and its choice among iterates; S, of
Martens and Sutskever 2011, "Learning recurrent neural networks with Hessian-free
optimization".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.sparse.linalg import cg
from shared.memory import Net

import scanrnn as sr

from .problems import Problem

# In gradients: what a product with G costs (docs/curvature.md), and a loss alone.
PRODUCT, VALUE = 1.2, 0.4
LEAST = 1 / 64  # the smallest α


class Settings(NamedTuple):
    """What is chosen of the method."""

    batch: int = 100
    iterations: int = 40  # K
    structural: float = 10.0  # μ
    damping: float = 0.1  # the first λ
    decay: float = 0.95


class Search(NamedTuple):
    """Between updates."""

    net: Net
    d: Net
    damping: Array  # λ


class Told(NamedTuple):
    """Of an update."""

    loss: Array  # before it
    ratio: Array  # ρ
    damping: Array
    rate: Array  # α
    length: Array  # |αd|
    work: Array  # gradients of one sequence that it cost as much as


def begin(net: Net, settings: Settings) -> Search:
    """The first state."""
    zeros = jax.tree.map(jnp.zeros_like, net)
    return Search(net, zeros, jnp.asarray(settings.damping))


def updater(
    problem: Problem, settings: Settings
) -> Callable[[Search, Array], tuple[Search, Told]]:
    """One update as one compiled program."""

    def update(search: Search, key: Array) -> tuple[Search, Told]:
        net, last, damping = search

        def whole(net: Net) -> Array:
            return problem.loss_of(net, key, settings.batch)

        value, d_net = jax.value_and_grad(whole)(net)
        curvature = curvature_of(problem, settings, net, key, damping)
        d, _ = cg(
            curvature + damping,
            jax.tree.map(jnp.negative, d_net),
            x0=jax.tree.map(lambda leaf: settings.decay * leaf, last),
            tol=0.0,
            maxiter=settings.iterations,
        )  # (1)
        predicted = dot(d_net, d) + 0.5 * dot(d, curvature(d))
        after = whole(moved(net, 1.0, d))
        ratio = (after - value) / predicted  # (2)
        rate, tries = _searched(lambda rate: whole(moved(net, rate, d)), value, after)
        works = rate > 0
        d = jax.tree.map(lambda leaf: jnp.where(works, leaf, 0), d)
        products = PRODUCT * (settings.iterations + 2)
        work = settings.batch * (1 + products + VALUE * tries)
        next_damping = damping * _factor(ratio)  # (3)
        length = rate * jnp.sqrt(dot(d, d))
        search = Search(moved(net, rate, d), d, next_damping)
        return search, Told(value, ratio, damping, rate, length, work)

    return jax.jit(update)


def curvature_of(
    problem: Problem, settings: Settings, net: Net, key: Array, damping: Array
) -> sr.Curvature:
    """G + λ μ S of a batch."""
    batch = problem.draw(key, settings.batch)

    def outputs(net: Net) -> tuple[Array, Array]:
        return problem.outputs(net, batch, sr.Linearized())

    def loss(outputs: tuple[Array, Array]) -> Array:
        answers, hs = outputs
        changes = jnp.sum((hs - lax.stop_gradient(hs)) ** 2, axis=-1)
        weight = 0.5 * settings.structural * damping
        return problem.loss(answers, batch) + weight * jnp.mean(changes)

    return sr.gauss_newton(outputs, loss, net)


def _factor(ratio: Array) -> Array:
    """What λ is multiplied by; a ratio that is no number counts as bad."""
    bad = jnp.where(ratio >= -1, 1.5, 4.0)
    return jnp.where(ratio > 0.75, 2 / 3, jnp.where(ratio >= 0.25, 1.0, bad))


def _searched(
    loss_at: Callable[[Array], Array], before: Array, after: Array
) -> tuple[Array, Array]:
    """(4): α, and how many were tried."""

    def worse(at: tuple[Array, Array, Array]) -> Array:
        rate, loss, _ = at
        return ~(loss < before) & (rate >= LEAST)

    def halved(at: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rate, _, tries = at
        return rate / 2, loss_at(rate / 2), tries + 1

    first = jnp.ones(()), after, jnp.ones(())
    rate, loss, tries = lax.while_loop(worse, halved, first)
    return jnp.where(loss < before, rate, 0.0), tries


def moved(net: Net, rate: Any, d: Net) -> Net:
    """p + αd."""
    return jax.tree.map(lambda leaf, step: leaf + rate * step, net, d)


def dot(one: Any, other: Any) -> Array:
    """Of two trees as vectors."""
    return jnp.stack(jax.tree.leaves(jax.tree.map(jnp.vdot, one, other))).sum()
