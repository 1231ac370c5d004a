"""What the device is fed: contiguous streams, cut into windows.

A text is laid out once as B parallel streams (N, B) that stay on the device; a window
of T steps is a slice of them. The streams run on from window to window, so the state
after one window is the state before the next: truncated backpropagation through time.

Names run through the same streams, but there the state starts anew at every newline
and is not carried. A window may begin inside a name; what precedes its first newline
has lost its beginning and gets the weight 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .text import Corpus, TextError, Vocabulary


class Window(NamedTuple):
    """T steps of B streams: what is read, and what is to be predicted."""

    inputs: Array  # (T, B) tokens
    labels: Array  # (T, B) tokens, one step ahead
    weights: Array | None = None  # (T, B); None counts all alike
    resets: Array | None = None  # (T, B) bool: the state starts anew before the step


def lay_out(tokens: np.ndarray, batch: int, steps: int) -> np.ndarray:
    """Tokens (N,) as ``batch`` contiguous streams (N // B, B); the rest is dropped.

    Raises:
        TextError: if a stream would not hold one window.
    """
    length = len(tokens) // batch
    if length < steps + 1:
        raise TextError(
            f"expected a stream to hold a window of {steps} + 1 characters, got "
            f"{len(tokens)} characters / {batch} streams = {length}; "
            "take a smaller batch or window, or a longer text"
        )
    return tokens[: length * batch].reshape(batch, length).T.copy()


def cut_window(
    tokens: Array, cursor: Array, steps: int, separator: int | None
) -> Window:
    """The window at a cursor, by one slice.

    Args:
        tokens: streams (N, B).
        cursor: where it begins, () in [0, N - T).
        steps: T.
        separator: the token that ends a name; None for a text.
    """
    piece = lax.dynamic_slice_in_dim(tokens, cursor, steps + 1)
    inputs, labels = piece[:-1], piece[1:]
    if separator is None:
        return Window(inputs, labels)
    resets = inputs == separator
    whole = lax.cummax(resets.astype(jnp.float32), axis=0)
    return Window(inputs, labels, whole, resets)


def held_out_windows(corpus: Corpus, vocabulary: Vocabulary) -> Window:
    """All that is held out, as windows to walk over: every field is (n, T, B).

    Every character counts once; of a text all but the first. Padding has the weight 0.
    """
    rows = _rows_of_names(corpus) if corpus.names else _rows_of_text(corpus)
    longest = max(map(len, rows)) - 1
    steps = longest if corpus.names else min(longest, 256)  # bounds the memory
    batch = min(len(rows), STREAMS)
    groups = -(-len(rows) // batch)  # names only; the streams of a text are one group
    length = -(-longest // steps) * steps
    inputs = np.zeros((groups * batch, length), np.int32)
    labels, weights = np.zeros_like(inputs), np.zeros(inputs.shape, np.float32)
    for k, row in enumerate(rows):
        tokens = vocabulary.encode(row)
        inputs[k, : len(tokens) - 1] = tokens[:-1]
        labels[k, : len(tokens) - 1] = tokens[1:]
        weights[k, : len(tokens) - 1] = 1

    def cut(rows: np.ndarray) -> Array:
        parts = rows.reshape(groups, batch, length // steps, steps)
        return jnp.asarray(parts.transpose(0, 2, 3, 1).reshape(-1, steps, batch))

    return Window(cut(inputs), cut(labels), cut(weights))


STREAMS = 32  # few, since each begins cold; enough for products of a fair size


def _rows_of_text(corpus: Corpus) -> list[str]:
    """Streams that overlap by one character: the label of one is read by the next."""
    text = corpus.held_out
    length = max(1, -(-(len(text) - 1) // STREAMS))
    starts = range(0, len(text) - 1, length)
    return [text[start : start + length + 1] for start in starts]


def _rows_of_names(corpus: Corpus) -> list[str]:
    return [f"\n{name}\n" for name in corpus.held_out.split("\n") if name]
