"""Programs compiled for a GPU on a machine that has none.

XLA needs no device to compile for one, only its description: how many cores, how much
memory of which kind. With ``--xla_gpu_autotune_level=0`` it times nothing either, and
takes its default for every product; on the device it may choose otherwise.
"""

import os
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import topologies
from jax.sharding import AbstractDevice, AbstractMesh, AxisType, SingleDeviceSharding

import scanrnn as sr

FLAG = "--xla_gpu_autotune_level=0"
PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")

# An H100 (SXM): NVIDIA's data sheet, and the limits of compute capability 9.0 in the
# CUDA C++ Programming Guide, in the fields of XLA's `GpuTargetConfigProto`.
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024
  threads_per_warp: 32
  threads_per_core_limit: 2048
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  registers_per_block_limit: 65536
  registers_per_core_limit: 65536
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: 84942979072
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
device_description_str: "H100"
"""


def h100() -> Any:
    """The device; an error of JAX's where its plugin for CUDA is not installed.

    To be called before JAX starts a backend: it must look for no GPU, and time nothing.
    """
    jax.config.update("jax_platforms", "cpu")
    if FLAG not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}".strip()
    there = topologies.get_topology_desc(
        platform="cuda",
        topology_name="h100",
        target_config=H100,
        topology="1x1x1",
    )
    return there.devices[0]


def compiled(
    device: Any, cell: sr.Cell, size: Any, dtype: str, way: sr.Backward, unroll: int = 1
) -> str:
    """The HLO of value and gradient by params and inputs, as the device will run it.

    Args:
        size: (T, B, X, H), of which H is the cell's.
    """
    T, B, X, _ = size
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), X, dtype))
    xs = jax.ShapeDtypeStruct((T, B, X), jnp.dtype(dtype))

    def loss(params: Any, xs: Array) -> Array:
        outputs = sr.unroll(cell, params, xs, backward=way, unroll=unroll).outputs
        return jnp.sum(outputs.astype(jnp.float32) ** 2)

    gradient = jax.jit(
        jax.value_and_grad(loss, (0, 1)),
        in_shardings=SingleDeviceSharding(device),
        out_shardings=SingleDeviceSharding(device),
    )
    kind = AbstractDevice(device_kind=device.device_kind, num_cores=132, platform="gpu")
    mesh = AbstractMesh((1,), ("all",), (AxisType.Auto,), abstract_device=kind)
    with jax.sharding.use_abstract_mesh(mesh):  # the engine asks where it will run
        return str(gradient.lower(params, xs).compile().as_text())
