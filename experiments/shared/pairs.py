"""What `translate.py` translates: two tasks on strings, and strings as tokens."""

import datetime
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST, LONGEST, BEYOND = 3, 10, 13  # letters; those beyond 10 are only asked for
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
SHOWN = datetime.date(1997, 3, 3)  # a way of writing is named after it
END, BEGIN, RESERVED = 0, 1, 2  # the tokens of characters follow

Text = tuple[str, str]  # a source and its target


class Split(NamedTuple):
    """What is learned from, and what is asked, in groups."""

    train: list[Text]
    test: dict[str, list[Text]]
    beyond: frozenset[str]  # groups of which training holds nothing alike


class Pairs(NamedTuple):
    """Sources and targets of unequal length as tokens, one pair a column."""

    sources: Array  # (T_x, N)
    source_lengths: Array  # (N,)
    targets: Array  # (T_y, N), each with END behind it
    target_lengths: Array  # (N,), END counted


def reversals(rng: np.random.Generator, train: int, test: int) -> Split:
    """Strings and their reversals: ``train`` to learn from, ``test`` of every length.

    No string of the test is in training. Training stops at `LONGEST` letters.
    """
    sizes = range(SHORTEST, LONGEST + 1)
    known = {word for n in sizes for word in _words(rng, n, -(-train // len(sizes)))}
    asked: dict[str, list[Text]] = {}
    for size in range(SHORTEST, BEYOND + 1):
        unknown: set[str] = set()
        while len(unknown) < test:
            unknown |= set(_words(rng, size, test - len(unknown))) - known
        asked[f"{size}" if size in sizes else f"{size}, untrained"] = _reversed(unknown)
    return Split(_reversed(known), asked, frozenset(list(asked)[len(sizes) :]))


def _words(rng: np.random.Generator, size: int, count: int) -> list[str]:
    drawn = rng.integers(len(LETTERS), size=(count, size))
    return ["".join(LETTERS[n] for n in row) for row in drawn]


def _reversed(words: set[str]) -> list[Text]:
    return [(word, word[::-1]) for word in sorted(words)]


def _ordinal(n: int) -> str:
    endings = {} if n in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}
    return f"{n}{endings.get(n % 10, 'th')}"


# The day comes before the month; a year of two digits is the one in `FIRST` to `LAST`.
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
    """Days as people write them, and as ISO 8601 does; ``test`` of every way.

    A day of the test is in training in no way at all.
    """
    count = (LAST - FIRST).days + 1
    days = [FIRST + datetime.timedelta(int(n)) for n in rng.permutation(count)]
    asked = {
        way(SHOWN): [(way(day), f"{day}") for day in days[n * test : (n + 1) * test]]
        for n, way in enumerate(WAYS)
    }
    left = days[len(WAYS) * test :]
    drawn = zip(
        rng.integers(len(WAYS), size=train),
        rng.integers(len(left), size=train),
        strict=True,
    )
    known = [(WAYS[way](left[day]), f"{left[day]}") for way, day in drawn]
    return Split(known, asked, frozenset())


def characters(split: Split) -> str:
    """All that occur, sorted; their places give their tokens."""
    texts = split.train + [text for group in split.test.values() for text in group]
    return "".join(sorted({c for text in texts for c in "".join(text)}))


def encode(texts: list[Text], characters: str) -> Pairs:
    """Texts as tokens, time first; short ones are padded with END."""
    token = {c: RESERVED + n for n, c in enumerate(characters)}
    sources = [[token[c] for c in source] for source, _ in texts]
    targets = [[*(token[c] for c in target), END] for _, target in texts]
    return Pairs(*_padded(sources), *_padded(targets))


def decode(tokens: np.ndarray, characters: str) -> str:
    """One column of tokens as text, up to the first END."""
    known = dict(enumerate(characters, RESERVED)) | {BEGIN: "^"}
    ends = np.flatnonzero(tokens == END)
    return "".join(known[int(n)] for n in tokens[: ends[0] if len(ends) else None])


def _padded(rows: list[list[int]]) -> tuple[Array, Array]:
    lengths = np.array([len(row) for row in rows], np.int32)
    tokens = np.full((lengths.max(), len(rows)), END, np.int32)
    for n, row in enumerate(rows):
        tokens[: len(row), n] = row
    return jnp.asarray(tokens), jnp.asarray(lengths)
