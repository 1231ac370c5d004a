"""The character model of the studies of gradients: one text, one cell, one dense layer.

The text is the default corpus of `scanrnn.charlm`, the documentation topics of CPython.
"""

import functools
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import typer
from jax import Array

import scanrnn as sr
from scanrnn.charlm import load_corpus

from .study import CELLS, Watched, watch

Units = Annotated[int, typer.Option(min=1, help="H of every cell.")]
Batch = Annotated[int, typer.Option(min=1, help="Rows of a batch.")]


class Params(NamedTuple):
    """What is learnt."""

    cell: Any
    dense: sr.DenseParams


class Model(NamedTuple):
    """A cell, and what is learnt before and after its training."""

    cell: sr.Cell
    fresh: Params
    run: Watched


class Text(NamedTuple):
    """Tokens (N,) and the number of characters they may stand for."""

    tokens: Array
    size: int


Piece = tuple[Array, Array]  # characters, and those that follow, both (T, B)
Models = Iterator[tuple[str, Model]]  # with their names


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


def draw(tokens: Array, key: Array, length: int, batch: int) -> Piece:
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


def train_cells(
    seed: int, units: int, *, steps: int, length: int, batch: int, measured: int = 1
) -> tuple[Piece, Models]:
    """A piece of the text to measure on, and the three cells as they get trained.

    All start from the same key and read the same batches; the piece is as large as
    ``measured`` of them.
    """
    for_params, for_training, for_piece = jax.random.split(jax.random.key(seed), 3)
    cells = {name: make(units) for name, make in CELLS.items()}
    models = {name: (cell, init(cell, for_params)) for name, cell in cells.items()}
    sizes = {"steps": steps, "length": length, "batch": batch}
    piece = draw(text().tokens, for_piece, length, measured * batch)
    return piece, train_each(models, for_training, **sizes)


def train_each(
    models: dict[str, tuple[sr.Cell, Params]], key: Array, **options: Any
) -> Models:
    """Trains one after the other on the same batches; the options are of `train`."""
    for name, (cell, fresh) in models.items():
        run = train(cell, fresh, key, label=name, **options)
        yield name, Model(cell, fresh, run)


def progress(run: Watched) -> str:
    """The loss before the first update, and the mean over the last twenty."""
    return f"loss {run.told[0]:.2f} -> {run.told[-20:].mean():.2f}"
