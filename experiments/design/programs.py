"""What is not computed where dx alone is asked for: the compiled programs tell."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

import scanrnn as sr

from .trajectories import emit

WAYS: dict[str, Callable[[int], sr.Backward]] = {
    "Stored()": lambda block: sr.Stored(),
    "Recomputed(4)": sr.Recomputed,
    "Checkpointed(4)": sr.Checkpointed,
    "Autodiff()": lambda block: sr.Autodiff(),
}


T, B, X, H, Y = 13, 3, 5, 7, 2  # no product but those has the shape of a weight
By = int | tuple[int, int]  # the gradient's: 0 for params, 1 for xs


class Program(NamedTuple):
    """What a compiled gradient computes."""

    products: int  # matrix products in the text of the program
    of_weights: int  # of them those whose result has the shape of a weight
    flops: float  # all of it, with every loop unrolled


def program(cell: sr.Cell, way: str, by: By) -> Program:
    """The optimised program of a gradient of a cell of H units."""
    return Program(*products(cell, way, by), flops(cell, way, by))


def products(cell: sr.Cell, way: str, by: By) -> tuple[int, int]:
    """How many there are, and of the shape of a weight; over blocks of four steps."""
    text = compiled(cell, way, by, block=4, unroll=1).as_text()
    shapes = re.findall(r"= \w+\[([\d,]*)\]\S* dot\(", text)
    matrices = [leaf for leaf in jax.tree.leaves(params_of(cell)) if leaf.ndim == 2]
    of_weights = {  # as they are, or turned
        "{},{}".format(*shape) for m in matrices for shape in (m.shape, m.shape[::-1])
    }
    return len(shapes), sum(shape in of_weights for shape in shapes)


def flops(cell: sr.Cell, way: str, by: By) -> float:
    """XLA counts the FLOP of a loop's body once, so every loop is unrolled.

    The sequence is one block, whose second run in `Checkpointed` XLA then merges with
    the first.
    """
    analysis = compiled(cell, way, by, block=T, unroll=T).cost_analysis()
    return float(analysis["flops"])


def params_of(cell: sr.Cell) -> Any:
    """The shapes of the params of the cell and of dense; nothing is drawn."""
    key = jax.random.key(0)
    return jax.eval_shape(lambda: (cell.init(key, X), sr.init_dense(key, H, Y)))


def compiled(cell: sr.Cell, way: str, by: By, block: int, unroll: int) -> Any:
    """The gradient of the sum of the squares of all that is emitted."""

    def loss(params: Any, xs: Array) -> Array:
        emitted = emit(cell, params, xs, WAYS[way](block), unroll)
        return jnp.sum(emitted**2)

    xs = jax.ShapeDtypeStruct((T, B, X), jnp.float32)
    return jax.jit(jax.grad(loss, by)).lower(params_of(cell), xs).compile()


def programs(cell: sr.Cell) -> dict[str, tuple[Program, Program]]:
    """By way back: the gradient by xs alone, and by params and xs."""
    cpu = jax.local_devices(backend="cpu")[0]  # elsewhere products have other names
    with jax.default_device(cpu):
        return {w: (program(cell, w, 1), program(cell, w, (0, 1))) for w in WAYS}
