"""Independent ways to the same derivative, for a cell's gradient in float64.

But for the last none of them uses a reverse rule: forward mode (⟨u, J v⟩ = ⟨Jᵀ u, v⟩),
the complex step (Im L(x + i h v) / h, which has no cancellation), central differences
where complex numbers cannot pass or say something else, the order of the Taylor
remainder, and real-time recurrent learning, which carries ∂state/∂params forwards
through time; then the same by the cell's own rule (`forwards.py`).

Sources: Squire and Trapp 1998, "Using Complex Variables to Estimate Derivatives of
Real Functions"; Williams and Zipser 1989, "A Learning Algorithm for Continually Running
Fully Recurrent Neural Networks".
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ...cell import Cell
from ...engine.ways import Autodiff
from ..report import Row
from ..rounding import Expected, Floats, compare
from .differences import directional
from .forwards import by_going_forwards
from .progress import Tell
from .settings import Cotangents, Point, Setting, leaf_names, run

DIRECTIONS = 3
COMPLEX_STEP = 1e-100
ORDER = 1.9  # of the Taylor remainder; 2 but for the next order
RTRL_LIMIT = 4000  # entries of params: the sensitivities are this times the state


def all_rows(
    cell: Cell,
    setting: Setting,
    point: Point,
    cotangents: Cotangents,
    found: list[Floats],
    right: list[Expected],
    tell: Tell,
) -> Iterator[Row]:
    """Every oracle's rows for one setting, as far as the oracle applies."""
    ways = _ways(point)
    tell(f"{setting.name}: forward mode")
    yield from _forward_mode(cell, setting, point, cotangents, found, right, ways)
    tell(f"{setting.name}: forwards in time")
    if sum(leaf.size for leaf in jax.tree.leaves(point.params)) <= RTRL_LIMIT:
        yield from _forwards(cell, setting, point, cotangents, found, right)
    if setting.options:
        return
    tell(f"{setting.name}: the complex step")
    yield from _complex_step(cell, point, cotangents, found, right, ways)
    tell(f"{setting.name}: the Taylor remainder")
    yield _taylor(cell, setting, point, cotangents, found)
    tell(f"{setting.name}: real-time recurrent learning")
    if sum(leaf.size for leaf in jax.tree.leaves(point.params)) <= RTRL_LIMIT:
        yield from _rtrl(cell, point, cotangents, found, right)


def _ways(point: Point) -> list[list[Floats]]:
    """Random directions for every leaf."""
    rng = np.random.default_rng(0)
    leaves = jax.tree.leaves(point)
    return [[rng.standard_normal(x.shape) for _ in range(DIRECTIONS)] for x in leaves]


def _along(found: Floats, right: Expected, ways: list[Floats]) -> tuple[Floats, Floats]:
    """A leaf's products with directions, and what they may be off by."""
    seen = np.array([np.sum(found * way) for way in ways])
    allowed = np.array([np.sum(right.allowed * np.abs(way)) for way in ways])
    return seen, allowed


def _row(leaf: str, oracle: str, seen: Floats, expected: Expected, case: str) -> Row:
    difference = compare(seen, expected)
    passed = not difference.wrong.any()
    where = f"direction {difference.where[0] + 1}" if difference.where else ""
    error, allowed = difference.error, difference.allowed
    return Row(leaf, oracle, error, allowed, where, None, passed, case)


def _forward_mode(
    cell: Cell,
    setting: Setting,
    point: Point,
    cotangents: Cotangents,
    found: list[Floats],
    right: list[Expected],
    ways: list[list[Floats]],
) -> Iterator[Row]:
    forward = run(cell, setting, Autodiff())
    leaves, tree = jax.tree.flatten(point)

    @jax.jit
    def push(tangent: Any) -> Any:
        _, moved = jax.jvp(forward, (point,), (tangent,))
        pairs = zip(jax.tree.leaves(moved), jax.tree.leaves(cotangents), strict=True)
        return sum(jnp.vdot(w, m) for m, w in pairs)

    for i, name in enumerate(leaf_names(point)):
        moved = []
        for way in ways[i]:
            tangent = [jnp.zeros_like(x) for x in leaves]
            tangent[i] = jnp.asarray(way)
            moved.append(float(push(jax.tree.unflatten(tree, tangent))))
        seen, allowed = _along(found[i], right[i], ways[i])
        expected = Expected(np.array(moved), allowed)
        yield _row(name, "forward mode", seen, expected, setting.name)


def _loss(cell: Cell, point: Point, cotangents: Cotangents) -> Any:
    """The loss by a plain loop over project and step, in whatever numbers come."""
    drives = cell.project(point.params, point.xs)
    state, total = point.start, jnp.zeros(())
    for t in range(point.xs.shape[0]):
        drive = jax.tree.map(lambda leaf, t=t: leaf[t], drives)
        state, _ = cell.step(point.params, state, drive)
        total = total + jnp.sum(state.h * cotangents.outputs[t])
    pairs = zip(jax.tree.leaves(state), jax.tree.leaves(cotangents.final), strict=True)
    return total + sum(jnp.sum(s * w) for s, w in pairs)


