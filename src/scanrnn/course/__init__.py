"""The well-known course exercise: its names, axes and caches, on the library's cells.

The exercise writes a recurrent network by hand, column by column::

    rnn    a⟨t⟩ = tanh(Wax x⟨t⟩ + Waa a⟨t−1⟩ + ba)      ŷ⟨t⟩ = softmax(Wya a⟨t⟩ + by)
    lstm   Γf, Γi, Γo = σ(W· [a⟨t−1⟩; x⟨t⟩] + b·),  c̃⟨t⟩ = tanh(Wc [a⟨t−1⟩; x⟨t⟩] + bc)
           c⟨t⟩ = Γf ∘ c⟨t−1⟩ + Γi ∘ c̃⟨t⟩,  a⟨t⟩ = Γo ∘ tanh(c⟨t⟩)
                                                        ŷ⟨t⟩ = softmax(Wy a⟨t⟩ + by)

Sizes are n_x inputs, n_a hidden units, n_y outputs, m examples and T_x steps; arrays
are (n_x, m, T_x), parameters a dictionary of W (rows are outputs) and b (n, 1).
Everything here converts, calls ``cell.step``, ``cell.pull`` and ``cell.collect``, and
converts back. A backward pass uses what its cache holds, consistent or not.

Functions take NumPy arrays, or what `numpy.asarray` makes one of, and return new
NumPy arrays: float64 for float64 or integers, whether or not x64 is on; float32 where
all that comes is float32. Every one raises ValueError where a key is missing or a
shape does not fit.

The exercise stops before the loss. `cross_entropy` and `readout_backward` add the way
from the loss through softmax and dense layer into ``a``.

The character model that follows it names dinosaurs: `clip`, `sample`, `optimize` and
`model`, with its seeds. There ba is called b, as the exercise does.

>>> import numpy as np
>>> from scanrnn import course
>>> rng = np.random.default_rng(0)
>>> shapes = dict(Wax=(5, 3), Waa=(5, 5), Wya=(2, 5), ba=(5, 1), by=(2, 1))
>>> parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
>>> x, labels = rng.normal(size=(3, 4, 6)), rng.integers(2, size=(4, 6))
>>> a, y_pred, caches = course.rnn_forward(x, np.zeros((5, 4)), parameters)
>>> from_loss = course.readout_backward(y_pred, labels, a, parameters)
>>> gradients = from_loss | course.rnn_backward(from_loss["da"], caches)
>>> sorted(gradients)
['dWaa', 'dWax', 'dWya', 'da', 'da0', 'dba', 'dby', 'dx']

Source: Ng, Katanforoosh and Bensouda Mourri, "Sequence Models", week 1, "Building
your recurrent neural network, step by step" and "Character level language model"
(deeplearning.ai).
"""

from .lstm import lstm_backward as lstm_backward
from .lstm import lstm_cell_backward as lstm_cell_backward
from .lstm import lstm_cell_forward as lstm_cell_forward
from .lstm import lstm_forward as lstm_forward
from .names import Report as Report
from .names import model as model
from .names import sample as sample
from .readout import cross_entropy as cross_entropy
from .readout import readout_backward as readout_backward
from .rnn import rnn_backward as rnn_backward
from .rnn import rnn_cell_backward as rnn_cell_backward
from .rnn import rnn_cell_forward as rnn_cell_forward
from .rnn import rnn_forward as rnn_forward
from .update import clip as clip
from .update import optimize as optimize
