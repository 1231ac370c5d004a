"""The first task: floats that make a random network emit a wanted trajectory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import scanrnn as sr

from .methods import Task

STORED = sr.Stored()
GOAL = 1e-3  # mean squared error of a trajectory that is reached
LENGTH, INPUTS, UNITS, OUTPUTS = 50, 3, 32, 2  # of the trajectories
SWING = 0.3  # standard deviation of a target


def emit(
    cell: sr.Cell, params: Any, xs: Array, way: sr.Backward = STORED, unroll: int = 1
) -> Array:
    """Inputs (T, B, X) -> outputs (T, B, Y); params are those of the cell and dense."""
    outputs = sr.unroll(cell, params[0], xs, unroll=unroll, backward=way).outputs
    return sr.dense(params[1], outputs)


def random_network(cell: sr.Cell, seed: int) -> Any:
    """Weights as they are drawn; nothing trains them."""
    key_cell, key_readout = jax.random.split(jax.random.key(seed))
    readout = sr.init_dense(key_readout, UNITS, OUTPUTS)
    return cell.init(key_cell, INPUTS), readout


def trajectories(count: int, seed: int) -> Array:
    """Sums of three sinusoids with one to four periods, (T, B, Y)."""
    draw = np.random.default_rng(seed)
    shape = (3, 1, count, OUTPUTS)
    times = np.arange(LENGTH)[:, None, None] / LENGTH
    periods, phases = draw.uniform(1, 4, shape), draw.uniform(0, 1, shape)
    waves = np.sin(2 * np.pi * (periods * times + phases)).sum(0)
    return jnp.asarray(SWING * waves / np.sqrt(1.5), jnp.float32)


def trajectory_task(cell: sr.Cell, params: Any, wanted: Array) -> Task:
    """Inputs are floats: nothing to relax; the search adds noise of any scale."""
    shape = (LENGTH, wanted.shape[1], INPUTS)

    def judge(xs: Array) -> tuple[Array, Array]:
        emitted = emit(cell, params, xs)
        errors = jnp.mean((emitted - wanted) ** 2, (0, 2))
        return errors, errors < GOAL

    def vary(key: Array, xs: Array) -> Array:
        key_noise, key_scale = jax.random.split(key)
        powers = jax.random.uniform(key_scale, (shape[1], 1), minval=-3, maxval=0)
        return xs + 10**powers * jax.random.normal(key_noise, shape)

    return Task(
        variables=jnp.zeros(shape),
        relax=lambda xs, key: xs,
        judge=judge,
        note=lambda xs: xs,
        draw=lambda key: jax.random.normal(key, shape),
        vary=vary,
        rate=0.2,
    )
