"""What moved: where the products of a step are, and which gradients left the loop."""

import math
from typing import Any, NamedTuple

import jax

from ..cell import Cell, Params
from ..engine.arrays import as_array, as_arrays
from ..engine.values import shown
from .cell import Shaped, derive, shaped_step
from .flat import is_literal
from .parts import Parts

PRODUCTS = {"dot_general", "conv_general_dilated"}


class Placement(NamedTuple):
    """Where the work of a derived cell is done. ``print`` shows it as sentences."""

    once: tuple[str, ...]  # products of params alone
    over_time: tuple[str, ...]  # products of inputs, for all of time at once
    in_loop: tuple[str, ...]  # products that wait for the state, one step after another
    left: tuple[str, ...]  # params whose gradient is made after the loop
    stays: dict[str, str]  # params whose gradient is summed in the loop, and why
    tape_bytes: int  # kept of a step by `Stored()`, of one sequence

    def __str__(self) -> str:
        places = (
            ("once", self.once),
            ("over all of time", self.over_time),
            ("in the loop, each step", self.in_loop),
        )
        lines = [f"{name}: {', '.join(what) or 'no product'}" for name, what in places]
        lines.append(f"gradients that left the loop: {', '.join(self.left) or 'none'}")
        lines += [
            f"gradient of {name} stays in the loop: it is read by {why}"
            for name, why in self.stays.items()
        ]
        return "\n".join([*lines, f"tape: {self.tape_bytes} bytes a step and sequence"])


def placement(
    cell: Cell, params: Params, xs: Any, start: Any | None = None
) -> Placement:
    """Says of a derived cell what its step became, at these shapes.

    Args:
        cell: as `sr.derive` makes it, or one of `sr.shelf`.
        params, xs, start: as for `sr.unroll`.

    Raises:
        ValueError: if the cell was not derived, or needs a start state.

    >>> import jax.numpy as jnp, scanrnn as sr
    >>> def step(params, h, x):
    ...     h = jnp.tanh(x @ params["w"] + h @ params["u"])
    ...     return h, h
    >>> params = {"u": jnp.ones((4, 4), "f4"), "w": jnp.ones((3, 4), "f4")}
    >>> print(sr.placement(sr.derive(step), params, jnp.ones((7, 2, 3), "f4"),
    ...                    jnp.zeros((2, 4), "f4")))
    once: no product
    over all of time: (2, 3) · (3, 4)
    in the loop, each step: (2, 4) · (4, 4)
    gradients that left the loop: ['u'], ['w']
    tape: 0 bytes a step and sequence
    """
    project = cell.project if isinstance(cell, Cell) else None
    if getattr(project, "__module__", None) != derive.__module__:
        raise ValueError(f"expected a cell that sr.derive made, got {shown(cell)}")
    params, xs = as_arrays("params", params), as_array("xs", xs)
    of = _shaped(cell, params, xs, start)
    parts = of.program.parts
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    names = dict(zip(parts.flat.params, map(jax.tree_util.keystr, paths), strict=True))
    stays = _staying(parts, names)
    read = {v for v in parts.flat.params if _is_read(parts, v)}
    of_batch = sum(
        math.prod(s.shape) * s.dtype.itemsize for s in of.program.tape_structs
    )
    return Placement(
        _products(parts.once),
        _products(parts.drive),
        _products(parts.loop),
        tuple(n for v, n in names.items() if v in read and n not in stays),
        stays,
        of_batch // max(1, xs.shape[1]),
    )


def _shaped(cell: Cell, params: Params, xs: Any, start: Any | None) -> Shaped:
    call = cell.made_by
    if call is None or call.factory is not derive:  # of the shelf: start is its own
        of: Shaped = jax.eval_shape(cell.project, params, xs).of
        return of
    step, own = call.arguments[0], dict(call.options).get("start")
    if start is None:
        start = own(xs.shape[1]) if own else cell.start(xs.shape[1])
    return shaped_step(step, params, as_arrays("start", start), xs[0])


def _products(equations: list[Any]) -> tuple[str, ...]:
    return tuple(
        " · ".join(str(v.aval.shape) for v in equation.invars)
        for equation in equations
        if equation.primitive.name in PRODUCTS
    )


def _staying(parts: Parts, names: dict[Any, str]) -> dict[str, str]:
    made_by = {v: e for e in parts.once for v in e.outvars}

    def sources(variable: Any) -> set[Any]:
        if variable in names:
            return {variable}
        equation = made_by.get(variable)
        found = [] if equation is None else equation.invars
        return set().union(*(sources(v) for v in found if not is_literal(v)))

    stays = {}
    for variable in parts.staying:
        readers = [e.primitive.name for e in parts.loop if variable in _read(e)]
        for source in sources(variable):
            stays[names[source]] = readers[0]
    return stays


def _is_read(parts: Parts, variable: Any) -> bool:
    equations = (*parts.once, *parts.drive, *parts.loop)
    outs = {v for v in parts.flat.jaxpr.outvars if not is_literal(v)}
    return variable in outs or any(variable in _read(e) for e in equations)


def _read(equation: Any) -> set[Any]:
    return {v for v in equation.invars if not is_literal(v)}
