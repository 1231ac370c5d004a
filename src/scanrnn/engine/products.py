"""The products of a recurrent layer; precision and sharding are settled here, once.

Every cell and the dense layer are built from the same handful of products. Two
things about them belong in one place:

- With 16-bit floats the operands stay narrow; sums and results are float32.
- The gradient of a weight contracts over time and batch at once. The two axes are
  never merged by a reshape, which would gather a sharded batch; and where the mesh
  has explicit axes, the result is told to be sharded as the weight is.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike

from .values import shown


def wide(dtype: DTypeLike) -> Any:
    """The dtype in which values of ``dtype`` are summed: float32 for 16-bit floats."""
    return jnp.dtype("float32") if jnp.dtype(dtype).itemsize < 4 else jnp.dtype(dtype)


def or_default(dtype: DTypeLike | None) -> Any:
    """``dtype``, or JAX's default float: float64 where x64 is on, else float32."""
    return jnp.dtype(jnp.result_type(float) if dtype is None else dtype)


def floating(dtype: DTypeLike | None) -> Any:
    """``dtype``, or JAX's default float.

    Raises:
        ValueError: if it is no floating dtype.
    """
    try:
        known = None if isinstance(dtype, Array | np.ndarray) else or_default(dtype)
    except TypeError:
        known = None
    if known is None or not jnp.issubdtype(known, jnp.floating):
        raise ValueError(f"expected dtype, a floating one, got {shown(dtype)}")
    return known


def is_tokens(xs: Array) -> bool:
    """Whether the inputs are integer tokens, to be looked up and not multiplied."""
    return jnp.issubdtype(xs.dtype, jnp.integer)


def affine(x: Array, w: Array, b: Array | None) -> Array:
    """y = x W + b.

    Args:
        x: floats (..., I), or tokens (...) that stand for the rows of an identity,
            −1 for a row of zeros.
        w: (I, O).
        b: (O,), or None for a map without a bias.

    Returns:
        (..., O), in float32 for 16-bit floats.
    """
    return plus(times(x, w), b)


def plus(y: Array, b: Array | None) -> Array:
    """y + b, b in the dtype of y; y where there is no bias."""
    return y if b is None else y + beside(b.astype(y.dtype), y)


def beside(b: Array, y: Array) -> Array:
    """b (O,) with as many axes as y (..., O).

    JAX would add them itself, unless ``jax_numpy_rank_promotion`` forbids it.
    """
    return jnp.expand_dims(b, tuple(range(y.ndim - b.ndim)))


def affine_vjp(
    x: Array, w: Array, b: Array | None, d_y: Array
) -> tuple[Array | None, Array, Array | None]:
    """The way back through `affine`: dx = dy Wᵀ, dW = Σ xᵀ dy, db = Σ dy.

    The sums run over all leading axes. Tokens have no cotangent: their dx is None,
    and their dW adds every dy to the row of its token, −1 to none. Where there is no
    bias its db is None.
    """
    d_b = None if b is None else _lie_like(sum_leading(d_y), b)
    if is_tokens(x):
        return None, _scatter_rows(x, d_y, w), d_b
    return times_transposed(d_y, w, x), sum_of_outer(x, d_y, w), d_b


def times(x: Array, w: Array) -> Array:
    """x W: (..., I) by (I, O) is (..., O), in float32 for 16-bit floats.

    Tokens (...) stand for the rows of an identity, and look up a row of W each; −1
    stands for a row of zeros.
    """
    if is_tokens(x):
        return _take_rows(w, x)
    x = x.astype(w.dtype)
    return _contract(x, w, (x.ndim - 1,), (0,), _product_sharding(x, w))


