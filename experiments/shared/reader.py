"""A small character model for the scripts that look into one, or one from a run."""

import functools
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import typer
from jax import Array

import scanrnn as sr
from scanrnn.charlm import (
    CharModel,
    Corpus,
    RunDirectory,
    Vocabulary,
    Writer,
    char_model,
    load_corpus,
    load_writer,
    read_about,
)

from .study import console, fit

WINDOW = 64  # steps read before the error is sent back
BATCH = 32
RATE = 5e-3

Hidden = Annotated[int, typer.Option(min=1, help="Units of the model that is trained.")]
Run = Annotated[
    Path | None,
    typer.Option(
        help="A run of char_lm.py on a text; a model is trained if not given."
    ),
]


class Reader(NamedTuple):
    """A trained model, with the text that it was trained on and the rest."""

    writer: Writer
    corpus: Corpus

    @property
    def model(self) -> CharModel:
        return self.writer.model

    @property
    def vocabulary(self) -> Vocabulary:
        return self.writer.vocabulary

    def log_probabilities(self, xs: Array) -> Array:
        """Of the next character, after every step of a cold start.

        Args:
            xs: tokens (T, B), or floats (T, B, V): characters, one-hot or relaxed.

        Returns:
            (T, B, V), in nats.
        """
        return _log_probabilities(self.model, self.writer.params, xs)

    def frequencies(self) -> Array:
        """How often each character stands in the training text, (V,); sums to 1."""
        tokens = self.vocabulary.encode(self.corpus.train)
        counts = np.bincount(tokens, minlength=self.vocabulary.size)
        return jnp.asarray(counts / counts.sum(), jnp.float32)

    def excerpts(self, length: int, count: int, seed: int) -> Array:
        """Tokens (T, B) of ``count`` places in the text that was held out."""
        tokens = self.vocabulary.encode(self.corpus.held_out)
        if len(tokens) < length:
            raise typer.BadParameter(
                f"expected excerpts of at most the {len(tokens)} characters that are "
                f"held out, got {length}"
            )
        places = np.random.default_rng(seed).integers(
            0, len(tokens) - length + 1, count
        )
        return jnp.asarray(tokens[np.arange(length)[:, None] + places])


@functools.partial(jax.jit, static_argnums=0)
def _log_probabilities(model: CharModel, params: Any, xs: Array) -> Array:
    logits, _ = model.predict(params, xs, model.start(xs.shape[1]))
    return jax.nn.log_softmax(logits)


def train_reader(cell: sr.Cell, steps: int, seed: int) -> Reader:
    """Trains on CPython's own texts; every window of it starts cold, as prompts do."""
    corpus = load_corpus()
    vocabulary = corpus.vocabulary
    tokens = jnp.asarray(vocabulary.encode(corpus.train))
    model = char_model(sr.stack(cell), vocabulary.size)

    def loss(params: Any, key: Array) -> Array:
        places = jax.random.randint(key, (BATCH,), 0, len(tokens) - WINDOW)
        piece = tokens[jnp.arange(WINDOW + 1)[:, None] + places]
        logits, _ = model.predict(params, piece[:-1], model.start(BATCH))
        return sr.softmax_cross_entropy(logits, piece[1:])

    key_init, key_fit = jax.random.split(jax.random.key(seed))
    rate = optax.cosine_decay_schedule(RATE, steps)
    params, losses = fit(loss, model.init(key_init), key_fit, steps=steps, rate=rate)
    console.print(f"trained  {steps} updates, last loss {losses[-20:].mean():.3f} nats")
    return Reader(Writer(model, params, vocabulary, None), corpus)


def load_reader(path: Path) -> Reader:
    """The last checkpoint of a run of ``char_lm.py``, and the text it was trained on.

    Raises:
        typer.BadParameter: if there is none, it is damaged, its text is gone or another
            one, or it was trained on names.
    """
    try:
        about = read_about(RunDirectory(path))
        if about.config.names is not None:
            raise ValueError(f"expected a run on a text, got one on names: {path}")
        corpus = load_corpus(about.config.text)
        if corpus.digest != about.corpus:
            raise ValueError(f"the text of {path} is no longer what it was trained on")
        return Reader(load_writer(RunDirectory(path)), corpus)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
