"""Programs compiled for an accelerator on a machine that has none.

XLA needs no device to compile for one, only its description: for a GPU how many cores,
how much memory of which kind, for a TPU the name of its topology. With
``--xla_gpu_autotune_level=0`` it times nothing for a GPU either, and takes its default
for every product; on the device it may choose otherwise.
"""

import importlib.util
import os
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import topologies
from jax.sharding import AbstractDevice, AbstractMesh, AxisType, SingleDeviceSharding

import scanrnn as sr

FLAG = "--xla_gpu_autotune_level=0"
# The packages of which one is needed, by platform.
PLUGINS = {"gpu": ("jax_cuda12_plugin", "jax_cuda13_plugin"), "tpu": ("libtpu",)}
INSTALLS = {"gpu": "pip install 'jax[cuda12]'", "tpu": "pip install libtpu"}

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

# Four chips on one host, of which one is compiled for. libtpu would look for a host
# that has them, and ask the cloud for its name: it is told instead.
V5E = ("v5e:2x2", (2, 2, 1))
NO_HOST = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
}


def is_installed(platform: str) -> bool:
    """Whether the compiler for a platform is here."""
    return any(map(importlib.util.find_spec, PLUGINS[platform]))


def described(platform: str) -> Any:
    """A device of a platform, gpu or tpu, that is not there.

    To be called before JAX starts a backend: it must look for no device, and time
    nothing. libtpu serves one process of a machine at a time.
    """
    return {"gpu": h100, "tpu": v5e}[platform]()


def h100() -> Any:
    """An H100; an error of JAX's where its plugin for CUDA is not installed."""
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


def v5e() -> Any:
    """A chip of a TPU v5e; an error of JAX's where libtpu is not installed."""
    jax.config.update("jax_platforms", "cpu")
    for name, value in NO_HOST.items():
        os.environ.setdefault(name, value)
    name, chips = V5E
    there = topologies.get_topology_desc(name, "tpu", chips_per_host_bounds=chips)
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
    is_tpu = device.platform == "tpu"
    kind = AbstractDevice(
        device_kind=device.device_kind,
        num_cores=1 if is_tpu else 132,
        platform="tpu" if is_tpu else "gpu",
    )
    mesh = AbstractMesh((1,), ("all",), (AxisType.Auto,), abstract_device=kind)
    with jax.sharding.use_abstract_mesh(mesh):  # the engine asks where it will run
        return str(gradient.lower(params, xs).compile().as_text())
