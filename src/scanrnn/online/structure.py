"""What can influence what within a few steps: told once, from the shapes alone.

A cell has no shapes of its own to be read, only functions. So one step of it is made at
numbers drawn for the purpose, and not-a-number is sent through `pull` and `collect`:
where it arrives, there is a dependence, whatever the weights are. (What depends on a
counter or a token is seen at one value of it; see `_filled`.)

- ``reach[i, j]``: ∂s'ᵢ / ∂sⱼ, by `pull` of not-a-number at i;
- ``touches[k][i]``: ∂s'ᵢ / ∂(params leaf k), by `collect` of the delta of that pull;
- ``sources[k][j]``: whether sⱼ is a factor of ∂s' / ∂(params leaf k), which then leads
  from j.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from ..cell import Cell, Params
from ..engine.checks import input_sizes
from .moment import Moment, float_leaves
from .own import Own
from .whole import Of, Whole, within

Flags: TypeAlias = NDArray[np.bool_]


class Structure(NamedTuple):
    """S entries of the state, all leaves one after the other."""

    sizes: tuple[int, ...]  # of the leaves of the state
    reach: Flags  # (S, S)
    touches: list[Flags]  # (S, *param)
    sources: list[Flags]  # (S, *param)

    def within(self, steps: int) -> list[Flags]:
        """The entries (S, *param) of P that can differ from zero after so many steps.

        The pattern of I after one; then that of J P + I (Menick et al. 2020).
        """
        found, reach = self.touches, self.reach.astype(np.float32)
        for _ in range(steps - 1):
            wider = [
                kept | (np.tensordot(reach, kept.astype(np.float32), 1) > 0)
                for kept in found
            ]
            if all(map(np.array_equal, wider, found)):
                break
            found = wider
        return found

    def by_leaf(self, flags: Flags) -> list[Flags]:
        """(S, ...) as one (S_leaf, ...) for each leaf of the state."""
        return np.split(flags, np.cumsum(self.sizes)[:-1])


class Units(NamedTuple):
    """What `own.py` has to know of every leaf of the params; it broadcasts to it."""

    number: int  # H
    unit_of: list[NDArray[np.int32]]
    inside: list[Flags]
    pattern: list[list[Flags]]  # for every leaf of the state


def units_of(structure: Structure, kept: list[Flags]) -> Units | None:
    """The units, if all that is kept of a weight lies in one; else None."""
    count = structure.sizes[0]
    if any(size != count for size in structure.sizes):
        return None

    def moved(flags: Flags) -> Flags:
        """(H, *param): by any leaf."""
        return np.logical_or.reduce(structure.by_leaf(flags))

    owners, inside = [], []
    for flags, sources in zip(
        map(moved, kept), map(moved, structure.sources), strict=True
    ):
        if flags.sum(0).max(initial=0) > 1:
            return None
        owner = flags.argmax(0)
        own = np.take_along_axis(sources, owner[None], 0)[0]
        owners.append(_squeezed(owner.astype(np.int32)))
        inside.append(_squeezed(~sources.any(0) | (own & (sources.sum(0) == 1))))
    by_leaf = zip(*map(structure.by_leaf, kept), strict=True)
    pattern = [[_squeezed(flags.any(0)) for flags in row] for row in by_leaf]
    return Units(count, owners, inside, pattern)


def _squeezed(array: Any) -> Any:
    """With one entry along the axes on which nothing depends."""
    for axis in range(array.ndim):
        first = np.take(array, [0], axis)
        if array.shape[axis] and (array == first).all():
            array = first
    return array


class Probe(NamedTuple):
    """A cell, and numbers of the shapes in question, of one example."""

    cell: Cell
    params: Params
    state: Any
    x: Any

    def tried(self, function: Callable[[Moment], Any]) -> Any:
        """What a function makes of a step, as NumPy's arrays."""

        def of_step(params: Params, state: Any, x: Array) -> Any:
            return function(Moment(self.cell, params, state, x))

        arguments = self.params, self.state, self.x
        with jax.debug_nans(False):  # compiled by itself, also where a caller traces
            program = jax.jit(of_step).lower(*arguments).compile()
            return jax.device_get(program(*arguments))


