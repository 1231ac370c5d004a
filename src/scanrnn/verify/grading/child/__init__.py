"""Runs somebody's program in a process of its own, and calls its functions there.

`worker` is what runs there and needs NumPy alone; `process` starts it, watches it, and
hands its functions out as `sandbox.Remote`. Only arrays and plain values cross: what a
stranger's program computes is judged here, and nothing of it is ever unpickled.
"""

from .process import Child as Child
from .process import Gone as Gone
from .process import Limits as Limits
from .process import Loaded as Loaded