def _complex_step(
    cell: Cell,
    point: Point,
    cotangents: Cotangents,
    found: list[Floats],
    right: list[Expected],
    ways: list[list[Floats]],
) -> Iterator[Row]:
    leaves, tree = jax.tree.flatten(point)

    @jax.jit
    def imaginary(shifts: list[Any]) -> Any:
        shifted = [
            x + 1j * COMPLEX_STEP * v for x, v in zip(leaves, shifts, strict=True)
        ]
        return _loss(cell, jax.tree.unflatten(tree, shifted), cotangents).imag

    for i, name in enumerate(leaf_names(point)):
        slopes = []
        try:
            for way in ways[i]:
                shifts = [jnp.zeros_like(x) for x in leaves]
                shifts[i] = jnp.asarray(way)
                slopes.append(float(imaginary(shifts)) / COMPLEX_STEP)
        except (TypeError, ValueError, NotImplementedError):
            yield _by_differences(cell, point, cotangents, found[i], i)
            continue
        seen, allowed = _along(found[i], right[i], ways[i])
        expected = Expected(np.array(slopes), allowed)
        row = _row(name, "complex step", seen, expected, "plain")
        # Some functions take complex numbers and lose a part of 1e-100 (logaddexp, and
        # so softplus, wraps it into a circle). Differences decide whose mistake it is.
        if not row.passed:
            other = _by_differences(cell, point, cotangents, found[i], i)
            row = other if other.passed else row
        yield row


def _by_differences(
    cell: Cell, point: Point, cotangents: Cotangents, found: Floats, i: int
) -> Row:
    leaves, tree = jax.tree.flatten(point)

    def loss(leaf: Any) -> Any:
        others = [leaf if j == i else other for j, other in enumerate(leaves)]
        return _loss(cell, jax.tree.unflatten(tree, others), cotangents)

    seen, expected = directional(loss, leaves[i], found)
    name = leaf_names(point)[i]
    return _row(name, "central differences", seen, expected, "plain")


def _taylor(
    cell: Cell,
    setting: Setting,
    point: Point,
    cotangents: Cotangents,
    found: list[Floats],
) -> Row:
    """|L(x + e v) − L(x) − e ⟨g, v⟩| falls with e²; with e¹ if g is wrong."""
    rng = np.random.default_rng(1)
    leaves, tree = jax.tree.flatten(point)
    way = [rng.standard_normal(x.shape) for x in leaves]
    slope = sum(float(np.sum(g * v)) for g, v in zip(found, way, strict=True))

    @jax.jit
    def loss(e: Any) -> Any:
        moved = [x + e * v for x, v in zip(leaves, way, strict=True)]
        return _loss(cell, jax.tree.unflatten(tree, moved), cotangents)

    base = float(loss(0.0))
    large, small = (abs(float(loss(e)) - base - e * slope) for e in (2e-4, 1e-4))
    noise = 1e-13 * max(abs(base), abs(slope), 1.0)
    order = 2.0 if small < noise else float(np.log2(large / small))
    return Row(
        "all leaves",
        "Taylor order",
        max(0.0, 2 - order),
        2 - ORDER,
        "",
        None,
        order >= ORDER,
        setting.name,
        f"order {order:.2f}",
    )


def _forwards(
    cell: Cell,
    setting: Setting,
    point: Point,
    cotangents: Cotangents,
    found: list[Floats],
    right: list[Expected],
) -> Iterator[Row]:
    forwards = by_going_forwards(cell, setting, point, cotangents)
    for i, name in enumerate(leaf_names(point)):
        if name in forwards:
            expected = Expected(forwards[name], right[i].allowed)
            difference = compare(found[i], expected)
            where, passed = str(list(difference.where)), not difference.wrong.any()
            numbers = difference.error, difference.allowed
            yield Row(name, "online", *numbers, where, None, passed, setting.name)


def _rtrl(
    cell: Cell,
    point: Point,
    cotangents: Cotangents,
    found: list[Floats],
    right: list[Expected],
) -> Iterator[Row]:
    flat_params, to_params = ravel_pytree(point.params)
    flat_start, to_state = ravel_pytree(point.start)

    def advance(flat_state: Any, flat: Any, x: Any) -> Any:
        params = to_params(flat)
        drive = jax.tree.map(lambda leaf: leaf[0], cell.project(params, x[None]))
        return ravel_pytree(cell.step(params, to_state(flat_state), drive)[0])[0]

    @jax.jit
    def body(carry: Any, x: Any) -> Any:
        state, sensitivity = carry
        by_state, by_params = jax.jacfwd(advance, (0, 1))(state, flat_params, x)
        state = advance(state, flat_params, x)
        return state, by_state @ sensitivity + by_params

    carry = flat_start, jnp.zeros((flat_start.size, flat_params.size))
    total = jnp.zeros_like(flat_params)
    zeros = jax.tree.map(jnp.zeros_like, point.start)
    for t in range(point.xs.shape[0]):
        carry = body(carry, point.xs[t])
        weights = ravel_pytree(zeros._replace(h=cotangents.outputs[t]))[0]
        total = total + weights @ carry[1]
    total = total + ravel_pytree(cotangents.final)[0] @ carry[1]
    leaves = jax.tree.leaves(to_params(total))
    for i, (name, value) in enumerate(zip(leaf_names(point), leaves, strict=False)):
        expected = Expected(np.asarray(value), right[i].allowed)
        difference = compare(found[i], expected)
        where = str(list(difference.where))
        yield Row(
            name,
            "RTRL",
            difference.error,
            difference.allowed,
            where,
            None,
            not difference.wrong.any(),
            "plain",
        )
