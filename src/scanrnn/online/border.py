"""One clear error where something does not fit: what was expected, what came."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..cell import Cell, Params, State
from ..compose.layer import Layer
from ..derive.cell import derive
from ..engine.arrays import as_array, as_arrays
from ..engine.checks import (
    check_cell,
    check_dtype,
    check_inputs,
    check_state,
    input_sizes,
)
from ..engine.products import is_tokens
from ..engine.trees import choose, widen
from ..engine.values import shown
from .methods import RTRL, UORO, Method, SnAp
from .moment import float_leaves
from .whole import Of, only

TOLD = "; x is told with a time axis of 1"


def cell_of(of: Cell | Layer) -> Cell:
    """The cell, or one that is derived from the step of a layer."""
    if not isinstance(of, Layer):
        check_cell(of)
        return of
    if of.step is None:
        raise ValueError(
            "expected a layer that reads forwards, got one with a bidirectional part: "
            "what comes later has no part in learning online"
        )
    return derive(_StepOf(of), init=of.init, start=of.start)


class _StepOf:
    """A layer's step, in the order that `sr.derive` takes; equal for equal layers."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def __call__(self, params: Params, state: Any, x: Array) -> tuple[Any, Array]:
        assert self.layer.step is not None
        output, after = self.layer.step(params, state, x)
        return after, output

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _StepOf) and other.layer == self.layer

    def __hash__(self) -> int:
        return hash((_StepOf, self.layer))


def check_method(method: Any) -> Method:
    """RTRL(), SnAp(n) or UORO()."""
    if not isinstance(method, RTRL | SnAp | UORO):
        hint = f"; write {method.__name__}()" if isinstance(method, type) else ""
        raise ValueError(
            f"expected method: RTRL(), SnAp(n) or UORO(), got {shown(method)}{hint}"
        )
    return method


def check_start(cell: Cell, params: Params, start: State, x: Array | None) -> int:
    """B; of a cell by hand the state is what `cell.start` makes."""
    for leaf in jax.tree.leaves(params):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise ValueError(
                f"expected params of real floating dtypes, got {leaf.dtype}; what is "
                "not learned is better closed over by the step"
            )
    leaves = jax.tree.leaves(start)
    if not leaves or any(leaf.ndim == 0 for leaf in leaves):
        raise ValueError(
            "expected start with a batch axis in every leaf, (B, ...), got shapes "
            f"{[leaf.shape for leaf in leaves]}; examples learn on their own"
        )
    batch = leaves[0].shape[0]
    if any(leaf.shape[0] != batch for leaf in leaves):
        raise ValueError(
            "expected start with one batch size in every leaf, (B, ...), got shapes "
            f"{[leaf.shape for leaf in leaves]}"
        )
    for leaf in leaves:
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            raise ValueError(
                f"expected a state of real numbers, got {leaf.dtype}; carry real and "
                "imaginary parts as leaves of their own"
            )
    if cell.enter is None:
        if not input_sizes(cell, params):
            raise ValueError(
                f"expected params as {cell!r} makes them by init, got {_shapes(params)}"
            )
        xs: Any = jax.ShapeDtypeStruct((1, batch), "int32")
        check_state(cell, start, xs, check_dtype(params))
    elif x is None:
        raise ValueError(
            "expected x=, an example of an input, of a cell that was derived, as its "
            "shapes are not known without; init(params, start, x=xs[0])"
        )
    return batch


def check_output(state: State) -> None:
    """One array: a loss of several outputs is one of all of them, joined."""
    outputs: Any = jax.tree.structure(state.h)
    if outputs != jax.tree.structure(0):
        raise ValueError(
            f"expected a step whose output is one array (B, H), got {outputs}; "
            "concatenate them"
        )


def check_key(method: Method, key: Array | None) -> None:
    """UORO needs one, no other method takes one."""
    if isinstance(method, UORO) and key is None:
        raise ValueError(
            "expected key=, for the noise of UORO, got none; "
            "init(params, start, key=jax.random.key(0))"
        )
    if not isinstance(method, UORO) and key is not None:
        raise ValueError(f"expected no key with {method}, which draws nothing")


