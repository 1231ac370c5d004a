"""The model: tokens -> a stack of cells -> a dense layer -> the next character."""

import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array

import scanrnn as sr

from .config import CELLS, Config, way_back
from .streams import Window


class CharParams(NamedTuple):
    """What is trained."""

    layers: tuple[Any, ...]  # one entry per layer, the lowest first
    readout: sr.DenseParams


class Predict(Protocol):
    """tokens (T, B) and the state before them -> logits (T, B, V), the state after."""

    def __call__(
        self, params: CharParams, tokens: Array, state: Any, resets: Array | None = None
    ) -> tuple[Array, Any]:
        """Where resets (T, B) hold, it starts anew, from `start`."""
        ...


class Loss(Protocol):
    """A window and the state before it -> mean nats per character, the state after."""

    def __call__(
        self, params: CharParams, window: Window, state: Any, kept: Array | None = None
    ) -> tuple[Array, Any]:
        """With the outputs that are kept (1, B, H): that is the loss to train on."""
        ...


class CharModel(NamedTuple):
    """A character model as five pure functions.

    >>> import jax, jax.numpy as jnp
    >>> model = char_model(sr.stack(sr.gru(8)), vocabulary_size=5)
    >>> params, state = model.init(jax.random.key(0)), model.start(2)
    >>> logits, state = model.predict(params, jnp.zeros((7, 2), int), state)
    >>> logits.shape
    (7, 2, 5)
    """

    init: Any  # (key) -> CharParams
    start: Any  # (batch_size) -> the state before the first character
    predict: Predict
    loss: Loss
    draw_kept: Any  # (key, B) -> bool (1, B, H), or None where nothing is dropped


FASTEST = sr.Fastest()
EMBEDDING = 1.0  # of a run: see `char_model`
DTYPE = jnp.float32  # also where x64 is on: a run gives the same numbers


@functools.cache
def char_model(
    net: sr.Layer,
    vocabulary_size: int,
    backward: sr.Backward | sr.Fastest = FASTEST,
    dropout: float = 0.0,
    embedding: float | None = None,
) -> CharModel:
    """A model of V characters on a layer, with a way back of your choice.

    Dropout leaves out a share of the outputs before the dense layer, never of what a
    cell hands to its next step (Zaremba, Sutskever and Vinyals 2014, arXiv 1409.2329);
    of each stream the same units in all steps of a window (Gal and Ghahramani 2016,
    arXiv 1512.05287), which takes a draw for B H units and not for T B H.

    A token picks one row of the first layer's W_x. With ``embedding`` that matrix is
    drawn from N(0, embedding²), as embeddings are: at the scale of a dense product,
    √(2 / (V + H)), a character is hardly heard beside the state, and training spends
    its first hundreds of updates on making it louder.

    With `sr.Autodiff()` JAX differentiates the readout and the loss too, so that the
    whole chain from the loss to the weights is left to it.

    Raises:
        ValueError: when drawn, if the first layer has no ``w_x`` and an ``embedding``
            is given.
    """
    by_jax = isinstance(backward, sr.Autodiff)
    dense = sr.plain_dense if by_jax else sr.dense
    cross_entropy = (
        sr.plain_softmax_cross_entropy if by_jax else sr.softmax_cross_entropy
    )

    def init(key: Array) -> CharParams:
        key_layers, key_readout = jax.random.split(key)
        readout = sr.init_dense(key_readout, net.output_size, vocabulary_size, DTYPE)
        layers = net.init(key_layers, vocabulary_size, DTYPE)
        if embedding is not None:
            layers = _redrawn(key_layers, layers, embedding)
        return CharParams(layers, readout)

    def run(
        params: CharParams, tokens: Array, state: Any, resets: Array | None
    ) -> sr.Unrolled:
        return net.run(params.layers, tokens, state, resets=resets, backward=backward)

    def predict(
        params: CharParams, tokens: Array, state: Any, resets: Array | None = None
    ) -> tuple[Array, Any]:
        outputs, final = run(params, tokens, state, resets)
        return dense(params.readout, outputs), final

    def loss(
        params: CharParams, window: Window, state: Any, kept: Array | None = None
    ) -> tuple[Array, Any]:
        outputs, final = run(params, window.inputs, state, window.resets)
        if kept is not None:
            outputs = jnp.where(kept, outputs / (1 - dropout), 0)
        logits = dense(params.readout, outputs)
        return cross_entropy(logits, window.labels, window.weights), final

    def draw_kept(key: Array, batch_size: int) -> Array | None:
        if not dropout:
            return None
        share = jnp.float32(1 - dropout)  # so drawn alike where x64 is on
        return jax.random.bernoulli(key, share, (1, batch_size, net.output_size))

    def start(batch_size: int) -> Any:
        return net.start(batch_size, DTYPE)

    return CharModel(init, start, predict, loss, draw_kept)


def model_of(config: Config, vocabulary_size: int, backward: str = "") -> CharModel:
    """The model that a config describes; with another way back, if one is given."""
    net = _net(config.cell, config.hidden, config.layers)
    way = way_back(backward or config.backward)
    return char_model(net, vocabulary_size, way, config.dropout, EMBEDDING)


@functools.cache
def _net(cell: str, hidden: int, layers: int) -> sr.Layer:
    return sr.stack(*(CELLS[cell](hidden),) * layers)


def _redrawn(key: Array, layers: tuple[Any, ...], scale: float) -> tuple[Any, ...]:
    """The layers with another first W_x."""
    first, *rest = layers
    if not hasattr(first, "w_x"):
        raise ValueError(
            f"expected a first layer with a w_x to draw, got {type(first).__name__}; "
            "leave out embedding"
        )
    key = jax.random.fold_in(key, len(layers))  # no layer's own
    w_x = scale * jax.random.normal(key, first.w_x.shape, first.w_x.dtype)
    return first._replace(w_x=w_x), *rest
