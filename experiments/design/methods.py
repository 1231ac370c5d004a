"""Ways to design an input, by dx and by search, that are charged alike."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from shared.study import fit

COST = 3  # forward passes that an update is counted as


class Task(NamedTuple):
    """What is designed, how it is read, and when it is good."""

    variables: Any  # what the optimiser moves; the last axes as in the inputs
    relax: Callable[[Any, Array], Array]  # variables, key -> inputs for the gradient
    judge: Callable[[Array], tuple[Array, Array]]  # inputs -> errors, reached: (B,)
    note: Callable[[Array], Any]  # inputs -> what to remember of them
    draw: Callable[[Array], Array]  # key -> fresh inputs
    vary: Callable[[Array, Array], Array]  # key, inputs -> others nearby
    rate: float


class Designed(NamedTuple):
    """What a method reached."""

    reached: np.ndarray  # (evaluations, B): whether at any time so far
    first: np.ndarray  # (B,): the update that reached it, or the last
    notes: Any  # (updates, ·)


def by_gradient(task: Task, updates: int, key: Array, label: str) -> Designed:
    """Adam on the inputs; every target is its own problem, as nothing couples them."""

    def loss(variables: Any, key: Array) -> tuple[Array, Any]:
        xs = task.relax(variables, key)
        errors, reached = task.judge(xs)
        return errors.sum(), (reached, task.note(xs))

    _, (reached, notes) = fit(
        loss,
        task.variables,
        key,
        steps=updates,
        rate=task.rate,
        clip=np.inf,  # a norm over all targets would couple them
        label=label,
        has_aux=True,
    )
    first = np.where(reached.any(0), reached.argmax(0), updates - 1)
    so_far = np.maximum.accumulate(reached, 0)
    # An update is told when it has been paid for.
    delayed = np.concatenate([np.zeros_like(so_far[:1]), so_far])
    paid = np.arange(1, COST * updates + 1) // COST
    return Designed(delayed[paid], first, notes)


def by_search(task: Task, evaluations: int, key: Array, *, local: bool) -> Designed:
    """The best of random inputs: of changes to the best so far, or of fresh ones."""

    def propose(best: tuple[Array, Array], key: Array) -> Any:
        xs, lowest = best
        tried = task.vary(key, xs) if local else task.draw(key)
        errors, reached = task.judge(tried)
        better = errors < lowest
        chosen = jnp.where(better[:, None], tried, xs)
        return (chosen, jnp.where(better, errors, lowest)), reached

    def search(key: Array) -> Array:
        key_first, *keys = jax.random.split(key, evaluations)
        xs = task.draw(key_first)
        errors, reached = task.judge(xs)
        _, later = lax.scan(propose, (xs, errors), jnp.stack(keys))
        return jnp.concatenate([reached[None], later])

    reached = np.asarray(jax.jit(search)(key))
    first = np.where(reached.any(0), reached.argmax(0), evaluations - 1)
    return Designed(np.maximum.accumulate(reached, 0), first, None)


def by_all(task: Task, updates: int, seed: int, label: str) -> dict[str, Designed]:
    """The gradient and both searches, with the same number of evaluations."""
    keys = jax.random.split(jax.random.key(seed), 3)
    return {
        "gradient": by_gradient(task, updates, keys[0], label),
        "local search": by_search(task, COST * updates, keys[1], local=True),
        "fresh draws": by_search(task, COST * updates, keys[2], local=False),
    }
