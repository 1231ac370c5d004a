"""Weights of other libraries in the cells by hand, and back; no library is imported.

Everything goes by plain arrays: what comes in is what `numpy.asarray` takes, what goes
out are new NumPy arrays, by the names that the library has for them. `describe` prints
how theirs are made of ours: gate order, transposes, sums and signs.

>>> import numpy as np, scanrnn as sr
>>> from scanrnn import interop
>>> cell = sr.lstm(5)
>>> params = sr.LSTMParams(np.ones((3, 20)), np.ones((5, 20)), np.ones(20))
>>> state_dict = interop.to_torch(cell, params)
>>> list(state_dict)
['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0']
>>> interop.from_torch(state_dict)[0]
sr.lstm(5)

What is read computes what theirs computes: outputs, states, and gradients by inputs,
start and every weight agree to rounding. What comes back of one's own params is the
same bit for bit, but for the forget gate of Haiku's LSTM, whose bias is 1 less there.

As an object of training three things differ. Two biases that are summed are one here:
gradient descent moves the sum of two twice as fast. A bias that theirs lacks and ours
has, or the other way round, is 0 and to be held there. And the way back gives one of
the many pairs that have the sum.

``gradients=True`` takes gradients by our params and gives those by theirs: the
transpose of reading, so that both biases of a sum have the same.

A layer that none of the cells can represent (projections, other gate activations,
fewer gates) is an error where its arrays show it; where they do not, it is told in the
docstrings.
"""

from .describe import describe as describe
from .equinox import from_equinox as from_equinox
from .equinox import to_equinox as to_equinox
from .flax import from_flax as from_flax
from .flax import to_flax as to_flax
from .haiku import from_haiku as from_haiku
from .haiku import to_haiku as to_haiku
from .keras import from_keras as from_keras
from .keras import to_keras as to_keras
from .torch import from_torch as from_torch
from .torch import to_torch as to_torch
from .torch_states import state_from_torch as state_from_torch
from .torch_states import state_to_torch as state_to_torch
