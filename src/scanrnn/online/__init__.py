"""Learning online: the gradient at every step, and a memory that does not grow with T.

>>> import jax, jax.numpy as jnp, scanrnn as sr
>>> from scanrnn.online import RTRL, online
>>> cell = sr.lstm(4)
>>> params = cell.init(jax.random.key(0), 3)
>>> learner = online(cell, RTRL())
>>> memory = learner.init(params, cell.start(2))
>>> memory, h = learner.step(params, memory, jnp.ones((2, 3)))
>>> learner.gradient(memory, h).w_h.shape
(4, 16)
"""

from .follow import Followed as Followed
from .follow import follow as follow
from .learner import Influence as Influence
from .learner import Learner as Learner
from .learner import Memory as Memory
from .learner import online as online
from .methods import RTRL as RTRL
from .methods import UORO as UORO
from .methods import SnAp as SnAp
