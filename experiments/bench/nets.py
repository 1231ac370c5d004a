"""A recurrent network of another library, and how it takes part."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from shared.study import CELLS

import scanrnn as sr

from .cases import Case
from .contestants import Contestant, Layout, by_jax


class Net(NamedTuple):
    """A recurrent network of another library.

    The translation is affine, so that its transpose brings the gradients back. Tokens
    are fed as one-hot vectors, which is the same product.

    Attributes:
        name: as the tables print it.
        translate: our params -> theirs, affine.
        outputs: their params, xs -> (T, B, H); (B, T, H) if batch_major.
        batch_major: whether it wants (B, T, ...).
        lacks: our params that it does not have.
        differs: what is not the same, if anything.
        cell: the cell of ours with its equations, where that is another one.
    """

    name: str
    translate: Callable[[Any], Any]
    outputs: Callable[[Any, Array], Array]
    batch_major: bool = False
    lacks: tuple[str, ...] = ()
    differs: str = ""
    cell: sr.Cell | None = None


def contestant(case: Case, net: Net, layout: Layout = Layout()) -> Contestant:
    """A network with the loss of a case."""

    def loss(theirs: Any, xs: Array, weights: Array) -> Array:
        return jnp.sum(net.outputs(theirs, xs) * weights)

    return Contestant(
        name=layout.named(net.name),
        group="peer",
        build=by_jax(loss, net.translate, layout=layout, batch_major=net.batch_major),
        cell=net.cell or CELLS[case.cell](case.H),
        layout=layout,
        differs=net.differs,
        lacks=net.lacks,
        as_it_comes=layout.devices == 1,
    )


def inputs_of(case: Case, xs: Array) -> Array:
    """Floats as they are; tokens as one-hot vectors."""
    return jax.nn.one_hot(xs, case.X, dtype=case.dtype) if case.tokens else xs
