"""scanrnn: recurrent networks in JAX as pure functions, their backward pass by hand.

>>> import jax, jax.numpy as jnp, scanrnn as sr
>>> cell = sr.lstm(16)
>>> params = cell.init(jax.random.key(0), 3)
>>> def loss(params, xs):
...     return jnp.mean(sr.unroll(cell, params, xs).outputs ** 2)
>>> d_params = jax.jit(jax.grad(loss))(params, jnp.ones((7, 2, 3)))
>>> d_params.w_h.shape
(16, 64)
"""

from importlib.metadata import version as _version

# The cells, and what a cell is.
from .cell import Cell as Cell
from .cells.gru import GRUParams as GRUParams
from .cells.gru import GRUState as GRUState
from .cells.gru import gru as gru
from .cells.gru_reset_before import GRUResetBeforeParams as GRUResetBeforeParams
from .cells.gru_reset_before import GRUResetBeforeState as GRUResetBeforeState
from .cells.ind_rnn import IndRNNParams as IndRNNParams
from .cells.ind_rnn import IndRNNState as IndRNNState
from .cells.ind_rnn import ind_rnn as ind_rnn
from .cells.lru import LRUParams as LRUParams
from .cells.lru import LRUState as LRUState
from .cells.lru import lru as lru
from .cells.lstm import LSTMParams as LSTMParams
from .cells.lstm import LSTMState as LSTMState
from .cells.lstm import lstm as lstm
from .cells.min_gru import MinGRUParams as MinGRUParams
from .cells.min_gru import MinGRUState as MinGRUState
from .cells.min_gru import min_gru as min_gru
from .cells.min_lstm import MinLSTMParams as MinLSTMParams
from .cells.min_lstm import MinLSTMState as MinLSTMState
from .cells.min_lstm import min_lstm as min_lstm
from .cells.rnn import RNNParams as RNNParams
from .cells.rnn import RNNState as RNNState
from .cells.rnn import rnn as rnn
from .made import parameter_count as parameter_count

# Over time: the entry, and the ways back.
from .engine.ways import Autodiff as Autodiff
from .engine.ways import Backward as Backward
from .engine.ways import Checkpointed as Checkpointed
from .engine.ways import Linearized as Linearized
from .engine.ways import Parallel as Parallel
from .engine.ways import Recomputed as Recomputed
from .engine.ways import Stored as Stored
from .engine.fastest import Fastest as Fastest
from .engine.memory import Budget as Budget
from .engine.memory import temporary_bytes as temporary_bytes
from .unroll import Unrolled as Unrolled
from .unroll import unroll as unroll
from .adjoints import Adjoints as Adjoints
from .adjoints import adjoints as adjoints
from .truncated import truncated as truncated

# What a process has: cores, and memory.
from .cores import on_all_cores as on_all_cores
from .pages import keep_pages as keep_pages

# Curvature.
from .curvature.operator import Curvature as Curvature
from .curvature.of_loss import gauss_newton as gauss_newton
from .curvature.of_loss import hvp as hvp

# Any step function.
from .derive import DerivedState as DerivedState
from .derive import derive as derive
from .derive import Placement as Placement
from .derive import placement as placement
from .derive import scan as scan

# Cells of the literature, from a step each.
from . import shelf as shelf

# Layers.
from .compose.layer import Layer as Layer
from .compose.layer import layer as layer
from .compose.stack import stack as stack
from .compose.stack import residual as residual
from .compose.pointwise import dropout as dropout
from .compose.pointwise import linear as linear
from .compose.pointwise import parts as parts
from .compose.recurrent_dropout import DropoutState as DropoutState
from .compose.recurrent_dropout import recurrent_dropout as recurrent_dropout
from .compose.bidirectional import bidirectional as bidirectional
from .compose.bidirectional import last as last
from .compose.step import step as step

# From states to a loss.
from .readout import DenseParams as DenseParams
from .readout import dense as dense
from .readout import init_dense as init_dense
from .readout import plain_dense as plain_dense
from .readout import plain_softmax_cross_entropy as plain_softmax_cross_entropy
from .readout import softmax_cross_entropy as softmax_cross_entropy

# A cell that reads its own predictions.
from .feedback import FeedbackParams as FeedbackParams
from .feedback import Prediction as Prediction
from .feedback import Probabilities as Probabilities
from .feedback import StraightThrough as StraightThrough
from .feedback import feedback as feedback
from .feedback import forced as forced

# Learning online, in a room of its own.
from . import online as online

__version__ = _version("scanrnn")
