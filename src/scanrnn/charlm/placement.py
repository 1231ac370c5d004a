"""Where arrays lie when several devices share the batch, and how their gradients meet.

The streams are spread over the devices, the parameters lie on all of them. Two
devices may be two cores of one CPU: products inside a loop run on one core each. The
devices of several processes stand in one row: each process calls the same functions,
and holds its own part.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from .streams import Window

BATCH = "batch"
STREAMS = PartitionSpec(None, BATCH)  # of (T, B, ...)
STATE = PartitionSpec(BATCH)  # of (B, ...)
ROWS = STATE  # of (G, ...)
WHOLE = PartitionSpec()

# params, window, state, kept -> (loss, state), d_params
Differentiated = Callable[..., tuple[tuple[Array, Any], Any]]


class Placement(NamedTuple):
    """Devices in a row, along which the batch is cut."""

    mesh: Mesh

    @classmethod
    def over(cls, count: int, batch: int) -> "Placement":
        """The first ``count`` devices of every process.

        Raises:
            ValueError: if there are fewer, or the batch cannot be cut evenly.
        """
        processes = range(jax.process_count())
        rows = [[d for d in jax.devices() if d.process_index == p] for p in processes]
        fewest = min(map(len, rows))
        if fewest < count:
            raise ValueError(
                f"expected {count} devices, got {fewest}; on a CPU set "
                f"JAX_NUM_CPU_DEVICES={count} before Python starts"
            )
        devices = [device for row in rows for device in row[:count]]
        if batch % len(devices):
            raise ValueError(
                f"expected batch to be a multiple of the devices, got {batch} streams "
                f"for {len(rows)} processes x {count} devices"
            )
        auto = (AxisType.Auto,)
        return cls(jax.make_mesh((len(devices),), (BATCH,), auto, devices=devices))

    def sharding(self, spec: PartitionSpec = WHOLE) -> NamedSharding:
        """Which axis of an array is cut."""
        return NamedSharding(self.mesh, spec)

    def place(self, tree: Any, spec: PartitionSpec = WHOLE) -> Any:
        """Arrays cut along an axis, if that can be; else whole on every device.

        Every process holds the whole value, and places what its devices need.
        """
        return jax.tree.map(lambda leaf: self._place(leaf, spec), tree)

    def _place(self, leaf: ArrayLike, spec: PartitionSpec) -> Array:
        if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(
                self._place(jax.random.key_data(leaf), spec)
            )
        value = np.asarray(leaf)
        cut = [value.shape[k] for k, name in enumerate(spec) if name is not None]
        even = all(size % self.mesh.size == 0 for size in cut)
        # A copy: what is placed may be donated, and must not share the host's memory.
        return jax.make_array_from_callback(
            value.shape,
            self.sharding(spec if even else WHOLE),
            lambda index: np.array(value[index]),
        )

    def spread(self, function: Callable[[Array], Array], rows: Array) -> Array:
        """A function of rows (G, ...), each by itself: each device makes its own.

        What it makes is gathered on every device. Where the devices cannot share the
        rows evenly, every device makes all.
        """
        if self.mesh.size == 1 or rows.shape[0] % self.mesh.size:
            return function(rows)
        # Whole before and after, or XLA cuts what the rows come from, and go into.
        whole = lax.with_sharding_constraint(rows, self.sharding())
        own = lax.with_sharding_constraint(whole, self.sharding(ROWS))
        return lax.with_sharding_constraint(function(own), self.sharding())

    def differentiate(self, loss: Callable[..., tuple[Array, Any]]) -> Differentiated:
        """`jax.value_and_grad` of a mean over streams, with one collective.

        Each device d differentiates the mean Lᵈ over its own streams, whose weights
        sum to Wᵈ. Gradients, loss and weight travel in one vector, through one
        all-reduce::

            L = Σᵈ Wᵈ Lᵈ / Σᵈ Wᵈ          dL/dθ = Σᵈ Wᵈ dLᵈ/dθ / Σᵈ Wᵈ

        Args:
            loss: params, window, state (B, ·), kept (1, B, H) or None -> loss, state.
        """
        by_device = jax.value_and_grad(loss, has_aux=True)
        if self.mesh.size == 1:
            return by_device

        def joined(params: Any, window: Window, state: Any, kept: Any) -> Any:
            # Declared to vary, so that JAX sums nothing over devices by itself.
            own = jax.tree.map(
                lambda leaf: lax.pcast(leaf, BATCH, to="varying"), params
            )
            (mean, state), d_params = by_device(own, window, state, kept)
            weight = _weight(window)
            vector, restore = ravel_pytree((d_params, mean))
            summed = lax.psum(jnp.append(weight * vector, weight), BATCH)
            total = jnp.where(summed[-1] == 0, 1, summed[-1])
            d_params, mean = restore(summed[:-1] / total)
            return (mean, state), d_params

        return jax.shard_map(
            joined,
            mesh=self.mesh,
            in_specs=(WHOLE, STREAMS, STATE, STREAMS),
            out_specs=((WHOLE, STATE), WHOLE),
        )


def _weight(window: Window) -> Array:
    """How much a device's part of a window counts."""
    if window.weights is not None:
        return window.weights.sum()
    ones = jnp.ones(window.labels.shape, jnp.float32)
    return lax.pcast(ones.sum(), BATCH, to="varying")
