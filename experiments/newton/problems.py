"""What is to be learned: the adding and the copy problem, with the states beside it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from copy_memory import KINDS, MARKER, SYMBOLS, baseline, copying
from jax import Array
from many_to_one import BASELINE, adding
from shared import memory
from shared.memory import Net

import scanrnn as sr

HELD_OUT = 1000  # sequences in a test
FRESH = 10**9  # seed of the test, far from those of training


class Problem(NamedTuple):
    """A task for a cell: the loss is convex in the answers."""

    label: str
    cell: sr.Cell
    net: Net  # where everybody begins
    draw: Callable[[Array, int], Any]  # key and batch size -> a batch
    answer: Callable[[Net, Array, Any], Array]  # of the hidden outputs (T, B, H)
    loss: Callable[[Array, Any], Array]  # answers and batch -> a scalar
    right: Callable[[Array, Any], Array]  # the share of right answers
    baseline: float  # the loss of who remembers nothing
    level: float  # of the loss, at which training ends

    def outputs(self, net: Net, batch: Any, backward: Any) -> tuple[Array, Array]:
        """What is answered, and the hidden outputs (T, B, H) of every step."""
        hs = sr.unroll(self.cell, net.cell, batch.xs, backward=backward).outputs
        return self.answer(net, hs, batch), hs

    def loss_of(self, net: Net, key: Array, size: int) -> Array:
        """For the gradient: by the default way back."""
        batch = self.draw(key, size)
        return self.loss(self.outputs(net, batch, sr.Stored())[0], batch)

    def test(self, net: Net) -> tuple[Array, Array]:
        """Loss and share of right answers, on sequences that no training sees."""
        batch = self.draw(jax.random.key(FRESH), HELD_OUT)
        answers, _ = self.outputs(net, batch, sr.Stored())
        return self.loss(answers, batch), self.right(answers, batch)


def copy_problem(blanks: int, hidden: int, seed: int) -> Problem:
    """Ten symbols, told after the blanks."""

    def right(logits: Array, batch: Any) -> Array:
        return jnp.mean((logits.argmax(-1) == batch.targets)[-SYMBOLS:])

    sizes = {"inputs": MARKER + 1, "outputs": KINDS + 1, "longest": blanks + 20}
    cell, net = memory.draw("rnn", jax.random.key(seed), hidden=hidden, **sizes)
    return Problem(
        f"copy, {blanks} blanks",
        cell,
        net,
        lambda key, size: copying(key, blanks, size),
        lambda net, hs, batch: sr.dense(net.readout, hs),
        lambda logits, batch: sr.softmax_cross_entropy(logits, batch.targets),
        right,
        baseline(blanks),
        1e-3,
    )


def adding_problem(length: int, hidden: int, seed: int) -> Problem:
    """The sum of the two numbers that are marked; right is within 0.04."""

    def right(said: Array, batch: Any) -> Array:
        return jnp.mean(jnp.abs(said[:, 0] - batch.targets) < 0.04)

    sizes = {"inputs": 2, "outputs": 1, "longest": length}
    cell, net = memory.draw("rnn", jax.random.key(seed), hidden=hidden, **sizes)
    return Problem(
        f"adding, {length} steps",
        cell,
        net,
        lambda key, size: adding(key, length, size),
        lambda net, hs, batch: sr.dense(net.readout, hs[-1]),
        lambda said, batch: jnp.mean((said[:, 0] - batch.targets) ** 2),
        right,
        BASELINE,
        5e-4,
    )