def check_input(cell: Cell, params: Params, state: State, x: Array, name: str) -> None:
    """x (B, X) floats or (B,) tokens, of the batch of the state."""
    batch = jax.tree.leaves(state)[0].shape[0]
    if x.ndim == 0 or x.shape[0] != batch:
        raise ValueError(
            f"expected {name}: floats ({batch}, X) or tokens ({batch},), of the batch "
            f"that the state has, got {x.dtype} {x.shape}"
        )
    if cell.enter is not None:
        return
    if x.ndim != (1 if is_tokens(x) else 2):
        raise ValueError(
            f"expected {name} of one step, floats ({batch}, X) or tokens ({batch},), "
            f"got {x.dtype} {x.shape}; hand over xs[t], or `follow` all of xs"
        )
    try:
        check_inputs(cell, params, x[None], None)
    except ValueError as error:
        raise ValueError(f"{error}{TOLD}") from error


def flags_of(name: str, value: Any, batch: int) -> Array | None:
    """mask or reset: (B,) bool."""
    if value is None:
        return None
    flags = as_array(name, value)
    if flags.shape != (batch,) or flags.dtype != bool:
        raise ValueError(
            f"expected {name}: bool of shape ({batch},), one for each example, got "
            f"{flags.dtype} {flags.shape}"
        )
    return flags


def restored(
    cell: Cell, params: Params, state: State, x: Array, reset_to: State | None
) -> State:
    """What a reset restores, (B, ·): what is given, or the cell's own start."""
    batch = jax.tree.leaves(state)[0].shape[0]
    if reset_to is None and cell.enter is None:
        return cell.start(batch, check_dtype(params))
    if reset_to is None:
        assert cell.enter is not None
        _, _, leave = cell.enter(params, x[None], state)
        return leave(cell.enter(params, x[None], None)[1])
    to = as_arrays("reset_to", reset_to)
    one: Any = jax.tree.structure(to)
    if one != jax.tree.structure(state) or any(
        a.shape[1:] != b.shape[1:] or a.shape[0] not in (1, batch)
        for a, b in zip(jax.tree.leaves(to), jax.tree.leaves(state), strict=True)
    ):
        raise ValueError(
            "expected reset_to of the form of the state, (B, ·) or one for all, "
            f"{_shapes(state)}, got {_shapes(to)}"
        )
    return jax.tree.map(
        lambda a, b: jnp.broadcast_to(a, b.shape).astype(b.dtype), to, state
    )


def check_memory(memory: Any, kind: Any, learner: Any) -> None:
    """A memory that this learner made."""
    if not isinstance(memory, kind):
        raise ValueError(
            f"expected memory as init makes it, got {shown(memory)}; a state alone has "
            "no influence to carry"
        )
    made_by = memory.influence.kept.form.of.learner
    if made_by != learner:
        raise ValueError(
            f"expected a memory of this learner, {learner}, got one of {made_by}"
        )


def check_params(params: Params, of: Of) -> None:
    """Params of the shapes that the influence has."""
    shapes = tuple(leaf.shape for leaf in jax.tree.leaves(params))
    if shapes != of.shapes:
        raise ValueError(
            "expected params of the shapes that the memory was made for, "
            f"{list(of.shapes)}, got {list(shapes)}"
        )


def cotangents(memory: Any, d_h: Any) -> list[Array | None]:
    """Of every leaf of the state with a derivative, wide; None for zero."""
    kept, batch = memory.influence.kept, memory.valid.shape[0]
    structure: Any = jax.tree.structure(d_h)
    if structure == kept.state and structure != jax.tree.structure(0):
        d_state = as_arrays("d_h", d_h)
        if _shapes(d_state) != _shapes(memory.state):
            raise ValueError(
                f"expected d_h, a state, of shapes {_shapes(memory.state)}, got "
                f"{_shapes(d_state)}"
            )
        return list(float_leaves(widen(d_state)))
    shape = (batch, *kept.shape)
    d_output = as_array("d_h", d_h)
    is_float = jnp.issubdtype(d_output.dtype, jnp.floating)
    if d_output.shape != shape or not is_float:
        raise ValueError(
            f"expected d_h: floats {shape}, the derivative of this step's loss by its "
            f"output, got {d_output.dtype} {d_output.shape}"
        )
    d_output = choose(memory.valid, widen(d_output), jnp.zeros_like(widen(d_output)))
    return only(kept.h, d_output.astype(kept.dtype), kept.leaves)


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.shape, tree)
