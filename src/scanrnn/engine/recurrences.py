"""hₜ = aₜ ∘ hₜ₋₁ + bₜ for all steps at once, by the maps h ↦ a ∘ h + b of single steps.

Two of them, one after the other, are a map of the same kind, and that is all there is::

    (a, b) then (a′, b′)  =  (a′ ∘ a, a′ ∘ b + b′)

So the map of a stretch of steps can be had without the state before it. Two forms:

``associative``   `jax.lax.associative_scan`: pairs, pairs of pairs, and back; 2 log₂ T
                  levels, 2T maps joined, no loop.
``chunks``        K steps in all ⌈T/K⌉ chunks at once for the map of each chunk; over
                  the chunks for the state before each; K steps in all chunks at once
                  again for the states. Three loops, 2K + T/K steps, three products and
                  two sums an entry.

Rounding: the term of b_s in h_t meets t − s factors, as it does step by step, and each
of them rounds once, in whatever order they are joined; the sums round it 2 log₂ T times
at most (chunks: 2K + T/K times), where step by step they do so t − s times. So

    |error of h_t| <= u Σ_s ((t − s) + n) |b_s| Π |a|
    n = 2 log₂ T + 4, or 2K + T/K + 4

to first order in the unit roundoff u, and for real numbers (a complex product rounds
up to three times as much). Step by step it is the same with 2(t − s) + 1.

Overflow: what is formed are products of the factors of a stretch, and states from zero.
For |a| <= 1 no product is above 1, and no such state above what step by step can reach
by absolute values; a long product underflows to zero, where its true size is below the
least number and so is its part in the state. Nothing is ever divided by a product: the
form that divides by cumulative products overflows for |a| < 1. For |a| > 1 a product of
a stretch can overflow where no state does: if the state is zero there. Then 0 · ∞ is
not a number, and the sequential ways are what to use.

A map may be cut: what was before does not matter, not even where it is not a number.

Sources: Blelloch 1990, "Prefix Sums and Their Applications", section 1.4; Martin and
Cundy 2018, "Parallelizing Linear Recurrent Neural Nets Over Sequence Length", arXiv
1709.04057.
"""

import math
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..cell import State
from .mesh import lie_like, vary_along, varying_axes
from .trees import choose

Tree = TypeVar("Tree")


class Maps(NamedTuple):
    """state ↦ factor ∘ state + added of every step; time leads in every field."""

    factor: State  # (T, B, ·)
    added: State  # (T, B, ·)
    cuts: Array | None = None  # (T, B) bool: the map is state ↦ added

    def of(self, state: State) -> State:
        """What they make of a state, (B, ·) or (T, B, ·)."""
        made = jax.tree.map(lambda a, h, b: a * h + b, self.factor, state, self.added)
        return choose(self.cuts, self.added, made)

    def then(self, later: "Maps") -> "Maps":
        """Both, one after the other."""
        cuts = None
        if self.cuts is not None and later.cuts is not None:
            cuts = self.cuts | later.cuts
        factor = jax.tree.map(jnp.multiply, later.factor, self.factor)
        return Maps(factor, later.of(self.added), cuts)


IDENTITY = 1, 0, 0  # the map that passes a state on


def by_pairs(maps: Maps, entry: State, reverse: bool) -> State:
    """The state after every step, (T, B, ·), from the one before the first.

    Args:
        reverse: the last step comes first.
    """
    times = jnp.arange(_length(maps))
    is_first = (times == (times[-1] if reverse else 0))[:, None]
    # The entry goes into the first map: no product over all steps is met by it.
    maps = maps._replace(added=choose(is_first, maps.of(entry), maps.added))
    return lax.associative_scan(Maps.then, maps, reverse=reverse).added


def by_chunks(
    maps: Maps, entry: State, reverse: bool, size: int | None, unroll: int = 1
) -> State:
    """The same, by chunks of so many steps; about √(T/2) if not given."""
    length = _length(maps)
    size = min(size or max(1, math.isqrt(length // 2)), length)
    steps = Maps(
        *(_cut(part, size, fill) for part, fill in zip(maps, IDENTITY, strict=True))
    )

    def over(body: Any, carry: Any, xs: Any) -> Any:
        return lax.scan(body, carry, xs, reverse=reverse, unroll=unroll)

    nothing = Maps(
        *(_like(part, fill) for part, fill in zip(steps, IDENTITY, strict=True))
    )
    chunks, _ = over(lambda chunk, step: (chunk.then(step), None), nothing, steps)
    _, entries = over(lambda state, chunk: (chunk.of(state), state), entry, chunks)

    def walk(state: State, step: Maps) -> tuple[State, State]:
        state = step.of(state)
        return state, state

    _, states = over(walk, entries, steps)
    return jax.tree.map(lambda leaf: _in_a_row(leaf)[:length], states)


def _length(maps: Maps) -> int:
    length: int = jax.tree.leaves(maps.factor)[0].shape[0]
    return length


def _cut(tree: Tree, size: int, fill: int) -> Tree:
    """(T, ...) as (K, n, ...), the step within a chunk first; the last is filled."""

    def cut(leaf: Array) -> Array:
        short = -leaf.shape[0] % size
        edges = ((0, short), *((0, 0),) * (leaf.ndim - 1))
        leaf = jnp.pad(leaf, edges, constant_values=fill) if short else leaf
        n = leaf.shape[0] // size
        return leaf.reshape(n, size, *leaf.shape[1:]).swapaxes(0, 1)

    return jax.tree.map(cut, tree)


def _in_a_row(leaf: Array) -> Array:
    """The inverse of `_cut`."""
    leaf = leaf.swapaxes(0, 1)
    return leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])


def _like(steps: Tree, value: int) -> Tree:
    """A step that holds this number, lying on the devices as the steps do."""

    def full(leaf: Array) -> Array:
        made = lie_like(jnp.full_like(leaf[0], value), leaf[0])
        return vary_along(made, varying_axes(leaf))

    return jax.tree.map(full, steps)
