"""Do attributions mean anything? Two tests that any of them may fail.

Characters are replaced, those with the largest number first; and where the next one
closes a quotation, the opening mark must stand out.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from shared.reader import Reader
from shared.study import console

from .methods import Question, attributions, controls, predict, question

DRAWS = 4  # characters tried in the place of one
NEAR = 3  # the last characters; what stands out must lie before them
QUOTATION = re.compile(r'"[\w.]{4,30}"')


def deletion(
    reader: Reader,
    asked: Question,
    attributed: dict[str, np.ndarray],
    counts: list[int],
    seed: int,
) -> dict[str, list[float]]:
    """What f loses where the k largest are replaced by characters drawn anew.

    Returns:
        By method, for every k the mean over prompts and draws, in nats.
    """
    key, chances = jax.random.key(seed), reader.frequencies()
    drawn = jax.random.choice(
        key, len(chances), (DRAWS, *asked.tokens.shape), p=chances
    )

    @jax.jit
    def loss(rank: Array, k: int) -> Array:
        def once(drawn: Array) -> Array:
            changed = jnp.where(rank < k, drawn, asked.tokens)
            return jnp.mean(asked.before - predict(reader, changed, asked.targets))

        return lax.map(once, drawn).mean()

    ranks = {n: np.argsort(np.argsort(-a, 0), 0) for n, a in attributed.items()}
    return {n: [float(loss(r, k)) for k in counts] for n, r in ranks.items()}


def quotations(reader: Reader, length: int) -> tuple[Array, np.ndarray]:
    """Held-out prompts before a quotation closes, and where it opens.

    Returns:
        Tokens (T, B) and the step of the opening quotation mark (B,), at least `NEAR`
        characters before the last.
    """
    text = reader.corpus.held_out
    found = [
        (match.end() - 1, length - (match.end() - 1 - match.start()))
        for match in QUOTATION.finditer(text)
        if match.end() > length and match.end() - 1 - match.start() <= length
    ]
    rows = [reader.vocabulary.encode(text[end - length : end]) for end, _ in found]
    tokens = np.array(rows, np.int32).reshape(-1, length).T
    return jnp.asarray(tokens), np.array([opening for _, opening in found], int)


def found_openings(
    attributed: dict[str, np.ndarray], openings: np.ndarray
) -> dict[str, float]:
    """How often the opening mark is the largest before the last `NEAR` characters."""
    return {
        name: float((values[:-NEAR].argmax(0) == openings).mean())
        for name, values in attributed.items()
    }


def ask_quotations(reader: Reader, length: int, seed: int) -> dict[str, float]:
    """`found_openings` where the model does expect the closing mark; prints them."""
    tokens, openings = quotations(reader, length)
    if not len(openings):
        console.print("no quotation in the held-out text")
        return {}
    asked = question(reader, tokens)
    mark = int(reader.vocabulary.encode('"')[0])
    expected = np.asarray(asked.targets) == mark
    console.print(
        f"{len(openings)} quotations held out; the model closes {expected.sum()}"
    )
    if not expected.any():
        return {}
    asked = question(reader, tokens[:, expected])
    every = attributions(reader, asked) | controls(asked.tokens.shape, seed)
    return found_openings(every, openings[expected])
