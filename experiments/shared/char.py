"""The character model of the studies of gradients: one text, one cell, one dense layer.

The text is the default corpus of `scanrnn.charlm`, the documentation topics of CPython.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from shared.study import Watched, watch

import scanrnn as sr
from scanrnn.charlm import load_corpus


class Params(NamedTuple):
    """What is learnt."""

    cell: Any
    dense: sr.DenseParams


class Text(NamedTuple):
    """Tokens (N,) and the number of characters they may stand for."""

    tokens: Array
    size: int


@functools.cache
def text() -> Text:
    """What is trained on."""
    corpus = load_corpus()
    vocabulary = corpus.vocabulary
    return Text(jnp.asarray(vocabulary.encode(corpus.train)), vocabulary.size)


def init(cell: sr.Cell, key: Array) -> Params:
    """Fresh params for the characters of the text."""
    key_cell, key_dense = jax.random.split(key)
    units = cell.start(1).h.shape[-1]
    size = text().size
    return Params(cell.init(key_cell, size), sr.init_dense(key_dense, units, size))


def draw(tokens: Array, key: Array, length: int, batch: int) -> tuple[Array, Array]:
    """Pieces of the text and the character that follows each, both (T, B)."""
    firsts = jax.random.randint(key, (batch,), 0, tokens.size - length)
    at = firsts + jnp.arange(length + 1)[:, None]
    pieces = tokens[at]
    return pieces[:-1], pieces[1:]


def loss_of_outputs(
    dense: sr.DenseParams, outputs: Array, labels: Array, weights: Array | None = None
) -> Array:
    """Nats per character."""
    return sr.softmax_cross_entropy(sr.dense(dense, outputs), labels, weights)


def train(
    cell: sr.Cell,
    params: Params,
    key: Array,
    *,
    steps: int,
    length: int,
    batch: int,
    clip: float = 1.0,
    label: str = "training",
) -> Watched:
    """Adam with the full gradient."""
    tokens = text().tokens

    def loss(params: Params, key: Array) -> Array:
        xs, labels = draw(tokens, key, length, batch)
        outputs = sr.unroll(cell, params.cell, xs).outputs
        return loss_of_outputs(params.dense, outputs, labels)

    return watch(loss, params, key, steps=steps, rate=3e-3, clip=clip, label=label)
