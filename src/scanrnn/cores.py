"""A train step with its batch cut over all cores, or over all accelerators.

XLA gives the products of a loop over time one core, unless they are large; two devices
of a CPU walk two halves of a batch side by side. So a step is compiled for as many
devices as there are cores, its batch cut over them and its params whole on each. It is
the same program for the whole batch: a mean stays the mean of all, what is drawn at
random is drawn for all, and the gradients are joined where the batch is summed over:
once, behind every loop (`engine/parts.py`).
"""

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from .engine.mesh import CORES
from .engine.values import shown, whole_number

Axes: TypeAlias = Any  # an int or None, or a pytree of them


def on_all_cores(
    step: Callable[..., Any],
    in_axes: Axes,
    *,
    devices: int | None = None,
    donate_argnums: int | Sequence[int] = (),
) -> Callable[..., Any]:
    """Compiles a train step for all cores, the batch cut over them.

    On a CPU, JAX's devices are made as many as there are cores, if nothing has been
    computed yet and `jax_num_cpu_devices` is not set; where there are GPUs or TPUs,
    they are taken. The numbers are those of one device, to rounding.

    Args:
        step: any function of arrays that `jax.jit` takes, of positional arguments, such
            as ``step(params, opt_state, xs, labels) -> (params, opt_state, loss)``.
        in_axes: where the batch lies in each argument, as for `jax.vmap`: 1 for (T, B,
            ...), 0 for lengths (B,), None for what all share; for an argument that is a
            pytree one of these for all of it, or a pytree of them.
        devices: over how many; all of this process if not given.
        donate_argnums: as for `jax.jit`.

    Returns:
        The step. What it returns may be handed to it again as it is; what has a batch
        axis stays cut over the devices.

    Raises:
        ValueError: if there are fewer devices than cores and it is too late to have
            more, or, when it is called, if ``in_axes`` does not fit the arguments or
            the devices do not divide the batch.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> cell = sr.gru(8)
    >>> def loss(params, xs):
    ...     return jnp.mean(sr.unroll(cell, params, xs).outputs ** 2)
    >>> def step(params, xs):
    ...     d_params = jax.grad(loss)(params, xs)
    ...     return jax.tree.map(lambda p, d: p - 0.1 * d, params, d_params)
    >>> step = sr.on_all_cores(step, in_axes=(None, 1))
    >>> params = cell.init(jax.random.key(0), 3)
    >>> params = step(params, jnp.ones((5, 4 * len(jax.devices()), 3)))
    """
    if not callable(step):
        raise ValueError(f"expected step, a function, got {shown(step)}")
    mesh = _mesh(None if devices is None else whole_number("devices", devices))
    compiled = jax.jit(step, donate_argnums=donate_argnums)

    @functools.wraps(step)
    def on_cores(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ValueError(
                f"expected in_axes of {len(args)} entries, one for each argument, got "
                f"{in_axes!r}"
            )
        return compiled(*map(functools.partial(_placed, mesh), axes, args))

    return on_cores


def _mesh(count: int | None) -> Mesh:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = cores or os.cpu_count() or 1
    _make_devices(count or cores)
    found = jax.local_devices()
    wanted = count or (cores if found[0].platform == "cpu" else len(found))
    if len(found) < wanted and (count or len(found) == 1):
        raise ValueError(
            f"expected {wanted} devices, got {len(found)}: JAX has started already; "
            "call sr.on_all_cores before anything is computed, or begin the program "
            f'with jax.config.update("jax_num_cpu_devices", {wanted})'
        )
    return Mesh(found[: count or len(found)], (CORES,), axis_types=(AxisType.Auto,))


def _make_devices(count: int) -> None:
    """Devices of the CPU, where nobody has said how many, and it is not too late."""
    if getattr(jax.config, "jax_num_cpu_devices", -1) > 0:
        return
    with contextlib.suppress(RuntimeError):  # it has started: `_mesh` says so
        jax.config.update("jax_num_cpu_devices", count)


def _placed(mesh: Mesh, axes: Axes, argument: Any) -> Any:
    """An argument where the program wants it: nothing is done if it lies there."""

    def of_part(axis: int | None, part: Any) -> Any:
        return jax.tree.map(lambda leaf: _put(mesh, axis, leaf), part)

    try:
        return jax.tree.map(of_part, axes, argument, is_leaf=lambda axis: axis is None)
    except TypeError as error:
        raise ValueError(f"expected in_axes of ints and None, got {axes!r}") from error


def _put(mesh: Mesh, axis: int | None, leaf: Any) -> Any:
    leaf = leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)
    spec = PartitionSpec()
    if axis is not None:
        spec = PartitionSpec(*(None,) * _cut(mesh.size, axis, leaf), CORES)
    sharding = NamedSharding(mesh, spec)
    own: Any = leaf.sharding
    # The engine knows this mesh (`engine/parts.py`), and no other that cuts alike.
    lies_there = getattr(own, "mesh", None) == mesh
    if lies_there and own.is_equivalent_to(sharding, leaf.ndim):
        return leaf
    return jax.device_put(leaf, sharding)


def _cut(devices: int, axis: int, leaf: jax.Array) -> int:
    """The axis, counted from the first, if so many devices divide it."""
    if not -leaf.ndim <= axis < leaf.ndim:
        raise ValueError(f"expected an axis {axis} in in_axes, got {shown(leaf)}")
    if leaf.shape[axis] % devices:
        raise ValueError(
            f"expected a batch that {devices} devices divide, got {leaf.shape[axis]} "
            f"along axis {axis} of {leaf.shape}; pad it, or pass devices="
        )
    return axis % leaf.ndim
