"""Saving a run through orbax, and reading it back.

orbax writes a checkpoint under another name and renames it, so a killed run leaves no
half of one. Damage is looked for before orbax opens a file. Of several processes each
hands orbax its part, and the directory is one that all of them see.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

import jax
import orbax.checkpoint as ocp

from .config import UNSAID, Config
from .directory import RunDirectory
from .disk import ask_for_room, refused
from .processes import is_first
from .text import Vocabulary
from .train import TrainState

FORMAT = "scanrnn.charlm 1"
BESIDES = 2**18  # bytes of a checkpoint that are no arrays, amply
KEPT = 2  # checkpoints; the one before the last, in case a disk damages the last


class About(NamedTuple):
    """What is known of a checkpoint besides its arrays."""

    config: Config
    vocabulary: Vocabulary
    corpus: str  # the digest of what it was trained on
    step: int
    seconds: float  # trained so far


class Keeper(NamedTuple):
    """Saves the checkpoints of one run."""

    manager: ocp.CheckpointManager
    run: RunDirectory

    def save(self, state: TrainState, about: About) -> None:
        """Writes one checkpoint; when this returns, it is on disk and whole.

        Raises:
            CheckpointError: if the disk refuses it; those before it stay.
        """
        content = {
            "format": FORMAT,
            "config": about.config.as_dict(),
            "vocabulary": about.vocabulary.characters,
            "corpus": about.corpus,
            "step": about.step,
            "seconds": about.seconds,
        }
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), about=ocp.args.JsonSave(content)
        )
        path = self.run.checkpoint(about.step)
        try:
            if is_first():
                ask_for_room(self.run.path, _size(state))
            self.manager.save(about.step, args=items, force=True)
            if is_first():
                self.run.seal(about.step)
        except (OSError, ValueError) as error:  # ValueError: TensorStore's
            failure = refused(self.run, error, path)
            if failure is None:
                raise
            raise failure from error


@contextlib.contextmanager
def keeper(run: RunDirectory) -> Iterator[Keeper]:
    """A `Keeper` for as long as a run goes on."""
    if is_first():
        run.drop_unfinished()
    options = ocp.CheckpointManagerOptions(
        max_to_keep=KEPT, enable_async_checkpointing=False
    )
    path = run.checkpoints.absolute()
    manager = ocp.CheckpointManager(path, options=options)
    try:
        yield Keeper(manager, run)
    except BaseException:
        if jax.process_count() == 1:  # to close is to wait for the others
            manager.close()
        raise
    manager.close()


def read_about(run: RunDirectory) -> About:
    """What the last checkpoint of a run says of itself.

    Raises:
        CheckpointError: if there is none, or it is damaged, or another program's.
    """
    step = run.newest()
    run.verify(step)
    path = run.checkpoint(step) / "about" / "metadata"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
        return About(
            Config(**UNSAID | content["config"]),
            Vocabulary(content["vocabulary"]),
            content["corpus"],
            content["step"],
            content["seconds"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise run.damaged(step, f"it is not of this program: {error}") from error


def read_state(run: RunDirectory, step: int, like: TrainState) -> TrainState:
    """The arrays of a checkpoint.

    Args:
        run: where it is.
        step: which one.
        like: a state of the same shapes, lying where the result shall lie.

    Raises:
        CheckpointError: if it is damaged.
    """
    run.verify(step)
    target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    path = (run.checkpoint(step) / "state").absolute()
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            state: TrainState = checkpointer.restore(path, target)
    except (OSError, ValueError, KeyError) as error:
        raise run.damaged(step, f"orbax cannot read it: {error}") from error
    return state


def _size(state: TrainState) -> int:
    """Bytes that are enough to write a checkpoint, its parts before they are joined."""
    arrays = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    return 2 * arrays + BESIDES
