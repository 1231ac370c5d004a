"""What a caller passes, as arrays: nothing wraps, nothing is cut, nothing is guessed.

And how a caller's arrays lie: the engine walks (T, B, ·) from a state (B, ·).
"""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .products import is_tokens
from .values import shown

Tree = TypeVar("Tree")


def as_array(name: str, value: Any) -> Array:
    """One array; an error for what is none, or does not fit in JAX's integers.

    Raises:
        ValueError: if it is not an array of numbers, or an integer is too large.
    """
    if isinstance(value, Array):
        return value
    try:
        if hasattr(value, "__jax_array__"):
            return jnp.asarray(value)
        known = np.asarray(value)
        made = None if known.dtype == object else jnp.asarray(_fitting(name, known))
    except (TypeError, OverflowError, AttributeError):
        made = None
    except ValueError as error:
        if name in str(error):
            raise
        made = None  # lists of unequal lengths
    if made is None:
        raise ValueError(
            f"expected {name}: one array of numbers, got {shown(value)}; "
            "lists must have equal lengths"
        )
    return made


def as_arrays(name: str, tree: Tree) -> Tree:
    """Every leaf of a pytree as an array.

    Raises:
        ValueError: if a leaf is none.
    """
    return jax.tree.map(lambda leaf: as_array(name, leaf), tree)


def shaped(name: str, value: Any) -> Any:
    """What has a shape and a dtype as it is; anything else as an array.

    Raises:
        ValueError: if it is none.
    """
    is_shaped = hasattr(value, "shape") and hasattr(value, "dtype")
    return value if is_shaped else as_array(name, value)


def _fitting(name: str, known: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same, unless conversion to JAX's integers would change a value."""
    if known.dtype.kind not in "iu" or not known.size:
        return known
    dtype = jax.dtypes.canonicalize_dtype(known.dtype)
    kind = np.iinfo(dtype)
    if int(known.max()) > kind.max or int(known.min()) < kind.min:
        raise ValueError(
            f"expected {name}: integers that fit in {dtype}, got values from "
            f"{known.min()} to {known.max()}; jax.config.update('jax_enable_x64', "
            "True) makes room for larger ones"
        )
    return known


class Layout(NamedTuple):
    """How a caller's sequences and states lie.

    Sequences are (T, B, ...), with ``batch_first`` (B, T, ...), and without a batch
    (T, ...); states are (B, ·), and without a batch (·).
    """

    batch_first: bool = False
    batched: bool = True

    def enter(self, sequence: Array) -> Array:
        """(T, B, ...), for the engine; what has too few axes is left to the checks."""
        if not self.batched:
            return sequence[:, None] if sequence.ndim else sequence
        is_turned = self.batch_first and sequence.ndim > 1
        return sequence.swapaxes(0, 1) if is_turned else sequence

    def leave(self, sequences: Tree) -> Tree:
        """The inverse of `enter`, for every leaf."""
        if not self.batched:
            return jax.tree.map(lambda leaf: leaf[:, 0], sequences)
        if not self.batch_first:
            return sequences
        return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), sequences)

    def enter_state(self, state: Tree) -> Tree:
        """(B, ·), for the engine."""
        if self.batched:
            return state
        return jax.tree.map(lambda leaf: leaf[None], state)

    def leave_state(self, state: Tree) -> Tree:
        """The inverse of `enter_state`."""
        if self.batched:
            return state
        return jax.tree.map(lambda leaf: leaf[0], state)

    def told(self) -> str:
        """What an error has to add, since it tells shapes as the engine has them."""
        if not self.batched:
            return "; xs without a batch were given a batch of 1, and so was the rest"
        return "; shapes are told time first, (T, B, ...)" * self.batch_first


def layout_of(xs: Array, batch_first: bool) -> Layout:
    """Floats (T, X) and tokens (T,) have no batch."""
    return Layout(batch_first, batched=xs.ndim > (1 if is_tokens(xs) else 2))
