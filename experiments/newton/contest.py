"""Both from the same weights, with the same work: Adam, and Newton without the matrix.

Work is counted in gradients of one sequence, so that it does not depend on the machine;
`hessian_free.py` says what else counts for how many. Seconds stand beside it.
"""

import time
from typing import NamedTuple

import jax
import numpy as np
from rich.progress import track
from shared.memory import Net
from shared.study import console, watch

from .hessian_free import Settings, Told, begin, updater
from .problems import Problem

ADAM_BATCH, ADAM_CHUNK = 32, 50
SMOOTH = 5  # updates of Newton's whose losses are averaged against the level


class Run(NamedTuple):
    """What came of one optimiser on one problem."""

    work: np.ndarray  # (updates,), gradients of a sequence until each update
    losses: np.ndarray  # (updates,), on the batch of each, before it
    loss: float  # held out, at the end
    right: float  # share of right answers, held out
    seconds: float
    # Of Newton's alone:
    nets: dict[int, Net]  # after so many updates
    told: list[Told]  # of each update


def newton(
    problem: Problem, settings: Settings, *, updates: int, seed: int, kept: int = 1
) -> Run:
    """Hessian-free, until the level or the last update; every so often a net is kept.

    Args:
        kept: after how many updates a net is kept; the first and the last always are.
    """
    search, update = begin(problem.net, settings), updater(problem, settings)
    keys = jax.random.split(jax.random.key(seed), updates)
    told, nets, began = [], {0: problem.net}, time.perf_counter()
    label = f"{problem.label}: Hessian-free"
    for key in track(keys, label, console=console, transient=True):
        search, one = update(search, key)
        told.append(jax.tree.map(float, one))
        if len(told) % kept == 0:
            nets[len(told)] = search.net
        if np.mean([one.loss for one in told[-SMOOTH:]]) < problem.level:
            break
    nets[len(told)] = search.net
    loss, right = _tested(problem, search.net)
    return Run(
        np.cumsum([one.work for one in told]),
        np.array([one.loss for one in told]),
        *(loss, right, time.perf_counter() - began, nets, told),
    )


def adam(problem: Problem, *, rate: float, work: float, seed: int) -> Run:
    """Adam with as much work, in batches of its own size."""

    def loss(net: Net, key: jax.Array) -> jax.Array:
        return problem.loss_of(net, key, ADAM_BATCH)

    began = time.perf_counter()
    run = watch(
        loss,
        problem.net,
        jax.random.key(seed),
        steps=max(1, round(work / ADAM_BATCH)),
        rate=rate,
        chunk=ADAM_CHUNK,
        level=problem.level,
        label=f"{problem.label}: Adam",
    )
    held_out, right = _tested(problem, run.params)
    steps = ADAM_BATCH * (1.0 + np.arange(len(run.told)))
    return Run(steps, run.told, held_out, right, time.perf_counter() - began, {}, [])


def _tested(problem: Problem, net: Net) -> tuple[float, float]:
    loss, right = jax.jit(problem.test)(net)
    return float(loss), float(right)
