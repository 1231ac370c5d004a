"""What a contestant is, and how one is built that JAX differentiates and compiles."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import scanrnn as sr
from scanrnn.engine.mesh import CORES

from .cases import Answer, Problem

Loss = Callable[[Any, Array, Array], Array]
Gradient = Callable[[Any, Array, Array], Any]

BATCH = CORES  # the axis of the mesh: so ours by jit is what `on_all_cores` makes


class Ready(NamedTuple):
    """A contestant with everything compiled and in its place."""

    call: Callable[[], Any]  # one full step; returns when it is done
    answer: Callable[[], Any]  # what was computed, in our layout
    compile_s: float | None  # seconds to trace and compile
    megabytes: float | None  # temporary memory of a call
    quiet_s: float = 0.0  # to wait after a turn, until its threads sleep


class Layout(NamedTuple):
    """How the batch lies: over how many devices, and what spreads it."""

    devices: int = 1
    mapped: bool = False  # `jax.shard_map`; else `jax.jit`

    def named(self, name: str) -> str:
        """The name of a contestant with this layout."""
        if self.devices == 1:
            return name
        return f"{name}, {self.devices} devices" + " by shard_map" * self.mapped


class Contestant(NamedTuple):
    """One way to compute the gradients of a case.

    Attributes:
        name: as the tables print it.
        group: "ours", "scan" (plain autodiff), "peer" (a JAX library) or "torch".
        build: compiles it for a problem.
        cell: the cell of ours that has its equations.
        layout: how the batch lies.
        differs: what is not the same, if anything; it then counts in no ratio.
        lacks: params that it does not have.
        as_it_comes: whether it is what one gets who sets nothing, on one device; of
            ours, also on several by `jax.jit`.
    """

    name: str
    group: str
    build: Callable[[Problem], Ready]
    cell: sr.Cell
    layout: Layout = Layout()
    differs: str = ""
    lacks: tuple[str, ...] = ()
    as_it_comes: bool = False


def same(params: Any) -> Any:
    """No translation: the params are in our layout."""
    return params


def by_jax(
    loss: Loss,
    translate: Callable[[Any], Any] = same,
    *,
    layout: Layout = Layout(),
    batch_major: bool = False,
) -> Callable[[Problem], Ready]:
    """The `build` of a contestant that JAX differentiates and compiles.

    Args:
        loss: their params, xs, weights -> the loss.
        translate: our params -> theirs, affine. It is applied before the time is
            taken, and its transpose brings their gradients back.
        layout: how the batch lies.
        batch_major: the loss takes (B, T, ...); xs and weights are laid out so.
    """

    def build(problem: Problem) -> Ready:
        arrays = [problem.xs, problem.weights]
        if batch_major:
            arrays = [array.swapaxes(0, 1).copy() for array in arrays]
        ours = jax.tree.map(jnp.asarray, problem.params)
        batch_axis = 0 if batch_major else 1
        arguments = place(translate(ours), arrays, layout, batch_axis)
        argnums = (0,) if problem.case.tokens else (0, 1)
        gradient = by_device(jax.value_and_grad(loss, argnums), layout, batch_axis)
        compiled, seconds = compile_of(jax.jit(gradient), *arguments)

        def call() -> Any:
            return jax.block_until_ready(compiled(*arguments))

        def answer() -> Answer:
            value, (d_theirs, *d_inputs) = call()
            d_theirs = jax.device_put(d_theirs, jax.devices()[0])
            _, pull = jax.vjp(translate, ours)
            (d_params,) = jax.tree.map(np.asarray, pull(d_theirs))
            d_xs = np.asarray(d_inputs[0]) if d_inputs else None
            if batch_major and d_xs is not None:
                d_xs = d_xs.swapaxes(0, 1)
            return Answer(float(value), d_params, d_xs)

        return Ready(call, answer, seconds, temporary(compiled) * layout.devices)

    return build


def place(
    params: Any, arrays: list[Any], layout: Layout, batch_axis: int
) -> tuple[Any, ...]:
    """Params on all devices, arrays sharded by their batch axis."""
    if layout.devices == 1:
        return jax.device_put((params, *arrays), jax.devices()[0])
    mesh = mesh_of(layout)
    by_batch = NamedSharding(mesh, batch_at(batch_axis))
    params = jax.device_put(params, NamedSharding(mesh, P()))
    return params, *jax.device_put(arrays, [by_batch] * len(arrays))


def mesh_of(layout: Layout) -> Mesh:
    """The devices, along which the batch lies."""
    auto = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((layout.devices,), (BATCH,), axis_types=auto)


def batch_at(axis: int) -> P:
    """Sharded along this axis."""
    return P(*(None,) * axis, BATCH)


def by_device(
    gradient: Gradient,
    layout: Layout,
    batch_axis: int,
    joined: Callable[[Any, str], Any] = lax.psum,
) -> Gradient:
    """The gradient of a whole batch; if mapped, each device finds that of its part.

    What the devices found is joined once, at the end: no loop waits for the others.

    Args:
        gradient: params, two arrays -> value, (d_params, d_inputs if any).
        joined: makes one of the values and d_params of all devices, a sum or a mean.
    """
    if not layout.mapped:
        return gradient

    def part(params: Any, xs: Array, weights: Array) -> Any:
        value, (d_params, *d_xs) = gradient(params, xs, weights)
        return joined((value, d_params), BATCH), d_xs

    def whole(params: Any, xs: Array, weights: Array) -> Any:
        by_batch = batch_at(batch_axis)
        mapped = jax.shard_map(
            part,
            mesh=mesh_of(layout),
            in_specs=(P(), by_batch, by_batch),
            out_specs=(P(), by_batch),
            check_vma=False,  # the peers' initial states do not say where they lie
        )
        (value, d_params), d_xs = mapped(params, xs, weights)
        return value, (d_params, *d_xs)

    return whole


def compile_of(function: Any, *arguments: Any) -> tuple[Any, float]:
    """A jitted function traced and compiled, and the seconds it took."""
    began = time.perf_counter()
    compiled = function.lower(*arguments).compile()
    return compiled, time.perf_counter() - began


def temporary(compiled: Any) -> float:
    """Megabytes that a program needs besides its inputs and outputs, per device."""
    return float(compiled.memory_analysis().temp_size_in_bytes / 1e6)
