"""A cell from a step function alone: `sr.derive`.

What is derived by hand for the cells on the shelf is the structure of every recurrence:
some of a step depends on the params alone, some on its inputs, and only the rest waits
for the state before it. `parts.py` cuts the step there, `program.py` transposes it.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..cell import Cell, Init, Params, Start, no_init, no_start
from ..engine.mesh import vary_along, varying_axes
from ..engine.trees import as_cotangent, cast_like, numbers
from ..engine.values import shown
from ..made import Call
from .flat import is_literal
from .keys import kinds_of, kinds_of_types, raw, raw_types, typed
from .over_time import collect
from .products import struct
from .program import Program

Tree: TypeAlias = Any


# step(params, state, x) -> (state, output)
Step: TypeAlias = Callable[[Params, Any, Any], tuple[Any, Any]]


class DerivedState(NamedTuple):
    """The state of a step function, and its last output."""

    h: Any  # the output; of `sr.scan` a tuple of its leaves
    others: tuple[Any, ...]  # the leaves of the state that are not outputs as well


class Shaped:
    """A step function at one set of shapes: its program, and how its trees are read."""

    def __init__(self, step: Callable[..., Any], params: Tree, state: Tree, x: Tree):
        self.trees = tuple(jax.tree.structure(tree) for tree in (params, state, x))
        groups = _varying(jax.tree.leaves(tree) for tree in (params, state, x))
        kinds = [kinds_of_types(group) for group in groups]
        leaves = [raw_types(group) for group in groups]
        _, self.carry_kinds, _ = kinds
        self.output: Any = None
        self.output_kinds: list[Any] = []

        def of_leaves(*leaves: Any) -> list[Any]:
            given = map(jax.tree.unflatten, self.trees, map(typed, leaves, kinds))
            made = step(*given)
            after, output = _pair(made)
            _check_same(state, after)
            self.output = jax.tree.structure(output)
            outputs = jax.tree.leaves(output)
            self.output_kinds = kinds_of(outputs)
            return [*raw(jax.tree.leaves(after)), *raw(outputs)]

        self.program = Program(of_leaves, *leaves)
        flat = self.program.parts.flat
        after = {v: k for k, v in reversed(list(enumerate(flat.after)))}
        # An output that is a leaf of the state after the step is kept once.
        self.same: list[int | None] = []
        for variable in flat.outputs:
            k = None if is_literal(variable) else after.get(variable)
            self.same.append(None if k in self.same else k)
        self.rest = [k for k in range(len(flat.carry)) if k not in self.same]
        self._find_told(len(flat.carry), len(flat.outputs))
        self.output_structs = [struct(v.aval) for v in flat.outputs]

    @functools.cached_property
    def cell(self) -> Cell:
        """The cell at these shapes; it lives as long as they are remembered."""
        return _cell_at(self)

    def _find_told(self, count: int, outputs: int) -> None:
        """Where in the states that stands which the way back reads of them."""
        made = list(range(count + outputs))
        leaves = jax.tree.leaves(self.state(made[:count], made[count:]))
        same = {count + j: k for j, k in enumerate(self.same) if k is not None}
        self.told_before = [leaves.index(k) for k in self.program.told_before]
        self.told_after = [
            leaves.index(same.get(i, i)) for i in self.program.told_after
        ]

    def told(self, before: DerivedState, after: DerivedState) -> list[Array]:
        """What the way back reads of the states: the arrays that stand in them."""
        one, other = jax.tree.leaves(before), jax.tree.leaves(after)
        return [
            *(one[i] for i in self.told_before),
            *(other[i] for i in self.told_after),
        ]

    def state(self, carry: list[Any], outputs: list[Any]) -> DerivedState:
        """Of the leaves of the carry and of the outputs."""
        h = [outputs[j] if k is None else carry[k] for j, k in enumerate(self.same)]
        others = tuple(carry[k] for k in self.rest)
        is_array = self.output == jax.tree.structure(0)
        return DerivedState(h[0] if is_array else tuple(h), others)

    def carry(self, state: DerivedState) -> list[Any]:
        """The leaves of the carry, in the dtypes that the step has."""
        found: list[Any] = [None] * len(self.program.carry_structs)
        for i, leaf in zip(self.rest, state.others, strict=True):
            found[i] = leaf
        for k, leaf in zip(self.same, jax.tree.leaves(state.h), strict=True):
            if k is not None:
                found[k] = leaf
        structs = self.program.carry_structs
        return [leaf.astype(s.dtype) for leaf, s in zip(found, structs, strict=True)]

    def d_made(self, d_state: DerivedState) -> list[Any]:
        """Cotangents of the floats among carry and outputs after the step."""
        d_carry: list[Any] = [None] * len(self.program.carry_structs)
        for i, leaf in zip(self.rest, d_state.others, strict=True):
            d_carry[i] = leaf
        d_outputs = jax.tree.leaves(d_state.h)
        for j, k in enumerate(self.same):
            if k is not None:
                d_carry[k] = d_outputs[j]
                d_outputs[j] = jnp.zeros_like(d_outputs[j])
        return self.program.floats_of_made([*d_carry, *d_outputs])

    def before(self, state: Tree) -> DerivedState:
        """A state of the step, with zeros for outputs that it does not hold."""
        zeros = [jnp.zeros(s.shape, s.dtype) for s in self.output_structs]
        return self.state(raw(jax.tree.leaves(state)), zeros)

    def user_state(self, state: DerivedState) -> Tree:
        """The state of the step function."""
        carry = typed(self.carry(state), self.carry_kinds)
        return jax.tree.unflatten(self.trees[1], carry)

    def user_outputs(self, h: Any) -> Tree:
        """The outputs of the step function, of all steps."""
        outputs = typed(jax.tree.leaves(h), self.output_kinds)
        return jax.tree.unflatten(self.output, outputs)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Leaves:
    """Leaves of a drive, a tape or a delta, and the step that they belong to."""

    leaves: Any
    of: Shaped = dataclasses.field(metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Once:
    """What a step reads of its params, in their place: made before the loop."""

    weights: Any
    of: Shaped = dataclasses.field(metadata={"static": True})


def derive(step: Step, *, init: Init | None = None, start: Start | None = None) -> Cell:
    """A `Cell` from one step of a recurrence.

    Args:
        step: ``step(params, state, x) -> (state, output)``, of any pytrees of params
            and state; x is the input of one step, (B, X) floats or (B,) tokens, and
            the output an array (B, H). Everything it needs that is learned stands in
            params; it may not close over traced values.
        init: ``init(key, input_size, dtype) -> params``. If not given, params are
            given by hand.
        start: ``start(batch_size, dtype) -> state``. If not given, a start state is
            given by hand.

    Returns:
        A `Cell`, for every verb. Run from a state of the step's own form, the final
        state has that form; run from `cell.start` it is a `DerivedState`. Equal
        arguments give an equal cell.

    Raises:
        ValueError: if step, init or start is no function. When the cell is used: if
            the step changes the form, a shape or a dtype of the state.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> def leak(params, h, x):
    ...     h = h + jax.nn.sigmoid(params["rate"]) * (jnp.tanh(x @ params["w"]) - h)
    ...     return h, h
    >>> cell = sr.derive(leak)
    >>> params = {"rate": jnp.zeros(4), "w": jnp.ones((3, 4))}
    >>> run = sr.unroll(cell, params, jnp.ones((7, 2, 3)), jnp.zeros((2, 4)))
    >>> run.outputs.shape, run.final.shape
    ((7, 2, 4), (2, 4))
    """
    for name, function in (("step", step), ("init", init), ("start", start)):
        if not callable(function) and (name == "step" or function is not None):
            raise ValueError(f"expected {name}, a function, got {shown(function)}")
    made: Cell = _derive(step, init, start)  # type: ignore[arg-type]  # functions hash
    return made


@functools.cache
def _derive(step: Any, init: Any, start: Any) -> Cell:
    made_by = Call.of(derive, step, init=init, start=start)

    def shaped(params: Params, xs: Any, state: Any | None) -> Shaped:
        batch = jax.tree.leaves(xs)[0].shape[1]
        if state is None:
            if start is None:
                return no_start(batch)
            state = jax.eval_shape(lambda: start(batch, _dtype_of(params)))
        x = jax.eval_shape(lambda xs: jax.tree.map(lambda leaf: leaf[0], xs), xs)
        return shaped_step(step, params, state, x)

    def enter(params: Params, xs: Any, state: Any | None) -> tuple[Cell, Any, Any]:
        if state is None:
            if start is None:
                return no_start(0)
            state = start(jax.tree.leaves(xs)[0].shape[1], _dtype_of(params))
            of = shaped(params, xs, state)
            return of.cell, of.before(state), lambda state: state
        if isinstance(state, DerivedState):
            of = shaped(params, xs, None)
            return of.cell, state, lambda state: state
        of = shaped(params, xs, state)
        return of.cell, of.before(state), of.user_state

    def project(params: Params, xs: Any) -> Any:
        of = params.of if isinstance(params, Once) else shaped(params, xs, None)
        return of.cell.project(params, xs)

    def once(params: Params, xs: Any) -> Once:
        return (
            params
            if isinstance(params, Once)
            else _once(shaped(params, xs, None), params)
        )

    def first(batch_size: int, dtype: DTypeLike | None = None) -> DerivedState:
        if start is None:
            return no_start(batch_size)
        return _start_at_any_size(step, init, start, batch_size, dtype)

    return Cell(
        init or no_init,
        first if start else no_start,
        project,
        _step,
        _pull,
        _collect,
        made_by,
        enter,
        once=once,
    )


def _start_at_any_size(
    step: Step, init: Init | None, start: Start, batch_size: int, dtype: Any
) -> DerivedState:
    """The start state; its output is zero, of the shape that the step gives it."""
    state = start(batch_size, dtype)
    if init is None:
        raise ValueError(
            "expected a cell with init= and start=, got no init: without params the "
            "shape of the output is not known; pass the step's own start state instead"
        )
    params = jax.eval_shape(lambda: init(jax.random.key(0), 1, dtype))
    x = jax.ShapeDtypeStruct((batch_size, 1), _dtype_of(params))
    return shaped_step(step, params, state, x).before(state)


def _cell_at(of: Shaped) -> Cell:
    def project(params: Params, xs: Any) -> Leaves:
        weights = _once(of, params).weights
        return Leaves(of.program.drives(weights, jax.tree.leaves(xs)), of)

    def sums(params: Params) -> list[Array]:
        return of.program.zeros_of_staying(_once(of, params).weights)

    return Cell(
        no_init,
        no_start,
        project,
        _step,
        _pull,
        _collect,
        sums=sums if of.program.parts.staying else None,
        once=lambda params, xs: _once(of, params),
    )


def _once(of: Shaped, params: Params) -> Once:
    if isinstance(params, Once):
        return params
    return Once(of.program.weights(jax.tree.leaves(params)), of)


def _step(params: Params, state: DerivedState, drive: Leaves) -> Any:
    of = drive.of
    made, lefts, tape = of.program.forward(
        _once(of, params).weights, of.carry(state), drive.leaves
    )
    count = len(of.program.carry_structs)
    after = of.state(made[:count], made[count:])
    return after, Leaves((tape, lefts, of.told(state, after)), of)


def _pull(params: Params, tape: Leaves, d_state: DerivedState) -> Any:
    of, (residuals, lefts, told) = tape.of, tape.leaves
    d_carry, deltas, staying = of.program.backward(
        _once(of, params).weights, residuals, told, of.d_made(d_state)
    )
    zeros = [jnp.zeros_like(leaf) for leaf in jax.tree.leaves(d_state.h)]
    d_prev = cast_like(of.state(d_carry, zeros), d_state)
    delta = Leaves((deltas, lefts), of)
    return d_prev, (delta, staying) if of.program.parts.staying else delta


def _collect(
    params: Params, xs: Any, states_prev: DerivedState, deltas: Leaves
) -> tuple[Params, Any]:
    deltas, staying = deltas if isinstance(deltas, tuple) else (deltas, [])
    of, (d_values, lefts) = deltas.of, deltas.leaves
    program = of.program
    before = dict(zip(program.parts.flat.carry, of.carry(states_prev), strict=True))
    before.update(zip(program.stored_lefts(), lefts, strict=True))
    x_leaves, x_tree = jax.tree.flatten(xs)
    once, pull_once = jax.vjp(functools.partial(_once, of), params)
    d_weights, d_xs = collect(
        program, once.weights, x_leaves, before.__getitem__, d_values, staying
    )
    (d_params,) = pull_once(Once(as_cotangent(d_weights, once.weights), of))
    is_float = any(jnp.issubdtype(x.dtype, jnp.inexact) for x in x_leaves)
    return (
        numbers(d_params, params),
        jax.tree.unflatten(x_tree, d_xs) if is_float else None,
    )


def shaped_step(step: Any, params: Tree, state: Tree, x: Tree) -> Shaped:
    """The step at these shapes; traced once for each set of them."""
    trees = tuple(jax.tree.structure(tree) for tree in (params, state, x))
    avals = tuple(
        tuple(jax.typeof(leaf) for leaf in jax.tree.leaves(tree))
        for tree in (params, state, x)
    )
    return _shaped_step(step, trees, avals)


@functools.lru_cache(maxsize=256)
def _shaped_step(step: Any, trees: Any, avals: Any) -> Shaped:
    structs = (list(map(struct, leaves)) for leaves in avals)
    return Shaped(step, *map(jax.tree.unflatten, trees, structs))


def _varying(groups: Iterable[list[Any]]) -> list[list[Any]]:
    """Types that differ along all the axes of a ``shard_map`` that one of them does.

    So do the arrays that the engine hands to a rule: see `engine.mesh.vary_along`.
    """
    arrays = list(groups)
    axes = varying_axes(arrays)
    types = [[jax.typeof(leaf) for leaf in group] for group in arrays]
    if axes:
        varying = jax.typeof(vary_along(jnp.zeros(()), axes)).manual_axis_type
        types = [[t.update(manual_axis_type=varying) for t in group] for group in types]
    return [[struct(t) for t in group] for group in types]


def _pair(made: Any) -> tuple[Any, Any]:
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise ValueError(f"expected step to return (state, output), got {shown(made)}")
    return made[0], made[1]


def _check_same(before: Tree, after: Tree) -> None:
    """The state keeps its form, its shapes and its dtypes."""
    one: Any = jax.tree.structure(before)
    other: Any = jax.tree.structure(after)
    if one != other:
        raise ValueError(
            "expected step to return a state of the form of the one it was given, "
            f"{one}, got {other}"
        )
    pairs = zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, one), leaf in pairs:
        other = jax.typeof(leaf)
        if one.shape != other.shape or one.dtype != other.dtype:
            raise ValueError(
                f"expected step to keep the state's leaf "
                f"{jax.tree_util.keystr(path) or 'itself'}, {one.dtype} {one.shape}, "
                f"got {other.dtype} {other.shape}"
            )


def _dtype_of(params: Params) -> Any:
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(params)]
    return next((d for d in dtypes if jnp.issubdtype(d, jnp.floating)), None)
