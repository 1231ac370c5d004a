"""What the programs are written in, beside NumPy."""

import numpy as np

from ..mistakes.passes import sigmoid as sigmoid
from ..mistakes.passes import softmax as softmax

WORDS = {"np": np, "sigmoid": sigmoid, "softmax": softmax}
