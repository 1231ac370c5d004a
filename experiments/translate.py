"""Can an encoder and a decoder reverse strings and rewrite dates they never saw?

Two tasks on characters, both with inputs of unequal length:

- reverse: a string of 3 to 10 of 26 letters, written backwards: "nikuta" -> "atukin";
- dates: a day of 1950 to 2049, written in one of ten ways of people: "3 March 1997",
  "Mar 3, 97", "Mon 3rd of Mar 1997", "03/03/1997", ... -> "1997-03-03".

Held out are strings that are not in the training set, and whole days: the days that
the test asks for were in training in none of the ten ways. The decoder learns with
the right characters as its inputs (teacher forcing) and is judged running freely, fed
with what it wrote itself (greedy decoding): every character and the end must be right.

Many to many, of unequal lengths, in three lines; a bidirectional encoder, whose two
final states, side by side, are the start of the decoder::

    read = sr.bidirectional(half, half).run(encoder, source, lengths=lengths).final
    start = jax.tree.map(lambda *parts: jnp.concatenate(parts, -1), *read)
    run = sr.unroll(sr.gru(2 * H), decoder, shifted, start, lengths=target_lengths)

Sources: Cho et al. 2014, arXiv 1406.1078, and Sutskever, Vinyals and Le 2014, arXiv
1409.3215 (encoder and decoder).

    python experiments/translate.py
    python experiments/translate.py --task dates --seeds 1
"""

import datetime
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _study import fit
from jax import Array, lax

import scanrnn as sr

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST, LONGEST, BEYOND = 3, 10, 13  # letters: of training, and of a harder test
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
BATCH = 128

Text = tuple[str, str]  # a source and its target


class Pairs(NamedTuple):
    """Sources and targets of unequal length as tokens, one pair a column."""

    sources: Array  # (T_x, N)
    source_lengths: Array  # (N,)
    targets: Array  # (T_y, N), each with the end token behind it
    target_lengths: Array  # (N,), the end token counted


class Split(NamedTuple):
    """What is learned from, and what is asked."""

    train: list[Text]
    test: list[Text]


class Translator(NamedTuple):
    """What is learned."""

    encoder: tuple[Any, Any]
    decoder: Any
    readout: sr.DenseParams


class Vocabulary(NamedTuple):
    """Characters as tokens; behind them the begin and the end of a target."""

    characters: str

    @property
    def begin(self) -> int:
        return len(self.characters)

    @property
    def end(self) -> int:
        return len(self.characters) + 1

    @property
    def size(self) -> int:
        return len(self.characters) + 2

    def encode(self, texts: list[Text]) -> Pairs:
        """Time comes first; a short text is padded with the token 0."""
        sources = [[self.characters.index(c) for c in source] for source, _ in texts]
        targets = [
            [*(self.characters.index(c) for c in target), self.end]
            for _, target in texts
        ]
        return Pairs(*_padded(sources), *_padded(targets))


def _padded(rows: list[list[int]]) -> tuple[Array, Array]:
    lengths = np.array([len(row) for row in rows])
    tokens = np.zeros((lengths.max(), len(rows)), np.int32)
    for n, row in enumerate(rows):
        tokens[: len(row), n] = row
    return jnp.asarray(tokens), jnp.asarray(lengths)


def reversals(rng: np.random.Generator, train: int, test: int) -> Split:
    """Strings of every length in turn; no string of the test is in training."""
    known = {_word(rng, LONGEST, n) for n in range(train)}
    unknown: set[str] = set()
    while len(unknown) < test:
        unknown |= {_word(rng, BEYOND, n) for n in range(test - len(unknown))} - known
    return Split(*([(word, word[::-1]) for word in sorted(s)] for s in (known, unknown)))


def _word(rng: np.random.Generator, longest: int, n: int) -> str:
    size = SHORTEST + n % (longest - SHORTEST + 1)
    return "".join(rng.choice(list(LETTERS), size))


def _ordinal(n: int) -> str:
    ending = "th" if n in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


