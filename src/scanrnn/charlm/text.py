"""Characters: the vocabulary, and the corpora that a model can be trained on.

A corpus is split once into what is trained on and what is held out. A text is held
out at its end; of a list of names, every tenth of a shuffled order is held out whole.
"""

import hashlib
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np

HELD_OUT = 0.1  # the share of a corpus that is never trained on
LEAST = 200  # characters below which there is nothing to learn or to hold out
END_OF_NAME = "\n"


class TextError(ValueError):
    """A corpus or a prompt that cannot be used; the message says why."""


class Vocabulary(NamedTuple):
    """The characters a model knows; token k stands for ``characters[k]``.

    >>> vocabulary = Vocabulary.of("hello")
    >>> vocabulary.characters, vocabulary.encode("hole").tolist()
    ('ehlo', [1, 3, 2, 0])
    >>> vocabulary.decode([1, 3, 2, 0])
    'hole'
    """

    characters: str  # sorted, each once

    @classmethod
    def of(cls, text: str) -> "Vocabulary":
        """The characters of a text."""
        return cls("".join(sorted(set(text))))

    @property
    def size(self) -> int:
        """V."""
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Tokens (N,), int32.

        Raises:
            TextError: if a character is not in the vocabulary; all are named.
        """
        codes = {character: k for k, character in enumerate(self.characters)}
        unseen = "".join(sorted(set(text) - codes.keys()))
        if unseen:
            raise TextError(
                f"expected characters the model was trained on, got {unseen!r}; "
                f"it knows {self.characters!r}"
            )
        return np.fromiter((codes[c] for c in text), np.int32, len(text))

    def decode(self, tokens: np.ndarray | list[int]) -> str:
        """The text that tokens (N,) stand for."""
        return "".join(self.characters[token] for token in tokens)


class Corpus(NamedTuple):
    """A text, or a list of names, split into what is trained on and the rest.

    Names are joined by newlines; one comes first and one last, so that every name
    begins after a newline and learns to end with one.
    """

    train: str
    held_out: str
    names: bool = False

    @property
    def vocabulary(self) -> Vocabulary:
        """All characters, held-out ones included: they must have a token."""
        return Vocabulary.of(self.train + self.held_out)

    @property
    def digest(self) -> str:
        """A fingerprint, by which a resumed run knows its corpus again."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def load_corpus(
    text: str | None = None, names: str | None = None, seed: int = 0
) -> Corpus:
    """A text file, a file of names, or the default corpus.

    Args:
        text: path of a UTF-8 text; its last tenth is held out.
        names: path of a UTF-8 file with one name a line; a tenth of the names, drawn
            by the seed, is held out.
        seed: shuffles the names.

    Returns:
        A `Corpus`; without a path the documentation topics of CPython.

    Raises:
        TextError: if both are given, or the file cannot be used.

    >>> load_corpus().train[:10].strip() != ""
    True
    """
    if text is not None and names is not None:
        raise TextError("expected a text or names to train on, got both")
    if names is not None:
        return split_names(read(names), seed, names)
    if text is not None:
        return split_text(read(text), text)
    return split_text(python_topics(), "pydoc_data.topics")


def python_topics() -> str:
    """What ``help("topic")`` prints, all topics joined; every CPython has them."""
    from pydoc_data.topics import topics  # large, and only this corpus needs it

    return "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"


def read(path: str) -> str:
    """A UTF-8 file; every kind of newline becomes a line feed.

    Raises:
        TextError: if it cannot be read or is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TextError(
            f"expected {path} to be UTF-8, got 0x{error.object[error.start]:02x} at "
            f"byte {error.start}; convert it, for example with iconv -t UTF-8"
        ) from error


def split_text(text: str, source: str = "the text") -> Corpus:
    """The last tenth held out."""
    _check_length(text, source)
    end = round(len(text) * (1 - HELD_OUT))
    return Corpus(text[:end], text[end:])


def split_names(text: str, seed: int = 0, source: str = "the names") -> Corpus:
    """A tenth of the names held out, after a shuffle; blank lines are no names."""
    _check_length(text, source)
    names = [line.strip() for line in text.splitlines() if line.strip()]
    count = round(len(names) * HELD_OUT)
    if count == 0:
        raise TextError(
            f"expected {source} to hold at least 10 names, one a line, got {len(names)}"
        )
    random.Random(seed).shuffle(names)
    return Corpus(_join(names[count:]), _join(names[:count]), names=True)


def _join(names: list[str]) -> str:
    return END_OF_NAME + END_OF_NAME.join(names) + END_OF_NAME


def _check_length(text: str, source: str) -> None:
    if len(text) < LEAST:
        raise TextError(
            f"expected at least {LEAST} characters to learn from, "
            f"got {len(text)} in {source}"
        )
