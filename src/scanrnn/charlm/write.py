"""From a prompt to text: a trained model together with the characters it knows."""

from typing import NamedTuple

import numpy as np
from jax import Array

from .checkpoint import read_about, read_state
from .directory import RunDirectory
from .model import CharModel, CharParams
from .sample import Sampler, generate
from .text import Vocabulary
from .train import init_state, task_of


class Writer(NamedTuple):
    """All that writing needs."""

    model: CharModel
    params: CharParams
    vocabulary: Vocabulary
    separator: int | None  # the token that ends a name; None for a text

    def write(
        self, prompt: str, key: Array, *, length: int, count: int, sampler: Sampler
    ) -> list[str]:
        """Continuations of a prompt, ``count`` of them, without the prompt.

        Without a prompt the text begins after a newline.

        Raises:
            TextError: if the prompt holds characters that the model never saw.
        """
        known = self.vocabulary
        newline = "\n" if "\n" in known.characters else known.characters[0]
        if self.separator is not None or not prompt:
            prompt = newline + prompt
        written = generate(
            self.model,
            self.params,
            known.encode(prompt),
            key,
            length=length,
            count=count,
            sampler=sampler,
            separator=self.separator,
        )
        return [known.decode(row) for row in np.asarray(written)]


def load_writer(run: RunDirectory) -> Writer:
    """The writer of the last checkpoint of a run.

    Raises:
        CheckpointError: if there is none, or it is damaged.
    """
    about = read_about(run)
    config, vocabulary = about.config, about.vocabulary
    task = task_of(config, vocabulary)
    like = init_state(task, config.batch, config.seed)
    state = read_state(run, about.step, like)
    return Writer(task.model, state.params, vocabulary, task.separator)