WAYS: tuple[Callable[[datetime.date], str], ...] = (
    lambda d: f"{d.day} {d:%B %Y}",
    lambda d: f"{d:%B} {d.day}, {d:%Y}",
    lambda d: f"{d.day} {d:%b %y}",
    lambda d: f"{d:%b} {d.day}, {d:%y}",
    lambda d: f"{d:%d/%m/%Y}",
    lambda d: f"{d.day}.{d.month}.{d:%Y}",
    lambda d: f"{d.day}/{d.month}/{d:%y}",
    lambda d: f"{d:%a} {_ordinal(d.day)} of {d:%b %Y}",
    lambda d: f"{d:%a}, {d:%b} {_ordinal(d.day)} {d:%Y}",
    lambda d: f"{d:%Y %B} {d.day}",
)


def dates(rng: np.random.Generator, train: int, test: int) -> Split:
    """Days in one way each; no day of the test is in training in any way."""
    days = [FIRST + datetime.timedelta(n) for n in range((LAST - FIRST).days + 1)]
    rng.shuffle(days)
    asked, known = days[: test], days[test:]
    return Split(
        [(WAYS[rng.integers(len(WAYS))](d), f"{d}") for d in rng.choice(known, train)],
        [(WAYS[n % len(WAYS)](d), f"{d}") for n, d in enumerate(asked)],
    )


def cells(hidden: int) -> tuple[sr.Layer, sr.Cell]:
    """The encoder, and the decoder whose state holds both of the encoder's."""
    half = sr.gru(hidden)
    return sr.bidirectional(half, half), sr.gru(2 * hidden)


def init(key: Array, hidden: int, size: int) -> Translator:
    """Draws what is learned, for a vocabulary of ``size``."""
    encoder, decoder = cells(hidden)
    for_encoder, for_decoder, for_readout = jax.random.split(key, 3)
    return Translator(
        encoder.init(for_encoder, size),
        decoder.init(for_decoder, size),
        sr.init_dense(for_readout, 2 * hidden, size),
    )


def read(
    params: Translator, hidden: int, pairs: Pairs, way: sr.Backward = sr.Stored()
) -> Any:
    """The start of the decoder: both final states of the encoder, side by side."""
    final = cells(hidden)[0].run(
        params.encoder, pairs.sources, lengths=pairs.source_lengths, backward=way
    ).final
    return jax.tree.map(lambda *parts: jnp.concatenate(parts, -1), *final)


def loss(
    params: Translator, hidden: int, pairs: Pairs, begin: int, way: sr.Backward = sr.Stored()
) -> Array:
    """The cross-entropy of a character of the target, in nats; teacher forcing."""
    start = read(params, hidden, pairs, way)
    shifted = jnp.concatenate((jnp.full_like(pairs.targets[:1], begin), pairs.targets[:-1]))
    run = sr.unroll(
        cells(hidden)[1], params.decoder, shifted, start, lengths=pairs.target_lengths, backward=way
    )
    weights = jnp.arange(len(shifted))[:, None] < pairs.target_lengths
    return sr.softmax_cross_entropy(sr.dense(params.readout, run.outputs), pairs.targets, weights)


@functools.partial(jax.jit, static_argnames=("hidden", "begin"))
def write(params: Translator, pairs: Pairs, *, hidden: int, begin: int) -> Array:
    """What the decoder writes when it is fed its own characters, (T_y, N)."""

    def step(carry: tuple[Any, Array], _: None) -> tuple[tuple[Any, Array], Array]:
        state, token = carry
        run = sr.unroll(cells(hidden)[1], params.decoder, token[None], state)
        token = sr.dense(params.readout, run.outputs[0]).argmax(-1)
        return (run.final, token), token

    first = jnp.full_like(pairs.targets[0], begin)
    state = read(params, hidden, pairs)
    return lax.scan(step, (state, first), length=len(pairs.targets))[1]


def exact(params: Translator, pairs: Pairs, *, hidden: int, begin: int) -> np.ndarray:
    """Whether a target is matched to its last character, (N,) bool."""
    written = write(params, pairs, hidden=hidden, begin=begin)
    steps = jnp.arange(len(written))[:, None]
    wrong = (written != pairs.targets) & (steps < pairs.target_lengths)
    return np.asarray(~wrong.any(0))
