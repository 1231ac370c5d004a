"""A complex state as the pairs of real numbers that it is.

The oracles differentiate, disturb and compare real numbers. So a cell whose state is
complex is audited with a last axis of two, real and imaginary part; the engine itself
runs the cell as it is. Real parts of a cotangent c stand for ∂/∂Re, and with JAX's
convention c = ∂/∂Re − i ∂/∂Im the imaginary ones for −∂/∂Im.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...cell import Cell, Delta, Drive, Params, State, Tape


def paired(tree: Any) -> Any:
    """Complex leaves (...) as real ones (..., 2); the others as they are."""

    def pair(leaf: Any) -> Any:
        is_complex = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
        return jnp.stack((leaf.real, leaf.imag), -1) if is_complex else leaf

    return jax.tree.map(pair, tree)


def joined(cell: Cell, state: State) -> State:
    """The inverse of `paired` for a state of the cell."""

    def join(leaf: Any, is_complex: bool) -> Any:
        return lax.complex(leaf[..., 0], leaf[..., 1]) if is_complex else leaf

    flags = _complex_leaves(cell)
    if not any(flags):
        return state
    leaves, structure = jax.tree.flatten(state)
    return jax.tree.unflatten(structure, map(join, leaves, flags))


@functools.lru_cache(maxsize=16)
def of_reals(cell: Cell) -> Cell:
    """The cell with pairs in its state; the cell itself if nothing in it is complex."""
    if not any(_complex_leaves(cell)):
        return cell

    def start(batch_size: int, dtype: Any = None) -> State:
        return paired(cell.start(batch_size, dtype))

    def step(params: Params, state: State, drive: Drive) -> tuple[State, Tape]:
        after, tape = cell.step(params, joined(cell, state), drive)
        return paired(after), tape

    def pull(params: Params, tape: Tape, d_state: State) -> tuple[State, Delta]:
        d_prev, delta = cell.pull(params, tape, _conjugate(joined(cell, d_state)))
        return paired(_conjugate(d_prev)), delta

    def collect(params: Params, xs: Any, states_prev: State, deltas: Delta) -> Any:
        return cell.collect(params, xs, joined(cell, states_prev), deltas)

    return Cell(cell.init, start, cell.project, step, pull, collect)


def _conjugate(tree: Any) -> Any:
    return jax.tree.map(jnp.conj, tree)


@functools.lru_cache(maxsize=16)
def _complex_leaves(cell: Cell) -> tuple[bool, ...]:
    if cell.enter is not None:  # a derived cell has its own form of a state
        return ()
    leaves = jax.tree.leaves(jax.eval_shape(lambda: cell.start(1)))
    return tuple(bool(jnp.issubdtype(x.dtype, jnp.complexfloating)) for x in leaves)
