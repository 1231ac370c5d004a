"""Where a program will run, as far as that is known when it is traced."""

from typing import Any

import jax
from jax import Array


def is_accelerated(tree: Any) -> bool:
    """Whether arrays will be worked on by an accelerator: by anything but a CPU.

    Known are, in this order: the device that a mesh around the trace is made for (so
    a program can be compiled for a device that is not there), the devices of arrays
    that have values, and JAX's default device. Under `jax.export` for another platform
    it is that of the machine that exports.
    """
    return platform_of(tree) != "cpu"


def launches(tree: Any) -> bool:
    """Whether arrays will be worked on kernel by kernel, each launched: by a GPU."""
    return platform_of(tree) not in ("cpu", "tpu")


def platform_of(tree: Any) -> str:
    """What JAX calls it: cpu, gpu, tpu."""
    meant = getattr(jax.sharding.get_abstract_mesh(), "abstract_device", None)
    if meant is not None:
        return str(meant.platform)
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, Array) and not isinstance(leaf, jax.core.Tracer):
            return str(next(iter(leaf.devices())).platform)
    default: Any = getattr(jax.config, "jax_default_device", None)
    if default is None:
        return jax.default_backend()
    return default if isinstance(default, str) else str(default.platform)
