"""How weights begin that are to remember: lines on top of `cell.init`.

The params are a NamedTuple, and `_replace` puts in what a paper says. All run under the
same engine and by the same derivative.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def identity(params: Any, key: Array, longest: int) -> Any:
    """W_h = 1 and b = 0: with ReLU the IRNN, which holds what it has until told.

    Source: Le, Jaitly and Hinton 2015, arXiv 1504.00941.
    """
    w_h, b = jnp.eye(*params.w_h.shape), jnp.zeros_like(params.b)
    return params._replace(w_h=w_h, b=b)


def chrono_gru(params: Any, key: Array, longest: int) -> Any:
    """b_z = log u, with u uniform in [1, longest - 1]: z starts at u / (1 + u).

    A unit that keeps a share z of itself at each step forgets over about 1 / (1 - z)
    = 1 + u steps, so the units begin with all spans up to ``longest``.

    Source: Tallec and Ollivier 2018, "Can recurrent neural networks warp time?",
    arXiv 1804.11188.
    """
    H = params.w_h.shape[0]
    return params._replace(b=params.b.at[H : 2 * H].set(log_spans(key, H, longest)))


def chrono_lstm(params: Any, key: Array, longest: int) -> Any:
    """b_f = log u and b_i = -b_f, with u uniform in [1, longest - 1].

    What a unit keeps is f, what it takes in i = 1 - f. Source: as `chrono_gru`.
    """
    H = params.w_h.shape[0]
    bias = log_spans(key, H, longest)
    return params._replace(b=params.b.at[:H].set(-bias).at[H : 2 * H].set(bias))


def log_spans(key: Array, size: int, longest: int) -> Array:
    """log u, (size,), with u uniform in [1, longest - 1]."""
    return jnp.log(jax.random.uniform(key, (size,), minval=1.0, maxval=longest - 1.0))


def as_drawn(params: Any, key: Array, longest: int) -> Any:
    """The library's own beginning: W_h orthogonal, b = 0 (1 for the forget gate)."""
    return params
