"""The hand-derived gradient beside `jax.grad`, leaf by leaf, on a model's own loss."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from .model import CharModel, CharParams
from .streams import Window


class LeafError(NamedTuple):
    """How far the hand-derived gradient of one leaf is from that of `jax.grad`."""

    name: str
    shape: tuple[int, ...]
    largest: float  # the largest entry of jax.grad's, in magnitude
    relative: float  # the largest difference, divided by it


def compare_gradients(
    by_hand: CharModel,
    by_jax: CharModel,
    params: CharParams,
    window: Window,
    state: Any,
) -> list[LeafError]:
    """One row per leaf of the parameters.

    Args:
        by_hand: the model with the hand-derived way back.
        by_jax: the same model with `sr.Autodiff()`.
        params: where both are differentiated.
        window: the batch on which both are differentiated.
        state: the state before it.
    """

    ours, theirs = (
        jax.tree_util.tree_leaves_with_path(_gradient(model, params, window, state))
        for model in (by_hand, by_jax)
    )
    return [
        _leaf_error(path, leaf, other)
        for (path, leaf), (_, other) in zip(ours, theirs, strict=True)
    ]


@functools.partial(jax.jit, static_argnums=0)
def _gradient(
    model: CharModel, params: CharParams, window: Window, state: Any
) -> CharParams:
    d_params: CharParams = jax.grad(model.loss, has_aux=True)(params, window, state)[0]
    return d_params


def _leaf_error(path: Any, of_ours: Array, of_jax: Array) -> LeafError:
    # By NumPy: of every shape, JAX would compile each of these operations.
    ours, theirs = np.asarray(of_ours), np.asarray(of_jax)
    largest = float(np.abs(theirs).max())
    difference = float(np.abs(ours - theirs).max())
    # A gradient of nothing but zeros is right only if ours is, too.
    relative = difference / largest if largest else float(difference > 0)
    return LeafError(jax.tree_util.keystr(path), ours.shape, largest, relative)
