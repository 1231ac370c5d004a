"""A character model: the smallest honest training loop on top of the library.

The room reads in this order: `text` (characters and tokens), `streams` (what the
device is fed), `model`, `sample`, `train` (one jitted step on optax), `gradients`
(the hand-derived gradient beside jax.grad), `directory` and `checkpoint`, `origin` (how
a run begins and goes on, by its `settings`, `lock` and `lines`), `loop` (a run from its
first step to its last). It needs the extra ``train``; ``experiments/char_lm.py`` runs
it.
"""

from .checkpoint import read_about as read_about
from .config import Config as Config
from .directory import CheckpointError as CheckpointError
from .directory import RunDirectory as RunDirectory
from .directory import newest_run as newest_run
from .journal import Diverged as Diverged
from .loop import fit as fit
from .model import CharModel as CharModel
from .model import char_model as char_model
from .processes import Lost as Lost
from .processes import Processes as Processes
from .processes import leave as leave
from .sample import Sampler as Sampler
from .sample import generate as generate
from .settings import settings_of as settings_of
from .text import Corpus as Corpus
from .text import TextError as TextError
from .text import Vocabulary as Vocabulary
from .text import load_corpus as load_corpus
from .write import Writer as Writer
from .write import load_writer as load_writer
