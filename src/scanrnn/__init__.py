"""scanrnn: recurrent networks in JAX with a backward pass derived by hand."""

from .backward import Autodiff as Autodiff
from .backward import Checkpointed as Checkpointed
from .backward import Recomputed as Recomputed
from .backward import Stored as Stored
from .cell import Cell as Cell
from .cells.gru import gru as gru
from .cells.lstm import lstm as lstm
from .cells.rnn import rnn as rnn
from .unroll import unroll as unroll
