"""Writing: one character at a time, each read back as the next input."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from .model import CharModel, CharParams
from .text import TextError


@dataclasses.dataclass(frozen=True)
class Sampler:
    """How the next character is chosen from its probabilities.

    Args:
        temperature: divides the logits; below 1 the likely becomes likelier.
        top_k: draw from the k likeliest alone.
        top_p: draw from the likeliest that together reach the probability p, at least
            one (nucleus sampling: Holtzman et al. 2020, arXiv 1904.09751).
        greedy: always take the likeliest; nothing is drawn.

    Raises:
        ValueError: if a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"expected temperature positive, got {self.temperature}; "
                "for the likeliest character at every step ask for greedy"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"expected top_k at least 1, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"expected top_p in (0, 1], got {self.top_p}")

    def choose(self, key: Array, logits: Array) -> Array:
        """Logits (S, V) -> tokens (S,), int32."""
        if self.greedy:
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)
        logits = self.restrict(logits / self.temperature)
        return jax.random.categorical(key, logits).astype(jnp.int32)

    def restrict(self, logits: Array) -> Array:
        """Logits (S, V) with -inf for what top_k and then top_p leave out."""
        if self.top_k is not None:
            kept = min(self.top_k, logits.shape[-1])
            least = lax.top_k(logits, kept)[0][..., -1:]
            logits = jnp.where(logits < least, -jnp.inf, logits)
        if self.top_p is not None:
            logits = jnp.where(_in_nucleus(logits, self.top_p), logits, -jnp.inf)
        return logits


def _in_nucleus(logits: Array, top_p: float) -> Array:
    """Whether the likelier ones together stay below top_p: the first always do."""
    descending = -jnp.sort(-jax.nn.softmax(logits), axis=-1)
    likelier = jnp.cumsum(descending, axis=-1) - descending
    least = jnp.min(jnp.where(likelier < top_p, descending, jnp.inf), -1, keepdims=True)
    return jax.nn.softmax(logits) >= least


PLAIN = Sampler()


def generate(
    model: CharModel,
    params: CharParams,
    prompt: Any,
    key: Array,
    *,
    length: int,
    count: int = 1,
    sampler: Sampler = PLAIN,
    separator: int | None = None,
) -> Array:
    """Continues a prompt, several times at once, in one jitted loop.

    The prompt is read by one unroll, then the layers are called with T = 1, each step
    from the state after the last.

    Args:
        model: the model.
        params: its parameters.
        prompt: tokens (P,), at least one.
        key: what is drawn, is drawn from it.
        length: how many characters to write.
        count: S, how many continuations; they differ unless greedy.
        sampler: how a character is chosen.
        separator: the token after which the state starts anew: where names end.

    Returns:
        Tokens (S, length), int32, without the prompt.

    Raises:
        ValueError: if the prompt is empty, or length or count is less than 1.
    """
    prompt = jnp.asarray(prompt, jnp.int32)
    if prompt.size == 0:
        raise TextError("expected a prompt of at least one character, got none")
    for name, value in (("length", length), ("count", count)):
        if value < 1:
            raise ValueError(f"expected {name} at least 1, got {value}")
    written: Array = _generate(
        model, length, count, sampler, separator, params, prompt, key
    )
    return written


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _generate(
    model: CharModel,
    length: int,
    count: int,
    sampler: Sampler,
    separator: int | None,
    params: CharParams,
    prompt: Array,
    key: Array,
) -> Array:
    start = model.start(count)
    tokens = jnp.broadcast_to(prompt[:, None], (prompt.size, count))
    resets = None if separator is None else tokens == separator
    logits, state = model.predict(params, tokens, start, resets)

    def body(carry: tuple[Any, Array], key: Array) -> tuple[tuple[Any, Array], Array]:
        state, logits = carry
        token = sampler.choose(key, logits)
        if separator is not None:
            ended = (token == separator)[:, None]
            state = jax.tree.map(
                lambda new, old: jnp.where(ended, new, old), start, state
            )
        logits, state = model.predict(params, token[None], state)
        return (state, logits[0]), token

    keys = jax.random.split(key, length)
    _, written = lax.scan(body, (state, logits[-1]), keys)
    return written.T
