"""Where arrays lie when several devices share the batch.

The streams are spread over the devices, the parameters lie on all of them. Two
devices may be two cores of one CPU: products inside a loop run on one core each.
"""

from typing import Any, NamedTuple

import jax
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from .train import TrainState

BATCH = "batch"


class Placement(NamedTuple):
    """Devices in a row, along which the batch is cut."""

    mesh: Mesh

    @classmethod
    def over(cls, count: int) -> "Placement":
        """The first ``count`` devices.

        Raises:
            ValueError: if there are fewer.
        """
        devices = jax.devices()
        if len(devices) < count:
            raise ValueError(
                f"expected {count} devices, got {len(devices)}; on a CPU set "
                f"JAX_NUM_CPU_DEVICES={count} before Python starts"
            )
        auto = (AxisType.Auto,)
        return cls(jax.make_mesh((count,), (BATCH,), auto, devices=devices[:count]))

    def place(self, array: ArrayLike, axis: int | None = None) -> Array:
        """An array cut along an axis, if that can be; else whole on every device."""
        shape = jax.numpy.shape(array)
        cut = axis is not None and shape[axis] % self.mesh.size == 0
        spec = (None,) * axis + (BATCH,) if cut and axis is not None else ()
        placed: Array = jax.device_put(array, self.sharding(*spec))
        return placed

    def sharding(self, *axes: str | None) -> NamedSharding:
        """Which axis of an array is cut."""
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def place_state(self, state: TrainState) -> TrainState:
        """The carried state cut along its batch, all else whole on every device."""
        whole = jax.tree.map(self.place, state._replace(state=None))
        carried = jax.tree.map(lambda leaf: self.place(leaf, axis=0), state.state)
        placed: TrainState = whole._replace(state=carried)
        return placed

    def shardings(self, state: TrainState) -> Any:
        """How the leaves of a placed state lie."""
        return jax.tree.map(lambda leaf: leaf.sharding, state)
