"""The second task: characters after which a trained model writes a wanted word."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array, lax
from shared.reader import Reader

from scanrnn.charlm import Sampler

from .methods import Designed, Task

PROMPT, WORD = 16, 5  # characters
NOISE = 0.3  # of the Gumbel noise; at 1 and at 500 updates fewer words were found


def words(reader: Reader, count: int, seed: int) -> list[str]:
    """Words of the text that was held out, drawn without repeats."""
    pattern = rf"(?<!\w)[a-z]{{{WORD}}}(?!\w)"
    every = sorted(set(re.findall(pattern, reader.corpus.held_out)))
    if len(every) < count:
        raise typer.BadParameter(
            f"expected at most {len(every)} targets, as many as the held-out text has "
            f"words of {WORD} letters, got {count}"
        )
    return [
        str(word) for word in np.random.default_rng(seed).permutation(every)[:count]
    ]


def word_task(reader: Reader, wanted: list[str]) -> Task:
    """Inputs are characters, one-hot (P, B, V); the search changes one or more."""
    letters = np.stack([reader.vocabulary.encode(word) for word in wanted], 1)
    size, shape = reader.vocabulary.size, (PROMPT, len(wanted))
    continued, chances = jax.nn.one_hot(letters[:-1], size), reader.frequencies()

    def relax(logits: Array, key: Array) -> Array:
        noisy = logits + NOISE * jax.random.gumbel(key, logits.shape)
        soft = jax.nn.softmax(noisy)
        hard = jax.nn.one_hot(noisy.argmax(-1), size)
        return hard + soft - lax.stop_gradient(soft)

    def judge(xs: Array) -> tuple[Array, Array]:
        read = jnp.concatenate([xs, continued])
        after = reader.log_probabilities(read)[PROMPT - 1 :]
        chosen = jnp.take_along_axis(after, letters[..., None], -1)[..., 0]
        return -chosen.sum(0), (after.argmax(-1) == letters).all(0)

    def draw(key: Array) -> Array:
        return jax.nn.one_hot(jax.random.choice(key, size, shape, p=chances), size)

    def vary(key: Array, xs: Array) -> Array:
        keys = jax.random.split(key, 4)
        share = PROMPT ** jax.random.uniform(keys[0], shape[1:], minval=-1, maxval=0)
        surely = jax.random.randint(keys[1], shape[1:], 0, PROMPT)
        change = jax.random.uniform(keys[2], shape) < share
        change |= jnp.arange(PROMPT)[:, None] == surely
        return jnp.where(change[..., None], draw(keys[3]), xs)

    return Task(
        variables=jnp.zeros((*shape, size)),
        relax=relax,
        judge=judge,
        note=lambda xs: xs.argmax(-1),
        draw=draw,
        vary=vary,
        rate=0.1,
    )


def prompts(reader: Reader, found: Designed) -> list[str]:
    """The characters that reached each word, or the last ones tried."""
    rows = found.notes[found.first, :, np.arange(len(found.first))]
    return [reader.vocabulary.decode(row) for row in rows]


def writes(reader: Reader, prompt: str) -> str:
    """What the model writes after a prompt, the likeliest character at every step."""
    return reader.writer.write(
        prompt,
        jax.random.key(0),
        length=WORD,
        count=1,
        sampler=Sampler(greedy=True),
    )[0]