def times_transposed(d_y: Array, w: Array, x: Array | None = None) -> Array:
    """dy Wᵀ: (..., O) by (I, O) is (..., I), the cotangent of x in y = x W.

    Where the mesh has explicit axes it lies as x does, or what lies alike.

    Wᵀ is written out behind a barrier. In a loop it is then made once, before the
    loop; XLA would rather read W the wrong way round in every step, which on a CPU
    takes up to twice as long.
    """
    w_transposed = lax.optimization_barrier(w.T)
    d_y, like = d_y.astype(w.dtype), None if x is None else _explicit_sharding(x)
    return _contract(d_y, w_transposed, (d_y.ndim - 1,), (0,), like)


def sum_of_outer(x: Array, d_y: Array, w: Array) -> Array:
    """Σ xᵀ dy over all leading axes: the cotangent of W (I, O) in y = x W."""
    leading = tuple(range(x.ndim - 1))
    x, d_y = x.astype(w.dtype), d_y.astype(w.dtype)
    return _contract(x, d_y, leading, leading, _explicit_sharding(w))


def sum_leading(d_y: Array) -> Array:
    """Σ dy over all leading axes: the cotangent of b (O,) in y = x + b."""
    return jnp.sum(d_y, tuple(range(d_y.ndim - 1)), dtype=wide(d_y.dtype))


def _contract(
    x: Array,
    y: Array,
    x_axes: tuple[int, ...],
    y_axes: tuple[int, ...],
    out_sharding: Any = None,
) -> Array:
    return lax.dot_general(
        x,
        y,
        ((x_axes, y_axes), ((), ())),
        preferred_element_type=wide(y.dtype),
        out_sharding=out_sharding,
    )


def _take_rows(w: Array, tokens: Array) -> Array:
    # NaN for a token outside [−1, I): under jit it cannot raise, and must not pass.
    rows = w.at[tokens].get(
        mode="fill",
        fill_value=jnp.nan,
        wrap_negative_indices=False,
        out_sharding=_rows_sharding(w, tokens),
    )
    if jnp.issubdtype(tokens.dtype, jnp.signedinteger):
        rows = jnp.where((tokens == -1)[..., None], 0, rows)
    return rows.astype(wide(w.dtype))


def _scatter_rows(tokens: Array, d_y: Array, w: Array) -> Array:
    zeros = jnp.zeros_like(w, dtype=wide(w.dtype))
    return zeros.at[tokens].add(
        d_y.astype(zeros.dtype),
        mode="drop",
        wrap_negative_indices=False,
        out_sharding=_explicit_sharding(w),
    )


def _explicit_sharding(x: Array) -> Any:
    """The sharding of x where its mesh has explicit axes, else None: XLA's choice."""
    sharding = jax.typeof(x).sharding
    return sharding if sharding.mesh.explicit_axes else None


def _lie_like(x: Array, like: Array) -> Array:
    wanted = _explicit_sharding(like)
    is_there = wanted is None or jax.typeof(x).sharding == wanted
    return x if is_there else jax.sharding.reshard(x, wanted)


def is_cut(x: Array, axis: int) -> bool:
    """Whether the type of x tells that the axis is cut over devices."""
    sharding = _explicit_sharding(x)
    return sharding is not None and sharding.spec[axis] is not None


def _product_sharding(x: Array, w: Array) -> Any:
    """How x W lies, where JAX asks: both are cut along what is contracted."""
    if not (is_cut(x, -1) and is_cut(w, 0)):
        return None
    sharding = jax.typeof(x).sharding
    spec = PartitionSpec(*sharding.spec[:-1], jax.typeof(w).sharding.spec[1])
    return sharding.update(spec=spec)


def _rows_sharding(w: Array, tokens: Array) -> Any:
    """How looked-up rows lie: as the tokens, and as a row."""
    of_rows, of_tokens = _explicit_sharding(w), _explicit_sharding(tokens)
    if of_rows is None and of_tokens is None:
        return None
    known = of_tokens or of_rows
    leading = of_tokens.spec if of_tokens else (None,) * tokens.ndim
    row = of_rows.spec[1:] if of_rows else (None,)
    return known.update(spec=PartitionSpec(*leading, *row))