def probe_of(cell: Cell, params: Params, state: Any, x: Any) -> Probe:
    """Numbers in float32, small and positive: nothing saturates, and roots are real.

    Args:
        state: (·), of one example.
        x: that of a derived cell; of another cell the params tell it.
    """
    if cell.enter is None:  # tokens stand for the rows of an identity
        x = jax.ShapeDtypeStruct((input_sizes(cell, params)[0],), "float32")
    leaves, tree = jax.tree.flatten((params, state, x))
    rng = np.random.default_rng(0)
    fan = max([1, *(n for leaf in leaves for n in leaf.shape)])

    def draw(leaf: Any) -> Any:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return np.zeros(leaf.shape, leaf.dtype)
        return (rng.uniform(0.5, 1.5, leaf.shape) / fan).astype(np.float32)

    return Probe(cell, *jax.tree.unflatten(tree, list(map(draw, leaves))))


def structure_of(probe: Probe) -> Structure:
    """Not-a-number, sent back from every entry of the state."""
    sizes: list[int] = []

    def arrived(m: Moment) -> Any:
        sizes[:] = [leaf.size for leaf in float_leaves(m.before)]
        ones = [jnp.ones(size, jnp.float32) for size in sizes]

        def with_nan(row: Array) -> Any:
            marks = jnp.split(row, np.cumsum(sizes)[:-1])
            d_prev, delta = m.pull(marks)
            made = jnp.concatenate(d_prev), m.collect(delta)
            through = m.collect(m.pull(ones)[1], m.shifted(marks))
            return jax.tree.map(jnp.isnan, (*made, through))

        marked = jnp.where(jnp.eye(sum(sizes), dtype=bool), jnp.nan, jnp.float32(0))
        return lax.map(with_nan, marked)

    reach, touches, sources = probe.tried(arrived)
    return Structure(tuple(sizes), reach, list(map(_filled, touches)), sources)


def _filled(touches: Flags) -> Flags:
    """For entries that nothing was seen to use, what others in their column touch.

    A token uses one row of a table, and a counter may choose among weights: of the
    rows that this step did not use, the next one may. Where a whole column was not
    used, it may touch anything.
    """
    seen = touches.any(0)
    rows = tuple(range(1, touches.ndim - 1))
    column = touches.any(rows, keepdims=True)
    column = column | ~column.any(0)
    return np.where(seen, touches, column)


def is_told_by_ones(probe: Probe, units: Units) -> bool:
    """Whether ones read the units' own part of J and I, as `own.py` has it.

    They do where the weights between units are factors in `pull`. Of a softmax over
    weights, say, none can be left out; then `whole.py` has to do it.
    """
    count, nobody = len(units.unit_of), Of(None, ())
    own, whole = Own(nobody, count, *units), Whole(nobody, count)
    each = np.arange(units.number)
    at = [each.reshape(-1, *(1,) * k.ndim) == k for k in units.unit_of]

    def both(m: Moment) -> Any:
        rows = range(len(float_leaves(m.before)))
        shapes = [leaf.shape for leaf in jax.tree.leaves(m.params)]
        one = [[jnp.ones(s, jnp.float32) * (i + 1) for s in shapes] for i in rows]
        all_of_it = [
            [jnp.where(a, p[None], 0) for p, a in zip(row, at, strict=True)]
            for row in one
        ]
        moved = whole.move(m, all_of_it, None)
        seen = [
            within(
                keep, [jnp.where(a, p, 0).sum(0) for p, a in zip(row, at, strict=True)]
            )
            for keep, row in zip(units.pattern, moved, strict=True)
        ]
        return jax.tree.leaves(own.move(m, one, None)), jax.tree.leaves(seen)

    pairs = zip(*probe.tried(both), strict=True)
    return all(np.allclose(a, b, 1e-4, 1e-6) for a, b in pairs)
