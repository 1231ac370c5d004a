"""The states of torch: an array for each field, a row for each layer and direction."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..cell import Cell
from ..compose.layer import Layer
from ..engine.values import shown
from .nets import Net, unfold
from .torch import check_levels


def state_from_torch(net: Net, hx: Any) -> Any:
    """A start state of ours from torch's ``hx``.

    Args:
        net: as `from_torch` returned it.
        hx: h_0, or (h_0, c_0) of an LSTM, each (layers · directions, B, H), as the
            layers of torch have it; of one reader also (B, H).

    Raises:
        ValueError: if it is not as described.

    >>> import jax.numpy as jnp, scanrnn as sr
    >>> from scanrnn import interop
    >>> hx = jnp.ones((2, 3, 5)), jnp.zeros((2, 3, 5))  # two layers, a batch of 3
    >>> state = interop.state_from_torch(sr.stack(sr.lstm(5), sr.lstm(5)), hx)
    >>> state[1].c.shape
    (3, 5)
    """
    fields = [jnp.asarray(x) for x in (hx if isinstance(hx, tuple | list) else (hx,))]
    like = _state_of(net)
    states = _states(net, like)
    rows, names = len(states), ("h_0", "c_0")[: len(states[0])]
    wanted = (rows, states[0].h.shape[-1])
    if rows == 1:
        fields = [x[None] if x.ndim == 2 else x for x in fields]
    fits = [x.ndim == 3 and x.shape[::2] == wanted for x in fields]
    if len(fields) != len(names) or not all(fits):
        raise ValueError(
            f"expected hx: {' and '.join(names)}, each of shape ({wanted[0]}, B, "
            f"{wanted[1]}), got {', '.join(str(x.shape) for x in fields)}"
        )
    # The leaves of our state go by reader, as torch's rows do, and then by field.
    leaves = [x[k] for k in range(rows) for x in fields]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def state_to_torch(net: Net, state: Any) -> Array | tuple[Array, ...]:
    """torch's h_n, or (h_n, c_n) of an LSTM, from a state of ours.

    Returns:
        (layers · directions, B, H) each.

    >>> import scanrnn as sr
    >>> from scanrnn import interop
    >>> net = sr.bidirectional(sr.gru(5), sr.gru(5))
    >>> interop.state_to_torch(net, net.start(3)).shape
    (2, 3, 5)
    """
    fields = tuple(map(jnp.stack, zip(*_states(net, state), strict=True)))
    return fields if len(fields) > 1 else fields[0]


def _states(net: Net, state: Any) -> list[Any]:
    """Those of its readers, by layer and then by direction."""
    wanted: Any = jax.tree.structure(_state_of(net))
    if wanted != jax.tree.structure(state):
        raise ValueError(f"expected a state of {net!r}, got {shown(state)}")
    levels = unfold(net, state, ("concat",))
    check_levels(levels)
    return [of_reader for level in levels for _, of_reader in level]


def _state_of(net: Net) -> Any:
    """Its shapes, of a batch of 1."""
    if not isinstance(net, Cell | Layer):
        raise ValueError(f"expected net, a cell or a layer of cells, got {shown(net)}")
    return jax.eval_shape(lambda: net.start(1))
