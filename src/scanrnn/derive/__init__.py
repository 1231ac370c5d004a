"""Any step function: its six functions found by a machine, in the step's jaxpr."""

from .cell import DerivedState as DerivedState
from .cell import derive as derive
from .moved import Placement as Placement
from .moved import placement as placement
from .scan import scan as scan
