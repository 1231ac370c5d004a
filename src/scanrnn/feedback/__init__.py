"""A cell that reads its own predictions.

`cell.py` is the cell, `feeds.py` what of a prediction it is fed, `forced.py` makes the
inputs that it is given.
"""

from .cell import FeedbackParams as FeedbackParams
from .cell import feedback as feedback
from .feeds import Prediction as Prediction
from .feeds import Probabilities as Probabilities
from .feeds import StraightThrough as StraightThrough
from .forced import forced as forced
